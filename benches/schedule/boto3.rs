//! In real time: claimwatch as a process and boto3's two retry modes, side by side, each against a simulated AWS of its
//! own with the same quota. What counts is what the simulator answered, not what the clients say.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use claimwatch::clock::{Clock as _, SystemClock};
use claimwatch::sim::http;
use claimwatch::sim::scenario::Scenario;
use claimwatch::sim::served::{Operation, Served};
use claimwatch::sim::world::World;
use tokio_util::sync::CancellationToken;

use crate::table::{Table, thousands};

/// The program, built with this one.
const PROGRAM: &str = env!("CARGO_BIN_EXE_claimwatch");
/// Where `.ci/run` puts boto3 too: beside the folder that cargo gives to benchmarks.
const VENV: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/../boto3-venv");
const REQUIREMENTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/boto3/requirements.txt");
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/schedule/boto3_loop.py");
/// Both services' quota: Connect's default.
const RATE: f64 = 2.0;
const BURST: u32 = 5;
/// None of them completes.
const ORDERS: u32 = 200;
/// An answer takes this long. It also keeps eight threads that nothing slows down at a hundred calls a second.
const ANSWER_MS: u32 = 80;
/// How long a competitor may take to its first call: boto3 reads its models first.
const STARTS_WITHIN: Duration = Duration::from_mins(1);
/// How often it is looked whether that came.
const LOOK_EVERY: Duration = Duration::from_millis(20);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Service {
    Connect,
    Chime,
}

impl Service {
    fn word(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Chime => "chime",
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Who {
    /// With a share of the quota.
    Claimwatch(f64),
    /// With a retry mode.
    Boto3(&'static str),
}

const COMPETITORS: [Who; 4] =
    [Who::Claimwatch(1.0), Who::Claimwatch(0.8), Who::Boto3("standard"), Who::Boto3("adaptive")];

/// The tables, as markdown, after so much time. What cannot be run is said in them.
pub(crate) fn tables(lasts: Duration, python: Option<PathBuf>) -> String {
    let python = python.map_or_else(venv, Ok);
    let mut out = String::new();
    if let Err(why) = &python {
        let _ = writeln!(out, "**boto3 is left out: {why}**\n");
    }
    let python = python.ok();
    // All at once, so that what else the machine does is the same for all.
    let started: Vec<(Service, Who, JoinHandle<Outcome>)> = [Service::Connect, Service::Chime]
        .into_iter()
        .flat_map(|service| COMPETITORS.map(|who| (service, who)))
        .map(|(service, who)| {
            let python = python.clone();
            (service, who, thread::spawn(move || compete(service, who, lasts, python.as_deref())))
        })
        .collect();
    let mut ended: Vec<Ended> = Vec::new();
    for (service, who, run) in started {
        let counts = run.join().unwrap_or_else(|_| Err("it panicked".to_owned()));
        ended.push((service, who, counts));
    }
    for service in [Service::Connect, Service::Chime] {
        let operation = match service {
            Service::Connect => "Connect's DescribePhoneNumber, refused with `ThrottlingException`",
            Service::Chime => {
                "Chime's GetPhoneNumberOrder, refused with `ThrottledClientException`, which boto3 does not know"
            }
        };
        let title = format!("{operation}; {} s, {ORDERS} orders:", lasts.as_secs());
        let head = [
            "client",
            "sent",
            "answered",
            "rejected",
            "rejected %",
            "rejected per success",
            "goodput, % of the quota",
        ];
        let mut table = Table::new(&title, &head);
        for (_, who, counts) in ended.iter().filter(|(of, ..)| *of == service) {
            table.row(row(*who, counts, lasts));
        }
        out += &table.markdown();
    }
    out
}

fn row(who: Who, counts: &Outcome, lasts: Duration) -> Vec<String> {
    let name = match who {
        Who::Claimwatch(share) => format!("**claimwatch**, share {share:.1}"),
        Who::Boto3(mode) => format!("boto3 `{mode}`, 8 threads"),
    };
    match counts {
        Ok(counts) => {
            let (sent, answered, rejected) =
                (f64::from(counts.sent), f64::from(counts.answered), f64::from(counts.rejected));
            let whole = RATE * lasts.as_secs_f64() + f64::from(BURST);
            vec![
                name,
                thousands(counts.sent),
                thousands(counts.answered),
                thousands(counts.rejected),
                format!("{:.1}", 100.0 * rejected / sent.max(1.0)),
                format!("{:.2}", rejected / answered.max(1.0)),
                format!("{:.1}", 100.0 * answered / whole),
            ]
        }
        Err(why) => vec![name, format!("did not run: {why}")],
    }
}

/// Why it did not run, or what came of it.
type Outcome = Result<Counts, String>;

/// Who it was, and what came of it.
type Ended = (Service, Who, Outcome);

/// What the simulator answered.
#[derive(Debug, Clone, Copy)]
struct Counts {
    sent: u32,
    answered: u32,
    rejected: u32,
}

impl Counts {
    /// Of the calls for orders; who asks STS whose credentials these are draws on no quota.
    fn of(served: &Served) -> Self {
        let mut counts = Self { sent: 0, answered: 0, rejected: 0 };
        for ((operation, status), many) in served.all() {
            if operation != Operation::GetCallerIdentity {
                let many = u32::try_from(many).unwrap_or(u32::MAX);
                counts.sent += many;
                counts.answered += if status == 200 { many } else { 0 };
                counts.rejected += if status == 429 { many } else { 0 };
            }
        }
        counts
    }
}

/// Runs one client against a world of its own, and counts from its first call on.
fn compete(service: Service, who: Who, lasts: Duration, python: Option<&Path>) -> Outcome {
    let world = Simulator::start(service).map_err(|cause| format!("no simulator: {cause}"))?;
    let (_folder, mut process) = match who {
        Who::Claimwatch(share) => {
            let folder =
                house(service, share, world.address).map_err(|cause| format!("no folder: {cause}"))?;
            let config = folder.path().join("claimwatch.toml");
            let mut command = Command::new(PROGRAM);
            command.arg("run").arg("--config").arg(config);
            (Some(folder), spawn(command)?)
        }
        Who::Boto3(mode) => {
            let mut command = Command::new(python.ok_or("there is no boto3")?);
            command.arg(SCRIPT).args(["--endpoint", &format!("http://{}", world.address)]).args([
                "--service",
                service.word(),
                "--mode",
                mode,
                "--orders",
                &ORDERS.to_string(),
            ]);
            (None, spawn(command)?)
        }
    };
    let mut waited = Duration::ZERO;
    while world.served.total() == 0 {
        let ended = process.0.try_wait().map_err(|cause| cause.to_string())?;
        if let Some(status) = ended {
            let hint = match who {
                Who::Claimwatch(_) => "",
                Who::Boto3(_) => "; has that Python boto3?",
            };
            return Err(format!("it ended ({status}){hint}"));
        }
        if waited > STARTS_WITHIN {
            return Err("it made no call".to_owned());
        }
        thread::sleep(LOOK_EVERY);
        waited += LOOK_EVERY;
    }
    thread::sleep(lasts);
    Ok(Counts::of(&world.served))
}

/// A process that ends with this.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ended_already = self.0.kill();
        let _status = self.0.wait();
    }
}

fn spawn(mut command: Command) -> Result<Process, String> {
    command.env_clear().stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    for (name, value) in [
        ("AWS_ACCESS_KEY_ID", "simulated"),
        ("AWS_SECRET_ACCESS_KEY", "simulated"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
        ("AWS_CONFIG_FILE", "/dev/null"),
        ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null"),
    ] {
        command.env(name, value);
    }
    command.spawn().map(Process).map_err(|cause| cause.to_string())
}

/// A simulated AWS on a port of its own. Ends when it is dropped.
struct Simulator {
    address: SocketAddr,
    served: Served,
    stop: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

impl Simulator {
    fn start(service: Service) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let scenario = Scenario::parse(&scenario(service)).map_err(io::Error::other)?;
        let clock = SystemClock::start();
        let world = World::new(scenario, clock.now().wall);
        let (served, stop) = (world.served(), CancellationToken::new());
        let until = stop.clone();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let thread = thread::spawn(move || {
            runtime.block_on(async {
                if let Ok(listener) = tokio::net::TcpListener::from_std(listener) {
                    // A listener that fails shows in the counts.
                    let _ended = http::serve(listener, world, Arc::new(clock), until).await;
                }
            });
        });
        Ok(Self { address, served, stop, thread: Some(thread) })
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take() {
            let _ended = thread.join();
        }
    }
}

/// The world that all ask: no order ever completes.
fn scenario(service: Service) -> String {
    let mut text = format!(
        "[quota.{}]\nrate = {RATE:.1}\nburst = {BURST}\n[[fault]]\nkind = \"slow\"\ndelay = \"{ANSWER_MS}ms\"\n",
        service.word()
    );
    for n in 0..ORDERS {
        let _ = match service {
            Service::Connect => writeln!(
                text,
                "[[connect_number]]\nid = \"{}\"\nnumber = \"+44207946{n:04}\"\ncountry = \"GB\"\ntimeline = [{{ at = \"0s\", status = \"IN_PROGRESS\" }}]",
                id(service, n)
            ),
            Service::Chime => writeln!(
                text,
                "[[chime_order]]\nid = \"{}\"\ntimeline = [{{ at = \"0s\", status = \"Processing\", numbers = {{ \"+1206555{n:04}\" = \"Processing\" }} }}]",
                id(service, n)
            ),
        };
    }
    text
}

/// The id of the `n`-th order, as in `boto3_loop.py`.
fn id(service: Service, n: u32) -> String {
    match service {
        Service::Connect => format!("0c1f3b6e-7d2a-4b8e-9a41-{n:012}"),
        Service::Chime => format!("6f1c0d4e-3f0b-4c1e-9a57-{n:012}"),
    }
}

/// A configuration with everything by default but where AWS is, the quota and our share of it.
fn house(service: Service, share: f64, address: SocketAddr) -> io::Result<tempfile::TempDir> {
    let folder = tempfile::tempdir()?;
    let word = service.word();
    let main = format!(
        "[store]\nurl = \"sqlite://claimwatch.db\"\n[account.bench]\nregion = \"eu-west-2\"\n\
         {word} = {{ rate = {RATE:.1}, burst = {BURST}, share = {share:.1}, endpoint = \"http://{address}\" }}\n"
    );
    let entry = match service {
        Service::Connect => "number",
        Service::Chime => "order",
    };
    let mut list = "account = \"bench\"\n".to_owned();
    for n in 0..ORDERS {
        let _ = writeln!(list, "[[{entry}]]\nid = \"{}\"", id(service, n));
    }
    fs::create_dir(folder.path().join("watch.d"))?;
    fs::write(folder.path().join("claimwatch.toml"), main)?;
    fs::write(folder.path().join("watch.d/bench.toml"), list)?;
    Ok(folder)
}

/// A Python that has boto3; made if it is not there, as `.ci/run` does.
fn venv() -> Result<PathBuf, String> {
    let python = Path::new(VENV).join("bin/python");
    if !python.exists() {
        succeeds(Command::new("python3").args(["-m", "venv", VENV]), "a virtual environment")?;
    }
    let install = ["-m", "pip", "install", "--quiet", "--requirement", REQUIREMENTS];
    succeeds(Command::new(&python).args(install), "the installation of boto3")?;
    Ok(python)
}

fn succeeds(command: &mut Command, what: &str) -> Result<(), String> {
    match command.stdin(Stdio::null()).stdout(Stdio::null()).status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{what} failed ({status})")),
        Err(cause) => Err(format!("{what} failed: {cause}")),
    }
}
