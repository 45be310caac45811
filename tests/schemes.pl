#!/usr/bin/env perl

# The examples of docs/schemes.md: what their applications hand out, made by boto3, Akamai's library and PyJWT, opens
# what it should.
#
#   MODULE=/path/to.so NGINX=nginx tests/schemes.pl

use strict;
use warnings;

use FindBin;
use Test::More;
use Time::HiRes qw(sleep);

use lib "$FindBin::Bin/lib";
use Recipes;

my $page = Recipes->new('schemes.md');
my $now  = time;
my $hex  = '7d1a3c5e9f0b2846d1c3a5978e6f4b2035794e1d2c8ab6f0e3d7915846bc02fa';

subtest 'Downloads by presigned URLs' => sub {
    my %named = ('report.pdf' => "a file: report\n", 'other.pdf' => "a file: other\n", 'a b/50+1;&.txt' => "a file: signs\n",
        "\xc3\x9cbersicht ~'.txt" => "a file: umlaut\n");
    my $recipe = $page->recipe('Downloads by presigned URLs',
        files => { 'keys/webapp.key' => "$hex\n", map { ("srv/files/$_" => $named{$_}) } keys %named });
    my @names  = sort keys %named;
    my $direct = 's3.generate_presigned_url("%s", Params={"Bucket": "%s", "Key": "report.pdf"}, ExpiresIn=%d)';
    my @asked  = map { '"/download/' . s/([^\w\/.])/sprintf '%%%02X', ord $1/egr . '"' } @names;
    my $loaded = sub {
        my (@links) = @_;
        for my $at (0 .. $#names) {
            my $header = $recipe->grants("a link for $names[$at]", $links[$at], $named{ $names[$at] });
            is $header->{'content-disposition'}, 'attachment', 'and downloaded, as the application has said';
            $recipe->covers("a link for $names[$at]", $links[$at]);
        }
    };
    my ($short, $head, $put, $bucket, @links) = $recipe->run('python',
        sprintf($direct, 'get_object', 'files', 1), sprintf($direct, 'head_object', 'files', 300),
        sprintf($direct, 'put_object', 'files', 300), sprintf($direct, 'get_object', 'keys', 300),
        map { "app.test_client().get($_).headers[\"Location\"]" } @asked);
    $loaded->(@links);
    {
        local $recipe->{programs} = $page->{blocks}{'The same in Django'};
        my $settings = 'import django; from django.conf import settings; settings.configure(ROOT_URLCONF=\"__main__\", '
            . 'ALLOWED_HOSTS=[\"*\"]); django.setup(); from django.test import Client';
        my ($none, @django) = $recipe->run('python', qq{exec("$settings")}, map { "Client().get($_)[\"Location\"]" } @asked);
        $loaded->(@django);
    }
    my ($link) = grep { /report/ } @links;
    $recipe->refuses('a link with the path of another file', $link =~ s/report/other/r, 403);
    $recipe->refuses('a link with another name for the download', $link =~ s/=attachment/=inline/r, 403);
    $recipe->refuses('a link that lasts longer', $link =~ s/X-Amz-Expires=300/X-Amz-Expires=3000/r, 403);
    $recipe->refuses('a link with one more argument', "$link&more=1", 403);
    $recipe->refuses('a link for another host', $link, 403, Host => 'other.example.com');
    $recipe->refuses('a link for another bucket', $bucket =~ s{/keys/}{/files/}r, 403);
    $recipe->refuses('a path without a link', '/files/report.pdf', 403);
    is(($recipe->ask($link, method => 'HEAD'))[0], 403, 'a link for GET is none for HEAD');
    is(($recipe->ask($head, method => 'HEAD'))[0], 200, 'which has links of its own');
    is(($recipe->ask($put,  method => 'PUT'))[0], 403, 'a link for PUT is none at all');
    sleep 2.2;
    $recipe->refuses('an old link', $short, 410);

    # What the page says of uploads, of addressing by host, and of arguments.
    my $upload = $page->recipe('Downloads by presigned URLs', files => { 'keys/webapp.key' => "$hex\n", 'srv/files/report.pdf' => '' },
        changed => { 'root /srv;' => 'secure_link_hmac_methods PUT; dav_methods PUT; root /srv;' });
    chmod 0777, "$upload->{dir}/srv", "$upload->{dir}/srv/files" or die $!;
    local $upload->{changed} = {};
    ($put) = $upload->run('python', sprintf($direct, 'put_object', 'files', 300) =~ s/report/new/r);
    is(($upload->ask($put, method => 'PUT', 'Content-Length' => 0))[0], 201, 'a link for PUT, where it may');
    ok -e "$upload->{dir}/srv/files/new.pdf", 'and the file is there';

    my $virtual = $page->recipe('Downloads by presigned URLs', files => { 'keys/webapp.key' => "$hex\n", 'srv/files/report.pdf' => $named{'report.pdf'} },
        changed => { 'location ^~ /files/' => 'location /', 'root /srv;' => 'root /srv/files;', '"path"' => '"virtual"', 'server_name files.example.com' => 'server_name files.files.example.com' });
    ($link) = $virtual->run('python', sprintf $direct, 'get_object', 'files', 300);
    like $link, qr{^https://files\.files\.example\.com/report\.pdf\?}, 'addressing by the host';
    $virtual->grants('a link', $link, $named{'report.pdf'});

    ($link) = grep { /report/ } @links;
    my $spelled = $recipe->grants('a link with an argument spelled otherwise', $link =~ s/response-content/%72esponse-content/r, $named{'report.pdf'});
    is $spelled->{'content-disposition'}, 'attachment', 'and the claim is there';
};

subtest 'A film under one token' => sub {
    my $recipe = $page->recipe('A film under one token', files => {
        'keys/edgeauth.key'       => "$hex\n",
        'srv/hls/film/index.m3u8' => "a file: playlist\n",
        'srv/hls/film/hd/1.ts'    => "a file: segment\n",
        'srv/hls/film2/1.ts'      => "a file: another\n",
        'srv/hls/other/1.ts'      => "a file: another\n",
    });
    my ($link, $expired) = $recipe->run('python', qq{playlist("film", "alice", $now + 600)}, qq{playlist("film", "alice", $now - 5)});
    my $header = $recipe->grants('the playlist', $link, "a file: playlist\n");
    my ($cookie) = $header->{'set-cookie'} =~ /^(hdnts=[^;]+); Path=\/hls\/; Secure; HttpOnly; SameSite=Lax$/;
    ok $cookie, 'and sets a cookie' or diag $header->{'set-cookie'};
    is $header->{'cache-control'}, 'private, max-age=300', 'for one visitor';
    my $site = 'https://video.example.com';
    $header = $recipe->grants('a segment, by the cookie,', "$site/hls/film/hd/1.ts", "a file: segment\n", Cookie => "a=b; $cookie");
    is $header->{'set-cookie'}, undef, 'and sets no cookie again';
    $recipe->refuses("$_, by the cookie,", "$site$_", 403, Cookie => $cookie)
        for '/hls/other/1.ts', '/hls/film2/1.ts', '/hls/film/../other/1.ts', '/hls/film%2f..%2fother/1.ts';
    $recipe->refuses('a segment without it', "$site/hls/film/hd/1.ts", 403);
    $recipe->refuses('a segment by a changed one', "$site/hls/other/1.ts", 403, Cookie => $cookie =~ s/film/other/r);
    $recipe->refuses('an old link', $expired, 410);
    $recipe->refuses('a link that lasts longer', $link =~ s/exp=\d+/'exp=' . ($now + 6000)/er, 403);
    $recipe->refuses('a link of somebody else', $link =~ s/data=alice/data=mallory/r, 403);
    $recipe->covers('a link', $link, qr{(?<=film/)index\.m3u8});
    my ($status, $denied) = $recipe->ask($link =~ s/data=alice/data=mallory/r);
    is $denied->{'set-cookie'}, undef, 'a link that is refused sets no cookie';
};

subtest 'A token for each image' => sub {
    my %named = ('/images/tower.jpg' => "a file: tower\n", '/images/bridge.jpg' => "a file: bridge\n",
        "/images/Der gro\xc3\x9fe Turm+1.jpg" => "a file: umlaut\n");
    my $recipe = $page->recipe('A token for each image',
        files => { 'keys/blog.key' => "$hex\n", map { ("srv$_" => $named{$_}) } keys %named });
    my ($link, $strange, $expired, $mallory) = $recipe->run('python', 'image("/images/tower.jpg", "alice")',
        qq{image("/images/Der gro\xc3\x9fe Turm+1.jpg", "alice")}, 'image("/images/tower.jpg", "alice", -1)',
        'image("/images/tower.jpg", "mallory")');
    $recipe->grants('a link', $link, $named{'/images/tower.jpg'});
    $recipe->covers('a link', $link);
    $recipe->grants('a link for a name that has to be encoded', $strange, "a file: umlaut\n");
    $recipe->refuses('an old link', $expired, 410);
    $recipe->refuses('a link with the path of another image', $link =~ s/tower/bridge/r, 403);
    $recipe->refuses('a link of somebody who is blocked', $mallory, 403);
    $recipe->refuses('an image without a link', '/images/tower.jpg', 403);
    my ($claims) = $link =~ /=[\w-]+\.([\w-]+)\./;
    $recipe->refuses('an old link with the claims of a new one', $expired =~ s/(=[\w-]+\.)[\w-]+/$1$claims/r, 403);
};

subtest 'A token in a header' => sub {
    my $recipe = $page->recipe('A token for each image', files => { 'keys/blog.key' => "$hex\n", 'srv/images/tower.jpg' => "a file: tower\n" },
        changed => { '$arg_token;' => '$arg_token $http_authorization;' });
    my ($link, $old) = $recipe->run('python', 'image("/images/tower.jpg", "alice")', 'image("/images/tower.jpg", "alice", -1)');
    my ($path, $token, $expired) = map { split /\?token=/ } $link, $old =~ s/.*=//r;
    $recipe->grants('an image, by the header,', $path, "a file: tower\n", Authorization => "Bearer $token");
    $recipe->refuses('an image, by an old one,', $path, 410, Authorization => "Bearer $expired");
    $recipe->refuses('another scheme of authorization', $path, 403, Authorization => "Basic $token");
};

subtest 'A cookie for a folder' => sub {
    my $recipe = $page->recipe('A cookie for a folder', files => {
        'keys/cms.key'             => "$hex\n",
        'srv/albums/alice/1.jpg'   => "a file: of alice\n",
        'srv/albums/alice/a/2.jpg' => "a file: of alice\n",
        'srv/albums/alice2/1.jpg'  => "a file: of another\n",
        'srv/albums/bob/1.jpg'     => "a file: of bob\n",
    });
    my $made = 'with_cookie(app.response_class(), "alice", -1).headers["Set-Cookie"]';
    my ($set, $old) = $recipe->run('python', 'app.test_client().get("/my/alice").headers["Set-Cookie"]', $made);
    like $set, qr{; Domain=example\.com;.* HttpOnly; Path=/albums/alice/; SameSite=Lax$}, 'the cookie is for the folder';
    my ($cookie)  = $set =~ /^(URISigningPackage=[^;]+)/;
    my ($expired) = $old =~ /^(URISigningPackage=[^;]+)/;
    for my $path ('/albums/alice/1.jpg', '/albums/alice/a/2.jpg') {
        my $header = $recipe->grants("$path, by the cookie,", $path, "a file: of alice\n", Cookie => $cookie);
        is $header->{'cache-control'}, 'private, max-age=300', 'for one visitor';
    }
    $recipe->refuses("$_, by the cookie,", $_, 403, Cookie => $cookie)
        for '/albums/bob/1.jpg', '/albums/alice2/1.jpg', '/albums/alice/../bob/1.jpg', '/albums/alice/%2e%2e/bob/1.jpg';
    $recipe->refuses('an image at another host', '/albums/alice/1.jpg', 403, Cookie => $cookie, Host => 'other.example.com');
    $recipe->refuses('an image by an old cookie', '/albums/alice/1.jpg', 410, Cookie => $expired);
    $recipe->refuses('an image without a cookie', '/albums/alice/1.jpg', 403);
    my @granted;
    for my $at (length 'URISigningPackage=' .. length($cookie) - 1) {
        my $changed = $cookie;
        substr($changed, $at, 1) =~ tr/0-9a-zA-Z\x21-\x7e/1-90b-zaB-ZAx/;
        push @granted, $changed if ($recipe->ask('/albums/alice/1.jpg', Cookie => $changed))[0] != 403;
    }
    is_deeply \@granted, [], 'a cookie with any byte changed opens nothing';
};

$page->done;
