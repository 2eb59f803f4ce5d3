"""Somebody lays hands on a service's consumer group under a running forward: nothing is lost, and
nothing comes again but what was under way."""

from house import Story


class GroupByHand(Story):
    """Each story ends with an audit, as all do: the counts balance."""

    def setUp(self):
        super().setUp()
        self.crm = self.house.service("crm", timeout="2s", concurrency=4)
        self.other = self.house.service("other")

    def meddle(self, *command):
        """While some are settled, some under way and more come: in that moment, and then again."""
        self.house.start()
        settled = [self.house.post_event()[0] for _ in range(5)]
        self.house.settle()
        self.crm.hold(only="offer.created")
        pending = [self.house.post_event("offer.created")[0] for _ in range(2)]
        self.crm.wait(lambda all_: {one.event_id for one in all_} >= set(pending), "two are under way")
        self.house.redis(*command)
        after = [self.house.post_event()[0] for _ in range(5)]
        self.house.redis(*command)
        after += [self.house.post_event()[0] for _ in range(5)]
        self.crm.heal()
        self.crm.release()
        self.crm.wait_delivered([*settled, *pending, *after], 30)
        self.house.settle(deadline_s=30)
        for event_id in [*settled, *after]:
            self.assertEqual(len(self.crm.of(event_id)), 1, "it was not under way, and came again")
        for event_id in pending:
            self.assertLessEqual(len(self.crm.of(event_id)), 2)
        self.assertEqual(sorted(one.event_id for one in self.other.requests), sorted([*settled, *pending, *after]))
        self.assertEqual(self.house.ledger.counts("crm"), {"given": 17, "done": 17})

    def test_it_is_deleted(self):
        self.meddle("XGROUP", "DESTROY", "kula:events", "crm")
        self.house.forward.said("healed", service="crm", group_made="yes")

    def test_it_is_set_back(self):
        self.meddle("XGROUP", "SETID", "kula:events", "crm", "0")

    def test_it_is_set_forward(self):
        self.meddle("XGROUP", "SETID", "kula:events", "crm", "$")

    def test_what_it_had_pending_is_acknowledged_by_hand(self):
        self.house.start()
        self.crm.fail(only="offer.created")
        owed, _ = self.house.post_event("offer.created")
        self.house.forward.wait("settled_total", {"service": "crm"}, 1)
        self.house.redis("XACK", "kula:events", "crm", self.house.ledger.stream_id(owed))
        self.crm.heal()
        self.crm.wait_delivered([owed], 40)
        self.house.settle()
        self.assertEqual(self.house.ledger.counts("crm"), {"given": 1, "done": 1})
