"""What a signature may cover: the body as it came, or, where the endpoint says so, the text that
JavaScript makes of it again, which Kula's own sample signs."""

import concurrent.futures
import shutil
import signal
import time
import unittest

import test_answers
from answers_house import signature
from house import SECRET, Story
from processes import run
from sim import events
from sim.kula import sign

# Not by its own name, or its tests would be told here too.
VECTORS = test_answers.Vectors
V1_C = "5ffdcb23dca0acd0f591472f562bc90f9dc7f10eb72cbceabc0d9180a2fedd01"
MOST = 256 * 1024

# A body as Rails may write it, and what JavaScript makes of it.
RAILS = (b'{"event":"job.updated","event_id":"evt_%b","created_at":"2025-01-15T10:30:00Z","account_id":12345,'
         b'"data":{"name":"R\\u0026D \\u003cb\\u003e","10":120000.0,"9":12345678901234567890,"x":1,"x":"\\u2028"}}')
JAVASCRIPT = ('{"event":"job.updated","event_id":"evt_%s","created_at":"2025-01-15T10:30:00Z","account_id":12345,'
              '"data":{"9":12345678901234567000,"10":120000,"name":"R&D <b>","x":"\u2028"}}')


class SignedBody(Story):
    def setUp(self):
        super().setUp()
        self.house.endpoint("either", "/either", signed_body="raw_or_canonical", stale="reject")
        self.house.start()
        self.serve = self.house.serve

    def post(self, body, signed, path="/either", secret=SECRET):
        """The answer to this body under the signature of another text."""
        headers = signature(sign(secret, signed, int(time.time())))
        answer = self.house.post(body, path=path, headers=headers)
        return answer.status, answer.json()["status"]

    def readings(self):
        return tuple(self.serve.value("signature_readings_total", endpoint="either", reading=reading)
                     for reading in ("raw", "canonical"))

    def stored(self):
        self.house.drain()
        return [fields["body"] for _, fields in self.house.ledger.events()]

    def test_the_vector_of_kulas_sample_is_refused_as_raw_and_read_as_canonical(self):
        headers = signature(f"t={VECTORS.T},v1={V1_C}")
        for path, word in ((self.house.PATH, "signature_unmatched"), ("/either", "stale")):
            answer = self.house.post(VECTORS.B, path=path, headers=headers)  # its time is long ago
            self.assertEqual((answer.status, answer.json()["status"]), (401, word))
        self.assertEqual(self.post(VECTORS.B, VECTORS.C, self.house.PATH), (401, "signature_unmatched"))
        self.assertEqual(self.post(VECTORS.B, VECTORS.C), (200, "accepted"))
        self.assertEqual(self.readings(), (0, 2))
        self.assertEqual(self.stored(), [VECTORS.B])

    def test_each_reading_is_counted_and_logged_apart_and_the_body_is_kept_as_it_came(self):
        first, second = RAILS % b"1", RAILS % b"2"
        self.assertEqual(self.post(first, first), (200, "accepted"))
        self.assertEqual(self.post(second, (JAVASCRIPT % "2").encode()), (200, "accepted"))
        self.assertEqual(self.readings(), (1, 1))
        self.assertEqual(self.stored(), [first, second])
        self.assertEqual({line["event"]: line["reading"] for line in self.serve.logged("delivery stored")},
                         {"evt_1": "raw", "evt_2": "canonical"})

    @unittest.skipUnless(shutil.which("node"), "node is not there: Debian's package nodejs has it")
    def test_what_kulas_sample_signs_is_accepted(self):
        bodies = [events.escaped(), events.big_integer(), events.multibyte(), RAILS % b"3"]
        script = "process.stdout.write(JSON.stringify(JSON.parse(require('node:fs').readFileSync(0, 'utf8'))))"
        for body in bodies:
            signed = run(["node", "-e", script], stdin=body.decode()).out.encode()
            self.assertEqual(self.post(body, signed), (200, "accepted"))
        self.assertEqual(self.stored(), bodies)

    def test_another_secret_or_a_changed_value_is_refused_in_either_reading(self):
        body, signed = RAILS % b"1", (JAVASCRIPT % "1").encode()
        self.assertEqual(self.post(body, signed, secret=b"whsec_other"), (401, "signature_unmatched"))
        for changed in (body.replace(b"120000", b"120001"), body.replace(b"R", b"S"), body + b"x", body[:-1]):
            self.assertEqual(self.post(changed, signed), (401, "signature_unmatched"))
        self.assertEqual(self.readings(), (0, 0))

    def test_no_body_beyond_256_kib_is_read_twice(self):
        for size, answer in ((MOST, (200, "accepted")), (MOST + 1, (401, "signature_unmatched"))):
            signed = b'{"event":"job.created","event_id":"evt_%d"}' % size
            self.assertEqual(self.post(signed.ljust(size), signed), answer)

    def test_many_long_ones_at_once_are_each_read_and_answered(self):
        """More than one turn of the loop reads, the forged among them."""
        def post(number):
            signed = b'{"event":"job.created","event_id":"evt_%d","data":"%b"}' % (number, b"x" * 200000)
            secret = SECRET if number % 2 else b"whsec_other"
            return self.post(signed.replace(b'":', b'" : '), signed, secret=secret)

        with concurrent.futures.ThreadPoolExecutor(12) as pool:
            answers = list(pool.map(post, range(12)))
        self.assertEqual(answers, [(401, "signature_unmatched"), (200, "accepted")] * 6)
        self.assertEqual(self.readings(), (0, 6))
        self.assertEqual(len(self.stored()), 6)

    def test_a_reload_turns_it_on(self):
        body, signed = RAILS % b"1", (JAVASCRIPT % "1").encode()
        self.assertEqual(self.post(body, signed, self.house.PATH), (401, "signature_unmatched"))
        self.house.endpoints[0]["signed_body"] = "raw_or_canonical"
        self.house.configure()
        self.serve.signal(signal.SIGHUP)
        self.serve.wait("reloads_total", {"outcome": "taken"}, 1)
        self.assertEqual(self.post(body, signed, self.house.PATH), (200, "accepted"))


if __name__ == "__main__":
    unittest.main()
