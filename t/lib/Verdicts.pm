package Verdicts;

# Suites that are tables of requests and verdicts. A suite that says
#
#     use lib 't/lib';
#     use Test::Nginx::Socket 'no_plan';
#     use Verdicts <<'_END_';
#         ... the policy ...
#     _END_
#
# gets that policy in the server of each block, enforced, an X-Verdict header in every response, and a file for every
# path. Blocks have
#
#     --- policy         instead of the suite's
#     --- config         behind it
#     --- cases eval     the table: lists of what is expected and a request, or a function that makes them when
#                        the block's turn comes
#
# An expectation is a verdict, as in "granted", with a status before it if it is not the verdict's own, as in
# "405 granted", or a status alone, where nginx never asks the module. More headers of the response follow it, one a
# line: "granted\nX-Subject: acme". A request is a target, with a method before it if it is not GET, and a list's third
# member are headers of the request.

use strict;
use warnings;

use Test::More ();
use Test::Nginx::Socket ();

my %status = (granted => 200, expired => 410, exhausted => 410, unavailable => 503);
my $policy;

sub import {
    my ($class, $text) = @_;
    $policy = $text;
    Test::Nginx::Socket::no_root_location();
}

Test::Nginx::Socket::add_block_preprocessor(sub {
    my ($block) = @_;

    my $own = $block->policy;
    $block->set_value(config => join "\n", defined $own ? $own : $policy,
        'secure_link_hmac_enforce on;',
        'add_header X-Verdict "$secure_link_hmac_status" always;',
        $block->config || (),
        'location / { empty_gif; }');
    $block->set_value(log_level => 'info') unless defined $block->log_level;
    $block->set_value(no_error_log => "[error]\n[crit]\n[alert]") unless defined $block->no_error_log || defined $block->error_log;

    my @cases = $block->cases;
    return unless @cases;
    @cases = map { ref eq 'CODE' ? $_->() : $_ } @cases;
    my (@requests, @headers, @codes, @expected);
    for (@cases) {
        my ($expected, $request, $headers) = @$_;
        my ($code, $verdict, $more) = $expected =~ /\A(\d{3})?\s*([a-z_]*)\n?(.*)\z/s or die "$expected?";
        $request = "GET $request" unless $request =~ /\A[A-Z]+ /;
        $headers = '' unless defined $headers;
        push @requests, $request;
        push @headers, $headers =~ /[^\n]\z/ ? "$headers\n" : $headers;
        push @codes, $code || $status{$verdict} || 403;
        push @expected, ($verdict ne '' ? "X-Verdict: $verdict\n" : '') . $more;
    }
    $block->set_value(request => \@requests);
    $block->set_value(more_headers => \@headers);
    $block->set_value(error_code => \@codes);
    $block->set_value(response_headers => \@expected);
});

# A failure is that of a block: tell which of its requests it was.
my ($failures, $is_last) = (0, 1);
Test::Nginx::Socket::add_response_body_check(sub {
    my ($block, undef, $index) = @_;
    $is_last = !$block->cases || $index == $#{$block->request};
    my $builder = Test::More->builder;
    return if $builder->is_passing;
    my $now = grep { !$_ } $builder->summary;
    $builder->diag("request $index: ", $block->request->[$index], "\n", $block->more_headers->[$index]) if $now > $failures && $block->cases;
    $failures = $now;
});

# Test::Nginx waits for the log after each request; once for the requests of a block is enough.
my $error_log_data = \&Test::Nginx::Socket::error_log_data;
{
    no warnings qw(redefine prototype);
    *Test::Nginx::Socket::error_log_data = sub () {
        local $Test::Nginx::Util::TestNginxSleep = $is_last ? $Test::Nginx::Util::TestNginxSleep : 0;
        return $error_log_data->();
    };
}

1;
