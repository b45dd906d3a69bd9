#!/bin/bash
# Start and stop postern-edge on the VPS, as the service manager would.
set -euo pipefail

pid_file=/run/postern-edge.pid
# A test may put a command here that is to start the program, with its arguments and none of them quoted.
wrapper_file=/run/postern-edge.wrapper

is_running() {
	[ -e $pid_file ] && kill -0 "$(cat $pid_file)" 2>/dev/null
}

# It waits for connections once it has read its journal and started its threads.
is_serving() {
	ls -l "/proc/$1/fd" 2>/dev/null | grep -q eventpoll
}

start() {
	local pid wrapper=() reports=log_path=/var/log/sanitizer/edge
	! is_running || return 0
	[ ! -e $wrapper_file ] || read -ra wrapper <$wrapper_file
	install -d -o _postern-edge -g _postern-edge -m 755 /run/postern-edge
	export ASAN_OPTIONS=$reports UBSAN_OPTIONS=$reports TSAN_OPTIONS=$reports
	setpriv --reuid _postern-edge --regid _postern-edge --init-groups --inh-caps=-all \
		"${wrapper[@]}" /usr/sbin/postern-edge -c /etc/postern/edge.conf \
		</dev/null >>/var/log/postern-edge.stderr 2>&1 &
	pid=$!
	echo "$pid" >$pid_file
	until is_serving "$pid"; do
		if ! kill -0 "$pid" 2>/dev/null; then
			echo "postern-edge did not start:"
			tail -n 20 /var/log/postern-edge.stderr
			tail -n 5 /var/log/mail.log
			return 1
		fi
		sleep 0.02
	done
}

# Where its threads are: state, the call they are in, what the kernel waits for.
describe() {
	local task
	for task in /proc/"$1"/task/*; do
		echo "thread ${task##*/}: $(grep -hE '^(Name|State|TracerPid):' "$task/status" | tr '\n\t' '  ')" \
		     "call $(cat "$task/syscall") wait $(cat "$task/wchan")"
	done 2>/dev/null
}

# signal SIGNAL SECONDS: send it and wait for the end.
finish() {
	local pid deadline=$((SECONDS + $2))
	is_running || return 0
	pid=$(cat $pid_file)
	kill -s "$1" "$pid"
	while kill -0 "$pid" 2>/dev/null; do
		if [ $SECONDS -gt $deadline ]; then
			echo "postern-edge is still there $2 s after SIG$1"
			describe "$pid"
			return 1
		fi
		sleep 0.02
	done
	rm -f $pid_file
}

case ${1:-} in
start)		start ;;
stop)		finish TERM 60 ;;
kill)		finish KILL 60 ;;
restart)	finish TERM 60; start ;;
reload)		kill -s HUP "$(cat $pid_file)" ;;
status)		is_running ;;
*)		echo "usage: edge.sh start|stop|kill|restart|reload|status" >&2; exit 64 ;;
esac
