"""The manual's pages, in the language of man(7)."""
import re
import textwrap

DESCRIPTION = """\
Kula, an applicant tracking system, sends signed webhooks when candidates, applications, jobs or offers change. It sends each event \
until it sees a 2xx, and then never again. kula-relay stands between Kula and your services and loses none of them: "kula-relay serve" \
takes the deliveries, verifies them and has them on disk before it says 2xx, then puts them onto a Redis stream; "kula-relay forward" \
carries them to your services, with retries, for as long as it takes. All other commands look after that.

Data goes to the standard output, talk to the standard error. Options may stand anywhere behind the command."""

ENVIRONMENT = [
    ("KULA_RELAY_CONFIG", "The configuration, where --config does not name it."),
    ("KULA_RELAY_REDIS_URL", "Goes before redis.url."),
    ("KULA_WEBHOOK_SECRET_FILE", "Goes before the secrets of the endpoint, where there is one."),
    ("KULA_API_TOKEN_FILE", "Goes before kula.token_file."),
    ("NO_COLOR", "No colours on a terminal either."),
]

FILES = [
    ("./kula-relay.yaml, /etc/kula-relay/kula-relay.yaml", "The configuration, the first of these that is there; see kula-relay.yaml(5)."),
    ("/usr/share/doc/kula-relay/examples/kula-relay.yaml", "An example that holds every key there is."),
]

CONFIGURATION = """\
One YAML file tells kula-relay all that it has to know, and each of its processes reads what concerns it. "kula-relay check" tells every \
mistake in it at once, each with file, line and column; "kula-relay check --print" shows what each key comes to, and why.

What is left out has its default. Durations have a unit (ms s m h d), sizes too (B KiB MiB GiB). Secrets are files and never stand here; \
one newline at the end of such a file is dropped. Relative names of files are looked up from where kula-relay was started. Anchors, \
aliases, tags and several documents in one file are refused, and so are unknown keys.

At SIGHUP "kula-relay serve", "kula-relay forward" and "kula-relay watch" read it again and take it whole or not at all: on a mistake \
everything stays as it was."""


def quoted(text):
    """As it is, whatever it begins with; a hyphen is one that can be copied."""
    for plain, escaped in (("\\", "\\e"), ("-", "\\-"), ("'", "\\(aq"), ("`", "\\(ga"), ("^", "\\(ha"), ("~", "\\(ti")):
        text = text.replace(plain, escaped)
    return re.sub(r"(?m)^\.", r"\\&.", text)


def filled(text):
    """Lines that end where a sentence does not matter: man fills them anyway."""
    return re.sub(r"(?m)^\.", r"\\&.", "\n".join(textwrap.wrap(quoted(text), 78, break_long_words=False, break_on_hyphens=False)))


def literal(text):
    return [".RS 4", ".EX", quoted(text), ".EE", ".RE"]


def prose(text):
    """Paragraphs; what is indented in them is a list, whose lines stay as they are."""
    lines = []
    for paragraph in text.split("\n\n"):
        lines.append(".PP")
        for block in re.findall(r"(?m)(?:^  .*\n?)+|(?:^(?!  ).*\n?)+", paragraph):
            block = block.rstrip("\n")
            lines += literal(textwrap.dedent(block)) if block.startswith("  ") else [filled(block)]
    return lines


def entry(head, meaning):
    return [".TP", head, filled(meaning)]


def option(one):
    value = f" \\fI{quoted(one.value)}\\fR" if one.value else ""
    return entry(", ".join(f"\\fB{quoted(word)}\\fR" for word in one.spellings()) + value, one.help[0].upper() + one.help[1:] + ".")


def title(name, section, version, date):
    return [f'.TH {name.upper()} {section} {date} "kula\\-relay {version}" "kula\\-relay"',
            ".nh", ".ad l"]  # names of files and keys are not broken, nor spread


def named(name, summary):
    return [".SH NAME", f"{quoted(name)} \\- {quoted(summary)}"]


def command(one, common_exits):
    lines = [f".SS {quoted(one.name)}", f".B kula\\-relay {quoted(one.name)}", filled(one.usage), *prose(one.about)]
    for each in one.options:
        lines += option(each)
    if one.exits and one.exits != common_exits:
        lines += [".PP", filled(one.exits)]
    if one.example:
        lines += [".PP", "Example:", *literal(one.example)]
    return lines


def overview(commands, version, date):
    """kula-relay(1)"""
    exits = [one.exits for one in commands if one.exits]
    common_exits = max(exits, key=exits.count)
    lines = [*title("kula\\-relay", 1, version, date),
             *named("kula-relay", "takes Kula's signed webhooks and brings them to your services"),
             ".SH SYNOPSIS", ".B kula\\-relay", "\\fICOMMAND\\fR [\\fIoptions\\fR]",
             ".br", ".B kula\\-relay \\-\\-help", ".br", ".B kula\\-relay \\-\\-version",
             ".SH DESCRIPTION", *prose(DESCRIPTION)[1:], ".SH COMMANDS"]
    for one in commands:
        lines += command(one, common_exits)
    lines += [".SH EXIT STATUS", filled(common_exits.removeprefix("Exit codes: ")), ".SH ENVIRONMENT"]
    for name, meaning in ENVIRONMENT:
        lines += entry(f"\\fB{quoted(name)}\\fR", meaning)
    lines.append(".SH FILES")
    for name, meaning in FILES:
        lines += entry(f"\\fI{quoted(name)}\\fR", meaning)
    return [*lines, ".SH SEE ALSO", ".BR kula\\-relay.yaml (5)"]


def serve(commands, version, date):
    """kula-relay-serve(1): a program of its own, which `kula-relay serve` becomes."""
    one = next(each for each in commands if each.name == "serve")
    lines = [*title("kula\\-relay\\-serve", 1, version, date), *named("kula-relay-serve", one.summary),
             ".SH SYNOPSIS", f".B kula\\-relay\\-serve\n{quoted(one.usage)}",
             ".SH DESCRIPTION",
             filled('This is the program that "kula-relay serve" becomes: one of its own, so that the process on the internet is '
                    "linked with no more than it needs."), *prose(one.about), ".SH OPTIONS"]
    for each in one.options:
        lines += option(each)
    return [*lines, ".SH EXIT STATUS", filled(one.exits.removeprefix("Exit codes: ")),
            ".SH SEE ALSO", ".BR kula\\-relay (1),", ".BR kula\\-relay.yaml (5)"]


def configuration(keys, version, date):
    """kula-relay.yaml(5)"""
    lines = [*title("kula\\-relay.yaml", 5, version, date), *named("kula-relay.yaml", "the configuration of kula-relay"),
             ".SH DESCRIPTION", *prose(CONFIGURATION)[1:], ".SH KEYS",
             filled("Where a name has [] in it, what follows stands in each item of a list.")]
    for path, rest, meaning in keys:
        if "." in path:
            lines += entry(f"\\fB{quoted(path)}\\fR {quoted(rest)}".rstrip(), meaning)
        else:
            lines += [f".SS {quoted(path)}", filled(meaning)]
    lines.append(".SH FILES")
    for name, meaning in FILES:
        lines += entry(f"\\fI{quoted(name)}\\fR", meaning.replace("; see kula-relay.yaml(5)", ""))
    return [*lines, ".SH SEE ALSO", ".BR kula\\-relay (1)"]
