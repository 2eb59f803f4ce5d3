"""HTTP that is broken or broken off is refused clearly, and leaves nothing behind.

What is refused, and how it is cut, is the matter of test_http_cases.py.
"""

import socket
import time
import unittest

from answers_house import BODY_LIMIT, Answers
from house import SECRET, House, Story
from processes import SLOW, until
from sim import wire
from sim.kula import signed_headers


class Broken(Answers):
    def test_a_refusal_is_one_line_that_the_client_sees_and_counted_once(self):
        headers = signed_headers(SECRET, self.body, self.now())
        length = ("Content-Length", str(len(self.body)))
        for status, word, message in (
                (400, "malformed", wire.request("POST", House.PATH, [*headers, length], self.body)),
                (413, "too_large", wire.request("POST", House.PATH, headers, bytes(BODY_LIMIT + 1))),
                (431, "head_too_large", wire.request(
                    "POST", House.PATH, [*headers, ("X-Long", "x" * 17000)], self.body))):
            with self.subTest(word):
                def ask(message=message):
                    connection = self.wire()
                    connection.send(message)
                    answer = connection.answer()
                    self.assertTrue(answer.closes and connection.ends(), "it stays open")
                    return answer

                self.assert_refused(ask, status, word)

    # Clients that go away.

    def test_a_client_that_hangs_up_at_any_stage_leaves_nothing_behind(self):
        message = wire.request("POST", House.PATH, signed_headers(SECRET, self.body, self.now()),
                               self.body)
        head_end = message.index(b"\r\n\r\n") + 4
        for name, sent in (("connected", 0), ("in the method", 2), ("in the path", 12),
                           ("in a header", head_end - 30), ("after the head", head_end),
                           ("in the body", head_end + 20), ("before the last byte", len(message) - 1)):
            for how in ("close", "reset"):
                with self.subTest(f"{name}, {how}"):
                    connection = self.wire()
                    connection.send(message[:sent])
                    getattr(connection, how)()
        self.serve.wait("connections", {}, lambda number: number == 0)
        self.serve.wait("bytes_in_flight", {}, lambda number: number == 0)
        self.assert_stored(0, 0)
        self.assert_accepted(self.post(), self.body, self.event["event_id"])

    def test_a_client_that_hangs_up_before_the_answer_is_told_duplicate_when_it_comes_again(self):
        accepted = self.serve.deliveries("accepted")
        connection = self.wire()
        connection.send(wire.request(
            "POST", House.PATH, signed_headers(SECRET, self.body, self.now()), self.body))
        connection.reset()
        until(lambda: self.serve.deliveries("accepted") == accepted + 1 or not self.known(),
              "the delivery is stored or was never seen")
        answer = self.post()
        self.assertEqual(answer.status, 200)
        self.assert_stored(1, 0)

    def known(self):
        return self.event["event_id"] in self.ledger.event_ids()


class OverPlainHttp(Broken, unittest.TestCase):
    def test_a_delivery_that_comes_too_slowly_may_come_again_for_kula_still_waits(self):
        connection = self.wire()
        started = time.monotonic()
        connection.send(b"POST /webhooks/kula HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf")
        answer = connection.answer()
        self.assert_one_line(answer, 503, "too_slow")
        self.assertTrue(answer.header("Retry-After"))
        self.assertGreater(time.monotonic() - started, 7)
        self.assert_stored(0, 0)


class OpenedInAdvance(Story):
    durability = "ledger"

    def test_a_connection_opened_in_advance_is_no_slow_request(self):
        """The clocks here are serve's own: a delivery that it holds for 8 s, one cut after 10 s."""
        serve = self.house.start_serve()
        body = b'{"event":"ping","event_id":"evt_1"}'
        message = wire.request("POST", self.house.PATH, signed_headers(SECRET, body, int(time.time())), body)
        early = self.enterContext(wire.Wire(serve.url, timeout_s=30 * SLOW))
        slow = self.enterContext(wire.Wire(serve.url, timeout_s=30 * SLOW))
        slow.send(message[:20])
        self.assertEqual(self.house.post(body).status, 503)  # there is no Redis
        early.send(message[:20])
        self.assertEqual(slow.answer().json()["status"], "too_slow")
        early.send(message[20:])
        self.assertEqual(early.answer().json()["status"], "unavailable")
        self.assertEqual(serve.value("http_faults_total", fault="too_slow"), 1)


class OverTls(Broken, unittest.TestCase):
    tls = True

    def test_a_client_that_breaks_off_the_handshake_is_forgotten(self):
        port = int(self.url.rsplit(":", 1)[1])
        for data in (b"", b"\x16\x03\x01", b"POST / HTTP/1.1\r\n\r\n"):
            with socket.create_connection(("127.0.0.1", port), 10) as peer:
                peer.sendall(data)
        self.serve.wait("connections", {}, lambda number: number == 0)
        self.assert_accepted(self.post(), self.body, self.event["event_id"])


class Floods(Story):
    def flood(self, serve):
        with wire.Wire(serve.url, timeout_s=30 * SLOW) as connection:
            for _ in range(200):
                connection.send(wire.request("POST", self.house.PATH, [], b"{}"))
                self.assertEqual(connection.answer().status, 401)

    def test_a_flood_of_refusals_does_not_hide_whose_clock_is_wrong(self):
        self.house.start()
        serve = self.house.serve
        self.flood(serve)
        self.assertEqual(self.house.post(b"{}", t=int(time.time()) - 8 * 86400).status, 503)
        until(lambda: any("signed_ahead_s" in entry for entry in serve.logged("delivery refused")), "that is told")

    def test_a_flood_of_refusals_does_not_flood_the_log(self):
        self.house.start()
        serve = self.house.serve
        self.flood(serve)
        left_out = serve.value("log_lines_left_out_total")
        self.assertGreater(left_out, 0)
        until(lambda: len(serve.logged("delivery refused")) + left_out == 200, "they are counted")
        self.assertEqual(serve.deliveries("signature_missing"), 200)
