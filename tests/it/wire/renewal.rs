//! Credentials that end are renewed beside the looks, and checked before any look is signed with them.

use std::future::pending;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use aws_credential_types::Credentials;
use aws_credential_types::credential_fn::provide_credentials_fn;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_credential_types::provider::error::CredentialsError;
use claimwatch::core::observation::{Observation, Outage, Reach};
use claimwatch::provider::{Aws, Look};
use tokio::sync::Semaphore;

use super::identity::{Lines, Moved, OURS, THEIRS, assert_mismatch, caller, refusal};
use super::loopback::{Answer, PLENTY, SECRET, Server, TOKEN, ask, aws_at, claimed, header, see};
use super::{kind, received_at};
use crate::support::{PATIENCE, Stopwatch};

/// How long each fetch's credentials are good for.
const HOUR: Duration = Duration::from_hours(1);

/// What becomes of a fetch.
#[derive(Clone)]
enum Fetch {
    /// It gives credentials of this number, which end an hour after the one before.
    Gives,
    Fails(fn() -> CredentialsError),
    /// It hangs until it is dropped.
    Hangs,
}

/// An account whose fetches are told what to do, with a clock that is moved by hand.
struct House {
    aws: Aws,
    sts: Server,
    connect: Server,
    clock: Moved,
    /// Each fetch but the first takes a permit.
    gate: Arc<Semaphore>,
    fetches: Arc<AtomicUsize>,
    /// Whether a fetch that hung was dropped.
    dropped: Arc<AtomicBool>,
}

struct Bell(Arc<AtomicBool>);

impl Drop for Bell {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

impl House {
    /// STS answers as told, Connect always that the number is claimed, and a fetch beyond those told of gives
    /// credentials.
    async fn new(sts: impl IntoIterator<Item = Answer>, fetches: impl IntoIterator<Item = Fetch>) -> Self {
        let (sts, connect) = (Server::start(sts).await, Server::start(vec![claimed(); 1000]).await);
        let (clock, gate) = (Moved::default(), Arc::new(Semaphore::new(0)));
        let (begun, dropped) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let told: Arc<Mutex<Vec<Fetch>>> = Arc::new(Mutex::new(fetches.into_iter().collect()));
        let (inner, counted, bell) = (Arc::clone(&gate), Arc::clone(&begun), Arc::clone(&dropped));
        let provider = provide_credentials_fn(move || {
            let n = counted.fetch_add(1, Ordering::SeqCst);
            let what = told.lock().unwrap().get(n).cloned().unwrap_or(Fetch::Gives);
            let (gate, bell) = (Arc::clone(&inner), Arc::clone(&bell));
            async move {
                if n > 0 {
                    gate.acquire().await.unwrap().forget();
                }
                match what {
                    Fetch::Gives => Ok(fetched(n + 1)),
                    Fetch::Fails(error) => Err(error()),
                    Fetch::Hangs => {
                        let _rings = Bell(bell);
                        pending().await
                    }
                }
            }
        });
        let provider = SharedCredentialsProvider::new(provider);
        let ports = (sts.port, connect.port);
        let aws = aws_at(ports, Some(OURS), provider, Arc::new(clock.clone()));
        Self { aws, sts, connect, clock, gate, fetches: begun, dropped }
    }

    /// Looks once, with whatever comes of it.
    async fn look(&self) -> Observation {
        see(&self.aws, ask(PLENTY)).await
    }

    /// The number of the credentials that a look is signed with.
    async fn signed_with(&self) -> usize {
        let seen = self.look().await;
        assert_eq!(kind(&seen), "seen", "{seen:?}");
        key_of(&self.connect.requests().pop().unwrap())
    }

    /// The credentials that STS was asked with.
    fn checked(&self) -> Vec<usize> {
        self.sts.requests().iter().map(|request| key_of(request)).collect()
    }

    fn fetches(&self) -> usize {
        self.fetches.load(Ordering::SeqCst)
    }
}

fn fetched(n: usize) -> Credentials {
    let end = received_at().plus(HOUR * u32::try_from(n).unwrap()).as_millis();
    let end = UNIX_EPOCH + Duration::from_millis(u64::try_from(end).unwrap());
    Credentials::new(format!("KEY{n}"), SECRET, Some(TOKEN.to_owned()), Some(end), "test")
}

fn key_of(request: &str) -> usize {
    let signed = header(request, "authorization").unwrap();
    signed.split_once("Credential=KEY").unwrap().1.split('/').next().unwrap().parse().unwrap()
}

/// Lets the others run until it is so, at most [`PATIENCE`].
async fn until(what: &str, mut level: impl AsyncFnMut() -> bool) {
    let watch = Stopwatch::start();
    while !level().await {
        assert!(watch.elapsed() < PATIENCE, "{what} did not come");
        tokio::task::yield_now().await;
    }
}

fn minutes(n: u64) -> Duration {
    Duration::from_mins(n)
}

#[tokio::test]
async fn looks_go_on_with_the_old_ones_until_the_new_ones_are_checked() {
    let house = House::new([caller(OURS), caller(OURS)], []).await;
    assert_eq!(house.signed_with().await, 1);
    house.clock.on(minutes(56));
    for _ in 0..3 {
        assert_eq!(house.signed_with().await, 1, "the gate is shut");
    }
    until("the fetch", async || house.fetches() == 2).await;
    house.gate.add_permits(1);
    until("the new ones", async || house.signed_with().await == 2).await;
    assert_eq!(house.checked(), [1, 2], "nobody asks STS again");
    assert_eq!(house.fetches(), 2);
}

#[tokio::test]
async fn an_sts_that_is_silent_holds_no_look_up() {
    let silent = Answer::SendAndStall(Vec::new());
    let house = House::new([caller(OURS), silent], []).await;
    assert_eq!(house.signed_with().await, 1);
    house.clock.on(minutes(56));
    house.gate.add_permits(1);
    until("the question", async || {
        assert_eq!(house.signed_with().await, 1);
        house.checked() == [1, 2]
    })
    .await;
    for _ in 0..3 {
        assert_eq!(house.signed_with().await, 1);
    }
}

#[tokio::test]
async fn an_sts_that_does_not_say_keeps_no_new_ones_back() {
    let house = House::new([caller(OURS), Answer::Reset, caller(OURS)], []).await;
    house.gate.add_permits(1);
    assert_eq!(house.signed_with().await, 1);
    house.clock.on(minutes(56));
    until("the new ones", async || house.signed_with().await == 2).await;
    assert_eq!(house.signed_with().await, 2);
    assert_eq!(house.checked(), [1, 2]);
    house.clock.on(minutes(5));
    assert_eq!(house.signed_with().await, 2);
    assert_eq!(house.checked(), [1, 2, 2], "it is asked again after five minutes");
}

#[tokio::test]
async fn new_ones_of_another_account_are_never_looked_with() {
    let lines = Lines::default();
    let _here = lines.gather();
    let house = House::new([caller(OURS), caller(THEIRS), caller(THEIRS), Answer::Reset], []).await;
    assert_eq!(house.signed_with().await, 1);
    house.clock.on(minutes(56));
    house.gate.add_permits(3);
    until("the warning", async || {
        assert_eq!(house.signed_with().await, 1);
        lines.said().contains("not renewed")
    })
    .await;
    assert!(lines.said().contains(THEIRS), "{}", lines.said());
    assert_eq!(house.signed_with().await, 1);
    house.clock.on(minutes(4));
    assert_mismatch(&house.look().await);
    assert_mismatch(&house.look().await);
    house.aws.refresh("prod-eu");
    // STS says nothing: they are taken for the other account's still.
    assert_mismatch(&house.look().await);
    assert_eq!(house.checked(), [1, 2, 3, 4]);
    assert!(house.connect.requests().iter().all(|request| key_of(request) == 1));
}

#[tokio::test]
async fn a_renewal_that_fails_is_told_when_the_old_ones_serve_no_more() {
    let refused: fn() -> CredentialsError = || {
        CredentialsError::provider_error(format!("AccessDenied: sts:AssumeRole with {SECRET} and {TOKEN}"))
    };
    let down: fn() -> CredentialsError = || CredentialsError::provider_error("503 Service Unavailable");
    for (error, wanted) in [(refused, "NoCredentials"), (down, "an outage")] {
        let lines = Lines::default();
        let _here = lines.gather();
        let house = House::new(
            [caller(OURS)],
            [Fetch::Gives, Fetch::Fails(error), Fetch::Fails(error), Fetch::Fails(error)],
        )
        .await;
        house.gate.add_permits(9);
        assert_eq!(house.signed_with().await, 1);
        for (trial, passed) in [(1, minutes(56)), (2, Duration::from_secs(30))] {
            house.clock.on(passed);
            until("a warning", async || {
                assert_eq!(house.signed_with().await, 1);
                lines.said().matches("not renewed").count() == trial
            })
            .await;
            house.clock.on(Duration::from_secs(29));
            assert_eq!(house.signed_with().await, 1);
            assert_eq!(house.fetches(), trial + 1, "the next trial waits");
            house.clock.on(Duration::from_secs(1));
        }
        assert!(lines.said().contains("prod-eu"), "{}", lines.said());
        assert!(!lines.said().contains(SECRET) && !lines.said().contains(TOKEN), "{}", lines.said());
        house.clock.on(minutes(3));
        let told = match house.look().await {
            Observation::Denied { reach: Reach::Scope, code, .. } => code,
            Observation::Unavailable { outage: Outage::Credentials(_), .. } => "an outage".to_owned(),
            other @ (Observation::Seen(_)
            | Observation::Missing { .. }
            | Observation::Throttled { .. }
            | Observation::Unavailable { .. }
            | Observation::Denied { .. }
            | Observation::Malformed { .. }
            | Observation::Elsewhere(_)
            | Observation::Elapsed
            | Observation::Acknowledged) => format!("{other:?}"),
        };
        assert_eq!(told, wanted);
    }
}

#[tokio::test]
async fn new_ones_that_sts_refuses_are_not_taken() {
    let refused = refusal("403 Forbidden", "", "InvalidClientTokenId", "No such token");
    let house = House::new([caller(OURS), refused.clone(), refused], []).await;
    house.gate.add_permits(2);
    assert_eq!(house.signed_with().await, 1);
    house.clock.on(minutes(56));
    until("the question", async || {
        assert_eq!(house.signed_with().await, 1);
        house.checked() == [1, 2]
    })
    .await;
    house.clock.on(minutes(4));
    let seen = house.look().await;
    assert!(matches!(&seen, Observation::Denied { code, .. } if code == "InvalidClientTokenId"), "{seen:?}");
}

#[tokio::test]
async fn a_renewal_that_hangs_ends_when_all_is_forgotten_and_when_nobody_looks_any_more() {
    let house = House::new(
        [caller(OURS), caller(OURS), caller(OURS)],
        [Fetch::Gives, Fetch::Hangs, Fetch::Gives, Fetch::Hangs],
    )
    .await;
    house.gate.add_permits(9);
    assert_eq!(house.signed_with().await, 1);
    house.clock.on(minutes(56));
    assert_eq!(house.signed_with().await, 1);
    until("the fetch", async || house.fetches() == 2).await;
    house.aws.refresh("prod-eu");
    // Less than the fetch itself would take to give up.
    let next = tokio::time::timeout(Duration::from_secs(10), house.signed_with()).await;
    assert_eq!(next, Ok(3));
    assert!(house.dropped.swap(false, Ordering::SeqCst));

    house.clock.on(minutes(120));
    assert_eq!(house.signed_with().await, 3);
    until("the fetch", async || house.fetches() == 4).await;
    let House { aws, dropped, .. } = house;
    drop(aws);
    until("its end", async || dropped.load(Ordering::SeqCst)).await;
}
