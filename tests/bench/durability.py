#!/usr/bin/env python3
"""What a 2xx costs when it waits for the spool, and when it waits for Redis: signed deliveries
over TLS, as fast as they are answered, to serve alone.

    python3 tests/bench/durability.py [--count N] [--connections N] [--rounds N] [--sync-ms N] [--apart]

The two take turns on the same disk: the spool with Redis at `appendfsync everysec`, the ledger
with `appendfsync always`. With --sync-ms each sync of both takes so much longer than this disk
needs, as it does on a network volume (about 1) or a disk that turns (about 8). With --apart serve
has one processor, and Redis and the sender have another: where there are only two, the kernel may
leave one idle while the loop, its writer and the sender wait for each other on the other one. Prints
the medians, and the spool's as a multiple of the ledger's. Who sends (pour.c) costs next to nothing, and serve
writes no line for each delivery, which the test would have to read: all of that shares the
processors with what is measured. Figures of one run compare with each other; those of two machines
do not. Exits 1 where an event was refused, or is not in the stream in the end.
"""

import argparse
import contextlib
import os
import signal
import statistics
import sys

from end_to_end import ROOT, cpu_seconds

sys.path.insert(0, str(ROOT / "tests" / "chaos"))

from disk_between import DiskBetween  # noqa: E402
from house import House, certificate  # noqa: E402  (end_to_end knows where the tests are)
from processes import BUILD, run  # noqa: E402


def hush(house):
    house.log_level = "warning"
    house.configure()
    house.serve.signal(signal.SIGHUP)
    house.serve.wait("reloads_total", {"outcome": "taken"}, 1)


@contextlib.contextmanager
def apart(serve, redis):
    """One processor is serve's, and another Redis' and that of what is started meanwhile."""
    here = os.sched_getaffinity(0)
    first, second = sorted(here)[:2]
    for pid, processor in (serve, first), (redis, second):
        for thread in os.listdir(f"/proc/{pid}/task"):
            os.sched_setaffinity(int(thread), {processor})
    os.sched_setaffinity(0, {second})
    try:
        yield
    finally:
        os.sched_setaffinity(0, here)


def one_round(durability, asked):
    house = House(durability)
    try:
        crt, key = certificate()
        house.listeners = [{"address": "127.0.0.1:0", "certificate": crt, "private_key": key}]
        disk = DiskBetween(house.folder)
        disk.order(f"sleep {asked.sync_ms}" if asked.sync_ms else "")
        with disk.in_between():
            house.start()
        hush(house)
        processes = {"serve": house.serve.pid, "redis": house.redis.process.pid}
        before = {name: cpu_seconds(pid) for name, pid in processes.items()}
        port = house.serve.tls_url.rsplit(":", 1)[1]
        with apart(*processes.values()) if asked.apart else contextlib.nullcontext():
            sent = run([BUILD / "tests" / "bench" / "pour", port, House.PATH, crt, house.secret_file,
                        asked.count, asked.connections], deadline_s=600).objects[-1]
        house.drain(120)
        cost = {name: (cpu_seconds(pid) - before[name]) * 10000 / asked.count for name, pid in processes.items()}
        whole = sent["accepted"] == asked.count and house.redis.client("XLEN", "kula:events") == asked.count
        return {"events/s accepted": asked.count / sent["seconds"], "answer p50 ms": sent["p50_ms"],
                "answer p99 ms": sent["p99_ms"],
                **{f"{name} CPU s/10k": value for name, value in cost.items()}}, whole
    finally:
        house.stop_programs()
        house.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=30000)
    parser.add_argument("--connections", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--sync-ms", type=int, default=0, help="so much longer takes each sync (0)")
    parser.add_argument("--apart", action="store_true", help="serve has a processor of its own")
    asked = parser.parse_args()
    if asked.apart and len(os.sched_getaffinity(0)) < 2:
        parser.error("--apart wants two processors")
    rounds, all_whole = {"spool": [], "ledger": []}, True
    for _ in range(asked.rounds):
        for durability, figures in rounds.items():
            round_figures, whole = one_round(durability, asked)
            figures.append(round_figures)
            all_whole = all_whole and whole
            if not whole:
                print(f"{durability}: EVENTS WERE REFUSED OR ARE MISSING")
    print(f"{f'median of {asked.rounds}':24} {'spool':>10} {'ledger':>10}   spool/ledger")
    for name in rounds["spool"][0]:
        spool, ledger = (statistics.median(figures[name] for figures in rounds[one]) for one in ("spool", "ledger"))
        print(f"{name:24} {spool:10.2f} {ledger:10.2f} {spool / ledger:14.2f}")
    return 0 if all_whole else 1


if __name__ == "__main__":
    sys.exit(main())
