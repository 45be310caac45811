use lib 't/lib';
use Test::Nginx::Socket 'no_plan';
use SecureLink;
use LinkedFiles;

no_root_location();
run_tests();

__DATA__

=== the policy of http is that of a server without locations
--- config
secure_link_hmac_enforce on;
--- request eval
["GET " . link('/files/report.txt'), "GET /files/report.txt", "GET " . link('/files/report.txt', secret => other_secret)]
--- error_code eval
[200, 403, 403]
--- response_headers eval
["X-Verdict: granted", "X-Verdict: missing", "X-Verdict: forged"]



=== a request outside every location is checked by the server's enforcement, one inside by the location's
--- config
secure_link_hmac_enforce on;
location /files/ { secure_link_hmac_enforce off; }
--- request eval
["GET /other/report.txt", "GET /files/report.txt"]
--- error_code eval
[403, 200]
--- response_headers eval
["X-Verdict: missing", "X-Verdict: missing"]



=== a policy is put together on its way down
--- no_policy
--- http_config
secure_link_hmac_secret fedcba9876543210fedcba9876543210;
--- config
secure_link_hmac_message $uri|$arg_ts|$arg_e;
location /files/ {
    secure_link_hmac $arg_st,$arg_ts,$arg_e;
    location /files/r { secure_link_hmac_enforce on; }
}
--- request eval
["GET " . link('/files/report.txt', secret => other_secret), "GET " . link('/files/report.txt'), "GET /files/x"]
--- error_code eval
[200, 403, 404]



=== a location reads its own credential, and keeps the rest
--- config
secure_link_hmac_enforce on;
location /files/ { secure_link_hmac $http_x_token,$arg_ts,$arg_e; }
--- request eval
["GET /files/report.txt?ts=1700000000&e=2000000000", "GET " . link('/files/report.txt'), "GET " . link('/other/report.txt')]
--- more_headers eval
["X-Token: " . token('/files/report.txt|1700000000|2000000000'), "", ""]
--- error_code eval
[200, 403, 200]



=== a location signs its own message, and keeps the rest
--- config
secure_link_hmac_enforce on;
location /files/ { secure_link_hmac_message $uri&$arg_user&$arg_ts&$arg_e; }
--- request eval
my ($path, $ts) = ('/files/report.txt', time() - 10);
[
    "GET " . link($path, ts => $ts, message => "$path&joe&$ts&3600", args => 'user=joe'),
    "GET " . link($path, ts => $ts, message => "$path&joe&$ts&3600", args => 'user=jim'),
    "GET " . link($path),
    "GET " . link('/other/report.txt'),
]
--- error_code eval
[200, 403, 403, 200]



=== a list of secrets replaces the inherited list
--- no_policy
--- http_config
secure_link_hmac $arg_st,$arg_ts,$arg_e;
secure_link_hmac_message $uri|$arg_ts|$arg_e;
secure_link_hmac_secret first-of-http-0123456789;
secure_link_hmac_secret second-of-http-0123456789;
secure_link_hmac_enforce on;
--- config
location /files/ {
    secure_link_hmac_secret first-of-files-0123456789;
    secure_link_hmac_secret second-of-files-0123456789;
    secure_link_hmac_secret third-of-files-0123456789;
}
--- request eval
my $link = sub { "GET " . link($_[0], secret => "$_[1]-0123456789") };
[
    (map { $link->('/files/report.txt', "$_-of-files") } 'first', 'second', 'third'),
    (map { $link->('/files/report.txt', "$_-of-http") } 'first', 'second'),
    (map { $link->('/other/report.txt', "$_-of-http") } 'first', 'second'),
    (map { $link->('/other/report.txt', "$_-of-files") } 'first', 'second', 'third'),
]
--- error_code eval
[200, 200, 200, 403, 403, 200, 200, 403, 403, 403]



=== a location has its own algorithm, encoding and scheme, and keeps the rest
--- config
secure_link_hmac_enforce on;
location /files/ { secure_link_hmac_algorithm sha1; }
location /internal/ { secure_link_hmac_encoding hex; }
location /other/ {
    secure_link_hmac_scheme template time=expires;
    secure_link_hmac $arg_st,$arg_ts;
    secure_link_hmac_message $uri|$arg_ts;
}
--- request eval
my ($files, $internal, $other) = ('/files/report.txt', '/internal/files/report.txt', '/other/report.txt');
my $soon = time() + 3600;
[
    "GET " . link($files, algorithm => 'sha1'), "GET " . link($files),
    "GET " . link($internal, encoding => 'hex'), "GET " . link($internal),
    "GET " . link($other, ts => $soon, e => undef, message => "$other|$soon"), "GET " . link($other),
    "GET " . link('/sorry.txt'),
]
--- error_code eval
[200, 403, 200, 403, 200, 403, 200]
--- response_headers eval
["X-Verdict: granted", "X-Verdict: malformed", "X-Verdict: granted", "X-Verdict: malformed",
 "X-Verdict: granted", "X-Verdict: forged", "X-Verdict: granted"]



=== leeway, cap and methods are inherited, and replaced one by one
--- config
secure_link_hmac_enforce on;
secure_link_hmac_leeway 5m;
secure_link_hmac_max_lifetime 2h;
secure_link_hmac_methods GET HEAD PUT;
location /files/ { }
location /internal/ { secure_link_hmac_leeway 0; }
location /other/ { secure_link_hmac_max_lifetime 30m; }
location /sorry.txt { secure_link_hmac_methods GET; }
--- request eval
my $old = time() - 3660;
my $link = sub { my ($path, %options) = @_; link($path, %options) };
[
    "GET " . $link->('/files/report.txt', ts => $old),
    "GET " . $link->('/files/report.txt', e => 7260),
    "PUT " . $link->('/files/report.txt'),
    "GET " . $link->('/internal/files/report.txt', ts => $old),
    "GET " . $link->('/internal/files/report.txt', e => 7260),
    "PUT " . $link->('/internal/files/report.txt'),
    "GET " . $link->('/other/report.txt', e => 1860),
    "GET " . $link->('/other/report.txt', ts => time() - 1860, e => 1740),
    "GET " . $link->('/sorry.txt', ts => $old),
    "HEAD " . $link->('/sorry.txt'),
]
--- error_code eval
[200, 410, 405, 410, 410, 405, 410, 200, 200, 403]



=== what revokes a link is inherited, and replaced as a list
--- http_config
map $uri $withdrawn { default ""; ~report 1; }
--- config
secure_link_hmac_enforce on;
secure_link_hmac_revoke 0 $withdrawn;
location /files/ { }
location /other/ { secure_link_hmac_revoke 0; }
location /internal/ { secure_link_hmac_leeway 1s; }
--- request eval
["GET " . link('/files/report.txt'), "GET " . link('/other/report.txt'), "GET " . link('/internal/files/report.txt'),
 "GET " . link('/sorry.txt')]
--- error_code eval
[403, 200, 403, 200]
--- response_headers eval
["X-Verdict: revoked", "X-Verdict: granted", "X-Verdict: revoked", "X-Verdict: granted"]



=== off opens a location below an enforced server, and has no verdict
--- config
secure_link_hmac_enforce on;
location /files/ { secure_link_hmac off; }
--- request eval
["GET /files/report.txt", "GET " . link('/files/report.txt', st => 'x'), "GET /other/report.txt"]
--- error_code eval
[200, 200, 403]
--- raw_response_headers_unlike eval
["X-Verdict", "X-Verdict", "nothing"]
--- access_log
/files/report.txt verdict=- status=200



=== off leaves the message and the secret for tokens
--- config
secure_link_hmac_enforce on;
location /files/ {
    secure_link_hmac off;
    add_header X-Token "token=$secure_link_hmac_token";
}
--- request
GET /files/report.txt?ts=1700000000&e=3600
--- response_headers eval
"X-Token: token=" . token('/files/report.txt|1700000000|3600')



=== below off a location with a credential is checked again
--- config
secure_link_hmac_enforce on;
location /files/ {
    secure_link_hmac off;
    location /files/r {
        secure_link_hmac $arg_st,$arg_ts,$arg_e;
        secure_link_hmac_enforce on;
    }
}
--- request eval
["GET " . link('/files/report.txt'), "GET /files/report.txt", "GET /files/x"]
--- error_code eval
[200, 403, 404]



=== a grant is carried where none of the policy's directives is set
--- config
secure_link_hmac_enforce on;
location /go { try_files /none $arg_to; }
location /same/ {
    location /same/x { alias html/files/report.txt; }
    location /same/deep/ { location /same/deep/x { alias html/files/report.txt; } }
    location /same/on { alias html/files/report.txt; secure_link_hmac_enforce on; }
    location /same/error { alias html/files/report.txt; secure_link_hmac_error missing=404; }
    location /same/bypass { alias html/files/report.txt; secure_link_hmac_bypass 0; }
    location /same/level { alias html/files/report.txt; secure_link_hmac_log_level warn; }
    location /same/pass { secure_link_hmac_pass /internal/files/report.txt; }
    location /same/if { alias html/files/report.txt; if ($uri) { add_header X-If 1; } }
    location /same/limit { alias html/files/report.txt; limit_except GET { deny all; } }
}
location /internal/ { internal; }
--- request eval
[map { "GET " . link('/go', args => "to=/same/$_") } qw(x deep/x on error bypass level pass if limit)]
--- error_code eval
[(200) x 9]
--- response_body eval
[("the report\n") x 6, "the report, handed over\n", ("the report\n") x 2]
--- denials: none



=== each directive of a policy makes one of its own, even with the same text
--- config
secure_link_hmac_enforce on;
location /go { try_files /none $arg_to; }
location /own/credential { secure_link_hmac $arg_st,$arg_ts,$arg_e; }
location /own/scheme { secure_link_hmac_scheme template time=issued; }
location /own/message { secure_link_hmac_message $uri|$arg_ts|$arg_e; }
location /own/secret { secure_link_hmac_secret 0123456789abcdef0123456789abcdef; }
location /own/algorithm { secure_link_hmac_algorithm sha256; }
location /own/encoding { secure_link_hmac_encoding base64url; }
location /own/leeway { secure_link_hmac_leeway 0; }
location /own/max { secure_link_hmac_max_lifetime 0; }
location /own/methods { secure_link_hmac_methods GET HEAD; }
location /own/revoke { secure_link_hmac_revoke 0; }
--- request eval
[map { "GET " . link('/go', args => "to=/own/$_") }
    qw(credential scheme message secret algorithm encoding leeway max methods revoke)]
--- error_code eval
[(403) x 10]
--- response_headers eval
[("X-Verdict: missing") x 10]



=== two locations with the same text have two policies
--- config
location /go {
    secure_link_hmac_leeway 5s;
    secure_link_hmac_enforce on;
    try_files /none /files/report.txt;
}
location /files/ {
    secure_link_hmac_leeway 5s;
    secure_link_hmac_enforce on;
}
--- request eval
"GET " . link('/go')
--- error_code: 403
--- response_headers
X-Verdict: missing
--- denials
denied: verdict=missing



=== limit_except has its location's policy, statuses and level, and an enforcement of its own
--- config
location /files/ {
    secure_link_hmac_methods GET PUT;
    secure_link_hmac_error missing=404 forged=451;
    secure_link_hmac_log_level warn;
    limit_except GET HEAD { secure_link_hmac_enforce on; }
}
--- request eval
["GET /files/report.txt", "PUT /files/report.txt", "PUT " . link('/files/report.txt', secret => other_secret),
 "PUT " . link('/files/report.txt')]
--- error_code eval
[200, 404, 451, 405]



=== limit_except logs at its location's level
--- config
location /files/ {
    secure_link_hmac_log_level warn;
    limit_except GET HEAD { secure_link_hmac_enforce on; }
}
--- request
DELETE /files/report.txt
--- error_code: 403
--- error_log eval
qr/\[warn\].* secure_link_hmac: denied: verdict=missing/
--- denials
denied: verdict=missing



=== an if block has its location's policy and enforcement
--- config
location /files/ {
    secure_link_hmac_enforce on;
    if ($arg_x) { add_header X-If "$secure_link_hmac_status"; }
}
--- request eval
["GET " . link('/files/report.txt', args => 'x=1'), "GET /files/report.txt?x=1"]
--- error_code eval
[200, 403]
--- response_headers eval
["X-If: granted", ""]



=== values of a bypass are replaced as a list
--- http_config
map $http_x_probe $probe { default ""; secret-probe 1; }
--- config
secure_link_hmac_enforce on;
secure_link_hmac_bypass $probe;
location /files/ { }
location /other/ { secure_link_hmac_bypass 0; }
--- request eval
["GET /files/report.txt", "GET /other/report.txt"]
--- more_headers
X-Probe: secret-probe
--- error_code eval
[200, 403]



=== a pass is inherited by nested locations, and turned off there
--- config
secure_link_hmac_enforce on;
location /files/ {
    secure_link_hmac_pass /internal$uri;
    location /files/r { }
    location /files/report.t { secure_link_hmac_pass off; }
}
location /internal/ { internal; }
--- user_files
>>> internal/files/readme.txt
read me, handed over
--- request eval
["GET " . link('/files/readme.txt'), "GET " . link('/files/report.txt')]
--- response_body eval
["read me, handed over\n", "the report\n"]



=== two servers have two policies
--- http_config
server {
    listen $TEST_NGINX_SERVER_PORT;
    server_name second;
    secure_link_hmac_secret fedcba9876543210fedcba9876543210;
    secure_link_hmac_enforce on;
}
--- config
secure_link_hmac_enforce on;
--- request eval
[("GET " . link('/files/report.txt', secret => other_secret), "GET " . link('/files/report.txt')) x 2]
--- more_headers eval
[("Host: second") x 2, ("Host: localhost") x 2]
--- error_code eval
[200, 403, 403, 200]
