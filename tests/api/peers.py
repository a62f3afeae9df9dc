"""The peers of a check: a simulated AWS, the daemon, whoever takes its webhooks, and clients that share no code with it."""

import base64
import contextlib
import http.client
import http.server
import json
import os
import pathlib
import queue
import secrets
import signal
import socket
import subprocess
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
ANNOUNCED = "listening on "
# Seconds for what takes none, on a machine that does other things as well.
PATIENCE = 60


class Gone(Exception):
    """A process of ours ended by itself, or did not come up."""


def until(what, patience=PATIENCE, every=0.05):
    """What `what` returns once that is true; else what it returned last."""
    end = time.monotonic() + patience
    while not (found := what()) and time.monotonic() < end:
        time.sleep(every)
    return found


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def environment(**more):
    """Without what the user has set for AWS and for claimwatch, and with the only credentials that the simulator knows."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "CLAIMWATCH_", "RUST_"))}
    return kept | {"AWS_ACCESS_KEY_ID": "simulated", "AWS_SECRET_ACCESS_KEY": "simulated", "NO_COLOR": "1"} | more


def end(process, patience=20):
    """Ends a process of ours, by its id."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    return process.returncode


@contextlib.contextmanager
def simulator(program, scenario):
    """A simulated AWS that plays a scenario; gives its address."""
    command = [program, "simulate", "--listen", "127.0.0.1:0", "--scenario", scenario]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment())
    try:
        for line in process.stdout:
            if line.startswith(ANNOUNCED):
                yield line.removeprefix(ANNOUNCED).strip()
                return
        raise Gone("the simulator ended without saying where it listens")
    finally:
        end(process)
        process.stdout.close()


class Receiver:
    """Takes webhooks; `answer` says with what status and body, from the record."""

    def __init__(self, answer):
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                posted = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                status, body = answer(posted["data"])
                body = body.encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def address(self):
        return f"http://127.0.0.1:{self.server.server_address[1]}"


def secret(path):
    path.write_text("whsec_" + base64.b64encode(secrets.token_bytes(32)).decode() + "\n")
    path.chmod(0o600)


class Daemon:
    """The daemon in a folder of its own, where its configuration is `claimwatch.toml`."""

    def __init__(self, program, folder, port=None, **more):
        self.program = program
        self.folder = folder
        self.port = port or free_port()
        self.environment = environment(CLAIMWATCH_CONFIG=str(folder / "claimwatch.toml"), **more)
        self.environment["CLAIMWATCH__HTTP__LISTEN"] = f"127.0.0.1:{self.port}"
        self.process = None
        # Everything that the HTTP endpoint answered.
        self.answers = []

    @property
    def socket(self):
        return str(self.folder / "claimwatch.db.sock")

    def start(self):
        with open(self.folder / "run.log", "a") as log:
            self.process = subprocess.Popen(
                [self.program, "run"], env=self.environment, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        if not until(self.is_up, patience=180):
            raise Gone(f"the daemon did not come up: {self.said()}")
        return self

    def is_up(self):
        if self.process.poll() is not None:
            raise Gone(f"the daemon ended with {self.process.returncode}: {self.said()}")
        with contextlib.suppress(OSError, http.client.HTTPException):
            return self.get("/readyz", patience=5).status == 200 and self.ask("/api/v1/sinks", patience=5).status == 200
        return False

    def stop(self, patience=60):
        return end(self.process, patience) if self.process else None

    def said(self):
        return (self.folder / "run.log").read_text(errors="replace")[-1500:]

    def run(self, *arguments, patience=120):
        """A command beside the daemon: its exit code, standard output and standard error."""
        done = subprocess.run(
            [self.program, *arguments],
            env=self.environment,
            cwd=self.folder,
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=patience,
        )
        return Told(done.returncode, done.stdout, done.stderr)

    def get(self, path, **how):
        """What the HTTP endpoint answers."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=how.pop("patience", 30))
        self.answers.append(exchange(connection, path, **how))
        return self.answers[-1]

    def raw(self, request, patience=30):
        """What the HTTP endpoint answers to bytes as they are."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=patience) as stream:
            stream.sendall(request)
            answer = http.client.HTTPResponse(stream)
            try:
                answer.begin()
                told = {name.lower(): value for name, value in answer.getheaders()}
                self.answers.append(Answer(answer.status, told, read(answer, patience)))
            except (http.client.HTTPException, OSError) as broken:
                return Answer(0, {}, repr(broken).encode())
        return self.answers[-1]

    def ask(self, path, **how):
        """What the control socket answers."""
        return exchange(UnixConnection(self.socket, timeout=how.pop("patience", 30)), path, **how)

    def lines(self):
        """The records of the event file."""
        path = self.folder / "events.jsonl"
        text = path.read_bytes() if path.exists() else b""
        # What is being written has no end yet.
        return [json.loads(line) for line in text.split(b"\n")[:-1]]


class Told:
    """What a command said."""

    def __init__(self, code, out, err):
        self.code = code
        self.out = out.decode(errors="surrogateescape")
        self.err = err.decode(errors="surrogateescape")

    def json(self):
        return json.loads(self.out)

    def __repr__(self):
        return f"exit {self.code}: {self.out[-300:]!r} {self.err[-300:]!r}"


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("claimwatch", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Answer:
    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers
        self.body = body

    def header(self, name):
        return self.headers.get(name.lower())

    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"{self.status} {self.body[:300]!r}"


def exchange(connection, path, method="GET", headers=None, body=None):
    """One request on a connection of its own."""
    with contextlib.closing(connection):
        connection.request(method, path, headers=headers or {}, body=body)
        answer = connection.getresponse()
        told = {}
        for name, value in answer.getheaders():
            told[name.lower()] = value if name.lower() not in told else f"{told[name.lower()]}, {value}"
        return Answer(answer.status, told, read(answer, connection.timeout))


def read(answer, patience):
    """All of an answer; of one that does not end, what came until then."""
    end, body = time.monotonic() + patience, b""
    with contextlib.suppress(TimeoutError):
        while time.monotonic() < end and (part := answer.read1(1 << 16)):
            body += part
    return body


class Follower:
    """Follows events in a thread of its own. What comes is (id, name, record, when); a comment is (None, None, None, when)."""

    def __init__(self, daemon, query="", last=None, over_tcp=True):
        self.got = queue.Queue()
        self.status = queue.Queue(1)
        self.heard = []
        make = http.client.HTTPConnection if over_tcp else UnixConnection
        self.connection = make(*(("127.0.0.1", daemon.port) if over_tcp else (daemon.socket,)), timeout=90)
        headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": str(last)} if last is not None else {})
        self.thread = threading.Thread(target=self._read, args=(f"/api/v1/events?follow{query}", headers), daemon=True)
        self.thread.start()

    def _read(self, path, headers):
        try:
            self.connection.request("GET", path, headers=headers)
            answer = self.connection.getresponse()
            self.status.put((answer.status, answer.getheader("content-type")))
            told = {}
            while line := answer.readline():
                line = line.decode().rstrip("\n")
                if not line and told:
                    self._heard(told)
                    told = {}
                elif line.startswith(":"):
                    self.got.put((None, None, None, time.time()))
                elif line:
                    field, _, value = line.partition(":")
                    # As the specification has it, several lines of data are one text.
                    value = value.removeprefix(" ")
                    told[field] = f"{told[field]}\n{value}" if field == "data" and field in told else value
        except (OSError, ValueError, AttributeError, http.client.HTTPException) as cause:
            with contextlib.suppress(queue.Full):
                self.status.put_nowait((0, repr(cause)))
        finally:
            self.got.put(None)

    def _heard(self, told):
        if "data" in told:
            self.got.put((int(told["id"]), told.get("event"), json.loads(told["data"]), time.time()))

    def began(self, patience=30):
        """The status, and the type of what comes."""
        try:
            return self.status.get(timeout=patience)
        except queue.Empty:
            return (0, "no answer")

    def until(self, is_it, patience=PATIENCE):
        """Reads on until something is it: whether that came. `heard` has all that came."""
        end = time.monotonic() + patience
        while (left := end - time.monotonic()) > 0:
            try:
                came = self.got.get(timeout=left)
            except queue.Empty:
                return False
            if came is None:
                return False
            self.heard.append(came)
            if is_it(came):
                return True
        return False

    def events(self):
        return [came for came in self.heard if came[0] is not None]

    def close(self):
        with contextlib.suppress(OSError, AttributeError):
            self.connection.sock.shutdown(socket.SHUT_RDWR)
        self.thread.join(10)
        self.connection.close()
