"""A loopback server that knows several keys: each is an account with its own say."""

from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web

from tests.support.provider_formats import Provider
from tests.support.provider_server import Answer, ProviderServer, Request

Account = Callable[[Request], Answer]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
REFUSED_KEY = Answer(
    status=401,
    body={"error": {"message": "Incorrect API key provided.", "code": "invalid_api_key"}},
)
NO_QUOTA = Answer(
    status=429,
    body={"error": {"message": "You exceeded your current quota.", "code": "insufficient_quota"}},
)


OUT_OF_RATE = Answer(
    status=429,
    body={"error": {"message": "Rate limit reached.", "code": "rate_limit_exceeded"}},
    headers={"Retry-After": "3600"},
)
BAD_REQUEST = Answer(
    status=400,
    body={"error": {"message": "This organization must be verified.", "code": "unsupported"}},
)


class KeyedServer(ProviderServer):
    """accounts: key -> what a call with it gets; a key that is not there is refused."""

    def __init__(self, accounts: Mapping[str, Account], *, latency_seconds: float = 0.0) -> None:
        super().__init__(latency_seconds=latency_seconds, served={"openai": ["gpt-4o"]})
        self._accounts = accounts

    def _handler(self, provider: Provider) -> Handler:
        usual = super()._handler(provider)

        async def handle(request: web.Request) -> web.StreamResponse:
            if request.method == "GET" and _bearer(request.headers) not in self._accounts:
                return web.json_response(REFUSED_KEY.body, status=REFUSED_KEY.status)
            return await usual(request)

        return handle

    def _next_answer(self, call: Request) -> Answer:
        account = self._accounts.get(key_sent(call))
        return account(call) if account else REFUSED_KEY


def key_sent(call: Request) -> str:
    """Return the key that a call was made with."""
    return _bearer(call.headers)


def _bearer(headers: Mapping[str, str]) -> str:
    return headers.get("Authorization", "").removeprefix("Bearer ")


def good(_: Request) -> Answer:
    """The account answers every call."""
    return Answer()


def always(answer: Answer) -> Account:
    """Return an account that gets one answer, whatever it asks."""
    return lambda _: answer


def good_for(calls: int, then: Answer) -> Account:
    """Return an account whose first calls are answered, and all others get something else."""
    left = calls

    def account(_: Request) -> Answer:
        nonlocal left
        left -= 1
        return Answer() if left >= 0 else then

    return account
