"""Mail at a steady rate through three edges that are killed under it: what was lost, what was doubled, and when it went on.

The server takes a second or two for each message, so that there are always some on their way through each edge. Counted are the messages that the mail server has stored, each with a recipient of its own, against those that Postfix took, and against
the delays that Postfix logs.
"""
import collections
import re
import subprocess
import threading
import time

from harness import lab, wait_for
from more_edges import MoreEdge

MX, DOMAIN = "mx-sink", "sink.example"
EDGES, ROUTES = "/etc/postern/edges", "/etc/postern/routes"
PORTS = {"us": 7991, "de": 7992, "fr": 7993}
MESSAGE = b"From: anna@home.example\r\nSubject: whatever dies\r\n\r\n" + b"x" * 60 + b"\r\n"
FEEDERS = 4
SERVER_S = 2.0  # what the server takes for itself: one to two seconds, as the timers of smtp-sink(1) count whole ones
SOON_S = 2.0    # new mail goes on after this
UNDER_WAY_S = SERVER_S + 0.5    # who arrives so shortly before a kill may be on the way when it comes
LATE_S = 180    # and everything else, the edges being back, after this


class Failover:
    """count messages in as many seconds as rate makes of it; edges die at some of these moments, and come back at others.

    events: [(second, "kill" or "start", [names])], in order.
    """

    def __init__(self, count, rate, events):
        self.count, self.rate, self.events = count, rate, events
        self.injected = {}      # recipient -> (moment, queue id)
        self.kills = []         # (moment, names)

    # -- the lab

    def __enter__(self):
        self.tables = {path: lab.home.read(path) for path in (EDGES, ROUTES)}
        self.edges = {name: MoreEdge(name, port, "destination_concurrency_limit = 100;\n") for name, port in PORTS.items()}
        for edge in self.edges.values():
            edge.start()
        lab.home.write(EDGES, "".join(edge.line + "\n" for edge in self.edges.values()))
        lab.home.write(ROUTES, f"* {','.join(self.edges)} select=weighted\n")
        self.milters = {name: lab.home.run("postconf", "-h", name).stdout.strip() for name in ("smtpd_milters", "non_smtpd_milters")}
        # All the places from the beginning: what is measured is not how qmgr(8) finds out how many there are.
        lab.home.postconf("postern_initial_destination_concurrency = 100", *(f"{name} =" for name in self.milters))
        self.restart_server("-w", "1")
        return self

    @staticmethod
    def restart_server(*options):
        server = lab.mx[MX]
        server.run("pkill", "-x", "smtp-sink")
        for address in ("203.0.113.12", "[2001:db8:25::12]"):
            server.popen("smtp-sink", "-u", "mail", "-h", f"mx.{DOMAIN}", *options, "-d", "/var/mail/sink/%s.", f"{address}:25", "1024",
                         stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for("the server listens", lambda: server.run("ss", "-Hltn", "sport = :25").stdout.count("LISTEN") == 2)

    def __exit__(self, *_):
        for path, text in self.tables.items():
            lab.home.write(path, text)
        for edge in self.edges.values():
            edge.remove()
        lab.home.empty_queue()
        self.restart_server()
        lab.home.run("postconf", "-X", "postern_initial_destination_concurrency")
        lab.home.postconf(*(f"{name} = {value}" for name, value in self.milters.items()))

    # -- the mail

    def feed(self, first, began):
        with lab.home.smtp() as client:
            client.ehlo()
            for number in range(first, self.count, FEEDERS):
                time.sleep(max(0.0, began + number / self.rate - time.time()))
                recipient = f"m{number}@{DOMAIN}"
                client.mail("x@a.example")
                client.rcpt(recipient)
                code, text = client.data(MESSAGE)
                assert code == 250, (code, text)
                self.injected[recipient] = (time.time(), text.decode().rsplit(None, 1)[-1])

    def strike(self, began):
        for second, action, names in self.events:
            time.sleep(max(0.0, began + second - time.time()))
            if action == "kill":
                self.kills.append((time.time(), names))
            for name in names:
                getattr(self.edges[name], action)()

    def run(self):
        began = time.time()
        threads = [threading.Thread(target=self.feed, args=(first, began)) for first in range(FEEDERS)]
        for thread in threads:
            thread.start()
        self.strike(began)
        for thread in threads:
            thread.join()
        assert len(self.injected) == self.count
        for edge in self.edges.values():
            if not edge.is_listening:
                edge.start()
        wait_for("the queue is empty", self.is_empty, LATE_S, 1)

    @staticmethod
    def is_empty():
        lab.home.flush()
        return not lab.home.queue()

    # -- the count

    def copies(self):
        return collections.Counter(message.recipient for message in lab.stored(MX))

    def lost(self):
        """Recipients without a copy, or of whom Postfix does not say that it was sent."""
        copies = self.copies()
        sent = set(re.findall(r"postfix/lmtp\[\d+\]: \w+: to=<([^>]*)>.* status=sent", lab.home.log(lab.home.mark)))
        return sorted(recipient for recipient in self.injected if not copies[recipient] or recipient not in sent)

    def doubled(self):
        """(inside, outside) of the window in which nobody can know; inside the edge has said so."""
        warned = set(re.findall(r" (\w+): to=<[^>]*>,.* possible duplicate: an earlier attempt ended between", lab.vps.log(lab.vps.mark)))
        more = [recipient for recipient, copies in self.copies().items() if copies > 1]
        return ([recipient for recipient in more if self.injected[recipient][1] in warned],
                [recipient for recipient in more if self.injected[recipient][1] not in warned])

    def first_attempts(self):
        """[(moment of arrival, seconds until it was sent at the first attempt, or None)], in order."""
        outcomes = {}
        for queue_id, delay, status in re.findall(r"postfix/lmtp\[\d+\]: (\w+): to=<.* delay=([0-9.]+), .* status=(\w+)",
                                                  lab.home.log(lab.home.mark)):
            outcomes.setdefault(queue_id, float(delay) if status == "sent" else None)
        return sorted((moment, outcomes.get(queue_id)) for moment, queue_id in self.injected.values())

    def goes_on_after(self, soon_s=SOON_S):
        """For each kill: seconds until the arrival of the first message from which on all are sent at once, within soon_s beside the server's own time."""
        attempts = self.first_attempts()
        found = []
        for number, (moment, names) in enumerate(self.kills):
            end = self.kills[number + 1][0] - UNDER_WAY_S if number + 1 < len(self.kills) else attempts[-1][0] + 1
            slow = [arrival for arrival, delay in attempts if moment <= arrival < end and (delay is None or delay > SERVER_S + soon_s)]
            found.append((names, max(slow, default=moment) - moment))
        return found
