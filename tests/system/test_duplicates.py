"""Kula delivers at least once; the ledger has each event once."""

import collections
import threading
import time

from house import SECRET, House, Story
from processes import SLOW
from sim import events, wire
from sim.kula import signed_headers


class Duplicates(Story):
    """The spool may call it accepted: whether it was seen before is found out after the answer."""

    words = ("accepted", "duplicate")

    def test_a_duplicate_is_told_so_and_stored_once(self):
        crm = self.house.service("crm")
        self.house.start()
        event_id, body = self.house.post_event()
        for t in (None, int(time.time()) - 60):  # retries may be signed anew or not
            answer = self.house.post(body, t=t)
            self.assertEqual((answer.status, answer.json()["event_id"]), (200, event_id))
            self.assertIn(answer.json()["status"], self.words)
        self.house.drain()
        self.assertEqual(self.house.ledger.event_ids(), [event_id])
        self.assertEqual(self.house.redis("HGET", "kula:endpoint:kula", "duplicate"), b"2")
        self.house.settle("crm")
        self.assertEqual(len(crm.of(event_id)), 1)

    def test_a_duplicate_with_another_body_keeps_the_first(self):
        self.house.start()
        event_id, body = self.house.post_event("candidate.created")
        other = events.encode(events.event("candidate.updated", event_id))
        self.assertIn(self.house.post(other).json()["status"], self.words)
        self.house.drain()
        [(_, fields)] = self.house.ledger.events()
        self.assertEqual(fields["body"], body)

    def test_the_same_id_at_another_endpoint_is_another_event(self):
        self.house.endpoint("second", "/webhooks/second")
        self.house.start()
        event_id, body = self.house.post_event()
        answer = self.house.post(body, path="/webhooks/second")
        self.assertEqual(answer.json()["status"], "accepted")
        self.house.drain()
        self.assertEqual(self.house.ledger.event_ids(), [event_id, event_id])

    def test_fifty_at_once_over_fifty_connections_are_stored_once(self):
        crm = self.house.service("crm")
        self.house.start()
        event = events.event("application.hired")
        body = events.encode(event)
        message = wire.request("POST", House.PATH, signed_headers(SECRET, body, int(time.time())), body)
        wires = [self.enterContext(wire.Wire(self.house.serve.url, timeout_s=10 * SLOW))
                 for _ in range(50)]
        answers = self.all_at_once(wires, message)
        self.assertEqual({one.status for one in answers}, {200})
        self.assert_told(collections.Counter(one.json()["status"] for one in answers))
        self.house.drain()
        self.assertEqual(self.house.ledger.event_ids(), [event["event_id"]])
        self.house.settle("crm")
        self.assertEqual([one.body for one in crm.requests], [body])

    def assert_told(self, words):
        self.assertLessEqual(set(words), set(self.words))

    def all_at_once(self, wires, message):
        answers = []
        barrier = threading.Barrier(len(wires))

        def deliver(one):
            barrier.wait()
            one.send(message)
            answers.append(one.answer())

        threads = [threading.Thread(target=deliver, args=(one,)) for one in wires]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(len(answers), len(wires))
        return answers


class DuplicatesInTheLedger(Duplicates):
    """Who waits for Redis knows whether it was seen before, and says so."""

    durability = "ledger"
    words = ("duplicate",)

    def assert_told(self, words):
        self.assertEqual(words, {"accepted": 1, "duplicate": 49})
