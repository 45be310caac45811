# What the variables hold, and where they can be read.

use strict;
use warnings;

use lib 't/lib';
use SecureLink;
use Test::Nginx::Socket 'no_plan';

our $now = time();
our $ts = $now - 100;

our $policy = <<'_EOC_';
    secure_link_hmac "$arg_st,$arg_ts,$arg_e";
    secure_link_hmac_message "$uri|$arg_ts|$arg_e";
    secure_link_hmac_secret 0123456789abcdef0123456789abcdef;
_EOC_

our $all = join ' ', map { "[\$secure_link_hmac$_]" }
    '', qw(_status _key_id _subject _expires _expires_at _remaining _uses _args _claim_sub _claim_x_y);

# Links of one path in all their conditions, and what $all is for each of them.
our @cases = (
    [{ts => $ts, e => 3600}, 200, "[1] [granted] [] [] [3600] [@{[$ts + 3600]}] [3[45]\\d\\d] [] [] [] []"],
    [{ts => $ts, e => 3600, args => 'a=1&b'}, 200, "[1] [granted] [] [] [3600] [@{[$ts + 3600]}] [3[45]\\d\\d] [] [a=1&b] [] []"],
    [{ts => $ts, e => 0}, 200, "[1] [granted] [] [] [0] [] [] [] [] [] []"],
    [{ts => $ts, e => 10}, 410, "[0] [expired] [] [] [10] [@{[$ts + 10]}] [-\\d+] [] [] [] []"],
    [{ts => $now + 3600, e => 20}, 403, "[] [early] [] [] [20] [@{[$now + 3620]}] [3[56]\\d\\d] [] [] [] []"],
    [{ts => $ts, e => 3600, secret => other_secret}, 403, '[] [forged] [] [] [3600] [] [] [] [] [] []'],
    [{ts => 1700000000, e => 10, secret => other_secret}, 403, '[] [forged] [] [] [10] [] [] [] [] [] []'],
    [{ts => $ts, e => 3600, st => 'short'}, 403, '[] [malformed] [] [] [3600] [] [] [] [] [] []'],
    [{ts => 'x', e => 3600}, 403, '[] [malformed] [] [] [] [] [] [] [] [] []'],
    [{ts => $ts, e => 'x'}, 403, '[] [malformed] [] [] [] [] [] [] [] [] []'],
);

# "[...]" are meant literally but for what looks like a pattern.
sub pattern {
    my ($text) = @_;
    $text =~ s/([\[\]+?.*&|])/\\$1/g;
    $text =~ s/\\\[45\\\]/[45]/g;
    $text =~ s/\\\[56\\\]/[56]/g;
    $text =~ s/-\\d\\\+/-\\d+/g;
    return $text;
}

sub Test::Base::Filter::requests { my ($path) = @_; return map { 'GET ' . SecureLink::link($path, %{$_->[0]}) } @cases }
sub Test::Base::Filter::values_of { return map { pattern($_->[2]) } @cases }

# Each case beside its pattern.
sub zip { my ($patterns) = @_; return map { [$cases[$_], $patterns->[$_]] } 0 .. $#cases }

run_tests();

__DATA__

=== TEST 1: all variables of each kind of link, where nothing is enforced
--- config eval
"$::policy
secure_link_hmac_leeway 1m;
location /show { return 200 '$::all'; }"
--- request eval
[requests('/show')]
--- response_body_like eval
[map { "^$_\$" } values_of()]
--- no_error_log
[error]
[warn]



=== TEST 2: the same in headers of an enforced location
--- config eval
"$::policy
secure_link_hmac_leeway 1m;
location /serve {
    secure_link_hmac_enforce on;
    add_header X-All '$::all' always;
    empty_gif;
}"
--- request eval
[requests('/serve')]
--- error_code eval
[map { $_->[1] } @::cases]
--- response_headers_like eval
[map { "X-All: $_" } values_of()]
--- no_error_log
[error]
[warn]



=== TEST 3: the same after a hand-off, and in the location of an error page
--- config eval
"$::policy
secure_link_hmac_leeway 1m;
location /serve {
    secure_link_hmac_enforce on;
    secure_link_hmac_pass /internal;
    error_page 403 410 /denied;
}
location = /internal {
    internal;
    add_header X-All '$::all';
    empty_gif;
}
location = /denied {
    internal;
    add_header X-All '$::all' always;
    empty_gif;
}"
--- request eval
[requests('/serve')]
--- error_code eval
[map { $_->[1] } @::cases]
--- response_headers_like eval
[map { "X-All: $_" } values_of()]
--- no_error_log
[error]



=== TEST 4: the same after a hand-off to a named location, and in one of an error page
--- config eval
"$::policy
secure_link_hmac_leeway 1m;
location /serve {
    secure_link_hmac_enforce on;
    secure_link_hmac_pass \@internal;
    error_page 403 410 \@denied;
}
location \@internal {
    add_header X-All '$::all';
    empty_gif;
}
location \@denied { return 200 '$::all'; }"
--- request eval
[requests('/serve')]
--- error_code eval
[map { $_->[1] } @::cases]
--- response_headers_like eval
[map { my ($case, $value) = @$_; $case->[1] == 200 ? "X-All: $value" : '' } ::zip([values_of()])]
--- response_body_like eval
[map { my ($case, $value) = @$_; $case->[1] == 200 ? 'GIF89a' : "^$value\$" } ::zip([values_of()])]
--- no_error_log
[error]



=== TEST 5: granted in the access log
--- http_config eval
"log_format all '\$uri $::all';"
--- config eval
"$::policy
access_log logs/access.log all;
location /pass { secure_link_hmac_enforce on; secure_link_hmac_pass /internal\$uri; }
location /internal { internal; empty_gif; }"
--- request eval
'GET ' . link('/pass', ts => 1, e => 9999999998, args => 'a=b')
--- access_log eval
[qr{/internal/pass \[1\] \[granted\] \[-?\] \[-?\] \[9999999998\] \[9999999999\] \[\d{10}\] \[-?\] \[a=b\] \[-?\] \[-?\]}]



=== TEST 6: expired in the access log
--- http_config eval
"log_format all '\$uri \$status $::all';"
--- config eval
"$::policy
access_log logs/access.log all;
location /serve { secure_link_hmac_enforce on; empty_gif; }"
--- request eval
'GET ' . link('/serve', ts => 1700000000, e => 10)
--- error_code: 410
--- access_log eval
[qr{/serve 410 \[0\] \[expired\] \[-?\] \[-?\] \[10\] \[1700000010\] \[-\d+\]}]



=== TEST 7: forged in the access log
--- http_config eval
"log_format all '\$uri \$status $::all';"
--- config eval
"$::policy
access_log logs/access.log all;
location /serve { secure_link_hmac_enforce on; error_page 403 /denied; empty_gif; }
location /denied { empty_gif; }"
--- request eval
'GET ' . link('/serve', ts => 1700000000, e => 10, secret => other_secret)
--- error_code: 403
--- access_log eval
[qr{/denied 403 \[-\] \[forged\] \[-\] \[-\] \[10\] \[-\] \[-\] \[-\]}]



=== TEST 8: the query string without the credential's own arguments, in order
--- config
secure_link_hmac "$arg_st,$arg_ts,$arg_e";
secure_link_hmac_message "$uri|$arg_user|$arg_ts|$arg_e";
secure_link_hmac_secret 0123456789abcdef0123456789abcdef;
location /show { return 200 "[$secure_link_hmac_args]"; }
location /off { secure_link_hmac off; return 200 "[$secure_link_hmac_args]"; }
location /two { secure_link_hmac $arg_a $cookie_b $arg_c; return 200 "[$secure_link_hmac_args]"; }
--- request eval
[map { "GET $_" } '/show?st=1&ts=2&e=3', '/show?b=2&st=1&a=1&ts=2&c&e=3', '/show?ST=1&Ts=2&E=3&x=%20', '/show?st&ts&e&z', '/show?user=acme&st=1&a=st',
    '/show?est=1&st2=2', '/show?a&b&c', '/show', '/show?', '/show?s%74=1', '/off?st=1&x=2', '/two?a=1&b=2&c=3&st=4']
--- response_body eval
[map { "[$_]" } '', 'b=2&a=1&c', 'x=%20', 'z', 'user=acme&a=st', 'est=1&st2=2', 'a&b&c', '', '', 's%74=1', 'st=1&x=2', 'b=2&st=4']



=== TEST 9: the query string of the checked request goes with the hand-off, when it is written
--- config eval
"$::policy
location /files/ {
    secure_link_hmac_enforce on;
    secure_link_hmac_pass /internal\$uri?\$secure_link_hmac_args;
}
location /internal/ { internal; proxy_pass http://127.0.0.1:\$TEST_NGINX_SERVER_PORT/backend/; }
location /backend/ { return 200 \$request_uri; }"
--- request eval
['GET ' . link('/files/a', args => 'w=100&h=50&st2=x'), 'GET ' . link('/files/a')]
--- response_body eval
['/backend/files/a?w=100&h=50&st2=x', '/backend/files/a']



=== TEST 10: no credential configured, no word; a token all the same
--- config eval
"$::policy
location /off { secure_link_hmac off; return 200 '[\$secure_link_hmac] [\$secure_link_hmac_status] [\$secure_link_hmac_expires] [\$secure_link_hmac_token]'; }"
--- request eval
'GET ' . link('/off', ts => 1, e => 0)
--- response_body eval
'[] [] [] [' . token('/off|1|0') . ']'



=== TEST 11: a request without a credential is missing
--- config eval
"$::policy
location /show { return 200 '[\$secure_link_hmac] [\$secure_link_hmac_status] [\$secure_link_hmac_expires_at]'; }
location /two { secure_link_hmac \$arg_a \$cookie_b; return 200 '[\$secure_link_hmac] [\$secure_link_hmac_status]'; }"
--- request eval
['GET /show', 'GET /show?st=&ts=1&e=2', 'GET /show?st&ts=1&e=2', 'GET /show?ts=1&e=2', 'GET /two?a=', 'GET /two?b=x']
--- response_body eval
[('[] [missing] []') x 4, ('[] [missing]') x 2]



=== TEST 12: the first value whose token is not empty counts
--- config
secure_link_hmac $arg_t $cookie_t $http_x_t;
secure_link_hmac_message $uri;
secure_link_hmac_secret 0123456789abcdef0123456789abcdef;
location /show { return 200 $secure_link_hmac_status; }
--- request eval
['GET /show?t=' . token('/show'), 'GET /show', 'GET /show?t=', 'GET /show', 'GET /show?t=' . token('/other'), 'GET /show?t=x', 'GET /show']
--- more_headers eval
my $right = token('/show');
["Cookie: t=x\nX-T: y", "Cookie: t=$right\nX-T: y", "Cookie: t=\nX-T: $right", "X-T: $right", "Cookie: t=$right", "Cookie: t=$right", "Cookie: t=x\nX-T: $right"]
--- response_body eval
[('granted') x 4, 'forged', ('malformed') x 2]



=== TEST 13: no value has a control byte, in a body, a header or a log
--- http_config eval
"log_format all escape=none '<$::all>';"
--- config
secure_link_hmac_secret 0123456789abcdef0123456789abcdef;
access_log logs/access.log all;
location ~ ^/path/(?<lifetime>[^/]*)/ {
    secure_link_hmac "$arg_st,$arg_ts,$lifetime";
    secure_link_hmac_message $uri;
    add_header X-Lifetime "<$secure_link_hmac_expires>";
    return 200 "[$secure_link_hmac_expires]";
}
location /header {
    secure_link_hmac "$arg_st,$arg_ts,$http_x_lifetime";
    secure_link_hmac_message $uri;
    return 200 "[$secure_link_hmac_expires]";
}
--- request eval
[(map { "GET /path/$_/?st=x&ts=1" } '60', '6%0D%0ASet-Cookie:%20a=b', '%0a', '%09', '%7f', '%01', 'a%20b'), ('GET /header?st=x&ts=1') x 2]
--- more_headers eval
[('X: y') x 7, "X-Lifetime: 6\t0", 'X-Lifetime: 60']
--- response_headers eval
['X-Lifetime: <60>', ("X-Lifetime: <>\nSet-Cookie:") x 6, ('X-Lifetime:') x 2]
--- response_body eval
['[60]', ('[]') x 7, '[60]']
--- no_access_log eval
[qr/^(?!<|127\.0\.0\.1 )/, qr/[\x00-\x09\x0b-\x1f\x7f]/]



=== TEST 14: each location speaks for its own policy
--- config eval
"$::policy
location /first {
    if (\$secure_link_hmac_status = forged) { rewrite ^ /second last; }
    return 200 'first \$secure_link_hmac_status';
}
location /second {
    secure_link_hmac_secret fedcba9876543210fedcba9876543210;
    secure_link_hmac_message '/first|\$arg_ts|\$arg_e';
    return 200 'second \$secure_link_hmac_status';
}"
--- request eval
['GET ' . link('/first'), 'GET ' . link('/first', secret => other_secret)]
--- response_body eval
['first granted', 'second granted']



=== TEST 15: the names of claims are free, and without claims all are empty
--- config eval
"$::policy
location /show { return 200 '[\$secure_link_hmac_claim_aud\$secure_link_hmac_claim_X\$secure_link_hmac_claim_very_long_name_of_a_claim]'; }"
--- request eval
'GET ' . link('/show')
--- response_body: []
--- no_error_log
[error]
