#!/usr/bin/env perl

# secure_link_hmac_statsd: what is sent sums up to what is counted, exactly, also when the configuration is
# reloaded meanwhile and when nginx ends; to a socket of ours, and to the StatsD server of npm's package `statsd`.
#
#   MODULE=/path/to.so NGINX=nginx tests/statsd.pl
#
# The server is in objs/statsd, where scripts/need puts it.

use strict;
use warnings;

use FindBin;
use IO::Select;
use IO::Socket::INET;
use Socket qw(SOL_SOCKET SO_RCVBUF);
use Test::More;
use Time::HiRes qw(sleep time);

use lib "$FindBin::Bin/lib", "$FindBin::Bin/../t/lib";
use Load qw(parallel metrics);
use NginxServer;
use SecureLink;

my @keys   = qw(acme globex in.it-ech_);
my %secret = map { $_ => "the secret of the key named $_" } @keys;
my $ring   = join '', map { "$_ hex:" . unpack('H*', $secret{$_}) . ";\n" } @keys;
my $now    = int(time) - 60;

# A server with two zones, that sends to a port with these parameters.
sub server {
    my ($statsd, %options) = @_;
    my $nginx = NginxServer->new(workers => 4, log_level => 'notice', %options);
    $nginx->write_file('files/a.txt', "a file\n");
    configure($nginx, $statsd);
    $nginx->start;
    return $nginx;
}

sub configure {
    my ($nginx, $statsd) = @_;
    $nginx->configure(<<'_END_', http => <<"_END_");
        secure_link_hmac          $arg_st,$arg_ts,$arg_e;
        secure_link_hmac_message  $uri|$arg_ts|$arg_e;
        secure_link_hmac_keys     partners $arg_k;
        secure_link_hmac_enforce  on;
        secure_link_hmac_meter    links;
        location /slow/ { limit_rate 100k; }
        location /x/ { secure_link_hmac_meter expressions key=$arg_x; empty_gif; }
        location = /metrics             { secure_link_hmac off; secure_link_hmac_enforce off; secure_link_hmac_metrics links; }
        location = /metrics/expressions { secure_link_hmac off; secure_link_hmac_enforce off; secure_link_hmac_metrics expressions; }
_END_
        secure_link_hmac_zone links:64k;
        secure_link_hmac_zone expressions:64k;
        secure_link_hmac_keyring partners {
            $ring
        }
        $statsd
_END_
}

sub link_of {
    my ($path, $key, %options) = @_;
    my $more = delete $options{x};
    return SecureLink::link($path, secret => $secret{$key}, ts => $now, e => 3600, args => "k=$key" . (defined $more ? "&x=$more" : ''), %options);
}

# Asks for links of all kinds, by several clients.
sub load {
    my ($nginx, $number, $meanwhile) = @_;
    parallel(4, sub {
        srand $_[0];
        my $client = Load->new($nginx);
        for (1 .. $number / 4) {
            my $key = $keys[rand @keys];
            my $kind = int rand 6;
            $client->ask(GET => $kind == 0 ? "/a.txt?k=$key"
                : $kind == 1 ? link_of('/a.txt', $key, ts => $now - 7200)
                : $kind == 2 ? link_of('/a.txt', $key) =~ s/a\.txt/b.txt/r
                : $kind == 3 ? link_of('/x/a', $key, x => "who:$key|@" . int rand 3)
                : link_of('/a.txt', $key));
        }
        return 1;
    }, $meanwhile);
    sleep 0.1;    # what a client has read may not have been counted yet
}

# What is counted in both zones, in StatsD's words.
sub counted {
    my ($nginx, $name_of) = @_;
    my %counted;
    for my $place ('/metrics', '/metrics/expressions') {
        my $metrics = metrics($nginx, $place);
        my %of = (%{ $metrics->{keys} }, '' => { requests => $metrics->{unauthenticated} });
        for my $key (keys %of) {
            for my $verdict (keys %{ $of{$key}{requests} }) {
                $counted{ $name_of->('requests', $key, $verdict) } += $of{$key}{requests}{$verdict};
            }
            $counted{ $name_of->('bytes', $key) } += $of{$key}{bytes} if $of{$key}{bytes};
        }
    }
    return \%counted;
}

# Names with DogStatsD's tags, and plain ones.
sub tagged {
    my ($prefix) = @_;
    return sub {
        my ($metric, $key, $verdict) = @_;
        my $tags = join ',', $key ne '' ? 'key:' . $key =~ s/[^\w.-]/_/gr : (), defined $verdict ? "verdict:$verdict" : ();
        return "$prefix.$metric|c|#$tags";
    };
}

sub plain {
    my ($prefix) = @_;
    return sub {
        my ($metric, $key, $verdict) = @_;
        return join('.', $prefix, $metric, $key ne '' ? $key =~ s/[^\w-]/_/gr : '_', defined $verdict ? $verdict : ()) . '|c';
    };
}

# A socket that hears what is sent, to this port or to any.
sub listener {
    my ($port) = @_;
    my $socket = IO::Socket::INET->new(Proto => 'udp', LocalAddr => '127.0.0.1', LocalPort => $port) or die "no socket: $@";
    setsockopt $socket, SOL_SOCKET, SO_RCVBUF, 1 << 20;
    return { socket => $socket, port => $socket->sockport, sums => {}, faults => [], datagrams => 0 };
}

# Hears for so long, or what is there.
sub hear {
    my ($listener, $seconds) = @_;
    my $until  = time + ($seconds || 0);
    my $select = IO::Select->new($listener->{socket});
    while (1) {
        my $left = $until - time;
        $select->can_read($left > 0 ? $left : 0) or last;
        defined $listener->{socket}->recv(my $datagram, 65536) or last;
        $listener->{datagrams}++;
        push @{ $listener->{faults} }, 'a datagram of ' . length $datagram if length $datagram > 1432;
        push @{ $listener->{sizes} }, length $datagram;
        for my $line (split /\n/, $datagram, -1) {
            if ($line =~ /\A([A-Za-z0-9._-]+):([1-9]\d*)(\|c(?:\|#[\w.,:-]+)?)\z/) {
                $listener->{sums}{"$1$3"} += $2;
            }
            else {
                push @{ $listener->{faults} }, $line;
            }
        }
    }
}

subtest 'with tags, with reloads meanwhile, and at the end' => sub {
    my $listener = listener();
    my $nginx = server("secure_link_hmac_statsd 127.0.0.1:$listener->{port} prefix=edge.links interval=100ms;");
    load($nginx, 2000, sub {
        for (1 .. 10) {
            kill HUP => $nginx->pid;
            hear($listener, 0.1);
        }
    });
    $nginx->reload;
    hear($listener, 0.5);
    my $counted = counted($nginx, tagged('edge.links'));
    cmp_ok scalar keys %$counted, '>', 10, 'much was counted';
    is_deeply $listener->{sums}, $counted, 'all of it is sent, nothing twice';
    is_deeply $listener->{faults}, [], 'every line is in order, no datagram too long for a frame';
    ok !exists $counted->{'edge.links.requests|c|#key:acme,verdict:forged'}, 'no key has a forged link';

    my $datagrams = $listener->{datagrams};
    hear($listener, 0.5);
    is $listener->{datagrams}, $datagrams, 'where nothing grows nothing is sent';

    # What nobody has heard of yet when nginx is told to end.
    load($nginx, 40);
    $counted = counted($nginx, tagged('edge.links'));
    kill QUIT => $nginx->pid;
    waitpid $nginx->pid, 0;
    delete $nginx->{pid};
    hear($listener, 0.3);
    is_deeply $listener->{sums}, $counted, 'a graceful end sends the rest';
    unlike $nginx->log, qr/\[(?:error|crit|alert|emerg)\]|signal 11|panic/, 'nothing went wrong';
};

subtest 'without tags, at a long interval' => sub {
    my $listener = listener();
    my $nginx = server("secure_link_hmac_statsd 127.0.0.1:$listener->{port} tags=off interval=1h;");
    load($nginx, 400);
    hear($listener, 0.3);
    is_deeply $listener->{sums}, {}, 'nothing is sent before the interval';

    my $began = time;
    $nginx->reload;
    cmp_ok time - $began, '<', 5, 'the timer does not hold back an old worker';
    hear($listener, 0.3);
    my $counted = counted($nginx, plain('secure_link_hmac'));
    is_deeply $listener->{sums}, $counted, 'the old worker sends the rest when it ends';
    is_deeply [grep { /#/ } keys %{ $listener->{sums} }], [], 'without tags';
    is_deeply $listener->{faults}, [], 'every line is in order';

    load($nginx, 400);
    $counted = counted($nginx, plain('secure_link_hmac'));
    is $nginx->stop, 0, 'nginx ends at once';
    hear($listener, 0.3);
    is_deeply $listener->{sums}, $counted, 'and sends the rest as well';
};

subtest 'what keys have grown by that had to make room' => sub {
    my $listener = listener();
    my $nginx = server("secure_link_hmac_statsd 127.0.0.1:$listener->{port} interval=1h;");
    my $client = Load->new($nginx);
    $client->ask(GET => link_of('/x/a', 'acme', x => "subject-$_")) for 100 .. 999;
    sleep 0.1;
    my $metrics = metrics($nginx, '/metrics/expressions');
    cmp_ok $metrics->{evictions}, '>', 100, 'a small zone has evicted some';
    my $shown = 0;
    $shown += $_->{bytes} for values %{ $metrics->{keys} };
    is $nginx->stop, 0, 'nginx ends';
    hear($listener, 0.3);
    my $sums = $listener->{sums};
    my $sum = sub { my ($pattern) = @_; my $sum = 0; $sum += $sums->{$_} for grep { /$pattern/ } keys %$sums; return $sum };
    is $sum->(qr/requests\|.*key:subject/), $metrics->{entries}, 'the others are sent';
    is $sums->{'secure_link_hmac.requests|c|#verdict:granted'}, $metrics->{evictions}, 'and they, as of no key';
    is $sum->(qr/requests/), 900, 'all are sent';
    is $sum->(qr/bytes\|.*key:subject/), $shown, 'so are the bytes';
    is $sum->(qr/bytes/), 900 * $shown / $metrics->{entries}, 'all of them';
};

subtest 'what is counted when the worker that sends is gone' => sub {
    my $listener = listener();
    my $nginx = server("secure_link_hmac_statsd 127.0.0.1:$listener->{port} interval=1h;");
    mkdir "$nginx->{dir}/files/slow" or die $!;
    $nginx->write_file('files/slow/a', 'x' x 150_000);
    $nginx->wait_for('its workers are there', sub { $nginx->workers == 4 });
    my ($first) = sort { $a <=> $b } $nginx->workers;
    my ($client, @others);
    for (1 .. 100) {
        $client = Load->new($nginx);
        my ($status, $header) = $client->ask(GET => '/metrics');
        last if $header->{'x-worker'} != $first;
        push @others, $client;
    }
    $client->send(GET => link_of('/slow/a', 'acme'));
    sleep 0.3;
    kill QUIT => $nginx->pid;
    $nginx->wait_for('the first worker is gone', sub { !kill 0 => $first });
    my ($status, $header, $body) = $client->answer;
    is length $body, 150_000, 'a download goes on while nginx ends';
    waitpid $nginx->pid, 0;
    delete $nginx->{pid};
    hear($listener, 0.3);
    is $listener->{sums}{'secure_link_hmac.requests|c|#key:acme,verdict:granted'}, 1, 'its request is sent';
    cmp_ok $listener->{sums}{'secure_link_hmac.bytes|c|#key:acme'} || 0, '>', 150_000, 'with its bytes';
};

subtest 'many keys are many datagrams' => sub {
    my $listener = listener();
    my $nginx = server("secure_link_hmac_statsd 127.0.0.1:$listener->{port} interval=1h;");
    my $client = Load->new($nginx);
    $client->ask(GET => link_of('/x/a', 'acme', x => "subject-$_-" . 'x' x 60)) for 1 .. 60;
    sleep 0.1;
    $nginx->reload;
    hear($listener, 0.3);
    is_deeply $listener->{sums}, counted($nginx, tagged('secure_link_hmac')), 'with all of them in it';
    cmp_ok $listener->{datagrams}, '>=', 5, 'several datagrams';
    my @sizes = sort { $a <=> $b } @{ $listener->{sizes} };
    cmp_ok $sizes[-2], '>', 1200, 'well filled';
    is_deeply $listener->{faults}, [], 'none of them too long';
};

subtest 'where nobody listens requests are served' => sub {
    my $port  = listener()->{port};    # closed again at once
    my $nginx = server("secure_link_hmac_statsd 127.0.0.1:$port interval=100ms;");
    my $began = time;
    load($nginx, 1000, sub { sleep 0.4; kill HUP => $nginx->pid });
    is $nginx->get(link_of('/a.txt', 'acme'))->{status}, 200, 'a link';
    my $counted = counted($nginx, tagged('x'));
    my $all = 0;
    $all += $counted->{$_} for grep { /^x\.requests/ } keys %$counted;
    is $all, 1001, 'and all are counted';
    unlike $nginx->log, qr/\[(?:warn|error|crit|alert|emerg)\]/, 'and nothing is logged';
    is $nginx->stop, 0, 'nginx ends in order';

    $nginx = server("secure_link_hmac_statsd 192.0.2.1:8125 interval=100ms;");
    load($nginx, 100, sub { sleep 0.3 });
    is $nginx->get(link_of('/a.txt', 'acme'))->{status}, 200, 'nor does a host that cannot be reached matter';
    unlike $nginx->log, qr/\[(?:error|crit|alert|emerg)\]/, 'and nothing is logged';
};

subtest 'who begins to listen hears all that is sent from then on' => sub {
    my $port  = listener()->{port};    # closed again at once
    my $nginx = server("secure_link_hmac_statsd 127.0.0.1:$port interval=100ms;");
    my $client = Load->new($nginx);
    $client->ask(GET => link_of('/a.txt', 'globex'));
    sleep 0.4;                         # sent to nobody
    my $listener = listener($port);
    $client->ask(GET => link_of('/a.txt', 'acme'));
    hear($listener, 0.4);
    my %requests = map { /requests/ ? ($_ => $listener->{sums}{$_}) : () } keys %{ $listener->{sums} };
    is_deeply \%requests, { 'secure_link_hmac.requests|c|#key:acme,verdict:granted' => 1 }, 'the first of it, too';
    is $nginx->stop, 0, 'nginx ends in order';
};

subtest 'a socket that cannot be opened at first' => sub {
    my $listener = listener();
    my $nginx = NginxServer->new;
    $nginx->configure(<<'_END_', main => 'worker_rlimit_nofile 32;', http => <<"_END_");
        secure_link_hmac         $arg_st,$arg_ts,$arg_e;
        secure_link_hmac_message $uri|$arg_ts|$arg_e;
        secure_link_hmac_secret  0123456789abcdef0123456789abcdef;
        secure_link_hmac_meter   links;
        location / { secure_link_hmac_enforce on; }
_END_
        secure_link_hmac_zone   links:64k;
        secure_link_hmac_statsd 127.0.0.1:$listener->{port} interval=1s;
_END_
    $nginx->start;
    my @connections = map { $nginx->connection } 1 .. 40;    # all files that the worker may open
    sleep 1.5;
    like $nginx->log, qr/accept4?\(\) failed \(24: /, 'a worker has no files left when it first sends';
    @connections = ();
    is $nginx->get('/a.txt')->{status}, 403, 'and then has';
    hear($listener, 2.5);
    is_deeply $listener->{sums}, { 'secure_link_hmac.requests|c|#verdict:missing' => 1 }, 'it sends what is counted';
    is $nginx->stop, 0, 'nginx ends in order';
};

subtest 'what is counted before something is sent is no growth' => sub {
    my $listener = listener();
    my $on    = "secure_link_hmac_statsd 127.0.0.1:$listener->{port} interval=100ms;";
    my $nginx = server('');
    my $acme  = 'secure_link_hmac.requests|c|#key:acme,verdict:granted';
    my $client = Load->new($nginx);
    my $count = sub {
        my ($number) = @_;
        $client->ask(GET => link_of('/a.txt', 'acme')) for 1 .. $number;
        sleep 0.1;
    };
    $count->(50);
    configure($nginx, $on);
    $nginx->reload;
    $count->(3);
    hear($listener, 0.4);
    is $listener->{sums}{$acme}, 3, 'once it is turned on, what is counted from then on is sent';

    configure($nginx, "$on #");
    $nginx->reload;
    $count->(4);
    hear($listener, 0.4);
    is $listener->{sums}{$acme}, 7, 'a reload with it loses nothing';

    configure($nginx, '');
    $nginx->reload;
    $count->(50);
    configure($nginx, $on);
    $nginx->reload;
    hear($listener, 0.4);
    is $listener->{sums}{$acme}, 7, 'what is counted while it is off is not sent later';
    $count->(1);
    hear($listener, 0.4);
    is $listener->{sums}{$acme}, 8, 'but what is counted after';
    is $nginx->stop, 0, 'nginx ends in order';
};

# The real server: its management port tells what it has counted.
subtest "npm's StatsD server" => sub {
    my $stats = "$FindBin::Bin/../objs/statsd/node_modules/statsd/stats.js";
    ok -e $stats, 'it is there' or return diag 'run scripts/need test';

    my ($port, $admin) = map { IO::Socket::INET->new(Proto => $_, LocalAddr => '127.0.0.1', $_ eq 'tcp' ? (Listen => 1) : ())->sockport } qw(udp tcp);
    my $nginx = server("secure_link_hmac_statsd 127.0.0.1:$port prefix=links interval=100ms tags=off;");
    $nginx->write_file('statsd.js', "{ address: '127.0.0.1', mgmt_address: '127.0.0.1', port: $port, mgmt_port: $admin, flushInterval: 3600000, backends: [] }\n");
    # Node 23 and later have lost a function that it calls.
    $nginx->write_file('log.js', "require('util').log ||= console.log\n");
    my $pid = fork;
    die "fork: $!" unless defined $pid;
    if (!$pid) {
        open STDOUT, '>', "$nginx->{dir}/logs/statsd" or die $!;
        open STDERR, '>&', \*STDOUT or die $!;
        exec 'node', '-r', "$nginx->{dir}/log.js", $stats, "$nginx->{dir}/statsd.js" or do { require POSIX; POSIX::_exit(127) };
    }
    my $ask = sub {
        my ($command) = @_;
        my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $admin) or return '';
        print {$socket} "$command\n";
        my $text = '';
        while (sysread $socket, $text, 65536, length $text) { last if $text =~ /^END$/m }
        return $text;
    };
    eval {
        $nginx->wait_for('StatsD answers', sub { $ask->('counters') =~ /END/ });
        load($nginx, 2000, sub { for (1 .. 5) { kill HUP => $nginx->pid; sleep 0.2 } });
        $nginx->reload;
        sleep 0.5;
        my $text = $ask->('counters');
        my %sums = map { /^\s*'?([\w.-]+)'?: (\d+),?$/ ? ("$1|c" => $2) : () } split /\n/, $text =~ s/[{}]/\n/gr =~ s/, /,\n/gr;
        is delete $sums{'statsd.bad_lines_seen|c'}, 0, 'it has seen no bad line';
        cmp_ok delete $sums{'statsd.packets_received|c'}, '>', 5, 'it was sent several datagrams';
        delete $sums{'statsd.metrics_received|c'};
        is_deeply \%sums, counted($nginx, plain('links')), 'and has counted the same' or diag $text;
    };
    my $error = $@;
    kill TERM => $pid;
    waitpid $pid, 0;
    is $error, '', 'the test went through' or diag NginxServer::slurp("$nginx->{dir}/logs/statsd");
};

done_testing;
