#!/usr/bin/env python3
"""Breaks the daemon on purpose, one place at a time, and sees whether the simulation notices.

Each break is one replacement in one file, made in a copy of the working tree. A break that survives is printed and the exit
code is 1. `breaks.py NAME...` does only those; `--seeds N` sets how many worlds each gets (default 300).
"""

import argparse
import os
import re
import resource
import shutil
import signal
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
COPY = os.path.join(os.environ.get("CARGO_TARGET_DIR", os.path.join(ROOT, "target")), "breaks")

# Seconds for one break, compiling included; 300 worlds take one minute.
LONGEST = 900
# Bytes for each process of it: the compiler needs most.
MEMORY = 8 << 30

# The name, the file, what stands there, what stands there then.
BREAKS = [
    ("outbox written outside of the transaction", "src/daemon/journal.rs",
     "        match self.store.commit(batch).await {",
     "        let mut batch = batch;\n"
     "        let said: Vec<Record> = batch.changes.iter_mut().flat_map(|c| std::mem::take(&mut c.records)).collect();\n"
     "        let first = self.store.commit(batch).await;\n"
     "        if first.is_ok() {\n"
     "            self.store.commit(Batch { records: said, ..Batch::default() }).await?;\n"
     "        }\n"
     "        match first {"),
    ("generation guard dropped", "src/store/memory/mod.rs",
     "let wins = if *was == 0 { stored.is_none() } else { stored == Some(*was) };",
     "let wins = true; let _unused = (was, stored);"),
    ("429 counted as the order's fault", "src/provider/classify.rs",
     "return Observation::Throttled { retry_after: wait() };",
     "return Observation::Malformed { detail: \"HTTP 429\".to_owned() };"),
    ("lease never expiring", "src/core/delivery/endpoint.rs",
     "const LEASE: Duration = Duration::from_secs(30);", "const LEASE: Duration = Duration::from_hours(10_000);"),
    ("the file's last line is not read back", "src/daemon/relay.rs",
     "let Some(has) = has else { return Ok(()) };", "let Some(has) = has.filter(|_| false) else { return Ok(()) };"),
    ("the note goes one event too far", "src/daemon/relay.rs",
     "self.unsettled = Some(last);", "self.unsettled = Some(last + 1);"),
    ("two events of a stream under way", "src/core/delivery/endpoint.rs",
     "self.flights.keys().chain(resting).chain(&self.tried).cloned().collect()",
     "resting.chain(&self.tried).cloned().collect()"),
    ("no delivery is ever dead", "src/core/delivery/endpoint.rs",
     "const STRIKES_DEAD: u32 = 1200;", "const STRIKES_DEAD: u32 = u32::MAX;"),
    ("an outage kills events", "src/core/delivery/endpoint.rs",
     "                    None => Verdict::Again { strikes: flight.strikes },",
     "                    None => self.strike(stream, flight.strikes + 100, now.tick),"),
    ("two webhooks tell each other of refusals for ever", "src/core/delivery/filter.rs",
     "record.about_event.as_deref().is_some_and(SinkEvent::is_named)",
     "record.about_event.as_deref().is_some_and(|_| false)"),
    ("a disabled webhook is never tried again", "src/daemon/courier/mod.rs",
     "if !self.store.sink(self.post.name()).await?.revived {",
     "if !self.store.sink(self.post.name()).await?.revived || true {"),
    ("the daemon's generation is not stored", "src/daemon/journal.rs",
     "daemon_generation: Some(self.daemon_generation),", "daemon_generation: None,"),
    ("a batch that comes twice is said twice", "src/store/memory/mod.rs",
     "said.zip(record.generation).is_some_and(|(said, generation)| generation <= said)",
     "said.zip(record.generation).is_some_and(|_| false)"),
    ("one answer is enough for a loss", "src/core/step/mod.rs",
     "            (None, Absence::None | Absence::Young { .. } | Absence::Suspect { .. }, false) => {\n"
     "                Absence::Doubted { since: now }\n            }",
     "            (None, Absence::None | Absence::Young { .. } | Absence::Suspect { .. }, false) => {\n"
     "                return self.gone(message);\n            }"),
    ("nobody tells the time to orders", "src/daemon/poller/time.rs",
     "if !due.is_empty() {\n                return self.wake(&due, now).await;", "if !due.is_empty() {\n                return Ok(());"),
    ("the bucket starts full and holds more", "src/core/limiter/mod.rs",
     "burst: burst.saturating_sub(2).clamp(1, 3),", "burst: burst * 2,"),
    ("twice the quota", "src/core/limiter/mod.rs",
     "let quota = rate * share;", "let quota = rate * share * 2.0;"),
    ("looks whose store call failed are forgotten", "src/daemon/poller/mod.rs",
     "self.put_off(chunk, now.wall.plus(SLEEP_MOST));", "let _forgotten = chunk;"),
    ("a clock that goes back is not noticed", "src/daemon/poller/time.rs",
     "self.fleet.move_back(back);", "let _unused = back;"),
    ("what is said of a sink is not said again", "src/daemon/relay.rs",
     "            self.store.settle(settlement.clone()).await?;\n            self.untold = None;",
     "            let told = self.store.settle(settlement.clone()).await;\n            self.untold = None;\n            told?;"),
    ("a mark is told twice", "src/core/step/number.rs",
     "        open.warned = Some(mark);\n", "        open.warned = Some(mark + std::time::Duration::from_secs(1));\n"),
    ("what a reload adds gets no place", "src/daemon/poller/relist.rs",
     "self.settle(&order, self.farthest, now.wall);", "let _unused = order;"),
    ("a sink of its own trouble is told by itself", "src/core/delivery/filter.rs",
     "record.sink.as_deref() != Some(sink) && !echo", "!echo"),
]


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=300)
    parser.add_argument("names", nargs="*")
    args = parser.parse_args()
    chosen = [entry for entry in BREAKS if not args.names or entry[0] in args.names]
    os.makedirs(COPY, exist_ok=True)
    for entry in os.listdir(ROOT):
        if entry not in ("target", ".git", "fuzz"):
            copy(entry)
    environment = dict(os.environ, CARGO_TARGET_DIR=os.path.join(COPY, "target"), CLAIMWATCH_SEEDS=str(args.seeds))
    survived = []
    for name, path, before, after in chosen:
        whole = open(os.path.join(ROOT, path), encoding="utf-8").read()
        if whole.count(before) != 1:
            print(f"STALE     {name}: {path} does not say it exactly once", flush=True)
            survived.append(name)
            continue
        write(path, whole.replace(before, after))
        out = told(["cargo", "test", "--quiet", "--locked", "--lib", "simulation::a_thousand"], environment)
        write(path, whole)
        if out is None:
            print(f"caught    {name}: a world runs for ever", flush=True)
            continue
        if re.search(r"memory allocation of \d+ bytes failed", out):
            print(f"caught    {name}: a world takes all memory", flush=True)
            continue
        found = re.search(r"(\d+) seeds failed", out)
        first = re.search(r"^seed (\d+): (.*)$", out, re.M)
        if found and first:
            print(f"caught    {name}: {found[1]} of {args.seeds} worlds, the first is {first[1]}: {first[2][:90]}", flush=True)
        elif "could not compile" in out:
            print(f"STALE     {name}: it does not compile\n{out[:1500]}", flush=True)
            survived.append(name)
        else:
            print(f"SURVIVED  {name}", flush=True)
            survived.append(name)
    print(f"{len(chosen) - len(survived)} of {len(chosen)} caught")
    return 1 if survived else 0


def told(command: list[str], environment: dict[str, str]) -> str | None:
    """What a command prints; nothing if it is not over in time, and all that it started is ended then."""
    def bounded() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))

    child = subprocess.Popen(command, cwd=COPY, env=environment, start_new_session=True, text=True, preexec_fn=bounded,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        return child.communicate(timeout=LONGEST)[0]
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        return None


def copy(entry: str) -> None:
    there = os.path.join(COPY, entry)
    if os.path.isdir(os.path.join(ROOT, entry)):
        shutil.rmtree(there, ignore_errors=True)
        shutil.copytree(os.path.join(ROOT, entry), there)
    else:
        shutil.copy2(os.path.join(ROOT, entry), there)


def write(path: str, text: str) -> None:
    with open(os.path.join(COPY, path), "w", encoding="utf-8") as file:
        file.write(text)


if __name__ == "__main__":
    sys.exit(main())
