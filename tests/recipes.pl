#!/usr/bin/env perl

# The recipes of docs/recipes.md: links that others sign, by their own libraries where there are any, and else by the
# program beside the recipe, which is written from their documentation.
#
#   MODULE=/path/to.so NGINX=nginx tests/recipes.pl

use strict;
use warnings;

use FindBin;
use Test::More;

use lib "$FindBin::Bin/lib";
use Recipes;

my $page = Recipes->new('recipes.md');
my $now  = time;
my $hex  = '7d1a3c5e9f0b2846d1c3a5978e6f4b2035794e1d2c8ab6f0e3d7915846bc02fa';

my %files = (
    'srv/files/report.pdf' => "a file: report\n",
    'srv/files/other.pdf'  => "a file: other\n",
    'srv/files/a1'         => "a file: a1\n",
    'srv/files/a'          => "a file: a\n",
    'keys/files.key'       => "$hex\n",
);

# A link for the report, one that has expired, and what can be done to links with a token and a time in arguments.
sub in_arguments {
    my ($recipe, $link, $expired) = @_;
    $recipe->grants('a link', $link, $files{'srv/files/report.pdf'});
    $recipe->refuses('an old link', $expired, 410);
    $recipe->covers('a link', $link);
    $recipe->refuses('a link with the path of another file', $link =~ s/report/other/r, 403);
    $recipe->refuses('a path without a link', '/files/report.pdf', 403);
    $recipe->grants('a link with an argument that it does not cover', "$link&more=1", $files{'srv/files/report.pdf'});
}

subtest "HanadaLee's module" => sub {
    my $recipe = $page->recipe("HanadaLee's module", files => \%files);
    my ($link, $expired, $ahead) = $recipe->run('sh', "link /files/report.pdf $now 600",
        'link /files/report.pdf ' . ($now - 601) . ' 600', 'link /files/report.pdf ' . ($now + 3600) . ' 600');
    in_arguments($recipe, $link, $expired);
    $recipe->refuses('a link whose time is changed', $link =~ s/ts=\d+/'ts=' . ($now - 1)/er, 403);
    $recipe->refuses('a link whose lifetime is changed', $link =~ s/e=600/e=6000/r, 403);
    $recipe->grants('a link with a time of issue in the future', $ahead, $files{'srv/files/report.pdf'});
};

subtest 'Cloudflare' => sub {
    my $recipe = $page->recipe('Cloudflare', files => \%files);
    my ($link, $expired, $a1) = $recipe->run('python', qq{link("/files/report.pdf", $now)},
        qq{link("/files/report.pdf", $now - 10801)}, qq{link("/files/a1", $now)});
    in_arguments($recipe, $link, $expired);
    $recipe->refuses('a link whose time is changed', $link =~ s/verify=\d+/'verify=' . ($now + 1)/er, 403);
    $recipe->refuses('a link with an end of the path in its time', $a1 =~ s/a1\?verify=/a?verify=1/r, 403);
    $recipe->grants('a link with characters that need not be encoded',
        $link =~ s/%2B/+/gr =~ s/%2F/\//gr =~ s/%3D/=/gr, $files{'srv/files/report.pdf'});
};

subtest 'Cloudflare, with the flag "s"' => sub {
    my $recipe = $page->recipe('Cloudflare', files => \%files, changed => {
        'secure_link_hmac_encoding  base64;'          => 'secure_link_hmac_encoding base64url;',
        'urllib.parse.quote_plus(base64.b64encode(mac))' => q{base64.urlsafe_b64encode(mac).decode().rstrip('=')},
    });
    in_arguments($recipe, $recipe->run('python', qq{link("/files/report.pdf", $now)}, qq{link("/files/report.pdf", $now - 10801)}));
};

# What Cloudflare publishes: signed with the key "cloudflare".
subtest 'Cloudflare, with a separator' => sub {
    my $recipe = $page->recipe('Cloudflare, with a separator', files => \%files, warns => [qr/is ambiguous/]);
    my ($link, $expired, $a1) = $recipe->run('python', qq{link("/files/report.pdf", $now)},
        qq{link("/files/report.pdf", $now - 10801)}, qq{link("/files/a1", $now)});
    in_arguments($recipe, $link, $expired);
    $recipe->grants('a link whose path ends in a digit', $a1, $files{'srv/files/a1'});
    $recipe->refuses('the same, with that digit in its time', $a1 =~ s/a1\?verify=/a?verify=1/r, 403);
    $recipe->refuses('a link with a digit of the time in its path', $a1 =~ s/a1\?verify=1/a11?verify=/r, 403);

    # Without enforcement the fields are split where there are commas.
    $recipe->refuses('an old link with fields of its own behind the token', "$expired,$_", 403)
        for $now, "$now,", "$now,600", "$now,600,", ',', ",$now";

    $recipe->{nginx}->write_file('keys/files.key', "cloudflare\n", 0600);
    my ($published) = $recipe->run('python', 'link("/tokenauth/kayak.mp4", 1657026353)');
    is $published, '/tokenauth/kayak.mp4?verify=1657026353-ZXJWAyFwAgJSY%2B5j3CkJE80TatA33E3MEH4D%2FkSnh7M%3D',
        'the program makes the link that was published for another key';
};

subtest 'Fastly' => sub {
    my $recipe = $page->recipe('Fastly',
        files => { %files, 'keys/fastly.key' => "iqFPeN2u+Z0Lm5IrsKaOFKRqEU5Gw8ePtaEkHZWuD24=\n" }, warns => [qr/is ambiguous/]);
    my ($link, $expired, $a1) = $recipe->run('python', qq{link("/files/report.pdf", $now + 600)},
        qq{link("/files/report.pdf", $now - 1)}, qq{link("/files/a1", $now + 600)});
    in_arguments($recipe, $link, $expired);
    $recipe->refuses('a link whose time is changed', $link =~ s/token=\d+/'token=' . ($now + 601)/er, 403);
    $recipe->grants('a link whose path ends in a digit', $a1, $files{'srv/files/a1'});
    $recipe->refuses('the same, with that digit in its time', $a1 =~ s/a1\?token=/a?token=1/r, 403);
    $recipe->refuses('a link with a digit of the time in its path', $a1 =~ s/a1\?token=1/a11?token=/r, 403);
};

subtest 'Fastly, with a VCL of one\'s own' => sub {
    my $recipe = $page->recipe('Fastly', files => { %files, 'keys/fastly.key' => "iqFPeN2u+Z0Lm5IrsKaOFKRqEU5Gw8ePtaEkHZWuD24=\n" },
        changed => {
            '$uri$token_expires' => '$uri|$token_expires',
            'if ($secure_link_hmac = "0")  { return 410; }' => 'secure_link_hmac_enforce on;',
            'if ($secure_link_hmac != "1") { return 403; }' => '',
            '{path}{expires}' => '{path}|{expires}',
        });
    in_arguments($recipe, $recipe->run('python', qq{link("/files/report.pdf", $now + 600)}, qq{link("/files/report.pdf", $now - 1)}));
};

subtest 'lighttpd' => sub {
    my $recipe = $page->recipe('lighttpd', files => \%files);
    my ($link, $expired, $ahead) = $recipe->run('perl', qq{download("/report.pdf", $now)},
        qq{download("/report.pdf", $now - 3611)}, qq{download("/report.pdf", $now + 60)});
    $recipe->grants('a link', $link, $files{'srv/files/report.pdf'});
    $recipe->refuses('an old link', $expired, 410);
    $recipe->refuses('a link of a clock that is ahead', $ahead, 403);
    $recipe->covers('a link', $link);
    $recipe->refuses('a link with the path of another file', $link =~ s/report/other/r, 403);
    my $later = sprintf '/%08x/', $now + 1;
    $recipe->refuses('a link whose time is changed', $link =~ s{/[0-9a-f]{8}/}{$later}r, 403);
    $recipe->refuses('the place where the files are', '/download/report.pdf', 404);
    $recipe->refuses('a path without a link', '/dl/report.pdf', 404);
    $recipe->refuses('a link that leads out of the folder', $link =~ s{report}{../../keys/files}r, 404);
};

subtest 'lighttpd, with hmac-sha1' => sub {
    my $recipe = $page->recipe('lighttpd', files => \%files, changed => {
        '{43}' => '{27}', 'time=issued_hex;' => 'time=issued_hex; secure_link_hmac_algorithm sha1;',
        'use Digest::SHA qw(hmac_sha256)' => 'use Digest::SHA qw(hmac_sha1)', 'hmac_sha256($signed' => 'hmac_sha1($signed',
    });
    my ($link, $expired) = $recipe->run('perl', qq{download("/report.pdf", $now)}, qq{download("/report.pdf", $now - 3611)});
    $recipe->grants('a link', $link, $files{'srv/files/report.pdf'});
    $recipe->refuses('an old link', $expired, 410);
    $recipe->covers('a link', $link);
};

subtest 'imgproxy' => sub {
    my $recipe = $page->recipe('imgproxy', files => { 'keys/imgproxy.key' => "$hex\n" },
        says => 'return 200 "a file: $request_uri";');
    my ($plain, $encoded) = $recipe->run('python', 'link("https://images.example.com/tower.jpg")',
        'link("https://images.example.com/Ein Turm.jpg")');
    like $plain, qr{/plain/https://}, 'a source as it is';
    unlike $encoded, qr{/plain/}, 'a source in base64';
    for my $link ($plain, $encoded) {
        $recipe->grants('a link', $link, 'a file: ' . $link =~ s{^http://[^/]+}{}r);
        $recipe->covers('a link', $link);
        $recipe->refuses('a link for another size', $link =~ s/300/3000/r, 403);
        $recipe->refuses('a link whose signature is another\'s', $link =~ s{com/[^/]+/}{'com/' . 'A' x 43 . '/'}er, 403);
        $recipe->refuses('an unsigned link', $link =~ s{com/[^/]+/}{com/insecure/}r, 404);
    }
};

subtest 'thumbor' => sub {
    my $recipe = $page->recipe('thumbor', files => { 'keys/thumbor.key' => "$hex\n" },
        says => 'return 200 "a file: $request_uri";');
    my ($stored, $fetched) = $recipe->run('python', 'link("photos/tower.jpg")', 'link("http://images.example.com/tower.jpg")');
    for my $link ($stored, $fetched) {
        $recipe->grants('a link', $link, "a file: $link");
        $recipe->refuses('a link for another size', $link =~ s/300/3000/r, 403);
        $recipe->refuses('a link for another image', $link =~ s/tower/bridge/r, 403);
        $recipe->refuses('a link whose signature is another\'s', $link =~ s{^/[^/]+=/}{'/' . 'A' x 27 . '=/'}er, 403);
        $recipe->refuses('an unsigned link', $link =~ s{^/[^/]+/}{/unsafe/}r, 404);
        $recipe->covers('a link', $link);
    }
};

# By Laravel itself, and by the same in a few lines.
subtest 'Laravel' => sub {
    my $recipe = $page->recipe('Laravel', files => { %files, 'keys/laravel.key' => "$hex\n" });
    for my $pair (
        [$recipe->run('php', 'link_to("report.pdf", 600)', 'link_to("report.pdf", -1)')],
        [$recipe->run('python', qq{link("/files/report.pdf", $now + 600)}, qq{link("/files/report.pdf", $now - 1)})],
    ) {
        in_arguments($recipe, @$pair);
        my ($link) = @$pair;
        $recipe->refuses('a link whose time is changed', $link =~ s/expires=\d+/'expires=' . ($now + 6000)/er, 403);
        $recipe->refuses('a link without its time', $link =~ s/expires=\d+&//r, 403);
    }
};

subtest 'Laravel, with more or less in the link' => sub {
    my $recipe = $page->recipe('Laravel', files => { %files, 'keys/laravel.key' => "$hex\n" });
    my ($eternal, $more) = $recipe->run('php', q{URL::signedRoute('files', ['file' => 'report.pdf'])},
        q{URL::temporarySignedRoute('files', 600, ['file' => 'report.pdf', 'user' => 1])});
    $recipe->refuses('a link that does not expire', $eternal, 403);
    $recipe->refuses('a link that was signed with more arguments', $more, 403);
};

subtest 'Laravel, without the host' => sub {
    my $recipe = $page->recipe('Laravel', files => { %files, 'keys/laravel.key' => "$hex\n" },
        changed => { 'https://files.example.com$uri?' => '$uri?', q{['file' => $file]} => q{['file' => $file], false} });
    in_arguments($recipe, $recipe->run('php', 'link_to("report.pdf", 600)', 'link_to("report.pdf", -1)'));
};

subtest 'Laravel, any name' => sub {
    my %named = ('a b.txt' => "a file: blank\n", "\xc3\x9cbersicht.txt" => "a file: umlaut\n", "50;+=@,&!.txt" => "a file: signs\n",
        'sub/a&b.txt' => "a file: ampersand\n", 'report.pdf' => "a file: report\n");
    my $recipe = $page->recipe('Laravel, any name', warns => [qr/neither "\$uri"/],
        files => { 'keys/laravel.key' => "$hex\n", map { ("srv/files/$_" => $named{$_}) } keys %named });
    local $recipe->{programs} = $page->{blocks}{Laravel};
    my @names = sort keys %named;
    my @links = $recipe->run('php', 'link_to("report.pdf", 600)', 'link_to("report.pdf", -1)');
    in_arguments($recipe, @links);
    $recipe->refuses('a link with another spelling of its path', $links[0] =~ s/report/r%65port/r, 403);
    my @all = $recipe->run('php', map { "link_to('$_', 600)" } @names);
    $recipe->grants("a link for $names[$_]", $all[$_], $named{ $names[$_] }) for 0 .. $#names;
    $recipe->covers("a link for $_", $_) for grep { /%20/ } @all;
};

$page->done;
