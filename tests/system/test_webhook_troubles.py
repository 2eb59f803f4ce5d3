"""What `webhook` says where Kula refuses, is silent, or is not Kula at all."""

import json

from house import SECRET
from webhook_house import URL, Webhooks


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

    def test_pages_without_an_end_come_to_one(self):
        one = self.api.add(URL)
        log = {"id": "log_1", "event": "job.created", "event_id": "evt_1", "status": "failed"}
        self.api.fault("GET", "/logs", times=-1, status=200, body=json.dumps(
            {"logs": [log], "pagination": {"page": 1, "total_pages": 1000000}}).encode())
        self.api.fault("GET", "/webhooks", times=-1, status=200, body=json.dumps(
            {"webhooks": [{"id": one, "url": URL}], "pagination": {"page": 1, "total_pages": 1000000}}).encode())
        self.house.redis.start()
        for words, path in ((["list"], "/webhooks"), (["logs", one, "--all"], "/logs"), (["missed", one], "/logs")):
            with self.subTest(words=words):
                before = self.api.asked("GET", path)
                result = self.webhook(*words, expect=1)
                self.assertIn("more than 1000 pages", result.err)
                self.assertNotIn("in the last 30 days", result.err)
                self.assertEqual(self.api.asked("GET", path) - before, 1000)
        self.webhook("logs", one, "-n", "1000")  # as many as were wanted, and no more is looked for

    def test_an_api_without_tls_is_refused_before_the_token_is_sent(self):
        self.house.kula_settings["api"] = "http://api.kula.example/v1"
        self.assertRegex(self.webhook("list", expect=78).err, r":\d+:\d+: kula.api: .*unencrypted")
