"""The simulators keep the rules that the other stories lean on: they are tried on each other."""

import base64
import json
import subprocess
import sys
import tempfile
import unittest

from house import SECRET, certificate
from processes import ROOT, Process, run, until
from sim import events, wire
from sim.kula import Kula, sign
from sim.service import Service

SIM = ROOT / "tests" / "sim"
PING = (b'{"event":"ping","event_id":"evt_test_abc123","created_at":"2025-01-15T10:30:00Z",'
        b'"account_id":12345,"data":{"message":"Webhook test"}}')


class Simulators(unittest.TestCase):
    def setUp(self):
        self.service = self.enterContext(Service())

    def kula(self, **how):
        how.setdefault("pace", 100000)  # a day takes less than a second
        return self.enterContext(Kula(self.service.url + "/hook", SECRET, **how))

    def test_signature_is_that_of_another_tool(self):
        v1 = "b65129c1cc468b2f1d051469267116ff06caa6b0e5f96a86bdc71adbe87dfa56"
        self.assertEqual(sign(SECRET, PING, 1736937000), f"t=1736937000,v1={v1}")
        told = subprocess.run(["openssl", "dgst", "-sha256", "-hmac", SECRET.decode()],
                              input=b"1736937000." + PING, capture_output=True, check=True).stdout
        self.assertIn(v1.encode(), told)

    def test_a_2xx_is_a_success_and_never_sent_again(self):
        self.service.fail(times=1, status=204)
        kula = self.kula()
        [delivery] = kula.wait([kula.ping()])
        self.assertEqual((delivery.status, delivery.last.status), ("delivered", 204))
        self.assertEqual(len(self.service.requests), 1)
        self.assertEqual(self.service.requests[0].header("X-Kula-Event"), "ping")

    def test_bodies_arrive_byte_for_byte(self):
        kula = self.kula()
        sent = {event_id: kula.emit(body, event_type, event_id).body
                for event_type, event_id, body in events.every_type()}
        large = events.of_size(1 << 20)
        self.assertEqual(len(large), 1 << 20)
        sent[json.loads(large)["event_id"]] = kula.emit(large).body
        kula.wait()
        self.service.wait_delivered(sent)
        self.assertTrue(self.service.bodies() == sent, "some body came in changed")

    def test_hard_bodies_are_hard(self):
        self.assertIn(rb"\u003cp\u003eR\u0026D\u003c/p\u003e", events.escaped())
        self.assertIn(b"12345678901234567890", events.big_integer())
        self.assertIn("花子".encode(), events.multibyte())
        for _, event_id, body in events.every_type():
            self.assertEqual(json.loads(body)["event_id"], event_id)

    def test_failures_are_tried_again_by_the_schedule(self):
        self.service.fail(times=6, status=503)
        kula = self.kula()
        [delivery] = kula.wait([kula.ping()])
        self.assertEqual([one.status for one in delivery.attempts], [503] * 6 + [200])
        waits = [later.at - earlier.at
                 for earlier, later in zip(delivery.attempts, delivery.attempts[1:])]
        for wait_s, planned_s in zip(waits, (60, 300, 1800, 7200, 28800, 57600)):
            self.assertGreaterEqual(wait_s, planned_s)

    def test_it_gives_up_after_seven_attempts(self):
        self.service.fail()
        kula = self.kula()
        [delivery] = kula.wait([kula.ping()])
        self.assertEqual((delivery.status, len(delivery.attempts)), ("failed", 7))

    def test_429_is_tried_again_and_other_4xx_and_3xx_are_final(self):
        for status, attempts in ((429, 2), (400, 1), (401, 1), (404, 1), (301, 1)):
            with self.subTest(status=status):
                self.service.fail(times=1, status=status)
                kula = self.kula()
                [delivery] = kula.wait([kula.ping()])
                self.assertEqual(len(delivery.attempts), attempts)
                self.assertEqual(delivery.status, "delivered" if attempts > 1 else "failed")

    def test_410_disables_the_endpoint(self):
        self.service.fail(times=1, status=410)
        kula = self.kula()
        kula.wait([kula.ping()])
        self.assertFalse(kula.enabled)
        self.assertEqual(kula.ping().status, "dropped")
        kula.enable()
        [delivery] = kula.wait([kula.ping()])
        self.assertEqual(delivery.status, "delivered")

    def test_25_failures_in_24_hours_disable_the_endpoint(self):
        self.service.fail(status=500)
        kula = self.kula(pace=1)  # no retry comes within this test
        first = [kula.ping() for _ in range(24)]
        kula.wait_for(lambda k: all(one.attempts for one in first), "24 attempts")
        self.assertTrue(kula.enabled)
        kula.ping()
        kula.wait_for(lambda k: not k.enabled, "the endpoint is disabled")
        self.assertEqual({one.status for one in kula.deliveries}, {"failed"})

    def test_failures_older_than_24_hours_are_forgotten(self):
        self.service.fail(times=24, status=400)
        kula = self.kula(pace=10_000_000)
        kula.wait([kula.ping() for _ in range(24)])
        day_over = kula.now_s() + 24 * 3600
        until(lambda: kula.now_s() > day_over, "a day of Kula's has gone")
        self.service.fail(times=1, status=400)
        kula.wait([kula.ping()])
        self.assertTrue(kula.enabled)

    def test_hang_ups_and_stalls_are_failures(self):
        for how in ({"do": "hang_up"}, {"do": "hang_up", "when": "early"},
                    {"do": "hang_up", "when": "reset"}, {"do": "hang_up", "when": "torn"},
                    {"do": "stall"}):
            with self.subTest(**how):
                self.service.rule(times=1, **how)
                kula = self.kula(timeout_s=0.3)
                [delivery] = kula.wait([kula.ping()])
                self.assertEqual([one.status for one in delivery.attempts], [0, 200])
                self.assertTrue(delivery.attempts[0].error)

    def test_a_held_request_goes_on_when_it_is_released(self):
        self.service.hold(status=202)
        kula = self.kula()
        delivery = kula.ping()
        self.service.wait_for(delivery.event_id)
        self.assertEqual(delivery.status, "pending")
        self.service.release()
        kula.wait([delivery])
        self.assertEqual(delivery.last.status, 202)

    def test_rules_for_one_event_leave_the_others_alone(self):
        self.service.fail(status=422, only="job.updated")
        kula = self.kula()
        bad, good = kula.emit_type("job.updated"), kula.emit_type("job.created")
        kula.wait([bad, good])
        self.assertEqual((bad.status, good.status), ("failed", "delivered"))

    def test_connections_are_kept_and_used_side_by_side(self):
        kula = self.kula(connections=5)
        kula.wait([kula.ping() for _ in range(100)])
        self.assertLessEqual(self.service.connections, 5)
        self.service.hold()
        kept = [kula.ping() for _ in range(5)]
        for delivery in kept:
            self.service.wait_for(delivery.event_id)
        self.service.release()
        kula.wait(kept)

    def test_chunked_requests_are_understood(self):
        body = b"x" * 100
        with wire.Wire(self.service.url) as peer:
            peer.send(wire.request("POST", "/", [("Transfer-Encoding", "chunked")], length=False)
                      + wire.chunked(body))
            self.assertEqual(peer.answer().status, 200)
        self.assertEqual(self.service.requests[0].body, body)


class ByHand(unittest.TestCase):
    def test_both_run_by_hand_and_tell_how(self):
        for program in ("kula.py", "kula_api.py", "service.py"):
            told = run([sys.executable, SIM / program, "--help"]).out
            self.assertIn("--", told)
        service = Process(
            "service", [sys.executable, SIM / "service.py", "--name", "crm", "--fail", "1"])
        self.addCleanup(service.kill)
        url = service.wait_line(lambda line: "listening at" in line, "listening").split()[-1]
        crt, _ = certificate()
        secret = self.write_secret()
        told = run([sys.executable, SIM / "kula.py", "--url", url + "/hook", "--secret-file", secret,
                    "--ca-file", crt, "--pace", "1000", "--ping", "--type", "offer.accepted",
                    "--connections", "1", "--json"])
        self.assertEqual([(one["event"], one["response_code"]) for one in told.objects],
                         [("ping", 500), ("offer.accepted", 200), ("ping", 200)])
        service.wait_line(
            lambda line: "offer.accepted" in line, "offer.accepted", lines=service.output)
        self.control(url)

    def test_the_api_runs_by_hand(self):
        api = Process("api", [sys.executable, SIM / "kula_api.py", "--token", "by_hand", "--spelling", "events"])
        self.addCleanup(api.kill)
        url = api.wait_line(lambda line: " at http" in line, "listening", lines=api.output).split()[-1]
        self.assertEqual(wire.call(url + "/webhooks", "GET").status, 401)
        told = wire.call(url + "/webhooks", "GET", [("Authorization", "Bearer by_hand")]).json()
        self.assertEqual(told["data"], [])

    def control(self, url):
        """The tiny control API."""
        rule = wire.call(url + "/_sim/rules", "POST", (), b'{"do":"answer","status":418,"times":1}')
        self.assertEqual(rule.status, 200)
        self.assertEqual(wire.call(url + "/_sim/rules", "POST", (), b'{"do":1,"x":2}').status, 400)
        self.assertEqual(wire.call(url + "/hook", "POST", (), b"tea").status, 418)
        requests = wire.get(url + "/_sim/requests").json()
        self.assertEqual(base64.b64decode(requests[-1]["body"]), b"tea")
        self.assertEqual(wire.call(url + "/_sim/rules", "DELETE").status, 200)
        self.assertEqual(wire.call(url + "/hook", "POST", (), b"tea").status, 200)

    def write_secret(self):
        file = self.enterContext(tempfile.NamedTemporaryFile())
        file.write(SECRET + b"\n")
        file.flush()
        return file.name


if __name__ == "__main__":
    unittest.main()
