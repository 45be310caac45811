# Secrets: repeated, from files, and made of variables.

use strict;
use warnings;

use lib 't/lib';
use SecureLink;
use Test::Nginx::Socket 'no_plan';

$ENV{TEST_NGINX_HTML_DIR} ||= html_dir();

our ($new, $old, $older, $stranger) = map { $_ x 8 } 'new1', 'old2', 'old3', 'xxx4';

our $policy = <<'_EOC_';
    secure_link_hmac "$arg_st,$arg_ts,$arg_e";
    secure_link_hmac_message "$uri|$arg_ts|$arg_e";
_EOC_

our $show = 'return 200 "$secure_link_hmac $secure_link_hmac_status [$secure_link_hmac_key_id]\n";';
our $serve = 'secure_link_hmac_enforce on; add_header X-Verdict $secure_link_hmac_status always; empty_gif;';

# A secret of every byte, and three files that hold it.
our $binary = join '', map { chr } 0 .. 255;
our $hex    = unpack 'H*', $binary;
our $base64 = MIME::Base64::encode_base64($binary, '');

run_tests();

__DATA__

=== TEST 1: every secret of a list verifies, and no other
--- config eval
"$::policy
secure_link_hmac_secret $::new;
secure_link_hmac_secret $::old;
secure_link_hmac_secret $::older;
location /show { $::show }
location /serve { $::serve }"
--- request eval
[map { my $path = $_; map { 'GET ' . link($path, secret => $_) } $::new, $::old, $::older, $::stranger, '', "$::new$::old" } '/show', '/serve']
--- error_code eval
[(200) x 6, (200) x 3, (403) x 3]
--- response_body_like eval
[('^1 granted \[\]$') x 3, ('^ forged \[\]$') x 3, ('GIF89a') x 3, ('403 Forbidden') x 3]
--- no_error_log
[error]



=== TEST 2: the first secret signs
--- config eval
"$::policy
secure_link_hmac_secret $::new;
secure_link_hmac_secret $::old;
location = /a { return 200 \$secure_link_hmac_token; }"
--- request eval
['GET ' . link('/a', ts => 1, e => 2, secret => $::old), 'GET ' . link('/a', ts => 1, e => 2, st => '')]
--- response_body eval
[(token('/a|1|2', secret => $::new)) x 2]



=== TEST 3: an expired link of an old secret is expired, not forged
--- config eval
"$::policy
secure_link_hmac_secret $::new;
secure_link_hmac_secret $::old;
location /show { $::show }"
--- request eval
'GET ' . link('/show', ts => 1700000000, e => 1, secret => $::old)
--- response_body
0 expired []



=== TEST 4: the list of a block replaces the inherited one
--- http_config eval
"secure_link_hmac_secret $::older;"
--- config eval
"$::policy
location /http { $::show }
location /new {
    secure_link_hmac_secret $::new;
    $::show
    location /new/old { secure_link_hmac_secret $::old; $::show }
}"
--- request eval
[map { 'GET ' . link($_->[0], secret => $_->[1]) } ['/http', $::older], ['/http', $::new], ['/new', $::new], ['/new', $::older],
    ['/new/old', $::old], ['/new/old', $::new], ['/new/old', $::older]]
--- response_body_like eval
['^1 granted', '^ forged', '^1 granted', '^ forged', '^1 granted', '^ forged', '^ forged']



=== TEST 5: sixteen secrets are tried
--- config eval
CORE::join "\n", $::policy, (map { sprintf 'secure_link_hmac_secret secret-number-%03d-of-16;', $_ } 1 .. 16), "location /show { $::show }"
--- request eval
[map { 'GET ' . link('/show', secret => sprintf 'secret-number-%03d-of-16', $_) } 1, 16, 17]
--- response_body_like eval
['^1 granted', '^1 granted', '^ forged']



=== TEST 6: seventeen secrets are refused
--- config eval
CORE::join "\n", map { sprintf 'secure_link_hmac_secret secret-number-%03d-of-17;', $_ } 1 .. 17
--- must_die
--- error_log eval
[qr/\[emerg\].*secure_link_hmac_secret.*\b16\b.* in .*nginx\.conf:\d+/]
--- no_error_log
secret-number-



=== TEST 7: a secret is read from a file, raw but for one line end
--- config eval
CORE::join "\n", $::policy, map { "location /$_ { secure_link_hmac_secret file:\$TEST_NGINX_HTML_DIR/$_; $::show }" } qw(none lf crlf two binary)
--- user_files eval
[[none => $::new], [lf => "$::new\n"], [crlf => "$::new\r\n"], [two => "$::new\n\n"], [binary => "$::binary\n"]]
--- request eval
[map { 'GET ' . link($_->[0], secret => $_->[1]) } ['/none', $::new], ['/lf', $::new], ['/crlf', $::new], ['/two', "$::new\n"], ['/two', $::new],
    ['/binary', $::binary], ['/binary', "$::binary\n"]]
--- response_body_like eval
[('^1 granted') x 4, '^ forged', '^1 granted', '^ forged']



=== TEST 8: a file may be raw by name, hex in either case, or base64 padded or not
--- config eval
CORE::join "\n", $::policy, map { my $format = $_; $format =~ s/_.*//;
    "location /$_/ { secure_link_hmac_secret file:\$TEST_NGINX_HTML_DIR/$_.key format=$format; $::show }" } qw(raw hex_lower hex_upper base64_padded base64_bare)
--- user_files eval
(my $bare = $::base64) =~ s/=+$//;
[['raw.key' => $::binary], ['hex_lower.key' => "$::hex\n"], ['hex_upper.key' => uc $::hex], ['base64_padded.key' => "$::base64\n"], ['base64_bare.key' => $bare]]
--- request eval
[map { 'GET ' . link("/$_/a", secret => $::binary) } qw(raw hex_lower hex_upper base64_padded base64_bare)]
--- response_body_like eval
[('^1 granted') x 5]
--- no_error_log
[error]



=== TEST 9: the path of a file is relative to the configuration's directory
--- config eval
"$::policy
secure_link_hmac_secret file:../html/secret.key;
location /show { $::show }"
--- user_files eval
[['secret.key' => "$::new\n"]]
--- request eval
['GET ' . link('/show', secret => $::new)]
--- response_body
1 granted []



=== TEST 10: files and written secrets may be mixed
--- config eval
"$::policy
secure_link_hmac_secret file:\$TEST_NGINX_HTML_DIR/new.key;
secure_link_hmac_secret $::old;
location /show { return 200 '\$secure_link_hmac \$secure_link_hmac_token'; }"
--- user_files eval
[['new.key' => "$::new\n"]]
--- request eval
[map { 'GET ' . link('/show', ts => 1, e => 0, secret => $_) } $::new, $::old, $::stranger]
--- response_body eval
[map { "$_ " . token('/show|1|0', secret => $::new) } 1, 1, '']



=== TEST 11: a debug log has neither a written secret nor one of a file, nor a MAC that was not sent
--- config eval
"$::policy
secure_link_hmac_secret $::new;
secure_link_hmac_secret file:\$TEST_NGINX_HTML_DIR/old.key;
location /show { $::show }
location /serve { $::serve }"
--- user_files eval
[['old.key' => "$::old\n"]]
--- log_level: debug
--- request eval
[map { 'GET ' . link($_->[0], %{$_->[1]}) } ['/show', {ts => 1, e => 0, secret => $::stranger}], ['/serve', {ts => 1, e => 0, secret => $::stranger}],
    ['/serve', {ts => 1, e => 0, st => 'x'}], ['/serve', {secret => $::old}]]
--- error_code eval
[200, 403, 403, 200]
--- no_error_log eval
[$::new, $::old, map { my ($path, $secret) = @$_; (token("$path|1|0", secret => $secret), token("$path|1|0", secret => $secret, encoding => 'hex')) }
    ['/show', $::new], ['/show', $::old], ['/serve', $::new], ['/serve', $::old]]



=== TEST 12: a secret may be chosen by a map
--- http_config eval
"map \$arg_user \$secret { acme $::new; globex $::old; short short; '' ''; }"
--- config eval
"$::policy
secure_link_hmac_secret \$secret;
location /show { $::show }
location /serve { $::serve }"
--- request eval
[map { my $path = $_; map { 'GET ' . link($path, secret => $_->[1], args => "user=$_->[0]") }
    ['acme', $::new], ['globex', $::old], ['acme', $::old], ['globex', $::new] } '/show', '/serve']
--- error_code eval
[(200) x 4, 200, 200, 403, 403]
--- response_body_like eval
['^1 granted', '^1 granted', '^ forged', '^ forged', ('GIF89a') x 2, ('403 Forbidden') x 2]
--- no_error_log
[error]



=== TEST 13: a secret that comes out empty never verifies, not even what was signed with nothing
--- http_config eval
"map \$arg_user \$secret { acme $::new; '' ''; }"
--- config eval
"$::policy
secure_link_hmac_secret \$secret;
location /show { $::show }
location /serve { $::serve }"
--- request eval
[map { my $path = $_; map { 'GET ' . link($path, secret => '', args => $_) } 'user=', 'user', 'x=1', 'user=nobody', 'USER=' } '/show', '/serve']
--- error_code eval
[(200) x 5, (403) x 5]
--- response_headers eval
[('X-Verdict:') x 5, ('X-Verdict: unknown_key') x 5]
--- response_body_like eval
[('^ unknown_key \[\]$') x 5, ('403 Forbidden') x 5]
--- no_error_log
[error]



=== TEST 14: a client that gives the choosing argument twice is malformed only if the policy reads it
--- http_config eval
"map \$arg_user \$secret { acme $::new; '' ''; }"
--- config eval
"$::policy
secure_link_hmac_secret \$secret;
location /show { $::show }"
--- request eval
[map { 'GET ' . link('/show', secret => $_->[0], args => $_->[1]) } [$::new, 'user=acme&user='], ['', 'user=&user=acme']]
--- response_body_like eval
['^1 granted', '^ unknown_key']



=== TEST 15: a short secret of variables is not used where the check is enforced
--- http_config eval
"map \$arg_n \$secret { 15 123456789012345; 16 1234567890123456; 1 1; }"
--- config eval
"$::policy
secure_link_hmac_secret \$secret;
location /show { $::show }
location /serve { $::serve }
location /dry { secure_link_hmac_enforce dry_run; add_header X-Verdict \$secure_link_hmac_status always; empty_gif; }"
--- request eval
[map { my $path = $_; map { 'GET ' . link($path, secret => substr('1234567890123456', 0, $_), args => "n=$_") } 1, 15, 16 } '/show', '/serve', '/dry']
--- error_code eval
[(200) x 3, 403, 403, 200, (200) x 3]
--- response_headers eval
[('X-Verdict:') x 3, ('X-Verdict: unknown_key', 'X-Verdict: unknown_key', 'X-Verdict: granted') x 2]
--- response_body_like eval
[('^1 granted') x 3, ('403 Forbidden') x 2, ('GIF89a') x 4]
--- no_error_log
[error]



=== TEST 16: an unusable secret of variables leaves the others in force
--- http_config eval
"map \$arg_user \$secret { acme $::new; '' ''; }"
--- config eval
"$::policy
secure_link_hmac_secret \$secret;
secure_link_hmac_secret $::old;
location /show { $::show }
location /serve { $::serve }"
--- request eval
[map { my $path = $_; map { 'GET ' . link($path, secret => $_->[0], args => "user=$_->[1]") }
    [$::old, ''], [$::old, 'acme'], [$::new, 'acme'], [$::new, ''], ['', ''] } '/show', '/serve']
--- error_code eval
[(200) x 5, (200) x 3, (403) x 2]
--- response_body_like eval
[('^1 granted') x 3, ('^ forged') x 2, ('GIF89a') x 3, ('403 Forbidden') x 2]



=== TEST 17: no token is made with an empty secret
--- http_config eval
"map \$arg_user \$secret { acme $::new; '' ''; }"
--- config eval
"$::policy
secure_link_hmac_secret \$secret;
secure_link_hmac_secret $::old;
location = /a { return 200 [\$secure_link_hmac_token]; }"
--- request eval
['GET /a?ts=1&e=2&user=acme', 'GET /a?ts=1&e=2']
--- response_body eval
['[' . token('/a|1|2', secret => $::new) . ']', '[]']



=== TEST 18: a secret in parts is put together
--- http_config eval
"map \$arg_user \$part { acme abcdefgh; default ''; }"
--- config eval
"$::policy
secure_link_hmac_secret \"prefix-\${part}-suffix\";
location /show { $::show }
location /serve { $::serve }"
--- request eval
[map { my $path = $_; map { 'GET ' . link($path, secret => $_->[0], args => "user=$_->[1]") }
    ['prefix-abcdefgh-suffix', 'acme'], ['prefix--suffix', ''] } '/show', '/serve']
--- error_code eval
[200, 200, 200, 403]
--- response_headers eval
['X-Verdict:', 'X-Verdict:', 'X-Verdict: granted', 'X-Verdict: unknown_key']



=== TEST 19: a secret longer than the hash's block is hashed first, as HMAC says
--- config eval
"$::policy
location /show { secure_link_hmac_secret @{['k' x 200]}; $::show }"
--- request eval
'GET ' . link('/show', secret => 'k' x 200)
--- response_body
1 granted []



=== TEST 20: a file is read once, before the first request
--- config eval
"$::policy
location = /show { secure_link_hmac_secret file:\$TEST_NGINX_HTML_DIR/once.key; $::show }
location = /once.key { root html; dav_methods PUT; }"
--- user_files eval
[['once.key' => "$::old\n"]]
--- request eval
['GET ' . link('/show', secret => $::old), "PUT /once.key\n$::new", 'GET ' . link('/show', secret => $::old), 'GET ' . link('/show', secret => $::new)]
--- error_code eval
[200, 204, 200, 200]
--- response_body_like eval
['^1 granted', '^$', '^1 granted', '^ forged']



=== TEST 21: a mistake in a secret is told without the secret: a second argument
--- config
secure_link_hmac_secret zebra-0123456789abcdef format=hex;
--- must_die
--- error_log eval
[qr/\[emerg\].*secure_link_hmac_secret.*file:.* in .*nginx\.conf:\d+/]
--- no_error_log
zebra



=== TEST 22: a mistake in a secret is told without the secret: more arguments
--- config
secure_link_hmac_secret zebra-0123456789abcdef zebra zebra;
--- must_die
--- error_log eval
[qr/\[emerg\].*invalid number of arguments in "secure_link_hmac_secret".* in .*nginx\.conf:\d+/]
--- no_error_log
zebra



=== TEST 23: a mistake in a secret is told without the secret: an open bracket
--- config
secure_link_hmac_secret "zebra-0123456789abcdef${";
--- must_die
--- error_log eval
[qr/\[emerg\].*secure_link_hmac_secret.* in .*nginx\.conf:\d+/]
--- no_error_log
zebra



=== TEST 24: a mistake in a secret is told without the secret: a dollar alone
--- config
secure_link_hmac_secret "zebra-0123456789abcdef$";
--- must_die
--- error_log eval
[qr/\[emerg\].*secure_link_hmac_secret.* in .*nginx\.conf:\d+/]
--- no_error_log
zebra



=== TEST 25: a short secret and one that is empty are told without the secret
--- config eval
"$::policy
location /show { secure_link_hmac_secret zebra; $::show }
location /empty { secure_link_hmac_secret ''; $::show }"
--- log_level: debug
--- request eval
['GET ' . link('/show', secret => 'zebra'), 'GET ' . link('/empty', secret => '')]
--- response_body eval
["1 granted []\n", " unknown_key []\n"]
--- no_error_log
zebra
