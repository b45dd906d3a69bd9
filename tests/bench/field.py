"""What benchmarks share: sinks for 200 domains in a network of their own, the load generator, what processes cost.

Everything runs in the lab (tests/lab); `into_the_lab()` goes there. The mail exchangers are one process (sink.c) with 224 addresses
behind the lab's router; domains are dNNN.bench.example and so on, see zone().
"""
import contextlib
import glob
import json
import os
import re
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.realpath(__file__))
PROJECT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(PROJECT, "tests", "e2e"))
from harness import lab  # noqa: E402

PROGRAMS = os.environ.get("BENCH_PROGRAMS") or os.path.join(os.environ["POSTERN_BUILD"], "tests", "bench")
EDGE = "198.51.100.20:7843"
KEY = "/var/lib/postern/transport.key"
DOMAINS = 200
# Of 192.0.2.0/24 that of home is 192.0.2.10; the sinks have .32 to .255.
NETWORKS = ("192.0.2.32/27", "192.0.2.64/26", "192.0.2.128/25")
FIRST_ADDRESS, TARPITS = 32, 20
TARPIT_ADDRESS = f"192.0.2.{FIRST_ADDRESS + DOMAINS}"
# Quick: does it work at all?
QUICK = bool(os.environ.get("QUICK"))


def say(text):
    print(text, file=sys.stderr, flush=True)


def ip(*arguments):
    subprocess.run(["ip", *arguments], check=True)


def zone():
    """DNNN.bench.example and DNNN.WAY.bench.example, whose mail the mail host sends another way each; tNNN is a tarpit."""
    lines = []
    for number in range(1, DOMAINS + 1):
        lines.append(f"mx{number:03} A 192.0.2.{FIRST_ADDRESS + number - 1}")
        lines += [f"d{number:03}{way} MX 10 mx{number:03}" for way in ("", ".p", ".d", ".r", ".c")]
    for number in range(1, TARPITS + 1):
        lines.append(f"mt{number:03} A 192.0.2.{FIRST_ADDRESS + DOMAINS + number - 1}")
        lines += [f"t{number:03}{way} MX 10 mt{number:03}" for way in ("", ".p", ".d", ".r", ".c")]
    return "\n".join(lines) + "\n"


class Sink:
    """All mail exchangers: one process in a network namespace of its own."""

    NAME = "bench-mx"

    def __init__(self):
        ip("netns", "add", self.NAME)
        ip("link", "add", self.NAME, "type", "veth", "peer", "name", "eth0", "netns", self.NAME)
        ip("link", "set", self.NAME, "up")
        ip("addr", "add", "192.0.2.1/32", "dev", self.NAME)
        ip("-n", self.NAME, "link", "set", "lo", "up")
        ip("-n", self.NAME, "link", "set", "eth0", "up")
        ip("-n", self.NAME, "addr", "add", "192.0.2.32/32", "dev", "eth0")
        ip("-n", self.NAME, "route", "add", "default", "via", "192.0.2.1", "dev", "eth0", "onlink")
        for network in NETWORKS:
            ip("route", "add", network, "dev", self.NAME)
            ip("-n", self.NAME, "route", "add", "local", network, "dev", "lo")
        lab.zone("bench.example", zone())
        certificate = self.certificate()
        self.process = subprocess.Popen(["nsenter", f"--net=/run/netns/{self.NAME}", os.path.join(PROGRAMS, "sink"), "25", certificate],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.reset()

    @staticmethod
    def certificate():
        path = "/run/bench-mx.pem"
        key = subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "3", "-subj",
                              "/CN=sink.bench.example", "-keyout", "-", "-out", "-"], capture_output=True, text=True, check=True).stdout
        with open(path, "w", encoding="ascii") as file:
            file.write(key)
        return path

    def command(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def reset(self):
        return self.command("reset")

    def starttls(self, is_on):
        self.command("starttls on" if is_on else "starttls off")

    def tarpit(self, count, delay_ms):
        """tNNN.bench.example."""
        self.command(f"tarpit {TARPIT_ADDRESS} {count} {delay_ms} all" if count else "tarpit 0 0 0 0")

    def slow_dots(self, delay_ms):
        """All of dNNN.bench.example are slow with the answer that matters."""
        self.command(f"tarpit 192.0.2.{FIRST_ADDRESS} {DOMAINS} {delay_ms} dot" if delay_ms else "tarpit 0 0 0 0")

    def wait(self, count, seconds):
        return self.command(f"wait {count} {seconds}")

    def counts(self):
        return self.wait(0, 0)

    def records(self):
        """(number, kind, domain, sent, arrived) of each, times in microseconds."""
        path = "/run/bench-mx.records"
        self.command(f"records {path}")
        with open(path, encoding="ascii") as file:
            rows = [line.split() for line in file]
        return [(int(row[0]), row[1], int(row[2]), int(row[3]), int(row[4])) for row in rows]


class Load:
    """load.c in a network namespace: home, as a mail host's transport, or "." for the router's."""

    numbers = 0

    @classmethod
    def start(cls, way, *options, messages, where="home"):
        first, cls.numbers = cls.numbers + 1, cls.numbers + messages
        enter = ["nsenter", f"--net=/run/netns/{where}"] if where != "." else []
        return subprocess.Popen([*enter, os.path.join(PROGRAMS, "load"), *way, "-n", str(messages), "-i", str(first), *map(str, options)],
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    @staticmethod
    def wait_open(process):
        """With "-b": all its sessions are open, and it waits."""
        assert process.stdout.readline() == "open\n"

    @staticmethod
    def begin(process):
        process.stdin.write("\n")
        process.stdin.flush()

    @staticmethod
    def result(process, timeout=600):
        output, _ = process.communicate(timeout=timeout)
        assert process.returncode == 0, output
        return json.loads(output)

    @classmethod
    def run(cls, way, *options, messages, where="home"):
        return cls.result(cls.start(way, *options, messages=messages, where=where))


def to_edge():
    with open(lab.vps.path("/srv/lab/edge.vps.example.pub"), encoding="ascii") as file:
        public = file.read().strip()
    return ["tunnel", EDGE, public, lab.home.path(KEY)]


def to_smtp(endpoint):
    return ["smtp", endpoint]


# ---- what processes cost ----

class Processes:
    """Those of one host whose names match; they may come and go."""

    def __init__(self, host, pattern):
        self.namespace = os.readlink(f"/proc/{host.anchor}/ns/pid_for_children")
        self.pattern = re.compile(pattern)

    def pids(self):
        found = []
        for path in glob.glob("/proc/[0-9]*"):
            with contextlib.suppress(OSError):
                with open(path + "/comm", encoding="utf-8") as file:
                    name = file.read().strip()
                if self.pattern.fullmatch(name) and os.readlink(path + "/ns/pid") == self.namespace:
                    found.append(int(path[6:]))
        return found

    def cpu_s(self):
        """User and system time, that of ended children included; what the kernel does for packets is mostly in it, as they go by veth(4)."""
        total = 0.0
        for pid in self.pids():
            with contextlib.suppress(OSError):
                total += time.clock_gettime((~pid << 3) | 2)
                with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
                    fields = file.read().rpartition(")")[2].split()
                total += (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")
        return total

    def kb(self, field, file="smaps_rollup"):
        """Of all of them together: Pss, Private_Dirty, or VmHWM with file="status"."""
        total = 0
        for pid in self.pids():
            with open(f"/proc/{pid}/{file}", encoding="utf-8") as text:
                total += int(re.search(rf"^{field}:\s+(\d+)", text.read(), re.M)[1])
        return total


EDGE_NAMES = "postern-edge"
# All that belongs to a Postfix.
POSTFIX_NAMES = "master|smtpd|smtp|lmtp|qmgr|cleanup|trivial-rewrite|anvil|tlsmgr|scache|bounce|proxymap|pickup|postscreen|tlsproxy|verify|flush|local|spawn"


# ---- the hosts ----

def on_disk(host, path, name):
    """A directory of a host lies on the machine's disk, as it would; the lab's lie in memory."""
    place = f"/srv/project/build/bench/{name}"
    host.run("sh", "-ec", f"mount -o remount,bind,rw /srv/project; rm -rf {place}; mkdir -p $(dirname {place}); cp -a {path} {place}; "
                          f"mount --bind {place} {path}")


def configure_edge(**settings):
    """edge.conf anew, and a start; settings as libconfig writes them."""
    lines = {"ehlo_name": '"edge.vps.example"', "key_file": '"/var/lib/postern/edge.key"', "journal_size": '"64M"', **settings}
    lab.vps.write("/etc/postern/edge.conf", "".join(f"{name} = {value};\n" for name, value in lines.items()))
    lab.edge.restart()


# ---- long lines ----

class Lines:
    """Round trips: so many milliseconds between home and the internet, so many between the mail exchangers and the internet. Packets
    are delayed (delay.c), half of it in each direction. Not those of the DNS: a mail host has a resolver of its own that caches."""

    HOME, SINKS, DNS = "192.0.2.10/32", NETWORKS, ("203.0.113.53/32", "203.0.113.54/32", "203.0.113.67/32")

    def __init__(self, home_ms, sinks_ms):
        self.processes, self.rules = [], []
        if home_ms:
            subprocess.run(["sysctl", "-qw", "net.ipv4.conf.all.rp_filter=0", "net.ipv4.conf.default.rp_filter=0"], check=True)
            self.device("line-home", home_ms / 2, "101")
            self.device("line-sinks", sinks_ms / 2, "102")
            self.lead()

    def device(self, name, delay_ms, table):
        process = subprocess.Popen([os.path.join(PROGRAMS, "delay"), name, str(delay_ms)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert process.stdout.readline() == "ready\n"
        self.processes.append(process)
        subprocess.run(["sysctl", "-qw", f"net.ipv4.conf.{name}.rp_filter=0"], check=True)
        ip("link", "set", name, "up", "txqueuelen", "20000")
        ip("route", "add", "default", "dev", name, "table", table)

    def rule(self, *rule):
        ip("rule", "add", "priority", str(1000 + len(self.rules)), *rule)
        self.rules.append(str(1000 + len(self.rules)))

    def lead(self):
        for server in self.DNS:
            self.rule("to", server, "lookup", "main")
            self.rule("from", server, "lookup", "main")
        for network in self.SINKS:
            self.rule("iif", "line-home", "to", network, "lookup", "102")
        self.rule("iif", "line-home", "lookup", "main")
        self.rule("iif", "line-sinks", "to", self.HOME, "lookup", "101")
        self.rule("iif", "line-sinks", "lookup", "main")
        self.rule("iif", "home", "lookup", "101")
        self.rule("iif", Sink.NAME, "lookup", "102")
        self.rule("to", self.HOME, "lookup", "101")
        for network in self.SINKS:
            self.rule("to", network, "lookup", "102")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for priority in self.rules:
            ip("rule", "del", "priority", priority)
        for process in self.processes:
            process.communicate()
