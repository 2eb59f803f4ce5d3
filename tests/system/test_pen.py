"""The pen: what was accepted and is no event yet is seen, brought back and thrown away."""

import concurrent.futures
import re
import signal

from house import Story
from ledger_view import Client
from processes import until
from sim import events

PERSON = "Zoë Ångström"


class Pen(Story):
    def setUp(self):
        super().setUp()
        self.crm = self.house.service("crm")
        self.house.endpoints[0]["accounts"] = ["1"]
        self.house.start()
        self.serve = self.house.serve
        # The first look at the files is over: a change of the configuration waits for SIGHUP.
        self.serve.wait("reloads_total", {"outcome": "unchanged"}, 1)

    def post_penned(self, number, body=None):
        body = body or events.encode(events.event("candidate.created", f"evt_{number}", account=2,
                                                  data={"name": PERSON}))
        answer = self.house.post(body)
        self.assertEqual((answer.status, answer.json()), (200, {"status": "penned"}))
        self.house.drain()

    def pen(self, *words, **how):
        return self.house.relay("pen", *words, **how)

    def listed(self, *words):
        return self.pen("list", "--json", *words).objects

    def serve_both_accounts(self):
        """Written, and not yet told to serve."""
        self.house.endpoints[0]["accounts"] = ["1", "2"]
        self.house.configure()

    def test_it_is_listed_and_shown_without_anybodys_data(self):
        self.post_penned(1)
        self.post_penned(2, b"no json " + PERSON.encode())
        first, second = self.listed()
        self.assertEqual(sorted(first), sorted(("pen_id", "endpoint", "received", "reason", "bytes")))
        self.assertEqual((first["reason"], second["reason"]), ("other_account", "not_json"))
        self.assertEqual([one["pen_id"] for one in self.listed("--reason", "not_json")], [second["pen_id"]])
        self.assertEqual(self.listed("--endpoint", "other"), [])
        self.assertIn(first["pen_id"], self.pen("list").out)
        told = self.pen("show", "--all")
        self.assertNotIn(PERSON, told.out + told.err)
        self.assertIn("(not JSON", told.out)
        self.assertIn(PERSON, self.pen("show", first["pen_id"], "--reveal").out)
        [shown] = self.pen("show", second["pen_id"], "--reveal", "--json").objects
        self.assertIn(PERSON, shown["body"])

    def test_what_a_change_lets_in_is_released_and_the_rest_stays(self):
        self.post_penned(1)
        self.post_penned(2, b"no json")
        first, second = (one["pen_id"] for one in self.listed())
        [told] = self.pen("release", first, "--json", expect=1).objects
        self.assertEqual((told["action"], told["reason"]), ("stays", "other_account"))
        self.serve_both_accounts()
        self.assertIn(f"would release {first}", self.pen("release", "--all", "--dry-run").out)
        self.assertEqual(len(self.listed()), 2)
        told = self.pen("release", "--all")
        self.assertIn(f"released {first}  event evt_1", told.out)
        self.assertIn(f"stays {second}", told.out)
        self.assertIn("1 released, 1 stay", told.err)
        self.house.settle()
        self.assertEqual([one.event_id for one in self.crm.requests], ["evt_1"])
        self.assertEqual([one["pen_id"] for one in self.listed()], [second])

    def test_serve_releases_by_itself_what_a_reload_lets_in(self):
        self.post_penned(1)
        self.serve_both_accounts()
        self.serve.signal(signal.SIGHUP)
        self.serve.said("penned delivery released", event="evt_1", outcome="accepted")
        self.house.settle()
        self.assertEqual(self.house.ledger.penned(), [])
        self.assertEqual(self.serve.value("pen_released_total", endpoint="kula"), 1)
        self.assertEqual([one.event_id for one in self.crm.requests], ["evt_1"])

    def test_killed_between_stream_and_pen_it_is_still_delivered_once(self):
        """The next one finds it in the pen, and by then it is a duplicate."""
        self.post_penned(1)
        self.serve.kill()
        entry = self.house.redis("XRANGE", "kula:pen", "-", "+")[0][1]
        self.serve_both_accounts()
        self.pen("release", "--all")
        self.house.redis("XADD", "kula:pen", "*", *entry)
        self.serve = self.house.start_serve()
        self.serve.said("penned delivery released", event="evt_1", outcome="duplicate")
        until(lambda: not self.house.ledger.penned(), "the pen is empty")
        self.house.settle()
        self.assertEqual([one.event_id for one in self.crm.requests], ["evt_1"])

    def test_it_is_dropped_where_a_person_says_so(self):
        for number in range(3):
            self.post_penned(number)
        self.post_penned(4, b"no json")
        first = self.listed()[0]["pen_id"]
        self.assertIn("would drop", self.pen("drop", first, "--dry-run").out)
        self.assertEqual(len(self.listed()), 4)
        self.assertIn("1 dropped", self.pen("drop", first).err)
        self.assertIn(first, self.pen("drop", first, expect=3).err)
        self.pen("drop", "--all", "--reason", "other_account")
        self.assertEqual([one["reason"] for one in self.listed()], ["not_json"])

    def test_a_reason_that_there_is_not_is_no_success(self):
        self.post_penned(1)
        told = self.pen("drop", "--all", "--reason", "unmatchd", expect=2)
        self.assertIn('the reason "unmatchd"; did you mean "unmatched"?', told.err)
        reasons = re.search("it is one of (.*)", told.err)[1].split(", ")
        self.assertIn("did you mean", self.pen("list", "--reason", "no_jsn", expect=2).err)
        self.assertNotIn("did you mean", self.pen("list", "--reason", "whatever", expect=2).err)
        for reason in reasons:
            self.pen("list", "--reason", reason)
        self.assertIn(f"A reason is {', '.join(reasons[:-1])} or {reasons[-1]}.", self.pen("--help").out)
        self.assertIn("0 dropped", self.pen("drop", "--all", "--reason", "unmatched").err)
        self.assertEqual(len(self.listed()), 1)

    def test_what_has_gone_before_it_could_be_dropped_is_told_apart(self):
        """Redis holds up what writes: first somebody's XDEL, then our drop, which has read the pen by then."""
        for number in range(2):
            self.post_penned(number)
        first, second = (one["pen_id"] for one in self.listed())
        redis = self.house.redis
        redis("CLIENT", "PAUSE", 60000, "WRITE")
        with concurrent.futures.ThreadPoolExecutor() as pool:
            removed = pool.submit(Client(redis.path), "XDEL", "kula:pen", first)
            until(lambda: self.is_held_up("cmd=xdel"), "Redis holds up the one")
            drop = pool.submit(self.pen, "drop", "--all", "--json", expect=3)
            until(lambda: self.is_held_up("name=kula-relay-cli"), "and then the other")
            redis("CLIENT", "UNPAUSE")
            self.assertEqual(removed.result(), 1)
            told = drop.result()
        self.assertEqual([(one["pen_id"], one["action"]) for one in told.objects],
                         [(first, "gone meanwhile"), (second, "dropped")])
        self.assertIn("1 dropped", told.err)
        self.assertIn("1 had gone meanwhile", told.err)

    def is_held_up(self, whose):
        """A blocked client that has not blocked by itself."""
        lines = self.house.redis("CLIENT", "LIST").decode().splitlines()
        return any(re.search(r" flags=\w*b", line) for line in lines if whose in line)

    def test_redis_out_of_reach_is_exit_4(self):
        self.house.redis.stop()
        for verb in ("list", "release"):
            self.assertTrue(self.pen(verb, *([] if verb == "list" else ["--all"]), expect=4).err)
        self.house.redis.start()
