"""pipe(8) instead of LMTP, with the entry of conf.examples/master.cf; and the memory that either way needs for a large message."""
import contextlib
import os
import re
import subprocess

from harness import PATIENCE_S, Case, lab

MESSAGE = (b"From: Anna <anna@home.example>\r\nTo: you@somewhere.example\r\nSubject: by the pipe\r\n"
           b"Date: Sat, 21 Nov 2026 10:00:00 +0000\r\nMessage-ID: <pipe@home.example>\r\n\r\n.\r\n..\r\n.first\r\n\r\n.\r\nlast\r\n.\r\n")
EXAMPLE = os.path.join(os.environ["LAB_SRC"], "../../conf.examples/master.cf")
LARGE = 50_000_000
MEMORY_KB = 4096
TRANSPORT = "/usr/libexec/postern/postern-transport"
OUR_RECEIVED = re.compile(rb"Received: by edge\.vps\.example \(postern\) id (\w+);\r\n\t[^\r\n]*\r\n")


def example_entry():
    """The pipe(8) service of the example, which stands there as a comment."""
    with open(EXAMPLE, encoding="utf-8") as file:
        text = file.read()
    entry = re.search(r"^#(postern-pipe +unix .*\n(?:#  .*\n)*)", text, re.M).group(1)
    return re.sub(r"(?m)^#", "", entry)


ENTRY = example_entry()
# Slips in master.cf, each a service of its own for mail to its name: what the entry then says, and what the sender of the mail reads.
SLIPS = {
    "no-sender": (re.sub(r" --sender \S+", "", ENTRY), r"--pipe needs --sender"),
    "bad-option": (ENTRY.replace("--pipe", "--pipe --bogus"), r"unknown option"),
    "bad-size": (re.sub(r"--size \S+", "--size many", ENTRY), r"--size is no number"),
    "no-file": (ENTRY.replace("--pipe", "--pipe -c /etc/postern/absent.conf"), r"/etc/postern/absent\.conf: "),
    "no-program": (ENTRY.replace("/postern-transport", "/postern-transprot"), r"transprot"),
}


class Pipe(Case):
    MASTER = "/etc/postfix/master.cf"
    LIMIT = "postern-pipe_destination_recipient_limit"

    @classmethod
    def setUpClass(cls):
        cls.master = lab.home.read(cls.MASTER)
        services = [ENTRY, ENTRY.replace("postern-pipe", "several", 1)]
        services += [entry.replace("postern-pipe", name, 1) for name, (entry, _) in SLIPS.items()]
        names = " ".join(f"{{{name}.example = {name}:}}" for name in ["several", *SLIPS])
        lab.home.write(cls.MASTER, cls.master + "\n" + "".join(services))
        lab.home.run("postconf", "-e", cls.LIMIT + " = 1", "allow_min_user = yes",
                     f"transport_maps = inline:{{{{home.example = virtual:}} {names} {{* = postern-pipe:}}}}")
        lab.home.reload()

    @classmethod
    def tearDownClass(cls):
        lab.home.write(cls.MASTER, cls.master)
        lab.home.run("postconf", "-X", cls.LIMIT, "allow_min_user", "transport_maps")
        lab.home.empty_queue()
        lab.home.reload()

    def outcome(self, queue_id, recipient):
        return lab.home.wait_log(rf"postfix/.*{queue_id}: to=<{re.escape(recipient)}>.*relay=postern-pipe,.*status=")[-1]

    def inject(self, *recipients, message=MESSAGE, sender="anna@home.example"):
        return lab.home.inject(sender, recipients, message)

    def flows_again(self, queue_id):
        lab.home.flush()
        lab.home.wait_log(rf"postfix/.*{queue_id}: to=.*status=sent")
        lab.home.wait_queue_empty()
        self.assertEqual(lab.home.grep_log(r"status=bounced"), [])

    # -- delivery

    def test_every_mx_program(self):
        """Case 120: also several processes at once for one queue id; case 115: dots."""
        mx_of = {"postfix": "mx-postfix", "sink": "mx-sink", "exim": "mx-exim", "opensmtpd": "mx-opensmtpd",
                 "aiosmtpd": "mx-aiosmtpd"}
        queue_id = self.inject(*(f"you@{name}.example" for name in mx_of))
        for name, mx in mx_of.items():
            line = self.outcome(queue_id, f"you@{name}.example")
            self.assertRegex(line, rf"dsn=2\.\d\.\d, status=sent \(delivered via postern-pipe service \(.*"
                                   rf"mx\.{name}\.example\[[0-9a-f.:]+\]:25 ")
            stored = lab.wait_stored(mx)
            self.assertEqual(len(stored), 1, mx)
            self.assertEqual(OUR_RECEIVED.match(stored[0].raw).group(1).decode(), queue_id)
            self.assertTrue(stored[0].raw.endswith(b"\r\n" + MESSAGE), mx)
            self.assertTrue(lab.dkim_verify(stored[0].raw), mx)
            lab.vps.wait_log(rf"postern/edge\[\d+\]: {queue_id}: to=<@{name}\.example>.*status=sent")
            lab.home.wait_log(rf"postern/transport\[\d+\]: {queue_id}: to=<you@{name}\.example>.*"
                              r"status=sent .*said: 250 ")    # pipe(8) cuts what it quotes of a success

    def test_no_final_newline_and_nothing_at_all(self):
        """Case 117: what sendmail(1) takes without a last line end; one is added, and nothing else."""
        for number, body in enumerate((b"no end", b".", b"..", b"x\n.", b"", b"\n", b"\n\n")):
            with self.subTest(body=body):
                lab.reset()
                lab.home.sendmail("anna@home.example", ["you@sink.example"],
                                  b"From: anna@home.example\nSubject: %d\n\n%s" % (number, body))
                raw = lab.wait_stored("mx-sink")[0].raw
                wanted = body if body.endswith(b"\n") or not body else body + b"\n"
                self.assertEqual(raw.partition(b"\r\n\r\n")[2], wanted.replace(b"\n", b"\r\n"))

    def test_null_sender(self):
        self.outcome(self.inject("you@sink.example", sender=""), "you@sink.example")
        self.assertEqual(lab.wait_stored("mx-sink")[0].sender, "")

    def test_odd_addresses(self):
        """Case 119: no shell, no option, no file name comes of an address."""
        for local in ('"a b"', '"$(id)"', "`id`", "-oX", "--help", "--sender", '"a;b"', '"a;b|c>d"', '"a\\"b"', "a'b", "|id",
                      "/etc/passwd", "$HOME", "${queue_id}", '"@"', "%s%n", "*", "müller"):
            with self.subTest(local=local):
                self.check_odd(local)

    def check_odd(self, local):
        lab.reset()
        with lab.home.smtp() as client:
            client.ehlo()
            options = [] if local.isascii() else ["SMTPUTF8"]
            client.command_encoding = "utf-8"
            for command in (f"MAIL FROM:<{local}@home.example> " + " ".join(options), f"RCPT TO:<{local}@aiosmtpd.example>"):
                code, text = client.docmd(command.strip())
                self.assertEqual(code, 250, text)
            self.assertEqual(client.data(MESSAGE)[0], 250)
        stored = lab.wait_stored("mx-aiosmtpd")[0]
        self.assertEqual((stored.sender, stored.recipient), (f"{local}@home.example", f"{local}@aiosmtpd.example"))

    # -- what the MX refuses

    def test_bounce_with_the_words_of_the_mx(self):
        queue_id = self.inject("refused@exim.example", "you@exim.example")
        line = self.outcome(queue_id, "refused@exim.example")
        self.assertRegex(line, r"dsn=5\.\d\.\d, status=bounced \(.*host mx\.exim\.example\[[0-9a-f.:]+\] said: 550.* User unknown here")
        self.assertIn("status=sent", self.outcome(queue_id, "you@exim.example"))
        lab.home.wait_queue_empty()
        bounces = lab.stored("home")
        self.assertEqual(len(bounces), 1)
        self.assertIn(b"User unknown here", bounces[0].raw)

    def test_deferred_with_the_words_of_the_mx(self):
        queue_id = self.inject("later@exim.example")
        self.assertRegex(self.outcome(queue_id, "later@exim.example"),
                         r"dsn=4\.\d\.\d, status=deferred \(.*said: 45\d.* Come back later")

    # -- what is wrong on our side: deferred, never bounced

    def deferred(self, pattern, *recipients):
        recipients = recipients or ("you@sink.example",)
        queue_id = self.inject(*recipients)
        for recipient in recipients:
            self.assertRegex(self.outcome(queue_id, recipient), r"status=deferred .*" + pattern)
        return queue_id

    def test_edge_down(self):
        lab.edge.stop()
        queue_id = self.deferred(r"198\.51\.100\.20.*refused")
        lab.edge.start()
        self.flows_again(queue_id)

    def test_edge_killed_in_the_middle(self):
        queue_id = self.inject("you@blackhole.example")
        lab.vps.wait_log(rf"{queue_id}: client=home, from=")
        lab.edge.kill()
        self.assertRegex(self.outcome(queue_id, "you@blackhole.example"), r"dsn=4\.4\.2, status=deferred ")

    def test_transport_killed(self):
        queue_id = self.inject("you@blackhole.example")
        lab.vps.wait_log(rf"{queue_id}: client=home, from=")
        pids = lab.home.run("sh", "-c", "grep -l postern-transport.*--pipe -a /proc/[0-9]*/cmdline | cut -d/ -f3").stdout.split()
        lab.home.run("sh", "-c", "for pid; do case $(readlink /proc/$pid/exe) in */postern-transport) kill -KILL $pid;; esac; done",
                     "sh", *pids)
        self.assertRegex(self.outcome(queue_id, "you@blackhole.example"), r"status=deferred .*signal 9")

    @contextlib.contextmanager
    def broken(self, path, function):
        before = lab.home.read(path)
        lab.home.write(path, function(before))
        try:
            yield
        finally:
            lab.home.write(path, before)

    def test_broken_configuration(self):
        """Case 120."""
        with self.broken("/etc/postern/postern.conf", lambda text: text + "\nidle_timeot = 5;\n"):
            queue_id = self.deferred(r"/etc/postern/postern\.conf:\d+: .*idle_timeot")
        self.flows_again(queue_id)
        with self.broken("/etc/postern/postern.conf", lambda text: text + "\n{{{\n"):
            queue_id = self.deferred(r"/etc/postern/postern\.conf:\d+: ")
        self.flows_again(queue_id)
        with self.broken("/etc/postern/edges", lambda text: text + "second nonsense\n"):
            queue_id = self.deferred(r"/etc/postern/edges:\d+: ")
        self.flows_again(queue_id)
        with self.broken("/etc/postern/routes", lambda text: "*	nowhere\n"):
            queue_id = self.deferred(r"/etc/postern/routes:\d+: .*nowhere")
        self.flows_again(queue_id)
        with self.broken("/etc/postern/edges", lambda text: re.sub(r"key=\S+", "key=" + "B" * 42 + "A=", text)):
            queue_id = self.deferred(r"key=")
        self.flows_again(queue_id)

    def test_key_file_unreadable(self):
        key = "/var/lib/postern/transport.key"
        lab.home.run("chmod", "644", key)
        try:
            queue_id = self.deferred(r"transport\.key")
        finally:
            lab.home.run("chmod", "600", key)
        self.flows_again(queue_id)

    def test_slips_in_master_cf(self):
        """Case 120: wrong arguments are told in pipe(8)'s language, too."""
        for name, (_, pattern) in SLIPS.items():
            with self.subTest(slip=name):
                self.assertRegex(lab.home.wait_log(rf"postfix/.*{self.inject(f'you@{name}.example')}: to=.*status=")[0],
                                 rf"relay={name}, .*dsn=4\.3\.\d, status=deferred .*{pattern}")

    def test_several_recipients_in_one_process(self):
        """One line cannot speak for two; the recipient limit was forgotten."""
        queue_id = self.inject("a@several.example", "b@several.example")
        for line in lab.home.wait_log(rf"postfix/.*{queue_id}: to=.*status=", count=2):
            self.assertRegex(line, r"dsn=4\.3\.5, status=deferred .*NAME_destination_recipient_limit = 1")

    def test_memory(self):
        Memory.check(self, "postern-pipe,")


# Prints VmHWM (kB) of the transport that read the most, and how much that was, until its own input ends.
SAMPLER = r"""
import glob, re, select, sys
peak = {}
print("ready", flush=True)
while not select.select([sys.stdin], [], [], 0.002)[0]:
    for path in glob.glob("/proc/[0-9]*"):
        try:
            if open(path + "/comm").read() != "postern-transpo\n":
                continue
            memory = int(re.search(r"VmHWM:\s+(\d+)", open(path + "/status").read()).group(1))
            peak[path] = (int(re.search(r"rchar: (\d+)", open(path + "/io").read()).group(1)), memory)
        except (OSError, AttributeError):
            pass
print(*max(peak.values(), default=(0, 0)))
"""


class Memory(Case):
    """The transport needs less than 4 MB for a message of 50 MB; by the pipe, see there."""

    def test_memory(self):
        self.check(r"mail\.home\.example\[private/postern-spawn\],")

    def peak(self, relay):
        """(octets read, peak resident kB) of the transport that carries a large message to an MX."""
        message = MESSAGE + (b"." + b"x" * 97 + b"\r\n") * (LARGE // 100)
        sampler = lab.home.popen("/usr/bin/python3", "-c", SAMPLER, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        try:
            self.assertEqual(sampler.stdout.readline(), "ready\n")
            queue_id = lab.home.inject("anna@home.example", ["you@sink.example"], message)
            lab.home.wait_log(rf"postfix/.*{queue_id}: to=.*relay={relay}.*status=sent")
        finally:
            output = sampler.communicate("\n", timeout=PATIENCE_S)[0]
        self.assertTrue(lab.stored("mx-sink")[0].raw.endswith(b"\r\n" + message))
        return tuple(map(int, output.split()))

    def check(self, relay):
        libraries = subprocess.run(["ldd", lab.home.path(TRANSPORT)], capture_output=True, text=True, check=True).stdout
        if re.search(r"lib(a|t|ub)san", libraries):
            self.skipTest("memory: a sanitizer's own is in the way; a normal build is needed")
        read, kilobytes = Memory.peak(self, relay)
        self.assertGreater(read, LARGE * 9 // 10, "the sampler missed the process")
        self.assertLess(kilobytes, MEMORY_KB)
