"""What goes wrong: a refusal, a gateway that isn't reached, an answer that is none of its own."""

from __future__ import annotations

import json
import re
import time
from email.utils import parsedate_to_datetime

import httpx

from .types import Problem

_PAGES = re.compile(r"(?:^|/)fanway/problems/([a-z0-9_]+)$")


class FanwayError(Exception):
    """Whatever this package raises, but for a caller's own mistakes."""


class FanwayUnreachable(FanwayError):
    """No answer came, however often it was tried. `__cause__` is what failed last."""


class FanwayProblem(FanwayError):
    """A refusal, which trying again has not helped against."""

    status: int
    """The answer's status code."""
    code: str | None
    """Why: the end of the problem's `type`, one of `ProblemCode` and perhaps, of a later gateway,
    another; `None` where something before the gateway answered.
    """
    detail: str | None
    """What is to be said of this occurrence."""
    retry_after: float | None
    """In how many seconds another try is worth it, where the answer says so."""
    problem: Problem | None
    """The whole document (RFC 9457), where the answer has one."""

    def __init__(self, response: httpx.Response) -> None:
        self.problem = _problem(response.text)
        self.status = response.status_code
        self.code = None
        self.detail = None
        self.retry_after = retry_after(response.headers.get("retry-after"), time.time())
        title = response.reason_phrase or "no problem document"
        if self.problem is not None:
            page = _PAGES.search(self.problem.type)
            self.code = page and page[1]
            self.detail = self.problem.detail
            title = self.problem.title
        what = f"{self.status} {self.code}" if self.code else f"{self.status}"
        why = f": {self.detail}" if self.detail else ""
        super().__init__(f"{what}: {title}{why}")


def _problem(text: str) -> Problem | None:
    try:
        problem = Problem.from_json(json.loads(text))
    except (ValueError, KeyError, TypeError):
        return None
    return problem if isinstance(problem.type, str) else None


def retry_after(value: str | None, now: float) -> float | None:
    """`Retry-After` in seconds: a number or an HTTP date (RFC 9110, section 10.2.3)."""
    text = (value or "").strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - now)
    except ValueError:
        return None
