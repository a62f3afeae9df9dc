//! `docs/states.md` is made here from the code, and compared: a row of the state machine cannot change in one place only.
//!
//! # Expected flow
//! Each state has exemplars: orders that got there by a short story ([`tale`]). Each kind of observation has one too.
//! [`step`](claimwatch::core::step::step) is run on every pair; the exemplars of a state must agree. [`table`] renders
//! the answers, [`diagram`] draws them.
//!
//! # Guarantees
//! Real orders, observations and events are put into the kinds of this test by matches without wildcards, so a new
//! variant in `src` breaks this build.

/// An enum with the list of its variants and a label for each: what the test counts on its fingers.
macro_rules! kinds {
    ($(#[$about:meta])* $name:ident { $($variant:ident: $label:literal,)+ }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub(super) enum $name { $($variant,)+ }

        impl super::table::Kind for $name {
            const ALL: &'static [Self] = &[$(Self::$variant,)+];

            fn label(self) -> &'static str {
                match self { $(Self::$variant => $label,)+ }
            }
        }
    };
}

mod chime_number;
mod chime_order;
mod connect;
mod diagram;
mod page;
mod said;
mod seen;
mod table;
mod tale;

use std::collections::BTreeSet;

use claimwatch::core::step::FAULTS_UNTIL_BLOCKED;

use self::page::Tables;
use self::said::Said;
use self::seen::Shape;
use self::table::{Kind as _, Table};
use crate::support::expect;

#[test]
fn the_page_says_what_the_code_does() {
    expect::same("docs/states.md", &Tables::run().page());
}

#[test]
fn every_pair_was_run() {
    let tables = Tables::run();
    let pairs = [
        (tables.connect.pairs(), connect::State::ALL.len() * connect::Sees::ALL.len()),
        (tables.order.pairs(), chime_order::State::ALL.len() * chime_order::Sees::ALL.len()),
        (tables.without_window.pairs(), 4 * chime_number::Sees::ALL.len()),
        (tables.with_window.pairs(), 6 * chime_number::Sees::ALL.len()),
    ];
    for (n, (run, due)) in pairs.into_iter().enumerate() {
        assert_eq!(run, due, "table {n}");
    }
    let shapes: BTreeSet<Shape> = tables.shapes();
    let missed: Vec<&str> =
        Shape::ALL.iter().filter(|shape| !shapes.contains(shape)).map(|shape| shape.label()).collect();
    assert!(missed.is_empty(), "never observed: {missed:?}");
    assert_eq!(FAULTS_UNTIL_BLOCKED, 8, "the page says so");
}

#[test]
fn every_event_is_in_a_table() {
    let said = Tables::run().said();
    let missed: Vec<&str> =
        Said::ALL.iter().filter(|event| !said.contains(event)).map(|event| event.label()).collect();
    // Whether a list names an order is no affair of the step.
    assert_eq!(missed, [Said::Tracked, Said::Untracked].map(Said::label));
}

/// A doubt is no state of its own on the page, so it must not matter to what is no look that misses the order.
#[test]
fn a_doubt_alters_no_other_row() {
    let sights: Vec<connect::Sees> =
        connect::Sees::ALL.iter().copied().filter(|sees| !sees.is_missing()).collect();
    let plain: Table<connect::State, connect::Sees> = Table::run(connect::State::ALL, &sights, |tale| tale);
    let doubted = Table::run(connect::State::ALL, &sights, |tale| tale.sees(&seen::missing(false)));
    assert_eq!(plain.bare().collect::<Vec<_>>(), doubted.bare().collect::<Vec<_>>());
}

#[test]
fn the_diagram_can_be_read() {
    diagram::read(&Tables::run().diagram());
}
