# shellcheck shell=bash
# The lab's internet: the lab's own network namespace routes between the hosts,
# each on a veth pair of its own.

# Addresses that answer in no way: the router drops all packets to them.
BLACKHOLE4=203.0.113.66
BLACKHOLE6=2001:db8:25::66

net_internet() {
	ip link set lo up
	sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
	# Addresses nobody has: refused at once, as by a router without a route.
	ip route add unreachable 203.0.113.0/24
	ip -6 route add unreachable 2001:db8::/32
	nft -f - <<-EOF
	table inet internet {
		chain forward {
			type filter hook forward priority 0; policy accept;
			# The provider of the home network blocks outbound mail.
			iifname "home" tcp dport 25 counter drop
			ip daddr $BLACKHOLE4 counter drop
			ip6 daddr $BLACKHOLE6 counter drop
		}
		chain output {
			type filter hook output priority 0; policy accept;
			ip daddr $BLACKHOLE4 drop
			ip6 daddr $BLACKHOLE6 drop
		}
	}
	EOF
	ip route add $BLACKHOLE4/32 dev lo
	ip -6 route add $BLACKHOLE6/128 dev lo
}

# net_host NAME ADDRESSES4 ADDRESSES6 [NETWORKS4 NETWORK6]: network namespace,
# cable, addresses (separated by commas), routes.
net_host() {
	local name=$1 gateway4 address
	gateway4=${2%%,*}
	gateway4=${gateway4%.*}.1
	ip netns add "$name"
	ip link add "$name" type veth peer name eth0 netns "$name"
	ip link set "$name" up
	ip addr add "$gateway4/32" dev "$name"
	ip -6 addr add fe80::1/64 dev "$name" nodad
	ip -n "$name" link set lo up
	ip -n "$name" link set eth0 up
	for address in ${2//,/ }; do
		ip -n "$name" addr add "$address/32" dev eth0
		ip route add "$address/32" dev "$name"
	done
	for address in ${3//,/ }; do
		ip -n "$name" addr add "$address/128" dev eth0 nodad
		ip -6 route add "$address/128" dev "$name"
	done
	ip -n "$name" route add default via "$gateway4" dev eth0 onlink
	ip -n "$name" -6 route add default via fe80::1 dev eth0 onlink
	[ -z "${4:-}" ] || net_whole_networks "$name" "${3%%,*}" "$4" "$5"
}

# net_whole_networks NAME ADDRESS6 NETWORKS4 NETWORK6: every address of the networks
# is local to the host; a listener on the wildcard address takes them all.  The kernel
# answers ARP for such an address, but no neighbour solicitation, hence the "via".
net_whole_networks() {
	local network
	for network in ${3//,/ }; do
		ip route add "$network" dev "$1"
		ip -n "$1" route add local "$network" dev lo
	done
	ip -6 route add "$4" via "$2" dev "$1"
	ip -n "$1" -6 route add local "$4" dev lo
}
