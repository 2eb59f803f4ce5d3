#!/usr/bin/env python3
"""How fast forward is, and what an event costs it, beside what else one would run: the forwarder
that one would write first with ioredis and undici (peer_undici.js), and a worker of BullMQ
(peer_bullmq.js).

    python3 tests/bench/peers.py [--count N] [--rounds N] [--concurrency N] [--bytes N] [NAME ...]

Each finds COUNT events in a Redis of its own with the same settings, and delivers them to the same
service (tests/sim/sink.c, which costs next to nothing) with the same number of requests in flight; they take
turns. Ours does more for it: leases, retries, dead letters, a log of attempts, counts that balance.
Prints events a second, from the first answer to the last, and CPU seconds for 10,000 events of the
forwarder and of Redis, medians; then ours as a multiple of the others'. The packages come from
npm into a temporary folder, unless NODE_PATH names one that has them. Exits 1 where an event was not
delivered; with --judge also where ours has less than 1.4 times undici's speed, or more than
0.55 of its CPU.
"""

import argparse
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

from end_to_end import cpu_seconds

from house import Forward, House  # end_to_end knows where the tests are
from processes import run, until
from sim.sink import Sink

HERE = pathlib.Path(__file__).parent
PACKAGES = ("ioredis", "undici@7", "bullmq")
FASTER_LEAST, CPU_MOST = 1.4, 0.55


class QuietHouse(House):
    """The others write no log, so ours writes no line for each attempt."""

    def config(self):
        return {**super().config(), "log": {"level": "warning", "format": "json"}}


class Ours:
    """Paused until it is to begin: that holds in Redis."""

    def __init__(self, house, sink, asked, _packages):
        self.house = house
        house.service("sink", url=sink.url, concurrency=asked.concurrency, timeout="15s")
        house.configure()
        forward = Forward(house)
        house.processes.append(forward)
        self.pid = forward.pid
        until(lambda: house.redis("HEXISTS", "kula:places", "sink"), "forward knows the service")
        house.relay("pause", "sink")
        house.ledger.fill(asked.count, b"x" * asked.bytes)

    def begin(self):
        self.house.relay("resume", "sink")

    def is_done(self):
        return self.house.ledger.settled("sink")


class Node:
    def __init__(self, script, house, sink, asked, packages):
        environment = {**os.environ, "NODE_PATH": packages}
        words = ["node", HERE / script, house.redis.path, sink.url, asked.concurrency]
        self.house = house
        self.fill(words, asked, environment)
        self.process = subprocess.Popen([str(word) for word in words], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True, env=environment)
        house.processes.append(self)
        self.pid = self.process.pid
        if self.process.stdout.readline().strip() != "ready":
            raise AssertionError(f"{script} did not start")

    def begin(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def stop(self):
        self.process.kill()
        self.process.wait()

    kill, ended_on_purpose = stop, False


class Undici(Node):
    def __init__(self, *given):
        super().__init__("peer_undici.js", *given)

    def fill(self, _words, asked, _environment):
        self.house.ledger.fill(asked.count, b"x" * asked.bytes)

    def is_done(self):
        return self.house.redis("XPENDING", "kula:events", "peer")[0] == 0


class Bullmq(Node):
    def __init__(self, *given):
        super().__init__("peer_bullmq.js", *given)

    def fill(self, words, asked, environment):
        run([*words, "fill", asked.count, asked.bytes], env=environment, deadline_s=600)

    def is_done(self):
        return not self.house.redis("EXISTS", "bull:kula:wait", "bull:kula:active")


CONTENDERS = {"ours": Ours, "undici": Undici, "bullmq": Bullmq}


def one_round(name, asked, packages):
    house, sink = QuietHouse(), Sink()
    try:
        house.redis.start()
        contender = CONTENDERS[name](house, sink, asked, packages)
        before = [cpu_seconds(pid) for pid in (contender.pid, house.redis.process.pid)]
        contender.begin()
        delivered, took_s = sink.wait(asked.count, 600)
        until(contender.is_done, "nothing is owed", 60)
        used = [cpu_seconds(pid) - was for pid, was in zip((contender.pid, house.redis.process.pid), before)]
        house.stop_programs()
        own, redis = (seconds * 10000 / asked.count for seconds in used)
        return {"events/s": asked.count / took_s, "its CPU s/10k": own, "Redis CPU s/10k": redis,
                "twice delivered": delivered - asked.count}
    finally:
        house.close()
        sink.close()


def install(folder):
    """The packages' folder, from npm where nobody has named one."""
    if os.environ.get("NODE_PATH"):
        return os.environ["NODE_PATH"]
    print("installing", *PACKAGES, file=sys.stderr, flush=True)
    run(["npm", "install", "--prefix", folder, "--no-save", "--no-package-lock", "--no-audit", "--no-fund",
         "--ignore-scripts", *PACKAGES], deadline_s=600, env=dict(os.environ))
    return os.path.join(folder, "node_modules")


def options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {' '.join(CONTENDERS)} (all)")
    parser.add_argument("--count", type=int, default=20000, help="events a round (20000)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--concurrency", type=int, default=16, help="requests in flight (16)")
    parser.add_argument("--bytes", type=int, default=1024, help="of a body (1024)")
    parser.add_argument("--judge", action="store_true", help="exit 1 where ours is not fast or not cheap enough")
    asked = parser.parse_args()
    asked.names = asked.names or list(CONTENDERS)
    if not set(asked.names) <= set(CONTENDERS):
        parser.error(f"there are: {' '.join(CONTENDERS)}")
    return asked


def compare(medians):
    """Ours as a multiple of the others'; whether that is good enough against undici."""
    good = True
    for name in medians:
        if "ours" not in medians or name == "ours":
            continue
        speed, own, both = (medians["ours"][what] / medians[name][what]
                            for what in ("events/s", "its CPU s/10k", "CPU s/10k with Redis'"))
        print(f"ours / {name:10} {speed:6.2f} of its events/s, {own:5.2f} of its CPU, {both:5.2f} with Redis'")
        good = good and (name != "undici" or speed >= FASTER_LEAST and own <= CPU_MOST)
    return good


def main():
    asked = options()
    rounds = {name: [] for name in asked.names}
    with tempfile.TemporaryDirectory(prefix="kr-npm-") as folder:
        packages = install(folder) if set(asked.names) - {"ours"} else ""
        for number in range(asked.rounds):
            for name in asked.names:
                rounds[name].append(one_round(name, asked, packages))
                told = ", ".join(f"{value:.2f} {what}" for what, value in rounds[name][-1].items())
                print(f"round {number + 1} {name:8} {told}", file=sys.stderr, flush=True)
    medians = {name: {what: statistics.median(one[what] for one in figures) for what in figures[0]}
               for name, figures in rounds.items()}
    print(f"{f'median of {asked.rounds}':24}" + "".join(f"{name:>10}" for name in medians))
    for figures in medians.values():
        figures["CPU s/10k with Redis'"] = figures["its CPU s/10k"] + figures["Redis CPU s/10k"]
    for what in medians[asked.names[0]]:
        print(f"{what:24}" + "".join(f"{figures[what]:10.2f}" for figures in medians.values()))
    good = compare(medians)
    return 0 if good or not asked.judge else 1


if __name__ == "__main__":
    sys.exit(main())
