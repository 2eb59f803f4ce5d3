#!/usr/bin/env python3
"""Order while forwarders are killed: events of many keys, a service that fails at random, and of
two forward processes one is killed every two seconds.

    python3 tests/bench/order.py [--events N] [--keys N] [--failures P] [--kill-every S] [--freeze S]

The events stand in the stream before anybody forwards. The service notes what comes in which
order. Prints inversions (a request for an event after one that stands behind it in its lane), how
many events were never delivered, and how many were delivered again, in all and for each kill. With
--freeze nobody is killed, but stopped for so long and then woken up.
Exits 1 where there is an inversion or a loss, where more was repeated than a window for each kill,
or where the audit does not balance.
"""

import argparse
import pathlib
import random
import signal
import socket
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "system")]

from house import House, end_story  # noqa: E402
from sim.service import Rule, Service  # noqa: E402

WINDOW = 8
BATCH = 500
SETTINGS = {"order_by": "data.candidate_id", "start": "beginning", "timeout": "1s", "concurrency": WINDOW,
            "retry": {"first": "20ms", "most": "200ms"}}


class FailingService(Service):
    """Says 500 at random, and keeps of each request no more than it takes to judge the order."""

    def __init__(self, failures):
        super().__init__(name="crm")
        self.failures = failures
        self.arrived = []  # [event id, status]

    def _choose(self, request):
        return Rule(status=500 if random.random() < self.failures else 200)

    def _record(self, request):
        request.note = [request.event_id, None]
        with self._changed:
            self.arrived.append(request.note)
        return 0

    def _note(self, request, status):
        request.note[1] = status


def command(*words):
    parts = [str(word).encode() for word in words]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%b\r\n" % (len(part), part) for part in parts)


def fill(redis, count, keys):
    """As serve would: event N has the key N % keys, and is the N / keys-th of it."""
    with socket.socket(socket.AF_UNIX) as peer:
        peer.connect(redis.path)
        reader = peer.makefile("rb")
        for start in range(0, count, BATCH):
            numbers = range(start, min(start + BATCH, count))
            lines = [command("XADD", "kula:events", "*", "id", f"{n % keys}_{n // keys}", "type", "candidate.updated",
                             "endpoint", "kula", "account", "1", "created", "", "received", "1", "trace", "", "body",
                             f'{{"event":"candidate.updated","event_id":"{n % keys}_{n // keys}",'
                             f'"data":{{"candidate_id":{n % keys}}}}}') for n in numbers]
            peer.sendall(b"".join(lines))
            for _ in numbers:
                reader.readline()
                reader.readline()
    redis("HINCRBY", "kula:endpoint:kula", "appended", count)


class Killer(threading.Thread):
    def __init__(self, house, chosen):
        super().__init__(daemon=True)
        self.house, self.every_s, self.freeze_s = house, chosen.kill_every, chosen.freeze
        self.forwards = [house.start_forward(), house.start_forward()]
        self.kills = 0
        self.over = threading.Event()

    def run(self):
        while not self.over.wait(self.every_s):
            self.kills += 1
            number = random.randrange(2)
            if self.freeze_s:
                self.freeze(self.forwards[number])
            else:
                self.forwards[number] = self.replace(self.forwards[number])

    def replace(self, forward):
        forward.kill()
        self.house.processes.remove(forward)
        return self.house.start_forward(wait_open=False)

    def freeze(self, forward):
        forward.signal(signal.SIGSTOP)
        self.over.wait(self.freeze_s)
        forward.signal(signal.SIGCONT)

    def stop(self):
        self.over.set()
        self.join()


def wait_settled(house, killer, service, count):
    began = said = time.monotonic()
    while not house.ledger.settled("crm"):
        time.sleep(0.5)
        if time.monotonic() - said > 10:
            said = time.monotonic()
            print(f"{said - began:5.0f} s: {len(service.arrived)} requests, {killer.kills} kills, "
                  f"{house.ledger.counts('crm').get('done', 0)} of {count} done", file=sys.stderr, flush=True)
        if not killer.is_alive():
            raise RuntimeError("the killer has died")
    return time.monotonic() - began


def judge(arrived):
    highest, inversions, delivered, repeated = {}, 0, set(), 0
    for event_id, status in arrived:
        key, number = map(int, event_id.split("_"))
        inversions += number < highest.get(key, 0)
        highest[key] = max(highest.get(key, 0), number)
        repeated += status == 200 and event_id in delivered
        if status == 200:
            delivered.add(event_id)
    return inversions, delivered, repeated


def measure(house, chosen):
    service = FailingService(chosen.failures)
    house.services["crm"] = service
    house.service_settings.append({"name": "crm", "url": f"{service.url}/hooks/kula", **SETTINGS})
    house.redis.start()
    fill(house.redis, chosen.events, chosen.keys)
    killer = Killer(house, chosen)
    killer.start()
    took_s = wait_settled(house, killer, service, chosen.events)
    killer.stop()
    inversions, delivered, repeated = judge(service.arrived)
    lost = chosen.events - len(delivered)
    print(f"{chosen.events} events over {chosen.keys} keys, {chosen.failures:.0%} of the attempts fail, "
          f"one of two forwarders {'frozen' if chosen.freeze else 'killed'} every {chosen.kill_every:g} s")
    print(f"requests     {len(service.arrived)} in {took_s:.0f} s")
    print(f"kills        {killer.kills}")
    print(f"inversions   {inversions}")
    print(f"lost         {lost}")
    print(f"repeated     {repeated}, {repeated / max(killer.kills, 1):.1f} for each kill; a window is {WINDOW}")
    return inversions == 0 and lost == 0 and repeated <= WINDOW * killer.kills


def options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=100000)
    parser.add_argument("--keys", type=int, default=1000)
    parser.add_argument("--failures", type=float, default=0.05, help="how many of the attempts (0.05)")
    parser.add_argument("--kill-every", type=float, default=2, metavar="S", help="2")
    parser.add_argument("--freeze", type=float, default=0, metavar="S", help="stop it so long instead of killing it")
    return parser.parse_args()


def main():
    chosen, house = options(), House("ledger")
    try:
        kept = measure(house, chosen)
        end_story(house)
    finally:
        house.close()
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
