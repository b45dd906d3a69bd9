"""No outcome is lost and no message doubled because an answer was: the edge's journal, catalogue cases 161 to 175.

What the mail hosts on the other side saw decides: how many final dots came, and what was stored.
"""
import contextlib
import re
import subprocess
import time

from harness import Case, lab, wait_for

MESSAGE = b"From: anna@home.example\r\nSubject: once\r\n\r\nonly once\r\n"
LATE = "you@case161-accepts-late.hostile.example"
LATER = "you@case174-accepts-later.hostile.example"
FORGETFUL = "you@case167-forgets-the-first.hostile.example"
EDGE_CONF = "/etc/postern/edge.conf"
JOURNAL = "/var/lib/postern/edge/journal"
ANSWERED = r"status=sent \(.*already delivered; answered from journal\)"
IN_DOUBT = r"possible duplicate"


def script_of(address):
    return re.sub(r"-", "_", address.split("@")[1].split(".")[0])


class Journal(Case):
    def setUp(self):
        super().setUp()
        self.conf = lab.vps.read(EDGE_CONF)
        self.addCleanup(self.restore)

    def restore(self):
        lab.home.run("pkill", "-CONT", "-x", "postern-transpo", check=False)
        if lab.vps.read(EDGE_CONF) != self.conf or not lab.edge.is_running:
            lab.vps.write(EDGE_CONF, self.conf)
            lab.edge.restart()

    def inject(self, *recipients, message=MESSAGE):
        return lab.home.inject("anna@home.example", list(recipients), message)

    def dots(self, address):
        return [event for event in lab.hostile(script_of(address)) if event["event"] == "dot"]

    def wait_dot(self, address, count=1):
        wait_for(f"{count} final dots at {address}", lambda: len(self.dots(address)) >= count)

    def kill_transports(self):
        lab.home.run("pkill", "-KILL", "-x", "postern-transpo")

    def deferred(self, queue_id, count=1):
        lines = lab.home.wait_log(rf"postfix/lmtp.*{queue_id}: to=.*status=deferred", count=count)
        self.assertEqual(lab.home.grep_log(rf"{queue_id}: to=.*status=(bounced|sent)"), [])
        return lines

    def sent_by_edge(self, queue_id, count=1):
        return lab.vps.wait_log(rf"{queue_id}: to=.*status=sent", count=count)

    def retry(self, queue_id, count=1):
        """Postfix's lines of its next attempt, all of which succeed."""
        pattern = rf"postfix/lmtp.*{queue_id}: to=.*status=sent"
        mark = lab.home.log_mark()
        for _ in range(20):     # one that finds the message still in qmgr's hands does nothing
            lab.home.run("postqueue", "-i", queue_id, check=False)
            with contextlib.suppress(AssertionError):
                return lab.home.wait_log(pattern, 2, count=count, since=mark)
        return lab.home.wait_log(pattern, 1, count=count, since=mark)


class TransportKilled(Journal):
    def test_case_161_after_the_end(self):
        """The edge goes on; the next attempt gets the outcome, in the server's own words, and sends nothing."""
        queue_id = self.inject(LATE)
        self.wait_dot(LATE)
        self.kill_transports()
        self.deferred(queue_id)
        self.sent_by_edge(queue_id)
        line = self.retry(queue_id)[0]
        self.assertRegex(line, ANSWERED)
        self.assertIn("said: 250 2.0.0 Ok: taken at last", line)
        self.assertEqual(len(self.dots(LATE)), 1)
        self.assertRegex(lab.vps.grep_log(rf"{queue_id}: to=.*status=sent")[-1], r"answered from journal")

    def test_case_163_several_recipients(self):
        """One of three is answered when the transport dies: the others' outcomes come from the journal."""
        recipients = ["you@postfix.example", "me@postfix.example", LATE]
        queue_id = self.inject(*recipients)
        self.wait_dot(LATE)
        lab.wait_stored("mx-postfix")
        self.sent_by_edge(queue_id, count=2)
        self.kill_transports()
        self.sent_by_edge(queue_id, count=3)
        lab.home.wait_log(rf"postfix/lmtp.*{queue_id}: to=.*status=deferred")
        lab.home.run("postqueue", "-i", queue_id)
        lab.home.wait_queue_empty()
        outcomes = lab.home.grep_log(rf"postfix/lmtp.*{queue_id}: to=.*status=sent")
        self.assertEqual(sorted(re.search(r"to=<(.*?)>", line)[1] for line in outcomes), sorted(recipients))
        self.assertRegex([line for line in outcomes if LATE in line][0], ANSWERED)
        self.assertEqual(len(self.dots(LATE)), 1)
        self.assertEqual(len(lab.stored("mx-postfix")), 2)      # a mailbox each

    def test_case_174_retry_while_the_first_still_runs(self):
        """The second attempt waits for the first one's outcome."""
        queue_id = self.inject(LATER)
        self.wait_dot(LATER)
        self.kill_transports()
        self.deferred(queue_id)
        self.assertEqual(lab.vps.grep_log(rf"{queue_id}: to=.*status=sent"), [])
        self.assertRegex(self.retry(queue_id)[0], ANSWERED)
        self.assertEqual(len(self.dots(LATER)), 1)

    def test_case_175_the_same_text_twice_on_purpose(self):
        first = self.inject("you@postfix.example")
        lab.home.wait_log(rf"{first}: to=.*status=sent")
        second = self.inject("you@postfix.example")
        lab.home.wait_log(rf"{second}: to=.*status=sent")
        self.assertEqual(len(lab.wait_stored("mx-postfix", 2)), 2)
        self.assertEqual(lab.home.grep_log(r"answered from journal"), [])


class EdgeKilled(Journal):
    def setUp(self):
        """What earlier cases left in doubt is not to be counted here."""
        super().setUp()
        lab.edge.stop()
        lab.vps.run("rm", "-f", JOURNAL)
        lab.edge.start()

    def test_case_169_after_the_outcome(self):
        """The outcome is on disk before the mail host is told."""
        queue_id = self.inject(LATE)
        self.wait_dot(LATE)
        lab.home.run("pkill", "-STOP", "-x", "postern-transpo")
        self.sent_by_edge(queue_id)
        lab.edge.kill()
        self.kill_transports()
        self.deferred(queue_id)
        lab.edge.start()
        line = self.retry(queue_id)[0]
        self.assertRegex(line, ANSWERED)
        self.assertIn("said: 250 2.0.0 Ok: taken at last", line)
        self.assertEqual(len(self.dots(LATE)), 1)

    def test_case_167_after_the_dot(self):
        """Nobody can know: it is delivered again, and said so."""
        queue_id = self.inject(LATE)
        self.wait_dot(LATE)
        lab.edge.kill()
        self.deferred(queue_id)
        lab.edge.start()
        lab.vps.wait_log(r"journal: \d+ outcomes, 1 deliveries in doubt")
        self.assertNotRegex(self.retry(queue_id)[0], r"answered from journal")
        lab.vps.wait_log(rf"{queue_id}: to=.*{IN_DOUBT}")
        self.assertEqual(len(self.dots(LATE)), 2)

    def test_case_164_before_the_dot(self):
        """Nothing was delivered, nothing is remembered."""
        queue_id = self.inject("you@case23d-data-silence.hostile.example", "you@postfix.example")
        lab.wait_stored("mx-postfix")
        wait_for("DATA", lambda: any(event.get("text") == "DATA" for event in lab.hostile("case23d_data_silence")))
        lab.edge.kill()
        lab.edge.start()
        lab.vps.wait_log(r"journal: \d+ outcomes, 0 deliveries in doubt")
        self.assertEqual(lab.vps.grep_log(IN_DOUBT), [])
        lab.home.run("postsuper", "-d", queue_id, check=False)

    def test_in_doubt_by_the_server(self):
        """The server breaks the connection instead of answering the final dot (RFC 1047)."""
        queue_id = self.inject(FORGETFUL)
        self.assertRegex(self.deferred(queue_id)[0], r"may have been delivered")
        self.assertNotRegex(self.retry(queue_id)[0], r"answered from journal")
        lab.vps.wait_log(rf"{queue_id}: to=.*{IN_DOUBT}")
        self.assertEqual(len(self.dots(FORGETFUL)), 2)


class CollectLater(Journal):
    PROGRESS = r"dsn=4\.4\.2.*still in progress \((%s), 2 s\); the result will be collected " \
               r"at the next attempt" % r"waiting for the reply to end of DATA command from \S+\[[0-9a-f.:]+\]"

    def setUp(self):
        super().setUp()
        lab.vps.write(EDGE_CONF, self.conf + 'wait_limit = "2s";\n')
        lab.edge.reload()
        lab.vps.wait_log(r"edge\.conf was read again")

    def start(self):
        """50 recipients of whom one is slow: 49 are told after the wait, and the slot is free."""
        recipients = [LATER] + [f"user{number}@postfix.example" for number in range(49)]
        queue_id = self.inject(*recipients)
        lab.home.wait_log(rf"postfix/lmtp.*{queue_id}: to=.*status=sent", count=49)
        line = lab.home.grep_log(rf"postfix/lmtp.*{queue_id}: to=<{LATER}>")[0]
        self.assertRegex(line, self.PROGRESS)
        self.assertEqual(len(lab.stored("mx-postfix")), 49)
        return queue_id

    def test_one_of_fifty_is_slow(self):
        queue_id = self.start()
        self.assertEqual(lab.vps.grep_log(rf"{queue_id}: to=<@case174.*status=sent"), [])
        second = self.inject("you@postfix.example")
        lab.home.wait_log(rf"postfix/lmtp.*{second}: to=.*status=sent")
        line = self.retry(queue_id)[0]
        self.assertRegex(line, ANSWERED)
        self.assertIn("taken at last", line)
        self.assertEqual(len(self.dots(LATER)), 1)

    def test_the_edge_is_killed_in_between(self):
        """The dot was out: one more delivery, which is announced."""
        queue_id = self.start()
        lab.edge.kill()
        lab.edge.start()
        self.retry(queue_id)
        lab.vps.wait_log(rf"{queue_id}: to=<@case174.*{IN_DOUBT}")
        self.assertEqual(len(self.dots(LATER)), 2)
        self.assertEqual(len(lab.stored("mx-postfix")), 49)

    def test_the_edge_is_stopped_in_between(self):
        """A stop waits for what was left to itself and is past the final dot."""
        queue_id = self.start()
        lab.edge.stop()
        self.sent_by_edge(queue_id, count=50)
        lab.edge.start()
        self.assertRegex(self.retry(queue_id)[0], ANSWERED)
        self.assertEqual(len(self.dots(LATER)), 1)


class Disk(Journal):
    def test_case_171_failing(self):
        """Nothing is delivered that could not be remembered; what is remembered is still answered."""
        known = self.inject(LATE)
        self.wait_dot(LATE)
        self.kill_transports()
        self.deferred(known)
        self.sent_by_edge(known)
        tracer = lab.vps.popen("strace", "-f", "-qq", "-e", "trace=fdatasync", "-e", "inject=fdatasync:error=EIO",
                               "-o", "/dev/null", "-p", str(lab.edge.pid), stdout=subprocess.DEVNULL)
        try:
            wait_for("the tracer", lambda: "TracerPid:\t0\n" not in lab.vps.run("cat", f"/proc/{lab.edge.pid}/status").stdout)
            queue_id = self.inject("you@postfix.example")
            self.assertRegex(self.deferred(queue_id)[0], r"dsn=4\.3\.1.*cannot write its journal")
            lab.vps.wait_log(rf"{JOURNAL}: Input/output error; no mail is delivered that this edge could not remember")
            self.assertRegex(self.retry(known)[0], ANSWERED)
        finally:
            lab.vps.run("pkill", "-TERM", "-x", "strace")
            tracer.wait(timeout=10)
        self.assertEqual(lab.stored("mx-postfix"), [])
        time.sleep(10)      # the time for which the edge leaves a failing disk alone
        self.retry(queue_id)
        self.assertEqual(len(lab.wait_stored("mx-postfix")), 1)

    def test_case_170_damaged(self):
        """A flipped byte and a lost tail cost the records they hit."""
        first = self.inject(LATE)
        self.wait_dot(LATE)
        self.kill_transports()
        self.deferred(first)
        self.sent_by_edge(first)
        lab.edge.stop()
        size = int(lab.vps.run("stat", "-c", "%s", JOURNAL).stdout)
        lab.vps.run("truncate", "-s", str(size - 700), JOURNAL)
        lab.vps.run("sh", "-c", f"printf garbage | dd of={JOURNAL} bs=1 seek={size - 60000} conv=notrunc status=none")
        lab.edge.start()
        lab.vps.wait_log(rf"{JOURNAL}: 1 damaged records are ignored")
        self.assertRegex(self.retry(first)[0], ANSWERED)
        self.assertEqual(len(self.dots(LATE)), 1)

    def test_full(self):
        """A journal without a free record defers mail, and says what to do."""
        lab.edge.stop()
        lab.vps.run("rm", JOURNAL)
        lab.vps.write(EDGE_CONF, re.sub(r'journal_size = "16M"', 'journal_size = "64k"', self.conf))
        lab.edge.start()
        self.addCleanup(lab.vps.run, "rm", "-f", JOURNAL)
        recipients = [f"user{number}@postfix.example" for number in range(130)]
        queue_id = self.inject(*recipients)
        lab.home.wait_log(rf"postfix/lmtp.*{queue_id}: to=.*status=", count=130)
        deferred = lab.home.grep_log(rf"{queue_id}: to=.*status=deferred")
        self.assertGreaterEqual(len(deferred), 2)
        for line in deferred:
            self.assertRegex(line, r"dsn=4\.3\.1.*journal is full")
        lab.vps.wait_log(rf"{JOURNAL} is full: .*journal_size")

    def test_two_edges_on_one_journal(self):
        done = lab.vps.run("sh", "-c", "sed 's/^ehlo/listen = [ \"198.51.100.20:7999\" ];\\nehlo/' /etc/postern/edge.conf >/tmp/second.conf; "
                           "echo 'log_target = \"stderr\";' >>/tmp/second.conf; timeout -s KILL 20 postern-edge -c /tmp/second.conf",
                           check=False)
        self.assertNotEqual(done.returncode, 0)
        self.assertRegex(done.stderr, rf"{JOURNAL}: another postern-edge is using this journal")

    def test_no_addresses_on_disk(self):
        """What lies on the rented disk tells nobody who wrote to whom."""
        queue_id = self.inject("canary1111@postfix.example", "canary2222@case161-accepts-late.hostile.example")
        lab.home.wait_log(rf"{queue_id}: to=.*status=sent", count=2)
        found = lab.vps.run("grep", "-rlaE", "canary(1111|2222)|anna@|home.example|taken at last|" + queue_id, "/var/lib/postern",
                            check=False)
        self.assertEqual(found.stdout, "")
        self.assertEqual(found.returncode, 1)
