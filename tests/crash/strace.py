"""What strace(1) saw of a program: its calls, in whose hands each descriptor was, and the journal's windows.

Wants the output of "strace -f -ttt -T". A call that the program was killed in has no result.
"""
import collections
import re

# What the two programs do to the world outside of their memory, and what they wait for. Kill points are these.
POINTS = ("read", "recvfrom", "write", "writev", "sendto", "sendmsg", "connect", "poll", "pwrite64", "fdatasync")
# What says whose a descriptor is.
OTHERS = ("accept4", "close")
# What can fail besides: memory, descriptors, threads, and waiting. No futex(2): the C library does not let it.
FALLIBLE = ("openat", "socket", "mmap", "clone3", "epoll_wait")
FORMAT = ["-f", "-qq", "-ttt", "-T", "-s", "80", "-e"]
OPTIONS = FORMAT + ["trace=" + ",".join(POINTS + OTHERS)]
WIDE_OPTIONS = FORMAT + ["trace=" + ",".join(POINTS + OTHERS + FALLIBLE)]

LINE = re.compile(r"(\d+) +(\d+\.\d+) (.*)$")
BEGIN = re.compile(r"(\w+)\((.*)$")
RESUMED = re.compile(r"<\.\.\. (\w+) resumed>(.*)$")
# Between the arguments and the result strace aligns with spaces.
END = re.compile(r"^(.*)\) += (-?\d+|\?)[^<]*(?:<(\d+\.\d+)>)?$")
ERROR = re.compile(r" = -1 (\w+) ")
KILLED = "+++ killed by SIG"
STOPPED = "--- stopped by SIGSTOP ---"
INJECTED = "(INJECTED)"
QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
RECORD = re.compile(r'^"PJ01\\(\d+)')
INTENT = "1"


class Call:
    """began, ended: seconds; ended and result are None if it never returned.

    is_injected: it was not made, and failed. connection: of a tunnel's calls in the edge, which tunnel. address: of the mail host, if it is
    one of those to a server.
    """

    def __init__(self, thread, name, began):
        self.thread = thread
        self.name = name
        self.began = began
        self.arguments = ""
        self.ended = None
        self.result = None
        self.error = ""
        self.is_injected = False
        self.connection = -1
        self.role = ""
        self.address = ""

    def finish(self, text):
        self.is_injected = INJECTED in text
        match = END.match(text)
        if not match:
            self.arguments += text
            return
        self.arguments += match[1]
        if match[2] != "?":
            self.result = int(match[2])
            self.error = failure[1] if (failure := ERROR.search(text)) else ""
            self.ended = self.began + float(match[3] or 0)

    @property
    def descriptor(self):
        match = re.match(r"(?:\[\{fd=)?(\d+)", self.arguments)
        return int(match[1]) if match else -1

    @property
    def label(self):
        """For people: the call, the other side, and its text if it is short enough to be shown."""
        quoted = QUOTED.search(self.arguments)
        shown = ""
        if quoted and self.role in ("mx", "postfix") and not re.search(r"\\[0-9]", quoted[1]):
            shown = f' "{quoted[1][:24]}"'
        return f"{self.name}({self.role}{shown})"


def parse(text, servers=None):
    """(calls in the order of their beginning, the signal that killed the program or "").

    servers: {descriptor: address} of the connections to mail hosts that were there before.
    """
    calls, open_calls, killed = [], {}, ""
    for line in text.splitlines():
        match = LINE.match(line)
        if not match:
            continue
        thread, when, rest = int(match[1]), float(match[2]), match[3]
        if rest.startswith(KILLED):
            killed = rest[len(KILLED):].split()[0]
        elif resumed := RESUMED.match(rest):
            call = open_calls.pop(thread, None)
            if call:
                call.finish(resumed[2])
        elif begin := BEGIN.match(rest):
            call = Call(thread, begin[1], when)
            calls.append(call)
            # A call in which the program was killed may read "<unfinished ...>) = ?".
            arguments, unfinished, more = begin[2].partition(" <unfinished ...>")
            call.finish(arguments + more)
            if unfinished:
                open_calls[thread] = call
    name_roles(calls, dict(servers or {}))
    return calls, killed


def name_roles(calls, servers):
    """Each call's role: who is at the other end of its descriptor."""
    roles = {0: "postfix", 1: "postfix"} | dict.fromkeys(servers, "mx")
    tunnels = {}
    for index, call in enumerate(calls):
        if call.name == "accept4" and call.result is not None and call.result >= 0:
            roles[call.result] = "tunnel"
            tunnels[call.result] = index
        elif call.name == "connect":
            roles[call.descriptor] = peer(call.arguments)
            servers[call.descriptor] = address(call.arguments)
        elif call.name in ("pwrite64", "fdatasync"):
            roles[call.descriptor] = "journal"
        elif call.name in ("sendto", "sendmsg") and re.search(r'"<\d+>', call.arguments):
            roles[call.descriptor] = "log"
        elif call.name == "sendmsg":        # nobody else is spoken to in this way
            roles[call.descriptor] = "keeper"
        call.role = roles.get(call.descriptor, "file")
        if call.role == "tunnel":
            call.connection = tunnels.get(call.descriptor, -1)
        elif call.role == "mx":
            call.address = servers[call.descriptor]
        if call.name == "close" and call.descriptor > 1:
            roles.pop(call.descriptor, None)


def peer(arguments):
    port = re.search(r"htons\((\d+)\)", arguments)
    return {"25": "mx", "53": "dns", "7843": "tunnel", "7844": "tunnel"}.get(port[1], "other") if port else "log"


def address(arguments):
    found = re.search(r'(?:inet_addr\(|inet_pton\(AF_INET6, )"([^"]+)"', arguments)
    return found[1] if found else ""


def counts(calls):
    """{call: the most that one thread made of it}: strace counts "when=" for each thread by itself."""
    made = collections.Counter((call.thread, call.name) for call in calls)
    most = {}
    for (_, name), count in made.items():
        most[name] = max(most.get(name, 0), count)
    return most


def nth(calls, name, number):
    """The call at which "inject=NAME:when=NUMBER" struck: the first of any thread that is its NUMBERth."""
    made = collections.Counter()
    for call in calls:
        if call.name == name:
            made[call.thread] += 1
            if made[call.thread] == number:
                return call
    return None


def tunnel_bytes(calls):
    """({"up": sums after each write into the tunnel, "down": sums after each read}) of a transport."""
    sums = {"up": [0], "down": [0]}
    ways = {"sendto": "up", "write": "up", "read": "down", "recvfrom": "down"}
    for call in calls:
        if call.role == "tunnel" and call.name in ways and call.result and call.result > 0:
            way = sums[ways[call.name]]
            way.append(way[-1] + call.result)
    return sums


class Window:
    """One recipient's record: from the intent to the outcome.

    intent: the call that wrote it; offset: where; address: of the mail host; synced, durable: when intent and outcome were on disk; forgone:
    when the outcome could not be written, which it then stands without; dot, answer: the calls; lost: when the server was gone without an
    answer, so that there is no outcome to write; is_open: the intent is on disk, and the outcome was not even written.
    """

    def __init__(self, calls, intent, address):
        later = [call for call in calls if call.began >= (intent.ended or intent.began) and call is not intent]
        self.offset = int(intent.arguments.rsplit(", ", 1)[-1])
        self.intent = intent
        self.thread = intent.thread
        self.address = address
        self.synced = sync_after(calls, intent) if (intent.result or -1) > 0 else None
        self.settled = next((call for call in later if call.name == "pwrite64"
                             and call.arguments.endswith(f", {self.offset}")), None)
        self.durable = self.settled and sync_after(calls, self.settled)
        self.forgone = self.settled and min((call.ended for call in later if call.is_injected and call.role == "journal"
                                             and call.error != "EINTR" and call.began >= self.settled.began), default=None)
        self.is_open = self.synced is not None and (self.settled is None or self.settled.result is None)
        mine = [call for call in later if call.thread == intent.thread and call.role == "mx"
                and call.began >= (self.synced or float("inf"))]
        self.dot = next((call for call in mine if call.name == "sendto"), None)
        heard = [call for call in mine if self.dot and call.began > self.dot.began and call.name in ("read", "recvfrom")]
        self.answer = next((call for call in heard if (call.result or -1) > 0), None)
        self.lost = min((call.ended for call in heard if call.ended and not self.answer and (call.result == 0 or call.error == "ECONNRESET")),
                        default=None)


def sync_after(calls, written):
    """When the first sync of the journal ended that began after this write."""
    if written.ended is None:
        return None
    return min((call.ended for call in calls if call.name == "fdatasync" and call.result == 0
                and call.began >= written.ended), default=None)


def windows(calls):
    """All of them, in the order of their intents."""
    found, server = [], {}
    for call in calls:
        if call.role == "mx":
            server[call.thread] = call.address
        elif call.name == "pwrite64":
            record = RECORD.match(call.arguments.partition(", ")[2])
            if record and record[1] == INTENT:
                found.append(Window(calls, call, server.get(call.thread, "")))
    return found


def told_early(calls):
    """Whether the mail host was told of more outcomes than there were on disk, in the tunnel in which the message came."""
    found = windows(calls)
    answered = min((window.answer.ended for window in found if window.answer), default=None)
    if answered is None:
        return False
    tunnel = max(call.connection for call in calls if call.began < found[0].intent.began)
    # A call that failed has told nothing, and is made again.
    told = [call.began for call in calls if call.name == "sendto" and call.connection == tunnel
            and (call.result or -1) > 0 and call.began > answered]
    durable = sorted(min(moment or float("inf") for moment in (window.forgone, window.durable, window.lost)) for window in found)
    return any(when < on_disk for when, on_disk in zip(told, durable))


def is_of_intent(calls, failed):
    """Whether what failed kept an intent from the disk: its write, or the first sync after it."""
    for window in windows(calls):
        if failed is window.intent:
            return True
        if failed.name == "fdatasync" and window.intent.began < failed.began and (window.synced or float("inf")) > failed.began:
            return True
    return False


def sends_to_end(calls):
    """How many writes into the tunnel a transport has made when it knows of an outcome, and logs it."""
    known = next(call.began for call in calls if call.role == "log" and call.name == "sendto")
    return sum(call.role == "tunnel" and call.name in ("sendto", "write") and (call.result or -1) > 0 and call.began < known
               for call in calls)
