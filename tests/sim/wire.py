"""A client's end of HTTP/1.1 that does what it is told, byte for byte.

The standard library's client is too polite for our tests: it will not send two
Content-Lengths or hang up in the middle of a word. A Wire sends any bytes, reads
one whole answer before a deadline, and says exactly how a connection ended.
"""

import json
import select
import socket
import ssl
import struct
import time
from urllib.parse import urlsplit


def has_something(sock):
    """Bytes, or the end. Not by select(), which knows no descriptor above 1023."""
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(0))


class Closed(ConnectionError):
    """The peer ended the connection before the first byte of an answer."""


class Torn(ConnectionError):
    """The peer ended the connection in the middle of an answer."""


class Answer:
    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers  # (name, value) as they came
        self.body = body

    def header(self, name, otherwise=None):
        for key, value in self.headers:
            if key.lower() == name.lower():
                return value
        return otherwise

    def json(self):
        return json.loads(self.body)

    @property
    def closes(self):
        return self.header("Connection", "").lower() == "close"

    def __repr__(self):
        return f"Answer({self.status}, {self.body[:200]!r})"


def request(method, path, headers=(), body=b"", host="relay.test", length=True):
    """One request as bytes. `headers` are pairs; Content-Length is added where `length`."""
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}"]
    lines += [f"{name}: {value}" for name, value in headers]
    if length:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def chunked(body, size=7):
    """The body in chunks of `size`, as the body of a chunked message."""
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


class Wire:
    """One connection. Everything on it together has to be done `timeout_s` after `rearm`."""

    def __init__(self, url, ca_file=None, timeout_s=10.0):
        parts = urlsplit(url)
        self.timeout_s = timeout_s
        self.rearm()
        port = parts.port or (443 if parts.scheme == "https" else 80)
        self.socket = socket.create_connection((parts.hostname, port), timeout_s)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if parts.scheme == "https":
            context = ssl.create_default_context(cafile=ca_file)
            try:
                self.socket = context.wrap_socket(self.socket, server_hostname=parts.hostname)
            except BaseException:
                self.socket.close()
                raise
        self.unread = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def rearm(self):
        self.deadline = time.monotonic() + self.timeout_s

    def send(self, data):
        self._limit()
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError, ssl.SSLError):
            # The peer may have answered and closed before it had read it all: its answer counts.
            pass

    def send_bytewise(self, data):
        for at in range(len(data)):
            self.send(data[at : at + 1])

    def receive(self):
        """Some bytes; b"" at the end. A reset is an end too: Closed and Torn tell which."""
        self._limit()
        try:
            return self.socket.recv(65536)
        except (ConnectionResetError, ssl.SSLEOFError, ssl.SSLZeroReturnError):
            return b""

    def answer(self, head_only=False):
        """The next final answer; an interim one (100 Continue) is skipped."""
        while True:
            status, headers = self._head()
            if status >= 200:
                break
        answer = Answer(status, headers, b"")
        if not head_only and status not in (204, 304):
            answer.body = self._body(answer)
        return answer

    def ends(self):
        """True where the peer closes without sending anything more."""
        return not self.unread and self.receive() == b""

    def idle_and_closed(self):
        """True where a kept connection has been closed by the peer meanwhile."""
        return has_something(self.socket)

    def reset(self):
        """Ends the connection with a TCP reset, as a crashed client does."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def close(self):
        self.socket.close()

    def _limit(self):
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("not done in time")
        self.socket.settimeout(left)

    def _more(self):
        data = self.receive()
        if not data:
            raise Torn("cut in the middle of an answer") if self.unread else Closed("no answer")
        self.unread += data

    def _head(self):
        while b"\r\n\r\n" not in self.unread:
            self._more()
        head, self.unread = self.unread.split(b"\r\n\r\n", 1)
        first, *lines = head.decode("latin-1").split("\r\n")
        pairs = (line.partition(":") for line in lines)
        return int(first.split(" ")[1]), [(name, value.strip()) for name, _, value in pairs]

    def _body(self, answer):
        if answer.header("Transfer-Encoding", "").lower() == "chunked":
            return self._chunks()
        length = answer.header("Content-Length")
        return self._until_end() if length is None else self._exactly(int(length))

    def _exactly(self, count):
        while len(self.unread) < count:
            data = self.receive()
            if not data:
                raise Torn("cut in the middle of a body")
            self.unread += data
        body, self.unread = self.unread[:count], self.unread[count:]
        return body

    def _chunks(self):
        body = b""
        while True:
            while b"\r\n" not in self.unread:
                self._more()
            size, self.unread = self.unread.split(b"\r\n", 1)
            piece = self._exactly(int(size, 16) + 2)[:-2]
            if not piece:
                return body
            body += piece

    def _until_end(self):
        body, self.unread = self.unread, b""
        while data := self.receive():
            body += data
        return body


def get(url, ca_file=None, timeout_s=10.0):
    """GET on a connection of its own."""
    parts = urlsplit(url)
    with Wire(url, ca_file, timeout_s) as wire:
        wire.send(request("GET", parts.path or "/", [("Connection", "close")], length=False))
        return wire.answer()


def call(url, method, headers=(), body=b"", ca_file=None, timeout_s=10.0):
    """Any request on a connection of its own."""
    parts = urlsplit(url)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    with Wire(url, ca_file, timeout_s) as wire:
        wire.send(request(method, path, headers, body))
        return wire.answer(head_only=method == "HEAD")
