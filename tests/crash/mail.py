"""The mail that is sent while things are killed, and what became of it: by Postfix's log, by what the servers took."""
import collections
import json
import os
import re
import time

from harness import lab, wait_for
import hostile_mx

HONEST = "case00a-honest.hostile.example"
HONEST_TLS = "case00b-honest-tls.hostile.example"
TEXT = "once and only once"
# Postfix that has not got rid of a message after this never will.
GIVE_UP_S = 40
KICK_S = 0.2
FLUSH_S = 1

# serial: the same in one thread of the edge. strace counts each thread's calls by itself, and the first thread
# that comes to a number is hit, so the early calls of a second thread are never reached.
# cached: the edge has just delivered to that server, and still has the connection; in the others it keeps none.
Scenario = collections.namedtuple("Scenario", "domains edge_settings is_warm", defaults=(False,))
ANEW = "connection_cache_limit = 0;\n"
KEPT = 'connection_cache_time_limit = "60s";\n'
SCENARIOS = {
    "one": Scenario([HONEST], ANEW),
    "three": Scenario([HONEST, HONEST, HONEST_TLS], ANEW),
    "serial": Scenario([HONEST, HONEST, HONEST_TLS], ANEW + "parallel_destinations = 1;\n"),
    "cached": Scenario([HONEST], KEPT, is_warm=True),
}


def script_of(domain):
    return domain.split(".")[0].replace("-", "_")


DOMAIN_OF_ADDRESS = {address: domain for name, _, *both in hostile_mx.addresses() for address in both
                     for domain in (HONEST, HONEST_TLS) if script_of(domain) == name}


class Taken:
    """Whole messages that the scripted servers took, for each recipient; grows as their records do."""

    def __init__(self):
        self.copies = collections.Counter()
        self.offset = collections.Counter()
        self.recipients = {}
        self.has_dot = set()

    def update(self):
        for script in map(script_of, (HONEST, HONEST_TLS)):
            path = lab.mx["mx-hostile"].path(f"/var/log/hostile/{script}.jsonl")
            if not os.path.exists(path):
                continue
            with open(path, "rb") as file:
                file.seek(self.offset[script])
                lines = file.read()
            whole = lines[:lines.rfind(b"\n") + 1]
            self.offset[script] += len(whole)
            for line in whole.splitlines():
                self.note(script, json.loads(line))

    def note(self, script, event):
        connection = (script, event["connection"])
        if event["event"] == "connect":     # a server that was killed begins to count anew
            self.recipients[connection] = []
            self.has_dot.discard(connection)
        elif event["event"] == "command":
            if re.match(r"(?i)MAIL|RSET", event["text"]):
                self.recipients[connection] = []
            elif rcpt := re.match(r"(?i)RCPT TO:<([^>]*)>", event["text"]):
                self.recipients[connection].append(rcpt[1])
        elif event["event"] == "dot":
            self.has_dot.add(connection)
        elif event["event"] == "data" and connection in self.has_dot:
            self.has_dot.remove(connection)
            if event["start"].rstrip(".\r\n").endswith(TEXT):
                self.copies.update(self.recipients[connection])


class Mail:
    """One message on its way; `name` makes its recipients its own."""

    def __init__(self, name, scenario):
        self.recipients = [f"{name}-{index}@{domain}" for index, domain in enumerate(SCENARIOS[scenario].domains, 1)]
        self.marks = {host: host.log_mark() for host in (lab.home, lab.vps)}
        for host, mark in self.marks.items():
            host.mark = mark
        message = f"From: anna@home.example\r\nSubject: {name}\r\n\r\n{TEXT}\r\n".encode()
        self.queue_id = lab.home.inject("anna@home.example", self.recipients, message)

    def home_lines(self, pattern):
        return lab.home.grep_log(rf" {self.queue_id}: {pattern}", self.marks[lab.home])

    @property
    def is_gone(self):
        """Postfix has taken it out of its queue."""
        return bool(self.home_lines("removed$"))

    @property
    def has_been_tried(self):
        return self.is_gone or len(self.home_lines(r"to=<.*, relay=.*status=")) >= len(self.recipients)

    def finish(self):
        """Has Postfix try again until the message has left its queue, or for as long as is sensible."""
        deadline = time.monotonic() + GIVE_UP_S
        kick, flush = time.monotonic() + KICK_S, time.monotonic() + FLUSH_S
        while not self.is_gone and time.monotonic() < deadline:
            if time.monotonic() > kick:     # a message that qmgr has in its hands stays there
                lab.home.run("postqueue", "-i", self.queue_id, check=False)
                if time.monotonic() > flush:    # a qmgr that was killed is started for this
                    lab.home.run("postqueue", "-f", check=False)
                    flush += FLUSH_S
                kick = time.monotonic() + KICK_S
            time.sleep(0.01)

    def sent(self):
        """Recipients that Postfix called sent."""
        lines = self.home_lines(r"to=<.*, relay=.*status=sent")
        return {re.search(r"to=<(.*?)>", line)[1] for line in lines}

    def in_doubt(self):
        """Recipients that the edge called possible duplicates."""
        lines = lab.vps.grep_log(rf" {self.queue_id}: to=.*possible duplicate", self.marks[lab.vps])
        return {re.search(r"to=<(.*?)>", line)[1] for line in lines}

    def wait_copies(self, taken):
        """{recipient: copies}; the servers' records come a moment after their replies."""
        def all_there():
            taken.update()
            return all(taken.copies[recipient] for recipient in self.recipients)

        try:
            wait_for("a copy for each", all_there, 1, 0.01)
        except AssertionError:
            pass
        return {recipient: taken.copies[recipient] for recipient in self.recipients}
