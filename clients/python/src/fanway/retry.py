"""Whether a request is sent again, and when. To send one again does no harm, since it has a key."""

from __future__ import annotations

import random
from dataclasses import dataclass

from .errors import FanwayProblem

_TRANSIENT = frozenset({408, 429, 502, 503, 504})
"""Statuses that say nothing against sending the same again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """How often a request is tried again, and with what waits. Times are seconds."""

    times: int = 6
    """Tries after the first; 0 for none."""
    first: float = 0.5
    """The longest wait before the second try, doubled with each that follows."""
    longest: float = 20.0
    """The longest wait that isn't asked for by the gateway."""
    patience: float = 60.0
    """The longest wait that the gateway may ask for; beyond it its refusal is raised."""

    def pause(self, tried: int, failure: BaseException) -> float | None:
        """The wait before another try, the `tried` first ones having failed; `None` where it isn't
        worth one. Where the gateway has said when, it is never sooner.
        """
        told = None
        if isinstance(failure, FanwayProblem):
            if not is_transient(failure):
                return None
            told = failure.retry_after
        if tried > self.times or (told or 0.0) > self.patience:
            return None
        # All who failed together must not come again together.
        chance = random.random()
        if told is not None:
            return told + chance * self.first
        return chance * min(self.longest, self.first * 2.0 ** (tried - 1))


def is_transient(problem: FanwayProblem) -> bool:
    """Whether a refusal may be no refusal the next time."""
    # The first of two equal requests isn't answered yet, and its answer is wanted.
    return problem.status in _TRANSIENT or problem.code == "idempotency_key_busy"
