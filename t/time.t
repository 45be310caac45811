# Timestamps and lifetimes of the template scheme: what is read, what is malformed, and when a link
# is early or expired.

use strict;
use warnings;

use lib 't/lib';
use SecureLink;
use Test::Nginx::Socket 'no_plan';

our $now = time();

# Issued 100 seconds ago, in each format that an argument can carry.
our $issued = $now - 100;
our @timestamps = (
    $issued,
    "000$issued",
    iso_date($issued),
    iso_date($issued, '+00:00'),
    iso_date($issued, '-00:00'),
    iso_date($issued, '+05:30'),
    iso_date($issued, '-08:00'),
    iso_date($issued, '+23:59'),
);

our @no_timestamps = (
    '', 0, '00', -5, "-$issued", "+$issued", "$issued.5", "$issued.", "${issued}s", "%20$issued", "$issued%20",
    '1e9', "0x6553f100", '123456789012345678901234567890', '9223372036854775808', 'now', '%00', 'Z',
    '2026-01-31', '2026-01-31T12:00:00', '2026-01-31T12:00Z', '2026-01-31T12:00:00z',
    '2026-01-31t12:00:00Z', '2026-01-31%2012:00:00Z', '2026-01-31T12:00:00.5Z', '20260131T120000Z',
    '2026-01-31T12:00:00ZZ', '2026-01-31T12:00:00+0530', '2026-01-31T12:00:00+05',
    '2026-01-31T12:00:00%2B05:30', '2026-01-31T12:00:00+24:00', '2026-01-31T12:00:00+05:60',
    '2026-01-31T12:00:00+05:30x', '2026-1-31T12:00:00Z', '02026-01-31T12:00:00Z',
    # No such day, hour or second; leap seconds are not counted by unix time.
    '2026-02-31T12:00:00Z', '2026-02-29T12:00:00Z', '2100-02-29T00:00:00Z', '2026-06-31T12:00:00Z',
    '2026-00-10T12:00:00Z', '2026-13-10T12:00:00Z', '2026-01-00T12:00:00Z', '2026-01-32T12:00:00Z',
    '2026-01-31T24:00:00Z', '2026-01-31T25:00:00Z', '2026-01-31T12:60:00Z', '2016-12-31T23:59:60Z',
    # The epoch and before.
    '1970-01-01T00:00:00Z', '1969-12-31T23:59:59Z', '1970-01-01T01:00:00+01:00', '0000-01-01T00:00:00Z',
);

our @no_numbers = (
    -1, -3600, '+3600', '3600.0', '3600s', '1h', '0x10', '%203600', '36%2000', 'e', '%00',
    # Too large, alone or added to the time.
    '9223372036854775807', '9223372036854775808', '123456789012345678901234567890',
);

our @http_dates = (
    http_date($issued),
    lc http_date($issued),
    uc http_date($issued),
    # A wrong weekday.
    map { (my $date = http_date($issued)) =~ s/^.../$_/; $date } qw(Mon Tue),
);

our @no_http_dates = map { (my $date = http_date($issued)) =~ s/$_->[0]/$_->[1]/; $date } (
    [qr/^.../, 'Foo'], [qr/^...,/, ''], [qr/,/, ''], [qr/, /, ','], [qr/GMT/, 'UTC'], [qr/ GMT/, ''], [qr/$/, 'x'],
    [qr/ \d\d /, ' 00 '], [qr/ \d\d \w{3} /, ' 31 Feb '], [qr/ \d\d \w{3} /, ' 1 Jan '], [qr/ \w{3} /, ' Foo '],
    [qr/ \d{4} /, ' 26 '], [qr/\d\d:\d\d:\d\d/, '23:59:60'], [qr/\d\d:\d\d:\d\d/, '24:00:00'],
    [qr/^(...), (\d\d) /, 'Sunday, 06-'],
);

# One location that only shows the outcome, and the same enforced.
our $policy = <<'_EOC_';
    secure_link_hmac "$arg_st,$arg_ts,$arg_e";
    secure_link_hmac_message "$uri|$arg_ts|$arg_e";
    secure_link_hmac_secret 0123456789abcdef0123456789abcdef;
_EOC_

our $show = 'return 200 "$secure_link_hmac $secure_link_hmac_status $secure_link_hmac_expires_at\n";';
our $serve = 'secure_link_hmac_enforce on; add_header X-Verdict $secure_link_hmac_status always; empty_gif;';

run_tests();

__DATA__

=== TEST 1: every format names the same second
--- config eval
"$::policy
location /show { $::show }
location /serve { $::serve }"
--- request eval
[map { "GET $_" } map { (link('/show', ts => $_), link('/serve', ts => $_)) } @::timestamps]
--- error_code eval
[(200) x (2 * @::timestamps)]
--- response_body_like eval
[("1 granted @{[$::issued + 3600]}\n", 'GIF89a') x @::timestamps]
--- no_error_log
[error]



=== TEST 2: what is not wholly a timestamp is malformed, and no expiry is shown
--- config eval
"$::policy
location /show { $::show }"
--- request eval
[map { 'GET ' . link('/show', ts => $_, e => 9999999999) } @::no_timestamps]
--- response_body eval
[(" malformed \n") x @::no_timestamps]
--- no_error_log
[error]
[warn]



=== TEST 3: a malformed time is refused with 403 where the check is enforced
--- config eval
"$::policy
location /serve { $::serve }"
--- request eval
[map { 'GET ' . link('/serve', ts => $_, e => 9999999999) } @::no_timestamps]
--- error_code eval
[(403) x @::no_timestamps]
--- response_headers eval
[('X-Verdict: malformed') x @::no_timestamps]
--- no_error_log
[error]
[warn]



=== TEST 4: an IMF-fixdate in a variable keeps its comma
--- config eval
'secure_link_hmac "$http_x_token,$http_x_time,$http_x_lifetime";
secure_link_hmac_message "$uri|$http_x_time|$http_x_lifetime";
secure_link_hmac_secret 0123456789abcdef0123456789abcdef;' . "
location /show { $::show }
location /serve { $::serve }"
--- request eval
[('GET /show', 'GET /serve') x @::http_dates]
--- more_headers eval
[map { my $date = $_; map { "X-Token: " . token("$_|$date|3600") . "\nX-Time: $date\nX-Lifetime: 3600" } '/show', '/serve' } @::http_dates]
--- error_code eval
[(200) x (2 * @::http_dates)]
--- response_body_like eval
[("1 granted @{[$::issued + 3600]}\n", 'GIF89a') x @::http_dates]
--- no_error_log
[error]



=== TEST 5: what is nearly an IMF-fixdate is malformed
--- config eval
'secure_link_hmac "$http_x_token,$http_x_time,$http_x_lifetime";
secure_link_hmac_message "$uri|$http_x_time|$http_x_lifetime";
secure_link_hmac_secret 0123456789abcdef0123456789abcdef;' . "
location /show { $::show }
location /serve { $::serve }"
--- request eval
[('GET /show', 'GET /serve') x @::no_http_dates]
--- more_headers eval
[map { my $date = $_; map { "X-Token: " . token("$_|$date|9999999999") . "\nX-Time: $date\nX-Lifetime: 9999999999" } '/show', '/serve' } @::no_http_dates]
--- error_code eval
[(200, 403) x @::no_http_dates]
--- response_body_like eval
[("^ malformed \n", '403 Forbidden') x @::no_http_dates]
--- no_error_log
[error]



=== TEST 6: an IMF-fixdate may be set in the configuration
--- config eval
'set $time "Sun, 06 Nov 1994 08:49:37 GMT";
secure_link_hmac "$arg_st,$time,$arg_e";
secure_link_hmac_message "$uri|$time|$arg_e";
secure_link_hmac_secret 0123456789abcdef0123456789abcdef;' . "
location /show { $::show }
location /serve { $::serve }"
--- request eval
[map { 'GET ' . link($_->[0], ts => undef, e => $_->[1], message => "$_->[0]|Sun, 06 Nov 1994 08:49:37 GMT|$_->[1]") }
    ['/show', 9999999999], ['/show', 3600], ['/serve', 9999999999], ['/serve', 3600]]
--- error_code eval
[200, 200, 200, 410]
--- response_body_like eval
["^1 granted @{[784111777 + 9999999999]}\n", "^0 expired @{[784111777 + 3600]}\n", 'GIF89a', '410 Gone']
--- no_error_log
[error]



=== TEST 7: a lifetime is digits, and what it adds up to fits
--- config eval
"$::policy
location /show { $::show }
location /serve { $::serve }"
--- request eval
[map { "GET $_" } map { (link('/show', e => $_), link('/serve', e => $_)) } @::no_numbers]
--- error_code eval
[(200, 403) x @::no_numbers]
--- response_body_like eval
[("^ malformed \n", '403 Forbidden') x @::no_numbers]
--- no_error_log
[error]



=== TEST 8: a lifetime that is empty after its comma is malformed, absent or not
--- config eval
"$::policy
location /show { $::show }"
--- request eval
['GET ' . link('/show', e => ''), 'GET ' . link('/show', e => undef)]
--- response_body eval
[(" malformed \n") x 2]



=== TEST 9: a lifetime of 0 never ends
--- config eval
"$::policy
location /show { $::show }
location /serve { $::serve }"
--- request eval
[map { 'GET ' . link($_->[0], ts => 1, e => $_->[1]) } ['/show', 0], ['/show', '00'], ['/serve', 0]]
--- response_body_like eval
["^1 granted \n", "^1 granted \n", 'GIF89a']



=== TEST 10: the largest numbers that fit are read
--- config eval
"$::policy
location /show { $::show }
location /bare {
    secure_link_hmac \"\$arg_st,\$arg_ts\";
    $::show
}"
--- request eval
['GET ' . link('/show', ts => 1, e => '9223372036854775806'),
 'GET ' . link('/show', ts => 2, e => '9223372036854775806'),
 'GET ' . link('/show', ts => '9223372036854775807', e => 0),
 'GET ' . link('/show', ts => '9223372036854775807', e => 1),
 'GET ' . link('/bare', ts => '9223372036854775807', e => undef)]
--- response_body eval
["1 granted 9223372036854775807\n", " malformed \n", "1 granted \n", " malformed \n", "1 granted \n"]



=== TEST 11: a link without a lifetime, or without any time, does not expire
--- config
secure_link_hmac_message "$uri|$arg_ts|$arg_e";
secure_link_hmac_secret 0123456789abcdef0123456789abcdef;
location /time {
    secure_link_hmac "$arg_st,$arg_ts";
    return 200 "$secure_link_hmac $secure_link_hmac_status [$secure_link_hmac_expires_at$secure_link_hmac_remaining$secure_link_hmac_expires]\n";
}
location /token {
    secure_link_hmac "$arg_st";
    return 200 "$secure_link_hmac $secure_link_hmac_status [$secure_link_hmac_expires_at$secure_link_hmac_remaining$secure_link_hmac_expires]\n";
}
location /serve {
    secure_link_hmac "$arg_st";
    # Arguments that are no time could move the borders.
    secure_link_hmac_message "$uri||";
    secure_link_hmac_enforce on;
    empty_gif;
}
--- request eval
['GET ' . link('/time', ts => 1, e => undef),
 'GET ' . link('/token', ts => undef, e => undef),
 'GET ' . link('/serve', ts => undef, e => undef)]
--- response_body_like eval
["^1 granted \\[\\]\n", "^1 granted \\[\\]\n", 'GIF89a']



=== TEST 12: an empty or bad time of a link without lifetime is malformed
--- config eval
"$::policy
location /show {
    secure_link_hmac \"\$arg_st,\$arg_ts\";
    $::show
}"
--- request eval
[map { 'GET ' . link('/show', ts => $_, e => undef) } '', undef, 0, '2026-02-31T00:00:00Z']
--- response_body eval
[(" malformed \n") x 4]



=== TEST 13: an expired link is 0 and 410, a link that is still good 1 and 200
--- config eval
"$::policy
location /show { $::show }
location /serve { $::serve }"
--- request eval
[map { my $path = $_; map { 'GET ' . link($path, ts => $::now - 3600, e => $_) } 7200, 3300 } '/show', '/serve']
--- error_code eval
[200, 200, 200, 410]
--- response_body_like eval
["^1 granted @{[$::now + 3600]}\n", "^0 expired @{[$::now - 300]}\n", 'GIF89a', '410 Gone']
--- no_error_log
[error]



=== TEST 14: the seconds left are counted at the check, and go on below zero
--- config eval
"$::policy
location /show { return 200 '\$secure_link_hmac_status \$secure_link_hmac_remaining'; }"
--- request eval
[map { 'GET ' . link('/show', ts => $::now - 10, e => $_) } 4900, 5]
--- response_body_like eval
['^granted 4[0-9]{3}$', '^expired -[0-9]{1,3}$']



=== TEST 15: with time=expires the second field is the end of the link
--- config eval
'secure_link_hmac "$arg_st,$arg_e";
secure_link_hmac_scheme template time=expires;
secure_link_hmac_message "$uri|$arg_e";
secure_link_hmac_secret 0123456789abcdef0123456789abcdef;' . "
location /show { $::show }
location /serve { $::serve }"
--- request eval
[map { my $path = $_; map { 'GET ' . link($path, ts => undef, e => $_, message => "$path|$_") }
    $::now + 3600, iso_date($::now + 3600), iso_date($::now + 3600, '-03:00'), $::now - 600, iso_date($::now - 600),
    0, -1, '', '2026-02-31T00:00:00Z', $::now + 3600 . ',0', $::now + 3600 . ',', '7fffffff' }
 '/show', '/serve']
--- error_code eval
[(200) x 12, (200) x 3, (410) x 2, (403) x 7]
--- response_body_like eval
[("^1 granted @{[$::now + 3600]}\n") x 3, ("^0 expired @{[$::now - 600]}\n") x 2, ("^ malformed \n") x 7,
 ('GIF89a') x 3, ('410 Gone') x 2, ('403 Forbidden') x 7]
--- no_error_log
[error]



=== TEST 16: with time=expires_hex it is hexadecimal unix seconds
--- config eval
'secure_link_hmac "$arg_st,$arg_e";
secure_link_hmac_scheme template time=expires_hex;
secure_link_hmac_message "$uri|$arg_e";
secure_link_hmac_secret 0123456789abcdef0123456789abcdef;' . "
location /show { $::show }"
--- request eval
[map { 'GET ' . link('/show', ts => undef, e => $_, message => "/show|$_") }
    sprintf('%x', $::now + 3600), sprintf('%X', $::now + 3600), sprintf('%012x', $::now + 3600),
    sprintf('%x', $::now - 600), '7fffffffffffffff',
    '8000000000000000', 'f' x 30, '0', '-1', '', '0x7fffffff', '7fffffffg', iso_date($::now + 3600)]
--- response_body eval
[("1 granted @{[$::now + 3600]}\n") x 3, "0 expired @{[$::now - 600]}\n", "1 granted 9223372036854775807\n", (" malformed \n") x 8]



=== TEST 17: with time=issued_hex the time is hexadecimal and the lifetime decimal
--- config eval
'secure_link_hmac_scheme template time=issued_hex;' . "$::policy
location /show { $::show }"
--- request eval
[map { 'GET ' . link('/show', ts => $_->[0], e => $_->[1]) }
    [sprintf('%x', $::now - 100), 3600], [sprintf('%X', $::now - 100), 50],
    [sprintf('%x', $::now - 100), 'e10'], [iso_date($::now), 3600], ['', 3600]]
--- response_body eval
["1 granted @{[$::now + 3500]}\n", "0 expired @{[$::now - 50]}\n", (" malformed \n") x 3]



=== TEST 18: time=issued is the default, and can be written
--- config eval
'secure_link_hmac_scheme template time=issued;' . "$::policy
location /show { $::show }
location /plain {
    secure_link_hmac_scheme template;
    $::show
}"
--- request eval
['GET ' . link('/show', ts => $::now - 100, e => 3600), 'GET ' . link('/plain', ts => $::now - 100, e => 3600)]
--- response_body eval
[("1 granted @{[$::now + 3500]}\n") x 2]



=== TEST 19: a future issue time is accepted
--- config eval
"$::policy
location /show { $::show }
location /serve { $::serve }"
--- request eval
[map { 'GET ' . link($_, ts => $::now + 86400, e => 60) } '/show', '/serve']
--- response_body_like eval
["^1 granted @{[$::now + 86460]}\n", 'GIF89a']



=== TEST 20: with a leeway, an issue time later than the leeway allows is early
--- config eval
"$::policy
secure_link_hmac_leeway 20m;
location /show { $::show }
location /serve { $::serve }"
--- request eval
[map { my $path = $_; map { 'GET ' . link($path, ts => $::now + $_, e => 7200) } 900, 3000 } '/show', '/serve']
--- error_code eval
[200, 200, 200, 403]
--- response_body_like eval
["^1 granted @{[$::now + 8100]}\n", "^ early @{[$::now + 10200]}\n", 'GIF89a', '403 Forbidden']
--- no_error_log
[error]



=== TEST 21: with a largest lifetime, a future issue time is early even for a permanent link
--- config eval
"$::policy
secure_link_hmac_max_lifetime 1d;
location /show { $::show }"
--- request eval
[map { 'GET ' . link('/show', ts => $::now + 900, e => $_) } 3600, 0, 999999]
--- response_body eval
[" early @{[$::now + 4500]}\n", " early \n", " early @{[$::now + 900 + 999999]}\n"]



=== TEST 22: the leeway prolongs a link, but not the expiry that is shown
--- config eval
"$::policy
secure_link_hmac_leeway 20m;
location /show { $::show }
location /serve { $::serve }"
--- request eval
[map { my $path = $_; map { 'GET ' . link($path, ts => $::now - 7200, e => $_) } 7200 - 900, 7200 - 1500 } '/show', '/serve']
--- error_code eval
[200, 200, 200, 410]
--- response_body_like eval
["^1 granted @{[$::now - 900]}\n", "^0 expired @{[$::now - 1500]}\n", 'GIF89a', '410 Gone']



=== TEST 23: a lifetime beyond the largest one is expired, and so is none
--- config eval
"$::policy
secure_link_hmac_max_lifetime 1h;
location /show { $::show }
location /time {
    secure_link_hmac \"\$arg_st,\$arg_ts\";
    $::show
}
location /token {
    secure_link_hmac \"\$arg_st\";
    $::show
}
location /serve { $::serve }"
--- request eval
[map { 'GET ' . link($_->[0], ts => $::now - 60, e => $_->[1]) }
    ['/show', 3600], ['/show', 3601], ['/show', 0], ['/time', undef], ['/token', undef],
    ['/serve', 3600], ['/serve', 3601], ['/serve', 0]]
--- error_code eval
[(200) x 6, 410, 410]
--- response_body_like eval
["^1 granted @{[$::now + 3540]}\n", "^0 expired @{[$::now + 3541]}\n", ("^0 expired \n") x 3, 'GIF89a', ('410 Gone') x 2]



=== TEST 24: the leeway does not lengthen the largest lifetime of an issued link
--- config eval
"$::policy
secure_link_hmac_max_lifetime 1h;
secure_link_hmac_leeway 10m;
location /show { $::show }"
--- request eval
[map { 'GET ' . link('/show', ts => $::now - 60, e => $_) } 3600, 3601]
--- response_body eval
["1 granted @{[$::now + 3540]}\n", "0 expired @{[$::now + 3541]}\n"]



=== TEST 25: with time=expires the largest lifetime counts from now
--- config eval
'secure_link_hmac "$arg_st,$arg_e";
secure_link_hmac_scheme template time=expires;
secure_link_hmac_message "$uri|$arg_e";
secure_link_hmac_secret 0123456789abcdef0123456789abcdef;
secure_link_hmac_max_lifetime 2h;' . "
location /show { $::show }
location /token {
    secure_link_hmac \"\$arg_st\";
    $::show
}
location /serve { $::serve }"
--- request eval
[map { my ($path, $e) = @$_; 'GET ' . link($path, ts => undef, e => $e, message => "$path|$e") }
    ['/show', $::now + 6000], ['/show', $::now + 9000], ['/show', '9223372036854775807'], ['/token', ''],
    ['/serve', $::now + 6000], ['/serve', $::now + 9000]]
--- error_code eval
[(200) x 5, 410]
--- response_body_like eval
["^1 granted @{[$::now + 6000]}\n", "^0 expired @{[$::now + 9000]}\n", "^0 expired 9223372036854775807\n", "^0 expired \n",
 'GIF89a', '410 Gone']



=== TEST 26: a link that expires at the end of time does so for every leeway
--- config eval
'secure_link_hmac_leeway 100000d;' . "$::policy
location /show { $::show }"
--- request eval
['GET ' . link('/show', ts => 1, e => '9223372036854775806')]
--- response_body eval
"1 granted 9223372036854775807\n"



=== TEST 27: a forged time is forged, not early, expired or malformed by its value alone
--- config eval
"$::policy
secure_link_hmac_leeway 1m;
location /show { $::show }
location /serve { $::serve }"
--- request eval
[map { my $path = $_; map { 'GET ' . link($path, ts => $_->[0], e => $_->[1], message => "$path|1|1") }
    [$::now - 60, 3600], [$::now - 7200, 3600], [$::now + 7200, 3600] } '/show', '/serve']
--- error_code eval
[200, 200, 200, 403, 403, 403]
--- response_headers eval
[('X-Verdict:') x 3, ('X-Verdict: forged') x 3]
--- response_body_like eval
[("^ forged \n") x 3, ('403 Forbidden') x 3]
--- no_error_log
[error]



=== TEST 28: leeway and largest lifetime are inherited, and replaced below
--- http_config
secure_link_hmac_leeway 20m;
secure_link_hmac_max_lifetime 2h;
--- config eval
"$::policy
location /both { $::show }
location /none { secure_link_hmac_leeway 0; secure_link_hmac_max_lifetime 0; $::show }
location /leeway { secure_link_hmac_max_lifetime 1d; $::show }"
--- request eval
[map { my $path = $_; map { 'GET ' . link($path, ts => $::now + $_->[0], e => $_->[1]) } [-4200, 3600], [-60, 7201], [600, 3600], [3000, 3600] } '/both', '/none', '/leeway']
--- response_body_like eval
['^1 granted', '^0 expired', '^1 granted', '^ early', '^0 expired', ('^1 granted') x 3, ('^1 granted') x 3, '^ early']
