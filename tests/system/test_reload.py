"""A running serve takes another certificate, secret or endpoint, whole or not at all, and
nobody who is delivering notices."""

import itertools
import os
import pathlib
import re
import signal
import threading
import time

import certificates
from house import SECRET, House, Story
from processes import SLOW, until
from sim import events, wire
from sim.kula import signed_headers

NEW = b"whsec_test_the_one_that_comes_next"


class Reload(Story):
    def setUp(self):
        super().setUp()
        self.certificate("first")

    # What the stories are made of.

    def certificate(self, name):
        """Makes one and puts it where the configuration looks for it."""
        crt, _ = certificates.make(self.house.folder, name)
        self.install(name)
        return crt

    def install(self, name):
        self.crt, self.key = (str(self.house.folder / f"tls.{end}") for end in ("crt", "key"))
        for place in (self.crt, self.key):
            data = (self.house.folder / name).with_suffix(place[-4:]).read_bytes()
            os.replace(self.house.write("incoming", data), place)

    def start(self, secrets=("secret",)):
        self.house.listeners = [
            {"address": "127.0.0.1:0"},
            {"address": "127.0.0.1:0", "certificate": self.crt, "private_key": self.key}]
        self.secrets(*secrets)
        self.house.start()
        self.serve = self.house.serve
        # The first look at the files is over, so that what happens now is what counts.
        self.serve.wait("reloads_total", {"outcome": "unchanged"}, 1)

    def secrets(self, *names):
        self.house.endpoints[0]["secret_files"] = [str(self.house.folder / name) for name in names]

    def hangup(self, outcome="taken"):
        before = self.serve.value("reloads_total", outcome=outcome)
        self.serve.signal(signal.SIGHUP)
        self.serve.wait("reloads_total", {"outcome": outcome}, before + 1)

    def reload(self, outcome="taken"):
        self.house.configure()
        self.hangup(outcome)

    def mistakes(self, number):
        """What the log tells, so many at least, each once: SIGHUP and a changed file may both have asked."""
        until(lambda: len(self.serve.logged("configuration mistake")) >= number, "mistakes are told")
        told = [entry["problem"] for entry in self.serve.logged("configuration mistake")]
        return list(dict.fromkeys(told))

    def shown(self, trusted):
        """The common name that a new connection is shown."""
        with wire.Wire(self.serve.tls_url, trusted) as connection:
            [[[_, name]]] = connection.socket.getpeercert()["subject"]
            return name

    def status(self, secret=SECRET, path=None):
        return self.house.post(events.encode(events.event("candidate.created")), path,
                               secret=secret).status

    # Certificates.

    def test_a_renewed_certificate_is_shown_to_new_connections_and_open_ones_stay(self):
        first = str(self.house.folder / "first.crt")
        self.start()
        open_one = self.enterContext(wire.Wire(self.serve.tls_url, first, 30 * SLOW))
        self.assertEqual(self.shown(first), "first")
        ended = self.serve.value("certificate_not_after_timestamp_seconds")
        second = self.certificate("second")  # nobody says a word
        until(lambda: self.serve.value("reloads_total", outcome="taken") == 1, "it is taken", 20)
        self.assertEqual(self.shown(second), "second")
        self.assertGreater(self.serve.value("certificate_not_after_timestamp_seconds"), ended)
        open_one.send(wire.request("GET", "/healthz"))
        self.assertEqual(open_one.answer().status, 200)
        taken = self.serve.said("reload taken", cause="file")
        self.assertEqual(taken["changed"], "serve.listen[1].certificate")

    def test_a_key_that_does_not_fit_changes_nothing(self):
        first = str(self.house.folder / "first.crt")
        self.start()
        _, other = certificates.make(self.house.folder, "other")
        os.replace(other, self.key)
        self.hangup("refused")
        [problem] = self.mistakes(1)
        self.assertRegex(problem, rf"^{re.escape(str(self.house.config_file))}:\d+:\d+: "
                                  r"serve\.listen\[1\]\.private_key: .* does not belong")
        self.assertEqual(self.house.relay("check", expect=78).err, problem + "\n")
        self.assertEqual(self.shown(first), "first")
        self.assertEqual(self.status(), 200)

    def test_a_listener_that_was_put_before_the_others_does_not_keep_them_from_a_renewed_certificate(self):
        first = str(self.house.folder / "first.crt")
        self.start()
        self.house.listeners.insert(0, {"address": "127.0.0.2:0"})
        self.house.endpoint("second", "/webhooks/second")  # a change that is taken
        self.reload()
        self.assertEqual(self.shown(first), "first")
        second = self.certificate("second")
        self.serve.said("reload taken", 20, cause="file", changed="serve.listen[2].certificate")
        self.assertEqual(self.shown(second), "second")

    # Secrets.

    def test_an_edit_that_is_not_done_is_not_taken_because_a_secret_is_exchanged_meanwhile(self):
        self.start()
        self.house.endpoints[0]["path"] = "/webhooks/half-done"
        self.house.configure()
        self.exchange(NEW)
        self.assertEqual((self.status(NEW), self.status(NEW, "/webhooks/half-done")), (200, 404))
        self.house.endpoints[0]["stale"] = "perhaps"
        self.house.configure()
        self.exchange(SECRET)  # and no mistake in it keeps a secret out
        self.assertEqual((self.status(SECRET), self.status(NEW)), (200, 401))
        self.assertEqual(self.serve.value("reloads_total", outcome="refused"), 0)
        self.house.endpoints[0]["stale"] = "accept"
        self.reload()
        self.assertEqual((self.status(path="/webhooks/half-done"), self.status()), (200, 404))

    def exchange(self, secret):
        before = self.serve.value("reloads_total", outcome="taken")
        os.replace(self.house.write("incoming", secret), self.house.folder / "secret")
        self.serve.wait("reloads_total", {"outcome": "taken"}, before + 1, 20)

    def test_a_refused_secret_is_tried_again_by_itself_and_what_is_wrong_is_told_once(self):
        password = self.house.write("password", b"")  # which nobody watches
        self.start()
        self.house.redis_settings = {"password_file": str(password)}
        self.house.write("password", b"whatever")
        self.house.endpoint("second", "/webhooks/second")
        self.reload()
        self.house.write("password", b"")
        os.replace(self.house.write("incoming", NEW), self.house.folder / "secret")
        [problem] = self.mistakes(1)
        self.assertIn("redis.password_file", problem)
        self.serve.said("reload is still refused", 20, cause="file")
        self.assertEqual(len(self.serve.logged("configuration mistake")), 1)
        self.assertEqual((self.status(SECRET), self.status(NEW)), (200, 401))
        self.house.write("password", b"whatever")
        self.serve.said("reload taken", 20, cause="file")
        self.assertEqual((self.status(SECRET), self.status(NEW)), (401, 200))
        self.house.redis_settings = {}
        self.house.configure()

    def test_a_secret_is_exchanged_without_a_word_as_kubernetes_does_it(self):
        volume = self.house.folder / "volume"
        for name, secret in (("..1", SECRET), ("..2", NEW)):
            (volume / name).mkdir(parents=True)
            (volume / name / "secret").write_bytes(secret)
        (volume / "..data").symlink_to("..1")
        (volume / "secret").symlink_to("..data/secret")
        self.start(["volume/secret"])
        self.assertEqual((self.status(SECRET), self.status(NEW)), (200, 401))
        (volume / "..new").symlink_to("..2")
        os.replace(volume / "..new", volume / "..data")
        until(lambda: self.serve.value("reloads_total", outcome="taken") == 1, "it is taken", 20)
        self.assertEqual((self.status(SECRET), self.status(NEW)), (401, 200))

    def test_a_secret_that_comes_into_the_watched_folder_is_taken_and_one_that_goes_is_not(self):
        folder = self.house.folder / "secrets"
        folder.mkdir()
        self.house.endpoints[0]["secret_dir"] = str(folder)
        self.start()
        self.assertEqual((self.status(SECRET), self.status(NEW)), (200, 401))
        (folder / ".coming").write_bytes(NEW)
        os.replace(folder / ".coming", folder / "new")
        until(lambda: self.serve.value("reloads_total", outcome="taken") == 1, "it is taken", 20)
        self.assertEqual((self.status(SECRET), self.status(NEW)), (200, 200))
        (folder / "new").unlink()
        until(lambda: self.serve.value("reloads_total", outcome="taken") == 2, "it is gone", 20)
        self.assertEqual((self.status(SECRET), self.status(NEW)), (200, 401))
        (folder / "empty").touch()
        until(lambda: self.serve.value("reloads_total", outcome="refused") == 1, "it is refused", 20)
        self.assertIn("serve.endpoints[0].secret_dir: the secret file", self.mistakes(1)[0])
        self.assertEqual(self.status(SECRET), 200)

    def test_one_sees_which_secret_is_in_use_and_when_the_old_one_is_idle(self):
        self.house.write("new", NEW)
        self.start()
        began = int(time.time())
        self.assertEqual(self.status(SECRET), 200)
        old = self.marks()["secret"]
        self.assertEqual(self.use(old), (1, 1))
        self.secrets("new", "secret")
        self.reload()
        marks = self.marks()
        self.assertEqual((len(marks), marks["secret"]), (2, old))
        self.assertEqual((self.use(old), self.use(marks["new"])), ((2, 1), (1, 0)))
        self.assertEqual((self.status(NEW), self.status(SECRET), self.status(NEW)), (200, 200, 200))
        self.assertEqual((self.use(old), self.use(marks["new"])), ((2, 2), (1, 2)))
        matched = self.serve.value("secret_matched_timestamp_seconds", secret=old)
        self.assertTrue(began <= matched <= time.time())
        self.secrets("new")
        self.reload()
        self.assertEqual((self.use(old), self.use(marks["new"])), ((0, 2), (1, 2)))
        self.assertEqual(self.status(SECRET), 401)
        everything = "\n".join(self.serve.errors) + self.serve.admin.get("/metrics").body.decode()
        for secret in (SECRET, NEW):
            self.assertNotIn(secret.decode(), everything)

    def marks(self):
        """By the file's name, as `check` shows them."""
        said = self.house.relay("check", "--print").out
        return {name: mark for name, mark in re.findall(r"/(\w+)   # mark ([0-9a-f]{8})\n", said)}

    def use(self, mark):
        """Position and matches, as /metrics shows them."""
        return tuple(int(self.serve.value(name, endpoint="kula", secret=mark))
                     for name in ("secret_position", "secret_matches_total"))

    # Endpoints, and what else stands in the file.

    def test_an_endpoint_comes_and_goes(self):
        self.start()
        self.assertEqual(self.status(path="/webhooks/second"), 404)
        self.house.endpoint("second", "/webhooks/second")
        self.reload()
        self.assertEqual(self.serve.said("reload taken")["changed"], "serve.endpoints[1]")
        self.assertEqual(self.status(path="/webhooks/second"), 200)
        self.house.endpoints.pop()
        self.reload()
        self.assertEqual(self.status(path="/webhooks/second"), 404)
        self.assertEqual(self.status(), 200)

    def test_a_configuration_with_mistakes_changes_nothing_and_each_is_told(self):
        self.start()
        self.house.endpoints[0]["path"] = "/elsewhere"
        self.house.endpoints[0]["stale"] = "perhaps"
        self.house.serve_settings = {"body_limit": "1 MB"}
        self.reload("refused")
        told = self.mistakes(2)
        self.assertEqual(self.house.relay("check", expect=78).err, "".join(f"{one}\n" for one in told))
        self.assertEqual((self.status(), self.status(path="/elsewhere")), (200, 404))
        self.house.endpoints[0]["stale"] = "retry"
        self.house.serve_settings = {}
        self.reload()
        self.assertEqual((self.status(), self.status(path="/elsewhere")), (404, 200))

    def test_what_needs_a_restart_is_named_and_the_rest_is_taken(self):
        self.start()
        self.house.serve_settings = {"connections": 77}
        self.house.redis_settings = {"prefix": "other"}
        self.house.endpoints[0]["path"] = "/elsewhere"
        self.reload()
        named = self.serve.said("settings changed that need a restart")["settings"]
        self.assertEqual(named, "redis.prefix, serve.connections")
        self.assertEqual(self.status(path="/elsewhere"), 200)
        self.house.drain()
        self.assertEqual(self.house.ledger.length(), 1)  # under the old prefix

    def test_sighup_with_nothing_new_changes_nothing(self):
        self.start()
        self.hangup("unchanged")
        self.assertEqual(self.serve.logged("reload taken"), [])
        self.assertEqual(self.status(), 200)

    def test_reloads_close_together_leave_no_old_editions_behind(self):
        self.start()
        tolerances = itertools.cycle(("6m", "7m"))

        def reload_and_look():
            self.house.endpoints[0]["tolerance"] = next(tolerances)
            self.reload()
            return self.serve.logged("old edition is gone")

        until(reload_and_look, "an old edition is gone", 20)

    # Under way.

    def test_a_delivery_that_waits_for_the_ledger_is_stored_though_its_endpoint_has_gone(self):
        self.house.durability = "ledger"
        self.start()
        body = events.encode(events.event("candidate.created"))
        connection = self.enterContext(wire.Wire(self.serve.url, timeout_s=30 * SLOW))
        self.house.redis.freeze()
        try:
            connection.send(wire.request("POST", House.PATH,
                                         signed_headers(SECRET, body, int(time.time())), body))
            self.serve.wait("deliveries_in_flight", {}, 1)
            self.house.endpoints[0]["path"] = "/elsewhere"
            self.house.endpoints[0]["name"] = "renamed"
            self.reload()
            self.reload("unchanged")
        finally:
            self.house.redis.thaw()
        self.assertEqual(connection.answer().status, 200)
        [(_, fields)] = self.house.ledger.events()
        self.assertEqual(fields["endpoint"], b"kula")

    def test_a_body_on_its_way_is_judged_by_the_endpoint_and_secrets_that_it_began_with(self):
        self.start()
        self.house.write("other", b"another secret of some length")
        body = events.encode(events.event("candidate.created"))
        whole = wire.request("POST", House.PATH, signed_headers(SECRET, body, int(time.time())), body)
        half = len(whole) - len(body) // 2
        connection = self.enterContext(wire.Wire(self.serve.url, timeout_s=30 * SLOW))
        connection.send(whole[:half])
        self.serve.wait("bytes_in_flight", {}, 1)
        self.secrets("other")
        self.house.endpoints[0]["path"] = "/elsewhere"
        self.reload()
        self.reload("unchanged")
        connection.send(whole[half:])
        self.assertEqual(connection.answer().status, 200)

    def test_no_delivery_fails_and_no_connection_breaks_while_it_reloads_again_and_again(self):
        self.house.write("new", NEW)
        self.start()
        trusted = str(self.house.write("trusted", b"".join(
            pathlib.Path(self.certificate(name)).read_bytes() for name in ("second", "first"))))
        self.hangup()
        urls = (self.serve.url, self.serve.tls_url)
        senders = [Sender(url, trusted, keep) for url in urls for keep in (True, False)]
        for sender in senders:
            self.addCleanup(sender.stop)
        for name in ("second", "first") * 4:
            self.install(name)
            self.secrets(*(("new", "secret") if name == "second" else ("secret",)))
            self.reload()
            for sender in senders:  # each edition has had deliveries
                sender.wait_for_more(20)
        for sender in senders:
            sender.stop()
            self.assertEqual(sender.failures, [])
        self.assertGreaterEqual(self.serve.value("reloads_total", outcome="taken"), 9)
        self.assertEqual(self.serve.value("reloads_total", outcome="refused"), 0)


class Sender(threading.Thread):
    """Delivers one event after another, over one connection or over a new one for each."""

    def __init__(self, url, ca_file, keep):
        super().__init__(daemon=True)
        self._open = lambda: wire.Wire(url, ca_file, 20 * SLOW)
        self._keep = keep
        self._stopping = threading.Event()
        self.delivered = 0
        self.failures = []
        self.start()

    def run(self):
        connection = None
        while not self._stopping.wait(0.005):
            try:
                connection = connection or self._open()
                connection.rearm()
                self._deliver(connection)
            except (OSError, ValueError) as failure:
                self.failures.append(repr(failure))
            if not self._keep or self.failures:
                connection.close()
                connection = None
            if self.failures:
                return
        if connection:
            connection.close()

    def _deliver(self, connection):
        body = events.encode(events.event("candidate.created"))
        connection.send(wire.request("POST", House.PATH,
                                     signed_headers(SECRET, body, int(time.time())), body))
        answer = connection.answer()
        if answer.status != 200 or answer.closes:
            self.failures.append(str(answer))
        self.delivered += 1

    def wait_for_more(self, number):
        wanted = self.delivered + number
        until(lambda: self.delivered >= wanted or not self.is_alive(), "more deliveries", 20)

    def stop(self):
        self._stopping.set()
        self.join()
