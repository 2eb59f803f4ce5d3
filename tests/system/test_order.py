"""With order_by, events of one key come one at a time and in the order in which they were accepted."""

import json
import signal

from order_house import BY_CANDIDATE, QUICK, OrderStory, inversions, place
from processes import until


class Order(OrderStory):
    def owned_until_ms(self):
        return int(self.house.ledger.state("crm")["owner_until"])

    def test_a_failing_event_holds_its_own_lane_only_and_comes_first_when_it_goes_well(self):
        crm = self.house.service("crm", **BY_CANDIDATE)
        crm.fail(only="evt_a_0")
        self.house.start()
        sent = self.send("ab", 5)
        crm.wait_delivered([one for one in sent if "_b_" in one])
        self.assertEqual({place(one) for one in crm.requests if place(one)[0] == "a"}, {("a", 0)})
        crm.heal()
        crm.wait_delivered(sent)
        self.house.settle()
        self.assertEqual(inversions(crm.requests), [])
        numbers = [place(one)[1] for one in crm.requests if place(one)[0] == "a" and one.answered == 200]
        self.assertEqual(numbers, [0, 1, 2, 3, 4])

    def test_of_one_key_one_at_a_time_and_of_several_at_once(self):
        crm = self.house.service("crm", **{**BY_CANDIDATE, "timeout": "20s"})
        crm.hold()
        self.house.start()
        self.send("abc", 3)
        crm.wait(lambda all_: len(all_) == 3, "a request of each key")
        self.house.forward.wait("order_waiting", {"service": "crm"}, 6)
        self.assertEqual({place(one) for one in crm.requests}, {("a", 0), ("b", 0), ("c", 0)})
        crm.heal()
        crm.release()
        self.house.settle()
        self.assertEqual(inversions(crm.requests), [])

    def test_by_account_and_what_has_none_is_in_nobodys_way(self):
        crm = self.house.service("crm", order_by="account", **QUICK)
        self.house.start()
        crm.fail(only="evt_first")
        for event_id, account in (("evt_first", 1), ("evt_second", 1), ("evt_other", 2), ("evt_none", None)):
            self.house.post_event(event_id=event_id, account=account)
        crm.wait_delivered(["evt_other", "evt_none"])
        self.assertEqual(self.house.forward.value("order_unkeyed_total", service="crm"), 1)
        self.assertEqual(crm.of("evt_second"), [])
        crm.heal()
        self.house.settle()

    def test_after_a_dead_letter_the_lane_goes_on_and_the_next_is_told_also_by_another_owner(self):
        crm = self.house.service("crm", **BY_CANDIDATE)
        crm.fail(status=422, only="evt_a_0")
        self.house.start()
        self.send("ab", 1)
        until(lambda: len(self.house.ledger.dead("crm")) == 1, "a dead letter")
        self.house.forward.stop()
        self.house.start_forward()
        crm.fail(times=2, only="evt_a_1")
        self.send("ab", 2, start=1)
        self.house.settle()
        told = [(place(one), one.header("Kula-Relay-After-Dead")) for one in crm.requests]
        self.assertEqual([dead for where, dead in told if where == ("a", 1)], ["evt_a_0"] * 3)
        self.assertEqual({where for where, dead in told if dead}, {("a", 1)})
        self.assertEqual(self.house.redis("EXISTS", "kula:after_dead:crm"), 0)

    def test_one_that_dies_while_redis_comes_back_is_told_to_the_next_all_the_same(self):
        crm = self.house.service("crm", **{**BY_CANDIDATE, "timeout": "10s", "concurrency": 1})
        crm.hold(status=422, only="evt_a_0")
        self.house.start()
        self.send("a", 2)
        crm.wait(lambda all_: len(all_) == 1, "the first is being tried")
        self.house.redis("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        owned_ms = self.owned_until_ms()
        until(lambda: self.owned_until_ms() > owned_ms + 1500, "it has asked for what it is owed")
        crm.release()
        self.house.settle()
        self.assertEqual([one.header("Kula-Relay-After-Dead") for one in crm.requests], [None, "evt_a_0"])

    def test_a_dead_owner_is_replaced_and_the_next_one_goes_on_in_order(self):
        crm = self.house.service("crm", **BY_CANDIDATE)
        self.house.start()
        first = self.house.forward
        until(self.owner, "somebody owns it")
        self.house.start_forward()
        crm.fail(times=40)
        sent = self.send("abcdefgh", 10)
        first.kill()
        self.house.forward.wait("order_owner", {"service": "crm"}, 1)
        crm.wait_delivered(sent)
        self.house.settle()
        self.assertEqual(inversions(crm.requests), [])

    def test_both_killed_in_the_middle_another_one_goes_on_in_order(self):
        crm = self.house.service("crm", **BY_CANDIDATE)
        crm.slow(0.01)
        self.house.start()
        first = self.house.forward
        self.house.start_forward()
        sent = self.send("abcdefghij", 10)
        crm.wait(lambda all_: len(all_) >= 20, "it is under way")
        first.kill()
        self.house.forward.kill()
        self.house.start_forward()
        crm.wait_delivered(sent, 40)
        self.house.settle()
        self.assertEqual(inversions(crm.requests), [])
        self.assertLessEqual(len(crm.requests), len(sent) + 8, "what was in flight")

    def test_one_that_is_told_to_stop_gives_it_up_at_once(self):
        self.house.service("crm", **BY_CANDIDATE)
        self.house.start()
        until(self.owner, "somebody owns it")
        self.house.forward.stop()
        self.assertIsNone(self.owner())

    def test_an_owner_that_was_frozen_for_long_lets_go_when_it_wakes(self):
        crm = self.house.service("crm", **BY_CANDIDATE)
        crm.slow(0.02)
        self.house.start()
        first = self.house.forward
        until(self.owner, "somebody owns it")
        self.house.start_forward()
        sent = self.send("abcd", 10)
        crm.wait(lambda all_: len(all_) >= 8, "it is under way")
        first.signal(signal.SIGSTOP)
        self.house.forward.wait("order_owner", {"service": "crm"}, 1)
        sent += self.send("abcd", 10, start=10)
        crm.wait_delivered(sent, 30)
        first.signal(signal.SIGCONT)
        first.wait("order_owner", {"service": "crm"}, 0)
        self.house.settle()
        self.assertEqual(inversions(crm.requests), [])

    def test_with_the_breaker_open_only_heads_are_probed(self):
        crm = self.house.service("crm", **{**BY_CANDIDATE, "retry": {"first": "50ms", "most": "100ms"}})
        crm.fail()
        self.house.start()
        sent = self.send("abcd", 6)
        self.house.forward.wait("breaker_open", {"service": "crm"}, 1)
        self.send("xyz", 1)
        until(lambda: int(self.house.ledger.state("crm").get("probes", 0)) >= 8, "eight probes have failed")
        self.assertLessEqual({number for _, number in map(place, crm.requests)}, {0})
        crm.heal()
        crm.wait_delivered(sent)
        self.house.settle()
        self.assertEqual(inversions(crm.requests), [])

    def test_order_that_comes_changes_and_goes_by_a_reload_loses_nothing(self):
        crm = self.house.service("crm", **QUICK)
        [settings] = self.house.service_settings
        crm.fail(times=60)
        self.house.start()
        sent = []
        for turn, order_by in enumerate(("data.candidate_id", "account", "data.candidate_id", "none")):
            sent += self.send("abcd", 5, start=5 * turn)
            settings["order_by"] = order_by
            self.house.configure()
            taken = self.house.forward.value("reloads_total", outcome="taken")
            self.house.forward.signal(signal.SIGHUP)
            self.house.forward.wait("reloads_total", {"outcome": "taken"}, taken + 1)
        crm.wait_delivered(sent, 40)
        self.house.settle(deadline_s=40)
        delivered = [one.event_id for one in crm.requests if one.answered == 200]
        self.assertEqual(sorted(delivered), sorted(sent), "each once")

    def test_paused_and_resumed_it_goes_on_in_order(self):
        crm = self.house.service("crm", **BY_CANDIDATE)
        self.house.start()
        sent = self.send("ab", 3)
        crm.wait_delivered(sent)
        self.house.relay("pause", "crm")
        self.house.forward.wait("paused", {"service": "crm"}, 1)
        sent += self.send("ab", 3, start=3)
        self.assertEqual(self.house.forward.value("order_owner", service="crm"), 1)
        self.house.relay("resume", "crm")
        crm.wait_delivered(sent)
        self.house.settle()
        self.assertEqual(inversions(crm.requests), [])

    def test_a_replayed_dead_letter_comes_behind_what_its_lane_has_by_then(self):
        crm = self.house.service("crm", **BY_CANDIDATE)
        crm.fail(status=422, times=1, only="evt_a_0")
        self.house.start()
        sent = self.send("a", 3)
        crm.wait_delivered(sent[1:])
        self.house.relay("dead", "replay", "crm", "--all")
        crm.wait_delivered(sent)
        self.house.settle()
        numbers = [place(one)[1] for one in crm.requests if one.answered == 200]
        self.assertEqual(numbers, [1, 2, 0])

    def test_what_was_lost_and_put_back_comes_all_the_same(self):
        crm = self.house.service("crm", **BY_CANDIDATE)
        crm.fail(only="evt_a_0")
        self.house.start()
        sent = self.send("ab", 4)
        crm.wait_delivered([one for one in sent if "_b_" in one])
        self.house.relay("pause", "crm")
        self.house.forward.wait("paused", {"service": "crm"}, 1)
        self.house.forward.wait("attempts_in_flight", {"service": "crm"}, 0)
        self.house.redis("DEL", "kula:owed:crm")
        self.house.redis("XGROUP", "DESTROY", "kula:events", "crm")
        crm.heal()
        self.house.relay("resume", "crm")
        crm.wait_delivered(sent, 40)

    def test_when_too_many_wait_behind_one_that_fails_no_more_is_read(self):
        crm = self.house.service("crm", **BY_CANDIDATE)
        crm.fail(only="evt_a_0")
        self.house.start()
        self.send("a", 1)
        fields = ("type", "candidate.updated", "endpoint", "kula", "body", '{"data":{"candidate_id":"a","number":1}}')
        for number in range(1, 10100):
            self.house.redis("XADD", "kula:events", "*", "id", f"evt_a_{number}", *fields)
        self.house.redis("HINCRBY", "kula:endpoint:kula", "appended", 10099)
        self.house.forward.said("as many events wait behind others of their lanes as may: no more is read", 60)
        self.assertIn(self.house.ledger.owed("crm"), (10000, 10001), "the head may be on its way")
        self.assertLessEqual(len({place(one) for one in crm.requests}), 1)

    def test_redis_killed_and_back_it_goes_on_in_order(self):
        crm = self.house.service("crm", **BY_CANDIDATE)
        crm.slow(0.01)
        self.house.start()
        sent = self.send("abcd", 20)
        crm.wait(lambda all_: len(all_) >= 10, "it is under way")
        self.house.redis.kill()
        self.house.redis.start()
        crm.wait_delivered(sent, 40)
        self.house.settle(deadline_s=40)
        keys = {json.loads(one.body)["data"]["candidate_id"] for one in crm.requests}
        self.assertEqual(keys, set("abcd"))

    def test_what_came_before_a_restart_without_redis_goes_before_what_came_after_it(self):
        crm = self.house.service("crm", **BY_CANDIDATE)
        self.house.start()
        self.house.redis.stop()
        sent = self.post("abcd", 100)
        for turn in range(2):
            self.house.serve.kill()
            self.house.start_serve()
            sent += self.post("abcd", 16, start=100 + 16 * turn)
        self.house.redis.start()
        crm.wait_delivered(sent, 40)
        self.house.settle(deadline_s=40)
        self.assertEqual(inversions(crm.requests), [])
