# Links that are withdrawn.

use strict;
use warnings;

use lib 't/lib';
use SecureLink;
use Test::Nginx::Socket 'no_plan';

our $policy = <<'_EOC_';
    secure_link_hmac "$arg_st,$arg_ts,$arg_e";
    secure_link_hmac_message "$uri|$arg_ts|$arg_e";
    secure_link_hmac_secret 0123456789abcdef0123456789abcdef;
_EOC_

our $show = 'return 200 "$secure_link_hmac $secure_link_hmac_status [$secure_link_hmac_expires_at]\n";';
our $serve = 'secure_link_hmac_enforce on; add_header X-Verdict $secure_link_hmac_status always; empty_gif;';

run_tests();

__DATA__

=== TEST 1: any value that is not empty and not 0 revokes
--- config eval
"$::policy
secure_link_hmac_revoke \$arg_a \$arg_b;
location /show { $::show }
location /serve { $::serve }"
--- request eval
[map { my $path = $_; map { 'GET ' . link($path, ts => 1, e => 9999999998, args => $_) } 'x=1', 'a=&b=', 'a=0&b=0', 'a=1', 'b=yes', 'a=0&b=1', 'a=00', 'a=0&b=false' } '/show', '/serve']
--- error_code eval
[(200) x 8, (200) x 3, (403) x 5]
--- response_headers eval
[('X-Verdict:') x 8, ('X-Verdict: granted') x 3, ('X-Verdict: revoked') x 5]
--- response_body_like eval
[('^1 granted \[9999999999\]$') x 3, ('^ revoked \[9999999999\]$') x 5, ('GIF89a') x 3, ('403 Forbidden') x 5]
--- no_error_log
[error]



=== TEST 2: only an authentic link is revoked
--- config eval
"$::policy
secure_link_hmac_revoke 1;
location /show { $::show }
location /serve { $::serve }"
--- request eval
[map { my $path = $_; map { "GET $_" } link($path), link($path, secret => other_secret), link($path, st => 'x'), $path } '/show', '/serve']
--- response_headers eval
[('X-Verdict:') x 4, map { "X-Verdict: $_" } qw(revoked forged malformed missing)]
--- error_code eval
[(200) x 4, (403) x 4]
--- response_body_like eval
['^ revoked \[\d+\]$', '^ forged \[\]$', '^ malformed \[\]$', '^ missing \[\]$', ('403 Forbidden') x 4]



=== TEST 3: a revoked link is revoked even if it is expired or early
--- config eval
"$::policy
secure_link_hmac_leeway 1m;
location /show { secure_link_hmac_revoke 1; $::show }
location /serve { secure_link_hmac_revoke 1; $::serve }
location /valid { secure_link_hmac_revoke 0; $::serve }"
--- request eval
[map { my $path = $_; map { 'GET ' . link($path, ts => $_) } 1700000000, time() + 3600 } '/show', '/serve', '/valid']
--- error_code eval
[200, 200, 403, 403, 410, 403]
--- response_body_like eval
[('^ revoked ') x 2, ('403 Forbidden') x 2, '410 Gone', '403 Forbidden']



=== TEST 4: what the check has found out may decide
--- http_config
map $secure_link_hmac_expires_at $withdrawn { 9999999999 1; default 0; }
--- config eval
"$::policy
secure_link_hmac_revoke \$withdrawn;
location /show { $::show }
location /serve { $::serve }"
--- request eval
[map { my $path = $_; map { 'GET ' . link($path, ts => 1, e => $_) } 9999999997, 9999999998, 9999999999 } '/show', '/serve']
--- error_code eval
[(200) x 3, 200, 403, 200]
--- response_body_like eval
['^1 granted \[9999999998\]', '^ revoked \[9999999999\]', '^1 granted \[10000000000\]', 'GIF89a', '403 Forbidden', 'GIF89a']
--- no_error_log
[error]



=== TEST 5: the variable of the check may stand in the directive itself, and nobody loops
--- config eval
"$::policy
location /expiry { secure_link_hmac_revoke \$secure_link_hmac_expires_at; $::serve }
location /subject { secure_link_hmac_revoke \$secure_link_hmac_subject \$secure_link_hmac_key_id; $::serve }
location /lifetime { secure_link_hmac_revoke \$secure_link_hmac_expires; $::serve }"
--- request eval
['GET ' . link('/expiry'), 'GET ' . link('/expiry', e => 0), 'GET ' . link('/subject'), 'GET ' . link('/lifetime'), 'GET ' . link('/lifetime', e => 0)]
--- error_code eval
[403, 200, 200, 403, 200]
--- no_error_log
[error]



=== TEST 6: a link can be withdrawn by its token, its path or the client
--- http_config
map $secure_link_hmac_token $by_token { lCcL1NkQIShbVqCnwlGa7O9exec-Z8murTSjQNGgiA8 1; }
map $uri $by_path { ~^/files/secret/ 1; }
geo $by_client { 192.0.2.0/24 1; default 0; }
--- config eval
"$::policy
secure_link_hmac_revoke \$by_token \$by_path \$by_client;
location /files/ { $::show }"
--- request eval
[map { 'GET ' . link($_->[0], ts => 1700000000, e => $_->[1]) } ['/files/report.pdf', 3600], ['/files/report.pdf', 0], ['/files/secret/report.pdf', 0]]
--- response_body_like eval
['^ revoked ', '^1 granted ', '^ revoked ']



=== TEST 7: the values are inherited, and replaced below
--- http_config
secure_link_hmac_revoke $arg_a;
--- config eval
"$::policy
location /show {
    $::show
    location /show/b { secure_link_hmac_revoke \$arg_b; $::show }
}"
--- request eval
[map { my $path = $_; map { 'GET ' . link($path, args => $_) } 'a=1', 'b=1' } '/show', '/show/b']
--- response_body_like eval
['^ revoked ', '^1 granted ', '^1 granted ', '^ revoked ']



=== TEST 8: a dry run says revoked and lets the link pass
--- config eval
"$::policy
secure_link_hmac_revoke 1;
location /serve { secure_link_hmac_enforce dry_run; add_header X-Verdict \$secure_link_hmac_status always; empty_gif; }"
--- request eval
'GET ' . link('/serve')
--- response_headers
X-Verdict: revoked
--- log_level: info
--- error_log eval
[qr/\[info\].*secure_link_hmac: dry run, would deny: verdict=revoked key="" message="\/serve\|\d+\|3600"/]



=== TEST 9: values are given once in a block
--- config
secure_link_hmac_revoke $arg_a;
secure_link_hmac_revoke $arg_b;
--- must_die
--- error_log eval
[qr/\[emerg\].*"secure_link_hmac_revoke" directive is duplicate in .*nginx\.conf:\d+/]



=== TEST 10: a variable that does not exist is refused
--- config
secure_link_hmac_revoke $nobody_knows;
--- must_die
--- error_log eval
[qr/\[emerg\].*unknown "nobody_knows" variable/]
