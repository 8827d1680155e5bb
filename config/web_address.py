"""Whether a text that a person set as an address is one."""

from urllib.parse import urlsplit


def is_http_address(text: str) -> bool:
    """Tell whether it is an http(s) address with a host, and a port that there can be, if any."""
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # half an IPv6 address, a port beyond 65535
        return False
