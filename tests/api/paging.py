"""Pages and filters, against the whole that is filtered by hand."""

import datetime
import fnmatch

import world
from answers import encoded, keys_of, orders
from checks import invalid

LEVELS = ["info", "warn", "error"]


def walk(ask, path, limit):
    """All pages of orders: what is in them, and how many there were."""
    found, after, pages = [], "", 0
    while True:
        page = ask(f"{path}limit={limit}{after}").json()
        found += page["orders"]
        pages += 1
        if "next" not in page:
            return found, pages
        after = f"&after={encoded(page['next'])}"


def who(orders):
    return [(order["provider"], order["account"], order["order_id"]) for order in orders]


def of_orders(check, daemon):
    for limit in (1, 3, 500):
        # Whatever moves meanwhile moves an order to another page: then it is walked again.
        for _ in range(30):
            before = orders(daemon)
            walked, pages = walk(daemon.get, "/api/v1/orders?", limit)
            if who(before) == who(orders(daemon)):
                break
        check.equal(f"pages of {limit} hold all orders once, in order", who(walked), who(before))
        check.equal(f"pages of {limit}: none is empty, the last has no next", pages, max(1, -(-len(before) // limit)))
    filtered(check, daemon)
    sorting(check, orders(daemon))


def filtered(check, daemon):
    label = lambda key, value: lambda order: order.get(f"label_{key}") == value
    wanted = {
        "list=short": lambda order: order["list"] == "short",
        "list=nobody": lambda order: False,
        "status=FAILED": lambda order: order["status"].upper() == "FAILED",
        "status=failed": lambda order: order["status"].upper() == "FAILED",
        "status=pArTiAl": lambda order: order["status"] == "Partial",
        "status=never_seen": lambda order: order["status"] == "NEVER_SEEN",
        "status=NOT_FOUND": lambda order: order["status"] == "NOT_FOUND",
        "scope=connect": lambda order: order["provider"] == "connect",
        "scope=chime/sandbox": lambda order: (order["provider"], order["account"]) == ("chime", "sandbox"),
        "scope=connect/second": lambda order: (order["provider"], order["account"]) == ("connect", "second"),
        "scope=connect/nobody": lambda order: False,
        "label=team=voice": label("team", "voice"),
        "label=tier=gold": label("tier", "gold"),
        f"label=note={world.VOICE['note']}": label("note", world.VOICE["note"]),
        "label=team=": lambda order: False,
        "label=team=voice|list=short": lambda order: order["list"] == "short",
        "label=team=voice|list=orders": lambda order: False,
        "scope=connect|status=claimed|urgency=done": lambda order: (order["provider"], order["status"]) == ("connect", "CLAIMED"),
    }
    wanted |= {
        f"urgency={kind}": lambda order, kind=kind: order["urgency"] == kind
        for kind in ("window", "attention", "failed", "pending", "done")
    }
    told = set()
    for query, is_wanted in wanted.items():
        path = "&".join(f"{key}={encoded(value)}" for key, value in (pair.split("=", 1) for pair in query.split("|")))
        for _ in range(30):
            before = orders(daemon)
            found, _ = walk(daemon.get, f"/api/v1/orders?{path}&", 2)
            if keys_of(before) == keys_of(orders(daemon)):
                break
        by_hand = who(filter(is_wanted, before))
        check.equal(f"{query[:40]!r}: as filtered by hand ({len(by_hand)})", who(found), by_hand)
        told |= {(query.split("=")[0], bool(by_hand))}
    check.that(
        "the filters had something to choose",
        {(key, True) for key in ("list", "status", "scope", "label", "urgency")} <= told,
        told,
    )


def sorting(check, all_of_them):
    """The most urgent first; within it the window that ends first, what waits longest, of what is over the latest."""
    ranks = ["window", "attention", "failed", "pending", "done"]

    def place(order):
        if order["urgency"] == "window":
            return min(window["window_earliest"] for window in order["windows"])
        return order["since"]

    seen = [ranks.index(order["urgency"]) for order in all_of_them]
    check.that("the most urgent orders come first", seen == sorted(seen), seen)
    for kind in ranks:
        places = [place(order) for order in all_of_them if order["urgency"] == kind]
        latest_first = kind in ("failed", "done")
        check.that(
            f"of {kind} {'the latest' if latest_first else 'the first'} comes first ({len(places)})",
            places == sorted(places, reverse=latest_first),
            places,
        )


def events(ask, query):
    """All pages of events."""
    found, after, more = [], "", True
    while more:
        page = ask(f"/api/v1/events?{query}{after}").json()
        found += page["events"]
        more = page["more"]
        after = f"&after={page['next']}"
        query = "&".join(part for part in query.split("&") if not part.startswith(("after=", "since=")))
    return found


def seqs(records):
    return [record["seq"] for record in records]


def of_events(check, daemon):
    for limit in (1, 7, 1000):
        last = daemon.lines()[-1]["seq"]
        found = seqs(events(daemon.get, f"after=0&limit={limit}"))
        check.equal(f"pages of {limit} hold every event once, up to what is new", found[:last], list(range(1, last + 1)))
        check.that(f"pages of {limit}: and what is new follows", found == list(range(1, len(found) + 1)), found[-5:])
    all_of_them = events(daemon.get, "after=0&limit=1000")
    by_file = {line["seq"]: line for line in daemon.lines()}
    check.none(
        "the records are those of the event file",
        (r["seq"] for r in all_of_them if r["seq"] in by_file and by_file[r["seq"]] != r),
    )
    newest = all_of_them[-1]["seq"]
    up_to = lambda records: [seq for seq in seqs(records) if seq <= newest]
    unused = []
    for name, wanted in choices().items():
        found = up_to(events(daemon.get, f"after=0&limit=3&{name}"))
        check.equal(f"{name[:60]}: as filtered by hand ({len(found)})", found, seqs(filter(wanted, all_of_them)))
        last = daemon.get(f"/api/v1/events?last=2&{name}").json()
        until_then = [r for r in events(daemon.get, "after=0&limit=1000") if r["seq"] <= last["next"]]
        check.equal(f"{name[:60]}: and the last two", seqs(last["events"]), seqs(filter(wanted, until_then))[-2:])
        if not found and "nobody" not in name:
            unused.append(name)
    check.none("the choices had something to choose", unused)
    since(check, daemon, all_of_them)
    page = daemon.get("/api/v1/events?last=5&limit=3").json()
    check.that(
        "last and limit: the fewer", len(page["events"]) == 3 and not page["more"] and page["next"] >= newest, page["next"]
    )
    check.equal("without a beginning the last of them", len(daemon.get("/api/v1/events?limit=4").json()["events"]), 4)
    check.equal("after the last there is nothing", daemon.get(f"/api/v1/events?after={2**64 - 1}").json()["events"], [])


def choices():
    least = lambda level: lambda record: LEVELS.index(record["level"]) >= LEVELS.index(level)
    of = lambda text: lambda r: r.get("order_id", "").startswith(text) or r.get("number") == text
    wanted = {
        f"event={pattern}": lambda r, pattern=pattern: fnmatch.fnmatchcase(r["event"], pattern)
        for pattern in ("window.*", "*.failed", "order.tracked", "*", "*d*.*t*", "nobody*")
    }
    wanted |= {f"level={level}": least(level) for level in LEVELS}
    wanted |= {f"list={name}": lambda r, name=name: r.get("list") == name for name in ("short", "second", "nobody")}
    for name in (world.FAILED, "7e2d", "+442079460104", "+12065550161", "+442079460107", "nobody"):
        wanted[f"order={encoded(name)}"] = of(name)
    wanted[f"order={encoded(world.ARN + world.RESCUED)}"] = of(world.RESCUED)
    wanted["event=window.*&level=warn&list=short"] = lambda r: (
        r["event"].startswith("window.") and least("warn")(r) and r.get("list") == "short"
    )
    return wanted


def since(check, daemon, all_of_them):
    """From the first that was recorded then or later."""
    wrong = []
    moments = [record["time"] for record in all_of_them[:: max(1, len(all_of_them) // 8)]]
    as_time = lambda text: datetime.datetime.fromisoformat(text)
    step = datetime.timedelta(milliseconds=1)
    moments += [(as_time(moment) + step).isoformat() for moment in moments] + ["2020-01-01T00:00:00Z"]
    east = datetime.timezone(datetime.timedelta(hours=5, minutes=30))
    moments += [as_time(moment).astimezone(east).isoformat() for moment in moments[:3]]
    for moment in moments:
        first = daemon.get(f"/api/v1/events?limit=1&since={encoded(moment)}").json()["events"]
        expected = next((record["seq"] for record in all_of_them if as_time(record["time"]) >= as_time(moment)), None)
        if expected is not None and seqs(first) != [expected]:
            wrong.append((moment, seqs(first), expected))
    check.none(f"since agrees with the times ({len(moments)})", wrong)
    later = daemon.get(f"/api/v1/events?since={encoded('2099-01-01T00:00:00Z')}").json()
    check.that(
        "since what is to come: nothing", later["events"] == [] and not later["more"] and not invalid("eventsPage", later), later
    )
