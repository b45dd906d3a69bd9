#!/bin/bash
# The DNS server: nsd serves all zones (203.0.113.53), unbound resolves for
# everybody but the VPS (203.0.113.54).  "reload ZONE" after a change.
set -euo pipefail
# shellcheck source=tests/lab/hosts/common.sh
. /opt/lab/hosts/common.sh

zones=/var/lib/lab-dns

nsd_conf() {
	cat <<-EOF
	server:
		ip-address: 203.0.113.53
		ip-address: 2001:db8:25::53
		zonesdir: "$zones"
		username: ""
		chroot: ""
		database: ""
		pidfile: "/run/nsd.pid"
		xfrdfile: "/run/nsd.xfrd"
		zonelistfile: "/run/nsd.zones"
		logfile: "/var/log/nsd.log"
		xfrdir: "/tmp"
		hide-version: yes
	remote-control:
		control-enable: yes
		control-interface: /run/nsd.ctl
	include: "$zones/zones.conf"
	EOF
}

start() {
	mkdir -p $zones
	/opt/lab/zones.py /srv/lab-zones $zones
	cp $zones/root.key /srv/lab/root.key.new
	mv /srv/lab/root.key.new /srv/lab/root.key
	nsd_conf >/etc/nsd/nsd.conf
	nsd -c /etc/nsd/nsd.conf
	unbound_start 203.0.113.54 2001:db8:25::54
}

reload() {
	/opt/lab/zones.py /srv/lab-zones $zones
	nsd-control reconfig >/dev/null
	nsd-control reload >/dev/null
	until [ "$(dig +short @203.0.113.53 lab-serial. TXT)" = "\"$(cat $zones/serial)\"" ]; do
		sleep 0.02
	done
	unbound_forget "$1"
}

"$@"
