#!/usr/bin/env bash
# nginx.conf.example: nginx -t has nothing to say about it, and each of its places serves a good link,
# refuses others, and gives out no more than it should.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/example.sh
. scripts/example.sh

passed=0
failed=0
ok() {
    if "${@:2}"; then passed=$((passed + 1)); else
        failed=$((failed + 1))
        echo "not ok: $1"
    fi
}
is() { [ "$1" = "$2" ] || { echo "  '$1' instead of '$2'" && false; }; }

# WHAT STATUS VERDICT FILE|- PATH [CURL ARGS]
link() {
    ask "${@:5}"
    ok "$1" is "$status $verdict" "$2 $3"
    [ "$4" = - ] || ok "$1: the bytes of $4" same "$4"
}

example_tree
said=$("$nginx" -t -p "$dir/" -c nginx.conf.example -e stderr 2>&1) || true
ok 'nginx -t accepts the example as it is' grep -q 'test is successful' <<<"$said"
ok 'and warns of nothing' is "$(grep -E '\[(warn|notice|error|emerg|crit|alert)\]' <<<"$said" || true)" ''
example_start

now=$(date +%s)
until=$((now + 60))
past=$((now - 60))

# The key as an argument: three fields, then two.
files() { echo "$1?st=$(sign "${4:-files}" "$1|$2|$3")&ts=$2&e=$3"; }
report=/files/report.pdf
link 'a download' 200 granted data$report "$(files $report "$now" 600)"
link 'by the old secret' 200 granted data$report "$(files $report "$now" 600 files-old)"
link 'by HEAD' 200 granted - "$(files $report "$now" 600)" -I
link 'of a range' 206 granted - "$(files $report "$now" 600)" -r 0-99
link 'issued in ISO 8601' 200 granted data$report "$(files $report "$(date -u +%Y-%m-%dT%H:%M:%SZ)" 600)"
link 'expired' 410 expired data/expired.html "$(files $report $((now - 3600)) 600)"
link 'expired within the leeway' 200 granted data$report "$(files $report $((now - 610)) 600)"
link 'too long-lived' 410 expired data/expired.html "$(files $report "$now" 864000)"
link 'issued in the future' 403 early - "$(files $report $((now + 3600)) 600)"
link 'with a longer life than was signed' 403 forged - "$(files $report "$now" 600)0"
link 'for another file' 403 forged - "$(files $report "$now" 600 | sed s/report/prices/)"
link 'by another key' 403 forged - "$(files $report "$now" 600 media)"
link 'malformed' 403 malformed - "$report?st=%00&ts=$now&e=600"
link 'without a link' 403 missing - $report
link 'by POST' 403 out_of_scope - "$(files $report "$now" 600)" -d x

acme=/partners/acme/tower.png
link 'an image, in arguments' 200 granted data$acme "$acme?st=$(sign acme "$acme|$until")&until=$until"
link 'expired' 410 expired - "$acme?st=$(sign acme "$acme|$past")&until=$past"
link 'no longer than signed' 403 forged - "$acme?st=$(sign acme "$acme|$until")&until=${until}0"
link 'without a link' 403 missing - $acme

globex=/partners/globex
link 'an image, in the path' 200 granted data$globex/tower.png "$globex/$(sign globex "/tower.png|$until")/$until/tower.png"
link 'expired' 410 expired - "$globex/$(sign globex "/tower.png|$past")/$past/tower.png"
link 'of another image' 403 forged - "$globex/$(sign globex "/tower.png|$until")/$until/bridge.png"
link 'without a link' 404 - - $globex/tower.png

initech=/partners/initech/tower.png
key=$(sign initech "$initech|$until")
link 'an image, in headers' 200 granted data$initech $initech -H "X-Key: $key" -H "X-Key-Until: $until"
link 'no longer than signed' 403 forged - $initech -H "X-Key: $key" -H "X-Key-Until: ${until}0"
link 'without a link' 403 missing - $initech

embed=/embed/umbrella/tower.png
token() { jwt "$1" "{\"sub\":\"alice\",\"exp\":$2,\"path\":\"/embed/umbrella/*\"}"; }
good=$(token umbrella "$until")
link 'an image, by JSON Web Token' 200 granted data$embed "$embed?token=$good"
link 'the same in a header' 200 granted data$embed $embed -H "Authorization: Bearer $good"
link 'by the key of another partner' 200 granted data$embed "$embed?token=$(token hooli "$until")"
link 'by a withdrawn key' 403 unknown_key - "$embed?token=$(token vandelay "$until")"
link 'by a key that is not in the ring' 403 unknown_key - "$embed?token=$(token acme "$until")"
link 'for another path' 403 out_of_scope - "/embed/hooli/tower.png?token=$good"
link 'expired' 410 expired - "$embed?token=$(token umbrella "$past")"
link 'too long-lived' 410 expired - "$embed?token=$(token umbrella $((now + 172800)))"
link 'changed' 403 forged - "$embed?token=${good/.e/.f}"
link 'without a token' 403 missing - $embed

album=/album/alice/beach.png
key=$(sign album "alice|$until")
link 'an image, by cookie' 200 granted data$album $album -b "album=$key; album_until=$until"
link 'in the album of another' 403 forged - /album/bob/beach.png -b "album=$key; album_until=$until"
link 'without a cookie' 403 missing - $album

key=$(sign hls "film|$until")
for part in index.m3u8 1.ts 2.ts 3.ts; do
    link "a film, $part" 200 granted data/hls/film/$part "/hls/$key/$until/film/$part"
done
link 'of another folder' 403 forged - "/hls/$key/$until/other/1.ts"
link 'expired' 410 expired - "/hls/$(sign hls "film|$past")/$past/film/1.ts"
link 'out of the folder' 404 - - "/hls/$key/$until/film/..%2f..%2fexpired.html"

talk=/media/talk.ts
link 'from the object storage' 200 granted bucket$talk "$talk?st=$(sign media "$talk|$until")&until=$until"
link 'a range of it' 206 granted - "$talk?st=$(sign media "$talk|$until")&until=$until" -r 0-99
link 'without a link' 403 missing - $talk

manual=/legacy/manual.pdf
link 'dry run, a good link' 200 granted data$manual "$manual?st=$(sign legacy "$manual|$until")&until=$until"
link 'dry run, an expired link' 200 expired data$manual "$manual?st=$(sign legacy "$manual|$past")&until=$past"
link 'dry run, no link' 200 missing data$manual $manual

link 'the files, asked for directly' 404 - - /internal$report
link 'the object storage, asked for directly' 404 - - /storage$talk
link 'and with a good link' 404 - - "/internal$(files $report "$now" 600)"

ask "$(files $report "$now" 600)"
ok 'the log names key, verdict and time left' grep -qE \
    "200 [0-9]+ key=files link=granted left=(600|59[0-9]) \"GET $report\"\$" <(tail -n 1 "$dir/logs/access.log")
figures=$(curl -s "http://127.0.0.1:$port/links?format=prometheus")
for at in "$(files $report "$now" 600)" "$initech -H X-Key:$(sign initech "$initech|$until") -H X-Key-Until:$until" \
    "$album -b album=$(sign album "alice|$until");album_until=$until"; do
    # shellcheck disable=SC2086
    ok "no shared cache keeps ${at%%[? ]*}" grep -qi '^cache-control: private, max-age=300' <(curl -s -D - -o /dev/null "http://127.0.0.1:$port"$at)
done
ok 'the figures count by key' grep -q '^secure_link_hmac_requests_total{zone="links",key="umbrella",verdict="granted"} 2$' <<<"$figures"
ok 'and by verdict' grep -q '^secure_link_hmac_requests_total{zone="links",key="umbrella",verdict="out_of_scope"} 1$' <<<"$figures"

ok 'no token is in the access log' is "$(grep -oE '[A-Za-z0-9_-]{43}' "$dir/logs/access.log" || true)" ''
ok 'which has the paths around one' grep -qF '/hls/-/' "$dir/logs/access.log"
ok 'no key is in a log' is "$(grep -hF -f <(cat "$dir"/keys/*) "$dir"/logs/*.log || true)" ''
ok 'nothing is above the level of a denial' is "$(grep -vc '\[notice\]' "$dir/logs/error.log" || true)" 0

echo "example: $passed passed, $failed failed"
[ "$failed" = 0 ]
