"""Old and new versions side by side: `kula:about` says whose the ledger is."""

import unittest

from house import Story

SENTENCE = "is another version's: kula:about says layout 99, and this program knows 1. Nothing of it is touched"


class Versions(Story):
    def test_a_ledger_of_another_layout_is_told_by_each_and_touched_by_none(self):
        house = self.house
        crm = house.service("crm")
        house.redis.start()
        house.redis("HSET", "kula:about", "layout", "99")
        house.start_serve()
        house.start_forward(wait_open=False)
        # What Kula sends is taken all the same: it waits in the spool for the right one.
        body = b'{"event":"job.created","event_id":"evt_1"}'
        self.assertEqual(house.post(body).status, 200)
        self.assertIn(SENTENCE, house.serve.said("redis is away", meanwhile="deliveries wait in the spool")["reason"])
        self.assertIn(SENTENCE, house.forward.said("redis is away")["reason"])
        self.assertTrue(house.serve.admin.get("/readyz").json()["degraded"])
        self.assertEqual(house.forward.admin.get("/readyz").status, 503)
        for command in (["tail"], ["dead", "list", "crm"], ["pause", "crm"], ["audit"]):
            self.assertIn(SENTENCE, house.relay(*command, expect=4).err)
        self.assertEqual(house.redis("KEYS", "*"), [b"kula:about"])

        house.redis("HSET", "kula:about", "layout", "1")
        crm.wait_delivered(["evt_1"])
        house.settle()

    def test_a_configuration_for_another_version_is_told_by_its_line(self):
        self.house.serve_settings["quantum_spool"] = True
        for command in ("check", "serve"):
            self.assertRegex(self.house.relay(command, expect=78).err,
                             r':\d+:\d+: serve: unknown key "quantum_spool"; known here: listen')


if __name__ == "__main__":
    unittest.main()
