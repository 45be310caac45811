# secure_link_hmac_meter and secure_link_hmac_metrics: what is counted, once for each request, and how it
# is shown. The page for people is in tests/metrics-page.pl.

use strict;
use warnings;

use lib 't/lib';
use SecureLink;
use Test::Nginx::Socket 'no_plan';

our %secret = (acme => 'acme-key' x 4, globex => 'globex-k' x 4, initech => 'initech.' x 4);
our $ring = join "\n", map { "        $_ hex:" . unpack('H*', $secret{$_}) . ';' } sort keys %secret;

# Each block has a zone of its own, which it calls ZONE: where blocks are reloads of one nginx, zones live on.
my $number = 0;

add_block_preprocessor(sub {
    my ($block) = @_;
    $number += 1;
    my $in = sub { $_[0] =~ s/\bZONE\b/zone$number/gr };
    $block->set_value(http_config => $in->(<<"_EOC_" . ($block->http_config || '')));
    secure_link_hmac_zone ZONE:64k;
    secure_link_hmac_keyring partners {
$ring
    }
_EOC_
    $block->set_value(config => $in->(<<'_EOC_' . $block->config));
    secure_link_hmac $arg_st,$arg_ts,$arg_e;
    secure_link_hmac_message $uri|$arg_ts|$arg_e;
    secure_link_hmac_keys partners $arg_k;
    add_header X-Verdict $secure_link_hmac_status always;
    location = /m {
        secure_link_hmac off;
        secure_link_hmac_enforce off;
        secure_link_hmac_metrics ZONE;
    }
_EOC_
    $block->set_value(user_files => <<'_EOC_' . ($block->user_files || ''));
>>> f/a.txt
a file
>>> g/a.txt
another
>>> internal/f/a.txt
handed over
>>> sorry.txt
sorry
_EOC_
    $block->set_value(log_level => 'info');
});

# A request with a link by the key of that name.
sub ask {
    my ($path, $name, %options) = @_;
    my $method = delete $options{method} || 'GET';
    return "$method " . SecureLink::link($path, secret => $secret{$name}, args => "k=$name", %options);
}

# JSON that has these totals and these requests by key, written as in {"granted":1}, and no others.
sub counts {
    my ($totals, @keys) = @_;
    my $keys = join ',', map {
        "\n" . qr/\{"key":\Q$keys[2 * $_]\E,"requests":\{\Q$keys[2 * $_ + 1]\E\},"bytes":\d+,"first_seen":\d+,"last_seen":\d+\}/
    } 0 .. $#keys / 2;
    my $entries = @keys / 2;
    return qr/\A\{"zone":"\w+","time":\d+,"entries":$entries,"evictions":0,"unauthenticated":\{\Q$totals\E\},"keys":\[$keys\]\}\n\z/;
}

# The same for the ring's keys.
sub ring_counts {
    my ($totals, %of) = @_;
    return counts($totals, map {; qq{"$_"}, $of{$_} // '' } sort keys %secret);
}

no_long_string();
run_tests();

__DATA__

=== requests are counted by key and verdict, those without an authentic link by verdict alone
--- config
location /f/ {
    secure_link_hmac_enforce on;
    secure_link_hmac_revoke $arg_stop;
    secure_link_hmac_meter ZONE;
}
--- request eval
[
    (map { ::ask('/f/a.txt', 'acme') } 1 .. 3), ::ask('/f/a.txt', 'globex'),
    ::ask('/f/a.txt', 'acme', ts => time - 7200), ::ask('/f/a.txt', 'globex', args => 'k=globex&stop=1'),
    ::ask('/f/a.txt', 'globex', args => 'k=acme'), ::ask('/f/a.txt', 'acme', args => 'k=nobody'),
    'GET /f/a.txt?k=acme', 'GET /f/a.txt?st=short&k=acme', ::ask('/f/a.txt', 'acme', method => 'HEAD'), 'GET /m',
]
--- error_code eval
[200, 200, 200, 200, 410, 403, 403, 403, 403, 403, 200, 200]
--- response_body_like eval
[
    (qr/a file/) x 4, (qr/<title>4/) x 6, qr/\A\z/,
    ::ring_counts('"missing":1,"malformed":1,"unknown_key":1,"forged":1',
        acme => '"granted":4,"expired":1', globex => '"granted":1,"revoked":1'),
]



=== a file that is not there is a grant as well
--- config
location /f/ { secure_link_hmac_enforce on; secure_link_hmac_meter ZONE; }
--- request eval
[::ask('/f/none.txt', 'acme'), 'GET /m']
--- error_code eval
[404, 200]
--- response_body_like eval
[qr/404/, ::ring_counts('', acme => '"granted":1')]



=== a hand-off is one request
--- config
secure_link_hmac_meter ZONE;
location /f/ {
    secure_link_hmac_enforce on;
    secure_link_hmac_pass /internal$uri;
}
location /internal/ { internal; }
--- request eval
[::ask('/f/a.txt', 'acme'), ::ask('/f/a.txt', 'globex'), 'GET /m']
--- response_body_like eval
[(qr/handed over/) x 2, ::ring_counts('', acme => '"granted":1', globex => '"granted":1')]



=== so is a denial with its error_page, also where that lies under the policy
--- config
secure_link_hmac_enforce on;
secure_link_hmac_meter ZONE;
error_page 403 410 /sorry.txt;
--- request eval
['GET /f/a.txt', ::ask('/f/a.txt', 'acme', ts => time - 7200), 'GET /m']
--- error_code eval
[403, 410, 200]
--- response_body_like eval
[(qr/sorry/) x 2, ::ring_counts('"missing":1', acme => '"expired":1')]



=== so is a page with subrequests, each of which has the meter
--- config
secure_link_hmac_enforce on;
secure_link_hmac_meter ZONE;
log_subrequest on;
ssi on;
ssi_types text/plain;
location /g/ { mirror /f/a.txt; }
--- user_files
>>> f/page.html
[<!--# include virtual="/f/a.txt" -->] [<!--# include virtual="/g/a.txt" -->]
--- request eval
[::ask('/f/page.html', 'acme'), ::ask('/g/a.txt', 'globex'), 'GET /m']
--- response_body_like eval
[qr/\[a file\n\] \[another\n\]/, qr/another/, ::ring_counts('', acme => '"granted":1', globex => '"granted":1')]



=== so is one that try_files and index send on
--- config
secure_link_hmac_meter ZONE;
location /f/ { secure_link_hmac_enforce on; try_files /none /g/a.txt; }
location /d/ { secure_link_hmac_enforce on; index a.html; }
--- user_files
>>> d/a.html
index
--- request eval
[::ask('/f/a.txt', 'acme'), ::ask('/d/', 'globex'), 'GET /m']
--- response_body_like eval
[qr/another/, qr/index/, ::ring_counts('', acme => '"granted":1', globex => '"granted":1')]



=== a bypass counts nothing
--- config
location /f/ {
    secure_link_hmac_enforce on;
    secure_link_hmac_bypass $arg_free;
    secure_link_hmac_meter ZONE;
}
--- request eval
['GET /f/a.txt?free=1', ::ask('/f/a.txt', 'acme', args => 'k=acme&free=1'), 'GET /f/a.txt?free=0', 'GET /m']
--- error_code eval
[200, 200, 403, 200]
--- response_body_like eval
[(qr/a file/) x 2, qr/403/, ::ring_counts('"missing":1')]



=== a bypass counts nothing, but a location after it does that checks the same link
--- config
secure_link_hmac_enforce on;
secure_link_hmac_meter ZONE;
location /f/ {
    secure_link_hmac_bypass $arg_free;
    try_files /$secure_link_hmac_status @checked;
}
location @checked { try_files /f/a.txt =404; }
--- request eval
[::ask('/f/a.txt', 'acme', args => 'k=acme&free=1'), 'GET /f/a.txt?free=1', 'GET /m']
--- error_code eval
[200, 403, 200]
--- response_body_like eval
[qr/a file/, qr/403/, ::ring_counts('"missing":1', acme => '"granted":1')]



=== a bypass counts nothing, nor does what is shown after it where nothing is enforced
--- config
secure_link_hmac_meter ZONE;
location /f/ {
    secure_link_hmac_enforce on;
    secure_link_hmac_bypass $arg_free;
    error_page 404 = /g/a.txt;
}
location /g/ { }
--- request eval
['GET /f/none?free=1', 'GET /m']
--- response_body_like eval
[qr/another/, ::ring_counts('')]



=== a dry run counts what it would deny
--- config
location /f/ { secure_link_hmac_enforce dry_run; secure_link_hmac_meter ZONE; }
--- request eval
['GET /f/a.txt', ::ask('/f/a.txt', 'acme', ts => time - 7200), ::ask('/f/a.txt', 'acme'), 'GET /m']
--- response_body_like eval
[(qr/a file/) x 3, ::ring_counts('"missing":1', acme => '"granted":1,"expired":1')]



=== where nothing is enforced, a check that a variable makes counts
--- config
location /f/ { secure_link_hmac_meter ZONE; }
--- request eval
['GET /f/a.txt', ::ask('/f/a.txt', 'acme'), 'GET /m']
--- response_body_like eval
[(qr/a file/) x 2, ::ring_counts('"missing":1', acme => '"granted":1')]



=== the meter is inherited, replaced by another, and turned off
--- http_config
secure_link_hmac_zone ZONE_other:64k;
--- config
secure_link_hmac_enforce on;
secure_link_hmac_meter ZONE;
location /f/ { }
location /g/ { secure_link_hmac_meter off; location /g/a { } }
location /internal/ { secure_link_hmac_meter ZONE_other key=other; }
location = /other { secure_link_hmac off; secure_link_hmac_enforce off; secure_link_hmac_metrics ZONE_other; }
--- request eval
[(map { ::ask($_, 'acme') } '/f/a.txt', '/g/a.txt', '/internal/f/a.txt', '/f/a.txt'), 'GET /m', 'GET /other']
--- response_body_like eval
[
    qr/a file/, qr/another/, qr/handed over/, qr/a file/,
    ::ring_counts('', acme => '"granted":2'), ::counts('', '"other"', '"granted":1'),
]



=== two policies under one meter share its zone
--- config
secure_link_hmac_meter ZONE;
location /f/ { secure_link_hmac_enforce on; }
location /g/ { secure_link_hmac_enforce on; secure_link_hmac_leeway 1s; }
--- request eval
[::ask('/f/a.txt', 'acme'), ::ask('/g/a.txt', 'acme'), 'GET /g/a.txt', 'GET /m']
--- error_code eval
[200, 200, 403, 200]
--- response_body_like eval
[qr/a file/, qr/another/, qr/403/, ::ring_counts('"missing":1', acme => '"granted":2')]



=== key= counts by an expression, for authentic links only
--- config
location /f/ {
    secure_link_hmac_enforce on;
    secure_link_hmac_meter ZONE key=$secure_link_hmac_key_id/$arg_u;
}
--- request eval
[
    ::ask('/f/a.txt', 'acme', args => 'k=acme&u=ann'), ::ask('/f/a.txt', 'acme', args => 'k=acme&u=bob'),
    ::ask('/f/a.txt', 'acme', args => 'k=acme&u=ann', ts => time - 7200), ::ask('/f/a.txt', 'globex', args => 'k=globex&u=ann'),
    'GET /f/a.txt?u=carol', ::ask('/f/a.txt', 'acme', args => 'k=globex&u=dave'), 'GET /m',
]
--- error_code eval
[200, 200, 410, 200, 403, 403, 200]
--- response_body_like eval
[
    (qr/a file/) x 2, qr/410/, qr/a file/, (qr/403/) x 2,
    ::counts('"missing":1,"forged":1', '"acme/ann"', '"granted":1,"expired":1', '"acme/bob"', '"granted":1', '"globex/ann"', '"granted":1'),
]



=== an expression that is empty, long or not UTF-8 counts as well
--- config
location /f/ {
    secure_link_hmac_enforce on;
    secure_link_hmac_meter ZONE key=$arg_u;
}
--- request eval
[
    ::ask('/f/a.txt', 'acme'), (map { ::ask('/f/a.txt', 'acme', args => "k=acme&u=$_") } "\xff\\", 'x' x 128, 'x' x 129),
    'GET /m',
]
--- response_body_like eval
[(qr/a file/) x 4, ::counts('', '""', '"granted":1', '"' . 'x' x 128 . '"', '"granted":2', '"\\\\xff\\\\\\\\"', '"granted":1')]



=== keys stay apart, also one that looks like what another one is written as
--- config
location /f/ {
    secure_link_hmac_enforce on;
    secure_link_hmac_meter ZONE key=$http_x_user;
}
--- request eval
[(map { ::ask('/f/a.txt', 'acme') } 1 .. 4), 'GET /m', 'GET /m?format=prometheus']
--- more_headers eval
[(map { "X-User: $_" } "\xff", '\\xff', "\x7f", '\\x7f'), '', '']
--- response_body_like eval
my $key = sub { '"' . $_[0] =~ s/B/\\\\/gr . '"', '"granted":1' };
my $series = sub { my $label = $_[0] =~ s/B/\\\\/gr; qr/secure_link_hmac_requests_total\{zone="\w+",key="\Q$label\E",verdict="granted"\} 1\n/ };
[
    (qr/a file/) x 4,
    ::counts('', map { $key->($_) } 'BBx7f', 'BBxff', '\u007f', 'Bxff'),
    CORE::join '', map { $series->($_) } 'BBx7f', 'BBxff', 'Bx7f', 'Bxff',
]



=== links by a secret have a key without a name
--- config
location /s/ {
    secure_link_hmac_secret 0123456789abcdef0123456789abcdef;
    secure_link_hmac_enforce on;
    secure_link_hmac_meter ZONE;
}
--- user_files
>>> s/a.txt
by a secret
--- request eval
['GET ' . ::link('/s/a.txt'), 'GET /s/a.txt', 'GET /m']
--- error_code eval
[200, 403, 200]
--- response_body_like eval
[qr/by a secret/, qr/403/, ::counts('"missing":1', '""', '"granted":1')]



=== bytes are those that were sent, times those of the first and the last request
--- config
location /f/ { secure_link_hmac_enforce on; secure_link_hmac_meter ZONE; }
--- user_files eval
">>> f/big.txt\n" . 'x' x 20_000
--- request eval
[(map { ::ask('/f/big.txt', 'acme') } 1, 2), 'GET /m']
--- response_body_like eval
my $now = substr time, 0, 7;
[(qr/x{20000}/) x 2, qr/"acme","requests":\{"granted":2\},"bytes":4[01]\d{3},"first_seen":$now\d{3},"last_seen":$now\d{3}\}/]



=== JSON is the default, and what an unknown format is
--- config
location /f/ { secure_link_hmac_enforce on; secure_link_hmac_meter ZONE; }
--- request eval
['GET /m', 'GET /m?format=json', 'GET /m?format=yaml', 'GET /m?format=', 'GET /m?x&format=json&format=html']
--- response_headers eval
[("Content-Type: application/json\nCache-Control: no-store") x 5]
--- response_body_like eval
[(::ring_counts('')) x 5]



=== metrics are shown in an if of their location, too
--- config
location /f/ { secure_link_hmac_enforce on; secure_link_hmac_meter ZONE; }
location = /if {
    secure_link_hmac off;
    secure_link_hmac_metrics ZONE;
    if ($arg_x) { add_header X-If yes; }
}
--- request eval
['GET /if', 'GET /if?x=1']
--- response_headers eval
['X-If: ', 'X-If: yes']
--- response_body_like eval
[(::ring_counts('')) x 2]



=== a response without a body has none: metrics that were not modified
--- config
location /f/ { secure_link_hmac_enforce on; secure_link_hmac_meter ZONE; }
location = /plain { secure_link_hmac off; return 200 "plain\n"; }
--- raw_request eval
"GET /m HTTP/1.1\r\nHost: localhost\r\nIf-None-Match: *\r\n\r\nGET /plain HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
--- error_code: 304
--- response_body_like eval
qr{\AHTTP/1\.1 200 OK\r\n.*\r\n\r\nplain\n\z}s



=== nor has the response to the subrequest of auth_request
--- config
location /f/ { secure_link_hmac_enforce on; secure_link_hmac_meter ZONE; }
location = /sorry.txt { secure_link_hmac off; auth_request /m; }
--- request
GET /sorry.txt
--- response_body
sorry



=== Prometheus has a format of its own
--- config
location /f/ { secure_link_hmac_enforce on; secure_link_hmac_meter ZONE; }
--- request eval
[::ask('/f/a.txt', 'acme'), 'GET /f/a.txt', 'GET /m?format=prometheus']
--- error_code eval
[200, 403, 200]
--- response_headers eval
['Content-Type: text/plain', 'Content-Type: text/html', "Content-Type: text/plain; version=0.0.4; charset=utf-8\nCache-Control: no-store"]
--- response_body_like eval
my $key = sub { qr/\{zone="\w+",key="$_[0]"\}/ };
my $request = sub { qr/secure_link_hmac_requests_total\{zone="\w+",key="$_[0]",verdict="$_[1]"\} $_[2]\n/ };
my $head = sub { qr/# HELP secure_link_hmac_$_[0] [^\n]+\n# TYPE secure_link_hmac_$_[0] $_[1]\n/ };
[qr/a file/, qr/403/, CORE::join '', '\A', $head->('requests_total', 'counter'),
    $request->('', 'missing', 1), (map { $request->('', $_, 0) } qw(malformed unknown_key forged)),
    $request->('acme', 'granted', 1), (map { $request->($_, 'granted', 0) } qw(globex initech)),
    $head->('bytes_total', 'counter'),
    'secure_link_hmac_bytes_total', $key->('acme'), ' [1-9]\d*\n',
    (map { ('secure_link_hmac_bytes_total', $key->($_), ' 0\n') } qw(globex initech)),
    $head->('last_seen_timestamp_seconds', 'gauge'),
    'secure_link_hmac_last_seen_timestamp_seconds', $key->('acme'), ' \d{10}\n',
    $head->('zone_entries', 'gauge'), 'secure_link_hmac_zone_entries\{zone="\w+"\} 3\n',
    $head->('zone_evictions_total', 'counter'), 'secure_link_hmac_zone_evictions_total\{zone="\w+"\} 0\n\z']



=== the Accept header chooses where no format is asked for: a browser's
--- config
location /f/ { secure_link_hmac_enforce on; secure_link_hmac_meter ZONE; }
--- request
GET /m
--- more_headers
Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8
--- response_headers
Content-Type: text/html; charset=utf-8
Cache-Control: no-store
--- response_body_like: ^<!DOCTYPE html>



=== of formats that it likes alike, the first one
--- config
location /f/ { secure_link_hmac_enforce on; secure_link_hmac_meter ZONE; }
--- request
GET /m
--- more_headers
Accept: image/png, text/html, application/json, text/plain
--- response_headers
Content-Type: text/html; charset=utf-8
--- response_body_like: ^<!DOCTYPE html>



=== that of Prometheus, which is answered in a format that it reads, and called by its name
--- config
location /f/ { secure_link_hmac_enforce on; secure_link_hmac_meter ZONE; }
--- request
GET /m
--- more_headers
Accept: application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2
--- response_headers
Content-Type: text/plain; version=0.0.4; charset=utf-8
--- response_body_like: ^# HELP



=== that of a program that prefers JSON
--- config
location /f/ { secure_link_hmac_enforce on; secure_link_hmac_meter ZONE; }
--- request
GET /m
--- more_headers
Accept: text/html;q=0.4, Application/JSON ; q=0.9, text/plain;q=0, */*
--- response_headers
Content-Type: application/json
--- response_body_like: ^\{"zone"



=== and an argument outweighs it
--- config
location /f/ { secure_link_hmac_enforce on; secure_link_hmac_meter ZONE; }
--- request
GET /m?format=json
--- more_headers
Accept: text/html
--- response_headers
Content-Type: application/json
--- response_body_like: ^\{"zone"



=== the page is asked for by its format, too
--- config
location /f/ { secure_link_hmac_enforce on; secure_link_hmac_meter ZONE; }
--- request
GET /m?format=html
--- response_headers
Content-Type: text/html; charset=utf-8
--- response_body_like: "zone":"\w+","time":\d+,"entries":3



=== HEAD has the headers alone, other methods are not allowed
--- config
location /f/ { secure_link_hmac_enforce on; secure_link_hmac_meter ZONE; }
--- request eval
['HEAD /m', 'HEAD /m?format=html', "POST /m\nbody", 'DELETE /m']
--- error_code eval
[200, 200, 405, 405]
--- response_headers eval
['Content-Type: application/json', 'Content-Type: text/html; charset=utf-8', 'Content-Type: text/html', 'Content-Type: text/html']
--- response_body_like eval
[(qr/\A\z/) x 2, (qr/405/) x 2]



=== HEAD says how long the body would be
--- config
location /f/ { secure_link_hmac_enforce on; secure_link_hmac_meter ZONE; }
--- request
HEAD /m
--- response_headers_like
Content-Length: [1-9]\d\d
--- response_body:



=== metrics are guarded as any location is
--- config
location /f/ { secure_link_hmac_enforce on; secure_link_hmac_meter ZONE; }
location = /guarded { deny all; secure_link_hmac_metrics ZONE; }
location = /open { allow 127.0.0.1; deny all; secure_link_hmac_metrics ZONE; }
--- request eval
['GET /guarded', 'GET /open']
--- error_code eval
[403, 200]
--- response_body_like eval
[qr/403 Forbidden/, ::ring_counts('')]



=== metrics may lie under a policy: whoever has a link sees them
--- config
secure_link_hmac_enforce on;
secure_link_hmac_meter ZONE;
location = /linked { secure_link_hmac_metrics ZONE; }
--- request eval
['GET /linked', ::ask('/linked', 'acme'), ::ask('/linked', 'acme')]
--- error_code eval
[403, 200, 200]
--- response_body_like eval
[qr/403 Forbidden/, ::ring_counts('"missing":1'), ::ring_counts('"missing":1', acme => '"granted":1')]



=== metrics of an unknown zone are a mistake
--- config
location = /n { secure_link_hmac_metrics none; }
--- must_die
--- error_log eval
qr/\[emerg\].*"secure_link_hmac_metrics".*"none".*nginx\.conf:\d+/



=== a meter of an unknown zone is a mistake
--- config
location /f/ { secure_link_hmac_enforce on; secure_link_hmac_meter none; }
--- must_die
--- error_log eval
qr/\[emerg\].*"secure_link_hmac_meter".*"none".*nginx\.conf:\d+/
