#!/usr/bin/env python3
"""A simulated internal service: takes what the relay forwards, and fails when told to.

It keeps every request byte for byte. What it answers is decided by a list of rules; the
first that fits a request and is not used up counts, and without one it answers 200:

    answer   this status, with these headers, after `delay_s`
    stall    never answers (until released, then 200)
    hang_up  closes without an answer; with `when` "early" before it has read the body,
             "reset" with a TCP reset, "torn" in the middle of the answer
    hold     waits until released, then answers this status
    say      sends `body` as it is, which need not be HTTP, then `flood` again and again until
             the peer breaks off, and closes

Over HTTP it is controlled under /_sim/, so by hand with curl:

    curl -d '{"do":"answer","status":500,"times":3}' http://127.0.0.1:8080/_sim/rules
    curl -d '{"do":"hold","only":"application.hired"}' http://127.0.0.1:8080/_sim/rules
    curl -X POST http://127.0.0.1:8080/_sim/release        what is held or stalled goes on
    curl -X DELETE http://127.0.0.1:8080/_sim/rules        back to 200 for all
    curl http://127.0.0.1:8080/_sim/requests               what came in, bodies in base64
    curl http://127.0.0.1:8080/_sim/requests/count         how much
"""

import argparse
import base64
import dataclasses
import json
import socket
import struct
import sys
import threading
import time

CONTROL = "/_sim/"


class Request:
    """One request as it came: `raw_head` to its last CRLF, `body` decoded from chunks."""

    def __init__(self, raw_head, body, connection):
        self.raw_head = raw_head
        self.body = body
        self.connection = connection  # counted from 1: which kept connection it came over
        self.at = time.time()
        first, *lines = raw_head.decode("latin-1").rstrip("\r\n").split("\r\n")
        self.method, self.path, _ = first.split(" ", 2)
        pairs = (line.partition(":") for line in lines)
        self.headers = [(name, value.strip()) for name, _, value in pairs]
        self.answered = None  # the status that went out whole, or None

    def header(self, name):
        """Its one value; None where it is absent, all joined where it came twice."""
        values = [value for key, value in self.headers if key.lower() == name.lower()]
        return ", ".join(values) if values else None

    @property
    def event_id(self):
        return self.header("X-Kula-Event-Id")

    @property
    def event_type(self):
        return self.header("X-Kula-Event")

    @property
    def attempt(self):
        return int(self.header("Kula-Relay-Attempt") or 0)

    def as_json(self):
        return {"method": self.method, "path": self.path, "headers": self.headers, "at": self.at,
                "connection": self.connection, "answered": self.answered,
                "body": base64.b64encode(self.body).decode()}

    def __repr__(self):
        return f"Request({self.event_type} {self.event_id} attempt {self.attempt} -> {self.answered})"


@dataclasses.dataclass
class Rule:
    do: str = "answer"
    status: int = 200
    headers: dict = dataclasses.field(default_factory=dict)
    body: str = ""
    flood: str = ""
    delay_s: float = 0.0
    when: str = ""
    times: int = -1  # how many more requests; -1: for ever
    only: str = ""   # an event id or type; empty: all

    def fits(self, request):
        return self.times != 0 and self.only in ("", request.event_id, request.event_type)


class Service:
    """Serves from when it is made until closed, one thread a connection.

    With a `tls` context it speaks TLS; with `path` it listens on that unix socket.
    """

    def __init__(self, port=0, name="service", host="127.0.0.1", on_request=None,
                 patience=1.0, tls=None, path=None):
        self.name = name
        self.patience = patience  # a factor for the deadlines of wait...()
        self.requests = []
        self.connections = 0
        self.on_request = on_request or (lambda request: None)
        self._rules = []
        self._changed = threading.Condition()
        self._released = 0  # counts up: who waits goes on when it moves
        self._open = set()
        self._closed = False
        self._tls = tls
        if path:
            self._listener = socket.socket(socket.AF_UNIX)
            self._listener.bind(str(path))
            self._listener.listen(512)
            self.port, self.url = None, f"http+unix://{path}:"
        else:
            self._listener = socket.create_server((host, port), backlog=512)
            self.port = self._listener.getsockname()[1]
            self.url = f"{'https' if tls else 'http'}://{host}:{self.port}"
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # Telling it what to do. Each of these adds a rule and returns it.

    def rule(self, **fields):
        with self._changed:
            self._rules.append(Rule(**fields))
            return self._rules[-1]

    def fail(self, times=-1, status=500, only="", **headers):
        """`headers` with underscores for dashes: Retry_After="2"."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.rule(status=status, times=times, only=only, headers=named)

    def slow(self, delay_s, times=-1, only=""):
        return self.rule(delay_s=delay_s, times=times, only=only)

    def stall(self, times=-1, only=""):
        return self.rule(do="stall", times=times, only=only)

    def hang_up(self, times=-1, when="", only=""):
        return self.rule(do="hang_up", when=when, times=times, only=only)

    def hold(self, times=-1, status=200, only=""):
        return self.rule(do="hold", status=status, times=times, only=only)

    def say(self, body, flood="", times=1, only=""):
        return self.rule(do="say", body=body, flood=flood, times=times, only=only)

    def release(self):
        """Who is held or stalled now goes on; who comes later is held again."""
        with self._changed:
            self._released += 1
            self._changed.notify_all()

    def heal(self):
        """No rules any more, and nobody is held."""
        with self._changed:
            self._rules.clear()
        self.release()

    # Asking it what happened.

    def of(self, event_id):
        with self._changed:
            return [request for request in self.requests if request.event_id == event_id]

    def bodies(self):
        """Event id -> body, of what was answered 2xx."""
        with self._changed:
            return {one.event_id: one.body for one in self.requests if 200 <= (one.answered or 0) < 300}

    def wait(self, fact, what="a fact about the requests", deadline_s=20.0):
        """Until fact(requests) is true. It is asked whenever something has changed."""
        with self._changed:
            deadline_s *= self.patience
            if not self._changed.wait_for(lambda: fact(self.requests), deadline_s):
                raise TimeoutError(f"{self.name}: {what} not within {deadline_s:g} s; "
                                   f"{len(self.requests)} requests, the last {self.requests[-5:]}")
            return list(self.requests)

    def wait_for(self, event_id, count=1, deadline_s=20.0):
        """Until `count` requests with this event id came in; returns them."""
        self.wait(lambda all_: sum(one.event_id == event_id for one in all_) >= count,
                  f"{count} requests with {event_id}", deadline_s)
        return self.of(event_id)

    def wait_delivered(self, event_ids, deadline_s=20.0):
        """Until each of these was answered 2xx."""
        wanted = set(event_ids)

        def missing(all_):
            return wanted - {one.event_id for one in all_ if 200 <= (one.answered or 0) < 300}

        self.wait(lambda all_: not missing(all_), f"delivery of {len(wanted)} events", deadline_s)

    def close(self):
        """Stops listening and cuts every connection."""
        with self._changed:
            self._closed = True
            self._released += 1
            self._changed.notify_all()
            cut = list(self._open)
        # shutdown wakes the thread that sits in accept(); close alone does not.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for peer in cut:
            try:
                peer.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    # What happens on the connections' threads.

    def _accept(self):
        while True:
            try:
                peer, _ = self._listener.accept()
            except OSError:
                return
            with self._changed:
                self.connections += 1
                self._open.add(peer)
                number = self.connections
            threading.Thread(target=self._serve, args=(peer, number), daemon=True).start()

    def _serve(self, peer, number):
        try:
            if self._tls:
                peer = self._start_tls(peer)
            with peer.makefile("rb") as reader:
                while self._exchange(peer, reader, number):
                    pass
        except (OSError, ValueError):
            pass  # the peer broke off or sent no HTTP: nothing of it counts as a request
        finally:
            with self._changed:
                self._open.discard(peer)
            peer.close()

    def _start_tls(self, peer):
        with self._changed:
            self._open.discard(peer)
        secured = self._tls.wrap_socket(peer, server_side=True, do_handshake_on_connect=False)
        with self._changed:
            self._open.add(secured)
        secured.do_handshake()
        return secured

    def _exchange(self, peer, reader, number):
        """One request and what becomes of it; True where the connection goes on."""
        head = read_head(reader)
        if not head:
            return False
        request = Request(head, b"", number)
        if request.path.startswith(CONTROL):
            request.body = read_body(reader, request)
            return self._control(peer, request)
        rule = self._choose(request)
        if rule.do == "hang_up" and rule.when == "early":
            self._record(request)
            return hang_up(peer, rule)
        if (request.header("Expect") or "").lower() == "100-continue":
            peer.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.body = read_body(reader, request)
        released = self._record(request)
        if rule.do == "hang_up":
            return hang_up(peer, rule)
        if rule.do == "say":
            return say(peer, rule)
        self._wait_as_told(rule, released)
        return self._answer(peer, request, rule)

    def _choose(self, request):
        with self._changed:
            for rule in self._rules:
                if rule.fits(request):
                    rule.times -= rule.times > 0
                    return dataclasses.replace(rule)
            return Rule()

    def _record(self, request):
        """Says which release is the last one that does not mean this request."""
        with self._changed:
            self.requests.append(request)
            self._changed.notify_all()
            released = self._released
        self.on_request(request)
        return released

    def _wait_as_told(self, rule, before):
        with self._changed:
            limit_s = None if rule.do in ("hold", "stall") else rule.delay_s
            if limit_s is None or limit_s > 0:
                self._changed.wait_for(lambda: self._released != before, limit_s)

    def _answer(self, peer, request, rule):
        body = rule.body.encode()
        closes = (request.header("Connection") or "").lower() == "close"
        # Noted before it goes: forward may have settled it before this thread runs again.
        self._note(request, rule.status)
        try:
            send_answer(peer, rule.status, body, rule.headers, closes)
        except OSError:
            self._note(request, None)
            raise
        return not closes and not self._closed

    def _note(self, request, status):
        with self._changed:
            request.answered = status
            self._changed.notify_all()

    def _control(self, peer, request):
        what = (request.method, request.path[len(CONTROL):])
        status, told = 200, {"done": True}
        if what == ("POST", "rules"):
            try:
                self.rule(**json.loads(request.body))
            except (TypeError, ValueError) as wrong:
                status, told = 400, {"error": str(wrong)}
        elif what == ("DELETE", "rules"):
            self.heal()
        elif what == ("POST", "release"):
            self.release()
        elif what == ("GET", "requests"):
            with self._changed:
                told = [one.as_json() for one in self.requests]
        elif what == ("GET", "requests/count"):
            with self._changed:
                told = len(self.requests)
        elif what == ("GET", "rules"):
            with self._changed:
                told = [dataclasses.asdict(rule) for rule in self._rules]
        else:
            status, told = 404, {"error": "no such thing; see --help"}
        send_answer(peer, status, json.dumps(told).encode() + b"\n", {}, False)
        return True


def read_head(reader):
    """To the empty line; b"" where the peer is done."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        line = reader.readline(65536)
        if not line:
            return b""
        head += line
    return head


def read_exactly(reader, count):
    data = reader.read(count)
    if len(data) != count:
        raise ConnectionError("cut in the middle of a body")
    return data


def read_body(reader, request):
    if (request.header("Transfer-Encoding") or "").lower() != "chunked":
        return read_exactly(reader, int(request.header("Content-Length") or 0))
    body = b""
    while size := int(reader.readline(64), 16):
        body += read_exactly(reader, size)
        reader.readline(64)
    reader.readline(64)
    return body


def send_answer(peer, status, body, headers, closes):
    lines = [f"HTTP/1.1 {status} Simulated", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if closes:
        lines.append("Connection: close")
    peer.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + body)


def say(peer, rule):
    peer.sendall(rule.body.encode("latin-1"))
    while rule.flood:
        peer.sendall(rule.flood.encode("latin-1"))
    return False


def hang_up(peer, rule):
    if rule.when == "torn":
        peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\ntorn")
    if rule.when == "reset":
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return False


# By hand.

def options():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--host", default="127.0.0.1", help="where to listen (127.0.0.1)")
    parser.add_argument("--port", type=int, default=0, help="0, the default, takes a free one")
    parser.add_argument("--name", default="service", help="stands before each line")
    parser.add_argument("--fail", type=int, default=0, metavar="N", help="the first N get --status")
    parser.add_argument("--status", type=int, default=500, help="what --fail answers (500)")
    parser.add_argument("--stall", type=int, default=0, metavar="N", help="the next N get no answer")
    parser.add_argument("--hang-up", type=int, default=0, metavar="N", help="the next N are cut off")
    parser.add_argument("--slow", type=float, default=0, metavar="S", help="all others wait S seconds")
    parser.add_argument("--bodies", action="store_true", help="print the bodies too")
    parser.add_argument("--json", action="store_true", help="one JSON object a request")
    return parser.parse_args()


def show(name, request, chosen):
    if chosen.json:
        print(json.dumps(request.as_json()), flush=True)
        return
    print(f"{name}: {request.event_type} {request.event_id} attempt {request.attempt} "
          f"{request.header('Kula-Relay-Origin') or ''} {len(request.body)} bytes", flush=True)
    if chosen.bodies:
        print("    " + request.body.decode(errors="replace"), flush=True)


def main():
    chosen = options()
    service = Service(chosen.port, chosen.name, chosen.host,
                      on_request=lambda request: show(chosen.name, request, chosen))
    for do, times in (("answer", chosen.fail), ("stall", chosen.stall), ("hang_up", chosen.hang_up)):
        if times:
            service.rule(do=do, times=times, status=chosen.status)
    if chosen.slow:
        service.slow(chosen.slow)
    print(f"{chosen.name}: listening at {service.url}", file=sys.stderr, flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
