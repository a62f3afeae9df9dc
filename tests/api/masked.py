"""With `events.numbers = "masked"` no full number is in any answer of the HTTP endpoint; the control socket shows them."""

import answers
import world
from checks import invalid
from peers import Follower, simulator, until

MASKED = {"CLAIMWATCH__EVENTS__NUMBERS": "masked"}
LABELLED = "The line +442079460114"


def everything(daemon):
    """All that can be asked for over HTTP: what, and the bytes of the answer."""
    paths = [path for _, path in answers.requests(daemon)]
    paths += ["/metrics", "/readyz", "/", "/page.js", f"/api/v1/orders/{world.RESTLESS}", "/api/v1/events?after=0&limit=1000"]
    for path in paths:
        yield path, daemon.get(path).body
    follower = Follower(daemon, "&after=0")
    newest = daemon.lines()[-1]["seq"]
    follower.until(lambda came: came[0] is not None and came[0] >= newest)
    follower.close()
    yield "/api/v1/events?follow", "\n".join(map(str, follower.events())).encode()


def shown(body, numbers):
    return [number for number in numbers if number.strip("+").encode() in body]


def unmasked(daemon, numbers, but=()):
    for path, body in everything(daemon):
        if found := shown(body, [number for number in numbers if number not in but]):
            at = body.index(found[0].strip("+").encode())
            yield path, found[0], body[max(0, at - 90) : at + 20]


def run(check, program, folder, scenario):
    """A daemon of its own, masked from the beginning."""
    with simulator(program, scenario) as simulated:
        daemon = world.daemon(program, folder, simulated, **MASKED)
        try:
            daemon.start()
            until(lambda: not world.missing(daemon), 120)
            check.none("masked: all of the story happened", world.missing(daemon))
            looked_at(check, daemon)
        except Exception as broken:  # noqa: BLE001 - it runs beside other checks, which go on
            check.that("masked: the checks ended", False, broken)
        finally:
            daemon.stop()


def looked_at(check, daemon):
    numbers = world.numbers()
    check.none(f"masked: none of {len(numbers)} numbers is in any answer", unmasked(daemon, numbers))
    by_tcp = [one.get("number") for one in answers.orders(daemon, daemon.get)]
    by_socket = [one.get("number") for one in answers.orders(daemon)]
    check.that("masked: but their first and last digits are", "+4420******04" in by_tcp, by_tcp)
    check.that("masked: the socket shows them", "+442079460104" in by_socket, by_socket)
    order = daemon.ask(f"/api/v1/orders/{world.MANY}").json()
    check.that(
        "masked: those of a Chime order as well",
        "+12065550161" in [one["number"] for one in order["numbers"]],
        order["numbers"][:2],
    )
    check.that(
        "masked: one is found by its full number", daemon.get(f"/api/v1/orders/{answers.encoded('+442079460104')}").status == 200
    )
    told = daemon.run("show", "+442079460104", "--json")
    check.that(
        "masked: `show` has it",
        told.code == 0 and told.json()["order"]["number"] == "+442079460104" and not invalid("orderAnswer", told.json()),
        told,
    )
    lists = daemon.folder / "watch.d"
    (lists / "bad.toml").write_text(world.BAD_LIST)
    daemon.run("reload")
    check.none("masked: nor that of a list at fault", ((p, b) for p, n, b in unmasked(daemon, ["+442079460199"])))
    (lists / "bad.toml").unlink()
    (lists / "restless.toml").write_text(world.watch_list("sandbox", [(world.RESTLESS, {"label": LABELLED})]))
    daemon.run("reload")
    until(lambda: world.told(daemon, "number.claimed", world.RESTLESS), 30)
    check.none("masked: nor that in a label", ((p, b) for p, n, b in unmasked(daemon, ["+442079460114"])))
    events = [
        line
        for line in daemon.lines()
        if shown(world.pretty(line).encode(), [n for n in numbers if n not in ("+442079460199", "+442079460114")])
    ]
    check.none("masked: nor in the event file", events)


def from_now_on(check, daemon):
    """The same store, with events from before: what was recorded in full is masked where it is shown."""
    daemon.environment |= MASKED
    daemon.start()
    numbers = world.numbers()
    check.none(
        "masked from now on: no number that was recorded before is in any answer",
        unmasked(daemon, numbers, but=("+442079460199", "+442079460114")),
    )
    daemon.stop()
    for name in MASKED:
        del daemon.environment[name]
