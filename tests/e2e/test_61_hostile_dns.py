"""Hostile and broken DNS, catalogue cases 40 to 54: what test_10 does not show already.

Some answers come from zones, through the validating resolver; those that no honest name server gives come from
dns_liar.py, once through the resolver and once with the edge asking it directly.
"""
import re

import dns_liar
from dns_liar import A, MX, SERVFAIL, DnsLiar
from harness import Case, lab

MESSAGE = b"From: anna@home.example\r\nSubject: where to\r\n\r\nhello\r\n"
EDGE_CONF = "/etc/postern/edge.conf"
LIAR = "203.0.113.20"       # on the host mx-hostile
# Addresses of the same host that belong to no script: connections are accepted and closed.
CLOSING = [f"203.0.113.{number}" for number in range(225, 255)]


def passive_opens():
    """TCP connections that the host mx-hostile has taken so far."""
    names, values = [line.split() for line in lab.mx["mx-hostile"].run("cat", "/proc/net/snmp").stdout.splitlines()
                     if line.startswith("Tcp:")]
    return int(values[names.index("PassiveOpens")])


class Dns(Case):
    def deliver(self, *domains):
        """{domain: Postfix's line}, for one message to all of them."""
        queue_id = lab.home.inject("anna@home.example", [f"you@{domain}" for domain in domains], MESSAGE)
        lines = lab.home.wait_log(rf"postfix/lmtp.*{queue_id}: to=.*status=", count=len(domains))
        return {re.search("to=<you@(.*?)>", line).group(1): line for line in lines}

    def check(self, rows):
        """rows: {domain: pattern}"""
        lines = self.deliver(*rows)
        for domain, pattern in rows.items():
            with self.subTest(domain=domain):
                self.assertRegex(lines[domain], pattern)

    def test_aliases(self):
        """Cases 40 and 41: a chain of three is followed, a loop and a chain of 20 are not; an MX that is an alias is."""
        self.check({"www.cname.example": "status=sent", "three.cname.example": "status=sent",
                    "loop.cname.example": r"dsn=4\.4\.3, status=deferred", "loop-mx.cname.example": r"dsn=4\.4\.3, status=deferred",
                    "long.cname.example": r"dsn=4\.4\.3, status=deferred",
                    "cname-mx.example": r"status=sent .*alias\.cname-mx\.example\[.*queued as"})

    def test_null_mx_beside_another(self):
        """Case 42."""
        self.check({"nullmx-beside.example": r"status=sent .*mx\.postfix\.example\["})

    def test_many_addresses(self):
        """Case 44: 30 MX, or one with 30 addresses; at most 20 are tried."""
        lab.zone("thirty.example", "".join(f"@ MX 10 m{i}\nm{i} A {address}\n" for i, address in enumerate(CLOSING)) +
                 "one MX 10 m.one\n" + "".join(f"m.one A {address}\n" for address in CLOSING))
        try:
            for domain, tried in (("thirty.example", 20), ("one.thirty.example", 10)):
                with self.subTest(domain=domain):
                    before = passive_opens()
                    self.check({domain: r"dsn=4\.4\.2, status=deferred .*lost connection while receiving the initial"})
                    self.assertEqual(passive_opens() - before, tried)
        finally:
            lab.unzone("thirty.example")

    def test_private_addresses(self):
        """Case 52: refused at connect time, in every form; the edge's own addresses too."""
        addresses = {"zero": "0.0.0.0", "loopback": "127.0.0.1", "loopback2": "127.1.2.3", "ten": "10.0.0.1", "twelve": "172.16.0.1",
                     "sixteen": "192.168.0.1", "cgnat": "100.64.0.1", "metadata": "169.254.169.254", "multicast": "224.0.0.1",
                     "broadcast": "255.255.255.255", "own": "198.51.100.20", "v6-loopback": "::1", "v6-any": "::",
                     "mapped": "::ffff:10.0.0.1", "mapped-loopback": "::ffff:127.0.0.1", "mapped-own": "::ffff:198.51.100.20",
                     "compatible": "::10.0.0.1", "nat64": "64:ff9b::a00:1", "nat64-local": "64:ff9b:1::a00:1",
                     "6to4": "2002:a00:1::1", "ula": "fd00::1", "link-local": "fe80::1", "v6-multicast": "ff02::1",
                     "v6-own": "2001:db8:2::20"}
        lab.zone("inside.example", "".join(f"{name} MX 10 m.{name}\nm.{name} {'AAAA' if ':' in address else 'A'} {address}\n"
                                           for name, address in addresses.items()))
        try:
            own = {"own", "mapped-own", "v6-own"}
            self.check({f"{name}.inside.example": r"dsn=5\.4\.4, status=bounced .*address refused: " +
                        ("an address of this machine" if name in own else "") for name in addresses})
        finally:
            lab.unzone("inside.example")

    # -- answers that change

    def changing(self, label, *addresses):
        """Rules: the host's address is another one at each question, the last of these from then on."""
        left = list(addresses)

        def rule(query, is_tcp):
            if query.type != A:
                return [query.reply()]
            return [query.reply([dns_liar.a(left.pop(0) if len(left) > 1 else left[0], ttl=0)])]
        exchange = dns_liar.mx(10, dns_liar.name(f"mx.{label}.liar.example"), ttl=0)
        return {f"mx.{label}.liar.example": rule, f"{label}.liar.example": lambda query, _: [query.reply([exchange] if query.type == MX else [])]}

    def test_rebinding(self):
        """Case 53: an address is asked for once, judged, and connected to; what the DNS says later is for the next attempt."""
        inside = ["127.0.0.1", "10.0.0.1", "198.51.100.20"]
        public = {script: lab.dig("+short", f"mx.{script.replace('_', '-')}.hostile.example", "A").strip()
                  for script in ("case16a_starttls_454", "case00a_honest")}
        rules = {**self.changing("turns", public["case16a_starttls_454"], *inside),     # two connections: TLS fails, then cleartext
                 **self.changing("returns", "127.0.0.1", public["case00a_honest"]),
                 "liar.example": lambda query, _: [query.reply()]}
        saved = lab.vps.read(EDGE_CONF)
        try:
            with DnsLiar("mx-hostile", LIAR, rules) as liar:
                lab.vps.write(EDGE_CONF, saved + f'resolvers = [ "{LIAR}" ];\nipv6 = "off";\n')
                lab.edge.restart()
                self.check({"turns.liar.example": "status=sent .*250 2.0.0 Taken"})
                asked = [name for name, kind, _ in liar.seen if kind == A]
                self.assertEqual(asked, ["mx.turns.liar.example"])
                connections = [event for event in lab.hostile("case16a_starttls_454") if event["event"] == "connect"]
                self.assertEqual(len(connections), 2)
                refused = r"dsn=5\.4\.4, status=bounced .*address refused: "
                for _ in inside:
                    self.check({"turns.liar.example": refused})
                self.check({"returns.liar.example": refused})
                connections = [event for event in lab.hostile("case00a_honest") if event["event"] == "connect"]
                self.assertEqual(connections, [])       # the end of one from before may still be told of
                self.check({"returns.liar.example": "status=sent .*250 2.0.0 Taken"})
        finally:
            lab.vps.write(EDGE_CONF, saved)
            lab.edge.restart()

    # -- answers that no honest server gives

    def rules(self):
        honest = lab.dig("+short", "mx.case00a-honest.hostile.example", "A").strip()
        address = dns_liar.a(honest)
        wrong = dns_liar.a("203.0.113.66")

        def by_type(**packets):
            """rule: {type: function(query, is_tcp)}; NODATA for others"""
            def rule(query, is_tcp):
                function = packets.get({A: "a", MX: "mx"}.get(query.type))
                return function(query, is_tcp) if function else [query.reply()]
            return rule

        def answers(*records, **options):
            return lambda query, is_tcp: [query.reply(records, **options)]

        def exchange(label):
            return dns_liar.mx(10, dns_liar.name(f"mx.{label}.liar.example"))

        def hostile_name(first_label):
            return answers(dns_liar.mx(10, dns_liar.name(first_label, "odd.liar.example")))

        def truncated_mx(records):
            return lambda query, is_tcp: [query.reply(records) if is_tcp else query.reply(truncated=True)]

        def after_forgeries(record):
            def rule(query, is_tcp):
                forged = [wrong] if query.type == A else [dns_liar.mx(10, dns_liar.name("mx.blackhole.example"))]
                other = dns_liar.name("other.liar.example") + query.question[-4:]
                return ([] if is_tcp else [query.reply(forged, identity=query.id ^ 1), query.reply(forged, question=other)]
                        ) + [query.reply([record])]
            return rule

        many = [dns_liar.mx(10, dns_liar.name(f"m{number}.many.liar.example")) for number in range(1000)]
        return {
            # host names first: a rule is found by the end of the name
            "mx.forged.liar.example": by_type(a=after_forgeries(address)),
            "mx.ttl0.liar.example": by_type(a=answers(dns_liar.a(honest, ttl=0))),
            "mx.ttlmax.liar.example": by_type(a=answers(dns_liar.a(honest, ttl=1 << 31))),
            **{f"mx.{label}.liar.example": by_type(a=answers(address)) for label in (
                "truncated", "pointer", "overrun", "counted", "longlabel")},
            **{f"m{number}.many.liar.example": by_type(a=answers(dns_liar.a(CLOSING[number % len(CLOSING)])))
               for number in range(1000)},
            # case 45: the MX lookup fails, an address is there
            "servfail-mx.liar.example": by_type(mx=answers(rcode=SERVFAIL), a=answers(address)),
            # case 49
            "truncated.liar.example": by_type(mx=truncated_mx([exchange("truncated")])),
            "many.liar.example": by_type(mx=truncated_mx(many)),
            "no-tcp.liar.example": by_type(mx=lambda query, is_tcp: [] if is_tcp else [query.reply(truncated=True)],
                                           a=answers(address)),
            # case 50
            "forged.liar.example": by_type(mx=after_forgeries(exchange("forged"))),
            # case 51
            "pointer.liar.example": by_type(a=answers(address), mx=lambda query, _: [query.reply(
                [dns_liar.mx(10, b"\xc0" + bytes([12 + len(query.question) + 14]))])]),
            "overrun.liar.example": by_type(a=answers(address), mx=answers(
                dns_liar.mx(10, dns_liar.name("mx.overrun.liar.example"), length=4000))),
            "counted.liar.example": by_type(a=answers(address), mx=answers(exchange("counted"), count=9)),
            # case 54
            "ttl0.liar.example": by_type(mx=answers(dns_liar.mx(10, dns_liar.name("mx.ttl0.liar.example"), ttl=0))),
            "ttlmax.liar.example": by_type(mx=answers(dns_liar.mx(10, dns_liar.name("mx.ttlmax.liar.example"), ttl=1 << 31))),
            "odd1.liar.example": by_type(mx=hostile_name(b"a b/../c")),
            "odd2.liar.example": by_type(mx=hostile_name(b"x\0\x1b[31m\r\nfake: line")),
            "odd3.liar.example": by_type(mx=hostile_name(b"$(id);\"'`|\xff")),
            "odd4.liar.example": by_type(mx=hostile_name(b"." * 20)),
            "odd.liar.example": by_type(a=answers(address)),
            "longlabel.liar.example": by_type(mx=answers(exchange("longlabel"))),
            "liar.example": by_type(),
        }

    def check_liar(self, liar):
        lost = r"dsn=4\.4\.2, status=deferred .*lost connection"
        failed = r"dsn=4\.[47]\.\d, status=deferred .*DNS"
        opens = passive_opens()
        self.check({"many.liar.example": lost})
        tcp_lookups = sum(is_tcp for _, _, is_tcp in liar.seen)
        self.assertGreater(tcp_lookups, 0)
        self.assertLessEqual(passive_opens() - opens - tcp_lookups, 20)
        self.check({
            "servfail-mx.liar.example": r"dsn=4\.4\.3, status=deferred", "no-tcp.liar.example": r"dsn=4\.4\.3, status=deferred",
            "pointer.liar.example": failed, "overrun.liar.example": failed, "counted.liar.example": failed,
        })
        self.assertEqual(lab.hostile("case00a_honest"), [])     # nobody fell back to the domain's own address
        self.check({f"{label}.liar.example": "status=sent .*250 2.0.0 Taken" for label in ("truncated", "ttl0", "ttlmax")})
        # A forged answer may cost the lookup (unbound gives up), but it is never used.
        self.check({"forged.liar.example": "status=sent .*250 2.0.0 Taken" + ("|" + failed if self.behind_resolver else "")})
        self.check({f"odd{number}.liar.example": r"status=(deferred|bounced)" for number in (1, 2, 3, 4)})
        for host in (lab.home, lab.vps):
            log = host.log(host.mark)
            self.assertNotRegex(log, r"[^\x20-\x7e\n]")
            self.assertNotRegex(log, r"(?m)^fake: line")
            self.assertNotIn("$(id)", log)
        self.check({"postfix.example": "status=sent"} if self.behind_resolver else {"forged.liar.example": "status=sent"})

    def test_liar_behind_the_resolver(self):
        """Cases 44, 45, 49-51, 54: a lying authority, a validating resolver in between."""
        self.behind_resolver = True
        lab.zone("liar.example", f"; lab: delegate {LIAR}\n")
        try:
            with DnsLiar("mx-hostile", LIAR, self.rules()) as liar:
                self.check_liar(liar)
        finally:
            lab.unzone("liar.example")

    def test_liar_as_the_resolver(self):
        """The same, with the edge's own parser facing the liar."""
        self.behind_resolver = False
        saved = lab.vps.read(EDGE_CONF)
        pid = None
        try:
            with DnsLiar("mx-hostile", LIAR, self.rules()) as liar:
                lab.vps.write(EDGE_CONF, saved + f'resolvers = [ "{LIAR}" ];\n')
                lab.edge.restart()
                pid = lab.edge.pid
                self.check_liar(liar)
                self.assertEqual(lab.edge.pid, pid)
        finally:
            lab.vps.write(EDGE_CONF, saved)
            lab.edge.restart()
