"""One message, 50 recipients in 20 domains, every kind of outcome: 50 truthful lines, one bounce."""
import re

from harness import Case, lab


MESSAGE = b"From: anna@home.example\r\nSubject: fifty\r\n\r\nto many\r\n"


def recipients():
    """{address: (dsn, status)}"""
    rows = {}
    for number in range(1, 11):     # ten domains at one host
        rows[f"a{number}@d{number}.farm.example"] = ("2.", "sent")
        rows[f"b{number}@d{number}.farm.example"] = ("2.", "sent")
    for name in ("postfix", "exim", "sink", "opensmtpd"):
        for number in range(1, 6):
            rows[f"u{number}@{name}.example"] = ("2.", "sent")
    rows["refused@postfix.example"] = ("5.1.1", "bounced")
    rows["refused@exim.example"] = ("5.", "bounced")
    rows["later@postfix.example"] = ("4.7.1", "deferred")
    rows["later@exim.example"] = ("4.", "deferred")
    rows["x@nullmx.example"] = ("5.1.10", "bounced")
    rows["x@no-such-domain.example"] = ("5.1.2", "bounced")
    rows["x@down.example"] = ("4.4.1", "deferred")
    rows["y@down.example"] = ("4.4.1", "deferred")
    rows["x@servfail.example"] = ("4.4.3", "deferred")
    rows["x@blackhole.example"] = ("4.4.1", "deferred")
    return rows


class Fifty(Case):
    def test_fifty_recipients(self):
        rows = recipients()
        self.assertEqual(len(rows), 50)
        self.assertEqual(len({address.split("@")[1] for address in rows}), 20 - 1)
        rows["x@cname-mx.example"] = rows.pop("u5@sink.example")
        self.assertEqual(len(rows), 50)
        self.assertEqual(len({address.split("@")[1] for address in rows}), 20)
        queue_id = lab.home.inject("anna@home.example", list(rows), MESSAGE)
        lab.home.wait_log(rf"postfix/lmtp.*{queue_id}: to=.*status=", 120, count=50)
        lines = lab.home.grep_log(rf"postfix/lmtp.*{queue_id}: to=.*status=")
        self.assertEqual(len(lines), 50)
        outcomes = lab.home.outcomes(queue_id)
        for address, (dsn, status) in rows.items():
            self.assertRegex(outcomes[address], rf"dsn={re.escape(dsn)}.*status={status}", address)
        self.slow_ones_delay_nobody(queue_id)
        lab.home.wait_log(rf"{queue_id}: sender non-delivery notification")
        bounces = lab.wait_stored("home")
        self.assertEqual(len(bounces), 1)
        for words in (b"User unknown here", b"nullmx.example", b"no-such-domain.example"):
            self.assertIn(words, bounces[0].raw)
        self.assertEqual(bounces[0].raw.count(b"Action: failed"), 4)

    def slow_ones_delay_nobody(self, queue_id):
        """Inside the edge, the connect time-out of one domain (30 s) is nobody else's."""
        delays = {}
        for line in lab.vps.grep_log(rf"postern/edge.*{queue_id}: to=<@"):
            domain, delay = re.search(r"to=<@(.*?)>.*delay=([\d.]+)", line).groups()
            delays[domain] = float(delay)
        self.assertGreater(delays["blackhole.example"], 25)
        for domain, delay in delays.items():
            if domain not in ("blackhole.example", "servfail.example"):
                self.assertLess(delay, delays["blackhole.example"], domain)
