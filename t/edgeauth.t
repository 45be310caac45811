# secure_link_hmac_scheme edgeauth: Akamai's tokens. Globs as such are in t/scope.t, `ip` in t/client-binding.t,
# what an operator may require in t/require.t.

use strict;
use warnings;

use lib 't/lib';
use SchemeLinks;
use Test::Nginx::Socket 'no_plan';
use Verdicts <<'_EOC_';
    secure_link_hmac_scheme edgeauth;
    secure_link_hmac $arg_hdnts $cookie_hdnts;
    secure_link_hmac_keys media;
    add_header X-Says "[$secure_link_hmac_subject][$secure_link_hmac_expires_at][$secure_link_hmac_claim_acl]" always;
_EOC_

# The vectors are those of akamai-edgeauth.
our %example = (
    full => 'ip=203.0.113.7~st=1700000000~exp=1700003600~acl=/videos/*!/img/a.jpg~id=s1~data=acme~hmac=f058dbd380763b6d2fb6de30cf12b96b9166f4b6335ad5e0115e937de270e69b',
    acl  => 'exp=1700003600~acl=/videos/*~hmac=24e6ebb5a155ff8b10dc35e4f9421a63c743cfc4132826b046337bb4a48e051f',
    sha1 => 'exp=1700003600~acl=/videos/*~hmac=301952de1f34bf07da550a8d0d437b5248612af4',
    url  => 'exp=1700003600~hmac=132d5902158fafd7eb497d77f4694e0b5e4b852e98ffe7fb24c1ef66b4ec3e35',
    form => 'exp=1700003600~hmac=da6e9fcf1c3c6eceec60e88d1b3a7c7dad8315e997ca7b5fb546dc49b8de9f67',
);
is edgeauth(ip => '203.0.113.7', st => 1700000000, exp => 1700003600, acl => '/videos/*!/img/a.jpg', id => 's1', data => 'acme', salt => 'pepper'),
$example{full},
    'what signs here makes what akamai-edgeauth makes: of an acl';
is edgeauth(exp => 1700003600, acl => '/videos/*', algorithm => 'sha1'), $example{sha1}, 'with SHA-1';
is edgeauth(exp => 1700003600, url => '/videos/a.mp4'), $example{url}, 'of a URL';
is edgeauth(exp => 1700003600, url => '/videos/a b.mp4', early => 'form'), $example{form}, 'of an escaped URL';

our $other_key = '00112233445566778899aabbccddeeff';

add_block_preprocessor(sub {
    my ($block) = @_;
    my $key = edgeauth_key;
    $block->set_value(http_config => join "\n", "secure_link_hmac_keyring media { k1 hex:$key; }",
        "secure_link_hmac_keyring sha1 { k1 hex:$key algorithm=sha1; }", "secure_link_hmac_keyring md5 { k1 hex:$key algorithm=md5; }",
        'real_ip_header X-Forwarded-For; set_real_ip_from 127.0.0.1;', $block->http_config || ());
});

our $end = $now + 3600;

# [verdict, a link with a token of these fields], for /f/a.
sub acl { my ($verdict, %fields) = @_; return [$verdict, edgeauth_link('/f/a', acl => '/f/*', %fields)] }
sub text { my ($verdict, $text, %options) = @_; return [$verdict, edgeauth_link('/f/a', text => $text, %options)] }

# Every byte escaped, or those that are not letters and digits.
sub escape_all { return join '', map { sprintf '%%%02x', ord } split //, $_[0] }
sub escape { my ($text) = @_; $text =~ s/([^A-Za-z0-9])/sprintf '%%%02X', ord $1/ge; return $text }

no_long_string();
run_tests();

__DATA__

=== the examples of akamai-edgeauth are good where they are meant, until they end
--- policy
secure_link_hmac_scheme edgeauth;
secure_link_hmac $arg_hdnts;
secure_link_hmac_keys media;
secure_link_hmac_leeway 9000d;
add_header X-Says "[$secure_link_hmac_key_id][$secure_link_hmac_subject][$secure_link_hmac_expires_at]" always;
--- config
location /img/ { secure_link_hmac_scheme edgeauth salt=pepper; empty_gif; }
location /videos/sha1/ { secure_link_hmac_keys sha1; empty_gif; }
location /videos/salted/ { secure_link_hmac_scheme edgeauth salt=pepper; empty_gif; }
location /videos/late/ { secure_link_hmac_leeway 0; empty_gif; }
location "/videos/a b" { secure_link_hmac_scheme edgeauth escape_early; empty_gif; }
location "/videos/a b.mp4" { secure_link_hmac_scheme edgeauth escape_early=form; empty_gif; }
--- cases eval
my $client = 'X-Forwarded-For: 203.0.113.7';
["granted\nX-Says: [k1][][1700003600]", "/videos/a.mp4?hdnts=$::example{acl}"], ['granted', "/videos/?hdnts=$::example{acl}&x=1"],
['out_of_scope', "/audio/a?hdnts=$::example{acl}"], ['expired', "/videos/late/a?hdnts=$::example{acl}"],
["granted\nX-Says: [k1][acme][1700003600]", "/videos/salted/a?hdnts=$::example{full}", $client],
['granted', "/img/a.jpg?hdnts=$::example{full}", $client], ['out_of_scope', "/img/b.jpg?hdnts=$::example{full}", $client],
['out_of_scope', "/img/a.jpg?hdnts=$::example{full}", 'X-Forwarded-For: 203.0.113.8'], ['out_of_scope', "/img/a.jpg?hdnts=$::example{full}"],
["forged\nX-Says: [][][]", "/videos/a?hdnts=$::example{full}", $client],
['granted', "/videos/sha1/a?hdnts=$::example{sha1}"], ["granted\nX-Says: [k1][][1700003600]", "/videos/a.mp4?hdnts=$::example{url}"],
['forged', "/videos/b.mp4?hdnts=$::example{url}"],
(map { ['granted', "$_?hdnts=$::example{form}"] } '/videos/a%20b.mp4', '/videos/%61%20b.mp4', '//videos/./a%20b.mp4'),
['forged', "/videos/a%20b.mp3?hdnts=$::example{form}"]



=== fields stand in any order, each once, the MAC last
--- cases eval
my $good = "exp=$::end~acl=/f/*";
(map { ::text('granted', $_) } $good, "acl=/f/*~exp=$::end", "data=x~acl=/f/*~id=y~exp=$::end~st=1", "$good~data=", "$good~id="),
(map { ::text('malformed', $_) } "$good~exp=$::end", "exp=1~$good", "$good~acl=/f/*", "$good~acl=/g", "$good~st=1~st=1", "$good~data=a~data=b",
    "$good~data=a~id=b~data=a", "$good~ip=127.0.0.1~ip=127.0.0.1", "$good~id=a~id=a",
    "$good~x=1", "x=1~$good", "$good~url=/f/a", "$good~salt=pepper", "$good~EXP=1", "$good~Data=x", "$good~%20data=x", "$good~", "~$good",
    "exp=$::end~~acl=/f/*", "$good~data", "exp~acl=/f/*", "$good~=x", "$good~~", "", "acl=/f/*", "acl", "exp",
    "$good~hmac=", "$good~hmac=00", "hmac=00~$good", 'hmac=' . '0' x 64 . "~$good", "$good~hmac=" . '0' x 64, "exp=$::end&acl=/f/*",
    "exp=$::end^acl=/f/*"),
(map { ['malformed', "/f/a?hdnts=$_"] } edgeauth(acl => '/f/*') . '~', edgeauth(acl => '/f/*') . '~data=x', edgeauth(acl => '/f/*') . '=',
    edgeauth(acl => '/f/*') =~ s/(.*)~(hmac=.*)/$2~$1/r, edgeauth(acl => '/f/*') =~ s/~hmac=.*//r,
    edgeauth(acl => '/f/*') =~ s/hmac/HMAC/r, edgeauth(acl => '/f/*') =~ s/~hmac/hmac/r, edgeauth(acl => '/f/*') . ',1', 'x', '=', '~', '~hmac=',
    'hmac=', '~hmac=' . '0' x 64, '~' x 4096, '=' x 4096, 'hmac=' . '0' x 64, 'exp=1~hmac', 'exp=1~hmac='),
::text('out_of_scope', "$good,data=x"), (map { ['missing', "/f/a$_"] } '', '?hdnts=', '?hdnts', '?hdnea=x', '?x=1'),
['granted', '/f/a?x=1&HDNTS=' . edgeauth(acl => '/f/*')], ['malformed', '/f/a?hdnts=' . edgeauth(acl => '/f/*') . '&hdnts=x']



=== the MAC is hexadecimal, of the algorithm's length
--- config
location /sha1/ { secure_link_hmac_keys sha1; empty_gif; }
location /md5/ { secure_link_hmac_keys md5; empty_gif; }
location /location/ { secure_link_hmac_algorithm sha1; empty_gif; }
--- cases eval
my $token = edgeauth(acl => '/f/*');
my ($fields, $mac) = $token =~ /(.*~hmac=)(.*)/;
my $request = sub { my ($verdict, $mac) = @_; return [$verdict, "/f/a?hdnts=$fields$mac"] };
$request->('granted', $mac), $request->('granted', uc $mac), $request->('granted', ucfirst $mac),
(map { $request->('malformed', $_) } substr($mac, 1), "${mac}0", substr($mac, 2), "${mac}00", $mac x 2, "0x$mac", "$mac%20", "$mac%00", "+$mac",
    substr($mac, 0, 63) . 'g', substr($mac, 0, 40), '0' x 40, '0' x 32, '0' x 128, '0' x 4000),
(map { my $at = $_; my $other = $mac; substr($other, $at, 1) =~ tr/0-9a-f/1-9a-f0/; $request->('forged', $other) } 0 .. 63),
$request->('forged', '0' x 64), $request->('forged', 'f' x 64),
(map { my $there = $_; map { my $by = $_; [$there eq $by ? 'granted' : 'malformed',
    edgeauth_link("/$there/a", acl => '*', algorithm => $by)] } 'sha256', 'sha1', 'md5' } 'sha1', 'md5'),
(map { [$_ eq 'sha1' ? 'granted' : 'malformed', edgeauth_link('/location/a', acl => '*', algorithm => $_)] } 'sha256', 'sha1', 'md5')



=== another byte of what is signed, and the token is forged, of which nothing is told
--- cases eval
my $token = edgeauth(acl => '/f/*', st => $now - 60, id => 's1', data => 'acme');
["granted\nX-Says: [acme][$::end][/f/*]", "/f/a?hdnts=$token"],
(map { ["forged\nX-Says: [][][]", "/f/a?hdnts=$_"] } $token =~ s/acme/acmd/r, $token =~ s/~data=acme//r, $token =~ s/s1/s2/r, $token =~ s/f\/\*/*/r,
    $token =~ s/~acl=[^~]*//r, $token =~ s/exp=\d/exp=9/r, $token =~ s/exp=/exp=0/r, $token =~ s/st=\d+~//r,
    $token =~ s/(st=\d+)~(exp=\d+)/$2~$1/r, $token =~ s/~hmac/~ip=127.0.0.1~hmac/r, $token =~ s/f\//%66\//r),
["forged\nX-Says: [][][]", edgeauth_link('/f/a', acl => '/f/*', key => $::other_key, data => 'acme')], ::acl('forged', key => $::other_key, exp => 1),
::acl('forged', key => $::other_key, st => 9000000000), ::acl('forged', key => $::other_key, acl => '/g'),
::acl("malformed\nX-Says: [][][]", st => 'x', data => 'acme'), ::acl("expired\nX-Says: [acme][1000][/f/*]", exp => 1000, data => 'acme'),
::acl("out_of_scope\nX-Says: [acme][$::end][/g]", acl => '/g', data => 'acme')



=== exp is required, and dates are digits
--- cases eval
my @bad = ('', '-1', '+1', '%201', '1%20', '0x10', '1e9', '9000000000.0', '1.', 'x', 'now', '2099-01-01T00:00:00Z', '9' x 19, '9223372036854775808',
    '9' x 30, '9' x 3000, '*');
::acl('malformed', exp => undef), ::acl('malformed', exp => undef, st => 1),
(map { (::acl('malformed', exp => $_), ::acl('malformed', st => $_)) } @bad),
::acl('granted', exp => '9000000000'), ::acl('granted', exp => '09000000000'), ::acl('expired', exp => 1), ::acl('expired', exp => 1700000000),
['malformed', edgeauth_link('/f/a', exp => undef)],
['malformed', edgeauth_link('/f/a', exp => 'x')]



=== a token is good from st to exp, and a leeway is for both ends
--- config
location /leeway/ { secure_link_hmac_leeway 10m; empty_gif; }
--- cases eval
sub {
    my $now = time();
    my $leeway = sub { my ($verdict, %fields) = @_; return [$verdict, edgeauth_link('/leeway/a', acl => '*', %fields)] };
    ::acl('granted', exp => $now + 60), ::acl('expired', exp => $now - 1), ::acl('granted', st => $now), ::acl('granted', st => 1),
    ::acl('early', st => $now + 55), ::acl('early', st => $now + 7200), ::acl('early', st => $now + 7200, exp => $now - 7200),
    $leeway->('granted', exp => $now - 540), $leeway->('expired', exp => $now - 601), $leeway->('granted', st => $now + 600),
    $leeway->('early', st => $now + 660);
}



=== max_lifetime counts from st, else from now
--- config
secure_link_hmac_max_lifetime 1h;
--- cases eval
sub {
    my $now = time();
    ::acl('granted', exp => $now + 3600), ::acl('expired', exp => $now + 3900), ::acl('granted', st => $now - 1800, exp => $now + 1800),
    ::acl('expired', st => $now - 1800, exp => $now + 1801), ::acl('expired', st => 1, exp => $now + 60),
    ::acl('expired', st => 1, exp => 9000000000), ::acl('expired', exp => 9000000000);
}



=== a value without a literal = was encoded as a whole, and is decoded once
--- cases eval
my $token = edgeauth(acl => '/f/*', data => 'a b');
my $plus = edgeauth(acl => '/f/*', data => 'a+b');
(map { ["granted\nX-Says: [a b][$::end][/f/*]", "/f/a?hdnts=$_"] } ::escape_all($token), ::escape($token), lc ::escape($token),
    $token =~ s/=/%3D/gr =~ s/ /%20/r, $token =~ s/=/%3d/gr =~ s/ /+/r),
(map { ["granted\nX-Says: [a+b][$::end][/f/*]", "/f/a?hdnts=$_"] } $plus, ::escape($plus), ::escape_all($plus)),
['granted', '/f/a', 'Cookie: hdnts=' . ::escape($token)], ['granted', '/f/a', "Cookie: hdnts=$plus"],
['granted', '/f/a', "Cookie: x=y; hdnts=$plus; z"], ['missing', '/f/a', "Cookie: hdntl=$plus"],
(map { ['malformed', "/f/a?hdnts=$_"] } ::escape(::escape($token)), ::escape($token) . '%', ::escape($token) . '%3', ::escape($token) . '%zz',
    ::escape($token) =~ s/%3D/%3/r, '%', '%3D', '%7Ehmac%3D', ::escape($token) . '%7E'),
# Escapes beside a literal = are what was signed.
['malformed', "/f/a?hdnts=" . ($plus =~ s/=/%3D/r)], ['malformed', "/f/a?hdnts=" . ($plus =~ s/~/%7E/gr)],
['forged', "/f/a?hdnts=" . ($plus =~ s/\//%2F/r)], ['forged', "/f/a?hdnts=" . ($plus =~ s/a\+b/a%2Bb/r)],
["granted\nX-Says: [a%2Bb][$::end][/f/*]", edgeauth_link('/f/a', acl => '/f/*', data => 'a%2Bb')]



=== an acl is decoded, then split at !, and each part is a glob
--- cases eval
(map { ::acl('granted', acl => $_) } '/f/*', '*', '/f/a', '/x!/f/a', '/f/a!/x', '/x!/y!/f/?!/z', '/x!!/f/a', '!/f/a', '%2Ff%2Fa', '%2f%66%2f%61',
    '/f/%2a', '/f/%3F', '/x%21/f/a', '/%zz!/f/a', '%!/f/a', '/f/a!%'),
(map { ::acl('out_of_scope', acl => $_) } '', '!', '!!!', '/', '/f', '/f/', '/f/b', '/x!/y', 'f/a', '%252Ff%252Fa', '/f/%2561', '/f/a%20', '/f/a,/x',
    '/x|/f/a', '/F/A', '/f/a?hdnts=*', 'http://localhost/f/a'),
(map { my ($at, $acl) = @$_; ['granted', edgeauth_link($at, acl => $acl)] } ['/f/%25', '/f/%'], ['/f/%25zz', '/f/%zz'], ['/f/%25', '/f/%25'],
    ['/f/%251', '/f/%1'], ['/f/a+b', '/f/a+b'], ['/f/a%20b', '/f/a%20b'], ['/f/%C3%A4', '/f/%c3%a4'],
    ['/f/%C3%A4', "/f/\xc3\xa4"], ['/f/%0A', '/f/%0a']),
(map { my ($at, $acl) = @$_; ['out_of_scope', edgeauth_link($at, acl => $acl)] } ['/f/a%20b', '/f/a+b'], ['/f/zz', '/f/%zz'], ['/f/!', '/f/!'],
    ['/f/%2561', '/f/%61'])



=== an acl has up to 32 globs
--- cases eval
my @other = map { "/$_" } 1 .. 33;
::acl('granted', acl => CORE::join '!', @other[0 .. 30], '/f/a'), ::acl('malformed', acl => CORE::join '!', '/f/a', @other[0 .. 31]),
::acl('malformed', acl => CORE::join '!', '/f/a', @other), ::acl('malformed', acl => '/f/a' . '!' x 32),
::acl('granted', acl => '/f/a' . '!' x 31), ::acl('malformed', acl => '/f/a' . '!' x 3000), ::acl('malformed', acl => '/f/a' . '%21' x 32)



=== an acl covers every path that it matches, and a token of a URL one, as it is sent
--- cases eval
my $acl = edgeauth(acl => '/f/*!/g/');
(map { ['granted', "$_?hdnts=$acl"] } '/f/a', '/f/b/c', '/f/', '/g/', '/%66/a', '//f/a', '/f/./a', '/g/../f/a'),
(map { ['out_of_scope', "$_?hdnts=$acl"] } '/f', '/g/a', '/h', '/f/../g/a', '/f%2f..%2fh', '/fa'),
(map { ['granted', edgeauth_link($_)] } '/', '/f/a', '/f/%61', '/f/a%20b', '/f//a', '//f/a', '/f/./a', '/f/../f/a', '/f/a%2Fb', '/f/a+b', '/f/%C3%A4',
    '/f/%c3%a4', '/f/!*~', '/f/a;b,c=d@e:f', "/f/\xc3\xa4"),
(map { my ($signed, $sent) = @$_; ['forged', edgeauth_link($sent, url => $signed)] } ['/f/a', '/f/b'], ['/f/a', '/f/%61'], ['/f/%61', '/f/a'],
    ['/f/a', '//f/a'], ['/f/a', '/f/./a'], ['/f/a b', '/f/a%20b'], ['/f/%C3%A4', '/f/%c3%a4'], ['/f/a', '/f/a/'],
    ['/f/a', '/F/a'], ['/f/*', '/f/a'], ['', '/'], ['/f/a?x=1', '/f/a']),
# The query is not covered, and a fragment is none of the path.
['granted', edgeauth_link('/f/a', args => 'x=1&y=2')], ['granted', '/f/a?x=1&hdnts=' . edgeauth(url => '/f/a')],
['missing', '/f/a#?hdnts=' . edgeauth(url => '/f/a')],
['granted', 'GET http://localhost' . edgeauth_link('/f/a') . ' HTTP/1.1'],
['forged', 'GET http://localhost' . edgeauth_link('/f/a', url => 'http://localhost/f/a') . ' HTTP/1.1'],
['granted', 'HEAD ' . edgeauth_link('/f/a')], ['out_of_scope', 'POST ' . edgeauth_link('/f/a')]



=== with escape_early the decoded path is signed, encoded as one library does, or the other
--- config
location /python/ { secure_link_hmac_scheme edgeauth escape_early; empty_gif; }
location /form/ { secure_link_hmac_scheme edgeauth escape_early=form; empty_gif; }
location /script/ { secure_link_hmac_scheme edgeauth escape_early=component; empty_gif; }
--- cases eval
my %how = (python => 'form', form => 'form', script => 'component');
my @names = ('a', 'a b', 'a+b', 'a%b', '100%25', "!\"#\$%&'()*+,-./:;<=>?@[\\]^_`{|}~", "\xc3\xa4\xf0\x9f\x98\x80", "\xe4\xff", 'x/y/z', "\n\x01",
    'x' x 200);
(map { my $where = $_; map { my $path = "/$where/$_"; ['granted',
    edgeauth_link(::escape_all($path) =~ s/%2f/\//gr, url => $path, early => $how{$where})] } @names } sort keys %how),
(map { ['granted', edgeauth_link($_, url => '/form/a b', early => 'form')] } '/form/a%20b', '//form/a%20b', '/form/./%61%20b', '/%66orm/x/../a%20b'),
(map { ['forged', edgeauth_link($_, url => '/form/a b', early => 'form')] } '/form/a+b', '/form/a%2520b', '/form/a%20b/', '/form/a'),
# Where the libraries differ.
(map { my ($where, $other) = @$_; map { ['forged', edgeauth_link(::escape_all("/$where/$_") =~ s/%2f/\//gr, url => "/$where/$_",
    early => $other)] } 'a b', '~', '!', '(', ')' } ['form', 'component'], ['script', 'form']),
['forged', edgeauth_link('/form/a', url => '/form/a')], ['forged', edgeauth_link('/f/a', url => '/f/a', early => 'form')],
# An acl is as without, and so are the other fields but for their encoding.
['granted', edgeauth_link('/form/a', acl => '/form/*', early => 'form')],
["granted\nX-Says: [a b+c/%\xc3\xa4][$::end][]", edgeauth_link('/form/a', url => '/form/a', data => "a b+c/%\xc3\xa4", early => 'form')],
["granted\nX-Says: [a b+c~'/][$::end][]", edgeauth_link('/script/a', url => '/script/a', id => "a b+c~'/", early => 'component')],
["granted\nX-Says: [a b][$::end][/form/*]", edgeauth_link('/form/a', acl => '/form/*', id => 'a b', early => 'form')],
(map { ["malformed\nX-Says: [][][]", edgeauth_link('/form/a', acl => '/form/*', data => $_, early => 'form')] } "a\nb", "\r\nX-Evil: 1", "\0", "\x7f",
    "\x1b"),
(map { ['malformed', edgeauth_link('/form/a', text => "exp=$::end~acl=*~data=$_")] } '%', '%0', '%zz', '%0a')



=== data is the subject, and else id
--- cases eval
(map { my ($subject, %fields) = @$_; ::acl("granted\nX-Says: [$subject][$::end][/f/*]", %fields) } ['', ()], ['s1', id => 's1'],
    ['acme', data => 'acme'], ['acme', id => 's1', data => 'acme'], ['a=b', data => 'a=b'], ['%0a', data => '%0a'], ['<b>', id => '<b>'],
    ['a+b', id => 'a+b'],
    ["\xc3\xa4", data => "\xc3\xa4"]),
# An encoded value may bring any byte.
(map { my $fields = $_; ["malformed\nX-Says: [][][]", '/f/a?hdnts=' . ::escape(edgeauth(acl => '/f/*', %$fields))] } {data => "a\nb"},
    {data => "\r\nX-Evil: 1"}, {id => "\0"}, {id => "a\tb"}, {id => "\x7f"}, {data => "a\x1b[1m"}),
['granted', '/f/a?hdnts=' . ::escape(edgeauth(acl => '/f/*', data => "a b\xc3\xa4"))]



=== a salt is signed too
--- config
location /salted/ { secure_link_hmac_scheme edgeauth salt=pepper; empty_gif; }
location /both/ { secure_link_hmac_scheme edgeauth salt=a=b~c escape_early; empty_gif; }
--- cases eval
['granted', edgeauth_link('/salted/a', acl => '*', salt => 'pepper')], ['granted', edgeauth_link('/salted/a', salt => 'pepper')],
(map { ['forged', edgeauth_link('/salted/a', acl => '*', salt => $_)] } undef, '', 'peppe', 'Pepper', 'pepper2'),
['forged', edgeauth_link('/f/a', acl => '*', salt => 'pepper')],
['granted', edgeauth_link('/both/a%20b', url => '/both/a b', early => 'form', salt => 'a=b~c')],
['forged', edgeauth_link('/both/a%20b', url => '/both/a b', early => 'form', salt => 'pepper')],
# It is no field.
['malformed', edgeauth_link('/salted/a', text => "exp=$::end~acl=*~salt=pepper")],
['malformed', edgeauth_link('/f/a', text => "exp=$::end~acl=*~salt=pepper")]



=== keys are tried in turn, or named by the configuration
--- http_config eval
my @keys = map { my $name = $_; map { $_ . ' hex:' . unpack('H*', "the key named $name") } $name } 'acme', 'globex', 'initech';
"secure_link_hmac_keyring partners { $keys[0]; $keys[1] issued_after=" . ($now - 7200) . "; $keys[2] revoked; }"
--- policy
secure_link_hmac_scheme edgeauth;
secure_link_hmac $arg_hdnts;
secure_link_hmac_keys partners;
add_header X-Key "[$secure_link_hmac_key_id]" always;
--- config
location /named/ { secure_link_hmac_keys partners $arg_k; empty_gif; }
--- cases eval
my $case = sub { my ($verdict, $name, $where, $args, %fields) = @_; my $shown = $verdict =~ /granted|revoked/ ? $name : '';
    return ["$verdict\nX-Key: [$shown]", edgeauth_link($where, acl => '*', key => unpack('H*', "the key named $name"), args => $args, %fields)] };
$case->('granted', 'acme', '/f'), $case->('revoked', 'globex', '/f'), $case->('granted', 'globex', '/f', undef, st => $now - 60),
$case->('revoked', 'globex', '/f', undef, st => $now - 7300), $case->('forged', 'nobody', '/f'),
['403', edgeauth_link('/f', acl => '*', key => unpack('H*', 'the key named initech'))],
$case->('granted', 'acme', '/named/f', 'k=acme'), $case->('forged', 'acme', '/named/f', 'k=globex'),
$case->('granted', 'globex', '/named/f', 'k=globex', st => $now - 60), $case->('unknown_key', 'acme', '/named/f', 'k=nobody'),
$case->('unknown_key', 'acme', '/named/f', 'k='), $case->('unknown_key', 'acme', '/named/f'),
$case->('unknown_key', 'initech', '/named/f', 'k=initech'), $case->('malformed', 'acme', '/named/f', 'k=acme&k=acme')



=== what is long, or made to take long
--- timeout: 10
--- cases eval
my $deep = '/' . CORE::join '/', map { 'a' x 200 } 1 .. 18;
my $fill = sub { my ($length) = @_; my $token = edgeauth(acl => '*', data => ''); return edgeauth(acl => '*',
    data => 'x' x ($length - length $token)) };
['granted', '/f/a?hdnts=' . $fill->(4096)], ['malformed', '/f/a?hdnts=' . $fill->(4097)], ['malformed', '/f/a?hdnts=' . $fill->(7000)],
['malformed', '/f/a?hdnts=' . ::escape_all($fill->(2000))], ['granted', '/f/a?hdnts=' . ::escape_all($fill->(1365))],
['granted', edgeauth_link($deep, acl => '*' x 3980)], ['out_of_scope', edgeauth_link($deep, acl => '*' x 3980 . 'b')],
['granted', edgeauth_link($deep, acl => '*a' x 1990)], ['out_of_scope', edgeauth_link($deep, acl => '*a' x 1900 . '*b')],
['out_of_scope', edgeauth_link($deep, acl => CORE::join '!', ('*a*a*a*a*a*a*b') x 32)],
['out_of_scope', edgeauth_link($deep, acl => '/' . '?' x 3900)], ['granted', edgeauth_link($deep)],
(map { ['malformed', "/f/a?hdnts=$_"] } 'exp=1~' x 500 . 'hmac=00', '~hmac=' x 600, 'exp=' . '{' x 4000, '%' x 4096, "\xff" x 1000, '%00' x 1000,
    'exp=1~hmac=' . '%30' x 64)
