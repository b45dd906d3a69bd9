#!/bin/bash
# MX: OpenSMTPD without TLS; takes mail for every domain, keeps it in one Maildir.
# On 203.0.113.18 it offers STARTTLS: Debian 12's OpenSMTPD 6.8 then fails every
# handshake (its key process does not work with OpenSSL 3); later ones succeed.
set -euo pipefail
# shellcheck source=tests/lab/hosts/common.sh
. /opt/lab/hosts/common.sh

smtpd_conf() {
	cat <<-EOF
	pki lab cert "/etc/mx.crt"
	pki lab key "/etc/mx.key"
	smtp max-message-size 50M
	listen on 203.0.113.14 hostname $(hostname)
	listen on 2001:db8:25::14 hostname $(hostname)
	listen on 203.0.113.18 tls pki lab hostname $(hostname)
	listen on 2001:db8:25::18 tls pki lab hostname $(hostname)
	table everybody { "@" = "inbox" }
	table refused { "refused@opensmtpd.example" }
	action "store" maildir "/var/mail/inbox" virtual <everybody>
	match from any for rcpt-to <refused> reject
	match from any for any action "store"
	EOF
}

start() {
	useradd --system --no-create-home --shell /usr/sbin/nologin inbox
	mkdir -p /var/mail/inbox /var/spool/smtpd
	chown inbox /var/mail/inbox
	chmod 711 /var/spool/smtpd
	certificate /etc/mx.key
	openssl x509 -in /etc/mx.key -out /etc/mx.crt
	smtpd_conf >/etc/smtpd.conf
	smtpd -f /etc/smtpd.conf
}

"$@"
