#!/bin/bash
# Goal of this test: each setting of a configuration table is in its manual page and in its example, and nothing else is; every
# program and file has a manual page that parses without a warning; every option in --help is in the page.
set -u
cd "$(dirname "$0")/.." || exit 1
build=${BUILD:-build/normal}
failures=0

complain() {
	echo "check_docs: $1"
	failures=$((failures + 1))
}

# The names in a table of settings.
settings_of() {
	sed -nE 's/^[[:space:]]*((RULE_)?SETTING\(|\{ *\.name = ")([a-z0-9_]+)[,"].*/\3/p' "$1" | sort
}
# The settings a manual page documents: .It Cm name
documented_in() {
	sed -nE 's/^\.It Cm ([a-z0-9_]+).*/\1/p' "$1" | sort
}
# The settings an example shows, commented out or not: `name = ...`
shown_in() {
	sed -nE 's/^#?([a-z0-9_]+) *=.*/\1/p' "$1" | sort -u
}

# same TABLE PAGE EXAMPLE
same() {
	local difference
	difference=$(diff <(settings_of "$1") <(documented_in "$2")) || complain "$1 and $2 differ:"$'\n'"$difference"
	difference=$(diff <(settings_of "$1") <(shown_in "$3")) || complain "$1 and $3 differ:"$'\n'"$difference"
	[ -n "$(settings_of "$1")" ] || complain "$1: no settings found"
}

same edge/edge_conf.c man/postern-edge.conf.5 conf.examples/edge.conf
same transport/transport_conf.c man/postern.conf.5 conf.examples/postern.conf
same milter/milter_conf.c man/postern-milter.conf.5 conf.examples/milter.conf

for page in man/*.[1-9]; do
	if command -v mandoc >/dev/null; then
		output=$(mandoc -T lint -W warning "$page" 2>&1) || complain "$output"
	else
		output=$(LC_ALL=C.UTF-8 man --warnings -l "$page" 2>&1 >/dev/null)
		[ -z "$output" ] || complain "$page: $output"
	fi
done

# sections PAGE NAME...: in Postfix's manner, whoever looks for something finds it where he looks for it.
sections() {
	local page=$1 section
	shift
	for section in "$@"; do
		grep -qx "\.Sh $section" "$page" || complain "$page has no section $section"
	done
}
for page in man/*.[1-9]; do
	sections "$page" NAME "SEE ALSO"
	case $page in
	*.7) sections "$page" DESCRIPTION FILES ;;
	*.5) sections "$page" SYNOPSIS DESCRIPTION EXAMPLES ;;
	*.1 | *.8) sections "$page" SYNOPSIS "EXIT STATUS" EXAMPLES ;;
	esac
done
for page in man/postern-edge.8 man/postern-transport.8 man/postern-milter.8; do
	sections "$page" FILES DIAGNOSTICS
done

# options PAGE PROGRAM [COMMAND]: every --option of --help is in the page.
options() {
	local page=$1 program=$build/$2 option
	shift 2
	for option in $("$program" "$@" --help 2>&1 | grep -oE -- '--[a-z][a-z-]+' | sort -u); do
		grep -q -- "Fl -${option#--}" "$page" || complain "$page does not mention $option of ${program##*/} $* --help"
	done
}
for page in man/postern-edge.8 man/postern-sts-fetch.8 man/postern-transport.8 man/postern-milter.8 man/postern.1; do
	program=${page#man/}
	options "$page" "${program%.*}"
done
# The page of each command of postern.
for command in $("$build/postern" --help | sed -nE 's/^  ([a-z-]+) .*/\1/p'); do
	case $command in
	doctor) page=man/postern-doctor.1 ;;
	invite | join | leave) page=man/postern-join.1 ;;
	status | metrics | log | test) page=man/postern-status.1 ;;
	*) page=man/postern.1 ;;
	esac
	options $page postern "$command"
done

# Each finding that the doctor can have is in its page, in the order of the table, and nothing else is.
difference=$(diff <(sed -nE 's/^\t\{ "([a-z0-9]+-[a-z0-9-]+)", .*/\1/p' doctor/finding_id.c) \
	<(sed -nE 's/^\.It Sy ([a-z0-9-]+)$/\1/p' man/postern-doctor.1)) ||
	complain "doctor/finding_id.c and man/postern-doctor.1 differ:"$'\n'"$difference"

# Every line of an example that is commented out must be good when it is not.
example=$(mktemp)
trap 'rm -f "$example"' EXIT
for pair in edge:postern-edge postern:postern-transport milter:postern-milter; do
	file=conf.examples/${pair%%:*}.conf
	sed -E 's/^#([a-z0-9_]+ *=)/\1/' "$file" >"$example"
	output=$("$build/${pair##*:}" -c "$example" --check 2>&1)
	! grep -q "$example" <<<"$output" || complain "$file is not accepted: ${output//"$example"/$file}"
done

if [ "$failures" -gt 0 ]; then
	echo "check_docs: $failures mistakes"
	exit 1
fi
echo "check_docs: manuals, examples and tables agree"
