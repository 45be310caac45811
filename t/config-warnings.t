use lib 't/lib';
use Test::Nginx::Socket 'no_plan';
use SecureLink;

umask 022;

# A mistake that nothing enforces is a warning, once, with which nginx starts and works. tests/nginx-t*.pl try
# many more, and the lines.
#
#     --- warnings    the beginnings of the module's warnings, one a line; or "none"
add_block_preprocessor(sub {
    my ($block) = @_;
    $block->set_value('suppress_stderr', '');
    $block->set_value('request', "GET /") unless defined $block->request;
    $block->set_value('error_code', '200') unless defined $block->error_code;
    (my $config = $block->config) =~ s{POLICY}{
        secure_link_hmac \$arg_st,\$arg_ts,\$arg_e;
        secure_link_hmac_message \$uri|\$arg_ts|\$arg_e;
        secure_link_hmac_secret topsecret-0123456789;
    };
    $block->set_value('config', $config);
    (my $warnings = $block->warnings) =~ s/\s*\z/\n/;
    $warnings = '' if $warnings eq "none\n";
    $block->set_value('grep_error_log', qr/\[warn\].* in \S+\/nginx\.conf:\d+$/);
    my $patterns = join '', map { "\\[warn\\] \\S+ \Q$_\E.*\\n" } split /\n/, $warnings;
    $block->set_value('grep_error_log_out', qr/\A$patterns\z/);
    $block->set_value('no_error_log', "topsecret\n[error]\n[emerg]");
});

run_tests();

__DATA__

=== nothing to say
--- config
location /files/ { POLICY }
--- warnings: none



=== an unknown algorithm, and the variable is empty
--- config
location /files/ {
    POLICY
    secure_link_hmac_algorithm sha257;
    return 200 "[$secure_link_hmac]\n";
}
--- request eval
"GET " . link('/files/report.txt', secret => 'topsecret-0123456789')
--- response_body
[]
--- warnings
"secure_link_hmac_algorithm" has an unknown algorithm "sha257"



=== no message, and the variable is empty
--- config
location /files/ {
    secure_link_hmac $arg_st,$arg_ts,$arg_e;
    secure_link_hmac_secret topsecret-0123456789;
    return 200 "[$secure_link_hmac]\n";
}
--- request eval
"GET " . link('/files/report.txt', secret => 'topsecret-0123456789')
--- response_body
[]
--- warnings
"secure_link_hmac" has no "secure_link_hmac_message"



=== no key, and the variable is empty
--- config
location /files/ {
    secure_link_hmac $arg_st,$arg_ts,$arg_e;
    secure_link_hmac_message $uri|$arg_ts|$arg_e;
    return 200 "[$secure_link_hmac]\n";
}
--- request eval
"GET " . link('/files/report.txt')
--- response_body
[]
--- warnings
"secure_link_hmac" has no key



=== an empty secret verifies nothing
--- config
location /files/ {
    secure_link_hmac $arg_st,$arg_ts,$arg_e;
    secure_link_hmac_message $uri|$arg_ts|$arg_e;
    secure_link_hmac_secret "";
    return 200 "[$secure_link_hmac]\n";
}
--- request eval
"GET " . link('/files/report.txt', secret => '')
--- response_body
[]
--- warnings
"secure_link_hmac_secret" is empty



=== a short secret works where nothing is enforced
--- config
location /files/ {
    secure_link_hmac $arg_st,$arg_ts,$arg_e;
    secure_link_hmac_message $uri|$arg_ts|$arg_e;
    secure_link_hmac_secret topsecret;
    return 200 "[$secure_link_hmac]\n";
}
--- request eval
"GET " . link('/files/report.txt', secret => 'topsecret')
--- response_body
[1]
--- warnings
"secure_link_hmac_secret" is only 9 bytes long



=== a secret that a client sets
--- config
location /files/ {
    secure_link_hmac $arg_st,$arg_ts,$arg_e;
    secure_link_hmac_message $uri|$arg_ts|$arg_e;
    secure_link_hmac_secret topsecret$arg_key;
}
--- warnings
"secure_link_hmac_secret" uses "$arg_key"



=== a time and a message that a client could change
--- config
location /files/ {
    secure_link_hmac $arg_st,$arg_ts,$arg_e;
    secure_link_hmac_message $uri$arg_ts;
    secure_link_hmac_secret topsecret-0123456789;
}
--- warnings
"secure_link_hmac" takes a time or lifetime from "$arg_e"
"secure_link_hmac_message" is ambiguous



=== a dry run warns of what enforcement would refuse
--- config
location /files/ {
    POLICY
    secure_link_hmac_algorithm sha257;
    secure_link_hmac_enforce dry_run;
    return 200 "[$secure_link_hmac_status]\n";
}
--- request eval
"GET " . link('/files/report.txt', secret => 'topsecret-0123456789')
--- response_body
[unknown_key]
--- warnings
"secure_link_hmac_algorithm" has an unknown algorithm "sha257"



=== one mistake in a server is one warning for three locations
--- config
secure_link_hmac $arg_st,$arg_ts,$arg_e;
secure_link_hmac_message $uri|$arg_ts|$arg_e;
secure_link_hmac_secret topsecret;
location /a/ { location /a/b/ { } if ($arg_x) { set $x 1; } limit_except GET { deny all; } }
location /b/ { secure_link_hmac_enforce dry_run; }
location /c/ { secure_link_hmac_error missing=404; }
--- warnings
"secure_link_hmac_secret" is only 9 bytes long



=== one mistake in http is one warning for all servers
--- http_config
secure_link_hmac $arg_st,$arg_ts,$arg_e;
secure_link_hmac_message $arg_ts|$arg_e;
secure_link_hmac_secret topsecret-0123456789;
server { location /a/ { } location /b/ { } }
--- config
location /a/ { secure_link_hmac_enforce on; }
location /b/ { }
--- warnings
"secure_link_hmac_message" has neither "$uri" nor "$request_uri" nor a named group



=== an enforced message without a path is a warning only
--- config
location /files/ {
    secure_link_hmac $arg_st,$arg_ts,$arg_e;
    secure_link_hmac_message $arg_ts|$arg_e;
    secure_link_hmac_secret topsecret-0123456789;
    secure_link_hmac_enforce on;
}
--- warnings
"secure_link_hmac_message" has neither "$uri" nor "$request_uri" nor a named group



=== an enforced key file that others can read is a warning only
--- config
location /files/ {
    POLICY
    secure_link_hmac_secret file:../html/open.key;
    secure_link_hmac_enforce on;
}
--- user_files
>>> open.key
topsecret-0123456789
--- warnings
"secure_link_hmac_secret" has a key file



=== an enforced secret of a map is a warning only
--- http_config
map $uri $by_path { default topsecret-0123456789; }
--- config
location /files/ {
    secure_link_hmac $arg_st,$arg_ts,$arg_e;
    secure_link_hmac_message $uri|$arg_ts|$arg_e;
    secure_link_hmac_secret $by_path;
    secure_link_hmac_enforce on;
}
--- warnings
"secure_link_hmac_secret" has variables



=== a bypass of what a client sends is a warning only
--- config
location /files/ {
    POLICY
    secure_link_hmac_enforce on;
    secure_link_hmac_bypass $http_x_debug $arg_a$cookie_b;
}
--- warnings
"secure_link_hmac_bypass" "$http_x_debug"
"secure_link_hmac_bypass" "$arg_a$cookie_b"



=== a message with a named group is in order
--- config
location ~ "^/files/(?<file>.*)" {
    secure_link_hmac $arg_st,$arg_ts,$arg_e;
    secure_link_hmac_message $file|$arg_ts|$arg_e;
    secure_link_hmac_secret topsecret-0123456789;
    secure_link_hmac_enforce on;
}
--- warnings: none



=== a numbered group is of whichever expression matched last
--- http_config
map $http_x_forwarded_for $client { "~^([^,]+)" $1; default $remote_addr; }
limit_req_zone $client zone=clients:64k rate=100r/s;
--- config
location ~ "^/files/(.*)" {
    limit_req zone=clients burst=100 nodelay;
    secure_link_hmac $arg_st,$arg_ts,$arg_e;
    secure_link_hmac_message $1|$arg_ts|$arg_e;
    secure_link_hmac_secret topsecret-0123456789;
    secure_link_hmac_enforce dry_run;
    empty_gif;
    add_header X-Verdict $secure_link_hmac_status always;
}
--- more_headers
X-Forwarded-For: report.txt
--- request eval
"GET /files/other.txt?" . link_args('report.txt', secret => 'topsecret-0123456789')
--- response_headers
X-Verdict: granted
--- warnings
"secure_link_hmac_message" uses "$1", a group of whichever regular expression matched last
