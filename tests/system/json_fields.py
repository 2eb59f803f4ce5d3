"""What --help tells of --json, against what comes out: the names of its fields are an interface."""

import functools
import re

from processes import RELAY, run

TELLS = re.compile(r"With --json an object a line; .*:\n((?:  .+\n)+)")


class Fields:
    """One row: what always stands in such an object, and what may."""

    def __init__(self, words):
        bracketed = re.search(r"\[(.*)\]", words)
        self.may = set(bracketed[1].split()) if bracketed else set()
        self.always = set(re.sub(r"\[.*\]", "", words).split())

    def fit(self, found):
        return self.always <= set(found) <= self.always | self.may


@functools.lru_cache(maxsize=None)
def told(command):
    """The rows of its --help: (the verbs or the kind that it is for, its fields) each."""
    rows = TELLS.search(run([RELAY, command, "--help"]).out)
    assert rows, f"{command} --help does not tell of --json"
    rows = re.sub(r"\n {6}", " ", rows[1]).splitlines()
    return [(heads.strip().split(", "), Fields(words)) for heads, words in (row.split(": ", 1) for row in rows)]


def check(command, verb, found):
    """That this object, and what stands within it, is told as it is."""
    rows = told(command)
    fitting = [one for heads, one in rows if verb in heads]
    if not fitting and not verb.startswith("in "):
        fitting = [one for heads, one in rows if not heads[0].startswith("in ")]
    assert any(one.fit(found) for one in fitting), f"{command} {verb}: --help tells of no such line: {found}"
    for key, value in found.items():
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, dict) and key != "says":  # what a process says of itself, as it is
                check(command, f"in {key}", one)
