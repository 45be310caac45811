#!/usr/bin/env perl

# secure_link_hmac_meter under load: four workers count every request once, by key and verdict, whatever is
# reloaded meanwhile; and zones that are too small for what they are given go on serving.
#
#   MODULE=/path/to.so NGINX=nginx [METERING_REQUESTS=20000] [METERING_FORGED=10000] tests/metering.pl

use strict;
use warnings;

use FindBin;
use Test::More;
use Time::HiRes qw(sleep time);

use lib "$FindBin::Bin/lib", "$FindBin::Bin/../t/lib";
use Load qw(parallel metrics);
use NginxServer;
use SecureLink;

my $requests = $ENV{METERING_REQUESTS} || 20_000;
my $forged   = $ENV{METERING_FORGED} || 10_000;
my $reloads  = 20;
my $clients  = 8;

my @keys   = map { sprintf 'k%02d', $_ } 0 .. 99;
my %secret = map { $_ => "the secret of the key named $_" } @keys;
my $ring   = join '', map { "$_ hex:" . unpack('H*', $secret{$_}) . ";\n" } @keys;
my $now    = int(time) - 60;

my $nginx = NginxServer->new(workers => 4, log_level => 'warn');
$nginx->write_file("files/$_", 'x' x 50) for 'a.txt', 'handed-over.txt';
$nginx->write_file('files/b.txt', 'x' x 3000);

sub configure {
    my (%size) = @_;
    my $zones = join '', map { "secure_link_hmac_zone $_:" . ($size{$_} || '64k') . ";\n" } qw(links other subjects);
    $nginx->configure(<<'_END_', http => <<"_END_" . <<'_END_');
        secure_link_hmac          $arg_st,$arg_ts,$arg_e;
        secure_link_hmac_message  $uri|$arg_ts|$arg_e&$arg_u;
        secure_link_hmac_keys     partners $arg_k;
        secure_link_hmac_revoke   $arg_stop;
        location / {
            secure_link_hmac_enforce  on;
            secure_link_hmac_meter    links;
            access_log                logs/access.log counted;
        }
        location /h/ {
            secure_link_hmac_enforce  on;
            secure_link_hmac_meter    links;
            secure_link_hmac_pass     /internal/handed-over.txt;
            access_log                logs/access.log counted;
        }
        location /internal/ {
            internal;
            alias                     files/;
            access_log                logs/access.log counted;
        }
        location /subjects/ {
            secure_link_hmac_enforce  on;
            secure_link_hmac_meter    subjects key=$arg_u;
            empty_gif;
        }
        location = /metrics          { secure_link_hmac off; secure_link_hmac_metrics links; }
        location = /metrics/subjects { secure_link_hmac off; secure_link_hmac_metrics subjects; }
_END_
        $zones
        secure_link_hmac_keyring partners {
            $ring
        }
_END_
        log_format counted '$secure_link_hmac_status,$secure_link_hmac_key_id,$bytes_sent,$pid';
_END_
}

configure(links => '256k');
$nginx->start;

# What is asked for, and what the verdict and the status are.
my @kinds = (
    [granted      => 200, sub { [GET => link_of('/a.txt', $_[0])] }],
    [granted      => 200, sub { [GET => link_of('/b.txt', $_[0])] }],
    [granted      => 200, sub { [HEAD => link_of('/b.txt', $_[0])] }],
    [granted      => 200, sub { [GET => link_of('/h/a.txt', $_[0])] }],
    [granted      => 404, sub { [GET => link_of('/none.txt', $_[0])] }],
    [expired      => 410, sub { [GET => link_of('/a.txt', $_[0], ts => $now - 7200)] }],
    [revoked      => 403, sub { [GET => link_of('/a.txt', $_[0]) . '&stop=1'] }],
    [out_of_scope => 403, sub { [DELETE => link_of('/a.txt', $_[0])] }],
    [forged       => 403, sub { [GET => link_of('/a.txt', $_[0]) =~ s/a\.txt/b.txt/r] }],
    [missing      => 403, sub { [GET => "/a.txt?k=$_[0]"] }],
    [malformed    => 403, sub { [GET => "/a.txt?st=short&k=$_[0]"] }],
    [unknown_key  => 403, sub { [GET => link_of('/a.txt', $_[0]) =~ s/k=k/k=x/r] }],
);
my %is_authentic = map { $_ => 1 } qw(granted expired revoked out_of_scope);

sub link_of {
    my ($path, $key, %options) = @_;
    my ($user, $ts) = ($options{u} || '', $options{ts} || $now);
    return SecureLink::link($path, secret => $secret{$key}, ts => $ts, e => 3600,
        message => "$path|$ts|3600&$user", args => "k=$key&u=$user");
}

# Asks for so many and returns how many there were of each key and verdict, and how many answers were wrong.
sub client {
    my ($number) = @_;
    srand $number;
    my $client = Load->new($nginx);
    my (%asked, %wrong);
    for (1 .. $requests / $clients) {
        my $key = $keys[rand @keys];
        my ($verdict, $expected, $make) = @{ $kinds[rand @kinds] };
        my ($status) = $client->ask(@{ $make->($key) });
        $asked{ $is_authentic{$verdict} ? $key : '' }{$verdict}++;
        $wrong{"$status for $verdict"}++ if $status != $expected;
    }
    return { asked => \%asked, wrong => \%wrong };
}

my $began = time;
my @results = parallel($clients, \&client, sub {
    for (1 .. $reloads) {
        kill HUP => $nginx->pid;
        sleep($requests / 20_000 * 0.15);
    }
});
my $took = time - $began;
$nginx->reload;

my (%asked, %wrong);
for my $result (@results) {
    for my $key (keys %{ $result->{asked} }) {
        $asked{$key}{$_} += $result->{asked}{$key}{$_} for keys %{ $result->{asked}{$key} };
    }
    $wrong{$_} += $result->{wrong}{$_} for keys %{ $result->{wrong} };
}
is_deeply \%wrong, {}, 'every answer was the one for the verdict';

my (%logged, %bytes, %worker);
for (split /\n/, NginxServer::slurp("$nginx->{dir}/logs/access.log")) {
    my ($verdict, $key, $bytes, $pid) = split /,/;
    $key = '' if $key eq '-';
    $logged{$key}{$verdict}++;
    $bytes{$key} += $bytes if $key;
    $worker{$pid}++;
}
my $all     = sum(map { values %$_ } values %asked);
my $metrics = metrics($nginx, '/metrics');
my %counted = map { $_ => $metrics->{keys}{$_}{requests} } keys %{ $metrics->{keys} };
$counted{''} = $metrics->{unauthenticated};

diag sprintf '%d requests in %.1f s, by %d workers', $all, $took, scalar keys %worker;
is $all, $clients * int($requests / $clients), 'all were asked';
cmp_ok scalar(keys %worker), '>', 4, 'by workers of several generations';
is sum(map { values %$_ } values %counted), $all, 'the counters sum up to them';
is_deeply \%counted, \%asked,  'the counters are what was asked for, by key and verdict';
is_deeply \%counted, \%logged, 'and what the access log says';
is_deeply { map { $_ => $metrics->{keys}{$_}{bytes} } keys %{ $metrics->{keys} } }, \%bytes, 'the bytes are those of the access log';
is $metrics->{evictions}, 0, 'no key was evicted';

sub sum { my $sum = 0; $sum += $_ for @_; return $sum }

# A changed size is refused, and nothing changes.
my @workers = sort $nginx->workers;
configure(links => '512k');
my ($said, $status) = $nginx->check;
is $status, 0, 'a configuration with another size is in order for a new start';
kill HUP => $nginx->pid;
$nginx->wait_for('the refusal is logged', sub { $nginx->log =~ /\[emerg\]/ });
like $nginx->log, qr/\[emerg\].*"secure_link_hmac_zone" has another size for the zone "links".*262144 bytes.* in \S+nginx\.conf:\d+$/m,
    'a reload with another size is refused, and says why';
is_deeply [sort $nginx->workers], \@workers, 'the workers go on';
is_deeply metrics($nginx, '/metrics')->{keys}, $metrics->{keys}, 'with all counters';
is $nginx->get(link_of('/a.txt', 'k01'))->{status}, 200, 'and the configuration that they had';
configure(links => '256k');
$nginx->reload;
is metrics($nginx, '/metrics')->{keys}{k01}{requests}{granted}, $metrics->{keys}{k01}{requests}{granted} + 1, 'then a reload is possible again';

# Forged links make no entries, however different; authentic ones more than the zone has room for.
is metrics($nginx, '/metrics/subjects')->{entries}, 0, 'a zone without entries';
flood(10_000, 403, sub { link_of('/subjects/a', $keys[$_[0] % 100], u => "user-$_[0]") =~ s/u=user/u=other/r });
my $after = metrics($nginx, '/metrics/subjects');
is $after->{entries}, 0, '10000 forged links make none';
is_deeply $after->{unauthenticated}, { forged => 10_000 }, 'but are counted';

flood(10_000, 200, sub { link_of('/subjects/a', $keys[$_[0] % 100], u => "user-$_[0]") });
$after = metrics($nginx, '/metrics/subjects');
cmp_ok $after->{entries}, '>', 100, 'of 10000 authentic subjects a small zone keeps many';
is $after->{entries}, scalar keys %{ $after->{keys} }, 'all of which are shown';
is $after->{entries} + $after->{evictions}, 10_000, 'and counts those that were evicted';

my $before = $after;
# Half of them name a key that there is, half one that there is not; each has an id of its own.
my $link = link_of('/subjects/a', 'k00', u => 'user');
$began = time;
@results = parallel(4, sub {
    my ($first) = @_;
    my ($client, %status) = Load->new($nginx);
    my @left = grep { $_ % 4 == $first } 1 .. $forged;
    while (my @some = splice @left, 0, 1000) {
        my $got = $client->ask_all(map { $link =~ s/k=k00&u=user/($_ % 8 < 4 ? 'k=k00' : "k=x$_") . "&u=other-$_"/er } @some);
        $status{$_} += $got->{$_} for keys %$got;
    }
    return \%status;
});
diag sprintf '%d forged links in %.1f s', $forged, time - $began;
sleep 0.1;
my %status;
for my $got (@results) { $status{$_} += $got->{$_} for keys %$got }
is_deeply \%status, { 403 => $forged }, 'forged links are refused';
$after = metrics($nginx, '/metrics/subjects');
is_deeply $after->{keys}, $before->{keys}, "$forged of them change no entry of a full zone";
is $after->{evictions}, $before->{evictions}, 'and evict none';
my $unknown = grep { $_ % 8 >= 4 } 1 .. $forged;
is_deeply $after->{unauthenticated}, { forged => 10_000 + $forged - $unknown, unknown_key => $unknown }, 'but are counted';

my ($kept) = sort keys %{ $after->{keys} };
flood(1, 200, sub { link_of('/subjects/a', 'k00', u => $kept) });
my $renewed = metrics($nginx, '/metrics/subjects');
is $renewed->{keys}{$kept}{requests}{granted}, 2, 'an entry counts on';
flood($after->{entries} - 1, 200, sub { link_of('/subjects/a', 'k00', u => "late-$_[0]") }, 1);
$after = metrics($nginx, '/metrics/subjects');
ok $after->{keys}{$kept}, 'who was seen last is evicted last';
is scalar(grep { /^late-/ } keys %{ $after->{keys} }), $after->{entries} - 1, 'the others first';

# Asks for so many links, and expects one status.
sub flood {
    my ($number, $expected, $make, $clients) = @_;
    $clients ||= $number > 100 ? 4 : 1;
    my @wrong = parallel($clients, sub {
        my ($first) = @_;
        my $client  = Load->new($nginx);
        my $wrong   = 0;
        for (my $at = $first; $at < $number; $at += $clients) {
            my ($status) = $client->ask(GET => $make->($at));
            $wrong++ if $status != $expected;
        }
        return $wrong;
    });
    is sum(@wrong), 0, "$number requests are answered with $expected";
    # What a client has read may not have been counted yet.
    sleep 0.1;
}

my $log = $nginx->log;
unlike $log, qr/\[(?:alert|crit)\]|exited on signal|panic/, 'nothing went wrong';
is $nginx->stop, 0, 'nginx ends in order';

done_testing;
