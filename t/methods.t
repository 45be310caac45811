# The methods for which a link is good.

use strict;
use warnings;

use lib 't/lib';
use SecureLink;
use Test::Nginx::Socket 'no_plan';

our @methods = qw(GET HEAD POST PUT DELETE OPTIONS PATCH PROPFIND PURGE);

# What is passed to the backend, of any method, is answered with 200.
our $backend = 'location /backend { return 200 "served\n"; }';
our $serve = 'add_header X-Verdict $secure_link_hmac_status always; proxy_method GET; proxy_pass http://127.0.0.1:$TEST_NGINX_SERVER_PORT/backend;';

our $policy = <<'_EOC_';
    secure_link_hmac "$arg_st,$arg_ts,$arg_e";
    secure_link_hmac_message "$uri|$arg_ts|$arg_e";
    secure_link_hmac_secret 0123456789abcdef0123456789abcdef;
_EOC_

# The statuses, or the headers, where only the given methods are good.
sub Test::Base::Filter::statuses {
    my %good = map { $_ => 1 } @_;
    return [map { $good{$_} ? 200 : 403 } @methods];
}

sub Test::Base::Filter::verdicts {
    my %good = map { $_ => 1 } @_;
    return [map { 'X-Verdict: ' . ($good{$_} ? 'granted' : 'out_of_scope') } @methods];
}

check_accum_error_log();
run_tests();

__DATA__

=== TEST 1: a link is good for GET and HEAD unless said otherwise
--- config eval
"$::policy $::backend
location /serve { secure_link_hmac_enforce on; $::serve }"
--- request eval
[map { "$_ " . link('/serve') } @::methods]
--- error_code eval
statuses(qw(GET HEAD))
--- response_headers eval
verdicts(qw(GET HEAD))
--- no_error_log
[error]



=== TEST 2: other methods may be named, and only these count
--- config eval
"$::policy $::backend
secure_link_hmac_methods PUT PURGE;
location /serve { secure_link_hmac_enforce on; $::serve }"
--- request eval
[map { "$_ " . link('/serve') } @::methods]
--- error_code eval
statuses(qw(PUT PURGE))
--- response_headers eval
verdicts(qw(PUT PURGE))



=== TEST 3: GET alone does not admit HEAD
--- config eval
"$::policy $::backend
secure_link_hmac_methods GET;
location /serve { secure_link_hmac_enforce on; $::serve }"
--- request eval
[map { "$_ " . link('/serve') } @::methods]
--- error_code eval
statuses(qw(GET))
--- response_headers eval
verdicts(qw(GET))



=== TEST 4: a list is inherited, and replaced below
--- http_config
secure_link_hmac_methods POST;
--- config eval
"$::policy $::backend
location /serve {
    secure_link_hmac_enforce on;
    $::serve
    location /serve/put { secure_link_hmac_methods PUT; $::serve }
}"
--- request eval
[map { my $path = $_; map { "$_ " . link($path) } qw(GET POST PUT) } '/serve', '/serve/put']
--- error_code eval
[403, 200, 403, 403, 403, 200]



=== TEST 5: methods do not count where nothing is enforced
--- config eval
"$::policy
secure_link_hmac_methods PUT;
location /show { return 200 '\$secure_link_hmac \$secure_link_hmac_status'; }"
--- request eval
[map { "$_ " . link('/show') } qw(GET POST PUT DELETE)]
--- response_body eval
[('1 granted') x 4]



=== TEST 6: a dry run counts methods and lets them pass
--- config eval
"$::policy $::backend
location /serve { secure_link_hmac_enforce dry_run; $::serve }"
--- request eval
[map { "$_ " . link('/serve') } qw(POST GET)]
--- response_headers eval
['X-Verdict: out_of_scope', 'X-Verdict: granted']
--- response_body eval
["served\n", "served\n"]
--- log_level: info
--- grep_error_log eval
qr/dry run, would deny: verdict=out_of_scope key=""/
--- grep_error_log_out eval
"dry run, would deny: verdict=out_of_scope key=\"\"\n"



=== TEST 7: what is wrong with the link itself is said first
--- config eval
"$::policy $::backend
secure_link_hmac_leeway 1m;
location /serve { secure_link_hmac_enforce on; $::serve }"
--- request eval
['POST ' . link('/serve', secret => other_secret), 'POST ' . link('/serve', ts => 1700000000), 'POST ' . link('/serve', ts => time() + 3600),
 'POST ' . link('/serve', st => 'x'), 'POST /serve', 'POST ' . link('/serve')]
--- error_code eval
[403, 410, 403, 403, 403, 403]
--- response_headers eval
[map { "X-Verdict: $_" } qw(forged expired early malformed missing out_of_scope)]



=== TEST 8: a method of the wrong link shows that the link was authentic
--- config eval
"$::policy $::backend
location /serve { secure_link_hmac_enforce on; add_header X-Expiry \$secure_link_hmac_expires_at always; $::serve }"
--- request eval
['POST ' . link('/serve', ts => 1, e => 9999999998), 'POST ' . link('/serve', ts => 1, e => 9999999998, secret => other_secret)]
--- error_code eval
[403, 403]
--- response_headers eval
['X-Expiry: 9999999999', 'X-Expiry:']



=== TEST 9: methods are given once in a block
--- config
secure_link_hmac_methods GET;
secure_link_hmac_methods POST;
--- must_die
--- error_log eval
[qr/\[emerg\].*"secure_link_hmac_methods" directive is duplicate in .*nginx\.conf:\d+/]



=== TEST 10: methods without a name are refused
--- config
secure_link_hmac_methods;
--- must_die
--- error_log eval
[qr/\[emerg\].*invalid number of arguments in "secure_link_hmac_methods" directive in .*nginx\.conf:\d+/]
