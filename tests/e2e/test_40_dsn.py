"""Delivery status notifications (RFC 3461): what the MX is told, and what the sender hears when the MX does not take part.

Postfix, smtp-sink and OpenSMTPD offer DSN; Exim and aiosmtpd do not.
"""
import email
import email.policy
import re

from harness import Case, lab, wait_for

BODY = b"first line\r\n.hidden\r\nlast line\r\n"
MESSAGE = (b"From: Anna <anna@home.example>\r\nTo: you@somewhere.example\r\nSubject: please tell me\r\n"
           b"X-Folded: one\r\n\ttwo\r\nMessage-ID: <dsn@home.example>\r\n\r\n" + BODY)
ENVELOPE = ("RET=FULL", "ENVID=QQ314+2B159+3Dx")
OUR_RECEIVED = rb"Received: by edge\.vps\.example \(postern\) id \w+;\r\n\t[^\r\n]*\r\n"


def fields(part):
    """[(name, value)] of one group of a delivery-status part."""
    return [(name, str(value)) for name, value in part.items()]


class Notifications(Case):
    def send(self, recipients, options=ENVELOPE, sender="anna@home.example", message=MESSAGE):
        """recipients: {address: parameters of RCPT}. Returns the queue id when the queue is empty again."""
        with lab.home.smtp() as client:
            client.ehlo()
            code, text = client.mail(sender, list(options))
            self.assertEqual(code, 250, text)
            for recipient, parameters in recipients.items():
                code, text = client.rcpt(recipient, parameters.split())
                self.assertEqual(code, 250, text)
            code, text = client.data(message)
            self.assertEqual(code, 250, text)
        queue_id = text.decode().rsplit(None, 1)[-1]
        lab.home.wait_log(rf"postfix/.*{queue_id}: to=<.*status=", count=len(recipients))
        return queue_id

    def settle(self):
        """The queue with all that it led to is empty; what is at home now is all that will ever come."""
        lab.home.wait_queue_empty()
        return lab.stored("home")

    def sent(self, recipients, **more):
        queue_id = self.send(recipients, **more)
        for recipient, line in lab.home.outcomes(queue_id).items():
            self.assertIn("status=sent", line, recipient)
        return queue_id, self.settle()

    def only_report(self, found):
        """The one message at home, which must be a report."""
        self.assertEqual(len(found), 1, [item.raw for item in found])
        self.assertEqual(found[0].sender, "")
        report = email.message_from_bytes(found[0].raw, policy=email.policy.default)
        self.assertEqual(report.get_content_type(), "multipart/report")
        return found[0], report

    # -- an MX that takes part

    def test_mx_with_dsn_gets_the_parameters(self):
        self.sent({"you@sink.example": "NOTIFY=SUCCESS,DELAY ORCPT=rfc822;first+2Bname@old.example",
                   "two@sink.example": "NOTIFY=FAILURE,DELAY", "three@sink.example": "NOTIFY=NEVER",
                   "four@sink.example": ""})
        trace = lab.wait_stored("mx-sink")[0].trace
        mail = [value for name, value in trace if name == "X-Mail-Args"][0]
        self.assertEqual(set(mail.split()) & {"RET=FULL", "ENVID=QQ314+2B159+3Dx"}, {"RET=FULL", "ENVID=QQ314+2B159+3Dx"})
        parameters = {value.split()[0]: set(value.split()[1:]) for name, value in trace if name == "X-Rcpt-Args"}
        # ORCPT where the sender gave none: Postfix's smtpd(8) adds what it was asked for.
        self.assertEqual(parameters, {
            "<you@sink.example>": {"NOTIFY=SUCCESS,DELAY", "ORCPT=rfc822;first+2Bname@old.example"},
            "<two@sink.example>": {"NOTIFY=FAILURE,DELAY", "ORCPT=rfc822;two@sink.example"},
            "<three@sink.example>": {"NOTIFY=NEVER", "ORCPT=rfc822;three@sink.example"},
            "<four@sink.example>": {"ORCPT=rfc822;four@sink.example"}})

    def test_ret_hdrs_and_nothing(self):
        self.sent({"you@sink.example": "NOTIFY=SUCCESS"}, options=("RET=HDRS",))
        mail = dict(lab.wait_stored("mx-sink")[0].trace)["X-Mail-Args"]
        self.assertRegex(mail, r"RET=HDRS")
        self.assertNotIn("ENVID", mail)
        lab.reset()
        self.sent({"you@sink.example": ""}, options=())
        self.assertNotRegex(str(lab.wait_stored("mx-sink")[0].trace), r"RET=|ENVID=|NOTIFY=")

    def test_mx_with_dsn_reports_itself(self):
        """The duty went on to the MX: its report is the only one."""
        _, at_home = self.sent({"you@postfix.example": "NOTIFY=SUCCESS ORCPT=rfc822;you@old.example"})
        self.assertEqual(at_home, [])
        report = wait_for("the MX's own report", lambda: [item for item in lab.stored("mx-postfix") if item.sender == ""])[0].raw
        for wanted in (b"Action: delivered", b"Original-Envelope-Id: QQ314+159=x", b"Original-Recipient: rfc822;you@old.example"):
            self.assertIn(wanted, report)

    # -- an MX that does not

    def test_relayed_report_field_by_field(self):
        queue_id, at_home = self.sent({
            "you@exim.example": "NOTIFY=SUCCESS ORCPT=rfc822;first+2Bname@old.example",
            "you@aiosmtpd.example": "NOTIFY=SUCCESS,FAILURE", "never@exim.example": "NOTIFY=NEVER",
            "failure@aiosmtpd.example": "NOTIFY=FAILURE", "plain@exim.example": "",
            "dsn@postfix.example": "NOTIFY=SUCCESS"})
        stored, report = self.only_report(at_home)
        self.assertEqual(stored.recipient, "anna@home.example")
        self.assertEqual(report.get_param("report-type"), "delivery-status")
        self.assertEqual(report["To"], "anna@home.example")
        self.assertRegex(report["From"], r"<MAILER-DAEMON@mail\.home\.example>$")
        self.assertEqual(report["Subject"], "Successful Mail Delivery Report")
        self.assertEqual(report["Auto-Submitted"], "auto-replied")
        self.assertEqual(report["MIME-Version"], "1.0")
        self.assertTrue(report["Date"].datetime and report["Message-ID"])
        self.assertEqual(report.defects, [])
        parts = list(report.iter_parts())
        self.assertEqual([part.get_content_type() for part in parts],
                         ["text/plain", "message/delivery-status", "text/rfc822-headers"])
        self.check_text(parts[0].get_content())
        self.check_status(queue_id, list(parts[1].iter_parts()))
        self.check_headers(parts[2])
        self.assertNotIn(b"first line", stored.raw)    # RET=FULL is for failures (RFC 3461 4.3)

    def check_text(self, text):
        self.assertIn("<you@exim.example>: ", text)
        self.assertIn("<you@aiosmtpd.example>: ", text)
        self.assertEqual(re.findall(r"never@|failure@|plain@|dsn@", text), [])

    def check_status(self, queue_id, groups):
        self.assertEqual(len(groups), 3)
        message = fields(groups[0])
        self.assertEqual([name for name, _ in message],
                         ["Reporting-MTA", "Original-Envelope-Id", "X-Postern-Queue-ID", "Arrival-Date"])
        self.assertEqual([value for _, value in message[:3]], ["dns; mail.home.example", "QQ314+159=x", queue_id])
        by_recipient = {dict(fields(group))["Final-Recipient"]: dict(fields(group)) for group in groups[1:]}
        self.assertEqual(set(by_recipient), {"rfc822; you@exim.example", "rfc822; you@aiosmtpd.example"})
        for address, host in (("exim", "mx.exim.example"), ("aiosmtpd", "mx.aiosmtpd.example")):
            group = by_recipient[f"rfc822; you@{address}.example"]
            self.assertEqual(group["Action"], "relayed")
            self.assertRegex(group["Status"], r"^2\.\d+\.\d+$")
            self.assertEqual(group["Remote-MTA"], f"dns; {host}")
            self.assertRegex(group["Diagnostic-Code"], r"^smtp; 250 ")
        self.assertRegex(by_recipient["rfc822; you@exim.example"]["Original-Recipient"], r"^rfc822; ?first\+name@old\.example$")
        self.assertRegex(by_recipient["rfc822; you@aiosmtpd.example"]["Original-Recipient"], r"^rfc822; ?you@aiosmtpd\.example$")

    def check_headers(self, part):
        """The header section as the MX got it, less our Received field, which is put on further down the road."""
        raw = lab.wait_stored("mx-exim")[0].raw
        sent = re.sub(OUR_RECEIVED, b"", raw.partition(b"\r\n\r\n")[0], count=1)
        self.assertEqual(part.get_content().strip().splitlines(), sent.decode().splitlines())

    def test_by_sendmail(self):
        lab.home.sendmail("anna@home.example", ["you@exim.example"], "Subject: hello\n\nhello\n", "-N", "success", "-V", "MY-ID")
        lab.home.wait_log(r"postfix/.*to=<you@exim\.example>.*status=sent")
        stored, _ = self.only_report(self.settle())
        self.assertIn(b"Original-Envelope-Id: MY-ID\r\n", stored.raw)
        self.assertIn(b"Action: relayed", stored.raw)

    def test_once_for_each_recipient(self):
        """A second attempt for another recipient of the message does not tell the news again."""
        queue_id = self.send({"you@exim.example": "NOTIFY=SUCCESS", "later@exim.example": "NOTIFY=SUCCESS"})
        self.assertRegex(lab.home.outcomes(queue_id)["later@exim.example"], r"status=deferred .*Come back later")
        wait_for("the report", lambda: lab.stored("home"))
        lab.home.flush()
        lab.home.wait_log(rf"postfix/.*{queue_id}: to=<later@exim\.example>.*status=deferred", count=2)
        stored, _ = self.only_report(lab.stored("home"))
        self.assertNotIn(b"later@", stored.raw)
        self.assertEqual(len(lab.home.grep_log(r"told the sender")), 1)

    def test_utf8_addresses(self):
        """RFC 6533: the report reaches an address that is not ASCII, and names one."""
        _, at_home = self.sent({"jörg@exim.example": "NOTIFY=SUCCESS"}, options=("SMTPUTF8", "BODY=8BITMIME"),
                               sender="müller@home.example")
        stored, _ = self.only_report(at_home)
        self.assertEqual(stored.recipient, "müller@home.example")
        self.assertIn(rb"Final-Recipient: utf-8; j\x{F6}rg@exim.example", stored.raw)

    # -- silence

    def test_never(self):
        """NOTIFY=NEVER: neither news of success nor a bounce, whatever the MX says."""
        _, at_home = self.sent({"you@exim.example": "NOTIFY=NEVER", "you@postfix.example": "NOTIFY=NEVER",
                                "you@aiosmtpd.example": "NOTIFY=NEVER"})
        self.assertEqual(at_home, [])
        wait_for("the MX's queue is empty", lambda: not lab.mx["mx-postfix"].run("postqueue", "-j").stdout)
        self.assertEqual([item.sender for item in lab.stored("mx-postfix")], ["anna@home.example"])
        queue_id = self.send({"refused@exim.example": "NOTIFY=NEVER", "refused@postfix.example": "NOTIFY=NEVER"})
        for line in lab.home.outcomes(queue_id).values():
            self.assertRegex(line, r"dsn=5\.\d\.\d, status=bounced .*User unknown")
        self.assertEqual(self.settle(), [])

    def test_success_alone_wants_no_bounce(self):
        self.send({"refused@exim.example": "NOTIFY=SUCCESS"})
        self.assertEqual(self.settle(), [])

    def test_failure(self):
        """NOTIFY=FAILURE: no news is good news; a bounce has as much of the message as RET says."""
        _, at_home = self.sent({"you@exim.example": "NOTIFY=FAILURE,DELAY"})
        self.assertEqual(at_home, [])
        for ret, has_body in (("RET=FULL", True), ("RET=HDRS", False)):
            lab.reset()
            self.send({"refused@exim.example": "NOTIFY=FAILURE ORCPT=rfc822;who@old.example"}, options=(ret, "ENVID=E7"))
            stored, _ = self.only_report(self.settle())
            for wanted in (b"Action: failed", b"Original-Envelope-Id: E7", b"Original-Recipient: rfc822;who@old.example",
                           b"User unknown here"):
                self.assertIn(wanted, stored.raw)
            self.assertEqual(b"first line" in stored.raw, has_body, ret)

    def test_nothing_for_the_null_sender(self):
        _, at_home = self.sent({"you@exim.example": "NOTIFY=SUCCESS"}, sender="")
        self.assertEqual(at_home, [])
        self.assertEqual(lab.home.grep_log(r"postern/transport\[.*(told|sendmail)|postfix/pickup"), [])
