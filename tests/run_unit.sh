#!/bin/bash
# Runs every unit test program of a build directory: tests/run_unit.sh BUILD [PATTERN]. Output only of those that fail.
# Many at a time, as most of their time is waiting; fewer where a sanitizer computes.
set -u
cd "$(dirname "$0")/.." || exit 1
build=$1 pattern=${2:-}
results=$(mktemp -d)
trap 'rm -rf "$results"' EXIT
export build results
export ASAN_OPTIONS=detect_leaks=1:strict_string_checks=1 UBSAN_OPTIONS=print_stacktrace=1 TSAN_OPTIONS=halt_on_error=1

# One program: its output, and "PASSED FAILED" as the last line of $results/NAME.
one() {
	local name=$1 log=$results/$1.log status ok bad
	timeout 300 "$build/tests/unit/$name" >"$log" 2>&1
	status=$?
	ok=$(sed -nE 's/^\[  PASSED  \] ([0-9]+) test.*/\1/p' "$log" | tail -1)
	bad=$(sed -nE 's/^\[  FAILED  \] ([0-9]+) test.*/\1/p' "$log" | tail -1)
	{
		if [ "$status" -ne 0 ] || [ -z "$ok" ]; then
			[ "${bad:-0}" -gt 0 ] || bad=1
			printf '%s: FAILED (exit status %s)\n' "$name" "$status"
			grep -vE '^\[ +(RUN|OK) ' "$log" | tail -60
		fi
		grep 'SKIPPED' "$log" | sed "s/^/$name: /"
		echo "${ok:-0} ${bad:-0}"
	} >"$results/$name"
}
export -f one

names=()
for source in tests/unit/test_*"$pattern"*.c; do
	names+=("$(basename "$source" .c)")
done
printf '%s\n' "${names[@]}" | xargs -P "$(($(nproc) * $([ "$(basename "$build")" = normal ] && echo 5 || echo 3)))" -I '{}' bash -c 'one {}'
passed=0 failed=0
for name in "${names[@]}"; do
	if ! read -r ok bad < <(tail -n 1 "$results/$name"); then
		ok=0 bad=1
		echo "$name: FAILED (did not run)"
	fi
	[ ! -e "$results/$name" ] || head -n -1 "$results/$name"
	passed=$((passed + ok)) failed=$((failed + bad))
done
echo "unit: $passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
