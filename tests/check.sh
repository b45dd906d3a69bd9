#!/bin/bash
# `make check`: every test there is, in stages, each with its own closing line; the last line sums them up.
# POSTERN_CHECK="unit docs" runs only those stages (layers build docs unit ctl interop differential asan tsan milter fuzz-coverage crash valgrind fuzz
# e2e e2e-memory-tsan e2e-alone).
set -u
cd "$(dirname "$0")/.." || exit 1
if [ "$(id -u)" -ne 0 ]; then
	echo "make check needs root: it builds its test network from network namespaces and mounts of its own" >&2
	exit 1
fi
stages=${POSTERN_CHECK:-layers build docs unit ctl interop differential asan tsan milter fuzz-coverage crash valgrind fuzz e2e e2e-memory-tsan e2e-alone}
jobs=$(nproc)
closing='^([a-z0-9-]+: )?[0-9]+ passed, [0-9]+ failed(, [0-9]+ skipped)?$'
passed=0 failed=0
started=$SECONDS
failures=$(mktemp)
beside=$(mktemp -d)
leave() {
	trap '' INT TERM
	cat /dev/null "$beside"/*.pid 2>/dev/null | while read -r group; do kill -- "-$group" 2>/dev/null; done
	rm -rf "$failures" "$beside"
}
trap leave EXIT
trap 'exit 130' INT TERM

wanted() {
	[[ " $stages " == *" $1 "* ]]
}
# count NAME LOG STATUS: counts from the log's closing line; a stage without one counts as one test.
count() {
	local name=$1 log=$2 status=$3 line
	grep -wE 'FAILED' "$log" | sed "s/^/$name: /" >>"$failures"
	line=$(grep -E "$closing" "$log" | tail -1)
	rm -f "$log"
	if [[ $line =~ ([0-9]+)\ passed,\ ([0-9]+)\ failed ]]; then
		passed=$((passed + BASH_REMATCH[1])) failed=$((failed + BASH_REMATCH[2]))
		[ "$status" -eq 0 ] || [ "${BASH_REMATCH[2]}" -gt 0 ] || failed=$((failed + 1))
	elif [ "$status" -eq 0 ]; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
	fi
	echo "== $name: $((SECONDS - started)) s since the start"
}
stage() {
	local name=$1 log status
	shift
	wanted "$name" || return 0
	log=$(mktemp)
	echo "== $name"
	"$@" 2>&1 | tee "$log"
	status=${PIPESTATUS[0]}
	count "$name" "$log" "$status"
}
# begin NAME COMMAND...: a stage beside those that follow; end NAME shows and counts it. The command is a program, or a function of this script.
begin() {
	local name=$1
	shift
	wanted "$name" || return 0
	setsid bash -c '"$@"' begin "$@" >"$beside/$name" 2>&1 &
	echo $! >"$beside/$name.pid"
}
end() {
	local name=$1
	[ -e "$beside/$name.pid" ] || return 0
	wait "$(cat "$beside/$name.pid")"
	local status=$?
	rm "$beside/$name.pid"
	echo "== $name"
	cat "$beside/$name"
	count "$name" "$beside/$name" "$status"
}

build() {
	make --no-print-directory -s -j"$jobs" all tool-programs && tests/check_symbols.sh build/normal
}
docs() {
	tests/check_docs.sh && tests/check_docs_lines.py && tests/check_units.py && tests/check_catalogue && tests/packages/check_files build/normal &&
		tests/packages/check_scripts
}
unit() {
	make --no-print-directory -s -j"$jobs" "$@" all unit-programs || return 1
	tests/run_unit.sh "build/${san:-normal}"
}
interop() {
	make --no-print-directory -s -j"$jobs" all tool-programs && tests/python/run build/normal
}
differential() {
	make --no-print-directory -s -j"$jobs" tool-programs && tests/differential/run build/normal
}
fuzz_build() {
	wanted fuzz && make --no-print-directory -s -j"$jobs" fuzz-programs
}
fuzz_coverage() {
	make --no-print-directory -s -j"$jobs" fuzz-coverage-programs && tests/fuzz/coverage
}
e2e() {
	local build=build/${1:-normal}
	make --no-print-directory -s -j"$jobs" SAN="$1" all tool-programs || return 1
	shift
	POSTERN_BUILD=$PWD/$build tests/lab/lab run tests/e2e/run "$@"
}
# What a sanitizer would hide: the memory of the programs as they are installed, and their filter of system calls. Beside it, as one waits and the other
# computes, the thread sanitizer sees the edge and the milter at their busiest.
e2e_memory_and_tsan() {
	local logs status
	logs=$(mktemp -d)
	LAB_NAME=check-memory e2e '' test_memory Steady test_58_keeper Sandboxed >"$logs/memory" 2>&1 &
	LAB_NAME=check-tsan e2e thread test_10_road test_30_fifty Steady test_edge_killed test_edge_stopped test_55_journal test_82_limits \
		>"$logs/tsan" 2>&1
	wait
	grep -hvE "$closing" "$logs"/*
	grep -hE "$closing" "$logs"/* |
		awk '{ passed += $1; failed += $3 } END { print passed + 0 " passed, " failed + (NR != 2) " failed"; exit failed > 0 || NR != 2 }'
	status=$?
	rm -r "$logs"
	return $status
}
e2e_side_by_side() {
	make --no-print-directory -s -j"$jobs" SAN="$1" all tool-programs && POSTERN_BUILD=$PWD/build/$1 tests/e2e/side_by_side "$2"
}
crash() {
	make --no-print-directory -s -j"$jobs" all tool-programs && LAB_NAME=check-crash POSTERN_BUILD=$PWD/build/normal tests/lab/lab run tests/crash/run --sample 40
}
valgrind() {
	make --no-print-directory -s -j"$jobs" all tool-programs && LAB_NAME=check-valgrind POSTERN_BUILD=$PWD/build/normal tests/lab/lab run tests/valgrind/run
}
milter() {
	make --no-print-directory -s -j"$jobs" SAN="$1" all && tests/milter/run "build/$1"
}

export jobs closing
export -f crash valgrind e2e e2e_memory_and_tsan

stage layers tests/check_layers.sh
stage build build
stage docs docs
# In labs of their own, where they wait, beside what compiles. The points are a sample that is another one every day; all points: make crash.
if wanted crash || wanted valgrind; then build >/dev/null 2>&1; fi
begin crash crash
begin valgrind valgrind
san='' stage unit unit
stage ctl tests/ctl/test_ctl.sh build/normal
stage interop interop
stage differential differential
san=address,undefined stage asan unit SAN=address,undefined
san=thread stage tsan unit SAN=thread
stage milter milter address,undefined
stage fuzz-coverage fuzz_coverage
end crash
end valgrind
fuzz_build
# These wait for most of their time, and so do those they stand beside: five labs.
begin fuzz nice -n 19 tests/run_fuzz.sh -P $((2 * jobs)) -s 30
begin e2e-memory-tsan e2e_memory_and_tsan
stage e2e e2e_side_by_side address,undefined --shared
end e2e-memory-tsan
stage e2e-alone e2e_side_by_side address,undefined --alone
end fuzz

# Whoever sees only the end of the log learns what failed.
[ "$failed" -eq 0 ] || cat "$failures"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
