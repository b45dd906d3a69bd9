"""A mixed corpus of messages, the same at every run.

corpus() yields 500 Message. `content` is what is given to Postfix: CRLF line ends for one that goes in by
SMTP, LF for sendmail(1); dots are not doubled. Every message but the bare ones has its number in the Message-ID.
"""
import base64
import collections
import email.utils
import random

COUNT = 500
MEGABYTE = 1 << 20

# kind: what is special; via: "smtp" or "sendmail"; options: of MAIL; local: local part of the recipients;
# needs_utf8: whether only an MX with SMTPUTF8 may get it.
Message = collections.namedtuple("Message", "name kind via sender local options content needs_utf8")

WORDS = ("the quick brown fox jumps over a lazy dog while From here to there nobody . . knows = signs <tags> & what "
         "lies 100% behind").split()


def text_line(rng, length):
    line = ""
    while len(line) < length:
        line += rng.choice(WORDS) + " "
    return (line[:length - 1] + "x").encode() if length else b""


def text(rng, size):
    lines = []
    while size > 0:
        line = text_line(rng, min(rng.randrange(0, 78), size))
        lines.append(line)
        size -= len(line) + 2
    return lines


def head(number, subject="a message of the corpus", sender="Anna <anna@home.example>", to="you@corpus.example", more=()):
    return [f"From: {sender}".encode(), f"To: {to}".encode(), f"Subject: {subject} {number}".encode(),
            b"Date: " + email.utils.formatdate(1795255200 + number).encode(),
            f"Message-ID: <corpus.{number}@home.example>".encode(), *more, b""]


MIME = (b"MIME-Version: 1.0", b"Content-Type: text/plain; charset=utf-8", b"Content-Transfer-Encoding: 8bit")


def crlf(lines):
    return b"".join(line + b"\r\n" for line in lines)


class Maker:
    def __init__(self, seed):
        self.rng = random.Random(seed)
        self.made = []

    def add(self, kind, content, via="smtp", sender="anna@home.example", local="you", options=(), needs_utf8=False):
        name = f"{len(self.made):03}-{kind}"
        self.made.append(Message(name, kind, via, sender, local, tuple(options), content, needs_utf8))

    @property
    def number(self):
        return len(self.made)

    # -- the kinds

    def plain(self, size):
        self.add("plain", crlf(head(self.number) + text(self.rng, size)))

    def big(self, size):
        """Base64 as a mail program makes it, and little of it random: 25 MB shall not take long to make."""
        block = base64.encodebytes(self.rng.randbytes(57 * 512)).replace(b"\n", b"\r\n")
        body = (block * (size // len(block) + 1))[:size - size % 78]
        self.add("big", crlf(head(self.number, more=(b"MIME-Version: 1.0", b"Content-Type: application/octet-stream",
                                                     b"Content-Transfer-Encoding: base64"))) + body)

    def eight_bit(self):
        """Valid UTF-8, Latin-1, and every byte but NUL, CR and LF."""
        bodies = ([("grüße, 漢字, 🚪 " * self.rng.randrange(1, 60)).encode()],
                  [("Größe " * self.rng.randrange(1, 100)).encode("latin-1")],
                  [bytes(byte for byte in range(1, 256) if byte not in b"\r\n")] * self.rng.randrange(1, 20))
        body = self.rng.choice(bodies)
        body = [line[at:at + 900] for line in body for at in range(0, len(line), 900)]
        self.add("8bit", crlf(head(self.number, more=MIME) + body), options=["BODY=8BITMIME"])

    def eight_bit_header(self):
        """Latin-1 in a header field without SMTPUTF8: as old as mail, and forbidden as long."""
        content = head(self.number, more=("X-Gruß: schön".encode("latin-1"), *MIME)) + ["Grüße".encode("latin-1")]
        self.add("8bit-header", crlf(content), options=["BODY=8BITMIME"])

    def utf8_header(self):
        content = head(self.number, subject="Grüße aus Zürich, 你好", sender="Jörg <anna@home.example>", more=MIME)
        self.add("utf8-header", crlf(content + ["schöne Grüße".encode()]), options=["BODY=8BITMIME", "SMTPUTF8"],
                 needs_utf8=True)

    def utf8_address(self):
        content = head(self.number, subject="an alle", sender="<müller@home.example>", to="jörg@corpus.example", more=MIME)
        self.add("utf8-address", crlf(content + ["schöne Grüße".encode()]), sender="müller@home.example", local="jörg",
                 options=["BODY=8BITMIME", "SMTPUTF8"], needs_utf8=True)

    def utf8_unused(self):
        """SMTPUTF8 was said, but nothing of it is needed: any MX can take it."""
        self.add("utf8-unused", crlf(head(self.number) + text(self.rng, 300)), options=["SMTPUTF8"])

    def long_lines(self):
        """Up to the limit, 998 without CRLF (RFC 5322 2.1.1)."""
        lengths = [998, 997, 998] + [self.rng.randrange(70, 999) for _ in range(self.rng.randrange(5, 40))]
        self.add("long-lines", crlf(head(self.number) + [text_line(self.rng, length) for length in lengths]))

    def too_long_lines(self):
        """Case 117: what lies beyond the limit."""
        lengths = [999, 1000, 1994, 1995, 1996, 2000, 2047, 2048, 2049, 5000, 12]
        self.rng.shuffle(lengths)
        self.add("too-long-lines", crlf(head(self.number) + [text_line(self.rng, length) for length in lengths]))

    def dots(self, via):
        """Case 115: a dot at the start of every line, lines of dots only, first and last."""
        lines = [b"." * self.rng.choice((1, 2, 3, 70, 997, 998)) for _ in range(8)]
        lines += [b"." + line for line in text(self.rng, self.rng.randrange(0, 4000))]
        lines += [b".", b"..", b"", b".", b"." * self.rng.randrange(1, 5)]
        content = crlf(head(self.number) + lines)
        self.add("dots", content if via == "smtp" else content.replace(b"\r\n", b"\n"), via=via)

    def no_final_newline(self):
        lines = text(self.rng, self.rng.randrange(0, 3000)) + [self.rng.choice((b"the end", b".", b"..", b". and out"))]
        self.add("no-final-newline", b"\n".join(head(self.number) + lines), via="sendmail")

    def attachments(self):
        size = self.rng.choice((1000, 20_000, 100_000, 300_000))
        data = base64.encodebytes(self.rng.randbytes(size)).splitlines()
        lines = head(self.number, more=(b"MIME-Version: 1.0", b"Content-Type: multipart/mixed;", b"\tboundary=\"=_edge of\""))
        lines += [b"This is a multi-part message.", b"--=_edge of", MIME[1], MIME[2], b"", "Anbei die Pläne.".encode(),
                  b"--=_edge of", b"Content-Type: application/pdf", b"Content-Transfer-Encoding: base64",
                  b"Content-Disposition: attachment; filename=\"plans.pdf\"", b"", *data,
                  b"--=_edge of", b"Content-Type: message/rfc822", b"", b"Subject: inside", b"", b".", b"--=_edge of--"]
        self.add("attachments", crlf(lines), options=["BODY=8BITMIME"])

    def stray(self, sequence):
        """Case 116: near misses of the end of data, with a message behind that nobody may ever get."""
        smuggled = (b"MAIL FROM:<evil@home.example>\r\nRCPT TO:<evil@postfix.example>\r\nDATA\r\n"
                    b"Subject: smuggled\r\n\r\nsmuggled\r\n.\r\nQUIT")
        body = b"before" + sequence + smuggled.replace(b"\r\n.\r\n", sequence) + sequence + b"after"
        self.add("stray", crlf(head(self.number) + [body]))

    def nul(self):
        self.add("nul", crlf(head(self.number) + [b"a\0b", b"\0", b"\0\0.\0", b".\0", b"\0" * 300, b"end"]))

    def bare(self):
        """The least that there is: no octet at all, an empty line, headers and no more, by both ways."""
        self.add("empty", b"")
        self.add("empty", b"\r\n")
        self.add("empty", b"", via="sendmail")
        self.add("headers-only", crlf(head(self.number)[:-1]))
        self.add("headers-only", crlf(head(self.number)))
        self.add("headers-only", b"\n".join(head(self.number)[:-1]), via="sendmail")
        self.add("headers-only", crlf(head(self.number) + [b""]))
        self.add("headers-only", crlf(head(self.number) + [b""] * 50))


STRAYS = (b"\n.\n", b"\r\n.\n", b"\n.\r\n", b"\r.\r", b"\r\n.\r\r\n", b"\r\n\0.\r\n", b"\r\r\n.\r\n", b"\r\n.\r",
          b"\r.\r\n", b"\r\r\r\n", b"\r", b"\r\n.\0\r\n", b"\r\n. \r\n", b"\r\n..\r\r\n")


def corpus():
    maker = Maker(20261121)
    maker.bare()
    for sequence in STRAYS:
        maker.stray(sequence)
    for _ in range(8):
        maker.nul()
        maker.too_long_lines()
        maker.eight_bit_header()
        maker.utf8_unused()
    for _ in range(20):
        maker.utf8_header()
        maker.utf8_address()
    for _ in range(50):
        maker.eight_bit()
        maker.long_lines()
        maker.attachments()
    for _ in range(30):
        maker.dots("smtp")
        maker.dots("sendmail")
        maker.no_final_newline()
    for size in (25 * MEGABYTE, 25 * MEGABYTE, 5 * MEGABYTE, 5 * MEGABYTE, MEGABYTE, MEGABYTE, MEGABYTE, MEGABYTE):
        maker.big(size)
    while maker.number < COUNT:
        maker.plain(int(10 ** maker.rng.uniform(0, 5)))
    maker.rng.shuffle(maker.made)
    return maker.made
