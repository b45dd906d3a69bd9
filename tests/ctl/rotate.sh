# shellcheck shell=bash
# Goal of this test: a new key beside the old one, which nothing replaces before its time. What the other end says to it is in
# tests/e2e/test_73_rotation.py. Sourced by test_ctl.sh.
mkdir rotate && cd rotate || exit 1
run 64 'whose key: edge or transport\?' rotate
run 64 'whose key' rotate nobody
run 64 'whose key' rotate edge transport
old=$("$postern" keygen own.key)
# As root reads for a service: the directory belongs to the service's user, too.
[ "$(id -u)" -ne 0 ] || chown 12345:23456 . own.key
rights=$(stat -c '%u %g %a' own.key)
run 66 'own.key.next: no key is being replaced; begin with postern rotate edge' rotate --finish edge --file own.key
run 66 'missing.key: No such file' rotate edge --file missing.key
run 0 "key=${old//+/[+]}\$" rotate edge --file own.key
new=$("$postern" pubkey own.key.next)
check "it is another key" [ "$new" != "$old" ]
check "the old one stays" [ "$("$postern" pubkey own.key)" = "$old" ]
check "for whoever may read the old one" [ "$(stat -c '%u %g %a' own.key.next)" = "$rights" ]
run 0 "new public key of this edge is ${new//+/[+]}" rotate edge --file own.key
run 0 "answers to ${new//+/[+]} alone now" rotate --finish edge --file own.key
check "the new one took its place" [ "$("$postern" pubkey own.key)" = "$new" ]
check "nothing is left beside it" [ ! -e own.key.next ]

# A mail host's is tried with every edge before it counts.
run 0 "still uses the old one" rotate transport --file own.key
next=$("$postern" pubkey own.key.next)
printf 'us 127.0.0.1:1 key=%s\n' "$old" >edges
run 75 'edge us: .*refused' rotate --finish transport --file own.key --edges edges
run 75 'nothing was changed; the old key is in use' rotate --finish transport --file own.key --edges edges
run 66 'no-table: No such file' rotate --finish transport --file own.key --edges no-table
check "an edge that does not know it: the old one stays" [ "$("$postern" pubkey own.key)" = "$new" ]
check "and the new one beside it" [ "$("$postern" pubkey own.key.next)" = "$next" ]
printf 'us 127.0.0.1:1 key=%s disabled\n' "$old" >edges
run 0 "uses ${next//+/[+]} from its next message on" rotate --finish transport --file own.key --edges edges
check "the mail host's new one took its place" [ "$("$postern" pubkey own.key)" = "$next" ]
cd .. || exit 1
