#!/usr/bin/env python3
"""One event that its service cannot stand, among many good ones, at slow traffic.

    python3 tests/bench/poison.py [--count N] [--every-ms N] [--judge]

Slow traffic is where a breaker that only counted failures would open for one bad event: between two good
ones it fails again and again. There is no fast clock in here, so everything is shortened in
proportion: an event a minute, and retries from 1 s to 15 minutes, become one each EVERY-MS and as
much less. The poison is answered 500 for ever. The same is done without it. Prints the good ones'
time from acceptance to delivery. Exits 1 where a good one was not delivered by its first attempt,
or the breaker opened; with --judge also where the p99 with the poison is more than 1.5 times and more than
10 ms above, the p99 without.
"""

import argparse
import pathlib
import statistics
import sys
import threading
import time

TESTS = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TESTS), str(TESTS / "system")]

from house import House  # noqa: E402
from sim import events  # noqa: E402

REAL_EVERY_MS, REAL_FIRST_MS, REAL_MOST_MS = 60000, 1000, 900000
TIMES_MOST, MORE_MS_MOST = 1.5, 10.0


def options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1000, help="good events (1000)")
    parser.add_argument("--every-ms", type=int, default=120, help="so long from one to the next (120)")
    parser.add_argument("--judge", action="store_true", help="exit 1 where the good ones are too slow")
    return parser.parse_args()


def deliver(house, body, accepted):
    event_id = body[0]
    if house.post(body[1]).status != 200:
        raise AssertionError(f"{event_id} was not accepted")
    accepted[event_id] = time.time()


def emit(house, asked, poisoned):
    """{event id: when it was accepted} of the good ones."""
    accepted, tick = {}, threading.Event()
    began = time.monotonic()
    for number in range(asked.count):
        # Time is what is measured here.
        tick.wait(max(0.0, began + number * asked.every_ms / 1000 - time.monotonic()))
        event = events.event("candidate.updated")
        deliver(house, (event["event_id"], events.encode(event)), accepted)
        if poisoned and number == asked.count // 100:
            deliver(house, ("evt_poison", events.encode(events.event("job.updated", "evt_poison"))), {})
    return accepted


def one_round(asked, poisoned):
    house = House()
    shorter = asked.every_ms / REAL_EVERY_MS
    crm = house.service("crm", timeout="5s", retry={"first": f"{max(1, round(REAL_FIRST_MS * shorter))}ms",
                                                    "most": f"{round(REAL_MOST_MS * shorter)}ms"})
    crm.fail(status=500, only="evt_poison")
    try:
        house.start()
        accepted = emit(house, asked, poisoned)
        crm.wait_delivered(list(accepted), 60)
        requests = list(crm.requests)
        first = {}
        for request in requests:
            first.setdefault(request.event_id, request)
        lags = sorted(max(0.0, first[one].at - at) * 1000 for one, at in accepted.items())
        again = len([one for one in requests if one.event_id in accepted]) - len(accepted)
        tries = len([one for one in requests if one.event_id == "evt_poison"])
        opened = len(house.forward.logged("breaker opened, the service is only probed"))
        house.stop_programs()
        return lags, again, tries, opened
    finally:
        house.close()


def main():
    asked = options()
    figures, good = {}, True
    for poisoned in (False, True):
        lags, again, tries, opened = one_round(asked, poisoned)
        figures[poisoned] = statistics.median(lags), lags[int(len(lags) * 0.99)], lags[-1]
        print(f"{'with' if poisoned else 'without'} the poison: {len(lags)} good ones delivered, {again} attempts too many, "
              f"{tries} attempts at the poison, breaker opened {opened} times; "
              "median {:.2f} ms, p99 {:.2f} ms, longest {:.2f} ms".format(*figures[poisoned]), flush=True)
        good = good and not again and not opened and (tries > 5) == poisoned
    times, more_ms = figures[True][1] / figures[False][1], figures[True][1] - figures[False][1]
    print(f"p99 with the poison is {times:.2f} times that without, {more_ms:+.2f} ms")
    fast = times <= TIMES_MOST or more_ms <= MORE_MS_MOST
    return 0 if good and (fast or not asked.judge) else 1


if __name__ == "__main__":
    sys.exit(main())
