package SchemeLinks;

# Signs links in the formats of others for the suites in t/: JWT, Akamai's EdgeAuth and AWS's presigned URLs. It is
# written from RFC 7515, from Akamai's libraries and from AWS's documentation, and never by the module's own code.
#
#     use lib 't/lib';
#     use SchemeLinks;
#
# exports everything below into the suite and into Test::Base::Filter, where the `eval` sections of test blocks
# run. A time is that of the file's start: keep others minutes away from a border.

use strict;
use warnings;

use Digest::SHA qw(sha256_hex hmac_sha1_hex hmac_sha256 hmac_sha256_hex hmac_sha384 hmac_sha512);
use Digest::MD5 ();
use JSON::PP ();
use MIME::Base64 qw(encode_base64url);

our @EXPORT = qw(
    $now json_text jwt jwt_link jwt_parts edgeauth edgeauth_link edgeauth_early edgeauth_key aws_encode aws_date sigv4 sigv4_secret
);

our $now = time();

sub import {
    no strict 'refs';
    my $caller = caller;
    for my $name (@EXPORT) {
        my ($sigil, $word) = $name =~ /\A(\$?)(\w+)\z/;
        *{"${_}::$word"} = $sigil ? \${$word} : \&$word for 'Test::Base::Filter', $caller;
    }
}

# The text of a value: a reference as JSON with sorted members, anything else is the text already.
sub json_text {
    my ($value) = @_;
    return ref $value ? JSON::PP->new->canonical->utf8->allow_nonref->encode($value) : $value;
}

# jwt($claims, %options): a token that lasts an hour, unless the claims say something else; a claim that is undef
# is left out. Claims, and a header, may also be the JSON text itself, as it is to be.
#
#     secret, alg     the secret of the vectors, and HS256
#     kid, header     a member of the header, or the whole of it
#     mac             the MAC's bytes, instead of the right ones; or a function that changes them
#     by              the algorithm of the MAC, if it is not what `alg` says
sub jwt { return join '.', jwt_parts(@_) }

sub jwt_parts {
    my ($claims, %options) = @_;
    my $secret = defined $options{secret} ? $options{secret} : '0123456789abcdef0123456789abcdef';
    my $alg    = exists $options{alg}     ? $options{alg}    : 'HS256';
    my $header = $options{header};
    if (!defined $header) {
        $header = {typ => 'JWT', defined $alg ? (alg => $alg) : (), defined $options{kid} ? (kid => $options{kid}) : ()};
    }
    if (ref $claims eq 'HASH') {
        my %claims = (exp => $now + 3600, %$claims);
        $claims = {map { defined $claims{$_} ? ($_ => $claims{$_}) : () } keys %claims};
    }
    my @parts = map { encode_base64url(json_text($_)) } $header, $claims;
    my $hmac = {HS256 => \&hmac_sha256, HS384 => \&hmac_sha384, HS512 => \&hmac_sha512}->{$options{by} || $alg || ''} || \&hmac_sha256;
    my $mac = $hmac->(join('.', @parts), $secret);
    $mac = ref $options{mac} ? $options{mac}->($mac) : $options{mac} if defined $options{mac};
    return @parts, encode_base64url($mac);
}

# A link with the token in the argument `token`, and more arguments behind it.
sub jwt_link {
    my ($path, $claims, %options) = @_;
    return "$path?token=" . jwt($claims, %options) . (defined $options{args} ? "&$options{args}" : '');
}

# The key of the vectors, in hexadecimal.
sub edgeauth_key () { '52a152a152a152a152a152a152a152a1' }

# edgeauth(%fields): a token that lasts an hour, unless `exp` says something else.
#
#     ip, st, exp, acl, id, data    the fields; undef leaves one out
#     url, salt                     what else is signed
#     early                         `form` or `component`, as the libraries' escape_early
#     key, algorithm                hexadecimal; sha256, sha1 or md5
#     text                          everything before "~hmac=", instead of the fields
#     mac                           hexadecimal, instead of the right one
sub edgeauth {
    my (%options) = @_;
    my $early = sub { $options{early} ? edgeauth_early($_[0], $options{early}) : $_[0] };
    $options{exp} = $now + 3600 unless exists $options{exp};
    my @fields;
    for my $name (qw(ip st exp acl id data)) {
        next unless defined $options{$name};
        push @fields, "$name=" . ($name =~ /\A(?:ip|id|data)\z/ ? $early->($options{$name}) : $options{$name});
    }
    my $text   = defined $options{text} ? $options{text} : join '~', @fields;
    my $signed = $text;
    $signed .= '~url=' . $early->($options{url}) if defined $options{url};
    $signed .= "~salt=$options{salt}"            if defined $options{salt};
    my $mac = $options{mac};
    $mac = hex_mac($options{algorithm} || 'sha256', $signed, pack 'H*', defined $options{key} ? $options{key} : edgeauth_key)
        unless defined $mac;
    return "$text~hmac=$mac";
}

sub hex_mac {
    my ($algorithm, $text, $key) = @_;
    return hmac_sha256_hex($text, $key) if $algorithm eq 'sha256';
    return hmac_sha1_hex($text, $key)   if $algorithm eq 'sha1';
    # RFC 2104, with blocks of 64 bytes.
    $key .= "\0" x (64 - length $key);
    return Digest::MD5::md5_hex(($key ^ "\x5c" x 64) . Digest::MD5::md5(($key ^ "\x36" x 64) . $text));
}

# What Python's quote_plus (`form`) or JavaScript's encodeURIComponent (`component`) make of bytes, and Akamai's
# libraries of that.
sub edgeauth_early {
    my ($text, $how) = @_;
    my $literal = $how eq 'form' ? qr/[A-Za-z0-9_.~-]/ : qr/[A-Za-z0-9_.!()-]/;
    $text =~ s/(.)/my $byte = $1; $byte =~ $literal ? $byte : sprintf '%%%02x', ord $byte/ges;
    $text =~ s/%20/+/g if $how eq 'form';
    return $text;
}

# A link with the token in the argument `hdnts`; the path as it is sent. Without an acl, and without a text, the path
# is what is signed.
sub edgeauth_link {
    my ($path, %options) = @_;
    $options{url} = $path unless defined $options{acl} || defined $options{text} || exists $options{url};
    return "$path?hdnts=" . edgeauth(%options) . (defined $options{args} ? "&$options{args}" : '');
}

sub sigv4_secret () { 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY' }

# RFC 3986: everything but unreserved characters is escaped, and those of $literal are not.
sub aws_encode {
    my ($text, $literal) = @_;
    $literal = '' unless defined $literal;
    $text =~ s/([^A-Za-z0-9_.~$literal-])/sprintf '%%%02X', ord $1/ges;
    return $text;
}

sub aws_date {
    my ($second, $minute, $hour, $day, $month, $year) = gmtime shift;
    return sprintf '%04d%02d%02dT%02d%02d%02dZ', $year + 1900, $month + 1, $day, $hour, $minute, $second;
}

# sigv4($key, %options): the request target of a link for the object `$key`, "/bucket/name" in the bytes of its name.
#
#     method, host      GET, and localhost
#     time, expires     a minute ago, and 3600
#     id, secret        AKIAIOSFODNN7EXAMPLE and its secret
#     region, service   us-east-1 and s3
#     args              [name => value, ...] to be signed, in their bytes
#     headers           [name => value, ...] to be signed besides `host`; names in lower case
#     set               {'X-Amz-Date' => ...}: what is written, and signed, instead; undef leaves it out
#     scope             what the string to sign has as its scope, if not that of the credential
#     sent              a function of the list of raw "name=value", in the order of the URL, to what is sent of it
#     target            the path as it is sent, and signed after decoding it once; instead of $key
#     signature         what is sent as the signature; or a function that changes it
sub sigv4 {
    my ($key, %options) = @_;
    my $or = sub { my ($name, $default) = @_; return defined $options{$name} ? $options{$name} : $default };
    my $date    = aws_date($or->(time => $now - 60));
    my $day     = substr $date, 0, 8;
    my ($region, $service) = ($or->(region => 'us-east-1'), $or->(service => 's3'));
    my $secret  = $or->(secret => sigv4_secret);
    my @headers = ([host => $or->(host => 'localhost')]);
    my @more    = @{$options{headers} || []};
    push @headers, [splice @more, 0, 2] while @more;
    @headers = sort { $a->[0] cmp $b->[0] } @headers;

    my @args;
    my @given = @{$options{args} || []};
    push @args, [splice @given, 0, 2] while @given;
    my $scope = "$day/$region/$service/aws4_request";
    my %set = %{$options{set} || {}};
    for (
        ['X-Amz-Algorithm'     => 'AWS4-HMAC-SHA256'],
        ['X-Amz-Credential'    => $or->(id => 'AKIAIOSFODNN7EXAMPLE') . "/$scope"],
        ['X-Amz-Date'          => $date],
        ['X-Amz-Expires'       => $or->(expires => 3600)],
        ['X-Amz-SignedHeaders' => join ';', do { my %seen; grep { !$seen{$_}++ } map { $_->[0] } @headers }],
    ) {
        my ($name, $value) = @$_;
        $value = delete $set{$name} if exists $set{$name};
        push @args, [$name, $value] if defined $value;
    }
    push @args, [$_, $set{$_}] for sort keys %set;
    my ($written) = map { $_->[1] =~ m{/(.*)}s } grep { $_->[0] eq 'X-Amz-Credential' } @args;
    $scope = $or->(scope => defined $written ? $written : $scope);
    ($date) = ((map { $_->[1] } grep { $_->[0] eq 'X-Amz-Date' } @args), $date);

    my $path = $options{target};
    $path = aws_encode($key, '/') unless defined $path;
    (my $decoded = $path) =~ s/%([0-9A-Fa-f]{2})/chr hex $1/ge;
    my %lines;
    for (@headers) {
        my ($name, $value) = @$_;
        $value =~ s/\A +| +\z//g;
        $value =~ s/ +/ /g;
        push @{$lines{$name}}, $value;
    }
    my $request = join "\n",
        $or->(method => 'GET'), aws_encode($decoded, '/'),
        join('&', map { "$_->[0]=$_->[1]" } sort { $a->[0] cmp $b->[0] || $a->[1] cmp $b->[1] } map { [aws_encode($_->[0]), aws_encode($_->[1])] } @args),
        (map { "$_:" . join ',', @{$lines{$_}} } sort keys %lines), '', join(';', sort keys %lines), 'UNSIGNED-PAYLOAD';
    my $signing = 'AWS4' . $secret;
    my ($scope_day, $scope_region, $scope_service) = split m{/}, $scope, -1;
    $signing = hmac_sha256($_, $signing) for map { defined $_ ? $_ : '' } $scope_day, $scope_region, $scope_service, 'aws4_request';
    my $signature = hmac_sha256_hex(join("\n", 'AWS4-HMAC-SHA256', $date, $scope, sha256_hex($request)), $signing);
    $signature = ref $options{signature} ? $options{signature}->($signature) : $options{signature} if exists $options{signature};

    my @sent = map { aws_encode($_->[0]) . '=' . aws_encode($_->[1]) } @args;
    push @sent, "X-Amz-Signature=$signature" if defined $signature;
    @sent = $options{sent}->(@sent) if $options{sent};
    return "$path?" . join '&', @sent;
}

1;
