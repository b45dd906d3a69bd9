#!/bin/bash
# The web host of the MTA-STS policies.
set -euo pipefail
# shellcheck source=tests/lab/hosts/common.sh
. /opt/lab/hosts/common.sh

start() {
	/opt/lab/sts_host.py >>/var/log/sts.err 2>&1 &
	until [ -e /run/sts.ready ]; do
		kill -0 $! || { cat /var/log/sts.err; return 1; }
		sleep 0.02
	done
}

"$@"
