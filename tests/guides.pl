#!/usr/bin/env perl

# The guides of docs/guides/, and the configurations of README.md and docs/metrics.md: each in a real nginx, with links
# that the programs beside it make.
#
#   MODULE=/path/to.so NGINX=nginx tests/guides.pl

use strict;
use warnings;

use Digest::MD5 qw(md5);
use Digest::SHA qw(hmac_sha256 hmac_sha256_hex);
use File::Basename qw(basename dirname);
use File::Temp ();
use FindBin;
use IO::Select;
use IO::Socket::INET;
use JSON::PP ();
use MIME::Base64 qw(encode_base64 encode_base64url);
use POSIX qw(strftime);
use Test::More;
use Time::HiRes qw(sleep);

use lib "$FindBin::Bin/lib";
use Load qw(metrics);
use Recipes;

my $now   = time;
my $hex   = '7d1a3c5e9f0b2846d1c3a5978e6f4b2035794e1d2c8ab6f0e3d7915846bc02fa';
my $other = scalar reverse $hex;
my $third = $hex =~ tr/0-9a-f/1-9a-f0/r;

my %files = (
    'srv/files/report.pdf' => "a file: report\n",
    'srv/files/other.pdf'  => "a file: other\n",
    'srv/files/a b+%1.pdf' => "a file: signs\n",
    'keys/files.key'       => "$hex\n",
);
my $report = $files{'srv/files/report.pdf'};

# A link of the usual form, by an implementation that is not the page's.
sub signed {
    my ($path, $key, %options) = @_;
    my ($ts, $e) = ($options{ts} // time, $options{e} // 600);
    my $st = encode_base64url(hmac_sha256("$path|$ts|$e", $key));
    return "$path?st=$st&ts=$ts&e=$e";
}

sub until_link {
    my ($path, $key, $until, $more) = @_;
    return "$path?" . ($more || '') . 'st=' . encode_base64url(hmac_sha256("$path|$until", $key)) . "&until=$until";
}

# What links of the usual form with a time of issue must do.
sub usual {
    my ($recipe, $link) = @_;
    $recipe->grants('a link', $link, $report);
    $recipe->covers('a link', $link);
    $recipe->refuses('an old link', signed('/files/report.pdf', $hex, ts => $now - 640), 410);
    $recipe->refuses('a link with the path of another file', $link =~ s/report/other/r, 403);
    $recipe->refuses('a link that lasts longer', $link =~ s/&e=\d/&e=9/r, 403);
    $recipe->refuses('a path without a link', '/files/report.pdf', 403);
}

# A location of a regular expression in the same server, above the page's, does not serve what the page's check.
sub taken_away {
    my ($page, $heading, $path, %options) = @_;
    my $name = 'server_name files.example.com;';
    for my $open (0, 1) {
        my $recipe = $page->recipe($heading, %options, changed => {
            $name => "$name location ~* \\.(jpg|pdf)\$ { root /srv; expires 30d; }", $open ? ("location ^~ $path" => "location $path") : (),
        });
        is(($recipe->ask("${path}report.pdf"))[0], $open ? 200 : 403, $open ? 'which it would without ^~' : 'a location of a regular expression takes no request away');
    }
}

# A hand-off goes astray to a location of a regular expression where that for hand-offs has no ^~.
sub led_astray {
    my ($page, $heading, $inside, $link, $file, %options) = @_;
    for my $open (0, 1) {
        my $recipe = $page->recipe($heading, %options, changed => {
            'server_name files.example.com;' => 'server_name files.example.com; location ~* \\.(jpg|pdf)$ { return 200 astray; }',
            $open ? ("location ^~ $inside" => "location $inside") : (),
        });
        is(($recipe->ask($link))[2], $open ? 'astray' : $file, $open ? 'which it would without ^~' : 'a hand-off goes where it should');
    }
}

sub in_log { like $_[0]{nginx}->log, $_[1], $_[2] }

# Whether Prometheus accepts a configuration, or rules.
sub promtool {
    my ($kind, $yaml) = @_;
    my ($promtool) = grep { -x } "$FindBin::Bin/../objs/promtool", map { "$_/promtool" } split /:/, $ENV{PATH};
    die "promtool is missing: run scripts/need test\n" unless $promtool;
    my $file = File::Temp->new(SUFFIX => '.yml');
    print {$file} $yaml;
    close $file;
    my $said = `$promtool check $kind $file 2>&1`;
    is $?, 0, "Prometheus accepts the $kind" or diag $said;
}

sub readme {
    my $page = Recipes->new('../README.md');
    my $recipe = $page->recipe('First link', files => \%files, inside => 'server');
    my ($link) = $recipe->run('sh', 'true');
    usual($recipe, signed('/files/report.pdf', $hex));
    $recipe->grants('the link of the page', $link, $report);
    $page->done;
}

sub metrics_page {
    my $page = Recipes->new('metrics.md');
    my $recipe = $page->recipe('Turn it on', files => \%files);
    usual($recipe, signed('/files/report.pdf', $hex));
    my $figures = metrics($recipe->{nginx}, '/links');
    is $figures->{keys}{''}{requests}{granted}, 1, 'grants are counted';
    is $figures->{unauthenticated}{missing} > 0, 1, 'and what is no link';
    $recipe->refuses('the figures, from elsewhere,', '/links', 403, from => '127.0.0.9');
    promtool('config', $page->{blocks}{'Scrape it'}{yaml});
    promtool('rules', $page->{blocks}{Alerts}{yaml});
    $page->done;
}

sub first_link {
    my $page = Recipes->new('guides/first-link.md');
    my $recipe = $page->recipe('The configuration', files => { map { ($_ => $files{$_}) } grep { /srv/ } keys %files }, prepared => 'A key');
    my $path = "$recipe->{dir}/keys/files.key";
    is +(stat $path)[2] & 0777, 0600, 'the key is for its owner alone';
    like NginxServer::slurp($path), qr/\A[0-9a-f]{64}\n\z/, 'and is 32 bytes in hexadecimal';

    taken_away($page, 'The configuration', '/files/', files => \%files);
    $recipe->{programs} = $page->{blocks}{'A link'};
    my @links = (
        $recipe->run('sh', 'link /files/report.pdf 600'),
        $recipe->run('python', 'link("/files/report.pdf", 600)'),
        $recipe->run('php', 'link_to("/files/report.pdf", 600)'),
    );
    my ($signs)  = $recipe->run('python', 'link("/files/a b+%1.pdf", 600)');
    my ($signs2) = $recipe->run('php', 'link_to("/files/a b+%1.pdf", 600)');
    $recipe->grants('a link for a name that has to be encoded', $_, $files{'srv/files/a b+%1.pdf'}) for $signs, $signs2;
    for my $link (@links) {
        $recipe->grants('a link', $link, $report);
        $recipe->covers('a link', $link);
        $recipe->refuses('a link with the path of another file', $link =~ s/report/other/r, 403);
    }
    $recipe->refuses('a path without a link', '/files/report.pdf', 403);
    in_log($recipe, qr{verdict=missing}, 'which is logged');
    in_log($recipe, qr{verdict=forged key="" message="/files/other\.pdf\|\d+\|600"}, 'as is what should have been signed');
    my ($short) = $recipe->run('sh', 'link /files/report.pdf 1');
    sleep 2.2;
    $recipe->refuses('an old link', $short, 410);
    in_log($recipe, qr{verdict=expired}, 'which is logged');

    $recipe = $page->recipe('Hide where the files are', files => { 'srv/private/report.pdf' => $report, 'keys/files.key' => "$hex\n" });
    usual($recipe, signed('/files/report.pdf', $hex));
    $recipe->refuses('the place where the files are', '/internal/files/report.pdf', 404);
    led_astray($page, 'Hide where the files are', '/internal/files/', signed('/files/report.pdf', $hex), $report,
        files => { 'srv/private/report.pdf' => $report, 'keys/files.key' => "$hex\n" });

    $recipe = $page->recipe('A site that is in use', files => \%files);
    $recipe->grants('a path without a link', '/files/report.pdf', $report);
    my $log = sub { NginxServer::slurp("$recipe->{dir}/logs/links.log") };
    like $log->(), qr{\[info\].*would deny: verdict=missing}, 'and is logged';
    $recipe->grants('a link', signed('/files/report.pdf', $hex), $report);
    is scalar(() = $log->() =~ /would deny/g), 1, 'and is not';
    $page->done;
}

sub partners {
    my $page = Recipes->new('guides/partners.md');
    my %keys = ('keys/acme.key' => "$hex\n", 'keys/globex.key' => "$other\n", 'keys/initech.key' => "$third\n");
    my $recipe = $page->recipe('The keys', files => { %files, %keys });
    my ($link, $signs, $globex, $expired, $long, $initech, $nobody, $swapped) = $recipe->run('python',
        qq{link("/files/report.pdf", "acme", "$hex")}, qq{link("/files/a b+%1.pdf", "acme", "$hex")},
        qq{link("/files/report.pdf", "globex", "$other")}, qq{link("/files/report.pdf", "acme", "$hex", -5)},
        qq{link("/files/report.pdf", "acme", "$hex", 8 * 86400)}, qq{link("/files/report.pdf", "initech", "$third")},
        qq{link("/files/report.pdf", "nobody", "$hex")}, qq{link("/files/report.pdf", "globex", "$hex")});
    $recipe->grants('a link', $link, $report);
    $recipe->grants('a link for a name that has to be encoded', $signs, $files{'srv/files/a b+%1.pdf'});
    $recipe->grants('a link of another partner', $globex, $report);
    $recipe->refuses('an old link', $expired, 410);
    $recipe->refuses('a link that lasts too long', $long, 410);
    $recipe->refuses('a link of a partner who has left', $initech, 403);
    $recipe->refuses('a link of somebody unknown', $nobody, 403);
    $recipe->refuses('a link under another name', $swapped, 403);
    my $links = metrics($recipe->{nginx}, '/links');
    is_deeply $links->{keys}{acme}{requests}, { granted => 2, expired => 2 }, 'links are counted by name and verdict';
    is $links->{keys}{globex}{requests}{granted}, 1, 'for each partner';
    is $links->{unauthenticated}{unknown_key}, 2, 'others without a name';
    $recipe->refuses('the figures, from elsewhere,', '/links', 403, from => '127.0.0.9');
    $recipe->{nginx}->stop;
    my $log = NginxServer::slurp("$recipe->{dir}/logs/partners.log");
    like $log, qr{^127\.0\.0\.1 200 15 key=acme link=granted "GET /files/report\.pdf"$}m, 'the log has the name';
    unlike $log, qr/st=/, 'and no token';

    $recipe = $page->recipe('A folder for each partner', files => { %keys,
        'srv/partners/acme/report.pdf' => $report, 'srv/partners/globex/report.pdf' => $report });
    $link = until_link('/partners/acme/report.pdf', $hex, $now + 600);
    $recipe->grants('a link', $link, $report);
    $recipe->covers('a link', $link);
    $recipe->refuses('a link for the folder of another', until_link('/partners/globex/report.pdf', $hex, $now + 600), 403);
    $recipe->refuses('the same in another spelling', $link =~ s{acme}{acme/../globex}r, 403);
    $recipe->refuses('an old link', until_link('/partners/acme/report.pdf', $hex, $now - 5), 410);
    $recipe->grants('a link of another partner', until_link('/partners/globex/report.pdf', $other, $now + 600), $report);
    is metrics($recipe->{nginx}, '/links')->{keys}{$_}{requests}{granted}, 1, 'links are counted' for qw(acme globex);
    $recipe->refuses('the figures, from elsewhere,', '/links', 403, from => '127.0.0.9');

    $recipe = $page->recipe('A quota for each partner', files => { %files, %keys }, changed => { 'bytes=100g' => 'bytes=300' });
    my @status = map { ($recipe->ask(until_link('/files/report.pdf', $hex, $now + 600, 'key=acme&')))[0] } 1 .. 4;
    is $status[0], 200, 'a partner with room in its quota is served';
    is $status[3], 429, 'and not when it is spent' or diag "@status";
    $recipe->grants('a link of another partner', until_link('/files/report.pdf', $other, $now + 600, 'key=globex&'), $report);
    $recipe->refuses('an old link', until_link('/files/report.pdf', $other, $now - 5, 'key=globex&'), 410);
    $page->done;
}

sub downloads {
    my $page = Recipes->new('guides/downloads.md');
    my %shop = ('srv/private/book.pdf' => "a file: book\n", 'srv/private/film.mp4' => "a file: film\n",
        'srv/pages/gone.html' => "this link was used, or is too old\n", 'keys/shop.key' => "$hex\n");
    my $recipe = $page->recipe('Links that work once', files => \%shop);
    my ($link, $same, $old, $long, $mine) = $recipe->run('python', map { "link($_)" } '"/paid/book.pdf", 4711', '"/paid/book.pdf", 4712',
        '"/paid/book.pdf", 4713, -5', '"/paid/book.pdf", 4714, 9 * 86400', '"/paid/film.mp4", 4715');
    $recipe->covers('a link', $link);
    is(($recipe->ask($link, method => 'HEAD'))[0], 200, 'HEAD spends nothing');
    my $header = $recipe->grants('a link', $link, $shop{'srv/private/book.pdf'}, from => '127.0.0.7');
    is $header->{'content-disposition'}, 'attachment', 'as a download';
    is $header->{'cache-control'}, 'private', 'for one visitor';
    my ($status, undef, $part) = $recipe->ask($link, from => '127.0.0.7', Range => 'bytes=2-5');
    is "$status $part", '206 file', 'and is resumed by the same client';
    $recipe->refuses('a link that was used, for another client,', $link, 410, from => '127.0.0.8');
    is(($recipe->ask($link, from => '127.0.0.8'))[2], $shop{'srv/pages/gone.html'}, 'which a page explains');
    $recipe->refuses("the same link, written $_,", $link =~ s/(st=[^&]+)/$1$_/r, 410) for '=', '%3D';
    my $ahead = time + 10;
    $recipe->grants('a link of a clock that is ahead', '/paid/book.pdf?st=' . encode_base64url(hmac_sha256("/paid/book.pdf|$ahead|600&7", $hex))
        . "&ts=$ahead&e=600&order=7", $shop{'srv/private/book.pdf'});
    $recipe->grants('a link of the same second for another order', $same, $shop{'srv/private/book.pdf'});
    $recipe->refuses('a link of another order', $mine =~ s/4715/4716/r, 403);
    $recipe->refuses('a link with a negative lifetime', $old, 403);
    $recipe->refuses('a link that lasts too long', $long, 410);
    $recipe->refuses('the place where the files are', '/internal/paid/book.pdf', 404);
    $recipe->{nginx}->reload;
    $recipe->refuses('a link that was used before a reload', $link, 410, from => '127.0.0.8');
    my $stale = '/paid/book.pdf?st=' . encode_base64url(hmac_sha256('/paid/book.pdf|' . ($now - 99) . '|9&1', $hex)) . '&ts=' . ($now - 99) . '&e=9&order=1';
    $recipe->refuses('an old link', $stale, 410);

    my $gone = '/paid/none.pdf?st=' . encode_base64url(hmac_sha256("/paid/none.pdf|$now|600&1", $hex)) . "&ts=$now&e=600&order=1";
    is_deeply [map { ($recipe->ask($gone, from => "127.0.0.$_"))[0] } 7, 8], [404, 410], 'a file that is not there spends a use';

    $recipe = $page->recipe('A name for the file, and a new link for an old one', files => \%shop);
    my ($named) = $recipe->run('python', qq{link("/books/book.pdf", 'Der gro\xc3\x9fe; "Turm".pdf')});
    $header = $recipe->grants('a link', $named, $shop{'srv/private/book.pdf'});
    is $header->{'content-disposition'}, "attachment; filename*=UTF-8''Der%20gro%C3%9Fe%3B%20%22Turm%22.pdf", 'has a name';
    for my $changed ($named =~ s/Turm/Tor/r, $named =~ s/&name=.*//r, '/books/book.pdf', '/books/a%0d%0aX-Evil:%201%0d%0a/b?x=1') {
        ($status, $header) = $recipe->ask($changed);
        is $status, 302, 'what is no link is sent to the shop';
        is $header->{location}, 'https://www.example.com/renew?path=' . $changed =~ s{^https://[^/]+|\?.*}{}gr, 'with its path';
        is $header->{'x-evil'}, undef, 'and nothing else';
    }
    $recipe->refuses('the place where the files are', '/internal/books/book.pdf', 404);

    $recipe = $page->recipe('A quota for each customer', changed => { 'bytes=20g' => 'bytes=300' },
        files => { 'srv/library/book.pdf' => "a file: book\n", 'keys/shop.key' => "$hex\n" });
    local $recipe->{changed} = {};
    my ($alice, $again, $bob, $expired) = $recipe->run('python', map { "link($_)" } '"/library/book.pdf", "17"', '"/library/book.pdf", "17", 999',
        '"/library/book.pdf", "18"', '"/library/book.pdf", "18", -9');
    $recipe->covers('a link', $alice);
    my @status = map { ($recipe->ask($_))[0] } $alice, $again, $alice, $again;
    is $status[0], 200, 'a customer with room in the quota is served';
    is $status[3], 429, 'and not when it is spent, by no link' or diag "@status";
    $recipe->grants('a link of another customer', $bob, "a file: book\n");
    $recipe->refuses('an old link', $expired, 410);
    $page->done;
}

sub video {
    my $page = Recipes->new('guides/video.md');
    my %film = ('keys/hls.key' => "$hex\n", 'srv/films/tower/index.m3u8' => "a file: playlist\n",
        'srv/films/tower/1.m4s' => "a file: part\n", 'srv/films/tower/hd/1.ts' => "a file: segment\n", 'srv/films/bridge/1.ts' => "a file: another\n");
    my %made = ('The token in the path' => '"tower", ', 'One film for a viewer' => '"tower", 17, ');
    my %link;
    for my $heading (sort keys %made) {
        my $recipe = $page->recipe($heading, files => \%film);
        my ($link, $old) = $recipe->run('python', "playlist($made{$heading}" . ($now + 600) . ')', "playlist($made{$heading}" . ($now - 5) . ')');
        $link{$heading} = [$recipe, $link];
        my $header = $recipe->grants('the playlist', $link, "a file: playlist\n");
        if ($heading =~ /path/) {
            is $header->{'content-type'}, 'application/vnd.apple.mpegurl', 'of its type';
            is $header->{'cache-control'}, 'private, max-age=3600', 'for one viewer';
            is $header->{'access-control-allow-origin'}, 'https://www.example.com', 'in pages of the site';
        }
        my $base = $link =~ s/index\.m3u8//r;
        my $segment = $recipe->grants('a segment', "${base}hd/1.ts", "a file: segment\n");
        my $part = $recipe->grants('a part', "${base}1.m4s", "a file: part\n");
        if ($heading =~ /path/) { is $_->[0]{'content-type'}, $_->[1], 'of its type' for [$segment, 'video/mp2t'], [$part, 'video/mp4'] }
        $recipe->refuses('the playlist by an old link', $old, 410);
        $recipe->refuses('a segment of another film', $base =~ s/tower/bridge/r . '1.ts', 403);
        $recipe->refuses("a way out by $_", "$base$_", /films/ ? 404 : 403) for '../bridge/1.ts', '../../films/bridge/1.ts';
        $recipe->refuses('the place where the films are', '/films/tower/index.m3u8', 404);
        my ($token) = $link =~ m{(/hls/[^/]+/[^/]+)/};
        my @granted;
        for my $at (5 .. length($token) - 1) {
            my $changed = $token;
            substr($changed, $at, 1) =~ tr/0-9a-zA-Z\x21-\x7e/1-90b-zaB-ZAx/;
            push @granted, $changed if ($recipe->ask($link =~ s/\Q$token\E/$changed/r))[0] == 200;
        }
        is_deeply \@granted, [], 'a link with any byte of its token or time changed opens nothing';
        $recipe->refuses('a link of another viewer', $link =~ s{/17/}{/18/}r, 403) if $heading =~ /viewer/;
    }
    my ($recipe) = @{ $link{'One film for a viewer'} };
    $recipe->{nginx}->stop;
    like NginxServer::slurp("$recipe->{dir}/logs/films.log"), qr/^127\.0\.0\.1 200 \d+ viewer=17 link=granted film=tower$/m, 'the log has the viewer';
    $page->done;
}

sub rotation {
    my $page = Recipes->new('guides/rotation.md');
    my $recipe = $page->recipe('One key', files => { %files, 'keys/files-2026.key' => "$hex\n" });
    my ($first, $second) = map { signed('/files/report.pdf', $_) } $hex, $other;
    usual($recipe, $first);
    $recipe->refuses('a link of the new key', $second, 403);
    $recipe->grants('a link of a clock that is ahead', signed('/files/report.pdf', $hex, ts => time + 10), $report);
    my $long = sub { $recipe->refuses('a link that lasts too long', signed('/files/report.pdf', $_[0], e => 7 * 86400 + 1), 410) };
    $long->($hex);
    $recipe->{nginx}->write_file('keys/files-2027.key', "$other\n", 0600);
    $recipe->becomes('Both keys');
    $recipe->grants("a link of the $_->[0] key", $_->[1], $report) for [old => $first], [new => $second];
    $recipe->refuses('a link of a third key', signed('/files/report.pdf', $third), 403);
    $long->($hex);
    $recipe->becomes('The new key alone');
    $recipe->refuses('a link of the old key', $first, 403);
    $recipe->grants('a link of the new key', $second, $report);
    $long->($other);
    $recipe->{nginx}->write_file('keys/files-2027.key', "$third\n", 0600);
    $recipe->grants('a link of a key that was overwritten', $second, $report);
    $recipe->{nginx}->reload;
    $recipe->refuses('the same after a reload', $second, 403);

    my %ring = (%files, 'keys/acme-2027.key' => "$other\n", 'keys/acme-2026.key' => "$hex\n", 'keys/globex.key' => "$third\n");
    my %by = map { $_->[0] => signed('/files/report.pdf', $_->[1]) . '&key=' . $_->[2] }
        [old => $hex, 'acme'], [new => $other, 'acme'], [globex => $third, 'globex'], [wrong => $third, 'acme'];
    $recipe = $page->recipe('Keys with names', files => \%ring);
    $recipe->grants("a link of $_", $by{$_}, $report) for qw(old new globex);
    $recipe->refuses('a link of another\'s key', $by{wrong}, 403);
    $recipe = $page->recipe('Keys with names', files => \%ring, changed => { '2099-01-31' => '2020-01-31' });
    $recipe->refuses('a link of a key that has ended', $by{old}, 403);
    $recipe->grants('a link of the new one', $by{new}, $report);

    $recipe = $page->recipe('Links that have leaked', files => { %ring, 'keys/acme.key' => "$hex\n" },
        changed => { '2026-01-31T12:00:00Z' => strftime('%Y-%m-%dT%H:%M:%SZ', gmtime $now - 100) });
    $recipe->refuses('a link from before', signed('/files/report.pdf', $hex, ts => $now - 101) . '&key=acme', 403);
    in_log($recipe, qr/verdict=revoked key="acme"/, 'as revoked');
    $recipe->grants('a link from after', signed('/files/report.pdf', $hex, ts => $now - 99) . '&key=acme', $report);
    $recipe->grants('an old link of somebody else', signed('/files/report.pdf', $third, ts => $now - 101) . '&key=globex', $report);

    my $ring = 'secure_link_hmac_keyring files { files file:keys/files.key issued_after=' . ($now - 100) . '; }';
    my $alone = $page->recipe('One key', files => { %files, 'keys/files-2026.key' => "$hex\n" },
        changed => { "server {\n" => "$ring\nserver {\n", 'secure_link_hmac_secret        file:keys/files-2026.key;' => 'secure_link_hmac_keys files files;' });
    $alone->refuses('a link from before, of a key that has a ring of its own since,', signed('/files/report.pdf', $hex, ts => $now - 101), 403);
    in_log($alone, qr/verdict=revoked/, 'as revoked');
    $alone->grants('a link from after', signed('/files/report.pdf', $hex, ts => $now - 99), $report);

    my $leaked = signed('/files/report.pdf', $hex, ts => $now);
    for my $by ('text', 'token') {
        my ($token) = $leaked =~ /st=([^&]+)/;
        $recipe = $page->recipe('One link that has leaked', files => \%files, changed => $by eq 'text' ? { '1769860800|3600' => "$now|600" }
            : { '"$uri|$arg_ts|$arg_e"' => '$arg_st', '/files/report.pdf|1769860800|3600' => $token });
        $recipe->refuses("a link that is withdrawn by its $by", $leaked, 403);
        in_log($recipe, qr/verdict=revoked/, 'as revoked');
        my @written = map { ($recipe->ask($leaked =~ s/(st=[^&]+)/$1$_/r))[0] } '=', '%3D', '%3d';
        is "@written", $by eq 'text' ? '403 403 403' : '200 200 200', $by eq 'text' ? 'however it is written' : 'and only as it was written';
        $recipe->grants('another link for the file', signed('/files/report.pdf', $hex, ts => $now, e => 601), $report);
    }

    $recipe = $page->recipe('A key that has leaked', files => { %ring, 'keys/acme.key' => "$hex\n", 'keys/acme-new.key' => "$other\n" });
    $recipe->refuses('a link of the key', $by{old}, 403);
    $recipe->grants("a link of $_", $by{$_}, $report) for qw(new globex);
    $page->done;
}

sub from_secure_link {
    my $page = Recipes->new('guides/from-secure-link.md');
    my $old = sub {
        my ($path, $expires) = @_;
        return "$path?md5=" . encode_base64url(md5("$expires$path the-old-secret")) . "&expires=$expires";
    };
    my $recipe = $page->recipe('Before', files => \%files);
    my ($link, $expired) = ($old->('/files/report.pdf', $now + 600), $old->('/files/report.pdf', $now - 5));
    $recipe->grants('an old link', $link, $report);
    $recipe->refuses('an expired one', $expired, 410);
    $recipe->refuses('a path without a link', '/files/report.pdf', 403);

    $recipe->becomes('Side by side');
    my ($new, $late, $signs) = $recipe->run('python', 'link("/files/report.pdf", ' . ($now + 600) . ')',
        'link("/files/report.pdf", ' . ($now - 5) . ')', 'link("/files/a b+%1.pdf", ' . ($now + 600) . ')');
    $recipe->grants('an old link', $link, $report);
    $recipe->grants('a new link', $new, $report);
    $recipe->grants('a new link for a name that has to be encoded', $signs, $files{'srv/files/a b+%1.pdf'});
    $recipe->refuses('an old link that has expired', $expired, 410);
    $recipe->refuses('a new link that has expired', $late, 410);
    for my $ifs ('', 'if ($secure_link = "") { return 403; }') {
        my $with = $page->recipe('Side by side', files => \%files, changed => { 'if ($secure_link = "0") { return 410; }' => $ifs });
        $with->refuses('an old link that has expired', $expired, 403);
        is(($with->ask($new))[0], $ifs ? 403 : 200, $ifs ? 'the first if would refuse new links' : 'without the second they are 403');
    }
    $recipe->refuses('a link of either form for another file', $_ =~ s/report/other/r, 403) for $link, $new;
    $recipe->refuses('a path without a link', '/files/report.pdf', 403);
    $recipe->covers('a new link', $new);

    $recipe->becomes('After');
    $recipe->grants('a new link', $new, $report);
    $recipe->refuses('a new link that has expired', $late, 410);
    $recipe->refuses('an old link', $link, 403);
    $recipe->covers('a new link', $new);
    $recipe->{nginx}->stop;
    my $log = NginxServer::slurp("$recipe->{dir}/logs/links.log");
    like $log, qr{ 200 old=1 new=\S* "}, 'the log counts old links';
    like $log, qr{ 410 old=0 new=missing "}, 'and old ones that have expired';
    like $log, qr{ 200 old=\S* new=granted "}, 'and new ones';
    $page->done;
}

sub from_c_module {
    my $page = Recipes->new('guides/from-c-module.md');
    my $recipe = $page->recipe('Unchanged', files => \%files);
    my $iso = strftime('%Y-%m-%dT%H:%M:%SZ', gmtime $now);
    my @calls = (
        qq{signed("/files/report.pdf", $now, 600)}, qq{signed("/files/report.pdf", "$iso", 600)},
        q{signed("/files/report.pdf", } . ($now - 601) . ', 600)',
        q{signed("/files/report.pdf", "2026-1-5T9:00:00Z", 999999999)}, q{signed("/files/report.pdf", "2026-01-05T09:00:00Z", 999999999)},
        q{signed("/files/report.pdf", "2026-02-30T09:00:00Z", 999999999)}, qq{signed("/files/report.pdf", "${now}x", 600)});
    my ($link, $dated, $old, $short, $full, $february, $text) = $recipe->run('perl', @calls);
    $recipe->grants('a link', $_, $report) for $link, $dated, $full;
    $recipe->refuses('an old link', $old, 404);
    $recipe->refuses('a date with one digit', $short, 404);
    $recipe->refuses('a day that does not exist', $february, 404);
    $recipe->refuses('text after the time', $text, 404);
    $recipe->refuses('an argument twice', $link =~ s/(\?(st=[^&]+))/$1&$2/r, 404);
    $recipe->grants('the right padding', $link =~ s/(st=[^&]+)/$1=/r, $report);
    $recipe->refuses('the wrong padding', $link =~ s/(st=[^&]+)/$1==/r, 404);
    $recipe->refuses('something after it', $link =~ s/(st=[^&]+)/$1=x/r, 404);
    $recipe->refuses('a path without a link', '/files/report.pdf', 404);
    my $weak = $page->recipe('Unchanged', files => \%files, changed => { 'sha256;' => 'shake128;' }, warns => [qr/unknown.*shake128/]);
    $weak->refuses('a link with an unknown algorithm', $link, 404);

    my $enforced = $page->recipe('Enforced', files => { %files, 'keys/files.key' => 'my-very-long-secret-key' });
    $enforced->grants('a link', $_, $report) for $link, $dated;
    $enforced->refuses('an old link', $old, 410);
    $enforced->refuses('an argument twice', $link =~ s/(\?(st=[^&]+))/$1&$2/r, 404);
    $enforced->refuses('a link for another file', $link =~ s/report/other/r, 404);
    $enforced->refuses('a path without a link', '/files/report.pdf', 404);

    my $proxy = $page->recipe('A proxy that signs', says => 'return 200 "a file: $request_uri";');
    my ($status, undef, $passed) = $proxy->ask('/backend/report.pdf');
    my ($path, $st, $ts, $e) = $passed =~ /^a file: ([^?]+)\?st=([^&]+)&ts=([^&]+)&e=(\d+)$/ or diag $passed;
    is $st, encode_base64url(hmac_sha256("$path|$ts|$e", 'my-very-long-secret-key')), 'the request that is passed on is signed';
    ($passed) = ($proxy->ask('/backend/a%0d%0aX-Evil:%201%0d%0a/b'))[2];
    ($path, $st, $ts) = $passed =~ /^a file: ([^?]+)\?st=([^&]+)&ts=([^&]+)&e=\d+\z/ or diag $passed;
    is $path, '/backend/a%0D%0AX-Evil:%201%0D%0A/b', 'a line end in the path stays encoded';
    is $st, encode_base64url(hmac_sha256("/backend/a\r\nX-Evil: 1\r\n/b|$ts|60", 'my-very-long-secret-key')), 'and is signed';
    $page->done;
}

sub from_auth_request {
    my $page = Recipes->new('guides/from-auth-request.md');
    # The application knows alice, who may not have the other file, and logs that it was asked. It gets no body.
    my $says = 'access_log logs/asked.log combined; if ($http_content_length) { return 403; } '
        . 'if ($http_x_original_uri !~ "^/files/report\\.pdf$") { return 403; } if ($http_cookie = "session=alice") { return 204; } return 403;';
    my $asked = sub { scalar(() = NginxServer::slurp("$_[0]{dir}/logs/asked.log") =~ /\n/g) };
    my %alice = (Cookie => 'session=alice', 'Content-Length' => 0);
    my $recipe = $page->recipe('Before', files => \%files, says => $says);
    $recipe->grants('a session', '/files/report.pdf', $report, %alice);
    $recipe->refuses('nobody', '/files/report.pdf', 403);
    is $asked->($recipe), 2, 'the application was asked each time';
    $recipe->refuses('a session for another file', '/files/other.pdf', 403, %alice);
    $recipe->refuses('the application from outside', '/auth', 404, %alice);

    $recipe->becomes('A link or a session', says => $says);
    my ($link) = $recipe->run('python', 'link("/files/report.pdf", 600)');
    $recipe->grants('a session', '/files/report.pdf', $report, %alice);
    $recipe->refuses('nobody', '/files/report.pdf', 403);
    $recipe->refuses('a session for another file', '/files/other.pdf', 403, %alice);
    $recipe->refuses('the application from outside', '/auth', 404, %alice);
    is $asked->($recipe), 6, 'the application was asked';
    my $header = $recipe->grants('a link', $link, $report);
    is $header->{'cache-control'}, 'private, max-age=300', 'for one visitor';
    is $asked->($recipe), 6, 'and was not';
    $recipe->refuses('an old link', signed('/files/report.pdf', $hex, ts => $now - 601), 403);
    in_log($recipe, qr/verdict=expired/, 'which is logged');
    $recipe->covers('a link', $link);

    $recipe->becomes('A link alone');
    usual($recipe, $link);
    $recipe->refuses('a session', '/files/report.pdf', 403, %alice);

    $recipe = $page->recipe('A link and the application', files => \%files, says => $says);
    $recipe->grants('a link with a session', $link, $report, %alice);
    $recipe->refuses('a link alone', $link, 403);
    is $asked->($recipe), 2, 'the application was asked';
    $recipe->refuses('a session alone', '/files/report.pdf', 403, %alice);
    $recipe->refuses('a bad link with a session', $link =~ s/report/other/r, 403, %alice);
    is $asked->($recipe), 2, 'and was not, without a good link';
    $recipe->refuses('a link with a session, for a file that the application refuses', signed('/files/other.pdf', $hex), 403, %alice);
    $recipe->refuses('the application from outside', '/auth', 404, %alice);
    $page->done;
}

sub from_x_accel_redirect {
    my $page = Recipes->new('guides/from-x-accel-redirect.md');
    my %private = ('srv/private/report.pdf' => $report, 'srv/private/other.pdf' => "a file: other\n",
        'srv/private/a b+%1.pdf' => "a file: signs\n", 'keys/files.key' => "$hex\n");
    my $application = 'add_header X-Accel-Redirect /protected/report.pdf; return 200 "";';
    my $recipe = $page->recipe('Before', files => \%private, says => $application);
    my ($header) = $recipe->run('php', 'answer("report.pdf")["X-Accel-Redirect"]');
    is $header, '/protected/report.pdf', 'the application says where the file is';
    $recipe->grants('a download', '/download/report.pdf', $report);
    $recipe->refuses('the place where the files are', '/protected/report.pdf', 404);

    $recipe->becomes('After', says => $application);
    my @php = $recipe->run('php', 'answer("report.pdf")["Location"]', 'link_to("a b+%1.pdf")');
    my ($settings) = 'import django; from django.conf import settings; settings.configure(); from django.test import RequestFactory';
    my @python = $recipe->run('python',
        'exec("' . $settings . '") or download(RequestFactory().get("/download/report.pdf"), "report.pdf")["Location"]', 'link("a b+%1.pdf")');
    $recipe->grants('a download of an application that is not changed', '/download/report.pdf', $report);
    for my $links (\@php, \@python) {
        my ($link, $signs) = @$links;
        my $header = $recipe->grants('a link', $link, $report);
        is $header->{'content-disposition'}, 'attachment', 'as a download';
        is $header->{'cache-control'}, 'private', 'for one visitor';
        $recipe->grants('a link for a name that has to be encoded', $signs, "a file: signs\n");
        $recipe->refuses('a link for another file', $link =~ s/report/other/r, 403);
        $recipe->covers('a link', $link);
    }
    $recipe->refuses('an old link', signed('/files/report.pdf', $hex, ts => $now - 601), 410);
    $recipe->refuses('the place where the files are', '/protected/report.pdf', 404);
    $page->done;
}

sub fleet {
    my $page = Recipes->new('guides/fleet.md');
    my $recipe = $page->recipe('Keys', files => { %files, 'keys.d/acme.conf' => "acme file:keys/acme.key;\n", 'keys/acme.key' => "$hex\n" });
    my $acme   = until_link('/files/report.pdf', $hex, $now + 600, 'key=acme&');
    my $globex = until_link('/files/report.pdf', $other, $now + 600, 'key=globex&');
    $recipe->grants('a link', $acme, $report);
    $recipe->refuses('a link of a key that is not there yet', $globex, 403);
    $recipe->refuses('an old link', until_link('/files/report.pdf', $hex, $now - 5, 'key=acme&'), 410);
    my $program = $recipe->{programs}{sh};
    $recipe->{programs}{sh} = "$program\necho $other | add_key globex\n";
    $recipe->run('sh');
    $recipe->{nginx}->reload;
    $recipe->grants('the same after it was added', $globex, $report);
    is +(stat "$recipe->{dir}/keys/globex.key")[2] & 0777, 0600, 'from a file for its owner alone';
    my $removed = sub {
        my ($name) = @_;
        $recipe->{programs}{sh} = "$program\nremove_key $name\n";
        $recipe->run('sh');
        $recipe->{nginx}->reload;
    };
    $removed->('acme');
    $recipe->refuses('a link of a key that was removed', $acme, 403);
    $recipe->grants('a link of the other', $globex, $report);
    $removed->('globex');
    $recipe->refuses('a link of the last key, which was removed', $globex, 403);
    unlink glob "$recipe->{dir}/keys.d/* $recipe->{dir}/keys/*";
    rmdir "$recipe->{dir}/$_" for qw(keys keys.d);
    $recipe->{programs}{sh} = "$program\necho $other | add_key globex\n";
    $recipe->run('sh');
    $recipe->{nginx}->reload;
    $recipe->grants('a link of a key that was added to a fresh machine', $globex, $report);
    my $without = $page->recipe('Keys', files => { %files, 'keys.d/acme.conf' => "acme file:keys/acme.key;\n", 'keys/acme.key' => "$hex\n" },
        changed => { 'nobody hex:00000000000000000000000000000000 revoked;' => '' });
    unlink "$without->{dir}/keys.d/acme.conf";
    like +($without->{nginx}->check)[0], qr/"partners" has no key/, 'without nobody the ring would be empty';
    kill HUP => $without->{nginx}->pid;
    $without->{nginx}->wait_for('the reload to fail', sub { $without->{nginx}->log =~ /\[emerg\].*has no key/ });
    $without->grants('a link of the key that is gone, after the reload that failed', $acme, $report);

    # By Ansible, which is asked about this machine alone.
    my ($name, $playbook) = ('Keys by Ansible', "$recipe->{dir}/playbook.yml");
    unlink glob "$recipe->{dir}/keys.d/* $recipe->{dir}/keys/*";
    rmdir "$recipe->{dir}/$_" or die "$_: $!" for qw(keys keys.d);
    my $yaml = $recipe->translated($page->{blocks}{$name}{yaml} =~ s{/etc/nginx$}{/etc/nginx/}mr);
    my $nginx = join ' ', $recipe->{nginx}->command;
    $yaml =~ s/\bnginx -t && nginx -s reload\b/$nginx -t && $nginx -s reload/ or die 'the playbook reloads nothing';
    $recipe->{nginx}->write_file('playbook.yml', $yaml);
    my $partners = sub {
        my (%keys) = @_;
        my $fails = delete $keys{fails};
        local @ENV{qw(ANSIBLE_HOME ANSIBLE_GATHERING LC_ALL)} = ("$recipe->{dir}/ansible", 'explicit', 'C.UTF-8');
        my $variables = JSON::PP->new->canonical->encode({ partners => \%keys, ansible_python_interpreter => $Recipes::python });
        $recipe->{nginx}->write_file('partners.json', $variables, 0600);
        my @workers = $recipe->{nginx}->workers;
        open my $out, '-|', dirname($Recipes::python) . '/ansible-playbook', '-v', '-i', 'nodes,', '-c', 'local', '-e', "\@$recipe->{dir}/partners.json", $playbook or die $!;
        my $said = join '', <$out>;
        is !close($out), !!$fails, $fails ? 'the playbook fails' : 'the playbook is played' or diag $said;
        unlike $said, qr/$hex|$other/, 'and tells no key';
        my ($changed) = $said =~ /\bchanged=(\d+)/;
        $recipe->{nginx}->wait_for('the new workers', sub { "@workers" ne "@{[$recipe->{nginx}->workers]}" && $recipe->{nginx}->workers == 1 }) if $changed && !$fails;
        return $changed;
    };
    cmp_ok $partners->(acme => $hex, globex => $other), '>', 0, 'a playbook writes the keys';
    is +(stat "$recipe->{dir}/keys/globex.key")[2] & 0777, 0600, 'for their owner alone';
    $recipe->grants('a link of either', $_, $report) for $acme, $globex;
    is $partners->(acme => $hex, globex => $other), 0, 'once written they are left alone';
    cmp_ok $partners->(globex => $other), '>', 0, 'a key is taken out';
    $recipe->refuses('a link of it', $acme, 403);
    $recipe->grants('a link of the other', $globex, $report);
    my $configuration = NginxServer::slurp("$recipe->{dir}/nginx.conf");
    $recipe->{nginx}->write_file('nginx.conf', "$configuration\nnonsense;\n");
    $partners->(acme => $hex, fails => 1);
    $recipe->grants('a link of the key that could not be taken out', $globex, $report);
    $recipe->{nginx}->write_file('nginx.conf', $configuration);
    is $partners->(acme => $hex), 1, 'a reload that failed is made good by the next run';
    $recipe->refuses('a link of the key that was taken out', $globex, 403);
    $recipe->grants('a link of the other', $acme, $report);
    cmp_ok $partners->(), '>', 0, 'the last key is taken out';
    $recipe->refuses('a link of it', $acme, 403);

    # Three nodes and a balancer, each an nginx.
    my %shop = ('srv/once/report.pdf' => $report, 'keys/shop.key' => "$hex\n");
    my @nodes = map { $page->recipe('A node', files => \%shop, changed => { '192.0.2.10' => '127.0.0.1' }) } 1 .. 3;
    my %ports = map { ('192.0.2.1' . ($_ + 1) . ':80' => "127.0.0.1:$nodes[$_]{nginx}{port}") } 0 .. 2;
    my $balancer = $page->recipe('The balancer', changed => \%ports);
    my $granted = sub { map { metrics($_->{nginx}, '/links')->{keys}{''}{requests}{granted} || 0 } @nodes };
    my $many  = 45;
    my @links = map { signed('/once/report.pdf', $hex, e => 600 + $_) } 1 .. $many;
    my $from = 10;
    for my $link (@links) {
        my @spellings = ($link, $link =~ s/(st=[^&]+)/$1=/r, $link =~ s/(st=[^&]+)/$1%3D/r, $link =~ s/(st=[^&]+)/$1%3d/r, $link =~ s/st=/more=1&st=/r);
        my %status;
        for my $spelling (@spellings) { $status{ ($balancer->ask($spelling, from => '127.0.0.' . $from++))[0] }++ }
        $status{200} == 1 && $status{410} == 4 or fail('once') and diag explain [$link, \%status];
    }
    my @granted = $granted->();
    is $granted[0] + $granted[1] + $granted[2], $many, 'each link is granted once in the fleet, however it is written';
    cmp_ok $_, '>', 0, 'each node has some of them' for @granted;
    my $again = signed('/once/report.pdf', $hex, e => 700);
    $balancer->grants('a link', $again, $report, from => '127.0.0.7');
    $balancer->grants('the same for the same client', $again, $report, from => '127.0.0.7');
    $balancer->refuses('the same for another', $again, 410, from => '127.0.0.8');
    $balancer->refuses('the same with an address made up', $again, 410, from => '127.0.0.8', 'X-Forwarded-For' => '127.0.0.7');
    $balancer->refuses('an old link', signed('/once/report.pdf', $hex, ts => $now - 800), 410);
    $balancer->refuses('a link for another file', $again =~ s/report/other/r, 403);
    $balancer->refuses('a path without a link', '/once/report.pdf', 403);
    $balancer->refuses('a link that lasts too long', signed('/once/report.pdf', $hex, e => 86401), 410);
    $balancer->grants('a link of a clock that differs', signed('/once/report.pdf', $hex, ts => time - 602), $report);
    $balancer->refuses('the figures of a node', '/links', 404);
    is(($nodes[0]->ask('/links', from => '127.0.0.9'))[0], 403, 'which it shows to nobody');
    is(($nodes[0]->ask('/links', 'X-Forwarded-For' => '192.0.2.21'))[0], 403, 'who is not allowed');
    is(($nodes[0]->ask('/links', 'X-Forwarded-For' => '192.0.2.20'))[0], 200, 'but to Prometheus');
    my $named = $page->recipe('The balancer', says => 'return 200 "$host";',
        changed => { map { ("192.0.2.1$_:80" => '127.0.0.1:8080') } 1 .. 3 });
    is(($named->ask('/once/report.pdf'))[2], 'files.example.com', 'a node is told the host');

    # What the page warns of: the token for the hash, and none at all.
    my %granted_by = ('$uri|$arg_ts|$arg_e consistent' => 'token', 'hash $uri|$arg_ts|$arg_e consistent;' => 'turns');
    for my $old (sort keys %granted_by) {
        my $way = $granted_by{$old};
        my $wrong = $page->recipe('The balancer', changed => { %ports, $old => $way eq 'token' ? '$arg_st consistent' : '' });
        my ($times, $at) = (0, 10);
        for my $link (map { signed('/once/report.pdf', $hex, e => ($way eq 'token' ? 800 : 900) + $_) } 1 .. 10) {
            for my $spelling ($link, $link =~ s/(st=[^&]+)/$1=/r, $link =~ s/(st=[^&]+)/$1%3D/r) {
                $times++ if ($wrong->ask($spelling, from => '127.0.0.' . $at++))[0] == 200;
            }
        }
        cmp_ok $times, '>', 10, "balancing by the $way grants links more than once";
    }

    # A node that is away.
    my @fresh = map { signed('/once/report.pdf', $hex, e => 1000 + $_) } 1 .. $many;
    $nodes[0]{nginx}->stop;
    my %status;
    $status{ ($balancer->ask($_, from => '127.0.0.9'))[0] }++ for @links, @fresh;
    is $status{502}, $status{502} && 2 * $many - $status{410} - $status{200}, 'the links of a node that is away are 502';
    cmp_ok $status{502}, '>', 0, 'some of them';
    cmp_ok $status{200}, '<=', $many, 'and none that was used is granted again';
    is $status{410}, $many - $granted[0], 'since the other nodes have counted theirs';

    promtool('config', $page->{blocks}{'Metrics by Prometheus'}{yaml});
    my $text = $nodes[1]{nginx}->get('/links?format=prometheus')->{body};
    like $text, qr/^secure_link_hmac_requests_total\{zone="links",key="",verdict="granted"\} \d+$/m, 'a node shows its figures';

    my $socket = IO::Socket::INET->new(Proto => 'udp', LocalAddr => '127.0.0.1') or die "no socket: $@";
    $recipe = $page->recipe('Metrics by StatsD', files => { %files, 'keys/shop.key' => "$hex\n" },
        changed => { '127.0.0.1:8125' => '127.0.0.1:' . $socket->sockport, 'interval=10s' => 'interval=1s' });
    $recipe->grants('a link', signed('/files/report.pdf', $hex), $report);
    my $said = '';
    my $select = IO::Select->new($socket);
    while ($said !~ /granted/ && $select->can_read(5)) {
        $socket->recv(my $datagram, 65536);
        $said .= "$datagram\n";
    }
    like $said, qr/^links\.node1\.requests\._\.granted:1\|c$/m, 'a node sends its figures';
    $page->done;
}

sub never_matches {
    my $page = Recipes->new('guides/never-matches.md');
    my $path = '/files/a b+%1.pdf';
    my %named = ($path => $files{"srv$path"}, '/files/report.pdf' => $report);
    my $recipe = $page->recipe('Let nginx say it', files => \%files);
    my $log = sub { NginxServer::slurp("$recipe->{dir}/logs/links.log") };
    my $e = 600;
    my $encoded = sub { $_[0] =~ s/([^\w\/.-])/sprintf '%%%02X', ord $1/egr };
    my $made = sub {
        my ($served, $message, %with) = @_;
        my $key = $with{key} // $hex;
        my $st = ($with{as} || \&encode_base64url)->($with{mac} || hmac_sha256($message, $key));
        return $encoded->($served) . '?' . ($with{name} || 'st') . "=$st&ts=" . ($with{ts} // $now) . "&e=$e";
    };
    my $plain = "/files/report.pdf|$now|$e";
    my $full  = "$path|$now|$e";
    $recipe->grants('a link', $made->('/files/report.pdf', $plain), $report);
    $recipe->grants('a link for a name that has to be encoded', $made->($path, $full), $named{$path});
    my $dated = strftime('%Y-%m-%dT%H%%3A%M%%3A%SZ', gmtime $now);
    my %plus = (mac => "\xfb\xff\xfe" x 11);

    $recipe->{programs} = $page->{blocks}{'Sign what nginx expects'};
    my @causes = (
        ['the encoded path', $path, 'forged', $made->($path, $encoded->($path) . "|$now|$e")],
        ['a path that is not normalised', '/files/report.pdf', 'forged',
            $made->('/files/report.pdf', "/files//report.pdf|$now|$e") =~ s{files/}{files//}r],
        ['another order', '/files/report.pdf', 'forged', $made->('/files/report.pdf', "$now|/files/report.pdf|$e")],
        ['other separators', '/files/report.pdf', 'forged', $made->('/files/report.pdf', "/files/report.pdf$now$e")],
        ['the host besides', '/files/report.pdf', 'forged', $made->('/files/report.pdf', "files.example.com$plain")],
        ['a line end after the message', '/files/report.pdf', 'forged', $made->('/files/report.pdf', "$plain\n")],
        ['a line end in the key', '/files/report.pdf', 'forged', $made->('/files/report.pdf', $plain, key => "$hex\n")],
        ['a line end of another system in the key', '/files/report.pdf', 'forged', $made->('/files/report.pdf', $plain, key => "$hex\r")],
        ['the key decoded', '/files/report.pdf', 'forged', $made->('/files/report.pdf', $plain, key => pack 'H*', $hex)],
        ['key and message swapped', '/files/report.pdf', 'forged', $made->('/files/report.pdf', $plain, mac => hmac_sha256($hex, $plain))],
        ['milliseconds', '/files/report.pdf', 'forged', $made->('/files/report.pdf', $plain, ts => "${now}000")],
        ['a token in hexadecimal', '/files/report.pdf', 'malformed',
            $made->('/files/report.pdf', $plain, mac => hmac_sha256_hex($plain, $hex), as => sub { $_[0] })],
        ['base64 of hexadecimal', '/files/report.pdf', 'malformed', $made->('/files/report.pdf', $plain, mac => hmac_sha256_hex($plain, $hex))],
        ['base64 with signs of its own', '/files/report.pdf', 'malformed',
            $made->('/files/report.pdf', $plain, mac => substr("\xfb\xff\xfe" x 11, 0, 32), as => sub { encode_base64($_[0], '') })],
        ['too much padding', '/files/report.pdf', 'malformed', $made->('/files/report.pdf', $plain, as => sub { encode_base64url($_[0]) . '==' })],
        ['an argument twice', '/files/report.pdf', 'malformed', $made->('/files/report.pdf', $plain) . "&ts=$now"],
        ['another name of the argument', '/files/report.pdf', 'missing', $made->('/files/report.pdf', $plain, name => 'token')],
    );
    for my $cause (@causes) {
        my ($what, $served, $verdict, $link) = @$cause;
        my $before = length $log->();
        $recipe->refuses($what, $link, 403);
        my ($found, $message) = substr($log->(), $before) =~ /\[info\].*denied: verdict=(\w+) key="" message="([^"]*)"/;
        is $found, $verdict, "and is $verdict in the log" or diag substr($log->(), $before);
        next unless $verdict eq 'forged' && $link !~ /000&/;
        my ($st) = $recipe->run('sh', qq{echo "\$(token '$message')"});
        $recipe->grants('the link with a token for what the log says', $link =~ s/st=[^&]+/st=$st/r, $named{$served});
    }
    my $sent = $dated =~ s/%3A/:/gr;
    $recipe->refuses('a time that is encoded and was signed otherwise', $made->('/files/report.pdf', "/files/report.pdf|$sent|$e", ts => $dated), 403);
    $recipe->grants('a link whose time is as it was signed', $made->('/files/report.pdf', "/files/report.pdf|$sent|$e", ts => $sent), $report);
    is length encode_base64url(hmac_sha256_hex($plain, $hex)), 86, 'base64 of hexadecimal has 86 characters';
    is length encode_base64url(hmac_sha256($plain, $hex)), 43, 'of the MAC itself 43';
    $page->done;
}

sub private_links {
    my $page = Recipes->new('guides/private-links.md');
    my $says = 'add_header Set-Cookie storage=1; add_header Cache-Control public; '
        . 'return 200 "a file: $request_uri [$http_cookie$http_authorization$http_referer]";';
    my $recipe = $page->recipe('All of it', files => \%files, says => $says);
    my ($link, $signs, $elsewhere, $look) = $recipe->run('python', 'link("/files/report.pdf")', 'link("/files/a b+%1.pdf")',
        'link("/files/report.pdf", host="other.example.com")', 'link("/files/report.pdf", purpose="look")');
    my %secrets = (Cookie => 'a=b', Authorization => 'Bearer secret', Referer => 'https://www.example.com/?st=x');
    my $header = $recipe->grants('a link', "$link&size=2", 'a file: /files/report.pdf?size=2 []', %secrets);
    is $header->{'cache-control'}, 'private, max-age=300', 'a grant is for one visitor';
    is $header->{'referrer-policy'}, 'no-referrer', 'and tells nobody where from';
    is $header->{'x-content-type-options'}, 'nosniff', 'its type is not guessed';
    is $header->{'set-cookie'}, undef, 'the storage sets no cookie';
    my $socket = $recipe->{nginx}->connection;
    print {$socket} 'GET ' . $link =~ s{^https://[^/]+}{}r . " HTTP/1.1\r\nHost: files.example.com\r\nConnection: close\r\n\r\n";
    is scalar(() = join('', <$socket>) =~ /^Cache-Control:/mg), 1, 'nor says what is to be kept';
    my ($long) = $recipe->run('python', 'link("/files/report.pdf", 86401)');
    $recipe->refuses('a link that lasts too long', $long, 410);
    $recipe->grants('a link without other arguments', $link, 'a file: /files/report.pdf []');
    ($header) = $recipe->grants('a link for a name that has to be encoded', $signs, 'a file: /files/a%20b+%251.pdf []');
    for my $denied ($link =~ s/report/other/r, '/files/report.pdf') {
        my ($status, $of) = $recipe->ask($denied);
        is $status, 403, 'what is no link is refused';
        is $of->{'cache-control'}, 'no-store', 'and not kept';
        is $of->{'referrer-policy'}, 'no-referrer', 'and tells nobody where from';
    }
    taken_away($page, 'All of it', '/files/', files => \%files, says => $says);
    $recipe->refuses('a link for another host', $link, 403, Host => 'other.example.com');
    $recipe->refuses('a link of another host', $elsewhere, 403, Host => 'files.example.com');
    $recipe->refuses('a link for another purpose', $look, 403);
    $recipe->refuses('the storage', '/storage/files/report.pdf', 404);
    in_log($recipe, qr/denied: verdict=forged.*request: "GET [^"]*st=/, 'the error log has the request line');
    my $log = NginxServer::slurp("$recipe->{dir}/logs/private.log");
    like $log, qr{"GET /files/a%20b%2B%251\.pdf" 200 \d+ link=granted key=-$}m, 'the log has path and verdict';
    unlike $log, qr/st=|secret/, 'and no token';
    $recipe->covers('a link', $link =~ s{^https://[^/]+}{}r);

    # A cache without a hand-off, by the key of the page, and by one that looks as good.
    my ($cache_key) = NginxServer::slurp("$FindBin::Bin/../docs/guides/private-links.md") =~ /`proxy_cache_key (.*?);`/ or die 'no key of a cache';
    for my $key ($cache_key, '$uri?$secure_link_hmac_args') {
        my ($nginx, $beside) = (NginxServer->new, IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1')->sockport);
        my $cached = 'location ^~ /files/ { secure_link_hmac $arg_st,$arg_ts,$arg_e; secure_link_hmac_message $uri|$arg_ts|$arg_e; '
            . "secure_link_hmac_secret $hex; secure_link_hmac_enforce on; proxy_cache kept; proxy_cache_valid 1h; proxy_cache_key $key; ";
        $nginx->configure("server_name storage; $cached proxy_pass http://storage; }", http => "proxy_cache_path $nginx->{dir}/kept keys_zone=kept:1m;"
            . "upstream storage { server 127.0.0.1:$beside; } upstream other { server 127.0.0.1:$beside; }"
            . "server { listen 127.0.0.1:$nginx->{port}; server_name other; $cached proxy_pass http://other; } }"
            . "server { listen 127.0.0.1:$beside; location / { return 200 \"\$host \$uri\"; } }");
        $nginx->start;
        my $get = sub { $nginx->get($_[0], headers => { Host => $_[1] || 'storage' })->{body} };
        my $link = signed('/files/a', $hex);
        is $get->(signed('/files/a?b', $hex) =~ s/a\?b/a%3Fb/r), 'storage /files/a?b', 'a file is cached';
        my $good = $key eq $cache_key;
        is $get->("$link&b?"), $good ? 'storage /files/a' : 'storage /files/a?b', $good ? 'a link for another does not get it' : 'which a link for another gets by a key of less';
        $get->($link);
        is $get->($link, 'other'), $good ? 'other /files/a' : 'storage /files/a', $good ? 'nor does that of another server' : 'and so does another server';
        is $get->(signed('/files/a', $hex, e => 700)), 'storage /files/a', 'another link for a file gets it';
        is scalar(@{[glob "$nginx->{dir}/kept/*"]}), $good ? 4 : 2, 'from the cache';
        $nginx->stop;
    }

    my ($pattern) = $page->{blocks}{'Who guesses links'}{ini} =~ /^failregex = (.*)$/m or die 'no pattern for fail2ban';
    my @naive = (qr/denied: .*client: (\S+),/, qr/denied: .*?client: (\S+),/);
    $pattern =~ s/<HOST>/([0-9.]+)/ or die "no host in $pattern";
    my $said = length $recipe->{nginx}->log;
    my $spelt = $link =~ s{^https://[^/]+|report\.pdf}{}gr;
    for my $path ('report.pdf', 'x%22,%20client:%20192.0.2.1,%20', '%0a[info]%201%231:%20*1%20', 'a' x 1500, ('a' x 950) . '",%20client:%20192.0.2.1,%20') {
        $recipe->refuses('a guess', $spelt =~ s{\?st=...}{$path?st=AAA}r, 403,
            from => '127.0.0.9', Host => 'files.example.com', Referer => ', client: 192.0.2.1, ');
    }
    $recipe->refuses('what is no guess', '/files/report.pdf', 403);
    my @denied = grep { /denied:/ } split /^/, substr $recipe->{nginx}->log, $said;
    my @banned = map { s{^\S+ \S+}{}r =~ /$pattern/ ? $1 : '-' } @denied;
    is "@banned", join(' ', ('127.0.0.9') x 5, '-'), 'fail2ban is told the addresses of those who guess';
    for my $naive (@naive) {
        cmp_ok scalar(grep { /$naive/ && $1 eq '192.0.2.1' } @denied), '>', 0, 'and by a pattern that looks anywhere those that they name';
    }

    for my $volatile (1, 0) {
        $recipe = $page->recipe('Volatile maps', files => \%files, changed => $volatile ? {} : { 'volatile;' => '' });
        my $once = signed('/files/report.pdf', $hex, e => 600 + $volatile);
        $recipe->grants('a link that works once', $once, $report);
        $recipe->refuses('the same again', $once, 410);
        $recipe->{nginx}->stop;
        is NginxServer::slurp("$recipe->{dir}/logs/outcomes.log"), $volatile ? "200 good\n410 bad\n" : "200 good\n410 good\n",
            $volatile ? 'the log says so' : 'without volatile it does not';
        next unless $volatile;
        $recipe->{nginx}->start;
        $recipe->grants('the same after a restart', $once, $report);
        $recipe->{nginx}->reload;
        $recipe->refuses('the same after a reload', $once, 410);
    }
    $page->done;
}

my %tests = (
    'README.md'                => \&readme,
    'metrics.md'               => \&metrics_page,
    'first-link.md'            => \&first_link,
    'partners.md'              => \&partners,
    'downloads.md'             => \&downloads,
    'video.md'                 => \&video,
    'rotation.md'              => \&rotation,
    'from-secure-link.md'      => \&from_secure_link,
    'from-c-module.md'         => \&from_c_module,
    'from-auth-request.md'     => \&from_auth_request,
    'from-x-accel-redirect.md' => \&from_x_accel_redirect,
    'fleet.md'                 => \&fleet,
    'never-matches.md'         => \&never_matches,
    'private-links.md'         => \&private_links,
);
my @pages = grep { $_ ne 'README.md' } map { basename($_) } glob "$FindBin::Bin/../docs/guides/*.md";
is_deeply [sort grep { !/^(?:README|metrics)\.md$/ } keys %tests], [sort @pages], 'every guide has a test';
for my $name (@ARGV ? @ARGV : sort keys %tests) {
    subtest $name => $tests{$name};
}
done_testing;
