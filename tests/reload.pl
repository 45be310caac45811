#!/usr/bin/env perl

# A secret is changed by a reload, under load: nobody who has a link by a secret that stays notices, and
# a link by one that goes is good until the reload and not after.
#
#   MODULE=/path/to.so NGINX=nginx tests/reload.pl

use strict;
use warnings;

use FindBin;
use Test::More;
use Time::HiRes qw(sleep time);

use lib "$FindBin::Bin/lib", "$FindBin::Bin/../t/lib";
use NginxServer;
use SecureLink;

my %secret = map { $_ => "the secret named $_, long enough" } qw(old kept new stranger);
my %link   = map { $_ => SecureLink::link("/files/a.txt", secret => $secret{$_}, e => 600) } keys %secret;

my $nginx = NginxServer->new(workers => 2);

sub server {
    my (@secrets) = @_;
    my $lines = join "\n", map { qq{secure_link_hmac_secret "$_";} } @secrets;
    return <<"_END_";
        location /files/ {
            secure_link_hmac          \$arg_st,\$arg_ts,\$arg_e;
            secure_link_hmac_message  \$uri|\$arg_ts|\$arg_e;
            $lines
            secure_link_hmac_enforce  on;
            secure_link_hmac_pass     /internal\$uri;
        }
        location /internal/files/ {
            internal;
            alias $nginx->{dir}/files/;
        }
_END_
}

$nginx->write_file('files/a.txt', "a file\n");
$nginx->configure(server(@secret{qw(old kept)}));
$nginx->start;

# Clients, each of which notes when it asked, with which link, and what it got.
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
                my $whole    = $response->{status} != 200 || $response->{body} eq "a file\n";
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

span(0.5, old => 200, new => 403);

$nginx->configure(server(@secret{qw(kept new)}));
$nginx->reload;
span(0.5, old => 403, new => 200);

$nginx->configure(server(@secret{qw(old kept)}));
$nginx->reload;
span(0.3, old => 200, new => 403);

# Secrets in files are read by the reload, and not before.
$nginx->write_file('rotating.key', "$secret{new}\n", 0600);
$nginx->write_file('kept.key',     "$secret{kept}\n", 0600);
$nginx->configure(server('file:rotating.key', 'file:kept.key'));
$nginx->reload;
span(0.3, old => 403, new => 200);
$nginx->write_file('rotating.key', "$secret{old}\n", 0600);
span(0.3, old => 403, new => 200);
$nginx->reload;
span(0.3, old => 200, new => 403);

# What cannot be read changes nothing.
unlink "$nginx->{dir}/rotating.key" or die $!;
kill HUP => $nginx->pid;
$nginx->wait_for('the mistake is logged', sub { $nginx->log =~ /\[emerg\].*rotating\.key/ });
span(0.3, old => 200, new => 403);
$nginx->configure(server('short'));
kill HUP => $nginx->pid;
$nginx->wait_for('the mistake is logged', sub { $nginx->log =~ /\[emerg\].*secure_link_hmac_secret/ });
span(0.3, old => 200, new => 403);

# Many reloads at once.
for my $turn (1 .. 6) {
    $nginx->configure(server(@secret{ $turn % 2 ? qw(kept old) : qw(kept new) }));
    kill HUP => $nginx->pid;
    sleep 0.05;
}
$nginx->reload;
span(0.5, old => 403, new => 200);

kill TERM => @clients;
waitpid $_, 0 for @clients;

my @notes = map { [split] } map { split /\n/, NginxServer::slurp("$nginx->{dir}/notes$_") } 1 .. @clients;
cmp_ok scalar @notes, '>', 500, 'there was some load';

my %seen;
$seen{ $_->[2] }{ $_->[3] }++ for @notes;
is_deeply [sort keys %{ $seen{kept} }],     ['200'],        'no link by the secret that stays failed';
is_deeply [sort keys %{ $seen{stranger} }], ['403'],        'no link by a secret that was never configured passed';
is_deeply [sort keys %{ $seen{$_} }],       ['200', '403'], "a link by the $_ secret was granted or refused, nothing else"
    for qw(old new);

for my $at (0 .. $#spans) {
    my ($from, $to, $expected) = @{ $spans[$at] };
    for my $name (sort keys %$expected) {
        my %got = map { $_->[3] => 1 } grep { $_->[2] eq $name && $_->[0] > $from && $_->[1] < $to } @notes;
        is_deeply [keys %got], [$expected->{$name}], "in span $at a link by the $name secret is $expected->{$name}";
    }
}

# The library is really unmapped by a reload that drops it, and comes back by the next one.
$nginx->configure('location /files/ { return 418; }', without_module => 1);
$nginx->reload;
is $nginx->get($link{kept})->{status}, 418, 'a reload without the module';
unlike NginxServer::slurp("/proc/" . $nginx->pid . "/maps"), qr/\Q$nginx->{module}\E/, 'unmaps it';
$nginx->configure(server(@secret{qw(kept)}));
$nginx->reload;
is $nginx->get($link{kept})->{status}, 200, 'a reload with it';
is $nginx->get($link{old})->{status},  403, 'checks again';

my $log = $nginx->log;
unlike $log, qr/\[(?:alert|crit)\]/, 'nothing is logged above an error but what was meant';
unlike $log, qr/exited on signal/, 'no worker died';
unlike $log, qr/\Q$_\E/, 'the log has no secret' for values %secret;
is $nginx->stop, 0, 'nginx ends in order';

done_testing;
