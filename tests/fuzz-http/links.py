"""Random requests for a location: mostly links that are good but for one thing, at the borders of time and text."""

import base64
import copy
import datetime
import json
import re
import urllib.parse

import model
from model import Seen, Var
from places import MAPS

NAMES = [b"f.txt", b"f.txt", b"f.txt", b"f.txtx", b"f", b"g.txt", b"a b", b"a+b", b"100%25", b"a&b", b"what?.pdf", b"x#y", b"dir/f.txt", b"\xc3\xa4\xc3\x9f", b"\xff\xfe",
         b"a|b", b"~tilde", b"(a)*!'", b"quote\"", b"back\\slash", b"a;b=c", b"..a", b"a..", b"line\nfeed", b"tab\tx", b"%2F", b"", b"Q" * 200]
METHODS = [b"GET"] * 12 + [b"HEAD"] * 3 + [b"POST", b"PUT", b"DELETE", b"OPTIONS", b"PATCH", b"PROPFIND"]
ADDRESSES = [b"192.0.2.1", b"192.0.2.2", b"198.51.100.7", b"2001:db8::1", b"2001:db8::2"]
HOSTS = [b"localhost"] * 6 + [b"media.example", b"Media.Example", b"media.example.", b"media.example:8080", b"localhost:80", b"127.0.0.1", b"[::1]:9000"]
ODD_HOSTS = [b"a|b", b"a&b", b"a_b", b"a b", b"", b"a/b", b"..", b"a..b", b"x" * 300, b"[::1", b"host:", b"\xff", b"a,b", b"a'b\"c"]


class Request:
    def __init__(self, method=b"GET", path=b"/", args=None, headers=None, host=b"localhost"):
        self.method, self.path, self.host = method, path, host
        self.args = args or []  # pairs; a value of None has no =
        self.headers = headers or []
        self.version = b"HTTP/1.1"
        self.origin = b""  # of an absolute-form target
        self.body = b""
        self.fragment = b""
        self.raw = None  # bytes to send instead, whatever they are
        self.only = None  # 1 or 2: what version of HTTP can carry it

    def query(self):
        return b"&".join(name if value is None else name + b"=" + value for name, value in self.args)

    def target(self):
        return self.origin + self.path + (b"?" + self.query() if self.args else b"") + self.fragment

    def all_headers(self, id):
        headers = [(b"Host", self.host)] if self.host is not None else []
        headers += self.headers + [(b"Referer", b"id-%d" % id)]
        if self.body or self.method in (b"POST", b"PUT", b"PATCH"):
            headers.append((b"Content-Length", b"%d" % len(self.body)))
        return headers

    def bytes(self, id):
        if self.raw is not None:
            return self.raw.replace(b"id-ID", b"id-%d" % id)
        lines = [b" ".join([self.method, self.target(), self.version])]
        lines += [name + b": " + value for name, value in self.all_headers(id)]
        return b"\r\n".join(lines) + b"\r\n\r\n" + self.body


def host_of(text):
    """$host."""
    name = re.sub(rb":\d*$", b"", text).lower()
    return name[:-1] if name.endswith(b".") else name


class Maker:
    def __init__(self, random):
        self.random = random

    def chance(self, probability):
        return self.random.random() < probability

    def written(self, path):
        """A path as somebody could write it."""
        random = self.random
        style = random.random()
        if style < 0.6:
            return urllib.parse.quote(path, safe="/~!$&'()*+,;=:@-_.").encode()
        if style < 0.8:
            return urllib.parse.quote(path, safe="/").encode()
        written = bytearray()
        for byte in path:
            if byte != 0x2f and (random.random() < 0.3 or byte <= 0x20 or byte in b"%?#\x7f" or byte > 0x7e):
                escape = b"%%%02x" % byte
                written += escape.upper() if random.random() < 0.5 else escape
            else:
                written.append(byte)
        return bytes(written)

    def odd(self, path):
        """The same path, with segments that nginx takes out."""
        cut = self.random.choice([at for at, byte in enumerate(path) if byte == 0x2f])
        return path[:cut] + self.random.choice([b"/", b"/.", b"/x/..", b"/%2e", b"/y/%2E%2e", b"%2F"]) + path[cut:]

    def make(self, place, now):
        """A request for that place, signed at `now`."""
        random = self.random
        uri = place.path + random.choice(NAMES)
        if uri.endswith(b"/") and b"//" in uri:
            uri = place.path
        request = Request(random.choice(METHODS), host=random.choice(HOSTS))
        request.path = self.written(uri)
        if place.policy is not None and self.chance(0.75):
            request.method = random.choice(place.policy.methods).encode()
        if self.chance(0.07):
            request.path = self.odd(request.path)
        address = b"127.0.0.1"
        if self.chance(0.6):
            address = random.choice(ADDRESSES)
            request.headers.append((b"X-Real-IP", address))
        for name, values, probability in ((b"free", [b"1", b"0", b""], 0.3 if place.bypass else 0.02), (b"a", [b"1", None, b"%20x"], 0.15),
                                          (b"user", [b"ann", b"", b"x|y", b"%26"], 0.3), (b"to", [b"f.txt", b"../f.txt", b"a..b", b"x/../../y", b"", b"..", b"x/.."],
                                                                              0.9 if place.handoff == "to" else 0.02),
                                          (b"recall", [b"1", b"0", b"", b"yes"], 0.1), (b"tier", [b"gold", b"tin"], 0.2), (b"id", [b"s1"], 0.2)):
            if self.chance(probability):
                request.args.append((name, random.choice(values)))
        if place.basic and self.chance(0.5):
            request.headers.append((b"Authorization", b"Basic " + base64.b64encode(random.choice([b"u:p", b"u:p", b"u:q", b"x:p"]))))
        if request.method in (b"POST", b"PUT") and self.chance(0.5):
            request.body = b"x" * random.randint(1, 50)
        policy = place.policy
        if policy is not None and self.chance(0.97):
            getattr(self, policy.scheme)(request, place, uri, address, now)
        if self.chance(0.12):
            self.mutate(request)
        if self.chance(0.02):
            request.host = random.choice(ODD_HOSTS)
        if self.chance(0.05):
            request.version = b"HTTP/1.0"
            request.only = 1
            if self.chance(0.3):
                request.host = None
        if self.chance(0.04) and request.host:
            request.origin = random.choice([b"http://", b"HTTP://"]) + (request.host if self.chance(0.7) else random.choice(HOSTS))
            request.only = 1
        if self.chance(0.01):
            request.fragment = b"#x?st=1"
            request.only = 1
        if self.chance(0.03):
            self.scramble(request)
        return request

    def seen(self, request, uri, address):
        cookies = {}
        for name, value in request.headers:
            if name == b"Cookie":
                key, _, text = value.partition(b"=")
                cookies.setdefault(key.decode(), text)
        return Seen(request.method, uri, request.query(), request.target(), host_of(request.host or b""), address,
                    [(b"Host", request.host)] + request.headers, cookies, MAPS)

    def put(self, request, var, value):
        """Puts a value where a variable will find it."""
        name = var.name
        if name.startswith("arg_"):
            request.args.append((name[4:].encode(), value))
        elif name.startswith("cookie_"):
            request.headers.append((b"Cookie", name[7:].encode() + b"=" + value))
        else:
            request.headers.append((name[5:].replace("_", "-").encode(), value))

    def key(self, request, policy, now):
        """(secret, algorithm, id) to sign with; says which key where the request has to."""
        random = self.random
        if policy.secrets is not None:
            secret = random.choice(policy.secrets)
            if any(isinstance(piece, Var) for piece in secret):
                request.args.append((b"who", random.choice([b"ann", b"ann", b"short", b"nobody"])))
                value = MAPS["who_secret"](self.seen(request, b"", b""), None)
            else:
                value = secret[0]
            secret, algorithm, id = value, policy.algorithm, random.choice([b"any", b"k1"])
        else:
            keys = policy.ring
            if policy.key_id is not None and not isinstance(policy.key_id[0], Var) and self.chance(0.9):
                keys = [key for key in keys if key.id == policy.key_id[0]]
            if self.chance(0.6):
                keys = [key for key in keys if key.alive(now)] or keys
            key = random.choice(keys)
            secret, algorithm, id = key.secret, key.algorithm or policy.algorithm, key.id
            if policy.key_id is not None and isinstance(policy.key_id[0], Var) and self.chance(0.97):
                request.args.append((b"k", id if self.chance(0.95) else random.choice([b"nobody", b"", b"K1", b"k1", b"acme "[:4]])))
            if self.chance(0.03):
                id = random.choice([b"nobody", b"ACME", b"globex"])
        if self.chance(0.04):
            secret = random.choice([b"x" * 32, secret + b"x", secret[:-1]])
        return secret, algorithm, id

    def flip(self, digest):
        """One bit of a MAC is wrong, often one of the last."""
        at = self.random.choice([0, 8, 15, 16, len(digest) - 1, self.random.randrange(len(digest))]) % len(digest)
        return digest[:at] + bytes([digest[at] ^ 1 << self.random.randrange(8)]) + digest[at + 1:]

    def tampered(self, text):
        """Another text than the one that was made."""
        random = self.random
        at = random.randrange(len(text) + 1)
        return random.choice([text[:-1], text + b"A", text + b"=", text + b"==", text[:at] + random.choice([b"%2B", b"%2f", b"+", b"/", b",", b"%41", b"-", b"=", b"A", b"\xff", b"%00"]) +
                              text[at + 1:], text.swapcase(), text.upper(), b"", text * 2, b"A" * random.choice([43, 64, 5000]), text[1:]])

    def border(self, *borders):
        return self.random.choice(borders) + self.random.choice([-2, -1, -1, 0, 0, 1, 1, 2])

    def time_text(self, value, policy, spaces):
        if policy.options.get("time", "").endswith("_hex"):
            return b"%x" % value if self.chance(0.8) else b"%X" % value
        kind = self.random.random()
        if kind < 0.7 or not 0 < value < 2 ** 32:
            return b"%d" % value
        moment = datetime.datetime.fromtimestamp(value, datetime.timezone.utc)
        if kind < 0.8 or (kind > 0.9 and not spaces):
            return moment.strftime("%Y-%m-%dT%H:%M:%SZ").encode()
        if kind < 0.9:
            hours, minutes = self.random.randint(0, 13), self.random.choice([0, 30])
            sign = self.random.choice([1, -1])
            moment += sign * datetime.timedelta(hours=hours, minutes=minutes)
            return moment.strftime("%Y-%m-%dT%H:%M:%S").encode() + b"%c%02d:%02d" % (b"+" if sign > 0 else b"-", hours, minutes)
        return moment.strftime("%a, %d %b %Y %H:%M:%S GMT").encode()

    BAD_TIMES = [b"0", b"-5", b"", b"x", b"1700000000x", b"9" * 30, b"2026-02-31T00:00:00Z", b"2026-02-20T24:00:00Z", b"18446744073709551616", b"9223372036854775807",
                 b"00", b"+1700000000", b"1e9", b"0x10", b"1,2", b"2026-02-20"]

    def template(self, request, place, uri, address, now):
        random, policy = self.random, place.policy
        value = random.choice(policy.credential)
        spaces = any(isinstance(piece, Var) and piece.name.startswith("http_") for field in value for piece in field)
        leeway, cap = policy.leeway_or(0), policy.max_lifetime
        kind = random.random()
        if policy.options["time"].startswith("expires"):
            time = now + random.randint(60, 3000)
            if kind < 0.25:
                time = self.border(now - leeway)
            elif kind < 0.35:
                time = self.border(now + cap + leeway)
            elif kind < 0.4:
                time = now - random.randint(100, 10 ** 6)
            times = [self.time_text(time, policy, spaces)]
        else:
            time, life = now - random.randint(0, 300), random.randint(400, 3000)
            if kind < 0.25:
                life = random.randint(1, 3000)
                time = self.border(now - life - leeway)
            elif kind < 0.35:
                time = self.border(now + leeway)
            elif kind < 0.45:
                life = self.border(cap or 3600)
                time = now - random.randint(0, 10)
            elif kind < 0.5:
                time, life = now - random.randint(2000, 10 ** 6), random.randint(1, 1900)
            times = [self.time_text(time, policy, spaces), b"%d" % life]
            if self.chance(0.06):
                times[1] = random.choice([b"0", b"", b"-1", b"x", b"9" * 19, b"9223372036854775807", b"3600.0", b"+60", b"00", b"0060"])
        if self.chance(0.03):
            times[0] = random.choice(self.BAD_TIMES)
        drop_in = value[0][0].name == "arg_link"
        fields = [] if drop_in else list(zip(value[1:], times))
        for field, text in fields:
            if self.chance(0.98):
                self.put(request, field[0], text)
        secret, algorithm, _ = self.key(request, policy, now)
        message = self.seen(request, uri, address).evaluate(policy.message)
        digest = model.mac(algorithm, secret, message)
        if self.chance(0.1):
            digest = self.flip(digest)
        token = model.encode_token(digest, policy.encoding)
        kind = random.random()
        if kind < 0.05 and policy.encoding != "hex":
            token += b"=" * (-len(token) % 4)
        elif kind < 0.12:
            token = token.replace(b"+", random.choice([b"%2B", b"%2b"])).replace(b"/", random.choice([b"%2F", b"%2f"]))
        elif kind < 0.15:
            token = self.tampered(token)
        elif kind < 0.17:
            token = model.encode_token(digest, random.choice(["base64", "hex", "base64url"]))
        elif kind < 0.19 and policy.encoding == "hex":
            token = token.upper()
        if drop_in:
            token += b"".join(b"," + text for text in times[:random.choice([0, 1, 2, 2, 2])])
            token += random.choice([b"", b"", b"", b"", b",", b",x"])
        if self.chance(0.98):
            self.put(request, value[0][0], token)
        self.shuffle(request)

    def shuffle(self, request):
        if self.chance(0.5):
            self.random.shuffle(request.args)

    def jwt(self, request, place, uri, address, now):
        random, policy = self.random, place.policy
        secret, algorithm, id = self.key(request, policy, now)
        names = {value: name for name, value in model.JWT_ALGORITHMS.items()}
        header = {"alg": names[algorithm], "typ": "JWT"}
        payload = {"exp": now + random.randint(60, 3000)}
        place_of_id = random.random()
        if place_of_id < 0.5:
            header["kid"] = id.decode()
        elif place_of_id < 0.8:
            payload["iss"] = id.decode()
        if self.chance(0.1):
            payload["iss"] = random.choice([id.decode(), "acme", "nobody"])
        leeway = policy.leeway_or(0)
        kind = random.random()
        if kind < 0.25:
            payload["exp"] = self.border(now - leeway)
        if self.chance(0.4):
            payload["iat"] = now - random.randint(0, 100)
            if self.chance(0.3):
                payload["iat"] = self.border(now + policy.leeway_or(60))
            if self.chance(0.2):
                payload["exp"] = payload["iat"] + self.border(policy.max_lifetime or 3600)
            if self.chance(0.2):
                payload["iat"] = now - random.randint(300, 3000)
        if self.chance(0.3):
            payload["nbf"] = now - random.randint(0, 100)
            if self.chance(0.3):
                payload["nbf"] = self.border(now + policy.leeway_or(60))
        text = uri.decode("utf-8", "replace")
        folder = place.path.decode()
        if self.chance(0.85):
            payload["path"] = random.choice([text, folder + "*", "*", "/*"] * 8 + [folder[:-1], folder + "*.txt", folder + "?.txt", text[:-1] or "/", [folder + "x", text],
                                             folder + "f", folder, text + "x", "f.txt", "", folder[:-1] + "*", [], text.upper(), "/*/*", "?" + text[1:], 5, [5], None, "*f.txt"])
        payload["sub"] = random.choice(["alice", "bob", "carol", "ünï"] * 6 + ["mallory", "Mallory", "", "a\tb", "x\u0000", "a\u007fb"])
        if self.chance(0.3):
            del payload["sub"]
        if self.chance(0.6):
            payload["tier"] = random.choice(["gold"] * 12 + ["tin", 0, "0", "", 1, True, False, None, "a\nb", ["gold"], {"x": 1}])
        if self.chance(0.4):
            payload["level"] = random.choice([5, 5, "5", 5.0, 50])
        if any(name == "aud" for name, _ in policy.require) and self.chance(0.95) or self.chance(0.03):
            host = host_of(request.host or b"").decode("latin-1")
            payload["aud"] = random.choice(["site", host, [host, "site"]] * 4 + [["other", "site"], ["other"], "Site", [], "", 5, [["site"]]])
        if self.chance(0.1):
            payload["x-y"] = "1"
        if self.chance(0.05):
            payload["x_y"] = "2"
        if self.chance(0.12):
            payload["ip"] = random.choice([address.decode()] * 8 + ["192.0.2.0/24", "2001:db8::/32", "0.0.0.0/0", "::/0", "192.0.2.1/32", "nonsense", "", "127.0.0.1"])
        if self.chance(0.1):
            payload["method"] = random.choice([request.method.decode()] * 5 + ["GET", "HEAD", ["GET", "POST"], "POST", "get", [], request.method.decode()])
        if self.chance(0.05):
            payload["cdniv"] = random.choice([1, 1, 2, "1"])
        if self.chance(0.03):
            payload["cdnicrit"] = random.choice(["exp", "exp,path", "exp,foo", "foo"])
        if self.chance(0.03):
            payload["cdniip"] = "192.0.2.1"
        if self.chance(0.03):
            header["crit"] = ["exp"]
        if self.chance(0.03):
            payload.pop("exp")
        if self.chance(0.04):
            payload[random.choice(["exp", "iat", "nbf"])] = random.choice(["1700000000", -1, 2 ** 53, 2 ** 53 - 1, 1.5e9, None, True, now + 100.9, [], 1e300])
        if self.chance(0.03):
            header["alg"] = random.choice(["none", "HS256", "hs256", "HS512", "RS256", "", None, 5])
        if self.chance(0.03):
            nest = 1
            for _ in range(random.randint(1, 6)):
                nest = [nest] if self.chance(0.5) else {"a": nest}
            payload["deep"] = nest
        contained = model.uri_hash(policy, self.seen(request, uri, address)) if self.chance(0.15) else None
        if contained:
            digest, _ = contained
            if self.chance(0.2):
                # The same URI, of which nginx makes another path.
                at = request.path.rindex(b"/")
                request.path = request.path[:at] + random.choice([b"//..", b"/x%2Fy/..", b"/%2F/.."]) + request.path[at:]
            payload["cdniuc"] = random.choice(["hash:sha-256;" + digest] * 6 + ["hash:sha-256;" + digest[1:], "regex:.*", "hash:sha-256;" + digest + "=", 5])
        header_text, payload_text = (json.dumps(each, ensure_ascii=self.chance(0.5)).encode("utf-8", "surrogatepass") for each in (header, payload))
        if self.chance(0.03):
            payload_text = random.choice([payload_text[:-1] + b',"exp":9999999999}', payload_text[:-1], payload_text + b" ", b"[]", b"", payload_text.replace(b'"sub"', b'"s\\u0075b"'),
                                          payload_text[:-1] + b',"z":"\xff"}', payload_text[:-1] + b',"z":NaN}', payload_text + b"x", payload_text[:-1] + b',"z":01}',
                                          payload_text[:-1] + b',"\\u0065xp":1}'])
        signed = b".".join(base64.urlsafe_b64encode(each).rstrip(b"=") for each in (header_text, payload_text))
        digest = model.mac(algorithm, secret, signed)
        if self.chance(0.1):
            digest = self.flip(digest)
        if self.chance(0.02):
            digest = digest[:random.choice([0, 16, 31])]
        token = signed + b"." + base64.urlsafe_b64encode(digest).rstrip(b"=")
        if self.chance(0.05):
            token = self.tampered(token)
        if self.chance(0.97):
            var = random.choice(policy.credential)[0][0]
            if var.name == "http_authorization":
                request.headers = [(name, value) for name, value in request.headers if name != b"Authorization"]
                token = random.choice([b"Bearer ", b"bearer ", b"BEARER   ", b"Basic ", b"Bearer"]) + token
            self.put(request, var, token)
        # Another order is another URI.
        if not contained or self.chance(0.1):
            self.shuffle(request)

    def edgeauth(self, request, place, uri, address, now):
        random, policy = self.random, place.policy
        secret, algorithm, _ = self.key(request, policy, now)
        early = policy.options.get("escape_early")
        encode = (model.component_encoded if early == "component" else model.form_encoded) if early else (lambda text: text)
        leeway = policy.leeway_or(0)
        fields = []
        if self.chance(0.2):
            fields.append((b"ip", encode(random.choice([address] * 6 + [b"192.0.2.1", b"192.0.2.0/24", b"2001:db8::/32", b"nonsense", b""]))))
        begin = now - random.randint(0, 100)
        if self.chance(0.5):
            if self.chance(0.3):
                begin = self.border(now + leeway)
            elif self.chance(0.2):
                begin = now - random.randint(300, 3000)
            fields.append((b"st", b"%d" % begin))
        expires = now + random.randint(60, 3000)
        kind = random.random()
        if kind < 0.25:
            expires = self.border(now - leeway)
        elif kind < 0.35:
            expires = begin + self.border(policy.max_lifetime or 3600)
        elif kind < 0.4:
            expires = now - random.randint(100, 10 ** 6)
        fields.append((b"exp", b"%d" % expires))
        with_acl = self.chance(0.5)
        if with_acl:
            folder = place.path
            quoted = urllib.parse.quote(uri, safe="/").replace("~", "%7E").encode()
            acl = random.choice([folder + b"*", quoted] * 6 + [ folder + b"?.txt", b"/x/*!" + folder + b"*", folder[:-1], quoted[:-1], folder, b"*", b"", folder + b"f",
                                 b"!".join([b"/x"] * random.choice([31, 32])) + b"!" + folder + b"*", folder + b"*!", b"%zz" + folder + b"*", b"f*", folder[:-1] + b"%2a"])
            fields.append((b"acl", acl))
        if self.chance(0.3):
            fields.append((b"id", encode(random.choice([b"s1"] * 5 + [b"mallory", b"a b", b"", b"a/b"]))))
        if self.chance(0.4):
            fields.append((b"data", encode(random.choice([b"acme"] * 6 + [b"mallory", b"tab\there", b"", b"a%41"]))))
        if self.chance(0.04):
            at = random.randrange(len(fields))
            name, value = fields[at]
            fields[at:at + 1] = random.choice([[], [(name, value)] * 2, [(name.upper(), value)], [(name, value), (b"x", b"1")], [(name, b"-" + value)], [(name, b"")],
                                               [(name, value + b"x")], [(name, b"9" * 30)], [(name, b"0" + value)]])
        text = b"~".join(name + b"=" + value for name, value in fields)
        signed = text
        if not with_acl:
            # As the signer's library would: of the path that it was asked for.
            signed += b"~url=" + (encode(uri) if early else request.path)
        if policy.options.get("salt"):
            signed += b"~salt=pepper"
        digest = model.mac(algorithm, secret, signed)
        if self.chance(0.1):
            digest = self.flip(digest)
        token = text + b"~hmac=" + (digest.hex().encode() if self.chance(0.97) else digest.hex().upper().encode())
        if self.chance(0.3):
            token = urllib.parse.quote(token, safe="").encode() if self.chance(0.5) else urllib.parse.quote_plus(token).encode()
        if self.chance(0.05):
            token = self.tampered(token)
        if any(byte <= 0x20 or byte == 0x7f or byte in b"#&;" for byte in token):
            token = urllib.parse.quote(token, safe="").encode()
        if self.chance(0.97):
            self.put(request, random.choice(policy.credential)[0][0], token)
        self.shuffle(request)

    def sigv4(self, request, place, uri, address, now):
        random, policy = self.random, place.policy
        secret, _, id = self.key(request, policy, now)
        begin, life = now - random.randint(0, 300), random.randint(400, 3000)
        leeway = policy.leeway_or(0)
        kind = random.random()
        if kind < 0.25:
            life = random.randint(1, 3000)
            begin = self.border(now - life - leeway)
        elif kind < 0.35:
            begin = self.border(now + policy.leeway_or(900))
        elif kind < 0.45:
            begin, life = now - random.randint(0, 10), self.border(policy.max_lifetime or 3600)
        elif kind < 0.5:
            begin, life = now - random.randint(3000, 10 ** 6), random.randint(1, 2900)
        life_text = b"%d" % life
        if self.chance(0.03):
            life_text = random.choice([b"0", b"604801", b"-1", b"", b"x", b"9" * 30, b"604800"])
        moment = datetime.datetime.fromtimestamp(begin, datetime.timezone.utc)
        date = moment.strftime("%Y%m%dT%H%M%SZ").encode()
        region = random.choice([b"eu"] * 8 + [b"us-east-1"])
        service = random.choice([b"s3"] * 8 + [b"other"])
        scope = b"/".join([date[:8], region, service, b"aws4_request"])
        headers = [(b"host", request.host or b"")]
        if self.chance(0.15):
            headers.append((b"x-a", b"b c"))
            request.headers.append((b"X-A", random.choice([b"b c", b"b  c", b"b c", b"bc"])))
        if self.chance(0.05) and request.host == b"localhost:80":
            headers[0] = (b"host", b"localhost")
        if self.chance(0.2):
            request.args.append((b"x-id", b"GetObject"))
        if self.chance(0.2):
            request.args.append((b"tier", random.choice([b"gold", b"g%6Fld", b"tin"])))
        if self.chance(0.1):
            request.args.append(random.choice([(b"a b", b"c"), (b"%61-b", b"%2F"), (b"e", b"\xc3\xa4"), (b"plus", b"a+b"), (b"", b""), (b"bad", b"%zz"), (b"versionId", b"localhost")]))
        amz = [(b"X-Amz-Algorithm", b"AWS4-HMAC-SHA256"), (b"X-Amz-Credential", id + b"/" + scope), (b"X-Amz-Date", date), (b"X-Amz-Expires", life_text),
               (b"X-Amz-SignedHeaders", b";".join(name for name, _ in headers))]
        if self.chance(0.02):
            at = random.randrange(len(amz))
            amz[at] = (amz[at][0], random.choice([amz[at][1] + b"x", amz[at][1].lower(), b"", amz[at][1][:-1]]))
        request.args += [(name, urllib.parse.quote(value, safe="").encode()) for name, value in amz]
        query = []
        for name, value in request.args:
            decoded = [urllib.parse.unquote_to_bytes(each.replace(b"+", b" ")) for each in (name, value or b"")]
            query.append(tuple(map(model.aws_encoded, decoded)))
        method = request.method
        signature = model.aws_signature(secret, method, model.aws_encoded(model.aws_path(request.path), "/"), query, headers, date, scope)
        if self.chance(0.1):
            signature = self.flip(signature)
        text = signature.hex().encode()
        if self.chance(0.03):
            text = self.tampered(text)
        request.args.append((b"X-Amz-Signature", text))
        if self.chance(0.02):
            at = random.randrange(len(request.args))
            name, value = request.args[at]
            request.args.insert(random.randrange(len(request.args)), random.choice([(name, value), (name.lower(), value), (b"X-Amz-Security-Token", b"x"), (b"%58-Amz-Date", value)]))
        if self.chance(0.02):
            del request.args[random.randrange(len(request.args))]
        self.shuffle(request)

    def mutate(self, request):
        """Changes something after it was signed."""
        random = self.random
        kind = random.randrange(9)
        if kind == 0 and request.args:
            name, value = random.choice(request.args)
            request.args.insert(random.randrange(len(request.args) + 1), random.choice([(name, value), (name.upper(), value), (name, b""), (name, b"x"), (name, None)]))
        elif kind == 1 and request.args:
            at = random.randrange(len(request.args))
            name, value = request.args[at]
            request.args[at] = (random.choice([name.upper(), name.capitalize(), b"%%%02x" % name[0] + name[1:] if name else name]), value)
        elif kind == 2 and request.args:
            at = random.randrange(len(request.args))
            name, value = request.args[at]
            if value:
                where = random.randrange(len(value))
                value = random.choice([value[:where] + b"%%%02X" % value[where] + value[where + 1:], value[:where] + value[where + 1:], value[:where] + b"~" + value[where:],
                                       bytes([value[0] ^ 1]) + value[1:], value[:-1] + bytes([value[-1] ^ 1])])
                value = bytes(byte for byte in value if byte > 0x20 and byte not in b"#&\x7f")
            request.args[at] = (name, value)
        elif kind == 3:
            request.method = random.choice(METHODS)
        elif kind == 4:
            request.path += random.choice([b"x", b"/", b"/..", b"%00", b"%2f", b"/../../", b"%", b"%zz", b";x"])
        elif kind == 5:
            request.args.append(random.choice([(b"", None), (b"", b""), (b"new", b"1"), (b"new", None), (b"ST", None), (b"st", b"x"), (b"k", b"k1")]))
        elif kind == 6:
            request.host = random.choice(HOSTS + ODD_HOSTS)
        elif kind == 7 and request.args:
            del request.args[random.randrange(len(request.args))]
        elif kind == 8:
            request.path = self.odd(request.path)

    def scramble(self, request):
        """Bytes of a request that may not be one any more."""
        random = self.random
        text = bytearray(request.bytes(0).replace(b"id-0", b"id-ID"))
        end = text.find(b"Referer") if self.chance(0.7) else len(text)
        for _ in range(random.randint(1, 4)):
            at = random.randrange(max(1, min(end, len(text) - 4)))
            kind = random.randrange(4)
            if kind == 0:
                text[at] = random.choice(b"\0\t\n\r \"#%&+,/:;=?@\\|~\x7f\xffAz09")
            elif kind == 1:
                text[at:at] = random.choice([b" ", b"\r\n", b"%", b"\0", b"&st=", b"#", b"?", b"//", b"HTTP/1.1", b"\tX"])
            elif kind == 2:
                del text[at:at + random.randint(1, 5)]
            else:
                text[at:at] = text[at:at + random.randint(1, 20)]
        request.raw, request.only = bytes(text), 1

    def again(self, request):
        """A request that was made before, as it was or by somebody else."""
        again = copy.deepcopy(request)
        if self.chance(0.3):
            again.headers = [(name, value) for name, value in again.headers if name != b"X-Real-IP"]
            if self.chance(0.8):
                again.headers.append((b"X-Real-IP", self.random.choice(ADDRESSES)))
        if self.chance(0.1) and again.method == b"GET":
            again.method = b"HEAD"
        return again
