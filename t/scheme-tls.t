# What the schemes make of a connection by TLS: its default port, and the URI's scheme. The test client knows no TLS: a
# server of its own passes on what it says, as it says it.

use strict;
use warnings;

use lib 't/lib';
use SchemeLinks;
use Test::Nginx::Socket 'no_plan';

use Digest::SHA qw(sha256);
use File::Temp qw(tempdir);
use MIME::Base64 qw(encode_base64url);

my $dir = tempdir(CLEANUP => 1);
system("openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=localhost -days 2 -keyout $dir/key -out $dir/cert 2>/dev/null") == 0
    or die "openssl cannot make a certificate\n";

sub text_of { my ($name) = @_; open my $file, '<', "$dir/$name" or die "$name: $!"; local $/; return <$file> }

my $files = ">>> ../conf/tls.key\n" . text_of('key') . ">>> ../conf/tls.cert\n" . text_of('cert');

add_block_preprocessor(sub {
    my ($block) = @_;
    my $aws = 'secure_link_hmac_keyring aws { AKIAIOSFODNN7EXAMPLE hex:' . unpack('H*', sigv4_secret) . '; }';
    $block->set_value(user_files => $files);
    $block->set_value(http_config => "$aws\n" . <<'_EOC_');
    server {
        listen 127.0.0.1:$TEST_NGINX_RAND_PORT_1 ssl;
        ssl_certificate tls.cert;
        ssl_certificate_key tls.key;
        secure_link_hmac_enforce on;
        secure_link_hmac_scheme jwt;
        secure_link_hmac $arg_token;
        secure_link_hmac_secret 0123456789abcdef0123456789abcdef;
        add_header X-Verdict $secure_link_hmac_status always;
        location / { empty_gif; }
        location /b/ { secure_link_hmac_scheme sigv4; secure_link_hmac_keys aws; empty_gif; }
    }
_EOC_
    $block->set_value(config => <<'_EOC_');
    location / {
        proxy_pass https://127.0.0.1:$TEST_NGINX_RAND_PORT_1;
        proxy_set_header Host $http_host;
    }
_EOC_
});

# The URI's hash, as a claim, in a link for /f.
sub of { my ($uri) = @_; return 'GET ' . jwt_link('/f', {cdniuc => 'hash:sha-256;' . encode_base64url(sha256($uri))}) }

no_long_string();
no_root_location();
run_tests();

__DATA__

=== the default port is that of https
--- request eval
[map { 'GET ' . sigv4('/b/k', host => $_) } 'localhost', 'localhost', 'localhost', 'localhost:443', 'localhost:80', 'localhost:443', '[::1]']
--- more_headers eval
[map { "Host: $_\n" } 'localhost', 'localhost:443', 'localhost:80', 'localhost:443', 'localhost:80', 'localhost', '[::1]:443']
--- error_code eval
[200, 200, 403, 200, 200, 403, 200]
--- response_headers eval
[map { "X-Verdict: $_" } qw(granted granted forged granted granted forged granted)]
--- no_error_log
[error]



=== the URI of cdniuc begins with https
--- request eval
[map { ::of($_) } 'https://localhost/f', 'http://localhost/f', 'https://localhost:8443/f', 'https://localhost/f']
--- more_headers eval
[map { "Host: $_\n" } 'localhost', 'localhost', 'localhost:8443', 'other']
--- error_code eval
[200, 403, 200, 403]
--- response_headers eval
[map { "X-Verdict: $_" } qw(granted out_of_scope granted out_of_scope)]
--- no_error_log
[error]
