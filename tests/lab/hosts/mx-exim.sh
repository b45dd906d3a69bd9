#!/bin/bash
# MX: Exim with TLS; takes mail for every domain, keeps it in one Maildir.
set -euo pipefail
# shellcheck source=tests/lab/hosts/common.sh
. /opt/lab/hosts/common.sh

exim_conf() {
	cat <<-EOF
	primary_hostname = $(hostname)
	daemon_smtp_ports = 25
	local_interfaces = <; 203.0.113.13 ; 2001:db8:25::13
	keep_environment =
	spool_directory = /var/spool/exim4
	log_file_path = syslog
	syslog_duplication = false
	message_size_limit = 52428800
	smtp_accept_max = 0
	smtp_accept_max_per_connection = 0
	smtp_accept_queue_per_connection = 0
	recipients_max = 2000
	rfc1413_query_timeout = 0s
	host_lookup =
	smtputf8_advertise_hosts = *
	chunking_advertise_hosts =
	tls_advertise_hosts = *
	tls_certificate = /etc/exim4/mx.pem
	acl_smtp_rcpt = recipient
	acl_smtp_data = accept
	begin acl
	recipient:
	  deny    local_parts = refused
	          message = User unknown here
	  defer   local_parts = later
	          message = Come back later
	  accept
	begin routers
	all:
	  driver = accept
	  transport = inbox
	begin transports
	inbox:
	  driver = appendfile
	  maildir_format
	  directory = /var/mail/inbox
	  create_directory
	  user = mail
	  group = mail
	  return_path_add
	  envelope_to_add
	  delivery_date_add
	begin retry
	* * F,1h,1m
	EOF
}

start() {
	mkdir -p /var/spool/exim4/{input,msglog,db} /var/mail/inbox
	chown -R mail:mail /var/mail
	chown -R Debian-exim:Debian-exim /var/spool/exim4
	certificate /etc/exim4/mx.pem
	chgrp Debian-exim /etc/exim4/mx.pem
	chmod 640 /etc/exim4/mx.pem
	# Debian's exim4 runs only configurations in trusted places, such as this one.
	exim_conf >/etc/exim4/exim4.conf
	exim4 -bd -q1m
}

"$@"
