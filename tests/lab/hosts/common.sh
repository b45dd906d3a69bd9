# shellcheck shell=bash
# Parts that several hosts use.  Runs inside a host.

set -E
trap 'echo "${BASH_SOURCE[0]}:$LINENO: failed: $BASH_COMMAND"' ERR

# A certificate for this host that nobody vouches for: certificate FILE
certificate() {
	local file=$1
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3 \
		-subj "/CN=$(hostname)" -addext "subjectAltName=DNS:$(hostname)" \
		-keyout "$file" -out "$file.crt" 2>/dev/null
	cat "$file.crt" >>"$file"
	rm "$file.crt"
	chmod 600 "$file"
}

# A validating resolver with the lab's own root: unbound_start ADDRESS...
unbound_start() {
	local zone
	until [ -e /srv/lab/root.key ]; do sleep 0.02; done
	{
		echo "server:"
		printf '\tinterface: %s\n' "$@"
		cat <<-EOF
		access-control: 0.0.0.0/0 allow
		access-control: ::/0 allow
		chroot: ""
		directory: "/etc/unbound"
		pidfile: "/run/unbound.pid"
		logfile: "/var/log/unbound.log"
		use-syslog: no
		verbosity: 1
		val-log-level: 2
		num-threads: 1
		trust-anchor-file: "/srv/lab/root.key"
		root-hints: "/etc/unbound/lab.hints"
		do-not-query-localhost: no
		cache-max-negative-ttl: 5
		infra-host-ttl: 5
		EOF
		for zone in 2.0.192 100.51.198 113.0.203; do
			printf '\tlocal-zone: "%s.in-addr.arpa." nodefault\n' $zone
		done
		printf '\tlocal-zone: "8.b.d.0.1.0.0.2.ip6.arpa." nodefault\n'
		cat <<-EOF
		remote-control:
			control-enable: yes
			control-interface: /run/unbound.ctl
			control-use-cert: no
		EOF
	} >/etc/unbound/lab.conf
	cat >/etc/unbound/lab.hints <<-EOF
	. 60 NS ns.example.
	ns.example. 60 A 203.0.113.53
	ns.example. 60 AAAA 2001:db8:25::53
	EOF
	touch /var/log/unbound.log
	chown unbound /var/log/unbound.log
	unbound -c /etc/unbound/lab.conf
}

unbound_forget() {
	local command
	for command in "flush_zone $1" "flush_zone ${1#*.}" "flush_infra all" "flush_negative" \
		"flush_bogus"; do
		# shellcheck disable=SC2086 # a command and its argument
		unbound-control -c /etc/unbound/lab.conf $command >/dev/null
	done
}

# Start from Postfix's own defaults, with neither chroots nor the machine's files.
# postfix_base SETTING...
postfix_base() {
	local files
	chown postfix:postfix /var/lib/postfix
	rm -f /etc/postfix/main.cf /etc/postfix/master.cf
	files=$(dirname "$(find /usr/share/postfix /etc/postfix -name master.cf.dist -print -quit)")
	cp "$files/master.cf.dist" /etc/postfix/master.cf
	cat >/etc/postfix/main.cf <<-EOF
	compatibility_level = 3.6
	myhostname = $(hostname)
	mydestination =
	inet_interfaces = all
	inet_protocols = all
	smtpd_banner = \$myhostname ESMTP \$mail_name
	message_size_limit = 52428800
	mailbox_size_limit = 0
	virtual_mailbox_limit = 0
	alias_maps =
	alias_database =
	biff = no
	EOF
	postconf -F '*/*/chroot=n'
	postconf -e "$@"
}

postfix_start() {
	postfix start || {
		cat /var/log/mail.log
		return 1
	}
}

# Where programs built with a sanitizer write what they find; tests look there after each case.
sanitizer_reports() {
	mkdir -p /var/log/sanitizer
	chmod 1777 /var/log/sanitizer
}
