"""A loopback server that knows several keys: each is an account with its own say."""

from collections.abc import Callable, Mapping

from tests.support.provider_server import Answer, ProviderServer, Request

Account = Callable[[Request], Answer]
REFUSED_KEY = Answer(
    status=401,
    body={"error": {"message": "Incorrect API key provided.", "code": "invalid_api_key"}},
)
NO_QUOTA = Answer(
    status=429,
    body={"error": {"message": "You exceeded your current quota.", "code": "insufficient_quota"}},
)


class KeyedServer(ProviderServer):
    """accounts: key -> what a call with it gets; a key that is not there is refused."""

    def __init__(self, accounts: Mapping[str, Account], *, latency_seconds: float = 0.0) -> None:
        super().__init__(latency_seconds=latency_seconds)
        self._accounts = accounts

    def _next_answer(self, call: Request) -> Answer:
        account = self._accounts.get(key_sent(call))
        return account(call) if account else REFUSED_KEY


def key_sent(call: Request) -> str:
    """Return the key that a call was made with."""
    return call.headers.get("Authorization", "").removeprefix("Bearer ")


def good(_: Request) -> Answer:
    """The account answers every call."""
    return Answer()


def spent_after(calls: int) -> Account:
    """Return an account that has quota for so many calls."""
    left = calls

    def account(_: Request) -> Answer:
        nonlocal left
        left -= 1
        return Answer() if left >= 0 else NO_QUOTA

    return account
