#!/usr/bin/env python3
"""What an outage of Redis costs whom: signed deliveries over TLS at a steady rate, while Redis
is up, then stopped, then back.

    python3 tests/bench/outage.py [--seconds N] [--rate N] [--durability spool|ledger]

Prints what Kula was answered, how long the answers took with Redis up and with Redis down in
this very run, how fast what had gathered was in the stream after its return, and whether the
stream has it in the order of acceptance. Exits 1 where a delivery was answered anything but
2xx, an event is missing or out of order, the answers with Redis down took more than three times
as long, or it drained at less than ten times the rate of arrival.
"""

import argparse
import pathlib
import random
import statistics
import sys
import time

TESTS = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TESTS), str(TESTS / "system"), str(TESTS / "chaos")]

from books import Books  # noqa: E402
from house import SECRET, House, certificate  # noqa: E402
from load import Load  # noqa: E402
from processes import until  # noqa: E402
from wires import Loop, Sink  # noqa: E402

WARM_S = 3.0  # connections and caches, before anything is measured
SLOWER_MOST = 3.0
DRAIN_LEAST = 10.0


def options():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=300, help="how long Redis is away (300)")
    parser.add_argument("--before", type=float, default=60, help="how long it is up before that (60)")
    parser.add_argument("--rate", type=float, default=200, help="deliveries a second (200)")
    parser.add_argument("--connections", type=int, default=50)
    parser.add_argument("--durability", choices=("spool", "ledger"), default="spool")
    return parser.parse_args()


def sleep_until(when, books):
    """Time is what is measured here; a line every ten seconds says that it passes."""
    while time.monotonic() < when:
        time.sleep(min(10.0, max(0.0, when - time.monotonic())))
        print(f"  {len(books.events)} sent, {books.accepted_count} accepted", file=sys.stderr, flush=True)


def stream(house):
    return house.redis("XLEN", house.ledger.key("events"))


def drain(house, books):
    """(seconds from Redis' return to the first event, to the last; how many events)."""
    back = time.monotonic()
    had = stream(house)
    until(lambda: stream(house) > had, "the first event is in the stream", 60)
    first = time.monotonic()
    count = until(lambda: (lambda now: now if now >= books.accepted_count else 0)(stream(house)),
                  "all that was accepted is in the stream", 300)
    return first - back, time.monotonic() - back, count - had


def out_of_order(house, books):
    """How many events stand behind one that was only sent when they had been answered already."""
    count, last_sent = 0, 0.0
    for event_id in house.ledger.event_ids():
        event = books.events[event_id]
        count += event.accepted_at is not None and event.accepted_at < last_sent
        last_sent = max(last_sent, event.sent_at)
    return count


def answers(books, begin, end):
    """(median, 99 of 100) of how long answers to what was sent in between took, in ms."""
    took = sorted((event.accepted_at - event.sent_at) * 1000 for event in books.events.values()
                  if event.accepted_at and begin <= event.sent_at < end)
    return (statistics.median(took), took[int(len(took) * 0.99)]) if took else (0.0, 0.0)


def measure(asked, house, books, load, sending):
    began = time.monotonic() + WARM_S
    sleep_until(began + asked.before, books)
    stopped = time.monotonic()
    house.redis.stop()
    sleep_until(stopped + asked.seconds, books)
    returned = time.monotonic()
    house.redis.start()
    first_s, drained_s, drained = drain(house, books)
    sleep_until(time.monotonic() + 5, books)
    load.emitting = False
    until(lambda: load.pending == 0 or sending.done(), "Kula is done", 120)
    house.settle(deadline_s=300)
    up, down = answers(books, began, stopped), answers(books, stopped, returned)
    ids = set(house.ledger.event_ids())
    return {
        "deliveries": len(books.events),
        "answered anything but 2xx": sum(books.refusals.values()),
        "accepted and not in the stream": sum(one.id not in ids for one in books.accepted_events()),
        "accepted and not delivered": len(books.missing()),
        "out of order in the stream": out_of_order(house, books),
        "answers with Redis up: median ms": up[0], "  99 of 100 within ms": up[1],
        "answers with Redis down: median ms": down[0], "  99 of 100 within ms ": down[1],
        "times slower: median": down[0] / up[0], "  99 of 100": down[1] / up[1],
        "first event in the stream after s": first_s,
        "drained after s": drained_s, "  events": drained,
        "  events a second": drained / drained_s, "  times the arrival rate": drained / drained_s / asked.rate,
    }


def good_enough(figures):
    return (not figures["answered anything but 2xx"] and not figures["accepted and not in the stream"]
            and not figures["accepted and not delivered"] and not figures["out of order in the stream"]
            and figures["times slower: median"] <= SLOWER_MOST and figures["  99 of 100"] <= SLOWER_MOST
            and figures["  times the arrival rate"] >= DRAIN_LEAST)


def main():
    asked = options()
    net = Loop()
    books = Books({"sink": lambda event_type: True}, 64)
    sink = net.do(Sink("sink", books, random.Random(1), slow_ms=1, failing=0).open())
    house = House(asked.durability)
    crt, key = certificate()
    house.listeners = [{"address": "127.0.0.1:0", "certificate": crt, "private_key": key}]
    house.service("sink", url=f"http://127.0.0.1:{sink.address[1]}/", concurrency=64)
    try:
        house.start()
        load = Load(books, house.serve.tls_url.replace("127.0.0.1", "localhost"), house.PATH, SECRET,
                    rate=asked.rate, rng=random.Random(1), ca_file=crt, connections=asked.connections,
                    forged_one_in=0)
        sending = net.begin(load.run())
        figures = measure(asked, house, books, load, sending)
        sending.cancel()
        house.stop_programs()
    finally:
        house.close()
    for name, value in figures.items():
        print(f"  {name:40} {value:10.2f}" if isinstance(value, float) else f"  {name:40} {value:10}")
    for why, count in sorted(books.refusals.items()):
        print(f"  {why:40} {count:10}")
    print("good" if good_enough(figures) else "NOT GOOD ENOUGH")
    return 0 if good_enough(figures) else 1


if __name__ == "__main__":
    sys.exit(main())
