"""verify: would this delivery be accepted, and why not? Without configuration, Redis or serve."""

import json
import time
import unittest

import test_answers
from house import SECRET, Story
from processes import RELAY, run
from sim.kula import sign

VECTORS = test_answers.Vectors
T = VECTORS.T
V1 = {
    VECTORS.A: "b65129c1cc468b2f1d051469267116ff06caa6b0e5f96a86bdc71adbe87dfa56",
    VECTORS.B: "0fd03026c856fc93b2f72814bc5450b2b8002ccdb1ad9f21d63592260119874d",
    VECTORS.C: "5ffdcb23dca0acd0f591472f562bc90f9dc7f10eb72cbceabc0d9180a2fedd01",
    b"": "29cb0627e98ca2f96b7113e66c328baf3fd558debb81b6adf2629efa92f02e3a",
    json.dumps(json.loads(VECTORS.A), indent=2).encode():
        "aa438d7ad62d5ee6e48a179fc4093dcbbeb336b6b796f163888a38086c0b1f81",
}


class Verify(Story):
    def verify(self, signature, body, *words, expect=0, secret=None):
        secret_file = self.house.write("other", secret) if secret else self.house.secret_file
        body_file = self.house.write("body", body)
        result = run([RELAY, "verify", "--secret-file", secret_file, "--signature", signature,
                      "--body", body_file, *words], expect=expect)
        told = result.out + result.err
        for hidden in (SECRET, secret or SECRET, body):
            if len(hidden) > 2:
                self.assertNotIn(hidden.decode(errors="replace").strip(), told)
        self.assertNotRegex(told, r"[0-9a-f]{16}", "no signature is told, given or right")
        return result

    def found(self, signature, body, *words, **how):
        [line] = self.verify(signature, body, "--explain", "--json", *words, expect=1, **how).objects
        self.assertFalse(line["accepted"])
        return [one["what"] for one in line["found"]]

    def test_kulas_vectors_are_accepted_and_each_under_its_own_signature_only(self):
        for body, v1 in V1.items():
            told = self.verify(f"t={T},v1={v1}", body, "--at", T + 300)
            self.assertIn("accepted", told.out)
            for other in V1.keys() - {body}:
                self.verify(f"t={T},v1={v1}", other, "--at", T, expect=1)

    def test_what_kulas_sample_signs_is_told_and_accepted_where_it_is_asked_for(self):
        header = f"t={T},v1={V1[VECTORS.C]}"
        told = self.verify(header, VECTORS.B, "--at", T, "--explain", expect=1).out
        self.assertIn("signed_body: raw_or_canonical", told)
        told = self.verify(header, VECTORS.B, "--at", T, "--signed-body", "raw_or_canonical", "--json")
        self.assertEqual((told.objects[0]["accepted"], told.objects[0]["reading"]), (True, "canonical"))

    def test_the_body_comes_from_standard_input_and_the_time_is_now(self):
        words = [RELAY, "verify", "--secret-file", self.house.secret_file, "--signature"]
        body = '{"event":"ping"}'
        now = int(time.time())
        for header in (sign(SECRET, body.encode(), now), "x-kula-signature: " + sign(SECRET, body.encode(), now)):
            run([*words, header], stdin=body)
            run([*words, header], stdin=body + " ", expect=1)

    def test_stale_is_told_with_how_much_and_in_which_direction(self):
        header = f"t={T},v1={V1[VECTORS.A]}"
        for at, what, words in ((T + 301, "behind", "301 s (5 min) ago"),
                                (T - 3600, "ahead", "3600 s (60 min) in the future")):
            self.assertEqual(self.found(header, VECTORS.A, "--at", at), [what])
            self.assertIn(words, self.verify(header, VECTORS.A, "--at", at, expect=1).out)
            self.verify(header, VECTORS.A, "--at", at, "--tolerance", "2h")
        for tolerance, at, code in (("0s", T + 9999, 0), ("1ms", T + 1, 0), ("1ms", T + 2, 1), ("999ms", T + 2, 1),
                                    ("1500ms", T + 1, 0), ("1500ms", T + 2, 1)):
            with self.subTest(tolerance=tolerance, at=at):
                self.verify(header, VECTORS.A, "--at", at, "--tolerance", tolerance, expect=code)
        self.assertEqual(self.found(header, VECTORS.A, "--at", T + 2, "--tolerance", "999ms"), ["behind"])
        milliseconds = sign(SECRET, VECTORS.A, T * 1000)
        self.assertEqual(self.found(milliseconds, VECTORS.A, "--at", T), ["milliseconds"])

    def test_a_malformed_header_is_told_with_its_column(self):
        for header, column in (("nonsense", 1), (f"t={T} v1={V1[VECTORS.A]}", 3), (f"t={T},v1=abc", 17),
                               (f"t={T}", len(f"t={T}") + 1)):
            [line] = self.verify(header, VECTORS.A, "--json", expect=1).objects
            self.assertEqual((line["verdict"], line["column"]), ("malformed", column))
            self.assertIn(line["expected"], self.verify(header, VECTORS.A, expect=1).out)
        self.assertEqual(self.found("", VECTORS.A), ["missing"])

    def test_what_went_wrong_on_the_way_is_found(self):
        header = f"t={T},v1={V1[VECTORS.A]}"
        at = ("--at", T)
        for body, what in ((VECTORS.A + b"\n", "newline_added"), (b"\xef\xbb\xbf" + VECTORS.A, "bom_added"),
                           (json.dumps(json.loads(VECTORS.A), indent=4).encode(), "body_reencoded"),
                           (VECTORS.C, "other_secret")):
            self.assertEqual(self.found(header, body, *at), [what])
        for secret, what in ((b"\n" + SECRET + b"\n\n", "secret_blanks"), (SECRET[len("whsec_"):], "secret_prefix"),
                             (b"whsec_of_somebody_else", "other_secret")):
            self.assertEqual(self.found(header, VECTORS.A, *at, secret=secret), [what])
        v1 = sign(SECRET, VECTORS.A, T + 60).split(",")[1]
        self.assertEqual(self.found(f"t={T},{v1}", VECTORS.A, *at, "--timestamp", T + 60), ["other_time"])
        self.assertEqual(self.found(header, VECTORS.A + b"\n"), ["newline_added", "behind"])

    def test_a_wrong_call_is_told(self):
        given = ["--secret-file", self.house.secret_file, "--signature", "t=1"]
        for words in (given[:2], given[2:], [*given, "x"], [*given, "--tolerance", "5"],
                      [*given, "--signed-body", "canonical"], [*given, "--at", "-1"]):
            self.assertIn("usage", run([RELAY, "verify", *words], expect=2).err)
        for words in (["--secret-file", self.house.folder / "none", *given[2:]],
                      [*given, "--body", self.house.folder / "none"]):
            self.assertIn("none", run([RELAY, "verify", *words], expect=1).err)


if __name__ == "__main__":
    unittest.main()
