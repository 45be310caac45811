package NginxT;

# What `nginx -t` says about a configuration, for the tests beside lib/.
#
#     refused NAME, HTTP, PATTERN ...     one [emerg] line with all of the patterns
#     warned  NAME, HTTP, PATTERN ...     one [warn] line, and nginx accepts it
#     accepted NAME, HTTP                 not a line
#     warned_of NAME, HTTP, PATTERNS ...  as many [warn] lines as there are lists of patterns
#
# HTTP is what stands in the http block. `#!` ends the line that a message must cite, and no message
# may show the secret. ENFORCE stands for `secure_link_hmac_enforce on` and its sisters, with which
#
#     mistake NAME, HTTP, PATTERN ...     is an error under `on` and else a warning
#     fine    NAME, HTTP                  is in order under each of them

use strict;
use warnings;

use Cwd qw(abs_path);
use Exporter qw(import);
use File::Temp qw(tempdir);
use MIME::Base64 qw(encode_base64);
use Test::More;

our @EXPORT = qw(
    $secret $credential $message $key $policy location enforced key_file
    refused warned warned_of accepted mistake fine
);

my $module = abs_path($ENV{MODULE} or die "MODULE is not set\n") or die "MODULE is not a file\n";
# nginx itself takes a variable of this name for a list of sockets.
my $nginx  = delete $ENV{NGINX} || 'nginx';
my $dir    = tempdir(CLEANUP => 1);

# What no message may show, however it is written.
my $word   = 'topsecret';
my @hidden = ($word, unpack('H*', $word), substr encode_base64($word), 0, 12);

our $secret     = "$word-0123456789abcdef";
our $credential = 'secure_link_hmac $arg_st,$arg_ts,$arg_e;';
our $message    = 'secure_link_hmac_message $uri|$arg_ts|$arg_e;';
our $key        = "secure_link_hmac_secret $secret;";
our $policy     = "$credential $message $key";

sub location { return "server { location / {\n$_[0]\n} }\n" }

# The usual policy, and more.
sub enforced { return location("$policy secure_link_hmac_enforce on;\n$_[0]") }

# Writes a file beside nginx.conf.
sub key_file {
    my ($name, $text, $mode) = @_;
    open my $file, '>', "$dir/$name" or die "$name: $!";
    print {$file} $text;
    close $file or die "$name: $!";
    chmod defined $mode ? $mode : 0600, "$dir/$name" or die "$name: $!";
    return "file:$name";
}

sub said {
    my ($http) = @_;
    my $temp = join ' ', map { "${_}_temp_path $dir/$_;" } qw(client_body proxy fastcgi uwsgi scgi);
    my $text = "load_module $module; pid $dir/pid; events {}\nhttp { access_log off; $temp\n$http}\n";
    key_file('nginx.conf', $text);
    my ($cited, $line);
    for (split /\n/, $text) {
        $line++;
        $cited = $line if /#!$/;
    }
    my $command = "exec '$nginx' -t -e stderr -p '$dir/' -c '$dir/nginx.conf' 2>&1";
    open my $pipe, '-|', $command or die "nginx: $!";
    my @all = <$pipe>;
    close $pipe;
    return $?, $cited, join('', @all), grep { /\[(?:warn|error|crit|alert|emerg)\]/ } @all;
}

sub row {
    my ($name, $http, $outcome, $level, @patterns) = @_;
    my ($status, $cited, $all, @lines) = said($http);
    subtest $name => sub {
        is $status == 0 ? 'accepted' : 'refused', $outcome, 'the configuration';
        is scalar @lines, $level ? 1 : 0, 'lines';
        my $text = join '', @lines;
        like $text, ref $_ ? $_ : qr/\Q$_\E/, 'what it says' for @patterns;
        like $text, qr/\[$level\]/, 'the level' if $level;
        like $text, qr{ in \S+/nginx\.conf:$cited$}m, 'the place that it cites' if $cited;
        unlike $all, qr/\Q$_\E/i, 'no secret' for @hidden;
    } or diag $all;
}

sub refused  { my ($name, $http, @patterns) = @_; row($name, $http, 'refused', 'emerg', @patterns) }
sub warned   { my ($name, $http, @patterns) = @_; row($name, $http, 'accepted', 'warn', @patterns) }
sub accepted { my ($name, $http) = @_; row($name, $http, 'accepted', '') }

sub warned_of {
    my ($name, $http, @wanted) = @_;
    my ($status, $cited, $all, @lines) = said($http);
    subtest $name => sub {
        is $status, 0, 'accepted';
        is scalar @lines, scalar @wanted, 'lines';
        for my $patterns (@wanted) {
            my @matching = grep { my $line = $_; /\[warn\]/ && !grep { $line !~ $_ } @$patterns } @lines;
            is scalar @matching, 1, "@$patterns";
        }
        unlike $all, qr/\Q$_\E/i, 'no secret' for @hidden;
    } or diag $all;
}

sub with {
    my ($http, $enforce) = @_;
    $http =~ s/ENFORCE/$enforce && "secure_link_hmac_enforce $enforce;"/eg;
    return $http;
}

sub mistake {
    my ($name, $http, @patterns) = @_;
    refused("$name, enforced", with($http, 'on'), @patterns);
    warned("$name, in a dry run", with($http, 'dry_run'), @patterns);
    warned("$name, with off", with($http, 'off'), @patterns);
    warned("$name, without enforce", with($http, ''), @patterns);
}

sub fine {
    my ($name, $http) = @_;
    accepted("$name: $_", with($http, $_)) for 'on', 'dry_run', 'off';
}

1;
