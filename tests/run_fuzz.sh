#!/bin/bash
# Runs every fuzz target on its saved corpus and a little beyond: tests/run_fuzz.sh [SECONDS] [TARGET]. New findings are left in build/fuzz/.
set -u
cd "$(dirname "$0")/.." || exit 1
seconds=${1:-10} only=${2:-}
build=build/fuzz
results=$(mktemp -d)
trap 'rm -rf "$results"' EXIT
export seconds build results

# One target: what it says if it fails, and "ok" or "FAILED" as the name of a file.
one() {
	local name=$1 target=${1#fuzz_}
	local corpus=tests/fuzz/corpus/$target
	mkdir -p "$build/new/$target"
	# The saved inputs first, one by one and without chance; then mutations for a short while.
	if [ -d "$corpus" ] && "$build/tests/fuzz/$name" -runs=0 "$corpus" >"$build/$name.log" 2>&1 &&
	   "$build/tests/fuzz/$name" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 -artifact_prefix="$build/$target-" \
		"$build/new/$target" "$corpus" >>"$build/$name.log" 2>&1; then
		touch "$results/$name.ok"
		return
	fi
	[ -d "$corpus" ] || echo "no corpus in $corpus" >"$build/$name.log"
	{
		echo "$name: FAILED"
		tail -40 "$build/$name.log"
	} >"$results/$name.FAILED"
}
export -f one

for source in tests/fuzz/fuzz_*"$only"*.c; do
	basename "$source" .c
done | xargs -P "$(nproc)" -I '{}' bash -c 'one {}'
shopt -s nullglob
good=("$results"/*.ok) bad=("$results"/*.FAILED)
cat /dev/null "${bad[@]}"
echo "fuzz: ${#good[@]} passed, ${#bad[@]} failed"
[ "${#bad[@]}" -eq 0 ] && [ "${#good[@]}" -gt 0 ]
