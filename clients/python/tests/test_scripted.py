"""What the clients make of answers, which are scripted: no gateway, no clock."""

import json
import time
import unittest
from datetime import datetime, timedelta, timezone
from email.utils import formatdate
from typing import Any

import httpx

from fanway import FanwayError, FanwayProblem, FanwayUnreachable, Retry

from .both import BOTH

ID = "msg_01hf7yat3v0000000000000000"
ACCEPTED = {"id": ID, "state": "pending", "status": f"/fanway/messages/{ID}", "new": 1}


def accepted() -> httpx.Response:
    return httpx.Response(202, json=ACCEPTED)


def refused(status: int, code: str, retry_after: str | None = None) -> httpx.Response:
    problem = {"type": f"/fanway/problems/{code}", "title": "no", "status": status, "detail": "why"}
    headers = {} if retry_after is None else {"retry-after": retry_after}
    return httpx.Response(status, json=problem, headers=headers)


def message(state: str) -> dict[str, Any]:
    return {"id": ID, "route": "orders", "state": state, "received_at": "", "ended_at": None, "deliveries": []}


def stream(*events: tuple[str, str]) -> httpx.Response:
    text = "".join(
        f"event: message\nid: {id}\ndata: {json.dumps(message(state))}\n\n" for id, state in events
    )
    return httpx.Response(200, text=text, headers={"content-type": "text/event-stream"})


BROKEN = httpx.ConnectError("no route")


class Scripted:
    kind = ""

    def scripted(self: Any, *answers: httpx.Response | Exception) -> Any:
        """A client whose requests get these answers, one after another."""
        self.requests: list[httpx.Request] = []
        self.waits: list[float] = []
        left = list(answers)

        def answer(request: httpx.Request) -> httpx.Response:
            self.requests.append(request)
            next = left.pop(0)
            if isinstance(next, Exception):
                raise next
            return next

        client = BOTH[self.kind](
            "https://gateway.example/base/",
            headers={"x-all": "1"},
            retry=Retry(times=3, first=0.1, longest=0.25),
            transport=httpx.MockTransport(answer),
            sleep=self.waits.append,
        )
        self.addCleanup(client.close)
        return client

    def test_a_request_is_sent_with_a_key_of_its_own(self: Any) -> None:
        client = self.scripted(accepted(), accepted())
        sent = client.send("/orders?a=1", {"total": 3, "name": "é"})
        client.send("/orders")
        first, second = self.requests
        self.assertEqual((first.method, str(first.url)), ("POST", "https://gateway.example/base/orders?a=1"))
        self.assertEqual(first.content.decode(), '{"total":3,"name":"é"}')
        self.assertEqual(first.headers["content-type"], "application/json")
        self.assertEqual(first.headers["x-all"], "1")
        self.assertEqual(first.headers["idempotency-key"], f'"{sent.idempotency_key}"')
        self.assertRegex(sent.idempotency_key, "^[0-9a-f-]{36}$")
        self.assertNotEqual(first.headers["idempotency-key"], second.headers["idempotency-key"])
        self.assertEqual(second.content, b"")
        self.assertEqual((sent.id, sent.state, sent.replayed), (ID, "pending", False))

    def test_what_is_asked_for_besides_is_said_in_headers(self: Any) -> None:
        client = self.scripted(accepted())
        client.send(
            "/orders",
            "<order/>",
            method="PUT",
            idempotency_key='a "b" \\',
            headers={"Content-Type": "text/xml"},
            not_before=datetime(2027, 1, 1, 1, tzinfo=timezone(timedelta(hours=1))),
            expires=timedelta(days=7),
            callback="https://shop.example/told",
        )
        [request] = self.requests
        self.assertEqual((request.method, request.content), ("PUT", b"<order/>"))
        for name, value in {
            "content-type": "text/xml",
            "idempotency-key": '"a \\"b\\" \\\\"',
            "fanway-not-before": "2027-01-01T00:00:00.000Z",
            "fanway-expires": "604800s",
            "fanway-callback": "https://shop.example/told",
        }.items():
            self.assertEqual(request.headers[name], value)

    def test_what_no_try_could_send_is_a_mistake_of_its_callers(self: Any) -> None:
        client = self.scripted()
        with self.assertRaises(ValueError):
            client.send("orders")
        with self.assertRaises(ValueError):
            client.send("/orders", float("nan"))
        with self.assertRaises(TypeError):
            client.send("/orders", object())
        with self.assertRaises(ValueError):
            client.send("/orders", not_before=datetime(2027, 1, 1))
        self.assertEqual(self.requests, [])

    def test_a_refusal_that_may_pass_is_tried_again_as_it_says(self: Any) -> None:
        client = self.scripted(
            refused(503, "store_full", "5"),
            refused(429, "rate", formatdate(time.time() + 30, usegmt=True)),
            refused(409, "idempotency_key_busy", "1"),
            accepted(),
        )
        client.send("/orders", {"total": 3})
        sent = {(request.headers["idempotency-key"], request.content) for request in self.requests}
        self.assertEqual((len(self.requests), len(sent)), (4, 1))
        first, second, third = self.waits
        self.assertTrue(5 <= first <= 5.1, first)
        self.assertTrue(25 < second <= 30.1, second)
        self.assertTrue(1 <= third <= 1.1, third)

    def test_without_a_word_of_when_waits_grow_up_to_a_bound(self: Any) -> None:
        client = self.scripted(BROKEN, httpx.Response(502), BROKEN, accepted())
        client.send("/orders")
        self.assertEqual(len(self.waits), 3)
        for wait, bound in zip(self.waits, [0.1, 0.2, 0.25]):
            self.assertTrue(0 <= wait <= bound, self.waits)

    def test_tries_end_and_the_last_failure_is_told(self: Any) -> None:
        client = self.scripted(*[refused(503, "store_behind", "1") for _ in range(4)])
        with self.assertRaises(FanwayProblem) as raised:
            client.send("/orders")
        problem = raised.exception
        self.assertEqual((problem.status, problem.code, problem.detail), (503, "store_behind", "why"))
        self.assertEqual((problem.retry_after, str(problem)), (1.0, "503 store_behind: no: why"))
        client = self.scripted(*[BROKEN] * 4)
        with self.assertRaises(FanwayUnreachable) as unreached:
            client.send("/orders")
        self.assertIs(unreached.exception.__cause__, BROKEN)

    def test_a_refusal_that_will_not_pass_is_told_at_once(self: Any) -> None:
        for answer in [
            refused(400, "json_malformed"),
            refused(422, "idempotency_key_reused"),
            refused(409, "message_ended"),
            refused(503, "store_full", "61"),
        ]:
            client = self.scripted(answer)
            with self.assertRaises(FanwayProblem):
                client.send("/orders")
            self.assertEqual(len(self.requests), 1)

    def test_an_answer_that_is_not_the_gateways_is_told_as_what_it_is(self: Any) -> None:
        with self.assertRaises(FanwayProblem) as raised:
            self.scripted(httpx.Response(403, text="<h1>")).send("/orders")
        self.assertEqual((raised.exception.code, raised.exception.problem), (None, None))
        for strange in [httpx.Response(200, json="hello"), httpx.Response(200, text="")]:
            with self.assertRaises(FanwayError):
                self.scripted(strange).send("/orders")

    def test_a_message_is_asked_for_and_called_off_by_its_id(self: Any) -> None:
        client = self.scripted(*[httpx.Response(200, json=message(state)) for state in ["pending", "cancelled"]])
        self.assertEqual(client.status(ID, wait=1.5).state, "pending")
        self.assertEqual(client.cancel(ID).state, "cancelled")
        asked = [f"{request.method} {str(request.url)[28:]}" for request in self.requests]
        path = f"/fanway/messages/{ID}"
        self.assertEqual(asked, [f"GET {path}?wait=1500ms", f"DELETE {path}"])

    def test_a_message_is_followed_to_its_end_over_breaks(self: Any) -> None:
        client = self.scripted(
            refused(503, "too_many_followers", "5"),
            stream(("a", "pending")),
            BROKEN,
            stream(("b", "pending"), ("c", "delivered")),
        )
        states = [message.state for message in client.follow(ID)]
        self.assertEqual(states, ["pending", "pending", "delivered"])
        last = [request.headers.get("last-event-id") for request in self.requests]
        self.assertEqual((last, len(self.waits)), ([None, None, "a", "a"], 3))

    def test_following_ends_where_it_fails_again_and_again(self: Any) -> None:
        breaking = [stream((str(index), "pending")) for index in range(9)]
        client = self.scripted(*breaking, refused(410, "message_expired"))
        seen = []
        with self.assertRaises(FanwayProblem):
            seen.extend(client.follow(ID))
        self.assertEqual(len(self.requests), 10)
        client = self.scripted(*[stream() for _ in range(4)])
        with self.assertRaises(FanwayUnreachable):
            client.wait(ID)

    def test_who_comes_again_for_what_has_ended_meanwhile_is_done(self: Any) -> None:
        shown = httpx.Response(200, json=message("failed"))
        client = self.scripted(stream(("a", "pending")), httpx.Response(204), shown)
        self.assertEqual(client.wait(ID).state, "failed")


class Synchronous(Scripted, unittest.TestCase):
    kind = "synchronous"


class Asynchronous(Scripted, unittest.TestCase):
    kind = "asynchronous"
