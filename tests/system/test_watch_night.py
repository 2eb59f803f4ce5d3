"""The night on which Redis is down: 25 failures, Kula stops, and in the morning everybody knows what was missed."""

import time

from house import SECRET, Story
from processes import SLOW, free_port, until


class Night(Story):
    durability = "ledger"  # so that an outage of Redis is one of ours
    keeps = False  # whether Kula's log has what happened while the webhook was disabled
    every = ()  # 30 s, as it comes

    def setUp(self):
        super().setUp()
        self.api = self.house.kula_api(hourly=1000000, connections=25, keeps=self.keeps)
        self.admin = f"127.0.0.1:{free_port()}"
        self.house.serve_settings["admin"] = self.admin
        self.house.listen_tls()
        self.port = free_port()
        self.house.listeners[1]["address"] = f"127.0.0.1:{self.port}"
        self.house.service("crm")
        url = f"https://localhost:{self.port}{self.house.PATH}"
        self.known = self.api.add(url, ["job.created", "ping"], secret=SECRET.decode())
        self.sender = self.api.webhook(self.known).sender
        self.house.kula_settings["webhooks"] = [{"endpoint": "kula", "url": url}]

    def missed(self):
        return [one["event_id"] for one in self.house.relay("webhook", "missed", self.known, "--json").objects]

    def test_kula_stops_and_it_comes_back_and_what_was_missed_is_known(self):
        self.house.start()
        watch = self.house.relay_process("watch", *self.every)
        watch.said("webhook watched", state="active")
        taken = self.api.happen("job.created", 3)
        self.sender.wait()

        self.house.redis.stop()
        failed = self.api.happen("job.created", 25)
        until(lambda: not self.sender.enabled, "Kula has disabled it", 60)
        while_disabled = self.api.happen("job.created", 4)
        self.assertEqual(self.api.lost(self.known), failed + while_disabled)
        watch.said("webhook is disabled at Kula", deadline_s=60)
        watch.said("serve is not ready, the webhook stays disabled", deadline_s=20)
        self.assertEqual(self.api.asked("POST", "/enable"), 0)

        self.house.redis.start()
        until(lambda: self.house.serve.admin.get("/readyz").json() == {"status": "ready"}, "serve is ready")
        ready = time.monotonic()
        watch.said("webhook proved", id=self.known, deadline_s=90 / SLOW)
        print(f"# {self.id()}: proved {time.monotonic() - ready:.0f} s after serve was ready", flush=True)
        self.assertTrue(self.sender.enabled)

        missed = failed + while_disabled if self.keeps else failed
        watch.said("events missed that Kula gave up on, see: kula-relay webhook missed", id=self.known,
                   count=str(len(missed)))
        self.assertEqual({line["event"] for line in watch.logged("event missed")}, set(missed))
        self.assertEqual(set(self.missed()), set(missed))
        self.house.serve.wait("failures_of_24_hours", {"kind": "failed"}, 25)
        self.house.serve.stop()
        self.house.start_serve()
        self.house.serve.wait("failures_of_24_hours", {"kind": "failed"}, lambda is_: is_ == 25)
        again = self.api.happen("job.created", 2)
        self.sender.wait()
        self.house.settle()
        self.assertTrue(set(taken + again) <= set(self.house.ledger.event_ids()))


class NightOfWhichKulaKeepsAll(Night):
    keeps = True
    every = ("--every", "5")
