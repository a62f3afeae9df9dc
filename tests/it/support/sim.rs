//! The simulated AWS in this process, where its counters can be read, with a clock that the test moves.

use std::fmt::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use claimwatch::clock::{Clock, SystemClock};
use claimwatch::core::time::{Now, Tick, Timestamp};
use claimwatch::sim::http;
use claimwatch::sim::scenario::Scenario;
use claimwatch::sim::served::{Operation, Served};
use claimwatch::sim::world::World;
use tokio_util::sync::CancellationToken;

/// A world whose quotas are never used up, so that nothing but what a test says happens in it.
pub(crate) const WIDE: &str =
    "[quota.connect]\nrate = 10000.0\nburst = 10000\n[quota.chime]\nrate = 10000.0\nburst = 10000\n";

/// A clock that stands where it was put. It may be put at most some four minutes ahead, since signatures are judged by it.
#[derive(Debug)]
struct Hand {
    started: Timestamp,
    ahead: AtomicI64,
}

impl Clock for Hand {
    fn now(&self) -> Now {
        let ahead = self.ahead.load(Ordering::SeqCst);
        Now { wall: Timestamp::from_millis(self.started.as_millis() + ahead), tick: Tick::ZERO }
    }
}

/// A simulated AWS on a loopback port. Ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Sim {
    pub(crate) address: SocketAddr,
    pub(crate) served: Served,
    hand: Arc<Hand>,
    stop: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

impl Sim {
    /// Plays a scenario, whose time stands at its start.
    pub(crate) fn start(scenario: &str) -> Self {
        Self::at("127.0.0.1:0".parse().unwrap(), scenario)
    }

    /// The same at an address.
    pub(crate) fn at(address: SocketAddr, scenario: &str) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let scenario = Scenario::parse(scenario).unwrap_or_else(|error| panic!("{error}\n{scenario}"));
        let started = SystemClock::start().now().wall;
        let hand = Arc::new(Hand { started, ahead: AtomicI64::new(0) });
        let world = World::new(scenario, started);
        let (served, stop) = (world.served(), CancellationToken::new());
        let (clock, until) = (Arc::clone(&hand), stop.clone());
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                http::serve(listener, world, clock, until).await.unwrap();
            });
        });
        Self { address, served, hand, stop, thread: Some(thread) }
    }

    /// Moves the world to so many seconds after its start.
    pub(crate) fn move_to(&self, seconds: u32) {
        self.hand.ahead.store(i64::from(seconds) * 1000, Ordering::SeqCst);
    }

    /// Requests for Connect numbers so far.
    pub(crate) fn described(&self) -> u64 {
        self.served.of(Operation::DescribePhoneNumber)
    }

    /// Requests for lists of Connect numbers so far.
    pub(crate) fn listed(&self) -> u64 {
        self.served.of(Operation::ListPhoneNumbersV2)
    }

    /// Requests for Chime orders so far.
    pub(crate) fn gotten(&self) -> u64 {
        self.served.of(Operation::GetPhoneNumberOrder)
    }

    /// Requests for lists of Chime orders so far.
    pub(crate) fn listed_orders(&self) -> u64 {
        self.served.of(Operation::ListPhoneNumberOrders)
    }
}

impl Drop for Sim {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take() {
            let _ended = thread.join();
        }
    }
}

/// A loopback address where nobody listens, and nobody else in these tests will.
pub(crate) fn closed_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.77.1:0").unwrap();
    listener.local_addr().unwrap()
}

/// The id of the `n`-th Connect number.
pub(crate) fn number_id(n: u32) -> String {
    format!("0c1f3b6e-7d2a-4b8e-9a41-{n:012}")
}

/// Its E.164, from the range that Ofcom keeps for fiction.
pub(crate) fn e164(n: u32) -> String {
    format!("+442079460{n:03}")
}

/// The id of the `n`-th Chime order.
pub(crate) fn order_id(n: u32) -> String {
    format!("6f1c0d4e-3f0b-4c1e-9a57-{n:012}")
}

/// The `n`-th Connect number of a scenario: a word from each second on; `GONE` is none any more.
pub(crate) fn number(n: u32, timeline: &[(u32, &str)]) -> String {
    let mut text = format!(
        "[[connect_number]]\nid = \"{}\"\nnumber = \"{}\"\ncountry = \"GB\"\ntimeline = [\n",
        number_id(n),
        e164(n)
    );
    for (at, word) in timeline {
        let what = match *word {
            "GONE" => "gone = true".to_owned(),
            "FAILED" => "status = \"FAILED\", message = \"Target instance is full\"".to_owned(),
            word => format!("status = \"{word}\""),
        };
        let _ = writeln!(text, "  {{ at = \"{at}s\", {what} }},");
    }
    text + "]\n"
}

/// The `n`-th Chime order of a scenario, with one number: a word of the order and of its number from each second on.
pub(crate) fn order(n: u32, timeline: &[(u32, &str, &str)]) -> String {
    let mut text = format!("[[chime_order]]\nid = \"{}\"\ntimeline = [\n", order_id(n));
    for (at, status, number) in timeline {
        let _ = writeln!(
            text,
            "  {{ at = \"{at}s\", status = \"{status}\", numbers = {{ \"+120655501{n:02}\" = \"{number}\" }} }},"
        );
    }
    text + "]\n"
}

/// A fault of a scenario between two seconds; `keys` are its other keys.
pub(crate) fn fault(service: &str, (from, until): (u32, u32), keys: &str) -> String {
    format!("[[fault]]\nservice = \"{service}\"\nfrom = \"{from}s\"\nuntil = \"{until}s\"\n{keys}\n")
}

/// A bound for what should be over soon after a limit of so many seconds: a busy machine gets three more.
pub(crate) fn soon_after(seconds: u64) -> Duration {
    Duration::from_secs(seconds + 3)
}
