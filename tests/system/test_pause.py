"""pause, resume, service: what a person says to a service holds for every forwarder."""

from house import Story
from processes import until


class Pause(Story):
    def test_a_paused_service_gets_nothing_and_others_all_until_it_is_resumed(self):
        crm, search = self.house.service("crm"), self.house.service("search")
        self.house.start()
        before, _ = self.house.post_event()
        self.house.settle()
        self.assertEqual(self.house.relay("pause", "crm").out, "paused crm\n")
        ids = [self.house.post_event()[0] for _ in range(20)]
        search.wait_delivered(ids)
        self.house.forward.wait("paused", {"service": "crm"}, 1)
        self.house.forward.said("paused", service="crm")
        self.assertEqual([one.event_id for one in crm.requests], [before])
        self.assertEqual(self.house.ledger.owed("crm"), 0)
        line = self.house.listed("crm")
        self.assertEqual((line["paused"], line["unread"], line["owed"]), (True, 20, 0))
        self.assertIn("paused", self.house.relay("service", "list").out)
        self.house.forward.stop()
        self.house.start_forward()
        self.house.forward.wait("paused", {"service": "crm"}, 1)
        self.house.forward.wait("unread", {"service": "crm"}, 20)
        self.house.relay("resume", "crm")
        crm.wait_delivered(ids)
        self.house.settle()
        self.assertFalse(self.house.listed("crm")["paused"])

    def test_an_attempt_in_flight_is_finished_in_a_pause(self):
        crm = self.house.service("crm")
        crm.hold()
        self.house.start()
        event_id, _ = self.house.post_event()
        crm.wait_for(event_id)
        self.house.relay("pause", "crm")
        crm.heal()
        self.house.settle()
        self.house.relay("resume", "crm")

    def test_resume_ends_a_hold_and_closes_the_breaker(self):
        crm = self.house.service("crm", retry={"first": "20s", "most": "20s"})
        crm.fail(times=8, status=503, Retry_After="600")
        self.house.start()
        ids = [self.house.post_event()[0] for _ in range(12)]
        self.house.forward.wait("attempts_total", {"outcome": "again"}, 1)
        until(lambda: self.house.listed("crm")["held_for_ms"] > 0, "it is held back")
        self.house.forward.wait("attempts_in_flight", {}, lambda number: number == 0)
        seen = len(crm.requests)
        crm.heal()
        self.house.relay("resume", "crm")
        new = [one for one in ids if not crm.of(one)]
        new.append(self.house.post_event()[0])
        crm.wait_delivered(new)
        self.assertGreater(len(crm.requests), seen)
        line = self.house.listed("crm")
        self.assertEqual((line["held_for_ms"], line["breaker_open"]), (0, False))

    def test_unknown_services_are_not_found(self):
        self.house.service("crm")
        self.house.start()
        for words in (["pause", "nobody"], ["resume", "nobody"], ["service", "forget", "nobody"]):
            with self.subTest(words=words):
                result = self.house.relay(*words, expect=3)
                self.assertEqual(result.out, "")
                self.assertIn("nobody", result.err)

    def test_a_removed_service_is_kept_for_until_it_is_forgotten(self):
        crm = self.house.service("crm")
        self.house.service("gone")
        self.house.start()
        self.house.post_event()
        self.house.settle()
        self.house.forward.stop()
        self.assertIn("crm", self.house.relay("service", "forget", "crm", expect=1).err)
        self.house.service_settings = [one for one in self.house.service_settings
                                       if one["name"] != "gone"]
        self.house.start_forward()
        event_id, _ = self.house.post_event()
        crm.wait_delivered([event_id])
        self.assertFalse(self.house.listed("gone")["configured"])
        self.assertEqual(self.house.listed("gone")["unread"], 1)
        self.assertIn("not in the configuration", self.house.relay("service", "list").out)
        self.house.relay("service", "forget", "gone", "--dry-run")
        self.assertEqual(self.house.listed("gone")["unread"], 1)
        self.house.relay("service", "forget", "gone")
        self.assertEqual([line["service"] for line in self.house.relay("service", "list", "--json").objects],
                         ["crm"])
        self.assertEqual([key for key in self.house.redis("KEYS", "*") if key.endswith(b":gone")], [])
        groups = self.house.redis("XINFO", "GROUPS", "kula:events")
        self.assertEqual([group[1] for group in groups], [b"crm"])
        self.house.settle()

    def test_a_configuration_without_services_forgets_none(self):
        """As the operator's is, in Compose: it cannot know what forward has."""
        self.house.service("crm")
        self.house.start()
        settings, self.house.service_settings = self.house.service_settings, []
        self.house.configure()
        self.assertIsNone(self.house.listed("crm")["configured"])
        self.assertNotIn("not in the configuration", self.house.relay("service", "list").out)
        told = self.house.relay("service", "forget", "crm", expect=78)
        self.assertIn("names no services, so it cannot be told whether forward still has \"crm\"", told.err)
        self.house.service_settings = settings
        self.house.configure()
        self.assertTrue(self.house.listed("crm")["configured"])

    def test_what_a_forward_delivers_in_order_is_not_forgotten_by_another_configuration(self):
        self.house.service("crm", order_by="data.id")
        self.house.start()
        until(lambda: self.house.listed("crm")["owner"], "forward owns it")
        settings, self.house.service_settings = self.house.service_settings, []
        self.house.service("other")
        self.house.configure()
        told = self.house.relay("service", "forget", "crm", expect=1)
        self.assertIn("a forward delivers \"crm\" right now", told.err)
        self.house.forward.stop()
        self.house.relay("service", "forget", "crm")
        self.house.service_settings = settings
