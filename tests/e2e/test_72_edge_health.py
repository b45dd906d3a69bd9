"""Three edges, of which some die: what that costs the mail, who tries them again, and that they come back by themselves."""
import re
import subprocess
import time

import test_71_routes
from harness import Case, lab
from test_71_routes import MESSAGE, ROUTES, TO

STATE = "/var/lib/postern/edges.state"
DE, FR = 7991, 7992
# An edge that does not answer is waited for 2 s, the last one 4 s; a busy machine adds to that, and TCP alone would wait for minutes.
FAR_MORE_S = 20


class EdgeHealth(Case):
    ALONE = True    # measures time

    # The three edges are those of the routes; as a module, so that its cases are not run here.
    setUpClass = classmethod(test_71_routes.Routes.setUpClass.__func__)
    restore = classmethod(test_71_routes.Routes.restore.__func__)
    write_edges, inject, edge_of = (getattr(test_71_routes.Routes, name) for name in ("write_edges", "inject", "edge_of"))

    def setUp(self):
        super().setUp()
        lab.home.run("rm", "-f", STATE)
        for edge in self.more:
            if not edge.is_listening:
                edge.start()
        self.write_edges()

    def drop(self, *ports):
        """Packets to these ports of the VPS vanish, as do their answers; undone by the end of the case."""
        ports = ", ".join(map(str, ports))
        subprocess.run(["nft", "-f", "-"], text=True, check=True, input=f"""
            table inet outage {{
                chain forward {{
                    type filter hook forward priority -10; policy accept;
                    tcp dport {{ {ports} }} drop
                    tcp sport {{ {ports} }} drop
                }}
            }}
            """)
        self.addCleanup(self.undrop)

    @staticmethod
    def undrop():
        subprocess.run(["nft", "delete", "table", "inet", "outage"], check=False, stderr=subprocess.DEVNULL)

    def send(self, count):
        """Messages one behind the other; returns when all were sent."""
        with lab.home.smtp() as client:
            client.ehlo()
            for _ in range(count):
                client.sendmail("x@a.example", TO, MESSAGE)
        lab.home.wait_log(r"postfix/lmtp.*status=sent", count=count)

    def tries(self, name, since=None):
        return len(lab.home.grep_log(rf"postern/transport.*edge={name}: ", since))

    @staticmethod
    def listed(name):
        return re.search(rf"(?m)^{name} .*", lab.home.run("postern", "edges", "list").stdout)[0]

    def test_refused(self):
        """A process that is gone costs nothing; when it is back a probe finds out, and its mail returns."""
        lab.home.write(ROUTES, "* de,us\n")
        self.more[0].kill()
        self.send(20)
        self.assertLess(self.tries("de"), 10)
        self.assertEqual(len(lab.home.grep_log(r"edge=de is down; the next attempt is due in \d+ ms")), 1)
        self.assertEqual(self.edge_of(self.inject("x@a.example")), "us")
        self.assertRegex(self.listed("de"), r"enabled, weight 1, down for \d+ s, next probe in \d+\.\d s, 0 tunnels, [1-9]\d* failures, 1 outages")
        self.more[0].start()
        time.sleep(5)
        self.edge_of(self.inject("x@a.example"))
        self.assertEqual(self.edge_of(self.inject("x@a.example")), "de")
        self.assertRegex(lab.home.wait_log(r"edge=de is back after \d+ s")[0], "is back after [1-9]")
        self.assertRegex(self.listed("de"), r"up for \d+ s, round trip \d+ ms, last tunnel \d+ s ago, [1-9]\d* tunnels, [1-9]\d* failures, 1 outages")

    def test_no_answer(self):
        """Its packets vanish: those who are on their way wait 2 s, everybody else not at all."""
        lab.home.write(ROUTES, "* de,us\n")
        self.assertEqual(self.edge_of(self.inject("x@a.example")), "de")
        self.drop(DE)
        mark = lab.home.log_mark()
        self.assertEqual(self.edge_of(self.inject("x@a.example")), "us")
        line = lab.home.wait_log(r"postfix/lmtp.*status=sent", since=mark)[0]
        self.assertLess(float(re.search(r"delay=([0-9.]+)", line)[1]), FAR_MORE_S)
        mark = lab.home.log_mark()
        for _ in range(40):
            self.inject("x@a.example")
        lab.home.wait_log(r"postfix/lmtp.*status=sent", count=40, since=mark)
        self.assertLess(self.tries("de", mark), 10)

    def test_isolated(self):
        """A tenant whose only edge is dead waits; one process at a time tries it, and nobody else's mail is held up."""
        lab.home.write(ROUTES, "a.example de\n* us\n")
        self.assertEqual(self.edge_of(self.inject("x@a.example")), "de")
        self.drop(DE)
        mark = lab.home.log_mark()
        for _ in range(15):
            self.inject("x@a.example")
        self.assertEqual(self.edge_of(self.inject("x@b.example")), "us")
        lab.home.wait_log(r"postfix/lmtp.*dsn=4\.4\.1, status=deferred", count=15, since=mark)
        before = lab.home.log_mark()
        for _ in range(10):
            self.inject("x@a.example")
        lines = lab.home.wait_log(r"postfix/lmtp.*status=deferred", count=10, since=before)
        self.assertLessEqual(self.tries("de", before), 4)
        self.assertTrue(all(float(re.search(r"delay=([0-9.]+)", line)[1]) < FAR_MORE_S for line in lines), lines)
        self.assertTrue(any("no edge of the route answers; edge de has been down for" in line for line in lines), lines)
        self.undrop()
        time.sleep(2)   # new mail flows 2 s after it is back
        self.assertEqual(self.edge_of(self.inject("x@a.example")), "de")

    def test_only_one_is_left(self):
        """Of three edges each is in turn the only one."""
        lab.home.write(ROUTES, "* us,de,fr\n")
        lines = {"us": [DE, FR], "de": [7843, FR], "fr": [7843, DE]}
        for name, dead in lines.items():
            self.drop(*dead)
            mark = lab.home.log_mark()
            self.assertEqual(self.edge_of(self.inject("x@a.example")), name)
            line = lab.home.wait_log(r"postfix/lmtp.*status=sent", since=mark)[0]
            self.assertLess(float(re.search(r"delay=([0-9.]+)", line)[1]), FAR_MORE_S)
            self.undrop()
