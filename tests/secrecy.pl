#!/usr/bin/env perl

# What nginx writes at the level debug, from `nginx -t` to the last request, has no secret and no right
# MAC that the client did not send, in whatever notation.
#
#   MODULE=/path/to.so NGINX=nginx tests/secrecy.pl

use strict;
use warnings;
no warnings 'portable';    # addresses of 64 bits

use FindBin;
use MIME::Base64 qw(decode_base64url encode_base64 encode_base64url);
use Test::More;

use lib "$FindBin::Bin/lib", "$FindBin::Bin/../t/lib";
use NginxServer;
use SecureLink;

my $nginx = NginxServer->new(log_level => 'debug');

# The secrets: none of them occurs in another or in anything that a client sends.
my %secret = (
    literal => 'a-literal-secret-of-the-configuration',
    second  => 'the-second-secret-of-the-same-place',
    raw     => "a raw key file: \x01\x02\xfe\xff \"quoted\" \\ bytes",
    hex     => join('', map { chr(255 - $_ * 7) } 0 .. 31),
    base64  => join('', map { chr(5 + $_ * 3) } 0 .. 39),
    short   => 'short-but-so',
    revoked => 'of-links-that-are-withdrawn',
    other   => 'of-the-location-behind-the-hand-off',
    broken  => 'zz-not-hex-at-all-zz',
);

$nginx->write_file('raw.key',    "$secret{raw}\n",                0600);
$nginx->write_file('hex.key',    unpack('H*', $secret{hex}) . "\n", 0604);
$nginx->write_file('base64.key', encode_base64($secret{base64}),  0600);
$nginx->write_file('broken.key', "$secret{broken}\n",             0600);
$nginx->write_file('files/a.txt', "a file\n");

sub location {
    my ($name, %options) = @_;
    my $secrets = join "\n", map { "secure_link_hmac_secret $_;" } @{ $options{secrets} };
    return <<"_END_";
        location /$name/ {
            secure_link_hmac            \$arg_st,\$arg_ts,\$arg_e;
            secure_link_hmac_message    \$uri|\$arg_ts|\$arg_e;
            secure_link_hmac_algorithm  @{[ $options{algorithm} || 'sha256' ]};
            secure_link_hmac_encoding   @{[ $options{encoding} || 'base64url' ]};
            $secrets
            @{[ $options{more} || '' ]}
        }
_END_
}

my %place = (
    literal => { secrets => [@secret{qw(literal second)}], more => 'secure_link_hmac_enforce on; secure_link_hmac_pass /internal$uri;' },
    raw     => { secrets => ['file:raw.key'],              more => 'secure_link_hmac_enforce on; satisfy any; allow all;' },
    hex     => { secrets => ['file:hex.key format=hex'],   more => 'secure_link_hmac_enforce on; error_page 403 410 /sorry;',
                 encoding => 'hex', algorithm => 'sha512' },
    base64  => { secrets => ['file:base64.key format=base64'], more => 'secure_link_hmac_enforce dry_run; secure_link_hmac_leeway 5s;',
                 encoding => 'base64', algorithm => 'md5' },
    short   => { secrets => [$secret{short}], more => 'if ($secure_link_hmac_status = granted) { set $good 1; }' },
    revoked => { secrets => [$secret{revoked}],
                 more => 'secure_link_hmac_revoke $uri; secure_link_hmac_enforce on; secure_link_hmac_leeway 5s; secure_link_hmac_methods GET;' },
);

my $server = join "\n", <<'_END_', map { location($_, %{ $place{$_} }) } sort keys %place;
    add_header X-Verdict "$secure_link_hmac_status $secure_link_hmac_remaining" always;
    location = /sorry { return 200 "sorry, $secure_link_hmac_status\n"; }
    location /internal/ {
        internal;
        secure_link_hmac          $arg_st,$arg_ts,$arg_e;
        secure_link_hmac_message  $uri|$arg_ts|$arg_e;
        secure_link_hmac_secret   of-the-location-behind-the-hand-off;
        rewrite ^ /a.txt break;
    }
_END_
$nginx->configure($server, http => 'limit_req_zone $secure_link_hmac_status zone=z:64k rate=1000r/s; limit_req zone=z burst=1000;');

my $written = '';
my ($said, $status) = $nginx->check;
is $status, 0, 'nginx -t accepts the configuration' or diag $said;
$written .= $said;

$nginx->start;
my $now = time;
my %sent;     # the MACs that clients did send, raw
my @made;     # the right MACs of what was asked for
my %verdict;  # what was answered

sub ask {
    my ($name, %options) = @_;
    my $place = $place{$name};
    my $path = "/$name/a.txt";
    my ($ts, $e) = ($options{ts} || $now - 10, defined $options{e} ? $options{e} : 3600);
    my ($key) = defined $options{secret} ? $options{secret} : $secret{$name};
    my %how = (algorithm => $place->{algorithm} || 'sha256', encoding => $place->{encoding} || 'base64url');
    my $args = SecureLink::link_args($path, ts => $ts, e => $e, secret => $key, %how);
    $args =~ s/st=[^&]*/st=$options{st}/ if defined $options{st};
    $args = '' if $options{none};
    push @made, map { SecureLink::mac("$path|$ts|$e", $_, $how{algorithm}) } $secret{$name}, $name eq 'literal' ? $secret{second} : ();
    push @made, SecureLink::mac('/internal/literal/a.txt||', $secret{other}, 'sha256'), SecureLink::mac("$path||", $secret{$name}, $how{algorithm});
    $sent{ SecureLink::mac("$path|$ts|$e", $key, $how{algorithm}) } = 1 unless defined $options{st} || $options{none};
    my $response = $nginx->get("$path?$args", method => $options{method});
    my ($word) = ($response->{header}{'x-verdict'} || '') =~ /^(\S*)/;
    $verdict{$word}++ if defined $word;
    return $response;
}

sub memory_of {
    my ($pid) = @_;
    open my $maps,   '<',     "/proc/$pid/maps" or die "maps: $!";
    open my $memory, '<:raw', "/proc/$pid/mem"  or die "mem: $!";
    my $all = '';
    while (<$maps>) {
        my ($start, $end) = /^([0-9a-f]+)-([0-9a-f]+) r(?!.*\[v)/ or next;
        sysseek $memory, hex $start, 0 or die "seek: $!";
        sysread $memory, $all, hex($end) - hex($start), length $all or die "$_: $!";
    }
    return $all;
}

for my $name (sort keys %place) {
    ask($name);
    ask($name, ts => $now - 20, method => 'HEAD');
    ask($name, ts => $now - 30, secret => SecureLink::other_secret);
    ask($name, ts => $now - 40, st => 'A' x 43);
    ask($name, ts => $now - 50, st => '%00');
    ask($name, ts => $now - 55, st => 'x' x 6000);
    ask($name, ts => $now - 60, st => '');
    ask($name, ts => $now - 70, none => 1);
    ask($name, ts => $now - 7200);
    ask($name, ts => $now - 7300, secret => SecureLink::other_secret);
    ask($name, ts => $now + 7200);
    ask($name, ts => $now - 80, method => 'POST');
    ask($name, ts => $now - 90, method => 'POST', secret => SecureLink::other_secret);
    ask($name, ts => 'yesterday', secret => SecureLink::other_secret);
}
ask('literal', ts => $now - 100, secret => $secret{second});
# A token with one wrong bit at its end: nobody may learn the right one from the log.
{
    my $mac = SecureLink::mac('/literal/a.txt|' . ($now - 110) . '|3600', $secret{literal});
    substr($mac, -1) ^= "\x01";
    ask('literal', ts => $now - 110, st => encode_base64url($mac));
}

is_deeply [grep { !$verdict{$_} } qw(granted missing malformed forged expired early revoked out_of_scope)], [], 'all verdicts occurred'
    or diag explain \%verdict;

# What a worker's memory has of the secrets in key files, as they stand there or as they are meant.
{
    my $memory = memory_of($nginx->worker);
    my %kept = map { $_ => $secret{$_} } qw(raw hex base64);
    $kept{'hex, as text'}    = unpack 'H*', $secret{hex};
    $kept{'base64, as text'} = encode_base64($secret{base64}, '');
    is_deeply [grep { index($memory, $kept{$_}) >= 0 } sort keys %kept], [], 'nothing is left in memory of a key file';
    cmp_ok index($memory, "$nginx->{dir}/raw.key"), '>=', 0, 'where its name is';
}

# Reloads: a good one, and mistakes whose lines must not show what is wrong.
$nginx->reload;
ask('literal', ts => $now - 120);
for my $mistake (
    { secrets => ['file:broken.key format=hex'],    more => 'secure_link_hmac_enforce on;' },
    { secrets => ['file:broken.key format=base64'], more => 'secure_link_hmac_enforce on;' },
    { secrets => [$secret{short}],                  more => 'secure_link_hmac_enforce on;' },
    { secrets => ["$secret{literal} format=hex"],   more => 'secure_link_hmac_enforce on;' },
    { secrets => ["$secret{literal} $secret{second} $secret{revoked}"], more => 'secure_link_hmac_enforce on;' },
    { secrets => [@secret{qw(literal literal)}],    more => 'secure_link_hmac_enforce on;' },
) {
    $nginx->configure(location('literal', %$mistake));
    my ($said, $status) = $nginx->check;
    $written .= $said;
    kill HUP => $nginx->pid;
    select undef, undef, undef, 0.1;
}
$nginx->stop;

my $log = $nginx->log;
like $log, qr/\[debug\]/, 'the log is one of the level debug';
cmp_ok length $log, '>', 100_000, 'and has all that there is';
$written .= $log . NginxServer::slurp("$nginx->{dir}/logs/output");

# All notations of some bytes, in lower case: what is sought is sought without regard to case.
sub notations {
    my ($bytes) = @_;
    my $base64 = encode_base64($bytes, '');
    my $escaped = join '', map { /[\x21-\x7e]/ ? $_ : sprintf '\\x%02x', ord } split //, $bytes;
    my %seen;
    return grep { !$seen{$_}++ } map { lc }
        $bytes, $escaped, unpack('H*', $bytes), join(':', unpack '(H2)*', $bytes),
        $base64 =~ s/=+$//r, encode_base64url($bytes);
}

my $sought_in = lc $written;
for my $name (sort keys %secret) {
    # The text of a key file counts as well as the key.
    my @texts = grep { length } $secret{$name}, map { substr $_, 0, 12 } $secret{$name};
    my @found = grep { index($sought_in, $_) >= 0 } map { notations($_) } @texts;
    is_deeply \@found, [], "the $name secret is nowhere";
}

my %made = map { $_ => 1 } grep { !$sent{$_} } @made;
cmp_ok scalar(keys %made), '>', 40, 'there were right MACs that no client sent';
my @found = grep { my $mac = $_; grep { index($sought_in, $_) >= 0 } notations($mac) } keys %made;
is_deeply [map { unpack 'H*', $_ } @found], [], 'none of them is anywhere';

# The search does find what is there.
my @there = grep { my $mac = $_; grep { index($sought_in, $_) >= 0 } notations($mac) } keys %sent;
cmp_ok scalar @there, '>', 10, 'those that clients sent are there: nginx logs what is asked for';

done_testing;
