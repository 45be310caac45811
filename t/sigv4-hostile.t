# secure_link_hmac_scheme sigv4: links that are written to be read in two ways, with a right signature and without one.

use strict;
use warnings;

use lib 't/lib';
use SchemeLinks;
use Test::Nginx::Socket 'no_plan';
use Verdicts <<'_EOC_';
    secure_link_hmac_scheme sigv4;
    secure_link_hmac_keys aws;
    add_header X-Key "[$secure_link_hmac_key_id]" always;
_EOC_

add_block_preprocessor(sub {
    my ($block) = @_;
    $block->set_value(http_config => 'secure_link_hmac_keyring aws { AKIAIOSFODNN7EXAMPLE hex:' . unpack('H*',
        sigv4_secret) . '; OTHER hex:' . unpack('H*', 'o' x 40) . '; }' . ($block->http_config || ''));
});

our @names = map { "X-Amz-$_" } qw(Algorithm Credential Date Expires SignedHeaders Signature);
our $day   = substr aws_date($now - 60), 0, 8;
our $scope = "$day/us-east-1/s3/aws4_request";
our $id    = 'AKIAIOSFODNN7EXAMPLE';

sub link_to { my ($verdict, $key, %options) = @_; my $method = $options{method} || 'GET'; return [$verdict, "$method " . sigv4($key, %options),
    delete $options{more}] }
sub of { my ($verdict, %options) = @_; return link_to($verdict, '/b/k', %options) }
sub and_also { my @more = @_; return sub { (@_, @more) } }

# A link in which something is written, and signed, in place of what is right.
sub set { my ($verdict, $name, $value, %options) = @_; return of($verdict, set => {"X-Amz-$name" => $value}, %options) }

# The same, changed once it was signed.
sub change { my ($verdict, $from, $to) = @_; return of($verdict, sent => sub { map { s/$from/$to/r } @_ }) }

no_long_string();
run_tests();

__DATA__

=== some of the arguments are not a credential, and none of them are none
--- cases eval
['missing', '/b/k'], ['missing', '/b/k?'], ['missing', '/b/k?a=1'], ['missing', '/b/k?Signature=x&Expires=1&AWSAccessKeyId=y'],
['missing', '/b/k', 'Authorization: AWS4-HMAC-SHA256 Credential=x'], ['missing', '/b/k?X-Amz=1'], ['missing', '/b/k?x-id=GetObject'],
(map { my $name = $_; ::of('malformed', sent => sub { grep { !/^$name=/ } @_ }) } @::names),
(map { my $name = $_; ::of('malformed', sent => sub { grep { /^$name=/ } @_ }) } @::names),
(map { my $name = $_; ::of('malformed', sent => sub { map { s/^$name=.*/$name=/r } @_ }) } @::names),
(map { my $name = $_; ::of('malformed', sent => sub { map { s/^$name=.*/$name/r } @_ }) } @::names),
(map { ::set('malformed', $_, undef) } qw(Algorithm Credential Date Expires SignedHeaders)),
(map { ::set('malformed', $_, '') } qw(Algorithm Credential Date Expires SignedHeaders)), ::of('granted')



=== each of the scheme's arguments is there once, and spelled as it is
--- cases eval
(map { my $name = $_; map { my $other = $_; (::of('malformed', sent => ::and_also("$other=x")), ::of('malformed', sent => sub { ("$other=x", @_) }),
    ::of('malformed', sent => ::and_also($other)), (::of('malformed', sent => sub { map { s/^$name=/$other=/r } @_ })) x ($other ne $name)) }
    $name, lc $name, uc $name, $name =~ s/X-/x-/r, $name =~ s/-/%2D/r, $name =~ s/-/%2d/gr, $name =~ s/A/%41/r, $name =~ s/X/%58/r,
    $name =~ s/(.)\z/sprintf '%%%02X', ord $1/er } @::names),
# The value that is right, too.
(map { my $name = $_; ::of('malformed', sent => sub { (@_, grep { /^$name=/ } @_) }) } @::names),
(map { my $name = $_; ::of('malformed', sent => sub { (@_, map { lc } grep { /^$name=/ } @_) }) } @::names),
# Signed, the signature covers it, and it is no less ambiguous.
(map { my $name = $_; map { ::of('malformed', args => [$_ => 'x']) } $name, lc $name, uc $name } @::names),
(map { ::of('malformed', args => $_) } ['x-amz-checksum-mode' => 1, 'x-amz-checksum-mode' => 1],
    ['x-amz-checksum-mode' => 1, 'X-Amz-Checksum-Mode' => 2], ['X-Amz-A' => 1, 'x-amz-b' => 1, 'x-amz-a' => 2],
    ['X-Amz-Content-Sha256' => 'UNSIGNED-PAYLOAD', 'x-amz-content-sha256' => 'UNSIGNED-PAYLOAD'],
    ['x-amz-content-sha256' => 'UNSIGNED-PAYLOAD'], [(map { ("x-amz-$_" => 1) } 1 .. 100)], ['x-amz-' => 1, 'X-AMZ-' => 1]),
(map { ::of('malformed', args => ['x-amz-mode' => 1], sent => $_) } sub { map { s/^x-amz-mode/x%2Damz-mode/r } @_ },
    sub { map { s/^x-amz-mode/%78-amz-mode/r } @_ }, sub { map { s/^x-amz-mode/x-amz-%6Dode/r } @_ }, ::and_also('x-amz-mode=1'),
    ::and_also('X-Amz-Mode=1'), ::and_also('x-amz-mode')),
(map { ::of('granted', args => $_) } ['x-amz-checksum-mode' => 'ENABLED'], ['X-Amz-Checksum-Mode' => 1, 'x-amz-other' => 2],
    ['X-Amz-Content-Sha256' => 'UNSIGNED-PAYLOAD'], ['xX-Amz-Date' => 1], ['X_Amz_Date' => 1], ['Amz-Date' => 1]),
['malformed', sigv4('/b/k') . '&X%2DAmz-Signature=' . 'a' x 64], ['malformed', sigv4('/b/k') =~ s/\?/'?X%2DAmz-Signature=' . 'a' x 64 . '&'/er],
['malformed', sigv4('/b/k') . '&X-Amz%2DSignature'], ['malformed', sigv4('/b/k') . '&X-Amz-Signature']



=== the algorithm is the one
--- cases eval
map { ::set('malformed', Algorithm => $_) } 'AWS4-HMAC-SHA1', 'AWS4-HMAC-SHA512', 'aws4-hmac-sha256', 'AWS4-HMAC-SHA256 ', 'AWS4-ECDSA-P256-SHA256',
'AWS4-HMAC-SHA256-PAYLOAD', 'none', 'x', 'AWS3-HMAC-SHA256', "AWS4-HMAC-SHA256\0"



=== a credential has five parts, and its day is that of the link
--- cases eval
my $with = sub { my ($verdict, $credential) = @_; return ::set($verdict, Credential => $credential) };
my ($yesterday, $tomorrow) = map { substr aws_date($now - 60 + $_), 0, 8 } -86400, 86400;
$with->('granted', "$::id/$::scope"),
(map { $with->('malformed', $_) } $::id, "$::id/", $::scope, "$::id/$::day/us-east-1/s3", "$::id/$::day/us-east-1/s3/",
    "$::id/$::day/us-east-1/s3/aws4_request/", "$::id/$::day/us-east-1/s3/x/aws4_request", "$::id/x/$::scope", "a/b/$::id/$::scope",
    "$::id//$::scope", "/$::id/$::scope",
    "$::id/$::day/us-east-1/s3/AWS4_REQUEST", "$::id/$::day/us-east-1/s3/aws4_reques", "$::id/$::day/us-east-1/s3/aws4_request ",
    "$::id/$::day/us-east-1/s3/aws5_request", "$::id/$yesterday/us-east-1/s3/aws4_request", "$::id/$tomorrow/us-east-1/s3/aws4_request",
    "$::id//us-east-1/s3/aws4_request",
    "$::id/${\substr $::day, 0, 7}/us-east-1/s3/aws4_request", "$::id/${\substr $::day, 2}/us-east-1/s3/aws4_request",
    "$::id/${\$::day}T000000Z/us-east-1/s3/aws4_request", "$::id/20130524/us-east-1/s3/aws4_request", "$::id/x/us-east-1/s3/aws4_request",
    'x' x 65 . "/$::scope", 'x' x 2000 . "/$::scope", '/' x 4, '/' x 2000),
$with->('unknown_key', "/$::scope"), $with->('unknown_key', "nobody/$::scope"), $with->('unknown_key', "..%2F..%2Fetc/$::scope"),
$with->('unknown_key', "$::id%2F/$::scope"), $with->('unknown_key', 'x' x 64 . "/$::scope"), $with->('unknown_key', "$::id\0/$::scope"),
$with->('forged', "OTHER/$::scope"),
# The day of the scope that was signed, with the day of the link in the URL.
::of('forged', scope => "$yesterday/us-east-1/s3/aws4_request"), ::change('malformed', "%2F$::day%2F", "%2F$yesterday%2F"),
::change('forged', 'us-east-1', 'us-east-2'), ::change('forged', '%2Fs3%2F', '%2Fs4%2F'), ::change('granted', '%2F', '/'),
::change('malformed', '%2F', '%252F')



=== a date is written in one way
--- cases eval
my $date = aws_date($now - 60);
my $with = sub { my ($verdict, $text) = @_; my $day = substr $text, 0,
    8; return ::of($verdict, set => {'X-Amz-Date' => $text, 'X-Amz-Credential' => "$::id/$day/us-east-1/s3/aws4_request"}) };
$with->('granted', $date), (map { $with->('malformed', $_) } $date =~ s/Z//r, $date =~ s/T/t/r, $date =~ s/Z/z/r, $date =~ s/T//r, $date =~ s/T/ /r,
    "$date ", " $date", "${date}Z", $date =~ s/Z/+0000/r, $date =~ s/Z/.5Z/r, $date =~ s/\d\dZ/Z/r, $now, '', 'x', '20130230T000000Z',
    '20130229T000000Z', '20131301T000000Z',
    '20130001T000000Z', '20130100T000000Z', '20130524T240000Z', '20130524T006000Z', '20130524T000060Z', '2013-05-24T00:00:00Z', '20130524T000000',
    '-0130524T000000Z', '99999999T999999Z', '20130524T000000Z' x 2, '9' x 3000, "$date\0"),
$with->('expired', '20130524T000000Z'), $with->('expired', '20120229T235959Z'), $with->('early', '99981231T235959Z')



=== the seconds are from 1 to 604800
--- cases eval
(map { ::set('malformed', Expires => $_) } 0, '00', -1, -3600, '+1', ' 1', '1 ', '1.5', '1e3', '0x10', '3600s', 604801, 700000, 86400 * 30,
    '4294967296', '9223372036854775807', '9223372036854775808', '18446744073709551617', '9' x 40, '9' x 3000, 'x', "1\0"),
::set('granted', Expires => 604800), ::set('granted', Expires => 604799), ::set('granted', Expires => 3600), ::set('expired', Expires => 1)



=== signed headers are in lower case, sorted, each once, and the host is among them
--- cases eval
my $with = sub { my ($verdict, $names, %options) = @_; return ::set($verdict, SignedHeaders => $names, %options) };
(map { $with->('malformed', $_) } 'Host', 'HOST', 'accept', 'accept;x-a', 'host;', ';host', 'host;;x-a', 'host;host', 'x-a;host', 'host;accept',
    'accept;accept;host', 'host;X-A', 'host,x-a', 'host x-a', 'host ', ' host', "host\0", "host\n", 'host:x', ';', 'hosts', 'xhost', "h\xf6st;host",
    'host;x"a',
    'host;' . 'x' x 3000 . ';', CORE::join(';', 'host', map { sprintf 'x-%02d', $_ } 1 .. 16),
    CORE::join(';', 'host', map { sprintf 'x-%04d', $_ } 1 .. 500)),
$with->('forged', 'host;x-a'), $with->('forged', 'accept;host'), $with->('forged', CORE::join ';', 'host', map { sprintf 'x-%02d', $_ } 1 .. 15),
::change('malformed', 'SignedHeaders=host', 'SignedHeaders=Host'), ::change('forged', 'SignedHeaders=host', 'SignedHeaders=host%3Bx-a'),
::change('malformed', 'SignedHeaders=host', 'SignedHeaders=x-a')



=== a body is not covered, and a temporary credential cannot be checked
--- cases eval
(map { ::of('malformed', args => ['X-Amz-Content-Sha256' => $_]) } '', 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
    'unsigned-payload', 'UNSIGNED-PAYLOAD ', 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD'),
::of('granted', args => ['X-Amz-Content-Sha256' => 'UNSIGNED-PAYLOAD']),
(map { ::of('malformed', args => ['X-Amz-Security-Token' => $_]) } '', 'x', 'x' x 1000), ::of('malformed', args => ['x-amz-security-token' => 'x']),
::of('malformed', sent => ::and_also('X-Amz-Security-Token=x')),
::of('malformed', sent => ::and_also('X-Amz-Security-Token'))



=== a signature has 64 digits
--- cases eval
(map { my $change = $_; ::of('malformed', signature => $change) } sub { substr $_[0], 1 }, sub { "$_[0]0" }, sub { "$_[0]00" },
    sub { substr $_[0], 0, 62 }, sub { "0x$_[0]" }, sub { $_[0] =~ s/.\z/g/r }, sub { "$_[0]%20" }, sub { "%20$_[0]" }, sub { "+$_[0]" },
    sub { $_[0] x 2 }, sub { "$_[0]\%00" }, sub { '' }, sub { 'x' },
    sub { '0' x 63 }, sub { '0' x 128 }, sub { '0' x 4000 }),
(map { my $at = $_; ::of("forged\nX-Key: []", signature => sub { my $text = $_[0]; substr($text, $at, 1) =~ tr/0-9a-f/1-9a-f0/; $text }) } 0 .. 63),
::of('forged', signature => '0' x 64), ::of('forged', signature => 'f' x 64)



=== of a forged link nothing is looked at, and nothing is told
--- cases eval
my %forged = (secret => 'x' x 40);
(map { ::of("forged\nX-Key: []", %forged, @$_) } [], [time => 1369353600], [time => $now + 86400 * 30], [region => 'mars'], [host => 'other'],
    [expires => 1]), (map { ::link_to("forged\nX-Key: []", undef, %forged, target => $_) } '/b//k', '/b/../k', '/b/./k'),
::of("expired\nX-Key: [$::id]", time => 1369353600), ::of("early\nX-Key: [$::id]", time => $now + 86400 * 30),
::link_to("out_of_scope\nX-Key: [$::id]", undef, target => '/b//k')



=== what is signed must be what is served
--- cases eval
(map { ::link_to('out_of_scope', undef, target => $_) } '/b//k', '//b/k', '/b/./k', '/b/../k', '/b/k/..', '/b/k/.', '/./b/k', '/b/%2e%2e/k',
    '/b/%2e/k', '/b%2f..%2fk', '/b/..%2fk', '/b%2F%2Fk', '/b/x/../k', '/b/k//', '//', '/b/k/../k', '/.//b', '/b/%2E./k', '/public/../b/k',
    '/public%2f..%2fb%2fk'),
(map { ::link_to('granted', undef, target => $_) } '/b/k', '/b%2Fk', '/b/k/', '/', '/b/.k', '/b/..k', '/b/k..', '/b/...', '/b/%252e%252e/k',
    '/b/a%252Fb', '/b/%25'),
# The path of another link, and the arguments of this one.
(map { ['forged', sigv4('/b/k') =~ s/^[^?]*/$_/r] } '/b//k', '/b/../b/k', '/c/k', '/b/k/', '/b/k/../k2', '/b/K', '/b/%2e/k', '/b'),
['granted', sigv4('/b/k') =~ s/^[^?]*/\/b%2fk/r], ['granted', sigv4('/b/k') =~ s/^[^?]*/\/%62\/%6B/r],
['missing', sigv4('/b/k') =~ s/\?/#?/r], ['forged', sigv4('/b/k') =~ s/\?/?&/r], ['malformed', sigv4('/b/k') =~ s/\?/??/r],
['granted', sigv4('/b/k') . '#fragment'], ['400', sigv4('/b/k%00') =~ s/%2500/%00/r], ['400', '/b/k%' . (sigv4('/b/k') =~ s/^[^?]*//r)]



=== also where nginx rewrites the path, or has none
--- config
rewrite ^/public/(.*)$ /b/$1;
location /last/ { rewrite ^/last/(.*)$ /b/$1 last; }
location /args/ { set $args $args&x=1; empty_gif; }
location /dir/ { root html; index index.txt; }
--- user_files
>>> dir/index.txt
an index
--- cases eval
::link_to('out_of_scope', '/public/k'), ::link_to('out_of_scope', '/last/k'), ['forged', sigv4('/b/k') =~ s/^[^?]*/\/public\/k/r], ::link_to('forged', '/args/k'),
::link_to('granted', '/dir/'), ::link_to('granted', '/dir/index.txt'), ['forged', sigv4('/dir/') =~ s/\?/index.txt?/r],
(map { ['403', 'GET http://localhost' . sigv4(undef, target => $_) =~ s/^[^?]*//r . ' HTTP/1.1'] } '', '/')



=== a link for another server is none for this one
--- cases eval
my $absolute = sub { my ($verdict, $authority, $signed, $headers, $scheme) = @_; return [$verdict,
    'GET ' . ($scheme || 'http') . "://$authority" . sigv4('/b/k', host => $signed) . ' HTTP/1.1', $headers] };
$absolute->('granted', 'localhost', 'localhost', ''), $absolute->('granted', 'media.example', 'media.example', 'Host: media.example'),
$absolute->('granted', 'Media.Example:8080', 'media.example', 'Host: media.example'), $absolute->('granted', 'localhost:8080', 'localhost', ''),
# nginx serves the host of the request line, and the client signs that of the header.
$absolute->('out_of_scope', 'localhost', 'evil.example', 'Host: evil.example'), $absolute->('out_of_scope', 'evil.example', 'localhost', ''),
$absolute->('out_of_scope', 'localhost:80', 'evil.example:80', 'Host: evil.example:80'),
$absolute->('out_of_scope', 'localhost', 'localhost.evil.example', 'Host: localhost.evil.example'),
$absolute->('out_of_scope', 'localhost', 'xlocalhost', 'Host: xlocalhost'), $absolute->('out_of_scope', 'localhost', 'localhos', 'Host: localhos'),
$absolute->('out_of_scope', '127.0.0.1', 'localhost', ''), $absolute->('forged', 'evil.example', 'evil.example', ''),
$absolute->('forged', 'localhost', 'localhost', 'Host: evil.example'),
['forged', sigv4('/b/k', host => 'other.example')], ['forged', sigv4('/b/k'), 'Host: other.example']



=== a client that names no host has signed none
--- raw_request eval
"GET " . sigv4('/b/k') . " HTTP/1.0\r\n\r\n"
--- error_code: 403
--- response_headers
X-Verdict: forged



=== not even an empty one
--- raw_request eval
"GET " . sigv4('/b/k', host => '') . " HTTP/1.0\r\n\r\n"
--- error_code: 403
--- response_headers
X-Verdict: forged



=== what is long is refused or read, at once
--- timeout: 10
--- cases eval
my $many = sub { my ($count, $text) = @_; return ::and_also(($text) x $count) };
(map { ::of('forged', sent => $_) } $many->(1500, ''), $many->(1500, 'a'), $many->(1500, '='), $many->(500, 'a=b'),
    ::and_also(map { "a$_=b" } CORE::reverse 1 .. 500)), ::of('granted', args => [map { ("a$_" => "b$_") } 1 .. 300]),
::of('granted', args => [map { (a => $_) } 1 .. 500]),
::of('malformed', sent => $many->(300, 'X-Amz-Date=x')), ::of('malformed', sent => $many->(300, 'x-amz-a=x')),
::of('malformed', sent => $many->(100, 'X%2DAmz-Date=x')), ::of('malformed', args => ['X-Amz-Credential' => 'x' x 5000]),
::set('malformed', Credential => 'x' x 5000), ::set('malformed', SignedHeaders => 'host;' . 'x' x 5000),
::of('granted', args => [a => 'x' x 5000]), ::link_to('granted', '/' . CORE::join('/', ('x' x 200) x 25)),
::link_to('granted', '/b/' . "\xff" x 1500), ['malformed', '/b/k?X-Amz-Date=' . '%20' x 1500], ['malformed', '/b/k?X-Amz-Date' . '=' x 5000],
['missing', '/b/k?' . '&' x 6000], ['missing', '/b/k?' . 'X-Am' x 1500]
