# Links over HTTP/0.9, 1.0, 1.1 and 2.

use strict;
use warnings;

use lib 't/lib';
use Test::Nginx::Socket 'no_plan';
use SecureLink;
use LinkedFiles;

# Test::Nginx writes "http2 on", which nginx has since 1.25.1, for all from 1.19.9 on.
add_block_preprocessor(sub {
    my ($block) = @_;
    if (defined $block->http2 && $Test::Nginx::Util::NginxVersion < 1.025001) {
        $Test::Nginx::Util::NginxVersion = 1.019008;
    }
});

run_tests();

__DATA__

=== HTTP/1.0 without a Host
--- config
location /files/ {
    secure_link_hmac_enforce on;
    secure_link_hmac_pass /internal$uri;
}
location /internal/ { internal; }
--- raw_request eval
"GET " . link('/files/report.txt') . " HTTP/1.0\r\n\r\n"
--- response_body
the report, handed over
--- response_headers
X-Verdict: granted



=== HTTP/1.0, denied
--- config
location /files/ { secure_link_hmac_enforce on; }
--- raw_request eval
"GET " . link('/files/report.txt', ts => time() - 7200) . " HTTP/1.0\r\n\r\n"
--- error_code: 410
--- response_headers
X-Verdict: expired



=== HTTP/0.9
--- config
location /files/ {
    secure_link_hmac_enforce on;
    secure_link_hmac_pass /internal$uri;
}
location /internal/ { internal; }
--- raw_request eval
"GET " . link('/files/report.txt') . "\r\n"
--- http09
--- response_body
the report, handed over



=== HTTP/0.9, denied
--- config
location /files/ {
    secure_link_hmac_enforce on;
    secure_link_hmac_pass /internal$uri;
}
location /internal/ { internal; }
--- raw_request eval
"GET /files/report.txt\r\n"
--- http09
--- response_body_like: 403 Forbidden
--- denials
denied: verdict=missing



=== a good link over HTTP/2
--- config
location /files/ {
    secure_link_hmac_enforce on;
    secure_link_hmac_pass /internal$uri;
}
location /internal/ { internal; }
--- http2
--- request eval
"GET " . link('/files/report.txt')
--- response_body
the report, handed over
--- response_headers
X-Verdict: granted
--- denials: none



=== a forged one over HTTP/2
--- config
location /files/ { secure_link_hmac_enforce on; }
--- http2
--- request eval
"GET " . link('/files/report.txt', secret => other_secret)
--- error_code: 403
--- response_headers
X-Verdict: forged
--- denials
denied: verdict=forged



=== a body over HTTP/2 goes along with the hand-off
--- http_config
    server {
        listen unix:$TEST_NGINX_SERVER_ROOT/backend.sock;
        location / {
            secure_link_hmac off;
            return 200 "$request_method $request_uri $http_x_body\n";
        }
    }
--- config
location /files/ {
    secure_link_hmac_methods POST;
    secure_link_hmac_enforce on;
    secure_link_hmac_pass /storage$uri;
}
location /storage/ {
    internal;
    proxy_set_header X-Body $request_body;
    proxy_pass http://unix:$TEST_NGINX_SERVER_ROOT/backend.sock:/backend/;
}
--- http2
--- request eval
"POST " . link('/files/report.txt') . "\nhello"
--- response_body
POST /backend/files/report.txt hello
--- response_headers
X-Verdict: granted



=== a range over HTTP/2
--- config
location /files/ {
    secure_link_hmac_enforce on;
    secure_link_hmac_pass /internal$uri;
}
location /internal/ { internal; }
--- http2
--- more_headers
Range: bytes=4-9
--- request eval
"GET " . link('/files/report.txt')
--- error_code: 206
--- response_body chop
report



=== a credential in cookies over HTTP/2
--- config
location /files/ {
    secure_link_hmac $cookie_st,$cookie_ts,$cookie_e;
    secure_link_hmac_message $uri|$cookie_ts|$cookie_e;
    secure_link_hmac_enforce on;
}
--- http2
--- more_headers eval
my ($st, $ts, $e) = link('/files/report.txt') =~ /st=(.*)&ts=(.*)&e=(.*)/;
"Cookie: a=1; st=$st; ts=$ts; e=$e"
--- request
GET /files/report.txt
--- response_body
the report
--- response_headers
X-Verdict: granted



=== a credential in headers over HTTP/2
--- config
location /files/ {
    secure_link_hmac $http_x_st,$http_x_ts,$http_x_e;
    secure_link_hmac_message $uri|$http_x_ts|$http_x_e;
    secure_link_hmac_enforce on;
}
--- http2
--- more_headers eval
my ($st, $ts, $e) = link('/files/report.txt') =~ /st=(.*)&ts=(.*)&e=(.*)/;
"X-St: $st\nX-Ts: $ts\nX-E: $e"
--- request
GET /files/report.txt
--- response_body
the report
--- response_headers
X-Verdict: granted



=== HEAD over HTTP/2
--- config
location /files/ { secure_link_hmac_enforce on; }
--- http2
--- request eval
"HEAD " . link('/files/report.txt', secret => other_secret)
--- error_code: 403
--- response_headers
X-Verdict: forged



=== an absolute request target is the same link
--- config
location /files/ {
    secure_link_hmac_enforce on;
    secure_link_hmac_pass /internal$uri;
}
location /internal/ { internal; }
--- raw_request eval
"GET http://localhost" . link('/files/report.txt') . " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
--- response_body
the report, handed over
--- response_headers
X-Verdict: granted



=== an absolute request target without a link
--- config
location /files/ { secure_link_hmac_enforce on; }
--- raw_request eval
"GET http://elsewhere/files/report.txt HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
--- error_code: 403
--- response_headers
X-Verdict: missing



=== links on one connection are checked each for itself
--- config
location /files/ { secure_link_hmac_enforce on; }
--- pipelined_requests eval
[
    "GET " . link('/files/report.txt'),
    "GET /files/report.txt",
    "GET " . link('/files/report.txt', secret => other_secret),
    "GET " . link('/files/report.txt'),
    "GET " . link('/files/report.txt', ts => time() - 7200),
    "GET /files/report.txt",
]
--- error_code eval
[200, 403, 403, 200, 410, 403]
--- response_headers eval
[map { "X-Verdict: $_" } qw(granted missing forged granted expired missing)]



=== hand-offs on one connection
--- config
location /files/ {
    secure_link_hmac_enforce on;
    secure_link_hmac_pass /internal$uri;
}
location /internal/ { internal; }
--- pipelined_requests eval
[
    "GET " . link('/files/report.txt'),
    "GET /internal/files/report.txt",
    "GET /files/report.txt",
    "GET " . link('/files/report.txt'),
]
--- error_code eval
[200, 404, 403, 200]
--- response_body_like eval
[qr/handed over/, qr/404 Not Found/, qr/403 Forbidden/, qr/handed over/]



=== a denied HEAD has no body
--- config
location /files/ { secure_link_hmac_enforce on; }
--- request
HEAD /files/report.txt
--- error_code: 403
--- response_body
--- response_headers
X-Verdict: missing
--- denials
denied: verdict=missing



=== the body of a denied request is read away, and the next request answered
--- config
location /files/ { secure_link_hmac_enforce on; }
--- pipelined_requests eval
["POST /files/report.txt\n" . ('x' x 5000), "GET " . link('/files/report.txt')]
--- error_code eval
[403, 200]



=== a request that ends before it came is nobody's grant
--- config
location /files/ { secure_link_hmac_enforce on; }
--- raw_request eval
"GET " . link('/files/report.txt') . " HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n"
--- error_code: 400
--- response_body_unlike: the report



=== a method that nginx does not know
--- config
location /files/ { secure_link_hmac_enforce on; }
--- raw_request eval
"BREW " . link('/files/report.txt') . " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
--- error_code: 403
--- response_headers
X-Verdict: out_of_scope
