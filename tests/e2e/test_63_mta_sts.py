"""MTA-STS, catalogue cases 80 to 89, against the domains of tests/lab/sts_cases.py, which says what must come of each."""
import glob
import os
import re
import socket
import time

from harness import in_netns, lab, wait_for
import sts_cases
import tls_cases
from tls_checks import FAILING, RuntimePolicy, TlsCase

NOT_SENT = ("cookie", "authorization", "accept-encoding", "referer")


class Sts(TlsCase):
    def check(self, number):
        cases = [case for case in sts_cases.CASES if case.number == number]
        self.assertTrue(cases)
        outcomes = self.deliver([case.domain for case in cases])
        for case in cases:
            with self.subTest(case=case.label):
                self.check_case(case, outcomes[case.domain])
        return cases

    def check_case(self, case, outcome):
        hosts = [tls_cases.find(domain) for domain in case.mx]
        taker = tls_cases.find(case.at) if case.at else hosts[0]
        if case.verdict == "not-listed":
            # Others share the host; this message never came near it.
            self.assertNotIn(hosts[0].host, "".join(lab.vps.grep_log(rf" {outcome.queue_id}: .*said")))
            self.check_deferred(hosts[0], outcome, r"dsn=4\.7\.\d, status=deferred \(.*(MTA-STS|listed)", case.domain)
            return
        self.check_verdict(taker, outcome, case.verdict, case.domain)
        for host in hosts:
            if case.verdict != "none":
                self.never_in_plaintext(host, case.domain)

    def fetches(self, case):
        return [event for event in lab.sts_events(case.policy_host) if event["event"] == "request"]

    def test_case_80_txt_record(self):
        """Case 80: what is no TXT record of MTA-STS announces no policy, and nobody fetches it."""
        for case in self.check(80):
            with self.subTest("fetched", case=case.label):
                self.assertEqual(len(self.fetches(case)), 0 if case.verdict == "may" else 1)

    def test_case_81_https_fails(self):
        """Case 81: certificates, stalls, status codes, redirects: no policy, and no redirect is followed."""
        cases = self.check(81)
        self.assertEqual(lab.sts_events("mta-sts.txt-good.policy.example"), [])
        for case in cases:
            if case.host.get("certificate"):
                with self.subTest("no request", case=case.label):
                    self.assertEqual(self.fetches(case), [])

    def test_case_82_body(self):
        """Case 82: 64 KiB, media type, no compression asked for; the fetch ends early."""
        cases = self.check(82)
        for case in cases:
            for event in self.fetches(case):
                with self.subTest("request", case=case.label):
                    self.assertEqual(event["line"], "GET /.well-known/mta-sts.txt HTTP/1.1")
                    self.assertIn(f"host: {case.policy_host}", [line.lower() for line in event["headers"]])
                    for line in event["headers"]:
                        self.assertNotIn(line.split(":")[0].lower(), NOT_SENT)
        for event in lab.sts_events(""):
            self.assertLess(event.get("sent", 0), 8 << 20)      # what the sockets hold, and no more

    def test_case_83_private_addresses(self):
        """Case 83: policy hosts at private addresses, and at our own, are not connected to."""
        def listen(family, address):
            return in_netns("vps", lambda: socket.create_server((address, 443), family=family))
        listeners = [listen(socket.AF_INET, "127.0.0.1"), listen(socket.AF_INET6, "::1"), listen(socket.AF_INET, "198.51.100.20")]
        try:
            self.check(83)
            for listening in listeners:
                listening.setblocking(False)
                with self.assertRaises(BlockingIOError):
                    listening.accept()
        finally:
            for listening in listeners:
                listening.close()

    def test_case_84_syntax(self):
        """Case 84: what is no policy by its syntax is none; line ends, order and unknown keys do not matter."""
        self.check(84)

    def test_case_85_listed_hosts(self):
        """Case 85: hosts that are not listed are not used; a wildcard stands for one label."""
        self.check(85)

    def test_case_86_certificates(self):
        """Case 86: mode enforce, testing and none, with all kinds of mail hosts."""
        self.check(86)

    def test_case_86_testing_is_logged(self):
        """Case 86: a policy in mode testing that is not met, by no TLS or an unlisted host too: a warning."""
        cases = [sts_cases.find(name) for name in ("testing-wrong-name", "testing-self-signed", "testing-no-starttls",
                                                   "testing-not-listed")]
        self.deliver([case.domain for case in cases])
        for case in cases:
            with self.subTest(case=case.label):
                lab.vps.wait_log(rf"warning: .*MTA-STS policy of {re.escape(case.domain)}, which is in testing: ")

    def test_case_88_dane_decides(self):
        """Case 88: usable TLSA records decide alone, for better or worse; unusable ones leave it to MTA-STS."""
        self.check(88)

    def test_switched_off(self):
        """mta_sts = false: nobody asks for policies."""
        case = sts_cases.find("enforce-self-signed")
        self.edge_conf("mta_sts = false;\n")
        self.check_verdict(tls_cases.find(case.mx[0]), self.deliver([case.domain])[case.domain], "may", case.domain)
        self.assertEqual(self.fetches(case), [])


class Cache(RuntimePolicy):
    """Cases 87 and 89: each on a domain of its own, whose host is self-signed unless told otherwise."""

    def send(self, domain):
        return self.deliver([domain])[domain]

    def expect(self, domain, verdict, host=None):
        self.check_verdict(host or self.BAD, self.send(domain), verdict, domain)
        lab.home.empty_queue()

    def becomes(self, domain, wanted, seconds=20):
        """Send until the outcome is as wanted ("sent", "deferred"). The TXT record of a kept policy is looked at every five
        minutes, and after a start, behind the first delivery's back."""
        lab.edge.restart()
        wait_for(f"{domain}: {wanted}", lambda: f"status={wanted}" in self.send(domain).line, seconds, 1)
        lab.home.empty_queue()

    def test_case_87_policy_outlives_its_host(self):
        """Case 87: unexpired and the fetch fails: the policy holds, over a restart of the edge too."""
        domain = sts_cases.RUNTIME[0]
        self.serve(domain)
        self.policy(domain)
        self.expect(domain, "sts-cert")
        lab.sts_behave(f"mta-sts.{domain}", **FAILING)
        self.expect(domain, "sts-cert")
        lab.edge.restart()
        self.expect(domain, "sts-cert")
        lab.edge.kill()
        lab.edge.start()
        self.expect(domain, "sts-cert")

    def test_case_87_expired_policy(self):
        """Case 87: expired and the fetch fails: no policy."""
        domain = sts_cases.RUNTIME[1]
        self.serve(domain)
        self.policy(domain, max_age=5)
        self.expect(domain, "sts-cert")
        lab.sts_behave(f"mta-sts.{domain}", **FAILING)
        time.sleep(6)
        self.becomes(domain, "sent")

    def test_case_87_new_id(self):
        """Case 87: a new id: fetched again; the same id: not."""
        domain = sts_cases.RUNTIME[2]
        self.serve(domain, "a1")
        self.policy(domain)
        self.expect(domain, "sts-cert")
        self.expect(domain, "sts-cert")
        self.assertEqual(len(self.requests(domain)), 1)
        self.policy(domain, "none")
        self.serve(domain, "a2")
        self.becomes(domain, "sent")
        self.assertEqual(len(self.requests(domain)), 2)

    def test_case_87_new_id_but_no_policy(self):
        """Case 87: a new id whose fetch fails: the old policy holds."""
        domain = sts_cases.RUNTIME[3]
        self.serve(domain, "a1")
        self.policy(domain)
        self.expect(domain, "sts-cert")
        lab.sts_behave(f"mta-sts.{domain}", **FAILING)
        self.serve(domain, "a2")
        lab.edge.restart()
        wait_for("the new id was seen", lambda: self.send(domain) and len(self.requests(domain)) > 1, interval=1)
        self.assertIn("status=deferred", self.send(domain).line)

    def test_case_87_damaged_cache(self):
        """Case 87: what is damaged in the cache is dropped and fetched anew; the edge starts, and stays strict."""
        domain = sts_cases.RUNTIME[4]
        self.serve(domain)
        self.policy(domain)
        self.expect(domain, "sts-cert")
        lab.edge.stop()
        damaged = [path for path in glob.glob(lab.vps.path("/var/lib/postern/**"), recursive=True)
                   if os.path.isfile(path) and "sts" in os.path.basename(path)]
        self.assertTrue(damaged, "no cache of policies below /var/lib/postern")
        for junk in (b"\0\xff" * 4000, b"", b"domain=\n\n{[", b"x" * (1 << 20)):
            lab.edge.stop()
            for path in damaged:
                with open(path, "r+b") as file:
                    file.truncate()
                    file.write(junk)
            lab.edge.start()
            with self.subTest(junk=junk[:8]):
                self.expect(domain, "sts-cert")

    def test_case_87_one_fetch_for_many(self):
        """Case 87: thirty messages at once to a new domain: one fetch."""
        domain = sts_cases.RUNTIME[5]
        self.serve(domain)
        self.policy(domain)
        ids = [lab.home.inject(self.sender(domain), [f"you@{domain}"], b"Subject: many\r\n\r\nonly\r\n") for _ in range(30)]
        for queue_id in ids:
            self.assertIn("status=deferred", self.first_line(queue_id))
        self.assertEqual(len(self.requests(domain)), 1)

    def test_case_87_failure_is_not_kept_for_long(self):
        """Case 87: no policy because of a failure: looked for again soon, not at every message."""
        domain = sts_cases.RUNTIME[6]
        lab.sts_behave(f"mta-sts.{domain}", **FAILING)
        self.addCleanup(lab.sts_behave, f"mta-sts.{domain}")
        self.serve(domain)
        self.expect(domain, "may")
        for _ in range(5):
            self.assertIn("status=sent", self.send(domain).line)
        self.assertLessEqual(len(self.requests(domain)), 2)

    def test_case_89_policy_taken_away(self):
        """Case 89: an attacker takes away the TXT record, then the policy and its host: enforced all the same."""
        domain = sts_cases.RUNTIME[7]
        self.serve(domain)
        self.policy(domain)
        self.expect(domain, "sts-cert")
        self.serve(domain, None)
        self.expect(domain, "sts-cert")
        lab.sts_behave(f"mta-sts.{domain}", status="404 Not Found")
        self.expect(domain, "sts-cert")
        lab.zone(domain, f"@ MX 10 {self.BAD.host}.\n")
        lab.edge.restart()
        self.expect(domain, "sts-cert")
        self.serve(domain, "x", self.GOOD)
        self.expect(domain, "sts", self.GOOD)

    def test_mode_becomes_enforce(self):
        """A policy goes from testing to enforce under a new id."""
        domain = sts_cases.RUNTIME[8]
        self.serve(domain, "t1")
        self.policy(domain, "testing")
        self.expect(domain, "testing")
        self.policy(domain, "enforce")
        self.serve(domain, "t2")
        self.becomes(domain, "deferred")
