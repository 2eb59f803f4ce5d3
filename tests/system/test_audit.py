"""The audit balances when nobody has meddled, and finds it when somebody has."""

from house import Story


class Audit(Story):
    audited = False  # the stories below meddle with the ledger

    def setUp(self):
        super().setUp()
        crm, search = self.house.service("crm"), self.house.service("search", events=["!job.*"])
        self.house.start()
        crm.fail(status=422, only="offer.declined")
        crm.fail(status=500, only="offer.created")
        self.house.post_event("job.created")
        self.delivered, _ = self.house.post_event("candidate.created")
        self.dead, _ = self.house.post_event("offer.declined")
        self.house.settle()
        self.owed, _ = self.house.post_event("offer.created")
        crm.wait_for(self.owed)
        self.house.settle("search")
        self.house.forward.stop()
        self.assert_balances()

    def assert_balances(self):
        services, verdict = self.house.audit()
        self.assertEqual((verdict["balances"], verdict["findings"]), (True, []))
        return services

    def assert_found(self, *words):
        """Exit 1, and one of the findings holds all these words."""
        _, verdict = self.house.audit(expect=1)
        self.assertFalse(verdict["balances"])
        self.assertTrue(any(all(word in one for word in words) for one in verdict["findings"]),
                        verdict["findings"])

    def test_it_balances_with_delivered_filtered_dead_and_owed_events(self):
        services = self.assert_balances()
        told = {name: {key: line[key] for key in ("given", "filtered", "done", "dead", "dropped",
                                                  "owed", "unread", "balances")}
                for name, line in services.items()}
        self.assertEqual(told, {
            "crm": {"given": 4, "filtered": 0, "done": 2, "dead": 1, "dropped": 0, "owed": 1,
                    "unread": 0, "balances": True},
            "search": {"given": 4, "filtered": 1, "done": 3, "dead": 0, "dropped": 0, "owed": 0,
                       "unread": 0, "balances": True}})

    def test_it_balances_while_events_are_unread(self):
        self.house.post_event()
        self.assertEqual(self.assert_balances()["crm"]["unread"], 1)

    def test_it_balances_after_a_replay(self):
        self.house.relay("dead", "replay", "crm", self.dead)
        self.house.services["crm"].heal()
        self.house.start_forward()
        self.house.settle()
        services = self.assert_balances()
        self.assertEqual((services["crm"]["given"], services["search"]["given"]), (5, 4))

    def test_it_finds_an_entry_acknowledged_by_hand(self):
        stream_id = self.house.ledger.stream_id(self.owed)
        self.assertEqual(self.house.redis.cli("XACK", "kula:events", "crm", stream_id), "1\n")
        self.assert_found("crm", stream_id)

    def test_it_finds_an_entry_deleted_from_the_stream(self):
        self.house.redis.cli("XDEL", "kula:events", self.house.ledger.stream_id(self.delivered))
        self.assert_found("kula:events")

    def test_it_finds_an_owed_entry_deleted_from_the_stream(self):
        stream_id = self.house.ledger.stream_id(self.owed)
        self.house.redis.cli("XDEL", "kula:events", stream_id)
        self.assert_found("crm", stream_id)

    def test_it_finds_the_newest_entry_deleted_from_the_stream(self):
        newest, _ = self.house.post_event()
        self.house.redis.cli("XDEL", "kula:events", self.house.ledger.stream_id(newest))
        self.assert_found("kula:events")

    def test_it_finds_a_group_set_to_the_end(self):
        self.house.post_event()
        self.house.redis.cli("XGROUP", "SETID", "kula:events", "crm", "$")
        self.assert_found("crm", "group")

    def test_it_finds_a_group_destroyed(self):
        self.house.redis.cli("XGROUP", "DESTROY", "kula:events", "crm")
        self.assert_found("crm", "group")

    def test_it_finds_a_count_changed_by_hand(self):
        for name in ("given", "filtered", "done", "dead", "dropped"):
            with self.subTest(count=name):
                self.house.redis.cli("HINCRBY", "kula:count:crm", name, "1")
                self.assert_found("crm", "kula:count:crm")
                self.house.redis.cli("HINCRBY", "kula:count:crm", name, "-1")
        self.assert_balances()

    def test_it_finds_the_count_of_appended_events_changed_by_hand(self):
        self.house.redis.cli("HINCRBY", "kula:endpoint:kula", "appended", "-1")
        self.assert_found("appended")

    def test_what_was_meddled_with_is_put_right_by_forward(self):
        """A lost group, one set to the end, one acknowledged by hand: nothing of it loses an event."""
        crm = self.house.services["crm"]
        crm.heal()
        unread, _ = self.house.post_event()
        self.house.redis.cli("XACK", "kula:events", "crm", self.house.ledger.stream_id(self.owed))
        self.house.redis.cli("XGROUP", "SETID", "kula:events", "crm", "$")
        self.house.redis.cli("XGROUP", "DESTROY", "kula:events", "search")
        self.house.start_forward()
        crm.wait_delivered([self.owed, unread])
        self.house.services["search"].wait_delivered([unread])
        self.house.settle()
        self.assert_balances()

    def test_for_people_it_prints_a_table_and_says_what_is_wrong(self):
        told = self.house.relay("audit")
        self.assertIn("crm", told.out)
        self.house.redis.cli("HINCRBY", "kula:count:crm", "done", "1")
        told = self.house.relay("audit", expect=1)
        self.assertIn("kula:count:crm", told.out + told.err)
