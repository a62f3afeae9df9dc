//! What the model knows and says: words, milliseconds, maps.

use std::collections::{BTreeMap, BTreeSet};

pub(super) const SECOND: i64 = 1000;
pub(super) const MINUTE: i64 = 60 * SECOND;
pub(super) const HOUR: i64 = 60 * MINUTE;
pub(super) const DAY: i64 = 24 * HOUR;

/// What the watch list says of the order.
#[derive(Debug, Clone, Default)]
pub(super) struct Terms {
    pub(super) connect: bool,
    pub(super) operation: Option<&'static str>,
    pub(super) requested_at: Option<i64>,
    pub(super) declared_number: Option<String>,
    pub(super) length: i64,
    pub(super) marks: Vec<i64>,
    pub(super) counts_from_failure: bool,
    pub(super) window_for_chime: bool,
    pub(super) stalled_after: Option<i64>,
    pub(super) missing_grace: i64,
    pub(super) missing_confirm: i64,
}

/// What the looks before left behind; whoever applies the looks keeps it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Looks {
    pub(super) not_failed_at: Option<i64>,
    pub(super) elsewhere_at: Option<i64>,
    pub(super) faults: u32,
}

/// What is known of the order. An empty word is "nothing".
#[derive(Debug, Clone, Default, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own, as the specification tells it")]
pub(super) struct State {
    pub(super) generation: u64,
    pub(super) first_watched: i64,
    pub(super) changed_at: i64,
    /// `unseen`, `seen`, `gone`.
    pub(super) presence: &'static str,
    pub(super) gone_since: Option<i64>,
    /// `none`, `young`, `doubted`, `suspect`.
    pub(super) absence: &'static str,
    /// Until when it is young, or since when it is doubted or suspect.
    pub(super) absence_at: Option<i64>,
    pub(super) not_found_told: bool,
    pub(super) words: BTreeSet<String>,
    pub(super) stalled: bool,
    pub(super) blocked: bool,
    pub(super) refused: bool,
    pub(super) numbers: BTreeMap<String, Number>,
    /// Chime: the order's own status.
    pub(super) own: Option<&'static str>,
    pub(super) porting: bool,
    pub(super) updated_at: Option<i64>,
    pub(super) foc_date: Option<i64>,
    /// Connect: which number the id stands for.
    pub(super) current: String,
    pub(super) target: Option<String>,
    /// `not_asked`, `nobody`, `held`, `unknown`, `refused`.
    pub(super) other: &'static str,
    /// Who holds it, or why that is unknown.
    pub(super) other_what: String,
    pub(super) other_raw: Option<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Number {
    /// Empty: never seen.
    pub(super) status: &'static str,
    /// The look that first showed it.
    pub(super) since: i64,
    pub(super) operation: &'static str,
    /// `declared`, `inferred`.
    pub(super) basis: &'static str,
    pub(super) message: Option<String>,
    pub(super) raw: Option<String>,
    pub(super) claimed_before: bool,
    pub(super) declared_holds: bool,
    pub(super) window: Option<Window>,
    /// `listed`, `lacked_once`, `vanished`.
    pub(super) place: &'static str,
}

impl Default for Number {
    fn default() -> Self {
        Self {
            status: "",
            since: 0,
            operation: "",
            basis: "",
            message: None,
            raw: None,
            claimed_before: false,
            declared_holds: true,
            window: None,
            place: "listed",
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Window {
    /// Generation and place of the event that opened it.
    pub(super) id: String,
    /// Empty while it is open.
    pub(super) outcome: &'static str,
    pub(super) other_id: Option<String>,
    pub(super) closed_at: Option<i64>,
    pub(super) basis: &'static str,
    pub(super) length: i64,
    pub(super) failed_at: i64,
    pub(super) earliest: i64,
    pub(super) latest: i64,
    pub(super) warned: Option<i64>,
    pub(super) acknowledged_at: Option<i64>,
}

/// An event. What it does not have is empty.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Said {
    pub(super) name: &'static str,
    pub(super) number: String,
    pub(super) from: &'static str,
    pub(super) to: &'static str,
    pub(super) raw: Option<String>,
    pub(super) reason: Option<String>,
    pub(super) operation: &'static str,
    pub(super) basis: &'static str,
    /// How long a claim took, an order was watched, or nothing changed.
    pub(super) duration: Option<i64>,
    pub(super) retrying: bool,
    pub(super) other_id: Option<String>,
    pub(super) window_id: String,
    pub(super) window_basis: &'static str,
    pub(super) earliest: i64,
    pub(super) latest: i64,
    pub(super) mark: i64,
    pub(super) last: bool,
    pub(super) due_at: i64,
    pub(super) outcome: &'static str,
    pub(super) condition: &'static str,
    pub(super) faults: u32,
}
