#!/bin/bash
# Goal of this test: no two archives define the same function. Unit tests link all of them, and would take whichever comes first.
set -u
twice=$(for archive in "$1"/*/lib*.a; do
	nm -g --defined-only "$archive" 2>/dev/null | awk -v archive="$archive" 'NF == 3 { print $3, archive }'
done | sort | awk '$1 == symbol { print "check_symbols: " symbol " is in " archive " and in " $2 } { symbol = $1; archive = $2 }')
[ -z "$twice" ] || { echo "$twice"; exit 1; }
echo "check_symbols: every function is defined once"
