"""A service that answers nonsense: a failed attempt that says why, and the event comes again."""

import socket
import unittest

from house import Story, certificate, server_tls

MARK = "what-only-the-service-knows "


class Nonsense(Story):
    def assert_failed(self, reason, body, flood="", **settings):
        """The first attempt gets this for an answer, the second one a good one."""
        crm = self.house.service("crm", **settings)
        crm.say(body, flood)
        self.house.start()
        event_id, _ = self.house.post_event()
        first, second = crm.wait_for(event_id, 2)[:2]
        self.house.settle()
        self.assertEqual((first.attempt, second.attempt, second.answered), (1, 2, 200))
        self.assertNotEqual(first.connection, second.connection)
        entry = self.house.forward.said("attempt failed", event=event_id)
        self.assertIn(reason, entry["reason"])
        [tried] = [one for one in self.house.ledger.attempts() if one["outcome"] == b"again"]
        self.assertIn(reason, tried["reason"].decode())
        self.assertNotIn(MARK.strip(), "\n".join(self.house.forward.errors))

    def test_endless_headers_are_no_answer(self):
        self.assert_failed("headers are longer than 64 KiB", "HTTP/1.1 200 OK\r\n",
                           f"X-Talk: {MARK * 100}\r\n")

    def test_an_endless_header_is_no_answer(self):
        self.assert_failed("a line of the answer's headers is longer than 64 KiB",
                           "HTTP/1.1 200 OK\r\nX-Talk: ", MARK * 100)

    def test_endless_hundreds_are_no_answer(self):
        self.assert_failed("headers are longer than 64 KiB", "", "HTTP/1.1 100 Continue\r\n\r\n" * 50)

    def test_an_endless_body_is_no_answer(self):
        self.assert_failed("body is longer than 1 MiB", "HTTP/1.1 200 OK\r\n\r\n", MARK * 500)

    def test_an_endless_body_that_says_how_long_it_is_is_no_answer(self):
        self.assert_failed("body is longer than 1 MiB",
                           "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n", MARK * 500)

    def test_an_endless_body_in_chunks_is_no_answer(self):
        self.assert_failed("body is longer than 1 MiB",
                           "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
                           f"{len(MARK * 500):x}\r\n{MARK * 500}\r\n")

    def test_http_0_9_is_no_answer(self):
        self.assert_failed("HTTP/0.9", f"{MARK}\n")

    def test_a_204_with_a_body_is_no_answer(self):
        self.assert_failed("a 204 with a body",
                           f"HTTP/1.1 204 No Content\r\nContent-Length: {len(MARK)}\r\n\r\n{MARK}")

    def test_a_204_with_chunks_is_no_answer(self):
        self.assert_failed("a 204 with a body", "HTTP/1.1 204 No Content\r\nTransfer-Encoding: "
                                                "chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n")

    def test_another_protocol_is_no_answer(self):
        self.assert_failed("it leaves HTTP", "HTTP/1.1 101 Switching Protocols\r\n"
                                             f"Upgrade: websocket\r\n\r\n{MARK}")

    def test_nothing_at_all_is_no_answer(self):
        self.assert_failed("Empty reply", "")

    def test_a_close_in_the_middle_of_the_headers_is_no_answer(self):
        self.assert_failed("ended within its headers", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n")

    def test_a_close_in_the_middle_of_the_body_is_no_answer(self):
        self.assert_failed("10 bytes", f"HTTP/1.1 200 OK\r\nContent-Length: "
                                       f"{len(MARK) + 10}\r\n\r\n{MARK}")

    def test_a_close_in_the_middle_of_a_chunk_is_no_answer(self):
        self.assert_failed("closed with outstanding read data",
                           f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n{MARK}")

    def test_a_redirect_to_itself_is_not_followed(self):
        self.assert_failed("a redirect, and none is followed",
                           "HTTP/1.1 307 Again\r\nLocation: /hooks/kula\r\nContent-Length: 0\r\n"
                           "Connection: close\r\n\r\n")

    def test_a_long_body_is_none_of_that(self):
        crm = self.house.service("crm")
        crm.rule(status=200, body="x" * (1 << 20), times=2)
        self.house.start()
        ids = [self.house.post_event()[0] for _ in range(2)]
        crm.wait_delivered(ids)
        self.house.settle()
        self.assertEqual(len(crm.requests), 2)
        self.assertEqual(self.house.forward.value("attempts_total", service="crm", outcome="again"), 0)


class NoService(Story):
    """Nobody to answer at all; after each of these the event is still owed, so that nothing is
    audited that has not come to an end."""

    def assert_owed(self, reason, url, **settings):
        self.house.service("crm", url=url, timeout="2s", **settings)
        self.house.start()
        event_id, _ = self.house.post_event()
        entry = self.house.forward.said("attempt failed", event=event_id)
        self.assertIn(reason, entry["reason"])
        self.assertEqual(entry["status"], 0)

    def test_a_certificate_for_another_name_is_refused(self):
        crm = self.house.service("crm-tls", tls=server_tls(), events=["none"])
        self.assert_owed("other.localhost", crm.url.replace("127.0.0.1", "other.localhost"),
                         ca_file=certificate()[0])

    def test_a_certificate_of_somebody_whom_nobody_trusts_is_refused(self):
        crm = self.house.service("crm-tls", tls=server_tls(), events=["none"])
        self.assert_owed("self-signed certificate", f"{crm.url}/hooks/kula")

    def test_a_closed_port_is_told_as_one(self):
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        self.assert_owed("Connection refused", f"http://127.0.0.1:{port}/hook")

    def test_a_socket_that_is_not_there_is_told_as_one(self):
        self.assert_owed("socket: No such file or directory", "http+unix:///nowhere/crm.sock:/hook")

    def test_an_address_where_a_cloud_keeps_its_secrets_is_not_gone_to(self):
        # Another spelling of 169.254.169.254: what counts is what the name leads to.
        self.assert_owed("169.254.169.254:80 is a link-local or metadata address",
                         "http://0xa9fea9fe/latest/meta-data")


if __name__ == "__main__":
    unittest.main()
