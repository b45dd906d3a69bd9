"""What leaves a lab host, its own resolver included, for end-to-end cases.

    with PacketWatch("vps") as watch:
        ...
        watch.names()       # that DNS servers were asked for over UDP, on loopback too
        watch.tcp(443)      # packets to this port
"""
import socket
import struct
import threading

from dns_liar import Query
from harness import in_netns

ETH_P_ALL, ETH_P_IP, ETH_P_IPV6 = 3, 0x0800, 0x86DD
TCP, UDP = 6, 17


class PacketWatch:
    def __init__(self, host):
        self.seen = []      # (protocol, port it goes to, what is in it)
        self.is_over = False
        self.sock = in_netns(host, lambda: socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_ALL)))
        self.sock.settimeout(0.1)
        self.thread = threading.Thread(target=self.watch, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.is_over = True
        self.thread.join()
        self.sock.close()

    def watch(self):
        while not self.is_over:
            try:
                packet, (_, protocol, *_) = self.sock.recvfrom(65536)
            except TimeoutError:
                continue
            if protocol in (ETH_P_IP, ETH_P_IPV6):
                self.take(packet, protocol == ETH_P_IPV6)

    def take(self, packet, is_ipv6):
        """Without extension headers and fragments: none of what matters here has any."""
        kind, at = (packet[6], 40) if is_ipv6 else (packet[9], 4 * (packet[0] & 15))
        if kind in (TCP, UDP):
            self.seen.append((kind, struct.unpack(">H", packet[at + 2:at + 4])[0], packet[at + 8:]))

    def names(self):
        return [Query(data).name for kind, port, data in list(self.seen) if kind == UDP and port == 53]

    def tcp(self, port):
        return sum(kind == TCP and to == port for kind, to, _ in list(self.seen))
