"""Sends an order and follows it: python examples/send.py http://127.0.0.1:8080"""

import sys

from fanway import Fanway, FanwayProblem


def main(gateway: str) -> None:
    with Fanway(gateway) as fanway:
        sent = fanway.send("/orders", {"id": 7, "items": [{"sku": "lamp-desk", "quantity": 1}]})
        print(f"{sent.id} is accepted")
        for message in fanway.follow(sent.id):
            steps = (f"{delivery.step} {delivery.state}" for delivery in message.deliveries)
            print(f"{message.state}: {', '.join(steps)}")


if __name__ == "__main__":
    try:
        main(sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8080")
    except FanwayProblem as problem:
        sys.exit(f"refused: {problem}")
