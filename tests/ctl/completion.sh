# shellcheck shell=bash disable=SC2154,SC2013
# Goal of this test: bash completes every command of the table in ctl/main.c and every option of each, without knowing any of them.
# Read by test_ctl.sh, which has run, check, ok and wrong.

# completes EXPECTED WORD...: what bash offers for the last word, sorted.
completes() {
	local expected=$1 offered
	shift
	# shellcheck disable=SC2016 # bash's own
	offered=$(PATH=$build:$PATH bash -c '. "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _postern
		printf "%s\n" "${COMPREPLY[@]}"' "$here/../../contrib/bash-completion/postern" postern "$@" | sort | xargs)
	check "bash completes postern $*: $offered" [ "$offered" = "$expected" ]
}
names=$(for name in $(sed -n '/commands\[\] = {/,/};/p' "$here/../../ctl/main.c" | grep -oE '&command_[a-z_]+'); do
	name=${name#&command_}
	echo "${name//_/-}"
done)
completes "$({ echo --help; echo --version; echo "$names"; } | sort | xargs)" ""
completes "revoke rotate" r
for name in $names; do
	completes "$({ echo --help; "$postern" "$name" --help | grep -oE -- '--[a-z][a-z0-9-]*'; } | sort -u | xargs)" "$name" --
done
completes "add disable drain enable list remove" edges ""
completes "" edges --config ""
completes "edge transport" rotate ""
completes "reset" limits r
