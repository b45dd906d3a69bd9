#!/usr/bin/python3
"""How much mail Postfix takes with and without postern-milter: lab run tests/bench/milter.py [--rounds N] [--messages N].

smtp-source hands in messages of 4 kB in 20 sessions at once on the mail host; Postfix queues them and discards
them afterwards. First the sessions stay open, as those of a busy client do; then each message has a session of its
own, for which Postfix and libmilter also begin and end their own conversation. The kinds take turns, in every second
round backwards, and are compared within each round: what else a machine does comes and goes slowly, and hits all of a
round alike. The milter has a table of senders, default rules, and knows the client; OpenDKIM signs with RSA, 2048
bits. Both have a unix socket. Exit status 1 if a promise is broken.
"""
import argparse
import os
import statistics
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "e2e"))
from harness import Home, lab  # noqa: E402

OPENDKIM = Home.OPENDKIM
KINDS = {"no milter": (), "OpenDKIM": (OPENDKIM,), "postern-milter": (lab.milter,),
         "postern-milter, OpenDKIM": (lab.milter, OPENDKIM)}
# How the sessions are, smtp-source's option for it, and what is promised: kind, at least this share of the other kind.
OPENDKIM_OR_BETTER = ("postern-milter", 1.0, "OpenDKIM")
MODES = (("20 sessions that stay open", ["-d"], [("postern-milter", 0.85, "no milter"), OPENDKIM_OR_BETTER]),
         ("20 sessions at a time, one for each message", [], [OPENDKIM_OR_BETTER]))
SENDERS = "".join(f"user{number}@home.example\tself\n" for number in range(1000)) + "127.0.0.1\t@home.example\n"


# The lab's files lie in memory; a mail host's queue lies on a disk, and Postfix waits for it with each message.
QUEUE = "/srv/project/build/bench-queue"
TO_DISK = f"""
mount -o remount,bind,rw /srv/project
rm -rf {QUEUE}
cp -a /var/spool/postfix {QUEUE}
mount --bind {QUEUE} /var/spool/postfix
"""


def prepare():
    """The filters make their sockets anew in the queue's new place."""
    lab.home.run("sh", "-ec", f"pkill opendkim; postfix stop; {TO_DISK} postfix start; opendkim -x /etc/opendkim.conf")
    lab.milter.use(SENDERS)
    lab.home.run("postconf", "-e", "default_transport = discard:", "smtpd_client_connection_rate_limit = 0")


def messages_per_second(kind, count, session_options):
    lab.home.filter_by(*KINDS[kind])
    source = ["smtp-source", *session_options, "-s", "20", "-l", "4096", "-f", "user@home.example", "-t", "you@postfix.example"]
    lab.home.run(*source, "-m", "100", "127.0.0.1:25")      # processes start, tables are read
    lab.home.wait_queue_empty()
    mark = lab.home.log_mark()
    began = time.monotonic()
    lab.home.run(*source, "-m", str(count), "127.0.0.1:25", timeout=600)
    rate = count / (time.monotonic() - began)
    lab.home.wait_queue_empty()
    looked_at = {lab.milter: len(lab.milter.decisions("who=client:127", since=mark)),
                 OPENDKIM: len(lab.home.grep_log("DKIM-Signature field added", since=mark))}
    assert looked_at == {milter: count if milter in KINDS[kind] else 0 for milter in looked_at}, (kind, looked_at)
    return rate


def compare(mode, session_options, promises, rounds, count):
    """The table of one mode; returns the promises that are broken."""
    rates = {kind: [] for kind in KINDS}
    for number in range(rounds):
        for kind in KINDS if number % 2 == 0 else reversed(KINDS):
            rates[kind].append(messages_per_second(kind, count, session_options))

    def share_of(kind, other):
        return statistics.median(mine / its for mine, its in zip(rates[kind], rates[other]))

    print(f"| {mode} | messages/s | least and most | of no milter |\n| --- | ---: | ---: | ---: |")
    for kind, values in rates.items():
        print(f"| {kind} | {statistics.median(values):.0f} | {min(values):.0f}–{max(values):.0f} | {share_of(kind, 'no milter'):.2f} |")
    print(flush=True)
    return [f"{mode}: {kind} is {share_of(kind, other):.2f} of {other}, not {share}"
            for kind, share, other in promises if share_of(kind, other) < share]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--messages", type=int, default=1500)
    options = parser.parse_args()
    prepare()
    try:
        measure(options)
    finally:
        lab.home.run("rm", "-rf", QUEUE)


def measure(options):
    broken = [problem for mode in MODES for problem in compare(*mode, options.rounds, options.messages)]
    broken += lab.home.grep_log(r"milter-reject", since=0)[:3]
    for problem in broken:
        print(problem)
    sys.exit(1 if broken else 0)


if __name__ == "__main__":
    main()
