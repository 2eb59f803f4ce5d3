#!/usr/bin/env python3
"""Reads http_cases.txt, whose head says how it is written.

    http_cases.py --c > http_cases.h       the cases for tests/unit/test_http_guard.c
    http_cases.py --seeds FOLDER           a file a case, for a fuzzer to begin with
"""

import pathlib
import re
import sys

FILE = pathlib.Path(__file__).resolve().with_suffix(".txt")
EVENT_BYTES = 100
BODY_LIMIT = 1024

_ESCAPE = re.compile(r"\\(x[0-9a-f]{2}|[rnt0\\])")
_MACRO = re.compile(r"\$\{(?:(\d+)\*([^}]*)|(\w+))\}")
_BYTES = {"r": "\r", "n": "\n", "t": "\t", "0": "\0", "\\": "\\"}


def event(event_id):
    """A body of the length that the table counts on."""
    body = '{"event":"case.sent","event_id":"%s","data":"%s"}'
    return (body % (event_id, "x" * (EVENT_BYTES - len(body % (event_id, ""))))).encode()


class Case:
    def __init__(self, heading, where):
        try:
            self.name, self.rfc, gets = (part.strip() for part in heading.split("|"))
            *statuses, end = gets.split()
            self.statuses = [int(status) for status in statuses]
            self.closes = {"open": False, "close": True}[end]
        except (ValueError, KeyError):
            raise SystemExit(f"{where}: write = NAME | RFC AND SECTION | STATUS... open or close") from None
        self.where = where
        self.text = ""

    def __repr__(self):
        return f"{self.name} ({self.where}, {self.rfc})"

    def bytes(self, values):
        """What is sent. `values`: event, signature, second and second_signature."""
        return _expand(self.text, {**_defined, **values}).encode("latin-1")


_defined = {}


def _expand(text, values):
    def macro(found):
        times, repeated, name = found.groups()
        return repeated * int(times) if times else _expand(values[name], values)

    # The text that is repeated may hold escapes, so those come last; values hold none that matter.
    return _MACRO.sub(macro, text)


def _unescape(line):
    return _ESCAPE.sub(
        lambda found: chr(int(found[1][1:], 16)) if found[1][0] == "x" else _BYTES[found[1]], line)


def _line(line):
    """The bytes of what stands behind the bar, with or without CRLF."""
    joined = line.endswith("\\") and not line.endswith("\\\\")
    return _unescape(line[:-1] if joined else line) + ("" if joined else "\r\n")


def load():
    cases = []
    for number, line in enumerate(FILE.read_text(encoding="ascii").split("\n"), 1):
        where = f"{FILE.name}:{number}"
        if line.startswith("= "):
            cases.append(Case(line[2:], where))
        elif line.startswith("define "):
            _, name, text = line.split(" ", 2)
            _defined[name] = _unescape(text)
        elif line.startswith("| ") and cases:
            cases[-1].text += _line(line[2:])
        elif line == "|" and cases:
            cases[-1].text += "\r\n"
        elif line and not line.startswith("#"):
            raise SystemExit(f"{where}: neither a case, nor a line of one, nor a comment: {line}")
    names = [case.name for case in cases]
    doubles = {name for name in names if names.count(name) > 1}
    if doubles:
        raise SystemExit(f"{FILE.name}: two cases have this name: {', '.join(sorted(doubles))}")
    return cases


def _unsigned_values():
    forged = "t=1700000000,v1=" + 64 * "0"
    return {"event": event("evt_1").decode(), "second": event("evt_2").decode(),
            "signature": forged, "second_signature": forged}


def _print_c(cases):
    print(f"/* Made by {pathlib.Path(__file__).name}; the cases stand in {FILE.name}. */")
    print("static const struct http_case {\n    const char *name;\n    const unsigned char *bytes;"
          "\n    size_t size;\n    int statuses[4]; /* ended by 0 */\n    bool closes;\n} cases[] = {")
    for case in cases:
        data = case.bytes(_unsigned_values())
        statuses = ", ".join(str(status) for status in (*case.statuses, 0))
        name = case.name.replace("\\", "\\\\").replace('"', '\\"')
        print(f'    {{"{name}", (const unsigned char[]){{{",".join(str(byte) for byte in data)}}},\n'
              f"     {len(data)}, {{{statuses}}}, {str(case.closes).lower()}}},")
    print("};")


def _write_seeds(cases, folder):
    pathlib.Path(folder).mkdir(exist_ok=True)
    for number, case in enumerate(cases):
        (pathlib.Path(folder) / f"case-{number:03}").write_bytes(case.bytes(_unsigned_values()))


def main():
    if sys.argv[1:] == ["--c"]:
        _print_c(load())
    elif len(sys.argv) == 3 and sys.argv[1] == "--seeds":
        _write_seeds(load(), sys.argv[2])
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
