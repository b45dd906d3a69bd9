#!/bin/bash
# MX: Postfix.  Takes mail for every domain and keeps it in one Maildir; refuses
# refused@ for good and later@ for now.  As submission.postfix.example it is a relay for users who
# log in (any name, password "open sesame 4711"): 587, 465 (TLS from the first byte), 4587 (LOGIN
# alone), and two that nobody should give a password: 2587 (a certificate of its own making), 3587
# (no TLS).  2525 is as 25, for a mail host that may not use that port.
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
	submission
	postfix_start
}

submission() {
	local login="-o smtpd_sasl_auth_enable=yes -o smtpd_sasl_type=dovecot -o smtpd_sasl_path=private/lab-auth
	  -o smtpd_relay_restrictions=permit_sasl_authenticated,reject"
	local tls="$login -o smtpd_tls_security_level=encrypt -o smtpd_tls_auth_only=yes"
	local good="$tls -o smtpd_tls_chain_files=/etc/postfix/submission.pem"
	install -m 600 /srv/lab/tls/submission.pem /etc/postfix/submission.pem
	cat >>/etc/postfix/master.cf <<-EOF
	587 inet n - n - - smtpd
	  -o syslog_name=postfix/587 $good
	465 inet n - n - - smtpd
	  -o syslog_name=postfix/465 $good -o smtpd_tls_wrappermode=yes
	4587 inet n - n - - smtpd
	  -o syslog_name=postfix/4587 $good -o smtpd_sasl_mechanism_filter=login
	2587 inet n - n - - smtpd
	  -o syslog_name=postfix/2587 $tls
	3587 inet n - n - - smtpd
	  -o syslog_name=postfix/3587 $login -o smtpd_tls_security_level=none
	2525 inet n - n - - smtpd
	  -o syslog_name=postfix/2525
	EOF
	install -d -o postfix /var/spool/postfix/private
	/opt/lab/sasl_auth.py /var/spool/postfix/private/lab-auth "open sesame 4711" >/var/log/sasl_auth.log 2>&1 &
}

"$@"
