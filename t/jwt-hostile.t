# secure_link_hmac_scheme jwt: JSON that was written to confuse, with a right MAC and without one.

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
    add_header X-Claim "[$secure_link_hmac_claim_x]" always;
_EOC_

# What makes a token good.
our $good = '"path":"*","exp":9000000000,"sub":"acme"';

# A link whose payload has these members behind the good ones, or is this text.
sub of { my ($members, %options) = @_; return text("{$good$members}", %options) }
sub text { my ($text, %options) = @_; return jwt_link('/f', $text, %options) }

# Signed by another.
our @forged = (secret => 'fedcba9876543210' x 2);

# A value inside so many arrays or objects, or both by turns.
sub arrays  { my ($levels) = @_; return '[' x $levels . 1 . ']' x $levels }
sub objects { my ($levels) = @_; return '{"a":' x $levels . 1 . '}' x $levels }
sub mixed   { my ($levels) = @_; return $levels ? '[{"a":' x $levels . 1 . '}]' x $levels : 1 }

our $none = "malformed\nX-Subject: []\nX-Claim: []";

no_long_string();
run_tests();

__DATA__

=== a name occurs once
--- cases eval
["granted\nX-Subject: [acme]", ::of('')],
(map { [$::none, ::of(",$_")] } '"exp":9000000001', '"exp":9000000000', '"\u0065xp":9000000000', '"e\u0078p":1', '"\u0065\u0078\u0070":9000000000',
    '"path":"/g"', '"p\u0061th":"/g"', '"sub":"acme"', '"s\u0075b":"root"',
    '"x":1,"x":1', '"x":1,"x":2', '"x":1,"\u0078":2', '"a/b":1,"a\/b":2', '"\u00e4":1,"' . "\xc3\xa4" . '":2',
    '"\ud83d\ude00":1,"' . "\xf0\x9f\x98\x80" . '":2', '"":1,"":2', '"\n":1,"\u000a":2',
    '"x":{"a":1,"a":1}', '"x":{"a":1,"\u0061":1}', '"x":{"a":{"b":1,"b":1}}', '"x":[{"a":1,"a":2}]', '"x":[[{"a":1,"a":2}]]',
    '"x":[1,{"b":1,"a":2,"c":{},"a":3}]',
    CORE::join(',', (map { qq("c$_":$_) } 1 .. 100), '"c50":0')),
(map { ["granted\nX-Subject: [acme]", ::of(",$_")] } '"EXP":1', '"Sub":"root"', '"exp ":1', '"exp\u0000":1', '"x":{"exp":1,"sub":"root"}',
    '"x":[{"a":1},{"a":1}]', '"a":{"a":{"a":1}}', '"x":{"a":1},"y":{"a":1}',
    CORE::join(',', map { qq("c$_":$_) } 1 .. 150))



=== also in the header
--- cases eval
(map { ['malformed', ::of('', header => $_)] } '{"alg":"HS256","alg":"HS256"}', '{"alg":"none","alg":"HS256"}', '{"alg":"HS256","alg":"none"}',
    '{"alg":"HS256","\u0061lg":"none"}', '{"alg":"HS256","x":1,"x":1}',
    '{"alg":"HS256","kid":"a","kid":"b"}', '{"alg":"HS256","x":{"a":1,"a":1}}', '{"alg":"HS256","typ":"JWT","t\u0079p":"JWT"}'),
['granted', ::of('', header => '{"alg":"HS256","ALG":"none","x":{"alg":"none"}}')]



=== four levels and no more
--- cases eval
(map { ['granted', ::of(",\"x\":$_")] } '{}', '[]', '[{}]', '{"a":[]}', ::arrays(3), ::objects(3), ::mixed(1), '[[{"a":1}]]', '{"a":[[]]}',
    '{"a":[{}]}', '[[],[[]],{"a":{}}]'),
(map { ['malformed', ::of(",\"x\":$_")] } ::arrays(4), ::objects(4), ::mixed(2), '[[[[]]]]', '{"a":{"b":{"c":{}}}}', '{"a":[[[]]]}',
    '[1,[1,[1,[1]]]]', ::arrays(5), ::arrays(130), ::arrays(1000), ::objects(300), ::mixed(200)),
(map { ['granted', ::of('', header => qq({"alg":"HS256","x":$_}))] } ::arrays(3), ::objects(3)),
(map { ['malformed', ::of('', header => qq({"alg":"HS256","x":$_}))] } ::arrays(4), ::objects(4), ::arrays(1000))



=== braces to the end of the bound
--- cases eval
my @text = ('{' x 2900, '[' x 2900, '{"":' x 700, '[{"":' x 560, '{"a":[' x 480, '}' x 2900, ']' x 2900, '{}' x 1400, '"' x 2900,
    '{"a":"' . 'x' x 2900, '{"' . '\\' x 2900, ' ' x 2900, "\0" x 2900, '{' . ' ' x 2900 . '}');
(map { ['malformed', ::text($_)] } @text), (map { ['forged', ::text($_, @::forged)] } @text), (map { ['malformed', ::of('', header => $_)] } @text),
(map { ['malformed', ::of(",\"x\":$_")] } '{' x 2700, '[' x 2700, '{"a":' x 540),
(map { ['malformed', "/f?token=$_"] } '{' x 4096, '[' x 4096, '{' x 5000, '{}.{}.{}', '.' x 4096, 'e30.e30.' . 'A' x 43, '{"alg":"HS256"}.{}.x')



=== with a kid in the header braces are forged, and without one too early to tell
--- http_config
secure_link_hmac_keyring partners { acme hex:3031323334353637383961626364656630313233343536373839616263646566; }
--- policy
secure_link_hmac_scheme jwt;
secure_link_hmac $arg_token;
secure_link_hmac_keys partners;
--- cases eval
my @text = ('{' x 2900, '[' x 2900, '{"":' x 700, '', '[]', '{"iss":"acme","iss":"acme"}', "{\"iss\":\"acme\",\"x\":\"\xff\"}",
    '{"iss":"acme","x":' . ::arrays(4) . '}', '{"iss":"acme"', '{"iss":"acme","exp":"x"}', '{"iss":"acme","sub":"\n"}');
(map { ['forged', ::text($_, @::forged, kid => 'acme')] } @text), (map { ['malformed', ::text($_, @::forged)] } @text),
(map { ['malformed', ::text($_, kid => 'acme')] } @text), (map { ['malformed', ::text($_)] } @text),
['granted', ::of('', kid => 'acme')], ['granted', ::of(',"iss":"acme"')], ['unknown_key', ::of(',"iss":"nobody"')]



=== a payload is an object, and a header is
--- cases eval
my @no_objects = ('', ' ', '""', '"x"', '0', '1', 'true', 'null', '[]', '[{}]', "[{$::good}]", "\"{$::good}\"", 'exp', "\xef\xbb\xbf{$::good}",
    "\0{$::good}", "{$::good}\0", "{$::good}{$::good}", "{$::good},", "{$::good}x", "{$::good} 1",
    "{$::good", "$::good}", "{$::good,}", "{,$::good}", "{$::good,\"x\"}", "{$::good,\"x\":}", "{$::good,\"x\":1 2}", "{$::good \"x\":1}",
    "{$::good;\"x\":1}", "{$::good,x:1}", "{$::good,'x':1}", "{$::good,\"x\":'1'}", "{$::good,5:1}",
    "{$::good,null:1}", "{$::good/* */}", "{$::good}// x", "{$::good# x\n}", "\x0c{$::good}", "{$::good,\"x\":undefined}", "{$::good,\"x\":True}",
    "{$::good,\"x\":nul}", "{$::good,\"x\":[1,]}", "{$::good,\"x\":[,1]}", "{$::good,\"x\":{,}}");
(map { [$::none, ::text($_)] } @no_objects),
(map { (my $header = $_) =~ s/\Q$::good\E/"alg":"HS256"/; $header eq $_ && /alg/ ? () : ['malformed', ::of('', header => $header)] } @no_objects),
(map { ['granted', ::text($_)] } " {$::good}", "{$::good} ", "\r\n\t {$::good}\r\n\t ", "{ $::good }",
    $::good =~ s/([:,])/ $1\n/gr =~ s/\A(.*)\z/{$1}/sr)



=== text is UTF-8
--- cases eval
my @bad = ("\xff", "\xfe\xff", "\x80", "\xc3", "\xc3\x28", "\xc0\x80", "\xc0\xaf", "\xe0\x80\xaf", "\xed\xa0\x80", "\xed\xa0\xbd\xed\xb8\x80",
    "\xf5\x80\x80\x80", "\xf8\x88\x80\x80\x80", "\xf0\x9f\x98", "\xe4", '\ud800', '\udc00', '\ud800x', '\ude00\ud83d',
    '\ud83d\u0041', '\u12', '\u12g4', '\x41', '\0', '\\', '\u', '\ ', "\x00", "\x01", "\x1f", "\t", "\n", "\r");
(map { my $text = $_; map { [$::none, ::of($_)] } ",\"x\":\"$text\"", ",\"$text\":1", ",\"x\":[\"$text\"]", ",\"x\":{\"$text\":1}",
    ",\"iss\":\"$text\"" } @bad),
(map { ['malformed', ::of('', header => qq({"alg":"HS256","x":"$_"}))] } @bad),
(map { ['malformed', ::of('', header => qq({"alg":"HS256","kid":"$_"}))] } @bad),
[$::none, ::of("\xff")], [$::none, ::text("\xff{$::good}")], [$::none, ::text("{$::good}\xff")],
(map { ["granted\nX-Claim: [$_->[1]]", ::of(",\"x\":\"$_->[0]\"")] } ["\xc3\xa4", "\xc3\xa4"], ['\u00e4', "\xc3\xa4"], ['\u00E4', "\xc3\xa4"],
    ['\ud83d\ude00', "\xf0\x9f\x98\x80"], ["\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80"], ['\"\\\\\/', '"\\/'], ['', ''])



=== a variable never has a control byte
--- cases eval
(map { ["granted\nX-Subject: [acme]\nX-Claim: []", ::of(",\"x\":\"$_\"")] } '\n', 'a\r\nX-Evil: 1', 'a\u0000', '\t', '\u001b[0m', '\u007f', "a\x7f"),
(map { [$::none, ::text("{\"path\":\"*\",\"exp\":9000000000,\"sub\":\"$_\"}")] } '\n', '\r', 'a\r\nX-Evil: 1', 'a\u0000', '\t', '\u001b[0m', '\u007f',
    "a\x7f")



=== numbers of any size are read or refused
--- cases eval
(map { ["granted\nX-Claim: [$_]", ::of(",\"x\":$_")] } 0, -1, '0.5', '-0.0', '1e10', '1E+2', '1e-5', '9007199254740993', '9223372036854775807',
    '-9223372036854775808', '18446744073709551615'),
(map { [$::none, ::of(",\"x\":$_")] } '1e400', '-1e400', '1e999999999', '01', '+1', '1.', '.1', '1e', '1e+', '--1', '0x1', '1_000', 'NaN',
    '-Infinity', 'Infinity', "1\0"),
# What is too large for an integer may be another number, or none.
(map { my $number = $_; map { [$_, ::text("{\"path\":\"*\",\"sub\":\"acme\",\"exp\":$number}")] } 'malformed' } '9' x 17, '9' x 30, '9' x 2900,
    '-' . '9' x 2900, '1' . '0' x 2900, '1e400', '1.' . '0' x 2000 . 'e400', '9007199254740992.0', '-1e-5'),
(map { ['expired', ::text("{\"path\":\"*\",\"exp\":$_}")] } '0.' . '9' x 2900, '1e-400', '1.' . '0' x 2900, '0.' . '0' x 2900 . '1')



=== globs of any number and length end at once
--- timeout: 10
--- cases eval
my $deep = '/' . CORE::join '/', map { 'a' x 200 } 1 .. 18;
my $request = sub { my ($path, $at) = @_; return jwt_link($at, {path => $path}) };
['granted', $request->('*' x 2800, $deep)], ['out_of_scope', $request->('*' x 2800 . 'b', $deep)],
['granted', $request->('/' . '*' x 2800 . 'a', $deep)],
['granted', $request->('*a' x 1400, $deep)], ['out_of_scope', $request->('*a' x 1400 . 'b', $deep)],
['out_of_scope', $request->('*' . 'a' x 180 . 'b', $deep)], ['out_of_scope', $request->('*a*a*a*a*a*a*a*a*a*b', $deep)],
['granted', $request->('*?' x 1400, $deep)], ['out_of_scope', $request->('/' . '?' x 2800, '/a')], ['out_of_scope', $request->('*?' x 1400, '/a')]



=== a right token is right in a hostile place
--- cases eval
['granted', ::of('')], ['malformed', ::of('') . '&token=x'], ['malformed', '/f?token=x&' . (::of('') =~ s/.*\?//r)],
['granted', ::of('') . '&x=' . 'y' x 2000],
['malformed', ::of('') . '&' . CORE::join '&', map { 'tOken' } 1 .. 100], ['granted', ::of('') . '&' . '&' x 1000],
['malformed', ::of('') =~ s/token=/token=%20/r], ['missing', ::of('') =~ s/token=/t%6fken=/r],
['granted', '/f?' . '&' x 100 . (::of('') =~ s/.*\?//r)], ['missing', '/f?x#token=' . (::of('') =~ s/.*=//r)]
