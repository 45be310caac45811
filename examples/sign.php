<?php
// php sign.php SECONDS PATH...
function link_to(string $path, int $seconds): string
{
    $key = getenv('SECURE_LINK_SECRET') ?: throw new RuntimeException('SECURE_LINK_SECRET is not set');
    $ts = time();
    $mac = hash_hmac('sha256', "$path|$ts|$seconds", $key, true);
    $st = rtrim(strtr(base64_encode($mac), '+/', '-_'), '=');
    $encoded = str_replace('%2F', '/', rawurlencode($path));
    return "$encoded?st=$st&ts=$ts&e=$seconds";
}

foreach (array_slice($argv, 2) as $path) {
    echo link_to($path, (int) $argv[1]), "\n";
}
