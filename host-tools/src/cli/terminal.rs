//! Text on its way to a terminal. Names in files may hold characters that move the cursor, change colours or hide text.
//! Every such character is written as the escape that JSON has, `\u001b`.

use std::borrow::Cow;

/// Whether a terminal would act on the character, or show later characters in another order.
fn acts(c: char) -> bool {
    let reorders = matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    c.is_control() || reorders || matches!(c, '\u{2028}' | '\u{2029}')
}

fn escape(text: &str, keep: impl Fn(char) -> bool) -> Cow<'_, str> {
    let written = |c: char| acts(c) && !keep(c);
    if !text.contains(written) {
        return text.into();
    }
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match written(c) {
            true => out.push_str(&format!("\\u{:04x}", c as u32)), // all of them are below 2^16
            false => out.push(c),
        }
    }
    out.into()
}

/// The text with its lines and tabs, every other character that a terminal acts on escaped.
pub fn lines(text: &str) -> Cow<'_, str> {
    escape(text, |c| c == '\n' || c == '\t')
}

/// A name of a file on one line: line ends and tabs are escaped, too.
pub fn line(text: &str) -> Cow<'_, str> {
    escape(text, |_| false)
}

#[cfg(test)]
mod tests {
    use super::{line, lines};

    #[test]
    fn no_character_reaches_a_terminal_that_acts_on_it() {
        assert_eq!(lines("a\x1b[31mb\n\u{9b}2J\tc\u{202e}"), "a\\u001b[31mb\n\\u009b2J\tc\\u202e");
        assert_eq!(line("name\r\nerror: forged\x7f"), "name\\u000d\\u000aerror: forged\\u007f");
        assert_eq!(line("Überweisung 卡 👍"), "Überweisung 卡 👍");
        let json = serde_json::to_string("a\u{9b}\u{2066}").unwrap();
        let back: String = serde_json::from_str(&lines(&json)).unwrap();
        assert_eq!(back, "a\u{9b}\u{2066}"); // JSON stays JSON
    }
}
