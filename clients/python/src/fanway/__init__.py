"""Sends to a Fanway gateway, and follows what becomes of it.

`Fanway` waits for each answer, `AsyncFanway` does so within an event loop; both do the same.
"""

from .asynchronous import AsyncFanway
from .errors import FanwayError, FanwayProblem, FanwayUnreachable
from .outgoing import Sent
from .retry import Retry
from .synchronous import Fanway
from .types import (
    Accepted,
    AcceptedState,
    Delivery,
    DeliveryId,
    DeliveryState,
    HeldBy,
    Message,
    MessageId,
    MessageState,
    Problem,
    ProblemCode,
)

__all__ = [
    "Accepted",
    "AcceptedState",
    "AsyncFanway",
    "Delivery",
    "DeliveryId",
    "DeliveryState",
    "Fanway",
    "FanwayError",
    "FanwayProblem",
    "FanwayUnreachable",
    "HeldBy",
    "Message",
    "MessageId",
    "MessageState",
    "Problem",
    "ProblemCode",
    "Retry",
    "Sent",
]
