# What a request is handed off to: files, backends, named locations.

use strict;
use warnings;

use lib 't/lib';
use Test::Nginx::Socket 'no_plan';
use SecureLink;
use LinkedFiles <<'_END_';
>>> internal/files/digits.txt
0123456789
_END_

run_tests();

__DATA__

=== a good link is handed to the internal location, with its verdict to the end
--- config
location /files/ {
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
--- denials: none
--- no_error_log
[error]



=== a bad one is not
--- config
location /files/ {
    secure_link_hmac_enforce on;
    secure_link_hmac_pass /internal$uri;
}
location /internal/ { internal; }
--- request eval
["GET /files/report.txt", "GET " . link('/files/report.txt', ts => time() - 7200)]
--- error_code eval
[403, 410]
--- response_body_unlike eval
["report", "report"]



=== the internal location asked for directly is 404
--- config
location /files/ {
    secure_link_hmac_enforce on;
    secure_link_hmac_pass /internal$uri;
}
location /internal/ { internal; }
--- request eval
["GET /internal/files/report.txt", "GET " . link('/internal/files/report.txt'), "GET /internal/files/report.txt?" . link_args('/files/report.txt')]
--- error_code eval
[404, 404, 404]



=== a file that is not there is 404, after a grant only
--- config
location /files/ {
    secure_link_hmac_enforce on;
    secure_link_hmac_pass /internal$uri;
}
location /internal/ { internal; }
--- request eval
["GET " . link('/files/x'), "GET /files/x"]
--- error_code eval
[404, 403]
--- response_headers eval
["X-Verdict: granted", "X-Verdict: missing"]



=== HEAD has the length of the file and no body
--- config
location /files/ {
    secure_link_hmac_enforce on;
    secure_link_hmac_pass /internal$uri;
}
location /internal/ { internal; }
--- request eval
"HEAD " . link('/files/report.txt')
--- error_code: 200
--- response_headers
Content-Length: 24
X-Verdict: granted
--- response_body



=== a range of the file
--- config
location /files/ {
    secure_link_hmac_enforce on;
    secure_link_hmac_pass /internal$uri;
}
location /internal/ { internal; }
--- more_headers
Range: bytes=2-4
--- request eval
"GET " . link('/files/digits.txt')
--- error_code: 206
--- response_headers
Content-Range: bytes 2-4/11
X-Verdict: granted
--- response_body chop
234



=== several ranges of the file
--- config
location /files/ {
    secure_link_hmac_enforce on;
    secure_link_hmac_pass /internal$uri;
}
location /internal/ { internal; }
--- more_headers
Range: bytes=0-1,8-9
--- request eval
"GET " . link('/files/digits.txt')
--- error_code: 206
--- response_body_like eval
qr{Content-Range: bytes 0-1/11\r\n\r\n01\r\n--\d+\r\n.*Content-Range: bytes 8-9/11\r\n\r\n89\r\n--\d+--}s



=== a range of a denial is nothing but a denial
--- config
location /files/ {
    secure_link_hmac_enforce on;
    secure_link_hmac_pass /internal$uri;
}
location /internal/ { internal; }
--- more_headers
Range: bytes=2-4
--- request
GET /files/digits.txt
--- error_code: 403



=== conditional requests
--- config
location /files/ {
    secure_link_hmac_enforce on;
    secure_link_hmac_pass /internal$uri;
}
location /internal/ { internal; }
--- more_headers eval
["If-None-Match: *", "If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT\nIf-None-Match: \"x\"", "If-Match: \"x\"", "If-None-Match: *"]
--- request eval
["GET " . link('/files/report.txt'), "GET " . link('/files/report.txt'), "GET " . link('/files/report.txt'), "GET /files/report.txt"]
--- error_code eval
[304, 200, 412, 403]



=== a hand-off to proxy_pass
--- config
location /files/ {
    secure_link_hmac_enforce on;
    secure_link_hmac_pass /storage$uri;
}
location /storage/ {
    internal;
    proxy_pass http://127.0.0.1:$TEST_NGINX_SERVER_PORT/backend/;
}
location /backend/ {
    secure_link_hmac off;
    return 200 "$request_method $request_uri\n";
}
--- request eval
["GET " . link('/files/report.txt'), "HEAD " . link('/files/report.txt'), "GET /files/report.txt"]
--- error_code eval
[200, 200, 403]
--- response_body_like eval
[qr{\AGET /backend/files/report.txt$}, qr/\A\z/, qr/403 Forbidden/]



=== a backend is asked for the escaped path
--- config
location /files/ {
    secure_link_hmac_enforce on;
    secure_link_hmac_pass /storage$uri;
}
location /storage/ {
    internal;
    proxy_pass http://127.0.0.1:$TEST_NGINX_SERVER_PORT/backend/;
}
location /backend/ {
    secure_link_hmac off;
    return 200 "$request_uri $http_x_injected\n";
}
--- request eval
["GET /files/a%20b%3Fc%23d%25.txt?" . link_args('/files/a b?c#d%.txt'), "GET /files/a%0D%0AX-Injected:%201%0D%0A?" . link_args("/files/a\r\nX-Injected: 1\r\n")]
--- response_body eval
["/backend/files/a%20b%3Fc%23d%25.txt \n", "/backend/files/a%0D%0AX-Injected:%201%0D%0A \n"]



=== the method and the body stay
--- config
location /files/ {
    secure_link_hmac_methods POST PUT;
    secure_link_hmac_enforce on;
    secure_link_hmac_pass /storage$uri;
}
location /storage/ {
    internal;
    proxy_set_header X-Body $request_body;
    proxy_pass http://127.0.0.1:$TEST_NGINX_SERVER_PORT/backend/;
}
location /backend/ {
    secure_link_hmac off;
    return 200 "$request_method $http_x_body\n";
}
--- request eval
["POST " . link('/files/report.txt') . "\nhello", "PUT " . link('/files/report.txt') . "\nhello again", "GET " . link('/files/report.txt')]
--- error_code eval
[200, 200, 403]
--- response_body_like eval
[qr/\APOST hello$/, qr/\APUT hello again$/, qr/403 Forbidden/]



=== arguments are dropped
--- config
location /files/ {
    secure_link_hmac_enforce on;
    secure_link_hmac_pass /internal$uri;
}
location /internal/ { internal; return 200 "$uri [$is_args$args]\n"; }
--- request eval
"GET " . link('/files/report.txt', args => 'page=2')
--- response_body
/internal/files/report.txt []



=== arguments that are written are set
--- config
location /files/ {
    secure_link_hmac_enforce on;
    secure_link_hmac_pass /internal$uri?page=$arg_page&from=link;
}
location /internal/ { internal; return 200 "$uri [$is_args$args] $arg_page\n"; }
--- request eval
"GET " . link('/files/report.txt', args => 'page=2')
--- response_body
/internal/files/report.txt [?page=2&from=link] 2



=== all other arguments of the request, by $secure_link_hmac_args
--- config
location /files/ {
    secure_link_hmac_enforce on;
    secure_link_hmac_pass /internal$uri?$secure_link_hmac_args;
}
location /internal/ { internal; return 200 "$uri [$is_args$args] ($secure_link_hmac_args)\n"; }
--- request eval
"GET " . link('/files/report.txt', args => 'page=2&size=l')
--- response_body
/internal/files/report.txt [?page=2&size=l] (page=2&size=l)



=== a named location, where URI and arguments stay
--- config
location /files/ {
    secure_link_hmac_enforce on;
    secure_link_hmac_pass @storage;
}
location @storage { return 200 "$uri $arg_page $secure_link_hmac_status $request_method\n"; }
--- request eval
["GET " . link('/files/report.txt', args => 'page=2'), "GET /files/report.txt"]
--- error_code eval
[200, 403]
--- response_body_like eval
[qr{\A/files/report.txt 2 granted GET$}, qr/403/]



=== a named location that asks a backend
--- config
location /files/ {
    secure_link_hmac_enforce on;
    secure_link_hmac_pass @storage;
}
location @storage { proxy_pass http://127.0.0.1:$TEST_NGINX_SERVER_PORT/backend$uri?$secure_link_hmac_args; }
location /backend/ {
    secure_link_hmac off;
    return 200 "$request_method $request_uri\n";
}
--- request eval
"GET " . link('/files/report.txt', args => 'page=2')
--- response_body
GET /backend/files/report.txt?page=2
