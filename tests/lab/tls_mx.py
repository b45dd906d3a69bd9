#!/usr/bin/python3
"""Mail hosts with every kind of certificate: one for each case of tls_cases.py, by the address it is spoken to at.

Takes mail for every domain and keeps it as aiosmtpd_mx.py does: NUMBER.eml and NUMBER.json in /var/mail/tls.  What it
saw is in /var/log/tls-mx.jsonl, one event a line:

    {"time": ..., "case": DOMAIN, "connection": 7, "event": "rcpt", "tls": "TLSv1.3", "text": "RCPT TO:<...>"}

Events: connect, ehlo, starttls, tls (sni, version, cipher), tls-failed (sni, reason), mail, rcpt, data, stored, rset,
quit, other, end.  "tls" is null as long as the connection is plaintext; mail has requiretls.
"""
import ipaddress
import itertools
import json
import os
import socket
import ssl
import threading
import time
import traceback

import tls_cases

CERTIFICATES = "/srv/lab/tls"
MAIL = "/var/mail/tls"
LOG = "/var/log/tls-mx.jsonl"
READY = "/run/tls-mx.ready"
IDLE = 300
SIZE_LIMIT = 52428800
# Fatal handshake_failure, for a server that breaks TLS.
ALERT = bytes([21, 3, 3, 0, 2, 2, 40])
VERSIONS = {"1.0": ssl.TLSVersion.TLSv1, "1.1": ssl.TLSVersion.TLSv1_1, "1.2": ssl.TLSVersion.TLSv1_2,
            "1.3": ssl.TLSVersion.TLSv1_3}

numbers = itertools.count(1)
connections = itertools.count(1)
lock = threading.Lock()


class Gone(Exception):
    """The client has closed the connection."""


class Server:
    """What one case is: its TLS contexts, made when they are first needed."""

    def __init__(self, case):
        self.case = case
        self.names = {name: getattr(case, name) for name in ("domain", "host", "alias", "insecure")}
        self.sni_name = case.sni_name.format(**self.names)
        self.contexts = {}

    def context(self, suffix=""):
        if suffix not in self.contexts:
            self.contexts[suffix] = self._make(suffix)
        return self.contexts[suffix]

    def _make(self, suffix):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version, context.maximum_version = (VERSIONS[version] for version in self.case.versions)
        if self.case.ciphers:
            context.set_ciphers(self.case.ciphers)
        if self.case.cert:
            context.load_cert_chain(os.path.join(CERTIFICATES, f"{self.case.domain}{suffix}.pem"))
        context.sni_callback = self.choose
        return context

    def choose(self, sock, name, _):
        """The server's side of SNI."""
        sock.seen_name = name
        if self.case.sni and (name or "").lower() != self.sni_name:
            sock.context = self.context(".sni")


class Session:
    def __init__(self, sock, server):
        self.sock = sock
        self.server = server
        self.case = server.case
        self.number = next(connections)
        self.buffer = b""
        self.tls = None
        self.envelope = None
        self.note("connect", peer=sock.getpeername()[0], local=sock.getsockname()[0])

    def note(self, event, **more):
        line = json.dumps({"time": time.time(), "case": self.case.domain, "connection": self.number, "event": event,
                           "tls": self.tls, **more})
        with lock, open(LOG, "a", encoding="utf-8") as file:
            file.write(line + "\n")

    # -- lines

    def say(self, *lines):
        self.sock.sendall("".join(line + "\r\n" for line in lines).encode())

    def receive(self):
        data = self.sock.recv(65536)
        if not data:
            raise Gone
        self.buffer += data

    def line(self):
        while b"\r\n" not in self.buffer:
            self.receive()
        line, self.buffer = self.buffer.split(b"\r\n", 1)
        return line.decode("utf-8", "replace")

    def content(self):
        while not (self.buffer.startswith(b".\r\n") or b"\r\n.\r\n" in self.buffer[-70000:]):
            self.receive()
        if self.buffer.startswith(b".\r\n"):
            data, self.buffer = b"", self.buffer[3:]
        else:
            data, self.buffer = self.buffer.split(b"\r\n.\r\n", 1)
            data += b"\r\n"
        return (b"\r\n" + data).replace(b"\r\n..", b"\r\n.")[2:]

    # -- commands

    def serve(self):
        self.say(f"220 {self.case.host} ESMTP")
        while True:
            text = self.line()
            verb = text.split(" ")[0].split(":")[0].upper()
            getattr(self, "do_" + verb.lower(), self.unknown)(text)

    def unknown(self, text):
        self.note("other", text=text)
        self.say("500 5.5.1 Unknown")

    def do_ehlo(self, text):
        self.note("ehlo", text=text)
        keywords = ["PIPELINING", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES", f"SIZE {SIZE_LIMIT}"]
        if not self.tls and self.case.starttls != "absent":
            keywords.append("STARTTLS")
        if self.tls and self.case.requiretls:
            keywords.append("REQUIRETLS")
        lines = [self.case.host, *keywords]
        self.say(*(f"250-{line}" for line in lines[:-1]), f"250 {lines[-1]}")

    def do_helo(self, text):
        self.note("ehlo", text=text)
        self.say(f"250 {self.case.host}")

    def do_starttls(self, text):
        self.note("starttls", text=text)
        if self.case.starttls == "refuse":
            self.say("454 4.7.0 TLS not available")
            return
        if self.case.starttls == "absent" or self.tls:
            self.say("502 5.5.1 No STARTTLS here")
            return
        self.say("220 2.0.0 Go ahead")
        self.buffer = b""
        if self.case.starttls == "break":
            self.sock.recv(1)
            self.sock.sendall(ALERT)
            raise Gone
        self.handshake()

    def handshake(self):
        self.sock = self.server.context().wrap_socket(self.sock, server_side=True, do_handshake_on_connect=False)
        self.sock.seen_name = None
        try:
            self.sock.do_handshake()
        except OSError as error:
            self.note("tls-failed", reason=str(error), sni=self.sock.seen_name)
            raise Gone from None
        self.tls = self.sock.version()
        self.note("tls", version=self.tls, cipher=self.sock.cipher()[0], sni=self.sock.seen_name)

    def do_mail(self, text):
        self.envelope = {"sender": text.split("<", 1)[-1].split(">")[0], "recipients": [], "mail_options": text.split()[2:],
                         "tls": self.tls, "case": self.case.domain}
        self.note("mail", text=text, requiretls="REQUIRETLS" in text.upper().split())
        self.say("250 2.1.0 OK")

    def do_rcpt(self, text):
        self.note("rcpt", text=text)
        if self.envelope is None:
            self.say("503 5.5.1 MAIL first")
            return
        self.envelope["recipients"].append(text.split("<", 1)[-1].split(">")[0])
        self.say("250 2.1.5 OK")

    def do_data(self, text):
        if not self.envelope or not self.envelope["recipients"]:
            self.say("503 5.5.1 RCPT first")
            return
        self.note("data", text=text)
        self.say("354 Go on")
        self.store(self.content())
        self.say("250 2.0.0 Taken")

    def store(self, content):
        base = os.path.join(MAIL, f"{next(numbers):06}")
        with open(base + ".eml", "wb") as file:
            file.write(content)
        with open(base + ".new", "w", encoding="utf-8") as file:
            json.dump(self.envelope, file)
        os.rename(base + ".new", base + ".json")
        self.note("stored", size=len(content), recipients=self.envelope["recipients"])
        self.envelope = None

    def do_rset(self, text):
        self.note("rset", text=text)
        self.envelope = None
        self.say("250 2.0.0 OK")

    def do_noop(self, _):
        self.say("250 2.0.0 OK")

    def do_quit(self, text):
        self.note("quit", text=text)
        self.say("221 2.0.0 Bye")
        raise Gone


def handle(sock, server):
    sock.settimeout(IDLE)
    session = Session(sock, server)
    try:
        session.serve()
    except (Gone, OSError):
        pass
    except Exception:  # pylint: disable=broad-except
        traceback.print_exc()
    finally:
        session.sock.close()
        session.note("end")


def accept_loop(listening, by_address):
    while True:
        sock, _ = listening.accept()
        server = by_address.get(str(ipaddress.ip_address(sock.getsockname()[0])))
        if server:
            threading.Thread(target=handle, args=(sock, server), daemon=True).start()
        else:
            sock.close()


def listener(family, any_address):
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    sock.bind((any_address, 25))
    sock.listen(512)
    return sock


def main():
    os.makedirs(MAIL, exist_ok=True)
    servers = {address: server for server in map(Server, tls_cases.CASES) for address in server.case.addresses}
    threads = [threading.Thread(target=accept_loop, args=(listener(*where), servers))
               for where in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::"))]
    for thread in threads:
        thread.start()
    with open(READY, "w", encoding="ascii"):
        pass
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main()
