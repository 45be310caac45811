#!/usr/bin/env bash
# bash sign.sh SECONDS PATH...
# Who else is on the machine can see for a moment what openssl is given, in `ps`: on a shared one take `secure-link sign`.
set -euo pipefail
LC_ALL=C # bytes

link() {
    local path=$1 seconds=$2 ts st encoded='' i
    ts=$(date +%s)
    st=$(printf '%s' "$path|$ts|$seconds" | openssl dgst -sha256 -hmac "$SECURE_LINK_SECRET" -binary |
        openssl base64 -A | tr +/ -_ | tr -d =)
    for ((i = 0; i < ${#path}; i++)); do
        case ${path:i:1} in
        [A-Za-z0-9._~/-]) encoded+=${path:i:1} ;;
        *) encoded+=$(printf '%%%02X' "'${path:i:1}") ;;
        esac
    done
    echo "$encoded?st=$st&ts=$ts&e=$seconds"
}

seconds=$1
shift
for path; do link "$path" "$seconds"; done
