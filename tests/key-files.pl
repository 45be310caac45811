#!/usr/bin/env perl

# Key files that vanish, cannot be read or hold something else when nginx is reloaded: the configuration that it had
# goes on, with the keys that it had, and the mistake is in the log without a byte of the file.
#
#   MODULE=/path/to.so NGINX=nginx tests/key-files.pl

use strict;
use warnings;

use FindBin;
use Test::More;

use lib "$FindBin::Bin/lib", "$FindBin::Bin/../t/lib";
use NginxServer;
use SecureLink;

my %secret = map { $_ => "the secret named $_, long enough" } qw(single ring next);
my %hex    = map { $_ => unpack 'H*', $secret{$_} } keys %secret;
my $nginx  = NginxServer->new(log_level => 'notice');
my $dir    = $nginx->{dir};

sub good_files {
    chmod 0755, "$dir/keys";
    system 'rm', '-rf', "$dir/keys/$_" for 'single.key', 'ring.key', 'more.conf';
    $nginx->write_file('keys/single.key', "$secret{single}\n", 0600);
    $nginx->write_file('keys/ring.key',   "$hex{ring}\n",      0600);
    $nginx->write_file('keys/more.conf',  "next hex:$hex{next};\n", 0600);
}

mkdir "$dir/keys" or die $!;
good_files();
$nginx->write_file('files/a.txt', "a file\n");
$nginx->configure(<<'_END_', http => 'secure_link_hmac_keyring ring { acme file:keys/ring.key format=hex; include keys/more.conf; }');
    secure_link_hmac          $arg_st,$arg_ts,$arg_e;
    secure_link_hmac_message  $uri|$arg_ts|$arg_e;
    add_header                X-Verdict $secure_link_hmac_status always;
    location /single/ {
        secure_link_hmac_secret   file:keys/single.key;
        secure_link_hmac_enforce  on;
        try_files                 /a.txt =404;
    }
    location /ring/ {
        secure_link_hmac_keys     ring;
        secure_link_hmac_enforce  on;
        try_files                 /a.txt =404;
    }
_END_
$nginx->start;

my @links = (
    [SecureLink::link('/single/a', secret => $secret{single}), 200], [SecureLink::link('/single/a', secret => $secret{ring}), 403],
    [SecureLink::link('/ring/a', secret => $secret{ring}), 200],     [SecureLink::link('/ring/a', secret => $secret{next}), 200],
    [SecureLink::link('/ring/a', secret => $secret{single}), 403],   [SecureLink::link('/single/a', secret => ''), 403],
    [SecureLink::link('/ring/a', secret => "\0" x 32), 403],
);

sub statuses { [map { $nginx->get($_->[0])->{status} } @links] }

my @right = map { $_->[1] } @links;
is_deeply statuses(), \@right, 'keys from files';

my $garbage = join '', map { chr((7 * $_ * $_ + 13 * $_) % 256) } 1 .. 300;
my @mistakes = (
    ['a file vanishes', 'single.key', sub { unlink "$dir/keys/single.key" }],
    ['the file of a ring vanishes', 'ring.key', sub { unlink "$dir/keys/ring.key" }],
    ['an included file vanishes', 'more.conf', sub { unlink "$dir/keys/more.conf" }],
    ['a file is empty', 'single.key', sub { $nginx->write_file('keys/single.key', '', 0600) }],
    ['a file has only a line end', 'single.key', sub { $nginx->write_file('keys/single.key', "\n", 0600) }],
    ['a file is cut short', 'single.key', sub { $nginx->write_file('keys/single.key', substr($secret{single}, 0, 12), 0600) }],
    ['the file of a ring is empty', 'ring.key', sub { $nginx->write_file('keys/ring.key', '', 0600) }],
    ['the file of a ring is garbage', 'ring.key', sub { $nginx->write_file('keys/ring.key', $garbage, 0600) }],
    ['the file of a ring has half a byte too few', 'ring.key', sub { $nginx->write_file('keys/ring.key', substr($hex{ring}, 1), 0600) }],
    ['an included file is garbage', 'more.conf', sub { $nginx->write_file('keys/more.conf', $garbage, 0600) }],
    ['an included file is cut short', 'more.conf', sub { $nginx->write_file('keys/more.conf', 'next hex:', 0600) }],
    ['a file is a directory', 'single.key', sub { unlink "$dir/keys/single.key"; mkdir "$dir/keys/single.key" }],
    ['a file is a link to itself', 'single.key', sub { unlink "$dir/keys/single.key"; symlink 'single.key', "$dir/keys/single.key" }],
    ['a file is endless', 'single.key', sub { unlink "$dir/keys/single.key"; symlink '/dev/zero', "$dir/keys/single.key" }],
    ['a file is a pipe that nobody writes to', 'ring.key', sub { unlink "$dir/keys/ring.key"; system 'mkfifo', "$dir/keys/ring.key" }],
    # Whoever is root reads what nobody may.
    $> ? ['a file may not be read', 'single.key', sub { chmod 0, "$dir/keys/single.key" }] : (),
);

for (@mistakes) {
    my ($what, $name, $do) = @$_;
    my $worker  = $nginx->worker;
    my $refused = () = $nginx->log =~ /\[emerg\]/g;
    $do->();
    kill HUP => $nginx->pid;
    $nginx->wait_for("$what: the reload is refused", sub { (() = $nginx->log =~ /\[emerg\]/g) > $refused });
    my ($line) = ($nginx->log =~ /^(.*\[emerg\].*)$/mg)[-1];
    like $line, qr/\Q$name\E|"secure_link_hmac_\w+" .* in \S+nginx\.conf:\d+$/, "$what: the log says where";
    is_deeply statuses(), \@right, "$what: the keys that nginx had go on";
    is $nginx->worker, $worker, "$what: in the same worker";
    good_files();
}

$nginx->reload;
is_deeply statuses(), \@right, 'a reload with the right files is possible';
my $log = $nginx->log;
unlike $log, qr/\[(?:alert|crit)\]|exited on signal|panic/, 'nothing alarming is logged';
is_deeply [grep { index($log, $_) >= 0 } map { substr($secret{$_}, 0, 12), substr($hex{$_}, 1, 24) } qw(ring next)], [], 'no secret is in the log';
unlike $log, qr/[^\x09\x0a\x20-\x7e]/, 'nor the bytes of a file';
is $nginx->stop, 0, 'nginx ends in order';

done_testing;
