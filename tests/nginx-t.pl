#!/usr/bin/env perl

# What `nginx -t` says about a policy: each mistake once, with file and line of the directive, an error
# where the policy is enforced, and never with a secret.
#
#   MODULE=/path/to.so NGINX=nginx tests/nginx-t.pl

use strict;
use warnings;

use FindBin;
use Test::More;

use lib "$FindBin::Bin/lib";
use NginxT;

fine 'the usual policy', location("$policy ENFORCE");
accepted 'nothing of the module', "server { location / { } }\n";

# What a policy needs.

mistake 'an algorithm that nobody knows',
    location("$policy ENFORCE\nsecure_link_hmac_algorithm sha257; #!"),
    'secure_link_hmac_algorithm', 'sha257';
mistake 'an empty name of an algorithm', location("$policy ENFORCE\nsecure_link_hmac_algorithm \"\"; #!"),
    'secure_link_hmac_algorithm', '""';
fine 'an algorithm in upper case', location("$policy ENFORCE secure_link_hmac_algorithm SHA256;");
mistake 'no message', location("$credential $key ENFORCE"), 'secure_link_hmac_message',
    qr{ in \S+/nginx\.conf:\d+$}m;
mistake 'no key', location("$credential $message ENFORCE"), 'secure_link_hmac_secret',
    qr{ in \S+/nginx\.conf:\d+$}m;
mistake 'no key, in sigv4', location("ENFORCE\nsecure_link_hmac_scheme sigv4; #!"),
    '"secure_link_hmac_scheme" has no key';
refused 'no credential, enforced', location("$message $key\nsecure_link_hmac_enforce on; #!"),
    '"secure_link_hmac"';
warned 'no credential, in a dry run', location("$message $key\nsecure_link_hmac_enforce dry_run; #!"),
    '"secure_link_hmac"';
accepted 'no credential, but a message and a key for tokens', location("$message $key");
for my $scheme ('jwt', 'edgeauth') {
    refused "no credential of $scheme, enforced",
        location("$key secure_link_hmac_scheme $scheme;\nsecure_link_hmac_enforce on; #!"),
        'add "secure_link_hmac $arg_token" beside it';
}
refused 'no credential, enforced in limit_except',
    location("$message $key limit_except POST {\nsecure_link_hmac_enforce on; #!\n}"),
    'add "secure_link_hmac $arg_st,$arg_ts,$arg_e" to the location';
refused 'a pass beside off, below what is enforced',
    "server { $policy secure_link_hmac_enforce on; location / { secure_link_hmac off;\nsecure_link_hmac_pass /x; #!\n} }\n",
    'remove "secure_link_hmac off" or "secure_link_hmac_pass"';
refused 'enforcement of nothing', location("secure_link_hmac_enforce on; #!"), '"secure_link_hmac"';
refused 'enforcement of a server without a policy, with one in each location',
    "server {\nsecure_link_hmac_enforce on; #!\nlocation / { $policy } }\n", '"secure_link_hmac"';
refused 'enforcement of all servers, of which one has no policy',
    "secure_link_hmac_enforce on;\nserver { $policy location / { } }\nserver { }\n",
    '"secure_link_hmac"', qr{ in \S+/nginx\.conf:\d+$}m;
for my $name (qw(
    md5 sha1 sha224 sha256 sha384 sha512 sha512-224 sha512-256 sha3-224 sha3-256 sha3-384 sha3-512
    blake2b512 blake2s256 sm3 rmd160
)) {
    accepted "algorithm $name", enforced("secure_link_hmac_algorithm $name;");
}

# Times that a client could change.

my $unsigned = sub {
    my ($name, $value, $text, @patterns) = @_;
    mistake $name, location("$key secure_link_hmac_message $text; ENFORCE\nsecure_link_hmac $value; #!"),
        '"secure_link_hmac"', '"secure_link_hmac_message"', @patterns;
};
$unsigned->('a time outside the message', '$arg_st,$arg_ts,$arg_e', '$uri|$arg_e', '$arg_ts');
$unsigned->('a lifetime outside the message', '$arg_st,$arg_ts,$arg_e', '$uri|$arg_ts', '$arg_e');
$unsigned->('an expiry outside the message', '$arg_st,$arg_e', '$uri', '$arg_e');
$unsigned->('one of two variables of a time outside the message', '$arg_st,$arg_day$arg_hour',
    '$uri&$arg_day', '$arg_hour');
$unsigned->('a time of the second credential outside the message',
    '$arg_st,$arg_ts $cookie_st,$cookie_ts', '"$uri&$arg_ts"', '$cookie_ts');
mistake 'a time outside the message with time=expires',
    location("$key secure_link_hmac_message \$uri; secure_link_hmac_scheme template time=expires; ENFORCE\n"
        . 'secure_link_hmac $arg_st,$arg_e; #!'), '$arg_e';
fine 'a time in capitals in the message',
    location("$credential $key secure_link_hmac_message \$uri|\$arg_TS|\${ARG_E}; ENFORCE");
fine 'a time that the configuration fixes',
    location("$key secure_link_hmac \$arg_st,1700000000; secure_link_hmac_message \$uri; ENFORCE");
fine 'no time at all', location("$key secure_link_hmac \$arg_st; secure_link_hmac_message \$uri; ENFORCE");
mistake 'more fields than there are',
    location("$message $key ENFORCE\nsecure_link_hmac \$arg_st,\$arg_ts,\$arg_e,\$arg_x; #!"),
    '"secure_link_hmac"', qr/three|fields/;

mistake 'a credential with blanks behind its commas',
    location("$message $key ENFORCE\nsecure_link_hmac \$arg_st, \$arg_ts, \$arg_e; #!"), '"secure_link_hmac"', 'write no blank beside a comma';
mistake 'an algorithm by its name in jwt', location("$policy ENFORCE\nsecure_link_hmac_algorithm HS256; #!"), 'write "sha256"';
mistake 'an empty credential', location("$message $key ENFORCE\nsecure_link_hmac \"\"; #!"),
    '"secure_link_hmac"', 'empty';
mistake 'an empty credential behind a good one',
    location("$message $key ENFORCE\nsecure_link_hmac \$arg_st,\$arg_ts,\$arg_e \"\"; #!"), '"secure_link_hmac"', 'empty';
mistake 'an empty message', location("$key secure_link_hmac \$arg_st; ENFORCE\nsecure_link_hmac_message \"\"; #!"),
    'secure_link_hmac_message', 'empty';

# Secrets.

for my $short (['an empty secret', '""'], ['a secret of 15 bytes', 'topsecret012345']) {
    my ($name, $text) = @$short;
    mistake $name, location("$credential $message ENFORCE\nsecure_link_hmac_secret $text; #!"),
        'secure_link_hmac_secret', qr/empty|15 bytes/;
    mistake "$name behind a good one",
        location("$policy ENFORCE\nsecure_link_hmac_secret $text; #!"), 'secure_link_hmac_secret';
}
for my $short (
    ['a key file of 15 bytes', key_file('15.key', "topsecret012345\n"), ''],
    ['an empty key file', key_file('empty.key', ''), ''],
    ['a key file with nothing but a line end', key_file('line.key', "\r\n"), ''],
    ['a key file of 15 bytes in hex', key_file('15.hex', "00" x 15), 'format=hex'],
    ['a key file of 15 bytes in base64', key_file('15.b64', 'AAAA' x 5), 'format=base64'],
) {
    my ($name, $file, $format) = @$short;
    mistake $name, location("$credential $message ENFORCE\nsecure_link_hmac_secret $file $format; #!"),
        'secure_link_hmac_secret', qr/empty|15 bytes/;
}
for my $good (
    ['a secret of 16 bytes', 'topsecret0123456'],
    ['a secret with spaces', '"topsecret 0123456"'],
    ['a key file of 16 bytes', key_file('16.key', "topsecret0123456\n")],
    ['a key file of 16 bytes in hex', key_file('16.hex', "0aF1" x 8 . "\r\n") . ' format=hex'],
    ['a key file of 18 bytes in base64', key_file('18.b64', 'AAAA' x 6) . ' format=base64'],
    ['a key file that is said to be raw', key_file('raw.key', "\0\xff" x 8) . ' format=raw'],
) {
    my ($name, $text) = @$good;
    fine $name, location("$credential $message secure_link_hmac_secret $text; ENFORCE");
}
accepted 'sixteen secrets', enforced("$key\n" x 15);
refused 'seventeen secrets', enforced("$key\n" x 15 . "$key #!"), 'secure_link_hmac_secret', '16';

for my $enforce ('on', 'off') {
    my $with = sub { location("$credential $message secure_link_hmac_enforce $enforce;\nsecure_link_hmac_secret $_[0]; #!") };
    for my $prefix ('hex', 'base64', 'env') {
        warned "a secret that begins with $prefix:, $enforce", $with->("$prefix:$secret"),
            "\"secure_link_hmac_secret\" begins with \"$prefix:\"", 'file:PATH';
    }
    (my $name = key_file('topsecret-forgotten.key', $secret)) =~ s/^file://;
    warned "a key file without file:, $enforce", $with->($name), '"secure_link_hmac_secret" is the name of a file', 'file:PATH';
    warned "the whole path of one, $enforce", $with->($INC{'NginxT.pm'}), '"secure_link_hmac_secret" is the name of a file';
    accepted "a path without a file, $enforce",
        location("$credential $message secure_link_hmac_enforce $enforce; secure_link_hmac_secret /nowhere/topsecret-forgotten.key;");
}

for my $variable (qw(
    $arg_k $http_x_key $cookie_k $uri $args $request_uri $host $remote_user $content_type $request_filename $ssl_server_name
)) {
    mistake "a secret of $variable",
        location("$credential $message ENFORCE\nsecure_link_hmac_secret topsecret-0123456$variable; #!"),
        'secure_link_hmac_secret', $variable;
}
my $map = "map \$arg_k \$mapped { default topsecret-0123456789; }\n";
for my $variable (qw($remote_addr $server_name $ssl_client_s_dn)) {
    warned "a secret of $variable, which a client does not choose",
        location("$credential $message secure_link_hmac_enforce on;\nsecure_link_hmac_secret topsecret-0123456$variable; #!"),
        'secure_link_hmac_secret', 'variables';
}
for my $enforce ('on', 'dry_run', 'off') {
    warned "a secret of a map, $enforce",
        $map . location("$credential $message secure_link_hmac_enforce $enforce;\n"
            . 'secure_link_hmac_secret $mapped; #!'), 'secure_link_hmac_secret', 'variables', 'file:';
    for my $mode (0604, 0602, 0601, 0644, 0666) {
        my $file = key_file(sprintf('%o.key', $mode), "topsecret0123456", $mode);
        warned sprintf("a key file of mode %o, $enforce", $mode),
            location("$credential $message secure_link_hmac_enforce $enforce;\n"
                . "secure_link_hmac_secret $file; #!"),
            'secure_link_hmac_secret', sprintf('%o.key', $mode);
    }
}
for my $mode (0400, 0600, 0640, 0660, 0440) {
    accepted sprintf('a key file of mode %o', $mode), location("$credential $message "
        . 'secure_link_hmac_secret ' . key_file(sprintf('%o.key', $mode), 'topsecret0123456', $mode) . ';');
}

# Messages that two links share.

my $ambiguous = sub {
    my ($text, $first, $second, $fields, $separator) = @_;
    mistake "the message $text",
        location("$key secure_link_hmac $fields; ENFORCE\nsecure_link_hmac_message $text; #!"),
        'secure_link_hmac_message', qr/\Q$first\E\W.*\Q$second\E\W/, '"' . ($separator || '&') . '"';
};
my $three = '$arg_st,$arg_ts,$arg_e';
$ambiguous->('$uri$arg_ts|$arg_e',               '$uri', '$arg_ts', $three);
$ambiguous->('$uri|$arg_ts$arg_e',               '$arg_ts', '$arg_e', $three);
$ambiguous->('$uri|$arg_user|$arg_ts|$arg_e',    '$uri', '$arg_user', $three);
$ambiguous->('$uri-$arg_ts',                     '$uri', '$arg_ts', '$arg_st,$arg_ts');
$ambiguous->('${uri}7$arg_e',                    '$uri', '$arg_e', '$arg_st,1700000000,$arg_e');
$ambiguous->('$uri|$arg_user',                   '$uri', '$arg_user', '$arg_st');
$ambiguous->('$arg_user/$request_uri',           '$arg_user', '$request_uri', '$arg_st');
$ambiguous->('$arg_user$uri',                    '$arg_user', '$uri', '$arg_st');
$ambiguous->('$remote_addr.$uri',                '$remote_addr', '$uri', '$arg_st');
$ambiguous->('$host:$uri',                       '$host', '$uri', '$arg_st');
$ambiguous->('$cookie_a|$uri',                   '$cookie_a', '$uri', '$arg_st', ';');
$ambiguous->('$http_a|$uri',                     '$http_a', '$uri', '$arg_st', '\n');
$ambiguous->('$request_method$uri$arg_user',     '$uri', '$arg_user', '$arg_st');
$ambiguous->('$uri|$request_uri',                '$uri', '$request_uri', '$arg_st');
$ambiguous->('$uri&$args',                       '$uri', '$args', '$arg_st');
# The first of two credentials takes its time from elsewhere.
$ambiguous->('$uri|$arg_ts&$cookie_ts',          '$uri', '$arg_ts', '$cookie_st,$cookie_ts $arg_st,$arg_ts');

# Credentials that read the same bytes in two ways, so that a client chooses one.

for my $read ('$cookie_st', '$cookie_st,$arg_ts', '$arg_st2,$arg_e,$arg_ts', '$cookie_st,$arg_ts,3600', '$cookie_st,1700000000') {
    mistake "a second credential $read",
        location("$key secure_link_hmac_message \$uri&\$arg_ts&\$arg_e; ENFORCE\nsecure_link_hmac $three $read; #!"),
        'lets a client choose how a link is read', "\"$three\"", "\"$read\"";
}
mistake 'a second credential with the time of a map',
    'map $uri $arg_when { default 1700000000; }'
        . location("$key secure_link_hmac_message \$uri&\$arg_ts&\$arg_e&\$arg_when; ENFORCE\nsecure_link_hmac $three \$cookie_st,\$arg_when; #!"),
    'lets a client choose how a link is read';
for my $read ('$cookie_st,$arg_ts,$arg_e', '$arg_st2,$arg_ts2,$arg_e2', '$arg_st2,$arg_ts,$arg_e2') {
    my $text = join '&', '$uri&$arg_ts&$arg_e', grep { /2$/ } '', (split /,/, $read)[1, 2];
    fine "a second credential $read", location("$key secure_link_hmac_message $text; secure_link_hmac $three $read; ENFORCE");
}

for my $captured (['\.(?<kind>[a-z]+)$', '$uri|$kind', '$uri', '$kind'], ['^/(?<year>\d+)/(?<name>.*)', '$year/$name', '$year', '$name']) {
    my ($expression, $text, $first, $second) = @$captured;
    mistake "the message $text of captures",
        "server { location ~ \"$expression\" { $key secure_link_hmac \$arg_st; ENFORCE\n"
            . "secure_link_hmac_message $text; #!\n} }\n", qr/\Q$first\E\W.*\Q$second\E\W/;
}
mistake 'a message with a variable of set beside $uri',
    "server { set \$who \$arg_who; location / { $key secure_link_hmac \$arg_st; ENFORCE\n"
        . "secure_link_hmac_message \$uri&\$who; #!\n} }\n", '$uri', '$who';
mistake 'a message with a map beside $uri',
    $map . location("$key secure_link_hmac \$arg_st; ENFORCE\nsecure_link_hmac_message \$uri&\$mapped; #!"),
    '$uri', '$mapped';
# The name of an argument, but not its value.
for my $own (['$arg_who', '&'], ['$cookie_who', ';'], ['$http_who', "\n"]) {
    my ($name, $separator) = @$own;
    mistake "a variable of set that is called $name beside \$uri",
        "server { set $name \$uri; location / { $key secure_link_hmac \$arg_st; ENFORCE\n"
            . "secure_link_hmac_message \"$name$separator\$uri\"; #!\n} }\n", '$uri', $name;
}

for my $clear (
    ['$uri|$arg_ts|$arg_e', $three],
    ['$arg_ts|$arg_e|$uri', $three],
    ['$arg_ts$uri|$arg_e', $three],
    ['$scheme://$host$request_uri', '$arg_st'],
    ['$request_method:$uri', '$arg_st'],
    ['$host$uri|$arg_ts|$arg_e', $three],
    ['$remote_addr|$uri|$arg_ts|$arg_e', $three],
    ['$uri&$arg_user&$arg_kind', '$arg_st'],
    ['"$cookie_a;$uri"', '$arg_st'],
    ['"$http_a' . "\n" . '$uri"', '$arg_st'],
    ['"$http_a\n$uri"', '$arg_st'],
    ['$uri|$arg_ts|$arg_e', '$arg_st,$arg_ts,$arg_e $cookie_st,$arg_ts,$arg_e'],
) {
    my ($text, $fields) = @$clear;
    fine "the message $text", location("$key secure_link_hmac $fields; secure_link_hmac_message $text; ENFORCE");
}

# Messages that say nothing of the file.

for my $enforce ('on', 'dry_run', 'off') {
    my $head = "$credential $key secure_link_hmac_enforce $enforce;";
    warned "a message without a path, $enforce",
        location("$head\nsecure_link_hmac_message \$arg_ts|\$arg_e; #!"), 'secure_link_hmac_message', '$uri';
    accepted "a message with \$request_uri, $enforce",
        location("$head secure_link_hmac_message \$request_uri|\$arg_ts|\$arg_e;");
    accepted "a message with a named capture, $enforce", 'server { location ~ "^/files/(?<file>.*)" { '
        . "$head secure_link_hmac_message \$file|\$arg_ts|\$arg_e; } }\n";
    accepted "a message with a named capture of the location around, $enforce",
        'server { location ~ "^/files/(?<file>.*)" { location ~ \.jpg$ { '
        . "$head secure_link_hmac_message \$file|\$arg_ts|\$arg_e; } } }\n";
    warned "a message with a capture of another location, $enforce",
        'server { location ~ "^/other/(?<file>.*)" { } location ~ "^/files/" { '
        . "$head\nsecure_link_hmac_message \$file|\$arg_ts|\$arg_e; #!\n} }\n", 'secure_link_hmac_message';
}

{
    my $head = "server { $credential $key\nsecure_link_hmac_message \$file|\$arg_ts|\$arg_e; #!\n";
    my $group = 'location ~ "^/files/(?<file>.*)"';
    (my $quiet = $head) =~ s/ #!//;
    accepted 'a group of the only location', "$quiet $group { } }\n";
    accepted 'a group of the only location that is enforced, of a server',
        "$quiet $group { secure_link_hmac_enforce on; location ~ jpg\$ { } } location / { } }\n";
    warned 'a group of one of two locations that are enforced',
        "$head $group { secure_link_hmac_enforce on; } location / { secure_link_hmac_enforce on; } }\n", '$uri';
    warned 'a group of one of two locations that are not', "$head $group { } location / { } }\n", '$uri';
    warned 'a group of one location of an enforced server', "$head secure_link_hmac_enforce on; $group { } }\n", '$uri';
}

# Groups of the regular expression that matched last.

{
    my $captured = sub { return qq(server { location ~ "^/(\\w+)/(\\w+)/(.*)" {\n$_[0]\n} }\n) };
    my $ring     = "secure_link_hmac_keyring partners { acme hex:" . '5a' x 32 . "; }\n";
    my $numbered = sub {
        my ($directive, $text, $http, $group) = @_;
        mistake "a numbered group in $directive", $http, "\"$directive\" uses \"$group\", a group", '(?<name>...)';
    };
    my $plain = sub {
        my ($directive, $value, $rest, $group) = @_;
        $numbered->($directive, $value, $captured->("$rest ENFORCE\n$directive $value; #!"), $group);
    };
    $plain->('secure_link_hmac', '$2,$arg_ts,$arg_e', "$message $key", '$2');
    $plain->('secure_link_hmac', '$arg_st,$arg_ts,$arg_e x$1y,$arg_ts,$arg_e', "$message $key", '$1');
    $plain->('secure_link_hmac', '$3', "$key secure_link_hmac_scheme jwt;", '$3');
    $plain->('secure_link_hmac_message', '$3|$arg_ts|$arg_e', "$credential $key", '$3');
    $plain->('secure_link_hmac_secret', "$secret\$1", "$credential $message", '$1');
    $plain->('secure_link_hmac_require', 'aud=x tier=$1', "$key secure_link_hmac_scheme jwt; secure_link_hmac \$arg_t;", '$1');
    for my $scheme ("$credential $message", 'secure_link_hmac_scheme jwt; secure_link_hmac $arg_t;', 'secure_link_hmac_scheme sigv4;') {
        $numbered->('secure_link_hmac_keys', '$1',
            $ring . $captured->("$scheme ENFORCE\nsecure_link_hmac_keys partners \$1; #!"), '$1');
    }
    for my $value ('pass /internal/$3', 'pass $3', 'pass /internal$uri?by=$1', 'bypass $1', 'bypass $http_x$2', 'revoke $1') {
        my ($group) = $value =~ /(\$\d)/;
        my ($name) = $value =~ /^(\w+)/;
        refused "a numbered group in $value, enforced",
            $captured->("$policy secure_link_hmac_enforce on;\nsecure_link_hmac_$value; #!"),
            "\"secure_link_hmac_$name\" uses \"$group\", a group", '(?<name>...)';
    }
    refused 'a numbered group in revoke, not enforced', $captured->("$policy\nsecure_link_hmac_revoke \$1; #!"), '"$1"';
    warned 'a numbered group in meter', 'secure_link_hmac_zone links:1m;'
        . $captured->("$policy secure_link_hmac_enforce on;\nsecure_link_hmac_meter links key=\$1; #!"),
        '"secure_link_hmac_meter" uses "$1", a group';
    warned_of 'several numbered groups, once for each directive',
        $captured->("$key\nsecure_link_hmac \"\$1,\$2,\$3\";\nsecure_link_hmac_message \$uri|\$2|\$3;"),
        [qr/"secure_link_hmac" uses "\$1"/], [qr/"secure_link_hmac_message" uses "\$2"/];
}

# Ways round the check that a client could open.

for my $value (qw($arg_x $http_x_debug $cookie_x $uri $args $request_uri $host $is_args $request_method $remote_user), '$arg_a$http_b', '"x$arg_a"') {
    warned "bypass $value", enforced("secure_link_hmac_bypass $value; #!"),
        'secure_link_hmac_bypass', $value =~ /(\$\w+)/;
}
warned 'bypass of a client behind one of a map',
    $map . enforced('secure_link_hmac_bypass $mapped $arg_x; #!'), 'secure_link_hmac_bypass', '$arg_x';
accepted 'bypass of what nginx vouches for', enforced('secure_link_hmac_bypass $ssl_client_fingerprint;');
accepted 'bypass of a map', $map . enforced('secure_link_hmac_bypass $mapped;');
accepted 'bypass of a map and what a client sends', $map . enforced('secure_link_hmac_bypass $mapped$arg_x;');

refused 'a meter of an unknown zone, where nothing is checked',
    "secure_link_hmac_meter nozone; #!\nserver { location / { } }\n", '"secure_link_hmac_meter"', '"nozone"';

done_testing;
