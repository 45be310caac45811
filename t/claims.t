# $secure_link_hmac_subject and $secure_link_hmac_claim_NAME in the schemes that have them, and where they can be read.

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
    add_header X-Claim "[$secure_link_hmac_claim_title]" always;
    location /edgeauth/ {
        secure_link_hmac_scheme edgeauth;
        secure_link_hmac $arg_hdnts;
        secure_link_hmac_keys media;
        add_header X-Verdict "$secure_link_hmac_status" always;
        add_header X-Subject "[$secure_link_hmac_subject]" always;
        add_header X-Claim "[$secure_link_hmac_claim_ip] [$secure_link_hmac_claim_st] [$secure_link_hmac_claim_exp] [$secure_link_hmac_claim_acl] [$secure_link_hmac_claim_id] [$secure_link_hmac_claim_data]" always;
        empty_gif;
    }
    location /sigv4/ {
        secure_link_hmac_scheme sigv4;
        secure_link_hmac_keys aws;
        add_header X-Verdict "$secure_link_hmac_status" always;
        add_header X-Subject "[$secure_link_hmac_subject]" always;
        add_header X-Claim "[$secure_link_hmac_claim_response_content_disposition]" always;
        add_header Content-Disposition "$secure_link_hmac_claim_response_content_disposition" always;
        empty_gif;
    }
_EOC_

add_block_preprocessor(sub {
    my ($block) = @_;
    $block->set_value(http_config => CORE::join "\n", 'secure_link_hmac_keyring media { k1 hex:' . edgeauth_key . '; }',
        'secure_link_hmac_keyring aws { AKIAIOSFODNN7EXAMPLE hex:' . unpack('H*', sigv4_secret) . '; }',
        'log_format claims "$uri $status [$secure_link_hmac_status] [$secure_link_hmac_subject] [$secure_link_hmac_claim_title]";',
        'access_log logs/access.log claims;', $block->http_config || ());
});

our $end = $now + 3600;

# [an expectation, a link whose payload has these members besides those that make it good]; at /f, or elsewhere.
sub with { my ($expected, $members, $at) = @_; return [$expected, jwt_link($at || '/f', qq({"path":"*","exp":$end$members}))] }

no_long_string();
run_tests();

__DATA__

=== a claim of a JWT is a string's text, or JSON
--- cases eval
(map { ::with("granted\nX-Claim: [$_->[1]]", ",\"title\":$_->[0]") } ['"text"', 'text'], ['""', ''], ['"a b"', 'a b'],
    ['"\u00e4\u20ac"', "\xc3\xa4\xe2\x82\xac"], ["\"\xc3\xa4\"", "\xc3\xa4"], ['"a\"b\\\\c\/d"', 'a"b\\c/d'], ['"[1]"', '[1]'], ['"null"', 'null'],
    [5, 5], ['-1.50', '-1.50'], ['1e3', '1e3'],
    ['true', 'true'], ['false', 'false'], ['null', ''], ['[]', '[]'], ['{}', '{}'], ['["a",1]', '["a",1]'], ['[ "a" , 1 ]', '[ "a" , 1 ]'],
    ['{"a":{"b":null}}', '{"a":{"b":null}}'], ['"$uri"', '$uri'], ['"%41"', '%41'], ['"' . 'x' x 1000 . '"', 'x' x 1000]),
::with("granted\nX-Claim: []", ''), ::with("granted\nX-Claim: []", ',"titl":1,"titles":2,"a":{"title":3}')



=== a name ignores case, and its _ is a - too, and of two that match there is none
--- config
add_header X-Pair "[$secure_link_hmac_claim_x_y] [$secure_link_hmac_claim_X_Y] [$secure_link_hmac_claim_a_b_c] [$secure_link_hmac_claim_]" always;
--- cases eval
(map { ::with("granted\nX-Claim: [1]", ",\"$_\":1") } 'title', 'TITLE', 'Title', 'tItLe', '\u0074itle'),
(map { ::with("granted\nX-Claim: []", $_) } ',"title":1,"Title":1', ',"TITLE":"","title":"x"', ',"title":null,"Title":1'),
(map { ::with("granted\nX-Pair: [1] [1] [] []", ",\"$_\":1") } 'x_y', 'x-y', 'X-Y', 'X_y'),
::with("granted\nX-Pair: [] [] [] []", ',"x_y":1,"x-y":1'), ::with("granted\nX-Pair: [] [] [] []", ',"x-y":1,"X-Y":1'),
(map { ::with("granted\nX-Pair: [] [] [] []", ",\"$_\":1") } 'x y', 'x.y', 'xy', 'x__y', 'x/y', 'x'),
(map { ::with("granted\nX-Pair: [] [] [2] []", ",\"$_\":2") } 'a_b_c', 'a-b-c', 'a_b-c', 'A-B_C'),
::with("granted\nX-Pair: [] [] [] []", ',"a_b-c":2,"a-b_c":2'), ::with("granted\nX-Pair: [] [] [] []", ',"a-b":1,"c":2')



=== the standard claims have variables as any other
--- config
add_header X-All "[$secure_link_hmac_claim_iss] [$secure_link_hmac_claim_sub] [$secure_link_hmac_claim_exp] [$secure_link_hmac_claim_path] [$secure_link_hmac_claim_jti] [$secure_link_hmac_claim_kid] [$secure_link_hmac_claim_alg]" always;
--- cases eval
::with("granted\nX-Subject: [acme]\nX-All: [k1] [acme] [$::end] [*] [7] [] []", ',"iss":"k1","sub":"acme","jti":7'),
::with("granted\nX-Subject: []\nX-All: [] [] [$::end] [*] [] [] []", ''),
::with("granted\nX-All: [] [] [$::end] [*] [] [x] [none]", ',"kid":"x","alg":"none"')



=== fields of EdgeAuth
--- cases eval
my $case = sub { my ($expected, %fields) = @_; return [$expected, edgeauth_link('/edgeauth/a', acl => '/edgeauth/*', %fields)] };
$case->("granted\nX-Subject: []\nX-Claim: [] [] [$::end] [/edgeauth/*] [] []"),
$case->("granted\nX-Subject: [acme]\nX-Claim: [127.0.0.1] [1] [$::end] [/edgeauth/*] [s1] [acme]", ip => '127.0.0.1', st => 1, id => 's1',
    data => 'acme'),
$case->("granted\nX-Subject: [s1]\nX-Claim: [] [] [$::end] [/edgeauth/*] [s1] []", id => 's1'),
$case->("out_of_scope\nX-Subject: [acme]\nX-Claim: [] [] [$::end] [/x] [] [acme]", acl => '/x', data => 'acme'),
$case->("expired\nX-Subject: [acme]\nX-Claim: [] [] [1] [/edgeauth/*] [] [acme]", exp => 1, data => 'acme'),
$case->("forged\nX-Subject: []\nX-Claim: [] [] [] [] [] []", data => 'acme', key => '00' x 16),
$case->("malformed\nX-Subject: []\nX-Claim: [] [] [] [] [] []", exp => 'x', data => 'acme'),
["granted\nX-Subject: []\nX-Claim: [] [] [$::end] [] [] []", edgeauth_link('/edgeauth/a')]



=== signed arguments of sigv4
--- config
location /sigv4/all/ {
    secure_link_hmac_scheme sigv4;
    secure_link_hmac_keys aws;
    add_header X-Verdict "$secure_link_hmac_status" always;
    add_header X-All "[$secure_link_hmac_claim_a] [$secure_link_hmac_claim_x_amz_expires] [$secure_link_hmac_claim_X_Amz_SignedHeaders] [$secure_link_hmac_claim_x_amz_signature] [$secure_link_hmac_claim_x_id]" always;
    empty_gif;
}
--- cases eval
my $case = sub { my ($expected, $at, @args) = @_; return [$expected, sigv4("/sigv4/$at", args => \@args)] };
$case->("granted\nX-Subject: []\nX-Claim: []", 'k'),
$case->("granted\nX-Claim: [attachment; filename=\"a b.txt\"]\nContent-Disposition: attachment; filename=\"a b.txt\"", 'k',
    'response-content-disposition' => 'attachment; filename="a b.txt"'),
$case->("granted\nX-Claim: [a+b%20]", 'k', 'response-content-disposition' => 'a+b%20'),
$case->("granted\nX-Claim: [\xc3\xa4]", 'k', 'Response-Content-Disposition' => "\xc3\xa4"),
$case->("granted\nX-Claim: []", 'k', 'response-content-disposition' => 'a', 'response-content-disposition' => 'b'),
$case->("granted\nX-Claim: []", 'k', 'response-content-disposition' => 'a', 'response_content_disposition' => 'b'),
$case->("granted\nX-All: [1] [3600] [host] [] [GetObject]", 'all/k', a => 1, 'x-id' => 'GetObject'),
$case->("granted\nX-All: [] [3600] [host] [] []", 'all/k', a => 1, A => 2),
["forged\nX-Claim: []\nContent-Disposition: ", sigv4('/sigv4/k', args => ['response-content-disposition' => 'a']) . '&b=1'],
["expired\nX-Claim: [a]", sigv4('/sigv4/k', args => ['response-content-disposition' => 'a'], time => $now - 7200)]



=== nothing that a claim says can begin another header
--- config
add_header X-Title $secure_link_hmac_claim_title always;
--- cases eval
my @evil = ("a\r\nSet-Cookie: x=1", "a\nSet-Cookie: x=1", "\r\n\r\n<html>", "a\rb", "a\0b", "\e[1m", "\x7f", "a\tb", "\n");
(map { my $text = json_text([$_]) =~ s/\A\[|\]\z//gr; ::with("granted\nX-Claim: []\nX-Title: \nSet-Cookie: ", ",\"title\":$text") } @evil),
(map { my $text = json_text([$_]) =~ s/\A\[|\]\z//gr; ::with("malformed\nX-Subject: []\nSet-Cookie: ", ",\"sub\":$text") } @evil),
::with("granted\nX-Claim: [[\"a\\r\\nb\"]]\nSet-Cookie: ", ',"title":["a\r\nb"]'),
::with("granted\nX-Claim: []\nSet-Cookie: ", ",\"title\":[\"a\",\r\n1]"), ::with("granted\nX-Claim: []\nSet-Cookie: ", ",\"title\":{\"a\":\t1}"),
(map { ["granted\nX-Claim: []\nContent-Disposition: \nSet-Cookie: ", sigv4('/sigv4/k', args => ['response-content-disposition' => $_])] } @evil),
(map { my $text = $_; map { ["malformed\nX-Subject: []\nSet-Cookie: ", '/edgeauth/a?hdnts=' . aws_encode(edgeauth(acl => '*', $_ => $text))] } 'id',
    'data' } @evil),
(map { ["granted\nX-Claim: [] [] [$::end] [] [] []\nSet-Cookie: ", '/edgeauth/a?hdnts=' . aws_encode(edgeauth(acl => "*!$_"))] } @evil)



=== they are in the log, and stay there after a hand-off and in an error page
--- config
location /pass/ { secure_link_hmac_pass /internal; }
location /internal {
    internal;
    secure_link_hmac off;
    secure_link_hmac_enforce off;
    add_header X-Claim "there [$secure_link_hmac_claim_title] [$secure_link_hmac_subject]";
    add_header X-Verdict $secure_link_hmac_status;
    empty_gif;
}
location /error/ { error_page 410 = /sorry; empty_gif; }
location = /sorry {
    internal;
    add_header X-Claim "sorry [$secure_link_hmac_claim_title] [$secure_link_hmac_subject]" always;
    add_header X-Verdict $secure_link_hmac_status always;
    empty_gif;
}
location /args { secure_link_hmac_pass /internal?t=$secure_link_hmac_claim_title; }
--- cases eval
::with("granted\nX-Claim: there [a b] [acme]", ',"title":"a b","sub":"acme"', '/pass/f'),
["200 expired\nX-Claim: sorry [a b] [acme]", jwt_link('/error/f', {path => '*', exp => 1, title => 'a b', sub => 'acme'})],
::with("granted\nX-Claim: there [] []", '', '/pass/f'),
["403 forged\nX-Claim: []", jwt_link('/error/f', {path => '*', title => 'a b'}, secret => 'x' x 32)]



=== the log shows the subject and a claim
--- request eval
'GET ' . jwt_link('/f', {path => '*', title => 'a b', sub => 'acme'})
--- access_log
/f 200 [granted] [acme] [a b]



=== also of a refused link
--- config
location /g { error_page 410 = /sorry; empty_gif; }
location = /sorry { internal; empty_gif; }
--- request eval
'GET ' . jwt_link('/g', {path => '*', exp => 1, title => 'a b', sub => 'acme'})
--- access_log
/sorry 200 [expired] [acme] [a b]



=== and after a hand-off
--- config
location /pass/ { secure_link_hmac_pass /internal; }
location /internal { internal; secure_link_hmac off; secure_link_hmac_enforce off; empty_gif; }
--- request eval
'GET ' . jwt_link('/pass/f', {path => '*', title => 'a b', sub => 'acme'})
--- access_log
/internal 200 [granted] [acme] [a b]



=== they can be read in any phase, also before the access phase
--- http_config
limit_req_zone $secure_link_hmac_subject zone=claims:128k rate=1r/m;
limit_req_zone $secure_link_hmac_claim_session zone=sessions:128k rate=1r/m;
--- config
set $early "[$secure_link_hmac_subject]";
add_header X-Early "$early" always;
location /subject { limit_req zone=claims; empty_gif; }
location /session { limit_req zone=sessions; empty_gif; }
location /if { if ($secure_link_hmac_subject = ann) { return 418; } empty_gif; }
--- no_error_log
[crit]
[alert]
--- cases eval
::with("granted\nX-Early: [ann]", ',"sub":"ann"', '/subject'), ::with("503 granted\nX-Early: [ann]", ',"sub":"ann","jti":1', '/subject'),
::with("granted\nX-Early: [bob]", ',"sub":"bob"', '/subject'), ::with("granted\nX-Early: []", '', '/subject'), ::with('granted', '', '/subject'),
(map { ["forged\nX-Early: []", jwt_link('/subject', {path => '*', sub => 'eve'}, secret => 'x' x 32)] } 1 .. 3),
::with('granted', ',"session":1', '/session'), ::with('503 granted', ',"session":"1","jti":2', '/session'), ::with('granted', ',"session":2', '/session'),
::with('418 granted', ',"sub":"ann"', '/if'), ::with('granted', ',"sub":"bob"', '/if')



=== a map on a claim withdraws links
--- http_config
map $secure_link_hmac_claim_jti $withdrawn { default 0; 7 1; "seven" 1; }
map $secure_link_hmac_subject $banned { default 0; acme 1; }
map $secure_link_hmac_claim_id $closed { default 0; s7 1; }
map $secure_link_hmac_claim_response_content_type $unwanted { default 0; text/html 1; }
--- config
secure_link_hmac_revoke $withdrawn $banned;
location /edgeauth/revoke/ {
    secure_link_hmac_scheme edgeauth;
    secure_link_hmac $arg_hdnts;
    secure_link_hmac_keys media;
    secure_link_hmac_revoke $closed;
    add_header X-Verdict $secure_link_hmac_status always;
    empty_gif;
}
location /sigv4/revoke/ {
    secure_link_hmac_scheme sigv4;
    secure_link_hmac_keys aws;
    secure_link_hmac_revoke $unwanted;
    add_header X-Verdict $secure_link_hmac_status always;
    empty_gif;
}
--- cases eval
(map { ::with("revoked", ",$_") } '"jti":7', '"jti":"7"', '"jti":"seven"', '"sub":"acme"', '"sub":"acme","jti":1', '"jti":7,"nbf":9000000000'),
["revoked\nX-Subject: [acme]", jwt_link('/f', {path => '/other', sub => 'acme', exp => 1})],
(map { ::with("granted", ",$_") } '"jti":8', '"jti":"x"', '"jti":[7]', '"sub":"globex"'), ::with('granted', ''),
["forged", jwt_link('/f', {path => '*', jti => 7}, secret => 'x' x 32)], ['malformed', jwt_link('/f', {path => '*', jti => 7, exp => 'x'})],
['revoked', edgeauth_link('/edgeauth/revoke/a', acl => '*', id => 's7')],
['revoked', edgeauth_link('/edgeauth/revoke/a', acl => '/x', id => 's7', exp => 1)],
['granted', edgeauth_link('/edgeauth/revoke/a', acl => '*', id => 's8')],
['forged', edgeauth_link('/edgeauth/revoke/a', acl => '*', id => 's7', key => '00' x 16)],
['revoked', sigv4('/sigv4/revoke/k', args => ['response-content-type' => 'text/html'])],
['granted', sigv4('/sigv4/revoke/k', args => ['response-content-type' => 'text/plain'])],
['forged', sigv4('/sigv4/revoke/k') . '&response-content-type=text/html']



=== a claim tells of an authentic link only, whatever its verdict
--- cases eval
my $says = "X-Subject: [acme]\nX-Claim: [t]";
my %of = (sub => 'acme', title => 't');
["granted\n$says", jwt_link('/f', {path => '*', %of})], ["expired\n$says", jwt_link('/f', {path => '*', %of, exp => 1})],
["early\n$says", jwt_link('/f', {path => '*', %of, nbf => 9000000000})], ["out_of_scope\n$says", jwt_link('/f', {path => '/g', %of})],
["out_of_scope\n$says", 'POST ' . jwt_link('/f', {path => '*', %of})],
["out_of_scope\n$says", jwt_link('/f', {path => '*', %of, aud => 'x'})],
(map { ["$_->[0]\nX-Subject: []\nX-Claim: []", $_->[1]] } ['forged', jwt_link('/f', {path => '*', %of}, secret => 'x' x 32)],
    ['malformed', jwt_link('/f', {path => '*', %of, exp => undef})], ['malformed', jwt_link('/f', {path => '*', %of, exp => 'x'})],
    ['malformed', jwt_link('/f', {path => '*', %of}, alg => 'none')], ['missing', '/f'],
    ['malformed', jwt_link('/f', {path => '*', %of}) . '&token=x'])
