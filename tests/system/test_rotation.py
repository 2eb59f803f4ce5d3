"""A new secret: made by Kula, brought to serve, proved, and the old one removed when its time has come."""

import os
import re
import stat
import threading
import time

from house import SECRET, Story
from processes import RELAY, run, until
from sim import events

RATE = 200


class Rotation(Story):
    def setUp(self):
        super().setUp()
        self.api = self.house.kula_api(pace=60)  # a minute of Kula's takes a second
        self.folder = self.house.folder / "secrets"
        self.folder.mkdir()
        self.house.endpoints[0] |= {"secret_dir": str(self.folder), "unmatched": "retry"}
        self.house.service("crm")
        self.house.listen_tls()

    def start(self):
        self.house.start()
        self.serve = self.house.serve
        url = self.serve.tls_url.replace("127.0.0.1", "localhost") + self.house.PATH
        self.known = self.api.add(url, ["job.created"], secret=SECRET.decode())
        self.sender = self.api.webhook(self.known).sender

    def rotate(self, *words, expect=0, admin=None):
        told = self.house.relay("webhook", "rotate-secret", self.known, "--yes", *words, "--serve",
                                admin or self.serve.admin.url.removeprefix("http://"), expect=expect,
                                deadline_s=60)
        self.assertNotIn(self.sender.secret.decode(), told.out + told.err)
        return told

    def files(self):
        return sorted(one.name for one in self.folder.iterdir())

    def test_nothing_that_kula_sends_meanwhile_is_lost(self):
        self.start()
        sent, done = [], threading.Event()

        def go_on():
            while not done.wait(0.25):
                sent.extend(self.api.emit(events.encode(events.event("job.created"))))

        sending = threading.Thread(target=go_on)
        sending.start()
        told = self.rotate()
        done.set()
        sending.join()
        self.assertIn("delivered: answered 200", told.out)
        self.assertIn("proved", told.err)
        self.assertNotEqual(self.sender.secret, SECRET)
        self.sender.wait(sent)
        self.assertEqual({one.status for one in sent}, {"delivered"})
        self.assertTrue(self.sender.enabled)
        [name] = self.files()
        self.assertRegex(name, r"^\d{8}T\d{6}Z-[0-9a-f]{8}$")
        self.assertEqual((self.folder / name).read_bytes(), self.sender.secret)
        self.assertEqual(stat.S_IMODE((self.folder / name).stat().st_mode), 0o600)
        # The old one is still good, for what Kula has signed before.
        self.assertEqual(self.house.post(events.encode(events.event("job.created"))).status, 200)

    def test_at_200_deliveries_a_second_it_loses_none_and_refuses_none(self):
        self.house.endpoints[0]["unmatched"] = "pen"
        self.start()
        self.sender.rate = RATE
        rotated = threading.Event()
        sent = []

        def go_on():
            for _ in range(60):  # a second's worth each, until there was one after it all
                batch = self.api.emit(events.encode(events.event("job.created")))
                for _ in range(RATE - 1):
                    batch += self.api.emit(events.encode(events.event("job.created")))
                sent.extend(batch)
                over = rotated.is_set()
                self.sender.wait(batch, 60)
                if over:
                    return

        sending = threading.Thread(target=go_on)
        sending.start()
        told = self.rotate()
        rotated.set()
        sending.join()
        self.assertIn("was penned and is released", told.err)
        self.assertEqual({one.status for one in sent}, {"delivered"})
        self.assertEqual({len(one.attempts) for one in sent}, {1}, "none was refused")
        crm = self.house.services["crm"]
        crm.wait_delivered([one.event_id for one in sent], 60)
        self.house.settle()
        seen = [one.event_id for one in crm.requests if one.event_type == "job.created"]
        self.assertEqual(len(seen), len(set(seen)), "none came twice")
        self.assertEqual(self.house.ledger.penned(), [])
        self.assertGreater(self.serve.deliveries("signature_unmatched_penned"), 0)

    def test_the_old_secret_stays_until_a_day_without_it_has_passed(self):
        self.start()
        old = self.folder / "old"
        old.write_bytes(b"an old secret of ours")
        self.rotate()
        told = self.rotate("--finish", expect=1)
        self.assertIn(f"{old} stays: serve was started", told.err)
        self.assertEqual(len(self.files()), 2)

    def serve_of_two_days(self):
        """The address of a serve that has been up for so long, and where one secret is idle, as it says itself."""
        for age, name in enumerate(("new", "used", "idle")):
            (self.folder / name).write_text(f"a secret called {name}")
            os.utime(self.folder / name, (time.time() - 60 * age,) * 2)
        marks = dict(re.findall(r"/(\w+)   # mark (\w+)", self.house.relay("check", "--print").out))
        now = int(time.time())
        matched = {"new": now - 60, "used": now - 3600, "idle": now - 90000, "secret": 0}
        metrics = f"kula_relay_started_timestamp_seconds {now - 172800}\n" + "".join(
            f'kula_relay_secret_matched_timestamp_seconds{{endpoint="kula",secret="{marks[name]}"}} {when}\n'
            for name, when in matched.items())
        other = self.house.service("metrics")
        other.rule(body=metrics)
        return f"127.0.0.1:{other.port}"

    def test_finish_removes_only_what_is_idle(self):
        self.start()
        self.api.add("https://hooks.example.com/elsewhere")
        told = self.rotate("--finish", expect=1, admin=self.serve_of_two_days())
        self.assertEqual(self.files(), ["new", "used"])
        self.assertIn("used stays: serve took a delivery that was signed with it 60 min ago", told.err)
        self.assertIn("secret is used no more: take it out of secret_files", told.err)

    def test_finish_removes_nothing_where_it_may_be_the_secret_of_another_webhook(self):
        """Which was quiet for a day."""
        self.start()
        by_url = self.api.add("https://hooks.example.com" + self.house.PATH)
        by_id = self.api.add("https://hooks.example.com/elsewhere")
        self.house.kula_settings["webhooks"] = [
            {"endpoint": "kula", "id": by_id, "url": "https://hooks.example.com/elsewhere"}]
        self.house.configure()
        told = self.rotate("--finish", expect=1, admin=self.serve_of_two_days())
        self.assertEqual(self.files(), ["idle", "new", "used"])
        self.assertIn(f"idle stays: Kula may sign with it for {by_url} and {by_id}, of the same endpoint", told.err)
        self.assertIn(f"{self.house.secret_file} stays: Kula may sign with it for {by_url}", told.err)
        self.assertIn("used stays: serve took a delivery", told.err)
        self.assertIn("an endpoint of its own", told.err)
        self.assertNotIn("take it out", told.err)

    def test_finish_removes_nothing_where_kula_does_not_list_its_webhooks(self):
        self.start()
        self.api.fault("GET", "/webhooks", status=422, body=b'{"error":{"message":"not now"}}')
        self.assertIn("not now", self.rotate("--finish", expect=1, admin=self.serve_of_two_days()).err)
        self.assertEqual(self.files(), ["idle", "new", "used"])

    def test_it_comes_to_the_endpoint_that_kula_delivers_to(self):
        """Though the path of another one is the end of its URL, too."""
        self.before("/kula", "retry")
        self.start()
        self.rotate()
        self.assertEqual(len(self.files()), 1)
        self.assertEqual(list(self.other_folder.iterdir()), [])
        [sent] = self.api.emit(events.encode(events.event("job.created")))
        self.sender.wait([sent])
        self.assertEqual(sent.status, "delivered")

    def test_it_refuses_by_the_rules_of_the_endpoint_that_kula_delivers_to(self):
        self.before("/kula", "pen")
        self.house.endpoints[1]["unmatched"] = "reject"
        self.start()
        self.assertIn("unmatched: pen (or retry) for the endpoint kula", self.rotate(expect=78).err)
        self.untouched()

    def test_it_refuses_where_two_endpoints_may_be_meant_until_the_configuration_says_which(self):
        self.before("/kula", "retry")
        self.start()
        url = self.api.webhook(self.known).fields["url"].replace(self.house.PATH, "/behind" + self.house.PATH)
        self.api.webhook(self.known).fields["url"] = url
        for words in (["rotate-secret", self.known, "--yes"], ["missed", self.known]):
            told = self.house.relay("webhook", *words, expect=78).err
            self.assertIn(f"does not say which endpoint {self.known} delivers to: add it to kula.webhooks", told)
        self.untouched()
        self.house.kula_settings["webhooks"] = [{"endpoint": "kula", "url": url}]
        self.house.configure()
        self.assertIn(str(self.folder), self.rotate("--dry-run").out)

    def before(self, path, unmatched):
        """Another endpoint, which the configuration has before that of the webhook."""
        self.other_folder = self.house.folder / "others"
        self.other_folder.mkdir()
        self.house.endpoint("other", path, secret_dir=str(self.other_folder), unmatched=unmatched)
        self.house.endpoints.reverse()

    def test_it_refuses_where_deliveries_would_be_lost(self):
        self.house.endpoints[0]["unmatched"] = "reject"
        self.start()
        self.assertIn("unmatched: pen (or retry)", self.rotate(expect=78).err)
        self.untouched()

    def test_it_refuses_without_a_folder(self):
        self.house.endpoints[0].pop("secret_dir")
        self.start()
        self.assertIn("secret_dir", self.rotate(expect=78).err)
        self.untouched()

    def test_it_refuses_where_serve_cannot_be_asked(self):
        self.start()
        self.assertIn("is it running", self.rotate(expect=1, admin="127.0.0.1:1").err)
        self.untouched()

    def test_it_refuses_where_the_folder_cannot_be_written(self):
        self.start()
        (self.folder / ".coming").mkdir()
        self.assertIn("nothing was changed at Kula", self.rotate(expect=1).err)
        (self.folder / ".coming").rmdir()
        self.untouched()

    def test_it_refuses_where_the_disk_is_full(self):
        self.start()
        script = "trap '' XFSZ; ulimit -f 0; exec \"$@\""
        told = run(["sh", "-c", script, "sh", RELAY, "webhook", "--config", self.house.config_file, "rotate-secret",
                    self.known, "--yes", "--serve", self.serve.admin.url.removeprefix("http://")], expect=1)
        self.assertRegex(told.err, r"\S+ cannot be written: File too large; nothing was changed at Kula")
        self.untouched()

    def while_kula_makes_a_secret(self):
        """A rotation that has asked for one, and what lets Kula answer."""
        asked, answered, answer = threading.Event(), threading.Event(), self.api.answer

        def answer_late(method, target, *words):
            told = answer(method, target, *words)
            if target.endswith("/regenerate-secret") and not asked.is_set():
                asked.set()
                answered.wait(60)
            return told

        self.api.answer = answer_late
        self.addCleanup(answered.set)
        process = self.house.relay_process("webhook", "rotate-secret", self.known, "--yes", "--timeout", "60",
                                           "--serve", self.serve.admin.url.removeprefix("http://"))
        until(lambda: asked.is_set() or not process.alive(), process.report, 30)
        return process, answered.set

    def test_a_second_rotation_is_refused_while_one_is_under_way(self):
        self.start()
        first, let_kula_answer = self.while_kula_makes_a_secret()
        for words in ([], ["--dry-run"]):
            self.assertIn("another rotation of the endpoint kula is under way", self.rotate(*words, expect=1).err)
        let_kula_answer()
        first.ended(60)
        self.assertEqual(self.api.asked("POST", "/regenerate-secret"), 1)
        [name] = self.files()
        self.assertEqual((self.folder / name).read_bytes(), self.sender.secret)

    def test_a_rotation_that_was_killed_is_in_nobodys_way(self):
        self.start()
        first, let_kula_answer = self.while_kula_makes_a_secret()
        first.kill()
        let_kula_answer()
        self.assertEqual(self.files(), [".coming"])
        self.rotate()
        [name] = self.files()
        self.assertEqual((self.folder / name).read_bytes(), self.sender.secret)

    def test_a_secret_that_was_left_behind_stays_until_a_person_has_decided(self):
        self.start()
        left = self.folder / ".coming"
        left.write_bytes(b"what Kula may sign with by now")
        self.assertIn(f"{left} was left behind by a rotation", self.rotate(expect=1).err)
        self.assertEqual(left.read_bytes(), b"what Kula may sign with by now")
        self.assertEqual(self.api.asked("POST", "/regenerate-secret"), 0)
        left.rename(self.folder / "left")
        self.rotate()
        self.assertEqual(len(self.files()), 2)

    def test_a_dry_run_and_a_refusal_of_kulas_change_nothing(self):
        self.start()
        self.assertIn("would", self.rotate("--dry-run").out)
        self.untouched()
        self.api.fault("POST", "/regenerate-secret", status=422, body=b'{"error":{"message":"not now"}}')
        self.assertIn("not now", self.rotate(expect=1).err)
        self.assertEqual((self.files(), self.sender.secret), ([], SECRET))

    def test_an_answer_that_is_lost_is_told(self):
        self.start()
        self.api.fault("POST", "/regenerate-secret", raw=b"H", done=True)
        self.assertIn("rotate again", self.rotate(expect=1).err)
        self.assertEqual(self.api.asked("POST", "/regenerate-secret"), 1)
        self.rotate()
        until(lambda: self.sender.enabled, "it is still enabled")

    def untouched(self):
        self.assertEqual(self.api.asked("POST", "/regenerate-secret"), 0)
        self.assertEqual(self.sender.secret, SECRET)
        if self.folder.exists():
            self.assertEqual(self.files(), [])
