"""postern-milter under sendmail 8.17: the essentials of the other files, with another server's milter client."""
from harness import Case, lab
from milter_case import SENDERS, converse, message

ALICE = "alice@home.example"
BOB = "bob@home.example"


class Sendmail(Case):
    SETTINGS = {"outbound_transports": ["esmtp", "smtp", "relay"]}

    @classmethod
    def setUpClass(cls):
        lab.sendmail.start()
        cls.use(cls)

    @classmethod
    def tearDownClass(cls):
        lab.sendmail_milter.stop()

    def tearDown(self):
        lab.sendmail.wait_queue_empty()

    def use(self, senders=SENDERS, limits="", **settings):
        lab.sendmail_milter.use(senders + "198.51.100.20\tapp@home.example\n", limits, **{**Sendmail.SETTINGS, **settings})

    def send(self, data, login=ALICE, sender=ALICE, to="you@postfix.example"):
        with lab.vps.smtp("192.0.2.11") as client:
            client.ehlo()
            if login:
                client.login(login, "secret")
            return converse(client, sender, [to], data)

    def assertQueued(self, outcome):
        self.assertEqual(outcome.stage, "queued", outcome)
        return outcome

    def assertRefused(self, outcome, stage, code, pattern):
        self.assertEqual((outcome.stage, outcome.code), (stage, code), outcome)
        self.assertRegex(outcome.text, pattern)

    def test_who_may_send_as_whom(self):
        self.use()
        self.assertQueued(self.send(message()))
        raw = lab.wait_stored("mx-postfix")[0].raw
        self.assertIn(b"From: alice@home.example\r\n", raw)
        self.assertRegex(lab.sendmail_milter.wait_decision("pass: "), rf"\w{{14}}: pass: who=login:{ALICE}, client=198\.51\.100\.20")
        self.assertRefused(self.send(message(), sender=BOB), "rcpt", 550, "envelope_sender")
        self.assertRefused(self.send(message(sender=BOB)), "data", 550, "from_address")
        self.assertRefused(self.send(message(f"From: {ALICE}, {BOB}", f"Sender: {ALICE}")), "data", 550, "from_address")
        self.assertRefused(self.send(message(f"From: {ALICE}\0 <{BOB}>")), "data", 550, "from_")
        self.assertRefused(self.send(message("From: x", f"From: {ALICE}")), "data", 550, "from_")

    def test_client_address(self):
        self.use()
        self.assertQueued(self.send(message(sender="app@home.example"), login=None, sender="app@home.example"))
        self.assertRefused(self.send(message(), login=None), "rcpt", 550, "envelope_sender")

    def test_null_sender(self):
        self.use()
        self.assertRefused(self.send(message(), sender=""), "data", 550, "null_sender")
        self.assertQueued(self.send(message("Auto-Submitted: auto-replied"), sender=""))

    def test_repairs(self):
        """All copies go, by index, in the way that sendmail counts them."""
        self.use(profile="strict", from_address="repair")
        data = message(f"From: {BOB}", "X-Mailer: 1", "X-Keep: 1", "X-Mailer: 2", "Return-Path: <x@y.example>",
                       "Authentication-Results: mail.sendmail.example; dkim=pass", "X-Keep: 2", "X-Mailer: 3", "Bcc: hidden@x.example")
        self.assertQueued(self.send(data))
        raw = lab.wait_stored("mx-postfix")[0].raw
        header = raw.split(b"\r\n\r\n")[0]
        for absent in (b"X-Mailer", b"hidden@", b"dkim=pass", b"x@y.example", b"bob@"):
            self.assertNotIn(absent, header)
        self.assertIn(b"X-Keep: 1\r\nX-Keep: 2", header)
        self.assertIn(b"\r\nFrom: alice@home.example", header)

    def test_bounds(self):
        """Case 138: a field of more than 64 kB is more than sendmail hands to a milter: deferred."""
        self.use()
        self.assertRefused(self.send(message(*[f"X-{number}: a" for number in range(1100)])), "data", 552, "header_size")
        self.assertEqual(self.send(message("X-Large: " + "x" * 70000)).code // 100, 4)

    def test_limits(self):
        self.use(limits=f"login:{ALICE} messages=1/1h size=100k\n")
        self.assertRefused(self.send(message(body=b"x" * 70 + b"\r\n" + (b"y" * 70 + b"\r\n") * 2000)), "data", 552, "message_size")
        self.use(limits=f"login:{ALICE} messages=1/1h size=100k\n")
        self.assertQueued(self.send(message()))
        self.assertRefused(self.send(message()), "rcpt", 451, "may send 1 messages")

    def test_killed_and_hung(self):
        """Case 140: sendmail's F=T defers."""
        self.use()
        for harm, heal in ((lab.sendmail_milter.kill, lab.sendmail_milter.start), (lab.sendmail_milter.hang, lab.sendmail_milter.wake)):
            with self.subTest(harm=harm.__name__):
                harm()
                with lab.vps.smtp("192.0.2.11") as client:
                    client.ehlo()
                    self.assertEqual(client.mail("app@home.example")[0] // 100, 4)
                heal()
        self.assertQueued(self.send(message()))
        self.assertEqual(len(lab.wait_stored("mx-postfix")), 1)
