"""What an administrator asks: status, metrics, log, test; told by real deliveries."""
import glob
import json
import os
import re

import tunnel_peer
from harness import Case, lab, wait_for
from tunnel_peer import KeyPair, frames, open_tunnel, text_of

MESSAGE = b"From: anna@home.example\r\nSubject: status\r\n\r\nhello\r\n"
MONITORING = os.path.join(os.path.dirname(__file__), "..", "..", "contrib", "monitoring")
OWN_CONF = "/etc/postern/other.conf"
OWN_EDGES = "/etc/postern/other-edges"


def postern(*arguments, host=None, check=True):
    return (host or lab.home).run("postern", *arguments, check=check)


def metrics(host=None):
    """{name{labels}: number} and the names alone."""
    samples = {}
    for line in postern("metrics", host=host).stdout.splitlines():
        if not line.startswith("#"):
            name, value = line.rsplit(" ", 1)
            samples[name] = float(value)
    return samples, {name.split("{")[0] for name in samples}


class StatusCase(Case):
    def send(self, *recipients):
        return lab.home.inject("anna@home.example", list(recipients), MESSAGE)

    def outcomes(self, queue_id, count=1):
        return lab.home.wait_log(rf"postfix/lmtp.*{queue_id}: to=.*status=", count=count)

    def own_table(self, line):
        """Another table of edges, for commands that are told of it by --config."""
        lab.home.write(OWN_CONF, lab.home.read("/etc/postern/postern.conf") + f'edges = "{OWN_EDGES}";\n')
        lab.home.write(OWN_EDGES, line)
        self.addCleanup(lab.home.run, "rm", "-f", OWN_CONF, OWN_EDGES)

    def edge_line(self):
        return lab.home.read("/etc/postern/edges")


class Told(StatusCase):
    def test_what_happened(self):
        """One of each: the numbers of both ends, of the text and of the metrics are these, and no others."""
        lab.edge.restart()
        queue_id = self.send("you@postfix.example", "me@sink.example", "refused@exim.example", "later@postfix.example",
                             "you@servfail.example")
        self.outcomes(queue_id, 5)
        edge, = json.loads(postern("status", "--json").stdout)["edges"]
        self.assertEqual((edge["name"], edge["state"], edge["clock_offset_s"]), ("vps", "up", 0))
        self.assertGreater(edge["round_trip_ms"], 0)
        client = edge["answer"]["client"]
        self.assertEqual(client["recipients"], {"sent": 2, "deferred": 2, "bounced": 1})
        self.assertEqual((client["messages"], client["active"]), (1, 0))
        day = client["day"]
        self.assertEqual((day["sent"], day["deferred"], day["bounced"]), (2, 2, 1))
        self.assertEqual({name: count for name, count in day["tls"].items() if count}, {"none": 1, "unauthenticated": 1})
        self.assertEqual({name: count for name, count in day["reasons"].items() if count}, {"dns": 1, "policy": 1})
        last = {row["domain"]: row["last"] for row in edge["answer"]["destinations"]}
        self.assertEqual(set(last), {"postfix.example", "sink.example", "exim.example", "servfail.example"})
        self.assertEqual((last["exim.example"]["status"], last["exim.example"]["dsn"]), ("bounced", "5.0.0"))
        self.assertIn("550 User unknown here", last["exim.example"]["text"])

        text = postern("status").stdout
        for line in ("edge: vps", "  endpoint: 198.51.100.20:7843", "  last 24 hours: 2 sent, 2 deferred, 1 bounced",
                     "  tls: 1 none, 1 unauthenticated", "  deferred because: 1 dns, 1 policy"):
            self.assertIn(line, text.splitlines())
        self.assertRegex(text, r"(?m)^  state: up \(edge\.vps\.example, postern [\d.]+, for \d+ seconds?\)$")
        self.assertRegex(text, r"(?m)^  last delivery: \d+ seconds? ago$")
        self.assertNotIn("later@", text)
        self.assertRegex(postern("status", host=lab.vps).stdout,
                         r"(?s)this edge: edge\.vps\.example.*client: home\n.*last 24 hours: 2 sent, 2 deferred, 1 bounced")

        samples, _ = metrics()
        for name, value in {'postern_edge_up{edge="vps"}': 1, 'postern_recipients_total{edge="vps",outcome="sent"}': 2,
                            'postern_day_tls{edge="vps",level="none"}': 1, 'postern_day_bounced{edge="vps"}': 1,
                            'postern_day_deferred_by_reason{edge="vps",reason="dns"}': 1}.items():
            self.assertEqual(samples[name], value, name)
        self.assertEqual(metrics(lab.vps)[0]['postern_client_recipients_total{client="home",outcome="bounced"}'], 1)
        self.assertNotRegex(postern("metrics").stdout, "postfix|exim|servfail|example|@")

        # What the journal knows is told again and not counted again.
        again = self.send("you@postfix.example")
        self.outcomes(again)
        edge, = json.loads(postern("status", "--json").stdout)["edges"]
        self.assertEqual(edge["answer"]["client"]["day"]["sent"], 3)

    def test_under_way(self):
        """What is being delivered now, as both ends see it."""
        self.send("you@blackhole.example")

        def there(host, *path):
            found = json.loads(postern("status", "--json", host=host).stdout)
            for step in path:
                found = found[step]
            return [row for row in found if row["domain"] == "blackhole.example" and row["active"] == 1]

        wait_for("active at the edge", lambda: there(lab.vps, "here", "destinations"))
        self.assertTrue(there(lab.home, "edges", 0, "answer", "destinations"))
        self.assertRegex(postern("status", host=lab.vps).stdout, r"destination: blackhole\.example: 1 active, 0 waiting")
        lab.edge.kill()     # it would wait for the delivery

    def test_textfile(self):
        lab.home.run("mkdir", "-p", "/var/lib/node-exporter")
        path = "/var/lib/node-exporter/postern.prom"
        for _ in range(2):
            postern("metrics", "--textfile", path)
            self.assertIn('postern_edge_up{edge="vps"} 1\n', lab.home.read(path))
            self.assertEqual(lab.home.run("ls", "-A", "/var/lib/node-exporter").stdout, "postern.prom\n")
        done = postern("metrics", "--textfile", "/nonexistent/postern.prom", check=False)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("/nonexistent", done.stderr)

    def test_watch(self):
        shown = lab.home.run("sh", "-c", "postern status --watch --interval 1 | grep -m 2 'edge: vps'").stdout
        self.assertEqual(shown.count("edge: vps"), 2)

    def test_dashboard_and_alerts_name_metrics_that_exist(self):
        self.outcomes(self.send("you@postfix.example"))
        known = metrics()[1] | metrics(lab.vps)[1]
        # Only there once a limit has turned something away.
        known |= {"postern_turned_away_total", "postern_client_turned_away_total"}
        named = set()
        for path in glob.glob(os.path.join(MONITORING, "*")):
            with open(path, encoding="utf-8") as file:
                text = file.read()
            named |= set(re.findall(r"\bpostern_[a-z_]*[a-z]\b", text))
            if path.endswith(".json"):
                json.loads(text)
        self.assertGreater(len(named), 10)
        self.assertEqual(named - known, set())


class Down(StatusCase):
    def test_why(self):
        """Each layer that can fail is named, and so is what to do."""
        line = self.edge_line()
        rows = {
            "connection": ("refused", line.replace(":7843", ":7999")),
            "name": ("cannot look up", line.replace("198.51.100.20", "no-such-host.invalid")),
            "connection ": ("Connection timed out", line.replace("198.51.100.20", "203.0.113.66")),
            "handshake": ("postern authorize", re.sub(r"key=\S+", "key=" + "A" * 42 + "E=", line)),
        }
        for layer, (words, table) in rows.items():
            with self.subTest(layer=layer):
                self.own_table(table)
                done = postern("status", "--config", OWN_CONF, "--timeout", "5", check=False)
                self.assertEqual(done.returncode, 69)
                self.assertRegex(done.stdout, rf"(?m)^  state: down, no {layer.strip()}: .*{words}")
        self.own_table(line + line.replace("vps", "off", 1).rstrip() + " disabled\n")
        self.assertIn("state: disabled, not asked", postern("status", "--config", OWN_CONF).stdout)

    def test_edge_on_the_mail_host_is_down(self):
        """What is known of the others is told all the same."""
        lab.home.write("/etc/postern/edge.conf", "")
        self.addCleanup(lab.home.run, "rm", "/etc/postern/edge.conf")
        done = postern("status", check=False)
        self.assertEqual(done.returncode, 69)
        self.assertIn("is postern-edge running", done.stderr)
        self.assertRegex(done.stdout, r"(?m)^  state: up ")
        self.assertEqual(metrics()[0]['postern_edge_up{edge="vps"}'], 1)

    def test_not_root(self):
        done = lab.home.run("setpriv", "--reuid", "nobody", "--clear-groups", "postern", "status", check=False)
        self.assertEqual((done.returncode, done.stdout), (66, ""))
        self.assertIn("transport.key: only root and the user of the transport may read", done.stderr)

    def test_edge_is_down(self):
        lab.edge.stop()
        self.addCleanup(lab.edge.start)
        done = postern("status", check=False)
        self.assertEqual(done.returncode, 69)
        self.assertRegex(done.stdout, r"(?m)^  state: down, no connection: .*refused")
        self.assertEqual(metrics()[0]['postern_edge_up{edge="vps"}'], 0)
        done = postern("status", host=lab.vps, check=False)
        self.assertEqual(done.returncode, 69)
        self.assertIn("is postern-edge running", done.stderr)
        done = postern("test", "--from", "anna@home.example", "you@postfix.example", check=False)
        self.assertEqual(done.returncode, 75, done.stdout)
        self.assertRegex(done.stdout, r"(?s)put off, and still in the queue .*edge 198\.51\.100\.20:7843 cannot be reached")
        self.assertNotIn("does not send", done.stdout)
        queue_id = re.search(r"postqueue -i (\w+)", done.stdout).group(1)
        done = postern("log", queue_id, check=False)
        self.assertEqual(done.returncode, 69)
        self.assertIn("edge vps cannot be asked: no connection", done.stderr)
        self.assertRegex(done.stdout, rf"postfix/lmtp\[\d+\]: {queue_id}: to=<you@postfix.example>")


class Log(StatusCase):
    def test_one_message_from_both_ends(self):
        queue_id = self.send("you@postfix.example", "refused@exim.example")
        other = self.send("you@sink.example")
        self.outcomes(queue_id, 2)
        self.outcomes(other)
        lab.home.wait_log(rf"{queue_id}: removed")
        lines = postern("log", queue_id).stdout.splitlines()
        steps = ["smtpd", "cleanup", "qmgr.*queue active", f"vps postern/edge: {queue_id}: client=home",
                 f"vps postern/edge: {queue_id}: to=<@postfix.example>.*status=sent", "postern/transport.*to=<you@postfix.*status=",
                 "postfix/lmtp.*to=<you@postfix.*status=", "removed"]
        at = [next(number for number, line in enumerate(lines) if re.search(step, line)) for step in steps]
        self.assertEqual(at, sorted(at), "\n".join(lines))
        self.assertFalse([line for line in lines if other in line])
        edge = [line for line in lines if " vps postern/edge: " in line]
        self.assertEqual(len(edge), 3)
        self.assertNotIn("you@", "".join(edge))
        rows = json.loads(postern("log", "--json", queue_id).stdout)
        self.assertEqual(len([row for row in rows if row.get("edge") == "vps"]), 3)
        # As the manual says of compressed files.
        lab.home.run("sh", "-c", "gzip -c /var/log/mail.log >/root/mail.log.2.gz")
        old = lab.home.run("sh", "-c", f"zcat -f /root/mail.log.2.gz | postern log --file /dev/stdin {queue_id}").stdout
        # The edge's times are corrected anew each time.
        told = [sorted(re.sub(r"^\S+ \S+ +", "", line) for line in some) for some in (old.splitlines(), lines)]
        self.assertEqual(*told)

    def test_nothing_is_known(self):
        done = postern("log", "4ZZZZZZZZZ", check=False)
        self.assertEqual((done.returncode, done.stdout), (66, ""))
        self.assertIn("no line of 4ZZZZZZZZZ in /var/log/mail.log", done.stderr)
        self.assertEqual(postern("log", "4Z;ls", check=False).returncode, 64)
        done = postern("log", "--file", "/nonexistent", "4ZZZ", check=False)
        self.assertEqual(done.returncode, 66)
        self.assertIn("/nonexistent: No such file", done.stderr)


class Stranger(StatusCase):
    """Another client of the edge, which speaks the tunnel itself."""

    def setUp(self):
        super().setUp()
        saved = lab.vps.read(tunnel_peer.CLIENTS)
        self.addCleanup(lab.vps.write, tunnel_peer.CLIENTS, saved)
        self.key = KeyPair()
        lab.vps.write(tunnel_peer.CLIENTS + ".new", saved + f"{text_of(self.key.public)} peer\n")
        lab.vps.run("mv", tunnel_peer.CLIENTS + ".new", tunnel_peer.CLIENTS)

    def ask(self, tunnel, question, argument=None):
        tunnel.send(frames.encode(frames.ASK, question=question, argument=argument))
        answer = b""
        while True:
            frame = tunnel.receive()
            self.assertEqual(frame.kind, frames.ANSWER, frame)
            answer += frame.fields["data"]
            if frame.fields["last"]:
                return json.loads(answer)

    def test_is_told_nothing_of_others(self):
        queue_id = self.send("you@postfix.example")
        self.outcomes(queue_id)
        tunnel = open_tunnel(self.key)
        status = self.ask(tunnel, "status")
        self.assertEqual((status["client"]["client"], status["client"]["messages"], status["destinations"]), ("peer", 0, []))
        self.assertEqual(self.ask(tunnel, "log", queue_id)["lines"], [])
        self.assertNotIn("home", json.dumps(status))
        for argument in (None, "", "a b", "x" * 64, "../" + queue_id):
            self.assertIn("is no queue id", self.ask(tunnel, "log", argument or None)["error"])
        self.assertIn("may not be asked", self.ask(tunnel, "enrol", "x")["error"])
        self.assertIn("does not know the question", self.ask(tunnel, "peers")["error"])
        tunnel.send(frames.encode(frames.ENVELOPE, 1, reverse_path="", budget_ms=1000))
        tunnel.send(frames.encode(frames.ASK, question="status"))
        frame = tunnel.receive()
        self.assertEqual((frame.kind, frame.fields["reason"]), (frames.CLOSE, 4))


class Test(StatusCase):
    def run_test(self, recipient, *options):
        return postern("test", "--from", "anna@home.example", *options, recipient, check=False)

    def test_outcomes(self):
        rows = {"you@postfix.example": (0, "delivered: 250 2.0.0 edge.vps.example: mx.postfix.example"),
                "refused@exim.example": (69, "refused: .*550 User unknown here"),
                "later@postfix.example": (75, "put off, .*Come back later")}
        for recipient, (status, words) in rows.items():
            with self.subTest(recipient=recipient):
                done = self.run_test(recipient)
                self.assertEqual(done.returncode, status, done.stdout)
                self.assertRegex(done.stdout.splitlines()[-1], words)
                for step in ("Postfix has the message", "message-id=<postern-test", "queue active", "postern/transport",
                             "edge  vps postern/edge: .*client=home"):
                    self.assertRegex(done.stdout, step)
        self.assertEqual(len(lab.wait_stored("mx-postfix")), 1)

    def test_wrong_usage(self):
        for arguments in (["nobody"], ["--timeout", "x", "you@postfix.example"], ["a@b.example", "c@d.example"]):
            self.assertEqual(postern("test", *arguments, check=False).returncode, 64, arguments)
        done = self.run_test("you@postfix.example", "--file", "/nonexistent")
        self.assertEqual(done.returncode, 66)
        self.assertIn("nothing was sent", done.stderr)

    def test_not_by_postern(self):
        """Mail that Postfix keeps to itself is told apart."""
        done = self.run_test("anna@home.example")
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertIn("does not send this mail by postern", done.stdout)

    def test_no_outcome(self):
        lab.home.write("/tmp/empty.log", "")
        done = self.run_test("you@postfix.example", "--file", "/tmp/empty.log", "--timeout", "1")
        self.assertEqual(done.returncode, 1)
        self.assertIn("no line of /tmp/empty.log names the message", done.stdout)

    def test_no_outcome_yet(self):
        done = self.run_test("you@blackhole.example", "--timeout", "5")
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stdout, r"no outcome within 5 s; the message is in the active queue; `postern log \w+' shows")
        lab.edge.kill()     # it would wait for the delivery
