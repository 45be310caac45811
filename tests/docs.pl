#!/usr/bin/env perl

# The pages say what there is: each directive has its section in the reference, with the contexts of its flags and a
# default that nginx accepts; each variable and each verdict is described; no page names one that does not exist; links
# between pages lead somewhere.
#
#   MODULE=/path/to.so NGINX=nginx tests/docs.pl

use strict;
use warnings;

use File::Basename qw(dirname);
use File::Find qw(find);
use FindBin;
use Test::More;

use lib "$FindBin::Bin/lib";
use NginxServer;

my $root = "$FindBin::Bin/..";
sub file { NginxServer::slurp("$root/$_[0]") || die "$_[0] is empty or missing\n" }

# Contexts by the name of the flags in the table.
my %contexts_of;
my $entry = file('src/ffi/entry.rs');
while ($entry =~ /pub const (\w+): Self =\s*Self\(([^;]*)\);/g) {
    my ($name, $bits) = ($1, $2);
    $contexts_of{$name} = $bits =~ /EVERYWHERE/ ? 'http, server, location' : join ', ',
        $bits =~ /NGX_HTTP_MAIN_CONF/ ? 'http' : (), $bits =~ /LOCATION|NGX_HTTP_LOC_CONF/ ? 'location' : ();
}

my (@directives, %contexts);
my ($table) = file('src/directives.rs') =~ /pub const DIRECTIVES: &\[Directive\] = &\[\n(.*?)^\];/ms or die 'no table of directives';
while ($table =~ /directive\(\s*c"(\w+)",\s*DirectiveFlags::(\w+)([^,]*),/g) {
    my ($name, $flags, $more) = ($1, $2, $3);
    push @directives, $name;
    $contexts{$name} = $contexts_of{$flags} || die "no contexts for $flags";
    $contexts{$name} .= ', limit_except' if $more =~ /and_limit_except/;
}
is scalar @directives, scalar(() = $table =~ /\bdirective\(/g), 'the table of directives is read to the end';

my ($variables) = file('src/variables.rs') =~ /pub const VARIABLES: &\[ModuleVariable\] = &\[\n(.*?)^\];/ms or die 'no table of variables';
my @variables = $variables =~ /name: "(\w+)"/g;
is scalar @variables, scalar(() = $variables =~ /ModuleVariable \{/g), 'and that of variables';
my ($prefix) = file('src/variables.rs') =~ /CLAIM_PREFIX: &str = "(\w+)"/ or die 'no prefix of claims';

my %status;
my ($verdicts) = file('crates/link/src/verdict.rs') =~ /^verdicts! \{\n(.*?)^\}/ms or die 'no table of verdicts';
my @verdicts;
while ($verdicts =~ /^    \w+ "(\w+)" (?:None|Some\((\d+)\));$/mg) {
    push @verdicts, $1;
    $status{$1} = defined $2 ? $2 : "\x{2013}";
}
is scalar @verdicts, scalar(() = $verdicts =~ /;$/mg), 'and that of verdicts';

my $reference = file('docs/reference.md');
utf8::decode($reference);

subtest 'directives' => sub {
    my %section = $reference =~ /^### (secure_link_hmac\w*)\n\n(.*?)(?=^##)/msg;
    is_deeply [sort keys %section], [sort @directives], 'each directive has a section, and nothing else has';
    for my $name (@directives) {
        my $section = $section{$name} || '';
        my ($syntax, $default, $context, $text) = $section =~ /\A    Syntax:   (.*?)\n    Default:  (.*?)\n    Context:  (.*?)\n\n(\S.*)/s;
        ok $text, "$name has Syntax, Default and Context, and is explained" or next;
        my @forms = split /\n {14}/, $syntax;
        is_deeply [grep { !/^$name [^;{]+(?:;| \{ \.\.\. \})$/ } @forms], [], 'its Syntax is that of the directive';
        is $context, $contexts{$name}, 'its Context that of its flags';
        next if $default eq "\x{2013}" || $default eq 'see Verdicts';
        like $default, qr/^$name .+;$/, 'its Default is written as a directive';
        my $nginx = NginxServer->new;
        my $beside = $name eq 'secure_link_hmac_scope' ? 'secure_link_hmac_scheme jwt;' : '';    # the only scheme that has it
        $nginx->configure('', http => "$default $beside\n");
        my ($said, $failed) = $nginx->check;
        is $failed, 0, 'and nginx accepts it' or diag $said;
    }
};

subtest 'variables' => sub {
    my ($section) = $reference =~ /^## Variables\n(.*?)^## /ms;
    my @described = $section =~ /^\| `\$(\w+)`(?:\*name\*)? \| \S/mg;
    is_deeply [sort @described], [sort @variables, $prefix], 'each variable is described, and no other';
};

subtest 'verdicts' => sub {
    for my $page ('docs/reference.md', 'README.md') {
        my $text = file($page);
        utf8::decode($text);
        my %described;
        for my $line ($text =~ /^\| `\w+` \|.*$/mg) {
            my ($word, $meaning, $status) = $line =~ /^\| `(\w+)` \| (\S.*?) \| (\d+|\x{2013}) \|$/ or next;
            $described{$word} = $status;
        }
        is_deeply \%described, \%status, "each verdict is in the table of $page, with its status";
    }
};

my @pages;
find({ no_chdir => 1, wanted => sub { push @pages, s{^\Q$root\E/}{}r if /\.md$/ } }, "$root/docs");
@pages = ('README.md', 'CHANGELOG.md', 'nginx.conf.example', 'examples/README.md', sort @pages);

subtest 'names' => sub {
    my $metrics = join '', map { NginxServer::slurp($_) } glob "$root/src/metrics/*.rs";
    my %known = map { $_ => 1 } @directives, @variables, $prefix;
    my %metric = map { ("secure_link_hmac_$_" => 1) } $metrics =~ /secure_link_hmac_(\w+)\{\{/g, $metrics =~ /"(\w+_seconds|\w+_total)"/g;
    my %short  = map { (s/^secure_link_hmac//r => 1) } keys %known;
    $short{$_} = 1 for map { /[a-z](_hex)\b/g } $reference =~ /^    Syntax:.*$/mg;    # `_hex` of `time=issued_hex`
    my %verdict = map { $_ => 1 } @verdicts;
    for my $page (@pages) {
        my $text = file($page);
        my @unknown;
        while ($text =~ /(?<![\w-])(\$)?(secure_link_hmac\w*)/g) {
            my ($dollar, $name) = ($1, $2);
            my $there = $dollar ? (grep { $_ eq $name } @variables) || $name =~ /^\Q$prefix\E/ : $known{$name} || $metric{$name};
            push @unknown, ($dollar || '') . $name unless $there;
        }
        push @unknown, grep { !$short{$_} } $text =~ /`(_\w+)`/g;
        push @unknown, grep { !$verdict{$_} } $text =~ /(?<!secure_link_hmac_error )\bverdict=(?:\\?")?(\w+)/g;
        for my $codes ($text =~ /\bsecure_link_hmac_error\s+((?:\w+=\d+\s*)+);/g) {
            push @unknown, grep { !$verdict{$_} } $codes =~ /(\w+)=/g;
        }
        is_deeply \@unknown, [], "$page names nothing that does not exist";
    }
};

subtest 'links' => sub {
    my %anchors;
    for my $page (grep { /\.md$/ } @pages) {
        my ($text, %seen) = (file($page));
        utf8::decode($text);
        $text =~ s/^```.*?^```$//msg;
        for my $heading ($text =~ /^#+ (.+)$/mg) {
            my $slug = lc $heading =~ s/\[([^\]]*)\]\([^)]*\)/$1/gr;
            $slug =~ s/[^\w\- ]//g;
            $slug =~ s/ /-/g;
            $slug .= "-$seen{$slug}" if $seen{$slug}++;
            $anchors{$page}{$slug} = 1;
        }
    }
    my %linked;
    for my $page (grep { /\.md$/ } @pages) {
        my $text = file($page);
        $text =~ s/^```.*?^```$//msg;
        my @broken;
        for my $link ($text =~ /\]\(([^)\s]+)\)/g) {
            next if $link =~ /^https?:/;
            my ($path, $anchor) = split /#/, $link, 2;
            my $target = length $path ? dirname($page) . "/$path" : $page;
            1 while $target =~ s{(?:^|/)\K(?!\.\.?/)[^/]+/\.\./}{} || $target =~ s{(?:^|/)\K\./}{};
            if (!-e "$root/$target") { push @broken, $link }
            elsif (defined $anchor && !$anchors{$target}{$anchor}) { push @broken, $link }
            $linked{$target} = 1 if $target ne $page;
        }
        is_deeply \@broken, [], "the links of $page lead somewhere";
    }
    is_deeply [grep { /^docs/ && !$linked{$_} } @pages], [], 'each page is linked from another';
};

done_testing;
