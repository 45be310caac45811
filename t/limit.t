# secure_link_hmac_limit: what spends a use and what does not, and quotas. Races, reloads and full zones are in
# tests/limits.pl, mistakes in tests/nginx-t-limit.pl.

use strict;
use warnings;

use lib 't/lib';
use SecureLink;
use Test::Nginx::Socket 'no_plan';

our %secret = (acme => 'acme-key' x 4, globex => 'globex-k' x 4);
our $ring = join "\n", map { "        $_ hex:" . unpack('H*', $secret{$_}) . ';' } sort keys %secret;

# Each block has a zone of its own, which it calls ZONE: where blocks are reloads of one nginx, zones live on.
my $number = 0;

add_block_preprocessor(sub {
    my ($block) = @_;
    $number += 1;
    my $in = sub { $_[0] =~ s/\bZONE\b/limit$number/gr };
    $block->set_value(http_config => $in->(<<"_EOC_" . ($block->http_config || '')));
    secure_link_hmac_zone ZONE:64k;
    secure_link_hmac_keyring partners {
$ring
    }
    real_ip_header X-Forwarded-For;
    set_real_ip_from 127.0.0.1;
_EOC_
    my $message = $block->config =~ /^secure_link_hmac_message/m ? '' : 'secure_link_hmac_message $uri|$arg_ts|$arg_e;';
    $block->set_value(config => $in->($message . <<'_EOC_' . $block->config));
    secure_link_hmac $arg_st,$arg_ts,$arg_e;
    secure_link_hmac_keys partners $arg_k;
    add_header X-Verdict $secure_link_hmac_status always;
    add_header X-Uses $secure_link_hmac_uses always;
_EOC_
    $block->set_value(user_files => <<"_EOC_" . ($block->user_files || ''));
>>> f/a.txt
a file
>>> f/b.txt
another
>>> g/a.txt
a file elsewhere
>>> internal/f/a.txt
handed over
>>> f/small
${\('x' x 2000)}
>>> f/large
${\('x' x 20000)}
>>> internal/f/large
${\('x' x 20000)}
>>> sorry.txt
sorry
>>> ../conf/users
ann:{PLAIN}secret
_EOC_
    $block->set_value(log_level => 'info');
});

# A request with a link by acme's key, or by that of the option `by`.
sub ask {
    my ($path, %options) = @_;
    my $method = delete $options{method} || 'GET';
    my $name   = delete $options{by}     || 'acme';
    my $args   = join '&', "k=$name", delete $options{args} // ();
    return "$method " . SecureLink::link($path, secret => $secret{$name}, args => $args, %options);
}

sub times { my ($count, @what) = @_; return (@what) x $count }
sub verdicts { map { "X-Verdict: $_" } @_ }
sub uses { map { "X-Uses: $_" } @_ }

our ($then, $late) = (time() - 20, time() - 3900);

# A request with a link of acme's that is good for all paths, where the message is $arg_k|$arg_ts|$arg_e.
sub anywhere {
    my ($path) = @_;
    return "GET $path?k=acme&ts=$then&e=3600&st=" . SecureLink::token("acme|$then|3600", secret => $secret{acme});
}

our $password = 'Authorization: Basic ' . MIME::Base64::encode_base64('ann:secret', '');

no_long_string();
run_tests();

__DATA__

=== a link with one use is good once
--- config
location /f/ { secure_link_hmac_enforce on; secure_link_hmac_limit ZONE uses=1; }
--- request eval
[::ask('/f/a.txt'), ::ask('/f/a.txt'), ::ask('/f/a.txt')]
--- error_code eval
[200, 410, 410]
--- response_headers eval
[::verdicts('granted', ::times(2, 'exhausted'))]
--- response_body_like eval
[qr/\Aa file\n\z/, (qr/410 Gone/) x 2]



=== the log says so
--- config
secure_link_hmac_message "$arg_ts|$arg_e";
secure_link_hmac_enforce on;
location /f/ { secure_link_hmac_limit ZONE uses=1; secure_link_hmac_pass /g/a.txt?$args; }
location /g/ { secure_link_hmac_limit ZONE uses=1; }
--- request eval
::ask('/f/a.txt', message => "$::then|3600", ts => $::then)
--- error_code: 410
--- error_log eval
qr/\[info\].*secure_link_hmac: denied: verdict=exhausted key="acme" message="\d+\|3600"/



=== also of a dry run
--- config
secure_link_hmac_message "$arg_ts|$arg_e";
secure_link_hmac_enforce on;
location /f/ { secure_link_hmac_limit ZONE uses=1; secure_link_hmac_pass /g/a.txt?$args; }
location /g/ { secure_link_hmac_enforce dry_run; secure_link_hmac_limit ZONE uses=1; }
--- request eval
::ask('/f/a.txt', message => "$::then|3600", ts => $::then)
--- response_body
a file elsewhere
--- response_headers
X-Verdict: exhausted
--- error_log eval
qr/\[info\].*secure_link_hmac: dry run, would deny: verdict=exhausted key="acme" message="\d+\|3600"/



=== one with three uses three times, and says how many there were
--- config
location /f/ { secure_link_hmac_enforce on; secure_link_hmac_limit ZONE uses=3 per=token; }
--- request eval
[(map { ::ask('/f/a.txt') } 1 .. 4), ::ask('/f/b.txt')]
--- error_code eval
[200, 200, 200, 410, 200]
--- response_headers eval
[::uses(1, 2, 3), ::verdicts('exhausted'), ::uses(1)]



=== links that differ are counted apart, by path, time, lifetime and key
--- config
location /f/ { secure_link_hmac_enforce on; secure_link_hmac_limit ZONE uses=1; }
--- request eval
[
    ::ask('/f/a.txt'), ::ask('/f/b.txt'), ::ask('/f/a.txt', e => 3601), ::ask('/f/a.txt', ts => time - 60),
    ::ask('/f/a.txt', by => 'globex'), ::ask('/f/a.txt', e => 3601),
]
--- error_code eval
[200, 200, 200, 200, 200, 410]



=== a link is the same however its URL is written
--- config
location /f/ { secure_link_hmac_enforce on; secure_link_hmac_limit ZONE uses=1; }
--- request eval
[
    ::ask('/f/a.txt'), ::ask('/f/a.txt', args => 'x=1'), ::ask('/f/a.txt') =~ s/(st=)(.)/sprintf '%s%%%02x', $1, ord $2/er,
    ::ask('/f/a.txt') =~ s{/a}{/%61}r, ::ask('/f/a.txt') =~ s{/f}{//f/.}r,
]
--- error_code eval
[200, 410, 403, 410, 410]



=== all locations that name the zone share a link's uses
--- config
secure_link_hmac_message "$arg_ts|$arg_e";
location /f/ { secure_link_hmac_enforce on; secure_link_hmac_limit ZONE uses=1; }
location /g/ { secure_link_hmac_enforce on; secure_link_hmac_limit ZONE uses=2; }
--- request eval
[map { ::ask("/$_/a.txt", ts => $::then, message => "$::then|3600") } qw(f g f g)]
--- error_code eval
[200, 200, 410, 410]
--- response_headers eval
[::uses(1, 2), ::verdicts(::times(2, 'exhausted'))]



=== HEAD is checked, and never counts
--- config
location /f/ { secure_link_hmac_enforce on; secure_link_hmac_limit ZONE uses=1; }
--- request eval
[(map { ::ask('/f/a.txt', method => 'HEAD') } 1 .. 3), ::ask('/f/a.txt'), ::ask('/f/a.txt', method => 'HEAD')]
--- error_code eval
[200, 200, 200, 200, 410]
--- response_headers eval
[::verdicts(::times(4, 'granted'), 'exhausted')]



=== a 401 of auth_basic spends nothing
--- config
location /f/ {
    secure_link_hmac_enforce on;
    secure_link_hmac_limit ZONE uses=1;
    auth_basic "files";
    auth_basic_user_file users;
}
--- request eval
[map { ::ask('/f/a.txt') } 1 .. 5]
--- more_headers eval
['', '', '', $::password, $::password]
--- error_code eval
[401, 401, 401, 200, 410]



=== nor does a 403 of deny
--- config
location /f/ { secure_link_hmac_enforce on; secure_link_hmac_limit ZONE uses=1; deny 192.0.2.1; }
--- request eval
[map { ::ask('/f/a.txt') } 1 .. 4]
--- more_headers eval
[('X-Forwarded-For: 192.0.2.1') x 2, '', '']
--- error_code eval
[403, 403, 200, 410]



=== nor does either if its error_page lies under the policy
--- config
secure_link_hmac_enforce on;
secure_link_hmac_limit ZONE uses=1;
error_page 401 403 /sorry.txt;
location /f/ { auth_basic "files"; auth_basic_user_file users; }
location /g/ { deny 192.0.2.1; }
--- request eval
[(map { ::ask('/f/a.txt') } 1 .. 4), (map { ::ask('/g/a.txt') } 1 .. 4)]
--- more_headers eval
['', '', $::password, $::password, ('X-Forwarded-For: 192.0.2.1') x 2, '', '']
--- error_code eval
[401, 401, 200, 410, 403, 403, 200, 410]
--- response_body_like eval
[(qr/\Asorry$/) x 2, qr/\Aa file$/, qr/Gone/, (qr/\Asorry$/) x 2, qr/\Aa file elsewhere$/, qr/Gone/]
--- response_headers eval
[::verdicts('granted', 'granted'), ::uses(1), ::verdicts('exhausted', 'granted', 'granted'), ::uses(1), ::verdicts('exhausted')]



=== wherever it lies under the policy
--- config
secure_link_hmac_enforce on;
secure_link_hmac_limit ZONE uses=1;
recursive_error_pages on;
location /f/ { auth_basic "files"; auth_basic_user_file users; error_page 401 @sorry; }
location /g/ { auth_basic "files"; auth_basic_user_file users; error_page 401 =403 /nothing; }
location = /nothing { error_page 404 /sorry.txt; }
location @sorry { root html; try_files /none /sorry.txt; }
--- request eval
[(map { ::ask('/f/a.txt') } 1 .. 3), (map { ::ask('/g/a.txt') } 1 .. 3)]
--- more_headers eval
[('', '', $::password) x 2]
--- error_code eval
[401, 401, 200, 404, 404, 200]
--- response_body_like eval
[((qr/\Asorry$/) x 2, qr/\Aa file/) x 2]



=== nor does the page of a limit_req that has seen the link's verdict
--- http_config
limit_req_zone $secure_link_hmac_key_id zone=rare:64k rate=1r/m;
--- config
secure_link_hmac_enforce on;
secure_link_hmac_limit ZONE uses=1;
secure_link_hmac_message "$arg_ts|$arg_e";
error_page 503 /sorry.txt;
location /f/ { limit_req zone=rare; }
--- request eval
[map { ::ask($_->[0], ts => $::then, e => $_->[1], message => "$::then|$_->[1]") }
    ['/f/a.txt', 3600], ['/f/a.txt', 3601], ['/f/a.txt', 3601], ['/g/a.txt', 3601], ['/g/a.txt', 3601]]
--- error_code eval
[200, 503, 503, 200, 410]
--- response_body_like eval
[qr/\Aa file$/, (qr/\Asorry$/) x 2, qr/\Aa file elsewhere$/, qr/Gone/]



=== but what is served in place of a 401 with a status of success does
--- config
secure_link_hmac_enforce on;
secure_link_hmac_limit ZONE uses=1;
auth_basic_user_file users;
location /f/ { auth_basic "files"; error_page 401 =200 /g/a.txt; }
location /h/ { auth_basic "files"; error_page 401 = /g/a.txt; }
location /i/ { auth_basic "files"; error_page 401 = @other; }
location /j/ { auth_basic "files"; error_page 401 /none; recursive_error_pages on; }
location = /none { error_page 404 = /g/a.txt; recursive_error_pages on; }
location @other { rewrite ^ /g/a.txt break; }
--- request eval
[map { (::ask($_)) x 2 } map { "/$_/a.txt" } 'f', 'h' .. 'j']
--- error_code eval
[(200, 410) x 4]
--- response_body_like eval
[(qr/\Aa file elsewhere$/, qr/Gone/) x 4]



=== the page of such an error is not handed off, and spends nothing
--- config
secure_link_hmac_enforce on;
secure_link_hmac_limit ZONE uses=1;
error_page 401 /p/sorry.txt;
location /f/ { auth_basic "files"; auth_basic_user_file users; }
location /p/ { secure_link_hmac_pass /internal/f/a.txt; }
location /internal/ { internal; }
--- user_files
>>> p/sorry.txt
sign in
--- request eval
[(::ask('/f/a.txt')) x 3]
--- more_headers eval
['', '', $::password]
--- error_code eval
[401, 401, 200]
--- response_body_like eval
[(qr/\Asign in$/) x 2, qr/\Aa file$/]



=== and an error_page that the link is checked for first
--- config
secure_link_hmac_enforce on;
secure_link_hmac_limit ZONE uses=1;
secure_link_hmac_message "$arg_ts|$arg_e";
location /f/ { error_page 418 /g/a.txt?$args; return 418; }
--- request eval
[map { ::ask('/f/a.txt', ts => $::then, message => "$::then|3600") } 1, 2]
--- error_code eval
[418, 410]
--- response_body_like eval
[qr/\Aa file elsewhere$/, qr/Gone/]



=== nor a link that is not granted
--- config
location /f/ {
    secure_link_hmac_enforce on;
    secure_link_hmac_limit ZONE uses=1;
    secure_link_hmac_revoke $arg_stop;
}
--- request eval
[
    (map { ::ask('/f/a.txt', args => $_) } 'stop=1', 'stop=1'), ::ask('/f/a.txt', method => 'DELETE'),
    ::ask('/f/a.txt', by => 'globex') =~ s/k=globex/k=acme/r, ::ask('/f/a.txt'), ::ask('/f/a.txt', args => 'stop=1'),
]
--- error_code eval
[403, 403, 403, 403, 200, 403]
--- response_headers eval
[::verdicts('revoked', 'revoked', 'out_of_scope', 'forged', 'granted', 'revoked')]



=== a file that is not there spends a use
--- config
location /f/ { secure_link_hmac_enforce on; secure_link_hmac_limit ZONE uses=1; }
--- request eval
[::ask('/f/none.txt'), ::ask('/f/none.txt')]
--- error_code eval
[404, 410]



=== under satisfy any a link that granted spends a use, and one that another method let pass does not
--- config
satisfy any;
auth_basic "files";
auth_basic_user_file users;
location /f/ { secure_link_hmac_enforce on; secure_link_hmac_limit ZONE uses=1; }
--- request eval
[::ask('/f/a.txt') =~ s/st=/st=x/r, ::ask('/f/a.txt'), ::ask('/f/a.txt'), ::ask('/f/a.txt'), 'GET /f/a.txt', ::ask('/f/b.txt')]
--- more_headers eval
[$::password, '', $::password, '', $::password, '']
--- error_code eval
[200, 200, 200, 401, 200, 200]
--- response_headers eval
[::verdicts('malformed', 'granted', 'exhausted', 'exhausted', 'missing', 'granted')]



=== a dry run spends nothing, and says who is exhausted
--- config
secure_link_hmac_message "$arg_ts|$arg_e";
location /f/ { secure_link_hmac_enforce dry_run; secure_link_hmac_limit ZONE uses=1; }
location /g/ { secure_link_hmac_enforce on; secure_link_hmac_limit ZONE uses=1; }
--- request eval
[map { ::ask($_, ts => $::then, message => "$::then|3600") } map { "/$_/a.txt" } qw(f f g f g)]
--- error_code eval
[200, 200, 200, 200, 410]
--- response_headers eval
[::verdicts('granted', 'granted', 'granted', 'exhausted', 'exhausted')]



=== without enforcement nothing is limited
--- config
location /f/ { secure_link_hmac_limit ZONE uses=1; }
--- request eval
[map { ::ask('/f/a.txt') } 1 .. 3]
--- error_code eval
[200, 200, 200]
--- response_headers eval
[::verdicts(::times(3, 'granted'))]



=== a bypass spends nothing
--- config
location /f/ {
    secure_link_hmac_enforce on;
    secure_link_hmac_bypass $arg_free;
    secure_link_hmac_limit ZONE uses=1;
}
--- request eval
[(map { ::ask('/f/a.txt', args => 'free=1') } 1 .. 2), ::ask('/f/a.txt'), ::ask('/f/a.txt')]
--- error_code eval
[200, 200, 200, 410]



=== within the window the same address may come back, another may not
--- config
location /f/ { secure_link_hmac_enforce on; secure_link_hmac_limit ZONE uses=1 window=10m; }
--- request eval
[map { ::ask('/f/a.txt') } 1 .. 5]
--- more_headers eval
[map { "X-Forwarded-For: $_" } '192.0.2.1', '192.0.2.1', '192.0.2.2', '192.0.2.1', '2001:db8::1']
--- error_code eval
[200, 200, 410, 200, 410]
--- response_headers eval
[::uses(1, 1), ::verdicts('exhausted', 'granted', 'exhausted')]



=== each address has a window, as far as uses go
--- config
location /f/ { secure_link_hmac_enforce on; secure_link_hmac_limit ZONE uses=2 window=10m; }
--- request eval
[map { ::ask('/f/a.txt') } 1 .. 6]
--- more_headers eval
[map { "X-Forwarded-For: $_" } '2001:db8::1', '2001:db8::2', '2001:db8::1', '2001:db8::3', '2001:db8::2', '192.0.2.1']
--- error_code eval
[200, 200, 200, 410, 200, 410]
--- response_headers eval
[::uses(1, 2, 2), ::verdicts('exhausted'), ::uses(2), ::verdicts('exhausted')]



=== a window is for one link
--- config
location /f/ { secure_link_hmac_enforce on; secure_link_hmac_limit ZONE uses=1 window=10m; }
--- request eval
[map { ::ask(@$_) } ['/f/a.txt'], ['/f/b.txt'], ['/f/a.txt', e => 3601], ['/f/a.txt']]
--- error_code eval
[200, 200, 200, 200]
--- response_headers eval
[::uses(1, 1, 1, 1)]



=== HEAD opens no window
--- config
location /f/ { secure_link_hmac_enforce on; secure_link_hmac_limit ZONE uses=1 window=10m; }
--- request eval
[::ask('/f/a.txt', method => 'HEAD'), ::ask('/f/a.txt'), ::ask('/f/a.txt')]
--- more_headers eval
[map { "X-Forwarded-For: $_" } '192.0.2.1', '192.0.2.2', '192.0.2.1']
--- error_code eval
[200, 200, 410]



=== ranges of one download are one use
--- config
location /f/ { secure_link_hmac_enforce on; secure_link_hmac_limit ZONE uses=1 window=1m; }
location /g/ { secure_link_hmac_enforce on; secure_link_hmac_limit ZONE uses=1; }
--- request eval
[(map { ::ask('/f/a.txt') } 1 .. 4), ::ask('/g/a.txt'), ::ask('/g/a.txt')]
--- more_headers eval
[map { "Range: bytes=$_" } '0-1', '2-3', '4-', '0-0', '0-1', '2-3']
--- error_code eval
[206, 206, 206, 206, 206, 410]
--- response_body_like eval
[qr/\Aa \z/, qr/\Afi\z/, qr/\Ale\n\z/, qr/\Aa\z/, qr/\Aa \z/, qr/Gone/]



=== a link inside its leeway cannot be replayed
--- config
location /f/ { secure_link_hmac_enforce on; secure_link_hmac_leeway 10m; secure_link_hmac_limit ZONE uses=1; }
location /g/ { secure_link_hmac_enforce on; secure_link_hmac_limit ZONE uses=1; }
--- request eval
[(map { ::ask('/f/a.txt', ts => $::late) } 1 .. 3), ::ask('/g/a.txt', ts => $::late)]
--- error_code eval
[200, 410, 410, 410]
--- response_headers eval
[::verdicts('granted', 'exhausted', 'exhausted', 'expired')]



=== a hand-off counts once
--- config
location /f/ {
    secure_link_hmac_enforce on;
    secure_link_hmac_limit ZONE uses=2;
    secure_link_hmac_pass /internal$uri;
}
location /internal/ { internal; }
--- request eval
[map { ::ask('/f/a.txt') } 1 .. 3]
--- error_code eval
[200, 200, 410]
--- response_body_like eval
[(qr/handed over/) x 2, qr/Gone/]
--- response_headers eval
[::uses(1, 2), ::verdicts('exhausted')]



=== so does a redirect to a place with the same policy
--- config
secure_link_hmac_enforce on;
secure_link_hmac_limit ZONE uses=1;
location /d/ { index a.html; }
location /t/ { try_files /none /f/a.txt; }
location /e/ { error_page 404 = /f/a.txt; }
location /n/ { error_page 404 = @named; }
location @named { rewrite ^ /f/a.txt break; }
location /p/ { secure_link_hmac_pass /f/a.txt; }
--- user_files
>>> d/a.html
index
--- request eval
[map { (::ask($_)) x 2 } '/d/', '/t/x', '/e/x', '/n/x', '/p/x']
--- error_code eval
[(200, 410) x 5]



=== but a place with a policy of its own counts for itself
--- config
secure_link_hmac_enforce on;
secure_link_hmac_message "$arg_ts|$arg_e";
location /f/ { secure_link_hmac_limit ZONE uses=2; secure_link_hmac_pass /g/a.txt?$args; }
location /g/ { secure_link_hmac_limit ZONE uses=2; }
--- request eval
[map { ::ask('/f/a.txt', ts => $::then, message => "$::then|3600") } 1, 2]
--- error_code eval
[200, 410]
--- response_headers eval
[::uses(2), ::verdicts('exhausted')]



=== a subrequest spends nothing
--- config
secure_link_hmac_enforce on;
secure_link_hmac_limit ZONE uses=1;
location /f/ { ssi on; ssi_types text/plain; }
--- user_files
>>> f/page.html
[<!--# include virtual="/f/a.txt" -->] [<!--# include virtual="/f/a.txt" -->]
--- request eval
[::ask('/f/page.html'), ::ask('/f/page.html')]
--- error_code eval
[200, 410]
--- response_body_like eval
[qr/\[a file\n\] \[a file\n\]/, qr/Gone/]



=== the status of a spent link can be chosen, and its error page is served under the same policy
--- config
secure_link_hmac_enforce on;
secure_link_hmac_limit ZONE uses=1;
secure_link_hmac_error exhausted=429;
error_page 410 429 /sorry.txt;
--- request eval
[::ask('/f/a.txt'), ::ask('/f/a.txt'), ::ask('/f/a.txt', ts => time - 7200)]
--- error_code eval
[200, 429, 410]
--- response_body_like eval
[qr/a file/, (qr/sorry/) x 2]
--- response_headers eval
[::verdicts('granted', 'exhausted', 'expired')]



=== a link that never expires cannot be limited
--- config
location /f/ { secure_link_hmac_enforce on; secure_link_hmac_limit ZONE uses=1; }
--- request eval
[::ask('/f/a.txt', e => 0), ::ask('/f/a.txt', e => 0), ::ask('/f/a.txt')]
--- error_code eval
[403, 403, 200]
--- response_headers eval
[::verdicts('malformed', 'malformed', 'granted')]



=== uses of a key are a quota for all its links
--- config
location /f/ { secure_link_hmac_enforce on; secure_link_hmac_limit ZONE uses=3 per=key period=1h; }
--- request eval
[
    ::ask('/f/a.txt'), ::ask('/f/a.txt'), ::ask('/f/a.txt', method => 'HEAD'), ::ask('/f/b.txt'), ::ask('/f/a.txt', e => 7200),
    ::ask('/f/a.txt', by => 'globex'), ::ask('/f/a.txt', e => 0), ::ask('/f/a.txt', e => 0, by => 'globex'),
]
--- error_code eval
[200, 200, 200, 200, 410, 200, 410, 200]
--- response_headers eval
[::uses(1, 2), ::verdicts('granted'), ::uses(3), ::verdicts('exhausted'), ::uses(1), ::verdicts('exhausted'), ::uses(2)]



=== the request after a quota of bytes is refused, a running one is not cut
--- config
location /f/ { secure_link_hmac_enforce on; secure_link_hmac_limit ZONE bytes=5k per=key period=1h; }
--- request eval
[
    ::ask('/f/small'), ::ask('/f/large'), ::ask('/f/small'), ::ask('/f/large'), ::ask('/f/small', method => 'HEAD'),
    ::ask('/f/large', by => 'globex'), ::ask('/f/small', by => 'globex'),
]
--- error_code eval
[200, 200, 410, 410, 410, 200, 410]
--- response_headers eval
[::verdicts('granted', 'granted', ::times(3, 'exhausted'), 'granted', 'exhausted')]
--- response_body_like eval
[qr/\Ax{2000}\n\z/, qr/\Ax{20000}\n\z/, (qr/Gone/) x 2, qr/\A\z/, qr/\Ax{20000}\n\z/, qr/Gone/]



=== a quota of bytes goes on counting after a hand-off
--- config
location /f/ {
    secure_link_hmac_enforce on;
    secure_link_hmac_limit ZONE bytes=1k per=key period=1h;
    secure_link_hmac_pass /internal$uri;
}
location /internal/ { internal; }
--- request eval
[::ask('/f/large'), ::ask('/f/large'), ::ask('/f/large', by => 'globex')]
--- error_code eval
[200, 410, 200]



=== a quota of bytes is charged though a variable is read where the file is, and nothing enforced
--- config
location /f/ {
    secure_link_hmac_enforce on;
    secure_link_hmac_limit ZONE bytes=1k per=key period=1h;
    proxy_pass http://127.0.0.1:$TEST_NGINX_SERVER_PORT/backend;
}
location /backend { secure_link_hmac off; add_header X-Accel-Redirect /internal/f/large; return 204; }
location /internal/ { internal; }
--- request eval
[::ask('/f/large'), ::ask('/f/large'), ::ask('/f/large', by => 'globex')]
--- error_code eval
[200, 410, 200]
--- response_headers eval
[::verdicts('granted', 'exhausted', 'granted')]



=== so it is though another policy checks after it, and once if both have the same
--- config
secure_link_hmac_message $arg_k|$arg_ts|$arg_e;
secure_link_hmac_enforce on;
location = /f/ { index small; secure_link_hmac_limit ZONE bytes=3k per=key period=1h; }
location = /f/small { secure_link_hmac_leeway 1m; secure_link_hmac_limit ZONE bytes=4k per=key period=1h; }
location /g/ { index a.txt; secure_link_hmac_limit ZONE bytes=100 per=key period=2h; }
location = /g/a.txt { secure_link_hmac_leeway 1m; }
--- request eval
[::anywhere('/f/'), ::anywhere('/f/small'), ::anywhere('/f/'), ::anywhere('/g/'), ::anywhere('/g/')]
--- error_code eval
[200, 200, 410, 200, 410]
--- response_headers eval
[::verdicts('granted', 'granted', 'exhausted', 'granted', 'exhausted')]



=== the verdict is that of the use, also where another method has refused before
--- config
secure_link_hmac_message $arg_k|$arg_ts|$arg_e;
secure_link_hmac_limit ZONE uses=1;
location /f/ { set $link $args; secure_link_hmac_enforce on; auth_request /auth; error_page 401 = /g/a.txt; }
location /g/ { secure_link_hmac_enforce on; }
# Somebody else is faster: the only use is spent while the request is asked about.
location = /auth { internal; proxy_pass http://127.0.0.1:$TEST_NGINX_SERVER_PORT/use?$link; }
location = /use { secure_link_hmac_enforce on; proxy_pass http://127.0.0.1:$TEST_NGINX_SERVER_PORT/refuse; }
location = /refuse { secure_link_hmac off; return 401; }
--- request eval: ::anywhere('/f/a.txt')
--- error_code: 410
--- response_headers
X-Verdict: exhausted



=== two limits hold at once, and a denial by one spends nothing of the other
--- config
location /f/ {
    secure_link_hmac_enforce on;
    secure_link_hmac_limit ZONE uses=1;
    secure_link_hmac_limit ZONE uses=2 per=key period=1h;
}
--- request eval
[map { ::ask($_) } '/f/a.txt', '/f/a.txt', '/f/a.txt', '/f/b.txt', '/f/none.txt']
--- error_code eval
[200, 410, 410, 200, 410]



=== a quota of uses and one of bytes with the same period are two
--- config
location /f/ {
    secure_link_hmac_enforce on;
    secure_link_hmac_limit ZONE uses=2 per=key period=1h;
    secure_link_hmac_limit ZONE bytes=1m per=key period=1h;
    secure_link_hmac_limit ZONE uses=100 per=key period=1d;
}
--- request eval
[map { ::ask('/f/a.txt') } 1 .. 3]
--- error_code eval
[200, 200, 410]
--- response_headers eval
[::uses(1, 2), ::verdicts('exhausted')]



=== a limit is inherited, and replaced by a block's own
--- config
secure_link_hmac_enforce on;
secure_link_hmac_limit ZONE uses=1;
location /f/ { }
location /g/ { secure_link_hmac_limit ZONE uses=2; }
--- request eval
[(map { ::ask('/f/a.txt') } 1, 2), (map { ::ask('/g/a.txt') } 1 .. 3)]
--- error_code eval
[200, 410, 200, 200, 410]



=== before the access phase variables say what the link says
--- config
location /f/ {
    secure_link_hmac_enforce on;
    secure_link_hmac_limit ZONE uses=1;
    set $early $secure_link_hmac_status;
    add_header X-Verdicts "$early $secure_link_hmac_status" always;
}
--- request eval
[::ask('/f/a.txt'), ::ask('/f/a.txt')]
--- error_code eval
[200, 410]
--- response_headers eval
['X-Verdicts: granted granted', 'X-Verdicts: granted exhausted']



=== where nothing is enforced these are warnings
--- config
location /f/ { secure_link_hmac_limit ZONE uses=1 per=subject period=1h; }
--- request eval
::ask('/f/a.txt')
--- response_body
a file
