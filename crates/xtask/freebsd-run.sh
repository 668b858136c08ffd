#!/bin/sh
# Runs the tests in a copy of its directory, which `cargo xtask freebsd test` packed: as root, without cargo or a network.
# Words pick some of the tests: `sh run.sh guardian` runs those whose names have that in them.
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
RUST_BACKTRACE=0
export INSTA_WORKSPACE_ROOT INSTA_UPDATE THINJAIL_BIN THINJAIL_SKIPS RUST_BACKTRACE
: >"$THINJAIL_SKIPS"
: >"$dir/results"

# Runs one program of tests in a directory, shows what it says as it comes, and keeps what it counted and what failed.
run() {
    echo "== $1"
    test=$2
    shift 2
    { "$test" "$@" 2>&1; echo "ended with status $?"; } | while IFS= read -r line; do
        case $line in
        "ended with status 0") continue ;;
        "ended with status "*) printf 'ended\n' >>"$dir/results" ;;
        "test result: "* | "test "*"... FAILED") printf '%s\n' "$line" >>"$dir/results" ;;
        esac
        printf '%s\n' "$line"
    done
}

# These look at the whole system, so nothing else may run meanwhile.
cd "$dir" || exit 1
for test in "$dir"/system/*; do
    run "system ${test##*/}" "$test" --test-threads=1 "$@"
done

# tests/ROOM/NAME is run in tree/crates/ROOM, as cargo does it.
for test in "$dir"/tests/*/*; do
    room=${test#"$dir/tests/"}
    room=${room%/*}
    CARGO_MANIFEST_DIR=$dir/tree/crates/$room
    export CARGO_MANIFEST_DIR
    cd "$CARGO_MANIFEST_DIR" || exit 1
    run "$room ${test##*/}" "$test" "$@"
done
cd "$dir" || exit 1

# "test result: ok. 5 passed; 0 failed; ..."; a skipped test is counted by its program as passed.
passed=0 broken=0 skipped=0
echo
while read -r word name rest; do
    case $word:$rest in
    ended:*) failed=$((failed + 1)) ;;
    "test:... FAILED") echo "FAILED: $name" ;;
    esac
done <"$dir/results"
while read -r first second _ count what count2 _; do
    case "$first $second" in
    "test result:")
        passed=$((passed + count)) broken=$((broken + count2))
        [ "$what" = "passed;" ] || failed=$((failed + 1))
        ;;
    esac
done <"$dir/results"
while read -r line; do
    echo "skip: $line"
    passed=$((passed - 1)) skipped=$((skipped + 1))
done <"$THINJAIL_SKIPS"
echo "== programs that failed: $failed"
echo "== tests: $passed ok, $broken FAILED, $skipped not run for want of something"
[ "$failed" -eq 0 ] && [ "$broken" -eq 0 ] && [ "$passed" -gt 0 ]
