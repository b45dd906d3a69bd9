# shellcheck shell=bash
# Goal of this test: the table of edges is edited as people would, keeps what is not meant, and never becomes one that the transport
# refuses. Sourced by test_ctl.sh.
mkdir edges && cd edges || exit 1
printf 'edges = "%s/edges"; routes = "%s/routes"; edge_state = "%s/state";\n' "$PWD" "$PWD" "$PWD" >conf
edges() {
	local status=$1 pattern=$2
	shift 2
	run "$status" "$pattern" edges --config conf "$@"
}
us=$(new_key) de=$(new_key)
edges 64 'something is missing'
edges 64 'wrong word, or wrong number of words: frobnicate' frobnicate us
edges 64 'wrong word' add us h
edges 64 'wrong word' remove
edges 64 'wrong word' list us
run 78 'absent: ' edges --config absent list
edges 66 'edges: No such file' list
edges 66 'edges: there is no such file' remove us
edges 0 '^added us$' add us relay-us.example.com "$us"
check "the transport can read a new table" [ "$(stat -c %a edges)" = 644 ]
printf '# the other one\n' >>edges
chmod 640 edges
edges 0 '^added de$' add de '[2001:db8::1]:7999' "$de" weight=20
check "the table" [ "$(cat edges)" = "us relay-us.example.com key=$us
# the other one
de [2001:db8::1]:7999 key=$de weight=20" ]
check "mode of the table" [ "$(stat -c %a edges)" = 640 ]
before=$(cat edges)
edges 65 'edges:4: edge "us" is already in line 1; nothing was changed' add us other.example "$us"
edges 65 'edges:4: edge "fr": key= is not the 44 characters' add fr h.example "${de%?}"
edges 65 'edges:4: edge "fr": weight=0 is no number' add fr h.example "$de" weight=0
edges 65 'edges:4: unknown option "wait=3"' add fr h.example "$de" wait=3
edges 65 'edges:4: /nonexistent/psk: ' add fr h.example "$de" psk=/nonexistent/psk
edges 65 'edges:4: .*names no host' add fr :7843 "$de"
edges 64 'argument 3' add fr 'h example' "$de"
edges 67 'edges: there is no edge "fr"' drain fr
printf 'example.com de,us\n* us\n' >routes
edges 65 'routes:1: the route of example.com names edge "us"' remove us
edges 65 'routes:2: the route of \* names edge "us"' remove us
check "refusals change nothing" [ "$(cat edges)" = "$before" ]
check "refusals leave nothing" [ ! -e edges.new ]

edges 0 '^drained de$' drain de
check "drain is one word more" [ "$(cat edges)" = "$before drain" ]
edges 0 '^de +\[2001:db8::1\]:7999 drained, weight 20, unknown$' list
edges 0 '^disabled de$' disable de
check "one word in its place" [ "$(cat edges)" = "$before disabled" ]
edges 0 '^enabled de$' enable de
edges 0 '^enabled de$' enable de
check "and as it was" [ "$(cat edges)" = "$before" ]
printf '* us\n' >routes
edges 0 '^removed de$' remove de
check "comments stay" [ "$(cat edges)" = "us relay-us.example.com key=$us
# the other one" ]
edges 0 '"service": "enabled"' --json add de de.example.com "$de" weight=3
output=$("$postern" edges --config conf --json list | python3 -c '
import json, sys
for edge in json.load(sys.stdin):
	print(edge["name"], edge["endpoint"], edge["service"], edge["weight"], ",".join(edge["routes"]), edge["health"]["state"])')
check "JSON" [ "$output" = "us relay-us.example.com:7843 enabled 1 * unknown
de de.example.com:7843 enabled 3  unknown" ]
printf 'broken\n' >>routes
edges 65 'routes:2: no edge for "broken".*; nothing was changed' disable de
edges 65 'routes:2: no edge for "broken"' list
check "a table that is bad already stays" [ "$(grep -c disabled edges)" = 0 ]
cd .. || exit 1
