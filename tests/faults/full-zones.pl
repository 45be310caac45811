#!/usr/bin/env perl

# Zones without room, under load: every kind of limit fails closed, what is spent stays spent, counting goes on without
# delay, other zones notice nothing, and room comes back when links expire.
#
#   MODULE=/path/to.so NGINX=nginx tests/faults/full-zones.pl

use strict;
use warnings;

use FindBin;
use Test::More;
use Time::HiRes qw(sleep time);

use lib "$FindBin::Bin/../lib", "$FindBin::Bin/../../t/lib";
use Load qw(parallel metrics);
use NginxServer;
use SchemeLinks;

my $lives = 12;    # seconds, of the links that fill
my $end   = int(time) + $lives;
my $nginx = NginxServer->new(workers => 3, log_level => 'notice');
$nginx->write_file('files/a.txt', "a file\n");
$nginx->configure(<<'_END_', http => join '', map { "secure_link_hmac_zone $_;\n" } 'small:32k', 'both:32k', 'other:32k', 'first:1m');
    secure_link_hmac_scheme   jwt;
    secure_link_hmac          $arg_token;
    secure_link_hmac_secret   0123456789abcdef0123456789abcdef;
    add_header                X-Verdict $secure_link_hmac_status always;
    location /once/     { secure_link_hmac_enforce on; secure_link_hmac_limit small uses=1; try_files /a.txt =404; }
    location /window/   { secure_link_hmac_enforce on; secure_link_hmac_limit small uses=1 window=1h; try_files /a.txt =404; }
    location /subject/  { secure_link_hmac_enforce on; secure_link_hmac_limit small uses=2 per=subject period=1h; try_files /a.txt =404; }
    location /bytes/    { secure_link_hmac_enforce on; secure_link_hmac_limit small bytes=1m per=subject period=1h; try_files /a.txt =404; }
    location /two/      { secure_link_hmac_enforce on; secure_link_hmac_limit first uses=1; secure_link_hmac_limit small uses=2 per=subject period=1h; try_files /a.txt =404; }
    location /elsewhere/ { secure_link_hmac_enforce on; secure_link_hmac_limit other uses=1; try_files /a.txt =404; }
    location /both/     {
        secure_link_hmac_enforce on;
        secure_link_hmac_meter   both key=$secure_link_hmac_subject;
        secure_link_hmac_limit   both uses=1;
        try_files                /a.txt =404;
    }
    location = /metrics { secure_link_hmac off; secure_link_hmac_metrics both; }
_END_
$nginx->start;

sub link_to {
    my ($place, $who, %claims) = @_;
    return jwt_link("/$place/a", { path => '*', sub => $who, %claims });
}

# How often each verdict was given, by several clients at once.
sub told {
    my ($number, $make) = @_;
    my @results = parallel(3, sub {
        my ($first) = @_;
        my $client  = Load->new($nginx);
        my %told;
        for (my $at = $first; $at < $number; $at += 3) {
            my ($status, $header) = $client->ask(GET => $make->($at));
            $told{ $header->{'x-verdict'} }++;
        }
        return \%told;
    });
    my %told;
    for my $result (@results) { $told{$_} += $result->{$_} for keys %$result }
    return \%told;
}

my @filling = map { link_to(once => "filling $_", exp => $end) } 1 .. 3000;
my $told = told(scalar @filling, sub { $filling[$_[0]] });
is_deeply [sort keys %$told], [qw(granted unavailable)], 'links fill a zone, and those that find no room are unavailable';
cmp_ok $told->{granted}, '>', 100, "$told->{granted} found some";

my $granted = 0;
my $full = sub {
    my ($when) = @_;
    for my $place (qw(once window subject bytes two)) {
        is_deeply told(300, sub { link_to($place, "$when $place $_[0]") }), { unavailable => 300 }, "$when: nothing new in $place/ is granted";
    }
    my $again = told(scalar @filling, sub { $filling[$_[0]] });
    is_deeply $again, { exhausted => $told->{granted}, unavailable => $told->{unavailable} }, "$when: what is spent is, and nothing more";
    is_deeply told(30, sub { link_to(elsewhere => "$when $_[0]") }), { granted => 30 }, "$when: another zone has room";
};
$full->('full');
$nginx->reload;
$full->('after a reload');
cmp_ok time, '<', $end, 'all that while its links were alive';

# A link that two zones limit, of which the second has no room: refused, and the use that the first one counted is gone.
my $two = link_to(two => 'whoever');
is_deeply told(3, sub { $two }), { unavailable => 1, exhausted => 2 }, 'of two limits the first has counted before the second refuses';

# Counting needs no room.
my $began = time;
is_deeply [sort keys %{ told(3000, sub { link_to(both => "subject $_[0]") }) }], [qw(granted unavailable)], 'a zone that counts and limits is full';
my $metrics = metrics($nginx, '/metrics');
my $counted = 0;
for my $requests (map { $_->{requests} } values %{ $metrics->{keys} }) { $counted += $_ for values %$requests }
cmp_ok $metrics->{evictions}, '>', 0, 'counters of some make room for those of others';
cmp_ok $counted, '<=', 3000, 'none is counted twice';
is $metrics->{entries} + $metrics->{evictions}, 3000, 'and every subject was';

sleep 0.2 until time > $end + 1.2;
$told = told(100, sub { link_to(once => "later $_[0]") });
is_deeply $told, { granted => 100 }, 'when links expire there is room again';
is_deeply told(scalar @filling, sub { $filling[$_[0]] }), { expired => scalar @filling }, 'and they are refused for that';

my @lines = $nginx->log =~ /^(.*\[(?:error|crit|alert|emerg)\].*)$/mg;
my @others = grep { !/the zone "(?:small|both)" is full of live entries/ } @lines;
is_deeply [splice @others, 0, 3], [], 'nothing else went wrong';
cmp_ok scalar @lines, '<=', 4, 'and each zone has said once a minute that it is full';
is $nginx->stop, 0, 'nginx ends in order';

done_testing;
