#!/usr/bin/python3
# Case 130: the milter protocol in an order that no mail server keeps.
from raw_client import ALICE, BOB, USUAL, Closed, Connection, case, connected, finish


def sound():
    assert connected().message(*USUAL) in "ac"


@case
def order_wrong():
    """130: every command at every wrong place: refused or dropped, never accepted; the milter lives on"""
    packets = {"M": f"<{ALICE}>\0".encode(), "R": b"<you@postfix.example>\0", "L": b"From\0" + BOB.encode() + b"\0", "N": b"", "B": b"x\r\n",
               "E": b"", "T": b"", "A": b"", "C": b"x\x004\x9c\x40192.0.2.50\0", "H": b"x\0", "D": b"Mi\0x\0", "Z": b"?", "O": b"123456789012"}
    for first in packets:
        for second in packets:
            connection = Connection()
            try:
                connection.send(first, packets[first])
                connection.send(second, packets[second])
                connection.send("E")
                connection.socket.settimeout(0.2)
                letter = "c"
                while True:
                    letter = connection.receive()[0]
            except (Closed, TimeoutError):
                # An end of message without recipients has no mail in it; only a wrong yes to From would count.
                assert letter != "a", (first, second)
            connection.socket.close()
    sound()


@case
def content_without_recipient():
    """130: fields and end without MAIL or RCPT"""
    connection = connected()
    connection.field(b"From", BOB.encode())
    connection.socket.settimeout(1)
    try:
        letter = connection.end()
        assert letter in "try", letter
    except (Closed, TimeoutError):
        pass    # libmilter drops the packets, and does not answer
    sound()


@case
def fields_of_an_aborted_message():
    """130: fields before an abort are gone"""
    connection = connected()
    connection.mail()
    connection.rcpt()
    connection.field(b"From", BOB.encode())
    connection.send("A")
    assert connection.message(*USUAL) in "ac"


@case
def packets_of_odd_sizes():
    """130: empty strings, strings without their NUL, lengths that lie"""
    for command in "DCHMRLBEO":
        for data in (b"", b"\0", b"M", b"M\0", b"x" * 300, b"\0" * 300, b"{auth_authen}"):
            connection = connected()
            try:
                connection.send(command, data)
                connection.send("E")
                connection.socket.settimeout(0.1)
                connection.receive()
            except (Closed, TimeoutError):
                pass
            connection.socket.close()
    for length in (0, 1, 0x7fffffff, 0xffffffff):
        connection = Connection()
        connection.socket.sendall(length.to_bytes(4, "big") + b"M")
        connection.socket.close()
    sound()


@case
def a_server_that_takes_no_changes():
    """130: a mail server that would not apply what is repaired gets no yes"""
    try:
        connection = Connection(actions=0)
        connection.connect()
        assert connection.message(*USUAL[:1]) not in "ac"
    except Closed:
        pass


finish()
