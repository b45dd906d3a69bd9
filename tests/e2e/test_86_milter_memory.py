"""postern-milter's memory over 20,000 messages, and with as many fields as anybody could send."""
import unittest

from harness import lab
from milter_case import MilterCase, converse, message

ALICE = "alice@home.example"


class Memory(MilterCase):
    SENDERS = "127.0.0.1\t@home.example\nalice@home.example\tself\n"
    STEPS, STEP_MESSAGES = 10, 2000
    GROWTH_KB = 512     # of the second half

    def setUp(self):
        super().setUp()
        if lab.milter.sanitizer():
            raise unittest.SkipTest("a sanitizer's memory is not the product's")
        # Accepting is what is of interest here, and signing takes twice as long.
        lab.home.filter_by(lab.milter)
        lab.home.postconf("default_transport = discard:")
        self.addCleanup(lab.home.postconf, "default_transport = postern:unix:private/postern-spawn")

    def check_growth(self, residents, shown):
        """What is lost is missing in every later reading; a pool for one more thread at once shows in some."""
        self.assertLess(min(residents[-3:]) - residents[0], self.GROWTH_KB, shown)

    def test_memory_over_20000_messages(self):
        """In each session some are refused; each session is a new connection of Postfix, or an old one."""
        self.use(limits="client:127.0.0.1 messages=1000000/1m\n", profile="strict")
        residents = []
        for step in range(self.STEPS):
            # One in ten with a sender that is refused.
            for sender, count in (("user@home.example", self.STEP_MESSAGES * 9 // 10), ("user@bank.example", self.STEP_MESSAGES // 10)):
                lab.home.run("smtp-source", "-s", "20", "-l", "500", "-f", sender, "-t", "you@postfix.example",
                             "-m", str(count), *(["-A"] if "bank" in sender else []), "127.0.0.1:25", check="bank" not in sender)
            residents.append(lab.milter.resident())
        lab.home.wait_queue_empty()
        self.assertGreaterEqual(len(lab.milter.decisions("(pass|repair): who=client:127")), self.STEPS * self.STEP_MESSAGES * 9 // 10)
        middle = residents[len(residents) // 2 - 1:]
        self.check_growth(middle, residents)

    def test_memory_with_10000_fields(self):
        """Case 138: refused by default; let in, what one message took is given back."""
        huge = message(*[f"X-Field-{number}: value {number}" for number in range(9990)])
        for settings, stage in (({}, "data"), ({"header_count_limit": 10000, "header_size_limit": "4M"}, "queued")):
            self.use(**settings)
            residents = []
            with lab.home.submit(ALICE) as client:
                for _ in range(8):
                    for _ in range(2):
                        self.assertEqual(converse(client, ALICE, ["you@postfix.example"], huge).stage, stage)
                    residents.append(lab.milter.resident())
            self.assertLess(max(residents), 40_000, residents)
            self.check_growth(residents[2:], residents)
