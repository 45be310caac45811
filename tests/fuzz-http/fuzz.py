"""Asks an nginx with the module random things, and compares every answer with the model's.

    fuzz.py --module SO [--nginx PROGRAM] [--seconds N] [--seed N] [--requests N] [--first] [--quiet]

A round is one random configuration. Whatever the model did not foretell is printed with the request, the location and
the seed of the round, which makes the same configuration and the same requests again (the time is another).
Exits with 1 if there was anything.
"""

import argparse
import base64
import collections
import json
import os
import random
import re
import sys
import time

import clients
import model
from links import Maker, Request
from model import Seen
from places import MAPS, Configuration
from server import VARIABLES, Server, header_name

GIF = b"GIF89a"
BATCH = 60
LEVELS = ["info", "notice", "warn", "error", "crit", "alert", "emerg"]


class Expectation:
    """What is to come back: statuses, what the check says, one line of the log or none, a body."""

    def __init__(self):
        self.statuses = set()
        self.check = None
        self.verdicts = None  # of the variable; None: not foretold
        self.line = None  # (level, begin of the text)
        self.failure = False  # the module reports an error of its own
        self.body = None
        self.spend = []
        self.uses = None


class World:
    """What is left of uses, by limit."""

    def __init__(self):
        self.counts = collections.Counter()
        self.windows = set()

    def keys(self, policy, check):
        for limit in policy.limits:
            identity = {"token": check.mac, "key": check.key_id, "subject": (check.key_id, check.subject)}[limit["per"]]
            yield limit, (limit["zone"], limit["per"], identity)

    def judge(self, policy, check, seen, expectation, method):
        """exhausted, malformed or None; notes what is to be spent."""
        for limit, key in self.keys(policy, check):
            if limit["per"] == "token" and check.expires_at is None or limit["per"] == "subject" and not check.subject:
                return "malformed"
            inside = limit["window"] and (key, seen.address) in self.windows
            if not inside and self.counts[key] >= limit["uses"]:
                return "exhausted"
            spent = not inside and method != b"HEAD"
            expectation.spend.append((limit, key, spent))
            if len(policy.limits) == 1:
                expectation.uses = self.counts[key], spent
        return None

    def spend(self, expectation, seen):
        for limit, key, spent in expectation.spend:
            if spent:
                self.counts[key] += 1
                if limit["window"]:
                    self.windows.add((key, seen.address))


def expect(place, seen, now, world, files):
    policy, expectation = place.policy, Expectation()
    basic_ok = re.fullmatch(rb"(?i:basic) +" + base64.b64encode(b"u:p"), seen.header(b"authorization")) is not None
    handoff = place.handoff if place.decides() and policy is not None else None
    denied = None
    granted = spends = False
    if place.bypass and MAPS["free"](seen, None) == b"1":
        handoff = None
    elif policy is not None:
        check = expectation.check = model.check(policy, seen, now, place.decides())
        expectation.verdicts = check.verdicts()
        if place.decides():
            if check.verdict == "granted" and policy.limits:
                limited = world.judge(policy, check, seen, expectation, seen.method)
                if limited:
                    check.say(limited)
                    expectation.verdicts = {limited}
                    check.vague = check.vague or limited == "malformed"
            if check.verdict != "granted":
                kind = "denied" if place.enforce == "on" else "dry run, would deny"
                expectation.line = (place.log_level, kind)
            if place.enforce == "on":
                granted = check.verdict == "granted"
                denied = None if granted else {place.errors.get(verdict, model.STATUS[verdict]) for verdict in check.verdicts()}
                spends = granted
    else:
        expectation.verdicts = {""}
    if not spends:
        expectation.spend = []
    if place.satisfy_any and place.basic:
        if not granted and not basic_ok:
            expectation.statuses = {401}
            expectation.spend = []
            return expectation
    elif denied:
        expectation.statuses = denied
        return expectation
    elif place.basic and not basic_ok:
        expectation.statuses = {401}
        expectation.spend = []
        return expectation
    content(place, seen, expectation, handoff, files)
    return expectation


def content(place, seen, expectation, handoff, files):
    """What is served to a request that passed."""
    check = expectation.check
    said = b" ".join([check.verdict.encode(), check.key_id, check.subject]) if check and not check.vague and not check.also else None
    if handoff == "static":
        path = b"/static" + seen.uri
        if path in files:
            expectation.statuses = {200} if seen.method in (b"GET", b"HEAD") else {405}
            expectation.body = files[path]
        else:
            expectation.statuses = {301, 403, 404, 405}
    elif handoff == "named":
        expectation.statuses = {200}
        expectation.body = b"named %s [%s] %s\n" % (seen.uri, seen.args, said) if said is not None else None
    elif handoff:
        path = b"/served" + seen.uri if handoff == "served" else b"/served/" + seen.variable("arg_to")
        arguments = model.remaining_arguments(place.policy, seen) if handoff == "served" else b""
        if b".." in path.split(b"/"):
            expectation.statuses, expectation.failure = {500}, True
            return
        expectation.statuses = {200}
        expectation.body = b"served %s [%s] %s\n" % (path, arguments, said) if said is not None else None
    else:
        expectation.statuses = {200} if seen.method in (b"GET", b"HEAD") else {405}
        expectation.body = GIF


def variables(expectation, place, seen, now):
    """The module's variables as far as they are foretold."""
    check, policy = expectation.check, place.policy
    known = {}
    if policy is None:
        return {name: b"" for name in VARIABLES if name not in ("_token", "_args")} if expectation.verdicts is not None else {}
    if check is None:
        return known
    known["_args"] = model.remaining_arguments(policy, seen)
    if check.also or check.vague:
        return known
    known[""] = {"granted": b"1", "expired": b"0"}.get(check.verdict, b"")
    known["_status"] = check.verdict.encode()
    known["_key_id"] = check.key_id
    known["_subject"] = check.subject
    known["_expires"] = check.lifetime_text if policy.scheme == "template" else b""
    at = check.expires_at
    known["_expires_at"] = b"%d" % at if check.authentic and at is not None else b""
    known["_remaining"] = b"%d" % (at - now) if check.authentic and at is not None else b""
    for name in ("tier", "x_y", "data", "exp"):
        if check.claim(name) is not None:
            known["_claim_" + name] = check.claim(name)
    if not policy.limits or not place.decides() or not check.authentic:
        known["_uses"] = b""
    elif expectation.uses and check.verdict == "granted":
        count, spent = expectation.uses
        known["_uses"] = b"%d" % (count + bool(spent and expectation.spend))
    return known


class Round:
    def __init__(self, options, seed):
        self.options, self.seed = options, seed
        self.random = random.Random(seed)
        self.configuration = Configuration(self.random)
        self.maker = Maker(self.random)
        self.server = Server(options.nginx, options.module, self.configuration)
        self.world = World()
        self.failures, self.verdicts, self.statuses, self.protocols = [], collections.Counter(), collections.Counter(), collections.Counter()
        self.number = self.refused = self.unanswered = 0
        self.is_muddled = False  # a use was spent, and it is not known of what
        self.recent = collections.deque(maxlen=20)
        self.requests = {}
        self.answers = {}
        self.counted, self.granted_by, self.perhaps = (collections.Counter() for _ in range(3))

    def fail(self, what, *more):
        self.failures.append("\n".join([what, *more]))

    def run(self, until):
        problem = self.server.start()
        if problem:
            self.fail("nginx does not take this configuration: " + problem, self.server.text)
            return
        try:
            while time.time() < until and not self.is_muddled and self.number < self.options.requests and len(self.failures) < (1 if self.options.first else 5):
                self.batch()
            self.check_alive()
            self.check_meter()
        finally:
            self.server.stop()
            for level, _, text in self.server.errors():
                if level in ("alert", "crit", "emerg") or b"exited on signal" in text:
                    self.fail(f"at the end: [{level}] {text.decode('latin-1')}")

    def batch(self):
        self.requests, self.answers = {}, {}
        ends = self.number + BATCH
        while self.number < ends:
            group = []
            version = self.random.choice([1, 1, 2])
            for _ in range(self.random.choice([1, 1, 2, 5])):
                self.number += 1
                request = self.request()
                if request.only == 1:
                    version = 1
                group.append((self.number, request))
                self.requests[self.number] = request
                if request.raw is not None or request.only == 1 and request.version == b"HTTP/1.0":
                    break
            # What cannot be pipelined goes alone.
            alone = version == 1 and self.random.random() < 0.4
            for part in [[each] for each in group] if alone else [group]:
                self.send(version, part)
        sync = clients.http1(self.server.port1, [(0, Request(path=b"/sync"))])
        if not sync or sync[0].status != 200:
            self.fail("nginx does not answer any more")
        self.compare()

    def request(self):
        now = int(time.time())
        if self.recent and self.random.random() < 0.15:
            return self.maker.again(self.random.choice(self.recent))
        places = self.configuration.places
        place = self.random.choice([each for each in places if each.policy] if self.random.random() < 0.95 else places)
        request = self.maker.make(place, now)
        if place.policy is not None and (place.policy.limits and self.random.random() < 0.5 or self.random.random() < 0.02) and request.raw is None:
            self.recent.append(request)
        return request

    def send(self, version, group):
        try:
            if version == 1:
                answers = clients.http1(self.server.port1, group)
            else:
                answers = clients.http2(self.server.port2, group)
        except TimeoutError:
            self.fail("no answer in time", *[repr(request.bytes(id)) for id, request in group])
            return
        for (id, _), answer in zip(group, answers):
            self.answers[id] = answer

    def compare(self):
        entries = self.server.access()
        lines = collections.defaultdict(list)
        # nginx cuts what is longer than 2048 bytes, and the id with it: such lines are told by the connection.
        cut = collections.defaultdict(list)
        for level, connection, text in self.server.errors():
            found = re.search(rb'referrer: "id-(\d+)"', text)
            id = int(found[1]) if found else None
            if level in ("alert", "crit", "emerg", "unreadable"):
                self.fail(f"[{level}] {text.decode('latin-1')}")
            elif b"secure_link_hmac" in text.split(b", client: ")[0]:
                (lines[id] if found else cut[connection]).append((level, text))
        logged = set()
        for entry in entries:
            found = re.fullmatch(rb"id-(\d+)", entry["id"])
            id = int(found[1]) if found else None
            self.statuses[entry["status"].decode()] += 1
            if id == 0:
                continue
            self.count(entry)
            self.protocols[entry["protocol"].decode("latin-1") or "not read"] += 1
            if self.is_muddled:
                continue
            request = self.requests.get(id)
            # Chance may have made the id of another one.
            if request is None or request.raw is None and not request.target().endswith(entry["target"]):
                self.without_id(entry)
                continue
            logged.add(id)
            own = lines.pop(id, [])
            if not own and len(request.bytes(id)) > 1000:
                start = b'request: "' + request.bytes(id).partition(b"\r\n")[0][:100]
                waiting = [line for line in cut[entry["connection"]] if start in line[1]]
                own = waiting[:1] + [line for line in waiting[1:2] if b"denied" not in line[1] and b"would deny" not in line[1]]
                for line in own:
                    cut[entry["connection"]].remove(line)
            self.judge(entry, request, self.answers.get(id), own)
        for id, left in lines.items():
            if id in logged:
                self.fail(f"more lines than one request with the id {id} explains: {left}")
        for id, request in self.requests.items():
            answer = self.answers.get(id)
            if id not in logged and answer is None:
                self.unanswered += 1

    def without_id(self, entry):
        """Of a request whose headers nginx did not read, or not as they were: nothing is served by it, and no error made."""
        self.refused += 1
        status, verdict = int(entry["status"]), entry["v_status"].decode()
        place = self.configuration.find(entry["uri"]) if entry["uri"].startswith(b"/") else None
        if verdict == "granted" and place and place.policy and place.policy.limits:
            self.is_muddled = True
        guarded = place and place.policy and place.enforce == "on" and not place.basic and not place.bypass
        if status < 400 and guarded and verdict != "granted":
            self.fail(f"served without a grant: {entry}; seed of the round: {self.seed}")
        wanted = {501, 505} | ({place.errors.get(verdict)} if place else set()) | ({500} if place and place.handoff == "to" else set())
        if status >= 500 and status not in wanted:
            self.fail(f"an error: {entry}; seed of the round: {self.seed}")

    def judge(self, entry, request, answer, lines):
        headers = request.all_headers(0)
        if request.raw is not None:
            # nginx takes a line feed alone as the end of a line, too, and any number of carriage returns before it.
            lines_of_it = re.sub(rb"\r+\n", b"\n", request.raw).split(b"\n\n")[0].split(b"\n")[1:]
            headers = [(name, value.strip(b" ")) for name, _, value in (line.partition(b":") for line in lines_of_it)]
        cookies = {name: entry["cookie_" + name] for name in ("st", "token", "hdnts")}
        seen = Seen(entry["method"], entry["uri"], entry["args"], entry["target"], entry["host"], entry["address"], headers, cookies, MAPS)
        if entry["status"] in (b"400", b"414") and not seen.uri or request.raw is not None and entry["status"] == b"400":
            self.refused += 1
            return
        if seen.uri.startswith((b"/served/", b"/static/")):
            if entry["status"] != b"404":
                self.report("an internal location is open", entry, request, answer, None, None, seen, [])
            return
        place = self.configuration.find(seen.uri)
        last = int(float(entry["msec"]))
        first = int((answer.sent if answer else float(entry["msec"]) - 1) - 0.05)
        problems = None
        for now in range(last, first - 1, -1):
            expectation = expect(place, seen, now, self.world, self.server.files)
            found = self.problems(expectation, place, seen, now, entry, answer, lines)
            if problems is None or not found:
                problems, kept = found, expectation
            if not found:
                break
        self.verdicts[(place.policy.scheme if place.policy else "-") + " " + (entry["v_status"].decode() or "-")] += 1
        if problems and entry["status"] in (b"400", b"405") and self.odd(request):
            self.refused += 1
            return
        if problems:
            self.report("; ".join(problems), entry, request, answer, place, kept, seen, lines)
        if entry["v_status"] == b"granted" or kept.check and kept.check.verdict == "granted":
            self.world.spend(kept, seen)

    @staticmethod
    def odd(request):
        """Whether nginx itself may refuse it."""
        return (request.raw is not None or request.host is None or not re.fullmatch(rb"[A-Za-z0-9._\[\]:-]+", request.host) or bool(request.origin)
                or re.search(rb"%(?![0-9A-Fa-f]{2})|%00", request.path) is not None or request.path.count(b"..") > 0)

    def problems(self, expectation, place, seen, now, entry, answer, lines):
        found = []
        status = int(entry["status"])
        if status not in expectation.statuses:
            found.append(f"status {status}, not {sorted(expectation.statuses)}")
        verdict = entry["v_status"].decode()
        if expectation.verdicts is not None and verdict not in expectation.verdicts:
            found.append(f"verdict '{verdict}', not {sorted(expectation.verdicts)}")
        for name, value in variables(expectation, place, seen, now).items():
            if entry["v" + name] != value:
                found.append(f"$secure_link_hmac{name} is {entry['v' + name]!r}, not {value!r}")
        for name in VARIABLES:
            value = entry["v" + name]
            if model.has_control(value) and name not in ("_expires", "_args"):
                found.append(f"$secure_link_hmac{name} has a control byte: {value!r}")
        if answer is not None and answer.status:
            if answer.status != status:
                found.append(f"the client has got {answer.status}, the log says {status}")
            for name in VARIABLES:
                if name not in ("_remaining",) and not model.has_control(entry["v" + name]) and answer.header(header_name(name)).strip() != entry["v" + name].strip():
                    found.append(f"$secure_link_hmac{name} is {answer.header(header_name(name))!r} for the client, {entry['v' + name]!r} in the log")
            if expectation.body is not None and status == 200 and seen.method != b"HEAD":
                if not answer.body.startswith(expectation.body):
                    found.append(f"body {answer.body[:200]!r}, not {expectation.body[:200]!r}")
            elif status >= 400 and (answer.body.startswith((GIF, b"served", b"named", b"the file"))):
                found.append(f"a refusal with the body {answer.body[:200]!r}")
        errors = [line for line in lines if b"denied: verdict=" not in line[1] and b"would deny: verdict=" not in line[1]]
        lines = [line for line in lines if line not in errors]
        if expectation.failure != bool(errors) or any(level != "error" for level, _ in errors):
            found.append(f"lines {errors}")
        if expectation.line is None:
            if lines:
                found.append(f"logged {lines}")
        elif len(lines) != 1:
            found.append(f"{len(lines)} lines of the log instead of one")
        else:
            level, text = lines[0]
            wanted = expectation.line[1]
            if level != expectation.line[0]:
                found.append(f"logged at {level}, not {expectation.line[0]}")
            if f"{wanted}: verdict={verdict} ".encode() not in text:
                found.append(f"logged {text!r}")
            elif (message := expectation.check.message) is not None and place.policy.scheme == "template" and not model.twice_in(place.policy, seen):
                escaped = b"".join(b"\\x%02x" % byte if byte < 0x20 or byte >= 0x7f or byte in b'"\\' else bytes([byte]) for byte in message)
                key = expectation.check.key_id if expectation.check.authentic else b""
                line = b'key="%s" message="%s"' % (key, escaped)
                if len(escaped) < 800 and line.lower() not in text.lower():
                    found.append(f"logged {text!r} without {line!r}")
                if len(text.split(b", client: ")[0]) > 1024 + len("secure_link_hmac: "):
                    found.append("a line of more than 1024 bytes")
        return found

    def report(self, what, entry, request, answer, place, expectation, seen, lines):
        more = [f"  seed of the round: {self.seed}", f"  request: {request.bytes(0)!r}"]
        if answer is not None:
            more.append(f"  answer: {answer.status} {[each for each in answer.headers if each[0].lower().startswith(b'x-v')]} {answer.body[:120]!r}")
        more.append(f"  log: {entry}")
        more += [f"  error log: {level} {text!r}" for level, text in lines]
        if expectation is not None:
            check = expectation.check
            more.append(f"  expected: {sorted(expectation.statuses)} {expectation.verdicts and sorted(expectation.verdicts)}" + (f" {vars(check)}" if check else ""))
        if place is not None:
            policy = vars(place.policy) if place.policy else None
            if policy:
                policy = {name: value for name, value in policy.items() if name != "ring"}
            more.append(f"  location {place.path.decode()}: {show(policy)}")
            more.append("  " + "\n  ".join(self.configuration.http_lines + self.configuration.server_lines))
            outer = [each for each in self.configuration.places if place.path.startswith(each.path) and each.text and each.path != b"/"]
            if outer:
                more.append("  " + min(outer, key=lambda each: len(each.path)).text.replace("\n", "\n  "))
            if place.policy is not None and place.policy.ring is not None:
                more.append("  " + self.configuration.ring_text(place.policy.scheme).replace("\n", "\n  "))
        self.fail("DISAGREEMENT: " + what, *more)

    def count(self, entry):
        """What the meter counts of a request: all but those of a bypass, and those that are none."""
        if entry["status"] in (b"400", b"414", b"501", b"505"):
            # nginx refuses it before it is checked, but for what is wrong with its body.
            self.perhaps[entry["v_status"].decode()] += 1
            return
        place = None if entry["uri"].startswith((b"/served/", b"/static/")) else self.configuration.find(entry["uri"] or b"/")
        seen = Seen(entry["method"], entry["uri"], entry["args"], b"", b"", b"", [], {})
        if entry["v_status"] and not (place and place.bypass and place.decides() and MAPS["free"](seen, None) == b"1"):
            self.counted[entry["v_status"].decode()] += 1
            if entry["v_status"] == b"granted":
                self.granted_by[entry["v_key_id"].decode("latin-1")] += 1

    def check_meter(self):
        """The meter has counted what the log says."""
        if self.failures:
            return
        answers = clients.http1(self.server.port1, [(0, Request(path=b"/counted"))])
        said = json.loads(answers[0].body)
        counted, granted_by = collections.Counter(said["unauthenticated"]), collections.Counter()
        for key in said["keys"]:
            counted.update(key["requests"])
            granted_by[key["key"]] += key["requests"].get("granted", 0)
        more = counted - self.counted
        if self.counted - counted or more - self.perhaps or (more["granted"] == 0 and +granted_by != +self.granted_by):
            self.fail(f"the meter says {counted} {granted_by}, the log {self.counted} {self.granted_by}; seed of the round: {self.seed}")

    def check_alive(self):
        if self.server.process.poll() is not None:
            self.fail("nginx has ended")


def show(value):
    if isinstance(value, dict):
        return {name: show(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [show(each) for each in value]
    return "$" + value.name if isinstance(value, model.Var) else value


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--module", required=True)
    parser.add_argument("--nginx", default="nginx")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, help="of the first round; the next ones count on")
    parser.add_argument("--requests", type=int, default=3000, help="in a round, at most")
    parser.add_argument("--quiet", action="store_true", help="no line for each round")
    parser.add_argument("--first", action="store_true", help="stop at the first failure, and keep nothing")
    options = parser.parse_args()
    # Where nginx is, also out of PATH.
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(10 ** 9)
    begin = time.time()
    until = begin + options.seconds
    totals = {"requests": 0, "rounds": 0, "refused by nginx": 0, "unanswered": 0}
    verdicts, statuses, protocols, failures = collections.Counter(), collections.Counter(), collections.Counter(), 0
    print(f"fuzz-http: {options.seconds:g} seconds, first seed {seed}", flush=True)
    while time.time() < until and failures < (1 if options.first else 20):
        turn = Round(options, seed)
        turn.run(until)
        totals["rounds"] += 1
        totals["requests"] += turn.number
        totals["refused by nginx"] += turn.refused
        totals["unanswered"] += turn.unanswered
        verdicts += turn.verdicts
        statuses += turn.statuses
        protocols += turn.protocols
        for failure in turn.failures:
            print(failure, flush=True)
        failures += len(turn.failures)
        if not options.quiet:
            print(f"seed {seed}: {turn.number} requests, {len(turn.failures)} failures", flush=True)
        if turn.failures and not options.first:
            print(f"repeat: --seed {seed}; kept: {turn.server.dir}", flush=True)
        else:
            turn.server.remove()
        seed += 1
    print(", ".join(f"{value} {name}" for name, value in totals.items()), f"in {time.time() - begin:.0f} s;", f"{failures} failures")
    schemes = sorted({name.split()[0] for name in verdicts})
    words = ["granted", *model.STATUS, "-"]
    print("verdict".ljust(14) + "".join(scheme.rjust(10) for scheme in schemes))
    for word in words:
        print(word.ljust(14) + "".join(str(verdicts[f"{scheme} {word}"]).rjust(10) for scheme in schemes))
    print("statuses: " + ", ".join(f"{status} {number}" for status, number in sorted(statuses.items())))
    print("protocols: " + ", ".join(f"{protocol} {number}" for protocol, number in sorted(protocols.items())))
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
