"""Prompts by name or file, system texts as they are typed or from a file."""

from difflib import get_close_matches
from pathlib import Path

from config.errors import ConfigError

DEFAULT_NAME = "default"
_TEXTS = Path(__file__).parent / "texts"
_MOST_BYTES = 1_000_000


def read_prompt(name_or_file: str) -> str:
    """Return the text of prompts/texts/NAME.txt, or of a file; blank lines at its end left out.

    Raises ConfigError where there is neither, with the nearest names.
    """
    shipped = _TEXTS / f"{name_or_file}.txt"
    if name_or_file.isidentifier() and shipped.is_file():
        return _read(shipped, "--prompt")
    file = Path(name_or_file).expanduser()
    if file.is_file():
        return _read(file, "--prompt")
    names = sorted(path.stem for path in _TEXTS.glob("*.txt"))
    near = get_close_matches(name_or_file, names, n=1) or names
    raise ConfigError(
        f"--prompt {name_or_file}: neither a file nor one of prompts/texts; "
        f"did you mean {' or '.join(near)}?"
    )


def prompt_name(name_or_file: str) -> str:
    """Return what people call a prompt: its file's name without the ending."""
    return Path(name_or_file).stem


def read_system(text_or_file: str) -> str:
    """Return a system text: the content of a file where one is named, else the words themselves.

    Raises ConfigError where the file cannot be read.
    """
    file = Path(text_or_file).expanduser() if len(text_or_file) < 256 else None
    return _read(file, "--system") if file and file.is_file() else text_or_file


def _read(file: Path, flag: str) -> str:
    try:
        with file.open("rb") as opened:
            content = opened.read(_MOST_BYTES + 1)
        if len(content) > _MOST_BYTES:
            raise ConfigError(f"{flag} {file}: larger than {_MOST_BYTES:,} bytes")
        return content.decode("utf-8").rstrip()
    except OSError as error:
        raise ConfigError(f"{flag} {file}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{flag} {file}: not UTF-8 text") from error
