#!/usr/bin/env python3
"""Receives the webhooks of a real claimwatch with libraries that share no code with it.

    check_webhooks.py --program PATH

Runs `PATH simulate` with the demo's world and `PATH run` with the demo's configuration and four webhooks, and verifies each
post by the published `standardwebhooks`, reads it by the CloudEvents SDK, and validates it by `envelope.schema.json`.
Prints a line for each check and `N passed, M failed`; exits with 1 if any failed.
"""

import argparse
import base64
import datetime
import http.server
import json
import os
import pathlib
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

import jsonschema
from cloudevents.core.bindings import http as cloudevents_http
from standardwebhooks import Webhook, WebhookVerificationError

HERE = pathlib.Path(__file__).parent
DEMO = HERE.parent.parent / "config"
SCHEMA = json.loads((HERE / "envelope.schema.json").read_text())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER)
ANNOUNCED = "listening on "
# The demo's story takes seventeen seconds; the last of it is this event, about the number that is lost.
LAST = "number.released"
PATIENCE = 60
# Seconds that the one that is down asks for: more than the first wait (5 s) that claimwatch has of its own.
RETRY_AFTER = 8
# Standard Webhooks 1.0.0 wants less than 20 kB.
LARGEST = 20_000


def new_secret(size=32):
    return "whsec_" + base64.b64encode(secrets.token_bytes(size)).decode()


class Post:
    """One request, and what it was answered."""

    def __init__(self, path, headers, body):
        self.path = path
        self.headers = {name.lower(): value for name, value in headers.items()}
        self.body = body
        self.at = time.monotonic()
        self.envelope = json.loads(body)
        self.status = None


class Receiver:
    """Keeps every post, and answers it with what `answer` says: a status and headers."""

    def __init__(self, answer):
        self.posts = []
        self.lock = threading.Lock()
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                post = Post(self.path, self.headers, body)
                with receiver.lock:
                    post.status, headers = answer(post)
                    receiver.posts.append(post)
                self.send_response(post.status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def of(self, hook):
        with self.lock:
            return [post for post in self.posts if post.path == f"/{hook}"]


class Checks:
    def __init__(self):
        self.passed = 0
        self.failed = 0

    def that(self, name, ok, seen=None):
        if ok:
            self.passed += 1
            print(f"ok    {name}")
        else:
            self.failed += 1
            print(f"FAIL  {name}: {seen!r}")

    def each(self, name, posts, problem):
        """No post has a problem."""
        found = [(post.headers.get("webhook-id"), said) for post in posts if (said := problem(post))]
        self.that(f"{name} ({len(posts)} posts)", posts and not found, found[:3])


def refusal(secret, post, body=None, **headers):
    """Why the published library refuses a post; None if it takes it."""
    try:
        changed = post.headers | {f"webhook-{name}": value for name, value in headers.items()}
        Webhook(secret).verify(post.body if body is None else body, changed)
    except WebhookVerificationError as error:
        return str(error)
    return None


def invalid(post):
    return next((error.message for error in VALIDATOR.iter_errors(post.envelope)), None)


def misread(post):
    """What the CloudEvents SDK reads differently."""
    message = cloudevents_http.HTTPMessage(headers=post.headers, body=post.body.encode())
    event = cloudevents_http.from_http_event(message)
    told = post.envelope
    pairs = [
        (event.get_id(), told["id"]),
        (event.get_source(), told["source"]),
        (event.get_type(), told["type"]),
        (event.get_specversion(), "1.0"),
        (event.get_subject(), told.get("subject")),
        (event.get_datacontenttype(), "application/json"),
        (event.get_time().timestamp(), time_of(told["data"]["time"])),
        (event.get_extension("sequence"), told["sequence"]),
        (event.get_data(), told["data"]),
    ]
    return next((pair for pair in pairs if pair[0] != pair[1]), None)


def time_of(text):
    return datetime.datetime.fromisoformat(text).timestamp()


def check_signatures(check, hook, posts, good, bad):
    for name, secret in good.items():
        check.each(f"{hook}: verified with {name}", posts, lambda post: refusal(secret, post))
        taken = lambda why: lambda post: None if why(post) else "it was taken"
        check.each(f"{hook}: a changed body is refused with {name}", posts,
                   taken(lambda post: refusal(secret, post, body=post.body.replace('"level"', '"Level"'))))
        check.each(f"{hook}: another id is refused with {name}", posts,
                   taken(lambda post: refusal(secret, post, id=post.headers["webhook-id"] + "0")))
        check.each(f"{hook}: another time is refused with {name}", posts,
                   taken(lambda post: refusal(secret, post, timestamp=str(int(post.headers["webhook-timestamp"]) + 1))))
    for name, secret in bad.items():
        check.each(f"{hook}: refused with {name}", posts,
                   lambda post: None if refusal(secret, post) else "it was taken")
    wanted = len(good)
    check.each(f"{hook}: a signature of each secret", posts,
               lambda post: len(post.headers["webhook-signature"].split(" ")) != wanted)


def check_posts(check, hook, posts, lines):
    check.each(f"{hook}: the media type", posts,
               lambda post: post.headers["content-type"] != "application/cloudevents+json; charset=utf-8")
    check.each(f"{hook}: small enough", posts, lambda post: len(post.body.encode()) >= LARGEST)
    check.each(f"{hook}: valid by the schema", posts, invalid)
    check.each(f"{hook}: read alike by the CloudEvents SDK", posts, misread)
    check.each(f"{hook}: the id in the header and in the body", posts,
               lambda post: post.headers["webhook-id"] != post.envelope["id"])
    check.each(f"{hook}: the record, byte for byte", posts,
               lambda post: post.body.split('"data":', 1)[1][:-1] not in lines)
    taken = [post for post in posts if post.status == 200]
    sequences = sorted(post.envelope["sequence"] for post in taken)
    check.that(f"{hook}: the sequence has no gap and sorts as text",
               sequences == [f"{n:020}" for n in range(1, len(taken) + 1)], sequences)
    order = {}
    disorder = []
    for post in taken:
        stream = post.envelope["id"].rsplit("-", 2)[0]
        if order.get(stream, 0) >= post.envelope["data"]["seq"]:
            disorder.append(post.envelope["id"])
        order[stream] = post.envelope["data"]["seq"]
    check.that(f"{hook}: in order per stream", not disorder, disorder)
    check.that(f"{hook}: one store", len({post.envelope["source"] for post in posts}) == 1)


def check_all(check, receiver, keys, folder):
    lines = set((folder / "events.jsonl").read_text().splitlines())
    old, new, other = keys["old"], keys["new"], {"another secret": new_secret()}
    check_signatures(check, "single", receiver.of("single"), {"its secret": old}, other | {"the new one": new})
    check_signatures(check, "rotating", receiver.of("rotating"), {"the old one": old, "the new one": new}, other)
    for hook in ("single", "rotating", "windows", "flaky"):
        check_posts(check, hook, receiver.of(hook), lines)
    everything = {json.loads(line)["id"] for line in lines if not json.loads(line)["event"].startswith("sink.")}
    for hook in ("single", "rotating", "flaky"):
        ids = {post.envelope["id"] for post in receiver.of(hook) if post.status == 200}
        check.that(f"{hook}: every event ({len(everything)})", everything <= ids, everything - ids)
    windows = receiver.of("windows")
    check.each("windows: nothing else", windows, lambda post: not post.envelope["type"].startswith("claimwatch.window."))
    wanted = sum(json.loads(line)["event"].startswith("window.") for line in lines)
    check.that("windows: all of them", len(windows) == wanted, (len(windows), wanted))
    check_repeats(check, receiver.of("flaky"), old)


def check_repeats(check, posts, secret):
    refused = [post for post in posts if post.status == 503]
    taken = [post for post in posts if post.status == 200]
    waited = taken[0].at - refused[0].at if refused and taken else 0
    check.that("flaky: left alone as long as it asks", RETRY_AFTER <= waited + 0.1 < RETRY_AFTER * 2, waited)
    again = {post.envelope["id"]: post for post in taken}

    def differs(first):
        second = again.get(first.envelope["id"])
        if not second:
            return "it did not come again"
        if second.body != first.body or second.headers["webhook-id"] != first.headers["webhook-id"]:
            return "it is another one"
        if first.headers["webhook-timestamp"] == second.headers["webhook-timestamp"]:
            return "the time is not the attempt's"
        return refusal(secret, first) or refusal(secret, second)

    check.each("flaky: what was refused came again, the same, signed anew", refused, differs)
    check.that("flaky: and once", len(taken) == len(again), (len(taken), len(again)))


def configure(folder, receiver, keys):
    shutil.copytree(DEMO / "demo", folder, dirs_exist_ok=True)
    for name, key in keys.items():
        secret = folder / f"{name}.secret"
        secret.write_text(key + "\n")
        secret.chmod(0o600)
    main = folder / "claimwatch.toml"
    text = main.read_text() + '\n[events.file]\npath = "events.jsonl"\n'
    hooks = [("single", '["old.secret"]', ""), ("rotating", '["new.secret", "old.secret"]', ""),
             ("windows", '["old.secret"]', 'events = ["window.*"]'), ("flaky", '["old.secret"]', "")]
    for name, files, more in hooks:
        port = receiver.server.server_address[1]
        text += f'[[events.webhook]]\nname = "{name}"\nurl = "http://127.0.0.1:{port}/{name}"\n'
        text += f"secret_files = {files}\n{more}\n"
    main.write_text(text)


def announced(simulator):
    for line in simulator.stdout:
        if line.startswith(ANNOUNCED):
            return line.removeprefix(ANNOUNCED).strip()
    raise SystemExit("the simulator ended without saying where it listens")


def wait_for_the_end(daemon, receiver):
    """Until every webhook that wants it has the last event of the story."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if daemon.poll() is not None:
            raise SystemExit(f"claimwatch ended with {daemon.returncode}")
        done = [any(post.status == 200 and post.envelope["data"]["event"] == LAST for post in receiver.of(hook))
                for hook in ("single", "rotating", "flaky")]
        if all(done):
            return
        time.sleep(0.1)
    raise SystemExit(f"{LAST} did not come within {PATIENCE} s")


def ended(process):
    process.send_signal(signal.SIGTERM)
    try:
        return process.wait(timeout=20)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def main():
    parser = argparse.ArgumentParser(description="Receives the webhooks of a real claimwatch.")
    parser.add_argument("--program", required=True, help="the claimwatch to start")
    program = pathlib.Path(parser.parse_args().program).resolve()
    down_until = []

    def answer(post):
        # One webhook is down for its first two seconds, and says when it wants to be asked again.
        if post.path == "/flaky":
            down_until or down_until.append(time.monotonic() + 2)
            if time.monotonic() < down_until[0]:
                return 503, {"Retry-After": str(RETRY_AFTER)}
        return 200, {}

    receiver = Receiver(answer)
    keys = {"old": new_secret(24), "new": new_secret(64)}
    check = Checks()
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        configure(folder, receiver, keys)
        # Where CI ran before, nothing of the user's own AWS settings is to be found.
        environment = {"PATH": os.environ["PATH"], "AWS_ACCESS_KEY_ID": "simulated", "AWS_SECRET_ACCESS_KEY": "simulated"}
        scenario = DEMO / "scenarios/demo.toml"
        simulate = [program, "simulate", "--listen", "127.0.0.1:0", "--scenario", scenario]
        with subprocess.Popen(simulate, stdout=subprocess.PIPE, text=True) as simulator:
            try:
                endpoint = announced(simulator)
                for service in ("CONNECT", "CHIME"):
                    environment[f"CLAIMWATCH__ACCOUNT__DEMO__{service}__ENDPOINT"] = endpoint
                run = [program, "run", "--config", folder / "claimwatch.toml"]
                daemon = subprocess.Popen(run, env=environment, stdout=subprocess.DEVNULL)
                try:
                    wait_for_the_end(daemon, receiver)
                finally:
                    code = ended(daemon)
                check.that("claimwatch ended well", code == 0, code)
            finally:
                ended(simulator)
        check_all(check, receiver, keys, folder)
    print(f"{check.passed} passed, {check.failed} failed")
    return 1 if check.failed else 0


if __name__ == "__main__":
    sys.exit(main())
