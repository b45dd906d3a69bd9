"""Relays of the edge: mail of some domains goes to a submission server (mx-postfix as submission.postfix.example), logged in,
over TLS that proves who the server is; and to nobody else goes a password. And the ways of Postfix to have only some mail take
the tunnel."""
import contextlib
import os
import re

import canaries
from harness import Case, lab

EDGE_CONF = "/etc/postern/edge.conf"
RELAY, PASSWORDS = "/etc/postern/relay", "/etc/postern/relay_passwords"
USER, PASSWORD = "postern@postfix.example", "open sesame 4711"
HOST = "submission.postfix.example"
MX = lab.mx["mx-postfix"]
MESSAGE = (b"From: anna@home.example\r\nTo: you@sink.example\r\nSubject: by relay\r\nDate: Sat, 21 Nov 2026 10:00:00 +0000\r\n"
           b"Message-ID: <relay@home.example>\r\n\r\nonly\r\n")


def outcomes_of(queue_id, recipients):
    """{recipient: Postfix's line about it}, after the first attempt."""
    lines = lab.home.wait_log(rf"postfix/(lmtp|smtp)\[\d+\]: {queue_id}: to=<.*status=", count=len(recipients))
    return {re.search("to=<(.*?)>", line)[1]: line for line in lines}


class RelayCase(Case):
    def setUp(self):
        super().setUp()
        self.addCleanup(self.remove_tables)
        self.sasl_mark = os.path.getsize(MX.path("/var/log/sasl_auth.log"))

    @staticmethod
    def remove_tables():
        for path in (RELAY, PASSWORDS):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(lab.vps.path(path))
        lab.edge.restart()

    @staticmethod
    def write(path, text, mode=0o600, owner="_postern-edge"):
        """By rename, as an editor does."""
        lab.vps.write(path + ".new", text)
        lab.vps.run("sh", "-c", f"chmod {mode:o} {path}.new && chown {owner} {path}.new && mv {path}.new {path}")

    def use(self, relay, passwords=f"[{HOST}]:587 {USER}:{PASSWORD}\n"):
        self.write(PASSWORDS, passwords)
        self.write(RELAY, relay, 0o644, "root")

    @staticmethod
    def send(*recipients):
        return outcomes_of(lab.home.inject("anna@home.example", recipients, MESSAGE), recipients)

    def logins(self):
        """What the server of passwords was asked: ["PLAIN OK user=..."]."""
        with open(MX.path("/var/log/sasl_auth.log"), encoding="utf-8") as file:
            file.seek(self.sasl_mark)
            return file.read().splitlines()

    def said_at(self, port):
        """Commands of the connections that ended there: postfix counts them ("ehlo=2 starttls=1 auth=1 ...")."""
        return MX.wait_log(rf"postfix/{port}/smtpd\[\d+\]: disconnect from edge\.vps\.example")

    def nobody_was_told(self, port):
        for line in self.said_at(port):
            self.assertNotIn("auth", line)
        self.assertEqual(self.logins(), [])


class Submission(RelayCase):
    def test_starttls(self):
        """Two domains in one transaction, one that has its own line, and a refusal that is one."""
        self.use(f"*\t[{HOST}]:587\naiosmtpd.example direct\n")
        outcomes = self.send("a@sink.example", "b@exim.example", "c@aiosmtpd.example", "refused@opensmtpd.example")
        for recipient in ("a@sink.example", "b@exim.example"):
            self.assertRegex(outcomes[recipient], rf"status=sent .*{HOST}\[[^\]]*\]:587 secure TLSv1\.\S+ .*said: 250 ")
        self.assertRegex(outcomes["c@aiosmtpd.example"], r"status=sent .*aiosmtpd")
        self.assertRegex(outcomes["refused@opensmtpd.example"], r"dsn=5\.1\.1, status=bounced .*550 5\.1\.1 .*in reply to RCPT TO")
        edge = lab.vps.wait_log(r"to=<@sink\.example>")[-1]
        self.assertRegex(edge, rf"relay={HOST}\[[^\]]*\]:587, .*tls=secure TLSv1\.")
        self.assertEqual(self.logins(), [f"PLAIN OK user={USER}"])
        taken = MX.wait_log(rf"postfix/587/smtpd\[\d+\]: \w+: client=edge\.vps\.example.*sasl_method=PLAIN, sasl_username={USER}")
        self.assertEqual(len(taken), 1)
        self.assertEqual(len(lab.wait_stored("mx-postfix", 2)), 2)
        self.assertEqual(lab.stored("mx-sink") + lab.stored("mx-exim"), [])

    def test_implicit_tls(self):
        self.use(f"sink.example [{HOST}]:465\n", f"{HOST} {USER}:{PASSWORD}\n")
        self.assertRegex(self.send("a@sink.example")["a@sink.example"], rf"status=sent .*{HOST}\[[^\]]*\]:465 secure TLSv1")
        self.assertIn("ehlo=1 auth=1 ", self.said_at(465)[0])
        self.assertEqual(self.logins(), [f"PLAIN OK user={USER}"])

    def test_login(self):
        """A server that has no PLAIN."""
        self.use(f"sink.example [{HOST}]:4587\n", f"{HOST} {USER}:{PASSWORD}\n")
        self.assertRegex(self.send("a@sink.example")["a@sink.example"], r"status=sent")
        self.assertEqual(self.logins(), [f"LOGIN OK user={USER}"])

    def test_mail_exchangers_of_a_domain(self):
        """Without brackets the relay is a domain: its MX records, and with level dane its MTA-STS policy."""
        self.use("sink.example enforce-good.policy.example:25 tls=dane auth=no\n"
                 "exim.example enforce-wrong-name.policy.example tls=dane auth=no\n"
                 "aiosmtpd.example postfix.example tls=encrypt auth=no\n")
        outcomes = self.send("a@sink.example", "a@exim.example", "a@aiosmtpd.example")
        self.assertRegex(outcomes["a@sink.example"], r"status=sent .*mx\.good\.sts\.example\[[^\]]*\]:25 sts TLSv1")
        self.assertRegex(outcomes["a@exim.example"], r"dsn=4\.7\.5, status=deferred .*certificate.*MTA-STS policy of enforce-wrong-name")
        self.assertRegex(outcomes["a@aiosmtpd.example"], r"status=sent .*mx\.postfix\.example\[[^\]]*\]:25 encrypt TLSv1")

    def test_session_is_kept_for_its_relay(self):
        """The next message needs no log-in, whichever of its domains it is for; but mail that is not to be logged in does not use it."""
        self.use(f"sink.example [{HOST}]:587\nexim.example [{HOST}]:587\n")
        for recipient in ("a@sink.example", "b@exim.example"):
            self.assertRegex(self.send(recipient)[recipient], r"status=sent .*:587 ")
        self.assertEqual(self.logins(), [f"PLAIN OK user={USER}"])
        self.use(f"sink.example [{HOST}]:587 auth=no\n")
        self.assertRegex(self.send("c@sink.example")["c@sink.example"], r"status=bounced .*554 5\.7\.1 .*Access denied")

    def test_dane(self):
        """TLSA records of the relay; the domain's own, and its MTA-STS policy, have no say."""
        self.use("ee-bad.tls.example [mx.ee.tls.example] tls=dane-only auth=no\n"
                 "sink.example [mx.ee-bad.tls.example] tls=dane-only auth=no\n")
        outcomes = self.send("a@ee-bad.tls.example", "a@sink.example")
        self.assertRegex(outcomes["a@ee-bad.tls.example"], r"status=sent .*mx\.ee\.tls\.example\[[^\]]*\]:25")
        self.assertRegex(outcomes["a@sink.example"], r"dsn=4\.7\.5, status=deferred .*TLSA")


class Password(RelayCase):
    def test_wrong_then_right(self):
        """A wrong password bounces nothing; a right one is taken from the file without further ado."""
        self.use(f"sink.example [{HOST}]:587\n", f"[{HOST}]:587 {USER}:open sesame 0815\n")
        line = self.send("a@sink.example")["a@sink.example"]
        self.assertRegex(line, rf"dsn=4\.7\.8, status=deferred \(.*host {HOST}\[[^\]]*\]: SASL authentication failed; server said: 535 5\.7\.8 ")
        # Not once for each of its addresses, nor for each message that waits.
        self.assertRegex(self.send("b@sink.example")["b@sink.example"], r"dsn=4\.7\.0, status=deferred .*this login was refused a moment ago")
        self.assertEqual(self.logins(), [f"PLAIN FAIL user={USER}"])
        self.write(PASSWORDS, f"[{HOST}]:587 {USER}:{PASSWORD}\n")
        lab.home.flush()
        lab.home.wait_queue_empty()
        self.assertEqual(len(lab.wait_stored("mx-postfix", 2)), 2)
        self.assertEqual(lab.vps.grep_log("sesame") + lab.home.grep_log("sesame"), [])

    def test_none(self):
        """Without a login nothing is tried at a submission port, so nothing is refused for good."""
        self.use(f"sink.example [{HOST}]:587\n", "")
        self.assertRegex(self.send("a@sink.example")["a@sink.example"],
                         r"dsn=4\.7\.0, status=deferred .*relay_passwords has no login for this relay")
        check = lab.vps.run("postern-edge", "--check", check=False)
        self.assertEqual(check.returncode, 78)
        self.assertIn(f"{RELAY}:1: [{HOST}]:587 has no line in {PASSWORDS}", check.stderr)

    def test_file_others_can_read(self):
        self.use(f"sink.example [{HOST}]:587\n")
        self.assertEqual(lab.vps.run("postern-edge", "--check").returncode, 0)
        self.write(PASSWORDS, f"[{HOST}]:587 {USER}:{PASSWORD}\n", 0o640)
        check = lab.vps.run("postern-edge", "--check", check=False)
        self.assertEqual(check.returncode, 78)
        self.assertIn(f"{PASSWORDS}: mode 0640 lets others read these passwords; chmod 600 {PASSWORDS}", check.stderr)
        self.write(PASSWORDS, f"[{HOST}]:587 {USER}:{PASSWORD}\n", 0o600, "root")
        check = lab.vps.run("postern-edge", "--check", check=False)
        self.assertEqual(check.returncode, 78)
        uid = lab.vps.run("id", "-u", "_postern-edge").stdout.strip()
        self.assertIn(f"{PASSWORDS}: Permission denied; read by uid {uid}; chown {uid} {PASSWORDS}", check.stderr)

    def test_bad_tables_change_nothing(self):
        self.use(f"sink.example [{HOST}]:587\nexim.example [{HOST}]:465\n", f"{HOST} {USER}:{PASSWORD}\n")
        self.assertRegex(self.send("a@sink.example")["a@sink.example"], r"status=sent")
        self.write(RELAY, f"sink.example [{HOST}]:587 tls=encrypt\n", 0o644)
        self.write(PASSWORDS, f"[{HOST}]:587 {PASSWORD}\n")
        self.assertRegex(self.send("b@exim.example")["b@exim.example"], r"status=sent .*:465 secure TLSv1")
        lab.vps.wait_log(rf"{RELAY}:1: tls=encrypt does not make sure who the server is: write auth=no, or auth=unverified .*"
                         "the relays read before stay in force")
        lab.vps.wait_log(rf"{PASSWORDS}:1: behind the relay stands no user:password; the passwords read before stay in force")
        check = lab.vps.run("postern-edge", "--check", check=False)
        self.assertEqual(check.returncode, 78)
        self.assertIn(f"{RELAY}:1: tls=encrypt does not make sure", check.stderr)


class NotTold(RelayCase):
    """Whoever does not prove to be the relay hears no password; what was said is counted at the server."""

    def test_untrusted_certificate(self):
        self.use(f"sink.example [{HOST}]:2587 auth=yes\n", f"{HOST} {USER}:{PASSWORD}\n")
        self.assertRegex(self.send("a@sink.example")["a@sink.example"], r"dsn=4\.7\.5, status=deferred .*certificate")
        self.nobody_was_told(2587)

    def test_no_tls(self):
        self.use(f"sink.example [{HOST}]:3587 auth=yes\n", f"{HOST} {USER}:{PASSWORD}\n")
        self.assertRegex(self.send("a@sink.example")["a@sink.example"],
                         r"dsn=4\.7\.4, status=deferred .*TLS is required, but was not offered")
        self.nobody_was_told(3587)

    def test_wrong_name(self):
        """The same server, by the name that is not in its certificate."""
        self.use("sink.example [mx.postfix.example]:587\n", f"mx.postfix.example {USER}:{PASSWORD}\n")
        self.assertRegex(self.send("a@sink.example")["a@sink.example"], r"dsn=4\.7\.5, status=deferred .*certificate")
        self.nobody_was_told(587)

    def test_told_all_the_same(self):
        """When it was said in so many words."""
        self.use(f"sink.example [{HOST}]:2587 tls=encrypt auth=unverified\n", f"{HOST} {USER}:{PASSWORD}\n")
        self.assertRegex(self.send("a@sink.example")["a@sink.example"], r"status=sent")
        self.assertEqual(self.logins(), [f"PLAIN OK user={USER}"])

    def test_ourselves(self):
        """A relay that is the edge itself: neither a loop nor a bounce."""
        self.use("sink.example [edge.vps.example]:25 tls=may auth=no\n")
        self.assertRegex(self.send("a@sink.example")["a@sink.example"], r"dsn=4\.4\.4, status=deferred .*address refused: ")


class NothingLeft(RelayCase):
    def test_password_is_nowhere(self):
        """Not in the log, the journal or any other file but its own; nor in the memory of the process that used it."""
        self.use(f"sink.example [{HOST}]:587\nexim.example [{HOST}]:4587\n", f"{HOST} {USER}:{PASSWORD}\n")
        for number in range(10):
            outcomes = self.send(f"a{number}@sink.example", f"a{number}@exim.example")
            self.assertEqual({re.search("status=(\\w+)", line)[1] for line in outcomes.values()}, {"sent"})
        self.assertEqual(len(self.logins()), 2)     # the sessions are kept for the next message
        found, _, _ = canaries.search_disk(lab.vps, PASSWORD)
        self.assertEqual({hit[1] for hit in found if not hit[1].endswith(PASSWORDS)}, set(), canaries.describe(found))
        self.assertTrue(found)      # the search finds what is there
        if lab.edge.sanitizer() is None:
            found, processes, _ = canaries.search_memory(lab.vps, PASSWORD, "postern-edge")
            self.assertEqual((found, processes), ([], 1), canaries.describe(found))
            self.assertTrue(canaries.search_memory(lab.vps, PASSWORD, "postern-keeper")[0])


class SomeOfTheMail(Case):
    """conf.examples/main.cf: what takes the tunnel, and what goes by smtp(8) as before. The lab's mail host may not use port 25; the way past
    the tunnel is mx-postfix's port 2525."""
    TUNNEL, PAST = "postern:unix:private/postern-spawn", "smtp:[mx.postfix.example]:2525"
    SETTINGS = ("default_transport", "transport_maps", "sender_dependent_default_transport_maps")

    def setUp(self):
        super().setUp()
        self.addCleanup(lab.home.postconf, *(f"{name} = {lab.home.run('postconf', '-h', name).stdout.strip()}" for name in self.SETTINGS))

    def check(self, sender, expected):
        """expected: {recipient: "lmtp" through the tunnel, "smtp" past it}"""
        outcomes = outcomes_of(lab.home.inject(sender, list(expected), MESSAGE), expected)
        taken = {recipient: re.search(r"postfix/(\w+)\[", line)[1] for recipient, line in outcomes.items()}
        self.assertEqual(taken, expected)
        for line in outcomes.values():
            self.assertIn("status=sent", line)

    def test_all_but_some(self):
        lab.home.write("/etc/postfix/transport", f"exim.example {self.PAST}\n.exim.example {self.PAST}\n")
        lab.home.postconf("transport_maps = texthash:/etc/postfix/transport")
        self.check("anna@home.example", {"a@exim.example": "smtp", "a@sink.example": "lmtp"})

    def test_only_some(self):
        lab.home.write("/etc/postfix/transport", f"sink.example {self.TUNNEL}\n")
        lab.home.postconf(f"default_transport = {self.PAST}", "transport_maps = texthash:/etc/postfix/transport")
        self.check("anna@home.example", {"a@exim.example": "smtp", "a@sink.example": "lmtp"})

    def test_only_some_senders(self):
        lab.home.write("/etc/postfix/sender_transport", f"@home.example {self.TUNNEL}\n")
        lab.home.postconf(f"default_transport = {self.PAST}",
                          "sender_dependent_default_transport_maps = texthash:/etc/postfix/sender_transport")
        self.check("anna@home.example", {"a@sink.example": "lmtp"})
        self.check("anna@elsewhere.example", {"a@sink.example": "smtp"})
