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


def example(after):
    """The first shell block behind these words."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return re.search(r"```sh\n(.*?)```", text[text.index(after):], re.S).group(1)


class Readme(unittest.TestCase):
    def setUp(self):
        for port in ADMIN_PORTS:
            with socket.create_server(("127.0.0.1", port)):
                pass  # it is free: otherwise this says which is not
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="kr-readme-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.port = free_port()

    def shell(self, block):
        """As at a prompt in the checkout, but for the folder, the port and where it was built."""
        for word, mine in (("/tmp/kula-relay", str(self.folder / "data")), ("localhost:8443", f"localhost:{self.port}"),
                           ("build/relay/", f"{BUILD}/relay/")):
            block = block.replace(word, mine)
        return run(["bash", "-euc", block], cwd=ROOT).out

    def test_the_example_is_accepted_shown_and_received(self):
        self.assertIn("./run up --data /tmp/kula-relay", example("## Run it on this machine"))
        env = {key: value for key, value in os.environ.items() if not key.startswith("KULA_")}
        up = Process("up", [RELAY, "up", "--data", self.folder / "data", "--listen", f"127.0.0.1:{self.port}"],
                     env=env, cwd=self.folder)
        self.addCleanup(up.stop)
        up.wait_line(lambda line: "kula-relay is up" in line, "that it is up", lines=up.output)
        send, look = example("terminal, sign a delivery"), example("Look at the\nstream")
        self.assertEqual(self.shell(send), '{"status":"accepted","event_id":"evt_1"}\n')
        up.wait_line(lambda line: "application.hired evt_1" in line, "what the service received", lines=up.output)
        shown = self.shell("data=/tmp/kula-relay\n" + look)
        self.assertIn("application.hired", shown)
        self.assertIn('"event_id":"evt_1"', shown)  # by redis-cli; tail has it redacted
        self.assertIn("\nbody\n", shown)


if __name__ == "__main__":
    unittest.main()
