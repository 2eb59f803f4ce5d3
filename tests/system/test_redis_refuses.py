"""Redis is there and says no: forward waits with its head, says why, and goes on when it is mended."""

import signal

from house import Story
from processes import SLOW, free_port, until

# Of scripts and blocked reads, what forward may ask a second while it is refused. A spin asks thousands.
MOST_A_SECOND = 40


class Refused(Story):
    """The refusals that each of these stories waits for are forward's: serve has ended by then."""

    def setUp(self):
        super().setUp()
        self.crm = self.house.service("crm", timeout="1s", concurrency=1)

    def start(self):
        """One event has been delivered, and forward rests with its bell armed."""
        self.house.start()
        first, _ = self.house.post_event()
        self.crm.wait_delivered([first])
        self.house.settle()
        self.house.redis.wait_armed()

    def now_s(self):
        seconds, micros = self.house.redis("TIME")
        return int(seconds) + int(micros) / 1e6

    def refusals(self, word):
        counted = self.house.redis.info("errorstats").get(f"errorstat_{word}", "count=0")
        return int(counted.removeprefix("count="))

    def asked(self):
        stats = self.house.redis.info("commandstats")
        return sum(int(stats[name].split(",")[0].removeprefix("calls="))
                   for name in ("cmdstat_evalsha", "cmdstat_xread") if name in stats)

    def assert_no_spin(self, word, more=4):
        """By Redis' clock and counters, from the first of `more` refusals to the last."""
        first = until(lambda: self.refusals(word), f"the first {word}")
        asked, began = self.asked(), self.now_s()
        until(lambda: self.refusals(word) >= first + more, f"{more} more {word}", 60)
        rate = (self.asked() - asked) / (self.now_s() - began)
        self.assertLess(rate, MOST_A_SECOND, f"commands a second while refused with {word}")

    def assert_told_once(self, word, lines=1):
        told = [line for line in self.house.forward.errors if word in line]
        # And again each minute, which a slow machine may see.
        self.assertTrue(told, f"{word} is not in the log")
        self.assertLessEqual(len(told), lines * SLOW, told)

    def with_an_event_for_forward(self, refuse):
        """Redis begins to refuse between an event's coming and forward's hearing of it."""
        self.house.forward.signal(signal.SIGSTOP)
        event_id, _ = self.house.post_event()
        self.house.drain()
        self.house.serve.stop()
        refuse()
        self.house.forward.signal(signal.SIGCONT)
        return event_id


class RedisRefuses(Refused):
    def goes_on_after(self, word, refuse, mend, lines=1):
        self.start()
        event_id = self.with_an_event_for_forward(refuse)
        self.assert_no_spin(word)
        self.assert_told_once(word, lines)
        self.assertEqual(self.crm.of(event_id), [])
        # Whoever wants to know what is wrong can look.
        self.assertEqual(self.house.relay("tail", "--json").objects[-1]["id"], event_id)
        self.assertEqual(self.house.audit()[0]["crm"]["unread"], 1)
        mend()
        self.crm.wait_delivered([event_id])
        self.house.settle()
        self.assertEqual(len(self.crm.of(event_id)), 1)

    def test_a_redis_that_cannot_save_is_waited_for(self):
        redis = self.house.redis
        obstacle = redis.folder / "dump.rdb"

        def save(wanted):
            redis("BGSAVE")
            until(lambda: self.house.redis.info("persistence")["rdb_last_bgsave_status"] == wanted, wanted)

        def refuse():
            redis("CONFIG", "SET", "save", "3600 1")
            obstacle.mkdir()
            save("err")

        def mend():
            obstacle.rmdir()
            save("ok")

        self.goes_on_after("MISCONF", refuse, mend)

    def test_a_redis_without_enough_replicas_is_waited_for(self):
        redis = self.house.redis
        self.goes_on_after("NOREPLICAS", lambda: redis("CONFIG", "SET", "min-replicas-to-write", "1"),
                           lambda: redis("CONFIG", "SET", "min-replicas-to-write", "0"))

    def test_a_redis_that_has_become_read_only_is_waited_for(self):
        redis = self.house.redis
        self.goes_on_after("READONLY", lambda: redis("REPLICAOF", "127.0.0.1", free_port()),
                           lambda: redis("REPLICAOF", "NO", "ONE"),
                           lines=2)  # what was refused, and that the connection is given up
        self.assertEqual(len(self.house.forward.logged("redis is back")), 1)

    def test_a_full_redis_is_told_in_its_words_to_who_replays(self):
        self.crm.fail(status=400, only="evt_dead")
        self.house.start()
        self.house.post_event(event_id="evt_dead")
        self.house.settle()
        self.house.redis("CONFIG", "SET", "maxmemory", "1")
        told = self.house.relay("dead", "replay", "crm", "--all", expect=1)
        self.assertRegex(told.err, r"Redis refused: OOM .*[^.]: raise its maxmemory, or let the services drain\n")
        self.house.redis("CONFIG", "SET", "maxmemory", "0")
        self.assertEqual(len(self.house.relay("dead", "list", "crm", "--json").objects), 1)

    def test_what_was_attempted_while_redis_refuses_is_settled_when_it_does_not(self):
        redis = self.house.redis
        self.house.service_settings[0]["timeout"] = "30s"  # until serve has stopped, and Redis refuses
        self.start()
        self.crm.hold()
        event_id, _ = self.house.post_event()
        self.crm.wait_for(event_id)
        self.house.serve.stop()
        redis("CONFIG", "SET", "min-replicas-to-write", "1")
        self.crm.heal()
        self.assert_no_spin("NOREPLICAS", more=30)
        self.assert_told_once("NOREPLICAS")
        redis("CONFIG", "SET", "min-replicas-to-write", "0")
        self.house.settle()
        self.assertEqual(len(self.crm.of(event_id)), 1)

    def test_a_forward_that_starts_while_redis_refuses_says_why_and_waits(self):
        redis = self.house.redis
        redis.start()
        self.house.start_serve()
        event_id, _ = self.house.post_event()
        self.house.serve.stop()
        redis("CONFIG", "SET", "min-replicas-to-write", "1")
        self.house.start_forward(wait_open=False)
        self.assert_no_spin("NOREPLICAS", more=30)
        self.assert_told_once("NOREPLICAS")
        redis("CONFIG", "SET", "min-replicas-to-write", "0")
        self.crm.wait_delivered([event_id])
        self.house.settle()


class RightsAreMissing(Refused):
    """The user may do less than is needed."""

    def setUp(self):
        super().setUp()
        self.house.redis.listen_tcp("relay on >s3cret ~kula:* +@all -@dangerous")
        self.house.redis_settings = {
            "user": "relay", "password_file": str(self.house.write("password", b"s3cret\n"))}

    def rights(self, *words):
        self.house.redis("ACL", "SETUSER", "relay", *words)

    def test_without_a_door_bell_events_are_looked_for_and_not_too_often(self):
        self.start()
        self.rights("-xread")
        rung, _ = self.house.post_event()
        self.crm.wait_delivered([rung])
        self.assert_no_spin("NOPERM")
        self.assert_told_once("NOPERM")
        unheard, _ = self.house.post_event()
        self.crm.wait_delivered([unheard])
        self.rights("+xread")
        self.house.redis.wait_armed()
        self.house.settle()

    def test_a_command_tells_what_redis_said(self):
        self.house.start()
        self.rights("resetkeys", "~kula:about")
        for words in (("tail",), ("show", "evt_1"), ("dead", "list", "crm"), ("pen", "list"), ("pause", "crm"),
                      ("service", "list"), ("status",), ("audit",)):
            with self.subTest(words=words):
                told = self.house.relay(*words, expect=1)
                self.assertRegex(told.err, r"Redis refused: \S.*: redis.user may not do this; redis.acl has")
        self.rights("~kula:*")

    def test_without_a_key_it_is_waited_for(self):
        self.start()
        without_due = ("resetkeys", "~kula:[^d]*")
        event_id = self.with_an_event_for_forward(lambda: self.rights(*without_due))
        self.assert_no_spin("NOPERM")
        self.assert_told_once("NOPERM")
        self.rights("~kula:*")
        self.crm.wait_delivered([event_id])
        self.house.settle()

    def test_what_cannot_be_settled_is_not_sent_at_full_speed(self):
        """The log of attempts is only needed by settle: each event would go out and stay owed."""
        self.start()
        self.house.forward.signal(signal.SIGSTOP)
        ids = [self.house.post_event()[0] for _ in range(10)]
        self.house.drain()
        self.house.serve.stop()
        self.rights("resetkeys", "~kula:[^l]*")
        self.house.forward.signal(signal.SIGCONT)
        self.crm.wait(lambda all_: len(all_) >= 4, "three unsettled attempts")
        first, second, third = self.crm.requests[1:4]
        self.assertGreater(third.at - first.at, 1.5)
        self.assert_told_once("NOPERM")
        self.rights("~kula:*")
        self.crm.wait_delivered(ids)
        self.house.settle(deadline_s=40)
