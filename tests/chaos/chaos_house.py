"""The house in which the chaos takes place: what test stories use, with proxies in between,
processes that are killed by name, and a disk of its own for the spool."""

import contextlib
import os
import shutil
import subprocess
import time

from books import ANSWER_S
from disk_between import DiskBetween
from house import Forward, House, Serve, certificate
from redis_pair import ChaosRedis
from wires import Proxy, Sink

# One line an event each: they go to the files only.
CHATTER = ('"message":"delivered"', '"message":"delivery stored"')
DISK_BYTES = 2 << 30


class ToFile:
    """A process all of whose lines go to a file of its own; few are kept in memory."""

    logs = None
    count = 0

    def _read(self, pipe, lines):
        ToFile.count += 1
        with open(self.logs / f"{self.name}.{self.pid}.{ToFile.count}.log", "w", encoding="utf-8") as file:
            for line in pipe:
                file.write(line)
                if not any(words in line for words in CHATTER):
                    with self._changed:
                        lines.append(line.rstrip("\n"))
                        del lines[:-2000]
                        self._changed.notify_all()
        pipe.close()
        with self._changed:
            self._changed.notify_all()


class ChaosServe(ToFile, Serve):
    pass


class ChaosForward(ToFile, Forward):
    pass


class ChaosHouse(House):
    def __init__(self, asked, books, net, rng, services, window):
        super().__init__(asked.durability)
        shutil.rmtree(self.redis.folder)
        self.asked = asked
        ToFile.logs = self.folder / "logs"
        ToFile.logs.mkdir()
        self.redis = ChaosRedis(self.folder, self.redis.appendfsync, asked.failover, not asked.forget)
        self.ledger.redis = self.redis.client
        crt, key = certificate()
        self.listeners = [{"address": "127.0.0.1:0", "certificate": crt, "private_key": key}]
        self.own_disk = False     # the spool has a file system of its own, whose size we say
        self.disk = None          # serve's, which can be told to be slow or to fail
        if asked.durability == "spool":
            self._prepare_spool()
        self.door = net.do(Proxy().open())
        self._service_proxies = []
        for name, patterns in services.items():
            self._place_service(name, patterns, books, net, rng, window)

    def _place_service(self, name, patterns, books, net, rng, window):
        sink = net.do(Sink(name, books, rng).open())

        def on_cut(port):
            books.cut(name, port, time.monotonic())

        proxy = net.do(Proxy(sink.address, on_cut).open())
        self._service_proxies.append(proxy)
        self.service(name, url=f"http://127.0.0.1:{proxy.port}/hooks", events=patterns,
                     concurrency=window, timeout=f"{ANSWER_S:g}s", retry={"first": "100ms", "most": "1s"})

    def _prepare_spool(self):
        folder = self.spool_folder
        folder.mkdir(mode=0o700)
        if self.asked.own_disk:
            subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES},mode=700", "spool", folder],
                           check=True)
            self.own_disk = True
        self.disk = DiskBetween(self.folder)
        self.serve_settings = {"spool": {"directory": str(folder), "max_size": "1GiB", "keep": "1h"}}

    def config(self):
        return {**super().config(), "log": {"level": "info", "format": "json"}}

    def proxies(self, name):
        return [self.door] if name == "kula" else self._service_proxies

    # Starting and killing.

    def start_serve(self):
        self.configure()
        with self.disk.in_between() if self.disk else contextlib.nullcontext():
            self.serve = ChaosServe(self)
        self.processes.append(self.serve)
        self.serve.ready(1)
        host, port = self.serve.tls_url.removeprefix("https://").rsplit(":", 1)
        self.door.target = (host, int(port))
        return self.serve

    def start_forward(self, wait_open=True):
        self.configure()
        self.forward = ChaosForward(self)
        self.processes.append(self.forward)
        return self.forward.ready(wait_open)

    def kill(self, name):
        process = getattr(self, name)
        process.kill()
        process.check()
        self.processes.remove(process)

    # The spool's disk.

    def disk_size(self, left):
        """So many bytes are left on it; None: plenty."""
        size = DISK_BYTES
        if left is not None:
            disk = os.statvfs(self.spool_folder)
            size = (disk.f_blocks - disk.f_bfree) * disk.f_frsize + max(left, 1 << 20)
        subprocess.run(["mount", "-o", f"remount,size={size}", self.spool_folder], check=True)

    # The end.

    def end(self, keep):
        for process in self.processes:
            if process.alive():
                process.kill()
        for server in (self.redis.now, self.redis.replica):
            if server and server.process and server.process.alive():
                server.kill()
        if self.own_disk:
            if keep:  # its file system goes with this process
                shutil.copytree(self.spool_folder, self.folder / "spool-kept")
            subprocess.run(["umount", self.spool_folder], check=True)
        if not keep:
            shutil.rmtree(self.folder)
