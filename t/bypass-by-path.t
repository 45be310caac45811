# Ways round the check by paths and by what leads from one location to another, each of them tried.

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
>>> secret.txt
the secret
_END_

run_tests();

__DATA__

=== a hand-off into its own policy gives what the link was for and nothing else
--- config
location /files/ {
    secure_link_hmac_enforce on;
    secure_link_hmac_pass /files/by-name/$arg_name;
}
--- user_files
>>> files/by-name/a.txt
a
--- request eval
["GET " . link('/files/x', args => 'name=a.txt'), "GET /files/by-name/a.txt?name=a.txt", "GET " . link('/files/x', secret => other_secret, args => 'name=a.txt')]
--- error_code eval
[200, 403, 403]



=== a dry run under "satisfy any" grants nothing
--- config
location /files/ {
    satisfy any;
    deny all;
    secure_link_hmac_enforce dry_run;
    secure_link_hmac_pass /internal$uri;
}
location /internal/ { internal; }
--- request eval
"GET " . link('/files/secret.txt')
--- error_code: 403



=== %3F is part of the path and begins no arguments
--- config
location /files/ {
    secure_link_hmac_enforce on;
    secure_link_hmac_pass /internal$uri;
}
location /internal/ { internal; }
--- request eval
[
    "GET /files/secret.txt%3F?" . link_args('/files/secret.txt'),
    "GET /files/secret.txt%3Fx.pdf?" . link_args('/files/secret.txt?x.pdf'),
    "GET /files/secret.txt%3F" . link_args('/files/secret.txt'),
]
--- error_code eval
[403, 404, 403]
--- response_headers eval
["X-Verdict: forged", "X-Verdict: granted", "X-Verdict: missing"]



=== %2F, "//" and dot segments are what they are after normalisation
--- config
location /files/ {
    secure_link_hmac_enforce on;
    secure_link_hmac_pass /internal$uri;
}
location /internal/ { internal; }
--- request eval
[
    (map { "GET $_?" . link_args('/files/secret.txt') } '/files%2Fsecret.txt', '/files//secret.txt', '/files/./secret.txt', '/x/../files/secret.txt', '/%66iles/s%65cret.txt'),
    "GET /files/report.txt/../secret.txt?" . link_args('/files/report.txt'),
    "GET /files/report.txt%2F..%2Fsecret.txt?" . link_args('/files/report.txt'),
    "GET /files/%2e%2e/secret.txt",
    "GET /files/%2e%2e%2finternal/files/secret.txt?" . link_args('/files/secret.txt'),
    "GET /internal%2Ffiles/secret.txt?" . link_args('/internal/files/secret.txt'),
]
--- error_code eval
[(200) x 5, 403, 403, 200, 404, 404]



=== slashes that are not merged are another path
--- config
merge_slashes off;
location /files/ {
    secure_link_hmac_enforce on;
    secure_link_hmac_pass /internal$uri;
}
location /internal/ { internal; }
--- request eval
["GET /files//secret.txt?" . link_args('/files/secret.txt'), "GET /files//secret.txt?" . link_args('/files//secret.txt')]
--- error_code eval
[403, 200]



=== a NUL reaches nobody
--- config
location /files/ {
    secure_link_hmac_enforce on;
    secure_link_hmac_pass /internal$uri;
}
location /internal/ { internal; }
--- raw_request eval
"GET /files/secret.txt%00.pdf?" . link_args('/files/secret.txt') . " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
--- error_code: 400



=== the internal location is nobody's to ask for, with whatever link
--- config
secure_link_hmac_enforce on;
location /files/ { secure_link_hmac_pass /internal$uri; }
location /internal/ { internal; }
--- request eval
[
    "GET " . link('/internal/files/secret.txt'),
    "GET /internal/files/secret.txt?" . link_args('/files/secret.txt'),
    "GET /internal/files/secret.txt",
    "HEAD " . link('/internal/files/secret.txt'),
    "GET /files/../internal/files/secret.txt?" . link_args('/internal/files/secret.txt'),
]
--- error_code eval
[(404) x 5]



=== an absolute request target leads nowhere else
--- config
secure_link_hmac_enforce on;
location /files/ { secure_link_hmac_pass /internal$uri; }
location /internal/ { internal; }
--- raw_request eval
"GET http://localhost" . link('/internal/files/secret.txt') . " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
--- error_code: 404



=== an absolute request target without a path
--- config
secure_link_hmac_enforce on;
location = / { index report.txt; }
--- raw_request eval
"GET http://localhost?" . link_args('/files/secret.txt') . " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
--- error_code: 403
--- response_headers
X-Verdict: forged



=== an absolute request target does not bring its host into the path
--- config
secure_link_hmac_enforce on;
--- raw_request eval
"GET http://x/files/report.txt/files/secret.txt?" . link_args('/files/secret.txt') . " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
--- error_code: 403



=== headers that other servers would heed change neither method nor path
--- config
secure_link_hmac_enforce on;
--- more_headers
X-HTTP-Method-Override: GET
X-Original-URL: /sorry.txt
X-Rewrite-URL: /sorry.txt
X-Accel-Redirect: /files/secret.txt
--- request eval
["GET /files/secret.txt", "POST " . link('/files/secret.txt') . "\nx=1"]
--- error_code eval
[403, 403]
--- response_headers eval
["X-Verdict: missing", "X-Verdict: out_of_scope"]



=== who was let in by address is checked where a redirect leads into the enforced policy
--- config
secure_link_hmac_enforce on;
location /lan/ {
    satisfy any;
    allow 127.0.0.0/8;
    try_files /nothing /files/secret.txt?$args;
}
location /files/ { }
--- request eval
["GET " . link('/lan/x', secret => other_secret), "GET /lan/x"]
--- error_code eval
[403, 403]



=== a denial that was overruled is none that opens an error page
--- config
secure_link_hmac_enforce on;
recursive_error_pages on;
location /lan/ {
    satisfy any;
    allow 127.0.0.0/8;
    error_page 404 = /files/secret.txt;
}
location /files/ { }
--- request
GET /lan/x
--- error_code: 403



=== a denial of a dry run opens no error page of the enforced policy
--- config
location /soft/ {
    secure_link_hmac_enforce dry_run;
    error_page 404 = /files/secret.txt;
}
location /files/ { secure_link_hmac_enforce on; }
--- request
GET /soft/x
--- error_code: 403



=== a bypass of the first location is none of the second
--- http_config
    map $arg_probe $probe { 1 1; }
--- config
secure_link_hmac_enforce on;
location /health/ {
    secure_link_hmac_bypass $probe;
    error_page 404 = /files/secret.txt;
}
location /files/ { }
--- request
GET /health/x?probe=1
--- error_code: 403



=== a grant of another policy opens nothing, though the link is good for both
--- config
location /cheap/ {
    secure_link_hmac_methods GET POST;
    secure_link_hmac_enforce on;
    error_page 404 405 = @dear;
}
location @dear {
    secure_link_hmac_methods GET;
    secure_link_hmac_enforce on;
    root html;
}
--- request eval
["POST " . link('/cheap/x') . "\nx=1"]
--- error_code: 403
--- response_headers
X-Verdict: out_of_scope
