"""The file of what was measured: JSON with a row a line, so that a difference between two runs can be read."""

import json
import re


def load(path):
    return json.loads(path.read_text()) if path.exists() else {}


def save(path, raw):
    text = json.dumps(raw, indent=1, ensure_ascii=False)
    one_line = lambda match: "[" + re.sub(r",\s+", ", ", match[1]) + "]"
    path.write_text(re.sub(r"\[\s+([^\[\]{}]*?)\s+\]", one_line, text) + "\n")
