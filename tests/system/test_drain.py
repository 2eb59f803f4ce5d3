"""SIGTERM is gentle: who was promised an answer gets it, and what was accepted is delivered."""

import signal
import threading
import time

from house import SECRET, Story
from sim import wire
from sim.kula import signed_headers


class Drain(Story):
    def test_serve_told_to_stop_under_load_breaks_no_answer_and_loses_nothing(self):
        crm = self.house.service("crm")
        self.house.listen_tls()
        self.house.start()
        kula = [self.house.kula(connections=16, tls=tls, rate=300) for tls in (False, True)]
        sent = [one.ping() for one in kula for _ in range(300)]
        for one in kula:
            one.wait_for(lambda k: sum(x.status == "delivered" for x in k.deliveries) > 60, "load")
        self.house.serve.stop()
        for one in kula:
            # Whoever comes after the door has closed is refused, until Kula sends no more.
            one.wait_for(lambda k: all(x.attempts or x.status == "dropped" for x in k.deliveries),
                         "every first attempt")
        attempts = [attempt for one in sent for attempt in one.attempts]
        self.assertEqual([one for one in attempts if "Torn" in one.error], [])
        self.assertEqual({one.status for one in attempts} - {0}, {200})
        accepted = [one.event_id for one in sent if one.status == "delivered"]
        self.assertGreater(len(accepted), 120)
        crm.wait_delivered(accepted)
        self.house.settle()

    def test_idle_connections_do_not_keep_serve(self):
        self.house.start()
        idle = [self.enterContext(wire.Wire(self.house.serve.url)) for _ in range(3)]
        self.house.serve.wait("connections", {}, 3)
        self.house.serve.stop(deadline_s=5)
        self.assertTrue(all(one.ends() for one in idle))

    def test_forward_told_to_stop_finishes_what_is_under_way_and_repeats_nothing(self):
        crm = self.house.service("crm", concurrency=4)
        crm.slow(0.02)
        self.house.start()
        kula = self.house.kula()
        sent = kula.wait([kula.ping() for _ in range(100)])
        crm.wait(lambda all_: len(all_) >= 20, "some requests")
        self.house.forward.stop()
        told = len(crm.requests)
        self.assertEqual(self.house.ledger.counts("crm")["done"], told)
        self.house.start_forward()
        self.house.settle()
        ids = [one.event_id for one in crm.requests]
        self.assertEqual(sorted(ids), sorted(one.event_id for one in sent), "something came twice")


    def test_forward_told_twice_ends_at_once_and_what_was_under_way_is_still_owed(self):
        crm = self.house.service("crm")
        crm.stall(times=1)
        self.house.start()
        self.house.post(b'{"event":"ping","event_id":"evt_1"}')
        self.house.forward.wait("attempts_in_flight", {"service": "crm"}, 1)
        self.house.forward.signal(signal.SIGTERM)
        self.house.forward.said("stopping: attempts in flight are finished")
        self.house.forward.signal(signal.SIGTERM)
        self.house.forward.ended(deadline_s=5)
        self.assertEqual(self.house.ledger.owed("crm"), 1)


class DrainOfWhatWaitsForRedis(Story):
    durability = "ledger"

    def test_deliveries_in_flight_are_answered_before_serve_ends(self):
        self.house.start()
        serve = self.house.serve
        self.house.redis.freeze()
        answers = []
        senders = [threading.Thread(target=self.send, args=(n, answers)) for n in range(5)]
        for sender in senders:
            sender.start()
        serve.wait("deliveries_in_flight", {}, 5)
        serve.signal(signal.SIGTERM)
        serve.said("draining")
        self.assertEqual(serve.admin.get("/readyz").json(), {"status": "draining"})
        self.assertEqual(serve.admin.get("/readyz").status, 503)
        with self.assertRaises(ConnectionRefusedError):
            wire.Wire(serve.url)
        self.house.redis.thaw()
        for sender in senders:
            sender.join()
        self.assertEqual([one.status for one in answers], [200] * 5)
        self.assertTrue(all(one.closes for one in answers), answers)
        serve.ended()
        self.assertEqual(self.house.ledger.length(), 5)

    def test_serve_told_twice_ends_at_once_though_a_delivery_is_held(self):
        self.house.start()
        serve = self.house.serve
        self.house.redis.freeze()
        body = b'{"event":"ping","event_id":"evt_1"}'
        held = self.enterContext(wire.Wire(serve.url))
        held.send(wire.request("POST", self.house.PATH, signed_headers(SECRET, body, int(time.time())), body))
        serve.wait("deliveries_in_flight", {}, 1)
        serve.signal(signal.SIGTERM)
        serve.said("draining")
        serve.signal(signal.SIGTERM)
        serve.said("told twice to stop, not waiting", deliveries="1")
        serve.ended(deadline_s=5, expect=1)
        self.house.redis.thaw()

    def send(self, n, answers):
        answers.append(self.house.post(b'{"event":"ping","event_id":"evt_%d"}' % n))
