"""Rates and sizes of postern-milter: by login, client and domain; over a restart; postern limits."""
import re
import time

from harness import lab, wait_for
from milter_case import SENDERS, MilterCase, converse, message

ALICE = "alice@home.example"
BOB = "bob@home.example"


class Limits(MilterCase):
    def limit(self, limits, senders=SENDERS, **settings):
        self.use(senders, limits, **settings)

    def stages(self, count, sender=ALICE, login=ALICE, to=("you@postfix.example",)):
        """What becomes of each of `count` messages in one session: "queued", or code and stage."""
        with lab.home.submit(login) as client:
            outcomes = [converse(client, sender, to, message(sender=sender)) for _ in range(count)]
        return [outcome.stage if outcome.stage == "queued" else f"{outcome.code} {outcome.stage}" for outcome in outcomes]

    def postern(self, *arguments, **options):
        return lab.home.run("postern", "limits", *arguments, **options)

    def test_messages(self):
        self.limit(f"login:{ALICE} messages=3/1h\n")
        self.assertEqual(self.stages(5), ["queued"] * 3 + ["451 rcpt"] * 2)
        self.assertRefused(self.send(message()), "rcpt", 451, rf"4\.7\.1 login:{ALICE} may send 3 messages in 1h; try again in \d+")
        self.assertEqual(self.stages(1, BOB, BOB), ["queued"])
        lab.milter.wait_decision(rf"tempfail: who=login:{ALICE}.*rule=rate")

    def test_it_refills(self):
        self.limit(f"login:{ALICE} messages=2/2s\n")
        self.assertEqual(self.stages(3), ["queued", "queued", "451 rcpt"])
        wait_for("the bucket refills", lambda: self.send(message()).stage == "queued", interval=0.2)

    def test_recipients(self):
        self.limit(f"login:{ALICE} recipients=5/1h\n")
        with lab.home.submit(ALICE) as client:
            client.mail(ALICE)
            codes = [client.rcpt(f"you{number}@postfix.example")[0] for number in range(7)]
            self.assertEqual(codes, [250] * 5 + [451] * 2)
            self.assertEqual(client.data(message())[0], 250)

    def test_first_4xx_then_5xx(self):
        self.limit(f"login:{ALICE} messages=2/1h messages_max=4/1h\n")
        self.assertEqual(self.stages(6), ["queued", "queued", "451 rcpt", "451 rcpt", "550 rcpt", "550 rcpt"])

    def test_every_login_has_its_own(self):
        self.limit("login:* messages=1/1h\n")
        for who in (ALICE, BOB):
            self.assertEqual(self.stages(2, who, who), ["queued", "451 rcpt"])

    def test_client_and_domain(self):
        self.limit("client:198.51.100.0/24 messages=2/1h\ndomain:bob.example messages=1/1h\n")
        self.assertEqual(self.stages(2, "x@bob.example", BOB), ["queued", "451 rcpt"])
        self.assertEqual(self.stages(2), ["queued", "451 rcpt"])

    def test_local(self):
        """sendmail(1): the message waits in the maildrop queue, and goes when there is room."""
        self.limit("local messages=1/3s\n")
        for number in range(2):
            lab.home.sendmail("www@home.example", ["you@postfix.example"], f"From: www@home.example\nSubject: {number}\n\nhello\n")
        lab.home.wait_log(r"milter-reject: END-OF-MESSAGE .*4\.7\.1 .*may send 1 messages")
        self.assertEqual(len(lab.wait_stored("mx-postfix")), 1)
        time.sleep(3)
        lab.home.flush()
        self.assertEqual(len(lab.wait_stored("mx-postfix", 2)), 2)

    def test_size(self):
        """By SIZE= at once, by what really comes at the end; the body is asked for only where there is such a limit."""
        self.limit(f"login:{ALICE} size=64k\n")
        small, large = message(body=b"x" * 60 * 1024 + b"\r\n"), message(body=(b"x" * 70 + b"\r\n") * 1000)
        self.assertQueued(self.send(small))
        self.assertRefused(self.send(large), "data", 552, r"5\.3\.4 .*message_size")
        self.assertRefused(self.send(large, options=[f"SIZE={len(large)}"]), "rcpt", 552, r"5\.3\.4 .*65536 bytes .*message_size")
        self.assertRefused(self.send(large, options=["SIZE=10"]), "data", 552, "message_size")
        self.assertQueued(self.send(message(sender=BOB, body=(b"x" * 70 + b"\r\n") * 1000), login=BOB, sender=BOB))

    def test_refused_mail_costs_nothing(self):
        self.limit(f"login:{ALICE} messages=2/1h\n")
        for _ in range(4):
            self.assertRefused(self.send(message(), sender=BOB), "rcpt", 550, "envelope_sender")
        self.assertEqual(self.stages(3), ["queued", "queued", "451 rcpt"])

    def test_survives_restart(self):
        self.limit(f"login:{ALICE} messages=3/1h\n")
        self.assertEqual(self.stages(2), ["queued", "queued"])
        lab.milter.restart()
        self.assertEqual(self.stages(2), ["queued", "451 rcpt"])

    def test_survives_kill(self):
        """What is written every few seconds is there after kill -9; a state file that is damaged is no reason not to start."""
        self.limit(f"login:{ALICE} messages=3/1h\n")
        self.assertEqual(self.stages(3), ["queued"] * 3)
        state = f"{lab.milter.STATE}/limits"
        wait_for("the state is written", lambda: ALICE in lab.home.run("cat", state, check=False).stdout)
        lab.milter.kill()
        lab.milter.start()
        self.assertEqual(self.stages(1), ["451 rcpt"])
        lab.milter.stop()
        lab.home.run("sh", "-c", f"head -c 3000 /dev/urandom >{state}")
        lab.milter.start()
        self.assertEqual(self.stages(1), ["queued"])

    def test_table_changes_while_running(self):
        self.limit(f"login:{ALICE} messages=1/1h\n")
        self.assertEqual(self.stages(2), ["queued", "451 rcpt"])
        lab.milter.write_limits(f"login:{ALICE} messages=1/1h nonsense=7\n")
        time.sleep(0.1)
        self.assertEqual(self.stages(1), ["451 rcpt"])
        lab.home.wait_log(r"postern/milter.*/etc/postern/limits:1: .*nonsense")
        lab.milter.write_limits("# none\n")
        wait_for("the table is empty", lambda: self.send(message()).stage == "queued")

    def test_show_and_reset(self):
        self.limit(f"login:{ALICE} messages=3/1h\nlogin:{BOB} messages=5/1h\n")
        self.assertEqual(self.stages(4), ["queued"] * 3 + ["451 rcpt"])
        self.stages(1, BOB, BOB)
        shown = self.postern("show").stdout
        self.assertRegex(shown, rf"(?m)^login:{ALICE} messages=3/1h: 0 left, full again in \d+")
        self.assertRegex(shown, rf"(?m)^login:{BOB} messages=5/1h: 4 left")
        self.assertRegex(self.postern("reset", f"login:{ALICE}").stdout, "1")
        self.assertNotIn(ALICE, self.postern("show").stdout)
        self.assertEqual(self.stages(1), ["queued"])
        self.postern("reset", "*")
        self.assertEqual(self.postern("show").stdout.count("login:"), 0)
        self.assertNotEqual(self.postern("reset", check=False).returncode, 0)

    def test_show_without_milter(self):
        lab.milter.stop()
        done = self.postern("show", check=False)
        self.assertEqual(done.returncode, 69, done)
        self.assertRegex(done.stderr, r"control\.sock|postern-milter")

    def test_log_mode(self):
        self.limit(f"login:{ALICE} messages=1/1h size=1k\n", mode="log")
        self.assertEqual(self.stages(3), ["queued"] * 3)
        self.assertQueued(self.send(message(body=b"x" * 900 + b"\r\n" + b"x" * 900 + b"\r\n")))
        self.assertTrue(lab.milter.decisions(r"log: .*rule=\S*rate"))
        self.assertTrue(lab.milter.decisions(r"log: .*rule=\S*message_size"))

    def test_dry_run_counts_nothing(self):
        self.limit(f"login:{ALICE} messages=1/1h\n")
        for _ in range(3):
            done = lab.home.run("postern", "senders-check", ALICE, ALICE)
            self.assertIn("/etc/postern/senders:1", done.stdout)
            done = lab.home.run("postern", "headers-check", "--login", ALICE, input=message().decode())
            self.assertRegex(done.stdout, r"(?i)pass")
        self.assertNotEqual(lab.home.run("postern", "senders-check", ALICE, BOB, check=False).returncode, 0)
        done = lab.home.run("postern", "headers-check", "--login", ALICE, "--sender", ALICE, input=message(f"From: {BOB}").decode(), check=False)
        self.assertNotEqual(done.returncode, 0)
        self.assertTrue(re.search("from_address", done.stdout + done.stderr))
        self.assertEqual(self.stages(1), ["queued"])
