"""Paths as people write them: with ~, relative, too long, or of users that are not there."""

from pathlib import Path

from config.errors import ConfigError


def user_path(text: str, named: str) -> Path:
    """Return the path that a person wrote, with ~ resolved.

    named: the flag or variable, for the error. Raises ConfigError where no path can be meant.
    """
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise ConfigError(f"{named} {text}: there is no such user") from error


def absolute_user_path(text: str, named: str, folder: Path) -> Path:
    """Return the same path, absolute and without links; folder: what it is relative to."""
    try:
        return (folder / user_path(text, named)).resolve()
    except (OSError, RuntimeError, ValueError) as error:  # links in a ring, a NUL
        raise ConfigError(f"{named} {text}: {error}") from error
