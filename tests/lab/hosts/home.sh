#!/bin/bash
# The mail host behind the blocked port: Postfix, OpenDKIM and the transport.
set -euo pipefail
# shellcheck source=tests/lab/hosts/common.sh
. /opt/lab/hosts/common.sh

start() {
	postfix_base \
		"mynetworks = 127.0.0.0/8 [::1]/128" \
		"mydestination = localhost, home.example" \
		"local_recipient_maps =" \
		"home_mailbox = Maildir/" \
		"luser_relay = postmaster" \
		"smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination" \
		"smtpd_milters = inet:127.0.0.1:8891" \
		"non_smtpd_milters = inet:127.0.0.1:8891" \
		"smtpd_client_connection_count_limit = 0" \
		"default_process_limit = 200" \
		"smtputf8_enable = yes"
	opendkim_start
	postfix_start
}

opendkim_start() {
	install -m 600 /srv/lab/dkim.key /etc/dkim.key
	cat >/etc/opendkim.conf <<-EOF
	Mode			s
	Domain			home.example
	Selector		lab
	KeyFile			/etc/dkim.key
	Socket			inet:8891@127.0.0.1
	PidFile			/run/opendkim.pid
	Canonicalization	relaxed/simple
	InternalHosts		127.0.0.1, ::1
	Syslog			yes
	OversignHeaders		From
	UserID			root
	EOF
	opendkim -x /etc/opendkim.conf
}

"$@"
