# shellcheck shell=bash
# Goal of this test: what asks the edges says what is missing, and by its exit status, too; nothing is written that is half. Sourced by
# test_ctl.sh.
mkdir status && cd status || exit 1
mkdir keys && chmod 700 keys
"$postern" keygen keys/key >/dev/null
edge_key=$(new_key)
printf 'key_file = "%s/keys/key"; edges = "%s/edges"; edge_state = "%s/state"; sendmail = "%s/sendmail";\n' "$PWD" "$PWD" "$PWD" "$PWD" >conf
run 78 'absent: ' status --config absent
run 66 'edges: ' status --config conf
printf 'us 127.0.0.1:1 key=%s\nde no-such-host.invalid key=%s\noff h.example key=%s disabled\n' "$edge_key" "$edge_key" "$edge_key" >edges
run 69 '^  state: down, no connection: .*127\.0\.0\.1:1 .*refused' status --config conf
run 69 '^  state: down, no name: ' status --config conf
run 69 '^  state: disabled, not asked' status --config conf
run 0 '^  state: disabled' status --config conf off
run 67 'edges: there is no edge "fr"' status --config conf fr
run 64 'timeout is a number of seconds, 1 to 600, not 0' status --config conf --timeout 0
run 64 'interval is a number of seconds, 1 to 600, not x' status --config conf --watch --interval x
run 69 "$PWD/none" status --socket "unix:$PWD/none"
output=$("$postern" status --config conf --json | python3 -c '
import json, sys
for edge in json.load(sys.stdin)["edges"]:
	print(edge["name"], edge["state"], edge.get("layer"))')
check "JSON" [ "$output" = "us down connection
de down name
off disabled None" ]
run 0 '^postern_edge_up\{edge="us"\} 0$' metrics --config conf
check "an edge that is not asked is neither up nor down" [ "$("$postern" metrics --config conf | grep -c 'up{edge="off"')" = 0 ]
run 0 '^$' metrics --config conf --textfile p.prom
check "the file is whole" [ "$(tail -1 p.prom | cut -c1-7)" = postern ]
check "others may read it" [ "$(stat -c %a p.prom)" = 644 ]
echo mine >victim
ln -sf victim p.prom
run 73 'p.prom: not a regular file' metrics --config conf --textfile p.prom
check "a link in somebody's directory is not followed" [ "$(cat victim) $(stat -c %F p.prom)" = "mine symbolic link" ]
rm p.prom
mkfifo pipe
run 73 'pipe: not a regular file' metrics --config conf --textfile pipe
check "nor is a device replaced" [ -p pipe ]
run 0 '^$' metrics --config conf --textfile p.prom
run 73 'absent/p.prom.*: No such file' metrics --config conf --textfile absent/p.prom
run 73 'keys: not a regular file' metrics --config conf --textfile keys
check "nothing else is left" [ "$(echo p.prom* keys*)" = "p.prom keys" ]
run 67 'no edge' status --config conf nobody
printf 'broken\n' >>edges
before=$(cat p.prom)
run 66 'edges:4: ' metrics --config conf --textfile p.prom
check "without numbers the file stays" [ "$(cat p.prom)" = "$before" ]
sed -i '$d' edges

printf 'Nov 22 03:38:02 m postfix/qmgr[1]: 4Z: removed\n' >mail.log
run 69 '03:38:02     m postfix/qmgr\[1\]: 4Z: removed$' log --config conf --file mail.log 4Z
printf 'off h.example key=%s disabled\n' "$edge_key" >edges
run 0 'm postfix/qmgr\[1\]: 4Z: removed$' log --config conf --file mail.log 4Z
run 66 'no line of 4Y in mail.log, and no edge remembers one' log --config conf --file mail.log 4Y
run 64 'no queue id: 4Y;' log --config conf --file mail.log '4Y;'
printf 'Nov 22 03:38:02 m postern/transport[1]: 1rABCD-0000ab-2C: to=<a@b.example>\n' >>mail.log
run 0 'a@b.example' log --config conf --file mail.log 1rABCD-0000ab-2C
run 66 'status: Is a directory' log --config conf --file "$PWD" 4Z

# 69 and 75 are outcomes: what was not sent has none
run 71 'sendmail cannot be run: No such file' test --config conf --file mail.log a@b.example
printf '#!/bin/sh\nexit 75\n' >sendmail
chmod 755 sendmail
run 71 'ended with exit status 75; Postfix did not take the message' test --config conf --file mail.log a@b.example
# shellcheck disable=SC2016 # the script's
printf '#!/bin/sh\nsh -c "echo \\$\\$ >helper; exec sleep 1000"\nexit 0\n' >sendmail
run 71 'sendmail did not end in time, and was killed' test --config conf --file mail.log --timeout 1 a@b.example
check "its helpers are gone, too" [ -z "$(2>&- tr -d '\0' <"/proc/$(cat helper)/cmdline")" ]
# shellcheck disable=SC2016 # the script's
printf '#!/bin/sh
echo "$*" >arguments
id=$(sed -n "s/^Message-ID: //p")
echo "Nov 22 03:38:02 m postfix/cleanup[1]: 4X: message-id=$id" >>mail.log
echo "Nov 22 03:38:02 m postern/transport[1]: 4X: to=<a@b.example>, status=sent (x)" >>mail.log
echo "Nov 22 03:38:02 m postfix/lmtp[1]: 4X: to=<a@b.example>, status=sent (250 2.0.0 taken)" >>mail.log
' >sendmail
run 0 '^delivered: 250 2\.0\.0 taken$' test --config conf --file mail.log --from me@c.example a@b.example
check "how sendmail is run" [ "$(cat arguments)" = "-i -f me@c.example -- a@b.example" ]
run 64 '"nobody" is no address' test --config conf --file mail.log nobody
run 66 'absent: .*nothing was sent' test --config conf --file absent a@b.example

# An edge on this host that says what it likes: the file `answer', to one question.
answer_once() {
	rm -f socket
	python3 -c 'import os, socket
server = socket.socket(socket.AF_UNIX)
server.bind("socket.new")
server.listen()
os.rename("socket.new", "socket")
connection = server.accept()[0]
connection.recv(100)
connection.sendall(open("answer", "rb").read())' &
	while [ ! -S socket ]; do sleep 0.05; done
}
# shellcheck disable=SC1003 # JSON's backslash
printf '%s\n' '{"edge":{"name":"e\u009b31m","version":"1"}}' '{"client":{"client":"a\u001b[2J"}}' 'ok 2' >answer
for option in --all --json; do
	answer_once
	output=$("$postern" status "$option" --socket "unix:$PWD/socket")
	check "status $option: an answer moves no cursor" [ "$(LC_ALL=C tr -d '\n -~' <<<"$output" | wc -c)" = 0 ]
	check "status $option: it is there" grep -q 31m <<<"$output"
done
answer_once
run 0 '^postern_metrics_timestamp_seconds' metrics --socket "unix:$PWD/socket"
echo '{"edge":' >answer
answer_once
run 75 'the answer broke off' status --socket "unix:$PWD/socket"
printf '{"edge":\nok 1\n' >answer
answer_once
run 65 'not understood; is it of the same version' status --socket "unix:$PWD/socket"
wait
cd .. || exit 1
