package AllSchemes;

# A site with links of every scheme, meters, limits and a hand-off, for the tests that load it or hurt it. Its links
# are made by t/lib, and none of them by the module's own code.
#
#     my $nginx = AllSchemes->new(%options);      an NginxServer with the site; the options are those of NginxServer
#     $nginx->set_up(%options)                    writes its configuration, again for a reload
#         uses => '8m'                            the size of the zone of the limits
#         period => '1h'                          of the quota
#         secrets => {id => secret}               the keys of all rings, instead of those of %secret
#         server => text, http => text            what is added
#     $nginx->worker                              as NginxServer has it, without a line in the log
#     $nginx->complaints($pattern)                the first lines of the log above warnings that do not match
#     request($scheme, $verdict, %options)        [method, target] of a request with this verdict
#         id => 'alpha', secret =>                the key
#         number => 1                             tells a link from others of its kind
#         place => ''                             one of those below
#         now =>                                  the time at which it is asked for
#         from =>, to =>                          when the link is good, instead of ten seconds ago and in an hour
#     fill($nginx, %options)                      after which a new link in `full/` is unavailable
#     @schemes, @verdicts, %status
#
# In the place `once/` a link has one use, in `window/` one use and an hour in which the same client may come again, in
# `race/` one use, and between the look at it and its spending a request to another worker; in `quota/` a key has 50
# uses in a period; `full/` is like `once/`, in a small zone. A request is `exhausted` when the
# link in `once/` with the same options was used before.

use strict;
use warnings;

use Exporter qw(import);

use Load;
use NginxServer;
use SchemeLinks ();
use SecureLink ();

our @ISA      = qw(NginxServer);
our @EXPORT   = qw(request fill @schemes @verdicts %status %secret);
our @schemes  = qw(template jwt edgeauth sigv4);
our @verdicts = qw(granted missing malformed unknown_key forged early expired out_of_scope revoked exhausted unavailable);
our %status   = ((map { $_ => 403 } @verdicts), granted => 200, expired => 410, exhausted => 410, unavailable => 503);
our %secret   = map { $_ => "the secret of the key $_, which is long" } qw(alpha beta);

my %policy = (
    template => 'secure_link_hmac $arg_st,$arg_ts,$arg_e; secure_link_hmac_message $uri|$arg_ts|$arg_e; secure_link_hmac_keys template $arg_k;',
    jwt      => 'secure_link_hmac_scheme jwt; secure_link_hmac $arg_token; secure_link_hmac_keys jwt;',
    edgeauth => 'secure_link_hmac_scheme edgeauth; secure_link_hmac $arg_hdnts; secure_link_hmac_keys edgeauth $arg_k;',
    sigv4    => 'secure_link_hmac_scheme sigv4; secure_link_hmac_keys sigv4;',
);

sub new {
    my ($class, %options) = @_;
    my $self = $class->SUPER::new(log_level => 'notice', %options);
    $self->write_file('files/a.txt', "a file\n");
    $self->set_up;
    return $self;
}

# A ring has secrets of its own: one secret under two schemes is a warning.
sub secret_of { my ($scheme, $secret) = @_; return "$scheme: $secret" }

sub set_up {
    my ($self, %options) = @_;
    my $secrets = $options{secrets} || \%secret;
    my $size    = $options{uses} || '8m';
    my $period  = $options{period} || '1h';
    my $http    = "secure_link_hmac_zone counts:256k;\nsecure_link_hmac_zone uses:$size;\nsecure_link_hmac_zone full:32k;\n";
    my $server  = 'add_header X-Verdict $secure_link_hmac_status always;';
    for my $scheme (@schemes) {
        my $keys = join '', map { "$_ hex:" . unpack('H*', secret_of($scheme, $secrets->{$_})) . ";\n" } sort keys %$secrets;
        $http   .= "secure_link_hmac_keyring $scheme { $keys }\n";
        $server .= <<"_END_";
        location /$scheme/ {
            $policy{$scheme}
            secure_link_hmac_enforce on;
            secure_link_hmac_leeway  1s;
            secure_link_hmac_revoke  \$arg_stop;
            secure_link_hmac_meter   counts;
            secure_link_hmac_pass    /internal\$uri;
            location /$scheme/once/   { secure_link_hmac_limit uses uses=1; }
            location /$scheme/race/   { secure_link_hmac_limit uses uses=1; auth_request /allowed; }
            location /$scheme/window/ { secure_link_hmac_limit uses uses=1 window=1h; }
            location /$scheme/quota/  { secure_link_hmac_limit uses uses=50 per=key period=$period; }
            location /$scheme/full/   { secure_link_hmac_limit full uses=1; }
        }
_END_
    }
    $http   .= $options{http}   || '';
    $server .= $options{server} || '';
    $self->configure(<<"_END_", http => $http);
        $server
        location /internal/ { internal; try_files /a.txt =404; }
        location = /allowed  { internal; proxy_pass http://127.0.0.1:PORT/allowing; }
        location = /allowing { return 204; }
        location = /metrics { secure_link_hmac_metrics counts; }
_END_
}

sub worker { $_[0]->get('/metrics')->{header}{'x-worker'} }

sub complaints {
    my ($self, $expected) = @_;
    my @lines = grep { !defined $expected || !/$expected/ } $self->log =~ /^(.*(?:\[(?:error|crit|alert|emerg)\]|panic).*)$/mg;
    return [splice @lines, 0, 4];
}

my %sign = (
    template => sub {
        my ($path, %link) = @_;
        return SecureLink::link($path, secret => $link{secret}, ts => $link{from}, e => $link{to} - $link{from},
            args => join '&', "k=$link{id}", @{ $link{args} });
    },
    jwt => sub {
        my ($path, %link) = @_;
        my %claims = (path => '*', sub => "user $link{number}", nbf => $link{from}, iat => $link{from}, exp => $link{to});
        return SchemeLinks::jwt_link($path, \%claims, secret => $link{secret}, kid => $link{id}, args => join '&', @{ $link{args} });
    },
    edgeauth => sub {
        my ($path, %link) = @_;
        return SchemeLinks::edgeauth_link($path, acl => '*', st => $link{from}, exp => $link{to}, data => "user-$link{number}",
            key => unpack('H*', $link{secret}), args => join '&', "k=$link{id}", @{ $link{args} });
    },
    sigv4 => sub {
        my ($path, %link) = @_;
        return SchemeLinks::sigv4($path, method => $link{method}, time => $link{from}, expires => $link{to} - $link{from},
            id => $link{id}, secret => $link{secret}, args => [map { split /=/ } @{ $link{args} }]);
    },
);

sub request {
    my ($scheme, $verdict, %options) = @_;
    my $id     = $options{id} || 'alpha';
    my $secret = $verdict eq 'forged' ? 'of a forger, who has none' : $options{secret} || $secret{$id};
    my $place  = $options{place};
    $place = $verdict eq 'exhausted' ? 'once/' : $verdict eq 'unavailable' ? 'full/' : '' unless defined $place;
    my $number = defined $options{number} ? $options{number} : 1;
    my $from   = $options{from};
    $from = (defined $options{now} ? $options{now} : time) + ($verdict eq 'early' ? 3600 : $verdict eq 'expired' ? -7200 : -10)
        unless defined $from;
    my $method = $verdict eq 'out_of_scope' ? 'POST' : 'GET';
    my $path   = "/$scheme/${place}file-$number";
    return [$method, $path] if $verdict eq 'missing';
    my $target = $sign{$scheme}->($path,
        secret => secret_of($scheme, $secret),
        id     => $verdict eq 'unknown_key' ? 'nobody' : $id,
        from   => $from,
        to     => defined $options{to} ? $options{to} : $from + 3600,
        number => $place =~ tr{/}{-}r . $number, # a token without a path would be the same link in all places
        method => $method,
        args   => [$verdict eq 'revoked' ? 'stop=1' : ()],
    );
    $target =~ s/(hmac=|Signature=|token=|st=)/$1!/ if $verdict eq 'malformed';
    return [$method, $target];
}

# How many links there was room for.
sub fill {
    my ($nginx, %options) = @_;
    my $client = Load->new($nginx);
    for my $number (0 .. 5000) {
        my ($status) = $client->ask(@{ request('template', 'granted', place => 'full/', number => "fill-$number", %options) });
        return $number if $status == 503;
        die "a link for the zone that is to be filled is answered with $status\n" if $status != 200;
    }
    die "the zone does not become full\n";
}

1;
