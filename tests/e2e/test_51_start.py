"""Before mail flows: what is wrong with keys, configuration or machine is said, and nothing starts with it."""
import contextlib
import os
import re

from harness import PATIENCE_S, Case, lab

MESSAGE = b"From: anna@home.example\r\nSubject: ready\r\n\r\nready\r\n"
EDGE_CONF = "/etc/postern/edge.conf"
UNIT = "/usr/lib/systemd/system/postern-edge.service"
PLACE = "/var/tmp/start"
EX_UNAVAILABLE, EX_OSERR, EX_CONFIG = 69, 71, 78


class Start(Case):
    def setUp(self):
        super().setUp()
        self.conf = lab.vps.read(EDGE_CONF)
        for host, user in ((lab.vps, "_postern-edge"), (lab.home, "_postern")):
            host.run("sh", "-ec", f"rm -rf {PLACE}; install -d -o {user} -m 755 {PLACE}")
            self.addCleanup(host.run, "rm", "-rf", PLACE)

    def as_edge(self, *command, check=False):
        return lab.vps.run("setpriv", "--reuid", "_postern-edge", "--regid", "_postern-edge", "--init-groups", *command, check=check)

    def second_edge(self, more):
        """A configuration of a second edge; its path."""
        lab.vps.write(f"{PLACE}/edge.conf", f'ehlo_name = "edge.vps.example"; listen = "127.0.0.1:7999"; log_target = "stderr";\n'
                                            f'state_directory = "{PLACE}";\n{more}\n')
        return f"{PLACE}/edge.conf"


class Keys(Start):
    """Case 150: such a key file is refused, with its exact path and what to do; no key gets into a log."""

    # what is done to a good key of the user; what is said behind "PATH: "
    VARIANTS = {
        "missing": ("rm key", r"No such file or directory; postern keygen makes a key"),
        "unreadable": ("chown root key", r"Permission denied; the key must belong to uid \d+.*chown \d+ PATH"),
        "wrong owner": ("chown nobody:nogroup key; chmod 604 key", r"owned by uid \d+, read by uid \d+; chown \d+ PATH"),
        "empty": (": >key", "empty; a key is one line of base64"),
        "short": ("head -c 20 key >k; cat k >key", "not a key; expected one line of 44 characters of base64"),
        "long": ("cat key key >k; cat k >key", "not a key; expected"),
        "binary": ("head -c 32 /dev/urandom | tr '\\r' x >key", "not a key; expected"),
        "CRLF": ("sed -i 's/$/\\r/' key", "has a carriage return; the line must end in LF alone"),
        "group may read": ("chmod 640 key", "mode 0640 lets others read this key; chmod 600 PATH"),
        "the world may read": ("chmod 604 key", "mode 0604 lets others read this key; chmod 600 PATH"),
        "symbolic link": ("mv key real; ln -s real key", "a symbolic link; name the key file itself"),
        "directory of everybody": ("chmod 777 .", r"directory mode 0777 lets others replace this key; chmod go-w "),
        "FIFO": ("rm key; mkfifo key; chown --reference=. key; chmod 600 key", "not a regular file"),
        "zeros": ("printf 'A%.0s' $(seq 43) >key; echo = >>key", "all zeros is no key; make one with postern keygen"),
    }

    def spoil(self, host, user, name, how):
        """A directory with a key in it to which this was done; the key's text."""
        directory = f"{PLACE}/{name.replace(' ', '-')}"
        host.run("sh", "-ec", f"install -d -o {user} {directory}; cd {directory}; umask 077; postern keygen key >/dev/null; "
                              f"chown {user}: key; cp key /root/key; {how}")
        return f"{directory}/key", host.read("/root/key").strip()

    def check_words(self, key_path, secret, words, host, text):
        self.assertRegex(text, re.escape(key_path) + ": " + words.replace("PATH", re.escape(key_path)))
        self.assertNotIn(secret[:12], text)
        self.assertNotIn(secret[:12], host.log(host.mark))

    def test_edge(self):
        for name, (how, words) in self.VARIANTS.items():
            with self.subTest(f"case 150 {name}"):
                key_path, secret = self.spoil(lab.vps, "_postern-edge", name, how)
                conf = self.second_edge(f'key_file = "{key_path}";')
                for option in ([], ["--check"]):
                    done = self.as_edge("timeout", "10", "postern-edge", "-c", conf, *option)
                    self.assertEqual(done.returncode, EX_CONFIG, done)
                    self.check_words(key_path, secret, words, lab.vps, done.stdout + done.stderr)

    def test_transport(self):
        """Postfix would bounce if it simply ended: in service it greets with 421, and only --check exits with 78."""
        conf = lab.home.read("/etc/postern/postern.conf")
        for name, (how, words) in self.VARIANTS.items():
            with self.subTest(f"case 150 {name}"):
                key_path, secret = self.spoil(lab.home, "_postern", name, how)
                lab.home.write(f"{PLACE}/postern.conf", re.sub(r"(?m)^key_file.*\n", "", conf) + f'\nkey_file = "{key_path}";\n')
                command = ["setpriv", "--reuid", "_postern", "--regid", "_postern", "--init-groups",
                           "/usr/libexec/postern/postern-transport", "-c", f"{PLACE}/postern.conf"]
                done = lab.home.run(*command, "--check", check=False)
                self.assertEqual(done.returncode, EX_CONFIG, done)
                self.check_words(key_path, secret, words, lab.home, done.stdout + done.stderr)
                done = lab.home.run(*command, input="LHLO x\r\n", check=False)
                self.assertEqual(done.returncode, 0)
                self.assertRegex(done.stdout, r"\A421 4\.3\.5 ")
                self.check_words(key_path, secret, words, lab.home, done.stdout)

    def test_no_key_in_arguments_or_environment(self):
        """Case 150: of an edge and of a transport at work."""
        lab.home.inject("anna@home.example", ["you@case26a-silent-after-dot.hostile.example"], MESSAGE)
        lab.vps.wait_log("client=home, from=")
        self.addCleanup(lab.edge.start)
        self.addCleanup(lab.edge.kill)
        for host, key, name in ((lab.vps, "/var/lib/postern/edge.key", "postern-edge"),
                                (lab.home, "/var/lib/postern/transport.key", "postern-transpo")):
            shown = host.run("sh", "-c", f"for pid in $(pgrep -x {name}); do cat /proc/$pid/cmdline /proc/$pid/environ; done").stdout
            self.assertIn(name, shown)
            self.assertNotIn(host.read(key).strip()[:12], shown)
            self.assertNotIn(host.read(key).strip()[:12], host.log())


class Files(Start):
    def test_includes(self):
        """Case 152: @include is refused, whatever it names, and at once (postern-edge.conf(5))."""
        lab.vps.run("sh", "-ec", f"cd {PLACE}; mkfifo fifo; for i in $(seq 100); do echo \"@include \\\"$((i + 1)).conf\\\"\" >$i.conf; done; "
                                 "echo '' >101.conf")
        for name in ("edge.conf", "1.conf", ".", "fifo", "/dev/zero"):
            with self.subTest(f"case 152 {name}"):
                path = os.path.join(PLACE, name)
                conf = self.second_edge(f'@include "{path}"')
                done = self.as_edge("timeout", str(PATIENCE_S), "postern-edge", "-c", conf, "--check")
                self.assertEqual(done.returncode, EX_CONFIG)
                self.assertRegex(done.stderr, rf"{conf}:3: @include is not supported: put all settings into one file")
        for path in (PLACE, f"{PLACE}/fifo", "/dev/zero"):
            with self.subTest(f"case 152 the configuration is {path}"):
                done = self.as_edge("timeout", "10", "postern-edge", "-c", path, "--check")
                self.assertEqual(done.returncode, EX_CONFIG)
                self.assertRegex(done.stderr, rf"{path}: is a .*, not a (regular )?file|{path}: is not a regular file")

    def reload_as_systemd(self):
        """The commands of ExecReload= one after the other, until one fails; its exit status."""
        commands = re.findall(r"(?m)^ExecReload=(.*)$", lab.vps.read(UNIT))
        self.assertEqual(len(commands), 2)
        for command in commands:
            command = command.replace("$MAINPID", str(lab.edge.pid)).replace("/bin/kill", "kill")
            done = self.as_edge("sh", "-c", f"exec {command}")
            if done.returncode != 0:
                return done.returncode, done.stderr
        return 0, ""

    def test_reload_command(self):
        """Case 153: with a bad file the reload fails and says why, and the old configuration stays in force."""
        self.addCleanup(lab.edge.restart)
        self.addCleanup(lab.vps.write, EDGE_CONF, self.conf)
        for what, bad in {"unknown setting": 'ehlo_nam = "x.example";', "out of range": "recipient_limit = 99999999999;"}.items():
            with self.subTest(f"case 153 {what}"):
                pid = lab.edge.pid
                lab.vps.write(EDGE_CONF, f'{self.conf}\nlog_recipients = "full";\n{bad}\n')
                status, words = self.reload_as_systemd()
                self.assertEqual(status, EX_CONFIG)
                self.assertRegex(words, rf"{EDGE_CONF}:\d+: ")
                self.assertEqual(lab.edge.pid, pid)
                queue_id = lab.home.inject("anna@home.example", ["you@postfix.example"], MESSAGE)
                lab.vps.wait_log(rf"{queue_id}: to=<@postfix\.example>.*status=sent")
        self.assertEqual(lab.vps.grep_log("was read again"), [])
        lab.vps.write(EDGE_CONF, f'{self.conf}\nlog_recipients = "full";\n')
        self.assertEqual(self.reload_as_systemd(), (0, ""))
        lab.vps.wait_log("was read again")


class Machine(Start):
    """Case 155: postern-edge --check-host says what is wrong with the machine."""

    def check_host(self, *options, prefix=()):
        """(exit status, lines)"""
        done = lab.vps.run(*prefix, "postern-edge", *options, "--check-host", "postfix.example", check=False)
        return done.returncode, done.stdout.splitlines() + done.stderr.splitlines()

    def wrong(self, pattern, *options, prefix=(), word="wrong"):
        """There is this finding, and no other."""
        status, lines = self.check_host(*options, prefix=prefix)
        self.assertEqual(status, EX_UNAVAILABLE if word == "wrong" else 0, lines)
        found = [line for line in lines if line.startswith(f"{word}: ")]
        self.assertEqual(len(found), 1, lines)
        self.assertRegex(found[0], f"^{word}: {pattern}")
        self.assertFalse([line for line in lines if not re.match(f"(good|{word}): |.*: good; ", line)], lines)

    def test_good_beside_a_running_edge(self):
        """Nothing is wrong, mail goes on, and the edge notices nothing."""
        pid = lab.edge.pid
        for _ in range(10):
            queue_id = lab.home.inject("anna@home.example", ["you@postfix.example"], MESSAGE)
            status, lines = self.check_host()
            self.assertEqual((status, [line for line in lines if re.match("wrong|warning", line)]), (0, []), lines)
            self.assertIn('good: listen ":7843": in use, and a postern-edge is running', lines)
            lab.home.wait_log(rf"{queue_id}: to=.*status=sent")
        self.assertEqual(len([line for line in lines if line.startswith("good: port 25 over IPv")]), 2)
        self.assertEqual(lab.edge.pid, pid)
        lab.edge.stop()
        self.assertIn('good: listen ":7843": free', self.check_host()[1])
        lab.edge.start()

    def test_port_in_use(self):
        """Case 155: somebody else has the port; that may be over soon, so the unit shall try again (it does not after EX_CONFIG)."""
        lab.edge.stop()
        self.addCleanup(lab.edge.start)
        other = lab.vps.popen("/usr/bin/python3", "-c", "import socket, sys; s = socket.create_server(('198.51.100.20', 7843)); "
                              "print(); sys.stdout.flush(); sys.stdin.read()", stdin=-1, stdout=-1)
        self.addCleanup(other.communicate)
        other.stdout.readline()
        self.wrong(r'listen ":7843": Address already in use')
        done = self.as_edge("timeout", "10", "postern-edge")
        self.assertEqual(done.returncode, EX_OSERR)
        self.assertRegex(done.stderr, "cannot listen on :7843: Address already in use")

    @contextlib.contextmanager
    def firewall(self, rule):
        lab.vps.run("nft", f"add table inet start; add chain inet start out {{ type filter hook output priority 0; }}; add rule inet start out {rule}")
        try:
            yield
        finally:
            lab.vps.run("nft", "delete table inet start")

    def test_no_way_out(self):
        """Case 155: port 25 is dropped or refused, over IPv4 or IPv6."""
        for family, number, rule, words in (("IPv4", 4, "drop", "timed out"), ("IPv6", 6, "drop", "timed out"),
                                            ("IPv4", 4, "reject with tcp reset", "refused"), ("IPv6", 6, "reject", "[Uu]nreachable|refused")):
            with self.subTest(f"case 155 {family} {rule}"), self.firewall(f"meta nfproto ipv{number} tcp dport 25 {rule}"):
                self.wrong(rf"port 25 over {family}: no mail server can be connected to; the last was mx\.postfix\.example\[.*\]: .*({words})")

    @contextlib.contextmanager
    def without_ipv6(self):
        lab.vps.run("ip", "-6", "route", "del", "default")
        try:
            yield
        finally:
            lab.vps.run("ip", "-6", "route", "add", "default", "via", "fe80::1", "dev", "eth0", "onlink")

    def test_no_ipv6(self):
        """Case 155: a warning, unless the configuration wants it."""
        with self.without_ipv6():
            self.wrong("IPv6: this host has no address to send from; mail goes over IPv4 alone", word="warning")
            lab.vps.write(f"{PLACE}/edge.conf", self.conf + 'ipv6 = "on";\n')
            self.wrong('IPv6: this host has no address to send from, but ipv6 = "on"', "-c", f"{PLACE}/edge.conf")

    def test_disk(self):
        """Case 155: a disk that cannot be written, or is full."""
        state = "/var/lib/postern/edge"
        shell = ["unshare", "-m", "sh", "-ec"]
        self.wrong(f"state_directory {state}: {state}: Read-only file system",
                   prefix=[*shell, f'mount --bind {state} {state}; mount -o remount,ro,bind {state}; exec "$@"', "sh"])
        lab.edge.stop()     # a running edge is known by its journal, which is hidden here
        self.addCleanup(lab.edge.start)
        self.wrong(f"state_directory {state}: 1 MB are free, the journal needs 16 MB more \\(journal_size\\)", prefix=[
            *shell, f'mount -t tmpfs -o size=2M,mode=700 start {state}; chown _postern-edge: {state}; '
            f'head -c 900K /dev/zero >{state}/filling; exec "$@"', "sh"])

    def test_no_resolver(self):
        """Case 155: nobody answers, or nobody listens."""
        for what, conf in {"refused": 'resolvers = [ "127.0.0.9" ];', "silent": 'resolvers = [ "203.0.113.66" ];'}.items():
            with self.subTest(f"case 155 {what}"):
                lab.vps.write(f"{PLACE}/edge.conf", f"{self.conf}{conf}\n")
                status, lines = self.check_host("-c", f"{PLACE}/edge.conf")
                self.assertEqual(status, EX_UNAVAILABLE)
                self.assertTrue([line for line in lines if re.match(r"wrong: DNS: .*(no answer|refused|127\.0\.0\.9)", line)], lines)
