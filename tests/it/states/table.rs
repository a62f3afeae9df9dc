//! Every state with every observation, and the answers as a table.

use std::collections::BTreeSet;
use std::fmt::Debug;

use claimwatch::core::observation::Observation;
use claimwatch::core::state::{Order, Subject};
use claimwatch::core::step::step;

use super::said::{self, Said};
use super::seen::Shape;
use super::tale::Tale;

/// A closed set of things with labels.
pub(super) trait Kind: Copy + Ord + Debug + 'static {
    /// All of them.
    const ALL: &'static [Self];

    fn label(self) -> &'static str;
}

/// A kind of state.
pub(super) trait Place: Kind {
    /// The orders that stand for it.
    fn exemplars(self) -> Vec<Tale>;

    /// Where a real order stands.
    fn of(tale: &Tale) -> Self;

    /// How it is called as the answer to `sees`.
    fn reached_by(self, _sees: &str) -> &'static str {
        self.label()
    }

    /// Several of `all` in one cell of the table.
    fn join(some: &[Self], all: &[Self], _sees: &str) -> String {
        joined(some, all)
    }
}

/// A kind of observation.
pub(super) trait Sight: Kind {
    /// Kinds that have a name together, where all of them have the same answer.
    const FAMILIES: &'static [(&'static [Self], &'static str)];

    /// What is observed, and the order to which it happens: some need a time, or that something went before.
    fn exemplar(self, tale: Tale) -> (Tale, Observation);
}

/// Several observations in one cell.
pub(super) fn together<K: Sight>(some: &[K]) -> String {
    let whole = K::FAMILIES.iter().filter(|(members, _)| members.iter().all(|kind| some.contains(kind)));
    let whole: Vec<_> = whole.collect();
    let mut labels: Vec<&str> = Vec::new();
    for kind in some {
        let family = whole.iter().find(|(members, _)| members.contains(kind));
        let label = family.map_or_else(|| kind.label(), |(_, label)| label);
        if !labels.contains(&label) {
            labels.push(label);
        }
    }
    labels.join(", ")
}

/// Several states in one cell: the exceptions, where they are far fewer.
pub(super) fn joined<S: Kind>(some: &[S], all: &[S]) -> String {
    let labels = |kinds: &[S]| kinds.iter().map(|kind| kind.label()).collect::<Vec<_>>().join(", ");
    let others: Vec<S> = all.iter().copied().filter(|kind| !some.contains(kind)).collect();
    if others.is_empty() {
        "any".to_owned()
    } else if others.len() * 2 <= some.len() {
        format!("any but {}", labels(&others))
    } else {
        labels(some)
    }
}

/// What a step made of a state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer<S> {
    pub(super) becomes: S,
    /// Whether that is said of another number than `from`.
    renamed: bool,
    /// What changed besides.
    asides: Vec<&'static str>,
    emits: Vec<String>,
    said: BTreeSet<Said>,
}

/// One (state, observation) pair. `None`: nothing changed and nothing was said.
pub(super) struct Cell<S, K> {
    pub(super) from: S,
    pub(super) sees: K,
    pub(super) answer: Option<Answer<S>>,
}

pub(super) struct Table<S, K> {
    states: Vec<S>,
    pub(super) cells: Vec<Cell<S, K>>,
    shapes: BTreeSet<Shape>,
}

impl<S: Place, K: Sight> Table<S, K> {
    /// Runs every pair. `dress` puts an exemplar under the terms of this table.
    pub(super) fn run(states: &[S], sights: &[K], dress: impl Fn(Tale) -> Tale) -> Self {
        let mut table = Self { states: states.to_vec(), cells: Vec::new(), shapes: BTreeSet::new() };
        for &sees in sights {
            for &from in states {
                let mut answers = from.exemplars().into_iter().enumerate().map(|(n, tale)| {
                    let (tale, observation) = sees.exemplar(dress(tale));
                    table.shapes.insert(Shape::of(&observation));
                    let stands = S::of(&tale);
                    assert_eq!(
                        stands, from,
                        "the story of exemplar {n} ends elsewhere, before it sees {sees:?}"
                    );
                    answer(from, &tale, &observation)
                });
                let first = answers.next();
                let first = first.unwrap_or_else(|| panic!("{from:?} has no exemplar"));
                for (n, other) in answers.enumerate() {
                    assert_eq!(
                        first,
                        other,
                        "{from:?} sees {sees:?}: exemplar {} is not as the first",
                        n + 1
                    );
                }
                table.cells.push(Cell { from, sees, answer: first });
            }
        }
        table
    }

    pub(super) fn pairs(&self) -> usize {
        self.cells.len()
    }

    pub(super) fn shapes(&self) -> &BTreeSet<Shape> {
        &self.shapes
    }

    pub(super) fn said(&self) -> BTreeSet<Said> {
        self.cells
            .iter()
            .filter_map(|cell| cell.answer.as_ref())
            .flat_map(|answer| answer.said.clone())
            .collect()
    }

    /// What each pair becomes and what it says, without the asides.
    pub(super) fn bare(&self) -> impl Iterator<Item = (S, K, S, Vec<String>)> {
        self.cells.iter().map(|cell| match &cell.answer {
            None => (cell.from, cell.sees, cell.from, Vec::new()),
            Some(answer) => (cell.from, cell.sees, answer.becomes, answer.emits.clone()),
        })
    }

    /// The rows, and under them what changes nothing.
    pub(super) fn render(&self) -> String {
        let mut rows: Vec<Row<K>> = Vec::new();
        let mut still: Vec<Row<K>> = Vec::new();
        for &sees in K::ALL {
            for row in self.rows(sees) {
                add(if row.becomes.is_empty() { &mut still } else { &mut rows }, row);
            }
        }
        let head = ["| from | sees | becomes | emits |", "|---|---|---|---|"];
        let mut lines = head.map(str::to_owned).to_vec();
        for Row { from, sees, becomes, emits } in rows {
            lines.push(format!("| {from} | {} | {becomes} | {emits} |", together(&sees)));
        }
        lines.push("\nWhat changes nothing and says nothing:\n".to_owned());
        for Row { from, sees, .. } in still {
            lines.push(format!("- {}: {from}", together(&sees)));
        }
        lines.push(String::new());
        lines.join("\n")
    }

    /// The rows of one observation: states with the same answer are one.
    fn rows(&self, sees: K) -> Vec<Row<K>> {
        let mut groups: Vec<(String, String, Vec<S>)> = Vec::new();
        for cell in self.cells.iter().filter(|cell| cell.sees == sees) {
            let (becomes, emits) = match &cell.answer {
                None => (String::new(), String::new()),
                Some(answer) => (answer.becomes(cell.from, sees.label()), answer.emits.join(", ")),
            };
            match groups.iter_mut().find(|group| (&group.0, &group.1) == (&becomes, &emits)) {
                Some((.., from)) => from.push(cell.from),
                None => groups.push((becomes, emits, vec![cell.from])),
            }
        }
        let row = |(becomes, emits, from): (String, String, Vec<S>)| {
            let from = S::join(&from, &self.states, sees.label());
            Row { from, sees: vec![sees], becomes, emits }
        };
        groups.into_iter().map(row).collect()
    }
}

impl<S: Place> Answer<S> {
    fn becomes(&self, from: S, sees: &str) -> String {
        let same = self.becomes == from && !self.renamed;
        let becomes = if same { "the same" } else { self.becomes.reached_by(sees) };
        [becomes].iter().chain(&self.asides).copied().collect::<Vec<_>>().join("; ")
    }
}

struct Row<K> {
    from: String,
    sees: Vec<K>,
    becomes: String,
    emits: String,
}

/// Observations with the same answer from the same states are one row.
fn add<K>(rows: &mut Vec<Row<K>>, row: Row<K>) {
    let known = rows
        .iter_mut()
        .find(|known| (&known.from, &known.becomes, &known.emits) == (&row.from, &row.becomes, &row.emits));
    match known {
        Some(known) => known.sees.extend(row.sees),
        None => rows.push(row),
    }
}

/// The number that a Connect id stands for, once that is known.
fn current(order: &Order) -> Option<&str> {
    match &order.state.subject {
        Subject::Connect(connect) => Some(connect.current.as_str()).filter(|number| !number.is_empty()),
        Subject::Chime(_) => None,
    }
}

fn answer<S: Place>(from: S, tale: &Tale, observation: &Observation) -> Option<Answer<S>> {
    let Tale { order: before, now } = tale;
    let made = step(before, observation, *now);
    if made.order == *before {
        assert!(made.events.is_empty(), "{from:?}: {:?} without a generation", made.events);
        return None;
    }
    assert_eq!(made.order.generation, before.generation + 1);
    let becomes = S::of(&Tale { order: made.order.clone(), now: *now });
    let renamed = current(before) != current(&made.order);
    let asides = said::asides(&before.state, &made.order.state, becomes == from && !renamed);
    let answer = Answer {
        becomes,
        renamed,
        asides,
        emits: made.events.iter().map(|event| said::tell(event, before, &made.order)).collect(),
        said: made.events.iter().map(Said::of).collect(),
    };
    let told = answer.becomes != from || renamed || !answer.asides.is_empty() || !answer.emits.is_empty();
    assert!(
        told,
        "{from:?} sees {observation:?}: a change that the page has no word for: {:?}",
        made.order.state
    );
    Some(answer)
}
