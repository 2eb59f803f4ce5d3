"""The test house: a temporary folder in which a story's Redis, serve, forward, services live.

    class SomePromise(Story):
        def test_it_is_kept(self):
            crm = self.house.service("crm", events=["application.*"])
            self.house.start()
            ...

A Story has a house of its own. When it ends, serve and forward are stopped, both have
to end well, and where the ledger was used `audit` has to balance.

The environment: KULA_RELAY_BUILD is the build directory (build/), KULA_RELAY_WRAP a
command before serve and forward (valgrind --error-exitcode=99 ...), KULA_RELAY_SLOW a
factor for all time limits (1).
"""

import os
import pathlib
import shutil
import signal
import socket
import ssl
import tempfile
import time
import unittest

import json_fields
from ledger_view import Client, Ledger
from metrics import Admin
from processes import BUILD, RELAY, RELAY_SERVE, SLOW, WRAP, Process, free_port, run, until
from sim import events, wire
from sim.kula import Kula, signed_headers
from sim.kula_api import KulaApi
from sim.service import Service
from yaml_text import yaml_text

SECRET = b"whsec_test_0123456789abcdef"

_certificate = []


def certificate():
    """(certificate, key): self-signed for loopback, one for all tests of this run."""
    if not _certificate:
        folder = tempfile.TemporaryDirectory(prefix="kr-tls-")
        crt, key = (os.path.join(folder.name, name) for name in ("tls.crt", "tls.key"))
        # Python 3.13 refuses an authority that does not say it may sign.
        run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
             "-nodes", "-days", "2", "-subj", "/CN=relay.test", "-keyout", key, "-out", crt,
             "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1",
             "-addext", "keyUsage=critical,digitalSignature,keyCertSign"])
        _certificate.append((folder, crt, key))
    return _certificate[0][1:]


def server_tls(clients=None):
    """What a service needs to speak TLS; with `clients`, a CA file, only with those it signed."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate())
    if clients:
        context.load_verify_locations(clients)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def has_ipv6():
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


class Redis:
    """A private redis-server on a unix socket."""

    def __init__(self, folder, appendfsync="everysec"):
        self.folder = pathlib.Path(folder) / "redis"
        self.folder.mkdir()
        self.path = str(self.folder / "sock")
        self.url = f"unix://{self.path}?db=0"
        self.appendfsync = appendfsync
        self.process = None
        self.client = Client(self.path)
        self.more = []  # arguments of redis-server

    def listen_tcp(self, user):
        """On a port too, for this user alone (an ACL line); we ourselves keep to the socket."""
        port = free_port()
        self.more = ["--port", port, "--user", *user.split()]
        self.url = f"redis://127.0.0.1:{port}/0"

    def __call__(self, *words):
        return self.client(*words)

    def command(self):
        return ["redis-server", "--port", "0", "--unixsocket", self.path, "--dir", self.folder,
                "--appendonly", "yes", "--appendfsync", self.appendfsync, "--save", "",
                "--maxmemory-policy", "noeviction", *self.more]

    def start(self):
        self.process = Process("redis", self.command())
        until(self.client.is_answered, lambda: f"Redis answers\n{self.process.report()}")
        return self

    def stop(self):
        """As a shutdown of the machine would: it writes down everything first."""
        self.client.close()
        self.process.signal(signal.SIGTERM)
        self.process.wait_exit()

    def kill(self):
        self.client.close()
        self.process.kill()

    def freeze(self):
        self.process.signal(signal.SIGSTOP)

    def thaw(self):
        self.process.signal(signal.SIGCONT)

    def info(self, section):
        lines = self("INFO", section).decode().splitlines()
        return dict(line.split(":", 1) for line in lines if ":" in line)

    def wait_armed(self):
        """Until a blocked read waits for events: forward's bell."""
        until(lambda: self.info("clients")["blocked_clients"] == "1", "the bell is armed", 20)

    def cli(self, *words):
        """redis-cli, as a person at a shell."""
        return run(["redis-cli", "-s", self.path, *words]).out


def hand_over(sockets):
    """A command that starts another one with these, as sd_listen_fds(3) says."""
    if not sockets:
        return []
    moves = " ".join(f"{3 + n}<&{one.fileno()}" for n, one in enumerate(sockets))
    return ["bash", "-c", f'LISTEN_PID=$$ LISTEN_FDS={len(sockets)} exec "$@" {moves}', "hand_over"]


class Serve(Process):
    """kula-relay-serve with its listeners: `url` is plain HTTP, `tls_url` HTTPS, `urls` all."""

    def __init__(self, house):
        # Under a wrapper the program itself is started: valgrind does not follow an exec.
        program = [RELAY_SERVE] if WRAP else [RELAY, "serve"]
        super().__init__("serve", [*hand_over(house.handed), *house.serve_wrap, *WRAP, *program, "--config",
                                   house.config_file],
                         descriptors=[one.fileno() for one in house.handed])
        self.urls = []

    def ready(self, listeners):
        self.admin = Admin(self.said("admin listening")["address"])
        until(lambda: len(self.logged("listening")) >= listeners or not self.alive(),
              lambda: f"{listeners} listeners\n{self.report()}")
        for entry in self.logged("listening"):
            scheme = "https" if entry["tls"] == "yes" else "http"
            self.urls.append(f"{scheme}://{entry['address']}")
        plain = [url for url in self.urls if url.startswith("http:")]
        self.url = plain[0] if plain else None
        self.tls_url = next((url for url in self.urls if url.startswith("https:")), None)
        return self

    def value(self, name, **labels):
        return self.admin.value("kula_relay_" + name, **labels)

    def wait(self, name, labels, value, deadline_s=10.0):
        return self.admin.wait("kula_relay_" + name, labels, value, deadline_s)

    def deliveries(self, outcome):
        return self.value("deliveries_total", outcome=outcome)


class Forward(Process):
    def __init__(self, house):
        super().__init__("forward", [*WRAP, RELAY, "forward", "--config", house.config_file])

    def ready(self, wait_open=True):
        self.admin = Admin(self.said("admin listening")["address"])
        if wait_open:
            self.said("forwarding")
        return self

    value = Serve.value
    wait = Serve.wait


class House:
    """What a story has: folder, configuration, processes. It starts nothing by itself.

    `durability` is what a 2xx waits for. With "spool" an event stands in the ledger a little
    after it was answered: a story that looks into Redis itself waits with `drain` first.
    """

    PATH = "/webhooks/kula"

    def __init__(self, durability="spool"):
        self.durability = durability
        # Short, because a unix socket's path has to fit into 107 bytes.
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="kr-"))
        self.secret_file = self.write("secret", SECRET + b"\n")
        self.config_file = self.folder / "kula-relay.yaml"
        self.processes = []
        self.services = {}
        self.service_settings = []
        self.listeners = [{"address": "127.0.0.1:0"}]
        self.endpoints = []
        self.endpoint("kula", self.PATH)
        self.serve_settings = {}
        self.forward_settings = {}
        self.redis_settings = {}
        self.kula_settings = {}
        self.log_level = "debug"
        self.spool_folder = self.folder / "spool"
        # As the README tells people to run it.
        self.redis = Redis(self.folder, "everysec" if durability == "spool" else "always")
        self.ledger = Ledger(self.redis.client)
        self.serve = self.forward = None
        self.serve_wrap = []  # a command that goes before serve's own
        self.handed = []  # listening sockets that serve is started with, as by systemd
        self._senders = []
        self.api = None

    # What is in the house.

    def write(self, name, data):
        path = self.folder / name
        path.write_bytes(data)
        return path

    def endpoint(self, name, path, **settings):
        self.endpoints.append({"name": name, "path": path, "secret_files": [str(self.secret_file)],
                               **settings})

    def listen_tls(self):
        crt, key = certificate()
        self.listeners.append({"address": "127.0.0.1:0", "certificate": crt, "private_key": key})

    def service(self, name, port=0, url=None, tls=None, path=None, **settings):
        """A simulated service, and its place in the configuration.

        With `tls`, a context from server_tls, it speaks that; with `path`, on a unix socket.
        """
        service = None if url else Service(port, name, patience=SLOW, tls=tls, path=path)
        if service:
            self.services[name] = service
        # Quick where nothing else is said: a story should not wait for a back-off.
        defaults = {"timeout": "5s", "retry": {"first": "100ms", "most": "200ms"}}
        self.service_settings.append({"name": name, "url": url or f"{service.url}/hooks/kula",
                                      **defaults, **settings})
        return service

    def kula_api(self, token="kula_token_4711", **quirks):
        """Kula's management API, whose webhooks deliver to serve, and its place in the configuration."""
        self.api = KulaApi(token, ca_file=certificate()[0], timeout_s=10 * SLOW, **quirks)
        token_file = self.write("token", token.encode() + b"\n")
        token_file.chmod(0o600)
        self.kula_settings = {"api": self.api.url, "token_file": str(token_file)}
        return self.api

    def config(self):
        config = {
            "redis": {"url": self.redis.url, **self.redis_settings},
            "serve": {"listen": self.listeners, "admin": "127.0.0.1:0", "endpoints": self.endpoints,
                      "durability": self.durability, **self.serve_settings},
            "forward": {"admin": "127.0.0.1:0", **self.forward_settings},
            "services": self.service_settings,
            "log": {"level": self.log_level, "format": "json"},
        }
        if self.kula_settings:
            config["kula"] = self.kula_settings
        if self.durability == "spool":
            config["serve"].setdefault("spool", {"directory": str(self.spool_folder)})
        return config if self.service_settings else {
            key: value for key, value in config.items() if key not in ("forward", "services")}

    def configure(self):
        self.config_file.write_text(yaml_text(self.config()), encoding="utf-8")
        return self.config_file

    # Starting and asking.

    def start(self):
        """Redis, serve and, where there are services, forward."""
        self.redis.start()
        self.start_serve()
        if self.service_settings:
            self.start_forward()
        return self

    def serve_process(self):
        """serve, which may not get as far as to be ready."""
        self.configure()
        self.serve = Serve(self)
        self.processes.append(self.serve)
        return self.serve

    def start_serve(self):
        return self.serve_process().ready(len(self.listeners))

    def start_forward(self, wait_open=True):
        self.configure()
        self.forward = Forward(self)
        self.processes.append(self.forward)
        return self.forward.ready(wait_open)

    def relay(self, *words, expect=0, config=True, **how):
        """A command to its end."""
        if config and not self.config_file.exists():
            self.configure()
        given = ["--config", self.config_file] if config else []
        result = run([RELAY, words[0], *given, *words[1:]], expect=expect, **how)
        if "--json" in words:
            for found in result.objects:
                json_fields.check(words[0], words[1], found)
        return result

    def relay_process(self, *words):
        """A command that goes on."""
        process = Process(words[0], [RELAY, words[0], "--config", self.config_file, *words[1:]])
        self.processes.append(process)
        return process

    def kula(self, tls=False, **how):
        """A Kula that delivers to serve until the house closes."""
        base = self.serve.tls_url if tls else self.serve.url
        how = {"timeout_s": 10 * SLOW, "patience": SLOW, **how}
        kula = Kula(base + self.PATH, SECRET, ca_file=certificate()[0] if tls else None, **how)
        self._senders.append(kula)
        return kula

    def post(self, body, path=None, t=None, secret=SECRET, headers=None, url=None, timeout_s=12):
        """One signed delivery on a connection of its own."""
        if headers is None:
            headers = signed_headers(secret, body, int(time.time()) if t is None else t)
        url = url or self.serve.url
        return wire.call(url + (path or self.PATH), "POST", headers, body,
                         certificate()[0] if url.startswith("https") else None, timeout_s * SLOW)

    def post_event(self, event_type="candidate.created", event_id=None, **fields):
        """One event that has to be accepted, and then stands in the ledger; its id and body."""
        event = events.event(event_type, event_id, **fields)
        body = events.encode(event)
        answer = self.post(body)
        if answer.status != 200 or answer.json()["status"] != "accepted":
            raise AssertionError(f"not accepted: {answer}")
        until(lambda: self.ledger.remembers(event["event_id"]), "the ledger has the event")
        return event["event_id"], body

    def drain(self, deadline_s=20.0):
        """Until the ledger has all that serve's spools hold."""
        if self.durability == "spool" and self.serve and self.serve.alive():
            self.serve.wait("spool_undrained_records", {}, lambda number: number == 0, deadline_s)

    def settle(self, *names, deadline_s=20.0):
        """Until nothing is spooled, and nothing unread by or owed to these services (else all)."""
        self.drain(deadline_s)
        for name in names or [one["name"] for one in self.service_settings]:
            until(lambda name=name: self.ledger.settled(name),
                  lambda name=name: f"{name} is settled: {self.ledger.counts(name)}, "
                                    f"{self.ledger.owed(name)} owed", deadline_s)

    def listed(self, name):
        """What `service list` says of it."""
        return next(line for line in self.relay("service", "list", "--json").objects if line["service"] == name)

    def audit(self, expect=0):
        """The command's lines: the services' by name, and the verdict."""
        lines = self.relay("audit", "--json", expect=expect).objects
        return {line["service"]: line for line in lines if "service" in line}, lines[-1]

    # The end.

    def stop_programs(self):
        """serve first: what it accepts while it drains is still forward's to deliver."""
        for sender in self._senders:
            sender.close()
        self._senders.clear()
        if self.api:
            self.api.close()
            self.api = None
        for service in self.services.values():
            service.release()  # so that forward need not wait for an answer that is held
        for process in self.processes:
            process.stop()

    def close(self):
        if self.api:
            self.api.close()
        for process in self.processes:
            if not process.ended_on_purpose:
                process.kill()
        for service in self.services.values():
            service.close()
        if self.redis.process and self.redis.process.alive():
            self.redis.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def report(self):
        return "\n".join(process.report() for process in self.processes)


class Story(unittest.TestCase):
    """A test with a house of its own."""

    audited = True  # false where the story itself unbalances the ledger
    durability = "spool"  # "ledger" where a 2xx should wait for Redis

    def setUp(self):
        self.house = House(self.durability)
        self.addCleanup(self.house.close)

    def tearDown(self):
        end_story(self.house, self.audited)


def end_story(house, audited=True):
    """The programs end well, and the books balance."""
    house.stop_programs()
    if audited and house.redis.process and house.redis.process.alive():
        _, verdict = house.audit(expect=None)
        if not verdict["balances"]:
            raise AssertionError(f"the audit does not balance: {verdict}")
