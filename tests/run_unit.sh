#!/bin/bash
# Runs every unit test program of a build directory: tests/run_unit.sh BUILD [PATTERN]. Output only of those that fail.
set -u
cd "$(dirname "$0")/.." || exit 1
build=$1 pattern=${2:-}
passed=0 failed=0
log=$(mktemp)
trap 'rm -f "$log"' EXIT
export ASAN_OPTIONS=detect_leaks=1:strict_string_checks=1 UBSAN_OPTIONS=print_stacktrace=1 TSAN_OPTIONS=halt_on_error=1

for source in tests/unit/test_*"$pattern"*.c; do
	name=$(basename "$source" .c)
	timeout 300 "$build/tests/unit/$name" >"$log" 2>&1
	status=$?
	ok=$(sed -nE 's/^\[  PASSED  \] ([0-9]+) test.*/\1/p' "$log" | tail -1)
	bad=$(sed -nE 's/^\[  FAILED  \] ([0-9]+) test.*/\1/p' "$log" | tail -1)
	skipped=$(grep -c 'SKIPPED' "$log")
	if [ "$status" -ne 0 ] || [ -z "$ok" ]; then
		[ "${bad:-0}" -gt 0 ] || bad=1
		printf '%s: FAILED (exit status %s)\n' "$name" "$status"
		grep -vE '^\[ +(RUN|OK) ' "$log" | tail -60
	fi
	[ "$skipped" -eq 0 ] || grep 'SKIPPED' "$log" | sed "s/^/$name: /"
	passed=$((passed + ${ok:-0})) failed=$((failed + ${bad:-0}))
done
echo "unit: $passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
