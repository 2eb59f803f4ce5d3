"""The spool's disk lets serve down."""

import os
import shutil
import subprocess
import time

from house import Story
from processes import RELAY, SYSTEM, WATCHED, WRAP, run

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

    def test_what_a_read_only_disk_does_not_let_go_of_is_read_once(self):
        house = self.house
        behind, compiler = house.folder / "behind.so", shutil.which(os.environ.get("CC", "cc"))
        if WATCHED or not compiler:
            self.skipTest("nothing can be preloaded here")
        run([compiler, "-shared", "-fPIC", "-O1", "-o", behind, SYSTEM / "clock_behind.c"])
        house.serve_settings = {"spool": {"directory": str(house.spool_folder), "keep": "1m"}}
        house.serve_wrap = ["env", f"LD_PRELOAD={behind}"]
        house.redis.start()
        house.start_serve()
        body = b'{"event":"ping","event_id":"evt_1","data":{}}'
        self.assertEqual(house.post(body, t=int(time.time()) - 3600).status, 200)
        house.serve.stop()  # which has drained it, an hour ago
        if not can_be_mounted_read_only(str(house.spool_folder)):
            self.skipTest("a read-only mount takes a namespace that we are not allowed here")
        house.serve_wrap = [*READ_ONLY, house.spool_folder]
        house.start_serve()
        house.serve.said("spool cannot be removed, the next start tries again")
        # It has looked round when it has seen what comes now.
        [left] = house.spool_folder.iterdir()
        shutil.copytree(left, house.spool_folder / left.name[::-1])
        house.serve.said("spool cannot be adopted", 20)
        self.assertEqual(len(house.serve.logged("adopted spool")), 1)

    def test_an_empty_folder_on_a_read_only_disk_is_a_mistake_in_the_configuration(self):
        folder = self.house.spool_folder
        folder.mkdir()
        if not can_be_mounted_read_only(str(folder)):
            self.skipTest("a read-only mount takes a namespace that we are not allowed here")
        self.house.configure()
        told = run([*READ_ONLY, folder, RELAY, "serve", "--config", self.house.config_file], expect=78)
        self.assertIn(f"serve.spool.directory: cannot write into the folder {folder}", told.err)

    def with_little_room(self):
        """A spool of the smallest size; the body of an event of which it takes about eight."""
        self.house.serve_settings = {"spool": {"directory": str(self.house.spool_folder), "max_size": "64MiB"}}
        return b'{"event":"ping","event_id":"evt_%d","data":{"filler":"' + b"x" * (6 << 20) + b'"}}'

    def test_a_start_after_many_crashes_has_descriptors_for_all_that_they_left(self):
        """Most supervisors give it 1,024 at first, and let it have more."""
        if WRAP:
            self.skipTest("valgrind keeps to the limit that it finds")
        starts = 20
        for n in range(starts):
            serve = self.house.start_serve()
            self.assertEqual(self.post(f"evt_{n}"), 200)
            serve.kill()
        self.house.serve_wrap = ["bash", "-c", f'ulimit -Sn {starts + 10}; exec "$@"', "few"]
        self.house.redis.start()
        self.house.start_serve()
        self.house.drain()
        self.assertCountEqual(self.house.ledger.event_ids(), [f"evt_{n}" for n in range(starts)])

    def test_all_starts_together_keep_to_max_size(self):
        most = 64 << 20
        body = self.with_little_room()
        self.house.redis.start()
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

    def test_what_a_service_is_owed_keeps_nothing_from_being_accepted_and_is_told_when_it_goes(self):
        body = self.with_little_room()
        crm = self.house.service("crm", timeout="30s")
        self.house.redis.start()
        self.house.start_forward()
        self.house.relay("pause", "crm")
        for n in range(8):
            serve = self.house.start_serve()
            self.assertEqual(self.house.post(body % n).status, 200)
            self.house.drain()
            serve.kill()
        serve = self.house.start_serve()
        for n in range(8, 14):
            self.assertEqual(self.house.post(body % n).status, 200)
            self.house.drain()
        gone = serve.wait("spool_owed_let_go_records_total", {}, lambda number: number > 0)
        told = serve.said("spool has no room for all that services may be owed, redis alone has the oldest now: "
                          "raise serve.spool.max_size or free the disk, and see kula-relay service list")
        self.assertTrue(0 < int(told["records"]) <= gone, told)
        serve.wait("spool_writable", {}, 1)  # room is looked for once a second
        self.assertEqual(serve.value("spool_write_failures_total"), 0)
        self.assertEqual(len(serve.logged(told["message"])), 1)
        self.house.relay("resume", "crm")
        crm.wait_delivered({f"evt_{n}": body % n for n in range(14)}, 60)

    def test_what_redis_does_not_have_is_not_let_go_for_what_comes_which_is_refused(self):
        body = self.with_little_room()
        serve, answers = self.house.start_serve(), []
        while 503 not in answers:
            asked_at = time.monotonic()
            answers.append(self.house.post(body % len(answers)).status)
            if len(answers) == 3:
                serve.kill()
                serve = self.house.start_serve()
        self.assertGreater(time.monotonic() - asked_at, 7.5, "not held")
        *accepted, _ = answers
        self.assertEqual(accepted, [200] * len(accepted))
        self.assertGreater(len(accepted), 4)
        self.assertEqual(serve.value("spool_writable"), 0)
        self.assertEqual(serve.value("spool_owed_let_go_records_total"), 0)
        self.house.redis.start()
        self.house.drain(60)
        self.assertCountEqual(self.house.ledger.event_ids(), [f"evt_{n}" for n in range(len(accepted))])
        self.assertEqual(self.house.post(body % len(accepted)).status, 200)
