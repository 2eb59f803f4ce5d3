#!/usr/bin/env python3
"""Turns the ledger's .lua files into one C file of redis_script tables: embed.py OUT.c IN.lua...

A line "-- include PIECE.lua" stands for that file beside it: a script of Redis cannot call another.
"""
import pathlib
import re
import sys


def whole(source):
    return re.sub(r"(?m)^-- include (\S+)$", lambda piece: (source.parent / piece[1]).read_text(), source.read_text())


def c_string(text):
    lines = text.splitlines(keepends=True)
    quoted = (line.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") for line in lines)
    return "\n".join(f'    "{line}"' for line in quoted)


def main():
    out, *sources = map(pathlib.Path, sys.argv[1:])
    parts = ['#include "ledger/scripts.h"\n']
    for source in sources:
        name = source.stem
        parts.append(f'struct redis_script script_{name} = {{.name = "{name}", .source =\n{c_string(whole(source))}}};\n')
    names = ", ".join(f"&script_{source.stem}" for source in sources)
    parts.append(f"struct redis_script *const scripts_all[] = {{{names}, NULL}};\n")
    out.write_text("\n".join(parts))


if __name__ == "__main__":
    main()
