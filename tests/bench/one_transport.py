"""The transport without Postfix: LMTP on its standard input and output."""
import subprocess

from field import lab


class Transport:
    """One postern-transport with a tunnel, as spawn(8) runs it."""

    ENVELOPE = "MAIL FROM:<anna@home.example>\r\nRCPT TO:<you@d001.bench.example>\r\nDATA\r\n"
    MESSAGE = "From: anna@home.example\r\nSubject: measured\r\n\r\n" + ("x" * 70 + "\r\n") * 56 + ".\r\n"

    def __init__(self):
        self.process = lab.home.popen("setpriv", "--reuid", "_postern", "--regid", "_postern", "--init-groups",
                                      "/usr/libexec/postern/postern-transport", stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                      stderr=subprocess.DEVNULL, text=True)
        self.read("220")
        self.say("LHLO mail.home.example\r\n", "250")

    def read(self, code):
        for line in self.process.stdout:
            if line[3] != "-":
                assert line.startswith(code), line
                return

    def say(self, text, code):
        self.process.stdin.write(text)
        self.process.stdin.flush()
        self.read(code)

    def send(self):
        self.process.stdin.write(self.ENVELOPE)
        self.process.stdin.flush()
        for code in ("250", "250", "354"):
            self.read(code)
        self.say(self.MESSAGE, "250")

    def end(self):
        self.say("QUIT\r\n", "221")
        self.process.communicate()
