"""Three edges: whose mail leaves by which, that it waits rather than leave by another's, and what a change of the tables does to mail
that is under way."""
import re
import smtplib

from harness import Case, lab
from more_edges import MoreEdge
from test_45_pipe import ENTRY

MESSAGE = b"From: anna@home.example\r\nSubject: by its own edge\r\n\r\nx\r\n"
TO = "you@postfix.example"
EDGES, ROUTES, MASTER = "/etc/postern/edges", "/etc/postern/routes", "/etc/postfix/master.cf"
TRANSPORT = "/usr/libexec/postern/postern-transport"


class Routes(Case):
    @classmethod
    def setUpClass(cls):
        cls.tables = {path: lab.home.read(path) for path in (EDGES, ROUTES)}
        cls.more = [MoreEdge("de", 7991), MoreEdge("fr", 7992)]
        cls.addClassCleanup(cls.restore)
        for edge in cls.more:
            edge.start()
        us = re.search(r"key=\S+", cls.tables[EDGES])[0]
        cls.lines = {"us": f"us 198.51.100.20:7843 {us}", **{edge.name: edge.line for edge in cls.more}}

    @classmethod
    def restore(cls):
        for path, text in cls.tables.items():
            lab.home.write(path, text)
        for edge in cls.more:
            edge.remove()
        lab.home.empty_queue()

    def setUp(self):
        super().setUp()
        self.write_edges()
        lab.home.write(ROUTES, "* us\n")

    def write_edges(self, **options):
        lab.home.write(EDGES, "".join(f"{line} {options.get(name, '')}\n" for name, line in self.lines.items()))

    def inject(self, sender, *recipients):
        return lab.home.inject(sender, list(recipients or [TO]), MESSAGE)

    def edge_of(self, queue_id, to=TO):
        """The edge that took the message, in the transport's words."""
        line = lab.home.wait_log(rf"postern/transport.*{queue_id}: to=<{to}>, edge=\w+, .*status=sent")[0]
        return re.search(r"edge=(\w+)", line)[1]

    def assert_edge(self, expected, sender, to=TO):
        self.assertEqual(self.edge_of(self.inject(sender, to), to), expected, f"{sender} {to}")

    def assert_waits(self, queue_id, pattern, to=TO):
        line = lab.home.wait_log(rf"postfix/.*{queue_id}: to=<{to}>.*status=deferred")[0]
        self.assertRegex(line, pattern)
        self.assertEqual(lab.home.grep_log(rf"postern/transport.*{queue_id}: to=<{to}>.*status=sent"), [])

    def test_by_sender(self):
        """The domain, its subdomains, everybody else."""
        lab.home.write(ROUTES, "a.example de\n.a.example fr\n* us\n")
        self.assert_edge("de", "x@a.example")
        self.assert_edge("de", "x@A.EXAMPLE")
        self.assert_edge("fr", "x@sub.a.example")
        self.assert_edge("us", "x@nota.example")

    def test_null_reverse_path(self):
        """A bounce leaves by the edge of the tenant whom it goes to; the host's own edge takes those to strangers."""
        lab.home.write(ROUTES, "postfix.example de\n<> fr\n* us\n")
        self.assert_edge("de", "")
        self.assert_edge("fr", "", "you@exim.example")
        self.assert_edge("us", "x@home.example", "you@exim.example")
        # both in one message: the edge of the first, and the other one at the next attempt
        queue_id = self.inject("", TO, "you@exim.example")
        self.assertEqual(self.edge_of(queue_id, "you@exim.example"), "fr")
        self.assert_waits(queue_id, r"452 4\.5\.3 mail without a sender to this domain has another route", TO)
        lab.home.flush()
        self.assertEqual(self.edge_of(queue_id), "de")

    def test_real_bounce(self):
        """Postfix's own bounce to a tenant's address elsewhere, which has no XFORWARD IDENT."""
        lab.home.write(ROUTES, "exim.example de\n* us\n")
        self.inject("tenant@exim.example", "refused@postfix.example")
        line = lab.home.wait_log(r"postern/transport.*: to=<tenant@exim\.example>, edge=\w+, .*status=sent")[0]
        self.assertIn("edge=de,", line)

    def test_login(self):
        """As whom the client logged in, and not what it writes into a header."""
        lab.home.write(ROUTES, "login:alice de\nlogin:bob fr\n* us\n")
        lab.home.postconf("smtpd_sasl_authenticated_header = yes")
        self.addCleanup(lab.home.reload)
        self.addCleanup(lab.home.run, "postconf", "-X", "smtpd_sasl_authenticated_header")
        forged = b"Received: from x (y [192.0.2.1])\r\n\t(Authenticated sender: bob)\r\n\tby h (Postfix) with ESMTPSA id ABCDEF\r\n" \
                 b"\tfor <z@z.example>; Sat, 21 Nov 2026 10:00:00 +0000\r\n" + MESSAGE
        for login, expected in (("alice", "de"), ("bob", "fr"), ("carol", "us")):
            with lab.home.submit(login) as session:
                session.mail("x@home.example")
                session.rcpt(TO)
                said = session.data(forged)[1].decode()
            self.assertEqual(self.edge_of(said.rsplit(None, 1)[-1]), expected, login)
        # where Postfix's own field is taken away the client's counts for nothing
        lab.home.postconf("header_checks = regexp:{{/^Received:.*Authenticated sender: carol/ IGNORE}}")
        self.addCleanup(lab.home.run, "postconf", "-X", "header_checks")
        with lab.home.submit("carol") as session:
            session.mail("x@home.example")
            session.rcpt(TO)
            said = session.data(forged)[1].decode()
        self.assertEqual(self.edge_of(said.rsplit(None, 1)[-1]), "us")
        self.assertEqual(self.edge_of(self.inject("x@home.example")), "us")

    def test_login_by_pipe(self):
        lab.home.write(ROUTES, "login:alice de\n* us\n")
        master = lab.home.read(MASTER)
        lab.home.write(MASTER, master + "\n" + ENTRY)
        lab.home.run("postconf", "-e", "postern-pipe_destination_recipient_limit = 1",
                     "transport_maps = inline:{{home.example = virtual:} {* = postern-pipe:}}")
        lab.home.reload()
        try:
            with lab.home.submit("alice") as session:
                session.mail("x@home.example")
                session.rcpt(TO)
                said = session.data(MESSAGE)[1].decode()
            self.assertEqual(self.edge_of(said.rsplit(None, 1)[-1]), "de")
            self.assertEqual(self.edge_of(self.inject("x@home.example")), "us")
        finally:
            lab.home.write(MASTER, master)
            lab.home.run("postconf", "-X", "postern-pipe_destination_recipient_limit", "transport_maps")
            lab.home.reload()

    def test_hash_and_weighted(self):
        """A domain stays where it is; chance goes everywhere."""
        lab.home.write(ROUTES, "chance.example us,de,fr select=weighted\n* us,de,fr select=hash\n")
        found = {}
        for domain in [f"t{i}.example" for i in range(8)] * 2:
            found.setdefault(domain, set()).add(self.edge_of(self.inject(f"x@{domain}")))
        self.assertEqual([domain for domain, edges in found.items() if len(edges) != 1], [])
        self.assertGreater(len(set.union(*found.values())), 1)
        self.assertGreater(len({self.edge_of(self.inject("x@chance.example")) for _ in range(12)}), 1)

    def test_isolation_and_service(self):
        """A tenant's mail waits when its edge takes none, whoever else's could; running sessions see each change."""
        lab.home.write(ROUTES, "a.example de\n* us,de\n")
        self.assert_edge("de", "x@a.example")
        for command, said in (("drain", "de is drained"), ("disable", "de is disabled")):
            lab.home.run("postern", "edges", command, "de")
            self.assert_waits(self.inject("x@a.example"), rf"451 4\.4\.4 no usable edge: line 1 \(a\.example\) has no edge that takes new "
                                                          rf"mail: {said}; see {ROUTES} and {EDGES}")
            self.assert_edge("us", "x@b.example")
        lab.home.run("postern", "edges", "enable", "de")
        lab.home.flush()
        lab.home.wait_queue_empty()
        refused = lab.home.run("postern", "edges", "remove", "de", check=False)
        self.assertEqual(refused.returncode, 65)
        self.assertIn(f'{ROUTES}:2: the route of * names edge "de"', refused.stderr)
        lab.home.write(ROUTES, "a.example de\n")
        self.assert_waits(self.inject("x@b.example"), r'4\.4\.4 no usable edge: no route for sender domain "b\.example"')

    def test_bad_file(self):
        """What runs keeps its tables and warns once; what starts defers with file and line; nothing is lost."""
        with smtplib.LMTP(lab.home.path("/var/spool/postfix/private/postern-spawn")) as session:
            session.sendmail("x@a.example", TO, MESSAGE)
            lab.home.write(ROUTES, "* us\na.example us select=best\n")
            for _ in range(2):
                session.sendmail("x@a.example", TO, MESSAGE)
        self.assertEqual(len(lab.wait_stored("mx-postfix", 3)), 3)
        warned = lab.home.grep_log(rf"{ROUTES}:2: select=best: known are failover, hash and weighted \(the old tables stay in force\)")
        self.assertEqual(len(warned), 1, warned)
        checked = lab.home.run(TRANSPORT, "--check", check=False)
        self.assertEqual((checked.returncode, checked.stderr),
                         (78, f"postern-transport: {ROUTES}:2: select=best: known are failover, hash and weighted\n"))
        queue_id = self.inject("x@a.example")
        self.assert_waits(queue_id, rf"4\.3\.5 {ROUTES}:2: select=best")
        lab.home.write(ROUTES, "* de\n")
        lab.home.flush()
        self.assertEqual(self.edge_of(queue_id), "de")
