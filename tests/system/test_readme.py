"""The README's own example, word for word, is what happens."""

import os
import pathlib
import re
import shutil
import socket
import tempfile
import unittest

from processes import BUILD, RELAY, ROOT, Process, free_port, run

ADMIN_PORTS = (9464, 9465)  # those that `up` writes into a new configuration


def examples(after):
    """The shell blocks behind these words, in order."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return re.findall(r"```sh\n(.*?)```", text[text.index(after):], re.S)


def example(after):
    """The first of them."""
    return examples(after)[0]


class Readme(unittest.TestCase):
    def setUp(self):
        for port in ADMIN_PORTS:
            with socket.create_server(("127.0.0.1", port)):
                pass  # it is free: otherwise this says which is not
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="kr-readme-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.port, self.kula_port = free_port(), free_port()

    def here(self, block):
        """The same, but for the folder, the ports and where it was built."""
        for word, mine in (("/tmp/kula-relay", str(self.folder / "data")), ("localhost:8443", f"localhost:{self.port}"),
                           ("8090", str(self.kula_port)), ("build/relay/", f"{BUILD}/relay/")):
            block = block.replace(word, mine)
        return block

    def shell(self, block):
        """As at a prompt in the checkout."""
        return run(["bash", "-euc", self.here(block)], cwd=ROOT).out

    def goes_on(self, name, block):
        """As in a terminal of its own."""
        process = Process(name, ["bash", "-euc", "exec " + self.here(block)], cwd=ROOT)
        self.addCleanup(process.kill)
        return process

    def up(self):
        self.assertIn("./run up --data /tmp/kula-relay", example("## Run it on this machine"))
        env = {key: value for key, value in os.environ.items() if not key.startswith("KULA_")}
        up = Process("up", [RELAY, "up", "--data", self.folder / "data", "--listen", f"127.0.0.1:{self.port}"],
                     env=env, cwd=self.folder)
        self.addCleanup(up.stop)
        up.wait_line(lambda line: "kula-relay is up" in line, "that it is up", lines=up.output)
        return up

    def test_the_example_is_accepted_shown_and_received(self):
        up = self.up()
        send, look = example("terminal, sign a delivery"), example("Look at the\nstream")
        self.assertEqual(self.shell(send), '{"status":"accepted","event_id":"evt_1"}\n')
        up.wait_line(lambda line: "application.hired evt_1" in line, "what the service received", lines=up.output)
        shown = self.shell("data=/tmp/kula-relay\n" + look)
        self.assertIn("application.hired", shown)
        self.assertIn('"event_id":"evt_1"', shown)  # by redis-cli; tail has it redacted
        self.assertIn("\nbody\n", shown)

    def test_kulas_side_is_set_up_tried_and_comes_back_when_it_is_disabled(self):
        simulated, setting_up, happening, watching, disabling = examples("**All of it on this machine**")[:5]
        up = self.up()
        kula = self.goes_on("kula", simulated)
        kula.wait_line(lambda line: "Kula's API, simulated" in line, "that it is there", lines=kula.output)
        told = self.shell(setting_up + happening)  # in one terminal
        for words in ("wh_101", "active", f"https://localhost:{self.port}/webhooks/kula", "delivered: answered 200",
                      "application.hired evt_"):
            self.assertIn(words, told)
        up.wait_line(lambda line: "application.hired evt_" in line, "what the service received", lines=up.output)
        watch = self.goes_on("watch", watching)
        watch.wait_line(lambda line: "webhook watched" in line, "that it looks")
        self.assertIn("disabled", self.shell(disabling))
        watch.wait_line(lambda line: "webhook proved" in line, "that it is enabled and proved", deadline_s=90)


if __name__ == "__main__":
    unittest.main()
