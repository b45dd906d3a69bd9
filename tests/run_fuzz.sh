#!/bin/bash
# Runs every fuzz target on its saved corpus and a little beyond: tests/run_fuzz.sh [SECONDS] [TARGET]. New findings are left in build/fuzz/.
set -u
cd "$(dirname "$0")/.." || exit 1
seconds=${1:-10} only=${2:-}
passed=0 failed=0
build=build/fuzz

for source in tests/fuzz/fuzz_*"$only"*.c; do
	name=$(basename "$source" .c)
	target=${name#fuzz_}
	corpus=tests/fuzz/corpus/$target
	[ -d "$corpus" ] || { echo "$name: no corpus in $corpus"; failed=$((failed + 1)); continue; }
	mkdir -p "$build/new/$target"
	# The saved inputs first, one by one and without chance; then mutations for a short while.
	if "$build/tests/fuzz/$name" -runs=0 "$corpus" >"$build/$name.log" 2>&1 &&
	   "$build/tests/fuzz/$name" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 -artifact_prefix="$build/$target-" \
		"$build/new/$target" "$corpus" >>"$build/$name.log" 2>&1; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		echo "$name: FAILED"
		tail -40 "$build/$name.log"
	fi
done
echo "fuzz: $passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
