"""Killing, hanging and feeding garbage to the policy host of MTA-STS and to the resolver: nothing is ever said in plaintext
to a destination with a known policy, nothing bounces, and what can be delivered is, at last.

What an attacker who owns the path cannot do with garbage, an honest answer may: a resolver on loopback that says, unsigned,
that there are no TLSA records, or no such domain, is believed (RFC 7672 2.1.1). So these are no cases here, for MX, A and TLSA
records. For the TXT record of a known MTA-STS policy they are.
"""
import contextlib
import re
import socket
import time

import dns_liar
from dns_liar import MX, NXDOMAIN, SERVFAIL, TLSA, TXT, DnsLiar
from harness import in_netns, lab, wait_for
from packet_watch import PacketWatch
import sts_cases
import tls_cases
from tls_checks import RuntimePolicy

# Domains with a known policy in mode enforce: {domain: (its mail host, the verdict now and ever)}.
KNOWN = dict(zip(sts_cases.RUNTIME[11:14], (
    (tls_cases.find("good.sts.example"), "sts"),
    (tls_cases.find("wrong-name.sts.example"), "sts-cert"),
    (tls_cases.find("no-starttls.sts.example"), "sts-no-tls"))))
# Hosts with usable TLSA records.
DANE = {case.domain: (case, case.verdict) for case in map(tls_cases.find, ("ee", "ee-bad", "no-starttls.tls.example"))}
SENT = ("sts", "dane")
TXT_TTL = 1     # RuntimePolicy.serve()
LONG = "version: STSv1\nmode: none\n" + "max_age: 86400\n" * 20
JUNK = bytes(range(255, -1, -1)) * 2


class UnderAttack(RuntimePolicy):
    identity = 0

    def setUp(self):
        super().setUp()
        for domain, (host, _) in KNOWN.items():
            self.policy(domain, mx=host.host)
            self.announce(domain)
        self.restart()
        self.check(KNOWN)
        for domain in KNOWN:
            self.wait_fetched(domain)
        self.start_anew()

    @staticmethod
    def wait_fetched(domain):
        wait_for(f"a fetch for {domain}", lambda: "answered" in [event["event"] for event in lab.sts_events(f"mta-sts.{domain}")])

    def announce(self, domain):
        """Serve it with an id that is new, so that its policy is to be fetched again."""
        UnderAttack.identity += 1
        self.serve(domain, f"a{self.identity}", KNOWN[domain][0])

    def restart(self):
        """Afterwards the policies in the file are looked at again when they are used."""
        lab.edge.restart()

    @staticmethod
    def start_anew():
        lab.home.empty_queue()
        lab.reset()

    # -- verdicts

    def check(self, destinations):
        """Each is delivered or stays as always."""
        outcomes = self.deliver(destinations)
        for domain, (host, verdict) in destinations.items():
            with self.subTest(domain=domain):
                self.check_verdict(host, outcomes[domain], verdict, domain)
        self.nothing_has_leaked(destinations)

    def check_stays(self, destinations):
        """All of it is deferred, and no mail host has heard of it; {domain: Outcome}."""
        outcomes = self.deliver(destinations)
        for domain, (host, _) in destinations.items():
            with self.subTest(domain=domain):
                self.check_deferred(host, outcomes[domain], r"dsn=4\.\d\.\d+, status=deferred", domain)
        self.nothing_has_leaked(destinations)
        return outcomes

    def check_recovers(self, destinations, outcomes):
        """What stayed is delivered now, unless its host is bad."""
        lab.home.flush()
        for domain, (host, verdict) in destinations.items():
            outcomes[domain].line = self.first_line(outcomes[domain].queue_id, 2)
            with self.subTest("recovers", domain=domain):
                self.check_verdict(host, outcomes[domain], verdict, domain)
        self.nothing_has_leaked(destinations)

    def nothing_has_leaked(self, destinations):
        """Of all that was done since the case, or its part, began."""
        self.assertEqual(lab.home.grep_log("status=bounced|sender non-delivery notification"), [])
        for domain, (host, verdict) in destinations.items():
            self.never_in_plaintext(host, domain)
            for event in lab.tls_events(host.domain):
                if verdict not in SENT:
                    self.assertNotIn(event["event"], ("mail", "rcpt", "data", "stored"))


class PolicyHost(UnderAttack):
    """The policies are due to be fetched again, and cannot be."""

    def attack(self, attack, waits):
        """attack: a context manager; waits: a function that is true when policies were tried in vain, or are being tried."""
        for domain in KNOWN:
            self.announce(domain)
        self.start_anew()
        with attack:
            self.restart()
            self.check(KNOWN)
            waits()
            self.start_anew()
            self.check(KNOWN)
        self.start_anew()

    @staticmethod
    def wait_failures():
        for domain in KNOWN:
            lab.vps.wait_log(rf"MTA-STS: the policy of {re.escape(domain)} could not be refreshed and holds")

    @staticmethod
    def wait_hanging():
        """Two of them at a time."""
        wait_for("connections to the policy host", lambda: len(lab.vps.run(
            "ss", "-Htn", "dport = :443").stdout.splitlines()) >= 2)

    @contextlib.contextmanager
    def behaviour(self, **does):
        for domain in KNOWN:
            lab.sts_behave(f"mta-sts.{domain}", **does)
        try:
            yield
        finally:
            for domain, (host, _) in KNOWN.items():
                self.policy(domain, mx=host.host)

    @contextlib.contextmanager
    def killed(self):
        kill(lab.sts, "/run/sts.ready")
        try:
            yield
        finally:
            lab.sts.run("rm", "/run/sts.ready")
            lab.sts.run("/opt/lab/hosts/sts.sh", "start")

    def test_without_attack(self):
        """What the others rely on: with a new id, each policy is fetched again."""
        for domain in KNOWN:
            self.announce(domain)
        self.start_anew()
        self.restart()
        self.check(KNOWN)
        for domain in KNOWN:
            self.wait_fetched(domain)

    def test_killed(self):
        self.attack(self.killed(), self.wait_failures)

    def test_frozen(self):
        """Until the attempts are given up, after half a minute each."""
        self.attack(frozen(lab.sts, pid(lab.sts, "/run/sts.ready")), self.wait_failures)

    def test_stalls(self):
        for does in ({"tls": "stall"}, {"stall": "headers"}, {"stall": "body", "body": LONG}, {"stall": "drip", "body": LONG}):
            with self.subTest(**does):
                self.attack(self.behaviour(**does), self.wait_hanging)

    def test_garbage(self):
        for does in ({"tls": "garbage"}, {"tls": "http"}, {"tls": "alert"}, {"http": "garbage"}, {"body": "mode: none\n"},
                     {"body": "version: STSv1\nmode: none\nmax_age: 86400\n", "certificate": "self"}):
            with self.subTest(**does):
                self.attack(self.behaviour(**does), self.wait_failures)


# -- the resolver

def broken(query, _):
    return [query.reply(rcode=SERVFAIL)]


def junk(query, _):
    """First what is no answer at all, then what has at least the right number."""
    return [JUNK, query.packet[:2] + JUNK, query.packet, query.reply()[:12]]


def other_question(query, _):
    return [query.reply(question=dns_liar.name("other.example") + b"\0\x01\0\x01")]


def records_missing(query, _):
    """Claims three, has none."""
    return [query.reply(count=3)]


def record_cut(query, _):
    """Longer than the message."""
    return [query.reply([dns_liar.record(query.type, b"\3\1\1", length=400)])]


def record_malformed(query, _):
    return [query.reply([dns_liar.record(query.type, b"\3")])]


def truncated(query, is_tcp):
    """Empty, and nothing better by TCP."""
    return [] if is_tcp else [query.reply(truncated=True)]


def truncated_ever(query, _):
    return [query.reply(truncated=True)]


def silent(*_):
    return []


def truth(query, _):
    """What a validating resolver of another host says."""
    def ask():
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(5)
            sock.sendto(query.packet, ("203.0.113.54", 53))
            return sock.recv(4096)
    return [in_netns("vps", ask)]


ANSWERS = (broken, junk, other_question, records_missing, record_cut, record_malformed, truncated, truncated_ever)


class Resolver(UnderAttack):
    ALL = {**KNOWN, **DANE}

    @contextlib.contextmanager
    def replaced(self, rule):
        with dead_resolver(), DnsLiar("vps", "127.0.0.1", {"example": rule, "arpa": truth}) as liar:
            yield liar

    def attack(self, attack):
        self.start_anew()
        with attack:
            self.restart()
            outcomes = self.check_stays(self.ALL)
        self.check_recovers(self.ALL, outcomes)

    def test_frozen(self):
        self.attack(frozen(lab.vps, pid(lab.vps, "/run/unbound.pid")))

    def test_killed(self):
        self.attack(dead_resolver())

    def test_garbage(self):
        """No answer makes sense."""
        for answer in (broken, junk, truncated, truncated_ever):
            with self.subTest(answer.__name__):
                self.attack(self.replaced(answer))

    def only(self, kinds, answer, names=""):
        """Garbage to questions of these types, for names with this in them; the truth to all others."""
        def rule(query, is_tcp):
            lies = query.type in kinds and names in query.name
            return (answer if lies else truth)(query, is_tcp)
        return self.replaced(rule)

    def test_garbage_for_tlsa(self):
        """All else is answered, and well: that there are TLSA records is not known, but not denied either. The one who waits
        for no TLSA record would deliver to all three."""
        for answer in (*ANSWERS, silent):
            with self.subTest(answer.__name__):
                self.start_anew()
                with self.only([TLSA], answer) as liar:
                    outcomes = self.check_stays(DANE)
                    self.assertIn(TLSA, [kind for _, kind, _ in liar.seen])
                self.check_recovers(DANE, outcomes)

    def test_garbage_for_mx(self):
        """An answer that makes no sense is not "no MX record", which would lead to the address of the domain."""
        for answer in (records_missing, record_malformed, truncated):
            with self.subTest(answer.__name__):
                self.start_anew()
                with self.only([MX], answer):
                    outcomes = self.check_stays(self.ALL)
                self.check_recovers(self.ALL, outcomes)

    def test_policy_record(self):
        """Whatever is said about the TXT record and the policy host, "there is none" included: what is known holds."""
        def absent(query, _):
            return [query.reply()]

        def unknown_name(query, _):
            return [query.reply(rcode=NXDOMAIN)]

        def withdrawn(query, _):
            text = b"v=STSv1; id=;"
            return [query.reply([dns_liar.record(TXT, bytes([len(text)]) + text)] if query.type == TXT else [])]

        kinds = (TXT, dns_liar.A, dns_liar.AAAA)
        for answer in (*ANSWERS, silent, absent, unknown_name, withdrawn):
            with self.subTest(answer.__name__):
                self.start_anew()
                with self.only(kinds, answer, "mta-sts.") as liar:
                    self.restart()
                    self.check(KNOWN)
                    for domain in KNOWN:
                        wait_for(f"a question for {domain}",
                                 lambda name=domain, seen=liar.seen: (f"_mta-sts.{name}", TXT, False) in seen)
                    self.start_anew()
                    self.check(KNOWN)


class WarmCache(UnderAttack):
    """A known policy adds no round trip to a delivery."""
    DOMAIN, (HOST, VERDICT) = next(iter(KNOWN.items()))
    WARM = {DOMAIN: (HOST, VERDICT)}

    @staticmethod
    @contextlib.contextmanager
    def nobody_answers():
        """Policy host and authoritative name server are frozen: only what the resolver knows is to be had, and it does not know
        the TXT record any more."""
        time.sleep(TXT_TTL + 0.5)
        with contextlib.ExitStack() as stack:
            stack.enter_context(frozen(lab.sts, pid(lab.sts, "/run/sts.ready")))
            for process in lab.dns.run("pgrep", "^nsd").stdout.split():
                stack.enter_context(frozen(lab.dns, process))
            yield

    def test_nothing_is_asked(self):
        """No question for the record or the policy host's address, no connection to it."""
        with self.nobody_answers(), PacketWatch("vps") as watch:
            self.check(self.WARM)
            self.assertIn(self.DOMAIN, watch.names(), "the watch sees no questions")
            self.assertEqual([name for name in watch.names() if "mta-sts" in name], [])
            self.assertEqual(watch.tcp(443), 0)
        self.assertEqual(lab.sts_events(f"mta-sts.{self.DOMAIN}"), [])

    def test_nothing_is_waited_for(self):
        """The record is to be looked at again: behind the delivery's back."""
        self.restart()
        with self.nobody_answers(), PacketWatch("vps") as watch:
            self.check(self.WARM)
            wait_for("the question", lambda: f"_mta-sts.{self.DOMAIN}" in watch.names())
            self.assertEqual(watch.tcp(443), 0)


# -- processes

def pid(host, path):
    return host.read(path).strip()


def kill(host, path):
    number = pid(host, path)
    host.run("kill", "-KILL", number)
    wait_for(f"the end of process {number} on {host.name}",
             lambda: host.run("kill", "-0", number, check=False).returncode != 0)


@contextlib.contextmanager
def frozen(host, process):
    host.run("kill", "-STOP", process)
    try:
        yield
    finally:
        host.run("kill", "-CONT", process)


@contextlib.contextmanager
def dead_resolver():
    kill(lab.vps, "/run/unbound.pid")
    try:
        yield
    finally:
        lab.vps.run("unbound", "-c", "/etc/unbound/lab.conf")
        wait_for("the resolver", lambda: "NOERROR" in lab.dig("ns.example", "A"))
