//! Texts and what becomes of them, byte by byte.

use super::*;

const A: &str = "6f1c0d4e-3f0b-4c1e-9a57-0d0c8e0a1b2c";
const B: &str = "0c1f3b6e-7d2a-4b8e-9a41-5f6d2c3b1a03";
const ARN_B: &str =
    "arn:aws:connect:eu-west-2:123456789012:phone-number/0C1F3B6E-7d2a-4b8e-9a41-5f6d2c3b1a03";

fn order(id: &str) -> NewEntry {
    NewEntry { kind: Kind::Order, id: id.to_owned(), requested_at: None, label: None }
}

fn number(id: &str) -> NewEntry {
    NewEntry { kind: Kind::Number { number: None, operation: None }, ..order(id) }
}

fn labelled(label: &str) -> NewEntry {
    NewEntry { label: Some(label.to_owned()), ..order("n") }
}

/// Adds an order `n` to a text of the account `a`.
fn added(text: &str) -> Result<String, EditError> {
    with(text, "a", &order("n"))
}

/// Takes `x` out of a text.
fn left(text: &str) -> Result<String, EditError> {
    without(text, "x").map(|rest| rest.text)
}

#[test]
fn a_new_list_has_a_comment_and_the_account() {
    let new = format!("{HEADER}\n\naccount = \"a\"\n\n[[order]]\nid = \"n\"\n");
    assert!(HEADER.starts_with("# ") && !HEADER.contains('\n'));
    for (text, expected) in [
        ("", new.clone()),
        ("\n \n", new.clone()),
        ("\u{feff}", format!("\u{feff}{new}")),
        ("\r\n", new.replace('\n', "\r\n")),
    ] {
        assert_eq!(added(text), Ok(expected), "{text:?}");
    }
    let named = with("", "pr\"od\\", &order(A)).unwrap();
    assert!(named.contains("\naccount = 'pr\"od\\'\n"), "{named}");
}

#[test]
fn an_entry_has_its_keys_in_one_order() {
    let entry = NewEntry {
        kind: Kind::Number { number: Some("+442071838750".to_owned()), operation: Some("claim".to_owned()) },
        id: ARN_B.to_owned(),
        requested_at: Some("2026-11-20T10:00:00+01:00".to_owned()),
        label: Some("Returns line".to_owned()),
    };
    let expected = format!(
        "account = \"a\"\n\n[[number]]\nid = \"{ARN_B}\"\nnumber = \"+442071838750\"\noperation = \"claim\"\n\
         requested_at = 2026-11-20T10:00:00+01:00\nlabel = \"Returns line\"\n"
    );
    assert_eq!(with("account = \"a\"\n", "a", &entry), Ok(expected));
}

#[test]
fn what_is_added_stands_at_the_end_and_the_rest_as_it_was() {
    for (text, expected) in [
        // The ends of lines, and of the text.
        ("account = \"a\"\n", "account = \"a\"\n\n[[order]]\nid = \"n\"\n"),
        ("account = \"a\"", "account = \"a\"\n\n[[order]]\nid = \"n\""),
        ("account = \"a\"\r\n", "account = \"a\"\r\n\r\n[[order]]\r\nid = \"n\"\r\n"),
        ("# c\r\naccount = \"a\"", "# c\r\naccount = \"a\"\r\n\r\n[[order]]\r\nid = \"n\""),
        ("# c\r\naccount = \"a\"\n", "# c\r\naccount = \"a\"\n\n[[order]]\nid = \"n\"\n"),
        ("\u{feff}account = \"a\"\n", "\u{feff}account = \"a\"\n\n[[order]]\nid = \"n\"\n"),
        // A blank line more, whatever is there: then it can be taken out again.
        ("account = \"a\"\n\n\n", "account = \"a\"\n\n\n\n[[order]]\nid = \"n\"\n"),
        ("account = \"a\"\n  ", "account = \"a\"\n  \n\n[[order]]\nid = \"n\""),
        // A comment at the end stays the comment of what it was.
        ("account = \"a\"\n# end", "account = \"a\"\n# end\n\n[[order]]\nid = \"n\""),
        // Behind other tables, and behind the other kind.
        (
            "account=\"a\"\n[poll]\nfloor = \"9s\"\n",
            "account=\"a\"\n[poll]\nfloor = \"9s\"\n\n[[order]]\nid = \"n\"\n",
        ),
        (
            "account = 'a'\n[[number]]\nid = \"m\"\n[labels]\nteam = \"v\"\n",
            "account = 'a'\n[[number]]\nid = \"m\"\n[labels]\nteam = \"v\"\n\n[[order]]\nid = \"n\"\n",
        ),
        (
            "account = 'a'\nnumber = [{ id = \"y\" }]\n",
            "account = 'a'\nnumber = [{ id = \"y\" }]\n\n[[order]]\nid = \"n\"\n",
        ),
        // Comments alone: they stay, the account comes below.
        ("# mine\n", "# mine\n\naccount = \"a\"\n\n[[order]]\nid = \"n\"\n"),
        ("# mine\r\n#", "# mine\r\n#\r\n\r\naccount = \"a\"\r\n\r\n[[order]]\r\nid = \"n\""),
        // What looks like an entry, in a string.
        (
            "account = \"a\"\n[labels]\nx = \"\"\"\n[[order]]\nid = \"n\"\n\"\"\"\n",
            "account = \"a\"\n[labels]\nx = \"\"\"\n[[order]]\nid = \"n\"\n\"\"\"\n\n[[order]]\nid = \"n\"\n",
        ),
    ] {
        assert_eq!(added(text), Ok(expected.to_owned()), "{text:?}");
        if text.contains("account") {
            assert_eq!(without(expected, "n").map(|rest| rest.text), Ok(text.to_owned()), "{text:?}");
        }
    }
}

#[test]
fn strings_come_back_as_they_were_given() {
    for label in [
        "plain",
        "",
        "say \"hello\"",
        "C:\\new",
        "it's \"both\" \\ and '''three''' \"\"\"three\"\"\"",
        "two\nlines",
        "\n[[order]]\nid = \"z\"\n",
        "\r\n\r\t\u{0}\u{7f}\u{1b}[31m",
        "\u{1f4de} Zür\u{301}ich \u{202e}\u{2028}",
        "# no comment",
        "ends in a quote\"",
        "ends in a backslash\\",
        " spaces ",
    ] {
        for end in ["\n", "\r\n"] {
            let text = format!("account = \"a\"{end}");
            let more = with(&text, "a", &labelled(label)).unwrap();
            let document = Document::parse(more.as_str()).unwrap();
            let entries = document.get("order").and_then(Item::as_array_of_tables).unwrap();
            assert_eq!(entries.get(0).unwrap().get("label").and_then(Item::as_str), Some(label));
            assert_eq!(entries.len(), 1);
            assert_eq!(without(&more, "n"), Ok(Rest { text, left: 0 }));
        }
    }
    for (label, written) in [
        ("say \"hello\"", "'say \"hello\"'"),
        ("it's \"both\"", "\"\"\"it's \"both\"\"\"\""),
        ("C:\\new", "'C:\\new'"),
        ("\u{1b}", "\"\\u001B\""),
        ("\u{1f4de}", "\"\u{1f4de}\""),
        ("two\nlines", "\"\"\"\ntwo\nlines\"\"\""),
    ] {
        let text = with("account = \"a\"\n", "a", &labelled(label)).unwrap();
        assert_eq!(text, format!("account = \"a\"\n\n[[order]]\nid = \"n\"\nlabel = {written}\n"));
    }
}

#[test]
fn a_time_is_one_moment_and_no_string() {
    let at = |text: &str| NewEntry { requested_at: Some(text.to_owned()), ..order("n") };
    for (given, written) in [
        ("2026-11-20T10:00:00Z", "2026-11-20T10:00:00Z"),
        ("2026-11-20 10:00:00z", "2026-11-20T10:00:00Z"),
        ("2026-11-20t10:00:00.5-08:30", "2026-11-20T10:00:00.5-08:30"),
    ] {
        let text = with("account = \"a\"\n", "a", &at(given)).unwrap();
        assert!(text.ends_with(&format!("\nrequested_at = {written}\n")), "{text}");
    }
    for given in [
        "",
        "yesterday",
        "2026-11-20",
        "10:00:00",
        "2026-11-20T10:00:00",
        "2026-11-20T10:00Z",
        "2026-02-30T10:00:00Z",
        "2026-11-20T10:00:00Z # c",
        "2026-11-20T10:00:00Z\nid = 1",
        " 2026-11-20T10:00:00Z",
    ] {
        assert_eq!(
            with("", "a", &at(given)),
            Err(EditError::NotAMoment { text: given.to_owned() }),
            "{given:?}"
        );
    }
}

#[test]
fn what_is_taken_out_goes_with_its_comments_and_its_blank_line() {
    let first = "# head\n\naccount = \"a\"\n";
    for (out, after) in [
        // Alone, and with a neighbour on either side.
        ("\n[[order]]\nid = \"x\"\n", ""),
        ("\n[[order]]\nid = \"x\"\n", "\n[[order]]\nid = \"y\"\n"),
        ("\n[[number]]\nid = \"x\"\n", "\n[[order]]\nid = \"y\"\n"),
        // Comments directly above, within, on the lines, and directly below.
        (
            "\n# one\n  # two\n[[order]] # three\n# four\nid = \"x\" # five\n# six\nlabel = \"l\"\n",
            "\n# of y\n[[order]]\nid = \"y\"\n",
        ),
        ("\n[[order]]\nid = \"x\"\n#label = \"l\"\n", "\n[[order]]\nid = \"y\"\n"),
        ("\n[[order]]\nid = \"x\"\n#label = \"l\"\n", ""),
        (
            "\n[[order]]\n\n# one\n\nid = \"x\"\n\n# two\n\nlabel = 'l'\n",
            "\n# nobody's\n\n[[order]]\nid = \"y\"\n",
        ),
        // Other ways to write it.
        ("\n[[ 'order' ]]\n\"id\" = 'x'\n", "\n[poll]\nfloor = \"9s\"\n"),
        ("\n  [[order]]\n    id = \"\"\"\nx\"\"\"\n", "\n[poll]\nfloor = \"9s\"\n"),
        (
            "\n[[\"\\u006frder\"]]\nlabel = \"\"\"\n[[order]]\n# no comment\n\n\"\"\"\nid = \"x\"\n",
            "\n[poll]\n",
        ),
        ("\n[[order]]\nid = \"x\"\nodd = [\n  1, # one\n\n  2,\n]\n", "\n[poll]\n"),
        ("\n[[order]]\nodd.a.b = { c = 1 }\nid = \"x\"\nodd.a.d = '''\n\n#\n'''\n", "\n[poll]\n"),
        (
            "\n[[order]]\nodd.a = '''\n[[order]]\n'''\nid = \"x\"\nlater.b = \"\"\"\n# no comment\n\n[[order]]\"\"\"\n",
            "\n[poll]\n",
        ),
        // The end of a text, without the end of its last line.
        ("\n[[order]]\nid = \"x\"\n", "\n\n\n"),
        ("\n[[order]]\nid = \"x\"\n", "  "),
        ("\n[[order]]\nid = \"x\"\n", "\n# the end"),
    ] {
        for (before, others) in [(first.to_owned(), 0), (format!("{first}\n[[order]]\nid = \"w\"\n"), 1)] {
            let text = [before.as_str(), out, after].concat();
            let expected = [before.as_str(), after].concat();
            let others = others + usize::from(after.contains("[[order]]"));
            assert_eq!(without(&text, "x"), Ok(Rest { text: expected.clone(), left: others }), "{text}");
            let crlf = text.replace('\n', "\r\n");
            assert_eq!(left(&crlf), Ok(expected.replace('\n', "\r\n")), "{crlf:?}");
            let marked = format!("\u{feff}{text}");
            assert_eq!(left(&marked), Ok(format!("\u{feff}{expected}")), "{marked:?}");
        }
    }
}

#[test]
fn blank_lines_stay_even() {
    let a = "account = \"a\"\n";
    let x = "[[order]]\nid = \"x\"\n";
    let y = "[[order]]\nid = \"y\"\n";
    for (above, below, expected) in [
        ("", "", ""),
        ("\n", "\n", "\n"),
        ("\n\n", "\n", "\n\n"),
        ("\n", "\n\n", "\n\n"),
        ("\n", "", "\n"),
        ("", "\n", "\n"),
        (" \t\n", "\n", "\n"),
    ] {
        let text = [a, above, x, below, y].concat();
        assert_eq!(left(&text), Ok([a, expected, y].concat()), "{text:?}");
    }
    for (above, below, expected) in
        [("", "", ""), ("\n", "", ""), ("\n\n", "", "\n"), ("\n", "\n", "\n"), ("", "\n", "\n")]
    {
        let text = [a, above, x, below].concat();
        assert_eq!(left(&text), Ok([a, expected].concat()), "{text:?}");
    }
}

#[test]
fn comments_of_neighbours_and_of_the_file_stay() {
    for (text, expected) in [
        // Between two, without a blank line: the lower one's.
        (
            "account = \"a\"\n[[order]]\nid = \"x\"\n# of y\n[[order]]\nid = \"y\"\n",
            "account = \"a\"\n# of y\n[[order]]\nid = \"y\"\n",
        ),
        (
            "account = \"a\"\n[[order]]\nid = \"y\"\n# of x\n[[order]]\nid = \"x\"\n",
            "account = \"a\"\n[[order]]\nid = \"y\"\n",
        ),
        // Of a table that is no entry.
        (
            "account = \"a\"\n\n[[order]]\nid = \"x\"\n# of poll\n[poll]\n",
            "account = \"a\"\n\n# of poll\n[poll]\n",
        ),
        // With blank lines all around: nobody's.
        (
            "account = \"a\"\n\n# nobody's\n\n[[order]]\nid = \"x\"\n\n# nor this\n",
            "account = \"a\"\n\n# nobody's\n\n# nor this\n",
        ),
        // The comment that the file begins with, although it is directly above the entry.
        ("# head\n# head\n[[order]]\nid = \"x\"\n", "# head\n# head\n"),
        ("\u{feff}# head\n[[order]]\nid = \"x\"\n", "\u{feff}# head\n"),
        ("# head\n\n# of x\n[[order]]\nid = \"x\"\n", "# head\n"),
        ("[[order]]\nid = \"x\"\n", ""),
        ("[[order]]\nid = \"x\"", ""),
        ("\u{feff}\u{feff}[[order]]\nid = \"x\"", "\u{feff}\u{feff}"),
        ("\u{feff}\u{feff} [[order]]\nid = \"x\"\n\n", "\u{feff}\u{feff}\n"),
        // A line of a string that looks like a comment.
        (
            "account = \"\"\"a\n# no comment\n#\"\"\"\n[[order]]\nid = \"x\"\n",
            "account = \"\"\"a\n# no comment\n#\"\"\"\n",
        ),
        (
            "account = \"a\"\n[[order]]\nid = \"y\"\nlabel = '''\n#'''\n[[order]]\nid = \"x\"",
            "account = \"a\"\n[[order]]\nid = \"y\"\nlabel = '''\n#'''",
        ),
    ] {
        assert_eq!(left(text), Ok(expected.to_owned()), "{text:?}");
    }
}

#[test]
fn an_arn_and_its_bare_id_are_one_and_capitals_are_small() {
    let upper = B.to_uppercase();
    for (listed, asked, is_one) in [
        (B, B, true),
        (B, ARN_B, true),
        (ARN_B, B, true),
        (ARN_B, &upper, true),
        (&upper, B, true),
        (ARN_B, &ARN_B.replace("eu-west-2", "us-east-1"), true),
        (B, A, false),
        (B, &ARN_B.replace("connect", "voice"), false),
        ("not an id", "not an id", true),
        ("not an id", "Not an id", false),
    ] {
        let text = format!("account = \"a\"\n\n[[number]]\nid = \"{listed}\"\n");
        let expected = if is_one { Ok("account = \"a\"\n".to_owned()) } else { Err(EditError::NotListed) };
        assert_eq!(without(&text, asked).map(|rest| rest.text), expected, "{listed} {asked}");
        let again = with(&text, "a", &number(asked));
        assert_eq!(again == Err(EditError::AlreadyListed { line: 3 }), is_one, "{listed} {asked}: {again:?}");
    }
    // An order has no ARN, and is another thing than a number with its id.
    let text = format!("account = \"a\"\n\n[[order]]\nid = \"{B}\"\n");
    assert_eq!(without(&text, ARN_B), Err(EditError::NotListed));
    assert!(without(&text, &upper).is_ok());
    let both = with(&text, "a", &number(ARN_B)).unwrap();
    assert_eq!(without(&both, B), Err(EditError::ListedTwice { first: 3, second: 6 }));
    assert_eq!(without(&both, ARN_B).map(|rest| rest.text), Ok(text));
    let number_first = format!("[[number]]\nid = \"{B}\"\n[[order]]\nid = \"{B}\"\n");
    assert_eq!(without(&number_first, B), Err(EditError::ListedTwice { first: 1, second: 3 }));
}

#[test]
fn what_is_refused_says_why_and_where() {
    let no_list = |line, why| Err(EditError::NotAList { line, why });
    let both = |text: &str| [with(text, "a", &order("x")).map(|_| ()), without(text, "x").map(|_| ())];
    for (text, expected) in [
        ("account = \"a\"\norder = 5\n", no_list(2, NO_ARRAY)),
        ("account = \"a\"\nnumber = \"x\"\n", no_list(2, NO_ARRAY)),
        ("account = \"a\"\n\n[order]\nid = \"x\"\n", no_list(3, NO_ARRAY)),
        ("account = \"a\"\norder.id = \"x\"\n", no_list(2, NO_ARRAY)),
        ("account = \"a\"\norder = { id = \"x\" }\n", no_list(2, NO_ARRAY)),
        ("account = \"a\"\n[order.odd]\nid = \"x\"\n", no_list(2, NO_ARRAY)),
        ("account = \"a\"\n\norder = [\n  \"x\",\n]\n", no_list(4, NO_ARRAY)),
    ] {
        assert_eq!(both(text), [expected.clone(), expected], "{text}");
    }
    // Entries in one array are read, but not edited; those of the other kind are no hindrance.
    let inline =
        "account = \"a\"\norder = [\n  { id = \"y\" }, # y\n  { id = \"x\" },\n]\n[[number]]\nid = \"z\"\n";
    assert_eq!(with(inline, "a", &order("n")), no_list(2, INLINE).map(|()| String::new()));
    assert_eq!(with(inline, "a", &order("x")), Err(EditError::AlreadyListed { line: 4 }));
    assert_eq!(left(inline), no_list(4, INLINE).map(|()| String::new()));
    assert!(with(inline, "a", &number("x")).is_ok());
    assert_eq!(without(inline, "z").unwrap().left, 2);
    assert_eq!(added("account = \"a\"\norder = []\n"), no_list(2, INLINE).map(|()| String::new()));
    // Tables of an entry may stand anywhere below it.
    let nested = "account = \"a\"\n[[order]]\nid = \"x\"\n[[number]]\nid = \"y\"\n[order.odd]\n[[order]]\nid = \"z\"\n";
    assert_eq!(left(nested), no_list(2, NESTED).map(|()| String::new()));
    assert_eq!(without(nested, "y").unwrap().text, nested.replace("[[number]]\nid = \"y\"\n", ""));
    assert_eq!(without(nested, "z").unwrap().text, nested.replace("[[order]]\nid = \"z\"\n", ""));
    let deep = "[[order]]\nid = \"x\"\nodd.a = 1\n[[order.odd.b]]\n";
    assert_eq!(left(deep), no_list(1, NESTED).map(|()| String::new()));
}

#[test]
fn a_list_is_of_one_account() {
    assert_eq!(
        with("account = \"b\"\n", "a", &order("n")),
        Err(EditError::OtherAccount { found: "b".to_owned() })
    );
    assert_eq!(
        with("account = \"A\"\n", "a", &order("n")),
        Err(EditError::OtherAccount { found: "A".to_owned() })
    );
    assert_eq!(added("# c\naccount = 5\n"), Err(EditError::NotAList { line: 2, why: NO_NAME }));
    assert_eq!(added("# c\n[[order]]\nid = \"y\"\n"), Err(EditError::NotAList { line: 1, why: NO_ACCOUNT }));
    // Whose it is does not matter to what is taken out.
    assert_eq!(left("account = 5\n[[order]]\nid = \"x\"\n"), Ok("account = 5\n".to_owned()));
}

#[test]
fn faults_of_other_entries_are_no_hindrance() {
    let text = "account = \"a\"\n[[order]]\n[[order]]\nid = 5\n[[order]]\nid = \"x\"\n[[order]]\nid = \"y\"\n[[order]]\nid = \"y\"\n";
    let rest = without(text, "x").unwrap();
    assert_eq!(rest, Rest { text: text.replace("[[order]]\nid = \"x\"\n", ""), left: 4 });
    assert_eq!(without(text, "y"), Err(EditError::ListedTwice { first: 7, second: 9 }));
    assert_eq!(without(text, "5"), Err(EditError::NotListed));
    assert_eq!(without("", "x"), Err(EditError::NotListed));
    assert_eq!(with(text, "a", &order("x")), Err(EditError::AlreadyListed { line: 5 }));
}

#[test]
fn a_text_that_cannot_be_parsed_stays() {
    let at = |text: &str| match without(text, "x") {
        Err(EditError::Syntax { line, column, message }) => {
            assert!(!message.is_empty() && !message.contains('\n'), "{message}");
            assert_eq!(added(text), Err(EditError::Syntax { line, column, message }));
            Some((line, column))
        }
        Err(_) | Ok(_) => None,
    };
    assert_eq!(at("account = \"a\"\n\u{e4} = 1\n"), Some((2, 1)));
    assert_eq!(at("account = \"a\"\n\"\u{e4}\u{e4}\" = =\n"), Some((2, 8)));
    assert_eq!(at("\u{feff}account == 1\n"), Some((1, 10)));
    assert_eq!(at("account = \"a\"\naccount = \"a\"\n"), Some((2, 1)));
    assert_eq!(at("account = \"a\"\r[[order]]\n"), Some((1, 15)));
    assert_eq!(at("account = \"a\"\n\u{feff}\n"), Some((2, 2)));
    assert!(at("account = \"a\"\r").is_some());
    assert!(at("# c\r").is_some());
    assert!(at("account = \"a\"\n\u{0}").is_some());
}

#[test]
fn errors_are_spoken_on_one_line() {
    for (error, spoken) in [
        (EditError::Syntax { line: 2, column: 3, message: "no".to_owned() }, "line 2, column 3: no"),
        (
            EditError::NotAList { line: 4, why: NO_NAME },
            "line 4: the account's name is a string: account = \"…\"",
        ),
        (EditError::OtherAccount { found: "b".to_owned() }, "it is a list of the account \"b\""),
        (EditError::AlreadyListed { line: 5 }, "it is listed already, in line 5"),
        (EditError::NotListed, "it is not listed"),
        (EditError::ListedTwice { first: 1, second: 2 }, "it is listed more than once, in lines 1 and 2"),
        (
            EditError::NotAMoment { text: "x\n".to_owned() },
            "\"x\\n\" is not a date and time with an offset, as in 2026-11-20T10:00:00Z",
        ),
    ] {
        assert_eq!(error.to_string(), spoken);
    }
}
