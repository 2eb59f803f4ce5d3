#!/usr/bin/env python3
"""Reloads while deliveries go on: every second another certificate and another order of
secrets, by SIGHUP, under a steady rate of signed deliveries over TLS.

    python3 tests/bench/reload.py [--seconds N] [--every N] [--rate N] [--connections N]

Some deliveries come over a new connection each, the others over connections that are kept.
Prints how many failed, how long they and the reloads took, and what serve's memory did.
Exits 1 where a delivery was not answered 200 or a reload was not taken.
"""

import argparse
import os
import pathlib
import signal
import statistics
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "system")]

import certificates  # noqa: E402
from house import SECRET, House  # noqa: E402
from sim import events, wire  # noqa: E402
from sim.kula import signed_headers  # noqa: E402

NAMES = ("one", "two")
NEWCOMERS = 50  # a second


def memory_mib(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise ValueError(pid)


class Keeper:
    """Puts another certificate and another list of secrets in place, and says so."""

    def __init__(self, house):
        self.house = house
        self.crt, self.key = (str(house.folder / f"tls.{end}") for end in ("crt", "key"))
        for name in NAMES:
            certificates.make(house.folder, name)
            house.write(f"secret-{name}", f"whsec_bench_{name}_0123456789".encode())
        self.trusted = house.write("trusted", b"".join(
            (house.folder / f"{name}.crt").read_bytes() for name in NAMES))
        self.turn(0)

    def turn(self, number):
        name = NAMES[number % 2]
        for place in (self.crt, self.key):
            data = (self.house.folder / name).with_suffix(place[-4:]).read_bytes()
            os.replace(self.house.write("incoming", data), place)
        more = str(self.house.folder / f"secret-{name}")
        self.house.endpoints[0]["secret_files"] = [more, str(self.house.secret_file)]
        self.house.configure()


class Newcomers(threading.Thread):
    """Each delivery over a new connection, which has to be resumed or shaken hands for in full."""

    def __init__(self, url, trusted, rate, until):
        super().__init__(daemon=True)
        self.url, self.trusted, self.rate, self.until = url, trusted, rate, until
        self.times_ms = []
        self.failures = []
        self.start()

    def run(self):
        due = time.monotonic()
        while due < self.until:
            time.sleep(max(0.0, due - time.monotonic()))
            began = time.monotonic()
            try:
                body = events.encode(events.event("candidate.created"))
                headers = signed_headers(SECRET, body, int(time.time()))
                answer = wire.call(self.url, "POST", headers, body, self.trusted)
                if answer.status != 200:
                    self.failures.append(str(answer))
            except (OSError, ValueError) as failure:
                self.failures.append(repr(failure))
            self.times_ms.append((time.monotonic() - began) * 1000)
            due += 1 / self.rate


class Kept(threading.Thread):
    """`kula-relay send` over connections that are kept, for 40 s at a time: shorter than serve
    lets them idle, because one that is closed while its sender takes it up again would be a
    failure of another story."""

    PIECE_S = 40

    def __init__(self, house, url, trusted, asked):
        super().__init__(daemon=True)
        self.house, self.url, self.trusted, self.asked = house, url, trusted, asked
        self.sent = []
        self.start()

    def run(self):
        rate = self.asked.rate - NEWCOMERS
        left_s = self.asked.seconds
        while left_s > 0:
            seconds = min(left_s, self.PIECE_S)
            left_s -= seconds
            self.sent.append(self.house.relay(
                "send", "--json", "--count", str(rate * seconds), "--rate", str(rate), "--url", self.url,
                "--ca-file", self.trusted, "--secret-file", str(self.house.secret_file), "--concurrency",
                str(self.asked.connections), expect=None, deadline_s=seconds + 60).objects[-1])

    def total(self, name):
        return sum(piece[name] for piece in self.sent)


def measure(house, asked):
    keeper = Keeper(house)
    house.listeners = [{"address": "127.0.0.1:0", "certificate": keeper.crt, "private_key": keeper.key}]
    house.start()
    serve = house.serve
    url, trusted = serve.tls_url + House.PATH, str(keeper.trusted)
    before_mib = memory_mib(serve.pid)
    ends = time.monotonic() + asked.seconds
    kept = Kept(house, url, trusted, asked)
    newcomers = Newcomers(url, trusted, NEWCOMERS, ends)
    turns = 0
    while time.monotonic() < ends - asked.every:
        time.sleep(asked.every)
        turns += 1
        keeper.turn(turns)
        serve.signal(signal.SIGHUP)
        serve.wait("reloads_total", {"outcome": "taken"}, turns)
    newcomers.join()
    kept.join()
    reloads_ms = [entry["ms"] for entry in serve.logged("reload taken")]
    times_ms = sorted(newcomers.times_ms)
    failed = kept.total("sent") - kept.total("accepted")
    print(f"kept connections: {kept.total('sent')} deliveries, {failed} failed, "
          f"p99 {max(piece['p99_ms'] for piece in kept.sent)} ms")
    print(f"new connections: {len(times_ms)} deliveries, {len(newcomers.failures)} failed, "
          f"p50 {statistics.median(times_ms):.1f} ms, p99 {times_ms[int(len(times_ms) * 0.99)]:.1f} ms")
    print(f"reloads: {len(reloads_ms)} taken, {serve.value('reloads_total', outcome='refused'):.0f} "
          f"refused, median {statistics.median(reloads_ms)} ms, most {max(reloads_ms)} ms")
    print(f"serve's memory: {before_mib:.1f} MiB before, {memory_mib(serve.pid):.1f} MiB after")
    for failure in newcomers.failures[:5]:
        print(f"failed: {failure}")
    return not failed and not newcomers.failures and len(reloads_ms) >= turns


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=120)
    parser.add_argument("--rate", type=int, default=500, help=f"deliveries a second, {NEWCOMERS} of them newcomers")
    parser.add_argument("--connections", type=int, default=50, help="that are kept")
    parser.add_argument("--every", type=float, default=1, help="seconds from one reload to the next")
    asked = parser.parse_args()
    house = House()
    try:
        whole = measure(house, asked)
        house.stop_programs()
    finally:
        house.close()
    print("nothing failed" if whole else "SOMETHING FAILED")
    return 0 if whole else 1


if __name__ == "__main__":
    sys.exit(main())
