package Links;

# Random links for tests/signers.pl: names that are hard to get right, the ways to write them in a URL, and what
# nginx and a glob make of them. Names and paths are bytes; text() gives signers the characters.
#
#     random_path($folder, $number)    a path in the folder; the first numbers end in a name of @hard
#     written($path, $style)           a path as a client may send it, in one of @styles
#     escaped($bytes), form($bytes)    a query component, by RFC 3986 or as a form
#     respelled($bytes)                the same by another client, some unreserved bytes escaped
#     random_args()                    arguments of no interest: empty, repeated, encoded
#     served($target)                  the path that nginx serves for a request target; undef if it refuses it
#     covered($path, @globs)           whether one of the globs grants it
#     unescaped($text), unformed($text)   what a text stands for in a path, or in a query
#     arguments($target)               its arguments as SigV4 covers them, sorted
#     random_text(), one_of(LIST), text($bytes), bytes($text)

use strict;
use warnings;
use utf8;

use Encode qw(decode encode);
use Exporter qw(import);

our @EXPORT = qw(
    random_path written escaped form respelled random_args served covered unescaped unformed arguments
    random_text one_of text bytes @styles
);

our @styles = qw(plain lower browser raw odd);

our @hard = (
    'a b.txt', 'a+b.txt', '100%.txt', '%41.txt', 'a%2Fb.txt', '%', 'a%zz', '%20', '%25', 'a%20b+c d.txt', 'a~b.txt', '~',
    q(it's "quoted".txt), 'a;b.txt', 'a&b=c.txt', '=', 'a,b', 'what?.txt', 'a#b.txt', '*', '?', '!', 'a!b!c.txt', 'größe.txt',
    "gro\x{308}\x{df}e.txt", '漢字.txt', "\x{1f600} \x{1f469}\x{200d}\x{1f469}\x{200d}\x{1f467}.txt", '...', '.hidden', 'x.', ' leading', 'trailing ',
    '-', '+', '++ +', '(1) [2] {3}.txt', '<>|^`\\', '@:$', 'X-Amz-Signature=0', 'token=1&exp=2', '~hmac=00', '%7Ehmac', 'a/b', "\x{a0}",
    'x' x 200, 'é' x 100, "\x{1f600}" x 50, '%' x 200, ' ' x 198 . 'ab', '+ ' x 100, q(~'!*) x 50,
);

my @usual   = ('a' .. 'z', 'A' .. 'Z', 0 .. 9, qw(- . _));
my @special = (split(//, q( +%~'";&=,!()$@:[]{}|^`<>\\#?*)), qw(ä ö ü ß É ñ 漢 字 Ж), "\x{1f600}", "\x{1f468}", "\x{301}", "\x{2028}", "\x{a0}");

sub one_of { return $_[rand @_] }

sub text  { return decode('UTF-8', $_[0], Encode::FB_CROAK | Encode::LEAVE_SRC) }
sub bytes { return encode('UTF-8', $_[0]) }

# Characters without controls: whom a link was made for.
sub random_text { return join '', map { rand() < 0.3 ? one_of(@special) : one_of(@usual) } 1 .. 1 + rand 20 }

sub random_name {
    my ($length) = @_;
    my $name = '';
    while (1) {
        my $next = $name . bytes(rand() < 0.3 ? one_of(@special) : one_of(@usual));
        last if length $next > $length;
        $name = $next;
    }
    return $name =~ /\A\.{0,2}\z/ ? 'name' : $name;
}

sub random_path {
    my ($folder, $number) = @_;
    my $deep    = rand() < 0.1;
    my @folders = map { random_name($deep ? 3 : 1 + int rand 12) } 1 .. ($deep ? 20 : int rand 4);
    my $name    = $number < @hard ? bytes($hard[$number]) : random_name(rand() < 0.15 ? 200 : 1 + int rand 24);
    return join '/', $folder, @folders, $name;
}

# What has to be escaped, by style; slashes are not touched.
my %reserved = (
    plain   => qr{[^A-Za-z0-9._~/-]},
    lower   => qr{[^A-Za-z0-9._~/-]},
    browser => qr/[^!\$&-;=\@A-Z\\\[\]^_a-z|~]/,
    raw     => qr/[\x00-\x20"#%<>?\x7f]/,
    odd     => qr{[^A-Za-z0-9._~/-]},
);

sub written {
    my ($path, $style) = @_;
    my $written = '';
    for my $byte (split //, $path) {
        my $lower = $style eq 'lower' || $style eq 'odd' && rand() < 0.5;
        my $escape = $byte =~ $reserved{$style} || $style eq 'odd' && $byte ne '/' && rand() < 0.1;
        $written .= $escape ? percent($byte, $lower) : $byte;
    }
    return $written;
}

sub percent { return sprintf $_[1] ? '%%%02x' : '%%%02X', ord $_[0] }

sub escaped { return $_[0] =~ s/([^A-Za-z0-9._~-])/percent($1)/egr }
sub form    { return $_[0] =~ s/([^A-Za-z0-9._ -])/percent($1)/egr =~ tr/ /+/r }

sub respelled {
    my ($text) = @_;
    my $other = '';
    for my $byte (split //, $text) {
        $other .= $byte eq ' ' && rand() < 0.5 ? '+'
            : $byte !~ /[A-Za-z0-9._~-]/ || rand() < 0.2 ? percent($byte, rand() < 0.5) : $byte;
    }
    return $other;
}

sub random_args {
    my @some = ('a', 'a=', '=', 'b=1', 'b=2', 'b=1', 'B=3', 'q=%20+%C3%A4', 'r=https://x/y?z', "s='", 'tokens=2', 'x=%', 'x=%zz', 'y=a=b', 'utm_source=%F0%9F%98%80');
    return map { one_of(@some) } 1 .. rand 4;
}

sub unescaped { return $_[0] =~ s/%([0-9A-Fa-f]{2})/chr hex $1/egr }
sub unformed  { return unescaped($_[0] =~ tr/+/ /r) }

sub arguments {
    my ($args) = $_[0] =~ /\A[^?#]*\?([^#]*)/s or return '';
    my @arguments = map { join '=', map { escaped(unformed($_)) } /\A([^=]*)=?(.*)\z/s } split /&/, $args, -1;
    return join '&', sort @arguments;
}

sub served {
    my ($path) = $_[0] =~ m{\A(/[^?#]*)}s or return undef;
    return undef if $path =~ /%(?![0-9A-Fa-f]{2})/ || $path =~ /[\x00-\x20\x7f]/;
    $path = unescaped($path);
    return undef if $path =~ /\0/;
    my @kept;
    my @segments = split m{/+}, $path, -1;
    shift @segments;    # before the first slash
    my $folder = @segments && $segments[-1] =~ /\A\.{0,2}\z/;
    for my $segment (@segments) {
        if    ($segment eq '..') { @kept or return undef; pop @kept }
        elsif ($segment ne '.' && $segment ne '') { push @kept, $segment }
    }
    return '/' . join '/', @kept, $folder && @kept ? '' : ();
}

sub covered {
    my ($path, @globs) = @_;
    for my $glob (@globs) {
        my $pattern = join '', map { $_ eq '*' ? '.*' : $_ eq '?' ? '.' : quotemeta } split //, $glob;
        return 1 if $path =~ /\A$pattern\z/s;
    }
    return 0;
}

1;
