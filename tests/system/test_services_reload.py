"""A running forward takes services that come, change and go, whole or not at all: no attempt is
lost by it, and none made twice."""

import itertools
import os
import signal
import ssl
import time

import certificates
from house import Story, certificate, server_tls
from processes import until


class ServicesReload(Story):
    def start(self):
        self.house.start()
        self.forward = self.house.forward

    def settings(self, name):
        return next(one for one in self.house.service_settings if one["name"] == name)

    def remove(self, name):
        self.house.service_settings.remove(self.settings(name))

    def hangup(self, outcome="taken"):
        before = self.forward.value("reloads_total", outcome=outcome)
        self.forward.signal(signal.SIGHUP)
        self.forward.wait("reloads_total", {"outcome": outcome}, before + 1)

    def reload(self, outcome="taken"):
        self.house.configure()
        self.hangup(outcome)

    def wait_taken(self, changed):
        """By itself, because a file has another content."""
        self.forward.said("reload taken", 20, cause="file", changed=changed)

    def post(self, number=1, kind="candidate.created"):
        return [self.house.post_event(kind)[0] for _ in range(number)]

    def known(self, name):
        """The ledger has made its group."""
        until(lambda: self.house.redis("HEXISTS", "kula:places", name) == 1, f"{name} is opened")

    # Services come.

    def test_a_service_that_comes_begins_where_its_start_says(self):
        crm = self.house.service("crm")
        self.start()
        before = self.post(3)
        crm.wait_delivered(before)
        fresh = self.house.service("fresh")
        late = self.house.service("late", start="beginning")
        recent = self.house.service("recent", start="1h")
        self.reload()
        self.assertEqual(self.forward.said("reload taken")["changed"],
                         "services[1], services[2], services[3]")
        for name in ("fresh", "late", "recent"):
            self.known(name)
        after = self.post(3)
        for service in (crm, late, recent):
            service.wait_delivered(before + after)
        fresh.wait_delivered(after)
        self.house.settle()
        self.assertCountEqual([one.event_id for one in fresh.requests], after)
        for service in (crm, late, recent):
            self.assertCountEqual([one.event_id for one in service.requests], before + after)

    def test_a_service_that_comes_with_a_restart_begins_where_its_start_says(self):
        crm = self.house.service("crm")
        self.start()
        before = self.post(3)
        crm.wait_delivered(before)
        self.forward.stop()
        fresh, late = self.house.service("fresh"), self.house.service("late", start="beginning")
        self.house.start_forward()
        after = self.post(3)
        late.wait_delivered(before + after)
        fresh.wait_delivered(after)
        self.house.settle()
        self.assertCountEqual([one.event_id for one in fresh.requests], after)

    def test_where_the_only_service_was_forgotten_the_next_one_begins_at_its_start(self):
        crm = self.house.service("crm")
        self.start()
        before = self.post(3)
        crm.wait_delivered(before)
        self.house.settle()
        self.forward.stop()
        self.remove("crm")
        fresh = self.house.service("fresh")
        self.house.configure()
        self.house.relay("service", "forget", "crm")
        self.house.start_forward()
        after = self.post(3)
        fresh.wait_delivered(after)
        self.house.settle()
        self.assertCountEqual([one.event_id for one in fresh.requests], after)

    # Services change.

    def test_an_attempt_in_flight_is_finished_where_it_began_and_new_ones_go_to_the_new_url(self):
        crm = self.house.service("crm", concurrency=4)
        self.start()
        crm.hold()
        held = self.post(2)
        for event_id in held:
            crm.wait_for(event_id)
        elsewhere = self.house.service("elsewhere")
        self.remove("elsewhere")
        self.settings("crm")["url"] = f"{elsewhere.url}/new"
        self.reload()
        self.assertEqual(self.forward.said("reload taken")["changed"], "services[0].url")
        new = self.post(3)
        elsewhere.wait_delivered(new)
        self.assertEqual(elsewhere.requests[0].path, "/new")
        self.forward.wait("attempts_in_flight", {"service": "crm"}, 2)
        crm.release()
        crm.wait_delivered(held)
        self.house.settle()
        self.assertEqual(sorted(one.event_id for one in crm.requests), sorted(held))
        self.assertEqual(sorted(one.event_id for one in elsewhere.requests), sorted(new))

    def test_a_failing_event_is_tried_again_by_the_new_edition(self):
        crm = self.house.service("crm", headers={"X-Edition": "1"})
        crm.fail()
        self.start()
        [event_id] = self.post()
        crm.wait_for(event_id)
        self.settings("crm")["headers"] = {"X-Edition": "2"}
        self.reload()
        crm.wait(lambda all_: any(one.header("X-Edition") == "2" for one in all_))
        crm.heal()
        crm.wait_delivered([event_id])
        self.house.settle()
        tries = [one.attempt for one in crm.of(event_id)]
        self.assertEqual(tries, list(range(1, len(tries) + 1)))

    def test_limits_and_filters_hold_from_the_reload_on(self):
        crm = self.house.service("crm", concurrency=1)
        crm.hold()
        self.start()
        ids = self.post(5)
        crm.wait_for(ids[0])
        self.settings("crm").update(concurrency=3, events=["candidate.*", "!candidate.deleted"])
        self.reload()
        crm.wait(lambda all_: len(all_) == 3, "three at once")
        crm.heal()
        crm.wait_delivered(ids)
        unwanted = self.post(1, "candidate.deleted")
        wanted = self.post(1, "candidate.created")
        crm.wait_delivered(wanted)
        self.house.settle()
        self.assertEqual(crm.of(unwanted[0]), [])
        self.assertEqual(self.house.ledger.counts("crm")["filtered"], 1)

    def test_a_time_out_that_is_shorter_now_does_not_cut_an_attempt_in_flight(self):
        crm = self.house.service("crm", timeout="60s")
        crm.hold(times=1)
        self.start()
        [held] = self.post()
        crm.wait_for(held)
        self.settings("crm")["timeout"] = "100ms"
        self.reload()
        crm.stall(times=1)
        [cut] = self.post()
        self.forward.said("attempt failed", event=cut)  # by the new time-out
        self.assertEqual(self.forward.logged("attempt failed")[0]["event"], cut)
        crm.heal()
        crm.wait_delivered([held, cut])
        self.house.settle()
        self.assertEqual(len(crm.of(held)), 1)

    # Services go.

    def test_a_removed_service_finishes_what_is_in_flight_and_is_kept_for(self):
        crm, search = self.house.service("crm"), self.house.service("search", concurrency=1)
        search.hold()
        self.start()
        [held] = self.post()
        search.wait_for(held)
        was = self.settings("search")
        self.remove("search")
        self.reload()
        self.forward.said("service removed, its events are kept for it until it is forgotten",
                          service="search")
        after = self.post(3)
        crm.wait_delivered(after)
        self.forward.wait("attempts_in_flight", {"service": "search"}, 1)
        search.heal()
        self.forward.said("service is gone, its attempts are settled", service="search")
        self.assertEqual([one.answered for one in search.requests], [200])
        self.assertEqual(self.house.ledger.counts("search")["done"], 1)
        self.assertNotIn('service="search"', self.forward.admin.get("/metrics").body.decode())
        line = self.house.listed("search")
        self.assertEqual((line["configured"], line["unread"], line["owed"]), (False, 3, 0))
        self.house.service_settings.append(was)
        self.reload()
        search.wait_delivered([held, *after])
        self.house.settle()
        self.assertEqual(len(search.requests), 4)

    def test_a_service_that_returns_while_its_attempt_is_held_gets_no_event_twice(self):
        crm = self.house.service("crm", concurrency=1)
        self.house.service("other")
        crm.hold(times=1)
        self.start()
        ids = self.post(4)
        crm.wait_for(ids[0])
        was = self.settings("crm")
        self.remove("crm")
        self.reload()
        self.house.service_settings.append(was)
        self.reload()
        self.reload("unchanged")
        self.assertEqual(len(crm.requests), 1, "it still has room for one attempt only")
        crm.heal()
        crm.wait_delivered(ids)
        self.house.settle()
        self.assertCountEqual([one.event_id for one in crm.requests], ids)
        self.assertEqual(self.forward.logged("service is gone, its attempts are settled"), [])

    def test_a_removed_service_whose_event_fails_keeps_it_owed(self):
        self.house.service("crm")
        search = self.house.service("search", retry={"first": "1ms", "most": "1ms"})
        search.hold(status=500)
        self.start()
        [held] = self.post()
        search.wait_for(held)
        self.remove("search")
        self.reload()
        search.release()
        self.forward.said("service is gone, its attempts are settled", service="search")
        self.assertEqual(self.house.listed("search")["owed"], 1)
        self.house.relay("service", "forget", "search")
        self.assertEqual([key for key in self.house.redis("KEYS", "*") if key.endswith(b":search")], [])

    # Whole or not at all.

    def mistakes(self, count):
        """All that were told so far, when it is so many."""
        until(lambda: len(self.forward.logged("configuration mistake")) >= count, f"{count} mistakes are told")
        return [entry["problem"] for entry in self.forward.logged("configuration mistake")]

    def test_a_configuration_with_mistakes_changes_nothing_and_each_is_told(self):
        crm = self.house.service("crm")
        self.start()
        self.house.service("search")
        self.settings("crm")["timeout"] = "soon"
        self.settings("search")["ca_file"] = str(self.house.write("ca", b"no certificate"))
        self.reload("refused")
        checked = self.house.relay("check", expect=78).err
        told = self.mistakes(checked.count("\n"))
        self.assertEqual(checked, "".join(f"{one}\n" for one in told))
        self.assertRegex(told[0], r"kula-relay\.yaml:\d+:\d+: services\[0\]\.timeout: ")
        self.settings("crm")["timeout"] = "5s"
        self.reload("refused")
        problem = self.mistakes(len(told) + 1)[-1]
        self.assertIn("services[1].ca_file", problem)
        self.assertIn("holds no usable CA certificate", problem)
        crm.wait_delivered(self.post())
        self.assertEqual(self.house.services["search"].requests, [])
        self.assertEqual(self.house.redis("HKEYS", "kula:places"), [b"crm"])
        del self.settings("search")["ca_file"]
        self.reload()
        self.known("search")
        self.house.services["search"].wait_delivered(self.post())
        self.house.settle()

    def test_what_needs_a_restart_is_named_and_the_rest_is_taken(self):
        crm = self.house.service("crm")
        self.start()
        self.house.redis_settings = {"prefix": "other"}
        self.house.forward_settings = {"admin": "127.0.0.1:1", "retention": {"dead": "1d"}}
        self.settings("crm")["url"] += "/2"
        self.reload()
        named = self.forward.said("settings changed that need a restart")["settings"]
        self.assertEqual(named, "redis.prefix, forward.admin")
        taken = self.forward.said("reload taken", cause="SIGHUP")["changed"]
        self.assertEqual(taken, "forward.retention.dead, services[0].url")
        crm.wait_delivered(self.post())
        self.assertEqual(crm.requests[-1].path, "/hooks/kula/2")
        self.house.redis_settings = {}  # for the audit
        self.house.configure()

    def test_retention_is_taken(self):
        crm = self.house.service("crm")
        self.start()
        ids = self.post(3)
        crm.wait_delivered(ids)
        self.house.settle()
        written_ms = int(self.house.ledger.stream_id(ids[-1]).split("-")[0])
        until(lambda: time.time() * 1000 > written_ms + 1000, "they are old")
        self.house.forward_settings = {"retention": {"events": "1s"}}
        self.reload()
        self.forward.wait("trimmed_total", {}, 3)

    def test_reloads_close_together_leave_no_old_editions_behind(self):
        self.house.service("crm")
        self.start()
        timeouts = itertools.cycle(("6s", "7s"))

        def reload_and_look():
            self.settings("crm")["timeout"] = next(timeouts)
            self.reload()
            return self.forward.logged("old edition is gone")

        until(reload_and_look, "an old edition is gone", 20)

    # Files.

    def test_a_secret_header_and_a_signing_secret_are_taken_when_their_files_change(self):
        token = self.house.write("token", b"first")
        key = self.house.write("key", b"the first signing secret")
        crm = self.house.service("crm", header_files={"Authorization": str(token)},
                                 sign={"scheme": "kula", "secret_files": [str(key)]})
        self.start()
        os.replace(self.house.write("incoming", b"second"), token)
        self.wait_taken("services[0].header_files.Authorization")
        crm.wait_delivered(self.post())
        self.assertEqual(crm.requests[-1].header("Authorization"), "second")
        before = crm.requests[-1].header("X-Kula-Signature")
        os.replace(self.house.write("incoming", b"the second signing secret"), key)
        self.wait_taken("services[0].sign.secret_files")
        crm.wait_delivered(self.post())
        self.assertNotEqual(crm.requests[-1].header("X-Kula-Signature"), before)
        os.replace(self.house.write("incoming", b"two\nlines"), token)
        self.forward.wait("reloads_total", {"outcome": "refused"}, 1, 20)
        crm.wait_delivered(self.post())
        self.assertEqual(crm.requests[-1].header("Authorization"), "second")
        self.house.settle()
        everything = "\n".join(self.forward.errors)
        for secret in ("first signing", "second signing"):
            self.assertNotIn(secret, everything)

    def test_an_edit_that_is_not_done_is_not_taken_because_a_file_changes(self):
        token = self.house.write("token", b"first")
        crm = self.house.service("crm", header_files={"Authorization": str(token)})
        self.start()
        done = dict(self.settings("crm"))
        self.settings("crm").update(url="http://127.0.0.1:1/half-done", timeout="a while")
        self.house.configure()
        os.replace(self.house.write("incoming", b"second"), token)
        self.wait_taken("services[0].header_files.Authorization")
        crm.wait_delivered(self.post())
        self.assertEqual(crm.requests[-1].header("Authorization"), "second")
        self.settings("crm").update(done)
        self.house.configure()

    def test_a_ca_that_is_exchanged_in_its_file_holds_for_the_next_attempt(self):
        crt, key = certificates.make(self.house.folder, "renewed")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(crt, key)
        trusted = self.house.write("ca.pem", open(certificate()[0], "rb").read())
        old = self.house.service("crm", tls=server_tls(), ca_file=str(trusted))
        self.start()
        old.wait_delivered(self.post())
        self.house.services.pop("crm").close()
        new = self.house.service("new", old.port, tls=context)
        self.remove("new")
        [event_id] = self.post()
        self.forward.said("attempt failed", event=event_id)
        os.replace(self.house.write("incoming", open(crt, "rb").read()), trusted)
        self.wait_taken("services[0].ca_file")
        new.wait_delivered([event_id])
        self.house.settle()

    # Under load.

    def test_nothing_is_lost_or_made_twice_while_it_reloads_again_and_again(self):
        first, second = self.house.service("crm", concurrency=4), self.house.service("second")
        guest = self.house.service("guest", start="beginning")
        self.remove("second")
        guest_settings = self.settings("guest")
        for service in (first, second):
            service.slow(0.01)
        first.hold(only="candidate.held")
        self.start()
        kula = self.house.kula(connections=2)
        sent = [kula.emit_type("candidate.held")]
        first.wait_for(sent[0].event_id)
        urls = itertools.cycle((f"{second.url}/hooks/kula", f"{first.url}/hooks/kula"))
        for round_ in range(12):
            sent += [kula.emit_type("candidate.created") for _ in range(20)]
            self.settings("crm").update(url=next(urls), concurrency=2 + round_ % 5)
            if round_ % 3 == 2:
                self.remove("guest")
            elif guest_settings not in self.house.service_settings:
                self.house.service_settings.append(guest_settings)
            self.reload()
            kula.wait(sent, 30)
        if guest_settings not in self.house.service_settings:
            self.house.service_settings.append(guest_settings)
            self.reload()
        first.release()
        self.house.settle(deadline_s=40)
        ids = sorted(one.event_id for one in sent)
        got = sorted(one.event_id for service in (first, second) for one in service.requests)
        self.assertEqual(got, ids)
        self.assertEqual(sorted(one.event_id for one in guest.requests), ids)
        self.assertTrue(first.requests and second.requests)
        self.assertEqual(self.forward.value("reloads_total", outcome="refused"), 0)
        self.assertEqual(self.forward.logged("attempt failed"), [])
