"""What the documentation and the files of `alerting/` say, read from their text."""

import json
import pathlib
import re

import yaml

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
ALERTING = ROOT / "alerting"
SAMPLE = ROOT / "tests/alerting/sample.jsonl"
LEVELS = ("info", "warn", "error")
TICKED = re.compile(r"`([^`]+)`")


def section(text, heading):
    """The text below a heading, up to the next one of the same or a higher rank."""
    rank = len(heading) - len(heading.lstrip("#"))
    found = re.search(rf"^{re.escape(heading)}\s*$(.*?)(?=^#{{1,{rank}}} |\Z)", text, re.M | re.S)
    return found[1] if found else ""


def rows(text):
    """The cells of each row of the tables in a text, without their heads."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]
    return [row for row in cells if not re.fullmatch(r"[-: ]*", row[0]) and row[0] not in ("event", "key", "alert")]


class Documents:
    """docs/*.md as far as alerts rest on them."""

    def __init__(self):
        events = (ROOT / "docs/events.md").read_text()
        table = rows(section(events, "## The events"))
        # Each event, and the levels that it can have.
        self.events = {TICKED.search(row[0])[1]: {level for level in LEVELS if level in row[1]} for row in table}
        self.pairs = {(event, level) for event, levels in self.events.items() for level in levels}
        self.keys = {key for row in rows(section(events, "## The keys")) for key in TICKED.findall(row[0])}
        self.message_ids = {}
        for row in rows(section(events, "## In the journal")):
            event, message_id = (TICKED.search(cell)[1] for cell in row[:2])
            self.message_ids[event] = message_id
        operations = (ROOT / "docs/operations.md").read_text()
        self.anchors = {anchor(title) for title in re.findall(r"^#+ (.*)$", operations, re.M)}

    def is_key(self, key):
        return key in self.keys or key.startswith("label_")


def anchor(title):
    """As the links to a heading are written."""
    return re.sub(r"[^a-z0-9 _-]", "", title.lower()).strip().replace(" ", "-")


SCOPE = {"provider", "account", "region"}


def metrics_of(path):
    """The metrics that docs/api.md has in its table (name, type, labels, meaning), with the labels of each."""
    metrics = {}
    for row in rows(path.read_text()):
        names = re.findall(r"`((?:claimwatch|process)_[a-z0-9_]+)`", row[0])
        if names and len(row) >= 3:
            labels = set(TICKED.findall(row[2])) | (SCOPE if re.search(r"\bscope\b", row[2]) else set())
            metrics.update({name: labels for name in names})
    return metrics


class Rule:
    """An alert, from whatever file."""

    def __init__(self, name, expr, severity, event, labels=None, annotations=None, wait=None):
        self.name, self.expr, self.severity, self.event = name, expr, severity, event
        self.labels, self.annotations, self.wait = labels or {}, annotations or {}, wait

    def __repr__(self):
        return f"{self.name} ({', '.join(self.labels.values()) or self.severity})"


class Rules:
    """A file of rules in Prometheus' format, which Loki's ruler has as well."""

    def __init__(self, path):
        self.path = path
        self.text = path.read_text()
        self.all, self.recorded = [], {}
        for group in yaml.safe_load(self.text)["groups"]:
            for rule in group["rules"]:
                if "record" in rule:
                    self.recorded[rule["record"]] = rule["expr"]
                    continue
                labels, said = rule.get("labels", {}), rule.get("annotations", {})
                self.all.append(
                    Rule(
                        rule["alert"], rule["expr"], labels.get("severity"), said.get("event", ""), labels, said, rule.get("for")
                    )
                )

    @property
    def names(self):
        return {rule.name for rule in self.all}


class Cloud(yaml.SafeLoader):
    """YAML with the short tags of CloudFormation."""


Cloud.add_multi_constructor("!", lambda loader, tag, node: {tag: loader.construct_scalar(node)})


class Alarms:
    """The CloudFormation template."""

    def __init__(self, path):
        self.path = path
        self.text = path.read_text()
        self.template = yaml.load(self.text, Cloud)
        self.filters, self.all, self.alarms = {}, [], {}
        for name, resource in self.template["Resources"].items():
            about = resource["Properties"]
            if resource["Type"] == "AWS::Logs::MetricFilter":
                self.filters[name] = about
            elif resource["Type"] == "AWS::CloudWatch::Alarm":
                alert, severity = re.fullmatch(r"(.*?)(Page|Ticket)", name).groups()
                rule = Rule(alert, "", severity.lower(), "")
                self.all.append(rule)
                self.alarms[rule] = about

    @property
    def names(self):
        return {rule.name for rule in self.all}


def sample():
    """The lines of the sample, and the records among them with the text of each."""
    lines = SAMPLE.read_text().splitlines()
    return lines, [(record, line) for line in lines if (record := record_of(line))]


def record_of(line):
    try:
        record = json.loads(line)
    except json.JSONDecodeError:
        return None
    return record if isinstance(record, dict) and "event" in record else None
