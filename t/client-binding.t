# Links for one client: `ip` of a JWT and of an EdgeAuth token, with the address that realip has found.

use strict;
use warnings;

use lib 't/lib';
use SchemeLinks;
use Test::Nginx::Socket 'no_plan';
use Verdicts <<'_EOC_';
    secure_link_hmac_scheme jwt;
    secure_link_hmac $arg_token;
    secure_link_hmac_secret 0123456789abcdef0123456789abcdef;
    add_header X-Client "$remote_addr" always;
    location /edgeauth/ { secure_link_hmac_scheme edgeauth; secure_link_hmac $arg_hdnts; secure_link_hmac_keys media; empty_gif; }
    location /early/ { secure_link_hmac_scheme edgeauth escape_early; secure_link_hmac $arg_hdnts; secure_link_hmac_keys media; empty_gif; }
_EOC_

add_block_preprocessor(sub {
    my ($block) = @_;
    $block->set_value(http_config => CORE::join "\n", 'secure_link_hmac_keyring media { k1 hex:' . edgeauth_key . '; }',
        defined $block->http_config ? $block->http_config : 'real_ip_header X-Forwarded-For; set_real_ip_from 127.0.0.1;');
});

# Requests of this client with tokens of this `ip`, by each scheme.
sub from {
    my ($verdict, $client, @ips) = @_;
    my $headers = $client eq '' ? '' : "X-Forwarded-For: $client";
    return map { my $ip = $_; ([$verdict, jwt_link('/f', {path => '*', ip => $ip}), $headers],
        [$verdict, edgeauth_link('/edgeauth/f', acl => '*', ip => $ip), $headers],
        [$verdict, edgeauth_link('/early/f', acl => '*', ip => $ip, early => 'form'), $headers]) } @ips;
}

no_long_string();
run_tests();

__DATA__

=== an address is that of the client
--- cases eval
::from('granted', '', '127.0.0.1'), ::from('out_of_scope', '', '127.0.0.2', '0.0.0.0', '255.255.255.255', '::1', '::'),
['granted', jwt_link('/f', {path => '*'})],
::from('granted', '203.0.113.7', '203.0.113.7'), ::from('out_of_scope', '203.0.113.7', '127.0.0.1', '203.0.113.8', '203.0.113.6', '203.0.113.70',
    '7.113.0.203', '::cb00:7107')



=== a prefix is a network
--- cases eval
::from('granted', '203.0.113.7', '203.0.113.7/32', '203.0.113.0/24', '203.0.113.7/24', '203.0.113.4/30', '203.0.0.0/16', '203.0.113.0/29',
    '192.0.0.0/2', '128.0.0.0/1', '0.0.0.0/0', '1.2.3.4/0'),
::from('out_of_scope', '203.0.113.7', '203.0.113.8/32', '203.0.113.8/29', '203.0.113.0/30', '203.0.112.0/24', '10.0.0.0/8', '127.0.0.0/8',
    '0.0.0.0/1', '0.0.0.0/32', '::/0', '2001:db8::/32')



=== IPv6
--- cases eval
::from('granted', '2001:db8::7', '2001:db8::7', '2001:DB8::7', '2001:0db8:0000:0000:0000:0000:0000:0007', '2001:db8:0:0::7', '2001:db8::7/128',
    '2001:db8::/64', '2001:db8::/32', '2001:db8:1:2:3::/32', '2000::/3', '::/0', '2001:db8::4/126', '2001:db8::0.0.0.7'),
::from('out_of_scope', '2001:db8::7', '2001:db8::8', '2001:db8::7:0', '2001:db8::8/126', '2001:db9::/32', '2001:db8:0:1::/64', '::1', '::',
    'fe80::/10', '0.0.0.0/0', '127.0.0.1', '0.0.0.7'), ::from('granted', '::1', '::1', '::/8', '0:0:0:0:0:0:0:1'),
::from('out_of_scope', '::1', '127.0.0.1', '::2', '0.0.0.1')



=== an IPv4 address is the same when it is mapped to IPv6
--- cases eval
::from('granted', '203.0.113.7', '::ffff:203.0.113.7', '::FFFF:203.0.113.7', '::ffff:cb00:7107', '0:0:0:0:0:ffff:203.0.113.7',
    '::ffff:203.0.113.7/128', '::ffff:203.0.113.0/120', '::ffff:0:0/96'),
::from('granted', '::ffff:203.0.113.7', '203.0.113.7', '203.0.113.0/24', '::ffff:203.0.113.7', '::ffff:203.0.113.0/120', '0.0.0.0/0'),
::from('out_of_scope', '203.0.113.7', '::ffff:203.0.113.8', '::203.0.113.7', '::ffff:203.0.112.0/120', '::fffe:203.0.113.7', '64:ff9b::203.0.113.7'),
::from('out_of_scope', '::ffff:203.0.113.7', '203.0.113.8', '203.0.112.0/24', '2001:db8::/32')



=== what is no address is malformed
--- cases eval
(map { ['malformed', jwt_link('/f', {path => '*', ip => $_})] } my @bad = ('', ' ', 'x', 'localhost', '127.0.0', '127.0.0.1.1', '127.1',
    '127.0.0.256', '127.0.0.-1', '127.0.0.1x', ' 127.0.0.1', '127.0.0.1 ', '127.0.0.01', '0177.0.0.1', '0x7f.0.0.1', '2130706433', '127.0.0.1:80',
    '127.0.0.1/', '127.0.0.1/33', '127.0.0.1/-1', '127.0.0.1/+8', '127.0.0.1/8/8', '127.0.0.1/x',
    '127.0.0.1/255.0.0.0', '/8', '/', '127.0.0.1,127.0.0.2', '127.0.0.1-127.0.0.9', '127.0.0.*', '*', '127.0.0.1/999999999999', ':', ':::', '1::2::3',
    '::1/129', '::1/', '[::1]', '::1%lo', '::g', '1:2:3:4:5:6:7', '1:2:3:4:5:6:7:8:9', '12345::', '::ffff:127.0.0.1/129', 'unix:', '127.0.0.1' . "\n",
    "127.0.0.1\0", 'x' x 2000)),
(map { ['malformed', '/edgeauth/f?hdnts=' . aws_encode(edgeauth(acl => '*', ip => $_))] } grep { !/~/ } '', ' ', 'x', '127.0.0', '127.0.0.256',
    '127.0.0.1 ', '127.0.0.1/', '127.0.0.1/33', '127.0.0.*', '*', '::1/129', '[::1]', '::1%lo', "127.0.0.1\n", "127.0.0.1\0", 'x' x 1000,
    '127.0.0.1%2F32'),
(map { ['malformed', jwt_link('/f', qq({"path":"*","exp":9000000000,"ip":$_}))] } 5, 'null', 'true', '[]', '["127.0.0.1"]', '{}', '2130706433'),
# Not before the MAC was right.
(map { ['forged', jwt_link('/f', {path => '*', ip => $_}, secret => 'x' x 32)] } 'x', '127.0.0.2'),
(map { ['forged', edgeauth_link('/edgeauth/f', acl => '*', ip => $_, key => '00' x 16)] } 'x', '127.0.0.2'),
['malformed', edgeauth_link('/early/f', text => 'exp=9000000000~acl=*~ip=127.0.0.1%zz')]



=== without realip it is the connection's, whatever the client says
--- http_config
--- cases eval
map { (::from('granted', $_, '127.0.0.1', '127.0.0.0/8'), ::from('out_of_scope', $_, '203.0.113.7')) } '', '203.0.113.7', '127.0.0.2'



=== realip believes whom it is told to
--- http_config
real_ip_header X-Forwarded-For;
real_ip_recursive on;
set_real_ip_from 127.0.0.1;
set_real_ip_from 10.0.0.0/8;
--- cases eval
::from('granted', '203.0.113.7, 10.0.0.1', '203.0.113.7'), ::from('out_of_scope', '203.0.113.7, 10.0.0.1', '10.0.0.1', '127.0.0.1'),
::from('granted', '203.0.113.7, 198.51.100.1, 10.0.0.1', '198.51.100.1'),
::from('out_of_scope', '203.0.113.7, 198.51.100.1, 10.0.0.1', '203.0.113.7'), ::from('granted', 'x', '127.0.0.1'),
::from('granted', '203.0.113.7:4711', '203.0.113.7'), ::from('granted', '[2001:db8::7]:4711', '2001:db8::7')



=== a network of all addresses is of all, and no address is of another family
--- cases eval
::from('granted', '127.0.0.1', '0.0.0.0/0', '127.0.0.1/0'), ::from('granted', '2001:db8::1', '::/0'),
::from('out_of_scope', '2001:db8::1', '0.0.0.0/0', '1.2.3.4/0', '::ffff:0:0/96')
