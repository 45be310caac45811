#!/usr/bin/env perl

# secure_link_hmac_limit under load: a link with one use is granted once, however many ask at the same moment,
# whatever is reloaded or killed meanwhile; and a full zone refuses.
#
#   MODULE=/path/to.so NGINX=nginx [LIMITS_LINKS=50] [LIMITS_MINUTES=1] tests/limits.pl
#
# LIMITS_MINUTES is for how long a full zone is asked of, beside all else: it must say so once a minute.

use strict;
use warnings;

use FindBin;
use Test::More;
use Time::HiRes qw(sleep time);

use lib "$FindBin::Bin/lib", "$FindBin::Bin/../t/lib";
use Load qw(parallel);
use NginxServer;
use SecureLink;

my $links     = $ENV{LIMITS_LINKS} || 50;
my $processes = 4;
my $sockets   = 16;
my $now       = int time;

my $nginx = NginxServer->new(workers => 4, log_level => 'notice');
$nginx->write_file('files/a.txt', "a file\n");
$nginx->configure(<<'_END_', http => join '', map { "secure_link_hmac_zone $_;\n" } 'uses:1m', 'small:32k', 'full:32k', 'quota:64k');
    secure_link_hmac          $arg_st,$arg_ts,$arg_e;
    secure_link_hmac_message  $uri|$arg_ts|$arg_e;
    secure_link_hmac_secret   0123456789abcdef0123456789abcdef;
    add_header                X-Worker  $pid always;
    add_header                X-Verdict $secure_link_hmac_status always;
    # Another check takes its time between the look at the uses and their spending.
    location /slow/ {
        secure_link_hmac_enforce  on;
        secure_link_hmac_limit    uses uses=1;
        auth_request              /allowed;
        try_files                 /a.txt =404;
    }
    location /fast/ {
        secure_link_hmac_enforce  on;
        secure_link_hmac_limit    uses uses=1;
        try_files                 /a.txt =404;
    }
    location /thrice/ {
        secure_link_hmac_enforce  on;
        secure_link_hmac_limit    uses uses=3;
        try_files                 /a.txt =404;
    }
    location /small/ {
        secure_link_hmac_enforce  on;
        secure_link_hmac_limit    small uses=1;
        try_files                 /a.txt =404;
    }
    location /full/ {
        secure_link_hmac_enforce  on;
        secure_link_hmac_limit    full uses=1;
        try_files                 /a.txt =404;
    }
    location /late/ {
        secure_link_hmac_enforce  on;
        secure_link_hmac_leeway   1h;
        secure_link_hmac_limit    quota uses=1;
        try_files                 /a.txt =404;
    }
    location /quota/ {
        secure_link_hmac_enforce  on;
        secure_link_hmac_limit    quota uses=40 per=key period=1h;
        try_files                 /a.txt =404;
    }
    location /period/ {
        secure_link_hmac_enforce  on;
        secure_link_hmac_limit    quota uses=2 per=key period=2s;
        try_files                 /a.txt =404;
    }
    location = /allowed  { secure_link_hmac off; proxy_pass http://127.0.0.1:PORT/allowing; }
    location = /allowing { secure_link_hmac off; return 204; }
_END_
$nginx->start;

sub link_to {
    my ($path, %options) = @_;
    return SecureLink::link($path, ts => $now, e => 3600, %options);
}

# Asks for each link from 64 connections at once, round by round. Returns for each link how many answers there
# were of each status; 0 is none, because the worker was killed.
sub rush {
    my ($links, $meanwhile) = @_;
    # Each process says when it is ready, and waits until it may send.
    my @gates = map { pipe my $read, my $write or die "pipe: $!"; [$read, $write] } 1 .. $processes;
    pipe my $ready, my $is_ready or die "pipe: $!";
    my @results = parallel($processes, sub {
        my ($number) = @_;
        my ($gate) = @{ $gates[$number] };
        my @clients = map { Load->new($nginx) } 1 .. $sockets;
        my (@statuses, %workers);
        for my $link (@$links) {
            $_->{may_break} = 1, $_->begin for @clients;
            syswrite $is_ready, '.';
            sysread $gate, my $go, 1;
            $_->send(GET => $link) for @clients;
            my %status;
            for my $client (@clients) {
                my ($status, $header) = $client->answer;
                $status{$status}++;
                $workers{ $header->{'x-worker'} }++ if $header;
            }
            push @statuses, \%status;
        }
        return { statuses => \@statuses, workers => \%workers };
    }, sub {
        for my $round (0 .. $#$links) {
            for (1 .. $processes) { sysread $ready, my $one, 1 }
            syswrite $_->[1], '!' for @gates;
            $meanwhile->($round) if $meanwhile;
        }
    });
    my @sums;
    my %workers;
    for my $result (@results) {
        for my $at (0 .. $#$links) {
            $sums[$at]{$_} += $result->{statuses}[$at]{$_} for keys %{ $result->{statuses}[$at] };
        }
        $workers{$_} += $result->{workers}{$_} for keys %{ $result->{workers} };
    }
    return (\@sums, \%workers);
}

sub tally {
    my ($sums) = @_;
    my %tally;
    $tally{ describe($_) }++ for @$sums;
    return \%tally;
}

sub describe { my ($of) = @_; return join ' ', map { "$of->{$_} x $_" } sort keys %$of }

my $clients = $processes * $sockets;

for my $place (qw(fast slow)) {
    my @links = map { link_to("/$place/$_") } 1 .. $links;
    my ($sums, $workers) = rush(\@links);
    is_deeply tally($sums), { "1 x 200 " . ($clients - 1) . " x 410" => $links },
        "$place: of $clients clients that ask for a link at once, one gets it, $links times";
    cmp_ok scalar(keys %$workers), '>', 1, "$place: several workers answered";
}

{
    my ($sums) = rush([map { link_to("/thrice/$_") } 1 .. 10]);
    is_deeply tally($sums), { "3 x 200 " . ($clients - 3) . " x 410" => 10 }, 'three get a link with three uses';
    ($sums) = rush([link_to('/quota/a')]);
    is_deeply tally($sums), { "40 x 200 " . ($clients - 40) . " x 410" => 1 }, 'forty have a quota of forty';
}

# Reloads: connections may be closed without an answer, but no use is lost or had twice.
{
    my @links = map { link_to("/slow/reload-$_") } 1 .. 30;
    my ($sums) = rush(\@links, sub { kill HUP => $nginx->pid if $_[0] % 3 == 0 });
    $nginx->reload;
    once_at_most('with reloads meanwhile', \@links, $sums);

    my $link = link_to('/thrice/reloaded');
    my @statuses = map { $nginx->reload if $_ > 0; $nginx->get($link)->{status} } 0 .. 4;
    is_deeply \@statuses, [200, 200, 200, 410, 410], 'a reload between uses loses none';
}

# Workers that are killed, anywhere: the requests they had are lost, and no others; no lock stays held.
{
    my $kills = 0;
    my @links = map { link_to(($_ % 2 ? '/fast/' : '/slow/') . "kill-$_") } 1 .. 60;
    my ($sums) = rush(\@links, sub {
        my ($round) = @_;
        return if $round % 4;
        sleep rand 0.004;
        my @workers = $nginx->workers;
        $kills += kill KILL => $workers[rand @workers] if @workers;
    });
    $nginx->wait_for('all workers are there again', sub { $nginx->workers == 4 });
    cmp_ok $kills, '>=', 10, 'workers were killed';
    cmp_ok scalar(() = $nginx->log =~ /exited on signal 9/g), '>=', 10, 'which nginx has seen';
    once_at_most('with workers killed meanwhile', \@links, $sums);
    my $began = time;
    my ($after) = rush([map { link_to("/fast/after-$_") } 1 .. 10]);
    is_deeply tally($after), { "1 x 200 " . ($clients - 1) . " x 410" => 10 }, 'then all workers spend uses as before';
    cmp_ok time - $began, '<', 10, 'and nobody waits for a lock';
}

sub once_at_most {
    my ($when, $links, $sums) = @_;
    my @twice = grep { ($_->{200} || 0) > 1 } @$sums;
    is_deeply tally(\@twice), {}, "$when: nobody got a link twice";
    my %others = map { $_ => 1 } map { grep { !/^(?:0|200|410)$/ } keys %$_ } @$sums;
    is_deeply \%others, {}, "$when: every answer was a grant or a refusal";
    my @granted = grep { $_->{200} } @$sums;
    cmp_ok scalar @granted, '>', @$sums / 2, "$when: most links were granted";
    # What was granted is spent; what nobody got may be spent or not, and is granted once more at most.
    my @again;
    for my $at (0 .. $#$links) {
        my $granted = $sums->[$at]{200} || 0;
        for (1, 2) {
            my $status = $nginx->get($links->[$at])->{status};
            $granted++ if $status == 200;
            push @again, $status if $status != 200 && $status != 410;
        }
        push @again, "link $at $granted times" if $granted > 1;
    }
    is_deeply \@again, [], "$when: what was granted stays spent";
}

# A link that has expired but for the leeway, and a shorter leeway of other locations of the zone.
{
    my $link = link_to('/late/a', ts => $now - 3600 * 1.5);
    is_deeply [map { $nginx->get($link)->{status} } 1 .. 3], [200, 410, 410], 'a link within its leeway is good once';
    sleep 1.1;
    is $nginx->get($link)->{status}, 410, 'also a second later';
}

# A quota comes back with the next period.
{
    my $link = link_to('/period/a');
    is_deeply [map { $nginx->get($link)->{status} } 1 .. 3], [200, 200, 410], 'a quota is spent';
    sleep 2.1;
    is_deeply [map { $nginx->get($link)->{status} } 1 .. 3], [200, 200, 410], 'and there again after its period';
}

# A zone full of live entries.
{
    my $granted = 0;
    my $client  = Load->new($nginx);
    my $expiry  = int(time) + 8 - $now;
    $granted++ while $granted < 5000 && ($client->ask(GET => link_to("/small/$granted", e => $expiry)))[0] == 200;
    cmp_ok $granted, '>', 100, "a small zone has room for some ($granted)";
    my @statuses = map { [$client->ask(GET => link_to("/small/more-$_", e => 3600))] } 1 .. 200;
    my @refused = grep { $_->[0] == 503 && $_->[1]{'x-verdict'} eq 'unavailable' } @statuses;
    is scalar @refused, 200, 'when it is full, no other link is granted';
    is(($client->ask(GET => link_to("/small/0", e => $expiry)))[0], 410, 'and what was spent stays spent');
    my @lines = $nginx->log =~ /^(.*full of live entries.*)$/mg;
    is scalar @lines, 1, 'which is said once, not once a request';
    like $lines[0], qr/\[error\].*the zone "small" is full of live entries/, 'with the name of the zone';
    $nginx->reload;
    $client = Load->new($nginx);
    is(($client->ask(GET => link_to('/small/again')))[0], 503, 'a reload makes no room');
    is scalar(() = $nginx->log =~ /full of live entries/g), 1, 'and says nothing again';
    is(($client->ask(GET => link_to('/fast/another-zone')))[0], 200, 'another zone goes on');
    sleep 0.2 until time > $now + $expiry + 1.1;
    is(($client->ask(GET => link_to('/small/later')))[0], 200, 'when links have expired there is room again');
    is(($client->ask(GET => link_to("/small/0", e => $expiry)))[0], 410, 'and the expired stay refused');
}

# A zone that stays full says so once a minute.
if (my $minutes = $ENV{LIMITS_MINUTES}) {
    my $client = Load->new($nginx);
    my $asked  = 0;
    1 while ($client->ask(GET => link_to('/full/' . $asked++)))[0] == 200;
    my $until = time + 60 * $minutes + 2;
    my %status;
    while (time < $until) {
        $status{ ($client->ask(GET => link_to('/full/' . $asked++)))[0] }++;
        sleep 0.05;
    }
    is_deeply [keys %status], [503], "for $minutes min a full zone has refused every link ($asked)";
    my @times = $nginx->log =~ m{^\S+ (\d\d:\d\d:\d\d) .*the zone "full" is full of live entries}mg;
    is scalar @times, $minutes + 1, "and said so once a minute (@times)";
    my @seconds = map { /(\d+):(\d+):(\d+)/; $1 * 3600 + $2 * 60 + $3 } @times;
    my @gaps = map { ($seconds[$_] - $seconds[$_ - 1]) % 86400 } 1 .. $#seconds;
    is_deeply [grep { $_ < 60 || $_ > 62 } @gaps], [], "with 60 s between (@gaps)";
}

my $log = $nginx->log;
unlike $log, qr/exited on signal (?!9)|panic/, 'nothing went wrong';
unlike $log =~ s/^.*exited on signal 9.*$//mgr, qr/\[(?:crit|alert)\]/, 'nothing alarming is logged';
is $nginx->stop, 0, 'nginx ends in order';

done_testing;
