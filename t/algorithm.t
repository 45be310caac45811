# The hash under HMAC: every name of the list, against tokens that openssl made.

use strict;
use warnings;

use lib 't/lib';
use SecureLink;
use Test::Nginx::Socket 'no_plan';

our @algorithms = @SecureLink::ALGORITHMS;

our $policy = <<'_EOC_';
    secure_link_hmac "$arg_st";
    secure_link_hmac_message "$uri";
    secure_link_hmac_secret 0123456789abcdef0123456789abcdef;
_EOC_

our $show = 'return 200 "$secure_link_hmac $secure_link_hmac_status $secure_link_hmac_token\n";';
our $serve = 'secure_link_hmac_enforce on; add_header X-Verdict $secure_link_hmac_status always; empty_gif;';

sub openssl_token {
    my ($path, $algorithm) = @_;
    return MIME::Base64::encode_base64url(
        SecureLink::openssl_mac($path, '0123456789abcdef0123456789abcdef', $algorithm));
}

our %token = map { $_ => openssl_token("/$_", $_) } @algorithms;

# Each token, and the outcome of showing it where another algorithm is configured.
our @foreign;
for my $algorithm (@algorithms) {
    for my $other (grep { $_ ne $algorithm } @algorithms) {
        my $token = openssl_token("/$algorithm", $other);
        push @foreign, ["/$algorithm?st=$token", length $token == length $token{$algorithm} ? 'forged' : 'malformed'];
    }
}

# Signed over /files/report.pdf|1700000000|3600; the last ones have unused bits or the wrong MAC.
our @vectors = (
    ['sha256', 'lCcL1NkQIShbVqCnwlGa7O9exec-Z8murTSjQNGgiA8', '1 granted'],
    ['sha512', 'UxhHa447ihF6PMZeiTbMtJdl_G1niZ0BWATAK-1W1dYDXSD5t0lC9-bQ4AiJNOPNVdnkf9RZuQPrRAhtiVTiSA', '1 granted'],
    ['sha1', 'tMjf3AZdcHB0k9JbGa-9axa-njQ', '1 granted'],
    ['md5', 'Wfj_2gwCHmVvkGCOssRdQQ', '1 granted'],
    ['sha3-256', 'UTvv8uEo9YUt3JXcERyrM34mpqoAaJvHHXBKSu_WEU0', '1 granted'],
    ['sha256', 'lCcL1NkQIShbVqCnwlGa7O9exec-Z8murTSjQNGgiA9', ' malformed'],
    ['sha256', 'lCcL1NkQIShbVqCnwlGa7O9exec-Z8murTSjQNGgiA4', ' forged'],
    ['sha3-256', 'lCcL1NkQIShbVqCnwlGa7O9exec-Z8murTSjQNGgiA8', ' forged'],
);

check_accum_error_log();
run_tests();

__DATA__

=== TEST 1: every algorithm verifies and makes what openssl makes
--- config eval
CORE::join "\n", $::policy, map { "location = /$_ { secure_link_hmac_algorithm $_; $::show }" } @::algorithms
--- request eval
[map { "GET /$_?st=$::token{$_}" } @::algorithms]
--- response_body eval
[map { "1 granted $::token{$_}\n" } @::algorithms]
--- no_error_log
[error]
[warn]



=== TEST 2: every algorithm grants where the check is enforced
--- config eval
CORE::join "\n", $::policy, map { "location = /$_ { secure_link_hmac_algorithm $_; $::serve }" } @::algorithms
--- request eval
[map { "GET /$_?st=$::token{$_}" } @::algorithms]
--- error_code eval
[(200) x @::algorithms]
--- no_error_log
[error]
[warn]



=== TEST 3: a token of another algorithm never passes, whatever its length
--- config eval
CORE::join "\n", $::policy, map { "location = /$_ { secure_link_hmac_algorithm $_; $::show }" } @::algorithms
--- request eval
[map { "GET $_->[0]" } @::foreign]
--- response_body_like eval
[map { "^ $_->[1] " } @::foreign]



=== TEST 4: sha256 is the default
--- config eval
"$::policy
location = /sha256 { $::show }"
--- request eval
"GET /sha256?st=$::token{sha256}"
--- response_body eval
"1 granted $::token{sha256}\n"



=== TEST 5: the algorithm is inherited over http, server and location, and replaced below
--- http_config
secure_link_hmac_algorithm sha512;
--- config eval
"$::policy
location = /sha512 { $::show }
location /sha3 {
    secure_link_hmac_algorithm sha3-512;
    location = /sha3-512 { $::show }
    location = /sha3-256 { secure_link_hmac_algorithm sha3-256; $::show }
}"
--- request eval
[map { "GET /$_?st=$::token{$_}" } qw(sha512 sha3-512 sha3-256)]
--- response_body eval
[map { "1 granted $::token{$_}\n" } qw(sha512 sha3-512 sha3-256)]



=== TEST 6: the credential does not choose the algorithm
--- config eval
"$::policy
location = /sha256 { $::show }"
--- request eval
[map { "GET /sha256?$_" } "alg=sha512&st=" . ::openssl_token('/sha256', 'sha512'), "algorithm=md5&st=" . ::openssl_token('/sha256', 'md5'),
    'st=' . 'sha512:' . ::openssl_token('/sha256', 'sha512'), 'st=none:', 'st=sha256=' . $::token{sha256}]
--- response_body_like eval
[('^ malformed ') x 5]



=== TEST 7: the published vectors of the usual message verify under a permanent link
--- http_config eval
CORE::join '', map { "server {
    listen \$TEST_NGINX_SERVER_PORT;
    server_name $_.example;
    location /files/ {
        secure_link_hmac \"\$arg_st\";
        secure_link_hmac_message \"\$uri|\$arg_ts|\$arg_e\";
        secure_link_hmac_secret 0123456789abcdef0123456789abcdef;
        secure_link_hmac_algorithm $_;
        $::show
    }
}
" } qw(sha256 sha512 sha1 md5 sha3-256)
--- config
--- request eval
[map { "GET /files/report.pdf?st=$_->[1]&ts=1700000000&e=3600" } @::vectors]
--- more_headers eval
[map { "Host: $_->[0].example" } @::vectors]
--- response_body_like eval
[map { "^$_->[2] " } @::vectors]
--- no_error_log
[error]



=== TEST 8: names of algorithms ignore case, as openssl's do
--- config eval
"$::policy
location = /sha512 { secure_link_hmac_algorithm SHA512; $::show }
location = /sha3-256 { secure_link_hmac_algorithm Sha3-256; $::show }"
--- request eval
[map { "GET /$_?st=$::token{$_}" } qw(sha512 sha3-256)]
--- response_body eval
[map { "1 granted $::token{$_}\n" } qw(sha512 sha3-256)]



=== TEST 9: an unknown algorithm leaves the variables empty where nothing is enforced, and warns once
--- config eval
"location /files {
    $::policy
    secure_link_hmac_algorithm whirlpool;
    location /files/show { return 200 '[\$secure_link_hmac\$secure_link_hmac_expires\$secure_link_hmac_token]'; }
    location /files/if { if (\$secure_link_hmac) { return 200 bad; } return 403; }
}"
--- request eval
['GET /files/show?st=' . token('/files/show'), 'GET /files/show?st=', 'GET /files/show', 'GET /files/if?st=' . token('/files/if')]
--- error_code eval
[200, 200, 200, 403]
--- response_body_like eval
[('^\[\]$') x 3, '403 Forbidden']
--- grep_error_log eval
qr/\[warn\].*secure_link_hmac_algorithm.*"?whirlpool"?.* in \S*nginx\.conf:\d+/
--- grep_error_log_out eval
qr/\A[^\n]+whirlpool[^\n]+\n\z/
--- no_error_log
[error]



=== TEST 10: an unknown algorithm is refused where the check is enforced
--- config eval
"location /files {
    $::policy
    secure_link_hmac_algorithm sha-256;
    $::serve
}"
--- must_die
--- error_log eval
[qr/\[emerg\].*secure_link_hmac_algorithm.*sha-256.* in .*nginx\.conf:\d+/]



=== TEST 11: an algorithm is given once
--- config eval
"$::policy
secure_link_hmac_algorithm sha256;
secure_link_hmac_algorithm sha512;"
--- must_die
--- error_log eval
[qr/\[emerg\].*"secure_link_hmac_algorithm" directive is duplicate in .*nginx\.conf:\d+/]
