"""The spool's disk lets serve down."""

import subprocess

from house import Story
from processes import RELAY, run

# In a mount namespace of its own, and in a user's where we are nobody special: $0 read-only, then the rest.
READ_ONLY = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c",
             'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && exec "$@"']


def can_be_mounted_read_only(folder):
    return subprocess.run([*READ_ONLY, folder, "true"], capture_output=True, check=False).returncode == 0


class SpoolDisk(Story):
    def post(self, event_id):
        return self.house.post(b'{"event":"ping","event_id":"%s","data":{}}' % event_id.encode()).status

    def test_what_is_left_on_a_disk_that_became_read_only_is_drained(self):
        self.house.start_serve()
        self.assertEqual([self.post(f"evt_{n}") for n in range(3)], [200] * 3)
        self.house.serve.kill()
        folder = str(self.house.spool_folder)
        if not can_be_mounted_read_only(folder):
            self.skipTest("a read-only mount takes a namespace that we are not allowed here")
        self.house.serve_wrap = [*READ_ONLY, folder]
        self.house.redis.start()
        self.house.start_serve()
        self.house.drain()
        self.assertEqual(self.house.ledger.event_ids(), ["evt_0", "evt_1", "evt_2"])
        self.assertEqual(self.house.serve.value("spool_writable"), 0)
        self.assertEqual(self.post("evt_3"), 200)  # it waited for Redis
        self.assertIn("evt_3", self.house.ledger.event_ids())

    def test_an_empty_folder_on_a_read_only_disk_is_a_mistake_in_the_configuration(self):
        folder = self.house.spool_folder
        folder.mkdir()
        if not can_be_mounted_read_only(str(folder)):
            self.skipTest("a read-only mount takes a namespace that we are not allowed here")
        self.house.configure()
        told = run([*READ_ONLY, folder, RELAY, "serve", "--config", self.house.config_file], expect=78)
        self.assertIn(f"serve.spool.directory: cannot write into the folder {folder}", told.err)

    def test_all_starts_together_keep_to_max_size(self):
        most = 64 << 20
        self.house.serve_settings = {"spool": {"directory": str(self.house.spool_folder), "max_size": "64MiB"}}
        self.house.redis.start()
        body = b'{"event":"ping","event_id":"evt_%d","data":{"filler":"' + b"x" * (6 << 20) + b'"}}'
        for n in range(6):
            serve = self.house.start_serve()
            self.assertEqual(self.house.post(body % (2 * n)).status, 200)
            self.assertEqual(self.house.post(body % (2 * n + 1)).status, 200)
            self.assertLessEqual(sum(file.stat().st_blocks * 512 for file in self.house.spool_folder.rglob("*")),
                                 most + (1 << 20))
            self.house.drain()
            serve.kill()
        self.house.start_serve()
        self.house.drain()
        self.assertEqual(self.house.serve.value("spool_damaged_records_total"), 0)
        self.assertCountEqual(self.house.ledger.event_ids(), [f"evt_{n}" for n in range(12)])
