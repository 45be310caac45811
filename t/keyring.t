# The lines of secure_link_hmac_keyring: sources, algorithms, life spans. How a ring is used is in
# t/keys.t, what is refused in tests/nginx-t-keyring.pl.

use strict;
use warnings;

use lib 't/lib';
use SecureLink;
use Test::Nginx::Socket 'no_plan';

$ENV{TEST_NGINX_HTML_DIR} ||= html_dir();

our ($acme, $globex, $initech, $stranger) = map { $_ x 4 } 'acme-key', 'globex-k', 'initech.', 'stranger';
our %hex = map { $_ => 'hex:' . unpack 'H*', $_ } $acme, $globex, $initech;

# A secret of every byte.
our $binary = join '', map { chr } 0 .. 255;
our $hex    = unpack 'H*', $binary;
our $base64 = MIME::Base64::encode_base64($binary, '');

our $now = time();

our $location = <<'_EOC_';
    secure_link_hmac $arg_st,$arg_ts,$arg_e;
    secure_link_hmac_message $uri|$arg_ts|$arg_e;
    secure_link_hmac_keys partners $arg_k;
    add_header X-Verdict "$secure_link_hmac_status [$secure_link_hmac_key_id]" always;
    location /f { secure_link_hmac_enforce on; empty_gif; }
_EOC_

add_block_preprocessor(sub {
    my ($block) = @_;
    $block->set_value('config', $location) unless defined $block->config;
});

# ask(id, secret, ...): a request with a link of that key.
sub ask {
    my ($id, $secret, %options) = @_;
    my $path = delete $options{path} || '/f';
    return 'GET ' . SecureLink::link($path, secret => $secret, args => "k=$id", %options);
}

sub verdicts { map { "X-Verdict: $_" } @_ }

no_long_string();
run_tests();

__DATA__

=== a secret is written in hexadecimal or base64, or is in a file of any format
--- http_config eval
(my $bare = $::base64) =~ s/=+$//;
"secure_link_hmac_keyring partners {
    hex            hex:$::hex;
    hex-upper      hex:\U$::hex\E;
    base64         base64:$::base64;
    base64-bare    base64:$bare;
    file           file:\$TEST_NGINX_HTML_DIR/raw.key;
    file-raw       file:\$TEST_NGINX_HTML_DIR/raw.key format=raw;
    file-hex       file:\$TEST_NGINX_HTML_DIR/hex.key format=hex;
    file-base64    file:\$TEST_NGINX_HTML_DIR/base64.key format=base64;
    relative       file:../html/raw.key;
    other          $::hex{$::globex};
}"
--- user_files eval
[['raw.key' => "$::binary\n"], ['hex.key' => "$::hex\r\n"], ['base64.key' => "$::base64\n"]]
--- request eval
[map { main::ask($_, $::binary) } qw(hex hex-upper base64 base64-bare file file-raw file-hex file-base64 relative other)]
--- error_code eval
[(200) x 9, 403]
--- response_headers eval
[main::verdicts((map { "granted [$_]" } qw(hex hex-upper base64 base64-bare file file-raw file-hex file-base64 relative)), 'forged []')]
--- no_error_log
[error]



=== lines may come from other files, among those written
--- http_config eval
"secure_link_hmac_keyring partners {
    # the first of all
    acme $::hex{$::acme};   # behind a line

    include \$TEST_NGINX_HTML_DIR/keys.d/*.conf;
    include ../html/more.conf;
    include \$TEST_NGINX_HTML_DIR/nothing.d/*.conf;
    last
        $::hex{$::initech}
        algorithm=sha256
        ;
}"
--- user_files eval
[
    ['keys.d/a.conf' => "# comment\nglobex $::hex{$::globex};\n"],
    ['keys.d/b.conf' => "acme $::hex{$::initech};\n\ninitech file:../html/keys.d/initech.key; # a comment\n"],
    ['keys.d/empty.conf' => ''],
    ['keys.d/ignored' => "ignored $::hex{$::acme};\n"],
    ['keys.d/initech.key' => $::initech],
    ['more.conf' => "more $::hex{$::acme};"],
]
--- request eval
[main::ask('acme', $::acme), main::ask('globex', $::globex), main::ask('acme', $::initech), main::ask('initech', $::initech),
    main::ask('more', $::acme), main::ask('last', $::initech), main::ask('ignored', $::acme), main::ask('include', $::acme),
    main::ask('globex', $::acme)]
--- response_headers eval
[main::verdicts((map { "granted [$_]" } qw(acme globex acme initech more last)), 'unknown_key []', 'unknown_key []', 'forged []')]
--- error_code eval
[(200) x 6, (403) x 3]
--- no_error_log
[error]



=== a key without an algorithm has the location's
--- http_config eval
"secure_link_hmac_keyring partners {
    acme    $::hex{$::acme};
    globex  $::hex{$::globex}   algorithm=sha512;
    initech $::hex{$::initech}  algorithm=MD5;
}"
--- config eval
"$::location
location /sha1 { secure_link_hmac_algorithm sha1; secure_link_hmac_enforce on; empty_gif; }
location /sha3 { secure_link_hmac_algorithm sha3-256; secure_link_hmac_enforce on; empty_gif; }"
--- request eval
my %secret = (acme => $::acme, globex => $::globex, initech => $::initech);
[map { my ($path, $id, $algorithm) = @$_; main::ask($id, $secret{$id}, path => $path, algorithm => $algorithm) }
    ['/f', 'acme', 'sha256'], ['/sha1', 'acme', 'sha1'], ['/sha3', 'acme', 'sha3-256'],
    (map { [$_, 'globex', 'sha512'], [$_, 'initech', 'md5'] } '/f', '/sha1', '/sha3'),
    # The length of a MAC shows its algorithm, unless there is another one as long.
    ['/f', 'acme', 'sha1'], ['/sha1', 'acme', 'sha256'], ['/f', 'acme', 'sha512'], ['/f', 'globex', 'sha256'], ['/sha1', 'initech', 'sha1'],
    ['/f', 'acme', 'sha3-256'], ['/sha3', 'acme', 'sha256'], ['/f', 'globex', 'sha3-512']]
--- response_headers eval
[main::verdicts(('granted [acme]') x 3, ('granted [globex]', 'granted [initech]') x 3, ('malformed []') x 5, ('forged []') x 3)]
--- error_code eval
[(200) x 9, (403) x 8]
--- no_error_log
[error]



=== a key is good from not_before to not_after, in any notation
--- http_config eval
my ($before, $after) = ($::now - 600, $::now + 600);
my %key = (
    'living'           => "not_before=$before not_after=$after",
    'living-z'         => 'not_before=' . iso_date($before) . ' not_after=' . iso_date($after),
    'living-east'      => 'not_before=' . iso_date($before, '+05:30') . ' not_after=' . iso_date($after, '+05:30'),
    'living-west'      => 'not_after=' . iso_date($after, '-08:00') . ' not_before=' . iso_date($before, '-08:00'),
    'from-then-on'     => "not_before=$before",
    'until-then'       => "not_after=$after",
    'retired'          => "not_after=$before",
    'retired-z'        => 'not_after=' . iso_date($before),
    'retired-east'     => 'not_after=' . iso_date($before, '+12:00'),
    'future'           => "not_before=$after",
    'future-z'         => 'not_before=' . iso_date($after),
    'future-west'      => 'not_before=' . iso_date($after, '-12:00'),
    'past-span'        => 'not_before=' . ($before - 60) . " not_after=$before",
);
CORE::join "\n", 'secure_link_hmac_keyring partners {', (map { "$_ $::hex{$::acme} $key{$_};" } sort keys %key), '}'
--- request eval
[(map { main::ask($_, $::acme) } qw(living living-z living-east living-west from-then-on until-then
    retired retired-z retired-east future future-z future-west past-span)), main::ask('living', $::stranger), main::ask('retired', $::stranger)]
--- response_headers eval
[main::verdicts((map { "granted [$_]" } qw(living living-z living-east living-west from-then-on until-then)),
    ('unknown_key []') x 7, 'forged []', 'unknown_key []')]
--- error_code eval
[(200) x 6, (403) x 9]



=== older links than issued_after are revoked
--- http_config eval
my $then = $::now - 7200;
"secure_link_hmac_keyring partners {
    acme    $::hex{$::acme} issued_after=$then;
    globex  $::hex{$::globex} issued_after=" . iso_date($then) . ";
    initech $::hex{$::initech} issued_after=" . iso_date($then, '+05:30') . ";
}"
--- request eval
my $then = $::now - 7200;
my %secret = (acme => $::acme, globex => $::globex, initech => $::initech);
[(map { my $id = $_; map { main::ask($id, $secret{$id}, ts => $_, e => 86400) } $then - 1, $then, $then + 1, $::now - 10 } qw(acme globex initech)),
    main::ask('acme', $::acme, ts => $then - 1, e => 1), main::ask('acme', $::acme, ts => $then, e => 1), main::ask('acme', $::globex, ts => $then - 1)]
--- response_headers eval
[main::verdicts((map { my $id = $_; ("revoked [$id]", ("granted [$id]") x 3) } qw(acme globex initech)), 'revoked [acme]', 'expired [acme]', 'forged []')]
--- error_code eval
[(403, 200, 200, 200) x 3, 403, 410, 403]



=== a link that does not say when it was issued is revoked by issued_after
--- http_config eval
"secure_link_hmac_keyring partners {
    acme   $::hex{$::acme} issued_after=2020-01-01T00:00:00Z;
    globex $::hex{$::globex};
}"
--- config eval
"$::location
location /untimed { secure_link_hmac \$arg_st; secure_link_hmac_message \$uri; secure_link_hmac_enforce on; empty_gif; }
location /expires {
    secure_link_hmac \$arg_st,\$arg_e;
    secure_link_hmac_scheme template time=expires;
    secure_link_hmac_message \$uri|\$arg_e;
    secure_link_hmac_enforce on;
    empty_gif;
}"
--- request eval
my $end = $::now + 3600;
[(map { my ($id, $secret) = @$_;
    (main::ask($id, $secret, path => '/untimed', message => '/untimed', ts => undef, e => undef),
        main::ask($id, $secret, path => '/expires', message => "/expires|$end", ts => undef, e => $end)) } ['acme', $::acme], ['globex', $::globex])]
--- response_headers eval
[main::verdicts(('revoked [acme]') x 2, ('granted [globex]') x 2)]
--- error_code eval
[403, 403, 200, 200]



=== a revoked key is unknown, and its id stays
--- http_config eval
"secure_link_hmac_keyring partners {
    acme   $::hex{$::acme} revoked;
    globex $::hex{$::globex} issued_after=1 revoked not_after=2999-01-01T00:00:00Z;
    initech $::hex{$::initech};
}"
--- request eval
[main::ask('acme', $::acme), main::ask('acme', $::stranger), main::ask('globex', $::globex), main::ask('initech', $::initech)]
--- response_headers eval
[main::verdicts(('unknown_key []') x 3, 'granted [initech]')]
--- error_code eval
[403, 403, 403, 200]



=== an id given twice has two keys, each with a life and an algorithm of its own
--- http_config eval
"secure_link_hmac_keyring partners {
    acme   $::hex{$::acme};
    globex $::hex{$::globex};
    acme   $::hex{$::initech} algorithm=sha512 issued_after=" . ($::now - 600) . ";
    globex $::hex{$::initech} not_after=" . ($::now - 600) . ";
    acme   $::hex{$::globex}  revoked;
}"
--- request eval
[main::ask('acme', $::acme), main::ask('acme', $::initech, algorithm => 'sha512'), main::ask('acme', $::initech, algorithm => 'sha512', ts => $::now - 1200, e => 3600),
    main::ask('acme', $::acme, ts => $::now - 1200, e => 3600), main::ask('acme', $::initech), main::ask('acme', $::globex), main::ask('globex', $::globex),
    main::ask('globex', $::initech), main::ask('globex', $::acme)]
--- response_headers eval
[main::verdicts('granted [acme]', 'granted [acme]', 'revoked [acme]', 'granted [acme]', 'forged []', 'forged []', 'granted [globex]', 'forged []', 'forged []')]
--- error_code eval
[200, 200, 403, 200, 403, 403, 200, 403, 403]



=== an id has up to 64 printable characters of any kind
--- http_config eval
"secure_link_hmac_keyring partners {
    " . 'k' x 64 . "     $::hex{$::acme};
    a                    $::hex{$::acme};
    0                    $::hex{$::acme};
    a/b:c=d,e\@f.example $::hex{$::acme};
    revoked              $::hex{$::acme};
    algorithm=sha512     $::hex{$::acme};
    'semi;colon{}'       $::hex{$::acme};
}"
--- request eval
[map { main::ask($_, $::acme) } 'k' x 64, 'a', '0', 'a/b:c=d,e@f.example', 'revoked', 'algorithm=sha512', 'A', 'semi;colon{}']
--- response_headers eval
[main::verdicts((map { "granted [$_]" } 'k' x 64, 'a', '0', 'a/b:c=d,e@f.example', 'revoked', 'algorithm=sha512'), 'unknown_key []', 'granted [semi;colon{}]')]
--- error_code eval
[(200) x 6, 403, 200]



=== a short secret verifies where nothing is enforced
--- http_config eval
"secure_link_hmac_keyring partners {
    acme   $::hex{$::acme};
    short  hex:73686f7274;
}"
--- config
    secure_link_hmac $arg_st,$arg_ts,$arg_e;
    secure_link_hmac_message $uri|$arg_ts|$arg_e;
    secure_link_hmac_keys partners $arg_k;
    location /f { return 200 "$secure_link_hmac_status [$secure_link_hmac_key_id]"; }
--- request eval
[main::ask('short', 'short'), main::ask('acme', $::acme)]
--- response_body eval
['granted [short]', 'granted [acme]']



=== a thousand keys
--- http_config eval
my @keys = map { sprintf "key-%04d $::hex{$::acme}%04x;", $_, $_ } 1 .. 1000;
CORE::join "\n", 'secure_link_hmac_keyring partners {', @keys, '}'
--- request eval
[(map { main::ask(sprintf('key-%04d', $_), $::acme . pack('n', $_)) } 1, 500, 1000), main::ask('key-0001', $::acme . pack('n', 2)),
    main::ask('key-1001', $::acme . pack('n', 1001))]
--- response_headers eval
[main::verdicts('granted [key-0001]', 'granted [key-0500]', 'granted [key-1000]', 'forged []', 'unknown_key []')]
--- error_code eval
[200, 200, 200, 403, 403]



=== several rings have keys of the same id
--- http_config eval
"secure_link_hmac_keyring partners { acme $::hex{$::acme}; }
secure_link_hmac_keyring staff { acme $::hex{$::globex}; }
secure_link_hmac_keyring nobody { acme $::hex{$::initech}; }"
--- config eval
"$::location
location /staff { secure_link_hmac_keys staff \$arg_k; secure_link_hmac_enforce on; empty_gif; }"
--- request eval
[map { my $path = $_; map { main::ask('acme', $_, path => $path) } $::acme, $::globex, $::initech } '/f', '/staff']
--- response_headers eval
[main::verdicts('granted [acme]', 'forged []', 'forged []', 'forged []', 'granted [acme]', 'forged []')]
--- error_code eval
[200, 403, 403, 403, 200, 403]
