"""What may become of a call to an object on another node."""

from config.errors import CollectionError


class NodeLost(CollectionError):
    """A node, or the process on it, was lost over a call."""


class NodeUnavailable(NodeLost):
    """The call gave nothing, and nobody knows whether its process is lost: it may be alive."""
