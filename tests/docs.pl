#!/usr/bin/env perl

# The pages say what there is: each directive has its section in the reference, with the contexts of its flags and a
# default that is the default; each variable and each verdict is described; no page names one that does not exist; links
# between pages lead somewhere.
#
#   MODULE=/path/to.so NGINX=nginx tests/docs.pl

use strict;
use warnings;

use Digest::MD5 qw(md5);
use Digest::SHA;
use File::Basename qw(basename dirname);
use File::Find qw(find);
use FindBin;
use MIME::Base64 qw(encode_base64 encode_base64url);
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

my %default_of;
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
        $default_of{$name} = $default;
    }
};

# What a location answers to many links, and logs, is the same with the default of the page and with nothing. It is not
# the same with another value, or the links would tell nothing of this directive.
subtest 'defaults' => sub {
    my %other = map { (/^(\w+)/)[0] => $_ } (
        'secure_link_hmac_scheme template time=issued_hex;', 'secure_link_hmac_algorithm sha512;', 'secure_link_hmac_encoding hex;',
        'secure_link_hmac_leeway 60;', 'secure_link_hmac_max_lifetime 1d;', 'secure_link_hmac_methods GET;',
        'secure_link_hmac_scope any;', 'secure_link_hmac_enforce on;', 'secure_link_hmac_log_level notice;',
    );
    is_deeply [sort keys %other], [sort keys %default_of], 'each directive that has a default is tried';
    my $key = '0123456789abcdef0123456789abcdef';
    my %base = map { $_ => join "\n", 'secure_link_hmac $arg_st,$arg_ts,$arg_e;', 'secure_link_hmac_message $arg_ts|$arg_e;',
        "secure_link_hmac_secret $key;", $_ eq 'secure_link_hmac_enforce' ? () : 'secure_link_hmac_enforce on;' } keys %other;
    $base{secure_link_hmac_scope} = 'secure_link_hmac_scheme jwt; secure_link_hmac $arg_token; secure_link_hmac_keys ring; secure_link_hmac_enforce on;';

    my ($now, @asked) = (time, [GET => ''], [GET => 'token=x&st=x&ts=1&e=1']);
    my %hash = (md5 => \&md5, map { ("sha$_" => Digest::SHA->can("sha$_")) } 1, 224, 256, 384, 512);
    my $mac = sub {
        my ($hash, $message) = @_;
        my $padded = $key . "\0" x (($hash =~ /384|512/ ? 128 : 64) - length $key);
        return $hash{$hash}->(($padded ^ "\x5c" x length $padded) . $hash{$hash}->(($padded ^ "\x36" x length $padded) . $message));
    };
    my $signed = sub {
        my ($ts, $e, $hash, $encode) = @_;
        my $tag = $mac->($hash || 'sha256', "$ts|$e");
        return [GET => 'st=' . ($encode ? $encode->($tag) : encode_base64url($tag)) . "&ts=$ts&e=$e"];
    };
    push @asked, map { $signed->($now, 600, $_) } sort keys %hash;
    push @asked, $signed->($now, 600, sha256 => sub { unpack 'H*', $_[0] }), $signed->($now, 600, sha256 => sub { encode_base64($_[0], '') =~ s/\+/%2B/gr });
    push @asked, $signed->(@$_) for [$now - 630, 600], [$now - 9999, 600], [$now + 30, 600], [$now, 0], [$now, 99999], [$now, 9999999], [sprintf('%x', $now), 600];
    push @asked, map { [$_, $signed->($now, 600)[1]] } qw(HEAD DELETE OPTIONS);
    for my $claims ('{"exp":9999999999}', '{"exp":9999999999,"path":"/*"}') {
        my $text = join '.', map { encode_base64url($_) } '{"alg":"HS256"}', $claims;
        push @asked, [GET => "token=$text." . encode_base64url($mac->('sha256', $text))];
    }

    my $locations = '';
    for my $name (sort keys %other) {
        my %with = (nothing => '', default => $default_of{$name}, other => $other{$name});
        $locations .= "location /$name/$_/ { $base{$name} $with{$_} }\n" for sort keys %with;
    }
    $key = unpack 'H*', $key;
    my $nginx = NginxServer->new;
    $nginx->configure($locations, http => "secure_link_hmac_keyring ring { a hex:$key; }");
    $nginx->start;
    my $answers = sub {
        my ($place) = @_;
        my $before  = length $nginx->log;
        my @status  = map { $nginx->get("/$place/?$_->[1]", method => $_->[0])->{status} } @asked;
        return join ' ', @status, substr($nginx->log, $before) =~ /\[(\w+)\] .*?secure_link_hmac: denied: (verdict=\w+)/g;
    };
    for my $name (sort keys %other) {
        my %answers = map { $_ => $answers->("$name/$_") } qw(nothing default other);
        is $answers{default}, $answers{nothing}, "$name: the default of the page is what counts without it";
        isnt $answers{other}, $answers{nothing}, 'and another value would be noticed';
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

my $contents = 'docs/SUMMARY.md';
my @pages;
find({ no_chdir => 1, wanted => sub { push @pages, s{^\Q$root\E/}{}r if /\.md$/ } }, "$root/docs");
@pages = ('README.md', 'CHANGELOG.md', 'SECURITY.md', 'nginx.conf.example', 'examples/README.md', 'packaging/README.md', 'crates/link/README.md', sort @pages);

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

# Words that stand alone in backquotes, as verdicts do: each is one of ours, or of those that others define, which are
# listed here.
subtest 'words' => sub {
    my %known = map { $_ => 1 } @verdicts, (map { s/^secure_link_hmac_//r } @directives), map { /[a-z_]+/g } $reference =~ /^    (?:Syntax:  |         ) (.*)$/mg;
    $known{$_} = 1 for file('src/metrics/json.rs') =~ /\\"([a-z_]+)\\"/g;
    $known{$_} = 1 for qw(
        if internal index return rewrite set map include types volatile server server_name http load_module limit_except limit_rate limit_req
        add_header error_page try_files mirror merge_slashes proxy_pass auth_request stub_status empty_gif access_by_lua js_set always uri_changes
        access_log auth_jwt client_max_body_size proxy_cache set_real_ip_from
        secure_link secure_link_secret realip real_ip_header ngx_http_hmac_secure_link_module ngx_http_secure_link_hmac_module
        acl alg aud cdnicrit cdniip cdniuc cdniv crit data domain exp iat ip iss jwt k kid method nbf sub true private
        auth_hmac_message ngx_http_auth_hmac_module mod_secdownload range_start
        app nobody metrics_path openssl ps put_object virtual
        echo hash_hmac head_object image_tag increase link_to rate strip trim wrk hmac memchr compressions
        ngx_conf_read_token auth_basic root alias disable_symlinks window uses bypass dav addition
        geo headers listen null satisfy set_alloc_error_hook rpmspec rpmlint cargo nice split soak verify_ all also subtle
        acme expires explain issued_after keygen sign signed_texts st unsafe verdict verify
    );
    # What the command line tool prints as JSON: tests/cli.pl compares it with the page.
    $known{$_} = 1 for map { NginxServer::slurp($_) =~ /"([a-z_]+)"/g } glob "$root/crates/cli/src/{case,explain,keygen}.rs";
    $known{basename($_, '.rs')} = 1 for glob "$root/fuzz/fuzz_targets/*.rs";
    for my $page (@pages) {
        my $text = file($page) =~ s/^```.*?^```$//msgr;
        my %unknown = map { $_ => 1 } grep { !$known{$_} && !/^secure_link_hmac/ } $text =~ /`([a-z][a-z_]*)`/g;
        is_deeply [sort keys %unknown], [], "$page has no word that nothing defines";
    }
    my $code = join '', map { file($_ =~ s/^\Q$root\E.//r) } glob "$root/crates/cli/src/*.rs";
    my ($table) = file('docs/cli.md') =~ /^\| scheme \| `--credential` \|.*?\n(.*?)^\n/ms or die 'no table of defaults in docs/cli.md';
    my @defaults = map { s/\\\|/|/gr } $table =~ /`(\$[^`]+)`/g;
    is scalar @defaults, 6, 'the command line tool has as many defaults';
    is_deeply [grep { index($code, qq{"$_"}) < 0 } @defaults], [], 'and those of the page';
};

# A prefix that is checked, or only for hand-offs, keeps locations of regular expressions from taking its requests. Pages
# also show the configurations of others, from before.
subtest 'prefixes' => sub {
    for my $page (@pages) {
        my @open;
        my $text = file($page);
        while ($text =~ /^( *)location (\/\S*) \{\n(.*?)^\1\}/msg) {
            push @open, $2 if $3 =~ /secure_link_hmac_enforce|^\s*internal;/m;
        }
        is_deeply \@open, [], "$page has ^~ for what is checked and for hand-offs";
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
    my (%linked, %listed);
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
            ($page eq $contents ? \%listed : \%linked)->{$target} = 1 if $target ne $page;
        }
        is_deeply \@broken, [], "the links of $page lead somewhere";
    }
    my @all = grep { /\.md$/ && $_ ne $contents } @pages;
    is_deeply [grep { /^docs/ && !$linked{$_} } @all], [], 'each page is linked from another';
    is_deeply [sort keys %listed], [sort @all], 'and is in the table of contents of the site';
};

done_testing;
