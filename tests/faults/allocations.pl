#!/usr/bin/env perl

# Allocations that fail: the first of all that are made, then the second, and so on, alone and with all that follow, when
# nginx begins, when it is reloaded, and in requests of every scheme and verdict. Nobody is granted what is not theirs,
# nothing is granted twice, no process ends by a signal.
#
#   MODULE=/path/to.so NGINX=nginx [ALLOCATIONS_STEP=1] tests/faults/allocations.pl
#
# ALLOCATIONS_STEP=7 has each seventh fail, at the start and in reloads. At the start the libraries of nginx make
# thousands of others, before the module's: these are passed by, a stride at a time.

use strict;
use warnings;

use File::Basename qw(basename);
use FindBin;
use Test::More;
use Time::HiRes qw(sleep time);

use lib "$FindBin::Bin/../lib", "$FindBin::Bin/../../t/lib";
use AllSchemes;
use Preload;

my $step = $ENV{ALLOCATIONS_STEP} || 1;

# The words of the library's file; see there.
my ($left, $many, $asked, $failed, $ours) = 0 .. 4;
my $library = Preload->new('allocations', 5);

my @environment = (environment => $library->environment(PRELOAD_OF => basename($ENV{MODULE})));

# From now on the allocation of a number fails, and so many with it.
sub arm {
    my ($number, $how_many) = @_;
    $library->set($left, 0);
    $library->set($_, 0) for $failed, $ours, $asked;
    $library->set($many, $how_many);
    $library->set($left, $number);
}

sub disarm { $library->set($left, 0) }

my $all = 1 << 40;

# `nginx -t`.
{
    my $nginx = AllSchemes->new(@environment);
    arm(0, 0);
    my ($said, $status) = $nginx->check;
    is $status, 0, 'nginx -t with all the memory there is' or diag $said;
    my $last = $library->get($asked);
    my (%seen, @bad);
    my $by_loader = 0;
    my $stride = 25;
    my @near   = grep { arm($_, 1); $nginx->check; $library->get($ours) } map { $_ * $stride } 1 .. $last / $stride;
    for (my $number = $near[0] - $stride; $number < $near[-1] + $stride; $number += $step) {
        arm($number, 1);
        my ($said, $status) = $nginx->check;
        next unless $library->get($ours);
        # The system's loader ends the process if it has no memory for the first use of a thread-local variable.
        $by_loader++, next if $said =~ /\Acannot allocate memory for thread-local data/;
        $seen{$status}++;
        push @bad, "$number: $status $said" unless $status == 1 << 8 && $said =~ /no memory|Cannot allocate memory/;
    }
    disarm;
    my $of_ours = 0;
    $of_ours += $_ for values %seen;
    cmp_ok $of_ours, '>', 500 / $step, "of $last allocations $of_ours are asked for by the module";
    is_deeply \%seen, { 256 => $of_ours }, 'if one of them fails, nginx -t refuses the configuration, and says why';
    is_deeply [@bad[0 .. ($#bad < 3 ? $#bad : 3)]], [], 'each time';
    cmp_ok $by_loader, '<=', 1, 'but for one that the loader needs';
}

# Requests.
my $nginx = AllSchemes->new(@environment);
disarm;
$nginx->start;
fill($nginx);
my $worker = $nginx->worker;

# What came of a request; 0 if the connection was closed without an answer.
sub ask {
    my ($request) = @_;
    my ($method, $target) = @$request;
    # A worker that lacks memory when it begins ends, a little later than the reload, and nginx makes no other one.
    my $seconds = 0;
    local $SIG{ALRM} = sub {
        die "no end of an answer to $target\n" if ++$seconds == 10;
        kill HUP => $nginx->pid unless $nginx->workers;
        alarm 1;
    };
    alarm 1;
    my $response = $nginx->get($target, method => $method);
    alarm 0;
    return $response;
}

my %others;
for my $scheme (@schemes) {
    for my $verdict (@verdicts) {
        my (@wrong, $requests, %statuses);
        my $number = 0;
        for my $how_many (1, $all) {
            my $last = 1000;
            for (my $at = 1; $at <= $last; $at++) {
                my $request = request($scheme, $verdict, number => ++$number);
                ask($request) if $verdict eq 'exhausted';
                arm($at, $how_many);
                my $response = ask($request);
                my $have_failed = $library->get($failed);
                disarm;
                # The worker may be a little late to free what it has.
                $last = $at - 1 unless $have_failed;
                $requests++;
                my $status = $response->{status};
                $statuses{$status}++;
                my $expected = $status == $status{$verdict} || $status == 0 || $status == 500;
                push @wrong, "allocation $at: $status" unless $expected;
                push @wrong, "allocation $at: another file" if $status == 200 && $response->{body} ne '' && $response->{body} ne "a file\n";
                my $after = ask(request($scheme, 'granted', number => $number))->{status};
                push @wrong, "after allocation $at: $after" if $after != 200;
            }
            push @wrong, 'there is no end' if $last == 1000;
        }
        $others{$_} += $statuses{$_} for keys %statuses;
        is_deeply \@wrong, [], "$scheme, $verdict: the verdict's status or none of use, in $requests requests";
        is $nginx->worker, $worker, "$scheme, $verdict: by the same worker";
    }
    # One use.
    my (@twice, $last);
    my $number = 10_000;
    for my $how_many (1, $all) {
        for (my $at = 1, $last = 1000; $at <= $last; $at++) {
            my $request = request($scheme, 'granted', place => 'once/', number => ++$number);
            arm($at, $how_many);
            my @statuses = ask($request)->{status};
            $last = $at - 1 unless $library->get($failed);
            disarm;
            push @statuses, map { ask($request)->{status} } 1, 2;
            push @twice, "allocation $at: @statuses" if 1 < grep { $_ == 200 } @statuses or $statuses[2] != 410;
        }
    }
    is_deeply \@twice, [], "$scheme: a link with one use is not granted twice";
}
diag join ', ', map { "$others{$_} x $_" } sort keys %others;
cmp_ok $others{500}, '>', 50, 'allocations have failed in the middle of requests';

# The page of metrics.
{
    my (%statuses, $last);
    for (my $at = 1, $last = 1000; $at <= $last; $at++) {
        arm($at, $all);
        $statuses{ ask(['GET', '/metrics'])->{status} }++;
        $last = $at - 1 unless $library->get($failed);
        disarm;
    }
    is_deeply [grep { !/^(?:0|200|500)$/ } keys %statuses], [], 'metrics are told or not';
    is $nginx->worker, $worker, 'by the same worker';
}

# Reloads: the master lives, and the configuration that it had goes on.
{
    my ($reloads, $of_ours, @wrong) = (0, 0);
    for (my $at = 1; $at < 100_000; $at += $step) {
        arm($at, 1);
        kill HUP => $nginx->pid;
        my $until = time + 1;
        sleep 0.005 until $library->get($failed) || time > $until;
        my $have_failed = $library->get($failed);
        my $is_ours = $library->get($ours);
        disarm;
        last unless $have_failed;
        $reloads++;
        # Those that nginx asks for are its own matter.
        next unless $is_ours;
        $of_ours++;
        push @wrong, "allocation $at: the master is gone" if waitpid $nginx->pid, 1;
        last if @wrong;
        push @wrong, "allocation $at: a link is not granted" if ask(request('jwt', 'granted'))->{status} != 200;
        push @wrong, "allocation $at: a forged link is not refused" if ask(request('jwt', 'forged'))->{status} != 403;
    }
    cmp_ok $of_ours, '>', 200 / $step, "$reloads reloads in which an allocation fails, $of_ours of them in the module";
    is_deeply \@wrong, [], 'change nothing';
    $nginx->reload;
    is ask(request($_, 'granted'))->{status}, 200, "$_: then a reload is possible" for @schemes;
}

my $log = $nginx->log;
unlike $log, qr/exited on signal/, 'no worker was ended by a signal';
like $log, qr/\[alert\].*secure_link_hmac: no memory in access/, 'the log says where there was no memory';
is $nginx->stop, 0, 'nginx ends in order';

done_testing;
