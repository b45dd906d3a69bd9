"""What is held: the program is stopped (SIGSTOP) after a call, something is done, and it goes on (SIGCONT).

A point's `what` is call:DEED. The deeds are signals, a long stop, and what happens meanwhile to Postfix or to the server.
"""
import os
import time

from harness import lab, wait_for
import strace
import targets

# Longer than the deadlines of IMPATIENCE.
LONG_S = 3
PATIENCE = {"lmtp_data_done_timeout": "1020s"}
IMPATIENCE = {f"lmtp_{name}_timeout": "1s" for name in ("lhlo", "xforward", "mail", "rcpt", "data_init", "data_xfer", "data_done", "rset", "quit")}
IMPATIENT_EDGE = 'wait_limit = "1s";\n'
SPAWNED = "postern-transpo"
# A server process of Postfix that is killed in its first request is not started again for this long.
THROTTLE_S = 1


def kill(host, name):
    host.run("pkill", "-KILL", "-x", name, check=False)


def kill_spawn():
    kill(lab.home, "spawn")
    time.sleep(THROTTLE_S)


def postfix_runs():
    return bool(lab.home.run("pgrep", "-x", "master", check=False).stdout)


def stop_postfix():
    lab.home.run("postfix", "stop")


def kill_postfix():
    """As when the machine goes down, but for what is on the disk."""
    lab.home.run("sh", "-c", "kill -KILL $(cat /var/spool/postfix/pid/master.pid); "
                 "pkill -KILL -x 'lmtp|qmgr|spawn|smtpd|cleanup|bounce|trivial-rewrite|pickup|anvil'; pkill -KILL -x postern-transpo; exit 0")
    wait_for("Postfix is gone", lambda: not postfix_runs())


def kill_server():
    mx = lab.mx["mx-hostile"]
    mx.run("sh", "-c", "rm -f /run/hostile.ready; pkill -KILL -f '[h]ostile_mx.py'; exit 0")
    mx.run("/opt/lab/hosts/mx-hostile.sh", "start")


DEEDS = {
    "STOP": lambda: time.sleep(LONG_S),
    "LMTP": lambda: kill(lab.home, "lmtp"),
    "QMGR": lambda: kill(lab.home, "qmgr"),
    "SPAWN": kill_spawn,
    "POSTFIX-STOP": stop_postfix,
    "POSTFIX-KILL": kill_postfix,
    "MX": kill_server,
}
SIGNALS = ("TERM", "HUP", "PIPE")
ROWS = {"MX": "173", "STOP": "177"} | dict.fromkeys(SIGNALS, "177")


def hold(point):
    """strace's options."""
    return strace.OPTIONS + ["-e", f"inject={point.what.split(':')[0]}:signal=STOP:when={point.number}"]


def impatient(settings):
    for name, value in settings.items():
        lab.home.run("postconf", "-P", f"postern/unix/{name}={value}")


class Held:
    """What both have in common: a program is stopped at a point, and what happens to it or around it then is the deed.

    Case 172: Postfix and its processes are killed or stopped; case 173: the server is killed; case 177: signals, and stops that last.
    """

    def is_stopped(self, host, trace):
        return os.path.exists(host.path(trace)) and strace.STOPPED in host.read(trace)

    def wait_held(self, host, trace, sent):
        """Whether it was stopped, when it was or the first attempt is over without."""
        wait_for("a stop or an end", lambda: self.is_stopped(host, trace) or sent.is_gone or sent.home_lines("to=.*status=deferred"), interval=0.01)
        return self.is_stopped(host, trace)

    def go_on(self, host, pids, deed):
        """Does the deed to what is stopped, and lets it go on."""
        if deed in SIGNALS:
            host.run("kill", f"-{deed}", *pids, check=False)
        else:
            DEEDS[deed]()
        host.run("kill", "-CONT", *pids, check=False)

    def result(self, point, sent, is_held, text, row):
        calls, killed = strace.parse(text, self.servers)
        call, _, deed = point.what.partition(":")
        struck = strace.nth(calls, call, point.number) if is_held else None
        # Of these the transport dies as it should: it is Postfix's child, and has nothing to put in order.
        is_expected = killed in ("", "TERM", "HUP", "KILL") and (killed != "KILL" or deed == "POSTFIX-KILL")
        faults = () if is_expected else (f"killed by SIG{killed}",)
        return targets.Strike(sent, is_held, struck.label if struck else "", calls, struck, faults, row)


class HeldEdge(Held, targets.Edge):
    def __init__(self, scenario):
        super().__init__(scenario)
        self.settings += IMPATIENT_EDGE

    def begin(self):
        impatient(IMPATIENCE)
        lab.home.reload()
        super().begin()

    def end(self):
        impatient(dict.fromkeys(IMPATIENCE, "60s") | PATIENCE)
        lab.home.reload()
        super().end()

    def strike(self, point, mail):
        deed = point.what.partition(":")[2]
        pid = lab.edge.pid
        tracer = self.attach(point)
        try:
            sent = mail()
            is_held = self.wait_held(lab.vps, targets.EDGE_TRACE, sent)
            self.go_on(lab.vps, [str(pid)], deed)
            self.wait(pid, "a first attempt", lambda: sent.has_been_tried)
            if deed == "TERM" and is_held:
                self.wait(pid, "an orderly end", lambda: not lab.edge.is_running)
        finally:
            self.detach(tracer)
            # A thread may have come to the point in the last moment; no other will.
            lab.vps.run("kill", "-CONT", str(pid), check=False)
        strike = self.result(point, sent, is_held, lab.vps.read(targets.EDGE_TRACE), ROWS[deed] if is_held else "")
        if not lab.edge.is_running:
            if deed != "TERM":
                strike = strike._replace(faults=(*strike.faults, "the edge is gone"))
            self.start()
        return strike

    def wait(self, pid, what, function):
        """Each thread of the edge comes to the point, and stops the others again."""
        def is_so():
            lab.vps.run("kill", "-CONT", str(pid), check=False)
            return function()

        wait_for(what, is_so, interval=0.05)

    def options(self, point):
        return hold(point)


class HeldTransport(Held, targets.Transport):
    def begin(self):
        impatient(IMPATIENCE)
        lab.home.run("postconf", "-e", f"service_throttle_time = {THROTTLE_S}s")
        super().begin()

    def end(self):
        impatient(dict.fromkeys(IMPATIENCE, "60s") | PATIENCE)
        lab.home.run("postconf", "-X", "service_throttle_time")
        super().end()

    def options(self, point):
        return hold(point)

    def strike(self, point, mail):
        deed = point.what.partition(":")[2]
        trace = f"{targets.HOME}/trace"
        self.arm(point)
        sent = mail()
        is_held = self.wait_held(lab.home, trace, sent)
        if is_held:
            self.go_on(lab.home, lab.home.run("pgrep", "-x", SPAWNED).stdout.split(), deed)
        if not postfix_runs():
            lab.home.run("postfix", "start")
        text = lab.home.read(trace) if os.path.exists(lab.home.path(trace)) else ""
        return self.result(point, sent, is_held, text, ROWS.get(deed, "172") if is_held else "")
