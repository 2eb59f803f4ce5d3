"""Kula's side from the command line: `webhook` against the simulated management API."""

import json
import os
import re
import stat

from house import SECRET, Story
from processes import RELAY, run, until
from sim import events

TOKEN = "kula_token_4711"
URL = "https://hooks.example.com/webhooks/kula"


class Webhooks(Story):
    """With an API and nothing else: `webhook` needs neither Redis nor serve."""

    quirks = {}

    def setUp(self):
        super().setUp()
        self.api = self.house.kula_api(TOKEN, **self.quirks)

    def webhook(self, *words, expect=0, **how):
        """Whatever it says, it says neither the token nor the endpoint's secret."""
        self.house.configure()
        result = self.house.relay("webhook", *words, expect=expect, **how)
        for hidden in (TOKEN, SECRET.decode()):
            self.assertNotIn(hidden, result.out + result.err)
        return result

    def objects(self, *words, **how):
        return self.webhook(*words, "--json", **how).objects


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
            self.assertIn(f'"{word}"; did you mean application.hired?', told)
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


class Troubles(Webhooks):
    def told(self, *words, expect=1):
        """One sentence on stderr, nothing on stdout."""
        result = self.webhook(*words, expect=expect)
        self.assertEqual(result.out, "")
        self.assertRegex(result.err, r"^kula-relay webhook: .+\n$")
        return result.err

    def test_no_token_is_told_with_what_to_do(self):
        self.house.kula_settings.pop("token_file")
        self.assertIn("Application API", self.webhook("list", expect=78).err)

    def test_a_token_that_everybody_can_read_is_refused(self):
        (self.house.folder / "token").chmod(0o644)
        self.assertIn("chmod o-r", self.webhook("list", expect=78).err)
        self.assertEqual(self.api.requests, [])

    def test_a_wrong_token_is_told(self):
        self.house.write("token", b"another_token")
        told = self.told("list")
        self.assertIn("ERR_INVALID_TOKEN", told)
        self.assertIn("kula.token_file", told)
        self.assertNotIn("another_token", told)

    def test_a_feature_that_is_not_enabled_is_told(self):
        self.api.fault("GET", "/webhooks", status=403,
                       body=b'{"error":{"code":"ERR_FEATURE_NOT_ENABLED","message":"Not enabled"}}')
        self.assertIn("part of the account's plan", self.told("list"))

    def test_a_webhook_that_is_not_there_is_exit_3(self):
        for words in (["show", "wh_9"], ["update", "wh_9", "--name", "x"], ["delete", "wh_9", "--yes"],
                      ["enable", "wh_9"], ["disable", "wh_9", "--yes"], ["test", "wh_9"], ["logs", "wh_9"]):
            with self.subTest(words=words):
                told = self.told(*words, expect=3)
                self.assertIn("wh_9", told)
                self.assertIn("webhook list", told)

    def test_what_kula_finds_wrong_is_told_word_for_word_but_for_secrets(self):
        body = json.dumps({"error": {"code": "ERR_VALIDATION", "message": "Invalid", "details": [
            {"url": ["is taken"]}, {"secret": [f"{SECRET.decode()} is too weak"]}]}}).encode()
        self.api.fault("POST", "/webhooks", status=422, body=body)
        told = self.told("create", "--url", URL, "--events", "*", "--secret-file", self.house.secret_file)
        self.assertIn("422 ERR_VALIDATION: Invalid; url: is taken; secret: ***", told)
        self.assertIn("is too weak", told)

    def test_a_short_wait_for_the_rate_limit_is_waited(self):
        self.api.fault("GET", "/webhooks", status=429, body=b'{"meta":{"retry_after":1}}')
        self.webhook("list")
        self.assertEqual(self.api.asked("GET", "/webhooks"), 2)

    def test_a_long_wait_for_the_rate_limit_is_told(self):
        self.api.used = self.api.hourly
        told = self.told("list")
        self.assertIn("ERR_RATE_LIMIT_EXCEEDED", told)
        self.assertRegex(told, r"try again in (\d+[sm]|1h)")
        self.assertEqual(self.api.asked("GET", "/webhooks"), 1)

    def test_what_is_safe_is_tried_again_after_trouble_at_kula(self):
        self.api.add(URL)
        for how in ({"status": 503}, {"raw": b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"data\":"}):
            with self.subTest(how=how):
                self.api.fault("GET", "/webhooks", times=2, **how)
                self.assertEqual(len(self.objects("list")), 1)
        self.api.fault("GET", "/webhooks", status=500, times=3)
        self.assertIn("3 tries", self.told("list"))

    def test_what_may_have_been_done_is_not_done_twice(self):
        self.api.fault("POST", "/webhooks", stall=True, done=True)
        told = self.told("create", "--url", URL, "--events", "*", "--timeout", "1")
        self.assertIn("look first", told)
        self.assertEqual(self.api.asked("POST", "/webhooks"), 1)
        self.assertEqual(len(self.api.webhooks), 1)

    def test_what_a_kept_connection_has_lost_is_not_done_twice_either(self):
        self.api.fault("POST", "/webhooks", raw=b"H", done=True)
        self.assertIn("look first", self.told("create", "--url", URL, "--events", "*"))
        self.assertEqual(self.api.asked("POST", "/webhooks"), 1)

    def test_a_deletion_whose_answer_was_lost_is_a_deletion(self):
        one = self.api.add(URL)
        self.api.fault("DELETE", one, raw=b"HTTP/1.1 2", done=True)
        self.webhook("delete", one, "--yes")
        self.assertEqual(self.api.webhooks, {})

    def test_silence_is_told_after_the_time_out(self):
        self.api.fault("GET", "/webhooks", stall=True, times=3)
        self.assertIn(self.api.url, self.told("list", "--timeout", "1"))

    def test_nobody_there_is_told(self):
        self.house.kula_settings["api"] = "http://127.0.0.1:1/v1"
        self.assertIn("http://127.0.0.1:1/v1", self.told("list"))

    def test_nonsense_is_not_taken_for_kula(self):
        for how in ({"status": 200, "body": b"<!DOCTYPE html><title>Log in</title>"},
                    {"status": 200, "body": b'{"data":[{"id":"wh_1"'},
                    {"status": 200, "body": b'{"hello":"world"}'},
                    {"status": 302, "headers": {"Location": "https://elsewhere/"}},
                    {"status": 200, "body": b""}):
            with self.subTest(how=how):
                self.api.fault("GET", "/webhooks", **how)
                self.assertIn("is kula.api right", self.told("list"))
        self.api.fault("GET", "/webhooks", times=3, raw=b"\x00\x01 no HTTP at all\r\n\r\n")
        self.assertIn(self.api.url, self.told("list"))
        self.api.fault("GET", "/webhooks", status=200, body=b"[" + b"1," * 600000 + b"1]", times=3)
        self.assertIn("longer than 1 MiB", self.told("list"))

    def test_an_api_without_tls_is_refused_before_the_token_is_sent(self):
        self.house.kula_settings["api"] = "http://api.kula.example/v1"
        self.assertRegex(self.webhook("list", expect=78).err, r":\d+:\d+: kula.api: .*unencrypted")


class Plan(Webhooks):
    def want(self, *webhooks):
        self.house.kula_settings["webhooks"] = [{"endpoint": "kula", **one} for one in webhooks]

    def test_no_difference_is_exit_0(self):
        self.api.add(URL, ["job.created", "job.updated"])
        self.want({"url": URL, "events": ["job.*"]})
        self.assertIn("as it should be", self.webhook("plan").out)
        self.webhook("apply")
        self.assertEqual({one[0] for one in self.api.requests}, {"GET"})

    def test_a_difference_is_exit_2_and_can_be_read(self):
        one = self.api.add(URL + "/old", ["job.created", "offer.created"])
        self.api.add("https://elsewhere.example/", ["job.created"])
        self.want({"id": one, "url": URL, "events": ["job.*"]})
        told = self.webhook("plan", expect=2).out
        for line in (f"- url    {URL}/old", f"+ url    {URL}", "- event  offer.created", "+ event  job.updated"):
            self.assertIn(f"  {line}\n", told)
        self.assertIn("1 more at Kula", told)
        [step] = self.objects("plan", expect=2)
        self.assertEqual(step, {"endpoint": "kula", "id": one, "action": "change", "disabled": False,
                                "url_is": URL + "/old", "url_should_be": URL,
                                "events_missing": ["job.updated"], "events_too_many": ["offer.created"]})
        self.assertEqual({each[0] for each in self.api.requests}, {"GET"})

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
        self.assertIn("a new webhook for endpoint kula", self.webhook("plan", expect=2).out)
        self.webhook("apply")
        first, second = self.api.webhooks.values()
        self.assertEqual((first.url, first.secret, first.events), (URL, SECRET.decode(), ["job.created", "job.updated"]))
        self.assertEqual(second.events, list(events.TYPES))
        self.webhook("plan")

    def test_apply_does_nothing_where_it_could_not_do_all(self):
        one = self.api.add(URL, ["job.created"])
        self.want({"url": URL, "events": ["offer.*"]}, {"url": URL + "/2"})
        self.house.secret_file.unlink()
        self.assertIn(str(self.house.secret_file), self.webhook("apply", expect=78).err)
        self.assertEqual(self.api.webhook(one).events, ["job.created"])

    def test_what_cannot_be_planned_is_told(self):
        self.assertIn("kula.webhooks", self.webhook("plan", expect=78).err)
        self.want({"id": "wh_9", "url": URL})
        self.assertIn("wh_9", self.webhook("plan", expect=3).err)
        self.want({"url": URL, "events": ["job.creatd"]})
        self.assertIn("did you mean job.created", self.webhook("plan", expect=1).err)
        for _ in range(2):
            self.api.add(URL)
        self.want({"url": URL})
        self.assertIn("two webhooks", self.webhook("plan", expect=1).err)

    def test_a_disabled_one_is_no_difference_but_told(self):
        one = self.api.add(URL, events.TYPES)
        self.api.webhook(one).sender.disable()
        self.want({"url": URL})
        self.assertIn("disabled", self.webhook("plan").out)


class NoColour(Webhooks):
    def test_what_kula_says_cannot_steer_the_terminal(self):
        one = self.api.add(URL, name="\x1b]0;title\x07", description="a\nb")
        for words in (["list"], ["show", one]):
            self.assertIsNone(re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f]", self.webhook(*words).out))
