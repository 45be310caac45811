# The error_page of a denial, wherever it lies.

use strict;
use warnings;

use lib 't/lib';
use Test::Nginx::Socket 'no_plan';
use SecureLink;
use LinkedFiles;

run_tests();

__DATA__

=== the error_page of a denial may lie under the same policy
--- config
secure_link_hmac_enforce on;
error_page 403 410 /sorry.txt;
--- request eval
"GET " . link('/files/report.txt', secret => other_secret)
--- error_code: 403
--- response_body
sorry
--- response_headers
X-Verdict: forged
--- denials
denied: verdict=forged
--- access_log
verdict=forged status=403



=== a 410 keeps its status there, and its verdict
--- config
secure_link_hmac_enforce on;
error_page 403 410 /sorry.txt;
--- request eval
"GET " . link('/files/report.txt', ts => time() - 7200)
--- error_code: 410
--- response_body
sorry
--- response_headers
X-Verdict: expired
--- denials
denied: verdict=expired



=== the error_page itself is no way in
--- config
secure_link_hmac_enforce on;
error_page 403 /sorry.txt;
--- request
GET /sorry.txt
--- error_code: 403
--- denials
denied: verdict=missing



=== an error_page of another status
--- config
secure_link_hmac_enforce on;
error_page 403 =200 /sorry.txt;
--- request
GET /files/report.txt
--- error_code: 200
--- response_body
sorry
--- response_headers
X-Verdict: missing
--- denials
denied: verdict=missing



=== an error_page of whatever status the target has
--- config
secure_link_hmac_enforce on;
error_page 403 = /sorry.txt;
--- request
GET /files/report.txt
--- error_code: 200
--- response_body
sorry
--- denials
denied: verdict=missing



=== an error_page that is a named location
--- config
secure_link_hmac_enforce on;
error_page 403 @sorry;
location @sorry {
    root html;
    try_files /sorry.txt =500;
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



=== an error_page that is a named location with a status of its own
--- config
secure_link_hmac_enforce on;
error_page 403 = @sorry;
location @sorry {
    root html;
    try_files /sorry.txt =500;
}
--- request
GET /files/report.txt
--- error_code: 200
--- response_body
sorry
--- response_headers
X-Verdict: missing
--- denials
denied: verdict=missing



=== an error_page that a backend answers is told the verdict
--- config
location /files/ {
    secure_link_hmac_enforce on;
    error_page 410 = @backend;
}
location @backend {
    secure_link_hmac_enforce on;
    proxy_set_header X-Verdict $secure_link_hmac_status;
    proxy_pass http://127.0.0.1:$TEST_NGINX_SERVER_PORT;
    rewrite ^ /backend break;
}
location /backend {
    secure_link_hmac off;
    return 200 "sorry, $http_x_verdict\n";
}
--- request eval
"GET " . link('/files/report.txt', ts => time() - 7200)
--- error_code: 200
--- response_body
sorry, expired
--- denials
denied: verdict=expired



=== an error_page that a rewrite answers is told the verdict
--- config
secure_link_hmac_enforce on;
error_page 403 410 = /sorry;
location = /sorry { return 200 "sorry, $secure_link_hmac_status\n"; }
--- request eval
["GET " . link('/files/report.txt', ts => time() - 7200), "GET " . link('/files/report.txt', secret => other_secret)]
--- response_body eval
["sorry, expired\n", "sorry, forged\n"]
--- error_code eval
[200, 200]



=== so it is in a named location, and where nothing is enforced
--- config
location /files/ {
    secure_link_hmac_enforce on;
    error_page 410 @sorry;
    error_page 403 /sorry;
}
location @sorry { return 410 "$secure_link_hmac_status, sorry\n"; }
location = /sorry {
    if ($secure_link_hmac_status = missing) { return 200 "no link\n"; }
    return 200 "sorry, $secure_link_hmac_status\n";
}
--- request eval
["GET " . link('/files/report.txt', ts => time() - 7200), "GET " . link('/files/report.txt', secret => other_secret)]
--- response_body eval
["expired, sorry\n", "sorry, forged\n"]
--- error_code eval
[410, 403]



=== so it is where another policy is not enforced
--- config
location /files/ {
    secure_link_hmac_leeway 1s;
    secure_link_hmac_enforce on;
    error_page 410 /sorry;
}
location = /sorry { return 200 "sorry, $secure_link_hmac_status\n"; }
--- request eval
"GET " . link('/files/report.txt', ts => time() - 7200)
--- error_code: 410
--- response_body
sorry, expired



=== recursive_error_pages: the error_page may lie under the same policy
--- config
recursive_error_pages on;
secure_link_hmac_enforce on;
error_page 403 /sorry.txt;
--- request
GET /files/report.txt
--- error_code: 403
--- response_body
sorry
--- response_headers
X-Verdict: missing
--- denials
denied: verdict=missing



=== recursive_error_pages: so may the error_page of the error_page
--- config
recursive_error_pages on;
secure_link_hmac_enforce on;
error_page 403 /nothing.txt;
error_page 404 /sorry.txt;
--- request
GET /files/report.txt
--- error_code: 404
--- response_body
sorry
--- response_headers
X-Verdict: missing
--- denials
denied: verdict=missing



=== recursive_error_pages: with a status of the target's and a named location
--- config
recursive_error_pages on;
secure_link_hmac_enforce on;
error_page 403 = @sorry;
error_page 404 = /sorry.txt;
location @sorry {
    root html;
    try_files /nothing.txt =404;
}
--- request
GET /files/report.txt
--- error_code: 200
--- response_body
sorry
--- denials
denied: verdict=missing



=== a denied request is not handed off where the error_page lies
--- config
location /files/ {
    secure_link_hmac_enforce on;
    secure_link_hmac_pass /internal$uri;
    error_page 403 /files/report.txt;
}
location /internal/ { internal; }
--- request
GET /files/x
--- error_code: 403
--- response_body
the report
--- denials
denied: verdict=missing



=== recursive_error_pages: nor there
--- config
location /files/ {
    recursive_error_pages on;
    secure_link_hmac_enforce on;
    secure_link_hmac_pass /internal$uri;
    error_page 403 = /files/report.txt;
}
location /internal/ { internal; }
--- request
GET /files/x
--- error_code: 200
--- response_body
the report
--- denials
denied: verdict=missing



=== a denied request is not handed off by the location of the same policy where the error_page lies
--- config
secure_link_hmac_enforce on;
error_page 403 = /files/report.txt;
location /files/ { secure_link_hmac_pass /internal$uri; }
location /internal/ { internal; }
--- request
GET /sorry.txt
--- response_body
the report
--- denials
denied: verdict=missing



=== an error_page under another policy is checked by it
--- config
location /files/ {
    secure_link_hmac_enforce on;
    error_page 403 /other/report.txt?$args;
}
location /other/ {
    secure_link_hmac_leeway 1s;
    secure_link_hmac_enforce on;
}
--- request eval
"GET " . link('/files/report.txt', secret => other_secret)
--- error_code: 403
--- response_body_like: 403 Forbidden
--- denials
denied: verdict=forged
denied: verdict=forged



=== an error_page under another policy is served to who has its link
--- config
location /files/ {
    secure_link_hmac_enforce on;
    error_page 403 /other/report.txt?$args;
}
location /other/ {
    secure_link_hmac_secret fedcba9876543210fedcba9876543210;
    secure_link_hmac_message /files/report.txt|$arg_ts|$arg_e;
    secure_link_hmac_enforce on;
}
--- request eval
"GET " . link('/files/report.txt', secret => other_secret)
--- error_code: 403
--- response_body
the other report
--- response_headers
X-Verdict: granted
--- denials
denied: verdict=forged



=== a grant of the error_page's policy is handed off there
--- config
location /files/ {
    secure_link_hmac_enforce on;
    error_page 403 = /other/report.txt?$args;
}
location /other/ {
    secure_link_hmac_secret fedcba9876543210fedcba9876543210;
    secure_link_hmac_message /files/report.txt|$arg_ts|$arg_e;
    secure_link_hmac_enforce on;
    secure_link_hmac_pass /internal/files/report.txt;
}
location /internal/ { internal; }
--- request eval
"GET " . link('/files/report.txt', secret => other_secret)
--- error_code: 200
--- response_body
the report, handed over



=== a policy that denied is not asked again, though another one denied in between
--- config
recursive_error_pages on;
secure_link_hmac_enforce on;
location /files/ { error_page 403 /other/report.txt; }
location /other/ {
    secure_link_hmac_leeway 1s;
    error_page 403 /again.txt;
}
location /again.txt { error_page 403 /never.txt; }
--- user_files
>>> again.txt
sorry again
--- request
GET /files/report.txt
--- error_code: 403
--- response_body
sorry again
--- denials
denied: verdict=missing
denied: verdict=missing



=== an error_page where nothing is enforced is served to all
--- config
location /files/ {
    secure_link_hmac_enforce on;
    error_page 403 /sorry.txt;
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



=== an error_page without a credential has no verdict
--- config
location /files/ {
    secure_link_hmac_enforce on;
    error_page 403 /sorry.txt;
}
location = /sorry.txt { secure_link_hmac off; }
--- request
GET /files/report.txt
--- error_code: 403
--- response_body
sorry
--- denials
denied: verdict=missing



=== a dry run says once what it would deny, though the request is redirected
--- config
secure_link_hmac_enforce dry_run;
location /files/ { index report.txt; }
--- request
GET /files/
--- response_body
the report
--- response_headers
X-Verdict: missing
--- denials
would deny: verdict=missing



=== a dry run says once what it would deny, though the request is handed off
--- config
secure_link_hmac_enforce dry_run;
location /files/ { secure_link_hmac_pass /internal$uri; }
location /internal/ { internal; }
--- request eval
"GET " . link('/files/report.txt', ts => time() - 7200)
--- response_body
the report, handed over
--- response_headers
X-Verdict: expired
--- denials
would deny: verdict=expired
--- access_log
/internal/files/report.txt verdict=expired status=200



=== a denial of a real check follows a dry run
--- config
location /files/ {
    secure_link_hmac_enforce dry_run;
    try_files /nothing /other/report.txt;
}
location /other/ { secure_link_hmac_enforce on; }
--- request
GET /files/report.txt
--- error_code: 403
--- error_log
secure_link_hmac: denied: verdict=missing



=== error pages of other statuses under the policy are served to who was granted
--- config
secure_link_hmac_enforce on;
error_page 404 /sorry.txt;
--- request eval
["GET " . link('/files/nothing'), "GET /files/nothing"]
--- error_code eval
[404, 403]
--- response_body_like eval
[qr/\Asorry$/, qr/403 Forbidden/]
