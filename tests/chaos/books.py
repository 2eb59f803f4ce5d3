"""The oracle: what was accepted, what each service saw, and what explains every repetition.

It lives in a process that nothing kills. An event counts as accepted when Kula read a 2xx, as
delivered when a service had read all of it and meant to say 200, whether or not anybody heard.
"""

import bisect
import collections
import hashlib
import itertools
import statistics

# A service's answer is settled within this time when nothing is in the way.
SETTLE_S = 1.0
# A service's time for an answer, as forward is told.
ANSWER_S = 2.0
# Our own part may be late: unnoticed up to this long, and at most so long.
LATE_S = 0.25
STALL_MOST_S = 60.0

Sight = collections.namedtuple("Sight", "at port")


class Event:
    __slots__ = ("id", "type", "digest", "forged", "attempts", "sent_at", "accepted_at", "seen",
                 "ended")

    def __init__(self, event_id, event_type, digest, forged):
        self.id, self.type, self.digest, self.forged = event_id, event_type, digest, forged
        self.attempts = 0
        self.sent_at = self.accepted_at = None
        self.seen = {}   # service -> [Sight]
        self.ended = ""  # why Kula stopped trying without a 2xx


class Trouble:
    """Something we did. It lasts until all is as before: kill to running again, stop to go on."""

    def __init__(self, kind, at):
        self.kind = kind
        self.at = at
        self.until = float("inf")
        self.repeated = collections.Counter()  # service -> events it explains

    def overlaps(self, begin, end):
        return self.at <= end and begin <= self.until


def digest(body):
    # 300,000 bodies of a long run need not stand in memory.
    return hashlib.blake2b(body, digest_size=16).digest()


class Books:
    def __init__(self, wants, window):
        self.wants = wants      # service -> function of a type
        self.window = window    # how many events one forwarder carries to a service at once
        self.events = {}
        self.refusals = collections.Counter()
        self.answers = collections.Counter()
        self.troubles = []
        self.cuts = collections.defaultdict(list)  # (service, port) -> [(when, the last event)]
        self._last = {}         # (service, port) -> the event that came over it last
        self._cut_now = set()   # (service, port) of connections that have been cut
        self.accepted_count = self.attempts = self.failed_by_service = 0
        self._stalls = []       # (from, for how long): the machine was too busy for our own part
        self.wrong = []         # what must not happen and was seen at once

    # Kula's side.

    def emitted(self, event_id, event_type, body, forged):
        event = self.events[event_id] = Event(event_id, event_type, digest(body), forged)
        return event

    def accepted(self, event, at, word):
        self.attempts += 1
        event.accepted_at = at
        self.accepted_count += 1
        self.answers[word] += 1
        if event.forged or word not in ("accepted", "duplicate"):
            self.wrong.append(f"{event.id} was answered 2xx {word}{', forged' * event.forged}")

    def refused(self, event, why):
        self.attempts += 1
        self.refusals[why] += 1
        # 4xx is final at Kula: from us only a forged one may hear it.
        if why.startswith("4") and not event.forged:
            self.wrong.append(f"{event.id} was refused for good: {why}")

    def given_up(self, event, tried):
        event.ended = "given up" if tried else "refused"

    # The services' side.

    def seen(self, service, event_id, event_type, body, at, port):
        event = self.events.get(event_id)
        if not event or event.forged:
            self.wrong.append(f"{service} saw {event_id!r}, which Kula never signed")
            return
        if digest(body) != event.digest or event.type != event_type:
            self.wrong.append(f"{service} saw {event_id} altered")
        if not self.wants[service](event.type):
            self.wrong.append(f"{service} saw {event_id}, {event.type}, which it does not want")
        event.seen.setdefault(service, []).append(Sight(at, port))
        self._last[service, port] = event_id
        if (service, port) in self._cut_now:  # it was still on its way through the kernel
            self.cuts[service, port].append((at, event_id))

    def connected(self, service, port):
        self._cut_now.discard((service, port))
        self._last.pop((service, port), None)

    def cut(self, service, port, at):
        """We ended this connection: of all that came over it, only the last can lack its answer."""
        self.cuts[service, port].append((at, self._last.get((service, port))))
        self._cut_now.add((service, port))

    def stalled(self, at, seconds):
        """For so long nothing here was done on time, and so nothing elsewhere either, it may be."""
        self._stalls.append((at, seconds))

    # What we did to them.

    def trouble(self, kind, at):
        self.troubles.append(Trouble(kind, at))
        return self.troubles[-1]

    # The end.

    def accepted_events(self):
        return [event for event in self.events.values() if event.accepted_at and not event.forged]

    def missing(self):
        """[(event, service)]: accepted, wanted and never delivered."""
        return [(event, service) for event in self.accepted_events()
                for service, wants in self.wants.items()
                if wants(event.type) and service not in event.seen]

    def explain(self):
        """(what explains the repetitions -> how many, the unexplained ones)."""
        causes, unexplained = collections.Counter(), []
        again = [(event, service, first, second)
                 for event in self.events.values()
                 for service, sights in event.seen.items()
                 for first, second in zip(sights, sights[1:])]
        for event, service, first, second in sorted(again, key=lambda row: row[2].at):
            cause = self._cause(event, service, first, second)
            causes[cause or "unexplained"] += 1
            if not cause:
                unexplained.append((event, service, first, second))
        return causes, unexplained

    def _cause(self, event, service, first, second):
        """Why a service saw again what it had answered at first.at."""
        if any(event.id == last and first.at <= at <= second.at
               for at, last in self.cuts.get((service, first.port), ())):
            return "its answer was cut off"
        # The service may have read late what it was sent in time.
        sent_at = first.at - LATE_S - self._stalled_s(first.at - LATE_S, first.at)
        by = self._settled_by(first.at)
        near = [one for one in self.troubles if one.overlaps(sent_at, by)]
        for one in near:
            if one.kind == "redis forgot":  # it lasts from what it remembers to its return
                return one.kind
        for one in near:
            if one.kind == "forward killed" and one.repeated[service] < self.window:
                one.repeated[service] += 1
                return one.kind
        for one in near:
            if one.kind in ("redis killed", "redis paused", "forward paused"):
                return one.kind
        if self._stalled_s(sent_at, by) >= ANSWER_S - SETTLE_S:
            return "it answered too late"
        return None

    def _settled_by(self, at):
        by, late = at, at + SETTLE_S
        while late > by:
            by, late = late, at + SETTLE_S + self._stalled_s(at, late)
        return by

    def _stalled_s(self, begin, end):
        """How long we stood still in stalls that reach into this time."""
        first = bisect.bisect_left(self._stalls, (begin - STALL_MOST_S,))
        return sum(seconds for at, seconds in itertools.takewhile(lambda one: one[0] <= end, self._stalls[first:])
                   if at + seconds >= begin)

    def near(self, event):
        """What was going on while this event came in, for people."""
        return [one.kind for one in self.troubles
                if one.overlaps(event.sent_at - 2, event.sent_at + 5)]

    def drains(self, kind):
        """How long after each such trouble the last event accepted until its end was delivered."""
        events = sorted((event.accepted_at, max(sights[0].at for sights in event.seen.values()))
                        for event in self.accepted_events() if event.seen)
        times = [at for at, _ in events]
        found = []
        for one in (one for one in self.troubles if one.kind == kind):
            during = events[bisect.bisect_left(times, one.at - 10):
                            bisect.bisect_right(times, one.until)]
            if during:
                found.append(max(0.0, max(last for _, last in during) - one.until))
        return found

    def figures(self):
        """Rows of (name, value) for people."""
        accepted = self.accepted_events()
        lags = sorted(max(0.0, sights[0].at - event.accepted_at)
                      for event in accepted for sights in event.seen.values())
        again = sum(max(0, event.attempts - 1) for event in self.events.values())
        yield "events that happened at Kula", len(self.events)
        yield "  while this machine was too busy, s", round(sum(seconds for _, seconds in self._stalls), 3)
        yield "  of which forged", sum(event.forged for event in self.events.values())
        yield "  accepted (2xx)", len(accepted)
        yield "  given up by Kula", sum(event.ended == "given up" for event in self.events.values())
        yield "attempts of Kula", self.attempts
        yield "  of which repetitions", again
        for word, count in sorted(self.answers.items()):
            yield f"  answered 2xx {word}", count
        for why, count in sorted(self.refusals.items()):
            yield f"  {why}", count
        for service in self.wants:
            sights = [event.seen[service] for event in self.events.values()
                      if service in event.seen]
            yield f"delivered to {service}", len(sights)
            yield "  seen again", sum(len(each) - 1 for each in sights)
            yield "  never answered 2xx to Kula", sum(
                service in event.seen and not event.accepted_at for event in self.events.values())
        yield "answered 500 by a service", self.failed_by_service
        if lags:
            yield "acceptance to delivery, median s", statistics.median(lags)
            yield "  99 of 100 within s", lags[int(len(lags) * 0.99)]
            yield "  at most s", lags[-1]
        for kind, count in sorted(collections.Counter(one.kind for one in self.troubles).items()):
            yield kind, count
            drains = self.drains(kind)
            if drains:
                yield "  all of before delivered after, median s", statistics.median(drains)
                yield "  at most s", max(drains)
        yield "connections cut at the services", sum(map(len, self.cuts.values()))
