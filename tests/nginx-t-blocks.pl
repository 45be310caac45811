#!/usr/bin/env perl

# What `nginx -t` says of a mistake that many blocks inherit: it is one mistake, that of the block that
# owns the policy.
#
#   MODULE=/path/to.so NGINX=nginx tests/nginx-t-blocks.pl

use strict;
use warnings;

use FindBin;
use Test::More;

use lib "$FindBin::Bin/lib";
use NginxT;

my $map  = "map \$arg_k \$mapped { default topsecret-0123456789; }\n";
my $open = 'secure_link_hmac_secret ' . key_file('open.key', 'topsecret-0123456789', 0644) . '; #!';

# Blocks of which none has a policy of its own.
my $heirs = <<'EOF';
location /a/ { }
location /b/ { location /b/c/ { location /b/c/d/ { } } }
location /d/ { if ($arg_x) { set $x 1; } if ($arg_y) { return 403; } limit_except GET { deny all; } }
location ~ "^/(e)/" { }
location @f { }
EOF

# Blocks that use the policy in different ways, none of which is part of it.
my $users = <<'EOF';
location /a/ { secure_link_hmac_error expired=404; }
location /b/ { secure_link_hmac_log_level warn; location /b/c/ { secure_link_hmac_bypass 0; } }
location /c/ { secure_link_hmac_enforce dry_run; secure_link_hmac_pass /x$uri; }
location /d/ { secure_link_hmac_enforce off; }
location /e/ { limit_except GET { secure_link_hmac_enforce dry_run; } }
location /f/ { secure_link_hmac off; }
EOF

# Under `on` an error, else a warning.
my @mistakes = (
    ['an unknown algorithm', "$policy\nsecure_link_hmac_algorithm sha257; #!"],
    ['a missing message', "$key\n$credential"],
    ['a missing key', "$message\n$credential"],
    ['a time outside the message', "$key secure_link_hmac_message \$uri|\$arg_e;\n$credential #!"],
    ['a short secret', "$credential $message\nsecure_link_hmac_secret topsecret; #!"],
    ['a secret of a client', "$credential $message\nsecure_link_hmac_secret topsecret-0123456\$arg_k; #!"],
    ['an ambiguous message', "$credential $key\nsecure_link_hmac_message \$uri\$arg_ts|\$arg_e; #!"],
    ['a surplus field', "$message $key\nsecure_link_hmac \$arg_st,\$arg_ts,\$arg_e,\$arg_x; #!"],
);
for (@mistakes) {
    my ($name, $text) = @$_;
    mistake "$name in a server", "server {\nENFORCE $text\n$heirs}\n";
    mistake "$name in http", "ENFORCE $text\nserver {\n$heirs}\nserver { listen 81;\n$heirs}\n";
    mistake "$name in a location", "server { location / {\nENFORCE $text\nlocation /a/ { } location /b/ { }"
        . ' if ($arg_x) { set $x 1; } limit_except GET { deny all; } } }' . "\n";
    warned "$name in a server whose locations differ in its use", "server {\n$text\n$users}\n";
    warned "$name in http whose servers differ in its use",
        "$text\nserver {\n$users}\nserver { listen 81; secure_link_hmac_enforce dry_run;\n$users}\n";
    refused "$name in a server of which one location is enforced",
        "server {\n$text\n$users location /g/ { secure_link_hmac_enforce on; } }\n";
    refused "$name in a server of which one nested location is enforced",
        "server {\n$text\nlocation /g/ { location /g/h/ { secure_link_hmac_enforce on; } } }\n";
    refused "$name in a location of which a limit_except is enforced",
        location("$text\nlimit_except GET { secure_link_hmac_enforce on; }");
}

# Always a warning.
for (
    ['a message without a path', "$credential $key\nsecure_link_hmac_message \$arg_ts|\$arg_e; #!"],
    ['a secret of a map', "$credential $message\nsecure_link_hmac_secret \$mapped; #!"],
    ['an open key file', "$credential $message\n$open"],
    ['a bypass of a client', "$policy\nsecure_link_hmac_bypass \$arg_x; #!"],
) {
    my ($name, $text) = @$_;
    for my $enforce ('on', 'dry_run', 'off') {
        my $head = "secure_link_hmac_enforce $enforce; $text\n";
        warned "$name in a server, $enforce", "${map}server {\n$head$heirs}\n";
        warned "$name in http, $enforce", "$map${head}server {\n$heirs}\nserver { listen 81;\n$heirs}\n";
    }
    warned "$name in a server whose locations differ in its use",
        "${map}server {\n$text\n$users location /g/ { secure_link_hmac_enforce on; } }\n";
}

# One mistake, though it is inherited into a policy of its own.
warned 'an unknown algorithm below which a location sets something else',
    "server { $policy\nsecure_link_hmac_algorithm sha257; #!\nlocation / { secure_link_hmac_leeway 5s; } }\n",
    'sha257';
warned 'a short secret below which a location sets something else', "server { $credential $message\n"
    . "secure_link_hmac_secret topsecret; #!\nlocation / { secure_link_hmac_leeway 5s; } }\n",
    'secure_link_hmac_secret';

# It is an error if any of the policies that have it is enforced, whichever comes first.
for (
    ['an unknown algorithm', "$policy\nsecure_link_hmac_algorithm sha257; #!"],
    ['a short secret', "$credential $message\nsecure_link_hmac_secret topsecret; #!"],
    ['a secret of a client', "$credential $message\nsecure_link_hmac_secret topsecret-0123456\$arg_k; #!"],
    ['a time outside the message', "$key secure_link_hmac_message \$uri|\$arg_e;\n$credential #!"],
    ['an ambiguous message', "$credential $key\nsecure_link_hmac_message \$uri\$arg_ts|\$arg_e; #!"],
) {
    my ($name, $text) = @$_;
    refused "$name below which a location sets something else, and is enforced",
        "server {\n$text\nlocation / { secure_link_hmac_leeway 5s; secure_link_hmac_enforce on; } }\n";
    refused "$name in http below which a server sets something else, and is enforced",
        "$text\nserver { secure_link_hmac_leeway 5s; } server { listen 81; secure_link_hmac_leeway 5s; "
            . "secure_link_hmac_enforce on; }\n";
    refused "$name of an enforced server below which a location sets something else, and is not",
        "server {\n$text\nsecure_link_hmac_enforce on; location / { secure_link_hmac_leeway 5s; "
            . "secure_link_hmac_enforce off; } }\n";
}

# Two mistakes are two.
warned_of 'the same mistake in two locations',
    "server { location /a/ { $policy\nsecure_link_hmac_algorithm sha257;\n}\n"
        . "location /b/ { $policy\nsecure_link_hmac_algorithm sha257;\n} }\n",
    [qr/sha257/, qr/nginx\.conf:4$/m], [qr/sha257/, qr/nginx\.conf:7$/m];
warned_of 'two mistakes in a location',
    location("$credential\n$message\nsecure_link_hmac_secret topsecret;\nsecure_link_hmac_algorithm sha257;"),
    [qr/sha257/, qr/nginx\.conf:7$/m], [qr/secure_link_hmac_secret/, qr/nginx\.conf:6$/m];
warned_of 'an ambiguous message over an unsigned time',
    location("$credential $key\nsecure_link_hmac_message \$uri|\$arg_user|\$arg_ts;"),
    [qr/\$uri/, qr/\$arg_user/], [qr/\$arg_e/];
warned_of 'two short secrets', location("$credential $message\n"
    . "secure_link_hmac_secret topsecret;\nsecure_link_hmac_secret topsecret2;"),
    [qr/nginx\.conf:5$/m], [qr/nginx\.conf:6$/m];

# The file is the directive's.
key_file('mistake.conf', "$policy\nsecure_link_hmac_algorithm sha257;\n");
warned_of 'a mistake in an included file', "server {\ninclude mistake.conf;\n$heirs}\n",
    [qr/sha257/, qr{ in \S+/mistake\.conf:2$}m];
warned_of 'a mistake in a file that three locations include',
    join('', 'server {', (map { "location /$_/ { include mistake.conf; }\n" } 'a' .. 'c'), "}\n"),
    [qr/sha257/, qr{ in \S+/mistake\.conf:2$}m];
refused 'a mistake in a file that two locations include, of which the second is enforced',
    "server { location /a/ { include mistake.conf; }\n"
        . "location /b/ { include mistake.conf; secure_link_hmac_enforce on; } }\n",
    qr{sha257.* in \S+/mistake\.conf:2$}m;
key_file('warnings.conf', "$credential $message\n$open\nsecure_link_hmac_bypass \$arg_x;\nsecure_link_hmac_meter links key=\$1;\n");
warned_of 'what is a warning in any case, in a file that three locations include',
    join('', "secure_link_hmac_zone links:1m;\nserver {", (map { "location /$_/ { include warnings.conf; }\n" } 'a' .. 'c'), "}\n"),
    [qr/key file/, qr{ in \S+/warnings\.conf:2$}m], [qr/_bypass/, qr{ in \S+/warnings\.conf:3$}m],
    [qr/_meter/, qr{ in \S+/warnings\.conf:4$}m];
key_file('error.conf', "\n\nsecure_link_hmac_leeway x;\n");
refused 'an error in an included file', "server {\ninclude error.conf;\n}\n", qr{ in \S+/error\.conf:3$}m;

# A policy may be put together on its way down.
accepted 'a policy in three layers', "$key\nserver { $message location / { $credential secure_link_hmac_enforce on; } }\n";
accepted 'a policy in four layers, one of which is overruled', "$key secure_link_hmac_algorithm sha512;\n"
    . "server { $message location / { $credential location /a/ { secure_link_hmac_enforce on; "
    . "secure_link_hmac_algorithm sha256; } } }\n";
accepted 'a location that leaves an enforced server', "server { $policy secure_link_hmac_enforce on; "
    . "location / { secure_link_hmac_enforce off; } location /x/ { secure_link_hmac off; } }\n";
warned 'a short secret that a list of secrets replaces where it matters', "server {\n"
    . "secure_link_hmac_secret topsecret; #!\nlocation / { $policy secure_link_hmac_enforce on; } }\n";

done_testing;
