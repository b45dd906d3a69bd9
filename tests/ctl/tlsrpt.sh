# shellcheck shell=bash disable=SC2154,SC2016
# Goal of this test: `postern tlsrpt' makes reports and mails that RFC 8460 asks for, to those who asked and nobody else, and
# nothing that strangers wrote reaches a shell or a header field. Read by test_ctl.sh, which has run, check, ok and wrong.
check_tlsrpt() {
	python3 "$here/check_tlsrpt.py" "$@"
}
day=2025-11-20 begin=1763596800
# line FIELD...: one line of statistics.
line() {
	local IFS=$'\t'
	printf '%s\n' "$*"
}
# statistics DATE LINE...: a whole file.
statistics() {
	local date=$1
	shift
	line postern-tlsrpt 1 "$date"
	[ $# -eq 0 ] || printf '%s\n' "$@"
	line end $(($# + 2))
}
none=('' '' '' '' '' '')

mkdir tlsrpt
sts='version: STSv1%0Amode: enforce%0Amx: *.a.example%0Amx: mx.b.example%0Amax_age: 86400'
patterns='*.a.example%0Amx.b.example'
statistics $day \
	"$(line domain a.example 'mailto:reports%252Btls@r.example,https://r.example/v1,mailto:two@r.example')" \
	"$(line domain b.example 'mailto:b@r.example')" \
	"$(line domain c.example 'https://r.example/v1')" \
	"$(line domain e.example 'mailto:e@r.example')" \
	"$(line sessions 2 sts certificate-expired a.example a.example "$sts" "$patterns" mx.b.example 192.0.2.9 192.0.2.1 'expired 2%25 "ago"')" \
	"$(line sessions 3 no-policy-found starttls-not-supported b.example b.example '' '' mx.b.example 2001:db8::9 '' '')" \
	"$(line sessions 5 sts success a.example a.example "$sts" "$patterns" '' '' '' '')" \
	"$(line sessions 1 tlsa tlsa-invalid a.example mx.a.example '3 1 1 AB%0A2 1 1 CD' '' mx.a.example 192.0.2.8 192.0.2.1 '')" \
	"$(line sessions 1 sts sts-policy-fetch-error a.example a.example '' '' '' '' '' 'HTTP 500')" \
	"$(line sessions 11 no-policy-found success c.example c.example "${none[@]}")" >tlsrpt/$day
tlsrpt=(tlsrpt --directory tlsrpt --date "$day")

# ---- JSON ----
"$postern" "${tlsrpt[@]}" --contact tls@relay.example --organization 'Bücher & "Co"' >reports.json 2>error
check "tlsrpt prints reports" [ $? -eq 0 ]
check "and nothing else" [ ! -s error ]
check_tlsrpt json reports.json >summary
check "reports are as RFC 8460 wants them" [ $? -eq 0 ]
cat >expected <<END
$day.a.example 5 4
$day.b.example 0 3
$day.c.example 11 0
END
sed -Ei 's/\.[0-9a-f]{8} / /' summary
check "one report for each domain that had sessions" cmp summary expected
python3 - <<'END'
import json, sys
a, b, c = json.load(open("reports.json", encoding="utf-8"))
assert a["organization-name"] == 'Bücher & "Co"' and a["contact-info"] == "tls@relay.example"
assert a["date-range"] == {"start-datetime": "2025-11-20T00:00:00Z", "end-datetime": "2025-11-20T23:59:59Z"}
tlsa, failed_fetch, sts = a["policies"]
assert tlsa["policy"] == {"policy-type": "tlsa", "policy-string": ["3 1 1 AB", "2 1 1 CD"], "policy-domain": "mx.a.example"}
assert failed_fetch["failure-details"] == [
    {"result-type": "sts-policy-fetch-error", "failed-session-count": 1, "failure-reason-code": "HTTP 500"}]
assert sts["policy"]["mx-host"] == ["*.a.example", "mx.b.example"]
assert sts["policy"]["policy-string"][0] == "version: STSv1" and len(sts["policy"]["policy-string"]) == 5
assert sts["summary"] == {"total-successful-session-count": 5, "total-failure-session-count": 2}
assert sts["failure-details"] == [{
    "result-type": "certificate-expired", "sending-mta-ip": "192.0.2.1", "receiving-mx-hostname": "mx.b.example",
    "receiving-ip": "192.0.2.9", "failed-session-count": 2, "failure-reason-code": 'expired 2% "ago"'}]
assert b["policies"][0]["policy"] == {"policy-type": "no-policy-found", "policy-domain": "b.example"}
assert "failure-details" not in c["policies"][0]
END
check "the reports say what was counted" [ $? -eq 0 ]
"$postern" "${tlsrpt[@]}" --domain B.Example >one.json
check "--domain" [ "$(check_tlsrpt json one.json | wc -l)" -eq 1 ]
run 0 '^\[\]$' "${tlsrpt[@]}" --domain nobody.example
run 0 '^\[\]$' tlsrpt --directory tlsrpt --date 2025-11-19
run 66 'nowhere: No such file' tlsrpt --directory nowhere
yesterday=$(date -u -d yesterday +%F)
statistics "$yesterday" "$(line sessions 1 no-policy-found success y.example y.example "${none[@]}")" >"tlsrpt/$yesterday"
run 0 "$yesterday.y.example" tlsrpt --directory tlsrpt
run 0 "$yesterday.y.example" tlsrpt --directory tlsrpt --date yesterday

# ---- usage ----
for bad in 2025-02-30 2025-1-1 today ''; do
	run 64 'not a date' tlsrpt --date "$bad"
done
run 64 'not a domain' tlsrpt --domain 'a;b'
for bad in 'x' 'a@b c' $'a@b.example\nBcc: x@y.example' '"a b"@c.example' 'a@[192.0.2.1]' ''; do
	run 64 'not an address' tlsrpt --mail "$bad"
	run 64 'not an address' tlsrpt --contact "$bad"
done
run 64 'not UTF-8' tlsrpt --organization $'\xff'
run 64 'too much' tlsrpt yesterday
run 64 'pipe is for --mail' tlsrpt --pipe cat
run 64 'raw goes with' tlsrpt --raw --mail a@b.example
run 64 'not both' tlsrpt --file x --directory y

# ---- mail ----
mail=("${tlsrpt[@]}" --mail tlsrpt@relay.example)
"$postern" "${mail[@]}" >mbox 2>error
check "tlsrpt --mail prints mails" [ $? -eq 0 ]
check_tlsrpt mbox mbox >summary
check "the mails are as RFC 8460 wants them" [ $? -eq 0 ]
cat >expected <<END
a.example $day.a.example@relay.example 5 4 reports+tls@r.example two@r.example
b.example $day.b.example@relay.example 0 3 b@r.example
END
sed -Ei 's/\.[0-9a-f]{8}@/@/' summary
check "to whom they shall go" cmp summary expected
check "mails are apart from one another" [ -z "$(tail -n 1 mbox)" ]
check "https: is told as not sent" [ "$(grep -c 'not sent to https://r.example/v1' error)" -eq 2 ]
check "the name of the file" grep -qF "filename=\"relay.example!a.example!$begin!$((begin + 86399)).json.gz\"" mbox
"$postern" "${mail[@]}" 2>/dev/null | grep ^Message-ID >again
check "the same report has the same identity" cmp again <(grep ^Message-ID mbox)

# A command gets each mail on its standard input, and no text of a stranger in its words.
cat >sendmail <<'END'
#!/bin/sh
cat >"sent.$$"
echo "$#" >>words
END
chmod +x sendmail
"$postern" "${mail[@]}" --pipe './sendmail -t -f x' >output 2>error
check "tlsrpt --pipe" [ $? -eq 0 ]
check "says nothing on standard error" [ ! -s error ]
check "each mail by itself" [ "$(cat words)" = $'3\n3' ]
check_tlsrpt mail sent.* | sed -E 's/\.[0-9a-f]{8}@/@/' | sort >summary
check "the same mails" cmp summary expected
check "and says what was sent" grep -q '^a.example: sent to <reports+tls@r.example> <two@r.example>, report-id 2025' output
check "and what was not" grep -q '^c.example: not sent to https:' output
run 69 'a.example: not sent: the command.s exit status was 75' "${mail[@]}" --pipe 'cat >/dev/null; exit 75'
run 69 'b.example: not sent: the command was killed' "${mail[@]}" --pipe 'kill -9 $$'
run 69 'exit status was 127' "${mail[@]}" --pipe './no-such-program'
# The failure of one does not keep the next from being sent.
rm -f sent.* words
run 69 'a.example: not sent' "${mail[@]}" --pipe 'cat >copy; ! grep -q "TLS-Report-Domain: a" copy && ./sendmail <copy'
check "the other one went out" [ "$(cat sent.* | grep -c '^TLS-Report-Domain: b.example')" -eq 1 ]
# The command does not inherit an ignored SIGPIPE.
run 0 'b.example: sent' "${mail[@]}" --domain b.example --pipe 'cat >/dev/null; grep -q "^SigIgn:.*[02468ace]...$" /proc/self/status'

# Addresses that strangers made up: skipped, each with its reason; the others still get their report.
number=0
for bad in 'a%0aBcc:%20x@y.example' 'a@y.example?bcc=x@y.example' '%22$(touch%20pwned)%22@y.example' 'a@[192.0.2.1]' \
	'a;touch pwned@y.example' 'a@y.example!10m'; do
	bad=${bad// /%20} number=$((number + 1))
	case $bad in *';'*) bad=${bad//;/%3B} ;; esac
	statistics $day "$(line domain v.example "mailto:${bad//%/%25},mailto:good@r.example")" \
		"$(line sessions 1 no-policy-found success v.example v.example "${none[@]}")" >evil
	"$postern" tlsrpt --file evil --mail tlsrpt@relay.example >mbox 2>error
	check "a bad address $number is no failure" [ $? -eq 0 ]
	check "it is told" grep -qF "v.example: not sent to mailto:$bad: " error
	check "the good one is kept" [ "$(check_tlsrpt mbox mbox | cut -d' ' -f5-)" = good@r.example ]
done
# What a shell would run is legal in an address: it stays text.
statistics $day "$(line domain v.example "mailto:\`touch\`\$x|y&'@y.example")" \
	"$(line sessions 1 no-policy-found success v.example v.example "${none[@]}")" >evil
run 0 'sent to <`touch`\$x\|y&' tlsrpt --file evil --mail tlsrpt@relay.example --pipe 'cat >/dev/null'
check "and nothing was run" [ ! -e pwned ]

# ---- from one machine to another ----
"$postern" "${tlsrpt[@]}" --raw >raw
check "--raw is the file" cmp raw tlsrpt/$day
"$postern" tlsrpt --file - --mail tlsrpt@relay.example <raw 2>/dev/null >mbox
check_tlsrpt mbox mbox | sed -E 's/\.[0-9a-f]{8}@/@/' >summary
check "--file - makes the same mails" cmp summary expected
"$postern" tlsrpt --directory tlsrpt --date 2025-11-19 --raw >nothing
check "a day without sessions is nothing" [ ! -s nothing ]
output=$("$postern" tlsrpt --file - --mail tlsrpt@relay.example <nothing 2>&1)
check "of which nothing comes" [ "$?$output" = 0 ]
# What was cut off on the way is not sent as if it were the whole day.
head -c 700 raw >half
run 65 'nothing was sent' tlsrpt --file half --mail tlsrpt@relay.example
run 65 'half: its last line is not there' tlsrpt --file half
run 65 'nothing was sent' tlsrpt --file raw --date 2025-11-19 --mail tlsrpt@relay.example
statistics "$(date -u +%F)" "$(line sessions 1 no-policy-found success y.example y.example "${none[@]}")" >now
run 75 'that day \(UTC\) is not over yet' tlsrpt --file now --mail tlsrpt@relay.example
tail -n +2 raw >headless
run 65 'do not say of which day' tlsrpt --file headless
# A damaged line costs itself only.
sed '3s/mailto/mai\x01to/; 7s/3/x/' raw >damaged
run 65 'damaged:3: damaged' tlsrpt --file damaged
run 65 'damaged:7: damaged' tlsrpt --file damaged
"$postern" tlsrpt --file damaged 2>/dev/null >reports.json
check "the other domains are reported" [ "$(check_tlsrpt json reports.json | wc -l)" -eq 2 ]
