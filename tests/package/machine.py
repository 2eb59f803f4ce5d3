"""A Debian that is booted in a folder: systemd-nspawn, without a network."""

import subprocess
import time


class Failed(Exception):
    """What was promised did not happen; the text says what."""


def until(question, what, deadline_s=60):
    """Waits for a fact."""
    end = time.monotonic() + deadline_s
    while not question():
        if time.monotonic() > end:
            raise Failed(f"not within {deadline_s} s: {what}")
        time.sleep(0.1)


class Machine:
    def __init__(self, tree):
        self.tree = tree
        self._init = None
        with open(tree.parent / "console.log", "wb") as console:
            # Nothing of the host's systemd is asked for anything: there may be none.
            self._nspawn = subprocess.Popen(
                ["systemd-nspawn", "--boot", "--quiet", "--directory", tree, "--private-network", "--register=no", "--keep-unit",
                 "--link-journal=no", "--resolv-conf=off", "--timezone=off", "--console=pipe"],
                stdin=subprocess.DEVNULL, stdout=console, stderr=console)
        until(self._booted, lambda: (tree.parent / "console.log").read_text(errors="replace")[-3000:])

    def _booted(self):
        if self._nspawn.poll() is not None:
            raise Failed(f"systemd-nspawn ended: {(self.tree.parent / 'console.log').read_text(errors='replace')[-3000:]}")
        found = subprocess.run(["pgrep", "--parent", str(self._nspawn.pid)], capture_output=True, text=True, check=False)
        self._init = found.stdout.strip()
        return bool(self._init) and self("systemctl is-system-running", expect=None).strip() in ("running", "degraded")

    def start(self, script):
        """A process in there, which is not waited for."""
        return subprocess.Popen(
            ["nsenter", "--target", self._init, "--all", "env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root",
             "LANG=C.UTF-8", "DEBIAN_FRONTEND=noninteractive", "sh", "-c", f"cd /root && {script}"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def __call__(self, script, expect=0):
        """Runs a script in there to its end and gives what it said. `expect`: its exit code; None is any."""
        return self.end(self.start(script), script, expect)

    def end(self, process, script, expect=0):
        told, _ = process.communicate(timeout=300)
        if expect is not None and process.returncode != expect:
            raise Failed(f"{script}: exit {process.returncode}, not {expect}\n{told[-3000:]}")
        return told

    def stop(self):
        self._nspawn.terminate()  # nspawn then has it shut down
        self._nspawn.wait(60)
