"""A service in trouble is left alone, nobody else notices, and at its return there is no storm."""

import time

from house import Story
from processes import until

# Probes come about every tenth of a second, and attempts end soon.
QUICK = {"timeout": "2s", "retry": {"first": "100ms", "most": "200ms"}}


class Pacing(Story):
    def open_breaker(self, crm, count=12, **trouble):
        """The service fails, and events come until it is only probed; their ids."""
        crm.fail(status=500, **trouble)
        ids = [self.house.post_event()[0] for _ in range(count)]
        self.house.forward.wait("breaker_open", {"service": "crm"}, 1)
        return ids

    def state(self):
        return {name: value.decode() for name, value in self.house.ledger.state("crm").items()}

    def test_a_service_that_is_down_is_only_probed_and_its_backlog_stays_unread(self):
        crm, search = self.house.service("crm", **QUICK), self.house.service("search")
        self.house.start()
        ids = self.open_breaker(crm)
        self.house.forward.said("breaker opened, the service is only probed", service="crm")
        until(lambda: int(self.state().get("probes", 0)) >= 1, "a probe has failed")
        probes = int(self.state()["probes"])
        seen, owed = len(crm.requests), self.house.ledger.owed("crm")
        later = [self.house.post_event()[0] for _ in range(100)]
        until(lambda: int(self.state()["probes"]) >= probes + 6, "six more probes")
        search.wait_delivered(ids + later)
        requests, taken = len(crm.requests) - seen, self.house.ledger.owed("crm") - owed
        done = int(self.state()["probes"]) - probes
        self.assertLessEqual(requests, done + 2, "one probe at a time")
        self.assertLessEqual(taken, done + 2, "the rest is not even taken")
        self.assertEqual(self.house.ledger.dead("crm"), [])
        crm.heal()
        crm.wait_delivered(ids + later)
        self.house.forward.said("breaker closed, the service answers again", service="crm")
        self.house.settle()

    def test_at_its_return_a_service_is_given_little_at_first_and_then_more(self):
        crm = self.house.service("crm", concurrency=8, **QUICK)
        self.house.start()
        ids = self.open_breaker(crm)
        ids += [self.house.post_event()[0] for _ in range(60)]
        crm.heal()
        back = len(crm.requests)
        crm.slow(0.03)
        crm.wait_delivered(ids)
        self.house.settle()
        after = crm.requests[back:]
        first = [one.at for one in after if one.answered == 200][:4]
        # One, then two at a time: a storm would have brought eight at once.
        self.assertGreater(first[3] - first[0], 0.03)
        self.house.forward.wait("window", {"service": "crm"}, 8)

    def test_a_restart_while_the_breaker_is_open_is_no_storm(self):
        crm = self.house.service("crm", timeout="2s", retry={"first": "20s", "most": "20s"})
        self.house.start()
        self.open_breaker(crm)
        until(lambda: self.state().get("probe_at"), "the next probe has a time")
        self.house.forward.wait("attempts_in_flight", {"service": "crm"}, lambda number: number == 0)
        seen = len(crm.requests)
        self.house.forward.stop()
        self.house.redis("HSET", "kula:service:crm", "probe_at", int(time.time() * 1000) + 2000)
        restarted = time.time()
        self.house.start_forward()
        self.house.forward.wait("breaker_open", {"service": "crm"}, 1)
        crm.wait(lambda all_: len(all_) > seen, "the next probe")
        self.house.forward.said("probe failed", service="crm")
        self.assertEqual(len(crm.requests), seen + 1)
        self.assertGreaterEqual(crm.requests[seen].at, restarted + 1)

    def test_two_bad_events_stop_nobody(self):
        crm = self.house.service("crm", timeout="1s", retry={"first": "10ms", "most": "50ms"})
        crm.stall(only="offer.created")
        crm.fail(status=500, only="offer.declined")
        self.house.start()
        bad = [self.house.post_event(kind)[0] for kind in ("offer.created", "offer.declined")]
        for event_id in bad:
            crm.wait_for(event_id, 2)  # by now it is known for what it is
        waits = []
        for _ in range(40):
            posted = time.time()
            event_id, _ = self.house.post_event()
            crm.wait_delivered([event_id])
            waits.append(crm.of(event_id)[0].at - posted)
        self.assertEqual(self.house.forward.value("breaker_open", service="crm"), 0)
        self.assertLess(sorted(waits)[len(waits) // 2], 0.5)
        self.assertLess(max(waits), 1, "none waits for a bad one's time-out")
        crm.heal()
        self.house.settle()

    def test_retry_after_is_kept_over_a_restart(self):
        crm = self.house.service("crm", **QUICK)
        crm.fail(times=1, status=429, Retry_After="3")
        self.house.start()
        first, _ = self.house.post_event()
        self.house.forward.wait("attempts_total", {"service": "crm", "outcome": "again"}, 1)
        until(lambda: self.state().get("held_until"), "the hold is in Redis")
        self.house.forward.stop()
        self.house.start_forward()
        second, _ = self.house.post_event()
        crm.wait_delivered([first, second])
        self.assertGreaterEqual(crm.requests[1].at - crm.requests[0].at, 2.9)

    def test_a_rate_is_kept(self):
        crm = self.house.service("crm", rate=20)
        self.house.start()
        kula = self.house.kula()
        done = kula.wait([kula.ping() for _ in range(50)])
        crm.wait_delivered([one.event_id for one in done])
        times = sorted(one.at for one in crm.requests)
        self.assertGreaterEqual(times[-1] - times[0], 50 / 20 - 0.5)
        self.house.settle()
        for _ in range(3):  # it hears of these though it has used up all it may
            event_id, _ = self.house.post_event()
            crm.wait_delivered([event_id])

    def test_an_entry_that_somebody_else_wrote_is_a_dead_letter_and_stops_nobody(self):
        self.audited = False
        crm = self.house.service("crm")
        self.house.start()
        self.house.redis("XADD", "kula:events", "*", "something", "else")
        self.house.redis("XADD", "kula:events", "*", "id", "evt_x", "type", "ping")
        event_id, _ = self.house.post_event()
        crm.wait_delivered([event_id])
        self.house.settle()
        reasons = [fields["reason"].decode() for _, fields in self.house.ledger.dead("crm")]
        self.assertEqual(reasons, ["the entry is no event of ours: id, type or body is missing"] * 2)
        self.assertEqual([one.event_id for one in crm.requests], [event_id])

