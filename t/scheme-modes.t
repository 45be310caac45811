# What all schemes share: every variable, and what enforcing, a dry run, `satisfy any` and the log make of a verdict.

use strict;
use warnings;

use lib 't/lib';
use SchemeLinks;
use Test::Nginx::Socket 'no_plan';
use Verdicts <<'_EOC_';
    secure_link_hmac_scheme jwt;
    secure_link_hmac $arg_token;
    secure_link_hmac_keys partners $arg_k;
_EOC_

our $says = CORE::join ' ', map { "[\$secure_link_hmac$_]" } '', qw(_status _key_id _subject _expires _expires_at _uses _args);
our $edgeauth = 'secure_link_hmac_scheme edgeauth; secure_link_hmac $arg_hdnts; secure_link_hmac_keys media k1;';
our $sigv4 = 'secure_link_hmac_scheme sigv4; secure_link_hmac_keys aws;';
our $aws = 'AKIAIOSFODNN7EXAMPLE';

add_block_preprocessor(sub {
    my ($block) = @_;
    $block->set_value(http_config => CORE::join "\n", 'secure_link_hmac_keyring partners { acme hex:' . unpack('H*', '0123456789abcdef' x 2) . '; }',
        'secure_link_hmac_keyring media { k1 hex:' . edgeauth_key . '; }',
        "secure_link_hmac_keyring aws { $aws hex:" . unpack('H*', sigv4_secret) . '; }', $block->http_config || ());
    $block->set_value(user_files => ">>> ../conf/users\nann:{PLAIN}secret\n");
});

our $end = $now + 3600;
our %forged = (secret => 'x' x 32, key => '00' x 16);

# Links of the three schemes below these locations, with a subject where there is one.
sub jwt_of { my ($at, %claims) = @_; return jwt_link($at, {path => '*', sub => 'ann', %claims}, args => 'k=acme&x=1') }
sub ea_of  { my ($at, %fields) = @_; return edgeauth_link($at, acl => '*', data => 'ann', args => 'x=1', %fields) }
sub aws_of { my ($at, %options) = @_; return sigv4($at, args => [x => 1], %options) }

# The text, meant literally, as a pattern.
sub exactly { return map { '\A' . quotemeta($_) . '\z' } @_ }

no_long_string();
run_tests();

__DATA__

=== every variable in every scheme, where nothing is enforced
--- config eval
"secure_link_hmac_enforce off;
location /jwt { return 200 '$::says'; }
location /ea { $::edgeauth return 200 '$::says'; }
location /aws { $::sigv4 return 200 '$::says'; }" =~ s/^secure_link_hmac_enforce off;//r
--- request eval
[map { "GET $_" } ::jwt_of('/jwt'), ::ea_of('/ea'), ::aws_of('/aws', expires => 3660), ::jwt_of('/jwt', exp => 1000), ::ea_of('/ea', exp => 1000),
    ::aws_of('/aws', time => 1369353600), ::jwt_of('/jwt', path => '/x'), ::ea_of('/ea', acl => '/x'),
    ::jwt_of('/jwt', nbf => 9000000000), ::ea_of('/ea', %::forged), ::aws_of('/aws', %::forged), '/jwt?x=1', '/ea?x=1', '/aws?x=1',
    '/jwt?token=x&x=1&k=acme', '/ea?hdnts=x&x=1', '/aws?X-Amz-Date=x&x=1']
--- response_body_like eval
[::exactly("[1] [granted] [acme] [ann] [] [$::end] [] [x=1]", "[1] [granted] [k1] [ann] [] [$::end] [] [x=1]",
    "[1] [granted] [$::aws] [] [] [$::end] [] [x=1]", "[0] [expired] [acme] [ann] [] [1000] [] [x=1]", "[0] [expired] [k1] [ann] [] [1000] [] [x=1]",
    "[0] [expired] [$::aws] [] [] [1369357200] [] [x=1]", "[] [out_of_scope] [acme] [ann] [] [$::end] [] [x=1]",
    "[] [out_of_scope] [k1] [ann] [] [$::end] [] [x=1]", "[] [early] [acme] [ann] [] [$::end] [] [x=1]",
    (map { "[] [$_] [] [] [] [] [] [x=1]" } qw(forged forged missing missing missing malformed malformed malformed)))]



=== seconds that are left
--- config eval
my $header = 'add_header X-Left "[$secure_link_hmac_remaining]" always; empty_gif;';
"location /jwt { $header } location /ea { $::edgeauth $header } location /aws { $::sigv4 $header }"
--- request eval
[map { "GET $_" } ::jwt_of('/jwt'), ::ea_of('/ea'), ::aws_of('/aws'), ::jwt_of('/jwt', exp => $::now - 600), ::ea_of('/ea', exp => $::now - 600),
    ::aws_of('/aws', time => $::now - 700, expires => 100), ::ea_of('/ea', %::forged)]
--- error_code eval
[200, 200, 200, 410, 410, 410, 403]
--- response_headers_like eval
[('X-Left: \[3[3456]\d\d\]') x 3, ('X-Left: \[-[6789]\d\d\]') x 3, 'X-Left: \[\]']



=== a dry run tells and lets pass, the hand-off too
--- config eval
my $dry = 'secure_link_hmac_enforce dry_run; add_header X-Verdict $secure_link_hmac_status;';
"location /jwt { $dry empty_gif; } location /ea { $::edgeauth $dry empty_gif; } location /aws { $::sigv4 $dry empty_gif; }
location /pass { $dry secure_link_hmac_pass /internal; }
location /internal {
    internal;
    secure_link_hmac off;
    secure_link_hmac_enforce off;
    add_header X-Verdict \$secure_link_hmac_status;
    empty_gif;
}"
--- cases eval
(map { my $path = $_; map { ["200 $_->[0]", $_->[1]] } ['granted', ::jwt_of($path)], ['expired', ::jwt_of($path, exp => 1)],
    ['out_of_scope', ::jwt_of($path, path => '/x')], ['malformed', "$path?token=x&k=acme"], ['missing', "$path?k=acme"],
    ['out_of_scope', ::jwt_of($path, aud => 'x')] } '/jwt', '/pass'),
(map { ["200 $_->[0]", $_->[1]] } ['granted', ::ea_of('/ea')], ['forged', ::ea_of('/ea', %::forged)], ['missing', '/ea'],
    ['out_of_scope', ::ea_of('/ea', ip => '192.0.2.1')], ['granted', ::aws_of('/aws')], ['forged', ::aws_of('/aws', %::forged)], ['missing', '/aws'],
    ['out_of_scope', sigv4(undef, target => '/aws//x')])



=== under satisfy any a token or a password
--- config eval
my $any = 'satisfy any; auth_basic "files"; auth_basic_user_file users; add_header X-Verdict "$secure_link_hmac_status" always; empty_gif;';
"location /jwt { secure_link_hmac \$http_authorization \$arg_token; $any } location /ea { $::edgeauth $any } location /aws { $::sigv4 $any }"
--- cases eval
my $password = 'Authorization: Basic ' . MIME::Base64::encode_base64('ann:secret', '');
my $wrong = 'Authorization: Basic ' . MIME::Base64::encode_base64('ann:wrong', '');
my $bearer = sub { 'Authorization: Bearer ' . jwt({path => '*', @_}) };
['granted', ::jwt_of('/jwt')], ['granted', '/jwt?k=acme', $bearer->()], ['granted', ::jwt_of('/jwt'), $password],
['200 missing', '/jwt?k=acme', $password], ['401 missing', '/jwt?k=acme', $wrong], ['401 expired', '/jwt?k=acme', $bearer->(exp => 1)],
['200 expired', ::jwt_of('/jwt', exp => 1), $password],
['granted', ::ea_of('/ea')], ['200 forged', ::ea_of('/ea', %::forged), $password], ['401 forged', ::ea_of('/ea', %::forged)],
['granted', ::aws_of('/aws')], ['200 forged', ::aws_of('/aws', %::forged), $password], ['401 missing', '/aws']
--- no_error_log
[crit]
[alert]



=== off opens a location, and a scheme below it closes one
--- config eval
"location /open { secure_link_hmac off; secure_link_hmac_enforce off; empty_gif;
    location /open/jwt { secure_link_hmac \$arg_token; secure_link_hmac_enforce on; empty_gif; }
    location /open/aws { $::sigv4 secure_link_hmac_enforce on; empty_gif; } }
location /aws { $::sigv4 empty_gif; location /aws/open { secure_link_hmac off; secure_link_hmac_enforce off; empty_gif; } }"
--- cases eval
['200', '/open'], ['200', '/open/x?token=x&k=acme'], ['missing', '/open/jwt?k=acme'], ['granted', ::jwt_of('/open/jwt')], ['missing', '/open/aws'],
['granted', ::aws_of('/open/aws')], ['forged', ::aws_of('/open/aws', %::forged)], ['missing', '/aws'], ['granted', ::aws_of('/aws')],
['200', '/aws/open'], ['200', '/aws/open?X-Amz-Date=x']



=== statuses are those of the verdicts, unless they are said
--- config eval
my $error = 'secure_link_hmac_error missing=401 malformed=400 forged=404 expired=403 out_of_scope=451 unknown_key=402 early=425;';
"location /jwt { $error empty_gif; } location /ea { $::edgeauth $error empty_gif; } location /aws { $::sigv4 $error empty_gif; }"
--- cases eval
['401 missing', '/jwt?k=acme'], ['400 malformed', '/jwt?token=x&k=acme'], ['403 expired', ::jwt_of('/jwt', exp => 1)],
['451 out_of_scope', ::jwt_of('/jwt', path => '/x')], ['402 unknown_key', ::jwt_of('/jwt') =~ s/acme\b/nobody/r],
['425 early', ::jwt_of('/jwt', nbf => 8e9)],
['404 forged', ::ea_of('/ea', %::forged)], ['401 missing', '/ea'], ['401 missing', '/aws'], ['400 malformed', '/aws?X-Amz-Date=x'],
['404 forged', ::aws_of('/aws', %::forged)], ['402 unknown_key', ::aws_of('/aws', id => 'nobody')],
['451 out_of_scope', sigv4(undef, target => '/aws//x')]



=== a denial is a line of the log, with the verdict and the key
--- request eval
'GET ' . ::jwt_of('/f', exp => 1000)
--- error_code: 410
--- error_log eval
qr/\[info\].*secure_link_hmac: denied: verdict=expired key="acme"(?! message)/
--- no_error_log
[error]



=== where the key is not known, none is named
--- config eval
"location /ea { $::edgeauth empty_gif; }"
--- request eval
'GET ' . ::ea_of('/ea', %::forged)
--- error_code: 403
--- error_log eval
qr/\[info\].*secure_link_hmac: denied: verdict=forged(?! key="k)/
--- no_error_log
[error]



=== any other byte of a link, and it is refused
--- config eval
"location /ea/ { $::edgeauth empty_gif; } location /aws/ { $::sigv4 empty_gif; }"
--- cases eval
my $other = sub { my ($text, $at) = @_; substr($text, $at, 1) =~ tr/A-Za-z0-9\x21-\x7e/B-ZAb-za1-90x/; return $text };
my @links = ('/f?token=' . jwt({path => '/f'}) . '&k=acme', edgeauth_link('/ea/f%20g'), sigv4('/aws/f g', args => [x => 'y z']));
(map { my $link = $_; (['granted', $link], map { ['403', $other->($link, $_)] } 1 .. length($link) - 1) } @links)
