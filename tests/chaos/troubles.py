"""What the chaos does to the relay, when, and how it is undone: all from one seed."""

import heapq
import itertools
import random
import signal
import threading
import time

# How often, among the kills and among the rest.
KILLS = {"serve": 1, "forward": 1, "redis": 1}
OTHERS = {"pause serve": 1, "pause forward": 1, "pause redis": 2, "cut kula": 2, "cut services": 3,
          "fill disk": 2, "slow disk": 2}


def draw(rng, weights):
    return rng.choices(list(weights), list(weights.values()))[0]


class Troubles:
    """`run` makes trouble for some seconds, then undoes all of it."""

    def __init__(self, house, books, net, asked):
        self.house = house
        self.books = books
        self.net = net
        self.asked = asked
        # What is accepted while the disk cannot be written is only as durable as Redis: a loss of
        # both is beyond the promise.
        self._forgets = asked.forget or asked.failover
        # One for each time-line, so that what one of them draws does not depend on the other.
        self.kills = random.Random(f"{asked.seed} kills")
        self.rest = random.Random(f"{asked.seed} rest")
        self.others = {name: weight for name, weight in OTHERS.items() if self._possible(name)}
        self._plan = []  # heap of (when, order, what to do)
        self._order = itertools.count()
        self._down = set()    # killed, and to be started again by the plan
        self._paused = {}     # name -> (process, trouble)
        self._busy = set()    # disk, replica: what is in the middle of something
        self._pause = threading.Event()  # never set: to wait a moment

    def _possible(self, name):
        if name == "fill disk":
            return self.house.own_disk and not self._forgets
        return name != "slow disk" or bool(self.house.disk)

    def run(self, seconds, tick):
        end = time.monotonic() + seconds
        every = self.asked.kill_every
        self._again(self._kill, self.kills, every, time.monotonic(), end)
        self._again(self._other, self.rest, every, time.monotonic(), end)
        if self.asked.forget:
            self._again(self._copy, random.Random(f"{self.asked.seed} copies"), 5, time.monotonic(), end)
        while time.monotonic() < end or self._plan:
            over = time.monotonic() >= end  # what is planned by now only undoes
            while self._plan and (over or self._plan[0][0] <= time.monotonic()):
                heapq.heappop(self._plan)[2]()
            self._alive()
            tick()
            self._pause.wait(0.02)

    def _later(self, delay_s, do):
        heapq.heappush(self._plan, (time.monotonic() + delay_s, next(self._order), do))

    def _again(self, what, rng, every, after, end):
        """Does it some time after `after`, and so on; late ones do not move those behind them."""
        at = after + rng.uniform(0.5, 1.5) * every
        if at >= end:
            return

        def do():
            if time.monotonic() < end:
                what(rng)
                self._again(what, rng, every, at, end)

        heapq.heappush(self._plan, (at, next(self._order), do))

    def _alive(self):
        """Nobody may end who was not killed by us."""
        for name in ("serve", "forward", "redis"):
            process = getattr(self.house, name)
            process = process.process if name == "redis" else process
            if name not in self._down and not process.alive():
                raise AssertionError(f"{name} has ended by itself\n{process.report()}")

    # Kills.

    def _kill(self, rng):
        # All is drawn before anything is looked at: the same seed draws the same.
        name, down_s = draw(rng, KILLS), rng.choice((0, 0.1, 0.5, 1, 3))
        forgets, everything = rng.random() < 0.5, rng.random() < 0.5
        lag_s = rng.uniform(0.2, 2)
        if name in self._down or name in self._busy:
            return
        if name == "redis" and self.asked.failover:
            self._lag(lag_s)
            return
        trouble = self.books.trouble(f"{name} killed", time.monotonic())
        self._down.add(name)
        self._end_pause(name)
        if name == "redis":
            self.house.redis.kill()
            if self.asked.forget and forgets:
                self._forget(everything, down_s)
        else:
            self.house.kill(name)
        self._later(down_s, lambda: self._start(name, trouble))

    def _start(self, name, trouble):
        if name == "redis":
            self.house.redis.start()
        elif name == "serve":
            self.house.start_serve()
        else:
            self.house.start_forward(wait_open=False)
        self._down.discard(name)
        trouble.until = time.monotonic()

    def _copy(self, _):
        if "redis" not in self._down:
            self.house.redis.copy()

    def _forget(self, everything, down_s):
        since = self.house.redis.forget(everything)
        self.books.trouble("redis forgot", since).until = time.monotonic() + down_s

    # A failover takes two steps: the replica stops reading, later the master dies.

    def _lag(self, lag_s):
        self._busy.add("redis")
        trouble = self.books.trouble("redis forgot", time.monotonic())
        self.house.redis.lag()
        self._later(lag_s, lambda: self._fail_over(trouble))

    def _fail_over(self, trouble):
        killed = self.books.trouble("redis killed", time.monotonic())
        self._end_pause("redis")
        self.house.redis.fail_over()
        killed.until = trouble.until = time.monotonic()
        self.house.redis.start_replica()
        self._busy.discard("redis")

    # Everything else.

    def _other(self, rng):
        what, long_s = draw(rng, self.others), rng.choice((0.2, 0.5, 1, 2, 2, 4, 11))
        # Above five seconds, of which some syncs of two take more, a 2xx waits for Redis alone.
        seed, ms = rng.getrandbits(32), rng.choice((20, 200, 1000 if self._forgets else 2000))
        word, name = what.split(" ")
        if word == "pause":
            self._freeze(name, long_s)
        elif word == "cut":
            self.books.trouble(f"{name} cut", time.monotonic()).until = time.monotonic()
            for proxy in self.house.proxies(name):
                self.net.tell(proxy.cut, seed)
        elif "disk" not in self._busy:
            self._busy.add("disk")
            trouble = self.books.trouble("disk full" if word == "fill" else "disk slow or broken", time.monotonic())
            if word == "fill":
                self.house.disk_size(seed % (48 << 20))
            else:
                self.house.disk.order("fail" if seed % 4 == 0 and not self._forgets else f"sleep {ms}")
            self._later(min(long_s, 4), lambda: self._disk_well(trouble))

    def _disk_well(self, trouble):
        if self.house.own_disk:
            self.house.disk_size(None)
        if self.house.disk:
            self.house.disk.order("")
        self._busy.discard("disk")
        trouble.until = time.monotonic()

    def _freeze(self, name, long_s):
        if name in self._down or name in self._paused or name in self._busy:
            return
        process = self.house.redis.process if name == "redis" else getattr(self.house, name)
        trouble = self.books.trouble(f"{name} paused", time.monotonic())
        self._paused[name] = process, trouble
        process.signal(signal.SIGSTOP)
        self._later(long_s, lambda: self._thaw(name, process))

    def _thaw(self, name, process):
        if self._paused.get(name, (None,))[0] is process:  # else it was killed meanwhile
            self._end_pause(name)
            process.signal(signal.SIGCONT)

    def _end_pause(self, name):
        if name in self._paused:
            self._paused.pop(name)[1].until = time.monotonic()
