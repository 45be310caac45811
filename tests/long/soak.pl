#!/usr/bin/env perl

# Everything at once, for as long as it is told: links of all schemes and verdicts, limits, meters and StatsD, keys that
# come and go by reloads, and workers that are killed. At the end what clients got, what is counted, what StatsD heard
# and what is spent must agree, but for what the kills have hit; memory must be flat, and the log silent.
#
#   MODULE=/path/to.so NGINX=nginx [SOAK_MINUTES=1] tests/long/soak.pl

use strict;
use warnings;

use FindBin;
use IO::Socket::INET;
use List::Util qw(max sum0);
use Socket qw(SOL_SOCKET SO_RCVBUF);
use Test::More;
use Time::HiRes qw(sleep time);

use lib "$FindBin::Bin/../lib", "$FindBin::Bin/../../t/lib";
use AllSchemes;
use Load qw(parallel metrics);

my $seconds  = 60 * ($ENV{SOAK_MINUTES} || 1);
my $clients  = 3;
my $period   = 20;                              # of the quotas
my $quota    = 50;
my @kept     = map { "kept-$_" } 1 .. 6;
my @rotating = map { "rotating-$_" } 0 .. 7;
my %secrets  = (%secret, map { $_ => "the secret of $_, which is long" } @kept, @rotating);

# Whether a generation of the configuration has a key: half of the time.
sub has { my ($generation, $key) = @_; return $key !~ /^rotating-(\d+)/ || ($generation + $1) % 8 < 4 }

my $heard = IO::Socket::INET->new(Proto => 'udp', LocalAddr => '127.0.0.1', Blocking => 0) or die "no socket: $@";
setsockopt $heard, SOL_SOCKET, SO_RCVBUF, 4 << 20;

my $nginx = AllSchemes->new(workers => 3);

sub configure {
    my ($generation) = @_;
    $nginx->set_up(
        uses    => '64m',
        period  => "${period}s",
        secrets => { map { $_ => $secrets{$_} } grep { has($generation, $_) } keys %secrets },
        server  => "add_header X-Generation $generation always;\n",
        http    => 'secure_link_hmac_statsd 127.0.0.1:' . $heard->sockport . " prefix=soak interval=500ms tags=on;\n",
    );
}

# What StatsD was told since the last time, by verdict, and the most in one sending of a second.
my (%heard, %in_second);

sub listen_to_statsd {
    while (defined recv $heard, my $datagram, 65536, 0) {
        for (split /\n/, $datagram) {
            next unless /^soak\.requests:(\d+)\|c\|#.*verdict:(\w+)/;
            $heard{$2} += $1;
            $in_second{ int time } += $1;
        }
    }
}

sub memory {
    my ($pid) = @_;
    my ($kilobytes) = NginxServer::slurp("/proc/$pid/status") =~ /^RssAnon:\s+(\d+) kB/m;
    return $kilobytes || 0;
}

configure(0);
$nginx->start;
my $began  = time;
my $until  = $began + $seconds;
my $filled = fill($nginx, to => int($until) + 3600);

# A request of a kind: [verdict, request, number of the link]. Links with few uses are the same for all clients at a
# moment, so that they ask for one at once.
sub of_kind {
    my ($kind, $scheme, $key) = @_;
    my %of = (id => $key, secret => $secrets{$key});
    # Of one time, for all who ask for it.
    my $link = sub {
        my ($place, $rate) = @_;
        my $number = int((time - $began) * $rate);
        return request($scheme, 'granted', %of, place => $place, number => "$key-$number", from => int($began) - 10, to => int($until) + 3600);
    };
    return $link->('once/', 5)   if $kind eq 'once';
    return $link->('race/', 5)   if $kind eq 'race';
    return $link->('window/', 1) if $kind eq 'window';
    return request($scheme, 'granted', %of, place => 'quota/', number => int rand 1e9) if $kind eq 'quota';
    return request($scheme, $kind, %of, number => int rand 1e9);
}

my @kinds = (qw(once race window quota granted granted granted), grep { $_ ne 'exhausted' } @verdicts);

# What a request of a kind may get by a configuration that has its key, or has it not.
sub is_right {
    my ($kind, $is_known, $verdict) = @_;
    return $verdict eq $kind          if $kind eq 'missing' || $kind eq 'malformed';
    return $verdict eq 'unknown_key'  if !$is_known || $kind eq 'unknown_key';
    return $verdict =~ /\A(?:granted|exhausted)\z/ if $kind =~ /\A(?:once|race|window|quota)\z/;
    return $verdict eq $kind;
}

sub client {
    my ($number) = @_;
    srand $number;
    my $client = Load->new($nginx);
    $client->{may_break} = 1;
    my %result = (answers => {}, once => {}, window => {}, quota => {}, wrong => {}, lost => 0, denied => 0, slowest => 0);
    while (time < $until) {
        my $kind    = $kinds[rand @kinds];
        my $scheme  = $schemes[rand @schemes];
        my $key     = rand() < 0.6 ? $kept[rand @kept] : $rotating[rand @rotating];
        my $request = of_kind($kind, $scheme, $key);
        my $asked   = time;
        my ($status, $header) = eval { $client->begin->send(@$request); $client->answer };
        $result{slowest} = max($result{slowest}, time - $asked);
        $result{lost}++, $client->{socket} = undef, next unless $status;
        my $verdict  = $header->{'x-verdict'};
        my $is_known = has($header->{'x-generation'}, $key);
        $result{answers}{$verdict}{ $verdict =~ /\A(?:missing|malformed|unknown_key|forged)\z/ ? '' : $key }++;
        # A worker that was killed may be the one that was asked whether a request is allowed.
        $result{denied}++, next if $kind eq 'race' && $status == 500 && $verdict eq 'granted';
        $result{wrong}{"$kind by a key that is " . ($is_known ? '' : 'not ') . "there: $verdict $status"}++
            unless is_right($kind, $is_known, $verdict) && $status == $status{$verdict};
        # Which links were granted and exhausted; of a quota when.
        $result{once}{ $request->[1] }{$verdict}++   if $kind eq 'once' || $kind eq 'race';
        $result{window}{ $request->[1] }{$verdict}++ if $kind eq 'window' && $is_known;
        push @{ $result{quota}{$key} }, time if $kind eq 'quota' && $verdict eq 'granted';
    }
    return \%result;
}

my ($kills, $reloads) = (0, 0);
my (@master, @worker);
my @results = parallel($clients, \&client, sub {
    my ($next_kill, $next_reload) = (time + 1, time + 2);
    while (time < $until) {
        sleep 0.05;
        listen_to_statsd();
        if (time > $next_kill) {
            $next_kill = time + 0.5 + rand 3;
            my @workers = $nginx->workers;
            $kills += kill KILL => $workers[rand @workers] if @workers;
        }
        if (time > $next_reload) {
            $next_reload = time + 3 + rand 4;
            push @master, [time - $began, memory($nginx->pid)];
            push @worker, max(map { memory($_) } $nginx->workers);
            configure(++$reloads);
            kill HUP => $nginx->pid;
        }
    }
});
$nginx->reload;
sleep 1.5;
listen_to_statsd();

# What clients got.
my (%answers, %once, %window, %quota, %wrong);
for my $result (@results) {
    for my $verdict (keys %{ $result->{answers} }) {
        $answers{$verdict}{$_} += $result->{answers}{$verdict}{$_} for keys %{ $result->{answers}{$verdict} };
    }
    $wrong{$_} += $result->{wrong}{$_} for keys %{ $result->{wrong} };
    for ([once => \%once], [window => \%window]) {
        my ($kind, $sums) = @$_;
        for my $link (keys %{ $result->{$kind} }) {
            $sums->{$link}{$_} += $result->{$kind}{$link}{$_} for keys %{ $result->{$kind}{$link} };
        }
    }
    push @{ $quota{$_} }, @{ $result->{quota}{$_} } for keys %{ $result->{quota} };
}
my %answered = map { $_ => sum0(values %{ $answers{$_} }) } keys %answers;
my $answered = sum0(values %answered);
my $lost     = sum0(map { $_->{lost} } @results);
diag sprintf '%d answers in %d s, %d requests without one, %d kills, %d reloads; the longest answer took %.2f s',
    $answered, $seconds, $lost, $kills, $reloads, max(map { $_->{slowest} } @results);
diag join ', ', map { "$answered{$_} $_" } sort keys %answered;

is_deeply [sort keys %answers], [sort @verdicts], 'all verdicts were given';
is_deeply \%wrong, {}, 'each was the right one: no valid link was refused, no other granted';
cmp_ok $kills, '>', $seconds / 5, 'workers were killed';
cmp_ok $reloads, '>', $seconds / 20, 'and nginx was reloaded';
cmp_ok sum0(map { $_->{denied} } @results), '<=', ($kills + $reloads) * $clients, 'but for those that waited for a worker that was killed';
cmp_ok $lost, '<=', ($kills + $reloads) * $clients, 'a kill or a reload costs a client one answer at most';

# Uses.
is_deeply [grep { ($_->{granted} || 0) > 1 } values %once], [], 'of ' . keys(%once) . ' links with one use none was granted twice';
my @never = grep { !$_->{granted} && $_->{exhausted} } values %once;
cmp_ok scalar @never, '<=', $kills * $clients, scalar(@never) . ' were spent by a request that was lost';
@never = grep { $_->{exhausted} } values %window;
cmp_ok scalar @never, '<=', $kills, 'of ' . keys(%window) . ' links with a window ' . @never . ' were spent and not opened';
my @too_many;
my $periods = int($seconds / $period) + 1;
for my $key (sort keys %quota) {
    my @times = sort { $a <=> $b } @{ $quota{$key} };
    push @too_many, "$key: " . @times if @times > $quota * $periods;
    # Any period touches two of a quota's.
    for my $at (2 * $quota .. $#times) {
        push @too_many, "$key at $times[$at]" if $times[$at] - $times[$at - 2 * $quota] < $period - 1;
    }
}
is_deeply \@too_many, [], 'no key had more than its quota in a period';
my ($most) = sort { $b <=> $a } map { scalar @$_ } @quota{@kept};
diag "of a quota of $quota in $period s, $most were had in $seconds s";

# What is counted, by verdict and key. A kill may take the count of the one request that was just answered; what has
# lost its answer may be counted.
my $metrics = metrics($nginx, '/metrics');
my %counted;
for ([$metrics->{unauthenticated}, ''], map { [$_->{requests}, $_->{key}] } values %{ $metrics->{keys} }) {
    my ($requests, $key) = @$_;
    $counted{$_}{$key} += $requests->{$_} for keys %$requests;
}
$counted{granted}{alpha} -= $filled;
$counted{unavailable}{alpha} -= 1;
my @differ;
my ($fewer, $more) = (0, 0);
for my $verdict (@verdicts) {
    my %keys = (%{ $counted{$verdict} || {} }, %{ $answers{$verdict} || {} });
    for my $key (sort keys %keys) {
        my $difference = ($counted{$verdict}{$key} || 0) - ($answers{$verdict}{$key} || 0);
        $difference < 0 ? ($fewer -= $difference) : ($more += $difference);
        push @differ, "$verdict $key: $difference" if $difference < -$kills || $difference > $lost;
    }
}
is_deeply \@differ, [], 'what is counted is what was answered, by key and verdict';
cmp_ok $fewer, '<=', $kills, "of all that was answered $fewer are not counted";
cmp_ok $more, '<=', $lost, "of those that have lost their answer $more are counted";
is $metrics->{evictions}, 0, 'no key was evicted';

my $in_all = sum0(map { values %$_ } values %counted) + $filled + 1;
my $told   = sum0(values %heard);
cmp_ok $told, '<=', $in_all, "StatsD has heard of no request twice ($told of $in_all)";
cmp_ok $in_all - $told, '<=', $kills * max(values %in_second), 'a kill may cost it one sending';
is_deeply [grep { !$heard{$_} } @verdicts], [], 'and of all verdicts';

# Memory.
my ($before, @rest) = @master[@master / 4 .. $#master];
diag sprintf 'the master has %d kB after a quarter and %d kB at the end; the largest worker has %d kB, in the first quarter %d kB',
    $before->[1], $rest[-1][1], max(@worker[@worker / 4 .. $#worker]), max(@worker[0 .. @worker / 4]);
cmp_ok $rest[-1][1] - $before->[1], '<=', 128 + @rest, 'the master does not grow but for a kilobyte a reload';
cmp_ok max(@worker[@worker / 4 .. $#worker]), '<=', max(@worker[0 .. @worker / 4]) + 512, 'nor do workers';

is_deeply $nginx->complaints(qr/exited on signal 9|auth request unexpected status|upstream prematurely closed|(?:recv|connect|send)\(\) failed|the zone "full" is full of live entries|shared memory zone .* was locked by|open socket #\d+ left/),
    [], 'no line in the log but of the kills and of the full zone';
my $is_full = () = $nginx->log =~ /is full of live entries/g;
cmp_ok $is_full, '<=', 2 + $seconds / 60, 'of which there is one a minute';
is $nginx->stop, 0, 'nginx ends in order';

done_testing;
