package NginxServer;

# An nginx with the module, for the tests beside lib/: on a free port of the loopback address, in a
# directory of its own, stopped when the test ends, however it ends.
#
#     my $nginx = NginxServer->new(module => , log_level => , workers => , environment => {});
#     $nginx->write_file($name, $text);       in the server's directory; key files, pages
#     $nginx->configure($server, http => , main => );    writes a configuration with this server block's content
#     $nginx->start;                          waits until it answers
#     $nginx->reload;                         sends a HUP and waits for workers of the new generation
#     $nginx->get($target, method => , headers => {})     { status, header => {}, body }
#     $nginx->check                           what `nginx -t` says and its wait status
#     $nginx->pid, $nginx->worker, $nginx->log, $nginx->stop
#
# Every response has the worker's process id in the header X-Worker.

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Temp qw(tempdir);
use IO::Socket::INET;
use Socket qw(SOL_SOCKET SO_RCVTIMEO);
use Time::HiRes qw(sleep time);

# nginx itself takes a variable of this name for a list of sockets.
my $program = delete $ENV{NGINX} || 'nginx';

my @running;

sub new {
    my ($class, %options) = @_;
    my $module = $options{module} || $ENV{MODULE} or die "MODULE is not set\n";
    my $dir = tempdir(CLEANUP => 1);
    chmod 0755, $dir or die "$dir: $!";    # an nginx started by root reads files as another user
    mkdir "$dir/$_" or die "$dir/$_: $!" for qw(logs files);
    my $probe = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1') or die "no port: $@";
    return bless {
        module      => abs_path($module),
        log_level   => $options{log_level} || 'info',
        workers     => $options{workers} || 1,
        environment => $options{environment} || {},
        dir         => $dir,
        port        => $probe->sockport,
    }, $class;
}

sub write_file {
    my ($self, $name, $text, $mode) = @_;
    my $new = "$self->{dir}/.new";
    open my $file, '>', $new or die "$new: $!";
    binmode $file;
    print {$file} $text;
    close $file or die "$new: $!";
    chmod defined $mode ? $mode : 0644, $new or die "$new: $!";
    rename $new, "$self->{dir}/$name" or die "$name: $!";
}

sub configure {
    my ($self, $server, %options) = @_;
    my $dir  = $self->{dir};
    my $temp = join ' ', map { "${_}_temp_path $dir/$_;" } qw(client_body proxy fastcgi uwsgi scgi);
    my $load = $options{without_module} ? '' : "load_module $self->{module};";
    my $http = $options{http} || '';
    my $main = $options{main} || '';
    $server =~ s/\bPORT\b/$self->{port}/g;
    $self->write_file('nginx.conf', <<"_END_");
$load
pid $dir/pid;
daemon off;
worker_processes $self->{workers};
$main
error_log $dir/logs/error.log $self->{log_level};
events { }
http {
    access_log off;
    default_type text/plain;
    $temp
    $http
    server {
        listen 127.0.0.1:$self->{port};
        root $dir/files;
        add_header X-Worker \$pid always;
        $server
    }
}
_END_
}

sub command {
    my ($self) = @_;
    return ($program, '-p', "$self->{dir}/", '-c', "$self->{dir}/nginx.conf");
}

sub spawn {
    my ($self, $output, @arguments) = @_;
    my $pid = fork;
    die "fork: $!" unless defined $pid;
    return $pid if $pid;
    $ENV{$_} = $self->{environment}{$_} for keys %{ $self->{environment} };
    open STDOUT, '>', $output or die "$output: $!";
    open STDERR, '>&', \*STDOUT or die $!;
    exec { $program } $self->command, @arguments or do {
        print "$program: $!\n";
        require POSIX;
        POSIX::_exit(127);
    };
}

sub check {
    my ($self) = @_;
    my $output = "$self->{dir}/logs/check";
    waitpid $self->spawn($output, '-t', '-e', 'stderr'), 0;
    my $status = $?;
    return (slurp($output), $status);
}

sub start {
    my ($self) = @_;
    $self->{pid} = $self->spawn("$self->{dir}/logs/output", '-e', "$self->{dir}/logs/error.log");
    push @running, $self;
    $self->wait_for('nginx answers', sub {
        die 'nginx did not start: ' . slurp("$self->{dir}/logs/output") if waitpid($self->{pid}, 1) > 0;
        $self->connection;
    });
}

sub pid { $_[0]{pid} }

# The worker that answers a request.
sub worker { $_[0]->get('/of-no-interest')->{header}{'x-worker'} }

# All workers, of any generation.
sub workers {
    my ($self) = @_;
    my @workers;
    for my $stat (glob '/proc/[0-9]*/stat') {
        open my $file, '<', $stat or next;
        my ($pid, $parent) = (<$file> || '') =~ /^(\d+) \(.*\) \S (\d+)/ or next;
        push @workers, $pid if $parent == $self->{pid};
    }
    return @workers;
}

sub reload {
    my ($self) = @_;
    my @old = $self->workers;
    kill HUP => $self->{pid};
    $self->wait_for('the old workers are gone', sub { !grep { kill 0 => $_ } @old });
    $self->wait_for('a new one answers', sub { $self->connection });
}

sub wait_for {
    my ($self, $what, $condition) = @_;
    my $until = time + 20;
    until ($condition->()) {
        die "waited in vain: $what\n" . $self->log if time > $until;
        sleep 0.02;
    }
}

sub connection {
    my ($self) = @_;
    my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $self->{port}, Timeout => 10);
    # A worker that hangs must not hold up its test.
    $socket->setsockopt(SOL_SOCKET, SO_RCVTIMEO, pack 'l!l!', 30, 0) if $socket;
    return $socket;
}

sub get {
    my ($self, $target, %options) = @_;
    my $socket = $self->connection or return { status => 0, header => {}, body => '' };
    my $method = $options{method} || 'GET';
    my %headers = (Host => 'localhost', %{ $options{headers} || {} });
    my $lines = join '', map { "$_: $headers{$_}\r\n" } sort keys %headers;
    print {$socket} "$method $target HTTP/1.1\r\n${lines}Connection: close\r\n\r\n";
    local $/;
    my $response = <$socket>;
    $response = '' unless defined $response;
    my ($head, $body) = split /\r\n\r\n/, $response, 2;
    my ($status) = ($head || '') =~ m{\AHTTP/1\.1 (\d{3}) };
    my %header = map { /^([^:]+): *(.*)/ ? (lc $1 => $2) : () } split /\r\n/, $head || '';
    return { status => $status || 0, header => \%header, body => defined $body ? $body : '' };
}

sub log { slurp("$_[0]{dir}/logs/error.log") }

sub stop {
    my ($self) = @_;
    my $pid = $self->{pid} or return;
    kill TERM => $pid;
    my $until = time + 20;
    my $ended;
    sleep 0.02 until ($ended = waitpid $pid, 1) || time > $until;
    my $status = $?;
    if (!$ended) {
        # One that hangs would not let its workers go.
        kill KILL => $self->workers, $pid;
        waitpid $pid, 0;
        $status = $?;
    }
    delete $self->{pid};
    return $status;
}

sub slurp {
    my ($name) = @_;
    open my $file, '<', $name or return '';
    binmode $file;
    local $/;
    my $text = <$file>;
    return defined $text ? $text : '';
}

my $owner = $$;
$SIG{$_} = sub { exit 1 } for qw(INT TERM);

END {
    if ($$ == $owner) {
        my $status = $?;
        $_->stop for @running;
        $? = $status;
    }
}

1;
