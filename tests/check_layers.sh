#!/bin/bash
# Goal of this test: include arrows point one way (lib <- tunnel, dns <- transport, edge, doctor; transport <- doctor <- ctl; lib <- milter), other
# programs never include one another, and each foreign library is seen only where doc/ARCHITECTURE.md says.
set -u
cd "$(dirname "$0")/.." || exit 1
failures=0

complain() {
	echo "check_layers: $1"
	failures=$((failures + 1))
}

# may FOLDER "OTHER FOLDERS": what FOLDER may include besides itself.
may() {
	local folder=$1 allowed=" $2 " file line target
	while IFS=: read -r file _ line; do
		target=$(sed -E 's/.*"([^"]*)".*/\1/' <<<"$line")
		case $target in
		*/*)
			[[ $allowed == *" ${target%%/*} "* ]] || complain "$file includes $target" ;;
		*)
			[ -e "$folder/$target" ] || complain "$file includes $target, which is not in $folder/" ;;
		esac
	done < <(grep -snE '^[[:space:]]*#[[:space:]]*include[[:space:]]*"' "$folder"/*.[ch])
}

# only_in HEADER-REGEX FILE-REGEX: files under the program folders that include HEADER must match FILE-REGEX.
only_in() {
	local file
	while read -r file; do
		grep -qE "$2" <<<"$file" || complain "$file includes <$1>"
	done < <(grep -rlE "^[[:space:]]*#[[:space:]]*include[[:space:]]*<$1" lib tunnel dns transport edge doctor milter ctl --include='*.[ch]')
}

may lib ""
may tunnel "lib"
may dns "lib"
may transport "lib tunnel"
may edge "lib tunnel dns doctor"
may edge/sts_fetch "lib edge"
may doctor "lib tunnel dns transport"
may ctl "lib tunnel dns transport doctor"
may milter "lib"
# Of the doctor the edge has only what its answer is made of.
while read -r file; do
	complain "$file includes more of doctor/ than finding*.h"
done < <(grep -rlE '#[[:space:]]*include[[:space:]]*"doctor/' edge | xargs -r grep -lE '"doctor/[^f]|"doctor/f[^i]')
only_in 'sodium' '^(tunnel/|edge/journal_seal)'
only_in 'openssl/' '^(edge/(tls_|sts_fetch/)|doctor/)'
only_in 'ldns/' '^dns/dns_'
only_in 'seccomp' '^edge/sandbox_'
only_in 'libconfig' '^lib/conf'
only_in 'libmilter/' '^milter/'
only_in 'cdb' '^milter/senders_cdb'
only_in 'idn2' '^(edge/mx_list|milter/sender_address)'
only_in 'jansson' '^(ctl/|doctor/|edge/(edge_question|question_|status_report))'
only_in 'zlib' '^ctl/tls_report'
only_in 'curl/' '^edge/sts_fetch/'

if [ "$failures" -gt 0 ]; then
	echo "check_layers: $failures wrong includes"
	exit 1
fi
echo "check_layers: every include points the right way"
