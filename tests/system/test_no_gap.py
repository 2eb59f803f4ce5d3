"""serve is replaced under load, and nobody who delivers notices.

`./run bench no_gap` replaces it fifty times.
"""

import shutil
import signal
import socket
import time
import unittest

from house import SECRET, House, Story, certificate
from processes import SLOW, free_port, until
from sim import wire
from sim.kula import signed_headers
from sim.steady import Steady

RATE = 500 // SLOW
RATE_TLS = 120 // SLOW  # what Python's own handshakes leave of the machine


def give_fixed_places(house, **listener):
    """Where the next serve can listen too."""
    house.listeners = [{"address": f"127.0.0.1:{free_port()}", **listener}]
    house.serve_settings["admin"] = f"127.0.0.1:{free_port()}"


def open_sockets(house, count=1):
    """As systemd does: they are there before serve and stay after it."""
    house.handed = [socket.create_server(("127.0.0.1", 0), backlog=4096) for _ in range(count)]
    house.listeners = [{"address": "%s:%d" % one.getsockname()} for one in house.handed]


def signed_request(body):
    return wire.request("POST", House.PATH, signed_headers(SECRET, body, int(time.time())), body)


class Replacing:
    """serve under a load, and how it is replaced; for a story and for the bench."""

    def __init__(self, house, url, rate):
        self.house = house
        self.load = Steady(url + House.PATH, SECRET, rate, certificate()[0])
        self.load.start()

    def goes_on(self):
        until(self.load.goes_on(), lambda: f"the load goes on: {self.load.figures()}", 30)

    def beside(self):
        """The next one accepts before the last one is told to stop."""
        old = self.house.serve
        self.house.start_serve()
        self.goes_on()
        self.stop(old)

    def handed_over(self):
        """The old one ends first, and who comes meanwhile waits in the socket."""
        self.stop(self.house.serve)
        self.house.start_serve()
        self.goes_on()

    @staticmethod
    def stop(serve):
        serve.stop()
        left = serve.said("drained")["left_in_spool"]
        if left:
            raise AssertionError(f"{left} left in the spool")

    def end(self):
        self.load.stop()
        self.house.drain()
        return self.load.figures()


class Replaced(Story):
    def replaced(self, times, way, url, rate):
        replacing = Replacing(self.house, url, rate)
        self.addCleanup(replacing.load.stop)
        replacing.goes_on()
        for _ in range(times):
            getattr(replacing, way)()
        figures = replacing.end()
        self.assertEqual(figures["failures"], [])
        self.assertEqual(figures["sent"], figures["accepted"])
        self.assertEqual(self.house.ledger.length(), len(replacing.load.accepted))

    def test_by_one_that_listens_beside_it(self):
        give_fixed_places(self.house)
        self.house.start()
        self.replaced(4, "beside", self.house.serve.url, RATE)

    def test_by_one_that_listens_beside_it_with_tls(self):
        crt, key = certificate()
        give_fixed_places(self.house, certificate=crt, private_key=key)
        self.house.start()
        self.replaced(2, "beside", self.house.serve.tls_url, RATE_TLS)

    def test_by_one_that_is_handed_the_same_socket(self):
        open_sockets(self.house)
        self.house.start()
        self.assertEqual(self.house.serve.logged("listening")[0]["handed"], "yes")
        self.replaced(4, "handed_over", self.house.serve.url, RATE)

    def test_readyz_speaks_for_the_one_that_goes_on(self):
        give_fixed_places(self.house)
        self.house.start()
        old = self.house.serve
        new = self.house.start_serve()
        # Some of these are the old one's, which so does not end at once.
        idle = [self.enterContext(wire.Wire(old.url)) for _ in range(20)]
        old.signal(signal.SIGTERM)
        old.said("draining")
        for _ in range(20):
            self.assertEqual(new.admin.get("/readyz").json()["status"], "ready")
        old.ended()
        del idle

    def test_by_one_that_starts_while_the_last_one_still_drains(self):
        give_fixed_places(self.house)
        self.house.start()
        old = self.house.serve
        first, body = (b'{"event":"ping","event_id":"evt_%d"}' % i for i in range(2))
        late = self.enterContext(wire.Wire(old.url, timeout_s=20 * SLOW))
        late.send(signed_request(first))  # who has shown nothing yet has 2 s once serve stops
        self.assertEqual(late.answer().status, 200)
        whole = signed_request(body)
        late.send(whole[:-1])
        old.wait("bytes_in_flight", {}, len(body))
        old.signal(signal.SIGTERM)
        old.said("draining")
        self.house.start_serve()
        self.assertEqual(self.house.post(b'{"event":"ping","event_id":"evt_2"}').status, 200)
        self.assertTrue(old.alive())
        late.send(whole[-1:])
        self.assertEqual(late.answer().status, 200)
        old.ended()
        self.house.drain()
        self.assertCountEqual(self.house.ledger.event_ids(), ["evt_0", "evt_1", "evt_2"])


class Gone(Story):
    """Two serve behind one address, of which one does not come back."""

    def left_behind(self, end):
        house = self.house
        give_fixed_places(house)
        house.redis.start()
        gone = house.start_serve()
        house.start_serve()
        house.redis.kill()
        for n in range(20):  # the kernel deals them out
            self.assertEqual(house.post(b'{"event":"ping","event_id":"evt_%d"}' % n).status, 200)
        end(gone)
        house.redis.start()
        until(lambda: house.ledger.length() == 20, lambda: f"all of them: {house.ledger.length()}", 30)
        house.serve.said("adopted spool")
        house.drain()

    def test_what_one_that_stopped_without_redis_left_the_other_one_drains(self):
        def stop(gone):
            gone.stop()
            self.assertGreater(gone.said("drained")["left_in_spool"], 0)

        self.left_behind(stop)

    def test_what_one_that_was_killed_left_the_other_one_drains(self):
        self.left_behind(lambda gone: gone.kill())


    def test_one_that_cannot_be_read_keeps_none_of_the_others(self):
        def end(gone):
            gone.kill()
            [*left] = self.house.spool_folder.iterdir()
            for one in left:  # with what belongs to another one in it
                copied_to = self.house.spool_folder / one.name[::-1]
                shutil.copytree(one, copied_to)
                self.copies.append(str(copied_to))

        self.copies = []
        self.left_behind(end)
        told = self.house.serve.said("spool cannot be adopted")["reason"]
        for one in self.copies:
            self.assertIn(f"{one}/segment-0000000001: it belongs to another spool than its folder says", told)


class HandedWrongly(Story):
    audited = False

    def refused(self):
        self.house.configure()
        serve = self.house.serve_process()
        serve.ended(expect=1)
        return serve.said("cannot start")["reason"]

    def test_an_entry_without_a_socket(self):
        open_sockets(self.house)
        [(_, port)] = [one.getsockname() for one in self.house.handed]
        self.house.listeners = [{"address": f"0.0.0.0:{port}"}]
        said = self.refused()
        self.assertRegex(said, rf"kula-relay.yaml:\d+:\d+: serve.listen\[0\].address: of the sockets that were "
                               rf"handed over none is bound to just 0.0.0.0:{port}, but to 127.0.0.1:{port}: ")

    def test_a_socket_without_an_entry(self):
        open_sockets(self.house, 2)
        port = self.house.handed[1].getsockname()[1]
        del self.house.listeners[1]
        self.assertIn(f"that serve.listen does not name: 127.0.0.1:{port}", self.refused())

    def test_a_socket_that_accepts_nothing(self):
        open_sockets(self.house)
        self.house.handed.append(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        self.assertIn("descriptor 4 is none to accept TCP connections from", self.refused())

    def test_more_sockets_than_are_taken(self):
        open_sockets(self.house)
        self.house.handed *= 65
        self.assertIn("65 sockets were handed over, and no more than 64 are taken", self.refused())


if __name__ == "__main__":
    unittest.main()
