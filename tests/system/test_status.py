"""status: one screen of how things stand, of whoever can be asked."""

from house import Story
from processes import free_port, until
from sim.service import Service


class Status(Story):
    def setUp(self):
        super().setUp()
        self.house.serve_settings["admin"] = f"127.0.0.1:{free_port()}"
        self.house.forward_settings["admin"] = f"127.0.0.1:{free_port()}"

    def parts(self, expect=0):
        """What each part says; services by their name."""
        lines = self.house.relay("status", "--json", expect=expect).objects
        return {line.get("service", line["part"]): line for line in lines}

    def screen(self, expect=0):
        return self.house.relay("status", expect=expect).out

    def test_everything_is_told_on_one_screen(self):
        self.house.service("crm")
        billing = self.house.service("billing", order_by="account", retry={"first": "1h", "most": "1h"})
        billing.fail(times=1, status=500)
        self.house.start()
        self.house.post_event(event_id="evt_1")
        self.house.settle("crm")
        until(lambda: (self.parts()["billing"]["due_in_ms"] or 0) > 10000, "billing has one to be tried later")
        self.house.relay("pause", "crm")
        parts = self.parts()
        self.assertEqual(parts["serve"]["says"]["status"], "ready")
        self.assertGreaterEqual(parts["serve"]["connections"], 0)
        for name in ("serve", "forward"):
            self.assertEqual(parts[name]["started"], getattr(self.house, name).value("started_timestamp_seconds"))
            self.assertEqual(parts[name]["sandbox"]["no_new_privs"], 1)
            self.assertEqual(parts[name]["sandbox"]["landlock"],
                             getattr(self.house, name).value("sandbox", kind="landlock"))
        self.assertEqual((parts["spool"]["undrained"], parts["spool"]["writable"]), (0, True))
        redis = self.house.redis.info("server")
        self.assertEqual((parts["redis"]["version"], parts["redis"]["appends"]), (redis["redis_version"], True))
        self.assertEqual((parts["stream"]["length"], parts["stream"]["trimmed"]), (1, 0))
        self.assertEqual((parts["endpoint"]["failed"], parts["endpoint"]["webhooks"]), (0, []))
        self.assertTrue(parts["crm"]["paused"])
        self.assertEqual((parts["crm"]["owed"], parts["crm"]["due_in_ms"], parts["crm"]["owner"]), (0, None, None))
        owner = self.house.redis("HGET", "kula:service:billing", "owner").decode()
        self.assertEqual((parts["billing"]["owed"], parts["billing"]["owner"]), (1, owner))
        self.house.forward.said("delivers in order", service="billing", owner=owner)
        screen = self.screen()
        for words in ("serve     ready, ", "sandbox: ", "spool     0 events wait for Redis, ", "forward   ready, up ",
                      f"redis     redis {redis['redis_version']}, ", "appends to its file",
                      "stream    1 events, the oldest ", "0 of 25 failures in 24 hours", "  paused\n",
                      f"in order by the forward {owner[:8]}\n"):
            self.assertIn(words, screen)
        self.house.relay("resume", "crm")

    def test_while_redis_is_away_the_rest_is_told(self):
        self.house.service("crm", order_by="account")
        self.house.start()
        self.house.redis.stop()
        self.house.serve.said("redis is away", meanwhile="deliveries wait in the spool")
        parts = self.parts(expect=4)
        self.assertEqual(sorted(parts), ["forward", "serve", "spool"])
        self.assertEqual(parts["serve"]["says"], {"status": "ready", "degraded": True, "redis": "away"})
        self.assertRegex(self.screen(expect=4), r"(?m)^serve     ready, degraded, redis away, \d+ connections")
        self.house.redis.start()

    def test_nobody_there_is_told_as_well(self):
        self.house.service("crm", order_by="account")
        self.house.start()
        self.house.forward.stop()
        until(lambda: not self.parts()["crm"]["owner"], "it has given crm up")
        self.house.serve.stop()
        parts = self.parts()
        self.assertEqual((parts["serve"]["says"], parts["spool"]["undrained"]), (None, None))
        screen = self.screen()
        self.assertIn("nobody answers at http://127.0.0.1:", screen)
        self.assertIn("no forward delivers it in order", screen)
        self.house.config = lambda config=self.house.config: self.without_admin(config())
        self.house.configure()
        self.assertIn("forward.admin is not configured", self.screen())

    def test_who_else_answers_there_moves_no_cursor(self):
        stranger = self.enterContext(Service(name="stranger"))
        self.house.serve_settings["admin"] = stranger.url.removeprefix("http://")
        self.house.redis.start()
        for body in (r'{"status":"\u001b[2J","\u001b[31m":"\u001b[H","up":true}', "\x1b[2J is no JSON"):
            stranger.rule(status=200, body=body, times=3)
            screen = self.screen()
            self.assertNotIn("\x1b", screen + self.house.relay("health", "serve").out)
            self.assertEqual(", up" in screen, body.startswith("{"))
        self.assertIn(f"what answers at {stranger.url}/readyz is no serve", screen)

    @staticmethod
    def without_admin(config):
        return {**config, "serve": {**config["serve"], "admin": "127.0.0.1:1"}, "forward": {"retention": {"dead": "30d"}}}
