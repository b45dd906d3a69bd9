#!/bin/bash
# MX: Postfix.  Takes mail for every domain and keeps it in one Maildir; refuses
# refused@ for good and later@ for now.
set -euo pipefail
# shellcheck source=tests/lab/hosts/common.sh
. /opt/lab/hosts/common.sh

start() {
	certificate /etc/postfix/mx.pem
	cat >/etc/postfix/recipients <<-'EOF'
	/^refused@/	550 5.1.1 User unknown here
	/^later@/	450 4.7.1 Come back later
	/^full@/	452 4.2.2 Mailbox full
	EOF
	mkdir -p /var/mail/inbox
	chown -R mail:mail /var/mail
	postfix_base \
		"virtual_mailbox_domains = regexp:{{/./ any}}" \
		"virtual_mailbox_maps = static:inbox/" \
		"virtual_mailbox_base = /var/mail" \
		"virtual_minimum_uid = 1" \
		"virtual_uid_maps = static:$(id -u mail)" \
		"virtual_gid_maps = static:$(id -g mail)" \
		"smtpd_recipient_restrictions = check_recipient_access regexp:/etc/postfix/recipients, permit" \
		"smtpd_relay_restrictions = reject_unauth_destination" \
		"smtpd_tls_security_level = may" \
		"smtpd_tls_chain_files = /etc/postfix/mx.pem" \
		"smtpd_tls_loglevel = 1" \
		"smtpd_client_connection_count_limit = 0" \
		"smtpd_error_sleep_time = 0" \
		"smtpd_recipient_limit = 2000" \
		"default_process_limit = 200" \
		"message_drop_headers =" \
		"smtputf8_enable = yes" \
		"append_dot_mydomain = no"
	postfix_start
}

"$@"
