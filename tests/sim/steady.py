#!/usr/bin/env python3
"""A steady load of signed deliveries: every other one on a connection of its own, the rest on kept
ones. Each is sent once, and whatever is not a 200 within ten seconds is a failure.

    steady.py --url http://127.0.0.1:8080/webhooks/kula --secret-file secret [--rate 500]

sends until SIGTERM or SIGINT, then prints one line of JSON: sent, accepted, failures, slowest_ms.
Exit 1 where one failed.
"""

import argparse
import asyncio
import json
import pathlib
import select
import signal
import ssl
import sys
import threading
import time
from urllib.parse import urlsplit

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from sim import events  # noqa: E402
from sim.kula import signed_headers  # noqa: E402
from sim.wire import request  # noqa: E402

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
            if sock and fresh_enough and not select.select([sock], [], [], 0)[0]:
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


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", required=True)
    parser.add_argument("--secret-file", required=True, help="one trailing newline is dropped")
    parser.add_argument("--ca-file", help="trust this certificate besides none other")
    parser.add_argument("--rate", type=float, default=500, help="deliveries a second (500)")
    chosen = parser.parse_args()
    secret = pathlib.Path(chosen.secret_file).read_bytes().removesuffix(b"\n")
    told = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: told.set())
    load = Steady(chosen.url, secret, chosen.rate, chosen.ca_file)
    load.start()
    while not told.wait(1):
        pass
    print(json.dumps(load.stop().figures()), flush=True)
    return 1 if load.failures else 0


if __name__ == "__main__":
    sys.exit(main())
