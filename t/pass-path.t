# The path of a hand-off, and what is wrong with one.

use strict;
use warnings;

use lib 't/lib';
use Test::Nginx::Socket 'no_plan';
use SecureLink;
use LinkedFiles <<'_END_';
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

run_tests();

__DATA__

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



=== a line end in the arguments is 500 and an error, and no header of the request to the upstream
--- http_config
    server {
        listen 127.0.0.1:$TEST_NGINX_RAND_PORT_1;
        location / { return 200 "[$request_uri] [$http_x_injected]\n"; }
    }
--- config
location /files/ {
    secure_link_hmac_enforce on;
    secure_link_hmac_pass /internal/x?key=$uri;
}
location /internal/ { internal; proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1; }
--- request eval
["GET " . link('/files/report.txt'), map { "GET /files/" . s/([^\w.:-])/sprintf '%%%02x', ord $1/egr . '?' . link_args("/files/$_") } "a HTTP/1.0\r\nX-Injected: 1\r\n\r\n", "a b", "a\nb", "a\tb", "a\x7fb", "a\xffb"]
--- error_code eval
[200, (500) x 5, 200]
--- response_body_like eval
[qr{^\[/internal/x\?key=/files/report\.txt\] \[\]$}, (qr/500 Internal/) x 5, qr/^\[/]
--- grep_error_log eval
qr/\[error\] .*?: secure_link_hmac: \Kthe query string "key=.*" of .* has a space or a control byte/
--- grep_error_log_out eval
['', map({ qq(the query string "key=/files/a$_" of "secure_link_hmac_pass" has a space or a control byte\n) } ' HTTP/1.0\x0D\x0AX-Injected: 1\x0D\x0A\x0D\x0A', ' b', '\x0Ab', '\x09b', '\x7Fb'), '']
