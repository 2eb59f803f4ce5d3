#!/usr/bin/env python3
"""deploy/systemd for real: serve, forward and watch as units of a systemd that systemd-nspawn boots.

Started by `./run systemd-test`, with a folder that holds tree/ (a Debian), image/ (what `meson install`
puts there) and packages (what its programs need). Each story goes on with what the one before has
left. The words choose stories by name; the last line counts them.
"""

import argparse
import json
import pathlib
import signal
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from machine import Machine  # noqa: E402
from sim import events  # noqa: E402
from sim.steady import Steady  # noqa: E402
from stories import Failed, among, go, run, until  # noqa: E402

UNITS = ("kula-relay-serve", "kula-relay-forward", "kula-relay-watch")
EXPOSURE = 20  # tenths
RATE = 500
RESTARTS = 3
URL = "http://127.0.0.1:8080/webhooks/kula"

CONFIG = """
redis: {url: "redis://127.0.0.1:6379/0", user: relay, password_file: kula-relay.redis_password}
serve:
  listen:
    - {address: "[::]:8443", certificate: kula-relay.tls.crt, private_key: kula-relay.tls.key}
    - {address: "127.0.0.1:8080"}
  admin: 127.0.0.1:9464
  endpoints: [{name: kula, path: /webhooks/kula, secret_files: [kula-relay.kula_secret]}]
  spool: {directory: /var/lib/kula-relay/spool}
forward: {admin: "127.0.0.1:9465"}
services: [{name: crm, url: "http://127.0.0.1:8090/hook", header_files: {Authorization: kula-relay.crm_authorization}}]
kula: {api: "http://127.0.0.1:8091/v1", token_file: kula-relay.kula_api_token, webhooks: [{endpoint: kula, url: "https://hooks.test/webhooks/kula"}]}
"""

# What people add with `systemctl edit`.
DROP_INS = {
    "kula-relay-serve.socket": "[Socket]\nListenStream=127.0.0.1:8080\n",
    "kula-relay-forward.service": "[Service]\nLoadCredential=kula-relay.crm_authorization\n",
}
SECRET = "whsec_systemd_0123456789abcdef"
SECRETS = {"kula_secret": SECRET, "redis_password": "r3d1s-p4ssword", "kula_api_token": "kula_token_4711",
           "crm_authorization": "Bearer crm"}


def furnish(machine, folder):
    """Programs, configuration and secrets, as a person or a package would put them there."""
    machine.install("systemd-sysv", "redis-server", *(folder / "packages").read_text().split())
    run(["cp", "--archive", "--no-target-directory", folder / "image", machine.tree])
    machine.write("/etc/kula-relay/kula-relay.yaml", CONFIG)
    for name, secret in SECRETS.items():
        machine.write(f"/etc/credstore/kula-relay.{name}", secret + "\n", 0o600)
    crt, key = (machine.tree / f"etc/credstore/kula-relay.tls.{end}" for end in ("crt", "key"))
    run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days",
         "2", "-subj", "/CN=relay.test", "-keyout", key, "-out", crt,
         "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"])
    key.chmod(0o600)
    for unit, text in DROP_INS.items():
        machine.write(f"/etc/systemd/system/{unit}.d/ours.conf", text)
    with open(machine.tree / "etc/redis/redis.conf", "a", encoding="utf-8") as conf:
        conf.write(f"\nappendonly yes\nuser relay on >{SECRETS['redis_password']} ~* &* +@all\n")


class Neighbours:
    """Kula's management API and a service, out here, on the machine's network."""

    def __init__(self, machine, folder):
        self.machine = machine
        self.secret_file = folder / "secret"
        self.secret_file.write_text(SECRET)
        self.running = []

    def start(self, *words):
        self.running.append(subprocess.Popen(self.machine.on_its_network(sys.executable, *words),
                                             stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL))

    def open(self):
        sim = HERE.parent / "sim"
        self.start(sim / "kula.py", "api", "--port", 8091, "--token", SECRETS["kula_api_token"])
        self.start(sim / "service.py", "--port", 8090)

    def post(self):
        """One signed delivery; its event id."""
        event = events.event("candidate.created")
        body = self.secret_file.with_name("body")
        body.write_bytes(events.encode(event))
        run(self.machine.on_its_network(
            sys.executable, HERE.parent / "sim" / "kula.py", "--url", URL, "--secret-file", self.secret_file,
            "--body", body))
        return event["event_id"]

    def close(self):
        for process in self.running:
            if process.poll() is None:
                process.kill()
            process.wait()


class Load(Steady):
    """Deliveries at a steady rate, on the machine's network."""

    def __init__(self, machine):
        super().__init__(URL, SECRET.encode(), RATE)
        self.machine = machine

    def run(self):
        self.machine.enter_its_network()
        super().run()


class Stories:
    def __init__(self, folder):
        self.machine = Machine(folder / "tree")
        furnish(self.machine, folder)
        self.neighbours = Neighbours(self.machine, folder)

    def relay(self, *words):
        """The operator's command line, started where the secrets lie."""
        return self.machine("sh", "-c", f"cd /etc/credstore && kula-relay {' '.join(words)}")

    def is_delivered(self, event_id):
        return "delivered" in self.relay("show", event_id, "--json")

    def a_delivery_gets_through(self):
        event_id = self.neighbours.post()
        until(lambda: self.is_delivered(event_id), lambda: f"crm gets it: {self.relay('show', event_id)}")

    def test_the_units_are_without_a_mistake(self):
        machine = self.machine
        said = machine("systemd-analyze", "verify", "--man=no", *(f"{unit}.service" for unit in UNITS),
                       "kula-relay-serve.socket")
        ours = [line for line in said.splitlines() if "kula-relay" in line]
        if ours:
            raise Failed("\n".join(ours))

    def test_what_they_expose_is_little(self):
        for unit in UNITS:
            said = self.machine("systemd-analyze", "security", "--offline=yes", f"--threshold={EXPOSURE}",
                                f"{unit}.service")
            print(f"         {said.strip().splitlines()[-1].lstrip('→ ')}")

    def test_they_start_and_say_so(self):
        machine = self.machine
        machine("systemctl", "enable", "--now", "redis-server", *UNITS)
        for unit in UNITS:
            if not machine.active(unit):
                raise Failed(f"{unit} is {machine.show(unit, 'ActiveState')}")
        until(lambda: machine.show(UNITS[0], "StatusText") == "taking deliveries", "serve's status")
        until(lambda: machine.show(UNITS[1], "StatusText") == "delivering", "forward's status")
        until(lambda: machine.show(UNITS[2], "StatusText") == "watching", "watch's status")
        self.a_delivery_gets_through()

    def test_they_run_as_nobody_in_particular_and_see_little(self):
        machine = self.machine
        for unit in UNITS:
            status = pathlib.Path(f"/proc/{machine.init}/root/proc/{machine.pid(unit)}/status").read_text()
            fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
            if fields["Uid"].startswith("0") or fields["Seccomp"].strip() != "2" or int(fields["CapEff"], 16):
                raise Failed(f"{unit}: uid {fields['Uid']}, seccomp {fields['Seccomp']}, CapEff {fields['CapEff']}")

    def test_a_reload_is_taken_and_told(self):
        machine = self.machine
        for unit in UNITS:
            machine("systemctl", "reload", unit)
            until(lambda unit=unit: machine.show(unit, "SubState") == "running", f"{unit} runs")
        self.a_delivery_gets_through()

    def is_new(self, unit, pid):
        return self.machine.active(unit) and self.machine.pid(unit) not in (0, pid)

    def test_killed_they_come_back(self):
        machine = self.machine
        for unit in UNITS:
            pid = machine.pid(unit)
            machine("systemctl", "kill", "--kill-who=main", "--signal=KILL", unit)
            until(lambda unit=unit, pid=pid: self.is_new(unit, pid), f"{unit} is there again")
            if machine.number(unit, "NRestarts") != 1:
                raise Failed(f"{unit} was restarted {machine.show(unit, 'NRestarts')} times")
        self.a_delivery_gets_through()

    def test_restarted_they_go_on(self):
        machine = self.machine
        for unit in UNITS:
            pid, started = machine.pid(unit), time.monotonic()
            machine("systemctl", "restart", unit)
            took = time.monotonic() - started
            if not self.is_new(unit, pid) or took > 5:
                raise Failed(f"{unit}: restart took {took:.1f} s, {machine.show(unit, 'ActiveState')}")
        self.a_delivery_gets_through()

    def test_a_restart_under_load_refuses_nothing(self):
        load = Load(self.machine)

        def goes_on():
            until(load.goes_on(), lambda: f"the load goes on: {load.figures()}")

        load.start()
        try:
            goes_on()
            for _ in range(RESTARTS):
                self.machine("systemctl", "restart", UNITS[0])
                goes_on()
        finally:
            figures = load.stop().figures()
        if figures["failed"]:
            raise Failed(f"deliveries failed: {figures}")
        print(f"         {RESTARTS} restarts: {json.dumps(figures)}")
        spools = map(json.loads, self.relay("spool", "status", "--json").splitlines())
        left = [spool for spool in spools if not spool.get("held") and spool.get("undrained")]
        if left:
            raise Failed(f"left in the spool: {left}")

    def test_one_that_is_stuck_is_started_anew(self):
        machine = self.machine
        for unit in UNITS:
            # Thirty seconds each would be too long to wait for here.
            machine("sh", "-c", f"mkdir -p /run/systemd/system/{unit}.service.d && printf "
                    f"'[Service]\\nWatchdogSec=2\\n' >/run/systemd/system/{unit}.service.d/quick.conf")
        machine("systemctl", "daemon-reload")
        machine("systemctl", "restart", *UNITS)
        pings = {unit: set() for unit in UNITS}

        def are_well():
            for unit in UNITS:
                pings[unit].add(machine.number(unit, "WatchdogTimestampMonotonic"))
            return all(len(seen) > 3 for seen in pings.values())

        until(are_well, lambda: f"they say that they are well: {pings}")
        for unit in UNITS:
            if machine.number(unit, "NRestarts"):
                raise Failed(f"{unit} was restarted though it was well: {machine.journal(unit)[-2000:]}")
        pids = {unit: machine.pid(unit) for unit in UNITS}
        for unit in UNITS:
            machine("systemctl", "kill", "--kill-who=main", "--signal=STOP", unit)
        for unit in UNITS:
            until(lambda unit=unit: self.is_new(unit, pids[unit]), f"{unit} is there again", 60)
            if "Watchdog timeout" not in machine.journal(unit):
                raise Failed(f"{unit}: {machine.journal(unit)[-2000:]}")
        self.a_delivery_gets_through()

    def test_a_mistake_in_the_configuration_is_in_the_journal(self):
        machine = self.machine
        good = (machine.tree / "etc/kula-relay/kula-relay.yaml").read_text()
        machine.write("/etc/kula-relay/kula-relay.yaml", good.replace("[::]:8443", "[::]:9443"))
        machine("systemctl", "restart", UNITS[0], expect=None)
        until(lambda: "none is bound to just [::]:9443" in machine.journal(UNITS[0]),
              lambda: f"it says so: {machine.journal(UNITS[0])[-2000:]}")
        machine.write("/etc/kula-relay/kula-relay.yaml", good)
        until(lambda: machine.active(UNITS[0]) and machine.show(UNITS[0], "SubState") == "running",
              "it is tried again until it works")
        self.a_delivery_gets_through()

    def test_after_a_reboot_all_of_it_is_there(self):
        machine = self.machine
        self.neighbours.close()
        machine.shut_down()
        machine.boot()
        self.neighbours.open()
        until(lambda: all(machine.active(unit) for unit in UNITS),
              lambda: "\n".join(machine.journal(unit)[-500:] for unit in UNITS))
        self.a_delivery_gets_through()

    def journals(self):
        return "\n".join(f"--- {unit}\n{self.machine.journal(unit)[-1500:]}" for unit in UNITS)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=pathlib.Path, required=True)
    parser.add_argument("words", nargs="*")
    options = parser.parse_args()
    passed, failed, stories = 0, 1, None
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        stories = Stories(options.folder)
        stories.machine.boot()
        stories.neighbours.open()
        passed, failed = go(among(vars(Stories)), stories, options.words, stories.journals)
    except Failed as failure:
        print(f"FAILED  it cannot begin: {failure}", file=sys.stderr)
    finally:
        if stories:
            stories.neighbours.close()
            stories.machine.shut_down()
        print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
