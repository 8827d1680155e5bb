"""Any text in, a file name out that stays in its folder on every platform.

Ordinary names (gpt-4, dataclass) are their own file names. Any other name keeps what can be read
of it and gets a short hash, so that two names never share a file.
"""

import hashlib
import re
import unicodedata

from storage.files.utf8_text import clean_text

_MAX_BYTES = 120  # leaves room below the usual 255 for the hash and for .jsonl.damaged
_HASH_DIGITS = (8, 16, 64)
_KEPT_PUNCTUATION = frozenset("._-+=@")
_DEVICES = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³])", re.IGNORECASE)
# Endings and names that the session's own files have.
_OWN_ENDINGS = (".json", ".jsonl", ".csv", ".damaged", ".tmp", ".lock")


def safe_name(name: str, hash_digits: int = 0) -> str:
    """Return the file name for a name: itself where it is ordinary, else readable plus a hash.

    hash_digits: add a hash of this length in any case, to tell the name from one that has taken
    its place.
    """
    text = clean_text(name)
    readable = _readable(text)
    if readable == text and not _is_reserved(text) and not hash_digits:
        return text
    digest = hashlib.sha256(text.encode("utf-8")).hexdigest()
    return f"{readable}-{digest[: hash_digits or _HASH_DIGITS[0]]}"


def is_file_name_of(file_name: str, name: str) -> bool:
    """Return whether free_name may have given a name this file name."""
    return any(safe_name(name, digits) == file_name for digits in (0, *_HASH_DIGITS))


def name_key(file_name: str) -> str:
    """Return what two file names share where a file system would take them for one."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", file_name).casefold())


def free_name(name: str, taken: set[str]) -> str:
    """Return the file name for a name in a folder whose name_keys in use are `taken`."""
    for digits in (0, *_HASH_DIGITS):
        file_name = safe_name(name, digits)
        if name_key(file_name) not in taken:
            return file_name
    raise AssertionError("two names with one sha256")


def _readable(text: str) -> str:
    composed = unicodedata.normalize("NFC", text)
    kept = "".join(c if c.isalnum() or c in _KEPT_PUNCTUATION else "_" for c in composed)
    if len(kept.encode("utf-8")) > _MAX_BYTES + 1 + _HASH_DIGITS[0]:  # names made here stay
        kept = kept.encode("utf-8")[:_MAX_BYTES].decode("utf-8", "ignore")
    kept = kept.rstrip(".")
    return kept if kept and kept[0] not in ".-" else f"_{kept}"


def _is_reserved(text: str) -> bool:
    stem = text.split(".", 1)[0]
    return _DEVICES.fullmatch(stem) is not None or text.lower().endswith(_OWN_ENDINGS)
