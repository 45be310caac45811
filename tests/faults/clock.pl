#!/usr/bin/env perl

# A clock that jumps, back and forth, while links are asked for: the time at which nginx asks the clock decides about a
# link and nothing else does, no use comes back, no request is lost, and no figure.
#
#   MODULE=/path/to.so NGINX=nginx [CLOCK_SECONDS=10] tests/faults/clock.pl

use strict;
use warnings;

use FindBin;
use Test::More;
use Time::HiRes qw(sleep);

use lib "$FindBin::Bin/../lib", "$FindBin::Bin/../../t/lib";
use AllSchemes;
use Load qw(parallel metrics);
use Preload;

my $seconds = $ENV{CLOCK_SECONDS} || 10;
my $day     = 86_400;
my $now     = time;
my $library = Preload->new('clock', 1);
my $nginx   = AllSchemes->new(workers => 2, environment => $library->environment);
$nginx->start;

sub jump {
    my ($offset) = @_;
    $library->set(0, $offset);
    # The clock is asked at each event.
    $nginx->worker for 1 .. 4;
}

sub verdict {
    my ($method, $target) = @{ $_[0] };
    my $response = $nginx->get($target, method => $method);
    return $response->{header}{'x-verdict'} || $response->{status};
}

for my $scheme (@schemes) {
    my $link = request($scheme, 'granted', now => $now);
    my $once = request($scheme, 'granted', now => $now, place => 'once/');
    my $then = request($scheme, 'granted', now => $now + 3 * 3600);
    my @told = map { jump($_); [map { verdict($_) } $link, $once, $then] } 0, 2 * 3600, 0, -2 * 3600, 0, 3 * 3600, 0;
    is_deeply \@told, [
        ['granted', 'granted',   'early'],
        ['expired', 'expired',   'early'],
        ['granted', 'exhausted', 'early'],
        ['early',   'early',     'early'],
        ['granted', 'exhausted', 'early'],
        ['expired', 'expired',   'granted'],
        ['granted', 'exhausted', 'early'],
    ], "$scheme: a link is good at its time, and a use is spent for good";
}

# The borders of what a clock can say.
for my $clock (0, 1, 2**31 - 1, 2**31, 2**32, 2**33, 253_402_300_799) {
    jump($clock - time);
    my %told;
    for my $scheme (@schemes) {
        $told{ verdict(request($scheme, $_, now => $now)) }++ for qw(granted forged malformed missing unknown_key);
    }
    is_deeply [grep { !$told{$_} } qw(forged malformed missing unknown_key)], [], "when the clock is $clock, others are refused as before";
    is $told{granted}, undef, 'and a link of another time is not granted';
}
jump(0);
is verdict(request($_, 'granted')), 'granted', "$_: a new link is, when the clock is right" for @schemes;

# Jumps of up to a day under load. A link that is good for days before and after is good all the time.
my $before = metrics($nginx, '/metrics');
my %from   = (granted => -3 * $day, forged => -3 * $day, early => 2 * $day, expired => -6 * $day);
my $done   = 0;
my @results = parallel(3, sub {
    my ($client_number) = @_;
    my $client = Load->new($nginx);
    my $until  = Time::HiRes::time() + $seconds;
    my (%told, %requests, %once);
    for (my $number = 0; Time::HiRes::time() < $until; $number++) {
        my $scheme  = $schemes[$number % @schemes];
        my $verdict = (sort keys %from)[rand keys %from];
        my $from    = $now + $from{$verdict};
        my $request = request($scheme, $verdict, number => "$client_number-$number", from => $from, to => $from + 6 * $day);
        # An expired link of today's six days is one of the last: two days are between.
        $request = request($scheme, $verdict, number => $number, from => $from, to => $from + 4 * $day) if $verdict eq 'expired';
        my ($status, $header) = $client->ask(@$request);
        $told{"$verdict: $header->{'x-verdict'} $status"}++;
        my $once = request($scheme, 'granted', place => 'once/', from => $now - 3 * $day, to => $now + 3 * $day, number => "$client_number-" . int($number / 40));
        ($status) = $client->ask(@$once);
        $once{ $once->[1] } += $status == 200;
        $requests{$status}++;
    }
    return { told => \%told, once => \%once, requests => \%requests };
}, sub {
    my $until = Time::HiRes::time() + $seconds;
    while (Time::HiRes::time() < $until) {
        $library->set(0, int(rand 2 * $day) - $day);
        sleep 0.03;
    }
});
jump(0);

my (%told, %once, %requests);
for my $result (@results) {
    $told{$_} += $result->{told}{$_} for keys %{ $result->{told} };
    $once{$_} += $result->{once}{$_} for keys %{ $result->{once} };
    $requests{$_} += $result->{requests}{$_} for keys %{ $result->{requests} };
}
is_deeply [sort keys %told], ['early: early 403', 'expired: expired 410', 'forged: forged 403', 'granted: granted 200'],
    'while the clock jumps, every link gets the verdict that it gets on each of these days';
is_deeply [grep { $_ != 1 } values %once], [], 'and those with one use are granted once';
is_deeply [sort keys %requests], [200, 410], 'and refused then';

my $after  = metrics($nginx, '/metrics');
my $counted = sub {
    my ($metrics, $verdict) = @_;
    return ($metrics->{keys}{alpha}{requests}{$verdict} || 0) + ($metrics->{unauthenticated}{$verdict} || 0);
};
for my $verdict (qw(granted forged early expired exhausted)) {
    my ($asked) = (0);
    /^$verdict:/ and $asked += $told{$_} for keys %told;
    $asked += $requests{200} if $verdict eq 'granted';
    $asked += $requests{410} if $verdict eq 'exhausted';
    is $counted->($after, $verdict) - $counted->($before, $verdict), $asked, "$verdict: counted as often as asked for";
}

is_deeply $nginx->complaints, [], 'nothing went wrong';
is $nginx->stop, 0, 'nginx ends in order';

done_testing;
