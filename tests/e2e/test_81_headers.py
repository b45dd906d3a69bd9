"""What postern-milter does to header sections, with OpenDKIM after it: the signature verifies at the MX after every repair."""
import re

from harness import Home, lab
from milter_case import MilterCase, converse, message

ALICE = "alice@home.example"
BOB = "bob@home.example"
DATE = r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d{1,2} (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) \d{4} \d\d:\d\d:\d\d [-+]\d{4}"

# Rule, the fields of the message, what is to be there afterwards: {name: [patterns of the values]}.
REPAIRS = (
    ("from_missing", (("From", None),), {"From": [ALICE]}),
    ("from_address", (f"From: Boss <{BOB}>",), {"From": [ALICE]}),
    ("from_address", (f"From: {ALICE}, {BOB}", f"Sender: {ALICE}"), {"From": [ALICE]}),
    ("sender_address", (f"Sender: {BOB}",), {"Sender": []}),
    ("reply_to_syntax", ("Reply-To: a@x.example, , nonsense <",), {"Reply-To": []}),
    ("reply_to_address", ("Reply-To: thief@bank.example",), {"Reply-To": []}),
    ("display_name", (f"From: \"ceo@bank.example\" <{ALICE}>",), {"From": [rf"<?{ALICE}>?"]}),
    ("date_missing", (("Date", None),), {"Date": [DATE]}),
    ("date_missing", ("Date:  ",), {"Date": [DATE]}),
    ("message_id_missing", (("Message-ID", None),), {"Message-ID": [r"<[^<>@\s]+@home\.example>"]}),
    ("bcc", ("Bcc: hidden@x.example", "Resent-Bcc: hidden@y.example", "bCC: hidden@z.example", "Bcc:"),
     {"Bcc": [], "Resent-Bcc": []}),
    ("return_path", ("Return-Path: <x@y.example>", "RETURN-PATH: <>", "Return-path:\r\n <z@y.example>"), {"Return-Path": []}),
    ("authentication_results", ("Authentication-Results: mail.home.example; dkim=pass", "X-Between: 1",
                                "Authentication-Results: elsewhere.example; dkim=fail",
                                "authentication-results: MAIL.HOME.EXAMPLE 1;\r\n\tspf=pass"),
     {"Authentication-Results": ["elsewhere.example; dkim=fail"], "X-Between": ["1"]}),
    ("originating_ip", ("X-Originating-IP: 192.0.2.77", "Subject: between", "X-Real-IP: 192.0.2.77", "X-ORIGINATING-IP: [192.0.2.77]"),
     {"X-Originating-IP": [], "X-Real-IP": [], "Subject": ["between"]}),
    ("user_agent", ("User-Agent: Secret/1.0", "X-Mailer: Secret\r\n 2.0", "x-mailer: again"), {"User-Agent": [], "X-Mailer": []}),
    ("received_client", ("Received: from laptop (10.0.0.7) by x; Sat, 21 Nov 2026 09:00:00 +0000",
                         "Received: from phone\r\n\t(10.0.0.8)\r\n\tby y; Sat, 21 Nov 2026 09:00:00 +0000"), {}),
)

# Rule, the fields, the enhanced status; each in the standard profile.
REFUSALS = (
    ("control_character", ("Subject: a\x01b",), "5.6.0"),
    ("control_character", ("X-Odd: a\x7fb",), "5.6.0"),
    ("control_character", ("Subject: a\x1b[31mb",), "5.6.0"),
    ("raw_8bit", ("Subject: caf\u00e9",), "5.6.7"),
    ("raw_8bit", (b"Subject: caf\xe9",), "5.6.7"),
    ("line_length", ("X-Long: " + "x" * 1000,), "5.6.0"),
    ("line_length", ("X-Long: a\r\n " + "x" * 1000,), "5.6.0"),
    ("once_only", ("Subject: a", "subject: b"), "5.7.1"),
    ("once_only", ("To: a@x.example", "To: b@x.example"), "5.7.1"),
    ("once_only", ("Message-ID: <2@home.example>", "Message-ID: <3@home.example>"), "5.7.1"),
    ("once_only", ("Date: Sat, 21 Nov 2026 10:00:00 +0000", "Date: Sat, 21 Nov 2026 11:00:00 +0000"), "5.7.1"),
    ("once_only", ("Reply-To: a@x.example", "Reply-To: b@x.example"), "5.7.1"),
)


class Headers(MilterCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        # Postfix would take them away before a milter can.
        lab.home.postconf("message_drop_headers =")

    @classmethod
    def tearDownClass(cls):
        lab.home.run("postconf", "-X", "message_drop_headers")
        super().tearDownClass()

    def arrives(self, data, **options):
        """The message at the MX; its DKIM signature verifies."""
        outcome = self.assertQueued(self.send(data, **options))
        raw = self.delivered()
        self.assertTrue(lab.dkim_verify(raw), raw.decode("utf-8", "replace"))
        return outcome, raw

    def test_every_repair(self):
        """Cases 131, 132, 139; all copies of a field go, and what is between them stays."""
        for rule, fields, expected in REPAIRS:
            with self.subTest(rule=rule, fields=fields):
                lab.reset()
                self.use(**{rule: "repair"})
                outcome, raw = self.arrives(message(*fields, body=b"the body\r\n"))
                lab.milter.wait_decision(rf"{outcome.queue_id}: repair: .*rule=[a-z_,]*{rule}")
                for name, patterns in expected.items():
                    values = self.fields(raw, name)
                    self.assertEqual(len(values), len(patterns), (name, values))
                    for value, pattern in zip(values, patterns):
                        self.assertRegex(value, rf"\A{pattern}\Z")
                self.assertNotRegex(raw, rb"hidden@|192\.0\.2\.77|Secret|laptop|phone|10\.0\.0\.[78]|nonsense|thief|ceo@bank")
                self.assertTrue(raw.endswith(b"\r\n\r\nthe body\r\n"))

    def test_all_repairs_at_once(self):
        self.use(profile="strict", from_address="repair", sender_address="repair", reply_to_address="repair")
        fields = [field for rule, fields, _ in REPAIRS for field in fields
                  if isinstance(field, str) and not field.startswith(("From", "Date", "Reply-To: a", f"Sender: {ALICE}"))]
        _, raw = self.arrives(message(f"From: {BOB}", ("Date", None), ("Message-ID", None), *fields))
        names = [line.split(b":")[0].lower() for line in re.sub(rb"\r\n[ \t]", b" ", raw.split(b"\r\n\r\n")[0]).split(b"\r\n")]
        for name, count in ((b"from", 1), (b"date", 1), (b"message-id", 1), (b"subject", 1), (b"bcc", 0), (b"resent-bcc", 0),
                            (b"return-path", 0), (b"sender", 0), (b"reply-to", 0), (b"x-mailer", 0), (b"x-between", 1)):
            self.assertEqual(names.count(name), count, name)

    def test_without_default_a_from_is_not_repaired(self):
        self.use("alice@home.example\talice@home.example\n", from_missing="repair", from_address="repair")
        self.assertRefused(self.send(message(("From", None))), "data", 550, "from_missing")
        self.assertRefused(self.send(message(f"From: {BOB}")), "data", 550, "from_address")

    def test_many_copies(self):
        """Case 139: 200 copies, indexed from the last to the first."""
        fields = [field for number in range(200) for field in (f"X-Keep: {number}", f"X-Mailer: {number}")]
        self.use(user_agent="repair")
        _, raw = self.arrives(message(*fields))
        self.assertEqual(self.fields(raw, "X-Mailer"), [])
        self.assertEqual(self.fields(raw, "X-Keep"), [str(number) for number in range(200)])

    def test_refusals(self):
        for rule, fields, status in REFUSALS:
            with self.subTest(rule=rule, fields=fields):
                self.assertRefused(self.send(message(*fields)), "data", 550, rf"{re.escape(status)} .*{rule}")

    def test_settings_of_a_refusal(self):
        field = "Subject: a\x01b"
        for setting, stage, code in (("tempfail", "data", 451), ("log", "queued", 250), ("off", "queued", 250)):
            with self.subTest(setting=setting):
                self.use(control_character=setting)
                outcome = self.send(message(field))
                self.assertEqual((outcome.stage, outcome.code), (stage, code), outcome)
                if setting == "off":
                    self.assertEqual(lab.milter.decisions("control_character"), [])
                else:
                    lab.milter.wait_decision("control_character")
                lab.home.empty_queue()
                lab.reset()

    def test_profile_off(self):
        self.use(profile="off")
        data = message("Subject: a\x01b", "Subject: b", "X-Originating-IP: 192.0.2.9", "Bcc: x@y.example", ("Date", None))
        outcome = self.assertQueued(self.send(data))
        self.assertTrue(self.delivered().endswith(data))
        lab.milter.wait_decision(rf"{outcome.queue_id}: pass: ")
        self.assertRefused(self.send(message(f"From: {BOB}")), "data", 550, "from_address")

    def test_profile_strict(self):
        self.use(profile="strict")
        _, raw = self.arrives(message("User-Agent: Secret/1", "Received: from laptop by x; Sat, 21 Nov 2026 09:00:00 +0000"))
        self.assertNotIn(b"Secret", raw)
        self.assertNotIn(b"laptop", raw)

    def test_what_is_sound_passes_as_it_is(self):
        """Cases 131, 134, 136, 139: folded lines, blank folded lines, encoded words that hide line ends, tabs."""
        data = message("Subject: =?utf-8?q?a=0D=0ABcc:_x@y.example?=", "X-Folded: a\r\n\tb\r\n c", "X-Blank: a\r\n \r\n c",
                       "X-Tab:\ta", "X-None:", "X-Tight:a", "X-Spaces:    a   ", "x-lower: A", "To:\r\n you@postfix.example",
                       body=b"From: body@x.example\r\n\r\n.\r\n..\r\nend\r\n")
        outcome, raw = self.arrives(data)
        self.assertTrue(raw.endswith(data), raw.decode())
        lab.milter.wait_decision(rf"{outcome.queue_id}: pass: ")

    def test_utf8_with_smtputf8(self):
        """Case 136."""
        data = message("Subject: caf\u00e9", f"From: J\u00f6rg <{ALICE}>")
        with lab.home.submit(ALICE) as client:
            self.assertQueued(converse(client, ALICE, ["you@postfix.example"], data, ["SMTPUTF8"]))
            invalid = message(b"Subject: caf\xe9")
            self.assertRefused(converse(client, ALICE, ["you@postfix.example"], invalid, ["SMTPUTF8"]), "data", 550, "raw_8bit")
        self.assertTrue(self.delivered().endswith(data))

    def test_subject_length(self):
        self.use(subject_length_limit=20)
        self.assertQueued(self.send(message("Subject: " + "x" * 20)))
        self.assertRefused(self.send(message("Subject: " + "x" * 21)), "data", 550, "subject_length")

    def test_from_domain(self):
        self.use("alice@home.example\t@home.example @bob.example\n", from_domain="reject")
        self.assertQueued(self.send(message(sender="x@home.example"), sender="y@home.example"))
        self.assertRefused(self.send(message(sender="x@home.example"), sender="y@bob.example"), "data", 550, "from_domain")

    def test_bounds(self):
        """Case 138: many fields, much header; a name of 2,000 octets."""
        self.assertRefused(self.send(message(*[f"X-{number}: a" for number in range(1100)])), "data", 552, r"5\.6\.0 .*header_size")
        self.assertRefused(self.send(message(*["X-Much: " + "x" * 900] * 700)), "data", 552, r"5\.6\.0 .*header_size")
        self.assertEqual(self.send(message("N" * 2000 + ": v")).stage, "data")
        self.assertQueued(self.send(message(*[f"X-{number}: a" for number in range(900)])))

    def test_after_opendkim_signatures_would_break(self):
        """Why the order is as it is: the other way round the signature does not hold."""
        lab.home.filter_by(Home.OPENDKIM, lab.milter)
        self.addCleanup(lab.home.filter_by, lab.milter, Home.OPENDKIM)
        self.use(from_address="repair")
        self.assertQueued(self.send(message(f"From: {BOB}")))
        self.assertFalse(lab.dkim_verify(self.delivered()))

    def test_local_mail(self):
        """sendmail(1): Postfix adds Date and Message-ID before the milter sees it; the rest is repaired alike."""
        lab.home.sendmail(ALICE, ["you@postfix.example"], f"From: {ALICE}\nX-Originating-IP: 192.0.2.9\nX-PHP-Script: x\n\nhello\n")
        raw = self.delivered()
        self.assertTrue(lab.dkim_verify(raw))
        self.assertNotIn(b"192.0.2.9", raw)
        self.assertNotIn(b"PHP", raw)
