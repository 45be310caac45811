#!/usr/bin/env perl

# Workers that are killed, several a second, while they count and limit: what clients got and what is counted agree but
# for the requests that a kill has hit, nobody gets a link twice or more than a quota, and a full zone stays one.
#
#   MODULE=/path/to.so NGINX=nginx [KILLS_SECONDS=20] tests/faults/kills.pl

use strict;
use warnings;

use FindBin;
use List::Util qw(sum0);
use Test::More;
use Time::HiRes qw(sleep time);

use lib "$FindBin::Bin/../lib", "$FindBin::Bin/../../t/lib";
use AllSchemes;
use Load qw(parallel metrics);

my $seconds = $ENV{KILLS_SECONDS} || 20;
my $clients = 4;
my $now     = int time;
my @keys    = map { "key-$_" } 1 .. 20;
my %secrets = map { $_ => "the secret of $_, which is long" } @keys;

my $nginx = AllSchemes->new(workers => 4);
$nginx->set_up(secrets => { %secrets, %secret });
$nginx->start;
my $filled = fill($nginx);
my $before = metrics($nginx, '/metrics');

sub link_of {
    my ($scheme, $verdict, $key, %options) = @_;
    return request($scheme, $verdict, id => $key, secret => $secrets{$key}, now => $now, %options);
}

# What is asked for, by a number that the clients count up alike, so that they ask for the same links.
my @kinds = (
    [granted     => sub { my ($number, @of) = @_; link_of(@of, number => $number) }],
    [forged      => sub { my ($number, @of) = @_; link_of(@of) }],
    [expired     => sub { my ($number, @of) = @_; link_of(@of) }],
    [once        => sub { my ($number, $scheme, undef, $key) = @_; link_of($scheme, 'granted', $key, place => 'once/', number => $number) }],
    [race        => sub { my ($number, $scheme, undef, $key) = @_; link_of($scheme, 'granted', $key, place => 'race/', number => $number) }],
    [window      => sub { my ($number, $scheme, undef, $key) = @_; link_of($scheme, 'granted', $key, place => 'window/', number => $number) }],
    [quota       => sub { my ($number, $scheme, undef, $key) = @_; link_of($scheme, 'granted', $key, place => 'quota/', number => $number) }],
    [unavailable => sub { my ($number, @of) = @_; link_of(@of, number => $number) }],
);

my $kills = 0;
my $until = time + $seconds;
my @results = parallel($clients, sub {
    my ($client_number) = @_;
    my $client = Load->new($nginx);
    my (%answers, %once, %quota, %wrong);
    my ($lost, $denied) = (0, 0);
    for (my $number = 0; time < $until; $number++) {
        my $scheme = $schemes[$number % @schemes];
        my $key    = $keys[$number % @keys];
        for (@kinds) {
            my ($kind, $make) = @$_;
            my $request = $make->($number, $scheme, $kind, $key);
            $client->{may_break} = 1;
            my $began = time;
            my ($status, $header) = eval { $client->begin->send(@$request); $client->answer };
            $wrong{'a client waits for seconds'}++ if time - $began > 5;
            $lost++, next unless $status;
            my $verdict = $header->{'x-verdict'};
            $answers{$verdict}++;
            $once{ $request->[1] }++ if $kind =~ /\A(?:once|race)\z/ && $status == 200;
            $quota{$key}++           if $kind eq 'quota' && $status == 200;
            # A worker that was killed may be the one that was asked whether the request is allowed.
            $denied++, next if $kind eq 'race' && $status == 500;
            my $is_right = $kind =~ /\A(?:once|race|quota)\z/ ? $verdict =~ /\A(?:granted|exhausted)\z/
                : $verdict eq ($kind eq 'window' ? 'granted' : $kind);
            $wrong{"$kind: $verdict"}++ unless $is_right;
        }
    }
    return { answers => \%answers, once => \%once, quota => \%quota, wrong => \%wrong, lost => $lost, denied => $denied };
}, sub {
    while (time < $until) {
        sleep 0.05 + rand 0.2;
        my @workers = $nginx->workers;
        $kills += kill KILL => $workers[rand @workers] if @workers;
    }
});
$nginx->wait_for('all workers are there again', sub { $nginx->workers == 4 });

my (%answers, %once, %quota, %wrong);
for my $result (@results) {
    for ([answers => \%answers], [once => \%once], [quota => \%quota], [wrong => \%wrong]) {
        my ($name, $sums) = @$_;
        $sums->{$_} += $result->{$name}{$_} for keys %{ $result->{$name} };
    }
}
my $answered = sum0(values %answers);
my $lost     = sum0(map { $_->{lost} } @results);
diag "$answered answers, $lost requests without one, $kills kills";

cmp_ok $kills, '>', $seconds, 'workers were killed';
cmp_ok $answered, '>', 100 * $seconds, 'under load';
is_deeply \%wrong, {}, 'every answer was right';
cmp_ok sum0(map { $_->{denied} } @results), '<=', $kills * $clients, 'but for those that waited for another worker';
is_deeply [grep { $_ > 1 } values %once], [], 'of ' . keys(%once) . ' links with one use none was granted twice';
is_deeply [grep { $_ > 50 } values %quota], [], 'no key got more than its quota';
cmp_ok sum0(values %quota), '>=', 50 * @keys - $lost, 'and none less, but for what was lost';

# What a kill may take: the answers to the requests that the worker had, one a client, whether they were counted or not;
# and the count of the one whose answer was just sent.
my $after = metrics($nginx, '/metrics');
my %counted;
for my $metrics ([$after, 1], [$before, -1]) {
    my ($of, $sign) = @$metrics;
    for my $requests ($of->{unauthenticated}, map { $_->{requests} } values %{ $of->{keys} }) {
        $counted{$_} += $sign * $requests->{$_} for keys %$requests;
    }
}
delete $counted{$_} for grep { !$counted{$_} } keys %counted;
is_deeply [sort keys %counted], [sort keys %answers], 'the verdicts that clients got are those that are counted';
my $counted = sum0(values %counted);
cmp_ok $counted, '>=', $answered - $kills, "what was answered is counted ($counted), but for one request a kill";
cmp_ok $counted, '<=', $answered + $lost, 'and nothing else but what has lost its answer';
for my $verdict (sort keys %answers) {
    ok $counted{$verdict} >= $answers{$verdict} - $kills && $counted{$verdict} <= $answers{$verdict} + $lost,
        "so it is for $verdict: $answers{$verdict} answered, $counted{$verdict} counted";
}

# Without kills: what was granted stays spent, and what nobody got is granted at most once.
my @again;
for my $number (0 .. 200) {
    my $request = link_of($schemes[$number % @schemes], 'granted', $keys[$number % @keys], place => 'once/', number => $number);
    my $granted = $once{ $request->[1] } || 0;
    my @statuses = map { $nginx->get($request->[1])->{status} } 1, 2;
    $granted += grep { $_ == 200 } @statuses;
    push @again, "$number: $granted times, @statuses" if $granted > 1 || $statuses[1] != 410;
}
is_deeply \@again, [], 'later no link is granted again';
is $nginx->get(link_of('jwt', 'granted', $_, place => 'quota/', number => 'later')->[1])->{status}, 410, "nor $_ beyond its quota" for @keys;
is $nginx->get(request('edgeauth', 'unavailable', number => 'later')->[1])->{status}, 503, 'the full zone is still full';

is_deeply $nginx->complaints(qr/exited on signal 9|auth request unexpected status|upstream prematurely closed|(?:recv|connect|send)\(\) failed|sent to nobody|full of live entries|open socket #\d+ left|shared memory zone .* was locked by/), [],
    'nothing else went wrong';
is $nginx->stop, 0, 'nginx ends in order';

done_testing;
