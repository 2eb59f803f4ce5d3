#!/usr/bin/env python3
"""Runs the system tests: each test_*.py here, several side by side, one line a test.

    main.py                       all
    main.py duplicates drain      those whose file, class or name holds one of the words
    main.py --jobs 1              one after another

Exit 0 where all passed; the last line says how many did.
"""

import argparse
import concurrent.futures
import pathlib
import re
import signal
import subprocess
import sys
import time
import unittest

SYSTEM = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(SYSTEM))

from processes import BUILD, RELAY, RELAY_SERVE  # noqa: E402


def options():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("words", nargs="*", help="run only tests whose name holds one of these")
    parser.add_argument("--jobs", type=int, default=2, help="test files at the same time (2)")
    parser.add_argument("--file", help=argparse.SUPPRESS)  # the child's: run this one here
    return parser.parse_args()


def all_tests(suite):
    for item in suite:
        if isinstance(item, unittest.TestSuite):
            yield from all_tests(item)
        else:
            yield item


class Lines(unittest.TestResult):
    """A line a test, and under a failure why and what the processes said."""

    def __init__(self):
        super().__init__()
        self.passed = self.failed = 0
        self._worst = ""

    def startTest(self, test):
        super().startTest(test)
        self._started = time.monotonic()
        self._worst = ""

    def stopTest(self, test):
        super().stopTest(test)
        word = self._worst or "ok"
        self.passed += word == "ok"
        self.failed += word == "FAILED"
        name = test.id().removeprefix("test_").replace(".test_", ": ").replace("_", " ")
        print(f"{word:7} {time.monotonic() - self._started:5.1f}s  {name}", flush=True)

    def addSkip(self, test, reason):
        self._worst = self._worst or f"skipped ({reason})"

    def addError(self, test, err):
        self._fail(test, err)

    def addFailure(self, test, err):
        self._fail(test, err)

    def addSubTest(self, test, subtest, err):
        if err:
            print(f"in {subtest}:")
            self._fail(test, err)

    def _fail(self, test, err):
        self._worst = "FAILED"
        print(f"\n{self._exc_info_to_string(err, test)}")
        house = getattr(test, "house", None)
        if house:
            print(house.report() + "\n", flush=True)
        if not isinstance(test, unittest.TestCase):  # setUpClass, which no stopTest follows
            self.failed += 1


def run_file(name, words):
    result = Lines()
    suite = unittest.TestSuite(test for test in all_tests(
        unittest.defaultTestLoader.loadTestsFromName(pathlib.Path(name).stem))
        if chosen(test.id(), words))
    suite.run(result)
    print(f"{result.passed} passed, {result.failed} failed")
    return 1 if result.failed else 0


def chosen(name, words):
    return not words or any(word.replace(" ", "_").lower() in name.lower() for word in words)


def run_child(name, words):
    command = [sys.executable, str(SYSTEM / "main.py"), "--file", name, *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          encoding="utf-8") as child:
        out = child.communicate()[0]
    *lines, last = out.rstrip("\n").split("\n")
    counts = re.fullmatch(r"(\d+) passed, (\d+) failed", last)
    if not counts:  # it broke before it could count
        return [*lines, last, f"FAILED  {name} exit {child.returncode}"], 0, 1
    return lines, int(counts[1]), int(counts[2])


def built():
    missing = [str(program) for program in (RELAY, RELAY_SERVE) if not program.exists()]
    if missing:
        print(f"Nothing to test in {BUILD} (KULA_RELAY_BUILD): no {' and no '.join(missing)}",
              file=sys.stderr)
    return not missing


def run_all(words, jobs):
    # Those that take long are among the large ones: none of them is left for the end.
    paths = sorted(SYSTEM.glob("test_*.py"), key=lambda path: path.stat().st_size, reverse=True)
    names = [path.name for path in paths]
    passed = failed = 0
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        for done in concurrent.futures.as_completed(
                pool.submit(run_child, name, words) for name in names):
            lines, good, bad = done.result()
            print("".join(line + "\n" for line in lines if line), end="", flush=True)
            passed += good
            failed += bad
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


def main():
    chosen_options = options()
    # So that what a killed run has started is ended by its exit handlers.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    if chosen_options.file:
        return run_file(chosen_options.file, chosen_options.words)
    if not built():
        print("0 passed, 1 failed")
        return 1
    return run_all(chosen_options.words, chosen_options.jobs)


if __name__ == "__main__":
    sys.exit(main())
