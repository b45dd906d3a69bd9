"""postern-transport as it is installed, with a script in Postfix's place at its standard input and output, and the real edge behind
it: catalogue cases 110 to 120."""
import concurrent.futures
import os
import re
import select
import subprocess
import time

from harness import PATIENCE_S, Case, lab, wait_for

TRANSPORT = "/usr/libexec/postern/postern-transport"
AS_POSTERN = ("setpriv", "--reuid", "_postern", "--regid", "_postern", "--init-groups")
EDGE_CONF = "/etc/postern/edge.conf"
HEADER = b"From: anna@home.example\r\nSubject: odd\r\n\r\n"
TRACE = re.compile(rb"Received: by edge\.vps\.example \(postern\)(?: id \w+)?;\r\n\t[^\r\n]*\r\n")


class Dialogue:
    """A transport that believes that we are lmtp(8)."""

    def __init__(self, greets=True):
        self.process = lab.home.popen(*AS_POSTERN, TRANSPORT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
        self.received = b""
        if greets:
            self.expect("220 ")
            self.greet()

    def say(self, data):
        view = memoryview(data if isinstance(data, bytes) else data.encode())
        while view:
            view = view[self.process.stdin.write(view):]

    def line(self, seconds=30):
        deadline = time.monotonic() + seconds
        while b"\n" not in self.received:
            left = deadline - time.monotonic()
            assert left > 0 and select.select([self.process.stdout], [], [], left)[0], f"no reply, only {self.received!r}"
            data = os.read(self.process.stdout.fileno(), 65536)
            assert data, f"it ended, and had said {self.received!r}"
            self.received += data
        line, _, self.received = self.received.partition(b"\n")
        assert line.endswith(b"\r"), line
        return line[:-1].decode("ascii")

    def expect(self, start):
        line = self.line()
        assert line.startswith(start), (start, line)
        return line

    def ask(self, command, start):
        self.say(command + (b"\r\n" if isinstance(command, bytes) else "\r\n"))
        return self.expect(start)

    def greet(self):
        self.say("LHLO mail.home.example\r\n")
        while self.expect("250").startswith("250-"):
            pass

    def begin(self, *recipients, sender="anna@home.example", options=""):
        self.ask(f"MAIL FROM:<{sender}>{options}", "250 ")
        for recipient in recipients:
            self.ask(f"RCPT TO:<{recipient}>", "250 ")
        self.ask("DATA", "354 ")

    def end(self, seconds=PATIENCE_S):
        """End of input; the exit status, when nothing more is said."""
        if not self.process.stdin.closed:
            self.process.stdin.close()
        rest = self.process.stdout.read()
        self.process.stdout.close()
        assert self.received + rest == b"", (self.received, rest)
        return self.process.wait(seconds)


class HostilePostfix(Case):
    def setUp(self):
        super().setUp()
        self.dialogues = []
        self.addCleanup(self.kill)

    def kill(self):
        for dialogue in self.dialogues:
            if dialogue.process.poll() is None:
                dialogue.process.kill()
                dialogue.process.wait()
                for pipe in (dialogue.process.stdin, dialogue.process.stdout):
                    pipe.close()

    def dialogue(self, **options):
        self.dialogues.append(Dialogue(**options))
        return self.dialogues[-1]

    def arrived(self, mx="mx-sink", count=1):
        """The messages there, without the edge's trace field."""
        found = [message.raw for message in lab.wait_stored(mx, count)]
        for raw in found:
            self.assertRegex(raw, TRACE)
        return [TRACE.sub(b"", raw, 1) for raw in found]

    def goes_on(self, dialogue):
        """After all that it is in step, and delivers."""
        dialogue.ask("NOOP", "250 2.0.0 Ok")
        before = len(lab.stored("mx-exim"))
        dialogue.begin("you@exim.example")
        dialogue.say(HEADER + b"clean\r\n.\r\n")
        dialogue.expect("250 2.0.0 edge.vps.example: mx.exim.example")
        wait_for("a message at mx-exim", lambda: len(lab.stored("mx-exim")) == before + 1)
        dialogue.ask("QUIT", "221 ")
        self.assertEqual(dialogue.end(), 0)

    def test_thousand_pipelined(self):
        """Case 110: one reply per RCPT, then one per accepted recipient, in order."""
        codes = ["250", "550", "450", "251"]
        dialogue = self.dialogue()
        dialogue.say("MAIL FROM:<anna@home.example>\r\n" + "".join(
            f"RCPT TO:<u{codes[i % 4]}.{i}@case28-rcpt-by-name.hostile.example>\r\n" + ("RCPT TO:<bad\r\n" if i % 100 == 50 else "")
            for i in range(1000)) + "DATA\r\n")
        dialogue.expect("250 2.1.0")
        for i in range(1000):
            dialogue.expect("250 2.1.5")
            if i % 100 == 50:
                dialogue.expect("501 ")
        dialogue.expect("354 ")
        dialogue.say(HEADER + b"many\r\n.\r\nNOOP\r\n")
        for i in range(1000):
            dialogue.expect({"250": "250 2.0.0", "251": "250 2.0.0", "450": "450 4.", "550": "550 5."}[codes[i % 4]])
        dialogue.expect("250 2.0.0 Ok")
        self.goes_on(dialogue)

    def test_the_same_recipient_a_thousand_times(self):
        """Case 111: delivered once, answered a thousand times."""
        dialogue = self.dialogue()
        dialogue.say("MAIL FROM:<anna@home.example>\r\n" + "RCPT TO:<you@sink.example>\r\n" * 999 + "RCPT TO:<me@sink.example>\r\nDATA\r\n")
        dialogue.expect("250 2.1.0")
        for _ in range(1000):
            dialogue.expect("250 2.1.5")
        dialogue.expect("354 ")
        dialogue.say(HEADER + b"once\r\n.\r\n")
        for _ in range(1000):
            dialogue.expect("250 2.0.0 edge.vps.example: mx.sink.example")
        self.goes_on(dialogue)
        self.assertEqual(sorted(message.recipient for message in lab.stored("mx-sink")), ["me@sink.example", "you@sink.example"])

    def test_order_of_commands(self):
        """Case 112: 503 or 500, and nothing of one transaction is left for the next."""
        dialogue = self.dialogue(greets=False)
        dialogue.expect("220 ")
        for command, reply in (("DATA", "503 5.5.1"), ("RCPT TO:<a@sink.example>", "503 5.5.1"), ("MAIL FROM:<a@home.example>", "503 5.5.1"),
                               ("EHLO x", "500 5.5.1"), ("HELO x", "500 5.5.1")):
            dialogue.ask(command, reply)
        dialogue.greet()
        for command, reply in (("DATA", "503 5.5.1"), ("RCPT TO:<a@sink.example>", "503 5.5.1"), ("MAIL FROM:<a@home.example>", "250 "),
                               ("MAIL FROM:<b@home.example>", "503 5.5.1"), ("DATA", "503 5.5.1"), ("RCPT TO:<old@sink.example>", "250 "),
                               ("RSET", "250 "), ("DATA", "503 5.5.1"), ("MAIL FROM:<a@home.example>", "250 "),
                               ("RCPT TO:<old@sink.example>", "250 ")):
            dialogue.ask(command, reply)
        dialogue.greet()        # LHLO again: as RSET
        dialogue.begin("new@sink.example", sender="c@home.example")
        dialogue.say(HEADER + b"new\r\n.\r\n")
        dialogue.expect("250 2.0.0 ")
        self.goes_on(dialogue)
        self.assertEqual([(message.sender, message.recipient) for message in lab.stored("mx-sink")], [("c@home.example", "new@sink.example")])

    def test_no_chunking(self):
        """Case 113: not announced, hence refused, whatever its size; what follows is read as commands."""
        dialogue = self.dialogue()
        dialogue.begin("you@sink.example")
        dialogue.say(HEADER + b"one\r\n.\r\n")
        dialogue.expect("250 ")
        dialogue.ask("MAIL FROM:<anna@home.example>", "250 ")
        dialogue.ask("RCPT TO:<you@sink.example>", "250 ")
        for command in ("BDAT 0 LAST", "BDAT 99999999999999999999", "BDAT -1", "BDAT x", "BDAT"):
            dialogue.ask(command, "502 5.5.1")
        dialogue.say("DATA\r\n")            # after BDAT: still the beginning of content
        dialogue.expect("354 ")
        dialogue.say(HEADER + b"two\r\n.\r\n")
        dialogue.expect("250 ")
        self.goes_on(dialogue)
        cut = self.dialogue()
        cut.ask("BDAT 100", "502 5.5.1")
        cut.say(b"fifty bytes of it")
        self.assertEqual(cut.end(), 0)
        self.assertEqual(len(lab.stored("mx-sink")), 2)

    def test_size(self):
        """Case 114: what is announced as too large is refused at MAIL; a lie, after the content, which is read to its end."""
        saved = lab.vps.read(EDGE_CONF)
        self.addCleanup(lab.edge.restart)
        self.addCleanup(lab.vps.write, EDGE_CONF, saved)
        lab.vps.write(EDGE_CONF, saved + 'message_size_limit = "100k";\n')
        lab.edge.restart()
        dialogue = self.dialogue()
        dialogue.ask("MAIL FROM:<anna@home.example> SIZE=102401", "552 5.3.4")
        dialogue.ask("MAIL FROM:<anna@home.example> SIZE=99999999999999999999999", "501 5.5.4")
        dialogue.begin("you@sink.example", "me@sink.example", options=" SIZE=10")
        dialogue.say(HEADER + (b"x" * 76 + b"\r\n") * 50_000 + b".\r\n")
        dialogue.expect("552 5.3.4")
        dialogue.expect("552 5.3.4")
        self.goes_on(dialogue)
        self.assertEqual(lab.stored("mx-sink"), [])

    CONTENTS = {
        "case 115 dots first and last": b".\r\n..\r\n\r\n.first\r\n" + b"." * 4096 + b"\r\na.\r\n.",
        "case 115 empty lines and dots": b"\r\n\r\n.\r\n\r\n.\r\n",
        "case 117 998": b"x" * 998, "case 117 999": b"x" * 999, "case 117 2000": b"x" * 2000, "case 117 10 MB": b"x" * 10_000_000,
        "case 117 NUL": b"a\0b\r\n\0\r\n\0.\r\n",
        "case 117 8-bit": bytes(range(128, 256)) + b"\r\n",
    }

    def test_contents(self):
        """Cases 115 and 117: the same bytes at the mail host, however long the lines are."""
        dialogue = self.dialogue()
        wanted = []
        for body in self.CONTENTS.values():
            content = HEADER + body + (b"" if body.endswith(b"\r\n") else b"\r\n")
            dialogue.begin("you@sink.example")
            dialogue.say(re.sub(rb"(?m)^\.", b"..", content) + b".\r\n")
            dialogue.expect("250 2.0.0 ")
            wanted.append(content)
        for content in (HEADER[:-2], HEADER):       # a header section alone, without and with the empty line
            dialogue.begin("you@sink.example")
            dialogue.say(content + b".\r\n")
            dialogue.expect("250 2.0.0 ")
            wanted.append(content)
        found = self.arrived(count=len(wanted))
        for name, content in zip([*self.CONTENTS, "case 117 header without end", "case 117 header alone"], wanted):
            with self.subTest(name):
                self.assertIn(content, found)
        self.goes_on(dialogue)

    def test_empty_message(self):
        """Case 117: no octet at all: the mail host gets the trace field, and nothing else."""
        dialogue = self.dialogue()
        dialogue.begin("you@sink.example")
        dialogue.say(b".\r\n")
        dialogue.expect("250 2.0.0 ")
        self.assertEqual(self.arrived(), [b""])
        self.goes_on(dialogue)

    def test_cut_at_each_byte(self):
        """Case 115: every byte comes by itself."""
        content = HEADER + b".\r\n..\r\n\r\n.a\r\na.\r\n"
        dialogue = self.dialogue()
        dialogue.begin("you@sink.example")
        for byte in re.sub(rb"(?m)^\.", b"..", content) + b".\r\n":
            dialogue.say(bytes([byte]))
            time.sleep(0.001)
        dialogue.expect("250 2.0.0 ")
        self.assertEqual(self.arrived(), [content])
        self.goes_on(dialogue)

    def test_smuggling(self):
        """Case 116: nothing but CR LF . CR LF ends it; a stray CR or LF leaves as a space (stray_cr_lf in postern.conf(5))."""
        smuggled = b"MAIL FROM:<evil@home.example>\r\nRCPT TO:<victim@sink.example>\r\nDATA\r\nx\r\n"
        for end in (b"\n.\n", b"\r\n.\n", b"\n.\r\n", b"\r.\r", b"\r.\r\n", b"\r\n.\r", b"\r\n.\r\r\n", b"\r\n\0.\r\n", b"\r\n..\r\n"):
            with self.subTest(f"case 116 {end!r}"):
                lab.reset()
                dialogue = self.dialogue()
                dialogue.begin("you@sink.example")
                dialogue.say(HEADER + b"a" + end + smuggled + b".\r\n")
                dialogue.expect("250 2.0.0 ")
                self.goes_on(dialogue)
                # The smuggled "x" line is the last of the one message; its dot was the true end.
                content = HEADER + b"a" + end + smuggled
                content = re.sub(rb"(?m)(?<=\r\n)\.", b"", re.sub(rb"\r(?!\n)|(?<!\r)\n", b" ", content))
                self.assertEqual(self.arrived(), [content])
                self.assertEqual([message.recipient for message in lab.stored("mx-sink")], ["you@sink.example"])

    def test_end_of_input(self):
        """Case 118: it exits at once, and nothing is delivered."""
        half = HEADER + b"half a message\r\n" * 5000
        transaction = b"MAIL FROM:<anna@home.example>\r\nRCPT TO:<you@sink.example>\r\n"
        for what, said in {"at once": None, "in a command": [b"MAIL FROM:<anna@home.exa"], "after RCPT": [transaction],
                           "in the content": [transaction + b"DATA\r\n", half], "before the dot": [transaction + b"DATA\r\n", half + b"\r\n"],
                           "behind the dot": [transaction + b"DATA\r\n", half + b"."],
                           "in the last line end": [transaction + b"DATA\r\n", half + b".\r"]}.items():
            with self.subTest(f"case 118 {what}"):
                dialogue = self.dialogue(greets=said is not None)
                for part in said or []:
                    dialogue.say(part)
                dialogue.process.stdin.close()
                self.assertEqual(dialogue.process.wait(PATIENCE_S), 0)
                rest = dialogue.process.stdout.read()
                self.assertNotRegex(rest, rb"(?m)^250 2\.0\.0 edge")
                dialogue.process.stdout.close()
        time.sleep(0.5)
        self.assertEqual(lab.stored("mx-sink"), [])
        self.assertEqual(lab.vps.grep_log("status=sent"), [])

    def test_addresses(self):
        """Case 119: read as RFC 5321 has it, or 501; delivered as they are, no shell, no option, no file name."""
        local, label = "l" * 64, "d" * 63
        longest = f"{local}@{label}.{label}.{'d' * 55}.sink.example"
        self.assertEqual(len(longest), 64 + 1 + 63 + 1 + 63 + 1 + 55 + 13)
        good = {"<@a.example,@b.example:you@aiosmtpd.example>": "you@aiosmtpd.example", '<"a b"@aiosmtpd.example>': '"a b"@aiosmtpd.example',
                "<-oX@aiosmtpd.example>": "-oX@aiosmtpd.example", '<"$(id)"@aiosmtpd.example>': '"$(id)"@aiosmtpd.example',
                "<`id`@aiosmtpd.example>": "`id`@aiosmtpd.example", "<|id@aiosmtpd.example>": "|id@aiosmtpd.example",
                "<../../etc/passwd@aiosmtpd.example>": None, "<a%0d%0aDATA@aiosmtpd.example>": "a%0d%0aDATA@aiosmtpd.example",
                "<par@aiosmtpd.example> ORCPT=rfc822;par+2Bx@aiosmtpd.example NOTIFY=FAILURE": "par@aiosmtpd.example"}
        bad = ["<>", "<$(id)@sink.example>", "<a;b@sink.example>", "<a b@sink.example>", "<@sink.example>", "<a@>", "<a@b@sink.example>",
               "<a@sink..example>", f"<{local}l@sink.example>", f"<a@{label}d.example>", f"<a@{'.'.join([label] * 4)}.example>",
               "<a@sink.example", "a@sink.example", "<a\x1b@sink.example>", '<"a\\"@sink.example>', "<a@[IPv6:::1>", "<a@[300.1.1.1]>"]
        dialogue = self.dialogue()
        dialogue.ask("MAIL FROM:<@a.example,@b.example:anna@home.example>", "250 ")
        wanted = []
        for path, address in good.items():
            with self.subTest(f"case 119 {path}"):
                dialogue.ask(f"RCPT TO:{path}", "250 " if address else "501 ")
                wanted += [address] if address else []
        for path in ("<u@[IPv6:::1]>", f"<{longest}>"):     # well formed; nobody is there
            with self.subTest(f"case 119 {path}"):
                dialogue.ask(f"RCPT TO:{path}", "250 ")
        for path in bad:
            with self.subTest(f"case 119 {path}"):
                self.assertRegex(dialogue.ask(f"RCPT TO:{path}", "5"), "^50[01] 5")
                dialogue.ask("NOOP", "250 2.0.0 Ok")
        dialogue.ask("DATA", "354 ")
        dialogue.say(HEADER + b"x\r\n.\r\n")
        for _ in wanted:
            dialogue.expect("250 2.0.0 ")
        dialogue.expect("550 5.4.4 ")       # address refused
        dialogue.expect("5")
        self.assertEqual(sorted(message.recipient for message in lab.wait_stored("mx-aiosmtpd", len(wanted))), sorted(wanted))
        self.assertEqual({message.sender for message in lab.stored("mx-aiosmtpd")}, {"anna@home.example"})
        self.goes_on(dialogue)


class PipeMode(Case):
    MESSAGE = b"From: anna@home.example\nSubject: by the pipe\n\nonce\n"

    def run_pipe(self, *arguments, recipient="you@sink.example", message=MESSAGE):
        return lab.home.run(*AS_POSTERN, TRANSPORT, "--pipe", *arguments, "--", recipient, input=message, check=False)

    def test_two_instances_of_one_queue_id(self):
        """Case 120: both say that it is sent; it is sent once."""
        recipient = "you@case161-accepts-late.hostile.example"
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            runs = [pool.submit(self.run_pipe, "--sender", "anna@home.example", "--queue-id", "4TWICE", recipient=recipient)
                    for _ in range(2)]
            done = [run.result() for run in runs]
        self.assertEqual([run.returncode for run in done], [0, 0], done)
        texts = sorted(run.stdout for run in done)
        self.assertEqual([b"already delivered; answered from journal" in text for text in texts].count(True), 1, texts)
        self.assertEqual(sum(event["event"] == "dot" for event in lab.hostile("case161_accepts_late")), 1)

    def test_exit_codes(self):
        """Case 120: 0, or 75 behind one printable line that says 4.x.y or 5.x.y; nothing else, as Postfix would bounce."""
        rows = {"sent": ("you@sink.example", 0, rb""), "refused": ("refused@exim.example", 75, rb"5\.\d\.\d .*550 "),
                "deferred": ("later@exim.example", 75, rb"4\.\d\.\d "), "bad address": ("nobody", 75, rb"5\.\d\.\d "),
                "odd bytes": ("you@case07a-control-bytes-in-refusal.hostile.example", 75, rb"5\.1\.1 .*no\?such"),
                "nobody there": ("you@down.example", 75, rb"4\.4\.1 ")}
        for what, (recipient, status, words) in rows.items():
            with self.subTest(f"case 120 {what}"):
                done = self.run_pipe("--sender", "anna@home.example", recipient=recipient)
                self.assertEqual(done.returncode, status, done)
                self.assertRegex(done.stdout, rb"\A" + words)
                self.assertRegex(done.stdout + done.stderr, rb"\A[\x20-\x7e\n]*\Z")
                self.assertLessEqual(done.stdout.count(b"\n"), 1)
        for what, arguments in {"unknown option": ["--bogus"], "no sender": [], "no such file": ["-c", "/nonexistent", "--sender", ""]}.items():
            with self.subTest(f"case 120 {what}"):
                done = self.run_pipe(*arguments)
                self.assertEqual(done.returncode, 75)
                self.assertRegex(done.stdout, rb"\A4\.3\.5 ")
