"""The local page over a folder of sessions: three kinds of address, and nothing else is served.

/                    the board
/events              what changes on it (server-sent events)
/report/<session>    one session's report, made for the page
"""

import asyncio
import contextlib
import logging
import tempfile
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from urllib.parse import quote

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from config.clock import Clock
from config.errors import ConfigError, StoreError
from reports.board.board import Board
from reports.board.board_page import BOARD, board_page
from reports.page.report_page import REPORT
from runners.session.interrupt import on_interrupt
from runners.view.board_watch import BoardWatch
from runners.view.event_stream import EventStream
from runners.view.report_shelf import ReportShelf
from runners.view.request_guard import page_headers, refusal

logger = logging.getLogger("collector.view")
# What is no HTTP is answered with 400, and is nothing that the user could mend.
logger.addFilter(lambda record: not _is_bad_request(record))

ADDRESS = "127.0.0.1"
_REPORTS = "/report/"
_SECONDS_TO_END = 0.1  # for answers under way; a page that listens never ends by itself
_MOST_ANSWERS = 64  # pages that are being sent at the same time
_BUSY = "Too many pages are being made: try again in a moment."
_LOST = "There is no such page here."


async def serve(output_dir: Path, port: int, clock: Clock, opened: Callable[[str], None]) -> None:
    """Serve the page until Ctrl-C; opened: is told the address once it answers.

    port: 0 for any that is free. Raises ConfigError where the port is taken.
    """
    with tempfile.TemporaryDirectory(prefix="reports-", ignore_cleanup_errors=True) as shelf:
        watch = BoardWatch(Board(output_dir, clock), clock)
        pages = _Pages(watch, ReportShelf(Path(shelf)))
        server = web.Server(pages.answer, handler_cancellation=True, logger=logger)
        runner = web.ServerRunner(server, shutdown_timeout=_SECONDS_TO_END)
        await runner.setup()
        try:
            pages.port = await _listen(runner, port)
            await _until_interrupted(watch, lambda: opened(f"http://{ADDRESS}:{pages.port}/"))
        finally:
            await runner.cleanup()


async def _until_interrupted(watch: BoardWatch, opened: Callable[[], None]) -> None:
    looking = asyncio.create_task(watch.run())

    def stop() -> None:
        looking.cancel()

    with on_interrupt(stop, stop):
        opened()
        with contextlib.suppress(asyncio.CancelledError):
            await looking


async def _listen(runner: web.ServerRunner, port: int) -> int:
    try:
        await web.TCPSite(runner, ADDRESS, port).start()
    except OSError as error:
        raise ConfigError(f"--port {port}: {error.strerror or error}") from error
    return int(runner.addresses[0][1])


class _Pages:
    """Answers requests; port: where the server listens."""

    def __init__(self, watch: BoardWatch, shelf: ReportShelf) -> None:
        self.port = 0
        self._watch = watch
        self._shelf = shelf
        self._events = EventStream(watch, page_headers(BOARD.policy))
        self._answers = 0
        self._board_headers, self._report_headers = map(page_headers, (BOARD.policy, REPORT.policy))

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request, whatever it is."""
        target = request.raw_path
        if status := refusal(request.method, target, request.headers, self.port):
            return _plain(status, status.phrase)
        path = target.partition("?")[0]
        if path == "/events" and request.method == "GET":
            return await self._events.answer(request)
        if self._answers >= _MOST_ANSWERS:
            return _plain(HTTPStatus.SERVICE_UNAVAILABLE, _BUSY)
        self._answers += 1
        try:
            return await self._page(path)
        finally:
            self._answers -= 1

    async def _page(self, path: str) -> web.StreamResponse:
        state = await self._watch.fresh()
        if path == "/":
            page = board_page(state, self._events.name_of(state))
            return web.Response(
                body=page,
                content_type="text/html",
                charset="utf-8",
                headers=self._board_headers,
            )
        # No path is ever made of what was asked for: it is looked up among those that are there.
        for shown in state.sessions.values():
            if path == _REPORTS + quote(shown.session, safe=""):
                return await self._report(shown.folder)
        return _plain(HTTPStatus.NOT_FOUND, _LOST)

    async def _report(self, session: Path) -> web.StreamResponse:
        try:
            path = await self._shelf.report_of(session)
        except StoreError as error:
            return _plain(HTTPStatus.NOT_FOUND, str(error))
        if path is None:
            return _plain(HTTPStatus.SERVICE_UNAVAILABLE, _BUSY)
        headers = {**self._report_headers, "Content-Type": "text/html; charset=utf-8"}
        return web.FileResponse(path, headers=headers)


def _is_bad_request(record: logging.LogRecord) -> bool:
    return record.exc_info is not None and isinstance(record.exc_info[1], HttpProcessingError)


def _plain(status: HTTPStatus, text: str) -> web.Response:
    return web.Response(status=status, text=f"{text}\n", headers=page_headers("default-src 'none'"))
