"""postern-transport.socket and postern-transport@.service on a host of the lab; systemd-socket-activate(1) plays systemd."""
import re
import subprocess

from harness import wait_for

# The leak checker of a build with the address sanitizer is a debugger, which no sandbox has in it.
NO_LEAK_CHECK = "ASAN_OPTIONS=log_path=/var/log/sanitizer/transport:detect_leaks=0"


def unit_lines(host, unit, name):
    """Values of a setting in a unit as it is installed."""
    return re.findall(rf"^{name}=(.*)$", host.read(f"/usr/lib/systemd/system/{unit}"), re.M)


def socket_path(host):
    """The unit's socket; its directories are made."""
    for command in unit_lines(host, "postern-transport.socket", "ExecStartPre"):
        host.run(*command.split())
    return unit_lines(host, "postern-transport.socket", "ListenStream")[0]


def listen(case, host, address):
    """What systemd does with the two units, until the case ends."""
    user = unit_lines(host, "postern-transport@.service", "User")[0]
    program = unit_lines(host, "postern-transport@.service", "ExecStart")[0]
    server = host.popen("sh", "-c", 'echo $$ >/run/activate.pid; exec "$@"', "sh", "systemd-socket-activate", "--accept", "--inetd",
                        "-E", NO_LEAK_CHECK, "-l", address, "setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups",
                        "--no-new-privs", *program.split(), stderr=subprocess.DEVNULL)
    case.addCleanup(server.wait)
    case.addCleanup(host.run, "sh", "-c", "kill $(cat /run/activate.pid)")
    wait_for("the socket", lambda: host.run("ss", "-Hlxtn").stdout.count(f" {address} "))
    if address.startswith("/"):
        host.run("chmod", unit_lines(host, "postern-transport.socket", "SocketMode")[0], address)
