//! Whether an order has ended, and how: what `watch --exit-status` and `wait` end on.

use crate::core::observation::ChimeStatus;
use crate::core::standing::NOT_FOUND;
use crate::daemon::observe::orders::OrderView;

/// How an order ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// It has not.
    Not,
    /// Claimed; of a Chime order, all of its numbers.
    Well,
    /// Otherwise.
    Badly,
}

/// Whether an order has ended. A claim that failed has, though its retry window may be open: whoever waits for it wants to know.
pub(super) fn ended(order: &OrderView) -> Ended {
    match order.status.as_str() {
        "CLAIMED" => Ended::Well,
        "FAILED" | "RELEASED" | NOT_FOUND => Ended::Badly,
        word => match ChimeStatus::parse(word) {
            Some(ChimeStatus::Successful) => Ended::Well,
            Some(status) if status.is_terminal() => Ended::Badly,
            Some(_) | None => Ended::Not,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daemon::observe::orders::tests::view;

    #[test]
    fn every_status_has_ended_well_badly_or_not() {
        for (status, how) in [
            ("NEVER_SEEN", Ended::Not),
            ("IN_PROGRESS", Ended::Not),
            ("CLAIMED", Ended::Well),
            ("FAILED", Ended::Badly),
            ("RELEASED", Ended::Badly),
            ("NOT_FOUND", Ended::Badly),
            ("Processing", Ended::Not),
            ("PendingDocuments", Ended::Not),
            ("Successful", Ended::Well),
            ("Partial", Ended::Badly),
            ("Cancelled", Ended::Badly),
        ] {
            let order = OrderView { status: status.to_owned(), ..view() };
            assert_eq!(ended(&order), how, "{status}");
        }
    }
}
