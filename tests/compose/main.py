#!/usr/bin/env python3
"""deploy/compose.yaml on a real engine: the README's five minutes, and then trouble.

Started by `./run compose-test`, in namespaces of its own and with a folder that holds base/,
tools/ and kula-relay/ (a checkout). Each story goes on with what the one before has left. The
words choose stories by name; the last line counts them.
"""

import argparse
import asyncio
import contextlib
import os
import pathlib
import random
import re
import signal
import sys
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parent / "chaos")]

from books import Books  # noqa: E402
from engine import Engine, leave_the_network  # noqa: E402
from load import Load  # noqa: E402
from sim import events  # noqa: E402
from sim.kula import signed_headers  # noqa: E402
from sim.steady import Steady  # noqa: E402
from sim.wire import call  # noqa: E402
from stack import Stack  # noqa: E402
from stories import Failed, among, go, run, until  # noqa: E402

REDIS, VALKEY = "redis:8.2", "valkey/valkey:8.1"
URL, PATH = "https://localhost:8443", "/webhooks/kula"
MOST_BYTES = 150 * 1000 * 1000
RATE = 100            # deliveries a second
HELD = 2 * RATE       # how many happen at Kula while a container is in trouble
TROUBLED = ("redis", "serve", "forward", "crm")
# As compose/forward.yaml says.
WANTS = {"crm": lambda kind: kind.split(".")[0] in ("application", "candidate"), "search": lambda kind: True}


def readme_part(checkout, heading):
    text = (checkout / "README.md").read_text(encoding="utf-8")
    return re.search(rf"^## {heading}\n(.*?)^## ", text, re.S | re.M).group(1)


def readme_page(checkout):
    """The shell blocks of the five minutes, as one script."""
    blocks = re.findall(r"```sh\n(.*?)```", readme_part(checkout, "Five minutes with Docker Compose"), re.S)
    script = "\n".join(blocks)
    clone = "git clone <this repository> kula-relay"
    assert clone in script
    return script.replace(clone, "true")  # it is there already


def readme_commands(checkout):
    """Of its table: who is asked, and for which commands."""
    rows = re.findall(r"^\| `(\w+)` \| (.*) \|$", readme_part(checkout, "Five minutes with Docker Compose"), re.M)
    assert len(rows) == 4
    return [(service, re.findall("`(.*?)`", commands)) for service, commands in rows]


def readme_redis_cli(checkout):
    return re.search("^docker compose exec redis .*", readme_part(checkout, "Look inside with redis-cli"), re.M).group()


def ca_file(stack):
    return str(stack.folder / "secrets" / "serve" / "tls.crt")


def post(stack, event_type):
    """One signed delivery, as Kula makes it; the event's id."""
    event = events.event(event_type)
    body = events.encode(event)
    answer = call(URL + PATH, "POST", signed_headers(stack.secret("kula_secret").encode(), body, int(time.time())),
                  body, ca_file(stack), 12)
    if answer.status != 200:
        raise Failed(f"a delivery was answered {answer.status} {answer.body}")
    return event["event_id"]


def post_or_none(stack):
    """The same, while it may still be refused."""
    try:
        return post(stack, "job.created")
    except (OSError, Failed):
        return None


@contextlib.contextmanager
def load(stack):
    """Kula at a steady rate, until the end of the block and until it has nothing left to send."""
    books = Books(WANTS, 1)
    kula = Load(books, URL, PATH, stack.secret("kula_secret").encode(), rate=RATE, rng=random.Random(7),
                ca_file=ca_file(stack), connections=32)
    loop = asyncio.new_event_loop()
    task = loop.create_task(kula.run())

    def drive():
        asyncio.set_event_loop(loop)
        with contextlib.suppress(asyncio.CancelledError):
            loop.run_until_complete(task)

    thread = threading.Thread(target=drive)
    thread.start()
    try:
        yield books
        kula.emitting = False
        until(lambda: kula.pending == 0, lambda: f"{kula.pending} deliveries have an end")
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join()


def check_books(stack, books):
    """What was answered 2xx has come, and the ledger says so too."""
    accepted = books.accepted_events()
    if books.wrong or not accepted:
        raise Failed(f"{len(accepted)} accepted; {books.wrong[:5]}")

    def missing():
        received = {service: stack.received(service) for service in WANTS}
        return [(event.id, service) for event in accepted for service, wants in WANTS.items()
                if wants(event.type) and event.id not in received[service]]

    until(lambda: not missing(), lambda: f"lost of {len(accepted)} accepted: {missing()[:10]}", 90)
    until(lambda: "redis" not in stack("exec", "--no-TTY", "serve", "kula-relay", "health", "serve", "--ready",
                                      expect=None), "serve is ready, with Redis")
    stack.operator("audit")
    if found := stack.refused_calls():
        raise Failed(found)
    print(f"    {len(accepted)} accepted, none lost", file=sys.stderr)


# The stories ---------------------------------------------------------------------------


def test_a_compose_linter_finds_nothing(stack):
    files = [*stack.folder.glob("compose*.yaml"), *stack.folder.glob("examples/compose*.yaml")]
    told = run(["node", os.environ["KULA_RELAY_DCLINT"], *files])
    if told.strip():
        raise Failed(told)


def test_the_examples_are_understood(stack):
    env = {**stack.env, "KULA_RELAY_HOSTNAME": "hooks.example.com"}
    for example in stack.folder.glob("examples/compose*.yaml"):
        told = run(["docker", "compose", "--file", "compose.yaml", "--file", example, "config"], cwd=stack.folder,
                   env={key: value for key, value in env.items() if key != "COMPOSE_FILE"})
        if example.name == "compose.caddy.yaml" and "8443" in told:
            raise Failed("serve is published beside Caddy")


def test_the_image_is_small(stack):
    size = stack.engine.bytes_above_base("kula-relay:local")
    print(f"    {size / 1e6:.0f} MB above its base", file=sys.stderr)
    if size >= MOST_BYTES:
        raise Failed(f"{size} bytes above its base")


def test_the_five_minutes_of_the_readme(stack):
    told = stack.shell(readme_page(stack.folder.parent))
    for words in ('{"status":"accepted","event_id":"evt_1"}', "crm: application.hired evt_", "evt_1", "delivered"):
        if words not in told:
            raise Failed(f"it does not say {words}\n{told[-6000:]}")


def test_a_file_that_is_replaced_is_taken(stack):
    """By `install`, whose file is a new one: a container that had mounted the old one would keep that."""
    stack.up()
    new = stack.engine.folder / "new"
    new.mkdir()
    run(["cp", stack.folder / "make-secrets", new])
    run([new / "make-secrets"])
    files = ["tls.crt", "tls.key", "kula_secret"]
    run(["install", "--mode=644", *(new / "secrets" / "serve" / file for file in files),
         stack.folder / "secrets" / "serve"])
    until(lambda: post_or_none(stack), "serve has the certificate and the secret")
    forward = stack.folder / "compose" / "forward.yaml"
    before = forward.read_text(encoding="utf-8")
    run(["sed", "--in-place", "/name: search/,$d", forward])
    reload = ("exec", "--no-TTY", "forward", "sh", "-c", "kill -HUP 1")
    stack(*reload)
    until(lambda: "service removed" in stack("logs", "forward"), "forward has its configuration")
    forward.write_text(before, encoding="utf-8")
    stack(*reload)
    stack.kill("forward", lambda: None)  # Docker restarts it as before, which it would not after its own `kill`
    stack("restart", "kula")  # the demonstration's has its files from its start


def test_each_command_works_where_the_readme_sends_it(stack):
    stack.up()
    stack.give("secrets/watch/kula_api_token", "no token of Kula's", owner=10001, mode=0o400)
    event_id = post(stack, "application.hired")
    until(lambda: event_id in stack.received("crm"), "crm has it")
    ends = {"webhook list": (1, "no answer from https://api.kula.ai"),  # it is not to be had from here
            "service forget SERVICE": (1, "take it out there")}
    for service, commands in readme_commands(stack.folder.parent):
        for command in commands:
            code, words = ends.get(command, (0, ""))
            told = stack("run", "--rm", "--no-TTY", service,
                         *command.replace("SERVICE", "crm").replace("EVENT_ID", event_id).split(), expect=code)
            if words not in told:
                raise Failed(f"{service} {command}:\n{told}")
            if command == "status" and not re.search("^serve +ready.*^forward +ready.*of 25 failures", told, re.M | re.S):
                raise Failed(told)
    stack.operator("resume", "crm")
    told = stack.shell(f"cd kula-relay/deploy; echo XLEN kula:events | {readme_redis_cli(stack.folder.parent)}")
    if not told.splitlines()[-1].isdigit():
        raise Failed(told)
    if found := stack.refused_calls():
        raise Failed(found)


def test_nobody_asks_redis_for_more_than_he_may(stack):
    stack.up()
    event_id = post(stack, "application.hired")
    until(lambda: event_id in stack.received("crm"), "crm has it")
    stack.operator_shell(f"kula-relay tail; kula-relay show {event_id}; kula-relay dead list crm; kula-relay pen list; "
                         "kula-relay service list; kula-relay audit; kula-relay pause crm; kula-relay resume crm")
    if found := stack.refused_calls():
        raise Failed(found)


def test_no_accepted_event_is_lost_in_trouble(stack):
    stack.up()
    with load(stack) as books:
        def hold():
            count = len(books.events)
            until(lambda: len(books.events) >= count + HELD, f"{HELD} more events")

        for service in TROUBLED:
            for trouble in (stack.pause, stack.kill, stack.partition, stack.restart):
                since = time.monotonic()
                trouble(service, hold)
                print(f"    {trouble.__name__} {service}: {time.monotonic() - since:.1f} s", file=sys.stderr)
    check_books(stack, books)


def test_a_pair_of_serve_is_replaced_one_by_one_and_nobody_is_refused(stack):
    stack.stop_everything()
    before = stack.env["COMPOSE_FILE"]
    stack.env["COMPOSE_FILE"] = "compose.yaml:examples/compose.pair.yaml"
    try:
        stack.up()
        until(lambda: post_or_none(stack), "HAProxy has found them")
        kula = Steady(URL + PATH, stack.secret("kula_secret").encode(), RATE, ca_file(stack))
        kula.start()
        for service in ("serve", "serve-b", "serve"):
            count = len(kula.accepted)
            until(lambda count=count: len(kula.accepted) > count + HELD or kula.failures, "the load goes on")
            stack("up", "--detach", "--wait", "--no-deps", "--force-recreate", service)
        figures = kula.stop().figures()
        print(f"    {figures}", file=sys.stderr)
        if figures["failed"]:
            raise Failed(figures)
        until(lambda: int(stack.redis("XLEN", "kula:events")) > figures["accepted"], "all of them are in the ledger")
        stack.operator("audit")
    finally:
        stack.stop_everything()
        stack.env["COMPOSE_FILE"] = before


def test_a_stack_that_runs_already_gets_its_events(stack):
    """By the name that its service has there, as the README says."""
    stack.stop_everything()
    before, network = stack.env["COMPOSE_FILE"], "theirs_default"
    stack.env["COMPOSE_FILE"] = "compose.yaml:examples/compose.beside.yaml"
    beside = stack.folder / "examples" / "compose.beside.yaml"
    text = beside.read_text(encoding="utf-8")
    beside.write_text(text.replace("shop_default\n", network + "\n"), encoding="utf-8")
    stack.engine("network", "create", network)
    stack.engine("run", "--detach", "--rm", "--name=theirs", "--network", network, "--network-alias=crm",
                 "kula-relay-simulator:local", "/opt/sim/service.py", "--host=0.0.0.0", "--port=8080", "--name=crm")
    try:
        stack.up()
        event_id = post(stack, "application.hired")
        until(lambda: event_id in stack.engine("logs", "theirs"), "theirs has it")
    finally:
        stack.stop_everything()
        stack.engine("rm", "--force", "theirs")
        stack.engine("network", "rm", network)
        beside.write_text(text, encoding="utf-8")
        stack.env["COMPOSE_FILE"] = before


def test_watch_runs_and_may_do_what_it_does(stack):
    """Kula's API is not to be had from here: it says so, and goes on."""
    stack.up()
    stack.give("secrets/watch/kula_api_token", "no token of Kula's", owner=10001, mode=0o400)
    stack("--profile", "watch", "up", "--detach", "--wait", "watch")
    until(lambda: "no answer from https://api.kula.ai" in stack("--profile", "watch", "logs", "watch"), "it has asked Kula")
    stack("--profile", "watch", "down", "watch")
    if found := stack.refused_calls():
        raise Failed(found)


def test_down_and_up_keep_everything(stack):
    stack("stop", "crm", "kula")
    owed = post(stack, "application.hired")
    until(lambda: owed in stack.operator("tail", "-n", "20"), "it stands in the stream")
    before = stack.redis("XLEN", "kula:events")
    stack("down")
    stack.up()
    stack.operator("resume", "crm")  # its breaker is open: what it is owed would come within a minute
    if int(stack.redis("XLEN", "kula:events")) < int(before):
        raise Failed(f"there were {before} events")
    until(lambda: owed in stack.received("crm"), "crm gets what it was owed before")
    stack.operator("audit")


def test_what_cannot_work_is_refused_with_what_to_do(stack):
    secret = stack.folder / "secrets" / "serve" / "kula_secret"
    nobodys = stack.engine.folder / "nobodys"
    nobodys.mkdir(mode=0o755, exist_ok=True)
    secret.chmod(0o600)
    told = stack("run", "--rm", "--no-TTY", "--no-deps", "serve", "serve", expect=78)
    secret.chmod(0o644)
    told += stack("run", "--rm", "--no-TTY", "--no-deps", "--volume", f"{nobodys}:/var/lib/kula-relay", "serve", "serve",
                  expect=78)
    for words in ("/run/secrets/kula_secret", "/var/lib/kula-relay/spool", "10001"):
        if words not in told:
            raise Failed(f"it does not name {words}\n{told}")


def test_the_same_with_valkey(stack):
    stack.stop_everything()
    stack.env["KULA_RELAY_REDIS_IMAGE"] = VALKEY
    test_the_five_minutes_of_the_readme(stack)
    test_nobody_asks_redis_for_more_than_he_may(stack)


def look_at(stack):
    """What a person would look at first."""
    return "\n".join(stack(*words, expect=None)[-6000:]
                     for words in (("ps", "--all"), ("logs", "--tail", "15", "--no-color")))


def end(number, _):
    sys.exit(128 + number)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=pathlib.Path, required=True)
    parser.add_argument("words", nargs="*")
    asked = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
    engine = Engine(asked.folder)
    checkout = asked.folder / "kula-relay"
    engine.start(*engine.OFF)
    engine.make_images(checkout, REDIS, VALKEY)
    engine.stop()
    leave_the_network()
    engine.start()
    stack = Stack(engine, checkout)
    try:
        passed, failed = go(among(globals()), stack, asked.words, lambda: look_at(stack))
    finally:
        stack.stop_everything()
        engine.stop()
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
