"""serve and forward keep to what their configuration names, and go on with all that they do."""

import errno
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile

from house import SECRET, Story, certificate, server_tls
from processes import WATCHED, until, with_environment

HERE = pathlib.Path(__file__).resolve().parent
TAKES_A_RESTART = "restart it, and this holds from then on"


class Sandbox(Story):
    def setUp(self):
        super().setUp()
        self.outside = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory(prefix="kr-outside-")))

    def landlock(self, process):
        """What is in force, as it says itself: in the log, on /metrics, and to the kernel."""
        self.assertEqual(process.value("sandbox", kind="no_new_privs"), 1)
        self.assertIn("\nNoNewPrivs:\t1\n", pathlib.Path(f"/proc/{process.pid}/status").read_text())
        version = process.value("sandbox", kind="landlock")
        if not version:
            self.skipTest(f"not here: {process.said('sandbox without landlock')['reason']}")
        said = process.said("sandbox")
        self.assertEqual((int(said["landlock"]), said["no_new_privs"]), (version, "yes"))
        return version

    def other(self, name, content):
        path = self.outside / name
        path.write_bytes(content)
        return str(path)

    # From within.

    def probe(self, tries):
        shim = self.house.folder / "probe.so"
        compiler = shutil.which(os.environ.get("CC", "cc"))
        if WATCHED or not compiler:
            self.skipTest("nothing can be preloaded here")
        subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", shim, HERE / "sandbox_probe.c"], check=True)
        return with_environment(LD_PRELOAD=str(shim), SANDBOX_PROBE=" ".join(tries))

    def tried(self, process, number):
        process.signal(signal.SIGUSR2)
        until(lambda: len(process.logged("probe")) == number, "all is tried")
        return {entry["what"]: entry["error"] for entry in process.logged("probe")}

    def test_nothing_else_can_be_read_written_executed_or_called(self):
        folder, spool = self.house.folder, self.house.spool_folder
        with socket.create_server(("127.0.0.1", 0)) as other:
            denied = [f"read:{self.other('file', b'x')}", f"write:{self.outside}/new", f"write:{folder}/new",
                      f"write:{folder}/kula-relay.yaml", "execute:/bin/true", f"execute:{folder}/program"]
            serves = ["read:/etc/passwd", f"write:{spool}/new"]
            call = f"connect:{other.getsockname()[1]}"
            allowed = [f"read:{folder}/kula-relay.yaml", f"read:{folder}/secret"]
            shutil.copy("/bin/true", folder / "program")
            self.house.service("crm")
            tries = [*denied, *serves, call, *allowed]
            with self.probe(tries):
                self.house.start()
            self.house.post_event()
            self.house.settle()
            version = self.landlock(self.house.serve)
            self.landlock(self.house.forward)
            serve = self.tried(self.house.serve, len(tries))
            forward = self.tried(self.house.forward, len(tries))
        for one in denied:
            self.assertEqual((one, serve[one], forward[one]), (one, errno.EACCES, errno.EACCES))
        for one in allowed:
            self.assertEqual((one, serve[one], forward[one]), (one, 0, 0))
        self.assertEqual([serve[one] for one in serves], [errno.EACCES, 0])
        self.assertEqual(forward[serves[1]], errno.EACCES)
        self.assertEqual(forward[call], 0)
        if version >= 4:
            self.assertEqual(serve[call], errno.EACCES)

    def test_the_name_of_a_new_spool_folder_outlives_a_loss_of_power(self):
        state = self.house.folder / "state"
        state.mkdir()
        self.house.spool_folder = state / "spool"
        with self.probe([]):
            self.house.start_serve()
        self.assertIn(str(state), [entry["folder"] for entry in self.house.serve.logged("synced")])

    # Reloads.

    def refused(self, process):
        process.signal(signal.SIGHUP)
        process.said("reload refused, everything stays as it was", cause="SIGHUP")
        return process.said("configuration mistake")["problem"]

    def test_a_secret_elsewhere_is_told_to_take_a_restart_of_serve(self):
        self.house.start()
        self.landlock(self.house.serve)
        new = self.other("secret", b"whsec_test_that_is_another_one")
        self.house.endpoints[0]["secret_files"] = [new, str(self.house.secret_file)]
        self.house.configure()
        problem = self.refused(self.house.serve)
        self.assertRegex(problem, r"secret_files\[0\]: cannot read the secret file .*: Permission denied; ")
        self.assertIn(TAKES_A_RESTART, problem)
        self.house.endpoints[0]["secret_files"] = [str(self.house.secret_file)]
        self.house.endpoints[0]["secret_dir"] = str(self.outside)
        self.house.configure()
        until(lambda: any("secret_dir" in entry["problem"] and TAKES_A_RESTART in entry["problem"]
                          for entry in self.hung_up()), "so is a folder")
        self.assertEqual(self.house.post(b"{}").status, 200)  # penned
        self.house.serve.stop()
        self.house.start_serve()
        self.assertEqual(self.house.serve.logged("configuration mistake"), [])

    def hung_up(self):
        self.house.serve.signal(signal.SIGHUP)
        return self.house.serve.logged("configuration mistake")

    def test_a_header_elsewhere_is_told_to_take_a_restart_of_forward(self):
        crm = self.house.service("crm")
        self.house.start()
        self.landlock(self.house.forward)
        self.house.service_settings[0]["header_files"] = {"Authorization": self.other("header", b"Bearer x")}
        self.house.configure()
        self.assertIn(TAKES_A_RESTART, self.refused(self.house.forward))
        self.house.forward.stop()
        self.house.start_forward()
        self.house.post_event()
        self.house.settle()
        self.assertEqual(crm.requests[0].header("Authorization"), "Bearer x")

    # What goes on.

    def test_a_secret_in_a_folder_of_a_volume_is_exchanged_as_kubernetes_does_it(self):
        new = b"whsec_test_that_is_another_one"
        for name, secret in (("..1", SECRET), ("..2", new)):
            (self.outside / name / "kula").mkdir(parents=True)
            (self.outside / name / "kula" / "secret").write_bytes(secret)
        (self.outside / "..data").symlink_to("..1")
        (self.outside / "kula").symlink_to("..data/kula")
        self.house.endpoints[0]["secret_files"] = [str(self.outside / "kula" / "secret")]
        self.house.start()
        self.landlock(self.house.serve)
        (self.outside / "..new").symlink_to("..2")
        os.replace(self.outside / "..new", self.outside / "..data")
        self.house.serve.said("reload taken", cause="file")
        self.assertEqual(self.house.post(b"{}", secret=new).status, 200)  # penned

    def test_redis_is_found_again_by_its_name(self):
        self.house.redis.listen_tcp("default on nopass ~* &* +@all")
        self.house.redis.url = self.house.redis.url.replace("127.0.0.1", "localhost")
        self.house.service("crm")
        self.house.start()
        self.landlock(self.house.serve)
        self.house.post_event()
        self.house.redis.stop()
        self.house.serve.said("redis is away", meanwhile="deliveries wait in the spool")
        self.house.redis.start()
        self.house.post_event()
        self.house.settle()

    def test_a_service_with_a_name_and_a_certificate_comes_with_a_reload(self):
        """Its CA file stands where the configuration does."""
        self.house.service("crm")
        self.house.start()
        self.landlock(self.house.forward)
        (self.house.folder / "ca.pem").write_bytes(pathlib.Path(certificate()[0]).read_bytes())
        billing = self.house.service("billing", tls=server_tls(), ca_file=str(self.house.folder / "ca.pem"))
        self.house.service_settings[1]["url"] = self.house.service_settings[1]["url"].replace(
            "127.0.0.1", "localhost")
        self.house.configure()
        self.house.forward.signal(signal.SIGHUP)
        self.house.forward.said("reload taken")
        self.house.post_event()
        self.house.settle()
        self.assertEqual(len(billing.requests), 1)
