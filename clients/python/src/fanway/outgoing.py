"""What both clients have in common: requests as each try sends them, and answers as they are read.

Nothing here is sent, and nothing waits.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any
from urllib.parse import quote

import httpx

from .errors import FanwayError, FanwayProblem, FanwayUnreachable
from .retry import Retry
from .types import Accepted, Message, MessageId

SILENCE = 45.0
"""How long a stream may be silent, in seconds: the gateway says something every 15."""

When = datetime | timedelta | str
"""A time, a duration from acceptance, or either as the gateway reads it: `"10m"`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent(Accepted):
    """An accepted request."""

    idempotency_key: str
    """The key that it was sent with."""
    replayed: bool
    """Whether it was accepted before, with the same key."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A request, as each try sends it."""

    method: str
    path: str
    headers: Mapping[str, str]
    content: bytes | None = None
    extra: float = 0.0
    """What one try may take beyond the client's time-out, in seconds."""


def sending(
    path: str,
    body: Any,
    *,
    method: str,
    idempotency_key: str,
    headers: Mapping[str, str] | None,
    not_before: When | None,
    expires: When | None,
    callback: str | None,
) -> Outgoing:
    """The request that sends `body`, made once, so that each try sends the same bytes."""
    if not path.startswith("/"):
        raise ValueError(f"a path begins with a slash: {path}")
    content, kind = _encode(body)
    said = {name.lower(): value for name, value in (headers or {}).items()}
    if kind is not None:
        said.setdefault("content-type", kind)
    escaped = idempotency_key.replace("\\", r"\\").replace('"', r"\"")
    said["idempotency-key"] = f'"{escaped}"'
    if not_before is not None:
        said["fanway-not-before"] = _when(not_before)
    if expires is not None:
        said["fanway-expires"] = _when(expires)
    if callback is not None:
        said["fanway-callback"] = callback
    return Outgoing(method, path, said, content)


def asking(id: MessageId, wait: float | timedelta) -> Outgoing:
    """The request for how a message stands."""
    seconds = wait.total_seconds() if isinstance(wait, timedelta) else wait
    query = f"?wait={round(seconds * 1000)}ms" if seconds > 0 else ""
    return Outgoing("GET", _message(id) + query, {}, extra=min(max(seconds, 0.0), 60.0))


def following(id: MessageId, last: str | None) -> Outgoing:
    """The request for a message's events behind the one that was taken last."""
    headers = {"accept": "text/event-stream"}
    if last is not None:
        headers["last-event-id"] = last
    return Outgoing("GET", f"{_message(id)}/events", headers)


def calling_off(id: MessageId) -> Outgoing:
    """The request that calls a message off."""
    return Outgoing("DELETE", _message(id), {})


def new_key() -> str:
    """A key that nobody else has."""
    return str(uuid.uuid4())


def check(response: httpx.Response) -> None:
    """Raises where an answer, which has been read, is a refusal."""
    if not response.is_success:
        raise FanwayProblem(response)


def accepted(response: httpx.Response, idempotency_key: str) -> Sent:
    """What a 202 says."""
    document = _document(response)
    return Sent(
        id=document["id"],
        state=document["state"],
        status=document["status"],
        idempotency_key=idempotency_key,
        replayed=response.headers.get("idempotent-replayed") == "true",
    )


def message(response: httpx.Response) -> Message:
    """The message that an answer is."""
    return Message.from_json(_document(response))


def pause(retry: Retry, tried: int, failure: BaseException) -> float:
    """The wait before another try, the `tried` first ones having failed; raises where it isn't
    worth one.
    """
    wait = retry.pause(tried, failure)
    if wait is not None:
        return wait
    if isinstance(failure, FanwayError):
        raise failure
    why = str(failure) or type(failure).__name__
    raise FanwayUnreachable(f"no answer: {why}") from failure


def _message(id: MessageId) -> str:
    return f"/fanway/messages/{quote(id, safe='')}"


def _encode(body: Any) -> tuple[bytes | None, str | None]:
    """Bytes and text as they are, anything else as JSON; and the type that it has."""
    if body is None:
        return None, None
    if isinstance(body, (bytes, bytearray, memoryview)):
        return bytes(body), None
    if isinstance(body, str):
        return body.encode(), "text/plain;charset=UTF-8"
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.encode(), "application/json"


def _when(when: When) -> str:
    if isinstance(when, str):
        return when
    if isinstance(when, timedelta):
        return f"{round(when.total_seconds())}s"
    if when.tzinfo is None:
        raise ValueError("a time needs a time zone")
    return when.astimezone(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _document(response: httpx.Response) -> Mapping[str, Any]:
    try:
        document = response.json()
    except ValueError:
        document = None
    if not isinstance(document, dict) or "id" not in document:
        status = response.status_code
        raise FanwayError(f"the answer with status {status} is none of a Fanway gateway")
    return document
