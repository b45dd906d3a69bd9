#!/bin/bash
# Runs fuzz targets, each on its saved corpus and then on mutations of it for a time. New findings are left in build/fuzz/.
#
#   tests/run_fuzz.sh [-r] [-P JOBS] [-s SECONDS] [TARGET...]
#
#   -P JOBS     so many targets at a time (one per processor)
#   -r          leave what each run came to in build/fuzz/TARGET.stats
#   -s SECONDS  for each target (10)
#   TARGET      NAME of tests/fuzz/fuzz_NAME.c; all without
#
# Says nothing before the end. Time limits are of the wall clock, so they are such that a starved process does not run into them.
set -u
cd "$(dirname "$0")/.." || exit 1
jobs=$(nproc) seconds=10 record=
while getopts rP:s: option; do
	case $option in
	r) record=yes ;;
	P) jobs=$OPTARG ;;
	s) seconds=$OPTARG ;;
	*) sed -n 's/^#   tests/usage: tests/p' "$0" >&2; exit 64 ;;
	esac
done
shift $((OPTIND - 1))
[ $# -gt 0 ] || { set -- tests/fuzz/fuzz_*.c; set -- "${@#tests/fuzz/fuzz_}"; set -- "${@%.c}"; }
build=build/fuzz
results=$(mktemp -d)
trap 'rm -rf "$results"' EXIT
commit=$(git describe --always --dirty --abbrev=12 2>/dev/null || echo unknown)
export seconds record build results commit

# What libFuzzer said at its end and what the shell's clock counted, one "name value" per line.
# "#12 DONE cov: 3 ft: 4 corp: 5/67b exec/s: 8 rss: 9Mb" has no "corp" when the corpus is a single input.
write_stats() {
	local target=$1 result=$2 log=$3 times=$4
	awk -v target="$target" -v result="$result" -v commit="$commit" -v program="$(tests/fuzz/program_id "$target")" '
		/^real / { real = $2 } /^user / { cpu += $2 } /^sys / { cpu += $2 }
		/^#[0-9]+/ { for (i = 1; i < NF; i++) if ($i == "cov:" || $i == "ft:" || $i == "corp:") last[$i] = $(i + 1) }
		/^stat::number_of_executed_units:/ { executions = $2 }
		END {
			print "target", target
			print "result", result
			print "executions", executions + 0
			printf "executions_per_second %.0f\n", (real > 0 ? executions / real : 0)
			print "coverage_counters", last["cov:"] + 0
			print "features", last["ft:"] + 0
			print "corpus", last["corp:"] + 0
			print "seconds", real
			print "cpu_seconds", cpu
			print "commit", commit
			print "program", program
		}' "$log" "$times" >"$build/$target.stats"
}

# One target: what it says if it fails, and "ok" or "FAILED" as the name of a file.
one() {
	local target=$1 name=fuzz_$1 result=FAILED
	local corpus=tests/fuzz/corpus/$target log=$build/fuzz_$1.log TIMEFORMAT=$'real %R\nuser %U\nsys %S'
	rm -f "$build/$target.stats" "$build/$target"-{crash,leak,timeout,oom,slow-unit}-*
	rm -rf "$build/new/$target"
	mkdir -p "$build/new/$target"
	# The saved inputs first, one by one and without chance; then mutations.
	if [ ! -d "$corpus" ]; then
		echo "no corpus in $corpus" >"$log"
	elif "$build/tests/fuzz/$name" -runs=0 -timeout=300 "$corpus" >"$log" 2>&1; then
		{ time "$build/tests/fuzz/$name" -max_total_time="$seconds" -timeout=300 -rss_limit_mb=1024 -print_final_stats=1 \
			-artifact_prefix="$build/$target-" "$build/new/$target" "$corpus" >>"$log" 2>&1; } 2>"$results/$name.times" && result=ok
	fi
	[ -z "$record" ] || [ ! -s "$results/$name.times" ] || write_stats "$target" "$result" "$log" "$results/$name.times"
	if [ "$result" = ok ]; then
		touch "$results/$name.ok"
	else
		{
			echo "$name: FAILED"
			tail -40 "$log"
		} >"$results/$name.FAILED"
	fi
}
export -f one write_stats

printf '%s\n' "$@" | xargs -P "$jobs" -I '{}' bash -c 'one {}'
shopt -s nullglob
good=("$results"/*.ok) bad=("$results"/*.FAILED)
[ "${#bad[@]}" -eq 0 ] || cat "${bad[@]}"
echo "fuzz: ${#good[@]} passed, ${#bad[@]} failed"
[ "${#bad[@]}" -eq 0 ] && [ "${#good[@]}" -eq $# ]
