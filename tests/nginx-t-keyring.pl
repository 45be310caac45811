#!/usr/bin/env perl

# What `nginx -t` says about secure_link_hmac_keyring and secure_link_hmac_keys: the line of the ring or of
# the key, and never a secret, not even one in the place of something else.
#
#   MODULE=/path/to.so NGINX=nginx tests/nginx-t-keyring.pl

use strict;
use warnings;

use FindBin;
use MIME::Base64 qw(encode_base64);
use Test::More;

use lib "$FindBin::Bin/lib";
use NginxT;

my $hex     = unpack 'H*', $secret;
my $base64  = encode_base64($secret, '');
my $keyring = 'secure_link_hmac_keyring';
my $place   = qr{ in \S+/nginx\.conf:\d+$}m;

# A ring of these lines, and a server with a location that takes its keys.
sub ring { return "$keyring partners {\n" . join("\n", @_) . "\n}\n" }
sub using { return location("$credential $message " . join("\n", @_)) }

my $one  = ring("acme hex:$hex;");
my $keys = 'secure_link_hmac_keys partners $arg_k;';

# A line is right, whatever uses the ring; a line is wrong even if nothing does.
sub good {
    my ($name, @lines) = @_;
    fine $name, ring(@lines) . using("$keys ENFORCE");
}

sub bad {
    my ($name, $line, @patterns) = @_;
    refused $name, ring("globex hex:$hex;", "$line #!", "initech hex:$hex;"), "\"$keyring\"", @patterns;
}

# Rings.

accepted 'a ring that nothing uses', $one;
fine 'a ring', $one . using("$keys ENFORCE");
fine 'a ring after its use', using("$keys ENFORCE") . $one;
accepted 'several rings', join '', map { my $ring = $one; $ring =~ s/partners/$_/; $ring } qw(a b secure_link_hmac $arg_x);
refused 'an empty ring', "$keyring partners { #!\n}\n", "\"$keyring\"", 'partners', qr/no key|empty/;
refused 'a ring of comments', "$keyring partners { #!\n# acme hex:$hex;\n}\n", "\"$keyring\"", 'partners';
refused 'a ring that includes nothing', "$keyring partners { #!\ninclude nothing.d/*.conf;\n}\n", "\"$keyring\"", 'partners';
refused 'a duplicate ring', "$one$keyring partners { #!\nglobex hex:$hex;\n}\n", "\"$keyring\"", 'partners', qr/second|duplicate/;
refused 'a ring in a server', "server {\n$keyring partners { #!\nacme hex:$hex;\n}\n}\n", "\"$keyring\"", 'not allowed here';
refused 'a ring in a location', location("$keyring partners { #!\nacme hex:$hex;\n}"), "\"$keyring\"", 'not allowed here';
refused 'a ring without a block', "$keyring partners; #!\n", "\"$keyring\"", 'no opening "{"';
refused 'a ring without a name', "$keyring { #!\nacme hex:$hex;\n}\n", "\"$keyring\"", 'number of arguments';
refused 'a ring of two names', "$keyring a b { #!\nacme hex:$hex;\n}\n", "\"$keyring\"", 'number of arguments';
refused 'a block in a ring', ring("acme { #!", 'x y; }'), 'unexpected "{"';
refused 'a ring that does not end', "$keyring partners {\nacme hex:$hex;\n", 'unexpected end of file';

# Sources.

bad 'a line without a secret', 'acme;', 'without a secret';
bad 'a line of a secret alone', "hex:$hex;";
bad "an id and the secret swapped ($_->[0])", "$_->[1] acme;"
    for ['hex', "hex:$hex"], ['base64', "base64:$base64"], ['file', 'file:acme.key'], ['bare', $secret],
    ['bare hexadecimal', $hex], ['bare and long', "$secret-" x 5], ['bare and odd', "'$secret with spaces'"],
    ['hex in upper case', "HEX:$hex"], ['quoted', "'hex: $hex'"];
bad "an id and the secret swapped, with more ($_)", "hex:$hex acme $_;" for 'algorithm=sha512', 'revoked';
bad "an id and a bare secret swapped, with more ($_)", "$secret acme $_;" for 'algorithm=sha512', 'revoked', 'hex';
bad "a secret that is in the place of a parameter ($_)", "acme format=hex $_;" for "hex:$hex", $hex, $secret, "base64:$base64";
bad "a secret behind its source ($_)", "acme $_;" for "hex: $hex", "base64: $base64", "file: $secret", "secret $secret", "= $secret", "key=$secret";
bad 'two secrets', "acme hex:$hex hex:$hex;", 'acme';
bad 'a secret with its source twice', "acme hex:hex:$hex;", 'acme';
bad "a secret without its source ($_->[0])", "acme $_->[1];", 'file:', 'hex:', 'base64:'
    for ['bare', $secret], ['hexadecimal', $hex], ['HEX', "HEX:$hex"], ['raw', "raw:$secret"], ['empty', '""'], ['a colon', ":$secret"];
bad "bad hexadecimal ($_->[0])", "acme $_->[1];", 'acme', 'hex'
    for ['odd', "hex:${hex}0"], ['letters', "hex:${hex}0g"], ['spaces', "\"hex:$hex 00\""], ['0x', "hex:0x$hex"], ['colons', "hex:00:$hex"];
bad "bad base64 ($_->[0])", "acme $_->[1];", 'acme', 'base64'
    for ['of URLs', "base64:$base64-_"], ['padding', "base64:${base64}AA="], ['length', 'base64:AAAAA'], ['bits', 'base64:' . 'AAAA' x 6 . 'AB=='],
    ['spaces', "\"base64:$base64 AAAA\""];
bad "an empty secret ($_)", "acme $_;", 'acme', 'empty' for 'hex:', 'base64:';
bad 'an empty file', 'acme ' . key_file('empty.key', '') . ';', 'empty';
bad 'a file with nothing but a line end', 'acme ' . key_file('line.key', "\n") . ';', 'empty';
bad 'no file', 'acme file:;', 'file:';
bad 'a missing file', 'acme file:missing.key;', 'missing.key', 'No such file';
bad 'a directory', 'acme file:.;', qr/director|not a file/i;
bad 'a device', 'acme file:/dev/null;', '/dev/null';
bad 'a long file', 'acme ' . key_file('long.key', 'x' x 70_000) . ';', 'long.key';
my $raw = key_file('raw.key', "$secret\n");
bad "a file that is not $_", "acme $raw format=$_;", 'raw.key', $_ for 'hex', 'base64';
bad "format=$_", "acme $raw format=$_;", $_ for 'HEX', 'base64url', 'pem';
bad 'an empty format', "acme $raw format=;", 'format=';
bad 'a format of no file', "acme hex:$hex format=hex;", 'format=', 'acme';
warned 'a file that others can read', ring('acme ' . key_file('open.key', $secret, 0644) . '; #!'), 'open.key', 'chmod';
good 'files', "a $raw;", "b $raw format=raw;", 'c ' . key_file('hex.key', "\U$hex\E\r\n") . ' format=hex;',
    'd ' . key_file('base64.key', "$base64\n") . ' format=base64;', 'e "' . key_file('a key.raw', $secret) . '";';
good 'texts', "a hex:$hex;", "b hex:\U$hex\E;", "c base64:$base64;", 'd "hex:' . $hex . '";';

# Ids.

bad 'an empty id', "'' hex:$hex;", qr/\bid\b/;
bad 'an id of 65 bytes', 'k' x 65 . " hex:$hex;", qr/\bid\b/, '64';
bad "an id with $_->[0]", "$_->[1] hex:$hex;", qr/\bid\b/, qr/printable|ASCII/
    for ['a space', '"acme inc"'], ['a tab', "'acme\tinc'"], ['an escape', "acme\e[1m"], ['a DEL', "acme\x7f"], ['a byte above ASCII', "acm\xe9"],
    ['UTF-8', "acm\xc3\xa9"], ['a line end', "'ac\nme'"];
good 'odd ids', 'k' x 64 . " hex:$hex;", "a/b:c=d,e hex:$hex;", "revoked hex:$hex;", "0 hex:$hex;", "'#{;}' hex:$hex;", "\$x hex:$hex;";
good 'sixteen keys of an id', map { "acme hex:$hex;" } 1 .. 16;
refused 'seventeen keys of an id', ring(("acme hex:$hex;") x 17), "\"$keyring\"", '16', 'acme', $place;

# Parameters.

bad "a parameter that nobody knows ($_)", "acme hex:$hex $_;", 'acme', 'parameter'
    for 'expires=1', 'Revoked', 'revoked=1', 'algorithm', 'not_before', 'not_after', 'issued_after', 'format', 'alg=sha256', '=', '""', 'x=#';
bad "$_ twice", "acme hex:$hex $_ $_;", /^([a-z_]+)/, qr/twice|duplicate/
    for 'algorithm=sha1', 'not_before=1', 'not_after=2', 'issued_after=3', 'revoked';
bad 'format=raw twice', "acme $raw format=raw format=raw;", 'format=', 'twice';
bad "algorithm=$_", "acme hex:$hex algorithm=$_;", "\"$_\"", 'sha256' for 'sha257', 'none', '';
for my $name (qw(not_before not_after issued_after)) {
    bad "$name=$_", "acme hex:$hex '$name=$_';", $name for
        '', '0', '-1', '1.5', 'now', '99999999999999999999', '2026-01-01', '2026-13-01T00:00:00Z', '2026-02-30T00:00:00Z',
        '2026-01-01T24:00:00Z', '2026-01-01T00:00:60Z', '2026-01-01T00:00:00', '2026-01-01 00:00:00Z', '2026-01-01T00:00:00Zx',
        'Thu, 01 Jan 2026 00:00:00 GMT', '30d';
    good "$name, as RFC 3339 or unix seconds", map { "acme hex:$hex $name=$_;" }
        '1', '1767225600', '2026-01-01T00:00:00Z', '2026-01-01T05:30:00+05:30', '2025-12-31T16:00:00-08:00', '2024-02-29T23:59:59Z', '9223372036854775807';
}
bad 'a key that ends before it begins', "acme hex:$hex not_before=2026-01-02T00:00:00Z not_after=2026-01-01T00:00:00Z;", 'acme', 'not_before', 'not_after';
good 'a key for a second', "acme hex:$hex not_before=2026-01-01T00:00:00Z not_after=1767225600;";
good 'all parameters', "acme $raw format=raw algorithm=sha3-512 not_before=1 not_after=2 issued_after=3 revoked;",
    "globex $raw revoked issued_after=3 not_after=2 not_before=1 algorithm=MD5 format=raw;";

# Included lines are cited where they are.

key_file('good.conf', "# a comment\nacme hex:$hex;\n");
key_file('bad.conf', "\n\nacme hex:${hex}0g;\n");
key_file('swapped.conf', "globex hex:$hex;\n$secret globex;\n");
fine 'included lines', ring('include good.conf;', 'include nothing.d/*;', "globex hex:$hex;") . using("$keys ENFORCE");
refused 'a wrong line of another file', ring('include good.conf;', 'include bad.conf;'), 'acme', qr{ in \S+/bad\.conf:3$}m;
refused 'a swapped line of another file', ring('include swapped.conf;'), qr{ in \S+/swapped\.conf:2$}m;
refused 'a missing file of lines', ring('include missing.conf; #!'), 'missing.conf';

# Short secrets.

my $short = substr $secret, 0, 15;
for my $line ("acme hex:" . unpack('H*', $short), 'acme base64:' . encode_base64($short, ''), 'acme ' . key_file('short.key', "$short\n"),
    'acme hex:' . unpack('H*', $short) . ' revoked') {
    (my $name = $line) =~ s/:\w+/:/;
    mistake "a secret of 15 bytes ($name)", ring("globex hex:$hex;", "$line; #!") . using("$keys ENFORCE"), '15 bytes';
    accepted "a secret of 15 bytes that nothing uses ($name)", ring("$line;");
}
mistake 'a short secret of a ring of several locations', ring('acme hex:' . unpack('H*', $short) . '; #!')
    . "server { location /a { $credential $message $keys ENFORCE } location /b { $credential $message $keys secure_link_hmac_leeway 5s; ENFORCE } }", '15 bytes';
good 'a secret of 16 bytes', 'acme hex:' . unpack('H*', substr $secret, 0, 16) . ';';
warned_of 'two short secrets', ring(map { "$_ hex:" . unpack('H*', $short) . ';' } 'acme', 'globex') . using($keys), (['15 bytes', 'nginx.conf:4'], ['15 bytes', 'nginx.conf:5']);

# secure_link_hmac_keys.

refused 'a ring that is not there', $one . using('', 'secure_link_hmac_keys partner $arg_k; #!'), '"secure_link_hmac_keys"', '"partner"', $keyring;
refused 'a ring that is not there, of a server', $one . "server {\n secure_link_hmac_keys Partners; #!\n}", '"secure_link_hmac_keys"', '"Partners"';
refused 'a ring that is not there, of all servers', "secure_link_hmac_keys partners; #!\nserver { }\n", '"secure_link_hmac_keys"', '"partners"';
refused 'no ring', using('', 'secure_link_hmac_keys; #!'), '"secure_link_hmac_keys"', 'number of arguments';
refused 'a ring, an id, and more', $one . using('', 'secure_link_hmac_keys partners $arg_k x; #!'), '"secure_link_hmac_keys"', 'number of arguments';
refused 'keys twice in a block', $one . using($keys, "$keys #!"), '"secure_link_hmac_keys"', 'duplicate';
refused 'keys outside http', "}\nsecure_link_hmac_keys x; #!\nhttp {", '"secure_link_hmac_keys"', 'not allowed here';
refused 'keys in an if', $one . location("if (\$arg_x) {\n$keys #!\n}"), '"secure_link_hmac_keys"', 'not allowed here';
refused 'keys in limit_except', $one . location("limit_except GET {\n$keys #!\n}"), '"secure_link_hmac_keys"', 'not allowed here';
refused 'a secret before keys', $one . using($key, "$keys #!"), '"secure_link_hmac_keys"', '"secure_link_hmac_secret"';
refused 'keys before a secret', $one . using($keys, "$key #!"), '"secure_link_hmac_secret"', '"secure_link_hmac_keys"';
fine 'a secret in place of inherited keys', "$one server { $credential $message $keys location / { $key ENFORCE } }";
fine 'keys in place of an inherited secret', "$one server { $credential $message $key location / { $keys ENFORCE } }";
fine 'an id of several variables', $one . using('secure_link_hmac_keys partners ${arg_a}-$http_b; ENFORCE');
fine 'an id as it is written', $one . using('secure_link_hmac_keys partners acme; ENFORCE');
accepted 'keys for tokens alone', $one . location("$message $keys");
accepted 'keys without a message or a credential', $one . location($keys);
mistake 'keys without a message', $one . location("$credential $keys ENFORCE"), 'secure_link_hmac_message', $place;
mistake 'keys with an algorithm that nobody knows', $one . using("$keys ENFORCE", 'secure_link_hmac_algorithm sha257; #!'), 'sha257';

refused "an id with $_", $one . using('', "secure_link_hmac_keys partners '$_'; #!"), '"secure_link_hmac_keys"', qr/\$secure_link_hmac/
    for '$secure_link_hmac', '$secure_link_hmac_key_id', 'a$secure_link_hmac_subject', '${secure_link_hmac_status}', '$SECURE_LINK_HMAC_ARGS',
    '$secure_link_hmac_token', '$secure_link_hmac_claim_kid';
refused "an id of $_", $one . using('', "secure_link_hmac_keys partners '$_'; #!"), '"secure_link_hmac_keys"', $_ for '$', 'a$', '${arg_k', '${}', '$-';
refused 'an id of a variable that is not there', $one . using('secure_link_hmac_keys partners $nowhere;'), 'unknown "nowhere" variable';

my @sixteen = map { "key-$_ hex:$hex;" } 1 .. 16;
my $all = 'secure_link_hmac_keys partners;';
fine 'sixteen keys in turn', ring(@sixteen) . using("$all ENFORCE");
for my $ring ([@sixteen, "key-17 hex:$hex;"], [@sixteen, "key-1 hex:$hex;"], [@sixteen, "key-17 hex:$hex revoked;"]) {
    for my $enforce ('', 'on', 'dry_run') {
        refused "seventeen keys in turn ($ring->[-1]), enforce $enforce" =~ s/hex:\w+//r,
            ring(@$ring) . using($enforce && "secure_link_hmac_enforce $enforce;", "$all #!"), '"secure_link_hmac_keys"', '17', '16', 'partners';
    }
}
fine 'seventeen keys with an id', ring(@sixteen, "key-17 hex:$hex;") . using("$keys ENFORCE");
refused 'seventeen keys in turn, inherited', ring(@sixteen, "key-17 hex:$hex;") . "server {\n$all #!\nlocation / { $credential $message } }",
    '"secure_link_hmac_keys"', '17';

done_testing;
