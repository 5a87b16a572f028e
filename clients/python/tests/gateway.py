"""A real gateway with a target whose answers a test decides, and a wire before it that can be cut."""

import json
import os
import socket
import subprocess
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

BUILT = Path(__file__).parents[3] / "target" / "debug" / "fanway"
BINARY = os.environ.get("FANWAY_BINARY", str(BUILT))


class Target:
    """Answers once it is told with which status: also what has come before."""

    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []
        self._status = 0
        self._changed = threading.Condition()
        target = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers.get("content-length", 0))
                body = self.rfile.read(length).decode()
                self.send_response(target._hear({**self.headers}, body))
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.address = "127.0.0.1:%d" % self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def _hear(self, headers: dict[str, str], body: str) -> int:
        with self._changed:
            self.requests.append({"headers": headers, "body": body})
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._status != 0)
            return self._status

    def heard(self, count: int) -> None:
        """Waits until so many requests have come."""
        with self._changed:
            self._changed.wait_for(lambda: len(self.requests) >= count)

    def answer(self, status: int) -> None:
        with self._changed:
            self._status = status
            self._changed.notify_all()

    def stop(self) -> None:
        self.answer(500)
        self._server.shutdown()
        self._server.server_close()


class Gateway:
    """`POST /orders` goes to the target, `POST /reports` reads its body as JSON."""

    def __init__(self) -> None:
        self.target = Target()
        self._folder = tempfile.TemporaryDirectory(prefix="fanway-client-")
        folder = Path(self._folder.name)
        config = folder / "fanway.yaml"
        config.write_text(f"""
server: {{ listen: 127.0.0.1:0, admin: 127.0.0.1:0, threads: 1 }}
store: {{ path: {json.dumps(str(folder / "data"))} }}
targets:
  shop: {{ url: "http://{self.target.address}/in", retry: {{ attempts: 1 }} }}
routes:
  orders: {{ match: POST /orders, send: [shop] }}
  reports: {{ match: POST /reports, send: [{{ to: shop, body: '{{total: .total}}' }}] }}
""")
        command = [BINARY, "serve", "--json", "-c", str(config)]
        self._process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        self.address = self._ready()
        self.url = f"http://{self.address}"

    def _ready(self) -> str:
        assert self._process.stderr is not None
        said = []
        for line in self._process.stderr:
            said.append(line)
            if line.startswith("{") and json.loads(line)["fields"].get("message") == "ready":
                # What it says from now on is nobody's, and must not stop it.
                rest = self._process.stderr
                self._rest = threading.Thread(target=lambda: [None for _ in rest], daemon=True)
                self._rest.start()
                return str(json.loads(line)["fields"]["gateway"])
        raise RuntimeError("the gateway has ended:\n" + "".join(said))

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()
        self._rest.join()
        assert self._process.stderr is not None
        self._process.stderr.close()
        self.target.stop()
        self._folder.cleanup()


class Wire:
    """Carries connections to a gateway until they are cut. `requests` has all that clients have
    sent, and `lose_answers` cuts as many connections as answers come back on.
    """

    def __init__(self, address: str) -> None:
        host, port = address.split(":")
        self._far = (host, int(port))
        self.requests = b""
        self.lose_answers = 0
        self._ends: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = "http://127.0.0.1:%d" % self._listener.getsockname()[1]
        self._start(self._accept)

    def _start(self, run: Any, *ends: socket.socket) -> None:
        thread = threading.Thread(target=run, args=ends, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            far = socket.create_connection(self._far)
            self._ends += [near, far]
            self._start(self._carry_in, near, far)
            self._start(self._carry_out, near, far)

    def _carry_in(self, near: socket.socket, far: socket.socket) -> None:
        while data := _received(near):
            self.requests += data
            _send(far, data)
        _cut(far)

    def _carry_out(self, near: socket.socket, far: socket.socket) -> None:
        while data := _received(far):
            if self.lose_answers > 0:
                self.lose_answers -= 1
                break
            _send(near, data)
        _cut(near)
        _cut(far)

    def cut(self) -> None:
        """Cuts all connections that there are."""
        for end in self._ends:
            _cut(end)

    def stop(self) -> None:
        _cut(self._listener)
        self._threads[0].join()
        self.cut()
        for thread in self._threads[1:]:
            thread.join()
        for end in [self._listener, *self._ends]:
            end.close()


def _received(end: socket.socket) -> bytes:
    try:
        return end.recv(1 << 16)
    except OSError:
        return b""


def _send(end: socket.socket, data: bytes) -> None:
    try:
        end.sendall(data)
    except OSError:
        _cut(end)


def _cut(end: socket.socket) -> None:
    try:
        end.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
