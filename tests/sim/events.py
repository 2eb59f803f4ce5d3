"""What Kula says: every event type that its guides list, with plausible bodies.

Kula documents the envelope and a few shared objects, not the data of each event;
what stands in `data` here is made up in their spirit. Hard cases for whoever
carries a body have functions of their own below.
"""

import itertools
import json
import uuid

TYPES = (
    "candidate.created",
    "candidate.updated",
    "candidate.deleted",
    "application.created",
    "application.updated",
    "application.deleted",
    "application.stage_changed",
    "application.rejected",
    "application.hired",
    "application.screened",
    "job.created",
    "job.updated",
    "job_posting.published",
    "job_posting.updated",
    "requisition.created",
    "requisition.updated",
    "requisition.opened",
    "requisition.filled",
    "requisition.closed",
    "offer.created",
    "offer.updated",
    "offer.approved",
    "offer.deleted",
    "offer.accepted",
    "offer.declined",
    "interview.availability.computed",
    "interview.event.created",
    "interview.event.updated",
)

# Types that no guide lists (yet): they must pass like any other.
UNKNOWN_TYPES = ("interview.event.cancelled", "referral.paid", "note")

NAMES = ("Zoë Ångström", "Łukasz Żółć", "山田 花子", "Nguyễn Thị Ánh", "Amara O’Neill", "Jo 🦊 F.")
ACCOUNT = 12345

_serial = itertools.count(1)


def new_id(kind="evt"):
    """An event id in either documented form: `evt_...`, or a UUID."""
    return str(uuid.uuid4()) if kind == "uuid" else f"evt_{uuid.uuid4().hex[:20]}"


def _person(n):
    return {"id": 7000 + n, "name": NAMES[n % len(NAMES)], "email": f"person{n}@example.com"}


def _place():
    return {"city": {"id": 11, "name": "Malmö"}, "state": {"id": 12, "name": "Skåne"},
            "country": {"id": 13, "name": "Sverige"}}


def _candidate(n):
    return {**_person(n), "phone": "+46 40 123 45 67", "location": _place(), "tags": ["C", "sea"]}


def _application(n):
    return {"id": 50000 + n, "candidate": _candidate(n), "job": {"id": 31, "name": "Räksmörgås R&D"},
            "stage": {"id": 4, "name": "On-site"}, "owner": _person(n + 1)}


def _job(n):
    return {"id": 31 + n, "name": "R&D <lead>", "description": "<p>Build & run \u2028 it</p>",
            "salary": 120000.0, "locations": [_place()], "hiring_manager": _person(n)}


def _requisition(n):
    return {"id": 900 + n, "name": f"REQ-{n}", "headcount": 2, "job": {"id": 31, "name": "Engineer"}}


def _offer(n):
    return {"id": 800 + n, "application_id": 50000 + n, "signed": False, "start_date": None,
            "salary": {"amount": 98000.5, "currency": "SEK"}}


def _interview(n):
    return {"id": 600 + n, "application_id": 50000 + n, "kind": "panel",
            "meeting_status": "not_started", "location": "google_meet",
            "conference_url": "https://meet.example.com/a-b?x=1&y=2",
            "interviewers": [_person(n + 2), _person(n + 3)]}


def _availability(n):
    return {"poll_id": f"{n:024x}", "status": "succeeded",
            "slots": [{"starts_at": "2026-11-25T09:00:00Z", "interviewer_ids": [7001, 7002]}]}


DATA = {"candidate": _candidate, "application": _application, "job": _job, "job_posting": _job,
        "requisition": _requisition, "offer": _offer, "interview": _interview}


def event(event_type, event_id=None, data=None, account=ACCOUNT, created="2026-11-23T20:00:00Z"):
    """The envelope as a dict, in the order of Kula's guide."""
    n = next(_serial)
    make = _availability if event_type.startswith("interview.availability.") else (
        DATA.get(event_type.split(".")[0], lambda n: {"id": n}))
    return {
        "event": event_type,
        "event_id": event_id or new_id(),
        "created_at": created,
        "account_id": account,
        "data": make(n) if data is None else data,
    }


def ping(test_id="test_abc123"):
    return event("ping", f"evt_{test_id}", {"message": "Webhook test"})


# Rails, Kula's likely sender, writes these as \uXXXX; that is what makes raw bytes precious.
_RAILS = str.maketrans({c: f"\\u{ord(c):04x}" for c in "<>&\u2028\u2029"})


def encode(value, style="rails"):
    """The body's bytes: `rails` (compact, \\u003c escapes), `compact`, `ascii` or `pretty`."""
    if style == "pretty":
        return json.dumps(value, indent=2, ensure_ascii=False).encode()
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=style == "ascii")
    return (text.translate(_RAILS) if style == "rails" else text).encode()


def escaped(event_id=None):
    """`<p>R&D</p>` as \\u003cp\\u003eR\\u0026D..., and a number that JavaScript would shorten."""
    return encode(event("job.updated", event_id, {"description": "<p>R&D</p>", "salary": 120000.0}))


def big_integer(event_id=None):
    """A 20-digit integer: beyond 64 bits, and beyond what a double keeps."""
    return encode(event("candidate.updated", event_id, {"badge": 12345678901234567890}))


def integer_keys(event_id=None):
    """Custom fields keyed by id: JavaScript would sort these first."""
    data = {"custom_fields": {"name": "x", "20311": "b", "107": "a", "0": None}}
    return encode(event("candidate.updated", event_id, data))


def multibyte(event_id=None):
    """Names in two, three and four bytes, unescaped."""
    return encode(event("candidate.created", event_id, {"names": NAMES}), "compact")


def of_size(count, event_id=None, event_type="candidate.updated"):
    """A valid body of exactly `count` bytes."""
    bare = encode(event(event_type, event_id, {"resume": ""}))
    if count < len(bare):
        raise ValueError(f"the smallest body has {len(bare)} bytes")
    return bare[:-3] + b"x" * (count - len(bare)) + bare[-3:]


HARD = (escaped, big_integer, integer_keys, multibyte)


def every_type():
    """(type, id, body) of each documented type, the ping, unknown types and the hard bodies."""
    for n, event_type in enumerate((*TYPES, *UNKNOWN_TYPES)):
        event_id = new_id("uuid" if n % 2 else "evt")
        style = ("rails", "compact", "ascii", "pretty")[n % 4]
        yield event_type, event_id, encode(event(event_type, event_id), style)
    one = ping(new_id()[4:])
    yield "ping", one["event_id"], encode(one)
    for hard in HARD:
        body = hard()
        yield json.loads(body)["event"], json.loads(body)["event_id"], body
