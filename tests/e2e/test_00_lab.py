"""The lab itself: its network, its DNS, its MX hosts."""
import hashlib
import re
import smtplib
import subprocess
import time

from harness import Case, MX_HOSTS, lab

ADDRESSES = {"mx-postfix": "11", "mx-sink": "12", "mx-exim": "13", "mx-opensmtpd": "14",
             "mx-aiosmtpd": "15"}
# Dots first, trailing blanks, a line of 998 octets, 8-bit, no empty last line.
MESSAGE = (b"From: <me@home.example>\r\nTo: <you@mx.example>\r\nSubject: bytes\r\n"
           b"Date: Thu, 01 Jan 2026 00:00:00 +0000\r\nMessage-ID: <1@home.example>\r\n"
           b"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
           b"Content-Transfer-Encoding: 8bit\r\n\r\n"
           b".\r\n..\r\n.a\r\n \r\nblank \t \r\n\r\n\xc3\xa9\r\n" + b"x" * 998 + b"\r\nFrom here\r\nend\r\n")


class Dns(Case):
    def test_signed_zone_is_authenticated(self):
        answer = lab.dig("secure.example", "MX")
        self.assertRegex(answer, r"flags:.* ad[ ;].*")
        self.assertIn("mx.secure.example.", answer)

    def test_unsigned_zone_is_not(self):
        answer = lab.dig("postfix.example", "MX")
        self.assertNotRegex(answer, r"flags:.* ad[ ;].*")
        self.assertIn("mx.postfix.example.", answer)

    def test_status(self):
        for name, kind, status in (
                ("bogus.example", "MX", "SERVFAIL"), ("servfail.example", "MX", "SERVFAIL"),
                ("nosuch.example", "MX", "NXDOMAIN"), ("nodata.example", "MX", "NOERROR"),
                ("nullmx.example", "MX", "NOERROR"), ("does-not-exist.nxdomain-mx.example", "A", "NXDOMAIN"),
                ("_25._tcp.mx.secure.example", "TLSA", "NXDOMAIN")):
            with self.subTest(name=name):
                self.assertIn(f"status: {status}", lab.dig(name, kind))

    def test_reverse_of_the_vps(self):
        for address in ("198.51.100.20", "2001:db8:2::20"):
            self.assertEqual(lab.dig("+short", "-x", address), "edge.vps.example.\n")

    def test_zone_at_run_time(self):
        for target in ("mx.exim.example.", "mx.sink.example.", "mx.exim.example.", "mx.postfix.example."):
            lab.zone("runtime.example", f"@ MX 10 {target}\n")
            self.assertEqual(lab.dig("+short", "runtime.example", "MX"), f"10 {target}\n")
        lab.unzone("runtime.example")
        self.assertIn("NXDOMAIN", lab.dig("runtime.example", "MX"))

    def test_spoiled_signatures(self):
        """At run time: a zone signed as a whole but for single records; signatures of another time."""
        records = "@ MX 10 mx\nmx A 203.0.113.11\nwww A 203.0.113.11\n_25._tcp.mx TLSA 3 1 1 " + 64 * "0" + "\ntxt TXT x\n"
        zones = {"spoiled.example": "; lab: break _25._tcp.mx TLSA\n; lab: strip txt TXT\n; lab: break www NSEC\n" + records,
                 "expired.example": "; lab: expired\n" + records, "future.example": "; lab: future\n" + records,
                 "_25._tcp.secure.example": "; lab: lame\n"}
        for name, text in zones.items():
            lab.zone(name, text)
        try:
            for name, kind, status in (
                    ("spoiled.example", "MX", "NOERROR"), ("mx.spoiled.example", "A", "NOERROR"),
                    ("_25._tcp.mx.spoiled.example", "TLSA", "SERVFAIL"), ("txt.spoiled.example", "TXT", "SERVFAIL"),
                    ("www.spoiled.example", "A", "NOERROR"), ("www.spoiled.example", "TXT", "SERVFAIL"),
                    ("expired.example", "MX", "SERVFAIL"), ("future.example", "MX", "SERVFAIL"),
                    ("_25._tcp.secure.example", "TLSA", "SERVFAIL")):
                with self.subTest(name=name):
                    answer = lab.dig(name, kind)
                    self.assertIn(f"status: {status}", answer)
                    self.assertEqual(status == "NOERROR", bool(re.search("flags:.* ad[ ;]", answer)))
        finally:
            for name in zones:
                lab.unzone(name)


class Network(Case):
    def test_port_25_is_blocked_at_home(self):
        for address in ("203.0.113.11", "2001:db8:25::11"):
            began = time.monotonic()
            with self.assertRaises(TimeoutError):
                lab.home.connect(address, 25, timeout=1.5)
            self.assertGreater(time.monotonic() - began, 1.4)

    def test_port_25_is_open_at_the_vps(self):
        for address in ("203.0.113.11", "2001:db8:25::11"):
            lab.vps.connect(address, 25).close()

    def test_home_reaches_other_ports(self):
        lab.home.connect("203.0.113.53", 53).close()

    def test_refused_and_dropped(self):
        with self.assertRaises(ConnectionRefusedError):
            lab.vps.connect("203.0.113.67", 25)
        with self.assertRaises(TimeoutError):
            lab.vps.connect("203.0.113.66", 25, timeout=0.5)


class MxHosts(Case):
    def deliver(self, address, recipient, message=MESSAGE):
        with lab.vps.smtp(address) as client:
            client.ehlo()
            if client.has_extn("starttls"):
                client.starttls()
                client.ehlo()
            options = ["BODY=8BITMIME"] if client.has_extn("8bitmime") else []
            client.sendmail("me@home.example", [recipient], message, options)

    def test_each_stores_the_bytes(self):
        for mx, last in ADDRESSES.items():
            if mx not in MX_HOSTS:
                continue
            for address in (f"203.0.113.{last}", f"2001:db8:25::{last}"):
                with self.subTest(mx=mx, address=address):
                    before = len(lab.stored(mx))
                    self.deliver(address, "you@somewhere.example")
                    message = lab.wait_stored(mx, before + 1)[-1]
                    self.assertEqual(message.recipient, "you@somewhere.example")
                    self.assertEqual(message.sender, "me@home.example")
                    self.assertEqual(message.raw, MESSAGE)

    def test_large_message(self):
        line = b"0123456789abcdef" * 4 + b"\r\n"
        message = b"Subject: large\r\n\r\n" + line * (25_000_000 // len(line))
        for mx, last in ADDRESSES.items():
            if mx not in MX_HOSTS:
                continue
            with self.subTest(mx=mx):
                self.deliver(f"203.0.113.{last}", "large@somewhere.example", message)
                got = lab.wait_stored(mx)[-1].raw
                self.assertEqual(hashlib.sha256(got).digest(), hashlib.sha256(message).digest())

    def test_refusals(self):
        for recipient, code in (("refused", 550), ("later", 450)):
            with self.assertRaises(smtplib.SMTPRecipientsRefused) as caught:
                self.deliver("203.0.113.11", f"{recipient}@postfix.example")
            self.assertEqual(caught.exception.recipients[f"{recipient}@postfix.example"][0], code)


class Hostile(Case):
    """The scripted MX behaves when it says so, and records what came."""

    def test_honest_scripts(self):
        for name, extension in (("case00a_honest", None), ("case00b_honest_tls", "starttls"),
                                ("case00c_honest_tls12", "starttls")):
            domain = f"{name.replace('_', '-')}.hostile.example"
            address = lab.dig("+short", f"mx.{domain}", "A").strip()
            with self.subTest(name=name):
                MxHosts.deliver(self, address, f"you@{domain}")
                events = lab.hostile(name)
                self.assertEqual([event for event in events if event["event"] == "dot"][:1][0]
                                 ["connection"], events[0]["connection"])
                self.assertIn(f"RCPT TO:<you@{domain}>".lower(),
                              [event.get("text", "").lower() for event in events])
                if extension:
                    self.assertIn("tls", [event["event"] for event in events])

    def test_next_mx_follows(self):
        answer = lab.dig("+short", "case32-554-banner.then.hostile.example", "MX")
        self.assertIn("20 mx.postfix.example.", answer)


class Home(Case):
    def test_mail_is_queued_and_signed(self):
        message = "From: me@home.example\nTo: you@postfix.example\nSubject: signed\n\nhello\n"
        lab.home.postconf("default_transport = hold:", "defer_transports = hold")
        try:
            lab.home.sendmail("me@home.example", ["you@postfix.example"], message)
            lab.home.inject("me@home.example", ["you@postfix.example"], message)
            lab.home.wait_log("qmgr.*queue active", count=2)
            queue = lab.home.queue()
            self.assertEqual(len(queue), 2)
            for entry in queue:
                content = lab.home.run("postcat", "-qhb", entry["queue_id"]).stdout
                self.assertIn("DKIM-Signature:", content)
                self.assertTrue(lab.dkim_verify(content.encode().replace(b"\n", b"\r\n")))
                self.assertFalse(lab.dkim_verify(
                    content.replace("hello", "hallo").encode().replace(b"\n", b"\r\n")))
        finally:
            lab.home.postconf("default_transport = postern:unix:private/postern-spawn",
                              "defer_transports =")


class Proxy(Case):
    def test_delay(self):
        """A stand-in listens where the edge would, if there is none."""
        if lab.edge.is_installed:
            self.skipTest("the edge is there; the tunnel's own cases use the proxy")
        lab.home.write("/etc/postern/edges", "vps 198.51.100.20:7843 key=none\n")
        echo = lab.vps.popen("python3", "-c", "import socket; s = socket.create_server(('', 7843));"
                             "c = s.accept()[0]; c.sendall(c.recv(9)); c.recv(9)", stderr=subprocess.DEVNULL)
        with lab.tunnel_proxy("--delay", "0.2") as proxy:
            self.assertIn(":7844", lab.home.read("/etc/postern/edges"))
            with lab.home.connect("198.51.100.20", 7844) as sock:
                began = time.monotonic()
                sock.sendall(b"x")
                self.assertEqual(sock.recv(1), b"x")
                self.assertGreater(time.monotonic() - began, 0.39)
                proxy.control("cut=rst")
                proxy.control("cut-now")
                with self.assertRaises(ConnectionResetError):
                    sock.recv(1)
        echo.wait(timeout=5)
