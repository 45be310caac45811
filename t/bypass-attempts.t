# Ways round the check by what a link says, each of them tried.

use strict;
use warnings;

use lib 't/lib';
use Test::Nginx::Socket 'no_plan';
use SecureLink;
use LinkedFiles <<'_END_';
>>> files/secret.txt
the secret
>>> internal/files/secret.txt
the secret, handed over
_END_

run_tests();

__DATA__

=== a verdict read in "if" is not that of the URI which a rewrite makes
--- config
secure_link_hmac_enforce on;
location /open/ {
    if ($secure_link_hmac_status = granted) { set $good 1; }
    rewrite ^/open/(.*)$ /files/$1 last;
}
location /files/ {
    secure_link_hmac_pass /internal$uri;
    add_header X-Good "$good" always;
}
location /internal/ { internal; }
--- request eval
"GET " . link('/open/secret.txt')
--- error_code: 403
--- response_headers
X-Good: 1
--- denials
denied: verdict=forged



=== nor is one read in the server's "if"
--- config
secure_link_hmac_enforce on;
if ($secure_link_hmac = 1) { set $good 1; }
rewrite ^/open/(.*)$ /files/$1;
--- request eval
"GET " . link('/open/secret.txt')
--- error_code: 403
--- response_headers
X-Verdict: forged



=== nor is one that several rewrites read on their way
--- config
secure_link_hmac_enforce on;
location /a/ {
    if ($secure_link_hmac = 1) { rewrite ^/a/(.*)$ /b/$1 last; }
}
location /b/ {
    set $verdict $secure_link_hmac_status;
    rewrite ^/b/(.*)$ /files/$1 last;
}
--- request eval
["GET " . link('/a/secret.txt'), "GET /a/secret.txt?" . link_args('/b/secret.txt')]
--- error_code eval
[403, 403]
--- response_headers eval
["X-Verdict: forged", "X-Verdict: forged"]



=== nor is one read before a rewrite changes the arguments
--- config
location /files/ {
    secure_link_hmac_enforce on;
    set $early $secure_link_hmac_status;
    rewrite ^(.*)$ $1?st=x&ts=1&e=2? break;
}
--- request eval
"GET " . link('/files/secret.txt')
--- error_code: 403
--- response_headers
X-Verdict: malformed



=== nor is one read before "set $args"
--- config
location /files/ {
    secure_link_hmac_enforce on;
    set $early $secure_link_hmac_status;
    set $args "st=x&ts=1&e=2";
}
--- request eval
"GET " . link('/files/secret.txt')
--- error_code: 403
--- response_headers
X-Verdict: malformed



=== a configuration that sets the variables grants nothing
--- config
location /files/ {
    set $secure_link_hmac_status granted;
    set $secure_link_hmac 1;
    secure_link_hmac_enforce on;
}
--- request
GET /files/secret.txt
--- error_code: 403
--- denials
denied: verdict=missing



=== commas in an argument make no time and no lifetime
--- config
location /files/ { secure_link_hmac_enforce on; }
--- request eval
[
    do { my ($st, $ts, $e) = link('/files/secret.txt') =~ /st=(.*)&ts=(.*)&e=(.*)/; "GET /files/secret.txt?st=$st,$ts,$e" },
    do { my $st = token('/files/secret.txt||'); "GET /files/secret.txt?st=$st," . (time() - 10) . ",3600" },
    do { my $st = token('/files/secret.txt||'); "GET /files/secret.txt?st=$st," . time() . ",0&ts=&e=" },
    do { my $ts = time(); my $st = token("/files/secret.txt|$ts,0|"); "GET /files/secret.txt?st=$st&ts=$ts,0&e=" },
    do { my $ts = time() - 7200; my $st = token("/files/secret.txt|$ts|3600"); "GET /files/secret.txt?st=$st,$ts,0&ts=$ts&e=3600" },
    do { my $ts = time() - 7200; my $st = token("/files/secret.txt|$ts|3600"); "GET /files/secret.txt?st=$st&ts=$ts&e=0,3600" },
]
--- error_code eval
[(403) x 6]
--- response_headers eval
[("X-Verdict: malformed") x 6]



=== where no lifetime is configured none can be brought along
--- config
location /files/ {
    secure_link_hmac $arg_st,$arg_ts;
    secure_link_hmac_message $uri|$arg_ts;
    secure_link_hmac_max_lifetime 1h;
    secure_link_hmac_enforce on;
}
--- request eval
[
    do { my $ts = time() - 10; my $st = token("/files/secret.txt|$ts"); "GET /files/secret.txt?st=$st&ts=$ts,60" },
    do { my $ts = time() - 10; my $st = token("/files/secret.txt|$ts,60"); "GET /files/secret.txt?st=$st&ts=$ts,60" },
    do { my $ts = time() - 10; my $st = token("/files/secret.txt|$ts"); "GET /files/secret.txt?st=$st,$ts,60" },
]
--- error_code eval
[(403) x 3]
--- response_headers eval
[("X-Verdict: malformed") x 3]



=== commas in a cookie make no time and no lifetime
--- config
location /files/ {
    secure_link_hmac $cookie_st;
    secure_link_hmac_message $uri;
    secure_link_hmac_enforce on;
}
--- more_headers eval
[
    "Cookie: st=" . token('/files/secret.txt') . "," . time() . ",3600",
    "Cookie: st=" . token('/files/secret.txt') . ",",
    "Cookie: st=" . token('/files/secret.txt'),
]
--- request eval
["GET /files/secret.txt", "GET /files/secret.txt", "GET /files/secret.txt"]
--- error_code eval
[403, 403, 200]



=== commas that count where nothing is enforced do not count where it is
--- http_config
    limit_conn_zone $secure_link_hmac_status zone=lenient:64k;
--- config
secure_link_hmac $arg_st;
secure_link_hmac_message $uri;
location /files/ {
    limit_conn lenient 10;
    error_page 404 = @strict;
    add_header X-Verdict "lenient $secure_link_hmac_status" always;
}
location @strict {
    secure_link_hmac_enforce on;
    root html/internal;
}
--- request eval
["GET /files/x?st=" . token('/files/x') . "," . time() . ",3600", "GET /files/secret.txt?st=" . token('/files/secret.txt') . "," . time() . ",3600"]
--- error_code eval
[403, 200]
--- response_headers eval
["X-Verdict: malformed", "X-Verdict: lenient granted"]



=== who brings no key, or one that nobody has, cannot sign with the empty secret
--- http_config
    map $arg_key $secret_of_key {
        acme    0123456789abcdef0123456789abcdef;
        globex  tooshort;
    }
--- config
location /files/ {
    secure_link_hmac_secret $secret_of_key;
    secure_link_hmac_enforce on;
}
--- request eval
[
    "GET " . link('/files/secret.txt', secret => ''),
    "GET " . link('/files/secret.txt', secret => '', args => 'key='),
    "GET " . link('/files/secret.txt', secret => '', args => 'key=nobody'),
    "GET " . link('/files/secret.txt', secret => 'tooshort', args => 'key=globex'),
    "GET " . link('/files/secret.txt', secret => "\0" x 64),
    "GET " . link('/files/secret.txt', args => 'key=globex'),
    "GET " . link('/files/secret.txt', args => 'key=acme'),
]
--- error_code eval
[(403) x 6, 200]
--- response_headers eval
[("X-Verdict: unknown_key") x 6, "X-Verdict: granted"]



=== the secret is not looked for twice: "key=acme&key=" does not sign with one and verify with another
--- http_config
    map $arg_key $secret_of_key {
        acme    0123456789abcdef0123456789abcdef;
        globex  fedcba9876543210fedcba9876543210;
    }
--- config
location /files/ {
    secure_link_hmac_secret $secret_of_key;
    secure_link_hmac_message $uri|$arg_ts|$arg_e&$arg_key;
    secure_link_hmac_enforce on;
}
--- request eval
[
    map { my ($key, $args) = @$_; my $ts = time() - 10; my $st = token("/files/secret.txt|$ts|3600&$key"); "GET /files/secret.txt?st=$st&ts=$ts&e=3600&$args" }
    ['globex', 'key=globex'], ['globex', 'key=globex&key=acme'], ['globex', 'key=acme&key=globex'], ['acme', 'key=acme&KEY=globex'], ['acme', 'key=acme']
]
--- error_code eval
[403, 403, 403, 403, 200]
--- response_headers eval
["X-Verdict: forged", "X-Verdict: malformed", "X-Verdict: malformed", "X-Verdict: malformed", "X-Verdict: granted"]



=== an argument given twice is refused, whichever is the good one
--- config
location /files/ { secure_link_hmac_enforce on; }
--- request eval
[
    map { "GET /files/secret.txt?$_" }
    (map { my $good = link_args('/files/secret.txt'); ("$good&$_", "$_&$good") }
        'st=x', 'ts=1', 'e=0', 'ST=x', 'Ts=1', 'E=0', 'st=', 'ts', 'e=', link_args('/files/secret.txt')),
    link_args('/files/secret.txt')
]
--- error_code eval
[(403) x 20, 200]
--- response_headers eval
[("X-Verdict: malformed") x 20, "X-Verdict: granted"]



=== an argument that only the message has is refused when it is given twice
--- config
location /files/ {
    secure_link_hmac_message $uri|$arg_ts|$arg_e&$arg_user;
    secure_link_hmac_enforce on;
}
--- request eval
[
    map { my ($signed, $sent) = @$_; my $ts = time() - 10; "GET /files/secret.txt?st=" . token("/files/secret.txt|$ts|3600&$signed") . "&ts=$ts&e=3600&$sent" }
    ['ben', 'user=ben'], ['ben', 'user=ben&user=eve'], ['ben', 'user=eve&user=ben'], ['ben', 'user=ben&USER=eve'], ['ben', 'user=eve'], ['', ''], ['', 'user']
]
--- error_code eval
[200, 403, 403, 403, 403, 200, 200]
--- response_headers eval
[map { "X-Verdict: $_" } qw(granted malformed malformed malformed forged granted granted)]



=== another argument may be there as often as it likes, and an escaped name is another argument
--- config
location /files/ { secure_link_hmac_enforce on; }
--- request eval
[
    map { "GET " . link('/files/secret.txt', args => $_) } 'a=1&a=2', 's%74=x', 'xst=1&st2=2', '&&', 'st%3dx', 'ST2=3'
]
--- error_code eval
[(200) x 6]



=== a semicolon and a fragment separate no arguments
--- config
location /files/ { secure_link_hmac_enforce on; }
--- request eval
[
    do { my $a = link_args('/files/secret.txt'); $a =~ tr/&/;/; "GET /files/secret.txt?$a" },
    do { my $a = link_args('/files/secret.txt', ts => time() - 7200); "GET /files/secret.txt?$a;e=0" },
    do { my $a = link_args('/files/secret.txt', ts => time() - 7200); "GET /files/secret.txt?$a#&e=0" },
    do { my $a = link_args('/files/secret.txt'); "GET /files/secret.txt#?$a" },
]
--- error_code eval
[403, 403, 410, 403]



=== a field may not be moved into another one
--- config
location /files/ { secure_link_hmac_enforce on; }
--- request eval
do {
    my $ts = time() - 7200;
    my $st = token("/files/secret.txt|$ts|3600");
    [
        map { "GET $_" }
        "/files/secret.txt%7C$ts?st=$st&ts=3600&e=",
        "/files/secret.txt%7C$ts%7C3600?st=$st",
        "/files/secret.txt?st=$st&ts=$ts%7C3600",
        "/files/secret.txt?st=$st&ts=$ts|3600&e=",
        "/files/secret.txt?st=$st",
        "/files/secret.txt?st=$st&ts=$ts",
        "/files/secret.txt?st=$st&ts=" . ($ts + 7200) . "&e=3600",
        "/files/secret.txt?st=$st&ts=$ts&e=36000",
    ]
}
--- error_code eval
[(403) x 8]



=== a bad argument is not made good by a good cookie, an empty one counts as none
--- config
location /files/ {
    secure_link_hmac $arg_st $cookie_st;
    secure_link_hmac_message $uri;
    secure_link_hmac_enforce on;
}
--- more_headers eval
[("Cookie: st=" . token('/files/secret.txt')) x 4]
--- request eval
["GET /files/secret.txt?st=x", "GET /files/secret.txt?st=" . token('/files/other.txt'), "GET /files/secret.txt?st=", "GET /files/secret.txt?st=,"]
--- error_code eval
[403, 403, 200, 403]
--- response_headers eval
["X-Verdict: malformed", "X-Verdict: forged", "X-Verdict: granted", "X-Verdict: malformed"]



=== a good link opens one connection's one request
--- config
location /files/ { secure_link_hmac_enforce on; }
--- pipelined_requests eval
["GET " . link('/files/report.txt'), "GET /files/secret.txt", "GET /files/secret.txt?" . link_args('/files/report.txt')]
--- error_code eval
[200, 403, 403]



=== a client does not replace a named group of the location by a regular expression that reads a header
--- http_config
map $http_x_forwarded_for $client { "~^([^,]+)" $1; default $remote_addr; }
limit_req_zone $client zone=clients:64k rate=1000r/s;
--- config
location ~ "^/(?<folder>files)/(?<file>.*)" {
    limit_req zone=clients burst=100 nodelay;
    if ($http_cookie ~ "lang=([^;]+)") { set $lang $1; }
    secure_link_hmac_message $file|$arg_ts|$arg_e;
    secure_link_hmac_enforce on;
    secure_link_hmac_pass /internal/$folder/$file;
}
location /internal/ { internal; }
--- request eval
[map { "GET /files/$_?" . link_args('report.txt') } 'report.txt', 'secret.txt']
--- more_headers eval
["X-Forwarded-For: secret.txt\nCookie: lang=secret.txt", "X-Forwarded-For: report.txt\nCookie: lang=report.txt"]
--- error_code eval
[200, 403]
--- response_body_like eval
['the report, handed over', '403 Forbidden']
