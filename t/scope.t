# Globs, of a JWT's `path` and an EdgeAuth token's `acl`: they are matched with the path that is served.

use strict;
use warnings;

use lib 't/lib';
use SchemeLinks;
use Test::Nginx::Socket 'no_plan';
use Verdicts <<'_EOC_';
    secure_link_hmac_scheme jwt;
    secure_link_hmac $arg_token;
    secure_link_hmac_secret 0123456789abcdef0123456789abcdef;
    location /ea/ { secure_link_hmac_scheme edgeauth; secure_link_hmac $arg_hdnts; secure_link_hmac_keys media; empty_gif; }
_EOC_

add_block_preprocessor(sub {
    my ($block) = @_;
    $block->set_value(http_config => 'secure_link_hmac_keyring media { k1 hex:' . edgeauth_key . '; }');
});

# Both schemes: what becomes of a request for this target with a token of that glob. An acl has characters that
# separate and escape, and stands below /ea.
sub both {
    my ($verdict, $glob, @targets) = @_;
    my $acl = edgeauth(acl => "/ea$glob" =~ s/([!%])/sprintf '%%%02x', ord $1/ger);
    return map { ([$verdict, jwt_link($_, {path => $glob})], $glob =~ m{\A/[^~!]*\z} ? [$verdict, "/ea$_?hdnts=" . aws_encode($acl)] : ()) } @targets;
}

sub yes { return both('granted', @_) }
sub no_ { return both('out_of_scope', @_) }

# Globs and paths of few letters, and what a regular expression says of them.
sub random_cases {
    srand 20240229;
    my $text = sub { my ($letters, $most) = @_; return join '', map { $letters->[rand @$letters] } 1 .. rand $most };
    return map {
        my ($glob, $path) = ('/' . $text->(['a', 'b', '*', '*', '?'], 10), '/' . $text->(['a', 'a', 'b'], 12));
        my $pattern = join '', map { $_ eq '*' ? '.*' : $_ eq '?' ? '.' : quotemeta } split //, $glob;
        both($path =~ /\A$pattern\z/s ? 'granted' : 'out_of_scope', $glob, $path);
    } 1 .. 300;
}

no_long_string();
run_tests();

__DATA__

=== a folder is what is below it, and nothing else
--- cases eval
::yes('/a/*', '/a/', '/a/b', '/a/b/c/d', '/a/.b', '/a/b%20c', '/a/%C3%A4', '/a/b%0Ac', '/a/..b', '/a/...', '/a/%2e%2e%2e'),
::no_('/a/*', '/', '/a', '/ab', '/ab/c', '/A/b', '/b', '/b/a/c', '/a%20/b', '/a.b'),
::no_('/a/*', '/a/../b', '/a/..', '/a/b/../../c', '/a/./../b', '/a//../b', '/a%2f..%2fb', '/a%2F..%2Fb', '/a/%2e%2e/b', '/a/%2E%2E/b', '/a/.%2e/b',
    '/a/%2e./b', '/a%2f%2e%2e%2fb', '/a/..%2fb', '/a/b/..%2f..%2fc', '/a/../ab', '/a/x/../../ab/c')



=== the path is the one that nginx has made of the request
--- cases eval
::yes('/a/b', '/a/b', '//a/b', '/a//b', '/a///b', '/./a/./b', '/a/c/../b', '/%61/b', '/%61%2f%62', '/a%2Fb', '/c/../a/b', '/a%2f%2fb',
    '/a/b/c/..%2f../b'),
::no_('/a/b', '/a/b/', '/a/b/.', '/a/b/c', '/a/c', '/a/B', '/A/b', '/a/b%20', '/a/b%0a', '/a/b/..', '/a/b%2f', '/a/b%252fc', '/%2561/b', '/a/b%3fx'),
::yes('/a/%61', '/a/%2561'), ::no_('/a/%61', '/a/a'), ::yes('/a/b?c', '/a/b%3fc', '/a/bxc', '/a/b/c'), ::yes('/a b', '/a%20b'),
::no_('/a+b', '/a%20b'), ::yes('/a+b', '/a+b', '/a%2bb'),
['granted', 'GET http://localhost' . jwt_link('/a/b', {path => '/a/b'}) . ' HTTP/1.1'],
['out_of_scope', 'GET http://localhost' . jwt_link('/a/../b', {path => '/a/*'}) . ' HTTP/1.1'],
['granted', 'GET http://a' . jwt_link('/b', {path => '/b'}) . ' HTTP/1.1'],
['out_of_scope', 'GET http://a' . jwt_link('/b', {path => '/a/b'}) . ' HTTP/1.1']



=== * is any bytes, and any number of them
--- cases eval
::yes('*', '/', '/a', '/a/b'), ::yes('/*', '/', '/a', '/a/b'), ::yes('/**', '/', '/a'), ::yes('/*/*', '/a/', '/a/b', '/a/b/c'),
::no_('/*/*', '/', '/a'), ::yes('/a*', '/a', '/ab', '/a/b'), ::no_('/a*', '/b', '/', '/A'),
::yes('/*.jpg', '/.jpg', '/a.jpg', '/a/b.jpg', '/a.jpg.jpg'), ::no_('/*.jpg', '/a.jpg/b', '/a.jpeg', '/ajpg', '/a.JPG', '/a.jpg%20'),
::yes('*.jpg', '/a.jpg', '/a/b.jpg'), ::yes('/a*b*c', '/abc', '/axbxc', '/aabbcc', '/a/b/c', '/abcbc'), ::no_('/a*b*c', '/acb', '/ab', '/abcd'),
::yes('/a/*/c', '/a/b/c', '/a/b/b/c', '/a//b/c', '/a/c/c'), ::no_('/a/*/c', '/a/c', '/a/b/d', '/a/b/c/d'),
::yes('/*a*a*a', '/aaa', '/xaxaxa', '/aaaa'), ::no_('/*a*a*a', '/aa', '/aaab')



=== ? is one byte
--- cases eval
::yes('/?', '/a', '/%3f', '/%0a', '/%E4', '/*'), ::no_('/?', '/', '/ab', '/%C3%A4'), ::yes('/??', '/ab', '/%C3%A4', '/a/'),
::yes('/a?b', '/a/b', '/axb'), ::no_('/a?b', '/ab', '/a/xb', '/a%C3%A4b'), ::yes('/?*', '/a', '/abc'), ::no_('/?*', '/'), ::yes('/*?', '/a', '/abc'),
::no_('/*?', '/'),
::yes('/a?', '/ab', '/a/'), ::no_('/a?', '/a'), ::no_('?a', '/a'), ::no_('?*', '/a'), ::no_('?', '/')



=== a glob matches what a regular expression would
--- cases eval
::random_cases()



=== all else is what it is
--- cases eval
(map { my $byte = $_; (::yes("/a${byte}b", '/a' . aws_encode($byte) . 'b'),
    ::no_("/a${byte}b", '/ab', '/a', '/a' . aws_encode($byte) . 'c')) } split //, '+-.,:;=@_~$&\'()[]{}|^`<>#"!% '),
::no_('/[ab]', '/a', '/b'), ::no_('/{a,b}', '/a', '/b'), ::no_('/a|/b', '/a', '/b'), ::no_('/a$', '/a'), ::no_('/.', '/a'), ::no_('/a+', '/aa'),
::no_('/(a)', '/a'), ::no_('/%2a', '/a'), ::yes('/%2a', '/%252a'), ::no_('/a\\*', '/a*', '/ab'), ::yes('/a\\*', '/a%5C', '/a%5Cb'),
::no_('/a\\?', '/a%3f', '/ab'), ::yes('/a\\?', '/a%5cb')



=== a glob that does not begin with / or * matches nothing
--- cases eval
(map { my $glob = $_; (['out_of_scope', jwt_link('/a', {path => $glob})], ['out_of_scope', jwt_link('/', {path => $glob})],
    $glob eq '~' ? () : ['out_of_scope', '/ea/a?hdnts=' . aws_encode(edgeauth(acl => $glob))]) } 'a', 'a*', '', '?', '?*', '??', ' /a', ' *', '.*',
    '^/a', 'http://localhost/a', 'localhost/a', 'ea/a', '?ea/a', 'e*', '.', '..', '../*', '\\*', '~', '$uri'),
['granted', jwt_link('/a', {path => ['a', '', '*']})], ['granted', edgeauth_link('/ea/a', acl => 'a!!*')],
['granted', edgeauth_link('/ea/a', acl => '%2a')], ['granted', edgeauth_link('/ea/a', acl => '%2Fea%2Fa')]



=== case counts
--- cases eval
::yes('/Ab', '/Ab', '/%41b'), ::no_('/Ab', '/ab', '/AB', '/aB'), ::no_('/A*', '/a'), ['granted', jwt_link('/%C3%84', {path => "/\x{c4}"})],
['out_of_scope', jwt_link('/%C3%A4', {path => "/\x{c4}"})]



=== where slashes are not merged, two are not one
--- config
merge_slashes off;
--- cases eval
::yes('/a/b', '/a/b', '/a/./b', '/a/c/../b'), ::no_('/a/b', '/a//b', '//a/b'), ::yes('/a//b', '/a//b'), ::no_('/a//b', '/a/b'),
::yes('/a/*', '/a//b', '/a/b//'), ::no_('/a/*', '//a/b', '/a/../b', '/a//../../b')



=== what is rewritten is what is served
--- config
rewrite ^/public/(.*)$ /private/$1 last;
rewrite ^/short$ /a/long;
location /loc/ { rewrite ^/loc/(.*)$ /other/$1 break; empty_gif; }
--- cases eval
my $case = sub { my ($verdict, $at, $path) = @_; return [$verdict, jwt_link($at, {path => $path})] };
$case->('out_of_scope', '/public/x', '/public/*'), $case->('granted', '/public/x', '/private/*'), $case->('granted', '/short', '/a/long'),
$case->('out_of_scope', '/short', '/short'), $case->('granted', '/loc/x', '/other/x'), $case->('out_of_scope', '/loc/x', '/loc/*'),
$case->('granted', '/private/x', '/private/*')



=== what was known before the path was rewritten grants nothing
--- config
set $before $secure_link_hmac_status;
rewrite ^/public/(.*)$ /private/$1;
add_header X-Before "[$before]" always;
--- cases eval
["granted\nX-Before: [granted]", jwt_link('/f', {path => '/f'})], ["out_of_scope\nX-Before: [granted]", jwt_link('/public/x', {path => '/public/*'})],
["granted\nX-Before: [out_of_scope]", jwt_link('/public/x', {path => '/private/*'})]



=== a grant is for the path that was asked for, and is carried to where nginx goes on
--- config
location /try/ { try_files /nothing /html/file.txt; }
location /html/ { root html; }
location /dir/ { root html; index index.txt; }
location /alias/ { alias html/html/; }
--- user_files
>>> html/file.txt
a file
>>> dir/index.txt
an index
--- cases eval
my $case = sub { my ($verdict, $at, $path) = @_; return [$verdict, jwt_link($at, {path => $path})] };
$case->('granted', '/try/x', '/try/*'), $case->('out_of_scope', '/try/x', '/html/*'), $case->('granted', '/html/file.txt', '/html/*'),
$case->('granted', '/dir/', '/dir/'), $case->('granted', '/dir/', '/dir/*'), $case->('out_of_scope', '/dir/index.txt', '/dir/'),
$case->('granted', '/alias/file.txt', '/alias/*'),
$case->('out_of_scope', '/alias/file.txt', '/html/*'), $case->('out_of_scope', '/alias/../html/file.txt', '/alias/*')



=== requests that nginx refuses are none of ours
--- cases eval
map { ['400', jwt_link($_, {path => '*'})] } '/a%00', '/a%', '/a%zz', '/..', '/../a', '/a/../../b', '/%2e%2e/a', '/a%2f..%2f..%2fb'
