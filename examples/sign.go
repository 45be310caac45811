// go run sign.go SECONDS PATH...
package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/url"
	"os"
	"strconv"
	"time"
)

func link(key []byte, path string, seconds int) string {
	ts := time.Now().Unix()
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s|%d|%d", path, ts, seconds)
	st := base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
	encoded := (&url.URL{Path: path}).EscapedPath()
	return fmt.Sprintf("%s?st=%s&ts=%d&e=%d", encoded, st, ts, seconds)
}

func main() {
	key, ok := os.LookupEnv("SECURE_LINK_SECRET")
	seconds, err := strconv.Atoi(os.Args[1])
	if !ok || err != nil {
		panic("SECURE_LINK_SECRET is not set, or the seconds are no number")
	}
	for _, path := range os.Args[2:] {
		fmt.Println(link([]byte(key), path, seconds))
	}
}
