"""A service that costs next to nothing (sink.c), so that it is not what is measured."""

import pathlib
import subprocess
import tempfile

from processes import until


class Sink:
    """Answers 200 to everything, `delay_ms` later."""

    _program = []

    def __init__(self, delay_ms=0):
        if not self._program:
            folder = tempfile.TemporaryDirectory(prefix="kr-sink-")
            program = pathlib.Path(folder.name) / "sink"
            subprocess.run(["cc", "-O2", "-o", program, pathlib.Path(__file__).with_name("sink.c")], check=True)
            self._program.extend((program, folder))
        self._process = subprocess.Popen([self._program[0], str(delay_ms)], stdin=subprocess.PIPE,
                                         stdout=subprocess.PIPE, text=True)
        self.pid = self._process.pid
        self.url = f"http://127.0.0.1:{int(self._process.stdout.readline())}/"

    def look(self):
        """(how many it has answered, seconds from the first answer to the last)."""
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        count, ns = self._process.stdout.readline().split()
        return int(count), int(ns) / 1e9

    def wait(self, count, deadline_s):
        until(lambda: self.look()[0] >= count, lambda: f"{count} are answered: {self.look()[0]} are", deadline_s)
        return self.look()

    def close(self):
        self._process.stdin.close()
        self._process.wait()
