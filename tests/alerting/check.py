#!/usr/bin/env python3
"""Holds `alerting/` against the documentation, against the programs that it is for, and with `--program` against the real daemon.

    check.py [--promtool PATH] [--prometheus PATH] [--mtail PATH] [--cfn-lint PATH] [--logql FOLDER] [--program PATH]

`tests/alerting/run` finds the programs. What is not given is skipped, and said to be. Prints a line for each check and
`N passed, N failed, N skipped`; exits with 1 if any failed.
"""

import argparse
import json
import pathlib
import re
import subprocess
import sys
import tempfile

import yaml

import live
import shapes
from known import ALERTING, ROOT, SAMPLE, Alarms, Documents, Rules, metrics_of, sample
from model import Model

PROMETHEUS = ALERTING / "prometheus/claimwatch.rules.yml"
MTAIL = ALERTING / "mtail/claimwatch-mtail.rules.yml"
PROGRAM = ALERTING / "mtail/claimwatch.mtail"
LOKI = ALERTING / "loki/claimwatch.rules.yml"
CLOUDWATCH = ALERTING / "cloudwatch/claimwatch.yaml"


class Checks:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0

    def that(self, name, problems):
        """Nothing is wrong; `problems` says what is."""
        problems = list(problems)
        if problems:
            self.failed += 1
            more = f" (and {len(problems) - 5} more)" if len(problems) > 5 else ""
            print(f"FAIL  {name}: {'; '.join(str(problem) for problem in problems[:5])}{more}", flush=True)
        else:
            self.passed += 1
            print(f"ok    {name}", flush=True)

    def skip(self, name, why):
        self.skipped += 1
        print(f"skipped: {name}: {why}", flush=True)


def spoken(command, given=None, cwd=None):
    """The exit code of a command, and all that it said."""
    done = subprocess.run(command, input=given, cwd=cwd, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    return done.returncode, done.stdout


def fine(command, **how):
    code, said = spoken(command, **how)
    return [] if code == 0 else [f"exit {code}: {said.strip()[-1500:]}"]


def with_promtool(checks, promtool, dashboard):
    if not promtool:
        for what in ("rules", "tests of rules", "the example of a configuration", "the queries of the dashboard"):
            checks.skip(f"promtool: {what}", "there is no promtool")
        return
    for rules in (PROMETHEUS, MTAIL):
        checks.that(f"promtool check rules {rules.name}", fine([promtool, "check", "rules", "--lint-fatal", rules]))
        test = rules.with_name(rules.name.replace(".rules.", ".test."))
        groups = len(yaml.safe_load(test.read_text())["tests"])
        checks.that(
            f"promtool test rules {test.name} ({groups} stories)", fine([promtool, "test", "rules", test.name], cwd=test.parent)
        )
    example = ALERTING / "prometheus/prometheus.yml"
    checks.that("promtool check config prometheus.yml", fine([promtool, "check", "config", "--lint-fatal", example]))
    queries = [query for _, query in shapes.queries_of(dashboard)]
    rules = [{"record": f"panel:query:{n}", "expr": shapes.settled(query)} for n, query in enumerate(queries)]
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "dashboard.yml")
        path.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
        checks.that(f"promtool reads the {len(queries)} queries of the dashboard", fine([promtool, "check", "rules", path]))


def samples_of(text):
    """The samples of Prometheus' text format: (name, labels) to value. A label without a value is none."""
    found = {}
    for line in text.splitlines():
        if line and not line.startswith("#"):
            name, labels, value = re.fullmatch(r"([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)(?: \d+)?", line).groups()
            pairs = re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', labels or "")
            found[name, frozenset(pair for pair in pairs if pair[1])] = float(value)
    return found


def mtail_reads(mtail, log):
    """What mtail makes of a log, without its own label `prog`."""
    command = [mtail, "--address", "127.0.0.1", "--port", "0", "--progs", PROGRAM, "--logs", log]
    done = subprocess.run(
        [*command, "--one_shot", "--one_shot_format", "prometheus", "--logtostderr"], text=True, capture_output=True, check=False
    )
    if done.returncode or "untime error" in done.stderr:
        return None, done.stderr.strip()[-1500:]
    read = samples_of(done.stdout).items()
    return {(name, labels - {("prog", PROGRAM.name)}): value for (name, labels), value in read}, ""


def compared(read, expected):
    told = lambda key: f"{key[0]}{dict(sorted(key[1]))}"
    for key in sorted(read.keys() | expected.keys(), key=str):
        if read.get(key) != expected.get(key):
            yield f"{told(key)} is {read.get(key)}, not {expected.get(key)}"


def with_mtail(checks, mtail, log, model, what):
    expected = model.samples()
    name = f"mtail makes of {what} what it should ({len(expected)} samples)"
    if not mtail:
        checks.skip(name, "there is no mtail")
        return
    read, error = mtail_reads(mtail, log)
    checks.that(name, [error] if read is None else compared(read, expected))


def with_grammar(checks, folder, loki):
    name = f"Grafana's grammar of LogQL reads the {len(loki.all)} rules for Loki"
    if not folder:
        checks.skip(name, "there is no node with @grafana/lezer-logql")
        return
    queries = json.dumps([[repr(rule), rule.expr] for rule in loki.all])
    code, said = spoken(["node", "logql.mjs"], given=queries, cwd=folder)
    checks.that(name, said.splitlines() if code in (0, 1) else [f"exit {code}: {said[-500:]}"])


def main():
    parser = argparse.ArgumentParser()
    for program in ("promtool", "prometheus", "mtail", "cfn-lint", "logql", "program"):
        parser.add_argument(f"--{program}")
    parser.add_argument("--api", type=pathlib.Path, default=ROOT / "docs/api.md")
    asked = parser.parse_args()

    checks = Checks()
    documents = Documents()
    documented = metrics_of(asked.api) if asked.api.exists() else None
    dashboard = json.loads((ALERTING / "grafana/claimwatch.json").read_text())
    prometheus, mtail, loki, alarms = Rules(PROMETHEUS), Rules(MTAIL), Rules(LOKI), Alarms(CLOUDWATCH)
    lines, records = sample()
    model = Model(lines, records)

    with_promtool(checks, asked.promtool, dashboard)
    with_mtail(checks, asked.mtail, SAMPLE, model, "the sample")
    with_grammar(checks, asked.logql, loki)
    name = "cfn-lint takes the template for CloudWatch"
    if asked.cfn_lint:
        checks.that(name, fine([asked.cfn_lint, CLOUDWATCH]))
    else:
        checks.skip(name, "there is no cfn-lint")

    for name, problems in shapes.of_all(documents, prometheus, mtail, loki, alarms, lines, records, model):
        checks.that(name, problems)
    for name, problems in shapes.of_pages(documents, prometheus, mtail, loki, alarms, dashboard):
        checks.that(name, problems)
    for name, problems in shapes.of_mtail(mtail, PROGRAM.read_text(), documents):
        checks.that(name, problems)
    if documented is None:
        checks.skip("metrics are those that are documented", f"there is no {asked.api.name}")
    else:
        for name, problems in shapes.of_metrics(documented, prometheus, dashboard):
            checks.that(name, problems)

    if asked.program:
        live.all_of_it(checks, asked, documented, PROMETHEUS, samples_of, spoken, with_mtail)
    else:
        checks.skip("the metrics of the real daemon", "no program was given")

    print(f"{checks.passed} passed, {checks.failed} failed, {checks.skipped} skipped")
    return 1 if checks.failed else 0


if __name__ == "__main__":
    sys.exit(main())
