# A configuration of ngx_http_hmac_secure_link_module 2.0, unchanged: only secure_link_hmac,
# _message, _secret and _algorithm are set, and nothing is enforced.

use strict;
use warnings;

use lib 't/lib';
use SecureLink;
use Test::Nginx::Socket 'no_plan';

our $now = time();
our $ts = $now - 100;

our $usual = <<'_EOC_';
    secure_link_hmac "$arg_st,$arg_ts,$arg_e";
    secure_link_hmac_secret "my_very_secret_key_for_test";
    secure_link_hmac_message "$uri|$arg_ts|$arg_e";
    secure_link_hmac_algorithm sha256;
_EOC_

our $show = 'return 200 "[$secure_link_hmac] [$secure_link_hmac_expires] [$secure_link_hmac_token]\n";';

# A link of this suite, and the token that its path, time and lifetime would get.
sub Test::Base::Filter::dropin { return SecureLink::link($_[0], secret => 'my_very_secret_key_for_test', @_[1 .. $#_]) }
sub Test::Base::Filter::right { return token($_[0], secret => 'my_very_secret_key_for_test') }

check_accum_error_log();
run_tests();

__DATA__

=== TEST 1: a valid link is 1, an expired one 0, any other nothing; a lifetime that can be read is shown as sent
--- config eval
"location ^~ /files/ {
    $::usual
    $::show
}"
--- request eval
[map { "GET $_" }
    dropin('/files/a', ts => $::ts, e => 3600),
    dropin('/files/a', ts => $::ts, e => 10),
    dropin('/files/a', ts => $::ts, e => 3600, secret => other_secret),
    dropin('/files/a', ts => $::ts, e => 3600, st => 'not!base64'),
    dropin('/files/a', ts => 'yesterday', e => 3600),
    dropin('/files/a', ts => $::ts, e => 'long'),
    dropin('/files/a', ts => $::now + 86400, e => 3600),
    '/files/a?ts=1&e=2',
    '/files/a']
--- response_body eval
["[1] [3600] [@{[right(qq{/files/a|$::ts|3600})]}]\n",
 "[0] [10] [@{[right(qq{/files/a|$::ts|10})]}]\n",
 "[] [3600] [@{[right(qq{/files/a|$::ts|3600})]}]\n",
 "[] [3600] [@{[right(qq{/files/a|$::ts|3600})]}]\n",
 "[] [] [@{[right(qq{/files/a|yesterday|3600})]}]\n",
 "[] [] [@{[right(qq{/files/a|$::ts|long})]}]\n",
 "[1] [3600] [@{[right(qq{/files/a|@{[$::now + 86400]}|3600})]}]\n",
 "[] [2] [@{[right('/files/a|1|2')]}]\n",
 "[] [] [@{[right('/files/a||')]}]\n"]
--- no_error_log
[error]
[warn]



=== TEST 2: a permanent link has a lifetime of 0, or no time at all
--- config eval
"location /zero/ {
    $::usual
    $::show
}
location /time/ {
    secure_link_hmac \$arg_st,\$arg_ts;
    secure_link_hmac_secret my_very_secret_key_for_test;
    secure_link_hmac_message \$uri|\$arg_ts;
    $::show
}
location /token/ {
    secure_link_hmac \$arg_st;
    secure_link_hmac_secret my_very_secret_key_for_test;
    secure_link_hmac_message \$uri;
    $::show
}"
--- request eval
['GET ' . dropin('/zero/a', ts => 1500000000, e => 0),
 'GET ' . dropin('/time/a', ts => 1500000000, e => undef, message => '/time/a|1500000000'),
 'GET ' . dropin('/token/a', ts => undef, e => undef, message => '/token/a')]
--- response_body eval
["[1] [0] [@{[right('/zero/a|1500000000|0')]}]\n", "[1] [] [@{[right('/time/a|1500000000')]}]\n", "[1] [] [@{[right('/token/a')]}]\n"]



=== TEST 3: timestamps in ISO 8601 and unix seconds, in an argument
--- config eval
"location /files/ {
    $::usual
    return 200 [\$secure_link_hmac];
}"
--- request eval
[map { 'GET ' . dropin('/files/a', ts => $_->[0], e => $_->[1]) }
    [iso_date($::ts), 3600], [iso_date($::ts, '+00:00'), 3600], [iso_date($::ts, '+02:00'), 3600], [iso_date($::ts, '-11:30'), 3600],
    [iso_date($::ts, '+02:00'), 10], [iso_date($::ts, '-11:30'), 10], [$::ts, 3600], [$::ts, 10],
    ['2025-02-31T00:00:00Z', 999999999], ['2025-01-01', 999999999]]
--- response_body eval
[map { "[$_]" } 1, 1, 1, 1, 0, 0, 1, 0, '', '']



=== TEST 4: a date as in HTTP brings a comma of its own, wherever it comes from
--- http_config
map $http_x_date $from_map { ~.+ $http_x_date; }
--- config
secure_link_hmac_secret my_very_secret_key_for_test;
location /header {
    secure_link_hmac "$arg_st,$http_x_date,$arg_e";
    secure_link_hmac_message "$uri|$http_x_date|$arg_e";
    return 200 "[$secure_link_hmac] [$secure_link_hmac_expires]";
}
location /map {
    secure_link_hmac "$arg_st,$from_map,$arg_e";
    secure_link_hmac_message "$uri|$from_map|$arg_e";
    return 200 "[$secure_link_hmac] [$secure_link_hmac_expires]";
}
location /set {
    set $credential "$arg_st,$http_x_date,$arg_e";
    secure_link_hmac $credential;
    secure_link_hmac_message "$uri|$http_x_date|$arg_e";
    return 200 "[$secure_link_hmac] [$secure_link_hmac_expires]";
}
location /permanent {
    secure_link_hmac "$arg_st,$http_x_date";
    secure_link_hmac_message "$uri|$http_x_date";
    return 200 "[$secure_link_hmac] [$secure_link_hmac_expires]";
}
--- request eval
[(map { my $e = $_; map { 'GET ' . dropin($_, ts => undef, e => $e, message => "$_|@{[http_date($::ts)]}|$e") } '/header', '/map', '/set' } 3600, 10),
 'GET ' . dropin('/permanent', ts => undef, e => undef, message => "/permanent|@{[http_date($::ts)]}")]
--- more_headers eval
"X-Date: @{[http_date($::ts)]}"
--- response_body eval
[('[1] [3600]') x 3, ('[0] [10]') x 3, '[1] []']
--- no_error_log
[error]



=== TEST 5: the value is split where its variables bring commas
--- config
secure_link_hmac_secret my_very_secret_key_for_test;
location /argument {
    secure_link_hmac $arg_t;
    secure_link_hmac_message $uri;
    return 200 "[$secure_link_hmac] [$secure_link_hmac_expires]";
}
location /cookie {
    secure_link_hmac $cookie_t;
    secure_link_hmac_message $uri;
    return 200 "[$secure_link_hmac] [$secure_link_hmac_expires]";
}
location /path {
    location ~ ^(?<file>/path/.*)/(?<credential>[^/]*)$ {
        secure_link_hmac $credential;
        secure_link_hmac_message $file;
        return 200 "[$secure_link_hmac] [$secure_link_hmac_expires]";
    }
}
--- request eval
my ($long, $over) = ("$::ts,3600", "$::ts,10");
[(map { 'GET /argument?t=' . right('/argument') . ",$_" } $long, $over, "$::ts", "$::ts,", ',', '', "$::ts,10,20"),
 'GET /cookie', 'GET /path/a/' . right('/path/a') . ",$long"]
--- more_headers eval
'Cookie: a=b; t=' . right('/cookie') . ",$::ts,3600"
--- response_body eval
['[1] [3600]', '[0] [10]', '[1] []', '[] []', '[] []', '[] []', '[] []', '[1] [3600]', '[1] [3600]']



=== TEST 6: the same credential is not split where the check is enforced
--- config
secure_link_hmac_secret my_very_secret_key_for_test;
secure_link_hmac_message $uri;
location /argument {
    secure_link_hmac $arg_t;
    secure_link_hmac_enforce on;
    add_header X-Verdict $secure_link_hmac_status always;
    empty_gif;
}
--- request eval
[map { 'GET /argument?t=' . right('/argument') . $_ } '', ",$::ts,3600", ",$::ts", ',']
--- error_code eval
[200, 403, 403, 403]
--- response_headers eval
['X-Verdict: granted', ('X-Verdict: malformed') x 3]



=== TEST 7: the guards that configurations use
--- config eval
"secure_link_hmac_secret my_very_secret_key_for_test;
secure_link_hmac_message \$uri|\$arg_ts|\$arg_e;
secure_link_hmac \"\$arg_st,\$arg_ts,\$arg_e\";
location /return/ {
    if (\$secure_link_hmac != \"1\") { return 403; }
    root html;
}
location /two/ {
    if (\$secure_link_hmac = \"0\") { return 410; }
    if (\$secure_link_hmac = \"\") { return 403; }
    root html;
}
location /not/ {
    if (\$secure_link_hmac) { set \$passed 1; }
    if (\$passed != 1) { return 404; }
    root html;
}
location /rewrite/ {
    if (\$secure_link_hmac != 1) { rewrite ^ /refused last; }
    rewrite ^/rewrite/(.*)\$ /internal/\$1 break;
    root html;
}
location = /refused { internal; return 402; }"
--- user_files
>>> return/a
file
>>> two/a
file
>>> not/a
file
>>> internal/a
file
--- request eval
[map { my $path = $_; map { "GET $_" } dropin("$path/a", ts => $::ts), dropin("$path/a", ts => $::ts, e => 10), dropin("$path/a", st => 'x'), "$path/a" }
    '/return', '/two', '/not', '/rewrite']
--- error_code eval
[200, 403, 403, 403, 200, 410, 403, 403, 200, 404, 404, 404, 200, 402, 402, 402]
--- no_error_log
[error]



=== TEST 8: the variables are passed on to a backend
--- config eval
"location /files/ {
    $::usual
    proxy_set_header X-Link \"[\$secure_link_hmac]\";
    proxy_set_header X-Lifetime \"[\$secure_link_hmac_expires]\";
    proxy_set_header X-Token \"[\$secure_link_hmac_token]\";
    proxy_pass http://127.0.0.1:\$TEST_NGINX_SERVER_PORT/backend;
}
location /backend { return 200 '\$http_x_link\$http_x_lifetime\$http_x_token'; }"
--- request eval
[map { 'GET ' . dropin('/files/a', ts => $::ts, e => $_) } 3600, 10, 'x']
--- response_body eval
["[1][3600][@{[right(qq{/files/a|$::ts|3600})]}]", "[0][10][@{[right(qq{/files/a|$::ts|10})]}]", "[][][@{[right(qq{/files/a|$::ts|x})]}]"]



=== TEST 9: a proxy signs the request that it passes on
--- config
location ^~ /backend_location/ {
    set $expire 60;
    set $time "Sun, 06 Nov 1994 08:49:37 GMT";
    secure_link_hmac_message "$uri|$time|$expire";
    secure_link_hmac_secret "my_very_secret_key_for_test";
    secure_link_hmac_algorithm sha256;
    return 200 "$uri?st=$secure_link_hmac_token&ts=$time&e=$expire [$secure_link_hmac]";
}
--- request
GET /backend_location/a
--- response_body eval
'/backend_location/a?st=' . right('/backend_location/a|Sun, 06 Nov 1994 08:49:37 GMT|60') . '&ts=Sun, 06 Nov 1994 08:49:37 GMT&e=60 []'
--- no_error_log
[error]
[warn]



=== TEST 10: directives are inherited one by one
--- http_config
secure_link_hmac "$arg_st,$arg_ts,$arg_e";
secure_link_hmac_algorithm sha1;
--- config eval
"secure_link_hmac_secret my_very_secret_key_for_test;
location /files {
    secure_link_hmac_message \"\$uri|\$arg_ts|\$arg_e\";
    location /files/sha1 { $::show }
    location /files/sha512 { secure_link_hmac_algorithm sha512; $::show }
    location /files/other {
        secure_link_hmac \"\$arg_md5,\$arg_ts\";
        secure_link_hmac_secret another_secret_of_the_operator;
        secure_link_hmac_message \"\$uri&\$arg_ts\";
        secure_link_hmac_algorithm md5;
        $::show
    }
}"
--- request eval
['GET ' . dropin('/files/sha1', ts => 1, e => 0, algorithm => 'sha1'),
 'GET ' . dropin('/files/sha512', ts => 1, e => 0, algorithm => 'sha512'),
 'GET ' . dropin('/files/sha512', ts => 1, e => 0, algorithm => 'sha1'),
 'GET /files/other?md5=' . token('/files/other&1', secret => 'another_secret_of_the_operator', algorithm => 'md5') . '&ts=1']
--- response_body eval
my @sha512 = ('secret', 'my_very_secret_key_for_test', 'algorithm', 'sha512');
["[1] [0] [" . token('/files/sha1|1|0', secret => 'my_very_secret_key_for_test', algorithm => 'sha1') . "]\n",
 "[1] [0] [" . token('/files/sha512|1|0', @sha512) . "]\n",
 "[] [0] [" . token('/files/sha512|1|0', @sha512) . "]\n",
 "[1] [] [" . token('/files/other&1', secret => 'another_secret_of_the_operator', algorithm => 'md5') . "]\n"]



=== TEST 11: messages and secrets of the operator's taste, and each warning for the block that has it
--- config eval
'secure_link_hmac "$arg_st,$arg_ts,$arg_e";
secure_link_hmac_secret testsecret;
location /colon { secure_link_hmac_message "$uri:$arg_ts:$arg_e"; return 200 [$secure_link_hmac]; }
location /slash { secure_link_hmac_message "$uri/$arg_ts/$arg_e"; return 200 [$secure_link_hmac]; }
location /glued { secure_link_hmac_message "$uri$arg_ts$arg_e"; return 200 [$secure_link_hmac]; }
location /fixed { secure_link_hmac_message static-message; return 200 [$secure_link_hmac]; }'
--- request eval
[map { my ($path, $message) = @$_; map { 'GET ' . link($path, ts => $::ts, secret => 'testsecret', message => $_) } $message, "$message|" }
    ['/colon', "/colon:$::ts:3600"], ['/slash', "/slash/$::ts/3600"], ['/glued', "/glued${\($::ts)}3600"], ['/fixed', 'static-message']]
--- response_body eval
[('[1]', '[]') x 4]
--- no_error_log
[error]
[emerg]



=== TEST 12: a message or a secret that is not there leaves the variables empty, and warns
--- config
location /message {
    secure_link_hmac "$arg_st,$arg_ts,$arg_e";
    secure_link_hmac_secret my_very_secret_key_for_test;
    return 200 "[$secure_link_hmac$secure_link_hmac_token]";
}
location /secret {
    secure_link_hmac "$arg_st,$arg_ts,$arg_e";
    secure_link_hmac_message "$uri|$arg_ts|$arg_e";
    return 200 "[$secure_link_hmac$secure_link_hmac_token]";
}
--- request eval
[map { my $path = $_; map { "GET $_" } dropin($path), link($path, secret => ''), dropin($path, message => ''), $path } '/message', '/secret']
--- response_body eval
[('[]') x 8]
--- error_log eval
[qr/\[warn\].*secure_link_hmac_message.* in \S*nginx\.conf:\d+/, qr/\[warn\].*secure_link_hmac_secret.* in \S*nginx\.conf:\d+/]



=== TEST 13: where nothing is configured, the variables are empty and nothing warns
--- config eval
"location = /a { return 200 '[\$secure_link_hmac\$secure_link_hmac_expires\$secure_link_hmac_token\$secure_link_hmac_status]'; }"
--- request
GET /a?st=x&ts=1&e=2
--- response_body: []
--- no_error_log
[error]
[warn]



=== TEST 14: a secret and a message of variables, as in a map of customers
--- http_config
map $arg_user $secret { acme secret_of_acme; globex secret_of_globex; default ''; }
--- config
location /files/ {
    secure_link_hmac "$arg_st,$arg_ts,$arg_e";
    secure_link_hmac_message "$arg_user|$uri|$arg_ts|$arg_e";
    secure_link_hmac_secret $secret;
    return 200 [$secure_link_hmac];
}
--- request eval
[map { my ($user, $secret) = @$_; 'GET ' . link('/files/a', ts => $::ts, message => "$user|/files/a|$::ts|3600", secret => $secret, args => "user=$user") }
    ['acme', 'secret_of_acme'], ['globex', 'secret_of_globex'], ['globex', 'secret_of_acme'], ['', ''], ['nobody', '']]
--- response_body eval
['[1]', '[1]', '[]', '[]', '[]']
--- no_error_log
[error]



=== TEST 15: variables may be copied, and written to as any that is changeable
--- config eval
"location /files/ {
    $::usual
    set \$copy \$secure_link_hmac;
    set \$secure_link_hmac_expires mine;
    return 200 '[\$copy] [\$secure_link_hmac_expires]';
}"
--- request eval
'GET ' . dropin('/files/a')
--- response_body: [1] [mine]



=== TEST 16: a surplus field warns, and no link passes by it
--- config
location /files/ {
    secure_link_hmac "$arg_st,$arg_ts,$arg_e,$arg_x";
    secure_link_hmac_message "$uri|$arg_ts|$arg_e";
    secure_link_hmac_secret my_very_secret_key_for_test;
    return 200 [$secure_link_hmac];
}
--- request eval
['GET ' . dropin('/files/a'), 'GET ' . dropin('/files/a', args => 'x=0')]
--- response_body eval
['[]', '[]']
--- error_log eval
[qr/\[warn\].*secure_link_hmac.* in \S*nginx\.conf:\d+/]



=== TEST 17: a credential in the path, taken by a regular expression
--- config
secure_link_hmac_secret my_very_secret_key_for_test;
location ~ ^/numbered/([^,/]+),(\d+),(\d+)(/.*)$ {
    secure_link_hmac "$1,$2,$3";
    secure_link_hmac_message "$4|$2|$3";
    return 200 "[$secure_link_hmac] [$secure_link_hmac_expires]";
}
location ~ ^/braces/(?<st>[^,/]+),(?<ts>\d+),(?<e>\d+)(?<path>/.*)$ {
    secure_link_hmac "${st},${ts},${e}";
    secure_link_hmac_message "${path}|${ts}|${e}";
    return 200 "[${secure_link_hmac}] [${secure_link_hmac_expires}]";
}
location ~ ^/enforced/(?<st>[^,/]+),(?<ts>\d+),(?<e>\d+)(?<path>/.*)$ {
    secure_link_hmac "$st,$ts,$e";
    secure_link_hmac_message "$path|$ts|$e";
    secure_link_hmac_enforce on;
    empty_gif;
}
--- request eval
[map { my $place = $_; map { my ($e, $right) = @$_; "GET /$place/" . right($right || "/films/a.mp4|$::ts|$e") . ",$::ts,$e/films/a.mp4" } [3600], [10], [3600, '/films/b.mp4'] }
    qw(numbered braces enforced)]
--- error_code eval
[(200) x 6, 200, 410, 403]
--- response_body_like eval
[('^\[1\] \[3600\]$', '^\[0\] \[10\]$', '^\[\] \[3600\]$') x 2, 'GIF89a', '410 Gone', '403 Forbidden']
--- no_error_log
[error]



=== TEST 18: an empty message is signed as it is, and warned about
--- config
location /files/ {
    secure_link_hmac $arg_st;
    secure_link_hmac_message "";
    secure_link_hmac_secret my_very_secret_key_for_test;
    return 200 [$secure_link_hmac];
}
--- request eval
[map { 'GET /files/a?st=' . right($_) } '', ' ']
--- response_body eval
['[1]', '[]']
--- error_log eval
[qr/\[warn\].*secure_link_hmac_message.* in \S*nginx\.conf:\d+/]
