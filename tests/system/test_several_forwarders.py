"""Several forward processes on one ledger share the work; what a killed one had is taken over."""

import collections
import signal

from house import Story

# A lease lasts for the time-out and five seconds more.
QUICK = {"timeout": "1s", "concurrency": 8}
WINDOW = 8


class SeveralForwarders(Story):
    def start(self, slow_s=0.02):
        """Two, and a service that takes its time; what Kula sends meanwhile."""
        self.crm = self.house.service("crm", **QUICK)
        self.crm.slow(slow_s)
        self.house.start()
        self.forwards = [self.house.forward, self.house.start_forward()]
        self.kula = self.house.kula(rate=200)
        return [self.kula.ping() for _ in range(600)]

    def settled(self, sent):
        """Everything came; how often what came more than once came again."""
        done = {one.event_id for one in self.kula.wait(sent)}
        self.house.settle(deadline_s=30)
        times = collections.Counter(one.event_id for one in self.crm.requests)
        self.assertEqual(set(times), done)
        return sum(times.values()) - len(times)

    def wait_requests(self, count):
        self.crm.wait(lambda all_: len(all_) >= count, f"{count} requests")

    def test_the_work_is_shared_and_nothing_is_sent_twice(self):
        sent = self.start()
        self.assertEqual(self.settled(sent), 0)
        for forward in self.forwards:
            self.assertGreater(forward.value("attempts_total", service="crm", outcome="delivered"), 0)

    def test_what_a_killed_one_had_in_flight_is_sent_again_and_no_more_than_that(self):
        sent = self.start()
        for count, number in ((100, 0), (250, 1), (400, 0)):
            self.wait_requests(count)
            self.forwards[number].kill()
            self.forwards[number] = self.house.start_forward()
        self.assertLessEqual(self.settled(sent), 3 * WINDOW)

    def test_those_that_are_told_to_stop_leave_nothing_to_be_sent_again(self):
        sent = self.start()
        self.wait_requests(100)
        self.forwards[0].stop()
        self.wait_requests(200)
        self.forwards[1].stop()
        self.house.start_forward()
        self.assertEqual(self.settled(sent), 0)

    def test_one_that_was_frozen_for_long_sends_nothing_when_it_wakes(self):
        sent = self.start()
        self.wait_requests(100)
        self.forwards[0].signal(signal.SIGSTOP)
        self.assertLessEqual(self.settled(sent), WINDOW)
        requests = len(self.crm.requests)
        self.forwards[0].signal(signal.SIGCONT)
        self.forwards[0].wait("in_flight", {"service": "crm"}, 0)
        self.house.settle()
        self.assertEqual(len(self.crm.requests), requests)
