#!/usr/bin/python3
"""The web host of all MTA-STS policies of the lab: HTTPS by SNI, good and bad, as sts_cases.py says.

What a policy host does is looked up at every connection: /srv/lab/sts/NAME.json if it is there, else the table. What
was asked is in /var/log/sts.jsonl, one event a line: {"time": ..., "name": SNI, "event": ...}; events: connect, tls,
tls-failed (reason), request (line, headers), answered (sent), gone (how). The number of its process is in /run/sts.ready.
"""
import gzip
import ipaddress
import json
import os
import socket
import ssl
import threading
import time
import traceback

import sts_cases
import tls_cases

CERTIFICATES = "/srv/lab/tls"
CHANGES = "/srv/lab/sts"
LOG = "/var/log/sts.jsonl"
READY = "/run/sts.ready"
IDLE = 300
PATH = "/.well-known/mta-sts.txt"
ALERT = bytes([21, 3, 3, 0, 2, 2, 40])
GARBAGE = bytes(range(255, -1, -1)) * 16
IN_PLAINTEXT = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 0\r\n\r\n"
lock = threading.Lock()


def note(name, event, **more):
    line = json.dumps({"time": time.time(), "name": name, "event": event, **more})
    with lock, open(LOG, "a", encoding="utf-8") as file:
        file.write(line + "\n")


def behaviour(name):
    """Of a policy host, or of a name that nobody knows: 404."""
    found = dict(sts_cases.BEHAVIOUR)
    case = next((case for case in sts_cases.CASES if case.policy_host == name), None)
    if case:
        found.update(case.host, body=case.text(tls_cases.find(case.mx[0]).host))
    else:
        found.update(status="404 Not Found")
    try:
        with open(os.path.join(CHANGES, f"{name}.json"), encoding="utf-8") as file:
            found.update({"status": "200 OK"}, **json.load(file))
    except FileNotFoundError:
        pass
    return found


def context(kind, old):
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(os.path.join(CERTIFICATES, f"sts-{kind}.pem"))
    if old:
        made.set_ciphers("ALL:@SECLEVEL=0")
        made.minimum_version, made.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    return made


def client_name(hello):
    """SNI in a ClientHello record, "" without any: what to do is decided before the handshake."""
    at = 5 + 4 + 2 + 32                                             # record, handshake, version, random
    at += 1 + hello[at]                                             # session
    at += 2 + int.from_bytes(hello[at:at + 2], "big")               # cipher suites
    at += 1 + hello[at]                                             # compression
    end = at + 2 + int.from_bytes(hello[at:at + 2], "big")
    at += 2
    while at + 4 <= end:
        kind, size = int.from_bytes(hello[at:at + 2], "big"), int.from_bytes(hello[at + 2:at + 4], "big")
        if kind == 0:
            return hello[at + 9:at + 4 + size].decode("ascii", "replace").lower()
        at += 4 + size
    return ""


def peek_hello(sock):
    """The ClientHello, left in the socket."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        data = sock.recv(65536, socket.MSG_PEEK)
        if not data or data[0] != 22:
            return None
        if len(data) > 5 and len(data) >= 5 + int.from_bytes(data[3:5], "big"):
            return data
        time.sleep(0.01)
    return None


def request(sock):
    """(request line, header lines), or None."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = sock.recv(65536)
        if not more or len(data) > 65536:
            return None
        data += more
    lines = data.split(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")
    return lines[0], lines[1:]


def answer(sock, name, does):
    """Send the response; the number of bytes of its body."""
    body = does["body"].encode()
    if does["http"] == "garbage":
        sock.sendall(GARBAGE)
        return len(GARBAGE)
    if does["padding"]:
        line = b"padding: " + b"x" * 70 + b"\n"
        body += line * (does["padding"] // len(line) + 1)
    lines = [f"HTTP/1.1 {does['status']}", "Connection: close", *does["headers"]]
    if does["type"]:
        lines.append(f"Content-Type: {does['type']}")
    if does["encoding"] == "gzip":
        body = gzip.compress(body)
        lines.append("Content-Encoding: gzip")
    lines.append("Transfer-Encoding: chunked" if does["chunked"] else f"Content-Length: {len(body)}")
    if does["stall"] == "headers":
        wait_for_end(sock)
    sock.sendall("".join(line + "\r\n" for line in lines).encode() + b"\r\n")
    if does["chunked"]:
        return send_chunked(sock, body, does["chunked"] == "endless")
    if does["stall"] == "body":
        sock.sendall(body[:len(body) // 2])
        wait_for_end(sock)
    if does["stall"] == "drip":
        for byte in body:
            sock.sendall(bytes([byte]))
            time.sleep(1)
        return len(body)
    sock.sendall(body)
    return len(body)


def send_chunked(sock, body, endless):
    def chunk(data):
        sock.sendall(b"%x\r\n%s\r\n" % (len(data), data))
        return len(data)
    sent = chunk(body)
    line = b"padding: " + b"x" * 70 + b"\n"
    try:
        while endless:
            sent += chunk(line * 50)
    finally:
        if endless:
            note("", "endless", sent=sent)
    sock.sendall(b"0\r\n\r\n")
    return sent


def wait_for_end(sock):
    while sock.recv(65536):
        pass
    raise ConnectionResetError("closed by the client")


def serve(sock):
    hello = peek_hello(sock)
    name = client_name(hello) if hello else ""
    does = behaviour(name)
    note(name, "connect", peer=sock.getpeername()[0])
    if does["tls"] == "stall":
        wait_for_end(sock)
    instead = {"alert": ALERT, "garbage": GARBAGE, "http": IN_PLAINTEXT}.get(does["tls"])
    if instead:
        sock.recv(len(hello))
        sock.sendall(instead)
        return
    try:
        sock = context(does["certificate"], does["tls"] == "old").wrap_socket(sock, server_side=True)
    except OSError as error:
        note(name, "tls-failed", reason=str(error))
        return
    asked = request(sock)
    if not asked:
        note(name, "gone", how="no request")
        return
    note(name, "request", line=asked[0], headers=asked[1])
    if asked[0].split(" ")[:2] != ["GET", PATH]:
        does.update(status="404 Not Found")
    note(name, "answered", sent=answer(sock, name, does))
    sock.unwrap()


def handle(sock):
    sock.settimeout(IDLE)
    try:
        serve(sock)
    except (OSError, ValueError):
        pass
    except Exception:  # pylint: disable=broad-except
        traceback.print_exc()
    finally:
        sock.close()


def accept_loop(address):
    family = socket.AF_INET6 if ipaddress.ip_address(address).version == 6 else socket.AF_INET
    with socket.create_server((address, 443), family=family, backlog=512) as listening:
        while True:
            threading.Thread(target=handle, args=(listening.accept()[0],), daemon=True).start()


def main():
    os.makedirs(CHANGES, exist_ok=True)
    threads = [threading.Thread(target=accept_loop, args=(address,)) for address in sts_cases.ADDRESSES]
    for thread in threads:
        thread.start()
    with open(READY + ".new", "w", encoding="ascii") as file:
        file.write(f"{os.getpid()}\n")
    os.rename(READY + ".new", READY)
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main()
