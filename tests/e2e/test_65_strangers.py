"""The edge's end of the tunnel against strangers and unruly clients, catalogue cases 90 to 104, with the second implementation."""
import concurrent.futures
import contextlib
import hashlib
import os
import re
import resource
import socket
import struct
import subprocess
import tempfile
import threading
import time

import stranger_load
import tunnel_peer
from harness import Case, lab, wait_for
from tunnel_peer import KeyPair, frames, open_tunnel, visit

# tunnel_peer has set the path
from postern_initiator import TunnelError, deliver, send_transaction
from postern_noise import NoiseError


INITIATOR = os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "python", "postern_initiator.py")
MESSAGE = b"From: anna@home.example\r\nSubject: by another way\r\n\r\n..dot\r\nhello\r\n"
EDGE_CONF = "/etc/postern/edge.conf"
PROTOCOL_ERROR, REVOKED = 4, 3
# A handshake may take 5 s in all; this is somebody who takes much longer.
SLOW_VISIT_SECONDS = 60


class EdgeCase(Case):
    """Before each: an edge that has seen nobody yet, and its allow-list as the lab made it."""

    conf = ""

    def setUp(self):
        super().setUp()
        self.saved = [(path, lab.vps.read(path)) for path in (EDGE_CONF, tunnel_peer.CLIENTS)]
        lab.vps.write(EDGE_CONF, self.saved[0][1] + self.conf)
        lab.edge.restart()
        self.pid = lab.edge.pid
        self.key = KeyPair()

    def tearDown(self):
        is_same, stderr = lab.edge.is_running and lab.edge.pid == self.pid, lab.edge.stderr()
        for path, text in self.saved:
            lab.vps.write(path, text)
        lab.edge.restart()
        self.assertTrue(is_same, stderr)
        self.assertNotRegex(stderr, "Sanitizer|runtime error")

    def authorize(self, *options):
        tunnel_peer.authorize(self.key, "peer", *options)

    def mail_goes_through(self):
        queue_id = lab.home.inject("anna@home.example", ["you@postfix.example"], MESSAGE)
        self.assertIn("status=sent", lab.home.wait_log(rf"postfix/lmtp.*{queue_id}: to=.*status=")[0])


class SecondImplementation(EdgeCase):
    def test_delivers_through_the_edge(self):
        self.authorize()
        with tempfile.NamedTemporaryFile("w", suffix=".key") as file:
            file.write(tunnel_peer.text_of(self.key.secret))
            file.flush()
            done = subprocess.run(
                ["nsenter", "--net=/run/netns/home", "/usr/bin/python3", INITIATOR, "--edge", "198.51.100.20:7843",
                 "--edge-key", tunnel_peer.text_of(tunnel_peer.edge_public()), "--key-file", file.name,
                 "--queue-id", "PYTHON1", "--sender", "anna@home.example", "--recipient", "you@postfix.example",
                 "--recipient", "refused@exim.example"], input=MESSAGE.replace(b"..dot", b".dot"), capture_output=True, check=False)
        output = done.stdout.decode()
        self.assertEqual(done.returncode, 1, (output, done.stderr))
        self.assertRegex(output, r"(?m)^you@postfix\.example relayed 2\.0\.0 stage=after-final-dot relay=mx\.postfix\.example "
                                 r"\(250 2\.0\.0 Ok: queued as")
        self.assertRegex(output, r"(?m)^refused@exim\.example failed 5\.\d\.\d stage=rcpt .*User unknown here")
        raw = lab.wait_stored("mx-postfix")[0].raw
        self.assertTrue(raw.endswith(b"\r\n" + MESSAGE.replace(b"..dot", b".dot")), raw)
        self.assertRegex(raw, rb"^Received: by edge\.vps\.example \(postern\) id PYTHON1;")
        self.assertRegex(lab.vps.wait_log(r"PYTHON1: to=<@postfix")[0], "client=peer, .*status=sent")


class Strangers(EdgeCase):
    ALONE = True    # measures time
    """Cases 90 to 94, 96 to 98, 102, 103."""

    LOW_ORDER = ["00" * 32, "01" + "00" * 31, "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
                 "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157", "ec" + "ff" * 30 + "7f",
                 "ed" + "ff" * 30 + "7f", "ee" + "ff" * 30 + "7f"]

    def silent_visitors(self):
        """{what: pieces to send}; none of them may get a byte back."""
        first = tunnel_peer.initiation(self.key)[1]
        edge_key = tunnel_peer.edge_public()
        found = {
            "case 90 random bytes": [os.urandom(4096)], "case 90 HTTP": [b"GET / HTTP/1.1\r\nHost: edge.vps.example\r\n\r\n"],
            "case 90 long HTTP": [b"GET / HTTP/1.1\r\nHost: edge.vps.example\r\nUser-Agent: " + b"x" * 200 + b"\r\n\r\n"],
            "case 90 TLS": [b"\x16\x03\x01\x00\xf8\x01\x00\x00\xf4\x03\x03" + os.urandom(242)],
            "case 90 SSH": [b"SSH-2.0-OpenSSH_9.2p1\r\n"], "case 90 SMTP": [b"EHLO client.example\r\n"],
            "case 90 112 bytes": [os.urandom(112)], "case 90 one byte": [b"\0"], "case 90 nothing": [],
            "case 97 111 bytes, then nothing": [first[:111]],
            "case 103 a byte a second": self.byte_a_second(first),
            "case 92 unknown key": [first],
            "case 92 other version": [tunnel_peer.initiation(self.known, prologue=b"postern/2")[1]],
            "other edge's key": [tunnel_peer.initiation(self.known, KeyPair().public)[1]],
        }
        for at in range(0, 112, 5):
            flipped = bytearray(tunnel_peer.initiation(self.known)[1])
            flipped[at] ^= 1 << at % 8
            if at >= 16:    # with the right mac1 the flip must be found by what is behind it
                flipped[:16] = tunnel_peer.mac1(edge_key, bytes(flipped[16:]))
            found[f"case 98 bit flipped in byte {at}"] = [bytes(flipped)]
        for number, point in enumerate(self.LOW_ORDER):
            message = bytes.fromhex(point) + tunnel_peer.initiation(self.known)[1][48:]
            found[f"case 94 point {number}"] = [tunnel_peer.mac1(edge_key, message) + message]
        return found

    def byte_a_second(self, message):
        for byte in message[:SLOW_VISIT_SECONDS]:
            self.said += 1
            yield bytes([byte])
            yield 1.0

    def test_not_one_byte_for_strangers(self):
        self.known, self.said = KeyPair(), 0
        tunnel_peer.authorize(self.known, "known")
        visitors = self.silent_visitors()
        with concurrent.futures.ThreadPoolExecutor(len(visitors)) as pool:
            visits = {what: pool.submit(visit, pieces) for what, pieces in visitors.items()}
            time.sleep(0.3)
            self.mail_goes_through()
            for what, done in visits.items():
                with self.subTest(what):
                    self.assertEqual(done.result(), b"")
        self.assertLess(self.said, SLOW_VISIT_SECONDS, "case 103: the time counts from the connection, not from the last byte")
        lines = lab.vps.grep_log("handshake with")
        self.assertGreater(len(lines), 0)       # those that knew the edge's key
        self.assertLessEqual(len(lines), 20)    # LOG_LIMIT_LINES_PER_MINUTE
        self.assertFalse(lab.vps.grep_log(re.escape(tunnel_peer.text_of(self.key.public))))     # never the whole key

    def test_replayed_first_message(self):
        """Case 91: at most message 2, then nothing, and not twice at a time; nobody becomes a client by it."""
        self.authorize()
        firsts = [tunnel_peer.initiation(self.key)[1] for _ in range(3)]
        for first in firsts:    # as somebody records them
            self.assertEqual(len(visit([first, 0.1, bytes(24)])), 48)
        replays = {"replay": [firsts[0]], "replay and garbage": [firsts[1], 0.2, os.urandom(24)],
                   "replay and a long record": [firsts[2], 0.2, b"\xff\xff" + os.urandom(70000)]}
        with concurrent.futures.ThreadPoolExecutor(len(replays)) as pool:
            visits = {what: pool.submit(visit, pieces) for what, pieces in replays.items()}
            wait_for("the first is being answered", lambda: self.established() > 0)
            time.sleep(0.5)
            self.assertEqual(visit([firsts[0]]), b"", "case 91 replay beside the replay")
        for what, visited in visits.items():
            with self.subTest(f"case 91 {what}"):
                self.assertEqual(len(visited.result()), 48)
        self.assertFalse(lab.vps.grep_log("client=peer"))
        self.mail_goes_through()

    def test_wrong_psk(self):
        """Case 93, with the second implementation and with the real transport."""
        lab.vps.run("postern", "genpsk", "/var/lib/postern/peer.psk")
        lab.vps.run("chown", "_postern-edge:", "/var/lib/postern/peer.psk")
        self.authorize("psk=/var/lib/postern/peer.psk")
        for psk in (tunnel_peer.NO_PSK, os.urandom(32)):
            with self.assertRaises(NoiseError):
                open_tunnel(self.key, psk)
        lab.vps.wait_log("handshake with .* failed: .*psk=", count=2)
        table = lab.home.read("/etc/postern/edges")
        lab.home.run("postern", "genpsk", "/var/lib/postern/wrong.psk")
        lab.home.run("chown", "_postern:", "/var/lib/postern/wrong.psk")
        try:
            lab.home.write("/etc/postern/edges", re.sub(r"(key=\S+)", r"\1 psk=/var/lib/postern/wrong.psk", table))
            queue_id = lab.home.inject("anna@home.example", ["you@postfix.example"], MESSAGE)
            line = lab.home.wait_log(rf"postfix/lmtp.*{queue_id}: to=.*status=")[0]
            self.assertRegex(line, r"dsn=4\.7\.5, status=deferred .*psk=")
        finally:
            lab.home.write("/etc/postern/edges", table)
        self.mail_goes_through()

    def flood(self, count, kept_at_most):
        """Connections that say nothing, kept open on this side; mail in the midst of them."""
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, count + 500)), hard))
        sockets = []

        def connect_all():
            def connect():
                for _ in range(count):
                    with contextlib.suppress(OSError):
                        sockets.append(socket.create_connection(tunnel_peer.EDGE, 5))
            tunnel_peer.in_netns("home", connect)
        flooding = threading.Thread(target=connect_all)
        flooding.start()
        most = 0
        try:
            wait_for("the flood has begun", lambda: len(sockets) > count // 20)
            self.mail_goes_through()
            while flooding.is_alive():
                most = max(most, self.established())
            self.mail_goes_through()
            most = max(most, self.established())
        finally:
            flooding.join()
            for sock in sockets:
                sock.close()
        self.assertGreaterEqual(len(sockets), count * 0.95)
        self.assertGreater(most, kept_at_most // 2)
        self.assertLessEqual(most, kept_at_most + 3)    # the mail's own tunnels

    def established(self):
        """What the edge holds; connections that it has not accepted yet have no process."""
        lines = lab.vps.run("ss", "-Htnp", "state", "established", "sport = :7843").stdout.splitlines()
        return sum("postern-edge" in line for line in lines)

    def test_flood_from_one_network(self):
        """Case 102: 32 of 2,000 are kept (strangers_per_network); mail from the same network goes on."""
        self.flood(2000, 32)


class ManyStrangers(Strangers):
    conf = "strangers_per_network = 100000;\n"

    def test_flood_as_if_from_everywhere(self):
        """Case 102: 256 of 2,000 are kept (strangers); mail goes on."""
        self.flood(2000, 256)

    test_not_one_byte_for_strangers = test_replayed_first_message = test_wrong_psk = test_flood_from_one_network = None


class ThousandsOfStrangers(EdgeCase):
    ALONE = True    # measures time
    """Case 102 from many networks, with the defaults; how much it costs is measured by `make figures ONLY=strangers`."""

    SECONDS = 8

    def setUp(self):
        super().setUp()
        networks = contextlib.ExitStack()
        networks.enter_context(stranger_load.sources())
        self.addCleanup(networks.close)
        # A sanitizer's edge takes its time.
        self.share = 4 if lab.edge.sanitizer() else 1
        self.processes = stranger_load.EdgeProcesses()
        self.threads = self.processes.threads()

    def load(self, kinds, rate):
        return stranger_load.start(kinds, rate * self.SECONDS // self.share, rate // self.share, 10000, self.SECONDS + 8)

    def deliver_among(self, *loads):
        """Messages until the strangers have gone; returns the most threads that the edge had because of them."""
        deliveries, most = stranger_load.Deliveries(), 0
        while any(process.poll() is None for process in loads):
            deliveries.run(5)
            most = max(most, self.processes.threads() - self.threads)
        self.mail_goes_through()
        self.assertEqual(deliveries.refused, [])
        self.assertGreater(len(deliveries.seconds), 10)
        return most

    def test_silent_and_garbage(self):
        """10,000 silent ones in the time that each is given, and garbage besides: all are seen off, every message gets through."""
        silent, garbage = self.load("silent", 2000), self.load(stranger_load.GARBAGE, 1000)
        most = self.deliver_among(silent, garbage)
        for process in (silent, garbage):
            found = stranger_load.result(process)
            self.assertEqual(found["connected"], found["opened"], found)
            self.assertLess(found["opened"] - found["ended"], 300, found)
        self.assertLess(most, 100)
        self.assertLessEqual(len(lab.vps.grep_log("handshake")), 42)

    def test_recorded_first_messages(self):
        """More handshakes that go no further than there may be tunnels in all: they have a share of their own."""
        recorded = self.load("recorded", 500)
        most = self.deliver_among(recorded)
        self.assertGreater(stranger_load.result(recorded)["connected"], 1000 // self.share)
        self.assertGreater(most, 100 // self.share)
        self.assertLess(most, 2 * 256 + 50)
        self.assertFalse(lab.vps.grep_log("no room"))


class HostilePeer(EdgeCase):
    ALONE = True    # measures time
    """Cases 95, 96, 99 and 104: an authorised peer that does not keep to the protocol."""

    conf = 'message_size_limit = "100k";\ndata_done_timeout = "4s";\n'

    def setUp(self):
        super().setUp()
        self.authorize()

    def envelope(self, transaction=1, **more):
        return frames.encode(frames.ENVELOPE, transaction, reverse_path="anna@home.example", budget_ms=60000, **more)

    @staticmethod
    def recipient(index, transaction=1, path="you@postfix.example"):
        return frames.encode(frames.RECIPIENT, transaction, index=index, forward_path=path)

    @staticmethod
    def end(content=MESSAGE, transaction=1, **more):
        values = {"digest": hashlib.blake2b(content, digest_size=32).digest(), "length": len(content), **more}
        return frames.encode(frames.END, transaction, **values)

    def test_protocol_errors_end_the_tunnel(self):
        """Nothing of it is delivered, and the peer is told that it was wrong."""
        content = frames.encode_content(1, MESSAGE)
        whole = [self.envelope(), self.recipient(0), content]
        nonsense = {
            "gap in the recipients": [self.envelope(), self.recipient(0), self.recipient(2)],
            "recipients from 1": [self.envelope(), self.recipient(1)],
            "recipient before envelope": [self.recipient(0)],
            "content before envelope": [content],
            "end before envelope": [self.end()],
            "content before recipients": [self.envelope(), content],
            "end without recipients": [self.envelope(), self.end(b"")],
            "recipient after content": [*whole, self.recipient(1)],
            "wrong digest": [*whole, self.end(digest=bytes(32))],
            "wrong length": [*whole, self.end(length=len(MESSAGE) + 1)],
            "short digest": [*whole, self.end(digest=bytes(31))],
            "unknown critical type": [frames.header(0x7f, 0)],
            "unknown field": [self.envelope() + frames.field(0x70, b"x")],
            "field twice": [self.envelope() + frames.field(1, b"")],
            "field beyond the frame": [self.envelope() + b"\x82\xff\xff"],
            "no budget": [frames.encode(frames.ENVELOPE, 1, reverse_path="")],
            "no forward-path": [self.envelope(), frames.encode(frames.RECIPIENT, 1, index=0)],
            "path with CR LF": [self.envelope(), self.recipient(0, path="a@postfix.example\r\nDATA")],
            "path without domain": [self.envelope(), self.recipient(0, path="root")],
            "envelope twice": [self.envelope(), self.envelope(2)],
            "transaction 0": [self.envelope(0)],
            "another transaction's content": [self.envelope(), self.recipient(0), frames.encode_content(2, MESSAGE)],
            "the edge's own frame": [frames.encode(frames.STATUS, 1, index=0, action=0, status=(2, 0, 0), stage=11)],
            "INFO": [frames.encode(frames.INFO, edge_name="x.example", size_max=1, recipients_max=1)],
            "unknown flags": [frames.header(frames.PING, 0, 0x80)],
            "empty content": [self.envelope(), self.recipient(0), frames.encode_content(1, b"")],
            "content of 32769 bytes": [self.envelope(), self.recipient(0), frames.encode_content(1, b"x" * 32769)],
            "1001 recipients": [self.envelope(), *(self.recipient(number, path=f"u{number}@postfix.example")
                                                   for number in range(1001))],
            "control frame of 8193 bytes": [self.envelope() + frames.field(0x80, b"x" * 8193)],
        }
        for what, sent in nonsense.items():
            with self.subTest(f"case 104 {what}"):
                tunnel = open_tunnel(self.key)
                for frame in sent:
                    tunnel.send(frame)
                closed = tunnel.receive()
                self.assertEqual((closed.kind, closed.fields.get("reason")), (frames.CLOSE, PROTOCOL_ERROR))
                with self.assertRaises(TunnelError):
                    tunnel.receive()
                tunnel.close()
        self.assertEqual(lab.stored("mx-postfix"), [])
        self.assertFalse(lab.vps.grep_log("status="))
        self.mail_goes_through()

    def test_damaged_records(self):
        """Cases 96, 97, 99: what does not verify ends the tunnel without a word."""
        def replayed(tunnel):
            record = self.sealed(tunnel, frames.encode(frames.PING))
            return record + record

        def damages():
            yield "case 96 length 0", lambda tunnel: b"\0\0"
            yield "case 96 length 15", lambda tunnel: b"\0\x0f" + bytes(15)
            yield "case 96 length 65535", lambda tunnel: b"\xff\xff" + os.urandom(65535)
            yield "case 98 bit flipped", lambda tunnel: self.flipped(self.sealed(tunnel, self.envelope()))
            yield "case 99 replayed", replayed
            yield "case 99 dropped", lambda tunnel: [self.sealed(tunnel, frames.encode(frames.PING)),
                                                     self.sealed(tunnel, frames.encode(frames.PING))][1]
            for cut in (1, 2, 3, 20):
                yield f"case 97 cut after {cut}", lambda tunnel, cut=cut: self.sealed(tunnel, self.envelope())[:cut]
        for what, damage in damages():
            with self.subTest(what):
                tunnel = open_tunnel(self.key)
                tunnel.sock.sendall(damage(tunnel))
                if "case 97" in what:
                    tunnel.sock.shutdown(socket.SHUT_WR)
                received = tunnel_peer.read_to_end(tunnel.sock)
                # A PONG may answer what came before the replay.
                self.assertLessEqual(len(received), 24 if "replayed" in what else 0)
                tunnel.close()
        self.mail_goes_through()

    def test_cut_before_the_end(self):
        """Case 97: END cut at every byte, by FIN and by RST, with all of the message before it: nothing is delivered, nothing is left."""
        size = 2 + 16 + len(self.end())
        for reset in (False, True):
            for cut in range(size):
                with self.subTest(f"case 97 cut after {cut} of {size}, {'RST' if reset else 'FIN'}"):
                    tunnel = open_tunnel(self.key)
                    for frame in (self.envelope(), self.recipient(0), frames.encode_content(1, MESSAGE)):
                        tunnel.send(frame)
                    tunnel.sock.sendall(self.sealed(tunnel, self.end())[:cut])
                    if reset:
                        tunnel.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    else:
                        tunnel.sock.shutdown(socket.SHUT_WR)
                        self.assertEqual(tunnel_peer.read_to_end(tunnel.sock), b"")
                    tunnel.sock.close()
        wait_for("the end of all tunnels", lambda: not lab.vps.run("ss", "-Htn", "state", "established", "sport = :7843").stdout)
        self.assertEqual(lab.stored("mx-postfix"), [])
        self.assertFalse(lab.vps.grep_log("status="))
        self.mail_goes_through()

    def test_memory_of_claimed_lengths(self):
        """Case 96: a hundred tunnels, each with a record of 65535 bytes claimed and none sent."""
        if lab.edge.sanitizer():
            self.skipTest("a sanitizer keeps freed memory")
        tunnels = [open_tunnel(self.key) for _ in range(100)]
        for tunnel in tunnels:      # what a tunnel has from its beginning
            tunnel.send(frames.encode(frames.PING))
            self.assertEqual(tunnel.receive().kind, frames.PONG)
        before = self.resident()
        for tunnel in tunnels:
            tunnel.sock.sendall(b"\xff\xff")
        self.mail_goes_through()
        # A hundred times what was claimed were 6.4 MB; one delivery of mail takes its part.
        self.assertLess(self.resident() - before, 2048)
        for tunnel in tunnels:
            tunnel.sock.close()

    def resident(self):
        """Kilobytes."""
        return int(re.search(r"VmRSS:\s+(\d+)", lab.vps.run("cat", f"/proc/{lab.edge.pid}/status").stdout).group(1))

    @staticmethod
    def sealed(tunnel, frame):
        record = tunnel.sending.encrypt(b"", frame)
        return struct.pack(">H", len(record)) + record

    @staticmethod
    def flipped(record):
        return record[:10] + bytes([record[10] ^ 4]) + record[11:]

    def statuses(self, tunnel, transaction, recipients=("you@postfix.example",), content=MESSAGE, **envelope):
        return list(deliver(tunnel, transaction, "anna@home.example", list(recipients), content, **envelope))

    def test_what_may_be_skipped_is_skipped(self):
        """Unknown optional types and fields, PING, ABORT; the next transaction works each time."""
        tunnel = open_tunnel(self.key)
        tunnel.send(frames.header(0x7f, 0, 0) + b"whatever")
        tunnel.send(frames.header(0x33, 5, 0))
        self.assertEqual(self.statuses(tunnel, 1)[0]["action"], 0)
        tunnel.send(frames.encode(frames.PING))
        self.assertEqual(tunnel.receive().kind, frames.PONG)
        # ABORT at each stage.
        content = frames.encode_content
        for transaction, begun in ((2, []), (3, [self.recipient(0, 3)]), (4, [self.recipient(0, 4), content(4, MESSAGE)])):
            for frame in (self.envelope(transaction), *begun, frames.encode(frames.ABORT, transaction)):
                tunnel.send(frame)
        tunnel.send(self.envelope(5) + frames.field(0x80, b"optional"))
        tunnel.send(self.recipient(0, 5) + frames.field(0xff, b""))
        tunnel.send(frames.encode_content(5, MESSAGE))
        tunnel.send(self.end(transaction=5))
        self.assertEqual(tunnel.receive().fields["action"], 0)
        self.assertEqual(tunnel.receive().kind, frames.DONE)
        self.assertEqual(len(lab.wait_stored("mx-postfix", 2)), 2)
        # A transaction number that was used before (case 104).
        tunnel.send(self.envelope(5))
        closed = tunnel.receive()
        self.assertEqual((closed.kind, closed.fields["reason"]), (frames.CLOSE, PROTOCOL_ERROR))
        tunnel.close()

    def test_limits(self):
        """Case 104: 1000 recipients are taken; too large a message, announced or not, is refused, and the tunnel stays."""
        tunnel = open_tunnel(self.key)
        refused = self.statuses(tunnel, 1, declared_size=10_000_000_000)
        self.assertEqual([(status["action"], status["status"]) for status in refused], [(2, (5, 3, 4))])
        large = MESSAGE + b"x" * 76 * 3000 + b"\r\n"
        refused = self.statuses(tunnel, 2, content=large)
        self.assertEqual([(status["action"], status["status"]) for status in refused], [(2, (5, 3, 4))])
        for number, content in enumerate((b"bare\nLF\r\n", b"bare\rCR\r\n", b"end\r\n.\r\ninside\r\n", b"no end"), 3):
            refused = self.statuses(tunnel, number, content=content)
            self.assertEqual([(status["action"], status["status"]) for status in refused], [(2, (5, 6, 0))], content)
        recipients = [f"u{number}@sink.example" for number in range(1000)]
        taken = self.statuses(tunnel, 9, recipients)
        self.assertEqual(sorted(status["index"] for status in taken), list(range(1000)))
        self.assertEqual({status["action"] for status in taken}, {0})
        tunnel.close(reason=1)

    def test_revoked_in_the_midst(self):
        """Case 95: the running transaction is finished and answered, then the tunnel ends; idle tunnels end at once."""
        idle, busy = open_tunnel(self.key), open_tunnel(self.key)
        # A server that never answers the final dot, cut by data_done_timeout.
        send_transaction(busy, 1, "anna@home.example", ["you@case26a-silent-after-dot.hostile.example"], MESSAGE)
        wait_for("the final dot", lambda: any(event["event"] == "dot" for event in lab.hostile("case26a_silent_after_dot")))
        lab.vps.run("postern", "revoke", "peer")
        closed = idle.receive()
        self.assertEqual((closed.kind, closed.fields["reason"]), (frames.CLOSE, REVOKED))
        status = busy.receive()
        self.assertEqual((status.fields["action"], status.fields["status"], status.fields["maybe_duplicate"]), (1, (4, 4, 2), 1))
        self.assertEqual(busy.receive().kind, frames.DONE)
        closed = busy.receive()
        self.assertEqual((closed.kind, closed.fields["reason"]), (frames.CLOSE, REVOKED))
        with self.assertRaises(TunnelError):
            open_tunnel(self.key)


class HalfOpen(EdgeCase):
    """Case 101: a mail host whose power or network is gone; no packet of it says so."""

    LATE = "you@case161-accepts-late.hostile.example"
    DEAD_PEER_SECONDS = 60      # TUNNEL_DEAD_PEER_S

    def tunnels(self):
        """Connections of the edge, in whatever state."""
        lines = lab.vps.run("ss", "-Htnpa", "sport = :7843").stdout.splitlines()
        return [line for line in lines if "postern-edge" in line and not line.startswith("LISTEN")]

    def dots(self):
        return sum(event["event"] == "dot" for event in lab.hostile("case161_accepts_late"))

    def test_power_off(self):
        """Both ends find out; the edge keeps what the server said, and the next attempt is answered by it."""
        self.authorize()
        idle = open_tunnel(self.key)
        queue_id = lab.home.inject("anna@home.example", [self.LATE], MESSAGE)
        wait_for("the final dot", lambda: self.dots() == 1)
        self.assertEqual(len(self.tunnels()), 2)
        lab.vps.run("nft", "add table inet dead; add chain inet dead in { type filter hook input priority 0; }; "
                           "add rule inet dead in tcp dport 7843 drop; add chain inet dead out { type filter hook output priority 0; }; "
                           "add rule inet dead out tcp sport 7843 drop")
        began = time.monotonic()
        try:
            lab.vps.wait_log(rf"{queue_id}: to=.*status=sent")     # the edge goes on
            wait_for("the end of both tunnels", lambda: not self.tunnels(), self.DEAD_PEER_SECONDS + 20, 0.5)
            self.assertGreater(time.monotonic() - began, self.DEAD_PEER_SECONDS / 2 - 5)
            line = lab.home.wait_log(rf"postfix/lmtp.*{queue_id}: to=.*status=deferred")[0]
            self.assertRegex(line, r"dsn=4\.4\.2.*outcome unknown")
        finally:
            lab.vps.run("nft", "delete table inet dead")
            idle.sock.close()
        lab.home.run("postqueue", "-i", queue_id)
        self.assertRegex(lab.home.wait_log(rf"postfix/lmtp.*{queue_id}: to=.*status=sent")[0],
                         r"already delivered; answered from journal")
        self.assertEqual(self.dots(), 1)
