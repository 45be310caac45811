use lib 't/lib';
use Test::Nginx::Socket 'no_plan';
use SecureLink;
use LinkedFiles <<'_END_';
>>> ../conf/users
ben:{PLAIN}ben
>>> internal/files/digits.txt
0123456789
>>> internal/files/what?.txt
what?
>>> internal/files/what
not that
>>> internal/files/100%25.txt
not decoded
>>> secret.txt
secret
_END_

our $ben = 'Authorization: Basic YmVuOmJlbg==';

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



=== a variable may hold all of the path
--- http_config
    map $uri $target {
        ~^/files/(?<name>\w+)  /internal/files/$name.txt;
    }
--- config
location /files/ {
    secure_link_hmac_enforce on;
    secure_link_hmac_pass $target;
}
location /internal/ { internal; }
--- request eval
"GET " . link('/files/report')
--- response_body
the report, handed over



=== a path without variables
--- config
location /files/ {
    secure_link_hmac_enforce on;
    secure_link_hmac_pass /internal/files/digits.txt;
}
location /internal/ { internal; }
--- request eval
"GET " . link('/files/report.txt')
--- response_body
0123456789



=== a question mark in a variable's value belongs to the path
--- config
location /files/ {
    secure_link_hmac_enforce on;
    secure_link_hmac_pass /internal$uri;
}
location /internal/ { internal; add_header X-Args "[$args]"; }
--- request eval
"GET /files/what%3F.txt?" . link_args('/files/what?.txt')
--- response_body
what?
--- response_headers
X-Args: []



=== the same with arguments behind it
--- config
location /files/ {
    secure_link_hmac_enforce on;
    secure_link_hmac_pass /internal$uri?a=1;
}
location /internal/ { internal; add_header X-Args "[$args]"; }
--- request eval
"GET /files/what%3F.txt?" . link_args('/files/what?.txt')
--- response_body
what?
--- response_headers
X-Args: [a=1]



=== nothing is decoded a second time
--- config
location /files/ {
    secure_link_hmac_enforce on;
    secure_link_hmac_pass /internal$uri;
}
location /internal/ { internal; }
location /internal/files/a { internal; return 200 "$uri\n"; }
--- request eval
["GET /files/a%20b.txt?" . link_args('/files/a b.txt'), "GET /files/100%2525.txt?" . link_args('/files/100%25.txt')]
--- response_body eval
["/internal/files/a b.txt\n", "not decoded\n"]



=== a path with a ".." segment is 500 and an error
--- config
location /files/ {
    secure_link_hmac_enforce on;
    secure_link_hmac_pass /internal/$arg_to;
}
location /internal/ { internal; }
--- request eval
"GET " . link('/files/report.txt', args => 'to=../secret.txt')
--- error_code: 500
--- response_headers
X-Verdict: granted
--- error_log eval
qr/\[error\] .*secure_link_hmac/



=== wherever the segment stands
--- config
location /files/ {
    secure_link_hmac_enforce on;
    secure_link_hmac_pass /internal/$arg_to;
}
location /internal/ { internal; }
location /secret.txt { internal; }
--- request eval
[map { "GET " . link('/files/report.txt', args => "to=$_") } '..', 'files/..', 'files/../../secret.txt', '/../secret.txt', '../../../../../etc/passwd']
--- error_code eval
[500, 500, 500, 500, 500]



=== dots in a name are a name
--- config
location /files/ {
    secure_link_hmac_enforce on;
    secure_link_hmac_pass /internal/$arg_to;
}
location /internal/ { internal; return 200 "$uri\n"; }
--- request eval
[map { "GET " . link('/files/report.txt', args => "to=$_") } 'a..b', '..a', 'a..', '...', 'a../b', '%2e%2e/secret.txt']
--- response_body eval
["/internal/a..b\n", "/internal/..a\n", "/internal/a..\n", "/internal/...\n", "/internal/a../b\n", "/internal/%2e%2e/secret.txt\n"]



=== ".." in arguments is nobody's harm
--- config
location /files/ {
    secure_link_hmac_enforce on;
    secure_link_hmac_pass /internal$uri?from=$arg_to;
}
location /internal/ { internal; return 200 "$args\n"; }
--- request eval
"GET " . link('/files/report.txt', args => "to=/../x")
--- response_body
from=/../x



=== a path that does not begin with a slash is 500 and an error
--- config
location /files/ {
    secure_link_hmac_enforce on;
    secure_link_hmac_pass $arg_to;
}
location /internal/ { internal; }
--- request eval
"GET " . link('/files/report.txt', args => 'to=internal/files/report.txt')
--- error_code: 500
--- error_log eval
qr/\[error\] .*secure_link_hmac/



=== nor is a name or nothing at all a path
--- config
location /files/ {
    secure_link_hmac_enforce on;
    secure_link_hmac_pass $arg_to;
}
location @named { secure_link_hmac off; return 200 "named\n"; }
location /internal/ { internal; }
--- request eval
["GET " . link('/files/report.txt', args => 'to=@named'), "GET " . link('/files/report.txt')]
--- error_code eval
[500, 500]



=== a NUL is 500 and an error
--- http_config eval
"map \$uri \$target { default /internal/files/report.txt\0.pdf; }\n"
--- config
location /files/ {
    secure_link_hmac_enforce on;
    secure_link_hmac_pass $target;
}
location /internal/ { internal; }
--- request eval
"GET " . link('/files/report.txt')
--- error_code: 500
--- error_log eval
qr/\[error\] .*secure_link_hmac/



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
