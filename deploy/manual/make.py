#!/usr/bin/env python3
"""Makes manual pages and completions of what the built programs say: make.py OUT VERSION KULA_RELAY KULA_RELAY_SERVE [EMULATOR...]"""
import os
import pathlib
import sys
import time

import completions
import helptext
import pages


def main():
    out, version, relay, serve, *emulator = sys.argv[1:]
    relay, serve = [*emulator, relay], [*emulator, serve]
    # A package names the day of its changelog, so that two builds of it are the same.
    date = time.strftime("%Y-%m-%d", time.gmtime(int(os.environ.get("SOURCE_DATE_EPOCH", time.time()))))
    commands = helptext.commands(relay, serve)
    made = {
        "kula-relay.1": pages.overview(commands, version, date),
        "kula-relay-serve.1": pages.serve(commands, version, date),
        "kula-relay.yaml.5": pages.configuration(helptext.keys(relay), version, date),
        "kula-relay": [completions.bash(commands).rstrip()],
        "_kula-relay": [completions.zsh(commands).rstrip()],
        "kula-relay.fish": [completions.fish(commands).rstrip()],
    }
    for name, lines in made.items():
        (pathlib.Path(out) / name).write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
