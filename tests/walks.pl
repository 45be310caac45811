#!/usr/bin/env perl

# Random walks: locations that enforce or not, alone or beside allow and deny, under one policy or
# several, some of them named, and that lead into each other by hand-off, try_files and error_page, in any
# order. For each request a model of a few lines says which file is served, what is logged and counted, and what the variable says.
#
#   MODULE=/path/to.so NGINX=nginx tests/walks.pl [SEED [SITES]]

use strict;
use warnings;

use FindBin;
use Test::More;

use lib "$FindBin::Bin/lib", "$FindBin::Bin/../t/lib";
use Load qw(metrics);
use NginxServer;
use SecureLink;

my ($seed, $sites) = @ARGV;
$seed  = 1  unless defined $seed;
$sites = 40   unless defined $sites;
srand $seed;
note "seed $seed";

my $size = 5;    # locations of a site

sub chance { rand() < $_[0] }
sub one_of { $_[rand @_] }
sub maybe  { chance($_[0]) ? int rand $size : undef }

sub location {
    my ($site, $at) = @_;
    my $enforce = one_of(qw(on on on off dry_run));
    return {
        at        => $at,
        uri       => "/$site/$at/f",
        name      => $at && chance(0.3) ? "\@$site-$at" : undef,
        policy    => chance(0.65) ? 'shared' : "own $at",
        enforce   => $enforce,
        any       => chance(0.5),
        address   => one_of('', '', 'allow', 'deny'),
        bypass    => chance(0.12),
        early     => chance(0.3),     # the verdict is read in the preaccess phase
        recursive => chance(0.4),
        file      => chance(0.6),
        pass      => $enforce eq 'off' ? undef : maybe(0.3),
        try       => maybe(0.25),
        403       => maybe(0.35),
        404       => maybe(0.35),
        status    => one_of('', '= '),
    };
}

sub text {
    my ($l, $locations) = @_;
    my $to = sub { my $target = $locations->[$_[0]]; $target->{name} || "$target->{uri}?\$args" };
    my @lines = ("secure_link_hmac_enforce $l->{enforce}", $l->{any} ? 'satisfy any' : 'satisfy all');
    push @lines, 'secure_link_hmac_leeway ' . (1 + $l->{at}) . 's' if $l->{policy} ne 'shared';
    push @lines, "$l->{address} all"                               if $l->{address};
    push @lines, 'secure_link_hmac_bypass $yes'                    if $l->{bypass};
    push @lines, 'limit_conn verdicts 1000'                        if $l->{early};
    push @lines, 'recursive_error_pages on'                        if $l->{recursive};
    push @lines, 'secure_link_hmac_pass ' . $to->($l->{pass})      if defined $l->{pass};
    push @lines, 'try_files /nothing ' . $to->($l->{try})          if defined $l->{try};
    push @lines, "error_page $_ $l->{status}" . $to->($l->{$_})    for grep { defined $l->{$_} } 403, 404;
    return 'location ' . ($l->{name} || $l->{uri} =~ s/f\z//r) . " {\n" . join('', map { "    $_;\n" } @lines) . "}\n";
}

# What the module remembers of a request, and nginx.
sub walk {
    my ($locations, $link, $start) = @_;
    my %w = (pass => 0, denials => [], log => [], bypassed => 0);
    my ($served, $l) = ('none', $locations->[$start]);
    my $uri = $l;    # the location that it names, which a named one that serves it leaves as it is

    my $check = sub {
        my $verdict = !defined $link ? 'missing' : $link == $uri->{at} ? 'granted' : 'forged';
        my $bypassed = $w{bypassed} && ($w{bypassed} == $w{pass} || $l->{enforce} eq 'off');
        $w{last} = { policy => $l->{policy}, verdict => $verdict, strict => $l->{enforce} ne 'off', pass => $w{pass}, uri => $uri, bypassed => $bypassed };
        @w{qw(decided passed)} = ();
    };
    my $holds = sub {
        my ($strict) = @_;
        my $last = $w{last} or return 0;
        return 0 if $last->{policy} ne $l->{policy} || $strict && !$last->{strict};
        return $last->{uri} == $uri || $last->{strict} && $last->{verdict} eq 'granted' && !$last->{bypassed};
    };
    my $denied = sub {
        my ($how) = @_;
        return grep { $_->{policy} eq $l->{policy} && $_->{pass} != $w{pass} && $_->{how} eq $how } @{ $w{denials} };
    };
    my $settled = sub {
        return $w{handed_off} || @{ $w{denials} } if $l->{enforce} eq 'off';
        return $denied->('on') || $l->{enforce} eq 'dry_run' && $denied->('dry_run');
    };
    my $read = sub {
        return $w{last}{verdict} if defined $w{decided} && ($w{decided} == $w{pass} || $l->{enforce} eq 'off');
        $check->() unless $holds->($l->{enforce} ne 'off') || $w{last} && $settled->();
        return $w{last}{verdict};
    };
    my $error = sub {
        my ($status) = @_;
        return if $w{error_page} || !defined $l->{$status};
        $w{error_page} = 1 unless $l->{recursive};
        $w{status} = $l->{status} ? 0 : $status;
        return $locations->[ $l->{$status} ];
    };

    while (++$w{pass} < 10) {    # nginx itself stops there
        $read->() if $l->{early} && !$w{counted}++;    # limit_conn counts a request once
        my $link_says = '';
        if ($l->{enforce} ne 'off' && $l->{bypass}) {
            $w{bypassed} = $w{pass};
            $w{last}{bypassed} = 1 if $w{last} && $w{last}{pass} == $w{pass};
        }
        if ($l->{enforce} ne 'off' && !$l->{bypass} && !$settled->()) {
            $check->() unless $holds->(1) && !$w{last}{bypassed};
            $w{decided} = $w{pass};
            if ($w{last}{verdict} ne 'granted') {
                push @{ $w{log} }, ($l->{enforce} eq 'on' ? 'denied ' : 'would deny ') . $w{last}{verdict};
                push @{ $w{denials} }, { policy => $l->{policy}, pass => $w{pass}, how => $l->{enforce} };
                $link_says = 'deny' if $l->{enforce} eq 'on';
            } elsif ($l->{enforce} eq 'on') {
                $link_says = 'allow';
            }
        }
        my %said = map { $_ => 1 } $link_says, $l->{address};
        my $next;
        if ($said{deny} && !($l->{any} && $said{allow})) {
            $next = $error->(403);
        } else {
            @{ $w{denials} } = grep { $_->{pass} != $w{pass} || $_->{how} ne 'on' } @{ $w{denials} };
            # The page of an error by which another method has refused a request that the link had let pass.
            $w{passed} = 1 unless $w{last} && $w{last}{pass} != $w{pass} && $w{status};
            my $refused = $w{last} && !$w{passed};
            if (defined $l->{pass} && !$l->{bypass} && !$w{handed_off} && !$denied->('on') && !$refused) {
                $w{handed_off} = 1;
                $next = $locations->[ $l->{pass} ];
            } elsif (defined $l->{try}) {
                $next = $locations->[ $l->{try} ];
            } elsif ($uri->{file}) {
                $served = $uri->{uri};
            } else {
                $next = $error->(404);
            }
        }
        return {
            served  => $served,
            log     => join('; ', @{ $w{log} }),
            verdict => $read->(),
            counted => $w{last}{bypassed} ? '' : $w{last}{verdict},
        } unless $next;
        $l   = $next;
        $uri = $l unless $l->{name};
    }
    return;
}

my $nginx = NginxServer->new;
my @sites;
for my $site (1 .. $sites) {
    push @sites, [map { location($site, $_) } 0 .. $size - 1];
    mkdir "$nginx->{dir}/files/$site" or die $!;
    for my $l (@{ $sites[-1] }) {
        mkdir "$nginx->{dir}/files/$site/$l->{at}" or die $!;
        $nginx->write_file("files$l->{uri}", $l->{uri}) if $l->{file};
    }
}
$nginx->configure(
    'add_header X-Verdict $secure_link_hmac_status always; location = /metrics { secure_link_hmac off; secure_link_hmac_metrics walks; }' . join('', map { my $site = $_; map { text($_, $site) } @$site } @sites),
    http => <<'_END_',
    map $uri $yes { default 1; }
    limit_conn_zone $secure_link_hmac_status zone=verdicts:1m;
    secure_link_hmac          $arg_st,$arg_ts,$arg_e;
    secure_link_hmac_message  $uri|$arg_ts|$arg_e;
    secure_link_hmac_secret   0123456789abcdef0123456789abcdef;
    secure_link_hmac_zone     walks:4m;
    secure_link_hmac_meter    walks key=$arg_number;
_END_
);
$nginx->start;

my @expected;
for my $locations (@sites) {
    for my $start (grep { !$locations->[$_]{name} } 0 .. $size - 1) {
        for my $link (undef, 0 .. $size - 1) {
            my $model = walk($locations, $link, $start) or next;
            my $args = defined $link ? SecureLink::link_args($locations->[$link]{uri}) . '&' : '';
            my $response = $nginx->get("$locations->[$start]{uri}?${args}number=" . @expected . '.');
            my ($served) = $response->{body} =~ m{\A(/.*)};
            my $got = { served => $served || 'none', verdict => $response->{header}{'x-verdict'}, log => '', counted => '' };
            push @expected, { start => $start, link => $link, locations => $locations, model => $model, got => $got };
        }
    }
}
my $metrics = metrics($nginx, '/metrics');
$nginx->stop;

# What no key has signed is counted together.
my %unauthenticated;
for my $walk (@expected) {
    $unauthenticated{ delete $walk->{model}{counted} }++ if $walk->{model}{counted} =~ /missing|forged/;
}
is_deeply $metrics->{unauthenticated}, \%unauthenticated, 'links that no key has signed are counted as the model says';
for my $number (keys %{ $metrics->{keys} }) {
    my $requests = $metrics->{keys}{$number}{requests};
    $expected[$number]{got}{counted} = join ' ', map { $requests->{$_} == 1 ? $_ : "$_ $requests->{$_} times" } sort keys %$requests;
}

for (split /\n/, $nginx->log) {
    my ($dry, $verdict, $number) = /secure_link_hmac: (dry run, would deny|denied): verdict=(\w+).* request: "GET \S+number=(\d+)\./ or next;
    my $got = $expected[$number]{got};
    $got->{log} = join '; ', grep { length } $got->{log}, ($dry eq 'denied' ? 'denied ' : 'would deny ') . $verdict;
}

cmp_ok scalar @expected, '>', $sites * 15, 'there were walks';
cmp_ok scalar(grep { $_->{model}{served} ne 'none' } @expected), '>', $sites, 'some ended at a file';
my $wrong = 0;
for my $walk (@expected) {
    my $same = !grep { $walk->{got}{$_} ne ($walk->{model}{$_} // '') } qw(served log verdict counted);
    next if $same || ++$wrong > 3;
    diag explain { %$walk, locations => [map { text($_, $walk->{locations}) } @{ $walk->{locations} }] };
}
is $wrong, 0, 'all went as the model says' or diag "seed $seed, $sites sites";
unlike $nginx->log, qr/\[(?:alert|crit|emerg)\]/, 'nothing is wrong with nginx';

done_testing;
