//! JSON by hand: member names are literals at the place where AWS's documentation gives them.

/// An object being written. [`Object::close`] ends it.
pub(super) struct Object<'a> {
    out: &'a mut String,
    first: bool,
}

impl<'a> Object<'a> {
    /// Begins an object at the end of `out`.
    pub(super) fn open(out: &'a mut String) -> Self {
        out.push('{');
        Self { out, first: true }
    }

    /// Writes a member's name and gives the place where its value belongs.
    pub(super) fn member(&mut self, name: &'static str) -> &mut String {
        if !self.first {
            self.out.push(',');
        }
        self.first = false;
        self.out.push('"');
        self.out.push_str(name);
        self.out.push_str("\":");
        self.out
    }

    /// A string member.
    pub(super) fn text(&mut self, name: &'static str, value: &str) {
        string(self.member(name), value);
    }

    /// A string member, left out without a value.
    pub(super) fn text_if(&mut self, name: &'static str, value: Option<&str>) {
        if let Some(value) = value {
            self.text(name, value);
        }
    }

    /// Ends the object.
    pub(super) fn close(self) {
        self.out.push('}');
    }
}

/// Writes an array, each element by `write`.
pub(super) fn array<T>(
    out: &mut String,
    items: impl IntoIterator<Item = T>,
    mut write: impl FnMut(&mut String, T),
) {
    out.push('[');
    for (index, item) in items.into_iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        write(out, item);
    }
    out.push(']');
}

/// Writes a string with what JSON must escape escaped (RFC 8259, section 7).
pub(super) fn string(out: &mut String, value: &str) {
    out.push('"');
    for c in value.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c if u32::from(c) < 0x20 => {
                out.push_str("\\u00");
                for nibble in [u32::from(c) >> 4, u32::from(c) & 15] {
                    out.push(char::from_digit(nibble, 16).unwrap_or('0'));
                }
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_what_a_parser_reads() {
        let odd = "a\"b\\c\n\u{1}\u{1f}é\u{2028}🙂";
        let mut out = String::new();
        let mut object = Object::open(&mut out);
        object.text("One", odd);
        object.text_if("Two", None);
        array(object.member("Three"), ["x", "y"], string);
        object.close();
        let value: serde_json::Value = serde_json::from_str(&out).unwrap();
        assert_eq!(value, serde_json::json!({ "One": odd, "Three": ["x", "y"] }));
    }
}
