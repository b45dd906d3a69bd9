"""What the cases about postern-milter share: it runs, followed by OpenDKIM; sessions that say where they were refused."""
import re
import smtplib

from harness import Case, Home, lab

SENDERS = """\
alice@home.example	alice@home.example team@home.example default=alice@home.example
bob@home.example	self @bob.example
local	alice@home.example www@home.example
"""


def message(*fields, sender="alice@home.example", body=b"hello\r\n"):
    """A message of these fields; From, Date and Message-ID are there already unless a field of that name is given (None: left out).

    message("Subject: x", ("From", None))
    """
    lines = [field if isinstance(field, bytes) else field.encode() for field in fields if not isinstance(field, tuple)]
    left_out = {name.lower().encode() for name, _ in (field for field in fields if isinstance(field, tuple))}
    given = {line.split(b":")[0].strip().lower() for line in lines}
    usual = [b"From: " + sender.encode(), b"Date: Sat, 21 Nov 2026 10:00:00 +0000", b"Message-ID: <1@home.example>"]
    lines = [line for line in usual if line.split(b":")[0].lower() not in given | left_out] + lines
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


class Outcome:
    """Where a message came to: stage "auth", "mail", "rcpt", "data" (refused there) or "queued"; the reply; the queue id."""

    def __init__(self, stage, code, text):
        self.stage = stage
        self.code = code
        self.text = text.decode("utf-8", "replace")
        self.queue_id = self.text.rsplit(None, 1)[-1] if stage == "queued" else None

    def __repr__(self):
        return f"{self.stage}: {self.code} {self.text}"


def converse(client, sender, recipients, data, mail_options=()):
    """One message in an open session; the Outcome."""
    code, text = client.mail(sender, list(mail_options))
    if code != 250:
        client.rset()
        return Outcome("mail", code, text)
    for recipient in recipients:
        code, text = client.rcpt(recipient)
        if code != 250:
            client.rset()
            return Outcome("rcpt", code, text)
    try:
        code, text = client.data(data)
    except smtplib.SMTPDataError as error:
        return Outcome("data", error.smtp_code, error.smtp_error)
    return Outcome("queued" if code == 250 else "data", code, text)


class MilterCase(Case):
    """Postfix asks postern-milter, then OpenDKIM; SENDERS is in force unless a case says lab.milter.use(...)."""

    SETTINGS = {}
    SENDERS = SENDERS

    @classmethod
    def setUpClass(cls):
        lab.milter.use(cls.SENDERS, **cls.SETTINGS)
        lab.home.filter_by(lab.milter, Home.OPENDKIM)

    @classmethod
    def tearDownClass(cls):
        lab.home.filter_by(Home.OPENDKIM)
        lab.milter.stop()

    def setUp(self):
        super().setUp()
        self.changed = False
        if not lab.milter.is_running:
            self.use(self.SENDERS, **self.SETTINGS)
            self.changed = False

    def tearDown(self):
        if self.changed:
            lab.milter.use(self.SENDERS, **self.SETTINGS)

    def use(self, senders=None, limits="", **settings):
        """Other tables and settings, for this case alone."""
        self.changed = True
        lab.milter.use(senders or self.SENDERS, limits, **{**self.SETTINGS, **settings})

    def send(self, data, login="alice@home.example", sender="alice@home.example", to=("you@postfix.example",), options=(), **session):
        """By submission; the Outcome."""
        try:
            with lab.home.submit(login, **session) as client:
                return converse(client, sender, [to] if isinstance(to, str) else to, data, options)
        except smtplib.SMTPAuthenticationError as error:
            return Outcome("auth", error.smtp_code, error.smtp_error)

    def assertQueued(self, outcome, is_looked_at=True):
        """Accepted, and not behind the milter's back."""
        self.assertEqual(outcome.stage, "queued", outcome)
        if is_looked_at:
            lab.milter.wait_decision(rf"{outcome.queue_id}: ")
        return outcome

    def assertRefused(self, outcome, stage, code, pattern=""):
        self.assertEqual((outcome.stage, outcome.code), (stage, code), outcome)
        if pattern:
            self.assertRegex(outcome.text, pattern)

    def delivered(self, mx="mx-postfix", count=1):
        """The one message that arrived, with CRLF, without the edge's own Received field."""
        stored = lab.wait_stored(mx, count)
        self.assertEqual(len(stored), count)
        return stored[0].raw

    def fields(self, raw, name):
        """The values of all fields of that name, unfolded."""
        header = re.sub(rb"\r\n(?=[ \t])", b"", raw.split(b"\r\n\r\n")[0])
        return [line.split(b":", 1)[1].strip().decode("utf-8", "replace") for line in header.split(b"\r\n")
                if line.split(b":")[0].strip().lower() == name.lower().encode()]
