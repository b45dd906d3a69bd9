"""Who may send as whom: postern-milter behind real Postfix, by each way of handing mail in."""
import contextlib
import os
import socket
import socketserver
import ssl
import struct
import subprocess
import tempfile
import threading

from harness import lab, wait_for
from milter_case import MilterCase, converse, message

ALICE = "alice@home.example"
BOB = "bob@home.example"


class Logins(MilterCase):
    def test_own_address(self):
        outcome = self.assertQueued(self.send(message("Subject: mine")))
        raw = self.delivered()
        self.assertEqual(self.fields(raw, "From"), [ALICE])
        self.assertTrue(lab.dkim_verify(raw))
        lab.milter.wait_decision(rf"{outcome.queue_id}: pass: who=login:{ALICE}, client=198\.51\.100\.20, from=<{ALICE}>, "
                                 rf"header_from=<{ALICE}>, rule=none")

    def test_every_address_of_the_line(self):
        self.assertQueued(self.send(message(sender="team@home.example"), sender="team@home.example"))
        self.assertQueued(self.send(message(sender="Team <TEAM+news@HOME.example>"), sender="Alice+x@home.example"))
        self.assertQueued(self.send(message(sender="x@bob.example"), login=BOB, sender="y@bob.example"))
        self.assertQueued(self.send(message(sender=BOB), login=BOB, sender=BOB))

    def test_envelope_of_another(self):
        self.assertRefused(self.send(message(), sender=BOB), "rcpt", 550, r"5\.7\.1 .*bob@home\.example.*envelope_sender")
        lab.milter.wait_decision(rf"NOQUEUE: reject: who=login:{ALICE}, .*from=<{BOB}>.*rule=envelope_sender.*said=550 5\.7\.1")
        self.assertEqual(lab.home.queue(), [])

    def test_from_of_another(self):
        self.assertRefused(self.send(message(sender=BOB)), "data", 550, r"5\.7\.1 .*bob@home\.example.*from_address")
        lab.milter.wait_decision(rf"[0-9A-F]+: reject: who=login:{ALICE}, .*header_from=<{BOB}>, rule=from_address")

    def test_sender_of_another(self):
        self.assertRefused(self.send(message(f"Sender: {BOB}")), "data", 550, "sender_address")
        self.assertQueued(self.send(message("Sender: team@home.example")))

    def test_resent_of_another(self):
        self.assertRefused(self.send(message(f"Resent-From: {BOB}")), "data", 550, "resent_address")
        self.assertRefused(self.send(message(f"Resent-From: {ALICE}", f"Resent-Sender: {BOB}")), "data", 550, "resent_address")

    def test_several_addresses_and_groups(self):
        """Case 133: every address must be theirs; a group is looked into, what cannot be read is refused, nothing is skipped."""
        refused = {f"From: {ALICE}, {BOB}": "from_address|from_syntax",
                   f"From: us: {ALICE}, {BOB};": "from_address|from_syntax",
                   "From: undisclosed:;": "from_syntax",
                   f"From: <@a.example,@b.example:{ALICE}>": "from_syntax",
                   f"From: <{ALICE}>,{BOB}": "from_",
                   f"From: {ALICE} <{BOB}>": "from_",
                   f"From: <{ALICE}> <{BOB}>": "from_syntax",
                   f"From: {ALICE} {BOB}": "from_syntax",
                   "From: \"alice@home.example": "from_syntax",
                   "From: alice @ home.example": "from_syntax",
                   f"From: (x) {BOB} ({ALICE})": "from_address"}
        with lab.home.submit(ALICE) as client:
            for field, rule in refused.items():
                with self.subTest(field=field):
                    outcome = converse(client, ALICE, ["you@postfix.example"], message(field, f"Sender: {ALICE}"))
                    self.assertRefused(outcome, "data", 550, rule)
            for field in (f"From: {ALICE}, team@home.example", f"From: us: {ALICE}, team@home.example;",
                          "From: <\"alice\"@home.example> (Alice)", f"From: =?utf-8?q?Al=C3=ADce?= <{ALICE}>"):
                with self.subTest(field=field):
                    self.assertQueued(converse(client, ALICE, ["you@postfix.example"], message(field, f"Sender: {ALICE}")))

    def test_number_of_from_fields(self):
        """Case 132."""
        for fields, rule in (((f"From: {ALICE}", f"From: {ALICE}"), "from_duplicate"),
                             ((f"From: {ALICE}", f"FROM: {BOB}"), "from_"),
                             ((("From", None),), "from_missing"), (("From:",), "from_syntax"), (("From: ",), "from_syntax"),
                             ((f"Sender: {ALICE}", f"Sender: {ALICE}"), "once_only")):
            with self.subTest(fields=fields):
                self.assertRefused(self.send(message(*fields)), "data", 550, rule)

    def test_differential_shapes(self):
        """Case 135, as they come through smtpd(8): nothing is delivered that shows another's address in a From."""
        shapes = (f"From : {BOB}", f"From\t: {BOB}", f"\rFrom: {BOB}", f" From: {BOB}", f"From\0: {BOB}",
                  f"X-1: y\r\nFrom : {BOB}", f"X-1: y\r\n From: {BOB}", f"From: {ALICE}\r\nX-1: y\nFrom: {BOB}",
                  f"From: {ALICE}\0 <{BOB}>", f"no colon\r\nFrom: {BOB}", f"X-1: y\r\n\rFrom: {BOB}")
        with lab.home.submit(ALICE) as client:
            for shape in shapes:
                with self.subTest(shape=shape):
                    before = len(lab.stored("mx-postfix"))
                    data = shape.encode() + b"\r\nDate: Sat, 21 Nov 2026 10:00:00 +0000\r\n\r\nhello\r\n"
                    outcome = converse(client, ALICE, ["you@postfix.example"], data)
                    if outcome.stage != "queued":
                        self.assertEqual((outcome.stage, outcome.code), ("data", 550), outcome)
                        continue
                    raw = lab.wait_stored("mx-postfix", before + 1)[-1].raw
                    self.assertEqual(self.fields(raw, "From"), [ALICE])

    def test_display_name(self):
        """Case 134: what counts is the address; with the rule, a name that shows another one is refused or taken away."""
        fields = (f"From: \"ceo@bank.example\" <{ALICE}>", f"From: =?utf-8?q?ceo=40bank.example?= <{ALICE}>")
        for field in fields:
            self.assertQueued(self.send(message(field)))
        self.use(display_name="reject")
        for field in fields:
            self.assertRefused(self.send(message(field)), "data", 550, "display_name")
        self.assertQueued(self.send(message(f"From: Alice <{ALICE}>")))

    def test_unlisted_login(self):
        for login in ("mallory@home.example", "local", "198.51.100.20", "login:*", "*", "alice"):
            with self.subTest(login=login):
                self.assertRefused(self.send(message(), login=login), "rcpt", 550, "unlisted")
                self.assertRefused(self.send(message(), login=login, to="inbox@home.example"), "rcpt", 550, "unlisted")

    def test_login_that_reads_like_another_kind_of_key(self):
        self.use("login:local\tbob@home.example\nlocal\talice@home.example\n")
        self.assertQueued(self.send(message(sender=BOB), login="local", sender=BOB))
        self.assertRefused(self.send(message(), login="local"), "rcpt", 550, "envelope_sender")

    def test_order_of_the_keys(self):
        self.use("alice@home.example\talice@home.example\n@home.example\tself team@home.example\nlogin:*\tanybody@home.example\n")
        self.assertRefused(self.send(message(sender="team@home.example"), sender="team@home.example"), "rcpt", 550)
        for login, sender in ((BOB, BOB), (BOB, "team@home.example"), ("root", "anybody@home.example")):
            self.assertQueued(self.send(message(sender=sender), login=login, sender=sender))
        self.assertRefused(self.send(message(sender=BOB), login="root", sender=BOB), "rcpt", 550)

    def test_envelope_and_from_apart(self):
        self.use("alice@home.example\tenvelope:bounces@home.example from:alice@home.example\n")
        self.assertQueued(self.send(message(), sender="bounces@home.example"))
        self.assertRefused(self.send(message(), sender=ALICE), "rcpt", 550, "envelope_sender")
        self.assertRefused(self.send(message(sender="bounces@home.example"), sender="bounces@home.example"), "data", 550,
                           "from_address")

    def test_domains_and_everything(self):
        self.use("alice@home.example\t@example.com .example.org\nbob@home.example\t*\n")
        for sender, is_theirs in (("x@example.com", True), ("x@sub.example.com", False), ("x@a.b.example.org", True),
                                  ("x@example.org", False), ("x@notexample.com", False)):
            with self.subTest(sender=sender):
                self.assertEqual(self.send(message(sender=sender), sender=sender).stage, "queued" if is_theirs else "rcpt")
        self.assertQueued(self.send(message(sender="anybody@anywhere.example"), login=BOB, sender="any@where.example"))

    def test_international_domain(self):
        """Case 136: U-label and A-label are one domain; an address in UTF-8 needs SMTPUTF8."""
        self.use("alice@home.example\t@xn--mnchen-3ya.example alice@home.example\n")
        field = "From: x@m\u00fcnchen.example"
        self.assertQueued(self.send(message("From: x@xn--mnchen-3ya.example"), sender="y@xn--mnchen-3ya.example"))
        self.assertRefused(self.send(message(field)), "data", 550)
        with lab.home.submit(ALICE) as client:
            self.assertQueued(converse(client, ALICE, ["you@postfix.example"], message(field), ["SMTPUTF8"]))


class NullSender(MilterCase):
    """Case 137."""

    REPORT = ("Content-Type: multipart/report; report-type=delivery-status; boundary=b", "MIME-Version: 1.0")

    def test_ordinary_mail(self):
        self.assertRefused(self.send(message("Subject: no bounce"), sender=""), "data", 550, "null_sender")

    def test_bounce_auto_reply_and_notification(self):
        body = (b"--b\r\n\r\ntext\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; x\r\n\r\n"
                b"Final-Recipient: rfc822; y@z.example\r\nAction: failed\r\nStatus: 5.0.0\r\n--b--\r\n")
        self.assertQueued(self.send(message(*self.REPORT, body=body), sender=""))
        self.assertQueued(self.send(message("Auto-Submitted: auto-replied"), sender=""))
        disposition = self.REPORT[0].replace("delivery-status", "disposition-notification")
        self.assertQueued(self.send(message(disposition, self.REPORT[1], body=body), sender=""))

    def test_from_still_counts(self):
        self.assertRefused(self.send(message("Auto-Submitted: auto-replied", sender=BOB), sender=""), "data", 550, "from_address")

    def test_allowed_by_the_line(self):
        self.use("alice@home.example\tself <>\n")
        self.assertQueued(self.send(message("Subject: no bounce"), sender=""))

    def test_postfix_own_bounce_goes_out(self):
        """It does not come by here: mail that Postfix refuses later still returns to its sender."""
        self.use("alice@home.example\t*\n")
        self.assertQueued(self.send(message(), sender="stranger@exim.example", to="refused@postfix.example"))
        self.assertIn(b"User unknown here", lab.wait_stored("mx-exim")[0].raw)


class Certificates(MilterCase):
    """A client with a TLS certificate, known by its fingerprint or that of its key (port 2587)."""

    SETTINGS = {"policy_listen": "unix:/var/spool/postfix/postern/policy.sock"}

    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.TemporaryDirectory()
        for name in ("one", "other"):
            subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "3",
                            "-subj", f"/CN={name}", "-keyout", cls.path(name, "key"), "-out", cls.path(name, "pem")],
                           check=True, capture_output=True)
        lab.home.write("/etc/postfix/relay_clientcerts", "".join(f"{cls.fingerprint(name)} {name}\n" for name in ("one", "other")))
        super().setUpClass()

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        lab.home.write("/etc/postfix/relay_clientcerts", "")
        cls.directory.cleanup()

    @classmethod
    def path(cls, name, kind):
        return os.path.join(cls.directory.name, f"{name}.{kind}")

    @classmethod
    def fingerprint(cls, name):
        text = subprocess.run(["openssl", "x509", "-in", cls.path(name, "pem"), "-noout", "-fingerprint", "-sha256"], check=True,
                              capture_output=True, text=True).stdout
        return text.split("=")[1].strip()

    @classmethod
    def key_fingerprint(cls, name):
        text = subprocess.run(f"openssl x509 -in {cls.path(name, 'pem')} -noout -pubkey | openssl pkey -pubin -outform DER | sha256sum",
                              shell=True, check=True, capture_output=True, text=True).stdout
        digits = text.split()[0].upper()
        return ":".join(digits[i:i + 2] for i in range(0, len(digits), 2))

    def send_with(self, name, *messages):
        """The outcomes of (sender, message) pairs in one session."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.load_cert_chain(self.path(name, "pem"), self.path(name, "key"))
        with lab.home.submit(port=2587) as client:
            client.starttls(context=context)
            client.ehlo()
            return [converse(client, sender, ["you@postfix.example"], data) for sender, data in messages]

    def test_by_certificate(self):
        self.use(f"{self.fingerprint('one')}\talice@home.example\n", **self.SETTINGS)
        own, other = self.send_with("one", (ALICE, message()), (BOB, message(sender=BOB)))
        self.assertQueued(own)
        self.assertRefused(other, "rcpt", 550, "envelope_sender")
        lab.milter.wait_decision(rf"{own.queue_id}: pass: who=cert:{self.fingerprint('one')}")
        self.assertRefused(self.send_with("other", (ALICE, message()))[0], "rcpt", 550, "unlisted")

    def test_by_public_key(self):
        self.use(f"cert:{self.key_fingerprint('one').lower()}\talice@home.example\n", **self.SETTINGS)
        self.assertQueued(self.send_with("one", (ALICE, message()))[0])
        self.assertRefused(self.send_with("other", (ALICE, message()))[0], "rcpt", 550, "unlisted")

    def test_many_at_once(self):
        """Each session keeps its own certificate."""
        self.use(f"{self.fingerprint('one')}\talice@home.example\n{self.fingerprint('other')}\tbob@home.example\n", **self.SETTINGS)
        results = {}

        def run(number):
            name, sender = (("one", ALICE), ("other", BOB))[number % 2]
            wrong = BOB if sender == ALICE else ALICE
            results[number] = [outcome.stage for outcome in self.send_with(
                name, *[(who, message(sender=who)) for who in (sender, wrong, sender)])]

        threads = [threading.Thread(target=run, args=(number,)) for number in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(results, {number: ["queued", "rcpt", "queued"] for number in range(20)})


class Chroot(MilterCase):
    """The relative path of the socket is the same file for processes in Postfix's queue directory and for those locked in there."""

    SERVICES = ("smtp/inet", "submission/inet", "cleanup/unix")

    def chroot(self, word):
        lab.home.reload("postconf -F " + " ".join(f"{service}/chroot={word}" for service in self.SERVICES) + f" && {lab.home.RELOAD}")

    def test_chroot(self):
        # What a chroot needs besides; Debian's start script copies the same.
        lab.home.run("sh", "-ec", "cd /var/spool/postfix; mkdir -p etc; cp /etc/resolv.conf /etc/hosts /etc/services /etc/localtime etc/")
        self.chroot("y")
        self.addCleanup(self.chroot, "n")
        self.assertQueued(self.send(message()))
        roots = lab.home.run("sh", "-c", "for p in $(pgrep -x smtpd; pgrep -x cleanup); do readlink /proc/$p/root; done").stdout.split()
        self.assertEqual(len([root for root in roots if root.endswith("/var/spool/postfix")]), 2, roots)
        self.assertRefused(self.send(message(sender="ceo@bank.example")), "data", 550, "from_address")
        lab.home.sendmail("www@home.example", ["you@postfix.example"], "From: www@home.example\nSubject: by program\n\nhello\n")
        lab.milter.wait_decision(r"(pass|repair): who=local")


class OtherWaysIn(MilterCase):
    def test_network(self):
        self.use("198.51.100.0/24\tapp@home.example\n198.51.100.20\tvps@home.example\n")
        lab.home.postconf("mynetworks = 127.0.0.0/8 [::1]/128 198.51.100.0/24 [2001:db8:2::]/48")
        self.addCleanup(lab.home.postconf, "mynetworks = 127.0.0.0/8 [::1]/128")
        self.assertQueued(self.send(message(sender="vps@home.example"), login=None, port=25, sender="vps@home.example"))
        self.assertRefused(self.send(message(sender="app@home.example"), login=None, port=25, sender="app@home.example"), "rcpt", 550,
                           "envelope_sender")
        self.use("198.51.100.0/24\tapp@home.example\n")
        self.assertQueued(self.send(message(sender="app@home.example"), login=None, port=25, sender="app@home.example"))
        lab.milter.wait_decision(r"pass: who=client:198\.51\.100\.0/24, client=198\.51\.100\.20")
        self.use("2001:db8:2::/48\tapp@home.example\n")
        with lab.vps.smtp("2001:db8:1::10", 25) as client:
            client.ehlo()
            self.assertQueued(converse(client, "app@home.example", ["you@postfix.example"], message(sender="app@home.example")))
        self.assertRefused(self.send(message(), login=None, port=25), "rcpt", 550, "unlisted")

    def test_open_relay_is_none(self):
        """Too wide a mynetworks does not let a stranger send with a sender of his choice."""
        lab.home.postconf("mynetworks = 0.0.0.0/0")
        self.addCleanup(lab.home.postconf, "mynetworks = 127.0.0.0/8 [::1]/128")
        self.assertRefused(self.send(message(), login=None, port=25), "rcpt", 550, r"198\.51\.100\.20.*unlisted")

    def test_inbound_is_not_looked_at(self):
        """What a stranger sends to us arrives as it is, however odd."""
        odd = (b"From: ceo@bank.example, x <y@z.example> <q>\r\nFrom: again@bank.example\r\nSubject: \xff\xfe\x01\r\n"
               b"X-Originating-IP: 192.0.2.99\r\nAuthentication-Results: mail.home.example; dkim=pass\r\n\r\nhello\r\n")
        outcome = self.assertQueued(self.send(odd, login=None, port=25, sender="ceo@bank.example", to="inbox@home.example"), is_looked_at=False)
        lab.home.wait_log(rf"{outcome.queue_id}: to=<inbox@home\.example>.*status=sent")
        self.assertIn(odd, lab.wait_stored("home")[0].raw)
        self.assertQueued(self.send(odd, login=None, port=25, sender="", to="inbox@home.example"), is_looked_at=False)

    def test_sendmail_of_their_own(self):
        lab.home.sendmail("www@home.example", ["you@postfix.example"], "From: www@home.example\nSubject: by program\n\nhello\n")
        self.assertEqual(self.fields(self.delivered(), "From"), ["www@home.example"])
        lab.milter.wait_decision(r"(pass|repair): who=local, client=127\.0\.0\.1, from=<www@home\.example>")

    def test_sendmail_of_another(self):
        """Postfix bounces it to the envelope sender; never is it tried again for ever."""
        lab.home.sendmail("alice@home.example", ["you@postfix.example"], "From: bob@home.example\nSubject: x\n\nhello\n")
        lab.home.wait_log(r"postfix/cleanup.*milter-reject: END-OF-MESSAGE .*5\.7\.1 .*from_address")
        self.assertIn(b"from_address", lab.wait_stored("home")[0].raw)
        self.assertEqual(lab.stored("mx-postfix"), [])
        wait_for("nothing is left in the queue", lambda: not lab.home.queue())

    def test_sendmail_with_another_envelope(self):
        lab.home.sendmail("bob@home.example", ["you@postfix.example", "inbox@home.example"], "From: alice@home.example\n\nhello\n")
        lab.home.wait_log(r"status=bounced .*envelope_sender", count=2)
        self.assertEqual(lab.stored("mx-postfix"), [])
        self.assertEqual(lab.home.grep_log("can't reject recipient in non-smtpd"), [])
        wait_for("nothing is left in the queue", lambda: not lab.home.queue())

    def test_sendmail_where_only_ipv6_is_spoken(self):
        """Postfix then says that sendmail(1) is ::1."""
        self.addCleanup(self.set_protocols, "all")
        self.set_protocols("ipv6")
        lab.home.sendmail("www@home.example", ["you@postfix.example"], "From: www@home.example\n\nhello\n")
        lab.milter.wait_decision(r"(pass|repair): who=local, ")

    def set_protocols(self, protocols):
        lab.home.run("postconf", "-e", f"inet_protocols = {protocols}")
        lab.home.reload("postfix stop; postfix start")


def cdb(lines):
    """A constant database as of cdb(5): the records, then 256 hash tables, their places at the very beginning."""
    records, tables, place = b"", [[] for _ in range(256)], 2048
    for key, value in lines.items():
        digest = 5381
        for byte in key:
            digest = (digest * 33 ^ byte) & 0xffffffff
        tables[digest % 256].append((digest, place))
        record = struct.pack("<II", len(key), len(value)) + key + value
        records += record
        place += len(record)
    head, tail = b"", b""
    for table in tables:
        slots = [(0, 0)] * (2 * len(table))
        for digest, record_place in table:
            slot = digest // 256 % len(slots)
            while slots[slot] != (0, 0):
                slot = (slot + 1) % len(slots)
            slots[slot] = (digest, record_place)
        head += struct.pack("<II", place + len(tail), len(slots))
        tail += b"".join(struct.pack("<II", *slot) for slot in slots)
    return head + records + tail


class SocketmapServer(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True

    def __init__(self, path, answers):
        self.answers = answers
        self.connections = []
        super().__init__(path, SocketmapHandler)
        os.chmod(path, 0o666)

    def end(self):
        self.shutdown()
        self.server_close()
        for connection in self.connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class SocketmapHandler(socketserver.StreamRequestHandler):
    def handle(self):
        self.server.connections.append(self.request)
        while True:
            length = b""
            while not length.endswith(b":"):
                byte = self.rfile.read(1)
                if not byte:
                    return
                length += byte
            request = self.rfile.read(int(length[:-1])).decode()
            self.rfile.read(1)
            name, key = request.split(" ", 1)
            answer = self.server.answers.get((name, key), "NOTFOUND ")
            self.wfile.write(f"{len(answer.encode())}:{answer},".encode())


class Tables(MilterCase):
    def test_file_changes_while_running(self):
        self.assertRefused(self.send(message(sender="new@home.example"), sender="new@home.example"), "rcpt", 550)
        lab.milter.write_senders(self.SENDERS.replace("team@", "new@"))
        self.changed = True
        wait_for("the new line is in force", lambda: self.send(
            message(sender="new@home.example"), sender="new@home.example").stage == "queued")
        self.assertRefused(self.send(message(sender="team@home.example"), sender="team@home.example"), "rcpt", 550)

    def test_one_bad_line_locks_nobody_else_out(self):
        lab.milter.write_senders("# people\nalice@home.example\talice@home.example\nbob@home.example\tfrom:@@ nonsense\n")
        self.changed = True
        lab.milter.restart()
        self.assertQueued(self.send(message()))
        self.assertRefused(self.send(message(sender=BOB), login=BOB, sender=BOB), "rcpt", 451, r"4\.3\.0")
        lab.home.wait_log(r"postern/milter.*/etc/postern/senders:3: ")

    def test_file_that_is_gone(self):
        """What is in force stays; a start without it is refused."""
        lab.home.run("mv", lab.milter.SENDERS, lab.milter.SENDERS + ".gone")
        self.changed = True
        self.assertQueued(self.send(message()))
        lab.milter.stop()
        with self.assertRaisesRegex(AssertionError, "senders"):
            lab.milter.start()

    def test_cdb(self):
        def write(lines):
            path = lab.home.path("/etc/postern/senders.cdb")
            with open(path + ".new", "wb") as file:
                file.write(cdb(lines))
            os.rename(path + ".new", path)

        write({b"alice@home.example": b"alice@home.example", b"198.51.100": b"app@home.example"})
        self.changed = True
        lab.milter.stop()
        lab.milter.write_conf(senders="cdb:/etc/postern/senders.cdb")
        lab.milter.start()
        self.assertQueued(self.send(message()))
        self.assertRefused(self.send(message(sender=BOB), sender=BOB), "rcpt", 550, "envelope_sender")
        self.assertRefused(self.send(message(), login=BOB), "rcpt", 550, "unlisted")
        write({b"bob@home.example": b"bob@home.example"})
        wait_for("the new table is in force", lambda: self.send(message(sender=BOB), login=BOB, sender=BOB).stage == "queued")
        self.assertRefused(self.send(message()), "rcpt", 550, "unlisted")

    def test_socketmap(self):
        path = lab.home.path("/run/lab-socketmap")
        server = SocketmapServer(path, {("who", "alice@home.example"): "OK alice@home.example", ("who", "bob@home.example"): "TEMP down"})
        self.addCleanup(os.unlink, path)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.changed = True
        lab.milter.stop()
        lab.milter.write_conf(senders="socketmap:unix:/run/lab-socketmap:who")
        lab.milter.start()
        self.assertQueued(self.send(message()))
        self.assertRefused(self.send(message(sender=BOB), sender=BOB), "rcpt", 550, "envelope_sender")
        self.assertRefused(self.send(message(), login=BOB), "rcpt", 451)
        self.assertRefused(self.send(message(), login="mallory@home.example"), "rcpt", 550, "unlisted")
        server.end()
        self.assertRefused(self.send(message(), login="carol@home.example"), "rcpt", 451)

    def test_log_mode_changes_nothing(self):
        """mode = "log": everything passes, the log says what would have been."""
        self.use(mode="log")
        data = message(f"From: {BOB}", "X-Originating-IP: 192.0.2.9")
        outcome = self.assertQueued(self.send(data, sender=BOB))
        self.assertTrue(self.delivered().endswith(data))
        line = lab.milter.wait_decision(rf"{outcome.queue_id}: log: ")
        for rule in ("envelope_sender", "from_address", "originating_ip"):
            self.assertIn(rule, line)
        self.assertQueued(self.send(message(), login="mallory@home.example"))
