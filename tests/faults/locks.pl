#!/usr/bin/env perl

# The lock of a zone that its holder does not give back: a reload neither hangs nor goes on without it, a worker that was
# killed holds up nobody, also in a zone that the configuration has no more, and a holder that is alive is waited for.
#
#   MODULE=/path/to.so NGINX=nginx tests/faults/locks.pl

use strict;
use warnings;
no warnings 'portable';    # addresses of 64 bits

use FindBin;
use POSIX ();
use Test::More;
use Time::HiRes qw(sleep time);

use lib "$FindBin::Bin/../lib", "$FindBin::Bin/../../t/lib";
use Load qw(metrics);
use NginxServer;
use SecureLink;

# No other mapping of the processes has this size.
my $size = 4096 * 35;

my $nginx = NginxServer->new(workers => 1);
$nginx->write_file('files/a.txt', "a file\n");
$nginx->write_file('files/large', 'x' x 400_000);

sub configure {
    my ($generation, $zone) = @_;
    $nginx->configure(<<"_END_", http => "secure_link_hmac_zone $zone:$size;\n");
        secure_link_hmac          \$arg_st,\$arg_ts,\$arg_e;
        secure_link_hmac_message  \$uri|\$arg_ts|\$arg_e;
        secure_link_hmac_secret   0123456789abcdef0123456789abcdef;
        secure_link_hmac_meter    $zone key=\$arg_who;
        add_header X-Generation $generation always;
        location / { secure_link_hmac_enforce on; }
        location = /large { secure_link_hmac_enforce on; limit_rate 100k; }
        location = /metrics { secure_link_hmac off; secure_link_hmac_metrics $zone; }
_END_
}

sub link_to { return SecureLink::link($_[0], e => 3600, args => 'who=acme') }

# The lock as a process has it mapped: the first word of the zone, the number of the process that holds it. What is
# written there is what a process leaves that is stopped or killed while it holds the lock, at a moment that is certain.
sub lock_in {
    my ($pid) = @_;
    open my $maps, '<', "/proc/$pid/maps" or die "maps: $!";
    my ($start) = map { /^([0-9a-f]+)-([0-9a-f]+) rw-s / && hex($2) - hex($1) == $size ? hex $1 : () } <$maps>;
    open my $memory, '+<:raw', "/proc/$pid/mem" or die "mem: $!";
    return sub {
        my ($holder) = @_;
        sysseek $memory, $start, 0 or die "seek: $!";
        if (defined $holder) { syswrite $memory, pack 'Q', $holder or die "write: $!" }
        else                 { sysread $memory, my $word, 8 or die "read: $!"; return unpack 'Q', $word }
    };
}

# A process that has ended, and that nobody waits for any more.
sub ended {
    my $pid = fork;
    die "fork: $!" unless defined $pid;
    POSIX::_exit(0) unless $pid;
    waitpid $pid, 0;
    return $pid;
}

sub stopped {
    my ($pid) = @_;
    kill STOP => $pid;
    $nginx->wait_for('a process is stopped', sub { NginxServer::slurp("/proc/$pid/stat") =~ /\) T / });
}

# Sends a request, and returns how to read its answer within some seconds.
sub asked {
    my ($target) = @_;
    my $socket = $nginx->connection or die "no connection: $@";
    print {$socket} "GET $target HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    return sub {
        my ($seconds, $header) = @_;
        my ($response, $until) = ('', time + $seconds);
        while ((my $left = $until - time) > 0) {
            my $ready = '';
            vec($ready, fileno $socket, 1) = 1;
            next unless select $ready, undef, undef, $left;
            sysread $socket, $response, 65536, length $response or last;
        }
        return $response =~ ($header ? qr/^$header: (\S+)\r$/m : qr{\AHTTP/1\.1 (\d{3}) }) ? $1 : 0;
    };
}

sub counted { return metrics($nginx, '/metrics')->{keys}{acme}{requests}{granted} || 0 }
sub generation { return asked('/of-no-interest')->(2, 'X-Generation') }

configure(1, 'first');
$nginx->start;
is $nginx->get(link_to('/a.txt'))->{status}, 200, 'links are granted and counted';

# The worker is killed while it holds the lock and the master waits for it.
{
    my $lock   = lock_in($nginx->pid);
    my $worker = $nginx->worker;
    stopped($worker);
    $lock->($worker);
    configure(2, 'first');
    kill HUP => $nginx->pid;
    sleep 1;
    is $lock->(), $worker, 'a reload does not take the lock of a process that is alive';
    kill KILL => $worker;
    $nginx->wait_for('a worker of the new configuration answers', sub { generation() eq 2 });
    pass 'and goes on when that was killed';
    like $nginx->log, qr/\[alert\].*zone "first" was locked by $worker, which has ended/, 'which the log says';
    is $nginx->get(link_to('/a.txt'))->{status}, 200, 'links are granted as before';
    is counted(), 2, 'and counted beside those before';
}

# The holder neither ends nor goes on.
{
    my $lock = lock_in($nginx->pid);
    $lock->($$);
    configure(3, 'first');
    my $began = time;
    kill HUP => $nginx->pid;
    $nginx->wait_for('the reload is refused', sub { $nginx->log =~ /\[emerg\].*the zone "first" .*is locked by process $$,/ });
    cmp_ok time - $began, '>', 3, 'a reload waits for a lock';
    like $nginx->log, qr{\[emerg\].*which has not gone on for 5 s: end it, and reload again, in .*nginx\.conf:\d+}, 'but not for ever, and says what to do';

    my $answer = asked(link_to('/a.txt'));
    sleep 1;
    is $lock->(), $$, 'a worker waits for who is alive as well';
    $lock->(0);
    is $answer->(5), 200, 'and goes on when the lock is free';
    is generation(), 2, 'as before the reload';
    $nginx->reload;
    is generation(), 3, 'the next reload is in order';
    is counted(), 3, 'and has lost nothing';
}

# A worker that was killed in the lock of a zone that the configuration has no more holds up the other old ones.
{
    my $old  = $nginx->worker;
    my $lock = lock_in($old);
    my $answer = asked(link_to('/large'));
    sleep 0.5;
    configure(4, 'second');
    kill HUP => $nginx->pid;
    $nginx->wait_for('a worker of the new configuration answers', sub { generation() eq 4 });
    my $killed = ended();
    $lock->($killed);
    is $answer->(20), 200, 'a download ends after the reload';
    $nginx->wait_for('the old worker ends', sub { !kill 0 => $old });
    pass 'and its worker counts it, and ends';
    like $nginx->log, qr/zone "first" was locked by $killed, which has ended/, 'since who held the lock had ended';
}

# The number of a process that was killed in its lock is given to a worker.
{
    my $lock   = lock_in($nginx->pid);
    my $worker = $nginx->worker;
    $lock->($worker);
    is $nginx->get(link_to('/a.txt'))->{status}, 200, 'a worker that has the number of the holder is not held up by itself';
    is counted(), 1, 'nor by who is no more';
    is $lock->(), 0, 'and gives the lock back';
}

# So is one that has ended in its lock, and that nobody has taken note of: nginx does not while it reads a configuration.
{
    my $lock = lock_in($nginx->pid);
    my $zombie = fork;
    die "fork: $!" unless defined $zombie;
    POSIX::_exit(0) unless $zombie;
    $nginx->wait_for('a process has ended', sub { NginxServer::slurp("/proc/$zombie/stat") =~ /\) Z / });
    $lock->($zombie);
    # A request is counted after its answer: it is the next one that a worker does not come to.
    is_deeply [map { asked(link_to('/a.txt'))->(3) } 1 .. 2], [200, 200], 'nobody is held up by a process that has ended, though it is still there';
    waitpid $zombie, 0;
}

my $expected = qr/exited on signal 9|zone "\w+" was locked by|is locked by process/;
is_deeply [grep { !/$expected/ } $nginx->log =~ /^(.*(?:\[(?:error|crit|alert|emerg)\]|panic).*)$/mg], [], 'nothing else went wrong';
is $nginx->stop, 0, 'nginx ends in order';

done_testing;
