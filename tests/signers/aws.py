"""Presigned URLs by boto3.

Reads a list of {endpoint, region, id, secret, session, version, virtual, method, bucket, key, params, query, expires}.
"""

import json
import sys

import boto3
from botocore.config import Config
from botocore.utils import percent_encode_sequence

METHODS = {"GET": "get_object", "HEAD": "head_object", "PUT": "put_object"}
clients = {}
query = None


def add_query(request, **_):
    """Arguments that the API does not know, as applications add them."""
    if query:
        request.url += ("&" if "?" in request.url else "?") + percent_encode_sequence(query)


def client(case):
    names = "endpoint region id secret session version virtual".split()
    endpoint, region, key_id, secret, session, version, virtual = chosen = tuple(map(case.get, names))
    if chosen not in clients:
        made = clients[chosen] = boto3.client(
            "s3",
            endpoint_url=endpoint,
            region_name=region,
            aws_access_key_id=key_id,
            aws_secret_access_key=secret,
            aws_session_token=session,
            config=Config(
                signature_version=version or "s3v4",
                s3={"addressing_style": "virtual" if virtual else "path"},
            ),
        )
        made.meta.events.register("before-sign.s3", add_query)
    return clients[chosen]


def url(case):
    global query
    query = case.get("query")
    return client(case).generate_presigned_url(
        METHODS[case["method"]],
        Params={"Bucket": case["bucket"], "Key": case["key"], **case.get("params", {})},
        ExpiresIn=case["expires"],
    )


json.dump([url(case) for case in json.load(sys.stdin)], sys.stdout)
