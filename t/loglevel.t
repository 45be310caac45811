use lib 't/lib';
use Test::Nginx::Socket 'no_plan';
use SecureLink;
use LinkedFiles;

no_long_string();
run_tests();

__DATA__

=== a denial is one line at info, with verdict, key and message
--- config
location /files/ { secure_link_hmac_enforce on; }
--- request eval
"GET " . link('/files/report.txt', ts => 1700000000, st => 'x')
--- error_code: 403
--- error_log eval
qr{\[info\] \d+#\d+: \*\d+ secure_link_hmac: denied: verdict=malformed key="" message="/files/report\.txt\|1700000000\|3600", client: }
--- denials
denied: verdict=malformed



=== a denial at notice
--- config
secure_link_hmac_log_level notice;
location /files/ { secure_link_hmac_enforce on; }
--- request
GET /files/report.txt
--- error_code: 403
--- error_log eval
qr/\[notice\] .* secure_link_hmac: denied: verdict=missing key="" message="/
--- denials
denied: verdict=missing



=== a denial at warn
--- config
secure_link_hmac_log_level warn;
location /files/ { secure_link_hmac_enforce on; }
--- request
GET /files/report.txt
--- error_code: 403
--- error_log eval
qr/\[warn\] .* secure_link_hmac: denied: verdict=missing key="" message="/
--- denials
denied: verdict=missing



=== a denial at error
--- config
secure_link_hmac_log_level error;
location /files/ { secure_link_hmac_enforce on; }
--- request
GET /files/report.txt
--- error_code: 403
--- error_log eval
qr/\[error\] .* secure_link_hmac: denied: verdict=missing key="" message="/
--- denials
denied: verdict=missing



=== a dry run has the level, too
--- config
secure_link_hmac_log_level error;
location /files/ { secure_link_hmac_enforce dry_run; }
--- request eval
"GET " . link('/files/report.txt', ts => 1700000000, e => 60)
--- error_code: 200
--- error_log eval
qr{\[error\] .* secure_link_hmac: dry run, would deny: verdict=expired key="" message="/files/report\.txt\|1700000000\|60", client: }
--- denials
would deny: verdict=expired



=== a location has a level of its own
--- config
secure_link_hmac_enforce on;
secure_link_hmac_log_level error;
location /files/ { secure_link_hmac_log_level notice; }
--- request
GET /files/report.txt
--- error_code: 403
--- error_log eval
qr/\[notice\] .* secure_link_hmac: denied/
--- denials
denied: verdict=missing



=== a nested location has its parent's level
--- config
secure_link_hmac_enforce on;
location /files/ {
    secure_link_hmac_log_level warn;
    location /files/report { secure_link_hmac_error missing=404; }
}
--- request
GET /files/report.txt
--- error_code: 404
--- error_log eval
qr/\[warn\] .* secure_link_hmac: denied/
--- denials
denied: verdict=missing



=== a denial below the level of the log is not logged, nor is anything else of it
--- config
secure_link_hmac_enforce on;
secure_link_hmac_log_level notice;
--- log_level: warn
--- request eval
my $path = '/files/report.txt';
[
    "GET $path", "GET " . link($path, st => '***'), "GET " . link($path, secret => other_secret),
    "GET " . link($path, ts => time() - 7200), "GET " . link($path, ts => '9' x 30), "GET $path?st=a&st=a",
    "GET " . link($path, e => '-1'), "GET " . link($path, ts => '2026-02-31T00:00:00Z'),
    "POST " . link($path), "GET $path?st=" . 'x' x 5000, "GET /files/\xff%0a?st=\xff",
]
--- error_code eval
[403, 403, 403, 410, 403, 403, 403, 403, 403, 403, 403]
--- no_error_log
[warn]
[error]
[crit]
[alert]
secure_link_hmac:



=== a granted request leaves no line of the module at any level
--- config
location /files/ { secure_link_hmac_enforce on; }
--- log_level: debug
--- request eval
"GET " . link('/files/report.txt')
--- error_code: 200
--- no_error_log
secure_link_hmac:
[warn]
[error]



=== what is not enforced leaves no line at any level
--- config
location /files/ { secure_link_hmac_log_level error; }
--- log_level: debug
--- request eval
["GET /files/report.txt", "GET " . link('/files/report.txt', st => 'x'), "GET /files/report.txt?st=a&st=b"]
--- error_code eval
[200, 200, 200]
--- no_error_log
secure_link_hmac:
[warn]
[error]



=== the message that should have been signed is there for every verdict
--- config
secure_link_hmac_enforce on;
secure_link_hmac_leeway 1s;
location /files/ { secure_link_hmac_revoke $arg_revoked; }
--- request eval
my $path = '/files/report.txt';
[
    "GET $path?st=&ts=1700000001&e=",
    "GET $path?st=***&ts=1700000002&e=1",
    "GET $path?ts=1700000003&e=2000000000&st=" . token('x'),
    "GET $path?ts=2700000004&e=1&st=" . token("$path|2700000004|1"),
    "GET $path?ts=1700000005&e=1&st=" . token("$path|1700000005|1"),
    "PUT $path?ts=1700000006&e=2000000000&st=" . token("$path|1700000006|2000000000"),
    "GET $path?ts=1700000007&e=2000000000&revoked=1&st=" . token("$path|1700000007|2000000000"),
    "GET $path?st=1&ts=soon&e=later",
    "GET $path?st=x&ts=1700000009&e=1&TS=1700000010",
]
--- error_code eval
[403, 403, 403, 403, 410, 403, 403, 403, 403]
--- grep_error_log eval
qr/denied: .*?(?=, client)/
--- grep_error_log_out eval
qr{\Adenied:\sverdict=(?:
    missing \skey=""\smessage="/files/report.txt\|1700000001\|" |
    malformed \skey=""\smessage="/files/report.txt\|1700000002\|1" |
    forged \skey=""\smessage="/files/report.txt\|1700000003\|2000000000" |
    early \skey=""\smessage="/files/report.txt\|2700000004\|1" |
    expired \skey=""\smessage="/files/report.txt\|1700000005\|1" |
    out_of_scope \skey=""\smessage="/files/report.txt\|1700000006\|2000000000" |
    revoked \skey=""\smessage="/files/report.txt\|1700000007\|2000000000" |
    malformed \skey=""\smessage="/files/report.txt\|soon\|later" |
    malformed \skey=""\smessage="/files/report.txt\|1700000009\|1"
)\n\z}x



=== line ends, quotes, backslashes and what is not ASCII are escaped
--- config
secure_link_hmac_enforce on;
--- request eval
"GET /a%0ab%0d%22c%5cd%ff%7f%01%1f%20e%c3%a9~?ts=\xfe'"
--- error_code: 403
--- error_log eval
qr{secure_link_hmac: denied: verdict=missing key="" message="/a\\x0Ab\\x0D\\x22c\\x5Cd\\xFF\\x7F\\x01\\x1F e\\xC3\\xA9~\|\\xFE'\|", client: }i
--- denials
denied: verdict=missing



=== a line cannot be forged
--- config
secure_link_hmac_enforce on;
--- request
GET /x%22%20key=%22admin%0a2026/01/01%2000:00:00%20[error]%201%231:%20forged%20line
--- error_code: 403
--- grep_error_log eval
qr/^2026.*forged line|key="admin/
--- grep_error_log_out
--- denials
denied: verdict=missing



=== a header's bytes are escaped where the message has them
--- config
location /files/ {
    secure_link_hmac_message "$http_x_user\n$uri|$arg_ts|$arg_e";
    secure_link_hmac_enforce on;
}
--- request eval
"GET " . link('/files/report.txt', ts => 1700000000)
--- more_headers eval
"X-User: \"j\\o\te\xe9\""
--- error_code: 403
--- error_log eval
qr{message="\\x22j\\x5Co\\x09e\\xE9\\x22\\x0A/files/report.txt\|1700000000\|3600", client}i



=== a line has 1024 bytes at most, of a long path
--- config
secure_link_hmac_enforce on;
--- request eval
"GET /" . 'a' x 3000
--- error_code: 403
--- grep_error_log eval
qr/secure_link_hmac: denied: .*?(?=, client: )/
--- grep_error_log_out eval
qr{\Asecure_link_hmac: denied: verdict=missing key="" message="/a{900,970}"\n\z}



=== a line has 1024 bytes at most, of bytes that grow
--- config
secure_link_hmac_enforce on;
--- request eval
"GET /" . '%ff' x 1000
--- error_code: 403
--- grep_error_log eval
qr/secure_link_hmac: denied: .*?(?=, client: )/
--- grep_error_log_out eval
qr{\A(?=.{1000,1024}\n\z)secure_link_hmac: denied: verdict=missing key="" message="/(?:\\xFF)+"\n\z}i



=== a message that does not fit ends where it is cut
--- config
secure_link_hmac_enforce on;
--- request eval
[map { "GET /" . 'a' x $_ . "%ff?ts=1700000000" } 959 .. 964]
--- error_code eval
[(403) x 6]
--- grep_error_log eval
qr/secure_link_hmac: denied: .*?(?=, client: )/
--- grep_error_log_out eval
qr{\A(?=.{1000,1024}\n\z)secure_link_hmac: denied: verdict=missing key="" message="/a+(?:\\xFF[|]?1?7?0*[|]?)?"\n\z}i



=== no secret and no MAC that the client did not send is in a log of any level
--- config
location /files/ {
    secure_link_hmac_secret file:b.key format=hex;
    secure_link_hmac_secret 0123456789abcdef0123456789abcdef;
    secure_link_hmac_enforce on;
}
--- post_setup_server_root
use Test::Nginx::Util ();
open my $file, '>', "$Test::Nginx::Util::ServRoot/conf/b.key" or die $!;
print {$file} 'b0' x 32;
close $file;
chmod 0600, "$Test::Nginx::Util::ServRoot/conf/b.key";
--- log_level: debug
--- request eval
"GET " . link('/files/report.txt', ts => 1700000000, secret => other_secret)
--- error_code: 403
--- error_log
verdict=forged
--- no_error_log eval
my $message = '/files/report.txt|1700000000|3600';
[
    secret, qr/b0b0b0b0|\xb0\xb0\xb0\xb0|(?:\\xB0){4}/i,
    map { my $secret = $_; map { token($message, secret => $secret, encoding => $_) } qw(base64url hex base64) }
        secret, "\xb0" x 32
]



=== a secret of variables is nginx's own to show, and the module does not
--- http_config
map $uri $by_path { default 0123456789abcdef0123456789abcdef; }
--- config
location /files/ {
    secure_link_hmac_secret $by_path;
    secure_link_hmac_enforce on;
}
--- request eval
"GET " . link('/files/report.txt', ts => 1700000000, secret => other_secret)
--- error_code: 403
--- error_log
verdict=forged
--- no_error_log eval
[secret, token('/files/report.txt|1700000000|3600')]
