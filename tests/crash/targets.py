"""What is struck, and how: the edge, a transport, both, or the tunnel between them.

Each target has strike(point, mail): sends the mail by calling mail(), strikes, puts right what was struck, and returns a
Strike when Postfix may try again. begin() and end() enclose all points of a target. A point's `what` is a call, at which
the program is killed; or call:ERROR, which fails so. What is held instead is in held.py, the power cut in power.py.
"""
import collections
import contextlib
import itertools
import os
import re
import subprocess

from harness import lab, wait_for
from mail import Mail, SCENARIOS
import rows
import strace

Point = collections.namedtuple("Point", "scenario target what number")
# mail; whether it struck at all; where, in words; the calls of what was struck; the call at which it was; what is wrong
# with it already; the row of the catalogue; which windows may double (None: those that are open).
Strike = collections.namedtuple("Strike", "mail has_struck where calls struck faults row is_open", defaults=(None, (), "", None))

EDGE_CONF = "/etc/postern/edge.conf"
EDGE_TRACE = "/run/crash.trace"
EDGE_TRACER = "/run/crash.pid"
HOME = "/run/crash"
# How long an edge has things to do after Postfix has heard enough.
FAREWELL_S = 0.2
WARM = itertools.count(1)
WRAPPER = f"""#!/bin/sh
# Postfix's spawn(8) starts this instead of the transport. What is armed holds for one transport.
if mv {HOME}/armed {HOME}/taken 2>/dev/null; then
	exec strace -o {HOME}/trace $(cat {HOME}/taken) /usr/libexec/postern/postern-transport
fi
exec /usr/libexec/postern/postern-transport
"""


def inject(point):
    """strace's options for a point; without one, everything is shown that could be one."""
    if point is None:
        return strace.WIDE_OPTIONS
    call, _, error = point.what.partition(":")
    if error:
        return strace.WIDE_OPTIONS + ["-e", f"inject={call}:error={error}:when={point.number}"]
    return strace.OPTIONS + ["-e", f"inject={call}:signal=KILL:when={point.number}"]


def is_loading(calls, struck):
    """The last call, and no file but libraries was opened yet: it is the C library's loader, which does not look whether it got memory
    for the program's first thread (mmap of two pages), and ends then."""
    return calls[-1] is struck and struck.name == "mmap" and \
        all(".so" in call.arguments for call in calls if call.name == "openat")


def traced(point, mail, text, servers=None):
    """The Strike that a trace shows. servers: as strace.parse() has it."""
    calls, killed = strace.parse(text, servers)
    if point and ":" in point.what:
        struck = next((call for call in calls if call.is_injected), None)
        faults = (f"killed by SIG{killed}",) if killed and not (struck and is_loading(calls, struck)) else ()
    else:
        struck = strace.nth(calls, point.what, point.number) if killed and point else None
        faults = (f"killed by SIG{killed}",) if killed not in ("", "KILL") else ()
    return Strike(mail, struck is not None, struck.label if struck else "", calls, struck, faults)


class Edge:
    """The edge runs as always; strace is attached before the mail is sent, so its start is not counted. Cases 164 to 169."""

    def __init__(self, scenario):
        self.scenario = scenario
        self.servers = {}
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

    def options(self, point):
        return inject(point)

    def prepare(self):
        """Before a strike: what the edge keeps from one mail to the next is there, if the scenario says so."""
        if not SCENARIOS[self.scenario].is_warm:
            return
        mail = Mail(f"warm{next(WARM)}", self.scenario)
        mail.finish()
        self.servers = wait_for("a connection that is kept", self.connections, interval=0.01)

    def connections(self):
        """{descriptor: address} of the edge's connections to mail hosts."""
        lines = lab.vps.run("ss", "-Htnp", "state", "established", "dst", ":25").stdout.splitlines()
        return {int(re.search(r"fd=(\d+)", line)[1]): line.split()[3].rpartition(":")[0].strip("[]") for line in lines}

    def attach(self, point=None):
        command = ["strace", *self.options(point), "-o", EDGE_TRACE, "-p", str(lab.edge.pid)]
        tracer = lab.vps.popen("sh", "-c", f'echo $$ >{EDGE_TRACER}; exec "$@"', "sh", *command,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        status = f"/proc/{lab.edge.pid}/status"
        wait_for("strace", lambda: "TracerPid:\t0\n" not in lab.vps.run("cat", status).stdout)
        return tracer

    def detach(self, tracer):
        if tracer.poll() is None:
            lab.vps.run("sh", "-c", f"kill $(cat {EDGE_TRACER})", check=False)
        try:
            tracer.wait(timeout=10)
        except subprocess.TimeoutExpired:
            # It may wait for ever for a thread of a program that was just killed; what it traced goes on without it.
            lab.vps.run("sh", "-c", f"kill -KILL $(cat {EDGE_TRACER})", check=False)
            tracer.wait(timeout=10)

    def is_over(self, sent):
        return sent.is_gone

    def revive(self):
        """The edge is dead, and shall live."""
        self.start()

    def strike(self, point, mail):
        tracer = self.attach(point)
        try:
            sent = mail()
            wait_for("an end", lambda: tracer.poll() is not None or self.is_over(sent), interval=0.01)
            with contextlib.suppress(subprocess.TimeoutExpired):
                tracer.wait(FAREWELL_S)
        finally:
            self.detach(tracer)
        strike = traced(point, sent, lab.vps.read(EDGE_TRACE), self.servers)
        if strike.has_struck:       # and may not be buried yet
            wait_for("the edge's end", lambda: not lab.edge.is_running)
        if not lab.edge.is_running:
            self.revive()
        return strike._replace(row=rows.of_edge(strike))


class EdgeError(Edge):
    """A call of the edge fails; it goes on, and what it could not remember it does not deliver (case 171)."""

    def is_over(self, sent):
        return sent.has_been_tried

    def strike(self, point, mail):
        pid = lab.edge.pid
        tracer = self.attach(point)
        try:
            sent = mail()
            wait_for("a first attempt", lambda: self.is_over(sent), interval=0.01)
        finally:
            self.detach(tracer)
        strike = traced(point, sent, lab.vps.read(EDGE_TRACE), self.servers)
        faults = list(strike.faults)
        if not lab.edge.is_running or lab.edge.pid != pid:
            faults.append("the edge is gone")
            self.start()
        is_journal = strike.struck is not None and strike.struck.role == "journal"
        if is_journal and not point.what.endswith("EINTR") and strace.is_of_intent(strike.calls, strike.struck) \
                and not sent.home_lines(r"to=<.*, relay=.*dsn=4\.3\.1,.*status=deferred"):
            faults.append("no 4.3.1")
        return strike._replace(faults=tuple(faults), row="171" if is_journal else "")


class Transport(Edge):
    """A transport is struck from its first word to Postfix on: before that nothing has begun. Cases 160 to 163.

    sends_to_end: how many writes into the tunnel end with END, by scenario.
    """

    sends_to_end = {}

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
        lab.home.write(f"{HOME}/armed", " ".join(self.options(point)))

    def strike(self, point, mail):
        self.arm(point)
        sent = mail()
        wait_for("a first attempt", lambda: sent.has_been_tried, interval=0.01)
        strike = traced(point, sent, lab.home.read(f"{HOME}/trace"))
        return strike._replace(row=rows.of_transport(strike, self.sends_to_end.get(point.scenario, 0) if point else 0))


class TransportError(Transport):
    """A call of the transport fails, from the one on that opens its configuration."""

    def strike(self, point, mail):
        return super().strike(point, mail)._replace(row="")


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
        wait_for("a first attempt", lambda: sent.has_been_tried, interval=0.01)
        said = self.tell("cut-up=-1 cut-down=-1")
        cut = re.search(r"cut \((\w+)\) after .*; (.*)", said)
        return Strike(sent, cut is not None, f"{cut[1]} at {cut[2]}" if cut else "", [])
