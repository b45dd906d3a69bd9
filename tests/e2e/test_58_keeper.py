"""The edge's two processes: the worker, which talks to the world, and the keeper, which has the key and the allow-list.

"The intruder" is tests/preload/intruder.c: it sits in the running worker and tries, on SIGUSR1, what it is told.
"""
import base64
import contextlib
import os
import re
import shutil
import subprocess
import time

import tunnel_peer
from harness import Case, lab, wait_for
from tunnel_peer import EDGE_KEY, KeyPair, Tunnel, frames, open_tunnel

EDGE_CONF = "/etc/postern/edge.conf"
TLS_POLICY = "/etc/postern/tls_policy"
STATE = "/var/lib/postern/edge"
ORDERS = f"{STATE}/intruder"
RESULTS = f"{STATE}/intruder.out"
PSK = "/var/lib/postern/keeper.psk"
PASSWORDS = "/etc/postern/relay_passwords"
WRAPPER = "/run/postern-edge.wrapper"
PRELOADS = os.path.join(os.environ["POSTERN_BUILD"], "tests", "preload")
AS_EDGE = ("setpriv", "--reuid", "_postern-edge", "--regid", "_postern-edge", "--init-groups", "--inh-caps=-all")
GONE = "the process that keeps the key"
MESSAGE = b"From: anna@home.example\r\nSubject: two processes\r\n\r\nhello\r\n"
# Prints how often each of the byte strings on its stdin (hex, one a line) is in the memory of a process.
SCANNER = """
import sys
needles = [bytes.fromhex(line.strip()) for line in sys.stdin]
found = [0] * len(needles)
with open(f"/proc/{sys.argv[1]}/maps") as maps, open(f"/proc/{sys.argv[1]}/mem", "rb", 0) as memory:
    for line in maps:
        first, last = (int(word, 16) for word in line.split()[0].split("-"))
        if line.split()[1][0] != "r" or last - first > 1 << 40:
            continue
        try:
            memory.seek(first)
            text = memory.read(last - first)
        except (OSError, ValueError, OverflowError):
            continue
        for i, needle in enumerate(needles):
            found[i] += text.count(needle)
print(*found)
"""


@contextlib.contextmanager
def restored(*paths):
    """Files of the VPS are put back afterwards, those that were not there are removed, and the edge starts anew."""
    kept = {path: lab.vps.read(path) if os.path.exists(lab.vps.path(path)) else None for path in paths}
    try:
        yield
    finally:
        for path, text in kept.items():
            lab.vps.run("rm", "-f", path)
            if text is not None:
                lab.vps.write(path, text)
        lab.edge.restart()


def replace(path, text):
    """As an editor does it: a new file takes the name of the old one."""
    lab.vps.write(path + ".new", text)
    lab.vps.run("mv", path + ".new", path)


def make_psk(case):
    case.addCleanup(lab.vps.run, "rm", "-f", PSK)
    lab.vps.run("sh", "-ec", f"postern genpsk {PSK}; chown _postern-edge: {PSK}")


def keeper_pid(worker=None):
    return int(lab.vps.run("pgrep", "-P", str(worker or lab.edge.pid), "-x", "postern-keeper").stdout)


def is_alive(pid):
    return lab.vps.run("kill", "-0", str(pid), check=False).returncode == 0


class KeeperCase(Case):
    def tearDown(self):
        lab.edge.restart()

    def mail_goes_through(self):
        queue_id = lab.home.inject("anna@home.example", ["you@postfix.example"], MESSAGE)
        self.assertIn("status=sent", lab.home.wait_log(rf"postfix/lmtp.*{queue_id}: to=.*status=")[0])

    def preload(self, name):
        """The edge starts anew with this library in it."""
        library = os.path.join(PRELOADS, f"{name}.so")
        self.assertTrue(os.path.exists(library), f"{library} is missing: make tool-programs")
        shutil.copy(library, lab.vps.path(f"/usr/local/lib/{name}.so"))
        libraries = [f"/usr/local/lib/{name}.so"]
        # This sanitizer wants to be the first.
        if lab.edge.sanitizer() == "address":
            libraries.insert(0, re.search(r"=> (\S*libasan\S*)", lab.vps.run("ldd", "/usr/sbin/postern-edge").stdout)[1])
        lab.vps.write(WRAPPER, "env LD_PRELOAD=" + ":".join(libraries) + "\n")
        self.addCleanup(lab.edge.restart)
        self.addCleanup(lab.vps.run, "rm", WRAPPER)
        lab.edge.restart()

    def intrude(self, *orders):
        """{order: "ok" or the name of an errno}; None if the worker did not survive it."""
        worker = lab.edge.pid
        lab.vps.run("rm", "-f", RESULTS)
        lab.vps.write(ORDERS, "".join(f"{order}\n" for order in orders))
        lab.vps.run("chown", "_postern-edge:", ORDERS)
        lab.vps.run("kill", "-USR1", str(worker))
        wait_for("the intruder's results", lambda: os.path.exists(lab.vps.path(RESULTS)) or not is_alive(worker))
        if not os.path.exists(lab.vps.path(RESULTS)):
            return None
        return dict(line.rsplit(": ", 1) for line in lab.vps.read(RESULTS).splitlines())


class Intruder(KeeperCase):
    """The worker has been taken over."""

    def setUp(self):
        super().setUp()
        make_psk(self)
        self.saved = lab.vps.read(tunnel_peer.CLIENTS)
        self.addCleanup(lab.vps.write, tunnel_peer.CLIENTS, self.saved)
        self.key = KeyPair()
        tunnel_peer.authorize(self.key, "peer", f"psk={PSK}")
        lab.vps.write(PASSWORDS, "[relay.example]:587 user:password\n")
        lab.vps.run("sh", "-ec", f"chmod 600 {PASSWORDS}; chown _postern-edge: {PASSWORDS}")
        self.addCleanup(lab.vps.run, "rm", PASSWORDS)
        self.preload("intruder")

    def test_files(self):
        """Key, allow-list, preshared keys and passwords are out of reach, while the same user outside of the sandbox reads them."""
        secrets = [EDGE_KEY, tunnel_peer.CLIENTS, PSK, PASSWORDS]
        elsewhere = ["/tmp/mine", "/var/lib/postern/mine", "/etc/postern/mine", "/var/tmp/mine"]
        for path in secrets:
            lab.vps.run(*AS_EDGE, "cat", path)
        lab.vps.run(*AS_EDGE, "touch", "/tmp/yours", "/var/lib/postern/yours", "/var/tmp/yours")
        lab.vps.run("rm", "/tmp/yours", "/var/lib/postern/yours", "/var/tmp/yours")
        expected = {f"read {path}": "EACCES" for path in [*secrets, EDGE_CONF, "/etc/passwd", "/proc/self/environ"]}
        expected |= {f"write {path}": "EACCES" for path in [*secrets, *elsewhere, "/usr/sbin/postern-edge"]}
        expected |= {f"list {path}": "EACCES" for path in ("/var/lib/postern", "/etc/postern", "/")}
        # What it needs, so that the rules are seen to be rules and not a wall.
        expected |= {f"write {STATE}/mine": "ok", f"list {STATE}": "ok", "list /etc/ssl/certs": "ok", "read /etc/ssl/openssl.cnf": "ok"}
        if lab.edge.sanitizer():
            del expected["read /proc/self/environ"]
        self.assertEqual(self.intrude(*expected), expected)
        lab.vps.run("rm", f"{STATE}/mine")
        self.mail_goes_through()

    def test_keeper_opens_no_secret(self):
        """What the worker may not open it cannot have opened for it either, under whatever name."""
        lab.vps.run("sh", "-ec", f"ln -s {EDGE_KEY} /etc/postern/innocent; ln {PSK} /var/lib/postern/also-innocent; mkfifo /etc/postern/fifo")
        self.addCleanup(lab.vps.run, "rm", "-f", "/etc/postern/innocent", "/var/lib/postern/also-innocent", "/etc/postern/fifo")
        refused = [EDGE_KEY, tunnel_peer.CLIENTS, PSK, PASSWORDS, "/etc/postern/innocent", "/var/lib/postern/also-innocent",
                   "/etc/postern/../../var/lib/postern/edge.key", "/proc/self/mem", "/proc/self/environ",
                   f"/proc/{keeper_pid()}/maps", "/etc/postern/fifo", "/dev/zero", "/etc/postern"]
        expected = {f"keeper {path}": "EACCES" for path in refused}
        expected |= {"keeper /nonexistent": "ENOENT", f"keeper {EDGE_CONF}": "ok", "keeper /etc/resolv.conf": "ok", "keeper /etc/shadow": "EACCES"}
        self.assertEqual(self.intrude(*expected), expected)
        self.assertEqual(len(lab.vps.wait_log(f"warning: the worker was refused {PSK}$")), 1)
        # A preshared key that was named since, and one that no line names any more.
        lab.vps.run("sh", "-c", f"postern genpsk {PSK}2; chown _postern-edge: {PSK}2")
        self.addCleanup(lab.vps.run, "rm", "-f", f"{PSK}2")
        replace(tunnel_peer.CLIENTS, self.saved + f"{tunnel_peer.text_of(self.key.public)} peer psk={PSK}2\n")
        expected = {f"keeper {PSK}2": "EACCES", f"keeper {PSK}": "EACCES"}
        self.assertEqual(self.intrude(*expected), expected)

    def test_other_process(self):
        """The keeper cannot be looked into or signalled, nor can a port be opened."""
        keeper, worker = keeper_pid(), lab.edge.pid
        expected = {f"mem {keeper}": "EACCES", f"kill {keeper}": "EPERM", "bind 7999": "EACCES"}
        if not lab.edge.sanitizer():
            expected["unknown call"] = "ENOSYS"
        self.assertEqual(self.intrude(*expected), expected)
        # Nor by somebody outside of the sandbox who is of the same user.
        lab.vps.run(*AS_EDGE, "head", "-c", "1", f"/proc/{worker}/maps")
        for name in ("maps", "mem", "environ"):
            self.assertIn("Permission denied", lab.vps.run(*AS_EDGE, "head", "-c", "1", f"/proc/{keeper}/{name}", check=False).stderr)
        self.mail_goes_through()

    def test_call_that_only_an_intruder_makes(self):
        if lab.edge.sanitizer():
            self.skipTest("a build with sanitizers has no filter of system calls")
        for order in ("vm_read", "ptrace"):
            lab.edge.start()
            keeper = keeper_pid()
            self.assertIsNone(self.intrude(f"{order} {keeper}"))
            wait_for("the keeper's end", lambda: not is_alive(keeper))

    def test_nonsense(self):
        """A keeper that is asked what no worker asks ends, and the edge with it."""
        self.assertEqual(self.intrude("nonsense give-me-the-key"), {"nonsense give-me-the-key": "ok"})
        lab.vps.wait_log("error: keeper: the worker sent 15 bytes instead of [0-9]+; it is not ours any more")
        lab.vps.wait_log(f"error: {GONE} ended with status 76; stopping")
        wait_for("the end", lambda: not lab.edge.is_running)


class Processes(KeeperCase):
    def test_key_is_in_the_keeper_alone(self):
        """The worker's memory holds neither the key nor, when the handshake is over, a preshared one."""
        if lab.edge.sanitizer() == "thread":
            self.skipTest("this sanitizer's memory is terabytes")
        make_psk(self)
        with restored(tunnel_peer.CLIENTS):
            key = KeyPair()
            tunnel_peer.authorize(key, "peer", f"psk={PSK}")
            texts = [lab.vps.read(path).strip() for path in (EDGE_KEY, PSK)]
            secrets = [base64.b64decode(text) for text in texts]
            with contextlib.closing(open_tunnel(key, secrets[1]).sock):
                self.mail_goes_through()
                needles = [*secrets, *(text.encode() for text in texts), tunnel_peer.edge_public()]
                found = {}
                for pid in (lab.edge.pid, keeper_pid()):
                    found[pid] = lab.vps.run("python3", "-c", SCANNER, str(pid),
                                             input="".join(f"{needle.hex()}\n" for needle in needles)).stdout.split()
        worker, keeper = found.values()
        self.assertEqual(worker[:4], ["0"] * 4)
        self.assertNotEqual(worker[4], "0")
        self.assertNotEqual(keeper[0], "0")
        self.assertNotEqual(keeper[1], "0")

    def test_worker_killed(self):
        keeper = keeper_pid()
        lab.edge.kill()
        wait_for("the keeper's end", lambda: not is_alive(keeper))

    def test_keeper_killed(self):
        """The worker says so, ends in the orderly way, and not with success, so that the service manager starts it anew."""
        lab.edge.stop()
        process = lab.vps.popen(*AS_EDGE, "postern-edge", "-c", EDGE_CONF, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                env={**os.environ, "ASAN_OPTIONS": "log_path=/var/log/sanitizer/edge", "TSAN_OPTIONS": "log_path=/var/log/sanitizer/edge"})
        lab.vps.wait_log(r"postern/edge\[\d+\]: started")
        self.mail_goes_through()
        lab.vps.run("pkill", "-KILL", "-x", "postern-keeper")
        self.assertEqual(process.wait(20), 70)
        lab.vps.wait_log(f"error: {GONE} was killed by signal 9; stopping")
        lab.vps.wait_log(r"postern/edge\[\d+\]: stopped")

    def test_signals_for_the_service(self):
        """A terminal's Ctrl-C and a service manager's TERM reach both; the worker alone decides when they end."""
        keeper = keeper_pid()
        lab.vps.run("kill", "-HUP", str(keeper))
        lab.vps.run("kill", "-INT", str(keeper))
        lab.vps.run("kill", "-TERM", str(keeper))
        self.mail_goes_through()
        self.assertTrue(is_alive(keeper))
        worker = lab.edge.pid
        lab.vps.run("kill", "-TERM", str(keeper), str(worker))
        wait_for("the end of both", lambda: not is_alive(worker) and not is_alive(keeper))
        self.assertTrue(lab.vps.grep_log(rf"postern/edge\[{worker}\]: stopped"))
        self.assertFalse(lab.vps.grep_log(GONE))

    def test_key_where_the_worker_reads(self):
        """No start with a secret among the files that the worker may read."""
        lab.vps.run("sh", "-ec", f"cp -p {EDGE_KEY} {STATE}/edge.key; cp -p {EDGE_KEY} {STATE}/peer.psk")
        self.addCleanup(lab.vps.run, "rm", "-f", f"{STATE}/edge.key", f"{STATE}/peer.psk")
        with restored(EDGE_CONF, tunnel_peer.CLIENTS):
            conf = lab.vps.read(EDGE_CONF)
            lab.vps.write(EDGE_CONF, re.sub("key_file.*", f'key_file = "{STATE}/edge.key";', conf))
            checked = lab.vps.run("postern-edge", "-c", EDGE_CONF, "--check", check=False)
            self.assertEqual(checked.returncode, 78)
            self.assertIn(f"{STATE}/edge.key lies below {STATE}, which the process that talks to the network may read; move it", checked.stderr)
            lab.vps.write(EDGE_CONF, conf)
            tunnel_peer.authorize(KeyPair(), "peer", f"psk={STATE}/peer.psk")
            checked = lab.vps.run("postern-edge", "-c", EDGE_CONF, "--check", check=False)
            self.assertEqual(checked.returncode, 78)
            self.assertIn(f"{STATE}/peer.psk lies below {STATE}", checked.stderr)
            # The edge that runs already did not fall over it.
            lab.vps.wait_log(f"error: {STATE}/peer.psk lies below {STATE}, .* will not start again")
            self.mail_goes_through()

    def test_old_kernel(self):
        """Without Landlock and seccomp the edge works, and says what is not protected."""
        mark = lab.vps.log_mark()
        lab.edge.restart()
        lab.vps.wait_log("started", since=mark)
        self.assertFalse(lab.vps.grep_log("this kernel has no", since=mark))
        self.preload("no_sandbox")
        lab.vps.wait_log("warning: this kernel has no Landlock: ")
        if not lab.edge.sanitizer():
            lab.vps.wait_log("warning: this kernel has no seccomp: ")
        self.mail_goes_through()


class SlowTunnel(Tunnel):
    """Stops in the midst of the handshake: after the edge's answer, before its own first record."""

    def __init__(self, meanwhile, key):
        self.meanwhile = meanwhile
        super().__init__(tunnel_peer.connect(30), tunnel_peer.edge_public(), key)

    def send(self, payload):
        if self.meanwhile:
            self.meanwhile()
            self.meanwhile = None
        super().send(payload)


class Revocation(KeeperCase):
    def test_in_the_midst_of_a_handshake(self):
        """A key that was authorised when it knocked, and revoked before its tunnel was up, has no idle tunnel either."""
        with restored(tunnel_peer.CLIENTS):
            clients = lab.vps.read(tunnel_peer.CLIENTS)
            key = KeyPair()
            tunnel_peer.authorize(key, "peer")

            def revoke():
                mark = lab.vps.log_mark()
                replace(tunnel_peer.CLIENTS, clients)
                lab.vps.wait_log("authorized_clients was read again: 1 clients", since=mark)
                # The tunnels have been held against this list now.
                time.sleep(1.2)
            tunnel = SlowTunnel(revoke, key)
            tunnel.sock.settimeout(15)
            closed = tunnel.receive()
            self.assertEqual((closed.kind, closed.fields["reason"]), (frames.CLOSE, 3))
            tunnel.sock.close()


class Reload(KeeperCase):
    """Everything that can change while it runs still can, though the worker cannot open a file of /etc/postern."""

    def reload(self, expected):
        mark = lab.vps.log_mark()
        lab.edge.reload()
        return lab.vps.wait_log(expected, since=mark)

    def test_files_that_were_replaced(self):
        with restored(EDGE_CONF, TLS_POLICY, "/etc/resolv.conf", "/etc/postern/ca.pem"):
            conf = lab.vps.read(EDGE_CONF)
            replace("/etc/postern/ca.pem", lab.vps.read("/etc/lab/ca.pem"))
            for name in ("one", "two"):
                replace(EDGE_CONF, conf.replace("edge.vps.example", f"{name}.vps.example") + 'tls_ca_file = "/etc/postern/ca.pem";\n')
                replace("/etc/postern/ca.pem", lab.vps.read("/etc/lab/ca.pem"))
                self.reload(f"{EDGE_CONF} was read again")
                replace(TLS_POLICY, f"{name}.example none\npostfix.example none\n")
                replace("/etc/resolv.conf", f"# {name}\nnameserver 127.0.0.1\n")
                self.mail_goes_through()
                lab.vps.wait_log(rf"{TLS_POLICY} was read again: 2 lines")
                self.assertTrue(lab.vps.wait_log("to=<.*tls=none"))
                lab.home.wait_log(rf"status=sent .*{name}\.vps\.example: ")
            key = KeyPair()
            mark = lab.vps.log_mark()
            clients = lab.vps.read(tunnel_peer.CLIENTS)
            self.addCleanup(replace, tunnel_peer.CLIENTS, clients)
            replace(tunnel_peer.CLIENTS, clients + f"{tunnel_peer.text_of(key.public)} peer\nnonsense\n")
            lab.vps.wait_log(r"postern/edge\[\d+\]: warning: /etc/postern/authorized_clients:\d+: not a public key", since=mark)
            lab.vps.wait_log(r"postern/edge\[\d+\]: /etc/postern/authorized_clients was read again: 2 clients", since=mark)

    def test_bad_ones_change_nothing(self):
        with restored(EDGE_CONF, "/etc/postern/ca.pem"):
            conf = lab.vps.read(EDGE_CONF)
            replace(EDGE_CONF, conf + 'tls_ca_file = "/etc/postern/ca.pem";\n')
            self.reload(r'error: tls_ca_file "/etc/postern/ca.pem": No such file or directory; the configuration read before stays in force')
            replace("/etc/postern/ca.pem", "no certificate\n")
            self.reload(r'error: tls_ca_file "/etc/postern/ca.pem": no certificate or crl found; ')
            replace(EDGE_CONF, conf + "nonsense = 1;\n")
            self.reload(rf'error: {EDGE_CONF}:\d+: unknown setting "nonsense"; the configuration read before stays in force')
            replace(EDGE_CONF, conf + f'tls_policy = "{tunnel_peer.CLIENTS}";\n')
            self.reload(rf"error: {tunnel_peer.CLIENTS}: Permission denied; ")
            self.mail_goes_through()

    def test_state_directory_is_made(self):
        """As the service manager would."""
        with restored(EDGE_CONF):
            self.addCleanup(lab.vps.run, "rm", "-rf", "/var/lib/postern/other")
            lab.edge.stop()
            lab.vps.write(EDGE_CONF, lab.vps.read(EDGE_CONF) + 'state_directory = "/var/lib/postern/other";\n')
            lab.edge.start()
            self.assertEqual(lab.vps.run("stat", "-c", "%U %a", "/var/lib/postern/other").stdout, "_postern-edge 700\n")
            self.mail_goes_through()
