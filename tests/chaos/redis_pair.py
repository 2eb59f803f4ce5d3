"""Redis as the chaos needs it: one that forgets, or two of which the second lags behind.

The relay's URL is a symbolic link to the socket of whoever is Redis now, so that a failover
is one rename.
"""

import os
import pathlib
import shutil
import signal
import socket
import tempfile
import time

from ledger_view import Client
from processes import Process, free_port, until

DATA = "appendonlydir"


class Server:
    """One redis-server with a folder and a unix socket; with a port where it is replicated."""

    def __init__(self, folder, options, port=0):
        self.folder = pathlib.Path(folder)
        self.path = str(self.folder / "sock")
        self.port = port
        self.options = options
        self.client = Client(self.path)
        self.process = None

    def start(self, *more):
        self.process = Process("redis", [
            "redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--unixsocket", self.path,
            "--dir", self.folder, "--appendonly", "yes", "--save", "", "--maxmemory-policy", "noeviction",
            "--repl-diskless-sync-delay", "0", *self.options, *more])
        until(self.client.is_answered, lambda: f"Redis answers\n{self.process.report()}", 60)
        return self

    def follows(self):
        """As a replica: it has all that its master had."""
        return b"master_link_status:up" in self.client("INFO", "replication")

    def kill(self):
        self.client.close()
        self.process.kill()


class ChaosRedis:
    """What the house takes for its Redis."""

    def __init__(self, folder, appendfsync, replicated, rewriting):
        self.folder = pathlib.Path(folder)
        self.path = str(self.folder / "redis.sock")
        self.url = f"unix://{self.path}?db=0"
        # A folder that is copied must not be rewritten meanwhile.
        self.options = ["--appendfsync", appendfsync,
                        "--auto-aof-rewrite-percentage", "100" if rewriting else "0"]
        self.replicated = replicated
        self.client = Client(self.path)
        self.now = self._server()
        self.replica = None
        self.copied_at = None
        self._door = None

    def __call__(self, *words):
        return self.client(*words)

    @property
    def process(self):
        return self.now.process

    def _server(self):
        folder = tempfile.mkdtemp(prefix="redis-", dir=self.folder)
        return Server(folder, self.options, free_port() if self.replicated else 0)

    def start(self):
        self.now.start()
        self._point()
        if self.replicated and not self.replica:
            self.start_replica()
        return self

    def _point(self):
        """The link leads to who is Redis now, without a moment in which it leads nowhere."""
        os.symlink(self.now.path, self.path + ".new")
        os.replace(self.path + ".new", self.path)

    def kill(self):
        self.client.close()
        self.now.kill()

    # Forgetting.

    def copy(self):
        """What a backup would have: the folder as it is at some moment."""
        self.copied_at = time.monotonic()
        shutil.rmtree(self.folder / "copy", ignore_errors=True)
        shutil.copytree(self.now.folder / DATA, self.folder / "copy")

    def forget(self, everything):
        """While it is dead: its folder is empty, or what it was at the last copy. Says since when."""
        shutil.rmtree(self.now.folder / DATA)
        if everything or self.copied_at is None:
            return 0.0
        shutil.copytree(self.folder / "copy", self.now.folder / DATA)
        return self.copied_at

    # Failing over.

    def start_replica(self):
        self.replica = self._server().start("--replicaof", "127.0.0.1", str(self.now.port))
        until(self.replica.follows, "the replica has everything", 60)

    def lag(self):
        """From here on the replica reads nothing more."""
        self._door = socket.socket(socket.AF_UNIX)
        self._door.connect(self.replica.path)
        self._door.sendall(b"PING\r\n")
        self._door.recv(100)  # it knows this connection, so it will hear it at once when it goes on
        self.replica.process.signal(signal.SIGSTOP)

    def fail_over(self):
        """The master dies; the replica leads before it reads what has come meanwhile."""
        self.kill()
        shutil.rmtree(self.now.folder)
        self._door.sendall(b"REPLICAOF NO ONE\r\n")
        self.replica.process.signal(signal.SIGCONT)
        told = self._door.recv(100)
        self._door.close()
        if not told.startswith(b"+OK"):
            raise AssertionError(f"the replica does not want to lead: {told!r}")
        self.now, self.replica = self.replica, None
        self._point()
