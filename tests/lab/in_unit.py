#!/usr/bin/python3
"""Run a command as systemd would run it in a unit: in_unit.py UNIT [NAME=VALUE...] -- COMMAND [ARGUMENT...].

The lab's hosts have no service manager, so what the unit's [Service] section says is done here, in the order and by the means of
systemd.exec(5): mounts in a namespace of its own, the bounding set, filters of system calls by libseccomp (groups expanded by
systemd-analyze). NAME=VALUE stands for a line at the end of the unit. A setting that this program does not know is an error: nothing is
left out in silence. Root only.
"""
import ctypes
import errno
import os
import re
import subprocess
import sys

LIBC = ctypes.CDLL(None, use_errno=True)
SECCOMP = ctypes.CDLL("libseccomp.so.2", use_errno=True)
SECCOMP.seccomp_init.restype = ctypes.c_void_p

PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS = 24, 38
CLONE_NEWNS, CLONE_NEWUTS = 0x00020000, 0x04000000
NAMESPACES = 0x7e020080     # CLONE_NEW* all together
KILL, ALLOW = 0x80000000, 0x7fff0000
NE, EQ, MASKED_EQ, GT = 1, 4, 7, 6
CTL_NNP = 3
FAMILIES = {"AF_UNIX": 1, "AF_INET": 2, "AF_INET6": 10, "AF_NETLINK": 16}
FAMILY_MAX = 50
CAPABILITIES = {"CAP_CHOWN": 0, "CAP_DAC_OVERRIDE": 1, "CAP_DAC_READ_SEARCH": 2, "CAP_SETGID": 6, "CAP_SETUID": 7,
                "CAP_NET_BIND_SERVICE": 10, "CAP_SYS_CHROOT": 18}
CAPABILITY_LAST = 40
PROT_WRITE, PROT_EXEC, SHM_EXEC = 2, 4, 0o100000
S_ISUID_OR_GID = (0o4000, 0o2000)


class Comparison(ctypes.Structure):
    _fields_ = [("argument", ctypes.c_uint), ("operator", ctypes.c_int), ("a", ctypes.c_uint64), ("b", ctypes.c_uint64)]


def fail(what):
    sys.exit(f"in_unit: {what}")


def prctl(*arguments):
    if LIBC.prctl(*arguments, *[0] * (5 - len(arguments))) != 0:
        fail(f"prctl: {os.strerror(ctypes.get_errno())}")


class Filter:
    """One filter; what no rule is about does as `default` says."""

    def __init__(self, default):
        self.context = ctypes.c_void_p(SECCOMP.seccomp_init(ctypes.c_uint32(default)))
        SECCOMP.seccomp_attr_set(self.context, CTL_NNP, 0)

    def add(self, action, name, *comparisons):
        number = SECCOMP.seccomp_syscall_resolve_name(name.encode())
        if number < 0:      # of another architecture, or newer than this libseccomp
            return
        array = (Comparison * max(1, len(comparisons)))(*[Comparison(*(tuple(item) + (0,) * (4 - len(item)))) for item in comparisons])
        if SECCOMP.seccomp_rule_add_array(self.context, ctypes.c_uint32(action), number, len(comparisons), array) != 0:
            fail(f"no rule for {name}")

    def refuse(self, number, name, *comparisons):
        """The call fails with this errno."""
        self.add(0x00050000 | number, name, *comparisons)

    def load(self):
        if SECCOMP.seccomp_load(self.context) != 0:
            fail("the filter of system calls is not accepted")


# ---- mounts

def mount(*arguments):
    done = subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        fail(f"mount {' '.join(arguments)}: {done.stderr}")


def read_only(path):
    if os.path.isdir(path):
        mount("--bind", path, path)
        mount("-o", "remount,bind,ro", path)


def inaccessible(path):
    if os.path.isdir(path):
        mount("-t", "tmpfs", "-o", "mode=000,ro", "tmpfs", path)


def private_devices():
    """/dev with the harmless ones and the log's socket."""
    new = "/run/in_unit.dev"
    os.makedirs(new, exist_ok=True)
    mount("-t", "tmpfs", "-o", "mode=755,noexec,nosuid", "tmpfs", new)
    for name in ("null", "zero", "full", "random", "urandom", "tty", "log"):
        if os.path.exists(f"/dev/{name}"):
            with open(f"{new}/{name}", "wb"):
                pass
            mount("--bind", f"/dev/{name}", f"{new}/{name}")
    for name in ("pts", "shm"):
        os.mkdir(f"{new}/{name}")
        mount("--rbind", f"/dev/{name}", f"{new}/{name}")
    for name, target in (("fd", "/proc/self/fd"), ("stdin", "/proc/self/fd/0"), ("stdout", "/proc/self/fd/1"),
                         ("stderr", "/proc/self/fd/2"), ("ptmx", "pts/ptmx")):
        os.symlink(target, f"{new}/{name}")
    mount("--move", new, "/dev")


def is_on(value):
    if value not in ("yes", "no"):
        fail(f"neither yes nor no: {value}")
    return value == "yes"


def do_mounts(settings):
    if LIBC.unshare(CLONE_NEWNS | (CLONE_NEWUTS if is_on(settings["ProtectHostname"]) else 0)) != 0:
        fail("unshare")
    mount("--make-rprivate", "/")
    if settings["ProcSubset"] == "pid":
        mount("-t", "proc", "-o", "subset=pid", "proc", "/proc")
    if is_on(settings["PrivateDevices"]):
        private_devices()
    if is_on(settings["ProtectKernelTunables"]) or is_on(settings["ProtectControlGroups"]):
        read_only("/sys")
    if is_on(settings["ProtectKernelModules"]):
        inaccessible("/usr/lib/modules")
    if is_on(settings["ProtectHome"]):
        for path in ("/home", "/root", "/run/user"):
            inaccessible(path)
    if settings["ProtectSystem"] != "full":
        fail("ProtectSystem is not full")
    for path in ("/usr", "/boot", "/efi", "/etc"):
        read_only(path)


# ---- filters

def refusals(settings):
    """Filters by which a call fails, but harms nobody."""
    one = Filter(ALLOW)
    if is_on(settings["LockPersonality"]):
        one.refuse(errno.EPERM, "personality", (0, NE, 0))
    if is_on(settings["MemoryDenyWriteExecute"]):
        one.refuse(errno.EPERM, "mmap", (2, MASKED_EQ, PROT_EXEC | PROT_WRITE, PROT_EXEC | PROT_WRITE))
        for name in ("mprotect", "pkey_mprotect"):
            one.refuse(errno.EPERM, name, (2, MASKED_EQ, PROT_EXEC, PROT_EXEC))
        one.refuse(errno.EPERM, "shmat", (2, MASKED_EQ, SHM_EXEC, SHM_EXEC))
    if is_on(settings["RestrictNamespaces"]):
        one.refuse(errno.EPERM, "setns")
        one.refuse(errno.ENOSYS, "clone3")
        for bit in (1 << shift for shift in range(32) if NAMESPACES & 1 << shift):
            for name in ("unshare", "clone"):
                one.refuse(errno.EPERM, name, (0, MASKED_EQ, bit, bit))
    if is_on(settings["RestrictRealtime"]):
        one.refuse(errno.EPERM, "sched_setscheduler", (1, GT, 0))
    if is_on(settings["ProtectHostname"]):
        for name in ("sethostname", "setdomainname"):
            one.refuse(errno.EPERM, name)
    for setting, names in (("ProtectClock", ("clock_settime", "settimeofday", "adjtimex")), ("ProtectKernelLogs", ("syslog",)),
                           ("ProtectKernelModules", ("init_module", "finit_module", "delete_module"))):
        if is_on(settings[setting]):
            for name in names:
                one.refuse(errno.EPERM, name)
    if is_on(settings["RestrictSUIDSGID"]):
        for bit in S_ISUID_OR_GID:
            for name, argument in (("chmod", 1), ("fchmod", 1), ("fchmodat", 2), ("mkdir", 1), ("mkdirat", 2)):
                one.refuse(errno.EPERM, name, (argument, MASKED_EQ, bit, bit))
    allowed = [FAMILIES[name] for name in settings["RestrictAddressFamilies"].split()]
    for family in range(FAMILY_MAX):
        if family not in allowed:
            one.refuse(errno.EAFNOSUPPORT, "socket", (0, EQ, family))
    return one


def system_calls(words):
    """Names of system calls; groups are expanded."""
    for word in words:
        if not word.startswith("@"):
            yield word
            continue
        found = subprocess.run(["systemd-analyze", "syscall-filter", word], capture_output=True, text=True, check=True).stdout
        lines = [line.strip() for line in found.splitlines()[1:]]
        yield from system_calls(line for line in lines if re.fullmatch(r"@?[a-z0-9_-]+", line))


def killing(words):
    """Whoever makes a call that is not in the list is killed."""
    one = Filter(KILL)
    for name in dict.fromkeys(system_calls(words)):
        one.add(ALLOW, name)
    return one


# ---- the unit

KNOWN = {"CapabilityBoundingSet", "RestrictSUIDSGID", "NoNewPrivileges", "LockPersonality", "MemoryDenyWriteExecute", "ProtectControlGroups",
         "ProtectClock", "PrivateDevices", "ProtectHostname", "ProtectKernelLogs", "ProtectKernelModules", "ProtectKernelTunables",
         "ProcSubset", "ProtectSystem", "ProtectHome", "RestrictAddressFamilies", "RestrictNamespaces", "RestrictRealtime",
         "SystemCallFilter"}


def read_unit(path, more):
    """{setting: value}; values of a setting that adds up stand behind one another."""
    settings = {}
    with open(path, encoding="ascii") as file:
        lines = [line.strip() for line in file]
    for line in [line for line in lines if line and line[0] not in "#["] + more:
        name, _, value = line.partition("=")
        if name not in KNOWN:
            fail(f"{path}: what {name} does is not known here")
        adds_up = name in ("CapabilityBoundingSet", "SystemCallFilter") and name in settings
        settings[name] = f"{settings[name]} {value}" if adds_up else value
    missing = KNOWN - set(settings)
    if missing:
        fail(f"{path}: no {', '.join(sorted(missing))}")
    return settings


def bound(names):
    keep = {CAPABILITIES[name] for name in names}
    for number in range(CAPABILITY_LAST + 1):
        if number not in keep:
            prctl(PR_CAPBSET_DROP, number)


def main():
    unit, *rest = sys.argv[1:]
    more, command = rest[:rest.index("--")], rest[rest.index("--") + 1:]
    settings = read_unit(unit, more)
    filters = [killing(settings["SystemCallFilter"].split()), refusals(settings)]
    do_mounts(settings)
    # The filters are loaded by who may do so without no_new_privs, and the one that kills last.
    bound(settings["CapabilityBoundingSet"].split())
    if is_on(settings["NoNewPrivileges"]):
        prctl(PR_SET_NO_NEW_PRIVS, 1)
    for one in reversed(filters):
        one.load()
    os.execvp(command[0], command)


main()
