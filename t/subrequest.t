# In subrequests nothing is checked, logged or handed off.

use strict;
use warnings;

use lib 't/lib';
use Test::Nginx::Socket 'no_plan';
use SecureLink;
use LinkedFiles <<'_END_';
>>> pages/include.html
[<!--# include virtual="/files/report.txt" -->]
>>> pages/nested.html
(<!--# include virtual="/pages/verdict.html" -->)
>>> pages/verdict.html
main <!--# echo var="secure_link_hmac_status" --> <!--# echo var="secure_link_hmac_expires" -->
>>> pages/ask.html
[<!--# include virtual="/ask" -->]
>>> answers/yes
yes
>>> big.txt
0123456789abcdefghijklmnopqrstuvwxyz
>>> internal/big.txt
0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ
_END_

run_tests();

__DATA__

=== an SSI include of a protected location is not checked
--- config
location /pages/ { ssi on; ssi_types text/plain; }
location /files/ { secure_link_hmac_enforce on; }
--- request
GET /pages/include.html
--- response_body
[the report
]
--- denials: none



=== an SSI include of a hand-off location is not handed off
--- config
location /pages/ { ssi on; ssi_types text/plain; }
location /files/ {
    secure_link_hmac_enforce on;
    secure_link_hmac_pass /internal$uri;
}
location /internal/ { internal; }
--- request
GET /pages/include.html
--- response_body
[the report
]
--- denials: none



=== nor is one of a page that was handed off
--- config
secure_link_hmac_enforce on;
location /shop/ { secure_link_hmac_pass /pages/include.html; }
location /pages/ { internal; ssi on; ssi_types text/plain; }
location /files/ { secure_link_hmac_pass /internal$uri; }
location /internal/ { internal; }
--- request eval
"GET " . link('/shop/1')
--- response_body
[the report
]
--- response_headers
X-Verdict: granted
--- denials: none



=== an SSI include is not logged as a dry run either
--- config
location /pages/ { ssi on; ssi_types text/plain; }
location /files/ {
    secure_link_hmac_enforce dry_run;
    secure_link_hmac_pass /internal$uri;
}
location /internal/ { internal; }
--- request
GET /pages/include.html
--- response_body
[the report
]
--- denials: none



=== an SSI page under enforcement is served with its includes to who has its link
--- config
ssi on;
ssi_types text/plain;
secure_link_hmac_enforce on;
location /files/ { secure_link_hmac_leeway 1s; }
--- request eval
["GET " . link('/pages/include.html'), "GET /pages/include.html"]
--- error_code eval
[200, 403]
--- response_body_like eval
[qr/\A\[the report\n\]$/, qr/403 Forbidden/]



=== variables in a subrequest are those of the main request
--- config
location /pages/ {
    ssi on;
    ssi_types text/plain;
    secure_link_hmac_enforce on;
}
location = /pages/verdict.html {
    ssi on;
    ssi_types text/plain;
    secure_link_hmac_leeway 1s;
    secure_link_hmac_enforce on;
}
--- request eval
"GET " . link('/pages/nested.html')
--- response_body
(main granted 3600
)



=== variables in a subrequest are those of the main request, also where nothing is enforced
--- config
location /pages/ {
    ssi on;
    ssi_types text/plain;
}
location = /pages/verdict.html {
    ssi on;
    ssi_types text/plain;
    secure_link_hmac off;
}
--- request eval
["GET " . link('/pages/nested.html'), "GET /pages/nested.html", "GET " . link('/pages/nested.html', secret => other_secret)]
--- response_body eval
["(main granted 3600\n)\n", "(main missing (none)\n)\n", "(main forged 3600\n)\n"]



=== variables in a subrequest where the main request has no link
--- config
location /pages/ {
    ssi on;
    ssi_types text/plain;
    secure_link_hmac off;
}
location = /pages/verdict.html {
    ssi on;
    ssi_types text/plain;
    secure_link_hmac $arg_st,$arg_ts,$arg_e;
    secure_link_hmac_enforce on;
}
--- request eval
"GET " . link('/pages/nested.html')
--- response_body
(main (none) (none)
)



=== auth_request's subrequest is not checked under its location's policy
--- config
secure_link_hmac_enforce on;
location /files/ { auth_request /answers/yes; }
location /answers/ { secure_link_hmac_leeway 1s; }
--- request eval
["GET " . link('/files/report.txt'), "GET /files/report.txt"]
--- error_code eval
[200, 403]
--- response_headers eval
["X-Verdict: granted", "X-Verdict: missing"]



=== nor is it handed off
--- config
log_subrequest on;
secure_link_hmac_enforce on;
location /files/ { auth_request /answers/yes; }
location /answers/ { secure_link_hmac_pass /internal$uri; }
location /internal/ { internal; }
--- request eval
"GET " . link('/files/report.txt')
--- response_body
the report
--- access_log
/answers/yes
--- no_access_log
/internal/
--- denials: none



=== what auth_request asks is told the main request's verdict
--- config
location /files/ {
    satisfy any;
    auth_request /ask;
    secure_link_hmac_enforce on;
}
location = /ask {
    proxy_set_header X-Verdict $secure_link_hmac_status;
    proxy_pass http://127.0.0.1:$TEST_NGINX_SERVER_PORT/backend;
}
location /backend {
    secure_link_hmac off;
    if ($http_x_verdict = expired) { return 204; }
    return 403;
}
--- request eval
["GET " . link('/files/report.txt', ts => time() - 7200), "GET " . link('/files/report.txt', secret => other_secret)]
--- error_code eval
[200, 403]



=== a mirrored request is neither checked nor handed off
--- config
log_subrequest on;
secure_link_hmac_enforce on;
location /files/ { mirror /mirror; }
location = /mirror {
    secure_link_hmac_leeway 1s;
    secure_link_hmac_pass /internal/files/report.txt;
    proxy_pass http://127.0.0.1:$TEST_NGINX_SERVER_PORT/backend;
}
location /backend {
    secure_link_hmac off;
    secure_link_hmac_enforce off;
    return 200 "got it\n";
}
location /internal/ { internal; }
--- request eval
"GET " . link('/files/report.txt')
--- response_body
the report
--- wait: 0.2
--- denials: none
--- access_log
/backend
--- no_access_log
/internal/



=== a denied request is not mirrored
--- config
log_subrequest on;
secure_link_hmac_enforce on;
location /files/ { mirror /mirror; }
location = /mirror { return 204; }
--- request
GET /files/report.txt
--- error_code: 403
--- wait: 0.2
--- denials
denied: verdict=missing
--- no_access_log
/mirror



=== a file that slice fetches in pieces is checked once and whole
--- config
location = /big.txt {
    secure_link_hmac_enforce on;
    slice 10;
    proxy_set_header Range $slice_range;
    proxy_pass http://127.0.0.1:$TEST_NGINX_SERVER_PORT/backend/big.txt;
}
location /backend/ {
    secure_link_hmac off;
    alias html/;
}
--- user_files
>>> backend/big.txt
0123456789abcdefghijklmnopqrstuvwxyz
--- request eval
["GET " . link('/big.txt'), "GET /big.txt"]
--- error_code eval
[200, 403]
--- response_body_like eval
[qr/\A0123456789abcdefghijklmnopqrstuvwxyz$/, qr/403 Forbidden/]



=== a hand-off to slice is checked once and whole
--- config
secure_link_hmac_enforce on;
location = /big.txt { secure_link_hmac_pass /sliced/big.txt; }
location /sliced/ {
    internal;
    slice 10;
    proxy_set_header Range $slice_range;
    proxy_pass http://127.0.0.1:$TEST_NGINX_SERVER_PORT/backend/;
}
location /backend/ {
    secure_link_hmac off;
    secure_link_hmac_enforce off;
    alias html/internal/;
}
--- request eval
"GET " . link('/big.txt')
--- response_body
0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ
--- response_headers
X-Verdict: granted
--- denials: none



=== what is added before and after a body is neither checked nor handed off
--- config
secure_link_hmac_enforce on;
location /files/ {
    addition_types text/plain;
    add_before_body /answers/yes;
    add_after_body /sorry.txt;
}
location /answers/ {
    secure_link_hmac_leeway 1s;
    secure_link_hmac_pass /internal/files/report.txt;
}
location /internal/ { internal; }
--- request eval
"GET " . link('/files/report.txt')
--- response_body
yes
the report
sorry
--- denials: none



=== a subrequest of a denial's error_page
--- config
ssi on;
ssi_types text/plain;
secure_link_hmac_enforce on;
location /files/ { secure_link_hmac_pass /internal$uri; }
location /internal/ { internal; }
error_page 403 /pages/include.html;
--- request
GET /files/report.txt
--- error_code: 403
--- response_body
[the report
]
--- denials
denied: verdict=missing
