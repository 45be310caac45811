#!/usr/bin/env perl

# What nginx writes at the level debug about links of jwt, edgeauth and sigv4: no secret, no salt, no key that is made
# of a secret, and no right MAC that the client did not send, in whatever notation.
#
#   MODULE=/path/to.so NGINX=nginx tests/secrecy-schemes.pl

use strict;
use warnings;

use Digest::SHA qw(hmac_sha256);
use FindBin;
use MIME::Base64 qw(decode_base64url encode_base64 encode_base64url);
use Test::More;

use lib "$FindBin::Bin/lib", "$FindBin::Bin/../t/lib";
use NginxServer;
use SchemeLinks;

my $nginx = NginxServer->new(log_level => 'debug');

# None of them occurs in another or in anything that a client sends.
my %secret = (
    jwt      => 'of-tokens-that-are-called-jwt-0001',
    jwt_ring => "of a ring: \x01\x02\xfe\xff of keys for tokens",
    edgeauth => join('', map { chr(255 - $_ * 7) } 0 .. 31),
    salt     => 'grains-of-salt-that-are-signed-too',
    sigv4    => 'wJalrXUtnFEMI/K7MDENG/of-an-account',
);
my $hex = unpack 'H*', $secret{edgeauth};
my $day = substr aws_date($now - 60), 0, 8;
my @derived = "AWS4$secret{sigv4}";
push @derived, hmac_sha256($_, $derived[-1]) for $day, 'us-east-1', 's3', 'aws4_request';

$nginx->write_file('ring.key',  $secret{jwt_ring}, 0600);
$nginx->write_file('aws.key',   "$secret{sigv4}\n", 0600);
$nginx->write_file('media.key', "$hex\n", 0600);
$nginx->write_file('files/a.txt', "a file\n");

my $http = <<'_END_';
    secure_link_hmac_keyring tokens { acme file:ring.key; }
    secure_link_hmac_keyring media  { k1 file:media.key format=hex; }
    secure_link_hmac_keyring aws    { AKIAIOSFODNN7EXAMPLE file:aws.key; }
_END_
my $server = <<"_END_";
    add_header X-Verdict "\$secure_link_hmac_status" always;
    secure_link_hmac_log_level notice;
    location /jwt/ {
        secure_link_hmac_scheme jwt;
        secure_link_hmac \$http_authorization \$arg_token;
        secure_link_hmac_secret $secret{jwt};
        secure_link_hmac_enforce on;
        alias files/;
    }
    location /ring/ {
        secure_link_hmac_scheme jwt;
        secure_link_hmac \$arg_token;
        secure_link_hmac_keys tokens;
        secure_link_hmac_enforce on;
        alias files/;
    }
    location /acl/ {
        secure_link_hmac_scheme edgeauth;
        secure_link_hmac \$arg_hdnts;
        secure_link_hmac_keys media;
        secure_link_hmac_enforce on;
        alias files/;
    }
    location /url/ {
        secure_link_hmac_scheme edgeauth salt=$secret{salt} escape_early;
        secure_link_hmac \$arg_hdnts;
        secure_link_hmac_keys media;
        secure_link_hmac_enforce dry_run;
        alias files/;
    }
    location /aws/ {
        secure_link_hmac_scheme sigv4;
        secure_link_hmac_keys aws;
        secure_link_hmac_enforce on;
        alias files/;
    }
_END_
$nginx->configure($server, http => $http);

my ($written, $status) = $nginx->check;
is $status, 0, 'nginx -t accepts the configuration' or diag $written;
$nginx->start;

my (%sent, %made, %verdict);

# The MAC of a link, in bytes.
sub mac_of {
    my ($link) = @_;
    return pack 'H*', $1 if $link =~ /(?:hmac=|Signature=)([0-9a-f]+)/;
    return decode_base64url($1) if $link =~ /token=[\w-]+\.[\w-]+\.([\w-]+)/;
    die "no MAC in $link";
}

# Asks for a link as it is right, or as it is once that was changed; its right MAC is then nobody's business.
sub ask {
    my ($link, $change) = @_;
    my $mac = mac_of($link);
    $made{$mac} = 1;
    my $asked = $change ? $change->($link) : $link;
    $sent{$mac} = 1 if index($asked, ($link =~ /(?:hmac=|Signature=|\.)([\w-]+)(?:&|\z)/)[0]) >= 0;
    $verdict{ $nginx->get($asked)->{header}{'x-verdict'} || '' }++;
}

my $bit = sub { my ($link) = @_; $link =~ s/(hmac=|Signature=|token=[^.]+\.[^.]+\.)(.)/$1 . ($2 eq '0' ? '1' : '0')/er };
my $gone = sub { my ($link) = @_; $link =~ s/\?.*//r };
my $short = sub { my ($link) = @_; substr $link, 0, length($link) - 30 };

# No two links are of one time, so that no two have one MAC.
my $serial = 0;
my $host = $nginx->get('/of-no-interest') && "127.0.0.1:$nginx->{port}";
for my $change (undef, $bit, $gone, $short) {
    for my $lifetime (3600, -3600) {
        my $exp = $now + $lifetime + ++$serial;
        ask(jwt_link('/jwt/a.txt', {path => $_, exp => $exp, sub => 'ann'}, secret => $secret{jwt}), $change) for '*', '/other';
        ask(jwt_link('/ring/a.txt', {path => $_, exp => $exp, iss => 'acme'}, secret => $secret{jwt_ring}), $change) for '*', '/other';
        ask(jwt_link('/ring/a.txt', {path => '*', exp => $exp}, secret => $secret{jwt_ring}, kid => $_), $change) for 'acme', 'nobody';
        ask(edgeauth_link('/acl/a.txt', acl => $_, exp => $exp, key => $hex), $change) for '*', '/other';
        ask(edgeauth_link('/url/a.txt', url => $_, exp => $exp, key => $hex, early => 'form', salt => $secret{salt}), $change)
            for '/url/a.txt', '/url/b.txt';
        ask(sigv4('/aws/a.txt', host => $_, time => $now - 60 - $serial, expires => $lifetime > 0 ? 3600 : 10, secret => $secret{sigv4}),
            $change) for $host, 'localhost';
    }
}
is_deeply [grep { !$verdict{$_} } qw(granted missing malformed forged expired out_of_scope unknown_key)], [], 'all verdicts occurred'
    or diag explain \%verdict;

# A reload, and mistakes whose lines must not show what is wrong.
$nginx->reload;
for my $mistake (
    "secure_link_hmac_scheme edgeauth Salt=$secret{salt};", "secure_link_hmac_scheme edgeauth salt=$secret{salt} salt=$secret{salt};",
        "secure_link_hmac_scheme jwt salt=$secret{salt};",
    "secure_link_hmac_scheme edgeauth salt=$secret{salt}; secure_link_hmac_secret $secret{jwt} format=hex;",
        "secure_link_hmac_scheme sigv4; secure_link_hmac \$arg_x; secure_link_hmac_secret $secret{sigv4};",
) {
    $nginx->configure("location /x { $mistake secure_link_hmac_enforce on; }");
    my ($said, $status) = $nginx->check;
    isnt $status, 0, 'a mistake is one';
    $written .= $said;
}
$nginx->stop;

my $log = $nginx->log;
like $log, qr/\[debug\]/, 'the log is one of the level debug';
cmp_ok length $log, '>', 100_000, 'and has all that there is';
$written .= $log . NginxServer::slurp("$nginx->{dir}/logs/output");

# All notations of some bytes, in lower case: what is sought is sought without regard to case.
sub notations {
    my ($bytes) = @_;
    my $escaped = join '', map { /[\x21-\x7e]/ ? $_ : sprintf '\\x%02x', ord } split //, $bytes;
    my %seen;
    return grep { !$seen{$_}++ } map { lc } $bytes, $escaped, unpack('H*', $bytes), join(':', unpack '(H2)*', $bytes),
        encode_base64($bytes, '') =~ s/=+$//r, encode_base64url($bytes);
}

my $sought_in = lc $written;
my $is_there = sub { my ($bytes) = @_; scalar grep { index($sought_in, $_) >= 0 } notations($bytes) };
for my $name (sort keys %secret) {
    is_deeply [grep { $is_there->($_) } $secret{$name}, substr $secret{$name}, 0, 12], [], "the secret of $name is nowhere";
}
is_deeply [grep { $is_there->($derived[$_]) } 0 .. $#derived], [], 'nor is a key that is derived from one';

my @unsent = grep { !$sent{$_} } keys %made;
cmp_ok scalar @unsent, '>', 30, 'there were right MACs that no client sent';
is_deeply [map { unpack 'H*', $_ } grep { $is_there->($_) } @unsent], [], 'none of them is anywhere';
cmp_ok scalar(grep { $is_there->($_) } keys %sent), '>', 10, 'those that clients sent are there: nginx logs what is asked for';

done_testing;
