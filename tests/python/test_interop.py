#!/usr/bin/python3
"""The Python initiator against the C responder: two implementations of doc/PROTOCOL.md.

    test_interop.py PATH-TO-tunnel_responder
"""

import base64
import os
import socket
import struct
import subprocess
import sys
import tempfile
import unittest

import postern_frames as frames
import postern_initiator as initiator
from postern_noise import NO_PSK, KeyPair, NoiseError

HERE = os.path.dirname(os.path.abspath(__file__))
RESPONDER = None


def text_of(key):
    return base64.b64encode(key).decode("ascii")


class Responder:
    """One run of the C program, with keys of its own."""

    def __init__(self, directory, clients, count=1, psk=None):
        self.edge = KeyPair()
        self.directory = directory
        self.write("edge.key", text_of(self.edge.secret))
        option = ""
        if psk is not None:
            option = " psk=" + self.write("psk", text_of(psk))
        lines = ["%s client-%d%s\n" % (text_of(client.public), number, option)
                 for number, client in enumerate(clients)]
        self.write("authorized_clients", "".join(lines))
        self.process = subprocess.Popen(
            [RESPONDER, os.path.join(directory, "edge.key"),
             os.path.join(directory, "authorized_clients"), str(count)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline().split()[1])
        self.address = "127.0.0.1:%d" % self.port

    def write(self, name, text):
        path = os.path.join(self.directory, name)
        with open(path, "w", encoding="ascii", opener=lambda p, f: os.open(p, f, 0o600)) as file:
            file.write(text + ("" if text.endswith("\n") else "\n"))
        return path

    def connect(self, client, psk=NO_PSK):
        return initiator.connect(self.address, self.edge.public, client, psk, timeout=10)

    def output(self):
        output, errors = self.process.communicate(timeout=20)
        return output + errors


class Interop(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.directory = temporary.name
        self.client = KeyPair()

    def responder(self, **options):
        responder = Responder(self.directory, [self.client], **options)
        self.addCleanup(responder.process.wait)
        self.addCleanup(responder.process.kill)
        self.addCleanup(responder.process.stdout.close)
        self.addCleanup(responder.process.stderr.close)
        return responder

    def test_messages(self):
        """Several transactions in one tunnel, with content of every awkward size."""
        responder = self.responder()
        tunnel = responder.connect(self.client)
        self.assertEqual(tunnel.info["edge_name"], "responder.example")
        bodies = [b"", b"x", b".", b"..\n.\n...\n", b"a" * 32767 + b"\n", b"a\n" * 60000,
                  "gr\u00fc\u00dfe\n".encode("utf-8")]
        for number, body in enumerate(bodies, 1):
            content = initiator.wire_form(body)
            statuses = list(initiator.deliver(
                tunnel, number, "sender@example.com",
                ["ok@example.net", "later@example.net", "nobody@[IPv6:2001:db8::1]"], content,
                queue_id="4ZmVXs0CVzz9rxk"))
            self.assertEqual([status["action"] for status in statuses], [0, 1, 2])
            self.assertEqual([status["index"] for status in statuses], [0, 1, 2])
            self.assertEqual(statuses[2]["reply_code"], 550)
            self.assertEqual(statuses[2]["status"], (5, 1, 1))
        tunnel.close(reason=1)
        output = responder.output()
        self.assertEqual(output.count("digest=ok content=sound"), len(bodies))
        self.assertIn("queue_id=4ZmVXs0CVzz9rxk", output)
        self.assertIn("recipient 2 <nobody@[IPv6:2001:db8::1]>", output)
        self.assertIn("CLOSE", output)

    def test_preshared_key(self):
        psk = os.urandom(32)
        responder = self.responder(psk=psk, count=2)
        with self.assertRaises(NoiseError):
            responder.connect(self.client)
        tunnel = responder.connect(self.client, psk)
        tunnel.close(reason=1)
        self.assertIn("psk=", responder.output())

    def test_ping(self):
        tunnel = self.responder().connect(self.client)
        tunnel.send(frames.encode(frames.PING))
        self.assertEqual(tunnel.receive().kind, frames.PONG)
        tunnel.close(reason=1)

    def test_unknown_frames_and_fields(self):
        tunnel = self.responder().connect(self.client)
        tunnel.send(frames.header(0x3F, 0, flags=0) + b"skip me")
        tunnel.send(frames.encode(frames.ABORT, 1) + frames.field(0x99, b"skip me, too"))
        tunnel.send(frames.encode(frames.PING))
        self.assertEqual(tunnel.receive().kind, frames.PONG)
        tunnel.send(frames.header(0x3F, 0))
        closing = tunnel.receive()
        self.assertEqual((closing.kind, closing.fields["reason"]), (frames.CLOSE, 4))
        tunnel.close()

    def test_strangers(self):
        """Not authorised, and wrong edge key: a closed connection and not one byte."""
        responder = self.responder(count=2)
        for edge_key, client in ((responder.edge.public, KeyPair()),
                                 (KeyPair().public, self.client)):
            with self.assertRaisesRegex(initiator.TunnelError, "closed after 0 of 48"):
                initiator.connect(responder.address, edge_key, client, timeout=10)
        output = responder.output()
        self.assertIn("not authorised", output)
        self.assertIn("not for this edge", output)

    def test_damaged_record(self):
        tunnel = self.responder().connect(self.client)
        sealed = bytearray(tunnel.sending.encrypt(b"", frames.encode(frames.PING)))
        sealed[3] ^= 1
        tunnel.sock.sendall(struct.pack(">H", len(sealed)) + sealed)
        self.assertEqual(tunnel.sock.recv(1), b"")
        tunnel.close()

    def test_replay(self):
        """Message 1 again, on a new connection: message 2 at most, then nothing."""
        responder = self.responder(count=2)
        tunnel = responder.connect(self.client)
        first = initiator.Handshake(initiator=True, static=self.client,
                                    remote_static=responder.edge.public)
        tunnel.close(reason=1)
        message = first.write_initiation()
        with socket.create_connection(("127.0.0.1", responder.port), timeout=20) as sock:
            sock.sendall(initiator.mac1(responder.edge.public, message) + message)
            self.assertEqual(len(sock.recv(48, socket.MSG_WAITALL)), 48)
            self.assertEqual(sock.recv(1), b"")
        self.assertIn("replayed handshake", responder.output())

    def test_command(self):
        responder = self.responder()
        key_file = responder.write("client.key", text_of(self.client.secret))
        result = subprocess.run(
            [os.path.join(HERE, "postern_initiator.py"), "--edge", responder.address,
             "--edge-key", text_of(responder.edge.public), "--key-file", key_file,
             "--sender", "", "--recipient", "ok@example.net", "--recipient", "no@example.net"],
            input=b"Subject: test\n\n.hello\n", capture_output=True, check=False, timeout=20)
        self.assertEqual(result.stderr, b"")
        self.assertEqual(result.returncode, 1)
        lines = result.stdout.decode("ascii").splitlines()
        self.assertEqual(len(lines), 2)
        self.assertTrue(lines[0].startswith("ok@example.net relayed 2.0.0 "))
        self.assertTrue(lines[1].startswith("no@example.net failed 5.1.1 "))
        self.assertIn("550 5.1.1 no such user", lines[1])


if __name__ == "__main__":
    RESPONDER = os.path.abspath(sys.argv.pop(1))
    sys.dont_write_bytecode = True
    unittest.main(verbosity=1)
