"""The road itself: real Postfix, the tunnel, the edge, MX programs nobody here wrote."""
import hashlib
import re
import subprocess

from harness import Case, lab

MESSAGE = (b"From: Anna <anna@home.example>\r\nTo: you@somewhere.example\r\nSubject: the road\r\n"
           b"Date: Sat, 21 Nov 2026 10:00:00 +0000\r\nMessage-ID: <road@home.example>\r\n\r\n"
           b"first line\r\n..two dots\r\n.\r\nlast line\r\n")
MX_DOMAINS = {"mx-postfix": "postfix.example", "mx-sink": "sink.example", "mx-exim": "exim.example",
              "mx-opensmtpd": "opensmtpd.example", "mx-aiosmtpd": "aiosmtpd.example"}


class Road(Case):
    def test_every_mx_program(self):
        recipients = [f"you@{domain}" for domain in MX_DOMAINS.values()]
        queue_id = lab.home.inject("anna@home.example", recipients, MESSAGE)
        lab.home.wait_log(rf"{queue_id}: removed")
        for recipient, line in lab.home.outcomes(queue_id).items():
            self.assertIn("status=sent", line, recipient)
        for mx in MX_DOMAINS:
            stored = lab.wait_stored(mx)
            self.assertEqual(len(stored), 1, mx)
            trace, rest = stored[0].raw.split(b"\r\n", 2)[:2], stored[0].raw.split(b"\r\n", 2)[2]
            self.assertRegex(trace[0], rb"^Received: by edge\.vps\.example \(postern\) id %s;$" % queue_id.encode())
            self.assertTrue(rest.endswith(MESSAGE), mx)
            self.assertTrue(lab.dkim_verify(stored[0].raw), mx)
            self.assertNotIn(b"192.0.2.10", stored[0].raw)

    def test_queue_id_by_every_way_in(self):
        """SMTP has XFORWARD IDENT; sendmail(1) and bounces have only their Received field."""
        smtp = lab.home.inject("anna@home.example", ["you@postfix.example"], MESSAGE)
        lab.home.sendmail("anna@home.example", ["you@sink.example"], "Subject: by sendmail\n\nhello\n")
        lab.home.inject("stranger@exim.example", ["refused@postfix.example"], MESSAGE)
        line = lab.home.wait_log(r"postfix/.*to=<stranger@exim\.example>.*status=sent")[0]
        bounce = re.search(r": (\w+): to=", line).group(1)
        by_sendmail = re.search(r": (\w+): to=", lab.home.wait_log(r"postfix/.*to=<you@sink\.example>.*status=sent")[0]).group(1)
        for queue_id in (smtp, by_sendmail, bounce):
            lab.vps.wait_log(rf"postern/edge\[\d+\]: {queue_id}: to=<@.*status=sent")
            lab.home.wait_log(rf"postern/transport\[\d+\]: {queue_id}: to=<.*status=sent")
        self.assertIn(f"id {bounce}".encode(), lab.wait_stored("mx-exim")[0].raw)

    def test_bounce_quotes_the_mx(self):
        queue_id = lab.home.inject("anna@home.example", ["refused@exim.example"], MESSAGE)
        line = lab.home.wait_log(rf"postfix/.*{queue_id}: to=<refused@exim.example>.*status=bounced")[0]
        self.assertRegex(line, r"host mx\.exim\.example\[[0-9a-f.:]+\] said: 550.* User unknown here")
        self.assertIn("(in reply to RCPT TO command)", line)
        bounce = lab.wait_stored("home")[0].raw
        self.assertIn(b"User unknown here", bounce)
        self.assertIn(b"Action: failed", bounce)

    def test_tls_and_no_tls(self):
        tls = lab.home.inject("anna@home.example", ["you@postfix.example"], MESSAGE)
        plain = lab.home.inject("anna@home.example", ["you@sink.example"], MESSAGE)
        self.assertRegex(lab.home.wait_log(rf"postfix/.*{tls}: to=.*status=sent")[0], r"TLSv1\.3 TLS_\w+ \(unauthenticated\)")
        self.assertNotIn("TLS", lab.home.wait_log(rf"postfix/.*{plain}: to=.*status=sent")[0])
        self.assertIn("tls=none", lab.vps.wait_log(rf"{plain}: to=.*status=sent")[0])

    def test_large_message(self):
        message = MESSAGE + (b"x" * 70 + b"\r\n") * 350_000
        queue_id = lab.home.inject("anna@home.example", ["you@postfix.example", "you@sink.example"], message)
        lab.home.wait_log(rf"{queue_id}: removed")
        for mx in ("mx-postfix", "mx-sink"):
            raw = lab.wait_stored(mx)[0].raw
            self.assertEqual(hashlib.sha256(raw[raw.index(b"From: Anna"):]).digest(), hashlib.sha256(message).digest(), mx)

    def test_both_families_and_next_host(self):
        for domain, pattern in (("v6only.example", r"\[2001:db8:25::11\]"), ("v4only.example", r"\[203\.0\.113\.11\]"),
                                ("multi.example", "status=sent"), ("implicit.example", "status=sent"),
                                ("cname-mx.example", "status=sent"), ("private-first.example", "status=sent")):
            with self.subTest(domain=domain):
                queue_id = lab.home.inject("anna@home.example", [f"you@{domain}"], MESSAGE)
                self.assertRegex(lab.home.wait_log(rf"postfix/.*{queue_id}: to=.*status=")[0], pattern)

    def test_dns_verdicts(self):
        """Cases 42, 43, 45, 47, 52 by real name servers."""
        rows = {"nullmx.example": ("5.1.10", "bounced"), "no-such-domain.example": ("5.1.2", "bounced"),
                "nxdomain-mx.example": ("5.4.4", "bounced"), "private-mx.example": ("5.4.4", "bounced"),
                "literal-mx.example": ("5.4.4", "bounced"), "nodata.example": ("5.4.4", "bounced"),
                "servfail.example": ("4.4.3", "deferred"), "bogus.example": ("4.7.", "deferred"),
                "down.example": ("4.4.1", "deferred"), "blackhole.example": ("4.4.1", "deferred")}
        queue_id = lab.home.inject("anna@home.example", [f"you@{domain}" for domain in rows], MESSAGE)
        lab.home.wait_log(rf"postfix/.*{queue_id}: to=.*status=", 100, count=len(rows))
        outcomes = lab.home.outcomes(queue_id)
        for domain, (code, status) in rows.items():
            self.assertRegex(outcomes[f"you@{domain}"], rf"dsn={re.escape(code)}.*status={status}", domain)

    def test_backup_that_is_ourselves_bounces_nothing(self):
        """The primary is down; that the backup greets us with our own name (case 33) must not turn a delay into a loop."""
        lab.zone("loopbackup.example", "@ MX 10 mx.down.example.\n@ MX 20 mx.case33-is-ourselves.hostile.example.\n")
        self.addCleanup(lab.unzone, "loopbackup.example")
        queue_id = lab.home.inject("anna@home.example", ["you@loopbackup.example"], MESSAGE)
        self.assertRegex(lab.home.wait_log(rf"postfix/.*{queue_id}: to=.*status=")[0], r"dsn=4\.4\.1.*status=deferred .*refused")
        self.assertTrue(lab.hostile("case33_is_ourselves"), "the backup was asked")

    def test_transport_links_neither_tls_nor_dns(self):
        program = lab.home.path("/usr/libexec/postern/postern-transport")
        libraries = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
        self.assertNotRegex(libraries, r"libssl|libcrypto|libldns")
