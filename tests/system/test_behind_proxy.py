"""Behind a proxy the logs name who sent it, where the configuration says that the proxy may tell."""

import socket
import ssl
import time
import unittest

from house import Story, certificate
from processes import until
from sim import events, wire
from sim.kula import signed_headers


class BehindProxy(Story):
    def start(self):
        self.house.listen_tls()
        for listener in self.house.listeners:
            listener["proxy_protocol"] = "true"
        self.house.serve_settings["trusted_proxies"] = ["127.0.0.0/8", "192.0.2.0/24"]
        self.house.start()

    def connect(self, url, preface):
        """A Wire whose preface comes before TLS, and in one piece with its first bytes."""
        connection = wire.Wire(url.replace("https:", "http:"), timeout_s=20)
        connection.send(preface)
        if url.startswith("https:"):
            context = ssl.create_default_context(cafile=certificate()[0])
            connection.socket = context.wrap_socket(connection.socket, server_hostname="localhost")
        return self.enterContext(connection)

    def forged(self, connection, headers=()):
        """The peer that the line about a forged delivery names."""
        serve = self.house.serve
        lines = len(serve.logged("delivery refused"))
        body = events.encode(events.event("candidate.created"))
        connection.send(wire.request("POST", self.house.PATH, [
            *signed_headers(b"another", body, int(time.time())), *headers], body))
        self.assertEqual(connection.answer().status, 401)
        until(lambda: len(serve.logged("delivery refused")) == lines + 1, "it is logged")
        return serve.logged("delivery refused")[-1]["peer"]

    def test_the_proxy_protocol_says_who_sends_over_http_and_tls(self):
        self.start()
        v1 = b"PROXY TCP4 203.0.113.5 192.0.2.1 4567 443\r\n"
        v2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + socket.inet_aton("203.0.113.5") + \
            socket.inet_aton("192.0.2.1") + (4567).to_bytes(2, "big") + (443).to_bytes(2, "big")
        for url in self.house.serve.urls:
            for preface in (v1, v2):
                with self.subTest(url=url, preface=preface):
                    self.assertEqual(self.forged(self.connect(url, preface)), "203.0.113.5:4567")

    def test_who_is_forwarded_is_believed_of_our_proxies_alone(self):
        self.start()
        url = self.house.serve.url
        ours = b"PROXY TCP4 192.0.2.1 192.0.2.2 4567 443\r\n"
        theirs = b"PROXY TCP4 203.0.113.5 192.0.2.2 4567 443\r\n"
        header = [("X-Forwarded-For", "198.51.100.9, 203.0.113.77, 192.0.2.3")]
        self.assertEqual(self.forged(self.connect(url, ours), header), "203.0.113.77")
        self.assertEqual(self.forged(self.connect(url, theirs), header), "203.0.113.5:4567")

    def test_who_does_not_speak_it_is_cut_and_said_so(self):
        self.start()
        serve = self.house.serve
        connection = self.connect(serve.url, b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
        self.assertTrue(connection.ends())
        self.assertEqual(serve.value("http_faults_total", fault="unproxied"), 1)
        self.assertEqual(serve.said("request refused")["reason"], "unproxied")


if __name__ == "__main__":
    unittest.main()
