"""docs/scale.md: every command of ours in it is one that its script takes, and its recipe works."""

import importlib
import re
import shlex
from argparse import ArgumentParser
from pathlib import Path

import pytest

from tests.support.command import ROOT, run
from tests.support.datasets import write_dataset
from tests.support.provider_server import ProviderServer

PAGE = (ROOT / "docs" / "scale.md").read_text(encoding="utf-8")
BLOCKS = "\n".join(re.findall(r"```bash\n(.*?)```", PAGE, re.DOTALL)).replace("\\\n", " ")
COMMANDS = re.findall(r"python scripts/(\w+)\.py([^\n&;#\"]*)", BLOCKS)


def test_the_page_is_short_and_links_to_what_exists() -> None:
    assert PAGE.count("\n") <= 100
    links = re.findall(r"\]\((?!http)([^)#]+)", PAGE)
    assert links and [link for link in links if not (ROOT / "docs" / link).exists()] == []
    assert (ROOT / "requirements-ray.txt").exists()


@pytest.mark.parametrize(("script", "arguments"), COMMANDS)
def test_a_command_is_one_that_its_script_takes(script: str, arguments: str) -> None:
    parser = importlib.import_module(f"scripts.{script}").build_parser()
    assert isinstance(parser, ArgumentParser)
    shard = re.sub(r"\$\(\([^)]*\)\)|\$\w+", "4", arguments)  # what a shell puts in
    parser.parse_args(shlex.split(shard))


@pytest.mark.slow
async def test_shards_at_two_addresses_become_one_session(tmp_path: Path) -> None:
    dataset = str(write_dataset(tmp_path / "data", {"sums": 12}))
    out = str(tmp_path / "out")
    async with ProviderServer() as one, ProviderServer() as two:
        addresses = {"LOCAL_BASE_URL": f"{one.url('local')},{two.url('local')}"}
        asked = ("--models", "local:m", "--dataset-path", dataset, "--max-concurrent", "auto")
        for part in (1, 2):
            here = ("--shard", f"{part}/2", "--session-id", f"part{part}", "--output-dir", out)
            made = await run("run_collection.py", *asked, *here, environment=addresses)
            assert made.exit_code == 0, made.output
        assert len(one.requests) + len(two.requests) == 12 and one.requests and two.requests
        parts = [f"{out}/part{part}" for part in (1, 2)]
        merged = await run("merge_sessions.py", *parts, "--into", f"{out}/whole")
        assert merged.exit_code == 0, merged.output
        resumed = await run(
            "resume_collection.py", "whole", "--output-dir", out, environment=addresses
        )
        assert resumed.exit_code == 0, resumed.output
        assert len(one.requests) + len(two.requests) == 12
