"""What breaks between Postfix and the MX: mail is deferred with a reason that names the layer, nothing bounces, mail flows again by itself."""
import re
import time

from harness import Case, lab, wait_for

MESSAGE = b"From: anna@home.example\r\nSubject: patience\r\n\r\nlater is fine\r\n"
EDGES = "/etc/postern/edges"
CLIENTS = "/etc/postern/authorized_clients"
EDGE_CONF = "/etc/postern/edge.conf"


class Failures(Case):
    def tearDown(self):
        for host, path, text in self.restore:
            host.write(path, text)
        if self.restore:
            lab.edge.restart()

    def setUp(self):
        super().setUp()
        self.restore = []

    def change(self, host, path, function):
        before = host.read(path)
        self.restore.append((host, path, before))
        host.write(path, function(before))

    def inject(self, recipient="you@postfix.example", message=MESSAGE):
        return lab.home.inject("anna@home.example", [recipient], message)

    def deferred(self, queue_id, pattern):
        line = lab.home.wait_log(rf"postfix/.*{queue_id}: to=<.*status=")[-1]
        self.assertRegex(line, r"status=deferred")
        self.assertRegex(line, pattern)
        return line

    def goes_out(self, queue_id):
        lab.home.flush()
        try:
            lab.home.wait_log(rf"postfix/.*{queue_id}: to=.*status=sent", 5)
        except AssertionError:
            lab.home.flush()    # the first flush may have met the destination while qmgr still held it back
            lab.home.wait_log(rf"postfix/.*{queue_id}: to=.*status=sent")

    def flows_again(self, queue_id):
        self.goes_out(queue_id)
        lab.home.wait_queue_empty()
        self.assertEqual(lab.home.grep_log(r"status=bounced"), [])

    def test_edge_killed_and_started_again(self):
        first = self.inject()
        lab.home.wait_log(rf"postfix/.*{first}: to=.*status=sent")
        lab.edge.kill()
        queue_id = self.inject()
        self.deferred(queue_id, r"4\.4\.[12] .*198\.51\.100\.20.*(refused|reset|closed|lost)")
        lab.edge.start()
        self.flows_again(queue_id)

    def test_edge_stopped_in_peace(self):
        self.change(lab.vps, EDGE_CONF, lambda text: text + '\ndrain_time = "10m";\n')
        lab.edge.restart()
        first = self.inject()
        lab.home.wait_log(rf"postfix/.*{first}: to=.*status=sent")
        lab.edge.stop()     # nothing is under way: nothing is waited for
        queue_id = self.inject()
        self.deferred(queue_id, r"4\.[34]\.\d .*(refused|stopping)")
        lab.edge.start()
        self.flows_again(queue_id)

    def test_edge_stopped_while_an_mx_is_slow(self):
        """The final dot is not out: given up after drain_time with 4.3.2."""
        self.change(lab.vps, EDGE_CONF, lambda text: text + '\ndrain_time = "1s";\n')
        lab.edge.restart()
        queue_id = self.inject("you@blackhole.example")
        lab.vps.wait_log(rf"{queue_id}: client=home, from=")
        lab.edge.stop()
        self.deferred(queue_id, r"4\.3\.2 .*the edge is stopping")

    def test_many_restarts(self):
        """Each right after a delivery over TLS: what a thread that is just ending holds is not left behind (leak sanitizer)."""
        for _ in range(25):
            queue_id = self.inject()
            lab.home.wait_log(rf"postfix/.*{queue_id}: to=.*status=sent")
            lab.edge.restart()

    def test_key_revoked(self):
        first = self.inject()
        lab.home.wait_log(rf"postfix/.*{first}: to=.*status=sent")
        self.change(lab.vps, CLIENTS, lambda text: re.sub(r"(?m)^(?=\S+\s+home)", "#", text))
        queue_id = self.inject()
        self.deferred(queue_id, r"revoked|not authorised")
        second = self.inject()
        # On a slow machine the first one has met the handshake, and this one an edge that is not tried just now.
        self.deferred(second, r"not authorised there|revoked|no edge of the route answers")
        told = rf"postfix/.*{second}: to=.*(not authorised there \(on the edge: postern authorize \S{{44}} NAME\)|revoked)"
        wait_for("the reason is told", lambda: lab.home.grep_log(told) or lab.home.flush(), interval=0.5)
        lab.vps.wait_log(r"(not authori[sz]ed|not in the allow-list|unknown key)")
        lab.vps.write(CLIENTS, self.restore.pop()[2])
        self.flows_again(queue_id)

    def test_wrong_edge_key(self):
        self.change(lab.home, EDGES, lambda text: re.sub(r"key=\S+", "key=" + "B" * 42 + "A=", text))
        queue_id = self.inject()
        self.deferred(queue_id, r"key=")
        host, path, text = self.restore.pop()
        host.write(path, text)
        self.flows_again(queue_id)

    def test_broken_configuration_names_the_line(self):
        """Case 151; a broken table or file defers, with file and line."""
        self.change(lab.home, EDGES, lambda text: text + "second nonsense\n")
        queue_id = self.inject()
        self.deferred(queue_id, r"4\.3\.5 .*/etc/postern/edges:\d+: ")
        host, path, text = self.restore.pop()
        host.write(path, text)
        self.change(lab.home, "/etc/postern/postern.conf", lambda text: text + "\nidle_timeot = 5;\n")
        lab.home.reload()
        second = self.inject()
        self.deferred(second, r"4\.3\.5 .*/etc/postern/postern\.conf:\d+: .*idle_timeot.*idle_timeout")
        host, path, text = self.restore.pop()
        host.write(path, text)
        lab.home.reload()
        self.flows_again(queue_id)

    def test_content_memory_full(self):
        self.change(lab.vps, EDGE_CONF, lambda text: text + '\ncontent_memory = "1M";\nmessage_size_limit = "700k";\n')
        lab.edge.restart()
        holder = self.inject("you@blackhole.example", MESSAGE + (b"x" * 70 + b"\r\n") * 9500)
        lab.vps.wait_log(rf"{holder}: client=home, from=")
        queue_id = self.inject("you@postfix.example", MESSAGE + (b"y" * 70 + b"\r\n") * 9500)
        self.deferred(queue_id, r"4\.3\.1 .*content_memory")
        too_big = self.inject("you@postfix.example", MESSAGE + (b"z" * 70 + b"\r\n") * 20000)
        line = lab.home.wait_log(rf"postfix/.*{too_big}: to=<.*status=")[-1]
        self.assertRegex(line, r"dsn=5\.3\.4.*status=bounced")
        self.deferred(holder, r"4\.4\.1 .*[Cc]onnect")
        # A flush would try both, and who comes first has the memory.
        lab.home.run("postsuper", "-d", holder)
        self.goes_out(queue_id)

    def test_resolver_stopped(self):
        """Case 55."""
        pid = lab.vps.run("cat", "/run/unbound.pid").stdout.strip()
        lab.vps.run("kill", "-STOP", pid)
        try:
            queue_id = self.inject()
            self.deferred(queue_id, r"4\.4\.3 .*(DNS|127\.0\.0\.1|timed out)")
        finally:
            lab.vps.run("kill", "-CONT", pid)
        self.flows_again(queue_id)

    def test_reload_good_and_bad(self):
        """Case 153."""
        self.change(lab.vps, EDGE_CONF, lambda text: text + '\nehlo_nam = "x.example";\n')
        lab.edge.reload()
        lab.vps.wait_log(r"edge\.conf:\d+: .*ehlo_nam.*stays in force")
        queue_id = self.inject()
        lab.home.wait_log(rf"postfix/.*{queue_id}: to=.*status=sent")
        host, path, text = self.restore[-1]
        host.write(path, text + '\nlog_recipients = "full";\n')
        lab.edge.reload()
        lab.vps.wait_log(r"was read again")
        queue_id = self.inject()
        lab.vps.wait_log(rf"{queue_id}: to=<you@postfix\.example>.*status=sent")


class Steady(Case):
    def usage(self):
        """(threads, descriptors, resident kB) of the edge."""
        pid = lab.edge.pid
        status = lab.vps.run("cat", f"/proc/{pid}/status").stdout
        threads = int(re.search(r"Threads:\s+(\d+)", status).group(1))
        resident = int(re.search(r"VmRSS:\s+(\d+)", status).group(1))
        return threads, len(lab.vps.run("ls", f"/proc/{pid}/fd").stdout.split()), resident

    def deliver(self, count):
        """Many messages, several sessions at a time, two MX programs, one recipient refused each."""
        recipients = ["you@postfix.example", "you@sink.example", "refused@postfix.example"]
        mark = lab.home.log_mark()
        for _ in range(count // 100):
            lab.home.run("smtp-source", "-s", "4", "-m", "100", "-l", "4000", "-f", "anna@home.example",
                         "-t", "you@sink.example", "127.0.0.1:25")
        lab.home.inject("", recipients, MESSAGE)
        lab.home.wait_log(r"postfix/.*to=.*status=(sent|bounced)", 240, count=count, since=mark)
        lab.home.wait_queue_empty()

    def test_2000_deliveries_leave_nothing_behind(self):
        if not lab.edge.sanitizer():
            # One at a time: stacks and pools for many threads at once are not what is left behind.
            lab.home.postconf("postern_destination_concurrency_limit = 1")
            self.addCleanup(lab.home.postconf, "postern_destination_concurrency_limit = 100")
        self.deliver(500)
        time.sleep(1)
        threads, descriptors, resident = self.usage()
        residents = [resident]
        for _ in range(5):
            self.deliver(400)
            residents.append(wait_for("threads and descriptors as before", lambda: (
                lambda now: now if now[0] <= threads and now[1] <= descriptors else None)(self.usage()))[2])
        if not lab.edge.sanitizer():
            # What every delivery leaves behind shows in every step; the C library's pools and stacks for threads
            # grow now and then, until there are as many as are ever used at once. Not one page per hundred deliveries.
            growth = [after - before for before, after in zip(residents, residents[1:])]
            self.assertLessEqual(min(growth), 16, residents)
