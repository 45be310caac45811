#!/usr/bin/env perl
# perl sign.pl SECONDS PATH...
use strict;
use warnings;

use Digest::SHA qw(hmac_sha256);
use MIME::Base64 qw(encode_base64url);

# The path is bytes: encode_utf8 makes them of characters.
sub link_to {
    my ($path, $seconds) = @_;
    my $ts = time;
    my $key = $ENV{SECURE_LINK_SECRET} // die "SECURE_LINK_SECRET is not set\n";
    my $st = encode_base64url(hmac_sha256("$path|$ts|$seconds", $key));
    my $encoded = $path =~ s{([^A-Za-z0-9._~/-])}{sprintf '%%%02X', ord $1}ger;
    return "$encoded?st=$st&ts=$ts&e=$seconds";
}

my ($seconds, @paths) = @ARGV;
print link_to($_, $seconds), "\n" for @paths;
