"""Sessions with mail servers that are used for more than one message, seen from the server."""
from harness import Case, lab, wait_for

HEADER = b"From: anna@home.example\r\nSubject: again\r\n\r\n"
EDGE_CONF = "/etc/postern/edge.conf"
TLS_POLICY = "/etc/postern/tls_policy"
PLAIN, TLS = "case00a_honest", "case00b_honest_tls"


def domain(script):
    return script.replace("_", "-") + ".hostile.example"


def count(script, event, text=""):
    return sum(seen["event"] == event and seen.get("text", "").startswith(text) for seen in lab.hostile(script))


class Connections(Case):
    def setUp(self):
        super().setUp()
        self.saved = lab.vps.read(EDGE_CONF)
        # Of the two addresses of each script one, so that each message goes to the same; and patience, as machines may be slow.
        self.configure("")

    def tearDown(self):
        lab.vps.write(EDGE_CONF, self.saved)
        lab.vps.run("rm", "-f", TLS_POLICY)
        lab.edge.restart()

    def configure(self, text):
        lab.vps.write(EDGE_CONF, self.saved + 'connection_cache_time_limit = "30s";\nipv6 = "off";\n' + text
                      if "connection_cache_time_limit" not in text else self.saved + 'ipv6 = "off";\n' + text)
        lab.edge.restart()

    def send(self, script, messages=1):
        """One after the other, each at its first attempt."""
        for number in range(messages):
            queue_id = lab.home.inject("anna@home.example", [f"u{number}@{domain(script)}"], HEADER)
            lab.home.wait_log(rf"postfix/lmtp.*{queue_id}: to=.*status=")
            self.assertEqual(lab.home.grep_log(rf"{queue_id}: to=.*status=(deferred|bounced)"), [])

    def test_one_session(self):
        """Five messages, one connection; with TLS, one handshake, and the envelope in one flight behind RSET."""
        for script in (PLAIN, TLS):
            self.send(script, 5)
            self.assertEqual(count(script, "connect"), 1, script)
            self.assertEqual(count(script, "dot"), 5)
        self.assertEqual(count(TLS, "tls"), 1)
        self.assertEqual(count(TLS, "command", "EHLO"), 2)
        self.assertEqual(count(TLS, "command", "RSET"), 4)
        self.assertEqual(count(PLAIN, "command", "RSET"), 0, "this one does not pipeline")
        self.assertEqual(len(lab.vps.grep_log(r"to=<@case00b.*tls=may TLSv1\.[23].*status=sent")), 5)

    def test_limits(self):
        """Two messages a session; an idle session is ended with QUIT; so are all when the edge stops."""
        self.configure('connection_reuse_count_limit = 2;\nconnection_cache_time_limit = "1s";\n')
        self.send(TLS, 2)
        wait_for("QUIT after two messages", lambda: count(TLS, "command", "QUIT") == 1)
        self.assertEqual(count(TLS, "connect"), 1)
        self.send(TLS)
        self.assertEqual(count(TLS, "connect"), 2)
        wait_for("QUIT after a second", lambda: count(TLS, "command", "QUIT") == 2)
        self.configure("")
        self.send(TLS)
        self.assertEqual(count(TLS, "command", "QUIT"), 2)
        lab.edge.stop()
        self.assertEqual(count(TLS, "command", "QUIT"), 3)

    def test_switched_off(self):
        self.configure("connection_cache_limit = 0;\n")
        self.send(TLS, 3)
        self.assertEqual(count(TLS, "connect"), 3)

    def test_sessions_that_have_ended(self):
        """Whatever the server does with a session between two messages, the next message goes through at once."""
        for script in ("case200a_closes_after_each", "case200b_dies_when_used_again", "case200c_421_when_used_again",
                       "case200d_421_when_idle"):
            with self.subTest(script):
                self.send(script, 3)
                self.assertEqual(count(script, "connect"), 3)
                self.assertEqual(count(script, "dot"), 3)
        self.assertEqual(count("case200b_dies_when_used_again", "command", "RSET"), 2)
        self.assertEqual(count("case200c_421_when_used_again", "command", "MAIL"), 5)

    def test_policy_changes(self):
        """Another demand on TLS: another session, at once and back."""
        self.send(TLS, 2)
        self.assertEqual(count(TLS, "connect"), 1)
        lab.vps.write(TLS_POLICY, f"{domain(TLS)} encrypt\n")
        self.send(TLS)
        self.assertEqual(count(TLS, "connect"), 2)
        self.assertEqual(len(lab.vps.grep_log(r"to=<@case00b.*tls=encrypt")), 1)
        # No certificate of this server would do: the open session must not be found good enough.
        lab.vps.write(TLS_POLICY, f"{domain(TLS)} secure\n")
        queue_id = lab.home.inject("anna@home.example", [f"secure@{domain(TLS)}"], HEADER)
        lab.home.wait_log(rf"postfix/lmtp.*{queue_id}: to=.*status=deferred")
        self.assertEqual(count(TLS, "connect"), 3)
        self.assertEqual(count(TLS, "command", "MAIL"), 3)

    def test_reload(self):
        """Other authorities may be trusted now."""
        self.send(TLS)
        lab.edge.reload()
        lab.vps.wait_log("was read again")
        self.send(TLS)
        self.assertEqual(count(TLS, "connect"), 2)
