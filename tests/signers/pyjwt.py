"""Tokens by PyJWT: reads a list of {alg, secret (hex), header, claims} and prints a list of tokens."""

import json
import sys

import jwt

json.dump(
    [
        jwt.encode(case["claims"], bytes.fromhex(case["secret"]), algorithm=case["alg"], headers=case["header"])
        for case in json.load(sys.stdin)
    ],
    sys.stdout,
)
