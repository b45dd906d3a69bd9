"""postern doctor: the DNS of sending domains. Every planted fault is found, by the check that is for it; a healthy domain has none;
without a resolver nothing is known and nothing is FAIL; what is said to mend a record mends it."""
import json
import os
import re

from doctor_dns_faults import FAULTS, domain_of, zone_of
from harness import Case, lab

CONF = "/etc/opendkim.conf"


class DoctorDns(Case):
    def doctor(self, *arguments):
        done = lab.home.run("postern", "doctor", "--json", "--only", "domain", *arguments, check=False)
        return done.returncode, json.loads(done.stdout)["findings"]

    def of(self, findings, domain, *results):
        return [(found["id"], found["seen"]) for found in findings
                if re.match(rf"{re.escape(domain)}(?:$|[, ])", found["subject"]) and found["result"] in results]

    def test_own_domain(self):
        """Found by itself, with OpenDKIM's key and the addresses that the edge says; nothing to complain about."""
        status, findings = self.doctor()
        self.assertEqual([found for found in findings if found["result"] != "ok"], [])
        self.assertEqual(status, 0)
        self.assertEqual(len([found for found in findings if found["id"] == "domain-spf-covers"]), 2)
        self.assertEqual(len([found for found in findings if found["id"] == "domain-hello-spf"]), 2)
        self.assertIn(("domain-dkim", "RSA of 2048 bits, the key of /etc/dkim.key"), self.of(findings, "home.example", "ok"))

    def serve(self, zones):
        """All of them are read with the last one."""
        for name, text in zones.items():
            path = os.path.join(os.environ["LAB_ROOT"], "zones", f"{name}.zone")
            with open(path, "w", encoding="ascii") as file:
                file.write(text)
            self.addCleanup(lambda path=path: os.path.exists(path) and os.unlink(path))
        lab.zone("planted.example", "@ MX 10 mx\n")
        for name in zones:
            self.forget(name)

    def forget(self, name):
        """As the lab does it when a zone changes."""
        lab.dns.run("unbound-control", "-c", "/etc/unbound/lab.conf", "flush_zone", name)

    def plant(self):
        """All zones at once, and a signing table for them that OpenDKIM itself takes."""
        record = lab.dig("+short", "lab._domainkey.home.example", "TXT").replace('" "', "")
        key = re.search(r"p=([^\";]+)", record)[1]
        names = [domain_of(label) for label, *_ in FAULTS]
        self.serve({name: zone_of(directive, changes, key) for (_, directive, changes, *_), name in zip(FAULTS, names)} |
                   {"foreign.example": zone_of("", {}, key)})
        lab.home.write("/etc/doctor.keys", "all %:lab:/etc/dkim.key\nforeign foreign.example:lab:/etc/dkim.key\n")
        lab.home.write("/etc/doctor.signing", "*@foreign-dkim.example foreign\n" +
                       "".join(f"*@{name} all\n" for name in names if name != "foreign-dkim.example"))
        kept = lab.home.read(CONF)
        self.addCleanup(lab.home.write, CONF, kept)
        lab.home.write(CONF, re.sub(r"(?m)^(Domain|Selector|KeyFile).*\n", "", kept) +
                       "KeyTable file:/etc/doctor.keys\nSigningTable refile:/etc/doctor.signing\n")
        lab.home.run("opendkim", "-n", "-x", CONF)
        return names

    def test_faults(self):
        names = self.plant()
        status, findings = self.doctor("--domain", *names)
        self.assertEqual(status, 1)
        for (label, _, _, identity, result, pattern), name in zip(FAULTS, names):
            with self.subTest(label):
                wrong = self.of(findings, name, "FAIL", "warn", "unknown")
                if identity is None:
                    self.assertEqual(wrong, [])
                    continue
                self.assertTrue([seen for found, seen in self.of(findings, name, result) if found == identity] and
                                [found for found in findings if found["id"] == identity and found["subject"].startswith(name) and
                                 re.search(pattern, f"{found['subject']}: {found['seen']}")], wrong)
        self.assertEqual([found for found in findings if found["result"] == "FAIL" and not found["mend"]], [])
        self.mends(findings)

    def mends(self, findings):
        """What is said to publish for SPF is published: SPF is ok then."""
        mended = {}
        for found in findings:
            record = re.search(r'(?m)^(\S+)\. IN TXT "(v=spf1 [^"]*)"$', found["mend"] or "")
            if record and found["id"] in ("domain-spf", "domain-spf-covers") and found["result"] == "FAIL":
                mended[record[1]] = record[2]
        self.assertGreaterEqual(len(mended), 6)
        self.serve({name: f'@ TXT "{record}"\n@ MX 10 mx\nmx A 203.0.113.11\n' for name, record in mended.items()})
        _, findings = self.doctor("--domain", *mended)
        for name in mended:
            with self.subTest(name):
                found = [found for found in findings if found["subject"].startswith(name) and found["id"] in ("domain-spf", "domain-spf-covers")]
                self.assertEqual([row["result"] for row in found], ["ok"] * 3, found)

    def test_no_resolver(self):
        """The resolver is gone: all is unknown, in a short time."""
        kept = lab.home.read("/etc/resolv.conf")
        self.addCleanup(lab.home.run, "sh", "-c", "cat >/etc/resolv.conf", input=kept)
        lab.home.run("sh", "-c", "cat >/etc/resolv.conf", input="nameserver 127.0.0.9\n")
        status, findings = self.doctor("--domain", "home.example")
        self.assertEqual(status, 2)
        self.assertEqual({found["result"] for found in findings}, {"unknown"}, findings)
        self.assertGreaterEqual(len(findings), 10)

    def test_sts_policies(self):
        """The policy itself is fetched and read; every MX must be in it."""
        authorities = "/etc/ssl/certs/ca-certificates.crt"
        kept = lab.home.read(authorities)
        self.addCleanup(lab.home.write, authorities, kept)
        lab.home.write(authorities, kept + lab.home.read("/srv/lab/tls/ca.pem"))
        cases = {
            "listed": ("ok", "says enforce, and allows every MX"),
            "wildcard": ("ok", "says enforce"),
            "not-listed": ("FAIL", "does not allow the MX host mx.good.sts.example"),
            "testing-not-listed": ("warn", "does not allow the MX host"),
            "syntax-no-mode": ("FAIL", "the policy is wrong"),
            "https-wrong-name": ("FAIL", "cannot be had"),
            "https-404": ("FAIL", "cannot be had: .*404"),
            "type-html": ("FAIL", "cannot be had: .*text/html"),
            "https-refused": ("FAIL", "cannot be had"),
            "loopback": ("unknown", "cannot be had from here"),
        }
        _, findings = self.doctor("--only", "domain-sts", "--domain", *(f"{name}.policy.example" for name in cases))
        seen = {found["subject"]: (found["result"], found["seen"]) for found in findings}
        for name, (result, pattern) in cases.items():
            with self.subTest(name):
                self.assertEqual(seen[f"{name}.policy.example"][0], result, seen)
                self.assertRegex(seen[f"{name}.policy.example"][1], pattern)

    def test_own_mx(self):
        """The MX is this Postfix: its certificate must fit the TLSA record, and what is said to publish does."""
        address = lab.home.run("sh", "-c", "ip -4 -o addr show scope global").stdout.split()[3].split("/")[0]
        kept = lab.home.read("/etc/postfix/main.cf")
        self.addCleanup(lab.home.write, "/etc/postfix/main.cf", kept)

        def look(tlsa):
            self.serve({"own.example": f"; lab: signed\n@ MX 10 mx\nmx A {address}\n_25._tcp.mx TLSA {tlsa}\n"})
            _, findings = self.doctor("--only", "domain-dane", "--domain", "own.example")
            found, = (found for found in findings if found["subject"] == "own.example, MX mx.own.example")
            return found["result"], found["seen"], found["mend"]

        wrong = "3 1 1 " + "01" * 32
        result, seen, mend = look(wrong)
        self.assertEqual((result, mend), ("FAIL", "postconf -e smtpd_tls_security_level=may; postfix reload"), seen)
        lab.home.run("postconf", "-e", "smtpd_tls_security_level=may")
        result, seen, mend = look(wrong)
        self.assertEqual(result, "FAIL", seen)
        self.assertIn("no TLSA record fits Postfix's certificate in /etc/postfix/home.pem", seen)
        record = re.search(r"(?m)^_25\._tcp\.mx\.own\.example\. IN TLSA (3 1 1 [0-9a-f]{64})$", mend)[1]
        key = lab.home.run("sh", "-c", "openssl x509 -in /etc/postfix/home.pem -pubkey -noout | openssl pkey -pubin -outform DER | sha256sum")
        self.assertEqual(record.split()[3], key.stdout.split()[0])
        self.assertEqual(look(record)[:2], ("ok", "1 TLSA record, signed; Postfix's certificate fits"))
        lab.home.run("postconf", "-e", "smtpd_tls_chain_files=/etc/postfix/gone.pem")
        result, seen, _ = look(record)
        self.assertEqual((result, "/etc/postfix/gone.pem: No such file" in seen), ("unknown", True), seen)

    def test_envelope(self):
        """A domain whose envelope senders are in another one: aligned if both have one organization."""
        for wrong in ("x y", "localhost", "home..example", "home.example=", "me@home.example"):
            done = lab.home.run("postern", "doctor", "--domain", wrong, check=False)
            self.assertEqual((done.returncode, f"not a domain, or not in A-labels (xn--...): {wrong}" in done.stderr), (64, True), done)
        done = lab.home.run("postern", "doctor", "--domain", *(f"d{i}.example" for i in range(502)), check=False)
        self.assertEqual((done.returncode, "too many domains, from here on: d500.example" in done.stderr), (64, True), done)
        record = 'v=spf1 ip4:198.51.100.20 ip6:2001:db8:2::20 -all'
        self.serve({"bounces.example": f'@ TXT "{record}"\nsub TXT "{record}"\n'})
        _, findings = self.doctor("--domain", "home.example=bounces.example")
        self.assertEqual([seen for identity, seen in self.of(findings, "home.example", "warn")],
                         ["SPF is for bounces.example, DKIM passes: DMARC hangs on one of the two"])
