#!/usr/bin/env perl

# What `nginx -t` says about secure_link_hmac_zone, _limit and _statsd, and about zones that other directives name.
#
#   MODULE=/path/to.so NGINX=nginx tests/nginx-t-limit.pl

use strict;
use warnings;

use FindBin;
use Test::More;

use lib "$FindBin::Bin/lib";
use NginxT;

my $zone = "secure_link_hmac_zone links:64k;\n";

# Zones.

sub bad_zone {
    my ($name, $value, @patterns) = @_;
    refused $name, "secure_link_hmac_zone $value; #!\n", '"secure_link_hmac_zone"', @patterns;
}

accepted 'a zone that nothing uses', $zone;
accepted 'the smallest zone', "secure_link_hmac_zone links:32k;\n" . enforced('secure_link_hmac_limit links uses=1;');
accepted 'a zone after its use', enforced('secure_link_hmac_limit links uses=1;') . $zone;
accepted 'one zone for everything', $zone
    . enforced('secure_link_hmac_limit links uses=1; secure_link_hmac_meter links; location /m { secure_link_hmac_metrics links; }');
bad_zone 'a zone without a size', 'links', '"links"', 'name:size';
bad_zone 'a zone with an empty size', 'links:', '""';
bad_zone 'a zone without a name', ':64k', '":64k"', 'name:size';
bad_zone 'a zone of a size that is none', 'links:many', '"many"';
bad_zone 'a zone of a negative size', 'links:-64k', '"-64k"';
bad_zone 'a zone that is too small', 'links:31k', '"links:31k"', '32k';
bad_zone 'a zone with more to it', 'links:64k more', 'number of arguments';
refused 'a zone given twice', $zone . "secure_link_hmac_zone links:64k; #!\n", '"secure_link_hmac_zone"', '"links"';
refused 'a zone of the name of another module\'s', "limit_req_zone \$uri zone=links:64k rate=1r/s;\n$zone", 'links';
refused 'a zone in a server', location("secure_link_hmac_zone links:64k; #!"), '"secure_link_hmac_zone"', 'not allowed here';
refused 'a zone that is too small for its ring',
    "secure_link_hmac_zone links:32k; #!\nsecure_link_hmac_keyring big {\n"
    . join('', map { "k$_ hex:" . unpack('H*', $secret) . ";\n" } 1 .. 1000)
    . "}\n" . location("$credential $message secure_link_hmac_keys big \$arg_k; secure_link_hmac_enforce on; secure_link_hmac_meter links;"),
    '"secure_link_hmac_zone"', '"links"', '1000 keys';

# Limits.

accepted "a limit of $_", $zone . enforced("secure_link_hmac_limit links $_;") for
    'uses=1', 'uses=18446744073709551615', 'uses=1 per=token', 'uses=1 per=token window=1m', 'window=1d uses=5',
    'uses=1 per=key period=1h', 'bytes=1 period=1s per=key', 'bytes=10m per=key period=1d', 'bytes=10G per=key period=30d';

sub bad_limit {
    my ($name, $value, @patterns) = @_;
    refused $name, $zone . enforced("secure_link_hmac_limit links $value; #!"), '"secure_link_hmac_limit"', @patterns;
}

bad_limit 'no use', 'uses=0', '"uses=0"';
bad_limit 'less than none', 'uses=-1', '"uses=-1"';
bad_limit 'a number with a sign', 'uses=+1', '"uses=+1"';
bad_limit 'uses that are no number', 'uses=many', '"uses=many"';
bad_limit 'uses that are not written', 'uses=', '"uses="';
bad_limit 'too many uses', 'uses=18446744073709551616', '"uses=18446744073709551616"';
bad_limit 'no byte', 'bytes=0 per=key period=1h', '"bytes=0"';
bad_limit 'less than no byte', 'bytes=-1 per=key period=1h', '"bytes=-1"';
bad_limit 'bytes that are no size', 'bytes=1x per=key period=1h', '"bytes=1x"';
bad_limit 'a limit per something else', 'uses=1 per=x', '"per=x"';
bad_limit 'a period that is none', 'uses=1 per=key period=soon', '"period=soon"';
bad_limit 'a period of nothing', 'uses=1 per=key period=0', '"period=0"';
bad_limit 'a window that is none', 'uses=1 window=soon', '"window=soon"';
bad_limit 'a window of nothing', 'uses=1 window=0s', '"window=0s"';
bad_limit 'an unknown parameter', 'uses=1 burst=5', '"burst=5"';
bad_limit 'a word that is no parameter', 'uses=1 nodelay', '"nodelay"';
bad_limit 'a variable', 'uses=$arg_uses', '"uses=$arg_uses"';
bad_limit 'a parameter given twice', 'uses=1 uses=2', '"uses="', 'twice';
bad_limit 'per=token given twice', 'uses=1 per=token per=token', '"per="', 'twice';
bad_limit 'nothing but a zone', '';
bad_limit "what is not said by $_", $_, 'does not say what is limited', 'uses=1' for
    'per=key period=1h', 'window=1h', 'uses=1 per=key', 'uses=1 per=subject', 'bytes=1m', 'bytes=1m per=key', 'bytes=1m period=1h',
    'bytes=1m per=token period=1h', 'uses=1 per=key window=1h', 'uses=1 per=key period=1h window=1h', 'uses=1 period=1h',
    'uses=1 per=token period=1h', 'bytes=1m window=1h', 'uses=1 bytes=1m per=key period=1h';

bad_limit 'a duplicate', "$_->[0];\nsecure_link_hmac_limit links $_->[1]", 'duplicate' for
    ['uses=1', 'uses=1'], ['uses=1', 'uses=2 window=1m'], ['uses=1 per=key period=1h', 'uses=2 period=60m per=key'],
    ['bytes=1k per=key period=1d', 'bytes=1m per=key period=24h'];
accepted 'limits that differ', $zone . "secure_link_hmac_zone others:64k;\n" . enforced(join ' ', map { "secure_link_hmac_limit $_;" }
    'links uses=1', 'others uses=2', 'links uses=1 per=key period=1h', 'links uses=2 per=key period=1d', 'links bytes=1m per=key period=1h');

mistake 'uses of links that never expire',
    $zone . location("secure_link_hmac \$arg_st; secure_link_hmac_message \$uri; $key ENFORCE\nsecure_link_hmac_limit links uses=1; #!"),
    '"secure_link_hmac_limit"', 'never expire';
warned_of 'also if only one credential has no time',
    $zone . location("secure_link_hmac \$arg_st,\$arg_ts,\$arg_e \$cookie_st; secure_link_hmac_message \$uri&\$arg_ts&\$arg_e; $key secure_link_hmac_limit links uses=1;"),
    [qr/"secure_link_hmac_limit"/, qr/never expire/], [qr/how a link is read/];
fine 'a quota of links that never expire',
    $zone . location("secure_link_hmac \$arg_st; secure_link_hmac_message \$uri; $key ENFORCE\nsecure_link_hmac_limit links uses=1 per=key period=1h;");
fine 'links that say when they expire',
    $zone . location("secure_link_hmac_scheme template time=expires; secure_link_hmac \$arg_st,\$arg_e; secure_link_hmac_message \$uri|\$arg_e; $key ENFORCE\n"
        . 'secure_link_hmac_limit links uses=1;');
mistake "a quota of a subject that template links do not name, by $_",
    $zone . location("$policy ENFORCE\nsecure_link_hmac_limit links $_ per=subject period=1h; #!"),
    '"secure_link_hmac_limit"', '"per=subject"', 'per=key' for 'uses=1', 'bytes=1m';

# Unknown zones, also in a block that inherits nothing.

my %unknown = (
    secure_link_hmac_limit   => 'none uses=1',
    secure_link_hmac_meter   => 'none',
    secure_link_hmac_metrics => 'none',
);
for my $directive (sort keys %unknown) {
    refused "$directive of an unknown zone", enforced("$directive $unknown{$directive}; #!"), "\"$directive\"", '"none"';
    my $foreign = $unknown{$directive} =~ s/none/foreign/r;
    refused "$directive of another module's zone",
        "limit_req_zone \$uri zone=foreign:64k rate=1r/s;\n" . enforced("$directive $foreign; #!"), "\"$directive\"", '"foreign"';
    refused "$directive without a zone", enforced("$directive; #!"), "\"$directive\"", 'number of arguments';
}

# StatsD.

accepted "statsd to $_", "secure_link_hmac_statsd $_;\n" for
    '127.0.0.1:8125', '[::1]:8125', 'localhost:8125', '127.0.0.1:8125 prefix=nginx.links-1', '127.0.0.1:8125 interval=100ms',
    '127.0.0.1:8125 tags=off interval=1m prefix=a', '127.0.0.1:8125 tags=on';

sub bad_statsd {
    my ($name, $value, @patterns) = @_;
    refused $name, "secure_link_hmac_statsd $value; #!\n", '"secure_link_hmac_statsd"', @patterns;
}

bad_statsd 'statsd without a host', '', 'number of arguments';
bad_statsd 'statsd without a port', '127.0.0.1', '"127.0.0.1"';
bad_statsd 'a port that is none', '127.0.0.1:statsd-port', '"127.0.0.1:statsd-port"';
bad_statsd 'a port that cannot be', '127.0.0.1:65536', '"127.0.0.1:65536"';
bad_statsd 'port 0', '127.0.0.1:0', '"127.0.0.1:0"';
bad_statsd 'a host that is not known', 'unknown.invalid:8125', '"unknown.invalid:8125"';
bad_statsd 'an empty prefix', '127.0.0.1:8125 prefix=', '"prefix="';
bad_statsd 'a prefix with a separator', '127.0.0.1:8125 "prefix=a|b"', '"prefix=a|b"';
bad_statsd 'an interval of nothing', '127.0.0.1:8125 interval=0', '"0"';
bad_statsd 'an interval that is none', '127.0.0.1:8125 interval=soon', '"soon"';
bad_statsd 'tags that are neither on nor off', '127.0.0.1:8125 tags=yes', '"tags=yes"';
bad_statsd 'an unknown parameter', '127.0.0.1:8125 rate=1', '"rate=1"';
bad_statsd 'a parameter given twice', '127.0.0.1:8125 tags=on tags=off', '"tags="', 'twice';
refused 'two of it', "secure_link_hmac_statsd 127.0.0.1:8125;\nsecure_link_hmac_statsd 127.0.0.1:8126; #!\n", '"secure_link_hmac_statsd"', 'duplicate';
refused 'statsd in a server', location('secure_link_hmac_statsd 127.0.0.1:8125; #!'), '"secure_link_hmac_statsd"', 'not allowed here';

done_testing;
