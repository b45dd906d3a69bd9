#!/bin/bash
# A second mail host, with sendmail and its own milter library's ways. Nothing runs on it until
# "home-sendmail.sh daemon" is called (harness: lab.sendmail.start()): tcp/25 relays for who logs
# in (alice@home.example, bob@home.example; password "secret") and for the vps (198.51.100.20), straight to the MX
# hosts. sendmail has its mail filter at unix:/run/postern-milter/milter.sock with F=T, tempfail.
# "home-sendmail.sh daemon postern" starts it (anew) with the examples of the project instead: other hosts' mail goes through
# postern-transport, whose edge the harness names; .forward files count.
set -euo pipefail
# shellcheck source=tests/lab/hosts/common.sh
. /opt/lab/hosts/common.sh

start() {
	useradd --system --no-create-home --shell /usr/sbin/nologin _postern-milter
	groupadd -f postfix
	sanitizer_reports
}

configuration() {
	cat <<-'EOF'
	divert(0)dnl
	OSTYPE(`linux')dnl
	define(`confDOMAIN_NAME', `mail.sendmail.example')dnl
	define(`PROCMAIL_MAILER_PATH', `/bin/false')dnl
	define(`LOCAL_MAILER_PATH', `/bin/false')dnl
	define(`confPID_FILE', `/run/sendmail.pid')dnl
	define(`confLOG_LEVEL', `12')dnl
	define(`confTO_IDENT', `0')dnl
	define(`confREFUSE_LA', `0')dnl
	define(`confQUEUE_LA', `1000')dnl
	define(`confDELIVERY_MODE', `background')dnl
	define(`confBAD_RCPT_THROTTLE', `0')dnl
	define(`confMAX_MESSAGE_SIZE', `52428800')dnl
	define(`confMAX_HEADERS_LENGTH', `8388608')dnl
	define(`confMILTER_LOG_LEVEL', `9')dnl
	define(`confAUTH_MECHANISMS', `PLAIN LOGIN')dnl
	TRUST_AUTH_MECH(`PLAIN LOGIN')dnl
	RELAY_DOMAIN(`198.51.100.20')dnl
	FEATURE(`nocanonify')dnl
	FEATURE(`accept_unresolvable_domains')dnl
	undefine(`confHOSTS_FILE')dnl
	DAEMON_OPTIONS(`Name=MTA, Family=inet, Addr=0.0.0.0, Port=25')dnl
	EOF
	case $1 in
	direct)
		cat <<-'EOF'
		INPUT_MAIL_FILTER(`postern', `S=local:/run/postern-milter/milter.sock, F=T, T=S:10s;R:10s;E:30s')dnl
		MAILER(`smtp')dnl
		EOF
		;;
	postern)
		cat <<-'EOF'
		define(`confDONT_BLAME_SENDMAIL', `GroupWritableForwardFile,ForwardFileInUnsafeDirPath')dnl
		undefine(`ALIAS_FILE')dnl
		include(`/usr/share/doc/postern/examples/sendmail/postern.mc')dnl
		include(`/usr/share/doc/postern/examples/sendmail/postern-milter.mc')dnl
		MAILER(`local')dnl
		MAILER(`smtp')dnl
		EOF
		;;
	esac
}

logins() {
	local user
	rm -f /etc/sasldb2
	for user in alice bob; do
		echo secret | saslpasswd2 -p -c -u home.example "$user"
	done
	printf '%s\n' "pwcheck_method: auxprop" "auxprop_plugin: sasldb" "mech_list: PLAIN LOGIN" >/etc/mail/sasl/Sendmail.conf.2
}

# daemon [postern]: restarted if it runs with the other configuration.
daemon() {
	local kind=${1:-direct}
	[ "$(cat /run/sendmail.kind 2>/dev/null)" != "$kind" ] || return 0
	stop
	cp -a /srv/lab/stage/. /
	chmod 755 /etc/postern
	mkdir -p /etc/mail /var/spool/mqueue /run/sendmail/mta
	chmod 700 /var/spool/mqueue
	install -d -o smmsp -g smmsp -m 2770 /var/spool/mqueue-client
	configuration "$kind" >/etc/mail/sendmail.mc
	logins
	m4 -D_CF_DIR_=/usr/share/sendmail/cf/ /usr/share/sendmail/cf/m4/cf.m4 /etc/mail/sendmail.mc >/etc/mail/sendmail.cf
	[ "$kind" != postern ] || postern_user
	sendmail -bd
	echo "$kind" >/run/sendmail.kind
}

postern_user() {
	id _postern >/dev/null 2>&1 || useradd --system --no-create-home --shell /usr/sbin/nologin _postern
	id carl >/dev/null 2>&1 || useradd --create-home carl
}

stop() {
	local pid
	[ -e /run/sendmail.pid ] || return 0
	pid=$(head -1 /run/sendmail.pid)
	kill "$pid" 2>/dev/null || true
	while kill -0 "$pid" 2>/dev/null; do sleep 0.02; done
	rm -f /run/sendmail.pid /run/sendmail.kind
}

"$@"
