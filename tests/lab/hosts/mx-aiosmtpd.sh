#!/bin/bash
# MX: aiosmtpd (Python); what it offers depends on the address, see aiosmtpd_mx.py.
set -euo pipefail
# shellcheck source=tests/lab/hosts/common.sh
. /opt/lab/hosts/common.sh

start() {
	mkdir -p /var/mail/aiosmtpd
	certificate /etc/mx.pem
	/opt/lab/aiosmtpd_mx.py >>/var/log/aiosmtpd.log 2>&1 &
	until [ -e /run/aiosmtpd.ready ]; do
		kill -0 $! || { cat /var/log/aiosmtpd.log; return 1; }
		sleep 0.02
	done
}

"$@"
