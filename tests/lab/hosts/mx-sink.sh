#!/bin/bash
# MX: Postfix's smtp-sink, without TLS; each message in a file of its own.
set -euo pipefail

start() {
	mkdir -p /var/mail/sink
	chown -R mail:mail /var/mail
	local address
	for address in 203.0.113.12 "[2001:db8:25::12]"; do
		smtp-sink -u mail -h "$(hostname)" -d "/var/mail/sink/%s." "$address:25" 1024 \
			>>/var/log/mail.log 2>&1 &
	done
	sleep 0.1
	jobs -r | grep -c smtp-sink | grep -qx 2
}

"$@"
