"""Plants mistakes in a copy of the sources, and has fuzz.py find each of them in under two minutes.

    selftest.py --kind distro|vendored [--nginx PROGRAM] [NAME...]

A text that is to be replaced and is not there exactly once is a failure: it has moved, and the plant must follow it.
Without a plant, fuzz.py must find nothing, with any seed and with that which found the plant.
"""

import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
COPY = ROOT / "objs/fuzz-http/planted"
MODULE = "ngx_http_secure_link_hmac_module.so"
LIMIT = 120

# Name, file, what is there, what is planted.
PLANTS = [
    ("only 16 bytes of a MAC are compared", "crates/link/src/hmac_sha256.rs",
     "mac.iter().zip(words)", "mac.iter().zip(words).take(4)"),
    ("a link is good for a second more", "crates/link/src/policy.rs",
     "too_long || last_second.saturating_add(self.leeway()) < now",
     "too_long || last_second.saturating_add(self.leeway() + 1) < now"),
    ("a pattern matches what only begins so", "crates/link/src/glob.rs",
     "            ([], []) => return true,\n",
     "            ([], _) => return true,\n"),
    ("the last segment of a hand-off may be ..", "src/handoff.rs",
     'path.split(|&byte| byte == b\'/\').any(|segment| segment == b"..")',
     'path.windows(4).any(|part| part == b"/../")'),
    ("forged is granted if the key has an end", "crates/link/src/keyring.rs",
     "                    (true, false) => tried = Tried::Forged,\n",
     "                    (true, false) if life.last < i64::MAX => {\n"
     "                        return Tried::Verified(Found { id: &entry.id, place, life: *life });\n"
     "                    }\n"
     "                    (true, false) => tried = Tried::Forged,\n"),
    ("a denial lets pass under satisfy any", "src/access.rs",
     "Access::Deny(FORBIDDEN)", "Access::Grant"),
    ("methods are not looked at", "crates/link/src/policy.rs",
     "request.mode == Mode::Enforced && !self.admits(request.method)", "false"),
    ("a hashed URI is good for another path", "crates/link/src/scheme/jwt.rs",
     "(path.ok()? == request.path).then(|| uri.into_string())", "path.is_ok().then(|| uri.into_string())"),
    ("a revoked key is as good as any", "crates/link/src/keyring.rs",
     "!self.revoked && self.first <= now", "self.first <= now"),
]


def copy_sources():
    """The sources as they are in the working tree; what a former run has built stays."""
    files = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, check=True, capture_output=True).stdout
    for name in filter(None, files.decode().split("\0")):
        source, target = ROOT / name, COPY / name
        if not source.is_file() or target.is_file() and target.read_bytes() == source.read_bytes():
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)


def build(kind):
    """Builds the copy, quickly rather than well."""
    environment = dict(os.environ, CARGO_PROFILE_RELEASE_LTO="off", CARGO_PROFILE_RELEASE_CODEGEN_UNITS="16", CARGO_PROFILE_RELEASE_OPT_LEVEL="1")
    run = subprocess.run(["scripts/build", kind], cwd=COPY, env=environment, capture_output=True, text=True, check=False)
    if run.returncode:
        sys.exit(run.stdout + run.stderr)
    return COPY / ("objs/vendored" if kind == "vendored" else "objs") / MODULE


def fuzz(module, nginx, seconds, *more):
    """fuzz.py's exit status, what it said, and the seconds that it took."""
    begin = time.time()
    run = subprocess.run([sys.executable, str(HERE / "fuzz.py"), "--module", str(module), "--nginx", nginx, "--seconds", str(seconds), "--requests", "500", "--first", "--quiet", *more],
                         capture_output=True, text=True, errors="replace", check=False)
    return run.returncode, run.stdout + run.stderr, time.time() - begin


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kind", default="distro")
    parser.add_argument("--nginx", default="nginx")
    parser.add_argument("names", nargs="*", help="only plants whose name has one of these words")
    options = parser.parse_args()
    wanted = [plant for plant in PLANTS if not options.names or any(name in plant[0] for name in options.names)]
    failed = False
    copy_sources()
    sound = COPY / "sound.so"
    shutil.copy(build(options.kind), sound)
    status, said, _ = fuzz(sound, options.nginx, 30)
    if status:
        print(said + "FAILED: something is found where nothing is planted")
        failed = True
    for name, file, old, new in wanted:
        path = COPY / file
        original = path.read_text()
        if original.count(old) != 1:
            print(f"FAILED: {name}: {file} has the text that is to be replaced {original.count(old)} times")
            failed = True
            continue
        path.write_text(original.replace(old, new))
        try:
            status, said, seconds = fuzz(build(options.kind), options.nginx, LIMIT)
        finally:
            path.write_text(original)
        first = next((line for line in said.splitlines() if line.startswith("DISAGREEMENT")), said[-300:])
        if status != 1 or "DISAGREEMENT" not in said:
            print(f"FAILED: {name}: not found in {seconds:.0f} s: {said[-2000:]}")
            failed = True
            continue
        seed = re.search(r"seed of the round: (\d+)", said)[1]
        status, without, _ = fuzz(sound, options.nginx, 15, "--seed", seed)
        if status:
            print(f"FAILED: {name}: something is found without the plant, too: {without}")
            failed = True
        else:
            print(f"{name:<45} found in {seconds:5.1f} s: {first[:120]}", flush=True)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
