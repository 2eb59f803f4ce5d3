"""How a service knows us, and we it: signatures, secret headers, certificates, sockets."""

import base64
import json
import shutil
import unittest

from house import Story, certificate, server_tls
from processes import SYSTEM, run
from sim import events

KULA_OLD, KULA_NEW = b"the service's own secret", b"and its next one"
STANDARD_OLD = b"whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
STANDARD_NEW = b"MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def accepted(scheme, secret, *requests, body=None):
    """Whether a receiver in JavaScript believes each of these requests."""
    questions = [{"scheme": scheme, "secret": secret.decode(),
                  "headers": {name.lower(): value for name, value in one.headers},
                  "body": base64.b64encode(body or one.body).decode()} for one in requests]
    told = run(["node", SYSTEM / "check_signatures.js"], stdin=json.dumps(questions))
    return [answer["accepted"] for answer in json.loads(told.out)]


@unittest.skipUnless(shutil.which("node"), "node is not there: Debian's package nodejs has it")
class Signatures(Story):
    def signing(self, scheme, *secrets, **settings):
        files = [str(self.house.write(f"sign{i}", secret)) for i, secret in enumerate(secrets)]
        return self.house.service("crm", sign={"scheme": scheme, "secret_files": files}, **settings)

    def deliver_hard_bodies(self, crm):
        """Two attempts at each of some bodies that are easily changed on the way."""
        bodies = [events.escaped(), events.big_integer(), events.multibyte(), events.of_size(1 << 20)]
        crm.fail(times=len(bodies))
        self.house.start()
        for body in bodies:
            self.house.post(body)
        self.house.settle()
        self.assertEqual(len(crm.requests), 2 * len(bodies))
        return crm.requests

    def assert_only(self, scheme, good, bad, requests):
        for secret in good:
            self.assertEqual(accepted(scheme, secret, *requests), [True] * len(requests), secret)
        for secret in bad:
            self.assertEqual(accepted(scheme, secret, *requests), [False] * len(requests), secret)
        forged = accepted(scheme, good[0], *requests, body=b'{"event":"application.hired"}')
        self.assertEqual(forged, [False] * len(requests))

    def test_a_handler_written_for_kula_accepts_each_attempt(self):
        crm = self.signing("kula", KULA_NEW + b"\n")
        requests = self.deliver_hard_bodies(crm)
        self.assert_only("kula", [KULA_NEW], [KULA_OLD, b"x"], requests)
        for request in requests:
            self.assertIsNone(request.header("webhook-signature"))

    def test_kulas_sample_reads_the_first_of_two_signatures(self):
        crm = self.signing("kula", KULA_OLD, KULA_NEW)
        requests = self.deliver_hard_bodies(crm)
        self.assert_only("kula", [KULA_OLD], [KULA_NEW], requests)
        for request in requests:
            parts = request.header("X-Kula-Signature").split(",")
            self.assertEqual([part.split("=")[0] for part in parts], ["t", "v1", "v1"])

    def test_serve_itself_accepts_either_of_two_signatures(self):
        """From one kula-relay to another: the second one's endpoint knows the new secret only."""
        house = self.house
        house.endpoints[0]["secret_files"].append(str(house.write("next", KULA_NEW)))
        crm = self.signing("kula", KULA_OLD, KULA_NEW)
        house.start()
        house.post_event()
        house.settle()
        [request] = crm.requests
        copy = request.body.replace(b"evt_", b"evt-")
        headers = [("X-Kula-Signature", request.header("X-Kula-Signature"))]
        self.assertEqual(house.post(request.body, headers=headers).status, 200)
        self.assertEqual(house.post(copy, headers=headers).status, 401)

    def test_a_standard_webhooks_library_accepts_each_attempt(self):
        crm = self.signing("standard-webhooks", STANDARD_OLD)
        requests = self.deliver_hard_bodies(crm)
        self.assert_only("standard-webhooks", [STANDARD_OLD], [STANDARD_NEW], requests)
        for request in requests:
            self.assertEqual(request.header("webhook-id"), request.event_id)
            self.assertIsNone(request.header("X-Kula-Signature"))

    def test_a_standard_webhooks_library_accepts_either_secret_while_one_goes_and_one_comes(self):
        crm = self.signing("standard-webhooks", STANDARD_NEW, STANDARD_OLD)
        requests = self.deliver_hard_bodies(crm)
        self.assert_only("standard-webhooks", [STANDARD_NEW, STANDARD_OLD],
                         [b"whsec_" + base64.b64encode(b"x" * 32)], requests)

    def test_each_attempt_is_signed_afresh(self):
        crm = self.signing("kula", KULA_NEW, retry={"first": "1200ms", "most": "1200ms"})
        crm.fail(times=3)
        self.house.start()
        event_id, _ = self.house.post_event()
        tries = crm.wait_for(event_id, 4, deadline_s=30)
        self.house.settle()
        for one in tries:
            self.assertLessEqual(abs(one.at - int(one.header("X-Kula-Timestamp"))), 2)

    def test_secrets_stay_out_of_the_log_and_the_configurations_print_out(self):
        crm = self.signing("kula", KULA_NEW, header_files={
            "Authorization": str(self.house.write("authorization", b"Bearer t0ken"))})
        crm.fail(times=1)
        self.house.start()
        event_id, _ = self.house.post_event()
        crm.wait_delivered([event_id])
        self.house.settle()
        self.assertEqual(crm.requests[0].header("Authorization"), "Bearer t0ken")
        said = "\n".join(self.house.forward.errors) + self.house.relay("check", "--print").out
        for secret in (KULA_NEW.decode(), "t0ken", crm.requests[0].header("X-Kula-Signature")):
            self.assertNotIn(secret, said)


class Places(Story):
    def deliver(self, crm):
        self.house.start()
        event_id, body = self.house.post_event()
        crm.wait_delivered([event_id])
        self.house.settle()
        self.assertEqual([one.body for one in crm.requests], [body])

    def test_a_service_whose_certificate_is_signed_by_a_private_ca(self):
        self.deliver(self.house.service("crm", tls=server_tls(), ca_file=certificate()[0]))

    def test_a_service_behind_a_unix_socket(self):
        crm = self.house.service("crm", path=self.house.folder / "crm.sock")
        self.deliver(crm)
        self.assertEqual(crm.requests[0].path, "/hooks/kula")
        self.assertEqual(crm.requests[0].header("Host"), "localhost")


class ClientCertificates(Story):
    def make_client(self, *how):
        """A certificate of our own, which is its own CA."""
        crt, key = self.house.folder / "client.crt", self.house.folder / "client.key"
        run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
             "-days", "2", "-subj", "/CN=kula-relay", "-keyout", key, "-out", crt, *how])
        return str(crt), str(key)

    def assert_delivered(self, crm):
        self.house.start()
        event_id, _ = self.house.post_event()
        crm.wait_delivered([event_id])
        self.house.settle()

    def test_a_service_that_wants_one_gets_it(self):
        crt, key = self.make_client("-nodes")
        self.assert_delivered(self.house.service(
            "crm", tls=server_tls(clients=crt), ca_file=certificate()[0],
            client_certificate=crt, client_key=key))

    def assert_fails(self, reason, **settings):
        self.house.service("crm", tls=server_tls(clients=certificate()[0]),
                           ca_file=certificate()[0], **settings)
        self.house.start()
        self.house.post_event()
        entry = self.house.forward.said("attempt failed")
        self.assertIn(reason, entry["reason"])
        self.assertEqual(self.house.services["crm"].requests, [])

    def test_without_one_there_is_no_delivery(self):
        self.assert_fails("certificate required")

    def test_a_wrong_one_is_no_use(self):
        crt, key = self.make_client("-nodes")
        self.assert_fails("unknown ca", client_certificate=crt, client_key=key)

    def test_a_key_with_a_password_is_refused_and_nobody_is_asked_for_it(self):
        crt, key = self.make_client("-passout", "pass:sesame")
        self.house.service("crm", client_certificate=crt, client_key=key)
        for command in ("check", "forward"):
            said = self.house.relay(command, expect=78).err
            self.assertRegex(said, r":\d+:\d+: services\[0\]\.client_key: .*client\.key holds no "
                                   r"usable private key in PEM form, without passphrase")


if __name__ == "__main__":
    unittest.main()
