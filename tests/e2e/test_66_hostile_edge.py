"""The mail host's end of the tunnel against an edge that lies: catalogue case 105."""
import os
import re
import socket
import time

from harness import Case, lab, wait_for
from tunnel_peer import Responder, frames

MESSAGE = b"From: anna@home.example\r\nSubject: by another way\r\n\r\n..dot\r\nhello\r\n"


def status(session, index=0, **values):
    fields = {"action": 0, "status": (2, 0, 0), "stage": 11, "reply_code": 250, "reply_text": "2.0.0 Ok", **values}
    return frames.encode(frames.STATUS, session.transaction, index=index, **fields)


def done(session):
    return frames.encode(frames.DONE, session.transaction)


RAW_TEXT = "said\r\n250 2.0.0 Ok\x1b[31m"
FAILED = {"action": 2, "status": (5, 1, 1), "stage": 8, "reply_code": 550, "reply_text": "5.1.1 No"}
# What a lying edge sends when END has come: name -> frames. Every one is answered 4xx by the transport.
LIES = {
    "recipient-not-asked": lambda s: [status(s, 7), status(s), done(s)],
    "two-statuses": lambda s: [status(s), status(s, **FAILED), done(s)],
    "two-statuses-swapped": lambda s: [status(s, **FAILED), status(s), done(s)],
    "none": lambda s: [done(s)],
    "relayed-with-5xx-status": lambda s: [status(s, status=(5, 1, 1)), done(s)],
    "relayed-with-550": lambda s: [status(s, reply_code=550), done(s)],
    "relayed-with-4xx-reply-status": lambda s: [status(s, reply_status=(4, 0, 0)), done(s)],
    "relayed-without-reply": lambda s: [status(s, reply_code=None, reply_text=None, reason="trust me"), done(s)],
    "relayed-at-rcpt": lambda s: [status(s, stage=8), done(s)],
    "failed-with-250": lambda s: [status(s, **{**FAILED, "reply_code": 250}), done(s)],
    "failed-with-2xx-status": lambda s: [status(s, **{**FAILED, "status": (2, 0, 0)}), done(s)],
    "failed-with-450": lambda s: [status(s, **{**FAILED, "reply_code": 450}), done(s)],
    "delayed-with-250": lambda s: [status(s, action=1, status=(4, 0, 0)), done(s)],
    "unknown-action": lambda s: [status(s, action=9), done(s)],
    "class-3": lambda s: [status(s, status=(3, 0, 0)), done(s)],
    "code-999": lambda s: [status(s, reply_code=999), done(s)],
    "line-ends-in-text": lambda s: [status(s, reply_text=RAW_TEXT), done(s)],
    "line-ends-in-host": lambda s: [status(s, remote_mta="mx.example\r\n250 ok"), done(s)],
    "text-of-600": lambda s: [status(s, reply_text="x" * 600), done(s)],
    "text-of-60000": lambda s: [status(s, reply_text="x" * 60000), done(s)],
    "other-transaction": lambda s: [frames.encode(frames.DONE, s.transaction + 40)],
    "a-mail-hosts-frame": lambda s: [frames.encode(frames.ABORT, s.transaction)],
    "unknown-critical": lambda s: [frames.header(0x7f, 0)],
    "close-with-raw-text": lambda s: [frames.encode(frames.CLOSE, reason=2, text=RAW_TEXT)],
    "close": lambda s: [frames.encode(frames.CLOSE, reason=2, text="gone fishing")],
}


class HostileEdge(Case):
    """Case 105: whatever an edge says, mail is never lost by it. (That it says 250 without having delivered cannot be
    detected by anybody: an edge is trusted with that much, and no more.)"""

    def outcome(self, names, message=MESSAGE):
        """{name: Postfix's line} for one message each."""
        for name in names:
            lab.home.inject("anna@home.example", [f"{name}@lies.example"], message)
        found = {}

        def all_there():
            for line in lab.home.grep_log(r"postfix/lmtp.*: to=<.*@lies\.example>.*status="):
                found.setdefault(re.search("to=<(.*?)@", line).group(1), line)
            return set(names) <= set(found)
        wait_for(f"outcomes of {sorted(names)}", all_there)
        return found

    def setUp(self):
        super().setUp()
        time.sleep(2.1)     # lmtp(8) keeps sessions for 2 s: the next one shall be with the liar

    def check_deferred(self, lines, names):
        for name in names:
            with self.subTest(f"case 105 {name}"):
                self.assertRegex(lines[name], r"dsn=4\.\d\.\d+, status=deferred")
        self.assertEqual(lab.home.grep_log(r"postfix/.*to=<.*@lies\.example>.*status=(sent|bounced)"), [])
        self.assertNotRegex(lab.home.log(lab.home.mark), r"[^\x20-\x7e\n]")
        self.assertNotRegex(lab.home.log(lab.home.mark), r"(?m)^250|[^\n]{4000}")
        self.assertEqual(len(lab.home.queue()), len(names))

    def test_lies_after_end(self):
        def behave(session, recipients):
            session.send(*LIES[recipients[0].split("@")[0]](session))
        with Responder(behave) as liar:
            lines = self.outcome(LIES)
        self.assertEqual(liar.errors, [])
        self.check_deferred(lines, LIES)
        self.assertRegex(lines["none"], "gave no outcome")
        self.assertRegex(lines["two-statuses"], "two different outcomes")
        self.assertRegex(lines["recipient-not-asked"], "not asked about")
        self.assertRegex(lines["close"], "gone fishing")
        lab.home.flush()    # the true edge is back in the table: the domain does not exist
        lab.home.wait_log(r"postfix/lmtp.*lies\.example>.*dsn=5\.1\.2, status=bounced", count=len(LIES))

    def test_success_before_the_end(self):
        """A 250 while most of the content is still to come."""
        def at_content(session, _):
            session.send(status(session), done(session))
        with Responder(lambda *_: None, on_content=at_content):
            lines = self.outcome(["early"], message=MESSAGE + (b"x" * 76 + b"\r\n") * 100_000)
        self.check_deferred(lines, ["early"])
        self.assertRegex(lines["early"], "success before the end")

    def test_cut_off(self):
        """The connection goes after END: the outcome is unknown, and is said to be."""
        def cut(session, _):
            session.sock.shutdown(socket.SHUT_RDWR)
        with Responder(cut):
            lines = self.outcome(["cut"])
        self.check_deferred(lines, ["cut"])
        self.assertRegex(lines["cut"], r"dsn=4\.4\.2.*outcome unknown.*may have been delivered")

    def test_handshakes(self):
        """Garbage, silence and half a message 2 instead of a handshake."""
        def garbage(sock):
            sock.recv(112)
            sock.sendall(os.urandom(48))
            time.sleep(1)

        def half(sock):
            sock.recv(112)
            sock.sendall(os.urandom(20))
            time.sleep(30)

        def banner(sock):
            sock.sendall(b"220 mx.example ESMTP\r\n" * 100)
            time.sleep(1)
        for name, behave in {"garbage": garbage, "half": half, "silence": lambda sock: time.sleep(30), "banner": banner}.items():
            with self.subTest(f"case 105 {name}"):
                with Responder(None, on_open=behave):
                    line = self.outcome([name])[name]
                self.assertRegex(line, r"dsn=4\.[47]\.\d, status=deferred .*(edge|198\.51\.100\.20|key|psk)")
