# secure_link_hmac_require: claims that must have a value.

use strict;
use warnings;

use lib 't/lib';
use SchemeLinks;
use Test::Nginx::Socket 'no_plan';
use Verdicts <<'_EOC_';
    secure_link_hmac_scheme jwt;
    secure_link_hmac $arg_token;
    secure_link_hmac_secret 0123456789abcdef0123456789abcdef;
_EOC_

add_block_preprocessor(sub {
    my ($block) = @_;
    $block->set_value(http_config => CORE::join "\n", 'secure_link_hmac_keyring media { k1 hex:' . edgeauth_key . '; }',
        'secure_link_hmac_keyring aws { AKIAIOSFODNN7EXAMPLE hex:' . unpack('H*', sigv4_secret) . '; }', $block->http_config || ());
});

# [verdict, a link whose payload has these members besides those that make it good].
sub with { my ($verdict, $members, $at, $headers) = @_; return [$verdict,
    jwt_link($at || '/f', '{"path":"*","exp":9000000000' . ($members && ",$members") . '}'), $headers] }

no_long_string();
run_tests();

__DATA__

=== a claim has the value, or the link is for another place
--- config
secure_link_hmac_require role=editor;
--- cases eval
(map { ::with('granted', $_) } '"role":"editor"', '"role":"\u0065ditor"', '"x":1,"role":"editor"'),
(map { ::with('out_of_scope', $_) } '', '"role":"reader"', '"role":"Editor"', '"role":"editor "', '"role":"editors"', '"role":"edito"', '"role":""',
    '"role":null', '"role":["editor"]', '"role":{"editor":1}', '"role":"editor\u0000"', '"role":true', '"role":5', '"Role":"editor"',
    '"role ":"editor"', '"roles":"editor"',
    '"x":{"role":"editor"}', '"sub":"role=editor"'),
['forged', jwt_link('/f', {path => '*', role => 'editor'}, secret => 'x' x 32)],
['expired', jwt_link('/f', {path => '*', role => 'editor', exp => 1})], ['expired', jwt_link('/f', {path => '*', exp => 1})]



=== a name is that of the claim, to the letter
--- config
location /a/ { secure_link_hmac_require x-y=1; empty_gif; }
location /b/ { secure_link_hmac_require x_y=1; empty_gif; }
location /c/ { secure_link_hmac_require http://example.com/is_root=true; empty_gif; }
location /d/ { secure_link_hmac_require "a b=c d"; empty_gif; }
location /e/ { secure_link_hmac_require eq=a=b; empty_gif; }
--- cases eval
::with('granted', '"x-y":1', '/a/'), ::with('out_of_scope', '"x_y":1', '/a/'), ::with('granted', '"x_y":1', '/b/'),
::with('out_of_scope', '"x-y":1', '/b/'), ::with('out_of_scope', '"X-Y":1', '/a/'), ::with('granted', '"http://example.com/is_root":true', '/c/'),
::with('out_of_scope', '"http://example.com/is_root":false', '/c/'),
::with('granted', '"a b":"c d"', '/d/'), ::with('out_of_scope', '"a b":"c"', '/d/'), ::with('granted', '"eq":"a=b"', '/e/'),
::with('out_of_scope', '"eq":"a"', '/e/'),
# What a variable would not know how to tell apart.
::with('granted', '"x-y":1,"x_y":2,"X-Y":3', '/a/')



=== numbers and booleans are compared by their text
--- config
location /5 { secure_link_hmac_require n=5; empty_gif; }
location /true { secure_link_hmac_require n=true; empty_gif; }
location /null { secure_link_hmac_require n=null; empty_gif; }
location /list { secure_link_hmac_require n=["a"]; empty_gif; }
location /object { secure_link_hmac_require 'n={"a":1}'; empty_gif; }
location /quoted { secure_link_hmac_require 'n="5"'; empty_gif; }
--- cases eval
::with('granted', '"n":5', '/5'), ::with('granted', '"n":"5"', '/5'),
(map { ::with('out_of_scope', "\"n\":$_", '/5') } '5.0', '50', '-5', '5e0', '[5]', 'true', '"05"', '" 5"'),
::with('granted', '"n":true', '/true'), ::with('granted', '"n":"true"', '/true'),
(map { ::with('out_of_scope', "\"n\":$_", '/true') } 'false', '1', '"True"', '[true]', 'null'), ::with('out_of_scope', '"n":null', '/null'),
::with('granted', '"n":"null"', '/null'),
::with('out_of_scope', '"n":["a"]', '/list'), ::with('granted', '"n":"[\"a\"]"', '/list'), ::with('out_of_scope', '"n":{"a":1}', '/object'),
::with('out_of_scope', '"n":"5"', '/quoted'), ::with('out_of_scope', '"n":5', '/quoted'), ::with('granted', '"n":"\"5\""', '/quoted')



=== of arrays only aud can match
--- config
location /aud { secure_link_hmac_require aud=$host; empty_gif; }
location /role { secure_link_hmac_require role=editor; empty_gif; }
--- cases eval
(map { ::with('granted', "\"aud\":$_", '/aud') } '"localhost"', '["localhost"]', '["a","localhost","b"]', '["localhost","localhost"]',
    '[ "\u006cocalhost" ]'), (map { ::with('out_of_scope', "\"aud\":$_", '/aud') } '"x"', '[]', '["x"]', '["x","y"]', '""', '[""]', '["localhostx"]',
    '"[\"localhost\"]"'), ::with('out_of_scope', '', '/aud'),
::with('granted', '"aud":"media.example"', '/aud', 'Host: media.example'),
::with('out_of_scope', '"aud":"media.example"', '/aud', 'Host: other.example'),
::with('granted', '"aud":["media.example"]', '/aud', 'Host: Media.Example:8080'), ::with('out_of_scope', '"role":["editor"]', '/role'),
::with('out_of_scope', '"role":"editor","aud":"localhost"', '/role')



=== every value must be there, and an empty one never is
--- config
location /all { secure_link_hmac_require a=1 b=2 c=$arg_c; empty_gif; }
location /empty { secure_link_hmac_require a=$arg_none; empty_gif; }
location /mixed { secure_link_hmac_require "a=$arg_x-${arg_y}"; empty_gif; }
--- cases eval
my $case = sub { my ($verdict, $claims, $at, $args) = @_; return [$verdict, jwt_link($at, {path => '*', %$claims}, args => $args)] };
$case->('granted', {a => 1, b => 2, c => 3}, '/all', 'c=3'),
(map { $case->('out_of_scope', $_, '/all', 'c=3') } {}, {a => 1}, {a => 1, b => 2}, {a => 1, b => 3, c => 3}, {a => 2, b => 2, c => 3},
    {a => 1, b => 2, c => 4}, {b => 2, c => 3}), $case->('out_of_scope', {a => 1, b => 2, c => ''}, '/all'),
$case->('out_of_scope', {a => 1, b => 2, c => ''}, '/all', 'c='),
(map { $case->('out_of_scope', $_, '/empty') } {}, {a => ''}, {a => 'x'}, {a => undef}), $case->('granted', {a => 'p-q'}, '/mixed', 'x=p&y=q'),
$case->('granted', {a => '-'}, '/mixed'), $case->('out_of_scope', {a => 'p'}, '/mixed', 'x=p')



=== it is inherited as a whole, and replaced as a whole
--- config
secure_link_hmac_require a=1 aud=x;
location /same/ { secure_link_hmac_leeway 1m; empty_gif; }
location /other/ { secure_link_hmac_require b=2; empty_gif; }
--- cases eval
(map { (::with('granted', '"a":1,"aud":"x"', $_), ::with('out_of_scope', '"a":1', $_), ::with('out_of_scope', '"b":2', $_)) } '/f', '/same/f'),
::with('granted', '"b":2', '/other/f'), ::with('out_of_scope', '"a":1', '/other/f'), ::with('out_of_scope', '"b":2,"aud":"x"', '/other/f')



=== fields of EdgeAuth, and signed arguments of sigv4
--- config
location /edgeauth/ {
    secure_link_hmac_scheme edgeauth;
    secure_link_hmac $arg_hdnts;
    secure_link_hmac_keys media;
    secure_link_hmac_require data=acme;
    empty_gif;
}
location /edgeauth/id/ {
    secure_link_hmac_scheme edgeauth;
    secure_link_hmac $arg_hdnts;
    secure_link_hmac_keys media;
    secure_link_hmac_require id=$cookie_session;
    empty_gif;
}
location /edgeauth/early/ {
    secure_link_hmac_scheme edgeauth escape_early;
    secure_link_hmac $arg_hdnts;
    secure_link_hmac_keys media;
    secure_link_hmac_require "data=a b";
    empty_gif;
}
location /sigv4/ { secure_link_hmac_scheme sigv4; secure_link_hmac_keys aws; secure_link_hmac_require response-content-type=text/plain; empty_gif; }
--- cases eval
my $ea = sub { my ($verdict, %fields) = @_; return [$verdict, edgeauth_link('/edgeauth/f', acl => '*', %fields)] };
my $id = sub { my ($verdict, $headers, %fields) = @_; return [$verdict, edgeauth_link('/edgeauth/id/f', acl => '*', %fields), $headers] };
$ea->('granted', data => 'acme'), $ea->('granted', data => 'acme', id => 'x'),
(map { $ea->('out_of_scope', @$_) } [], [data => 'globex'], [data => ''], [data => 'ACME'], [id => 'acme'], [data => 'acme%20']),
$ea->('forged', data => 'acme', key => '00' x 16),
$id->('granted', 'Cookie: session=s1', id => 's1'), $id->('out_of_scope', 'Cookie: session=s2', id => 's1'), $id->('out_of_scope', '', id => 's1'),
$id->('out_of_scope', 'Cookie: session=', id => ''), $id->('out_of_scope', 'Cookie: session=s1', data => 's1'),
['granted', edgeauth_link('/edgeauth/early/f', acl => '*', data => 'a b', early => 'form')],
['out_of_scope', edgeauth_link('/edgeauth/early/f', acl => '*', data => 'a+b', early => 'form')],
(map { my ($verdict, @args) = @$_; [$verdict, sigv4('/sigv4/k', args => \@args)] } ['granted', 'response-content-type' => 'text/plain'],
    ['granted', a => 1, 'response-content-type' => 'text/plain'], ['out_of_scope'], ['out_of_scope', 'response-content-type' => 'text/html'],
    ['out_of_scope', 'Response-Content-Type' => 'text/plain'],
    ['out_of_scope', 'response_content_type' => 'text/plain'],
    ['out_of_scope', 'response-content-type' => 'text/plain', 'response-content-type' => 'text/plain'],
    ['out_of_scope', 'response-content-type' => 'text/html', 'response-content-type' => 'text/plain']),
['forged', sigv4('/sigv4/k') . '&response-content-type=text/plain']
