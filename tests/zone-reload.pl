#!/usr/bin/env perl

# What a reload changes about a zone. One that nothing uses yet: a reload may begin to count in it, another to limit, and
# what was counted and spent stays. A larger leeway lets expired links in again, and none that is spent. A reload that fails
# takes nothing from the keys of the configuration that goes on.
#
#   MODULE=/path/to.so NGINX=nginx tests/zone-reload.pl

use strict;
use warnings;

use FindBin;
use Test::More;
use Time::HiRes qw(sleep time);

use lib "$FindBin::Bin/lib", "$FindBin::Bin/../t/lib";
use Load qw(metrics);
use NginxServer;
use SecureLink;

sub configure {
    my ($nginx, $uses) = @_;
    $nginx->configure(<<"_END_", http => "secure_link_hmac_zone spare:64k;\n");
        secure_link_hmac          \$arg_st,\$arg_ts,\$arg_e;
        secure_link_hmac_message  \$uri|\$arg_ts|\$arg_e;
        secure_link_hmac_secret   0123456789abcdef0123456789abcdef;
        location / {
            secure_link_hmac_enforce  on;
            $uses
        }
        location = /metrics { secure_link_hmac off; secure_link_hmac_metrics spare; }
_END_
}

my $meter = 'secure_link_hmac_meter spare key=$arg_who;';
my $limit = 'secure_link_hmac_limit spare uses=1;';

for my $case (['to count', $meter, $limit], ['to limit', $limit, $meter]) {
    my ($what, $first, $then) = @$case;
    my $nginx = NginxServer->new(workers => 2, log_level => 'warn');
    $nginx->write_file("files/$_.txt", "a file\n") for qw(a b c);
    configure($nginx, '');
    $nginx->start;
    my $statuses = sub { [map { $nginx->get(SecureLink::link("/$_[0].txt", e => 3600, args => "who=$_[0]"))->{status} } 1, 2] };
    is_deeply $statuses->('a'), [200, 200], 'a zone that nothing uses is in order';

    configure($nginx, $first);
    $nginx->reload;
    is_deeply $statuses->('b'), [200, $first eq $limit ? 410 : 200], "a reload may begin $what in it";
    my $counted = $first eq $meter ? { granted => 2 } : undef;
    is_deeply metrics($nginx, '/metrics')->{keys}{b}{requests}, $counted, 'what is counted is shown';

    configure($nginx, "$first $then");
    $nginx->reload;
    is_deeply $statuses->('c'), [200, 410], 'the next reload may begin the other';
    my $keys = metrics($nginx, '/metrics')->{keys};
    is_deeply $keys->{c}{requests}, { granted => 1, exhausted => 1 }, 'and both work';
    is_deeply $keys->{b}{requests}, $counted, 'beside what was counted before';
    is_deeply $statuses->('b'), [$first eq $limit ? 410 : 200, 410], 'and beside what was spent before';
    unlike $nginx->log, qr/\[(?:emerg|alert|crit)\]|panic/, 'no reload was refused';
    is $nginx->stop, 0, 'nginx ends in order';
}

# A leeway that grows. Of links that expire soon one is spent, one is not, before that.
for my $case (
    ['everywhere',        'secure_link_hmac_leeway 10m;', ''],
    ['in a new location', '', 'location /other/ { secure_link_hmac_leeway 10m; secure_link_hmac_enforce on; secure_link_hmac_limit small uses=1; try_files /a.txt =404; }'],
) {
    my ($where, $leeway, $location) = @$case;
    my $nginx = NginxServer->new(workers => 2, log_level => 'warn');
    $nginx->write_file('files/a.txt', "a file\n");
    my $configure = sub {
        my ($then, $location) = @_;
        $nginx->configure(<<"_END_", http => "secure_link_hmac_zone small:32k;\n");
            secure_link_hmac          \$arg_st,\$arg_ts,\$arg_e;
            secure_link_hmac_message  \$arg_name|\$arg_ts|\$arg_e;
            secure_link_hmac_secret   0123456789abcdef0123456789abcdef;
            $then
            location / { secure_link_hmac_enforce on; secure_link_hmac_limit small uses=1; try_files /a.txt =404; }
            $location
            add_header X-Verdict \$secure_link_hmac_status always;
_END_
    };
    my $place = $location ? '/other/' : '/';
    my ($client, $expiry);
    my $link = sub {
        my ($name, $place, $e) = @_;
        my $ts = $expiry - 100;
        return SecureLink::link($place, ts => $ts, e => $e || 100, message => "$name|$ts|" . ($e || 100), args => "name=$name");
    };
    my $verdict = sub { $nginx->get($link->(@_))->{header}{'x-verdict'} };

    $configure->('', '');
    $nginx->start;
    $client = Load->new($nginx);
    $expiry = int(time) + 5;
    my ($spent, $status) = (0);
    $spent++ while $spent < 5000 && ($status = ($client->ask(GET => $link->($spent, '/')))[0]) == 200;
    is $status, 503, "$where: a zone is full of links that are spent ($spent)";
    sleep 0.1 until time > $expiry + 1.1;
    # One makes room for a link that lasts, for which none does.
    is $verdict->('lasts', '/', 3600), 'granted', "$where: one that has expired makes room";

    $configure->($leeway, $location);
    $nginx->reload;
    my %verdicts;
    $verdicts{ $verdict->($_, $place) }++ for 0 .. $spent - 1;
    is $verdicts{granted}, undef, "$where: with a leeway the others are refused as they are spent";
    is $verdicts{exhausted}, $spent - 1, "$where: all but the one that has made room";
    is $verdicts{unavailable}, 1, "$where: for which there is none";
    is $verdict->('new', '/', 3600), 'unavailable', "$where: nor for another link, as long as the leeway lets them in";

    $configure->('', '');
    $nginx->reload;
    is $verdict->('new', '/', 3600), 'unavailable', "$where: the leeway of the configuration before counts as well";
    $nginx->reload;
    is $verdict->('new', '/', 3600), 'granted', "$where: later they make room";
    unlike $nginx->log, qr/\[(?:emerg|alert|crit)\]|panic/, 'no reload was refused';
    is $nginx->stop, 0, 'nginx ends in order';
}

# A server that counts by the ids of these keys and by an expression.
sub count_by {
    my ($nginx, $keys, %also) = @_;
    my $ring = sub { "secure_link_hmac_keyring $_[0] { " . join('', map { "$_ hex:" . unpack('H*', secret) . '; ' } @{ $_[1] }) . "}\n" };
    my $also = join '', map { "secure_link_hmac_zone $_:32k;\n" . $ring->($_, $also{$_}) } keys %also;
    my $locations = join '', map { "location /$_/ { secure_link_hmac_keys $_ \$arg_k; secure_link_hmac_meter $_; }\n" } keys %also;
    $nginx->configure(<<"_END_", http => "secure_link_hmac_zone links:64k;\n" . $ring->('partners', $keys) . $also);
        secure_link_hmac          \$arg_st,\$arg_ts,\$arg_e;
        secure_link_hmac_message  \$uri|\$arg_ts|\$arg_e;
        secure_link_hmac_keys     partners \$arg_k;
        secure_link_hmac_enforce  on;
        secure_link_hmac_meter    links;
        location /x/ { secure_link_hmac_meter links key=\$arg_who; empty_gif; }
        location = /metrics { secure_link_hmac off; secure_link_hmac_enforce off; secure_link_hmac_metrics links; }
        $locations
_END_
}

# A reload that nginx refuses, with this message.
sub refused {
    my ($nginx, $expected, $name) = @_;
    my $before = length $nginx->log;
    kill HUP => $nginx->pid;
    $nginx->wait_for('the refusal is logged', sub { substr($nginx->log, $before) =~ /\[emerg\]/ });
    like substr($nginx->log, $before), $expected, $name;
}

sub link_by { SecureLink::link($_[0], e => 3600, args => "k=$_[1]&who=" . ($_[2] // '')) }

subtest 'a reload that fails takes no entry from the configuration that goes on' => sub {
    my $nginx = NginxServer->new(workers => 2, log_level => 'warn');
    $nginx->write_file('files/a.txt', "a file\n");
    count_by($nginx, ['kept', 'dropped']);
    $nginx->start;
    is $nginx->get(link_by('/a.txt', 'dropped'))->{status}, 200, 'a link' for 1 .. 5;

    # The zone `links` is prepared before the other, which is too small for its ring.
    count_by($nginx, ['kept'], small => [map { "k$_" } 1 .. 1000]);
    refused($nginx, qr/zone "small".* too small for 1000 keys: give it a larger size/, 'a reload fails') for 1 .. 3;
    my $client = Load->new($nginx);
    $client->ask(GET => link_by('/x/a', 'kept', "who-$_")) for 1 .. 300;
    is $nginx->get(link_by('/a.txt', 'dropped'))->{status}, 200, 'the configuration goes on';
    my $metrics = metrics($nginx, '/metrics');
    cmp_ok $metrics->{evictions}, '>', 100, 'while others make room for each other';
    is_deeply $metrics->{keys}{dropped}{requests}, { granted => 6 }, 'its key keeps its counters';
    is_deeply $metrics->{unauthenticated}, {}, 'and counts on';

    # Of the keys that a zone has room for more than half are exchanged.
    count_by($nginx, ['kept', map { "k$_" } 1 .. $metrics->{entries} - 2]);
    $nginx->reload;
    count_by($nginx, ['kept', map { "other$_" } 1 .. $metrics->{entries} - 2]);
    my $keys = $metrics->{entries} - 1;
    refused($nginx, qr/zone "links".* too small for $keys keys beside those of the running configuration: restart nginx/, 'both do not fit') for 1 .. 3;
    is $nginx->get(link_by('/a.txt', 'k1'))->{status}, 200, 'the configuration goes on';
    $metrics = metrics($nginx, '/metrics');
    is_deeply $metrics->{keys}{k1}{requests}, { granted => 1 }, 'and counts on';
    is_deeply $metrics->{unauthenticated}, {}, 'all of it';
    $client->ask(GET => link_by('/x/a', 'kept', $_)) for 'who-1', 'who-2';
    is_deeply metrics($nginx, '/metrics')->{keys}{'who-2'}{requests}, { granted => 1 }, 'also by an expression, in the room that is left';
    count_by($nginx, ['kept']);
    $nginx->reload;
    count_by($nginx, ['kept', map { "other$_" } 1 .. $metrics->{entries} - 2]);
    $nginx->reload;
    is $nginx->get(link_by('/a.txt', 'other1'))->{status}, 200, 'in two steps they are exchanged';
    is $nginx->stop, 0, 'nginx ends in order';
};

done_testing;
