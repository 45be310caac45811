# Input without measure: long, binary, repeated. There is a verdict, never a crash or a grant, and
# nothing loud in the log.

use strict;
use warnings;

use lib 't/lib';
use SecureLink;
use Test::Nginx::Socket 'no_plan';

our $ts = time() - 100;

# nginx has to take in a request of this size first.
our $buffers = "large_client_header_buffers 4 9m; client_header_buffer_size 4k;";
our $policy = <<'_EOC_';
    secure_link_hmac "$arg_st,$arg_ts,$arg_e";
    secure_link_hmac_message "$uri|$arg_ts|$arg_e";
    secure_link_hmac_secret 0123456789abcdef0123456789abcdef;
_EOC_
our $show = 'return 200 "$secure_link_hmac $secure_link_hmac_status\n";';
our $serve = 'secure_link_hmac_enforce on; add_header X-Verdict $secure_link_hmac_status always; empty_gif;';

our ($long, $huge) = (4096, 8 << 20);

# A link whose token, time and lifetime with their two commas have the given length.
sub link_of_length {
    my ($path, $length) = @_;
    my $digits = $length - 43 - length ',' . ',3600';
    return SecureLink::link($path, ts => sprintf("%0${digits}d", $ts), e => 3600);
}

# A link whose only field is a token.
sub bare { my ($token) = @_; return "/token?st=$token" }

# What a client may write for the arguments of a link, each time with one too many.
our ($st, $e) = (token("/show|$ts|3600"), 3600);
our @repeated = (
    "st=$st&ts=$ts&e=$e&st=$st", "st=$st&st=x&ts=$ts&e=$e", "st=x&st=$st&ts=$ts&e=$e", "st=$st&ts=$ts&e=$e&ST=$st", "St=$st&ts=$ts&e=$e&sT=",
    "st=$st&ts=$ts&e=$e&st", "st&st=$st&ts=$ts&e=$e", "st=&st=$st&ts=$ts&e=$e", "st=$st&ts=$ts&e=$e&st=", "st=$st&&&ts=$ts&e=$e&st",
    "st=$st&ts=$ts&e=$e&ts=$ts", "st=$st&ts=$ts&e=$e&TS=1", "ts=1&st=$st&ts=$ts&e=$e", "st=$st&ts=$ts&e=$e&ts",
    "st=$st&ts=$ts&e=$e&e=9999999999", "E=9999999999&st=$st&ts=$ts&e=$e", "st=$st&ts=$ts&e=$e&e",
);
our @single = (
    "st=$st&ts=$ts&e=$e", "ST=$st&Ts=$ts&E=$e", "e=$e&st=$st&ts=$ts", "x=1&st=$st&x=2&ts=$ts&x&e=$e", "st=$st&ts=$ts&e=$e&&&",
    "st=$st&ts=$ts&e=$e&st2=x&2st=x&ste&xe=&ts%20=1", "st=$st&ts=$ts&e=$e&s%74=x", "st=$st&ts=$ts&e=$e&x=st=y", "st=$st&ts=$ts&e=$e&=st",
);

our @binary = (
    '%00', '%', '%%', '%zz', '%u0041', "\xff", "\xc3\xa4", "\xed\xa0\x80", "\xf0\x9f\x94\x91", '%FF%FE', '..%2f', '%0d%0aX:%20y', '$secret',
    '${uri}', '%s%n%d', '<script>', '"quoted"', '\\', "'", '`id`', '{{7*7}}', ';', '|', '~', '[]', '()',
);

run_tests();

__DATA__

=== TEST 1: a credential has at most 4096 bytes
--- config eval
"$::policy
location /show { $::show }
location /serve { $::serve }"
--- request eval
[map { my $path = $_; map { 'GET ' . ::link_of_length($path, $_) } 4095, 4096, 4097, 5000 } '/show', '/serve']
--- error_code eval
[(200) x 4, 200, 200, 403, 403]
--- response_body_like eval
[('^1 granted$') x 2, ('^ malformed$') x 2, ('GIF89a') x 2, ('403 Forbidden') x 2]
--- no_error_log
[error]



=== TEST 2: the bound is for all that the value is made of
--- config
secure_link_hmac "$arg_st,$arg_ts";
secure_link_hmac_message "$uri|$arg_ts";
secure_link_hmac_secret 0123456789abcdef0123456789abcdef;
location /show { return 200 "$secure_link_hmac $secure_link_hmac_status\n"; }
location /cookie {
    secure_link_hmac "$cookie_st,$cookie_ts";
    secure_link_hmac_message "$uri|$cookie_ts";
    return 200 "$secure_link_hmac $secure_link_hmac_status\n";
}
--- request eval
my $digits = 4096 - 43 - 1;
my ($ok, $long) = (sprintf("%0${digits}d", $::ts), sprintf("%0@{[$digits + 1]}d", $::ts));
[(map { 'GET ' . link('/show', ts => $_, e => undef, message => "/show|$_") } $ok, $long), ('GET /cookie') x 2]
--- more_headers eval
my $digits = 4096 - 43 - 1;
['X: y', 'X: y', map { my $time = sprintf "%0${_}d", $::ts; "Cookie: st=" . token("/cookie|$time") . "; ts=$time" } $digits, $digits + 1]
--- response_body eval
[("1 granted\n", " malformed\n") x 2]



=== TEST 3: tokens of 4 KiB and of 8 MiB
--- http_config eval: $::buffers
--- config eval
'secure_link_hmac $arg_st;
secure_link_hmac_message $uri;
secure_link_hmac_secret 0123456789abcdef0123456789abcdef;' . "
location /token { $::show }
location /hex { secure_link_hmac_encoding hex; $::show }
location /serve { $::serve }"
--- request eval
[map { my $length = $_; map { "GET $_" } "/token?st=" . 'A' x $length, '/token?st=' . '=' x $length, '/token?st=' . '%2F' x ($length / 4), '/hex?st=' . 'a' x $length,
    '/token?st=' . token('/token') . '=' x $length, '/serve?st=' . 'A' x $length } $::long, $::huge]
--- error_code eval
[((200) x 5, 403) x 2]
--- response_body_like eval
[(('^ malformed$') x 5, '403 Forbidden') x 2]
--- no_error_log
[error]
[warn]
--- timeout: 20



=== TEST 4: times and lifetimes of 4 KiB and of 8 MiB
--- http_config eval: $::buffers
--- config eval
"$::policy
location /show { $::show }
location /serve { $::serve }"
--- request eval
[map { my $length = $_; map { my $path = $_; map { 'GET ' . link($path, %$_) } {ts => '1' x $length}, {ts => '0' x $length}, {e => '9' x $length}, {e => '0' x $length} }
    '/show', '/serve' } $::long, $::huge]
--- error_code eval
[((200) x 4, (403) x 4) x 2]
--- response_body_like eval
[(('^ malformed$') x 4, ('403 Forbidden') x 4) x 2]
--- no_error_log
[error]
[warn]
--- timeout: 20



=== TEST 5: a message may be of 8 MiB, and what is signed is all of it
--- http_config eval: $::buffers
--- config eval
'secure_link_hmac $http_x_token;
secure_link_hmac_message $uri&$arg_a;
secure_link_hmac_secret 0123456789abcdef0123456789abcdef;' . "
location /show { $::show }
location /serve { $::serve }"
--- request eval
[map { ("GET $_/" . 'b' x $::huge, "GET $_?a=" . 'c' x $::huge, "GET $_/" . 'b' x ($::huge - 1) . 'd') } '/show', '/serve']
--- more_headers eval
[map { ('X-Token: ' . token("$_/" . 'b' x $::huge . '&'), 'X-Token: ' . token("$_&" . 'c' x $::huge), 'X-Token: ' . token("$_/" . 'b' x $::huge . '&')) } '/show', '/serve']
--- error_code eval
[(200) x 3, 200, 200, 403]
--- response_body_like eval
['^1 granted$', '^1 granted$', '^ forged$', 'GIF89a', 'GIF89a', '403 Forbidden']
--- no_error_log
[error]
[warn]
--- timeout: 20



=== TEST 6: a denial takes one line of bounded length
--- http_config eval: $::buffers
--- config eval
'secure_link_hmac $http_x_token;
secure_link_hmac_message $uri&$arg_a;
secure_link_hmac_secret 0123456789abcdef0123456789abcdef;' . "
location /serve { $::serve }"
--- request eval
["GET /serve/" . 'b' x $::huge, "GET /serve/" . '%01' x 5000, "GET /serve/" . "\xff" x 5000, "GET /serve/" . '%22' x 5000]
--- more_headers eval
'X-Token: ' . 'A' x 43
--- error_code eval
[(403) x 4]
--- log_level: info
--- error_log eval
qr/\[info\].*secure_link_hmac: denied: verdict=forged key="" message="\/serve\//
--- no_error_log eval
# What follows the comma is nginx's own, and shows the request line as it came.
[qr/secure_link_hmac: denied[^,]{1001}/, qr/\[(?:warn|error|crit|alert|emerg)\]/, qr/message="[^,]*[^\x20-\x7e,]/]
--- timeout: 20



=== TEST 7: cookies and headers of 8 MiB
--- http_config eval: $::buffers
--- config eval
'secure_link_hmac $arg_st $cookie_t $http_x_token;
secure_link_hmac_message $uri;
secure_link_hmac_secret 0123456789abcdef0123456789abcdef;' . "
location /show { $::show }
location /serve { $::serve }"
--- request eval
['GET /show', 'GET /show', 'GET /serve', 'GET /serve', 'GET /serve?st=' . token('/serve')]
--- more_headers eval
['Cookie: t=' . 'A' x $::huge, 'X-Token: ' . 'A' x $::huge, 'Cookie: t=' . 'A' x $::huge, 'X-Token: ' . 'A' x $::huge, 'Cookie: t=' . 'A' x $::huge]
--- error_code eval
[200, 200, 403, 403, 200]
--- response_body_like eval
['^ malformed$', '^ malformed$', '403 Forbidden', '403 Forbidden', 'GIF89a']
--- no_error_log
[error]
[warn]
--- timeout: 20



=== TEST 8: a secret of variables of 8 MiB is no secret
--- http_config eval: "$::buffers map \$http_x_secret \$secret { default \$http_x_secret; }"
--- config eval
'secure_link_hmac $arg_st;
secure_link_hmac_message $uri;
secure_link_hmac_secret $secret;' . "
location /show { $::show }
location /serve { $::serve }"
--- request eval
[map { my $path = $_; map { "GET $path?st=" . token($path, secret => 'k' x $_) } 4096, $::huge } '/show', '/serve']
--- more_headers eval
[(map { 'X-Secret: ' . 'k' x $_ } 4096, $::huge) x 2]
--- error_code eval
[200, 200, 200, 403]
--- response_body_like eval
['^1 granted$', '^ unknown_key$', 'GIF89a', '403 Forbidden']
--- no_error_log
[error]
--- timeout: 20



=== TEST 9: an argument of the link that occurs twice is malformed, in every spelling
--- config eval
"$::policy
location /show { $::show }"
--- request eval
[map { "GET /show?$_" } @::repeated]
--- response_body eval
[(" malformed\n") x @::repeated]
--- no_error_log
[error]



=== TEST 10: other arguments may be as they like
--- config eval
"$::policy
location /show { $::show }"
--- request eval
[map { "GET /show?$_" } @::single]
--- response_body eval
[("1 granted\n") x @::single]
--- no_error_log
[error]



=== TEST 11: the same where the check is enforced, and for an argument of the message only
--- config
secure_link_hmac $arg_st;
secure_link_hmac_message $uri&$arg_user;
secure_link_hmac_secret 0123456789abcdef0123456789abcdef;
location /serve { secure_link_hmac_enforce on; add_header X-Verdict $secure_link_hmac_status always; empty_gif; }
--- request eval
my $st = token('/serve&acme');
[map { "GET /serve?$_" } "st=$st&user=acme", "st=$st&USER=acme&x=1&x=2", "st=$st&user=acme&user=globex", "st=$st&user=globex&user=acme", "st=$st&user=acme&User=acme",
    "st=$st&user=acme&user", "user&st=$st&user=acme", "st=$st&st=$st&user=acme"]
--- error_code eval
[200, 200, (403) x 6]
--- response_headers eval
[('X-Verdict: granted') x 2, ('X-Verdict: malformed') x 6]
--- no_error_log
[error]
[warn]



=== TEST 12: an argument is malformed twice even where a cookie brings the credential
--- config
secure_link_hmac $arg_t $cookie_t;
secure_link_hmac_message $uri;
secure_link_hmac_secret 0123456789abcdef0123456789abcdef;
location /show { return 200 "$secure_link_hmac $secure_link_hmac_status\n"; }
--- request eval
['GET /show', 'GET /show?t=&x=1', 'GET /show?t=&t=', 'GET /show?t=&T=x']
--- more_headers eval
'Cookie: t=' . token('/show')
--- response_body eval
["1 granted\n", "1 granted\n", " malformed\n", " malformed\n"]



=== TEST 13: bytes of every kind in the token
--- config eval
"$::policy
location /show { $::show }
location /serve { $::serve }"
--- request eval
[map { my $bytes = $_; map { my $path = $_; map { "GET $path?st=$_&ts=$::ts&e=3600" } $bytes, token("$path|$::ts|3600") . $bytes } '/show', '/serve' } @::binary]
--- error_code eval
[(200, 200, 403, 403) x @::binary]
--- response_body_like eval
[('^ malformed$', '^ malformed$', '403 Forbidden', '403 Forbidden') x @::binary]
--- no_error_log eval
[qr/\[(?:warn|error|crit|alert|emerg)\]/]



=== TEST 14: bytes of every kind in the time and the lifetime
--- config eval
"$::policy
location /show { $::show }"
--- request eval
[map { my $bytes = $_; map { 'GET ' . link('/show', %$_) } {ts => $bytes}, {ts => "$::ts$bytes"}, {e => $bytes}, {e => "3600$bytes"} } @::binary]
--- response_body eval
[(" malformed\n") x (4 * @::binary)]



=== TEST 15: bytes of every kind in the message are signed as nginx has them
--- config
secure_link_hmac $arg_st;
secure_link_hmac_message $uri&$arg_a;
secure_link_hmac_secret 0123456789abcdef0123456789abcdef;
location /show { return 200 "$secure_link_hmac $secure_link_hmac_status\n"; }
--- request eval
[(map { "GET /show?a=$_&st=" . token("/show&$_") } @::binary),
 (map { "GET /show/$_->[0]?st=" . token("/show/$_->[1]&") } ["\xff\xc3\xa4", "\xff\xc3\xa4"], ['%ff%C3%a4', "\xff\xc3\xa4"], ['%0a%01', "\n\x01"], ['a//b/./c/../d', 'a/b/d'],
     ['%2525', '%25'], ['a%2Fb', 'a/b'], ['a%3Fb', 'a?b'], ['a+b', 'a+b'])]
--- response_body eval
[("1 granted\n") x (@::binary + 8)]
--- no_error_log
[error]



=== TEST 16: a NUL in the path is for nginx to refuse
--- config eval
"$::policy
location /show { $::show }"
--- raw_request eval
["GET /show%00?st=x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"]
--- error_code: 400
--- no_error_log
[error]
[crit]



=== TEST 17: and so is one in the arguments
--- config eval
"$::policy
location /show { $::show }"
--- raw_request eval
["GET /show?st=\0&ts=1&e=2 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"]
--- error_code: 400
--- no_error_log
[crit]



=== TEST 18: an HTTP/1.0 request without a host is checked as any other
--- config eval
"$::policy
location /show { $::show }"
--- raw_request eval
["GET /show?" . link_args('/show') . " HTTP/1.0\r\n\r\n"]
--- response_body
1 granted
--- no_error_log
[error]



=== TEST 19: and so is one of HTTP/0.9
--- config eval
"$::policy
location /show { $::show }"
--- raw_request eval
["GET /show?" . link_args('/show') . "\r\n"]
--- http09
--- response_body
1 granted
--- no_error_log
[error]



=== TEST 20: a hundred thousand arguments
--- http_config eval: $::buffers
--- config eval
"$::policy
location /show { $::show }
location /args { return 200 \$secure_link_hmac_args; }"
--- request eval
['GET ' . link('/show', args => CORE::join '&', map { "a$_=$_" } 1 .. 100000), 'GET ' . link('/show', args => '&' x 1000000), 'GET ' . link('/show', args => 'st' . '&' x 1000000),
 'GET ' . link('/args', args => 'a&' x 1000000)]
--- response_body eval
["1 granted\n", "1 granted\n", " malformed\n", 'a&' x 1000000]
--- no_error_log
[error]
--- timeout: 20
