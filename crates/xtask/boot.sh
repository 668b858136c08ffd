#!/bin/sh
# boot.sh TREE JOB SYSTEM: boots the init system of a tree as pid 1, in namespaces of its own and upon a copy in memory, and has
# it run JOB/run. Called within new mount, pid, net, ipc, uts and cgroup namespaces. Nothing of the tree is changed.
set -eu
tree=$1 job=$2 system=$3

ip link set lo up 2>/dev/null || true
mount -t tmpfs tmpfs /mnt
mkdir /mnt/upper /mnt/work /mnt/root
mount -t overlay -o "lowerdir=$tree,upperdir=/mnt/upper,workdir=/mnt/work" overlay /mnt/root
cd /mnt/root
mkdir -p job
mount --bind "$job" job
mount -t proc proc proc
mount -t tmpfs -o mode=755 tmpfs run
mount -t sysfs -o ro sysfs sys
mount -t tmpfs -o mode=755 tmpfs dev
for device in "null 3" "zero 5" "full 7" "random 8" "urandom 9"; do
	mknod -m 666 "dev/${device% *}" c 1 "${device#* }"
done
ln -s /proc/self/fd dev/fd
ln -s null dev/console
mkdir dev/shm
mount -t tmpfs -o mode=1777 tmpfs dev/shm

install -m 755 job/thinjail usr/bin/thinjail
install -D -m 644 -t usr/share/thinjail job/profiles/*.toml
# No service of Debian's own: some would set the clock of this machine, and its nginx has the port.
rm -f etc/rc?.d/S* etc/runlevels/*/* etc/runit/runsvdir/default/*
case $system in
sysv)
	init=/sbin/init
	cat >etc/inittab <<-'END'
		id:2:initdefault:
		l1:1:wait:/etc/init.d/rc 1
		l2:2:wait:/etc/init.d/rc 2
		job:12:once:/bin/sh /job/run
	END
	;;
openrc)
	init=/sbin/init
	cat >etc/inittab <<-'END'
		id:2:initdefault:
		l2:2:wait:/sbin/openrc default
		job:2:once:/bin/sh /job/run
	END
	;;
runit)
	init=/sbin/runit
	cat >etc/runit/1 <<-'END'
		#!/bin/sh
		install -m 000 /dev/null /run/runit.stopit
		install -m 000 /dev/null /run/runit.reboot
		setsid /bin/sh /job/run &
	END
	;;
*)
	echo "boot.sh: $system is none of sysv, openrc, runit" >&2
	exit 2
	;;
esac

pivot_root . mnt
umount -l mnt
exec chroot . "$init" </dev/null >job/console 2>&1
