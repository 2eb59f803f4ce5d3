#!/usr/bin/env python3
"""A simulated Kula: signs events and delivers them by the rules of Kula's webhook guides.

 - POST, signed with HMAC-SHA256 over "<t>.<body>" (made here, not with the relay's code, so
   that one misunderstanding cannot pass both sides);
 - any 2xx within 10 seconds is a success, and is never sent again;
 - 5xx, 429, a time-out and a network error are tried again 1 min, 5 min, 30 min, 2 h, 8 h and
   16 h later, seven attempts in all;
 - any other 4xx is final, and so is a 3xx (the guides are silent; this is the worse reading);
 - 410, or 25 failures in 24 hours, disable the endpoint: what happens then is not delivered, and
   what was to be tried again has failed.

The clock may run fast: with pace 60 a minute of Kula's takes a second here. The ten
seconds stay real, for they measure the receiver.

`kula.py api` is Kula's management API, with webhooks that send in the same way: see its --help.
"""

import argparse
import collections
import hashlib
import heapq
import hmac
import itertools
import json
import pathlib
import sys
import threading
import time
from urllib.parse import urlsplit

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from sim import events  # noqa: E402
from sim.wire import Wire, request  # noqa: E402

SCHEDULE_S = (60, 300, 1800, 7200, 28800, 57600)
FAILURES_MOST = 25
FAILURES_WINDOW_S = 24 * 3600

Attempt = collections.namedtuple("Attempt", "number at status error ms answer")


def sign(secret, body, t):
    """The value of X-Kula-Signature. `t` may be any text, for forgeries."""
    mac = hmac.new(secret, b"%b.%b" % (str(t).encode(), body), hashlib.sha256)
    return f"t={t},v1={mac.hexdigest()}"


def signed_headers(secret, body, t, event_type="", event_id=""):
    headers = [
        ("Content-Type", "application/json"),
        ("User-Agent", "Kula-Webhooks/1.0 (simulated)"),
        ("X-Kula-Signature", sign(secret, body, t)),
        ("X-Kula-Timestamp", str(t)),
    ]
    if event_id:
        headers += [("X-Kula-Event", event_type), ("X-Kula-Event-Id", event_id)]
    return headers


class Delivery:
    """One event on its way: pending, then delivered, failed or dropped (never sent: disabled)."""

    def __init__(self, body, event_type, event_id, created_s):
        self.body = body
        self.event_type = event_type
        self.event_id = event_id
        self.created_s = created_s
        self.attempts = []
        self.status = "pending"

    @property
    def last(self):
        return self.attempts[-1] if self.attempts else None

    def __repr__(self):
        return f"Delivery({self.event_type} {self.event_id} {self.status} {self.attempts})"


class Kula:
    """Delivers in the background over `connections` kept connections until closed.

    `secret` is bytes. `count` says what the 25 failures are: "attempts", the worse reading,
    or "deliveries". `renew_t` false keeps the first attempt's t, which the guides allow too.
    """

    def __init__(self, url, secret, *, ca_file=None, pace=1.0, timeout_s=10.0, connections=4,
                 count="attempts", renew_t=True, headers=(), rate=0.0, on_attempt=None,
                 patience=1.0):
        self.url = url
        self.secret = secret
        self.ca_file = ca_file
        self.pace = pace
        self.timeout_s = timeout_s
        self.count = count
        self.renew_t = renew_t
        self.headers = list(headers)
        self.rate = rate
        self.patience = patience  # a factor for the deadlines of wait...()
        self.on_attempt = on_attempt or (lambda delivery: None)
        self.deliveries = []
        self.enabled = True
        self._start = time.monotonic()
        self._next_start = 0.0
        self._due = []  # heap of (when, order, delivery), in Kula's seconds
        self._order = itertools.count()
        self._failures = collections.deque()
        self._changed = threading.Condition()
        self._closing = False
        self._workers = [threading.Thread(target=self._work, daemon=True) for _ in range(connections)]
        for worker in self._workers:
            worker.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def now_s(self):
        """Seconds on Kula's clock since it was made."""
        return (time.monotonic() - self._start) * self.pace

    def emit(self, body, event_type=None, event_id=None):
        """Something happened at Kula. Sent as it is; what is not given is read from the body."""
        if event_id is None or event_type is None:
            envelope = json.loads(body)
            event_type = event_type or envelope["event"]
            event_id = event_id or envelope["event_id"]
        with self._changed:
            delivery = Delivery(body, event_type, event_id, time.time())
            self.deliveries.append(delivery)
            if self.enabled:
                self._schedule(delivery, self._paced())
            else:
                delivery.status = "dropped"
            return delivery

    def emit_type(self, event_type, **fields):
        return self.emit(events.encode(events.event(event_type, **fields)))

    def ping(self):
        return self.emit(events.encode(events.ping(events.new_id()[4:])))

    def enable(self):
        """What a person does after Kula's e-mail; old failures are forgotten."""
        with self._changed:
            self.enabled = True
            self._failures.clear()

    def disable(self):
        """What a person does at Kula: what is on its way is given up."""
        with self._changed:
            self._disable()

    def wait(self, deliveries=None, deadline_s=30.0):
        """Until these (else all) are no longer pending; returns them."""
        with self._changed:
            watched = list(self.deliveries if deliveries is None else deliveries)
            limit_s = None if deadline_s is None else deadline_s * self.patience
            if not self._changed.wait_for(
                    lambda: all(one.status != "pending" for one in watched), limit_s):
                pending = [one for one in watched if one.status == "pending"]
                raise TimeoutError(f"{len(pending)} of {len(watched)} still pending, as {pending[0]}")
            return watched

    def wait_for(self, fact, what, deadline_s=30.0):
        """Until fact(kula) is true. It is asked after each attempt."""
        with self._changed:
            if not self._changed.wait_for(lambda: fact(self), deadline_s * self.patience):
                raise TimeoutError(what)

    def log(self):
        """As Kula's own delivery log shows it."""
        with self._changed:
            return [{"id": f"log_{n}", "event": one.event_type, "event_id": one.event_id,
                     "status": one.status, "response_code": one.last.status if one.last else None,
                     "response_time_ms": one.last.ms if one.last else None,
                     "attempts": len(one.attempts)} for n, one in enumerate(self.deliveries)]

    def close(self):
        """Stops; what is pending stays so. An attempt under way is finished first."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        for worker in self._workers:
            worker.join()

    # What happens on the worker threads.

    def _paced(self):
        """When the next new event may go: at once, or by `rate` events in a real second."""
        now = self.now_s()
        if self.rate:
            self._next_start = max(now, self._next_start + self.pace / self.rate)
            return self._next_start
        return now

    def _schedule(self, delivery, when):
        heapq.heappush(self._due, (when, next(self._order), delivery))
        self._changed.notify()

    def _work(self):
        wire = None
        while delivery := self._next():
            wire = self._attempt(wire, delivery)
        if wire:
            wire.close()

    def _next(self):
        with self._changed:
            while not self._closing:
                wait_s = None
                if self._due:
                    wait_s = (self._due[0][0] - self.now_s()) / self.pace
                    if wait_s <= 0:
                        return heapq.heappop(self._due)[2]
                self._changed.wait(wait_s)
            return None

    def _attempt(self, wire, delivery):
        """Sends it once and judges; returns the connection where it can be used again."""
        t = int(time.time() if self.renew_t else delivery.created_s)
        message = request(
            "POST", urlsplit(self.url).path or "/",
            signed_headers(self.secret, delivery.body, t, delivery.event_type, delivery.event_id)
            + self.headers, delivery.body, host=urlsplit(self.url).netloc)
        started = time.monotonic()
        answer, error = None, ""
        try:
            wire = self._connected(wire)
            wire.send(message)
            answer = wire.answer()
        except (OSError, ValueError) as failure:
            error = f"{type(failure).__name__}: {failure}"
        if wire and (error or answer.closes):
            wire.close()
            wire = None
        ms = int((time.monotonic() - started) * 1000)
        attempt = Attempt(len(delivery.attempts) + 1, self.now_s(), answer.status if answer else 0,
                          error, ms, answer)
        with self._changed:
            delivery.attempts.append(attempt)
            self._judge(delivery, attempt)
            self._changed.notify_all()
        self.on_attempt(delivery)
        return wire

    def _connected(self, wire):
        """The kept connection, unless its peer has closed it meanwhile."""
        if wire and wire.idle_and_closed():
            wire.close()
            wire = None
        if not wire:
            return Wire(self.url, self.ca_file, self.timeout_s)
        wire.rearm()
        return wire

    def _judge(self, delivery, attempt):
        status = attempt.status
        if 200 <= status < 300:
            delivery.status = "delivered"
            return
        again = self.enabled and (status == 0 or status == 429 or status >= 500)
        delay_s = None
        if again and attempt.number <= len(SCHEDULE_S):
            delay_s = SCHEDULE_S[attempt.number - 1]
        delivery.status = "failed" if delay_s is None else "pending"
        if delay_s is not None:
            self._schedule(delivery, self.now_s() + delay_s)
        if self.count == "attempts" or delay_s is None:
            self._count_failure()
        if status == 410:
            self._disable()

    def _count_failure(self):
        now = self.now_s()
        self._failures.append(now)
        while self._failures[0] < now - FAILURES_WINDOW_S:
            self._failures.popleft()
        if len(self._failures) >= FAILURES_MOST:
            self._disable()

    def _disable(self):
        self.enabled = False
        for _, _, delivery in self._due:
            delivery.status = "failed" if delivery.attempts else "dropped"
        self._due.clear()


# By hand.

def parse_size(text):
    for unit, factor in (("KiB", 1 << 10), ("MiB", 1 << 20), ("B", 1)):
        if text.endswith(unit):
            return int(text[: -len(unit)]) * factor
    return int(text)


def options():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="""examples:
  kula.py --url https://127.0.0.1:8443/webhooks/kula --secret-file secret --ca-file tls.crt --ping
  kula.py --url ... --secret-file secret --all                  one event of every type
  kula.py --url ... --secret-file secret --type application.hired --count 1000 --rate 100
  kula.py --url ... --secret-file secret --size 1MiB            a body of exactly one MiB
  kula.py --url ... --secret-file secret --body event.json      this body, byte for byte
  kula.py --url ... --secret-file secret --ping --pace 3600     retries: an hour takes a second

One line an attempt; exit 0 where all was delivered, 1 where not, 2 for a wrong call.
The management API has a help of its own: kula.py api --help""")
    parser.add_argument("--url", required=True, help="the endpoint, http:// or https://")
    parser.add_argument("--secret-file", required=True, help="one trailing newline is dropped")
    parser.add_argument("--ca-file", help="trust this certificate besides none other")
    what = parser.add_argument_group("what happens (default: one candidate.created)")
    what.add_argument("--type", action="append", default=[], metavar="TYPE", help="may be given again")
    what.add_argument("--all", action="store_true", help="every documented type, ping, hard bodies")
    what.add_argument("--ping", action="store_true", help="what Kula's test button sends")
    what.add_argument("--body", metavar="FILE", help="this body; event and event_id are read from it")
    what.add_argument("--size", type=parse_size, metavar="N", help="a body of N bytes (KiB, MiB)")
    what.add_argument("--id", help="this event id; with --count the same one each time")
    how = parser.add_argument_group("how")
    how.add_argument("--count", type=int, default=1, help="how often each (1)")
    how.add_argument("--rate", type=float, default=0, help="new events a second (as fast as it goes)")
    how.add_argument("--connections", type=int, default=4, help="deliveries at the same time (4)")
    how.add_argument("--pace", type=float, default=1, help="how much faster Kula's clock runs (1)")
    how.add_argument("--timeout", type=float, default=10, help="seconds to wait for an answer (10)")
    how.add_argument("--keep-t", action="store_true", help="retries carry the first attempt's t")
    how.add_argument("--json", action="store_true", help="one JSON object a line")
    return parser.parse_args()


def bodies(chosen):
    """The bodies to send, as the options say."""
    for _ in range(chosen.count):
        if chosen.body:
            yield pathlib.Path(chosen.body).read_bytes()
        if chosen.size:
            yield events.of_size(chosen.size, chosen.id)
        if chosen.all:
            yield from (body for _, _, body in events.every_type())
        if chosen.ping:
            yield events.encode(events.ping(events.new_id()[4:]))
        types = chosen.type
        if not (types or chosen.body or chosen.size or chosen.all or chosen.ping):
            types = ["candidate.created"]
        yield from (events.encode(events.event(one, chosen.id)) for one in types)


def show(delivery, as_json=False):
    attempt = delivery.last
    if as_json:
        line = {"event": delivery.event_type, "event_id": delivery.event_id,
                "status": delivery.status, "attempt": attempt.number, "error": attempt.error,
                "response_code": attempt.status, "response_time_ms": attempt.ms}
        print(json.dumps(line), flush=True)
        return
    told = attempt.answer.body.decode(errors="replace").strip() if attempt.answer else attempt.error
    print(f"{delivery.status:9} {attempt.status or '---'} {attempt.ms:5} ms  attempt {attempt.number}  "
          f"{delivery.event_type} {delivery.event_id}  {told[:200]}", flush=True)


def main():
    if sys.argv[1:2] == ["api"]:
        from sim import kula_api  # it stands on this file
        return kula_api.main(sys.argv[2:])
    chosen = options()
    secret = pathlib.Path(chosen.secret_file).read_bytes().removesuffix(b"\n")
    with Kula(chosen.url, secret, ca_file=chosen.ca_file, pace=chosen.pace, rate=chosen.rate,
              timeout_s=chosen.timeout, connections=chosen.connections, renew_t=not chosen.keep_t,
              on_attempt=lambda delivery: show(delivery, chosen.json)) as kula:
        for body in bodies(chosen):
            kula.emit(body)
        done = kula.wait(deadline_s=None)
    failed = sum(one.status != "delivered" for one in done)
    if not kula.enabled:
        print("the endpoint is disabled", file=sys.stderr)
    print(f"{len(done) - failed} delivered, {failed} not", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
