"""Both clients, asked alike: each test is run with the one and with the other."""

import asyncio
from collections.abc import Iterator
from typing import Any

from fanway import AsyncFanway, Fanway, Message


class Blocking:
    """The asynchronous client, on an event loop of its own."""

    def __init__(self, base_url: str, *, sleep: Any = None, **options: Any) -> None:
        self._loop = asyncio.new_event_loop()
        if sleep is not None:
            options["sleep"] = self._asleep
        self._sleep = sleep
        self._client = AsyncFanway(base_url, **options)

    async def _asleep(self, seconds: float) -> None:
        self._sleep(seconds)

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._client, name)
        return lambda *args, **options: self._loop.run_until_complete(method(*args, **options))

    def follow(self, id: str) -> Iterator[Message]:
        messages = self._client.follow(id)
        try:
            while True:
                yield self._loop.run_until_complete(messages.__anext__())
        except StopAsyncIteration:
            pass
        finally:
            self._loop.run_until_complete(messages.aclose())

    def close(self) -> None:
        self._loop.run_until_complete(self._client.aclose())
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()


BOTH = {"synchronous": Fanway, "asynchronous": Blocking}
