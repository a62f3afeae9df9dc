//! The world over a real socket, and its transport faults.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use claimwatch::clock::{Clock, SystemClock};
use claimwatch::core::time::{Now, Tick};
use claimwatch::sim::http;
use claimwatch::sim::served::{NO_ANSWER, Operation, Served};
use claimwatch::sim::world::World;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{Ask, NUMBER, at, describe, order, small};

/// A clock that stands still at the world's start.
struct Still;

impl Clock for Still {
    fn now(&self) -> Now {
        Now { wall: at(0), tick: Tick::ZERO }
    }
}

struct Server {
    address: SocketAddr,
    served: Served,
    stop: CancellationToken,
    tasks: JoinSet<std::io::Result<()>>,
}

impl Server {
    async fn start(world: World) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (served, stop, mut tasks) = (world.served(), CancellationToken::new(), JoinSet::new());
        let clock = Arc::new(Still);
        tasks.spawn(http::serve(listener, world, clock, stop.clone()));
        Self { address, served, stop, tasks }
    }

    /// Sends a signed request on a connection of its own.
    async fn open(&self, ask: &Ask<'_>) -> TcpStream {
        let host = self.address.to_string();
        let mut text = format!("{} {} HTTP/1.1\r\n", ask.method, ask.target);
        for (name, value) in ask.headers(&host) {
            let _ = write!(text, "{name}: {value}\r\n");
        }
        let _ = write!(text, "connection: close\r\ncontent-length: {}\r\n\r\n{}", ask.body.len(), ask.body);
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        stream
    }

    async fn ask(&self, ask: &Ask<'_>) -> std::io::Result<String> {
        let mut stream = self.open(ask).await;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        Ok(String::from_utf8(answer).unwrap())
    }

    async fn end(mut self) {
        self.stop.cancel();
        let ended = tokio::time::timeout(Duration::from_secs(10), self.tasks.join_next()).await;
        assert!(matches!(ended, Ok(Some(Ok(Ok(()))))), "{ended:?}");
    }
}

#[tokio::test]
async fn the_wire_carries_status_headers_and_body() {
    let server = Server::start(small("")).await;
    let answer = server.ask(&Ask::get("connect", &describe())).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert!(head.contains("date: Wed, 18 Nov 2026 11:06:40 GMT"), "{head}");
    assert_eq!(head.matches("date: ").count(), 1);
    assert!(head.contains("x-amzn-requestid: "), "{head}");
    let body: Value = serde_json::from_str(body).unwrap();
    assert_eq!(body["ClaimedPhoneNumberSummary"]["PhoneNumberId"], NUMBER);
    let list = server.ask(&Ask::post("connect", "/phone-number/list", "{}")).await.unwrap();
    assert!(list.contains("ListPhoneNumbersSummaryList"), "{list}");
    let large = "x".repeat(65 * 1024);
    let refused = server.ask(&Ask::post("connect", "/phone-number/list", &large)).await;
    assert!(
        refused.is_err() || refused.unwrap().starts_with("HTTP/1.1 413 "),
        "a body over 64 KiB is not read"
    );
    assert_eq!(server.served.of(Operation::DescribePhoneNumber), 1);
    assert_eq!(server.served.with_status(200), 2);
    server.end().await;
}

#[tokio::test]
async fn a_reset_is_a_reset_before_any_byte() {
    let server = Server::start(small("[[fault]]\nservice = \"connect\"\nkind = \"reset\"")).await;
    let mut stream = server.open(&Ask::get("connect", &describe())).await;
    let mut answer = Vec::new();
    let error = stream.read_to_end(&mut answer).await.unwrap_err();
    assert_eq!((error.kind(), answer.len()), (std::io::ErrorKind::ConnectionReset, 0));
    assert_eq!(server.served.with_status(NO_ANSWER), 1);
    assert!(server.ask(&Ask::get("chime", &order())).await.unwrap().starts_with("HTTP/1.1 200 "));
    server.end().await;
}

#[tokio::test]
async fn a_truncated_body_promises_more_than_comes() {
    let server = Server::start(small("[[fault]]\nkind = \"truncate\"\nafter_bytes = 10")).await;
    let answer = server.ask(&Ask::get("connect", &describe())).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert_eq!(body, "{\"ClaimedP");
    let promised = head.split("content-length: ").nth(1).unwrap().lines().next().unwrap();
    assert!(promised.parse::<usize>().unwrap() > 100, "{head}");
    server.end().await;
}

#[tokio::test]
async fn a_hang_holds_up_nobody_else_and_ends_with_the_server() {
    let server = Server::start(small("[[fault]]\nservice = \"connect\"\nkind = \"hang\"")).await;
    let mut stream = server.open(&Ask::get("connect", &describe())).await;
    let mut byte = [0];
    let read = tokio::time::timeout(Duration::from_millis(200), stream.read(&mut byte)).await;
    assert!(read.is_err(), "nothing comes, and nothing ends: {read:?}");
    assert!(server.ask(&Ask::get("chime", &order())).await.unwrap().starts_with("HTTP/1.1 200 "));
    server.end().await;
    assert!(!matches!(stream.read(&mut byte).await, Ok(1..)), "no byte comes at the end either");
}

#[tokio::test]
async fn a_slow_answer_comes_late_and_whole() {
    let server = Server::start(small("[[fault]]\nkind = \"slow\"\ndelay = \"250ms\"")).await;
    let clock = SystemClock::start();
    let answer = server.ask(&Ask::get("connect", &describe())).await.unwrap();
    let took = clock.now().tick.since(Tick::ZERO);
    assert!(answer.contains("ClaimedPhoneNumberSummary"));
    assert!(took >= Duration::from_millis(250), "{took:?}");
    server.end().await;
}
