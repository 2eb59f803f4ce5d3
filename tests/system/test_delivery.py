"""Each service gets exactly what it subscribed to, byte for byte, until it says yes."""

import re
import time
import unittest

from house import Story, certificate
from ledger_view import Ledger
from processes import WATCHED, most_memory_mib
from sim import events


class Delivery(Story):
    def test_two_services_with_different_filters_get_exactly_what_they_subscribed_to(self):
        crm = self.house.service(
            "crm", events=["application.*", "candidate.created", "!application.updated"])
        calendar = self.house.service("calendar", events=["interview.*", "interview.*.created"])
        audit_log = self.house.service("audit-log")
        self.house.start()
        kula = self.house.kula()
        sent = list(events.every_type())
        large = events.of_size(1 << 20, event_type="application.created")
        sent.append(("application.created", kula.emit(large).event_id, large))
        for event_type, event_id, body in sent[:-1]:
            kula.emit(body, event_type, event_id)
        self.assertEqual({one.status for one in kula.wait()}, {"delivered"})
        self.house.settle()
        self.assert_got(audit_log, sent)
        self.assert_got(crm, [one for one in sent if one[0] == "candidate.created" or (
            one[0].startswith("application.") and one[0] != "application.updated")])
        self.assert_got(calendar, [one for one in sent if one[0].startswith("interview.")])
        counts = self.house.ledger.counts("crm")
        self.assertEqual(counts["given"], len(sent))
        self.assertEqual(counts["filtered"], len(sent) - len(crm.requests))
        self.assertEqual(counts["done"], len(crm.requests))

    def assert_got(self, service, wanted):
        """Once each, every byte, and the headers say what the body says."""
        got = {one.event_id: one for one in service.requests}
        self.assertEqual(len(got), len(service.requests), "something came twice")
        self.assertEqual(set(got), {event_id for _, event_id, _ in wanted})
        for event_type, event_id, body in wanted:
            self.assertTrue(got[event_id].body == body, f"{event_type} came in changed")
            self.assertEqual(got[event_id].event_type, event_type)

    def test_endpoints_choose_too(self):
        crm = self.house.service("crm", endpoints=["second"])
        self.house.endpoint("second", "/webhooks/second")
        self.house.start()
        self.house.post_event()
        mine = events.event("offer.accepted")
        self.house.post(events.encode(mine), path="/webhooks/second")
        self.house.settle()
        self.assertEqual([one.event_id for one in crm.requests], [mine["event_id"]])

    def test_a_request_has_the_headers_that_a_service_may_rely_on(self):
        crm = self.house.service("crm", headers={"X-Source": "kula"})
        self.house.start()
        event_id, body = self.house.post_event("application.hired")
        self.house.settle()
        [request] = crm.requests
        self.assertEqual((request.method, request.path), ("POST", "/hooks/kula"))
        for name, value in (
                ("Content-Type", "application/json"), ("X-Kula-Event", "application.hired"),
                ("X-Kula-Event-Id", event_id), ("Idempotency-Key", event_id),
                ("Kula-Relay-Attempt", "1"), ("Kula-Relay-Origin", "live"),
                ("Content-Length", str(len(body))), ("X-Source", "kula")):
            self.assertEqual(request.header(name), value, name)
        self.assertRegex(request.header("User-Agent"), r"^kula-relay/\d+\.\d+\.\d+$")
        trace = re.fullmatch(r"00-([0-9a-f]{32})-([0-9a-f]{16})-0[01]", request.header("traceparent"))
        [(_, fields)] = self.house.ledger.events()
        self.assertEqual(trace[1], fields["trace"].decode())
        for absent in ("Expect", "Transfer-Encoding", "X-Kula-Signature"):
            self.assertIsNone(request.header(absent), absent)

    def test_a_service_that_fails_three_times_gets_it_the_fourth_and_the_other_is_served_at_once(self):
        crm, search = self.house.service("crm"), self.house.service("search")
        crm.fail(times=3, status=500)
        self.house.start()
        event_id, body = self.house.post_event()
        tries = crm.wait_for(event_id, 4)
        self.house.settle()
        self.assertEqual([one.attempt for one in tries], [1, 2, 3, 4])
        self.assertEqual([one.answered for one in crm.of(event_id)], [500, 500, 500, 200])
        self.assertEqual({one.body for one in tries}, {body})
        self.assertEqual({one.header("Idempotency-Key") for one in tries}, {event_id})
        spans = [one.header("traceparent") for one in tries]
        self.assertEqual((len(set(spans)), len({span[:35] for span in spans})), (4, 1))
        [served] = search.of(event_id)
        self.assertLess(served.at, tries[1].at)
        self.assertEqual(self.house.forward.value("attempts_total", service="crm", outcome="again"), 3)

    def test_a_stalled_service_does_not_hold_up_the_other(self):
        slow, quick = self.house.service("slow", concurrency=2), self.house.service("quick")
        slow.stall()
        self.house.start()
        ids = [self.house.post_event()[0] for _ in range(20)]
        quick.wait_delivered(ids)
        self.house.forward.wait("attempts_in_flight", {"service": "slow"}, 2)
        self.assertEqual(len(slow.requests), 2)
        slow.heal()
        slow.wait_delivered(ids)
        self.house.settle()

    def test_time_outs_hang_ups_and_refusals_are_tried_again(self):
        crm = self.house.service("crm", timeout="1s")
        crm.stall(times=1)
        for when in ("", "early", "reset", "torn"):
            crm.hang_up(times=1, when=when)
        for status in (301, 401, 403, 404, 405, 408, 409, 425, 429, 500, 503):
            crm.fail(times=1, status=status)
        self.house.start()
        event_id, _ = self.house.post_event()
        tries = crm.wait_for(event_id, 17)
        self.house.settle()
        self.assertEqual([one.attempt for one in tries], list(range(1, 18)))
        self.assertEqual(self.house.ledger.dead("crm"), [])

    def test_redirects_are_not_followed(self):
        crm, elsewhere = self.house.service("crm"), self.house.service("elsewhere", events=["none"])
        crm.rule(status=307, times=1, headers={"Location": elsewhere.url + "/hooks/kula"})
        self.house.start()
        event_id, _ = self.house.post_event()
        crm.wait_for(event_id, 2)
        self.house.settle()
        self.assertEqual(elsewhere.requests, [])

    def test_retry_after_holds_the_whole_service_back(self):
        crm = self.house.service("crm")
        crm.fail(times=1, status=503, Retry_After="2")
        self.house.start()
        first_id, _ = self.house.post_event()
        self.house.forward.wait("attempts_total", {"service": "crm", "outcome": "again"}, 1)
        second_id, _ = self.house.post_event()
        crm.wait_delivered([first_id, second_id])
        self.house.settle()
        first, *later = crm.requests
        self.assertEqual(len(later), 2)
        for request in later:
            self.assertGreaterEqual(request.at - first.at, 1.9)

    def test_connections_to_a_service_are_kept(self):
        crm = self.house.service("crm", concurrency=2)
        self.house.start()
        kula = self.house.kula(connections=8)
        kula.wait([kula.ping() for _ in range(200)])
        self.house.settle()
        self.assertEqual(len(crm.requests), 200)
        self.assertLessEqual(crm.connections, 4)

    def test_a_service_that_comes_later_starts_now_or_from_the_beginning_as_it_says(self):
        self.house.service("first")
        self.house.start()
        early, _ = self.house.post_event()
        self.house.settle()
        self.house.forward.stop()
        now = self.house.service("now")
        beginning = self.house.service("beginning", start="beginning")
        self.house.start_forward()
        late, _ = self.house.post_event()
        self.house.settle()
        self.assertEqual([one.event_id for one in now.requests], [late])
        self.assertEqual({one.event_id for one in beginning.requests}, {early, late})

    def test_what_was_accepted_before_forward_ever_ran_is_delivered(self):
        crm = self.house.service("crm")
        self.house.redis.start()
        self.house.start_serve()
        ids = [self.house.post_event()[0] for _ in range(5)]
        self.house.start_forward()
        crm.wait_delivered(ids)
        self.house.settle()

    def test_two_forwarders_share_the_work(self):
        crm = self.house.service("crm")
        self.house.start()
        self.house.start_forward()
        kula = self.house.kula()
        done = kula.wait([kula.ping() for _ in range(100)])
        self.house.settle()
        self.assertEqual(sorted(one.event_id for one in crm.requests),
                         sorted(one.event_id for one in done))


class Footprint(Story):
    @unittest.skipIf(WATCHED, "sanitizers and valgrind take memory of their own")
    def test_serve_stays_below_16_mb_with_fifty_busy_tls_connections(self):
        self.house.listen_tls()
        self.house.start()
        url = self.house.serve.tls_url.replace("127.0.0.1", "localhost") + self.house.PATH
        sent = self.house.relay("send", "--json", "--count", "3000", "--concurrency", "50", "--url", url,
                                "--ca-file", certificate()[0], "--secret-file", self.house.secret_file)
        self.assertEqual(sent.objects[-1]["accepted"], 3000)
        self.assertLess(most_memory_mib(self.house.serve.pid), 16)


class ForeignRedis(Story):
    def test_a_user_who_may_touch_only_our_keys_over_tcp_is_enough(self):
        house = self.house
        house.redis.listen_tcp("relay on >s3cret ~staging:* +@all -@dangerous")
        house.redis_settings = {"user": "relay", "prefix": "staging",
                                "password_file": str(house.write("password", b"s3cret\n"))}
        house.ledger = Ledger(house.redis.client, "staging")
        crm = house.service("crm")
        house.start()
        crm.fail(times=1, status=422)
        dead, _ = house.post_event()
        house.settle()
        house.relay("dead", "replay", "crm", "--all")
        ids = [dead, house.post_event()[0]]
        crm.wait_delivered(ids)
        house.settle()
        self.assertEqual(len(house.relay("tail", "--json").objects), 3)
        house.relay("show", dead)
        keys = house.redis("KEYS", "*")
        self.assertEqual([key for key in keys if not key.startswith(b"staging:")], [])


class DeadLetters(Story):
    def test_a_dead_letter_is_listed_replayed_and_delivered(self):
        crm, search = self.house.service("crm"), self.house.service("search")
        crm.fail(times=1, status=422)
        self.house.start()
        event_id, body = self.house.post_event("offer.accepted")
        self.house.settle()
        [letter] = self.house.relay("dead", "list", "crm", "--json").objects
        self.assertEqual((letter["id"], letter["type"], letter["status"], letter["tries"]),
                         (event_id, "offer.accepted", 422, 1))
        self.assertEqual(letter["stream_id"], self.house.ledger.stream_id(event_id))
        self.house.relay("dead", "replay", "crm", letter["dead_id"])
        replayed = crm.wait_for(event_id, 2)[1]
        self.house.settle()
        self.assertEqual(replayed.header("Kula-Relay-Origin"), "replay")
        self.assertEqual((replayed.body, replayed.attempt), (body, 1))
        self.assertEqual(self.house.relay("dead", "list", "crm", "--json").objects, [])
        self.assertEqual(len(search.of(event_id)), 1, "a replay is for one service")
        counts = self.house.ledger.counts("crm")
        self.assertEqual((counts["given"], counts["dead"], counts["done"]), (2, 1, 1))

    def test_other_4xx_are_dead_at_once(self):
        crm = self.house.service("crm")
        self.house.start()
        for status in (400, 402, 406, 410, 413, 415, 422, 451):
            crm.fail(times=1, status=status)
            event_id, _ = self.house.post_event()
            crm.wait_for(event_id)
            self.house.settle()
            self.assertEqual(len(crm.of(event_id)), 1, status)
        letters = self.house.relay("dead", "list", "crm", "--json").objects
        self.assertEqual([one["status"] for one in letters], [400, 402, 406, 410, 413, 415, 422, 451])

    def test_what_fails_for_longer_than_give_up_is_dead(self):
        crm = self.house.service("crm", retry={"first": "100ms", "most": "200ms", "give_up": "1s"})
        crm.fail(status=500)
        self.house.start()
        started = time.time()
        event_id, _ = self.house.post_event()
        self.house.settle()
        [letter] = self.house.relay("dead", "list", "crm", "--json").objects
        self.assertEqual((letter["id"], letter["status"]), (event_id, 500))
        self.assertGreaterEqual(time.time() - started, 1)
        self.assertEqual(letter["tries"], len(crm.requests))

    def test_replay_all_and_drop(self):
        crm = self.house.service("crm")
        crm.fail(status=422)
        self.house.start()
        ids = [self.house.post_event()[0] for _ in range(4)]
        self.house.settle()
        self.house.relay("dead", "drop", "crm", ids[0])
        would = self.house.relay("dead", "replay", "crm", "--all", "--dry-run", "--json").objects
        self.assertEqual(sorted(one["id"] for one in would), sorted(ids[1:]))
        crm.heal()
        self.house.relay("dead", "replay", "crm", "--all")
        crm.wait_delivered(ids[1:])
        self.house.settle()
        self.assertEqual(len(crm.of(ids[0])), 1)
        self.assertEqual(self.house.ledger.dead("crm"), [])
