//! What holds for any list: made line by line here, so that whose each line is is known without reading it.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use toml_edit::DocumentMut;

use super::*;

/// What is in no list that is made here.
const NEW: &str = "ffffffff-0000-4000-8000-00000000000f";

/// What looks like something else when it stands in a string or a comment.
const TRAPS: &[&str] = &[
    "[[order]]\nid = \"e0000000-0000-4000-8000-000000000000\"\n",
    "\n[[order]]\n",
    "# no comment",
    "\n\n# no comment\n#",
    "\"\"\"\n[[number]]",
    "'''",
    "\"",
    "\\",
    "\\\n",
    "ends\\\"",
    "\r\n",
    "\u{1f4de}\u{feff}",
    "a]]b[[c",
];

/// Comments that look like something else.
const COMMENTS: &[&str] =
    &["# [[order]]", "#[[number]]", "#id = \"x\"", "# \"\"\"", "# '''", "#", "  # indented", "\t#]]"];

/// A line, whose it is (an entry by its place among them), and whether it ends as in Windows where lines differ.
#[derive(Debug, Clone)]
struct Line {
    owner: Option<usize>,
    text: String,
    crlf: bool,
}

/// A list.
#[derive(Debug, Clone)]
struct Made {
    mark: bool,
    lines: Vec<Line>,
    is_ended: bool,
    /// The entries as they stand one after the other: kind, and id as it is written.
    ids: Vec<(Sort, String)>,
}

impl Made {
    /// The text of some of its lines.
    fn text_of(&self, lines: &[Line]) -> String {
        let mut text = String::from(if self.mark { "\u{feff}" } else { "" });
        for (at, line) in lines.iter().enumerate() {
            text.push_str(&line.text);
            if at + 1 < lines.len() || self.is_ended {
                text.push_str(if line.crlf { "\r\n" } else { "\n" });
            }
        }
        text
    }

    fn text(&self) -> String {
        self.text_of(&self.lines)
    }

    /// What the text is to be without an entry.
    fn text_without(&self, owner: usize) -> String {
        let is_own = |line: &Line| line.owner == Some(owner);
        let start = self.lines.iter().position(is_own).unwrap();
        let end = self.lines.iter().rposition(is_own).unwrap() + 1;
        assert!(self.lines[start..end].iter().all(is_own), "an entry's lines stand together");
        let is_blank = |line: &Line| line.owner.is_none() && line.text.trim().is_empty();
        let is_last = self.lines[end..].iter().all(is_blank);
        let blank = is_blank(&self.lines[start - 1]) && (is_last || is_blank(&self.lines[end]));
        let mut left = self.lines[..start - usize::from(blank)].to_vec();
        left.extend_from_slice(&self.lines[end..]);
        self.text_of(&left)
    }
}

/// One part of a list, with the blank lines above it.
#[derive(Debug, Clone)]
struct Part {
    blank: Vec<&'static str>,
    above: Vec<String>,
    what: What,
}

#[derive(Debug, Clone)]
enum What {
    /// The header, the keys but the id, where that stands, how it is written, and comments below.
    Entry { sort: Sort, header: usize, keys: Vec<String>, id_at: usize, id_as: usize, below: Vec<String> },
    /// A table that is none.
    Table(Vec<String>),
    /// A comment that belongs to nothing.
    Loose,
}

fn blank() -> impl Strategy<Value = Vec<&'static str>> {
    vec(select(&["", "", "", " ", "\t "][..]), 0..3)
}

fn comment() -> impl Strategy<Value = String> {
    prop_oneof![select(COMMENTS).prop_map(str::to_owned), "# [a-z=\"'\\[\\]\u{e4}\u{1f4de}]{0,12}"]
}

fn string() -> impl Strategy<Value = String> {
    let traps = vec(select(TRAPS), 1..3).prop_map(|traps| traps.concat());
    prop_oneof![traps, any::<String>(), "[ -~]{0,9}"].prop_map(|text| Value::from(text).to_string())
}

/// The text of a key, on one line or more. It is numbered later, so that no two are the same.
fn key() -> impl Strategy<Value = String> {
    prop_oneof![
        string().prop_map(|value| format!("label@ = {value}")),
        string().prop_map(|value| format!("\"label@\"={value} # [[order]]")),
        string().prop_map(|value| format!("  odd@.a.b = {value}\nodd@.c = {{ d = 1 }}")),
        string().prop_map(|value| format!("odd@ = [\n  {value}, # ]\n\n  # [[order]]\n]")),
        Just("at@ = 2026-11-20T10:00:00Z".to_owned()),
        comment().prop_map(|comment| comment.replace('@', "")),
        Just(String::new()),
    ]
}

fn part() -> impl Strategy<Value = Part> {
    let entry = (any::<bool>(), 0..5_usize, vec(key(), 0..4), 0..9_usize, 0..4_usize, vec(comment(), 0..3));
    let entry = entry.prop_map(|(is_order, header, keys, id_at, id_as, below)| What::Entry {
        sort: if is_order { Sort::Order } else { Sort::Number },
        header,
        keys,
        id_at,
        id_as,
        below,
    });
    let table = vec(string(), 0..3).prop_map(What::Table);
    let what = prop_oneof![6 => entry, 1 => table, 1 => Just(What::Loose)];
    (blank(), vec(comment(), 0..3), what).prop_map(|(blank, above, what)| Part { blank, above, what })
}

fn id_of(number: usize, sort: Sort, how: usize) -> (String, String) {
    let id = format!("{number:08x}-ABCD-4000-8000-00000000000a");
    let id = match (how, sort) {
        (0, _) => id.to_lowercase(),
        (1, Sort::Number) => format!("arn:aws:connect:eu-west-2:123456789012:phone-number/{id}"),
        (2, _) => format!("odd {number} \"\\ [[order]]'"),
        (_, _) => id,
    };
    (format!("id = {}", Value::from(id.as_str())), id)
}

/// The lines of an entry from its header to its last key. There is always one that is no comment: the id.
fn entry_text(number: usize, what: &What, ids: &mut Vec<(Sort, String)>) -> Option<String> {
    let What::Entry { sort, header, keys, id_at, id_as, .. } = what else { return None };
    let (id_line, id) = id_of(number, *sort, *id_as);
    ids.push((*sort, id));
    let key = sort.key();
    let header = match header {
        0 => format!("[[ {key} ]] # [[order]]"),
        1 => format!("  [[\"{key}\"]]"),
        _ => format!("[[{key}]]"),
    };
    let mut lines: Vec<String> =
        keys.iter().enumerate().map(|(at, key)| key.replace('@', &at.to_string())).collect();
    // Comments and blank lines at the end would be nobody's, or a neighbour's: the id is behind them.
    let last_key = lines.iter().rposition(|line| line.contains('=') && !line.trim_start().starts_with('#'));
    let is_bare = last_key.is_none_or(|last| last + 1 < lines.len());
    let id_at = if is_bare { lines.len() } else { (*id_at).min(lines.len()) };
    lines.insert(id_at, id_line);
    lines.insert(0, header);
    Some(lines.join("\n"))
}

/// Lines with their owners.
type Owned = Vec<(Option<usize>, String)>;

fn add(lines: &mut Owned, owner: Option<usize>, texts: &[impl AsRef<str>]) {
    let all = texts.iter().flat_map(|text| text.as_ref().split('\n'));
    lines.extend(all.map(|line| (owner, line.to_owned())));
}

/// The lines of all parts, each where a reader would take it for what it is.
fn assemble(parts: &[Part], lines: &mut Owned) -> Vec<(Sort, String)> {
    let mut ids = Vec::new();
    let mut must_part = false;
    for (at, Part { blank, above, what }) in parts.iter().enumerate() {
        if blank.is_empty() && (must_part || matches!(what, What::Loose)) {
            add(lines, None, &[""]);
        }
        add(lines, None, blank);
        let number = ids.len();
        let entry = entry_text(at, what, &mut ids);
        let owner = entry.as_ref().map(|_| number);
        add(lines, owner, above);
        must_part = match what {
            What::Entry { below, .. } => {
                add(lines, owner, &[entry.unwrap_or_default()]);
                add(lines, owner, below);
                !below.is_empty()
            }
            What::Table(values) => {
                let keys = values.iter().enumerate().map(|(at, value)| format!("key{at} = {value}"));
                add(lines, None, &[format!("[table{at}]")]);
                add(lines, None, &keys.collect::<Vec<_>>());
                false
            }
            What::Loose => true,
        };
    }
    ids
}

fn made() -> impl Strategy<Value = Made> {
    let keys = vec(select(&["stalled_after = \"1h\"", "poll.floor = \"9s\""][..]), 0..2);
    let head = (vec(comment(), 0..3), blank(), keys);
    let form = (any::<bool>(), any::<bool>(), 0..3_u8, vec(any::<bool>(), 16));
    (head, vec(part(), 0..9), blank(), form).prop_map(|(head, parts, end, (mark, is_ended, ends, crlf))| {
        let mut lines = Owned::new();
        let (comments, blanks, keys) = head;
        add(&mut lines, None, &comments);
        add(&mut lines, None, &blanks);
        add(&mut lines, None, &["account = 'a'"]);
        add(&mut lines, None, &keys);
        let ids = assemble(&parts, &mut lines);
        add(&mut lines, None, &end);
        while !is_ended && lines.last().is_some_and(|(_, line)| line.is_empty()) {
            lines.pop();
        }
        let is_crlf = |at: usize| ends == 1 || ends == 2 && crlf[at % crlf.len()];
        let lines = lines.into_iter().enumerate();
        let lines = lines.map(|(at, (owner, text))| Line { owner, text, crlf: is_crlf(at) }).collect();
        Made { mark, lines, is_ended, ids }
    })
}

/// A text without its byte order mark, as lists are read; a second one is for the parser.
fn parsed(text: &str) -> Option<DocumentMut> {
    text.strip_prefix(MARK).unwrap_or(text).parse().ok()
}

/// The ids in a text, read once more in another way: orders first.
fn ids(text: &str) -> Vec<(Sort, String)> {
    let document = parsed(text).unwrap();
    let mut all = Vec::new();
    for sort in [Sort::Order, Sort::Number] {
        let Some(item) = document.get(sort.key()) else { continue };
        let tables = item.clone().into_array_of_tables().unwrap();
        all.extend(tables.iter().map(|table| (sort, table["id"].as_str().unwrap_or_default().to_owned())));
    }
    all
}

fn in_order(ids: &[(Sort, String)]) -> Vec<(Sort, String)> {
    let of = |wanted: Sort| ids.iter().filter(move |(sort, _)| *sort == wanted).cloned();
    of(Sort::Order).chain(of(Sort::Number)).collect()
}

fn new_entry() -> impl Strategy<Value = NewEntry> {
    let text = || {
        let traps = vec(select(TRAPS), 1..3).prop_map(|traps| traps.concat());
        proptest::option::of(prop_oneof![traps, any::<String>()])
    };
    let kind = prop_oneof![
        Just(Kind::Order),
        (text(), text()).prop_map(|(number, operation)| Kind::Number { number, operation })
    ];
    let moment = proptest::option::of(Just("2026-11-20T10:00:00Z".to_owned()));
    (kind, moment, text()).prop_map(|(kind, requested_at, label)| NewEntry {
        kind,
        id: NEW.to_owned(),
        requested_at,
        label,
    })
}

/// Whether lines of one text are all in another one, in their order: those that are not blank.
fn is_part(of_these: &str, all: &str) -> bool {
    let mut rest = all.lines();
    of_these.lines().filter(|line| !line.trim().is_empty()).all(|line| rest.any(|other| other == line))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    /// What was put in is read as it was given, all else is as it was, and taken out again nothing has happened.
    #[test]
    fn with_and_without_are_nothing(made in made(), entry in new_entry()) {
        let text = made.text();
        let more = with(&text, "a", &entry).unwrap();
        prop_assert!(more.starts_with(&text), "{more:?}");
        prop_assert_eq!(more.ends_with('\n'), text.ends_with('\n'));
        let mut expected = made.ids.clone();
        expected.push((entry.kind.sort(), NEW.to_owned()));
        prop_assert_eq!(ids(&more), in_order(&expected));
        let document = parsed(&more).unwrap();
        let tables = document[entry.kind.sort().key()].as_array_of_tables().unwrap();
        let table = tables.iter().last().unwrap();
        let string = |key: &str| table.get(key).and_then(Item::as_str).map(str::to_owned);
        prop_assert_eq!(string("label"), entry.label.clone());
        if let Kind::Number { number, operation } = &entry.kind {
            prop_assert_eq!(&(string("number"), string("operation")), &(number.clone(), operation.clone()));
        }
        let at = table.get("requested_at").and_then(Item::as_datetime).map(ToString::to_string);
        prop_assert_eq!(at, entry.requested_at.clone());
        prop_assert_eq!(with(&more, "a", &entry).is_err(), true);
        prop_assert_eq!(without(&text, NEW), Err(EditError::NotListed));
        prop_assert_eq!(without(&more, NEW), Ok(Rest { text, left: made.ids.len() }));
    }

    /// Each entry by itself: its lines go, those of all others are as they were.
    #[test]
    fn an_entry_goes_with_its_lines_alone(made in made()) {
        let text = made.text();
        prop_assert_eq!(ids(&text), in_order(&made.ids));
        for (number, (_, id)) in made.ids.iter().enumerate() {
            let rest = without(&text, id).unwrap();
            prop_assert_eq!(&rest.text, &made.text_without(number), "{}", id);
            let mut expected = made.ids.clone();
            expected.remove(number);
            prop_assert_eq!(rest.left, expected.len());
            prop_assert_eq!(ids(&rest.text), in_order(&expected));
        }
    }

    /// One after the other, in any order, until nothing is left but what is no entry's.
    #[test]
    fn all_entries_go_in_any_order(made in made(), turns in vec(any::<prop::sample::Index>(), 9)) {
        let (mut text, mut left) = (made.text(), made.ids.clone());
        for turn in turns {
            if left.is_empty() {
                break;
            }
            let (_, id) = left.remove(turn.index(left.len()));
            let rest = without(&text, &id).unwrap();
            prop_assert!(is_part(&rest.text, &text));
            prop_assert_eq!(ids(&rest.text), in_order(&left));
            text = rest.text;
        }
        let others = made.lines.iter().filter(|line| line.owner.is_none() && !line.text.trim().is_empty());
        let others: Vec<&str> = others.map(|line| line.text.as_str()).collect();
        let is_left: Vec<&str> = text.trim_start_matches(MARK).lines().filter(|line| !line.trim().is_empty()).collect();
        prop_assert_eq!(is_left, others);
        let again = with(&text, "a", &NewEntry { kind: Kind::Order, id: NEW.to_owned(), requested_at: None, label: None });
        prop_assert_eq!(without(&again.unwrap(), NEW), Ok(Rest { text, left: 0 }));
    }

    /// Of texts with damage: no panic, and where one is edited all the same, that is right too.
    #[test]
    fn damage_is_refused_or_left_alone(
        made in made(),
        entry in new_entry(),
        damage in vec((any::<prop::sample::Index>(), 0..6_usize, select(DAMAGE)), 1..3),
    ) {
        let mut text: Vec<char> = made.text().chars().collect();
        for (at, gone, put) in damage {
            let at = at.index(text.len() + 1);
            let end = (at + gone).min(text.len());
            text.splice(at..end, put.chars());
        }
        let text: String = text.into_iter().collect();
        if let Ok(more) = with(&text, "a", &entry) {
            prop_assert!(parsed(&more).is_some(), "{more:?}");
            let rest = without(&more, NEW).unwrap().text;
            let is_list = parsed(&text).unwrap().contains_key("account");
            prop_assert!(rest == text || !is_list && rest.starts_with(&text), "{rest:?}");
        }
        for (_, id) in &made.ids {
            if let Ok(rest) = without(&text, id) {
                prop_assert!(parsed(&rest.text).is_some(), "{:?}", rest.text);
                prop_assert!(is_part(&rest.text, &text));
                prop_assert_eq!(without(&rest.text, id), Err(EditError::NotListed));
            }
        }
    }
}

/// What is put somewhere.
const DAMAGE: &[&str] = &[
    "",
    "\n",
    "\r",
    "\r\n",
    "\n\n",
    "#",
    "\n#\n",
    "\"",
    "'''",
    "\"\"\"",
    "[[order]]\n",
    "\n[[number]]\n",
    "\n[order]\n",
    "\n[order.odd]\n",
    "\n[number.odd.more]\n",
    "order = []\n",
    "order = [{}]\n",
    "number = 1\n",
    "]",
    "\\",
    "\u{feff}",
    "\u{0}",
    "=",
    ".",
    " ",
];
