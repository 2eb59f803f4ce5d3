"""Stories about whole machines, of which each goes on with what the one before has left: how they
are told, and what they are told with.
"""

import subprocess
import sys
import time
import traceback


class Failed(Exception):
    pass


def until(fact, what, deadline_s=60.0):
    """Asks until fact() gives something true, and returns that."""
    deadline = time.monotonic() + deadline_s
    while not (found := fact()):
        if time.monotonic() > deadline:
            raise Failed(f"not within {deadline_s:g} s: {what() if callable(what) else what}")
        time.sleep(0.2)
    return found


def run(words, expect=0, **how):
    """A command to its end; gives what it printed, stdout and stderr together."""
    done = subprocess.run([str(word) for word in words], stdin=subprocess.DEVNULL, text=True, errors="replace",
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, **how)
    if expect is not None and done.returncode != expect:
        raise Failed(f"{' '.join(map(str, words))} ended with {done.returncode}\n{done.stdout[-4000:]}")
    return done.stdout


def among(names):
    """The stories among somebody's names, in their order."""
    return [story for name, story in names.items() if name.startswith("test_")]


def go(stories, machine, words, on_failure):
    """Those whose names hold one of the words, all where there is none: a line each. How many passed and failed."""
    passed = failed = 0
    for story in stories:
        if words and not any(word in story.__name__ for word in words):
            continue
        since = time.monotonic()
        try:
            story(machine)
            passed, outcome = passed + 1, "ok"
        except Exception:  # whatever it was, the others are told too
            failed, outcome = failed + 1, "FAILED"
            traceback.print_exc()
            print(on_failure(), file=sys.stderr, flush=True)
        print(f"{outcome:7} {time.monotonic() - since:5.1f}s  {story.__name__[5:].replace('_', ' ')}", flush=True)
    return passed, failed
