"""HAProxy and nginx see as many requests in the same bytes as serve behind them does."""

import socket
import unittest

from case_house import CaseHouse
from house import end_story
from processes import SLOW, until
from proxies import Proxy
from sim import wire

PACKAGES = {"haproxy": "haproxy", "nginx": "nginx-light"}


class Proxies(unittest.TestCase):
    def setUp(self):
        self.house = CaseHouse()
        self.addCleanup(self.house.close)

    def tearDown(self):
        if self.house.serve:
            end_story(self.house)

    def through(self, name):
        """What each case makes of itself behind this proxy: nothing that one of two did not see."""
        if not Proxy.there(name):
            self.skipTest(f"the Debian package {PACKAGES[name]} is not installed")
        self.house.start()
        proxy = Proxy(name, self.house.folder, self.house.serve.url.removeprefix("http://"))
        self.addCleanup(proxy.kill)
        differences, told, late = [], set(), 0
        for number, sent in enumerate(self.house.sent):
            before, counted = len(proxy.seen()), self.counted()
            answers = self.talk(proxy, sent.bytes)
            self.mark(proxy, number)
            seen, counted = proxy.seen()[before:], self.counted() - counted
            # Of a request that is broken off in its body the proxy may not hear any more what
            # became of it; serve may have refused it, or not have seen the end, or not yet.
            least = sum(answered for _, answered, _ in seen)
            most = sum(passed_on for passed_on, _, _ in seen)
            if not least <= counted <= most + late:
                differences.append(f"{sent.case}: the proxy sees {seen[:-1]}, serve "
                                   f"{counted - 1:g}, {answers[:300]}")
            late = max(0, most - int(counted))
            told.update(event_id for event_id in sent.ids
                        if b'"accepted","event_id":"%b"' % event_id.encode() in answers)
        self.assertFalse(differences, "\n".join(differences))
        self.house.drain()
        self.assertEqual(set(self.house.ledger.event_ids()), told)
        self.assertGreater(len(told), 20)

    def counted(self):
        serve = self.house.serve
        return serve.value("deliveries_total") + serve.value("http_faults_total")

    def talk(self, proxy, data):
        """All that comes back until the proxy ends the connection."""
        with wire.Wire(proxy.url, timeout_s=30 * SLOW) as connection:
            connection.send(data)
            try:
                connection.socket.shutdown(socket.SHUT_WR)
            except OSError:
                pass  # it has closed already
            answers = b""
            while piece := connection.receive():
                answers += piece
            return answers

    def mark(self, proxy, number):
        """A request of our own: what came before it has been seen and counted after it."""
        target = f"/mark/{number}"
        with wire.Wire(proxy.url, timeout_s=30 * SLOW) as connection:
            connection.send(wire.request("GET", target, [("Connection", "close")], length=False))
            self.assertEqual(connection.answer().status, 404)
        until(lambda: (True, True, target) in proxy.seen()[-3:], f"{target} is in the proxy's log")
        self.house.serve.wait("deliveries_in_flight", {}, lambda count: count == 0)

    def test_haproxy_and_serve_see_the_same_requests(self):
        self.through("haproxy")

    def test_nginx_and_serve_see_the_same_requests(self):
        self.through("nginx")


if __name__ == "__main__":
    unittest.main()
