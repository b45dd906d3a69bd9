#!/usr/bin/python3
"""A TCP proxy that is slow, or cuts.

    delay_proxy.py LISTEN TARGET [--delay SECONDS] [--rate BYTES_PER_SECOND]
                   [--cut-up BYTES] [--cut-down BYTES] [--cut-after SECONDS]
                   [--cut fin|rst|silent] [--cuts N] [--control PATH]

LISTEN and TARGET are HOST:PORT ([::1]:25 for IPv6).  --delay is one-way and does
not lower the rate.  --cut-up ends a connection after so many bytes towards
TARGET, --cut-down after so many from it, --cut-after so long after its start;
the rest of the data is lost.  How: "fin" closes both sides, "rst" resets them,
"silent" keeps both open and moves nothing any more.  --cuts N cuts only the
first N connections.  One line per connection goes to standard output.

With --control, each line written to the FIFO at PATH changes options from then
on, for new and running connections alike: "delay=0.2 rate=0 cut-up=5000 cuts=1",
or does something at once: "cut-now".
"""
import argparse
import ctypes
import os
import socket
import struct
import sys
import threading
import time

CHUNK = 16384


class Options:
    """Shared by all connections; single attributes are read and written, no more."""

    def __init__(self, arguments):
        for name, value in vars(arguments).items():
            setattr(self, name, value)

    def change(self, words):
        for word in words:
            name, _, value = word.partition("=")
            name = name.replace("-", "_")
            old = getattr(self, name)
            setattr(self, name, value if isinstance(old, str) else type(old)(value))


class Proxied:
    """One connection and its two directions."""

    def __init__(self, number, client, server, options):
        self.number = number
        self.sockets = [client, server]
        self.options = options
        self.began = time.monotonic()
        self.moved = {"up": 0, "down": 0}
        self.lock = threading.Lock()
        self.is_over = False
        self.is_silent = False

    def start(self):
        client, server = self.sockets
        for way, source, target in (("up", client, server), ("down", server, client)):
            queue = Delayed()
            threading.Thread(target=self.read, args=(way, source, queue), daemon=True).start()
            threading.Thread(target=self.write, args=(way, target, queue), daemon=True).start()

    def read(self, way, source, queue):
        try:
            while data := source.recv(CHUNK):
                queue.put(data)
        except OSError:
            pass
        queue.put(None)

    def write(self, way, target, queue):
        while (data := queue.get(self.options)) is not None:
            if self.is_silent:
                continue
            left = self.left(way)
            try:
                if left is not None and len(data) >= left:
                    target.sendall(data[:left])
                    self.moved[way] += left
                    self.cut(f"after {self.moved[way]} bytes {way}")
                    continue
                target.sendall(data)
            except OSError:
                break
            self.moved[way] += len(data)
            if self.options.rate:
                time.sleep(len(data) / self.options.rate)
        self.half_close(target)

    def left(self, way):
        """Bytes until the cut, or None."""
        limit = getattr(self.options, "cut_" + way)
        if limit < 0 or 0 <= self.options.cuts < self.number:
            return None
        return max(0, limit - self.moved[way])

    def half_close(self, target):
        if self.is_silent:
            return
        try:
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def cut(self, why):
        with self.lock:
            if self.is_over:
                return
            self.is_over = True
        print(f"connection {self.number} cut ({self.options.cut}) {why}; "
              f"up {self.moved['up']}, down {self.moved['down']}", flush=True)
        if self.options.cut == "silent":
            self.is_silent = True
            return
        for sock in self.sockets:
            if self.options.cut == "rst":
                reset(sock)
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            sock.close()


def reset(sock):
    """RST at once: close() would wait for threads that still read from the socket."""
    unspecified = struct.pack("H14x", socket.AF_UNSPEC)
    ctypes.CDLL(None).connect(sock.fileno(), unspecified, len(unspecified))


class Delayed:
    """A queue whose items come out `delay` after they went in."""

    def __init__(self):
        self.items = []
        self.changed = threading.Condition()

    def put(self, data):
        with self.changed:
            while sum(len(item) for _, item in self.items if item) > 64 * CHUNK:
                self.changed.wait()
            self.items.append((time.monotonic(), data))
            self.changed.notify_all()

    def get(self, options):
        with self.changed:
            while not self.items:
                self.changed.wait()
            came, data = self.items[0]
        time.sleep(max(0, came + options.delay - time.monotonic()))
        with self.changed:
            del self.items[0]
            self.changed.notify_all()
        return data


def endpoint(text):
    host, _, port = text.rpartition(":")
    return host.strip("[]"), int(port)


def parse(arguments):
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("listen", type=endpoint)
    parser.add_argument("target", type=endpoint)
    parser.add_argument("--delay", type=float, default=0.0)
    parser.add_argument("--rate", type=int, default=0)
    parser.add_argument("--cut-up", type=int, default=-1)
    parser.add_argument("--cut-down", type=int, default=-1)
    parser.add_argument("--cut-after", type=float, default=-1.0)
    parser.add_argument("--cut", choices=("fin", "rst", "silent"), default="fin")
    parser.add_argument("--cuts", type=int, default=-1)
    parser.add_argument("--control", default="")
    return Options(parser.parse_args(arguments))


def control(options, connections):
    while True:
        with open(options.control, encoding="ascii") as fifo:
            for line in fifo:
                if line.strip() == "cut-now":
                    for connection in list(connections):
                        connection.cut("now")
                else:
                    options.change(line.split())
                print(f"control: {line.strip()}", flush=True)


def watch_age(options, connections):
    while True:
        time.sleep(0.02)
        for connection in list(connections):
            age = time.monotonic() - connection.began
            if 0 <= options.cut_after <= age and not 0 <= options.cuts < connection.number:
                connection.cut(f"after {age:.2f} s")


def main():
    options = parse(sys.argv[1:])
    connections = []
    family = socket.AF_INET6 if ":" in options.listen[0] else socket.AF_INET
    listening = socket.create_server(options.listen, family=family, backlog=512)
    if options.control:
        os.mkfifo(options.control)
        threading.Thread(target=control, args=(options, connections), daemon=True).start()
    threading.Thread(target=watch_age, args=(options, connections), daemon=True).start()
    print("ready", flush=True)
    number = 0
    while True:
        client, _ = listening.accept()
        number += 1
        try:
            server = socket.create_connection(options.target, 30)
            server.settimeout(None)
        except OSError as error:
            print(f"connection {number}: {error}", flush=True)
            client.close()
            continue
        for sock in (client, server):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection = Proxied(number, client, server, options)
        connections.append(connection)
        print(f"connection {number}", flush=True)
        connection.start()


if __name__ == "__main__":
    main()
