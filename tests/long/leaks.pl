#!/usr/bin/env perl

# What a worker keeps of requests and the master of reloads: nothing. The anonymous memory of a worker is measured while
# it answers requests of every scheme and verdict, and what the master has allocated while it is reloaded; the slope of
# what follows a first quarter must be flat.
#
#   MODULE=/path/to.so NGINX=nginx [LEAKS_REQUESTS=1000000] [LEAKS_RELOADS=200] tests/long/leaks.pl

use strict;
use warnings;

use FindBin;
use Test::More;
use Time::HiRes qw(sleep time);

use lib "$FindBin::Bin/../lib", "$FindBin::Bin/../../t/lib";
use AllSchemes;
use Load qw(metrics);
use Preload;

my $requests = $ENV{LEAKS_REQUESTS} || 1_000_000;
my $reloads  = $ENV{LEAKS_RELOADS} || 200;

# Bytes that a request or reload may add. One kind of request out of all that lost a pointer at each would add 8
# bytes in so many kinds. The smallest allocation takes 24.
my $kinds       = @schemes * @verdicts + 1;
my $per_request = 8 / $kinds;
my $per_reload  = 16;

my $live  = Preload->new('live', 1);
my $nginx = AllSchemes->new(environment => $live->environment);
$nginx->start;
fill($nginx);
my $worker = $nginx->worker;

# Private memory that no file is behind: shared zones, which fill up, are not in it.
sub memory {
    my ($pid) = @_;
    my ($kilobytes) = NginxServer::slurp("/proc/$pid/status") =~ /^RssAnon:\s+(\d+) kB/m or die "no process $pid\n";
    return 1024 * $kilobytes;
}

# The least squares' slope of [x, y]..., without the first quarter.
sub slope {
    my @points = @_[@_ / 4 .. $#_];
    my ($x, $y) = (0, 0);
    $x += $_->[0] / @points, $y += $_->[1] / @points for @points;
    my ($above, $below) = (0, 0);
    $above += ($_->[0] - $x) * ($_->[1] - $y), $below += ($_->[0] - $x)**2 for @points;
    return $above / $below;
}

# Enough links to differ, which are asked for again and again; and the page of metrics.
my %expected;
my @targets;
for my $number (1 .. 50) {
    for my $scheme (@schemes) {
        for my $verdict (@verdicts) {
            my ($method, $target) = @{ request($scheme, $verdict, number => $number) };
            $nginx->get($target) if $verdict eq 'exhausted';
            # Those that are out of scope by their method: here all are GETs, of which one is signed for POST.
            next if $method ne 'GET';
            push @targets, $target;
            $expected{ $status{$verdict} }++;
        }
    }
    push @targets, '/metrics';
    $expected{200}++;
}
my @posts = map { request($_, 'out_of_scope') } @schemes;

my $rounds = int($requests / @targets) || 1;
my (@points, %statuses, %scopes);
my $asked = 0;
my $began = time;
for my $round (1 .. $rounds) {
    for (my $at = 0; $at < @targets; $at += 1000) {
        my $got = Load->new($nginx)->ask_all(grep { defined } @targets[$at .. $at + 999]);
        $statuses{$_} += $got->{$_} for keys %$got;
    }
    for (1 .. 50) {
        my $post = $posts[$_ % @posts];
        $scopes{ $nginx->get($post->[1], method => 'POST')->{status} }++;
    }
    $asked += @targets + 50;
    push @points, [$asked, memory($worker)];
}
diag sprintf '%d requests in %.0f s: %d kB after a quarter, %d kB at the end, %.4f bytes a request (at most %.4f)',
    $asked, time - $began, $points[@points / 4][1] / 1024, $points[-1][1] / 1024, slope(@points), $per_request;
is_deeply \%statuses, { map { $_ => $rounds * $expected{$_} } keys %expected }, 'every verdict was given';
is_deeply \%scopes, { 403 => 50 * $rounds }, 'out_of_scope, too';
cmp_ok slope(@points), '<', $per_request, 'requests leave nothing behind';
my $counted = metrics($nginx, '/metrics');
my %seen = map { %$_ } $counted->{unauthenticated}, map { $_->{requests} } values %{ $counted->{keys} };
is_deeply [grep { !$seen{$_} } @verdicts], [], 'the verdicts are all that there are';

# Reloads, between two configurations.
@points = ();
my @workers;
for my $reload (1 .. $reloads) {
    my $more = $reload % 2 ? 50 : 0;
    $nginx->set_up(secrets => { %secret, map { $_ => "the secret of $_, which is long" } map { "key-$_" } 1 .. $more });
    $nginx->reload;
    next if $more;
    push @points, [$reload, $live->get(0)];
    push @workers, [$reload, memory($nginx->worker)];
}
diag sprintf '%d reloads: the master has allocated %d bytes after a quarter, %d bytes at the end, %.2f a reload (at most %d); its anonymous '
    . 'memory is %d kB, that of a new worker %d kB, of one after a quarter %d kB',
    $reloads, $points[@points / 4][1], $points[-1][1], slope(@points), $per_reload, memory($nginx->pid) / 1024,
    $workers[-1][1] / 1024, $workers[@workers / 4][1] / 1024;
cmp_ok slope(@points), '<', $per_reload, 'nor do reloads in the master';
cmp_ok $workers[-1][1] - $workers[@workers / 4][1], '<', 512 * 1024, 'and a worker begins with as much as those before it';
is $nginx->get(request('jwt', 'granted')->[1])->{status}, 200, 'after which links are granted';

is_deeply $nginx->complaints(qr/full of live entries/), [], 'nothing went wrong';
is $nginx->stop, 0, 'nginx ends in order';

done_testing;
