//! One life of the process: it ends between any two steps towards the outside.

use std::future::pending;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use tokio::sync::Notify;

/// A life.
#[derive(Debug)]
pub(super) struct Life {
    /// Which one it is.
    pub(super) number: u64,
    /// Steps until the end; 0: it does not end by steps.
    left: AtomicU32,
    over: AtomicBool,
    ended: Notify,
}

impl Life {
    pub(super) fn of(steps: u32, number: u64) -> Self {
        Self { number, left: AtomicU32::new(steps), over: AtomicBool::new(false), ended: Notify::new() }
    }

    /// A step towards the outside: what was before it has happened, what is after it has not.
    pub(super) async fn step(&self) {
        if self.left.load(Ordering::Relaxed) > 0 && self.left.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.end();
        }
        if self.over.load(Ordering::Relaxed) {
            pending::<()>().await;
        }
    }

    /// From here on nothing of it reaches the outside.
    pub(super) fn end(&self) {
        self.over.store(true, Ordering::Relaxed);
        self.ended.notify_one();
    }

    /// Waits for the end.
    pub(super) async fn ended(&self) {
        self.ended.notified().await;
    }
}
