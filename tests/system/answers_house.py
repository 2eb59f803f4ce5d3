"""One serve for many small stories about answers, told twice: over plain HTTP and over TLS."""

import time

from house import House, certificate, end_story
from processes import SLOW
from sim import events, wire

BODY_LIMIT = 1 << 20


def signature(value):
    return [("X-Kula-Signature", value), ("Content-Type", "application/json")]


class Answers:
    """Told with one serve for all; each test looks at what it alone has changed."""

    tls = False

    @classmethod
    def setUpClass(cls):
        cls.house = house = House()
        cls.addClassCleanup(house.close)
        house.listen_tls()
        house.endpoint("retry", "/stale/retry", stale="retry", unmatched="retry")
        house.endpoint("reject", "/stale/reject", stale="reject")
        house.endpoint("ours", "/ours", accounts=["12345"])
        house.serve_settings = {"body_limit": "1MiB"}
        house.start()

    @classmethod
    def tearDownClass(cls):
        end_story(cls.house)

    def setUp(self):
        self.serve = self.house.serve
        self.ledger = self.house.ledger
        self.url = self.serve.tls_url if self.tls else self.serve.url
        self.fresh()

    def fresh(self):
        """Another event, and what is stored is looked at anew."""
        self.event = events.event("candidate.created")
        self.body = events.encode(self.event)
        self.before = (self.ledger.length(), len(self.ledger.penned()))

    def tearDown(self):
        self.assertTrue(self.serve.alive(), self.serve.report())

    # What the tests are made of.

    def wire(self):
        return self.enterContext(
            wire.Wire(self.url, certificate()[0] if self.tls else None, 12 * SLOW))

    def post(self, body=None, **how):
        return self.house.post(self.body if body is None else body, url=self.url, **how)

    def now(self):
        return int(time.time())

    def counted(self):
        return (self.serve.value("deliveries_total") + self.serve.value("http_faults_total"))

    def assert_one_line(self, answer, status, word):
        self.assertEqual(answer.status, status, answer)
        self.assertEqual(answer.header("Content-Type"), "application/json")
        self.assertEqual(answer.body.count(b"\n"), answer.body.endswith(b"\n"))
        if word:
            self.assertEqual(answer.json()["status"], word)

    def assert_refused(self, ask, status, word):
        """The answer is this, one counter moved by one, and nothing is stored anywhere."""
        counted = self.counted()
        answer = ask()
        self.assert_one_line(answer, status, word)
        self.assertEqual(set(answer.json()), {"status"})
        self.assertEqual(self.counted(), counted + 1)
        self.assert_stored(0, 0)
        return answer

    def stored(self):
        """How many more events and penned deliveries there are than before."""
        return (self.ledger.length() - self.before[0],
                len(self.ledger.penned()) - self.before[1])

    def assert_stored(self, events_more, penned_more):
        self.house.drain()
        self.assertEqual(self.stored(), (events_more, penned_more))

    def assert_accepted(self, answer, body, event_id):
        self.assert_one_line(answer, 200, "accepted")
        self.assertEqual(answer.json(), {"status": "accepted", "event_id": event_id})
        self.assert_stored(1, 0)
        _, fields = self.ledger.events()[-1]
        self.assertTrue(fields["body"] == body, "the stored body is another")
        self.assertEqual(fields["id"].decode(), event_id)
        return fields

    def assert_penned(self, body, reason=None, **how):
        penned = self.serve.deliveries("penned")
        answer = self.post(body, **how)
        self.assert_one_line(answer, 200, "penned")
        self.assertEqual(self.serve.deliveries("penned"), penned + 1)
        self.assert_stored(0, 1)
        kept = self.ledger.penned()[-1]
        self.assertEqual(kept["body"], body)
        self.assertTrue(kept["signature"].startswith(b"t="))
        if reason:
            self.assertEqual(kept["reason"].decode(), reason)
