# When a request is handed off, how often, and what it takes along.

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

=== a request is handed off at most once
--- config
secure_link_hmac_enforce on;
location /files/ { secure_link_hmac_pass /other/report.txt; }
location /other/ { secure_link_hmac_pass /internal/files/report.txt; }
location /internal/ { internal; }
--- request eval
"GET " . link('/files/report.txt')
--- response_body
the other report



=== at most once, also by way of a named location
--- config
secure_link_hmac_enforce on;
location /files/ { secure_link_hmac_pass @other; }
location @other { root html; secure_link_hmac_pass /internal/files/report.txt; }
location /internal/ { internal; }
--- request eval
"GET " . link('/files/report.txt')
--- response_body
the report



=== a hand-off into its own location is served there
--- config
location /files/ {
    secure_link_hmac_enforce on;
    secure_link_hmac_pass /files/report.txt;
}
--- request eval
["GET " . link('/files/x'), "GET /files/x", "GET /files/report.txt"]
--- error_code eval
[200, 403, 403]
--- response_headers eval
["X-Verdict: granted", "X-Verdict: missing", "X-Verdict: missing"]



=== nor is the path of a second hand-off looked at
--- config
location /files/ {
    secure_link_hmac_enforce on;
    secure_link_hmac_pass $arg_to;
}
--- request eval
"GET " . link('/files/x', args => 'to=/files/report.txt')
--- error_code: 200
--- response_body
the report



=== a hand-off into the enforced same policy takes the grant along
--- config
secure_link_hmac_enforce on;
location /files/ { secure_link_hmac_pass /internal$uri; }
location /internal/ { internal; }
--- request eval
"GET " . link('/files/report.txt')
--- response_body
the report, handed over
--- response_headers
X-Verdict: granted
--- denials: none



=== a hand-off into another policy is checked there
--- config
secure_link_hmac_enforce on;
location /files/ { secure_link_hmac_pass /internal$uri; }
location /internal/ { internal; secure_link_hmac_leeway 1s; }
--- request eval
"GET " . link('/files/report.txt')
--- error_code: 403
--- response_headers
X-Verdict: missing
--- denials
denied: verdict=missing



=== the hand-off is inherited by nested locations, and off ends it
--- config
location /files/ {
    secure_link_hmac_enforce on;
    secure_link_hmac_pass /internal$uri;
    location /files/rep { }
    location = /files/report.txt { secure_link_hmac_pass off; }
    location /files/digits {
        secure_link_hmac_pass off;
        location /files/digits.txt { secure_link_hmac_pass /internal/files/report.txt; }
    }
}
location /internal/ { internal; }
--- user_files
>>> internal/files/repx
x, handed over
--- request eval
["GET " . link('/files/repx'), "GET " . link('/files/report.txt'), "GET " . link('/files/digits.txt'), "GET " . link('/files/digits')]
--- response_body_like eval
[qr/\Ax, handed over$/, qr/\Athe report$/, qr/\Athe report, handed over$/, qr/404 Not Found/]
--- error_code eval
[200, 200, 200, 404]



=== try_files and mirror of the first location are not reached
--- config
log_subrequest on;
location /files/ {
    secure_link_hmac_enforce on;
    secure_link_hmac_pass /internal$uri;
    try_files /other/report.txt =500;
    mirror /mirror;
}
location = /mirror { secure_link_hmac off; return 204; }
location /internal/ { internal; }
--- request eval
"GET " . link('/files/report.txt')
--- response_body
the report, handed over
--- access_log
/internal/files/report.txt verdict=granted status=200
--- no_access_log
/mirror



=== try_files and mirror of the target are reached
--- config
log_subrequest on;
location /files/ {
    secure_link_hmac_enforce on;
    secure_link_hmac_pass /internal$uri;
}
location = /mirror { secure_link_hmac off; return 204; }
location /internal/ {
    internal;
    try_files /nothing /other/report.txt =500;
    mirror /mirror;
}
--- request eval
"GET " . link('/files/report.txt')
--- response_body
the other report
--- wait: 0.1
--- access_log
/mirror



=== allow, deny, a password and auth_request of the first location still count
--- config
secure_link_hmac_enforce on;
location /internal/ { internal; secure_link_hmac_enforce off; }
location /files/a/ {
    deny all;
    secure_link_hmac_pass /internal/files/report.txt;
}
location /files/b/ {
    auth_basic "files";
    auth_basic_user_file users;
    secure_link_hmac_pass /internal/files/report.txt;
}
location /files/c/ {
    auth_request /ask;
    secure_link_hmac_pass /internal/files/report.txt;
}
location = /ask {
    secure_link_hmac off;
    secure_link_hmac_enforce off;
    if ($http_authorization) { return 204; }
    return 403;
}
--- more_headers eval
[$::ben, '', $::ben, '', $::ben]
--- request eval
[map { "GET " . link($_) } qw(/files/a/x /files/b/x /files/b/x /files/c/x /files/c/x)]
--- error_code eval
[403, 401, 200, 403, 200]
--- response_body_like eval
[qr/403 Forbidden/, qr/401 Auth/, qr/\Athe report, handed over$/, qr/403 Forbidden/, qr/\Athe report, handed over$/]



=== the values of the variables stay to the end, where no policy is
--- no_policy
--- http_config
    log_format left '$uri was $secure_link_hmac $secure_link_hmac_status $secure_link_hmac_expires '
                    '$secure_link_hmac_expires_at $secure_link_hmac_remaining';
--- config
location /files/ {
    secure_link_hmac          $arg_st,$arg_ts,$arg_e;
    secure_link_hmac_message  $uri|$arg_ts|$arg_e;
    secure_link_hmac_secret   0123456789abcdef0123456789abcdef;
    secure_link_hmac_enforce  on;
    secure_link_hmac_pass     /internal$uri;
}
location /internal/ {
    internal;
    access_log logs/access.log left;
}
--- request eval
"GET " . link('/files/report.txt')
--- response_body
the report, handed over
--- response_headers
X-Verdict: granted
--- access_log eval
[qr{/internal/files/report.txt was 1 granted 3600 \d{10} 3[0-5]\d\d$}]



=== they stay where another policy is not enforced
--- config
location /files/ {
    secure_link_hmac_leeway 1s;
    secure_link_hmac_enforce on;
    secure_link_hmac_pass /internal$uri;
}
location /internal/ { internal; }
--- request eval
"GET " . link('/files/report.txt')
--- response_body
the report, handed over
--- response_headers
X-Verdict: granted
--- access_log
/internal/files/report.txt verdict=granted status=200



=== a rewrite of the target reads them, too
--- config
location /files/ {
    secure_link_hmac_leeway 1s;
    secure_link_hmac_enforce on;
    secure_link_hmac_pass /internal$uri;
}
location /internal/ {
    internal;
    return 200 "$uri $secure_link_hmac_status $secure_link_hmac_expires\n";
}
--- request eval
"GET " . link('/files/report.txt')
--- response_body
/internal/files/report.txt granted 3600
--- access_log
/internal/files/report.txt verdict=granted status=200



=== an error_page of the target
--- config
location /files/ {
    secure_link_hmac_enforce on;
    secure_link_hmac_pass /internal$uri;
}
location /internal/ { internal; error_page 404 = /sorry.txt; }
--- request eval
"GET " . link('/files/x')
--- error_code: 200
--- response_body
sorry
--- response_headers
X-Verdict: granted



=== what a rewrite answers in the first location comes before the check and the hand-off
--- config
location /files/ {
    secure_link_hmac_enforce on;
    secure_link_hmac_pass /internal$uri;
    if ($arg_ping) { return 204; }
}
location /internal/ { internal; }
--- request eval
["GET /files/x?ping=1", "GET /files/x"]
--- error_code eval
[204, 403]



=== an if block hands off, too
--- config
location /files/ {
    secure_link_hmac_enforce on;
    secure_link_hmac_pass /internal$uri;
    if ($arg_debug) { set $debug on; }
}
location /internal/ { internal; }
--- request eval
"GET " . link('/files/report.txt', args => 'debug=1')
--- response_body
the report, handed over
