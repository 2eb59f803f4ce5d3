"""The command line: what it prints, what it hides, and how it ends."""

import concurrent.futures
import json
import re

from house import SECRET, Story
from processes import RELAY, run
from sim import events

COMMANDS = ("serve", "forward", "up", "demo", "tail", "show", "dead", "pen", "pause", "resume", "service", "send", "verify", "spool",
            "audit", "check", "health", "status", "webhook", "watch", "version")
NOT_YET = ("doctor", "replay", "listen", "erase")
PERSON = "Zoë Ångström"


class WithoutALedger(Story):
    def test_version_says_which(self):
        told = self.house.relay("version", config=False).out
        self.assertRegex(told, r"kula-relay \d+\.\d+\.\d+")
        for library in ("libevent", "libevhtp", "openssl", "hiredis", "curl", "isa-l", "yajl", "yaml"):
            self.assertIn(library, told.lower())
        self.assertIn("version", self.house.relay("version", "--json", config=False).objects[0])

    def test_help_of_all_and_of_each(self):
        told = run([RELAY, "--help"]).out
        for command in COMMANDS:
            with self.subTest(command=command):
                self.assertRegex(told, rf"(?m)^\s+{command}\b")
                own = run([RELAY, command, "--help"])
                self.assertRegex(own.out, rf"^([Uu]sage: )?kula-relay {command}\b")
                self.assertEqual(own.err, "")

    def test_help_tells_exit_codes_that_there_are(self):
        for command, besides in (("version", ()), ("verify", (1,)), ("demo", (1,)), ("health", (1, 78)),
                                 ("spool", (1, 3, 78)), ("send", (1, 78)), ("up", (1, 78)), ("check", (78,)),
                                 ("status", (1, 4, 78)), ("audit", (1, 4, 78)), ("webhook", (1, 3, 4, 5, 78)),
                                 ("tail", (1, 3, 4, 78))):
            with self.subTest(command=command):
                told = run([RELAY, command, "--help"]).out
                exits = re.search(r"(?m)^Exit codes: (.*(?:\n.+)*)", told).group(1)
                codes = {int(code) for code in re.findall(r"(?:^|, |,\n)(\d+) ", exits)}
                self.assertEqual(codes, {0, 2, *besides}, exits)

    def test_an_unknown_command_is_a_wrong_call(self):
        for word in ("nonsense", *NOT_YET):
            with self.subTest(word=word):
                result = run([RELAY, word], expect=2)
                self.assertEqual(result.out, "")
                self.assertIn(word, result.err)
        self.assertIn("usage", run([RELAY], expect=2).err)

    def test_an_unknown_command_names_the_one_that_is_near(self):
        self.assertIn('unknown command "serv"; did you mean "serve"?\n', run([RELAY, "serv"], expect=2).err)
        self.assertNotIn("did you mean", run([RELAY, "nonsense"], expect=2).err)

    def test_a_wrong_option_is_a_wrong_call(self):
        for words in (["tail", "--nonsense"], ["tail", "-n", "x"], ["tail", "what"], ["show"],
                      ["show", "a", "b"], ["dead"], ["dead", "list"], ["dead", "burn", "crm"],
                      ["dead", "replay", "crm"], ["dead", "replay", "crm", "--all", "1-0"],
                      ["pen"], ["pen", "burn"], ["pen", "release"], ["pen", "drop"],
                      ["pen", "show", "--all", "1-0"], ["pause"], ["pause", "a", "b"], ["resume"], ["service"],
                      ["service", "list", "x"], ["service", "forget"], ["service", "burn", "crm"],
                      ["send", "--count", "-1"], ["verify"], ["verify", "--signature", "x"],
                      ["audit", "x"], ["status", "x"], ["spool"],
                      ["webhook"], ["webhook", "burn"], ["webhook", "list", "x"], ["webhook", "show"],
                      ["webhook", "create"], ["webhook", "create", "--url", "https://a/"],
                      ["webhook", "create", "--url", "http://a/", "--events", "*"],
                      ["webhook", "update", "wh_1"], ["webhook", "delete", "wh_1"],
                      ["webhook", "disable", "wh_1"], ["webhook", "update", "wh_1", "--secret-file", "x"],
                      ["spool", "burn"], ["spool", "list", "x"], ["check", "--for", "nothing"], ["health", "x"],
                      ["watch", "x"], ["watch", "--every", "0"],
                      ["serve", "--nonsense"], ["forward", "--nonsense"], ["tail", "--since", "soon"]):
            with self.subTest(words=words):
                result = self.house.relay(*words, expect=2)
                self.assertEqual(result.out, "")
                self.assertTrue(result.err)

    def test_what_goes_on_takes_the_short_options_that_all_take(self):
        for command in ("serve", "forward", "watch"):
            with self.subTest(command=command):
                told = run([RELAY, command, "-c", "/nowhere/kula-relay.yaml"], expect=78).err
                self.assertIn("/nowhere/kula-relay.yaml: cannot read it", told)
                self.assertEqual(run([RELAY, command, "-h"]).out, run([RELAY, "help", command]).out)
                self.assertIn(f"kula-relay {command}: unknown option -x\nusage: kula-relay {command} ",
                              run([RELAY, command, "-x"], expect=2).err)
                self.assertIn('what is "x"?', run([RELAY, command, "x"], expect=2).err)

    def test_redis_out_of_reach_is_exit_4(self):
        self.house.service("crm")
        self.house.configure()
        with concurrent.futures.ThreadPoolExecutor() as pool:  # each waits for Redis for a while
            for result in pool.map(
                    lambda words: self.house.relay(*words, expect=4),
                    (["tail"], ["show", "evt_1"], ["dead", "list", "crm"], ["audit"], ["pause", "crm"],
                     ["service", "list"])):
                self.assertTrue(result.err)

    def test_a_broken_configuration_is_exit_78_and_all_its_mistakes_are_told(self):
        self.house.service("crm")
        text = self.house.configure().read_text()
        text = text.replace("durability: spool", "durability: wish\n  body_limt: 5MiB")
        text = text.replace("timeout: 5s", "timeout: 5")
        self.house.config_file.write_text(text)
        lines = text.splitlines()
        for words in (["check"], ["serve"], ["forward"], ["tail"], ["audit"]):
            with self.subTest(words=words):
                result = self.house.relay(*words, expect=78)
                for wrong in ("durability: wish", "body_limt", "timeout: 5"):
                    line = next(n for n, one in enumerate(lines, 1) if wrong in one)
                    place = re.escape(f"{self.house.config_file}:{line}:")
                    self.assertRegex(result.err, rf"(?m)^{place}\d+: ")
        self.assertIn("body_limit", result.err, "the nearest known key is named")

    def test_a_missing_configuration_or_secret_is_exit_78(self):
        result = run([RELAY, "check", "--config", self.house.folder / "none.yaml"], expect=78)
        self.assertIn("none.yaml", result.err)
        self.house.secret_file.unlink()
        self.assertIn(str(self.house.secret_file), self.house.relay("check", expect=78).err)

    def test_check_prints_what_holds_and_where_it_is_from_but_no_secret(self):
        self.house.service("crm", events=["application.*"])
        self.house.relay("check")
        told = self.house.relay("check", "--print").out
        for words in ("body_limit", "8MiB", "default", str(self.house.config_file),
                      str(self.house.secret_file), "application.*"):
            self.assertIn(words, told)
        self.assertNotIn(SECRET.decode(), told)

    def test_check_for_one_command_asks_only_what_that_one_needs(self):
        self.house.relay("check", "--for", "serve")
        self.assertIn("service", self.house.relay("check", "--for", "forward", expect=78).err)
        self.assertIn("kula.token_file: is missing", self.house.relay("check", "--for", "watch", expect=78).err)

    def test_the_environment_names_configuration_and_redis(self):
        self.house.configure()
        env = {"PATH": "/usr/bin:/bin", "KULA_RELAY_CONFIG": str(self.house.config_file)}
        run([RELAY, "check"], env=env)
        env["KULA_RELAY_REDIS_URL"] = "redis://127.0.0.9:1/3"
        self.assertIn("redis://127.0.0.9:1/3", run([RELAY, "check", "--print"], env=env).out)


class WithALedger(Story):
    def setUp(self):
        super().setUp()
        self.crm = self.house.service("crm", events=["candidate.*", "offer.*"])
        self.house.start()

    def post_person(self, event_type="candidate.created", **fields):
        data = {"name": PERSON, "id": 4711, "ok": True}
        return self.house.post_event(event_type, data=data, **fields)

    def test_tail_shows_events_and_hides_people(self):
        event_id, body = self.post_person()
        told = self.house.relay("tail").out
        self.assertIn(event_id, told)
        self.assertIn("candidate.created", told)
        self.assertIn('"name"', told, "keys are shown")
        for hidden in (PERSON, "4711", "true"):
            self.assertNotIn(hidden, told)
        self.assertIn(PERSON, self.house.relay("tail", "--reveal").out)
        [line] = self.house.relay("tail", "--json").objects
        self.assertEqual(line.pop("stream_id"), self.house.ledger.stream_id(event_id))
        self.assertRegex(line.pop("trace"), "^[0-9a-f]{32}$")
        self.assertIsInstance(line.pop("received"), int)
        self.assertEqual(line, {"id": event_id, "type": "candidate.created", "endpoint": "kula",
                                "account": "12345", "created": "2026-11-23T20:00:00Z"})
        [line] = self.house.relay("tail", "--json", "--reveal").objects
        self.assertEqual(line["body"].encode(), body)

    def test_tail_chooses_by_number_type_service_and_age(self):
        ids = [self.post_person(f"candidate.{word}")[0] for word in ("created", "updated", "deleted")]
        jobs = [self.post_person("job.created")[0] for _ in range(2)]

        def tail(*words):
            return [one["id"] for one in self.house.relay("tail", "--json", *words).objects]

        self.assertEqual(tail(), ids + jobs)
        self.assertEqual(tail("-n", "2"), jobs)
        self.assertEqual(tail("-n", "0"), [])
        self.assertEqual(tail("--type", "candidate.*"), ids)
        self.assertEqual(tail("--type", "candidate.*", "-n", "1"), ids[-1:])
        self.assertEqual(tail("--service", "crm"), ids)
        self.assertEqual(tail("--since", "10m"), ids + jobs)
        self.assertEqual(tail("--since", self.house.ledger.stream_id(ids[2])), jobs)
        self.assertTrue(self.house.relay("tail", "--service", "nobody", expect=3).err)

    def test_tail_follows_also_over_a_restart_of_redis(self):
        first, _ = self.post_person()
        tail = self.house.relay_process("tail", "-f", "--json")
        self.wait_shown(tail, first)
        second, _ = self.post_person()
        self.wait_shown(tail, second)
        self.house.redis.stop()
        self.house.redis.start()
        third, _ = self.post_person()
        self.wait_shown(tail, third)
        shown = [json.loads(line)["id"] for line in tail.output]
        self.assertEqual(shown, [first, second, third])
        tail.kill()

    def wait_shown(self, tail, event_id):
        tail.wait_line(lambda line: event_id in line, event_id, lines=tail.output)

    def test_control_characters_do_not_reach_the_terminal(self):
        self.post_person(created="\u001b[31mred\u0007")
        self.house.post_event(data={"\u001b]0;title\u0007": "\u009bx"})
        for words in ([], ["--reveal"]):
            told = self.house.relay("tail", *words).out
            self.assertNotRegex(told, "[\u0000-\u0009\u000b-\u001f\u007f-\u009f]")

    def test_show_tells_an_events_way(self):
        self.crm.fail(times=1, status=500)
        event_id, _ = self.post_person("offer.created")
        self.house.settle()
        told = self.house.relay("show", event_id).out
        for words in (event_id, "offer.created", "crm", "500", "delivered"):
            self.assertIn(words, told)
        self.assertNotIn(PERSON, told)
        lines = self.house.relay("show", event_id, "--json").objects
        self.assertEqual([list(line) for line in lines],
                         [["event"], ["attempt"], ["attempt"], ["standing"]])
        event, first, second, standing = (next(iter(line.values())) for line in lines)
        self.assertEqual((event["id"], event["type"]), (event_id, "offer.created"))
        self.assertEqual((first["service"], first["attempt"], first["outcome"], first["status"]),
                         ("crm", 1, "again", 500))
        self.assertEqual((second["attempt"], second["outcome"], second["status"]),
                         (2, "delivered", 200))
        self.assertEqual((standing["service"], standing["standing"]), ("crm", "settled"))
        self.assertEqual(self.house.relay("show", "evt_never_seen", expect=3).out, "")

    def test_show_tells_where_an_event_is_owed_or_dead(self):
        self.crm.fail(status=422, only="offer.declined")
        dead, _ = self.post_person("offer.declined")
        self.house.settle()
        self.crm.hold(only="offer.created")
        owed, _ = self.post_person("offer.created")
        self.crm.wait_for(owed)
        for event_id, standing in ((dead, "dead"), (owed, "owed")):
            lines = self.house.relay("show", event_id, "--json").objects
            self.assertEqual([one["standing"]["standing"] for one in lines if "standing" in one],
                             [standing])
        self.crm.heal()
        self.house.settle()

    def test_dead_list_show_and_drop(self):
        self.crm.fail(status=422)
        event_id, body = self.post_person()
        self.house.settle()
        [line] = self.house.relay("dead", "list", "crm", "--json").objects
        self.assertEqual(sorted(line), sorted(("dead_id", "service", "id", "type", "reason", "status",
                                               "tries", "stream_id")))
        self.assertIn(event_id, self.house.relay("dead", "list", "crm").out)
        told = self.house.relay("dead", "show", "crm", event_id).out
        self.assertIn('"name"', told)
        self.assertNotIn(PERSON, told)
        [shown] = self.house.relay("dead", "show", "crm", event_id, "--reveal", "--json").objects
        self.assertEqual(shown["body"].encode(), body)
        self.house.relay("dead", "drop", "crm", line["dead_id"], "--dry-run")
        self.assertEqual(len(self.house.ledger.dead("crm")), 1)
        self.house.relay("dead", "drop", "crm", line["dead_id"])
        self.assertEqual(self.house.ledger.dead("crm"), [])
        for words in (["drop", "crm", line["dead_id"]], ["list", "nobody"], ["replay", "crm", "evt_x"]):
            with self.subTest(words=words):
                self.assertTrue(self.house.relay("dead", *words, expect=3).err)

    def test_send_signs_and_sends_as_kula_does(self):
        url = self.house.serve.url + self.house.PATH
        how = ["--url", url, "--secret-file", str(self.house.secret_file)]
        self.house.relay("send", *how, "--type", "candidate.created", "--id", "evt_sent", config=False)
        self.house.drain()
        _, fields = self.house.ledger.events()[-1]
        self.assertEqual((fields["id"], fields["type"]), (b"evt_sent", b"candidate.created"))
        self.house.relay("send", *how, "--id", "evt_sent", config=False)  # a duplicate is a 2xx too
        self.house.drain()
        self.assertEqual(self.house.ledger.event_ids(), ["evt_sent"])
        body = events.multibyte("evt_of_a_file")
        self.house.relay("send", *how, "--body", self.house.write("body.json", body), config=False)
        self.house.drain()
        self.assertEqual(self.house.ledger.events()[-1][1]["body"], body)
        self.house.relay("send", *how, "--count", "20", "--rate", "200", config=False)
        self.house.drain()
        self.assertEqual(self.house.ledger.length(), 22)

    def test_send_takes_secret_from_the_configuration(self):
        self.house.relay("send", "--url", self.house.serve.url + self.house.PATH)
        self.house.drain()
        self.assertEqual(self.house.ledger.length(), 1)

    def test_send_fails_where_it_is_not_answered_2xx(self):
        url = self.house.serve.url + self.house.PATH
        other = self.house.write("other", b"whsec_other")
        self.house.relay("send", "--url", url, "--secret-file", other, config=False, expect=1)
        self.house.relay("send", "--url", url + "/nothing/here", expect=1)
        self.house.relay("send", "--url", "http://127.0.0.1:1/", expect=1)
        self.assertEqual(self.house.ledger.length(), 0)

    def test_json_is_one_object_a_line_and_colour_is_for_terminals(self):
        self.post_person()
        for words in (["tail"], ["audit"], ["show", self.house.ledger.event_ids()[0]]):
            self.assertNotIn("\033", self.house.relay(*words).out)
            for line in self.house.relay(*words, "--json").out.splitlines():
                self.assertIsInstance(json.loads(line), dict)

    def test_secrets_and_bodies_are_in_no_log(self):
        self.crm.fail(times=1, status=500)
        self.post_person()
        self.house.post(b"not json " + PERSON.encode())
        self.house.settle()
        for process in (self.house.serve, self.house.forward):
            text = "\n".join(process.errors)
            self.assertNotIn(PERSON, text)
            self.assertNotIn(SECRET.decode(), text)
