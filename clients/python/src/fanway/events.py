"""Server-sent events out of a stream of text (WHATWG HTML, 9.2.6)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_END = re.compile(r"\r\n|\n|\r(?!\Z)")
"""A line's end. A line feed may follow a carriage return in the next piece."""


@dataclass(frozen=True, slots=True)
class ServerEvent:
    """An event."""

    name: str
    id: str | None
    """The id that the stream has come to with it."""
    data: str


class EventReader:
    """Takes a stream's text piece by piece, however it is cut, and gives the events in it."""

    def __init__(self) -> None:
        self._rest = ""
        self._name = ""
        self._id: str | None = None
        self._data: list[str] = []

    def push(self, piece: str) -> Iterator[ServerEvent]:
        """The events that are whole with this piece."""
        *lines, self._rest = _END.split(self._rest + piece)
        for line in lines:
            if line != "":
                self._field(line)
                continue
            if self._data:
                yield ServerEvent(self._name or "message", self._id, "\n".join(self._data))
            self._name = ""
            self._data = []

    def _field(self, line: str) -> None:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "event":
            self._name = value
        elif name == "data":
            self._data.append(value)
        elif name == "id" and "\0" not in value:
            self._id = value
