#!/usr/bin/env python3
"""The door under attack, with honest deliveries beside it.

    python3 tests/bench/door.py [slow] [forged] [full] [idle] [--seconds N]

slow     slowhttptest's 2,000 slow connections: heads, bodies, reading (Debian's slowhttptest). It
         has a processor of its own where there are two, as who attacks is on another machine
forged   8 clients that send forged bodies of 8 MiB as fast as they can, and the longest turn of
         serve's loop meanwhile
full     1,000 clients that try again and again where all connections are taken
idle     4,000 idle TLS connections, and what one of them costs

Prints for each: honest deliveries and how many of them failed, their p50, p99 and longest time
without and with the attack, serve's CPU and memory. Exits 1 where an honest delivery failed.
"""

import argparse
import asyncio
import multiprocessing
import os
import pathlib
import resource
import shutil
import ssl
import struct
import subprocess
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "system")]

from house import SECRET, House, certificate  # noqa: E402
from sim import events, wire  # noqa: E402
from sim.kula import signed_headers  # noqa: E402

BODY = 8 << 20
EVERY_S = 0.01


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_kib(pid):
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0])


class Honest(threading.Thread):
    """A signed delivery every 10 ms, each eighth on a connection of its own."""

    def __init__(self, house, kept_only=False):
        super().__init__(daemon=True)
        self.url, self.kept_only = house.serve.tls_url, kept_only
        self.took_ms, self.failures, self.going = [], [], True
        self.kept = wire.Wire(self.url, certificate()[0], 10)

    def run(self):
        number = 0
        while self.going:
            number += 1
            self.deliver(number)
            time.sleep(EVERY_S)

    def deliver(self, number):
        body = events.encode(events.event("candidate.created"))
        message = wire.request("POST", House.PATH, signed_headers(SECRET, body, int(time.time())), body)
        started = time.monotonic()
        own = number % 8 == 0 and not self.kept_only
        connection = None
        try:
            connection = wire.Wire(self.url, certificate()[0], 10) if own else self.kept
            connection.rearm()
            connection.send(message)
            answer = connection.answer()
            if answer.status != 200:
                self.failures.append(answer.status)
            if answer.closes and not own:
                self.kept = wire.Wire(self.url, certificate()[0], 10)
        except OSError as error:
            self.failures.append(repr(error))
            self.going = self.going and own  # without its connection it has no more to tell
        finally:
            if own and connection:
                connection.close()
        self.took_ms.append((time.monotonic() - started) * 1000)

    def stop(self):
        self.going = False
        self.join()
        times = sorted(self.took_ms)
        return times[len(times) // 2], times[len(times) * 99 // 100], times[-1]


def watch(house, name, attack, seconds, kept_only=False):
    """Honest deliveries without the attack, then with it; whether none of them failed."""
    def alone():
        time.sleep(min(seconds, 5))

    good = True
    for what, activity in (("alone", alone), (name, attack)):
        honest = Honest(house, kept_only)
        pid = house.serve.pid
        cpu, started, before = cpu_seconds(pid), time.monotonic(), resident_kib(pid)
        honest.start()
        activity()
        elapsed = time.monotonic() - started
        p50, p99, most = honest.stop()
        print(f"{what:8} deliveries {len(honest.took_ms):5} failed {len(honest.failures):3}  p50 {p50:6.1f}"
              f"  p99 {p99:6.1f}  most {most:6.1f} ms  cpu {100 * (cpu_seconds(pid) - cpu) / elapsed:5.1f} %"
              f"  rss {before} -> {resident_kib(pid)} KiB", flush=True)
        if honest.failures:
            print(f"         {honest.failures[:5]}")
        good = good and not honest.failures
    return good


class Turns:
    """The turns of serve's loop, told by a library that stands between it and epoll_wait."""

    def listen_in(self, house):
        self.file = house.folder / "turns"
        library = house.folder / "turns.so"
        subprocess.run(["cc", "-D_GNU_SOURCE", "-O2", "-shared", "-fPIC", "-o", library,
                        pathlib.Path(__file__).with_name("turns.c")], check=True)
        house.serve_wrap = ["env", f"LD_PRELOAD={library}", f"TURNS_FILE={self.file}"]

    def __str__(self):
        count, longest_us = struct.unpack("=QQ", self.file.read_bytes())
        return f"{count} turns of the loop, the longest {longest_us / 1000:.1f} ms"


def start(turns=None, **settings):
    house = House()
    house.serve_settings = settings
    if turns:
        turns.listen_in(house)
    house.listen_tls()
    house.redis.start()
    house.start_serve()
    return house


def slow(seconds):
    if not shutil.which("slowhttptest"):
        sys.exit("slow needs slowhttptest: apt-get install slowhttptest")
    here = sorted(os.sched_getaffinity(0))
    if len(here) > 1:
        os.sched_setaffinity(0, here[:-1])
    good = True
    for way, option in (("heads", "-H"), ("bodies", "-B"), ("reading", "-X")):
        house = start()

        def attack(option=option, house=house):
            subprocess.run(["slowhttptest", option, "-c", "2000", "-r", "400", "-i", "1", "-l", str(seconds),
                            "-p", "3", "-s", "8192", "-t", "POST", "-u", house.serve.url + House.PATH],
                           stdout=subprocess.DEVNULL, check=False,
                           preexec_fn=lambda: os.sched_setaffinity(0, here[-1:]))

        good = watch(house, way, attack, seconds) and good
        house.serve.wait("connections", {}, lambda count: count <= 1, 15)
        faults = {name: house.serve.value("http_faults_total", fault=name)
                  + house.serve.value("deliveries_total", outcome=name)
                  for name in ("too_slow", "displaced", "crowded", "malformed")}
        print(f"         {faults}, at the end {resident_kib(house.serve.pid)} KiB")
        house.stop_programs()
        house.close()
    os.sched_setaffinity(0, here)
    return good


def send_forged(url, until_s):
    body = bytes(BODY)
    headers = [("X-Kula-Signature", f"t={int(time.time())},v1={'0' * 64}")]
    message = wire.request("POST", House.PATH, headers, body)
    with wire.Wire(url, timeout_s=60) as connection:
        while time.monotonic() < until_s:
            connection.send(message)
            if connection.answer().status != 401:
                return


def forged(seconds):
    turns = Turns()
    house = start(turns)

    def attack():
        until_s = time.monotonic() + seconds
        clients = [multiprocessing.Process(target=send_forged, args=(house.serve.url, until_s))
                   for _ in range(8)]
        for client in clients:
            client.start()
        for client in clients:
            client.join()

    good = watch(house, "forged", attack, seconds)
    print(f"         {house.serve.deliveries('signature_unmatched'):g} forged bodies of 8 MiB; {turns}")
    house.stop_programs()
    house.close()
    return good


async def try_again(port, until_s, counts):
    while time.monotonic() < until_s:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03")
            counts["connected"] += 1
            await asyncio.wait_for(reader.read(1), 1)
            writer.close()
        except (OSError, asyncio.TimeoutError):
            counts["refused"] += 1
        await asyncio.sleep(0.05)


def crowd(url, until_s):
    port, counts = int(url.rsplit(":", 1)[1]), {"connected": 0, "refused": 0}

    async def all_of_them():
        await asyncio.gather(*(try_again(port, until_s, counts) for _ in range(1000)))

    asyncio.run(all_of_them())


def full(seconds):
    house = start(connections=50)
    kept = [Honest(house, kept_only=True) for _ in range(48)]
    for one in kept:
        one.deliver(1)

    def attack():
        client = multiprocessing.Process(target=crowd, args=(house.serve.tls_url,
                                                             time.monotonic() + seconds))
        client.start()
        client.join()

    good = watch(house, "full", attack, seconds, kept_only=True)
    print(f"         displaced {house.serve.value('http_faults_total', fault='displaced'):g}, "
          f"crowded {house.serve.value('http_faults_total', fault='crowded'):g}")
    for one in kept:
        one.deliver(1)
    good = good and not any(one.failures for one in kept)
    house.stop_programs()
    house.close()
    return good


def idle(_):
    house = start()
    context = ssl.create_default_context(cafile=certificate()[0])
    port = int(house.serve.tls_url.rsplit(":", 1)[1])
    before = resident_kib(house.serve.pid)

    async def all_of_them():
        opened = []
        for _ in range(80):
            opened += await asyncio.gather(*(asyncio.open_connection(
                "127.0.0.1", port, ssl=context, server_hostname="localhost") for _ in range(50)))
        await asyncio.to_thread(house.serve.wait, "connections", {}, lambda count: count >= 4000)
        print(f"idle     4000 TLS connections: {(resident_kib(house.serve.pid) - before) / 4000:.1f} "
              "KiB each", flush=True)
        for _, writer in opened:
            writer.transport.abort()

    asyncio.run(all_of_them())
    house.stop_programs()
    house.close()
    return True


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("what", nargs="*", help="slow, forged, full, idle (all)")
    parser.add_argument("--seconds", type=int, default=10)
    options = parser.parse_args()
    attacks = {"slow": slow, "forged": forged, "full": full, "idle": idle}
    if unknown := set(options.what) - set(attacks):
        parser.error(f"unknown: {', '.join(unknown)}")
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    good = [attacks[name](options.seconds) for name in options.what or attacks]
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
