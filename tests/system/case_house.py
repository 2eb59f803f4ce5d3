"""The cases of tests/data/http_cases.txt, sent to a real serve and looked up in its ledger."""

import sys
import time

from house import SECRET, House, certificate
from processes import ROOT, SLOW
from sim import wire
from sim.kula import sign

sys.path.insert(0, str(ROOT / "tests" / "data"))

import http_cases  # noqa: E402

TOGETHER = 100  # connections at once, so that the first pieces arrive before the second are sent
PROBE = wire.request("GET", "/healthz", length=False)


class Sent:
    """A case with events of its own, signed."""

    def __init__(self, case, number):
        self.case = case
        self.ids = [f"evt_case_{number}_{which}" for which in (1, 2)]
        first, second = (http_cases.event(event_id) for event_id in self.ids)
        now = int(time.time())
        self.bytes = case.bytes({
            "event": first.decode(), "signature": sign(SECRET, first, now),
            "second": second.decode(), "second_signature": sign(SECRET, second, now)})


def outcome(connection, case):
    """The answers, and what is other than the table says, in words: empty where nothing is."""
    answers = []
    try:
        for _ in case.statuses:
            answers.append(connection.answer())
        got = [answer.status for answer in answers]
        if got != case.statuses:
            return answers, f"{got}"
        if case.closes:
            return answers, "" if connection.ends() else "more than that, or no end"
        connection.send(PROBE)
        probed = connection.answer().status
        return answers, "" if probed == 200 else f"{probed} after that"
    except (OSError, ValueError) as error:
        return answers, f"{[answer.status for answer in answers]}, then {error!r}"


class CaseHouse(House):
    """A serve with the table's limit."""

    def __init__(self):
        super().__init__()
        self.serve_settings = {"body_limit": f"{http_cases.BODY_LIMIT // 1024}KiB"}
        self.sent = [Sent(case, number) for number, case in enumerate(http_cases.load())]
        self.told = set()  # the events that were answered 200

    def connect(self, url):
        return wire.Wire(url, certificate()[0] if url.startswith("https") else None, 30 * SLOW)

    def send(self, url, cuts):
        """`cuts` are (Sent, where it is cut in pieces); what went otherwise than the table says."""
        wrong = []
        for at in range(0, len(cuts), TOGETHER):
            group = [(sent, places, self.connect(url)) for sent, places in cuts[at : at + TOGETHER]]
            for piece in range(1 + max(len(places) for _, places, _ in group)):
                for sent, places, connection in group:
                    if piece <= len(places):
                        bounds = [0, *places, len(sent.bytes)]
                        connection.send(sent.bytes[bounds[piece] : bounds[piece + 1]])
            for sent, places, connection in group:
                answers, other = outcome(connection, sent.case)
                self.told.update(answer.json()["event_id"] for answer in answers
                                 if answer.status == 200)
                if other:
                    wrong.append(f"{sent.case} gets {other}, cut at {places[:5]}")
                connection.reset()
        return wrong
