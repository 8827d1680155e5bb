"""How far the judging of answers is."""

import contextlib
import sys
import time

from evaluation.evaluate import Counts

_LINE_SECONDS = 10.0
_REDRAW_SECONDS = 0.2


class JudgingProgress:
    """A line that is written over on a terminal; elsewhere a line every ten seconds."""

    def __init__(self) -> None:
        self._is_terminal = sys.stderr.isatty()
        self._started = self._last = time.monotonic()
        self._was_drawn = False

    def show(self, counts: Counts) -> None:
        """Say how far it is, where it is time to."""
        now = time.monotonic()
        if now - self._last < (_REDRAW_SECONDS if self._is_terminal else _LINE_SECONDS):
            return
        self._last = now
        done = counts.judged + counts.skipped
        rate = counts.judged / max(now - self._started, 1e-9)
        passed, failed = (counts.by_verdict.get(kind, 0) for kind in ("passed", "failed"))
        line = (
            f"{done}/{counts.total} judged, {passed} passed, {failed} failed, "
            f"{counts.by_reason.get('timeout', 0)} timeouts"
        )
        if rate > 0 and done < counts.total:
            line += f", {rate:.3g}/s, {(counts.total - done) / rate:.0f} s left"
        start, end = ("\r\x1b[K", "") if self._is_terminal else ("", "\n")
        self._write(start + line + end)
        self._was_drawn = True

    def finish(self) -> None:
        """Leave the terminal's line free."""
        if self._is_terminal and self._was_drawn:
            self._write("\r\x1b[K")

    def _write(self, text: str) -> None:
        with contextlib.suppress(OSError):  # whoever watched may be gone: the work goes on
            sys.stderr.write(text)
            sys.stderr.flush()
