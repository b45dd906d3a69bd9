"""Peers of the tunnel for end-to-end cases: clients that an edge must bear, and an edge that lies.

The protocol itself is tests/python/, the second implementation.
"""
import base64
import contextlib
import os
import socket
import struct
import sys
import threading
import time

from harness import PATIENCE_S, in_netns, lab

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "python"))
import postern_frames as frames  # noqa: E402
from postern_initiator import Tunnel  # noqa: E402
from postern_noise import NO_PSK, Handshake, KeyPair, mac1  # noqa: E402

EDGE = ("198.51.100.20", 7843)
CLIENTS = "/etc/postern/authorized_clients"
EDGE_KEY = "/var/lib/postern/edge.key"


def text_of(key):
    return base64.b64encode(key).decode()


def edge_secret():
    return KeyPair(base64.b64decode(lab.vps.read(EDGE_KEY).strip()))


def edge_public():
    return edge_secret().public


def authorize(key, name, *options):
    lab.vps.run("postern", "authorize", text_of(key.public), name, *options)


def connect(timeout=PATIENCE_S):
    """A TCP connection from home to the edge."""
    sock = lab.home.connect(*EDGE, timeout)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def open_tunnel(key, psk=NO_PSK):
    return Tunnel(connect(30), edge_public(), key, psk)


def initiation(key, edge_key=None, **options):
    """(handshake, the 112 bytes of the first message)"""
    edge_key = edge_key or edge_public()
    handshake = Handshake(initiator=True, static=key, remote_static=edge_key, **options)
    message = handshake.write_initiation()
    return handshake, mac1(edge_key, message) + message


def read_to_end(sock):
    """All that came until the end; AssertionError if there was none."""
    deadline = time.monotonic() + PATIENCE_S
    received = b""
    while True:
        left = deadline - time.monotonic()
        assert left > 0, f"still open after {PATIENCE_S} s, received {received!r}"
        sock.settimeout(left)
        try:
            data = sock.recv(65536)
        except ConnectionResetError:
            data = b""
        except TimeoutError:
            continue
        if not data:
            return received
        received += data


def visit(pieces):
    """Connect, send the pieces (bytes, or a pause in seconds), read to the end: all that was received."""
    with connect() as sock:
        with contextlib.suppress(OSError):
            for piece in pieces:
                if isinstance(piece, bytes):
                    sock.sendall(piece)
                else:
                    time.sleep(piece)
        return read_to_end(sock)


class Responder:
    """An edge in Python, on the VPS, with the real edge's key; `behave` lies.

    behave(session, recipients) is called when END has come and says what is to be sent; session.send(*frames)
    puts frames into one write. on_content(session, recipients) is called at the first CONTENT, on_open(session, sock)
    instead of a handshake."""

    PORT = 7845

    def __init__(self, behave, on_content=None, on_open=None):
        self.behave, self.on_content, self.on_open = behave, on_content, on_open
        self.key = edge_secret()
        self.listening = in_netns("vps", lambda: socket.create_server((EDGE[0], self.PORT), backlog=64))
        self.thread = threading.Thread(target=self._accept, daemon=True)
        self.errors = []

    def __enter__(self):
        self.thread.start()
        self.table = lab.home.read("/etc/postern/edges")
        lab.home.write("/etc/postern/edges", self.table.replace(f":{EDGE[1]}", f":{self.PORT}"))
        return self

    def __exit__(self, *_):
        lab.home.write("/etc/postern/edges", self.table)
        self.listening.shutdown(socket.SHUT_RDWR)
        self.thread.join()
        self.listening.close()

    def _accept(self):
        while True:
            try:
                sock, _ = self.listening.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock):
        with sock:
            sock.settimeout(60)
            try:
                if self.on_open:
                    self.on_open(sock)
                else:
                    Session(sock, self.key).serve(self)
            except (OSError, EOFError):
                pass
            except Exception as error:  # pylint: disable=broad-except
                self.errors.append(error)


class Session:
    def __init__(self, sock, key):
        self.sock = sock
        handshake = Handshake(initiator=False, static=key)
        handshake.read_initiation(self._read(112)[16:])
        sock.sendall(handshake.write_response())
        self.sending, self.receiving, _ = handshake.finish()
        assert self.receive().kind == frames.PING
        self.send(frames.encode(frames.INFO, edge_name="liar.example", size_max=50_000_000, recipients_max=1000))

    def _read(self, length):
        data = b""
        while len(data) < length:
            chunk = self.sock.recv(length - len(data))
            if not chunk:
                raise EOFError
            data += chunk
        return data

    def receive(self):
        length, = struct.unpack(">H", self._read(2))
        return frames.decode(self.receiving.decrypt(b"", self._read(length)))

    def send(self, *plain):
        records = b""
        for frame in plain:
            sealed = self.sending.encrypt(b"", frame)
            records += struct.pack(">H", len(sealed)) + sealed
        self.sock.sendall(records)

    def serve(self, responder):
        recipients, has_content = [], False
        while True:
            frame = self.receive()
            self.transaction = frame.transaction
            if frame.kind == frames.ENVELOPE:
                recipients, has_content = [], False
            elif frame.kind == frames.RECIPIENT:
                recipients.append(frame.fields["forward_path"])
            elif frame.kind == frames.CONTENT and not has_content:
                has_content = True
                if responder.on_content:
                    responder.on_content(self, recipients)
            elif frame.kind == frames.END:
                responder.behave(self, recipients)
            elif frame.kind == frames.CLOSE:
                return
