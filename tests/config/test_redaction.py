"""Keys stand in no text, however they are written, and in no log line, whoever logs it."""

import html
import io
import json
import logging
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.environment import Environment
from config.redaction import Redactor, redact_logs

ROOT = Path(__file__).resolve().parent.parent.parent
KEYS = [
    "sk-proj-Ab12Cd34Ef56Gh78Ij90Kl12Mn34Op56",
    "sk-ant-api03-Qr78St90Uv12Wx34Yz56Ab78Cd90Ef12",
    "AIzaSyGh34Ij56Kl78Mn90Op12Qr34St56Uv78",
    "base64/with+odd=chars&Wx90Yz12Ab34Cd56",
]
ALL = Redactor(KEYS)
WRITTEN: dict[str, Callable[[str], str]] = {
    "as it is": lambda key: key,
    "JSON": lambda key: json.dumps(key),
    "JSON with slashes escaped": lambda key: json.dumps(key).replace("/", "\\/"),
    "JSON, every character": lambda key: "".join(f"\\u{ord(c):04x}" for c in key),
    "a URL": lambda key: quote(key, safe=""),
    "a URL's path": lambda key: quote(key),
    "a URL, every character": lambda key: "".join(f"%{ord(c):02X}" for c in key),
    "a URL, lower case": lambda key: "".join(f"%{ord(c):02x}" for c in key),
    "HTML": lambda key: html.escape(key),
    "HTML, every character": lambda key: "".join(f"&#{ord(c)};" for c in key),
    "HTML, hexadecimal": lambda key: "".join(f"&#x{ord(c):x};" for c in key),
    "HTML in a URL": lambda key: quote("".join(f"&#{ord(c)};" for c in key)),
    "without its end": lambda key: key[:-6],
    "without its beginning": lambda key: key[9:],
    "twelve characters of its end": lambda key: key[-12:],
}


def longest_part_left(key: str, text: str) -> int:
    return max(
        (
            size
            for size in range(1, len(key) + 1)
            if any(key[at : at + size] in text for at in range(len(key) - size + 1))
        ),
        default=0,
    )


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("written", WRITTEN.values(), ids=WRITTEN)
def test_a_key_is_found_however_it_is_written(written: Callable[[str], str], key: str) -> None:
    told = f"Incorrect key {written(key)}, see https://provider.test/?key={written(key)}&page=1"
    redacted = ALL.redact(told)
    assert redacted.count("[key]") == 2
    assert longest_part_left(key, redacted) < 8
    assert redacted.startswith("Incorrect key ")


@pytest.mark.parametrize("key", KEYS)
def test_a_text_that_was_cut_within_a_key(key: str) -> None:
    whole = f"no access with {key}"
    for length in range(len(whole) - len(key) + 12, len(whole)):
        assert key[:12] not in ALL.redact(whole[:length])
    assert ALL.redact(f"{key[20:]} is wrong") == "[key] is wrong"


def test_what_all_keys_begin_with_is_no_secret() -> None:
    text = 'Keys begin with "sk-ant-api03-" or "sk-proj-".'
    assert ALL.redact(text) == text


@pytest.mark.parametrize("key", ["", "ollama", "EMPTY", "fifteen-letters"])
def test_short_keys_are_no_secrets(key: str) -> None:
    text = f"def ollama(): return {key!r}"
    assert Redactor([key]).redact(text) == text


def test_ordinary_texts_stay_as_they_are() -> None:
    source = Path(__file__).with_name("test_settings.py").read_text(encoding="utf-8")
    escapes = source + " 100%25 &amp; \\u0041 \\/ %zz &nothing; 5%20more"
    assert ALL.redact(escapes) == escapes


@pytest.mark.slow
@given(st.text(max_size=200))
def test_no_text_without_a_key_is_changed(text: str) -> None:
    assert ALL.redact(text) == text


@given(st.text(max_size=50), st.sampled_from(KEYS), st.text(max_size=50))
def test_a_key_between_any_texts_is_taken_out(before: str, key: str, after: str) -> None:
    redacted = ALL.redact(before + key + after)
    assert key not in redacted
    assert redacted.startswith(before)


def test_keys_of_every_provider_and_of_extraction_are_known() -> None:
    variables = {
        "OPENAI_API_KEY": KEYS[0],
        "EXTRACTION_API_KEY": KEYS[1],
        "MYPROVIDER_API_KEY": KEYS[2],
        "ODD_NAME": KEYS[3],
        "DATASET_PATH": "a/path/that/is/no/secret",
        "XAI_API_KEY": "your_xai_api_key_here",
    }
    assert Environment(variables).secrets() == set(KEYS[:3])
    assert Environment(variables).secrets(["ODD_NAME", "NOT_SET"]) == set(KEYS)


def test_numbered_keys_are_known_though_no_model_uses_them() -> None:
    variables = {"OPENAI_API_KEY_2": KEYS[0], "XAI_API_KEY_10": KEYS[1], "ODD_NAME_3": KEYS[2]}
    assert Environment(variables).secrets(["ODD_NAME"]) == set(KEYS[:3])


@pytest.fixture
def plain_factory() -> Iterator[None]:
    before = logging.getLogRecordFactory()
    yield
    logging.setLogRecordFactory(before)


@pytest.mark.usefixtures("plain_factory")
def test_every_logger_is_redacted() -> None:
    redact_logs(Redactor(["an-older-key-0123456789"]))
    redact_logs(ALL)
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(logging.Formatter("%(name)s %(message)s"))
    for name in ("httpx2", "aiohttp.client", "a.library.of.others"):
        logger = logging.getLogger(name)
        logger.addHandler(handler)
        try:
            logger.warning('HTTP Request: "HTTP/1.1 401 %s"', f"wrong key {KEYS[0]}")
            logger.warning(f"100% of {KEYS[1]}")
            logger.warning("headers %s", {"x-echo": KEYS[2]})
            try:
                raise ValueError(KEYS[0])
            except ValueError:
                logger.exception("failed with %d", 7)
            logger.warning("as it is: %s, %d %%", "text", 3)
        finally:
            logger.removeHandler(handler)
    told = written.getvalue()
    assert told.count("[key]") == 12
    assert told.count("as it is: text, 3 %") == 3
    assert told.count("failed with 7") == 3
    assert "ValueError: [key]" in told
    assert not any(key in told for key in KEYS)


def test_the_handler_of_last_resort_is_redacted_too() -> None:
    program = (
        "import logging; from config.redaction import *\n"
        f"redact_logs(Redactor([{KEYS[0]!r}]))\n"
        f"logging.getLogger('asyncio').error('closed: %s', {KEYS[0]!r})\n"
    )
    told = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert told.stderr == "closed: [key]\n"
