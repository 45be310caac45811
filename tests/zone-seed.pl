#!/usr/bin/env perl

# The seed of a zone's hashes cannot be guessed from outside: it is none of the numbers that nginx's own generator
# gives, which begins with the process id and the time.
#
#   MODULE=/path/to.so NGINX=nginx tests/zone-seed.pl

use strict;
use warnings;

use FindBin;
use Test::More;
use Time::HiRes qw(time);

use lib "$FindBin::Bin/lib";
use NginxServer;

# So many numbers of random(3) of the GNU C library after srandom($seed).
sub numbers {
    my ($seed, $count) = @_;
    my @state = ($seed > 0x7fffffff ? $seed - 2**32 : $seed || 1);
    for (1 .. 30) {
        my $high = int $state[-1] / 127_773;
        my $next = 16_807 * ($state[-1] - $high * 127_773) - 2_836 * $high;
        push @state, $next < 0 ? $next + 2_147_483_647 : $next;
    }
    push @state, @state[0 .. 2];
    push @state, ($state[-3] + $state[-31]) & 0xffffffff for 1 .. 310 + $count;
    return map { $_ >> 1 } @state[-$count .. -1];
}

is_deeply [numbers(1, 3)], [1_804_289_383, 846_930_886, 1_681_692_777], 'the numbers are those of the C library';

my $size  = 80 * 1024;
my $nginx = NginxServer->new(log_level => 'warn');
$nginx->configure('location / { }', http => 'secure_link_hmac_zone links:80k;');
my $began = int time;
$nginx->start;
my $ended = int time;

# The zone in nginx's memory: the seed is its fourth word.
my $seed;
open my $memory, '<', "/proc/@{[ $nginx->pid ]}/mem" or die "its memory: $!";
no warnings 'portable';    # addresses have 64 bits
for (split /\n/, NginxServer::slurp("/proc/@{[ $nginx->pid ]}/maps")) {
    my ($from, $to) = /^([0-9a-f]+)-([0-9a-f]+) rw-s /;
    next if !defined $from || hex($to) - hex($from) != $size;
    seek $memory, hex $from, 0 or die "its memory: $!";
    read($memory, my $bytes, $size) == $size or die "its memory: $!";
    my $at = index $bytes, 'slhzone';
    $seed = unpack 'Q<', substr $bytes, $at + 24, 8 if $at >= 0;
}
ok $seed, 'a zone has a seed';

my ($tried, $found) = (0, 0);
for my $second ($began .. $ended) {
    for my $millisecond (0 .. 999) {
        my @numbers = numbers((($nginx->pid << 16) ^ $second ^ $millisecond) & 0xffffffff, 12);
        for my $first (0 .. $#numbers - 3) {
            my $guess = 0;
            $guess = ($guess << 16) ^ $_ for @numbers[$first .. $first + 3];
            $found++ if $guess == $seed;
        }
        $tried++;
    }
}
is $found, 0, "it is none of $tried guesses";

is $nginx->stop, 0, 'nginx ends in order';

done_testing;
