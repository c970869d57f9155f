//! Derives a title from a slug, exactly as the Python Lambda did:
//! `" ".join(word.capitalize() for word in slug.replace("_", " ").replace("-", " ").split())`.

/// Returns the slug with spaces in place of `_` and `-`, and with every word capitalised.
pub(super) fn from_slug(slug: &str) -> String {
    let words = slug.split(|c| c == '_' || c == '-' || is_python_space(c)).filter(|word| !word.is_empty());
    words.map(capitalise).collect::<Vec<_>>().join(" ")
}

/// Returns whether Python's `str.split` treats the character as a space: Unicode's spaces and the four ASCII
/// information separators.
fn is_python_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

/// Implements Python's `str.capitalize`: the first character in title case, all others in lower case (`iPHONE` becomes
/// `Iphone`).
fn capitalise(word: &str) -> String {
    let Some(first) = word.chars().next() else { return String::new() };
    // Lower case depends on neighbouring characters (a Greek sigma at the end of a word), so the whole word is
    // converted to lower case and the result of the first character is dropped.
    let lower = word.to_lowercase();
    let rest = lower.chars().skip(first.to_lowercase().count());
    title_case(first).chars().chain(rest).collect()
}

/// Returns the full title case mapping of Unicode (UnicodeData.txt and SpecialCasing.txt), which the standard library
/// lacks.
///
/// Title case equals upper case with these exceptions: digraphs with their own title case form (`ǆ` becomes `ǅ`);
/// ligatures and `ß`, in which only the first letter becomes upper case (`ß` becomes `Ss`); Greek letters that keep
/// their iota subscript; and Georgian, which has no capitals in running text.
fn title_case(c: char) -> String {
    match c {
        '\u{1c4}'..='\u{1c6}' => "\u{1c5}".to_owned(),
        '\u{1c7}'..='\u{1c9}' => "\u{1c8}".to_owned(),
        '\u{1ca}'..='\u{1cc}' => "\u{1cb}".to_owned(),
        '\u{1f1}'..='\u{1f3}' => "\u{1f2}".to_owned(),
        '\u{10d0}'..='\u{10fa}' | '\u{10fd}'..='\u{10ff}' => c.to_string(),
        '\u{1f80}'..='\u{1faf}' => char::from_u32(u32::from(c) | 8).unwrap_or(c).to_string(),
        '\u{1fb3}' | '\u{1fbc}' => "\u{1fbc}".to_owned(),
        '\u{1fc3}' | '\u{1fcc}' => "\u{1fcc}".to_owned(),
        '\u{1ff3}' | '\u{1ffc}' => "\u{1ffc}".to_owned(),
        // `ŉ` consists of an apostrophe and a letter: here the second character becomes upper case.
        '\u{149}' => c.to_uppercase().collect(),
        '\u{1f00}'..='\u{1fff}' => iota_below(c),
        _ => first_letter_only(c),
    }
}

fn iota_below(c: char) -> String {
    let mut upper = c.to_uppercase();
    let first = upper.next();
    first.into_iter().chain(upper.map(|c| if c == '\u{399}' { '\u{345}' } else { c })).collect()
}

fn first_letter_only(c: char) -> String {
    let mut upper = c.to_uppercase();
    let first = upper.next();
    first.into_iter().chain(upper.flat_map(char::to_lowercase)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The expected values are Python's results.
    #[test]
    fn capitalises_as_python_does() {
        let cases = [
            ("iPHONE", "Iphone"),
            ("ßtraße", "Sstraße"),
            ("ŉabc", "ʼNabc"),
            ("ǆungla", "ǅungla"),
            ("ǅungla", "ǅungla"),
            ("ﬁlm", "Film"),
            ("ﬃx", "Ffix"),
            ("ᾳx", "ᾼx"),
            ("ᾲx", "Ὰ\u{345}x"),
            ("ὦ", "Ὦ"),
            ("ΣΑΣ", "Σας"),
            ("Σ", "Σ"),
            ("ΑΣ", "Ας"),
            ("İZMİR", "İzmi\u{307}r"),
            ("იაკობ", "იაკობ"),
            ("ᲘᲐᲙᲝᲑ", "Იაკობ"),
            ("և", "Եւ"),
            ("3D", "3d"),
            ("'quoted'", "'quoted'"),
            ("안녕", "안녕"),
        ];
        for (word, expected) in cases {
            assert_eq!(capitalise(word), expected, "{word}");
        }
    }

    #[test]
    fn words_are_what_python_splits() {
        assert_eq!(from_slug("my-movie_title"), "My Movie Title");
        assert_eq!(from_slug("__a--b  c\u{3000}d\u{1c}e\u{a0}f_"), "A B C D E F");
        assert_eq!(from_slug("zero\u{200b}width"), "Zero\u{200b}width");
        assert_eq!(from_slug("_-_"), "");
    }
}
