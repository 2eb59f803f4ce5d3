"""Kula on one event loop: signed events at a steady rate, each repeated by Kula's rules.

It signs with the simulated Kula's own HMAC and repeats by its schedule, on a clock that runs
fast; one event loop instead of threads, because here two cores carry everything. Two of
Kula's rules are bent: an endpoint that Kula would disable after 25 failures is enabled again
at once (counted), and one event in a hundred is forged, which Kula would not do.
"""

import asyncio
import collections
import json
import ssl
import time
from urllib.parse import urlsplit

from sim import events
from sim.kula import FAILURES_MOST, FAILURES_WINDOW_S, SCHEDULE_S, signed_headers
from sim.wire import request

TIMEOUT_S = 10.0
FORGED_ONE_IN = 100
BIG_ONE_IN = 200
BIG_BYTES = (20_000, 70_000, 300_000)
STYLES = ("rails", "compact", "ascii", "pretty")


class Load:
    """Emits until told to stop; `pending` is what Kula still has to try again."""

    def __init__(self, books, url, path, secret, *, rate, rng, ca_file=None, connections=64,
                 pace=3600.0, forged_one_in=FORGED_ONE_IN):
        self.books = books
        self.address = urlsplit(url)
        self.path = path
        self.secret = secret
        self.rate = rate
        self.rng = rng
        self.pace = pace
        self.forged_one_in = forged_one_in  # 0: none
        self.emitting = True
        self.pending = 0
        self.disabled = 0  # how often Kula would have disabled the endpoint
        self._context = ssl.create_default_context(cafile=ca_file) if ca_file else None
        self._connections = connections
        self._queue = asyncio.Queue()
        self._failures = collections.deque()

    async def run(self):
        """Until cancelled."""
        workers = [self._work() for _ in range(self._connections)]
        await asyncio.gather(self._emit(), *workers)

    async def _emit(self):
        began, count = time.monotonic(), 0
        while self.emitting:
            while count < (time.monotonic() - began) * self.rate and self.emitting:
                count += 1
                self._happens(count)
            await asyncio.sleep(0.004)

    def _happens(self, number):
        event_type = self.rng.choice(events.TYPES)
        event_id = f"evt_{number:07d}_{self.rng.getrandbits(48):012x}"
        if number % BIG_ONE_IN == 0:
            body = events.of_size(self.rng.choice(BIG_BYTES), event_id, event_type)
        else:
            body = events.encode(events.event(event_type, event_id), STYLES[number % len(STYLES)])
        forged = self.forged_one_in > 0 and number % self.forged_one_in == 0
        self.pending += 1
        self._queue.put_nowait((self.books.emitted(event_id, event_type, body, forged), body))

    async def _work(self):
        wire = None
        while True:
            event, body = await self._queue.get()
            wire = await self._attempt(wire, event, body)

    async def _attempt(self, wire, event, body):
        """Sends it once and judges; returns the connection where it can be used again."""
        secret = b"whsec_somebody_else" if event.forged else self.secret
        message = request("POST", self.path,
                          signed_headers(secret, body, int(time.time()), event.type, event.id), body)
        event.attempts += 1
        event.sent_at = time.monotonic()
        status, why, closes = 0, "", False
        try:
            async with asyncio.timeout(TIMEOUT_S):
                if wire and wire[0].at_eof():
                    wire = self._close(wire)
                wire = wire or await self._connect()
                wire[1].write(message)
                status, why, closes = await answer(wire[0])
        except TimeoutError:
            why, closes = "no answer: time-out", True
        except (OSError, EOFError, ValueError) as failure:
            why, closes = f"no answer: {type(failure).__name__}", True
        self._judge(event, body, status, why)
        return self._close(wire) if closes else wire

    async def _connect(self):
        name = self.address.hostname if self._context else None
        return await asyncio.open_connection(self.address.hostname, self.address.port,
                                             ssl=self._context, server_hostname=name)

    @staticmethod
    def _close(wire):
        if wire:
            wire[1].transport.abort()

    def _judge(self, event, body, status, why):
        if 200 <= status < 300:
            self.books.accepted(event, time.monotonic(), why)
            self.pending -= 1
            return
        again = status == 0 or status == 429 or status >= 500
        self.books.refused(event, f"{status} {why}" if status else why)
        if not event.forged:
            self._count_failure()
        if again and event.attempts <= len(SCHEDULE_S):
            delay_s = SCHEDULE_S[event.attempts - 1] / self.pace
            asyncio.get_running_loop().call_later(delay_s, self._queue.put_nowait, (event, body))
            return
        self.pending -= 1
        self.books.given_up(event, again)

    def _count_failure(self):
        now = time.monotonic() * self.pace
        self._failures.append(now)
        while self._failures[0] < now - FAILURES_WINDOW_S:
            self._failures.popleft()
        if len(self._failures) >= FAILURES_MOST:
            self.disabled += 1
            self._failures.clear()


async def answer(reader):
    """(status, the word in its body, whether the connection ends) of the next answer."""
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = next((int(line[15:]) for line in head.split(b"\r\n") if line.startswith(b"content-length:")), 0)
    body = await reader.readexactly(length)
    try:
        word = json.loads(body)["status"]
    except (ValueError, TypeError, KeyError):
        word = "(no word)"
    return int(head.split(b" ", 2)[1]), word, b"\r\nconnection: close" in head
