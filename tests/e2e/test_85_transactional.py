"""The example configuration of a small transactional sender (conf.examples/transactional), as it stands there."""
import os
import time

from harness import lab, wait_for
from milter_case import MilterCase, converse, message

EXAMPLE = os.path.join(os.environ["PROJECT"], "conf.examples", "transactional")
NOREPLY = "noreply@home.example"


class Transactional(MilterCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        lab.home.postconf("mynetworks = 127.0.0.0/8 [::1]/128 198.51.100.20")

    @classmethod
    def tearDownClass(cls):
        lab.home.run("postconf", "-e", "mynetworks = 127.0.0.0/8 [::1]/128")
        super().tearDownClass()

    def setUp(self):
        super().setUp()
        self.changed = True
        lab.milter.stop()
        lab.home.run("sh", "-c", f"rm -rf {lab.milter.STATE}/*")
        for name, path in (("milter.conf", lab.milter.CONF), ("senders", lab.milter.SENDERS), ("limits", lab.milter.LIMITS)):
            with open(os.path.join(EXAMPLE, name), encoding="ascii") as file:
                lab.home.write(path, file.read().replace("example.com", "home.example").replace("192.0.2.25", "198.51.100.20"))
        lab.home.run("postern-milter", "--check")
        lab.milter.start()

    def by_smtp(self, data, sender=NOREPLY):
        return self.send(data, login=None, port=25, sender=sender)

    def by_sendmail(self, data, sender=NOREPLY):
        """The bounce, or None if the message went out."""
        with_feeds = data.replace(b"\r\n", b"\n")
        lab.home.wait_queue_empty()
        known = {host: len(lab.stored(host)) for host in ("home", "mx-postfix")}
        lab.home.sendmail(sender, ["you@postfix.example"], with_feeds)
        wait_for("the message has come to something", lambda: any(len(lab.stored(host)) > known[host] for host in known))
        return lab.stored("home")[-1].raw if len(lab.stored("home")) > known["home"] else None

    def test_three_addresses(self):
        for sender in (NOREPLY, "billing@home.example", "support@home.example"):
            self.assertQueued(self.by_smtp(message(sender=sender), sender))
            self.assertIsNone(self.by_sendmail(message(sender=f"Shop <{sender}>"), sender))
        self.assertRefused(self.by_smtp(message(sender="ceo@home.example")), "data", 550, "from_address")
        self.assertRefused(self.by_smtp(message(sender=NOREPLY), "ceo@home.example"), "rcpt", 550, "envelope_sender")
        self.assertIn(b"from_address", self.by_sendmail(message(sender="ceo@home.example")))

    def test_subject_length(self):
        self.assertQueued(self.by_smtp(message("Subject: " + "x" * 200, sender=NOREPLY)))
        self.assertRefused(self.by_smtp(message("Subject: " + "x" * 201, sender=NOREPLY)), "data", 550, "subject_length")
        self.assertIn(b"subject_length", self.by_sendmail(message("Subject: " + "x " * 150, sender=NOREPLY)))

    def test_reply_to(self):
        self.assertQueued(self.by_smtp(message("Reply-To: Customer <customer@x.example>", sender=NOREPLY)))
        for value in ("customer at x.example", "customer@", "<customer@x.example", "a@x.example, , b@x.example", "\"x"):
            self.assertRefused(self.by_smtp(message(f"Reply-To: {value}", sender=NOREPLY)), "data", 550, "reply_to_syntax")

    def test_size(self):
        line = b"x" * 70 + b"\r\n"
        self.assertQueued(self.by_smtp(message(sender=NOREPLY, body=line * 7100)))
        self.assertRefused(self.by_smtp(message(sender=NOREPLY, body=line * 7400)), "data", 552, "message_size")
        self.assertIsNone(self.by_sendmail(message(sender=NOREPLY, body=line * 7000)))
        self.assertIn(b"message_size", self.by_sendmail(message(sender=NOREPLY, body=line * 7500)))

    def test_60_a_minute_per_client(self):
        """The bucket gives back one a second, so a few more than 60 may come through while it runs."""
        started = time.monotonic()
        with lab.home.submit(port=25) as client:
            outcomes = [converse(client, NOREPLY, ["you@postfix.example"], message(sender=NOREPLY)).code for _ in range(80)]
        spent = time.monotonic() - started
        self.assertEqual(outcomes[:60], [250] * 60)
        self.assertLessEqual(outcomes.count(250), 61 + spent)
        self.assertEqual(set(outcomes), {250, 451})
        self.assertIsNone(self.by_sendmail(message(sender=NOREPLY)))

    def test_newlines(self):
        """What a smuggled line end makes of a subject: a second field, or a control character. Never a recipient, never two subjects."""
        for subject in ("hello\r\nSubject: again", "hello\r\nFrom: ceo@home.example", "hello\nFrom: ceo@home.example",
                        "hello\r\nTo: a@x.example\r\nTo: b@x.example", "hello\x0bBcc: x@y.example"):
            with self.subTest(subject=subject):
                self.assertEqual(self.by_smtp(message(f"Subject: {subject}", sender=NOREPLY)).code, 550)
        self.assertQueued(self.by_smtp(message("Subject: hello\r\nBcc: hidden@exim.example", sender=NOREPLY)))
        self.assertIsNone(self.by_sendmail(message("Subject: hello\nBcc: hidden@exim.example", sender=NOREPLY)))
        for stored in lab.wait_stored("mx-postfix", 2):
            self.assertNotIn(b"hidden@", stored.raw)
        self.assertEqual(lab.stored("mx-exim"), [])
