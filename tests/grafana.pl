#!/usr/bin/env perl

# The dashboard of packaging/grafana asks only for metrics that the module has, in expressions that
# Prometheus understands, and its lines show what they say.
#
#   MODULE=/path/to.so NGINX=nginx tests/grafana.pl

use strict;
use warnings;

use FindBin;
use JSON::PP ();
use Test::More;

use lib "$FindBin::Bin/lib", "$FindBin::Bin/../t/lib";
use NginxServer;
use SecureLink;

my $root = "$FindBin::Bin/..";
my ($promtool) = grep { -x } "$root/objs/promtool", map { "$_/promtool" } split /:/, $ENV{PATH};
die "there is no promtool: scripts/need test installs it, from the package prometheus\n" unless $promtool;

my $dashboard = JSON::PP->new->utf8->decode(NginxServer::slurp("$root/packaging/grafana/secure-link-hmac.json"));
my @panels    = @{ $dashboard->{panels} };
my @variables = @{ $dashboard->{templating}{list} };

my $nginx = NginxServer->new;
$nginx->configure(<<"_END_", http => 'secure_link_hmac_zone links:64k;');
        location /files/ {
            secure_link_hmac          \$arg_st,\$arg_ts,\$arg_e;
            secure_link_hmac_message  \$uri|\$arg_ts|\$arg_e;
            secure_link_hmac_secret   @{[ secret ]};
            secure_link_hmac_enforce  on;
            secure_link_hmac_meter    links;
        }
        location = /metrics {
            secure_link_hmac_metrics  links;
        }
_END_
$nginx->start;
$nginx->get(SecureLink::link('/files/a.txt'));
my $exposition = $nginx->get('/metrics?format=prometheus')->{body};

my %labels;
while ($exposition =~ /^(\w+)\{(.*)\} \d+$/mg) {
    my ($metric, $labels) = ($1, $2);
    $labels{$metric}{$_} = 1 for $labels =~ /(\w+)="/g;
}

subtest 'every metric and label is one of the module' => sub {
    my %asked;
    for my $text ((map { $_->{query}{query} } grep { ref $_->{query} } @variables), map { $_->{expr} } map { @{ $_->{targets} } } @panels) {
        while ($text =~ /\b(secure_link_hmac_\w+)(?:\{([^}]*)\})?/g) {
            my ($metric, $matchers) = ($1, $2 // '');
            ok $labels{$metric}, $metric;
            ok $labels{$metric}{$_}, "$metric has $_" for $matchers =~ /(\w+)\s*[!=]/g;
            $asked{$metric} = 1;
        }
    }
    is_deeply [sort keys %asked], [sort keys %labels], 'and all that there are are used';
    my %verdict = map { $_ => 1 } qw(granted missing malformed unknown_key forged early expired out_of_scope revoked exhausted unavailable);
    my $text = join ' ', map { $_->{expr} } map { @{ $_->{targets} } } @panels;
    ok $verdict{$_}, "the verdict $_" for map { split /\|/ } $text =~ /verdict!?=~?"([^"]*)"/g;
};

# What an expression is with one zone and all keys, over an hour.
sub expression {
    my ($text) = @_;
    my %value = (zone => 'links', key => '.*', __rate_interval => '5m', __range => '1h');
    $text =~ s/\$(\w+)/$value{$1} \/\/ die "no value for \$$1"/ge;
    return $text;
}

# The panel of a title, its lines' expressions.
sub expressions {
    my ($title) = @_;
    my ($panel) = grep { $_->{title} eq $title } @panels or die "no panel $title";
    return map { expression($_->{expr}) } @{ $panel->{targets} };
}

subtest 'Prometheus understands every expression' => sub {
    my @rules = map { { record => "panel:$_->[0]:$_->[1]", expr => $_->[2] } }
        map { my $panel = $_; map { [$panel->{id}, $_->{refId}, expression($_->{expr})] } @{ $panel->{targets} } } @panels;
    cmp_ok scalar(@rules), '>=', scalar(@panels), 'each panel has some';
    # JSON is YAML.
    $nginx->write_file('rules.yml', JSON::PP->new->canonical->encode({ groups => [{ name => 'panels', rules => \@rules }] }));
    my $said = `'$promtool' check rules '$nginx->{dir}/rules.yml' 2>&1`;
    is $?, 0, 'promtool check rules' or diag $said;
};

subtest 'panels show what they say' => sub {
    my $request = sub { sprintf 'secure_link_hmac_requests_total{zone="links",key="%s",verdict="%s"}', @_ };
    my $series = sub { +{ series => $_[0], values => $_[1] } };
    my $day = 86400;
    my %expected = (
        'Granted'                         => [['{}', 1.5]],
        'Denied'                          => [['{}', 2.5]],
        'Share without an authentic link' => [['{}', 0.5]],
        'Requests by verdict'             => [['{verdict="granted"}', 1.5], ['{verdict="expired"}', 0.5], ['{verdict="forged"}', 2]],
        'Denials by verdict'              => [['{verdict="expired"}', 0.5], ['{verdict="forged"}', 2]],
        'Without an authentic link'       => [['{verdict="forged"}', 2]],
        'Grants by key, top 10'           => [['{key="acme"}', 3600], ['{key="globex"}', 1800]],
        'Denials by key, top 10'          => [['{key="acme", verdict="expired"}', 1800]],
        'Bytes by key, top 10'            => [['{key="acme"}', 100]],
        'Sent'                            => [['{}', 360_000]],
        # initech was used on the first day, hooli never; acme was used all the time.
        'Keys not seen for 30 days'       => [['{zone="links", key="initech"}', 40 * $day - 3600], ['{zone="links", key="hooli"}', 0]],
        'Zone: entries and evictions'     => [['{zone="links"}', 4], ['{zone="links"}', 10]],
    );
    is_deeply [sort keys %expected], [sort map { $_->{title} } @panels], 'every panel is looked at';
    my @input = (
        $series->($request->('acme', 'granted'), '0+60x60'),   $series->($request->('globex', 'granted'), '0+30x60'),
        $series->($request->('acme', 'expired'), '0+30x60'),    $series->($request->('', 'forged'), '0+120x60'),
        $series->('secure_link_hmac_bytes_total{zone="links",key="acme"}', '0+6000x60'),
        $series->('secure_link_hmac_zone_entries{zone="links"}', '4x60'),
        $series->('secure_link_hmac_zone_evictions_total{zone="links"}', '0+2x60'),
    );
    my @long = (
        $series->('secure_link_hmac_last_seen_timestamp_seconds{zone="links",key="initech"}', '3600x5 _x960'),
        $series->('secure_link_hmac_last_seen_timestamp_seconds{zone="links",key="acme"}', '0+3600x960'),
        map { $series->(qq[secure_link_hmac_bytes_total{zone="links",key="$_"}], '1x965') } qw(acme initech hooli),
    );
    my $test = sub {
        my ($title, $at) = @_;
        my @samples = @{ $expected{$title} };
        my @expressions = expressions($title);
        # A panel with several lines has one sample for each.
        my @parts = @expressions > 1 ? map { [$expressions[$_], [$samples[$_]]] } 0 .. $#expressions : [$expressions[0], \@samples];
        return map { {
            expr => $_->[0], eval_time => $at,
            exp_samples => [map { { labels => $_->[0], value => $_->[1] } } @{ $_->[1] }],
        } } @parts;
    };
    my @tests = (
        { interval => '1m', input_series => \@input, promql_expr_test => [map { $test->($_, '1h') } grep { !/30 days/ } sort keys %expected] },
        { interval => '1h', input_series => \@long, promql_expr_test => [$test->('Keys not seen for 30 days', '40d')] },
    );
    $nginx->write_file('tests.yml', JSON::PP->new->canonical->encode({ tests => \@tests }));
    my $said = `'$promtool' test rules '$nginx->{dir}/tests.yml' 2>&1`;
    is $?, 0, 'promtool test rules' or diag $said;
};

# The alerts of the page, on a minute's figures.
subtest 'alerts' => sub {
    my ($rules) = NginxServer::slurp("$root/docs/metrics.md") =~ /^### Alerts\n.*?^```yaml\n(.*?)^```$/ms or die 'no alerts in docs/metrics.md';
    $nginx->write_file('alerts.yml', $rules);
    my @alerts = $rules =~ /^ +- alert: (\w+)$/mg;
    ok $labels{$_}, $_ for my @metrics = $rules =~ /\b(secure_link_hmac_\w+)/g;
    my %input = (
        LinksForged      => ['secure_link_hmac_requests_total{zone="links",key="",verdict="forged"}', '0+120x60'],
        LinkZoneTooSmall => ['secure_link_hmac_zone_evictions_total{zone="links"}', '0+2x60'],
        LinksUnavailable => ['secure_link_hmac_requests_total{zone="links",key="acme",verdict="unavailable"}', '0+1x60'],
    );
    is_deeply [sort keys %input], [sort @alerts], 'every alert is looked at';
    my $test = sub {
        my ($input, @fires) = @_;
        return {
            interval => '1m', input_series => [map { { series => $_->[0], values => $_->[1] } } @$input],
            alert_rule_test => [map { my $alert = $_; { eval_time => '1h', alertname => $alert,
                exp_alerts => [map { { exp_labels => { zone => 'links' } } } grep { $_ eq $alert } @fires] } } @alerts],
        };
    };
    my $quiet = ['secure_link_hmac_requests_total{zone="links",key="acme",verdict="granted"}', '0+120x60'];
    my @tests = ($test->([$quiet]), map { $test->([$quiet, $input{$_}], $_) } @alerts);
    $nginx->write_file('tests.yml', JSON::PP->new->canonical->encode({ rule_files => ['alerts.yml'], tests => \@tests }));
    my $said = `'$promtool' test rules '$nginx->{dir}/tests.yml' 2>&1`;
    is $?, 0, 'each goes off for its own figures' or diag $said;
};

subtest 'the dashboard can be imported' => sub {
    my %seen;
    ok !$seen{ $_->{id} }++, "panel $_->{id} has a number of its own" for @panels;
    for my $panel (@panels) {
        ok length $panel->{description}, "$panel->{title}: which question it answers";
        is $_->{datasource}{uid}, '${datasource}', "$panel->{title}: the data source is chosen" for $panel, @{ $panel->{targets} };
        my $place = $panel->{gridPos};
        cmp_ok $place->{x} + $place->{w}, '<=', 24, "$panel->{title}: within the page";
        for my $other (grep { $_ != $panel } @panels) {
            my $o = $other->{gridPos};
            my $apart = $place->{x} >= $o->{x} + $o->{w} || $o->{x} >= $place->{x} + $place->{w}
                || $place->{y} >= $o->{y} + $o->{h} || $o->{y} >= $place->{y} + $place->{h};
            fail "$panel->{title} lies over $other->{title}" unless $apart;
        }
    }
    is_deeply [map { $_->{name} } @variables], [qw(datasource zone key)], 'what can be chosen';
    my $docs = NginxServer::slurp("$root/docs/metrics.md");
    like $docs, qr/^\| \Q$_->{title}\E \|/m, "the documentation has $_->{title}" for @panels;
};

done_testing;
