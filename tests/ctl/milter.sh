# shellcheck shell=bash disable=SC2154
# Goal of this test: limits, senders-check and headers-check hand their arguments to postern-milter as they are, and its output,
# input and exit code to the caller. Read by test_ctl.sh, which has run, check, ok and wrong.
cat >fake-milter <<'END'
#!/bin/bash
printf '[%s]' "$@"
echo
[ "$FAKE_INPUT" = "" ] || cat
echo complaint >&2
exit "${FAKE_EXIT:-0}"
END
chmod 755 fake-milter
fake=(--milter ./fake-milter)

# passes EXPECTED ARGUMENTS...: what postern-milter gets.
passes() {
	local expected=$1 output
	shift
	output=$("$postern" "$@" 2>/dev/null)
	check "postern $*: $output" [ "$output" = "$expected" ]
}
passes '[--limits][--][show]' limits "${fake[@]}"
passes '[--limits][--][show]' limits show "${fake[@]}"
passes '[-c][my conf][--limits][--][reset][login:a b]' limits reset 'login:a b' --config 'my conf' "${fake[@]}"
passes '[--limits][--][reset][*]' limits "${fake[@]}" reset '*'
passes '[--senders-check][--][alice][a@example.com]' senders-check alice a@example.com "${fake[@]}"
# shellcheck disable=SC2016
passes '[--senders-check][--][-c][$(id);]' senders-check "${fake[@]}" -- -c '$(id);'
passes '[--headers-check][--]' headers-check "${fake[@]}"
passes '[--headers-check][--][alice]' headers-check --login alice "${fake[@]}"
passes '[--headers-check][--][alice][a@example.com]' headers-check --sender a@example.com --login alice "${fake[@]}"
passes '[--headers-check][--][local][]' headers-check --sender '' "${fake[@]}"
for status in 0 65 69 75 77; do
	FAKE_EXIT=$status run "$status" 'complaint' limits "${fake[@]}"
	FAKE_EXIT=$status run "$status" 'complaint' senders-check alice a@example.com "${fake[@]}"
done
check "the message goes to postern-milter" [ "$(printf 'From: a\n\nbody\n' |
	FAKE_INPUT=1 "$postern" headers-check "${fake[@]}" 2>/dev/null | sed -n 2,4p | cksum)" = "$(printf 'From: a\n\nbody\n' | cksum)" ]

run 64 'neither show nor reset: clear' limits clear "${fake[@]}"
run 64 'reset whom' limits reset "${fake[@]}"
run 64 'too much: x' limits show x "${fake[@]}"
run 64 'too much: b' limits reset a b "${fake[@]}"
run 64 'something is missing' senders-check alice "${fake[@]}"
run 64 'too much: c' senders-check alice b c "${fake[@]}"
run 64 'on standard input; too much: file' headers-check file "${fake[@]}"
run 64 'unknown option' senders-check --login alice a b "${fake[@]}"
run 69 'cannot run ./no-such: No such file or directory; this is for the mail host' limits --milter ./no-such
: >not-a-program
run 69 'cannot run ./not-a-program: Permission denied' limits --milter ./not-a-program
