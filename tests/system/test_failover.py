"""Redis fails over in place: the address stays, and behind it is another server."""

import os

from house import Redis, Story
from ledger_view import Ledger
from processes import free_port, until


class Failover(Story):
    def setUp(self):
        super().setUp()
        house = self.house
        self.old, port = house.redis, free_port()
        self.old.more = ["--port", port]
        (house.folder / "other").mkdir()
        self.new = Redis(house.folder / "other", "everysec")
        self.new.more = ["--replicaof", "127.0.0.1", port, "--repl-diskless-sync-delay", "0"]
        self.address = str(house.folder / "address")
        self.old.url = self.new.url = f"unix://{self.address}?db=0"
        self.addCleanup(lambda: self.old.process.alive() and self.old.kill())

    def lead_to(self, redis):
        """In one step, as an address that moves does."""
        os.symlink(redis.path, self.address + ".new")
        os.replace(self.address + ".new", self.address)

    def connections(self, redis, name):
        """The numbers of this program's connections; a later one has a larger number."""
        clients = [dict(word.split("=", 1) for word in line.split())
                   for line in redis("CLIENT", "LIST").decode().splitlines()]
        return [int(client["id"]) for client in clients if client["name"] == name]

    def test_the_bell_follows_to_the_new_server_though_the_old_one_lives_on(self):
        crm = self.house.service("crm")
        self.lead_to(self.old)
        self.old.start()
        self.new.start()
        until(lambda: self.new.info("replication").get("master_link_status") == "up", "a replica")
        self.house.start_serve()
        self.house.start_forward()
        first, _ = self.house.post_event()
        crm.wait_delivered([first])
        self.house.settle()
        self.old.wait_armed()
        until(lambda: self.new("GET", "kula:seen:kula:" + first), "the replica has the event")

        # Demoted, out of touch with the new leader, and for a while still what the address leads to.
        before = self.connections(self.old, "kula-relay-bell")
        self.new("REPLICAOF", "NO", "ONE")
        self.old("REPLICAOF", "127.0.0.1", free_port())
        until(lambda: self.connections(self.old, "kula-relay-bell") > before, "the bell came back")
        self.lead_to(self.new)
        self.house.redis, self.house.ledger = self.new, Ledger(self.new.client)
        self.new.wait_armed()
        second, _ = self.house.post_event()
        crm.wait_delivered([second])
        self.house.settle()
