#!/usr/bin/env python3
"""The life of the Debian package, from its installation to its purge, in a Debian that is booted for it.

Started by `./run package --test`, in namespaces of its own: main.py TREE OLD.deb NEW.deb, both below TREE's /root, with all
that they depend on among apt's archives. Each story goes on with what the one before has left; the last line counts them.
"""

import pathlib
import re
import subprocess
import sys

TESTS = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS), str(TESTS / "systemd")]

from machine import Machine  # noqa: E402
from stories import Failed, among, go, run, until  # noqa: E402

UNITS = ("kula-relay-serve.socket", "kula-relay-serve.service", "kula-relay-forward.service", "kula-relay-watch.service")
RUN = "kula-relay-serve kula-relay-forward"
CONFIG = "etc/kula-relay/kula-relay.yaml"
SPOOL = "/var/lib/kula-relay/spool"
SEND = ("kula-relay send --url https://localhost:8443/webhooks/kula --secret-file /etc/credstore/kula-relay.kula_secret "
        "--ca-file /etc/credstore/kula-relay.tls.crt")


class Life:
    """A machine and the two versions of the package."""

    def __init__(self, tree, old, new):
        self.machine = Machine(tree)
        self.machine.boot()
        self.tree, self.old, self.new = tree, old, new

    def inside(self, script):
        """A command line that runs that in there, as its administrator."""
        return self.machine.inside("env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LANG=C.UTF-8",
                                   "DEBIAN_FRONTEND=noninteractive", "sh", "-c", f"cd /root && {script}")

    def __call__(self, script, expect=0):
        return run(self.inside(script), expect)

    def install(self, deb):
        return self(f"apt-get install --yes --no-install-recommends ./{deb.name}")

    def version(self, deb):
        return re.match(r"kula-relay_([0-9.]+)-", deb.name)[1]

    def has(self, event_id):
        """Does it stand in Redis?"""
        return "it does" in self(f"kula-relay show {event_id} >/dev/null 2>&1 && echo it does", expect=None)

    def waits(self):
        """How many deliveries Redis does not have."""
        told = self(f"kula-relay spool status --json --directory {SPOOL}")
        return int(re.search(r'^{"directory":.*"undrained":(\d+)', told, re.M)[1])

    def configure(self):
        """What the administrator does: a certificate, secrets, services."""
        store = self.tree / "etc" / "credstore"
        store.mkdir(mode=0o700, exist_ok=True)
        (store / "kula-relay.kula_secret").write_text("a-secret-of-more-than-16-bytes\n")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
                        "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
                        "-keyout", store / "kula-relay.tls.key", "-out", store / "kula-relay.tls.crt"],
                       check=True, capture_output=True)
        text = (self.tree / CONFIG).read_text()
        if "name: search" not in text:
            (self.tree / CONFIG).write_text(text + "  - {name: search, url: http://127.0.0.1:8081/kula}\n")


# The stories ---------------------------------------------------------------------------


def test_apt_installs_it_with_what_it_needs(life):
    life.install(life.old)
    told = life("kula-relay version")
    if f"kula-relay {life.version(life.old)} " not in told:
        raise Failed(told)
    if "not found" in life("ldd /usr/bin/kula-relay /usr/bin/kula-relay-serve"):
        raise Failed("a library is missing")
    life("apt-get check && dpkg --audit && dpkg --verify kula-relay")


def test_nothing_runs_before_it_is_configured(life):
    for unit in UNITS:
        enabled, active = (life(f"systemctl {word} {unit}", expect=None).strip() for word in ("is-enabled", "is-active"))
        if (enabled, active) != ("disabled", "inactive"):
            raise Failed(f"{unit} is {enabled}, {active}")
    told = life(f"kula-relay check --config /{CONFIG}", expect=78)
    if "tls.crt" not in told or "kula_secret" not in told:
        raise Failed(told)


def test_configured_it_starts_and_takes_deliveries(life):
    life.configure()
    life(f"systemctl enable --now {RUN}")
    life(f"{SEND} --id evt_old")
    until(lambda: life.has("evt_old"), "the event is in Redis")
    life(f"systemctl is-active {RUN}")


def test_an_upgrade_restarts_what_runs_and_refuses_nothing(life):
    before = {unit: life.machine.pid(unit) for unit in RUN.split()}
    # For as long as an upgrade takes.
    sending = subprocess.Popen(life.inside(f"{SEND} --count 600 --rate 40"), stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    life.install(life.new)
    told, _ = sending.communicate(timeout=60)
    if sending.returncode:
        raise Failed(f"deliveries were refused\n{told[-3000:]}")
    for unit, pid in before.items():
        until(lambda: life.machine.active(unit), f"{unit} is active")
        if life.machine.pid(unit) == pid:
            raise Failed(f"{unit} was not restarted")
        if life(f"systemctl is-enabled {unit}", expect=None).strip() != "enabled":
            raise Failed(f"{unit} is enabled no more")
    life(f"{SEND} --id evt_new")
    until(lambda: life.has("evt_new") and life.has("evt_old"), "both events are in Redis")
    if f"kula-relay {life.version(life.new)} " not in life("kula-relay version"):
        raise Failed("the new version is not there")
    if "name: search" not in (life.tree / CONFIG).read_text():
        raise Failed("what the administrator wrote is gone")


def test_what_waits_in_the_spool_is_told_and_outlives_the_purge(life):
    life("systemctl stop redis-server")
    life(f"{SEND} --id evt_waits")
    if "wait in" not in life("apt-get remove --yes kula-relay"):
        raise Failed("removing it says nothing of what waits")
    if not (life.tree / CONFIG).exists():
        raise Failed("the configuration went before the purge")
    running = life("systemctl list-units --no-legend --state=active,activating 'kula*'")
    if running:
        raise Failed(f"still running: {running}")
    if "stays" not in life("apt-get purge --yes kula-relay"):
        raise Failed("the purge says nothing of what waits")
    if (life.tree / CONFIG).exists():
        raise Failed("the configuration outlived the purge")


def test_installed_again_it_delivers_what_waited(life):
    life.install(life.new)
    life.configure()
    life(f"systemctl start redis-server && systemctl enable --now {RUN}")
    until(lambda: life.has("evt_waits"), "what waited is in Redis")
    until(lambda: life.waits() == 0, "nothing waits")


def test_a_spool_that_cannot_be_read_is_not_taken_for_drained(life):
    life(f"mkdir -p {SPOOL}/0000000000000000/segment-0000000001")  # a folder: to read it fails
    told = life("sh /var/lib/dpkg/info/kula-relay.prerm remove")
    if "wait in" not in told or life(f"ls {SPOOL}/../drained", expect=None).strip().endswith("/drained"):
        raise Failed(f"it was taken for drained\n{told}")
    life(f"rm -r {SPOOL}/0000000000000000")


def test_purged_it_leaves_nothing_behind(life):
    life("apt-get purge --yes kula-relay")
    life("rm /etc/credstore/kula-relay.* /root/*.deb")  # the administrator's
    left = life("find / -xdev -path /proc -prune -o -path /sys -prune -o -iname '*kula*' -print")
    left += life("systemctl list-unit-files --no-legend 'kula*'", expect=None) + life("dpkg-query --list 'kula*'", expect=None)
    left = [line for line in left.splitlines() if "no packages found" not in line]
    if left:
        raise Failed("\n".join(left))


def main():
    tree, old, new = map(pathlib.Path, sys.argv[1:])
    life = Life(tree, old, new)
    passed, failed = go(among(globals()), life, (), lambda: life.machine.journal("kula-relay*")[-3000:])
    life.machine.shut_down()
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
