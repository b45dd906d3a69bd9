# shellcheck shell=bash
# A host of the lab: an overlay root, a network namespace, and processes of its
# own, started by hosts/NAME.sh, which runs inside it as the first thing.

host_lines() {
	sed -e 's/#.*//' -e '/^[[:space:]]*$/d' "$LAB_SRC/hosts.conf"
}

host_names() {
	host_lines | awk '{ print $1 }'
}

host_flavours() {
	host_lines | awk '{ print $2 }' | sort -u
}

# Start all hosts side by side and wait for the last one.
hosts_start() {
	local name flavour hostname addresses failed=
	install -d -m 755 "$LAB_ROOT/shared"
	cp "$LAB_SRC"/zones/*.zone "$LAB_ROOT/zones/"
	stage_postern
	dkim_key
	mkdir -p "$LAB_ROOT/shared/sts"
	/usr/bin/python3 -B "$LAB_SRC/tls_zoo.py" "$LAB_ROOT/shared/tls" "$LAB_ROOT/zones"
	/usr/bin/python3 "$LAB_SRC/hostile_mx.py" --zone >>"$LAB_ROOT/zones/hostile.example.zone"
	host_base
	while read -r name flavour hostname addresses; do
		# shellcheck disable=SC2086 # a list of columns
		net_host "$name" $addresses
		host_root "$name" "$flavour" "$hostname"
	done < <(host_lines)
	syslog_start
	for name in $(host_names); do
		host_boot "$name"
	done
	for name in $(host_names); do
		host_wait "$name" || failed+=" $name"
	done
	[ -z "$failed" ] || die "did not start:$failed"
}

# The machine's root, read-only, where overlays can use it below a layer: the
# kernel refuses a layer that is itself part of a lower directory, as it is when
# LAB_DIR and / are one file system; another overlay in between hides that.
host_base() {
	local base=$LAB_ROOT/base
	mkdir -p "$base" "$LAB_ROOT/empty"
	if [ "$(stat -c %d /)" = "$(stat -c %d "$LAB_DIR/layers")" ]; then
		mount -t overlay overlay -o "ro,lowerdir=$LAB_ROOT/empty:/" "$base"
	else
		mount --bind / "$base"
	fi
}

# The writable root of a host: [its own files] over [layer] over the machine's /.
host_root() {
	local name=$1 flavour=$2 hostname=$3 dir=$LAB_ROOT/hosts/$1 lower
	local root=$dir/root
	lower=$(layer_dir "$flavour"):$LAB_ROOT/base
	mkdir -p "$dir/upper" "$dir/work" "$root"
	layer_mount_overlay "$lower" "$dir/upper" "$dir/work" "$root" ||
		die "cannot mount an overlay for host $name"
	layer_mount_system "$root"
	host_hide_machine "$root"
	mkdir -p "$root/opt/lab" "$root/srv/lab" "$root/srv/lab-zones" "$root/srv/project"
	mount --bind -o ro "$LAB_SRC" "$root/opt/lab"
	mount --bind "$LAB_ROOT/shared" "$root/srv/lab"
	mount --bind "$LAB_ROOT/zones" "$root/srv/lab-zones"
	# Its own place may be hidden from the hosts, below /tmp for one.
	mount --bind -o ro "$PROJECT" "$root/srv/project"
	host_names_files "$root" "$hostname"
}

# Whatever mail the machine itself holds must not be seen by the lab's servers.
host_hide_machine() {
	local root=$1 dir
	for dir in var/log var/spool var/mail var/lib/postfix var/lib/postern; do
		rm -f "$root/$dir" 2>/dev/null || true
		mkdir -p "$root/$dir"
		mount -t tmpfs -o mode=755 tmpfs "$root/$dir"
	done
	chmod 2775 "$root/var/mail"
	mkdir -p "$root/var/spool/postfix"
	rm -rf "$root/etc/postern" "$root/etc/aliases" "$root/etc/resolv.conf"
	mkdir -p "$root/etc/postern"
}

host_names_files() {
	local root=$1 hostname=$2
	echo "$hostname" >"$root/etc/hostname"
	echo "$hostname" >"$root/etc/mailname"
	printf '127.0.0.1\tlocalhost\n::1\tlocalhost\n' >"$root/etc/hosts"
	echo "nameserver 203.0.113.54" >"$root/etc/resolv.conf"
	printf '%s: files\n' passwd group shadow services protocols >"$root/etc/nsswitch.conf"
	echo "hosts: files dns" >>"$root/etc/nsswitch.conf"
	echo "root: postmaster" >"$root/etc/aliases"
}

# One process writes the logs of all hosts: HOST/var/log/mail.log.
syslog_start() {
	local arguments=() name hostname
	while read -r name _ hostname _; do
		arguments+=("$LAB_ROOT/hosts/$name/root=${hostname%%.*}")
	done < <(host_lines)
	/usr/bin/python3 "$LAB_SRC/syslogd.py" "${arguments[@]}" &
	for name in $(host_names); do
		until [ -S "$LAB_ROOT/hosts/$name/root/dev/log" ]; do sleep 0.01; done
	done
}

# The host's first process; its parent (the unshare) is the anchor for nsenter.
host_boot() {
	local name=$1 dir=$LAB_ROOT/hosts/$1
	nsenter --net="/run/netns/$name" unshare --mount --pid --uts --ipc --fork --kill-child \
		"$LAB_SRC/hosts/init" "$name" "$dir/root" </dev/null >"$dir/boot.log" 2>&1 &
	echo $! >"$dir/anchor"
}

host_wait() {
	local name=$1 dir=$LAB_ROOT/hosts/$1 anchor
	anchor=$(cat "$dir/anchor")
	until [ -e "$dir/root/run/lab.ready" ]; do
		if ! kill -0 "$anchor" 2>/dev/null; then
			echo "lab: host $name did not start:" >&2
			cat "$dir/boot.log" >&2
			return 1
		fi
		sleep 0.02
	done
}

# host_exec HOST COMMAND...: run inside the host, as root, with its own PATH.
host_exec() {
	local name=${1:-} anchor
	shift
	host_names | grep -qx -- "$name" || die "no such host: $name"
	anchor=$(cat "$LAB_ROOT/hosts/$name/anchor")
	exec nsenter -t "$anchor" --mount --net --uts --ipc \
		--pid="/proc/$anchor/ns/pid_for_children" -- \
		env HOME=/root PATH="$PATH" "${@:-bash}"
}

host_shell() {
	if [ $# -eq 0 ]; then
		PS1='internet# ' exec bash --norc
	fi
	host_exec "$1" env PS1="$1# " bash --norc
}

host_log() {
	exec cat "$LAB_ROOT/hosts/${1:?host}/root/var/log/mail.log"
}

# host_zone NAME: the zone's records from standard input.
host_zone() {
	local name=${1:?zone name}
	cat >"$LAB_ROOT/zones/.$name.new"
	mv "$LAB_ROOT/zones/.$name.new" "$LAB_ROOT/zones/${name%.}.zone"
	zones_changed "$name"
}

host_unzone() {
	rm -f "$LAB_ROOT/zones/${1:?zone name}.zone"
	zones_changed "$1"
}

zones_changed() {
	(
		flock 9
		(host_exec dns /opt/lab/hosts/dns.sh reload "$1")
		(host_exec vps /opt/lab/hosts/vps.sh forget "$1")
	) 9>"$LAB_ROOT/zones/.lock"
}

host_edge() {
	host_exec vps /opt/lab/hosts/edge.sh "${1:?start|stop|kill|restart|reload|status}"
}

# The DKIM key of home.example: the private half for the home host, the public
# half in the DNS.
dkim_key() {
	local key=$LAB_ROOT/shared/dkim.key public line
	openssl genrsa -out "$key" 2048 2>/dev/null
	public=$(openssl rsa -in "$key" -pubout -outform DER 2>/dev/null | base64 -w 200)
	{
		echo "lab._domainkey TXT ( \"v=DKIM1; k=rsa; p=\""
		while read -r line; do echo "\"$line\""; done <<<"$public"
		echo ")"
	} >>"$LAB_ROOT/zones/home.example.zone"
}

# Install the built programs once; home and vps copy them.  Without a complete
# build the lab has the hosts, but no postern.
stage_postern() {
	local stage=$LAB_ROOT/shared/stage program
	for program in postern postern-edge postern-transport; do
		[ -x "$POSTERN_BUILD/$program" ] || return 0
	done
	mkdir -p "$stage"
	(
		flock 9
		make -s -C "$PROJECT" install-files BUILD="$POSTERN_BUILD" DESTDIR="$stage" \
			PREFIX=/usr >"$LAB_ROOT/log/install.log" 2>&1
	) 9>"$LAB_DIR/.install.lock" || {
		cat "$LAB_ROOT/log/install.log" >&2
		die "make install failed"
	}
}
