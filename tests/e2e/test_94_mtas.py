"""postern-transport under sendmail 8.17 and Exim 4.96, by the project's own examples: what becomes of each recipient of a message, and
that nothing bounces for postern's own trouble."""
import email
import email.policy
import re

from harness import Case, lab, wait_for
from transport_socket import listen

ALICE = "alice@home.example"
BODY = b"first line\r\n.hidden\r\n" + "grüße\r\n".encode() + b"x" * 900 + b"\r\nlast line\r\n"
MESSAGE = b"From: alice@home.example\r\nTo: you@postfix.example\r\nSubject: by another system\r\nDate: Sat, 21 Nov 2026 10:00:00 +0000\r\n" \
          b"Message-ID: <other@home.example>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n" \
          b"Content-Transfer-Encoding: 8bit\r\n\r\n" + BODY
CONF = "/etc/postern/postern.conf"
OUTCOMES = {"you@postfix.example": "2.0.0, status=sent", "two@postfix.example": "2.0.0, status=sent", "you@sink.example": "2.0.0, status=sent",
            "refused@exim.example": "5.0.0, status=bounced", "later@exim.example": "4.0.0, status=deferred",
            "you@nullmx.example": "5.1.10, status=bounced"}


class Shared:
    """What holds for both; `host` has its daemon running and an edge."""

    def tearDown(self):
        self.host.empty_queue()

    def send(self, recipients, message=MESSAGE, sender=ALICE, mail_options=("BODY=8BITMIME",)):
        """Injects from the VPS, as alice; returns the queue id."""
        with lab.vps.smtp(self.host.address) as client:
            client.ehlo()
            client.login(self.LOGIN, "secret")
            self.assertEqual(client.mail(sender, list(mail_options))[0], 250)
            for recipient in recipients:
                self.assertEqual(client.rcpt(recipient)[0], 250, recipient)
            code, text = client.data(message)
            self.assertEqual(code, 250, text)
        return re.search(self.QUEUED, text.decode()).group(1)

    def outcome(self, queue_id, recipient):
        """The transport's own line, which has the mail system's queue id."""
        return self.host.wait_log(rf"postern/transport\[\d+\]: {queue_id}: to=<{recipient}>")[-1]

    def report(self):
        """The one bounce, which came to alice by way of the edge, too."""
        stored = wait_for("the bounce", lambda: lab.stored("home"))
        self.assertEqual([item.sender for item in stored], [""])
        return stored[0].raw, email.message_from_bytes(stored[0].raw, policy=email.policy.default)

    def test_each_recipient(self):
        queue_id = self.send(OUTCOMES)
        for recipient, expected in OUTCOMES.items():
            self.assertIn(f"dsn={expected}", self.outcome(queue_id, recipient), recipient)
        for mx, count in (("mx-postfix", 2), ("mx-sink", 1)):
            for item in lab.wait_stored(mx, count):
                self.assertEqual(item.raw.partition(b"\r\n\r\n")[2], BODY, mx)
                self.assertIn(queue_id.encode(), item.raw.split(b"\r\n\tby ")[0], "the edge's Received field has the id")
        self.assertTrue(lab.vps.grep_log(rf"postern/edge\[\d+\]: {queue_id}: client={self.host.name}"))
        raw, report = self.report()
        self.assertIn(b"550 User unknown here", raw)
        self.assertIn(b"host mx.exim.example", raw)
        self.assertRegex(raw.decode(), r"domain nullmx\.example\s+does\s+not\s+accept\s+mail")
        failed = {str(group["Final-Recipient"]).partition(";")[2].strip(): str(group["Action"])
                  for part in report.walk() if part.get_content_type() == "message/delivery-status"
                  for group in part.iter_parts() if group["Final-Recipient"]}
        self.assertEqual(failed, {"refused@exim.example": "failed", "you@nullmx.example": "failed"})
        wait_for("one recipient waits", lambda: self.host.waiting() == {"later@exim.example"})

    def test_one_transaction_for_all(self):
        queue_id = self.send([f"user{number}@{domain}.example" for number in range(10) for domain in ("postfix", "sink")])
        lab.wait_stored("mx-postfix", 10)
        lab.wait_stored("mx-sink", 10)
        self.assertRegex(lab.vps.wait_log(rf"{queue_id}: client={self.host.name}")[0], "nrcpt=20")

    def test_null_sender(self):
        self.send(["you@postfix.example"], b"Auto-Submitted: auto-replied\r\n" + MESSAGE, sender="", mail_options=())
        self.assertEqual(lab.wait_stored("mx-postfix")[0].sender, "")

    def test_every_trouble_of_ours_defers(self):
        """No edge, a mistake in the configuration, a key that cannot be read, no program: mail waits, with the reason, and goes out later."""
        lab.edge.stop()
        self.assertRegex(self.waits("edgeless"), "4.4.1|Connection refused")
        lab.edge.start()
        self.host.write(CONF, "hostnam = 1;\n")
        self.assertIn("postern.conf:1: ", self.waits("misspelt"))
        self.host.write(CONF, "")
        self.host.run("mv", self.host.KEY, self.host.KEY + ".away")
        self.assertIn("transport.key", self.waits("keyless"))
        self.host.run("mv", self.host.KEY + ".away", self.host.KEY)
        program = "/usr/libexec/postern/postern-transport"
        self.host.run("mv", program, program + ".away")
        self.waits("uninstalled")
        self.host.run("mv", program + ".away", program)
        self.assertEqual(lab.stored("home"), [])
        self.host.flush()
        names = {item.recipient for item in lab.wait_stored("mx-postfix", 4)}
        self.assertEqual(names, {f"{name}@postfix.example" for name in ("edgeless", "misspelt", "keyless", "uninstalled")})
        self.host.wait_queue_empty()

    def waits(self, name):
        """A message that must wait; why, in the mail system's words."""
        queue_id = self.send([f"{name}@postfix.example"])
        return self.host.wait_log(self.WAITS.format(queue_id=queue_id, recipient=f"{name}@postfix.example"))[0]

    def test_runs_as_postern_alone(self):
        """While a slow MX keeps it waiting: no id and no group of anybody else, and no way back."""
        self.send(["you@case12c-slow-reply-to-dot.hostile.example"])
        pid = wait_for("a transport", lambda: self.host.run("pgrep", "-x", "postern-transpo", check=False).stdout.split())[0]
        uid, gid = (self.host.run("id", option, "_postern").stdout.strip() for option in ("-u", "-g"))

        def settled():
            """It gives up what it came with first thing, but not before it runs."""
            now = dict(line.split(":\t", 1) for line in self.host.run("cat", f"/proc/{pid}/status").stdout.splitlines())
            return now if now["Uid"].split() == [uid] * 4 else None
        status = wait_for("a transport that is _postern alone", settled)
        self.assertEqual(status["Gid"].split(), [gid] * 4)
        self.assertLessEqual(set(status["Groups"].split()), {gid}, status["Groups"])
        self.assertEqual(int(status["CapPrm"], 16) | int(status["CapEff"], 16), 0)
        lab.edge.kill()    # it would wait for that MX


class Sendmail(Shared, Case):
    LOGIN = ALICE
    QUEUED = r"(\w{14}) Message accepted"
    WAITS = r"sendmail\[\d+\]: {queue_id}: to=<{recipient}>.*stat=Deferred.*"

    @classmethod
    def setUpClass(cls):
        cls.host = lab.sendmail
        lab.sendmail.start("postern")
        lab.sendmail.join()
        cls.addClassCleanup(lab.sendmail.leave)
        # What local programs and the transport (reports of success) give to sendmail(1) comes to the milter from 127.0.0.1.
        lab.sendmail_milter.use(f"{ALICE} {ALICE}\n127.0.0.1 {ALICE} from:mailer-daemon@mail.sendmail.example\n")
        cls.addClassCleanup(lab.sendmail_milter.stop)

    def test_the_milter_refuses_before(self):
        with lab.vps.smtp(self.host.address) as client:
            client.ehlo()
            client.login(ALICE, "secret")
            client.mail("bob@home.example")
            self.assertEqual(client.rcpt("you@postfix.example")[0], 550)

    def test_forwarded_by_a_user(self):
        """Whoever's .forward file led there, who delivers can read the key."""
        self.host.run("sh", "-c", "echo you@postfix.example >/home/carl/.forward; chown carl /home/carl/.forward; chmod 644 /home/carl/.forward")
        self.host.run("sendmail", "-i", "-f", ALICE, "carl", input=MESSAGE)
        self.assertIn(BODY, lab.wait_stored("mx-postfix")[0].raw)

    def test_success_is_reported(self):
        """Sendmail passes NOTIFY on; the MX knows no DSN."""
        with lab.vps.smtp(self.host.address) as client:
            client.ehlo()
            client.login(ALICE, "secret")
            client.mail(ALICE, ["RET=HDRS", "ENVID=QQ314"])
            client.rcpt("you@exim.example", ["NOTIFY=SUCCESS"])
            client.data(MESSAGE)
        raw, _ = self.report()
        for words in (b"Action: relayed", b"Original-Envelope-Id: QQ314", b"Remote-MTA: dns; mx.exim.example"):
            self.assertIn(words, raw)


class Exim(Shared, Case):
    LOGIN = "alice"
    QUEUED = r"id=([\w-]+)"
    WAITS = r"exim\[\d+\]: .*{queue_id} == {recipient} .*defer"

    @classmethod
    def setUpClass(cls):
        cls.host = lab.exim
        lab.exim.start()
        lab.exim.join()
        cls.addClassCleanup(lab.exim.leave)

    def test_routes_by_login(self):
        """With the line for it of the example; who is in no list has no login."""
        conf = self.host.read("/etc/exim4/exim4.conf")
        line = re.search(r"\n  #(command = .*--sasl-username.*)", conf).group(1)
        self.addCleanup(self.host.configure, conf)
        self.addCleanup(self.host.write, "/etc/postern/routes", "*\tvps\n")
        self.host.configure(re.sub(r"\n  command = .*", "\n  " + line, conf))
        self.host.write("/etc/postern/logins", "alice\n")
        self.host.write("/etc/postern/routes", "login:alice\tvps\n")
        self.send(["you@postfix.example"])
        lab.wait_stored("mx-postfix")
        self.host.write("/etc/postern/logins", "bob\n")
        self.assertIn("no usable edge", self.waits("two"))

    def test_lmtp_over_tcp(self):
        """The other transport of the examples: addresses that are not ASCII, and Exim's own success notices."""
        conf = self.host.read("/etc/exim4/exim4.conf")
        self.addCleanup(self.host.configure, conf)
        transport = self.host.read("/usr/share/doc/postern/examples/exim/postern-transport-socket")
        self.host.configure(re.sub(r"(?s)(begin transports\n).*(?=begin retry)", lambda match: match.group(1) + transport, conf))
        listen(self, self.host, "127.0.0.1:2401")
        with lab.vps.smtp(self.host.address) as client:
            client.command_encoding = "utf-8"
            client.ehlo()
            client.mail(ALICE, ["SMTPUTF8", "RET=HDRS"])
            for recipient, options in (("jörg@postfix.example", []), ("you@exim.example", ["NOTIFY=SUCCESS"]), ("refused@exim.example", [])):
                self.assertEqual(client.rcpt(recipient, options)[0], 250, recipient)
            queue_id = re.search(self.QUEUED, client.data(MESSAGE)[1].decode()).group(1)
        for recipient, status in (("jörg@postfix", "sent"), ("you@exim", "sent"), ("refused@exim", "bounced")):
            self.assertIn(f"status={status}", self.outcome(queue_id, f"{recipient}.example"))
        self.assertEqual(lab.wait_stored("mx-postfix")[0].recipient, "jörg@postfix.example")
        reports = wait_for("notice and bounce", lambda: (lambda found: found if len(found) == 2 else [])(lab.stored("home")))
        self.assertEqual(sorted(b"550 User unknown here" in item.raw for item in reports), [False, True])
        self.assertEqual(sorted(b"Action: delivered" in item.raw for item in reports), [False, True])    # as Exim says
