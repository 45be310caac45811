# In which phase a check is made, how often, and who may read it before.

use strict;
use warnings;

use lib 't/lib';
use Test::Nginx::Socket 'no_plan';
use SecureLink;
use LinkedFiles;

# Zones outlive a reload: each test has zones of its own.
run_tests();

__DATA__

=== limit_req may be keyed by the verdict
--- http_config
    limit_req_zone $secure_link_hmac_status zone=first:64k rate=1r/m;
--- config
location /files/ {
    limit_req zone=first;
    limit_req_status 429;
    secure_link_hmac_enforce on;
}
--- request eval
["GET /files/report.txt", "GET " . link('/files/report.txt'), "GET " . link('/files/report.txt'), "GET /files/report.txt", "GET " . link('/files/report.txt', secret => other_secret)]
--- error_code eval
[403, 200, 429, 429, 403]
--- response_headers eval
[map { "X-Verdict: $_" } qw(missing granted granted missing forged)]



=== limit_req keyed by the key id lets links without one through
--- http_config
    limit_req_zone $secure_link_hmac_key_id zone=keys:64k rate=1r/m;
--- config
location /files/ {
    limit_req zone=keys;
    secure_link_hmac_enforce on;
}
--- request eval
["GET " . link('/files/report.txt'), "GET " . link('/files/report.txt'), "GET /files/report.txt"]
--- error_code eval
[200, 200, 403]



=== limit_conn may be keyed by the verdict
--- http_config
    limit_conn_zone $secure_link_hmac_status zone=connections:64k;
--- config
location /files/ {
    limit_conn connections 1;
    secure_link_hmac_enforce on;
    secure_link_hmac_pass /internal$uri;
}
location /internal/ { internal; }
--- request eval
["GET " . link('/files/report.txt'), "GET " . link('/files/report.txt', ts => time() - 7200)]
--- error_code eval
[200, 410]
--- response_headers eval
["X-Verdict: granted", "X-Verdict: expired"]



=== what limit_req read is still right in the log of a denial
--- http_config
    limit_req_zone $secure_link_hmac_status zone=logged:64k rate=1000r/s;
--- config
location /files/ {
    limit_req zone=logged;
    secure_link_hmac_enforce on;
}
--- request eval
"GET " . link('/files/report.txt', ts => time() - 7200)
--- error_code: 410
--- access_log
/files/report.txt verdict=expired status=410
--- no_access_log
verdict=granted



=== a verdict read in a rewrite does not stay when the URI changes
--- config
set $early $secure_link_hmac_status;
location /short/ { rewrite ^/short/(.*)$ /files/$1 last; }
location /files/ {
    secure_link_hmac_enforce on;
    add_header X-Verdict "$early, then $secure_link_hmac_status" always;
}
--- request eval
["GET /short/report.txt?" . link_args('/files/report.txt'), "GET " . link('/short/report.txt')]
--- error_code eval
[200, 403]
--- response_headers eval
["X-Verdict: forged, then granted", "X-Verdict: granted, then forged"]
--- access_log
/files/report.txt verdict=



=== a map over the verdict freezes at its first value, a volatile one does not
--- http_config
    map $secure_link_hmac_status $frozen { ~(?<word>.+) $word; }
    map $secure_link_hmac_status $fresh { volatile; ~(?<other_word>.+) $other_word; }
--- config
set $early "$frozen $fresh";
location /short/ { rewrite ^/short/(.*)$ /files/$1 last; }
location /files/ {
    secure_link_hmac_enforce on;
    add_header X-Verdict "$frozen $fresh" always;
}
--- request eval
"GET /short/report.txt?" . link_args('/files/report.txt')
--- error_code: 200
--- response_headers
X-Verdict: forged granted



=== a map over the verdict that was not read before the check is right
--- http_config
    map $secure_link_hmac_status $paid { granted yes; default no; }
--- config
location /files/ {
    secure_link_hmac_enforce on;
    add_header X-Verdict "paid: $paid" always;
}
--- request eval
["GET " . link('/files/report.txt'), "GET /files/report.txt"]
--- response_headers eval
["X-Verdict: paid: yes", "X-Verdict: paid: no"]
--- error_code eval
[200, 403]



=== one check serves every phase and variable
--- http_config
    limit_req_zone $secure_link_hmac_status zone=requests:64k rate=1000r/s;
    limit_conn_zone $secure_link_hmac zone=words:64k;
    map $uri $place_secret {
        volatile;
        default 0123456789abcdef0123456789abcdef;
    }
--- config
location /files/ {
    secure_link_hmac_secret $place_secret;
    secure_link_hmac_enforce on;
    secure_link_hmac_pass /internal$uri;
    limit_req zone=requests;
    limit_conn words 10;
}
location /internal/ {
    internal;
    add_header X-Left "$secure_link_hmac_remaining $secure_link_hmac_expires_at" always;
}
--- log_level: debug
--- request eval
"GET " . link('/files/report.txt')
--- response_body
the report, handed over
--- response_headers_like
X-Left: 3[0-5]\d\d \d{10}
--- access_log
/internal/files/report.txt verdict=granted status=200
--- grep_error_log eval: qr/http map: "[^"]*" "0123456789abcdef\w*"/
--- grep_error_log_out
http map: "/files/report.txt" "0123456789abcdef0123456789abcdef"



=== so it does after a denial
--- http_config
    map $uri $place_secret {
        volatile;
        default 0123456789abcdef0123456789abcdef;
    }
--- config
secure_link_hmac_secret $place_secret;
secure_link_hmac_enforce on;
error_page 403 /sorry.txt;
--- log_level: debug
--- request eval
"GET " . link('/files/report.txt', secret => other_secret)
--- error_code: 403
--- response_body
sorry
--- response_headers
X-Verdict: forged
--- access_log
/sorry.txt verdict=forged status=403
--- grep_error_log eval: qr/http map: "[^"]*" "0123456789abcdef\w*"/
--- grep_error_log_out
http map: "/files/report.txt" "0123456789abcdef0123456789abcdef"



=== what a rewrite read serves its variable and nothing else
--- http_config
    map $uri $place_secret {
        volatile;
        default 0123456789abcdef0123456789abcdef;
    }
--- config
location /files/ {
    secure_link_hmac_secret $place_secret;
    secure_link_hmac_enforce on;
    set $early $secure_link_hmac_status;
    add_header X-Early $early;
}
--- log_level: debug
--- request eval
"GET " . link('/files/report.txt')
--- response_body
the report
--- response_headers
X-Early: granted
--- grep_error_log eval: qr/http map: "[^"]*" "0123456789abcdef\w*"/
--- grep_error_log_out eval
qr/\A(?:http map: "\S+" "\w+"\n){2,}\z/



=== where nothing is read and nothing enforced, nothing is checked
--- no_policy
--- http_config
    access_log off;
    map $uri $place_secret {
        volatile;
        default 0123456789abcdef0123456789abcdef;
    }
    add_header X-Uri $uri;
--- config
location /files/ {
    secure_link_hmac          $arg_st,$arg_ts,$arg_e;
    secure_link_hmac_message  $uri|$arg_ts|$arg_e;
    secure_link_hmac_secret   $place_secret;
    add_header X-Uri $uri;
}
--- log_level: debug
--- request eval
"GET " . link('/files/report.txt')
--- response_body
the report
--- grep_error_log eval: qr/http map: "[^"]*" "0123456789abcdef\w*"/
--- grep_error_log_out



=== a file under a server's policy that is asked for without a location of its own
--- config
secure_link_hmac_enforce on;
--- request eval
["GET " . link('/files/report.txt'), "GET /files/report.txt"]
--- error_code eval
[200, 403]



=== return and if answer before the check, and know the verdict
--- config
location /files/ {
    secure_link_hmac_enforce on;
    if ($secure_link_hmac_status = expired) { return 402; }
    if ($secure_link_hmac = "") { return 409; }
}
--- request eval
["GET " . link('/files/report.txt'), "GET " . link('/files/report.txt', ts => time() - 7200), "GET /files/report.txt"]
--- error_code eval
[200, 402, 409]
