#!/usr/bin/env perl

# The signers of examples/, as they are: their links open the right file, whatever its name, and nothing else; a link
# that was changed is refused, and an old one is gone.
#
#   MODULE=/path/to.so NGINX=nginx [EXAMPLES=all] tests/examples.pl
#
# Without EXAMPLES=all those of languages that are large to install are left to `make test-examples`.

use strict;
use warnings;

use Encode qw(encode);
use File::Basename qw(basename dirname);
use File::Path qw(make_path);
use File::Temp qw(tempdir);
use FindBin;
use Test::More;
use Time::HiRes qw(sleep time);

use lib "$FindBin::Bin/lib";
use Links;
use Load;
use NginxServer;

my $root     = "$FindBin::Bin/..";
my $examples = "$root/examples";
my $all      = ($ENV{EXAMPLES} || '') eq 'all';
my $python   = "$root/objs/signers/venv/bin/python";
my $secret   = '7d1a3c5e9f0b2846d1c3a5978e6f4b2035794e1d2c8ab6f0e3d7915846bc02fa';
my $built    = tempdir(CLEANUP => 1);

$ENV{LC_ALL} = 'C.UTF-8';    # the names of files, to programs

# What asks an application, as its own tests would, for the arguments SECONDS PATH...: a link of five minutes of the
# view, and any other of the function.
my $django = <<'_END_';
import os, sys
from urllib.parse import quote
import django
from django.conf import settings
settings.configure(ROOT_URLCONF="django_links", ALLOWED_HOSTS=["*"], SECURE_LINK_SECRET=os.environ["SECURE_LINK_SECRET"])
django.setup()
from django.test import Client
import django_links
for path in sys.argv[2:]:
    name = path.removeprefix("/files/")
    print(Client().get("/download/" + quote(name))["Location"] if sys.argv[1] == "300" else django_links.link(path, int(sys.argv[1])))
_END_
my $flask = <<'_END_';
import sys
from urllib.parse import quote
import flask_links
for path in sys.argv[2:]:
    name = path.removeprefix("/files/")
    print(flask_links.app.test_client().get("/download/" + quote(name)).headers["Location"] if sys.argv[1] == "300" else flask_links.link(path, int(sys.argv[1])))
_END_
my $rails = <<'_END_';
require 'action_view'
require 'active_support/all'
require 'cgi'
require 'secure_link_helper'
view = ActionView::Base.with_empty_template_cache.with_view_paths([])
view.extend SecureLinkHelper
template = "<%= link_to 'a file', secure_link_path(path, expires_in: seconds.seconds) %>"
seconds, *paths = ARGV
paths.each do |path|
  html = view.render(inline: template, locals: { path: path, seconds: seconds.to_i })
  puts CGI.unescapeHTML(html[/href="([^"]*)"/, 1])
end
_END_

# By the file of the example: what runs it, and whether it is large to install.
my %signer = (
    'sign.py'               => [0, 'python3', "$examples/sign.py"],
    'django_links.py'       => [0, $python, '-c', $django],
    'flask_links.py'        => [0, $python, '-c', $flask],
    'sign.php'              => [0, 'php', "$examples/sign.php"],
    'sign.mjs'              => [0, 'node', "$examples/sign.mjs"],
    'sign.rb'               => [0, 'ruby', "$examples/sign.rb"],
    'sign.pl'               => [0, 'perl', "$examples/sign.pl"],
    'sign.sh'               => [0, 'bash', "$examples/sign.sh"],
    'sign.go'               => [1, 'go', 'run', "$examples/sign.go"],
    'Sign.java'             => [1, 'java', "$examples/Sign.java"],
    'Sign.cs'               => [1, 'mono', "$built/Sign.exe"],
    'secure_link_helper.rb' => [1, 'ruby', '-I', $examples, '-e', $rails],
);

my @files = map { basename($_) } grep { -f && !/README\.md$/ } glob "$examples/*";
is_deeply [sort keys %signer], [sort @files], 'every example is run';
my $readme = NginxServer::slurp("$examples/README.md");
is_deeply [sort $readme =~ /^\| \[`([\w.]+)`\]\(\g{1}\) \| /mg], [sort @files], 'and in the table of the page';
is system('mcs', "-out:$built/Sign.exe", "$examples/Sign.cs"), 0, 'mcs builds Sign.cs' if $all;

# ---- the server

my $nginx = NginxServer->new(log_level => 'error');
$nginx->write_file('files.key', "$secret\n", 0600);
$nginx->configure(<<'_END_');
    location /files/ {
        secure_link_hmac          $arg_st,$arg_ts,$arg_e;
        secure_link_hmac_message  $uri|$arg_ts|$arg_e;
        secure_link_hmac_secret   file:files.key;
        secure_link_hmac_enforce  on;
    }
_END_
my %content;
for my $name ('report.pdf', map { encode('UTF-8', $_) } @Links::hard) {
    make_path(dirname("$nginx->{dir}/files/files/$name"));
    $content{"/files/$name"} = 'file ' . keys(%content) . "\n";
    $nginx->write_file("files/files/$name", $content{"/files/$name"});
}
my @paths = sort keys %content;
$nginx->start;
my $client = Load->new($nginx);
sub ask { my ($status, undef, $body) = $client->ask('GET', $_[0]); return ($status, $body) }

# ---- the signers

# What a program prints, by lines, and its wait status.
sub run {
    my ($file, @arguments) = @_;
    my (undef, @command) = @{ $signer{$file} };
    local $ENV{PYTHONPATH} = $examples;
    local $ENV{PYTHONDONTWRITEBYTECODE} = 1;
    open my $out, '-|', @command, @arguments or die "$command[0]: $!; scripts/need installs it\n";
    chomp(my @lines = <$out>);
    close $out;
    return ($?, @lines);
}

my %short;
for my $file (grep { $all || !$signer{$_}[0] } sort keys %signer) {
    subtest $file => sub {
        local $ENV{SECURE_LINK_SECRET} = $secret;
        my ($status, @links) = run($file, 300, @paths);
        is $status, 0, 'it runs';
        is scalar @links, scalar @paths, 'and prints a link for each path' or return;
        my @wrong;
        for my $at (0 .. $#paths) {
            my ($status, $body) = ask($links[$at]);
            push @wrong, "$links[$at]: $status" if $status ne 200 || $body ne $content{ $paths[$at] };
        }
        is_deeply \@wrong, [], 'each opens its file';

        my @granted;
        for my $at (0 .. $#paths) {
            my ($args)  = $links[$at]     =~ /(\?.*)/;
            my ($other) = $links[$at - 1] =~ /([^?]*)/;
            my ($status) = ask("$other$args");
            push @granted, "$other$args: $status" if $status ne 403;
        }
        is_deeply \@granted, [], 'and no other one';

        my ($link) = grep { /report/ } @links;
        like $link, qr{\A/files/report\.pdf\?st=[\w-]{43}&ts=\d{10}&e=300\z}, 'a link has the usual form';
        my @changed = map {
            my $changed = $link;
            substr($changed, $_, 1) =~ tr/0-9a-zA-Z\x21-\x7e/1-90b-zaB-ZAx/;
            $changed;
        } 1 .. length($link) - 1;
        my @opened = grep { (ask($_))[0] !~ /^40[34]$/ } @changed;
        is_deeply \@opened, [], 'and opens nothing when any byte is changed';

        ($status, $short{$file}) = run($file, 1, '/files/report.pdf');
        is $status, 0, 'it signs for a second';

        delete local $ENV{SECURE_LINK_SECRET};
        open my $errors, '>&', \*STDERR or die $!;
        open STDERR, '>', '/dev/null' or die $!;
        ($status, @links) = run($file, 300, '/files/report.pdf');
        open STDERR, '>&', $errors or die $!;
        isnt $status, 0, 'without a secret it fails';
        is_deeply \@links, [], 'and prints none';
    };
}

sleep 2.2;
for my $file (sort keys %short) {
    is +(ask($short{$file}))[0], 410, "an old link of $file is gone" or diag $short{$file};
}
done_testing;
