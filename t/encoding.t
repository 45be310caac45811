# How a token is written: three encodings, read strictly, so that a MAC has few spellings.

use strict;
use warnings;

use lib 't/lib';
use SecureLink;
use Test::Nginx::Socket 'no_plan';

# A path below $dir whose token has a digit at which the two base64 alphabets differ, and ends
# where a changed unused bit is another digit.
sub telling_path {
    my ($dir, $algorithm) = @_;
    for my $n (1 .. 1000) {
        my $token = token("$dir/$n", algorithm => $algorithm, encoding => 'base64');
        return "$dir/$n" if $token =~ /\A[^+\/]+\+.*\/.*[^+\/=]=*\z/;
    }
    die "no token with + and /";
}

our %path = (
    (map { $_ => telling_path("/$_") } qw(base64url base64)),
    md5   => telling_path('/md5',    'md5'),
    md5_b => telling_path('/md5_b',  'md5'),
    sha384   => telling_path('/sha384', 'sha384'),
    hex   => '/hex/1',
);
our %token = (
    (map { $_ => token($path{$_}, encoding => $_) } qw(base64url base64 hex)),
    md5    => token($path{md5}, algorithm => 'md5'),
    md5_b  => token($path{md5_b}, algorithm => 'md5', encoding => 'base64'),
    sha384 => token($path{sha384}, algorithm => 'sha384'),
);

# The other digits that differ from the last one in unused bits only.
sub same_bytes {
    my ($token, $unused) = @_;
    my $digits = join '', 'A' .. 'Z', 'a' .. 'z', 0 .. 9, $token =~ /[+\/]/ ? '+/' : '-_';
    my ($body, $last) = $token =~ /\A(.*)([^=])=*\z/;
    my $at = index $digits, $last;
    return map { $body . substr $digits, $at + $_, 1 } 1 .. (1 << $unused) - 1;
}

sub spelled {
    my ($token, %escapes) = @_;
    $token =~ s/([+\/=])/$escapes{$1} || $1/ge;
    return $token;
}

(my $bare = $token{base64}) =~ s/=//;
(my $dashed = $bare) =~ tr{+/}{-_};
(my $plus = $token{base64url}) =~ tr{-_}{+/};

our @base64url = (
    [granted => $token{base64url}, "$token{base64url}=", "$token{base64url}%3D", "$token{base64url}%3d"],
    [malformed =>
        (map { "$token{base64url}$_" } '==', '===', '=%3D', '%3D%3D', '%253D', '%', '%3', 'A', '=A', ',', '%00', '%20', '.'),
        (map { "$_$token{base64url}" } '=', '%20', 'A', '%00'),
        $plus, spelled($plus, '+' => '%2B', '/' => '%2F'),
        same_bytes($token{base64url}, 2), (map { "$_=" } same_bytes($token{base64url}, 2)),
        substr($token{base64url}, 0, 42), substr($token{base64url}, 0, 20) . '=' . substr($token{base64url}, 20),
        # Nothing but + / = may be escaped.
        sprintf('%%%02X%s', ord $token{base64url}, substr $token{base64url}, 1),
        (map { (my $t = $token{base64url}) =~ s/-/$_/; $t } '%2D', '%2d', '%E2%80%90', "\xE2\x80\x90"),
        'A', '====', '%3D', 'null', unpack 'H*', mac($path{base64url})],
    [forged => 'A' x 43, 'A' x 43 . '=', (map { (my $t = $token{base64url}) =~ s/\A(.)/$1 eq 'A' ? 'B' : 'A'/e; $t } 1),
        token('/other')],
);

our @base64 = (
    [granted => $token{base64}, $bare, "$bare%3D", "$bare%3d",
        spelled($token{base64}, '+' => '%2B', '/' => '%2F', '=' => '%3D'), spelled($token{base64}, '+' => '%2b', '/' => '%2f', '=' => '%3d'),
        spelled($token{base64}, '+' => '%2b'), spelled($bare, '/' => '%2F')],
    [malformed => $dashed, "$dashed=", "$bare==", "$bare=A", "$bare%253D",
        spelled($bare, '+' => '%252B'), spelled($bare, '/' => '%252F'), spelled($bare, '+' => '%20'), spelled($bare, '/' => '%5C'),
        same_bytes($token{base64}, 2), (map { "$_=" } same_bytes($token{base64}, 2))],
    [forged => 'A' x 43, 'A' x 43 . '=', '/' x 42 . '8'],
);

our @hex = (
    [granted => $token{hex}, uc $token{hex}, ucfirst $token{hex}, join '', map { $_ % 2 ? uc substr $token{hex}, $_, 1 : substr $token{hex}, $_, 1 } 0 .. 63],
    [malformed => substr($token{hex}, 0, 63), substr($token{hex}, 0, 62), "$token{hex}0", "$token{hex}00", "$token{hex}=", "0x$token{hex}",
        substr($token{hex}, 0, 63) . 'g', substr($token{hex}, 0, 63) . '%30', substr($token{hex}, 0, 63) . '+',
        join('%3A', unpack '(A2)*', $token{hex}), token($path{hex}), token($path{hex}, encoding => 'base64')],
    [forged => '0' x 64, 'f' x 64],
);

# For each algorithm, a byte less and a byte more than its MAC, in base64url.
our @lengths;
for my $algorithm (@SecureLink::ALGORITHMS) {
    my $path = "/length/$algorithm";
    my $mac = mac($path, undef, $algorithm);
    my $encoded = sub { MIME::Base64::encode_base64url($_[0]) };
    push @lengths, map { ["$path?st=$_->[0]", $_->[1]] }
        [$encoded->($mac), '1 granted'],
        [$encoded->($mac ^ "\x01"), ' forged'], [$encoded->($mac ^ (("\0" x (length($mac) - 1)) . "\x80")), ' forged'],
        [$encoded->(substr $mac, 1), ' malformed'], [$encoded->(substr $mac, 0, -1), ' malformed'],
        [$encoded->(substr $mac, 0, 8), ' malformed'], [$encoded->("$mac\0"), ' malformed'], [$encoded->("\0$mac"), ' malformed'],
        [$encoded->("$mac$mac"), ' malformed'], [$encoded->($mac x 40), ' malformed'];
}

our $show = 'return 200 "$secure_link_hmac $secure_link_hmac_status\n";';
our $serve = 'secure_link_hmac_enforce on; add_header X-Verdict $secure_link_hmac_status always; empty_gif;';
our $policy = <<'_EOC_';
    secure_link_hmac "$arg_st";
    secure_link_hmac_message "$uri";
    secure_link_hmac_secret 0123456789abcdef0123456789abcdef;
_EOC_

# The requests of a table, and what they are answered with.
sub Test::Base::Filter::requests {
    my ($path, @table) = @_;
    return [map { my ($verdict, @tokens) = @$_; map { "GET $path?st=$_" } @tokens } @table];
}

sub Test::Base::Filter::outcomes {
    my ($format, @table) = @_;
    return [map { my ($verdict, @tokens) = @$_; map { $format->($verdict) } @tokens } @table];
}

run_tests();

__DATA__

=== TEST 1: base64url has right padding or none, and no unused bits
--- config eval
"$::policy
location /base64url/ { $::show }"
--- request eval
requests($::path{base64url}, @::base64url)
--- response_body eval
outcomes(sub { ($_[0] eq 'granted' ? 1 : '') . " $_[0]\n" }, @::base64url)
--- no_error_log
[error]



=== TEST 2: the same where the check is enforced
--- config eval
"$::policy
location /base64url/ { $::serve }"
--- request eval
requests($::path{base64url}, @::base64url)
--- error_code eval
outcomes(sub { $_[0] eq 'granted' ? 200 : 403 }, @::base64url)
--- response_headers eval
outcomes(sub { "X-Verdict: $_[0]" }, @::base64url)
--- no_error_log
[error]



=== TEST 3: base64 may have + / = escaped, once
--- config eval
"$::policy
location /base64/ { secure_link_hmac_encoding base64; $::show }"
--- request eval
requests($::path{base64}, @::base64)
--- response_body eval
outcomes(sub { ($_[0] eq 'granted' ? 1 : '') . " $_[0]\n" }, @::base64)
--- no_error_log
[error]



=== TEST 4: hex is read in either case
--- config eval
"$::policy
location /hex/ { secure_link_hmac_encoding hex; $::show }"
--- request eval
requests($::path{hex}, @::hex)
--- response_body eval
outcomes(sub { ($_[0] eq 'granted' ? 1 : '') . " $_[0]\n" }, @::hex)
--- no_error_log
[error]



=== TEST 5: two equal signs pad a MAC of 16 bytes, both or none
--- config eval
"$::policy
secure_link_hmac_algorithm md5;
location /md5/ { $::show }
location /md5_b/ { secure_link_hmac_encoding base64; $::show }"
--- request eval
[(map { "GET $::path{md5}?st=$::token{md5}$_" } '', '==', '%3D%3D', '=%3d', '%3D', '=', '===', '====', 'A', '=='. '%00'),
 "GET $::path{md5_b}?st=$::token{md5_b}", "GET $::path{md5_b}?st=" . escape_token($::token{md5_b}), "GET $::path{md5_b}?st=" . substr($::token{md5_b}, 0, 23)]
--- response_body eval
[("1 granted\n") x 4, (" malformed\n") x 6, ("1 granted\n") x 2, " malformed\n"]



=== TEST 6: four unused bits are zero in a MAC of 16 bytes
--- config eval
"$::policy
secure_link_hmac_algorithm md5;
location /md5/ { $::show }"
--- request eval
[map { "GET $::path{md5}?st=$_" } ::same_bytes($::token{md5}, 4)]
--- response_body eval
[(" malformed\n") x 15]



=== TEST 7: a MAC of 48 bytes has no padding
--- config eval
"$::policy
secure_link_hmac_algorithm sha384;
location /sha384/ { $::show }"
--- request eval
[map { "GET $::path{sha384}?st=$::token{sha384}$_" } '', '=', '==', '%3D', '====', '%3D%3D%3D%3D']
--- response_body eval
["1 granted\n", (" malformed\n") x 5]



=== TEST 8: a token has exactly the length of its algorithm's MAC
--- config eval
CORE::join "\n", $::policy, map { "location /length/$_ { secure_link_hmac_algorithm $_; $::show }" } @SecureLink::ALGORITHMS
--- request eval
[map { "GET $_->[0]" } @::lengths]
--- response_body eval
[map { "$_->[1]\n" } @::lengths]



=== TEST 9: an encoding is inherited, and replaced below
--- config eval
"$::policy
secure_link_hmac_encoding hex;
location /hex/ {
    $::show
    location /hex/64/ { secure_link_hmac_encoding base64url; $::show }
}"
--- request eval
["GET $::path{hex}?st=$::token{hex}", "GET $::path{hex}?st=" . token($::path{hex}),
 "GET /hex/64/a?st=" . token('/hex/64/a', encoding => 'hex'), "GET /hex/64/a?st=" . token('/hex/64/a')]
--- response_body eval
["1 granted\n", " malformed\n", " malformed\n", "1 granted\n"]



=== TEST 10: the token that is made is in the encoding, base64 with padding and base64url without
--- config
secure_link_hmac "$arg_st";
secure_link_hmac_message "$uri";
secure_link_hmac_secret 0123456789abcdef0123456789abcdef;
location /base64url/ { return 200 $secure_link_hmac_token; }
location /base64/ { secure_link_hmac_encoding base64; return 200 $secure_link_hmac_token; }
location /hex/ { secure_link_hmac_encoding hex; return 200 $secure_link_hmac_token; }
--- request eval
[map { "GET $::path{$_}" } qw(base64url base64 hex)]
--- response_body eval
[map { $::token{$_} } qw(base64url base64 hex)]



=== TEST 11: escapes are decoded in the token only
--- config
secure_link_hmac "$arg_st,$arg_ts,$arg_e";
secure_link_hmac_message "$uri|$arg_ts|$arg_e";
secure_link_hmac_secret 0123456789abcdef0123456789abcdef;
location /show { return 200 "$secure_link_hmac $secure_link_hmac_status\n"; }
--- request eval
[map { 'GET ' . link('/show', %$_) } {ts => '2026-01-31T12:00:00%2B00:00', e => 0}, {ts => '2026-01-31T12:00:00+00:00', e => 0},
    {e => '36%3000'}, {ts => '%31700000000', e => 0}]
--- response_body eval
[" malformed\n", "1 granted\n", (" malformed\n") x 2]



=== TEST 12: an unknown encoding is refused
--- config
secure_link_hmac "$arg_st";
secure_link_hmac_encoding base32;
--- must_die
--- error_log eval
[qr/\[emerg\].*secure_link_hmac_encoding.*base32.* in .*nginx\.conf:\d+/]
