# flask --app flask_links run: the route redirects to a link of five minutes.
import hmac, os, time
from base64 import urlsafe_b64encode
from urllib.parse import quote

from flask import Flask, redirect

app = Flask(__name__)
app.config["SECURE_LINK_SECRET"] = os.environ["SECURE_LINK_SECRET"]

def link(path, seconds=300):
    ts = int(time.time())
    message = f"{path}|{ts}|{seconds}"
    mac = hmac.digest(app.config["SECURE_LINK_SECRET"].encode(), message.encode(), "sha256")
    st = urlsafe_b64encode(mac).decode().rstrip("=")
    return f"{quote(path)}?st={st}&ts={ts}&e={seconds}"

@app.get("/download/<path:name>")
def download(name):
    # Here: may the user have it?
    return redirect(link(f"/files/{name}"))
