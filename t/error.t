use lib 't/lib';
use Test::Nginx::Socket 'no_plan';
use SecureLink;
use LinkedFiles;

run_tests();

__DATA__

=== without a table each verdict has its own status
--- config
secure_link_hmac_enforce on;
secure_link_hmac_leeway 1s;
location /files/ { secure_link_hmac_revoke $arg_revoked; }
--- request eval
my $path = '/files/report.txt';
[
    "GET $path",
    "GET " . link($path, st => '***'),
    "GET " . link($path, secret => other_secret),
    "GET " . link($path, ts => time() + 600),
    "GET " . link($path, ts => time() - 7200),
    "POST " . link($path),
    "GET " . link($path, args => 'revoked=1'),
]
--- error_code eval
[403, 403, 403, 403, 410, 403, 403]
--- response_headers eval
[map { "X-Verdict: $_" } qw(missing malformed forged early expired out_of_scope revoked)]



=== each verdict has the status that the table says
--- config
secure_link_hmac_enforce on;
secure_link_hmac_leeway 1s;
secure_link_hmac_error missing=401 malformed=400 unknown_key=404 forged=451 early=425 expired=418
    out_of_scope=405 revoked=423 exhausted=429 unavailable=502;
location /files/ { secure_link_hmac_revoke $arg_revoked; }
--- request eval
my $path = '/files/report.txt';
[
    "GET $path",
    "GET " . link($path, st => '***'),
    "GET " . link($path, secret => other_secret),
    "GET " . link($path, ts => time() + 600),
    "GET " . link($path, ts => time() - 7200),
    "POST " . link($path),
    "GET " . link($path, args => 'revoked=1'),
    "GET " . link($path),
]
--- error_code eval
[401, 400, 451, 425, 418, 405, 423, 200]
--- response_headers eval
[map { "X-Verdict: $_" } qw(missing malformed forged early expired out_of_scope revoked granted)]



=== an unusable secret has the status of unknown_key
--- http_config
map $uri $empty { default ""; }
--- config
location /files/ {
    secure_link_hmac_secret $empty;
    secure_link_hmac_enforce on;
    secure_link_hmac_error unknown_key=404;
}
--- request eval
"GET " . link('/files/report.txt')
--- error_code: 404
--- response_headers
X-Verdict: unknown_key



=== a 401 of the table asks for nothing
--- config
secure_link_hmac_enforce on;
secure_link_hmac_error missing=401;
--- request
GET /files/report.txt
--- error_code: 401
--- raw_response_headers_unlike: WWW-Authenticate
--- response_body_like: 401 Authorization Required



=== the first and the last status that are allowed
--- config
location /files/ {
    secure_link_hmac_enforce on;
    secure_link_hmac_error missing=400 forged=599;
}
--- request eval
["GET /files/report.txt", "GET " . link('/files/report.txt', secret => other_secret)]
--- error_code eval
[400, 599]



=== 444 closes the connection without an answer
--- config
location /files/ {
    secure_link_hmac_enforce on;
    secure_link_hmac_error forged=444;
}
--- request eval
"GET " . link('/files/report.txt', secret => other_secret)
--- http09
--- response_body:
--- access_log
/files/report.txt verdict=forged status=444
--- denials
denied: verdict=forged



=== a table of a location replaces the inherited one
--- config
secure_link_hmac_enforce on;
secure_link_hmac_error missing=404 expired=404 forged=404;
location /files/ { secure_link_hmac_error forged=451; }
location /other/ { }
--- request eval
[
    map { ("GET $_", "GET " . link($_, secret => other_secret), "GET " . link($_, ts => time() - 7200)) }
        '/files/report.txt', '/other/report.txt'
]
--- error_code eval
[403, 451, 410, 404, 404, 404]



=== a table does not enforce anything
--- config
location /files/ { secure_link_hmac_error missing=404; }
--- request
GET /files/report.txt
--- error_code: 200
--- response_headers
X-Verdict: missing
--- denials: none



=== a table has no say in a dry run
--- config
location /files/ {
    secure_link_hmac_error missing=404;
    secure_link_hmac_enforce dry_run;
}
--- request
GET /files/report.txt
--- error_code: 200
--- denials
would deny: verdict=missing



=== error_page goes by the status of the table
--- config
secure_link_hmac_error missing=401 forged=404 expired=503;
error_page 401 /sorry.txt;
error_page 404 =200 /sorry.txt;
error_page 503 =302 /sorry.txt;
error_page 403 410 /files/nothing.txt;
location /files/ { secure_link_hmac_enforce on; }
location = /sorry.txt { }
--- request eval
my $path = '/files/report.txt';
["GET $path", "GET " . link($path, secret => other_secret), "GET " . link($path, ts => time() - 7200)]
--- error_code eval
[401, 200, 302]
--- response_body_like eval
["^sorry\$", "^sorry\$", "^sorry\$"]
--- response_headers eval
["X-Verdict: missing", "X-Verdict: forged", "X-Verdict: expired"]



=== error_page redirects abroad
--- config
secure_link_hmac_error expired=404;
error_page 404 http://example.com/renew?$args;
location /files/ { secure_link_hmac_enforce on; }
--- request eval
"GET " . link('/files/report.txt', ts => 1700000000, st => token('/files/report.txt|1700000000|60'), e => 60)
--- error_code: 302
--- response_headers eval
"Location: http://example.com/renew?st=" . token('/files/report.txt|1700000000|60') . "&ts=1700000000&e=60"



=== a named location answers a denial with a status of its own
--- config
secure_link_hmac_error missing=404;
error_page 404 = @answer;
location /files/ { secure_link_hmac_enforce on; }
location @answer { return 429 "verdict $secure_link_hmac_status\n"; }
--- request
GET /files/report.txt
--- error_code: 429
--- response_body
verdict missing



=== a status of the table is that of HEAD, too
--- config
secure_link_hmac_error missing=404;
location /files/ { secure_link_hmac_enforce on; }
--- request
HEAD /files/report.txt
--- error_code: 404
--- response_body:



=== a denied upload is not read as the next request
--- config
secure_link_hmac_error missing=402;
location /files/ { secure_link_hmac_enforce on; }
--- pipelined_requests eval
["POST /files/report.txt\r\nx=1", "GET /sorry.txt"]
--- error_code eval
[402, 200]
