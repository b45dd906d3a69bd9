#!/bin/bash
# Goal of this test: postern(1) as people use it. Keys are made once and never overwritten; the allow-list survives kill -9, many
# writers at once and strange files; owner, group and mode stay; bad input is refused with file, line and a way out (cases 150, 154).
# tests/ctl/test_ctl.sh BUILD
set -u
here=$(cd "$(dirname "$0")" && pwd) || exit 1
build=$(cd "${1:?usage: test_ctl.sh BUILD}" && pwd) || exit 1
postern=$build/postern
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
umask 022
passed=0 failed=0

ok() {
	passed=$((passed + 1))
}
wrong() {
	failed=$((failed + 1))
	echo "ctl: FAILED: $1"
}
# check WHAT COMMAND...: the command must succeed.
check() {
	local what=$1
	shift
	if "$@"; then ok; else wrong "$what"; fi
}
# run STATUS PATTERN ARGUMENTS...: postern must exit so and say something that matches, on either output.
run() {
	local status=$1 pattern=$2 output got
	shift 2
	output=$("$postern" "$@" 2>&1)
	got=$?
	if [ "$got" -eq "$status" ] && grep -qE -- "$pattern" <<<"$output"; then
		ok
	else
		wrong "postern $*: exit status $got, not $status, or not /$pattern/ in: $output"
	fi
}
new_key() {
	rm -f spare.key
	"$postern" keygen spare.key
}

# ---- usage ----
run 64 'usage: postern COMMAND'
run 64 'no command "frobnicate"' frobnicate
run 0 '^postern [0-9]' --version
run 0 'authorize' --help
for command in keygen pubkey genpsk authorize revoke peers rotate edges tlsrpt limits senders-check headers-check; do
	run 0 "^usage: postern $command" "$command" --help
	run 64 "^usage: postern $command" "$command" --no-such-option
	run 64 "^usage: postern $command" "$command" 1 --file
done
run 64 'too much: b' keygen a b
check "wrong usage is told in two lines" [ "$("$postern" keygen --no-such-option 2>&1 | wc -l)" -eq 2 ]
check "no file appears by wrong usage" [ -z "$(ls)" ]
if [ -c /dev/full ]; then
	"$postern" --help >/dev/full 2>error
	check "a full output is an error" [ $? -eq 74 ]
fi
rm -f error

# ---- keys ----
umask 000
key=$("$postern" keygen a.key)
umask 022
check "keygen prints a key" grep -qxE '[A-Za-z0-9+/]{43}=' <<<"$key"
check "mode of a key" [ "$(stat -c %a a.key)" = 600 ]
check "the secret key is not printed" [ "$(cat a.key)" != "$key" ]
check "pubkey prints the same key" [ "$("$postern" pubkey a.key)" = "$key" ]
before=$(sha256sum a.key)
run 73 'a.key: exists already and was not touched' keygen a.key
run 73 'a.key: exists already and was not touched' genpsk a.key
ln -s nowhere dangling
run 73 'dangling' keygen dangling
check "keygen does not write through a link" [ ! -e nowhere ]
check "an existing key stays" [ "$(sha256sum a.key)" = "$before" ]
output=$("$postern" genpsk psk 2>&1)
check "genpsk prints nothing" [ -z "$output" ]
check "mode of a psk" [ "$(stat -c %a psk)" = 600 ]
run 73 'No such file' keygen missing/a.key
mkdir -m 777 open
run 73 'others replace' keygen open/a.key
# case 150: what pubkey refuses to read, and why.
run 66 'missing.key: No such file' pubkey missing.key
cp a.key loose.key; chmod 644 loose.key
run 66 'loose.key: .*chmod 600' pubkey loose.key
: >empty.key; chmod 600 empty.key
run 66 'empty.key: empty' pubkey empty.key
(umask 077; head -c 20 a.key >short.key; sed 's/$/\r/' a.key >crlf.key; head -c 45 /dev/urandom >binary.key)
run 66 'short.key: not a key' pubkey short.key
run 66 'crlf.key: has a carriage return' pubkey crlf.key
run 66 'binary.key: ' pubkey binary.key
ln -s a.key link.key
run 66 'link.key: a symbolic link' pubkey link.key

# ---- the allow-list ----
run 66 'list: No such file' peers --file list
run 66 'there is no such file' revoke --file list home
run 0 '^authorized home' authorize "$key" home --file list
check "a new list can be read by the edge" [ "$(stat -c %a list)" = 644 ]
run 0 "^home ${key//+/[+]}\$" peers --file list
# case 154: the same key again, under the same name, under another.
run 65 'list: not added: the same key as in line 1 \(home\)' authorize "$key" home --file list
run 65 'the same key' authorize "$key" other --file list
run 65 'looks like a private key' authorize "$(cat a.key)" oops --file list
run 65 'not a public key: expected 44' authorize "${key%?}" home --file list
run 65 'unknown option "speed=3"' authorize "$(new_key)" fast speed=3 --file list
run 65 'psk=.*No such file' authorize "$(new_key)" p "psk=$work/missing" --file list
run 65 'a name is made of' authorize "$(new_key)" 'na/me' --file list
for bad in '' 'a b' $'a\nb' '"a"' '#a' $'a\tb'; do
	run 64 'argument 2' authorize "$key" "$bad" --file list
done
check "refusals change nothing" [ "$(cat list)" = "$key home" ]
check "refusals leave nothing" [ ! -e list.new ]
second=$(new_key)
run 0 'home has 2 keys now' authorize "$second" home "psk=$work/psk" --file list
json=$("$postern" peers --file list --json 2>/dev/null)
check "JSON of a client with two keys" [ "$(python3 -c '
import json, sys
print([(client["name"], [(key["line"], key["options"]) for key in client["keys"]]) for client in json.loads(sys.argv[1])["clients"]])
' "$json")" = "[('home', [(1, []), (2, ['psk=$work/psk'])])]" ]
run 0 "^home ${second//+/[+]} psk=$work/psk\$" peers --file list
run 0 'revoked home \(line 1\)' revoke "$key" --file list
check "the other key stays" [ "$(cat list)" = "$second home psk=$work/psk" ]
run 67 'nobody has the key or name "nobody"' revoke nobody --file list
# A new key like an old one: its options, but that it is good for something. A name is meant as a whole.
printf '%s off rate=5/1m disabled size=1k\n%s offline rate=9/1m\n' "$key" "$second" >like
third=$(new_key)
run 0 'authorized off' authorize "$third" off --file like
check "a new key is not switched off" [ "$(tail -1 like)" = "$third off rate=5/1m size=1k" ]
run 0 'revoked offline \(line 2\)' revoke offline --file like
check "a shorter name is another one" [ "$(cut -d' ' -f2 like | tr '\n' ' ')" = 'off off ' ]

# Comments, continued lines, bad lines and odd bytes stay byte for byte.
third=$(new_key)
printf '# clients\n\n%s home\n  # still home\n  psk=%s\nbad line\n%s office\r\n# \xff end' "$second" "$work/psk" "$third" >list
run 65 'list:6: not a public key' peers --file list
fourth=$(new_key)
run 0 'warning: .*/list:6: ' authorize "$fourth" lab --file list
run 0 'revoked home \(line 3\)' revoke home --file list
printf '# clients\n\n  # still home\nbad line\n%s office\r\n# \xff end\n%s lab\n' "$third" "$fourth" >expected
check "other lines stay as they were" cmp list expected
run 0 'revoked line \(line 4\)' revoke line --file list
run 0 "^office ${third//+/[+]}" peers --file list
# A list that cannot be read at all is refused by line, and left alone.
printf ' starts with space\n' >orphan
run 64 'socketmap:unix:/run/x:clients is no file' authorize "$(new_key)" x --file socketmap:unix:/run/x:clients
run 64 'in the database behind that socketmap' revoke home --file socketmap:unix:/run/x:clients
run 64 'in the database behind that socketmap' peers --file socketmap:unix:/run/x:clients
run 65 'orphan:1: ' authorize "$(new_key)" x --file orphan
printf '\xef\xbb\xbf' >bom
run 66 'bom:1: .*byte-order mark' authorize "$(new_key)" x --file bom
run 66 'is a directory' authorize "$(new_key)" x --file .

# ---- other options for a client ----
run 0 'the list alone, without counts: .*no.sock: No such file.*is postern-edge running' peers --file list --socket "unix:$PWD/no.sock"
json=$("$postern" peers --file list --json 2>/dev/null)
check "JSON of a list without an edge" [ "$(python3 -c '
import json, sys
found = json.loads(sys.argv[1])
print(found["is_running"], [(client["name"], client["counts"], [key["line"] for key in client["keys"]]) for client in found["clients"]])
' "$json")" = "False [('office', None, [4]), ('lab', None, [6])]" ]
printf '# both keys\n%s home rate=5/1m size="10k"\n  psk=%s\n%s office rate=5/1m\r\n%s home\n\t# still\n  rate="5/1m" size=10k\nbad line\n# \xff' \
	"$key" "$work/psk" "$third" "$second" >set
chmod 640 set
[ "$(id -u)" -ne 0 ] || chown 12345:23456 set
rights=$(stat -c '%u %g %a' set)
run 0 'changed home \(line 2\)' peers set home rate=1/1h --file set
printf '# both keys\n%s home size="10k"\n  psk=%s rate=1/1h\n%s office rate=5/1m\r\n%s home\n\t# still\n size=10k rate=1/1h\nbad line\n# \xff' \
	"$key" "$work/psk" "$third" "$second" >expected
check "both lines of a name changed, the others as they were" cmp set expected
check "owner, group and mode of the list stay" [ "$(stat -c '%u %g %a' set)" = "$rights" ]
run 0 'home is so already' peers set home rate=1/1h --file set
run 0 'warning: .*/set:8: not a public key' peers set home rate=5/1m size=20k disabled --file set
run 65 "^home +${second//+/[+]} rate=5/1m size=20k disabled\$" peers --file set
run 0 'changed home \(line 5\)' peers set home rate= enabled --file set
run 65 "^home +${second//+/[+]} size=20k\$" peers --file set
cp set before
run 65 'set:2: rate=fast: .*; nothing was changed' peers set home rate=fast --file set
run 65 'set:2: size=1x: .*; nothing was changed' peers set home size=1x --file set
run 64 'unknown option "speed="' peers set home speed=3 --file set
run 64 'unknown option "speed="' peers set home speed= --file set
run 64 'psk= belongs to one key' peers set home "psk=$work/psk" --file set
run 64 '"fast" is none of option=value' peers set home fast --file set
run 64 '"size=1 k" is none of' peers set home 'size=1 k' --file set
run 64 'a name and an option are missing' peers set home --file set
run 64 'too much: sett' peers sett home size=1k --file set
run 67 'nobody has the name "nobody"' peers set nobody size=1k --file set
run 67 'nobody has the name' peers set "$key" size=1k --file set
run 66 'there is no such file' peers set home size=1k --file none
check "refusals leave the list as it was" cmp set before
check "and nothing beside it" [ ! -e set.new ]

# Owner, group and mode; a link stays a link.
mkdir etc
"$postern" authorize "$key" home --file etc/list >/dev/null
[ "$(id -u)" -ne 0 ] || chown 12345:23456 etc/list
chmod 640 etc/list
rights=$(stat -c '%u %g %a' etc/list)
ln -s etc/list linked
run 0 'authorized office' authorize "$third" office --file linked
run 0 'revoked home' revoke home --file linked
check "owner, group and mode stay" [ "$(stat -c '%u %g %a' etc/list)" = "$rights" ]
check "a link stays a link" [ -L linked ]

# Everybody at once: nothing is lost.
for i in $(seq 40); do
	"$postern" keygen "many$i.key" >"many$i.pub"
done
: >many
for i in $(seq 40); do
	"$postern" authorize "$(cat "many$i.pub")" "name$i" --file many >/dev/null &
done
wait
check "40 writers, 40 lines" [ "$("$postern" peers --file many 2>/dev/null | sort -u | wc -l)" -eq 40 ]
for i in $(seq 20); do
	"$postern" revoke "name$i" --file many >/dev/null &
	"$postern" authorize "$(cat "many$i.pub")" "again$i" --file twice >/dev/null &
done
wait
check "20 of them revoked at once" [ "$("$postern" peers --file many 2>/dev/null | wc -l)" -eq 20 ]
check "and 20 in a list that was not there" [ "$("$postern" peers --file twice 2>/dev/null | wc -l)" -eq 20 ]

# kill -9 at any moment: the old list or the new one, whole; and no more than one file is left behind.
for i in $(seq 3000); do
	echo "# a comment that makes the list long enough for a kill to fall into the middle of the writing: $i"
done >big
echo "$key home" >>big
chmod 640 big
cp -p big big.old
killed=0 done_whole=0 half=0
# How long it takes here, so that the kills fall into it; and a wait that starts no program, which would take as long.
began=${EPOCHREALTIME/[.,]/}
for i in $(seq 20); do
	cp -p big.old big
	"$postern" authorize "$third" office --file big >/dev/null 2>&1
done
takes_us=$(((${EPOCHREALTIME/[.,]/} - began) / 20))
exec {never}<> <(:)
for i in $(seq 200); do
	cp -p big.old big
	"$postern" authorize "$third" office --file big >/dev/null 2>&1 &
	pid=$!
	read -rt "$(printf '0.%06d' $(((RANDOM * 32768 + RANDOM) % takes_us)))" -u "$never"
	kill -9 "$pid" 2>/dev/null
	wait "$pid" 2>/dev/null
	# The time is that of a machine that others use, too.
	if [ $? -eq 137 ]; then
		killed=$((killed + 1)) takes_us=$((takes_us * 21 / 20))
	else
		takes_us=$((takes_us * 20 / 21 + 1))
	fi
	if cmp -s big big.old; then
		:
	elif cmp -s big <(cat big.old; echo "$third office"); then
		done_whole=$((done_whole + 1))
	else
		half=$((half + 1))
	fi
	[ "$(stat -c %a big)" = 640 ] || half=$((half + 1))
done
check "never half a list ($killed of 200 killed, $done_whole done)" [ "$half" -eq 0 ]
check "the kills came early enough to matter" [ "$killed" -gt 20 ]
check "at most one file is left behind" [ "$(find . -maxdepth 1 -name 'big.*' ! -name big.old | wc -l)" -le 1 ]
cp -p big.old big
run 0 'authorized office' authorize "$third" office --file big
check "and the next run removes it" [ ! -e big.new ]

# ---- keys that are replaced ----
# shellcheck source=tests/ctl/rotate.sh
. "$here/rotate.sh"

# ---- invites ----
# shellcheck source=tests/ctl/invited.sh
. "$here/invited.sh"

# ---- the mail host's edges ----
# shellcheck source=tests/ctl/edges.sh
. "$here/edges.sh"

# ---- how the edges are ----
# shellcheck source=tests/ctl/status.sh
. "$here/status.sh"

# ---- TLS reports ----
# shellcheck source=tests/ctl/tlsrpt.sh
. "$here/tlsrpt.sh"

# ---- the sender policy ----
# shellcheck source=tests/ctl/milter.sh
. "$here/milter.sh"

# ---- bash completion ----
# shellcheck source=tests/ctl/completion.sh
. "$here/completion.sh"

echo "ctl: $passed passed, $failed failed"
[ "$failed" -eq 0 ]
