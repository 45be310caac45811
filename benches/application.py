"""The script that usually stands behind X-Accel-Redirect: it checks the link and names the file."""

import base64
import hmac
import os
import time

from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

SECRET = os.environ["SECRET"].encode()


async def check(request):
    path = request.url.path
    given = request.query_params
    try:
        issued, lifetime = int(given["ts"]), int(given["e"])
        token = base64.urlsafe_b64decode(given["st"] + "=")
    except (KeyError, ValueError):
        return Response(status_code=403)
    message = f"{path}|{given['ts']}|{given['e']}".encode()
    if not hmac.compare_digest(hmac.digest(SECRET, message, "sha256"), token):
        return Response(status_code=403)
    if issued + lifetime < time.time():
        return Response(status_code=410)
    return Response(headers={"X-Accel-Redirect": "/inside" + path})


app = Starlette(routes=[Route("/{path:path}", check)])
