"""Kula's side from the command line: `webhook` against the simulated management API."""

import json
import os
import re
import stat

from house import SECRET
from processes import RELAY, run, until
from sim import events
from webhook_house import URL, Webhooks


class EveryVerb(Webhooks):
    def test_list_shows_all_pages(self):
        ids = [self.api.add(f"{URL}/{n}") for n in range(120)]
        self.assertEqual([one["id"] for one in self.objects("list")], ids)
        told = self.webhook("list").out
        for words in ("id ", "state", ids[0], ids[-1], "active", f"{URL}/119"):
            self.assertIn(words, told)

    def test_show_tells_state_and_events(self):
        one = self.api.add(URL, ["application.hired", "job.created"], name="for the relay")
        self.api.webhook(one).sender.disable()
        [shown] = self.objects("show", one)
        created = shown.pop("created_at")
        self.assertRegex(created, r"^\d{4}-\d\d-\d\dT")
        self.assertEqual(shown, {"id": one, "name": "for the relay", "url": URL, "description": "",
                                 "state": "disabled", "events": ["application.hired", "job.created"]})
        told = self.webhook("show", one).out
        for words in (one, "disabled", URL, "for the relay", "job.created", created):
            self.assertIn(words, told)

    def test_create_tells_the_secret_once(self):
        result = self.webhook("create", "--url", URL, "--events", "application.*,offer.accepted",
                              "--name", "relay", "--description", "all of it", "--json")
        [made] = result.objects
        webhook = self.api.webhook(made["id"])
        self.assertEqual(made["secret"], webhook.secret)
        self.assertEqual(webhook.fields["name"], "relay")
        self.assertEqual(webhook.fields["description"], "all of it")
        wanted = [one for one in events.TYPES if one.startswith("application.") or one == "offer.accepted"]
        self.assertEqual(webhook.events, wanted)
        self.assertIn("once", result.err)
        self.assertNotIn(webhook.secret, self.webhook("show", made["id"]).out)

    def test_create_writes_the_secret_into_a_file_for_us_alone(self):
        file = self.house.folder / "made"
        before = os.umask(0)
        self.addCleanup(os.umask, before)
        result = self.webhook("create", "--url", URL, "--events", "job.*", "--secret-out", file)
        [webhook] = self.api.webhooks.values()
        self.assertEqual(file.read_text(), webhook.secret + "\n")
        self.assertEqual(stat.S_IMODE(file.stat().st_mode), 0o600)
        self.assertNotIn(webhook.secret, result.out + result.err)

    def test_create_gives_kula_our_secret(self):
        result = self.webhook("create", "--url", URL, "--events", "*", "--secret-file",
                              self.house.secret_file)
        [webhook] = self.api.webhooks.values()
        self.assertEqual(webhook.secret, SECRET.decode())
        self.assertNotIn("secret", result.out)

    def test_create_gives_kula_no_secret_that_it_would_not_get_as_it_is(self):
        file = self.house.write("other", b"\xff\xfe\x80A" * 8)
        told = self.webhook("create", "--url", URL, "--events", "*", "--secret-file", file, expect=1).err
        for words in (str(file), "UTF-8", "openssl rand -hex 32"):
            self.assertIn(words, told)
        self.assertEqual(self.api.requests, [])

    def test_create_makes_nothing_where_the_secret_could_not_be_kept(self):
        old = self.house.write("old", b"an old secret\n")
        for file in (old, self.house.folder / "none" / "secret"):
            with self.subTest(file=file):
                self.assertIn(str(file), self.webhook("create", "--url", URL, "--events", "*",
                                                      "--secret-out", file, expect=1).err)
        self.assertEqual(old.read_bytes(), b"an old secret\n")
        self.assertEqual(self.api.asked("POST", "/webhooks"), 0)

    def test_create_leaves_no_file_where_kula_refuses(self):
        file = self.house.folder / "made"
        self.api.fault("POST", "/webhooks", status=422, body=b'{"error":{"code":"x","message":"no"}}')
        self.webhook("create", "--url", URL, "--events", "*", "--secret-out", file, expect=1)
        self.assertFalse(file.exists())

    def test_create_makes_no_second_one_for_a_url(self):
        one = self.api.add(URL)
        self.assertIn(one, self.webhook("create", "--url", URL, "--events", "*", expect=1).err)
        self.assertEqual(len(self.api.webhooks), 1)

    def test_an_event_that_kula_does_not_list_is_told_with_the_nearest(self):
        for word in ("application.hird", "aplication.hired"):
            told = self.webhook("create", "--url", URL, "--events", f"job.created,{word}", expect=1).err
            self.assertIn(f'"{word}"; did you mean "application.hired"?', told)
        self.assertIn('"nothing.*"', self.webhook("create", "--url", URL, "--events", "nothing.*",
                                                  expect=1).err)
        self.assertIn("application.hired", self.webhook("sample", "application.hird", expect=3).err)
        self.assertEqual(self.api.webhooks, {})

    def test_a_dry_run_changes_nothing(self):
        one = self.api.add(URL)
        before = len(self.api.webhooks)
        for words in (["create", "--url", URL + "/2", "--events", "job.*"], ["update", one, "--name", "x"],
                      ["delete", one], ["enable", one], ["disable", one], ["test", one]):
            with self.subTest(words=words):
                self.assertIn("would", self.webhook(*words, "--dry-run").out)
        self.assertEqual([one for one in self.api.requests if one[0] != "GET"], [])
        self.assertEqual(len(self.api.webhooks), before)

    def test_update_changes_only_what_was_given(self):
        one = self.api.add(URL, ["job.created"], description="old")
        [shown] = self.objects("update", one, "--events", "offer.*", "--name", "new")
        self.assertEqual(shown["name"], "new")
        self.assertEqual(self.api.webhook(one).events, [each for each in events.TYPES if each.startswith("offer.")])
        self.assertEqual(self.api.webhook(one).fields["description"], "old")
        self.webhook("update", one, "--url", URL + "/new")
        self.assertEqual(self.api.webhook(one).url, URL + "/new")
        sent = [sent for method, _, sent in self.api.requests if method == "PATCH"]
        self.assertEqual(sent[-1], {"url": URL + "/new"})

    def test_an_empty_list_of_events_is_not_all_of_them(self):
        one = self.api.add(URL, ["job.created"])
        for events_given in ("", " ", ","):
            for words in (["create", "--url", URL + "/2"], ["update", one, "--name", "new"]):
                with self.subTest(events=events_given, words=words):
                    self.assertIn("--events", self.webhook(*words, "--events", events_given, expect=2).err)
        self.assertEqual({each[0] for each in self.api.requests} - {"GET"}, set())

    def test_enable_disable_and_delete(self):
        one = self.api.add(URL)
        self.assertIn("disabled", self.webhook("disable", one, "--yes").out)
        self.assertFalse(self.api.webhook(one).sender.enabled)
        self.assertIn("active", self.webhook("enable", one).out)
        self.assertTrue(self.api.webhook(one).sender.enabled)
        self.webhook("delete", one, "--yes")
        self.assertEqual(self.api.webhooks, {})
        self.assertIn(one, self.webhook("delete", one, "--yes", expect=3).err)

    def test_what_loses_something_asks_for_yes(self):
        one = self.api.add(URL)
        for verb in ("delete", "disable"):
            self.assertIn("--yes", self.webhook(verb, one, expect=2).err)
        self.assertEqual(self.api.requests, [])

    def test_events_tells_who_wants_what(self):
        self.house.service("crm", events=["application.*", "!application.updated"])
        self.house.service("search", events=["job.*"])
        self.api.add(URL, ["application.hired", "offer.created"])
        told = {one["event"]: one for one in self.objects("events")}
        self.assertEqual(list(told), list(events.TYPES))
        self.assertEqual(told["application.hired"], {"event": "application.hired", "sent": True, "services": ["crm"]})
        self.assertEqual(told["job.created"], {"event": "job.created", "sent": False, "services": ["search"]})
        self.assertEqual(told["offer.created"]["services"], [])
        lines = self.webhook("events").out
        self.assertRegex(lines, r"(?m)^offer.created\s+sent\s+nowhere")
        self.assertRegex(lines, r"(?m)^application.updated\s+not sent\s+-$")

    def test_an_id_cannot_lead_to_another_path(self):
        self.api.add(URL)
        self.webhook("show", "../webhooks?x#", expect=3)
        self.assertEqual(self.api.requests[-1][1], "/v1/webhooks/..%2Fwebhooks%3Fx%23")


class OtherForms(EveryVerb):
    """The same of an API in its other spelling, other envelope, with ids that are numbers."""

    quirks = {"spelling": "events", "envelope": "named", "numbers": True}


class LooseForms(EveryVerb):
    """The same where what is not known is passed over, and a change is answered with nothing."""

    quirks = {"spelling": "events", "envelope": "bare", "strict": False, "bare_yes": True}

    def test_events_that_were_passed_over_are_sent_again_by_their_other_name(self):
        [made] = self.objects("create", "--url", URL, "--events", "job.created")
        webhook = self.api.webhook(made["id"])
        self.assertEqual(webhook.events, ["job.created"])
        self.assertEqual([one[0] for one in self.api.requests if one[0] != "GET"], ["POST", "PATCH"])

    def test_a_secret_is_told_though_the_events_could_not_be_sent_again(self):
        self.api.fault("PATCH", "", status=403, body=b'{"error":{"code":"x","message":"no"}}')
        result = self.webhook("create", "--url", URL, "--events", "job.created", "--json", expect=1)
        [shown], [webhook] = result.objects, self.api.webhooks.values()
        self.assertEqual((shown["id"], shown["secret"]), (str(self.api.shown_id(webhook)), webhook.secret))
        self.assertRegex(result.err, r"(?s)shown this once.*not the events that it should have")

    def test_a_secret_is_kept_though_the_events_could_not_be_sent_again(self):
        file = self.house.folder / "made"
        self.api.fault("PATCH", "", status=503, times=3)
        told = self.webhook("create", "--url", URL, "--events", "job.created", "--secret-out", file, expect=1)
        [webhook] = self.api.webhooks.values()
        self.assertEqual(file.read_text(), webhook.secret + "\n")
        self.assertIn(str(self.api.shown_id(webhook)), told.out)
        self.assertIn(str(file), told.err)


class WithServe(Webhooks):
    """Kula's deliveries come to a serve of ours, over TLS."""

    def setUp(self):
        super().setUp()
        self.house.service("crm")
        self.house.listen_tls()
        self.house.start()
        self.url = self.house.serve.tls_url.replace("127.0.0.1", "localhost") + self.house.PATH

    def emit(self, event_type, event_id):
        sent = self.api.emit(events.encode(events.event(event_type, event_id)))
        until(lambda: all(one.status != "pending" for one in sent), f"{event_id} is sent")
        return sent

    def test_a_test_is_delivered_and_told(self):
        one = self.api.add(self.url, secret=SECRET.decode())
        [told] = self.objects("test", one)
        self.assertEqual((told["status"], told["response_code"]), ("delivered", 200))
        self.assertRegex(self.webhook("test", one).out, r"^delivered: answered 200 in \d+ ms \(test_")
        self.house.drain()
        self.assertEqual(self.house.ledger.length(), 2)

    def test_a_test_that_is_refused_is_told_with_its_cause(self):
        one = self.api.add(self.url, secret="another")
        result = self.webhook("test", one, expect=1)
        self.assertIn("failed: answered 401", result.out)
        self.assertIn("wrong secret", result.err)

    def test_logs_tell_each_delivery_and_can_be_narrowed(self):
        good = self.api.add(self.url, ["job.created", "offer.created"], secret=SECRET.decode())
        bad = self.api.add(self.url + "/nowhere", ["job.created"])
        self.emit("job.created", "evt_1")
        self.emit("offer.created", "evt_2")
        self.assertEqual([one["event_id"] for one in self.objects("logs", good)], ["evt_2", "evt_1"])
        [failed] = self.objects("logs", bad, "--status", "failed")
        self.assertEqual((failed["response_code"], failed["attempts"], failed["status"]), (404, 1, "failed"))
        self.assertEqual(self.objects("logs", bad, "--status", "delivered"), [])
        self.assertEqual([one["event_id"] for one in self.objects("logs", good, "--event", "job.created")], ["evt_1"])
        self.assertEqual(len(self.objects("logs", good, "-n", "1")), 1)
        told = self.webhook("logs", bad).out
        for words in ("status", "failed", "404", "job.created", "evt_1"):
            self.assertIn(words, told)

    def test_what_kula_gave_up_on_and_we_do_not_have_is_listed(self):
        good = self.api.add(self.url, ["job.created"], secret=SECRET.decode())
        bad = self.api.add(self.url, ["job.created", "offer.created"], secret="of another time")
        for event_type, event_id in (("job.created", "evt_both"), ("offer.created", "evt_offer")):
            self.emit(event_type, event_id)
        [missed] = self.objects("missed", bad)
        self.assertTrue(missed.pop("created_at"))
        self.assertEqual(missed, {"event_id": "evt_offer", "event": "offer.created", "certain": True})
        [old] = self.emit("offer.created", "evt_old")
        old.created_s -= 8 * 86400
        self.api.webhook(bad).events.append("candidate.updated")
        self.emit("candidate.updated", "evt_candidate")
        told = {one["event_id"]: one for one in self.objects("missed", bad)}
        self.assertEqual(list(told), ["evt_candidate", "evt_old", "evt_offer"])
        self.assertFalse(told["evt_old"]["certain"])
        self.assertRegex(told["evt_candidate"]["call"], r"^GET /v1/candidates\?updated_after=\d{4}-\d\d-\d\d$")
        result = self.webhook("missed", bad)
        self.assertRegex(result.out, r"(?m)evt_old  longer ago than the ledger remembers")
        self.assertIn("gave up on 4 in the last 30 days; the ledger does not have 3", result.err)
        self.webhook("missed", good)
        self.house.redis.stop()
        self.assertIn("Redis", self.webhook("missed", bad, expect=4).err)
        self.house.redis.start()

    def test_a_sample_can_be_sent(self):
        sample = self.webhook("sample", "application.hired").out
        self.assertEqual(json.loads(sample)["event"], "application.hired")
        run([RELAY, "send", "--config", self.house.config_file, "--url",
             self.house.serve.url + self.house.PATH, "--body", "-"], stdin=sample)
        self.house.drain()
        [entry] = self.house.ledger.events()
        self.assertEqual(entry[1]["body"].decode().rstrip("\n"), sample.rstrip("\n"))


class WithServeOtherForms(WithServe):
    """The same of an API in its other spelling, other envelope, with ids that are numbers."""

    quirks = {"spelling": "events", "envelope": "named", "numbers": True}


class NoColour(Webhooks):
    def test_what_kula_says_cannot_steer_the_terminal(self):
        one = self.api.add(URL, name="\x1b]0;title\x07", description="a\nb")
        for words in (["list"], ["show", one]):
            self.assertIsNone(re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f]", self.webhook(*words).out))
