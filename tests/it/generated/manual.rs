//! Turns a Markdown document into a manual page, in the roff of man(7).

use std::collections::VecDeque;

use pulldown_cmark::HeadingLevel::{self, H1, H2, H3};
use pulldown_cmark::{Event, LinkType, Options, Parser, Tag, TagEnd};

const ROMAN: &str = r"\fR";
const BOLD: &str = r"\fB";
const ITALIC: &str = r"\fI";

/// What a page says of itself beside its text.
pub(super) struct About<'a> {
    /// What the page is about, and is called by: `claimwatch.toml`.
    pub(super) name: &'a str,
    /// The section of the manual: 5 for files.
    pub(super) section: u8,
    /// What it is, in a few words, for NAME and for apropos(1).
    pub(super) title: &'a str,
    /// The program and its version, for the foot of the page: `claimwatch 0.1.0`.
    pub(super) version: &'a str,
    /// Other pages, each with its section: `claimwatch(1)`.
    pub(super) see_also: &'a [&'a str],
}

/// The manual page of a Markdown document, which begins with a heading of level 1. It bears no date, so that
/// the same document gives the same page on every day. Markdown that a page cannot show (HTML, footnotes,
/// quotations, headings below level 3, ...) makes it panic, so that nothing is lost in silence.
pub(super) fn page(about: &About<'_>, markdown: &str) -> String {
    let mut page = Page::of(markdown);
    page.line(r#".\" Made from a Markdown document: change that, not this page."#);
    let texts = [about.name, &about.name.to_uppercase(), about.version];
    let [name, capitals, version] = texts.map(|text| escape(text, true));
    page.line(&format!(r#".TH "{capitals}" {} "" "{version}""#, about.section));
    // Keys and commands are long words: they are not to be broken, and lines not to be stretched for them.
    page.line(&format!(".nh\n.ad l\n.SH NAME\n{name} \\- {}", escape(about.title, false)));
    let Some(Event::Start(Tag::Heading { level: H1, .. })) = page.events.pop_front() else {
        panic!("the document does not begin with a heading of level 1");
    };
    // What the heading says is in NAME.
    page.inline(ROMAN);
    page.end(TagEnd::Heading(H1));
    page.line(".SH DESCRIPTION");
    page.blocks();
    if !about.see_also.is_empty() {
        page.line(".SH SEE ALSO");
        let bold = |name: &&str| format!("{BOLD}{}", escape(name, true).replacen('(', r"\fR(", 1));
        page.fill(&about.see_also.iter().map(bold).collect::<Vec<_>>().join(", "));
    }
    page.roff
}

/// Sections of a page that has its beginning from elsewhere: Markdown that begins with a heading of level 2.
pub(super) fn sections(markdown: &str) -> String {
    let mut page = Page::of(markdown);
    page.blocks();
    page.roff
}

/// What is still to be read of a document, and its page as far as it is written.
struct Page<'a> {
    events: VecDeque<Event<'a>>,
    roff: String,
}

impl<'a> Page<'a> {
    fn of(markdown: &'a str) -> Self {
        // Footnotes are known to the parser only so that they are refused.
        let options = Options::ENABLE_TABLES | Options::ENABLE_FOOTNOTES;
        Self { events: Parser::new_ext(markdown, options).collect(), roff: String::new() }
    }

    fn blocks(&mut self) {
        while !self.events.is_empty() {
            self.block();
        }
    }

    /// Writes the next block: a paragraph, a heading, a list, ...
    fn block(&mut self) {
        if let Some(text) = self.paragraph_text() {
            return self.paragraph(&text);
        }
        let event = self.events.pop_front();
        if let Some(Event::Start(Tag::Heading { level: level @ (H2 | H3), .. })) = event {
            self.heading(level);
        } else if let Some(Event::Start(Tag::CodeBlock(_))) = event {
            self.code_block();
        } else if let Some(Event::Start(Tag::List(first))) = event {
            self.list(first);
        } else if let Some(Event::Start(Tag::Table(_))) = event {
            self.table();
        } else {
            panic!("a page cannot show this Markdown: {event:?}");
        }
    }

    /// Reads a paragraph, or the text of a list without empty lines between its items, if one is next.
    fn paragraph_text(&mut self) -> Option<String> {
        let wrapped = self.take(&Event::Start(Tag::Paragraph));
        let text = self.inline(ROMAN);
        if wrapped {
            self.end(TagEnd::Paragraph);
        }
        (wrapped || !text.is_empty()).then_some(text)
    }

    fn paragraph(&mut self, text: &str) {
        let before = self.roff.lines().next_back().unwrap_or_default();
        // A heading begins a paragraph itself, and of images alone nothing is left.
        if !before.starts_with(".S") && !text.trim().is_empty() {
            self.line(".PP");
        }
        self.fill(text);
    }

    fn heading(&mut self, level: HeadingLevel) {
        let end = TagEnd::Heading(level);
        let request = if level == H2 { ".SH" } else { ".SS" };
        for event in self.events.iter_mut().take_while(|event| **event != Event::End(end)) {
            if let (H2, Event::Text(text)) = (level, event) {
                *text = text.to_uppercase().into();
            }
        }
        let text = without_fonts(&self.inline(ROMAN));
        self.end(end);
        // A quotation mark at the start of an argument would be taken for its delimiter.
        self.line(&format!("{request} {}", text.replace('"', r"\(dq")));
    }

    fn code_block(&mut self) {
        let mut code = String::new();
        while let Some(Event::Text(text)) = self.events.pop_front() {
            code += &text;
        }
        // Not .EX and .EE: words would be hyphenated after these.
        self.line(".IP \"\" 4\n.nf");
        for line in code.lines() {
            self.text(&escape(line, true));
        }
        self.line(".fi");
    }

    /// Writes a list; an ordered one has the number of its first item.
    fn list(&mut self, first: Option<u64>) {
        let mut number = first;
        while !self.take(&Event::End(TagEnd::List(first.is_some()))) {
            self.events.pop_front();
            let (mark, indent) = number.map_or((r"\(bu".to_owned(), 2), |number| (format!("{number}."), 4));
            number = number.map(|number| number + 1);
            self.line(&format!(".IP {mark} {indent}"));
            let text = self.paragraph_text().unwrap_or_default();
            self.fill(&text);
            if self.events.front() != Some(&Event::End(TagEnd::Item)) {
                self.line(&format!(".RS {indent}"));
                while self.events.front() != Some(&Event::End(TagEnd::Item)) {
                    self.block();
                }
                self.line(".RE");
            }
            self.end(TagEnd::Item);
        }
    }

    /// Writes each row of a table as a tagged paragraph: a grid does not fit on a terminal.
    fn table(&mut self) {
        self.events.pop_front();
        let head = self.row(TagEnd::TableHead);
        let [key, names @ .., meaning] = head.as_slice() else { panic!("a table of one column: {head:?}") };
        let last = names.len() + 1;
        // The headings of two columns would be lost otherwise.
        if names.is_empty() {
            self.tagged(&in_font(ITALIC, key), &in_font(ITALIC, meaning));
        }
        while !self.take(&Event::End(TagEnd::Table)) {
            self.events.pop_front();
            let row = self.row(TagEnd::TableRow);
            let tag = in_font(BOLD, &row[0]);
            if names.iter().all(|name| name == "type" || name == "default") {
                let details = told(names, &row[1..last]).join(", ");
                let tag = if details.is_empty() { tag } else { format!("{tag} ({details})") };
                self.tagged(&tag, &row[last]);
            } else {
                self.tagged(&tag, &told(&head[1..], &row[1..]).join("; "));
            }
        }
    }

    fn row(&mut self, end: TagEnd) -> Vec<String> {
        let mut cells = Vec::new();
        while !self.take(&Event::End(end)) {
            self.events.pop_front();
            cells.push(self.inline(ROMAN));
            self.end(TagEnd::TableCell);
        }
        cells
    }

    fn tagged(&mut self, tag: &str, body: &str) {
        // A list or a block of code before it would set another indent.
        self.line(".TP 7");
        self.text(tag);
        self.fill(body);
    }

    /// Reads text with its marks, up to what is neither, and gives it as roff for where this font is in use.
    fn inline(&mut self, font: &str) -> String {
        let mut roff = String::new();
        while let Some(event) = self.events.pop_front() {
            if let Event::Text(text) = event {
                roff += &escape(&text, false);
            } else if let Event::Code(code) = event {
                roff += &[BOLD, &escape(&code, true).replace(' ', r"\~"), font].concat();
            } else if event == Event::SoftBreak {
                roff.push(' ');
            } else if let Event::Start(mark @ (Tag::Emphasis | Tag::Strong)) = event {
                let inner = if mark == Tag::Strong { BOLD } else { ITALIC };
                roff += &[inner, &self.inline(inner), font].concat();
                self.end(mark.to_end());
            } else if let Event::Start(Tag::Link { link_type, dest_url, .. }) = event {
                let leads_out = dest_url.starts_with("https://");
                assert!(leads_out || !dest_url.contains(':'), "neither https nor relative: {dest_url}");
                roff += &self.inline(font);
                self.end(TagEnd::Link);
                if leads_out && link_type != LinkType::Autolink {
                    roff += &[" <", &escape(&dest_url, true), ">"].concat();
                }
            } else if let Event::Start(Tag::Image { .. }) = event {
                while self.events.pop_front().is_some_and(|event| event != Event::End(TagEnd::Image)) {}
            } else {
                self.events.push_front(event);
                break;
            }
        }
        roff
    }

    /// Whether this is next; it is taken then.
    fn take(&mut self, event: &Event<'a>) -> bool {
        self.events.pop_front_if(|next| next == event).is_some()
    }

    fn end(&mut self, tag: TagEnd) {
        assert!(self.take(&Event::End(tag)), "a page cannot show this Markdown: {:?}", self.events.front());
    }

    /// Writes text in lines of at most 78 bytes, unless one word is longer. Each sentence begins a line: roff
    /// puts two spaces after one that ends with a line, and one after others.
    fn fill(&mut self, text: &str) {
        let mut line = String::new();
        for word in text.split_whitespace() {
            let bare = line.trim_end_matches(ROMAN).trim_end_matches(['"', '\'', ')', ']', '*']);
            let is_full = line.len() + word.len() >= 78 || bare.ends_with(['.', '?', '!']);
            if is_full && !line.is_empty() {
                self.text(&std::mem::take(&mut line));
            }
            line += if line.is_empty() { "" } else { " " };
            line += word;
        }
        if !line.is_empty() {
            self.text(&line);
        }
    }

    /// Writes a line of text, which is never taken for a request.
    fn text(&mut self, line: &str) {
        self.roff += if line.starts_with(['.', '\'']) { r"\&" } else { "" };
        self.line(line);
    }

    fn line(&mut self, line: &str) {
        self.roff += line;
        self.roff.push('\n');
    }
}

/// The cells of a row as they are told after its key: `duration`, `default "60s"`, `required`.
fn told(names: &[String], cells: &[String]) -> Vec<String> {
    let told = |(name, cell): (&String, &String)| match (name.as_str(), cell.as_str()) {
        ("type", _) | (_, "required") => cell.clone(),
        ("default", _) if !cell.contains(' ') => format!("default {cell}"),
        _ => format!("{name}: {cell}"),
    };
    names.iter().zip(cells).filter(|(_, cell)| !cell.is_empty()).map(told).collect()
}

fn in_font(font: &str, roff: &str) -> String {
    format!("{font}{}{ROMAN}", without_fonts(roff))
}

/// A backslash of the document is escaped, so that none of these is text.
fn without_fonts(roff: &str) -> String {
    roff.replace(BOLD, "").replace(ITALIC, "").replace(ROMAN, "")
}

/// Text as roff shows it unchanged; code also so that what is copied from the page can be typed.
fn escape(text: &str, code: bool) -> String {
    let shown = |character| match character {
        '\\' => r"\(rs".to_owned(),
        '`' => r"\(ga".to_owned(),
        '^' => r"\(ha".to_owned(),
        '~' => r"\(ti".to_owned(),
        '-' if code => r"\-".to_owned(),
        '\'' if code => r"\(aq".to_owned(),
        ' '..='~' | '\t' => String::from(character),
        // Not every roff reads UTF-8.
        _ => format!(r"\[u{:04X}]", u32::from(character)),
    };
    text.chars().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::{About, page};

    /// The page of a text, after the beginning of its DESCRIPTION.
    fn roff(markdown: &str) -> String {
        let about = About { name: "x.toml", section: 5, title: "x", version: "x 1", see_also: &[] };
        let page = page(&about, &format!("# X\n\n{markdown}\n"));
        page.split_once(".SH DESCRIPTION\n").expect("every page has one").1.trim_end().to_owned()
    }

    #[test]
    fn text_is_escaped_and_code_can_be_copied() {
        assert_eq!(roff(r"A\\b `-c^'d` one-two…"), r"A\(rsb \fB\-c\(ha\(aqd\fR one-two\[u2026]");
        assert_eq!(roff(".so x"), r"\&.so x");
        // The last word, at the start of a line, would be a request.
        assert!(roff(&format!("{} 'br", "a".repeat(75))).ends_with("\n\\&'br"));
        let links = "[a](b.md#c) *[d](https://e.f/-)* <https://g.h> ![i](j)";
        assert_eq!(roff(links), r"a \fId <https://e.f/\->\fR https://g.h");
    }

    #[test]
    fn a_key_has_its_type_and_default_in_parentheses() {
        let key = |cells| roff(&format!("|key|type|default|meaning|\n|-|-|-|-|\n| `a` † | {cells} | Long |"));
        assert_eq!(key("time | `\"6s\"`"), ".TP 7\n\\fBa \\[u2020]\\fR (time, default \\fB\"6s\"\\fR)\nLong");
        assert_eq!(key("| see below"), ".TP 7\n\\fBa \\[u2020]\\fR (default: see below)\nLong");
        assert_eq!(key("`1` | required"), ".TP 7\n\\fBa \\[u2020]\\fR (\\fB1\\fR, required)\nLong");
    }

    #[test]
    fn other_tables_tell_their_headings() {
        let two = ".TP 7\n\\fIkind\\fR\n\\fIhow\\fR\n.TP 7\n\\fBpath\\fR\na string\n.TP 7\n\\fBnone\\fR";
        assert_eq!(roff("| kind | how |\n|---|---|\n| path | a string |\n| none | |"), two);
        assert_eq!(roff("| a | b | c |\n|---|---|---|\n| 1 | 2 | 3 |"), ".TP 7\n\\fB1\\fR\nb: 2; c: 3");
    }

    #[test]
    fn lists_lie_in_lists() {
        assert_eq!(roff("3. a\n   - b\n4. c"), ".IP 3. 4\na\n.RS 4\n.IP \\(bu 2\nb\n.RE\n.IP 4. 4\nc");
    }

    #[test]
    fn code_blocks_are_kept_as_they_are() {
        assert_eq!(roff("```\n.a --b  c\n\n\\\n```"), ".IP \"\" 4\n.nf\n\\&.a \\-\\-b  c\n\n\\(rs\n.fi");
    }

    #[test]
    fn what_a_page_cannot_show_is_refused() {
        for markdown in ["a<br>b", "|a|b|\n|-|-|\n|c<br>|d|", "#### a", "a[^b]\n\n[^b]: c", "[a](b:c)"] {
            assert!(std::panic::catch_unwind(|| roff(markdown)).is_err(), "{markdown}");
        }
    }
}
