"""postern doctor: everything is ok in a healthy lab, and what is wrong is found by the check that is there for it.

Faults that have nothing to do with one another are planted together and looked for in one run; Postfix need not be
reloaded for what postconf(1) tells.
"""
import contextlib
import html.parser
import ipaddress
import json
import os
import re
import shutil

from harness import Case, Home, lab

MAIN, MASTER = "/etc/postfix/main.cf", "/etc/postfix/master.cf"
EDGES = "/etc/postern/edges"
EDGE_CONF = "/etc/postern/edge.conf"
CLIENTS = "/etc/postern/authorized_clients"
WRAPPER = "/run/postern-edge.wrapper"
SENDERS = "@home.example self\n"
ZONES = os.path.join(os.environ["LAB_SRC"], "zones")
PRELOADS = os.path.join(os.environ["POSTERN_BUILD"], "tests", "preload")
V4, V6 = "198.51.100.20", "2001:db8:2::20"

# What a healthy mail host and its edge are found by; sending domains are another file's.
HEALTHY = """host-config host-files host-program host-clock host-port25
    postfix-config postfix-transport postfix-timeouts postfix-route postfix-bypass postfix-milter postfix-relay postfix-queue
    milter-config milter-files
    edge-reachable edge-disk edge-resolver edge-hello edge-source edge-ptr edge-forward edge-name edge-egress edge-listed""".split()
HEALTHY_VPS = """edge-config edge-port edge-disk edge-resolver edge-hello edge-source edge-ptr edge-forward edge-name edge-egress
    edge-listed""".split()


class Report:
    def __init__(self, done):
        self.status = done.returncode
        self.text = done.stdout + done.stderr
        self.findings = json.loads(done.stdout)["findings"] if done.stdout.startswith("{") else []

    def ids(self, *results):
        return {found["id"] for found in self.findings if found["result"] in results}

    def has(self, identity, result, pattern):
        """The findings whose "subject: seen" matches."""
        return [found for found in self.findings if found["id"] == identity and found["result"] == result and
                re.search(pattern, f"{found['subject']}: {found['seen']}")]


def zone_of(name):
    with open(os.path.join(ZONES, f"{name}.zone"), encoding="ascii") as file:
        return file.read()


class DoctorCase(Case):
    def doctor(self, *options, host=None):
        return Report((host or lab.home).run("postern", "doctor", "--json", *options, check=False, timeout=150))

    def found(self, report, *faults):
        """Each (id, result, pattern) is there, and whatever is FAIL says what to do."""
        self.assertEqual([found for found in report.findings if found["result"] == "FAIL" and not found["mend"]], [])
        for identity, result, pattern in faults:
            with self.subTest(f"{identity}: {pattern}"):
                self.assertTrue(report.has(identity, result, pattern), report.text)

    @contextlib.contextmanager
    def kept(self, host, *paths):
        """These files come back as they were: text, owner, mode."""
        host.run("sh", "-ec", 'for f; do cp -a "$f" "$f.kept"; done', "sh", *paths)
        try:
            yield
        finally:
            host.run("sh", "-ec", 'for f; do rm -rf "$f"; mv "$f.kept" "$f"; done', "sh", *paths)

    @contextlib.contextmanager
    def zones(self, **texts):
        """Zones (with _ for the dots) have another text, and the edge has forgotten what it found before."""
        names = {key.replace("__", "-").replace("_", "."): text for key, text in texts.items()}
        try:
            for name, text in names.items():
                lab.zone(name, text)
            lab.edge.restart()
            yield
        finally:
            for name in names:
                lab.zone(name, zone_of(name))


class Healthy(DoctorCase):
    def setUp(self):
        super().setUp()
        lab.milter.use(SENDERS)
        self.addCleanup(lab.milter.stop)
        lab.home.filter_by(lab.milter, Home.OPENDKIM)
        self.addCleanup(lab.home.filter_by, Home.OPENDKIM)

    def test_mail_host(self):
        """Every check has looked, and has nothing to say; the same as a table, a page, and in silence."""
        report = self.doctor("--only", "host,postfix,milter,edge")
        self.assertEqual(report.ids("FAIL", "warn", "unknown"), set(), report.text)
        self.assertEqual(report.ids("ok"), set(HEALTHY), report.text)
        self.assertEqual(report.status, 0)
        table = lab.home.run("postern", "doctor", "--only", "postfix", "--html", "/root/report.html").stdout
        self.assertRegex(table, r"(?m)^ok +postfix-relay ")
        self.assertRegex(table, r"\d+ ok, 0 FAIL, 0 warn, 0 unknown")
        page = lab.home.read("/root/report.html")
        html.parser.HTMLParser().feed(page)
        self.assertIn("postfix-relay", page)
        self.assertNotRegex(page, "(?i)<script|src=|href=")
        quiet = lab.home.run("postern", "doctor", "--only", "postfix,edge", "--quiet")
        self.assertEqual((quiet.stdout, quiet.stderr), ("", ""))
        self.edge_is_not_made_busy()

    def edge_is_not_made_busy(self):
        """Whoever asks again at once gets what was found a moment ago."""
        self.doctor("--only", "edge")
        began = lab.vps.run("unbound-control", "-c", "/etc/unbound/lab.conf", "stats_noreset").stdout
        self.doctor("--only", "edge")
        self.assertEqual(*(re.search(r"total\.num\.queries=\d+", text)[0] for text in (
            began, lab.vps.run("unbound-control", "-c", "/etc/unbound/lab.conf", "stats_noreset").stdout)))


class Elsewhere(DoctorCase):
    def test_vps(self):
        """Beside a running edge, and without one."""
        for state in "running", "stopped":
            with self.subTest(state):
                if state == "stopped":
                    lab.edge.stop()
                report = self.doctor(host=lab.vps)
                self.assertEqual(report.ids("FAIL", "warn", "unknown"), set(), report.text)
                self.assertEqual(report.ids("ok"), set(HEALTHY_VPS), report.text)

    def test_usage(self):
        """Wrong words end in an explanation, as does a host that has nothing to do with postern."""
        for options, pattern in ((("--only", "edge-prt"), 'no check "edge-prt"'), (("--nonsense",), "unknown option")):
            done = lab.home.run("postern", "doctor", *options, check=False)
            self.assertEqual(done.returncode, 64)
            self.assertRegex(done.stderr, pattern)
        done = lab.vps.run("postern", "doctor", "--only", "postfix", "--quiet", check=False)
        self.assertEqual((done.returncode, done.stdout), (2, ""))
        self.assertRegex(done.stderr, "nothing to look at")
        done = lab.home.run("setpriv", "--reuid", "nobody", "--regid", "nogroup", "--clear-groups", "postern", "doctor", check=False)
        self.assertEqual(done.returncode, 77)
        self.assertRegex(done.stderr, "as root")

    def test_page(self):
        """A page goes where a path leads; if it cannot be written it is said, and on a full disk an older one stays."""
        lab.home.run("sh", "-ec", "rm -rf /root/pages; mkdir /root/pages; cd /root/pages; ln -s target link; seq 100000 >target")
        self.addCleanup(lab.home.run, "rm", "-rf", "/root/pages")
        for path, status, pattern in ("/root/pages/link", 0, "^$"), ("/root/pages", 73, "^postern: /root/pages: Is a directory$"):
            done = lab.home.run("postern", "doctor", "--only", "host-config", "--html", path, check=False)
            self.assertEqual(done.returncode, status, done)
            self.assertRegex(done.stderr.strip(), pattern)
        self.assertTrue(lab.home.run("readlink", "/root/pages/link").stdout)
        self.assertRegex(lab.home.read("/root/pages/target"), r"(?s)^<!DOCTYPE html>.*host-config.*</html>\n$")
        done = lab.home.run("unshare", "-m", "sh", "-c", "mount -t tmpfs -o size=4k none /root/pages; cd /root/pages; echo older >page; "
                            "postern doctor --only host,postfix --html page >/dev/null; echo $?; cat page; postern doctor --json >/dev/full; echo $?")
        self.assertEqual(done.stdout, "74\nolder\n74\n", done)
        self.assertEqual(done.stderr, "postern: page: No space left on device\n"
                         "postern: cannot write the output: No space left on device\n")


class HostFaults(DoctorCase):
    def test_files(self):
        """Owners, modes and paths, as the transport's user meets them."""
        key, table, program = "/var/lib/postern/transport.key", "/etc/postern/routes", "/usr/libexec/postern/postern-transport"
        self.addCleanup(lab.home.run, "sh", "-ec", f"chmod 600 {key}; chown _postern: /var/lib/postern; chmod 644 {EDGES}")
        with self.kept(lab.home, table, program, "/etc/postern/postern.conf"):
            lab.home.run("sh", "-ec", f"chmod 640 {key}; chmod 666 {table}; chmod 777 {program}")
            lab.home.run("chmod", "777", "/etc/postern")
            self.found(self.doctor("--only", "host-files"),
                       ("host-files", "FAIL", "^/etc/postern/edges: others can change the table of edges, by way of /etc/postern$"))
            lab.home.run("chmod", "755", "/etc/postern")
            report = self.doctor("--only", "host-config,host-files,host-program")
            self.assertEqual(report.status, 1)
            self.found(report, ("host-files", "FAIL", rf"^{key}: mode 0640 lets others read the key"),
                       ("host-files", "FAIL", f"^{table}: others can change the table of routes, by way of {table}"),
                       ("host-program", "FAIL", f"can replace it, by way of {program}"),
                       ("host-config", "FAIL", "mode 0640 lets others read this key"))
            self.assertEqual(report.has("host-files", "FAIL", key)[0]["mend"], f"chmod 600 {key}")
            lab.home.run("sh", "-ec", f"chmod 600 {key}; chown root /var/lib/postern; chmod 700 /var/lib/postern; chmod 600 {EDGES}; "
                         f"chmod 644 {program}")
            self.found(self.doctor("--only", "host"),
                       ("host-files", "FAIL", f"^{EDGES}: user _postern cannot read the table of edges: {EDGES}: Permission denied"),
                       ("host-files", "FAIL", f"^{key}: user _postern cannot read the key: /var/lib/postern: Permission denied"),
                       ("host-files", "FAIL", "^/var/lib/postern: user _postern cannot write the directory of the state"),
                       ("host-program", "FAIL", "cannot execute it"))
            lab.home.run("sh", "-ec", f"chmod 755 {program}; echo 'nonsense = 1;' >/etc/postern/postern.conf")
            report = self.doctor("--only", "host-config,postfix-transport")
            self.found(report, ("host-config", "FAIL", "postern.conf:1: .*nonsense"),
                       ("postfix-transport", "FAIL", "the transport takes no mail: 421 .*postern.conf:1:"))

    def test_postfix(self):
        """What leads mail past postern, cuts it short, or lets strangers send."""
        with self.kept(lab.home, MAIN, MASTER):
            lab.home.write("/etc/postfix/doctor_transport", "sink.example smtp:\nnowhere.example nobody:x\npartner.example smtp:[192.0.2.99]\n"
                           "exim.example postern:unix:private/postern-spawn\n")
            lab.home.run("postconf", "-e", "postern-spawn_time_limit = 1000", "content_filter = smtp:[203.0.113.11]:25",
                         "transport_maps = texthash:/etc/postfix/doctor_transport", "defer_transports = postern",
                         "smtpd_relay_restrictions = permit_mynetworks, permit", "lmtp_fallback_relay = [203.0.113.11]",
                         "smtpd_recipient_restrictions =")
            lab.home.run("postconf", "-P", "postern/unix/lmtp_data_done_timeout=600s", "postern/unix/lmtp_send_xforward_command=no")
            lab.home.run("postconf", "-F", "postern-spawn/unix/process_limit=5")
            report = self.doctor("--only", "postfix-timeouts,postfix-transport,postfix-bypass,postfix-relay")
            self.found(report, ("postfix-timeouts", "FAIL", "^postern-spawn_time_limit: is 1000"),
                       ("postfix-timeouts", "FAIL", "^postern/unix: lmtp_data_done_timeout is 600s"),
                       ("postfix-transport", "FAIL", "^postern/unix: lmtp_send_xforward_command is not yes"),
                       ("postfix-transport", "warn", "^postern-spawn/unix: maxproc is not 0"),
                       ("postfix-bypass", "FAIL", "^content_filter: "), ("postfix-bypass", "FAIL", "^lmtp_fallback_relay: "),
                       ("postfix-bypass", "FAIL", "^defer_transports: "),
                       ("postfix-bypass", "FAIL", "^transport_maps: .*mail of sink.example goes past postern"),
                       ("postfix-bypass", "FAIL", "^transport_maps: .*does not have: nobody:x"),
                       ("postfix-relay", "FAIL", "^smtp/inet: anybody may send to anybody"))
            self.assertFalse(report.has("postfix-bypass", "FAIL", "partner|exim"), report.text)
        with self.kept(lab.home, MAIN, MASTER):
            lab.home.write("/etc/postfix/doctor_senders", "@home.example smtp:\n")
            lab.home.write("/etc/postfix/doctor_transport", "".join(f"far{i}.example smtp:\n" for i in range(30)))
            lab.home.run("postconf", "-e", "default_transport = smtp", "mynetworks = 0.0.0.0/0", "postern_destination_concurrency_limit = 20",
                         "transport_maps = texthash:/etc/postfix/doctor_transport",
                         "sender_dependent_default_transport_maps = texthash:/etc/postfix/doctor_senders")
            lab.home.run("sh", "-ec", "touch /etc/postfix/stray; chown nobody /etc/postfix/stray")
            self.addCleanup(lab.home.run, "rm", "/etc/postfix/stray")
            lab.home.run("postconf", "-F", "postern-spawn/unix/chroot=y")
            self.found(self.doctor("--only", "postfix"), ("postfix-route", "FAIL", "^default_transport: smtp: no mail is routed"),
                       ("postfix-relay", "FAIL", "^smtp/inet: mynetworks has 0.0.0.0/0"),
                       ("postfix-config", "warn", "not owned by root: /etc/postfix/.*stray"),
                       ("postfix-bypass", "FAIL", "mail of @home.example goes past postern: smtp:"),
                       ("postfix-bypass", "FAIL", "^transport_maps: .*mail of far[0-9]+.example goes past postern: smtp:"),
                       ("postfix-bypass", "FAIL", "^transport_maps: 10 more lines go past postern"),
                       ("postfix-transport", "FAIL", "^postern-spawn/unix: it is started in a chroot"),
                       ("postfix-transport", "warn", "^postern/unix: postern_destination_concurrency_limit is 20"))
            lab.home.run("postconf", "-MX", "postern-spawn/unix")
            self.found(self.doctor("--only", "postfix-transport"), ("postfix-transport", "FAIL", "no service runs postern-transport"))
        # Another mail server may run the transport.
        report = Report(lab.home.run("unshare", "-m", "sh", "-ec", "mount --bind /etc/postern/edges /usr/sbin/postconf; "
                                     "exec postern doctor --json --only host-config,postfix", check=False))
        self.assertEqual((report.status, report.ids("ok")), (0, {"host-config", "postfix-config"}), report.text)

    def test_queue(self):
        """Mail that waits for an edge; whoever is slow is told of, no more."""
        lab.edge.stop()
        lab.home.sendmail("anna@home.example", ["you@postfix.example"], "Subject: waits\n\nfor the edge\n")
        lab.home.wait_log(r"to=<you@postfix\.example>.*status=deferred")
        report = self.doctor("--only", "postfix-queue,edge-reachable")
        self.found(report, ("postfix-queue", "FAIL", "1 messages are deferred, .*most wait for postern"),
                   ("edge-reachable", "FAIL", r"^vps 198\.51\.100\.20:7843: no answer to .status. \(connection\): .*refused"))
        # Nobody asks whether the edge is there: what it would have said is unknown, not well.
        report = self.doctor("--only", "edge-ptr,host-clock")
        self.assertEqual((report.status, report.ids("unknown")), (2, {"edge-ptr", "host-clock"}))
        lab.edge.start()
        lab.home.flush()
        lab.home.wait_queue_empty()
        lab.home.inject("anna@home.example", ["later@postfix.example"], b"Subject: later\r\n\r\nsays the server\r\n")
        lab.home.wait_log(r"to=<later@postfix\.example>.*status=deferred")
        self.found(self.doctor("--only", "postfix-queue"), ("postfix-queue", "ok", "1 messages are deferred"))

    def test_milter(self):
        """Not asked, asked too late, out of reach, or content with broken tables."""
        lab.milter.use(SENDERS)
        self.addCleanup(lab.milter.stop)
        with self.kept(lab.home, MAIN, MASTER, lab.milter.CONF, lab.milter.SENDERS):
            lab.home.run("postconf", "-e", f"smtpd_milters = {Home.OPENDKIM}, unix:{lab.milter.socket}", "milter_default_action = accept",
                         "non_smtpd_milters =")
            lab.home.run("postconf", "-P", "submission/inet/smtpd_milters=")
            lab.home.run("postconf", "-F", "smtp/inet/chroot=y")
            lab.home.run("sh", "-ec", f"chmod 600 {lab.milter.SENDERS}; chmod 700 /var/spool/postfix/postern")
            self.found(self.doctor("--only", "postfix-milter,milter"),
                       ("postfix-milter", "warn", "^smtpd_milters: another filter comes before"),
                       ("postfix-milter", "FAIL", "^smtpd_milters: smtp/inet runs in a chroot"),
                       ("postfix-milter", "FAIL", "^non_smtpd_milters: does not name postern-milter"),
                       ("postfix-milter", "warn", "^milter_default_action: accept"),
                       ("postfix-milter", "warn", "^submission/inet: "),
                       ("milter-files", "FAIL", f"^{lab.milter.SENDERS}: .*Permission denied"),
                       ("milter-config", "FAIL", "senders"))
            lab.home.run("postconf", "-e", "smtpd_milters = unix:postern/milter.sock", "non_smtpd_milters = unix:postern/milter.sock")
            self.found(self.doctor("--only", "postfix-milter"), ("postfix-milter", "FAIL", "Postfix's user postfix cannot connect"))
            lab.milter.stop()
            self.found(self.doctor("--only", "postfix-milter"), ("postfix-milter", "FAIL", "postern-milter does not answer"))


class EdgeFaults(DoctorCase):
    def setUp(self):
        super().setUp()
        self.addCleanup(lab.edge.restart)

    def found_here_and_there(self, *faults):
        """From the mail host, and on the VPS itself."""
        self.found(self.doctor("--only", "edge"), *faults)
        self.found(self.doctor(host=lab.vps), *((identity, result, pattern.replace("^vps: ", "^")) for identity, result, pattern in faults))

    def test_names(self):
        """PTR records, what they lead to, and a block list; over IPv6 it is a warning, as mail then takes IPv4."""
        backwards = ipaddress.ip_address(V6).reverse_pointer.replace(".ip6.arpa", "")
        with self.zones(**{"100_51_198_in__addr_arpa": "20 PTR mail.home.example.\n",
                           "8_b_d_0_1_0_0_2_ip6_arpa": "; no names at all\n",
                           "zen_spamhaus_org": zone_of("zen.spamhaus.org") + f"20.100.51.198 A 127.0.0.4\n{backwards} A 127.255.255.254\n",
                           "psbl_surriel_com": "; it has ended\n"}):
            self.found_here_and_there(
                ("edge-ptr", "warn", rf"^vps: {V4}: its PTR record names mail\.home\.example, but the edge calls itself edge\.vps\.example"),
                ("edge-forward", "FAIL", rf"^vps: {V4}: the name in its PTR record, mail\.home\.example, does not lead back"),
                ("edge-ptr", "warn", f"^vps: {V6}: has no PTR record; mail goes over IPv4 alone"),
                ("edge-source", "warn", f"^vps: {V6}: mail would leave"),
                ("edge-listed", "FAIL", rf"^vps: {V4} on zen\.spamhaus\.org: listed \(127\.0\.0\.4\)"),
                ("edge-listed", "unknown", rf"^vps: {V6} on zen\.spamhaus\.org: the list does not answer this resolver \(127"),
                ("edge-listed", "unknown", rf"^vps: {V4} on psbl\.surriel\.com: .*its test entry is missing"),
                ("edge-listed", "ok", rf"^vps: {V4} on bl\.spamcop\.net: not listed"))

    def test_addresses(self):
        """A name in EHLO with another address, or none; a tenant's address that the VPS does not have; a port that is blocked; a plain resolver."""
        listed = lab.vps.read(CLIENTS)
        self.addCleanup(lab.vps.write, CLIENTS, listed)
        lab.vps.run("postern", "peers", "set", "home", "source4=198.51.100.99")
        lab.vps.run("nft", "add table inet doctor; add chain inet doctor out { type filter hook output priority 0; }; "
                    "add rule inet doctor out meta nfproto ipv4 tcp dport 25 reject with tcp reset")
        self.addCleanup(lab.vps.run, "nft", "delete", "table", "inet", "doctor")
        vps = zone_of("vps.example")
        with self.zones(vps_example=vps.replace(V4, "203.0.113.99").replace("198.51.100.20", "203.0.113.99")):
            self.found_here_and_there(
                ("edge-name", "FAIL", rf"^vps: {V4}: the A records of edge\.vps\.example, the name in EHLO, are of other addresses"),
                ("edge-source", "FAIL", r"^vps: source4 of client home: 198\.51\.100\.99: Cannot assign"),
                ("edge-egress", "FAIL", "^vps: port 25 over IPv4: no mail server can be connected to; .*refused"),
                ("edge-egress", "ok", "^vps: port 25 over IPv6: "))
        conf = lab.vps.read(EDGE_CONF)
        self.addCleanup(lab.vps.write, EDGE_CONF, conf)
        lab.vps.write(EDGE_CONF, conf + 'resolvers = [ "203.0.113.54" ];\n')
        with self.zones(vps_example="other A 198.51.100.20\n"):
            self.found_here_and_there(("edge-hello", "FAIL", r"edge\.vps\.example, the name in EHLO, has no address"),
                                      ("edge-name", "FAIL", rf"^vps: {V4}: edge\.vps\.example, the name in EHLO, has no A record"),
                                      ("edge-resolver", "warn", "DANE is off"))
        lab.vps.write(EDGE_CONF, conf + "nonsense = 1;\n")
        self.found(self.doctor(host=lab.vps), ("edge-config", "FAIL", r"edge\.conf:\d+: .*nonsense"))

    def test_no_resolver(self):
        """A resolver that is gone: nothing is known, and nothing is called wrong for it."""
        lab.edge.restart()
        lab.vps.run("sh", "-ec", "kill $(cat /run/unbound.pid); while kill -0 $(cat /run/unbound.pid); do sleep 0.02; done 2>/dev/null")
        try:
            report, there = self.doctor("--only", "edge"), self.doctor(host=lab.vps)
        finally:
            lab.vps.run("unbound", "-c", "/etc/unbound/lab.conf")
        for one in report, there:
            self.assertEqual(one.ids("FAIL"), set(), one.text)
            self.assertLessEqual({"edge-resolver", "edge-hello", "edge-ptr", "edge-forward", "edge-name", "edge-egress", "edge-listed"},
                                 one.ids("unknown"), one.text)
            self.assertEqual(one.status, 2)

    def test_name(self):
        """An edge whose name does not exist, and one whose name nobody can tell the address of now."""
        resolv = lab.home.read("/etc/resolv.conf")
        self.addCleanup(lab.home.run, "sh", "-c", "cat >/etc/resolv.conf", input=resolv)
        with self.kept(lab.home, EDGES):
            text = lab.home.read(EDGES)
            for name, resolver, result, pattern in (("no-such.vps.example", resolv, "FAIL", "cannot look up .no-such.vps.example"),
                                                    ("edge.vps.example", "nameserver 127.0.0.9\n", "unknown", "cannot look up .edge.vps.example")):
                lab.home.write(EDGES, text.replace(V4, name))
                lab.home.run("sh", "-c", "cat >/etc/resolv.conf", input=resolver)
                report = self.doctor("--only", "edge")
                self.found(report, ("edge-reachable", result, rf"^vps {name}:7843: no answer to .status. \(name\): {pattern}"))
                self.assertEqual(len(report.findings), 1, report.text)

    def test_clock_and_key(self):
        """A clock that is wrong at one end; then a key that is not the edge's."""
        shutil.copy(os.path.join(PRELOADS, "clock.so"), lab.vps.path("/usr/local/lib/clock.so"))
        libraries = ["/usr/local/lib/clock.so"]
        if lab.edge.sanitizer() == "address":
            libraries.insert(0, re.search(r"=> (\S*libasan\S*)", lab.vps.run("ldd", "/usr/sbin/postern-edge").stdout)[1])
        lab.vps.write(WRAPPER, "env CLOCK_AHEAD=600 LD_PRELOAD=" + ":".join(libraries) + "\n")
        self.addCleanup(lab.vps.run, "rm", "-f", WRAPPER)
        lab.edge.restart()
        self.found(self.doctor("--only", "host-clock"), ("host-clock", "FAIL", "^vps: the edge's clock is (599|60[01]) s ahead"))
        with self.kept(lab.home, EDGES):
            text = lab.home.read(EDGES)
            lab.home.write(EDGES, re.sub(r"key=\S+", "key=" + lab.home.run("postern", "pubkey", "/var/lib/postern/transport.key").stdout.strip(), text))
            self.found(self.doctor("--only", "edge"), ("edge-reachable", "FAIL", r"\(handshake\)"))
