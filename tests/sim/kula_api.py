#!/usr/bin/env python3
"""A simulated management API of Kula, whose webhooks send real, signed deliveries.

It has every endpoint of /v1/webhooks that Kula's guides and Kula's own client name, and answers in
any of the forms that those show, as its quirks say:

    spelling   how the list of event types is called: subscribed_events, or events
    envelope   data: {"data": ..., "meta": ...}; named: {"webhooks": ..., "pagination": ...}; bare
    strict     true: 422 for a field that it does not know; false: passes over it
    numbers    true: ids are numbers
    bare_yes   true: a change is answered 204, without a body
    keeps      true: what happened while a webhook was disabled stands in its log, as failed

The account has `hourly` requests in a window of `hour_s` seconds, whoever of its `tokens` asks. Logs
are kept for 30 days.

A fault takes the place of the next answers to requests that it fits:

    api.fault("GET", "/webhooks", status=503, times=2)
    api.fault("POST", "", stall=True)          accepted, and never answered
    api.fault("", "", raw=b"HTTP/1.1 200 OK\\r\\n...")   these bytes, and then the end

`done` lets the request do its work before its answer is lost, which is how an answer gets lost.
"""

import argparse
import dataclasses
import http.server
import itertools
import json
import pathlib
import re
import secrets
import sys
import threading
import time
from urllib.parse import parse_qs, unquote, urlsplit

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from sim import events, kula  # noqa: E402

LOGS_KEPT_S = 30 * 86400
FIELDS = {"url", "name", "description", "headers", "secret"}


@dataclasses.dataclass
class Quirks:
    spelling: str = "subscribed_events"
    envelope: str = "data"
    strict: bool = True
    numbers: bool = False
    bare_yes: bool = False
    keeps: bool = False


@dataclasses.dataclass
class Fault:
    method: str
    path: str  # how it ends
    status: int = 0
    body: bytes = b""
    headers: dict = dataclasses.field(default_factory=dict)
    raw: bytes = b""
    stall: bool = False
    done: bool = False
    times: int = 1

    def fits(self, method, path):
        return self.times != 0 and self.method in ("", method) and path.endswith(self.path)


class Refusal(Exception):
    def __init__(self, status, code, message, **more):
        super().__init__(message)
        self.status = status
        self.body = {"error": {"code": code, "message": message, **more}}


def timestamp(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


class Webhook:
    def __init__(self, number, fields, sender):
        self.number = number
        self.fields = fields
        self.events = []
        self.created_s = time.time()
        self.tests = {}
        self.sender = sender

    @property
    def url(self):
        return self.fields["url"]

    @property
    def secret(self):
        return self.sender.secret.decode()


class KulaApi:
    """Serves on loopback from when it is made until closed."""

    def __init__(self, token="kula_token", *, port=0, ca_file=None, pace=1.0, timeout_s=10.0,
                 hourly=1000, hour_s=3600, types=events.TYPES, on_attempt=None, connections=4, **quirks):
        self.tokens = {token}
        self.quirks = Quirks(**quirks)
        self.types = list(types)
        self.webhooks = {}  # by their number
        self.requests = []  # (method, path with query, what was sent as JSON or None)
        self.hourly = hourly
        self.hour_s = hour_s
        self.used = 0
        self.limited = []  # the token of each request that was one too many
        self.reset_s = int(time.time()) + hour_s
        self._sending = {"ca_file": ca_file, "pace": pace, "timeout_s": timeout_s, "on_attempt": on_attempt,
                         "connections": connections}
        self._faults = []
        self._numbers = itertools.count(101)
        self._lock = threading.RLock()
        self._released = threading.Event()
        self._server = Server(("127.0.0.1", port), Handler)
        self._server.api = self
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/v1"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self._released.set()
        self._server.shutdown()
        self._server.server_close()
        for webhook in self.webhooks.values():
            webhook.sender.close()

    # For tests: what there is and what goes wrong.

    def fault(self, method, path, **how):
        with self._lock:
            self._faults.append(Fault(method, path, **how))

    def add(self, url, wanted=("application.hired",), secret=None, **fields):
        """A webhook that somebody made before; its id as Kula tells it."""
        with self._lock:
            webhook = self._make({"url": url, "name": "made before", **fields}, wanted, secret)
            return str(self.shown_id(webhook))

    def webhook(self, shown_id):
        with self._lock:
            return self.webhooks[int(str(shown_id).removeprefix("wh_"))]

    def emit(self, body):
        """Something happened at Kula: each active webhook that wants it sends it."""
        event_type = json.loads(body)["event"]
        with self._lock:
            return [webhook.sender.emit(body) for webhook in self.webhooks.values()
                    if event_type in webhook.events]

    def happen(self, event_type, count=1):
        """So many events of this type; their ids."""
        happened = [events.event(event_type) for _ in range(count)]
        for event in happened:
            self.emit(events.encode(event))
        return [event["event_id"] for event in happened]

    def lost(self, shown_id):
        """The ids of all that this webhook was to send and will never send."""
        return [one.event_id for one in self.webhook(shown_id).sender.deliveries
                if one.status in ("failed", "dropped")]

    def asked(self, method, path):
        """How many requests there were like this."""
        with self._lock:
            return sum(one[0] == method and urlsplit(one[1]).path.endswith(path) for one in self.requests)

    # Forms.

    def shown_id(self, webhook):
        return webhook.number if self.quirks.numbers else f"wh_{webhook.number}"

    def shown(self, webhook, secret=False):
        state = "active" if webhook.sender.enabled else "disabled"
        shown = {"id": self.shown_id(webhook), "name": webhook.fields.get("name"), "url": webhook.url,
                 "description": webhook.fields.get("description"), "state": state,
                 self.quirks.spelling: webhook.events, "created_at": timestamp(webhook.created_s)}
        return {**shown, "secret": webhook.secret} if secret else shown

    def one(self, name, value):
        if self.quirks.envelope == "bare":
            return value
        key = "data" if self.quirks.envelope == "data" else name
        return {key: value, "meta": {"timestamp": timestamp(time.time()), "request_id": "req_1"}}

    def many(self, name, values, query):
        page, limit = int(query.get("page", 1)), min(int(query.get("limit", 20)), 100)
        shown = values[(page - 1) * limit: page * limit]
        pages = max(1, -(-len(values) // limit))
        if self.quirks.envelope == "bare":
            return shown
        if self.quirks.envelope == "named":
            return {name: shown, "pagination": {"page": page, "total_pages": pages}}
        return {"data": shown, "meta": {"total": len(values), "page": page, "limit": limit,
                                        "total_pages": pages}}

    # The endpoints.

    def _make(self, fields, wanted, secret):
        number = next(self._numbers)
        sender = kula.Kula(fields["url"], (secret or secrets.token_hex(20)).encode(), **self._sending)
        webhook = self.webhooks[number] = Webhook(number, fields, sender)
        webhook.events = list(wanted)
        return webhook

    def _take(self, sent, changing):
        """(fields, events or None) of what was sent; refuses what Kula would."""
        wrong = []
        known = FIELDS | {self.quirks.spelling}
        if self.quirks.strict:
            wrong += [{field: ["is not permitted"]} for field in sent if field not in known]
            if changing and "secret" in sent:
                wrong.append({"secret": ["cannot be changed"]})
            if not changing:
                wrong += [{field: ["is required"]} for field in ("url", "name", self.quirks.spelling)
                          if not sent.get(field)]
        if "url" in sent and not str(sent["url"]).startswith("https://"):
            wrong.append({"url": ["must be https"]})
        wanted = sent.get(self.quirks.spelling)
        wrong += [{self.quirks.spelling: [f"{one} is not an event"]} for one in wanted or []
                  if one not in self.types]
        if wrong:
            raise Refusal(422, "ERR_VALIDATION", "Validation failed", details=wrong)
        return {key: value for key, value in sent.items() if key in FIELDS - {"secret"}}, wanted

    def create(self, sent, **_):
        fields, wanted = self._take(sent, changing=False)
        webhook = self._make(fields, wanted or [], sent.get("secret"))
        return 201, self.one("webhook", self.shown(webhook, secret=True))

    def list(self, query, **_):
        return 200, self.many("webhooks", [self.shown(one) for one in self.webhooks.values()], query)

    def show(self, webhook, **_):
        return 200, self.one("webhook", self.shown(webhook))

    def update(self, webhook, sent, **_):
        fields, wanted = self._take(sent, changing=True)
        webhook.fields.update(fields)
        webhook.sender.url = webhook.url
        if wanted is not None:
            webhook.events = list(wanted)
        return (204, None) if self.quirks.bare_yes else self.show(webhook)

    def delete(self, webhook, **_):
        self.webhooks.pop(webhook.number)
        webhook.sender.close()
        return 204, None

    def enable(self, webhook, **_):
        webhook.sender.enable()
        return self.show(webhook)

    def disable(self, webhook, **_):
        webhook.sender.disable()
        return self.show(webhook)

    def regenerate_secret(self, webhook, **_):
        """It holds at once, for what is tried again too."""
        webhook.sender.secret = secrets.token_hex(20).encode()
        return 200, self.one("webhook", {"id": self.shown_id(webhook), "secret": webhook.secret})

    def test(self, webhook, **_):
        test_id = f"test_{secrets.token_hex(6)}"
        webhook.tests[test_id] = webhook.sender.emit(events.encode(events.ping(test_id)))
        return 202, {"test_id": test_id, "status": "pending"}

    def test_result(self, webhook, word, **_):
        delivery = webhook.tests.get(word)
        if not delivery:
            raise Refusal(404, "ERR_NOT_FOUND", "No such test")
        status = "delivered" if delivery.status == "delivered" else (
            "failed" if delivery.last or delivery.status == "dropped" else "pending")
        shown = {"test_id": word, "status": status}
        if delivery.last:
            shown |= {"response_code": delivery.last.status or None, "response_time_ms": delivery.last.ms}
        return 200, shown

    def logs(self, webhook, query, **_):
        shown = []
        for entry, delivery in zip(webhook.sender.log(), list(webhook.sender.deliveries)):
            entry["created_at"] = timestamp(delivery.created_s)
            if delivery.created_s < time.time() - LOGS_KEPT_S:
                continue
            if entry["status"] == "dropped":
                if not self.quirks.keeps:
                    continue
                entry["status"] = "failed"
            if delivery.last and delivery.last.answer and entry["status"] != "delivered":
                entry["response_body"] = delivery.last.answer.body.decode(errors="replace")
            if all(query.get(key, entry[key]) == entry[key] for key in ("status", "event")):
                shown.append(entry)
        return 200, self.many("logs", shown[::-1], query)

    def events(self, **_):
        return 200, {"data": [{"event": one} for one in self.types]}

    def sample(self, word, **_):
        if word not in self.types:
            raise Refusal(404, "ERR_NOT_FOUND", f"No such event: {word}")
        return 200, {"event": word, "payload": events.event(word)}

    # Requests.

    ROUTES = (
        ("GET", r"/webhooks", "list"),
        ("POST", r"/webhooks", "create"),
        ("GET", r"/webhooks/events", "events"),
        ("GET", r"/webhooks/sample/(?P<word>[^/]+)", "sample"),
        ("GET", r"/webhooks/(?P<id>[^/]+)", "show"),
        ("PATCH", r"/webhooks/(?P<id>[^/]+)", "update"),
        ("DELETE", r"/webhooks/(?P<id>[^/]+)", "delete"),
        ("POST", r"/webhooks/(?P<id>[^/]+)/enable", "enable"),
        ("POST", r"/webhooks/(?P<id>[^/]+)/disable", "disable"),
        ("POST", r"/webhooks/(?P<id>[^/]+)/regenerate-secret", "regenerate_secret"),
        ("POST", r"/webhooks/(?P<id>[^/]+)/test", "test"),
        ("GET", r"/webhooks/(?P<id>[^/]+)/test/(?P<word>[^/]+)", "test_result"),
        ("GET", r"/webhooks/(?P<id>[^/]+)/logs", "logs"),
    )

    def _find(self, shown_id):
        for webhook in self.webhooks.values():
            if str(self.shown_id(webhook)) == shown_id:
                return webhook
        raise Refusal(404, "ERR_NOT_FOUND", "Webhook not found")

    def _check(self, authorization):
        if not authorization:
            raise Refusal(401, "ERR_TOKEN_MISSING", "Token is missing")
        if authorization.removeprefix("Bearer ") not in self.tokens:
            raise Refusal(401, "ERR_INVALID_TOKEN", "Token is invalid")

    def _limit(self, authorization):
        if time.time() >= self.reset_s:
            self.used = 0
            self.reset_s = int(time.time()) + self.hour_s
        self.used += 1
        if self.used > self.hourly:
            self.limited.append(authorization.removeprefix("Bearer "))
            refusal = Refusal(429, "ERR_RATE_LIMIT_EXCEEDED", "Too many requests")
            refusal.body["meta"] = {"retry_after": max(1, self.reset_s - int(time.time()))}
            raise refusal

    def answer(self, method, target, authorization, sent):
        """(status, what to say as JSON or None) to a request."""
        parts = urlsplit(target)
        query = {key: values[-1] for key, values in parse_qs(parts.query).items()}
        with self._lock:
            try:
                self._check(authorization)
                self._limit(authorization)
                for verb, pattern, name in self.ROUTES:
                    found = re.fullmatch("/v1" + pattern, parts.path)
                    if verb == method and found:
                        words = {key: unquote(value) for key, value in found.groupdict().items()}
                        if "id" in words:
                            words["webhook"] = self._find(words.pop("id"))
                        return getattr(self, name)(query=query, sent=sent, **words)
                raise Refusal(404, "ERR_NOT_FOUND", "No such route")
            except Refusal as refusal:
                return refusal.status, refusal.body

    def by_hand(self, method, target):
        """What a person asks of the simulation itself: beside /v1, without a token."""
        parts = urlsplit(target)
        query = {key: values[-1] for key, values in parse_qs(parts.query).items()}
        _, what, word = [*parts.path.split("/"), "", ""][:3]
        with self._lock:
            if (method, what) == ("POST", "happen") and word in self.types:
                return 200, {"happened": self.happen(word, int(query.get("count", 1)))}
            if (method, what) == ("GET", "lost"):
                return 200, {str(self.shown_id(one)): self.lost(self.shown_id(one))
                             for one in self.webhooks.values()}
        return 404, {"error": {"code": "ERR_NOT_FOUND", "message": "No such route"}}

    def limit_headers(self):
        return {"X-RateLimit-Limit": self.hourly, "X-RateLimit-Remaining": max(0, self.hourly - self.used),
                "X-RateLimit-Reset": self.reset_s}

    def record(self, method, target, sent):
        """Remembers the request; the fault that it gets, if any."""
        with self._lock:
            self.requests.append((method, target, sent))
            for fault in self._faults:
                if fault.fits(method, urlsplit(target).path):
                    fault.times -= fault.times > 0
                    return fault
        return None

    def wait_released(self):
        self._released.wait()


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        pass  # the peer broke off, which its test will say


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # an answer is two writes, and the second would wait for 40 ms

    def handle_any(self):
        api = self.server.api
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if not self.path.startswith("/v1/"):
            status, told = api.by_hand(self.command, self.path)
            self.say(status, json.dumps(told).encode() + b"\n", {"Content-Type": "application/json"})
            return
        try:
            sent = json.loads(body) if body else None
        except ValueError:
            sent = None
        fault = api.record(self.command, self.path, sent)
        if not fault or fault.done:
            status, told = api.answer(self.command, self.path, self.headers.get("Authorization"), sent or {})
        if not fault:
            said = b"" if told is None else json.dumps(told).encode()
            self.say(status, said, {"Content-Type": "application/json", **api.limit_headers()})
        elif fault.stall:
            api.wait_released()
            self.close_connection = True
        elif fault.raw:
            self.wfile.write(fault.raw)
            self.close_connection = True
        else:
            self.say(fault.status, fault.body, fault.headers)

    do_GET = do_POST = do_PATCH = do_DELETE = handle_any

    def say(self, status, body, headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, str(value))
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(b"" if status == 204 else body)

    def log_message(self, *_):
        pass  # the tests look at `requests`


# By hand.

def options(words):
    parser = argparse.ArgumentParser(
        prog="kula.py api", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="""by hand, beside the API:
  curl -X POST http://127.0.0.1:8090/happen/application.hired          something happens at Kula
  curl -X POST http://127.0.0.1:8090/happen/job.created?count=25
  curl http://127.0.0.1:8090/lost                                      what Kula gave up on, by webhook

kula-relay finds it by the configuration: kula: {api: "http://127.0.0.1:8090/v1", token_file: ...}.
Each attempt of a delivery is a line.""")
    parser.add_argument("--port", type=int, default=0, help="0, the default, takes a free one")
    parser.add_argument("--token", default="kula_token", help="that it takes (kula_token)")
    parser.add_argument("--ca-file", help="what the receivers' certificates are checked with")
    parser.add_argument("--pace", type=float, default=1, help="how much faster Kula's clock runs (1)")
    parser.add_argument("--hourly", type=int, default=1000, help="requests an hour (1000)")
    parser.add_argument("--spelling", choices=("subscribed_events", "events"), default="subscribed_events")
    parser.add_argument("--envelope", choices=("data", "named", "bare"), default="data")
    parser.add_argument("--lenient", action="store_true", help="pass over fields that it does not know")
    parser.add_argument("--numbers", action="store_true", help="ids are numbers")
    parser.add_argument("--keeps", action="store_true", help="log what happens while a webhook is disabled")
    return parser.parse_args(words)


def main(words=None):
    chosen = options(words)
    with KulaApi(chosen.token, port=chosen.port, ca_file=chosen.ca_file, pace=chosen.pace,
                 hourly=chosen.hourly, spelling=chosen.spelling, envelope=chosen.envelope,
                 strict=not chosen.lenient, numbers=chosen.numbers, keeps=chosen.keeps,
                 on_attempt=kula.show) as api:
        print(f"Kula's API, simulated, at {api.url}", flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
