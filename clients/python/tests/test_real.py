"""Against the real gateway, over real sockets."""

import unittest
from datetime import datetime, timedelta, timezone
from typing import Any

from fanway import FanwayProblem, Retry

from .both import BOTH
from .gateway import Gateway, Wire

SOON = Retry(first=0.001, longest=0.001)
"""So that nobody waits for tests."""


class Real:
    kind = ""

    def setUp(self: Any) -> None:
        self.gateway = Gateway()
        self.addCleanup(self.gateway.stop)

    def client(self: Any, url: str, **options: Any) -> Any:
        client = BOTH[self.kind](url, **options)
        self.addCleanup(client.close)
        return client

    def test_a_message_is_sent_followed_and_delivered(self: Any) -> None:
        fanway = self.client(self.gateway.url)
        sent = fanway.send("/orders", {"id": 7})
        self.assertEqual(sent.state, "pending")
        self.gateway.target.heard(1)
        states = []
        for message in fanway.follow(sent.id):
            states.append(message.state)
            self.gateway.target.answer(200)
        self.assertEqual((states[0], states[-1]), ("pending", "delivered"))
        message = fanway.status(sent.id, wait=10)
        self.assertEqual((message.id, message.route, message.state), (sent.id, "orders", "delivered"))
        self.assertEqual(message.deliveries[0].last_status, 200)
        self.assertEqual(self.gateway.target.requests[0]["body"], '{"id":7}')
        with self.assertRaises(FanwayProblem) as raised:
            fanway.cancel(sent.id)
        self.assertEqual(raised.exception.code, "message_ended")

    def test_a_request_whose_answers_are_lost_makes_one_message(self: Any) -> None:
        wire = Wire(self.gateway.address)
        self.addCleanup(wire.stop)
        wire.lose_answers = 2
        fanway = self.client(wire.url, retry=SOON)
        sent = fanway.send("/orders", {"id": 8})
        self.assertTrue(sent.replayed)
        self.assertEqual(wire.requests.count(b"POST /orders "), 3)
        again = fanway.send("/orders", {"id": 8}, idempotency_key=sent.idempotency_key)
        self.assertEqual(again.id, sent.id)
        with self.assertRaises(FanwayProblem) as raised:
            fanway.send("/orders", {"id": 9}, idempotency_key=sent.idempotency_key)
        self.assertEqual(raised.exception.code, "idempotency_key_reused")

    def test_a_stream_that_breaks_is_taken_up_where_it_broke(self: Any) -> None:
        wire = Wire(self.gateway.address)
        self.addCleanup(wire.stop)
        fanway = self.client(wire.url, retry=SOON)
        id = fanway.send("/orders", {}, not_before=timedelta(hours=1)).id
        states = []
        for message in fanway.follow(id):
            states.append(message.state)
            if message.state == "pending":
                wire.cut()
                self.client(self.gateway.url).cancel(id)
        self.assertEqual(states, ["pending", "cancelled"])
        first, second = wire.requests.lower().split(b"get /fanway/messages/")[1:]
        self.assertNotIn(b"last-event-id", first)
        self.assertRegex(second, rb"last-event-id: [0-9a-f]{16}\r\n")

    def test_a_message_is_called_off_before_it_is_sent(self: Any) -> None:
        fanway = self.client(self.gateway.url)
        later = datetime.now(timezone.utc) + timedelta(hours=1)
        id = fanway.send("/orders", {}, not_before=later, expires="7d").id
        cancelled = fanway.cancel(id)
        self.assertEqual((cancelled.state, cancelled.deliveries[0].state), ("cancelled",) * 2)
        self.assertEqual(fanway.wait(id).state, "cancelled")

    def test_what_is_wrong_with_a_request_is_told_with_its_place(self: Any) -> None:
        fanway = self.client(self.gateway.url)
        with self.assertRaises(FanwayProblem) as raised:
            fanway.send("/reports", '{"total":', headers={"Content-Type": "application/json"})
        self.assertEqual((raised.exception.status, raised.exception.code), (400, "json_malformed"))
        self.assertIn("line 1, column 10", raised.exception.detail)
        with self.assertRaises(FanwayProblem) as raised:
            for _ in fanway.follow("msg_none"):
                pass
        self.assertEqual(raised.exception.code, "message_unknown")


class Synchronous(Real, unittest.TestCase):
    kind = "synchronous"


class Asynchronous(Real, unittest.TestCase):
    kind = "asynchronous"
