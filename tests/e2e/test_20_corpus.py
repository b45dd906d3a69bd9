"""500 messages of every kind to every MX program: what Postfix queued is what the MX stored, to the byte, and DKIM says so too."""
import collections
import concurrent.futures
import functools
import hashlib
import os
import re

import dkim
import stored as stored_mail
from corpus import Message, corpus
from harness import Case, lab, wait_for

# (domain, the MX host that stores its mail, does its EHLO offer SMTPUTF8)
DESTINATIONS = (("postfix.example", "mx-postfix", True), ("sink.example", "mx-sink", False),
                ("exim.example", "mx-exim", True), ("opensmtpd.example", "mx-opensmtpd", False),
                ("aiosmtpd.example", "mx-aiosmtpd", True), ("plain.aiosmtpd.example", "mx-aiosmtpd", False),
                ("noutf8.aiosmtpd.example", "mx-aiosmtpd", False))
ADDRESS = {"mx-exim": "203.0.113.13", "mx-opensmtpd": "203.0.113.14"}
OUR_RECEIVED = re.compile(rb"Received: by edge\.vps\.example \(postern\) id (\w+);\r\n\t[^\r\n]*\r\n")
LINE_LIMIT = 998
# wire: digest of what must arrive; plain: digest without the two changes that on_the_wire() makes.
Queued = collections.namedtuple("Queued", "wire plain has_nul has_body")
# What MX programs do to mail they store; each such message goes to them once more by another client, which must fare alike.
KNOWN = {"mx-opensmtpd": lambda queued: queued.has_nul,       # cuts each line at the first NUL
         "mx-exim": lambda queued: not queued.has_body}       # ends a header section that nothing follows with an empty line
CLIENTS = 8


def folded(line):
    """What lmtp(8) does to a line beyond lmtp_line_length_limit (smtp_proto.c, smtp_text_out()): CR LF SPACE."""
    pieces, rest = [line[:LINE_LIMIT]], line[LINE_LIMIT:]
    while rest:
        pieces.append(b" " + rest[:LINE_LIMIT - 1])
        rest = rest[LINE_LIMIT - 1:]
    return b"\r\n".join(pieces)


def on_the_wire(queued):
    """The content of Postfix's queue file as it must arrive: CR LF line ends, an open last line closed, and the two changes that are meant."""
    lines = (queued[:-1] if queued.endswith(b"\n") else queued).split(b"\n")
    data = b"".join(folded(line) + b"\r\n" for line in lines)
    # Case 116: a CR or LF that is no line end becomes a space in the transport (man/postern.conf.5, stray_cr_lf).
    return re.sub(rb"\r(?!\n)|(?<!\r)\n", b" ", data)


def digest(data):
    return hashlib.sha256(data).hexdigest()


def txt_record(name):
    answer = lab.dig("+short", name.decode().rstrip("."), "TXT")
    return "".join(re.findall(r'"([^"]*)"', answer)).encode()


class Corpus(Case):
    ALONE = True    # servers that do not greet in time are put off, as they should be
    # Held, so that what Postfix queued can be read; stray CRs are left to us; and not more connections at once than Exim's
    # listen backlog (20) has room for: the kernel would drop them after our side believes that they stand.
    SETTINGS = ("header_checks = regexp:{{/^Received:/ HOLD}}", "cleanup_replace_stray_cr_lf = no",
                "postern_destination_concurrency_limit = 16")

    def setUp(self):
        super().setUp()
        self.before = lab.home.run("postconf", "postern_destination_concurrency_limit").stdout.strip()
        lab.home.postconf(*self.SETTINGS)

    def tearDown(self):
        lab.home.run("rm", "-rf", "/var/tmp/queued")
        lab.home.run("postconf", "-X", *(setting.split(" ")[0] for setting in self.SETTINGS))
        lab.home.postconf(self.before)

    # -- into the queue

    def recipients(self, message):
        return [f"{message.local}@{domain}" for domain, _, _ in DESTINATIONS]

    def send_raw(self, client, sender, recipients, content, options=()):
        """By SMTP, without smtplib's help: not a byte more than the content. Returns the last word of the reply."""
        code, text = client.mail(sender, list(options))
        self.assertEqual(code, 250, text)
        for recipient in recipients:
            code, text = client.rcpt(recipient)
            self.assertIn(code, (250, 251), (recipient, text))
        self.assertEqual(client.docmd("DATA")[0], 354)
        # Postfix 3.7 takes a bare LF for a line end too: dots behind it are doubled as well.
        content = re.sub(rb"(?m)^\.", b"..", content)
        client.send(content + (b"" if not content or content.endswith(b"\r\n") else b"\r\n") + b".\r\n")
        code, text = client.getreply()
        self.assertEqual(code, 250, text)
        return text.decode().rsplit(None, 1)[-1]

    def by_smtp(self, client, message):
        return self.send_raw(client, message.sender, self.recipients(message), message.content, message.options)

    def by_sendmail(self, message):
        # -v would mail a report; the queue id is in the log of cleanup or, without a Message-ID, of pickup.
        mark = lab.home.log_mark()
        lab.home.sendmail(message.sender, self.recipients(message), message.content)
        line = lab.home.wait_log(r"postfix/pickup\[\d+\]: \w+: uid=", since=mark)[0]
        return re.search(r"pickup\[\d+\]: (\w+):", line).group(1)

    def inject_slice(self, messages):
        with lab.home.smtp() as client:
            client.ehlo()
            return {self.by_smtp(client, message): message for message in messages}

    def inject(self, messages):
        """{queue id: message}; several clients, as smtpd and opendkim spend their time waiting for each other."""
        smtp = [message for message in messages if message.via == "smtp"]
        ids = {}
        with concurrent.futures.ThreadPoolExecutor(CLIENTS) as clients:
            slices = [clients.submit(self.inject_slice, smtp[first::CLIENTS]) for first in range(CLIENTS)]
            for message in messages:
                if message.via == "sendmail":
                    ids[self.by_sendmail(message)] = message
            for done in slices:
                ids.update(done.result())
        self.assertEqual(len(ids), len(messages))
        return ids

    def queued(self, ids):
        """{queue id: Queued}, read from Postfix's own queue files."""
        # sendmail(1) and pickup(8) do not wait for the milters: a file that may be executed is whole.
        wait_for("all messages in the hold queue", lambda: all(
            os.access(path, os.X_OK) for path in (lab.home.path(f"/var/spool/postfix/hold/{queue_id}") for queue_id in ids)))
        lab.home.run("sh", "-c", "mkdir -p /var/tmp/queued; cd /var/spool/postfix/hold && for id in *; do "
                     "postcat -bh $id >/var/tmp/queued/$id || exit 1; done")
        found = {}
        for queue_id in ids:
            with open(lab.home.path(f"/var/tmp/queued/{queue_id}"), "rb") as file:
                data = file.read()
            plain = (data if data.endswith(b"\n") else data + b"\n").replace(b"\n", b"\r\n")
            # Even an octet-less message is: cleanup(8) gives it a From field first.
            self.assertIn(b"\nDKIM-Signature:", b"\n" + data.partition(b"\n\n")[0], ids[queue_id].name)
            found[queue_id] = Queued(digest(on_the_wire(data)), digest(plain), b"\0" in data, b"\n\n" in data)
        return found

    def release(self, count):
        lab.home.run("postsuper", "-H", "ALL")
        lab.home.flush()
        # Nothing may be deferred either: wait for the end of the first attempts, not of the second.
        try:
            lab.home.wait_log(r"qmgr\[\d+\]: \w+: removed", count=count)
        except AssertionError:
            self.assertEqual(lab.home.grep_log(r"to=<.*status=deferred"), [])
            self.assertEqual(lab.home.queue(), [])
            raise

    # -- at the MX hosts

    def wait_files(self, counts):
        """Postfix, Exim and OpenSMTPD answer when a message is in their queue, not when it is in the mailbox."""
        for mx, count in counts.items():
            wait_for(f"{count} messages at {mx}", lambda mx=mx, count=count: len(stored_mail.files(mx)) >= count)

    def arrived(self):
        """Yields (MX host, queue id, message without trace fields, message) of everything that is stored, file by file."""
        for mx in dict.fromkeys(mx for _, mx, _ in DESTINATIONS):
            for path in stored_mail.files(mx):
                read = stored_mail.read_json if path.endswith(".json") else lambda path, mx=mx: (
                    stored_mail.read_trace_file(mx, path))
                for message in read(path):
                    trace = OUR_RECEIVED.match(message.raw)
                    self.assertTrue(trace, (mx, message.raw[:200]))
                    yield mx, trace.group(1).decode(), message.raw[trace.end():], message.raw

    def wire_of(self, queue_id):
        with open(lab.home.path(f"/var/tmp/queued/{queue_id}"), "rb") as file:
            return on_the_wire(file.read())

    def keep(self, mx, message, queue_id, rest):
        """A difference is looked at with the files."""
        directory = os.environ.get("CORPUS_KEEP")
        if directory:
            for what, data in (("queued", self.wire_of(queue_id)), (mx, rest)):
                with open(os.path.join(directory, f"{message.name}.{what}"), "wb") as file:
                    file.write(data)

    def test_500_messages_to_every_mx(self):
        """Cases 34, 115, 116, 117."""
        messages = corpus()
        ids = self.inject(messages)
        queued = self.queued(ids)
        refused = sum(message.needs_utf8 for message in messages)
        self.release(len(messages) + refused)
        self.check_outcomes(ids)
        self.check_bounces(ids)
        self.check_content(ids, queued)

    def test_lines_without_limit(self):
        """Case 117: where lmtp(8) is told not to break them, lines of 999, 2000 and 10 million octets pass as they are."""
        content = b"From: anna@home.example\r\nSubject: long\r\n\r\n" + b"".join(
            b"." + b"x" * (length - 1) + b"\r\n" for length in (998, 999, 2000, 10_000_000, 4))
        lab.home.postconf("lmtp_line_length_limit = 0")
        try:
            with lab.home.smtp() as client:
                client.ehlo()
                queue_id = self.send_raw(client, "anna@home.example", ["you@postfix.example", "you@sink.example"], content)
            queued = self.queued({queue_id: Message("long", "", "", "", "", (), b"", False)})[queue_id]
            self.release(1)
        finally:
            lab.home.run("postconf", "-X", "lmtp_line_length_limit")
        self.wait_files({"mx-postfix": 1, "mx-sink": 1})
        stored = {mx: digest(rest) for mx, _, rest, _ in self.arrived()}
        self.assertEqual(stored, {"mx-postfix": queued.plain, "mx-sink": queued.plain})

    def check_outcomes(self, ids):
        """Sent to every MX, but for SMTPUTF8 where it is not offered: 5.6.7, told before any content went out."""
        lines = collections.defaultdict(list)
        for line in lab.home.grep_log(r" \w+: to=<.*relay=.*private/postern-spawn.*status="):
            queue_id, recipient = re.search(r": (\w+): to=<(.*?)>,", line).groups()
            lines[queue_id, recipient.partition("@")[2]].append(line)
        for queue_id, message in ids.items():
            for domain, _, offers_utf8 in DESTINATIONS:
                found = lines[queue_id, domain]
                self.assertEqual(len(found), 1, (message.name, domain, found))
                if message.needs_utf8 and not offers_utf8:
                    self.assertRegex(found[0], r"dsn=5\.6\.7, status=bounced .*SMTPUTF8 is required, but was not offered")
                else:
                    self.assertRegex(found[0], r"dsn=2\.\d\.\d, status=sent", message.name)

    def check_bounces(self, ids):
        refusing = {domain for domain, _, offers_utf8 in DESTINATIONS if not offers_utf8}
        bounces = lab.stored("home")
        self.assertEqual(len(bounces), sum(message.needs_utf8 for message in ids.values()))
        for bounce in bounces:
            self.assertEqual(bounce.sender, "")
            self.assertEqual(bounce.raw.count(b"Status: 5.6.7"), len(refusing), bounce.raw)
            for domain in refusing:
                self.assertIn(f"@{domain}>".encode(), bounce.raw)

    def check_content(self, ids, queued):
        """One copy for each recipient, the same to the byte, with a good signature wherever Postfix sent what it had signed."""
        keys = functools.lru_cache(maxsize=None)(txt_record)
        arrived = collections.Counter()
        odd = collections.defaultdict(list)
        verified, signed = set(), set()
        expected = collections.Counter(
            (mx, queue_id) for queue_id, message in ids.items() for _, mx, offers_utf8 in DESTINATIONS
            if offers_utf8 or not message.needs_utf8)
        counts = collections.Counter()
        for (mx, _), count in expected.items():
            counts[mx] += count
        self.wait_files(counts)
        for mx, queue_id, rest, whole in self.arrived():
            message, wanted = ids[queue_id], queued[queue_id]
            arrived[mx, queue_id] += 1
            if digest(rest) != wanted.wire:
                odd[mx].append((queue_id, rest))
            elif wanted.wire == wanted.plain and digest(whole) not in verified:
                self.assertTrue(dkim.verify(whole, dnsfunc=lambda name, timeout=5: keys(name)), (message.name, mx))
                verified.add(digest(whole))
                signed.add(queue_id)
        self.assertEqual(arrived, expected)
        self.assertEqual(signed, {queue_id for queue_id, wanted in queued.items() if wanted.wire == wanted.plain})
        changed = {ids[queue_id].kind for queue_id, wanted in queued.items() if wanted.wire != wanted.plain}
        self.assertEqual(changed, {"stray", "too-long-lines"})
        self.check_odd(ids, queued, odd)

    def check_odd(self, ids, queued, odd):
        """Every message that an MX program stored otherwise is of a known kind, and it does the same to mail that postern never saw."""
        for mx, messages in odd.items():
            for queue_id, rest in messages:
                self.keep(mx, ids[queue_id], queue_id, rest)
            unknown = [ids[queue_id].name for queue_id, _ in messages if not KNOWN.get(mx, lambda _: False)(queued[queue_id])]
            self.assertEqual(unknown, [], mx)
            stored_mail.clear(mx)
            with lab.vps.smtp(ADDRESS[mx]) as client:
                client.ehlo()
                for queue_id, _ in messages:
                    self.send_raw(client, "anna@home.example", [f"you@{mx[3:]}.example"], self.wire_of(queue_id))
            found = [digest(message.raw) for message in lab.wait_stored(mx, len(messages))]
            self.assertEqual(sorted(found), sorted(digest(rest) for _, rest in messages), mx)
