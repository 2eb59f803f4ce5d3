"""A key of the ledger is deleted under a running forward: the events are delivered all the same."""

from house import Story


class LostKeys(Story):
    """Each story ends with an audit, as all do: the counts balance again."""

    failing = "offer.created"

    def setUp(self):
        super().setUp()
        self.crm = self.house.service("crm", timeout="1s")
        self.other = self.house.service("other")

    def lose(self, keys, retry, deadline_s=20):
        """While one event is settled and one is owed; the next one is what makes forward look."""
        self.house.service_settings[0]["retry"] = {"first": retry, "most": retry}
        self.house.start()
        first, _ = self.house.post_event()
        self.house.settle()
        self.crm.fail(only=self.failing)
        owed, _ = self.house.post_event(self.failing)
        self.house.forward.wait("settled_total", {"service": "crm"}, 2)
        self.house.redis.wait_armed()
        self.assertEqual(self.house.redis.cli("DEL", *keys), f"{len(keys)}\n")
        self.crm.heal()
        after, _ = self.house.post_event()
        self.crm.wait_delivered([owed, after], deadline_s)
        self.house.settle()
        self.assertEqual(len(self.crm.of(first)), 1, "what was settled came again")
        self.assertEqual([one.event_id for one in self.other.requests], [first, owed, after])
        self.assertEqual(self.house.ledger.counts("crm"), {"given": 3, "done": 3})

    def test_without_its_due_times(self):
        # By itself the owed one would not come back while the story lasts.
        self.lose(["kula:due:crm"], "10h")
        self.house.forward.said("healed", service="crm")

    def test_without_its_leases(self):
        self.lose(["kula:owed:crm"], "1s")
        self.house.forward.said("healed", service="crm")

    def test_without_the_places_of_all_services(self):
        self.lose(["kula:places"], "1s")

    def test_without_its_due_times_and_its_leases_at_once(self):
        # No take sees a difference: the round does that puts right what nobody noticed.
        self.lose(["kula:due:crm", "kula:owed:crm"], "10h", 60)
        self.house.forward.said("healed", service="crm")
