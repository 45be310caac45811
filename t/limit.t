# secure_link_hmac_limit: how often a link is used, and what is the same link. What spends a use is in limit-spent.t, quotas
# are in limit-quota.t, races, reloads and full zones in tests/limits.pl, mistakes in tests/nginx-t-limit.pl.

use strict;
use warnings;

use lib 't/lib';
use Test::Nginx::Socket 'no_plan';
use Limits;

no_long_string();
run_tests();

__DATA__

=== a link with one use is good once
--- config
location /f/ { secure_link_hmac_enforce on; secure_link_hmac_limit ZONE uses=1; }
--- request eval
[::ask('/f/a.txt'), ::ask('/f/a.txt'), ::ask('/f/a.txt')]
--- error_code eval
[200, 410, 410]
--- response_headers eval
[::verdicts('granted', ::times(2, 'exhausted'))]
--- response_body_like eval
[qr/\Aa file\n\z/, (qr/410 Gone/) x 2]



=== the log says so
--- config
secure_link_hmac_message "$arg_ts|$arg_e";
secure_link_hmac_enforce on;
location /f/ { secure_link_hmac_limit ZONE uses=1; secure_link_hmac_pass /g/a.txt?$args; }
location /g/ { secure_link_hmac_limit ZONE uses=1; }
--- request eval
::ask('/f/a.txt', message => "$::then|3600", ts => $::then)
--- error_code: 410
--- error_log eval
qr/\[info\].*secure_link_hmac: denied: verdict=exhausted key="acme" message="\d+\|3600"/



=== also of a dry run
--- config
secure_link_hmac_message "$arg_ts|$arg_e";
secure_link_hmac_enforce on;
location /f/ { secure_link_hmac_limit ZONE uses=1; secure_link_hmac_pass /g/a.txt?$args; }
location /g/ { secure_link_hmac_enforce dry_run; secure_link_hmac_limit ZONE uses=1; }
--- request eval
::ask('/f/a.txt', message => "$::then|3600", ts => $::then)
--- response_body
a file elsewhere
--- response_headers
X-Verdict: exhausted
--- error_log eval
qr/\[info\].*secure_link_hmac: dry run, would deny: verdict=exhausted key="acme" message="\d+\|3600"/



=== one with three uses three times, and says how many there were
--- config
location /f/ { secure_link_hmac_enforce on; secure_link_hmac_limit ZONE uses=3 per=token; }
--- request eval
[(map { ::ask('/f/a.txt') } 1 .. 4), ::ask('/f/b.txt')]
--- error_code eval
[200, 200, 200, 410, 200]
--- response_headers eval
[::uses(1, 2, 3), "X-Verdict: exhausted\nX-Uses: 3", ::uses(1)]



=== links that differ are counted apart, by path, time, lifetime and key
--- config
location /f/ { secure_link_hmac_enforce on; secure_link_hmac_limit ZONE uses=1; }
--- request eval
[
    ::ask('/f/a.txt'), ::ask('/f/b.txt'), ::ask('/f/a.txt', e => 3601), ::ask('/f/a.txt', ts => time - 60),
    ::ask('/f/a.txt', by => 'globex'), ::ask('/f/a.txt', e => 3601),
]
--- error_code eval
[200, 200, 200, 200, 200, 410]



=== a link is the same however its URL is written
--- config
location /f/ { secure_link_hmac_enforce on; secure_link_hmac_limit ZONE uses=1; }
--- request eval
[
    ::ask('/f/a.txt'), ::ask('/f/a.txt', args => 'x=1'), ::ask('/f/a.txt') =~ s/(st=)(.)/sprintf '%s%%%02x', $1, ord $2/er,
    ::ask('/f/a.txt') =~ s{/a}{/%61}r, ::ask('/f/a.txt') =~ s{/f}{//f/.}r,
]
--- error_code eval
[200, 410, 403, 410, 410]



=== all locations that name the zone share a link's uses
--- config
secure_link_hmac_message "$arg_ts|$arg_e";
location /f/ { secure_link_hmac_enforce on; secure_link_hmac_limit ZONE uses=1; }
location /g/ { secure_link_hmac_enforce on; secure_link_hmac_limit ZONE uses=2; }
--- request eval
[map { ::ask("/$_/a.txt", ts => $::then, message => "$::then|3600") } qw(f g f g)]
--- error_code eval
[200, 200, 410, 410]
--- response_headers eval
[::uses(1, 2), ::verdicts(::times(2, 'exhausted'))]



=== within the window the same address may come back, another may not
--- config
location /f/ { secure_link_hmac_enforce on; secure_link_hmac_limit ZONE uses=1 window=10m; }
--- request eval
[map { ::ask('/f/a.txt') } 1 .. 5]
--- more_headers eval
[map { "X-Forwarded-For: $_" } '192.0.2.1', '192.0.2.1', '192.0.2.2', '192.0.2.1', '2001:db8::1']
--- error_code eval
[200, 200, 410, 200, 410]
--- response_headers eval
[::uses(1, 1), ::verdicts('exhausted', 'granted', 'exhausted')]



=== each address has a window, as far as uses go
--- config
location /f/ { secure_link_hmac_enforce on; secure_link_hmac_limit ZONE uses=2 window=10m; }
--- request eval
[map { ::ask('/f/a.txt') } 1 .. 6]
--- more_headers eval
[map { "X-Forwarded-For: $_" } '2001:db8::1', '2001:db8::2', '2001:db8::1', '2001:db8::3', '2001:db8::2', '192.0.2.1']
--- error_code eval
[200, 200, 200, 410, 200, 410]
--- response_headers eval
[::uses(1, 2, 2), ::verdicts('exhausted'), ::uses(2), ::verdicts('exhausted')]



=== a window is for one link
--- config
location /f/ { secure_link_hmac_enforce on; secure_link_hmac_limit ZONE uses=1 window=10m; }
--- request eval
[map { ::ask(@$_) } ['/f/a.txt'], ['/f/b.txt'], ['/f/a.txt', e => 3601], ['/f/a.txt']]
--- error_code eval
[200, 200, 200, 200]
--- response_headers eval
[::uses(1, 1, 1, 1)]



=== HEAD opens no window
--- config
location /f/ { secure_link_hmac_enforce on; secure_link_hmac_limit ZONE uses=1 window=10m; }
--- request eval
[::ask('/f/a.txt', method => 'HEAD'), ::ask('/f/a.txt'), ::ask('/f/a.txt')]
--- more_headers eval
[map { "X-Forwarded-For: $_" } '192.0.2.1', '192.0.2.2', '192.0.2.1']
--- error_code eval
[200, 200, 410]



=== ranges of one download are one use
--- config
location /f/ { secure_link_hmac_enforce on; secure_link_hmac_limit ZONE uses=1 window=1m; }
location /g/ { secure_link_hmac_enforce on; secure_link_hmac_limit ZONE uses=1; }
--- request eval
[(map { ::ask('/f/a.txt') } 1 .. 4), ::ask('/g/a.txt'), ::ask('/g/a.txt')]
--- more_headers eval
[map { "Range: bytes=$_" } '0-1', '2-3', '4-', '0-0', '0-1', '2-3']
--- error_code eval
[206, 206, 206, 206, 206, 410]
--- response_body_like eval
[qr/\Aa \z/, qr/\Afi\z/, qr/\Ale\n\z/, qr/\Aa\z/, qr/\Aa \z/, qr/Gone/]



=== a link inside its leeway cannot be replayed
--- config
location /f/ { secure_link_hmac_enforce on; secure_link_hmac_leeway 10m; secure_link_hmac_limit ZONE uses=1; }
location /g/ { secure_link_hmac_enforce on; secure_link_hmac_limit ZONE uses=1; }
--- request eval
[(map { ::ask('/f/a.txt', ts => $::late) } 1 .. 3), ::ask('/g/a.txt', ts => $::late)]
--- error_code eval
[200, 410, 410, 410]
--- response_headers eval
[::verdicts('granted', 'exhausted', 'exhausted', 'expired')]



=== the status of a spent link can be chosen, and its error page is served under the same policy
--- config
secure_link_hmac_enforce on;
secure_link_hmac_limit ZONE uses=1;
secure_link_hmac_error exhausted=429;
error_page 410 429 /sorry.txt;
--- request eval
[::ask('/f/a.txt'), ::ask('/f/a.txt'), ::ask('/f/a.txt', ts => time - 7200)]
--- error_code eval
[200, 429, 410]
--- response_body_like eval
[qr/a file/, (qr/sorry/) x 2]
--- response_headers eval
[::verdicts('granted', 'exhausted', 'expired')]



=== a link that never expires cannot be limited
--- config
location /f/ { secure_link_hmac_enforce on; secure_link_hmac_limit ZONE uses=1; }
--- request eval
[::ask('/f/a.txt', e => 0), ::ask('/f/a.txt', e => 0), ::ask('/f/a.txt')]
--- error_code eval
[403, 403, 200]
--- response_headers eval
[::verdicts('malformed', 'malformed', 'granted')]



=== a limit is inherited, and replaced by a block's own
--- config
secure_link_hmac_enforce on;
secure_link_hmac_limit ZONE uses=1;
location /f/ { }
location /g/ { secure_link_hmac_limit ZONE uses=2; }
--- request eval
[(map { ::ask('/f/a.txt') } 1, 2), (map { ::ask('/g/a.txt') } 1 .. 3)]
--- error_code eval
[200, 410, 200, 200, 410]



=== before the access phase variables say what the link says
--- config
location /f/ {
    secure_link_hmac_enforce on;
    secure_link_hmac_limit ZONE uses=1;
    set $early $secure_link_hmac_status;
    add_header X-Verdicts "$early $secure_link_hmac_status" always;
}
--- request eval
[::ask('/f/a.txt'), ::ask('/f/a.txt')]
--- error_code eval
[200, 410]
--- response_headers eval
['X-Verdicts: granted granted', 'X-Verdicts: granted exhausted']



=== a limit that its links cannot have is a warning where nothing is enforced
--- config
location /f/ { secure_link_hmac_limit ZONE uses=1 per=subject period=1h; }
--- request eval
::ask('/f/a.txt')
--- response_body
a file
