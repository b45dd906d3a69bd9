"""The scripts of hostile_mx.py: one function for each misbehaviour.

caseNN is the case's number in the catalogue of hostile input; letters tell
variants apart.  The first line of a function says what the server does.
"""
import os
import selectors
import socket
import ssl
import struct
import subprocess
import time

from hostile_mx import CERTIFICATE, Over, certificate_der

FLOOD = 100 * 1024 * 1024


# -- replies without measure

def case01_banner_without_end(c):
    """A banner that never has a line end."""
    c.flood("2", FLOOD)


def case02_endless_banner_lines(c):
    """Continuation lines of the banner for ever."""
    c.flood("220-more to come\r\n", FLOOD)


def case03a_huge_ehlo_reply(c):
    """100 MB in the reply to EHLO."""
    c.greet()
    c.expect("EHLO")
    c.flood("250-X-EXTENSION\r\n", FLOOD)
    c.line("250 HELP")
    c.serve()


def case03b_huge_rcpt_reply(c):
    """100 MB in the reply to RCPT."""
    c.greet()
    c.serve_until("RCPT")
    c.flood("250-very welcome\r\n", FLOOD)
    c.line("250 OK")
    c.serve()


def case03c_huge_reply_to_dot(c):
    """100 MB in the reply to the final dot."""
    c.greet()
    c.until_dot()
    c.flood("250-taken\r\n", FLOOD)
    c.line("250 OK")
    c.serve()


# -- replies out of form

def case04a_code_changes_in_ehlo(c):
    """The code changes inside the reply to EHLO."""
    c.greet()
    c.expect("EHLO")
    c.send("250-a\r\n550 b\r\n")
    c.serve()


def case04b_code_changes_after_dot(c):
    """The code changes inside the reply to the final dot."""
    c.greet()
    c.until_dot()
    c.send("250-a\r\n550 b\r\n")
    c.serve()


def case05_code_alone(c):
    """Every reply ends with a line of three digits and nothing else."""
    c.send("220\r\n")
    codes = {verb: "250" for verb in ("EHLO", "HELO", "MAIL", "RCPT", ".", "RSET", "NOOP")}
    c.serve(replies=codes | {"DATA": "354", "QUIT": "221"})


def malformed(text):
    def script(c):
        c.greet()
        c.serve_until("MAIL")
        c.send(text)
        c.serve()
    script.__doc__ = f"The reply to MAIL is {text!r}."
    return script


case06a_two_digits = malformed("25\r\n")
case06b_four_digits = malformed("2500 x\r\n")
case06c_no_digits = malformed("abc ok\r\n")
case06d_underscore = malformed("250_ok\r\n")
case06e_empty_line = malformed("\r\n")
case06f_utf8_code = malformed("25\xc3\xa9 ok\r\n")

CONTROL = "no\0such \x1b[31muser\x1b[0m \rhere\x07 \xff\xfe end"


def case07a_control_bytes_in_refusal(c):
    """NUL, ESC, CR and 8-bit in a 550 to RCPT."""
    c.greet()
    c.serve(replies={"RCPT": "550 5.1.1 " + CONTROL})


def case07b_control_bytes_in_acceptance(c):
    """NUL, ESC, CR and 8-bit in the 250 to the final dot."""
    c.greet()
    c.serve(replies={".": "250 2.0.0 " + CONTROL})


def case08a_bare_lf(c):
    """Line ends are bare LF."""
    def line(text):
        c.send(text + "\n")
    c.line = line
    c.greet()
    c.serve()


def case08b_cr_cr_lf(c):
    """Line ends are CR CR LF."""
    def line(text):
        c.send(text + "\r\r\n")
    c.line = line
    c.greet()
    c.serve()


# -- replies at the wrong time

def case09_replies_before_asked(c):
    """Without PIPELINING, the reply to MAIL brings those to RCPT, DATA and the dot along."""
    c.greet()
    c.serve_until("MAIL", keywords=("8BITMIME",))
    c.send("250 OK\r\n250 OK\r\n354 go\r\n250 2.0.0 Taken\r\n")
    c.drain()


def early(reply):
    def script(c):
        c.greet()
        c.serve_until("DATA")
        c.line("354 Go on")
        c.read_data(limit=1)
        c.line(reply)
        c.read_data()
        c.silence()
    script.__doc__ = (f"{reply!r} after the first byte of the content, the rest of which is "
                      "read; silence after the dot.")
    return script


case10a_accepts_early = early("250 2.0.0 Taken")
case10b_refuses_early = early("554 5.7.1 Spam")
case10c_defers_early = early("452 4.3.1 Disk full")


def case11a_fin_inside_reply(c):
    """FIN in the middle of the reply to EHLO."""
    c.greet()
    c.expect("EHLO")
    c.send("250-mx.hostile.exam")
    c.close()


def case11b_reset_inside_reply(c):
    """RST in the middle of the reply to MAIL."""
    c.greet()
    c.serve_until("MAIL")
    c.send("250-2.1.0 wai")
    c.reset()


def case11c_reset_after_dot(c):
    """RST instead of the reply to the final dot."""
    c.greet()
    c.until_dot()
    c.reset()


def case11d_reply_then_fin(c):
    """All replies are right, and FIN follows the one to RCPT at once."""
    c.greet()
    c.serve_until("RCPT")
    c.line("250 OK")
    c.half_close()
    c.drain()


# -- slow ones

def case12a_slow_banner(c):
    """The banner at one byte each 20 s."""
    c.drip("220 mx.hostile.example ESMTP\r\n", 20)
    c.serve()


def case12b_slow_ehlo_reply(c):
    """The reply to EHLO at one byte each 20 s."""
    c.greet()
    c.expect("EHLO")
    c.drip("250-mx.hostile.example\r\n" * 100, 20)
    c.close()


def case12c_slow_reply_to_dot(c):
    """The reply to the final dot at one byte each 20 s."""
    c.greet()
    c.until_dot()
    c.drip("250-2.0.0 taken\r\n" * 100, 20)
    c.close()


def case12d_silent(c):
    """Accepts the connection and never says anything."""
    c.silence()


def case13_slow_reader(c):
    """Reads the content at one byte a second from a small window."""
    c.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    c.greet()
    c.serve_until("DATA")
    c.line("354 Go on")
    c.read_data(rate=1)
    c.line("250 OK")
    c.serve()


# -- TLS

TLS = ("8BITMIME", "SIZE 50000000", "STARTTLS")


def case14_injected_after_starttls(c):
    """A plaintext 250 in one segment with the 220 to STARTTLS, then an honest handshake."""
    c.greet()
    c.serve_until("STARTTLS", keywords=TLS)
    c.send("220 go\r\n250 injected\r\n")
    c.starttls()
    c.serve()


def case15_capabilities_change(c):
    """EHLO in plaintext offers much (and SIZE 100), EHLO inside TLS nothing."""
    c.greet()
    c.serve_until("STARTTLS", keywords=(
        "SIZE 100", "AUTH PLAIN", "8BITMIME", "SMTPUTF8", "DSN", "PIPELINING", "STARTTLS"))
    c.line("220 go")
    c.starttls()
    c.serve(keywords=())


def refused_starttls(reply):
    def script(c):
        c.greet()
        c.serve(keywords=TLS, replies={"STARTTLS": reply})
    script.__doc__ = f"STARTTLS is offered and then answered {reply!r}; mail is taken in plaintext."
    return script


case16a_starttls_454 = refused_starttls("454 4.7.0 TLS not available")
case16b_starttls_502 = refused_starttls("502 5.5.1 Not implemented")


def case16c_starttls_silent(c):
    """STARTTLS is offered and never answered; a connection without it is served."""
    c.greet()
    if c.serve_until("STARTTLS", keywords=TLS):
        c.silence()


def case17_handshake_stalls(c):
    """220 to STARTTLS, then silence; a connection without STARTTLS is served."""
    c.greet()
    c.serve_until("STARTTLS", keywords=TLS)
    c.line("220 go")
    c.silence()


def case18a_garbage_for_server_hello(c):
    """Random bytes instead of a ServerHello; a connection without STARTTLS is served."""
    c.greet()
    c.serve_until("STARTTLS", keywords=TLS)
    c.line("220 go")
    c.read_some()
    c.send(os.urandom(512))
    c.drain()


def case18b_alert_for_server_hello(c):
    """A fatal alert instead of a ServerHello."""
    c.greet()
    c.serve_until("STARTTLS", keywords=TLS)
    c.line("220 go")
    c.read_some()
    c.send(b"\x15\x03\x03\x00\x02\x02\x28")
    c.drain()


def handshake_records(message):
    """TLS 1.2 handshake records that carry the message."""
    for start in range(0, len(message), 16384):
        part = message[start:start + 16384]
        yield b"\x16\x03\x03" + struct.pack(">H", len(part)) + part


def handshake_message(kind, body):
    return bytes([kind]) + len(body).to_bytes(3, "big") + body


def server_hello():
    """TLS 1.2, ECDHE-ECDSA-AES128-GCM-SHA256, empty session id, renegotiation info."""
    extensions = b"\xff\x01\x00\x01\x00"
    body = (b"\x03\x03" + os.urandom(32) + b"\x00" + b"\xc0\x2b" + b"\x00" +
            struct.pack(">H", len(extensions)) + extensions)
    return handshake_message(2, body)


def tls12_with_certificates(c, certificates):
    c.greet()
    c.serve_until("STARTTLS", keywords=TLS)
    c.line("220 go")
    c.read_some()  # the ClientHello; what it offers does not matter here
    for record in handshake_records(server_hello()):
        c.send(record)
    sent = 0
    try:
        for record in handshake_records(handshake_message(11, certificates)):
            c.send(record)
            sent += len(record)
    finally:
        c.note("certificates", size=len(certificates), sent=sent)
    c.drain()


def case18c_huge_certificate(c):
    """A Certificate message of 16 MB with one certificate."""
    size = (1 << 24) - 7
    tls12_with_certificates(c, (size + 3).to_bytes(3, "big") + size.to_bytes(3, "big") +
                            certificate_der() + bytes(size - len(certificate_der())))


def case18d_chain_of_10000(c):
    """A Certificate message with 10,000 certificates."""
    one = certificate_der()
    chain = (len(one).to_bytes(3, "big") + one) * 10000
    tls12_with_certificates(c, len(chain).to_bytes(3, "big") + chain)


def through_s_server(c, command, first_port, *options):
    """Let `openssl s_server` do the TLS, and give it the command (a letter) for ever.

    s_server takes lines from its standard input: K asks for a KeyUpdate, r for a
    renegotiation."""
    c.greet()
    c.serve_until("STARTTLS", keywords=TLS)
    c.line("220 go")
    port = first_port + c.number
    with subprocess.Popen(["openssl", "s_server", "-accept", f"127.0.0.1:{port}", "-naccept", "1",
                           "-cert", CERTIFICATE, "-key", CERTIFICATE, *options],
                          stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL) as server:
        try:
            relay_tls(c, port, server, command)
        finally:
            server.kill()


def relay_tls(c, port, server, command):
    inner = connect_when_ready(port)
    os.set_blocking(server.stdin.fileno(), False)
    selector = selectors.DefaultSelector()
    selector.register(c.sock, selectors.EVENT_READ, inner)
    selector.register(inner, selectors.EVENT_READ, c.sock)
    from_client = commands = moved = 0
    try:
        while True:
            for key, _ in selector.select(0.001):
                data = key.fileobj.recv(65536)
                if not data:
                    raise Over
                key.data.sendall(data)
                moved += len(data)
                from_client += key.fileobj is c.sock
            if from_client > 1:  # it has answered the server's hello
                commands += write_some(server.stdin.fileno(), command * 16) // len(command)
    except OSError:
        raise Over from None
    finally:
        c.note("tls-flood", commands=commands, bytes=moved)


def connect_when_ready(port):
    for _ in range(100):
        try:
            return socket.create_connection(("127.0.0.1", port))
        except ConnectionRefusedError:
            time.sleep(0.02)
    raise RuntimeError("openssl s_server does not listen")


def write_some(descriptor, data):
    try:
        return os.write(descriptor, data)
    except BlockingIOError:
        return 0


def case19a_key_update_flood(c):
    """TLS 1.3, then KeyUpdate messages for ever and no reply to EHLO."""
    through_s_server(c, b"K\n", 20000, "-tls1_3")


def case19b_hello_request_flood(c):
    """TLS 1.2, then HelloRequest (renegotiation) for ever and no reply to EHLO."""
    through_s_server(c, b"r\n", 30000, "-tls1_2")


def case20a_truncated_after_dot(c):
    """Inside TLS, the connection ends without close_notify before the reply to the dot."""
    c.greet()
    c.until_dot(keywords=TLS)
    c.truncate()


def case20b_truncated_inside_reply(c):
    """Inside TLS, the connection ends without close_notify in the reply to RCPT."""
    c.greet()
    c.serve_until("RCPT", keywords=TLS)
    c.send("250-2.1.5 mo")
    c.truncate()


# -- ends and refusals at every stage

def case21_reset_inside_data(c):
    """RST in the middle of the content."""
    c.greet()
    c.serve_until("DATA")
    c.line("354 Go on")
    c.read_data(limit=1)
    c.reset()


BUSY = "421 4.3.2 Going down"


def busy_at(verb, keywords=TLS):
    def script(c):
        c.greet()
        if verb == ".":
            c.until_dot()
        else:
            c.serve_until(verb, keywords=keywords)
        c.line(BUSY)
        c.close()
    script.__doc__ = f"421 and the end at {'the final dot' if verb == '.' else verb}."
    return script


def case22a_421_banner(c):
    """421 as banner."""
    c.line(BUSY)
    c.close()


case22b_421_ehlo = busy_at("EHLO")
case22c_421_starttls = busy_at("STARTTLS")
case22d_421_mail = busy_at("MAIL", keywords=())
case22e_421_rcpt = busy_at("RCPT", keywords=())


RCPT_REPLIES = {"251": "251 2.1.5 Will forward", "252": "252 2.1.5 Cannot verify", "421": BUSY,
                "450": "450 4.2.1 Busy", "550": "550 5.1.1 Unknown", "552": "552 5.2.2 Over quota"}


def rcpt_reply(command):
    """The reply whose code stands in the local part behind a letter: RCPT TO:<a550@...>."""
    return RCPT_REPLIES.get(command.split("<")[1][1:4], "250 2.1.5 OK")


def case22f_421_rcpt_by_name(c):
    """RCPT is answered with the code in the address (a550@); the end after a 421."""
    c.greet()
    while True:
        reply = rcpt_reply(c.serve_until("RCPT", keywords=()))
        c.line(reply)
        if reply == BUSY:
            c.close()


case22g_421_data = busy_at("DATA", keywords=())
case22h_421_dot = busy_at(".")


def answers(doc, keywords=("8BITMIME",), **replies):
    replies = {{"dot": "."}.get(verb, verb): reply for verb, reply in replies.items()}

    def script(c):
        c.greet()
        c.serve(keywords=keywords, replies=replies)
    script.__doc__ = doc
    return script


case23a_data_250 = answers("250 instead of 354.", DATA="250 OK")
case23b_data_220 = answers("220 instead of 354.", DATA="220 OK")
case23c_data_500 = answers("500 instead of 354.", DATA="500 5.5.1 What?")


def case23d_data_silence(c):
    """No answer to DATA."""
    c.greet()
    c.serve_until("DATA")
    c.silence()


def case24_354_without_recipients(c):
    """Offers PIPELINING, refuses every RCPT, and says 354 all the same."""
    c.greet()
    c.serve(keywords=("PIPELINING",), replies={"RCPT": "550 5.1.1 Unknown"})


def case25_accepts_and_closes(c):
    """250 to the final dot and the end at once."""
    c.greet()
    c.until_dot()
    c.line("250 2.0.0 Taken")
    c.close()


def case26a_silent_after_dot(c):
    """Takes the content and the dot, and never answers."""
    c.greet()
    c.until_dot()
    c.silence()


def case26b_closes_after_dot(c):
    """Takes the content and the dot, and closes without an answer."""
    c.greet()
    c.until_dot()
    c.close()


def answers_late(seconds):
    def script(c):
        c.greet()
        while True:
            c.until_dot()
            c.sleep(seconds)
            c.line("250 2.0.0 Taken")
    script.__doc__ = f"250 to each final dot after {seconds} s."
    return script


case27a_answers_after_599s = answers_late(599)
case27b_answers_after_30s = answers_late(30)
case27c_answers_after_3s = answers_late(3)


def case28_rcpt_by_name(c):
    """RCPT is answered with the code in the address: a251@, a252@, a450@, a550@, a552@."""
    c.greet()
    while True:
        c.line(rcpt_reply(c.serve_until("RCPT", keywords=("PIPELINING",))))


def recipients_at_once(limit):
    def script(c):
        c.greet()
        taken = 0
        while True:
            text = c.serve_until("MAIL", "RCPT", keywords=("PIPELINING",))
            taken = 0 if text.upper().startswith("MAIL") else taken + 1
            c.line("452 4.5.3 Too many recipients" if taken > limit else "250 OK")
    script.__doc__ = f"452 to each recipient of a transaction after {limit}."
    return script


case29a_100_recipients = recipients_at_once(100)
case29b_10_recipients = recipients_at_once(10)


case30a_helo_only = answers("EHLO is not known, HELO is.", EHLO="502 5.5.1 What?")
case30b_no_helo = answers("Neither EHLO nor HELO is welcome.", EHLO="502 5.5.1 What?",
                          HELO="550 5.7.1 Go away")


def case31a_ehlo_10000_lines(c):
    """10,000 lines in the reply to EHLO."""
    c.greet()
    c.serve(keywords=[f"X-{number}" for number in range(10000)])


case31b_size_overflow = answers("SIZE 99999999999999999999.",
                                keywords=("SIZE 99999999999999999999",))
case31c_size_negative = answers("SIZE -1.", keywords=("SIZE -1",))
case31d_size_zero = answers("SIZE 0 (no limit).", keywords=("SIZE 0",))
case31e_size_small = answers("SIZE 1000.", keywords=("SIZE 1000",))


def case32_554_banner(c):
    """554 as banner."""
    c.line("554 5.7.1 No mail from you")
    c.close()


def case33_is_ourselves(c):
    """The banner and EHLO name the client's own EHLO name."""
    c.greet("220 edge.vps.example ESMTP")
    c.expect("EHLO")
    c.ehlo("8BITMIME", name="edge.vps.example")
    c.serve()


def case33b_is_our_address(c):
    """The banner names the client's own address."""
    literal = c.peer if "." in c.peer else f"IPv6:{c.peer}"
    c.greet(f"220 [{literal}] ESMTP")
    c.serve()


case34_seven_bit = answers("Offers neither 8BITMIME nor SMTPUTF8.", keywords=())


def case35_floods_during_data(c):
    """Sends without end while the content comes, without reading."""
    c.greet()
    c.serve_until("DATA")
    c.line("354 Go on")
    c.flood("250-still here\r\n", FLOOD)


# -- honest ones, for comparison

def case00a_honest(c):
    """Behaves, without TLS."""
    c.greet()
    c.serve()


def case00b_honest_tls(c):
    """Behaves, with TLS and PIPELINING."""
    c.greet()
    c.serve(keywords=(*TLS, "PIPELINING", "DSN", "SMTPUTF8"))


def case00d_quotes_by_name(c):
    """RCPT is answered with the code in the address (a550@), and every reply quotes the address."""
    c.greet()
    while True:
        command = c.serve_until("RCPT", keywords=("PIPELINING",))
        c.line(f"{rcpt_reply(command)}: {command.split('<')[1].split('>')[0]}")


def case00c_honest_tls12(c):
    """Behaves, with TLS 1.2 only."""
    c.greet()
    c.serve_until("STARTTLS", keywords=TLS)
    c.line("220 go")
    c.starttls(maximum=ssl.TLSVersion.TLSv1_2)
    c.serve()


# -- for the journal: when a message is accepted, and by whom

def accepts_after(seconds):
    def script(c):
        c.greet()
        while True:
            c.until_dot()
            c.sleep(seconds)
            c.line("250 2.0.0 Ok: taken at last")
    script.__doc__ = f"Accepts the message {seconds} s after the final dot."
    return script


case161_accepts_late = accepts_after(3)
case174_accepts_later = accepts_after(10)


def case167_forgets_the_first(c):
    """RST instead of the reply to the final dot on every second connection, beginning with the first."""
    c.greet()
    c.until_dot()
    if c.number % 2 == 1:
        c.reset()
    c.line("250 2.0.0 Ok: once more")
    c.serve()


# -- sessions that the edge would like to use again

def case200a_closes_after_each(c):
    """Closes as soon as it has taken a message."""
    c.greet()
    c.until_dot(keywords=("PIPELINING",))
    c.line("250 2.0.0 Taken")
    c.close()


def case200b_dies_when_used_again(c):
    """Takes a message, then resets the connection when anything more is said over it."""
    c.greet()
    c.until_dot(keywords=("PIPELINING",))
    c.line("250 2.0.0 Taken")
    c.expect()
    c.reset()


def case200c_421_when_used_again(c):
    """Takes a message, then answers 421 to whatever comes, and closes."""
    c.greet()
    c.until_dot(keywords=("8BITMIME",))
    c.line("250 2.0.0 Taken")
    c.expect()
    c.line("421 4.7.0 Too many messages in one session")
    c.close()


def case200d_421_when_idle(c):
    """Takes a message, then says 421 without having been asked, and closes."""
    c.greet()
    c.until_dot(keywords=("PIPELINING",))
    c.line("250 2.0.0 Taken")
    c.sleep(0.2)
    c.line("421 4.4.2 Timeout exceeded")
    c.close()
