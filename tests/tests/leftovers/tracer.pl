# Runs a command under ptrace(2) and kills one of thinjail's processes right before one of its system calls. strace(1) can
# kill as well, but counts the calls of all processes of a name alike and can't tell the supervisor from the jail's init.
#
#   perl tracer.pl ROLE COUNT COMMAND...    ROLE: supervisor, init, main (until its exec), or none, which kills nobody
#
# Prints `ROLE NUMBER` for each call, `killed` if it came to that, and `exit STATUS` or `signal NUMBER` of the supervisor.
use strict;
use warnings;

my ($ROLE, $COUNT, @COMMAND) = @ARGV;
my ($PTRACE, $WAIT4) = `uname -m` =~ /aarch64|riscv/ ? (117, 260) : (101, 61);
my ($CONT, $SYSCALL, $SEIZE, $SYSCALL_INFO) = (7, 24, 0x4206, 0x420e);
# Good system call stops, children traced as well, exec told, everybody killed should this tracer die.
my $OPTIONS = 0x1 | 0x2 | 0x4 | 0x8 | 0x10 | 0x100000;
my ($EVENT_EXEC, $WALL, $STOPPED) = (4, 0x40000000, 2);

# By reference, since the kernel writes to the last one.
sub ptrace { return syscall $PTRACE, $_[0], $_[1], $_[2], $_[3] }

my $supervisor = fork;
if (!$supervisor) {
    kill 'STOP', $$;
    exec @COMMAND or die "exec: $!";
}
waitpid $supervisor, $STOPPED;
ptrace($SEIZE, $supervisor, 0, $OPTIONS) == -1 and die "ptrace: $!";
kill 'CONT', $supervisor;
alarm 30;

my %role = ($supervisor => 'shell');
my %count;
my ($killed, $end);

sub role_of {
    my ($pid) = @_;
    return $role{$pid} if $role{$pid};
    open my $stat, '<', "/proc/$pid/stat" or return 'gone';
    my ($parent) = <$stat> =~ /\) \S (\d+)/;
    my %child_of = (supervisor => 'init', init => 'main');
    return $role{$pid} = $child_of{ $role{$parent} // '' } // 'other';
}

# Perl's own waitpid keeps only the lower half of the status, and the events are in the upper one.
sub wait4 { my $status = pack 'i', 0; my $pid = syscall $WAIT4, -1, $status, $WALL, 0; return $pid, unpack 'i', $status }

while ((my ($pid, $status) = wait4())[0] > 0) {
    if (($status & 0xff) != 0x7f) {
        $end = $status & 0x7f ? 'signal ' . ($status & 0x7f) : 'exit ' . ($status >> 8) if $pid == $supervisor;
        next;
    }
    my ($signal, $event) = (($status >> 8) & 0xff, $status >> 16);
    my $role = role_of($pid);
    my $deliver = 0;
    if ($event == $EVENT_EXEC) {
        $role{$pid} = 'supervisor' if $role eq 'shell';
        $role{$pid} = 'program' if $role eq 'main';
    } elsif ($signal == (5 | 0x80)) {
        my $info = "\0" x 88;
        ptrace($SYSCALL_INFO, $pid, length $info, $info);
        my ($op, $number) = unpack 'C x23 Q', $info;
        if ($op == 1 && !$killed) {
            print "$role $number\n";
            if ($role eq $ROLE && ++$count{$role} == $COUNT) {
                $killed = kill 'KILL', $pid;
                print "killed\n";
            }
        }
    } elsif (!$event) {
        $deliver = $signal;
    }
    ptrace($killed ? $CONT : $SYSCALL, $pid, 0, $deliver);
}
print "$end\n";
