"""What the stories of order need: events of several keys, and what came of them where."""

import collections
import json

from house import Story
from sim import events

# A lease lasts for the time-out and five seconds more.
QUICK = {"timeout": "1s", "retry": {"first": "20ms", "most": "50ms"}}
BY_CANDIDATE = {"order_by": "data.candidate_id", **QUICK}


def made(key, number, event_id=None):
    """An event of the key; `number` says how many of it went before."""
    data = {"number": number} if key is None else {"candidate_id": key, "number": number}
    return events.event("candidate.updated", event_id or f"evt_{key}_{number}", data)


def place(request):
    """(key, number) of a request."""
    data = json.loads(request.body)["data"]
    return data.get("candidate_id"), data["number"]


def inversions(requests):
    """Requests that came after one that stands behind them in their lane."""
    highest, found = collections.defaultdict(lambda: -1), []
    for request in requests:
        key, number = place(request)
        if number < highest[key]:
            found.append((key, number, highest[key]))
        highest[key] = max(highest[key], number)
    return found


class OrderStory(Story):
    def send(self, keys, numbers, start=0):
        """`numbers` events of each key, in turns, which then stand in the ledger; their ids."""
        sent = self.post(keys, numbers, start)
        self.house.drain()
        return sent

    def post(self, keys, numbers, start=0):
        sent = []
        for number in range(start, start + numbers):
            for key in keys:
                event = made(key, number)
                answer = self.house.post(events.encode(event))
                self.assertEqual(answer.status, 200)
                sent.append(event["event_id"])
        return sent

    def owner(self, service="crm"):
        return self.house.ledger.state(service).get("owner")
