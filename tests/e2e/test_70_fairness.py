"""What one destination may take of the edge and of the mail host, with real Postfix: many messages to a slow one."""
import concurrent.futures
import re
import time

from harness import Case, lab, wait_for


HEADER = b"From: anna@home.example\r\nSubject: patience\r\n\r\n"
EDGE_CONF = "/etc/postern/edge.conf"
REPLY_RULES = "/etc/postern/reply_rules"
SLOW = "case27c_answers_after_3s"
SLOW_SECONDS = 3
LINE_SECONDS = 30    # that somebody may have to stand in line
TARPIT, SILENT_AFTER_DOT = "case12d_silent", "case26a_silent_after_dot"
MESSAGES, FAST_MESSAGES, LIMIT = 60, 20, 20


def domain(script):
    return script.replace("_", "-") + ".hostile.example"


def most_at_once(events):
    """How many connections to a script there were at the same time: until QUIT."""
    most, connections = 0, set()
    for event in events:
        if event["event"] == "connect":
            connections.add(event["connection"])
            most = max(most, len(connections))
        elif event["event"] == "peer-closed" or event.get("text") == "QUIT":
            connections.discard(event["connection"])
    return most


def inject(recipients):
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        return list(pool.map(lambda to: lab.home.inject("anna@home.example", [to], HEADER), recipients))


class FairnessCase(Case):
    # Postfix alone would open as many connections as it has LMTP slots, and at once.
    UNLIMITED = ("postern_initial_destination_concurrency=100", "postern_destination_concurrency_limit=100")

    def setUp(self):
        super().setUp()
        self.saved = lab.vps.read(EDGE_CONF)
        self.limit_before = lab.home.run("postconf", self.UNLIMITED[1].split("=")[0]).stdout.strip()
        lab.home.postconf(*self.UNLIMITED)

    def tearDown(self):
        lab.home.postconf(self.limit_before)
        lab.home.run("postconf", "-X", self.UNLIMITED[0].split("=")[0])
        lab.home.reload()
        lab.vps.write(EDGE_CONF, self.saved)
        lab.vps.run("rm", "-f", REPLY_RULES)
        lab.edge.restart()

    def configure(self, text):
        lab.vps.write(EDGE_CONF, self.saved + text)
        lab.edge.restart()

    def edge_delays(self, pattern):
        """Seconds that each delivery took inside the edge."""
        return [float(re.search(r"delay=([\d.]+)", line).group(1))
                for line in lab.vps.grep_log(rf"postern/edge.*to=<@{pattern}.*status=sent")]


class Line(FairnessCase):
    """Who has to wait outside, and what he is told."""

    def line_up(self, script, event, count):
        """One delivery is inside and has come to the event, the others stand in line: their queue ids."""
        inject([f"first@{domain(script)}"])
        wait_for(f"{event} at {script}", lambda: event in [seen["event"] for seen in lab.hostile(script)])
        waiting = inject([f"u{number}@{domain(script)}" for number in range(count)])
        for queue_id in waiting:
            lab.vps.wait_log(f"{queue_id}: client=")
        return waiting

    def test_tarpit(self):
        """Who stood in line for half a minute is deferred; who comes then is deferred at once."""
        self.configure('destination_concurrency_limit = 1;\ndelivery_time_limit = "90s";\ndrain_time = 0;\n')
        waiting = self.line_up(TARPIT, "connect", 3)
        busy = rf"dsn=4\.3\.2, status=deferred .*451 4\.3\.2 edge\.vps\.example: " \
               rf"destination {re.escape(domain(TARPIT))} is busy: 1 deliveries active, \d waiting"
        for queue_id in waiting:
            lab.home.wait_log(rf"postfix/lmtp.*{queue_id}: to=.*{busy}")
        late = inject([f"late@{domain(TARPIT)}"])[0]
        line = lab.home.wait_log(rf"postfix/lmtp.*{late}: to=.*{busy}")[0]
        self.assertLess(float(re.search(r"delay=([\d.]+)", line)[1]), LINE_SECONDS)
        self.assertEqual(most_at_once(lab.hostile(TARPIT)), 1)
        self.assertEqual(lab.home.grep_log("to=<first@"), [])

    def test_stop_ends_the_line(self):
        """Even while the one inside may not be given up, as it waits for the reply to its final dot."""
        self.configure("destination_concurrency_limit = 1;\ndrain_time = 0;\n")
        waiting = self.line_up(SILENT_AFTER_DOT, "dot", 3)
        lab.edge.stop()
        for queue_id in waiting:
            lab.home.wait_log(rf"postfix/lmtp.*{queue_id}: to=.*dsn=4\.3\.2.*the edge is stopping")
        self.assertEqual(sum(event["event"] == "connect" for event in lab.hostile(SILENT_AFTER_DOT)), 1)

    def test_421_slows(self):
        """Each 421 halves what goes there at a time; another domain's places are its own."""
        self.configure('ipv6 = "off";\n')
        for number in range(3):
            inject([f"u{number}@{domain('case22d_421_mail')}"])
            lab.home.wait_log(rf"to=<u{number}@case22d.*status=deferred")
        places = [re.search(r"less: (\d+) deliveries at a time, after (\d+)", line).groups()
                  for line in lab.vps.grep_log(rf"destination {re.escape(domain('case22d_421_mail'))} asks for less")]
        self.assertEqual(places, [("10", "20"), ("5", "10"), ("2", "5")])

    def test_reply_rules(self):
        """A rule of our own leaves a destination alone for a while; a file with a mistake changes nothing."""
        self.configure('ipv6 = "off";\n')
        rules, script = REPLY_RULES, domain("case28_rcpt_by_name")
        lab.vps.write(rules, 'rcpt:450 "pause 1m" "*busy*"\n')
        lab.edge.reload()
        lab.vps.wait_log("was read again")
        lab.vps.write(rules, 'rcpt:450 slower *\n')
        lab.edge.reload()
        lab.vps.wait_log(rf'{rules}:1: "slower": unknown action; .*the configuration read before stays in force')
        first = inject([f"a450@{script}"])[0]
        lab.home.wait_log(rf"{first}: to=.*status=deferred.*said: 450 4\.2\.1 Busy")
        second = inject([f"a252@{script}"])[0]
        lab.home.wait_log(rf"{second}: to=.*dsn=4\.4\.1, status=deferred.*destination {re.escape(script)} is not tried again for \d+ s: "
                          r"mx\.case28[^ ]* said: 450 4\.2\.1 Busy")
        self.assertEqual(len([event for event in lab.hostile("case28_rcpt_by_name") if event["event"] == "connect"]), 1)


class Fairness(FairnessCase):
    ALONE = True    # measures time

    def test_slow_destination(self):
        """60 messages to a slow MX: never more than 20 connections, all sent, and nobody else's mail waits."""
        started = time.time()
        inject([f"u{number}@{domain(SLOW)}" for number in range(MESSAGES)])
        inject([f"u{number}@postfix.example" for number in range(FAST_MESSAGES)])
        lab.home.wait_log(r"postfix/lmtp.*to=<u\d+@postfix\.example.*status=sent", count=FAST_MESSAGES)
        done = [event for event in lab.hostile(SLOW) if event["event"] == "end"]
        self.assertLess(len(done), MESSAGES - LIMIT, "the fast ones were to overtake the slow ones")
        lab.home.wait_log(rf"postfix/lmtp.*to=<u\d+@{domain(SLOW)}.*dsn=2\.0\.0, status=sent", count=MESSAGES)
        self.assertEqual(most_at_once(lab.hostile(SLOW)), LIMIT)
        self.assertGreater(time.time() - started, MESSAGES / LIMIT * SLOW_SECONDS)
        self.assertLess(max(self.edge_delays(r"postfix\.example")), SLOW_SECONDS)
        self.assertGreater(max(self.edge_delays("case27c")), 2 * SLOW_SECONDS)

    def test_unreachable_is_told_at_once(self):
        """After one message found nobody, others need not; the door stays shut longer each time, and opens again."""
        self.configure('ipv6 = "off";\n')
        first = inject(["first@down.example"])[0]
        lab.home.wait_log(rf"{first}: to=.*status=deferred.*Connection refused")
        for queue_id in inject([f"u{number}@down.example" for number in range(5)]):
            lab.home.wait_log(rf"{queue_id}: to=.*dsn=4\.4\.1, status=deferred .*451 4\.4\.1 edge\.vps\.example: destination down\.example "
                              r"is not tried again for 1 s: connect to [^ ]+\[203\.0\.113\.67\]: Connection refused")
        time.sleep(1.1)
        probe = inject(["probe@down.example"])[0]
        line = lab.home.wait_log(rf"{probe}: to=.*status=deferred.*Connection refused")[0]
        self.assertNotIn("not tried again", line)
        late = inject(["late@down.example"])[0]
        lab.home.wait_log(rf"{late}: to=.*is not tried again for 2 s")
        inject(["other@postfix.example"])
        lab.home.wait_log(r"to=<other@postfix\.example.*status=sent")

    def test_burst(self):
        """Many messages at once to one destination that is quick: none is deferred, and few sessions do it all."""
        messages = 200
        lab.home.postconf("defer_transports = postern")
        inject([f"u{number}@{domain('case00b_honest_tls')}" for number in range(messages)])
        lab.home.postconf("defer_transports =")
        mark = lab.home.log_mark()
        lab.home.flush()
        lab.home.wait_log(r"postfix/lmtp.*to=<u\d+@case00b.*status=", count=messages, since=mark)
        self.assertEqual(len(lab.home.grep_log(r"postfix/lmtp.*to=<u\d+@case00b.*status=sent", since=mark)), messages)
        self.assertLessEqual(most_at_once(lab.hostile("case00b_honest_tls")), LIMIT)

    def test_tarpits_leave_room(self):
        """Five tarpits with thirty messages each, more than the mail host has slots for: the others' mail goes through before any of them ends."""
        scripts = ("case12d_silent", "case12a_slow_banner", "case26a_silent_after_dot", "case27a_answers_after_599s",
                   "case23d_data_silence")
        self.configure('ipv6 = "off";\ndrain_time = 0;\n')
        inject([f"u{number}@{domain(script)}" for script in scripts for number in range(30)])
        time.sleep(10)
        inject([f"u{number}@postfix.example" for number in range(FAST_MESSAGES)])
        lab.home.wait_log(r"postfix/lmtp.*to=<u\d+@postfix\.example.*status=sent", count=FAST_MESSAGES)
        self.assertEqual([line for line in lab.home.grep_log(r"to=<u\d+@case.*status=") if "is busy" not in line], [])
        self.assertLess(max(self.edge_delays(r"postfix\.example")), SLOW_SECONDS)
        self.assertTrue(lab.home.grep_log(r"to=<u\d+@case.*451 4\.3\.2 .* is busy"))
        lab.edge.kill()     # some are past their final dot
