package Limits;

# What the suites of secure_link_hmac_limit share. A suite that says
#
#     use lib 't/lib';
#     use Test::Nginx::Socket 'no_plan';
#     use Limits;
#
# gets a credential, a message, a ring of two keys and files, the headers X-Verdict and X-Uses in every response, and the
# client's address out of X-Forwarded-For. Each block has a zone of its own, which it calls ZONE: where blocks are reloads
# of one nginx, zones live on.
#
# Everything below `import` is the suite's, which calls it as `::ask(...)` in the `eval` sections of its blocks.

use strict;
use warnings;

use MIME::Base64 ();
use SecureLink ();
use Test::Nginx::Socket ();

my %secret = (acme => 'acme-key' x 4, globex => 'globex-k' x 4);
my $ring   = join "\n", map { "        $_ hex:" . unpack('H*', $secret{$_}) . ';' } sort keys %secret;
my $number = 0;

Test::Nginx::Socket::add_block_preprocessor(sub {
    my ($block) = @_;
    $number += 1;
    my $in = sub { $_[0] =~ s/\bZONE\b/limit$number/gr };
    $block->set_value(http_config => $in->(<<"_EOC_" . ($block->http_config || '')));
    secure_link_hmac_zone ZONE:64k;
    secure_link_hmac_keyring partners {
$ring
    }
    real_ip_header X-Forwarded-For;
    set_real_ip_from 127.0.0.1;
_EOC_
    my $message = $block->config =~ /^secure_link_hmac_message/m ? '' : 'secure_link_hmac_message $uri|$arg_ts|$arg_e;';
    $block->set_value(config => $in->($message . <<'_EOC_' . $block->config));
    secure_link_hmac $arg_st,$arg_ts,$arg_e;
    secure_link_hmac_keys partners $arg_k;
    add_header X-Verdict $secure_link_hmac_status always;
    add_header X-Uses $secure_link_hmac_uses always;
_EOC_
    $block->set_value(user_files => <<"_EOC_" . ($block->user_files || ''));
>>> f/a.txt
a file
>>> f/b.txt
another
>>> g/a.txt
a file elsewhere
>>> internal/f/a.txt
handed over
>>> f/small
${\('x' x 2000)}
>>> f/large
${\('x' x 20000)}
>>> internal/f/large
${\('x' x 20000)}
>>> sorry.txt
sorry
>>> ../conf/users
ann:{PLAIN}secret
_EOC_
    $block->set_value(log_level => 'info');
});

sub import {
    no strict 'refs';
    my $caller = caller;
    *{"${caller}::$_"} = \&$_ for qw(ask anywhere times verdicts uses);
    *{"${caller}::$_"} = \${$_} for qw(then late password);
}

# Times of issue: a link of an hour is good by the first, and has expired by the second.
our ($then, $late) = (time() - 20, time() - 3900);

our $password = 'Authorization: Basic ' . MIME::Base64::encode_base64('ann:secret', '');

# A request with a link by acme's key, or by that of the option `by`.
sub ask {
    my ($path, %options) = @_;
    my $method = delete $options{method} || 'GET';
    my $name   = delete $options{by}     || 'acme';
    my $args   = join '&', "k=$name", delete $options{args} // ();
    return "$method " . SecureLink::link($path, secret => $secret{$name}, args => $args, %options);
}

# A request with a link of acme's that is good for all paths, where the message is $arg_k|$arg_ts|$arg_e.
sub anywhere {
    my ($path) = @_;
    return "GET $path?k=acme&ts=$then&e=3600&st=" . SecureLink::token("acme|$then|3600", secret => $secret{acme});
}

sub times { my ($count, @what) = @_; return (@what) x $count }
sub verdicts { return map { "X-Verdict: $_" } @_ }
sub uses { return map { "X-Uses: $_" } @_ }

1;
