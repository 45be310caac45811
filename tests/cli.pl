#!/usr/bin/env perl

# secure-link with the policies of a configuration, beside an nginx that has the same one: what it signs is
# granted, what it refuses is refused for the reason in nginx's log, and it reads files and words as nginx does.
#
#   MODULE=/path/to.so NGINX=nginx SECURE_LINK=/path/to/secure-link tests/cli.pl

use strict;
use warnings;

use Digest::SHA ();
use File::Basename qw(dirname);
use File::Path qw(make_path);
use File::Temp ();
use FindBin;
use IO::Socket::INET;
use IPC::Open3 qw(open3);
use JSON::PP qw(decode_json);
use MIME::Base64 ();
use POSIX ();
use Test::More;

use lib "$FindBin::Bin/lib";
use NginxServer;
use Recipes;

my $tool = $ENV{SECURE_LINK} or die "SECURE_LINK is not set\n";
delete @ENV{qw(SECURE_LINK_SECRET SECURE_LINK_SALT)};
my $now = time;
my $hex = '7d1a3c5e9f0b2846d1c3a5978e6f4b2035794e1d2c8ab6f0e3d7915846bc02fa';

# Runs the tool: its exit code, output and errors.
sub tool {
    my (@arguments) = @_;
    my $pid = open3(my $in, my $out, my $err = IO::Handle->new, $tool, @arguments);
    close $in;
    local $/;
    my ($said, $complained) = (scalar <$out>, scalar <$err>);
    waitpid $pid, 0;
    return ($? >> 8, $said // '', $complained // '');
}

# A link that the tool signs, and the headers that belong to it.
sub signed {
    my ($what, @arguments) = @_;
    my ($code, $said, $complained) = tool('sign', '--json', @arguments);
    is $code, 0, "$what is signed" or diag $complained;
    my $json = $code == 0 ? decode_json($said) : { url => '/', headers => {} };
    my ($target) = $json->{url} =~ m{^(?:https?://[^/]+)?(/.*)$}s;
    return ($target, $json->{headers}, $json);
}

sub explained {
    my ($link, $conf, %more) = @_;
    my %headers = %{ $more{headers} || {} };
    my ($code, $said, $complained) = tool('explain', '--json', $link, '--conf', $conf, '--client', '127.0.0.1',
        (map { ('-H', "$_: $headers{$_}") } sort keys %headers), @{ $more{flags} || [] });
    die "explain shows a secret: $said" if "$said$complained" =~ /$hex/;
    my $json = eval { decode_json($said) } || {};
    $json->{code} = $code;
    $json->{complained} = $complained;
    return $json;
}

# The verdicts of nginx's log, in their order.
sub verdicts { $_[0]->log =~ /secure_link_hmac: .*?verdict=(\w+)/g }

sub last_line { ($_[0]->log =~ /^(.*secure_link_hmac: .*)$/mg)[-1] // 'nothing is logged' }

# Asks for a link, which has to be granted, with a policy that is enforced.
sub is_granted {
    my ($nginx, $what, $target, %options) = @_;
    my $before = () = verdicts($nginx);
    my $status = $nginx->get($target, %options)->{status};
    is $status, 200, "$what is granted" or diag "$target\n", last_line($nginx);
    is scalar(() = verdicts($nginx)), $before, 'and nothing is refused';
}

# Asks for a link that has to be refused, by nginx and by the tool, with one verdict.
sub is_refused {
    my ($nginx, $what, $verdict, $link, %options) = @_;
    my ($target) = $link =~ m{^(?:https?://[^/]+)?(/.*)$}s;
    my $before  = () = verdicts($nginx);
    my $method  = $options{method} || 'GET';
    my $status  = $nginx->get($target, method => $method, headers => $options{headers} || {})->{status};
    my @logged  = verdicts($nginx);
    is_deeply [@logged[$before .. $#logged]], [$verdict], "$what is $verdict to nginx" or diag "$target\n", last_line($nginx);
    my $said = explained($link, "$nginx->{dir}/nginx.conf",
        headers => $options{headers}, flags => ['--method', $method, @{ $options{flags} || [] }]);
    is $said->{verdict}, $verdict, 'and to the tool' or diag $said->{complained};
    is $said->{status}, $status, 'with the status of nginx';
    is $said->{code}, 1, 'and its exit code';
    ok scalar(@{ $said->{why} || [] }), 'and it says why';
    like join(' ', @{ $said->{why} || [] }), $options{why}, "namely $options{why}" if $options{why};
}

subtest 'words' => sub {
    my @words = (
        'abc', q('a b'), q("a b;c{d}#e"), 'a\ b', 'a\;b', 'a\{b', 'a"b', "a'b'c", q("a\"b\'c\\\\d\te\rf\ng\xh\ "), q('a\"b\''), '\"a', '\#a',
        'a#b', 'a}b', '"${uri}x"', 'x${uri}y', '$uri$uri', "\"a\nb\"", "a\\\nb", 'a\nb', q("a\$uri"), "\xc3\xa4", "\xff\xfe", '(a)', "# b;\n c", '"$uri{a}"',
    );
    my $nginx = NginxServer->new;
    my $policy = sub {qq[secure_link_hmac \$arg_st; secure_link_hmac_secret "$hex"; secure_link_hmac_message $_[0];]};
    my $locations = join "\n", map {qq[location /$_/ { @{[$policy->($words[$_])]} return 200 \$secure_link_hmac_status; }]} 0 .. $#words;
    $nginx->configure($locations);
    $nginx->start;
    my $conf = "$nginx->{dir}/nginx.conf";
    for my $at (0 .. $#words) {
        my ($target) = signed("a message $words[$at]", "/$at/x", '--conf', $conf, '--location', "/$at/");
        is $nginx->get($target)->{body}, 'granted', 'in the words of nginx';
    }

    my @wrong = ('"a', '"a"b', 'a b', '"a")', '$', '${', '${uri', 'a{b', '{}', '', q('a''b'), "a\n}", "a\n\n;;", "a\\");
    for my $wrong (@wrong) {
        my $server = NginxServer->new;
        my $name = $wrong =~ s/\n/\\n/gr;
        $server->configure("location / {\n" . $policy->($wrong) . "\n}\n");
        my ($said, $status) = $server->check;
        isnt $status, 0, "nginx refuses the message $name";
        my ($line) = $said =~ /nginx\.conf:(\d+)/;
        my ($code, undef, $complained) = tool('verify', '/x', '--conf', "$server->{dir}/nginx.conf", '--location', '/');
        is $code, 2, 'and so does the tool';
        like $complained, qr/nginx\.conf:$line: /, "in line $line" or diag "$said$complained";
    }
};

subtest 'locations' => sub {
    my $nginx = NginxServer->new;
    make_path("$nginx->{dir}/$_") for qw(keys conf.d more);
    $nginx->write_file('keys/http.key', "$hex\n", 0600);
    $nginx->write_file('keys/raw.key', "a raw secret of some length\r\n", 0600);
    my $says = sub {qq[return 200 "$_[0] \$secure_link_hmac_status";]};
    $nginx->write_file('conf.d/b.conf', "location /b/ { include more/one; }");
    $nginx->write_file('conf.d/a.conf', qq[location /a { secure_link_hmac_message \$uri|\$arg_e|a; @{[$says->('/a')]} }]);
    $nginx->write_file('conf.d/.c.conf', 'nonsense');
    $nginx->write_file('more/one', qq[secure_link_hmac_secret file:keys/raw.key; @{[$says->('/b/')]}]);
    $nginx->configure(<<"_END_", http => "secure_link_hmac_secret file:keys/http.key format=hex;\nsecure_link_hmac_algorithm sha512;\n");
        secure_link_hmac          \$arg_st,\$arg_e;
        secure_link_hmac_scheme   template time=expires;
        secure_link_hmac_message  \$uri|\$arg_e;
        include conf.d/*.conf;
        include nothing/*.conf;
        location = /a/exact { secure_link_hmac_encoding hex; @{[$says->('= /a/exact')]} }
        location =/a/joined { @{[$says->('=/a/joined')]} }
        location ^~ /first/ {
            @{[$says->('^~ /first/')]}
            location /first/inner/ { secure_link_hmac_algorithm sha1; @{[$says->('/first/inner/')]} }
        }
        location /outer/ {
            secure_link_hmac_message \$uri|\$arg_e|outer;
            location /outer/inner/ { @{[$says->('/outer/inner/')]} location = /outer/inner/x { @{[$says->('= /outer/inner/x')]} } }
            location ^~ /outer/first/ { @{[$says->('^~ /outer/first/')]} }
            location ~ \\.php\$ { @{[$says->('~ php')]} }
            @{[$says->('/outer/')]}
        }
        location /first { @{[$says->('/first')]} }
        location / { @{[$says->('/')]} }
_END_
    $nginx->start;
    my $conf = "$nginx->{dir}/nginx.conf";
    my ($chosen, $left) = (0, 0);
    for my $path (qw(/ /a /ab /a/exact /a/exact/ /a/joined /b /b/ /b/c /first /first/ /first/x /first/inner/ /first/inner/x.php
        /outer/ /outer/x /outer/inner/x /outer/inner/y /outer/x.php /outer/inner/x.php /outer/first/x.php /%61/exact /x/../a/joined /first//inner/y)) {
        my ($place) = $nginx->get($path)->{body} =~ /^(.*) missing$/;
        my ($code, $said) = tool('explain', '--json', $path, '--conf', $conf);
        if ($code == 2) {
            # Where nginx, too, has looked at regular expressions.
            like $place, qr{^(?:/outer/|~)}, "$path is left to the user";
            $left++;
            next;
        }
        is $code == 1 && decode_json($said)->{policy}{location}, "location $place", "$path is in the location that nginx chooses";
        my ($target) = signed('a link of it', $path, '--conf', $conf);
        is $nginx->get($target)->{body}, "$place granted", 'which grants the link';
        my ($named) = signed('the same by name', $path, '--conf', $conf, '--location', $place);
        is $nginx->get($named)->{body}, "$place granted", 'is granted too';
        is +(tool('verify', $named, '--conf', $conf))[1], "granted\n", 'also to the tool';
        $chosen++;
    }
    cmp_ok $chosen, '>=', 15, 'most are chosen';
    cmp_ok $left, '>=', 2, 'some are left';
    my ($php) = signed('a link of a regular expression', '/outer/x.php', '--conf', $conf, '--location', '~ \.php$');
    is $nginx->get($php)->{body}, '~ php granted', 'is granted';
    my ($code, undef, $complained) = tool('sign', '/x', '--conf', $conf, '--location', '/none');
    is $code, 2, 'a location that is not there is an error';
    like $complained, qr{--location '\^~ /first/' \(\S+nginx\.conf:\d+\)}, 'which names those that are';
    is +(tool('sign', '/x', '--conf', "$nginx->{dir}/none"))[0], 3, 'as is a file that is not there';
};

# Every scheme, and every reason.
subtest 'reasons' => sub {
    my $nginx = NginxServer->new;
    make_path("$nginx->{dir}/$_") for 'keys', map { "files/$_" } qw(time issued jwt edge sigv4 once open);
    $nginx->write_file("files/$_/a", "a file\n") for qw(time issued jwt edge sigv4 once open);
    $nginx->write_file('keys/a.key', "$hex\n", 0600);
    $nginx->write_file('keys/new.key', reverse($hex) . "\n", 0600);
    $nginx->configure(<<"_END_", http => <<"_HTTP_");
        location /time/ {
            secure_link_hmac_enforce on;
            secure_link_hmac_scheme        template time=expires;
            secure_link_hmac               \$arg_st,\$arg_e;
            secure_link_hmac_message       \$uri|\$arg_e;
            secure_link_hmac_keys          partners \$arg_key;
            secure_link_hmac_max_lifetime  1d;
            secure_link_hmac_error         expired=404 forged=401;
            secure_link_hmac_revoke        \$arg_away;
        }
        location /issued/ {
            secure_link_hmac_enforce on;
            secure_link_hmac               \$http_x_st,\$cookie_ts,\$http_x_e;
            secure_link_hmac_message       \$host\$uri|\$cookie_ts|\$http_x_e;
            secure_link_hmac_keys          partners old;
            secure_link_hmac_leeway        5s;
            secure_link_hmac_algorithm     blake2b512;
            secure_link_hmac_encoding      hex;
        }
        location /jwt/ {
            secure_link_hmac_enforce on;
            secure_link_hmac_scheme   jwt;
            secure_link_hmac          \$arg_token;
            secure_link_hmac_keys     tokens;
            secure_link_hmac_require  aud=\$host;
            secure_link_hmac_revoke   \$recalled;
            secure_link_hmac_limit    uses uses=100 per=subject period=1h;
        }
        location /edge/ {
            secure_link_hmac_enforce on;
            secure_link_hmac_scheme   edgeauth salt=salty escape_early;
            secure_link_hmac          \$arg_hdnts \$cookie_hdnts;
            secure_link_hmac_secret   "$hex";
            secure_link_hmac_secret   file:keys/new.key format=hex;
            secure_link_hmac_methods  GET POST;
            secure_link_hmac_algorithm sha1;
        }
        location /sigv4/ {
            secure_link_hmac_enforce on;
            secure_link_hmac_scheme  sigv4 region=local service=s3;
            secure_link_hmac_keys    storage;
        }
        location /once/ {
            secure_link_hmac_enforce on;
            secure_link_hmac          \$arg_st,\$arg_ts,\$arg_e;
            secure_link_hmac_message  \$uri|\$arg_ts|\$arg_e;
            secure_link_hmac_secret   file:keys/a.key;
            secure_link_hmac_limit    uses uses=100;
            secure_link_hmac_revoke   0 "" \$arg_gone;
        }
        location /open/ {
            secure_link_hmac off;
            secure_link_hmac_enforce off;
        }
_END_
        secure_link_hmac_zone uses:1m;
        map \$secure_link_hmac_subject \$recalled { volatile; default 0; mallory 1; }
        secure_link_hmac_keyring partners {
            acme  file:keys/a.key;
            acme  file:keys/new.key format=hex algorithm=sha512;
            late  file:keys/new.key  not_before=2100-01-01T00:00:00Z;
            over  file:keys/new.key  not_after=2020-01-01T00:00:00Z;
            gone  file:keys/new.key  revoked;
            old   base64:c2VjcmV0IHNlY3JldCBzZWNyZXQ=  issued_after=@{[$now - 50]};
        }
        secure_link_hmac_keyring tokens { k1 hex:$hex; k2 file:keys/new.key algorithm=sha384; }
        secure_link_hmac_keyring storage { webapp "base64:c2VjcmV0IHNlY3JldCBzZWNyZXQgYw=="; other file:keys/a.key; }
_HTTP_
    my ($said, $failed) = $nginx->check;
    is $failed, 0, 'nginx accepts the configuration' or diag $said;
    $nginx->start;
    my $conf = "$nginx->{dir}/nginx.conf";
    my @conf = ('--conf', $conf, '--location');
    my $origin = 'http://localhost';
    my $key = "$nginx->{dir}/keys/a.key";

    my $time = sub { (signed('a link', "$origin/time/a", @conf, '/time/', '--key-id', 'acme', @_))[0] };
    my $good = $time->();
    is_granted($nginx, 'a link', $good);
    like $good, qr/\bkey=acme\b/, 'which names its key';
    is_refused($nginx, 'another path', 'forged', $good =~ s/a\?/b?/r);
    is_refused($nginx, 'an old link', 'expired', $time->('--now', $now - 7200), why => qr/expired 3\d\d\d seconds \(1 h|expired 3600/);
    is_refused($nginx, 'a link that lasts too long', 'expired', $time->('--expires-in', '2d'), why => qr/secure_link_hmac_max_lifetime/);
    is_refused($nginx, 'another method', 'out_of_scope', $good, method => 'POST', why => qr/POST/);
    is_refused($nginx, 'an argument twice', 'malformed', "$good&e=1", why => qr/\be occurs twice/);
    is_refused($nginx, 'a token that is none', 'malformed', $good =~ s/st=../st=/r, why => qr/no MAC/);
    is_refused($nginx, 'no token', 'missing', '/time/a');
    is_refused($nginx, 'an unknown key', 'unknown_key', $good =~ s/key=acme/key=nobody/r, why => qr/"nobody"; those that are known are "acme, late/);
    is_refused($nginx, "the key $_->[0]", 'unknown_key', $good =~ s/key=acme/key=$_->[0]/r, why => $_->[1])
        for ['gone', qr/is revoked/], ['late', qr/from \d+ \(2100/], ['over', qr/until \d+ \(2020/];
    is_refused($nginx, 'a key withdrawn by a value', 'revoked', "$good&away=yes", why => qr/secure_link_hmac_revoke \$arg_away is "yes"/);
    my ($mixed) = tool('sign', "$origin/time/a", @conf, '/time/', '--key-id', 'gone');
    is $mixed, 2, 'a revoked key does not sign';

    my ($issued, $headers) = signed('a link in headers', "$origin/issued/a", @conf, '/issued/');
    is_granted($nginx, 'a link in headers', $issued, headers => $headers);
    is_refused($nginx, 'another host', 'forged', "http://other.example$issued", headers => { %$headers, Host => 'other.example' });
    (undef, $headers) = signed('an early link', "$origin/issued/a", @conf, '/issued/', '--now', $now + 600);
    is_refused($nginx, 'an early link', 'early', "$origin$issued", headers => $headers, why => qr/is good from/);
    (undef, $headers) = signed('a link from before', "$origin/issued/a", @conf, '/issued/', '--now', $now - 100);
    is_refused($nginx, 'a link from before', 'revoked', "$origin$issued", headers => $headers, why => qr/"old" is good for links that were issued from @{[$now - 50]} /);

    my @recalled = ('--set', 'recalled=0');
    my $jwt = sub { (signed('a token', "$origin/jwt/a", @conf, '/jwt/', '--subject', 'alice', '--audience', 'localhost', '--key-id', 'k1', @_))[0] };
    is_granted($nginx, 'a token', $jwt->());
    my ($second) = signed('a token of the second key', "$origin/jwt/a", @conf, '/jwt/', qw(--subject alice --audience localhost --key-id k2));
    is_granted($nginx, 'a token of the second key', $second);
    is_refused($nginx, 'an old token', 'expired', $origin . $jwt->('--now', $now - 7200), flags => \@recalled);
    is_refused($nginx, 'an early token', 'early', $origin . $jwt->('--not-before', $now + 600), flags => \@recalled);
    my ($other) = signed('a token for others', "$origin/jwt/a", @conf, '/jwt/', qw(--subject alice --audience others --key-id k1));
    is_refused($nginx, 'a token for others', 'out_of_scope', "$origin$other", flags => \@recalled, why => qr/secure_link_hmac_require demands "localhost"/);
    is_refused($nginx, 'a token of another path', 'out_of_scope', $origin . ($jwt->() =~ s/a\?/b?/r), flags => \@recalled, why => qr/does not match/);
    my ($mallory) = signed('a recalled token', "$origin/jwt/a", @conf, '/jwt/', qw(--subject mallory --audience localhost --key-id k1));
    is_refused($nginx, 'a recalled token', 'revoked', "$origin$mallory", flags => ['--set', 'recalled=1']);
    my ($nobody) = signed('a token without a subject', "$origin/jwt/a", @conf, '/jwt/', qw(--audience localhost --key-id k1));
    is_refused($nginx, 'a token without a subject', 'malformed', "$origin$nobody", flags => \@recalled, why => qr/secure_link_hmac_limit/);
    my ($unknown) = signed('a token by flags', "$origin/jwt/a", qw(--scheme jwt --audience localhost --key-id k9 --secret-file), $key);
    is_refused($nginx, 'a token of an unknown key', 'unknown_key', "$origin$unknown", flags => \@recalled, why => qr/"k9"/);
    my ($forged) = signed('a token by flags', "$origin/jwt/a", qw(--scheme jwt --audience localhost --key-id k1 --secret-file), $key);
    is_refused($nginx, 'a token by another key', 'forged', "$origin$forged", flags => \@recalled, why => qr/read as raw/);
    my $unsaid = explained($origin . $jwt->(), $conf);
    is $unsaid->{code}, 2, 'a value of a map has to be said';
    like $unsaid->{complained}, qr/nginx\.conf:\d+: "secure_link_hmac_revoke": the value of \$recalled is made by "map" \(\S+nginx\.conf:\d+\).* --set 'recalled=/,
        'with the directive, the file and the line';

    my $edge = sub { (signed('a token', "$origin/edge/a", @conf, '/edge/', @_))[0] };
    is_granted($nginx, 'a token of edgeauth', $edge->());
    is_granted($nginx, 'a token of edgeauth for a folder', $edge->('--path', '/edge/*', '--subject', 'alice'));
    is_refused($nginx, 'another folder', 'out_of_scope', $edge->('--path', '/other/*'), why => qr/acl/);
    is_refused($nginx, 'another client', 'out_of_scope', $edge->('--client', '192.0.2.1'), why => qr/192\.0\.2\.1/);
    is_refused($nginx, 'an early token', 'early', $edge->('--not-before', $now + 600));
    is_refused($nginx, 'an old token', 'expired', $edge->('--now', $now - 7200));
    is_refused($nginx, 'a changed token', 'forged', $edge->() =~ s/exp=(\d)/exp=9/r);
    is_refused($nginx, 'a token without an end', 'malformed', $edge->() =~ s/exp=\d+/st=1/r);

    my $sigv4 = sub { (signed('a presigned URL', "http://localhost/sigv4/a?x=1", @conf, '/sigv4/', '--key-id', 'webapp', @_))[0] };
    is_granted($nginx, 'a presigned URL', $sigv4->());
    is_refused($nginx, 'another argument', 'forged', $origin . ($sigv4->() =~ s/x=1/x=2/r));
    is_refused($nginx, 'an old one', 'expired', $origin . $sigv4->('--now', $now - 7200));
    is_refused($nginx, 'an early one', 'early', $origin . $sigv4->('--now', $now + 7200));
    is_refused($nginx, 'an unknown access key', 'unknown_key', $origin . ($sigv4->() =~ s/webapp/nobody/r), why => qr/"nobody"/);
    is_refused($nginx, 'one without an end', 'malformed', $origin . ($sigv4->() =~ s/&X-Amz-Expires=\d+//r), why => qr/X-Amz-Expires/);
    my ($abroad) = signed('one of another region', "$origin/sigv4/a", qw(--scheme sigv4 --region abroad --key-id other --secret-file), $key);
    is_refused($nginx, 'one of another region', 'out_of_scope', "$origin$abroad", why => qr/region is abroad; region is local/);

    my $once = sub { (signed('a limited link', '/once/a', @conf, '/once/', @_))[0] };
    is_granted($nginx, 'a limited link', $once->());
    is_refused($nginx, 'a limited link without an end', 'malformed', $once->('--expires-in', '0'), why => qr/secure_link_hmac_limit/);
    is_refused($nginx, 'a withdrawn link', 'revoked', $once->() . '&gone=1');
    my ($code, undef, $complained) = tool('sign', '/open/a', @conf, '/open/');
    is $code, 2, 'what is off signs nothing';
    like $complained, qr/nginx\.conf:\d+: "secure_link_hmac" is off/, 'and says where that is';
};

# The same links to nginx and to the tool, with what a request can bring of headers, and what can revoke.
subtest 'requests' => sub {
    my $nginx = NginxServer->new;
    my @variables = map { "secure_link_hmac$_" } '', qw(_args _expires _expires_at _key_id _status _subject _token _uses);
    my %locations = (
        host   => 'secure_link_hmac_message $host$uri|$arg_e;',
        target => 'secure_link_hmac $http_x_st; secure_link_hmac_message $request_uri;',
        cookie => 'secure_link_hmac $cookie_st,$arg_e;',
        jwt    => "secure_link_hmac_scheme jwt; secure_link_hmac \$arg_token; secure_link_hmac_secret @{[scalar reverse $hex]};"
            . 'secure_link_hmac_revoke $secure_link_hmac_claim_note;',
        sigv4  => 'secure_link_hmac_scheme sigv4; secure_link_hmac_keys ring;',
        map { ($_ => "secure_link_hmac_revoke \$$_;") } @variables,
    );
    my $template = 'secure_link_hmac_scheme template time=expires; secure_link_hmac $arg_st,$arg_e; secure_link_hmac_message $uri|$arg_e;'
        . "secure_link_hmac_secret $hex;";
    $nginx->configure(
        join("\n", map {
            my $inherited = /^(?:jwt|sigv4)$/ ? '' : $template;
            $inherited =~ s/$_ [^;]*;// for $locations{$_} =~ /(secure_link_hmac(?:_message)?) /g;
            "location /$_/ { $inherited $locations{$_} secure_link_hmac_enforce on; add_header X-Verdict \$secure_link_hmac_status always; }"
        } sort keys %locations),
        http => "secure_link_hmac_keyring ring { k1 hex:$hex; }",
    );
    my ($said, $failed) = $nginx->check;
    is $failed, 0, 'nginx accepts the configuration' or diag $said;
    $nginx->start;
    my $conf   = "$nginx->{dir}/nginx.conf";
    my $origin = 'http://localhost';
    my $same = sub {
        my ($what, $verdict, $target, %headers) = @_;
        my $asked = $nginx->get($target, headers => \%headers)->{header}{'x-verdict'};
        is $asked, $verdict, "$what is $verdict to nginx";
        my ($code, $told, $complained) = tool('verify', "$origin$target", '--conf', $conf, '--client', '127.0.0.1',
            map { ('-H', "$_: $headers{$_}") } sort keys %headers);
        is $told, "$verdict\n", 'and to the tool' or diag $complained;
    };
    my $sign = sub { (signed('a link', "$_[0]", '--conf', $conf, @_[1 .. $#_]))[0] };

    my $host = $sign->('http://cdn.example/host/a');
    $same->('a link of the Host header', 'granted', $host, Host => 'CDN.example.:81');
    $same->('one of another', 'forged', $host, Host => 'localhost');

    my $mac = sub { MIME::Base64::encode_base64url(Digest::SHA::hmac_sha256($_[0], $hex)) };
    $same->("a target $_", 'granted', $_, 'X-St' => $mac->($_)) for '/target/a', '/target/a?', '/target//%61?&', '/target/a?b=1&&x=?';

    my ($cookie, $brought) = signed('a cookie', "$origin/cookie/a", '--conf', $conf);
    my ($token) = $brought->{Cookie} =~ /^st=(.*)/;
    $same->("Cookie: $_->[0]", $_->[1], $cookie, Cookie => $_->[0] =~ s/TOKEN/$token/gr) for (
        ['st=TOKEN', 'granted'], ['ST=TOKEN', 'granted'], ['a=b;  st=TOKEN; st=x', 'granted'], ['st; st=TOKEN', 'missing'],
        ['st; a; st=TOKEN', 'granted'], ['z=1, st=TOKEN', 'granted'], ['st = TOKEN', 'granted'], ['st=  TOKEN', 'granted'],
        ['st=TOKEN, a=b', 'malformed'], ['st=TOKEN ;a=b', 'malformed'], ['sta=TOKEN', 'missing'], ['st=; st=TOKEN', 'missing'],
    );

    $same->("a claim $_->[0]", $_->[1], $sign->("$origin/jwt/a", '--claim-json', "note=$_->[0]"))
        for ['"a"', 'revoked'], ['"0"', 'granted'], ['"a\\n"', 'granted'], ['""', 'granted'];

    my $presigned = sub {
        my ($name) = @_;
        my $date = POSIX::strftime('%Y%m%dT%H%M%SZ', gmtime $now);
        my $scope = substr($date, 0, 8) . '/r/s3/aws4_request';
        my $query = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=k1%2F" . ($scope =~ s{/}{%2F}gr)
            . "&X-Amz-Date=$date&X-Amz-Expires=600&X-Amz-SignedHeaders=host%3B$name";
        my $request = join "\n", 'GET', '/sigv4/a', $query, 'host:localhost', "$name:1", '', "host;$name", 'UNSIGNED-PAYLOAD';
        my $key = 'AWS4' . pack 'H*', $hex;
        $key = Digest::SHA::hmac_sha256($_, $key) for split m{/}, $scope;
        my $text = join "\n", 'AWS4-HMAC-SHA256', $date, $scope, Digest::SHA::sha256_hex($request);
        return "/sigv4/a?$query&X-Amz-Signature=" . Digest::SHA::hmac_sha256_hex($text, $key);
    };
    $same->("a signed header $_->[0]", $_->[1], $presigned->($_->[0]), $_->[0] => 1) for ['x-a', 'granted'], ['x_a', 'forged'], ['x.a', 'forged'];

    my %granted = map { ("secure_link_hmac$_" => 1) } qw(_args _expires _key_id _subject _uses);
    $same->("a link with \$$_", $granted{$_} ? 'granted' : 'revoked', $sign->("$origin/$_/a")) for @variables;
    $same->('an argument beside the link', 'revoked', $sign->("$origin/secure_link_hmac_args/a?x=1"));
    $same->('an old link', 'expired', $sign->("$origin/secure_link_hmac/a", '--now', $now - 7200));
};

subtest 'nginx.conf.example' => sub {
    my $nginx  = NginxServer->new;
    my $beside = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1')->sockport;
    my %files = map { ("data/$_" => "a file\n") } qw(files/report.pdf partners/acme/tower.png partners/globex/tower.png
        partners/initech/tower.png embed/umbrella/tower.png album/alice/beach.png hls/film/index.m3u8 legacy/manual.pdf);
    $files{'bucket/media/talk.ts'} = "a file\n";
    $files{"keys/$_.key"} = "$hex\n" for qw(files files-old acme initech umbrella hooli vandelay album media legacy);
    $files{"keys/$_.key"} = "ZKzw2uRP4qlsxcvAjGdCt2L2Q7Ppq1NjkjrIe9kYvAk=\n" for qw(globex hls);
    for my $name (sort keys %files) {
        make_path(dirname("$nginx->{dir}/$name"));
        $nginx->write_file($name, $files{$name}, $name =~ /^keys/ ? 0600 : 0644);
    }
    my $example = NginxServer::slurp("$FindBin::Bin/../nginx.conf.example");
    $example =~ s/^load_module \K\S+(?=;)/$nginx->{module}/m or die 'the example loads no module';
    $example =~ s/127\.0\.0\.1:8080/127.0.0.1:$nginx->{port}/g;
    $example =~ s/127\.0\.0\.1:8081/127.0.0.1:$beside/g;
    $nginx->write_file('nginx.conf', "daemon off;\n$example");
    $nginx->start;
    my $conf = "$nginx->{dir}/nginx.conf";
    my $until = $now + 600;
    for my $case (
        ['/files/', '/files/report.pdf'], ['/partners/acme/', '/partners/acme/tower.png'],
        ['/partners/initech/', '/partners/initech/tower.png'], ['/embed/', '/embed/umbrella/tower.png', '--key-id', 'umbrella'],
        ['~ ^/album/', '/album/alice/beach.png', '--set', 'member=alice'],
        ['/media/', '/media/talk.ts'], ['/legacy/', '/legacy/manual.pdf'],
    ) {
        my ($location, $path, @more) = @$case;
        my ($target, $headers) = signed("a link of $location", $path, '--conf', $conf, '--location', $location, @more);
        is_granted($nginx, 'it', $target, headers => $headers);
        my @headers = map { ('-H', "$_: $headers->{$_}") } keys %$headers;
        my ($code, $said, $complained) = tool('verify', $target, '--conf', $conf, '--location', $location, @headers, @more ? grep { !/key-id|umbrella/ } @more : ());
        is $said, "granted\n", 'also to the tool' or diag $complained;
    }
    for my $case (
        ['~ ^/partners/globex/(?<key>[\w-]+)/(?<until>\d+)(?<image>/.+)', '/partners/globex/%s/%s/tower.png', 'image=/tower.png', 'until'],
        ['~ ^/hls/', '/hls/%s/%s/film/index.m3u8', 'film=film', 'hls_until'],
    ) {
        my ($location, $form, $set, $name) = @$case;
        my ($code, $token, $complained) = tool('sign', '/', '--conf', $conf, '--location', $location, '--set', $set, '--set', "$name=$until", '--token-only');
        is $code, 0, "a token of $location is signed" or diag $complained;
        chomp $token;
        is_granted($nginx, 'it', sprintf $form, $token, $until);
        ($code, undef, $complained) = tool('sign', '/', '--conf', $conf, '--location', $location, '--token-only');
        is $code, 2, 'but not without what is in the path';
        like $complained, qr/nginx\.conf:\d+: "secure_link_hmac_message": .* is made by "location" \(\S+nginx\.conf:\d+\)/, 'which is said';
    }
};

# What nginx -t refuses where links are enforced, the tool tells in the same words.
subtest 'findings' => sub {
    for my $case (
        ['$arg_st,$arg_ts,$arg_e', '$1&$arg_ts&$arg_e', '"secure_link_hmac_message" uses "$1".*? has(?= in )', '--set', '1=x'],
        ['$arg_st,$2,$arg_e', '$uri&$2&$arg_e', '"secure_link_hmac" uses "$2".*? has(?= in )', '--set', '2=1700000000'],
        ['$arg_st,$arg_ts,$arg_e $cookie_st', '$uri&$arg_ts&$arg_e', '(?<=how a link is read: ).*? in the message(?= in )'],
        ['$arg_st,$arg_ts,$arg_e', '$uri$arg_ts|$arg_e', '(?<=is ambiguous: ).*?"&"(?= in )'],
    ) {
        my ($credential, $message, $words, @set) = @$case;
        $words =~ s/\$(?=\d)/\\\$/g;
        my $server = NginxServer->new;
        $server->configure(qq[location ~ ^/(.*)-?(.*) {
            secure_link_hmac $credential; secure_link_hmac_message $message;
            secure_link_hmac_secret "$hex"; secure_link_hmac_enforce on;
        }]);
        my ($said, $status) = $server->check;
        isnt $status, 0, "nginx refuses $credential with $message";
        my ($sentence) = $said =~ /($words)/ or do { fail "nginx says it: $said"; next };
        my (undef, undef, $complained) = tool('sign', '/x', '--conf', "$server->{dir}/nginx.conf", '--location', '~ ^/', @set);
        like $complained, qr/nginx refuses this policy where links are enforced: \Q$sentence\E\n/, 'and the tool tells';
    }
};

# What the tool knows is what the module has, and what its page says is what it has.
subtest 'tables' => sub {
    my $root = "$FindBin::Bin/..";
    my ($table) = NginxServer::slurp("$root/src/directives.rs") =~ /pub const DIRECTIVES: &\[Directive\] = &\[\n(.*?)^\];/ms;
    my @directives = $table =~ /c"(\w+)"/g;
    cmp_ok scalar @directives, '>', 20, 'the directives of the module';
    my $dir = File::Temp->newdir;
    for my $name (@directives, 'secure_link_hmac_nothing') {
        my $block = $name =~ /keyring/ ? '{ }' : ';';
        open my $conf, '>', "$dir/nginx.conf" or die "$dir: $!";
        print {$conf} "http { server { location / {\n $name x $block\n} } }\n";
        close $conf;
        my ($code, undef, $complained) = tool('verify', '/', '--conf', "$dir/nginx.conf", '--location', '/');
        is $complained =~ /is no directive/ ? 1 : 0, $name =~ /nothing/ ? 1 : 0, "$name is known, if it is one of the module" or diag $complained;
    }

    my $page = NginxServer::slurp("$root/docs/cli.md");
    my %flags;
    for my $command (qw(sign verify explain keygen completions man)) {
        $flags{$_} = 1 for (tool($command, '--help'))[1] =~ /^\s+(?:-\w, )?(--[a-z-]+)/mg;
    }
    delete $flags{'--help'};
    my %told = map { $_ => 1 } grep { $_ !~ /^--(?:release)$/ } $page =~ /(?<![\w-])(--[a-z][a-z-]*[a-z])/g;
    is_deeply [sort keys %told], [sort keys %flags], 'docs/cli.md tells of every flag, and of no other';
    my ($codes) = (tool('--help'))[1] =~ /^Exit codes:\n(.*)/ms;
    is_deeply [$page =~ /^\| (\d) \|/mg], [$codes =~ /^\s+(\d)  /mg], 'and of every exit code';
    my $key = "$dir/key";
    is +(tool('keygen', '--out', $key))[0], 0, 'a key is made';
    my @flags = ('--json', '--secret-file', $key);
    for my $case (['sign', 'sign', '/a', @flags], ['verify', 'verify', '/a', @flags], ['keygen', 'keygen', '--json']) {
        my ($command, @arguments) = @$case;
        my ($fields) = $page =~ /^\| `$command` \| (`[a-z_]+`.*) \|$/m;
        my $json = decode_json((tool(@arguments))[1]);
        is_deeply [sort $fields =~ /`(\w+)`/g], [sort keys %$json], "and of every field of $command";
    }
};

subtest 'completions and manual pages' => sub {
    my $dir = File::Temp->newdir;
    open my $script, '>', "$dir/complete" or die "$dir: $!";
    print {$script} (tool('completions', 'bash'))[1], <<'_END_';
complete_for() {
    COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
    _secure__link secure-link "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
    echo "${COMPREPLY[*]}"
}
complete_for secure-link ex
complete_for secure-link sign --loc
complete_for secure-link sign --scheme e
_END_
    close $script;
    is scalar `bash "$dir/complete"`, "explain\n--location\nedgeauth\n", 'bash completes commands, flags and their values';
    for my $shell (qw(zsh fish)) {
        my ($code, $said) = tool('completions', $shell);
        is $code, 0, "there are completions for $shell";
        like $said, qr/escape-early/, 'with all flags';
    }
    is +(tool('man', '--directory', "$dir"))[0], 0, 'manual pages are written';
    is_deeply [map { s{.*/}{}r } sort glob "$dir/*.1"],
        [(map { "secure-link-$_.1" } qw(completions explain keygen man sign verify)), 'secure-link.1'], 'one for each command';
};

# Configurations of the documentation: a page, a heading, a path, and what else is to be said.
my @pages = (
    ['../README.md', 'First link', '/files/a'],
    ['schemes.md', 'Downloads by presigned URLs', '/files/a'],
    ['schemes.md', 'A film under one token', 'http://video.example.com/hls/film/a'],
    ['schemes.md', 'A token for each image', '/images/a'],
    ['schemes.md', 'A cookie for a folder', '/albums/a', '--audience', 'files.example.com'],
    ['recipes.md', "HanadaLee's module", '/files/a'],
    ['recipes.md', 'Laravel', '/files/a'],
    ['guides/first-link.md', 'The configuration', '/files/a'],
    ['guides/first-link.md', 'Hide where the files are', '/files/a'],
    ['guides/downloads.md', 'Links that work once', '/paid/a?order=4711'],
    ['guides/downloads.md', 'A quota for each customer', '/library/a', '--subject', 'alice'],
    ['guides/from-secure-link.md', 'After', '/files/a'],
    ['guides/from-c-module.md', 'Unchanged', '/files/a'],
    ['guides/from-c-module.md', 'Enforced', '/files/a'],
    ['guides/from-auth-request.md', 'A link alone', '/files/a'],
    ['guides/private-links.md', 'All of it', '/files/a'],
    ['guides/partners.md', 'The keys', '/files/a', '--key-id', 'globex'],
    ['guides/partners.md', 'A folder for each partner', '/partners/acme/a', '--set', 'partner=acme', '--location', '~ ^/partners/(?<partner>[a-z0-9]+)/'],
    ['guides/partners.md', 'A quota for each partner', '/files/a?key=acme'],
    ['guides/rotation.md', 'Both keys', '/files/a'],
    ['guides/rotation.md', 'Keys with names', '/files/a', '--key-id', 'acme'],
    ['guides/rotation.md', 'Links that have leaked', '/files/a', '--key-id', 'acme'],
    ['guides/rotation.md', 'A key that has leaked', '/files/a', '--key-id', 'acme'],
    ['guides/never-matches.md', 'Let nginx say it', '/files/a'],
);

for my $case (@pages) {
    my ($name, $heading, $url, @flags) = @$case;
    subtest "$name: $heading" => sub {
        my $page  = Recipes->new($name);
        my $block = $page->{blocks}{$heading}{nginx} or die "$name has no configuration below \"$heading\"\n";
        my %files;
        while ($block =~ /file:(\S+?)(?:;|\s+(?:format=(\w+))?)/g) {
            $files{$1} = ($2 // '') eq 'base64' ? "ZKzw2uRP4qlsxcvAjGdCt2L2Q7Ppq1NjkjrIe9kYvAk=\n" : sha($1) . "\n";
        }
        my $recipe = $page->recipe($heading, files => \%files, inside => ($name eq '../README.md' ? 'server' : ''),
            changed => { $block =~ /(error_log \S+ info;)/ ? ($1 => '') : () });    # what is logged is looked for in the one log
        my $nginx  = $recipe->{nginx};
        my $conf   = "$nginx->{dir}/nginx.conf";
        my ($host) = $url =~ m{^http://([^/]+)};
        $url = "http://files.example.com$url" unless $host;
        $host ||= 'files.example.com';
        my @chosen;
        push @chosen, splice @flags, $_, 2 for reverse grep { $flags[$_] =~ /^--(?:set|location)$/ } 0 .. $#flags;
        @chosen = ('--server', "127.0.0.1:$nginx->{port}", '--location', '/files/') if $name eq '../README.md';
        my ($target, $headers, $json) = signed('a link', $url, '--conf', $conf, @chosen, @flags);
        my $ask = sub { my $answer = $nginx->get($_[0], headers => { Host => $host, %$headers }); $answer->{status} };
        # The file is not there; who is let in is told so.
        my $before = () = verdicts($nginx);
        like $ask->($target), qr/^(?:200|404|502)$/, 'it is granted' or diag "$target\n", last_line($nginx);
        is scalar(() = verdicts($nginx)), $before, 'and nothing is refused';
        (my $changed = $json->{token}) =~ s/(.)(.{4})$/($1 eq '0' ? '1' : '0') . $2/e;
        my $bad = $target =~ s/\Q$json->{token}/$changed/r;
        s/\Q$json->{token}/$changed/ for values %$headers;
        my $status = $ask->($bad);
        my $said = explained("http://$host$bad", $conf, headers => $headers, flags => \@chosen);
        is $said->{verdict}, 'forged', 'with another token it is forged to the tool' or diag $said->{complained};
        my @logged = verdicts($nginx);
        my $enforced = $block =~ /secure_link_hmac_enforce/;
        is $logged[-1], 'forged', 'and to nginx' if $enforced;
        is $status, $enforced ? $said->{status} : 404, 'with its status';
    };
}

sub sha { Digest::SHA::sha256_hex($_[0]) }

done_testing;
