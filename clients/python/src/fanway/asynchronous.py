"""The client for programs with an event loop."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from types import TracebackType
from typing import Any

import httpx

from . import outgoing
from .errors import FanwayProblem
from .events import EventReader
from .outgoing import SILENCE, Outgoing, Sent, When
from .retry import Retry
from .types import Message, MessageId


class AsyncFanway:
    """A gateway, as its senders see it. To be closed when it isn't needed any more, or used as an
    asynchronous context manager.
    """

    def __init__(
        self,
        base_url: str,
        *,
        headers: Mapping[str, str] | None = None,
        retry: Retry = Retry(),
        timeout: float = 30.0,
        transport: httpx.AsyncBaseTransport | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`base_url` is where the gateway's paths begin, such as `https://gateway.example`; the
        `headers` go with each request. No part of a try (connecting, sending, the next bytes of the
        answer) may take longer than `timeout` seconds. `transport` is httpx's: for proxies, for own
        certificates, for tests; `sleep` is what waits between tries.
        """
        self._timeout = timeout
        self._retry = retry
        self._sleep = sleep
        self._http = httpx.AsyncClient(
            base_url=base_url, headers=headers, timeout=timeout, transport=transport
        )

    async def send(
        self,
        path: str,
        body: Any = None,
        *,
        method: str = "POST",
        idempotency_key: str | None = None,
        headers: Mapping[str, str] | None = None,
        not_before: When | None = None,
        expires: When | None = None,
        callback: str | None = None,
    ) -> Sent:
        """Sends a request to a route, and returns when it is durable: then it will be delivered.

        Bytes and text are sent as they are, anything else as JSON. With the same `idempotency_key`
        the same request makes one message; without one a new key is made. No attempt is made
        before `not_before`; what hasn't been delivered by `expires` is dead; `callback` is told
        when the message has ended.

        Raises `FanwayProblem` where it is refused, and `FanwayUnreachable` where no answer comes:
        then it may have been accepted, and to send it again with the same key is safe.
        """
        key = idempotency_key or outgoing.new_key()
        request = outgoing.sending(
            path,
            body,
            method=method,
            idempotency_key=key,
            headers=headers,
            not_before=not_before,
            expires=expires,
            callback=callback,
        )
        return outgoing.accepted(await self._exchange(request), key)

    async def status(self, id: MessageId, *, wait: float | timedelta = 0.0) -> Message:
        """How a message stands. The gateway waits for its end before it answers, for as many
        seconds as `wait` says, 60 at most.
        """
        return outgoing.message(await self._exchange(outgoing.asking(id, wait)))

    async def follow(self, id: MessageId) -> AsyncGenerator[Message, None]:
        """A message's states as they come, from how it stands now to its end. A stream that breaks
        is taken up again where it broke.

        Who leaves it before its end closes it, as by `contextlib.aclosing`.
        """
        last: str | None = None
        failed = 0
        while True:
            failure: Exception = ConnectionError("the stream has ended before the message")
            try:
                async with self._stream(outgoing.following(id, last)) as response:
                    if response.status_code == httpx.codes.NO_CONTENT:
                        return
                    events = EventReader()
                    async for piece in response.aiter_text():
                        failed = 0
                        for event in events.push(piece):
                            last = event.id
                            message = Message.from_json(json.loads(event.data))
                            yield message
                            if message.state != "pending":
                                return
            except (httpx.TransportError, FanwayProblem) as error:
                failure = error
            failed += 1
            await self._sleep(outgoing.pause(self._retry, failed, failure))

    async def wait(self, id: MessageId) -> Message:
        """Waits until a message has ended, and tells how."""
        last: Message | None = None
        async for last in self.follow(id):
            pass
        return last if last is not None and last.state != "pending" else await self.status(id)

    async def cancel(self, id: MessageId) -> Message:
        """Calls a message off, and tells how it stands: attempts that are in flight decide for
        their deliveries. Raises `FanwayProblem` with the code `message_ended` where there was
        nothing to call off.
        """
        return outgoing.message(await self._exchange(outgoing.calling_off(id)))

    async def aclose(self) -> None:
        """Closes its connections."""
        await self._http.aclose()

    async def __aenter__(self) -> AsyncFanway:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def _exchange(self, request: Outgoing) -> httpx.Response:
        """Tries until there is an answer that another try would not better."""
        tried = 0
        while True:
            try:
                response = await self._http.send(self._request(request, self._timeout + request.extra))
                outgoing.check(response)
                return response
            except (httpx.TransportError, FanwayProblem) as error:
                failure = error
            tried += 1
            await self._sleep(outgoing.pause(self._retry, tried, failure))

    @asynccontextmanager
    async def _stream(self, request: Outgoing) -> AsyncIterator[httpx.Response]:
        """An answer that is read as it comes."""
        response = await self._http.send(self._request(request, SILENCE), stream=True)
        try:
            if not response.is_success:
                await response.aread()
            outgoing.check(response)
            yield response
        finally:
            await response.aclose()

    def _request(self, request: Outgoing, silence: float) -> httpx.Request:
        return self._http.build_request(
            request.method,
            request.path,
            headers=request.headers,
            content=request.content,
            timeout=httpx.Timeout(self._timeout, read=silence),
        )
