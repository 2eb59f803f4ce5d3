"""compose.yaml as a person has it: a checkout, its secrets, and `docker compose` in its folder."""

import json
import os
import re
import signal
import subprocess
import time

from stories import Failed, run, until

DEMO = "compose.yaml:compose.demo.yaml"


class Stack:
    def __init__(self, engine, checkout):
        self.engine = engine
        self.folder = checkout / "deploy"
        self.env = {**engine.env, "COMPOSE_FILE": DEMO}

    def __call__(self, *words, **how):
        return run(["docker", "compose", *words], cwd=self.folder, env=self.env, **how)

    def shell(self, script):
        """As at a prompt in the folder where somebody clones it."""
        env = {key: value for key, value in self.env.items() if key != "COMPOSE_FILE"}
        return run(["bash", "-euxo", "pipefail", "-c", script], cwd=self.folder.parent.parent, env=env)

    def secret(self, name):
        return (self.folder / "secrets" / "serve" / name).read_text().strip()

    def give(self, name, text, owner, mode):
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        os.chown(path, owner, owner)
        path.chmod(mode)

    def up(self):
        run(["./make-secrets"], cwd=self.folder)  # whichever story is the first
        self("up", "--detach", "--wait")

    def operator(self, *words, **how):
        return self("run", "--rm", "--no-TTY", "operator", *words, **how)

    def operator_shell(self, script):
        """Several commands in one container."""
        return self("run", "--rm", "--no-TTY", "--entrypoint", "sh", "operator", "-euc", script)

    def redis(self, *words):
        """As the operator, whose password the container has."""
        call = f'"$(command -v valkey-cli || command -v redis-cli)" --user operator --no-auth-warning {" ".join(words)}'
        return self("exec", "--no-TTY", "redis", "sh", "-c",
                    f'export REDISCLI_AUTH="$(cat /run/secrets/redis_operator)" VALKEYCLI_AUTH="$REDISCLI_AUTH"; {call}')

    def refused_calls(self):
        """What somebody, or Redis itself when it read its file, asked beyond his rights."""
        return [line for line in self.redis("INFO", "errorstats").split() if "NOPERM" in line]

    def received(self, service):
        """The ids of all events that a simulated service was sent since its container was made."""
        return set(re.findall(r" (evt_\S+) attempt ", self("logs", "--no-log-prefix", "--no-color", service)))

    # A container, and what is done to it.

    @staticmethod
    def container(service):
        return f"kula-relay-{service}-1"

    def state(self, service):
        return self.engine.inspect(self.container(service))["State"]

    def kill(self, service, hold):
        """Its process, so that it is the engine that starts another one."""
        before = self.state(service)["Pid"]
        os.kill(before, signal.SIGKILL)
        hold()
        until(lambda: self.state(service)["Pid"] not in (0, before), f"{service} was started again")

    def pause(self, service, hold):
        self.engine("pause", self.container(service))
        try:
            hold()
        finally:
            self.engine("unpause", self.container(service))

    def restart(self, service, hold):
        container, since = self.container(service), time.time()
        self("stop", service)  # Compose's: it knows for how long to wait
        try:
            self._check_stop(container, since)
            hold()
        finally:
            self.engine("start", container)

    def _check_stop(self, container, since):
        """By the engine's clock, from the signal to the end: the rest is not the program's."""
        told = self.engine("events", "--filter", f"container={container}", "--since", f"{since:.6f}",
                           "--until", f"{time.time():.6f}", "--format", "{{.Action}} {{.TimeNano}}")
        at = {action: int(nano) for action, nano in (line.rsplit(" ", 1) for line in told.splitlines())}
        took_s = (at["die"] - at["kill"]) / 1e9
        if took_s >= 3:
            raise Failed(f"it took {took_s:.1f} s to stop")

    def partition(self, service, hold):
        """What it sends and is sent goes nowhere, and nobody is told so."""
        cables = self._cables(service)
        for cable in cables:
            run(["ip", "link", "set", cable, "down"])
        try:
            hold()
        finally:
            for cable in cables:
                run(["ip", "link", "set", cable, "up"])

    def _cables(self, service):
        """Our ends of the pairs whose other ends the container has."""
        inside = json.loads(run(["nsenter", f"--net=/proc/{self.state(service)['Pid']}/ns/net",
                                 "ip", "-json", "link"]))
        ends = {link["link_index"] for link in inside if "link_index" in link}
        return [link["ifname"] for link in json.loads(run(["ip", "-json", "link"])) if link["ifindex"] in ends]

    def stop_everything(self):
        subprocess.run(["docker", "compose", "--profile", "*", "down", "--volumes", "--timeout", "3"], cwd=self.folder,
                       env=self.env, stdin=subprocess.DEVNULL, capture_output=True, check=False)
