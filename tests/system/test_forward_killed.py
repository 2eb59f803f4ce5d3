"""A forward that is killed at any instant loses nothing: at least once, with the same event id."""

import socket

from house import Story
from processes import until
from sim.service import Service

# A lease lasts for the time-out and five seconds more; then somebody else takes the event.
QUICK = {"timeout": "1s"}


class ForwardKilled(Story):
    def test_event_survives_forward_killed_after_the_post(self):
        crm = self.house.service("crm", **QUICK)
        crm.hold(times=1)
        self.house.start()
        event_id, body = self.house.post_event()
        crm.wait_for(event_id)
        self.house.forward.kill()
        crm.release()  # the service says yes, but nobody hears it
        self.house.start_forward()
        again = crm.wait_for(event_id, 2)
        self.house.settle()
        self.assertEqual({one.body for one in again}, {body})
        self.assertEqual({one.header("Idempotency-Key") for one in again}, {event_id})

    def test_event_survives_forward_killed_before_the_post(self):
        with socket.create_server(("127.0.0.1", 0)) as door:  # nobody ever comes to open it
            port = door.getsockname()[1]
            self.house.service("crm", url=f"http://127.0.0.1:{port}/hooks/kula", **QUICK)
            self.house.start()
            event_id, body = self.house.post_event()
            until(lambda: self.house.ledger.owed("crm") == 1, "forward has taken the event")
            self.house.forward.kill()
        crm = self.house.services["crm"] = Service(port, "crm")
        self.house.start_forward()
        [request] = crm.wait_for(event_id)
        self.assertEqual(request.body, body)
        self.house.settle()

    def test_events_survive_forward_killed_again_and_again_under_load(self):
        crm, search = self.house.service("crm", **QUICK), self.house.service("search", **QUICK)
        crm.slow(0.01)
        self.house.start()
        kula = self.house.kula(rate=100)
        sent = [kula.ping() for _ in range(200)]
        for count in (20, 60, 100):
            crm.wait(lambda all_, count=count: len(all_) >= count, f"{count} requests")
            self.house.forward.kill()
            self.house.start_forward()
        done = kula.wait(sent)
        self.house.settle()
        wanted = {one.event_id: one.body for one in done}
        self.assertTrue(crm.bodies() == wanted, "crm did not get just what was accepted")
        self.assertTrue(search.bodies() == wanted, "search did not get just what was accepted")

    def test_events_survive_serve_killed(self):
        crm = self.house.service("crm")
        self.house.start()
        kula = self.house.kula(pace=600)  # a retry a tenth of a second later
        first = [kula.ping() for _ in range(50)]
        kula.wait_for(lambda k: any(one.status == "delivered" for one in first), "some are accepted")
        self.house.serve.kill()
        self.house.start_serve()
        kula.url = self.house.serve.url + self.house.PATH
        delivered = {one.event_id for one in kula.wait() if one.status == "delivered"}
        crm.wait_delivered(delivered)
        self.house.settle()
        ids = self.house.ledger.event_ids()
        self.assertEqual(len(ids), len(set(ids)), "something is stored twice")
