//! What the loop and the reloader tell of themselves while they go on, for whoever asks meanwhile: nobody has to wait for them.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Mutex, PoisonError};

use super::observe::status::{Configured, Rejected};
use crate::core::event::DaemonEvent;
use crate::core::time::Timestamp;

/// What is known of the daemon from outside its loop.
#[derive(Debug)]
pub(super) struct Health {
    started_at: Timestamp,
    turned_ms: AtomicI64,
    store_failing: AtomicBool,
    configured: Mutex<Configured>,
}

impl Health {
    /// Of a daemon that starts.
    pub(super) fn new(now: Timestamp) -> Self {
        Self {
            started_at: now,
            turned_ms: now.as_millis().into(),
            store_failing: false.into(),
            configured: Mutex::default(),
        }
    }

    /// When the daemon started.
    pub(super) fn started_at(&self) -> Timestamp {
        self.started_at
    }

    /// The loop turned.
    pub(super) fn turned(&self, now: Timestamp, store_failing: bool) {
        self.turned_ms.store(now.as_millis(), Ordering::Relaxed);
        self.store_failing.store(store_failing, Ordering::Relaxed);
    }

    /// When the loop last turned.
    pub(super) fn turned_at(&self) -> Timestamp {
        Timestamp::from_millis(self.turned_ms.load(Ordering::Relaxed))
    }

    /// Whether the store takes nothing.
    pub(super) fn store_failing(&self) -> bool {
        self.store_failing.load(Ordering::Relaxed)
    }

    /// The configuration was read: it is in force but for what these say.
    pub(super) fn read(&self, now: Timestamp, rejected: Vec<Rejected>) {
        let mut configured = self.configured.lock().unwrap_or_else(PoisonError::into_inner);
        let successful = rejected.is_empty();
        configured.reloaded_at = Some(now);
        configured.successful = successful;
        configured.rejected = rejected;
        if successful {
            configured.successful_at = Some(now);
        }
    }

    /// What the configuration is.
    pub(super) fn configured(&self) -> Configured {
        self.configured.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// What an event says to be refused.
pub(super) fn rejected(events: &[DaemonEvent]) -> Vec<Rejected> {
    let rejected = |event: &DaemonEvent| match event {
        DaemonEvent::ConfigRejected { file, line, reason } => {
            Some(Rejected { file: file.clone(), line: *line, reason: reason.clone() })
        }
        DaemonEvent::Started { .. }
        | DaemonEvent::Stopped { .. }
        | DaemonEvent::Heartbeat { .. }
        | DaemonEvent::Digest { .. }
        | DaemonEvent::ConfigApplied { .. } => None,
    };
    events.iter().filter_map(rejected).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_refused_stands_until_the_configuration_is_good() {
        let at = Timestamp::from_millis;
        let health = Health::new(at(0));
        health.read(at(1), Vec::new());
        let event = DaemonEvent::ConfigRejected { file: "f".into(), line: Some(3), reason: "r".into() };
        let refused = rejected(&[event, DaemonEvent::Started { orders: 1 }]);
        assert_eq!(refused, [Rejected { file: "f".into(), line: Some(3), reason: "r".into() }]);
        health.read(at(2), refused.clone());
        let known = health.configured();
        assert_eq!((known.reloaded_at, known.successful_at), (Some(at(2)), Some(at(1))));
        assert_eq!((known.successful, known.rejected), (false, refused));
        health.read(at(3), Vec::new());
        let known = health.configured();
        assert_eq!((known.successful, known.successful_at), (true, Some(at(3))));
    }
}
