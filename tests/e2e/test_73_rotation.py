"""Keys are replaced while mail flows, at both ends, and nothing is deferred."""
import re
import threading

import tunnel_peer
from harness import Case, lab, wait_for
from tunnel_peer import EDGE_KEY

LIST = tunnel_peer.CLIENTS
EDGES = "/etc/postern/edges"
HOME_KEY = "/var/lib/postern/transport.key"
MESSAGE = b"From: anna@home.example\r\nSubject: keys\r\n\r\nhello\r\n"
POSTFIX = "you@postfix.example"


class Stream(threading.Thread):
    """Mail, without a pause, until it is stopped."""

    def __init__(self):
        super().__init__(daemon=True)
        self.ids, self.is_over = [], threading.Event()

    def run(self):
        while not self.is_over.is_set():
            self.ids.append(lab.home.inject("anna@home.example", [POSTFIX], MESSAGE))
            self.is_over.wait(0.02)

    def more(self, count=15):
        """Returns when so many more have been sent."""
        before = len(self.ids)
        wait_for("more mail", lambda: len(self.ids) > before + count)

    def end(self):
        self.is_over.set()
        self.join()
        return self.ids


class Rotation(Case):
    def setUp(self):
        super().setUp()
        self.addCleanup(lab.edge.restart)   # the last of them
        for host, paths in ((lab.vps, (LIST, EDGE_KEY)), (lab.home, (EDGES, HOME_KEY))):
            for path in paths:
                text = host.read(path)
                self.addCleanup(lambda host=host, path=path, text=text: (
                    host.write(path, text), host.run("rm", "-f", path + ".next")))
        # What an earlier case left there of an edge that could not be had.
        lab.home.run("rm", "-f", "/var/lib/postern/edges.state")
        self.stream = Stream()
        self.addCleanup(self.stream.end)
        self.stream.start()
        self.stream.more(3)

    def all_sent(self):
        """Every message, at its first attempt."""
        ids = self.stream.end()
        lab.home.wait_queue_empty()
        lines = [line for line in lab.home.grep_log("postfix/lmtp.*status=")]
        self.assertFalse([line for line in lines if "status=sent" not in line])
        self.assertEqual(sorted(ids), sorted(re.search(r"(\w+): to=", line)[1] for line in lines))
        self.assertGreater(len(ids), 40)

    def test_edge(self):
        said = lab.vps.run("postern", "rotate", "edge").stdout
        old, both = re.search(r"    (key=\S+)\nby\n    (key=\S+ key=\S+)\n", said).groups()
        self.assertEqual(lab.vps.run("postern", "rotate", "edge").stdout, said, "a second run goes on with the first")
        new = both.split()[0]
        self.assertNotEqual(old, new)
        lab.vps.wait_log(r"edge\.key\.next was read")
        self.stream.more()
        table = lab.home.read(EDGES)
        self.assertIn(old, table)
        lab.home.write(EDGES + ".new", table.replace(old, both))
        lab.home.run("mv", EDGES + ".new", EDGES)
        self.stream.more(5)
        mark = lab.vps.log_mark()
        self.stream.more()
        self.assertFalse(lab.vps.grep_log("uses the key of this edge that is being replaced", mark))
        self.assertRegex(lab.vps.run("postern", "rotate", "--finish", "edge").stdout, rf"answers to {re.escape(new[4:])} alone now")
        lab.vps.wait_log("has one key again", since=mark)
        self.stream.more()
        self.all_sent()
        # The mail hosts' last edit, and a restart on the one file that is left.
        lab.home.write(EDGES, table.replace(old, new))
        lab.edge.restart()
        queue_id = lab.home.inject("anna@home.example", [POSTFIX], MESSAGE)
        self.assertIn("status=sent", lab.home.wait_log(rf"postfix/lmtp.*{queue_id}: to=.*status=")[0])
        # Who knows the old key alone is a stranger now.
        lab.home.write(EDGES, table)
        queue_id = lab.home.inject("anna@home.example", [POSTFIX], MESSAGE)
        self.assertIn("is not this edge's", lab.home.wait_log(rf"postfix/lmtp.*{queue_id}: to=.*status=deferred")[0])
        self.assertEqual(lab.vps.run("postern", "rotate", "--finish", "edge", check=False).returncode, 66)

    def test_edge_key_that_is_there_first(self):
        """A mail host whose table names the new key before the edge has it falls back on the old one, and the edge names who does not have it."""
        secret = "/tmp/next.key"
        self.addCleanup(lab.vps.run, "rm", "-f", secret)
        new = "key=" + lab.vps.run("postern", "keygen", secret).stdout.strip()
        old = re.search(r"key=\S+", lab.home.read(EDGES))[0]
        lab.home.write(EDGES + ".new", lab.home.read(EDGES).replace(old, f"{new} {old}"))
        lab.home.run("mv", EDGES + ".new", EDGES)
        self.stream.more()
        lab.vps.run("sh", "-ec", f"chown _postern-edge: {secret}; mv {secret} {EDGE_KEY}.next")
        lab.vps.wait_log(r"edge\.key\.next was read")
        self.stream.more()
        mark = lab.vps.log_mark()
        lab.home.write(EDGES + ".new", lab.home.read(EDGES).replace(f"{new} {old}", old))
        lab.home.run("mv", EDGES + ".new", EDGES)
        self.stream.more()
        lab.vps.wait_log("client=home uses the key of this edge that is being replaced", since=mark)
        self.all_sent()

    def test_transport(self):
        lab.vps.run("postern", "revoke", "home")
        # With options, which the new line must keep.
        self.stream.end()
        lab.home.empty_queue()
        key = lab.home.run("postern", "pubkey", HOME_KEY).stdout.strip()
        lab.vps.run("postern", "authorize", key, "home", "domains=home.example", "recipients=100")
        self.mark_all()
        self.stream = Stream()
        self.stream.start()
        self.stream.more(3)
        said = lab.home.run("postern", "rotate", "transport").stdout
        command = re.search(r"    (postern authorize (\S+) (\S+))\n", said)
        self.assertEqual(command[3], key)
        # Too early: nothing changes.
        early = lab.home.run("postern", "rotate", "--finish", "transport", check=False)
        self.assertEqual(early.returncode, 75, early)
        self.assertIn("edge vps: ", early.stderr)
        self.assertIn("nothing was changed", early.stderr)
        self.assertEqual(lab.home.run("postern", "pubkey", HOME_KEY).stdout.strip(), key)
        lab.vps.run(*command[1].split())
        self.assertEqual([line.split(None, 1)[1] for line in lab.vps.read(LIST).splitlines()[-2:]],
                         ["home domains=home.example recipients=100"] * 2)
        self.stream.more()
        done = lab.home.run("postern", "rotate", "--finish", "transport").stdout
        self.assertIn("edge vps knows the new key", done)
        self.stream.more()
        lab.vps.run(*re.search(r"    (postern revoke \S+)\n", done)[1].split())
        self.stream.more()
        self.all_sent()
        self.assertNotIn(key, lab.vps.read(LIST))

    def mark_all(self):
        for host in lab.hosts:
            host.mark = host.log_mark()
