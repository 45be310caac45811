# secure_link_hmac_scheme jwt: the claims that narrow a token down, and those that say more than is checked. `ip` is in
# t/client-binding.t, `secure_link_hmac_require` in t/require.t, globs as such in t/scope.t.

use strict;
use warnings;

use lib 't/lib';
use SchemeLinks;
use Test::Nginx::Socket 'no_plan';
use Verdicts <<'_EOC_';
    secure_link_hmac_scheme jwt;
    secure_link_hmac $arg_token;
    secure_link_hmac_secret 0123456789abcdef0123456789abcdef;
    add_header X-Subject "[$secure_link_hmac_subject]" always;
_EOC_

use Digest::SHA qw(sha256);
use MIME::Base64 qw(encode_base64url);

# cdniuc of a URI.
sub hash { return 'hash:sha-256;' . encode_base64url(sha256($_[0])) }

# A link for /f/a, good but for these claims.
sub with { my ($claims, %options) = @_; return jwt_link('/f/a', {path => '/f/*', %$claims}, %options) }

# The same of JSON text: more members behind those that make it good.
sub of { my ($members, %options) = @_; return jwt_link('/f/a', qq({"path":"/f/*","exp":9000000000$members}), %options) }

no_long_string();
run_tests();

__DATA__

=== path is a glob, or several, of which one must match
--- cases eval
my $case = sub { my ($verdict, $at, $path) = @_; return [$verdict, jwt_link($at, {path => $path})] };
$case->('granted', '/f/a', '/f/a'), $case->('granted', '/f/a', '/f/*'), $case->('granted', '/f/a', '*'), $case->('granted', '/f/a', '/?/?'),
$case->('out_of_scope', '/f/b', '/f/a'),
$case->('granted', '/f/a', ['/x', '/f/a']), $case->('granted', '/f/a', ['/f/a', '/x']), $case->('granted', '/f/a', ['/x', '/y/*', '/f/*', '/z']),
$case->('out_of_scope', '/f/a', ['/x', '/y/*']),
$case->('out_of_scope', '/f/a', []), $case->('out_of_scope', '/f/a', ''), $case->('out_of_scope', '/f/a', ['']),
$case->('granted', '/f/a', ['', '*']),
# These are EdgeAuth's separators and escapes, not ours.
$case->('out_of_scope', '/f/a', '/x!/f/a'), $case->('out_of_scope', '/f/a', '/x,/f/a'), $case->('out_of_scope', '/f/a', '/f/%61'),
$case->('granted', '/f/!a', '/f/!*'),
$case->('granted', '/f/%25a', '/f/%a'), $case->('granted', '/f/a%20b', '/f/a b'), $case->('out_of_scope', '/f/a%20b', '/f/a+b'),
$case->('granted', '/f/a+b', '/f/a+b'),
['granted', jwt_link('/f/a', '{"exp":9000000000,"path":"\u002ff\/\u0061"}')],
['granted', jwt_link('/f/%C3%A4%f0%9f%98%80', '{"exp":9000000000,"path":"/f/\u00e4\ud83d\ude00"}')],
['granted', jwt_link('/f/%C3%A4', "{\"exp\":9000000000,\"path\":\"/f/\xc3\xa4\"}")],
['out_of_scope', jwt_link('/f/%E4', "{\"exp\":9000000000,\"path\":\"/f/\xc3\xa4\"}")]



=== as many globs as a token has room for
--- cases eval
['granted', jwt_link('/f/a', {path => [(map { "/$_" } 1 .. 31), '/f/a']})], ['out_of_scope', jwt_link('/f/a', {path => [map { "/$_" } 1 .. 31]})]



=== cdniuc is the hash of the whole URI, without the token's argument
--- cases eval
my $case = sub { my ($verdict, $at, $uri, $more, $headers) = @_; return [$verdict, jwt_link($at, {cdniuc => ::hash($uri), %{$more || {}}}),
    $headers] };
my $in = sub { my ($before, $uri, $after) = @_; return "$before?x=1&token=" . jwt({cdniuc => ::hash($uri)}) . $after };
$case->('granted', '/f/a', 'http://localhost/f/a'), $case->('granted', '/', 'http://localhost/'),
$case->('out_of_scope', '/f/b', 'http://localhost/f/a'),
$case->('out_of_scope', '/f/a', 'https://localhost/f/a'), $case->('out_of_scope', '/f/a', 'http://other/f/a'),
$case->('out_of_scope', '/f/a', '/f/a'), $case->('out_of_scope', '/f/a', 'http://localhost/f/a?'),
$case->('granted', '/f/a', 'http://media.example/f/a', {}, 'Host: media.example'),
$case->('granted', '/f/a', 'http://media.example/f/a', {}, 'Host: Media.Example'),
$case->('granted', '/f/a', 'http://media.example:8080/f/a', {}, 'Host: media.example:8080'),
$case->('out_of_scope', '/f/a', 'http://media.example/f/a', {}, 'Host: media.example:8080'),
['granted', $in->('/f/a', 'http://localhost/f/a?x=1', '')], ['granted', $in->('/f/a', 'http://localhost/f/a?x=1&y=2', '&y=2')],
['out_of_scope', $in->('/f/a', 'http://localhost/f/a?x=1', '&y=2')],
['out_of_scope', $in->('/f/a', 'http://localhost/f/a?x=1&y=2', '&y=3')], ['out_of_scope', $in->('/f/a', 'http://localhost/f/a', '')],
['granted', jwt_link('/f/a', {cdniuc => ::hash('http://localhost/f/a?y=2')}, args => 'y=2')],
# Another way to write the same URI.
$case->('granted', '/f/%61', 'http://localhost/f/a'), $case->('granted', '/f/%7e', 'http://localhost/f/~'),
$case->('granted', '/f/a%c3%a4', 'http://localhost/f/a%C3%A4'), $case->('granted', '/f/./a', 'http://localhost/f/a'),
$case->('granted', '/f/x/../a', 'http://localhost/f/a'), $case->('out_of_scope', '/f/a%2Fb', 'http://localhost/f/a/b'),
$case->('granted', '/f/a%2fb', 'http://localhost/f/a%2Fb')



=== the URI of cdniuc is that of what is served
--- cases eval
my $token = sub { jwt({cdniuc => ::hash("http://localhost$_[0]")}) };
# nginx takes slashes together, and decodes those that are escaped, before it resolves dots: RFC 3986 after.
(map { ['out_of_scope', "$_?token=" . $token->('/f/a')] } '/f//../a', '/f//%2e%2e/a', '/f/%2F/../a', '/f/x%2Fy/../a', '/f/x%2fy/%2e./a',
    '/f//../g%2Fx/../a', '/f//../g%2Fh%2Fx/../a', '/f//a', '//f/a'),
['out_of_scope', '/f//a?token=' . $token->('/f//a')],
(map { ['granted', "$_?token=" . $token->('/f/a')] } '/f/a', '/f/x/../a', '/f/%78/%2e%2E/a', '/./f/a'),
['granted', '/f/a%2Fb?token=' . $token->('/f/a%2Fb')], ['granted', '/f/a%25b?token=' . $token->('/f/a%25b')],
# Of an absolute target nginx takes the host, whatever the header says.
['out_of_scope', 'http://other.example/f/a?token=' . $token->('/f/a'), 'Host: localhost'],
['out_of_scope', 'http://localhost/f/a?token=' . $token->('/f/a'), 'Host: other.example'],
['granted', 'http://localhost/f/a?token=' . $token->('/f/a'), 'Host: localhost'],
['out_of_scope', '/f/a?token=' . $token->('/f/a'), 'Host: localhost:80:80']



=== of the URI no argument but the token's own is left out
--- config
location /two { secure_link_hmac $arg_URISigningPackage $arg_token; empty_gif; }
location /cookie { secure_link_hmac $cookie_URISigningPackage; empty_gif; }
location /none { secure_link_hmac $http_authorization $arg_token; empty_gif; }
--- cases eval
my $token = sub { jwt({cdniuc => ::hash("http://localhost$_[0]")}) };
['granted', '/two?URISigningPackage=' . $token->('/two?x=1') . '&x=1'], ['granted', '/two?x=1&URISigningPackage=' . $token->('/two?x=1')],
['granted', '/two?token=&x=1&URISigningPackage=' . $token->('/two?x=1')], ['granted', '/two?token=' . $token->('/two?x=1&y') . '&x=1&y'],
['granted', '/two?URISigningPackage=' . $token->('/two')], ['out_of_scope', '/two?URISigningPackage=' . $token->('/two?URISigningPackage=')],
['granted', '/cookie?x=1&token=2', 'Cookie: URISigningPackage=' . $token->('/cookie?x=1&token=2')],
['granted', '/cookie', 'Cookie: URISigningPackage=' . $token->('/cookie')],
['out_of_scope', '/cookie?', 'Cookie: URISigningPackage=' . $token->('/cookie?x')],
['granted', '/none?x=1', 'Authorization: Bearer ' . $token->('/none?x=1')],
['out_of_scope', '/none?x=2', 'Authorization: Bearer ' . $token->('/none?x=1')]



=== of path and cdniuc both must hold
--- cases eval
my $hash = ::hash('http://localhost/f/a');
['granted', jwt_link('/f/a', {cdniuc => $hash})], ['granted', jwt_link('/f/a', {cdniuc => $hash, path => '/f/*'})],
['out_of_scope', jwt_link('/f/a', {cdniuc => $hash, path => '/g/*'})],
['out_of_scope', jwt_link('/f/b', {cdniuc => $hash, path => '/f/*'})], ['out_of_scope', jwt_link('/f/a', {cdniuc => $hash, path => []})]



=== what cannot be checked is not granted
--- config
location /any/ { secure_link_hmac_scope any; empty_gif; }
--- cases eval
my $hash = ::hash('http://localhost/f/a') =~ s/.*;//r;
(map { ['out_of_scope', ::with({cdniuc => $_})] } 'regex:.*', 'regex:^http://localhost/f/a$', 'regex:'),
(map { ['out_of_scope', jwt_link('/any/a', {cdniuc => $_})] } 'regex:.*', 'regex:http://localhost/any/a'),
(map { my $claims = $_; map { ['out_of_scope', jwt_link($_, {path => '*', %$claims})] } '/f/a', '/any/a' } {cdniip => '127.0.0.1'},
    {cdniip => '0.0.0.0/0'}, {cdniip => '::/0'}, {cdniip => 'eyJ.a.b'}),
['granted', ::with({cdniuc => "hash:sha-256;$hash"})],
# Refused, one way or the other.
(map { ['403', ::with({cdniuc => $_})] } '', 'hash', 'hash:', 'hash:sha-256', 'hash:sha-256;', "hash:sha-512;$hash", "hash:sha-1;$hash",
    "hash:md5;$hash", "HASH:SHA-256;$hash", "sha-256;$hash", $hash,
    "hash:sha-256;$hash=", "hash:sha-256;$hash;$hash", "hash:sha-256; $hash", "hash:sha-256;" . 'A' x 43, "hash:sha-256;" . substr($hash, 1),
    'uri:http://localhost/f/a', 'http://localhost/f/a'),
(map { ['malformed', ::of(",\"cdniuc\":$_")] } 5, 'null', 'true', '[]', '["regex:.*"]', '{}'),
(map { ['403', ::of(",\"cdniip\":$_")] } 5, '[]', '{}', '""')



=== cdnicrit names what must be understood
--- cases eval
(map { ['granted', ::with({cdnicrit => $_})] } 'exp', 'path', 'exp,path', 'path,exp,nbf,iat'),
(map { ['malformed', ::with({cdnicrit => $_})] } 'x', 'exp,x', 'x,exp', 'EXP', 'cdnistt', 'cdniets', 'exp,cdnistd', 'crit'),
(map { ['malformed', ::of(",\"cdnicrit\":$_")] } 5, 'null', 'true', '["exp"]', '[]', '{}'),
['403', ::with({cdnicrit => 'cdniip', cdniip => '127.0.0.1'})], ['out_of_scope', ::with({cdnicrit => 'cdniuc', cdniuc => 'regex:.*'})]



=== crit in the header is never understood
--- cases eval
(map { ['malformed', ::with({}, header => qq({"alg":"HS256","crit":$_}))] } '["exp"]', '[]', '["b64"]', '["b64"],"b64":true', '["b64"],"b64":false',
    '["http://example.com/UNDEFINED"]', '"exp"', 'null', 'false', '{}', '5'),
['malformed', ::with({}, header => '{"alg":"HS256","\u0063rit":["exp"]}')],
# As a claim it is a word as any.
['granted', ::with({crit => ['exp']})], ['granted', ::with({}, header => '{"alg":"HS256","Crit":["exp"]}')]



=== cdniv is 1
--- cases eval
['granted', ::with({cdniv => 1})], (map { ['out_of_scope', ::with({cdniv => $_})] } 0, 2, -1, 10),
(map { ['403', ::of(",\"cdniv\":$_")] } '"1"', '"2"', 'null', 'true', '[1]', '{}', '1.5', '1e400', '9' x 40)



=== method is GET, which admits HEAD, or another, or several
--- config
location /w/ { secure_link_hmac_methods GET HEAD PUT POST; empty_gif; }
--- cases eval
my $case = sub { my ($expected, $method, $claim) = @_; return [$expected, "$method " . jwt_link('/w/a', {path => '*', method => $claim})] };
$case->('granted', 'GET', 'GET'), $case->('granted', 'HEAD', 'GET'), $case->('granted', 'HEAD', 'HEAD'), $case->('out_of_scope', 'GET', 'HEAD'),
$case->('out_of_scope', 'PUT', 'GET'), $case->('405 granted', 'PUT', 'PUT'),
$case->('out_of_scope', 'GET', 'PUT'), $case->('out_of_scope', 'POST', 'PUT'), $case->('granted', 'GET', ['PUT', 'GET']),
$case->('granted', 'HEAD', ['PUT', 'GET']), $case->('405 granted', 'PUT', ['PUT', 'GET']),
$case->('out_of_scope', 'POST', ['PUT', 'GET']), $case->('out_of_scope', 'GET', []), $case->('out_of_scope', 'GET', ''),
$case->('out_of_scope', 'GET', ['']), $case->('out_of_scope', 'GET', 'get'), $case->('out_of_scope', 'GET', '*'),
$case->('out_of_scope', 'GET', 'GET,PUT'), $case->('out_of_scope', 'GET', 'GET PUT'), $case->('out_of_scope', 'GET', ' GET'),
['out_of_scope', 'PUT ' . jwt_link('/f/a', {path => '*', method => 'PUT'})], ['granted', jwt_link('/f/a', {path => '*', method => 'GET'})],
(map { ['malformed', jwt_link('/w/a', qq({"path":"*","exp":9000000000,"method":$_}))] } 5, 'null', 'true', '{}', '["GET",5]', '["GET",null]',
    '[["GET"]]')



=== aud must be required somewhere
--- config
location = /f/host { secure_link_hmac_require aud=$host; empty_gif; }
location = /f/other { secure_link_hmac_require iss=acme; empty_gif; }
--- cases eval
my $case = sub { my ($expected, $at, %claims) = @_; return [$expected, jwt_link($at, {path => '/f/*', %claims})] };
$case->('granted', '/f/a'), (map { $case->('out_of_scope', '/f/a', aud => $_) } 'localhost', '', ['localhost'], [], '*'),
$case->('granted', '/f/host', aud => 'localhost'), $case->('granted', '/f/host', aud => ['a', 'localhost']),
(map { $case->('out_of_scope', '/f/host', aud => $_) } 'other', '', [], ['other'], 'LOCALHOST', 'localhost '), $case->('out_of_scope', '/f/host'),
$case->('granted', '/f/other', iss => 'acme'), $case->('out_of_scope', '/f/other', iss => 'acme', aud => 'localhost'),
(map { ['malformed', jwt_link('/f/host', qq({"path":"*","exp":9000000000,"aud":$_}))] } 5, 'null', 'true', '{}', '["localhost",5]', '[["localhost"]]',
    '["localhost",null]')



=== sub is the subject
--- cases eval
(map { ["granted\nX-Subject: [$_]", ::with({sub => $_})] } 'acme', '', 'a b', 'mail@example.com', '"quoted"', '\\', '<script>', '$uri', 'x' x 500),
["granted\nX-Subject: []", ::with({})], ["granted\nX-Subject: [acme]", ::of(',"sub":"\u0061c\u006de"')],
["granted\nX-Subject: [a/b]", ::of(',"sub":"a\/b"')], ["granted\nX-Subject: [\xc3\xa4]", ::of(',"sub":"\u00e4"')],
["granted\nX-Subject: [\xf0\x9f\x98\x80]", ::of(',"sub":"\ud83d\ude00"')],
(map { ["malformed\nX-Subject: []", ::of(",\"sub\":\"$_\"")] } '\n', 'a\nb', 'a\r\nSet-Cookie: x=1', 'a\u0000', '\u000a', '\t', '\b', '\f',
    '\u001b[31m', '\u001f', '\u007f', "\x7f"),
(map { ["malformed\nX-Subject: []", ::of(",\"sub\":$_")] } 5, 'null', 'true', '[]', '["acme"]', '{}')



=== what is not listed is not checked
--- cases eval
(map { ['granted', ::of($_)] } ',"jti":"x"', ',"jti":5', ',"jti":null', ',"admin":true', ',"cdnistt":1', ',"EXP":1', ',"Path":"/g"', ',"exp ":1',
    ',"":""', ',"secret":"0123456789abcdef0123456789abcdef"'),
['granted', jwt_link('/f/a', {path => '*', x => [1, {y => [2]}]})]
