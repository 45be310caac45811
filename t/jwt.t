# secure_link_hmac_scheme jwt: what a token looks like, where it stands, its MAC and its times. Keys are in t/jwt-keys.t,
# the other claims in t/jwt-claims.t, what attackers send in t/jwt-hostile.t.

use strict;
use warnings;

use lib 't/lib';
use SchemeLinks;
use Test::Nginx::Socket 'no_plan';
use Verdicts <<'_EOC_';
    secure_link_hmac_scheme jwt;
    secure_link_hmac $arg_token;
    secure_link_hmac_secret 0123456789abcdef0123456789abcdef;
    add_header X-Says "[$secure_link_hmac_subject][$secure_link_hmac_expires_at][$secure_link_hmac_claim_path]" always;
_EOC_

# A token of PyJWT, and that of RFC 7515, A.1 and RFC 7519, 3.1.
our $example = 'eyJhbGciOiJIUzI1NiIsImtpZCI6ImsxIiwidHlwIjoiSldUIn0.eyJpc3MiOiJrMSIsInN1YiI6ImFjbWUiLCJuYmYiOjE3MDAwMDAwMDAsImV4cCI6MTcw'
    . 'MDAwMzYwMCwicGF0aCI6Ii92aWRlb3MvKiJ9.I8FT-o0UaYOYs83M7SsckMn66ThxU_TwyUL4el8sEOg';
our $rfc = 'eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ij'
    . 'p0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk';
our $rfc_key = unpack 'H*', MIME::Base64::decode_base64url('AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow');

is jwt('{"iss":"k1","sub":"acme","nbf":1700000000,"exp":1700003600,"path":"/videos/*"}', header => '{"alg":"HS256","kid":"k1","typ":"JWT"}'),
    $example, 'what signs here makes what PyJWT makes';
is jwt(qq({"iss":"joe",\r\n "exp":1300819380,\r\n "http://example.com/is_root":true}), header => qq({"typ":"JWT",\r\n "alg":"HS256"}),
    secret => pack 'H*', $rfc_key), $rfc, 'and that of RFC 7515';

# A good token for /f and everything below it.
our $good = jwt({path => '/f*'});

# A request for /f/a with that token, but for these claims; with a header's text or other options.
sub with { my ($claims, %options) = @_; return jwt_link('/f/a', ref $claims ? {path => '/f*', %$claims} : $claims, %options) }

# The token's header and payload as they are given, undecoded, with the right MAC.
sub of_parts {
    my ($header, $payload) = @_;
    return "/f/a?token=$header.$payload." . MIME::Base64::encode_base64url(Digest::SHA::hmac_sha256("$header.$payload", '0123456789abcdef' x 2));
}

# A token for /f* of so many bytes.
sub of_length {
    my ($length) = @_;
    for my $kid (0 .. 3) {
        for my $pad (0 .. $length) {
            my $token = jwt({path => '/f*', pad => 'x' x ($length * 3 / 4 - 200 + $pad)}, kid => 'k' x $kid);
            return $token if length $token == $length;
            last if length $token > $length;
        }
    }
    die "no token of $length bytes";
}

# The text, with the character at this place replaced by another of base64url.
sub other_at {
    my ($text, $at) = @_;
    substr($text, $at, 1) =~ tr/A-Za-z0-9_-/B-ZAb-za1-90A_/;
    return $text;
}

no_long_string();
run_tests();

__DATA__

=== a token of PyJWT is good for its folder, until it ends
--- http_config
secure_link_hmac_keyring partners { k1 hex:3031323334353637383961626364656630313233343536373839616263646566; }
--- policy
secure_link_hmac_scheme jwt;
secure_link_hmac $arg_token;
secure_link_hmac_keys partners;
secure_link_hmac_leeway 9000d;
add_header X-Says "[$secure_link_hmac_key_id][$secure_link_hmac_subject][$secure_link_hmac_expires_at][$secure_link_hmac_claim_path]" always;
--- config
location = /videos/late { secure_link_hmac_leeway 0; empty_gif; }
location = /videos/other { secure_link_hmac_keys partners k2; empty_gif; }
--- cases eval
my $says = 'X-Says: [k1][acme][1700003600][/videos/*]';
["granted\n$says", "/videos/a.mp4?token=$::example"],
["granted\n$says", "/videos/?token=$::example"],
["granted\n$says", "/videos/a/b/c%20d?token=$::example&x=1"],
["out_of_scope\n$says", "/videos?token=$::example"],
["out_of_scope\n$says", "/audio/a.mp4?token=$::example"],
["expired\n$says", "/videos/late?token=$::example"],
["unknown_key\nX-Says: [][][][]", "/videos/other?token=$::example"],
["forged\nX-Says: [][][][]", "/videos/a.mp4?token=" . ($::example =~ s/I8FT/J8FT/r)]



=== the example of RFC 7515, which names no path
--- http_config eval
"secure_link_hmac_keyring partners { joe hex:$::rfc_key; }"
--- policy
secure_link_hmac_scheme jwt;
secure_link_hmac $arg_token;
secure_link_hmac_keys partners;
secure_link_hmac_scope any;
secure_link_hmac_leeway 9000d;
add_header X-Says "[$secure_link_hmac_key_id][$secure_link_hmac_subject][$secure_link_hmac_expires_at]" always;
--- config
location = /path { secure_link_hmac_scope path; empty_gif; }
location = /late { secure_link_hmac_leeway 0; empty_gif; }
--- cases eval
["granted\nX-Says: [joe][][1300819380]", "/anything?token=$::rfc"],
["out_of_scope\nX-Says: [joe][][1300819380]", "/path?token=$::rfc"],
["expired\nX-Says: [joe][][1300819380]", "/late?token=$::rfc"],
["forged\nX-Says: [][][]", "/anything?token=" . ($::rfc =~ s/dBjf/cBjf/r)]



=== HS256, HS384 and HS512, each where that is the algorithm
--- config
location = /sha256 { empty_gif; }
location = /sha384 { secure_link_hmac_algorithm sha384; empty_gif; }
location = /sha512 { secure_link_hmac_algorithm SHA512; empty_gif; }
--- cases eval
map { my $bits = $_; map { [$_ == $bits ? 'granted' : 'malformed', jwt_link("/sha$bits", {path => '*'}, alg => "HS$_")] } 256, 384, 512 } 256, 384,
512



=== no other algorithm, whatever the signature is
--- config
location = /other { secure_link_hmac_algorithm sha512; empty_gif; }
--- cases eval
my @headers = ((map { qq({"typ":"JWT","alg":$_}) } qw("none" "None" "NONE" "nOnE" "" "RS256" "RS512" "ES256" "PS256" "EdDSA" "HS1" "HS224" "HS2560" "hs256"
    "Hs256" "sha256" "SHA256" "dir" "A128KW" 256 null true ["HS256"] {"HS256":1}), '"HS256 "', '" HS256"', '"HS256\u0000"', '"HS256\n"',
    '"HS256,none"'),
    '{"typ":"JWT"}', '{}', '{"ALG":"HS256"}', '{"alg ":"HS256"}');
(map { my $header = $_; map { ['malformed', main::with({}, header => $header, mac => $_)] } undef, '', "\0" x 32 } @headers),
(map { ['malformed', jwt_link('/other', {path => '*'}, header => $_, by => 'HS512')] } @headers),
(map { my $alg = $_; map { ['malformed', main::with({}, alg => $alg, by => $_)] } qw(HS384 HS512) } qw(none RS256 HS256)),
['granted', main::with({}, header => '{"alg":"HS256"}')],
['granted', main::with({}, header => '{"\u0061lg":"HS\u003256"}')],
['granted', jwt_link('/other', {path => '*'}, alg => 'HS512')]



=== whatever else the header says is not looked at, and nothing is fetched
--- cases eval
map { ['granted', main::with({}, header => qq({$_"alg":"HS256"}))] } '', '"typ":"JWT",', '"typ":"at+jwt",', '"typ":5,', '"cty":"JWT",',
'"jku":"http://127.0.0.1/keys",',
    '"jwk":{"kty":"oct","k":"AAAA"},', '"x5u":"http://127.0.0.1/","x5c":["AAAA"],', '"zip":"DEF",', '"kid":"nobody",', " \r\n\t"



=== a token has three parts of strict base64url
--- cases eval
my $token = $::good;
my ($header, $payload, $mac) = split /\./, $token;
my $claims = '{"path":"/f*","exp":9007199254740991,"x":"???>>>"';
my @padded = map { MIME::Base64::encode_base64url("$claims$_}") } '', ' ', '  ';
my ($bits) = grep { length($_) % 4 == 2 } @padded;
['missing', '/f/a'], ['missing', '/f/a?token='], ['missing', '/f/a?token'], ['missing', '/f/a?Tokens=x'],
(map { ['granted', "/f/a?token=$_"] } $token, "$token&x=1"), ['granted', "/f/a?x=1&TOKEN=$token"],
(map { ['malformed', "/f/a?token=$_"] } 'x', '.', '..', '...', '....', 'a.b', 'a.b.c', $header, "$header.$payload", "$header.$payload.",
    ".$payload.$mac", "..$mac",
    "$token.", ".$token", "$token=", "$header=.$payload.$mac", "$token==", "$token%3D", "%20$token", "$token%20", "$token+",
    "$token%00", "$token%0A", "$token,", "$token,1700000000", "$header.$payload.A$mac", "$header.$payload.${mac}A", "$header.$payload.${mac}AA",
    "$header.$payload." . substr($mac, 1), "$header.$payload." . substr($mac, 0, 42), "$header.$payload." . substr($mac, 0, 22),
    "$header.$payload.$mac$mac",
    "$header%2E$payload%2E$mac", "$header!.$payload.$mac", ($token =~ s/^e/%65/r), "Bearer%20$token", "\"$token\"", 'x' x 4000),
(map { ['malformed', "/f/a?token=$token&$_=$token"] } 'token', 'Token', 'TOKEN'),
['malformed', "/f/a?token=$token&token"],
(map { ['granted', main::of_parts($header, $_)] } @padded),
(map { (my $standard = $_) =~ tr{_-}{/+}; ['malformed', main::of_parts($header, $standard)] } @padded),
(map { ['malformed', main::of_parts($header, "$_=")], ['malformed', main::of_parts("$header=", $_)] } @padded),
# A payload is not looked at before the MAC was right, and not even then if it is no base64url.
(map { ['forged', "/f/a?token=$_"] } "$header..$mac", "$token.$mac", "$header.$payload==.$mac", "$header.$payload!.$mac",
    "$header. .$mac" =~ s/ /%20/r),
(map { ['malformed', main::of_parts($header, $_)] } '', '!', '=', $payload =~ s/(.)/$1!/r, "$payload!", "$payload.$payload", $payload =~ s/^e/%65/r,
    "$payload%20", substr($padded[0], 0, 4 * int(length($padded[0]) / 4) - 3)),
# The last two characters of sixteen make the same byte.
['malformed', main::of_parts($header, main::other_at($bits, -1))],
['malformed', "/f/a?token=$header.$payload." . main::other_at($mac, -1)]



=== a token has at most 4096 bytes
--- cases eval
['granted', '/f/a?token=' . main::of_length(4096)],
['granted', '/f/a?token=' . main::of_length(4095)],
['malformed', '/f/a?token=' . main::of_length(4097)],
['malformed', '/f/a?token=' . main::of_length(4098)],
['malformed', '/f/a?token=' . main::of_length(7000)],
['malformed', '/f/a?token=' . 'x' x 4096 . '.x.x']



=== another character of the payload or the MAC, and the token is forged
--- cases eval
my ($header, $payload, $mac) = split /\./, $::good;
(map { ['forged', "/f/a?token=$header." . main::other_at($payload, $_) . ".$mac"] } grep { $_ % 3 == 0 } 0 .. length($payload) - 2),
(map { ['forged', "/f/a?token=$header.$payload." . main::other_at($mac, $_)] } grep { $_ % 3 == 0 } 0 .. length($mac) - 2)



=== of a forged token nothing is looked at, and nothing is told
--- cases eval
my %forged = (secret => 'fedcba9876543210' x 2);
(map { ["forged\nX-Says: [][][]", main::with($_, %forged)] } {sub => 'acme'}, {exp => 1}, {exp => undef}, {exp => 'x'}, {nbf => $now + 86400},
    {path => '/other'}, {path => 7},
    {aud => 'x'}, {sub => "a\nb"}, '', '{', '{"exp":1,"exp":2}', '{' x 1000, "\xff", '[]'),
["expired\nX-Says: [acme][1000][/f*]", main::with({sub => 'acme', exp => 1000})],
["malformed\nX-Says: [][][]", main::with({sub => 'acme', exp => 'x'})],
["malformed\nX-Says: [][][]", main::with({sub => 'acme', path => 7})],
["malformed\nX-Says: [][][]", main::with({path => '/f*', nbf => 'x', sub => 'acme'})],
["early\nX-Says: [acme][@{[$now + 86400]}][/f*]", main::with({sub => 'acme', exp => $now + 86400, nbf => $now + 7200})]



=== exp is required
--- config
location /any { secure_link_hmac_scope any; empty_gif; }
--- cases eval
['malformed', main::with({exp => undef})],
['malformed', main::with({exp => undef, iat => $now, nbf => $now})],
['malformed', main::with('{"path":"*","EXP":9000000000}')],
['malformed', main::with('{"path":"*","exp ":9000000000}')],
['malformed', jwt_link('/any', {exp => undef})],
['malformed', jwt_link('/any', '{}')],
['granted', jwt_link('/any', '{"exp":9000000000}')],
['granted', jwt_link('/any', {})]



=== a date is a number from 0 to 2^53, its fraction cut off
--- cases eval
my @bad = ('null', 'true', '""', '"1"', '"' . ($now + 3600) . '"', '"9000000000"', '[9000000000]', '{}', '-1', '-0.5', '-9000000000',
    '9007199254740992', '9007199254740993',
    '9223372036854775807', '18446744073709551616', '9' x 40, '9' x 2000, '1e16', '1e308', '1e309', '1e999999999', '1e99999999999999999999');
my @no_json = ('', '+9000000000', '09000000000', '9000000000.', '.5', '9e', '0x218711A00', 'NaN', 'Infinity', '-', '9_000_000_000', "'9000000000'",
    '9000000000L');
(map { ['malformed', main::with(qq({"path":"*","exp":$_}))] } @bad, @no_json),
(map { my $name = $_; map { ['malformed', main::with(qq({"path":"*","exp":9000000000,"$name":$_}))] } @bad, @no_json } 'nbf', 'iat'),
(map { ["granted\nX-Says: [][$_->[1]][*]", main::with(qq({"path":"*","exp":$_->[0]}))] } [9000000000, 9000000000], ['9000000000.0', 9000000000],
    ['9000000000.999', 9000000000],
    ['9e9', 9000000000], ['9E+9', 9000000000], ['90000000000e-1', 9000000000], ['9007199254740991', '9007199254740991']),
(map { ["expired\nX-Says: [][$_->[1]][*]", main::with(qq({"path":"*","exp":$_->[0]}))] } [0, 0], ['0.9', 0], ['1', 1], ['1700000000.999', 1700000000],
    ['1e3', 1000]),
(map { my $name = $_; map { ['granted', main::with(qq({"path":"*","exp":9000000000,"$name":$_}))] } '0', '0.5', '1', '1e9', '1700000000.999' } 'nbf',
    'iat'),
(map { my $name = $_; map { ['early', main::with(qq({"path":"*","exp":9007199254740991,"$name":$_}))] } '8e9', '8000000000.5',
    '9007199254740991' } 'nbf', 'iat')



=== a token is good from nbf and iat until exp, with a minute for clocks that differ
--- cases eval
sub {
    my $now = time();
    ['granted', main::with({exp => $now + 60})],
    ['expired', main::with({exp => $now})],
    ['expired', main::with({exp => $now - 1})],
    ['expired', main::with({exp => $now - 50})],
    (map { my $name = $_; ['granted', main::with({$name => $now})], ['granted', main::with({$name => $now + 59})],
        ['early', main::with({$name => $now + 120})] } 'nbf', 'iat'),
    ['granted', main::with({nbf => $now - 600, iat => $now - 600})],
    ['early', main::with({nbf => $now - 600, iat => $now + 600})],
    ['early', main::with({nbf => $now + 600, iat => $now - 600})],
    # Not yet good, nor ever.
    ['granted', main::with({nbf => $now - 10, exp => $now + 60, iat => $now - 86400 * 365})],
    ['early', main::with({nbf => $now + 1200, exp => $now + 600})],
    ['early', main::with({nbf => $now + 1200, exp => $now - 600})];
}



=== a leeway that is set is for both ends
--- config
location = /f/1s { secure_link_hmac_leeway 1s; empty_gif; }
location = /f/10m { secure_link_hmac_leeway 10m; empty_gif; }
--- cases eval
sub {
    my $now = time();
    my $with = sub { my ($where, %claims) = @_; return jwt_link("/f/$where", {path => '/f*', exp => $now + 3600, %claims}) };
    (map { ['early', $with->('1s', $_ => $now + 55)], ['granted', $with->('1s', $_ => $now)], ['granted', $with->('10m', $_ => $now + 600)],
        ['early', $with->('10m', $_ => $now + 660)] } 'nbf', 'iat'),
    ['expired', $with->('1s', exp => $now - 2)], ['granted', $with->('10m', exp => $now - 540)], ['expired', $with->('10m', exp => $now - 600)],
    ['granted', $with->('10m', exp => '9007199254740991' + 0)];
}



=== max_lifetime counts from iat, else from nbf, else from now
--- config
secure_link_hmac_max_lifetime 1h;
--- cases eval
sub {
    my $now = time();
    my $case = sub { my ($verdict, %claims) = @_; return [$verdict, main::with(\%claims)] };
    $case->('granted', exp => $now + 3600), $case->('expired', exp => $now + 3900), $case->('expired', exp => 9000000000),
    $case->('granted', iat => $now - 1800, exp => $now + 1800), $case->('expired', iat => $now - 1800, exp => $now + 1801),
    $case->('granted', nbf => $now - 1800, exp => $now + 1800), $case->('expired', nbf => $now - 1800, exp => $now + 1801),
    $case->('granted', iat => $now - 10, nbf => $now - 1800, exp => $now + 3590),
    $case->('expired', iat => $now - 1800, nbf => $now - 10, exp => $now + 1801),
    $case->('granted', iat => $now + 30, exp => $now + 3630), $case->('expired', iat => $now + 30, exp => $now + 3631),
    $case->('expired', iat => 0, exp => '9007199254740991' + 0), $case->('expired', iat => $now - 7200, exp => $now - 3600);
}



=== a token may stand in an argument, a cookie or a header
--- config
location /one/ { secure_link_hmac $http_x_token; empty_gif; }
location /f/ { secure_link_hmac $arg_token $arg_URISigningPackage $cookie_URISigningPackage $http_authorization; empty_gif; }
location /g/ { secure_link_hmac $http_authorization $cookie_token; empty_gif; }
--- cases eval
my $token = jwt({path => '*'});
['granted', '/one/a', "X-Token: $token"], ['malformed', '/one/a', "X-Token: Bearer $token"], ['missing', "/one/a?token=$token"],
['granted', "/f/a?token=$token"], ['granted', "/f/a?URISigningPackage=$token"], ['granted', "/f/a?urisigningpackage=$token"],
['granted', '/f/a', "Cookie: URISigningPackage=$token"], ['granted', '/f/a', "Cookie: a=b; URISigningPackage=$token; c=d"],
['missing', '/f/a', "Cookie: other=$token"],
(map { ['granted', '/f/a', "Authorization: $_$token"] } 'Bearer ', 'bearer ', 'BEARER ', 'bEaReR ', 'Bearer  ', 'Bearer     '),
(map { ['missing', '/f/a', "Authorization: $_"] } 'Basic YW5uOnNlY3JldA==', "Basic $token", "Digest $token", "Token $token", "Bearers $token",
    "Bearer$token", $token, 'Bearer',
    "JWT $token", "X Bearer $token"),
(map { ['malformed', '/f/a', "Authorization: Bearer $_"] } 'x', 'a.b.c', "$token,", "Bearer $token", "\"$token\""),
['forged', '/f/a', "Authorization: Bearer $token $token"],
# The first that is not empty is the one.
['granted', "/f/a?token=&URISigningPackage=$token"], ['malformed', "/f/a?token=x&URISigningPackage=$token", "Authorization: Bearer $token"],
['granted', "/f/a?token=$token", 'Authorization: Basic YW5uOnNlY3JldA=='],
# A header of another kind may be longer than a token, and the bound is the token's alone.
(map { ['granted', "/f/a?token=$token", "Authorization: $_ " . 'x' x 7000], ['missing', '/f/a', "Authorization: $_ " . 'x' x 7000] } qw(Basic Negotiate)),
(map { ['granted', '/f/a', 'Authorization: Bearer ' . main::of_length($_)] } 4089, 4096), ['malformed', '/f/a', 'Authorization: Bearer ' . main::of_length(4097)],
['granted', '/g/a', "Authorization: Bearer $token\nCookie: token=x"],
['granted', '/g/a', "Authorization: Basic YW5uOnNlY3JldA==\nCookie: token=$token"],
['missing', '/g/a', 'Authorization: Basic YW5uOnNlY3JldA=='], ['malformed', '/g/a', "Authorization: Basic YW5uOnNlY3JldA==\nCookie: token=x"]



=== a link needs a scope, or a location that does without
--- config
location /any/ { secure_link_hmac_scope any; empty_gif; }
location /any/path/ { secure_link_hmac_scope path; empty_gif; }
--- cases eval
['out_of_scope', jwt_link('/f', {})], ['granted', jwt_link('/any/f', {})], ['out_of_scope', jwt_link('/any/path/f', {})],
['granted', jwt_link('/any/f', {path => '/any/*'})], ['out_of_scope', jwt_link('/any/f', {path => '/any/g'})],
['out_of_scope', jwt_link('/any/f', {path => ''})],
(map { my $where = $_; map { ['malformed', jwt_link($where, $_)] } {path => 5}, {path => JSON::PP::true}, {path => {}}, {path => ['/any/f', 5]},
    {path => [['*']]},
    '{"exp":9000000000,"path":null}', '{"exp":9000000000,"path":["*",null]}' } '/f', '/any/f', '/any/path/f')



=== HEAD is as good as GET, and other methods need the directive
--- config
location = /write { secure_link_hmac_methods GET PUT; empty_gif; }
--- cases eval
['granted', 'HEAD ' . main::with({})], (map { ['out_of_scope', "$_ " . main::with({})] } qw(POST PUT DELETE OPTIONS PATCH PROPFIND)),
['405 granted', 'PUT ' . jwt_link('/write', {path => '*'})], ['out_of_scope', 'HEAD ' . jwt_link('/write', {path => '*'})]
