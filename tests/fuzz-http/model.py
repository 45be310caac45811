"""What a link is worth, from the reference and the formats alone: nothing here comes from the module's code.

`check(policy, seen, now, decides)` gives a Check. Where the documents leave a choice, `also` names the other
verdicts that are right too.
"""

import base64
import calendar
import datetime
import decimal
import hashlib
import hmac
import ipaddress
import json
import re
import urllib.parse

OPENSSL = {"md5": "md5", "sha1": "sha1", "sha224": "sha224", "sha256": "sha256", "sha384": "sha384", "sha512": "sha512",
           "sha512-224": "sha512_224", "sha512-256": "sha512_256", "sha3-224": "sha3_224", "sha3-256": "sha3_256",
           "sha3-384": "sha3_384", "sha3-512": "sha3_512", "blake2b512": "blake2b", "blake2s256": "blake2s", "sm3": "sm3",
           "rmd160": "ripemd160"}
JWT_ALGORITHMS = {"HS256": "sha256", "HS384": "sha384", "HS512": "sha512"}
CREDENTIAL_BOUND = 4096
LARGEST = 2 ** 63 - 1

STATUS = {"missing": 403, "malformed": 403, "unknown_key": 403, "forged": 403, "early": 403, "expired": 410, "out_of_scope": 403,
          "revoked": 403, "exhausted": 410, "unavailable": 503}


def mac(algorithm, secret, message):
    return hmac.new(secret, message, OPENSSL[algorithm]).digest()


def digest_size(algorithm):
    return hashlib.new(OPENSSL[algorithm]).digest_size


class Var:
    """A variable in a directive's text."""

    def __init__(self, name):
        self.name = name


class Key:
    """A secret of a ring; times are unix seconds or None."""

    def __init__(self, id, secret, algorithm=None, not_before=None, not_after=None, issued_after=None, revoked=False):
        self.id, self.secret, self.algorithm = id, secret, algorithm
        self.not_before, self.not_after, self.issued_after, self.revoked = not_before, not_after, issued_after, revoked

    def alive(self, now):
        return not (self.revoked or (self.not_before or 0) > now or (self.not_after is not None and now > self.not_after))


class Policy:
    """The directives of a policy after inheritance, by their names."""

    scheme, options = "template", {}
    credential = message = secrets = ring = key_id = None
    algorithm, encoding, leeway, max_lifetime, methods, scope = "sha256", "base64url", None, 0, ["GET", "HEAD"], "path"
    require, revoke, limits = [], [], []

    def __init__(self, **directives):
        self.__dict__.update(directives)

    def leeway_or(self, seconds):
        """The leeway, or what the scheme takes where none is set."""
        return seconds if self.leeway is None else self.leeway

    def variables(self):
        """Names of the variables that credential, message and key id are made of."""
        texts = [field for value in self.credential or [] for field in value] + [self.key_id or []]
        texts += [self.message or []] if self.scheme == "template" else []
        return {piece.name for text in texts for piece in text if isinstance(piece, Var)}

    def required(self):
        return {piece.name for _, value in self.require for piece in value if isinstance(piece, Var)}

    def credential_arguments(self, with_id=True):
        texts = [field for value in self.credential or [] for field in value] + ([self.key_id or []] if with_id else [])
        return {piece.name[4:].encode() for text in texts for piece in text if isinstance(piece, Var) and piece.name.startswith("arg_")}


class Seen:
    """A request as nginx sees it; everything is bytes, headers are pairs in the order of arrival."""

    def __init__(self, method, uri, args, target, host, address, headers, cookies, maps=None, scheme=b"http"):
        self.method, self.uri, self.args, self.target, self.host, self.address = method, uri, args, target, host, address
        self.headers, self.cookies, self.maps, self.scheme = headers, cookies, maps or {}, scheme

    def header(self, name):
        """nginx 1.23 and later join repeated headers, 1.22 takes the first: such requests are not made."""
        return next((value for key, value in self.headers if key.lower() == name), b"")

    def twice(self, name):
        return sum(part.partition(b"=")[0].lower() == name.lower() for part in self.args.split(b"&")) > 1

    def arguments(self, name):
        found = []
        for part in self.args.split(b"&"):
            key, equals, value = part.partition(b"=")
            if equals and key.lower() == name.lower():
                found.append(value)
        return found

    def variable(self, name, check=None):
        if name in self.maps:
            return self.maps[name](self, check)
        if name.startswith("arg_"):
            return (self.arguments(name[4:].encode()) or [b""])[0]
        if name.startswith("http_"):
            return self.header(name[5:].replace("_", "-").encode())
        if name.startswith("cookie_"):
            return self.cookies.get(name[7:], b"")
        return {"uri": self.uri, "args": self.args, "host": self.host, "remote_addr": self.address, "scheme": self.scheme,
                "request_method": self.method, "request_uri": self.target}[name]

    def evaluate(self, pieces, check=None):
        return b"".join(self.variable(piece.name, check) if isinstance(piece, Var) else piece for piece in pieces)


class Check:
    """An outcome: the verdict, and what the MAC covers if it was right."""

    def __init__(self):
        self.verdict = None
        self.also = set()
        self.authentic = False
        self.key_id = self.subject = self.lifetime_text = b""
        self.expires_at = self.issued = self.mac = self.message = self.issued_after = None
        self.vague = False  # the variables of this one are not foretold
        self.claims = {}

    def verdicts(self):
        return {self.verdict} | self.also

    def say(self, verdict, *also):
        self.verdict, self.also = verdict, set(also) - {verdict}
        return self

    def claim(self, name):
        """$secure_link_hmac_claim_NAME, or None if it is not foretold."""
        found = [value for key, value in self.claims.items()
                 if key.lower() == name or key.lower().replace("-", "_") == name]
        if not self.authentic or len(found) != 1:
            return b""
        return b"" if found[0] is not None and has_control(found[0]) else found[0]


def has_control(text):
    return any(byte < 0x20 or byte == 0x7f for byte in text)


def glob(pattern, path):
    if pattern[:1] not in (b"/", b"*"):
        return False
    reached = {0}
    for byte in pattern:
        if byte == 0x2a:
            reached = set(range(min(reached), len(path) + 1)) if reached else reached
        else:
            reached = {at + 1 for at in reached if at < len(path) and byte in (0x3f, path[at])}
    return len(path) in reached


def base64_strict(text, url, padding):
    alphabet = rb"[A-Za-z0-9_-]*" if url else rb"[A-Za-z0-9+/]*"
    body = text.rstrip(b"=")
    if body != text and not (padding and len(text) - len(body) <= 2 and len(text) % 4 == 0):
        return None
    if not re.fullmatch(alphabet, body) or len(body) % 4 == 1:
        return None
    plain = body.replace(b"-", b"+").replace(b"_", b"/")
    decoded = base64.b64decode(plain + b"=" * (-len(plain) % 4))
    return decoded if base64.b64encode(decoded).rstrip(b"=") == plain else None


def decode_token(text, encoding):
    if encoding == "hex":
        return bytes.fromhex(text.decode()) if re.fullmatch(rb"([0-9A-Fa-f]{2})+", text) else None
    for escape, byte in ((rb"%2[bB]", b"+"), (rb"%2[fF]", b"/"), (rb"%3[dD]", b"=")):
        text = re.sub(escape, byte, text)
    return base64_strict(text, encoding == "base64url", True)


def encode_token(value, encoding):
    if encoding == "hex":
        return value.hex().encode()
    return (base64.urlsafe_b64encode if encoding == "base64url" else base64.b64encode)(value).rstrip(b"=")


MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()
DAYS = "mon tue wed thu fri sat sun".split()


def calendar_time(year, month, day, hour, minute, second):
    try:
        datetime.datetime(year, month, day, hour, minute, second)
    except ValueError:
        return None
    return calendar.timegm((year, month, day, hour, minute, second))


def parse_time(text, hexadecimal=False):
    """Unix seconds greater than 0, or None."""
    text = text.decode("latin-1")
    if hexadecimal:
        value = int(text, 16) if re.fullmatch(r"[0-9A-Fa-f]+", text) else None
    elif re.fullmatch(r"[0-9]+", text):
        value = int(text)
    elif found := re.fullmatch(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(Z|([+-])(\d\d):(\d\d))", text, re.ASCII):
        value = calendar_time(*map(int, found.groups()[:6]))
        if value is not None and found[7] != "Z":
            if int(found[9]) > 23 or int(found[10]) > 59:
                return None
            value -= (int(found[9]) * 3600 + int(found[10]) * 60) * (1 if found[8] == "+" else -1)
    elif found := re.fullmatch(r"([a-z]{3}), (\d\d) ([a-z]{3}) (\d{4}) (\d\d):(\d\d):(\d\d) GMT", text, re.ASCII | re.IGNORECASE):
        month = found[3].capitalize()
        if found[1].lower() not in DAYS or month not in MONTHS:
            return None
        value = calendar_time(int(found[4]), MONTHS.index(month) + 1, *map(int, (found[2], *found.groups()[4:])))
    else:
        return None
    return value if value is not None and 0 < value <= LARGEST else None


def split_dropin(text):
    """The fields of a value that was put together first; the comma of an IMF-fixdate is the date's."""
    token, comma, rest = text.partition(b",")
    if not comma:
        return [token]
    start = 4 if re.match(rb"[A-Za-z]{3},", rest) else 0
    time, comma, lifetime = rest[start:].partition(b",")
    return [token, rest[:start] + time] + ([lifetime] if comma else [])


def keys_of(policy, seen, now, decides, carried=None):
    """(keys that may verify, keys that are dead), or None if the key id is unknown."""
    if policy.secrets is not None:
        keys = []
        for secret in policy.secrets:
            value = seen.evaluate(secret)
            if value and (len(value) >= 16 or not decides):
                keys.append(Key(b"", value))
        return keys, []
    if policy.key_id is not None:
        wanted = seen.evaluate(policy.key_id)
        if not wanted or (carried and any(id != wanted for id in carried)):
            return [], []
    else:
        wanted = carried[0] if carried else None
    keys = [key for key in policy.ring if wanted is None or key.id == wanted]
    return [key for key in keys if key.alive(now)], [key for key in keys if not key.alive(now)]


def conclude(policy, check, seen, now, denied):
    """The verdict on an authentic link. `denied` are (condition, verdict) in the order of the claims."""
    if check.issued_after is not None and (check.issued is None or check.issued < check.issued_after):
        return check.say("revoked")
    if any(seen.evaluate(value, check) not in (b"", b"0") for value in policy.revoke):
        return check.say("revoked")
    for condition, verdict in denied:
        if condition:
            return check.say(verdict)
    return check.say("granted")


def exceeds(policy, end, begin, now):
    """Whether a link lasts longer than max_lifetime; from now on where it does not say since when, with the leeway."""
    longest = policy.max_lifetime + (policy.leeway_or(0) if begin is None else 0)
    return policy.max_lifetime and end - (now if begin is None else begin) > longest


def methods_denied(policy, seen, decides):
    return decides and seen.method.decode("latin-1") not in policy.methods


def check_template(policy, seen, now, decides):
    check = Check()
    expires_in_link = policy.options.get("time", "issued").startswith("expires")
    chosen = None
    for value in policy.credential:
        fields = [seen.evaluate(field) for field in value]
        if not decides:
            fields = split_dropin(b",".join(fields))
        if fields[0]:
            chosen = fields
            break
    check.message = seen.evaluate(policy.message)
    twice = twice_in(policy, seen)
    if chosen is None:
        check.vague = True
        # A value that was put together first may be more than its commas and still have no token.
        return check.say("missing", *(["malformed"] if twice else []), *(["malformed", "unknown_key"] if not decides else []))
    time = lifetime = None
    readable = True
    if len(chosen) > 1:
        time = parse_time(chosen[1], policy.options.get("time", "").endswith("_hex"))
        readable = time is not None
    if len(chosen) > 2:
        lifetime = int(chosen[2]) if re.fullmatch(rb"[0-9]+", chosen[2]) else None
        if lifetime is None or (lifetime > LARGEST) or (time or 0) + lifetime > LARGEST or expires_in_link:
            readable = False
        if readable:
            check.lifetime_text = chosen[2]
        elif expires_in_link or (lifetime is not None and time is not None):
            check.vague = True  # a lifetime that can be read, but not used
    if twice or sum(map(len, chosen)) + len(chosen) - 1 > CREDENTIAL_BOUND:
        check.vague = True
        return check.say("malformed")
    token = decode_token(chosen[0], policy.encoding)
    if not readable or token is None or long_id(policy, seen):
        return check.say("malformed")
    alive, dead = keys_of(policy, seen, now, decides)
    size = digest_size(policy.algorithm)
    if not alive:
        # How long a token of no key has to be, nobody says.
        return check.say("unknown_key", *(["malformed"] if len(token) != size else []))
    fits = [key for key in alive if digest_size(key.algorithm or policy.algorithm) == len(token)]
    if not fits:
        # A key that is dead may have that length.
        return check.say("malformed", *(["forged"] if any(digest_size(key.algorithm or policy.algorithm) == len(token) for key in dead) else []))
    for key in fits:
        if mac(key.algorithm or policy.algorithm, key.secret, check.message) == token:
            break
    else:
        return check.say("forged")
    check.authentic, check.key_id, check.mac, check.issued_after = True, key.id, token, key.issued_after
    leeway = policy.leeway_or(0)
    bounded = leeway > 0 or policy.max_lifetime > 0
    too_long = False
    if expires_in_link:
        check.expires_at = time
        too_long = policy.max_lifetime and time is None or exceeds(policy, time, None, now)
    else:
        check.issued = time
        if time is not None and lifetime:
            check.expires_at = time + lifetime
        too_long = policy.max_lifetime and (not lifetime or lifetime > policy.max_lifetime)
    return conclude(policy, check, seen, now, [
        (bounded and check.issued is not None and check.issued > now + leeway, "early"),
        (too_long or (check.expires_at is not None and check.expires_at + leeway < now), "expired"),
        (methods_denied(policy, seen, decides), "out_of_scope"),
    ])


def one_value(policy, seen, strip_bearer=False):
    """The credential of a scheme that has one token."""
    for value in policy.credential:
        text = seen.evaluate(value[0])
        if strip_bearer and any(isinstance(piece, Var) and piece.name == "http_authorization" for piece in value[0]):
            found = re.fullmatch(rb"(?i:bearer) +(.*)", text, re.DOTALL)
            text = found[1] if found else b""
        if text:
            return text
    return None


def long_id(policy, seen):
    return policy.ring is not None and policy.key_id is not None and len(seen.evaluate(policy.key_id)) > 64


def twice_in(policy, seen):
    return any(name.startswith("arg_") and seen.twice(name[4:].encode()) for name in policy.variables() | policy.required())


class Number:
    def __init__(self, text):
        self.text = text


class Malformed(Exception):
    pass


def depth(value):
    if isinstance(value, dict):
        return 1 + max(map(depth, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(depth, value), default=0)
    return 0


def read_json(text):
    def once(pairs):
        names = [name for name, _ in pairs]
        if len(set(names)) != len(names):
            raise Malformed("twice")
        return dict(pairs)

    def constant(_):
        raise Malformed("no number")

    def strings(value):
        if isinstance(value, str):
            value.encode("utf-8")
        elif isinstance(value, list):
            for each in value:
                strings(each)
        elif isinstance(value, dict):
            for name, each in value.items():
                strings(name)
                strings(each)

    try:
        value = json.loads(text.decode("utf-8"), object_pairs_hook=once, parse_int=Number, parse_float=Number, parse_constant=constant)
        strings(value)
    except (ValueError, RecursionError) as error:
        raise Malformed(str(error)) from error
    if not isinstance(value, dict) or depth(value) > 4:
        raise Malformed("no object")
    return value


def json_date(payload, name):
    if name not in payload:
        return None
    value = payload[name]
    if not isinstance(value, Number):
        raise Malformed(name)
    exact = decimal.Decimal(value.text)
    if exact < 0 or exact >= 2 ** 53:
        raise Malformed(name)
    return int(exact)


def claim_text(value):
    """How a claim is compared and shown, or None for arrays, objects and null."""
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, bool):
        return b"true" if value else b"false"
    if isinstance(value, Number):
        return value.text.encode()
    return None


def address_within(text, address):
    """Whether the client is at that address or in that network; None if it is neither."""
    try:
        return ipaddress.ip_address(address.decode()) in ipaddress.ip_network(text.decode(), strict=False)
    except ValueError:
        return None


def require_denied(policy, seen, claims):
    """`claims` gives the texts that a claim may be compared with."""
    for name, value in policy.require:
        wanted = seen.evaluate(value)
        if not wanted or wanted not in claims(name):
            return True
    return False


CDNI_CLAIMS = {"iss", "sub", "aud", "exp", "nbf", "iat", "jti", "cdniv", "cdnicrit", "cdniip", "cdniuc", "path", "ip", "method"}


def check_jwt(policy, seen, now, decides):
    check = Check()
    text = one_value(policy, seen, strip_bearer=True)
    twice = twice_in(policy, seen)
    if text is None:
        return check.say("missing", *(["malformed"] if twice else []))
    if twice or len(text) > CREDENTIAL_BOUND or long_id(policy, seen):
        return check.say("malformed")
    parts = text.split(b".")
    if len(parts) != 3:
        # What is behind the first dot is not read before the MAC was right.
        return check.say("malformed", *(["forged", "unknown_key"] if len(parts) > 3 else []))
    header, body, signature = (base64_strict(part, True, False) for part in parts)
    if header is None or signature is None:
        return check.say("malformed")
    late = body is None
    payload = None
    try:
        head = read_json(header)
        if head.get("alg") not in ("HS256", "HS384", "HS512") or "crit" in head:
            raise Malformed("alg")
        if not isinstance(head.get("kid", ""), str):
            raise Malformed("kid")
        try:
            payload = read_json(body) if body is not None else None
        except Malformed:
            payload = None
    except Malformed:
        # Which key it wants was not looked at.
        return check.say("malformed")
    algorithm = JWT_ALGORITHMS[head["alg"]]
    carried = []
    if head.get("kid"):
        carried.append(head["kid"].encode())
    elif policy.ring is not None and policy.key_id is None:
        if payload is None:
            return check.say("malformed")
        if isinstance(payload.get("iss"), str) and payload["iss"]:
            carried.append(payload["iss"].encode())
    if carried and len(carried[0]) > 64:
        return check.say("malformed", "unknown_key")
    alive, dead = keys_of(policy, seen, now, decides, carried or None)
    if not alive:
        fitting = any((key.algorithm or policy.algorithm) == algorithm for key in dead)
        return check.say("unknown_key", *(["malformed"] if late or not fitting or payload is None or not reads_well(payload) or len(signature) != digest_size(algorithm) else []))
    fits = [key for key in alive if (key.algorithm or policy.algorithm) == algorithm]
    if not fits:
        return check.say("malformed")
    signed = parts[0] + b"." + parts[1]
    for key in fits:
        if mac(algorithm, key.secret, signed) == signature:
            break
    else:
        return check.say("forged", *(["malformed"] if late or payload is None or not reads_well(payload) or len(signature) != digest_size(algorithm) else []))
    check.authentic, check.key_id, check.mac, check.issued_after = True, key.id, signature, key.issued_after
    if payload is None:
        check.vague = True
        return check.say("malformed")
    if policy.ring is not None and policy.key_id is not None and isinstance(payload.get("iss"), str) and payload["iss"].encode() != key.id:
        check.vague = True
        return check.say("unknown_key", *([] if reads_well(payload) else ["malformed"]))
    check.claims = {name: claim_text(value) for name, value in payload.items() if claim_text(value) is not None}
    # Of arrays and objects the JSON is shown, in whatever writing.
    check.claims.update({name: None for name, value in payload.items() if isinstance(value, (list, dict))})
    try:
        odd = read_claims(check, payload)
    except Malformed:
        check.vague = True
        return check.say("malformed")
    path = payload.get("path")
    globs = [path] if isinstance(path, str) else path if isinstance(path, list) else []
    bad_path = "path" in payload and not any(isinstance(each, str) and glob(each.encode(), seen.uri) for each in globs)
    scope = False
    if "cdniuc" in payload:
        found = uri_hash(policy, seen)
        scope = found is None or not found[1] or payload["cdniuc"] != "hash:sha-256;" + found[0]
    elif "path" not in payload:
        scope = policy.scope == "path"
    if "cdniip" in payload:
        scope = True
    if "cdniv" in payload and not (isinstance(payload["cdniv"], Number) and payload["cdniv"].text == "1"):
        scope = True
    aud = payload.get("aud")
    if "aud" in payload:
        scope = scope or not any(name == "aud" for name, _ in policy.require)
    if "ip" in payload:
        inside = address_within(payload["ip"].encode(), seen.address) if isinstance(payload["ip"], str) else None
        scope = scope or not inside
    if "method" in payload:
        allowed = [payload["method"]] if isinstance(payload["method"], str) else payload["method"]
        method = seen.method.decode("latin-1")
        allowed = allowed if isinstance(allowed, list) else []
        scope = scope or not (method in allowed or (method == "HEAD" and "GET" in allowed))

    def claims(name):
        if name == "aud" and isinstance(aud, list):
            return [each.encode() for each in aud if isinstance(each, str)]
        value = claim_text(payload.get(name))
        return [value] if value is not None else []

    early_leeway, leeway = policy.leeway_or(60), policy.leeway_or(0)
    too_long = exceeds(policy, check.expires_at, check.issued if check.issued is not None else check.not_before, now)
    conclude(policy, check, seen, now, [
        (any(time is not None and time > now + early_leeway for time in (check.not_before, check.issued)), "early"),
        (check.expires_at + leeway <= now or too_long, "expired"),
        (bad_path or scope or require_denied(policy, seen, claims) or methods_denied(policy, seen, decides), "out_of_scope"),
    ])
    if check.verdict in ("out_of_scope", "early", "expired", "revoked"):
        check.also |= odd
        check.also.discard(check.verdict)
    return check


def read_claims(check, payload):
    """Notes times and subject; what else may be the verdict on a token that is not granted, where a claim has a wrong type."""
    check.expires_at, check.not_before, check.issued = (json_date(payload, name) for name in ("exp", "nbf", "iat"))
    if check.expires_at is None:
        raise Malformed("exp")
    subject = payload.get("sub", "")
    if not isinstance(subject, str) or has_control(subject.encode()):
        raise Malformed("sub")
    check.subject = subject.encode()
    critical = payload.get("cdnicrit", "")
    if not isinstance(critical, str) or any(name.strip() not in CDNI_CLAIMS for name in critical.split(",") if "cdnicrit" in payload):
        raise Malformed("cdnicrit")

    def texts(value):
        return isinstance(value, str) or isinstance(value, list) and all(isinstance(each, str) for each in value)

    right = all(texts(payload[name]) for name in ("path", "aud", "method") if name in payload)
    right = right and all(isinstance(payload[name], str) for name in ("ip", "cdniuc", "iss") if name in payload)
    right = right and not ("cdniv" in payload and getattr(payload["cdniv"], "text", None) != "1")
    right = right and not ("ip" in payload and address_within(payload["ip"].encode(), b"127.0.0.1") is None)
    return set() if right else {"malformed"}


def reads_well(payload):
    try:
        return not read_claims(Check(), payload)
    except Malformed:
        return False


UNRESERVED = rb"A-Za-z0-9._~\-"
URI = re.compile(rb"(http://(?:\[::1\]|[%(u)s]+)(?::[0-9]*)?)(/(?:[%(u)s!$&'()*+,;=:@/]|%%[0-9A-Fa-f]{2})*)(\?(?:[%(u)s!$&'()*+,;=:@/?]|%%[0-9A-Fa-f]{2})*)?"
                 % {b"u": UNRESERVED})


def normalised(uri):
    """Origin, path and query, by syntax alone (RFC 3986, section 6.2.2); None if it is no URI."""
    found = URI.fullmatch(uri)
    if not found:
        return None

    def escape(found):
        byte = bytes([int(found[1], 16)])
        return byte if re.fullmatch(rb"[" + UNRESERVED + rb"]", byte) else found[0].upper()

    path, query = (re.sub(rb"%([0-9A-Fa-f]{2})", escape, text or b"") for text in found.groups()[1:])
    segments = []
    for segment in path.split(b"/")[1:]:
        if segment == b"..":
            del segments[-1:]
        elif segment != b".":
            segments.append(segment)
    if path.endswith((b"/.", b"/..")):
        segments.append(b"")
    return found[1].lower(), b"/" + b"/".join(segments), query


def uri_hash(policy, seen):
    """The digest of the URI without the token, and whether it is the URI of what is served; None if it is no URI."""
    own = policy.credential_arguments(with_id=False)
    kept = [part for part in seen.args.split(b"&") if part.partition(b"=")[0].lower() not in own] if seen.args else []
    uri = normalised(b"http://" + seen.header(b"host") + edge_path(policy, seen) + (b"?" + b"&".join(kept) if any(kept) else b""))
    if uri is None:
        return None
    digest = base64.urlsafe_b64encode(hashlib.sha256(b"".join(uri)).digest()).rstrip(b"=").decode()
    return digest, urllib.parse.unquote_to_bytes(uri[1]) == seen.uri and server_name(seen.header(b"host")) == seen.host


def server_name(host):
    """What nginx makes of a Host header: the name, without port and trailing dot."""
    name = re.sub(rb":\d*$", b"", host).lower()
    return name[:-1] if name.endswith(b".") else name


def form_encoded(text):
    """Python's urllib.parse.quote_plus, with escapes in lower case."""
    return re.sub(rb"%[0-9A-F]{2}", lambda found: found[0].lower(), urllib.parse.quote_plus(text).encode())


def component_encoded(text):
    """JavaScript's encodeURIComponent, with ~ ' * escaped besides and escapes in lower case."""
    quoted = urllib.parse.quote(text, safe="!()").replace("~", "%7E").encode()
    return re.sub(rb"%[0-9A-F]{2}", lambda found: found[0].lower(), quoted)


def form_decoded(text):
    return urllib.parse.unquote_to_bytes(text.replace(b"+", b" "))


def edge_path(policy, seen):
    """PATH of url mode: as sent, or the decoded path encoded."""
    early = policy.options.get("escape_early")
    if early:
        return (component_encoded if early == "component" else form_encoded)(seen.uri)
    raw = seen.target
    if not raw.startswith(b"/"):
        raw = re.sub(rb"^[A-Za-z][A-Za-z0-9+.-]*://[^/?]*", b"", raw)
        raw = raw if raw.startswith(b"/") else b"/" + raw
    return re.split(rb"[?#]", raw, maxsplit=1)[0]


def check_edgeauth(policy, seen, now, decides):
    check = Check()
    text = one_value(policy, seen)
    twice = twice_in(policy, seen)
    if text is None:
        return check.say("missing", *(["malformed"] if twice else []))
    if twice or len(text) > CREDENTIAL_BOUND or long_id(policy, seen):
        return check.say("malformed")
    if b"=" not in text:
        if aws_decoded(text) is None:
            return check.say("malformed", "forged", "unknown_key")
        text = form_decoded(text)
    fields = {}
    parts = text.split(b"~")
    for part in parts:
        name, equals, value = part.partition(b"=")
        if not equals or name in fields or name not in (b"ip", b"st", b"exp", b"acl", b"id", b"data", b"hmac"):
            return check.say("malformed")
        fields[name] = value
    if not parts[-1].startswith(b"hmac=") or len(parts) < 2:
        return check.say("malformed")
    digest = fields.pop(b"hmac")
    # "hex": of either case, or of the case that the signers write.
    token = bytes.fromhex(digest.decode()) if re.fullmatch(rb"([0-9A-Fa-f]{2})*", digest) else None
    number = re.compile(rb"[0-9]+")
    dates = {name: int(fields[name]) if number.fullmatch(fields[name]) and int(fields[name]) <= LARGEST else None
             for name in (b"st", b"exp") if name in fields}
    if token is None or dates.get(b"exp") is None or (b"st" in dates and dates[b"st"] is None):
        return check.say("malformed")
    acl = None
    if b"acl" in fields:
        acl = urllib.parse.unquote_to_bytes(fields[b"acl"]).split(b"!")
        if len(acl) > 32:
            return check.say("malformed", "forged", "unknown_key")
    early = policy.options.get("escape_early")
    shown = {name: form_decoded(value) if early and name in (b"ip", b"id", b"data") else value for name, value in fields.items()}
    alive, dead = keys_of(policy, seen, now, decides)
    wrong_size = {len(token) == digest_size(key.algorithm or policy.algorithm) for key in alive + dead} != {True}
    if not alive:
        return check.say("unknown_key", *(["malformed"] if wrong_size else []))
    signed = text[:text.rindex(b"~hmac=")]
    if acl is None:
        signed += b"~url=" + edge_path(policy, seen)
    if policy.options.get("salt"):
        signed += b"~salt=" + policy.options["salt"].encode()
    for key in alive:
        if mac(key.algorithm or policy.algorithm, key.secret, signed) == token:
            break
    else:
        return check.say("forged", *(["malformed"] if wrong_size or any(has_control(shown.get(name, b"")) for name in (b"id", b"data")) else []))
    check.authentic, check.key_id, check.mac, check.issued_after = True, key.id, token, key.issued_after
    check.expires_at, check.issued = dates[b"exp"], dates.get(b"st")
    check.claims = {name.decode(): value for name, value in shown.items()}
    check.subject = shown.get(b"data", shown.get(b"id", b""))
    if any(has_control(shown.get(name, b"")) for name in (b"id", b"data")):
        check.vague = True
        return check.say("malformed")
    scope = acl is not None and not any(glob(each, seen.uri) for each in acl)
    inside = address_within(shown[b"ip"], seen.address) if b"ip" in shown else True
    leeway = policy.leeway_or(0)
    too_long = exceeds(policy, check.expires_at, check.issued, now)
    conclude(policy, check, seen, now, [
        (check.issued is not None and check.issued > now + leeway, "early"),
        (check.expires_at + leeway < now or too_long, "expired"),
        (scope or not inside or require_denied(policy, seen, lambda name: [shown[name.encode()]] if name.encode() in shown else [])
         or methods_denied(policy, seen, decides), "out_of_scope"),
    ])
    if inside is None and check.verdict != "granted":
        check.also.add("malformed")
    return check


def aws_decoded(text):
    """Percent-decoded, + as a space; None if an escape is bad."""
    if re.search(rb"%(?![0-9A-Fa-f]{2})", text):
        return None
    return urllib.parse.unquote_to_bytes(text.replace(b"+", b" "))


def aws_encoded(text, safe=""):
    return urllib.parse.quote(text, safe="-_.~" + safe).encode()


AMZ = [b"X-Amz-Algorithm", b"X-Amz-Credential", b"X-Amz-Date", b"X-Amz-Expires", b"X-Amz-SignedHeaders", b"X-Amz-Signature"]
NAMES = [*AMZ, b"X-Amz-Content-Sha256"]
RESERVED = {name.lower() for name in [*NAMES, b"X-Amz-Security-Token"]}


def aws_signature(secret, method, path, query, headers, date, scope):
    """Hex of the signature; path is canonical, query and headers are lists of canonical pairs."""
    names = b";".join(name for name, _ in headers)
    canonical = b"\n".join([method, path, b"&".join(name + b"=" + value for name, value in sorted(query)),
                            b"".join(name + b":" + value + b"\n" for name, value in headers), names, b"UNSIGNED-PAYLOAD"])
    text = b"\n".join([b"AWS4-HMAC-SHA256", date, scope, hashlib.sha256(canonical).hexdigest().encode()])
    key = b"AWS4" + secret
    for part in scope.split(b"/"):
        key = mac("sha256", key, part)
    return mac("sha256", key, text)


def aws_path(target):
    path = re.split(rb"[?#]", target, maxsplit=1)[0]
    if not path.startswith(b"/"):
        path = re.sub(rb"^[A-Za-z][A-Za-z0-9+.-]*://[^/?]*", b"", path) or b"/"
    return urllib.parse.unquote_to_bytes(path)


def check_sigv4(policy, seen, now, decides):
    check = Check()
    amz, query, others = {}, [], {}
    wrong = False
    for part in seen.args.split(b"&") if seen.args else []:
        written, _, value = part.partition(b"=")
        name, value = aws_decoded(written), aws_decoded(value)
        if name is None or value is None:
            wrong = True
            continue
        if name.lower().startswith(b"x-amz-"):
            if name in amz or name != written or (name not in NAMES and name.lower() in RESERVED):
                wrong = True
            amz[name] = value
        if name != b"X-Amz-Signature":
            query.append((aws_encoded(name), aws_encoded(value)))
            others.setdefault(name.decode("latin-1"), []).append(value)
    if twice_in(policy, seen) or long_id(policy, seen):
        wrong = True
    if not any(name in amz for name in AMZ):
        return check.say("missing", *(["malformed"] if wrong or amz else []))
    if any(name not in amz for name in AMZ):
        return check.say("malformed", *(["missing"] if b"X-Amz-Signature" not in amz else []))
    if amz.get(b"X-Amz-Content-Sha256", b"UNSIGNED-PAYLOAD") != b"UNSIGNED-PAYLOAD":
        wrong = True
    parts = amz[b"X-Amz-Credential"].split(b"/")
    date = amz[b"X-Amz-Date"]
    found = re.fullmatch(rb"(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z", date)
    issued = calendar_time(*map(int, found.groups())) if found else None
    names = amz[b"X-Amz-SignedHeaders"].split(b";")
    signature = amz[b"X-Amz-Signature"]
    life = amz[b"X-Amz-Expires"]
    if (wrong or amz[b"X-Amz-Algorithm"] != b"AWS4-HMAC-SHA256" or len(parts) != 5 or parts[4] != b"aws4_request" or parts[1] != date[:8]
            or issued is None or not re.fullmatch(rb"[0-9]{1,6}", life) or not 1 <= int(life) <= 604800
            or not re.fullmatch(rb"[0-9A-Fa-f]{64}", signature) or len(parts[0]) > 64
            or names != sorted(set(names)) or len(names) > 16 or b"host" not in names or any(not re.fullmatch(rb"[a-z0-9!#$%&'*+.^_`|~-]+", name) for name in names)):
        return check.say("malformed")
    alive, _ = keys_of(policy, seen, now, decides, [parts[0]])
    escaped = ["malformed"] if b"X-Amz-Signature=" + signature not in seen.args.split(b"&") else []
    if not alive:
        return check.say("unknown_key", *escaped, *(["forged"] if any(not seen.header(name) for name in names) else []))
    host = seen.header(b"host")
    hosts = [host] + ([host[:-3]] if host.endswith(b":80") else [])
    headers, lacking = [], False
    for name in names:
        values = [re.sub(rb" +", b" ", value.strip(b" ")) for key, value in seen.headers if key.lower() == name]
        lacking = lacking or not values
        headers.append((name, b",".join(values)))
    path = aws_path(seen.target)
    scope = b"/".join(parts[1:])
    if lacking:
        return check.say("forged", *escaped)
    for key in alive:
        if any(aws_signature(key.secret, seen.method, aws_encoded(path, "/"), query,
                             [(name, each if name == b"host" else value) for name, value in headers], date, scope) == bytes.fromhex(signature.decode())
               for each in hosts):
            break
    else:
        return check.say("forged", *escaped)
    if escaped:
        check.vague = True
        return check.say("malformed")  # hex is written in hex, not in escapes
    check.authentic, check.key_id, check.mac, check.issued_after = True, key.id, bytes.fromhex(signature.decode()), key.issued_after
    check.issued, check.expires_at = issued, issued + int(life)
    check.claims = {}
    for name, values in others.items():
        for value in values:
            check.claims[name if name not in check.claims else name.upper() + "\0"] = value
    repeated = {name.lower().replace("-", "_") for name, values in others.items() if len(values) > 1}
    check.claims = {name: value for name, value in check.claims.items() if name.lower().replace("-", "_") not in repeated}
    early_leeway, leeway = policy.leeway_or(900), policy.leeway_or(0)
    options = policy.options
    return conclude(policy, check, seen, now, [
        (issued > now + early_leeway, "early"),
        (check.expires_at + leeway < now or (policy.max_lifetime and int(life) > policy.max_lifetime), "expired"),
        (path != seen.uri or server_name(host) != seen.host or options.get("region", parts[2].decode("latin-1")) != parts[2].decode("latin-1")
         or options.get("service", parts[3].decode("latin-1")) != parts[3].decode("latin-1")
         or require_denied(policy, seen, lambda claim: others.get(claim, []) if len(others.get(claim, [])) == 1 else [])
         or methods_denied(policy, seen, decides), "out_of_scope"),
    ])


SCHEMES = {"template": check_template, "jwt": check_jwt, "edgeauth": check_edgeauth, "sigv4": check_sigv4}


def check(policy, seen, now, decides):
    """`decides`: the check is enforced, or a dry run."""
    if (b"|" in seen.host or b"&" in seen.host) and "host" in policy.variables() | policy.required():
        # Bytes that the rules on messages take to be impossible in a host.
        return unreadable(SCHEMES[policy.scheme](policy, seen, now, decides))
    return SCHEMES[policy.scheme](policy, seen, now, decides)


def unreadable(check):
    """A check that ends before the MAC is looked at."""
    also = {"missing"} if check.verdict == "missing" else set()
    again = Check()
    again.vague, again.message, again.also = True, check.message, also
    again.verdict = "malformed"
    return again


def remaining_arguments(policy, seen):
    """$secure_link_hmac_args."""
    if not seen.args:
        return b""
    own = policy.credential_arguments()

    def kept(part):
        name = part.partition(b"=")[0]
        if policy.scheme == "sigv4":
            if name.lower().startswith(b"x-amz-") or name.lower() == b"x-id":
                return False
        return name.lower() not in own

    return b"&".join(part for part in seen.args.split(b"&") if kept(part))
