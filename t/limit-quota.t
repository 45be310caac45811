# secure_link_hmac_limit: quotas of a key, in uses and in bytes. Those of a subject are in subject.t.

use strict;
use warnings;

use lib 't/lib';
use Test::Nginx::Socket 'no_plan';
use Limits;

no_long_string();
run_tests();

__DATA__

=== uses of a key are a quota for all its links
--- config
location /f/ { secure_link_hmac_enforce on; secure_link_hmac_limit ZONE uses=3 per=key period=1h; }
--- request eval
[
    ::ask('/f/a.txt'), ::ask('/f/a.txt'), ::ask('/f/a.txt', method => 'HEAD'), ::ask('/f/b.txt'), ::ask('/f/a.txt', e => 7200),
    ::ask('/f/a.txt', by => 'globex'), ::ask('/f/a.txt', e => 0), ::ask('/f/a.txt', e => 0, by => 'globex'),
]
--- error_code eval
[200, 200, 200, 200, 410, 200, 410, 200]
--- response_headers eval
[::uses(1, 2), ::verdicts('granted'), ::uses(3), ::verdicts('exhausted'), ::uses(1), ::verdicts('exhausted'), ::uses(2)]



=== the request after a quota of bytes is refused, a running one is not cut
--- config
location /f/ { secure_link_hmac_enforce on; secure_link_hmac_limit ZONE bytes=5k per=key period=1h; }
--- request eval
[
    ::ask('/f/small'), ::ask('/f/large'), ::ask('/f/small'), ::ask('/f/large'), ::ask('/f/small', method => 'HEAD'),
    ::ask('/f/large', by => 'globex'), ::ask('/f/small', by => 'globex'),
]
--- error_code eval
[200, 200, 410, 410, 410, 200, 410]
--- response_headers eval
[::verdicts('granted', 'granted', ::times(3, 'exhausted'), 'granted', 'exhausted')]
--- response_body_like eval
[qr/\Ax{2000}\n\z/, qr/\Ax{20000}\n\z/, (qr/Gone/) x 2, qr/\A\z/, qr/\Ax{20000}\n\z/, qr/Gone/]



=== a quota of bytes goes on counting after a hand-off
--- config
location /f/ {
    secure_link_hmac_enforce on;
    secure_link_hmac_limit ZONE bytes=1k per=key period=1h;
    secure_link_hmac_pass /internal$uri;
}
location /internal/ { internal; }
--- request eval
[::ask('/f/large'), ::ask('/f/large'), ::ask('/f/large', by => 'globex')]
--- error_code eval
[200, 410, 200]



=== a quota of bytes is charged though a variable is read where the file is, and nothing enforced
--- config
location /f/ {
    secure_link_hmac_enforce on;
    secure_link_hmac_limit ZONE bytes=1k per=key period=1h;
    proxy_pass http://127.0.0.1:$TEST_NGINX_SERVER_PORT/backend;
}
location /backend { secure_link_hmac off; add_header X-Accel-Redirect /internal/f/large; return 204; }
location /internal/ { internal; }
--- request eval
[::ask('/f/large'), ::ask('/f/large'), ::ask('/f/large', by => 'globex')]
--- error_code eval
[200, 410, 200]
--- response_headers eval
[::verdicts('granted', 'exhausted', 'granted')]



=== so it is though another policy checks after it, and once if both have the same
--- config
secure_link_hmac_message $arg_k|$arg_ts|$arg_e;
secure_link_hmac_enforce on;
location = /f/ { index small; secure_link_hmac_limit ZONE bytes=3k per=key period=1h; }
location = /f/small { secure_link_hmac_leeway 1m; secure_link_hmac_limit ZONE bytes=4k per=key period=1h; }
location /g/ { index a.txt; secure_link_hmac_limit ZONE bytes=100 per=key period=2h; }
location = /g/a.txt { secure_link_hmac_leeway 1m; }
--- request eval
[::anywhere('/f/'), ::anywhere('/f/small'), ::anywhere('/f/'), ::anywhere('/g/'), ::anywhere('/g/')]
--- error_code eval
[200, 200, 410, 200, 410]
--- response_headers eval
[::verdicts('granted', 'granted', 'exhausted', 'granted', 'exhausted')]



=== two limits hold at once, and a denial by one spends nothing of the other
--- config
location /f/ {
    secure_link_hmac_enforce on;
    secure_link_hmac_limit ZONE uses=1;
    secure_link_hmac_limit ZONE uses=2 per=key period=1h;
}
--- request eval
[map { ::ask($_) } '/f/a.txt', '/f/a.txt', '/f/a.txt', '/f/b.txt', '/f/none.txt']
--- error_code eval
[200, 410, 410, 200, 410]



=== a quota of uses and one of bytes with the same period are two
--- config
location /f/ {
    secure_link_hmac_enforce on;
    secure_link_hmac_limit ZONE uses=2 per=key period=1h;
    secure_link_hmac_limit ZONE bytes=1m per=key period=1h;
    secure_link_hmac_limit ZONE uses=100 per=key period=1d;
}
--- request eval
[map { ::ask('/f/a.txt') } 1 .. 3]
--- error_code eval
[200, 200, 410]
--- response_headers eval
[::uses(1, 2), "X-Verdict: exhausted\nX-Uses: 2"]
