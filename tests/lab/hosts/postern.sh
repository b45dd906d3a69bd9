#!/bin/bash
# Install and set up postern by hand, as the manual says: postern.sh home|vps.
# The programs come from `make install` into the lab's stage; each side makes
# its key and hands over the public half.
set -euo pipefail

# key FILE OWNER: a new secret key; its public half for the other side.
key() {
	chown "$2:$2" /var/lib/postern
	chmod 700 /var/lib/postern
	[ -e "$1" ] || as "$2" postern keygen "$1"
	as "$2" postern pubkey "$1" >"/srv/lab/$(hostname).pub.new"
	mv "/srv/lab/$(hostname).pub.new" "/srv/lab/$(hostname).pub"
}

as() {
	local user=$1
	shift
	setpriv --reuid "$user" --regid "$user" --init-groups "$@"
}

# The public key of the other side.
peer() {
	until [ -e "/srv/lab/$1.pub" ]; do sleep 0.02; done
	cat "/srv/lab/$1.pub"
}

setup_home() {
	key /var/lib/postern/transport.key _postern
	cp /opt/lab/conf/postern.conf /etc/postern/postern.conf
	echo "vps	198.51.100.20:7843	key=$(peer edge.vps.example)" >/etc/postern/edges
	echo "*	vps" >/etc/postern/routes
}

setup_vps() {
	key /var/lib/postern/edge.key _postern-edge
	cp /opt/lab/conf/edge.conf /etc/postern/edge.conf
	touch /etc/postern/authorized_clients
	postern authorize "$(peer mail.home.example)" home
}

cp -a /srv/lab/stage/. /
chmod 755 /etc/postern
"setup_$1"
