# An application of Django: the view redirects to a link of five minutes. In settings.py:
#     SECURE_LINK_SECRET = os.environ["SECURE_LINK_SECRET"]
import hmac, time
from base64 import urlsafe_b64encode
from urllib.parse import quote

from django.conf import settings
from django.http import HttpResponseRedirect
from django.urls import path as route

def link(path, seconds=300):
    ts = int(time.time())
    message = f"{path}|{ts}|{seconds}"
    mac = hmac.digest(settings.SECURE_LINK_SECRET.encode(), message.encode(), "sha256")
    st = urlsafe_b64encode(mac).decode().rstrip("=")
    return f"{quote(path)}?st={st}&ts={ts}&e={seconds}"

def download(request, name):
    # Here: may the user have it?
    return HttpResponseRedirect(link(f"/files/{name}"))

urlpatterns = [route("download/<path:name>", download)]
