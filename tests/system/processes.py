"""Processes under test: started, watched through what they print, ended by their pid.

A test waits for facts, never for time: a log line, a metric, a key in Redis. `until`
asks for one again and again up to a deadline, and everything here is built on it or on a
condition that the reading threads signal.
"""

import atexit
import contextlib
import fcntl
import json
import os
import pathlib
import resource
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time

SYSTEM = pathlib.Path(__file__).resolve().parent
ROOT = SYSTEM.parent.parent
sys.path.insert(0, str(SYSTEM.parent))

BUILD = pathlib.Path(os.environ.get("KULA_RELAY_BUILD") or ROOT / "build").resolve()
WRAP = shlex.split(os.environ.get("KULA_RELAY_WRAP", ""))
SLOW = float(os.environ.get("KULA_RELAY_SLOW") or "1")

RELAY = BUILD / "relay" / "kula-relay"
RELAY_SERVE = BUILD / "relay" / "serve" / "kula-relay-serve"

# Who has a loop does not wait for us to read what it says, and we may be late on a busy machine.
STDERR_BYTES = 512 * 1024

# Sanitizers or valgrind look on, and need memory of their own.
WATCHED = bool(WRAP) or RELAY.exists() and b"__asan_init" in RELAY.read_bytes()

# What the sanitizers print; a process that printed one has failed, whatever its exit code.
TROUBLE = ("AddressSanitizer", "LeakSanitizer", "UndefinedBehaviorSanitizer", "runtime error:")

_running = set()


@atexit.register
def _end_all():
    for process in list(_running):
        process.kill()


@contextlib.contextmanager
def with_environment(**more):
    """Who starts in here has these besides."""
    os.environ.update(more)
    try:
        yield
    finally:
        for name in more:
            del os.environ[name]


def until(fact, what, deadline_s=10.0):
    """Asks until fact() gives something true, and returns that."""
    deadline = time.monotonic() + deadline_s * SLOW
    pause = threading.Event()
    while True:
        found = fact()
        if found:
            return found
        if time.monotonic() > deadline:
            wanted = what() if callable(what) else what
            raise TimeoutError(f"not within {deadline_s * SLOW:g} s: {wanted}")
        pause.wait(0.01)


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def most_memory_mib(pid):
    """The most that a process has had in memory so far."""
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise ValueError(pid)


def environment():
    """Ours, without what would change the programs' ways."""
    env = {key: value for key, value in os.environ.items() if not key.startswith("KULA_")}
    env.setdefault("UBSAN_OPTIONS", "print_stacktrace=1")
    return env


def troubles(text):
    return [line for line in text.splitlines() if any(word in line for word in TROUBLE)]


class Process:
    """A running program. Its stdout and stderr are read as they come and kept by lines."""

    def __init__(self, name, command, env=None, cwd=None, descriptors=()):
        self.name = name
        self.command = [str(word) for word in command]
        self.output = []  # lines of stdout
        self.errors = []  # lines of stderr
        self.ended_on_purpose = False
        self._changed = threading.Condition()
        self._may_read = threading.Lock()
        self._child = subprocess.Popen(
            self.command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env=env or environment(), cwd=cwd, pass_fds=descriptors, text=True, encoding="utf-8",
            errors="replace")
        with contextlib.suppress(OSError):  # beyond what a user may have of it
            fcntl.fcntl(self._child.stderr, fcntl.F_SETPIPE_SZ, STDERR_BYTES)
        _running.add(self)
        self.pid = self._child.pid
        self._readers = [
            threading.Thread(target=self._read, args=pair, daemon=True)
            for pair in ((self._child.stdout, self.output), (self._child.stderr, self.errors))]
        for reader in self._readers:
            reader.start()

    def _read(self, pipe, lines):
        for line in pipe:
            with self._may_read, self._changed:
                lines.append(line.rstrip("\n"))
                self._changed.notify_all()
        pipe.close()
        with self._changed:
            self._changed.notify_all()

    @contextlib.contextmanager
    def unread(self):
        """Meanwhile nobody reads its stderr, into which hardly anything fits."""
        with self._may_read:
            fcntl.fcntl(self._child.stderr, fcntl.F_SETPIPE_SZ, 4096)
            yield

    def alive(self):
        return self._child.poll() is None

    def wait_line(self, fits, what, deadline_s=10.0, lines=None):
        """The first line of stderr (or of `lines`) that fits, whenever it came."""
        lines = self.errors if lines is None else lines
        found = []

        def look():
            found[:] = [line for line in lines if fits(line)][:1]
            return found or not self.alive()

        with self._changed:
            # An ended process may still have lines in its pipe; their end is signalled too.
            self._changed.wait_for(
                lambda: look() and (found or not self._reading()), deadline_s * SLOW)
            look()
        if not found:
            raise AssertionError(f"{self.name} did not say: {what}\n{self.report()}")
        return found[0]

    def _reading(self):
        return any(reader.is_alive() for reader in self._readers
                   if reader is not threading.current_thread())

    def said(self, message, deadline_s=10.0, **fields):
        """The log line (as a dict) with this message and these fields."""

        def fits(line):
            entry = log_entry(line)
            return entry.get("message") == message and all(
                str(entry.get(key)) == value for key, value in fields.items())

        return log_entry(self.wait_line(fits, f"{message} {fields or ''}", deadline_s))

    def logged(self, message):
        """All log lines so far with this message."""
        with self._changed:
            entries = [log_entry(line) for line in self.errors]
        return [entry for entry in entries if entry.get("message") == message]

    def signal(self, number):
        self._child.send_signal(number)

    def wait_exit(self, deadline_s=15.0):
        try:
            code = self._child.wait(deadline_s * SLOW)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"{self.name} did not end within {deadline_s * SLOW:g} s\n"
                                 f"{self.report()}") from None
        _running.discard(self)
        for reader in self._readers:
            reader.join(5)
        return code

    def stop(self, deadline_s=15.0, expect=0):
        """SIGTERM, and it has to end well."""
        if self.ended_on_purpose:
            return
        if self.alive():
            self.signal(signal.SIGTERM)
        self.ended(deadline_s, expect)

    def ended(self, deadline_s=15.0, expect=0):
        """It was told to end, and has to do so well."""
        self.ended_on_purpose = True
        code = self.wait_exit(deadline_s)
        self.check()
        if code != expect:
            raise AssertionError(f"{self.name} ended with {code}\n{self.report()}")

    def kill(self):
        """SIGKILL: at whatever it is doing."""
        self.ended_on_purpose = True
        self._child.kill()
        self._child.wait()
        _running.discard(self)

    def check(self):
        found = troubles("\n".join(self.errors + self.output))
        if found:
            raise AssertionError(f"{self.name}: {found[0]}\n{self.report(200)}")

    def report(self, most=40):
        code = self._child.poll()
        state = "running" if code is None else f"ended with {code}"
        return "\n".join([f"--- {self.name} ({state}), the last lines of its stderr:",
                          *self.errors[-most:]])


def log_entry(line):
    """A log line as a dict; what is not JSON is an entry without a message."""
    try:
        entry = json.loads(line)
    except ValueError:
        return {}
    return entry if isinstance(entry, dict) else {}


class Result:
    """What a finished command left behind."""

    def __init__(self, command, code, out, err):
        self.command = command
        self.code = code
        self.out = out
        self.err = err

    @property
    def objects(self):
        """stdout with one JSON object a line."""
        return [json.loads(line) for line in self.out.splitlines()]

    def __repr__(self):
        return (f"{shlex.join(self.command)}\nexit {self.code}\nstdout: {self.out}\n"
                f"stderr: {self.err}")


def run(command, expect=0, stdin="", deadline_s=30.0, env=None, cwd=None, memory_bytes=None):
    """Runs to its end. `expect` is the exit code it has to have; None: any. With `memory_bytes`
    it gets no more than that; where sanitizers or valgrind take theirs, it is not counted."""
    command = [str(word) for word in command]

    def limit():
        resource.setrlimit(resource.RLIMIT_DATA, (memory_bytes, memory_bytes))

    done = subprocess.run(
        command, input=stdin, capture_output=True, text=True, check=False, encoding="utf-8",
        timeout=deadline_s * SLOW, env=env or environment(), cwd=cwd,
        preexec_fn=limit if memory_bytes and not WATCHED else None)
    result = Result(command, done.returncode, done.stdout, done.stderr)
    if troubles(done.stderr) or (expect is not None and done.returncode != expect):
        raise AssertionError(f"expected exit {expect}: {result!r}")
    return result
