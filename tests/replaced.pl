#!/usr/bin/env perl

# The module's file is replaced under a running nginx, by renaming, as `make install` does it: the workers that there are
# go on, and so does a reload, which keeps the library that it has; what is counted and spent stays. With the other
# file nginx is started anew, or refuses to be.
#
#   MODULE=/path/to.so NGINX=nginx tests/replaced.pl

use strict;
use warnings;

use FindBin;
use Test::More;

use lib "$FindBin::Bin/lib", "$FindBin::Bin/../t/lib";
use AllSchemes;
use Load qw(metrics);

my $nginx    = AllSchemes->new;
my $original = $nginx->{module};
my $module   = $nginx->{module} = "$nginx->{dir}/module.so";

sub replace {
    my ($text) = @_;
    $nginx->write_file('module.so', $text);
}

my $library = NginxServer::slurp($original);
replace($library);
$nginx->set_up;
$nginx->start;

sub maps { my ($pid) = @_; return join ' ', NginxServer::slurp("/proc/$pid/maps") =~ /(\Q$module\E(?: \(deleted\))?)$/mg }

my @once = map { request($_, 'granted', place => 'once/') } @schemes;
my $works = sub {
    my ($when, $expected_once) = @_;
    my @got = map { my $scheme = $_; map { $nginx->get(request($scheme, $_)->[1])->{status} } qw(granted forged expired) } @schemes;
    is_deeply \@got, [(200, 403, 410) x @schemes], "$when: links are granted and refused";
    is_deeply [map { $nginx->get($_->[1])->{status} } @once], [($expected_once) x @once], "$when: and those with one use";
};

$works->('before', 200);
my $worker = $nginx->worker;
unlike maps($worker), qr/deleted/, 'the worker has mapped the file';

# The same module in another file; a file of which half is there; one that is none; and no file.
my $counted = metrics($nginx, '/metrics')->{keys}{alpha}{requests}{granted};
for my $case (['another file', $library], ['half a file', substr $library, 0, length($library) / 2], ['no library', "not one\n"], ['no file', undef]) {
    my ($what, $text) = @$case;
    defined $text ? replace($text) : unlink $module;
    like maps($worker), qr/deleted/, "$what: the worker still has the old one";
    $works->($what, 410);
    is $nginx->worker, $worker, "$what: in the same worker";
    $nginx->reload;
    isnt $nginx->worker, $worker, "$what: a reload makes new workers";
    $worker = $nginx->worker;
    like maps($worker), qr/deleted/, "$what: which have the old one";
    $works->("$what, after a reload", 410);
}
is metrics($nginx, '/metrics')->{keys}{alpha}{requests}{granted}, $counted + 8 * @schemes, 'all of it is counted';
is_deeply $nginx->complaints, [], 'nothing went wrong';

my ($said, $status) = $nginx->check;
is $status, 1 << 8, 'nginx -t has no file to load, and says so';
like $said, qr/\[emerg\].*dlopen.*module\.so/, 'by its name';
is $nginx->stop, 0, 'nginx ends in order';

# Half a file is left out: it ends the process in the system's loader.
for my $case (['no library', "not one\n"], ['an empty file', '']) {
    my ($what, $text) = @$case;
    replace($text);
    ($said, $status) = $nginx->check;
    is $status, 1 << 8, "$what: nginx does not start with it";
    like $said, qr/\[emerg\].*module\.so/, "$what: and says so";
}
replace($library);
$nginx->start;
$works->('with a new start', 200);
is $nginx->stop, 0, 'nginx ends in order';

done_testing;
