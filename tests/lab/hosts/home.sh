#!/bin/bash
# The mail host behind the blocked port: Postfix, OpenDKIM and the transport.
set -euo pipefail
# shellcheck source=tests/lab/hosts/common.sh
. /opt/lab/hosts/common.sh

start() {
	mkdir -p /var/mail/inbox
	chown -R mail:mail /var/mail
	postfix_base \
		"mynetworks = 127.0.0.0/8 [::1]/128" \
		"mydestination = localhost" \
		"virtual_mailbox_domains = home.example" \
		"virtual_mailbox_maps = static:inbox/" \
		"virtual_mailbox_base = /var/mail" \
		"virtual_minimum_uid = 1" \
		"virtual_uid_maps = static:$(id -u mail)" \
		"virtual_gid_maps = static:$(id -g mail)" \
		"smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination" \
		"smtpd_milters = inet:127.0.0.1:8891" \
		"non_smtpd_milters = inet:127.0.0.1:8891" \
		"smtpd_client_connection_count_limit = 0" \
		"smtpd_recipient_limit = 2000" \
		"default_process_limit = 200"
	opendkim_start
	sanitizer_reports
	transport
	postfix_start
	if [ -d /srv/lab/stage ]; then
		/opt/lab/hosts/postern.sh home
	fi
}

# As the project's manual says: LMTP over spawn(8).
transport() {
	useradd --system --no-create-home --shell /usr/sbin/nologin _postern
	cat >>/etc/postfix/master.cf <<-EOF
	postern-spawn unix - n n - 100 spawn
	  user=_postern argv=/usr/libexec/postern/postern-transport
	postern unix - - n - 100 lmtp
	  -o lmtp_send_xforward_command=yes -o lmtp_data_done_timeout=1020s
	EOF
	postconf -e "default_transport = postern:unix:private/postern-spawn" \
		"postern-spawn_time_limit = 86400" \
		"postern_destination_concurrency_limit = 100"
	# Only for builds with a sanitizer: spawn(8) gives its programs a clean environment.
	local reports=log_path=/var/log/sanitizer/transport
	postconf -e "import_environment = $(postconf -dh import_environment) ASAN_OPTIONS=$reports UBSAN_OPTIONS=$reports TSAN_OPTIONS=$reports" \
		"export_environment = $(postconf -dh export_environment) ASAN_OPTIONS UBSAN_OPTIONS TSAN_OPTIONS"
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
	SyslogSuccess		yes
	OversignHeaders		From
	UserID			root
	EOF
	opendkim -x /etc/opendkim.conf
}

"$@"
