# secure_link_hmac_limit: what spends a use of a link, and what does not.

use strict;
use warnings;

use lib 't/lib';
use Test::Nginx::Socket 'no_plan';
use Limits;

no_long_string();
run_tests();

__DATA__

=== HEAD is checked, and never counts
--- config
location /f/ { secure_link_hmac_enforce on; secure_link_hmac_limit ZONE uses=1; }
--- request eval
[(map { ::ask('/f/a.txt', method => 'HEAD') } 1 .. 3), ::ask('/f/a.txt'), ::ask('/f/a.txt', method => 'HEAD')]
--- error_code eval
[200, 200, 200, 200, 410]
--- response_headers eval
[::verdicts(::times(4, 'granted'), 'exhausted')]



=== a 401 of auth_basic spends nothing
--- config
location /f/ {
    secure_link_hmac_enforce on;
    secure_link_hmac_limit ZONE uses=1;
    auth_basic "files";
    auth_basic_user_file users;
}
--- request eval
[map { ::ask('/f/a.txt') } 1 .. 5]
--- more_headers eval
['', '', '', $::password, $::password]
--- error_code eval
[401, 401, 401, 200, 410]



=== nor does a 403 of deny
--- config
location /f/ { secure_link_hmac_enforce on; secure_link_hmac_limit ZONE uses=1; deny 192.0.2.1; }
--- request eval
[map { ::ask('/f/a.txt') } 1 .. 4]
--- more_headers eval
[('X-Forwarded-For: 192.0.2.1') x 2, '', '']
--- error_code eval
[403, 403, 200, 410]



=== nor does either if its error_page lies under the policy
--- config
secure_link_hmac_enforce on;
secure_link_hmac_limit ZONE uses=1;
error_page 401 403 /sorry.txt;
location /f/ { auth_basic "files"; auth_basic_user_file users; }
location /g/ { deny 192.0.2.1; }
--- request eval
[(map { ::ask('/f/a.txt') } 1 .. 4), (map { ::ask('/g/a.txt') } 1 .. 4)]
--- more_headers eval
['', '', $::password, $::password, ('X-Forwarded-For: 192.0.2.1') x 2, '', '']
--- error_code eval
[401, 401, 200, 410, 403, 403, 200, 410]
--- response_body_like eval
[(qr/\Asorry$/) x 2, qr/\Aa file$/, qr/Gone/, (qr/\Asorry$/) x 2, qr/\Aa file elsewhere$/, qr/Gone/]
--- response_headers eval
[::verdicts('granted', 'granted'), ::uses(1), ::verdicts('exhausted', 'granted', 'granted'), ::uses(1), ::verdicts('exhausted')]



=== wherever it lies under the policy
--- config
secure_link_hmac_enforce on;
secure_link_hmac_limit ZONE uses=1;
recursive_error_pages on;
location /f/ { auth_basic "files"; auth_basic_user_file users; error_page 401 @sorry; }
location /g/ { auth_basic "files"; auth_basic_user_file users; error_page 401 =403 /nothing; }
location = /nothing { error_page 404 /sorry.txt; }
location @sorry { root html; try_files /none /sorry.txt; }
--- request eval
[(map { ::ask('/f/a.txt') } 1 .. 3), (map { ::ask('/g/a.txt') } 1 .. 3)]
--- more_headers eval
[('', '', $::password) x 2]
--- error_code eval
[401, 401, 200, 404, 404, 200]
--- response_body_like eval
[((qr/\Asorry$/) x 2, qr/\Aa file/) x 2]



=== nor does the page of a limit_req that has seen the link's verdict
--- http_config
limit_req_zone $secure_link_hmac_key_id zone=rare:64k rate=1r/m;
--- config
secure_link_hmac_enforce on;
secure_link_hmac_limit ZONE uses=1;
secure_link_hmac_message "$arg_ts|$arg_e";
error_page 503 /sorry.txt;
location /f/ { limit_req zone=rare; }
--- request eval
[map { ::ask($_->[0], ts => $::then, e => $_->[1], message => "$::then|$_->[1]") }
    ['/f/a.txt', 3600], ['/f/a.txt', 3601], ['/f/a.txt', 3601], ['/g/a.txt', 3601], ['/g/a.txt', 3601]]
--- error_code eval
[200, 503, 503, 200, 410]
--- response_body_like eval
[qr/\Aa file$/, (qr/\Asorry$/) x 2, qr/\Aa file elsewhere$/, qr/Gone/]



=== but what is served in place of a 401 with a status of success does
--- config
secure_link_hmac_enforce on;
secure_link_hmac_limit ZONE uses=1;
auth_basic_user_file users;
location /f/ { auth_basic "files"; error_page 401 =200 /g/a.txt; }
location /h/ { auth_basic "files"; error_page 401 = /g/a.txt; }
location /i/ { auth_basic "files"; error_page 401 = @other; }
location /j/ { auth_basic "files"; error_page 401 /none; recursive_error_pages on; }
location = /none { error_page 404 = /g/a.txt; recursive_error_pages on; }
location @other { rewrite ^ /g/a.txt break; }
--- request eval
[map { (::ask($_)) x 2 } map { "/$_/a.txt" } 'f', 'h' .. 'j']
--- error_code eval
[(200, 410) x 4]
--- response_body_like eval
[(qr/\Aa file elsewhere$/, qr/Gone/) x 4]



=== the page of such an error is not handed off, and spends nothing
--- config
secure_link_hmac_enforce on;
secure_link_hmac_limit ZONE uses=1;
error_page 401 /p/sorry.txt;
location /f/ { auth_basic "files"; auth_basic_user_file users; }
location /p/ { secure_link_hmac_pass /internal/f/a.txt; }
location /internal/ { internal; }
--- user_files
>>> p/sorry.txt
sign in
--- request eval
[(::ask('/f/a.txt')) x 3]
--- more_headers eval
['', '', $::password]
--- error_code eval
[401, 401, 200]
--- response_body_like eval
[(qr/\Asign in$/) x 2, qr/\Aa file$/]



=== and an error_page that the link is checked for first
--- config
secure_link_hmac_enforce on;
secure_link_hmac_limit ZONE uses=1;
secure_link_hmac_message "$arg_ts|$arg_e";
location /f/ { error_page 418 /g/a.txt?$args; return 418; }
--- request eval
[map { ::ask('/f/a.txt', ts => $::then, message => "$::then|3600") } 1, 2]
--- error_code eval
[418, 410]
--- response_body_like eval
[qr/\Aa file elsewhere$/, qr/Gone/]



=== nor a link that is not granted
--- config
location /f/ {
    secure_link_hmac_enforce on;
    secure_link_hmac_limit ZONE uses=1;
    secure_link_hmac_revoke $arg_stop;
}
--- request eval
[
    (map { ::ask('/f/a.txt', args => $_) } 'stop=1', 'stop=1'), ::ask('/f/a.txt', method => 'DELETE'),
    ::ask('/f/a.txt', by => 'globex') =~ s/k=globex/k=acme/r, ::ask('/f/a.txt'), ::ask('/f/a.txt', args => 'stop=1'),
]
--- error_code eval
[403, 403, 403, 403, 200, 403]
--- response_headers eval
[::verdicts('revoked', 'revoked', 'out_of_scope', 'forged', 'granted', 'revoked')]



=== a file that is not there spends a use
--- config
location /f/ { secure_link_hmac_enforce on; secure_link_hmac_limit ZONE uses=1; }
--- request eval
[::ask('/f/none.txt'), ::ask('/f/none.txt')]
--- error_code eval
[404, 410]



=== under satisfy any a link that granted spends a use, and one that another method let pass does not
--- config
satisfy any;
auth_basic "files";
auth_basic_user_file users;
location /f/ { secure_link_hmac_enforce on; secure_link_hmac_limit ZONE uses=1; }
--- request eval
[::ask('/f/a.txt') =~ s/st=/st=x/r, ::ask('/f/a.txt'), ::ask('/f/a.txt'), ::ask('/f/a.txt'), 'GET /f/a.txt', ::ask('/f/b.txt')]
--- more_headers eval
[$::password, '', $::password, '', $::password, '']
--- error_code eval
[200, 200, 200, 401, 200, 200]
--- response_headers eval
[::verdicts('malformed', 'granted', 'exhausted', 'exhausted', 'missing', 'granted')]



=== a dry run spends nothing, and says who is exhausted
--- config
secure_link_hmac_message "$arg_ts|$arg_e";
location /f/ { secure_link_hmac_enforce dry_run; secure_link_hmac_limit ZONE uses=1; }
location /g/ { secure_link_hmac_enforce on; secure_link_hmac_limit ZONE uses=1; }
--- request eval
[map { ::ask($_, ts => $::then, message => "$::then|3600") } map { "/$_/a.txt" } qw(f f g f g)]
--- error_code eval
[200, 200, 200, 200, 410]
--- response_headers eval
[::verdicts('granted', 'granted', 'granted', 'exhausted', 'exhausted')]



=== without enforcement nothing is limited
--- config
location /f/ { secure_link_hmac_limit ZONE uses=1; }
--- request eval
[map { ::ask('/f/a.txt') } 1 .. 3]
--- error_code eval
[200, 200, 200]
--- response_headers eval
[::verdicts(::times(3, 'granted'))]



=== a bypass spends nothing
--- config
location /f/ {
    secure_link_hmac_enforce on;
    secure_link_hmac_bypass $arg_free;
    secure_link_hmac_limit ZONE uses=1;
}
--- request eval
[(map { ::ask('/f/a.txt', args => 'free=1') } 1 .. 2), ::ask('/f/a.txt'), ::ask('/f/a.txt')]
--- error_code eval
[200, 200, 200, 410]



=== a hand-off counts once
--- config
location /f/ {
    secure_link_hmac_enforce on;
    secure_link_hmac_limit ZONE uses=2;
    secure_link_hmac_pass /internal$uri;
}
location /internal/ { internal; }
--- request eval
[map { ::ask('/f/a.txt') } 1 .. 3]
--- error_code eval
[200, 200, 410]
--- response_body_like eval
[(qr/handed over/) x 2, qr/Gone/]
--- response_headers eval
[::uses(1, 2), ::verdicts('exhausted')]



=== so does a redirect to a place with the same policy
--- config
secure_link_hmac_enforce on;
secure_link_hmac_limit ZONE uses=1;
location /d/ { index a.html; }
location /t/ { try_files /none /f/a.txt; }
location /e/ { error_page 404 = /f/a.txt; }
location /n/ { error_page 404 = @named; }
location @named { rewrite ^ /f/a.txt break; }
location /p/ { secure_link_hmac_pass /f/a.txt; }
--- user_files
>>> d/a.html
index
--- request eval
[map { (::ask($_)) x 2 } '/d/', '/t/x', '/e/x', '/n/x', '/p/x']
--- error_code eval
[(200, 410) x 5]



=== but a place with a policy of its own counts for itself
--- config
secure_link_hmac_enforce on;
secure_link_hmac_message "$arg_ts|$arg_e";
location /f/ { secure_link_hmac_limit ZONE uses=2; secure_link_hmac_pass /g/a.txt?$args; }
location /g/ { secure_link_hmac_limit ZONE uses=2; }
--- request eval
[map { ::ask('/f/a.txt', ts => $::then, message => "$::then|3600") } 1, 2]
--- error_code eval
[200, 410]
--- response_headers eval
[::uses(2), ::verdicts('exhausted')]



=== a subrequest spends nothing
--- config
secure_link_hmac_enforce on;
secure_link_hmac_limit ZONE uses=1;
location /f/ { ssi on; ssi_types text/plain; }
--- user_files
>>> f/page.html
[<!--# include virtual="/f/a.txt" -->] [<!--# include virtual="/f/a.txt" -->]
--- request eval
[::ask('/f/page.html'), ::ask('/f/page.html')]
--- error_code eval
[200, 410]
--- response_body_like eval
[qr/\[a file\n\] \[a file\n\]/, qr/Gone/]



=== the verdict is that of the use, also where another method has refused before
--- config
secure_link_hmac_message $arg_k|$arg_ts|$arg_e;
secure_link_hmac_limit ZONE uses=1;
location /f/ { set $link $args; secure_link_hmac_enforce on; auth_request /auth; error_page 401 = /g/a.txt; }
location /g/ { secure_link_hmac_enforce on; }
# Somebody else is faster: the only use is spent while the request is asked about.
location = /auth { internal; proxy_pass http://127.0.0.1:$TEST_NGINX_SERVER_PORT/use?$link; }
location = /use { secure_link_hmac_enforce on; proxy_pass http://127.0.0.1:$TEST_NGINX_SERVER_PORT/refuse; }
location = /refuse { secure_link_hmac off; return 401; }
--- request eval: ::anywhere('/f/a.txt')
--- error_code: 410
--- response_headers
X-Verdict: exhausted
