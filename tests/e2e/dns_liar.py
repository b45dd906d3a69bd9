"""A name server that answers badly, for end-to-end cases.

    with DnsLiar("mx-hostile", "203.0.113.20", {"odd": [answer, ...]}) as liar:

Serves UDP and TCP port 53 on an address of a lab host. A rule is what a name's first labels select:
a function(query, is_tcp) -> list of packets to send. Query has id, name, type, question (raw), packet.
"""
import socket
import struct
import threading

from harness import in_netns

A, CNAME, MX, TXT, AAAA, TLSA = 1, 5, 15, 16, 28, 52
NOERROR, SERVFAIL, NXDOMAIN = 0, 2, 3


class Query:
    def __init__(self, packet):
        self.packet = packet
        self.id = struct.unpack(">H", packet[:2])[0]
        labels, at = [], 12
        while packet[at]:
            labels.append(packet[at + 1:at + 1 + packet[at]])
            at += 1 + packet[at]
        self.name = b".".join(labels).decode("latin-1").lower()
        self.question = packet[12:at + 5]
        self.type = struct.unpack(">H", packet[at + 1:at + 3])[0]

    def reply(self, records=(), rcode=NOERROR, truncated=False, identity=None, question=None, count=None):
        """A packet; records are raw. count: the number of answers claimed."""
        flags = 0x8580 | (0x0200 if truncated else 0) | rcode
        return struct.pack(">HHHHHH", self.id if identity is None else identity, flags, 1,
                           len(records) if count is None else count, 0, 0) + (
            question or self.question) + b"".join(records)


def name(*labels):
    """Wire form; labels are bytes or text, dots in text separate."""
    parts = [part for label in labels for part in (label.encode().split(b".") if isinstance(label, str) else [label])]
    return b"".join(bytes([len(part)]) + part for part in parts if part) + b"\0"


def record(kind, data, ttl=60, owner=b"\xc0\x0c", length=None):
    return owner + struct.pack(">HHIH", kind, 1, ttl, len(data) if length is None else length) + data


def mx(preference, exchange, **options):
    return record(MX, struct.pack(">H", preference) + exchange, **options)


def a(address, **options):
    return record(A, socket.inet_aton(address), **options)


class DnsLiar:
    def __init__(self, host, address, rules):
        self.rules = rules
        self.seen = []      # (name, type, is_tcp)
        self.udp, self.tcp = in_netns(host, lambda: self._open(address))

    @staticmethod
    def _open(address):
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        udp.bind((address, 53))
        tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        tcp.bind((address, 53))
        tcp.listen(64)
        return udp, tcp

    def __enter__(self):
        self.threads = [threading.Thread(target=serve, daemon=True) for serve in (self._serve_udp, self._serve_tcp)]
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        for sock in (self.udp, self.tcp):
            try:
                sock.shutdown(socket.SHUT_RDWR)     # wakes up who waits there
            except OSError:
                pass
        for thread in self.threads:
            thread.join()
        self.udp.close()
        self.tcp.close()

    def _packets(self, packet, is_tcp):
        query = Query(packet)
        self.seen.append((query.name, query.type, is_tcp))
        for label, rule in self.rules.items():
            if f".{query.name}".endswith(f".{label}"):
                return rule(query, is_tcp)
        return [query.reply(rcode=NXDOMAIN)]

    def _serve_udp(self):
        while True:
            try:
                packet, peer = self.udp.recvfrom(4096)
            except OSError:
                return
            if not packet:
                return
            for answer in self._packets(packet, False):
                self.udp.sendto(answer, peer)

    def _serve_tcp(self):
        while True:
            try:
                connection, _ = self.tcp.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(2)
                try:
                    size = struct.unpack(">H", connection.recv(2, socket.MSG_WAITALL))[0]
                    for answer in self._packets(connection.recv(size, socket.MSG_WAITALL), True):
                        connection.sendall(struct.pack(">H", len(answer)) + answer)
                except (OSError, struct.error):
                    pass
