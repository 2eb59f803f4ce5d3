"""`unmatched: pen`: what no secret matches is kept until a secret comes that does, and what strangers
send of it keeps nobody out."""

import concurrent.futures
import shutil
import threading
import time

from house import SECRET, Story
from processes import SLOW, until
from sim import events, wire
from sim.kula import signed_headers

NEW = b"whsec_test_the_one_that_comes_next"
FLOOD = 5000
RATE = 200


class KeptAside(Story):
    def setUp(self):
        super().setUp()
        self.folder = self.house.folder / "secrets"
        self.folder.mkdir()
        self.house.endpoints[0] |= {"secret_dir": str(self.folder), "unmatched": "pen"}
        self.crm = self.house.service("crm")

    def start(self, **pen):
        if pen:
            self.house.serve_settings["pen"] = pen
        self.house.start()
        self.serve = self.house.serve

    def post(self, secret=NEW, serve=None, body=None):
        body = body or events.encode(events.event("candidate.created"))
        return self.house.post(body, secret=secret, url=(serve or self.serve).url)

    def post_penned(self, number, serve=None):
        """So many with the secret that serve does not have; their ids."""
        ids = []
        for _ in range(number):
            event = events.event("candidate.created")
            answer = self.post(body=events.encode(event), serve=serve)
            self.assertEqual((answer.status, answer.json()), (200, {"status": "penned"}))
            ids.append(event["event_id"])
        return ids

    def bring(self, secret=NEW):
        """As a person would, who has it from Kula's dashboard."""
        coming = self.folder / ".coming"
        coming.write_bytes(secret)
        coming.rename(self.folder / "new")

    def penned(self):
        return [one["reason"].decode() for one in self.house.ledger.penned()]

    def delivered_once(self, ids):
        self.crm.wait_delivered(ids, 60)
        self.house.settle()
        counts = {}
        for request in self.crm.requests:
            counts[request.event_id] = counts.get(request.event_id, 0) + 1
        self.assertEqual(counts, dict.fromkeys(ids, 1))

    def flood(self, number, serve=None):
        """Forged, on a few connections; how many were answered what."""
        url = (serve or self.serve).url
        statuses = {}
        lock = threading.Lock()

        def some(share):
            connection = None
            for n in range(share):
                body = b'{"event":"ping","event_id":"evt_forged_%d"}' % n
                connection = connection or wire.Wire(url, None, 60 * SLOW)
                connection.send(wire.request("POST", self.house.PATH,
                                             signed_headers(b"forged", body, int(time.time())), body))
                answer = connection.answer()
                with lock:
                    statuses[answer.status] = statuses.get(answer.status, 0) + 1
                if answer.closes or n == share - 1:
                    connection.close()
                    connection = None

        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            for done in [pool.submit(some, number // 4) for _ in range(4)]:
                done.result()
        return statuses


class Unmatched(KeptAside):
    def test_it_is_kept_and_released_when_the_secret_comes(self):
        self.start()
        ids = self.post_penned(3)
        self.house.drain()
        self.assertEqual(self.penned(), ["unmatched"] * 3)
        self.assertEqual(self.house.ledger.length(), 0)
        self.assertEqual(self.serve.deliveries("signature_unmatched_penned"), 3)
        self.bring()
        self.delivered_once(ids)
        self.assertEqual(self.penned(), [])
        self.serve.wait("pen_unmatched_events", {}, lambda number: number == 0)
        # Nobody who is not Kula is taken for it, and what has no signature is no case for the pen.
        self.assertEqual(self.post(secret=b"forged").status, 200)
        self.assertEqual(self.house.post(b"{}", headers=[("X-Kula-Signature", "hello")]).status, 401)

    def test_what_a_restored_backup_has_in_its_pen_again_is_released_again(self):
        self.start()
        ids = self.post_penned(3)
        self.house.drain()
        redis, backup = self.house.redis, self.house.folder / "backup"
        redis.stop()
        shutil.copytree(redis.folder, backup, ignore=shutil.ignore_patterns("sock"))
        redis.start()
        self.bring()
        self.delivered_once(ids)
        self.serve.wait("pen_checked", {}, 1)
        self.house.forward.stop()
        redis.stop()
        shutil.rmtree(redis.folder)
        shutil.copytree(backup, redis.folder)
        redis.start()
        until(lambda: not self.penned(), "it is released again", 30)
        self.assertEqual(sorted(self.house.ledger.event_ids()), sorted(ids))

    def test_what_comes_to_the_pen_after_the_secret_is_released_too(self):
        """As from a spool that was drained late, or by another serve that has the old secret only."""
        self.start()
        self.house.redis.kill()
        ids = self.post_penned(3)
        self.bring()
        self.serve.wait("secret_position", {}, lambda sum_: sum_ >= 3)
        self.house.redis.start()
        self.delivered_once(ids)
        self.assertEqual(self.penned(), [])

    def test_a_full_pen_keeps_out_nobody_but_strangers_and_opens_with_the_secret(self):
        self.start(max_events=20)
        ids = self.post_penned(20)
        self.house.drain()
        answer = self.post()
        self.assertEqual((answer.status, answer.json()), (503, {"status": "pen_full"}))
        self.assertTrue(answer.header("Retry-After"))
        self.serve.said("pen full, what no secret matches is answered 503: kula-relay pen list")
        self.assertEqual(self.post(SECRET, body=b"authentic, and no JSON").json(), {"status": "penned"})
        good, _ = self.house.post_event()
        self.bring()
        self.delivered_once([*ids, good])
        self.assertEqual(self.post(secret=b"forged").json(), {"status": "penned"})

    def test_a_person_makes_room(self):
        self.start(max_events=5)
        self.post_penned(5)
        self.house.drain()
        self.assertEqual(self.post().status, 503)
        self.house.relay("pen", "drop", "--all", "--reason", "unmatched")
        until(lambda: self.post().status == 200, "there is room", 30)

    def test_a_long_one_counts_by_its_bytes(self):
        self.start(max_size="64KiB")
        body = b'{"x":"' + b"y" * 40000 + b'"}'
        self.assertEqual(self.post(body=body).status, 200)
        self.assertEqual(self.post(body=body).status, 503)
        self.post_penned(1)

    def test_a_flood_ends_at_the_bound_and_harms_nobody(self):
        self.start(max_events=500)
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            flood = pool.submit(self.flood, FLOOD)
            honest = [self.house.post_event()[0] for _ in range(30)]
            statuses = flood.result()
        self.house.drain()
        self.assertEqual(sum(statuses.values()), FLOOD)
        self.assertEqual(set(statuses), {200, 503})
        self.assertEqual(len(self.penned()), statuses[200])
        self.assertLessEqual(statuses[200], 500)
        self.delivered_once(honest)
        self.assertLess(len(self.serve.logged("delivery penned")), 500, "the log is limited")

    def test_while_redis_is_away_the_bound_holds_also_over_a_restart(self):
        self.start(max_events=30)
        self.house.redis.stop()
        ids = self.post_penned(20)
        self.assertEqual(self.flood(40), {200: 10, 503: 30})
        self.serve.kill()
        self.serve = self.house.start_serve()
        # How much stands in Redis nobody knows, so nothing is taken on trust.
        self.assertEqual(self.post().status, 503)
        self.assertEqual(self.post(SECRET).status, 200)
        self.house.redis.start()
        self.house.drain()
        self.assertEqual(len(self.penned()), 30)
        self.assertEqual(self.post().status, 503)
        self.bring()
        self.crm.wait_delivered(ids)
        self.assertEqual(self.penned(), ["unmatched"] * 10)

    def test_two_serve_share_one_bound(self):
        self.start(max_events=40)
        first, second = self.serve, self.house.start_serve()
        ids = self.post_penned(20, first) + self.post_penned(10, second)
        for serve in (first, second):
            serve.wait("spool_undrained_records", {}, lambda number: number == 0)
        statuses = self.flood(40, first)
        self.assertLessEqual(statuses[200], 20)
        until(lambda: second.value("pen_unmatched_events") >= 40, "the second has heard of it", 40)
        self.assertEqual(self.post(serve=second).status, 503)
        self.bring()  # both release
        self.delivered_once(ids)
        first.stop()

    def test_killed_in_the_middle_of_a_release_each_is_delivered_once(self):
        self.start()
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            ids = [one for part in pool.map(lambda _: self.post_penned(50), range(8)) for one in part]
        self.house.drain()
        self.bring()
        until(lambda: self.house.ledger.length() > 50, "it has begun", 30)
        self.serve.kill()
        self.serve = self.house.start_serve()
        self.delivered_once(ids)
        until(lambda: not self.penned(), "the pen is empty")


class BehindOurBack(KeptAside):
    """Told with 200 deliveries a second."""

    def test_a_rotation_in_the_dashboard_ends_with_everything_delivered_once(self):
        self.start()
        kula = self.house.kula(rate=RATE, connections=8)
        deliveries = [kula.emit_type("candidate.created") for _ in range(RATE)]
        kula.wait(deliveries)
        kula.secret = NEW
        deliveries += [kula.emit_type("candidate.created") for _ in range(3 * RATE)]
        kula.wait_for(lambda _: len([1 for one in deliveries if one.attempts]) > 2 * RATE, "half of it", 60)
        self.bring()
        kula.wait(deliveries, 60)
        self.assertEqual({one.status for one in deliveries}, {"delivered"})
        self.assertEqual({len(one.attempts) for one in deliveries}, {1}, "nothing was refused")
        self.delivered_once([one.event_id for one in deliveries])
        self.assertGreater(self.serve.value("pen_released_total", endpoint="kula"), RATE / 2)
        self.assertEqual(self.penned(), [])
