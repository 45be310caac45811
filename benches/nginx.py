#!/usr/bin/env python3
"""Compares what checks links in nginx: this module and its peers, each with plain nginx.

    MODULE=/path/to.so NGINX=nginx benches/nginx.py --rounds N --seconds N RAW.json

Each contestant is a server on a port of its own, one worker on one core; wrk runs on another. All answer the same
1 000 links, of the same length, with nginx's own empty_gif or a file of 1 KiB. Before anything is timed, each is
asked and must answer as it should. Then, in rounds: plain nginx, two contestants, plain nginx, two contestants and so
on, in another order each round, so that what else the machine does falls on all alike. A contestant is compared
with the plain nginx before and after it.

What every turn counted goes to RAW.json, beside what is there already; benches/report.py makes tables of it.
"""

import argparse
import base64
import hashlib
import hmac
import http.client
import json
import os
import platform
import random
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse
from pathlib import Path

import raw

HERE = Path(__file__).resolve().parent
SECRET = "0123456789abcdef0123456789abcdef"
HOST = "files.example"
LINKS = 1000
CONNECTIONS = 32
NOW = int(time.time())


def encoded(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def mac(message, secret=SECRET.encode()):
    return hmac.digest(secret, message.encode(), "sha256")


# --- The links: each kind of them makes the target for a path, `age` seconds ago, with `token` in place of the right one.


def template(path, age=0, sign=None):
    issued = NOW - age
    return f"{path}?st={encoded(mac(f'{sign or path}|{issued}|86400'))}&ts={issued}&e=86400"


def md5(path, age=0, sign=None):
    """As long as one of `template`, with as many arguments."""
    expires = NOW - age + 86400
    digest = hashlib.md5(f"{expires}{sign or path} {SECRET}".encode()).digest()
    target = f"{path}?md5={encoded(digest)}&expires={expires}&p="
    return target + "x" * (len(template(path)) - len(target))


def jwt(path):
    parts = {"alg": "HS256", "typ": "JWT"}, {"exp": NOW + 86400, "path": path}
    signed = ".".join(encoded(json.dumps(part, separators=(",", ":")).encode()) for part in parts)
    return f"{path}?token={signed}.{encoded(mac(signed))}"


def edgeauth(path):
    signed = f"exp={NOW + 86400}~acl={path}"
    return f"{path}?hdnts={signed}~hmac={mac(signed).hex()}"


def sigv4(path):
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(NOW))
    scope = f"{stamp[:8]}/eu-west-1/s3/aws4_request"
    query = urllib.parse.urlencode({
        "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
        "X-Amz-Credential": f"AKIDEXAMPLE/{scope}",
        "X-Amz-Date": stamp,
        "X-Amz-Expires": 86400,
        "X-Amz-SignedHeaders": "host",
    })
    canonical = f"GET\n{path}\n{query}\nhost:{HOST}\n\nhost\nUNSIGNED-PAYLOAD"
    key = ("AWS4" + SECRET).encode()
    for part in scope.split("/"):
        key = mac(part, key)
    text = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    return f"{path}?{query}&X-Amz-Signature={mac(text, key).hex()}"


def paths(endpoint):
    suffix = {"gif": "gif", "file": "bin"}[endpoint]
    return [f"/{endpoint}/2026/towers/eiffel-{number:04}.{suffix}" for number in range(LINKS)]


def links(kind, endpoint, link):
    make, all_paths = globals()[kind], paths(endpoint)
    if link == "valid":
        return [make(path) for path in all_paths]
    if link == "expired":
        return [make(path, age=10 * 86400) for path in all_paths]
    # Forged: the token of another link.
    return [make(path, sign=other) for path, other in zip(all_paths, all_paths[1:] + all_paths[:1])]


# --- The contestants: their nginx, and what stands in the server and in each of its two places.

CONTESTANTS = {}


def contestant(name, says, instance="plain", http="", server="", place="", inside=False, kind="template", needs=()):
    CONTESTANTS[name] = dict(says=says, instance=instance, http=http, server=server, place=place, inside=inside,
                             kind=kind, needs=needs)


OURS = f"""
    secure_link_hmac $arg_st,$arg_ts,$arg_e;
    secure_link_hmac_message $uri|$arg_ts|$arg_e;
    secure_link_hmac_secret {SECRET};
    secure_link_hmac_enforce on;"""

contestant("plain", "plain nginx")
contestant("return", "plain nginx, return 403", place="return 403;")
contestant("deny", "plain nginx, deny all", place="deny all;")
contestant("loaded", "module loaded, not used", "module")
contestant("enforce", "this module", "module", server=OURS)
contestant("handoff", "this module, hand-off", "module", server=OURS, place="secure_link_hmac_pass /inside$uri;",
           inside=True)
contestant("meter", "this module, meter", "module", http="secure_link_hmac_zone bench:1m;",
           server=OURS + "secure_link_hmac_meter bench;")
contestant("jwt", "this module, jwt", "module", kind="jwt", server=f"""
    secure_link_hmac $arg_token;
    secure_link_hmac_scheme jwt;
    secure_link_hmac_secret {SECRET};
    secure_link_hmac_enforce on;""")
contestant("edgeauth", "this module, edgeauth", "module", kind="edgeauth", server=f"""
    secure_link_hmac $arg_hdnts;
    secure_link_hmac_scheme edgeauth;
    secure_link_hmac_secret {SECRET};
    secure_link_hmac_enforce on;""")
contestant("sigv4", "this module, sigv4", "module", kind="sigv4", server=f"""
    secure_link_hmac_scheme sigv4;
    secure_link_hmac_secret {SECRET};
    secure_link_hmac_enforce on;""")
contestant("secure_link", "secure_link (MD5, built in)", kind="md5", place=f"""
    secure_link $arg_md5,$arg_expires;
    secure_link_md5 "$secure_link_expires$uri {SECRET}";
    if ($secure_link = "") {{ return 403; }}
    if ($secure_link = "0") {{ return 410; }}""")
contestant("c_module", "C module", "c_module", needs=["ngx_http_hmac_secure_link_module"], place=f"""
    secure_link_hmac $arg_st,$arg_ts,$arg_e;
    secure_link_hmac_message $uri|$arg_ts|$arg_e;
    secure_link_hmac_secret {SECRET};
    secure_link_hmac_algorithm sha256;
    if ($secure_link_hmac = "") {{ return 403; }}
    if ($secure_link_hmac = "0") {{ return 410; }}""")
contestant("lua", "Lua", "lua", needs=["ndk_http_module", "ngx_http_lua_module"], http=f"""
    init_by_lua_block {{
        local ffi = require "ffi"
        local decode = require("ngx.base64").decode_base64url
        ffi.cdef[[
            const void *EVP_sha256(void);
            void *HMAC_CTX_new(void);
            int HMAC_Init_ex(void *context, const void *key, int key_len, const void *md, void *engine);
            int HMAC_Update(void *context, const char *data, size_t len);
            int HMAC_Final(void *context, unsigned char *tag, unsigned int *tag_len);
        ]]
        local C = ffi.load("crypto.so.3")
        local context, tag = C.HMAC_CTX_new(), ffi.new("unsigned char[32]")
        C.HMAC_Init_ex(context, "{SECRET}", {len(SECRET)}, C.EVP_sha256(), nil)
        function check_link()
            local var = ngx.var
            local token, issued, lifetime = var.arg_st, var.arg_ts, var.arg_e
            if not (token and issued and lifetime) then return ngx.exit(403) end
            local message = var.uri .. "|" .. issued .. "|" .. lifetime
            C.HMAC_Init_ex(context, nil, 0, nil, nil) -- with the same key
            C.HMAC_Update(context, message, #message)
            C.HMAC_Final(context, tag, nil)
            if decode(token) ~= ffi.string(tag, 32) then return ngx.exit(403) end
            if issued + lifetime < ngx.time() then return ngx.exit(410) end
        end
    }}""", place="access_by_lua_block { check_link() }")
contestant("njs", "njs", "njs", needs=["ngx_http_js_module"], http="""
    js_path %(directory)s;
    js_import check.js;
    js_set $verdict check.verdict;""", place="""
    if ($verdict = 403) { return 403; }
    if ($verdict = 410) { return 410; }""")
contestant("auth_request", "auth_request to nginx", place="auth_request /auth;", server="""
    location = /auth {
        internal;
        proxy_pass http://auth;
        proxy_http_version 1.1;
        proxy_set_header Connection "";
        proxy_pass_request_body off;
    }""", http="upstream auth { server 127.0.0.1:%(auth)s; keepalive 64; }")
contestant("x_accel", "X-Accel-Redirect from uvicorn", place="""
    proxy_pass http://application;
    proxy_http_version 1.1;
    proxy_set_header Connection "";""", inside=True,
           http="upstream application { server 127.0.0.1:%(application)s; keepalive 64; }")

CHECK_JS = f"""
import crypto from 'crypto';
function verdict(r) {{
    const a = r.variables;
    const message = a.uri + '|' + a.arg_ts + '|' + a.arg_e;
    const mac = crypto.createHmac('sha256', '{SECRET}').update(message).digest('base64url');
    if (mac !== a.arg_st) return '403';
    return Number(a.arg_ts) + Number(a.arg_e) < Date.now() / 1000 ? '410' : '200';
}}
export default {{ verdict }};
"""

# --- What is timed: groups of cases beside one that is plain; a case is a contestant, an endpoint and a link.

CHECKING = ["enforce", "handoff", "meter", "secure_link", "c_module", "lua", "njs", "auth_request", "x_accel"]
REFUSING = ["enforce", "secure_link", "c_module", "lua", "njs", "x_accel"]

GROUPS = [
    (("plain", "gif", "valid"), [(name, "gif", "valid") for name in ["loaded"] + CHECKING]),
    (("plain", "file", "valid"), [(name, "file", "valid") for name in CHECKING]),
    (("return", "gif", "forged"),
     [("deny", "gif", "forged"), *[(name, "gif", link) for name in REFUSING for link in ("forged", "expired")]]),
    # Longer links, so compared with plain nginx that is asked for the same.
    (("plain", "gif", "valid", "jwt"), [("jwt", "gif", "valid")]),
    (("plain", "gif", "valid", "edgeauth"), [("edgeauth", "gif", "valid")]),
    (("plain", "gif", "valid", "sigv4"), [("sigv4", "gif", "valid")]),
]
STATUS = {"valid": 200, "forged": 403, "expired": 410}


def kind_of(case):
    return case[3] if len(case) > 3 else CONTESTANTS[case[0]]["kind"]


def status_of(case):
    return STATUS[case[2]]


def free_ports(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


class Bench:
    """The servers, in a directory of their own, and who asks them."""

    def __init__(self, nginx, module, directory):
        cores = sorted(os.sched_getaffinity(0))
        if len(cores) < 2:
            sys.exit("benches/nginx.py: needs two cores, one for the server and one for the client")
        self.server_core, self.client_core = cores[0], cores[-1]
        self.nginx, self.module, self.directory = nginx, module, Path(directory)
        self.processes = []
        self.pids = {}
        built = subprocess.run([nginx, "-V"], stderr=subprocess.PIPE, text=True, check=True).stderr
        self.modules = Path(re.search(r"--modules-path=(\S+)", built + " --modules-path=.")[1])
        self.version = re.search(r"nginx/(\S+)", built)[1]
        self.left_out = []
        for name, each in list(CONTESTANTS.items()):
            lacks = [need for need in each["needs"] if not (self.modules / f"{need}.so").exists()]
            if name == "secure_link" and "--with-http_secure_link_module" not in built:
                lacks = ["ngx_http_secure_link_module"]
            if lacks:
                del CONTESTANTS[name]
                self.left_out.append(f"{each['says']}: {self.nginx} has no {lacks[-1]}")
        self.groups = [(base, [case for case in cases if case[0] in CONTESTANTS]) for base, cases in GROUPS]
        names = [*CONTESTANTS, "auth", "application"]
        self.ports = dict(zip(names, free_ports(len(names))))

    def pinned(self, core, *command):
        return ["taskset", "-c", str(core), *command]

    def start(self):
        data = self.directory / "data"
        for path in paths("file"):
            (data / path[1:]).parent.mkdir(parents=True, exist_ok=True)
            (data / path[1:]).write_bytes(os.urandom(1024))
        (self.directory / "check.js").write_text(CHECK_JS)
        application = [sys.executable, "-m", "uvicorn", "--app-dir", HERE, "--host", "127.0.0.1", "--log-level", "error",
                       "--no-access-log", "--port", str(self.ports["application"]), "application:app"]
        self.spawn("application", application, env={**os.environ, "SECRET": SECRET})
        self.spawn_nginx("auth", f"""
            server {{
                listen 127.0.0.1:{self.ports["auth"]};
                location / {{ return 204; }}
            }}""")
        for instance in dict.fromkeys(each["instance"] for each in CONTESTANTS.values()):
            self.spawn_instance(instance)
        for port in self.ports.values():
            self.wait_for(port)
        for name, (process, is_nginx) in self.pids.items():
            self.pids[name] = children(process.pid) if is_nginx else [process.pid]

    def spawn(self, name, command, is_nginx=False, env=None):
        log = open(self.directory / f"{name}.stderr", "wb")
        process = subprocess.Popen(self.pinned(self.server_core, *command), stderr=log, cwd=self.directory, env=env)
        self.processes.append((name, process))
        self.pids[name] = (process, is_nginx)

    def spawn_instance(self, instance):
        members = {name: each for name, each in CONTESTANTS.items() if each["instance"] == instance}
        needs = dict.fromkeys(need for each in members.values() for need in each["needs"])
        modules = [self.modules / f"{need}.so" for need in needs]
        if instance == "module":
            modules.append(self.module)
        http = "\n".join(each["http"] for each in members.values())
        for name, value in [("directory", self.directory), *self.ports.items()]:
            http = http.replace(f"%({name})s", str(value))
        data = self.directory / "data"
        for name, each in members.items():
            inside = """
                location /inside/gif/ { internal; empty_gif; }
                location /inside/file/ { internal; alias %s/file/; }""" % data if each["inside"] else ""
            http += f"""
            server {{
                listen 127.0.0.1:{self.ports[name]};
                {each["server"]}
                location /gif/ {{ {each["place"]} {"" if "proxy_pass" in each["place"] else "empty_gif;"} }}
                location /file/ {{ {each["place"]} root {data}; }}
                {inside}
            }}"""
        self.spawn_nginx(instance, http, "".join(f"load_module {module};\n" for module in modules))

    def spawn_nginx(self, name, http, modules=""):
        prefix = self.directory / name
        prefix.mkdir()
        (prefix / "nginx.conf").write_text(f"""{modules}
            daemon off;
            worker_processes 1;
            pid nginx.pid;
            error_log error.log crit; # a refusal by `deny` is an error
            events {{ worker_connections 1024; }}
            http {{
                access_log off;
                sendfile on;
                keepalive_requests 100000000;
                client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
                uwsgi_temp_path uwsgi; scgi_temp_path scgi;
                {http}
            }}""")
        self.spawn(name, [self.nginx, "-p", f"{prefix}/", "-c", "nginx.conf", "-e", "error.log"], is_nginx=True)

    def wait_for(self, port):
        for _ in range(100):
            for name, process in self.processes:
                if process.poll() is not None:
                    sys.exit(f"{name} did not start:\n" + (self.directory / f"{name}.stderr").read_text())
            try:
                socket.create_connection(("127.0.0.1", port), timeout=5).close()
                return
            except OSError:
                time.sleep(0.1)
        sys.exit(f"Nobody answers on port {port}")

    def stop(self):
        for _, process in self.processes:
            process.terminate()
        for _, process in self.processes:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()

    def cases(self):
        return [case for base, cases in self.groups for case in [base, *cases] if cases]

    def links_file(self, case):
        _, endpoint, link = case[:3]
        file = self.directory / f"{kind_of(case)}-{endpoint}-{link}"
        if not file.exists():
            file.write_text("\n".join(links(kind_of(case), endpoint, link)) + "\n")
        return file

    def check(self):
        """Asks every case for some of its links."""
        for case in self.cases():
            for target in self.links_file(case).read_text().split()[:: LINKS // 10]:
                connection = http.client.HTTPConnection("127.0.0.1", self.ports[case[0]], timeout=10)
                connection.request("GET", target, headers={"Host": HOST})
                answer = connection.getresponse()
                body = answer.read()
                connection.close()
                length = {"gif": 43, "file": 1024}[case[1]]
                if answer.status != status_of(case) or answer.status == 200 and len(body) != length:
                    sys.exit(f"{' '.join(case)}: {answer.status} with {len(body)} bytes for {target}")

    def serving(self, name):
        more = {"auth_request": ["auth"], "x_accel": ["application"]}.get(name, [])
        return [pid for server in [CONTESTANTS[name]["instance"], *more] for pid in self.pids[server]]

    def memory(self):
        """KiB of the worker that has this module."""
        status = Path(f"/proc/{self.pids['module'][0]}/status").read_text()
        return int(re.search(r"VmRSS:\s*(\d+)", status)[1])

    def time(self, case, seconds):
        """Requests, seconds, and nanoseconds of CPU of all that serves the case, and of the client."""
        command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "-s", HERE / "load.lua",
                   f"http://127.0.0.1:{self.ports[case[0]]}"]
        env = {**os.environ, "LINKS": str(self.links_file(case)), "HOST": HOST}
        pids = self.serving(case[0])
        before, client = cpu(pids), resource.getrusage(resource.RUSAGE_CHILDREN)
        run = subprocess.run(self.pinned(self.client_core, *command), env=env, stdout=subprocess.PIPE, text=True)
        spent, after = cpu(pids) - before, resource.getrusage(resource.RUSAGE_CHILDREN)
        client = after.ru_utime + after.ru_stime - client.ru_utime - client.ru_stime
        counted = re.search(r"^\{.*\}$", run.stdout, re.MULTILINE)
        if run.returncode or not counted:
            sys.exit(f"wrk failed:\n{run.stdout}")
        counted = json.loads(counted[0])
        refused = 0 if status_of(case) == 200 else counted["requests"]
        if counted["failed"] or counted["refused"] != refused or not counted["requests"]:
            sys.exit(f"{' '.join(case)}: {counted}")
        return counted["requests"], counted["microseconds"] / 1e6, spent, round(client * 1e9)


def children(parent):
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == parent:
            found.append(int(stat.parent.name))
    return found


def cpu(pids):
    """Nanoseconds that processes have been on a CPU."""
    total = 0
    for pid in pids:
        try:
            total += int(Path(f"/proc/{pid}/schedstat").read_text().split()[0])
        except OSError:  # a kernel without it counts in ticks
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            total += (int(fields[11]) + int(fields[12])) * 10**9 // os.sysconf("SC_CLK_TCK")
    return total


def machine(bench):
    info = Path("/proc/cpuinfo").read_text()
    release = platform.freedesktop_os_release()["PRETTY_NAME"]

    def version(*command):
        run = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        return run.stdout.splitlines()[0].strip()

    return {
        "date": time.strftime("%Y-%m-%d"),
        "cpu": re.search(r"model name\s*: (.*)", info)[1],
        "sha_ni": "sha_ni" in info,
        "cores": len(os.sched_getaffinity(0)),
        "load": round(os.getloadavg()[0], 1),
        "kernel": platform.release().split("-")[0],
        "release": release,
        "nginx": bench.version,
        "wrk": version("wrk", "-v").split(" [")[0],
        "python": platform.python_version(),
    }


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=1, help="of a turn")
    parser.add_argument("raw", type=Path)
    options = parser.parse_args()
    nginx = shutil.which(os.environ.pop("NGINX", "nginx"))  # nginx would read it: sockets that it inherits
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o755)  # for a worker that runs as another user
        bench = Bench(nginx, Path(os.environ["MODULE"]).resolve(), directory)
        about = machine(bench)
        rows, memory = [], []
        try:
            bench.start()
            for line in bench.left_out:
                print(f"Left out: {line}")
            bench.check()
            turns = sum(len(cases) + len(cases) // 2 + 1 for _, cases in bench.groups)
            print(f"{turns} turns a round of {options.seconds} s each")
            for number in range(1, options.rounds + 1):
                print(f"round {number} of {options.rounds}", flush=True)
                rows += one_round(bench, number, options.seconds)
                memory.append(bench.memory())
        finally:
            bench.stop()
    kept = raw.load(options.raw)
    names = {name: each["says"] for name, each in CONTESTANTS.items()}
    answered = sum(row[4] for row in rows if CONTESTANTS[row[3].split()[0]]["instance"] == "module")
    kept["nginx"] = {
        "machine": about,
        "rounds": options.rounds,
        "seconds": options.seconds,
        "memory": {"requests": answered, "before": memory[0], "after": memory[-1]},
        "contestants": names,
        "rows": rows,
    }
    raw.save(options.raw, kept)


def one_round(bench, number, seconds):
    """Rows of round, group, turn, case, requests, seconds, nanoseconds of CPU of server and client."""
    rows = []
    for group, (base, cases) in enumerate(bench.groups):
        order = random.sample(cases, len(cases))
        turns = [base]
        for at in range(0, len(order), 2):
            turns += [*order[at : at + 2], base]
        for turn, case in enumerate(turns):
            rows.append([number, group, turn, " ".join(case), *bench.time(case, seconds)])
    return rows


if __name__ == "__main__":
    main()
