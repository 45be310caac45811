package Load;

# Clients that load a server, for the tests beside lib/.
#
#     parallel($number, sub { my ($number) = @_; ...; return $data }, sub { ... })
#                                      runs the first in so many processes, the second in this one meanwhile;
#                                      returns what each process has returned
#     my $client = Load->new($nginx);  a client that keeps its connection
#     $client->ask($method, $target)   ($status, \%header, $body); asks again if the connection was closed before
#                                      a byte of the answer, as nginx does with an idle one when it is reloaded;
#                                      a third argument is the lines of the header, in place of the one of Host
#     $client->begin, ->send, ->answer the same in parts, without asking again; answer() returns 0 for none
#     $client->ask_all(@targets)       { status => how often }, asked for at once (pipelined)
#     metrics($nginx, $place)          what secure_link_hmac_metrics counts, with `keys` by key

use strict;
use warnings;

use Exporter qw(import);
use IO::Socket::INET;
use JSON::PP ();
use POSIX ();
use Storable qw(store_fd fd_retrieve);

our @EXPORT_OK = qw(parallel metrics);

sub parallel {
    my ($number, $work, $meanwhile) = @_;
    my @children;
    for my $at (0 .. $number - 1) {
        pipe my $read, my $write or die "pipe: $!";
        my $pid = fork;
        die "fork: $!" unless defined $pid;
        if (!$pid) {
            close $read;
            my $data = eval { $work->($at) };
            store_fd($@ ? { error => $@ } : { data => $data }, $write);
            close $write;
            POSIX::_exit(0);
        }
        close $write;
        push @children, [$pid, $read];
    }
    $meanwhile->() if $meanwhile;
    my @results;
    for my $child (@children) {
        my ($pid, $read) = @$child;
        my $result = eval { fd_retrieve($read) } || { error => 'a client ended early' };
        waitpid $pid, 0;
        die $result->{error} if defined $result->{error};
        push @results, $result->{data};
    }
    return @results;
}

# What a zone's metrics are, as { keys => { key => { requests => {}, bytes => } }, ... }.
sub metrics {
    my ($nginx, $place) = @_;
    my $metrics = JSON::PP::decode_json($nginx->get($place)->{body});
    $metrics->{keys} = { map { $_->{key} => $_ } @{ $metrics->{keys} } };
    return $metrics;
}

sub new {
    my ($class, $nginx) = @_;
    return bless { nginx => $nginx }, $class;
}

sub begin {
    my ($self) = @_;
    $self->{socket} ||= $self->{nginx}->connection or die "no connection: $@\n";
    return $self;
}

sub send {
    my ($self, $method, $target, $lines) = @_;
    local $SIG{PIPE} = 'IGNORE';
    $self->{method} = $method;
    $lines = "Host: localhost\r\n" unless defined $lines;
    syswrite $self->{socket}, "$method $target HTTP/1.1\r\n$lines\r\n";
}

sub answer {
    my ($self) = @_;
    my $socket = $self->{socket};
    my $text   = '';
    until ($text =~ /\r\n\r\n/) {
        return $self->lost($text) unless sysread $socket, $text, 65536, length $text;
    }
    my ($head, $body) = split /\r\n\r\n/, $text, 2;
    my ($status) = $head =~ m{\AHTTP/1\.1 (\d{3}) } or die "no answer: $head\n";
    my %header = map { /^([^:]+): *(.*)/ ? (lc $1 => $2) : () } split /\r\n/, $head;
    my $length = $self->{method} eq 'HEAD' ? 0 : $header{'content-length'};
    while (length $body < $length) {
        return $self->lost($text) unless sysread $socket, $body, 65536, length $body;
    }
    delete $self->{socket} if ($header{connection} || '') eq 'close';
    return ($status, \%header, $body);
}

# The connection is gone, in the middle of an answer or before one.
sub lost {
    my ($self, $text) = @_;
    delete $self->{socket};
    die "half an answer: $text\n" if length $text && !$self->{may_break};
    return 0;
}

sub ask {
    my ($self, $method, $target, $lines) = @_;
    for (1 .. 10) {
        $self->begin->send($method, $target, $lines);
        my @answer = $self->answer;
        return @answer if $answer[0];
    }
    die "no answer to $method $target\n";
}

# Over a connection of its own, so that at most a thousand: nginx closes it then. So few at a time that
# neither side waits for the other to read.
sub ask_all {
    my ($self, @targets) = @_;
    my $socket = $self->{nginx}->connection or die "no connection: $@\n";
    my %status;
    while (my @some = splice @targets, 0, 100) {
        print {$socket} map { "GET $_ HTTP/1.1\r\nHost: localhost\r\n\r\n" } @some;
        my $text = '';
        for (@some) {
            my $end;
            until (($end = 4 + index $text, "\r\n\r\n") > 3) {
                sysread $socket, $text, 1 << 16, length $text or die "an answer is missing\n";
            }
            my ($status, $length) = substr($text, 0, $end) =~ m{\AHTTP/1\.1 (\d{3}) .*^Content-Length: (\d+)\r}ms;
            $status{$status}++;
            while (length $text < $end + $length) {
                sysread $socket, $text, 1 << 16, length $text or die "half an answer: $text\n";
            }
            substr $text, 0, $end + $length, '';
        }
    }
    return \%status;
}

1;
