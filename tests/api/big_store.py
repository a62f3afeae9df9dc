#!/usr/bin/env python3
"""Measures the commands and the API over a store of very many orders.

    big_store.py --program PATH [--orders 100000] [--repeat 20] [--folder FOLDER]

The program makes the shape: it tracks two hundred orders of all kinds against its simulator. Their rows, with numbers, history,
events and deliveries, are then multiplied by SQL (which takes SQLite 3.38 or newer), each copy under an id, numbers and events of
its own; the watch lists name them all, and the program has to find nothing to change in them. Then each question is asked many
times, with no daemon and beside one, and a table says how long it took and how much memory the command used at most.

It measures; the only thing that fails is what is no answer, or takes a hundred times as long as it should.
"""

import argparse
import contextlib
import hashlib
import itertools
import json
import pathlib
import random
import re
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time

from checks import Checks, invalid
from peers import Daemon, Receiver, free_port, secret, simulator, until

# Of 200 orders that are learned from, how many are of a kind; and of all, which part. What is left over is claimed.
KINDS = {
    "claimed": (80, 0.0),
    "pending": (30, 0.15),
    "window": (20, 0.003),
    "update_failed": (20, 0.02),
    "released": (4, 0.01),
    "chime_successful": (20, 0.2),
    "chime_partial": (16, 0.05),
    "chime_documents": (10, 0.005),
}
ACCOUNT, REGION = "sandbox", "eu-west-2"
LISTS = 20
# What a command should take at most, seconds and MiB; a debug build takes more.
WANTED_SECONDS, WANTED_MIB = 0.2, 50
SANE_SECONDS = 100 * WANTED_SECONDS
PATIENCE = 900

MAIN = f"""[store]
url = "sqlite://claimwatch.db"
[account.{ACCOUNT}]
region = "{REGION}"
account_id = "123456789012"
connect = {{ rate = 5000.0, burst = 5000 }}
chime = {{ rate = 5000.0, burst = 5000 }}
[poll]
floor = "500ms"
steady = "1s"
ceiling = "6h"
missing_grace = "0s"
missing_confirm = "500ms"
[events.log]
format = "json"
[events.file]
path = "events.jsonl"
[http]
listen = "127.0.0.1:9185"
[[events.webhook]]
name = "pager"
url = "http://127.0.0.1:9/pager"
secret_files = ["pager.secret"]
"""


class Template:
    """An order to learn from: what is its own, and so is another in each copy."""

    def __init__(self, kind, n):
        self.kind = kind
        self.order_id = f"{'7e' if kind.startswith('chime') else '0c'}1f3b6e-7d2a-4b8e-9a41-{n:012}"
        self.numbers = [f"+1999{n:05}{slot}" for slot in range(3 if kind.startswith("chime") else 1)]
        self.label = f"Template {n:05}"

    @property
    def provider(self):
        return "chime" if self.kind.startswith("chime") else "connect"

    def stream(self, order_id=None):
        """As src/core/order.rs has it: a hash of the parts, each after its length."""
        parts = (self.provider, ACCOUNT, REGION, order_id or self.order_id)
        whole = b"".join(len(part.encode()).to_bytes(8, "big") + part.encode() for part in parts)
        return hashlib.sha256(whole).hexdigest()[:32]

    def entry(self, order_id=None, label=None):
        """Its entry in a watch list."""
        operation = {"update_failed": 'operation = "update"\n', "window": 'operation = "claim"\n'}.get(self.kind, "")
        kind = "order" if self.provider == "chime" else "number"
        return f'[[{kind}]]\nid = "{order_id or self.order_id}"\nlabel = "{label or self.label}"\n{operation}'

    def story(self):
        """Its part of the scenario."""
        if self.provider == "connect":
            last = {
                "claimed": ("IN_PROGRESS", ("6s", "CLAIMED", None)),
                "pending": ("IN_PROGRESS",),
                "window": ("IN_PROGRESS", ("6s", "FAILED", "Target instance has reached its limit of claimed numbers")),
                "update_failed": ("CLAIMED", ("5s", "IN_PROGRESS", None), ("8s", "FAILED", "The target is not active")),
                "released": ("IN_PROGRESS", ("12s", None, None)),
            }
            first, *later = last[self.kind]
            timeline = [f'{{ at = "0s", status = "{first}" }}']
            for at, status, message in later:
                became = f'status = "{status}"' if status else "gone = true"
                timeline.append(f'{{ at = "{at}", {became}' + (f', message = "{message}" }}' if message else " }"))
            timeline = ", ".join(timeline)
            return f'[[connect_number]]\nid = "{self.order_id}"\nnumber = "{self.numbers[0]}"\ntimeline = [{timeline}]\n'
        status, last = {
            "chime_successful": ("Successful", "Acquired"),
            "chime_partial": ("Partial", "Failed"),
            "chime_documents": ("PendingDocuments", "Processing"),
        }[self.kind]
        became = ["Acquired", "Acquired", last] if last != "Processing" else [last] * 3
        processing = ", ".join(f'"{number}" = "Processing"' for number in self.numbers)
        done = ", ".join(f'"{number}" = "{word}"' for number, word in zip(self.numbers, became, strict=True))
        # A port is looked at every quarter of an hour: it has to have its status from the beginning.
        porting, first, then = (
            ('order_type = "Porting"\n', status, 0) if self.kind == "chime_documents" else ("", "Processing", 6)
        )
        first = f'{{ at = "0s", status = "{first}", numbers = {{ {processing} }} }}'
        last = f', {{ at = "{then}s", status = "{status}", numbers = {{ {done} }} }}' if then else ""
        return f'[[chime_order]]\nid = "{self.order_id}"\n{porting}timeline = [{first}{last}]\n'

    def has_ended(self, told):
        """Whether the events tell its story to the end."""
        last = {
            "claimed": "number.claimed",
            "pending": "number.in_progress",
            "window": "window.opened",
            "update_failed": "number.failed",
            "released": "number.released",
            "chime_successful": "order.completed",
            "chime_partial": "order.completed",
            "chime_documents": "order.attention",
        }[self.kind]
        return (last, self.order_id) in told


class Copy:
    """Another order like a template: what takes the place of what is the template's own."""

    def __init__(self, template, n):
        digest = hashlib.sha256(f"copy {n}".encode()).hexdigest()
        self.order_id = f"{digest[:8]}-{digest[8:12]}-4{digest[13:16]}-9{digest[17:20]}-{digest[20:32]}"
        self.template = template
        self.stream = template.stream(self.order_id)
        self.numbers = [f"+1206{n * 3 + slot:07}" for slot in range(len(template.numbers))]
        self.label = f"Line {n:06}"
        self.list = f"bulk-{n % LISTS:02}"
        self.pairs = [
            (template.order_id, self.order_id),
            (template.stream(), self.stream),
            (template.label, self.label),
            ('"list":"learn"', f'"list":"{self.list}"'),
        ]
        self.pairs += zip(template.numbers, self.numbers, strict=True)

    def of(self, text):
        if text is None:
            return None
        for old, new in self.pairs:
            text = text.replace(old, new)
        return text


def templates():
    counted = itertools.count(1)
    return [Template(kind, next(counted)) for kind, (count, _) in KINDS.items() for _ in range(count)]


def write_list(folder, name, entries):
    text = f'account = "{ACCOUNT}"\nlabels = {{ team = "voice", tier = "gold" }}\npoll = {{ after_terminal = "6h" }}\n' + "".join(
        entries
    )
    (folder / f"watch.d/{name}.toml").write_text(text)


def configure(folder):
    (folder / "watch.d").mkdir()
    secret(folder / "pager.secret")


def endpoints(address):
    return {f"CLAIMWATCH__ACCOUNT__{ACCOUNT.upper()}__{service}__ENDPOINT": address for service in ("CONNECT", "CHIME")}


def learn(program, folder, templates):
    """Has the program track the templates until their stories are told."""
    write_list(folder, "learn", [template.entry() for template in templates])
    # What is gone has to be looked at again before six hours are over.
    text = (folder / "watch.d/learn.toml").read_text()
    (folder / "watch.d/learn.toml").write_text(text.replace('after_terminal = "6h"', 'after_terminal = "1s"'))
    scenario = folder / "scenario.toml"
    scenario.write_text(
        "[quota.connect]\nrate = 10000.0\nburst = 10000\n[quota.chime]\nrate = 10000.0\nburst = 10000\n"
        + "".join(t.story() for t in templates)
    )
    receiver = Receiver(
        lambda record: (
            (422, "not this one") if record.get("label", "").endswith("7") and record["event"] == "order.tracked" else (204, "")
        )
    )
    (folder / "claimwatch.toml").write_text(MAIN.replace("http://127.0.0.1:9/pager", f"{receiver.address}/pager"))
    with simulator(program, scenario) as simulated:
        daemon = Daemon(program, folder, **endpoints(simulated))
        try:
            daemon.start()

            def left():
                told = {(record["event"], record.get("order_id")) for record in daemon.lines()}
                return {template.kind for template in templates if not template.has_ended(told)}

            until(lambda: not left(), 120)
            if left():
                raise SystemExit(f"these stories did not end: {sorted(left())}")
            until(lambda: daemon.ask("/api/v1/sinks/pager/deliveries?state=dead").json()["deliveries"], 60)
        finally:
            daemon.stop()


def copies(templates, count):
    """As many copies as are wanted, of the kinds that there are to be."""
    of_kind = {kind: [t for t in templates if t.kind == kind] for kind in KINDS}
    wanted = {kind: round(part * count) for kind, (_, part) in KINDS.items()}
    wanted["claimed"] = count - sum(wanted.values())
    # Kinds lie scattered, as they come.
    kinds = [kind for kind, many in wanted.items() for _ in range(many)]
    random.Random(1).shuffle(kinds)
    turns = {kind: itertools.cycle(of_kind[kind]) for kind in KINDS}
    return [Copy(next(turns[kind]), n) for n, kind in enumerate(kinds)]


def multiply(folder, templates, all_copies):
    """Writes the rows of the copies as the program writes them."""
    database = sqlite3.connect(folder / "claimwatch.db", isolation_level=None)
    database.execute("PRAGMA journal_mode = OFF")
    database.execute("PRAGMA synchronous = OFF")
    database.execute("PRAGMA cache_size = -400000")
    rows = lambda sql, *values: database.execute(sql, values).fetchall()
    columns = {
        table: [row[1] for row in rows(f"PRAGMA table_xinfo({table})") if row[6] == 0]
        for table in ("orders", "numbers", "transitions", "events", "deliveries")
    }

    def of_template(table, stream):
        found = rows(f"SELECT {', '.join(columns[table])} FROM {table} WHERE stream = ?", stream)
        return [dict(zip(columns[table], row, strict=True)) for row in found]

    known = {
        t: {table: of_template(table, t.stream()) for table in ("orders", "numbers", "transitions", "events")} for t in templates
    }
    sent = {}
    for row in rows(f"SELECT {', '.join(columns['deliveries'])} FROM deliveries"):
        delivery = dict(zip(columns["deliveries"], row, strict=True))
        sent.setdefault(delivery["seq"], {})[delivery["sink"]] = delivery
    (last_seq,) = rows("SELECT value FROM meta WHERE key = 'last_seq'")[0]
    (sink_seq,) = rows("SELECT last_sink_seq FROM sinks WHERE name = 'pager'")[0]
    database.execute("BEGIN")
    (terms,) = rows("SELECT terms FROM lists WHERE name = 'learn'")[0]
    terms = json.loads(terms)
    terms["policy"]["poll"]["after_terminal"] = {"Every": {"secs": 6 * 3600, "nanos": 0}}
    for n in range(LISTS):
        name = f"bulk-{n:02}"
        # Not the hash of what is in the list: so the program reads the list, finds nothing to change, and writes the right one.
        told = json.dumps(terms | {"name": name}, separators=(",", ":"))
        database.execute("INSERT INTO lists (name, terms, content_hash, in_force) VALUES (?, ?, '', 1)", (name, told))
    placeholder = lambda table: (
        f"INSERT INTO {table} ({', '.join(columns[table])}) VALUES ({', '.join(f':{c}' for c in columns[table])})"
    )
    # Times rise with seq: the first event of each copy, then the second of each, as if all had happened side by side.
    ordered = sorted((event["seq"], n) for n, copy in enumerate(all_copies) for event in known[copy.template]["events"])
    seqs = {(n, old): seq for seq, (old, n) in enumerate(ordered, last_seq + 1)}
    records = {row["seq"]: row["record"] for template in templates for row in known[template]["events"]}
    orders, numbers, transitions = [], [], []
    for n, copy in enumerate(all_copies):
        its = known[copy.template]
        row = its["orders"][0]
        own = {"stream": copy.stream, "id": copy.order_id, "list": copy.list, "declared": copy.of(row["declared"])}
        orders.append(row | own | {"state": copy.of(row["state"])})
        numbers += [
            row | {"stream": copy.stream, "number": copy.of(row["number"]), "state": copy.of(row["state"])}
            for row in its["numbers"]
        ]
        transitions += [
            row | {"stream": copy.stream, "number": copy.of(row["number"]), "seq": seqs[n, row["seq"]]}
            for row in its["transitions"]
        ]
    database.executemany(placeholder("orders"), orders)
    database.executemany(placeholder("numbers"), sorted(numbers, key=lambda row: (row["stream"], row["number"])))
    database.executemany(
        placeholder("transitions"), sorted(transitions, key=lambda row: (row["stream"], row["generation"], row["n"]))
    )

    def events():
        for seq, (old, n) in enumerate(ordered, last_seq + 1):
            record = re.sub(r'"seq":[0-9]+', f'"seq":{seq}', all_copies[n].of(records[old]), count=1)
            yield {"seq": seq, "stream": all_copies[n].stream, "record": record}

    database.executemany(placeholder("events"), events())

    def deliveries(sink):
        place = itertools.count(sink_seq + 1)
        for seq, (old, n) in enumerate(ordered, last_seq + 1):
            if delivery := sent[old].get(sink):
                chosen = {"stream": all_copies[n].stream, "sink_seq": next(place)} if delivery["stream"] else {}
                yield delivery | {"seq": seq} | chosen

    for (sink,) in rows("SELECT name FROM sinks ORDER BY name"):
        database.executemany(placeholder("deliveries"), deliveries(sink))
    sink_seq = rows("SELECT max(sink_seq) FROM deliveries WHERE sink = 'pager'")[0][0]
    database.execute("UPDATE meta SET value = ? WHERE key = 'last_seq'", (last_seq + len(ordered),))
    database.execute("UPDATE sinks SET last_sink_seq = ? WHERE name = 'pager'", (sink_seq,))
    database.execute("COMMIT")
    database.execute("PRAGMA journal_mode = WAL")
    database.close()


def forget_standings(folder, some):
    """Forgets where some orders stand, and gives what was there: the program fills it in, and has to find the same."""
    with contextlib.closing(sqlite3.connect(folder / "claimwatch.db")) as database, database:
        marks = ", ".join("?" for _ in some)
        known = database.execute(
            f"SELECT stream, standing, urgency, place, windows FROM orders WHERE stream IN ({marks}) ORDER BY stream", some
        ).fetchall()
        database.execute(
            f"UPDATE orders SET standing = NULL, urgency = NULL, place = NULL, windows = NULL WHERE stream IN ({marks})", some
        )
        return known


def standings(folder, some):
    with contextlib.closing(sqlite3.connect(f"file:{folder / 'claimwatch.db'}?mode=ro", uri=True)) as database:
        marks = ", ".join("?" for _ in some)
        return database.execute(
            f"SELECT stream, standing, urgency, place, windows FROM orders WHERE stream IN ({marks}) ORDER BY stream", some
        ).fetchall()


# Runs a command in a process that is small itself, since a child counts what its parent had when it was forked.
RUNNER = """
import os, sys, time
out = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
began = time.monotonic()
child = os.fork()
if child == 0:
    os.dup2(out, 1)
    os.execv(sys.argv[2], sys.argv[2:])
_, status, used = os.wait4(child, 0)
print(os.waitstatus_to_exitcode(status), time.monotonic() - began, used.ru_utime + used.ru_stime, used.ru_maxrss)
"""


def command(daemon, arguments, out):
    """Exit code, seconds, those of them at work, MiB, and what it complained of."""
    run = [sys.executable, "-S", "-E", "-c", RUNNER, str(out), daemon.program, *arguments]
    told = subprocess.run(
        run, env=daemon.environment, cwd=daemon.folder, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=PATIENCE
    )
    code, seconds, work, kib = told.stdout.split()
    return int(code), float(seconds), float(work), int(kib) / 1024, told.stderr


class Table:
    def __init__(self, check, repeat):
        self.check = check
        self.repeat = repeat

    def head(self, title):
        print(f"\n{title}\n{'':44} {'median':>9} {'most':>9} {'at work':>9} {'MiB':>7}", flush=True)

    def row(self, name, times, work=(), mib=None):
        median, most = statistics.median(times), max(times)
        over = " !" if median > WANTED_SECONDS or (mib or 0) > WANTED_MIB else ""
        own = f"{statistics.median(work):7.3f} s {mib:7.1f}" if work else ""
        print(f"{name:44} {median:7.3f} s {most:7.3f} s {own}{over}", flush=True)
        if median > SANE_SECONDS:
            self.check.that(f"{name} takes less than {SANE_SECONDS} s", False, median)

    def commands(self, daemon, questions, **environment):
        daemon.environment |= environment
        out = daemon.folder / "told"
        for definition, arguments in questions:
            told = [command(daemon, arguments, out) for _ in range(self.repeat)]
            # That no daemon runs is a warning, and no error.
            problems = {(code, err[-200:]) for code, _, _, _, err in told if code or "claimwatch:" in err}
            if definition:
                command(daemon, [*arguments, "--json"], out)
                problems |= set(invalid(definition, json.loads(out.read_text())))
            if problems:
                self.check.that(f"{' '.join(arguments)} is answered", False, problems)
            _, seconds, work, mib, _ = zip(*told, strict=True)
            self.row(" ".join(arguments)[:44], seconds, work, max(mib))
        for name in environment:
            del daemon.environment[name]

    def requests(self, daemon, ask, paths):
        for definition, path in paths:
            times, problems = [], set()
            for _ in range(self.repeat):
                began = time.monotonic()
                answer = ask(path, patience=PATIENCE)
                times.append(time.monotonic() - began)
                if answer.status != 200:
                    problems.add(repr(answer))
            if definition:
                problems |= set(invalid(definition, answer.json()))
            if problems:
                self.check.that(f"{path} is answered", False, problems)
            self.row(f"GET {path}"[:44], times)


def memory(process):
    text = pathlib.Path(f"/proc/{process.pid}/status").read_text()
    return {key: int(re.search(rf"{key}:\s+(\d+)", text)[1]) / 1024 for key in ("VmRSS", "VmHWM")}


def asked(some):
    """The questions: (definition, command), and the same by HTTP. `some` are copies with nothing special."""
    of_window = next(copy for copy in some if copy.template.kind == "window")
    one, other = some[len(some) // 2], some[len(some) // 3]
    commands = [
        ("statusAnswer", ["status"]),
        ("ordersPage", ["orders", "--limit", "50"]),
        ("ordersPage", ["orders", "--limit", "50", "--status", "failed"]),
        ("ordersPage", ["orders", "--limit", "50", "--status", "released"]),
        ("ordersPage", ["orders", "--limit", "50", "--list", other.list]),
        ("ordersPage", ["orders", "--limit", "50", "--label", "team=voice"]),
        ("orderAnswer", ["show", one.order_id]),
        ("orderAnswer", ["show", of_window.order_id]),
        ("orderAnswer", ["show", other.numbers[0]]),
        ("orderAnswer", ["show", one.order_id[:13]]),
        (None, ["events", "-n", "20"]),
        (None, ["events", "-n", "20", "--order", one.order_id]),
        ("sinksAnswer", ["deliveries"]),
    ]
    paths = [
        ("statusAnswer", "/api/v1/status"),
        (None, "/metrics"),
        ("ordersPage", "/api/v1/orders?limit=50"),
        ("ordersPage", "/api/v1/orders?limit=500"),
        ("ordersPage", "/api/v1/orders?limit=50&status=released"),
        ("orderAnswer", f"/api/v1/orders/{one.order_id}"),
        ("eventsPage", "/api/v1/events?last=20"),
        ("eventsPage", "/api/v1/events?event=nothing.*"),
        ("sinksAnswer", "/api/v1/sinks"),
        ("scopesAnswer", "/api/v1/scopes"),
    ]
    return commands, paths


def make(program, folder, all_templates, all_copies):
    """The store and the lists."""
    began = time.monotonic()
    configure(folder)
    learn(program, folder, all_templates)
    multiply(folder, all_templates, all_copies)
    for n in range(LISTS):
        name = f"bulk-{n:02}"
        write_list(folder, name, [copy.template.entry(copy.order_id, copy.label) for copy in all_copies if copy.list == name])
    (folder / "claimwatch.toml").write_text(MAIN)
    print(f"made in {time.monotonic() - began:.0f} s", flush=True)


def size(folder):
    return sum(path.stat().st_size for path in folder.glob("claimwatch.db*")) / 2**20


def measured(check, program, folder, orders, repeat):
    all_templates = templates()
    all_copies = copies(all_templates, orders - len(all_templates))
    if not (folder / "claimwatch.db").exists():
        make(program, folder, all_templates, all_copies)
    counts = {}
    with contextlib.closing(sqlite3.connect(folder / "claimwatch.db")) as database:
        for table in ("orders", "numbers", "transitions", "events", "deliveries"):
            (counts[table],) = database.execute(f"SELECT count(*) FROM {table}").fetchone()
    print(f"{', '.join(f'{count} {table}' for table, count in counts.items())}: {size(folder):.0f} MiB", flush=True)
    some = [copy.stream for copy in all_copies[:: max(1, orders // 500)]]
    known = forget_standings(folder, some)
    # A closed port: the daemon has all orders, and a probe now and then.
    daemon = Daemon(program, folder, **endpoints(f"http://127.0.0.1:{free_port()}"))
    table = Table(check, repeat)
    commands, paths = asked(all_copies)
    try:
        began = time.monotonic()
        daemon.start()
        print(f"the daemon was up after {time.monotonic() - began:.1f} s")
        check.equal("the program finds where orders stand as they were written", standings(folder, some), known)
        applied = [event for event in daemon.ask("/api/v1/events?event=config.applied&last=1").json()["events"]]
        changes = [(event["added"], event["removed"]) for event in applied]
        check.equal("the program takes the orders as its own", changes, [(0, 0)])
        check.equal("and tracks them all", daemon.ask("/api/v1/status").json()["orders"]["tracked"], counts["orders"])
        table.head("Commands beside a daemon")
        table.commands(daemon, commands)
        table.head("The same, with no watch list to be read")
        table.commands(daemon, commands[:2] + commands[6:7], CLAIMWATCH__WATCH__DIRS="")
        table.head("HTTP")
        table.requests(daemon, daemon.get, paths)
        used = memory(daemon.process)
        print(f"the daemon has {used['VmRSS']:.0f} MiB, and had {used['VmHWM']:.0f} MiB at most")
    finally:
        daemon.stop(PATIENCE)
    table.head(f"Commands without a daemon, the store of {size(folder):.0f} MiB")
    table.commands(daemon, commands)
    table.head("The same, with no watch list to be read")
    table.commands(daemon, commands[:2] + commands[6:7], CLAIMWATCH__WATCH__DIRS="")


def main():
    parser = argparse.ArgumentParser(description="Measures the commands and the API over a store of very many orders.")
    parser.add_argument("--program", required=True, help="the claimwatch to measure")
    parser.add_argument("--orders", type=int, default=100_000, help="how many orders the store has")
    parser.add_argument("--repeat", type=int, default=20, help="how often each question is asked")
    parser.add_argument("--folder", type=pathlib.Path, help="where the store is made, if it is not there yet, and stays")
    options = parser.parse_args()
    program = str(pathlib.Path(options.program).resolve())
    check = Checks()
    with contextlib.ExitStack() as stack:
        folder = options.folder or pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.mkdir(parents=True, exist_ok=True)
        measured(check, program, folder.resolve(), options.orders, options.repeat)
    print(f"\n! more than {WANTED_SECONDS} s or {WANTED_MIB} MiB, which a release build is not to take")
    print(f"{check.passed} passed, {check.failed} failed")
    return 1 if check.failed else 0


if __name__ == "__main__":
    sys.exit(main())
