"""DANE, catalogue cases 60 to 77 (and 46 to 48), against the mail hosts of tests/lab/tls_cases.py, which says what must come
of each. `make tls-compare` asks other programs the same."""
import re

from harness import lab
import tls_cases
from tls_checks import MESSAGE, SENT, TlsCase

RUNTIME = "runtime-tls.example"


class Dane(TlsCase):
    def check(self, number):
        cases = [case for case in tls_cases.CASES if case.number == number]
        self.assertTrue(cases)
        outcomes = self.deliver([case.domain for case in cases])
        for case in cases:
            with self.subTest(case=case.label):
                self.check_verdict(case, outcomes[case.domain])
        return outcomes

    def test_case_60_lookups_that_fail(self):
        """Cases 60, 46, 47, 48: SERVFAIL, time-out, bogus and unsigned answers, for MX, A and TLSA: never a weaker delivery;
        the next host is tried. "No TLSA" counts only when it is proved."""
        self.check(60)

    def test_case_60_resolver_elsewhere(self):
        """Case 60: a resolver that is not on loopback: its AD bit means nothing, and the log says so; unless trusted."""
        case = tls_cases.find("ee-bad")
        with self.subTest("not trusted"):
            self.edge_conf('resolvers = [ "203.0.113.54" ];\n')
            self.check_verdict(case, self.deliver([case.domain])[case.domain], "may")
            self.assertTrue(lab.vps.grep_log(r"postern/edge.*(DNSSEC|resolvers_trusted)"))
        with self.subTest("trusted"):
            lab.reset()
            self.edge_conf('resolvers = [ "203.0.113.54" ];\nresolvers_trusted = true;\n')
            self.check_verdict(case, self.deliver([case.domain])[case.domain], "mismatch")

    def test_case_61_insecure_mx(self):
        """Case 61: TLSA records are obeyed, but an attacker might have chosen the host: "trusted", not verified."""
        self.check(61)

    def test_case_62_insecure_address(self):
        """Case 62: no TLSA records are asked for; these would not match."""
        self.check(62)

    def test_case_63_no_starttls(self):
        """Case 63: TLSA records, usable or not, and no TLS: never in plaintext; the next host is tried."""
        self.check(63)

    def test_case_64_unusable(self):
        """Case 64: TLS is required, nothing is verified."""
        self.check(64)

    def test_case_65_mixed(self):
        """Case 65: only the usable records count."""
        self.check(65)

    def test_case_66_aliases(self):
        """Case 66: the expanded name first, then the original one; SNI is the one that had the records."""
        self.check(66)
        for name in ("cname", "cname-both", "cname-original", "cname-to-insecure"):
            case = tls_cases.find(name)
            base = case.host if name in ("cname", "cname-both") else case.alias
            with self.subTest("SNI", case=case.label):
                self.assertEqual({event["sni"] for event in self.events(case, "tls")}, {base})

    def test_case_67_end_entity(self):
        """Case 67: 3 1 1: a date, a name or a signature do not matter."""
        self.check(67)

    def test_case_68_end_entity_forms(self):
        """Case 68: whole certificate or key, in full or digested."""
        self.check(68)

    def test_case_69_trust_anchor(self):
        """Case 69: usage 2: chain, dates, and a name: the host's or the domain's."""
        self.check(69)

    def test_case_70_trust_anchor_in_the_dns(self):
        """Case 70: the anchor may be missing from the chain when the DNS has it in full; the leaf is none."""
        self.check(70)

    def test_case_71_pkix_usages(self):
        """Case 71: usages 0 and 1 are unusable, whatever the web's CAs say."""
        self.check(71)

    def test_case_72_digest_agility(self):
        """Case 72: the strongest digest decides."""
        self.check(72)

    def test_case_73_roll_over(self):
        """Case 73: any of two records, any of a hundred."""
        self.check(73)

    def test_case_74_sni(self):
        """Case 74: hosts with another certificate for clients that do not name the TLSA base domain."""
        self.check(74)
        for name in ("sni", "sni-cname", "sni-original"):
            case = tls_cases.find(name)
            with self.subTest(case=case.label):
                base = case.alias if name == "sni-original" else case.host
                self.assertEqual({event["sni"] for event in self.events(case, "tls")}, {base})

    def test_case_75_weak_servers(self):
        """Case 75: anonymous ciphers, TLS 1.0 and 1.1: no delivery."""
        self.check(75)

    def test_case_76_literal(self):
        """Case 76: an address has no TLSA records."""
        case = tls_cases.find("ee-bad")
        for domain in (f"[{case.addresses[0]}]", f"[IPv6:{case.addresses[1]}]"):
            with self.subTest(domain=domain):
                outcome = self.deliver([domain])[domain]
                self.assertIn("status=sent", outcome.line)
                self.assertRegex(outcome.edge, SENT["may"])
                self.never_in_plaintext(case, domain)

    # -- case 77

    def serve(self, record, directive="signed"):
        """A domain whose host has the certificate of the case "change"."""
        addresses = tls_cases.find("change").addresses
        lab.zone(RUNTIME, (f"; lab: {directive}\n" if directive else "") + f"@ MX 10 mx\nmx A {addresses[0]}\nmx AAAA {addresses[1]}\n" +
                 (f"_25._tcp.mx TLSA {record}\n" if record else ""))

    def test_case_77_records_change(self):
        """Case 77: each attempt looks anew, and no session is reused under other records."""
        case = tls_cases.find("change")
        good = lab.tls_facts(case.domain)["tlsa"][0]
        bad = "3 1 1 " + 64 * "0"
        self.addCleanup(lab.unzone, RUNTIME)
        self.serve(bad)
        first = self.deliver([RUNTIME])[RUNTIME]
        self.check_verdict(case, first, "mismatch", RUNTIME)
        self.serve(good)
        lab.home.flush()
        self.assertIn("status=sent", self.first_line(first.queue_id, 2))
        self.assertRegex(first.edge, SENT["dane"])
        self.check_next(case, bad, "mismatch")
        self.check_next(case, good, "dane")
        self.check_next(case, None, "may")
        self.check_next(case, bad, "dns", "break _25._tcp.mx TLSA")
        self.check_next(case, good, "may", None)

    def check_next(self, case, record, verdict, directive="signed"):
        lab.reset()
        with self.subTest(record=record, directive=directive):
            self.serve(record, directive)
            self.check_verdict(case, self.deliver([RUNTIME])[RUNTIME], verdict, RUNTIME)

    # -- beside the catalogue

    def test_steady_session(self):
        """Five messages in a row to one DANE host, and one to a host that fails: each judged by itself."""
        good, bad = tls_cases.find("ee"), tls_cases.find("ee-bad")
        for number in range(5):
            for case in (good, bad):
                queue_id = lab.home.inject("anna@home.example", [f"you@{case.domain}"], MESSAGE)
                with self.subTest(number=number, case=case.label):
                    self.assertIn("sent" if case is good else "deferred", re.search("status=(.*?) ", self.first_line(queue_id)).group(1))
        self.assertEqual(len(self.stored_for(good.domain)), 5)
        self.assertEqual(self.stored_for(bad.domain), [])
