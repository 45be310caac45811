use lib 't/lib';
use Test::Nginx::Socket 'no_plan';

# A mistake ends the start, with the name of the directive, what is wrong, and where it stands. tests/nginx-t*.pl
# try many more, and the lines.
add_block_preprocessor(sub {
    my ($block) = @_;
    $block->set_value('must_die', '');
    $block->set_value('suppress_stderr', '');
    my $no = $block->no_error_log;
    $block->set_value('no_error_log', "topsecret\n" . (defined $no ? $no : ''));
    (my $config = $block->config) =~ s{POLICY}{
        secure_link_hmac \$arg_st,\$arg_ts,\$arg_e;
        secure_link_hmac_message \$uri|\$arg_ts|\$arg_e;
        secure_link_hmac_secret topsecret-0123456789;
    };
    $block->set_value('config', $config);
});

run_tests();

__DATA__

=== an enforced check with an unknown algorithm
--- config
location /files/ {
    POLICY
    secure_link_hmac_enforce on;
    secure_link_hmac_algorithm sha257;
}
--- error_log eval
qr{\[emerg\].*"secure_link_hmac_algorithm".*sha257.* in \S+/nginx\.conf:\d+$}



=== an enforced check without a credential
--- config
location /files/ {
    secure_link_hmac_message $uri|$arg_ts|$arg_e;
    secure_link_hmac_secret topsecret-0123456789;
    secure_link_hmac_enforce on;
}
--- error_log eval
qr{\[emerg\].*"secure_link_hmac".* in \S+/nginx\.conf:\d+$}



=== an enforced check without a message
--- config
location /files/ {
    secure_link_hmac $arg_st,$arg_ts,$arg_e;
    secure_link_hmac_secret topsecret-0123456789;
    secure_link_hmac_enforce on;
}
--- error_log eval
qr{\[emerg\].*"secure_link_hmac_message".* in \S+/nginx\.conf:\d+$}



=== an enforced check without a key
--- config
location /files/ {
    secure_link_hmac $arg_st,$arg_ts,$arg_e;
    secure_link_hmac_message $uri|$arg_ts|$arg_e;
    secure_link_hmac_enforce on;
}
--- error_log eval
qr{\[emerg\].*"secure_link_hmac_secret.* in \S+/nginx\.conf:\d+$}



=== an enforced server whose policies are in its locations
--- config
secure_link_hmac_enforce on;
location /files/ {
    POLICY
}
--- error_log eval
qr{\[emerg\].*"secure_link_hmac".*outside every location.* in \S+/nginx\.conf:\d+$}



=== an enforced check of a time that is not signed
--- config
location /files/ {
    secure_link_hmac $arg_st,$arg_ts,$arg_e;
    secure_link_hmac_secret topsecret-0123456789;
    secure_link_hmac_enforce on;
    secure_link_hmac_message $uri|$arg_e;
}
--- error_log eval
qr{\[emerg\].*\$arg_ts.* in \S+/nginx\.conf:\d+$}



=== an enforced check of a lifetime that is not signed
--- config
location /files/ {
    secure_link_hmac $arg_st,$arg_ts,$arg_e;
    secure_link_hmac_secret topsecret-0123456789;
    secure_link_hmac_enforce on;
    secure_link_hmac_message $uri|$arg_ts;
}
--- error_log eval
qr{\[emerg\].*\$arg_e\b.* in \S+/nginx\.conf:\d+$}



=== an enforced check with a short secret
--- config
location /files/ {
    secure_link_hmac $arg_st,$arg_ts,$arg_e;
    secure_link_hmac_message $uri|$arg_ts|$arg_e;
    secure_link_hmac_enforce on;
    secure_link_hmac_secret topsecret;
}
--- error_log eval
qr{\[emerg\].*"secure_link_hmac_secret".*9 bytes.* in \S+/nginx\.conf:\d+$}



=== an enforced check with an empty secret
--- config
location /files/ {
    secure_link_hmac $arg_st,$arg_ts,$arg_e;
    secure_link_hmac_message $uri|$arg_ts|$arg_e;
    secure_link_hmac_enforce on;
    secure_link_hmac_secret "";
}
--- error_log eval
qr{\[emerg\].*"secure_link_hmac_secret".*empty.* in \S+/nginx\.conf:\d+$}



=== an enforced check with a secret that a client sets
--- config
location /files/ {
    secure_link_hmac $arg_st,$arg_ts,$arg_e;
    secure_link_hmac_message $uri|$arg_ts|$arg_e;
    secure_link_hmac_enforce on;
    secure_link_hmac_secret topsecret$http_x_key;
}
--- error_log eval
qr{\[emerg\].*"secure_link_hmac_secret".*\$http_x_key.* in \S+/nginx\.conf:\d+$}



=== an enforced check of a message with two readings
--- config
location /files/ {
    secure_link_hmac $arg_st,$arg_ts,$arg_e;
    secure_link_hmac_secret topsecret-0123456789;
    secure_link_hmac_enforce on;
    secure_link_hmac_message $uri$arg_ts|$arg_e;
}
--- error_log eval
qr{\[emerg\].*"secure_link_hmac_message".*\$uri".*\$arg_ts".*"&".* in \S+/nginx\.conf:\d+$}



=== an enforced check of a message with two free variables
--- http_config
map $arg_x $mapped { default x; }
--- config
location /files/ {
    secure_link_hmac $arg_st,$arg_ts,$arg_e;
    secure_link_hmac_secret topsecret-0123456789;
    secure_link_hmac_enforce on;
    secure_link_hmac_message $uri&$mapped|$arg_ts|$arg_e;
}
--- error_log eval
qr{\[emerg\].*"secure_link_hmac_message".*\$uri".*\$mapped".* in \S+/nginx\.conf:\d+$}



=== a key file that is not there
--- config
location /files/ {
    POLICY
    secure_link_hmac_enforce on;
    secure_link_hmac_secret file:missing.key;
}
--- error_log eval
qr{\[emerg\].*"secure_link_hmac_secret".*conf/missing\.key.*No such file.* in \S+/nginx\.conf:\d+$}



=== a key file that is not hexadecimal
--- config
location /files/ {
    POLICY
    secure_link_hmac_enforce on;
    secure_link_hmac_secret file:../html/bad.key format=hex;
}
--- user_files
>>> bad.key
topsecret-0123456789
--- error_log eval
qr{\[emerg\].*"secure_link_hmac_secret".*bad\.key.*hex.* in \S+/nginx\.conf:\d+$}



=== a key file that is not base64
--- config
location /files/ {
    POLICY
    secure_link_hmac_enforce on;
    secure_link_hmac_secret file:../html/bad.key format=base64;
}
--- user_files
>>> bad.key
topsecret-0123456789
--- error_log eval
qr{\[emerg\].*"secure_link_hmac_secret".*bad\.key.*base64.* in \S+/nginx\.conf:\d+$}



=== a key file of an unknown format
--- config
location /files/ {
    POLICY
    secure_link_hmac_enforce on;
    secure_link_hmac_secret file:../html/bad.key format=pem;
}
--- user_files
>>> bad.key
topsecret-0123456789
--- error_log eval
qr{\[emerg\].*"secure_link_hmac_secret".*format=pem.* in \S+/nginx\.conf:\d+$}



=== an unknown scheme
--- config
location /files/ {
    POLICY
    secure_link_hmac_enforce on;
    secure_link_hmac_scheme jws;
}
--- error_log eval
qr{\[emerg\].*"secure_link_hmac_scheme".*"jws".* in \S+/nginx\.conf:\d+$}



=== an unknown kind of time
--- config
location /files/ {
    POLICY
    secure_link_hmac_enforce on;
    secure_link_hmac_scheme template time=never;
}
--- error_log eval
qr{\[emerg\].*"secure_link_hmac_scheme".*"never".* in \S+/nginx\.conf:\d+$}



=== an unknown encoding
--- config
location /files/ {
    POLICY
    secure_link_hmac_enforce on;
    secure_link_hmac_encoding base32;
}
--- error_log eval
qr{\[emerg\].*"secure_link_hmac_encoding".*"base32".* in \S+/nginx\.conf:\d+$}



=== an unknown verdict
--- config
location /files/ {
    POLICY
    secure_link_hmac_enforce on;
    secure_link_hmac_error late=410;
}
--- error_log eval
qr{\[emerg\].*"secure_link_hmac_error".*"late".* in \S+/nginx\.conf:\d+$}



=== a status for a grant
--- config
location /files/ {
    POLICY
    secure_link_hmac_enforce on;
    secure_link_hmac_error granted=403;
}
--- error_log eval
qr{\[emerg\].*"secure_link_hmac_error".*"granted".* in \S+/nginx\.conf:\d+$}



=== a status that is no denial
--- config
location /files/ {
    POLICY
    secure_link_hmac_enforce on;
    secure_link_hmac_error expired=302;
}
--- error_log eval
qr{\[emerg\].*"secure_link_hmac_error".*"302".* in \S+/nginx\.conf:\d+$}



=== a status beyond 599
--- config
location /files/ {
    POLICY
    secure_link_hmac_enforce on;
    secure_link_hmac_error expired=600;
}
--- error_log eval
qr{\[emerg\].*"secure_link_hmac_error".*"600".* in \S+/nginx\.conf:\d+$}



=== an unknown log level
--- config
location /files/ {
    POLICY
    secure_link_hmac_enforce on;
    secure_link_hmac_log_level debug;
}
--- error_log eval
qr{\[emerg\].*"secure_link_hmac_log_level".*"debug".* in \S+/nginx\.conf:\d+$}



=== an invalid time
--- config
location /files/ {
    POLICY
    secure_link_hmac_enforce on;
    secure_link_hmac_leeway 10x;
}
--- error_log eval
qr{\[emerg\].*"secure_link_hmac_leeway".*"10x".* in \S+/nginx\.conf:\d+$}



=== a negative time
--- config
location /files/ {
    POLICY
    secure_link_hmac_enforce on;
    secure_link_hmac_max_lifetime -1;
}
--- error_log eval
qr{\[emerg\].*"secure_link_hmac_max_lifetime".*"-1".* in \S+/nginx\.conf:\d+$}



=== an invalid method
--- config
location /files/ {
    POLICY
    secure_link_hmac_enforce on;
    secure_link_hmac_methods "GET;";
}
--- error_log eval
qr{\[emerg\].*"secure_link_hmac_methods".*"GET;".* in \S+/nginx\.conf:\d+$}



=== a method in lower case
--- config
location /files/ {
    POLICY
    secure_link_hmac_enforce on;
    secure_link_hmac_methods get;
}
--- error_log eval
qr{\[emerg\].*"secure_link_hmac_methods".*"get".* in \S+/nginx\.conf:\d+$}



=== an unknown named location
--- config
location /files/ {
    POLICY
    secure_link_hmac_enforce on;
    secure_link_hmac_pass @nowhere;
}
--- error_log eval
qr{\[emerg\].*"secure_link_hmac_pass".*\@nowhere.* in \S+/nginx\.conf:\d+$}



=== a target that is no path
--- config
location /files/ {
    POLICY
    secure_link_hmac_enforce on;
    secure_link_hmac_pass files;
}
--- error_log eval
qr{\[emerg\].*"secure_link_hmac_pass".*"files".* in \S+/nginx\.conf:\d+$}



=== an unknown word for enforce
--- config
location /files/ {
    POLICY
    secure_link_hmac_enforce yes;
}
--- error_log eval
qr{\[emerg\].*"secure_link_hmac_enforce".*"yes".* in \S+/nginx\.conf:\d+$}



=== a pass without enforcement
--- config
location /files/ {
    POLICY
    secure_link_hmac_pass /internal$uri;
}
--- error_log eval
qr{\[emerg\].*"secure_link_hmac_pass".* in \S+/nginx\.conf:\d+$}



=== a variable of the check in a credential
--- config
location /files/ {
    secure_link_hmac_message $uri|$arg_ts|$arg_e;
    secure_link_hmac_secret topsecret-0123456789;
    secure_link_hmac $arg_st$secure_link_hmac_status;
}
--- error_log eval
qr{\[emerg\].*"secure_link_hmac".*\$secure_link_hmac_status.* in \S+/nginx\.conf:\d+$}



=== a variable of the check in a message
--- config
location /files/ {
    secure_link_hmac $arg_st,$arg_ts,$arg_e;
    secure_link_hmac_secret topsecret-0123456789;
    secure_link_hmac_message $uri$secure_link_hmac_key_id;
}
--- error_log eval
qr{\[emerg\].*"secure_link_hmac_message".*\$secure_link_hmac_key_id.* in \S+/nginx\.conf:\d+$}



=== off and enforce on in one block
--- config
location /files/ {
    secure_link_hmac off;
    secure_link_hmac_enforce on;
}
--- error_log eval
qr{\[emerg\].*"secure_link_hmac_enforce".*"secure_link_hmac".* in \S+/nginx\.conf:\d+$}



=== a duplicate
--- config
location /files/ {
    POLICY
    secure_link_hmac_enforce on;
    secure_link_hmac_algorithm sha256;
    secure_link_hmac_algorithm sha256;
}
--- error_log eval
qr{\[emerg\].*"secure_link_hmac_algorithm".*duplicate.* in \S+/nginx\.conf:\d+$}



=== a directive of policies in limit_except
--- config
location /files/ {
    POLICY
    secure_link_hmac_enforce on;
    limit_except GET { secure_link_hmac_leeway 1s; }
}
--- error_log eval
qr{\[emerg\].*"secure_link_hmac_leeway".*not allowed here.* in \S+/nginx\.conf:\d+$}



=== a pass in a server
--- config
secure_link_hmac_pass /internal;
--- error_log eval
qr{\[emerg\].*"secure_link_hmac_pass".*not allowed here.* in \S+/nginx\.conf:\d+$}



=== a directive without an argument
--- config
location /files/ {
    POLICY
    secure_link_hmac_enforce on;
    secure_link_hmac_bypass;
}
--- error_log eval
qr{\[emerg\].*number of arguments.*"secure_link_hmac_bypass".* in \S+/nginx\.conf:\d+$}
