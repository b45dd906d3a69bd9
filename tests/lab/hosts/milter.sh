#!/bin/bash
# Start and stop postern-milter on a mail host, as the service manager would: milter.sh SOCKET ACTION.
set -euo pipefail

socket=$1
pid_file=/run/postern-milter.pid

# The supervisor and its child, as long as they are there.
processes() {
	[ ! -e $pid_file ] || pgrep -x postern-milter || true
}

is_listening() {
	ss -Hlx | grep -qF " $socket "
}

start() {
	local pid reports=log_path=/var/log/sanitizer/milter
	[ -z "$(processes)" ] || return 0
	install -d -o _postern-milter -g postfix -m 750 "$(dirname "$socket")"
	install -d -o _postern-milter -m 755 /run/postern-milter
	install -d -o _postern-milter -m 700 /var/lib/postern-milter
	export ASAN_OPTIONS=$reports UBSAN_OPTIONS=$reports TSAN_OPTIONS=$reports
	/usr/sbin/postern-milter -c /etc/postern/milter.conf </dev/null >>/var/log/postern-milter.stderr 2>&1 &
	pid=$!
	echo "$pid" >$pid_file
	until is_listening; do
		if ! kill -0 "$pid" 2>/dev/null; then
			rm -f $pid_file
			echo "postern-milter did not start:"
			tail -n 20 /var/log/postern-milter.stderr
			tail -n 5 /var/log/mail.log
			return 1
		fi
		sleep 0.02
	done
}

# finish SIGNAL SECONDS: send it to the supervisor (KILL: to both) and wait for the end of both.
finish() {
	local deadline=$((SECONDS + $2)) pids
	pids=$(processes)
	[ -n "$pids" ] || return 0
	[ "$1" = KILL ] || pids=$(cat $pid_file)
	# shellcheck disable=SC2086 # a list of processes
	kill -s "$1" $pids
	while [ -n "$(processes)" ]; do
		if [ $SECONDS -gt $deadline ]; then
			echo "postern-milter is still there $2 s after SIG$1"
			return 1
		fi
		sleep 0.02
	done
	rm -f $pid_file
}

# All threads of both processes, a line each: the state is its first letter.
states() {
	local pid
	for pid in $(processes); do
		sed -n 's/^State:[[:space:]]*//p' /proc/"$pid"/task/*/status
	done
}

# A thread that waits goes on for a moment after the signal, if another one takes it.
hang() {
	processes | xargs -r kill -s STOP
	while [ -n "$(states | grep -v '^T')" ]; do
		sleep 0.02
	done
}

case ${2:-} in
start)		start ;;
stop)		finish TERM 60 ;;
kill)		finish KILL 60 ;;
restart)	finish TERM 60; start ;;
reload)		kill -s HUP "$(cat $pid_file)" ;;
hang)		hang ;;
wake)		processes | xargs -r kill -s CONT ;;
status)		[ -n "$(processes)" ] ;;
*)		echo "usage: milter.sh SOCKET start|stop|kill|restart|reload|hang|wake|status" >&2; exit 64 ;;
esac
