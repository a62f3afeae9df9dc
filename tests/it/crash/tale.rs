//! A world and, written down beside it, every word that has to be said about it.

use serde_json::Value;

use crate::support::house::{House, list};
use crate::support::process::Running;
use crate::support::receiver::{Receiver, SECRET};
use crate::support::records::{about, names};
use crate::support::sim::{Sim, WIDE, number, number_id, order, order_id};

/// What comes besides the subjects' own events, however often it is started.
const OF_THE_DAEMON: [&str; 3] = ["config.applied", "daemon.started", "daemon.stopped"];

/// A world whose time the tale moves on when everything about a second was told.
#[derive(Debug)]
pub(super) struct Tale {
    scenario: String,
    list: String,
    /// The world's last second.
    pub(super) last: u32,
    /// Of each subject: from which second on, which event.
    told: Vec<(String, &'static [(u32, &'static str)])>,
}

impl Tale {
    /// A claim that fails, and an order that goes well.
    pub(super) fn short() -> Self {
        let failed = number(1, &[(0, "IN_PROGRESS"), (1, "FAILED")]);
        let bought = order(1, &[(0, "Processing", "Processing"), (1, "Successful", "Acquired")]);
        Self {
            scenario: [WIDE, &failed, &bought].concat(),
            list: list(&[1], &[1]),
            last: 1,
            told: vec![
                (
                    number_id(1),
                    &[
                        (0, "order.tracked"),
                        (0, "number.in_progress"),
                        (1, "number.failed"),
                        (1, "window.opened"),
                    ],
                ),
                (
                    order_id(1),
                    &[
                        (0, "order.tracked"),
                        (0, "number.in_progress"),
                        (0, "order.status_changed"),
                        (1, "number.claimed"),
                        (1, "order.status_changed"),
                        (1, "order.completed"),
                    ],
                ),
            ],
        }
    }

    /// A claim that fails and is rescued, one that is lost, one that goes well, and two orders.
    pub(super) fn long() -> Self {
        let rescued = number(1, &[(0, "IN_PROGRESS"), (1, "FAILED"), (3, "IN_PROGRESS"), (4, "CLAIMED")]);
        let lost = number(2, &[(0, "IN_PROGRESS"), (2, "FAILED"), (5, "GONE")]);
        let well = number(3, &[(0, "IN_PROGRESS"), (3, "CLAIMED")]);
        let bought = order(1, &[(0, "Processing", "Processing"), (5, "Successful", "Acquired")]);
        let failed = order(2, &[(0, "Processing", "Processing"), (4, "Failed", "Failed")]);
        Self {
            scenario: [WIDE, &rescued, &lost, &well, &bought, &failed].concat(),
            list: list(&[1, 2, 3], &[1, 2]),
            last: 5,
            told: vec![
                (
                    number_id(1),
                    &[
                        (0, "order.tracked"),
                        (0, "number.in_progress"),
                        (1, "number.failed"),
                        (1, "window.opened"),
                        (3, "number.in_progress"),
                        (4, "number.claimed"),
                        (4, "window.resolved"),
                    ],
                ),
                (
                    number_id(2),
                    &[
                        (0, "order.tracked"),
                        (0, "number.in_progress"),
                        (2, "number.failed"),
                        (2, "window.opened"),
                        (5, "window.closed"),
                        (5, "number.released"),
                    ],
                ),
                (number_id(3), &[(0, "order.tracked"), (0, "number.in_progress"), (3, "number.claimed")]),
                (
                    order_id(1),
                    &[
                        (0, "order.tracked"),
                        (0, "number.in_progress"),
                        (0, "order.status_changed"),
                        (5, "number.claimed"),
                        (5, "order.status_changed"),
                        (5, "order.completed"),
                    ],
                ),
                (
                    order_id(2),
                    &[
                        (0, "order.tracked"),
                        (0, "number.in_progress"),
                        (0, "order.status_changed"),
                        (4, "number.failed"),
                        (4, "order.status_changed"),
                        (4, "order.completed"),
                    ],
                ),
            ],
        }
    }

    /// The world at its start, and a house that watches it.
    pub(super) fn begin(&self) -> (Sim, House) {
        let sim = Sim::start(&self.scenario);
        let house = self.furnish(House::at(sim.address));
        (sim, house)
    }

    /// The same, and the receiver of its webhook.
    pub(super) fn begin_posting(&self) -> (Sim, House, Receiver) {
        let (sim, receiver) = (Sim::start(&self.scenario), Receiver::start());
        let house = self.furnish(House::with(sim.address, &receiver.section("pager", "")));
        house.write("pager.secret", SECRET);
        (sim, house, receiver)
    }

    fn furnish(&self, house: House) -> House {
        house.alter("steady = \"200ms\"\nceiling = \"300ms\"", "steady = \"100ms\"\nceiling = \"100ms\"");
        house.list("emea", &self.list);
        house
    }

    /// Moves the world on from `second` as the event file tells of it, to its last word or the end of the process.
    /// True: the last word was said.
    pub(super) fn go_on(&self, sim: &Sim, house: &House, running: &mut Running, second: &mut u32) -> bool {
        loop {
            if !running.reaches(&format!("second {second}"), |_| self.is_told(*second, &house.events())) {
                return false;
            }
            if *second == self.last {
                // Before that it would not hear a signal.
                return running.reaches("up", |records| names(records).contains(&"daemon.started"));
            }
            *second += 1;
            sim.move_to(*second);
        }
    }

    /// Whether everything up to a second is among the records.
    pub(super) fn is_told(&self, second: u32, records: &[Value]) -> bool {
        self.told.iter().all(|(id, told)| {
            let wanted = told.iter().filter(|(at, _)| *at <= second).count();
            about(records, id).len() >= wanted
        })
    }

    /// Nothing is lost and nothing is made up.
    pub(super) fn check(&self, records: &[Value]) {
        let mut all = 0;
        for (id, told) in &self.told {
            let wanted: Vec<&str> = told.iter().map(|(_, event)| *event).collect();
            assert_eq!(about(records, id), wanted, "{id}");
            all += wanted.len();
        }
        let others = records.iter().filter(|r| OF_THE_DAEMON.contains(&r["event"].as_str().unwrap())).count();
        assert_eq!(all + others, records.len(), "about nobody: {records:?}");
        let applied = records.iter().filter(|record| record["event"] == "config.applied").count();
        assert_eq!(applied, 1, "the lists took effect once");
    }
}
