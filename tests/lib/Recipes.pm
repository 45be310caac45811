package Recipes;

# The configurations of a page of docs/, each in an nginx of its own, and the programs beside them that sign links.
# A recipe is a heading (## or ###) with the fenced blocks below it: one in `nginx`, and programs.
#
#     my $page = Recipes->new('recipes.md');      or 'guides/first-link.md'
#     my $recipe = $page->recipe($heading, files => { 'keys/a.key' => $text }, warns => [qr/.../], says => $nginx,
#         changed => { $old => $new }, prepared => $other, inside => 'server')
#                                              puts its configuration into an nginx, which has to accept it with
#                                              these warnings, and starts it; a server beside it, for proxy_pass,
#                                              answers as a block of nginx says; what the page says can be written
#                                              differently is, in the configuration and the programs; the program in
#                                              sh of another heading is run before; inside => 'server' for what the
#                                              page puts into a server
#     $recipe->becomes($heading, ...)          the same nginx gets another configuration of the page, by a reload, and
#                                              the recipe the programs beside it
#     $recipe->run($language, @calls)          what its program returns for each call, in its own words
#     $recipe->grants($what, $link, $text)     the link is good, for a file with this text
#     $recipe->refuses($what, $link, $status)  it is not
#     $recipe->covers($what, $link)            no byte of it can be changed
#     $recipe->ask($link, method => , from => , Header => )  status, headers and body, asked from an address of the
#                                              loopback network; grants and refuses take these too
#     $page->done                              every configuration of the page was used
#
# In a block, `listen 80`, /etc/nginx/, /var/log/nginx/, /srv/ and 127.0.0.1:8080 stand for what the test has in their
# place. A link is a path, or a URL, whose scheme is not looked at. A program in PHP that begins with `<?php` is run
# alone, one that does not within Laravel.

use strict;
use warnings;

use File::Path qw(make_path);
use File::Basename qw(dirname);
use FindBin;
use IO::Socket::INET;
use IPC::Open3 qw(open3);
use Test::More;

use Load;
use NginxServer;

my $root   = "$FindBin::Bin/..";
our $python = "$root/objs/signers/venv/bin/python";

sub new {
    my ($class, $name) = @_;
    -x $python or die "objs/signers/venv is missing: run scripts/need test\n";
    my %blocks;
    my ($heading, $language, $text);
    for my $line (split /^/, NginxServer::slurp("$root/docs/$name")) {
        if (defined $language) {
            if ($line eq "```\n") {
                die "$name: two blocks of $language below \"$heading\"\n" if exists $blocks{$heading}{$language};
                $blocks{$heading}{$language} = $text;
                undef $language;
            }
            else { $text .= $line }
        }
        elsif ($line =~ /^```(\w+)$/)  { ($language, $text) = ($1, '') }
        elsif ($line =~ /^```/)        { die "$name: a block without a language below \"$heading\"\n" }
        elsif ($line =~ /^##+ (.*)$/)  { $heading = $1 }
    }
    die "$name has no recipes\n" unless %blocks;
    return bless { name => $name, blocks => \%blocks, used => {} }, $class;
}

sub done {
    my ($self) = @_;
    my @configurations = grep { exists $self->{blocks}{$_}{nginx} } sort keys %{ $self->{blocks} };
    is_deeply [sort keys %{ $self->{used} }], \@configurations, "every configuration of $self->{name} was used";
    done_testing;
}

sub recipe {
    my ($page, $heading, %options) = @_;
    my $nginx = NginxServer->new;
    my $beside = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1')->sockport;
    my $self = bless {
        page => $page, heading => $heading, nginx => $nginx, dir => $nginx->{dir}, beside => $beside,
        client => Load->new($nginx), programs => $page->{blocks}{$heading}, changed => $options{changed} || {},
    }, 'Recipes::Recipe';
    for my $name (sort keys %{ $options{files} }) {
        make_path(dirname("$nginx->{dir}/$name"));
        $nginx->write_file($name, $options{files}{$name}, $name =~ /^keys/ ? 0600 : 0644);
    }
    if (defined $options{prepared}) {
        local $self->{programs} = $page->{blocks}{ $options{prepared} };
        $self->run('sh');
    }
    $self->configure(%options);
    $nginx->start;
    return $self;
}

package Recipes::Recipe;

use strict;
use warnings;

use IPC::Open3 qw(open3);
use Test::More;

sub configure {
    my ($self, %options) = @_;
    my ($page, $nginx, $heading) = @$self{qw(page nginx heading)};
    my $block = $page->{blocks}{$heading}{nginx} or die "$page->{name}: no configuration below \"$heading\"\n";
    $page->{used}{$heading} = 1;
    $block =~ s/\blisten 80\b/listen 127.0.0.1:$nginx->{port}/g;
    my $says = $options{says} ? "server { listen 127.0.0.1:$self->{beside}; location / { $options{says} } }" : '';
    $block = $self->translated($block);
    my $inside = ($options{inside} || '') eq 'server';
    $nginx->configure($inside ? $block : '', http => ($inside ? '' : $block) . $says);

    my ($said, $status) = $nginx->check;
    is $status, 0, 'nginx accepts the configuration' or diag $said;
    my @warnings = grep { /\[(?!notice)\w+\]/ } split /^/, $said;
    is scalar @warnings, @{ $options{warns} || [] }, 'with as many warnings as there should be' or diag @warnings;
    for my $pattern (@{ $options{warns} || [] }) {
        ok scalar(grep { /\[warn\].*$pattern/ } @warnings), "one is $pattern" or diag @warnings;
    }
}

sub becomes {
    my ($self, $heading, %options) = @_;
    @$self{qw(heading programs changed used)} = ($heading, $self->{page}{blocks}{$heading}, $options{changed} || {}, {});
    $self->configure(%options);
    $self->{nginx}->reload;
}

sub translated {
    my ($self, $text) = @_;
    $text =~ s/\Q$_\E/$self->{changed}{$_}/ and $self->{used}{$_} = 1 for keys %{ $self->{changed} };
    $text =~ s{/etc/nginx/}{$self->{dir}/}g;
    $text =~ s{/var/log/nginx/}{$self->{dir}/logs/}g;
    $text =~ s{/srv(?=[/;])}{$self->{dir}/srv}g;
    $text =~ s{\b127\.0\.0\.1:8080\b}{127.0.0.1:$self->{beside}}g;
    return $text;
}

# What makes a program of a language print the values of calls, a line each.
my %prints = (
    python => sub { join '', map { "\nprint($_)\n" } @_ },
    perl   => sub { join '', map { "\nprint $_, qq(\\n);\n" } @_ },
    sh     => sub { join '', map { "\n$_\n" } @_ },
    php    => sub { join '', map { "\nlinks(fn () => $_);\n" } @_ },
);
my %interpreter = (python => [$python], perl => ['perl'], sh => ['sh'], php => ['php', "$root/tests/signers/laravel.php"]);

sub run {
    my ($self, $language, @calls) = @_;
    my $program = $self->{programs}{$language} or die "no program in $language below \"$self->{heading}\"\n";
    my $prints = $program =~ /\A<\?php/ ? sub { join '', map { "\necho $_, \"\\n\";\n" } @_ } : $prints{$language};
    $program = $self->translated($program) . $prints->(@calls);
    my @interpreter = @{ $interpreter{$language} };
    if ($language eq 'php') {
        if ($program =~ /\A<\?php/) { @interpreter = ('php'); }
        else { $program = "<?php\n" . $program }
    }
    my $name = "program.$language";
    $self->{nginx}->write_file($name, $program);
    my $pid = open3(my $in, my $out, undef, @interpreter, "$self->{dir}/$name");
    close $in;
    my @said = <$out>;
    waitpid $pid, 0;
    is $?, 0, "the program in $language runs" or diag @said;
    chomp @said;
    is scalar @said, @calls, 'and returns as many values as it was asked for' or diag @said;
    is_deeply [sort keys %{ $self->{used} }], [sort keys %{ $self->{changed} }], 'with all changes' if %{ $self->{changed} };
    return @said;
}

# Asks for a link, with a `method` other than GET and headers if they are given: the status, headers and body.
sub ask {
    my ($self, $link, %headers) = @_;
    my ($host, $target) = $link =~ m{^(?:https?://([^/]+))?(/.*)$}s or die "not a link: $link\n";
    my $method = delete $headers{method} || 'GET';
    my $from   = delete $headers{from};
    $headers{Host} ||= $host || 'files.example.com';
    my $lines = join '', map { "$_: $headers{$_}\r\n" } sort keys %headers;
    my $client = $self->{client};
    if (defined $from) {
        $client = Load->new($self->{nginx});
        $client->{socket} = IO::Socket::INET->new(LocalAddr => $from, PeerAddr => '127.0.0.1', PeerPort => $self->{nginx}{port})
            or die "no connection from $from: $@\n";
    }
    return $client->ask($method, $target, $lines);
}

sub grants {
    my ($self, $what, $link, $text, %headers) = @_;
    my ($status, $header, $body) = $self->ask($link, %headers);
    is $status, 200, "$what is granted" or diag "$link\n", $self->last_word;
    is $body, $text, 'and is the right file';
    return $header;
}

sub refuses {
    my ($self, $what, $link, $wanted, %headers) = @_;
    my ($status, undef, $body) = $self->ask($link, %headers);
    is $status, $wanted, "$what is refused" or diag "$link\n", $self->last_word;
    unlike $body, qr/^a file/, 'and no file is sent';
}

# Changes each byte of a link in turn, but those that a pattern matches.
sub covers {
    my ($self, $what, $link, $except) = @_;
    my ($before, $target) = $link =~ m{^(https?://[^/]+)?/(.*)$}s;
    $before = '' unless defined $before;
    my %open;
    if (defined $except) {
        $open{$_} = 1 for $target =~ $except ? $-[0] .. $+[0] - 1 : die "no such part in $link\n";
    }
    my (%statuses, @granted);
    for my $at (grep { !$open{$_} } 0 .. length($target) - 1) {
        my $changed = $target;
        substr($changed, $at, 1) =~ tr/0-9a-zA-Z\x21-\x7e/1-90b-zaB-ZAx/;
        my ($status) = $self->ask("$before/$changed");
        $statuses{$status}++;
        push @granted, $changed if $status !~ /^4\d\d$/;
    }
    is_deeply \@granted, [], "$what is refused when any byte of it is changed";
    cmp_ok $statuses{403} || 0, '>', 32, 'for its token' or diag explain \%statuses;
}

sub last_word { ($_[0]{nginx}->log =~ /^(.*secure_link_hmac: .*)$/mg)[-1] // 'nothing is logged' }

1;
