"""The mail server's side of the milter protocol, byte by byte, for scripts that miltertest(8) is too polite or too small for.

    from raw_client import Connection, case, finish, last_decision
"""
import re
import socket
import struct
import sys
import traceback

SOCKET, LOG = sys.argv[1:3]
ALICE = "alice@home.example"
BOB = "bob@home.example"
MACROS_ASKED_FOR = 0x100    # SMFIF_SETSYMLIST
failures = 0


class Closed(Exception):
    """The milter has ended the connection."""


class Connection:
    """After connect(): what the milter left out of the protocol it gets no answer to."""

    NO_REPLY = {"L": 0x80, "C": 0x1000, "H": 0x2000, "M": 0x4000, "R": 0x8000, "T": 0x10000, "N": 0x40000, "B": 0x80000}
    LEFT_OUT = {"C": 0x1, "H": 0x2, "M": 0x4, "R": 0x8, "B": 0x10, "L": 0x20, "N": 0x40, "T": 0x200}

    def __init__(self, login=ALICE, actions=0x1ff, steps=0x1fffff):
        self.login = login
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(20)
        self.socket.connect(SOCKET)
        self.send("O", struct.pack("!III", 6, actions, steps))
        _, answer = self.receive()
        self.steps = struct.unpack("!I", answer[8:12])[0]

    def send(self, command, data=b""):
        try:
            self.socket.sendall(struct.pack("!I", len(data) + 1) + command.encode() + data)
        except OSError as error:
            raise Closed from error

    def receive(self):
        """(command, data)."""
        def exactly(count):
            data = b""
            while len(data) < count:
                try:
                    part = self.socket.recv(count - len(data))
                except ConnectionError as error:
                    raise Closed from error
                if not part:
                    raise Closed
                data += part
            return data

        length = struct.unpack("!I", exactly(4))[0]
        packet = exactly(length)
        return packet[:1].decode(), packet[1:]

    def ask(self, command, data=b""):
        """The letter of the reply, or "c" where none is given."""
        if self.steps & self.LEFT_OUT.get(command, 0):
            return "c"
        self.send(command, data)
        return "c" if self.steps & self.NO_REPLY.get(command, 0) else self.receive()[0]

    def macros(self, command, **values):
        data = command.encode()
        for name, value in values.items():
            data += (name if len(name) == 1 else f"{{{name}}}").encode() + b"\0" + value.encode() + b"\0"
        self.send("D", data)

    def connect(self, address="192.0.2.50", port=40000):
        return self.ask("C", b"client.example\0" + b"4" + struct.pack("!H", port) + address.encode() + b"\0")

    def mail(self, sender=ALICE):
        self.macros("M", i="TESTID", **({"auth_authen": self.login} if self.login else {}))
        return self.ask("M", f"<{sender}>".encode() + b"\0")

    def rcpt(self, recipient="you@postfix.example"):
        self.macros("R", i="TESTID", rcpt_mailer="postern")
        return self.ask("R", f"<{recipient}>".encode() + b"\0")

    def field(self, name, value):
        return self.ask("L", name + b"\0" + value + b"\0")

    def end(self):
        """The letter of the final reply: "c", "a", "r", "t", "y"; what comes before it are changes."""
        self.send("E")
        self.changes = []
        while True:
            letter, data = self.receive()
            if letter in "acrtyd4":
                return letter
            self.changes.append((letter, data))

    def message(self, *fields, sender=ALICE):
        """The letter at which it ended."""
        for letter in (self.mail(sender), self.rcpt()):
            if letter != "c":
                return letter
        for name, value in fields:
            self.field(name, value)
        return self.end()


USUAL = ((b"From", ALICE.encode()), (b"Date", b"Sat, 21 Nov 2026 10:00:00 +0000"), (b"Message-ID", b"<1@home.example>"))


def connected(**options):
    connection = Connection(**options)
    connection.connect()
    return connection


def last_decision():
    """The milter's last word in its log."""
    with open(LOG, encoding="utf-8", errors="replace") as file:
        return (re.findall(r": (?:pass|log|repair|tempfail|reject): .*", file.read()) or [""])[-1]


def case(function):
    """Runs it: a line of the report. Its first line of documentation is its name."""
    global failures
    try:
        function()
        print(f"ok      {function.__doc__.splitlines()[0]}", flush=True)
    except Exception:  # pylint: disable=broad-except
        failures += 1
        print(f"FAILED  {function.__doc__.splitlines()[0]}\n{traceback.format_exc()}", flush=True)


def finish():
    sys.exit(1 if failures else 0)
