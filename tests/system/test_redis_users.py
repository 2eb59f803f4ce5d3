"""deploy/redis.acl: each process may do in Redis what it has to, and no more."""

import hashlib

from house import SECRET, Story
from ledger_view import Client, RedisError
from processes import ROOT, Process, free_port, until

USERS = ("serve", "forward", "watch", "operator")


def password(user):
    return f"{user}_s3cret"


def acl_lines():
    """As compose/redis.sh fills the passwords in."""
    text = (ROOT / "deploy" / "redis.acl").read_text(encoding="utf-8")
    for user in USERS:
        text = text.replace(f"<redis_{user}>", hashlib.sha256(password(user).encode()).hexdigest())
    return [line for line in text.splitlines() if line.startswith("user ")]


class RedisUsers(Story):
    def setUp(self):
        super().setUp()
        port = free_port()
        self.house.redis.more = ["--port", port]
        for line in acl_lines():
            if not line.startswith("user default "):  # who we are ourselves, on its socket
                self.house.redis.more += ["--user", *line.split()[1:]]
        self.house.redis.url = f"redis://127.0.0.1:{port}/0"
        for user in USERS:
            self.house.write(f"password_{user}", password(user).encode() + b"\n")
        self.house.redis.start()

    def be(self, user):
        """From here on the configuration is this user's."""
        self.house.redis_settings = {"user": user, "password_file": str(self.house.folder / f"password_{user}")}
        self.house.configure()

    def denied(self):
        return [entry[entry.index(b"object") + 1] for entry in self.house.redis("ACL", "LOG")]

    def start_all(self):
        """serve after forward, so that it finds services when it asks what they are owed."""
        api = self.house.kula_api()
        self.house.serve_settings["admin"] = f"127.0.0.1:{free_port()}"
        url = "https://localhost/webhooks/kula"
        api.add(url, ["job.created"], secret=SECRET.decode())
        self.house.kula_settings["webhooks"] = [{"endpoint": "kula", "url": url}]
        self.be("forward")
        self.house.start_forward()
        self.be("serve")
        self.house.start_serve()
        self.be("watch")
        self.house.relay_process("watch").said("webhook watched")
        self.be("operator")

    def test_nobody_lacks_a_right_that_he_needs(self):
        crm = self.house.service("crm", retry={"first": "100ms", "most": "100ms"})
        crm.fail(times=1, status=503)
        crm.fail(only="evt_dead", status=400)
        self.start_all()
        for event_id in ("evt_1", "evt_dead"):
            self.house.post_event(event_id=event_id)
            crm.wait_for(event_id)
        self.house.post(b"this is for the pen")
        self.house.settle()
        for words in (("tail",), ("show", "evt_1"), ("dead", "list", "crm"), ("service", "list"), ("status",), ("audit",),
                      ("pause", "crm"), ("resume", "crm"), ("dead", "replay", "crm", "--all"), ("spool", "list"),
                      ("pen", "list"), ("pen", "drop", "--all")):
            self.house.relay(*words)
        until(lambda: len(crm.of("evt_dead")) == 2, "crm sees the dead letter again")
        self.house.settle()
        self.house.relay("dead", "drop", "crm", "--all")
        self.assertEqual(self.denied(), [])

    def test_who_may_not_forget_a_service_forgets_no_half_of_it(self):
        crm = self.house.service("crm")
        self.start_all()
        crm.hold(status=500)
        self.house.post_event(event_id="evt_1")
        crm.wait_for("evt_1")
        self.house.forward.kill()
        self.house.service_settings = []
        self.house.service("other")
        self.be("forward")
        self.house.redis("ACL", "SETUSER", "forward", "-unlink")
        before = sorted(self.house.redis("KEYS", "*:crm"))
        self.assertIn("redis.user may not do this", self.house.relay("service", "forget", "crm", expect=1).err)
        self.assertEqual(sorted(self.house.redis("KEYS", "*:crm")), before)
        self.be("operator")
        self.assertIn("crm", [line["service"] for line in self.house.relay("service", "list", "--json").objects])
        self.house.relay("service", "forget", "crm")
        self.assertEqual(self.house.redis("KEYS", "*:crm"), [])

    def test_a_person_may_ask_as_the_process_that_has_what_it_takes(self):
        """As README's table for Compose says: of the configuration of serve, forward and watch."""
        crm = self.house.service("crm")
        self.start_all()
        self.house.post_event(event_id="evt_1")
        crm.wait_for("evt_1")
        self.house.post(b"this is for the pen")
        self.house.settle()
        self.be("serve")
        self.house.relay("pen", "release", "--all")
        self.be("watch")
        for words in (("webhook", "list"), ("webhook", "missed", "wh_101")):
            self.house.relay(*words)
        self.house.forward.stop()
        self.be("forward")
        self.house.relay("tail", "--service", "crm")
        self.house.service_settings = [{**self.house.service_settings[0], "name": "other"}]
        self.be("forward")
        self.house.relay("service", "forget", "crm")
        self.be("operator")
        self.assertEqual(self.denied(), [])

    def test_each_is_refused_what_is_not_its_affair(self):
        for user, words in (("serve", ("XDEL", "kula:events", "1-1")),
                            ("serve", ("XADD", "kula:dead:crm", "*", "a", "b")),
                            ("serve", ("HSET", "kula:owed:crm", "1-1", "x")),
                            ("watch", ("XRANGE", "kula:events", "-", "+")),
                            ("forward", ("GET", "kula:seen:kula:evt_1")),
                            ("forward", ("XADD", "kula:pen", "*", "a", "b")),
                            ("operator", ("SET", "other", "1")),
                            ("operator", ("CONFIG", "GET", "*")),
                            *((user, words) for user in USERS
                              for words in (("FLUSHALL",), ("KEYS", "*"), ("GET", "other"), ("ACL", "LIST")))):
            with self.subTest(user=user, words=words):
                client = Client(self.house.redis.path)
                client("AUTH", user, password(user))
                with self.assertRaisesRegex(RedisError, "NOPERM"):
                    client(*words)
                client.close()

    def test_a_restart_of_redis_forgets_nothing(self):
        """It reads its file back with the default user's rights, and drops what that one may not do."""
        redis = self.house.redis
        redis.stop()
        redis.more = ["--aclfile", self.house.write("users.acl", "\n".join(acl_lines()).encode() + b"\n")]
        script = "redis.call('SET', KEYS[1], 1) redis.call('SET', KEYS[2], 2)"
        for kept in (None, b"2"):
            process = Process("redis", redis.command())
            self.addCleanup(process.kill)
            client = Client(redis.path)
            until(lambda client=client: self.is_let_in(client), "Redis answers")
            self.assertEqual(client("GET", "kula:seen:b"), kept)
            client("EVAL", script, 2, "kula:seen:a", "kula:seen:b")
            client.close()
            process.stop()

    @staticmethod
    def is_let_in(client):
        try:
            client("AUTH", "serve", password("serve"))
            client("GET", "kula:seen:a")
            return True
        except (OSError, RedisError):  # not there yet, or still loading
            return False
