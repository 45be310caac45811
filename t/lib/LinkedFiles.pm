package LinkedFiles;

# The site that several suites in t/ share. A suite that says
#
#     use lib 't/lib';
#     use Test::Nginx::Socket 'no_plan';
#     use SecureLink;
#     use LinkedFiles;
#
# gets, at http level, the policy below, whose links are those of link(). Nothing is enforced: a
# block says what is. It gets these files in the server's html directory, an X-Verdict header in
# every response, and an access log line "URI verdict=... status=..." for every main request.
#
# The suite's own files, if it has some, follow the name: use LinkedFiles <<'_END_';
#
#     --- http_config    is added to what is here
#     --- no_policy      leaves the policy at http level out
#     --- user_files     is added to the files here
#     --- denials        the denials that the error log holds, as "denied: verdict=forged" or
#                        "would deny: verdict=forged", one a line; or "none"

use strict;
use warnings;

use Test::Nginx::Socket ();

my $http_config = <<'_END_';
    log_format verdicts '$uri verdict=$secure_link_hmac_status status=$status';
    access_log logs/access.log verdicts;
    add_header X-Verdict $secure_link_hmac_status always;
_END_

my $policy = <<'_END_';
    secure_link_hmac          $arg_st,$arg_ts,$arg_e;
    secure_link_hmac_message  $uri|$arg_ts|$arg_e;
    secure_link_hmac_secret   0123456789abcdef0123456789abcdef;
_END_

my $user_files = <<'_END_';
>>> files/report.txt
the report
>>> internal/files/report.txt
the report, handed over
>>> other/report.txt
the other report
>>> sorry.txt
sorry
_END_

my $denial = qr/(?:denied|would deny): verdict=\w+/;

sub import {
    my ($class, $files) = @_;
    $user_files .= $files if defined $files;
}

Test::Nginx::Socket::add_block_preprocessor(sub {
    my ($block) = @_;

    my @http_config = ($http_config, defined $block->no_policy ? () : $policy, $block->http_config || ());
    $block->set_value('http_config', join "\n", @http_config);
    $block->set_value('user_files', $user_files . ($block->user_files || ''));
    $block->set_value('log_level', 'info') unless defined $block->log_level;

    if (defined(my $denials = $block->denials)) {
        $denials =~ s/\s*\z/\n/;
        $denials = '' if $denials eq "none\n";
        $block->set_value('grep_error_log', $denial);
        $block->set_value('grep_error_log_out', $denials);
    }
});

1;
