"""The real daemon: its metrics as promtool and Prometheus see them, and its event file as mtail does."""

import contextlib
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import tempfile
import time
import tomllib
import urllib.error
import urllib.request

from known import ROOT, record_of
from model import Model

PATIENCE = 90
WORLD = ROOT / "config/scenarios/default.toml"
# The last metric to come: the default world has a claim that fails after ten seconds.
LAST = "claimwatch_window_soonest_end_timestamp_seconds"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def fetched(url):
    """The text behind an address, or None where nobody answers well."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.read().decode()
    except (urllib.error.URLError, OSError):
        return None


def until(what, patience=PATIENCE):
    """What `what` returns once that is true; else what it returned last."""
    end = time.monotonic() + patience
    while not (found := what()) and time.monotonic() < end:
        time.sleep(0.1)
    return found


@contextlib.contextmanager
def running(command, log, **how):
    """A process of our own, which is ended by its id."""
    with open(log, "w") as out:
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, **how)
    try:
        yield process
    finally:
        stop(process)


def stop(process):
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def configure(folder, simulated, port):
    """The default world of the simulator, watched as README.md says, with the HTTP endpoint and an event file."""
    world = tomllib.loads(WORLD.read_text())
    (folder / "watch.d").mkdir()
    lists = {"numbers": ("number", "connect_number"), "orders": ("order", "chime_order")}
    for name, (kind, told) in lists.items():
        entries = "".join(f'\n[[{kind}]]\nid = "{entry["id"]}"\n' for entry in world[told])
        (folder / f"watch.d/{name}.toml").write_text(f'account = "sandbox"\n{entries}')
    (folder / "claimwatch.toml").write_text(
        f"""[store]
url = "sqlite://claimwatch.db"
[account.sandbox]
region = "eu-west-2"
connect = {{ endpoint = "{simulated}" }}
chime = {{ endpoint = "{simulated}" }}
[poll]
floor = "1s"
[events.log]
format = "json"
[events.file]
path = "events.jsonl"
[http]
listen = "127.0.0.1:{port}"
[schedules]
heartbeat = "*/5 * * * * *"
"""
    )


def all_of_it(checks, asked, documented, rules, samples_of, spoken, with_mtail):
    program = str(pathlib.Path(asked.program).resolve())
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        with contextlib.ExitStack() as stack:
            said = folder / "simulate.log"
            stack.enter_context(running([program, "simulate", "--listen", "127.0.0.1:0"], said, cwd=folder))
            announced = until(lambda: re.search(r"listening on (\S+)", said.read_text()))
            if not announced:
                checks.that("the simulator listens", [said.read_text()[-500:] or "it said nothing"])
                return
            port = free_port()
            configure(folder, announced[1], port)
            environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "CLAIMWATCH_"))}
            environment |= {"AWS_ACCESS_KEY_ID": "simulated", "AWS_SECRET_ACCESS_KEY": "simulated"}
            log = folder / "run.log"
            command = [program, "run", "--config", "claimwatch.toml"]
            daemon = stack.enter_context(running(command, log, cwd=folder, env=environment))
            watched(checks, asked, documented, rules, samples_of, spoken, daemon, f"127.0.0.1:{port}", log, folder)
        events = folder / "events.jsonl"
        lines = events.read_text().splitlines() if events.exists() else []
        records = [(record, line) for line in lines if (record := record_of(line))]
        checks.that("the daemon wrote events", [] if records else ["none"])
        with_mtail(checks, asked.mtail, events, Model(lines, records), f"the daemon's own event file ({len(records)} events)")


def watched(checks, asked, documented, rules, samples_of, spoken, daemon, address, log, folder):
    metrics = f"http://{address}/metrics"
    wanted = set(documented or ()) | {LAST}
    names = lambda text: {re.sub(r"_bucket$", "", name) for name, _ in samples_of(text or "")} & wanted
    gone = lambda: daemon.poll() is not None
    until(lambda: gone() or names(fetched(metrics)) == wanted)
    text = fetched(metrics)
    if text is None:
        checks.that("the daemon serves metrics", [f"{metrics} does not answer; the end of its log: {log.read_text()[-500:]}"])
        return
    families = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.M))
    checks.that(f"each of {len(wanted)} metrics that are documented is served", sorted(wanted - names(text)))
    if documented is not None:
        checks.that(f"each of {len(families)} metrics that are served is documented", sorted(families.keys() - documented.keys()))
        checks.that("they have the labels that are documented", other_labels(samples_of(text), documented))
    checks.that(
        "each counter ends with _total, and nothing else does",
        (f"{name} is a {kind}" for name, kind in sorted(families.items()) if (kind == "counter") != name.endswith("_total")),
    )
    if asked.promtool:
        code, said = spoken([asked.promtool, "check", "metrics"], given=text)
        checks.that("promtool check metrics has nothing to say", [f"exit {code}: {said.strip()}"] if code or said.strip() else [])
    else:
        checks.skip("promtool check metrics", "there is no promtool")
    if asked.prometheus:
        alerted(checks, asked.prometheus, rules, daemon, address, folder)
    else:
        checks.skip("a real Prometheus scrapes the daemon and fires", "there is no prometheus")


def other_labels(samples, documented):
    for name, labels in sorted(samples, key=str):
        base = re.sub(r"_(bucket|sum|count)$", "", name)
        if base in documented and {label for label, _ in labels} - {"le"} != documented[base]:
            yield f"{name} has {sorted(label for label, _ in labels)}"


def alerted(checks, prometheus, rules, daemon, address, folder):
    """A Prometheus with the rules scrapes the daemon: a failed claim fires, and then the daemon's end is noticed."""
    port = free_port()
    config = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(rules)],
        "scrape_configs": [{"job_name": "claimwatch", "static_configs": [{"targets": [address]}]}],
    }
    (folder / "prometheus.yml").write_text(json.dumps(config))
    command = [
        prometheus,
        "--config.file=prometheus.yml",
        "--storage.tsdb.path=data",
        f"--web.listen-address=127.0.0.1:{port}",
        "--log.level=error",
    ]
    log = folder / "prometheus.log"
    with running(command, log, cwd=folder):
        ask = lambda what: json.loads(
            fetched(f"http://127.0.0.1:{port}/api/v1/{what}") or '{"data": {"groups": [], "alerts": []}}'
        )["data"]
        active = lambda: {
            (alert["labels"]["alertname"], alert["labels"].get("cause")): alert for alert in ask("alerts")["alerts"]
        }
        every = lambda: [rule for group in ask("rules")["groups"] for rule in group["rules"]]
        until(lambda: (found := every()) and all(rule["health"] != "unknown" for rule in found))
        ill = [f"{rule['name']}: {rule.get('lastError')}" for rule in every() if rule["health"] != "ok"]
        checks.that(
            f"a real Prometheus evaluates all {len(every())} rules",
            ill or ([] if every() else [log.read_text()[-500:] or "it has none"]),
        )

        failed = ("ClaimwatchClaimFailed", None)
        until(lambda: failed in active())
        seen = active().get(failed, {})
        right = (
            seen.get("state") == "firing"
            and seen["labels"].get("list") == "numbers"
            and seen["labels"].get("provider") == "connect"
        )
        checks.that("a claim that really failed fires ClaimwatchClaimFailed", [] if right else [sorted(map(str, active()))])
        # Before the first scrape there was no target.
        silent = lambda: [cause for name, cause in active() if name == "ClaimwatchSilent"]
        until(lambda: not silent())
        checks.that("no ClaimwatchSilent while the daemon lives", silent())
        stop(daemon)
        down = ("ClaimwatchSilent", "down")
        until(lambda: down in active())
        checks.that(
            "its end is noticed, and what is open is not forgotten", [name for name in (down, failed) if name not in active()]
        )
