"""Redis does not grow for ever, and a full one drains; nothing that is owed is ever trimmed."""

import time

from house import Story
from processes import until
from sim import events

MIB = 1 << 20


class Upkeep(Story):
    def age(self, stream_id):
        return time.time() * 1000 - int(stream_id.split("-")[0])

    def trim_now(self):
        """A forward that starts trims at once."""
        if self.house.forward:
            self.house.forward.stop()
        return self.house.start_forward()

    def test_what_is_past_its_time_is_trimmed_but_not_what_is_owed_or_unread(self):
        crm, search = self.house.service("crm"), self.house.service("search")
        self.house.forward_settings["retention"] = {"events": "1s", "dead": "1s"}
        search.stall(only="offer.created")
        crm.fail(times=1, status=422, only="job.created")
        self.house.start()
        old = [self.house.post_event(kind)[0] for kind in ("job.created", "candidate.created")]
        self.house.settle()
        owed, _ = self.house.post_event("offer.created")
        search.wait_for(owed)
        after, _ = self.house.post_event()
        crm.wait_delivered([*old[1:], owed, after])
        last = self.house.ledger.stream_id(after)
        until(lambda: self.age(last) > 1000, "all of it is old")
        self.house.forward.kill()
        self.house.start_forward().wait("trimmed_total", {}, 2)
        self.assertEqual(self.house.ledger.event_ids(), [owed, after])
        self.house.forward.wait("dead_trimmed_total", {}, 1)
        self.house.forward.said("the stream is not trimmed, for this group has not had what is past its time",
                                group="search")
        self.assertEqual(self.house.forward.value("trim_held"), 1)
        search.heal()
        self.house.settle()
        self.trim_now().wait("trimmed_total", {}, 2)
        self.assertEqual(self.house.ledger.length(), 0)
        services, verdict = self.house.audit()
        self.assertTrue(verdict["balances"], verdict)
        self.assertEqual((verdict["trimmed"], services["crm"]["given"]), (4, 4))
        again = self.house.post(events.encode(events.event("candidate.created", old[1])))
        self.assertEqual(again.status, 200, "it is remembered for longer than it stands there")
        self.house.drain()
        self.assertEqual(self.house.ledger.length(), 0)

    def test_a_foreign_group_is_passed_loudly(self):
        self.house.service("crm")
        self.house.forward_settings["retention"] = {"events": "1s", "foreign": "1s"}
        self.house.start()
        self.house.redis("XGROUP", "CREATE", "kula:events", "theirs", "0", "MKSTREAM")
        event_id, _ = self.house.post_event()
        self.house.settle()
        at = self.house.ledger.stream_id(event_id)
        until(lambda: self.age(at) > 1000, "it is old")
        forward = self.trim_now()
        forward.said("a foreign group was passed over, what it had not had is trimmed", group="theirs")
        forward.wait("trimmed_total", {}, 1)

    def test_a_full_redis_with_a_backlog_drains_and_serve_goes_on_by_its_spool(self):
        crm = self.house.service("crm", timeout="5s")
        self.house.redis.start()
        self.house.redis("CONFIG", "SET", "maxmemory", 8 * MIB)
        self.house.start_serve()
        kula = self.house.kula(connections=4)
        bodies = [events.of_size(20000) for _ in range(550)]
        sent = [kula.emit(body) for body in bodies]
        kula.wait(sent, 60)
        self.assertEqual({attempt.status for one in sent for attempt in one.attempts}, {200})
        self.house.serve.wait("spool_undrained_records", {}, 100)
        self.assertLess(self.house.ledger.length(), 450, "Redis is full before all of it is there")
        forward = self.house.start_forward()
        forward.said("redis is nearly full: what no service is owed is trimmed before its time, and "
                     "what comes in waits in the spool")
        crm.wait_delivered([one.event_id for one in sent], 90)
        self.house.settle(deadline_s=60)
        self.assertGreater(forward.value("trimmed_total"), 100)

    def test_a_redis_near_its_limit_is_announced(self):
        self.house.service("crm")
        self.house.redis.start()
        self.house.redis("SETRANGE", "ballast", 40 * MIB, "x")
        used = next(int(line.split(b":")[1]) for line in self.house.redis("INFO", "memory").splitlines()
                    if line.startswith(b"used_memory:"))
        self.house.redis("CONFIG", "SET", "maxmemory", used * 100 // 83)
        self.house.redis("CONFIG", "SET", "maxmemory-policy", "volatile-lru")
        forward = self.house.start_forward()
        forward.said("redis is near its memory limit")
        self.assertIn("noeviction", forward.said("cannot rely on redis' memory")["reason"])
        self.assertGreater(forward.value("redis_memory_limit_bytes"), 0)
        self.assertGreater(forward.value("redis_memory_used_bytes"), used // 2)
