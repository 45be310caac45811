# shellcheck shell=bash
# nginx.conf.example, alive: sourced by what demonstrates and by what tests it.
#
#   MODULE=/path/to.so NGINX=nginx; . scripts/example.sh
#
#   example_tree             keys, files and all else that the configuration names, in a new directory $dir
#   example_start            nginx on free ports of the loopback address; sets $port
#   sign KEY TEXT            the token of a text, made by openssl with keys/KEY.key
#   jwt KEY PAYLOAD          a JSON Web Token, likewise
#   ask PATH [CURL ARGS]     one request; sets $status and $verdict, leaves the body in $dir/body
#   same FILE                whether that body is the file
#
# The server is stopped and the directory removed when the script ends, however it ends.

PATH=$PATH:/usr/sbin:/sbin
nginx=${NGINX:-nginx}
unset NGINX # nginx reads a variable of this name: sockets that it inherits
dir=
server=

example_stop() {
    if [ -n "$server" ]; then
        kill "$server" 2>/dev/null || true
        wait "$server" 2>/dev/null || true
    fi
    if [ -n "$dir" ]; then rm -rf "$dir"; fi
}
trap example_stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

example_tree() {
    dir=$(mktemp -d)
    chmod 755 "$dir" # an nginx started by root reads the files as another user
    cp nginx.conf.example "$dir/"
    mkdir "$dir/keys" "$dir/logs" "$dir/modules"
    ln -s "$MODULE" "$dir/modules/ngx_http_secure_link_hmac_module.so"

    local key
    (
        umask 077
        cd "$dir/keys" || exit
        for key in files files-old album media legacy umbrella hooli vandelay; do openssl rand -base64 24 >$key.key; done # raw
        for key in acme initech; do openssl rand -hex 32 >$key.key; done
        for key in globex hls; do openssl rand -base64 32 >$key.key; done
    )

    (
        cd "$dir" || exit
        mkdir -p data/{files,hls/film,legacy,album/alice,embed/umbrella,partners/{acme,globex,initech}} bucket/media
        pdf 4 >data/files/report.pdf
        pdf 1 >data/files/prices.pdf
        cp data/files/prices.pdf data/legacy/manual.pdf
        image 200 60 40 >data/partners/acme/tower.png
        image 40 160 80 >data/partners/globex/tower.png
        image 60 80 200 >data/partners/initech/tower.png
        image 180 140 40 >data/album/alice/beach.png
        image 120 60 140 >data/embed/umbrella/tower.png
        echo '<!doctype html><title>Expired</title><p>This link has expired. Please ask for a new one.' >data/expired.html
        {
            printf '#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:6\n'
            for n in 1 2 3; do
                head -c 1500k /dev/urandom >"data/hls/film/$n.ts"
                printf '#EXTINF:6,\n%s.ts\n' "$n"
            done
            echo '#EXT-X-ENDLIST'
        } >data/hls/film/index.m3u8
        head -c 3M /dev/urandom >bucket/media/talk.ts
    )
}

# A page of text, and megabytes that no reader shows.
pdf() {
    printf '%%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n'
    printf '2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n'
    printf '3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 400 200]/Contents 4 0 R'
    printf '/Resources<</Font<</F<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>>>>>>>endobj\n'
    local text='BT /F 18 Tf 40 100 Td (Downloaded by a signed link) Tj ET'
    printf '4 0 obj<</Length %d>>stream\n%s\nendstream endobj\n' ${#text} "$text"
    printf '5 0 obj<</Length %d>>stream\n' $(($1 * 1048576))
    head -c "$1M" /dev/urandom
    printf '\nendstream endobj\ntrailer<</Root 1 0 R>>\n%%%%EOF\n'
}

# A picture that fades from a colour to black, grainy, so that it has some size.
image() {
    perl -MCompress::Zlib -e '
        my ($w, $h) = (640, 400);
        my $rows = join "", map { my $y = $_; "\0" . pack "C*", map { map { $_ * ($h - $y) / $h + rand 20 } @ARGV } 1 .. $w } 1 .. $h;
        sub chunk { pack "N a4 a* N", length $_[1], @_, crc32("$_[0]$_[1]") }
        binmode STDOUT;
        print "\x89PNG\r\n\x1a\n", chunk("IHDR", pack "NNC5", $w, $h, 8, 2, 0, 0, 0),
            chunk("IDAT", compress($rows)), chunk("IEND", "");' "$@"
}

example_start() {
    for _ in 1 2 3 4 5; do
        port=$((20000 + RANDOM % 10000 * 2))
        sed "s/127\.0\.0\.1:8080/127.0.0.1:$port/; s/127\.0\.0\.1:8081/127.0.0.1:$((port + 1))/" \
            nginx.conf.example >"$dir/nginx.conf.example"
        "$nginx" -p "$dir/" -c nginx.conf.example -e logs/error.log -g 'daemon off;' 2>"$dir/stderr" &
        server=$!
        while kill -0 "$server" 2>/dev/null; do
            if [ -s "$dir/logs/nginx.pid" ]; then return; fi # written when it listens
            sleep 0.1
        done
        wait "$server" || true
        server=
        grep -q 'Address already in use' "$dir/stderr" || break
    done
    cat "$dir/stderr" "$dir/logs/error.log" >&2
    echo "nginx did not start with nginx.conf.example" >&2
    return 1
}

sign() {
    local hex
    case $1 in
    acme | initech) hex=$(cat "$dir/keys/$1.key") ;;
    globex | hls) hex=$(openssl base64 -d -A <"$dir/keys/$1.key" | od -An -v -tx1 | tr -d ' \n') ;;
    *) # a secret that is text, as it is
        printf '%s' "$2" | openssl dgst -sha256 -hmac "$(cat "$dir/keys/$1.key")" -binary | openssl base64 -A | tr +/ -_ | tr -d =
        return
        ;;
    esac
    printf '%s' "$2" | openssl dgst -sha256 -mac HMAC -macopt "hexkey:$hex" -binary | openssl base64 -A | tr +/ -_ | tr -d =
}

jwt() {
    local text
    text=$(printf '{"alg":"HS256","typ":"JWT","kid":"%s"}' "$1" | openssl base64 -A | tr +/ -_ | tr -d =)
    text+=.$(printf '%s' "$2" | openssl base64 -A | tr +/ -_ | tr -d =)
    echo "$text.$(sign "$1" "$text")"
}

# The verdict is read from the log line that the request leaves, a moment after its answer.
ask() {
    local path=$1 lines
    shift
    lines=$(wc -l <"$dir/logs/access.log")
    # shellcheck disable=SC2034 # for the caller
    status=$(curl -s -o "$dir/body" -w '%{http_code}' "$@" "http://127.0.0.1:$port$path") || true
    verdict=
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        verdict=$(tail -n "+$((lines + 1))" "$dir/logs/access.log" | sed -n 's/.* link=\([^ ]*\).*/\1/p')
        [ -z "$verdict" ] || break
        sleep 0.1
    done
}

same() { cmp -s "$dir/body" "$dir/$1"; }
