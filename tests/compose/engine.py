"""A Docker engine of our own, and the images that it needs, made without a registry.

Its data stand in one folder. Whoever starts it is already in namespaces for mounts and processes
of his own (see `./run compose-test`), with which all of it ends. Images are built with the
machine's network; `leave_the_network` then goes into an empty one, where bridges, the names of
services and published ports are the engine's own.
"""

import concurrent.futures
import ctypes
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

from stories import Failed, run, until

CLONE_NEWNET = 0x40000000
BASE = "debian:trixie-slim"
HERE = pathlib.Path(__file__).resolve().parent


def leave_the_network():
    """From here on, for us and for whom we start: an empty one."""
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "unshare")
    run(["ip", "link", "set", "lo", "up"])


class Engine:
    """dockerd. `folder` holds base/ (a Debian), tools/ (docker and its plugins) and all that comes."""

    OFF = ("--bridge=none", "--iptables=false", "--ip6tables=false", "--ip-forward=false", "--ip-masq=false")

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.daemon = None
        config = self.folder / "docker"
        (config / "cli-plugins").mkdir(parents=True)
        for plugin in self.folder.glob("tools/usr/libexec/docker/cli-plugins/*"):
            (config / "cli-plugins" / plugin.name).symlink_to(plugin)
        self.env = {key: value for key, value in os.environ.items()
                    if not key.startswith(("KULA_", "COMPOSE_", "DOCKER_"))}
        self.env |= {"PATH": f"{self.folder}/tools/usr/bin:{self.env['PATH']}", "DOCKER_BUILDKIT": "1",
                     "DOCKER_HOST": f"unix://{self.folder}/docker.sock", "DOCKER_CONFIG": str(config)}
        os.makedirs("/run/containerd", exist_ok=True)
        run(["mount", "-t", "tmpfs", "tmpfs", "/run/containerd"])  # its sockets go nowhere else

    def __call__(self, *words, **how):
        return run(["docker", *words], env=self.env, **how)

    def inspect(self, *words):
        return json.loads(self("inspect", *words))[0]

    def start(self, *options):
        with open(self.folder / "dockerd.log", "ab") as log:
            self.daemon = subprocess.Popen(
                ["dockerd", f"--host={self.env['DOCKER_HOST']}", f"--data-root={self.folder}/data",
                 f"--exec-root={self.folder}/exec", f"--pidfile={self.folder}/dockerd.pid",
                 f"--cgroup-parent=/{self.folder.name}", *options], stdout=log, stderr=log)

        def answers():
            if self.daemon.poll() is not None:
                raise Failed(f"the engine does not start\n{self.log()}")
            return subprocess.run(["docker", "version"], env=self.env, capture_output=True,
                                  check=False).returncode == 0

        until(answers, lambda: f"the engine answers\n{self.log()}")

    def stop(self):
        self.daemon.send_signal(signal.SIGTERM)
        self.daemon.wait(30)

    def log(self):
        return (self.folder / "dockerd.log").read_text(errors="replace")[-3000:]

    # Images.

    def make_images(self, checkout, redis, valkey):
        """Under the names that compose.yaml and compose.demo.yaml have for them."""
        tar = subprocess.Popen(["tar", "--create", "--directory", self.folder / "base", "."],
                               stdout=subprocess.PIPE)
        subprocess.run(["docker", "import", "-", BASE], stdin=tar.stdout, env=self.env, check=True,
                       stdout=subprocess.DEVNULL)
        if tar.wait():
            raise Failed("the base image is not whole")
        relay = ["--file", checkout / "deploy/Dockerfile", checkout]
        wanted = [("kula-relay:local", *relay), ("kula-relay-simulator:local", "--target", "simulator", *relay),
                  (redis, "--build-arg", "STORE=redis", HERE), (valkey, "--build-arg", "STORE=valkey", HERE),
                  ("haproxy:3.2", "--file", HERE / "Dockerfile.haproxy", HERE)]
        with concurrent.futures.ThreadPoolExecutor() as pool:  # the first has most to do, on one core at first
            list(pool.map(lambda words: self.build(*words), wanted))

    def build(self, tag, *words):
        since = time.monotonic()
        self("build", "--network=host", "--tag", tag, *words)
        print(f"    {tag} after {time.monotonic() - since:.0f} s", file=sys.stderr, flush=True)

    def bytes_above_base(self, tag):
        return self.inspect(tag)["Size"] - self.inspect(BASE)["Size"]
