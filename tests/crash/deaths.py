"""Lets a host die at a boundary, starts it again, and checks that all is well."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Sequence
from multiprocessing.process import BaseProcess

from crash.boundaries import JOB_BEGUN, JOB_OVER
from crash.child import Death, Sleep
from crash.flows import Flow
from crash.site import Site

#: The seconds without a new boundary after which a process is believed to be idle.
QUIET = 0.6
#: The boundaries at which a worker changes something for others. Looking for the next job does no harm, and neither
#: does holding a quote that turns out to need no work.
_WRITTEN = re.compile(
    r"after commit of (?!UPDATE workflow_status #|INSERT queues|INSERT holds #)|before (POST|DELETE|PATCH) "
)


class Ward:
    """One flow on one site, repeated from the same beginning."""

    def __init__(self, site: Site, flow: Flow) -> None:
        self._site, self._flow = site, flow
        self._acted = self._heard = False
        site.set_up(flow.settings)
        site.serve("before")
        flow.before(site)
        self._rest("before")
        site.end()
        site.save()

    # -- one host -------------------------------------------------------------------------------------

    def boundaries(self) -> list[str]:
        """Return the boundaries that an undisturbed process passes from its start to the end of the flow."""
        self._begin(None)
        if self._flow.command is not None:
            self._site.serve("second")  # executes the runs that the command has queued
        return self._seen_to_the_end()

    def die(self, death: Death) -> None:
        """Let the host die there, start it again, and check the result."""
        self._die_first(death)
        self._go_on(self._site.serve("second"))
        self._flow.check(self._site)

    def die_twice(self, first: Death, second: Death) -> bool:
        """Let the host die there and again during recovery; return whether recovery reached the second death."""
        self._die_first(first)
        host = self._site.serve("second", stop=second)
        self._go_on(host)
        host.join(0.2)
        if died := not host.is_alive():
            self._go_on(self._site.serve("third"))
        self._flow.check(self._site)
        return died

    def _die_first(self, death: Death) -> None:
        victim = self._begin(death)
        while self._flow.several_runs and not self._died(victim):
            victim = self._begin(death)  # the number of boundaries varies, so it may not reach this one each time
        self._bury(victim, death)

    def _died(self, victim: BaseProcess) -> bool:
        self._site.settle(dying=victim)
        victim.join(0.2)
        return victim.exitcode in {9, -9}

    def _begin(self, death: Death | None) -> BaseProcess:
        site, command = self._site, self._flow.command
        site.restore()
        self._acted = self._heard = False
        if command is not None:
            self._acted = True
            victim = site.start("victim", *command(site), stop=death)
            site.wait(lambda: not victim.is_alive(), "the command did not end")
            self._heard = victim.exitcode == 0
            return victim
        victim = site.serve("victim", stop=death)
        if victim.is_alive():
            self._act()
        return victim

    def _act(self) -> None:
        self._acted = True
        self._heard = self._flow.act(self._site)

    def _bury(self, process: BaseProcess, death: Death) -> None:
        self._site.settle(dying=process)
        process.join(5)
        assert process.exitcode in {9, -9}, f"it never came to {death.at}: {process.exitcode}"

    def _go_on(self, host: BaseProcess) -> None:
        """Repeat the request if it got no answer, and wait until no work is left, or the host has died again."""
        if host.is_alive() and (not self._acted or (not self._heard and self._flow.unheard(self._site))):
            self._act()
        self._site.stripe.deliver(timeout=0)
        self._site.settle(dying=host)

    # -- two workers ----------------------------------------------------------------------------------

    def boundaries_of_worker(self) -> list[str]:
        """Return the boundaries that a worker passes while another process takes the requests."""
        self._begin_apart(None)
        return self._seen_to_the_end()

    def hand_over(self, death: Death) -> float:
        """Let one of two workers die there; return the seconds until the other one takes over its work."""
        site, victim = self._site, self._begin_apart(death)
        site.wait(lambda: not victim.is_alive() or self._has_begun(), "no worker began")
        site.start("second", "worker")
        self._bury(victim, death)
        died, before = time.monotonic(), len(site.passed("second"))
        site.wait(lambda: len(site.passed("second")) > before or site.settled(), "nobody took over")
        seconds = time.monotonic() - died
        site.settle()
        self._flow.check(site)
        return seconds

    def sleep(self, sleep: Sleep) -> list[str]:
        """Suspend a worker there until another one has finished, wake it, and check the result.

        Return the boundaries at which it changed something after it woke.
        """
        site, sleeper = self._site, self._begin_apart(sleep)
        site.wait(lambda: _is_asleep(sleeper), f"it never came to {sleep.at}")
        site.cut_off("victim")
        site.start("second", "worker")
        site.settle()
        before = site.passed("victim")
        os.kill(sleeper.pid or 0, signal.SIGCONT)
        site.wait(lambda: not _is_at_work(site.passed("victim")), "it never came back")
        sleeper.kill()  # otherwise it would execute later runs
        sleeper.join()
        self._flow.check(site)
        return [boundary for boundary in site.passed("victim")[len(before) :] if _WRITTEN.match(boundary)]

    def _begin_apart(self, stop: Death | Sleep | None) -> BaseProcess:
        self._site.restore()
        self._site.serve("front", "--no-worker")
        victim = self._site.start("victim", "worker", stop=stop)
        assert self._flow.act(self._site)
        return victim

    def _has_begun(self) -> bool:
        return any("steps" in boundary for boundary in self._site.passed("victim"))

    # -- how ------------------------------------------------------------------------------------------

    def _seen_to_the_end(self) -> list[str]:
        self._site.settle()
        self._rest("victim")
        self._flow.check(self._site)
        return self._site.passed("victim")

    def _rest(self, name: str) -> None:
        seen, since = -1, time.monotonic()
        while time.monotonic() - since < QUIET:
            now = len(self._site.passed(name))
            if now != seen:
                seen, since = now, time.monotonic()
            time.sleep(0.05)


def _is_at_work(passed: Sequence[str]) -> bool:
    begun, over = (sum(what in boundary for boundary in passed) for what in (JOB_BEGUN, JOB_OVER))
    return begun > over


def _is_asleep(process: BaseProcess) -> bool:
    asked = subprocess.run(["ps", "-o", "state=", "-p", str(process.pid)], capture_output=True, text=True, check=False)
    return asked.stdout.startswith("T")
