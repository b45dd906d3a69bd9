#!/bin/bash
# MX: our own scripted server; every script has an address and a domain.
set -euo pipefail
# shellcheck source=tests/lab/hosts/common.sh
. /opt/lab/hosts/common.sh

start() {
	certificate /etc/mx.pem
	/opt/lab/hostile_mx.py >>/var/log/hostile.err 2>&1 &
	until [ -e /run/hostile.ready ]; do
		kill -0 $! || { cat /var/log/hostile.err; return 1; }
		sleep 0.02
	done
}

"$@"
