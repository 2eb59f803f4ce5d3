"""A Redis that forgets at a restart: an alarm where there is a spool, refused where there is none."""

import json

from house import Story


class Persistence(Story):
    def append(self, yes):
        self.house.redis("CONFIG", "SET", "appendonly", "yes" if yes else "no")

    def ready(self):
        return json.loads(self.house.serve.admin.get("/readyz").body)

    def reconnect(self):
        """serve asks at each connect."""
        self.house.redis("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")

    def test_with_a_spool_it_is_an_alarm_that_ends(self):
        self.house.redis.more = ["--appendonly", "no"]
        self.house.start()
        said = self.house.serve.said("redis forgets at a restart what came since its last snapshot")
        self.assertEqual(said["level"], "error")
        self.assertIn("appendonly yes", said["reason"])
        self.assertEqual(self.ready(), {"status": "ready", "persistence": "off"})
        self.assertEqual(self.house.serve.value("redis_appends"), 0)
        self.house.post_event()
        self.append(True)
        self.reconnect()
        self.house.serve.said("redis keeps what it is told again")
        self.assertEqual(self.house.serve.value("redis_appends"), 1)
        self.assertEqual(self.ready(), {"status": "ready"})

    def test_who_may_not_ask_says_so(self):
        self.house.redis.listen_tcp("default on nopass ~* &* +@all -info")
        self.house.start()
        self.assertIn("+info", self.house.serve.said("cannot ask whether redis keeps what it is told")["reason"])
        self.house.post_event()


class WithoutASpool(Persistence):
    durability = "ledger"
    test_with_a_spool_it_is_an_alarm_that_ends = None

    def test_a_start_is_refused_with_what_to_do(self):
        self.house.redis.more = ["--appendonly", "no"]
        self.house.redis.start()
        self.house.start_serve()
        reason = self.house.serve.said("cannot go on")["reason"]
        self.assertRegex(reason, "appendonly yes.*durability: spool")
        self.house.serve.ended(expect=1)

    def test_also_where_redis_comes_later(self):
        self.house.redis.more = ["--appendonly", "no"]
        self.house.start_serve()
        self.house.redis.start()
        self.house.serve.said("cannot go on")
        self.house.serve.ended(expect=1)

    def test_one_that_goes_on_is_only_alarmed(self):
        self.house.start()
        self.house.post_event()
        self.append(False)
        self.reconnect()
        self.house.serve.said("redis forgets at a restart what came since its last snapshot")
        self.house.post_event()
        self.assertEqual(self.ready()["persistence"], "off")
