"""Sends orders at the same time, and waits for all: python examples/send_many.py http://127.0.0.1:8080"""

import asyncio
import sys

from fanway import AsyncFanway, Message


async def order(fanway: AsyncFanway, number: int) -> Message:
    sent = await fanway.send("/orders", {"id": number}, idempotency_key=f"order-{number}")
    return await fanway.wait(sent.id)


async def main(gateway: str) -> None:
    async with AsyncFanway(gateway) as fanway:
        for message in await asyncio.gather(*(order(fanway, number) for number in range(1, 4))):
            print(f"{message.id} {message.state}")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8080"))
