# A user of the host who owns a directory that is mounted into jails, and plays games in it until it is killed.
# `%N` holds the numbers of the system calls. Arguments: which game, the directory, a secret directory of root's.
$| = 1;
my ($game, $home, $vault) = @ARGV;
chdir $home or die "$home: $!";

# Everything is put back before the end, or the next player begins with half a game.
my $stop;
$SIG{TERM} = sub { $stop = 1 };

sub exchange { my ($one, $two) = @_; return syscall($N{renameat2}, -100, $one, -100, $two, 2) != -1 }

# Each move has one that undoes it: an exchange undoes itself.
sub swap { my ($one, $two) = @_; my $swap = sub { exchange($one, $two) }; return [$swap, $swap] }

my %play = (
    # A directory, a file in it and a directory on the way, each exchanged with a link to its like in the vault.
    sources => sub {
        symlink $vault, 'to-vault';
        symlink "$vault/file", 'to-file';
        return (
            swap('source', 'to-vault'),
            swap('file', 'to-file'),
            swap('way', 'to-vault'),
            swap('source', 'other'),
            swap('file', 'other-file'),
            [sub { rename 'source', 'aside' and symlink $vault, 'source' }, sub { unlink 'source'; rename 'aside', 'source' }],
            [
                sub { rename 'file', 'old' and (link "$vault/file", 'file' or symlink "$vault/file", 'file') },
                sub { rename 'old', 'file' },
            ],
        );
    },
    # A directory that is being made: the moves that need it wait for it.
    made => sub {
        symlink $vault, 'to-vault';
        mkdir 'mine';
        my $clear = sub { unlink 'made' or rmdir 'made' };
        my $take = sub {
            my ($other) = @_;
            my $taken;
            my $do = sub { for (1 .. 20000) { last if lstat 'made' } $taken = exchange('made', $other) };
            return [$do, sub { exchange('made', $other) if $taken; $clear->() }];
        };
        return (
            map({ $take->($_) } 'roots', 'roots-empty', 'mine', 'to-vault'),
            [sub { symlink $vault, 'made' }, $clear],
            [sub { mkdir 'made' }, $clear],
            [sub { }, $clear],
        );
    },
    # The same, each time it appears: root's in its place before it is opened.
    taken => sub {
        my $take = sub {
            my ($other) = @_;
            my $taken;
            my $do = sub { 1 until $stop or lstat 'made'; $taken = exchange('made', $other) };
            return [$do, sub { exchange('made', $other) if $taken; rmdir 'made' }];
        };
        return map { $take->($_) } 'roots', 'roots-empty';
    },
    # A mountpoint below a mounted directory.
    points => sub {
        symlink '../../../../etc', 'source/up';
        symlink '/etc', 'source/out';
        symlink '/proc/self/root/etc', 'source/magic';
        return (
            swap('source/point', 'source/up'),
            swap('source/point', 'source/out'),
            swap('source/point', 'source/magic'),
            swap('source/point', 'other'),
            swap('source', 'other'),
            [sub { rmdir 'source/point' }, sub { mkdir 'source/point' }],
        );
    },
);

my @moves = $play{$game}->();
print "playing\n";
# Long enough for a start to meet either side, short enough for it to meet both.
until ($stop) {
    my ($do, $undo) = @{ $moves[rand @moves] };
    $do->();
    select undef, undef, undef, rand() * 0.004;
    $undo->();
    select undef, undef, undef, rand() * 0.004;
}
