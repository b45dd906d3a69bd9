#!/bin/bash
# The mail host behind the blocked port: Postfix, OpenDKIM and the transport. tcp/587 is for
# users who log in (any name, password "secret"), tcp/2587 for clients with a certificate whose
# fingerprint is in /etc/postfix/relay_clientcerts. postern-milter is off unless a test switches it on.
set -euo pipefail
# shellcheck source=tests/lab/hosts/common.sh
. /opt/lab/hosts/common.sh

start() {
	mkdir -p /var/mail/inbox
	chown -R mail:mail /var/mail
	# Tests hold many sessions open and talk in one after the other: under stress smtpd(8) would hang up after 10 s of silence.
	postfix_base \
		"smtpd_timeout = 300s" \
		"mynetworks = 127.0.0.0/8 [::1]/128" \
		"mydestination = localhost" \
		"virtual_mailbox_domains = home.example" \
		"virtual_mailbox_maps = static:inbox/" \
		"virtual_mailbox_base = /var/mail" \
		"virtual_minimum_uid = 1" \
		"virtual_uid_maps = static:$(id -u mail)" \
		"virtual_gid_maps = static:$(id -g mail)" \
		"smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination" \
		"smtpd_milters = unix:opendkim/opendkim.sock" \
		"non_smtpd_milters = unix:opendkim/opendkim.sock" \
		"smtpd_client_connection_count_limit = 0" \
		"smtpd_error_sleep_time = 0" \
		"smtpd_hard_error_limit = 10000" \
		"smtpd_recipient_limit = 2000" \
		"default_process_limit = 200"
	opendkim_start
	sanitizer_reports
	transport
	submission
	postfix_start
	if [ -d /srv/lab/stage ]; then
		/opt/lab/hosts/postern.sh home
	fi
}

# As the project's manual says: LMTP over spawn(8).
transport() {
	useradd --system --no-create-home --shell /usr/sbin/nologin _postern
	cat >>/etc/postfix/master.cf <<-EOF
	postern-spawn unix - n n - 0 spawn
	  user=_postern argv=/usr/libexec/postern/postern-transport
	postern unix - - n - 100 lmtp
	  -o lmtp_send_xforward_command=yes -o lmtp_data_done_timeout=1020s
	EOF
	postconf -e "default_transport = postern:unix:private/postern-spawn" \
		"postern-spawn_time_limit = 86400" \
		"postern_destination_concurrency_limit = 100" \
		"postern_initial_destination_concurrency = 100"
	# Only for builds with a sanitizer: spawn(8) gives its programs a clean environment.
	local reports=log_path=/var/log/sanitizer/transport
	postconf -e "import_environment = $(postconf -dh import_environment) ASAN_OPTIONS=$reports UBSAN_OPTIONS=$reports TSAN_OPTIONS=$reports" \
		"export_environment = $(postconf -dh export_environment) ASAN_OPTIONS UBSAN_OPTIONS TSAN_OPTIONS"
}

submission() {
	useradd --system --no-create-home --shell /usr/sbin/nologin _postern-milter
	certificate /etc/postfix/home.pem
	touch /etc/postfix/relay_clientcerts
	cat >>/etc/postfix/master.cf <<-EOF
	submission inet n - n - - smtpd
	  -o syslog_name=postfix/submission
	  -o smtpd_sasl_auth_enable=yes -o smtpd_sasl_type=dovecot -o smtpd_sasl_path=private/lab-auth
	  -o smtpd_relay_restrictions=permit_sasl_authenticated,reject
	2587 inet n - n - - smtpd
	  -o syslog_name=postfix/certificates
	  -o smtpd_tls_security_level=may -o smtpd_tls_ask_ccert=yes
	  -o smtpd_relay_restrictions=permit_tls_clientcerts,reject
	  -o smtpd_sender_restrictions=\$lab_certificate_restrictions
	EOF
	postconf -e "lab_certificate_restrictions =" \
		"smtpd_tls_chain_files = /etc/postfix/home.pem" \
		"relay_clientcerts = texthash:/etc/postfix/relay_clientcerts"
	install -d -o postfix /var/spool/postfix/private
	/opt/lab/sasl_auth.py /var/spool/postfix/private/lab-auth >/var/log/sasl_auth.log 2>&1 &
}

opendkim_start() {
	install -m 600 /srv/lab/dkim.key /etc/dkim.key
	cat >/etc/opendkim.conf <<-EOF
	Mode			s
	Domain			home.example
	Selector		lab
	KeyFile			/etc/dkim.key
	Socket			local:/var/spool/postfix/opendkim/opendkim.sock
	UMask			000
	PidFile			/run/opendkim.pid
	Canonicalization	relaxed/simple
	InternalHosts		127.0.0.1, ::1
	Syslog			yes
	SyslogSuccess		yes
	OversignHeaders		From
	UserID			root
	EOF
	# By TCP each message would wait 40 ms for an acknowledgement.
	install -d /var/spool/postfix/opendkim
	opendkim -x /etc/opendkim.conf
}

"$@"
