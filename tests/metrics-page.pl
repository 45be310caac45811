#!/usr/bin/env perl

# The metrics for people, read off the page in a browser, and for Prometheus, read by its own tool. The
# keys are text that strangers have sent.
#
#   MODULE=/path/to.so NGINX=nginx tests/metrics-page.pl

use strict;
use warnings;
use utf8;

use FindBin;
use JSON::PP ();
use Test::More;

use lib "$FindBin::Bin/lib", "$FindBin::Bin/../t/lib";
use NginxServer;
use SecureLink;

binmode Test::More->builder->$_, ':encoding(UTF-8)' for qw(output failure_output todo_output);

# The first of these programs that there is.
sub program {
    my ($package, @names) = @_;
    for my $name (@names) {
        for my $path ($name =~ m{/} ? $name : map { "$_/$name" } split /:/, $ENV{PATH}) {
            return $path if -x $path;
        }
    }
    die "there is no $names[0]: scripts/need test installs it, from the package $package\n";
}

my $browser  = program('chromium', qw(chromium chromium-headless-shell));
my $promtool = program('prometheus', 'promtool', "$FindBin::Bin/../objs/promtool");

my $nginx   = NginxServer->new(workers => 2);
my $strict  = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'";
my $markup  = '<img src=x onerror=alert(1)>"&\'';
my $element = '</script><script>document.title="owned"</script>';
my $bytes   = "caf\xe9 \x7f \xff";
my $cyrillic = 'ключ';

$nginx->configure(<<"_END_", http => 'secure_link_hmac_zone links:64k; secure_link_hmac_zone \'<b>&"other":64k\'; types { application/json json; }');
        secure_link_hmac          \$arg_st,\$arg_ts,\$arg_e;
        secure_link_hmac_message  \$uri|\$arg_ts|\$arg_e;
        secure_link_hmac_secret   @{[ secret ]};
        location /files/ {
            secure_link_hmac_enforce  on;
            secure_link_hmac_meter    links key=\$http_x_user;
        }
        location = /metrics {
            add_header Content-Security-Policy "$strict";
            secure_link_hmac_metrics  links;
        }
        location = /empty {
            secure_link_hmac_metrics  '<b>&"other"';
        }
        location = /refreshed {
            if (\$arg_format = json) {
                rewrite ^ /later.json;
            }
            secure_link_hmac_metrics  links;
        }
        location = /later.json { }
_END_
mkdir "$nginx->{dir}/files/files" or die $!;
$nginx->write_file('files/files/a.txt', "a file\n");
$nginx->start;

sub ask {
    my ($times, $status, $link, $user) = @_;
    for (1 .. $times) {
        my %headers = defined $user ? ('X-User' => $user) : ();
        my $got = $nginx->get($link, headers => \%headers)->{status};
        die "$link: status $got, not $status\n" if $got != $status;
    }
}

my $sent = $cyrillic;
utf8::encode($sent);
my $good    = SecureLink::link('/files/a.txt');
my $expired = SecureLink::link('/files/a.txt', ts => time - 7200);
ask(3, 200, $good,    'acme');
ask(2, 410, $expired, 'acme');
ask(4, 200, $good,    $markup);
ask(1, 200, $good,    $element);
ask(1, 200, $good,    $bytes);
ask(2, 200, $good,    $sent);
ask(1, 200, $good);
ask(5, 403, '/files/a.txt');
ask(3, 403, SecureLink::link('/files/a.txt', secret => other_secret));
ask(2, 403, SecureLink::link('/files/a.txt', st => 'short'));

# The document after the page's script has run for a while, as text.
sub page {
    my ($target, $milliseconds) = @_;
    my $home = "$nginx->{dir}/browser";
    my $output = "$nginx->{dir}/logs/page";
    my $pid = fork;
    die "fork: $!" unless defined $pid;
    if (!$pid) {
        $ENV{HOME} = $home;
        open STDOUT, '>', $output or die $!;
        open STDERR, '>', "$output.err" or die $!;
        exec $browser, qw(
            --headless --no-sandbox --disable-gpu --disable-quic --disable-dev-shm-usage --no-first-run
            --disable-background-networking --disable-component-update --disable-sync --disable-extensions
            ), "--user-data-dir=$home", "--virtual-time-budget=$milliseconds", '--dump-dom',
            "http://127.0.0.1:$nginx->{port}$target" or die "$browser: $!";
    }
    local $SIG{ALRM} = sub { kill KILL => $pid };
    alarm 90;
    waitpid $pid, 0;
    alarm 0;
    my $text = NginxServer::slurp($output);
    utf8::decode($text);
    diag(NginxServer::slurp("$output.err")) if $text !~ m{</html>};
    return $text;
}

sub plain {
    my ($text) = @_;
    my %character = (lt => '<', gt => '>', quot => '"', amp => '&', nbsp => "\xa0");
    $text =~ s/&(\w+);/$character{$1}/g;
    return $text;
}

# What the page's table says: [{ key => , requests => , ... }], in its order.
sub table {
    my ($text) = @_;
    my @rows;
    while ($text =~ m{<tr[^>]*><th[^>]* scope="row"[^>]*>(.*?)</th>(.*?)</tr>}sg) {
        my ($key, $cells) = ($1, $2);
        my %row = (key => plain($key));
        while ($cells =~ m{<td data-column="(\w+)"([^>]*)><span>(.*?)</span>}g) {
            $row{$1} = $3;
            $row{exact} = $1 if $1 eq 'bytes' && $2 =~ /title="([\d,]+) bytes/;
        }
        push @rows, \%row;
    }
    return @rows;
}

# Its other numbers, by their names.
sub totals {
    my ($text) = @_;
    my %total = $text =~ m{<dd id="(\w+)"[^>]*>([^<]*)</dd>}g;
    while ($text =~ m{<li data-verdict="(\w+)"><span>[^<]*</span><span>([^<]*)</span>}g) { $total{$1} = $2 }
    return \%total;
}

sub metrics {
    my ($target) = @_;
    return JSON::PP->new->utf8->decode($nginx->get($target)->{body});
}

my $json = metrics('/metrics');
my %of = map { $_->{key} => $_ } @{ $json->{keys} };

subtest 'JSON holds keys of any bytes' => sub {
    my %granted = map { $_ => $of{$_}{requests}{granted} } keys %of;
    is_deeply \%granted,
        { acme => 3, $markup => 4, $element => 1, 'caf\\xe9 ' . "\x7f" . ' \\xff' => 1, $cyrillic => 2, '' => 1 },
        'the keys and their grants';
    is $of{acme}{requests}{expired}, 2, 'denials of an authentic link';
    is_deeply $json->{unauthenticated}, { missing => 5, forged => 3, malformed => 2 }, 'refused without a key';
    cmp_ok abs($json->{time} - time), '<', 60, 'the time of the server';
};

subtest 'the page shows the same' => sub {
    my $text = page('/metrics?format=html', 1000);
    my %row  = map { $_->{key} => $_ } table($text);
    is_deeply [sort keys %row], [sort map { length $_ ? $_ : '(no key id)' } keys %of], 'keys, as text';
    my ($acme, $hostile) = @row{ 'acme', $markup };
    is_deeply [@$acme{qw(requests granted denied expired revoked)}], [5, 3, 2, 2, 0], 'requests, grants, denials';
    is_deeply [@$hostile{qw(requests granted denied)}], [4, 4, 0], 'of another key';
    is $acme->{exact}, $of{acme}{bytes} =~ s/(\d)(?=(\d{3})+$)/$1,/gr, 'bytes, exactly';
    like $acme->{bytes}, qr/\A[\d.]+ (?:B|KiB)\z/, 'bytes, for people';
    like $acme->{last_seen}, qr/\A\d+ (?:s|min) ago\z/, 'last seen';
    my $totals = totals($text);
    is_deeply [@$totals{qw(missing malformed unknown_key forged)}], [5, 2, 0, 3], 'denials without a key';
    is_deeply [@$totals{qw(requests granted denied entries evictions)}], [24, 12, 12, 6, 0], 'totals';
    unlike $text, qr/<img/i, 'no markup of a stranger is an element';
    like $text, qr{<title>links . links</title>}, 'nor is a script run';
    like $text, qr/aria-sort="descending"[^>]*><button[^>]*>Requests/, 'and says how it is sorted';
    is_deeply [map { $_->{requests} } table($text)], [5, 4, 2, 1, 1, 1], 'the most requests first';
};

subtest 'the page needs nothing from elsewhere' => sub {
    my $response = $nginx->get('/metrics?format=html');
    is $response->{header}{'content-type'}, 'text/html; charset=utf-8', 'its type';
    unlike $response->{body}, qr{(?:src=|https?://|url\(|\@import)(?!x )}, 'no address of anything';
    unlike $response->{body}, qr/innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b/, 'no text becomes markup';
    is scalar(() = $response->{body} =~ m{</script>}g), 2, 'its own two scripts are the only ones';
};

subtest 'the page refreshes itself, and stays in order' => sub {
    my @keys = map { { key => "key-$_", requests => { granted => $_, revoked => 1 }, bytes => $_ * 1000, first_seen => 1, last_seen => time } } 1 .. 1200;
    push @keys, { key => "$markup later", requests => { granted => 5000 }, bytes => 3 * 2**30, first_seen => 1, last_seen => time };
    $nginx->write_file('files/later.json', JSON::PP->new->utf8->encode({
        zone => 'links', time => time, entries => 1201, evictions => 70_000, unauthenticated => { forged => 1234 }, keys => \@keys,
    }));
    my $text = page('/refreshed?format=html#sort=bytes', 8000);
    my @rows = table($text);
    is scalar(@rows), 1000, 'as many rows as can be looked at';
    like $text, qr/first 1,000 of 1,201/, 'which the page says';
    is $rows[0]{key}, 'key-1', 'the order of the address is kept';
    is_deeply [@{ $rows[999] }{qw(key requests revoked)}], ['key-1000', '1,001', 1], 'up to the last';
    my $totals = totals($text);
    is_deeply [@$totals{qw(forged missing evictions entries)}], ['1,234', 0, '70,000', '1,201'], 'the new numbers';

    $text = page('/refreshed?format=html#sort=-bytes&filter=LATER', 8000);
    @rows = table($text);
    is_deeply [map { @$_{qw(key bytes)} } @rows], ["$markup later", '3.0 GiB'], 'a filter is kept, too';
    unlike $text, qr/<img/i, 'what comes later is text as well';
};

subtest 'the page of an empty zone says what to do' => sub {
    my $text = page('/empty?format=html', 1000);
    like $text, qr/Nothing has been counted in this zone yet/, 'that there is nothing';
    like plain($text), qr/secure_link_hmac_meter <b>&"other";/, 'and which directive it takes';
    unlike $text, qr/<b>/, 'the name of the zone is text';
};

subtest 'promtool accepts what Prometheus is sent' => sub {
    for my $target ('/metrics?format=prometheus', '/empty?format=prometheus') {
        my $response = $nginx->get($target);
        $nginx->write_file('exposition', $response->{body});
        is `'$promtool' check metrics <'$nginx->{dir}/exposition' 2>&1`, '', "$target: nothing to say";
        is $?, 0, "$target: accepted";
    }
    my $text = $nginx->get('/metrics?format=prometheus')->{body};
    utf8::decode($text);
    my $line = 'secure_link_hmac_requests_total{zone="links",key="%s",verdict="%s"} %d' . "\n";
    like $text, qr/^\Q${\sprintf $line, @$_}\E/m, "key=$_->[0]" for
        ['acme', 'granted', 3], ['acme', 'expired', 2], ['<img src=x onerror=alert(1)>\\"&\'', 'granted', 4],
        ['caf\\\\xe9 \\\\x7f \\\\xff', 'granted', 1], [$cyrillic, 'granted', 2], ['', 'forged', 3], ['', 'granted', 1],
        ['', 'unknown_key', 0];
};

done_testing;
