"""Strangers by the thousand, from many networks: tests/tools/stranger_load.c on the lab's router, and what they cost the edge."""
import contextlib
import glob
import json
import os
import re
import subprocess
import time

import tunnel_peer
from harness import lab

PROGRAM = os.path.join(os.environ["POSTERN_BUILD"], "tests/tools/stranger_load")
EDGE4, EDGE6 = "198.51.100.20", "2001:db8:2::20"
SOURCES = (("-4", "198.18.0.0/15"), ("-6", "2001:db8:ff00::/40"))
# What comes in by itself from the internet, and from those who took the trouble to learn the edge's key or listened.
GARBAGE = "http,tls,random,mac1,unknown,replay"


@contextlib.contextmanager
def sources():
    """The router answers for all the networks that the strangers come from."""
    for family, network in SOURCES:
        subprocess.run(["ip", family, "route", "replace", "local", network, "dev", "lo"], check=True)
    try:
        yield
    finally:
        for family, network in SOURCES:
            subprocess.run(["ip", family, "route", "del", "local", network, "dev", "lo"], check=False)


def start(kinds, count, rate, held, seconds):
    """Runs at the side; stdout is a line of JSON at the end (result())."""
    return subprocess.Popen(["nice", "-n", "5", PROGRAM, EDGE4, EDGE6, "7843", tunnel_peer.text_of(tunnel_peer.edge_public()), kinds,
                             str(count), str(rate), str(held), str(seconds), lab.home.path("/var/lib/postern/transport.key")],
                            stdout=subprocess.PIPE, text=True)


def result(process):
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 0, output
    return json.loads(output)


class EdgeProcesses:
    """What the edge's processes use, those of keeper and worker together."""

    def __init__(self):
        inside = set(lab.vps.run("pgrep", "-x", "postern-edge").stdout.split())
        self.pids = []
        namespace = os.readlink(f"/proc/{lab.vps.anchor}/ns/pid_for_children")
        for path in glob.glob("/proc/[0-9]*/status"):
            with contextlib.suppress(OSError):
                with open(path, encoding="ascii") as file:
                    match = re.search(r"^NSpid:.*\t(\d+)$", file.read(), re.M)
                if match and match[1] in inside and os.readlink(path.replace("status", "ns/pid")) == namespace:
                    self.pids.append(int(path.split("/")[2]))
        assert len(self.pids) == len(inside), (self.pids, inside)

    def cpu_s(self):
        """CPU time of all threads, also of those that have ended; the kernel's part on their behalf is in it."""
        return sum(time.clock_gettime((~pid << 3) | 2) for pid in self.pids)

    def status(self, field):
        total = 0
        for pid in self.pids:
            with open(f"/proc/{pid}/status", encoding="ascii") as file:
                total += int(re.search(rf"^{field}:\s+(\d+)", file.read(), re.M)[1])
        return total

    def threads(self):
        return self.status("Threads")

    def resident_kb(self):
        return self.status("VmRSS")

    def peak_kb(self):
        return self.status("VmHWM")

    def reset_peak(self):
        for pid in self.pids:
            with open(f"/proc/{pid}/clear_refs", "w", encoding="ascii") as file:
                file.write("5")


def held():
    """(connections that the edge has accepted, bytes in their kernel buffers)"""
    text = lab.vps.run("ss", "-HtnpmO", "sport = :7843").stdout
    lines = [line for line in text.splitlines() if "postern-edge" in line]
    memory = 0
    for line in lines:
        match = re.search(r"skmem:\(r(\d+),rb\d+,t(\d+),tb\d+,f(\d+),w(\d+),o(\d+),bl(\d+)", line)
        memory += sum(map(int, match.groups())) if match else 0
    return len(lines), memory


class Deliveries:
    """A mail host's own road: postern-transport, a new process and a new tunnel for each message, as spawn(8) runs it."""

    SCRIPT = "LHLO mail.home.example\r\nMAIL FROM:<anna@home.example>\r\nRCPT TO:<you@sink.example>\r\nDATA\r\n"
    MESSAGE = "From: anna@home.example\r\nSubject: measured\r\n\r\n" + "x" * 70 + "\r\n.\r\nQUIT\r\n"

    def __init__(self):
        self.seconds, self.refused = [], []

    def one(self):
        """Seconds from the start of the transport to its answer to the final dot."""
        process = lab.home.popen("setpriv", "--reuid", "_postern", "--regid", "_postern", "--init-groups",
                                 "/usr/libexec/postern/postern-transport", stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                 stderr=subprocess.DEVNULL, text=True)
        began = time.monotonic()
        answers, seconds = [], None
        try:
            process.stdin.write(self.SCRIPT)
            process.stdin.flush()
            for line in process.stdout:
                answers.append(line.strip())
                if line.startswith("354"):
                    began = self.opened
                    process.stdin.write(self.MESSAGE)
                    process.stdin.flush()
                elif len([answer for answer in answers if re.match(r"\d{3} ", answer)]) == 1:
                    self.opened = time.monotonic()
                elif line.startswith("221"):
                    break
                elif "354" in [answer[:3] for answer in answers] and re.match(r"\d{3} ", line):
                    seconds = time.monotonic() - began
        except BrokenPipeError:
            pass
        process.stdin.close()
        process.stdout.close()
        process.wait(60)
        if seconds is None or not any(answer.startswith("250 2.0.0") for answer in answers):
            self.refused.append(" / ".join(answers[-3:]))
        else:
            self.seconds.append(seconds)

    def run(self, count):
        for _ in range(count):
            self.one()
        return self

    def quantile_ms(self, share):
        ordered = sorted(self.seconds)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1000
