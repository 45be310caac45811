#!/usr/bin/env perl

# A reload every 100 ms, each of which lets keys in and revokes others, under load: no link by a key that stays fails,
# and none by a revoked one is granted once the workers that knew it are gone.
#
#   MODULE=/path/to.so NGINX=nginx [RELOADS_SECONDS=60] tests/faults/reloads.pl

use strict;
use warnings;

use FindBin;
use Test::More;
use Time::HiRes qw(sleep time);

use lib "$FindBin::Bin/../lib", "$FindBin::Bin/../../t/lib";
use AllSchemes;
use Load qw(parallel metrics);

my $seconds  = $ENV{RELOADS_SECONDS} || 60;
my $clients  = 3;
my @rotating = map { "rotating-$_" } 0 .. 7;
my %secrets  = map { $_ => "the secret of $_, which is long" } 'kept', @rotating;

# Whether a generation of the configuration has a key: half of the time.
sub has { my ($generation, $key) = @_; return $key !~ /(\d+)/ || ($generation + $1) % 8 < 4 }

my $nginx = AllSchemes->new(workers => 2);

sub configure {
    my ($generation) = @_;
    $nginx->set_up(
        secrets => { map { $_ => $secrets{$_} } grep { has($generation, $_) } keys %secrets },
        server  => "add_header X-Generation $generation always;\n",
    );
}

configure(0);
$nginx->start;

my %link;
for my $scheme (@schemes) {
    $link{$scheme}{$_} = request($scheme, 'granted', id => $_, secret => $secrets{$_}) for keys %secrets;
}

my $until = time + $seconds;
my $generation = 0;
my @asked_for;    # when a generation was
my @results = parallel($clients, sub {
    my $client = Load->new($nginx);
    my @notes;
    for (my $number = 0; time < $until; $number++) {
        my $key   = $number % 3 ? $rotating[rand @rotating] : 'kept';
        my $asked = time;
        my ($status, $header) = $client->ask(@{ $link{ $schemes[$number % @schemes] }{$key} });
        push @notes, [$asked, $key, $status, $header->{'x-generation'}, $header->{'x-verdict'}];
    }
    return \@notes;
}, sub {
    while (time < $until) {
        configure(++$generation);
        $asked_for[$generation] = time;
        kill HUP => $nginx->pid;
        sleep 0.1;
    }
});
$nginx->reload;

my (%kept, %rotating, %generations);
my $longest = 0;
for my $note (map { @$_ } @results) {
    my ($asked, $key, $status, $by, $verdict) = @$note;
    $generations{$by}++;
    if ($key eq 'kept') { $kept{"$status $verdict"}++ }
    else                { $rotating{ (has($by, $key) ? 'known' : 'revoked') . ": $status $verdict" }++ }
    my $late = defined $asked_for[$by + 1] ? $asked - $asked_for[$by + 1] : 0;
    $longest = $late if $late > $longest;
}
my $answers = 0;
$answers += $_ for values %generations;
diag sprintf '%d requests, %d reloads; %d configurations answered, each for %.2f s at most after the next one was asked for',
    $answers, $generation, scalar keys %generations, $longest;
cmp_ok $generation, '>', 3 * $seconds, 'there were many reloads';
cmp_ok scalar(keys %generations), '>', $seconds, 'and as many configurations answered';
is_deeply [keys %kept], ['200 granted'], 'no link by the key that stays failed';
is_deeply [sort keys %rotating], ['known: 200 granted', 'revoked: 403 unknown_key'],
    'a link by another is granted by a configuration that has it, and by no other';
cmp_ok $longest, '<', 5, 'a configuration is soon out of use when the next one is asked for';

my $metrics = metrics($nginx, '/metrics');
is $metrics->{keys}{kept}{requests}{granted}, $kept{'200 granted'}, 'the counter of the key that stays has lost none';

# Now the last one is there alone.
for my $key (@rotating) {
    my %got = map { $nginx->get($link{$_}{$key}[1])->{status} => 1 } @schemes;
    is_deeply [keys %got], [has($generation, $key) ? 200 : 403], "$key is " . (has($generation, $key) ? 'known' : 'revoked') . ' in the end';
}

is_deeply $nginx->complaints, [], 'nothing went wrong';
is $nginx->stop, 0, 'nginx ends in order';

done_testing;
