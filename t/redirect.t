# What becomes of a verdict when nginx redirects a request: index, try_files, rewrite, error_page, X-Accel-Redirect.

use strict;
use warnings;

use lib 't/lib';
use Test::Nginx::Socket 'no_plan';
use SecureLink;
use LinkedFiles;

# A location that bypasses the check, and a limit_req in it that asks for the verdict all the same.
our $probed = <<'_END_';
    map $arg_probe $probe { 1 1; }
    limit_req_zone $secure_link_hmac_status zone=probed:64k rate=1000r/s;
_END_

run_tests();

__DATA__

=== a grant is carried to the index of a directory
--- config
secure_link_hmac_enforce on;
location /files/ { index report.txt; }
--- request eval
["GET " . link('/files/'), "GET /files/", "GET /files/?" . link_args('/files/report.txt')]
--- error_code eval
[200, 403, 403]
--- response_headers eval
["X-Verdict: granted", "X-Verdict: missing", "X-Verdict: forged"]



=== a grant is carried to the index in another location of the same policy
--- config
secure_link_hmac_enforce on;
location = /files/ { index report.txt; }
location /files/rep { add_header X-Verdict "nested $secure_link_hmac_status"; }
--- request eval
"GET " . link('/files/')
--- response_body
the report
--- response_headers
X-Verdict: nested granted



=== a grant is not carried to an index that has a policy of its own
--- config
secure_link_hmac_enforce on;
location = /files/ { index report.txt; }
location /files/rep { secure_link_hmac_leeway 1s; }
--- request eval
"GET " . link('/files/')
--- error_code: 403
--- response_headers
X-Verdict: forged
--- denials
denied: verdict=forged



=== a policy with the same text is another policy
--- config
secure_link_hmac_enforce on;
location = /files/ { index report.txt; }
location /files/rep {
    secure_link_hmac $arg_st,$arg_ts,$arg_e;
}
--- request eval
"GET " . link('/files/')
--- error_code: 403
--- response_headers
X-Verdict: forged



=== what is not part of a policy makes no other one
--- http_config
    map $arg_probe $probe { 1 1; }
--- config
secure_link_hmac_enforce on;
location = /files/ { index report.txt; }
location /files/rep {
    secure_link_hmac_enforce on;
    secure_link_hmac_error forged=404;
    secure_link_hmac_bypass $probe;
    secure_link_hmac_log_level error;
    secure_link_hmac_pass /internal$uri;
}
location /internal/ { internal; }
--- request eval
"GET " . link('/files/')
--- response_body
the report, handed over
--- response_headers
X-Verdict: granted



=== try_files is reached, and its file served, after a grant only
--- config
secure_link_hmac_enforce on;
location /files/ { try_files /nothing $uri =404; }
--- request eval
["GET " . link('/files/report.txt'), "GET /files/report.txt", "GET " . link('/files/x')]
--- error_code eval
[200, 403, 404]



=== a grant is carried to the fallback of try_files
--- config
secure_link_hmac_enforce on;
location /files/ { try_files $uri /other/report.txt; }
--- request eval
"GET " . link('/files/x')
--- response_body
the other report
--- response_headers
X-Verdict: granted
--- denials: none
--- access_log
/other/report.txt verdict=granted status=200



=== a grant is not carried to a fallback that has a policy of its own
--- config
secure_link_hmac_enforce on;
location /files/ { try_files $uri /other/report.txt?$args; }
location /other/ { secure_link_hmac_methods GET; }
--- request eval
"GET " . link('/files/x')
--- error_code: 403
--- response_headers
X-Verdict: forged
--- denials
denied: verdict=forged
--- access_log
/other/report.txt verdict=forged status=403



=== a grant is carried to a named fallback
--- config
secure_link_hmac_enforce on;
location /files/ { try_files $uri @other; }
location @other { rewrite ^ /other/report.txt break; root html; }
--- request eval
["GET " . link('/files/x'), "GET /files/x"]
--- error_code eval
[200, 403]
--- response_headers eval
["X-Verdict: granted", "X-Verdict: missing"]



=== a named location with a policy of its own checks for itself
--- config
secure_link_hmac_enforce on;
location /files/ { try_files $uri @other; }
location @other {
    secure_link_hmac_secret fedcba9876543210fedcba9876543210;
    rewrite ^ /other/report.txt break;
    root html;
}
--- request eval
"GET " . link('/files/x')
--- error_code: 403
--- response_headers
X-Verdict: forged



=== the check sees the URI that a rewrite made, with "last"
--- config
location /short/ { rewrite ^/short/(.*)$ /files/$1 last; }
location /files/ { secure_link_hmac_enforce on; }
--- request eval
["GET /short/report.txt?" . link_args('/files/report.txt'), "GET " . link('/short/report.txt')]
--- error_code eval
[200, 403]
--- response_headers eval
["X-Verdict: granted", "X-Verdict: forged"]



=== the check sees the URI that a rewrite made, with "break"
--- config
location /short/ {
    secure_link_hmac_enforce on;
    rewrite ^/short/(.*)$ /files/$1 break;
    root html;
}
--- request eval
["GET /short/report.txt?" . link_args('/files/report.txt'), "GET " . link('/short/report.txt')]
--- error_code eval
[200, 403]
--- response_headers eval
["X-Verdict: granted", "X-Verdict: forged"]



=== the check sees the arguments that a rewrite made
--- config
location ~ ^/in-path/(?<st>[^/]+)/(?<ts>[^/]+)/(?<e>[^/]+)(?<file>/.+)$ {
    rewrite ^ $file?st=$st&ts=$ts&e=$e? last;
}
location /files/ { secure_link_hmac_enforce on; }
--- request eval
[
    map { my ($st, $ts, $e) = $_ =~ /st=(.*)&ts=(.*)&e=(.*)/; "GET /in-path/$st/$ts/$e/files/report.txt" }
    link('/files/report.txt'), link('/files/report.txt', secret => other_secret)
]
--- error_code eval
[200, 403]



=== a rewrite to a place where nothing is enforced opens it
--- config
location /files/ {
    secure_link_hmac_enforce on;
    rewrite ^ /other/report.txt last;
}
location /other/ { secure_link_hmac_enforce off; }
--- request
GET /files/report.txt
--- response_body
the other report
--- response_headers
X-Verdict: missing
--- denials: none



=== a grant is carried along X-Accel-Redirect
--- config
location /files/ {
    secure_link_hmac_enforce on;
    proxy_pass http://127.0.0.1:$TEST_NGINX_SERVER_PORT/backend;
}
location /backend {
    secure_link_hmac off;
    add_header X-Accel-Redirect /other/report.txt;
    return 204;
}
location /other/ { internal; secure_link_hmac_enforce on; }
--- request eval
["GET " . link('/files/report.txt'), "GET " . link('/files/report.txt', secret => other_secret)]
--- error_code eval
[200, 403]
--- response_body_like eval
[qr/\Athe other report$/, qr/403/]
--- response_headers eval
["X-Verdict: granted", "X-Verdict: forged"]



=== a grant is not carried along X-Accel-Redirect to another policy
--- config
location /files/ {
    secure_link_hmac_enforce on;
    proxy_pass http://127.0.0.1:$TEST_NGINX_SERVER_PORT/backend;
}
location /backend {
    secure_link_hmac off;
    add_header X-Accel-Redirect /other/report.txt;
    return 204;
}
location /other/ { internal; secure_link_hmac_enforce on; secure_link_hmac_leeway 1s; }
--- request eval
"GET " . link('/files/report.txt')
--- error_code: 403
--- response_headers
X-Verdict: missing



=== a grant of the target's own policy, along X-Accel-Redirect
--- config
location /files/ {
    secure_link_hmac_enforce on;
    proxy_pass http://127.0.0.1:$TEST_NGINX_SERVER_PORT/backend;
}
location /backend {
    secure_link_hmac off;
    add_header X-Accel-Redirect /other/report.txt?$http_x_other;
    return 204;
}
location /other/ {
    internal;
    secure_link_hmac_secret fedcba9876543210fedcba9876543210;
    secure_link_hmac_enforce on;
}
--- more_headers eval
["X-Other: " . link_args('/other/report.txt', secret => other_secret), "X-Other: " . link_args('/other/report.txt')]
--- request eval
["GET " . link('/files/report.txt'), "GET " . link('/files/report.txt')]
--- error_code eval
[200, 403]
--- response_headers eval
["X-Verdict: granted", "X-Verdict: forged"]



=== a grant is carried to an error_page
--- config
secure_link_hmac_enforce on;
location /files/ { error_page 404 = /other/report.txt; }
--- request eval
"GET " . link('/files/x')
--- response_body
the other report
--- response_headers
X-Verdict: granted
--- denials: none



=== a grant is not carried to an error_page that has a policy of its own
--- config
secure_link_hmac_enforce on;
location /files/ { error_page 404 = /other/report.txt?$args; }
location /other/ { secure_link_hmac_leeway 1s; }
--- request eval
"GET " . link('/files/x')
--- error_code: 403
--- response_headers
X-Verdict: forged



=== only the last verdict is carried: who comes back to a policy is checked again
--- config
secure_link_hmac_enforce on;
recursive_error_pages on;
location /files/ { error_page 404 = /between/nothing?$args; }
location /between/ {
    secure_link_hmac_secret fedcba9876543210fedcba9876543210;
    secure_link_hmac_message $arg_ts|$arg_e|between;
    secure_link_hmac $arg_between,$arg_ts,$arg_e;
    error_page 404 = /other/report.txt?$args;
}
--- request eval
do {
    my $link = link('/files/x');
    my ($ts, $e) = $link =~ /ts=(\d+)&e=(\d+)/;
    "GET $link&between=" . token("$ts|$e|between", secret => other_secret);
}
--- error_code: 403
--- response_headers
X-Verdict: forged
--- denials
denied: verdict=forged
--- access_log
/other/report.txt verdict=forged status=403



=== what was open is checked where an internal redirect leads
--- config
location /open/ { try_files /nothing /files/report.txt; }
location /files/ { secure_link_hmac_enforce on; }
--- request eval
["GET /open/x", "GET " . link('/open/x'), "GET /open/x?" . link_args('/files/report.txt')]
--- error_code eval
[403, 403, 403]
--- response_headers eval
["X-Verdict: missing", "X-Verdict: missing", "X-Verdict: missing"]



=== the arguments of an internal redirect are those that are checked
--- config
location /open/ { try_files /nothing /files/report.txt?$args; }
location /files/ { secure_link_hmac_enforce on; }
--- request eval
["GET /open/x?" . link_args('/files/report.txt'), "GET " . link('/open/x')]
--- error_code eval
[200, 403]
--- response_headers eval
["X-Verdict: granted", "X-Verdict: forged"]



=== a bypass is no grant that is carried
--- http_config
    map $arg_probe $probe { 1 1; }
--- config
secure_link_hmac_enforce on;
location /open/ {
    secure_link_hmac_bypass $probe;
    try_files /nothing /files/report.txt;
}
location /files/ { }
--- request
GET /open/x?probe=1
--- error_code: 403
--- response_headers
X-Verdict: missing
--- denials
denied: verdict=missing



=== nor is what a variable finds out where the check is bypassed
--- http_config eval: $::probed
--- config
secure_link_hmac_enforce on;
location /open/ {
    secure_link_hmac_bypass $probe;
    limit_req zone=probed burst=10 nodelay;
    error_page 404 = /files/report.txt;
}
location /files/ { }
--- request eval
"GET " . link('/open/x', args => 'probe=1')
--- error_code: 403
--- response_headers
X-Verdict: missing
--- denials
denied: verdict=missing



=== nor is it after another location that bypasses the check
--- http_config eval: $::probed
--- config
secure_link_hmac_enforce on;
location /open/ {
    secure_link_hmac_bypass $probe;
    limit_req zone=probed burst=10 nodelay;
    error_page 404 = /via/x?probe=1;
}
location /via/ {
    secure_link_hmac_bypass $probe;
    try_files /nothing /files/report.txt;
}
location /files/ { }
--- request eval
"GET " . link('/open/x', args => 'probe=1')
--- error_code: 403
--- response_headers
X-Verdict: missing
--- denials
denied: verdict=missing



=== what one location bypasses is spent in the next one of the same policy
--- http_config eval
"    secure_link_hmac_zone uses:64k;\n" . $::probed
--- config
secure_link_hmac_limit uses uses=1;
secure_link_hmac_enforce on;
location /open/ {
    secure_link_hmac_bypass $probe;
    limit_req zone=probed burst=10 nodelay;
    try_files /nothing @files;
}
location @files { try_files /files/report.txt =404; }
--- request eval
[("GET " . link('/open/x', args => 'probe=1')) x 2]
--- error_code eval
[200, 410]
--- response_headers eval
["X-Verdict: granted", "X-Verdict: exhausted"]



=== what a dry run would deny is denied where the same policy is enforced
--- config
location /soft/ {
    secure_link_hmac_enforce dry_run;
    try_files /nothing /files/report.txt?$args;
}
location /files/ { secure_link_hmac_enforce on; }
--- request eval
["GET " . link('/soft/x', secret => other_secret), "GET /soft/x"]
--- error_code eval
[403, 403]



=== what a dry run would deny may be granted where the same policy is enforced
--- config
location /soft/ {
    secure_link_hmac_enforce dry_run;
    try_files /nothing /files/report.txt?$args;
}
location /files/ { secure_link_hmac_enforce on; }
--- request eval
"GET /soft/x?" . link_args('/files/report.txt')
--- response_body
the report
--- response_headers
X-Verdict: granted
--- denials
would deny: verdict=forged



=== a good link of a place where nothing is enforced is not good for another method where it is
--- http_config
    limit_conn_zone $secure_link_hmac_status zone=verdicts:64k;
--- config
location /open/ {
    limit_conn verdicts 10;
    error_page 404 405 = @strict;
}
location @strict {
    secure_link_hmac_enforce on;
    proxy_pass http://127.0.0.1:$TEST_NGINX_SERVER_PORT;
}
--- request eval
"POST " . link('/open/x') . "\nx=1"
--- error_code: 403
--- response_headers
X-Verdict: out_of_scope
