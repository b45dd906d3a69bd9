#!/bin/bash
# The VPS: a validating resolver on 127.0.0.1, and the edge.  It trusts the lab's web CA.
# Postfix is there to compare with; it does not run unless a test starts it.
# "forget ZONE" empties the resolver's cache of it.
set -euo pipefail
# shellcheck source=tests/lab/hosts/common.sh
. /opt/lab/hosts/common.sh

start() {
	echo "nameserver 127.0.0.1" >/etc/resolv.conf
	echo "options edns0 trust-ad" >>/etc/resolv.conf
	unbound_start 127.0.0.1 ::1
	web_ca
	comparison_tools
	useradd --system --no-create-home --shell /usr/sbin/nologin _postern-edge
	sanitizer_reports
	if [ -d /srv/lab/stage ]; then
		/opt/lab/hosts/postern.sh vps
		/opt/lab/hosts/edge.sh start
	fi
}

# In the system's list of CAs, as update-ca-certificates(8) does it, and as a file of its own.
web_ca() {
	install -D -m 644 /srv/lab/tls/ca.pem /etc/lab/ca.pem
	cat /etc/lab/ca.pem >>/etc/ssl/certs/ca-certificates.crt
	install -D -m 644 /srv/lab/tls/ca.pem /usr/local/share/ca-certificates/lab.crt
	ln -s /usr/local/share/ca-certificates/lab.crt "/etc/ssl/certs/$(openssl x509 -in /etc/lab/ca.pem -noout -subject_hash).0"
}

# An smtp(8) that does DANE, without any listener; mail goes in by sendmail(1).  danetool has its trust anchor there.
comparison_tools() {
	install -D -m 644 /srv/lab/root.key /usr/share/dns/root.key
	postfix_base \
		"inet_interfaces = loopback-only" \
		"mydestination =" \
		"smtp_dns_support_level = dnssec" \
		"smtp_tls_security_level = dane" \
		"smtp_tls_loglevel = 1"
	postconf -MX smtp/inet
}

forget() {
	unbound_forget "$1"
}

"$@"
