"""What a check is: a line that says ok or FAIL, and a count at the end. With the schema, and the rules for text."""

import json
import re
import threading
import unicodedata

import jsonschema

from peers import ROOT

SCHEMA = json.loads((ROOT / "docs/api.schema.json").read_text())
COLUMNS = 80
# What a terminal acts on or does not show, as the log has it: control characters, separators of lines, marks of direction, what
# has no width and is no part of a letter.
STEERS = re.compile("[\u0000-\u001f\u007f-\u009f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\U000e0000-\U000e007f]")


class Checks:
    def __init__(self):
        self.passed = 0
        self.failed = 0
        self.lock = threading.Lock()

    def that(self, name, ok, seen=None):
        with self.lock:
            if ok:
                self.passed += 1
                print(f"ok    {name}", flush=True)
            else:
                self.failed += 1
                print(f"FAIL  {name}: {seen!r}"[:2000], flush=True)
        return ok

    def equal(self, name, seen, expected):
        return self.that(name, seen == expected, {"seen": seen, "expected": expected})

    def none(self, name, found):
        """Nothing was found that should not be."""
        found = list(found)
        return self.that(name, not found, found[:4])


def validator(definition):
    schema = {"$schema": SCHEMA["$schema"], "$id": SCHEMA["$id"], "$ref": f"#/$defs/{definition}", "$defs": SCHEMA["$defs"]}
    kind = jsonschema.Draft202012Validator
    return kind(schema, format_checker=kind.FORMAT_CHECKER)


VALIDATORS = {}


def invalid(definition, value):
    """What is wrong with a value by a definition of the schema; nothing if it is right."""
    if definition not in VALIDATORS:
        VALIDATORS[definition] = validator(definition)
    return [
        f"{'/'.join(map(str, error.absolute_path))}: {error.message[:160]}" for error in VALIDATORS[definition].iter_errors(value)
    ]


def columns(text):
    """The columns of a line on a terminal."""
    wide = lambda c: 2 if unicodedata.east_asian_width(c) in "WF" else 0 if unicodedata.combining(c) or c == "\u200d" else 1
    return sum(map(wide, text))


def misprinted(out, bounded=True):
    """Lines of a text that steer a terminal, or do not fit it."""
    for line in out.split("\n"):
        if found := STEERS.search(line):
            yield f"U+{ord(found[0]):04X} in {line[:60]!r}"
        if bounded and columns(line) > COLUMNS:
            yield f"{columns(line)} columns: {line[:60]!r}"


def shape(value, at=""):
    """The keys of a value, wherever they are; labels and keys of maps as they are."""
    if isinstance(value, dict):
        return {f"{at}.{key}" for key in value}.union(*(shape(inner, f"{at}.{key}") for key, inner in value.items()))
    if isinstance(value, list):
        return set().union(*(shape(inner, f"{at}[]") for inner in value))
    return set()
