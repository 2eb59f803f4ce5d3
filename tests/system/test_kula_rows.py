"""Every call of Kula's management API that is known of is made, in each of Kula's two spellings.

The table below is the one of Kula's documents: a row for each method and path, with the command that
asks for it and what has to come of it. A test fails where the simulated Kula has a call without a row.
"""

import collections
import re

from house import SECRET, Story
from sim import events
from sim.kula_api import KulaApi

Row = collections.namedtuple("Row", "method path words good")

ROWS = (
    Row("GET", "/webhooks", "list", lambda it: it.told("id") == it.one),
    Row("POST", "/webhooks", "create --url {url}/2 --events job.* --name two",
        lambda it: it.api.webhook(it.told("id")).events == ["job.created", "job.updated"]),
    Row("GET", "/webhooks/{id}", "show {one}",
        lambda it: (it.told("state"), it.told("events")) == ("active", ["job.created"])),
    Row("PATCH", "/webhooks/{id}", "update {one} --events job.*,offer.created",
        lambda it: it.webhook.events == ["job.created", "job.updated", "offer.created"]),
    Row("DELETE", "/webhooks/{id}", "delete {one} --yes", lambda it: it.api.webhooks == {}),
    Row("POST", "/webhooks/{id}/disable", "disable {one} --yes",
        lambda it: it.told("state") == "disabled" and not it.webhook.sender.enabled),
    Row("POST", "/webhooks/{id}/enable", "enable {one}",
        lambda it: it.told("state") == "active" and it.webhook.sender.enabled),
    Row("POST", "/webhooks/{id}/regenerate-secret", "rotate-secret {one} --yes --serve {admin}",
        lambda it: it.webhook.sender.secret != SECRET and it.serve_takes()),
    Row("POST", "/webhooks/{id}/test", "test {one}", lambda it: it.told("status") == "delivered"),
    Row("GET", "/webhooks/{id}/test/{test}", "test {one}",
        lambda it: it.told("response_code") == 200 and it.told("response_time_ms") >= 0),
    Row("GET", "/webhooks/{id}/logs", "logs {one} --status delivered --event job.created",
        lambda it: it.told("event_id") == it.happened and it.told("attempts") == 1),
    Row("GET", "/webhooks/events", "events", lambda it: [line["event"] for line in it.lines] == list(events.TYPES)),
    Row("GET", "/webhooks/sample/{type}", "sample application.hired",
        lambda it: it.told("event") == "application.hired" and it.told("data")),
)
WORDS = {"{id}": r"[^/]+", "{test}": r"[^/]+", "{type}": r"[^/]+"}


def path_of(row):
    return re.sub(r"\{\w+\}", lambda word: WORDS[word[0]], row.path)


class EveryRow(Story):
    spelling = "subscribed_events"

    def setUp(self):
        super().setUp()
        self.api = self.house.kula_api(spelling=self.spelling)
        folder = self.house.folder / "secrets"
        folder.mkdir()
        self.house.endpoints[0] |= {"secret_dir": str(folder), "unmatched": "retry"}
        self.house.service("crm")
        self.house.listen_tls()
        self.house.start()
        self.url = self.house.serve.tls_url.replace("127.0.0.1", "localhost") + self.house.PATH
        self.lines = []

    def begin(self):
        """Kula with one webhook, by which one event came."""
        for webhook in list(self.api.webhooks.values()):
            self.api.delete(webhook=webhook)
        self.one = self.api.add(self.url, ["job.created"], secret=self.secret())
        self.webhook = self.api.webhook(self.one)
        [self.happened] = self.api.happen("job.created")
        self.webhook.sender.wait()
        self.api.requests.clear()

    def secret(self):
        """What serve takes: the newest in its folder, else the first."""
        files = sorted((self.house.folder / "secrets").iterdir(), key=lambda one: one.stat().st_mtime)
        return files[-1].read_text().strip() if files else SECRET.decode()

    def told(self, key):
        return self.lines[0][key]

    def serve_takes(self):
        [delivery] = self.api.emit(events.encode(events.event("job.created")))
        return self.webhook.sender.wait([delivery])[0].status == "delivered"

    def ask(self, row):
        words = row.words.format(one=self.one, url=self.url,
                                 admin=self.house.serve.admin.url.removeprefix("http://")).split()
        as_json = [] if words[0] in ("sample", "delete", "rotate-secret") else ["--json"]
        result = self.house.relay("webhook", *words, *as_json, deadline_s=60)
        lines = result.out.splitlines()
        self.lines = result.objects if lines and lines[0].startswith("{") else []

    def test_every_row_is_asked_for_and_answered(self):
        for row in ROWS:
            with self.subTest(row=f"{row.method} {row.path}"):
                self.begin()
                self.ask(row)
                asked = [(method, target.split("?")[0]) for method, target, _ in self.api.requests]
                self.assertTrue(any(method == row.method and re.fullmatch("/v1" + path_of(row), path)
                                    for method, path in asked), asked)
                self.assertTrue(row.good(self), self.lines)

    def test_what_is_asked_is_spelled_as_kula_does(self):
        self.begin()
        for row in ROWS:
            if row.method in ("POST", "PATCH") and "--events" in row.words:
                self.ask(row)
        sent = [body for method, _, body in self.api.requests if method in ("POST", "PATCH") and body]
        self.assertIn(self.spelling, sent[-1])
        self.assertNotIn({"events": "subscribed_events"}.get(self.spelling, "events"), sent[-1])

    def test_a_log_has_thirty_days(self):
        self.begin()
        self.webhook.sender.deliveries[0].created_s -= 31 * 86400
        self.assertEqual(self.house.relay("webhook", "logs", self.one, "--json").out, "")

    def test_each_call_of_the_simulated_kula_has_a_row(self):
        rows = {(row.method, path_of(row)) for row in ROWS}
        routes = {(method, re.sub(r"\(\?P<\w+>([^)]*)\)", r"\1", path)) for method, path, _ in KulaApi.ROUTES}
        self.assertEqual(rows, routes)


class EveryRowOtherSpelling(EveryRow):
    spelling = "events"
