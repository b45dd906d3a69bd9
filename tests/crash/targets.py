"""What is killed, and how: the edge, a transport, both, or the tunnel between them.

Each target has strike(point, mail): sends the mail by calling mail(), strikes, puts right what was struck, and returns a
Strike when Postfix may try again. begin() and end() enclose all points of a target.
"""
import collections
import contextlib
import os
import re
import subprocess

from harness import lab, wait_for
from mail import SCENARIOS
import strace

Point = collections.namedtuple("Point", "scenario target what number")
# mail; whether it struck at all; where, in words; the calls of what was killed.
Strike = collections.namedtuple("Strike", "mail has_struck where calls")

EDGE_CONF = "/etc/postern/edge.conf"
EDGE_TRACE = "/run/crash.trace"
EDGE_TRACER = "/run/crash.pid"
HOME = "/run/crash"
# How long an edge has things to do after Postfix has heard enough.
FAREWELL_S = 0.2
WRAPPER = f"""#!/bin/sh
# Postfix's spawn(8) starts this instead of the transport. What is armed holds for one transport.
if mv {HOME}/armed {HOME}/taken 2>/dev/null; then
	exec strace -o {HOME}/trace $(cat {HOME}/taken) /usr/libexec/postern/postern-transport
fi
exec /usr/libexec/postern/postern-transport
"""


def inject(point):
    return ["-e", f"inject={point.what}:signal=KILL:when={point.number}"] if point else []


def traced(point, text):
    """(whether it was killed, where, the calls)"""
    calls, killed = strace.parse(text)
    call = strace.nth(calls, point.what, point.number) if killed and point else None
    return killed, call.label if call else "", calls


class Edge:
    """The edge runs as always; strace is attached before the mail is sent, so its start is not counted. Cases 164 to 169."""

    def __init__(self, scenario):
        self.settings = SCENARIOS[scenario].edge_settings
        self.conf = lab.vps.read(EDGE_CONF)

    def begin(self):
        lab.vps.write(EDGE_CONF, self.conf + 'log_recipients = "full";\n' + self.settings)
        self.start(lab.edge.restart)

    def end(self):
        lab.vps.write(EDGE_CONF, self.conf)
        self.start(lab.edge.restart)

    def start(self, how=lab.edge.start):
        """Returns when the edge does nothing of its own accord any more that could be counted."""
        mark = lab.vps.log_mark()
        how()
        lab.vps.wait_log(r"IPv6 is (not )?used for delivery", since=mark)

    def attach(self, point=None):
        command = ["strace", *strace.OPTIONS, *inject(point), "-o", EDGE_TRACE, "-p", str(lab.edge.pid)]
        tracer = lab.vps.popen("sh", "-c", f'echo $$ >{EDGE_TRACER}; exec "$@"', "sh", *command,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        status = f"/proc/{lab.edge.pid}/status"
        wait_for("strace", lambda: "TracerPid:\t0\n" not in lab.vps.run("cat", status).stdout)
        return tracer

    def detach(self, tracer):
        if tracer.poll() is None:
            lab.vps.run("sh", "-c", f"kill $(cat {EDGE_TRACER})", check=False)
            tracer.wait(timeout=10)

    def is_over(self, sent):
        return sent.is_gone

    def strike(self, point, mail):
        tracer = self.attach(point)
        try:
            sent = mail()
            wait_for("an end", lambda: tracer.poll() is not None or self.is_over(sent), 60, 0.01)
            with contextlib.suppress(subprocess.TimeoutExpired):
                tracer.wait(FAREWELL_S)
        finally:
            self.detach(tracer)
        strike = Strike(sent, *traced(point, lab.vps.read(EDGE_TRACE)))
        if strike.has_struck:       # and may not be buried yet
            wait_for("the edge's end", lambda: not lab.edge.is_running)
        if not lab.edge.is_running:
            self.start()
        return strike


class Transport(Edge):
    """A transport is struck from its first word to Postfix on: before that nothing has begun. Cases 160 to 163."""

    def begin(self):
        super().begin()
        lab.home.run("install", "-d", "-o", "_postern", HOME)
        lab.home.write(f"{HOME}/transport", WRAPPER)
        lab.home.run("chmod", "755", f"{HOME}/transport")
        self.spawn_by(f"{HOME}/transport")

    def end(self):
        self.spawn_by("/usr/libexec/postern/postern-transport")
        super().end()

    def spawn_by(self, program):
        lab.home.run("postconf", "-F", f"postern-spawn/unix/command=spawn user=_postern argv={program}")
        lab.home.reload()

    def arm(self, point=None):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(lab.home.path(f"{HOME}/trace"))
        lab.home.write(f"{HOME}/armed", " ".join(strace.OPTIONS + inject(point)))

    def strike(self, point, mail):
        self.arm(point)
        sent = mail()
        wait_for("a first attempt", lambda: sent.has_been_tried, 60, 0.01)
        return Strike(sent, *traced(point, lab.home.read(f"{HOME}/trace")))


class Both(Transport):
    """The edge, after a transport that was killed before it could tell Postfix of anything: only the journal knows. Case 169."""

    def is_over(self, sent):
        return sent.has_been_tried

    def strike(self, point, mail):
        # Its second connect() is to the log, when it has heard of the first outcome, or lost the edge.
        self.arm(Point(point.scenario, "transport", "connect", 2))
        return Edge.strike(self, point, mail)


class Tunnel(Edge):
    """The tunnel is cut after so many bytes; point.what is "up-fin", "down-rst" and so on."""

    def begin(self):
        super().begin()
        self.stack = contextlib.ExitStack()
        self.proxy = self.stack.enter_context(lab.tunnel_proxy())

    def end(self):
        self.stack.close()
        super().end()

    def tell(self, text):
        """What the proxy said until it had done so."""
        self.proxy.host.run("sh", "-c", f"echo '{text}' >{self.proxy.FIFO}")
        said = []
        while not said or f"control: {text}" not in said[-1]:
            said.append(self.proxy.process.stdout.readline())
        return "".join(said)

    def strike(self, point, mail):
        way, how = point.what.split("-")
        self.tell(f"cut-{way}={point.number} cut={how}")
        sent = mail()
        wait_for("a first attempt", lambda: sent.has_been_tried, 60, 0.01)
        said = self.tell("cut-up=-1 cut-down=-1")
        cut = re.search(r"cut \((\w+)\) after .*; (.*)", said)
        return Strike(sent, cut is not None, f"{cut[1]} at {cut[2]}" if cut else "", [])


TARGETS = {"edge": Edge, "both": Both, "transport": Transport, "tunnel": Tunnel}


# -- all points there are

def undisturbed(scenario, mail):
    """(mail, calls of the edge, calls of the transport) of a delivery that nothing happens to."""
    target = Transport(scenario)
    target.begin()
    try:
        tracer = target.attach()
        strike = target.strike(None, mail)
        wait_for("the transport's end", lambda: 'close(0)' in lab.home.read(f"{HOME}/trace"))
        target.detach(tracer)
        edge_calls = traced(None, lab.vps.read(EDGE_TRACE))[2]
    finally:
        target.end()
    return strike.mail, edge_calls, strike.calls


def call_points(scenario, target, most, first=None):
    return [Point(scenario, target, name, number) for name in strace.POINTS
            for number in range((first or {}).get(name, 1), most.get(name, 0) + 1)]


def transport_points(scenario, calls):
    """From the last call before its greeting on."""
    greeting = next(index for index, call in enumerate(calls) if call.name == "sendto")
    before = strace.counts(calls[:greeting])
    return call_points(scenario, "transport", strace.counts(calls), before)


def tunnel_points(scenario, calls):
    """At each end of what one write or read moved, and in its middle."""
    points = []
    for way, sums in strace.tunnel_bytes(calls).items():
        middles = [(before + after) // 2 for before, after in zip(sums, sums[1:])]
        points += [Point(scenario, "tunnel", f"{way}-{how}", number)
                   for number in sorted({*sums, *middles}) for how in ("fin", "rst")]
    return points
