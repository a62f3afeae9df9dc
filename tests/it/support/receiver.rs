//! A webhook's receiver in this process, which answers as it is told and keeps what it got.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::Value;

use super::wait_for;

/// The secret that its webhooks are signed with: the published example.
pub(crate) const SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

/// One post.
#[derive(Debug, Clone)]
pub(crate) struct Got {
    /// The path and query.
    pub(crate) path: String,
    pub(crate) id: String,
    pub(crate) at: i64,
    pub(crate) signatures: String,
    pub(crate) body: String,
    /// The body as JSON.
    pub(crate) envelope: Value,
    /// The status that it was answered with.
    pub(crate) status: u16,
}

impl Got {
    /// The event's name.
    pub(crate) fn event(&self) -> &str {
        self.envelope["data"]["event"].as_str().unwrap()
    }

    /// The stream, which the id begins with.
    pub(crate) fn stream(&self) -> &str {
        self.id.rsplitn(3, '-').last().unwrap()
    }
}

type Answers = Box<dyn FnMut(&Got) -> (u16, String) + Send>;

struct Shared {
    got: Mutex<Vec<Got>>,
    answers: Mutex<Answers>,
    ended: AtomicBool,
}

/// A receiver on a loopback port. Ends when it is dropped.
pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
}

impl Receiver {
    /// One that takes everything.
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            got: Mutex::default(),
            answers: Mutex::new(Box::new(|_| (200, String::new()))),
            ended: AtomicBool::new(false),
        });
        let serving = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if serving.ended.load(Ordering::SeqCst) {
                    return;
                }
                let shared = Arc::clone(&serving);
                // Whoever hangs up in the middle ends nothing but its own connection.
                std::thread::spawn(move || serve(&stream.unwrap(), &shared));
            }
        });
        Self { address, shared }
    }

    /// From now on it answers with this status and text.
    pub(crate) fn answer(&self, mut answers: impl FnMut(&Got) -> (u16, String) + Send + 'static) {
        *self.shared.answers.lock().unwrap() = Box::new(move |got| answers(got));
    }

    /// The posts so far.
    pub(crate) fn got(&self) -> Vec<Got> {
        self.shared.got.lock().unwrap().clone()
    }

    /// The posts that it took so far.
    pub(crate) fn taken(&self) -> Vec<Got> {
        self.got().into_iter().filter(|got| got.status == 200).collect()
    }

    /// Waits until the posts that it took are as wanted, and gives them.
    #[track_caller]
    pub(crate) fn until(&self, what: &str, wanted: impl Fn(&[Got]) -> bool) -> Vec<Got> {
        let level = || Some(self.taken()).filter(|taken| wanted(taken));
        let told = || {
            format!(
                "{:?}",
                self.got().iter().map(|got| (got.event().to_owned(), got.status)).collect::<Vec<_>>()
            )
        };
        wait_for(what, level, told)
    }

    /// A section of the configuration with this webhook, whose secret is in `pager.secret`.
    pub(crate) fn section(&self, name: &str, more: &str) -> String {
        format!(
            "[[events.webhook]]\nname = \"{name}\"\nurl = \"http://{}/hooks/{name}\"\nsecret_files = [\"pager.secret\"]\n{more}\n",
            self.address
        )
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        let _wakes_it = TcpStream::connect(self.address);
    }
}

fn serve(stream: &TcpStream, shared: &Shared) -> Option<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let mut head = Vec::new();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).ok().filter(|count| *count > 0)?;
            if line == "\r\n" {
                break;
            }
            head.push(line.trim_end().to_owned());
        }
        let header = |name: &str| {
            let found = head.iter().skip(1).find_map(|line| {
                let (known, value) = line.split_once(": ")?;
                known.eq_ignore_ascii_case(name).then(|| value.to_owned())
            });
            found.unwrap_or_default()
        };
        let mut body = vec![0; header("content-length").parse().unwrap()];
        reader.read_exact(&mut body).ok()?;
        let body = String::from_utf8(body).unwrap();
        assert_eq!(header("content-type"), "application/cloudevents+json; charset=utf-8");
        let mut got = Got {
            path: head[0].split(' ').nth(1)?.to_owned(),
            id: header("webhook-id"),
            at: header("webhook-timestamp").parse().unwrap(),
            signatures: header("webhook-signature"),
            envelope: serde_json::from_str(&body).unwrap(),
            body,
            status: 0,
        };
        // Answered and kept under one lock, so that the order of the posts is that of the answers.
        let mut answers = shared.answers.lock().unwrap();
        let (status, text) = answers(&got);
        got.status = status;
        shared.got.lock().unwrap().push(got);
        drop(answers);
        let answer = format!("HTTP/1.1 {status} x\r\nContent-Length: {}\r\n\r\n{text}", text.len());
        (&*stream).write_all(answer.as_bytes()).ok()?;
    }
}
