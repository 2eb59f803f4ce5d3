"""Redis may go and come back: Kula hears no "no" that a short wait can avoid, and a 2xx holds."""

import shutil
import signal
import threading
import time

from house import Story
from processes import SLOW, until


class UnderLoad:
    def under_load(self, interrupt):
        """Deliveries come all the time while Redis is interrupted: all are told 2xx, all arrive."""
        crm, search = self.house.service("crm"), self.house.service("search")
        self.house.start()
        kula = self.house.kula(connections=16, rate=150)
        sent = [kula.ping() for _ in range(300)]
        kula.wait_for(lambda k: sum(one.status == "delivered" for one in sent) >= 80, "load")
        interrupt(self.house.redis)
        kula.wait(sent, 40)
        statuses = {attempt.status for one in sent for attempt in one.attempts}
        self.assertEqual(statuses, {200}, [one for one in sent if len(one.attempts) > 1][:3])
        wanted = {one.event_id: one.body for one in sent}
        for service in (crm, search):
            service.wait_delivered(wanted, 30)
            self.assertTrue(service.bodies() == wanted, "not just what was accepted")
        self.house.settle(deadline_s=30)
        ids = self.house.ledger.event_ids()
        self.assertEqual(sorted(ids), sorted(wanted), "stored not just once")

    def test_redis_restarted_under_load_costs_no_delivery(self):
        def restart(redis):
            redis.stop()
            redis.start()

        self.under_load(restart)
        self.assertGreaterEqual(self.house.serve.value("redis_connects_total"), 2)
        self.assertGreaterEqual(self.house.forward.value("redis_connects_total"), 2)

    def test_redis_killed_under_load_costs_no_delivery(self):
        def kill(redis):
            redis.kill()
            redis.start()

        self.under_load(kill)


class RedisOutage(UnderLoad, Story):
    """Where a 2xx waits for Redis, deliveries are held while it is away."""

    durability = "ledger"

    def test_redis_frozen_for_a_moment_under_load_costs_no_delivery(self):
        def freeze(redis):
            redis.freeze()
            self.house.serve.wait("deliveries_in_flight", {}, 16)
            redis.thaw()

        self.under_load(freeze)

    def test_serve_starts_without_redis_holds_deliveries_and_then_says_503(self):
        serve = self.house.start_serve()
        ready = serve.admin.get("/readyz")
        self.assertEqual((ready.status, ready.json()),
                         (200, {"status": "ready", "degraded": True, "redis": "away", "held": True}))
        self.assertEqual(serve.admin.get("/healthz").status, 200)
        self.assertEqual(serve.value("redis_connected"), 0)
        started = time.monotonic()
        answer = self.house.post(b'{"event":"ping","event_id":"evt_1"}')
        held_s = time.monotonic() - started
        self.assertEqual((answer.status, answer.json()), (503, {"status": "unavailable"}))
        self.assertGreater(int(answer.header("Retry-After")), 0)
        self.assertGreater(held_s, 7.5)
        self.assertLess(held_s, 9.5 * SLOW)
        self.assertEqual(serve.deliveries("unavailable"), 1)

    def test_forward_starts_without_redis_and_works_when_it_comes(self):
        crm = self.house.service("crm")
        self.house.start_serve()
        forward = self.house.start_forward(wait_open=False)
        self.assertEqual(forward.admin.get("/readyz").status, 503)
        self.house.redis.start()
        forward.said("forwarding")
        self.assertEqual(forward.admin.get("/readyz").status, 200)
        event_id, _ = self.house.post_event()
        crm.wait_delivered([event_id])
        self.house.settle()

    def test_a_delivery_held_while_redis_is_away_is_accepted_when_it_comes_back(self):
        serve = self.house.start_serve()
        answers = []
        body = b'{"event":"ping","event_id":"evt_1"}'
        sender = threading.Thread(target=lambda: answers.append(self.house.post(body)))
        sender.start()
        serve.wait("deliveries_in_flight", {}, 1)
        self.house.redis.start()
        sender.join()
        self.assertEqual((answers[0].status, answers[0].json()["status"]), (200, "accepted"))
        self.assertEqual(self.house.ledger.event_ids(), ["evt_1"])
        serve.wait("redis_connected", {}, 1)
        self.assertEqual(serve.admin.get("/readyz").json(), {"status": "ready"})


    def test_forward_told_to_stop_while_redis_is_away_stops_at_once(self):
        crm = self.house.service("crm")
        self.house.start()
        event_id, _ = self.house.post_event()
        crm.wait_delivered([event_id])
        self.house.settle()
        self.house.redis.wait_armed()
        self.house.redis.kill()
        self.house.forward.said("redis is away")
        told = time.monotonic()
        self.house.forward.stop()
        self.assertLess(time.monotonic() - told, 4 * SLOW, "it waited for Redis")

    def test_forward_sees_that_redis_hangs_however_long_it_could_wait(self):
        crm = self.house.service("crm")
        self.house.start()
        crm.hold()
        event_id, _ = self.house.post_event()
        crm.wait_for(event_id)
        self.house.redis.freeze()
        crm.heal()
        forward = self.house.forward
        # What was attempted can be settled for ten minutes; that Redis hangs is seen much earlier.
        self.assertIn("does not answer", forward.said("redis is away")["reason"])
        self.house.redis.thaw()
        forward.said("redis is back")
        self.house.settle()
        self.assertEqual(len(crm.of(event_id)), 1)

    def test_what_redis_says_is_no_2xx_where_it_is_not_the_scripts_own_word(self):
        # A command renamed by somebody's policy: what is asked is answered, and nothing is stored.
        self.house.redis.more = ["--rename-command", "EVALSHA", "NOBODY", "--rename-command", "MGET", "EVALSHA"]
        self.house.redis.start()
        serve = self.house.start_serve()
        serve.wait("redis_connected", {}, 1)
        answer = self.house.post(b'{"event":"ping","event_id":"evt_1"}')
        self.assertEqual((answer.status, answer.json()), (503, {"status": "unavailable"}))
        self.assertEqual(serve.deliveries("unavailable"), 1)
        self.assertEqual(self.house.redis("EXISTS", "kula:events"), 0)


class RedisOutageWithASpool(UnderLoad, Story):
    """Where a 2xx waits for the spool, Kula does not notice."""

    def test_deliveries_are_accepted_without_redis_and_stored_in_their_order_when_it_comes(self):
        crm = self.house.service("crm")
        serve = self.house.start_serve()
        bodies = [b'{"event":"ping","event_id":"evt_%d"}' % n for n in range(20)]
        for body in bodies:
            answer = self.house.post(body)
            self.assertEqual((answer.status, answer.json()["status"]), (200, "accepted"))
        self.assertEqual(serve.value("spool_undrained_records"), 20)
        self.assertEqual(serve.admin.get("/readyz").json(),
                         {"status": "ready", "degraded": True, "redis": "away"})
        self.house.redis.start()
        self.house.drain()
        stored = [fields["body"] for _, fields in self.house.ledger.events()]
        self.assertEqual(stored, bodies)
        self.house.start_forward()
        crm.wait_delivered([f"evt_{n}" for n in range(20)])
        self.house.settle()

    def test_what_a_killed_serve_left_in_the_spool_is_stored_by_the_next(self):
        self.house.start_serve()
        ids = [f"evt_{n}" for n in range(5)]
        for event_id in ids:
            answer = self.house.post(b'{"event":"ping","event_id":"%s"}' % event_id.encode())
            self.assertEqual(answer.status, 200)
        self.house.serve.kill()
        self.house.redis.start()
        self.house.start_serve()
        self.house.drain()
        self.assertEqual(self.house.ledger.event_ids(), ids)

    def test_it_stops_at_once_and_the_next_start_stores_what_is_left_in_the_spool(self):
        """Also one that makes no new spool: what was accepted is owed whatever the durability is now."""
        serve = self.house.start_serve()
        ids = [f"evt_{n}" for n in range(5)]
        for event_id in ids:
            self.house.post(b'{"event":"ping","event_id":"%s"}' % event_id.encode())
        told = time.monotonic()
        serve.stop()
        self.assertLess(time.monotonic() - told, 4 * SLOW, "it waited for Redis")
        serve.said("drained", left_in_spool=str(len(ids)))
        self.house.redis.start()
        self.house.serve_settings = {"durability": "ledger",
                                     "spool": {"directory": str(self.house.spool_folder)}}
        serve = self.house.start_serve()
        self.house.drain()
        self.assertEqual(self.house.ledger.event_ids(), ids)
        self.assertEqual(self.house.post(b'{"event":"ping","event_id":"evt_5"}').status, 200)
        self.assertEqual(self.house.ledger.event_ids(), ids + ["evt_5"])
        self.assertEqual(serve.admin.get("/readyz").json(), {"status": "ready"})
        self.assertNotIn("spool_writable", serve.admin.get("/metrics").body.decode())

    def test_a_service_that_a_restored_backup_does_not_know_gets_what_was_accepted_meanwhile(self):
        house = self.house
        crm, backup = house.service("crm"), house.folder / "backup"
        house.start()
        house.redis.stop()
        shutil.copytree(house.redis.folder, backup, ignore=shutil.ignore_patterns("sock"))
        house.redis.start()
        billing = house.service("billing")
        house.configure()
        house.forward.signal(signal.SIGHUP)
        until(lambda: house.redis("HEXISTS", "kula:places", "billing"), "billing is opened")
        first, _ = house.post_event()
        billing.wait_delivered([first])
        house.settle()
        house.redis.stop()
        # serve is to be there first.
        house.forward.signal(signal.SIGSTOP)
        self.assertEqual(house.post(b'{"event":"ping","event_id":"evt_1"}').status, 200)
        shutil.rmtree(house.redis.folder)
        shutil.copytree(backup, house.redis.folder)
        house.redis.start()
        house.drain()
        house.forward.signal(signal.SIGCONT)
        crm.wait_delivered(["evt_1"])
        billing.wait_delivered(["evt_1"])
        house.settle()

    def test_the_spools_counters_grow(self):
        self.house.redis.start()
        serve = self.house.start_serve()
        self.house.post_event()
        syncs = serve.value("spool_syncs_total")
        self.assertGreater(syncs, 0)
        self.house.post_event()
        self.assertGreater(serve.value("spool_syncs_total"), syncs)
