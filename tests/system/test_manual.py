"""Manual and completions: whatever the programs say they can do stands in there, and each reader takes them."""

import functools
import re
import unittest

from processes import BUILD, RELAY, ROOT, run

MADE = BUILD / "deploy"
PAGES = ("kula-relay.1", "kula-relay-serve.1", "kula-relay.yaml.5")


@functools.cache
def help_of(*command):
    return run([RELAY, *command, "--help"]).out


def commands():
    return re.findall(r"(?m)^  ([a-z]+) ", help_of())


def options(command):
    """As its --help has them: (letter or None, name) each."""
    return re.findall(r"(?m)^  (?:(-\w), |    )?(--[a-z-]+)", help_of(command))


def verbs(command):
    """What it takes first, where its usage begins with such a list."""
    usage = help_of(command).splitlines()[0]
    first = re.match(rf"usage: kula-relay {command} \[?([a-z|-]+)\]?", usage)
    return first[1].split("|") if first and "|" in first[1] else []


def page(name):
    """What a reader sees."""
    shown = run(["mandoc", "-T", "ascii", "-O", "width=200", MADE / name]).out
    return re.sub(r".\x08", "", shown)


def offered_by_bash(*words):
    script = 'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _kula_relay; printf "%s\\n" "${COMPREPLY[@]}"'
    return run(["bash", "-c", script, "bash", MADE / "kula-relay", "kula-relay", *words], cwd=ROOT).out.split()


def offered_by_fish(*lines):
    """For each line what fish offers, asked in one go: it starts slowly."""
    script = "source $argv[1]; for line in $argv[2..-1]; complete -C $line; echo =; end"
    told = run(["fish", "--no-config", "-c", script, MADE / "kula-relay.fish", *lines], cwd=ROOT).out
    return [[row.split("\t")[0] for row in answer.split("\n") if row] for answer in told.split("=\n")[:-1]]


class Manual(unittest.TestCase):
    def test_every_command_and_every_option_stands_in_the_manual(self):
        parts = re.split(r"(?m)^   (\S+)$", page("kula-relay.1"))
        told = dict(zip(parts[1::2], parts[2::2]))
        self.assertEqual(list(told), commands())
        for command in commands():
            for letter, name in options(command) if command != "help" else []:
                with self.subTest(command=command, option=name):
                    self.assertRegex(told[command], rf"(?m)^ +{letter + ', ' if letter else ''}{name}\b")
        for _, name in options("serve"):
            self.assertIn(name, page("kula-relay-serve.1"))

    def test_every_key_stands_in_the_manual(self):
        told = page("kula-relay.yaml.5")
        example = (ROOT / "deploy" / "kula-relay.yaml").read_text(encoding="utf-8")
        keys = set(re.findall(r"(?m)^ *(?:- )?([a-z_]+):", example)) - {"id"}
        self.assertGreater(len(keys), 50)
        for key in keys | {"first", "most", "give_up", "scheme"}:
            with self.subTest(key=key):
                self.assertRegex(told, rf"(?m)^ +(\S+\.)?{key}\b")

    def test_mandoc_finds_nothing(self):
        run(["mandoc", "-T", "lint", "-W", "warning", *(MADE / name for name in PAGES)])


class Completions(unittest.TestCase):
    def test_bash_offers_every_command_verb_and_option(self):
        self.assertEqual(offered_by_bash(""), [*commands(), "--help", "--version"])
        self.assertEqual(offered_by_bash("he"), ["health", "help"])
        self.assertEqual(offered_by_bash("help", "ta"), ["tail"])
        for command in commands():
            with self.subTest(command=command):
                if command != "help":
                    self.assertEqual(offered_by_bash(command, ""), verbs(command))
                    known = {word for option in options(command) for word in option if word}
                    self.assertEqual(set(offered_by_bash(command, "-")), known)

    def test_bash_offers_files_where_one_is_wanted(self):
        self.assertEqual(offered_by_bash("tail", "--config", "README"), ["README.md"])
        self.assertEqual(offered_by_bash("spool", "status", "-d", "dep"), ["deploy"])
        self.assertEqual(offered_by_bash("tail", "--lines", ""), [])

    def test_fish_offers_the_same(self):
        names = [command for command in commands() if command != "help"]
        first, *of_each = offered_by_fish("kula-relay ", *(f"kula-relay {name} {word}" for name in names for word in ("", "--")))
        self.assertEqual(set(first), set(commands()))
        for name, taken, long in zip(names, of_each[::2], of_each[1::2]):
            with self.subTest(command=name):
                self.assertEqual(set(taken), set(verbs(name)))
                self.assertEqual({word.rstrip("=") for word in long}, {option for _, option in options(name)})

    def test_zsh_reads_its_own_and_it_has_them_all(self):
        text = (MADE / "_kula-relay").read_text(encoding="utf-8")
        run(["zsh", "-n", MADE / "_kula-relay"])
        cases = dict(re.findall(r"(?ms)^  ([a-z]+)\)\n(.*?)^    ;;", text))
        self.assertEqual(list(cases), commands())
        for command in commands():
            for letter, name in options(command) if command != "help" else []:
                with self.subTest(command=command, option=name):
                    self.assertRegex(cases[command], rf"['{{,]{re.escape(f'{letter},{name}' if letter else name)}[}}\[]")
            for verb in verbs(command):
                self.assertRegex(cases[command], rf"1:what:\([^)]*\b{verb}\b")
