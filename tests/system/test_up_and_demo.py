"""All on this machine: `up` and `demo`, and what becomes of their processes."""

import os
import pathlib
import shutil
import signal
import tempfile
import unittest

from house import Story
from processes import RELAY, Process, environment, log_entry, run, until

CONFIG = """
serve:
  listen: [{{address: "127.0.0.1:0"}}]
  endpoints: [{{name: kula, path: /webhooks/kula, secret_files: ["{folder}/secret"]}}]
  spool: {{directory: "{folder}/spool"}}
"""


def children(pid):
    """The processes that this one has started: pid by name."""
    found = {}
    for entry in pathlib.Path("/proc").iterdir():
        try:
            parent = (entry / "stat").read_text().rsplit(")", 1)[1].split()[1]
            words = (entry / "cmdline").read_bytes().split(b"\0")
        except (OSError, IndexError):
            continue
        if parent == str(pid):
            name = b" ".join(words[:2]).decode()
            for known in ("kula-relay-serve", "forward", "redis-server", "valkey-server"):
                if known in name:
                    found[known.replace("valkey", "redis")] = int(entry.name)
    return found


def lives(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


class Up(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="kr-up-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        (self.folder / "secret").write_text("whsec_test_0123456789abcdef\n")
        self.config = self.folder / "kula-relay.yaml"
        self.config.write_text(CONFIG.format(folder=self.folder))

    def start(self):
        up = Process("up", [RELAY, "up", "--config", self.config, "--data", self.folder / "data"])
        self.addCleanup(lambda: up.alive() and up.kill())
        up.wait_line(lambda line: "kula-relay is up" in line, "that it is up", lines=up.output)
        up.said("listening")
        up.said("forwarding")
        return up

    def test_the_end_comes_in_order_and_nobody_is_left(self):
        up = self.start()
        pids = until(lambda: len(children(up.pid)) == 3 and children(up.pid), "three children")
        up.signal(signal.SIGINT)
        up.ended()
        self.assertFalse([name for name, pid in pids.items() if lives(pid)])
        told = [entry["program"] for entry in map(log_entry, up.errors)
                if entry.get("message") in ("drained", "stopped")]
        self.assertEqual(told, ["serve", "forward"])

    def test_the_death_of_one_is_told_and_ends_all(self):
        for victim in ("kula-relay-serve", "forward", "redis-server"):
            with self.subTest(victim=victim):
                up = self.start()
                pids = until(lambda: len(children(up.pid)) == 3 and children(up.pid), "all three")
                os.kill(pids[victim], signal.SIGKILL)
                up.ended(expect=1, deadline_s=40)
                self.assertIn("was ended by signal 9", "\n".join(up.errors))
                self.assertFalse([name for name, pid in pids.items() if lives(pid)])

    def test_killed_itself_it_leaves_nobody_behind(self):
        up = self.start()
        pids = until(lambda: len(children(up.pid)) == 3 and children(up.pid), "all three")
        up.kill()
        until(lambda: not any(map(lives, pids.values())), "that the children end", 40)

    def test_one_folder_is_for_one_at_a_time(self):
        up = self.start()
        other = run([RELAY, "up", "--config", self.config, "--data", self.folder / "data"], expect=1)
        self.assertIn("another kula-relay works in", other.err)
        up.stop()

    def test_without_redis_server_it_says_what_to_install(self):
        env = environment() | {"PATH": "/nowhere"}
        told = run([RELAY, "up", "--config", self.config, "--data", self.folder / "data"],
                   expect=1, env=env)
        self.assertIn("apt-get install redis-server", told.err)

    def test_a_password_for_a_redis_that_knows_none_is_told_with_its_place(self):
        (self.folder / "password").write_text("s3cret")
        own = self.config.read_text()
        for key, value in (("user", "relay"), ("password_file", self.folder / "password")):
            with self.subTest(key=key):
                self.config.write_text(f"redis:\n  {key}: {value}\n{own}")
                told = run([RELAY, "up", "--config", self.config, "--data", self.folder / "data"],
                           expect=78)
                self.assertIn(f"{self.config}:2:", told.err)
                self.assertIn(f"redis.{key}: `up` starts a Redis of its own", told.err)
                self.assertEqual(told.err.count("\n"), 1)

    def test_a_folder_too_deep_for_a_socket_is_told(self):
        told = run([RELAY, "up", "--config", self.config, "--data", self.folder / ("x" * 110)],
                   expect=1)
        self.assertIn("shorter folder", told.err)


class UpBesideAnother(Story):
    audited = False  # no Redis has anything

    def refused(self, config):
        told = run([RELAY, "up", "--config", config, "--data", self.house.folder / "data"], expect=78)
        self.assertIn("serve.spool.directory: deliveries wait in", told.err)
        self.assertRegex(told.err, rf"^{config}:[0-9]+:[0-9]+: ")

    def test_what_waits_in_a_spool_for_another_redis_is_left_to_it(self):
        self.house.start_serve()
        config = self.house.configure()
        self.refused(config)  # a serve works there
        self.assertEqual(self.house.post(b'{"event":"ping","event_id":"evt_1"}').status, 200)
        self.house.serve.kill()
        self.refused(config)
        self.house.redis.start()
        self.house.start_serve()
        self.house.drain()
        self.assertEqual(self.house.ledger.event_ids(), ["evt_1"])


class Demo(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="kr-demo-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.env = environment() | {"TMPDIR": str(self.folder)}

    def test_the_tour_keeps_every_promise_and_leaves_nothing(self):
        tour = run([RELAY, "demo"], env=self.env, cwd=self.folder, deadline_s=60)
        self.assertIn("All 6 steps went as promised", tour.out)
        self.assertNotIn("broken", tour.out)
        self.assertEqual(list(self.folder.iterdir()), [])

    def test_it_stays_when_asked_to_and_then_leaves_nothing(self):
        demo = Process("demo", [RELAY, "demo", "--keep"], env=self.env, cwd=self.folder)
        self.addCleanup(lambda: demo.alive() and demo.kill())
        line = demo.wait_line(lambda line: "kula-relay send --url" in line, "how to go on",
                              deadline_s=60, lines=demo.output)
        sent = run([RELAY, *line.split()[1:]], env=self.env)
        self.assertIn("200", sent.out)
        demo.signal(signal.SIGINT)
        demo.ended(deadline_s=40)
        self.assertEqual(list(self.folder.iterdir()), [])

    def test_without_redis_server_it_says_so_and_keeps_what_there_is(self):
        told = run([RELAY, "demo"], expect=1, env=self.env | {"PATH": "/nowhere"}, cwd=self.folder)
        self.assertIn("apt-get install redis-server", told.err)
        self.assertTrue(list(self.folder.iterdir()))


if __name__ == "__main__":
    unittest.main()
