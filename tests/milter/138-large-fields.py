#!/usr/bin/python3
# Case 138: a field of 1 MB, a name of 10 kB, 100,000 fields.
import os
import subprocess

from raw_client import BOB, SOCKET, USUAL, Closed, case, connected, finish, last_decision


def is_sanitized():
    """Then its memory is not the product's."""
    with open(os.path.join(os.path.dirname(SOCKET), "postern-milter"), "rb") as file:
        program = file.read()
    return b"__asan_init" in program or b"__tsan_init" in program


def resident():
    """Kilobytes of the largest of the milter's processes."""
    pids = subprocess.run(["pgrep", "-f", SOCKET.rsplit("/", 1)[0] + "/postern-milter"], capture_output=True, text=True, check=True).stdout
    sizes = []
    for pid in pids.split():
        with open(f"/proc/{pid}/status", encoding="ascii") as file:
            sizes += [int(line.split()[1]) for line in file if line.startswith("VmRSS:")]
    return max(sizes)


def refused(*fields, code):
    letter = connected().message(*USUAL, *fields)
    assert letter == "y" and f"said={code}" in last_decision(), (letter, last_decision())


@case
def field_of_a_megabyte():
    """138: a field of 100 kB, of 500 kB, of nearly 1 MB"""
    refused((b"X-Large", b"x" * 100_000), code="550 5.6.0")
    refused((b"X-Large", b"x" * 530_000), code="552 5.6.0")
    refused((b"X-Large", b"x" * 1_000_000), code="552 5.6.0")


@case
def packet_too_large():
    """138: more than libmilter takes in one packet: the connection ends, which defers the mail"""
    connection = connected()
    try:
        connection.message(*USUAL, (b"X-Large", b"x" * 3_000_000))
        raise AssertionError("taken")
    except Closed:
        pass


@case
def long_name():
    """138: names of 998 octets, of 10 kB, of 100 kB"""
    for length in (998, 10_000, 100_000):
        refused((b"N" * length, b"v"), code="550 5.6.0")


@case
def many_fields():
    """138: 100,000 fields: bounded memory, and the next message is as if nothing had been"""
    connections = [connected() for _ in range(10)]
    before = resident()
    for connection in connections:
        connection.mail()
        connection.rcpt()
    for connection in connections:
        for number in range(10_000):
            connection.field(b"X-%d" % number, b"y" * 500)
    after = resident()
    # Ten times header_size_limit (512k) and its bookkeeping.
    assert is_sanitized() or after - before < 20_000, (before, after)
    for connection in connections:
        connection.field(b"From", BOB.encode())
        assert connection.end() == "y"
        assert connection.message(*USUAL) in "ac"


finish()
