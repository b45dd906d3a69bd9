"""The table tls_policy, tls_security_level, and what a message itself asks for (RFC 8689), on the hosts of tests/lab/tls_cases.py."""
import os
import re

from harness import lab
import sts_cases
import tls_cases
from tls_checks import MESSAGE, SENT, SESSION, TLS_POLICY, TlsCase

TRANSPORT = "/usr/libexec/postern/postern-transport"
NO = b"TLS-Required: No\r\n"
# The verdicts of tls_checks, and these: tls=LEVEL, or deferred with this code.
LEVEL = {level: rf"tls={level} {SESSION}( \(unauthenticated\))?, " for level in ("encrypt", "verify", "secure", "fingerprint")}
LEVEL["dane-only"] = rf"tls=dane(-only)? {SESSION}, "
REFUSED = {"certificate": r"dsn=4\.7\.5, status=deferred \(.*(certificate|fingerprint)", "no-tls": r"dsn=4\.7\.4, status=deferred \(.*TLS",
           "handshake": r"dsn=4\.7\.[45], status=deferred \(.*TLS", "no-dane": r"dsn=4\.7\.\d, status=deferred \(.*(TLSA|DANE|DNSSEC|dane)"}


class PolicyCase(TlsCase):
    def setUp(self):
        super().setUp()
        self.addCleanup(self.remove_table)

    @staticmethod
    def remove_table():
        if os.path.exists(lab.vps.path(TLS_POLICY)):
            os.unlink(lab.vps.path(TLS_POLICY))
        lab.edge.restart()

    def write_table(self, text):
        path = lab.vps.path(TLS_POLICY)
        with open(path + ".new", "w", encoding="utf-8") as file:
            file.write(text)
        os.rename(path + ".new", path)

    def host_of(self, domain):
        if domain.endswith(sts_cases.ZONE):
            return tls_cases.find(sts_cases.find(domain).mx[0])
        return tls_cases.find(domain.lower())

    def check_one(self, domain, outcome, expected):
        host = self.host_of(domain)
        if expected in SENT:
            self.check_sent(host, outcome, SENT[expected], domain, expected == "none")
        elif expected in LEVEL:
            self.check_sent(host, outcome, LEVEL[expected], domain)
        else:
            self.check_deferred(host, outcome, REFUSED.get(expected, expected), domain)

    def check_rows(self, *rows):
        """rows: (domain, its policy or None, expected)"""
        self.write_table("# domain\tpolicy\n" + "".join(f"{domain}\t{policy}\n" for domain, policy, _ in rows if policy))
        outcomes = self.deliver([domain for domain, _, _ in rows])
        for domain, policy, expected in rows:
            with self.subTest(domain=domain, policy=policy):
                self.check_one(domain, outcomes[domain], expected)
        return outcomes


class Levels(PolicyCase):
    def test_none(self):
        self.check_rows(("ee.tls.example", "none", "none"), ("good.sts.example", "none", "none"))
        self.assertEqual(self.events(tls_cases.find("ee"), "starttls"), [])

    def test_may(self):
        """DANE and MTA-STS have no say any more: what does not match, or does not even offer TLS, gets the message."""
        self.check_rows(("ee-bad.tls.example", "may", "may"), ("no-starttls.tls.example", "may", "none"),
                        ("tlsa-bogus.tls.example", "may", "may"), ("enforce-self-signed.policy.example", "may", "may"),
                        ("enforce-no-starttls.policy.example", "may", "none"))

    def test_encrypt(self):
        self.check_rows(("ee-bad.tls.example", "encrypt", "encrypt"), ("wrong-name.sts.example", "encrypt", "encrypt"),
                        ("no-starttls-no-tlsa.tls.example", "encrypt", "no-tls"), ("tls11.sts.example", "encrypt", "handshake"),
                        ("starttls-refused.tls.example", "encrypt", "no-tls"), ("starttls-breaks.tls.example", "encrypt", "handshake"))

    def test_dane(self):
        self.check_rows(("ee.tls.example", "dane", "dane"), ("ee-bad.tls.example", "dane", "certificate"),
                        ("no-tlsa.tls.example", "dane", "may"), ("no-starttls-no-tlsa.tls.example", "dane", "none"))

    def test_dane_only(self):
        self.check_rows(("ee.tls.example", "dane-only", "dane-only"), ("ee-bad.tls.example", "dane-only", "certificate"),
                        ("no-tlsa.tls.example", "dane-only", "no-dane"), ("unusable-all.tls.example", "dane-only", "no-dane"),
                        ("mx-insecure.insecure-tls.example", "dane-only", "no-dane"),
                        ("a-insecure.tls.example", "dane-only", "no-dane"))

    def test_verify(self):
        self.check_rows(("good.sts.example", "verify", "verify"), ("wildcard.sts.example", "verify", "verify"),
                        ("sni-web.sts.example", "verify", "verify"), ("wrong-name.sts.example", "verify", "certificate"),
                        ("expired.sts.example", "verify", "certificate"), ("self-signed.sts.example", "verify", "certificate"),
                        ("unknown-ca.sts.example", "verify", "certificate"), ("no-starttls.sts.example", "verify", "no-tls"),
                        ("tls11.sts.example", "verify", "handshake"), ("ee.tls.example", "verify", "certificate"))

    def test_verify_match(self):
        self.check_rows(("wrong-name.sts.example", "verify match=mx.elsewhere.example:wrong.name.example", "verify"),
                        ("good.sts.example", "verify match=mx.elsewhere.example", "certificate"),
                        ("enforce-good.policy.example", "verify match=.good.sts.example", "verify"),
                        ("listed.policy.example", "verify match=.sts.example", "verify"),
                        ("wildcard.policy.example", "verify match=hostname", "verify"),
                        ("enforce-wrong-name.policy.example", "verify match=.wrong.name.example", "certificate"))

    def test_secure(self):
        """The domain's own name counts, not that in the MX record."""
        self.check_rows(("good.sts.example", "secure", "secure"), ("wrong-name.sts.example", "secure", "certificate"),
                        ("enforce-good.policy.example", "secure", "certificate"),
                        ("listed.policy.example", "secure match=mx.good.sts.example", "secure"),
                        ("wildcard.policy.example", "secure match=hostname", "secure"),
                        ("self-signed.sts.example", "secure", "certificate"))

    def test_fingerprint(self):
        def facts(name):
            return lab.tls_facts(tls_cases.find(name).domain)
        other = facts("good.sts.example")["sha256"]
        self.check_rows(("ee.tls.example", f"fingerprint match={facts('ee')['sha256']}", "fingerprint"),
                        ("ee-expired.tls.example", f"fingerprint match={facts('ee-expired')['spki_sha256'].upper()}", "fingerprint"),
                        ("ee-bad.tls.example", f"fingerprint match={other}|{facts('ee-bad')['sha256']}", "fingerprint"),
                        ("ee-wrong-name.tls.example", f"fingerprint match={other}", "certificate"),
                        ("no-starttls-no-tlsa.tls.example", f"fingerprint match={other}", "no-tls"))

    def test_protocols(self):
        outcomes = self.check_rows(
            ("ee.tls.example", "encrypt protocols=TLSv1.2", "encrypt"), ("ee-bad.tls.example", "encrypt protocols=>=TLSv1.2", "encrypt"),
            ("tls12.tls.example", "encrypt protocols=>=TLSv1.3", "handshake"),
            ("ee-expired.tls.example", "encrypt protocols=!TLSv1.3", "encrypt"), ("good.sts.example", "verify ciphers=high", "verify"))
        self.assertIn("TLSv1.2", outcomes["ee.tls.example"].edge)
        self.assertIn("TLSv1.3", outcomes["ee-bad.tls.example"].edge)
        self.assertIn("TLSv1.2", outcomes["ee-expired.tls.example"].edge)


class Table(PolicyCase):
    def test_which_line(self):
        """The domain's own line, that of the nearest parent, or "*"; "domain" is not for what is below it."""
        self.write_table("ee.tls.example\tencrypt\n.tls.example\tnone\n.example\tmay\nsts.example\tnone\n*\tverify\n")
        literal = f"[{tls_cases.find('good.sts.example').addresses[0]}]"
        self.check_lines({"ee.tls.example": "encrypt", "ee-bad.tls.example": "none", "good.sts.example": "may"})
        outcome = self.deliver([literal])[literal]
        self.assertRegex(outcome.line, r"dsn=4\.7\.5, status=deferred")

    def check_lines(self, expected):
        outcomes = self.deliver(list(expected))
        for domain, verdict in expected.items():
            with self.subTest(domain=domain):
                self.check_one(domain, outcomes[domain], verdict)

    def test_case_of_names(self):
        self.check_rows(("EE-bad.TLS.example", "encrypt", "encrypt"))

    def test_bad_table(self):
        """A mistake leaves the table as it was, and is named in the log; the edge does not start with it."""
        self.write_table("ee-bad.tls.example encrypt\n")
        self.check_lines({"ee-bad.tls.example": "encrypt"})
        lab.reset()
        for line in ("ee-bad.tls.example encrypted", "ee-bad.tls.example may match=x", "ee-bad.tls.example fingerprint",
                     "ee-bad.tls.example may\nee-bad.tls.example none", "ee-bad.tls.example encrypt protocols=SSLv9"):
            with self.subTest(line=line):
                lab.reset()
                self.write_table("# a comment\n" + line + "\n")
                self.check_lines({"ee-bad.tls.example": "encrypt"})
        self.assertTrue(lab.vps.grep_log(r"tls_policy:[23]: ", 0))
        with self.assertRaisesRegex(AssertionError, r"tls_policy:2: "):
            lab.edge.restart()
        self.write_table("")
        lab.edge.start()

    def test_default_level(self):
        """tls_security_level in edge.conf, for who has no line."""
        for level, expected in (("none", "none"), ("encrypt", "encrypt"), ("verify", "certificate"), ("dane-only", "certificate")):
            with self.subTest(level=level):
                lab.reset()
                self.edge_conf(f'tls_security_level = "{level}";\nmta_sts = false;\n')
                self.check_lines({"ee-bad.tls.example": expected})


class OfTheMessage(PolicyCase):
    """RFC 8689."""

    def by_lmtp(self, domain, options, message=MESSAGE):
        """What the transport says of one message: lmtp(8) of this Postfix does not know REQUIRETLS."""
        script = (b"LHLO mail.home.example\r\nMAIL FROM:<%s>%s\r\nRCPT TO:<you@%s>\r\nDATA\r\n%s.\r\nQUIT\r\n"
                  % (self.sender(domain).encode(), options.encode(), domain.encode(), message))
        done = lab.home.run("setpriv", "--reuid=_postern", "--regid=_postern", "--init-groups", TRANSPORT, input=script)
        replies = re.findall(r"(?m)^\d{3} .*", done.stdout.decode())
        return replies[-2]

    def refused(self, domain, options=" REQUIRETLS", message=MESSAGE):
        host = self.host_of(domain)
        self.assertRegex(self.by_lmtp(domain, options, message), r"^[45]\d\d [45]\.7\.\d+ ")
        self.assertEqual(self.stored_for(domain), [])
        self.assertEqual(self.events(host, "mail"), [])

    def test_requiretls(self):
        """To a host that is authenticated and offers REQUIRETLS; to no other."""
        case = tls_cases.find("requiretls")
        self.assertRegex(self.by_lmtp(case.domain, " REQUIRETLS"), r"^250 2\.0\.0 ")
        self.assertEqual([event["requiretls"] for event in self.events(case, "mail")], [True])
        self.assertTrue(self.stored_for(case.domain)[0].trace["tls"])
        for domain in ("ee.tls.example", "requiretls-may.tls.example", "no-tlsa.tls.example", "no-starttls-no-tlsa.tls.example",
                       "ee-bad.tls.example", "unusable-all.tls.example", "good.sts.example", "all-insecure.insecure-tls.example"):
            with self.subTest(domain=domain):
                self.refused(domain)

    def test_requiretls_is_not_asked_for_without(self):
        case = tls_cases.find("requiretls")
        self.assertRegex(self.by_lmtp(case.domain, ""), r"^250 2\.0\.0 ")
        self.assertEqual([event["requiretls"] for event in self.events(case, "mail")], [False])

    def test_requiretls_beats_the_table(self):
        for policy in ("none", "may"):
            self.write_table(f"requiretls-may.tls.example {policy}\n")
            with self.subTest(policy=policy):
                self.refused("requiretls-may.tls.example")

    def test_tls_required_no(self):
        """The sender gives up what the recipient's domain asks for: DANE and MTA-STS."""
        rows = {"ee-bad.tls.example": rf"tls=may {SESSION} ", "no-starttls.tls.example": SENT["none"], "ee.tls.example": rf"tls=\w+ {SESSION}",
                "enforce-self-signed.policy.example": rf"tls=may {SESSION} ", "enforce-no-starttls.policy.example": SENT["none"],
                "not-listed.policy.example": rf"tls=may {SESSION} "}
        outcomes = self.deliver(list(rows), NO + MESSAGE)
        for domain, words in rows.items():
            with self.subTest(domain=domain):
                self.check_sent(self.host_of(domain), outcomes[domain], words, domain, words == SENT["none"])

    def test_tls_required_no_is_not_for_our_own_rules(self):
        self.write_table("no-starttls-no-tlsa.tls.example encrypt\nee-bad.tls.example dane\n")
        outcomes = self.deliver(["no-starttls-no-tlsa.tls.example", "ee-bad.tls.example"], NO + MESSAGE)
        self.check_one("no-starttls-no-tlsa.tls.example", outcomes["no-starttls-no-tlsa.tls.example"], "no-tls")
        self.check_one("ee-bad.tls.example", outcomes["ee-bad.tls.example"], "certificate")

    def test_tls_required_something_else(self):
        """Other values, the field in the body, or one of a similar name: nothing changes."""
        for message in (b"TLS-Required: Nope\r\n" + MESSAGE, b"TLS-Required: yes\r\n" + MESSAGE, b"X-TLS-Required: no\r\n" + MESSAGE,
                        MESSAGE.replace(b"\r\n\r\n", b"\r\n\r\n" + NO + b"\r\n\r\n")):
            with self.subTest(message=message[:20]):
                lab.reset()
                outcome = self.deliver(["ee-bad.tls.example"], message)["ee-bad.tls.example"]
                self.check_one("ee-bad.tls.example", outcome, "certificate")

    def test_requiretls_beats_tls_required_no(self):
        self.refused("ee-bad.tls.example", message=NO + MESSAGE)
        self.refused("no-starttls-no-tlsa.tls.example", message=NO + MESSAGE)
