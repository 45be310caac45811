package Preload;

# Libraries in C that are loaded into nginx before all others, to hurt or to watch it.
#
#     my $library = Preload->new($name, $words);     compiles NAME.c, beside this, and makes a file of so many words
#     NginxServer->new(environment => $library->environment(%more))
#     $library->set($at, $value), ->get($at)         a word of the file, which nginx has mapped

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename qw(dirname);
use File::Temp qw(tempdir);

my $here = dirname abs_path(__FILE__);

sub new {
    my ($class, $name, $words) = @_;
    my $dir    = tempdir(CLEANUP => 1);
    my $source = "$here/$name.c";
    system('cc', qw(-Wall -Wextra -Werror -O1 -shared -fPIC -o), "$dir/$name.so", $source, '-ldl') == 0 or die "cc: $source\n";
    open my $file, '+>', "$dir/words" or die "$dir/words: $!";
    binmode $file;
    chmod 0755, $dir or die $!;
    syswrite $file, pack 'q*', (0) x $words or die "$dir/words: $!";
    return bless { name => $name, dir => $dir, file => $file }, $class;
}

# nginx clears its environment when it begins: the file is known by then.
sub environment {
    my ($self, %more) = @_;
    return { LD_PRELOAD => "$self->{dir}/$self->{name}.so", PRELOAD_WORDS => "$self->{dir}/words", %more };
}

sub set {
    my ($self, $at, $value) = @_;
    sysseek $self->{file}, 8 * $at, 0 or die $!;
    syswrite $self->{file}, pack 'q', $value or die $!;
}

sub get {
    my ($self, $at) = @_;
    sysseek $self->{file}, 8 * $at, 0 or die $!;
    sysread $self->{file}, my $bytes, 8 or die $!;
    return unpack 'q', $bytes;
}

1;
