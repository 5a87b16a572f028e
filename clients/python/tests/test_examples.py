"""The examples, as somebody runs them."""

import subprocess
import sys
import unittest
from pathlib import Path

from .gateway import Gateway

EXAMPLES = Path(__file__).parents[1] / "examples"


class Examples(unittest.TestCase):
    def check(self, name: str, expected: str) -> None:
        gateway = Gateway()
        self.addCleanup(gateway.stop)
        gateway.target.answer(200)
        command = [sys.executable, str(EXAMPLES / name), gateway.url]
        done = subprocess.run(command, capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertRegex(done.stdout, expected)

    def test_the_script_sends_an_order_and_follows_it(self) -> None:
        expected = r"^msg_\w{26} is accepted\n(pending: shop \w+\n)*delivered: shop delivered\n$"
        self.check("send.py", expected)

    def test_the_asynchronous_one_sends_some_and_waits_for_all(self) -> None:
        self.check("send_many.py", r"^(msg_\w{26} delivered\n){3}$")
