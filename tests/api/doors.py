"""The doors: what is refused and how, who may ask, and that nobody who is slow keeps others waiting."""

import contextlib
import json
import socket
import time

import world
from checks import invalid
from peers import UnixConnection, exchange

GUARDS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
}
POLICY = "default-src 'none'"
# Seconds within which one that connected has to have asked, and what a busy machine adds.
QUESTION = 10
SLACK = 8


BAD = {
    400: """
        /api/v1/orders?limit=0 /api/v1/orders?limit=501 /api/v1/orders?limit=abc /api/v1/orders?limit=-1
        /api/v1/orders?limit=4294967296 /api/v1/orders?limit= /api/v1/orders?limit=1&limit=2
        /api/v1/orders?after=garbage /api/v1/orders?after=1.2.3 /api/v1/orders?urgency=Window
        /api/v1/orders?scope=lex /api/v1/orders?label=team /api/v1/orders/%ff%fe
        /api/v1/events?limit=0 /api/v1/events?limit=1001 /api/v1/events?limit=abc /api/v1/events?after=-1
        /api/v1/events?after=garbage /api/v1/events?after=1&since=2026-01-01T00:00:00Z /api/v1/events?level=loud
        /api/v1/events?since=yesterday /api/v1/events?last=-1 /api/v1/events?after=99999999999999999999
        /api/v1/sinks/file/deliveries?state=lost /api/v1/sinks/file/deliveries?limit=0
        /api/v1/sinks/file/deliveries?limit=1001 /api/v1/sinks/%ff/deliveries
    """,
    404: """
        /api/v1/sinks/nobody/deliveries /api/v1/orders/nobody /api/v1/orders/ /api/v2/status /api/v1/statu
        /api/v1/status/ /../../etc/passwd /api/v1/orders/..%2f..%2fetc%2fpasswd /%2e%2e/etc/passwd //etc/passwd
        /api/v1/orders/%00 /api/v1/orders/%0d%0aX-Injected:%201 /page.js/../../Cargo.toml /page.js%00.html
        /api/v1/orders/%zz /api/v1/orders/%
    """,
    409: "/api/v1/orders/0c1f3b6e",
}


def get(target, *headers, method="GET", version="1.1"):
    lines = [f"{method} {target} HTTP/{version}", *headers, "", ""]
    return "\r\n".join(lines).encode()


def bad_requests(check, daemon):
    """What is no question is a 4xx with a reason, at both doors."""
    long = "a" * 20_000
    cases = [(status, path) for status, paths in BAD.items() for path in paths.split()]
    cases += [(404, f"/{long}"), (404, f"/api/v1/orders/{long}")]
    by_tcp = lambda path: daemon.raw(get(path, "Host: localhost"))
    by_socket = lambda path: exchange(UnixConnection(daemon.socket, 30), path)
    for door, ask in (("TCP", by_tcp), ("the socket", by_socket)):
        wrong = []
        for status, path in cases:
            answer = ask(path)
            if answer.status != status:
                wrong.append((path[:60], answer.status, answer.body[:80]))
            elif not_said(answer):
                wrong.append((path[:60], answer.header("content-type"), answer.body[:80]))
        check.none(f"{len(cases)} bad requests over {door} are refused, and why", wrong)
    answers = [
        (path, by_tcp(path))
        for path in (
            "/api/v1/orders?list=%ff%fe",
            f"/api/v1/orders?list={long}",
            "/api/v1/events?event=%E2%80%AE*",
            "/api/v1/orders?list=%00",
        )
    ]
    check.none(
        "what nothing is called like is an empty page",
        (a for p, a in answers if a.status != 200 or json.loads(a.body).get("orders", json.loads(a.body).get("events"))),
    )
    injected = by_tcp("/api/v1/orders/%0d%0aX-Injected:%201")
    check.that("nothing of a path gets into the headers", "x-injected" not in injected.headers, injected.headers)


def not_said(answer):
    try:
        return invalid("error", answer.json())
    except ValueError:
        return ["no JSON"]


def methods(check, daemon):
    """The HTTP endpoint takes nothing but GET, and HEAD of it."""
    wrong = []
    there = [
        "/api/v1/status",
        "/api/v1/orders",
        f"/api/v1/orders/{world.FAILED}",
        "/api/v1/events",
        "/api/v1/scopes",
        "/api/v1/sinks",
    ]
    there += ["/api/v1/sinks/file/deliveries", "/metrics", "/healthz", "/readyz", "/", "/page.js"]
    acting = [
        f"/api/v1/orders/{world.FAILED}/ack",
        "/api/v1/scopes/connect/sandbox/accept",
        "/api/v1/reload",
        "/api/v1/plan",
        "/api/v1/sinks/picky/requeue",
    ]
    before = daemon.lines()[-1]["seq"]
    for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"):
        for path, status in [(path, 405) for path in there] + [(path, 404) for path in acting]:
            answer = daemon.raw(get(path, "Host: localhost", "Content-Length: 0", "Origin: http://evil.example", method=method))
            if answer.status != status or not_said(answer):
                wrong.append((method, path, answer))
    check.none("nothing but GET at the HTTP endpoint", wrong)
    check.none("GET of what acts is not there", ((path, a) for path in acting if (a := daemon.get(path)).status != 404))
    acted = [r["event"] for r in daemon.lines() if r["seq"] > before and r["event"].startswith(("config.", "window.ack"))]
    check.equal("and nothing was done", acted, [])
    wrong = []
    for path in there:
        head, whole = daemon.get(path, method="HEAD"), daemon.get(path)
        unlike = {k for k in head.headers.keys() ^ whole.headers.keys()} - {"content-length", "transfer-encoding"}
        if head.status != 200 or head.body or unlike or head.header("content-type") != whole.header("content-type"):
            wrong.append((path, head, unlike))
    check.none("HEAD is GET without a body", wrong)
    heads = [daemon.get("/api/v1/events?follow", method="HEAD").status for _ in range(40)]
    check.equal("HEAD of what follows keeps no place", heads, [200] * 40)


def hosts(check, daemon):
    """Only to known names. What is no name, or two of them, is refused."""
    known = [
        "localhost",
        f"localhost:{daemon.port}",
        "127.0.0.1",
        f"127.0.0.1:{daemon.port}",
        "[::1]",
        f"[::1]:{daemon.port}",
        "LOCALHOST",
        "192.0.2.7",
    ]
    known += ["claims.example.com", "Claims.Example.com:443"]
    check.none(
        "known hosts are answered to", ((h, a) for h in known if (a := daemon.raw(get("/healthz", f"Host: {h}"))).status != 200)
    )
    evil = [
        "evil.example",
        "evil.example:9185",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "claims.example.com.evil.example",
        "evil.example#localhost",
    ]
    evil += [
        "",
        "a b",
        "localhost,evil.example",
        "localhost/",
        "evil.example/localhost",
        "evil.example\\@localhost",
        "[evil.example]",
        "0x7f.1",
    ]
    refused = lambda *headers: daemon.raw(get("/healthz", *headers))
    check.none("others are not", ((h, a) for h in evil if (a := refused(f"Host: {h}")).status not in (400, 403)))
    check.that("without a host: refused", refused().status in (400, 403), refused())
    twice = [("localhost", "evil.example"), ("evil.example", "localhost"), ("localhost", "localhost")]
    check.none(
        "with two hosts: refused",
        ((pair, a) for pair in twice if (a := refused(*(f"Host: {h}" for h in pair))).status not in (400, 403)),
    )
    absolute = daemon.raw(get("http://evil.example/healthz", "Host: localhost"))
    check.that("an address of another host in the request: refused", absolute.status in (400, 403), absolute)
    every = ["/", "/page.js", "/metrics", "/healthz", "/readyz", "/api/v1/status", "/api/v1/events?follow", "/nothing"]
    check.none(
        "nothing at all is answered to another host",
        ((p, a) for p in every if (a := daemon.raw(get(p, "Host: evil.example"))).status not in (400, 403)),
    )


def guards(check, answers):
    """What every answer carries, and what none does. What the HTTP library itself says to what is no request has no content."""
    unguarded, open_to_others = [], []
    whole = [answer for answer in answers if answer.status and (answer.body or answer.header("content-type"))]
    for answer in whole:
        if any(answer.header(name) != value for name, value in GUARDS.items()) or not (
            answer.header("content-security-policy") or ""
        ).startswith(POLICY):
            unguarded.append((answer.status, answer.body[:60], sorted(answer.headers)))
        if any(name.startswith("access-control-") for name in answer.headers):
            open_to_others.append(answer)
    statuses = sorted({answer.status for answer in whole})
    check.none(f"{len(whole)} answers ({', '.join(map(str, statuses))}) carry what browsers have to know", unguarded)
    check.none("none is open to other origins", open_to_others)


def until_closed(stream, patience):
    """Seconds until the other side closes."""
    began = time.monotonic()
    stream.settimeout(1)
    while time.monotonic() - began < patience:
        with contextlib.suppress(TimeoutError):
            if not stream.recv(65536):
                break
    else:
        return None
    return time.monotonic() - began


def connected(daemon, over_tcp, receive=None):
    stream = socket.socket(socket.AF_INET if over_tcp else socket.AF_UNIX, socket.SOCK_STREAM)
    if receive:
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive)
    stream.settimeout(30)
    stream.connect(("127.0.0.1", daemon.port) if over_tcp else daemon.socket)
    return stream


def slow(check, daemon):
    """Half a request, and one a letter at a time: the connection is closed, and others are served meanwhile."""
    half = b"GET /api/v1/status HTTP/1.1\r\nHost: local"
    for over_tcp in (True, False):
        with connected(daemon, over_tcp) as stream, connected(daemon, over_tcp) as drip:
            stream.sendall(half)
            began, slowest, ends = time.monotonic(), 0, {}
            request = iter(half + b"x" * 1000)
            while len(ends) < 2 and time.monotonic() - began < QUESTION + SLACK + 5:
                for name, one in (("half", stream), ("drip", drip)):
                    if name in ends:
                        continue
                    one.settimeout(0.05)
                    try:
                        if name == "drip":
                            one.sendall(bytes([next(request)]))
                        if one.recv(4096) == b"":
                            ends[name] = time.monotonic() - began
                    except TimeoutError:
                        pass
                    except OSError:
                        ends[name] = time.monotonic() - began
                asked = time.monotonic()
                served = (daemon.get if over_tcp else daemon.ask)("/api/v1/sinks")
                slowest = max(slowest, time.monotonic() - asked)
                if served.status != 200:
                    slowest = 1000
            door = "TCP" if over_tcp else "the socket"
            for name, what in (("half", "half a request"), ("drip", "a letter at a time")):
                took = ends.get(name)
                check.that(
                    f"{what} over {door}: closed after {QUESTION} s or so ({took and round(took, 1)})",
                    took and QUESTION - 2 <= took <= QUESTION + SLACK,
                    took,
                )
            check.that(f"others are served meanwhile over {door} (slowest: {slowest:.2f} s)", slowest < 3, slowest)


def idle(check, daemon, count=80):
    """More idle connections than there may be: who asks then waits for the first of them to be closed, and no longer."""
    with contextlib.ExitStack() as stack:
        for n in range(count):
            stream = stack.enter_context(connected(daemon, True))
            # Every other one has asked once.
            if n % 2 and n < 60:
                stream.sendall(get("/healthz", "Host: localhost"))
                stream.recv(4096)
        began = time.monotonic()
        answer = daemon.get("/healthz", patience=QUESTION + SLACK + 5)
        took = time.monotonic() - began
        check.that(
            f"/healthz behind {count} idle connections ({took:.1f} s)",
            answer.status == 200 and took <= QUESTION + SLACK,
            (answer, took),
        )


def unread(check, daemon, count=64):
    """Connections that ask for much and read nothing: their places are free again once an answer has waited long enough."""
    with contextlib.ExitStack() as stack:
        for _ in range(count):
            stream = stack.enter_context(connected(daemon, True, receive=4096))
            stream.sendall(get("/api/v1/events?after=0&limit=1000", "Host: localhost") * 200)
        began = time.monotonic()
        answer = daemon.get("/healthz", patience=2 * QUESTION + SLACK + 5)
        took = time.monotonic() - began
        check.that(
            f"/healthz behind {count} connections that do not read ({took:.1f} s)",
            answer.status == 200 and took <= 2 * QUESTION + SLACK,
            (answer, took),
        )
