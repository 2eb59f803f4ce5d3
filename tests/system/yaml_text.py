"""Writes the configuration as the YAML that people write: blocks, not JSON."""

import re

_PLAIN = re.compile(r"^[\w/][\w./@?&=+-]*(:[\w/][\w./@?&=+-]*)*$")


def scalar(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    text = str(value)
    if _PLAIN.match(text):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def yaml_text(value, indent=0):
    """Dicts, lists, words and numbers; an empty list is written as []."""
    pad = " " * indent
    if isinstance(value, dict):
        return "".join(f"{pad}{key}:{_below(child, indent)}" for key, child in value.items())
    lines = []
    for child in value:
        if isinstance(child, dict):
            block = yaml_text(child, indent + 2)
            lines.append(f"{pad}- {block[indent + 2:]}")
        else:
            lines.append(f"{pad}- {scalar(child)}\n")
    return "".join(lines)


def _below(child, indent):
    if isinstance(child, (dict, list)) and child:
        return "\n" + yaml_text(child, indent + 2)
    if isinstance(child, list):
        return " []\n"
    return f" {scalar(child)}\n"
