# secure_link_hmac_scheme sigv4: AWS's presigned URLs. What attackers send is in t/sigv4-hostile.t.

use strict;
use warnings;

use lib 't/lib';
use SchemeLinks;
use Test::Nginx::Socket 'no_plan';
use Verdicts <<'_EOC_';
    secure_link_hmac_scheme sigv4;
    secure_link_hmac_keys aws;
    add_header X-Says "[$secure_link_hmac_key_id][$secure_link_hmac_expires_at]" always;
    add_header X-Args "[$secure_link_hmac_args]" always;
_EOC_

# AWS's published example.
our $example = '/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z'
    . '&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404';
our $example_host = 'examplebucket.s3.amazonaws.com';
is sigv4('/test.txt', host => $example_host, time => 1369353600, expires => 86400), $example, 'what signs here makes the published example';

our $other_secret = 'another-secret-of-another-account-000000';

add_block_preprocessor(sub {
    my ($block) = @_;
    my @hex = map { 'hex:' . unpack 'H*', $_ } sigv4_secret, $other_secret;
    my $then = $now - 7200;
    my @keys = ("AKIAIOSFODNN7EXAMPLE $hex[0];", "OTHER $hex[1];", "OLD $hex[1] revoked;", "DATED $hex[1] issued_after=$then;");
    $block->set_value(http_config => "secure_link_hmac_keyring aws { @keys }")
        unless defined $block->http_config;
});

# [verdict, a link for that object, headers].
sub link_to { my ($verdict, $key, %options) = @_; my $method = $options{method} || 'GET'; return [$verdict, "$method " . sigv4($key, %options),
    delete $options{more}] }

# The same for /b/k.
sub of { my ($verdict, %options) = @_; return link_to($verdict, '/b/k', %options) }

# A function for `sent` that puts these behind.
sub and_also { my @more = @_; return sub { (@_, @more) } }

no_long_string();
run_tests();

__DATA__

=== the published example was good for a day, for that host, path and method
--- policy
secure_link_hmac_scheme sigv4;
secure_link_hmac_keys aws;
secure_link_hmac_leeway 9000d;
add_header X-Says "[$secure_link_hmac_key_id][$secure_link_hmac_expires_at]" always;
add_header X-Args "[$secure_link_hmac_args]" always;
--- config
location /late/ { secure_link_hmac_leeway 0; empty_gif; }
--- cases eval
my $host = "Host: $::example_host";
["granted\nX-Says: [AKIAIOSFODNN7EXAMPLE][1369440000]\nX-Args: []", $::example, $host], ["forged\nX-Says: [][]", $::example],
['forged', "HEAD $::example", $host], ['forged', $::example =~ s/test/tesu/r, $host], ['forged', "$::example&x=1", $host],
["expired\nX-Says: [AKIAIOSFODNN7EXAMPLE][1369440000]", sigv4('/late/test.txt', host => $::example_host, time => 1369353600, expires => 86400), $host]



=== the method is signed
--- config
location /w/ { secure_link_hmac_methods GET PUT POST DELETE; empty_gif; }
--- cases eval
(map { my $signed = $_; map { ["GET HEAD" =~ /$signed/ && $signed eq $_ ? 'granted' : $signed eq $_ ? 'out_of_scope' : 'forged',
    "$_ " . sigv4('/b/k', method => $signed)] } qw(GET HEAD PUT POST DELETE) } qw(GET HEAD PUT POST DELETE)),
['405 granted', 'PUT ' . sigv4('/w/k', method => 'PUT')], ['forged', 'PUT ' . sigv4('/w/k')], ['forged', 'POST ' . sigv4('/w/k', method => 'PUT')],
['out_of_scope', 'HEAD ' . sigv4('/w/k', method => 'HEAD')], ['forged', sigv4('/b/k', method => 'get')]



=== keys are made of any bytes
--- cases eval
my @names = ('k', 'a b', 'a+b', 'a%b', '%', '100%25', '%2F', '~', "'", '"', '!', '*', '(a)', 'a;b', 'a&b', 'a=b', 'a,b', 'a:b', 'a@b', '$a', '?',
    'what?x=1', '#', '\\', '[a]', '{a}', '|', '^', '`', '<a>', "\xc3\xa4\xc3\x9f", "\xf0\x9f\x98\x80",
    "\xe4\xff", "a\tb", "a\nb", "\x01", "\x7f", '.hidden', 'a..b', '...', 'a.', 'a/b/c/d/e/f/g', 'k/', 'x' x 200, '-_.~', 'AZ az 09');
map { ::link_to('granted', "/b/$_") } @names



=== the path may be written in other ways, as long as it is that
--- cases eval
(map { ::link_to('granted', undef, target => $_) } '/b/a!b', "/b/'a'", '/b/(a)*', '/b/a@b:c,d;e=f$g&h', '/b/%61', '/%62/a', '/b/%c3%a4',
    "/b/\xc3\xa4", '/b/a+b', '/b/a%2bb', '/b%2Fa', '/b/%7Ea'),
['granted', 'GET http://localhost' . sigv4('/b/k') . ' HTTP/1.1'], ['granted', 'GET HTTP://localhost' . sigv4('/b/k') . ' HTTP/1.1'],
(map { my ($signed, $sent) = @$_; ['forged', sigv4($signed) =~ s/^[^?]*/$sent/r] } ['/b/a', '/b/b'], ['/b/a b', '/b/a+b'], ['/b/a+b', '/b/a%20b'],
    ['/b/a%b', '/b/a%2525b'], ['/b/A', '/b/a'], ['/b/a', '/b/a/'], ['/b/a', '/b/'], ['/b/a', '/b'], ['/b/a', '/a'], ['/b/a', '/'],
    ['/b/%61', '/b/%61'])



=== arguments are signed, in any order and writing
--- cases eval
my @args = (b => 2, a => 1, 'a-b' => 3, 'A' => 4, "\xc3\xa4" => "\xc3\xb6", 'a b' => 'c d', 'c+d' => 'e+f', '%41' => '%42', empty => '', q => 'a=b&c',
    s => '/:?#[]@!$&\'()*+,;=~-_.', 'response-content-disposition' => 'attachment; filename="a b.txt"');
my $reversed = sub { CORE::reverse @_ };
my $or = sub { my ($from, $to) = @_; return sub { map { s/\Q$from\E/$to/gr } @_ } };
::of('granted', args => \@args), ::of('granted', args => \@args, sent => $reversed), ::of('granted', args => \@args, sent => sub { sort @_ }),
::of('granted', sent => $reversed),
(map { my ($value, $from, $to) = @$_; ::of('granted', args => [a => $value], sent => $or->($from, $to)) } ['b c', '%20', '+'], ['b~c', '~', '%7E'],
    ['b/c', 'b%2Fc', 'b/c'], ['b/c', '%2F', '%2f'], ['xyz', 'xyz', '%78y%7A'], ['b=c', 'b%3Dc', 'b=c'], ["\xc3\xa4", '%C3%A4', "\xc3\xa4"],
    ['', 'a=', 'a']),
::of('granted', args => [a => 1, a => 2]), ::of('granted', args => [a => 2, a => 1]), ::of('granted', args => [a => 1, a => 2], sent => $reversed),
::of('granted', args => [a => 1, a => 1, a => '', a => '']), ::of('granted', args => [a => 10, a => 2, a => 'B', a => 'b', a => '%']),
::of('granted', args => ['' => '']), ::of('granted', args => ['' => ''], sent => sub { map { $_ eq '=' ? '' : $_ } @_ }),
::of('granted', args => ['' => 'x']), ::of('granted', args => [map { ($_ => "v$_") } 1 .. 100]), ::of('granted', args => [x => 'y' x 2000]),
::of('granted', sent => sub { ('X-Amz-Signature=' . (map { /Signature=(.*)/ } @_)[0], grep { !/Signature=/ } @_) }),
(map { my $sent = $_; ::of('forged', args => [a => 1, a => 2, b => 'x y'], sent => $sent) } ::and_also('c=1'), ::and_also('a=1'), ::and_also(''),
    ::and_also('='), ::and_also('c'), ::and_also('a=3'), sub { grep { !/^b=/ } @_ }, sub { grep { !/^a=2/ } @_ }, $or->('x%20y', 'xy'),
    $or->('x%20y', 'x%2By'), $or->('x%20y', 'x%2520y'), $or->('b=', 'B='), $or->('a=1', 'a=2'), $or->('a=1', 'A=1'), $or->('b=x', 'b=x&='),
    $or->('b=x', 'b==x'), $or->('b=x', '&b=x')),
(map { ::of('malformed', sent => ::and_also($_)) } 'a=%', 'a=%4', 'a=%zz', 'a=%4g', '%=1', 'a%=1', '%g1=1', 'a=b%2', 'a=%u0041')



=== links end after their seconds, and may begin a quarter of an hour ahead
--- config
location /leeway/ { secure_link_hmac_leeway 10m; empty_gif; }
location /none/ { secure_link_hmac_leeway 1s; empty_gif; }
location /cap/ { secure_link_hmac_max_lifetime 1h; empty_gif; }
--- cases eval
sub {
    my $now = time();
    my $case = sub { my ($verdict, $where, $time, $expires) = @_; return ::link_to($verdict, "/$where/k", time => $now + $time,
        expires => $expires) };
    ::of("granted\nX-Says: [AKIAIOSFODNN7EXAMPLE][@{[$now + 3600 - 10]}]", time => $now - 10),
    ::of("expired\nX-Says: [AKIAIOSFODNN7EXAMPLE][@{[$now - 10]}]", time => $now - 3610), $case->('granted', 'b', 0, 60),
    $case->('granted', 'b', 0, 604800), $case->('granted', 'b', -604000, 604800),
    $case->('expired', 'b', -604802, 604800), $case->('expired', 'b', -61, 60), $case->('expired', 'b', -2, 1), $case->('granted', 'b', 840, 60),
    $case->('early', 'b', 960, 60), $case->('early', 'b', 86400 * 365, 604800), $case->('expired', 'b', -86400 * 365 * 10, 604800),
    $case->('granted', 'leeway', 600, 60), $case->('early', 'leeway', 660, 60), $case->('granted', 'leeway', -600, 60),
    $case->('expired', 'leeway', -700, 60), $case->('early', 'none', 60, 600), $case->('granted', 'none', 0, 600),
    $case->('expired', 'none', -70, 60),
    $case->('granted', 'cap', -10, 3600), $case->('expired', 'cap', -10, 3601), $case->('expired', 'cap', -10, 604800),
    $case->('granted', 'cap', 600, 3600);
}



=== more headers than the host may be signed
--- cases eval
my $case = sub { my ($verdict, $more, @headers) = @_; return ::of($verdict, headers => \@headers, more => $more) };
$case->('granted', 'X-A: b', 'x-a' => 'b'), $case->('granted', "X-A: b\nX-B: c", 'x-a' => 'b', 'x-b' => 'c'),
$case->('granted', "X-B: c\nX-A: b", 'x-b' => 'c', 'x-a' => 'b'), $case->('granted', 'x-A:b', 'x-a' => 'b'),
$case->('granted', 'X-A:   b    c   ', 'x-a' => 'b c'),
$case->('granted', "X-A: b\nX-A: c", 'x-a' => 'b', 'x-a' => 'c'),
$case->('granted', "X-A: c\nX-B: x\nx-a: b", 'x-a' => 'c', 'x-b' => 'x', 'x-a' => 'b'), $case->('granted', 'X-A:', 'x-a' => ''),
$case->('granted', "X-A: b, c", 'x-a' => 'b, c'), $case->('granted', 'X-A: "b  c"', 'x-a' => '"b c"'),
$case->('granted', 'Accept: */*', accept => '*/*'), $case->('granted', (map { CORE::join "\n", map { "X-$_: $_" } 10 .. 24 } 1),
    map { ("x-$_" => $_) } 10 .. 24),
$case->('forged', 'X-A: c', 'x-a' => 'b'), $case->('forged', '', 'x-a' => 'b'), $case->('forged', '', 'x-a' => ''),
$case->('forged', "X-A: b\nX-A: c", 'x-a' => 'b'), $case->('forged', "X-A: c\nX-A: b", 'x-a' => 'b', 'x-a' => 'c'),
$case->('forged', 'X-A: B', 'x-a' => 'b'), $case->('forged', 'X-B: b', 'x-a' => 'b'),
$case->('granted', 'X-A: not signed'), $case->('forged', "X-A: b,c", 'x-a' => 'b, c')



=== the host is signed, with its port, but for the default one
--- cases eval
my $case = sub { my ($verdict, $signed, $sent) = @_; return ::of($verdict, host => $signed, more => "Host: $sent") };
(map { $case->('granted', $_, $_) } 'localhost', 'media.example', 'media.example:8080', 'localhost:80', 'localhost:443', 'LOCALHOST', 'Media.Example',
    'localhost.', 'media.example.:8080', '127.0.0.1', '127.0.0.1:9000', '[::1]', '[::1]:8080', 'a_b.example'),
$case->('granted', 'localhost', 'localhost:80'), $case->('granted', 'LOCALHOST', 'LOCALHOST:80'), $case->('granted', '127.0.0.1', '127.0.0.1:80'),
$case->('granted', '[::1]', '[::1]:80'),
$case->('forged', 'localhost', 'localhost:443'), $case->('forged', 'localhost', 'localhost:8080'), $case->('forged', 'localhost:80', 'localhost'),
$case->('forged', 'localhost', 'LOCALHOST'), $case->('forged', 'localhost', 'localhost.'), $case->('forged', 'localhost', 'other'),
$case->('forged', 'localhost', 'localhost:080'), $case->('forged', 'media.example:8080', 'media.example')



=== region and service may be prescribed
--- config
location /eu/ { secure_link_hmac_scheme sigv4 region=eu-west-1; empty_gif; }
location /storage/ { secure_link_hmac_scheme sigv4 service=storage; empty_gif; }
location /both/ { secure_link_hmac_scheme sigv4 service=s3 region=auto; empty_gif; }
--- cases eval
my $case = sub { my ($verdict, $where, $region, $service) = @_; return ::link_to($verdict, "/$where/k", region => $region, service => $service) };
(map { $case->('granted', 'b', @$_) } ['us-east-1', 's3'], ['eu-west-1', 's3'], ['auto', 's3'], ['mars', 'storage']),
$case->('granted', 'eu', 'eu-west-1', 's3'), $case->('granted', 'eu', 'eu-west-1', 'other'),
(map { $case->('out_of_scope', 'eu', $_, 's3') } 'eu-west-2', 'EU-WEST-1', 'us-east-1', 'eu-west-1a'),
$case->('granted', 'storage', 'x', 'storage'), $case->('out_of_scope', 'storage', 'x', 's3'), $case->('granted', 'both', 'auto', 's3'),
$case->('out_of_scope', 'both', 'auto', 'storage'), $case->('out_of_scope', 'both', 'us-east-1', 's3'),
# They are part of the key as well.
['forged', sigv4('/eu/k', region => 'us-east-1') =~ s/us-east-1/eu-west-1/r]



=== the access key id is the id of the key
--- policy
secure_link_hmac_scheme sigv4;
secure_link_hmac_keys aws;
add_header X-Says "[$secure_link_hmac_key_id]" always;
--- config
location /one/ { secure_link_hmac_keys aws OTHER; empty_gif; }
location /named/ { secure_link_hmac_keys aws $arg_k; empty_gif; }
--- cases eval
my $case = sub { my ($verdict, $where, $id, %options) = @_; my $shown = $verdict =~ /granted|revoked/ ? $id : '';
    return ::link_to("$verdict\nX-Says: [$shown]", "/$where/k", id => $id, secret => $id =~ /^AKIA/ ? undef : $::other_secret, %options) };
my $aws = 'AKIAIOSFODNN7EXAMPLE';
$case->('granted', 'b', $aws), $case->('granted', 'b', 'OTHER'), $case->('forged', 'b', $aws, secret => $::other_secret),
$case->('forged', 'b', 'OTHER', secret => sigv4_secret), (map { $case->('unknown_key', 'b', $_) } 'OLD', 'NOBODY', 'other', 'x' x 64, '*', '.', '..',
    '$OTHER', ' OTHER'),
$case->('granted', 'one', 'OTHER'), $case->('unknown_key', 'one', $aws), $case->('unknown_key', 'one', 'NOBODY'),
$case->('granted', 'named', 'OTHER', args => [k => 'OTHER']), $case->('unknown_key', 'named', 'OTHER', args => [k => $aws]),
$case->('unknown_key', 'named', $aws, args => [k => 'OTHER']),
$case->('unknown_key', 'named', 'OTHER'), $case->('unknown_key', 'named', 'OTHER', args => [k => '']),
$case->('unknown_key', 'named', 'OLD', args => [k => 'OLD']), $case->('malformed', 'named', 'OTHER', args => [k => 'OTHER', k => 'OTHER']),
$case->('granted', 'b', 'DATED'), $case->('granted', 'b', 'DATED', time => $now - 7000, expires => 86400),
$case->('revoked', 'b', 'DATED', time => $now - 7300, expires => 86400), $case->('revoked', 'b', 'DATED', time => $now - 86400, expires => 1)



=== with plain secrets any id will do
--- policy
secure_link_hmac_scheme sigv4;
secure_link_hmac_secret wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY;
secure_link_hmac_secret another-secret-of-another-account-000000;
add_header X-Says "[$secure_link_hmac_key_id]" always;
--- cases eval
(map { my $id = $_; map { ::of("granted\nX-Says: []", id => $id, secret => $_) } sigv4_secret, $::other_secret } 'AKIAIOSFODNN7EXAMPLE', 'x',
    'x' x 64), ::of('forged', secret => 'a third secret that nobody has set up'), ::of('forged', secret => sigv4_secret . 'x')



=== a day's key is the day's, the region's and the account's
--- cases eval
my @all = map { my $days = $_; map { my $region = $_; map { [id => $_, secret => $_ eq 'OTHER' ? $::other_secret : sigv4_secret, region => $region,
    time => $now - 86400 * $days - 60, expires => 604800] } 'OTHER', 'AKIAIOSFODNN7EXAMPLE' } 'a', 'b', 'c' } 0 .. 5;
(map { my @options = @$_; (::of('granted', @options), ::of('granted', @options),
    ::of('forged', @options, signature => sub { $_[0] =~ tr/0-9a-f/1-9a-f0/r }), ::of('forged', @options, secret => 'x' x 40)) } @all,
    CORE::reverse @all)



=== what the arguments are without the scheme's own
--- cases eval
["missing\nX-Args: [a=1&b&c=%20]", '/b/k?a=1&b&c=%20'], ["missing\nX-Args: [a=1]", '/b/k?x-id=GetObject&a=1'],
::of("granted\nX-Args: []"), ::of("granted\nX-Args: [a=1]", args => [a => 1]),
::of("granted\nX-Args: [b=2&a=1&c=]", args => [b => 2, 'x-id' => 'GetObject', a => 1, 'x-amz-checksum-mode' => 'ENABLED', c => '']),
::of("granted\nX-Args: [a=1]", args => [a => 1, 'X-Id' => 'GetObject']),
::of("granted\nX-Args: [x-ida=1&xx-amz-a=2&x-am=3]", args => ['x-ida' => 1, 'xx-amz-a' => 2, 'x-am' => 3]),
::of("granted\nX-Args: [response-content-type=text%2Fplain]", args => ['response-content-type' => 'text/plain', 'x-amz-x' => 1]),
::of("granted\nX-Args: [a=b+c]", args => [a => 'b c'], sent => sub { map { s/%20/+/r } @_ })
