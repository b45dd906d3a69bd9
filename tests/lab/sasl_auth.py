#!/usr/bin/python3
"""The lab's SASL server: Dovecot's authentication protocol, as Postfix's smtpd(8) speaks it.

    sasl_auth.py SOCKET [PASSWORD]

Every user name is known, with the password "secret" or the given one; the name is the login, byte for byte.
PLAIN and LOGIN. One thread per connection of an smtpd process. Each attempt is told: "PLAIN OK user=NAME".
"""
import base64
import os
import socketserver
import sys

PASSWORD = sys.argv[2] if len(sys.argv) > 2 else "secret"
GREETING = ("VERSION\t1\t2\nMECH\tPLAIN\tplaintext\nMECH\tLOGIN\tplaintext\nSPID\t1\nCUID\t1\n"
            "COOKIE\t00000000000000000000000000000000\nDONE\n")


def decoded(text):
    return base64.b64decode(text).decode("utf-8", "surrogateescape")


def asked(text):
    return "\t" + base64.b64encode(text.encode()).decode()


class Exchange:
    """One AUTH command: what the client has said so far."""

    def __init__(self, mechanism):
        self.mechanism = mechanism
        self.said = []

    def step(self):
        """("CONT", parameters) or ("OK"/"FAIL", parameters)."""
        if self.mechanism == "PLAIN":
            if not self.said:
                return "CONT", "\t"
            _, user, password = (self.said[0].split("\0") + ["", "", ""])[:3]
        else:
            if len(self.said) < 2:
                return "CONT", asked("Password:" if self.said else "Username:")
            user, password = self.said
        return ("OK" if user and password == PASSWORD else "FAIL"), f"\tuser={user}"


class Handler(socketserver.StreamRequestHandler):
    def answer(self, text):
        self.wfile.write(text.encode("utf-8", "surrogateescape"))

    def handle(self):
        self.answer(GREETING)
        exchanges = {}
        for line in self.rfile:
            command, *fields = line.decode("utf-8", "surrogateescape").rstrip("\n").split("\t")
            if command == "AUTH":
                number, mechanism = fields[:2]
                exchanges[number] = Exchange(mechanism)
                exchanges[number].said += [decoded(field[5:]) for field in fields if field.startswith("resp=")]
            elif command == "CONT":
                number = fields[0]
                exchanges[number].said.append(decoded(fields[1]))
            else:
                continue
            word, parameters = exchanges[number].step()
            if word != "CONT":
                print(exchanges[number].mechanism, word, parameters.strip(), flush=True)
                del exchanges[number]
            self.answer(f"{word}\t{number}{parameters}\n")


class Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True


def main():
    path = sys.argv[1]
    if os.path.exists(path):
        os.unlink(path)
    server = Server(path, Handler)
    os.chmod(path, 0o666)
    server.serve_forever()


if __name__ == "__main__":
    main()
