"""Crash points that tests/crash does not come to: a damaged journal, servers and transports at odd moments, one queue id twice.

Catalogue cases 170, 173, 174 and 175; the others of 160 to 177 are in tests/crash/README.md, each with what covers it.
"""
import os
import re
import smtplib

from harness import lab, wait_for
from test_55_journal import ANSWERED, IN_DOUBT, JOURNAL, LATE, LATER, Journal, script_of

RECORD = 512
KEY = JOURNAL + ".key"


def flip(at):
    def damage(record):
        return record[:at] + bytes([record[at] ^ 0x01]) + record[at + 1:]
    return damage


# One byte in each field, and what a disk leaves of a record that it was just writing.
DAMAGES = {
    "magic": flip(0),
    "state": flip(4),
    "time": flip(15),
    "name": flip(16),
    "nonce": flip(32),
    "outcome": flip(100),
    "checksum": flip(511),
    "torn, the second half is old": lambda record: record[:256] + bytes(256),
    "torn, the first half is old": lambda record: bytes(256) + record[256:],
    "another file's bytes": lambda record: (b"From: somebody else\r\n" * 30)[:RECORD],
}
KEPT = 3


class Damage(Journal):
    def known(self, *recipients):
        """A message whose outcomes the edge knows and Postfix does not; the edge is stopped."""
        queue_id = self.inject(*recipients)
        self.wait_dot(LATE)
        self.kill_transports()
        self.deferred(queue_id, len(recipients))
        self.sent_by_edge(queue_id, len(recipients))
        lab.edge.stop()
        return queue_id

    def path(self):
        return lab.vps.path(JOURNAL)

    def new_journal(self):
        lab.edge.stop()
        os.unlink(self.path())
        lab.edge.start()

    def again(self, queue_id, count=1):
        """Of `count` recipients the number that was answered from the journal; to the others it was delivered anew."""
        before = len(self.recipients())
        answered = sum(bool(re.search(ANSWERED, line)) for line in self.retry(queue_id, count))
        self.assertEqual(len(self.recipients()) - before, count - answered)
        return answered

    def recipients(self):
        return [event for event in lab.hostile(script_of(LATE)) if event.get("text", "").startswith("RCPT")]

    def test_case_170_damaged_records(self):
        """Each costs itself and nothing else; none is taken for a delivery."""
        self.new_journal()
        recipients = [LATE.replace("you", f"user{number}") for number in range(len(DAMAGES) + KEPT)]
        queue_id = self.known(*recipients)
        with open(self.path(), "r+b") as file:
            written = file.read()
            slots = [at for at in range(0, len(written), RECORD) if any(written[at:at + RECORD])]
            self.assertEqual(len(slots), len(recipients))
            for at, damage in zip(slots, DAMAGES.values()):
                file.seek(at)
                file.write(damage(written[at:at + RECORD]))
        lab.edge.start()
        lab.vps.wait_log(rf"{JOURNAL}: {len(DAMAGES)} damaged records are ignored")
        lab.vps.wait_log(rf"{JOURNAL}: {KEPT} outcomes, 0 deliveries in doubt")
        self.assertEqual(self.again(queue_id, len(recipients)), KEPT)

    def test_case_170_a_record_in_another_place(self):
        """A disk that wrote to the wrong place: the number of the slot is part of the checksum."""
        queue_id = self.known(LATE)
        with open(self.path(), "r+b") as file:
            written = file.read()
            at = max(at for at in range(0, len(written), RECORD) if any(written[at:at + RECORD]))
            file.seek(at)
            file.write(bytes(RECORD) + written[at:at + RECORD])
        lab.edge.start()
        lab.vps.wait_log(rf"{JOURNAL}: 1 damaged records are ignored")
        self.assertEqual(self.again(queue_id), 0)

    def damaged_file(self, damage, outcomes=r"0 outcomes"):
        queue_id = self.known(LATE)
        damage()
        lab.edge.start()
        lab.vps.wait_log(rf"{JOURNAL}: {outcomes}, 0 deliveries in doubt")
        return self.again(queue_id)

    def test_case_170_empty_file(self):
        self.assertEqual(self.damaged_file(lambda: os.truncate(self.path(), 0)), 0)

    def test_case_170_no_file(self):
        self.assertEqual(self.damaged_file(lambda: os.unlink(self.path())), 0)

    def test_case_170_cut_in_a_record(self):
        """Every length but that of whole records: the last one is lost."""
        def cut():
            with open(self.path(), "rb") as file:
                written = file.read()
            os.truncate(self.path(), len(written.rstrip(b"\0")) - 1)

        self.new_journal()
        self.assertEqual(self.damaged_file(cut), 0)

    def test_case_170_another_key(self):
        """Nothing of a journal can be read with another key, and nothing of it is believed."""
        self.assertEqual(self.damaged_file(lambda: os.unlink(lab.vps.path(KEY))), 0)
        lab.vps.wait_log(rf"{JOURNAL}: \d+ damaged records are ignored")

    def killed_at_start(self, call, number):
        """Whether a start came to that call on the journal or its key, and was killed there."""
        status = lab.vps.run("timeout", "-s", "KILL", "5", "strace", "-qq", "-o", "/dev/null", "-P", JOURNAL, "-P", KEY, "-e", f"trace={call}",
                             "-e", f"inject={call}:signal=KILL:when={number}", "-u", "_postern-edge",
                             "postern-edge", "-c", "/etc/postern/edge.conf", check=False).returncode
        return status == 128 + 9 or status == -9

    def test_case_170_killed_while_it_starts(self):
        """At each call that opens the journal, takes its space or reads it: the next start finds all of it."""
        self.new_journal()
        queue_id = self.known(LATE)
        for call, most in (("openat", 2), ("flock", 1), ("fallocate", 1), ("fsync", 1), ("pread64", 3)):
            for number in range(1, most + 1):
                self.assertTrue(self.killed_at_start(call, number), f"{call} {number}")
        lab.edge.start()
        lab.vps.wait_log(rf"{JOURNAL}: 1 outcomes, 0 deliveries in doubt")
        self.assertEqual(self.again(queue_id), 1)


class NotDead(Journal):
    def test_case_174_the_first_transport_is_only_stopped(self):
        """Postfix gave it up, the edge has both: one delivery, one outcome, for whoever asks."""
        queue_id = self.inject(LATER)
        self.wait_dot(LATER)
        lab.home.run("pkill", "-STOP", "-x", "postern-transpo")
        stale = lab.home.run("pgrep", "-x", "postern-transpo").stdout.split()
        lab.home.run("pkill", "-KILL", "-x", "lmtp")
        line = self.retry(queue_id)[0]
        self.assertRegex(line, ANSWERED)
        lab.home.run("kill", "-CONT", *stale)
        wait_for("the stale transport has gone", lambda: not set(stale) & set(
            lab.home.run("pgrep", "-x", "postern-transpo", check=False).stdout.split()))
        self.assertEqual(len(self.dots(LATER)), 1)


class ServerKilled(Journal):
    """A server that dies before it has answered; one that has is killed by the explorer, at each of the edge's calls."""

    def kill_server(self):
        mx = lab.mx["mx-hostile"]
        mx.run("sh", "-c", "rm -f /run/hostile.ready; pkill -KILL -f '[h]ostile_mx.py'; exit 0")
        mx.run("/opt/lab/hosts/mx-hostile.sh", "start")

    def test_case_173_before_the_dot(self):
        """Nothing was delivered, and nothing is in doubt."""
        queue_id = self.inject("you@case23d-data-silence.hostile.example")
        wait_for("DATA", lambda: any(event.get("text") == "DATA" for event in lab.hostile("case23d_data_silence")))
        self.kill_server()
        self.assertNotRegex(self.deferred(queue_id)[0], r"may have been delivered")
        lab.home.run("postqueue", "-i", queue_id)
        wait_for("another DATA", lambda: sum(event.get("text") == "DATA" for event in lab.hostile("case23d_data_silence")) == 2)
        self.assertEqual(lab.vps.grep_log(IN_DOUBT), [])
        lab.edge.kill()
        lab.home.run("postsuper", "-d", queue_id, check=False)

    def test_case_173_after_the_dot(self):
        """Nobody can know: it is delivered again, and said so."""
        queue_id = self.inject(LATE)
        self.wait_dot(LATE)
        self.kill_server()
        self.assertRegex(self.deferred(queue_id)[0], r"may have been delivered")
        self.assertNotRegex(self.retry(queue_id)[0], ANSWERED)
        lab.vps.wait_log(rf"{queue_id}: to=.*{IN_DOUBT}")
        self.assertEqual(len(self.dots(LATE)), 2)


class QueueIds(Journal):
    """LMTP as a mail host would speak it that gives a queue id out again."""

    def deliver(self, queue_id, text, recipient="you@postfix.example"):
        directory = os.open(lab.home.path("/var/spool/postfix/private"), os.O_RDONLY)
        self.addCleanup(os.close, directory)
        with smtplib.LMTP(f"/proc/self/fd/{directory}/postern-spawn") as client:
            client.ehlo()
            self.assertEqual(client.docmd("XFORWARD", f"IDENT={queue_id} SOURCE=REMOTE")[0], 250)
            client.mail("anna@home.example")
            client.rcpt(recipient)
            code, said = client.data(f"From: anna@home.example\r\nSubject: twice\r\n\r\n{text}\r\n")
        self.assertEqual(code, 250, said)
        return "answered from journal" in said.decode()

    def test_case_175_a_queue_id_that_comes_again(self):
        """Short queue ids come again (enable_long_queue_ids = no): only the same text to the same recipient is the same message."""
        self.assertFalse(self.deliver("7C0FFEE", "one text"))
        self.assertFalse(self.deliver("7C0FFEE", "another text"))
        self.assertFalse(self.deliver("7C0FFEE", "one text", "me@postfix.example"))
        self.assertFalse(self.deliver("7C0FFED", "one text"))
        self.assertTrue(self.deliver("7C0FFEE", "one text"))
        self.assertEqual(len(lab.wait_stored("mx-postfix", 4)), 4)
