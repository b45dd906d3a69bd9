#!/bin/bash
# A third mail host, with Exim, whose mail for other hosts goes through postern-transport by the examples of the project. Nothing
# runs on it until "home-exim.sh daemon" is called (harness: lab.exim.start()): tcp/25 relays for the vps and for who logs in
# (any name, password "secret").
set -euo pipefail
# shellcheck source=tests/lab/hosts/common.sh
. /opt/lab/hosts/common.sh

start() {
	useradd --system --no-create-home --shell /usr/sbin/nologin _postern
	sanitizer_reports
}

exim_conf() {
	cat <<-EOF
	primary_hostname = $(hostname)
	domainlist local_domains = $(hostname)
	daemon_smtp_ports = 25
	local_interfaces = 192.0.2.12
	keep_environment = ^ASAN_OPTIONS\$ : ^UBSAN_OPTIONS\$ : ^TSAN_OPTIONS\$
	spool_directory = /var/spool/exim4
	log_file_path = syslog
	syslog_duplication = false
	log_selector = +smtp_confirmation
	message_size_limit = 52428800
	rfc1413_query_timeout = 0s
	host_lookup =
	smtputf8_advertise_hosts = *
	dsn_advertise_hosts = *
	chunking_advertise_hosts =
	tls_advertise_hosts =
	acl_smtp_rcpt = recipient
	acl_smtp_data = accept
	begin acl
	recipient:
	  accept hosts = 198.51.100.20
	  accept authenticated = *
	  deny
	begin routers
	EOF
	cat /usr/share/doc/postern/examples/exim/postern-router
	echo "begin transports"
	cat /usr/share/doc/postern/examples/exim/postern-transport
	cat <<-EOF
	begin retry
	* * F,1h,1m
	begin authenticators
	plain:
	  driver = plaintext
	  public_name = PLAIN
	  server_condition = \${if eq{\$auth3}{secret}}
	  server_set_id = \$auth2
	  server_prompts = :
	  server_advertise_condition = true
	EOF
}

daemon() {
	[ ! -e /run/exim4/exim.pid ] || return 0
	cp -a /srv/lab/stage/. /
	chmod 755 /etc/postern
	mkdir -p /var/spool/exim4/{input,msglog,db} /run/exim4
	chown -R Debian-exim:Debian-exim /var/spool/exim4 /run/exim4
	# Debian's exim4 runs only configurations in trusted places, such as this one.
	exim_conf >/etc/exim4/exim4.conf
	exim4 -bd -q1h
}

"$@"
