package Signers;

# The libraries that sign links, for tests/signers.pl. They are in objs/signers, where scripts/need puts them; the
# programs that call them are in tests/signers/.
#
#     ask($signer, $case, $function)   gives the function what the signer makes of the case, in sign()
#     sign()                           runs the programs, each once

use strict;
use warnings;

use Exporter qw(import);
use File::Basename qw(dirname);
use File::Temp qw(tempdir);
use JSON::PP ();
use POSIX ();

our @EXPORT = qw(ask sign);

my $tests  = dirname(dirname(__FILE__));
my @python = "$tests/../objs/signers/venv/bin/python";
my @node   = ('node', '--no-warnings');

my %program = (
    'PyJWT'                         => [@python, "$tests/signers/pyjwt.py"],
    'jose'                          => [@node, "$tests/signers/jose.mjs"],
    'jsonwebtoken'                  => [@node, "$tests/signers/jsonwebtoken.mjs"],
    'akamai-edgeauth of PyPI'       => [@python, "$tests/signers/edgeauth.py"],
    'akamai-edgeauth of npm'        => [@node, "$tests/signers/edgeauth.mjs"],
    'boto3'                         => [@python, "$tests/signers/aws.py"],
    '@aws-sdk/s3-request-presigner' => [@node, "$tests/signers/aws.mjs"],
);
my $json = JSON::PP->new->utf8->ascii->canonical;
my %asked;

sub ask {
    my ($signer, $case, $function) = @_;
    push @{ $asked{$signer} }, [$case, $function];
}

sub sign {
    # Nothing that this machine's owner has configured for AWS.
    delete local @ENV{ grep { /^AWS_/ } keys %ENV };
    local @ENV{qw(AWS_CONFIG_FILE AWS_SHARED_CREDENTIALS_FILE)} = ('/dev/null', '/dev/null');
    my $dir = tempdir(CLEANUP => 1);
    my @running;
    for my $signer (sort keys %asked) {
        my $name = "$dir/" . @running;
        open my $file, '>', "$name.in" or die "$name: $!";
        print {$file} $json->encode([map { $_->[0] } @{ $asked{$signer} }]);
        close $file;
        my $pid = fork;
        die "fork: $!" unless defined $pid;
        if (!$pid) {
            open STDIN,  '<', "$name.in"  or die "$name: $!";
            open STDOUT, '>', "$name.out" or die "$name: $!";
            exec @{ $program{$signer} } or do { print STDERR "$program{$signer}[0]: $!\n"; POSIX::_exit(127) };
        }
        push @running, [$signer, $pid, $name];
    }
    for my $one (@running) {
        my ($signer, $pid, $name) = @$one;
        waitpid $pid, 0;
        die "$signer does not sign; scripts/need test installs it\n" if $?;
        open my $file, '<', "$name.out" or die "$name: $!";
        my $signed = $json->decode(join '', <$file>);
        my $cases  = $asked{$signer};
        die "$signer has not signed each\n" if @$signed != @$cases;
        $cases->[$_][1]->($signed->[$_]) for 0 .. $#$cases;
    }
    %asked = ();
}

1;
