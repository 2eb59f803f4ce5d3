"""HTTP that is broken, ambiguous or broken off is refused clearly, and leaves nothing behind."""

import socket
import time
import unittest

from answers_house import Answers
from house import SECRET, House, Story
from processes import SLOW, until
from sim import wire
from sim.kula import signed_headers


class Broken(Answers):
    # HTTP that means two things.

    def assert_broken(self, message, status=400, word="malformed"):
        def ask():
            connection = self.wire()
            connection.send(message)
            answer = connection.answer()
            self.assertTrue(connection.ends(), "the connection stays open")
            return answer

        self.assert_refused(ask, status, word)

    def test_ambiguous_lengths_are_refused_and_the_connection_closed(self):
        headers = signed_headers(SECRET, self.body, self.now())
        length = str(len(self.body))
        chunks = wire.chunked(self.body)
        for name, extra, body in (
                ("CL with TE", [("Content-Length", length), ("Transfer-Encoding", "chunked")], chunks),
                ("TE with CL", [("Transfer-Encoding", "chunked"), ("Content-Length", length)], chunks),
                ("two CLs", [("Content-Length", length), ("Content-Length", "5")], self.body),
                ("two equal CLs", [("Content-Length", length)] * 2, self.body),
                ("blank before the colon", [("Content-Length ", length)], self.body),
                ("a list", [("Content-Length", f"{length}, {length}")], self.body),
                ("a sign", [("Content-Length", f"+{length}")], self.body),
                ("hex", [("Content-Length", hex(len(self.body)))], self.body),
                ("gzip, chunked", [("Transfer-Encoding", "gzip, chunked")], chunks),
                ("xchunked", [("Transfer-Encoding", "xchunked")], chunks),
                ("TE twice", [("Transfer-Encoding", "chunked")] * 2, chunks),
                ("a chunk extension", [("Transfer-Encoding", "chunked")],
                 b"5;x=y\r\nhello\r\n0\r\n\r\n"),
                ("a trailer", [("Transfer-Encoding", "chunked")],
                 b"5\r\nhello\r\n0\r\nX-Kula-Event: x\r\n\r\n"),
                ("a chunk size beyond all", [("Transfer-Encoding", "chunked")],
                 b"ffffffffffffffff1\r\nhello\r\n0\r\n\r\n"),
        ):
            with self.subTest(name):
                self.assert_broken(
                    wire.request("POST", House.PATH, [*headers, *extra], body, length=False))

    def test_broken_heads_are_refused_and_the_connection_closed(self):
        headers = signed_headers(SECRET, self.body, self.now())
        good = wire.request("POST", House.PATH, headers, self.body)
        for name, message in (
                ("no HTTP", b"hello there\r\n\r\n"),
                ("another version", good.replace(b"HTTP/1.1", b"HTTP/9.9", 1)),
                ("a folded header", good.replace(b"Content-Type:", b"Content-Type:\r\n ", 1)),
                ("a header without colon", good.replace(b"Content-Type:", b"Content-Type", 1)),
                ("a blank in a header's name", good.replace(b"Content-Type:", b"Content Type:", 1)),
                ("a NUL", good.replace(b"simulated", b"simu\0lated", 1)),
        ):
            with self.subTest(name):
                self.assert_broken(message)

    def test_a_head_too_large_is_431(self):
        base = signed_headers(SECRET, self.body, self.now())
        for name, extra in (("too long", [("X-Long", "x" * 17000)]),
                            ("too many", [(f"X-{n}", "x") for n in range(101)])):
            with self.subTest(name):
                self.assert_broken(wire.request("POST", House.PATH, [*base, *extra], self.body), 431,
                                   "head_too_large")

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
    def test_a_request_that_does_not_get_whole_in_time_is_408(self):
        connection = self.wire()
        started = time.monotonic()
        connection.send(b"POST /webhooks/kula HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf")
        answer = connection.answer()
        self.assert_one_line(answer, 408, "too_slow")
        self.assertGreater(time.monotonic() - started, 9)
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
        self.assertEqual(slow.answer().status, 408)
        early.send(message[20:])
        self.assertEqual(early.answer().status, 503)
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
