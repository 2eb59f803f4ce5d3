#!/usr/bin/env python3
"""A large backlog for one service: what forward holds of it, and how fast it goes.

    python3 tests/bench/backlog.py [--count N] [--bytes N] [--concurrency N] [--answer-ms N]

COUNT events stand in the stream (so does as much of Redis' memory) when forward starts; the service
(tests/sim/sink.c) takes ANSWER-MS for each. Prints the rate beside the one at which the service
could take them, and the most that forward has had in memory and in the group's pending list. Exits 1
where an event was not delivered, more was pending than CONCURRENCY, the counts do not balance, or forward's
memory grew beyond 32 MiB and 16 bodies' worth for each request in flight.
"""

import argparse
import pathlib
import sys
import threading
import time

TESTS = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TESTS), str(TESTS / "system"), str(TESTS / "bench")]

from end_to_end import cpu_seconds  # noqa: E402
from house import House  # noqa: E402
from processes import most_memory_mib  # noqa: E402
from sim.sink import Sink  # noqa: E402

MIB = 1 << 20


def options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1000000)
    parser.add_argument("--bytes", type=int, default=256, help="of a body (256)")
    parser.add_argument("--concurrency", type=int, default=32)
    parser.add_argument("--answer-ms", type=int, default=10)
    return parser.parse_args()


def watch(house, sink, count):
    """Until all is settled: the most that was pending at once."""
    most, pause, told = 0, threading.Event(), time.monotonic()
    while not house.ledger.settled("sink"):
        most = max(most, house.redis("XPENDING", "kula:events", "sink")[0], house.ledger.owed("sink"))
        if time.monotonic() - told > 10:
            told = time.monotonic()
            print(f"  {sink.look()[0]} of {count}", file=sys.stderr, flush=True)
        pause.wait(0.02)
    return most


def main():
    asked = options()
    house, sink = House(), Sink(asked.answer_ms)
    house.service("sink", url=sink.url, concurrency=asked.concurrency)
    house.forward_settings["retention"] = {"max_events": max(1000, 2 * asked.count)}
    try:
        house.redis.start()
        house.ledger.fill(asked.count, b"x" * asked.bytes)
        forward = house.start_forward()
        most = watch(house, sink, asked.count)
        delivered, took_s = sink.look()
        own, redis = (cpu_seconds(pid) * 10000 / asked.count for pid in (forward.pid, house.redis.process.pid))
        memory = most_memory_mib(forward.pid)
        house.stop_programs()
        balances = house.relay("audit", "--json", expect=None, deadline_s=600).code == 0
    finally:
        house.close()
        sink.close()
    could = asked.concurrency * 1000 / asked.answer_ms if asked.answer_ms else float("inf")
    for name, value in {"delivered": delivered, "events/s": delivered / took_s, "  the service could": could,
                        "most pending at once": most, "forward MiB at most": memory,
                        "forward CPU s/10k": own, "Redis CPU s/10k": redis}.items():
        print(f"{name:24} {value:12.2f}")
    bound = 32 + 16 * asked.concurrency * asked.bytes / MIB
    good = delivered == asked.count and most <= asked.concurrency and balances and memory <= bound
    print("good" if good else f"NOT GOOD: the audit {'balances' if balances else 'does not balance'}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
