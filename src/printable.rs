//! Escapes text so that it cannot control a terminal, start a new log line, or change the direction of the following
//! text.
//!
//! Keys, titles and messages of servers may contain any character. Every line that the programs write for people passes
//! through [`line`], and JSON passes through [`json`].

use std::borrow::Cow;

/// Returns whether a terminal or a line-based reader interprets the character: control characters (C0, DEL, C1), line
/// and paragraph separators, and directional controls (Unicode Standard Annex #9, sections 2.1 to 2.6, and the
/// deprecated ones of UTS #39).
fn is_obeyed(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{206f}')
}

/// Returns the text in one line. Escapes such as `\n`, `\u{1b}` and `\u{202e}` replace the characters themselves.
pub(crate) fn line(text: &str) -> Cow<'_, str> {
    escaped(text, is_obeyed, |out, c| out.extend(c.escape_default()))
}

/// Returns JSON with the same meaning. serde escapes only the controls below U+0020. The other controls can occur only
/// inside strings, where the escape `\u009b` is the same character.
pub(crate) fn json(text: &str) -> Cow<'_, str> {
    let is_left = |c| c >= ' ' && is_obeyed(c);
    escaped(text, is_left, |out, c| out.push_str(&format!("\\u{:04x}", u32::from(c))))
}

fn escaped(text: &str, is_unsafe: impl Fn(char) -> bool, escape: impl Fn(&mut String, char)) -> Cow<'_, str> {
    if !text.chars().any(&is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_unsafe(c) { escape(&mut out, c) } else { out.push(c) }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_control_character_is_left() {
        assert_eq!(line("a\u{1b}[2Jb\nc\rd\t"), r"a\u{1b}[2Jb\nc\rd\t");
        assert_eq!(
            line("\u{7f}\u{9b}31m \u{202e}4pm.\u{2066}\u{2028}"),
            r"\u{7f}\u{9b}31m \u{202e}4pm.\u{2066}\u{2028}"
        );
        assert!(matches!(line("videos/1_한글 \u{1f600} e\u{301}.mp4"), Cow::Borrowed(_)));
        let everything: String = ('\0'..=char::MAX).collect();
        assert!(!line(&everything).chars().any(is_obeyed));
    }

    #[test]
    fn json_stays_the_same_value() -> Result<(), serde_json::Error> {
        let key = "a\u{7f}b\u{9b}31m\u{202e}\n\u{1b}한\"\\";
        let plain = serde_json::to_string_pretty(&serde_json::json!({ "key": key }))?;
        let shown = json(&plain);
        assert!(!shown.chars().any(|c| c != '\n' && is_obeyed(c)), "{shown}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&shown)?["key"], key);
        assert!(shown.contains('한') && shown.contains("\\u009b"));
        Ok(())
    }
}
