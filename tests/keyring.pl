#!/usr/bin/env perl

# A ring of 10 000 keys: what it adds to the time of `nginx -t`, that each key is found as fast as another,
# and that a reload with a changed ring, under load, stops a key and lets a new one in without a lost
# request.
#
#   MODULE=/path/to.so NGINX=nginx tests/keyring.pl

use strict;
use warnings;

use FindBin;
use Test::More;
use Time::HiRes qw(sleep time);

use lib "$FindBin::Bin/lib", "$FindBin::Bin/../t/lib";
use NginxServer;
use SecureLink;

my $many  = 10_000;
my $nginx = NginxServer->new(workers => 2, log_level => 'notice');

my %secret = map { $_ => "the secret of the partner $_" } qw(kept stopped started expiring stranger);
my %link   = map { $_ => SecureLink::link('/files/a.txt', secret => $secret{$_}, e => 600, args => "k=$_") } keys %secret;

sub hex_of { 'hex:' . unpack 'H*', $_[0] }

my $policy = <<'_END_';
            secure_link_hmac          $arg_st,$arg_ts,$arg_e;
            secure_link_hmac_message  $uri|$arg_ts|$arg_e;
            secure_link_hmac_keys     partners $arg_k;
_END_

sub server {
    return <<"_END_";
        location /files/ {
            $policy
            secure_link_hmac_enforce  on;
            secure_link_hmac_pass     /internal\$uri;
            add_header X-Verdict "\$secure_link_hmac_status [\$secure_link_hmac_key_id]" always;
        }
        location /internal/files/ {
            internal;
            alias $nginx->{dir}/files/;
            add_header X-Verdict "\$secure_link_hmac_status [\$secure_link_hmac_key_id]" always;
        }
_END_
}

sub ring { return join "\n", 'secure_link_hmac_keyring partners {', @_, '}' }

# The lines of the partners that are named, of which some have parameters.
sub lines {
    my (%partners) = @_;
    return map { "$_ " . hex_of($secret{$_}) . " $partners{$_};" } sort keys %partners;
}

my @many = map { sprintf 'partner-%05d hex:%064x;', $_, $_ + 1 } 1 .. $many;

$nginx->write_file('files/a.txt', "a file\n");

# What the ring adds to `nginx -t`: the medians of processor time, which other load hardly changes, and
# for the reader of real time.
{
    my $check = sub {
        my ($ring) = @_;
        $nginx->configure(server(), http => $ring);
        my ($from, @before) = (time, times);
        my ($said, $status) = $nginx->check;
        my @after = times;
        is $status, 0, 'nginx accepts it' or diag $said;
        return [$after[2] + $after[3] - $before[2] - $before[3], time - $from];
    };
    my $median = sub { my @sorted = sort { $a <=> $b } @_; $sorted[@sorted / 2] };
    $nginx->write_file('many.conf', join "\n", @many);
    my $sha512 = "server { $policy secure_link_hmac_algorithm sha512; }";
    my %ring = (
        'a ring of one key'                      => ring(lines(kept => '')),
        "a ring of $many keys"                   => ring(lines(kept => ''), @many),
        "a ring of $many keys in another file"   => ring(lines(kept => ''), 'include many.conf;'),
        "a ring of $many keys in two algorithms" => ring(lines(kept => ''), @many) . $sha512,
    );
    my %times;
    for my $turn (1 .. 5) {
        push @{ $times{$_} }, $check->($ring{$_}) for sort keys %ring;
    }
    my %used = map { $_ => $median->(map { $_->[0] } @{ $times{$_} }) } keys %times;
    for my $name (sort keys %ring) {
        note sprintf 'nginx -t with %s: %.0f ms, %.0f ms of processor time', $name,
            1000 * $median->(map { $_->[1] } @{ $times{$name} }), 1000 * $used{$name};
        cmp_ok $used{$name} - $used{'a ring of one key'}, '<', 0.2, "$name adds less than 0.2 s";
    }
}

# Each key of it is found, and none as slowly as a search would be.
{
    $nginx->configure(server(), http => ring(lines(kept => ''), @many, lines(stopped => '')));
    $nginx->start;
    my $link = sub {
        my ($number) = @_;
        return SecureLink::link('/files/a.txt', secret => pack('H*', sprintf '%064x', $number + 1), args => sprintf 'k=partner-%05d', $number);
    };
    for my $number (1, 2, $many / 2, $many - 1, $many) {
        my $response = $nginx->get($link->($number));
        is $response->{status}, 200, "key $number of $many is found";
        is $response->{header}{'x-verdict'}, sprintf('granted [partner-%05d]', $number), 'and named';
    }
    is $nginx->get($link->($many + 1))->{status}, 403, 'a key that is not there is not found';
    is $nginx->get($link{$_})->{status}, 200, "the key $_ is found" for qw(kept stopped);
    is $nginx->stop, 0, 'nginx ends in order';
}

# Clients, each of which notes when it asked, with which link, and what it got.
$nginx->configure(server(), http => ring(lines(kept => '', stopped => '', expiring => ''), @many));
$nginx->start;

my @clients;
for my $number (1 .. 3) {
    my $pid = fork;
    die "fork: $!" unless defined $pid;
    if (!$pid) {
        my $stop = 0;
        $SIG{TERM} = sub { $stop = 1 };
        open my $notes, '>', "$nginx->{dir}/notes$number" or die $!;
        until ($stop) {
            for my $name (sort keys %link) {
                my $asked    = time;
                my $response = $nginx->get($link{$name});
                my $whole    = $response->{status} != 200
                    || $response->{body} eq "a file\n" && $response->{header}{'x-verdict'} eq "granted [$name]";
                printf {$notes} "%.6f %.6f %s %s\n", $asked, time, $name, $whole ? $response->{status} : 'broken';
            }
            sleep 0.002;
        }
        close $notes or die $!;
        require POSIX;
        POSIX::_exit(0);
    }
    push @clients, $pid;
}

# What holds from one moment to the next: [from, to, { link name => status }].
my @spans;

sub span {
    my ($seconds, %expected) = @_;
    my $from = time;
    sleep $seconds;
    push @spans, [$from, time, {%expected}];
}

span(0.5, stopped => 200, started => 403, expiring => 200);

# Revoked, added, and retired; the lines move, too.
$nginx->configure(server(), http => ring(reverse(@many), lines(kept => 'not_before=1', stopped => 'revoked', started => '', expiring => 'not_after=' . (time() - 60) =~ s/\..*//r)));
$nginx->reload;
span(0.5, stopped => 403, started => 200, expiring => 403);

# Taken out, in a file that the ring includes.
$nginx->write_file('partners.conf', join "\n", lines(kept => '', stopped => '', expiring => 'issued_after=1'));
$nginx->configure(server(), http => ring(@many, 'include partners.conf;'));
$nginx->reload;
span(0.3, stopped => 200, started => 403, expiring => 200);
$nginx->write_file('partners.conf', join "\n", lines(kept => '', started => '', expiring => 'issued_after=' . (int(time) + 60)));
span(0.3, stopped => 200, started => 403, expiring => 200);
$nginx->reload;
span(0.3, stopped => 403, started => 200, expiring => 403);

# A ring that cannot be read changes nothing.
for my $wrong ("started $secret{started};", 'started hex:0;', 'started file:missing.key;', '} secure_link_hmac_keyring partners { started ' . hex_of($secret{started}) . ';') {
    my $lines = () = $nginx->log =~ /\[emerg\].*secure_link_hmac_keyring/g;
    $nginx->write_file('partners.conf', join "\n", lines(stopped => ''));
    $nginx->configure(server(), http => ring($wrong, 'include partners.conf;'));
    kill HUP => $nginx->pid;
    $nginx->wait_for('the mistake is logged', sub { $lines < (() = $nginx->log =~ /\[emerg\].*secure_link_hmac_keyring/g) });
    span(0.1, stopped => 403, started => 200, expiring => 403);
}

# Many reloads at once.
for my $turn (1 .. 6) {
    $nginx->configure(server(), http => ring(@many, $turn % 2 ? lines(kept => '', stopped => '') : lines(kept => '', started => '')));
    kill HUP => $nginx->pid;
    sleep 0.05;
}
$nginx->reload;
span(0.5, stopped => 403, started => 200, expiring => 403);

kill TERM => @clients;
waitpid $_, 0 for @clients;

my @notes = map { [split] } map { split /\n/, NginxServer::slurp("$nginx->{dir}/notes$_") } 1 .. @clients;
cmp_ok scalar @notes, '>', 500, 'there was some load';
note scalar(@notes) . ' requests';

my %seen;
$seen{ $_->[2] }{ $_->[3] }++ for @notes;
is_deeply [sort keys %{ $seen{kept} }],     ['200'],        'no link of the partner that stays failed';
is_deeply [sort keys %{ $seen{stranger} }], ['403'],        'no link of a stranger passed';
is_deeply [sort keys %{ $seen{$_} }],       ['200', '403'], "a link of $_ was granted or refused, nothing else"
    for qw(stopped started expiring);

for my $at (0 .. $#spans) {
    my ($from, $to, $expected) = @{ $spans[$at] };
    for my $name (sort keys %$expected) {
        my %got = map { $_->[3] => 1 } grep { $_->[2] eq $name && $_->[0] > $from && $_->[1] < $to } @notes;
        is_deeply [keys %got], [$expected->{$name}], "in span $at a link of $name is $expected->{$name}";
    }
}

my $log = $nginx->log;
unlike $log, qr/\[(?:alert|crit)\]/, 'nothing is logged above an error but what was meant';
unlike $log, qr/exited on signal/, 'no worker died';
for my $name (sort keys %secret) {
    unlike $log, qr/\Q$secret{$name}\E/, 'the log has no secret';
    unlike $log, qr/@{[ unpack 'H*', $secret{$name} ]}/i, 'nor in hexadecimal';
}
is $nginx->stop, 0, 'nginx ends in order';

# A key file's secret is nowhere in memory once its key is made. (What is written in the configuration
# itself, nginx leaves behind in the buffers through which it reads it.)
{
    $nginx->write_file('kept.key', "$secret{kept}\n", 0600);
    $nginx->write_file('hex.key',  unpack('H*', $secret{started}), 0600);
    $nginx->configure(server(), http => ring('kept file:kept.key;', 'started file:hex.key format=hex;')
        . 'map $uri $there { default "a text that is there"; }');
    $nginx->start;
    is $nginx->get($link{$_})->{status}, 200, "the key $_ is read from a file" for qw(kept started);
    for my $process ($nginx->pid, $nginx->workers) {
        my @found = grep { found_in($process, $_) } map { $_, unpack 'H*', $_ } @secret{qw(kept started)};
        is_deeply \@found, [], 'it is not in the memory of a process';
        ok found_in($process, 'a text that is there'), 'which was really read';
    }
    is $nginx->stop, 0, 'nginx ends in order';
}

# Nor are its pads, from which it follows (RFC 2104, section 2), whatever the algorithm.
{
    my @algorithms = qw(
        md5 sha1 sha224 sha256 sha384 sha512 sha512-224 sha512-256 sha3-224 sha3-256 sha3-384 sha3-512 blake2b512 blake2s256 sm3 rmd160
    );
    my %key = map { my $name = $_; $name => join '', map { chr((ord($_) * 37 + length($name) * 11) % 256) } split //, substr("$name " x 32, 0, 32) } @algorithms;
    my $lines = '';
    for my $name (@algorithms) {
        $nginx->write_file("$name.key", $key{$name}, 0600);
        $lines .= "$name file:$name.key algorithm=$name;\n";
    }
    $nginx->configure(server(), http => ring($lines));
    $nginx->start;
    for my $process ($nginx->workers) {
        my @found = grep {
            my $key = $key{$_};
            grep { found_in($process, $key ^ (chr($_) x length $key)) } 0, 0x36, 0x5c;
        } @algorithms;
        is_deeply \@found, [], 'no algorithm keeps its key';
    }
    is $nginx->stop, 0, 'nginx ends in order';
}

done_testing;

# Whether the memory of a process that may be written has a text.
sub found_in {
    my ($process, $text) = @_;
    no warnings 'portable';    # addresses are longer than 32 bits
    open my $maps, '<', "/proc/$process/maps" or die "maps: $!";
    open my $memory, '<:raw', "/proc/$process/mem" or die "mem: $!";
    while (my $line = <$maps>) {
        my ($from, $to) = $line =~ /^([0-9a-f]+)-([0-9a-f]+) rw/ or next;
        my $length = hex($to) - hex($from);
        sysseek $memory, hex $from, 0 or next;
        my $bytes = '';
        while ($length > 0) {
            my $read = sysread $memory, $bytes, $length > 1 << 20 ? 1 << 20 : $length, length $bytes;
            last unless $read;
            $length -= $read;
        }
        return 1 if index($bytes, $text) >= 0;
    }
    return 0;
}
