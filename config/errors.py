"""Every error that the collector raises, as one tree.

CollectionError
├── ConfigError             the command, the environment or the registry is wrong     exit 2
├── DatasetError            problem files are missing or broken                       exit 2
├── StoreError              the session's files cannot be read or written             exit 1
│   └── SessionInUse        another process runs the session
├── NoWorker                no process can be started to work in                      exit 1
└── ModelError              one attempt at one call failed
    ├── TransientError      worth another attempt
    │   ├── RateLimited     the provider says: too fast
    │   │   └── NoCapacity  the flex tier has no room for it now
    │   ├── Overloaded      the provider says: my fault (5xx, 529)
    │   ├── TimedOut        no whole reply before the deadline
    │   ├── ConnectionLost  no reply at all
    │   │   ├── Unreachable no connection, so nothing was sent
    │   │   └── HostLost    the cluster lost the host that made the call
    │   ├── NotRun          a batch ended before it came to this request
    │   └── BadReply        a reply that cannot be read, or is too large
    └── PermanentError      the same request will fail again
        ├── BadRequest      this one request is refused: its task fails
        ├── ProblemChanged  the dataset's file changed under the run: its task fails
        └── LaneClosed      every request to this model would fail: its tasks stay undone
            ├── AuthFailed      the key is missing, wrong or not allowed
            ├── QuotaExhausted  no money or no quota left
            ├── ModelGone       the model is unknown, retired or not permitted
            ├── NoHost          the cluster loses every host that is to make its calls
            └── AllAlike        tasks fail in one and the same way, none was answered
"""

from config.rate_signal import RateSignal
from config.token_usage import Usage


class CollectionError(Exception):
    """Anything that the collector reports in one line."""


class ConfigError(CollectionError):
    """The command line, the environment or the registry asks for something impossible."""


class DatasetError(CollectionError):
    """Problem files are missing, empty or broken."""


class StoreError(CollectionError):
    """A session's files cannot be read or written."""


class SessionInUse(StoreError):
    """Another process runs the session."""


class NoWorker(CollectionError):
    """No process can be started in which work would be bounded."""


class ModelError(CollectionError):
    """One attempt at one call failed.

    status: the HTTP status, where there was one.
    signals: what the reply said about limits.
    request_id: the provider's name for the call, where it gave one.
    usage: what the reply counted all the same, and will bill; None where it counted nothing.
    usage_note: why its counts are not in usage, where they cannot be meant.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        signals: tuple[RateSignal, ...] = (),
        request_id: str | None = None,
        usage: Usage | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.signals = signals
        self.request_id = request_id
        self.usage = usage
        self.usage_note: str | None = None


class TransientError(ModelError):
    """Another attempt may succeed."""


class RateLimited(TransientError):
    """The provider refused the call because of its rate."""


class NoCapacity(RateLimited):
    """The flex tier has no room for the call now, at any rate: it is not billed."""


class Overloaded(TransientError):
    """The provider could not serve the call: a 5xx or a 529, never the caller's quota."""


class TimedOut(TransientError):
    """No whole reply arrived before the attempt's deadline."""


class ConnectionLost(TransientError):
    """The connection failed or broke before a whole reply arrived."""


class Unreachable(ConnectionLost):
    """No connection could be made: nothing was sent, and nothing is billed."""


class HostLost(ConnectionLost):
    """The host on a cluster that made the call was lost over it: the provider has no part in it."""


class NotRun(TransientError):
    """A batch ended before it came to this request: it was not run, and is not billed."""


class BadReply(TransientError):
    """A reply that is no HTTP, or a 2xx whose body is cut off, too large or not understood."""


class PermanentError(ModelError):
    """The same request would fail again."""


class ProblemChanged(PermanentError):
    """A problem is not what it was when the run began: nothing was sent."""


class LaneClosed(PermanentError):
    """No request to this model can succeed: its lane closes and its tasks stay undone."""


class AuthFailed(LaneClosed):
    """The key is missing, wrong, or not allowed to make the call."""


class QuotaExhausted(LaneClosed):
    """The account has no money or no quota left for this run."""


class ModelGone(LaneClosed):
    """The model is unknown, retired, or not permitted for this key."""


class NoHost(LaneClosed):
    """The cluster loses every host that is to make the lane's calls."""


class AllAlike(LaneClosed):
    """Tasks of the lane fail in one and the same way, and none was answered."""


class BadRequest(PermanentError):
    """The provider refuses this one request."""


def first_error(errors: BaseExceptionGroup[CollectionError]) -> CollectionError:
    """Return one error of a group, however deep it lies."""
    first = errors.exceptions[0]
    return first_error(first) if isinstance(first, BaseExceptionGroup) else first
