# shellcheck shell=bash
# Goal of this test: what stands in the allow-list for an invited mail host is its key, for every command that names one. Sourced by
# test_ctl.sh.
mkdir invited && cd invited || exit 1
invite=$(new_key) guest=$(new_key) other=$(new_key)
both=(--file list --enrolled enrolled)
printf '# ours\n%s home rate=60/1m invite=2999-01-01T00:00:00Z\n%s plain\n' "$invite" "$other" >list
run 0 '^home  invited rate=60/1m invite=2999-01-01T00:00:00Z$' peers "${both[@]}"
run 0 '"state": "invited"' peers --json "${both[@]}"
sed -i s/2999/2001/ list
run 0 '^home  invite-expired ' peers "${both[@]}"
sed -i s/2001/2999/ list
printf '%s %s 2026-11-22T03:00:00Z\n' "$invite" "$guest" >enrolled
run 0 "^home  ${guest//+/[+]} rate=60/1m enrolled=2026-11-22T03:00:00Z\$" peers "${both[@]}"
run 0 "\"key\": \"${guest//+/[+]}\"" peers --json "${both[@]}"
run 0 '^home  invited ' peers --file list
run 64 'invite= is what .postern invite. writes' peers set home invite=2999-01-01T00:00:01Z "${both[@]}"
run 0 'changed home' peers set home rate=30/1m "${both[@]}"
check "the invite stays in its line" grep -qxF "$invite home invite=2999-01-01T00:00:00Z rate=30/1m" list
run 65 'not added: .*the same key as in line 2 \(home\)' authorize "$guest" somebody "${both[@]}"
# As postern rotate transport asks for it: by the key in use.
next=$(new_key)
run 0 'authorized home' authorize "$next" "$guest" "${both[@]}"
check "its options are copied, the invite is not" grep -qxF "$next home rate=30/1m" list
run 0 'revoked home \(line 2\)' revoke "$guest" "${both[@]}"
check "one key of the name is left" [ "$(grep -c ' home' list)" -eq 1 ]
check "no other line was touched" grep -qxF "$other plain" list
check "nobody but the edge writes the other file" [ "$(wc -l <enrolled)" -eq 1 ]
run 67 'nobody has the key' revoke "$guest" "${both[@]}"
# A damaged line is told, and takes nothing else with it.
printf '%s home invite=2999-01-01T00:00:00Z\n' "$invite" >list
printf 'garbage\n%s %s 2026-11-22T03:00:00Z\n%s' "$invite" "$guest" "$invite" >enrolled
run 0 'enrolled:1: not a line of enrolled keys' peers "${both[@]}"
run 0 "^home ${guest//+/[+]} " peers "${both[@]}"
mkdir directory
run 66 'directory: Is a directory|directory: Invalid' peers --file list --enrolled directory
cd .. || exit 1
