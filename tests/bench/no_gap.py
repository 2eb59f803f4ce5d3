#!/usr/bin/env python3
"""serve is replaced again and again under load: does a delivery fail?

    python3 tests/bench/no_gap.py [beside] [handed_over] [--times 50] [--rate 500] [--tls]

beside       the next one listens beside the last one, which then stops
handed_over  the socket stays open, as with systemd: the last one stops, then the next one starts

Every other delivery has a connection of its own, the rest kept ones. Exits 1 where one failed, or
where something was left in the spool of one that is gone.
"""

import argparse
import json
import pathlib
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "system")]

from house import House, certificate, end_story  # noqa: E402
from test_no_gap import Replacing, give_fixed_places, open_sockets  # noqa: E402

WAYS = ("beside", "handed_over")


def measure(way, options):
    house = House()
    try:
        if way == "beside":
            give_fixed_places(house)
        else:
            open_sockets(house)
        if options.tls:
            house.listeners[0]["certificate"], house.listeners[0]["private_key"] = certificate()
        house.start()
        replacing = Replacing(house, house.serve.tls_url or house.serve.url, options.rate)
        replacing.goes_on()
        started = time.monotonic()
        for _ in range(options.times):
            getattr(replacing, way)()
        took = time.monotonic() - started
        figures = replacing.end()
        figures["in_ledger"] = house.ledger.length()
        print(f"{way:12} replaced {options.times} times in {took:.0f} s: {json.dumps(figures)}", flush=True)
        end_story(house)
        return not figures["failed"] and figures["in_ledger"] == figures["accepted"]
    finally:
        house.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ways", nargs="*", choices=[*WAYS, []], help="both")
    parser.add_argument("--times", type=int, default=50)
    parser.add_argument("--rate", type=float, default=500)
    parser.add_argument("--tls", action="store_true")
    options = parser.parse_args()
    good = [measure(way, options) for way in options.ways or WAYS]
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
