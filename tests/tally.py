#!/usr/bin/env python3
"""Counts single tests in what `meson test` wrote down: tally.py TESTLOG.json...

Each program of the suites unit and loop speaks TAP, one line a test. A program
that ends badly without having told of a failed test (a crash, a leak, a
time-out) counts as one more failure. Failures are told; the last line is
"N passed, N failed".
"""
import json
import pathlib
import re
import sys

TAP = re.compile(r"^(not )?ok\b(?!.*# SKIP)")  # "not ok ... # SKIP", as cmocka has it, is neither


def tally(program):
    """Of one program: (passed, failed, sentence for people or None)."""
    lines = [match for match in map(TAP.match, program.get("stdout", "").splitlines()) if match]
    failed = sum(1 for match in lines if match.group(1))
    passed = len(lines) - failed
    if program["result"] in ("OK", "EXPECTEDFAIL"):
        return passed, failed, None
    if failed:
        return passed, failed, f"{program['name']}: {failed} failed"
    return passed, 1, f"{program['name']}: {program['result'].lower()} after {passed} passed, status {program['returncode']}"


def main():
    passed = failed = 0
    for log in map(pathlib.Path, sys.argv[1:]):
        for line in log.read_text().splitlines():
            ok, bad, sentence = tally(json.loads(line))
            passed, failed = passed + ok, failed + bad
            if sentence:
                print(sentence)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
