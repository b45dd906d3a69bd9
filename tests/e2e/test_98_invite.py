"""postern invite, on a VPS that has postern's programs and nothing else of it. It makes the edge's side of everything, or says why not and leaves no trace."""
import concurrent.futures
import json
import os
import re
import shutil
import time

from clean_vps import clean_vps
from harness import Case, lab
from test_91_join import JoinCase

INVITE_ASK = os.path.join(os.environ["POSTERN_BUILD"], "tests/tools/invite_ask")
EDGES = "/etc/postern/edges"
MESSAGE = b"From: anna@home.example\r\nSubject: invited\r\n\r\nhello\r\n"
LINE = re.compile(r"^postern-invite:1:\S+$", re.M)


class InviteCase(Case):
    def setUp(self):
        super().setUp()
        shutil.copy(INVITE_ASK, lab.home.path("/run/invite_ask"))
        clean_vps(self)

    def invite(self, *words, status=0):
        done = lab.vps.run("postern", "invite", "--try", "postfix.example", *words, check=False)
        self.assertEqual(done.returncode, status, done)
        return done

    def line(self, *words):
        return LINE.findall(self.invite(*words).stdout)[-1]

    def key(self):
        path = f"/run/key{time.monotonic_ns()}"
        self.addCleanup(lab.home.run, "rm", "-f", path)
        return lab.home.run("postern", "keygen", path).stdout.strip()

    def ask(self, line, *words):
        done = lab.home.run("/run/invite_ask", line, *words, check=False)
        return json.loads(done.stdout) if done.returncode == 0 else done.stdout

    def enrol(self, line, key, result="enrolled"):
        answer = self.ask(line, "enrol", key)
        self.assertEqual(answer["result"], result, answer)
        return answer

    def list(self):
        return [words for words in map(str.split, lab.vps.read("/etc/postern/authorized_clients").splitlines()) if words]


class Invite(InviteCase):
    def test_from_nothing_to_mail(self):
        mark = lab.vps.log_mark()
        done = self.invite()
        self.assertIn("postern-edge runs", done.stdout)
        self.assertIn("Open TCP port 7843 in the firewall", done.stdout)
        self.assertIn("postern join --stdin", done.stdout)
        line = done.stdout.splitlines()[-1]
        self.assertRegex(line, r"^postern-invite:1:edge\.vps\.example:7843:")
        self.assertEqual(lab.vps.run("stat", "-c", "%U %a", "/var/lib/postern", "/var/lib/postern/edge.key", "/var/lib/postern/enrolled").stdout.split(),
                         ["_postern-edge", "700", "_postern-edge", "600", "_postern-edge", "600"])
        self.assertIn('ehlo_name = "edge.vps.example";', lab.vps.read("/etc/postern/edge.conf"))
        lab.vps.run("test", "-e", "/run/enabled")
        # The mail host, whose key is to be let in.
        key = lab.home.run("postern", "pubkey", "/var/lib/postern/transport.key").stdout.strip()
        answer = self.enrol(line, key)
        self.assertEqual(answer["edge_name"], "edge.vps.example")
        self.assertIn("198.51.100.20", answer["addresses"])
        self.assertLess(abs(answer["time"] - time.time()), 60)
        table = lab.home.read(EDGES)
        self.addCleanup(lab.home.write, EDGES, table)
        edge_key = lab.vps.run("postern", "pubkey", "/var/lib/postern/edge.key").stdout.strip()
        lab.home.write(EDGES, f"vps 198.51.100.20:7843 key={edge_key}\n")
        queue_id = lab.home.inject("anna@home.example", ["you@postfix.example"], MESSAGE)
        self.assertIn("status=sent", lab.home.wait_log(rf"postfix/.*{queue_id}: to=.*status=")[0])
        self.assertRegex(lab.vps.run("postern", "peers").stdout, rf"mailhost {re.escape(key)} enrolled=")
        lab.edge.kill()
        lab.edge.start()
        queue_id = lab.home.inject("anna@home.example", ["you@postfix.example"], MESSAGE)
        self.assertIn("status=sent", lab.home.wait_log(rf"postfix/.*{queue_id}: to=.*status=")[0])
        # The key of an enrolled mail host is replaced like any other; the name in use is the one by which it is revoked.
        other = self.key()
        lab.vps.run("postern", "authorize", other, key)
        self.assertEqual(self.list()[-1], [other, "mailhost"])
        lab.vps.run("postern", "revoke", key)
        self.assertEqual(self.list(), [[other, "mailhost"]])
        queue_id = lab.home.inject("anna@home.example", ["you@postfix.example"], MESSAGE)
        self.assertIn("status=deferred", lab.home.wait_log(rf"postfix/.*{queue_id}: to=.*status=")[0])
        lab.home.empty_queue()
        self.assertFalse(lab.vps.grep_log(r"postern/edge.*(error|fatal):", mark))

    def test_again(self):
        """Called again it replaces what was not used, and nothing else."""
        # A chain as Docker's is none that an edge would need a hole in, and a warning with a bracket is no finding.
        lab.vps.run("sh", "-ec", "nft add table inet t; nft add chain inet t f '{ type filter hook forward priority 0; policy drop; }'")
        self.addCleanup(lab.vps.run, "nft", "delete", "table", "inet", "t")
        lab.vps.write("/etc/postern/authorized_clients", f"{self.key()} odd psk=/run/[none]\n")
        done = self.invite("shop", "rate=60/1m")
        self.assertIn("Open TCP port 7843 in the firewall of its provider", done.stdout)
        first = LINE.findall(done.stdout)[-1]
        lab.vps.run("sed", "-i", "/odd/d", "/etc/postern/authorized_clients")
        key = lab.vps.read("/var/lib/postern/edge.key")
        second = self.invite("--quiet", "--expires", "1h", "shop", "size=10M").stdout.strip()
        self.assertRegex(second, r"\Apostern-invite:1:\S+\Z")
        self.assertEqual([words[1::2] for words in self.list()], [["shop", "size=10M"]])
        self.assertEqual(lab.vps.read("/var/lib/postern/edge.key"), key)
        self.assertIn("handshake: ", self.ask(first, "enrol", self.key()))
        used = self.key()
        self.enrol(second, used)
        refused = self.invite("shop", status=88)
        self.assertIn("shop is a mail host that may deliver already", refused.stderr)
        self.assertIn("nothing was changed", refused.stderr)
        lab.vps.write("/etc/postern/authorized_clients", lab.vps.read("/etc/postern/authorized_clients") +
                      f"{self.key()} old invite=2001-01-01T00:00:00Z\n# a comment\n")
        self.line()
        self.line()
        self.assertEqual([words[1] for words in self.list()], ["shop", "a", "mailhost"])
        # A mail host without a name of its own gets one that is free.
        self.enrol(self.line(), self.key())
        self.line()
        self.assertEqual([words[1] for words in self.list()], ["shop", "a", "mailhost", "mailhost2"])

    def test_killed(self):
        """Between making a file and giving it away: the next one goes on from there."""
        self.line()
        lab.edge.stop()
        lab.vps.run("chown", "root:", "/var/lib/postern/edge.key", "/var/lib/postern/enrolled")
        self.enrol(self.line(), self.key())

    def test_of_another_kind(self):
        """By address, at another port, behind a firewall; without a service manager; an edge that lost its file."""
        lab.vps.run("sh", "-ec", "rm -r /run/systemd/system; nft add table inet filter; "
                    "nft add chain inet filter input '{ type filter hook input priority 0; policy drop; }'; nft insert rule inet filter input counter accept")
        self.addCleanup(lab.vps.run, "nft", "delete", "table", "inet", "filter")
        done = self.invite("--host", "198.51.100.20", "--port", "7900")
        self.assertIn("There is no systemd here. Start the edge", done.stdout)
        self.assertIn("nft insert rule inet filter input tcp dport 7900 accept", done.stdout)
        line = done.stdout.splitlines()[-1]
        self.assertRegex(line, r"^postern-invite:1:198\.51\.100\.20:7900:")
        self.assertIn('ehlo_name = "edge.vps.example";', lab.vps.read("/etc/postern/edge.conf"))
        self.assertIn("connection: ", self.ask(line, "enrol", self.key()))
        lab.edge.start()
        self.enrol(line, self.key())
        # From now on with one; the file of enrolled keys is gone, and the edge that has it open is started anew.
        lab.vps.run("sh", "-ec", "mkdir -p /run/systemd/system; rm /var/lib/postern/enrolled")
        second = self.line("second")
        self.assertIn(":7900:", second)
        self.enrol(second, self.key())

    def test_what_an_invite_is_not_good_for(self):
        line = self.line("guest")
        key, other = self.key(), self.key()
        self.assertIn("may not be asked with this key", self.ask(line, "status"))
        self.assertEqual(self.ask(line, "enrol", "no-key")["result"], "refused")
        self.assertIn("no public key", self.ask(line, "enrol", lab.vps.read("/var/lib/postern/edge.key").strip())["reason"])
        damaged = line[:-9] + ("7" if line[-9] != "7" else "8") + line[-8:]
        self.assertIn("damaged", self.ask(damaged, "enrol", key))
        self.assertIn("edge-egress", {found["id"] for found in self.ask(line, "check")})
        self.enrol(line, key)
        self.enrol(line, key)
        self.assertIn("was used at", self.ask(line, "check"))
        self.assertIn("was used at", self.enrol(line, other, "used")["reason"])
        # The file of enrolled keys is damaged, and the edge started anew: who was enrolled stays, and nobody else.
        enrolled = "/var/lib/postern/enrolled"
        good = lab.vps.read(enrolled)
        lab.vps.run("sh", "-c", f"{{ echo garbage; cat {enrolled}; echo '{good.split()[0]} {other} 2026-11-22T00:00:00Z'; printf torn; }} >/run/e; cat /run/e >{enrolled}")
        lab.edge.restart()
        self.enrol(line, key)
        self.enrol(line, other, "used")
        new = self.line("next")
        self.enrol(new, other)
        self.assertRegex(lab.vps.read(enrolled), r"(?m)^torn torn$")
        expired = self.line("late")
        lab.vps.run("sed", "-i", "/ late /s/invite=[^ ]*/invite=2001-01-01T00:00:00Z/", "/etc/postern/authorized_clients")
        self.assertIn("the edge's clock says", self.enrol(expired, self.key(), "expired")["reason"])
        lab.vps.run("postern", "revoke", "late")
        self.assertIn("handshake: ", self.ask(expired, "enrol", self.key()))

    def test_full_disk(self):
        """Nobody is told that he is in before it is on the disk."""
        lab.vps.run("sh", "-ec", """mkdir /run/tiny; mount -t tmpfs -o size=100k,mode=755 tiny /run/tiny
            echo 'ehlo_name = "edge.vps.example"; enrolled_clients = "/run/tiny/enrolled";' >/etc/postern/edge.conf""")
        self.addCleanup(lab.vps.run, "sh", "-c", "umount -l /run/tiny; rmdir /run/tiny")
        line, key = self.line(), self.key()
        lab.vps.run("sh", "-c", "dd if=/dev/zero of=/run/tiny/full bs=4k 2>/dev/null; true")
        self.assertIn("cannot write down the new key: No space left on device", self.enrol(line, key, "refused")["reason"])
        lab.vps.wait_log(r"client=mailhost: cannot be enrolled: /run/tiny/enrolled: No space left")
        self.assertEqual(lab.vps.run("cat", "/run/tiny/enrolled").stdout, "")
        self.assertIn("mailhost invited", lab.vps.run("postern", "peers").stdout)
        lab.vps.run("rm", "/run/tiny/full")
        self.enrol(line, key)
        self.assertIn(f"mailhost {key} enrolled=", lab.vps.run("postern", "peers").stdout)

    def test_two_at_the_same_moment(self):
        line = self.line()
        keys = [self.key() for _ in range(6)]
        with concurrent.futures.ThreadPoolExecutor(6) as pool:
            results = list(pool.map(lambda key: self.ask(line, "enrol", key)["result"], keys))
        self.assertEqual(sorted(results), ["enrolled"] + ["used"] * 5)
        self.assertIn(keys[results.index("enrolled")], lab.vps.run("postern", "peers").stdout)

    def state(self):
        """All that an invite could have changed, but for the user."""
        return lab.vps.run("sh", "-c", "cd / && find etc/postern var/lib/postern etc/systemd run/enabled -printf '%p %u %m %s\\n' 2>/dev/null | sort; "
                           "find etc/postern var/lib/postern -type f -exec sha256sum {} + 2>/dev/null | sort; /opt/lab/hosts/edge.sh status 2>&1; true").stdout

    def sabotage(self, words, status, *messages, before="true", after="true"):
        lab.vps.run("sh", "-c", before)
        try:
            was = self.state()
            done = self.invite(*words, status=status)
            self.assertEqual(self.state(), was, done)
        finally:
            lab.vps.run("sh", "-c", after)
        for message in messages:
            self.assertRegex(done.stderr, message)
        self.assertRegex(done.stderr, "nothing was changed")
        self.assertFalse(LINE.search(done.stdout))

    def test_sabotage(self):
        self.sabotage(["--host", "nowhere.vps.example"], 68, r"name: nowhere\.vps\.example has no A or AAAA record", r"nowhere\.vps\.example\. A 198\.51\.100\.20")
        self.sabotage(["--host", "vps"], 64, "neither a full host name")
        self.sabotage(["limit=5"], 65, "list: .* the line would not be understood: unknown option")
        self.sabotage(["--expires", "5y"], 64, "a time from 1m to 30d")
        drop = "nft add table inet t; nft add chain inet t o '{ type filter hook output priority 0; }'; nft add rule inet t o tcp dport 25 reject with tcp reset"
        self.sabotage([], 84, r"FAIL +edge-egress", "ask the provider of the VPS to open outgoing port 25", "host: no mail would leave", before=drop,
                      after="nft delete table inet t")
        self.sabotage([], 69, "service: systemctl start postern-edge failed: Job for postern-edge.service failed", before=": >/run/no-start", after="rm /run/no-start")
        self.sabotage([], 84, r"FAIL +edge-port", before="python3 -c 'import socket,time; s=socket.create_server((\"\",7843)); time.sleep(60)' >/dev/null 2>&1 & echo $! >/run/pid; sleep 1",
                      after="kill $(cat /run/pid)")
        self.sabotage([], 78, "configuration: the allow-list of this edge is in socketmap:unix:/run/x:y", before="echo 'authorized_clients = \"socketmap:unix:/run/x:y\";' >/etc/postern/edge.conf",
                      after="rm /etc/postern/edge.conf")
        self.sabotage([], 78, r"edge\.conf:2: syntax error", before="echo 'ehlo_name = ' >/etc/postern/edge.conf", after="rm /etc/postern/edge.conf")
        self.sabotage([], 78, 'unknown setting "ehlo_nam"', before="echo 'ehlo_nam = \"a.example\";' >/etc/postern/edge.conf", after="rm /etc/postern/edge.conf")
        self.sabotage([], 73, "files: /var/lib/postern belongs to another user", before="mkdir /var/lib/postern; chown nobody /var/lib/postern", after="rmdir /var/lib/postern")
        # The machine's DNS is dead; it may be asked again later, so this is no verdict about the name.
        self.sabotage(["--host", "edge.vps.example"], 75, "name: edge.vps.example cannot be looked up now", before="cp /etc/resolv.conf /run/rc; "
                      "printf 'nameserver 203.0.113.67\noptions timeout:1 attempts:1\n' >/etc/resolv.conf", after="cat /run/rc >/etc/resolv.conf")
        self.sabotage([], 73, r"files: /etc/postern/edge\.conf: Read-only file system; is /etc read-only\?", before="mount --bind /etc/postern /etc/postern; mount -o remount,bind,ro /etc/postern",
                      after="umount /etc/postern")
        done = lab.vps.run("setpriv", "--reuid", "nobody", "--clear-groups", "postern", "invite", check=False)
        self.assertEqual(done.returncode, 77)
        self.assertIn("sudo postern invite", done.stderr)
        # And after all of that:
        self.line()


class TwoCommands(InviteCase, JoinCase):
    def test_from_nothing_to_mail(self):
        """On two systems that know nothing of postern: invite, join, test; and leave."""
        self.leave_at_the_end()
        line = self.line("home", "domains=home.example,mail.home.example")
        self.assertIn("from now on", self.join(line, "--yes").stdout)
        self.mail_goes_through()
        tested = lab.home.run("postern", "test", "you@postfix.example", check=False)
        self.assertEqual(tested.returncode, 0, tested)
        key = lab.home.run("postern", "pubkey", "/var/lib/postern/transport.key").stdout.strip()
        self.assertRegex(lab.vps.run("postern", "peers").stdout, rf"(?m)^home {re.escape(key)} enrolled=\S+ domains=")
        refused = self.invite("home", status=88)
        self.assertIn("postern revoke home", refused.stderr)
        lab.home.run("postern", "leave", "--purge")
        self.assert_unchanged()
        lab.vps.run("postern", "revoke", "home")
        self.assertNotIn("home", lab.vps.read("/etc/postern/authorized_clients"))
