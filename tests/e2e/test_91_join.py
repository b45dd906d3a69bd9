"""postern join and postern leave on a mail host that knows nothing of postern: mail flows after the one, nothing is left by the other,
and whatever goes wrong in between changes nothing."""
import difflib
import itertools
import os
import shutil
import subprocess
import time

from harness import Case, lab
from more_edges import ADDRESS, MoreEdge

PROGRAMS = os.path.join(os.environ["POSTERN_BUILD"], "tests")
EDGE = "edge.vps.example"
LIST = "/etc/postern/authorized_clients"
MESSAGE = b"From: anna@home.example\r\nSubject: joined\r\n\r\nhello\r\n"
SAVED = "/tmp/before-join"
# Everything of /etc with its rights, and what postern has elsewhere.
PICTURE = r"""cd / && find etc var/lib/postern* \( -type d -o -type l -o -type f -o -type s \) -printf '%p %y %m %u:%g %l\n' | sort
find etc var/lib/postern* -type f -print0 | sort -z | xargs -0 sha256sum; postconf -n; postconf -M"""


class JoinCase(Case):
    @classmethod
    def setUpClass(cls):
        """Take away what the lab has set up on home, except the installed programs."""
        cls.edge_key = lab.vps.run("postern", "pubkey", "/var/lib/postern/edge.key").stdout.strip()
        cls.allowed = lab.vps.read(LIST)
        lab.home.run("sh", "-c", "postfix stop")
        lab.home.end_transports()
        lab.home.run("sh", "-ec", f"""for of in etc/postern etc/postfix var/lib/postern; do mkdir -p {SAVED}/$of; cp -a /$of/. {SAVED}/$of; done
            chown root: /var/lib/postern; rm -rf /etc/postern/* /var/lib/postern/*; userdel _postern
            postconf -X default_transport postern-spawn_time_limit postern_destination_concurrency_limit postern_initial_destination_concurrency
            postconf -MX postern-spawn/unix postern/unix
            printf '# ours\\nrelayhost   =\\n  # for the time being\\n  [203.0.113.67]:26' >>/etc/postfix/main.cf; postfix start""")

    @classmethod
    def tearDownClass(cls):
        lab.home.run("postern", "leave", check=False)
        lab.home.run("sh", "-c", f"""cd {SAVED} || exit 0; postfix stop
            id _postern || useradd --system --no-create-home --shell /usr/sbin/nologin _postern
            for of in etc/postern etc/postfix var/lib/postern; do rm -rf /$of/*; cp -a $of/. /$of; done
            rm -rf {SAVED}; chown -R _postern: /var/lib/postern; postfix start""")
        lab.vps.write(LIST, cls.allowed)

    def setUp(self):
        super().setUp()
        self.before = self.picture()

    def picture(self):
        return lab.home.run("sh", "-c", PICTURE, check=False).stdout

    def assert_unchanged(self):
        difference = "\n".join(difflib.unified_diff(self.before.splitlines(), self.picture().splitlines(), lineterm="", n=0))
        self.assertEqual(difference, "")

    names = itertools.count()

    def invite(self, host=EDGE, port=7843, edge_key=None, seconds=3600):
        """A new invite, in the edge's list."""
        expires = int(time.time()) + seconds
        made = subprocess.run([os.path.join(PROGRAMS, "tools/make_invite"), host, str(port), edge_key or self.edge_key, str(expires)],
                              capture_output=True, text=True, check=True).stdout.split()
        moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(expires))
        lab.vps.write(LIST, f"{self.allowed}{made[1]} shop{next(self.names)} invite={moment}\n")
        lab.edge.reload()
        self.addCleanup(lab.vps.write, LIST, self.allowed)
        return made[0]

    def join(self, invite, *options, before=(), check=True):
        return lab.home.run(*before, "postern", "join", "--stdin", *options, input=invite + "\n", check=check)

    def leave_at_the_end(self):
        self.addCleanup(lab.home.run, "postern", "leave", "--purge", check=False)

    def mail_goes_through(self):
        queue_id = lab.home.inject("anna@home.example", ["you@postfix.example"], MESSAGE)
        self.assertRegex(lab.home.wait_log(rf"postfix/lmtp.*{queue_id}: to=.*status=")[0], rf"status=sent .*{EDGE}")
        lab.wait_stored("mx-postfix")


class Joining(JoinCase):
    def test_join_and_leave(self):
        invite = self.invite()
        self.leave_at_the_end()
        shown = self.join(invite, "--dry-run").stdout
        self.assertIn("postconf -e 'default_transport = postern:unix:private/postern-spawn'", shown)
        self.assertIn("relayhost = [203.0.113.67]:26: used no more", shown)
        self.assert_unchanged()
        # nsenter(1) gives it no terminal.
        unasked = lab.home.run("setsid", "-w", "postern", "join", invite, check=False)
        self.assertEqual(unasked.returncode, 86, unasked.stderr)
        self.assertIn("run it again with --yes", unasked.stderr)
        self.assert_unchanged()

        done = self.join(invite, "--yes").stdout
        self.assertIn('by the edge "edge" from now on', done)
        self.assertIn(f"home.example: its SPF record names {EDGE} already", done)
        self.assertIn("postern test", done)
        self.assertIn(f"edge {EDGE}:7843 key={self.edge_key}\n", lab.home.read("/etc/postern/edges"))
        self.mail_goes_through()
        joined = self.picture()
        self.assertIn("already joined", self.join(invite, "--yes").stdout)
        self.assertEqual(self.picture(), joined)

        left = lab.home.run("postern", "leave").stdout
        self.assertIn("Its mail goes as it did before", left)
        self.assertIn("not joined", lab.home.run("postern", "leave").stdout)
        # With its key it may use the same invite once more, and nobody else may.
        self.assertIn("has joined", self.join(invite, "--yes").stdout)
        lab.home.run("postern", "leave", "--purge")
        self.assert_unchanged()

    def test_others_work_stays(self):
        """What was edited after the join is not overwritten by leave."""
        self.leave_at_the_end()
        self.join(self.invite(), "--yes")
        lab.home.run("sh", "-ec", """printf '# mine\\nsmtp_helo_timeout = 99s\\n' >>/etc/postfix/main.cf
            postconf -e postern_destination_concurrency_limit=55
            postern edges add mine mine.example "$(sed -n 's/.*key=//p' /etc/postern/edges)" disabled""")
        left = lab.home.run("postern", "leave", "--purge").stdout
        self.assertIn("main.cf was edited since: only what join wrote is taken out", left)
        self.assertIn("postern_destination_concurrency_limit has another value by now and stays", left)
        after = lab.home.run("postconf", "-n").stdout
        self.assertIn("smtp_helo_timeout = 99s", after)
        self.assertNotIn("postern:unix:", after)
        self.assertIn("# mine\n", lab.home.read("/etc/postfix/main.cf"))
        self.assertEqual(lab.home.read("/etc/postern/edges").split()[0], "mine")
        lab.home.run("sh", "-ec", "rm /etc/postern/edges; postconf -X smtp_helo_timeout postern_destination_concurrency_limit")

    def test_step_that_fails(self):
        """The invite is used, and then the transport cannot be set up: all is put back, and after the mending the same invite works."""
        invite = self.invite()
        self.leave_at_the_end()
        lab.home.write("/etc/postern/routes", "* nowhere\n")
        self.before = self.picture()
        failed = self.join(invite, "--yes", check=False)
        self.assertEqual(failed.returncode, 78, failed.stderr)
        self.assertRegex(failed.stderr, r"(?s)routes:1: .*nowhere.*the same invite can be used again")
        lab.home.run("sh", "-c", "mv /var/lib/postern/transport.key /tmp/kept.key")
        self.assert_unchanged()
        lab.home.run("sh", "-c", "mv /tmp/kept.key /var/lib/postern/transport.key; rm /etc/postern/routes")
        self.assertIn("has joined", self.join(invite, "--yes").stdout)
        self.mail_goes_through()

    def instead_of(self, program, script):
        """It is this script until the end of the test; the real one is "$0.real"."""
        lab.home.run("mv", program, f"{program}.real")
        self.addCleanup(lab.home.run, "sh", "-c", f"[ ! -e {program}.real ] || mv {program}.real {program}")
        lab.home.write(program, f"#!/bin/sh\n{script}\n")
        lab.home.run("chmod", "755", program)

    def test_way_back_that_fails(self):
        """Postfix fails when it is changed, and when it is changed back: that is told, and leave can be run until it succeeds."""
        invite = self.invite()
        self.leave_at_the_end()
        self.instead_of("/usr/sbin/postfix", '[ "$3" != check ] || ! grep -q postern-spawn_ /etc/postfix/main.cf || : >/run/bad\n'
                        '[ "$3" != check ] || [ ! -e /run/bad ] || { echo bad weather; exit 1; }\n'
                        '[ "$3" != reload ] || echo >>/run/reloaded\n'
                        'exec $0.real "$@"')
        self.addCleanup(lab.home.run, "rm", "-f", "/run/bad", "/run/reloaded")
        failed = self.join(invite, "--yes", check=False)
        self.assertEqual(failed.returncode, 72, failed.stderr)
        self.assertRegex(failed.stderr, r"(?s)bad weather.*half changed; `postern leave' takes that back")
        self.assertNotIn("nothing was changed", failed.stderr)
        left = lab.home.run("postern", "leave", check=False)
        self.assertEqual(left.returncode, 72, left.stderr)
        self.assertIn("run `postern leave' again", left.stderr)
        lab.home.run("rm", "-f", "/run/bad", "/run/reloaded")
        lab.home.run("postern", "leave", "--purge")
        # Its files were as before by then; it was told all the same.
        lab.home.run("test", "-s", "/run/reloaded")
        self.assert_unchanged()

    def test_edge_that_cannot_write(self):
        """It says to try again with the same key, so that must still be there."""
        invite = self.invite()
        self.leave_at_the_end()
        enrolled = "/var/lib/postern/enrolled"
        lab.vps.run("mv", enrolled, f"{enrolled}.away")
        self.addCleanup(lab.vps.run, "sh", "-c", f"[ ! -e {enrolled}.away ] || mv {enrolled}.away {enrolled}")
        refused = self.join(invite, "--yes", check=False)
        self.assertEqual(refused.returncode, 82, refused.stderr)
        self.assertRegex(refused.stderr, r"(?s)cannot write down the new key.*try again with the same key.*nothing was changed but the key")
        key = lab.home.read("/var/lib/postern/transport.key")
        lab.vps.run("mv", f"{enrolled}.away", enrolled)
        self.assertIn("has joined", self.join(invite, "--yes").stdout)
        self.assertEqual(lab.home.read("/var/lib/postern/transport.key"), key)

    def test_postfix_stopped(self):
        """It is changed all the same, and neither started nor told."""
        self.leave_at_the_end()
        lab.home.run("postfix", "stop")
        self.addCleanup(lab.home.run, "sh", "-c", "postfix status || postfix start")
        self.assertIn("Postfix does not run now; it will find the changes", self.join(self.invite(), "--yes").stdout)
        self.assertNotEqual(lab.home.run("postfix", "status", check=False).returncode, 0)
        lab.home.run("postfix", "start")
        self.mail_goes_through()
        lab.home.run("postfix", "stop")
        lab.home.run("postern", "leave", "--purge")
        self.assert_unchanged()

    def test_postfix_removed(self):
        """The host has another MTA by now: leave is not kept from the rest."""
        back = "[ ! -e /tmp/whole ] || { rm -rf /etc/postfix; mv /tmp/whole /etc/postfix; mv /tmp/programs/* /usr/sbin; rm -r /tmp/programs; postfix start; }"
        lab.home.run("cp", "-a", "/etc/postfix", "/tmp/whole")
        self.addCleanup(lab.home.run, "sh", "-ec", back)
        self.join(self.invite(), "--yes")
        lab.home.run("sh", "-ec", "postfix stop; rm -r /etc/postfix; mkdir /tmp/programs; mv /usr/sbin/postfix /usr/sbin/postconf /tmp/programs")
        self.assertIn("has left", lab.home.run("postern", "leave", "--purge").stdout)
        lab.home.run("sh", "-ec", back)
        self.assert_unchanged()

    def test_two_at_once(self):
        """The second would take for the state from before what the first has half done."""
        busy = self.join(self.invite(), "--yes", before=("flock", "/var/lib"), check=False)
        self.assertEqual(busy.returncode, 78, busy.stderr)
        self.assertRegex(busy.stderr, r"(?s)another `postern join' or `postern leave' runs.*nothing was changed")
        self.assertEqual(lab.home.run("flock", "/var/lib", "postern", "leave", check=False).returncode, 78)
        self.assert_unchanged()

    def test_leave_killed(self):
        """It is killed behind userdel(8), before the copies that this makes of users and groups are put back: the next one does that."""
        self.join(self.invite(), "--yes")
        self.instead_of("/usr/sbin/userdel", '$0.real "$@"; kill -KILL $PPID')
        self.assertNotIn("has left", lab.home.run("postern", "leave", "--purge", check=False).stdout)
        self.assertNotEqual(lab.home.run("id", "_postern", check=False).returncode, 0)
        lab.home.run("postern", "leave", "--purge")
        lab.home.run("mv", "/usr/sbin/userdel.real", "/usr/sbin/userdel")
        self.assert_unchanged()

    def test_killed(self):
        """It is killed where it has done half of its work, and where it has done nearly all: leave takes that back."""
        self.leave_at_the_end()
        for program, moment in (("/usr/sbin/useradd", '$0.real "$@"'),
                                ("/usr/sbin/postfix", '[ "$3" = check ] && grep -q postern-spawn /etc/postfix/main.cf')):
            with self.subTest(program):
                invite = self.invite()
                self.instead_of(program, f'if {moment}; then kill -KILL $PPID; exit 1; fi\nexec $0.real "$@"')
                killed = self.join(invite, "--yes", check=False)
                lab.home.run("mv", f"{program}.real", program)
                self.assertNotIn("has joined", killed.stdout)
                again = self.join(invite, "--yes", check=False)
                self.assertEqual(again.returncode, 78)
                self.assertIn("an earlier `postern join' was interrupted", again.stderr)
                if "postfix" in program:
                    lab.home.write("/etc/postfix/main.cf.postern-new", "half a ")
                lab.home.run("postern", "leave", "--purge")
                self.assert_unchanged()

    def second_edge(self):
        """An invite of another one, "de"."""
        second = MoreEdge("de", 7851)
        self.addCleanup(second.remove)
        second.start()
        return self.invite(host=ADDRESS, port=second.port, edge_key=second.key)

    def test_second_edge(self):
        """Another edge's invite adds a line, and nothing else; leave takes both out."""
        self.leave_at_the_end()
        self.join(self.invite(), "--yes")
        settings = lab.home.run("sh", "-c", "postconf -n; postconf -M").stdout
        added = self.join(self.second_edge(), "--yes", "--name", "de").stdout
        self.assertIn("none: all that is needed is there already", added)
        self.assertEqual(lab.home.run("sh", "-c", "postconf -n; postconf -M").stdout, settings)
        self.assertEqual([line.split()[0] for line in lab.home.read("/etc/postern/edges").splitlines()], ["edge", "de"])
        lab.home.run("postern", "leave", "--purge")
        self.assert_unchanged()

    def test_second_edge_that_fails(self):
        """Afterwards leave takes the work of the first join for its own."""
        self.leave_at_the_end()
        self.join(self.invite(), "--yes")
        table = lab.home.read("/etc/postern/edges")
        invite = self.second_edge()
        lab.home.write("/etc/postern/routes", "* nowhere\n")
        failed = self.join(invite, "--yes", "--name", "de", check=False)
        lab.home.run("rm", "/etc/postern/routes")
        self.assertEqual(failed.returncode, 78, failed.stderr)
        self.assertEqual(lab.home.read("/etc/postern/edges"), table)
        self.assertNotIn("edited since", lab.home.run("postern", "leave", "--purge").stdout)
        self.assert_unchanged()


class Sabotage(JoinCase):
    """Each of these ends with its own exit code, with a message that says what was seen, and with nothing changed."""

    def refused(self, code, message, invite, **options):
        done = self.join(invite, "--yes", check=False, **options)
        self.assertEqual(done.returncode, code, f"{done.stdout}{done.stderr}")
        self.assertRegex(done.stderr, message)
        self.assertIn("nothing was changed", done.stderr)
        self.assert_unchanged()

    def on_home(self, command, back):
        lab.home.run("sh", "-ec", command)
        self.addCleanup(lab.home.run, "sh", "-ec", back)
        self.before = self.picture()

    def test_firewall(self):
        rule = "dport 7843 counter drop"
        self.addCleanup(lab.vps.run, "nft", "delete table inet sabotage")
        lab.vps.run("nft", f"add table inet sabotage; add chain inet sabotage in {{ type filter hook input priority 0; }}; "
                           f"add rule inet sabotage in tcp {rule}")
        self.refused(69, r"no connection: .*timed out.*firewall", self.invite())

    def test_nobody_listens(self):
        self.refused(69, r"no connection: .*refused.*postern-edge run", self.invite(port=7999))

    def test_nobody_answers(self):
        """Somebody takes the connection and says nothing; one who waits for ever would keep the administrator waiting, too."""
        mute = lab.vps.popen("python3", "-c", "import socket, time; s = socket.create_server(('', 7998)); time.sleep(600)")
        self.addCleanup(mute.kill)
        time.sleep(1)
        self.refused(76, r"somebody listens there, and does not answer", self.invite(port=7998))

    def test_wrong_time(self):
        library = "/usr/local/lib/clock.so"
        shutil.copy(os.path.join(PROGRAMS, "preload/clock.so"), lab.home.path(library))
        for ahead in ("7200", "-7200", "100000"):
            with self.subTest(ahead):
                self.refused(83, r"the clocks differ: it is \S+Z here and \S+Z at the edge", self.invite(),
                             before=("env", "ASAN_OPTIONS=verify_asan_link_order=0", f"LD_PRELOAD={library}", f"CLOCK_AHEAD={ahead}"))

    def test_used_invite(self):
        invite = self.invite()
        self.leave_at_the_end()
        self.join(invite, "--yes")
        lab.home.run("postern", "leave", "--purge")
        self.refused(81, r"used at \S+Z, by the key .*postern invite", invite)
        # A host that has a key may be the one who used it; this one is not.
        lab.home.run("postern", "keygen", "/var/lib/postern/transport.key")
        self.addCleanup(lab.home.run, "rm", "-f", "/var/lib/postern/transport.key")
        self.before = self.picture()
        self.refused(81, r"used at \S+Z, by the key .*postern invite", invite)

    def test_expired(self):
        self.refused(80, r"expired at \S+Z.*have a new one made", self.invite(seconds=-60))

    def test_damaged_character(self):
        invite = self.invite()
        for place in (20, 60, len(invite) - 12):
            other = "a" if invite[place] != "a" else "b"
            self.refused(65, "a character of the invite is damaged", invite[:place] + other + invite[place + 1:])
        self.refused(65, "the invite is cut off", invite[:-9])
        self.refused(65, "this is no invite", "hello")

    def test_wrong_edge(self):
        self.refused(76, r"it is not the edge that made this invite", self.invite(edge_key="AQIDBAUGBwgJAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="))
        taken_back = self.invite()
        lab.vps.write(LIST, self.allowed)
        lab.edge.reload()
        self.refused(76, r"does not know the invite any more", taken_back)

    def test_no_address(self):
        self.refused(68, r"no address.*A or AAAA record", self.invite(host="gone.vps.example"))

    def test_no_port_25(self):
        self.addCleanup(lab.vps.run, "nft", "delete table inet sabotage")
        lab.vps.run("nft", "add table inet sabotage; add chain inet sabotage out { type filter hook output priority 0; }; "
                           "add rule inet sabotage out tcp dport 25 reject with tcp reset")
        self.leave_at_the_end()
        invite = self.invite()
        enrolled = lab.vps.read("/var/lib/postern/enrolled")
        self.refused(84, r"cannot reach port 25", invite)
        self.assertEqual(lab.vps.read("/var/lib/postern/enrolled"), enrolled)
        anyway = self.join(invite, "--yes", "--anyway").stdout
        self.assertRegex(anyway, r"(?s)Note: the edge itself cannot reach port 25.*has joined")
        self.assertEqual(anyway.count("cannot reach port 25"), 1)
        lab.home.run("postern", "leave", "--purge")
        self.assert_unchanged()

    def test_postfix_broken(self):
        self.on_home("cp -a /etc/postfix /tmp/whole; echo 'nonsense unix' >>/etc/postfix/master.cf",
                     "cp -a /tmp/whole/. /etc/postfix; rm -r /tmp/whole")
        self.refused(72, r"`postconf' fails: .*master.cf: line \d+: bad field count", self.invite())
        lab.home.run("sh", "-ec", "cp -a /tmp/whole/. /etc/postfix; printf '\\ndaemon_directory = /nowhere\\n' >>/etc/postfix/main.cf")
        self.before = self.picture()
        self.refused(72, r"`postfix check' fails; the reason is in the mail log", self.invite())

    def test_milter_missing(self):
        self.on_home("cp -a /etc/postfix/main.cf /tmp/main.cf; postconf -e 'smtpd_milters = inet:localhost:1, unix:postern/milter.sock'",
                     "mv /tmp/main.cf /etc/postfix/main.cf")
        socket = "/var/spool/postfix/postern/milter.sock"
        lab.home.run("rm", "-f", socket)
        self.before = self.picture()
        self.refused(85, rf"smtpd_milters names postern-milter's socket, {socket}, which does not exist", self.invite())
        lab.home.run("python3", "-c", f"import os, socket; os.makedirs(os.path.dirname('{socket}'), exist_ok=True); "
                     f"socket.socket(socket.AF_UNIX).bind('{socket}')")
        self.addCleanup(lab.home.run, "rm", "-f", socket)
        self.refused(85, rf"{socket}, where nobody listens", self.invite())

    def test_read_only_etc(self):
        self.refused(73, r"/etc\S* cannot be written: Read-only file system", self.invite(),
                     before=("unshare", "-m", "sh", "-ec", 'mount --bind /etc /etc; mount -o remount,bind,ro /etc; exec "$@"', "sh"))

    def test_somebody_elses_directory(self):
        """An edge that was set up by hand on the same machine."""
        self.on_home("chown daemon: /var/lib/postern", "chown root: /var/lib/postern")
        self.refused(78, r"/var/lib/postern belongs to daemon.*setfacl -m u:daemon:rwx,u:_postern:rwx", self.invite())

    def test_no_root(self):
        self.refused(77, r"must be run by root", self.invite(), before=("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"))
