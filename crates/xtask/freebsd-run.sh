#!/bin/sh
# Runs the tests in a copy of its directory, which `cargo xtask freebsd test` packed: as root, without cargo or a network.
set -u
dir=$(pwd)
failed=0

echo "== $(uname -srm)"
echo "== thinjail --version"
"$dir/thinjail" --version || failed=$((failed + 1))

# Snapshots are looked for below INSTA_WORKSPACE_ROOT, not where the tests were built.
INSTA_WORKSPACE_ROOT=$dir/tree
INSTA_UPDATE=no
THINJAIL_BIN=$dir/thinjail
THINJAIL_SKIPS=$dir/skips
export INSTA_WORKSPACE_ROOT INSTA_UPDATE THINJAIL_BIN THINJAIL_SKIPS
: >"$THINJAIL_SKIPS"

# tests/ROOM/NAME is run in tree/crates/ROOM, as cargo does it.
for test in "$dir"/tests/*/*; do
    room=${test#"$dir/tests/"}
    room=${room%/*}
    echo "== $room ${test##*/}"
    CARGO_MANIFEST_DIR=$dir/tree/crates/$room
    export CARGO_MANIFEST_DIR
    (cd "$CARGO_MANIFEST_DIR" && "$test") || failed=$((failed + 1))
done

sed 's/^/skip: /' "$THINJAIL_SKIPS"
echo "== programs that failed: $failed"
[ "$failed" -eq 0 ]
