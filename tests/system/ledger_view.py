"""Redis as the tests see it: a tiny client, and the facts of the ledger they ask for.

It reads with plain commands what anybody could read with redis-cli, and shares no code
with the programs.
"""

import socket


class RedisError(Exception):
    pass


class Client:
    """One connection, opened when first needed and again after it broke."""

    def __init__(self, path):
        self.path = path
        self._socket = None
        self._reader = None

    def close(self):
        for part in (self._reader, self._socket):
            if part:
                part.close()
        self._reader = self._socket = None

    def _open(self):
        peer = socket.socket(socket.AF_UNIX)
        try:
            peer.settimeout(10)
            peer.connect(self.path)
        except OSError:
            peer.close()
            raise
        self._socket, self._reader = peer, peer.makefile("rb")

    def __call__(self, *words):
        """A command; replies come as bytes, int, None and lists."""
        try:
            if not self._socket:
                self._open()
            self._send(words)
            return self._read()
        except OSError:
            self.close()
            raise

    def is_answered(self):
        try:
            return self("PING") == b"PONG"
        except (OSError, RedisError):  # not there yet, or still loading
            return False

    def _send(self, words):
        parts = [word if isinstance(word, bytes) else str(word).encode() for word in words]
        self._socket.sendall(b"*%d\r\n" % len(parts) +
                             b"".join(b"$%d\r\n%b\r\n" % (len(part), part) for part in parts))

    def _read(self):
        line = self._reader.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("Redis has gone")
        kind, rest = line[:1], line[1:-2]
        if kind == b"-":
            raise RedisError(rest.decode())
        if kind == b"+":
            return rest
        if kind == b":":
            return int(rest)
        if kind == b"$":
            return None if rest == b"-1" else self._reader.read(int(rest) + 2)[:-2]
        if kind == b"*":
            # An error within a list is an item, so that the rest of the reply is read too.
            return None if rest == b"-1" else [self._item() for _ in range(int(rest))]
        raise RedisError(f"no RESP: {line!r}")

    def _item(self):
        try:
            return self._read()
        except RedisError as error:
            return error


def pairs(flat):
    """[name, value, name, value] as a dict with text for names."""
    return {name.decode(): value for name, value in zip(flat[::2], flat[1::2])}


# As append writes them, but without a spool and many at a time.
FILL = """
redis.call('HINCRBY', KEYS[2], 'appended', ARGV[2])
for n = ARGV[1], ARGV[1] + ARGV[2] - 1 do
  redis.call('XADD', KEYS[1], '*', 'id', 'evt_' .. n, 'type', 'candidate.updated', 'endpoint', 'kula', 'account',
    '12345', 'created', '2026-11-23T20:00:00Z', 'received', ARGV[3], 'trace', string.format('%032x', n + 1),
    'body', ARGV[4])
end
"""


class Ledger:
    """Facts of the ledger. Key names are part of what users see, so they are written out."""

    def __init__(self, client, prefix="kula"):
        self.redis = client
        self.prefix = prefix

    def key(self, *parts):
        return ":".join((self.prefix, *parts))

    def events(self):
        """[(stream id, {field: bytes})] of the whole stream."""
        entries = self.redis("XRANGE", self.key("events"), "-", "+")
        return [(entry.decode(), pairs(fields)) for entry, fields in entries]

    def event_ids(self):
        return [fields["id"].decode() for _, fields in self.events()]

    def stream_id(self, event_id):
        return next(entry for entry, fields in self.events() if fields["id"].decode() == event_id)

    def remembers(self, event_id, endpoint="kula"):
        """The event came in, be it that it stands in the stream or did so once."""
        try:
            return self.redis("EXISTS", self.key("seen", endpoint, event_id)) == 1
        except (OSError, RedisError):  # away, or still loading
            return False

    def length(self):
        return self.redis("XLEN", self.key("events"))

    def fill(self, count, body, first=0):
        """So many events at once: evt_FIRST and on."""
        received_ms = int(self.redis("TIME")[0]) * 1000
        for at in range(first, first + count, 1000):
            self.redis("EVAL", FILL, 2, self.key("events"), self.key("endpoint", "kula"), at,
                       min(1000, first + count - at), received_ms, body)

    def penned(self):
        entries = self.redis("XRANGE", self.key("pen"), "-", "+")
        return [pairs(fields) for _, fields in entries]

    def attempts(self):
        entries = self.redis("XRANGE", self.key("log"), "-", "+")
        return [pairs(fields) for _, fields in entries]

    def dead(self, service):
        entries = self.redis("XRANGE", self.key("dead", service), "-", "+")
        return [(entry.decode(), pairs(fields)) for entry, fields in entries]

    def owed(self, service):
        return self.redis("HLEN", self.key("owed", service))

    def counts(self, service):
        return {name: int(value) for name, value in
                pairs(self.redis("HGETALL", self.key("count", service))).items()}

    def state(self, service):
        """Its start, pause, hold and breaker."""
        return pairs(self.redis("HGETALL", self.key("service", service)))

    def settled(self, service):
        """Everything in the stream was given to the service, and nothing is owed to it."""
        if not self.redis("EXISTS", self.key("events")):
            return True
        last = pairs(self.redis("XINFO", "STREAM", self.key("events")))["last-generated-id"]
        for group in map(pairs, self.redis("XINFO", "GROUPS", self.key("events"))):
            if group["name"].decode() == service:
                return group["last-delivered-id"] == last and group["pending"] == 0
        return False
