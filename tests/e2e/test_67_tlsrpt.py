"""TLS reports (RFC 8460): sessions of many kinds are counted by the edge, and `postern tlsrpt` makes JSON and mail of them.

The mail hosts say what connections there were; the reports must agree.
"""
import email
import email.policy
import gzip
import json
import re
import time

from harness import lab
import sts_cases
import tls_cases
from tls_checks import FAILING, RuntimePolicy

ZONE = "reports.example"
DIRECTORY = "/var/lib/postern/edge/tlsrpt"
REPORTS_TO = "tls-reports@postfix.example"
REPORTER = "tlsrpt@home.example"
RECORD = f'_smtp._tls{{}} TXT "v=TLSRPTv1; rua=mailto:{REPORTS_TO}"\n'
STS, STS_FAILING = sts_cases.RUNTIME[9:11]
SILENT = f"silent.{ZONE}"       # has no such record
EDGE_ADDRESSES = {"198.51.100.20", "2001:db8:2::20"}
MESSAGES = {f"dane.{ZONE}": 3}  # all others: one

# Domain: (its mail host, in tls_cases.py; policy-type; result-type, None: success). No two share a mail host.
EXPECTED = {
    f"dane.{ZONE}": ("ee", "tlsa", None),
    f"dane-mismatch.{ZONE}": ("ee-bad", "tlsa", "validation-failure"),
    f"dane-no-starttls.{ZONE}": ("no-starttls.tls.example", "tlsa", "starttls-not-supported"),
    f"dane-unusable.{ZONE}": ("unusable-selector", "tlsa", "tlsa-invalid"),
    f"dane-bogus.{ZONE}": ("tlsa-bogus", "tlsa", "dnssec-invalid"),
    f"plain.{ZONE}": ("no-starttls.sts.example", "no-policy-found", "starttls-not-supported"),
    f"unnoticed.{ZONE}": ("self-signed.sts.example", "no-policy-found", None),
    STS: ("wrong-name.sts.example", "sts", "certificate-host-mismatch"),
}


def day(days_ago=0):
    return time.strftime("%Y-%m-%d", time.gmtime(time.time() - 86400 * days_ago))


class Reports(RuntimePolicy):
    @staticmethod
    def postern_tlsrpt(*options, **more):
        return lab.vps.run("postern", "tlsrpt", *options, **more)

    def report(self, domain):
        """Today's report for a domain."""
        reports = json.loads(self.postern_tlsrpt("--date", day(), "--domain", domain).stdout)
        self.assertEqual(len(reports), 1, f"reports for {domain}")
        return reports[0]

    def serve_sts(self, domain, host):
        self.serve(domain, "r1", host, RECORD.format(""))

    def serve_zone(self, hosts):
        """ZONE: {domain: mail host}, all of which ask for reports, but for SILENT."""
        text = "; lab: signed\n"
        for domain, host in hosts.items():
            label = domain.removesuffix(f".{ZONE}")
            text += f"{label} MX 10 {host}.\n" + (RECORD.format(f".{label}") if domain != SILENT else "")
        lab.zone(ZONE, text)
        self.addCleanup(lab.unzone, ZONE)

    # -- JSON

    def make_sessions(self):
        """{domain: Outcome}, with the edge stopped: what it counted is written then."""
        hosts = {domain: tls_cases.find(host).host for domain, (host, _, _) in EXPECTED.items() if domain != STS}
        self.serve_zone({**hosts, SILENT: tls_cases.find("ee-312").host})
        self.policy(STS, mx="*.wrong-name.sts.example")
        self.serve_sts(STS, tls_cases.find("wrong-name.sts.example"))
        lab.sts_behave(f"mta-sts.{STS_FAILING}", **FAILING)
        self.addCleanup(lab.sts_behave, f"mta-sts.{STS_FAILING}")
        self.serve_sts(STS_FAILING, self.GOOD)
        outcomes = self.deliver([*EXPECTED, STS_FAILING, SILENT])
        for domain, messages in MESSAGES.items():
            for _ in range(messages - 1):
                self.assertTrue(self.deliver([domain])[domain].is_sent)
        lab.edge.stop()
        return outcomes

    def test_json(self):
        """Dane and STS, success and failures, no policy at all: policies, counts, results, hosts and addresses are right; who
        has asked for nothing is nowhere."""
        outcomes = self.make_sessions()
        for domain, (host, kind, result) in EXPECTED.items():
            with self.subTest(domain=domain):
                self.check_report(self.report(domain), domain, tls_cases.find(host), kind, result)
        with self.subTest("a policy that could not be had"):
            self.assertTrue(outcomes[STS_FAILING].is_sent)
            self.check_fetch_error(self.report(STS_FAILING))
        with self.subTest("no record"):
            self.assertTrue(outcomes[SILENT].is_sent)
            self.assertEqual(json.loads(self.postern_tlsrpt("--date", day(), "--domain", SILENT).stdout), [])
            self.assertNotIn("silent", lab.vps.run("sh", "-c", f"cat {DIRECTORY}/*").stdout)

    def check_report(self, report, domain, host, kind, result):
        self.assertEqual(report["date-range"], {"start-datetime": f"{day()}T00:00:00Z", "end-datetime": f"{day()}T23:59:59Z"})
        self.assertEqual(len(report["policies"]), 1)
        part = report["policies"][0]
        self.check_policy(part["policy"], domain, host, kind)
        opened = [(event["peer"], event["local"]) for event in lab.tls_events(host.domain) if event["event"] == "connect"]
        if result == "dnssec-invalid":
            self.assertEqual(opened, [])
            opened = [(None, address) for address in host.addresses]    # those where no connection was dared
        count = len(opened)
        self.assertGreaterEqual(count, 1)
        if domain in MESSAGES:  # sessions are counted, however many messages went over each
            self.assertEqual(len([event for event in lab.tls_events(host.domain) if event["event"] == "mail"]), MESSAGES[domain])
        self.assertEqual(part["summary"], {"total-successful-session-count": 0 if result else count,
                                           "total-failure-session-count": count if result else 0})
        self.check_failures(part.get("failure-details", []), host, result, opened if result else [])

    def check_policy(self, policy, domain, host, kind):
        """RFC 8460 4.4"""
        self.assertEqual(policy["policy-type"], kind)
        self.assertEqual(policy["policy-domain"], host.host if kind == "tlsa" else domain)
        if kind == "sts":
            self.assertEqual(policy["policy-string"], ["version: STSv1", "mode: enforce", "mx: *.wrong-name.sts.example",
                                                       "mx: *.good.sts.example", "max_age: 86400"])
            self.assertEqual(policy["mx-host"], ["*.wrong-name.sts.example", "*.good.sts.example"])
        elif host.name in ("ee", "ee-bad"):
            self.assertEqual([text.lower() for text in policy["policy-string"]], lab.tls_facts(host.domain)["tlsa"])

    def check_failures(self, details, host, result, opened):
        """One detail for each pair of addresses that the host saw."""
        for detail in details:
            self.assertEqual((detail["result-type"], detail["receiving-mx-hostname"]), (result, host.host))
        told = {(detail.get("sending-mta-ip"), detail["receiving-ip"]): detail["failed-session-count"] for detail in details}
        self.assertEqual(len(told), len(details))
        self.assertEqual(told, {pair: opened.count(pair) for pair in opened})
        self.assertLessEqual({sender for sender, _ in told}, {None, *EDGE_ADDRESSES})

    def check_fetch_error(self, report):
        self.assertEqual(len(report["policies"]), 1)
        part = report["policies"][0]
        self.assertEqual(part["policy"], {"policy-type": "no-policy-found", "policy-domain": STS_FAILING})
        self.assertEqual([(detail["result-type"], detail["failed-session-count"]) for detail in part["failure-details"]],
                         [("sts-policy-fetch-error", 1)])
        self.assertIn("500", part["failure-details"][0]["failure-reason-code"])

    # -- mail

    def test_mail(self):
        """The statistics go to the mail host, which makes the mails and sends them through the tunnel; not before the day is
        over."""
        domain, host = f"mailed.{ZONE}", tls_cases.find("ee-301-bad")
        self.serve_zone({domain: host.host})
        self.deliver([domain])
        lab.home.empty_queue()
        lab.edge.stop()
        report = self.report(domain)
        with self.subTest("today"):
            done = self.hand_over("--raw", "--date", day())
            self.assertEqual(done.returncode, 75)
            self.assertIn("not over", done.stderr)
            self.assertEqual(lab.home.queue(), [])
        # A day passes.
        text = lab.vps.read(f"{DIRECTORY}/{day()}")
        self.addCleanup(lab.vps.run, "rm", f"{DIRECTORY}/{day(1)}")
        lab.vps.write(f"{DIRECTORY}/{day(1)}", text.replace(day(), day(1), 1))
        lab.edge.start()
        done = self.hand_over("--raw")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn(domain, done.stdout)
        self.check_mail(self.wait_mail(domain), domain, report)

    def hand_over(self, *raw):
        """What the crontab of postern(1) does, ssh aside."""
        raw = self.postern_tlsrpt(*raw).stdout
        return lab.home.run("postern", "tlsrpt", "--file", "-", "--mail", REPORTER, "--pipe",
                            f"/usr/sbin/sendmail -t -i -f {REPORTER}", input=raw, check=False)

    def wait_mail(self, domain):
        lab.home.wait_log(rf"to=<{REPORTS_TO}>.*status=sent")
        lab.home.wait_queue_empty()
        mine = [mail for mail in lab.stored("mx-postfix") if f"TLS-Report-Domain: {domain}\r\n".encode() in mail.raw]
        self.assertEqual(len(mine), 1)
        return mine[0]

    def check_mail(self, stored, domain, report):
        """RFC 8460 5.3 and 5.1"""
        self.assertEqual((stored.sender, stored.recipient), (REPORTER, REPORTS_TO))
        self.assertTrue(lab.dkim_verify(stored.raw), "not signed, or broken")
        mail = email.message_from_bytes(stored.raw, policy=email.policy.SMTP)
        self.assertEqual((mail.get_content_type(), mail.get_param("report-type")), ("multipart/report", "tlsrpt"))
        self.assertEqual((mail["From"].addresses[0].addr_spec, mail["To"].addresses[0].addr_spec), (REPORTER, REPORTS_TO))
        self.assertRegex(mail["Subject"],
                         rf"^Report Domain: {re.escape(domain)} Submitter: home\.example Report-ID: <.*@home\.example>$")
        self.assertEqual((mail["TLS-Report-Submitter"], mail["TLS-Required"]), ("home.example", "No"))
        text, attached = mail.iter_parts()
        self.assertEqual((text.get_content_type(), attached.get_content_type()), ("text/plain", "application/tlsrpt+gzip"))
        self.assertRegex(attached.get_filename(), rf"^home\.example!{re.escape(domain)}!\d+!\d+\.json\.gz$")
        mailed = json.loads(gzip.decompress(attached.get_content()))
        self.assertEqual(mailed["policies"], report["policies"])
        self.assertEqual(mailed["date-range"]["start-datetime"], f"{day(1)}T00:00:00Z")
        self.assertEqual((mailed["organization-name"], mailed["contact-info"]), ("home.example", REPORTER))
        self.assertIn(mailed["report-id"], mail["Subject"])
