"""plan and apply: Kula against what the configuration says."""

import os

from house import SECRET
from sim import events
from webhook_house import URL, Webhooks


class Plan(Webhooks):
    def want(self, *webhooks):
        self.house.kula_settings["webhooks"] = [{"endpoint": "kula", **one} for one in webhooks]

    def test_no_difference_is_exit_0(self):
        self.api.add(URL, ["job.created", "job.updated"])
        self.want({"url": URL, "events": ["job.*"]})
        self.assertIn("as it should be", self.webhook("plan").out)
        self.webhook("apply")
        self.assertEqual({one[0] for one in self.api.requests}, {"GET"})

    def test_a_difference_is_an_exit_code_of_its_own_and_can_be_read(self):
        one = self.api.add(URL + "/old", ["job.created", "offer.created"])
        self.api.add("https://elsewhere.example/", ["job.created"])
        self.want({"id": one, "url": URL, "events": ["job.*"]})
        told = self.webhook("plan", expect=5).out
        for line in (f"- url    {URL}/old", f"+ url    {URL}", "- event  offer.created", "+ event  job.updated"):
            self.assertIn(f"  {line}\n", told)
        self.assertIn("1 more at Kula", told)
        [step] = self.objects("plan", expect=5)
        self.assertEqual(step, {"endpoint": "kula", "id": one, "action": "change", "disabled": False,
                                "url_is": URL + "/old", "url_should_be": URL,
                                "events_missing": ["job.updated"], "events_too_many": ["offer.created"]})
        self.assertEqual({each[0] for each in self.api.requests}, {"GET"})
        self.webhook("plan", "--nonsense", expect=2)

    def test_apply_changes_that_and_nothing_else(self):
        one = self.api.add(URL, ["job.created"], description="keep me")
        other = self.api.add("https://elsewhere.example/", ["job.created"])
        self.want({"url": URL, "events": ["offer.*"]})
        self.webhook("apply", "--dry-run")
        self.assertEqual(self.api.webhook(one).events, ["job.created"])
        self.webhook("apply")
        self.assertEqual(self.api.webhook(one).events, [each for each in events.TYPES if each.startswith("offer.")])
        changes = [(method, sent) for method, _, sent in self.api.requests if method != "GET"]
        self.assertEqual([(method, list(sent)) for method, sent in changes], [("PATCH", ["subscribed_events"])])
        self.assertEqual(self.api.webhook(other).events, ["job.created"])
        self.webhook("plan")

    def test_apply_makes_what_is_missing_with_the_endpoints_secret(self):
        self.want({"url": URL, "events": ["job.*"]}, {"url": URL + "/2"})
        self.assertIn("a new webhook for endpoint kula", self.webhook("plan", expect=5).out)
        self.webhook("apply")
        first, second = self.api.webhooks.values()
        self.assertEqual((first.url, first.secret, first.events), (URL, SECRET.decode(), ["job.created", "job.updated"]))
        self.assertEqual(second.events, list(events.TYPES))
        self.webhook("plan")

    def test_a_new_webhook_signs_with_the_newest_secret_be_it_one_of_secret_dir(self):
        folder = self.house.folder / "secrets"
        folder.mkdir()
        for name, written_s in (("old", 1000), ("newest", 3000), ("older", 2000)):
            (folder / name).write_bytes(name.encode() * 8 + b"\n")
            os.utime(folder / name, (written_s, written_s))
        self.house.endpoints[0]["secret_dir"] = str(folder)
        self.house.endpoint("other", "/webhooks/other", secret_dir=str(folder))
        self.house.endpoints[1].pop("secret_files")
        self.want({"url": URL}, {"url": URL + "/2", "endpoint": "other"})
        self.webhook("apply")
        self.assertEqual([one.secret for one in self.api.webhooks.values()], ["newest" * 8] * 2)

    def test_apply_does_nothing_where_it_could_not_do_all(self):
        one = self.api.add(URL, ["job.created"])
        self.want({"url": URL, "events": ["offer.*"]}, {"url": URL + "/2"})
        self.house.secret_file.unlink()
        self.assertIn(str(self.house.secret_file), self.webhook("apply", expect=78).err)
        self.assertEqual(self.api.webhook(one).events, ["job.created"])

    def test_apply_makes_none_with_a_secret_that_kula_would_not_get_as_it_is(self):
        one = self.api.add(URL, ["job.created"])
        self.want({"url": URL, "events": ["offer.*"]}, {"url": URL + "/2"})
        self.house.write("secret", b"\xff\xfe\x80A" * 8)
        told = self.webhook("apply", expect=78).err
        for words in (str(self.house.secret_file), "UTF-8", "openssl rand -hex 32"):
            self.assertIn(words, told)
        self.assertEqual(self.api.webhook(one).events, ["job.created"])
        self.assertEqual(len(self.api.webhooks), 1)

    def test_apply_that_makes_no_new_one_needs_no_secret(self):
        one = self.api.add(URL, ["job.created"])
        self.want({"url": URL, "events": ["job.*"]})
        self.house.secret_file.unlink()
        self.webhook("apply")
        self.assertEqual(self.api.webhook(one).events, ["job.created", "job.updated"])

    def test_what_cannot_be_planned_is_told(self):
        self.assertIn("kula.webhooks", self.webhook("plan", expect=78).err)
        self.want({"id": "wh_9", "url": URL})
        self.assertIn("wh_9", self.webhook("plan", expect=3).err)
        self.want({"url": URL, "events": ["job.creatd"]})
        self.assertIn('did you mean "job.created"', self.webhook("plan", expect=1).err)
        for _ in range(2):
            self.api.add(URL)
        self.want({"url": URL})
        self.assertIn("two webhooks", self.webhook("plan", expect=1).err)

    def test_a_disabled_one_is_no_difference_but_told(self):
        one = self.api.add(URL, events.TYPES)
        self.api.webhook(one).sender.disable()
        self.want({"url": URL})
        self.assertIn("disabled", self.webhook("plan").out)
