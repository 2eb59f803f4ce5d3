"""A machine with systemd: a Debian tree that systemd-nspawn boots, without a network but its own loopback.

Nothing of the machine that it runs on is touched: no unit, no name, no link to its journal. What runs
inside is asked and told through its namespaces.
"""

import ctypes
import os
import pathlib
import re
import signal
import subprocess

from stories import Failed, run, until

BOOT_S = 60
CLONE_NEWNET = 0x40000000


class Machine:
    def __init__(self, tree):
        self.tree = pathlib.Path(tree)
        self.log = self.tree.with_suffix(".console")
        self.boot_process = self.init = None

    # Before it runs.

    def install(self, *packages):
        """From Debian; no service is started by that (policy-rc.d)."""
        script = ("export DEBIAN_FRONTEND=noninteractive; apt-get update -qq && "
                  f"apt-get install --yes --no-install-recommends -qq {' '.join(packages)}")
        run(["unshare", "--mount", "--pid", "--fork", "--kill-child", f"--mount-proc={self.tree}/proc",
             "chroot", self.tree, "/bin/sh", "-c", script])

    def write(self, path, text, mode=0o644):
        file = self.tree / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        file.chmod(mode)

    # While it runs.

    def boot(self):
        with open(self.log, "wb") as log:
            self.boot_process = subprocess.Popen(
                ["systemd-nspawn", "--quiet", "--boot", "--directory", self.tree, "--private-network",
                 "--register=no", "--keep-unit", "--link-journal=no", "--resolv-conf=off", "--timezone=off",
                 "--console=pipe"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True)
        self.init = until(self._find_init, self._console, BOOT_S)
        until(lambda: self("systemctl", "is-system-running", expect=None).strip() in ("running", "degraded"),
              lambda: f"it has started: {self._state()}", BOOT_S)

    def _find_init(self):
        if self.boot_process.poll() is not None:
            raise Failed(f"systemd-nspawn cannot start: {self._console()}")
        pid = self.boot_process.pid
        children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return next((int(one) for one in children if self._is_init(one)), None)

    @staticmethod
    def _is_init(pid):
        """It has helpers too, and is one itself until it has become what the tree starts."""
        try:
            program = os.readlink(f"/proc/{pid}/exe")
        except OSError:
            return False
        return program.endswith("/systemd/systemd")

    def _console(self):
        return "the console says:\n" + self.log.read_text(errors="replace")[-3000:]

    def _state(self):
        return self("systemctl", "list-jobs", expect=None) + self("systemctl", "--failed", expect=None)

    def inside(self, *words):
        """A command line that runs these words in there."""
        return ["nsenter", f"--target={self.init}", "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup",
                *map(str, words)]

    def on_its_network(self, *words):
        """One that runs these out here, with the network of in there."""
        return ["nsenter", f"--target={self.init}", "--net", *map(str, words)]

    def enter_its_network(self):
        """This thread, for good."""
        with open(f"/proc/{self.init}/ns/net", "rb") as network:
            if ctypes.CDLL(None, use_errno=True).setns(network.fileno(), CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), "setns")

    def __call__(self, *words, expect=0):
        return run(self.inside(*words), expect)

    def show(self, unit, name):
        return self("systemctl", "show", "--property", name, "--value", unit).strip()

    def pid(self, unit):
        return int(self.show(unit, "MainPID"))

    def active(self, unit):
        return self.show(unit, "ActiveState") == "active"

    def journal(self, unit):
        return self("journalctl", "--no-pager", "--output=cat", "--unit", unit, expect=None)

    def number(self, unit, name):
        return int(re.search(r"\d+", self.show(unit, name) or "0")[0])

    def shut_down(self):
        if not self.boot_process or self.boot_process.poll() is not None:
            return
        self.boot_process.send_signal(signal.SIGTERM)  # systemd-nspawn has it powered off
        try:
            self.boot_process.wait(30)
        except subprocess.TimeoutExpired:
            self.boot_process.kill()
            self.boot_process.wait()
