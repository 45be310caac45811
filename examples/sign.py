# python3 sign.py SECONDS PATH...
import hmac, os, sys, time
from base64 import urlsafe_b64encode
from urllib.parse import quote

def link(path, seconds):
    ts = int(time.time())
    message = f"{path}|{ts}|{seconds}"
    mac = hmac.digest(os.environ["SECURE_LINK_SECRET"].encode(), message.encode(), "sha256")
    st = urlsafe_b64encode(mac).decode().rstrip("=")
    return f"{quote(path)}?st={st}&ts={ts}&e={seconds}"

if __name__ == "__main__":
    for path in sys.argv[2:]:
        print(link(path, int(sys.argv[1])))
