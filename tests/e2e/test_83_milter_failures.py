"""Case 140 and its kin: whatever befalls postern-milter, mail waits; none passes unchecked."""
import os
import socket
import threading
import time

from harness import Home, lab, wait_for
from milter_case import SENDERS, MilterCase, Outcome, converse, message

ALICE = "alice@home.example"
BOB = "bob@home.example"
# What must never arrive.
FORBIDDEN = message(f"From: {BOB}")


class Failures(MilterCase):
    TIMES = ("milter_connect_timeout = 5s", "milter_command_timeout = 5s", "milter_content_timeout = 5s")

    @classmethod
    def setUpClass(cls):
        lab.home.run("postconf", "-e", *cls.TIMES)
        super().setUpClass()

    @classmethod
    def tearDownClass(cls):
        lab.home.run("postconf", "-X", *(setting.split()[0] for setting in cls.TIMES))
        super().tearDownClass()

    def tearDown(self):
        lab.milter.wake()
        if not lab.milter.is_running and not self.changed:
            lab.milter.start()
        super().tearDown()

    def by_sendmail(self, data=None):
        data = (data or message()).replace(b"\r\n", b"\n")
        lab.home.sendmail(ALICE, ["you@postfix.example"], data)

    def assertDeferred(self, outcome):
        """From the login on: smtpd(8) refuses every command."""
        self.assertEqual(outcome.code // 100, 4, outcome)

    def assertNothingPasses(self):
        """By SMTP, by sendmail(1): allowed or not, all of it waits."""
        for data in (message(), FORBIDDEN):
            self.assertDeferred(self.send(data))
            mark = lab.home.log_mark()
            self.by_sendmail(data)
            lab.home.wait_log(r"milter-reject: .* 4\.7\.1 ", since=mark)
        self.assertEqual(lab.stored("mx-postfix"), [])
        self.assertEqual({entry["queue_name"] for entry in lab.home.queue()}, {"maildrop"})

    def assertFlowsAgain(self):
        """What waited is judged: Alice's own goes out, the other one returns to her."""
        self.assertQueued(self.send(message()))
        lab.home.flush()
        self.assertEqual({self.fields(stored.raw, "From")[0] for stored in lab.wait_stored("mx-postfix", 2)}, {ALICE})
        self.assertIn(b"from_address", lab.wait_stored("home")[0].raw)
        lab.home.wait_queue_empty()

    def test_stopped(self):
        lab.milter.stop()
        self.assertNothingPasses()
        lab.milter.start()
        self.assertFlowsAgain()

    def test_killed(self):
        lab.milter.kill()
        self.assertNothingPasses()
        lab.milter.start()
        self.assertFlowsAgain()

    def test_hangs(self):
        lab.milter.hang()
        self.assertNothingPasses()
        lab.milter.wake()
        self.assertFlowsAgain()

    def test_worker_dies(self):
        """The supervisor starts another one; the sockets stay open meanwhile."""
        supervisor, worker = lab.milter.pids
        lab.home.run("kill", "-KILL", str(worker))
        wait_for("a new worker", lambda: len(lab.milter.pids) == 2 and lab.milter.pids[1] != worker)
        self.assertEqual(lab.milter.pids[0], supervisor)
        self.assertQueued(self.send(message()))

    def at_stage(self, stage, harm):
        """A session up to a stage, then harm(), then the rest; the codes that follow."""
        with lab.home.submit(ALICE) as client:
            steps = {"connect": [], "mail": [lambda: client.mail(ALICE)],
                     "rcpt": [lambda: client.mail(ALICE), lambda: client.rcpt("you@postfix.example")],
                     "data": [lambda: client.mail(ALICE), lambda: client.rcpt("you@postfix.example"), lambda: client.docmd("DATA")]}
            for step in steps[stage]:
                step()
            harm()
            codes = []
            if stage == "connect":
                codes.append(client.mail(ALICE)[0])
            if stage in ("connect", "mail"):
                codes.append(client.rcpt("you@postfix.example")[0])
            if stage != "data":
                codes.append(client.docmd("DATA")[0])
            if codes[-1:] in ([], [354]):
                client.send(FORBIDDEN + b".\r\n")
                codes.append(client.getreply()[0])
            return codes

    def test_dies_at_each_stage(self):
        for harm in (lab.milter.kill, lab.milter.hang):
            for stage in ("connect", "mail", "rcpt", "data"):
                with self.subTest(stage=stage, harm=harm.__name__):
                    codes = self.at_stage(stage, harm)
                    self.assertNotIn(250, codes[-1:], codes)
                    self.assertTrue(any(400 <= code < 500 for code in codes), codes)
                    self.assertNotIn(550, codes)
                    if harm == lab.milter.kill:
                        lab.milter.start()
                    else:
                        lab.milter.wake()
        self.assertEqual(lab.stored("mx-postfix"), [])
        self.assertQueued(self.send(message()))

    def test_stop_lets_messages_come_to_their_end(self):
        with lab.home.submit(ALICE) as client:
            client.mail(ALICE)
            client.rcpt("you@postfix.example")
            client.docmd("DATA")
            stopping = threading.Thread(target=lab.milter.stop)
            stopping.start()
            time.sleep(0.5)
            client.send(message() + b".\r\n")
            code, text = client.getreply()
            stopping.join()
        self.assertEqual(code, 250, text)
        self.assertFalse(lab.milter.is_running)

    def test_stop_does_not_wait_for_idle_sessions(self):
        self.use(drain_time="10m")
        with lab.home.submit(ALICE):
            lab.milter.stop()

    def test_restart_during_a_storm(self):
        """Nobody's message is lost or passed unchecked while the milter is restarted again and again."""
        codes, stop = [], threading.Event()

        def storm():
            while not stop.is_set():
                codes.append((self.send(message()), self.send(FORBIDDEN)))

        threads = [threading.Thread(target=storm) for _ in range(3)]
        for thread in threads:
            thread.start()
        for action in (lab.milter.restart, lab.milter.reload, lab.milter.restart):
            action()
            done = len(codes)
            wait_for("some more", lambda done=done: len(codes) > done + 10)
        stop.set()
        for thread in threads:
            thread.join()
        for own, forbidden in codes:
            self.assertIn(own.code // 100, (2, 4), own)
            self.assertIn(forbidden.code // 10, (55, 45), forbidden)
        queued = sum(own.stage == "queued" for own, _ in codes)
        self.assertGreater(queued, 5)
        self.assertEqual(len(lab.wait_stored("mx-postfix", queued)), queued)

    def test_reload(self):
        """Case 153 for the milter: a bad file changes nothing, and says so; a good one does."""
        lab.milter.host.write(lab.milter.CONF, "from_address = \"of\";\n")
        self.changed = True
        lab.milter.reload()
        lab.home.wait_log(r"postern/milter.*/etc/postern/milter\.conf:1: .*from_address")
        self.assertRefused(self.send(FORBIDDEN), "data", 550, "from_address")
        self.assertEqual(lab.home.run("postern-milter", "-c", lab.milter.CONF, "--check", check=False).returncode, 78)
        lab.milter.write_conf(from_address="off")
        lab.milter.reload()
        wait_for("the new settings are in force", lambda: self.send(FORBIDDEN).stage == "queued")

    def test_reload_with_a_session_open(self):
        """A message is judged by the settings with which it began."""
        with lab.home.submit(ALICE) as client:
            self.assertRefused(converse(client, ALICE, ["you@postfix.example"], FORBIDDEN), "data", 550)
            lab.milter.write_conf(from_address="log")
            self.changed = True
            mark = lab.home.log_mark()
            lab.milter.reload()
            lab.home.wait_log(r"postern/milter.*(reload|again)", since=mark)
            self.assertQueued(converse(client, ALICE, ["you@postfix.example"], FORBIDDEN))

    def test_start_of_a_second_one(self):
        """It may start when the first has ended, so its unit tries again (it does not after 78); the first one keeps its socket."""
        done = lab.home.run("timeout", "10", "postern-milter", "-c", lab.milter.CONF, check=False)
        self.assertEqual((done.returncode, done.stderr.count("another process listens there already")), (71, 1), done)
        self.assertQueued(self.send(message()))

    def test_start_with_a_bad_file(self):
        lab.milter.stop()
        self.changed = True
        for text, pattern in (("listen = 7;", r"milter\.conf:1"), ("nonsense = true;", r"milter\.conf:1.*nonsense"),
                              ("header_size_limit = \"99999999999999999999\";", r"milter\.conf:1.*header_size_limit"),
                              ("from_syntax = \"repair\";", r"milter\.conf:1.*from_syntax")):
            with self.subTest(text=text):
                lab.milter.host.write(lab.milter.CONF, text + "\n")
                with self.assertRaisesRegex(AssertionError, pattern):
                    lab.milter.start()

    def test_stale_socket(self):
        """After kill -9 its socket is still there: that is no reason not to start; a running one is."""
        lab.milter.kill()
        self.assertTrue(os.path.exists(lab.home.path(lab.milter.socket)))
        lab.milter.start()
        second = lab.home.run("postern-milter", "-c", lab.milter.CONF, check=False)
        self.assertNotEqual(second.returncode, 0)
        self.assertQueued(self.send(message()))

    def test_disk_full(self):
        """The state of limits cannot be written: mail flows, limits hold, the log says so."""
        self.use(SENDERS, f"login:{ALICE} messages=3/1h\n")
        lab.home.run("mount", "-t", "tmpfs", "-o", "size=4k", "tmpfs", lab.milter.STATE)
        self.addCleanup(lab.home.run, "umount", lab.milter.STATE)
        lab.home.run("sh", "-c", f"chown _postern-milter {lab.milter.STATE}; head -c 8192 /dev/zero >{lab.milter.STATE}/full || true")
        outcomes = [self.send(message()).stage for _ in range(5)]
        self.assertEqual(outcomes, ["queued"] * 3 + ["rcpt"] * 2)
        lab.home.wait_log(r"postern/milter.*limits.*No space left")

    def test_too_many_connections(self):
        self.use(connections=3)
        sessions = [lab.home.submit(ALICE) for _ in range(5)]
        self.assertEqual([session.mail(ALICE)[0] for session in sessions], [250] * 5)
        codes = [session.rcpt("you@postfix.example")[0] for session in sessions]
        self.assertEqual(codes[:3], [250] * 3)
        self.assertNotIn(250, codes[3:])
        self.assertTrue(all(400 <= code < 500 for code in codes[3:]), codes)
        for session in sessions:
            session.close()
        wait_for("there is room again", lambda: self.send(message()).stage == "queued")


class Endurance(MilterCase):
    def test_1000_messages_on_one_connection(self):
        """Case 130: nothing of one message is left for the next."""
        with lab.home.submit(BOB) as client:
            for number in range(1000):
                if number % 4 == 0:
                    outcome = converse(client, BOB, ["you@postfix.example"], message(sender=BOB))
                    self.assertQueued(outcome)
                elif number % 4 == 1:
                    outcome = converse(client, BOB, ["you@postfix.example"], message(sender=ALICE))
                    self.assertRefused(outcome, "data", 550, "from_address")
                elif number % 4 == 2:
                    outcome = converse(client, BOB, ["you@postfix.example"], message(("From", None)))
                    self.assertRefused(outcome, "data", 550, "from_missing")
                else:
                    client.mail(ALICE)
                    self.assertEqual(client.rcpt("you@postfix.example")[0], 550)
                    client.rset()
        lab.home.wait_queue_empty()

    def test_abort_at_each_stage(self):
        """Case 130: RSET, a second EHLO, a connection that ends, at every stage; then a message as if nothing had been."""
        with lab.home.submit(ALICE) as client:
            for steps in range(3):
                for end in (client.rset, client.ehlo):
                    if steps > 0:
                        client.mail("team@home.example")
                    if steps > 1:
                        client.rcpt("you@postfix.example")
                    end()
                    client.mail(ALICE)
                    client.rcpt("you@postfix.example")
                    self.assertRefused(converse_data(client, FORBIDDEN), "data", 550, "from_address")
        for cut in (b"", b"From: x", message()):
            client = lab.home.submit(ALICE)
            client.mail(ALICE)
            client.rcpt("you@postfix.example")
            client.docmd("DATA")
            client.send(cut)
            client.sock.shutdown(socket.SHUT_RDWR)
            client.close()
        self.assertQueued(self.send(message()))
        lab.home.wait_queue_empty()
        self.assertEqual(len(lab.stored("mx-postfix")), 1)

    def test_10000_fields(self):
        """Case 138: refused; where as many may pass, a thousand of them are taken out."""
        fields = [f"{'X-Mailer' if number % 10 == 0 else 'X-Field'}: {number}" for number in range(9900)]
        self.assertRefused(self.send(message(*fields)), "data", 552, "header_size")
        self.use(header_count_limit=10000, header_size_limit="4M", user_agent="repair")
        lab.home.filter_by(lab.milter)      # OpenDKIM does not sign so many
        self.addCleanup(lab.home.filter_by, lab.milter, Home.OPENDKIM)
        self.assertQueued(self.send(message(*fields)))
        delivered = self.delivered()
        self.assertEqual((delivered.count(b"X-Mailer"), delivered.count(b"X-Field")), (0, 8910))

    def test_header_of_a_megabyte(self):
        """Case 138: one field, many lines of one field, many fields. Postfix itself cuts a field at 60,000 bytes."""
        self.assertRefused(self.send(message("X-Large: " + "x" * 1_000_000)), "data", 550, "line_length")
        self.assertRefused(self.send(message(*[f"X-{number}: " + "y" * 900 for number in range(900)])), "data", 552, "header_size")
        self.assertQueued(self.send(message("X-Large: a" + "\r\n ".join(["x" * 900] * 1100))))
        self.assertLess(len(self.delivered()), 64_000)
        self.assertQueued(self.send(message()))

    def test_200_sessions(self):
        sessions = [lab.home.submit(ALICE) for _ in range(200)]
        outcomes = []
        for session in sessions:
            session.mail(ALICE)
        for session in sessions:
            session.rcpt("you@postfix.example")
        for number, session in enumerate(sessions):
            outcomes.append(converse_data(session, message() if number % 2 else FORBIDDEN))
        self.assertEqual([outcome.code for outcome in outcomes], [550, 250] * 100)
        for session in sessions:
            session.close()
        lab.home.wait_queue_empty()
        self.assertEqual(len(lab.stored("mx-postfix")), 100)


def converse_data(client, data):
    """The outcome of DATA in a session that has its recipient."""
    code, text = client.data(data)
    return Outcome("queued" if code == 250 else "data", code, text)
