"""Postfix where it may do little: in the sandbox of Debian 13's postfix.service, and in containers by the recipes of doc/RECIPES.md.

A container here is a Postfix that sees nothing of postern: its directories are empty in its namespace of mounts.
"""
import os
import re
import subprocess

from harness import Case, lab, wait_for
from test_45_pipe import ENTRY
from transport_socket import NO_LEAK_CHECK, listen, socket_path

PROJECT = os.path.dirname(os.path.dirname(os.environ["LAB_SRC"]))
EXAMPLES = "/usr/share/doc/postern/examples"
TRANSPORT = "/usr/libexec/postern/postern-transport"
MAIN, MASTER = "/etc/postfix/main.cf", "/etc/postfix/master.cf"
ANNA = "anna@home.example"
MESSAGE = b"From: anna@home.example\r\nSubject: from inside\r\n\r\nx\r\n"


class Inside(Case):
    """Postfix is stopped, started inside of something, and given back as it was."""

    @classmethod
    def setUpClass(cls):
        cls.master = lab.home.read(MASTER)
        cls.main = lab.home.read(MAIN)
        lab.home.run("postfix", "stop")
        cls.addClassCleanup(cls.restore)
        environment = lab.home.run("postconf", "-h", "import_environment").stdout.strip()
        lab.home.run("postconf", "-e", "import_environment = " + re.sub(r"ASAN_OPTIONS=\S+", NO_LEAK_CHECK, environment))

    @classmethod
    def restore(cls):
        lab.home.run("postfix", "stop", check=False)
        lab.home.write(MASTER, cls.master)
        lab.home.write(MAIN, cls.main)
        lab.home.run("postfix", "start")

    @staticmethod
    def start(*inside):
        """inside: the words before `postfix start`."""
        lab.home.run(*inside, "postfix", "start")
        wait_for("Postfix runs", lambda: lab.home.run("pgrep", "-x", "qmgr", check=False).stdout)

    def assert_outcomes(self, sender=ANNA):
        """One message whose recipients fare differently."""
        rows = {"you@postfix.example": "status=sent", "later@exim.example": r"dsn=4\.0\.0, status=deferred .*451 Come back later",
                "refused@exim.example": r"dsn=5\.0\.0, status=bounced .*550 User unknown here"}
        queue_id = lab.home.inject(sender, list(rows), MESSAGE)
        lab.home.wait_log(rf"postfix/.*{queue_id}: to=<.*status=", count=len(rows))
        for recipient, expected in rows.items():
            self.assertRegex(lab.home.outcomes(queue_id)[recipient], expected)
        self.assertIn(b"550 User unknown here", wait_for("the bounce", lambda: lab.stored("home"))[0].raw)


class Sandboxed(Inside):
    UNIT = ("/opt/lab/in_unit.py", "/opt/lab/conf/postfix.service")
    # Other ways than the recommended one, each for one sender.
    MORE = """
postern-chroot unix - - y - 100 lmtp
  -o lmtp_send_xforward_command=yes -o lmtp_data_done_timeout=1020s
spawn-chroot unix - n y - 0 spawn
  user=_postern argv=/usr/libexec/postern/postern-transport
"""
    SENDERS = "{pipe@home.example = postern-pipe:}, {chroot@home.example = postern-chroot:unix:private/postern-spawn}, " \
              "{spawn@home.example = postern:unix:private/spawn-chroot}"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        lab.home.write(MASTER, cls.master + ENTRY + cls.MORE)
        lab.home.run("postconf", "-e", "postern-pipe_destination_recipient_limit = 1",
                     f"sender_dependent_default_transport_maps = inline:{{ {cls.SENDERS} }}")
        cls.start(*cls.UNIT, "--")

    def status(self, pid, name):
        return re.search(rf"{name}:\s+(\w+)", lab.home.run("cat", f"/proc/{pid}/status").stdout).group(1)

    def test_the_sandbox_is_one(self):
        """What the transport is run in is no less than the unit says."""
        rows = (("touch /etc/x", "Read-only file system"), ("touch /usr/x", "Read-only file system"),
                ("cat /proc/net/tcp", "No such file"), ("unshare --net true", "Operation not permitted"),
                ("mount -t tmpfs none /mnt", "Bad system call"), ("ls /dev/kmsg", "No such file"),
                ("python3 -c 'import socket; socket.socket(17, 3)'", "Address family not supported"))
        script = "\n".join(f"echo; {command}" for command, _ in rows)
        done = lab.home.run(*self.UNIT, "--", "sh", "-c", f"exec 2>&1\n{script}", check=False)
        for (command, expected), said in zip(rows, done.stdout.split("\n\n"), strict=True):
            self.assertIn(expected, said, command)

    def test_delivers(self):
        self.assert_outcomes()
        for pid in (lab.home.read("/var/spool/postfix/pid/master.pid").strip(), lab.home.run("pgrep", "-nx", "spawn").stdout.strip()):
            self.assertEqual(self.status(pid, "Seccomp"), "2")
            self.assertEqual(int(self.status(pid, "CapBnd"), 16), 0x404c7)

    def test_reports_success(self):
        """sendmail(1), run by the transport, is set-group-id: this sandbox lets it be."""
        lab.home.inject(ANNA, ["you@exim.example"], MESSAGE, rcpt_options=["NOTIFY=SUCCESS"])
        self.assertIn(b"X-Postern-Queue-ID: ", wait_for("the report", lambda: lab.stored("home"))[0].raw)

    def test_lmtp_in_its_chroot(self):
        self.assert_outcomes("chroot@home.example")

    def test_spawn_in_its_chroot(self):
        """The program is not in there: everything waits, nothing bounces."""
        queue_id = lab.home.inject("spawn@home.example", ["you@postfix.example"], MESSAGE)
        self.assertIn("status=deferred", lab.home.wait_log(rf"postfix/lmtp.*{queue_id}: to=<.*status=")[0])

    def test_pipe(self):
        self.assert_outcomes("pipe@home.example")


class NoNewPrivileges(Inside):
    """What the unit's comments allow where there is no local delivery. postdrop(1) is of no use then: the reports are Postfix's own."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        lab.home.run("postconf", "-P", "postern/unix/lmtp_discard_lhlo_keywords=dsn")
        cls.start(*Sandboxed.UNIT, "NoNewPrivileges=yes", "RestrictSUIDSGID=yes", "--")

    def test_delivers(self):
        pid = lab.home.read("/var/spool/postfix/pid/master.pid").strip()
        self.assertRegex(lab.home.run("cat", f"/proc/{pid}/status").stdout, r"NoNewPrivs:\s+1")
        self.assert_outcomes()

    def test_reports_success(self):
        lab.home.inject(ANNA, ["you@exim.example"], MESSAGE, rcpt_options=["NOTIFY=SUCCESS"])
        report = wait_for("the report", lambda: lab.stored("home"))[0].raw
        self.assertIn(b"Action: relayed", report)
        self.assertNotIn(b"X-Postern-Queue-ID", report)


HIDE = """set -e
for dir in /etc/postern /var/lib/postern /usr/libexec/postern; do mount -t tmpfs none $dir; done
"""


class Socket(Inside):
    """postern-transport.socket and postern-transport@.service on the container's host."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        lab.home.run("sed", "-i", r"/^postern /,/^ *-o/d;/^postern-spawn /,/argv/d", MASTER)
        lab.home.run("sh", "-c", f"cat {EXAMPLES}/container/master.cf >>{MASTER}")
        cls.path = socket_path(lab.home)

    def tearDown(self):
        lab.home.run("postfix", "stop", check=False)

    def test_unix(self):
        """A container without any network: the socket is all that it has."""
        listen(self, lab.home, self.path)
        lab.home.run("install", "-d", "/var/spool/postfix/postern")
        lab.home.run("postconf", "-e", "default_transport = postern:unix:postern/lmtp.sock")
        self.start("unshare", "--mount", "--net", "sh", "-c",
                   HIDE + f"mount --bind {os.path.dirname(self.path)} /var/spool/postfix/postern; ip link set lo up; exec \"$@\"", "sh")
        lab.home.sendmail(ANNA, ["you@postfix.example", "refused@exim.example"], MESSAGE, "-N", "success,failure")
        lab.wait_stored("mx-postfix")
        line = lab.home.wait_log(r"postern/transport\[\d+\]: \w+: to=<you@postfix")[0]
        queue_id = re.search(r"(\w+): to=", line).group(1)
        lab.home.wait_log(rf"postfix/lmtp\[\d+\]: {queue_id}: to=<you@postfix.example>, .*status=sent")
        self.assertRegex(lab.home.wait_log(rf"postfix/lmtp.*{queue_id}: to=<refused@exim.example>")[0], "550 User unknown here")
        reports = wait_for("Postfix's own reports", lambda: [item.raw for item in lab.stored("home") if item.sender == ""])
        self.assertTrue(any(b"Action: relayed" in raw for raw in reports), reports)

    def test_inet(self):
        listen(self, lab.home, "192.0.2.10:2401")
        lab.home.run("postconf", "-e", "default_transport = postern:inet:[192.0.2.10]:2401")
        self.start("unshare", "--mount", "sh", "-c", HIDE + 'exec "$@"', "sh")
        self.assert_outcomes()

    def test_without_the_host_it_waits(self):
        lab.home.run("postconf", "-e", "default_transport = postern:unix:postern/lmtp.sock")
        self.start("unshare", "--mount", "sh", "-c", HIDE + 'exec "$@"', "sh")
        queue_id = lab.home.inject(ANNA, ["you@postfix.example"], MESSAGE)
        self.assertIn("status=deferred", lab.home.wait_log(rf"postfix/lmtp.*{queue_id}: to=<.*status=")[0])

    def test_nobody_else_gets_there(self):
        """A user of the host has no way to the socket."""
        listen(self, lab.home, self.path)
        script = f"import socket; socket.socket(socket.AF_UNIX).connect('{self.path}')"
        done = lab.home.run("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "python3", "-c", script, check=False)
        self.assertIn("PermissionError", done.stderr)
        lab.home.run("python3", "-c", script)


class StaticProgram(Inside):
    """`make static`, bind-mounted into the container."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        subprocess.run(["make", "-s", "-C", PROJECT, "static"], check=True, capture_output=True)

    def tearDown(self):
        lab.home.run("postfix", "stop", check=False)

    def test_postfix(self):
        """An image without libsodium and libconfig."""
        self.start("unshare", "--mount", "sh", "-c", """set -e
            for file in /usr/lib/*/libsodium.so.* /usr/lib/*/libconfig.so.*; do mount --bind /dev/null $file; done
            mount --bind /srv/project/build/static/postern-transport """ + TRANSPORT + """; exec "$@" """, "sh")
        self.assert_outcomes()

    def test_any_image(self):
        """Nothing in it but the program, its files and the names of users and hosts: no library, no shell."""
        lab.home.run("sh", "-ec", """rm -rf /srv/image; mkdir -p /srv/image/etc /srv/image/var/lib /srv/image/dev; cd /srv/image
            cp /srv/project/build/static/postern-transport .
            cp /etc/passwd /etc/group /etc/resolv.conf /etc/hosts etc; cp -a /etc/postern etc; cp -a /var/lib/postern var/lib
            sed -i 's/198.51.100.20:/edge.vps.example:/' etc/postern/edges""")
        chrooted = ("chroot", "--userspec=_postern:_postern", "/srv/image", "/postern-transport")
        self.assertIn("ok, 1 edges", lab.home.run(*chrooted, "--check").stdout)
        commands = "LHLO image\r\nMAIL FROM:<>\r\nRCPT TO:<you@postfix.example>\r\nDATA\r\n"
        replies = lab.home.run(*chrooted, input=(commands + MESSAGE.decode() + ".\r\nQUIT\r\n").encode()).stdout.decode()
        self.assertRegex(replies, r"250 2\.0\.0 edge\.vps\.example: mx\.postfix\.example.* said: 250 2\.0\.0 Ok")
        lab.wait_stored("mx-postfix")
