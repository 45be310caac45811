package SecureLink;

# Signs links for the suites in t/, by Perl and openssl and never by the module's own code.
#
#     use lib 't/lib';
#     use SecureLink;
#
# exports everything below into the suite and into Test::Base::Filter, where the `eval` sections
# of test blocks run. Filters run before the first block is tested: keep times minutes away from a
# border.

use strict;
use warnings;

use Carp qw(croak);
use Digest::SHA ();
use File::Temp ();
use MIME::Base64 qw(encode_base64 encode_base64url);

our @EXPORT = qw(secret other_secret mac token link link_args escape_token http_date iso_date);

our @ALGORITHMS = qw(
    md5 sha1 sha224 sha256 sha384 sha512 sha512-224 sha512-256 sha3-224 sha3-256 sha3-384 sha3-512
    blake2b512 blake2s256 sm3 rmd160
);

sub import {
    no strict 'refs';
    my $caller = caller;
    for my $name (@EXPORT) {
        *{"${_}::$name"} = \&$name for 'Test::Base::Filter', $caller;
    }
}

# The secret of the vectors, as the text a configuration holds.
sub secret () { '0123456789abcdef0123456789abcdef' }

# A secret that no configuration should accept unless it names it.
sub other_secret () { 'fedcba9876543210fedcba9876543210' }

# mac($message, $secret, $algorithm): the raw bytes of the HMAC.
sub mac {
    my ($message, $secret, $algorithm) = @_;
    $secret    = secret   unless defined $secret;
    $algorithm = 'sha256' unless defined $algorithm;
    (my $name = $algorithm) =~ s/^sha512-(224|256)$/sha512$1/;
    my $hmac = Digest::SHA->can("hmac_$name");
    return $hmac ? $hmac->($message, $secret) : openssl_mac($message, $secret, $algorithm);
}

sub openssl_mac {
    my ($message, $secret, $algorithm) = @_;
    croak "unknown algorithm $algorithm" unless $algorithm =~ /\A[a-z0-9-]+\z/;
    my $input = File::Temp->new;
    binmode $input;
    print {$input} $message;
    close $input;
    my @command = (
        'openssl', 'dgst', "-$algorithm", '-mac', 'HMAC',
        '-macopt', 'hexkey:' . unpack('H*', $secret), '-binary', $input->filename,
    );
    open my $openssl, '-|', @command or croak "openssl: $!";
    binmode $openssl;
    local $/;
    my $mac = <$openssl>;
    close $openssl or croak "openssl cannot make an HMAC with $algorithm";
    return $mac;
}

# token($message, secret => , algorithm => , encoding => ): the token of a message.
#
# base64url has no padding, base64 has it, hex is in lower case.
sub token {
    my ($message, %options) = @_;
    my $mac = mac($message, $options{secret}, $options{algorithm});
    my $encoding = $options{encoding} || 'base64url';
    return encode_base64url($mac) if $encoding eq 'base64url';
    return encode_base64($mac, '') if $encoding eq 'base64';
    return unpack 'H*', $mac if $encoding eq 'hex';
    croak "unknown encoding $encoding";
}

# link($path, %options): "$path?st=TOKEN&ts=TIME&e=LIFETIME", where by default the link was issued
# ten seconds ago for an hour and the message is "$path|TIME|LIFETIME".
#
#     ts, e                          the time and the lifetime; undef leaves the argument out
#     message                        what is signed, instead of the text above
#     st                             a token to use as it is
#     secret, algorithm, encoding    as for token()
#     args                           a query string to put behind the link's own arguments
#
# A default time is read once in a test file, so that two links of one request are the same.
my $issued = time() - 10;

sub link {
    my ($path, %options) = @_;
    return "$path?" . link_args($path, %options);
}

# link_args($path, %options): the same without "$path?".
sub link_args {
    my ($path, %options) = @_;
    my $ts = exists $options{ts} ? $options{ts} : $issued;
    my $e  = exists $options{e}  ? $options{e}  : 3600;
    my $message = $options{message};
    $message = join '|', $path, map { defined $_ ? $_ : '' } $ts, $e unless defined $message;
    my $st = $options{st};
    $st = escape_token(token($message, %options)) unless defined $st;
    my @args = "st=$st";
    push @args, "ts=$ts" if defined $ts;
    push @args, "e=$e"   if defined $e;
    push @args, $options{args} if defined $options{args};
    return join '&', @args;
}

# escape_token($token): the token as an HTTP client writes it into a query string.
sub escape_token {
    my ($text) = @_;
    $text =~ s/([+\/=])/sprintf '%%%02X', ord $1/ge;
    return $text;
}

# http_date($time): an IMF-fixdate.
sub http_date {
    my ($second, $minute, $hour, $day, $month, $year, $weekday) = gmtime shift;
    return sprintf '%s, %02d %s %04d %02d:%02d:%02d GMT',
        (qw(Sun Mon Tue Wed Thu Fri Sat))[$weekday], $day,
        (qw(Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec))[$month], $year + 1900,
        $hour, $minute, $second;
}

# iso_date($time, $offset): ISO 8601 with an offset such as "+05:30"; "Z" without one.
sub iso_date {
    my ($time, $offset) = @_;
    if (defined $offset && $offset =~ /\A([+-])(\d\d):(\d\d)\z/) {
        $time += ($1 eq '-' ? -1 : 1) * ($2 * 3600 + $3 * 60);
    }
    my ($second, $minute, $hour, $day, $month, $year) = gmtime $time;
    return sprintf '%04d-%02d-%02dT%02d:%02d:%02d%s',
        $year + 1900, $month + 1, $day, $hour, $minute, $second, defined $offset ? $offset : 'Z';
}

1;
