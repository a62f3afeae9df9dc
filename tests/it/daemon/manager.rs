//! What the service manager hears.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::UnixDatagram;
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use claimwatch::exit;

use crate::support::house::{House, list};
use crate::support::process::Running;
use crate::support::sim::{Sim, WIDE, number};

/// A service manager that keeps what it is told.
struct Manager(Arc<Mutex<Vec<String>>>);

impl Manager {
    fn listen(house: &House) -> Self {
        let socket = UnixDatagram::bind(house.path("notify")).unwrap();
        let told: Arc<Mutex<Vec<String>>> = Arc::default();
        let kept = Arc::clone(&told);
        std::thread::spawn(move || {
            let mut message = [0; 4096];
            while let Ok(length) = socket.recv(&mut message) {
                kept.lock().unwrap().push(String::from_utf8_lossy(&message[..length]).into_owned());
            }
        });
        Self(told)
    }

    fn told(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    fn count(&self, what: &str) -> usize {
        self.told().iter().filter(|message| message.lines().any(|line| line == what)).count()
    }
}

fn run(house: &House, watchdog_us: u32) -> (Manager, Running) {
    let manager = Manager::listen(house);
    let mut command = house.command(&["run"]);
    command.env("NOTIFY_SOCKET", house.path("notify")).env("WATCHDOG_USEC", watchdog_us.to_string());
    (manager, Running::start(command))
}

#[test]
fn it_hears_of_the_start_of_life_of_a_reload_and_of_the_stop_in_this_order() {
    let sim = Sim::start(&[WIDE, &number(1, &[(0, "IN_PROGRESS"), (1, "FAILED")])].concat());
    let house = House::at(sim.address);
    house.list("emea", &list(&[1], &[]));
    let (manager, daemon) = run(&house, 200_000);
    daemon.wait("signs of life", || manager.count("STATUS=1 order, 1 pending") >= 3);
    let told = manager.told();
    let first = |what: &str| told.iter().position(|message| message.contains(what)).unwrap();
    // The lists were new: that work goes on is said before it is up, so that the start is not taken for a hang.
    assert!(first("WATCHDOG=1\nEXTEND_TIMEOUT_USEC=") < first("READY=1"), "{told:?}");
    assert!(first("READY=1") < first("STATUS=1 order, 1 pending"), "{told:?}");
    let sign = &told[first("STATUS=1 order, 1 pending")];
    assert!(sign.contains("WATCHDOG=1"), "what says how it is is a sign: {sign}");
    sim.move_to(1);
    daemon.wait("the window", || {
        manager.told().iter().any(|m| m.contains("STATUS=1 order, 1 retry window open"))
    });
    daemon.signal("HUP");
    daemon.wait("the reload", || manager.count("STATUS=reloaded") == 1 && manager.count("READY=1") == 2);
    let told = manager.told();
    let reloading = told.iter().find(|message| message.contains("RELOADING=1")).unwrap();
    assert!(reloading.contains("MONOTONIC_USEC="), "in one message: {reloading}");
    house.list("emea", "account = \"sim\"\n[[number]]\nid = \"nonsense\"\n");
    daemon.signal("HUP");
    let refused = "STATUS=reloaded, but for lists at fault: emea";
    daemon.wait("the fault", || manager.count(refused) == 1 && manager.count("READY=1") == 3);
    // A file's name that says something else is no message of its own.
    house.write("watch.d/x\nSTOPPING=1\n.toml", "nonsense");
    daemon.signal("HUP");
    let shown = "STATUS=reloaded, but for lists at fault: emea, x\u{fffd}STOPPING=1\u{fffd}";
    daemon.wait("the name", || manager.count(shown) == 1);
    assert_eq!(manager.count("STOPPING=1"), 0);
    let ended = daemon.stop();
    assert_eq!(ended.code, Some(i32::from(exit::OK)), "{}", ended.stderr);
    assert_eq!(manager.count("STOPPING=1"), 1);
}

#[test]
fn where_standard_error_is_the_journal_each_line_has_its_priority() {
    let sim = Sim::start(&[WIDE, &number(1, &[(0, "CLAIMED")])].concat());
    let house = House::at(sim.address);
    house.list("emea", &list(&[1], &[]));
    let run = || {
        let file = File::create(house.path("journal")).unwrap();
        let about = file.metadata().unwrap();
        let stream = format!("{}:{}", about.dev(), about.ino());
        let mut command = house.command(&["run", "--once"]);
        let ended =
            command.env("JOURNAL_STREAM", stream).stderr(file).stdout(Stdio::piped()).output().unwrap();
        let log = String::from_utf8(ended.stdout).unwrap();
        (ended.status.code(), log, fs::read_to_string(house.path("journal")).unwrap())
    };
    let (code, log, told) = run();
    assert_eq!((code, told.as_str()), (Some(i32::from(exit::OK)), ""));
    assert!(log.starts_with("{\"schema\":1"), "standard output is not the journal: {log}");
    // A line that was torn is a warning, with what it is about.
    let events = fs::read_to_string(house.path("events.jsonl")).unwrap();
    house.write("events.jsonl", &(events + "{\"schema\":1,\"ti"));
    let (_, _, told) = run();
    assert!(told.starts_with("<4>") && told.contains("path="), "{told}");
    assert!(!told.contains("WARN") && !told.contains('\u{1b}'), "the journal knows level and colour: {told}");
    // What stops a start is an error, in one entry a problem.
    house.alter("floor", "flor");
    let (code, _, told) = run();
    assert_eq!(code, Some(i32::from(exit::CONFIG)));
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!(lines.len(), 2, "unknown, and so floor is the default: {told}");
    assert!(lines.iter().all(|line| line.starts_with("<3>error: ")), "{told}");
    assert!(
        lines[0].contains("claimwatch.toml:9:1: unknown key \"flor\" (did you mean \"floor\"?)"),
        "{told}"
    );
}
