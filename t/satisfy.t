# A link beside nginx's other access checks, of which all or any must agree.

use strict;
use warnings;

use lib 't/lib';
use Test::Nginx::Socket 'no_plan';
use SecureLink;
use LinkedFiles <<'_END_';
>>> ../conf/users
ben:{PLAIN}ben
_END_

our $ben = 'Authorization: Basic YmVuOmJlbg==';

run_tests();

__DATA__

=== satisfy any: a good link opens what deny shuts
--- config
location /files/ {
    satisfy any;
    deny all;
    secure_link_hmac_enforce on;
}
--- request eval
["GET " . link('/files/report.txt'), "GET /files/report.txt", "GET " . link('/files/report.txt', secret => other_secret)]
--- error_code eval
[200, 403, 403]
--- response_headers eval
["X-Verdict: granted", "X-Verdict: missing", "X-Verdict: forged"]



=== satisfy any: allow opens what the link does not, and the verdict stays what it is
--- config
location /files/ {
    satisfy any;
    allow all;
    secure_link_hmac_enforce on;
}
--- request eval
["GET /files/report.txt", "GET " . link('/files/report.txt', ts => time() - 7200), "GET " . link('/files/report.txt')]
--- response_body eval
["the report\n", "the report\n", "the report\n"]
--- response_headers eval
["X-Verdict: missing", "X-Verdict: expired", "X-Verdict: granted"]



=== satisfy any: a denial is 403, whatever its status is elsewhere
--- config
location /files/ {
    satisfy any;
    deny all;
    secure_link_hmac_enforce on;
    secure_link_hmac_error missing=404 forged=500;
}
--- request eval
[
    "GET " . link('/files/report.txt', ts => time() - 7200),
    "GET /files/report.txt",
    "GET " . link('/files/report.txt', secret => other_secret),
]
--- error_code eval
[403, 403, 403]



=== satisfy any: a denial is 403 also where the link is the only method
--- config
location /files/ {
    satisfy any;
    secure_link_hmac_enforce on;
}
--- request eval
["GET " . link('/files/report.txt', ts => time() - 7200), "GET /files/report.txt", "GET " . link('/files/report.txt')]
--- error_code eval
[403, 403, 200]



=== satisfy any: a password opens what the link does not, and no password is asked for with a good link
--- config
location /files/ {
    satisfy any;
    auth_basic "files";
    auth_basic_user_file users;
    secure_link_hmac_enforce on;
}
--- more_headers eval
[$::ben, '', '', $::ben]
--- request eval
[
    "GET " . link('/files/report.txt', secret => other_secret),
    "GET " . link('/files/report.txt', secret => other_secret),
    "GET " . link('/files/report.txt'),
    "GET /files/report.txt",
]
--- error_code eval
[200, 401, 200, 200]
--- response_headers eval
[
    "X-Verdict: forged\n!WWW-Authenticate",
    "X-Verdict: forged\nWWW-Authenticate: Basic realm=\"files\"",
    "X-Verdict: granted\n!WWW-Authenticate",
    "X-Verdict: missing\n!WWW-Authenticate",
]



=== satisfy any: an expired link leaves the last word to the password
--- config
location /files/ {
    satisfy any;
    auth_basic "files";
    auth_basic_user_file users;
    secure_link_hmac_enforce on;
}
--- more_headers eval
['', $::ben]
--- request eval
["GET " . link('/files/report.txt', ts => time() - 7200), "GET " . link('/files/report.txt', ts => time() - 7200)]
--- error_code eval
[401, 200]



=== satisfy any: auth_request opens what the link does not
--- config
location /files/ {
    satisfy any;
    auth_request /ask;
    secure_link_hmac_enforce on;
}
location = /ask {
    secure_link_hmac off;
    if ($request_uri ~ user=ben) { return 204; }
    return 403;
}
--- request eval
[
    "GET " . link('/files/report.txt', secret => other_secret, args => 'user=ben'),
    "GET " . link('/files/report.txt', secret => other_secret, args => 'user=eve'),
    "GET " . link('/files/report.txt', args => 'user=eve'),
]
--- error_code eval
[200, 403, 200]
--- response_headers eval
["X-Verdict: forged", "X-Verdict: forged", "X-Verdict: granted"]



=== satisfy any: with a good link auth_request is not asked
--- config
log_subrequest on;
location /files/ {
    satisfy any;
    auth_request /ask;
    secure_link_hmac_enforce on;
}
location = /ask { return 403; }
--- request eval
"GET " . link('/files/report.txt')
--- access_log
/files/report.txt verdict=granted status=200
--- no_access_log
/ask



=== satisfy any: a dry run never grants
--- config
location /files/ {
    satisfy any;
    deny all;
    secure_link_hmac_enforce dry_run;
}
--- request eval
["GET " . link('/files/report.txt'), "GET /files/report.txt"]
--- error_code eval
[403, 403]
--- response_headers eval
["X-Verdict: granted", "X-Verdict: missing"]



=== satisfy any: a dry run does not stand in for a password
--- config
location /files/ {
    satisfy any;
    auth_basic "files";
    auth_basic_user_file users;
    secure_link_hmac_enforce dry_run;
}
--- more_headers eval
['', $::ben]
--- request eval
["GET " . link('/files/report.txt'), "GET /files/report.txt"]
--- error_code eval
[401, 200]



=== satisfy any: what is not enforced never grants
--- config
location /files/ {
    satisfy any;
    deny all;
    secure_link_hmac_enforce off;
}
--- request eval
"GET " . link('/files/report.txt')
--- error_code: 403
--- response_headers
X-Verdict: granted



=== satisfy any: a bypass never grants
--- http_config
    map $remote_addr $probe { 127.0.0.1 1; }
--- config
location /files/ {
    satisfy any;
    deny all;
    secure_link_hmac_enforce on;
    secure_link_hmac_bypass $probe;
}
--- request eval
["GET /files/report.txt", "GET " . link('/files/report.txt')]
--- error_code eval
[403, 403]



=== satisfy any: a bypassed request may pass by another method, and is not handed off
--- http_config
    map $remote_addr $probe { 127.0.0.1 1; }
--- config
location /files/ {
    satisfy any;
    allow all;
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



=== satisfy any: a request that passed by another method is handed off
--- config
location /files/ {
    satisfy any;
    auth_basic "files";
    auth_basic_user_file users;
    secure_link_hmac_enforce on;
    secure_link_hmac_pass /internal$uri;
}
location /internal/ { internal; }
--- more_headers eval
[$::ben, '', '']
--- request eval
["GET /files/report.txt", "GET " . link('/files/report.txt'), "GET /files/report.txt"]
--- error_code eval
[200, 200, 401]
--- response_body_like eval
[qr/\Athe report, handed over$/, qr/\Athe report, handed over$/, qr/401/]
--- response_headers eval
["X-Verdict: missing", "X-Verdict: granted", "X-Verdict: missing"]



=== satisfy any: who passed by another method is checked where the hand-off leads and the same policy is enforced
--- config
secure_link_hmac_enforce on;
location /files/ {
    satisfy any;
    allow all;
    secure_link_hmac_pass /internal$uri;
}
location /internal/ { internal; }
--- request eval
["GET /files/report.txt", "GET " . link('/files/report.txt')]
--- error_code eval
[403, 200]
--- response_headers eval
["X-Verdict: missing", "X-Verdict: granted"]



=== satisfy any: who passed by another method is checked where an internal redirect leads and the same policy is enforced
--- config
secure_link_hmac_enforce on;
location /files/ {
    satisfy any;
    allow all;
    try_files /nothing /other/report.txt?$args;
}
location /other/ { }
--- request eval
["GET " . link('/files/x', secret => other_secret), "GET " . link('/files/x')]
--- error_code eval
[403, 200]
--- response_headers eval
["X-Verdict: forged", "X-Verdict: granted"]



=== satisfy any: what was denied may be granted where the request leads
--- config
secure_link_hmac_enforce on;
location /files/ {
    satisfy any;
    allow all;
    try_files /nothing /other/report.txt?$args;
}
location /other/ { }
--- request eval
"GET /files/x?" . link_args('/other/report.txt')
--- error_code: 200
--- response_body
the other report
--- response_headers
X-Verdict: granted
--- denials
denied: verdict=forged



=== satisfy any: the same with the index of a directory
--- config
secure_link_hmac_enforce on;
location = /files/ {
    satisfy any;
    allow all;
    index report.txt;
}
--- request
GET /files/
--- error_code: 403
--- denials
denied: verdict=missing
denied: verdict=missing



=== satisfy any: the same with the error_page of something else
--- config
secure_link_hmac_enforce on;
location /files/ {
    satisfy any;
    allow all;
    error_page 404 /other/report.txt;
}
--- request
GET /files/nothing
--- error_code: 403



=== satisfy any: a 403 of something else that let the request in is not our denial
--- config
secure_link_hmac_enforce on;
location = /files/ {
    satisfy any;
    allow all;
    error_page 403 =200 /other/report.txt;
}
--- request
GET /files/
--- error_code: 403
--- response_body_unlike: the other report



=== satisfy any: in a location that nobody may enter the error_page lies under the policy
--- config
secure_link_hmac_enforce on;
error_page 403 /sorry.txt;
location /files/ {
    satisfy any;
    deny all;
}
--- request
GET /files/report.txt
--- error_code: 403
--- response_body
sorry
--- response_headers
X-Verdict: missing
--- denials
denied: verdict=missing



=== satisfy any: the error_page of the password that was asked for lies under the policy
--- config
secure_link_hmac_enforce on;
error_page 401 /sorry.txt;
location /files/ {
    satisfy any;
    auth_basic "files";
    auth_basic_user_file users;
}
--- request
GET /files/report.txt
--- error_code: 401
--- response_body
sorry
--- response_headers
WWW-Authenticate: Basic realm="files"
--- denials
denied: verdict=missing



=== satisfy all: the link and the password are both needed
--- config
location /files/ {
    auth_basic "files";
    auth_basic_user_file users;
    secure_link_hmac_enforce on;
}
--- more_headers eval
[$::ben, '', $::ben, '', $::ben]
--- request eval
[
    "GET " . link('/files/report.txt'),
    "GET " . link('/files/report.txt'),
    "GET " . link('/files/report.txt', secret => other_secret),
    "GET /files/report.txt",
    "GET " . link('/files/report.txt', ts => time() - 7200),
]
--- error_code eval
[200, 401, 403, 403, 410]



=== satisfy all: the link does not open what deny shuts
--- config
location /files/ {
    deny all;
    secure_link_hmac_enforce on;
}
--- request eval
"GET " . link('/files/report.txt')
--- error_code: 403
--- response_headers
X-Verdict: granted
--- denials: none
--- error_log
access forbidden by rule



=== satisfy all: allow does not open what the link shuts
--- config
location /files/ {
    satisfy all;
    allow all;
    secure_link_hmac_enforce on;
}
--- request
GET /files/report.txt
--- error_code: 403



=== satisfy all: the link and auth_request are both needed
--- config
location /files/ {
    auth_request /ask;
    secure_link_hmac_enforce on;
}
location = /ask {
    secure_link_hmac off;
    if ($request_uri ~ user=ben) { return 204; }
    return 401;
}
--- request eval
[
    "GET " . link('/files/report.txt', args => 'user=ben'),
    "GET " . link('/files/report.txt', args => 'user=eve'),
    "GET " . link('/files/report.txt', secret => other_secret, args => 'user=ben'),
]
--- error_code eval
[200, 401, 403]



=== satisfy all: a dry run and a bypass leave the other methods as they are
--- http_config
    map $arg_probe $probe { 1 1; }
--- config
auth_basic "files";
auth_basic_user_file users;
location /files/ { secure_link_hmac_enforce dry_run; }
location /other/ {
    secure_link_hmac_enforce on;
    secure_link_hmac_bypass $probe;
}
--- more_headers eval
['', $::ben, '', $::ben]
--- request eval
["GET /files/report.txt", "GET /files/report.txt", "GET /other/report.txt?probe=1", "GET /other/report.txt?probe=1"]
--- error_code eval
[401, 200, 401, 200]
