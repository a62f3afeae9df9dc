//! A daemon that does in time all that the core asks for.

use std::time::Duration;

use claimwatch::core::event::{OrderEvent, WindowEnd};
use claimwatch::core::observation::{ConnectNumber, Elsewhere, Observation, Sighting};
use claimwatch::core::state::{Looked, Order};
use claimwatch::core::time::Timestamp;
use claimwatch::core::{cadence, inquiry, look};

use super::{NUMBER, start, word};

/// A daemon that is never late: it looks when a look is due, asks who else holds the number where that is wanted, which
/// takes so long, and tells the time when a time matters. The claim fails after `failed_after` and stays failed.
pub(super) struct Daemon {
    order: Order,
    now: Timestamp,
    fails_at: Timestamp,
    inquiry_takes: Duration,
    /// When the inquiry that is going on is answered.
    answer_at: Option<Timestamp>,
    looks: usize,
    pub(super) inquiries: usize,
    /// When a window was opened.
    opened_at: Option<Timestamp>,
    /// The alerts that were told: when each was due.
    pub(super) told: Vec<Timestamp>,
}

impl Daemon {
    pub(super) fn new(order: Order, failed_after: Duration, inquiry_takes: Duration) -> Self {
        Self {
            order,
            now: start(),
            fails_at: start().plus(failed_after),
            inquiry_takes,
            answer_at: None,
            looks: 0,
            inquiries: 0,
            opened_at: None,
            told: Vec::new(),
        }
    }

    /// Runs until there is nothing to do.
    pub(super) fn obey(&mut self) {
        loop {
            let Looked { due_at, wake_at, .. } = self.order.looked;
            // While an inquiry is going on there is no other look.
            let request_at = self.answer_at.or(due_at);
            let Some(next) = [request_at, wake_at].into_iter().flatten().min() else { return };
            self.now = self.now.max(next);
            let observation = if request_at.is_none_or(|at| at > self.now) {
                Observation::Elapsed
            } else if self.answer_at.take().is_some() {
                Observation::Elsewhere(Elsewhere::Nobody)
            } else {
                self.looks += 1;
                self.look()
            };
            self.apply(&observation);
            assert!(self.looks < 20_000, "it is looked at too often");
        }
    }

    fn look(&self) -> Observation {
        let status = Some(word(if self.now < self.fails_at { "IN_PROGRESS" } else { "FAILED" }));
        let seen = ConnectNumber { number: Some(NUMBER.into()), status, ..ConnectNumber::default() };
        Observation::Seen(Sighting::Connect(seen))
    }

    fn apply(&mut self, observation: &Observation) {
        let made = look::apply(&self.order, observation, Some(self.now), self.now);
        self.order = made.order;
        for event in &made.events {
            if let OrderEvent::WindowOpened { .. } = event {
                self.opened_at = Some(self.now);
            }
            if let OrderEvent::WindowClosing { due_at, .. }
            | OrderEvent::WindowClosed { end: WindowEnd::Unconfirmed { due_at }, .. } = event
            {
                self.check(*due_at);
            }
        }
        let answered = matches!(observation, Observation::Seen(_));
        if answered && inquiry::is_wanted(&self.order, self.now) {
            self.inquiries += 1;
            self.answer_at = Some(self.now.plus(self.inquiry_takes));
        }
    }

    /// An alert goes out in its time and rests on fresh answers to both questions.
    fn check(&mut self, due_at: Timestamp) {
        let (now, looked) = (self.now, self.order.looked);
        let opened_at = self.opened_at.unwrap();
        // What is due while the first inquiry is going on is told with its answer, or by the clock.
        let at_opening = due_at <= opened_at.plus(self.inquiry_takes);
        if at_opening {
            let late = now.since(due_at.max(opened_at));
            assert!(late <= self.inquiry_takes, "as soon as the inquiry is answered");
        } else {
            assert_eq!(due_at, now, "in its time");
        }
        let evidence = looked.answered_at.unwrap();
        assert!(now.since(evidence) <= cadence::FRESH, "told at {now} on the evidence of {evidence}");
        if !at_opening || now >= opened_at.plus(self.inquiry_takes) {
            let asked = looked.elsewhere_at.unwrap();
            assert!(
                now.since(asked) <= cadence::FRESH,
                "told at {now}, it was asked at {asked} who else holds it"
            );
        }
        self.told.push(due_at);
    }
}
