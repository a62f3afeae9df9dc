#!/usr/bin/env python3
"""Asks a real claimwatch all that can be asked, and holds it to docs/api.md and docs/api.schema.json.

    check_api.py --program PATH [--busy SECONDS]

Runs `PATH simulate` with scenario.toml and `PATH run` with the lists of world.py, a webhook that refuses some events and one
that nobody answers at, and asks over TCP, over the control socket and by the commands: with the daemon up and with it down, with
numbers masked, with clients that are slow, odd or many, and while the daemon writes as fast as it can. Takes three minutes, most
of which the story takes. Prints a line for each check and `N passed, M failed`; exits with 1 if any failed.
"""

import argparse
import contextlib
import json
import pathlib
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time

import answers
import busy
import doors
import following
import masked
import paging
import world
from checks import Checks, invalid, misprinted
from peers import Follower, Receiver, end, free_port, simulator, until

# What it said to the events that it refuses.
RUDE = '\u001b[31mno\u202e such\r\nservice\u2028 "voice" ' + "番号" * 200
REFUSED = ("number.failed", world.ALL_FAILED)
TOLD_WITHIN = 90


class Waiting:
    """A command that waits, started early; its exit code and what it said."""

    def __init__(self, daemon, *arguments):
        self.arguments = arguments
        self.process = subprocess.Popen(
            [daemon.program, *arguments],
            env=daemon.environment,
            cwd=daemon.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def ended(self, patience=TOLD_WITHIN):
        try:
            out, err = self.process.communicate(timeout=patience)
        except subprocess.TimeoutExpired:
            self.process.kill()
            out, err = self.process.communicate()
        return self.process.returncode, out.decode(), err.decode()


def waits(check, daemon, early):
    """`wait` and `watch`, begun before anything happened and after it."""
    expected = {"claimed": 0, "failed": 1, "terminal": 0, "watched": 0, "watched, one failed": 1, "watched, as JSON": 1}
    for name, waiting in early.items():
        code, out, err = waiting.ended()
        check.that(
            f"{waiting.arguments[0]} ({name}): {expected[name]}", code == expected[name] and out and not err, (code, out, err)
        )
        if "--json" in waiting.arguments:
            records = [json.loads(line) for line in out.rstrip("\n").split("\n")]
            check.none(
                f"{waiting.arguments[0]} ({name}) tells records", (bad for record in records for bad in invalid("event", record))
            )
            check.that(
                f"{waiting.arguments[0]} ({name}) tells the changes",
                {"order.completed", "window.opened"} <= {r["event"] for r in records},
                out,
            )
        else:
            check.none(f"{waiting.arguments[0]} ({name}) steers nothing", misprinted(out, bounded=False))
    run = daemon.run
    check.equal("wait for what was claimed: 0", run("wait", world.RESCUED).code, 0)
    check.equal("wait for what failed: 1", run("wait", world.FAILED).code, 1)
    check.equal("wait --for terminal for what failed: 0", run("wait", world.FAILED, "--for", "terminal").code, 0)
    check.equal("wait for a Successful order: 0", run("wait", world.SUCCESSFUL).code, 0)
    check.equal("wait for a Partial order: 1", run("wait", world.PARTIAL).code, 1)
    check.equal("wait for what is not found: 1", run("wait", world.MISSING).code, 1)
    told = run("wait", world.STUCK, "--timeout", "1s")
    check.that("wait --timeout for what never ends: 124", told.code == 124 and not told.out and told.err, told)
    check.equal("wait for what nobody knows: 1", run("wait", "nobody").code, 1)
    check.equal(
        "watch --exit-status of what went well: 0", run("watch", "--exit-status", world.RESCUED, world.SUCCESSFUL).code, 0
    )
    check.equal("watch --exit-status of what did not: 1", run("watch", "--exit-status", world.RESCUED, world.PARTIAL).code, 1)
    check.equal("watch --exit-status without ids: 64", run("watch", "--exit-status").code, 64)
    for name in ("nobody", "0c1f3b6e"):
        check.equal(f"show {name}: 1", run("show", name).code, 1)
    for arguments in (
        ["orders", "--limit", "0"],
        ["orders", "--limit", "501"],
        ["events", "-n", "1001"],
        ["events", "--since", "soon"],
        ["deliveries", "--limit", "1"],
    ):
        check.equal(f"{' '.join(arguments)}: 64", run(*arguments).code, 64)
    for arguments in (["watch"], ["events", "--follow"]):
        process = subprocess.Popen(
            [daemon.program, *arguments],
            env=daemon.environment,
            cwd=daemon.folder,
            stdout=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
        )
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        try:
            code = process.wait(10)
        except subprocess.TimeoutExpired:
            code = end(process)
        process.stdout.close()
        check.equal(f"{' '.join(arguments)}, interrupted: 0", code, 0)


def acknowledge(check, daemon):
    """As soon as the window is open; what came of it is looked at in `acknowledged`."""
    until(
        lambda: world.told(daemon, "window.opened", world.KNOWN) and world.told(daemon, "window.opened", world.WARNED),
        TOLD_WITHIN,
    )
    first = daemon.run("ack", world.KNOWN)
    second = daemon.run("ack", "+442079460104", "--json")
    check.that("ack: 0", first.code == 0 and first.out, first)
    check.none("text of ack fits 80 columns and steers nothing", misprinted(first.out))
    check.that("a second ack is harmless", second.code == 0 and not invalid("acknowledged", second.json()), second)
    order = daemon.get(f"/api/v1/orders/{world.KNOWN}").json()
    check.that(
        "the window is acknowledged", order["order"]["windows"] and order["order"]["windows"][0]["acknowledged"], order["order"]
    )
    check.equal("ack of what nobody knows: 1", daemon.run("ack", "nobody").code, 1)
    check.equal("ack of what has no window: 1", daemon.run("ack", world.STUCK).code, 1)
    refused = daemon.ask(f"/api/v1/orders/{world.STUCK}/ack", method="POST")
    check.that("POST ack without a window: 409", refused.status == 409 and not invalid("error", refused.json()), refused)
    until(lambda: len(world.told(daemon, "window.opened", world.MANY)) == 2, TOLD_WITHIN)
    many = daemon.ask(f"/api/v1/orders/{world.MANY}/ack", method="POST")
    check.that("POST ack of an order with two windows", many.status == 200 and many.json() == {"acknowledged": 2}, many)


def retrying(check, daemon):
    """While a failed claim is tried again its window stays open, and says so."""
    again = until(lambda: world.told(daemon, "number.in_progress", world.RESCUED, condition="retrying"), TOLD_WITHIN)
    answer = daemon.get(f"/api/v1/orders/{world.RESCUED}").json()
    check.none("an order that is tried again is valid", invalid("orderAnswer", answer))
    seen = [window.get("condition") for window in answer["order"]["windows"]]
    check.that(
        "it is retrying, and so is its window", again and answer["order"].get("condition") == "retrying" == seen[0], answer
    )


def acknowledged(check, daemon):
    """No warning after it, but the end; what was not acknowledged is warned of."""
    closed = until(
        lambda: world.told(daemon, "window.closed", world.KNOWN) and world.told(daemon, "window.closed", world.WARNED),
        TOLD_WITHIN,
    )
    check.that(
        "the end of an acknowledged window is told",
        closed,
        [world.told(daemon, "window.closed", who) for who in (world.KNOWN, world.WARNED)],
    )
    once = world.told(daemon, "window.acknowledged", world.KNOWN)
    check.that("window.acknowledged, once", len(once) == 1, once)
    of_many = world.told(daemon, "window.acknowledged", world.MANY)
    check.equal("and once for each window", len(of_many), 2)
    if not once:
        return
    after = lambda who: [r["seq"] for r in world.told(daemon, "window.closing", who) if r["seq"] > once[0]["seq"]]
    check.equal("no window.closing after it", after(world.KNOWN), [])
    check.that("while the other one is warned of", len(after(world.WARNED)) >= 2, after(world.WARNED))


def reloads(check, daemon):
    """Plan and reload with a list that is new, and one that is at fault."""
    lists = daemon.folder / "watch.d"
    (lists / "restless.toml").write_text(world.RESTLESS_LIST)
    plan = daemon.run("plan", "--json")
    check.that("plan: 2 where something would change", plan.code == 2 and not invalid("reload", plan.json()), plan)
    check.none("text of plan steers nothing and fits 80 columns", misprinted(daemon.run("plan").out))
    reload = daemon.run("reload", "--json")
    check.that("reload: 0", reload.code == 0 and not invalid("reload", reload.json()), reload)
    check.equal("it changes what the plan said", reload.json()["lists"], plan.json()["lists"])
    (lists / "bad.toml").write_text(world.BAD_LIST)
    bad = daemon.ask("/api/v1/reload", method="POST")
    check.that(
        "a reload with a list at fault is valid",
        bad.status == 200 and not invalid("reload", bad.json()) and bad.json()["bad_lists"],
        bad,
    )
    status = daemon.get("/api/v1/status")
    check.that(
        "the status says what is rejected",
        not invalid("statusAnswer", status.json()) and status.json()["config"]["rejected"],
        status,
    )
    check.none("text of a status with it", misprinted(daemon.run("status").out))
    (lists / "bad.toml").unlink()
    check.equal("reload of what is mended: 0", daemon.run("reload").code, 0)
    away = [lists / f"{name}.toml" for name in ("numbers", "orders", "short")]
    for path in away:
        path.rename(path.with_suffix(".away"))
    plan = daemon.run("plan", "--json")
    check.that("plan of a removal of most orders: 78", plan.code == 78 and not invalid("reload", plan.json()), plan)
    refused = daemon.ask("/api/v1/reload", method="POST")
    check.that("a reload of it: 409, and why", refused.status == 409 and not invalid("reload", refused.json()), refused)
    check.that("and that it is meant is asked for", refused.json().get("refused") and refused.json()["at_fault"], refused)
    for path in away:
        path.with_suffix(".away").rename(path)
    check.equal("reload of what was not changed after all: 0", daemon.run("reload").code, 0)
    nonsense = daemon.ask("/api/v1/reload?force=maybe", method="POST")
    check.that("reload?force=maybe: 400", nonsense.status == 400 and not invalid("error", nonsense.json()), nonsense)


def requeued(check, daemon):
    told = daemon.run("requeue", "picky", "--json")
    check.that("requeue is valid", told.code == 0 and not invalid("requeued", told.json()) and told.json()["requeued"] > 0, told)
    for status, path in (
        (404, "nobody/requeue"),
        (400, "file/requeue"),
        (400, "picky/requeue?seq=1&from=2026-01-01T00:00:00Z"),
        (404, "picky/requeue?seq=99999999"),
    ):
        answer = daemon.ask(f"/api/v1/sinks/{path}", method="POST")
        check.that(f"POST {path}: {status}", answer.status == status and not invalid("error", answer.json()), answer)
    for status, path in ((409, "connect/sandbox"), (404, "connect/nobody"), (404, "lex/sandbox")):
        answer = daemon.ask(f"/api/v1/scopes/{path}/accept", method="POST")
        check.that(f"POST {path}/accept: {status}", answer.status == status and not invalid("error", answer.json()), answer)


def without_a_daemon(check, daemon):
    for arguments in (["ack", world.MANY], ["reload"], ["requeue", "picky"], ["accept", "connect/sandbox"]):
        told = daemon.run(*arguments)
        check.that(f"{arguments[0]} without a daemon: 69", told.code == 69 and told.err, told)
    told = daemon.run("wait", world.STUCK, "--timeout", "1s")
    check.that("wait without a daemon warns", told.code == 124 and "no daemon" in told.err, told)
    check.equal("show of what nobody knows, without a daemon: 1", daemon.run("show", "nobody").code, 1)
    check.equal("an urgency that is none, without a daemon: 64", daemon.run("orders", "--scope", "lex").code, 64)
    text = daemon.run("status").out
    check.that("the text says that no daemon runs", "NO DAEMON RUNS" in text, text[:200])


def before_the_first_start(check, daemon):
    for arguments in (["status"], ["orders"], ["show", world.FAILED], ["events"], ["deliveries"], ["wait", world.FAILED]):
        told = daemon.run(*arguments)
        check.that(f"{arguments[0]} without a store: 74", told.code == 74 and told.err and not told.out, told)
    check.equal("plan without a store: 2", daemon.run("plan", "--json").code, 2)


def while_up(check, daemon, stack):
    """With the daemon up, from its first start on."""
    closing = lambda follower: stack.enter_context(contextlib.closing(follower))
    began = time.monotonic()
    live_since = time.time() + 1
    live = closing(Follower(daemon, "&after=0"))
    at_the_socket = closing(Follower(daemon, "&after=0", over_tcp=False))
    silent = closing(Follower(daemon, "&event=nothing.*"))
    early = {
        "claimed": Waiting(daemon, "wait", world.SUCCESSFUL),
        "failed": Waiting(daemon, "wait", world.FAILED),
        "terminal": Waiting(daemon, "wait", world.PARTIAL, "--for", "terminal"),
        "watched": Waiting(daemon, "watch", "--exit-status", world.SUCCESSFUL),
        "watched, one failed": Waiting(daemon, "watch", "--exit-status", world.SUCCESSFUL, world.WARNED),
        "watched, as JSON": Waiting(daemon, "watch", "--json", "--exit-status", world.SUCCESSFUL, world.FAILED),
    }
    check.equal(
        "following begins", [follower.began() for follower in (live, at_the_socket, silent)], [(200, "text/event-stream")] * 3
    )
    beside = [threading.Thread(target=what, args=(check, daemon)) for what in (doors.slow, retrying)]
    for thread in beside:
        thread.start()
    acknowledge(check, daemon)
    for thread in beside:
        thread.join()
    until(lambda: not world.missing(daemon), TOLD_WITHIN)
    check.none("all of the story happened", world.missing(daemon))
    waits(check, daemon, early)
    following.comment(check, silent, began)
    following.from_the_beginning(check, daemon, live, "over TCP")
    following.in_time(check, live, live_since, "over TCP")
    doors.bad_requests(check, daemon)
    doors.methods(check, daemon)
    doors.hosts(check, daemon)
    following.crowd(check, daemon, already=3)
    dead = lambda: world.told(daemon, "delivery.dead", sink="picky", about_event=REFUSED[0])
    check.that("a webhook that refuses an event is told of", until(dead, TOLD_WITHIN), world.told(daemon, "delivery.dead"))
    failing = lambda: world.told(daemon, "sink.failing", sink="down")
    check.that("and one that nobody answers at", until(failing, TOLD_WITHIN), world.told(daemon, "sink.failing"))
    order = daemon.get(f"/api/v1/orders/{world.ALL_FAILED}").json()
    refused = [sent for sent in order["deliveries"] if (sent["event"], sent["stands"]) == (REFUSED[0], "dead")]
    check.that("the order's own answer has it", refused and refused[0]["last_error"], order["deliveries"])
    following.at_the_socket(check, daemon, at_the_socket, began)
    acknowledged(check, daemon)
    answers.schema(check, daemon)
    answers.metrics(check, daemon)
    answers.tallies(check, daemon)
    answers.names(check, daemon)
    paging.of_orders(check, daemon)
    paging.of_events(check, daemon)
    following.beginnings(check, daemon)
    up = answers.commands(check, daemon, running=True)
    answers.text(check, daemon, running=True)
    requeued(check, daemon)
    doors.idle(check, daemon)
    doors.unread(check, daemon)
    return up


def unready(check, daemon):
    """While somebody else holds the store's write lock the daemon lives, and says that it is not ready."""
    ready = lambda: daemon.get("/readyz")
    failing = lambda: "\nclaimwatch_store_failing 1\n" in daemon.get("/metrics").body.decode()
    with contextlib.closing(sqlite3.connect(daemon.folder / "claimwatch.db", isolation_level=None)) as store:
        store.execute("BEGIN IMMEDIATE")
        until(lambda: ready().status == 503, TOLD_WITHIN)
        told = ready()
        check.that(
            "/readyz: 503 and why, while the store takes nothing",
            told.status == 503 and not invalid("ready", told.json()) and told.json().get("reason"),
            told,
        )
        check.equal("/healthz: 200 all the same", daemon.get("/healthz").status, 200)
        status = daemon.get("/api/v1/status")
        check.that("and it can be asked", status.status == 200 and status.json()["store_failing"], status)
        check.that("the metrics say so", failing())
        store.execute("ROLLBACK")
    check.that("/readyz: 200 once it takes something again", until(lambda: ready().status == 200, TOLD_WITHIN), ready())
    check.that("and the metrics say so", not failing())


def interrupted(check, daemon):
    reloads(check, daemon)
    unready(check, daemon)

    def politely():
        check.equal("SIGTERM: the daemon ends well, though somebody follows", daemon.stop(), 0)
        daemon.start()

    def rudely():
        daemon.process.kill()
        daemon.process.wait()
        daemon.start()

    following.interrupted(check, daemon, politely, "after SIGTERM")
    following.interrupted(check, daemon, rudely, "after SIGKILL")
    following.commands_beside_followers(check, daemon)
    following.hung(check, daemon)


def picky(record):
    """A receiver that does not want to know how orders end, nor of one number that failed."""
    unwanted = record["event"] == "order.completed" or (record["event"], record.get("order_id")) == REFUSED
    return (422, RUDE) if unwanted else (204, "")


def main():
    parser = argparse.ArgumentParser(description="Asks a real claimwatch all that can be asked.")
    parser.add_argument("--program", required=True, help="the claimwatch to start")
    parser.add_argument("--busy", type=float, default=10, help="for how long to ask while it writes as fast as it can, seconds")
    asked = parser.parse_args()
    program = str(pathlib.Path(asked.program).resolve())
    check = Checks()
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        folder = pathlib.Path(folder)
        answers.documentation(check)
        scenario = world.scenario(folder)
        receiver = Receiver(picky)
        webhooks = [("picky", f"{receiver.address}/picky"), ("down", f"http://127.0.0.1:{free_port()}/down")]
        apart = threading.Thread(target=masked.run, args=(check, program, folder / "masked", scenario))
        simulated = stack.enter_context(simulator(program, scenario))
        daemon = world.daemon(program, folder / "main", simulated, webhooks)
        answers.labels(check, daemon, folder / "labels")
        before_the_first_start(check, daemon)
        apart.start()
        try:
            daemon.start()
            up = while_up(check, daemon, stack)
            interrupted(check, daemon)
            up |= answers.commands(check, daemon, running=True)
            daemon.stop()
            down = answers.commands(check, daemon, running=False)
            answers.same(check, up, down)
            answers.text(check, daemon, running=False)
            without_a_daemon(check, daemon)
            masked.from_now_on(check, daemon)
        finally:
            daemon.stop()
            apart.join()
        doors.guards(check, daemon.answers)
        busy.run(check, program, folder / "busy", asked.busy)
    print(f"{check.passed} passed, {check.failed} failed")
    return 1 if check.failed else 0


if __name__ == "__main__":
    sys.exit(main())
