#!/usr/bin/env python3
"""Nothing accepted is ever lost: signed load, while everything is killed again and again.

    ./run chaos [SECONDS] [--seed N] [--rate N] [--kill-every S] [--forget] [--failover]

A simulated Kula sends signed events over TLS. Meanwhile, at random but seeded times, serve,
forward and redis-server are killed and stopped, connections to serve and to the services are
cut, and the spool's disk is full, slow or broken. Then all is let run out, and

 - every event that was answered 2xx must have reached every service that wants it, unaltered;
 - it must stand in the stream just once, and the counts must balance (`kula-relay audit`);
 - whatever a service saw twice must be explained by what we did.

With --forget, Redis comes back from some kills with nothing, or with what an old copy had;
with --failover, each kill of Redis is a failover to a replica that lags; the disk is then never
more than slow, since nothing is promised where both fail. With `--durability ledger` these two
show what Redis alone loses. A seed gives the same troubles at the same
times again; what is under way at those moments is the machine's choice.

Exit 0 where all of it holds, 1 where not: then the folder is kept, and the way of what is
missing is shown.
"""

import argparse
import collections
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parent / "system")]

from books import Books  # noqa: E402
from chaos_house import ChaosHouse  # noqa: E402
from house import SECRET, certificate  # noqa: E402
from load import Load  # noqa: E402
from processes import run as run_command, until  # noqa: E402
from troubles import Troubles  # noqa: E402
from wires import Loop, feel_pulse  # noqa: E402

# Two services that want different things; nobody wants offers.
SERVICES = {"crm": ["application.*", "candidate.*", "!application.updated"],
            "search": ["*", "!offer.*", "!candidate.updated"]}
WANTS = {
    "crm": lambda kind: (kind.split(".")[0] in ("application", "candidate")
                         and kind != "application.updated"),
    "search": lambda kind: kind.split(".")[0] != "offer" and kind != "candidate.updated",
}
WINDOW = 16
RUN_OUT_S = 180.0
SHOWN = 10


def options():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("seconds", nargs="?", type=float, default=60)
    parser.add_argument("--seed", type=int, help="that of a run that is to be repeated")
    parser.add_argument("--rate", type=float, default=200, help="events a second (200)")
    parser.add_argument("--kill-every", type=float, default=2, metavar="S", help="on average (2)")
    parser.add_argument("--durability", choices=("spool", "ledger"), default="spool")
    parser.add_argument("--forget", action="store_true",
                        help="Redis loses its data at half of its kills")
    parser.add_argument("--failover", action="store_true",
                        help="Redis fails over to a lagging replica instead")
    parser.add_argument("--keep", action="store_true", help="keep the folder in any case")
    asked = parser.parse_args()
    if asked.forget and asked.failover:
        parser.error("either --forget or --failover")
    asked.seed = random.SystemRandom().randrange(1 << 31) if asked.seed is None else asked.seed
    return asked


def own_namespace():
    """As root in a mount namespace of our own, so that a disk of our own ends with us."""
    if os.environ.get("CHAOS_NAMESPACE"):
        return os.environ["CHAOS_NAMESPACE"] == "1"
    able = os.geteuid() == 0 and shutil.which("unshare") and subprocess.run(
        ["unshare", "--mount", "true"], capture_output=True, check=False).returncode == 0
    os.environ["CHAOS_NAMESPACE"] = "1" if able else "0"
    if able:
        os.execvp("unshare", ["unshare", "--mount", "--propagation", "private", sys.executable, *sys.argv])
    return False


class Progress:
    """A line every ten seconds."""

    def __init__(self, books, load, sending):
        self.books, self.load, self.sending = books, load, sending
        self.began = self.next = time.monotonic()

    def __call__(self):
        if self.sending.done():
            self.sending.result()  # it only ends where it is broken
        if time.monotonic() < self.next:
            return
        self.next += 10
        print(f"{time.monotonic() - self.began:6.0f} s  {len(self.books.events)} events, "
              f"{self.books.accepted_count} accepted, {self.load.pending} pending, "
              f"{len(self.books.troubles)} troubles", flush=True)


def run_out(house, books, load):
    """Waits until nothing is pending, undrained or owed. Rows of how long each took."""
    began = time.monotonic()
    load.emitting = False
    until(lambda: load.pending == 0, lambda: f"Kula is done: {load.pending} pending", RUN_OUT_S)
    yield "at the end: Kula is done after s", time.monotonic() - began
    if house.asked.durability == "spool":
        try:
            until(lambda: house.redis("XLEN", house.ledger.key("events")) >= len(books.accepted_events()),
                  "the ledger has what was accepted", 60)
        except TimeoutError:
            pass  # the judge will say what is missing
        until(lambda: house.serve.value("spool_undrained_records") == 0,
              lambda: f"the spool is drained: {house.serve.value('spool_undrained_records'):g} left", RUN_OUT_S)
        yield "  nothing undrained after s", time.monotonic() - began
    house.settle(deadline_s=RUN_OUT_S)
    yield "  nothing owed after s", time.monotonic() - began


def stored(house):
    """Event id -> how often it stands in the stream."""
    counts, after = collections.Counter(), "-"
    while True:
        entries = house.redis("XRANGE", house.ledger.key("events"), after, "+", "COUNT", "1000")
        counts.update(fields[fields.index(b"id") + 1].decode() for _, fields in entries)
        if len(entries) < 1000:
            return counts
        after = "(" + entries[-1][0].decode()


def judge(house, books):
    """Sentences of what is wrong, ids whose way is of interest, and rows of figures."""
    wrong, ids = list(books.wrong), []
    missing = books.missing()
    if missing:
        wrong.append(f"{len(missing)} accepted events never reached a service that wants them: "
                     + ", ".join(f"{event.id} {service}" for event, service in missing[:SHOWN]))
        ids += [event.id for event, _ in missing]
    in_stream = stored(house)
    absent = [event.id for event in books.accepted_events() if event.id not in in_stream]
    twice = [event_id for event_id, count in in_stream.items() if count > 1]
    if absent:
        wrong.append(f"{len(absent)} accepted events do not stand in the stream: {', '.join(absent[:SHOWN])}")
        ids += absent
    if twice:
        wrong.append(f"{len(twice)} events stand in the stream more than once: {', '.join(twice[:SHOWN])}")
        ids += twice
    causes, unexplained = books.explain()
    if unexplained:
        told = [f"{event.id} at {service}, {second.at - first.at:.2f} s apart"
                for event, service, first, second in unexplained[:SHOWN]]
        wrong.append(f"{len(unexplained)} repetitions at a service that nothing explains: {'; '.join(told)}")
        ids += [event.id for event, *_ in unexplained]
    services, verdict = house.audit(expect=None)
    wrong += [f"audit: {finding}" for finding in verdict["findings"]]
    wrong += [f"audit: {name} has {line['dead']} dead, {line['dropped']} dropped"
              for name, line in services.items() if line["dead"] or line["dropped"]]
    rows = [(f"seen again: {cause}", count) for cause, count in sorted(causes.items())]
    rows += [("ACCEPTED AND NOT DELIVERED", len({event.id for event, _ in missing})),
             ("accepted and not in the stream", len(absent)), ("twice in the stream", len(twice))]
    return wrong, list(dict.fromkeys(ids)), rows


def show_ways(house, books, ids):
    for event_id in ids[:SHOWN]:
        event = books.events[event_id]
        print(f"--- {event_id}: {event.attempts} attempts, {'accepted' if event.accepted_at else 'not accepted'}, "
              f"seen {({name: len(sights) for name, sights in event.seen.items()})}, near {books.near(event)}")
        told = house.relay("show", event_id, expect=None)
        print(f"--- kula-relay show {event_id}\n{told.out}{told.err}", end="")


def print_table(rows):
    for name, value in rows:
        print(f"  {name:44} {value:12.3f}" if isinstance(value, float) else f"  {name:44} {value:12}")


def chaos(asked, house, books, net):
    house.start()
    load = Load(books, f"https://localhost:{house.door.port}", house.PATH, SECRET, rate=asked.rate,
                rng=random.Random(f"{asked.seed} load"), ca_file=certificate()[0])
    sending, pulse = net.begin(load.run()), net.begin(feel_pulse(books))
    try:
        Troubles(house, books, net, asked).run(
            asked.seconds, Progress(books, load, sending))
        ends = list(run_out(house, books, load))
    finally:
        sending.cancel()
        pulse.cancel()
    wrong, ids, found = judge(house, books)
    for process in house.processes:
        process.stop()
    print_table([*books.figures(), *found, *ends, ("Kula would have disabled the endpoint", load.disabled)])
    if wrong:
        show_ways(house, books, ids)
    return wrong


def main():
    asked = options()
    asked.own_disk = asked.durability == "spool" and own_namespace()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    command = f"--seed {asked.seed} --rate {asked.rate:g} --kill-every {asked.kill_every:g} " \
              f"--durability {asked.durability}{' --forget' * asked.forget}{' --failover' * asked.failover}"
    print(f"chaos: ./run chaos {asked.seconds:g} {command}", flush=True)
    if asked.durability == "spool" and not asked.own_disk:
        print("chaos: the disk is never full: that takes root and a mount namespace", flush=True)
    net = Loop()
    books = Books(WANTS, WINDOW)
    house = ChaosHouse(asked, books, net, random.Random(f"{asked.seed} services"), SERVICES, WINDOW)
    wrong = ["it did not come to its end"]
    try:
        wrong = chaos(asked, house, books, net)
    except (AssertionError, OSError) as failure:  # TimeoutError is an OSError
        print_table(books.figures())
        wrong = [f"{type(failure).__name__}: {failure}", *books.wrong, house.report()]
    finally:
        for sentence in wrong:
            print(f"chaos: {sentence}")
        if wrong or asked.keep:
            print(f"chaos: everything is kept in {house.folder}")
        house.end(keep=bool(wrong) or asked.keep)
    print(f"chaos: {'FAILED' if wrong else 'nothing was lost'}: seed {asked.seed}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
