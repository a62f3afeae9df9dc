#!/usr/bin/env python3
"""Asks while the daemon writes as fast as it can.

    busy.py --program PATH [--orders 2000] [--seconds 30]

Numbers that all change every two seconds, and commands and requests all the while: each answer is valid, none is an error, and
the events have no gap afterwards. Prints how long answers took, and how many events were written a second with questions and
without.
"""

import argparse
import itertools
import json
import pathlib
import sys
import tempfile
import threading
import time

from checks import Checks, invalid
from peers import Daemon, Follower, simulator, until

NUMBER = "5d3c2b1a-0f9e-4d8c-9b7a-{:012}"
MAIN = """[store]
url = "sqlite://claimwatch.db"
[account.sandbox]
region = "eu-west-2"
connect = { rate = 10000.0, burst = 10000, share = 1.0, in_flight = 64 }
[poll]
floor = "500ms"
steady = "500ms"
ceiling = "1s"
[events.file]
path = "events.jsonl"
[http]
listen = "127.0.0.1:9185"
"""
# Generous: a debug build on a machine that does other things.
SLOW = 5


def configure(folder, count):
    """A world in which `count` numbers change every two seconds, half of them at a time."""
    folder.mkdir(parents=True)
    (folder / "watch.d").mkdir()
    text = '[world]\nsignatures = "ignored"\n[quota.connect]\nrate = 100000.0\nburst = 100000\n'
    entries = ""
    for n in range(count):
        first, second = ("IN_PROGRESS", "CLAIMED") if n % 2 else ("CLAIMED", "IN_PROGRESS")
        changes = ", ".join(f'{{ at = "{at}s", status = "{second if at % 4 else first}" }}' for at in range(2, 600, 2))
        text += f'[[connect_number]]\nid = "{NUMBER.format(n)}"\nnumber = "+1206{n:07}"\n'
        text += f'timeline = [{{ at = "0s", status = "{first}" }}, {changes}]\n'
        entries += f'[[number]]\nid = "{NUMBER.format(n)}"\nlabel = "Line {n}"\n'
    (folder / "scenario.toml").write_text(text)
    (folder / "watch.d/busy.toml").write_text(
        f'account = "sandbox"\nlabels = {{ team = "voice" }}\npoll = {{ after_terminal = "500ms" }}\n{entries}'
    )
    (folder / "claimwatch.toml").write_text(MAIN)
    return folder / "scenario.toml"


def questions(count):
    """What is asked in turn: a name, the definition of the answer, and a command or a path."""
    some = itertools.count()
    number = lambda: NUMBER.format(next(some) * 37 % count)
    while True:
        yield "status", "statusAnswer", ["status"]
        yield "orders", "ordersPage", ["orders", "--limit", "50"]
        yield "orders --status", "ordersPage", ["orders", "--status", "claimed"]
        yield "show ID", "orderAnswer", ["show", number()]
        yield "show +NUMBER", "orderAnswer", ["show", f"+1206{next(some) * 41 % count:07}"]
        yield "events", None, ["events", "-n", "20"]
        yield "deliveries", "sinksAnswer", ["deliveries"]
        yield "GET status", "statusAnswer", "/api/v1/status"
        yield "GET orders", "ordersPage", "/api/v1/orders?limit=500"
        yield "GET events", "eventsPage", "/api/v1/events?event=number.*&limit=200"
        yield "GET metrics", None, "/metrics"


def ask(daemon, definition, question):
    """What is wrong with an answer."""
    if isinstance(question, str):
        answer = daemon.get(question)
        if answer.status != 200:
            return [repr(answer)]
        return invalid(definition, answer.json()) if definition else []
    told = daemon.run(*question, "--json")
    if told.code or told.err:
        return [repr(told)]
    if definition:
        return invalid(definition, told.json())
    return [bad for line in told.out.rstrip("\n").split("\n") for bad in invalid("event", json.loads(line))]


def asked_for(daemon, count, seconds):
    """Asks for so long: how long each took, by what was asked, and what was wrong."""
    took, wrong = {}, []
    end = time.monotonic() + seconds
    for name, definition, question in questions(count):
        began = time.monotonic()
        if began > end:
            return took, wrong
        problems = ask(daemon, definition, question)
        took.setdefault(name, []).append(time.monotonic() - began)
        wrong.extend((name, problem) for problem in problems)


def last_seq(daemon):
    return daemon.get("/api/v1/events?last=0").json()["next"]


def rate(daemon, seconds, during=None):
    """Events that are recorded a second."""
    first, began = last_seq(daemon), time.monotonic()
    if during:
        during()
    else:
        until(lambda: time.monotonic() - began >= seconds, seconds + 1)
    return (last_seq(daemon) - first) / (time.monotonic() - began)


def percentile(values, part):
    return sorted(values)[min(len(values) - 1, int(len(values) * part))]


def run(check, program, folder, seconds, count=2000):
    scenario = configure(folder, count)
    with simulator(program, scenario) as simulated:
        more = {f"CLAIMWATCH__ACCOUNT__SANDBOX__{service}__ENDPOINT": simulated for service in ("CONNECT", "CHIME")}
        daemon = Daemon(program, folder, **more)
        try:
            daemon.start()
            # Until each has a number that it can be asked for by.
            until(lambda: not daemon.get("/api/v1/orders?status=NEVER_SEEN&limit=1").json()["orders"], 120)
            follower = Follower(daemon, "&after=0")
            alone = rate(daemon, seconds / 2)
            told = {}
            asking = threading.Thread(
                target=lambda: told.update(zip(("took", "wrong"), asked_for(daemon, count, seconds), strict=True))
            )

            def both():
                asking.start()
                asking.join()

            beside = rate(daemon, seconds, both)
            newest = last_seq(daemon)
            came = follower.until(lambda came: came[0] is not None and came[0] >= newest, 120)
            follower.close()
        finally:
            code = daemon.stop()
        took = [second for all_of_it in told["took"].values() for second in all_of_it]
        check.none(f"busy: {len(took)} answers while it writes, all valid", told["wrong"])
        check.that(
            f"busy: the slowest twentieth took more than {percentile(took, 0.95):.2f} s",
            percentile(took, 0.95) < SLOW,
            told["took"],
        )
        for name, times in sorted(told["took"].items()):
            middle, late = percentile(times, 0.5), percentile(times, 0.95)
            print(f"      {name:16} {len(times):4} times, median {middle:.3f} s, p95 {late:.3f} s, most {max(times):.3f} s")
        check.that(
            f"busy: {beside:.0f} events a second while it is asked, {alone:.0f} before", beside > alone / 3, (alone, beside)
        )
        seqs = [came[0] for came in follower.events()]
        check.that(
            f"busy: {len(seqs)} events followed without gap or repetition",
            came and seqs == list(range(1, len(seqs) + 1)),
            seqs[-3:],
        )
        check.equal("busy: it ended well", code, 0)
        seqs = [line["seq"] for line in daemon.lines()]
        check.equal(f"busy: the event file has {len(seqs)} events without gap or repetition", seqs, list(range(1, len(seqs) + 1)))


def main():
    parser = argparse.ArgumentParser(description="Asks while the daemon writes as fast as it can.")
    parser.add_argument("--program", required=True, help="the claimwatch to start")
    parser.add_argument("--orders", type=int, default=2000, help="how many numbers change")
    parser.add_argument("--seconds", type=float, default=30, help="for how long to ask")
    asked = parser.parse_args()
    check = Checks()
    with tempfile.TemporaryDirectory() as folder:
        run(check, str(pathlib.Path(asked.program).resolve()), pathlib.Path(folder) / "busy", asked.seconds, asked.orders)
    print(f"{check.passed} passed, {check.failed} failed")
    return 1 if check.failed else 0


if __name__ == "__main__":
    sys.exit(main())
