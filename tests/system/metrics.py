"""What a program says on its /metrics: the facts that most tests wait for."""

import re

from processes import until
from sim import wire

_SERIES = re.compile(r'^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$')
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


def parse(text):
    """[(name, {label: value}, number)] of the Prometheus text format."""
    series = []
    for line in text.splitlines():
        if line and not line.startswith("#"):
            name, labels, number = _SERIES.match(line).groups()
            series.append((name, dict(_LABEL.findall(labels or "")), float(number)))
    return series


class Admin:
    """The admin listener of serve or forward."""

    def __init__(self, address):
        self.url = f"http://{address}"

    def get(self, path):
        return wire.get(self.url + path)

    def value(self, name, **labels):
        """The sum of all series of this name that have these labels."""
        series = parse(self.get("/metrics").body.decode())
        return sum(number for found, has, number in series
                   if found == name and labels.items() <= has.items())

    def wait(self, name, labels, value, deadline_s=10.0):
        """Until it is at least `value`, or value(number) is true. Returns the number."""
        fits = value if callable(value) else lambda number: number >= value
        seen = []

        def ask():
            seen[:] = [self.value(name, **labels)]
            return fits(seen[0])

        until(ask, lambda: f"{name}{labels} is {seen[0]:g}, wanted {value}", deadline_s)
        return seen[0]
