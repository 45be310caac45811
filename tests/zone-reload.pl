#!/usr/bin/env perl

# A zone that nothing uses yet: a reload may begin to count in it, another to limit, and what was counted
# and spent stays.
#
#   MODULE=/path/to.so NGINX=nginx tests/zone-reload.pl

use strict;
use warnings;

use FindBin;
use Test::More;

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

done_testing;
