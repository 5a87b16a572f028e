"""What the gateway answers.

Made of its OpenAPI document by `cargo xtask generate`: change that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

AcceptedState: TypeAlias = Literal[
    "pending",
    "delivered",
    "partial",
    "failed",
    "cancelled",
    "expired",
]
"""Where an accepted message stands: `pending`, unless it was accepted before. `expired`:
it has ended so long ago that it is no longer kept.
"""

DeliveryId: TypeAlias = str
"""A delivery's id."""

DeliveryState: TypeAlias = Literal[
    "pending",
    "retrying",
    "delivered",
    "dead",
    "skipped",
    "cancelled",
]
"""Where a delivery stands. `pending` and `retrying` are no ends."""

HeldBy: TypeAlias = Literal[
    "limit",
    "breaker",
    "credentials",
    "pause",
    "order",
    "schedule",
    "target",
    "store",
]
"""What keeps a delivery from being attempted."""

MessageId: TypeAlias = str
"""A message's id."""

MessageState: TypeAlias = Literal[
    "pending",
    "delivered",
    "partial",
    "failed",
    "cancelled",
]
"""Where a message stands. `pending` until all of its deliveries have ended."""

ProblemCode: TypeAlias = Literal[
    "request_malformed",
    "route_unknown",
    "method_not_allowed",
    "message_unknown",
    "message_expired",
    "message_ended",
    "too_many_followers",
    "websocket_malformed",
    "wait_malformed",
    "idempotency_key_missing",
    "idempotency_key_malformed",
    "idempotency_key_reused",
    "idempotency_key_busy",
    "terms_malformed",
    "callback_refused",
    "json_malformed",
    "json_too_deep",
    "order_key_missing",
    "expressions_busy",
    "body_broken",
    "encoding_broken",
    "body_timeout",
    "body_too_large",
    "decompressed_too_large",
    "encoding_unsupported",
    "headers_too_large",
    "too_many_connections",
    "memory_full",
    "store_full",
    "store_behind",
    "store_unavailable",
    "outcome_unknown",
]
"""The end of a problem's `type`: why a request was refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """What is answered when a message is durable."""

    id: MessageId
    """The message."""
    state: AcceptedState
    """Where it stands."""
    status: str
    """Where it is found, as in `Location`."""

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Accepted:
        """Reads it, and passes over what it doesn't know."""
        return cls(
            id=document["id"],
            state=document["state"],
            status=document["status"],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One run of one step of a route for one message."""

    id: DeliveryId
    """The delivery: the `Idempotency-Key` of each of its attempts."""
    step: str
    """Its step."""
    target: str
    """Its target."""
    state: DeliveryState
    """Where it stands."""
    held_by: HeldBy | None
    """What keeps it from being attempted; `null` where nothing does, or it has ended."""
    attempts: int
    """Attempts made."""
    last_status: int | None
    """The status code of the last answer; `null` without one."""
    last_at: str | None
    """When its state was last recorded; `null` before the first attempt."""
    next_attempt_at: str | None
    """When it is due again; `null` where it isn't."""
    fallback_of: str | None = None
    """Its step's target, where that one's fallback has the delivery: then `target` is the
    fallback.
    """

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Delivery:
        """Reads it, and passes over what it doesn't know."""
        return cls(
            id=document["id"],
            step=document["step"],
            target=document["target"],
            state=document["state"],
            held_by=document["held_by"],
            attempts=document["attempts"],
            last_status=document["last_status"],
            last_at=document["last_at"],
            next_attempt_at=document["next_attempt_at"],
            fallback_of=document.get("fallback_of"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A message and its deliveries."""

    id: MessageId
    """The message."""
    route: str
    """The route that accepted it."""
    state: MessageState
    """Where it stands."""
    received_at: str
    """When it was accepted."""
    ended_at: str | None
    """When the last of its deliveries ended; `null` before."""
    deliveries: tuple[Delivery, ...]
    """Each step's latest delivery, in the order of the plan it was accepted with."""

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Message:
        """Reads it, and passes over what it doesn't know."""
        return cls(
            id=document["id"],
            route=document["route"],
            state=document["state"],
            received_at=document["received_at"],
            ended_at=document["ended_at"],
            deliveries=tuple(Delivery.from_json(each) for each in document["deliveries"]),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Why a request was refused (RFC 9457)."""

    type: str
    """`/fanway/problems/` and the problem's code; `GET` of it gives a page."""
    title: str
    """What it is, the same for each occurrence."""
    status: int
    """The answer's status code."""
    detail: str | None = None
    """What is to be said of this occurrence."""

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Problem:
        """Reads it, and passes over what it doesn't know."""
        return cls(
            type=document["type"],
            title=document["title"],
            status=document["status"],
            detail=document.get("detail"),
        )
