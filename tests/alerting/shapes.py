"""What the files of `alerting/` have to hold, whatever program reads them. Each check is a name and what is wrong."""

import re

import yaml

from known import ALERTING, LEVELS, SCOPE, TICKED, anchor, rows, section
from queries import Pattern, Unknown, firing, pipelines

README = ALERTING / "README.md"
SEVERITIES = {"page", "ticket", "info"}
# Said at the top of what nobody here can run.
DISCLAIMER = "Checked for shape only; never run against {} by this project."
# What has to be told, however somebody watches.
KINDS = {
    "window closing": "ClaimwatchWindowClosing",
    "claim failed": "ClaimwatchClaimFailed",
    "number released": "ClaimwatchNumberReleased",
    "attention": "ClaimwatchOrderAttention",
    "denied": "ClaimwatchDenied",
    "unavailable": "ClaimwatchUnavailable",
    "overloaded": "ClaimwatchOverloaded",
    "sink failing": "ClaimwatchSinkFailing",
    "config refused": "ClaimwatchConfigRejected",
    "silence": "ClaimwatchSilent",
}
SILENCE = "heartbeat"
# Labels that Prometheus and its histograms add.
ADDED = {"job", "instance", "le"}
MATCHER = re.compile(r'([a-z_]+)(=~|!=|!~|=)"([^"]*)"')


def alike(expr):
    """An expression without its strings, comments and durations: what is left of words are names."""
    return re.sub(r'"[^"]*"', '""', expr)


def names_in(expr):
    return set(re.findall(r"(?<![:\w])(?:claimwatch|process)_[a-z0-9_]+", alike(expr)))


def selectors(expr):
    """Each metric with its matchers: (name, [(label, operator, value), …])."""
    for name, matchers in re.findall(r"\b([a-z_:]+[a-z0-9_:]*)\{([^}]*)\}", expr):
        yield name, MATCHER.findall(matchers)


def pairs_of(rule, documents):
    """The events, with their levels, that an expression of PromQL selects by `event` and `level`."""
    chosen = set()
    for _, matchers in selectors(rule.expr):
        of = {label: value for label, operator, value in matchers if operator == "="}
        if "event" in of:
            chosen |= {
                (event, level) for event, level in documents.pairs if event == of["event"] and of.get("level", level) == level
            }
    return chosen


def event_of(rule, documents):
    """The events that an alert is about, with their levels: those that it selects, else the one that it names."""
    return pairs_of(rule, documents) or {pair for pair in documents.pairs if pair[0] == rule.event}


# --- Rules


def of_rules(rules, documents):
    for rule in rules.all:
        if rule.severity not in SEVERITIES:
            yield f"{rule}: severity {rule.severity}"
        if set(rule.annotations) != {"summary", "description", "event", "runbook"}:
            yield f"{rule}: annotations {sorted(rule.annotations)}"
        if rule.annotations.get("runbook") != f"alerting/README.md#{rule.name.lower()}":
            yield f"{rule}: runbook {rule.annotations.get('runbook')}"
        if rule.event not in documents.events and not re.match(r"none: \w", rule.event):
            yield f"{rule}: no event {rule.event!r} in docs/events.md"
        for label, value in re.findall(r"CLAIMWATCH_([A-Z_]+)=(\S+)", rule.annotations.get("description", "")):
            if not documents.is_key(label.lower()) or (label == "EVENT" and value not in documents.events):
                yield f"{rule}: no field CLAIMWATCH_{label}={value}"


def of_values(rules, documents):
    """Events, levels and lanes that expressions name are there."""
    known = {"event": set(documents.events), "level": set(LEVELS), "lane": {"urgent", "pending", "verify"}}
    known["condition"] = {event.partition(".")[2] for event in documents.events if event.startswith(("scope.", "sink."))}
    for rule in rules.all:
        for _, matchers in selectors(rule.expr):
            of = {}
            for label, _, value in matchers:
                of[label] = value
                if label in known and value not in known[label]:
                    yield f"{rule}: {label}={value}"
            if {"event", "level"} <= of.keys() and (of["event"], of["level"]) not in documents.pairs:
                yield f"{rule}: {of['event']} is never {of['level']}"
        about = event_of(rule, documents)
        if rule.event in documents.events and about and {event for event, _ in about} != {rule.event}:
            yield f"{rule}: names {rule.event} and selects {sorted(about)}"


def of_tests(rules):
    """Each alert is seen to fire and seen not to."""
    path = rules.path.with_name(rules.path.name.replace(".rules.", ".test."))
    fired, quiet = [], set()
    for story in yaml.safe_load(path.read_text())["tests"]:
        for case in story["alert_rule_test"]:
            fired += [(case["alertname"], alert["exp_labels"]) for alert in case["exp_alerts"]]
            if not case["exp_alerts"]:
                quiet.add(case["alertname"])
    for rule in rules.all:
        if not any(name == rule.name and rule.labels.items() <= labels.items() for name, labels in fired):
            yield f"{rule} is never seen to fire"
        if rule.name not in quiet:
            yield f"{rule} is never seen quiet"


def of_all(documents, prometheus, mtail, loki, alarms, lines, records, model):
    for rules in (prometheus, mtail, loki):
        whose = f"{rules.path.parent.name}/{rules.path.name}"
        yield f"{whose}: each of {len(rules.all)} alerts is whole and names an event that there is", of_rules(rules, documents)
    for rules in (prometheus, mtail):
        yield f"{rules.path.name}: what its expressions select is there", of_values(rules, documents)
        yield f"{rules.path.name}: each alert is tested firing and quiet", of_tests(rules)
    everywhere = {"Prometheus": prometheus, "mtail": mtail, "Loki": loki, "CloudWatch": alarms}
    missing = (
        f"{where}: {kind}" for where, rules in everywhere.items() for kind, name in KINDS.items() if name not in rules.names
    )
    yield f"each of {len(KINDS)} kinds of alert is in each of {', '.join(everywhere)}", missing
    loud = {pair for pair in documents.pairs if pair[1] != "info"} | {(SILENCE, "info")}
    for where, rules in everywhere.items():
        read = alarms_read(alarms) if rules is alarms else set().union(*(event_of(rule, documents) for rule in rules.all))
        yield (
            f"{where}: all {len(loud)} events that want somebody, and the heartbeat, have an alert",
            (" ".join(pair) for pair in sorted(loud - read)),
        )
    covered = {(record["event"], record["level"]) for record, _ in records}
    yield (
        f"the sample has each of {len(documents.pairs)} events in each of its levels, and no other",
        (" ".join(pair) for pair in sorted(documents.pairs ^ covered)),
    )
    yield (
        "the sample has only keys that are documented",
        sorted({key for record, _ in records for key in record if not documents.is_key(key)}),
    )
    yield "Loki: the rules select from the sample what they should", of_loki(documents, loki, lines, records, model)
    yield "CloudWatch: the alarms read metrics that there are, and treat silence as one", of_alarms(documents, alarms)
    yield "CloudWatch: the filters select from the sample what they should", of_filters(documents, alarms, lines, records)
    yield "the severity of an event is the same everywhere", of_severity(documents, everywhere, alarms)


# --- Loki and CloudWatch


def of_loki(documents, loki, lines, records, model):
    for rule in loki.all:
        try:
            found = pipelines(rule.expr)
            for pipeline in found:
                for key in pipeline.keys.values():
                    if not documents.is_key(key):
                        yield f"{rule}: no key {key}"
            if len(found) != 1 or rule.expr.count('{job="claimwatch"}') != 1:
                yield f"{rule}: {len(found)} pipelines"
                continue
            expected = model.firing(rule.name, rule.severity)
            if expected is not None:
                if (seen := firing(rule.expr, lines)) != expected or not expected:
                    yield f"{rule}: fires for {sorted(seen)}, not {sorted(expected)}"
                continue
            taken = [line for line in lines if found[0].labels(line) is not None]
            if rule.event.startswith("none"):
                right = [line for line in lines if "store.failing" in line]
            else:
                level = re.search(r'\| cw_level="(\w+)"', rule.expr)
                right = [
                    line
                    for record, line in records
                    if record["event"] == rule.event and (not level or record["level"] == level[1])
                ]
            if taken != right or not right:
                yield f"{rule}: takes {len(taken)} lines, not {len(right)}"
        except Unknown as what:
            yield f"{rule}: not understood here: {what}"


def alarms_read(alarms):
    """The events, with their levels, that have an alarm."""
    return {
        tuple(value for _, value in sorted(dimensions_of(about).items()))
        for about in alarms.alarms.values()
        if "Dimensions" in about
    }


def dimensions_of(alarm):
    return {dimension["Name"]: dimension["Value"] for dimension in alarm.get("Dimensions", [])}


def of_alarms(documents, alarms):
    made = {}
    for name, about in alarms.filters.items():
        (made_by,) = about["MetricTransformations"]
        dimensions = {dimension["Key"]: dimension["Value"] for dimension in made_by.get("Dimensions", [])}
        made[made_by["MetricNamespace"], made_by["MetricName"]] = set(dimensions)
        for key, value in dimensions.items():
            if value != f"$.{key}" or not documents.is_key(key):
                yield f"{name}: dimension {key} is {value}"
        if len(dimensions) > 3 or made_by["MetricValue"] != "1":
            yield f"{name}: {made_by}"
    for rule, about in alarms.alarms.items():
        dimensions = dimensions_of(about)
        if made.get((about["Namespace"], about["MetricName"])) != set(dimensions):
            yield f"{rule}: no filter makes {about['MetricName']} by {sorted(dimensions)}"
        if dimensions and (dimensions["event"], dimensions["level"]) not in documents.pairs:
            yield f"{rule}: {dimensions}"
        silent = rule.name == KINDS["silence"]
        if about["TreatMissingData"] != ("breaching" if silent else "notBreaching"):
            yield f"{rule}: missing data is {about['TreatMissingData']}"
        if about["ComparisonOperator"] != ("LessThanThreshold" if silent else "GreaterThanOrEqualToThreshold"):
            yield f"{rule}: {about['ComparisonOperator']}"
        if silent and dimensions.get("event") != SILENCE:
            yield f"{rule}: reads {dimensions}"
        if about["AlarmActions"] != [{"Ref": f"{rule.severity.capitalize()}Topic"}]:
            yield f"{rule}: goes to {about['AlarmActions']}"
        if not about["AlarmDescription"].endswith(f" alerting/README.md#{rule.name.lower()}"):
            yield f"{rule}: description {about['AlarmDescription']}"


def of_filters(documents, alarms, lines, records):
    urgent = lambda record: record["event"] == "scope.overloaded" and record.get("lane") == "urgent"
    expected = {
        "Events": [line for _, line in records],
        "UrgentOverload": [line for record, line in records if urgent(record)],
        "StoreFailing": [line for line in lines if "store.failing" in line],
    }
    if expected.keys() != alarms.filters.keys():
        yield f"filters {sorted(alarms.filters)}"
    for name, about in alarms.filters.items():
        try:
            pattern = Pattern(about["FilterPattern"])
        except Unknown as what:
            yield f"{name}: not understood here: {what}"
            continue
        for key, _ in pattern.tests or []:
            if not documents.is_key(key):
                yield f"{name}: no key {key}"
        taken = [line for line in lines if pattern.takes(line)]
        if taken != expected.get(name) or not taken:
            yield f"{name}: takes {len(taken)} lines"


def of_severity(documents, everywhere, alarms):
    """As CloudWatch has it, which knows nothing but events; of an alert with several severities, theirs."""
    by_name = {where: {} for where in everywhere}
    for where, rules in everywhere.items():
        for rule in rules.all:
            by_name[where].setdefault(rule.name, set()).add(rule.severity)
    for name in sorted(set().union(*by_name.values())):
        said = {where: severities[name] for where, severities in by_name.items() if name in severities}
        lowest = {where: "ticket" if "ticket" in severities else "page" for where, severities in said.items()}
        if len(set(lowest.values())) > 1:
            yield f"{name}: {said}"
    of_pair = {
        tuple(sorted(dimensions_of(about).items())): rule.severity
        for rule, about in alarms.alarms.items()
        if "Dimensions" in about
    }
    vector = yaml.safe_load((ALERTING / "vector/claimwatch.yaml").read_text())["transforms"]["claimwatch_by_severity"]["route"]
    for event, level in sorted(documents.pairs):
        if level == "info":
            continue
        routed = {name for name, condition in vector.items() if taken_by(condition, event, level)}
        alarm = of_pair.get((("event", event), ("level", level)))
        if routed != {alarm}:
            yield f"{event} {level}: Vector {sorted(routed)}, CloudWatch {alarm}"


# --- Vector


def taken_by(condition, event, level):
    """Whether a condition of the route, of the few forms that it has, holds for an event."""
    python = re.sub(r"!includes\((\[.*?\]), \.event\)", r"event not in \1", condition)
    python = re.sub(r"includes\((\[.*?\]), \.event\)", r"event in \1", python)
    python = python.replace(".level", "level").replace(".event", "event").replace("&&", "and").replace("||", "or")
    if not re.fullmatch(r'(?:\s|event|level|not|in|and|or|==|"[a-z_.]+"|[\[\],])*', python):
        raise ValueError(condition)
    return bool(eval(python, {"__builtins__": {}}, {"event": event, "level": level}))  # noqa: S307 - of the words above only


def of_vector(documents):
    text = (ALERTING / "vector/claimwatch.yaml").read_text()
    pipeline = yaml.safe_load(text)
    kinds = {
        "sources": {"file": {"include"}, "journald": {"include_units"}},
        "transforms": {"remap": {"source"}, "dedupe": {"fields"}, "route": {"route"}},
        "sinks": {"http": {"uri", "encoding"}, "loki": {"endpoint", "encoding", "labels"}},
    }
    outputs, used = set(), set()
    if set(pipeline) != set(kinds):
        yield f"sections {sorted(pipeline)}"
    for part, components in pipeline.items():
        for name, about in components.items():
            if about["type"] not in kinds[part] or not kinds[part][about["type"]] <= set(about):
                yield f"{name}: a {about['type']} of {sorted(about)}"
            outputs |= {f"{name}.{route}" for route in about.get("route", [])} if about["type"] == "route" else {name}
            used |= set(about.get("inputs", []))
            if (part == "sources") == ("inputs" in about):
                yield f"{name}: inputs {about.get('inputs')}"
    sinks = set(pipeline["sinks"])
    yield from (f"no output {name}" for name in sorted(used - outputs))
    yield from (f"{name} goes nowhere" for name in sorted(outputs - used - sinks))
    for name, about in pipeline["transforms"].items():
        if about["type"] == "dedupe" and about["fields"] != {"match": ["id"]}:
            yield f"{name}: {about['fields']}"
        for condition in about.get("route", {}).values():
            for key in re.findall(r"\.([a-z_]+)\b(?!\.?[a-z_]*\")", condition):
                if not documents.is_key(key):
                    yield f"{name}: no key {key}"
            for word in re.findall(r'"([a-z_.]+)"', condition):
                if word not in documents.events and word not in LEVELS:
                    yield f"{name}: no event {word}"
    for field in re.findall(
        r"\bCLAIMWATCH_([A-Z]\w+)", "".join(about.get("source", "") for about in pipeline["transforms"].values())
    ):
        if not documents.is_key(field.lower()):
            yield f"no field CLAIMWATCH_{field}"


# --- mtail


def of_mtail(rules, program, documents):
    declared = set(re.findall(r"^(?:counter|gauge) ([a-z_]+)", program, re.M))
    labels = {
        name: set(re.findall(r"\w+", by)) for name, by in re.findall(r"^(?:counter|gauge) ([a-z_]+) by (.*)$", program, re.M)
    }
    used = {(rule, name) for rule in rules.all for name in names_in(rule.expr)}
    yield (
        f"claimwatch-mtail.rules.yml: the program has each metric that is read, and each is read",
        [
            *(f"{rule}: {name}" for rule, name in sorted(used, key=str) if name not in declared),
            *sorted(declared - {name for _, name in used}),
        ],
    )
    yield (
        "claimwatch-mtail.rules.yml: the metrics have the labels that are selected",
        (
            f"{rule}: {name} by {label}"
            for rule in rules.all
            for name, matchers in selectors(rule.expr)
            for label, _, _ in matchers
            if name in declared and label not in labels.get(name, set()) | ADDED
        ),
    )
    words = re.findall(r'"((?:window|scope|sink|config|order|number|delivery)\.[a-z_]+)"', program)
    yield "claimwatch.mtail: it names events that there are", (word for word in words if word not in documents.events)
    keys = set(re.findall(r'"([a-z_]+)":"', re.sub(r"^ *#.*$", "", program, flags=re.M)))
    yield "claimwatch.mtail: it reads keys that there are", sorted(key for key in keys if not documents.is_key(key))


# --- Metrics


def settled(query):
    """A query of the dashboard as PromQL."""
    return query.replace("$__rate_interval", "5m").replace("$job", ".*").replace("$instance", ".*")


def queries_of(dashboard):
    for panel in dashboard["panels"]:
        for target in panel.get("targets", []):
            yield panel["title"], target["expr"]


def of_metrics(documented, prometheus, dashboard):
    known = documented | {
        f"{name}_{part}": labels
        for name, labels in documented.items()
        for part in ("bucket", "sum", "count")
        if name.endswith("_seconds")
    }
    read = [(rule, rule.expr) for rule in prometheus.all] + list(prometheus.recorded.items()) + list(queries_of(dashboard))
    story = prometheus.path.with_name("claimwatch.test.yml")
    told = {series["series"] for test in yaml.safe_load(story.read_text())["tests"] for series in test["input_series"]}
    read += [(story.name, series) for series in sorted(told)]
    yield (
        f"each metric that is read is one of the {len(documented)} that are documented",
        (f"{where}: {name}" for where, expr in read for name in sorted(names_in(expr)) if name not in known),
    )
    yield (
        "they have the labels that are selected",
        (
            f"{where}: {name} by {label}"
            for where, expr in read
            for name, matchers in selectors(expr)
            for label, _, _ in matchers
            if name in known and label not in known[name] | ADDED
        ),
    )
    everything = {label for labels in known.values() for label in labels} | ADDED | SCOPE
    yield (
        "they are joined and summed by labels that there are",
        (
            f"{where}: {label}"
            for where, expr in read
            for labels in re.findall(r"\b(?:by|on|without|ignoring) \(([^)]*)\)", expr)
            for label in labels.split(", ")
            if label not in everything
        ),
    )
    shown = set().union(*(names_in(expr) for _, expr in queries_of(dashboard)))
    yield (
        "the dashboard shows each metric that is documented",
        sorted(name for name in documented if not shown & {name, f"{name}_bucket"}),
    )


# --- Pages and the dashboard


def of_pages(documents, prometheus, mtail, loki, alarms, dashboard):
    everywhere = {"Prometheus": prometheus, "mtail": mtail, "Loki": loki, "CloudWatch": alarms}
    text = README.read_text()
    alerts = set().union(*(rules.names for rules in everywhere.values()))
    described = {title for title in re.findall(r"^### (.*)$", section(text, "## What each alert asks for"), re.M)}
    yield f"README: each of {len(alerts)} alerts is described, and no other", sorted(alerts ^ described)
    yield "README: each description says what it reads and what to do", of_descriptions(text, alerts, everywhere, documents)
    yield "README: the table says where each alert is, and how urgent", of_table(text, alerts, everywhere)
    yield "README: links lead somewhere", of_links(text, documents)
    yield "README: fields of the journal, events and message ids are those of docs/events.md", of_journal(text, documents)
    yield "what cannot be run here says so", of_disclaimers(text, dashboard)
    yield "Vector: kinds are known, inputs resolve, keys are documented", of_vector(documents)
    yield "Grafana: the dashboard is whole", of_dashboard(dashboard)
    yield (
        "no file names a machine's own folders",
        (
            f"{path.name}: {found}"
            for path in sorted(ALERTING.rglob("*"))
            if path.is_file()
            for found in re.findall(r"(?<![\w.])/(?:work|tmp|root|home|mnt)/\S*", path.read_text())
        ),
    )


def of_descriptions(text, alerts, everywhere, documents):
    for name in sorted(alerts):
        about = section(text, f"### {name}")
        for item in ("**Reads.**", "**Do.**"):
            if item not in about:
                yield f"{name}: no {item}"
        ticked = set(TICKED.findall(about))
        for where in ("Prometheus", "mtail", "Loki"):
            for rule in everywhere[where].all:
                if rule.name == name and rule.event in documents.events and rule.event not in ticked:
                    yield f"{name}: {rule.event} does not stand in it"
        for rule in everywhere["Prometheus"].all:
            if rule.name == name:
                read = names_in(rule.expr) | ({"claimwatch_events_total"} if "event:claimwatch_events:" in rule.expr else set())
                if not read & ticked and "up" not in ticked:
                    yield f"{name}: none of {sorted(read)} stands in it"


def of_table(text, alerts, everywhere):
    table = {row[0].split("]")[0].strip("[`"): row[1:] for row in rows(section(text, "## The alerts")) if row[0].startswith("[")}
    yield from sorted(set(table) ^ alerts)
    for name, (_, *cells) in table.items():
        for (where, rules), cell in zip(everywhere.items(), cells, strict=True):
            severities = {rule.severity for rule in rules.all if rule.name == name}
            if {word for word in SEVERITIES if word in cell} != severities:
                yield f"{name}, {where}: {cell!r}, not {sorted(severities)}"


def of_links(text, documents):
    own = {anchor(title) for title in re.findall(r"^#+ (.*)$", text, re.M)}
    for target in re.findall(r"\]\(([^)]+)\)", text):
        path, _, fragment = target.partition("#")
        file = (README.parent / path).resolve() if path else README
        if not file.exists():
            yield target
        elif fragment and file == README and fragment not in own:
            yield target
        elif fragment and file.name == "operations.md" and fragment not in documents.anchors:
            yield target


def of_journal(text, documents):
    for field in sorted(set(re.findall(r"\bCLAIMWATCH_([A-Z]\w*)", text))):
        if not documents.is_key(field.lower()) and not field.endswith("_URL"):
            yield f"CLAIMWATCH_{field}"
    for event in re.findall(r"CLAIMWATCH_EVENT=([\w.]+)", text):
        if event not in documents.events:
            yield event
    for message_id in re.findall(r"MESSAGE_ID=(\w+)", text):
        if message_id not in documents.message_ids.values():
            yield message_id


def of_disclaimers(text, dashboard):
    for file, program in [
        ("loki/claimwatch.rules.yml", "Loki"),
        ("cloudwatch/claimwatch.yaml", "CloudWatch"),
        ("vector/claimwatch.yaml", "Vector"),
    ]:
        first = (ALERTING / file).read_text().splitlines()[0]
        if first != f"# {DISCLAIMER.format(program)}":
            yield f"{file}: {first}"
    if not dashboard["description"].startswith(DISCLAIMER.format("Grafana")):
        yield f"grafana: {dashboard['description']}"
    for program in ("Loki", "CloudWatch", "Vector", "Grafana"):
        if not re.search(rf"^\|[^\n]*\b{program}\b[^\n]*checked for shape only", text, re.M):
            yield f"README: {program}"


def of_dashboard(dashboard):
    variables = {variable["name"]: variable for variable in dashboard["templating"]["list"]}
    panels = dashboard["panels"]
    if dashboard["id"] is not None:
        yield f"id {dashboard['id']}"
    if variables.get("datasource", {}).get("type") != "datasource" or variables["datasource"]["query"] != "prometheus":
        yield "no variable datasource"
    if len({panel["id"] for panel in panels}) != len(panels):
        yield "panels have the same id"
    sources = [panel["datasource"] for panel in panels if panel["type"] != "row"]
    sources += [target["datasource"] for panel in panels for target in panel.get("targets", [])]
    sources += [variable["datasource"] for variable in variables.values() if variable["type"] == "query"]
    yield from (f"datasource {source}" for source in sources if source != {"type": "prometheus", "uid": "${datasource}"})
    taken = set()
    for panel in panels:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        if cells & taken or at["x"] + at["w"] > 24:
            yield f"{panel['title']} lies over another panel"
        taken |= cells
        if panel["type"] != "row" and not panel.get("targets"):
            yield f"{panel['title']} asks nothing"
        refs = [target["refId"] for target in panel.get("targets", [])]
        if len(set(refs)) != len(refs):
            yield f"{panel['title']}: queries have the same refId"
    for title, query in queries_of(dashboard):
        for name in re.findall(r"\$\{?(\w+)", query):
            if name not in variables and not name.startswith("__"):
                yield f"{title}: no variable {name}"
        if 'job=~"$job",instance=~"$instance"' not in query:
            yield f"{title}: not of the job and instance that are chosen"
    first = [panel["title"] for panel in panels if panel["type"] != "row"][:2]
    if first != ["Open retry windows", "Soonest end"]:
        yield f"begins with {first}"
