use lib 't/lib';
use Test::Nginx::Socket 'no_plan';
use SecureLink;
use LinkedFiles;

# A link for one thing is no link for another, though the bytes of both messages are the same: values that
# would make them so are refused. What nginx -t refuses beforehand is in tests/nginx-t.pl.

our $now = time;

# The message of a link whose time and lifetime are arguments.
sub signed { return token("$_[0]&$_[1]&60") }

run_tests();

__DATA__

=== a time takes nothing over from its neighbour
--- config
location /files/ {
    secure_link_hmac_message $uri|$arg_ts|$arg_e;
    secure_link_hmac_enforce on;
}
--- request eval
my $signed = token('/files/report.txt|1700000000|2000000000');
[
    "GET /files/report.txt?st=$signed&ts=1700000000&e=2000000000",
    "GET /files/report.txt?st=$signed&ts=1700000000|2000000000&e=",
    "GET /files/report.txt?st=$signed&ts=&e=1700000000|2000000000",
    "GET /files/report.txt%7C1700000000?st=$signed&ts=2000000000",
    "GET /files/report.txt%7C1700000000?st=$signed&ts=2000000000&e=",
]
--- error_code eval
[200, 403, 403, 403, 403]



=== an argument takes nothing over from the path
--- config
location /files/ {
    secure_link_hmac $arg_st;
    secure_link_hmac_message $uri&$arg_user;
    secure_link_hmac_enforce on;
}
--- user_files
>>> files/a&b.txt
a and b
--- request eval
my $signed = token('/files/a&b.txt&joe');
["GET /files/a&b.txt?st=$signed&user=joe", "GET /files/a?st=$signed&user=b.txt&joe",
 "GET /files/a?st=$signed&user=b.txt%26joe", "GET /files/a&b.txt&joe?st=$signed"]
--- error_code eval
[200, 403, 403, 403]



=== a host takes nothing over from an argument (nginx 1.30 refuses this one itself)
--- config
location /files/ {
    secure_link_hmac $arg_st;
    secure_link_hmac_message $host|$arg_user;
    secure_link_hmac_enforce on;
}
--- request eval
"GET /files/report.txt?user=jim&st=" . token('localhost|joe|jim')
--- more_headers
Host: localhost|joe
--- error_code_like: ^40[03]$



=== that argument alone may have what a host may not
--- config
location /files/ {
    secure_link_hmac $arg_st;
    secure_link_hmac_message $host|$arg_user;
    secure_link_hmac_enforce on;
}
--- request eval
"GET /files/report.txt?user=joe|jim&st=" . token('localhost|joe|jim')
--- more_headers
Host: localhost



=== a host takes nothing over from a path
--- config
location ~ ^ {
    secure_link_hmac $arg_st;
    secure_link_hmac_message $host&$arg_user&$uri;
    secure_link_hmac_enforce on;
    try_files /sorry.txt =404;
}
--- request eval
my $signed = token('localhost&joe&/a&/b');
["GET /a&/b?st=$signed&user=joe", "GET /b?st=$signed&user=/a"]
--- more_headers eval
["Host: localhost", "Host: localhost&joe"]
--- error_code eval
[200, 403]



=== a path takes nothing over from a host, in an absolute request target without a path
--- config
location ~ ^ {
    secure_link_hmac $http_x_token;
    secure_link_hmac_message $host$request_uri;
    secure_link_hmac_enforce on;
    try_files /sorry.txt =404;
}
--- raw_request eval
"GET http://localhost?x/y HTTP/1.0\r\nHost: localhost\r\nX-Token: " . token('localhost?x/y') . "\r\n\r\n"
--- error_code: 403



=== a token that is put into the cookie is read as in the argument
--- config
location /files/ {
    secure_link_hmac $arg_st,$arg_ts,$arg_e $cookie_st,$arg_ts,$arg_e;
    secure_link_hmac_message $uri&$arg_ts&$arg_e;
    secure_link_hmac_enforce on;
}
location /other/ {
    secure_link_hmac $arg_st,$arg_ts,$arg_e $cookie_st,$cookie_ts,$cookie_e;
    secure_link_hmac_message "$cookie_ts;$cookie_e;$uri&$arg_ts&$arg_e";
    secure_link_hmac_enforce on;
}
--- request eval
[
    (map { my $link = "GET /files/report.txt?ts=$_&e=60"; ("$link&st=" . main::signed('/files/report.txt', $_), $link) } $::now, $::now - 100000),
    "GET /other/report.txt?ts=$::now&e=60&st=" . main::signed(';;/other/report.txt', $::now),
    ("GET /other/report.txt?ts=$::now&e=60") x 2, "GET /other/report.txt",
]
--- more_headers eval
[
    (map { ('', 'Cookie: st=' . main::signed('/files/report.txt', $_)) } $::now, $::now - 100000),
    '', (map { 'Cookie: st=' . main::signed(';;/other/report.txt', $::now) . $_ } '', "; ts=$::now; e=60"),
    'Cookie: st=' . token("$::now;60;/other/report.txt&&") . "; ts=$::now; e=60",
]
--- error_code eval
[200, 200, 410, 410, 200, 403, 403, 200]
