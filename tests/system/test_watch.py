"""What Kula disables comes back by itself, and only when it can be taken."""

import json
import signal
import threading
import time

from house import SECRET, Story
from processes import SLOW, free_port, log_entry, until
from sim import events


class Watch(Story):
    def setUp(self):
        super().setUp()
        self.api = self.house.kula_api(hourly=1000000)
        self.admin = f"127.0.0.1:{free_port()}"
        self.house.serve_settings["admin"] = self.admin
        self.port = free_port()  # a serve that starts again is found at the same place
        self.house.listen_tls()
        self.house.listeners[1]["address"] = f"127.0.0.1:{self.port}"
        self.house.service("crm")
        self.url = f"https://localhost:{self.port}{self.house.PATH}"
        self.known = self.api.add(self.url, ["job.created"], secret=SECRET.decode())
        self.house.kula_settings["webhooks"] = [{"endpoint": "kula", "url": self.url}]
        self.sender = self.api.webhook(self.known).sender

    def watch(self, *words):
        self.house.configure()
        return self.house.relay_process("watch", "--every", "1", *words)

    def test_a_disabled_webhook_is_enabled_and_proved(self):
        self.house.start()
        watch = self.watch()
        watch.said("webhook watched", state="active")
        self.assertEqual(self.api.asked("POST", "/enable"), 0)
        self.sender.disable()
        watch.said("webhook is disabled at Kula", id=self.known)
        watch.said("webhook enabled", id=self.known)
        watch.said("webhook proved", id=self.known)
        self.assertTrue(self.sender.enabled)
        [delivery] = self.api.emit(events.encode(events.event("job.created", "evt_after")))
        self.sender.wait([delivery])
        self.house.drain()
        self.assertIn("evt_after", self.house.ledger.event_ids())

    def test_of_more_missed_events_than_it_looks_at_it_says_so(self):
        self.api.quirks.keeps = True
        self.house.start()
        self.sender.disable()
        self.api.happen("job.created", 1001)
        watch = self.watch()
        watch.said("Kula gave up on more than is looked at, see: kula-relay webhook missed", id=self.known,
                   deadline_s=60)
        watch.said("events missed that Kula gave up on, see: kula-relay webhook missed", count="1000")

    def test_a_state_that_is_not_known_is_told_once_with_its_word(self):
        self.house.start()
        shown = {"id": self.known, "url": self.url, "events": ["job.created"], "state": "auto\n_disabled"}
        self.api.fault("GET", "/webhooks", status=200, body=json.dumps([shown]).encode())
        self.api.fault("GET", self.known, status=200, body=json.dumps(shown).encode(), times=3)
        watch = self.watch()
        unknown = ("webhook is in a state that is not known, and left in it; if nothing comes, see: "
                   "kula-relay webhook enable")
        told = watch.said(unknown, endpoint="kula", id=self.known)
        self.assertEqual((told["level"], told["state"]), ("error", "auto\n_disabled"))
        watch.said("webhook watched", state="active")
        self.assertEqual(len(watch.logged(unknown)), 1)
        self.assertEqual(self.api.asked("POST", "/enable"), 0)

    def test_a_state_that_kula_does_not_tell_is_told_too(self):
        self.house.start()
        body = json.dumps([{"id": self.known, "url": self.url}]).encode()
        self.api.fault("GET", "/webhooks", status=200, body=body)
        watch = self.watch()
        watch.said("webhook is in a state that is not known, and left in it; if nothing comes, see: "
                   "kula-relay webhook enable", state="not told")

    def test_it_stays_disabled_until_serve_is_ready(self):
        """As on the night on which serve is down: 25 failures, and Kula stops."""
        self.house.redis.start()
        for _ in range(25):
            self.api.emit(events.encode(events.event("job.created")))
        until(lambda: not self.sender.enabled, "Kula has disabled it")
        watch = self.watch()
        watch.said("webhook is disabled at Kula")
        watch.said("serve is not ready, the webhook stays disabled", url=f"http://{self.admin}/readyz")
        self.assertEqual(self.api.asked("POST", "/enable"), 0)
        self.house.start_serve()
        watch.said("webhook proved", deadline_s=30)
        self.house.start_forward()

    def test_what_was_enabled_just_now_is_not_enabled_again_at_once(self):
        self.house.start()
        watch = self.watch()
        self.sender.disable()
        watch.said("webhook proved")
        self.sender.disable()
        told = watch.said("webhook was enabled too often of late, and waits")
        self.assertTrue(30000 < int(told["ms"]) <= 60000)
        self.assertEqual(self.api.asked("POST", "/enable"), 1)

    def test_a_restart_knows_how_often_it_enabled(self):
        self.house.start()
        first = self.watch()
        self.sender.disable()
        first.said("webhook proved")
        first.kill()
        self.sender.disable()
        second = self.watch()
        told = second.said("webhook was enabled too often of late, and waits")
        self.assertTrue(0 < int(told["ms"]) <= 60000)
        second.kill()
        self.assertEqual(self.api.asked("POST", "/enable"), 1)

    def test_ten_in_a_day_are_ten_over_all_restarts(self):
        self.house.start()
        now = int(time.time())
        enabled = ",".join(str(now - 7200 * n) for n in range(1, 11))
        self.house.redis("HSET", "kula:endpoint:kula", f"webhook:{self.known}", f"disabled good {enabled}@{now}")
        self.sender.disable()
        told = self.watch().said("webhook was enabled too often of late, and waits")
        self.assertAlmostEqual(int(told["ms"]) / 3600000, 4, delta=0.1)  # the first was 20 hours ago
        self.house.serve.wait("webhook_enables_of_24_hours", {"webhook": self.known}, 10)
        self.assertEqual(self.api.asked("POST", "/enable"), 0)

    def test_what_a_killed_watch_did_not_come_to_prove_the_next_one_proves(self):
        self.house.start()
        self.api.fault("POST", "/test", stall=True)
        first = self.watch()
        self.sender.disable()
        first.said("webhook enabled")
        until(lambda: self.api.asked("POST", "/test"), "the test is asked for")
        first.kill()
        second = self.watch()
        second.said("webhook proved", id=self.known)
        self.assertEqual(self.api.asked("POST", "/enable"), 1)
        second.stop()
        third = self.watch()  # and the one after it has nothing to prove
        third.said("webhook watched", state="active")
        third.stop()
        self.assertEqual(self.api.asked("POST", "/test"), 2)

    def test_killed_before_kula_was_asked_it_counts_all_the_same(self):
        self.house.start()
        self.api.fault("POST", "/enable", stall=True)
        first = self.watch()
        self.sender.disable()
        until(lambda: self.api.asked("POST", "/enable"), "it is asked for")
        first.kill()
        self.watch().said("webhook was enabled too often of late, and waits")

    def test_without_redis_nobody_knows_and_it_waits_for_a_minute_first(self):
        self.house.start()
        self.house.redis.stop()
        self.sender.disable()
        watch = self.watch()
        told = watch.said("redis is away, and nobody else knows how often the webhook was enabled, waits",
                          deadline_s=30)
        self.assertTrue(0 < int(told["ms"]) <= 60000)
        self.assertEqual(self.api.asked("POST", "/enable"), 0)
        self.house.redis.start()
        watch.said("webhook proved", deadline_s=30)

    def test_that_redis_cannot_be_reached_is_told_once_and_that_it_is_back(self):
        self.house.start()
        watch = self.watch()
        watch.said("redis connected")
        self.house.redis.stop()
        self.assertIn("lost the connection", watch.said("redis is away")["reason"])
        self.house.redis.start()
        watch.said("redis is back")
        self.assertEqual(len(watch.logged("redis is away")), 1)

    def test_that_redis_refuses_the_password_is_told(self):
        self.house.start()
        password = self.house.write("password", b"not_this_one")
        password.chmod(0o600)
        self.house.redis_settings["password_file"] = str(password)
        self.house.redis("CONFIG", "SET", "requirepass", "another_one")  # who is connected stays so
        watch = self.watch()
        self.assertIn("WRONGPASS", watch.said("redis is away")["reason"])
        self.house.redis("CONFIG", "SET", "requirepass", "")
        watch.said("redis is back")

    def test_what_it_sees_stands_in_the_metrics_of_serve(self):
        self.house.start()
        watch = self.watch()
        self.house.serve.wait("webhook_active", {"endpoint": "kula", "webhook": self.known}, 1, deadline_s=20)
        self.house.serve.wait("webhook_looked_timestamp_seconds", {"webhook": self.known}, int(time.time()) - 60)
        self.house.serve.stop()
        self.sender.disable()
        watch.said("webhook is disabled at Kula")
        self.house.start_serve()
        watch.said("webhook proved", deadline_s=30)
        self.house.serve.wait("webhook_enables_of_24_hours", {"webhook": self.known}, 1, deadline_s=20)
        self.house.serve.wait("webhook_active", {"webhook": self.known}, 1, deadline_s=20)

    def test_webhook_shows_what_serve_and_watch_know(self):
        self.house.endpoints[0]["stale"] = "retry"
        self.house.start()
        watch = self.watch()
        self.sender.disable()
        watch.said("webhook proved")
        for _ in range(12):
            body = events.encode(events.event("job.created"))
            self.assertEqual(self.house.post(body, t=int(time.time()) - 1000).status, 503)
        self.house.serve.wait("failures_of_24_hours", {"kind": "failed"}, 12)

        def shown():
            return self.house.relay("webhook", "show", self.known, "--json").objects[0]

        until(lambda: shown().get("failed") == 12 and shown()["proof"] == "good", "it is told", 20)
        now = shown()
        self.assertEqual((now["unproved"], now["silent"], now["watched"], now["enabled"]), (0, False, True, 1))
        told = self.house.relay("webhook", "show", self.known).out
        self.assertIn("12 of 25 in 24 hours, 0 more unproved", told)
        self.assertRegex(told, r"watch +looked \d+m?s ago, enabled 1 times in 24 hours, proof good")
        self.assertIn("12 of 25 failures", self.house.relay("webhook", "list").out)
        watch.stop()
        self.house.redis.stop()  # Kula's side can be looked at without it
        self.assertIn(self.known, self.house.relay("webhook", "list").out)
        self.assertNotIn("failed", shown())
        self.house.redis.start()

    def test_when_kula_is_about_to_disable_it_watch_looks_three_times_as_often(self):
        self.house.endpoints[0]["stale"] = "retry"
        self.house.start()
        for _ in range(19):
            body = events.encode(events.event("job.created"))
            self.assertEqual(self.house.post(body, t=int(time.time()) - 1000).status, 503)
        self.house.serve.wait("failures_of_24_hours", {"kind": "failed"}, 19)
        watch = self.watch("--every", "30")
        told = watch.said("deliveries failed, Kula disables the endpoint at 25 in 24 hours")
        self.assertEqual((told["level"], told["failed"]), ("error", 19))
        until(lambda: self.api.asked("GET", self.known) > 0, "it knows the id, and has looked again", 25 / SLOW)

    def test_a_test_that_fails_is_an_error(self):
        self.house.start()
        self.sender.secret = b"another"
        self.sender.disable()
        watch = self.watch()
        told = watch.said("webhook enabled, but its test is not delivered")
        self.assertEqual((told["status"], str(told["answer"])), ("failed", "401"))
        # It looks for what was missed then, and a ping is none of that.
        looks = self.api.asked("GET", self.known)
        until(lambda: self.api.asked("GET", self.known) > looks, "it has looked for what was missed, and on")
        self.assertEqual(self.api.asked("GET", "/logs"), 1)
        self.assertEqual(watch.logged("event missed"), [])
        missed = self.house.relay("webhook", "missed", self.known)
        self.assertEqual(missed.out, "")
        self.assertIn("gave up on 0 in the last 30 days", missed.err)

    def test_where_kula_tells_of_no_test_it_ends_asking_and_what_was_missed_is_told_meanwhile(self):
        self.api.quirks.keeps = True
        self.house.start()
        self.sender.disable()
        self.api.happen("job.created")
        for how in ({"status": 422}, {"status": 404}, {"status": 500}, {"status": 200, "body": b'{"test_id":"t"}'},
                    {"status": 202, "body": b'{"test_id":"of_nothing","status":"pending"}'}):
            self.api.fault("POST", "/test", **how)
        watch = self.watch()
        end = "webhook enabled, but Kula does not tell how its tests went, see: kula-relay webhook test"
        told = watch.said(end, id=self.known, deadline_s=60)
        self.assertEqual((told["level"], told["tests"]), ("error", 5))
        said = [log_entry(line).get("message") for line in watch.errors]
        self.assertLess(said.index("event missed"), said.index(end))
        self.assertEqual(said.count("events missed that Kula gave up on, see: kula-relay webhook missed"), 1)
        looks = self.api.asked("GET", self.known)
        until(lambda: self.api.asked("GET", self.known) > looks + 2, "it has looked again, and once more")
        watch.stop()
        self.assertEqual(len(watch.logged(end)), 1)
        self.assertEqual(self.house.relay("webhook", "show", self.known, "--json").objects[0]["proof"], "bad")
        self.watch().said("webhook watched", state="active")
        self.assertEqual(self.api.asked("POST", "/test"), 5)

    def test_trouble_at_kula_is_told_and_outlived(self):
        self.house.start()
        self.api.fault("GET", "", status=500, times=4)
        self.api.fault("GET", "", status=200, body=b"<html>")
        watch = self.watch()
        told = watch.said("kula refuses or does not answer", outcome="away", deadline_s=20)
        self.assertIn("500", told["problem"])
        watch.said("kula refuses or does not answer", outcome="nonsense", deadline_s=20)
        watch.said("webhook watched", deadline_s=20)

    def test_one_that_was_made_again_is_found_by_its_url(self):
        self.house.start()
        watch = self.watch()
        watch.said("webhook watched", id=self.known)
        self.api.delete(webhook=self.api.webhook(self.known))
        watch.said("kula refuses or does not answer", outcome="missing")
        again = self.api.add(self.url, ["job.created"], secret=SECRET.decode())
        watch.said("webhook watched", id=again, deadline_s=30)

    def test_a_list_without_an_end_is_looked_at_for_ten_pages_and_no_further(self):
        self.house.redis.start()
        self.api.fault("GET", "/webhooks", times=-1, status=200, body=json.dumps(
            {"webhooks": [{"id": "another", "url": "https://a/"}], "pagination": {"total_pages": 1000000}}).encode())
        self.watch("--every", "3600").said("kula has no such webhook", url=self.url)
        self.assertEqual(self.api.asked("GET", "/webhooks"), 10)

    def test_the_nearer_the_limit_the_less_it_asks(self):
        self.house.start()
        self.api.hourly = 5
        watch = self.watch()
        watch.said("webhook watched")
        # Two seconds after its start serve looks at its files: a clock that is a fact.
        self.house.serve.wait("reloads_total", {"outcome": "unchanged"}, 1)
        self.assertEqual(len(self.api.requests) - self.api.asked("GET", "/logs"), 1)

    def test_a_reset_of_the_limit_in_milliseconds_does_not_keep_it_from_looking(self):
        self.house.start()
        self.api.reset_s = int(time.time() * 1000)
        watch = self.watch()
        watch.said("webhook watched", state="active")
        self.sender.disable()
        watch.said("webhook proved")

    def test_the_users_other_tools_are_refused_nothing_for_watch(self):
        """Another tool wants 90 of 100 requests; with one look a second, watch would make it 110."""
        self.house.start()
        self.api.hourly, self.api.hour_s = 100, 20
        self.api.reset_s = int(time.time()) + 20
        self.api.tokens.add("tool")
        watch = self.watch()
        asked = {}  # by when the hour ends: how often the tool asked in it
        done = threading.Event()

        def work():
            while not done.wait(20 / 90):
                hour = self.api.reset_s
                if asked.get(hour, 0) < 90:
                    self.api.answer("GET", "/v1/webhooks", "Bearer tool", {})
                    asked[self.api.reset_s] = asked.get(self.api.reset_s, 0) + 1

        tool = threading.Thread(target=work)
        tool.start()
        until(lambda: len(asked) >= 4, "three hours have gone by", 100)
        done.set()
        tool.join()
        self.assertEqual(self.api.limited, [])
        self.assertGreaterEqual(len(self.api.requests), 4)
        self.assertEqual(watch.logged("kula refuses or does not answer"), [])

    def test_a_changed_configuration_is_taken_whole_or_not_at_all(self):
        self.house.start()
        watch = self.watch()
        watch.said("webhook watched", id=self.known)
        self.house.kula_settings["webhooks"] = []
        self.house.configure()
        watch.signal(signal.SIGHUP)
        self.assertIn("kula.webhooks", watch.said("configuration mistake")["problem"])
        other = self.api.add(self.url + "/other", secret=SECRET.decode())
        self.house.kula_settings["webhooks"] = [{"endpoint": "kula", "id": other, "url": self.url}]
        self.house.configure()
        watch.signal(signal.SIGHUP)
        watch.said("webhook watched", id=other)
        watch.said("reload taken", cause="SIGHUP")

    def test_another_log_level_is_taken_at_sighup(self):
        self.house.start()
        self.house.log_level = "error"
        watch = self.watch()
        until(lambda: self.api.asked("GET", ""), "it looks at Kula")
        self.assertEqual(watch.errors, [])
        self.house.log_level = "info"
        self.house.configure()
        watch.signal(signal.SIGHUP)
        watch.said("reload taken", cause="SIGHUP")

    def test_it_tells_nobody_the_token(self):
        self.house.start()
        self.house.write("token", b"a_token_that_is_wrong")
        watch = self.watch()
        watch.said("kula refuses or does not answer", outcome="refused")
        watch.stop()
        self.assertNotIn("a_token_that_is_wrong", json.dumps(watch.errors + watch.output))

    def test_what_it_needs_is_told(self):
        text = self.house.configure().read_text()
        self.house.config_file.write_text(text.replace(f"  admin: {self.admin}\n", ""))
        self.assertIn("serve.admin: is missing", self.house.relay("watch", expect=78).err)
        self.house.config_file.write_text(text.replace(f"admin: {self.admin}\n", "admin: 127.0.0.1:0\n"))
        self.assertRegex(self.house.relay("watch", expect=78).err, r":\d+:\d+: serve.admin: has port 0")
        self.house.relay_process("watch", "--serve", self.admin).said("watching", serve=f"http://{self.admin}/readyz")
        self.house.kula_settings.pop("webhooks")
        self.house.configure()
        self.assertIn("kula.webhooks: is missing", self.house.relay("watch", "--serve", "a:1", expect=78).err)
