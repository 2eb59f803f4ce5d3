"""Many large bodies: whoever looks at them fills neither Redis' memory nor its own, and finds each fault."""

from house import Story
from sim import events

MIB = 1 << 20
COUNT = 200
SPARE = 24 * MIB  # beyond what is stored: some bodies at a time, and what Lua has not given back yet
COMMAND_SPARE = 48 * MIB


class LargeBodies(Story):
    def setUp(self):
        super().setUp()
        house = self.house
        house.redis.more = ["--appendonly", "no"]
        house.service("crm")
        house.service("search")
        house.redis.start()
        house.start_forward()  # it makes the groups
        house.forward.stop()
        self.fill()
        self.owe("crm")
        self.filter("search")
        self.used = int(house.redis.info("memory")["used_memory"])

    def fill(self):
        redis = self.house.redis
        self.stream_ids = []
        for n in range(COUNT):
            body = events.encode(events.event("candidate.created", f"evt_{n}", data={"note": "x" * MIB}))
            entry = ["id", f"evt_{n}", "type", "candidate.created", "endpoint", "kula", "account", "1",
                     "created", "", "received", "1700000000000", "trace", "0" * 32, "body", body]
            self.stream_ids.append(redis("XADD", "kula:events", "*", *entry).decode())
            if n % 4 == 0:
                redis("XADD", "kula:dead:search", "*", "origin", "1-1", "reason", "answered", "status", "422",
                      "tries", "1", *entry)
        redis("HSET", "kula:endpoint:kula", "appended", COUNT)

    def owe(self, name):
        """As a forward leaves it that was killed with all of them in flight."""
        redis = self.house.redis
        for stream_id in self.stream_ids:
            redis("XREADGROUP", "GROUP", name, "forward", "COUNT", "1", "STREAMS", "kula:events", ">")
            redis("HSET", f"kula:owed:{name}", stream_id, "0123456789abcdef 0 0 0 -")
            redis("ZADD", f"kula:due:{name}", stream_id.split("-")[0], stream_id)
        redis("HSET", "kula:places", name, self.stream_ids[-1])
        redis("HSET", f"kula:count:{name}", "given", COUNT)

    def filter(self, name):
        redis = self.house.redis
        redis("XGROUP", "SETID", "kula:events", name, "$")
        redis("HSET", "kula:places", name, self.stream_ids[-1])
        redis("HSET", f"kula:count:{name}", "given", COUNT, "filtered", COUNT)

    def command(self, *words, expect=0):
        """With little memory of its own; what it needs of Redis' shows in the peak."""
        return self.house.relay(*words, expect=expect, memory_bytes=COMMAND_SPARE)

    def tearDown(self):
        peak = int(self.house.redis.info("memory")["used_memory_peak"])
        self.assertLess(peak - self.used, SPARE, "Redis' memory")
        super().tearDown()

    def ids(self, *words):
        return [one["id"] for one in self.command(*words).objects]

    def test_tail_shows_each_event_once(self):
        all_ids = [f"evt_{n}" for n in range(COUNT)]
        self.assertEqual(self.ids("tail", "--json"), all_ids[-10:])
        self.assertEqual(self.ids("tail", "--json", "-n", "10000"), all_ids)
        self.assertEqual(self.ids("tail", "--json", "-n", "0"), [])
        self.assertEqual(self.ids("tail", "--json", "-n", "3", "--type", "candidate.*"), all_ids[-3:])
        self.assertEqual(self.ids("tail", "--json", "--type", "ping"), [])
        self.assertEqual(self.ids("tail", "--json", "--since", "0-0"), all_ids)

    def test_show_finds_the_first_and_the_last(self):
        for event_id in ("evt_0", f"evt_{COUNT - 1}"):
            told = self.command("show", "--json", event_id).objects
            self.assertEqual([one["event"]["id"] for one in told if "event" in one], [event_id])
            self.assertEqual({one["standing"]["service"]: one["standing"]["standing"]
                              for one in told if "standing" in one}, {"crm": "owed", "search": "settled"})
        self.command("show", "evt_none", expect=3)

    def test_dead_letters_are_listed_and_all_replayed(self):
        ids = [f"evt_{n}" for n in range(0, COUNT, 4)]
        self.assertEqual(self.ids("dead", "list", "search", "--json"), ids)
        self.assertEqual(self.ids("dead", "show", "search", ids[-1], "--json"), ids[-1:])
        self.assertEqual(len(self.ids("dead", "replay", "search", "--all", "--json")), len(ids))
        self.assertEqual(self.ids("dead", "list", "search", "--json"), [])

    def found(self, part):
        verdict = self.command("audit", "--json", expect=1).objects[-1]
        self.assertTrue(any(part in one for one in verdict["findings"]), verdict["findings"])

    def test_audit_names_the_key_of_each_fault(self):
        house = self.house
        self.assertTrue(self.command("audit", "--json").objects[-1]["balances"])
        first, last = self.stream_ids[0], self.stream_ids[-1]
        for name in ("crm", "search"):
            house.redis.cli("HINCRBY", f"kula:count:{name}", "given", "1")
            self.found(f"kula:count:{name}")
            house.redis.cli("HINCRBY", f"kula:count:{name}", "filtered", "1")
            self.found(f"{name}: {COUNT} events meant for it")
            house.redis.cli("HINCRBY", f"kula:count:{name}", "given", "-1")
            house.redis.cli("HINCRBY", f"kula:count:{name}", "filtered", "-1")
        self.assertTrue(self.command("audit", "--json").objects[-1]["balances"])
        self.audited = False  # from here on
        house.redis.cli("XACK", "kula:events", "crm", last)
        self.found(last)
        house.redis.cli("XDEL", "kula:events", first)
        self.found(f"crm: 1 owed events are no longer in kula:events: {first}")
