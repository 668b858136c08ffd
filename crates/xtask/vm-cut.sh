#!/bin/sh
# A machine that is cut off while jails run, and started again from the same disk: `vm-cut.sh before` does not come back,
# `vm-cut.sh after` looks at what is left. Run in the virtual machine of `cargo xtask vm`, beside thinjail.
PATH=$PWD:$PATH
bad=0
names="cut-one cut-two"

fail() {
	echo "cut: $*"
	bad=1
}

# expect STATUS COMMAND...: it ends so.
expect() {
	wanted=$1
	shift
	said=$("$@" 2>&1)
	got=$?
	[ "$got" = "$wanted" ] || fail "$*: ended with $got, not with $wanted: $said"
}

# await COMMAND...: it ends well within a while.
await() {
	for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
		"$@" && return 0
		sleep 0.5
	done
	fail "$*: not within ten seconds"
}

profiles() {
	mkdir -p /etc/thinjail /srv/data /srv/pid
	for name in $names cut-three; do
		cat >"/etc/thinjail/$name.toml" <<EOF
command = ["/usr/bin/busybox", "sh", "-c", "[ -e /srv/data/$name ] || { cat /srv/data/file >/srv/data/new; mv /srv/data/new /srv/data/$name; }; while :; do echo more >>/srv/data/$name.log; sleep 0.1; done"]
programs = ["cat", "mv", "sleep"]
user = "www-data"
write = ["/srv/data"]
run-dir = "$name"
state-dir = "$name"
pidfile = "/srv/pid/$name.pid"
restart = "on-failure"
limits = { maxproc = 20, memoryuse = "64M" }
EOF
	done
}

before() {
	profiles
	dd if=/dev/urandom of=/srv/data/file bs=65536 count=64 2>/dev/null
	sum=$(sha256sum </srv/data/file)
	echo "$sum" >/srv/sum
	chown -R www-data:www-data /srv/data
	for name in $names; do
		expect 0 thinjail start "$name"
		await test -e "/srv/data/$name"
		expect 0 thinjail status "$name"
		[ -d "/run/$name" ] || fail "$name has no run-dir"
	done
	[ $bad = 0 ] || return 1
	# What is on the disk now is to be there afterwards. They go on writing, and one is just being started.
	sync
	thinjail start cut-three &
	echo vm-again
	sleep 0.3
	echo 1 >/proc/sys/kernel/sysrq
	echo b >/proc/sysrq-trigger
	sleep 60
	return 1
}

after() {
	sum=$(cat /srv/sum)
	for name in $names; do
		[ "$(sha256sum <"/srv/data/$name")" = "$sum" ] || fail "what $name had written is another file"
	done
	[ "$(sha256sum </srv/data/file)" = "$sum" ] || fail "the file is another one"
	listed=$(thinjail list | tail -n +2)
	[ -z "$listed" ] || fail "list names what does not run: $listed"
	for name in $names cut-three; do
		expect 3 thinjail status "$name"
	done
	[ -e /srv/pid/cut-one.pid ] || fail "the pidfile was not on the disk, so this shows nothing"
	expect 0 thinjail clean
	for name in $names cut-three; do
		expect 0 thinjail start "$name"
		expect 0 thinjail status "$name"
		pid=$(cat "/srv/pid/$name.pid")
		thinjail status --json "$name" | grep -q "\"pid\": *$pid\\b" || fail "the pidfile of $name says $pid"
	done
	for name in $names cut-three; do
		expect 0 thinjail stop "$name"
		expect 3 thinjail status "$name"
		[ ! -e "/srv/pid/$name.pid" ] || fail "$name has left its pidfile"
		[ ! -e "/run/$name" ] || fail "$name has left its run-dir"
		[ -d "/var/lib/$name" ] || fail "the state-dir of $name is gone"
	done
	groups=$(find /sys/fs/cgroup -name 'cut-*' -o -name 'thinjail*cut*')
	[ -z "$groups" ] || fail "cgroups are left: $groups"
	for name in $names; do
		[ "$(sha256sum <"/srv/data/$name")" = "$sum" ] || fail "what $name had written is another file at the end"
	done
	[ $bad = 0 ]
}

case $1 in
before) before ;;
after) after ;;
*) exit 2 ;;
esac
