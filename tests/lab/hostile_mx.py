#!/usr/bin/python3
"""A mail host that misbehaves by script.

Each script is a function in hostile_scripts.py; it has an IPv4 and an IPv6
address of its own and these domains (an underscore becomes a hyphen):

    NAME.hostile.example        MX: the script's address only
    NAME.then.hostile.example   MX: the script's address, then mx.postfix.example

Every connection to such an address runs the script with a Connection.  What
happens is recorded in /var/log/hostile/NAME.jsonl, one event a line:

    {"time": ..., "connection": 1, "event": "command", "text": "MAIL FROM:<...>"}

Events: connect, command, data (size, start), dot (the final one came), tls,
tls-failed, plaintext-before-tls, peer-closed (how), closing, resetting,
truncating, flood-stopped and flood-done (sent), drained, end, script-error.

    hostile_mx.py           serve (on the lab's host mx-hostile)
    hostile_mx.py --zone    print the records for hostile.example
    hostile_mx.py --list    print "NAME ADDRESS4 ADDRESS6  what it does"
"""
import base64
import ipaddress
import json
import os
import socket
import ssl
import struct
import sys
import threading
import time
import traceback

NETWORK4 = ipaddress.ip_network("203.0.113.128/25")
NETWORK6 = ipaddress.ip_network("2001:db8:25:0:ff::/80")
LOG = "/var/log/hostile"
CERTIFICATE = "/etc/mx.pem"
NEXT_MX = "mx.postfix.example."
KEPT = 4096
SMTP_IDLE = 1200


class Over(Exception):
    """The connection has ended, by either side."""


class Recorder:
    """Events of one script, shared by its connections."""

    def __init__(self, name):
        self.lock = threading.Lock()
        self.file = open(os.path.join(LOG, name + ".jsonl"), "a", encoding="utf-8")
        self.connections = 0

    def next_connection(self):
        with self.lock:
            self.connections += 1
            return self.connections

    def record(self, connection, event, **more):
        with self.lock:
            json.dump({"time": time.time(), "connection": connection, "event": event, **more},
                      self.file)
            self.file.write("\n")
            self.file.flush()


class Connection:
    """The steps a script is made of.

    number: the how-manieth connection to this script it is, from 1.
    Text is sent as latin-1, without any line end added by send().
    """

    def __init__(self, sock, recorder):
        self.sock = sock
        self.recorder = recorder
        self.number = recorder.next_connection()
        self.received = b""
        self.content_tail = b"\r\n"
        self.is_tls = False
        self.recipients = []
        self.peer = sock.getpeername()[0]
        self.note("connect", peer=self.peer, local=sock.getsockname()[0])

    def note(self, event, **more):
        self.recorder.record(self.number, event, **more)

    # -- sending

    def send(self, text):
        data = text if isinstance(text, bytes) else text.encode("latin-1")
        try:
            self.sock.sendall(data)
        except OSError as error:
            raise self._over(error) from None

    def line(self, text):
        self.send(text + "\r\n")

    def flood(self, chunk, size):
        """Send `chunk` again and again until `size` bytes are out or the peer has gone."""
        data = chunk.encode("latin-1")
        block = data * max(1, 65536 // len(data))
        sent = 0
        try:
            while sent < size:
                self.sock.sendall(block)
                sent += len(block)
        except OSError as error:
            self.note("flood-stopped", sent=sent)
            raise self._over(error) from None
        self.note("flood-done", sent=sent)

    def drip(self, text, seconds):
        """One byte each `seconds`."""
        for byte in text.encode("latin-1"):
            self.send(bytes([byte]))
            self.sleep(seconds)

    # -- receiving

    def read_some(self):
        """Wait for whatever comes next, and forget it."""
        self.received = b""
        self._receive()

    def _receive(self, size=65536):
        try:
            data = self.sock.recv(size)
        except OSError as error:
            raise self._over(error) from None
        if not data:
            raise self._over(None)
        return data

    def expect(self, *verbs):
        """Read one command line, which is to begin with one of the verbs, if given."""
        while b"\n" not in self.received:
            self.received += self._receive()
        line, self.received = self.received.split(b"\n", 1)
        text = line.rstrip(b"\r").decode("latin-1")
        self.note("command", text=text, tls=self.is_tls)
        if verbs and not text.upper().startswith(tuple(verbs)):
            self.note("unexpected", text=text, wanted=list(verbs))
        return text

    def read_data(self, rate=None, limit=None):
        """Read the content up to the final dot: True if the dot came.

        rate: bytes per second; limit: stop after that many bytes (False), to go on
        with another call."""
        size = 0
        kept = b""
        try:
            while limit is None or size < limit:
                data = self._content(1 if rate else (limit or 65536))
                if rate:
                    time.sleep(1 / rate)
                size += len(data)
                kept += data[:max(0, KEPT - len(kept))]
                found = self.content_tail + data
                self.content_tail = found[-4:]
                if b"\r\n.\r\n" in found:
                    self.received = found.split(b"\r\n.\r\n", 1)[1]
                    self.content_tail = b"\r\n"
                    self.note("dot")
                    return True
            return False
        finally:
            self.note("data", size=size, tls=self.is_tls, start=kept.decode("latin-1"))

    def _content(self, size):
        data, self.received = self.received[:size], self.received[size:]
        return data or self._receive(size)

    def pending(self, seconds):
        """What arrives within so many seconds, as text ("" = nothing)."""
        self.sock.settimeout(seconds)
        try:
            self.received += self.sock.recv(65536)
        except (TimeoutError, ssl.SSLWantReadError):
            pass
        except OSError as error:
            raise self._over(error) from None
        finally:
            self.sock.settimeout(SMTP_IDLE)
        return self.received.decode("latin-1")

    def drain(self):
        """Swallow everything until the peer closes."""
        size = len(self.received)
        kept = self.received[:KEPT]
        self.received = b""
        try:
            while True:
                data = self._receive()
                size += len(data)
                kept += data[:max(0, KEPT - len(kept))]
        finally:
            self.note("drained", size=size, start=kept.decode("latin-1"))

    # -- time and ends

    def sleep(self, seconds):
        """Wait, but notice when the peer closes."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            self.sock.settimeout(max(left, 0.001))
            try:
                data = self.sock.recv(65536)
                if not data:
                    self.sock.settimeout(SMTP_IDLE)
                    raise self._over(None)
                self.received += data
            except (TimeoutError, ssl.SSLWantReadError):
                pass
            except OSError as error:
                raise self._over(error) from None
        self.sock.settimeout(SMTP_IDLE)

    def silence(self):
        """Say nothing until the peer gives up."""
        self.sleep(SMTP_IDLE)

    def close(self):
        """End in good form: close_notify inside TLS, then FIN."""
        self.note("closing")
        try:
            self.sock.settimeout(0.5)
            if self.is_tls:
                self.sock = self.sock.unwrap()
            self.sock.shutdown(socket.SHUT_WR)
            # Unread input at close() would make it an RST, which may overtake our last words.
            while self.sock.recv(65536):
                pass
        except OSError:
            pass
        raise Over

    def reset(self):
        """End by RST."""
        self.note("resetting")
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        os.close(self.sock.detach())
        raise Over

    def truncate(self):
        """End the TCP connection without TLS's close_notify."""
        self.note("truncating")
        os.close(self.sock.detach())
        raise Over

    def half_close(self):
        """Send FIN, keep reading."""
        self.sock.shutdown(socket.SHUT_WR)

    def _over(self, error):
        self.note("peer-closed", how=type(error).__name__ if error else "FIN")
        return Over()

    # -- TLS

    def starttls(self, certificate=CERTIFICATE, minimum=None, maximum=None):
        """The server's handshake (the 220 has been sent by the script)."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        if minimum:
            context.minimum_version = minimum
        if maximum:
            context.maximum_version = maximum
        # What was received before belongs to the plaintext: forget it, but record it.
        if self.received:
            self.note("plaintext-before-tls", text=self.received.decode("latin-1"))
            self.received = b""
        try:
            self.sock = context.wrap_socket(self.sock, server_side=True,
                                            suppress_ragged_eofs=False)
        except OSError as error:
            self.note("tls-failed", why=str(error))
            raise Over from None
        self.is_tls = True
        self.note("tls", version=self.sock.version(), cipher=self.sock.cipher()[0])

    # -- an honest server, as far as wanted

    def greet(self, text="220 mx.hostile.example ESMTP"):
        self.line(text)

    def ehlo(self, *keywords, name="mx.hostile.example"):
        """The reply to EHLO."""
        lines = [name, *(word for word in keywords if word != "STARTTLS" or not self.is_tls)]
        for index, text in enumerate(lines):
            self.line(f"250{' ' if index == len(lines) - 1 else '-'}{text}")

    def serve_until(self, *verbs, keywords=("8BITMIME", "SIZE 50000000"), replies=None):
        """Behave until a command that begins with one of the verbs; returns it, unanswered.

        The final dot counts as the verb "."; replies: {verb: reply or list of replies, of
        which the last one stays}."""
        replies = {verb: list(reply) if isinstance(reply, list) else reply
                   for verb, reply in (replies or {}).items()}
        while True:
            text = self.expect()
            verb = text.upper().split(" ")[0].split(":")[0]
            if verb in verbs:
                return text
            self._answer(verb, text, verbs, keywords, replies)

    def _answer(self, verb, text, verbs, keywords, replies):
        reply = replies.get(verb)
        if isinstance(reply, list):
            reply = reply.pop(0) if len(reply) > 1 else reply[0]
        if verb in ("EHLO", "HELO") and reply is None:
            self.ehlo(*(keywords if verb == "EHLO" else ()))
        elif verb == "STARTTLS" and reply is None:
            self.line("220 2.0.0 Ready")
            self.starttls()
        elif verb == "DATA" and (reply or "354").startswith("354"):
            self.line(reply or "354 Go on")
            self.read_data()
            if "." in verbs:
                raise ReachedDot
            self.line(replies.get(".", "250 2.0.0 Taken"))
        elif verb == "QUIT":
            self.line(reply or "221 2.0.0 Bye")
            self.close()
        else:
            self.line(reply or "250 2.0.0 OK")

    def until_dot(self, keywords=("8BITMIME", "SIZE 50000000"), replies=None):
        """Behave until the final dot has come; its answer is the script's."""
        try:
            self.serve_until(".", keywords=keywords, replies=replies)
        except ReachedDot:
            pass

    def serve(self, keywords=("8BITMIME", "SIZE 50000000"), replies=None):
        """Behave to the end."""
        self.serve_until(keywords=keywords, replies=replies)


class ReachedDot(Exception):
    """The final dot has come in serve_until("."...)."""


# -- addresses, names

def scripts():
    import hostile_scripts
    return {name: function for name, function in vars(hostile_scripts).items()
            if name.startswith("case") and callable(function)}


def addresses():
    """[(name, function, IPv4, IPv6)], in the order of the file."""
    return [(name, function, str(NETWORK4[index]), str(NETWORK6[index]))
            for index, (name, function) in enumerate(scripts().items(), 1)]


def zone():
    for name, _, address4, address6 in addresses():
        label = name.replace("_", "-")
        yield f"mx.{label} A {address4}"
        yield f"mx.{label} AAAA {address6}"
        yield f"{label} MX 10 mx.{label}"
        yield f"{label}.then MX 10 mx.{label}"
        yield f"{label}.then MX 20 {NEXT_MX}"


# -- serving

def handle(sock, function, recorder):
    sock.settimeout(SMTP_IDLE)
    connection = Connection(sock, recorder)
    try:
        function(connection)
    except Over:
        pass
    except Exception:  # pylint: disable=broad-except
        connection.note("script-error", text=traceback.format_exc())
        traceback.print_exc()
    finally:
        try:
            connection.sock.close()
        except OSError:
            pass
        connection.note("end")


def listener(family, any_address):
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    sock.bind((any_address, 25))
    sock.listen(512)
    return sock


def accept_loop(listening, by_address):
    while True:
        sock, _ = listening.accept()
        found = by_address.get(str(ipaddress.ip_address(sock.getsockname()[0])))
        if not found:
            sock.close()
            continue
        threading.Thread(target=handle, args=(sock, *found), daemon=True).start()


def serve():
    os.makedirs(LOG, exist_ok=True)
    by_address = {}
    for name, function, address4, address6 in addresses():
        recorder = Recorder(name)
        by_address[address4] = by_address[address6] = (function, recorder)
    threads = [threading.Thread(target=accept_loop, args=(listener(*where), by_address))
               for where in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::"))]
    for thread in threads:
        thread.start()
    with open("/run/hostile.ready", "w", encoding="ascii"):
        pass
    for thread in threads:
        thread.join()


def main():
    # hostile_scripts imports this module by its name; it must be this very one.
    sys.modules["hostile_mx"] = sys.modules["__main__"]
    if "--zone" in sys.argv:
        print("\n".join(zone()))
    elif "--list" in sys.argv:
        for name, function, address4, address6 in addresses():
            print(f"{name} {address4} {address6}  {function.__doc__}")
    else:
        serve()


def certificate_der():
    """The server's certificate, for scripts that speak TLS by hand."""
    with open(CERTIFICATE, encoding="ascii") as file:
        text = file.read()
    body = text.split("-----BEGIN CERTIFICATE-----")[1].split("-----END")[0]
    return base64.b64decode(body)


if __name__ == "__main__":
    main()
