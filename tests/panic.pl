#!/usr/bin/env perl

# A panic in any function by which nginx calls the module refuses the configuration or the request, and
# the process lives.
#
#   MODULE=/path/to.so NGINX=nginx tests/panic.pl
#
# PANIC_MODULE is a module that was built with the feature panic-injection; without it, one is built
# for the same nginx as MODULE.

use strict;
use warnings;

use FindBin;
use Test::More;

use lib "$FindBin::Bin/lib", "$FindBin::Bin/../t/lib";
use NginxServer;
use SecureLink;

my $module = $ENV{PANIC_MODULE} || built();
my $link   = SecureLink::link('/files/a.txt');

sub built {
    chdir "$FindBin::Bin/.." or die $!;
    my $nginx = ($ENV{MODULE} || '') =~ m{/vendored/} ? 'vendored' : 'distro';
    open my $build, '-|', 'scripts/build', $nginx, 'panic' or die "scripts/build: $!";
    my @said = <$build>;
    close $build or die "scripts/build failed\n";
    chomp(my $built = $said[-1]);
    return $built;
}

my $server = <<'_END_';
    location /files/ {
        secure_link_hmac          $arg_st,$arg_ts,$arg_e;
        secure_link_hmac_message  $uri|$arg_ts|$arg_e;
        secure_link_hmac_secret   0123456789abcdef0123456789abcdef;
        secure_link_hmac_enforce  on;
        secure_link_hmac_pass     /internal$uri;
    }
    location /internal/ {
        internal;
        root files;
        rewrite ^/internal/files(/.*)$ $1 break;
    }
    location /any/ {
        secure_link_hmac          $arg_st,$arg_ts,$arg_e;
        secure_link_hmac_message  $uri|$arg_ts|$arg_e;
        secure_link_hmac_secret   0123456789abcdef0123456789abcdef;
        secure_link_hmac_enforce  on;
        satisfy any;
        allow all;
    }
    location /open/ { }
    location /said/ {
        secure_link_hmac          $arg_st,$arg_ts,$arg_e;
        secure_link_hmac_message  $uri|$arg_ts|$arg_e;
        secure_link_hmac_secret   0123456789abcdef0123456789abcdef;
        add_header X-Verdict      "[$secure_link_hmac_status $secure_link_hmac_claim_a]";
        return 200 "said\n";
    }
_END_

sub server {
    my ($panic) = @_;
    my $nginx = NginxServer->new(module => $module, environment => { SECURE_LINK_HMAC_PANIC => $panic });
    $nginx->write_file('files/a.txt', "a file\n");
    mkdir "$nginx->{dir}/files/$_" or die $! for qw(open any);
    $nginx->write_file("files/$_/a.txt", "an open file\n") for qw(open any);
    $nginx->configure($server);
    return $nginx;
}

sub alert { my ($entry) = @_; return qr/\[alert\].*secure_link_hmac.*\b$entry\b/ }

# A configuration.

for my $entry ('', 'nobody') {
    my ($said, $status) = server($entry)->check;
    is $status, 0, "\"$entry\" is no entry, and nginx -t accepts the configuration" or diag $said;
}

my @configuration = qw(
    preconfiguration create_main_conf create_loc_conf directive merge_loc_conf postconfiguration
);

for my $entry (@configuration) {
    my ($said, $status) = server($entry)->check;
    is $status, 1 << 8, "$entry: nginx -t refuses the configuration, and no signal ends it" or diag $said;
    like $said, alert($entry), "$entry: an alert names it";
    unlike $said, qr/test is successful/, "$entry: it says so";
}

{
    my ($said, $status) = server('cleanup')->check;
    is $status & 127, 0, 'cleanup: no signal ends nginx -t' or diag $said;
}

# A reload: the variable is read at the start, what it means at each call.

my $reloaded = server('');
$reloaded->write_file('panic', '');
$reloaded->{environment}{SECURE_LINK_HMAC_PANIC} = "file:$reloaded->{dir}/panic";
$reloaded->start;
my ($master, $worker) = ($reloaded->pid, $reloaded->worker);

for my $entry (@configuration) {
    my $lines = () = $reloaded->log =~ /\[alert\]/g;
    $reloaded->write_file('panic', $entry);
    kill HUP => $master;
    $reloaded->wait_for("the alert of $entry", sub { (() = $reloaded->log =~ /\[alert\]/g) > $lines });
    like $reloaded->log, alert($entry), "$entry: a reload alerts";
    $reloaded->write_file('panic', '');
    is $reloaded->get($link)->{status}, 200, "$entry: good links are granted as before";
    is $reloaded->get('/files/a.txt')->{status}, 403, "$entry: others are refused as before";
    is $reloaded->worker, $worker, "$entry: by the same worker";
    is waitpid($master, 1), 0, "$entry: the master lives";
}

# Not only the alert: the failed reload is over when it is followed by another one.
$reloaded->reload;
isnt $reloaded->worker, $worker, 'a reload without a panic makes a new worker';
is $reloaded->get($link)->{status}, 200, 'that grants';

# Requests.

$worker = $reloaded->worker;

sub under_panic {
    my ($entry, $target, %options) = @_;
    $reloaded->write_file('panic', $entry);
    my $response = $reloaded->get($target, %options);
    $reloaded->write_file('panic', '');
    return $response;
}

for my $entry (qw(access precontent)) {
    my $response = under_panic($entry, $link);
    is $response->{status}, 500, "$entry: a good link is 500";
    unlike $response->{body}, qr/a file/, "$entry: and is not served";
    is under_panic($entry, '/open/a.txt')->{status}, 500, "$entry: so is what needs none";
    like $reloaded->log, alert($entry), "$entry: an alert names it";
    is $reloaded->get($link)->{status}, 200, "$entry: the next request is granted";
    is $reloaded->get('/files/a.txt')->{status}, 403, "$entry: and the one without a link refused";
}

is under_panic('access', '/files/a.txt')->{status}, 500, 'access: no link is 500, too';
is under_panic('precontent', '/files/a.txt')->{status}, 403, 'precontent: no link is 403 before that';
is under_panic('access', '/any/a.txt')->{status}, 500, 'access: another method does not overrule a failure';

{
    my $said = "/said/?" . SecureLink::link_args('/said/');
    is $reloaded->get($said)->{header}{'x-verdict'}, '[granted ]', 'variable: it has a value';
    my $response = under_panic('variable', $said);
    is $response->{status}, 200, 'variable: the request goes on';
    is $response->{header}{'x-verdict'}, '[ ]', 'variable: the value is empty';
    like $reloaded->log, alert('variable'), 'variable: an alert names it';
    is under_panic('variable', $link)->{status}, 200, 'variable: enforcement does not read it';
    is under_panic('variable', '/files/a.txt')->{status}, 403, 'variable: and refuses without it';
    is $reloaded->get($said)->{header}{'x-verdict'}, '[granted ]', 'variable: the next one has a value';
}

is $reloaded->worker, $worker, 'the same worker has served them all';
unlike $reloaded->log, qr/exited on signal|signal 6|SIGABRT/, 'no process has died';
unlike NginxServer::slurp("$reloaded->{dir}/logs/output"), qr/panicked/, 'nothing is written past the log';
is $reloaded->stop, 0, 'nginx ends in order';

# A module that panics at every request from the start.

{
    my $broken = server('access');
    $broken->start;
    my $before = $broken->worker;
    is_deeply [map { $broken->get($link)->{status} } 1 .. 20], [(500) x 20], 'access, always: always 500';
    is $broken->worker, $before, 'access, always: by the same worker';
    is $broken->stop, 0, 'access, always: nginx ends in order';
}

done_testing;
