"""Tokens by akamai-edgeauth: reads a list of {key, algorithm, salt, ip, st, exp, id, data, early, url | acl}."""

import json
import sys

from akamai.edgeauth import EdgeAuth


def token(case):
    signer = EdgeAuth(
        key=case["key"],
        algorithm=case["algorithm"],
        salt=case.get("salt"),
        ip=case.get("ip"),
        start_time=case.get("st"),
        end_time=case["exp"],
        session_id=case.get("id"),
        payload=case.get("data"),
        escape_early=case["early"],
    )
    return signer.generate_acl_token(case["acl"]) if "acl" in case else signer.generate_url_token(case["url"])


json.dump([token(case) for case in json.load(sys.stdin)], sys.stdout)
