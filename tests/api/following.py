"""Server-sent events: all of them, in order, in time, and after whatever interrupts them."""

import contextlib
import datetime
import os
import signal
import time

import paging
import world
from checks import invalid
from peers import Follower, until

# Seconds within which an event that is recorded comes.
IN_TIME = 3
FOLLOWERS = 32
COMMENT_WITHIN = 20
# A connection at the control socket lasts a minute.
AT_THE_SOCKET = 60


def ids(follower):
    return [came[0] for came in follower.events()]


def from_the_beginning(check, daemon, follower, name):
    """What came to one that follows after 0."""
    newest = daemon.lines()[-1]["seq"]
    came = follower.until(lambda came: came[0] is not None and came[0] >= newest) or newest in ids(follower)
    check.that(f"{name}: everything up to the newest event", came, (newest, ids(follower)[-3:]))
    check.equal(f"{name}: without gap or repetition", ids(follower), list(range(1, len(ids(follower)) + 1)))
    by_file = {line["seq"]: line for line in daemon.lines()}
    events = follower.events()
    check.none(
        f"{name}: id, name and data are the record's",
        (seq for seq, event, record, _ in events if (seq, event) != (record["seq"], record["event"])),
    )
    check.none(
        f"{name}: the records are those of the event file",
        (seq for seq, _, record, _ in events if by_file.get(seq, record) != record),
    )
    check.none(f"{name}: all are valid", (bad for _, _, record, _ in events for bad in invalid("event", record)))


def in_time(check, follower, since, name):
    """What was recorded while somebody followed came at once."""
    late = []
    recorded = lambda record: datetime.datetime.fromisoformat(record["time"]).timestamp()
    live = [(record, at) for _, _, record, at in follower.events() if recorded(record) > since]
    for record, at in live:
        after = at - recorded(record)
        if after > IN_TIME:
            late.append((record["seq"], record["event"], round(after, 1)))
    changes = sum(record["event"].startswith(("number.", "window.")) for record, _ in live)
    check.none(f"{name}: {len(live)} events came within {IN_TIME} s ({changes} changes)", late)
    check.that(f"{name}: there were changes", changes > 10, changes)


def beginnings(check, daemon):
    """Where one begins, and what is chosen."""
    for query, header, what in (
        ("&after=0", None, lambda all_of_them: all_of_them),
        ("&after=10", None, lambda all_of_them: all_of_them[10:]),
        ("&after=10", 20, lambda all_of_them: all_of_them[20:]),
        ("&after=0&event=window.*", None, lambda all_of_them: [r for r in all_of_them if r["event"].startswith("window.")]),
        ("&after=0&level=error", None, lambda all_of_them: [r for r in all_of_them if r["level"] == "error"]),
        (
            f"&after=0&order={world.FAILED}",
            None,
            lambda all_of_them: [r for r in all_of_them if r.get("order_id") == world.FAILED],
        ),
        ("&last=5", None, None),
        ("&since=2020-01-01T00:00:00Z", None, lambda all_of_them: all_of_them),
        ("&after=0&list=second", "rubbish", lambda all_of_them: [r for r in all_of_them if r.get("list") == "second"]),
    ):
        follower = Follower(daemon, query, last=header)
        began = follower.began()
        name = f"follow{query}" + (f", Last-Event-ID: {header}" if header else "")
        if not check.equal(f"{name}: it begins", began, (200, "text/event-stream")):
            follower.close()
            continue
        all_of_them = paging.events(daemon.get, "after=0&limit=1000")
        if what is None:
            follower.until(lambda came: came[0] is not None)
            first = ids(follower)[:1]
            check.that(
                f"{name}: with the last five",
                first and all_of_them[-1]["seq"] - 5 <= first[0] <= all_of_them[-1]["seq"] - 3,
                (first, all_of_them[-1]["seq"]),
            )
        else:
            wanted = paging.seqs(what(all_of_them))
            follower.until(lambda came, end=wanted[-1]: came[0] is not None and came[0] >= end)
            check.equal(f"{name}: it is what is wanted ({len(wanted)})", ids(follower)[: len(wanted)], wanted)
        follower.close()
    for query in ("&after=x", "&level=loud", "&since=now", "&after=1&last=2"):
        answer = daemon.get(f"/api/v1/events?follow{query}", patience=5)
        check.that(f"follow{query}: 400", answer.status == 400 and not invalid("error", answer.json()), answer)


def crowd(check, daemon, already):
    """Thirty-two follow, over whatever way; the next one is sent away, until one of them has gone."""
    with contextlib.ExitStack() as stack:
        crowd = []
        for n in range(FOLLOWERS - already):
            # Half of the socket's connections stay for commands.
            crowd.append(stack.enter_context(contextlib.closing(Follower(daemon, over_tcp=n % 2 == 0))))
        statuses = [follower.began()[0] for follower in crowd]
        check.equal(f"{FOLLOWERS} may follow", statuses, [200] * len(crowd))
        one_more = stack.enter_context(contextlib.closing(Follower(daemon)))
        check.equal(f"the one after {FOLLOWERS} gets 503", one_more.began()[0], 503)
        refused = daemon.get("/api/v1/events?follow", patience=5)
        check.that("and is told why", refused.status == 503 and not invalid("error", refused.json()), refused)
        head = daemon.get("/healthz")
        check.equal("others are answered meanwhile", head.status, 200)
        told = daemon.run("status", "--json")
        check.that("commands are answered meanwhile", told.code == 0 and told.json()["daemon"]["running"], told)
        crowd[0].close()

        def again():
            follower = stack.enter_context(contextlib.closing(Follower(daemon)))
            return follower.began()[0] == 200

        check.that("when one has gone, another may follow", until(again, patience=10))


def commands_beside_followers(check, daemon):
    """As many as may follow, all of them at the control socket: a command is not told that there is no daemon."""
    with contextlib.ExitStack() as stack:
        crowd = [stack.enter_context(contextlib.closing(Follower(daemon, over_tcp=False))) for _ in range(FOLLOWERS)]
        began = sum(follower.began()[0] == 200 for follower in crowd)
        told = daemon.run("status", "--json")
        running = told.code == 0 and told.json()["daemon"]["running"]
        check.that(
            f"`status` beside {began} followers at the control socket does not say that no daemon runs",
            running or told.code == 69,
            told,
        )
        check.that("and it is answered", running, told)


def hung(check, daemon):
    """A daemon that does not answer is none that does not run."""
    daemon.process.send_signal(signal.SIGSTOP)
    try:
        told = daemon.run("status")
        check.that("`status` of a daemon that hangs does not say that none runs", "NO DAEMON RUNS" not in told.out, told)
        check.that("but that it does not answer", told.code == 69 and told.err, told)
    finally:
        os.kill(daemon.process.pid, signal.SIGCONT)
    check.that("and it goes on afterwards", until(daemon.is_up))


def interrupted(check, daemon, restart, name):
    """A client whose daemon restarts comes back with the last id that it had, and misses nothing."""
    follower = Follower(daemon, "&after=0")
    newest = daemon.lines()[-1]["seq"]
    follower.until(lambda came: came[0] is not None and came[0] >= newest)
    began = time.monotonic()
    restart()
    follower.until(lambda came: False, patience=30)
    check.that(f"{name}: the stream ends with the daemon", not follower.thread.is_alive(), time.monotonic() - began)
    had = ids(follower)
    follower.close()
    again = Follower(daemon, last=had[-1])
    check.equal(f"{name}: it may come back", again.began()[0], 200)
    check.that(f"{name}: the start is told", again.until(lambda came: came[1] == "daemon.started"))
    newest = daemon.lines()[-1]["seq"] + 1
    check.that(f"{name}: and what comes then", again.until(lambda came: came[0] is not None and came[0] >= newest))
    both = had + ids(again)
    again.close()
    check.equal(f"{name}: nothing is missed, nothing comes twice", both, list(range(1, len(both) + 1)))


def at_the_socket(check, daemon, follower, began):
    """A follower at the socket, from before: its connection ends after a minute, and it comes back."""
    follower.until(lambda came: False, patience=AT_THE_SOCKET + 20)
    lasted = time.monotonic() - began
    check.that(
        "at the socket a connection lasts a minute", not follower.thread.is_alive() and AT_THE_SOCKET - 5 <= lasted, lasted
    )
    again = Follower(daemon, last=ids(follower)[-1], over_tcp=False)
    newest = daemon.lines()[-1]["seq"]
    again.until(lambda came: came[0] is not None and came[0] >= newest)
    both = ids(follower) + ids(again)
    again.close()
    check.equal("at the socket one comes back without gap or repetition", both, list(range(1, len(both) + 1)))


def comment(check, follower, began):
    """Somebody for whom nothing comes hears something all the same."""
    came = follower.until(lambda came: came[0] is None, patience=max(1, began + COMMENT_WITHIN - time.monotonic()))
    came = came or any(heard[0] is None for heard in follower.heard)
    first = next((heard[3] for heard in follower.heard if heard[0] is None), None)
    check.that(f"a comment comes within {COMMENT_WITHIN} s", came, first)
    check.equal("and no event", follower.events(), [])
