"""What Kula counts against an endpoint is counted here too, by all serves together and over restarts."""

import time

from house import House, Story
from processes import until
from sim import events, wire

TOLD = "deliveries failed, Kula disables the endpoint at 25 in 24 hours"
FORGED = b"whsec_of_somebody_else"


class Budget(Story):
    def setUp(self):
        super().setUp()
        self.house.endpoints[0]["stale"] = "retry"
        self.house.service("crm")

    def fail_deliveries(self, times):
        """Deliveries of Kula's that are answered 503: signed long ago."""
        for _ in range(times):
            body = events.encode(events.event("job.created"))
            self.assertEqual(self.house.post(body, t=int(time.time()) - 1000).status, 503)

    def forge_deliveries(self, times):
        for _ in range(times):
            body = events.encode(events.event("job.created"))
            self.assertEqual(self.house.post(body, secret=FORGED).status, 401)

    def promise(self, size):
        """Only the head of a delivery so long."""
        with wire.Wire(self.house.serve.url) as connection:
            connection.send(f"POST {House.PATH} HTTP/1.1\r\nHost: a\r\nContent-Length: {size}\r\n\r\n".encode())
            return connection.answer().status

    def failures(self, number, kind="failed", serve=None):
        serve = serve or self.house.serve
        return serve.wait("failures_of_24_hours", {"endpoint": "kula", "kind": kind}, lambda is_: is_ == number)

    def in_redis(self, kind="failed"):
        flat = self.house.redis("HGETALL", "kula:endpoint:kula")
        return sum(int(value.split(b"@")[0]) for name, value in zip(flat[::2], flat[1::2])
                   if name.startswith(kind.encode() + b":"))

    def redis_has(self, number, kind="failed"):
        until(lambda: self.in_redis(kind) == number, f"Redis has {number} {kind}", 20)

    def test_each_failure_counts_and_strangers_count_apart(self):
        self.house.start()
        self.failures(0)
        self.fail_deliveries(3)
        self.forge_deliveries(4)
        body = events.encode(events.event("job.created"))
        self.assertEqual(self.house.post(body, headers=[]).status, 401)  # nobody who signs: a stranger
        self.assertEqual(self.house.post(body, headers=[("X-Kula-Signature", "v1=x")]).status, 401)
        self.assertEqual(self.promise(1 << 30), 413)  # Kula does not send that event again
        self.house.post_event()
        self.failures(3)
        self.failures(6, "unproved")
        self.redis_has(3)
        self.redis_has(6, "unproved")

    def test_the_alarms_come_at_10_and_at_18_and_once(self):
        self.house.start()
        self.fail_deliveries(9)
        self.failures(9)
        self.assertEqual(self.house.serve.logged(TOLD), [])
        self.fail_deliveries(1)
        self.assertEqual(self.house.serve.said(TOLD, failed="10")["level"], "warning")
        self.fail_deliveries(7)
        self.failures(17)
        self.fail_deliveries(3)
        self.redis_has(20)
        self.house.serve.said(TOLD, level="error")
        self.fail_deliveries(1)
        self.redis_has(21)  # so what it answered about 20 has been heard
        self.assertEqual([one["level"] for one in self.house.serve.logged(TOLD)], ["warning", "error"])

    def test_it_survives_a_restart_and_a_kill(self):
        self.house.start()
        self.fail_deliveries(5)
        self.house.serve.stop()  # told before it ends
        self.assertEqual(self.in_redis(), 5)
        self.house.start_serve()
        self.failures(5)
        self.fail_deliveries(6)
        self.failures(11)
        self.redis_has(11)
        self.house.serve.kill()
        self.house.start_serve()
        self.assertEqual(self.house.serve.said(TOLD, failed="11")["level"], "warning")

    def test_two_serves_count_together(self):
        self.house.start()
        first = self.house.serve
        self.fail_deliveries(4)
        self.failures(4)
        second = self.house.start_serve()
        self.fail_deliveries(3)
        self.failures(7, serve=second)
        self.failures(7, serve=first)

    def test_what_fails_while_redis_is_away_is_counted_and_told_when_it_is_back(self):
        self.house.start()
        self.fail_deliveries(2)
        self.failures(2)
        self.house.redis.stop()
        self.fail_deliveries(17)
        self.failures(19)
        self.house.serve.said(TOLD, level="error")
        self.house.redis.start()
        self.redis_has(19)
        self.failures(19)

    def test_what_redis_forgot_is_told_again(self):
        self.house.start()
        self.fail_deliveries(3)
        self.redis_has(3)
        self.house.redis("DEL", "kula:endpoint:kula")
        self.redis_has(3)

    def test_no_answer_waits_for_a_redis_that_hangs(self):
        self.house.start()
        self.house.redis.freeze()
        self.fail_deliveries(12)  # answered, each of them, and it hangs still
        self.house.serve.said(TOLD, deadline_s=20)
        self.house.redis.thaw()

    def test_silence_is_told_and_its_end(self):
        """A week ago there were hundreds an hour, and now for five hours nothing."""
        self.house.redis.start()
        now = int(time.time())
        self.house.redis("HSET", "kula:rhythm:kula", "last", now - 5 * 3600)
        for hour in range(now // 3600 - 6, now // 3600 + 2):
            self.house.redis("HSET", "kula:rhythm:kula", hour % 168, f"300@{hour - 168}")
        self.house.start_serve()
        self.house.start_forward()
        told = self.house.serve.said("no event came for a long time")
        self.assertEqual((told["level"], told["endpoint"]), ("warning", "kula"))
        self.house.serve.wait("endpoint_silent", {"endpoint": "kula"}, 1)
        self.house.post_event()
        self.house.serve.said("events come again", deadline_s=20)
        self.house.serve.wait("endpoint_silent", {"endpoint": "kula"}, lambda is_: is_ == 0)
        self.assertEqual(len(self.house.serve.logged("no event came for a long time")), 1)
        self.assertLess(abs(self.house.serve.value("last_event_timestamp_seconds") - time.time()), 60)

    def test_an_endpoint_that_goes_has_no_failures_any_more(self):
        self.house.endpoint("other", "/other", stale="retry")
        self.house.start()
        self.fail_deliveries(2)
        self.failures(2)
        self.house.endpoints[0]["name"] = "renamed"
        self.house.configure()
        self.house.serve.signal(1)
        self.house.serve.said("reload taken")
        self.failures(0)
        self.house.serve.wait("failures_of_24_hours", {"endpoint": "renamed"}, lambda is_: is_ == 0)
