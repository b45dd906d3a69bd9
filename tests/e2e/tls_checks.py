"""What the cases about DANE, MTA-STS and TLS policies share: messages to the hosts of tests/lab/tls_cases.py, and what must
be seen of them in Postfix's log, in the edge's, and at the mail host itself."""
from harness import Case, lab
import sts_cases    # tests/lab, where harness looks too
import tls_cases

EDGE_CONF = "/etc/postern/edge.conf"
TLS_POLICY = "/etc/postern/tls_policy"
MESSAGE = (b"From: anna@home.example\r\nTo: you@tls.example\r\nSubject: for your eyes\r\n"
           b"Date: Sat, 21 Nov 2026 10:00:00 +0000\r\nMessage-ID: <eyes@home.example>\r\n\r\nonly\r\n")
SESSION = r"TLSv1\.[23] [A-Z0-9_-]+"
FAILING = {"status": "500 Internal Server Error", "body": "no"}     # of a policy host: sts_cases.BEHAVIOUR
# Verdict (tls_cases.VERDICTS, sts_cases.VERDICTS): the edge's log line about a delivery, or Postfix's about a message that stays.
SENT = {
    "dane": rf"tls=dane {SESSION}, ",
    "trusted": rf"tls=dane {SESSION} \(trusted, not verified: MX record insecure\), ",
    "unusable": rf"tls=dane {SESSION} \(unauthenticated: no usable TLSA record\), ",
    "may": rf"tls=may {SESSION} \(unauthenticated\), ",
    "none": r"tls=none, ",
    "sts": rf"tls=sts {SESSION}, ",
    "testing": rf"tls=may {SESSION} \([^)]*MTA-STS testing: would fail[^)]*\), ",
    "testing-met": rf"tls=may {SESSION} \([^)]*MTA-STS testing: holds[^)]*\), ",
}
DEFERRED = {
    "mismatch": r"dsn=4\.7\.5, status=deferred \(.*(TLSA|certificate)",
    "no-tls": r"dsn=4\.7\.4, status=deferred \(.*TLS",
    "handshake": r"dsn=4\.7\.[45], status=deferred \(.*TLS",
    "sts-cert": r"dsn=4\.7\.5, status=deferred \(.*certificate",
    "sts-no-tls": r"dsn=4\.7\.[45], status=deferred \(.*TLS",
    "not-listed": r"dsn=4\.7\.\d, status=deferred \(.*(MTA-STS|listed)",
    "dns": r"dsn=4\.(4\.3|7\.0), status=deferred \(.*(DNS|TLSA|lookup|SERVFAIL)",
}


class Outcome:
    """A message: Postfix's line about its recipient, and the edge's."""

    def __init__(self, queue_id, line):
        self.queue_id = queue_id
        self.line = line

    @property
    def is_sent(self):
        return "status=sent" in self.line

    @property
    def edge(self):
        return lab.vps.wait_log(rf"postern/edge\[\d+\]: {self.queue_id}: to=<.*status=")[-1]


class TlsCase(Case):
    def deliver(self, domains, message=MESSAGE, **options):
        """{domain: Outcome} of a message to each, all at once. The sender names the domain, for whoever looks at MAIL."""
        ids = {domain: lab.home.inject(self.sender(domain), [f"you@{domain}"], message, **options) for domain in domains}
        return {domain: Outcome(queue_id, self.first_line(queue_id)) for domain, queue_id in ids.items()}

    @staticmethod
    def sender(domain):
        return "anna@home.example" if domain.startswith("[") else f"anna+{domain}@home.example"

    def first_line(self, queue_id, count=1):
        return lab.home.wait_log(rf"postfix/lmtp\[\d+\]: {queue_id}: to=<.*status=", count=count)[count - 1]

    saved_conf = None

    def edge_conf(self, text):
        """Add lines to the lab's edge.conf, in place of those added before, until the case ends."""
        if self.saved_conf is None:
            self.saved_conf = lab.vps.read(EDGE_CONF)
            self.addCleanup(self.write_conf, self.saved_conf)
        self.write_conf(self.saved_conf + text)

    @staticmethod
    def write_conf(text):
        lab.vps.write(EDGE_CONF, text)
        lab.edge.restart()

    # -- what the mail host saw

    def never_in_plaintext(self, case, domain):
        for event in lab.tls_events(case.domain):
            if event["event"] in ("mail", "rcpt") and domain in event["text"]:
                self.assertTrue(event["tls"], f"{domain}: mail in plaintext: {event}")

    def events(self, case, name):
        return [event for event in lab.tls_events(case.domain) if event["event"] == name]

    def stored_for(self, domain):
        return [mail for mail in lab.stored("mx-tls") if mail.recipient == f"you@{domain}"]

    # -- verdicts

    def check_verdict(self, case, outcome, verdict=None, domain=None):
        """Of a case of tls_cases.py, or of another domain whose mail host the case is."""
        verdict, domain = verdict or case.verdict, domain or case.domain
        if verdict in SENT:
            self.check_sent(case, outcome, SENT[verdict], domain, verdict == "none")
        else:
            self.check_deferred(case, outcome, DEFERRED[verdict], domain)
            if verdict in ("dns", "not-listed"):
                self.assertEqual(self.events(case, "connect"), [], "a host was used that must not be")

    def check_sent(self, case, outcome, words, domain=None, is_plain=False):
        """Delivered to the case's host (or the one it names), with these words in the edge's line."""
        domain = domain or case.domain
        self.assertRegex(outcome.line, r"dsn=2\.0\.0, status=sent \(250 ")
        self.assertRegex(outcome.edge, words)
        stored = self.stored_for(domain)
        self.assertEqual(len(stored), 1)
        self.assertTrue(stored[0].raw.endswith(b"\r\n\r\nonly\r\n"))
        self.assertEqual(stored[0].trace["case"], tls_cases.find(case.at).domain if case.at else case.domain)
        self.assertEqual(stored[0].trace["tls"] is None, is_plain)
        if not is_plain:
            self.never_in_plaintext(case, domain)

    def check_deferred(self, case, outcome, words, domain=None):
        """Nothing of the message has left, and it waits in the queue."""
        domain = domain or case.domain
        self.assertRegex(outcome.line, words)
        self.assertEqual(self.stored_for(domain), [])
        heard = [event for event in self.events(case, "mail") if self.sender(domain) in event["text"]]
        self.assertEqual(heard, [], "the host heard who writes to whom")
        self.assertIn(outcome.queue_id, [entry["queue_id"] for entry in lab.home.queue()])


class RuntimePolicy(TlsCase):
    """Domains with MTA-STS that are made at run time; names: sts_cases.RUNTIME. Their mail host is self-signed unless told
    otherwise."""
    BAD, GOOD = tls_cases.find("self-signed.sts.example"), tls_cases.find("good.sts.example")

    def serve(self, domain, identity="1", host=None, more=""):
        """Zone of a domain; identity None: no TXT record. TTLs are short, so that changes are seen."""
        text = f"@ MX 10 {(host or self.BAD).host}.\n"
        text += "".join(f"mta-sts {'AAAA' if ':' in address else 'A'} {address}\n" for address in sts_cases.ADDRESSES)
        if identity:
            text += f'_mta-sts 1 TXT "v=STSv1; id={identity};"\n'
        lab.zone(domain, text + more)
        self.addCleanup(lab.unzone, domain)

    def policy(self, domain, mode="enforce", max_age=86400, mx="*.self-signed.sts.example"):
        body = f"version: STSv1\nmode: {mode}\nmx: {mx}\nmx: *.good.sts.example\nmax_age: {max_age}\n"
        lab.sts_behave(f"mta-sts.{domain}", body=body)
        self.addCleanup(lab.sts_behave, f"mta-sts.{domain}")

    def requests(self, domain):
        return [event for event in lab.sts_events(f"mta-sts.{domain}") if event["event"] == "request"]
