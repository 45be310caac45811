"""Random configurations: nginx's text, and what the model needs to know of each location."""

import time

from model import Key, OPENSSL, Policy, Var

POLICY = {"scheme", "options", "credential", "message", "secrets", "ring", "ring_name", "key_id", "algorithm", "encoding", "leeway", "max_lifetime",
          "methods", "scope", "require", "revoke", "limits"}
METHODS = [["GET"], ["GET", "HEAD"], ["GET", "POST"], ["GET", "HEAD", "PUT", "OPTIONS"], ["POST", "DELETE"], ["HEAD"]]
# 400 is nginx's own for what is no request.
CODES = [402, 406, 403, 404, 409, 410, 418, 429, 451, 503]
VERDICTS = ["missing", "malformed", "unknown_key", "forged", "early", "expired", "out_of_scope", "revoked", "exhausted"]
# What a location's secret of variables is for ?who=; a map of the configuration says the same.
DROP_IN = [[[Var("arg_link")]]]
WHO = {b"ann": b"a secret that ann has been given", b"short": b"too short"}


def text_of(pieces):
    return "".join("${%s}" % piece.name if isinstance(piece, Var) else piece.decode("latin-1") for piece in pieces)


def quoted(text):
    return '"%s"' % text.replace("\\", "\\\\").replace('"', '\\"')


class Place:
    """A location; `around` is what is not part of the policy."""

    def __init__(self, path, policy, around):
        self.path, self.policy = path, policy
        self.enforce = around.get("enforce", "off")
        self.errors = around.get("errors", {})
        self.bypass = around.get("bypass", False)
        self.log_level = around.get("log_level", "info")
        self.handoff = around.get("handoff")
        self.satisfy_any = around.get("satisfy_any", False)
        self.basic = around.get("basic", False)
        self.text = ""

    def decides(self):
        return self.enforce != "off"


class Configuration:
    """One random server; `text(...)` is nginx.conf's."""

    def __init__(self, random):
        self.random = random
        self.now = int(time.time())
        self.places = []
        self.zones = []
        self.rings = {scheme: self.ring(scheme) for scheme in ("template", "jwt", "edgeauth", "sigv4")}
        http, http_around, lines = {}, {}, []
        for maybe in (self.times, self.own_methods):
            if random.random() < 0.2:
                lines += maybe(http)
        lines += self.surroundings(http_around, top=True)
        self.http_lines = lines
        server, around = dict(http), dict(http_around)
        lines = []
        if random.random() < 0.6:
            lines += self.template(server)
            if random.random() < 0.5:
                around["enforce"] = random.choice(["on", "dry_run", "off"])
                lines.append("secure_link_hmac_enforce %s;" % around["enforce"])
        self.server_lines = lines
        root = self.place(b"/", server, around)
        self.locations = ["location / { empty_gif; }"]
        for number in range(random.randint(3, 6)):
            self.locations.append(self.location(b"/a%d/" % number, server, around, 0))
        root.text = "\n".join(self.server_lines + self.locations[:1])

    def ring(self, scheme):
        random, keys = self.random, []

        def secret():
            return bytes(random.choice(b"0123456789abcdefghijklmnopqrstuvwxyz") for _ in range(random.choice([16, 20, 32, 32, 64, 100])))

        algorithms = {"template": list(OPENSSL), "jwt": ["sha256", "sha384", "sha512"], "edgeauth": ["sha256", "sha1", "md5"], "sigv4": [None]}[scheme]
        for id in random.sample([b"acme", b"globex", b"k1", b"K1", b"old", b"a.b-c_d", b"x" * 64], random.randint(2, 6)):
            for _ in range(random.choice([1, 1, 1, 2])):
                key = Key(id, secret(), random.choice(algorithms) if random.random() < 0.4 else None)
                life = random.random()
                if life < 0.1:
                    key.revoked = True
                elif life < 0.2:
                    key.not_after = self.now - random.randint(10, 10 ** 6)
                elif life < 0.3:
                    key.not_before = self.now + random.randint(3600, 10 ** 6)
                elif life < 0.45:
                    key.not_before, key.not_after = self.now - 1000, self.now + 86400
                if random.random() < 0.2:
                    key.issued_after = self.now - random.randint(500, 2000)
                keys.append(key)
        return keys

    def ring_text(self, scheme):
        lines = ["secure_link_hmac_keyring r_%s {" % scheme]
        for key in self.rings[scheme]:
            words = ["%s hex:%s" % (key.id.decode(), key.secret.hex())]
            words += ["algorithm=%s" % key.algorithm] if key.algorithm else []
            words += ["%s=%d" % (name, getattr(key, name)) for name in ("not_before", "not_after", "issued_after") if getattr(key, name) is not None]
            words += ["revoked"] if key.revoked else []
            lines.append("    %s;" % " ".join(words))
        return "\n".join(lines + ["}"])

    # Each of these adds directives to `own` and gives their text.

    def times(self, own):
        lines = []
        if self.random.random() < 0.6:
            own["leeway"] = self.random.choice([0, 5, 60])
            lines.append("secure_link_hmac_leeway %ds;" % own["leeway"])
        if self.random.random() < 0.5:
            own["max_lifetime"] = self.random.choice([0, 3600, 86400])
            lines.append("secure_link_hmac_max_lifetime %ds;" % own["max_lifetime"])
        return lines

    def own_methods(self, own):
        own["methods"] = self.random.choice(METHODS)
        return ["secure_link_hmac_methods %s;" % " ".join(own["methods"])]

    def limit(self, own, scheme, policy):
        random = self.random
        zone = "z%d" % len(self.zones)
        self.zones.append(zone)
        limit = {"zone": zone, "uses": random.randint(1, 3), "per": "token", "window": 0}
        kind = random.random()
        # Links that never expire cannot be counted each.
        endless = scheme == "template" and policy["options"]["time"].startswith("issued") and any(len(value) < 3 for value in policy["credential"])
        if kind < 0.3 or endless:
            limit.update(per="key", uses=random.randint(2, 20))
            line = "secure_link_hmac_limit %s uses=%d per=key period=1h;" % (zone, limit["uses"])
        elif kind < 0.4 and scheme in ("jwt", "edgeauth"):
            limit.update(per="subject", uses=random.randint(1, 5))
            line = "secure_link_hmac_limit %s uses=%d per=subject period=1h;" % (zone, limit["uses"])
        else:
            limit["window"] = random.choice([0, 3600])
            line = "secure_link_hmac_limit %s uses=%d%s;" % (zone, limit["uses"], " window=1h" if limit["window"] else "")
        own["limits"] = [limit]
        return [line]

    def revoke(self, own):
        name = self.random.choice(["recalled_subject", "recalled_key", "arg_recall", "secure_link_hmac_claim_tier"])
        own["revoke"] = [[Var(name)]]
        return ["secure_link_hmac_revoke $%s;" % name]

    def keys(self, own, scheme):
        random = self.random
        if random.random() < 0.5:
            own["ring"], own["secrets"], own["key_id"], own["ring_name"] = None, [], None, None
            lines = []
            for _ in range(random.choice([1, 1, 2, 3])):
                secret = bytes(random.choice(b"0123456789abcdef") for _ in range(random.choice([16, 32, 64])))
                if scheme == "template" and random.random() < 0.15:
                    own["secrets"].append([Var("who_secret")])
                    lines.append("secure_link_hmac_secret $who_secret;")
                else:
                    own["secrets"].append([secret])
                    lines.append("secure_link_hmac_secret %s;" % secret.decode())
            return lines
        own["secrets"], own["ring"], own["ring_name"] = None, self.rings[scheme], "r_" + scheme
        kind = random.random()
        if kind < 0.5:
            own["key_id"] = [Var("arg_k")]
        elif kind < 0.7:
            own["key_id"] = [random.choice(own["ring"]).id]
        else:
            own["key_id"] = None
        return ["secure_link_hmac_keys r_%s%s;" % (scheme, "" if own["key_id"] is None else " " + quoted(text_of(own["key_id"])))]

    def template(self, own):
        random = self.random
        own["scheme"] = "template"
        kind = random.choice(["arg3", "arg3", "arg3", "arg2", "arg1", "header", "two", "expires", "expires", "expires_cookie"])
        time_kind = "expires" if kind.startswith("expires") else "issued"
        if random.random() < 0.2:
            time_kind += "_hex"
        own["options"] = {"time": time_kind}
        st, ts, e = [Var("arg_st")], [Var("arg_ts")], [Var("arg_e")]
        if kind == "header":
            st, ts, e = [Var("http_x_st")], [Var("http_x_ts")], [Var("http_x_e")]
        cookie = [Var("cookie_st")]
        own["credential"] = {"arg3": [[st, ts, e]], "arg2": [[st, ts]], "arg1": [[st]], "header": [[st, ts, e]], "two": [[st, ts, e], [cookie, ts, e]],
                             "expires": [[st, e]], "expires_cookie": [[cookie, e]]}[kind]
        prefix = random.choice([[], [], [], [Var("host")], [Var("scheme"), b"://", Var("host")], [Var("request_method"), b" "], [Var("remote_addr"), b"|"]])
        message = prefix + [Var("uri")]
        for field in own["credential"][0][1:]:
            message += [b"|"] + field
        if random.random() < 0.2:
            message += [b"&", Var("arg_user")]
        own["message"] = message
        own["encoding"] = random.choice(["base64url", "base64url", "hex", "base64"])
        own["algorithm"] = random.choice(list(OPENSSL)) if random.random() < 0.5 else "sha256"
        lines = ["secure_link_hmac_scheme template time=%s;" % time_kind,
                 "secure_link_hmac %s;" % " ".join(quoted(",".join(map(text_of, value))) for value in own["credential"]),
                 "secure_link_hmac_message %s;" % quoted(text_of(message)),
                 "secure_link_hmac_encoding %s;" % own["encoding"], "secure_link_hmac_algorithm %s;" % own["algorithm"]]
        return lines + self.keys(own, "template")

    def drop_in(self, own):
        """What users of the C module have, never enforced."""
        own.update(scheme="template", options={"time": "issued"}, encoding="base64url", algorithm=self.random.choice(list(OPENSSL)),
                   credential=DROP_IN, message=[Var("uri"), b"|", Var("arg_user")])
        lines = ["secure_link_hmac_scheme template;", "secure_link_hmac $arg_link;", 'secure_link_hmac_message "$uri|$arg_user";',
                 "secure_link_hmac_encoding base64url;", "secure_link_hmac_algorithm %s;" % own["algorithm"]]
        return lines + self.keys(own, "template")

    def require(self, own, choices):
        own["require"] = self.random.choice(choices)
        return ["secure_link_hmac_require %s;" % " ".join(quoted(name + "=" + text_of(value)) for name, value in own["require"])]

    def jwt(self, own):
        random = self.random
        own.update(scheme="jwt", options={}, algorithm=random.choice(["sha256", "sha256", "sha384", "sha512"]))
        own["credential"] = random.choice([[[[Var("arg_token")]]], [[[Var("arg_token")]], [[Var("http_authorization")]]],
                                           [[[Var("cookie_token")]], [[Var("arg_token")]]]])
        lines = ["secure_link_hmac_scheme jwt;", "secure_link_hmac_algorithm %s;" % own["algorithm"],
                 "secure_link_hmac %s;" % " ".join(text_of(value[0]) for value in own["credential"])]
        if random.random() < 0.6:
            own["scope"] = random.choice(["path", "any"])
            lines.append("secure_link_hmac_scope %s;" % own["scope"])
        if random.random() < 0.5:
            lines += self.require(own, [[("aud", [Var("host")])], [("aud", [b"site"])], [("tier", [b"gold"])], [("level", [b"5"])],
                                        [("aud", [b"site"]), ("tier", [Var("arg_tier")])]])
        return lines + self.keys(own, "jwt")

    def edgeauth(self, own):
        random = self.random
        own.update(scheme="edgeauth", algorithm=random.choice(["sha256", "sha256", "sha1", "md5"]), options={})
        words = ["secure_link_hmac_scheme edgeauth"]
        if random.random() < 0.3:
            own["options"]["salt"] = "pepper"
            words.append("salt=pepper")
        if random.random() < 0.5:
            own["options"]["escape_early"] = random.choice(["form", "component"])
            words.append("escape_early=" + own["options"]["escape_early"])
        own["credential"] = random.choice([[[[Var("arg_hdnts")]]], [[[Var("arg_hdnts")]], [[Var("cookie_hdnts")]], [[Var("http_x_token")]]]])
        lines = [" ".join(words) + ";", "secure_link_hmac_algorithm %s;" % own["algorithm"],
                 "secure_link_hmac %s;" % " ".join(text_of(value[0]) for value in own["credential"])]
        if random.random() < 0.2:
            lines += self.require(own, [[("data", [b"acme"])], [("id", [Var("arg_id")])]])
        return lines + self.keys(own, "edgeauth")

    def sigv4(self, own):
        random = self.random
        own.update(scheme="sigv4", options={}, credential=None)
        words = ["secure_link_hmac_scheme sigv4"]
        for name, value in (("region", "eu"), ("service", "s3")):
            if random.random() < 0.3:
                own["options"][name] = value
                words.append("%s=%s" % (name, value))
        lines = [" ".join(words) + ";"]
        if random.random() < 0.2:
            lines += self.require(own, [[("tier", [b"gold"])], [("versionId", [Var("host")])]])
        return lines + self.keys(own, "sigv4")

    def surroundings(self, own, top=False):
        """Directives that are not part of the policy."""
        random, lines = self.random, []
        if random.random() < 0.25:
            own["errors"] = {verdict: random.choice(CODES) for verdict in random.sample(VERDICTS, random.randint(1, 4))}
            lines.append("secure_link_hmac_error %s;" % " ".join("%s=%d" % each for each in own["errors"].items()))
        if random.random() < 0.3:
            own["log_level"] = random.choice(["info", "notice", "warn", "error"])
            lines.append("secure_link_hmac_log_level %s;" % own["log_level"])
        if not top and random.random() < 0.15:
            own["bypass"] = True
            lines.append("secure_link_hmac_bypass $free;")
        if not top and random.random() < 0.25:
            own["basic"] = True
            own["satisfy_any"] = random.random() < 0.75
            lines.append("auth_basic files; auth_basic_user_file users; satisfy %s;" % ("any" if own["satisfy_any"] else "all"))
        return lines

    def location(self, path, parent, parent_around, depth):
        random = self.random
        own, around, lines = {}, {}, []
        if depth == 0:
            kind = random.choice(["template", "template", "template", "jwt", "jwt", "edgeauth", "edgeauth", "sigv4", "sigv4", "drop_in", "inherit"])
            if kind == "inherit" and "scheme" not in parent:
                kind = "template"
        else:
            kind = random.choice(["inherit", "inherit", "override", "off"])
        if kind not in ("inherit", "override", "off"):
            lines += getattr(self, kind)(own)
        elif kind == "off":
            lines.append("secure_link_hmac off;")
        scheme = own.get("scheme", parent.get("scheme"))
        if kind not in ("inherit", "off") and scheme:
            for maybe, chance in ((self.times, 0.4), (self.own_methods, 0.3), (self.revoke, 0.15)):
                if random.random() < chance:
                    lines += maybe(own)
            # A message of the drop-in kind is refused where it is enforced.
            if {**parent, **own}.get("credential") == DROP_IN:
                around["enforce"] = "off"
            elif random.random() < 0.25:
                lines += self.limit(own, scheme, {**parent, **own})
            if kind == "override" and random.random() < 0.4:
                lines += self.keys(own, scheme)
        policy = {**parent, **own}
        if kind == "off":
            policy = {**parent, "off": True}
        lines += self.surroundings(around)
        if kind == "drop_in":
            around["enforce"] = "off"
        elif kind == "off":
            around["enforce"] = random.choice(["off", "inherited"])
        elif "enforce" in around:
            pass
        elif depth == 0 and kind != "inherit":
            around["enforce"] = random.choice(["on"] * 7 + ["dry_run", "off"])
        elif random.random() < 0.3 and parent.get("credential") != DROP_IN and not parent.get("off"):
            around["enforce"] = random.choice(["on", "dry_run", "off"])
        if around.get("enforce") == "inherited":
            del around["enforce"]
        elif "enforce" in around:
            lines.append("secure_link_hmac_enforce %s;" % around["enforce"])
        around = {**parent_around, **around}
        enforced = around.get("enforce", "off") != "off" and not policy.get("off")
        if not enforced:
            if around.get("handoff"):
                around["handoff"] = None
                lines.append("secure_link_hmac_pass off;")
        elif random.random() < 0.5:
            around["handoff"] = random.choice(["served", "served", "static", "named", "to"])
            lines.append("secure_link_hmac_pass %s;" % {"served": "/served$uri?$secure_link_hmac_args", "static": "/static$uri", "named": "@named",
                                                        "to": "/served/$arg_to"}[around["handoff"]])
        place = self.place(path, policy, around)
        nested = []
        if depth < 2:
            for number in range(random.choice([0, 0, 1, 2])):
                nested.append(self.location(path + b"b%d/" % number, policy, around, depth + 1))
        body = "\n    ".join(lines + ["empty_gif;"] + [text.replace("\n", "\n    ") for text in nested])
        place.text = "location %s {\n    %s\n}" % (path.decode(), body)
        return place.text

    def place(self, path, policy, around):
        known = {name: value for name, value in policy.items() if name in POLICY}
        complete = not policy.get("off") and ("credential" in policy)
        place = Place(path, Policy(**known) if complete else None, around)
        self.places.append(place)
        return place

    def find(self, uri):
        """The location of a path: the longest prefix."""
        return max((place for place in self.places if uri.startswith(place.path)), key=lambda place: len(place.path))

    def text(self):
        """What stands in http { } for the module, and in server { }."""
        http = ["map $arg_free $free { default 0; 1 1; }",
                "map $secure_link_hmac_subject $recalled_subject { volatile; default 0; mallory 1; }",
                "map $secure_link_hmac_key_id $recalled_key { volatile; default 0; globex 1; }",
                "map $arg_who $who_secret { default ''; %s }" % " ".join("%s '%s';" % (who.decode(), secret.decode()) for who, secret in WHO.items())]
        http += [self.ring_text(scheme) for scheme in self.rings]
        http += ["secure_link_hmac_zone %s:1m;" % zone for zone in self.zones]
        return "\n".join(http + self.http_lines), "\n".join(self.server_lines + self.locations)


MAPS = {
    "free": lambda seen, check: b"1" if seen.variable("arg_free") == b"1" else b"0",
    "recalled_subject": lambda seen, check: b"1" if check.subject.lower() == b"mallory" else b"0",
    "recalled_key": lambda seen, check: b"1" if check.key_id.lower() == b"globex" else b"0",
    "who_secret": lambda seen, check: WHO.get(seen.variable("arg_who").lower(), b""),
    "secure_link_hmac_claim_tier": lambda seen, check: check.claim("tier") if check.claim("tier") is not None else b"[...",
}
