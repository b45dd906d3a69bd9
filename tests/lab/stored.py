#!/usr/bin/python3
"""What the MX hosts of the lab have stored: stored(mx) -> list of Stored.

Every program adds trace fields of its own on top; they are separated, so that
`raw` is the message as it came over the wire, with CRLF line ends (programs
that keep mail with LF are converted back) and without dot-stuffing.

    stored.py MX            one line per message: recipient, sender, size, SHA-256
    stored.py MX NUMBER     that message's bytes
"""
import collections
import glob
import hashlib
import json
import os
import re
import sys

Stored = collections.namedtuple("Stored", "recipient sender raw trace path")

# The fields each program puts on top, in its order; a field may be missing or repeated.
TRACE = {
    "mx-postfix": ("Return-Path", "X-Original-To", "Delivered-To", "Received"),
    "home": ("Return-Path", "X-Original-To", "Delivered-To", "Received"),
    "mx-sink": ("X-Client-Addr", "X-Client-Proto", "X-Helo-Args", "X-Mail-Args", "X-Rcpt-Args",
                "Received"),
    "mx-exim": ("Return-path", "Envelope-to", "Delivery-date", "Received"),
    "mx-opensmtpd": ("Return-Path", "Delivered-To", "Received"),
}
RECIPIENT = {"X-Original-To", "Envelope-to", "Delivered-To", "X-Rcpt-Args"}
SENDER = {"Return-Path", "Return-path", "X-Mail-Args"}
FIELD = re.compile(rb"([!-9;-~]+)[ \t]*:[ \t]*((?:.*\n)(?:[ \t].*\n)*)")


def root(mx):
    return os.path.join(os.environ["LAB_ROOT"], "hosts", mx, "root")


def split_trace(mx, data):
    """(list of (name, value), rest): the program's own fields and the message."""
    trace = []
    position = 0
    for name in TRACE[mx]:
        while True:
            match = FIELD.match(data, position)
            if not match or match.group(1) != name.encode():
                break
            trace.append((name, match.group(2).decode("utf-8", "replace").strip()))
            position = match.end()
            if name != "X-Rcpt-Args":
                break
    return trace, data[position:]


def bare(path):
    """The address in an SMTP path with parameters: "<a@b> SIZE=1" is "a@b"."""
    match = re.match(r'<((?:"(?:[^"\\]|\\.)*"|[^>])*)>', path)
    return match.group(1) if match else path


def read_trace_file(mx, path):
    with open(path, "rb") as file:
        data = file.read()
    trace, message = split_trace(mx, data)
    if mx == "mx-sink":
        message = message.replace(b"\r\n", b"\n")
        # smtp-sink makes the file when it begins to take a message, and ends it with an empty line of its own.
        if not message.endswith(b"\n\n"):
            return []
        message = message[:-1]
    message = message.replace(b"\n", b"\r\n")
    senders = [bare(value) for name, value in trace if name in SENDER]
    names = [name for name, _ in trace if name in RECIPIENT]
    recipients = [bare(value) for name, value in trace if names and name == names[0]]
    return [Stored(recipient, senders[0] if senders else None, message, trace, path)
            for recipient in recipients or [None]]


def read_json(path):
    """aiosmtpd's and mx-tls': NAME.json with the envelope, NAME.eml with the bytes."""
    with open(path, encoding="utf-8") as file:
        envelope = json.load(file)
    with open(path[:-len(".json")] + ".eml", "rb") as file:
        raw = file.read()
    return [Stored(recipient, envelope["sender"], raw, envelope, path)
            for recipient in envelope["recipients"]]


def files(mx):
    mail = os.path.join(root(mx), "var/mail")
    found = glob.glob(f"{mail}/inbox/new/*") + glob.glob(f"{mail}/sink/*")
    found += glob.glob(f"{mail}/aiosmtpd/*.json") + glob.glob(f"{mail}/tls/*.json")
    return sorted((path for path in found if os.path.isfile(path)), key=os.path.getmtime)


def stored(mx):
    """All messages, oldest first; one entry for each recipient."""
    result = []
    for path in files(mx):
        result += read_json(path) if path.endswith(".json") else read_trace_file(mx, path)
    return result


def clear(mx):
    for path in files(mx):
        os.unlink(path)
        if path.endswith(".json"):
            os.unlink(path[:-len(".json")] + ".eml")


def main():
    messages = stored(sys.argv[1])
    if len(sys.argv) > 2:
        sys.stdout.buffer.write(messages[int(sys.argv[2])].raw)
        return
    for message in messages:
        digest = hashlib.sha256(message.raw).hexdigest()
        print(message.recipient, message.sender or "<>", len(message.raw), digest)


if __name__ == "__main__":
    main()
