"""What end-to-end cases use to drive the lab (tests/lab); runs inside `lab run`.

    from harness import Case, lab

    class Something(Case):
        def test_it(self):
            lab.home.sendmail("me@home.example", ["you@postfix.example"], MESSAGE)
            lab.home.wait_log(r"to=<you@postfix\\.example>.*status=sent")
            self.assertEqual(lab.stored("mx-postfix")[0].raw, ...)

Before each case the queue of home and the mail stored by the MX hosts are
emptied and a stopped edge is started again.
"""
import contextlib
import ctypes
import glob
import json
import os
import re
import shlex
import smtplib
import socket
import subprocess
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.environ["LAB_SRC"]))
import stored as stored_mail  # noqa: E402

LAB = os.path.join(os.environ["LAB_SRC"], "lab")
CLONE_NEWNET = 0x40000000
MX_HOSTS = [line.split()[0] for line in open(os.path.join(os.environ["LAB_SRC"], "hosts.conf"),
                                             encoding="ascii") if line.startswith("mx-")]

# Seconds until a case gives up on what must come: so many that no machine, however busy, is taken for a broken program. It says nothing about
# speed; where the order of events or a timer of the program is what a case is about, it says so itself.
PATIENCE_S = 120


def wait_for(what, function, timeout=PATIENCE_S, interval=0.05):
    """The first true value of function(); AssertionError "what" after the timeout."""
    deadline = time.monotonic() + timeout
    while True:
        value = function()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout} s: {what}")
        time.sleep(interval)


class Host:
    def __init__(self, name):
        self.name = name
        self.root = os.path.join(os.environ["LAB_ROOT"], "hosts", name, "root")
        with open(os.path.join(os.environ["LAB_ROOT"], "hosts", name, "anchor"),
                  encoding="ascii") as file:
            self.anchor = file.read().strip()

    def command(self, *command):
        """The argv that runs a command on this host."""
        return ["nsenter", "-t", self.anchor, "--mount", "--net", "--uts", "--ipc",
                f"--pid=/proc/{self.anchor}/ns/pid_for_children", "--", *command]

    def run(self, *command, input=None, check=True, timeout=PATIENCE_S):
        """Run a command; CompletedProcess with stdout and stderr as text."""
        done = subprocess.run(self.command(*command), input=input, capture_output=True,
                              text=not isinstance(input, bytes), timeout=timeout, check=False)
        if check and done.returncode != 0:
            raise AssertionError(f"{self.name}: {shlex.join(command)}: exit {done.returncode}: "
                                 f"{done.stdout}{done.stderr}")
        return done

    def popen(self, *command, **options):
        return subprocess.Popen(self.command(*command), **options)

    def path(self, path):
        """A host's file as seen from here (not for /proc)."""
        return os.path.join(self.root, path.lstrip("/"))

    def read(self, path):
        with open(self.path(path), encoding="utf-8", errors="surrogateescape") as file:
            return file.read()

    def write(self, path, text):
        with open(self.path(path), "w", encoding="utf-8") as file:
            file.write(text)

    def connect(self, address, port, timeout=PATIENCE_S):
        """A TCP connection that leaves from this host."""
        return in_netns(self.name, lambda: socket.create_connection((address, port), timeout))

    def smtp(self, address="127.0.0.1", port=25, name="client.example", timeout=PATIENCE_S):
        """An smtplib.SMTP that leaves from this host (greeting read, no EHLO yet)."""
        return SmtpFrom(self, address, port, name, timeout)

    # -- the log

    def log(self, since=0):
        with open(self.path("/var/log/mail.log"), "rb") as file:
            file.seek(since)
            return file.read().decode("utf-8", "replace")

    def log_mark(self):
        return os.path.getsize(self.path("/var/log/mail.log"))

    def grep_log(self, pattern, since=None):
        """All lines since the case began (or since a mark) that match."""
        lines = self.log(self.mark if since is None else since).splitlines()
        return [line for line in lines if re.search(pattern, line)]

    def wait_log(self, pattern, timeout=PATIENCE_S, count=1, since=None):
        """Wait for `count` matching lines; returns them."""
        try:
            return wait_for(pattern, lambda: (lambda found: found if len(found) >= count else [])(
                self.grep_log(pattern, since)), timeout)
        except AssertionError:
            found = len(self.grep_log(pattern, since))
            raise AssertionError(f"{self.name}'s log has {found}, not {count}, lines with "
                                 f"{pattern!r} after {timeout} s") from None

    mark = 0


def in_netns(name, function):
    """Call function in a thread that has entered a host's network namespace."""
    result = []

    def enter():
        try:
            with open(f"/run/netns/{name}", encoding="ascii") as file:
                if ctypes.CDLL(None, use_errno=True).setns(file.fileno(), CLONE_NEWNET) != 0:
                    raise OSError(ctypes.get_errno(), "setns")
            result.append((function(), None))
        except Exception as error:  # pylint: disable=broad-except
            result.append((None, error))

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    value, error = result[0]
    if error:
        raise error
    return value


class SmtpFrom(smtplib.SMTP):
    def __init__(self, host, address, port, name, timeout):
        self.from_host = host
        super().__init__(address, port, local_hostname=name, timeout=timeout)

    def _get_socket(self, host, port, timeout):
        return self.from_host.connect(host, port, timeout)


class Home(Host):
    """The mail host: Postfix and the transport."""

    def sendmail(self, sender, recipients, message, *options):
        """Inject by sendmail(1); message is text or bytes, as a program would give it."""
        data = message if isinstance(message, bytes) else message.encode()
        self.run("sendmail", "-i", "-f", sender, *options, "--", *recipients, input=data)

    def inject(self, sender, recipients, message, mail_options=(), rcpt_options=()):
        """Inject by SMTP, bytes as they are; returns the queue id."""
        with self.smtp() as client:
            client.ehlo()
            code, text = client.mail(sender, list(mail_options))
            assert code == 250, (code, text)
            for recipient in recipients:
                code, text = client.rcpt(recipient, list(rcpt_options))
                assert code == 250, (recipient, code, text)
            code, text = client.data(message)
            assert code == 250, (code, text)
        return text.decode().rsplit(None, 1)[-1]

    def queue(self):
        """The queue as a list of dicts (postqueue -j); a message that moves to another queue meanwhile is told of twice."""
        entries = [json.loads(line) for line in self.run("postqueue", "-j").stdout.splitlines()]
        return list({entry["queue_id"]: entry for entry in entries}.values())

    def flush(self):
        self.run("postqueue", "-f")

    def wait_queue_empty(self):
        try:
            wait_for("queue of home is empty", lambda: not self.queue())
        except AssertionError as error:
            raise AssertionError(f"{error}; there is {self.queue()}") from None

    def outcomes(self, queue_id):
        """{recipient: the last of Postfix's log lines about it} for one message."""
        found = {}
        for line in self.grep_log(rf" {queue_id}: to=<.*status="):
            found[re.search(r"to=<(.*?)>, ", line).group(1)] = line
        return found

    def postconf(self, *settings):
        self.run("postconf", "-e", *settings)
        self.reload()

    OPENDKIM = "unix:opendkim/opendkim.sock"

    def filter_by(self, *milters):
        """Have SMTP and sendmail(1) mail pass these: lab.milter, Home.OPENDKIM. Without the milter its policy service is off too."""
        names = ", ".join("unix:postern/milter.sock" if isinstance(milter, Milter) else milter for milter in milters)
        policy = "check_policy_service unix:postern/policy.sock" if lab.milter in milters else ""
        self.postconf(f"smtpd_milters = {names}", f"non_smtpd_milters = {names}", "milter_default_action = tempfail",
                      f"lab_certificate_restrictions = {policy}")

    def submit(self, login=None, client=None, port=587):
        """An SMTP session from the VPS (or another host), EHLO done, logged in if a name is given."""
        session = (client or lab.vps).smtp("192.0.2.10", port)
        try:
            session.ehlo()
            if login is not None:
                session.login(login, "secret")
        except BaseException:
            session.close()     # smtpd(8) would wait for it, and a reload for smtpd(8)
            raise
        return session

    # What "postfix reload" does, without its checks, which take two seconds.
    RELOAD = "kill -HUP $(cat /var/spool/postfix/pid/master.pid)"

    def reload(self, command=RELOAD):
        """Returns when no process is left that would still take mail in or route it by the old settings."""
        old = self.postfix_processes()
        self.run("sh", "-ec", command)
        wait_for("Postfix's old processes have gone", lambda: not old & self.postfix_processes())

    def postfix_processes(self):
        names = "smtpd|cleanup|qmgr|pickup|trivial-rewrite"
        return set(self.run("pgrep", "-x", names, check=False).stdout.split())

    def empty_queue(self):
        """Returns when nothing follows: a message that is taken away while it is delivered may still bounce."""
        while self.queue():
            self.run("postsuper", "-d", "ALL")
            time.sleep(0.5)

    def end_transports(self):
        """One that waits for a slow server outlives its Postfix, and userdel(8) does not take away whom it runs as."""
        def are_gone():
            return self.run("pkill", "-KILL", "-u", "_postern", check=False).returncode != 0
        wait_for("the end of the transports", are_gone)


class Edge:
    """postern-edge on the VPS."""

    def __init__(self, host):
        self.host = host

    def _control(self, action, check=True):
        return self.host.run("/opt/lab/hosts/edge.sh", action, check=check)

    @property
    def is_installed(self):
        return os.path.exists(self.host.path("/usr/sbin/postern-edge"))

    @property
    def is_running(self):
        return self._control("status", check=False).returncode == 0

    @property
    def pid(self):
        """Process number as seen on the host (for host.run("kill", ...), /proc there)."""
        return int(self.host.read("/run/postern-edge.pid"))

    def start(self):
        self._control("start")

    def stop(self):
        """SIGTERM; returns when the process is gone."""
        self._control("stop")

    def kill(self):
        """SIGKILL."""
        self._control("kill")

    def restart(self):
        self._control("restart")

    def reload(self):
        """SIGHUP."""
        self._control("reload")

    def stderr(self):
        return self.host.read("/var/log/postern-edge.stderr")

    def sanitizer(self):
        return sanitizer_of(self.host.path("/usr/sbin/postern-edge"))


def sanitizer_of(path):
    """"address", "thread" or None: what a program was built with. Such a build's memory is not the product's."""
    with open(path, "rb") as file:
        program = file.read()
    return {b"__asan_init" in program: "address", b"__tsan_init" in program: "thread"}.get(True)


class Milter:
    """postern-milter on a mail host; off, and Postfix does not ask it, unless a case switches it on."""

    CONF = "/etc/postern/milter.conf"
    SENDERS = "/etc/postern/senders"
    LIMITS = "/etc/postern/limits"
    STATE = "/var/lib/postern-milter"

    def __init__(self, host, socket):
        self.host = host
        self.socket = socket

    def _control(self, action, check=True):
        return self.host.run("/opt/lab/hosts/milter.sh", self.socket, action, check=check)

    @property
    def is_installed(self):
        return os.path.exists(self.host.path("/usr/sbin/postern-milter"))

    @property
    def is_running(self):
        return self._control("status", check=False).returncode == 0

    @property
    def pids(self):
        """The supervisor, then its child, which speaks with Postfix."""
        return [int(pid) for pid in self.host.run("pgrep", "-x", "postern-milter", check=False).stdout.split()]

    def start(self):
        self._control("start")

    def stop(self):
        """SIGTERM; returns when both processes are gone."""
        self._control("stop")

    def kill(self):
        """SIGKILL for both processes."""
        self._control("kill")

    def restart(self):
        self._control("restart")

    def reload(self):
        """SIGHUP."""
        self._control("reload")

    def hang(self):
        """SIGSTOP for both processes."""
        self._control("hang")

    def wake(self):
        self._control("wake")

    def write_senders(self, text):
        self.host.write(self.SENDERS, text)

    def write_limits(self, text):
        self.host.write(self.LIMITS, text)

    def write_conf(self, **settings):
        """milter.conf of these settings; lists become lists."""
        def value(of):
            if isinstance(of, list):
                return "[ " + ", ".join(map(value, of)) + " ]"
            return str(of) if isinstance(of, int) else json.dumps(of)

        settings = {"listen": f"unix:{self.socket}", "recipient_delimiter": "+", **settings}
        self.host.write(self.CONF, "".join(f"{name} = {value(of)};\n" for name, of in settings.items()))

    def use(self, senders, limits="", **settings):
        """Starts anew with these tables and settings, and without any state of limits."""
        if self.is_running:
            self.stop()
        self.host.run("sh", "-c", f"rm -rf {self.STATE}/*")
        self.write_senders(senders)
        self.write_limits(limits)
        self.write_conf(**settings)
        self.start()

    def sanitizer(self):
        return sanitizer_of(self.host.path("/usr/sbin/postern-milter"))

    def resident(self):
        """Kilobytes of the process that speaks with Postfix."""
        status = self.host.run("cat", f"/proc/{self.pids[-1]}/status").stdout
        return int(re.search(r"VmRSS:\s+(\d+)", status).group(1))

    def decisions(self, pattern="", since=None):
        """Its log lines of this case."""
        return self.host.grep_log(rf"postern/milter\[\d+\]: .*{pattern}", since)

    def wait_decision(self, pattern, **options):
        return self.host.wait_log(rf"postern/milter\[\d+\]: .*{pattern}", **options)[-1]

    def stderr(self):
        with contextlib.suppress(FileNotFoundError):
            return self.host.read("/var/log/postern-milter.stderr")
        return ""


class OtherHome(Host):
    """A mail host with another mail system; its daemon runs only after start()."""

    EDGES = "/etc/postern/edges"
    KEY = "/var/lib/postern/transport.key"

    def join(self):
        """Make the key of a transport, have the edge take it, and name the edge: as the manual says."""
        self.run("install", "-d", "-o", "_postern", "-g", "_postern", "-m", "700", "/var/lib/postern")
        if not os.path.exists(self.path(self.KEY)):
            self.as_postern("postern", "keygen", self.KEY)
        lab.vps.run("postern", "authorize", self.as_postern("postern", "pubkey", self.KEY).stdout.strip(), self.name)
        edge = lab.vps.run("postern", "pubkey", "/var/lib/postern/edge.key").stdout.strip()
        self.write(self.EDGES, f"vps\t198.51.100.20:7843\tkey={edge}\n")
        self.write("/etc/postern/routes", "*\tvps\n")
        self.write("/etc/postern/postern.conf", "")

    def leave(self):
        lab.vps.run("postern", "revoke", self.name)

    def as_postern(self, *command, **options):
        return self.run("setpriv", "--reuid=_postern", "--regid=_postern", "--init-groups", *command, **options)


class SendmailHome(OtherHome):
    """sendmail, straight to the MX hosts or through postern."""

    address = "192.0.2.11"

    def start(self, kind="direct"):
        self.run("/opt/lab/hosts/home-sendmail.sh", "daemon", kind)

    def flush(self):
        self.run("sendmail", "-q")

    def waiting(self):
        """Recipients in the queue."""
        return set(re.findall(r"^\s+<(\S+@\S+)>$", self.run("mailq").stdout, re.M))

    def empty_queue(self):
        self.run("sh", "-c", "pkill -x postern-transpo; rm -f /var/spool/mqueue/*")

    def wait_queue_empty(self):
        wait_for("queue of home-sendmail is empty", lambda: not os.listdir(self.path("/var/spool/mqueue")))


class EximHome(OtherHome):
    """Exim, through postern."""

    address = "192.0.2.12"

    def start(self):
        self.run("/opt/lab/hosts/home-exim.sh", "daemon")

    def configure(self, conf):
        self.write("/etc/exim4/exim4.conf", conf)

    def flush(self):
        self.run("exim4", "-qff")

    def waiting(self):
        """Recipients in the queue that are not done."""
        return set(re.findall(r"^ {10}(\S+@\S+)$", self.run("exim4", "-bp").stdout, re.M))

    def empty_queue(self):
        """A message that is being delivered cannot be taken away: the transport is ended, too."""
        self.run("sh", "-c", "pkill -x postern-transpo; for i in 1 2 3 4 5; do"
                 " exim4 -bpr | awk '$3 ~ /-.*-/ { print $3 }' | xargs -r exim4 -Mrm && break; sleep 0.2; done")

    def wait_queue_empty(self):
        wait_for("queue of home-exim is empty", lambda: not self.run("exim4", "-bp").stdout)


class Lab:
    def __init__(self):
        self.home = Home("home")
        self.sendmail = SendmailHome("home-sendmail")
        self.exim = EximHome("home-exim")
        self.milter = Milter(self.home, "/var/spool/postfix/postern/milter.sock")
        self.sendmail_milter = Milter(self.sendmail, "/run/postern-milter/milter.sock")
        self.vps = Host("vps")
        self.dns = Host("dns")
        self.sts = Host("sts")
        self.mx = {name: Host(name) for name in MX_HOSTS}
        self.edge = Edge(self.vps)

    @property
    def hosts(self):
        return [self.home, self.sendmail, self.exim, self.vps, self.dns, self.sts, *self.mx.values()]

    def reset(self):
        """Before each case: no queued, no stored mail; logs are looked at from here on."""
        self.home.empty_queue()
        for host in ["home", *self.mx]:
            stored_mail.clear(host)
        if self.edge.is_installed and not self.edge.is_running:
            self.edge.start()
        for host in self.hosts:
            host.mark = host.log_mark()
        self.started = time.time()

    # -- mail at the MX hosts

    def stored(self, mx):
        """Messages an MX holds (see tests/lab/stored.py)."""
        return stored_mail.stored(mx)

    def wait_stored(self, mx, count=1):
        """The messages, as soon as there are `count` (one per recipient)."""
        return wait_for(f"{count} messages at {mx}", lambda: (
            lambda found: found if len(found) >= count else [])(self.stored(mx)))

    # -- the DNS

    def zone(self, name, text):
        """Serve (or replace) a zone at run time; the resolvers forget the old one."""
        subprocess.run([LAB, "zone", name], input=text, text=True, check=True)

    def unzone(self, name):
        subprocess.run([LAB, "unzone", name], check=True)

    def dig(self, *query, host=None):
        """dig's output on the VPS (or another host) with the host's own resolver."""
        return (host or self.vps).run("dig", "+timeout=10", "+tries=1", *query).stdout

    def dkim_verify(self, raw):
        """Whether the DKIM signature of a message (CRLF) verifies with the key in the DNS."""
        import dkim  # python3-dkim

        def txt(name, timeout=5):
            del timeout
            name = name if isinstance(name, str) else name.decode()
            answer = self.dig("+short", name, "TXT").strip()
            return answer.replace('" "', "").strip('"').encode()

        return dkim.verify(raw, dnsfunc=txt)

    # -- the scripted MX

    def hostile(self, case):
        """Events of one script (tests/lab/hostile_mx.py) since the case began."""
        path = self.mx["mx-hostile"].path(f"/var/log/hostile/{case}.jsonl")
        with contextlib.suppress(FileNotFoundError):
            with open(path, encoding="utf-8") as file:
                return [event for event in map(json.loads, file) if event["time"] >= self.started]
        return []

    # -- the mail hosts with certificates, tests/lab/tls_cases.py

    def tls_events(self, domain):
        """What the host of one TLS case saw (tests/lab/tls_mx.py) since the case began."""
        with contextlib.suppress(FileNotFoundError):
            with open(self.mx["mx-tls"].path("/var/log/tls-mx.jsonl"), encoding="utf-8") as file:
                return [event for event in map(json.loads, file) if event["time"] >= self.started and event["case"] == domain]
        return []

    def tls_facts(self, domain):
        """Its host, addresses, TLSA records, and the digests of its certificate."""
        with open(self.vps.path("/srv/lab/tls/cases.json"), encoding="ascii") as file:
            return json.load(file)[domain]

    # -- the host of MTA-STS policies, tests/lab/sts_host.py

    def sts_events(self, name):
        """What was asked of one policy host ("mta-sts.NAME.policy.example") since the case began."""
        with contextlib.suppress(FileNotFoundError):
            with open(self.sts.path("/var/log/sts.jsonl"), encoding="utf-8") as file:
                return [event for event in map(json.loads, file) if event["time"] >= self.started and event["name"] == name]
        return []

    def sts_behave(self, name, **behaviour):
        """What this policy host does from now on (tests/lab/sts_cases.py: BEHAVIOUR); without any, as at first."""
        path = self.sts.path(f"/srv/lab/sts/{name}.json")
        if behaviour:
            with open(path + ".new", "w", encoding="utf-8") as file:
                json.dump(behaviour, file)
            os.rename(path + ".new", path)
        else:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)

    started = 0.0

    # -- the tunnel's way

    @contextlib.contextmanager
    def tunnel_proxy(self, *options):
        """Lead the tunnel through tests/lab/delay_proxy.py, here with its options.

        with lab.tunnel_proxy("--delay", "0.1", "--cut-up", "5000") as proxy:
            proxy.control("cut-now")
        """
        table = self.home.read("/etc/postern/edges")
        proxy = TunnelProxy(self.vps, options)
        try:
            self.home.write("/etc/postern/edges", table.replace(":7843", ":7844"))
            yield proxy
        finally:
            self.home.write("/etc/postern/edges", table)
            proxy.end()


class TunnelProxy:
    FIFO = "/run/delay_proxy"

    def __init__(self, host, options):
        self.host = host
        host.run("rm", "-f", self.FIFO)
        self.process = host.popen(
            "/opt/lab/delay_proxy.py", "198.51.100.20:7844", "198.51.100.20:7843",
            "--control", self.FIFO, *options, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline() == "ready\n"

    def control(self, line):
        """Change options ("delay=0.2 cuts=1") or "cut-now"; in force on return."""
        self.host.run("sh", "-c", f"echo '{line}' >{self.FIFO}")
        self.log_until(f"control: {line}")

    def log_until(self, text):
        """Read the proxy's output up to a line that contains text."""
        for line in self.process.stdout:
            if text in line:
                return line
        raise AssertionError(f"the proxy ended without saying {text!r}")

    def end(self):
        # nsenter waits for the proxy, which is not its own process group: name it by its port.
        self.host.run("sh", "-c", "kill $(ss -Hltnp 'sport = :7844' | sed 's/.*pid=//;s/,.*//')")
        self.process.wait(timeout=10)
        self.process.stdout.close()


lab = Lab()


class Case(unittest.TestCase):
    """A case; `lab` is reset before it."""

    maxDiff = 4000

    def setUp(self):
        self.addCleanup(self.sanitizers_are_silent)
        lab.reset()

    def sanitizers_are_silent(self):
        """Builds with a sanitizer: nothing was found, in the edge or in any transport."""
        for host in (lab.home, lab.sendmail, lab.exim, lab.vps):
            for path in glob.glob(host.path("/var/log/sanitizer/*")):
                with open(path, encoding="utf-8", errors="replace") as file:
                    report = file.read()
                os.unlink(path)
                self.fail(f"{host.name}: {os.path.basename(path)}\n{report[:6000]}")


def excerpts():
    """The logs since the case began, for the report of a failure."""
    parts = []
    for host in (lab.home, lab.sendmail, lab.exim, lab.vps):
        lines = host.log(host.mark).splitlines()
        if not lines and host in (lab.sendmail, lab.exim):
            continue
        shown = lines[-40:]
        parts.append(f"-- {host.name}: mail.log, {len(shown)} of {len(lines)} lines")
        parts += shown
    if lab.edge.is_installed:
        parts.append("-- vps: stderr of postern-edge")
        parts += lab.edge.stderr().splitlines()[-20:]
    if lab.milter.stderr():
        parts.append("-- home: stderr of postern-milter")
        parts += lab.milter.stderr().splitlines()[-20:]
    return "\n".join(parts)
