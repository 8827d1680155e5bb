"""An address at which nobody listens, for as long as a test wants it so."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def nobody_there(path: str = "/v1") -> Iterator[str]:
    """Yield a URL that refuses connections: its port is given to nobody else meanwhile."""
    with socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{unheard.getsockname()[1]}{path}"
