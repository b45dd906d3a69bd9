"""Tenants of one edge: whose mail a key may send, how much of it, and from which address."""
import json
import re
import subprocess
import time

import tunnel_peer
from harness import Case, lab, wait_for
from postern_initiator import send_transaction
from tunnel_peer import KeyPair, frames, open_tunnel, text_of

LIST = tunnel_peer.CLIENTS
MESSAGE = b"From: anna@home.example\r\nSubject: tenants\r\n\r\nhello\r\n"
POSTFIX = "you@postfix.example"
SOURCE4, SOURCE6 = "198.51.100.21", "2001:db8:2::21"


class TenantCase(Case):
    def setUp(self):
        super().setUp()
        self.saved = lab.vps.read(LIST)
        self.addCleanup(lab.vps.write, LIST, self.saved)
        self.key = KeyPair()

    def options(self, *options):
        """The mail host's line gets these."""
        lab.vps.write(LIST + ".new", "".join(line + " " + " ".join(options) + "\n" for line in self.saved.splitlines()))
        lab.vps.run("mv", LIST + ".new", LIST)

    def line(self, *options):
        """A tenant of ours, which speaks the tunnel itself."""
        lab.vps.write(LIST + ".new", self.saved + f"{text_of(self.key.public)} peer {' '.join(options)}\n")
        lab.vps.run("mv", LIST + ".new", LIST)

    def outcome(self, tunnel, transaction, sender, recipients=(POSTFIX,)):
        """The outcomes of one transaction, in the order of the recipients."""
        send_transaction(tunnel, transaction, sender, list(recipients), MESSAGE)
        found = {}
        while (frame := tunnel.receive()).kind != frames.DONE:
            self.assertEqual(frame.kind, frames.STATUS, frame)
            found[frame.fields["index"]] = (frame.fields["status"], frame.fields.get("reason", ""))
        self.assertEqual(sorted(found), list(range(len(recipients))))
        return [found[index] for index in range(len(recipients))]

    def send(self, sender="anna@home.example", recipients=(POSTFIX,)):
        return lab.home.inject(sender, list(recipients), MESSAGE)

    def outcome_line(self, queue_id):
        return lab.home.wait_log(rf"postfix/lmtp.*{queue_id}: to=.*status=")[-1]


class Senders(TenantCase):
    def test_stolen_key(self):
        """A key that was stolen sends nothing in other names, and what it does goes back to no sender as a bounce."""
        self.options("domains=home.example,.home.example")
        self.assertIn("status=sent", self.outcome_line(self.send()))
        self.assertIn("status=sent", self.outcome_line(self.send("x@shop.home.example")))
        for sender in ("ceo@bank.example", "x@nothome.example", "x@example"):
            queue_id = self.send(sender)
            line = self.outcome_line(queue_id)
            self.assertRegex(line, r"dsn=4\.7\.1, status=deferred .*sender domain \S+ is not among the domains= of client home")
            self.assertIn(queue_id, [entry["queue_id"] for entry in lab.home.queue()])
        # The postmaster adds the domain that was forgotten, and the mail goes.
        self.options("domains=home.example,bank.example")
        lab.home.flush()
        lab.home.wait_log(r"postfix/lmtp.*status=sent", count=3)

    def test_open_tunnel(self):
        """What the list says holds from the next transaction on, in a tunnel that is open."""
        self.line()
        tunnel = open_tunnel(self.key)
        self.assertEqual(self.outcome(tunnel, 1, "x@any.example")[0][0], (2, 0, 0))
        self.line("domains=a.example")
        self.assertEqual(self.outcome(tunnel, 2, "x@any.example")[0][0], (4, 7, 1))
        self.assertEqual(self.outcome(tunnel, 3, "x@A.example")[0][0], (2, 0, 0))
        self.line("domains=a.example rate=1/1h")
        self.assertEqual(self.outcome(tunnel, 4, "x@a.example")[0][0], (2, 0, 0))
        status, reason = self.outcome(tunnel, 5, "x@a.example")[0]
        self.assertEqual(status, (4, 7, 0))
        self.assertRegex(reason, r"client peer has used up its rate=; try again in 3\d\d\d s")
        self.line("domains=a.example")
        self.assertEqual(self.outcome(tunnel, 6, "x@a.example")[0][0], (2, 0, 0))
        self.line("disabled")
        # No more than this: what a closed socket has not read ends it with RST, and the reason would be lost.
        tunnel.send(frames.encode(frames.ENVELOPE, 7, reverse_path="x@a.example", queue_id=None, budget_ms=60000))
        self.assertEqual(tunnel.receive().kind, frames.CLOSE)

    def test_null_sender(self):
        """Bounces pass; what has several recipients is none, and there is an end to them."""
        self.line("domains=a.example bounces=2/1h")
        tunnel = open_tunnel(self.key)
        self.assertEqual(self.outcome(tunnel, 1, "")[0][0], (2, 0, 0))
        self.assertEqual([status for status, _ in self.outcome(tunnel, 2, "", [POSTFIX, "me@postfix.example"])], [(2, 0, 0), (4, 5, 3)])
        self.assertRegex(self.outcome(tunnel, 3, "")[0][1], r"bounces= \(null sender\); try again in \d+ s")
        self.assertEqual(self.outcome(tunnel, 4, "x@a.example")[0][0], (2, 0, 0))

    def test_bad_option(self):
        """A line that is not understood authorises nobody, and the log says where it is."""
        mark = lab.vps.log_mark()
        self.line("rate=10")
        with self.assertRaises(Exception):
            open_tunnel(self.key)
        self.assertRegex(lab.vps.wait_log("authorized_clients:2", since=mark)[0], r"rate=10: a rate is a number, .*; this line is ignored")
        self.assertIn("status=sent", self.outcome_line(self.send()))


class Limits(TenantCase):
    def test_rate(self):
        """Postfix keeps what is too much and delivers it later; another tenant does not notice."""
        self.options("rate=2/4s")
        ids = [self.send() for _ in range(4)]
        lab.home.wait_log(r"dsn=4\.7\.0, status=deferred .*client home has used up its rate=; try again in \d+ s")
        self.line()
        self.assertEqual(self.outcome(open_tunnel(self.key), 1, "x@any.example")[0][0], (2, 0, 0))
        self.options("rate=2/4s")

        def all_sent():
            lab.home.flush()
            time.sleep(1)
            return not lab.home.queue()
        wait_for("all of them are delivered", all_sent)
        self.assertEqual(len(lab.home.grep_log(rf"postfix/lmtp.*({'|'.join(ids)}): to=.*status=sent")), 4)
        self.assertFalse(lab.home.grep_log("status=bounced"))

    def test_concurrency(self):
        """One at a time: the second waits in the queue, not the others."""
        slow = "you@case161-accepts-late.hostile.example"
        self.line("concurrency=1")
        one, two = open_tunnel(self.key), open_tunnel(self.key)
        send_transaction(one, 1, "x@any.example", [slow], MESSAGE)
        wait_for("the final dot", lambda: any(event["event"] == "dot" for event in lab.hostile("case161_accepts_late")))
        status, reason = self.outcome(two, 1, "x@any.example")[0]
        self.assertEqual(status, (4, 3, 2))
        self.assertIn("client peer has 1 messages under way, its concurrency=", reason)
        self.assertIn("status=sent", self.outcome_line(self.send()))
        one.receive()
        wait_for("the place is free again", lambda: self.outcome(two, int(time.monotonic() * 100), "x@any.example")[0][0] == (2, 0, 0))

    def test_recipients(self):
        """Postfix, which sends 50 at once, is rid of all of them in the end."""
        self.options("recipients=3")
        recipients = [f"r{i}@postfix.example" for i in range(7)]
        queue_id = self.send(recipients=recipients)

        def all_sent():
            lab.home.flush()
            time.sleep(0.5)
            return not lab.home.queue()
        wait_for("all of them are delivered", all_sent)
        self.assertEqual(len(lab.home.grep_log(rf"postfix/lmtp.*{queue_id}: to=.*status=sent")), 7)
        # A tunnel that does not heed INFO is told the same by the edge.
        self.line("recipients=2")
        tunnel = open_tunnel(self.key)
        self.assertEqual(tunnel.info["recipients_max"], 2)
        found = [status for status, _ in self.outcome(tunnel, 1, "x@any.example", recipients[:4])]
        self.assertEqual(found, [(2, 0, 0), (2, 0, 0), (4, 5, 3), (4, 5, 3)])

    def test_size(self):
        self.options("size=10k")
        queue_id = lab.home.inject("anna@home.example", [POSTFIX], MESSAGE + b"x" * 70 + b"\r\n" + b"y" * 70 + b"\r\n" * 6000)
        self.assertRegex(self.outcome_line(queue_id), r"dsn=5\.3\.4, status=bounced")
        self.assertIn("status=sent", self.outcome_line(self.send()))


class Sources(TenantCase):
    """An address and a name of the tenant's own, as the mail servers see them."""

    def setUp(self):
        super().setUp()
        for family, address in (("-4", SOURCE4 + "/32"), ("-6", SOURCE6 + "/128")):
            # preferred_lft: the kernel does not choose it by itself.
            lab.vps.run("ip", family, "addr", "add", address, "dev", "eth0", *(["nodad", "preferred_lft", "0"] if family == "-6" else []))
            self.addCleanup(lab.vps.run, "ip", family, "addr", "del", address, "dev", "eth0")
            # Here is the router.
            subprocess.run(["ip", family, "route", "add", address, "dev", "vps"], check=True)
            self.addCleanup(subprocess.run, ["ip", family, "route", "del", address, "dev", "vps"], check=True)

    def seen(self, since):
        """(EHLO name, address) of the connections that mx-postfix took mail from."""
        log = lab.mx["mx-postfix"].wait_log(r"postfix/smtpd.*: client=", since=since)
        return [re.search(r"client=\S*\[(.*?)\]", line)[1] for line in log]

    def test_source(self):
        """IPv4 of its own: IPv6 would be the edge's, so it is not used."""
        mark = lab.mx["mx-postfix"].log_mark()
        self.options(f"source4={SOURCE4}", "hello=out.shop.example")
        for _ in range(4):
            self.assertIn("status=sent", self.outcome_line(self.send()))
        self.assertEqual(set(self.seen(mark)), {SOURCE4})
        raw = lab.wait_stored("mx-postfix", 4)[0]
        self.assertIn(b"by edge.vps.example (postern)", raw.raw)
        mark = lab.mx["mx-postfix"].log_mark()
        self.options(f"source6={SOURCE6}", f"source4={SOURCE4}")
        for _ in range(8):
            self.assertIn("status=sent", self.outcome_line(self.send()))
        self.assertLessEqual(set(self.seen(mark)), {SOURCE4, SOURCE6})
        mark = lab.mx["mx-postfix"].log_mark()
        self.options()
        self.assertIn("status=sent", self.outcome_line(self.send()))
        self.assertFalse(set(self.seen(mark)) & {SOURCE4, SOURCE6})

    def test_hello(self):
        """What a server hears in EHLO."""
        self.options("hello=out.shop.example", f"source4={SOURCE4}")
        before = len(lab.hostile("case161_accepts_late"))
        self.send(recipients=["you@case161-accepts-late.hostile.example"])

        def seen():
            return " ".join(text for text in map(json.dumps, lab.hostile("case161_accepts_late")[before:]) if "EHLO" in text)
        wait_for("EHLO", lambda: "out.shop.example" in seen())
        self.assertNotIn("edge.vps.example", seen())

    def test_address_is_not_here(self):
        """Nothing bounces, and the sentence names what to do."""
        self.options("source4=198.51.100.99")
        line = self.outcome_line(self.send())
        self.assertRegex(line, r"dsn=4\.\S+, status=deferred .*source address 198\.51\.100\.99: Cannot assign requested address")
        found = lab.vps.run("postern-edge", "--check-host", "postfix.example", check=False)
        self.assertEqual(found.returncode, 69, found)
        self.assertIn("wrong: source4 of client home: 198.51.100.99: Cannot assign requested address", found.stdout)
        self.options(f"source4={SOURCE4}")
        self.assertNotIn("source4", lab.vps.run("postern-edge", "--check-host", "postfix.example", check=False).stdout)


class Peers(TenantCase):
    """What `postern peers` says of a running edge, and what `postern peers set` does to it."""

    def setUp(self):
        super().setUp()
        lab.edge.restart()

    def counts(self, name="home"):
        found = json.loads(lab.vps.run("postern", "peers", "--json").stdout)
        self.assertTrue(found["is_running"], found)
        return {client["name"]: client["counts"] for client in found["clients"]}.get(name)

    def test_counts_and_throttle(self):
        self.assertIsNone(self.counts())
        started = int(time.time())
        for _ in range(2):
            self.assertIn("status=sent", self.outcome_line(self.send()))
        self.assertIn("status=bounced", self.outcome_line(self.send(recipients=["you@nowhere.example"])))
        found = self.counts()
        self.assertEqual((found["transactions"], found["active"]), (3, 0))
        self.assertEqual(found["recipients"], {"relayed": 2, "delayed": 0, "failed": 1})
        self.assertEqual(set(found["refused"].values()), {0})
        self.assertNotIn("rate", found)
        self.assertTrue(started <= found["last_use"] <= time.time())
        # The next message is the first that the new rate allows, the one after it is too much; the tunnel is open all the time.
        self.assertEqual(lab.vps.run("postern", "peers", "set", "home", "rate=1/1h").stdout, "changed home (line 1)\n")
        self.assertIn("status=sent", self.outcome_line(self.send()))
        self.assertRegex(self.outcome_line(self.send()), r"dsn=4\.7\.0, status=deferred .*client home has used up its rate=")
        found = self.counts()
        self.assertEqual((found["transactions"], found["refused"]["rate"]), (4, 1))
        self.assertEqual(found["rate"], {"tokens": 1, "duration_ms": 3600000, "left": 0})
        self.assertRegex(lab.vps.run("postern", "peers").stdout,
                         r"^home \S+ rate=1/1h\n  tunnels \d, messages under way 0; messages 4, recipients: 3 relayed, 0 delayed, 1 failed; "
                         r"turned away: rate 1; rate 1/1h: 0 left; last use 20\d\d-")
        lab.vps.run("postern", "peers", "set", "home", "rate=")
        self.assertEqual(lab.vps.read(LIST), self.saved)
        lab.home.flush()
        wait_for("what waited is delivered", lambda: not lab.home.queue())

    def test_tunnels_and_revocation(self):
        self.line("concurrency=1")
        tunnel = open_tunnel(self.key)
        # It counts as a tunnel before it has sent anything.
        self.assertEqual((self.counts("peer")["sessions"], self.counts("peer")["transactions"]), (1, 0))
        self.assertEqual(self.outcome(tunnel, 1, "x@any.example")[0][0], (2, 0, 0))
        lab.vps.run("postern", "peers", "set", "peer", "domains=a.example", "size=10k")
        self.assertEqual(self.outcome(tunnel, 2, "x@any.example")[0][0], (4, 7, 1))
        found = self.counts("peer")
        self.assertEqual((found["transactions"], found["refused"]["domains"], found["recipients"]["relayed"]), (1, 1, 1))
        lab.vps.run("postern", "revoke", "peer")
        wait_for("the tunnel ends", lambda: self.counts("peer")["sessions"] == 0)
        self.assertEqual(self.counts("peer")["refused"]["revoked"], 1)
        self.assertIn("peer is not in the list\n  tunnels 0,", lab.vps.run("postern", "peers").stdout)

    def test_killed_edge(self):
        """The list is shown without an edge; what a killed one leaves behind does not hinder the next."""
        lab.edge.kill()
        self.addCleanup(lab.edge.start)
        found = lab.vps.run("postern", "peers")
        self.assertRegex(found.stdout, r"\Ahome \S+\n\Z")
        self.assertIn("the list alone, without counts: cannot connect to unix:/run/postern-edge/control.sock: Connection refused", found.stderr)
        lab.edge.start()
        self.assertEqual(lab.vps.run("stat", "-c", "%U %a", "/run/postern-edge/control.sock").stdout, "_postern-edge 600\n")
        self.assertIn("status=sent", self.outcome_line(self.send()))
        self.assertEqual(self.counts()["transactions"], 1)

    def test_no_place_for_the_socket(self):
        conf = lab.vps.read("/etc/postern/edge.conf")
        self.addCleanup(lab.edge.restart)
        self.addCleanup(lab.vps.write, "/etc/postern/edge.conf", conf)
        lab.vps.write("/etc/postern/edge.conf", conf + 'control_socket = "unix:/run/missing/control.sock";\n')
        mark = lab.vps.log_mark()
        lab.edge.restart()
        lab.vps.wait_log("control_socket: .*/run/missing/control.sock: No such file.*`postern peers' cannot show counts", since=mark)
        self.assertIn("status=sent", self.outcome_line(self.send()))
