//! The page.

use std::collections::BTreeSet;

use super::said::Said;
use super::seen::Shape;
use super::table::{Kind as _, Table};
use super::{chime_number, chime_order, connect, diagram};

/// All tables of the page.
pub(super) struct Tables {
    pub(super) connect: Table<connect::State, connect::Sees>,
    pub(super) order: Table<chime_order::State, chime_order::Sees>,
    /// The numbers of a Chime order whose list leaves `retry_window` out.
    pub(super) without_window: Table<chime_number::State, chime_number::Sees>,
    /// And those whose list sets it.
    pub(super) with_window: Table<chime_number::State, chime_number::Sees>,
}

const INTRODUCTION: &str = "\
# The state machine

What claimwatch makes of each thing that it can see, and what it says. This page is made from the code: a test runs the
state machine on every pair of a state and an observation and compares. `UPDATE_EXPECT=1 cargo test --test it states`
rewrites it; by hand nothing is changed here. What the events mean and what to do about them: [events.md](events.md).

How to read a row: an order that stands as **from** says and **sees** this, **becomes** that and **emits** these events,
in this order. What is in brackets after an event is the detail that tells it apart: `claim` or `update` is its
`operation`, a key (`reason`) says that the record has it. `from` is the word of the state before, unless something
else is said. States with the same answer share a row. \"The same\" is the state that it was; what else changes is told
behind it. The windows are those of a list that does not say `requested_at`.

The observations that do not explain themselves:

| sees | meaning |
|---|---|
| FAILED (the first message) | the failure was seen before, without a message |
| another E.164 | the id stands for another number than before |
| missing (young) | the service knows no such order, within `missing_grace` of the first watch |
| missing (first) | the same after that time, for the first time in a row |
| missing (confirmed) | the same again, `missing_confirm` later or more |
| missing (suspect scope) | the same while so much of its account is missing that the credentials are likelier to be wrong |
| elsewhere | it was asked which other id holds the number; in brackets, the status that it has there |
| denied | the service refuses the credentials: for this order only, or for all of the account and region |
| malformed | the answer, or the request, makes no sense; the 8th is the 8th look in a row |
| elapsed | nothing was looked at, but a time has come |
| at a mark | a warning is due; for a Connect number it waits until it was asked who else holds the number (asked before), or for elapsed |
";

const CONNECT: &str = "
## A Connect number

`FAILED (update)` is a failed update of a number that stays the account's; the other two are a failed claim, whose retry
window is open or over. \"No word\" is a number that is described without a status that anybody knows.
A doubt (missing, first) is no state of its own: until it is confirmed, all else is as if it were not there.
";

const DIAGRAM: &str = "
The same as a picture, without those of no word and without what another E.164 does (the old number is released, the new
one begins as never seen):
";

const ORDER: &str = "
## A Chime order

The order's own status; its numbers have theirs. All events of numbers come before it.
";

const NUMBERS: &str = "
## A number of a Chime order

Its list does not set `retry_window`:
";

const WINDOWS: &str = "
Its list sets `retry_window`:
";

impl Tables {
    pub(super) fn run() -> Self {
        let states = chime_number::State::WITHOUT_WINDOW;
        let with = chime_number::State::WITH_WINDOW;
        let sights = chime_number::Sees::ALL;
        Self {
            connect: Table::run(connect::State::ALL, connect::Sees::ALL, |tale| tale),
            order: Table::run(chime_order::State::ALL, chime_order::Sees::ALL, |tale| tale),
            without_window: Table::run(&states, sights, |tale| {
                tale.under(|policy| policy.window_for_chime = false)
            }),
            with_window: Table::run(&with, sights, |tale| {
                tale.under(|policy| policy.window_for_chime = true)
            }),
        }
    }

    pub(super) fn diagram(&self) -> String {
        diagram::draw(&self.connect)
    }

    pub(super) fn shapes(&self) -> BTreeSet<Shape> {
        let all = [
            self.connect.shapes(),
            self.order.shapes(),
            self.without_window.shapes(),
            self.with_window.shapes(),
        ];
        all.into_iter().flatten().copied().collect()
    }

    pub(super) fn said(&self) -> BTreeSet<Said> {
        let all =
            [self.connect.said(), self.order.said(), self.without_window.said(), self.with_window.said()];
        all.into_iter().flatten().collect()
    }

    pub(super) fn page(&self) -> String {
        [
            INTRODUCTION,
            CONNECT,
            "\n",
            &self.connect.render(),
            DIAGRAM,
            "\n```mermaid\n",
            &self.diagram(),
            "\n```\n",
            ORDER,
            "\n",
            &self.order.render(),
            NUMBERS,
            "\n",
            &self.without_window.render(),
            WINDOWS,
            "\n",
            &self.with_window.render(),
        ]
        .concat()
    }
}
