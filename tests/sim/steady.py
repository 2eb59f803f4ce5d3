"""A steady load of signed deliveries: every other one on a connection of its own, the rest on kept
ones. Each is sent once, and whatever is not a 200 within ten seconds is a failure.
"""

import asyncio
import ssl
import threading
import time
from urllib.parse import urlsplit

from sim import events
from sim.kula import signed_headers
from sim.wire import has_something, request

TIMEOUT_S = 10
# A kept connection is not used again later than this: whoever sends just when the other side closes hears
# nothing, and serve closes those that idle for a second when it stops.
IDLE_MOST_S = 0.5


class Steady(threading.Thread):
    """Sends from `start` until `stop`. `accepted` are the ids that were answered 200."""

    def __init__(self, url, secret, rate=500, ca_file=None):
        super().__init__(daemon=True)
        self.parts = urlsplit(url)
        self.secret, self.rate = secret, rate
        self.tls = ssl.create_default_context(cafile=ca_file) if self.parts.scheme == "https" else None
        self.sent, self.accepted, self.failures, self.slowest_ms = 0, [], [], 0
        self.under_way = {}  # event id -> since when
        self._kept = []
        self._going = True

    def run(self):
        asyncio.run(self._send_all())

    def stop(self):
        """What is under way is finished first."""
        self._going = False
        self.join()
        return self

    def goes_on(self):
        """A fact to wait for: what had begun is through (who met a serve that stops tries again after a
        second), and half a second's worth was accepted since. Or one failed: then there is no use in it."""
        so_far, began = len(self.accepted), time.monotonic()

        def on():
            since = min([began, *list(self.under_way.values())])
            return since >= began and len(self.accepted) > so_far + self.rate // 2 or self.failures

        return on

    def figures(self):
        return {"sent": self.sent, "accepted": len(self.accepted), "failed": len(self.failures),
                "failures": self.failures[:5], "slowest_ms": self.slowest_ms}

    async def _send_all(self):
        tasks, started = set(), time.monotonic()
        while self._going:
            await asyncio.sleep(max(0, started + self.sent / self.rate - time.monotonic()))
            self.sent += 1
            task = asyncio.create_task(self._deliver(fresh=self.sent % 2 == 0))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        if tasks:
            await asyncio.wait(tasks)
        for _, writer, _ in self._kept:
            writer.close()

    async def _deliver(self, fresh):
        event = events.event("candidate.created")
        started = self.under_way[event["event_id"]] = time.monotonic()
        try:
            await asyncio.wait_for(self._post(events.encode(event), fresh), TIMEOUT_S)
            self.accepted.append(event["event_id"])
        except Exception as error:  # whatever it was, Kula would have to send it again
            self.failures.append(f"{'fresh' if fresh else 'kept'}: {error!r}")
        del self.under_way[event["event_id"]]
        self.slowest_ms = max(self.slowest_ms, int((time.monotonic() - started) * 1000))

    async def _post(self, body, fresh):
        headers = signed_headers(self.secret, body, int(time.time()))
        if fresh:
            headers.append(("Connection", "close"))
        reader, writer = await self._connection(fresh)
        try:
            writer.write(request("POST", self.parts.path, headers, body))
            closes = await self._answer(reader)
        except BaseException:
            writer.close()
            raise
        if closes:
            writer.close()
        else:
            self._kept.append((reader, writer, time.monotonic()))

    async def _connection(self, fresh):
        """A kept one that the other side has not closed meanwhile, or a new one."""
        while self._kept and not fresh:
            reader, writer, since = self._kept.pop()
            # An end that has arrived is seen, however far behind the loop may be.
            sock = writer.get_extra_info("socket")  # None: asyncio has noticed
            fresh_enough = time.monotonic() - since < IDLE_MOST_S
            if sock and fresh_enough and not has_something(sock):
                return reader, writer
            writer.close()
        return await asyncio.open_connection(
            self.parts.hostname, self.parts.port, ssl=self.tls, limit=1 << 16)

    async def _answer(self, reader):
        """Whether the connection is closed after it. Anything but a 200 is an error."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        lines = head.split("\r\n")
        length = next(int(line.split(":")[1]) for line in lines if line.startswith("content-length:"))
        body = await reader.readexactly(length)
        if lines[0].split()[1] != "200":
            raise ValueError(f"{lines[0]} {body!r}")
        return "connection: close" in lines
