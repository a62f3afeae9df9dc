"""Every answer by the schema, over TCP, over the socket and from the commands; and the text that commands print for people."""

import json
import re
import urllib.parse

import world
from checks import SCHEMA, invalid, misprinted, shape
from peers import ROOT, until

EVENT_TABLE = re.compile(r"^\| `([a-z_]+(?:\.[a-z_]+)?)` \| ([a-z, ]+)", re.M)
SAMPLE = re.compile(r'^(claimwatch_[a-z_]+|process_start_time_seconds)(\{(?:[a-z_]+="(?:[^"\\]|\\.)*",?)*\})? (\S+)$')
IDS = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-|\+[0-9]{6}")
# What tells when, and so differs from one moment to the next.
MOVES = {"at", "remaining_s", "observed_at", "due_at", "next_look", "wake_at", "lane"}


def encoded(text):
    return urllib.parse.quote(text, safe="")


def documentation(check):
    """The schema knows what docs/events.md knows, and all of its examples are valid."""
    text = (ROOT / "docs/events.md").read_text()
    events, keys = text.split("## The events\n")[1].split("\n## ")[0], text.split("## The keys\n")[1].split("\n## ")[0]
    names = {name for name, _ in EVENT_TABLE.findall(events)}
    check.equal("the schema's events are the documented ones", sorted(SCHEMA["$defs"]["eventName"]["enum"]), sorted(names))
    named = {key for row in re.findall(r"^\| (.*?) \|", keys, re.M) for key in re.findall(r"`([a-z_*]+)`", row)}
    known = set(SCHEMA["$defs"]["event"]["properties"]) | {"label_*"}
    check.equal("the schema's keys of a record are the documented ones", sorted(known), sorted(named))
    examples = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", text, re.S)]
    check.none(f"all {len(examples)} examples are valid", ((e["event"], said) for e in examples for said in invalid("event", e)))
    check.none("each event has one", names - {example["event"] for example in examples})


def requests(daemon):
    """Every request that reads, with the definition of its answer."""
    yield "statusAnswer", "/api/v1/status"
    yield "scopesAnswer", "/api/v1/scopes"
    yield "sinksAnswer", "/api/v1/sinks"
    for sink in daemon.ask("/api/v1/sinks").json()["sinks"]:
        for state in ("pending", "delivered", "dead"):
            yield "deliveriesPage", f"/api/v1/sinks/{encoded(sink['name'])}/deliveries?state={state}&limit=200"
        yield "deliveriesPage", f"/api/v1/sinks/{encoded(sink['name'])}/deliveries"
    filters = [
        "",
        "limit=1",
        "limit=500",
        "list=numbers",
        "status=failed",
        "scope=connect",
        "scope=chime%2Fsandbox",
        "label=team%3Dvoice",
    ]
    for wanted in filters + ["urgency=window", "urgency=done&list=orders", "list=nobody", "list=%E2%80%AE", "label=team%3D"]:
        yield "ordersPage", f"/api/v1/orders?{wanted}"
    for order in orders(daemon):
        if not is_twice(order):
            yield "orderAnswer", f"/api/v1/orders/{order['order_id']}"
    for wanted in [
        "",
        "last=0",
        "last=3",
        "after=0&limit=1000",
        "level=error",
        "event=window.*",
        "event=*",
        "list=short",
        f"order={world.FAILED}",
    ]:
        yield "eventsPage", f"/api/v1/events?{wanted}"


def orders(daemon, ask=None):
    """All orders."""
    return (ask or daemon.ask)("/api/v1/orders?limit=500").json()["orders"]


def is_twice(order):
    """Two accounts watch it, so that its id means two."""
    return order["order_id"] == world.CLAIMED


def schema(check, daemon):
    """Every GET, at both doors."""
    asked = list(requests(daemon))
    for door, ask in (("TCP", daemon.get), ("the socket", daemon.ask)):
        wrong = []
        for definition, path in asked:
            answer = ask(path)
            if answer.status != 200 or answer.header("content-type") != "application/json":
                wrong.append((path, answer))
            else:
                wrong.extend((path, said) for said in invalid(definition, answer.json()))
        check.none(f"{len(asked)} answers over {door} are valid", wrong)
    ready = daemon.get("/readyz")
    check.that("/readyz is valid", ready.status == 200 and not invalid("ready", ready.json()), ready)
    check.that("/healthz", (daemon.get("/healthz").status, daemon.get("/healthz").body) == (200, b"ok\n"))
    plan = daemon.ask("/api/v1/plan")
    check.that("the plan is valid", plan.status == 200 and not invalid("reload", plan.json()), plan)
    by_tcp, by_socket = daemon.get("/api/v1/orders?limit=500").json(), daemon.ask("/api/v1/orders?limit=500").json()
    check.equal("an order has the same keys at both doors", keys_of(by_tcp["orders"]), keys_of(by_socket["orders"]))


def changes(daemon):
    """Where in the event file something became of an order, rather than of our watching it."""
    ours = ("order.tracked", "order.untracked")
    of_orders = lambda name: name.startswith(("number.", "order.", "window.")) and name not in ours
    return [record["seq"] for record in daemon.lines() if of_orders(record["event"])]


def keys_of(orders):
    """What orders are, but for what moves."""
    unmoved = lambda order: {key: value for key, value in order.items() if key not in MOVES | {"windows"}}
    return {(order["account"], order["order_id"]): (unmoved(order), sorted(shape(order) - {".due_at"})) for order in orders}


def metrics(check, daemon):
    answer = daemon.get("/metrics")
    lines = answer.body.decode().splitlines()
    check.equal("the media type of metrics", answer.header("content-type"), "text/plain; version=0.0.4; charset=utf-8")
    samples = [line for line in lines if not line.startswith("# ")]
    check.none(f"{len(samples)} samples are well written", (line for line in samples if not SAMPLE.match(line)))
    check.none("no id and no number is a label", (line for line in samples if IDS.search(line)))
    values = [(SAMPLE.match(line)[1], float(SAMPLE.match(line)[3])) for line in samples if SAMPLE.match(line)]
    total = lambda name: sum(value for key, value in values if key == name)
    tally = daemon.get("/api/v1/status").json()["orders"]
    check.equal("claimwatch_orders adds up to what is tracked", total("claimwatch_orders"), tally["tracked"])
    check.equal("claimwatch_windows_open adds up to the windows", total("claimwatch_windows_open"), tally["windows"])


def tallies(check, daemon):
    """The counts of the status are those of the list."""
    for _ in range(20):
        before, status, after = orders(daemon), daemon.ask("/api/v1/status").json(), orders(daemon)
        if keys_of(before) == keys_of(after):
            break
    tally = status["orders"]
    counted = {
        kind: sum(order["urgency"] == kind for order in after) for kind in ("window", "attention", "failed", "pending", "done")
    }
    counted |= {"tracked": len(after), "windows": sum(len(order["windows"]) for order in after)}
    check.equal("the counts of the status are those of the list", tally, counted)
    ends = sorted((w["window_earliest"], w["window_id"]) for order in after for w in order["windows"])
    check.equal(
        "the windows of the status are the open ones",
        sorted((w["window_earliest"], w["window_id"]) for w in status["windows"]),
        ends[:20],
    )
    check.that(
        "those that end first come first", [w["window_earliest"] for w in status["windows"]] == [end for end, _ in ends[:20]]
    )
    seqs = [event["seq"] for event in status["events"]]
    until(lambda: daemon.lines()[-1]["seq"] >= seqs[0], 30)
    check.equal("the last changes, the latest first", seqs, [seq for seq in reversed(changes(daemon)) if seq <= seqs[0]][:12])


def names(check, daemon):
    """An order is found by its id, the beginning of it, its ARN and its number."""
    asked = [(beginning, world.MANY) for beginning in (world.MANY[:8], world.MANY[:20], world.MANY[:-1])]
    asked += [
        ("+12065550122", world.PARTIAL),
        (f"connect/sandbox/{world.FAILED}", world.FAILED),
        (f"chime/sandbox/{world.MANY[:9]}", world.MANY),
    ]
    asked.append(("connect/sandbox/+442079460104", world.KNOWN))
    for order in orders(daemon):
        if not is_twice(order):
            order_id = order["order_id"]
            asked += [
                (name, order_id) for name in (order_id, order_id.upper(), world.ARN + order_id, order.get("number")) if name
            ]
    wrong = []
    for name, order_id in asked:
        answer = daemon.get(f"/api/v1/orders/{encoded(name)}")
        if answer.status != 200 or answer.json()["order"]["order_id"] != order_id:
            wrong.append((name, answer))
    check.none(f"an order is found by id, beginning, ARN and number ({len(asked)})", wrong)
    for name, status in (
        ("nobody", 404),
        ("+442079469999", 404),
        (world.NUMBER.format(99), 404),
        ("0c1f3b6e", 409),
        ("%", 404),
        ("' OR 1=1 --", 404),
    ):
        answer = daemon.get(f"/api/v1/orders/{encoded(name)}")
        check.that(f"{name}: {status}", answer.status == status and not invalid("error", answer.json()), answer)
    told = [daemon.get(f"/api/v1/orders/{encoded(name)}").status for name in (world.CLAIMED, "+442079460101")]
    check.equal("an id or a number that two accounts watch: 409", told, [409, 409])
    full = {f"connect/{account}/{world.CLAIMED}": account for account in ("sandbox", "second")}
    full |= {
        "connect/second/+442079460101": "second",
        world.ARN + world.CLAIMED: "sandbox",
        (world.ARN + world.CLAIMED).replace("eu-west-2", "us-east-1"): "second",
    }
    found = {
        name: answer.json()["order"]["account"]
        if (answer := daemon.get(f"/api/v1/orders/{encoded(name)}")).status == 200
        else answer
        for name in full
    }
    check.equal("but by its account or its region one of them is found", found, full)
    for name in (f"chime/sandbox/{world.CLAIMED}", f"connect/nobody/{world.CLAIMED}", "connect/sandbox/"):
        check.equal(f"{name}: 404", daemon.get(f"/api/v1/orders/{encoded(name)}").status, 404)


JSON_COMMANDS = [
    ("statusAnswer", ["status"]),
    ("ordersPage", ["orders"]),
    ("ordersPage", ["orders", "--list", "short", "--limit", "2"]),
    (
        "ordersPage",
        ["orders", "--status", "fAiLeD", "--scope", "connect/sandbox", "--label", "team=voice", "--urgency", "window"],
    ),
    ("orderAnswer", ["show", world.FAILED]),
    ("orderAnswer", ["show", world.RESCUED]),
    ("orderAnswer", ["show", world.KNOWN]),
    ("orderAnswer", ["show", world.MISSING]),
    ("orderAnswer", ["show", world.ELSEWHERE]),
    ("orderAnswer", ["show", world.MANY]),
    ("orderAnswer", ["show", world.ALL_FAILED]),
    ("orderAnswer", ["show", "+442079460104"]),
    ("sinksAnswer", ["deliveries"]),
    ("deliveriesPage", ["deliveries", "picky"]),
    ("deliveriesPage", ["deliveries", "picky", "--state", "delivered", "--limit", "3"]),
    ("deliveriesPage", ["deliveries", "down", "--state", "pending"]),
    ("order", ["wait", world.RESCUED]),
    ("reload", ["plan"]),
    ("settings", ["config", "show"]),
    ("settings", ["config", "show", "--origin"]),
]


def commands(check, daemon, running):
    """`--json` of each command by the schema; what it says."""
    state = "up" if running else "down"
    said, wrong = {}, []
    for definition, arguments in JSON_COMMANDS:
        told = daemon.run(*arguments, "--json")
        try:
            said[tuple(arguments)] = told.json()
            wrong.extend((arguments, problem) for problem in invalid(definition, told.json()))
        except ValueError:
            wrong.append((arguments, told))
        if told.code or told.err:
            wrong.append((arguments, told))
    check.none(f"--json of {len(JSON_COMMANDS)} commands is valid, the daemon {state}", wrong)
    lines = daemon.run("events", "-n", "1000", "--json").out.rstrip("\n").split("\n")
    check.none(
        f"events --json, the daemon {state} ({len(lines)})", (bad for line in lines for bad in invalid("event", json.loads(line)))
    )
    status = said.get(("status",), {}).get("daemon", {})
    check.equal(f"the status says whether it runs, the daemon {state}", status.get("running"), running)
    return said


def same(check, up, down):
    """What commands say without a daemon is what they say with one, but for what only it knows."""
    only_up = {
        ".daemon.started_at",
        ".config",
        ".config.reloaded_at",
        ".config.successful_at",
        ".config.successful",
        ".config.rejected",
    }
    differs = []
    for arguments in up.keys() & down.keys():
        with_it, without = shape(up[arguments]), shape(down[arguments])
        if arguments[0] == "status":
            with_it, without = with_it - only_up, without - {".daemon.last_event_at"}
        if arguments[0] in ("status", "orders", "show", "deliveries", "wait", "config"):
            # A look may have been due, or not.
            moved = {key for key in with_it ^ without if key.endswith((".due_at", ".last_error", ".wake_at", ".next_mark_at"))}
            if (with_it ^ without) - moved:
                differs.append((arguments, sorted(with_it ^ without)))
    check.none("the same keys with the daemon up and down", differs)
    both = [said.get(("orders",), {}).get("orders", []) for said in (up, down)]
    still = [[o for o in orders if o["order_id"] != world.RESTLESS] for orders in both]
    told = lambda order: (order["status"], order["urgency"], order.get("reason"), sorted(order.keys() - MOVES))
    stands = [{(order["account"], order["order_id"]): told(order) for order in orders} for orders in still]
    check.equal("orders stand alike with the daemon up and down", stands[0], stands[1])
    scopes = lambda said: {
        (s["provider"], s["region"]): (s["account"], s["account_id"]) for s in said.get(("status",), {}).get("scopes", [])
    }
    with_it, without = scopes(up), scopes(down)
    check.none(
        "scopes that are remembered are called the same", (scope for scope in without if without[scope] != with_it.get(scope))
    )
    check.that(
        "and those are remembered that were looked at",
        {("connect", "eu-west-2"), ("chime", "eu-west-2")} <= without.keys(),
        without,
    )


def text(check, daemon, running):
    """What commands print for people fits the terminal and does not steer it."""
    state = "up" if running else "down"
    show = [
        ["show", order["order_id"]]
        for order in daemon.run("orders", "--json", "--limit", "500").json()["orders"]
        if not is_twice(order)
    ]
    fits = [
        ["status"],
        ["orders"],
        ["orders", "--urgency", "done"],
        ["orders", "--limit", "2"],
        ["orders", "--list", "nobody"],
        *show,
    ]
    fits += [
        ["deliveries"],
        ["deliveries", "picky"],
        ["deliveries", "picky", "--state", "delivered", "--limit", "40"],
        ["deliveries", "down", "--state", "pending"],
    ]
    fits += [["plan"], ["wait", world.FAILED], ["wait", world.RESCUED], ["config", "show"]]
    wide = [["orders", "--wide"], ["events", "-n", "1000"], ["events", "--since", "1h"], ["config", "show", "--origin"]]
    for bounded, all_of_them in ((True, fits), (False, wide)):
        by_command = {}
        for arguments in all_of_them:
            told = daemon.run(*arguments)
            wrong = list(misprinted(told.out, bounded)) + list(misprinted(told.err, False))
            if told.code not in (0, 1) or not told.out.strip():
                wrong.append(repr(told))
            by_command.setdefault(" ".join(arguments[:1]), []).extend((arguments[1:], problem) for problem in wrong)
        for command, wrong in by_command.items():
            fit = ", fits 80 columns" if bounded else " --wide" if command == "orders" else ""
            check.none(f"text of {command}{fit} and steers nothing, the daemon {state}", wrong)
    for argument in ("\u001b[2Jx", "x\ny", "\u202ex"):
        told = daemon.run("show", argument)
        check.that(f"show {argument!r} steers nothing", told.code == 1 and not list(misprinted(told.out + told.err, False)), told)


def labels(check, daemon, folder):
    """`check` takes a label, or does not."""
    lists = folder / "watch.d"
    lists.mkdir(parents=True)
    (folder / "claimwatch.toml").write_text(world.MAIN)
    for expected, all_of_them in ((0, world.ACCEPTED), (78, world.REFUSED)):
        wrong = []
        for label in all_of_them:
            for text in (
                world.watch_list("sandbox", [(world.CLAIMED, {"label": label})]),
                world.watch_list("sandbox", [(world.CLAIMED, {})], {"team": label}),
            ):
                (lists / "a.toml").write_text(text)
                told = daemon.run("check", "--config", str(folder / "claimwatch.toml"))
                if told.code != expected:
                    wrong.append((label, told))
        check.none(f"labels that `check` {'accepts' if expected == 0 else 'refuses'} ({len(all_of_them)})", wrong)
