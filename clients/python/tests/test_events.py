"""Events, out of text that is cut anywhere."""

import unittest

from fanway.events import EventReader, ServerEvent

TEXT = (
    ": hello\n\nid: 1\nevent: message\ndata: {\ndata:}\n\n"
    "retry: 5\r\n\r\nid\rdata\r\r\ndata:  x\u2028\r\n\r\nid: never"
)
EVENTS = [
    ServerEvent("message", "1", "{\n}"),
    ServerEvent("message", "", ""),
    ServerEvent("message", "", " x\u2028"),
]


def read(*pieces: str) -> list[ServerEvent]:
    reader = EventReader()
    return [event for piece in pieces for event in reader.push(piece)]


class Events(unittest.TestCase):
    def test_events_are_the_same_wherever_their_text_is_cut(self) -> None:
        self.assertEqual(read(TEXT), EVENTS)
        self.assertEqual(read(*TEXT), EVENTS)
        for cut in range(len(TEXT)):
            self.assertEqual(read(TEXT[:cut], TEXT[cut:]), EVENTS)


if __name__ == "__main__":
    unittest.main()
