# What secure_link_hmac_enforce makes of a verdict: statuses, dry runs, bypasses, the log.

use strict;
use warnings;

use lib 't/lib';
use Test::Nginx::Socket 'no_plan';
use SecureLink;
use LinkedFiles;

run_tests();

__DATA__

=== a good link is served where the check is enforced
--- config
location /files/ { secure_link_hmac_enforce on; }
--- request eval
"GET " . link('/files/report.txt')
--- response_body
the report
--- response_headers
X-Verdict: granted
--- denials: none



=== a link that was never signed is 403, and the log says why
--- config
location /files/ { secure_link_hmac_enforce on; }
--- request
GET /files/report.txt
--- error_code: 403
--- response_headers
X-Verdict: missing
--- denials
denied: verdict=missing



=== a forged link is 403, and the log has the message that should have been signed
--- config
location /files/ { secure_link_hmac_enforce on; }
--- request eval
"GET " . link('/files/report.txt', ts => 1700000000, secret => other_secret)
--- error_code: 403
--- response_headers
X-Verdict: forged
--- response_body_unlike: report
--- error_log
secure_link_hmac: denied: verdict=forged key="" message="/files/report.txt|1700000000|3600"
--- denials
denied: verdict=forged



=== a link for another path is 403
--- config
location /files/ { secure_link_hmac_enforce on; }
--- request eval
"GET /files/report.txt?" . link_args('/files/other.txt')
--- error_code: 403
--- response_headers
X-Verdict: forged
--- denials
denied: verdict=forged



=== an expired link is 410
--- config
location /files/ { secure_link_hmac_enforce on; }
--- request eval
"GET " . link('/files/report.txt', ts => time() - 7200)
--- error_code: 410
--- response_headers
X-Verdict: expired
--- denials
denied: verdict=expired



=== a link that outlives the policy's cap is 410
--- config
location /files/ {
    secure_link_hmac_max_lifetime 10m;
    secure_link_hmac_enforce on;
}
--- request eval
"GET " . link('/files/report.txt')
--- error_code: 410
--- response_headers
X-Verdict: expired
--- denials
denied: verdict=expired



=== an early link is 403
--- config
location /files/ {
    secure_link_hmac_leeway 5s;
    secure_link_hmac_enforce on;
}
--- request eval
"GET " . link('/files/report.txt', ts => time() + 1000)
--- error_code: 403
--- response_headers
X-Verdict: early
--- denials
denied: verdict=early



=== a malformed link is 403
--- config
location /files/ { secure_link_hmac_enforce on; }
--- request eval
"GET " . link('/files/report.txt', st => 'short')
--- error_code: 403
--- response_headers
X-Verdict: malformed
--- denials
denied: verdict=malformed



=== a place without a usable secret is 403 for every link
--- http_config
    map $uri $place_secret {
        ~^/elsewhere/  0123456789abcdef0123456789abcdef;
    }
--- config
location /files/ {
    secure_link_hmac_secret $place_secret;
    secure_link_hmac_enforce on;
}
--- request eval
["GET " . link('/files/report.txt'), "GET " . link('/files/report.txt', secret => '')]
--- error_code eval
[403, 403]
--- response_headers eval
["X-Verdict: unknown_key", "X-Verdict: unknown_key"]



=== another method than GET and HEAD is 403
--- config
location /files/ { secure_link_hmac_enforce on; }
--- request eval
["POST " . link('/files/report.txt') . "\nx=1", "DELETE " . link('/files/report.txt'), "GET " . link('/files/report.txt')]
--- error_code eval
[403, 403, 200]
--- response_headers eval
["X-Verdict: out_of_scope", "X-Verdict: out_of_scope", "X-Verdict: granted"]



=== a revoked link is 403
--- config
location /files/ {
    secure_link_hmac_revoke $arg_revoke;
    secure_link_hmac_enforce on;
}
--- request eval
["GET " . link('/files/report.txt', args => 'revoke=1'), "GET " . link('/files/report.txt', args => 'revoke=0')]
--- error_code eval
[403, 200]
--- response_headers eval
["X-Verdict: revoked", "X-Verdict: granted"]



=== statuses are the configured ones
--- config
secure_link_hmac_error missing=401 forged=404 expired=403 malformed=400;
location /files/ { secure_link_hmac_enforce on; }
--- request eval
[
    "GET /files/report.txt",
    "GET " . link('/files/report.txt', secret => other_secret),
    "GET " . link('/files/report.txt', ts => time() - 7200),
    "GET " . link('/files/report.txt', st => '!'),
    "POST " . link('/files/report.txt') . "\nx=1",
    "GET " . link('/files/report.txt'),
]
--- error_code eval
[401, 404, 403, 400, 403, 200]



=== a 5xx may be configured, and has a body of nginx's own
--- config
location /files/ {
    secure_link_hmac_error forged=599 missing=503;
    secure_link_hmac_enforce on;
}
--- request
GET /files/report.txt
--- error_code: 503
--- response_body_like: 503 Service Temporarily Unavailable



=== the statuses belong to no policy, so a nested location has its parent's link
--- config
location /files/ {
    secure_link_hmac_enforce on;
    location /files/report {
        secure_link_hmac_error missing=404;
    }
}
--- request eval
["GET /files/report.txt", "GET /files/x", "GET " . link('/files/report.txt')]
--- error_code eval
[404, 403, 200]



=== off serves everybody, and the variables still tell the verdict
--- config
location /files/ { secure_link_hmac_enforce off; }
--- request eval
["GET /files/report.txt", "GET " . link('/files/report.txt', secret => other_secret), "GET " . link('/files/report.txt')]
--- response_body eval
["the report\n", "the report\n", "the report\n"]
--- response_headers eval
["X-Verdict: missing", "X-Verdict: forged", "X-Verdict: granted"]



=== off is the default, and logs nothing
--- config
location /files/ { }
--- request
GET /files/report.txt
--- response_body
the report
--- denials: none



=== a dry run serves everybody, and the log says who would not be
--- config
location /files/ { secure_link_hmac_enforce dry_run; }
--- request eval
"GET " . link('/files/report.txt', ts => 1700000000)
--- response_body
the report
--- response_headers
X-Verdict: expired
--- error_log
secure_link_hmac: dry run, would deny: verdict=expired key="" message="/files/report.txt|1700000000|3600"
--- denials
would deny: verdict=expired



=== a dry run has nothing to say about a good link
--- config
location /files/ { secure_link_hmac_enforce dry_run; }
--- request eval
"GET " . link('/files/report.txt')
--- response_body
the report
--- response_headers
X-Verdict: granted
--- denials: none



=== a dry run reports methods, too
--- config
location /files/ {
    secure_link_hmac_enforce dry_run;
    secure_link_hmac_methods HEAD;
}
--- request eval
"GET " . link('/files/report.txt')
--- response_body
the report
--- response_headers
X-Verdict: out_of_scope
--- denials
would deny: verdict=out_of_scope



=== a dry run hands off with and without a good link
--- config
location /files/ {
    secure_link_hmac_enforce dry_run;
    secure_link_hmac_pass /internal$uri;
}
location /internal/ { internal; }
--- request eval
["GET /files/report.txt", "GET " . link('/files/report.txt')]
--- response_body eval
["the report, handed over\n", "the report, handed over\n"]
--- response_headers eval
["X-Verdict: missing", "X-Verdict: granted"]



=== a bypass skips the check and the hand-off and logs nothing
--- http_config
    map $remote_addr $probe { 127.0.0.1 1; }
--- config
location /files/ {
    secure_link_hmac_enforce on;
    secure_link_hmac_bypass $probe;
    secure_link_hmac_pass /internal$uri;
}
location /internal/ { internal; }
--- request
GET /files/report.txt
--- response_body
the report
--- denials: none



=== a bypass skips the hand-off of a good link, too
--- http_config
    map $remote_addr $probe { 127.0.0.1 1; }
--- config
location /files/ {
    secure_link_hmac_enforce on;
    secure_link_hmac_bypass $probe;
    secure_link_hmac_pass /internal$uri;
}
location /internal/ { internal; }
--- request eval
"GET " . link('/files/report.txt')
--- response_body
the report



=== a bypass of a dry run skips its log line and its hand-off
--- http_config
    map $remote_addr $probe { 127.0.0.1 1; }
--- config
location /files/ {
    secure_link_hmac_enforce dry_run;
    secure_link_hmac_bypass $probe;
    secure_link_hmac_pass /internal$uri;
}
location /internal/ { internal; }
--- request
GET /files/report.txt
--- response_body
the report
--- denials: none



=== empty and 0 are no bypass; any other value is, wherever it stands
--- http_config
    map $arg_probe $probe { 1 yes; 2 00; 3 "0 "; }
    map $arg_zero $zero { default 0; }
--- config
location /files/ {
    secure_link_hmac_enforce on;
    secure_link_hmac_bypass $zero $probe;
}
--- request eval
["GET /files/report.txt", "GET /files/report.txt?probe=1", "GET /files/report.txt?probe=2", "GET /files/report.txt?probe=3"]
--- error_code eval
[403, 200, 200, 200]



=== OPTIONS preflights pass by a map, other methods do not
--- http_config
    map $request_method $preflight { OPTIONS 1; }
--- config
location /files/ {
    secure_link_hmac_enforce on;
    secure_link_hmac_bypass $preflight;
    proxy_pass http://127.0.0.1:$TEST_NGINX_SERVER_PORT/backend;
}
location /backend {
    secure_link_hmac off;
    return 200 "$request_method\n";
}
--- request eval
["OPTIONS /files/report.txt", "GET /files/report.txt", "GET " . link('/files/report.txt'), "POST /files/report.txt\nOPTIONS"]
--- error_code eval
[200, 403, 200, 403]
--- response_body_like eval
[qr/\AOPTIONS$/, qr/403/, qr/\AGET$/, qr/403/]



=== enforcement is inherited and can be taken back
--- config
secure_link_hmac_enforce on;
location /files/ { }
location /other/ { secure_link_hmac_enforce off; }
--- request eval
["GET /files/report.txt", "GET /sorry.txt", "GET /other/report.txt", "GET " . link('/files/report.txt')]
--- error_code eval
[403, 403, 200, 200]



=== enforcement at http level reaches a nested location
--- http_config
    secure_link_hmac_enforce on;
--- config
location /files/ {
    location /files/rep { }
}
--- request eval
["GET /files/report.txt", "GET " . link('/files/report.txt')]
--- error_code eval
[403, 200]



=== a place where no credential is configured is open, and has no verdict
--- config
location /files/ { secure_link_hmac_enforce on; }
location /files/rep { secure_link_hmac_enforce off; secure_link_hmac off; }
--- request
GET /files/report.txt
--- response_body
the report
--- response_headers
!X-Verdict
--- denials: none



=== limit_except may enforce for the methods that it means
--- config
location /files/ {
    secure_link_hmac_methods POST;
    proxy_pass http://127.0.0.1:$TEST_NGINX_SERVER_PORT/backend;
    limit_except GET { secure_link_hmac_enforce on; }
}
location /backend {
    secure_link_hmac off;
    return 200 "$request_method\n";
}
--- request eval
["GET /files/report.txt", "POST /files/report.txt\nx=1", "POST " . link('/files/report.txt') . "\nx=1"]
--- error_code eval
[200, 403, 200]
--- response_body_like eval
[qr/\AGET$/, qr/403/, qr/\APOST$/]



=== limit_except may take enforcement back for the methods that it means
--- config
location /files/ {
    secure_link_hmac_enforce on;
    proxy_pass http://127.0.0.1:$TEST_NGINX_SERVER_PORT/backend;
    limit_except GET { secure_link_hmac_enforce off; }
}
location /backend {
    secure_link_hmac off;
    return 200 "$request_method\n";
}
--- request eval
["GET /files/report.txt", "POST /files/report.txt\nx=1"]
--- error_code eval
[403, 200]



=== limit_except has the policy, the enforcement and the hand-off of its location
--- config
location /files/ {
    secure_link_hmac_methods GET POST;
    secure_link_hmac_enforce on;
    secure_link_hmac_pass /backend;
    limit_except GET { allow 127.0.0.1; deny all; }
}
location /backend {
    internal;
    proxy_pass http://127.0.0.1:$TEST_NGINX_SERVER_PORT/answer;
}
location /answer {
    secure_link_hmac off;
    return 200 "$request_method\n";
}
--- request eval
["POST " . link('/files/report.txt') . "\nx=1", "POST /files/report.txt\nx=1", "GET " . link('/files/report.txt'), "GET /files/report.txt", "PUT " . link('/files/report.txt') . "\nx=1"]
--- error_code eval
[200, 403, 200, 403, 403]
--- response_body_like eval
[qr/\APOST$/, qr/403/, qr/\AGET$/, qr/403/, qr/403/]
--- response_headers eval
[map { "X-Verdict: $_" } qw(granted missing granted missing out_of_scope)]



=== an if block is no way out of its location's check
--- config
location /files/ {
    secure_link_hmac_enforce on;
    if ($arg_debug) { add_header X-Debug $secure_link_hmac_status always; }
}
--- request eval
["GET /files/report.txt?debug=1", "GET " . link('/files/report.txt', args => 'debug=1')]
--- error_code eval
[403, 200]
--- response_headers eval
["X-Debug: missing", "X-Debug: granted"]



=== a denial is as loud as configured
--- config
location /files/ {
    secure_link_hmac_enforce on;
    secure_link_hmac_log_level error;
}
--- request
GET /files/report.txt
--- error_code: 403
--- error_log eval
qr/\[error\] .*secure_link_hmac: denied: verdict=missing/



=== a denial is quiet unless the log asks for it
--- config
location /files/ { secure_link_hmac_enforce on; }
--- log_level: notice
--- request
GET /files/report.txt
--- error_code: 403
--- denials: none



=== a dry run is as loud as configured
--- config
location /files/ {
    secure_link_hmac_enforce dry_run;
    secure_link_hmac_log_level warn;
}
--- log_level: warn
--- request
GET /files/report.txt
--- error_code: 200
--- error_log eval
qr/\[warn\] .*secure_link_hmac: dry run, would deny: verdict=missing/



=== the log has the verdict of a denial, and of a grant
--- config
location /files/ { secure_link_hmac_enforce on; }
--- request eval
"GET " . link('/files/report.txt', ts => time() - 7200)
--- error_code: 410
--- access_log
/files/report.txt verdict=expired status=410
