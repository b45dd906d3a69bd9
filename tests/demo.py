#!/usr/bin/python3
"""The story that `make demo` tells, with real Postfix, real DNS and real MX programs; exits with 1 if it does not come true."""
import email.utils
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "e2e"))
from harness import lab  # noqa: E402

SENDER = "anna@home.example"
WIDTH = 150


def say(text):
    print(f"\n\033[1m{text}\033[0m" if sys.stdout.isatty() else f"\n{text}")


def show(text):
    """One line of evidence, without its date."""
    print("  " + re.sub(r"^\S+ +\d+ [\d:]+ \S+ ", "", text.strip()))


def message(subject):
    return "\r\n".join([f"From: Anna <{SENDER}>", "To: friends: ;", f"Subject: {subject}",
                        f"Date: {email.utils.formatdate()}", f"Message-ID: <{os.getpid()}.{subject[0]}@home.example>",
                        "", "Dear all,", "a line with a dot follows", ".", "Yours, Anna", ""]).encode()


def without_tunnel():
    say("1. mail.home.example, whose provider drops port 25: Postfix tries by itself")
    lab.home.postconf("default_transport = smtp", "smtp_connect_timeout = 2s", "inet_protocols = ipv4")
    queue_id = lab.home.inject(SENDER, ["friend@postfix.example"], message("before"))
    show(lab.home.wait_log(rf"{queue_id}: to=.*status=")[0])
    lab.home.run("postsuper", "-d", queue_id)
    lab.home.run("postconf", "-e", "default_transport = postern:unix:private/postern-spawn", "inet_protocols = all")
    lab.home.run("postfix", "stop")
    lab.home.run("postfix", "start")


def several_recipients():
    say("2. The same Postfix with postern: one message by sendmail(1), three MX hosts, one unknown user")
    recipients = ["friend@postfix.example", "uncle@sink.example", "friend@exim.example", "refused@exim.example"]
    lab.home.sendmail(SENDER, recipients, message("one for all").replace(b"\r\n", b"\n"))
    line = lab.home.wait_log(r"to=<refused@exim\.example>.*status=")[0]
    queue_id = re.search(r": (\w+): to=", line).group(1)
    print(f"  mail.home.example$ grep {queue_id} /var/log/mail.log")
    for found in lab.home.wait_log(rf"postfix/lmtp.* {queue_id}: to=.*status=", count=4):
        show(found)
    print(f"  edge.vps.example$ grep {queue_id} /var/log/mail.log")
    for found in lab.vps.wait_log(rf"{queue_id}: to=.*status=", count=4):
        show(found)
    return all(lab.wait_stored(mx) for mx in ("mx-postfix", "mx-sink", "mx-exim"))


def bounce():
    say("3. The bounce in Anna's mailbox, in the MX's own words")
    mail = lab.wait_stored("home")[0].raw.decode()
    text = re.search(r"<refused@exim\.example>:.*?\r\n\r\n", mail, re.S).group(0)
    show(" ".join(text.split()))
    show(re.search(r"Diagnostic-Code:[^\r]*(\r\n[ \t][^\r]*)*", mail).group(0).replace("\r\n", " "))
    return "User unknown here" in text


def signed():
    say("4. By SMTP, DKIM-signed by OpenDKIM on the mail host: what mx.postfix.example stored")
    queue_id = lab.home.inject(SENDER, ["boss@postfix.example"], message("signed"))
    lab.home.wait_log(rf"{queue_id}: to=.*status=sent")
    stored = [mail for mail in lab.wait_stored("mx-postfix", 2) if mail.recipient == "boss@postfix.example"][0]
    headers, body = stored.raw.split(b"\r\n\r\n", 1)
    for line in headers.decode().split("\r\n"):
        if re.match(r"Received: by edge|\t\w{3}, \d|DKIM-Sig|From|Subject", line):
            print("  " + line.replace("\t", "        ")[:WIDTH])
    print("  body: " + repr(body.decode()))
    result = lab.dkim_verify(stored.raw)
    print("  DKIM signature: " + ("verifies" if result else "BROKEN"))
    return result


def main():
    print("A mail host behind a blocked port 25, a VPS, a DNS and mail servers of other people, in network namespaces")
    without_tunnel()
    results = [several_recipients(), bounce(), signed()]
    say("Everything arrived as it should." if all(results) else "SOMETHING IS WRONG.")
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
