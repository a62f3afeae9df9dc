"""As much of LogQL and of CloudWatch's filter patterns as `alerting/` uses, so that they can be held against a log.

This stands in for programs that cannot be run here. It knows no more than the files need; anything else is an error.
"""

import json
import re


class Unknown(Exception):
    """A query says something that is not known here."""


# --- LogQL

PIPELINE = re.compile(r'\{job="claimwatch"\}(.*?)\[(\w+)\]', re.S)
STAGE = re.compile(
    r"""\s*(?:
      (?P<line>\|=|!=)\s*`(?P<text>[^`]*)`
    | \|\s*json\s+(?P<json>[a-z_]+="[a-z_]+"(?:,\s*[a-z_]+="[a-z_]+")*)
    | \|\s*__error__=""(?P<error>)
    | \|\s*label_format\s+(?P<new>[a-z_]+)=`(?P<template>[^`]*)`
    | \|\s*unwrap\s+(?P<unwrap>[a-z_]+)
    | \|\s*(?P<label>[a-z_]+)="(?P<value>[^"]*)"
    )\s*""",
    re.X,
)


class Pipeline:
    """One `{job="claimwatch"} … [range]` of an expression."""

    def __init__(self, text):
        self.stages, self.keys, self.unwraps = [], {}, None
        at = 0
        while at < len(text):
            found = STAGE.match(text, at)
            if not found:
                raise Unknown(text[at:].strip()[:60])
            self.stages.append(found.groupdict())
            at = found.end()
        for stage in self.stages:
            if stage["json"]:
                self.keys.update(re.findall(r'([a-z_]+)="([a-z_]+)"', stage["json"]))
            if stage["unwrap"]:
                self.unwraps = stage["unwrap"]

    def labels(self, line):
        """The labels of a line that comes through; None of one that does not."""
        labels = {"job": "claimwatch"}
        for stage in self.stages:
            if stage["line"]:
                if (stage["text"] in line) != (stage["line"] == "|="):
                    return None
            elif stage["json"]:
                try:
                    record = json.loads(line)
                except json.JSONDecodeError:
                    labels["__error__"] = "JSONParserErr"
                    continue
                labels.update({name: str(record[key]) for name, key in self.keys.items() if key in record})
            elif stage["error"] is not None:
                if "__error__" in labels:
                    return None
            elif stage["new"]:
                labels[stage["new"]] = rendered(stage["template"], labels)
            elif stage["label"] and labels.get(stage["label"], "") != stage["value"]:
                return None
        return labels


def rendered(template, labels):
    """Of Go's templates: `{{ if COND }}1{{ else }}0{{ end }}`."""
    found = re.fullmatch(r"\{\{ if (.*) \}\}(\w+)\{\{ else \}\}(\w+)\{\{ end \}\}", template)
    if not found:
        raise Unknown(template)
    return found[2] if holds(found[1], labels) else found[3]


def holds(condition, labels):
    both = re.fullmatch(r"and \((.*?)\) \((.*?)\)", condition)
    if both:
        return holds(both[1], labels) and holds(both[2], labels)
    one = re.fullmatch(r'eq \.([a-z_]+)((?: "[^"]*")+)', condition)
    if not one:
        raise Unknown(condition)
    return labels.get(one[1], "") in re.findall(r'"([^"]*)"', one[2])


def pipelines(expr):
    return [Pipeline(text) for text, _ in PIPELINE.findall(expr)]


def firing(expr, lines):
    """The groups for which `last_over_time(… | unwrap state [range]) by (…) == 1` holds at the end of the lines."""
    by = re.search(r"\) by \(([a-z_, ]+)\) == 1\s*$", expr)
    if not by:
        raise Unknown(expr)
    (pipeline,) = pipelines(expr)
    last = {}
    for line in lines:
        labels = pipeline.labels(line)
        if labels is not None:
            last[tuple(labels.get(name, "") for name in by[1].split(", "))] = labels[pipeline.unwraps]
    return {group for group, state in last.items() if state == "1"}


# --- CloudWatch


class Pattern:
    """A filter pattern: a quoted term, or `{ ($.key = "value") && … }`, in which `*` stands for anything."""

    def __init__(self, text):
        self.term = self.tests = None
        if text.startswith('"'):
            self.term = text.strip('"')
            return
        whole = re.fullmatch(r"\{ (.*) \}", text)
        parts = whole[1].split(" && ") if whole else []
        found = [re.fullmatch(r'\(\$\.([a-z_]+) = "([^"]*)"\)', part) for part in parts]
        if not found or not all(found):
            raise Unknown(text)
        self.tests = [test.groups() for test in found]

    def takes(self, line):
        if self.term is not None:
            return self.term in line
        try:
            record = json.loads(line)
        except json.JSONDecodeError:
            return False
        fits = lambda key, value: key in record and (value == "*" or str(record[key]) == value)
        return all(fits(key, value) for key, value in self.tests)
