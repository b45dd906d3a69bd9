#!/bin/bash
# MX: our own server with every kind of certificate; every case has an address and a domain.
set -euo pipefail
# shellcheck source=tests/lab/hosts/common.sh
. /opt/lab/hosts/common.sh

start() {
	/opt/lab/tls_mx.py >>/var/log/tls-mx.err 2>&1 &
	until [ -e /run/tls-mx.ready ]; do
		kill -0 $! || { cat /var/log/tls-mx.err; return 1; }
		sleep 0.02
	done
}

"$@"
