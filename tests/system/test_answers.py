"""Whatever comes in gets the one answer it should get, is counted, and leaves nothing behind.

To Kula most 4xx are final, so each of these is a promise about what is lost and what not.
"""

import json
import unittest

from answers_house import BODY_LIMIT, Answers, signature
from house import SECRET, House, Story, certificate, has_ipv6
from processes import until
from sim import events, wire
from sim.kula import Kula, sign, signed_headers

DAY_S = 24 * 3600


class Deliveries(Answers):
    # What is as it should be.

    def test_a_good_delivery_is_accepted_and_stored_byte_for_byte(self):
        counted = self.serve.deliveries("accepted")
        fields = self.assert_accepted(self.post(), self.body, self.event["event_id"])
        self.assertEqual(self.serve.deliveries("accepted"), counted + 1)
        self.assertEqual(list(fields), ["id", "type", "endpoint", "account", "created", "received",
                                        "trace", "body"])
        self.assertEqual((fields["type"], fields["endpoint"], fields["account"], fields["created"]),
                         (b"candidate.created", b"kula", b"12345", b"2026-11-23T20:00:00Z"))

    def test_every_event_type_and_hard_body_is_accepted(self):
        connection = self.wire()
        for event_type, event_id, body in events.every_type():
            with self.subTest(type=event_type):
                self.before = (self.ledger.length(), self.before[1])
                headers = signed_headers(SECRET, body, self.now(), event_type, event_id)
                connection.send(wire.request("POST", House.PATH, headers, body))
                fields = self.assert_accepted(connection.answer(), body, event_id)
                self.assertEqual(fields["type"].decode(), event_type)

    def test_a_body_of_exactly_the_limit_is_accepted(self):
        body = events.of_size(BODY_LIMIT)
        self.assert_accepted(self.post(body), body, json.loads(body)["event_id"])

    def test_chunked_is_accepted(self):
        connection = self.wire()
        headers = [*signed_headers(SECRET, self.body, self.now()), ("Transfer-Encoding", "chunked")]
        connection.send(wire.request("POST", House.PATH, headers, length=False)
                        + wire.chunked(self.body))
        self.assert_accepted(connection.answer(), self.body, self.event["event_id"])

    def test_a_uri_split_over_tcp_segments_byte_by_byte_is_accepted(self):
        connection = self.wire()
        message = wire.request("POST", House.PATH, signed_headers(SECRET, self.body, self.now()),
                               self.body)
        end = message.index(b"\r\n") + 10
        connection.send_bytewise(message[:end])
        connection.send(message[end:])
        self.assert_accepted(connection.answer(), self.body, self.event["event_id"])

    def test_a_whole_delivery_byte_by_byte_is_accepted(self):
        connection = self.wire()
        connection.send_bytewise(wire.request(
            "POST", House.PATH, signed_headers(SECRET, self.body, self.now()), self.body))
        self.assert_accepted(connection.answer(), self.body, self.event["event_id"])

    def test_a_query_behind_the_path_does_not_matter(self):
        answer = self.post(path=House.PATH + "?from=kula")
        self.assert_accepted(answer, self.body, self.event["event_id"])

    def test_expect_100_continue_is_answered_and_other_expectations_are_ignored(self):
        for expectation in ("100-continue", "miracles"):
            with self.subTest(expectation=expectation):
                self.fresh()
                connection = self.wire()
                headers = [*signed_headers(SECRET, self.body, self.now()), ("Expect", expectation)]
                connection.send(wire.request("POST", House.PATH, headers, self.body))
                self.assert_accepted(connection.answer(), self.body, self.event["event_id"])

    def test_a_second_delivery_on_the_same_connection_is_served(self):
        connection = self.wire()
        for _ in range(3):
            body = events.encode(events.event("job.updated"))
            connection.send(wire.request("POST", House.PATH,
                                         signed_headers(SECRET, body, self.now()), body))
            self.assertEqual(connection.answer().json()["status"], "accepted")
        self.assert_stored(3, 0)

    def test_a_signature_among_others_in_any_order_is_accepted(self):
        good = sign(SECRET, self.body, self.now())
        t, v1 = good.split(",")
        header = f"v0=00, v1={'0' * 64}, {v1}, {t}"
        answer = self.post(headers=signature(header))
        self.assert_accepted(answer, self.body, self.event["event_id"])

    def test_healthz_answers(self):
        answer = wire.get(self.url + "/healthz", certificate()[0] if self.tls else None)
        self.assertEqual(answer.status, 200)
        self.assertEqual(json.loads(answer.body)["status"], "ok")

    # Signatures.

    def test_a_forged_signature_is_refused(self):
        forged = sign(b"whsec_of_somebody_else", self.body, self.now())
        self.assert_refused(lambda: self.post(headers=signature(forged)), 401, "signature_unmatched")

    def test_a_changed_body_is_refused(self):
        changed = self.body.replace(b"candidate", b"Candidate", 1)
        headers = signed_headers(SECRET, self.body, self.now())
        self.assert_refused(lambda: self.post(changed, headers=headers), 401, "signature_unmatched")

    def test_a_changed_time_is_refused(self):
        _, v1 = sign(SECRET, self.body, self.now() - 1).split(",")
        header = f"t={self.now()},{v1}"
        self.assert_refused(lambda: self.post(headers=signature(header)), 401, "signature_unmatched")

    def test_a_missing_signature_is_refused(self):
        for headers in ([], signature("")):
            with self.subTest(headers=headers):
                self.assert_refused(lambda headers=headers: self.post(headers=headers), 401,
                                    "signature_missing")

    def test_a_malformed_signature_is_refused(self):
        t, v1 = sign(SECRET, self.body, self.now()).split(",")
        digits = t[2:]
        for header in (
                "nonsense", t, v1, f"{t},v1=", f"{t},v1={v1[3:-1]}", f"{t},{v1}0",
                f"{t},v1=" + "g" * 64,
                f"t=,{v1}", f"t={digits}x,{v1}", f"t=-{digits},{v1}", f"t=+{digits},{v1}",
                f"t={digits}.5,{v1}", f"t=0x65,{v1}", f"t=NaN,{v1}", f"{t},{t},{v1}",
                f"t={'9' * 16},{v1}", f"t={digits} {v1}", f"t={digits};{v1}"):
            with self.subTest(header=header):
                self.assert_refused(lambda header=header: self.post(headers=signature(header)), 401,
                                    "signature_malformed")

    def test_two_signature_headers_are_refused(self):
        good = sign(SECRET, self.body, self.now())
        headers = signature(good) + [("X-Kula-Signature", good)]
        self.assert_refused(lambda: self.post(headers=headers), 401, "signature_malformed")

    def test_a_stale_or_future_time_is_answered_as_the_endpoint_says(self):
        for apart_s in (-3600, 3600):
            with self.subTest(apart_s=apart_s):
                t = self.now() + apart_s
                self.assert_refused(lambda t=t: self.post(t=t, path="/stale/reject"), 401, "stale")
                answer = self.assert_refused(lambda t=t: self.post(t=t, path="/stale/retry"), 503,
                                             "stale_retry")
                self.assertGreater(int(answer.header("Retry-After")), 0)
        self.assert_accepted(self.post(t=self.now() - 3600), self.body, self.event["event_id"])
        self.fresh()
        self.assert_accepted(self.post(t=self.now() + 3600), self.body, self.event["event_id"])

    def test_a_time_within_the_tolerance_is_fresh_everywhere(self):
        for apart_s in (-290, 290):
            self.fresh()
            answer = self.post(t=self.now() + apart_s, path="/stale/reject")
            self.assert_accepted(answer, self.body, self.event["event_id"])

    def test_beyond_the_dedup_window_nothing_is_accepted_and_kula_sends_again(self):
        for apart_s in (-8 * DAY_S, 8 * DAY_S):
            t = self.now() + apart_s
            self.assert_refused(lambda t=t: self.post(t=t), 503, "stale_retry")
            self.assert_refused(lambda t=t: self.post(t=t, path="/stale/reject"), 401, "stale")
            until(lambda t=t, apart_s=apart_s: self.tells_ahead(t, apart_s), "how far apart they are is told")

    def tells_ahead(self, t, ahead_s):
        self.post(t=t)  # again, because not every refusal has a line
        return any(abs(entry.get("signed_ahead_s", 0) - ahead_s) < 60
                   for entry in self.serve.logged("delivery refused"))

    def test_no_secret_matches_is_503_where_the_endpoint_says_retry(self):
        forged = signature(sign(b"whsec_the_next", self.body, self.now()))
        answer = self.assert_refused(lambda: self.post(headers=forged, path="/stale/retry"), 503,
                                     "signature_unmatched_retry")
        self.assertGreater(int(answer.header("Retry-After")), 0)

    # Authentic, but not readable.

    def test_what_is_authentic_but_not_json_goes_to_the_pen(self):
        for body in (b"", b"not json", b"[]", b'{"event":', self.body + b"x", b"\xff\xfe", b"null",
                     self.body[:-1]):
            with self.subTest(body=body):
                self.fresh()
                self.assert_penned(body, "not_json")

    def test_no_usable_id_or_type_goes_to_the_pen(self):
        for field, reason in (("event_id", "no_id"), ("event", "no_type")):
            for value in (None, 5, "", "with blank", "x" * 256, "ünï", "tab\t", ["evt_1"]):
                with self.subTest(field=field, value=value):
                    self.fresh()
                    self.assert_penned(events.encode({**self.event, field: value}, "compact"), reason)
            with self.subTest(field=field, value="absent"):
                self.fresh()
                event = {**self.event}
                del event[field]
                self.assert_penned(events.encode(event), reason)

    def test_an_id_or_type_given_twice_goes_to_the_pen(self):
        for field in ("event_id", "event"):
            with self.subTest(field=field):
                self.fresh()
                self.assert_penned(self.body[:-1] + b',"%b":"evt_other"}' % field.encode())

    def test_a_foreign_account_goes_to_the_pen(self):
        foreign = events.encode(events.event("candidate.created", account=99999))
        self.assert_penned(foreign, path="/ours")
        self.fresh()
        self.assert_accepted(self.post(path="/ours"), self.body, self.event["event_id"])

    # Too much, or at the wrong door.

    def test_too_long_is_told_before_the_body_is_read(self):
        def ask():
            connection = self.wire()
            connection.send(wire.request("POST", House.PATH, [
                *signed_headers(SECRET, self.body, self.now()),
                ("Content-Length", str(BODY_LIMIT + 1))], length=False))
            answer = connection.answer()
            self.assertTrue(answer.closes)
            return answer

        self.assert_refused(ask, 413, "too_large")

    def test_too_long_is_told_though_it_is_sent_whole(self):
        body = events.of_size(BODY_LIMIT + 1)
        self.assert_refused(lambda: self.post(body), 413, "too_large")

    def test_too_long_in_chunks_is_told(self):
        def ask():
            connection = self.wire()
            connection.send(
                wire.request("POST", House.PATH, [("Transfer-Encoding", "chunked")], length=False)
                + wire.chunked(events.of_size(BODY_LIMIT + 1), 65536))
            return connection.answer()

        self.assert_refused(ask, 413, "too_large")

    def test_another_method_is_405_and_told_which_is_allowed(self):
        headers = signed_headers(SECRET, self.body, self.now())
        for method in ("GET", "PUT", "DELETE", "OPTIONS", "PATCH"):
            with self.subTest(method=method):
                answer = self.assert_refused(
                    lambda method=method: wire.call(
                        self.url + House.PATH, method, headers, self.body,
                        certificate()[0] if self.tls else None), 405, "method_not_allowed")
                self.assertEqual(answer.header("Allow"), "POST")

    def test_another_path_is_404(self):
        for path in ("/", "/webhooks", House.PATH + "X", House.PATH + "/", House.PATH.upper(),
                     "/webhooks/%6bula", "//webhooks/kula", "/webhooks/kula;x", "/metrics", "/readyz"):
            with self.subTest(path=path):
                self.assert_refused(lambda path=path: self.post(path=path), 404, "not_found")


class OverPlainHttp(Deliveries, unittest.TestCase):
    pass


class OverTls(Deliveries, unittest.TestCase):
    tls = True

    def test_kula_does_not_deliver_where_it_cannot_verify_the_certificate(self):
        with Kula(self.url + House.PATH, SECRET) as kula:
            kula.ping()
            kula.wait_for(lambda k: k.deliveries[0].attempts, "an attempt")
        self.assertIn("certificate", kula.deliveries[0].last.error.lower())
        self.assert_stored(0, 0)


class Vectors(Story):
    """Signatures that were computed by other tools (the guide's own example verifies nothing)."""

    durability = "ledger"  # so that a duplicate is told as one

    T = 1736937000
    A = (b'{"event":"ping","event_id":"evt_test_abc123","created_at":"2025-01-15T10:30:00Z",'
         b'"account_id":12345,"data":{"message":"Webhook test"}}')
    B = (b'{"event":"job.updated","event_id":"evt_b","created_at":"2025-01-15T10:30:00Z",'
         b'"account_id":12345,"data":{"description":"\\u003cp\\u003eR\\u0026D\\u003c/p\\u003e",'
         b'"salary":120000.0}}')
    C = (b'{"event":"job.updated","event_id":"evt_b","created_at":"2025-01-15T10:30:00Z",'
         b'"account_id":12345,"data":{"description":"<p>R&D</p>","salary":120000}}')

    def deliver(self, body, v1, word):
        """With the vector's own time it is too old to come in, but only after it was verified."""
        answer = self.house.post(body, headers=signature(f"t={self.T},v1={v1}"))
        self.assertEqual((answer.status, answer.json()["status"]), (401, word))

    def test_known_signatures_are_verified_over_the_raw_bytes(self):
        self.house.endpoints[0]["stale"] = "reject"
        self.house.start()
        pretty = json.dumps(json.loads(self.A), indent=2).encode()
        self.assertEqual([len(self.A), len(self.B), len(self.C), len(pretty)], [134, 176, 149, 164])
        for body, v1 in (
                (self.A, "b65129c1cc468b2f1d051469267116ff06caa6b0e5f96a86bdc71adbe87dfa56"),
                (self.B, "0fd03026c856fc93b2f72814bc5450b2b8002ccdb1ad9f21d63592260119874d"),
                (self.C, "5ffdcb23dca0acd0f591472f562bc90f9dc7f10eb72cbceabc0d9180a2fedd01"),
                (b"", "29cb0627e98ca2f96b7113e66c328baf3fd558debb81b6adf2629efa92f02e3a"),
                (pretty, "aa438d7ad62d5ee6e48a179fc4093dcbbeb336b6b796f163888a38086c0b1f81")):
            with self.subTest(body=body):
                self.deliver(body, v1, "stale")
                self.deliver(body + b" ", v1, "signature_unmatched")
                self.deliver(body, v1.replace("f", "e"), "signature_unmatched")
        # Signed over C, sent as B: good for who re-serialises, and not what was signed.
        self.deliver(self.B, "5ffdcb23dca0acd0f591472f562bc90f9dc7f10eb72cbceabc0d9180a2fedd01",
                     "signature_unmatched")
        self.assertEqual(self.house.ledger.length(), 0)

    def test_their_bodies_signed_now_are_accepted(self):
        self.house.start()
        pretty = json.dumps(json.loads(self.A), indent=2).encode()
        for body, word in ((self.A, "accepted"), (self.B, "accepted"), (self.C, "duplicate"),
                           (b"", "penned"), (pretty, "duplicate")):
            answer = self.house.post(body)
            self.assertEqual((answer.status, answer.json()["status"]), (200, word))
        stored = [fields["body"] for _, fields in self.house.ledger.events()]
        self.assertEqual(stored, [self.A, self.B])


class OverIpv6(Story):
    @unittest.skipUnless(has_ipv6(), "no IPv6 on loopback")
    def test_a_listener_on_ipv6_accepts(self):
        self.house.listeners = [{"address": "[::1]:0"}]
        self.house.start()
        self.assertIn("[::1]", self.house.serve.url)
        self.house.post_event()
        self.assertEqual(wire.get(self.house.serve.url + "/healthz").status, 200)


if __name__ == "__main__":
    unittest.main()
