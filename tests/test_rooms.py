#!/usr/bin/env python3
"""The rooms keep to their floors: test_rooms.py [BUILD_FOLDER]

Refuses an #include that runs upwards or sideways between rooms, a second file
that names an external library, and, where a build is given, a kula-relay-serve
that is linked with libcurl. Prints a sentence for each finding; the last line
is "N passed, N failed".
"""
import pathlib
import re
import subprocess
import sys
import tempfile

TOP = pathlib.Path(__file__).resolve().parent.parent

# Each room's folder, and the rooms below it. relay/main.c stands above them all.
ROOMS = {
    "base": ("common/base", ()),
    "net": ("common/net", ("base",)),
    "kula": ("common/kula", ("base",)),
    "spool": ("common/spool", ("base", "net", "kula")),
    "ledger": ("common/ledger", ("base", "net", "kula")),
    "pen": ("common/pen", ("base", "net", "kula", "ledger")),
    "kula_api": ("common/kula_api", ("base", "net")),
    "serve": ("relay/serve", ("base", "net", "kula", "spool", "ledger", "pen")),
    "forward": ("relay/forward", ("base", "net", "kula", "ledger")),
    "watch": ("relay/watch", ("base", "net", "kula", "kula_api", "ledger")),
    "cli": ("relay/cli", ("base", "net", "kula", "kula_api", "spool", "ledger", "pen")),
}

# Each external library: how its headers are spelled, and the room whose one file names it.
LIBRARIES = {
    "libevhtp": (re.compile(r"evhtp(\.h|/)"), "net"),
    "hiredis": (re.compile(r"hiredis(\.h|/)"), "net"),
    "libcurl": (re.compile(r"curl/"), "net"),
    "yajl": (re.compile(r"yajl/"), "base"),
    "libyaml": (re.compile(r"yaml\.h"), "base"),
    "isa-l": (re.compile(r"isa-l(\.h|/)"), "spool"),
}

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.MULTILINE)


def sources(top):
    """Yields (path from the top, the room it lives in or None, what it includes)."""
    for path in sorted(top.glob("common/**/*.[ch]")) + sorted(top.glob("relay/**/*.[ch]")):
        name = path.relative_to(top).as_posix()
        room = next((room for room, (folder, _) in ROOMS.items() if name.startswith(folder + "/")), None)
        yield name, room, INCLUDE.findall(path.read_text())


def wrong_directions(top):
    for name, room, includes in sources(top):
        for quote, header in includes:
            target = header.split("/")[0] if "/" in header else None
            if target in ROOMS:
                if room and target != room and target not in ROOMS[room][1]:
                    yield f"{name} includes {header}, but {room} does not stand on {target}"
            elif header.startswith("."):
                yield f"{name} includes {header}: name the room, as in \"base/text.h\""
            elif quote == '"' and target is None:
                yield f"{name} includes {header} without its room, as in \"{room or 'base'}/{header}\""


def shared_libraries(top):
    everything = list(sources(top))
    for library, (spelling, home) in LIBRARIES.items():
        users = [(name, room) for name, room, includes in everything
                 if any(spelling.match(header) for _, header in includes)]
        if len(users) > 1:
            yield f"{library} is named in {' and '.join(name for name, _ in users)}: one file may know its ways"
        for name, room in users:
            if room != home:
                yield f"{library} is named in {name}: its file belongs into the room {home}"


def linked_too_much(build):
    """The process on the internet carries no libcurl, and nothing that it drags in."""
    serve = build / "relay/serve/kula-relay-serve"
    if not serve.exists():
        yield f"{serve} is not there: build first"
        return
    libraries = subprocess.run(["ldd", serve], capture_output=True, text=True, check=True).stdout
    for line in libraries.splitlines():
        if "libcurl" in line:
            yield f"{serve.name} is linked with {line.split()[0]}: link it with net, not with net_client"


PLANTED = {  # what the checks have to refuse: the file, its line, whether that is allowed
    "downwards is allowed": ("common/net/planted.c", '#include "base/text.h"', True),
    "its own room is allowed": ("common/kula/planted.h", '#include "kula/stamp.h"', True),
    "main may see every room": ("relay/main.c", '#include "cli/tail.h"', True),
    "the C library is allowed": ("common/base/planted.c", "#include <sys/types.h>", True),
    "upwards is refused": ("common/base/planted.c", '#include "net/loop.h"', False),
    "upwards with other brackets is refused": ("common/net/planted.h", "#  include <ledger/ledger.h>", False),
    "sideways below is refused": ("common/net/planted.c", '#include "kula/stamp.h"', False),
    "sideways above is refused": ("relay/serve/planted.c", '#include "forward/courier.h"', False),
    "a way around the room's name is refused": ("relay/cli/planted.c", '#include "../serve/answers.h"', False),
    "a bare name is refused": ("common/net/planted.c", '#include "loop.h"', False),
    "a second file that names a library is refused": ("common/net/planted.c", "#include <curl/curl.h>", False),
    "a library outside its room is refused": ("relay/forward/planted.c", "#include <hiredis/hiredis.h>", False),
}


def planted_tests():
    for name, (path, line, allowed) in PLANTED.items():
        with tempfile.TemporaryDirectory() as folder:
            top = pathlib.Path(folder)
            for file, text in (("common/net/first.c", "#include <curl/curl.h>"), (path, line)):
                (top / file).parent.mkdir(parents=True, exist_ok=True)
                (top / file).write_text(text + "\n")
            found = [*wrong_directions(top), *shared_libraries(top)]
        yield name, [] if bool(found) != allowed else [f"{path} with {line} gave {found or 'nothing'}"]


def tests():
    yield "includes run downwards only", list(wrong_directions(TOP))
    yield "each library is named in one file", list(shared_libraries(TOP))
    if len(sys.argv) > 1:
        yield "kula-relay-serve carries no libcurl", list(linked_too_much(pathlib.Path(sys.argv[1])))
    yield from planted_tests()


def main():
    passed = failed = 0
    for name, findings in tests():
        passed, failed = passed + (not findings), failed + bool(findings)
        for finding in findings:
            print(f"not so: {name}: {finding}")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
