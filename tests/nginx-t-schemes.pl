#!/usr/bin/env perl

# What `nginx -t` says about secure_link_hmac_scheme and the directives that belong to some schemes only.
#
#   MODULE=/path/to.so NGINX=nginx tests/nginx-t-schemes.pl

use strict;
use warnings;

use FindBin;
use Test::More;

use lib "$FindBin::Bin/lib";
use NginxT;

my $hex    = unpack 'H*', $secret;
my $scheme = 'secure_link_hmac_scheme';
my $place  = qr{ in \S+/nginx\.conf:\d+$}m;

# A location with a policy of each scheme.
my %policy = (
    template => $policy,
    jwt      => "$scheme jwt; secure_link_hmac \$arg_token; $key",
    edgeauth => "$scheme edgeauth; secure_link_hmac \$arg_hdnts; $key",
    sigv4    => "$scheme sigv4; $key",
);
my @others = qw(jwt edgeauth sigv4);

sub ring { my ($name, @lines) = @_; return "secure_link_hmac_keyring $name {\n" . join("\n", @lines) . "\n}\n" }
sub ringed { my ($kind, $keys) = @_; return $policy{$kind} =~ s/\Q$key\E/secure_link_hmac_keys $keys;/r }
sub without { my ($kind, $what) = @_; return $policy{$kind} =~ s/\Q$what\E//r }
sub server { return 'server { ' . join("\n", @_) . "\n}\n" }
sub in { my ($path, @lines) = @_; return "location $path {\n" . join("\n", @lines) . "\n}" }

# The directive itself.

fine "a policy of $_", location("$policy{$_} ENFORCE") for sort keys %policy;
fine "the scheme $_", location(($policy{(split ' ', $_)[0]} =~ s/$scheme \w+; ?//r) . "$scheme $_; ENFORCE")
    for 'template', 'template time=issued', 'template time=issued_hex', 'jwt', 'edgeauth', 'edgeauth salt=x', 'edgeauth escape_early',
        'edgeauth escape_early=form', 'edgeauth escape_early=component',
    'edgeauth salt=a=b escape_early', 'edgeauth escape_early=form "salt=a b"', 'sigv4', 'sigv4 region=us-east-1', 'sigv4 service=s3',
        'sigv4 service=s3 region=auto';
refused "the scheme '$_'", location("$key\n$scheme $_; #!"), "\"$scheme\"", (split ' ', $_)[0], 'jwt', 'edgeauth', 'sigv4', 'template'
    for 'JWT', 'jws', 'akamai', 'aws', 's3', 'x', 'sigv4a', 'jwt,';
refused 'no scheme', location("$scheme; #!"), "\"$scheme\"", 'number of arguments';
refused "two schemes ($_)", location("$scheme jwt;\n$scheme $_; #!"), "\"$scheme\"", 'duplicate' for 'jwt', 'sigv4';
refused "a scheme outside http", "}\n$scheme jwt; #!\nhttp {", "\"$scheme\"", 'not allowed here';
refused "a scheme in $_", location("$_ {\n$scheme jwt; #!\n}"), "\"$scheme\"", 'not allowed here' for 'if ($arg_x)', 'limit_except GET';
for (['template', 'salt=x'], ['template', 'jwt'], ['jwt', 'time=issued'], ['jwt', 'salt=x'], ['jwt', 'alg=HS256'], ['jwt', 'jwt'],
    ['edgeauth', 'time=expires'], ['edgeauth', 'region=x'], ['edgeauth', 'escape=form'], ['edgeauth', 'x'], ['sigv4', 'salt=x'],
    ['sigv4', 'Region=x'], ['sigv4', 'us-east-1'],
    ['sigv4', 'escape_early']) {
    my ($kind, $word) = @$_;
    refused "$kind with $word", location("$key\n$scheme $kind $word; #!"), "\"$scheme\"", $word =~ s/=.*/=/r, $kind;
}
refused "edgeauth with escape_early=$_", location("$key\n$scheme edgeauth escape_early=$_; #!"), "\"$scheme\"", 'escape_early=', 'form', 'component'
    for '', 'FORM', 'yes', 'uri';
refused "$_ twice", location("$key\n$scheme $_; #!"), "\"$scheme\"", 'twice'
    for 'edgeauth salt=a salt=b', 'edgeauth escape_early escape_early', 'edgeauth escape_early=form escape_early=form', 'sigv4 region=a region=a',
        'sigv4 service=a service=b';
refused 'escape_early in two ways', location("$key\n$scheme edgeauth escape_early escape_early=component; #!"), "\"$scheme\"", 'escape_early';
refused "an empty $_", location("$key\n$scheme $_=; #!"), "\"$scheme\"", (split ' ', $_)[1] . '=', 'empty'
    for 'edgeauth salt', 'sigv4 region', 'sigv4 service';
refused 'a salt in the place of something else', location("$key\n$scheme edgeauth Salt=$secret; #!"), "\"$scheme\"", 'Salt=';

# What a policy needs.

mistake "$_ without a key", location(without($_, $key) . "\nENFORCE"), 'secure_link_hmac_secret', $place for @others;
refused "$_ without a credential, enforced", location("$scheme $_; $key\nsecure_link_hmac_enforce on; #!"), 'secure_link_hmac', $place
    for 'jwt', 'edgeauth';
mistake "$_ with an empty credential", location("$scheme $_; $key\nsecure_link_hmac ''; #!\nENFORCE"), '"secure_link_hmac"', 'empty'
    for 'jwt', 'edgeauth';
refused 'sigv4 with a credential', location("$scheme sigv4; $key\nsecure_link_hmac \$arg_token; #!"), '"secure_link_hmac"', 'sigv4', 'remove';
refused 'sigv4 with a credential before it', location("$key\nsecure_link_hmac \$arg_token; #!\n$scheme sigv4;"), '"secure_link_hmac"', 'sigv4',
    'remove';
fine "$_ below a message that another secret signs",
    server($policy{template}, in('/a', $policy{$_} =~ s/secret-/secret-2-/r, 'ENFORCE')) for @others;
fine 'sigv4 below a credential of another scheme', server('secure_link_hmac $arg_token;', in('/', "$scheme sigv4; $key ENFORCE"));
fine 'sigv4 below off', server("$policy{jwt} secure_link_hmac_enforce on;",
    in('/open', 'secure_link_hmac off;', in('/open/s3', "$scheme sigv4;", $key =~ s/secret-/secret-2-/r, 'ENFORCE')));
fine 'several places of a token', location("$scheme jwt; secure_link_hmac \$arg_a \$cookie_b \$http_authorization; $key ENFORCE");
warned "a message, and so a token of the scheme template, beside $_", location("$policy{$_} $message"), 'template', $_, $place for @others;
mistake "$_ with a short secret", location((without($_, $key)) . "\nsecure_link_hmac_secret short; #!\nENFORCE"), 'bytes' for @others;
mistake "$_ with a secret of the client's", location((without($_, $key)) . "\nsecure_link_hmac_secret \$arg_secret; #!\nENFORCE"),
    'secure_link_hmac_secret', '$arg_secret' for @others;
refused "$_ with what the check itself fills", location("$scheme $_; $key\nsecure_link_hmac \$secure_link_hmac_subject; #!"), '"secure_link_hmac"',
    '$secure_link_hmac_subject' for 'jwt', 'edgeauth';

# Directives of other schemes.

my %unused = (
    'secure_link_hmac_scope any;'     => [qw(template edgeauth sigv4)],
    'secure_link_hmac_scope path;'    => [qw(template edgeauth sigv4)],
    'secure_link_hmac_require a=b;'   => [qw(template)],
    'secure_link_hmac_encoding hex;'  => [qw(jwt edgeauth sigv4)],
    'secure_link_hmac_encoding base64url;' => [qw(jwt edgeauth sigv4)],
    'secure_link_hmac_algorithm sha256;' => [qw(sigv4)],
);
for my $directive (sort keys %unused) {
    my ($name) = $directive =~ /(\w+)/;
    my %refusing = map { $_ => 1 } @{$unused{$directive}};
    for my $kind (sort keys %policy) {
        if ($refusing{$kind}) {
            refused "$directive under $kind", location("$policy{$kind}\n$directive #!"), "\"$name\"", $kind;
            refused "$directive under an inherited $kind", server($policy{$kind}, in('/', "\n$directive #!")), "\"$name\"", $kind;
            refused "$directive before the scheme $kind", location("$directive #!\n$policy{$kind}"), "\"$name\"", $kind;
            refused "$directive under $kind in http", "$policy{$kind}\n$directive #!\nserver { }\n", "\"$name\"", $kind;
        } else {
            fine "$directive under $kind", location("$policy{$kind} $directive ENFORCE");
        }
    }
    my ($user) = grep { !$refusing{$_} } qw(jwt template);
    my ($other) = $unused{$directive}[-1];
    fine "an inherited $directive under $other", server($user eq 'jwt' ? $policy{jwt} : (), $directive,
        in('/', "$scheme template;" x ($other eq 'template'), $policy{$other} =~ s/secret-/secret-2-/r, 'ENFORCE'));
}

# Algorithms.

for (['jwt', [qw(sha256 sha384 sha512)], [qw(sha1 md5 sha224 sha512-256 sha3-256 blake2b512)]],
    ['edgeauth', [qw(sha256 sha1 md5)], [qw(sha512 sha384 sha224 sha3-256)]], ['sigv4', ['sha256'], [qw(sha1 sha512 md5)]]) {
    my ($kind, $good, $bad) = @$_;
    for my $algorithm (@$good) {
        fine "$kind with a key for $algorithm", ring('keys',
            "k hex:$hex algorithm=$algorithm;") . location(ringed($kind, 'keys $arg_k') . ' ENFORCE');
        fine "$kind with $algorithm", location("$policy{$kind} secure_link_hmac_algorithm $algorithm; ENFORCE") if $kind ne 'sigv4';
    }
    for my $algorithm (@$bad) {
        refused "$kind with a key for $algorithm", ring('keys', "a hex:$hex;",
            "k hex:$hex algorithm=$algorithm; #!") . location(ringed($kind, 'keys $arg_k')), $algorithm, $kind, $place;
        refused "$kind with $algorithm", location("$policy{$kind}\nsecure_link_hmac_algorithm $algorithm; #!"), '"secure_link_hmac_algorithm"', $kind;
        refused "$kind with $algorithm, enforced", location("$policy{$kind} secure_link_hmac_enforce on;\nsecure_link_hmac_algorithm $algorithm; #!"),
            '"secure_link_hmac_algorithm"', $kind;
    }
}
fine 'sigv4 below an algorithm', server('secure_link_hmac_algorithm sha512;', in('/', "$policy{sigv4} ENFORCE"));

# Scopes.

refused "a scope of '$_'", location("$policy{jwt}\nsecure_link_hmac_scope $_; #!"), '"secure_link_hmac_scope"', 'path', 'any'
    for 'Path', 'none', 'off', '/videos/*', '""';
refused 'no scope', location("$policy{jwt}\nsecure_link_hmac_scope; #!"), '"secure_link_hmac_scope"', 'number of arguments';
refused 'two scopes', location("$policy{jwt}\nsecure_link_hmac_scope path any; #!"), '"secure_link_hmac_scope"', 'number of arguments';
refused 'a scope twice', location("$policy{jwt} secure_link_hmac_scope any;\nsecure_link_hmac_scope any; #!"), '"secure_link_hmac_scope"',
    'duplicate';

# Required claims.

my $require = 'secure_link_hmac_require';
fine "$require $_", location("$policy{jwt} $require $_; ENFORCE")
    for 'aud=$host', 'a=1', 'a=1 b=2', '"a=b c"', 'a==', 'a-b=1', 'http://example.com/is_root=true', '"sub=$arg_user"', 'a=$host$arg_x';
refused "$require $_", location("$policy{jwt}\n$require $_; #!"), "\"$require\""
    for 'aud', '=x', '=', '""', 'aud=', 'a=1 b', 'a=1 a=2', 'aud=$secure_link_hmac_subject', 'aud=$secure_link_hmac_key_id',
    'aud=x$secure_link_hmac_claim_aud', 'aud=$', 'aud=${x';
refused "no claim", location("$policy{jwt}\n$require; #!"), "\"$require\"", 'number of arguments';
refused "$require twice", location("$policy{jwt} $require a=1;\n$require b=2; #!"), "\"$require\"", 'duplicate';
refused 'a claim that a variable has that is not there', location("$policy{jwt} $require aud=\$nowhere;"), 'unknown "nowhere" variable';
refused "$_ outside http", "}\n$_; #!\nhttp {", 'not allowed here' for "$require a=1", 'secure_link_hmac_scope any';
refused "$_ in an if", location("if (\$arg_x) {\n$_; #!\n}"), 'not allowed here' for "$require a=1", 'secure_link_hmac_scope any';

# One ring, one scheme.

my $ring = ring('keys', "k hex:$hex;");
for my $one (sort keys %policy) {
    for my $other (sort keys %policy) {
        my @locations = map { in("/$_->[0]", ringed($_->[1], 'keys $arg_k')) } ['a', $one], ['b', $other];
        if ($one eq $other) {
            accepted "one ring under $one twice", $ring . server(@locations);
        } else {
            refused "one ring under $one and $other", $ring . server(@locations), 'keys', $one, $other, $place;
            refused "one ring under $one and an enforced $other",
                $ring . server($locations[0], $locations[1] =~ s/\}\z/secure_link_hmac_enforce on;\n}/r), 'keys', $one, $other, $place;
        }
    }
}
refused 'one ring under two schemes, of two servers', $ring . server(ringed('jwt', 'keys $arg_k')) . server(ringed('sigv4', 'keys $arg_k')), 'keys',
    'jwt', 'sigv4';
refused 'one ring that is inherited under two schemes', $ring . server(ringed('jwt', 'keys $arg_k'), in('/', "$scheme sigv4;")), 'keys', 'jwt',
    'sigv4';
accepted 'two rings under two schemes', $ring . ring('others',
    'k hex:' . unpack('H*', "another $secret") . ';') . server(in('/a', ringed('jwt', 'keys $arg_k')), in('/b', ringed('sigv4', 'others $arg_k')));

# One secret, one scheme.

for (['jwt', 'template'], ['edgeauth', 'jwt'], ['sigv4', 'jwt'], ['template', 'sigv4'], ['edgeauth', 'sigv4']) {
    my ($one, $other) = @$_;
    warned "one secret under $one and $other", server(in('/a', $policy{$one}), in('/b', $policy{$other})), $one, $other, $place;
    warned "one secret under $one and $other, enforced", server(in('/a', $policy{$one}, 'secure_link_hmac_enforce on;'),
        in('/b', $policy{$other}, 'secure_link_hmac_enforce on;')), $one, $other, $place;
    warned "one secret in a ring under $one and beside it under $other",
        $ring . server(in('/a', ringed($one, 'keys $arg_k')), in('/b', $policy{$other})), $one, $other, $place;
    warned "one secret in two rings under $one and $other", $ring . ring('others', "x hex:$hex;") . server(in('/a', ringed($one, 'keys $arg_k')),
        in('/b', ringed($other, 'others $arg_k'))), $one, $other, $place;
    accepted "two secrets under $one and $other", server(in('/a', $policy{$one}), in('/b', $policy{$other} =~ s/secret-/secret-2-/r));
}
accepted "one secret under $_ twice", server(in('/a', $policy{$_}), in('/b', $policy{$_})) for sort keys %policy;

# Keys that are tried in turn.

my @sixteen = map { "key-$_ hex:" . unpack('H*', "key $_ of $secret") . ';' } 1 .. 16;
my $seventeenth = 'key-17 hex:' . unpack('H*', "key 17 of $secret") . ';';
fine "sixteen keys in turn under $_", ring('keys', @sixteen) . location(ringed($_, 'keys') . ' ENFORCE') for sort keys %policy;
fine "seventeen keys under $_, whose links name theirs", ring('keys', @sixteen, $seventeenth) . location(ringed($_, 'keys') . ' ENFORCE')
    for 'jwt', 'sigv4';
refused "seventeen keys in turn under $_", ring('keys', @sixteen, $seventeenth) . location(ringed($_, 'keys') =~ s/;\z/; #!/r),
    '"secure_link_hmac_keys"', '17', '16' for 'template', 'edgeauth';
fine "seventeen keys with an id under $_", ring('keys', @sixteen, $seventeenth) . location(ringed($_, 'keys $arg_k') . ' ENFORCE')
    for sort keys %policy;

# Limits by subject.

my $limit = 'secure_link_hmac_limit z uses=3 per=subject period=1h;';
fine "a limit by subject under $_", "secure_link_hmac_zone z:64k;\n" . location("$policy{$_} $limit ENFORCE") for 'jwt', 'edgeauth';
mistake "a limit by subject under $_", "secure_link_hmac_zone z:64k;\n" . location("$policy{$_}\n$limit #!\nENFORCE"), '"secure_link_hmac_limit"',
    'subject' for 'template', 'sigv4';
fine "a limit of each link under $_", "secure_link_hmac_zone z:64k;\n" . location("$policy{$_} secure_link_hmac_limit z uses=1; ENFORCE") for @others;

done_testing;
