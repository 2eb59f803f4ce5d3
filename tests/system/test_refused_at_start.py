"""What cannot work is refused at start, with what to do about it."""

import os
import shutil
import socket
import unittest

from house import Story
from processes import BUILD, RELAY_SERVE, WATCHED, free_port, run
from sim import events

NOBODY = 65534
ASIDE = ["setpriv", f"--reuid={NOBODY}", "--regid=65534", "--clear-groups"]


def others_can_run_it():
    """All folders on the way to the program let anybody pass."""
    return all(folder.stat().st_mode & 0o001 for folder in (BUILD, *BUILD.parents))


class RefusedAtStart(Story):
    audited = False

    def refused(self, *before):
        done = run([*before, RELAY_SERVE, "--config", self.house.configure()], expect=78)
        return done.err

    @unittest.skipUnless(os.geteuid() == 0 and shutil.which("setpriv") and others_can_run_it() and not WATCHED,
                         "needs to start a program as somebody else")
    def test_a_file_and_a_folder_that_are_another_users_are_named_with_the_user(self):
        self.house.folder.chmod(0o755)
        self.house.secret_file.chmod(0o600)
        self.house.spool_folder.mkdir(mode=0o700)
        told = self.refused(*ASIDE)
        self.assertRegex(told, rf"secret_files\[0\]: cannot read the secret file {self.house.secret_file}: Permission denied; "
                               rf"let this program's user, whose id is {NOBODY}, read it")
        self.assertRegex(told, rf"serve.spool.directory: cannot write into the folder {self.house.spool_folder}: "
                               rf"Permission denied; let this program's user, whose id is {NOBODY}, write there")
        os.chown(self.house.secret_file, NOBODY, NOBODY)
        os.chown(self.house.spool_folder, NOBODY, NOBODY)
        self.house.serve_wrap = ASIDE
        self.house.start_serve()
        self.assertEqual(self.house.post(events.encode(events.event("candidate.created"))).status, 200)  # spooled

    def cannot_start(self, process):
        process.ended(expect=1)
        return process.said("cannot start")["reason"]

    def test_two_names_that_lead_to_one_address_are_refused(self):
        port = free_port()
        self.house.serve_settings["admin"] = f"127.0.0.1:{port}"
        self.house.listeners.append({"address": f"127.0.0.1:0{port}"})
        told = self.cannot_start(self.house.serve_process())
        self.assertRegex(told, rf"^{self.house.config_file}:\d+:\d+: serve.listen\[1\].address: 127.0.0.1:0{port} is "
                               rf"127.0.0.1:{port}, where serve.admin listens already: write another port$")

    def test_an_address_that_another_program_has_is_told_with_its_key(self):
        with socket.create_server(("127.0.0.1", 0)) as other:
            address = f"127.0.0.1:{other.getsockname()[1]}"
            self.house.serve_settings["admin"] = self.house.forward_settings["admin"] = address
            self.house.service("crm")
            serve = self.cannot_start(self.house.serve_process())
            forward = self.cannot_start(self.house.relay_process("forward"))
        told = rf"cannot listen on {address}: Address already in use; another program.* has it; `ss -ltnp` shows which$"
        self.assertRegex(serve, rf"^{self.house.config_file}:\d+:\d+: serve.admin: " + told)
        self.assertRegex(forward, rf"^{self.house.config_file}:\d+:\d+: forward.admin: " + told)
