#!/usr/bin/python3
"""Syslog for all hosts of the lab.

Arguments: ROOT=HOSTNAME, one for each host.  Binds ROOT/dev/log and appends
lines in the traditional form to ROOT/var/log/mail.log.
"""
import os
import re
import selectors
import socket
import sys
import time

# What syslog(3) puts before the tag: priority and its own time stamp.
PREFIX = re.compile(rb"^<(\d+)>(?:[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d )?")
LONGEST = 65536


def open_host(root):
    # By way of the directory: a socket's address holds only 108 bytes.
    os.chdir(os.path.join(root, "dev"))
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    log = os.open(os.path.join(root, "var/log/mail.log"),
                  os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    sock.bind("log")
    os.chmod("log", 0o666)
    return sock, log


def main():
    selector = selectors.DefaultSelector()
    for argument in sys.argv[1:]:
        root, _, name = argument.rpartition("=")
        sock, log = open_host(root)
        selector.register(sock, selectors.EVENT_READ, (log, name))
    while True:
        for key, _ in selector.select():
            log, name = key.data
            text = PREFIX.sub(b"", key.fileobj.recv(LONGEST)).rstrip(b"\n\0")
            stamp = time.strftime("%b %e %H:%M:%S")
            for line in text.split(b"\n"):
                os.write(log, f"{stamp} {name} ".encode() + line + b"\n")


if __name__ == "__main__":
    main()
