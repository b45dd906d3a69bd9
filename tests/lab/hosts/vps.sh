#!/bin/bash
# The VPS: a validating resolver on 127.0.0.1, and the edge.
# "forget ZONE" empties the resolver's cache of it.
set -euo pipefail
# shellcheck source=tests/lab/hosts/common.sh
. /opt/lab/hosts/common.sh

start() {
	echo "nameserver 127.0.0.1" >/etc/resolv.conf
	echo "options edns0 trust-ad" >>/etc/resolv.conf
	unbound_start 127.0.0.1 ::1
	useradd --system --no-create-home --shell /usr/sbin/nologin _postern-edge
	sanitizer_reports
	if [ -d /srv/lab/stage ]; then
		/opt/lab/hosts/postern.sh vps
		/opt/lab/hosts/edge.sh start
	fi
}

forget() {
	unbound_forget "$1"
}

"$@"
