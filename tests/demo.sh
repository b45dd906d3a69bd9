#!/bin/bash
# `make demo`: the main job before your eyes, inside the lab. See tests/demo.py.
set -eu
cd "$(dirname "$0")/.."
if [ "$(id -u)" -ne 0 ]; then
	echo "make demo needs root: it builds its network from network namespaces and mounts of its own" >&2
	exit 1
fi
exec tests/lab/lab run tests/demo.py
