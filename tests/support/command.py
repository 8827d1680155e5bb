"""Runs the project's commands as a user would: in a process of their own, from any folder."""

import asyncio
import os
import re
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from config.model_configs import MODEL_CONFIGS
from tests.support.provider_formats import PREFIXES, Provider
from tests.support.provider_server import ProviderServer
from tests.support.wire import key_of

ROOT = Path(__file__).resolve().parent.parent.parent
_SETTINGS = {
    "BATCH_SIZE",
    "DATASET_PATH",
    "EXTRACTION_API_KEY",
    "EXTRACTION_MODEL",
    "LOCAL_API_KEY",
    "LOCAL_GGUF_PATH",
    "MAX_CONCURRENT_PER_MODEL",
    "OPENAI_ORG_ID",
    "OPENAI_PROJECT_ID",
    "OUTPUT_DIR",
    "SAMPLES",
}


@dataclass(frozen=True, slots=True)
class Finished:
    """What a command left behind."""

    exit_code: int
    stdout: str
    stderr: str

    @property
    def output(self) -> str:
        return self.stdout + self.stderr

    @property
    def session(self) -> Path:
        """The session's folder, as the command printed it."""
        match = re.search(r"^(?:Results: |INFO - Session )(.+)$", self.stdout, re.MULTILINE)
        assert match, self.output
        return Path(match[1])


class Command:
    """One command, started; `await command.finished()` for its end."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def start(
        cls,
        script: str,
        *arguments: str,
        environment: Mapping[str, str] | None = None,
        folder: Path = ROOT,
        root: Path = ROOT,
    ) -> "Command":
        """Start scripts/<script> in a folder, with no settings but those of environment.

        root: the project's folder, or that of a copy.
        """
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            str(root / "scripts" / script),
            *arguments,
            cwd=folder,
            env={**bare_environment(), **(environment or {})},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        return cls(process)

    @property
    def pid(self) -> int:
        return self._process.pid

    async def finished(self) -> Finished:
        """Return what it printed and its exit code (negative: the signal that ended it)."""
        stdout, stderr = await self._process.communicate()
        code = self._process.returncode
        assert code is not None
        return Finished(code, stdout.decode(), stderr.decode())

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self._process.send_signal(number)


async def run(
    script: str,
    *arguments: str,
    environment: Mapping[str, str] | None = None,
    folder: Path = ROOT,
    root: Path = ROOT,
) -> Finished:
    """Return what a command printed and its exit code."""
    command = await Command.start(
        script, *arguments, environment=environment, folder=folder, root=root
    )
    return await command.finished()


def bare_environment() -> dict[str, str]:
    """Return this process's variables, with keys, addresses and settings of the collector unset.

    Unset is the empty text here: it hides what a developer's own .env says.
    """
    names = {config.api_key_env for config in MODEL_CONFIGS if config.api_key_env}
    names |= {config.base_url_env for config in MODEL_CONFIGS}
    return {**os.environ, **dict.fromkeys(names | _SETTINGS, "")}


def pointed_at(server: ProviderServer, *providers: Provider) -> dict[str, str]:
    """Return keys and base URLs that send these providers' calls (all, by default) to a server."""
    variables = {}
    for config in MODEL_CONFIGS:
        provider = next((name for name in PREFIXES if name == config.provider), None)
        if provider and config.api_key_env and (not providers or provider in providers):
            variables[config.api_key_env] = key_of(provider)
            variables[config.base_url_env] = server.url(provider)
    return variables
