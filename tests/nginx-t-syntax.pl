#!/usr/bin/env perl

# What `nginx -t` says about the directives themselves: wrong arguments, wrong places, duplicates. All
# of these are errors, whether the policy is enforced or not.
#
#   MODULE=/path/to.so NGINX=nginx tests/nginx-t-syntax.pl

use strict;
use warnings;

use FindBin;
use Test::More;

use lib "$FindBin::Bin/lib";
use NginxT;

# A directive with wrong arguments in an otherwise good location: the message names the directive.
sub bad {
    my ($directive, $arguments, @patterns) = @_;
    my $rest = $policy;
    # In place of the good one, not beside it.
    $rest =~ s/\b\Q$directive\E .*?;// unless $directive eq 'secure_link_hmac_secret';
    my $enforce = $directive eq 'secure_link_hmac_enforce' ? '' : 'secure_link_hmac_enforce dry_run;';
    refused "$directive $arguments", location("$rest $enforce\n$directive $arguments; #!"),
        qr/"?$directive"?\W/, @patterns;
}

sub good {
    my ($directive, $arguments) = @_;
    my $rest = $policy;
    $rest =~ s/\b\Q$directive\E .*?;//;
    my $enforce = $directive eq 'secure_link_hmac_enforce' ? '' : 'secure_link_hmac_enforce on;';
    accepted "$directive $arguments", location("$rest $enforce $directive $arguments;");
}

# Arguments.

bad 'secure_link_hmac', 'off off', 'off';
bad 'secure_link_hmac', '$arg_st off', 'off';
bad 'secure_link_hmac', '"$arg_st,$"', '$arg_st,$';
bad 'secure_link_hmac', '"${arg_st"', '${arg_st';
good 'secure_link_hmac', '"$arg_st,$arg_ts,$arg_e" $cookie_st,$arg_ts,$arg_e $http_x_st,$arg_ts,$arg_e';

bad 'secure_link_hmac_scheme', $_, '"' . (split ' ')[0] . '"' for 'jws', 'JWT', 'sigv2', 'Template', 'none';
bad 'secure_link_hmac_scheme', '""';
bad 'secure_link_hmac_scheme', "template $_", qr/\Q$_\E|time=/ for
    'time=never', 'time=', 'time', 'issued', 'time=Issued', 'time=hex', 'salt=x', 'time=issued time=expires';
bad 'secure_link_hmac_scheme', 'template template';
good 'secure_link_hmac_scheme', $_ for 'template', 'template time=issued', 'template time=issued_hex';
bad 'secure_link_hmac_scheme', "$$_[0] $$_[1]", $$_[2] for
    ['jwt',      'time=issued',                      '"time="'],
    ['jwt',      'HS256',                            '"HS256"'],
    ['edgeauth', 'salt=',                            'salt='],
    ['edgeauth', 'salt=a salt=b',                    '"salt=" twice'],
    ['edgeauth', 'escape_early=path',                '"path"'],
    ['edgeauth', 'escape_early escape_early',        '"escape_early" twice'],
    ['edgeauth', 'escape_early escape_early=form',   '"escape_early" twice'],
    ['edgeauth', 'pepper=secret',                    '"pepper="'],
    ['sigv4',    'region=',                          'region='],
    ['sigv4',    'bucket=a',                         '"bucket="'],
    ['sigv4',    'service=s3 service=s3',            '"service=" twice'];
for my $scheme ('jwt', 'edgeauth', 'edgeauth salt=s', 'edgeauth escape_early salt=s', 'edgeauth escape_early=component') {
    accepted "secure_link_hmac_scheme $scheme", location("$key secure_link_hmac \$arg_token; "
        . "secure_link_hmac_scheme $scheme; secure_link_hmac_enforce on;");
}
accepted "secure_link_hmac_scheme $_", location("$key secure_link_hmac_scheme $_; secure_link_hmac_enforce on;")
    for 'sigv4', 'sigv4 region=eu-west-1', 'sigv4 region=a service=s3';
accepted "secure_link_hmac_scheme template time=$_", location("$key secure_link_hmac \$arg_st,\$arg_e; "
    . "secure_link_hmac_message \$uri|\$arg_e; secure_link_hmac_scheme template time=$_; "
    . 'secure_link_hmac_enforce on;') for 'expires', 'expires_hex';

bad 'secure_link_hmac_message', '"$uri|$"', '$uri|$';
bad 'secure_link_hmac_message', '"${uri"';

# Nothing of a secret is shown, not even of one that cannot be read.
bad 'secure_link_hmac_secret', '"topsecret-0123456$"';
bad 'secure_link_hmac_secret', '"${topsecret-0123456}"';
refused 'a secret with a dollar sign in it', location("$credential $message\n"
    . 'secure_link_hmac_secret 0123456789abcdef$topsecret;');
bad 'secure_link_hmac_secret', 'topsecret-0123456 format=hex';
bad 'secure_link_hmac_secret', 'topsecret-0123456 topsecret';
bad 'secure_link_hmac_secret', 'file:';
bad 'secure_link_hmac_secret', 'file:missing.key', 'missing.key', 'No such file';
bad 'secure_link_hmac_secret', 'file:.', qr/director|not a file/i;
bad 'secure_link_hmac_secret', 'file:/dev/null', '/dev/null';
my $raw = key_file('raw.key', "topsecret-0123456\n");
bad 'secure_link_hmac_secret', "$raw format=$_", $_ for 'base32', 'HEX', 'base64url';
bad 'secure_link_hmac_secret', "$raw format=";
bad 'secure_link_hmac_secret', "$raw hex", 'hex';
bad 'secure_link_hmac_secret', "$raw format=$_", 'raw.key', $_ for 'hex', 'base64';
for my $wrong (
    ['odd.hex', '0' x 33, 'hex'], ['letters.hex', '0g' x 16, 'hex'], ['spaces.hex', '00 ' x 16, 'hex'],
    ['lines.hex', "00\n" x 16, 'hex'],
    ['url.b64', '_-' x 12, 'base64'], ['bits.b64', 'AAAA' x 6 . 'AB==', 'base64'],
    ['padding.b64', 'AAAA' x 6 . '=', 'base64'], ['spaces.b64', 'AAAA ' x 6, 'base64'],
    ['one.b64', 'AAAA' x 6 . 'A', 'base64'],
) {
    my ($name, $text, $format) = @$wrong;
    bad 'secure_link_hmac_secret', key_file($name, $text) . " format=$format", $name, $format;
}
bad 'secure_link_hmac_secret', key_file('long.key', 'x' x 70_000), 'long.key';

bad 'secure_link_hmac_encoding', $_, "\"$_\"" for 'base32', 'HEX', 'base64url_nopad';
bad 'secure_link_hmac_encoding', '""';
good 'secure_link_hmac_encoding', $_ for 'base64url', 'base64', 'hex';

for my $directive ('secure_link_hmac_leeway', 'secure_link_hmac_max_lifetime') {
    bad $directive, $_, $_ for '-1', '1.5', '10x', 's', '99999999999999999999', 'off', '1d1w';
    bad $directive, '""';
    good $directive, $_ for '0', '30', '30s', '1h', '"1d 12h"', '1d12h', '365d';
}

bad 'secure_link_hmac_methods', $_ for '""', '"GET;"', '"GET,HEAD"', 'get', 'Get', 'GET GET', '"GET HEAD"', 'GET ""', '*';
good 'secure_link_hmac_methods', $_ for 'GET', 'GET HEAD PUT', 'PROPFIND', 'M-SEARCH';

bad 'secure_link_hmac_revoke', '"$"';
good 'secure_link_hmac_revoke', $_ for '0', '$secure_link_hmac_key_id$secure_link_hmac_subject',
    '$arg_revoked $secure_link_hmac_expires_at', '$secure_link_hmac_claim_jti';

bad 'secure_link_hmac_enforce', $_, "\"$_\"" for 'yes', 'ON', 'dry-run', '1', '$arg_x';
bad 'secure_link_hmac_enforce', '""';
good 'secure_link_hmac_enforce', $_ for 'on', 'off', 'dry_run';

bad 'secure_link_hmac_error', $_, $_ =~ /^(\w+)/ for
    'expired', 'expired=', 'expired=abc', 'expired=200', 'expired=302', 'expired=399', 'expired=600', 'expired=-410',
    'expired=4100', 'expired=0410', 'expired=4x4', 'expired=410x', 'expired=+410', 'expired=99999999999999999999',
    'late=410', 'Expired=410', 'granted=403', 'granted=200', 'expired=410 expired=404';
bad 'secure_link_hmac_error', 'forged=404 late=410', 'late';
bad 'secure_link_hmac_error', $_ for '""', '=403', '403';
good 'secure_link_hmac_error', $_ for 'expired=404', 'expired=400 forged=599', 'forged=444',
    'missing=401 malformed=400 unknown_key=403 forged=404 early=425 expired=410 out_of_scope=403 revoked=410'
        . ' exhausted=429 unavailable=503';

bad 'secure_link_hmac_bypass', '"$"';
bad 'secure_link_hmac_log_level', $_, "\"$_\"" for 'debug', 'crit', 'INFO', 'warning', 'off';
good 'secure_link_hmac_log_level', $_ for 'info', 'notice', 'warn', 'error';

bad 'secure_link_hmac_pass', $_, $_ for 'files', '?x', 'http://127.0.0.1/', 'files$uri';
bad 'secure_link_hmac_pass', $_ for '""', '"#"', '@', '"/internal$"', '"/internal?$"';
bad 'secure_link_hmac_pass', 'on', '"on"';
good 'secure_link_hmac_pass', $_ for '/internal', '$uri', '/internal$uri?$args', 'off', '"${uri}?x=?"';

refused 'a named location that is not there', enforced('secure_link_hmac_pass @nowhere; #!'),
    'secure_link_hmac_pass', '@nowhere';
refused 'a named location of another server',
    'server { listen 81; location @files { } }' . enforced('secure_link_hmac_pass @files; #!'), '@files';
accepted 'a named location that comes later',
    "server { location / { $policy secure_link_hmac_enforce on; secure_link_hmac_pass \@files; } "
        . "location \@files { } }\n";

for my $directive (qw(
    secure_link_hmac secure_link_hmac_scheme secure_link_hmac_message secure_link_hmac_secret
    secure_link_hmac_algorithm secure_link_hmac_encoding secure_link_hmac_leeway
    secure_link_hmac_max_lifetime secure_link_hmac_methods secure_link_hmac_revoke
    secure_link_hmac_scope secure_link_hmac_require
    secure_link_hmac_enforce secure_link_hmac_error secure_link_hmac_bypass
    secure_link_hmac_log_level secure_link_hmac_pass
)) {
    refused "$directive without an argument", location("$directive; #!"), "\"$directive\"", 'number of arguments';
    refused "$directive outside http", "}\n$directive x; #!\nhttp {", "\"$directive\"", 'not allowed here';
    refused "$directive in an if", location("if (\$arg_x) {\n$directive x; #!\n}"), "\"$directive\"", 'not allowed here';
    refused "$directive in an upstream", "upstream u { server 127.0.0.1;\n$directive x; #!\n}\n",
        "\"$directive\"", 'not allowed here';
    next if $directive eq 'secure_link_hmac_pass';
    refused "$directive in an if of a server", "server { if (\$arg_x) {\n$directive x; #!\n} }\n",
        "\"$directive\"", 'not allowed here';
    next if $directive eq 'secure_link_hmac_enforce';
    refused "$directive in limit_except", location("limit_except GET {\n$directive x; #!\n}"),
        "\"$directive\"", 'not allowed here';
}
refused "$_ with two arguments", location("$_ x y; #!"), "\"$_\"", 'number of arguments' for qw(
    secure_link_hmac_message secure_link_hmac_algorithm secure_link_hmac_encoding
    secure_link_hmac_leeway secure_link_hmac_max_lifetime secure_link_hmac_enforce
    secure_link_hmac_log_level secure_link_hmac_pass
);
refused 'a secret with three arguments', location("secure_link_hmac_secret $secret format=hex x; #!"),
    '"secure_link_hmac_secret"', 'number of arguments';
refused "secure_link_hmac_pass in $$_[0]", $$_[1], '"secure_link_hmac_pass"', 'not allowed here' for
    ['http', "secure_link_hmac_pass /x; #!\n"], ['a server', "server {\nsecure_link_hmac_pass /x; #!\n}\n"];
accepted 'enforce in limit_except',
    location("$policy limit_except GET { secure_link_hmac_enforce on; }");

# Duplicates.

my %twice = (
    'secure_link_hmac'              => ['$arg_st', 'off'],
    'secure_link_hmac_scheme'       => ['template', 'template time=expires'],
    'secure_link_hmac_message'      => ['$uri', '$uri|x'],
    'secure_link_hmac_algorithm'    => ['sha256', 'sha1'],
    'secure_link_hmac_encoding'     => ['base64url', 'hex'],
    'secure_link_hmac_leeway'       => ['0', '5s'],
    'secure_link_hmac_max_lifetime' => ['0', '1h'],
    'secure_link_hmac_methods'      => ['GET', 'GET'],
    'secure_link_hmac_revoke'       => ['0', '0'],
    'secure_link_hmac_enforce'      => ['off', 'off'],
    'secure_link_hmac_error'        => ['expired=410', 'expired=404'],
    'secure_link_hmac_bypass'       => ['0', '0'],
    'secure_link_hmac_log_level'    => ['info', 'info'],
    'secure_link_hmac_pass'         => ['off', '/x'],
);
for my $directive (sort keys %twice) {
    my ($first, $second) = @{ $twice{$directive} };
    refused "$directive twice in a location", location("$directive $first;\n$directive $second; #!"),
        $directive, qr/duplicate|twice/;
    next if $directive eq 'secure_link_hmac_pass';
    refused "$directive twice in http", "$directive $first;\n$directive $second; #!\n",
        $directive, qr/duplicate|twice/;
}

# What contradicts something else.

my $own = sub {
    my ($directive, $variable) = @_;
    bad $directive, "x$variable", $variable;
};
for my $variable (map { "\$secure_link_hmac$_" } '', qw(
    _status _key_id _subject _expires _expires_at _remaining _uses _args _claim_jti _token
)) {
    $own->($_, $variable) for qw(secure_link_hmac secure_link_hmac_message secure_link_hmac_secret);
}
bad 'secure_link_hmac', 'x${Secure_Link_HMAC_Status}', qr/secure_link_hmac_status/i;

refused 'off before enforce on', location("secure_link_hmac off; $message $key\nsecure_link_hmac_enforce on; #!"),
    'secure_link_hmac_enforce', '"secure_link_hmac"';
refused 'off behind enforce on', location("secure_link_hmac_enforce on; $message $key\nsecure_link_hmac off; #!"),
    '"secure_link_hmac"', 'secure_link_hmac_enforce';
refused 'off and enforce on in a server', "server { secure_link_hmac off;\nsecure_link_hmac_enforce on; #!\n}\n",
    'secure_link_hmac_enforce';
refused 'enforce on below off', "server { secure_link_hmac off; $message $key location / {\n"
    . "secure_link_hmac_enforce on; #!\n} }\n", 'secure_link_hmac_enforce', '"secure_link_hmac"';
accepted "off and enforce $_", location("secure_link_hmac off; secure_link_hmac_enforce $_;") for 'off', 'dry_run';
accepted 'off below enforce on', "server { $policy secure_link_hmac_enforce on; "
    . "location /open/ { secure_link_hmac off; } }\n";
accepted 'off below enforce on, with a message and a key for tokens',
    "server { $policy secure_link_hmac_enforce on; location /open/ { secure_link_hmac off; $message $key } }\n";

refused 'pass without a policy', location("secure_link_hmac_pass /internal\$uri; #!"),
    'secure_link_hmac_pass', 'secure_link_hmac_enforce';
refused 'pass without enforcement', location("$policy\nsecure_link_hmac_pass /internal\$uri; #!"),
    'secure_link_hmac_pass', 'secure_link_hmac_enforce';
refused 'pass with enforce off', location("$policy secure_link_hmac_enforce off;\nsecure_link_hmac_pass \$uri; #!"),
    'secure_link_hmac_pass', 'secure_link_hmac_enforce';
refused 'pass below a server whose enforcement the location turns off',
    "server { $policy secure_link_hmac_enforce on; location / { secure_link_hmac_enforce off;\n"
        . "secure_link_hmac_pass \$uri; #!\n} }\n", 'secure_link_hmac_pass';
refused 'an inherited pass where enforcement is off',
    "server { $policy location / { secure_link_hmac_enforce on;\nsecure_link_hmac_pass \$uri; #!\n"
        . "location /open/ { secure_link_hmac_enforce off; } } }\n", 'secure_link_hmac_pass';
refused 'pass where the policy is off',
    "server { $policy secure_link_hmac_enforce on; location / { secure_link_hmac off;\n"
        . "secure_link_hmac_pass \$uri; #!\n} }\n", 'secure_link_hmac_pass';
accepted 'pass in a dry run', location("$policy secure_link_hmac_enforce dry_run; secure_link_hmac_pass /i\$uri;");
accepted 'pass under the enforcement of the server',
    "server { $policy secure_link_hmac_enforce on; location / { secure_link_hmac_pass /i\$uri; } }\n";
accepted 'a limit_except that lifts the enforcement of a pass', location("$policy secure_link_hmac_enforce on; "
    . 'secure_link_hmac_pass /i$uri; limit_except GET { secure_link_hmac_enforce off; }');
accepted 'pass off without enforcement', location('secure_link_hmac_pass off;');
accepted 'an inherited pass turned off with the enforcement',
    "server { $policy location / { secure_link_hmac_enforce on; secure_link_hmac_pass \$uri; "
        . "location /open/ { secure_link_hmac_enforce off; secure_link_hmac_pass off; } } }\n";

done_testing;
