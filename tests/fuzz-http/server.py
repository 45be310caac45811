"""An nginx with the module and a random configuration, in a directory of its own, on loopback ports."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

# What is asked of each response and logged of each request: the module's variables.
VARIABLES = ["", "_status", "_key_id", "_subject", "_expires", "_expires_at", "_remaining", "_uses", "_args", "_claim_tier", "_claim_x_y", "_claim_data",
             "_claim_exp", "_token"]
WITNESS = {"id": "http_referer", "method": "request_method", "uri": "first_uri", "args": "first_args", "target": "request_uri", "host": "host",
           "address": "remote_addr", "status": "status", "msec": "msec", "cookie_st": "cookie_st", "cookie_token": "cookie_token", "cookie_hdnts": "cookie_hdnts",
           "protocol": "server_protocol", "connection": "connection", "last_uri": "uri"}


def header_name(variable):
    return ("x-v" + variable.replace("_", "-")).encode()


def free_ports(number):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


class Server:
    def __init__(self, program, module, configuration):
        self.program = program
        self.dir = tempfile.mkdtemp(prefix="fuzz-http-")
        os.chmod(self.dir, 0o755)
        for name in ("logs", "files", "files/static"):
            os.mkdir(f"{self.dir}/{name}")
        self.files = {}
        for place in configuration.places:
            for name in ("f.txt", "dir/f.txt", "a b"):
                path = "/static" + place.path.decode() + name
                os.makedirs(os.path.dirname(self.dir + "/files" + path), exist_ok=True)
                self.files[path.encode()] = f"the file {path}\n".encode()
                with open(self.dir + "/files" + path, "wb") as file:
                    file.write(self.files[path.encode()])
        http, server = configuration.text()
        log = ",".join(f'"{name}":"${variable}"' for name, variable in WITNESS.items())
        log += "," + ",".join(f'"v{name}":"$secure_link_hmac{name}"' for name in VARIABLES)
        headers = "\n".join(f"add_header {header_name(name).decode()} $secure_link_hmac{name} always;" for name in VARIABLES)
        temp = " ".join(f"{name}_temp_path {self.dir}/{name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        self.text = f"""
load_module {module};
pid {self.dir}/pid;
daemon off;
master_process on;
worker_processes 1;
error_log {self.dir}/logs/error.log info;
events {{ worker_connections 256; }}
http {{
log_format witness escape=json '{{{log}}}';
access_log {self.dir}/logs/access.log witness;
{temp}
default_type text/plain;
log_not_found off;
large_client_header_buffers 4 32k;
client_header_timeout 5s;
keepalive_timeout 20s;
set_real_ip_from 127.0.0.1;
real_ip_header X-Real-IP;
map $uri $first_uri {{ default $uri; }}
map $args $first_args {{ default $args; }}
{headers}
{http}
secure_link_hmac_zone counted:1m;
secure_link_hmac_meter counted;
server {{
listen 127.0.0.1:PORT1;
listen 127.0.0.1:PORT2 http2;
server_name localhost;
root {self.dir}/files;
set $first "$first_uri$first_args";
location = /counted {{ secure_link_hmac off; secure_link_hmac_enforce off; secure_link_hmac_metrics counted; }}
location = /sync {{ secure_link_hmac off; secure_link_hmac_enforce off; empty_gif; }}
location /served/ {{ internal; secure_link_hmac_enforce off; return 200 "served $uri [$args] $secure_link_hmac_status $secure_link_hmac_key_id $secure_link_hmac_subject\\n"; }}
location @named {{ secure_link_hmac_enforce off; return 200 "named $uri [$args] $secure_link_hmac_status $secure_link_hmac_key_id $secure_link_hmac_subject\\n"; }}
location /static/ {{ internal; secure_link_hmac_enforce off; }}
{server}
}}
}}
"""
        with open(f"{self.dir}/users", "w") as file:
            file.write("u:{PLAIN}p\n")
        self.process = None
        self.read = {"access.log": 0, "error.log": 0}

    def start(self):
        """Starts it; what nginx says if it does not. A port may have been taken by somebody else in between."""
        for _ in range(5):
            said = self.start_at(*free_ports(2))
            if said is None or "Address already in use" not in said:
                break
        return said

    def start_at(self, port1, port2):
        self.port1, self.port2 = port1, port2
        with open(f"{self.dir}/nginx.conf", "w", encoding="latin-1") as file:
            file.write(self.text.replace("PORT1", str(port1)).replace("PORT2", str(port2)))
        environment = {name: value for name, value in os.environ.items() if name != "NGINX"}
        with open(f"{self.dir}/logs/output", "wb") as output:
            self.process = subprocess.Popen([self.program, "-p", self.dir + "/", "-c", self.dir + "/nginx.conf", "-e", self.dir + "/logs/error.log"],
                                            stdout=output, stderr=output, env=environment)
        for _ in range(300):
            if self.process.poll() is not None:
                break
            try:
                socket.create_connection(("127.0.0.1", self.port1), 1).close()
                return None
            except OSError:
                time.sleep(0.05)
        with open(f"{self.dir}/logs/output", "rb") as output:
            return output.read().decode("latin-1") or "nginx does not answer"

    def lines(self, name):
        """What a log has got since it was read last."""
        with open(f"{self.dir}/logs/{name}", "rb") as file:
            file.seek(self.read[name])
            text = file.read()
        end = text.rfind(b"\n") + 1
        self.read[name] += end
        return text[:end].split(b"\n")[:-1]

    def access(self):
        return [{key: value.encode("latin-1") for key, value in json.loads(line.decode("latin-1"), strict=False).items()} for line in self.lines("access.log")]

    def errors(self):
        """(level, connection, text) of each line of the error log."""
        found = []
        for line in self.lines("error.log"):
            parts = re.match(rb"\d{4}/\d\d/\d\d \d\d:\d\d:\d\d \[(\w+)\] \d+#\d+: (?:\*(\d+) )?(.*)", line)
            found.append((parts[1].decode(), parts[2], parts[3]) if parts else ("unreadable", None, line))
        return found

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def remove(self):
        shutil.rmtree(self.dir, ignore_errors=True)
