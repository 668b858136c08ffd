# Inside the jail: tries what would lead out of it or change the host. `%N` holds the numbers of the system calls; each line
# that is printed is a word and what errno(3) said, 0 for a success.
$| = 1;

sub say { my ($what, $done) = @_; my $errno = $! + 0; print "$what ", ($done ? 0 : $errno || 'failed'), "\n" }
sub call { my ($what, $name, @args) = @_; $! = 0; say($what, syscall($N{$name}, @args) != -1) }
sub opens { my ($what, $mode, $path) = @_; $! = 0; say($what, open my $file, $mode, $path) }

my $dir = $ENV{DIR};
my $room = "\0" x 4096;

# Mounts and roots.
call('mount', 'mount', 'none', '/tmp', 'tmpfs', 0, '');
call('remount', 'mount', 'none', '/', '', 0x20 | 0x1000, '');
call('umount', 'umount2', '/proc', 0);
call('umount-root', 'umount2', '/', 2);
call('fsopen', 'fsopen', 'tmpfs', 0);
call('open_tree', 'open_tree', -100, '/', 1);
call('pivot_root', 'pivot_root', '/tmp', '/tmp');
mkdir '/tmp/x';
call('chroot', 'chroot', '/tmp/x');
chdir '..' for 1 .. 100;
call('chroot-again', 'chroot', '.');
call('secret', 'openat', -100, $ENV{SECRET}, 0);
call('shadow', 'openat', -100, '/etc/shadow', 0);

# Namespaces: mount, uts, ipc, cgroup, net, pid; and by the files of /proc.
call("unshare-$_", 'unshare', hex $_) for qw(20000 4000000 8000000 2000000 40000000 20000000);
for my $kind (qw(mnt pid user)) {
    opens("ns-$kind", '<', "/proc/1/ns/$kind");
    open my $own, '<', "/proc/self/ns/$kind";
    call("setns-$kind", 'setns', fileno $own, 0);
}

# Devices.
call('mknod-disk', 'mknodat', -100, '/tmp/disk', 060600, 0x800);
call('mknod-mem', 'mknodat', -100, "$dir/mem", 020600, 0x101);
$! = 0; say('chmod-null', chmod 0600, '/dev/null');
$! = 0; say('chown-null', chown 1, 1, '/dev/null');
$! = 0; say('unlink-null', unlink '/dev/null');
opens('write-null', '>', '/dev/null');

# Init and the host's processes.
call('ptrace', 'ptrace', 0x4206, 1, 0, 0);
call('ptrace-attach', 'ptrace', 16, 1, 0, 0);
my $iovec = pack 'Q2', unpack('Q', pack 'P', $room), 8;
call('process_vm_readv', 'process_vm_readv', 1, $iovec, 1, $iovec, 1, 0);
opens("init-$_", '<', "/proc/1/$_") for qw(mem environ maps auxv);
for my $link (qw(root exe cwd fd/0)) { $! = 0; say("init-$link", defined readlink "/proc/1/$link") }
call('pidfd_getfd', 'pidfd_getfd', syscall($N{pidfd_open}, 1, 0), 0, 0);
$! = 0; say('host-process', kill 0, $ENV{HOST_PID});

# Files by handle, which know nothing of a jail.
my $handle = pack('I i', 128, 0) . "\0" x 128;
my $mount = pack 'i', 0;
if (syscall($N{name_to_handle_at}, -100, "$dir/file", $handle, $mount, 0) != -1) {
    open my $fd, '<', "$dir/file";
    call('open_by_handle_at', 'open_by_handle_at', fileno $fd, $handle, 0);
}

# The kernel.
opens('write-hostname', '>', '/proc/sys/kernel/hostname');
opens('write-core_pattern', '>', '/proc/sys/kernel/core_pattern');
opens('write-sysrq', '>', '/proc/sysrq-trigger');
opens('write-own-proc', '>', '/proc/self/oom_score_adj');
for my $masked (qw(kcore keys kpagecount kpageflags timer_list vmallocinfo)) {
    $! = 0;
    my $opened = open my $file, '<', "/proc/$masked";
    # An empty file has no errno.
    if ($opened) { my $count = sysread $file, my $byte, 1; $! = 0 if defined $count && !$count; say("read-$masked", $count) }
    else { say("read-$masked", 0) }
}
call('sethostname', 'sethostname', 'x', 1);
call('settimeofday', 'clock_settime', 0, pack 'q2', time, 0);
call('init_module', 'init_module', $room, 10, '');
call('swapon', 'swapon', '/tmp/x', 0);
call('acct', 'acct', '/tmp/x');
call('nice', 'setpriority', 0, 0, -10);
call('nofile', 'prlimit64', 0, 7, pack('Q2', 1 << 30, 1 << 30), 0);

# Files of ours and of the host.
opens("create-$_", '>', "$_/new") for qw(/ /etc /usr /usr/bin /dev);
opens('write-passwd', '>>', '/etc/passwd');
$! = 0; say('touch-program', utime 1, 1, $^X);
opens('write-self', '+<', '/proc/self/exe');
opens('write-program', '+<', $^X);
open my $maps, '<', '/proc/self/maps';
my ($library) = map { m{(/\S*/libc\.so\S*)} } <$maps>;
opens('write-library', '+<', $library);
opens('link-out', '<', "$dir/out");
opens('link-shadow', '<', "$dir/shadow");
opens('link-up', '<', "$dir/up");
opens('up', '<', "$dir/../../../../../../../../$ENV{SECRET}");
opens('root-up', '<', '/proc/self/root' . "/..$ENV{SECRET}");
opens('cwd-up', '<', "/proc/self/cwd/../../../..$ENV{SECRET}");
call('exec', 'execve', "$dir/program", $room, $room);

# A user namespace, alone and with what a program would make in it: cgroups to mount, pids for a second /proc.
call("user-$_", 'unshare', 0x10000000 | hex $_) for qw(0 20000 2020000 20020000);
call('user-clone', 'clone', 0x10000000 | 17, 0, 0, 0, 0);
print "end 0\n";
