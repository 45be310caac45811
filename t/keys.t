# secure_link_hmac_keys: which key of a ring a request's link must have, and what is known of it. The
# lines of a ring are in t/keyring.t.

use strict;
use warnings;

use lib 't/lib';
use SecureLink;
use Test::Nginx::Socket 'no_plan';

our ($acme, $globex, $initech, $stranger) = map { $_ x 4 } 'acme-key', 'globex-k', 'initech.', 'stranger';
our %secret = (acme => $acme, globex => $globex, initech => $initech, stranger => $stranger);
our %hex = map { $_ => 'hex:' . unpack 'H*', $secret{$_} } keys %secret;

our $now = time();

our $ring = <<"_EOC_";
    secure_link_hmac_keyring partners {
        acme    $hex{acme};
        globex  $hex{globex};
        initech $hex{initech} revoked;
    }
_EOC_

our $policy = <<'_EOC_';
    secure_link_hmac $arg_st,$arg_ts,$arg_e;
    secure_link_hmac_message $uri|$arg_ts|$arg_e;
    add_header X-Verdict "$secure_link_hmac_status [$secure_link_hmac_key_id]" always;
_EOC_

our $serve = 'secure_link_hmac_enforce on; empty_gif;';

add_block_preprocessor(sub {
    my ($block) = @_;
    $block->set_value('http_config', $ring . ($block->http_config || ''));
    $block->set_value('config', $policy . ($block->config || "secure_link_hmac_keys partners \$arg_k;\nlocation /f { $serve }"));
    $block->set_value('log_level', 'info');
});

# ask(path, name, ...): a request with a link by the secret of that name.
sub ask {
    my ($path, $name, %options) = @_;
    return 'GET ' . SecureLink::link($path, secret => $secret{$name}, %options);
}

sub verdicts { map { "X-Verdict: $_" } @_ }

no_long_string();
run_tests();

__DATA__

=== the id may be written as it is
--- config eval
"location /acme { secure_link_hmac_keys partners acme; $::serve }
location /globex { secure_link_hmac_keys partners globex; $::serve }
location /initech { secure_link_hmac_keys partners initech; $::serve }
location /stranger { secure_link_hmac_keys partners stranger; $::serve }
location /empty { secure_link_hmac_keys partners ''; $::serve }"
--- request eval
[map { my $path = $_; map { main::ask($path, $_) } qw(acme globex initech) } qw(/acme /globex /initech /stranger /empty)]
--- response_headers eval
[main::verdicts('granted [acme]', 'forged []', 'forged []', 'forged []', 'granted [globex]', 'forged []', ('unknown_key []') x 9)]
--- error_code eval
[200, 403, 403, 403, 200, 403, (403) x 9]
--- no_error_log
[error]



=== the id may be an argument, as the client wrote it
--- request eval
[(map { main::ask('/f', 'acme', args => "k=$_") } qw(acme globex initech nobody Acme acm%65 acme%00), 'acme,globex', '', 'k' x 64, 'k' x 65, 'k' x 4000),
    main::ask('/f', 'acme'), main::ask('/f', 'acme', args => 'K=acme'), 'GET /f?k=acme', main::ask('/f', 'acme', args => 'k=acme', st => 'x')]
--- response_headers eval
[main::verdicts('granted [acme]', 'forged []', ('unknown_key []') x 8, 'malformed []', 'malformed []',
    'unknown_key []', 'granted [acme]', 'missing []', 'malformed []')]
--- error_code eval
[200, (403) x 12, 200, 403, 403]



=== an id that is there twice is malformed
--- request eval
[map { main::ask('/f', 'acme', args => $_) } 'k=acme&k=acme', 'k=acme&k=globex', 'k=globex&k=acme', 'k=acme&K=', 'k=acme&kk=globex']
--- response_headers eval
[main::verdicts(('malformed []') x 4, 'granted [acme]')]
--- error_code eval
[(403) x 4, 200]



=== the id may be captured from the path
--- config eval
"location ~ ^/n/x-(?<partner>\\w*) { secure_link_hmac_keys partners \$partner; $::serve }
location ~ ^/m/(?<first>\\w*)-(?<rest>\\w*)/ { secure_link_hmac_keys partners \$first\$rest; $::serve }"
--- request eval
[(map { main::ask("/n/x-$_", 'acme') } 'acme', 'globex', '', 'nobody'),
    map { main::ask("/m/$_/x", 'globex') } 'glo-bex', 'globex-', '-globex', '-']
--- response_headers eval
[main::verdicts('granted [acme]', 'forged []', 'unknown_key []', 'unknown_key []', ('granted [globex]') x 3, 'unknown_key []')]
--- error_code eval
[200, 403, 403, 403, 200, 200, 200, 403]
--- no_error_log
[error]



=== the id may come from a map, a header, a cookie, or a part of the text
--- http_config
    map $http_x_partner $partner { default $http_x_partner; "The A Company" acme; }
--- config eval
"location /map { secure_link_hmac_keys partners \$partner; $::serve }
location /header { secure_link_hmac_keys partners \$http_x_partner; $::serve }
location /cookie { secure_link_hmac_keys partners \$cookie_partner; $::serve }
location /part { secure_link_hmac_keys partners glo\${http_x_partner}ex; $::serve }
location /set { set \$who acme; secure_link_hmac_keys partners \$who; $::serve }"
--- request eval
[(map { main::ask($_, 'acme') } '/map', '/header', '/cookie', '/set'), main::ask('/part', 'globex')]
--- more_headers eval
['X-Partner: The A Company', 'X-Partner: acme', 'Cookie: partner=acme', '', 'X-Partner: b']
--- response_headers eval
[main::verdicts(('granted [acme]') x 4, 'granted [globex]')]
--- error_code eval
[(200) x 5]
--- no_error_log
[error]



=== the key's id is known of an authentic link, granted or not
--- config eval
"secure_link_hmac_keys partners \$arg_k;
location /f { $::serve }
location /stop { secure_link_hmac_revoke \$arg_stop; $::serve }
location /early { secure_link_hmac_leeway 1; $::serve }"
--- request eval
[main::ask('/f', 'acme', args => 'k=acme'), main::ask('/f', 'acme', args => 'k=acme', ts => 1700000000), main::ask('/stop', 'acme', args => 'k=acme&stop=1'),
    main::ask('/early', 'acme', args => 'k=acme', ts => $::now + 3600), main::ask('/f', 'acme', args => 'k=acme') =~ s/^GET/DELETE/r,
    main::ask('/f', 'globex', args => 'k=acme', ts => 1700000000), main::ask('/f', 'acme', args => 'k=globex', ts => 1700000000),
    main::ask('/f', 'initech', args => 'k=initech', ts => 1700000000), main::ask('/f', 'stranger', args => 'k=acme'),
    main::ask('/f', 'stranger', args => 'k=stranger'), main::ask('/f', 'acme', args => 'k=acme', ts => 'x')]
--- response_headers eval
[main::verdicts('granted [acme]', 'expired [acme]', 'revoked [acme]', 'early [acme]', 'out_of_scope [acme]',
    ('forged []') x 2, 'unknown_key []', 'forged []', 'unknown_key []', 'malformed []')]
--- error_code eval
[200, 410, (403) x 9]



=== the denial of an authentic link names the key
--- request eval
main::ask('/f', 'acme', args => 'k=acme', ts => 1700000000)
--- response_headers
X-Verdict: expired [acme]
--- error_code: 410
--- grep_error_log eval
qr/secure_link_hmac: .*, client/
--- grep_error_log_out eval
qq{secure_link_hmac: denied: verdict=expired key="acme" message="/f|1700000000|3600", client\n}



=== that of a link by a key that is revoked for it does, too
--- http_config eval
"secure_link_hmac_keyring old { acme $::hex{acme} issued_after=1700000001; }"
--- config eval
"secure_link_hmac_keys old \$arg_k; location /f { $::serve }"
--- request eval
main::ask('/f', 'acme', args => 'k=acme', ts => 1700000000)
--- response_headers
X-Verdict: revoked [acme]
--- error_code: 403
--- grep_error_log eval
qr/secure_link_hmac: .*, client/
--- grep_error_log_out eval
qq{secure_link_hmac: denied: verdict=revoked key="acme" message="/f|1700000000|3600", client\n}



=== that of a forged link names none
--- request eval
main::ask('/f', 'stranger', args => 'k=acme', ts => 1700000000)
--- response_headers
X-Verdict: forged []
--- error_code: 403
--- grep_error_log eval
qr/secure_link_hmac: .*, client/
--- grep_error_log_out eval
qq{secure_link_hmac: denied: verdict=forged key="" message="/f|1700000000|3600", client\n}



=== nor that of a link by a revoked key
--- request eval
main::ask('/f', 'initech', args => 'k=initech', ts => 1700000000)
--- response_headers
X-Verdict: unknown_key []
--- error_code: 403
--- grep_error_log eval
qr/secure_link_hmac: .*, client/
--- grep_error_log_out eval
qq{secure_link_hmac: denied: verdict=unknown_key key="" message="/f|1700000000|3600", client\n}



=== nor that of an id that nobody has
--- request eval
main::ask('/f', 'acme', args => 'k=nobody', ts => 1700000000)
--- response_headers
X-Verdict: unknown_key []
--- error_code: 403
--- grep_error_log eval
qr/secure_link_hmac: .*, client/
--- grep_error_log_out eval
qq{secure_link_hmac: denied: verdict=unknown_key key="" message="/f|1700000000|3600", client\n}



=== a dry run names the key, too
--- config eval
"secure_link_hmac_keys partners \$arg_k; secure_link_hmac_enforce dry_run; location /f { empty_gif; }"
--- request eval
main::ask('/f', 'acme', args => 'k=acme', ts => 1700000000)
--- response_headers
X-Verdict: expired [acme]
--- error_code: 200
--- grep_error_log eval
qr/secure_link_hmac: .*, client/
--- grep_error_log_out eval
qq{secure_link_hmac: dry run, would deny: verdict=expired key="acme" message="/f|1700000000|3600", client\n}



=== and none in a forged link
--- config eval
"secure_link_hmac_keys partners \$arg_k; secure_link_hmac_enforce dry_run; location /f { empty_gif; }"
--- request eval
main::ask('/f', 'globex', args => 'k=acme', ts => 1700000000)
--- response_headers
X-Verdict: forged []
--- error_code: 200
--- grep_error_log eval
qr/secure_link_hmac: .*, client/
--- grep_error_log_out eval
qq{secure_link_hmac: dry run, would deny: verdict=forged key="" message="/f|1700000000|3600", client\n}



=== where nothing is enforced the variables say the same
--- config
    secure_link_hmac_keys partners $arg_k;
    location /f { return 200 "[$secure_link_hmac] $secure_link_hmac_status [$secure_link_hmac_key_id]"; }
--- request eval
[main::ask('/f', 'acme', args => 'k=acme'), main::ask('/f', 'acme', args => 'k=acme', ts => 1700000000), main::ask('/f', 'acme', args => 'k=globex'),
    main::ask('/f', 'acme', args => 'k=nobody'), main::ask('/f', 'acme'), main::ask('/f', 'initech', args => 'k=initech')]
--- response_body eval
['[1] granted [acme]', '[0] expired [acme]', '[] forged []', '[] unknown_key []', '[] unknown_key []', '[] unknown_key []']
--- no_error_log
denied



=== the id outlives the hand-off, and is in the log
--- http_config
    log_format partner '$uri $secure_link_hmac_status [$secure_link_hmac_key_id]';
    access_log logs/access.log partner;
--- config eval
"secure_link_hmac_keys partners \$arg_k;
location /f { secure_link_hmac_enforce on; secure_link_hmac_pass /internal; }
location /internal { internal; secure_link_hmac off; empty_gif; }"
--- request eval
main::ask('/f', 'acme', args => 'k=acme')
--- response_headers
X-Verdict: granted [acme]
--- access_log
/internal granted [acme]



=== and an error page
--- http_config
    log_format partner '$uri $secure_link_hmac_status [$secure_link_hmac_key_id]';
    access_log logs/access.log partner;
--- config eval
"secure_link_hmac_keys partners \$arg_k;
location /f { secure_link_hmac_enforce on; error_page 410 /gone; }
location /gone { empty_gif; }"
--- request eval
main::ask('/f', 'acme', args => 'k=acme', ts => 1700000000)
--- error_code: 410
--- response_headers
X-Verdict: expired [acme]
--- access_log
/gone expired [acme]



=== the id's argument is the credential's own
--- config eval
"location /f { secure_link_hmac_keys partners \$arg_k; secure_link_hmac_enforce on; add_header X-Args [\$secure_link_hmac_args]; empty_gif; }
location /two/ { secure_link_hmac_keys partners \$arg_k\$arg_l; secure_link_hmac_enforce on; add_header X-Args [\$secure_link_hmac_args]; empty_gif; }
location /all/ { secure_link_hmac_keys partners; secure_link_hmac_enforce on; add_header X-Args [\$secure_link_hmac_args]; empty_gif; }
location ~ ^/path/(?<partner>\\w+) { secure_link_hmac_keys partners \$partner; secure_link_hmac_enforce on; add_header X-Args [\$secure_link_hmac_args]; empty_gif; }"
--- request eval
[main::ask('/f', 'acme', args => 'a=1&k=acme&b=2&kk=3'), main::ask('/f', 'acme', args => 'b=1&K=acme&a=%26'), main::ask('/f', 'acme', args => 'k=acme'),
    main::ask('/two/', 'acme', args => 'l=me&x=1&k=ac'), main::ask('/all/', 'acme', args => 'a=1&k=acme'), main::ask('/path/acme', 'acme', args => 'k=x')]
--- response_headers eval
['X-Args: [a=1&b=2&kk=3]', 'X-Args: [b=1&a=%26]', 'X-Args: []', 'X-Args: [x=1]', 'X-Args: [a=1&k=acme]', 'X-Args: [k=x]']
--- error_code eval
[(200) x 6]



=== a block's secret replaces inherited keys, and keys an inherited secret
--- config eval
"secure_link_hmac_keys partners \$arg_k;
location /keys { $::serve }
location /secret {
    secure_link_hmac_secret $::stranger;
    $::serve
    location /secret/keys { secure_link_hmac_keys partners globex; $::serve }
    location /secret/leeway { secure_link_hmac_leeway 5s; $::serve }
}
location /leeway { secure_link_hmac_leeway 5s; $::serve }
location /all { secure_link_hmac_keys partners; $::serve }"
--- request eval
[map { my $path = $_; map { main::ask($path, $_, args => 'k=acme') } qw(acme globex stranger) } qw(/keys /secret /secret/keys /secret/leeway /leeway /all)]
--- response_headers eval
[main::verdicts('granted [acme]', 'forged []', 'forged []',   'forged []', 'forged []', 'granted []',   'forged []', 'granted [globex]', 'forged []',
    'forged []', 'forged []', 'granted []',   'granted [acme]', 'forged []', 'forged []',   'granted [acme]', 'granted [globex]', 'forged []')]
--- error_code eval
[200, 403, 403, 403, 403, 200, 403, 200, 403, 403, 403, 200, 200, 403, 403, 200, 200, 403]



=== keys of the http level replace nothing that a server says
--- http_config eval
"secure_link_hmac_keys partners acme;"
--- config eval
"secure_link_hmac_secret $::stranger;
location /f { $::serve }
location /keys { secure_link_hmac_keys partners globex; $::serve }"
--- request eval
[map { my $path = $_; map { main::ask($path, $_) } qw(acme globex stranger) } qw(/f /keys)]
--- response_headers eval
[main::verdicts('forged []', 'forged []', 'granted []', 'forged []', 'granted [globex]', 'forged []')]
--- error_code eval
[403, 403, 200, 403, 200, 403]



=== without an id the keys are tried in turn
--- config eval
"secure_link_hmac_keys partners;
location /f { $::serve }"
--- request eval
[map { main::ask('/f', $_, args => 'k=globex') } qw(acme globex initech stranger)]
--- response_headers eval
[main::verdicts('granted [acme]', 'granted [globex]', 'forged []', 'forged []')]
--- error_code eval
[200, 200, 403, 403]



=== sixteen keys are tried in turn, of whatever id and algorithm
--- http_config eval
CORE::join "\n", 'secure_link_hmac_keyring sixteen {', (map { sprintf "id-%d %s%04x %s;", $_ % 10, $::hex{acme}, $_, $_ == 7 ? 'algorithm=sha512' : $_ == 8 ? 'algorithm=sha3-256' : '' } 1 .. 16), '}'
--- config eval
"secure_link_hmac_keys sixteen;
location /f { $::serve }"
--- request eval
[map { 'GET ' . link('/f', secret => $::acme . pack('n', $_), algorithm => $_ == 7 ? 'sha512' : $_ == 8 ? 'sha3-256' : 'sha256') } 1 .. 17]
--- response_headers eval
[main::verdicts((map { 'granted [id-' . $_ % 10 . ']' } 1 .. 16), 'forged []')]
--- error_code eval
[(200) x 16, 403]



=== a ring whose keys have all died has no key
--- http_config eval
"secure_link_hmac_keyring dead {
    acme $::hex{acme} revoked;
    globex $::hex{globex} not_after=2020-01-01T00:00:00Z;
    initech $::hex{initech} not_before=2999-01-01T00:00:00Z;
}"
--- config eval
"location /all { secure_link_hmac_keys dead; $::serve }
location /one { secure_link_hmac_keys dead \$arg_k; $::serve }"
--- request eval
[map { my $name = $_; map { main::ask($_, $name, args => "k=$name") } '/all', '/one' } qw(acme globex initech)]
--- response_headers eval
[main::verdicts(('unknown_key []') x 6)]
--- error_code eval
[(403) x 6]



=== a token is made by the first living key of the id
--- http_config eval
"secure_link_hmac_keyring signers {
    old     $::hex{acme}    not_after=2020-01-01T00:00:00Z;
    old     $::hex{globex}  issued_after=2020-01-01T00:00:00Z;
    old     $::hex{initech};
    long    $::hex{acme}    algorithm=sha512;
    dead    $::hex{acme}    revoked;
}"
--- config
    secure_link_hmac_keys signers $arg_k;
    location /f { return 200 "[$secure_link_hmac_token]"; }
    location /all { secure_link_hmac_keys signers; return 200 "[$secure_link_hmac_token]"; }
    location /off { secure_link_hmac off; return 200 "[$secure_link_hmac_token]"; }
    location /hex { secure_link_hmac_encoding hex; secure_link_hmac_algorithm md5; return 200 "[$secure_link_hmac_token]"; }
--- request eval
[(map { "GET /f?ts=1&e=2&k=$_" } qw(old long dead nobody), '', 'k' x 65), map { "GET $_?ts=1&e=2&k=old" } qw(/all /off /hex)]
--- response_body eval
['[' . token('/f|1|2', secret => $::globex) . ']', '[' . token('/f|1|2', secret => $::acme, algorithm => 'sha512') . ']', ('[]') x 4,
    '[' . token('/all|1|2', secret => $::globex) . ']', '[' . token('/off|1|2', secret => $::globex) . ']',
    '[' . token('/hex|1|2', secret => $::globex, algorithm => 'md5', encoding => 'hex') . ']']
--- no_error_log
[error]



=== requests may be limited by key, before the access phase
--- http_config
    limit_req_zone $secure_link_hmac_key_id zone=partners:1m rate=1r/m;
--- config eval
"secure_link_hmac_keys partners \$arg_k;
location /f { limit_req zone=partners; limit_req_status 429; $::serve }"
--- request eval
[main::ask('/f', 'acme', args => 'k=acme'), main::ask('/f', 'acme', args => 'k=acme'), main::ask('/f', 'globex', args => 'k=globex'),
    main::ask('/f', 'stranger', args => 'k=globex'), main::ask('/f', 'stranger', args => 'k=acme'), main::ask('/f', 'globex', args => 'k=globex'),
    main::ask('/f', 'initech', args => 'k=initech'), main::ask('/f', 'initech', args => 'k=initech')]
--- error_code eval
[200, 429, 200, 403, 403, 429, 403, 403]



=== links may be withdrawn by key
--- http_config
    map $secure_link_hmac_key_id $stopped { default 0; acme 1; }
--- config eval
"secure_link_hmac_keys partners \$arg_k;
secure_link_hmac_revoke \$stopped;
location /f { $::serve }"
--- request eval
[main::ask('/f', 'acme', args => 'k=acme'), main::ask('/f', 'globex', args => 'k=globex'), main::ask('/f', 'stranger', args => 'k=acme')]
--- response_headers eval
[main::verdicts('revoked [acme]', 'granted [globex]', 'forged []')]
--- error_code eval
[403, 200, 403]



=== an id that asks for the verdict gets nothing
--- http_config
    map $secure_link_hmac_key_id $circle { default $secure_link_hmac_key_id; "" ""; }
    map $secure_link_hmac_status $lure { default acme; granted globex; }
--- config eval
"location /circle { secure_link_hmac_keys partners \$circle; $::serve }
location /lure { secure_link_hmac_keys partners \$lure; $::serve }"
--- request eval
[map { my $path = $_; map { main::ask($path, $_) } qw(acme globex) } '/circle', '/lure']
--- response_headers eval
[main::verdicts('unknown_key []', 'unknown_key []', 'granted [acme]', 'forged []')]
--- error_code eval
[403, 403, 200, 403]



=== a status of its own for an unknown key
--- config eval
"secure_link_hmac_keys partners \$arg_k;
secure_link_hmac_error unknown_key=404;
location /f { $::serve }"
--- request eval
[main::ask('/f', 'acme', args => 'k=nobody'), main::ask('/f', 'initech', args => 'k=initech'), main::ask('/f', 'acme', args => 'k=globex')]
--- error_code eval
[404, 404, 403]
