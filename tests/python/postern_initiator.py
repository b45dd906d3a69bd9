#!/usr/bin/python3
"""A second implementation of the mail host's end of the postern tunnel, from doc/PROTOCOL.md.

As a command: sends one message (standard input) through an edge and prints one line per STATUS:

    postern_initiator.py --edge HOST:PORT --edge-key KEY --key-file FILE \\
        --sender A --recipient B --recipient C < message

Exit status: 0 the edge sent DONE and every recipient was relayed, 1 DONE but not all were, 75
anything else.
As a library: class Tunnel, and deliver(). For tests: no care is taken of keys in memory.
"""

import argparse
import base64
import hashlib
import socket
import struct
import sys

import postern_frames as frames
from postern_noise import NO_PSK, Handshake, KeyPair, NoiseError, mac1


class TunnelError(Exception):
    pass


def parse_key(text):
    key = base64.b64decode(text.strip(), validate=True)
    if len(key) != 32:
        raise ValueError("not a 32-byte key")
    return key


class Tunnel:
    def __init__(self, sock, edge_key, own, psk=NO_PSK, **handshake_options):
        """Shakes hands on a connected socket and reads INFO into self.info."""
        self.sock = sock
        self.handshake = Handshake(initiator=True, static=own, remote_static=edge_key, psk=psk,
                                   **handshake_options)
        message = self.handshake.write_initiation()
        self.sock.sendall(mac1(edge_key, message) + message)
        self.handshake.read_response(self._read(48))
        self.sending, self.receiving, self.handshake_hash = self.handshake.finish()
        self.send(frames.encode(frames.PING))
        info = self.receive()
        if info.kind != frames.INFO:
            raise TunnelError("expected INFO, got %r" % info)
        self.info = info.fields

    def _read(self, length):
        data = b""
        while len(data) < length:
            chunk = self.sock.recv(length - len(data))
            if not chunk:
                raise TunnelError("closed after %d of %d bytes" % (len(data), length))
            data += chunk
        return data

    def send(self, frame):
        sealed = self.sending.encrypt(b"", frame)
        self.sock.sendall(struct.pack(">H", len(sealed)) + sealed)

    def receive(self):
        """The next known frame; PING is answered."""
        while True:
            length, = struct.unpack(">H", self._read(2))
            frame = frames.decode(self.receiving.decrypt(b"", self._read(length)))
            if frame is not None and frame.kind != frames.PING:
                return frame
            if frame is not None:
                self.send(frames.encode(frames.PONG))

    def close(self, reason=None):
        try:
            if reason is not None:
                self.send(frames.encode(frames.CLOSE, reason=reason))
        finally:
            self.sock.close()


def connect(edge, edge_key, own, psk=NO_PSK, timeout=30):
    host, port = edge.rsplit(":", 1)
    sock = socket.create_connection((host.strip("[]"), int(port)), timeout=timeout)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        return Tunnel(sock, edge_key, own, psk)
    except BaseException:
        sock.close()
        raise


def wire_form(message):
    """A message with any line ends to SMTP wire form, without the final dot line."""
    lines = message.replace(b"\r\n", b"\n").split(b"\n")
    if lines[-1] == b"":
        lines.pop()
    return b"".join((b"." if line.startswith(b".") else b"") + line + b"\r\n" for line in lines)


def send_transaction(tunnel, transaction, sender, recipients, content, *, queue_id=None,
                     budget_ms=900000, **envelope):
    tunnel.send(frames.encode(frames.ENVELOPE, transaction, reverse_path=sender, queue_id=queue_id,
                              budget_ms=budget_ms, **envelope))
    for index, recipient in enumerate(recipients):
        tunnel.send(frames.encode(frames.RECIPIENT, transaction, index=index,
                                  forward_path=recipient))
    for start in range(0, len(content), frames.CONTENT_MAX):
        tunnel.send(frames.encode_content(transaction, content[start:start + frames.CONTENT_MAX]))
    digest = hashlib.blake2b(content, digest_size=32).digest()
    tunnel.send(frames.encode(frames.END, transaction, digest=digest, length=len(content)))


def deliver(tunnel, transaction, sender, recipients, content, **envelope):
    """Sends one message; yields the fields of each STATUS until DONE."""
    send_transaction(tunnel, transaction, sender, recipients, content, **envelope)
    while True:
        frame = tunnel.receive()
        if frame.kind == frames.CLOSE:
            raise TunnelError("edge closed the tunnel: %r" % frame.fields)
        if frame.transaction != transaction:
            continue
        if frame.kind == frames.DONE:
            return
        if frame.kind == frames.STATUS:
            yield frame.fields


def status_line(recipient, status):
    code = "%d.%d.%d" % status["status"]
    relay = status.get("remote_mta", "none")
    words = status.get("reply_text") or status.get("reason", "")
    if "reply_code" in status:
        words = "%d %s" % (status["reply_code"], words)
    return "%s %s %s stage=%s relay=%s (%s)" % (
        recipient, frames.ACTIONS[status["action"]], code, frames.STAGES[status["stage"]], relay,
        words)


def main():
    parser = argparse.ArgumentParser(description="Send one message through a postern edge.")
    parser.add_argument("--edge", required=True, metavar="HOST:PORT")
    parser.add_argument("--edge-key", required=True, metavar="KEY", help="its public key, base64")
    parser.add_argument("--key-file", required=True, help="our private key, base64")
    parser.add_argument("--psk-file", help="the preshared key, base64")
    parser.add_argument("--sender", required=True, help='reverse-path, "" for the null one')
    parser.add_argument("--recipient", required=True, action="append")
    parser.add_argument("--queue-id")
    parser.add_argument("--smtputf8", action="store_true")
    parser.add_argument("--timeout", type=float, default=960)
    arguments = parser.parse_args()
    with open(arguments.key_file, encoding="ascii") as file:
        own = KeyPair(parse_key(file.read()))
    psk = NO_PSK
    if arguments.psk_file:
        with open(arguments.psk_file, encoding="ascii") as file:
            psk = parse_key(file.read())
    content = wire_form(sys.stdin.buffer.read())
    options = {"queue_id": arguments.queue_id, "body_type": 1 if not content.isascii() else None,
               "smtputf8": 1 if arguments.smtputf8 else None}
    relayed = 0
    try:
        tunnel = connect(arguments.edge, parse_key(arguments.edge_key), own, psk, arguments.timeout)
        for status in deliver(tunnel, 1, arguments.sender, arguments.recipient, content, **options):
            print(status_line(arguments.recipient[status["index"]], status), flush=True)
            relayed += status["action"] == 0
        tunnel.close(reason=1)
    except (OSError, TunnelError, NoiseError, frames.FrameError) as error:
        print("postern_initiator: %s" % error, file=sys.stderr)
        return 75
    return 0 if relayed == len(arguments.recipient) else 1


if __name__ == "__main__":
    sys.exit(main())
