"""The door speaks Mozilla's intermediate TLS and no other, and says what is bad about its files."""

import re
import socket
import ssl
import time
import unittest
import warnings

import certificates
from house import House, Story, end_story
from processes import run, until

# Version 5.8 of https://ssl-config.mozilla.org, "intermediate", by kind of key.
CIPHERS = {
    "ec": ("ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384",
           "ECDHE-ECDSA-CHACHA20-POLY1305"),
    "rsa": ("ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-AES256-GCM-SHA384",
            "ECDHE-RSA-CHACHA20-POLY1305"),
}
SUITES = ("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256")
# What scanners look for.
WEAK = ("AES128-GCM-SHA256", "AES256-SHA", "ECDHE-ECDSA-AES128-SHA", "ECDHE-RSA-AES128-SHA256",
        "DHE-RSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-CCM8", "AECDH-AES128-SHA", "ADH-AES128-SHA",
        "ECDHE-RSA-NULL-SHA", "PSK-AES128-GCM-SHA256")
GROUPS = ("X25519", "P-256", "P-384")


class Profile(unittest.TestCase):
    """One serve with two listeners: a key of each kind."""

    @classmethod
    def setUpClass(cls):
        cls.house = house = House()
        cls.addClassCleanup(house.close)
        house.listeners = []
        for key in CIPHERS:
            crt, private_key = certificates.make(house.folder, key, key)
            house.listeners.append({"address": "127.0.0.1:0", "certificate": crt,
                                    "private_key": private_key})
        house.start()
        cls.addresses = dict(zip(CIPHERS, (url.split("//")[1] for url in house.serve.urls)))

    @classmethod
    def tearDownClass(cls):
        end_story(cls.house)

    def ask(self, key, *words, stdin=""):
        """openssl s_client's own words about a handshake; None where there was none."""
        done = run(["openssl", "s_client", "-connect", self.addresses[key], *words], expect=None,
                   stdin=stdin)
        return done.out if re.search(r"Cipher is (?!\(NONE\))", done.out) else None

    def test_each_published_cipher_is_spoken(self):
        for key, ciphers in CIPHERS.items():
            for cipher in ciphers:
                said = self.ask(key, "-tls1_2", "-cipher", cipher)
                self.assertIn(f"Cipher is {cipher}", said or "", cipher)
            for suite in SUITES:
                said = self.ask(key, "-tls1_3", "-ciphersuites", suite)
                self.assertIn(f"Cipher is {suite}", said or "", suite)

    def test_no_other_cipher_is(self):
        for cipher in WEAK:
            run(["openssl", "ciphers", f"{cipher}:@SECLEVEL=0"])  # it could be asked for
            for key in CIPHERS:
                self.assertIsNone(self.ask(key, "-tls1_2", "-cipher", f"{cipher}:@SECLEVEL=0"), cipher)

    def test_older_versions_are_refused(self):
        for version in ("-tls1", "-tls1_1"):
            self.assertIsNone(self.ask("ec", version, "-cipher", "ALL:@SECLEVEL=0"), version)

    def test_the_published_groups_are_taken_and_no_other(self):
        for group in GROUPS:
            self.assertIsNotNone(self.ask("ec", "-groups", group), group)
        for group in ("P-521", "X448"):
            self.assertIsNone(self.ask("ec", "-groups", group), group)

    def test_no_compression_no_renegotiation_no_early_data_and_http_1_1(self):
        said = self.ask("ec", "-tls1_2", "-alpn", "h2,http/1.1")
        for line in ("Compression: NONE", "ALPN protocol: http/1.1", "Secure Renegotiation IS supported"):
            self.assertIn(line, said)
        # "R" has s_client ask for another handshake.
        done = run(["openssl", "s_client", "-connect", self.addresses["ec"], "-tls1_2"], expect=None,
                   stdin="R\n")
        self.assertIn("no renegotiation", done.err)
        self.assertIn("Early data was not sent", self.ask("ec", "-tls1_3"))

    def test_a_session_is_resumed_by_its_ticket(self):
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            first = self.connect(version)
            self.assertTrue(first.session.has_ticket)
            self.assertLessEqual(first.session.ticket_lifetime_hint, 3600)
            self.assertTrue(self.connect(version, first).session_reused, version)

    def connect(self, version, earlier=None):
        if earlier is None:
            context = ssl.create_default_context(cafile=self.house.listeners[0]["certificate"])
        else:
            context = earlier.context
        context.minimum_version = context.maximum_version = version
        host, port = self.addresses["ec"].split(":")
        plain = socket.create_connection((host, int(port)), 10)
        wire = context.wrap_socket(plain, server_hostname="127.0.0.1",
                                   session=earlier.session if earlier else None)
        self.addCleanup(wire.close)
        # With 1.3 the ticket comes behind the handshake: reading brings it.
        wire.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
        self.assertIn(b"200", wire.recv(4096))
        return wire


class Handshake(Story):
    def test_one_that_came_to_nothing_is_told_with_its_reason(self):
        self.house.listeners = []
        self.house.listen_tls()
        self.house.start()
        serve = self.house.serve
        address = serve.tls_url.split("//")[1].split("/")[0]
        host, port = address.rsplit(":", 1)
        with socket.create_connection((host, int(port))):
            pass  # only connects and leaves, as health checks do
        self.assertNotEqual(run(["openssl", "s_client", "-connect", address, "-verify_return_error"],
                                expect=None, stdin="").code, 0)
        self.assertIn("unknown ca", serve.said("handshake failed")["reason"])
        serve.wait("http_faults_total", {"fault": "handshake"}, lambda is_: is_ == 1)
        with socket.create_connection((host, int(port))) as plain:
            plain.sendall(b"GET / HTTP/1.1\r\n\r\n")
            serve.said("handshake failed", reason="http request")
        serve.wait("http_faults_total", {"fault": "handshake"}, lambda is_: is_ == 2)


class Files(Story):
    audited = False

    def configure(self, crt, key, secret=None):
        self.house.listeners = [{"address": "127.0.0.1:0", "certificate": crt, "private_key": key}]
        if secret is not None:
            self.house.write("secret", secret)
        return self.house.configure()

    def refused(self, crt, key, line, sentence, secret=None):
        """serve and check say the same, with its place."""
        file = self.configure(crt, key, secret)
        text = file.read_text(encoding="utf-8").splitlines()
        row, column = next((number, row.index(line) + 1) for number, row in enumerate(text, 1)
                           if line in row)
        for command in ("serve", "check"):
            done = self.house.relay(command, expect=78)
            self.assertRegex(done.err, rf"(?m)^{re.escape(str(file))}:{row}:{column}: .*{sentence}")

    def test_what_cannot_work_is_refused_at_start_with_its_place(self):
        crt, key = certificates.make(self.house.folder, "one")
        _, other = certificates.make(self.house.folder, "other")
        rubbish = str(self.house.write("rubbish", b"-----BEGIN NOTHING-----\n"))
        self.refused(crt, other, "private_key:", "does not belong to the certificate")
        self.refused(rubbish, key, "certificate:", "no usable certificate in PEM form")
        self.refused(crt, rubbish, "private_key:", "no usable private key")
        self.refused("/nowhere/crt", key, "certificate:", "cannot read .*/nowhere/crt")
        self.refused(crt, key, str(self.house.secret_file), "is empty", secret=b"\n")

    def test_a_ca_file_for_redis_that_holds_none_is_refused_by_all_and_told_by_check(self):
        rubbish = str(self.house.write("rubbish", b"-----BEGIN NOTHING-----\n"))
        self.house.redis_settings.update(url="rediss://127.0.0.1:1", ca_file=rubbish)
        self.house.service("crm")
        self.house.kula_api()
        self.house.kula_settings["webhooks"] = [{"endpoint": "kula", "url": "https://localhost/"}]
        self.house.serve_settings["body_limit"] = "1 parsec"
        for command in (["check"], ["check", "--for", "ledger"], ["serve"], ["forward"], ["watch"]):
            told = self.house.relay(*command, expect=78).err
            self.assertRegex(told, rf"kula-relay.yaml:\d+:\d+: redis.ca_file: {rubbish} holds no usable CA certificate")
            self.assertRegex(told, r"kula-relay.yaml:\d+:\d+: serve.body_limit: ")

    def alarms(self, number):
        logged = self.house.serve.logged
        until(lambda: len(logged("configuration alarm")) == number, f"{number} alarms")
        return [entry["problem"] for entry in logged("configuration alarm")]

    def test_what_is_merely_bad_is_an_alarm_and_serves_all_the_same(self):
        self.configure(*certificates.make_ended(self.house.folder, "old"), secret=b"fifteen-bytes-x\n")
        self.house.redis.start()
        serve = self.house.start_serve()
        self.assertEqual(serve.value("configuration_alarms"), 2)
        ended = serve.value("certificate_not_after_timestamp_seconds", listener="127.0.0.1:0")
        self.assertEqual(ended, 1580515200)  # 2020-02-01
        certificate, secret = self.alarms(2)
        self.assertIn("ended at 2020-02-01 00:00 UTC", certificate)
        self.assertIn("fewer than 16 bytes", secret)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            careless = ssl._create_unverified_context()
        host, port = serve.tls_url.split("//")[1].split(":")
        with careless.wrap_socket(socket.create_connection((host, int(port)), 10)) as wire:
            wire.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
            self.assertIn(b"200", wire.recv(4096))
        done = self.house.relay("check", "--for", "serve")
        for alarm in (certificate, secret):
            self.assertIn(f"alarm: {alarm}\n", done.err)
        self.assertIn("works, but see the alarms", done.out)

    def test_a_certificate_that_ends_within_14_days_is_an_alarm_and_one_of_15_is_not(self):
        self.configure(*certificates.make(self.house.folder, "soon", days=13))
        done = self.house.relay("check", "--for", "serve")
        self.assertIn("ends soon", done.err)
        self.configure(*certificates.make(self.house.folder, "later", days=15))
        done = self.house.relay("check", "--for", "serve")
        self.assertEqual((done.err, done.out), ("", f"{self.house.config_file}: fine\n"))
        self.house.redis.start()
        serve = self.house.start_serve()
        self.assertEqual(serve.value("configuration_alarms"), 0)
        ends = serve.value("certificate_not_after_timestamp_seconds")
        self.assertAlmostEqual(ends, time.time() + 15 * 24 * 3600, delta=3600)

