"""Mail full of a string that occurs nowhere else, and the search for it where the edge must not leave it: on its disk, in
its log, in its memory once the mail has gone.

In the content (a header field, the subject, the body, an attachment in base64) and in the local parts of sender and
recipients stands canaries.TOKEN, in recipient domains canaries.DOMAIN_TOKEN, which the log may hold unless told otherwise.
"""
import base64
import mmap
import os
import random
import re
import string

from harness import lab, wait_for


def make_token(kind):
    return kind + "".join(random.SystemRandom().choices(string.ascii_lowercase, k=16))


TOKEN, DOMAIN_TOKEN = make_token("word"), make_token("zone")
SENDER = f"{TOKEN}-sender@home.example"
QUOTES = "case00d-quotes-by-name.hostile.example"
# What a host of the lab can write to, beside the layer over the machine's root.
MOUNTS = ("var/log", "var/spool", "var/mail", "var/lib/postern", "run", "tmp", "dev/shm")


def serve_domain():
    """A domain with the token in its name, at mx-sink."""
    lab.zone(f"{DOMAIN_TOKEN}.example", "@\t\t\tMX\t10 mx.sink.example.\n")


def message(number):
    """A different one each time, of 1 to 200 kB."""
    attachment = base64.encodebytes(f"{TOKEN} ".encode() * (40 if number % 10 else 5000)).decode().replace("\n", "\r\n")
    return (f"From: {SENDER}\r\nTo: {TOKEN}@example.com\r\nSubject: {TOKEN}-subject {number}\r\nX-{TOKEN}: {TOKEN}-field\r\n\r\n"
            f"{TOKEN}-body {number}\r\n\r\n{attachment}").encode()


def recipients(number):
    """Of every sort, in turn: plain, TLS, several, refused, deferred, quoted by the server in its replies."""
    local = f"{TOKEN}-{number}"
    return [
        [f"{local}@sink.example"],
        [f"{local}@postfix.example"],
        [f"{local}@sink.example", f"{local}-2@postfix.example", f"{local}-3@exim.example", f"a550{local}@{QUOTES}"],
        [f"a550{local}@{QUOTES}"],
        [f"a450{local}@{QUOTES}", f"a250{local}@{QUOTES}"],
        [f"{local}@{DOMAIN_TOKEN}.example"],
        [f"{local}@nxdomain.example", f"{local}@postfix.example"],
        [f"{local}@ee.tls.example"],
    ][number % 8]


def send(number):
    """One message; returns its queue id."""
    return lab.home.inject(SENDER, recipients(number), message(number))


def deliver(count, kill_every=None):
    """So many messages; at every kill_every-th the edge and the transports are killed. Returns how often they were.

    On return each message had its outcome from the edge, and no delivery is under way; tunnels may still be open."""
    kills, queue_ids = 0, []
    for number in range(count):
        queue_ids.append(send(number))
        if kill_every and number % kill_every == kill_every - 1:
            lab.edge.kill()
            lab.home.run("pkill", "-KILL", "-x", "postern-transpo", check=False)
            lab.edge.start()
            kills += 1
    wait_for("each message has its outcome", lambda: not unanswered(queue_ids), 180, 0.5)
    wait_for("nothing is under way", lambda: all(entry["queue_name"] == "deferred" for entry in lab.home.queue()))
    return kills


def unanswered(queue_ids):
    """Messages whose outcome Postfix has not got from the edge's own words; they are tried again."""
    log = lab.home.log(lab.home.mark)
    answered = set(re.findall(r"postfix/lmtp\[\d+\]: (\w+): to=.*relay=.*status=(?:sent|bounced)", log))
    answered |= set(re.findall(r"postfix/lmtp\[\d+\]: (\w+): to=.*relay=.*status=deferred \(.*450 4\.2\.1 Busy", log))
    left = set(queue_ids) - answered
    if left:
        lab.home.flush()
    return left


def encodings(token):
    """{name: pattern}. Quoted-printable leaves letters as they are."""
    raw = token.encode()
    found = {"raw": raw, "upper case": raw.upper(), "hexadecimal": raw.hex().encode(), "UTF-16": token.encode("utf-16-le")}
    for shift in range(3):
        # Without the first and last characters, which depend on what stands beside it.
        coded = base64.b64encode(b"\0" * shift + raw)
        start, end = -(-shift * 8 // 6), (shift + len(raw)) * 8 // 6
        found[f"base64 at {shift}"] = coded[start:end]
    return found


def search_file(path, token):
    """[(encoding, path, offset, what stands around it)], the first hit of each encoding and how many there are."""
    found = []
    if os.path.getsize(path) == 0:
        return found
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        for name, pattern in encodings(token).items():
            hits, at, first = 0, data.find(pattern), None
            while at >= 0:
                first = at if first is None else first
                hits += 1
                at = data.find(pattern, at + 1)
            if hits:
                found.append((name, path, hits, first, bytes(data[max(0, first - 60):first + 100])))
    return found


def disk_files(host):
    """Every file that differs from the machine the host was made of."""
    upper = os.path.join(os.path.dirname(host.root), "upper")
    for top in [upper, *(os.path.join(host.root, mount) for mount in MOUNTS)]:
        for directory, _, names in os.walk(top):
            for name in names:
                path = os.path.join(directory, name)
                if os.path.isfile(path) and not os.path.islink(path):
                    yield path


def search_disk(host, token):
    """(hits, files, bytes)"""
    found, files, size = [], 0, 0
    for path in disk_files(host):
        files += 1
        size += os.path.getsize(path)
        found += search_file(path, token)
    return found, files, size


def search_memory(host, token, names="postern-edge|postern-keeper"):
    """A core dump of each process of these names, all mappings in it, taken while they run: (hits, processes, bytes)."""
    found, size = [], 0
    pids = host.run("pgrep", "-x", names).stdout.split()
    for pid in pids:
        core = f"/tmp/canaries.{pid}"
        host.run("gdb", "-nx", "-batch", "-p", pid, "-ex", "set auto-load off", "-ex", "set use-coredump-filter off",
                 "-ex", "set dump-excluded-mappings on", "-ex", f"gcore {core}", timeout=300)
        try:
            found += search_file(host.path(core), token)
            size += os.path.getsize(host.path(core))
        finally:
            os.unlink(host.path(core))
    return found, len(pids), size


def describe(found):
    return "\n".join(f"{name}: {hits} in {os.path.basename(path)}, first at {at}: {around!r}"
                     for name, path, hits, at, around in found)
