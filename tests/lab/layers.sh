# shellcheck shell=bash
# Overlay layers: server packages installed over the machine's own root, seen
# only inside the lab.  A layer is the upper directory of an overlay in which
# apt-get ran by chroot; it is built once per package list and Debian version
# and appears under its final name only when complete.

layer_packages() {
	case $1 in
	postfix)	echo postfix opendkim opendkim-tools python3-aiosmtpd swaks libnet-ssleay-perl \
				bind9-dnsutils libsasl2-modules sasl2-bin openssl python3 iproute2 procps ;;
	dns)		echo nsd unbound ldnsutils bind9-dnsutils swaks libnet-ssleay-perl \
				openssl python3 iproute2 procps ;;
	vps)		echo unbound ldnsutils bind9-dnsutils swaks libnet-ssleay-perl postfix gnutls-bin \
				ca-certificates openssl python3 iproute2 procps ;;
	exim)		echo exim4-daemon-light openssl python3 iproute2 procps ;;
	sendmail)	echo sendmail-bin sendmail-base sendmail-cf m4 libsasl2-modules sasl2-bin \
				openssl python3 iproute2 procps ;;
	opensmtpd)	echo opensmtpd openssl python3 iproute2 procps ;;
	# No host's: what benchmarks compare with.
	bench)		echo stunnel4 ;;
	*)		die "no such layer: $1" ;;
	esac
}

# Print the directory of a layer, whether it exists or not.
layer_dir() {
	local key
	key=$({ layer_packages "$1"; cat /etc/debian_version; dpkg --print-architecture
		declare -f layer_build_inside layer_apt; } | sha256sum | cut -c1-12)
	echo "$LAB_DIR/layers/$1-$key"
}

# layer_mount_overlay LOWER UPPER WORK TARGET
layer_mount_overlay() {
	mount -t overlay overlay -o "lowerdir=$1,upperdir=$2,workdir=$3" "$4"
}

# A private /dev, /proc, /run and /tmp below the root directory $1.
layer_mount_system() {
	local root=$1 node name major minor
	mount -t tmpfs -o mode=755,nosuid tmpfs "$root/dev"
	for node in null:1:3 zero:1:5 full:1:7 random:1:8 urandom:1:9 tty:5:0; do
		IFS=: read -r name major minor <<<"$node"
		mknod -m 666 "$root/dev/$name" c "$major" "$minor"
	done
	ln -s /proc/self/fd "$root/dev/fd"
	ln -s /proc/self/fd/0 "$root/dev/stdin"
	ln -s /proc/self/fd/1 "$root/dev/stdout"
	ln -s /proc/self/fd/2 "$root/dev/stderr"
	mkdir -m 1777 "$root/dev/shm"
	mkdir "$root/dev/pts"
	mount -t devpts -o newinstance,ptmxmode=666,mode=620,gid=5 devpts "$root/dev/pts"
	ln -s pts/ptmx "$root/dev/ptmx"
	mount -t tmpfs -o mode=755,nosuid tmpfs "$root/run"
	mount -t tmpfs -o mode=1777,nosuid tmpfs "$root/tmp"
	mkdir -p "$root/run/lock"
}

# Build the layer $1 unless it is there.  Several labs may ask at once.
layer_build() {
	local flavour=$1 dir work
	dir=$(layer_dir "$flavour")
	[ ! -d "$dir" ] || return 0
	mkdir -p "$LAB_DIR/layers"
	(
		flock 9
		[ ! -d "$dir" ] || exit 0
		echo "lab: building layer $flavour (once)" >&2
		work=$(mktemp -d "$LAB_DIR/layers/.building-$flavour.XXXXXX")
		chmod 755 "$work"
		mkdir "$work/upper" "$work/work" "$work/root"
		# Own process numbers, so that no package script finds a daemon of the machine.
		if ! unshare --mount --pid --uts --ipc --fork --kill-child \
			"$LAB_SRC/lab" __build_layer "$flavour" "$work" >"$work/log" 2>&1 9>&-; then
			tail -n 20 "$work/log" >&2
			mv "$work/log" "$LAB_DIR/layers/$flavour.failed.log"
			rm -rf "$work"
			die "layer $flavour could not be built; see $LAB_DIR/layers/$flavour.failed.log"
		fi
		mv "$work/upper" "$dir"
		rm -rf "$work"
	) 9>"$LAB_DIR/layers/.$flavour.lock"
}

# Runs in its own mount and pid namespace.
layer_build_inside() {
	local flavour=$1 work=$2 root=$2/root resolv packages
	read -r -a packages <<<"$(layer_packages "$flavour")"
	layer_mount_overlay / "$work/upper" "$work/work" "$root" ||
		die "cannot mount an overlay with its upper directory in $LAB_DIR;" \
			"set LAB_DIR to a directory on ext4, xfs, btrfs or tmpfs"
	resolv=$(readlink -f /etc/resolv.conf || true)
	layer_mount_system "$root"
	mount -t proc proc "$root/proc"
	# systemd-resolved keeps the real file in /run, which is hidden now.
	case $resolv in
	/run/*)	mkdir -p "$root${resolv%/*}"; cat "$resolv" >"$root$resolv" ;;
	esac
	printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
	chmod 755 "$root/usr/sbin/policy-rc.d"
	layer_apt "$root" "${packages[@]}"
	rm -rf "$root/var/cache/apt/archives"/*.deb "$root/var/lib/apt/lists"/*
	umount -R "$root"
}

layer_apt() {
	local root=$1
	shift
	local -a run=(chroot "$root" env DEBIAN_FRONTEND=noninteractive LC_ALL=C
		PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin)
	local -a install=(apt-get install -y -q --no-install-recommends
		-o Dpkg::Use-Pty=0 "$@")
	echo "postfix postfix/main_mailer_type select No configuration" |
		"${run[@]}" debconf-set-selections || true
	"${run[@]}" "${install[@]}" || {
		"${run[@]}" apt-get update -q
		"${run[@]}" "${install[@]}"
	}
}
