"""The allow-list in a socketmap: the keeper asks a server, the real one being a database behind Postfix's protocol."""
import contextlib
import os
import socket
import threading
import time

import tunnel_peer
from harness import Case, in_netns, lab, wait_for
from postern_initiator import send_transaction
from tunnel_peer import KeyPair, edge_public, frames, open_tunnel, text_of

EDGE_CONF = "/etc/postern/edge.conf"
LIST = tunnel_peer.CLIENTS
SOCKET = "/run/lab-clients"
PORT = 8899
MESSAGE = b"From: anna@home.example\r\nSubject: socketmap\r\n\r\nhello\r\n"
POSTFIX = "you@postfix.example"
# The edge believes an answer for so long without asking again.
FRESH = 5.3


class SocketmapServer:
    """One thread for each connection; hangs when told to: it reads and says nothing."""

    def __init__(self, listening, answers):
        self.listening, self.answers = listening, answers
        self.is_hanging = self.is_over = False
        self.connections, self.questions = [], []
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.listening.accept()
                self.connections.append(connection)
                threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        buffer = b""
        with contextlib.suppress(OSError):
            while not self.is_over and (data := connection.recv(4096)):
                buffer += data
                length, colon, rest = buffer.partition(b":")
                if not colon or len(rest) < int(length) + 1:
                    continue
                question, buffer = rest[:int(length)].decode(), rest[int(length) + 1:]
                self.questions.append(question)
                name, key = question.split(" ", 1)
                if not self.is_hanging:
                    said = self.answers.get(key) if name == "clients" else "PERM no such map"
                    said = "NOTFOUND " if said is None else said
                    connection.sendall(f"{len(said)}:{said},".encode())

    def end(self):
        """As if it were killed."""
        self.is_over = True
        with contextlib.suppress(OSError):
            self.listening.shutdown(socket.SHUT_RDWR)
        self.listening.close()
        for connection in self.connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()


class Socketmap(Case):
    def setUp(self):
        super().setUp()
        self.saved = {path: lab.vps.read(path) for path in (EDGE_CONF, LIST)}
        self.home_key = self.saved[LIST].split()[0]
        self.answers = {self.home_key: "OK home"}
        self.addCleanup(self.restore)

    def restore(self):
        for path, text in self.saved.items():
            lab.vps.write(path, text)
        self.server.end()
        lab.edge.restart()

    def serve_unix(self):
        path = lab.vps.path(SOCKET)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        listening = socket.socket(socket.AF_UNIX)
        listening.bind(path)
        os.chmod(path, 0o666)
        listening.listen(8)
        self.server = SocketmapServer(listening, self.answers)

    def serve_inet(self):
        def listen():
            listening = socket.socket(socket.AF_INET)
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind(("127.0.0.1", PORT))
            listening.listen(8)
            return listening
        self.server = SocketmapServer(in_netns("vps", listen), self.answers)

    def use(self, where=f"unix:{SOCKET}"):
        # Nobody is in the file, so whoever gets in was found in the map.
        lab.vps.write(LIST, "")
        lab.vps.write(EDGE_CONF, f'{self.saved[EDGE_CONF]}\nauthorized_clients = "socketmap:{where}:clients";\n')
        lab.edge.restart()

    def send(self):
        return lab.home.inject("anna@home.example", [POSTFIX], MESSAGE)

    def outcome_line(self, queue_id):
        return lab.home.wait_log(rf"postfix/lmtp.*{queue_id}: to=.*status=")[-1]

    def opens(self, key):
        try:
            open_tunnel(key).close()
            return True
        except Exception:
            return False

    def test_authorized_and_revoked(self):
        self.serve_unix()
        self.use()
        lab.vps.wait_log(rf"started: .*clients in socketmap:unix:{SOCKET}:clients")
        self.assertIn("status=sent", self.outcome_line(self.send()))
        self.assertEqual(set(self.server.questions), {f"clients {self.home_key}"})
        # Two tunnels of a second client, with options, one of them idle.
        key = KeyPair()
        self.assertFalse(self.opens(key))
        time.sleep(FRESH)
        self.answers[text_of(key.public)] = "OK peer domains=a.example"
        busy, idle = open_tunnel(key), open_tunnel(key)
        for number, sender, expected in ((1, "x@a.example", (2, 0, 0)), (2, "x@b.example", (4, 7, 1))):
            send_transaction(busy, number, sender, [POSTFIX], MESSAGE)
            self.assertEqual(busy.receive().fields["status"], expected)
            self.assertEqual(busy.receive().kind, frames.DONE)
        # Both are taken out at the server: the next transaction finds it, and what is idle ends, too.
        self.answers.clear()
        time.sleep(FRESH)
        busy.send(frames.encode(frames.ENVELOPE, 3, reverse_path="x@a.example", queue_id=None, budget_ms=60000))
        self.assertEqual(busy.receive().kind, frames.CLOSE)
        self.assertEqual(idle.receive().kind, frames.CLOSE)
        lab.vps.wait_log("client=peer: a key of it is not authorised any more")
        self.assertIn("status=deferred", self.outcome_line(self.send()))
        self.answers[self.home_key] = "OK home"
        time.sleep(FRESH)
        lab.home.flush()
        lab.home.wait_log(r"postfix/lmtp.*status=sent", count=2)
        # An answer that makes no sense authorises nobody, and the log says what it was.
        self.answers[text_of(key.public)] = "OK peer speed=3"
        self.assertFalse(self.opens(key))
        lab.vps.wait_log(r'the answer for key \S{8}\.\.\. is not understood: unknown option')

    def test_server_fails(self):
        """Hung, killed and back: whom it named goes on, whom it did not gets in when it is back."""
        self.serve_unix()
        self.use()
        key = KeyPair()
        self.answers[text_of(key.public)] = "OK peer"
        self.assertIn("status=sent", self.outcome_line(self.send()))
        self.server.is_hanging = True
        time.sleep(FRESH)
        asked = len(self.server.questions)
        for queue_id in [self.send() for _ in range(5)]:
            self.assertIn("status=sent", self.outcome_line(queue_id))
        self.assertLess(len(self.server.questions) - asked, 5, "not each of them waits for the server")
        lab.vps.wait_log("the server did not answer in time; who may deliver is what it said last, for 600 s at most")
        self.server.end()
        self.assertIn("status=sent", self.outcome_line(self.send()))
        self.assertFalse(self.opens(key))
        lab.vps.wait_log("handshake with .* failed: .*the socketmap cannot be asked now")
        self.serve_unix()
        wait_for("the new client gets in", lambda: self.opens(key), interval=0.5)
        lab.vps.wait_log("answers again")

    def test_inet(self):
        """TCP, through the keeper's sandbox; it survives a restart of the server."""
        self.serve_inet()
        self.use(f"inet:127.0.0.1:{PORT}")
        self.assertIn("status=sent", self.outcome_line(self.send()))
        self.server.end()
        self.serve_inet()
        key = KeyPair()
        self.answers[text_of(key.public)] = "OK peer"
        self.assertTrue(self.opens(key))

    def test_tools(self):
        self.serve_unix()
        self.use()
        for command in (("authorize", text_of(KeyPair().public), "x"), ("revoke", "home"), ("peers",)):
            done = lab.vps.run("postern", *command, check=False)
            self.assertEqual(done.returncode, 78, done)
            self.assertRegex(done.stderr, rf"the allow-list of this edge is in socketmap:unix:{SOCKET}:clients;")
        done = lab.vps.run("postern-edge", "--check")
        self.assertRegex(done.stdout, rf"good; clients in socketmap:unix:{SOCKET}:clients")
        self.assertEqual(self.server.questions, [])
        self.assertRegex(self.check_host(), rf'good: authorized_clients "socketmap:unix:{SOCKET}:clients": answers')
        self.assertEqual(self.server.questions, [f"clients {text_of(edge_public())}"])
        self.answers[text_of(edge_public())] = "OK everybody"
        self.assertRegex(self.check_host(), r"wrong: authorized_clients .* knows this edge's own key as a client")
        self.server.end()
        self.assertRegex(self.check_host(), rf"wrong: authorized_clients: socketmap {SOCKET}|wrong: authorized_clients: socketmap unix:{SOCKET}")
        conf = lab.vps.read(EDGE_CONF)
        lab.vps.write(EDGE_CONF, conf.replace(f"unix:{SOCKET}", "inet:localhost:1"))
        done = lab.vps.run("postern-edge", "--check", check=False)
        self.assertEqual(done.returncode, 78)
        self.assertRegex(done.stderr, rf'{EDGE_CONF}:\d+: .*"localhost" is no IP address')

    def check_host(self):
        return lab.vps.run("postern-edge", "--check-host", "postfix.example", check=False).stdout
