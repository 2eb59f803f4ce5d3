"""What the programs say of themselves: manual and completions are made of `--help`, so that none of the three can differ."""
import dataclasses
import re
import subprocess

OPTION = re.compile(r"  (?:-(?P<letter>\w), |    )?--(?P<name>[a-z][a-z-]*)(?: (?P<value>\S+))? +(?P<help>\S.*)")
KEYS = "\nAll keys, with their defaults:\n"


@dataclasses.dataclass
class Option:
    name: str
    letter: str  # "": has none
    value: str  # "": a flag
    help: str

    def spellings(self):
        return [f"-{self.letter}"] * bool(self.letter) + [f"--{self.name}"]

    def takes_file(self):
        return self.value.startswith("FILE")

    def takes_folder(self):
        return self.value == "DIR"


@dataclasses.dataclass
class Command:
    name: str
    summary: str
    usage: str
    about: str  # paragraphs, with an empty line between them
    options: list
    example: str
    exits: str  # the sentence of exit codes

    def verbs(self):
        """What it takes first, where that is one of a few words: `list|show SERVICE`."""
        words = self.usage.split()
        first = words[0].strip("[]") if words else ""
        return first.split("|") if re.fullmatch(r"[a-z-]+(\|[a-z-]+)+", first) else []


def ask(program, *words):
    """`program` is a list: under emulation it has the emulator before it."""
    return subprocess.run([*program, *words], check=True, stdout=subprocess.PIPE, text=True).stdout


def read(name, summary, text):
    usage, text = text.split("\n", 1)
    paragraphs, options = [], []
    exits = example = ""
    for block in text.strip("\n").split("\n\n"):
        rest, option = [], None
        for line in block.split("\n"):
            found = OPTION.fullmatch(line)
            if found:
                option = Option(found["name"], found["letter"] or "", found["value"] or "", found["help"])
                options.append(option)
            elif option and line.startswith(" " * 10):
                option.help += " " + line.strip()
            elif line.startswith("Exit codes:") or exits and not rest:
                exits = f"{exits} {line}".strip()
            elif line != "Options:":
                rest.append(line)
        if rest and rest[0] == "Example:":
            example = "\n".join(line[2:] for line in rest[1:])
        elif rest:
            paragraphs.append("\n".join(rest))
    usage = usage.removeprefix(f"usage: kula-relay {name}").strip()
    return Command(name, summary, usage, "\n\n".join(paragraphs), options, example, exits)


def commands(program, serve):
    """All of them, in the order of `kula-relay help`; `serve` is a program of its own."""
    listed = re.findall(r"(?m)^  ([a-z]+) +(.+)$", ask(program, "help"))
    found = []
    for name, summary in listed:
        text = ask(serve, "--help") if name == "serve" else "" if name == "help" else ask(program, name, "--help")
        found.append(read(name, summary, text.split(KEYS)[0] or "usage: kula-relay help [COMMAND]\n\nPrints what the commands are, or one command's --help."))
    return found


def keys(program):
    """The configuration's: (path, what stands behind it, meaning) each."""
    text = ask(program, "check", "--help").split(KEYS)[1]
    return re.findall(r"(?m)^([a-z]\S*?):?(?: +(.*))?\n    (.+)$", text)
