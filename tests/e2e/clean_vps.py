"""A VPS that has postern's programs and nothing else of it, until the end of a case."""
from harness import lab

# As systemctl(1) for this one unit, in a host that has no service manager. What is in /run/no-start keeps it from starting.
SYSTEMCTL = r"""#!/bin/sh
case $1 in
daemon-reload) ;;
is-enabled) test -e /run/enabled ;;
is-active) /opt/lab/hosts/edge.sh status >/dev/null 2>&1 ;;
enable) : >/run/enabled ;;
disable) rm -f /run/enabled ;;
start) [ ! -e /run/no-start ] || { echo "Job for postern-edge.service failed." >&2; exit 1; } ; /opt/lab/hosts/edge.sh start >/dev/null 2>&1 </dev/null ;;
*) /opt/lab/hosts/edge.sh "$1" >/dev/null 2>&1 </dev/null ;;
esac
"""


def clean_vps(case):
    lab.edge.stop()
    lab.vps.run("sh", "-ec", "tar -C / -cf /run/saved.tar etc/postern var/lib/postern; mkdir -p /run/systemd/system")
    case.addCleanup(put_back)
    lab.vps.write("/usr/local/sbin/systemctl", SYSTEMCTL)
    lab.vps.run("sh", "-ec", "chmod 755 /usr/local/sbin/systemctl; umount /var/lib/postern; rm -rf /etc/postern/* /var/lib/postern; userdel _postern-edge")


def put_back():
    lab.edge.stop()
    lab.vps.run("sh", "-ec", "rm -rf /etc/postern/* /var/lib/postern /run/systemd/system /usr/local/sbin/systemctl /run/enabled /run/no-start; "
                "id -u _postern-edge >/dev/null || useradd --system --no-create-home --shell /usr/sbin/nologin _postern-edge; "
                "mkdir /var/lib/postern; mount -t tmpfs -o mode=755 postern /var/lib/postern; tar -C / -xf /run/saved.tar; chown -R _postern-edge: /var/lib/postern")
    lab.edge.start()
