#!/usr/bin/env python3
"""What goes through, end to end, and what it costs: signed deliveries over TLS from
`kula-relay send`, through serve, its spool, Redis and forward, to a service.

    python3 tests/bench/end_to_end.py [--durability spool|ledger] [--count N] [--rate N] [--connections N] [--rounds N]

Prints, for each round, the rate reached, how long after the last answer nothing was owed,
CPU seconds per 10,000 events and the most memory of each process; then the medians. Figures
of one run compare with each other; those of two machines do not. Exits 1 where an event was
refused or is still owed.
"""

import argparse
import asyncio
import pathlib
import statistics
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "system")]

from house import House, certificate  # noqa: E402
from processes import most_memory_mib  # noqa: E402


class Sink(threading.Thread):
    """A service that answers 200 as cheaply as Python can, so that it is not what is measured."""

    def __init__(self):
        super().__init__(daemon=True)
        self.loop = asyncio.new_event_loop()
        self.requests = 0
        self.ready = threading.Event()
        self.start()
        self.ready.wait()

    def run(self):
        self.loop.run_until_complete(self._serve())

    async def _serve(self):
        server = await asyncio.start_server(self._connection, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        self.ready.set()
        await server.serve_forever()

    async def _connection(self, reader, writer):
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = next(int(line[15:]) for line in head.split(b"\r\n")
                              if line[:15].lower() == b"content-length:")
                await reader.readexactly(length)
                self.requests += 1
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / 100


def one_round(asked):
    house = House(asked.durability)
    sink = Sink()
    try:
        crt, key = certificate()
        house.listeners = [{"address": "127.0.0.1:0", "certificate": crt, "private_key": key}]
        house.service("sink", url=sink.url, concurrency=16)
        house.start()
        processes = {"serve": house.serve.pid, "forward": house.forward.pid, "redis": house.redis.process.pid}
        before = {name: cpu_seconds(pid) for name, pid in processes.items()}
        url = house.serve.tls_url.replace("127.0.0.1", "localhost") + House.PATH
        began = time.monotonic()
        sent = house.relay("send", "--json", "--count", str(asked.count), *(["--rate", str(asked.rate)] if asked.rate else []),
                           "--concurrency", str(asked.connections), "--url", url, "--ca-file", crt,
                           "--secret-file", str(house.secret_file), expect=None, deadline_s=600).objects[-1]
        answered = time.monotonic()
        house.settle("sink", deadline_s=300)
        settled = time.monotonic()
        cost = {name: (cpu_seconds(pid) - before[name]) * 10000 / asked.count for name, pid in processes.items()}
        memory = {name: most_memory_mib(pid) for name, pid in processes.items()}
        _, verdict = house.audit()
        whole = sent["accepted"] == asked.count and sink.requests >= asked.count and verdict["balances"]
        return {
            "events/s accepted": asked.count / (answered - began), "answer p50 ms": sent["p50_ms"],
            "answer p99 ms": sent["p99_ms"], "nothing owed after ms": (settled - answered) * 1000,
            **{f"{name} CPU s/10k": value for name, value in cost.items()},
            **{f"{name} MiB at most": value for name, value in memory.items()},
        }, whole
    finally:
        house.stop_programs()
        house.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--durability", choices=("spool", "ledger"), default="spool",
                        help="what a 2xx waits for: with spool Redis runs at appendfsync everysec, with ledger at always")
    parser.add_argument("--count", type=int, default=20000)
    parser.add_argument("--rate", type=int, default=1000, help="events a second; 0 is as fast as it goes")
    parser.add_argument("--connections", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    rounds, all_whole = [], True
    for number in range(asked.rounds):
        figures, whole = one_round(asked)
        rounds.append(figures)
        all_whole = all_whole and whole
        print(f"round {number + 1}:{'' if whole else ' EVENTS WERE REFUSED OR ARE MISSING'}")
        for name, value in figures.items():
            print(f"  {name:24} {value:10.2f}")
    print("median:")
    for name in rounds[0]:
        print(f"  {name:24} {statistics.median(r[name] for r in rounds):10.2f}")
    return 0 if all_whole else 1


if __name__ == "__main__":
    sys.exit(main())
