//! Every key of the main file and of a watch list. `docs/configuration.md` explains each, and a test compares.

use super::shape::Key;
use super::shape::Shape::{Flag, Integer, Named, Number, Table, Tables, Text, Texts, Time};

const QUOTA: &[Key] = &[("rate", Number), ("burst", Integer)];

const SERVICE: &[Key] = &[
    ("rate", Number),
    ("burst", Integer),
    ("share", Number),
    ("endpoint", Text),
    ("list", Table(QUOTA)),
    ("in_flight", Integer),
];

const ACCOUNT: &[Key] = &[
    ("region", Text),
    ("profile", Text),
    ("role_arn", Text),
    ("external_id", Text),
    ("account_id", Text),
    ("fips", Flag),
    ("dual_stack", Flag),
    ("connect", Table(SERVICE)),
    ("chime", Table(SERVICE)),
];

const POLL: &[Key] = &[
    ("floor", Text),
    ("steady", Text),
    ("ceiling", Text),
    ("timeout", Text),
    ("after_terminal", Text),
    ("missing_grace", Text),
    ("missing_confirm", Text),
];

const RETRY_WINDOW: &[Key] = &[("length", Text), ("warn_before", Texts), ("counts_from", Text)];

const WEBHOOK: &[Key] = &[
    ("name", Text),
    ("url", Text),
    ("secret_files", Texts),
    ("events", Texts),
    ("labels", Named(&Text)),
    ("lists", Texts),
    ("min_level", Text),
];

/// The main file, and each file of `conf.d`.
pub(super) const MAIN: &[Key] = &[
    ("store", Table(&[("url", Text)])),
    ("watch", Table(&[("dirs", Texts)])),
    ("account", Named(&Table(ACCOUNT))),
    ("poll", Table(POLL)),
    ("retry_window", Table(RETRY_WINDOW)),
    (
        "events",
        Table(&[
            ("numbers", Text),
            ("log", Table(&[("format", Text)])),
            ("file", Table(&[("path", Text)])),
            ("webhook", Tables(WEBHOOK)),
        ]),
    ),
    ("http", Table(&[("listen", Text), ("allow_remote", Flag)])),
    ("schedules", Table(&[("heartbeat", Text), ("prune", Text), ("backup", Text), ("digest", Text)])),
    ("prune", Table(&[("keep", Text)])),
    ("backup", Table(&[("dir", Text), ("keep", Integer)])),
    ("control", Table(&[("socket", Text)])),
];

const ORDER: &[Key] = &[("id", Text), ("label", Text), ("requested_at", Time)];

const NUMBER: &[Key] =
    &[("id", Text), ("number", Text), ("operation", Text), ("requested_at", Time), ("label", Text)];

/// A watch list.
pub(super) const LIST: &[Key] = &[
    ("account", Text),
    ("labels", Named(&Text)),
    ("stalled_after", Text),
    ("poll", Table(POLL)),
    ("retry_window", Table(RETRY_WINDOW)),
    ("order", Tables(ORDER)),
    ("number", Tables(NUMBER)),
];
