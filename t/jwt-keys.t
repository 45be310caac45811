# secure_link_hmac_scheme jwt: which key a token is checked with. It may name one, by `kid` or `iss`, and so may
# the configuration.

use strict;
use warnings;

use lib 't/lib';
use SchemeLinks;
use Test::Nginx::Socket 'no_plan';
use Verdicts <<'_EOC_';
    secure_link_hmac_scheme jwt;
    secure_link_hmac $arg_token;
    secure_link_hmac_keys partners;
    add_header X-Key "[$secure_link_hmac_key_id]" always;
_EOC_

our %secret = map { $_ => substr $_ x 16, 0, 32 } qw(acme globex initech hooli);
our $then = time() - 7200;

sub key { my ($name, $rest) = @_; return "$name hex:" . unpack('H*', $secret{$name} || 'another-') . ' ' . ($rest || '') . ';' }

our $ring = "secure_link_hmac_keyring partners {\n" . join("\n", map { key($_) } sort keys %secret) . "\n}";
our $big  = "secure_link_hmac_keyring partners {\n" . join("\n",
    map { "key-$_ hex:" . unpack('H*', "the key number $_ of many") . ';' } 1 .. 17) . "\n}";

add_block_preprocessor(sub {
    my ($block) = @_;
    $block->set_value(http_config => $ring) unless defined $block->http_config;
});

# [verdict, a link by that key, with these claims, with options]; a grant is by `by`, or else by that key.
sub ask {
    my ($verdict, $name, $claims, %options) = @_;
    my $by = delete $options{by} || $name;
    my $args = delete $options{args};
    my $shown = $verdict =~ /\A(?:granted|revoked|expired|out_of_scope|early)\z/ ? $by : '';
    my $path = delete $options{at} || '/f';
    $claims = {path => '*', %$claims} if ref $claims;
    return ["$verdict\nX-Key: [$shown]", jwt_link($path, $claims, secret => $secret{$name} || $name, args => $args, %options)];
}

no_long_string();
run_tests();

__DATA__

=== kid chooses the key, and iss does if there is no kid
--- cases eval
(map { my $name = $_; (::ask('granted', $name, {}, kid => $name), ::ask('granted', $name, {iss => $name}),
    ::ask('granted', $name, {iss => $name}, kid => $name)) } sort keys %::secret),
::ask('forged', 'acme', {}, kid => 'globex'), ::ask('forged', 'acme', {iss => 'globex'}),
# Where there is a kid, the issuer is a claim as any.
::ask('granted', 'acme', {iss => 'globex'}, kid => 'acme'), ::ask('granted', 'acme', {iss => 'https://acme.example/'}, kid => 'acme'),
::ask('forged', 'globex', {iss => 'globex'}, kid => 'acme'),
::ask('granted', 'acme', {iss => 'https://issuer.example/' . 'x' x 100}, kid => 'acme'),
::ask('malformed', 'acme', {iss => 'https://issuer.example/' . 'x' x 100}),
::ask('unknown_key', 'acme', {}, kid => ''), ::ask('unknown_key', 'acme', {iss => ''}), ::ask('unknown_key', 'acme', {}, kid => 'nobody'),
::ask('unknown_key', 'acme', {iss => 'nobody'}), ::ask('unknown_key', 'acme', {iss => 'acme'}, kid => 'nobody'),
(map { (::ask('unknown_key', 'acme', {}, kid => $_), ::ask('unknown_key', 'acme', {iss => $_})) } 'ACME', 'acme ', ' acme', 'acm', 'acme2',
    'acme,globex', '*', '$acme')



=== a kid is a name and nothing else
--- cases eval
(map { (::ask('unknown_key', 'acme', {}, kid => $_), ::ask('unknown_key', 'acme', {iss => $_})) } '/', '/dev/null', '../../../../etc/passwd',
    '../acme', './acme', 'acme/', 'acme/../acme',
    '..\\acme', 'file:acme.key', 'file:/dev/null', 'hex:00', 'http://127.0.0.1/key', "' OR '1'='1", '; ls', '`id`', '$(id)', '${secret}', '%2e%2e%2f',
    "acme%00", '{{7*7}}', 'x' x 64),
(map { my $kid = $_; ::ask('unknown_key', 'acme', {}, header => qq({"alg":"HS256","kid":"$kid"})) } 'acme\u002fx', '\u00e4cme', '\ud83d\ude00',
    "acm\xc3\xa9"),
(map { my $id = $_; ::ask('granted', 'acme', {}, header => qq({"alg":"HS256","kid":"$id"})) } '\u0061cme', '\u0061\u0063\u006d\u0065'),
::ask('granted', 'acme', '{"path":"*","exp":9000000000,"iss":"\u0061cme"}'),
(map { my $kid = $_; (::ask('malformed', 'acme', {}, header => qq({"alg":"HS256","kid":$kid})),
    ::ask('malformed', 'acme', qq({"path":"*","exp":9000000000,"iss":$kid}))) }
    5, 'true', '[]', '["acme"]', '{}', '{"kid":"acme"}', '"' . 'x' x 65 . '"', '"' . 'x' x 2000 . '"')



=== a token that names no key is tried with each of the ring
--- cases eval
(map { ::ask('granted', $_, {}) } sort keys %::secret), ::ask('forged', 'stranger' x 4, {}), ::ask('expired', 'hooli', {exp => 1000}),
::ask('malformed', 'hooli', {exp => 'x'}),
# A key is tried if it has the algorithm.
::ask('malformed', 'acme', {}, alg => 'HS512')



=== with an id of the location's, each id of the token must be that
--- policy
secure_link_hmac_scheme jwt;
secure_link_hmac $arg_token;
secure_link_hmac_keys partners $arg_k;
add_header X-Key "[$secure_link_hmac_key_id]" always;
--- config
location = /acme { secure_link_hmac_keys partners acme; empty_gif; }
--- cases eval
my @acme = (args => 'k=acme');
::ask('granted', 'acme', {}, @acme), ::ask('granted', 'acme', {}, @acme, kid => 'acme'), ::ask('granted', 'acme', {iss => 'acme'}, @acme),
::ask('granted', 'acme', {iss => 'acme'}, @acme, kid => 'acme'),
::ask('unknown_key', 'acme', {}, @acme, kid => 'globex'), ::ask('unknown_key', 'acme', {iss => 'globex'}, @acme),
::ask('unknown_key', 'acme', {iss => 'globex'}, @acme, kid => 'acme'),
::ask('unknown_key', 'acme', {iss => 'acme'}, @acme, kid => 'globex'), ::ask('unknown_key', 'globex', {}, @acme, kid => 'globex'),
::ask('unknown_key', 'globex', {}, @acme, kid => 'globex', alg => 'HS256'),
::ask('unknown_key', 'acme', {}, @acme, kid => 'ACME'), ::ask('unknown_key', 'acme', {iss => 'https://acme.example/'}, @acme, kid => 'acme'),
::ask('unknown_key', 'acme', {iss => 'https://issuer.example/' . 'x' x 100}, @acme), ::ask('unknown_key', 'acme', {iss => ''}, @acme),
::ask('unknown_key', 'acme', {}, @acme, kid => ''), ::ask('malformed', 'acme', {}, args => 'k=' . 'x' x 65),
::ask('unknown_key', 'acme', {}, args => 'k=' . 'x' x 64),
::ask('forged', 'globex', {}, @acme), ::ask('forged', 'globex', {}, @acme, kid => 'acme'), ::ask('forged', 'globex', {iss => 'globex'}, @acme),
::ask('forged', 'globex', {iss => 'acme'}, @acme),
::ask('unknown_key', 'acme', {}, args => 'k='), ::ask('unknown_key', 'acme', {}), ::ask('unknown_key', 'acme', {}, kid => 'acme'),
::ask('unknown_key', 'acme', {iss => 'acme'}, args => 'k=nobody'),
::ask('unknown_key', 'acme', {}, args => 'k=nobody', kid => 'acme'), ::ask('unknown_key', 'acme', {}, args => 'k=nobody', kid => 'nobody'),
::ask('malformed', 'acme', {}, args => 'k=acme&k=acme'),
::ask('granted', 'acme', {}, at => '/acme'), ::ask('granted', 'acme', {iss => 'acme'}, kid => 'acme', at => '/acme'),
::ask('unknown_key', 'acme', {}, kid => 'globex', at => '/acme'),
::ask('unknown_key', 'acme', {iss => 'globex'}, at => '/acme'), ::ask('forged', 'globex', {iss => 'globex'}, at => '/acme'),
::ask('unknown_key', 'globex', {}, kid => 'globex', at => '/acme')



=== a plain secret knows no ids
--- policy
secure_link_hmac_scheme jwt;
secure_link_hmac $arg_token;
secure_link_hmac_secret acmeacmeacmeacmeacmeacmeacmeacme;
secure_link_hmac_secret globexglobexglobexglobexglobexgl;
add_header X-Key "[$secure_link_hmac_key_id]" always;
--- cases eval
(map { my $name = $_; map { my ($claims, @kid) = @$_; ["granted\nX-Key: []",
    jwt_link('/f', {path => '*', %$claims}, secret => $::secret{$name}, @kid)] }
    [{}], [{iss => 'acme'}], [{}, kid => 'acme'], [{iss => 'x'}, kid => 'y'], [{}, kid => 'x' x 200],
    [{iss => 'https://issuer.example/' . 'x' x 100}], [{}, kid => '../x'] } 'acme', 'globex'),
::ask('forged', 'initech', {}, kid => 'acme')



=== in a ring of more than sixteen keys a token must name its own
--- http_config eval
$::big
--- config
location = /key-3 { secure_link_hmac_keys partners key-3; empty_gif; }
--- cases eval
my $secret = sub { "the key number $_[0] of many" };
(map { (::ask('granted', $secret->($_), {}, kid => "key-$_", by => "key-$_"), ::ask('granted', $secret->($_), {iss => "key-$_"}, by => "key-$_")) } 1,
    16, 17),
(map { ::ask('malformed', $secret->($_), {}) } 1, 16, 17), ::ask('malformed', 'stranger' x 4, {}),
::ask('unknown_key', $secret->(1), {}, kid => 'key-18'),
::ask('granted', $secret->(3), {}, at => '/key-3', by => 'key-3'), ::ask('forged', $secret->(4), {}, at => '/key-3')



=== an id has keys of several algorithms, and only those that are alive count
--- http_config eval
"secure_link_hmac_keyring partners {
    " . ::key('acme') . ::key('globex', 'algorithm=sha512') . "
    both    hex:" . unpack('H*', $::secret{acme}) . ";
    both    hex:" . unpack('H*', $::secret{globex}) . " algorithm=sha512;
    half    hex:" . unpack('H*', $::secret{acme}) . " algorithm=sha384;
    half    hex:" . unpack('H*', $::secret{globex}) . " algorithm=sha512 revoked;
    old     hex:" . unpack('H*', $::secret{acme}) . " not_after=$::then;
    new     hex:" . unpack('H*', $::secret{acme}) . " not_before=" . (time() + 7200) . ";
    dead    hex:" . unpack('H*', $::secret{acme}) . " revoked;
}"
--- cases eval
::ask('granted', 'acme', {}, kid => 'acme'), ::ask('malformed', 'acme', {}, kid => 'acme', alg => 'HS512'),
::ask('malformed', 'acme', {}, kid => 'acme', alg => 'HS384'),
::ask('granted', 'globex', {}, kid => 'globex', alg => 'HS512'), ::ask('malformed', 'globex', {}, kid => 'globex', alg => 'HS256'),
::ask('granted', 'acme', {}, kid => 'both', by => 'both'), ::ask('granted', 'globex', {}, kid => 'both', alg => 'HS512', by => 'both'),
::ask('malformed', 'acme', {}, kid => 'both', alg => 'HS384'), ::ask('forged', 'globex', {}, kid => 'both'),
::ask('forged', 'acme', {}, kid => 'both', alg => 'HS512'),
::ask('granted', 'acme', {}, kid => 'half', alg => 'HS384', by => 'half'), ::ask('malformed', 'globex', {}, kid => 'half', alg => 'HS512'),
::ask('malformed', 'acme', {}, kid => 'half'),
(map { ::ask('unknown_key', 'acme', {}, kid => $_) } qw(old new dead)), ::ask('unknown_key', 'acme', {iss => 'dead'}),
::ask('malformed', 'acme', {}, kid => 'acme', alg => 'none'), ::ask('malformed', 'acme', {}, kid => 'dead', alg => 'none'),
::ask('unknown_key', 'acme', {}, kid => 'nobody')



=== links made before issued_after are revoked, by what iat says
--- http_config eval
"secure_link_hmac_keyring partners {
    " . ::key('acme', "issued_after=$::then") . ::key('globex') . "
}"
--- cases eval
my @acme = (kid => 'acme');
::ask('granted', 'acme', {iat => $::then}, @acme), ::ask('granted', 'acme', {iat => $::then + 60}, @acme),
::ask('revoked', 'acme', {iat => $::then - 1}, @acme),
::ask('revoked', 'acme', {iat => 0}, @acme), ::ask('revoked', 'acme', {}, @acme), ::ask('revoked', 'acme', {nbf => $::then + 60}, @acme),
::ask('revoked', 'acme', {iat => $::then - 60, nbf => $::then + 60}, @acme),
::ask('granted', 'acme', {iat => $::then + 60, nbf => $::then - 60}, @acme),
# Revoked, whatever else is wrong; unless nothing is known.
::ask('revoked', 'acme', {iat => 1, exp => 2}, @acme), ::ask('revoked', 'acme', {nbf => 9000000000}, @acme),
::ask('revoked', 'acme', {path => '/other'}, @acme),
::ask('forged', 'globex', {iat => 1}, @acme), ::ask('malformed', 'acme', {iat => 'x'}, @acme),
::ask('expired', 'acme', {iat => $::then, exp => $::then + 1}, @acme),
(map { ::ask('granted', 'globex', $_, kid => 'globex') } {}, {iat => 1})
