#!/usr/bin/env perl

# Links by the libraries that people sign with: PyJWT, jose, jsonwebtoken; akamai-edgeauth of PyPI and of npm; boto3
# and @aws-sdk/s3-request-presigner. Random links to real files, with whatever may stand in a file's name, are granted
# and download the right file; the same links with one byte changed are refused.
#
#   MODULE=/path/to.so NGINX=nginx [SEED=n] [SIGNERS_LINKS=200] tests/signers.pl

use strict;
use warnings;

use File::Path qw(make_path);
use FindBin;
use JSON::PP ();
use List::Util qw(shuffle);
use Test::More;
use Time::HiRes qw(sleep time);

use lib "$FindBin::Bin/lib";
use Links;
use Load qw(parallel);
use NginxServer;
use Signers;

my $links = $ENV{SIGNERS_LINKS} || 200;
my $seed  = defined $ENV{SEED} ? $ENV{SEED} : int rand 2**31;
srand $seed;
note "SEED=$seed";
umask 022;

my $now = int time;

# ---- the server

my %jwt = (
    HS256 => ['h256', 'sha256', join '', map { chr 33 + $_ } 1 .. 40],
    HS384 => ['h384', 'sha384', pack 'C*', 100 .. 160],
    HS512 => ['h512', 'sha512', pack 'C*', 128 .. 255],
);
my %edge = (
    sha256 => '52a152a152a152a152a152a152a152a1',
    sha1   => '0123456789abcdef0123456789abcdef01234567',
    md5    => 'ffeeddccbbaa99887766554433221100',
);
my %aws = (
    AKIAIOSFODNN7EXAMPLE => 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
    'partner.one'        => 'another/secret+access/key0123456789=',
);
my $jwt_keys  = join '', map { my ($id, $algorithm, $key) = @$_; "$id hex:" . unpack('H*', $key) . " algorithm=$algorithm;\n" } @jwt{ sort keys %jwt };
my $edge_keys = join '', map { "$_ hex:$edge{$_} algorithm=$_;\n" } sort keys %edge;
my $aws_keys  = join '', map { "$_ hex:" . unpack('H*', $aws{$_}) . ";\n" } sort keys %aws;

my %edge_location = (
    'edge'                => '',
    'edge-salt'           => 'salt=pepper',
    'edge-form'           => 'escape_early',
    'edge-form-salt'      => 'salt=pepper escape_early=form',
    'edge-component'      => 'escape_early=component',
    'edge-component-salt' => 'escape_early=component salt=pepper',
);
my $edge_locations = join '', map { <<"_END_" } sort keys %edge_location;
    location /$_/ {
        secure_link_hmac         \$arg_hdnts \$cookie_hdnts;
        secure_link_hmac_scheme  edgeauth $edge_location{$_};
        secure_link_hmac_keys    edge;
        secure_link_hmac_enforce on;
    }
_END_

my $said = <<'_END_';
    add_header X-Verdict     $secure_link_hmac_status always;
    add_header X-Key         $secure_link_hmac_key_id always;
    add_header X-Subject     $secure_link_hmac_subject always;
    add_header X-Disposition $secure_link_hmac_claim_response_content_disposition always;
_END_
my $presigned = <<'_END_';
        secure_link_hmac_keys    aws;
        secure_link_hmac_enforce on;
        secure_link_hmac_methods GET HEAD PUT;    # which of them is for the signature to say
_END_

my $nginx = NginxServer->new(log_level => 'error');
my $buckets = <<"_END_";
    location /bucket/    { root $nginx->{dir}/files; secure_link_hmac_scheme sigv4; $presigned }
    location /bucket-eu/ { root $nginx->{dir}/files; secure_link_hmac_scheme sigv4 region=eu-central-1 service=s3; $presigned }
_END_
$nginx->configure(<<"_END_", http => <<"_HTTP_");
    server_name ~.;
    $said
    location / { return 404; }
    location /jwt/ {
        secure_link_hmac         \$arg_token \$cookie_URISigningPackage \$http_authorization;
        secure_link_hmac_scheme  jwt;
        secure_link_hmac_keys    jwt;
        secure_link_hmac_enforce on;
    }
    $edge_locations
    $buckets
_END_
    secure_link_hmac_keyring jwt  { $jwt_keys }
    secure_link_hmac_keyring edge { $edge_keys }
    secure_link_hmac_keyring aws  { $aws_keys }
    # A bucket as a host of its own.
    server {
        listen 127.0.0.1:$nginx->{port};
        server_name bucket.files.example;
        root $nginx->{dir}/files/bucket;
        $said
        location / { secure_link_hmac_scheme sigv4; $presigned }
    }
_HTTP_

my %content;    # by path
my $mark = 'the content of';

sub file {
    my ($path) = @_;
    return if defined $content{$path};
    my ($folder) = $path =~ m{\A(.*)/}s;
    make_path("$nginx->{dir}/files$folder");
    $content{$path} = 'file ' . keys(%content) . ", $mark $path\n";
    $nginx->write_file("files$path", $content{$path});
}

# ---- links

# A link is a target and the lines of a header. Bytes of both are of one of these kinds:
#   path     of the file: other percent escapes of the same path are the same link; globs may grant another path
#   escaped  other percent escapes are the same
#   mac      hexadecimal digits, in either case
#   exact    nothing else is the same
sub compose {
    my ($text, @spans) = ('');
    for my $piece (@_) {
        my ($bytes, $kind) = ref $piece ? @$piece : $piece;
        push @spans, [length $text, length $bytes, $kind] if defined $kind && length $bytes;
        $text .= $bytes;
    }
    return ($text, \@spans);
}

sub complete {
    my ($link, $target, $headers) = @_;
    ($link->{target},  $link->{spans}{target})  = compose(@$target);
    ($link->{headers}, $link->{spans}{headers}) = compose(@$headers);
    return $link;
}

# Globs that cover a path, for a signer.
sub globs_for {
    my ($path, $number) = @_;
    my $exact = $path =~ tr/*?/?/r;    # it can name neither of them
    my ($folder, $name) = $exact =~ m{\A(.*)/(.*)\z}s;
    my $way = $number % 5;
    return $exact if $way == 0;
    return "$folder/*" if $way == 1;
    return ('/of/no/interest/*', $exact, '/nor/th?s') if $way == 2;
    return ('/other/*', "$folder/*") if $way == 3;
    # A question mark is one byte: a character is as many as it has.
    my $some = join '', map { rand() < 0.2 ? '?' x length bytes($_) : bytes($_) } split //, text($name);
    return one_of("*/$some", "$folder/$some");
}

sub jwt_link {
    my ($signer, $number) = @_;
    my $path  = random_path("/jwt/$signer/$number", $number);
    my $style = one_of(@styles);
    my @globs = globs_for($path, $number);
    my @texts = map { text($_) } @globs;
    my $alg   = one_of(sort keys %jwt);
    my ($id, undef, $key) = @{ $jwt{$alg} };
    my %claims = (exp => $now + one_of(3600, 3600.5), path => @texts == 1 && rand() < 0.8 ? $texts[0] : \@texts);
    my %header;
    $header{kid}    = $id                                               if rand() < 0.5;
    $claims{iss}    = $id                                               if rand() < 0.5;
    $claims{sub}    = random_text()                                     if rand() < 0.6;
    $claims{nbf}    = $now - 60                                         if rand() < 0.3;
    $claims{iat}    = $now                                              if rand() < 0.3;
    $claims{jti}    = random_text()                                     if rand() < 0.3;
    $claims{ip}     = one_of('127.0.0.1', '127.0.0.0/8')                if rand() < 0.2;
    $claims{method} = one_of('GET', ['GET'], ['POST', 'GET'])           if rand() < 0.2;
    $claims{cdniv}  = 1                                                 if rand() < 0.2;
    $claims{'x ' . random_text()} = one_of(undef, JSON::PP::true, 1.5, [1, { a => [] }], random_text()) if rand() < 0.3;
    my $link = {
        path => $path, written => written($path, $style), style => $style, globs => \@globs, key => $id,
        subject => defined $claims{sub} ? bytes($claims{sub}) : '',
    };
    ask($signer => { alg => $alg, secret => unpack('H*', $key), header => \%header, claims => \%claims }, sub {
        my $token  = [$_[0], 'exact'];
        my @target = ([$link->{written}, 'path'], '?', map { "$_&" } random_args());
        my @headers = "Host: files.example\r\n";
        my $place   = rand;
        if    ($place < 0.6) { push @target, 'token=', $token, map { "&$_" } random_args() }
        elsif ($place < 0.8) { push @headers, 'Cookie: a=b; URISigningPackage=', $token, one_of('', '; c=d'), "\r\n" }
        else                 { push @headers, one_of('Authorization: Bearer ', 'authorization: bearer  ', 'AUTHORIZATION:BEARER '), $token, "\r\n" }
        complete($link, \@target, \@headers);
    });
    return $link;
}

sub edge_link {
    my ($signer, $early, $acl, $number) = @_;
    my $npm   = $signer =~ /npm/;
    my $salt  = rand() < 0.5;
    my $place = 'edge' . ($early ? $npm ? '-component' : '-form' : '') . ($salt ? '-salt' : '');
    my $path  = random_path("/$place/" . ($npm ? 'npm' : 'PyPI') . ($acl ? '-acl' : '-url') . "/$number", $number);
    my $style = one_of(@styles);
    my $algorithm = one_of(sort keys %edge);
    my $whole = rand() < 0.5;    # whether the token is sent percent-encoded as a whole
    my $link  = { path => $path, written => written($path, $style), style => $style, key => $algorithm, subject => '' };
    my %case  = (key => $edge{$algorithm}, algorithm => $algorithm, exp => $now + 3600, early => $early ? JSON::PP::true : JSON::PP::false);
    $case{salt} = 'pepper'    if $salt;
    $case{ip}   = '127.0.0.1' if rand() < 0.3;
    $case{st}   = $now - 60   if rand() < 0.3;
    for my $field (qw(id data)) {
        next if rand() < 0.5;
        my $text = random_text();
        # The delimiter needs an escape, which PyPI's library never makes of it.
        $text =~ tr/~/-/ unless $early && $npm;
        $text =~ s/[^A-Za-z0-9._-]/:/g unless $early || $whole;
        $case{$field} = $text;
        $link->{subject} = bytes($text);
    }
    my $kind = 'path';
    if ($acl) {
        # `!` can only be had as `?`; `%` and the delimiter only as escapes.
        my @globs = map { tr/!/?/r } globs_for($path, $number);
        $link->{globs} = [@globs];
        my $must = $whole ? qr/[%~]/ : qr{[^A-Za-z0-9._/*?-]};
        my @texts = map { text(s/($must)/sprintf one_of('%%%02x', '%%%02X'), ord $1/egr) } @globs;
        $case{acl} = one_of(\@texts, join '!', @texts);
    }
    elsif ($early) { $case{url} = text($path) }
    else           { $case{url} = text($link->{written}); $kind = 'exact' }
    ask($signer => \%case, sub {
        my ($front, $mac) = bytes($_[0]) =~ m{\A(.*~hmac=)([0-9a-f]+)\z}s or die "no token: $_[0]";
        my @token   = ($whole ? [one_of(escaped($front), form($front)), 'escaped'] : [$front, 'exact'], [$mac, 'mac']);
        my @target  = ([$link->{written}, $kind], '?', map { "$_&" } random_args());
        my @headers = "Host: files.example\r\n";
        if (rand() < 0.7) { push @target, 'hdnts=', @token, map { "&$_" } random_args() }
        else              { push @headers, 'Cookie: a=b; hdnts=', @token, one_of('', '; c=d'), "\r\n" }
        complete($link, \@target, \@headers);
    });
    return $link;
}

sub aws_case {
    return {
        endpoint => 'http://files.example', region => 'us-east-1', id => 'AKIAIOSFODNN7EXAMPLE', secret => $aws{AKIAIOSFODNN7EXAMPLE},
        method => 'GET', bucket => 'bucket', expires => 3600, @_,
    };
}

# A link from a presigned URL.
sub complete_aws {
    my ($link, $url) = @_;
    my ($host, $path, $front, $mac, $rest) = bytes($url) =~ m{\Ahttp://([^/]+)(/[^?]*)\?(.*\bX-Amz-Signature=)([0-9a-f]+)(.*)\z} or die "no URL: $url";
    $link->{written} = $path;
    # A client may name the default port or not.
    my ($name, $port) = $host =~ /\A(.*?)(:\d+)?\z/;
    $host = one_of($name, "$name:80") if !$port || $port eq ':80';
    my @range = $link->{range} ? "Range: $link->{range}\r\n" : ();
    return complete($link, [[$path, 'path'], '?', [$front, 'escaped'], [$mac, 'mac'], [$rest, 'escaped']], ["Host: $host\r\n", @range]);
}

sub aws_link {
    my ($signer, $number) = @_;
    my $boto    = $signer eq 'boto3';
    my $key     = substr random_path('/' . ($boto ? 'boto3' : 'js') . "/$number", $number), 1;
    my $id      = one_of(sort keys %aws);
    my $bucket  = one_of('bucket', 'bucket', 'bucket-eu');
    my $virtual = $bucket eq 'bucket' && rand() < 0.3;
    my $link    = { path => "/$bucket/$key", key => $id, subject => '', disposition => '', arguments => 1 };
    my %params;
    if (rand() < 0.5) {
        my $name = random_text() =~ tr/"\\/__/r;
        $params{ResponseContentDisposition} = one_of('attachment', qq(inline; filename="$name"), "attachment; filename*=UTF-8''%e2%82%ac%20x.txt");
        $link->{disposition} = bytes($params{ResponseContentDisposition});
    }
    $params{ResponseContentType}     = one_of('text/plain; charset=utf-8', '', 'a/b+c')             if rand() < 0.3;
    $params{ResponseContentLanguage} = one_of('', 'de, en', '~')                                     if rand() < 0.3;
    $params{VersionId}               = one_of('null', '3/L4kqtJlcpXroDTDmJ+rmSpXd3dIbrHY')            if rand() < 0.2;
    $params{Range} = $link->{range}  = 'bytes=0-8'                                                   if rand() < 0.15;
    my %query;
    for (1 .. rand 4) {
        my $name = one_of('a', 'b=', 'user', 'x y', random_text());
        $query{$name} = one_of('', '1', 'a b+c', '%41', '&=?/#', random_text());
        # Python's library keeps one of several.
        $query{$name} = [map { one_of('', '1', '2', 'b', 'a', 'a b') } 1 .. 3] if !$boto && rand() < 0.3;
    }
    ask($signer => aws_case(
        id => $id, secret => $aws{$id}, bucket => $bucket, key => text($key), params => \%params, query => \%query,
        expires  => one_of(1800, 3600, 604_800),
        region   => $bucket eq 'bucket-eu' ? 'eu-central-1' : one_of('us-east-1', 'eu-central-1', 'local'),
        virtual  => $virtual ? JSON::PP::true : JSON::PP::false,
        endpoint => 'http://' . ($virtual ? one_of('files.example', 'files.example:8080')
            : one_of('files.example', 'files.example:80', 'files.example:8080', "127.0.0.1:$nginx->{port}", '127.0.0.1', 'localhost', '[::1]:8080')),
    ), sub { complete_aws($link, $_[0]) });
    return $link;
}

# ---- what is wrong with an answer; the empty string is nothing

sub not_granted {
    my ($link, $status, $header, $body) = @_;
    my ($expected, $content) = (200, $content{ $link->{path} });
    ($expected, $content) = (206, substr $content, 0, 9) if $link->{range};
    my %expected = ('x-verdict' => 'granted', 'x-key' => $link->{key}, 'x-subject' => $link->{subject}, 'x-disposition' => $link->{disposition});
    return "$status " . ($header->{'x-verdict'} || '') if $status != $expected;
    return "another file: $body" if $body ne $content;
    for my $name (grep { defined $expected{$_} } sort keys %expected) {
        # Spaces at its ends are no part of a header's value.
        my ($said, $wanted) = map { (defined $_ ? $_ : '') =~ s/\A +| +\z//gr } $header->{$name}, $expected{$name};
        return "$name: $said and not $wanted" if $said ne $wanted;
    }
    return '';
}

sub not_refused {
    my ($status, $header, $body) = @_;
    my $verdict = $header->{'x-verdict'} || '';
    return $status =~ /\A(?:400|403|404)\z/ && $verdict ne 'granted' && index($body, $mark) < 0 ? '' : "$status $verdict";
}

# For a path that a link's globs cover: the file that is there, or that there is none.
sub not_covered {
    my ($path, $status, $header, $body) = @_;
    return not_granted({ path => $path }, $status, $header, $body) if defined $content{$path};
    return $status =~ /\A(?:301|403|404)\z/ && index($body, $mark) < 0 ? '' : "$status where there is no file";
}

# For a link that was changed in bytes of a kind, which it is still where that is the same by definition: another
# spelling of the same path, the case of a digit in an escape.
sub not_right {
    my ($link, $kind, $part, $text, @answer) = @_;
    my $old = $link->{$part};
    if ($kind eq 'path') {
        # The token has to be where it belongs: a `?` may begin the arguments too early.
        my ($args) = $text =~ /\A[^?#]*\?([^#]*)/s;
        my $token = $link->{headers} =~ /^(?:Cookie|Authorization):/mi || (defined $args && $args =~ /(?:\A|&)(?:token|hdnts|X-Amz-Signature)=/);
        my $path  = served($text);
        return not_refused(@answer) if !$token || !defined $path;
        return not_granted($link, @answer) if $path eq served($old) && (!$link->{arguments} || unescaped($text =~ s/\?.*//sr) eq unescaped($link->{written}));
        return not_covered($path, @answer) if $link->{globs} && covered($path, @{ $link->{globs} });
    }
    elsif ($kind eq 'escaped') {
        my ($was, $is) = map { $link->{arguments} ? arguments($_) : unformed($_) } $old, $text;
        return not_granted($link, @answer) if $was eq $is;
    }
    elsif ($kind eq 'mac') {
        return not_granted($link, @answer) && not_refused(@answer) if lc $text eq lc $old;
    }
    return not_refused(@answer);
}

# ---- requests

# Runs a function for each link, in two processes; gives it what asks and keeps what is wrong with the answer.
sub each_link {
    my ($name, $group, $function) = @_;
    my ($requests, @faults) = 0;
    for my $result (parallel(2, sub {
        my ($process) = @_;
        srand $seed + $process;
        my $client = Load->new($nginx);
        my ($requests, @faults) = 0;
        for my $number (grep { $_ % 2 == $process } 0 .. $#$group) {
            my $link = $group->[$number];
            $function->($number, $link, sub {
                my ($check, %changed) = @_;
                my %request = (target => $link->{target}, headers => $link->{headers}, %changed);
                my $fault = $check->($client->ask('GET', $request{target}, $request{headers}));
                $requests++;
                push @faults, "$fault: $link->{target} $link->{headers} as $request{target} $request{headers}" if $fault ne '';
            });
        }
        return { requests => $requests, faults => \@faults };
    })) {
        $requests += $result->{requests};
        push @faults, @{ $result->{faults} };
    }
    cmp_ok $requests, '>=', @$group, "$name: $requests requests";
    is scalar @faults, 0, "$name: faults" or diag join "\n", map { s/([^ -~])/sprintf '\\x%02x', ord $1/egr } splice @faults, 0, 10;
}

# The link with another path in its place.
sub with_path {
    my ($link, $written) = @_;
    return $written . substr $link->{target}, length $link->{written};
}

# The arguments in another order, with other escapes, except in the names that are known and in the signature.
sub with_other_args {
    my ($target) = @_;
    my ($path, $args) = split /\?/, $target, 2;
    return "$path?" . join '&', shuffle map {
        my ($name, $value) = map { s/%([0-9A-Fa-f]{2})/chr hex $1/egr } split /=/, $_, 2;
        $name = respelled($name) unless $name =~ /\Ax-amz-/i;
        "$name=" . ($name eq 'X-Amz-Signature' ? $value : respelled($value));
    } split /&/, $args;
}

my @syntax = (split(//, q(/?#&=;%+~.-_!*,:"'\\ {}()[]|@$)), 'a' .. 'f', 'A' .. 'F', 0 .. 9, qw(g z Z), "\0", "\t", "\x7f", "\x80", "\xff");
my $digits = join '', 'A' .. 'Z', 'a' .. 'z', 0 .. 9, '-_';    # of base64url

# The digit that differs in its last bit, which may be one that stands for nothing.
sub nearest {
    my $at = index $digits, $_[0];
    return $at < 0 ? another_byte($_[0]) : substr $digits, $at ^ 1, 1;
}

# Any but a line end, which would end the request.
sub another_byte {
    my ($old) = @_;
    while (1) {
        my $chance = rand;
        my $new = $chance < 0.6 ? one_of(@syntax) : $chance < 0.75 && $old =~ /[A-Za-z]/ ? $old ^ ' ' : chr rand 256;
        return $new if $new ne $old && $new !~ /[\r\n]/;
    }
}

# Each byte of a link that counts, as [kind, part, where].
sub positions {
    my ($link) = @_;
    my @positions;
    for my $part (qw(target headers)) {
        for my $span (@{ $link->{spans}{$part} }) {
            my ($from, $length, $kind) = @$span;
            push @positions, map { [$kind, $part, $_] } $from .. $from + $length - 1;
        }
    }
    return @positions;
}

# Asks for a link with other bytes in place of some.
sub ask_changed {
    my ($ask, $link, $position, $length, $bytes) = @_;
    my ($kind, $part, $at) = @$position;
    my $text = $link->{$part};
    substr($text, $at, $length) = ref $bytes ? $bytes->(substr $text, $at, 1) : $bytes;
    $ask->(sub { not_right($link, $kind, $part, $text, @_) }, $part => $text);
}

sub judge {
    my ($group) = @_;
    each_link('granted, and the right file', $group, sub {
        my ($number, $link, $ask) = @_;
        $ask->(sub { not_granted($link, @_) });
    });

    each_link('the same, spelled otherwise', $group, sub {
        my ($number, $link, $ask) = @_;
        my $written = written(served($link->{written}), one_of(@styles));
        my $same    = $written eq $link->{written} || $link->{spans}{target}[0][2] eq 'path';
        my $target  = with_path($link, $written);
        $target = with_other_args($target) if $link->{arguments};
        $ask->(sub { $same ? not_granted($link, @_) : not_refused(@_) }, target => $target);
    });

    each_link('the file beside it, only where a glob covers it', $group, sub {
        my ($number, $link, $ask) = @_;
        my $path    = $link->{path} eq served($link->{written}) ? $link->{beside} : $link->{beside} =~ s{\A/bucket/}{/}r;
        my $covered = $link->{globs} && covered($path, @{ $link->{globs} });
        $ask->(sub { $covered ? not_covered($path, @_) : not_refused(@_) || ($_[0] == 403 ? '' : $_[0]) },
            target => with_path($link, written($path, $link->{style} || 'plain')));
    });

    each_link('refused with one byte changed', $group, sub {
        my ($number, $link, $ask) = @_;
        my @positions = positions($link);
        ask_changed($ask, $link, $_, 1, \&another_byte) for $number < 10 ? @positions : map { one_of(@positions) } 1 .. 10;
        # The last of the token, or of what is before it.
        ask_changed($ask, $link, $_, 1, \&nearest) for $positions[-1], one_of(@positions);
    });

    each_link('refused with one byte more or less', $group, sub {
        my ($number, $link, $ask) = @_;
        my @positions = positions($link);
        for (1 .. 3) {
            ask_changed($ask, $link, one_of(@positions), 1, '');
            # Around a header's value a space counts for nothing.
            ask_changed($ask, $link, one_of(@positions), 0, sub { another_byte(' ') });
            ask_changed($ask, $link, one_of(@positions), 0, sub { $_[0] });
        }
    });
}

my @groups;
for my $signer ('PyJWT', 'jose', 'jsonwebtoken') {
    push @groups, [$signer, map { jwt_link($signer, $_) } 0 .. $links - 1];
}
for my $signer ('akamai-edgeauth of PyPI', 'akamai-edgeauth of npm') {
    for my $early (0, 1) {
        for my $acl (0, 1) {
            my $name = join ', ', $signer, $acl ? 'acl' : 'url', $early ? 'escape_early' : ();
            push @groups, [$name, map { edge_link($signer, $early, $acl, $_) } 0 .. $links - 1];
        }
    }
}
for my $signer ('boto3', '@aws-sdk/s3-request-presigner') {
    push @groups, [$signer, map { aws_link($signer, $_) } 0 .. $links - 1];
}

# ---- links of which one thing is wrong

my @wrong;    # [name, verdict, status, method, target, header lines, whether to wait]

# What one presigned link is good for: the name, the verdict, the status; how it is signed, how it is used.
sub presigned {
    my ($signer, $name, $verdict, $status, $signed, $used) = @_;
    ask($signer => aws_case(key => 'plain.txt', %$signed), sub {
        my ($url) = @_;
        my ($host, $target) = $url =~ m{\Ahttp://([^/]+)(.*)\z} or die "no URL: $url";
        my %used = (method => 'GET', host => $host, headers => '', target => sub { $_[0] }, %{ $used || {} });
        push @wrong, ["$signer: $name", $verdict, $status, $used{method}, $used{target}->($target), "Host: $used{host}\r\n$used{headers}", $used{late}];
    });
}

file($_) for '/bucket/plain.txt', '/bucket-eu/plain.txt', '/jwt/plain.txt', '/edge/plain.txt';
for my $signer ('boto3', '@aws-sdk/s3-request-presigner') {
    my $moved = sub { $_[0] =~ s{/bucket/}{/bucket-eu/}r };
    my @europe = (region => 'eu-central-1');
    presigned($signer, 'a link',                          'granted', 200);
    presigned($signer, 'a GET link for HEAD',             'forged', 403, {}, { method => 'HEAD' });
    presigned($signer, 'a GET link for PUT',              'forged', 403, {}, { method => 'PUT' });
    presigned($signer, 'a HEAD link',                     'granted', 200, { method => 'HEAD' }, { method => 'HEAD' });
    presigned($signer, 'a HEAD link for GET',             'forged', 403, { method => 'HEAD' });
    presigned($signer, 'a PUT link',                      'granted', 405, { method => 'PUT' }, { method => 'PUT' });
    presigned($signer, 'a PUT link for GET',              'forged', 403, { method => 'PUT' });
    presigned($signer, 'a link for another host',         'forged', 403, { endpoint => 'http://other.example' }, { host => 'files.example' });
    presigned($signer, 'another host, which is asked',    'out_of_scope', 403, { endpoint => 'http://other.example' }, { target => sub { "http://files.example$_[0]" } });
    presigned($signer, 'a link for another port',         'forged', 403, { endpoint => 'http://files.example:8080' }, { host => 'files.example' });
    presigned($signer, 'a link for another bucket',       'forged', 403, { @europe }, { target => $moved });
    presigned($signer, 'a link for another region',       'out_of_scope', 403, { bucket => 'bucket-eu' });
    presigned($signer, 'a link for the region',           'granted', 200, { bucket => 'bucket-eu', @europe });
    presigned($signer, 'a header that is signed',         'granted', 206, { params => { Range => 'bytes=0-1' } }, { headers => "Range: bytes=0-1\r\n" });
    presigned($signer, 'another value of it',             'forged', 403, { params => { Range => 'bytes=0-1' } }, { headers => "Range: bytes=0-9\r\n" });
    presigned($signer, 'a signed header that is not sent', 'forged', 403, { params => { Range => 'bytes=0-1' } });
    presigned($signer, 'an argument too many',            'forged', 403, {}, { target => sub { "$_[0]&a=b" } });
    presigned($signer, 'an empty argument too many',      'forged', 403, {}, { target => sub { "$_[0]&" } });
    presigned($signer, 'an empty argument within',        'forged', 403, {}, { target => sub { $_[0] =~ s/&/&&/r } });
    presigned($signer, 'an argument twice',               'malformed', 403, {}, { target => sub { $_[0] =~ s/(X-Amz-Date=[^&]*)/$1&$1/r } });
    presigned($signer, 'the secret of another key',       'forged', 403, { secret => $aws{'partner.one'} });
    presigned($signer, 'an unknown key',                  'unknown_key', 403, { id => 'AKIANOBODY' });
    presigned($signer, 'temporary credentials',           'malformed', 403, { session => 'token' });
    presigned($signer, 'a key with an empty segment',     'out_of_scope', 403, { key => 'a//plain.txt' });
    presigned($signer, 'a key with a dot segment',        'out_of_scope', 403, { key => 'a/./plain.txt' });
    presigned($signer, 'a key that leaves a folder',      'out_of_scope', 403, { key => 'a/../plain.txt' });
}
presigned('boto3', 'expired', 'expired', 410, { expires => 1 }, { late => 1 });
presigned('boto3', 'version 2', 'missing', 403, { version => 's3' });
for ([-7200, 'expired', 410], [-3000, 'granted', 200], [600, 'granted', 200], [3600, 'early', 403]) {
    my ($ago, $verdict, $status) = @$_;
    presigned('@aws-sdk/s3-request-presigner', "signed $ago s from now", $verdict, $status, { at => $now + $ago });
}

sub token {
    my ($signer, $name, $verdict, $status, $target, %case) = @_;
    ask($signer => \%case, sub { push @wrong, ["$signer: $name", $verdict, $status, 'GET', $target . $_[0], "Host: localhost\r\n"] });
}

for my $signer ('PyJWT', 'jose', 'jsonwebtoken') {
    my $jwt = sub {
        my ($name, $verdict, $status, $claims, %case) = @_;
        my %claims = (exp => $now + 3600, path => '/jwt/plain.txt', %$claims);
        token($signer, $name, $verdict, $status, '/jwt/plain.txt?token=', alg => 'HS256', secret => unpack('H*', $jwt{HS256}[2]), header => { kid => 'h256' }, claims => \%claims, %case);
    };
    my @other = (secret => unpack 'H*', $jwt{HS512}[2]);
    $jwt->('a token',                 'granted', 200, {});
    $jwt->('expired',                 'expired', 410, { exp => $now - 10 });
    $jwt->('not yet',                 'early', 403, { nbf => $now + 600 });
    $jwt->('another file',            'out_of_scope', 403, { path => '/jwt/plain.txt2' });
    $jwt->('another client',          'out_of_scope', 403, { ip => '192.0.2.1' });
    $jwt->('another method',          'out_of_scope', 403, { method => 'PUT' });
    $jwt->('an audience',             'out_of_scope', 403, { aud => 'other' });
    $jwt->('an unknown key',          'unknown_key', 403, {}, header => { kid => 'h257' });
    $jwt->('the secret of another',   'forged', 403, {}, @other);
    $jwt->('the algorithm of another', 'malformed', 403, {}, @other, alg => 'HS256', header => { kid => 'h512' });
    $jwt->('a path with a key id',    'unknown_key', 403, {}, header => { kid => '../h256' });
}

for my $signer ('akamai-edgeauth of PyPI', 'akamai-edgeauth of npm') {
    my $edge = sub {
        my ($name, $verdict, $status, %case) = @_;
        my %path = grep({ $_ eq 'acl' } keys %case) ? () : (url => '/edge/plain.txt');
        token($signer, $name, $verdict, $status, '/edge/plain.txt?hdnts=', key => $edge{sha256}, algorithm => 'sha256', exp => $now + 3600, early => JSON::PP::false, %path, %case);
    };
    $edge->('a token',               'granted', 200);
    $edge->('expired',               'expired', 410, exp => $now - 10);
    $edge->('not yet',               'early', 403, st => $now + 600);
    $edge->('another file',          'forged', 403, url => '/edge/plain.txt2');
    $edge->('another acl',           'out_of_scope', 403, acl => '/edge/plain.txt2!/edge/plain');
    $edge->('another client',        'out_of_scope', 403, ip => '192.0.2.1');
    $edge->('another key',           'forged', 403, key => $edge{sha1});
    $edge->('a salt',                'forged', 403, salt => 'pepper');
    $edge->('escaped early',         'forged', 403, early => JSON::PP::true);
}

# ---- all of it

sign();
for my $link (map { @$_[1 .. $#$_] } @groups) {
    # Beside each file there is one whose name differs in a byte.
    my ($folder, $name) = $link->{path} =~ m{\A(.*/)(.*)\z}s;
    my $at   = int rand length $name;
    my $byte = substr $name, $at, 1;
    substr $name, $at, 1, ord $byte < 128 ? one_of(grep { $_ ne $byte } 'a', 'b') : chr(ord($byte) ^ 1);
    $link->{beside} = "$folder$name";
    file($_) for $link->{path}, $link->{beside};
}
$nginx->start;

for (@groups) {
    my ($name, @group) = @$_;
    subtest $name => sub { judge(\@group) };
}

subtest 'one thing is wrong' => sub {
    my $client = Load->new($nginx);
    for (@wrong) {
        my ($name, $verdict, $status, $method, $target, $headers, $late) = @$_;
        sleep 0.1 while $late && time < $now + 3;
        my ($got, $header, $body) = $client->ask($method, $target, $headers);
        is "$got " . ($header->{'x-verdict'} || ''), "$status $verdict", $name or diag "$method $target $headers";
    }
};

unlike $nginx->log, qr/signal 11|panic|\[(?:crit|alert|emerg)\]/, 'nothing went wrong';
diag "SEED=$seed repeats it" unless Test::More->builder->is_passing;
done_testing;
