"""What stands around the relay on the event loop: services that note what they see, and
proxies that can be told to cut.
"""

import asyncio
import random
import socket
import struct
import threading
import time


class Loop(threading.Thread):
    """An event loop on a thread of its own."""

    def __init__(self):
        super().__init__(daemon=True)
        self.loop = asyncio.new_event_loop()
        self.start()

    def run(self):
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()

    def do(self, coroutine, deadline_s=30):
        """Runs it there to its end."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(deadline_s)

    def begin(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop)

    def tell(self, call, *arguments):
        self.loop.call_soon_threadsafe(call, *arguments)


async def feel_pulse(books, every_s=0.05, late_s=0.2):
    """Notes when this loop was late, for what is judged by its clock."""
    while True:
        began = time.monotonic()
        await asyncio.sleep(every_s)
        late = time.monotonic() - began - every_s
        if late > late_s:
            books.stalled(began, late)


class Sink:
    """A service: answers 200 a few milliseconds later, now and then an error."""

    def __init__(self, name, books, rng, *, slow_ms=8.0, failing=0.01):
        self.name = name
        self.books = books
        self.rng = rng
        self.slow_ms = slow_ms
        self.failing = failing

    async def open(self):
        server = await asyncio.get_running_loop().create_server(lambda: _Request(self), "127.0.0.1", 0)
        self.address = server.sockets[0].getsockname()
        return self


class _Request(asyncio.Protocol):
    def __init__(self, sink):
        self.sink = sink
        self.buffer = bytearray()

    def connection_made(self, transport):
        self.transport = transport
        self.port = transport.get_extra_info("peername")[1]
        self.sink.books.connected(self.sink.name, self.port)

    def data_received(self, data):
        self.buffer += data
        while self._take_one():
            pass

    def _take_one(self):
        head_end = self.buffer.find(b"\r\n\r\n")
        if head_end < 0:
            return False
        headers = {}
        for line in bytes(self.buffer[:head_end]).split(b"\r\n")[1:]:
            name, _, value = line.partition(b":")
            headers[name.lower()] = value.strip()
        body_end = head_end + 4 + int(headers.get(b"content-length", 0))
        if len(self.buffer) < body_end:
            return False
        body = bytes(self.buffer[head_end + 4:body_end])
        del self.buffer[:body_end]
        self._judge(headers, body)
        return True

    def _judge(self, headers, body):
        sink = self.sink
        status = 500 if sink.rng.random() < sink.failing else 200
        if status == 200:
            sink.books.seen(sink.name, headers.get(b"x-kula-event-id", b"").decode(),
                            headers.get(b"x-kula-event", b"").decode(), body, time.monotonic(), self.port)
        else:
            sink.books.failed_by_service += 1
        answer = b"HTTP/1.1 %d Simulated\r\nContent-Length: 0\r\n\r\n" % status
        delay_s = sink.rng.random() * sink.slow_ms / 1000
        asyncio.get_running_loop().call_later(delay_s, self._answer, answer)

    def _answer(self, answer):
        if not self.transport.is_closing():
            self.transport.write(answer)


class Proxy:
    """Carries bytes to `target`, and cuts when told to: at once, or in the middle of a piece.

    on_cut(port) is told the port from which the cut connection came to the target."""

    def __init__(self, target=None, on_cut=None):
        self.target = target
        self.on_cut = on_cut or (lambda port: None)
        self.near = set()

    async def open(self):
        server = await asyncio.get_running_loop().create_server(lambda: _Near(self), "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        return self

    def cut(self, seed):
        """A random share of its connections."""
        rng = random.Random(seed)
        share = rng.choice((0.2, 0.5, 1.0))
        for near in [near for near in self.near if rng.random() < share]:
            if rng.random() < 0.3:
                near.cut_within = near.far.cut_within = rng.randrange(400)  # bytes of what comes next
            else:
                near.cut(reset=rng.random() < 0.5)


class _Side(asyncio.Protocol):
    """One end of a carried connection; `other` is its other end."""

    other = None
    cut_within = None

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        if self.cut_within is not None:
            self.other.transport.write(data[:self.cut_within])
            self.whole().cut(reset=False)
        else:
            self.other.transport.write(data)

    def pause_writing(self):
        self.other.transport.pause_reading()

    def resume_writing(self):
        if not self.other.transport.is_closing():
            self.other.transport.resume_reading()

    def connection_lost(self, failure):
        if self.other and not self.other.transport.is_closing():
            self.other.transport.close()


class _Near(_Side):
    def __init__(self, proxy):
        self.proxy = proxy
        self.far = None

    def whole(self):
        return self

    def connection_made(self, transport):
        super().connection_made(transport)
        transport.pause_reading()
        asyncio.ensure_future(self._reach())

    async def _reach(self):
        try:
            if not self.proxy.target:
                raise ConnectionRefusedError
            _, self.far = await asyncio.get_running_loop().create_connection(
                lambda: _Far(self), *self.proxy.target)
        except OSError:
            self.transport.abort()
            return
        self.other = self.far
        if self.transport.is_closing():
            self.far.transport.abort()
            return
        self.proxy.near.add(self)
        self.transport.resume_reading()

    def cut(self, reset):
        self.proxy.on_cut(self.far.transport.get_extra_info("sockname")[1])
        for transport in (self.transport, self.far.transport):
            if reset and not transport.is_closing():
                transport.get_extra_info("socket").setsockopt(
                    socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            # abort() drops what is still to be written; close() would send it first.
            transport.abort()

    def connection_lost(self, failure):
        self.proxy.near.discard(self)
        super().connection_lost(failure)


class _Far(_Side):
    def __init__(self, near):
        self.other = near

    def whole(self):
        return self.other
