# Whom a link was made for: limits per subject, and meters that count by it.

use strict;
use warnings;

use lib 't/lib';
use SchemeLinks;
use Test::Nginx::Socket 'no_plan';
use Verdicts <<'_EOC_';
    secure_link_hmac_scheme jwt;
    secure_link_hmac $arg_token;
    secure_link_hmac_keys partners;
    add_header X-Uses "[$secure_link_hmac_uses]" always;
_EOC_

our %secret = map { $_ => substr $_ x 16, 0, 32 } qw(acme globex);

# Each block has a zone of its own, which it calls ZONE: where blocks are reloads of one nginx, zones live on.
my $number = 0;

add_block_preprocessor(sub {
    my ($block) = @_;
    $number += 1;
    my $in = sub { $_[0] =~ s/\bZONE\b/subjects$number/gr };
    $block->set_value(config => $in->($block->config || ''));
    $block->set_value(http_config => $in->("secure_link_hmac_zone ZONE:64k;\n" . CORE::join("\n", 'secure_link_hmac_keyring partners {',
        (map { "$_ hex:" . unpack('H*', $secret{$_}) . ';' } sort keys %secret), '}',
        'secure_link_hmac_keyring media { k1 hex:' . edgeauth_key . '; k2 hex:00112233445566778899aabbccddeeff; }',
        'secure_link_hmac_keyring aws { AKIAIOSFODNN7EXAMPLE hex:' . unpack('H*', sigv4_secret) . '; }', $block->http_config || '')));
});

my $serial = 0;

# [an expectation, a link for that subject by that key], which is another link each time.
sub ask {
    my ($expected, $subject, $name, $at, %options) = @_;
    $name ||= 'acme';
    return [$expected, ($options{method} || 'GET') . ' ' . jwt_link($at || '/f',
        {path => '*', sub => $subject, jti => ++$serial, %{$options{claims} || {}}}, kid => $name, secret => $secret{$name})];
}

sub edge {
    my ($expected, %fields) = @_;
    return [$expected, edgeauth_link('/edgeauth/f', acl => '*!/' . ++$serial, %fields)];
}

no_long_string();
run_tests();

__DATA__

=== a subject has so many uses in a period, by whatever links
--- config
secure_link_hmac_limit ZONE uses=3 per=subject period=1h;
--- cases eval
(map { ::ask("granted\nX-Uses: [$_]", 'ann') } 1 .. 3), ::ask("exhausted\nX-Uses: [3]", 'ann'), ::ask('exhausted', 'ann', 'acme', '/g'),
::ask("granted\nX-Uses: [1]", 'bob'), ::ask("granted\nX-Uses: [2]", 'bob', 'acme', '/g'), ::ask('exhausted', 'ann'),
::ask("granted\nX-Uses: [3]", 'bob'), ::ask('exhausted', 'bob')



=== a subject is that of a key
--- config
secure_link_hmac_limit ZONE uses=1 per=subject period=1h;
--- cases eval
::ask('granted', 'ann', 'acme'), ::ask('granted', 'ann', 'globex'), ::ask('exhausted', 'ann', 'acme'), ::ask('exhausted', 'ann', 'globex'),
::ask('granted', 'Ann', 'acme'), ::ask('granted', 'ann ', 'acme'), ::ask('granted', 'an', 'acme'), ::ask('granted', 'globexann', 'acme'),
::ask('granted', 'ann' . 'x' x 500, 'acme'),
::ask('granted', 'ann' . 'x' x 499 . 'y', 'acme'), ::ask('exhausted', 'ann' . 'x' x 500, 'acme')



=== no subject, no use
--- config
secure_link_hmac_limit ZONE uses=5 per=subject period=1h;
--- cases eval
::ask('malformed', ''), ::ask('malformed', undef), ::ask('granted', 'ann'), ::ask('malformed', "\n"),
['forged', jwt_link('/f', {path => '*', sub => 'ann'}, kid => 'acme', secret => 'x' x 32)],
['unknown_key', jwt_link('/f', {path => '*', sub => 'ann'}, kid => 'nobody')]



=== what is not granted is not counted
--- config
secure_link_hmac_limit ZONE uses=1 per=subject period=1h;
--- cases eval
(map { ::ask('expired', 'ann', 'acme', '/f', claims => {exp => 1}) } 1 .. 3),
(map { ::ask('out_of_scope', 'ann', 'acme', '/f', claims => {path => '/g'}) } 1 .. 3),
::ask('early', 'ann', 'acme', '/f', claims => {nbf => 9000000000, exp => 9000000001}),
(map { ::ask('granted', 'ann', 'acme', '/f', method => 'HEAD') } 1 .. 3),
::ask("granted\nX-Uses: [1]", 'ann'), ::ask('exhausted', 'ann'), ::ask('exhausted', 'ann', 'acme', '/f', method => 'HEAD'),
::ask('expired', 'ann', 'acme', '/f', claims => {exp => 1})



=== the subject of an EdgeAuth token is its data, and else its id
--- config
secure_link_hmac_limit ZONE uses=2 per=subject period=1h;
location /edgeauth/ { secure_link_hmac_scheme edgeauth; secure_link_hmac $arg_hdnts; secure_link_hmac_keys media; empty_gif; }
--- cases eval
::edge("granted", data => 'ann'), ::edge("granted", data => 'ann', id => 's1'), ::edge('exhausted', data => 'ann', id => 's2'),
::edge('exhausted', id => 'ann'), ::edge('granted', data => 'bob', id => 'ann'), ::edge('granted', id => 's1'), ::edge('malformed'),
::edge('malformed', id => ''), ::edge('malformed', data => '', id => 's3'),
::edge('granted', data => 'ann', key => '00112233445566778899aabbccddeeff')



=== a subject has so many bytes
--- config
secure_link_hmac_limit ZONE bytes=100 per=subject period=1h;
--- cases eval
::ask('granted', 'ann'), ::ask('exhausted', 'ann'), ::ask('granted', 'bob'), ::ask('exhausted', 'bob'), ::ask('granted', 'ann', 'globex')



=== uses of a link are counted by its MAC, over all its paths
--- config
secure_link_hmac_limit ZONE uses=2;
location /edgeauth/ { secure_link_hmac_scheme edgeauth; secure_link_hmac $arg_hdnts; secure_link_hmac_keys media; empty_gif; }
location /sigv4/ { secure_link_hmac_scheme sigv4; secure_link_hmac_keys aws; empty_gif; }
--- cases eval
my $token = jwt({path => '*', jti => 'of uses'}, kid => 'acme', secret => $::secret{acme});
my $acl = edgeauth(acl => '*');
my $presigned = sigv4('/sigv4/k');
['granted', "/f?token=$token"], ['granted', "/g?token=$token"], ['exhausted', "/h?token=$token"], ['exhausted', "/f?token=$token&x=1"],
['granted', "/edgeauth/a?hdnts=$acl"], ['granted', '/edgeauth/b?hdnts=' . aws_encode($acl)], ['exhausted', "/edgeauth/c?hdnts=$acl"],
['exhausted', '/edgeauth/c?hdnts=' . ($acl =~ s/(hmac=)(.*)/$1\U$2/r)], ['granted', $presigned], ['granted', $presigned], ['exhausted', $presigned],
['granted', sigv4('/sigv4/k', args => [a => 1])]



=== a meter may count by subject
--- config
secure_link_hmac_meter ZONE key=$secure_link_hmac_subject;
location = /metrics { secure_link_hmac off; secure_link_hmac_enforce off; secure_link_hmac_meter off; secure_link_hmac_metrics ZONE; }
--- request eval
[(map { $_->[1] } ::ask('', 'ann'), ::ask('', 'ann', 'globex'), ::ask('', 'bob'), ::ask('', 'ann', 'acme', '/f', claims => {exp => 1})),
    'GET ' . jwt_link('/f', {path => '*', sub => 'eve'}, kid => 'acme', secret => 'x' x 32), 'GET /metrics?format=prometheus']
--- error_code eval
[200, 200, 200, 410, 403, 200]
--- response_body_like eval
[('') x 5, qr/(?=.*key="ann",verdict="granted"\} 2\n)(?=.*key="ann",verdict="expired"\} 1\n)(?=.*key="bob",verdict="granted"\} 1\n)(?!.*eve)/s]



=== many subjects of one key
--- config
secure_link_hmac_limit ZONE uses=1 per=subject period=1h;
--- cases eval
(map { ::ask('granted', "subject $_") } 1 .. 40), (map { ::ask('exhausted', "subject $_") } 1 .. 40)
