"""Two edges: an unknown outcome is asked for where it lies, and nowhere else while it may lie there (case 176).

The way to the first edge, "us", leads through a proxy that can be taken away: then the edge lives and delivers, but cannot be
reached. The second, "de", has a journal of its own. What the mail hosts on the other side saw decides.
"""
import contextlib
import re

from harness import Case, TunnelProxy, lab, wait_for
from more_edges import MoreEdge
from test_45_pipe import ENTRY

MESSAGE = b"From: anna@home.example\r\nSubject: once\r\n\r\nonly once\r\n"
LATE = "you@case161-accepts-late.hostile.example"       # 3 s
LATER = "you@case174-accepts-later.hostile.example"     # 10 s
EDGE_CONF, POSTERN_CONF, EDGES, ROUTES = "/etc/postern/edge.conf", "/etc/postern/postern.conf", "/etc/postern/edges", "/etc/postern/routes"
STATE = "/var/lib/postern/edges.state"
ANSWERED = r"status=sent \(.*already delivered; answered from journal\)"
WAITS = (r"dsn=4\.4\.2, status=deferred .*edge us may hold the outcome of an earlier attempt; "
         r"no other edge is used until 20\d\d-\d\d-\d\d \d\d:\d\d:\d\d UTC: ")
DUPLICATE = r"status=sent \(.*possible duplicate: an earlier attempt may have been delivered\)"


def script_of(address):
    return re.sub(r"-", "_", address.split("@")[1].split(".")[0])


class Affinity(Case):
    @classmethod
    def setUpClass(cls):
        cls.tables = {path: lab.home.read(path) for path in (EDGES, ROUTES, POSTERN_CONF)}
        cls.edge_conf = lab.vps.read(EDGE_CONF)
        cls.second = MoreEdge("de", 7999)
        cls.second.start()
        cls.addClassCleanup(cls.restore)
        us = re.search(r"key=\S+", cls.tables[EDGES])[0]
        cls.edges = f"us 198.51.100.20:7844 {us}\n{cls.second.line}\n"

    @classmethod
    def restore(cls):
        for path, text in cls.tables.items():
            lab.home.write(path, text)
        cls.second.remove()
        lab.home.empty_queue()
        lab.home.reload()

    def setUp(self):
        super().setUp()
        lab.home.write(EDGES, self.edges)
        lab.home.write(ROUTES, "* us,de\n")
        lab.home.write(POSTERN_CONF, self.tables[POSTERN_CONF])
        self.new_sessions()
        lab.home.run("rm", "-f", STATE)     # or "us" is still down from the case before
        self.proxy = None
        self.lead_to_us()
        self.addCleanup(self.cut_us)

    def configure(self, text):
        lab.home.write(POSTERN_CONF, self.tables[POSTERN_CONF] + text)
        self.new_sessions()

    def new_sessions(self):
        """lmtp(8) keeps its sessions; a new one reads the configuration anew."""
        lab.home.run("pkill", "-TERM", "-x", "postern-transpo", check=False)
        wait_for("no transport runs", lambda: lab.home.run("pgrep", "-x", "postern-transpo", check=False).returncode != 0)

    def lead_to_us(self):
        self.proxy = TunnelProxy(lab.vps, ())

    def cut_us(self):
        """The tunnel is cut, and no new one can be had."""
        if self.proxy is not None:
            self.proxy.end()
        self.proxy = None

    def inject(self, *recipients):
        return lab.home.inject("anna@home.example", list(recipients), MESSAGE)

    def dots(self, address):
        return len([event for event in lab.hostile(script_of(address)) if event["event"] == "dot"])

    def wait_dots(self, address, count=1):
        wait_for(f"{count} final dots at {address}", lambda: self.dots(address) >= count)

    def attempt(self, queue_id, pattern, service="lmtp"):
        """Postfix's line of its next attempt, which must be this one."""
        mark = lab.home.log_mark()
        line = rf"postfix/{service}.*{queue_id}: to=.*status="
        for _ in range(20):     # one that finds the message still in qmgr's hands does nothing
            lab.home.run("postqueue", "-i", queue_id, check=False)
            with contextlib.suppress(AssertionError):
                lab.home.wait_log(line, 2, since=mark)
                break
        found = lab.home.wait_log(line, 1, since=mark)[0]
        self.assertRegex(found, pattern)
        return found

    def unknown(self, address):
        """A message of which "us" has taken the END, and whose outcome we do not hear."""
        queue_id = self.inject(address)
        self.wait_dots(address)
        self.cut_us()
        lab.home.wait_log(rf"postfix/lmtp.*{queue_id}: to=.*status=deferred .*outcome unknown")
        return queue_id

    def by_other_edge(self, queue_id):
        return lab.home.grep_log(rf"postern/transport.*{queue_id}: to=.*edge=de, relay=")

    # -- the road with two edges

    def test_a_dead_edge_is_passed_over(self):
        """Nothing is known of this message: the second edge of the route takes it, and that is no duplicate."""
        self.cut_us()
        queue_id = self.inject("you@postfix.example")
        line = lab.home.wait_log(rf"postfix/lmtp.*{queue_id}: to=.*status=")[0]
        self.assertRegex(line, r"status=sent \(250 2\.0\.0 edge-de\.vps\.example: ")
        self.assertEqual(len(self.by_other_edge(queue_id)), 1)
        self.assertEqual(lab.home.grep_log("possible duplicate"), [])
        self.assertEqual(len(lab.wait_stored("mx-postfix")), 1)

    def test_case_176_unreachable_and_back(self):
        """It waits, whatever is restarted meanwhile; "us" comes back and answers from its journal."""
        queue_id = self.unknown(LATE)
        self.attempt(queue_id, WAITS + r".*198\.51\.100\.20:7844 .*Connection refused")
        lab.vps.wait_log(rf"{queue_id}: to=.*status=sent")
        lab.home.run("postfix", "stop")
        lab.home.run("postfix", "start")
        self.attempt(queue_id, WAITS)
        self.lead_to_us()
        self.attempt(queue_id, ANSWERED)
        self.assertEqual(self.dots(LATE), 1)
        self.assertEqual(self.by_other_edge(queue_id), [])

    def test_case_176_transport_killed(self):
        """The process that knew is gone; what it wrote before END is there."""
        queue_id = self.inject(LATE)
        self.wait_dots(LATE)
        lab.home.run("pkill", "-KILL", "-x", "postern-transpo")
        self.cut_us()
        lab.home.wait_log(rf"postfix/lmtp.*{queue_id}: to=.*status=deferred")
        self.attempt(queue_id, WAITS)
        lab.vps.wait_log(rf"{queue_id}: to=.*status=sent")
        self.lead_to_us()
        self.attempt(queue_id, ANSWERED)
        self.assertEqual(self.dots(LATE), 1)

    def test_case_172_lmtp_killed_after_the_answer(self):
        """Postfix was told, and may not have heard: its next attempt does not go elsewhere."""
        queue_id = self.inject(LATE)
        self.wait_dots(LATE)
        lab.home.run("pkill", "-STOP", "-x", "lmtp")
        lab.home.wait_log(rf"postern/transport.*{queue_id}: to=.*status=sent")
        lab.home.run("pkill", "-KILL", "-x", "lmtp")
        self.cut_us()
        wait_for("the queue has it", lambda: queue_id in lab.home.run("postqueue", "-p").stdout)
        self.attempt(queue_id, WAITS)
        self.lead_to_us()
        self.attempt(queue_id, ANSWERED)
        self.assertEqual(self.dots(LATE), 1)

    def test_case_176_hold_is_over(self):
        """The other edge delivers; log line, status text and counter say that it may be the second time."""
        self.configure('affinity_hold = "6s";\n')
        queue_id = self.unknown(LATER)
        self.attempt(queue_id, WAITS)
        wait_for("the hold is over", lambda: "deferred" not in self.attempt(queue_id, "status="))
        self.assertEqual(self.dots(LATER), 2)
        self.assertEqual(len(self.by_other_edge(queue_id)), 1)
        self.assertRegex(lab.home.grep_log(rf"postfix/lmtp.*{queue_id}: to=.*status=sent")[0], DUPLICATE)
        lab.home.wait_log(rf"postern/transport.*{queue_id}: to=<{LATER}>, edge=de: possible duplicate: edge us was given this message \d+ s ago")
        said = lab.home.run("/usr/libexec/postern/postern-transport", "--check").stdout
        self.assertRegex(said, rf"{STATE}: [1-9]\d* possible duplicates, 0 outcomes forgotten")

    def test_case_176_back_after_the_hold(self):
        """The hold is over, but "us" is there again: its journal is asked first, and knows."""
        self.configure('affinity_hold = "1s";\n')
        queue_id = self.unknown(LATE)
        lab.vps.wait_log(rf"{queue_id}: to=.*status=sent")
        self.lead_to_us()
        lab.home.write(ROUTES, "* de,us\n")
        self.attempt(queue_id, ANSWERED)
        self.assertEqual(self.dots(LATE), 1)

    def test_still_in_progress(self):
        """What "us" goes on with is collected there; the sentence names host and stage."""
        lab.vps.write(EDGE_CONF, self.edge_conf + 'wait_limit = "2s";\n')
        lab.edge.reload()
        lab.vps.wait_log(r"edge\.conf was read again")
        self.addCleanup(lab.edge.reload)
        self.addCleanup(lab.vps.write, EDGE_CONF, self.edge_conf)
        queue_id = self.inject(LATER)
        line = lab.home.wait_log(rf"postfix/lmtp.*{queue_id}: to=.*status=deferred")[0]
        self.assertRegex(line, r"still in progress \(waiting for the reply to end of DATA command from \S+\[[0-9a-f.:]+\], 2 s\); "
                               r"the result will be collected at the next attempt")
        self.cut_us()
        self.attempt(queue_id, WAITS)
        lab.vps.wait_log(rf"{queue_id}: to=.*status=sent")
        self.lead_to_us()
        self.attempt(queue_id, ANSWERED)
        self.assertEqual(self.dots(LATER), 1)
        self.assertEqual(self.by_other_edge(queue_id), [])

    def test_disabled_and_removed(self):
        """An edge that may not be used is waited for all the same."""
        queue_id = self.unknown(LATE)
        lab.home.write(EDGES, self.edges.replace("\nde", " disabled\nde"))
        self.attempt(queue_id, WAITS + "it is disabled in the table of edges")
        lab.home.write(ROUTES, "* de\n")
        lab.home.write(EDGES, re.sub(r"us .*\n", "", self.edges))
        self.attempt(queue_id, WAITS + "it is no longer in the table of edges")
        lab.vps.wait_log(rf"{queue_id}: to=.*status=sent")
        self.lead_to_us()
        lab.home.write(EDGES, self.edges)   # in the table is enough, whatever the route says now
        self.attempt(queue_id, ANSWERED)
        self.assertEqual(self.dots(LATE), 1)

    def test_by_sendmail(self):
        """No XFORWARD IDENT: the queue id is Postfix's own Received field's."""
        lab.home.sendmail("anna@home.example", [LATE], b"Subject: once\n\nonly once\n")
        self.wait_dots(LATE)
        self.cut_us()
        line = lab.home.wait_log(r"postfix/lmtp.*: to=.*status=deferred .*outcome unknown")[0]
        queue_id = re.search(r"lmtp\[\d+\]: (\w+):", line)[1]
        self.attempt(queue_id, WAITS)
        lab.vps.wait_log(rf"{queue_id}: to=.*status=sent")
        self.lead_to_us()
        self.attempt(queue_id, ANSWERED)
        self.assertEqual(self.dots(LATE), 1)

    def test_by_pipe(self):
        master = lab.home.read("/etc/postfix/master.cf")
        lab.home.write("/etc/postfix/master.cf", master + "\n" + ENTRY)
        lab.home.run("postconf", "-e", "postern-pipe_destination_recipient_limit = 1",
                     "transport_maps = inline:{{home.example = virtual:} {* = postern-pipe:}}")
        lab.home.reload()
        try:
            queue_id = self.inject(LATE)
            self.wait_dots(LATE)
            self.cut_us()
            lab.home.wait_log(rf"postfix/pipe.*{queue_id}: to=.*status=deferred .*outcome unknown")
            self.attempt(queue_id, WAITS, "pipe")
            lab.vps.wait_log(rf"{queue_id}: to=.*status=sent")
            self.lead_to_us()
            self.attempt(queue_id, "status=sent", "pipe")   # which shows the beginning of our words
            lab.home.wait_log(rf"postern/transport.*{queue_id}: to=.*edge=us, .*{ANSWERED}")
            self.assertEqual(self.dots(LATE), 1)
        finally:
            lab.home.write("/etc/postfix/master.cf", master)
            lab.home.run("postconf", "-X", "postern-pipe_destination_recipient_limit", "transport_maps")
            lab.home.reload()

    # -- the file

    def test_file_is_not_writable(self):
        """Mail goes on, and the log says for each message what is not remembered."""
        self.configure('edge_state = "/var/lib/no/edges.state";\n')
        queue_id = self.inject("you@postfix.example")
        lab.home.wait_log(rf"postfix/lmtp.*{queue_id}: to=.*status=sent")
        lab.home.wait_log(rf"postern/transport.*{queue_id}: /var/lib/no/edges\.state: .*another edge may deliver this message again")

    def test_file_is_damaged(self):
        """Made anew with one warning; the edge that is asked again still knows."""
        queue_id = self.unknown(LATE)
        lab.vps.wait_log(rf"{queue_id}: to=.*status=sent")
        lab.home.run("truncate", "-s", "1000", STATE)
        self.lead_to_us()
        self.attempt(queue_id, ANSWERED)
        self.assertEqual(len(lab.home.grep_log(rf"{STATE} is damaged: it is made anew")), 1)
        self.assertEqual(self.dots(LATE), 1)
        self.assertEqual(lab.home.run("stat", "-c", "%U %a", STATE).stdout, "_postern 600\n")


class Time(Case):
    """Short limits; the reply to the final dot has its own time."""

    def setUp(self):
        super().setUp()
        conf = lab.vps.read(EDGE_CONF)
        self.addCleanup(lab.edge.reload)
        self.addCleanup(lab.vps.write, EDGE_CONF, conf)
        lab.vps.write(EDGE_CONF, conf + 'delivery_time_limit = "10s";\n')
        lab.edge.reload()
        lab.vps.wait_log(r"edge\.conf was read again")

    def test_dot_just_before_the_end(self):
        """The server answers 10 s after the dot, when the delivery's 10 s are over: heard, not given up and doubled."""
        queue_id = lab.home.inject("anna@home.example", [LATER], MESSAGE)
        line = lab.home.wait_log(rf"postfix/lmtp.*{queue_id}: to=.*status=")[0]
        self.assertRegex(line, r"status=sent \(.*taken at last")
        self.assertEqual(lab.home.grep_log("may have been delivered"), [])

    def test_nothing_is_begun_too_late(self):
        """The first server is silent until the time is over: the second, a good one, is not even connected to."""
        queue_id = lab.home.inject("anna@home.example", ["you@case12d-silent.then.hostile.example"], MESSAGE)
        line = lab.home.wait_log(rf"postfix/lmtp.*{queue_id}: to=.*status=")[0]
        self.assertRegex(line, r"dsn=4\.4\.\d, status=deferred")
        self.assertEqual(lab.stored("mx-postfix"), [])
        self.assertEqual(lab.vps.grep_log(rf"{queue_id}: to=.*status=sent"), [])
