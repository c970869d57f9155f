//! Reads from the sources which file imports which.
//!
//! A file imports another file when a path in its code names something that the other file defines: in a `use` item, or elsewhere
//! (`crate::a::f()`, `child::Type`). Re-exports are followed to the file that defines the name. Three things are not imports: code for
//! tests only; `mod child;`; and a re-export, which is a `use` item with a visibility. So a parent that declares its children and
//! re-exports their names imports none of them, and a child that takes a name from its parent imports the file that defines the name. If a
//! parent's own code calls a child, and the child uses something that the parent defines, the two are a cycle.
//!
//! The text is cut into tokens, without comments and literals. Names without a path (fields, methods, macros in scope) are not found.

use std::collections::{BTreeMap, BTreeSet, HashMap};

/// The maximum length of a chain of re-exports.
const MAX_STEPS: usize = 32;

/// The imports between the source files of a crate.
pub(crate) struct Imports {
    /// For each file, the files that it imports, each with a path as evidence.
    edges: BTreeMap<String, BTreeMap<String, String>>,
}

impl Imports {
    /// Reads files as `(path below src, text)`, including `lib.rs`. Files below `bin/` are separate crates.
    pub(crate) fn of(files: &[(String, String)]) -> Self {
        let mut modules = HashMap::new();
        for (file, text) in files.iter().filter(|(file, _)| !file.starts_with("bin/")) {
            let tokens = without_tests(&tokens(text));
            collect(file, &module_path(file), &tokens, &mut modules);
        }
        let mut edges: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
        for path in modules.keys() {
            let module = &modules[path];
            let own = edges.entry(module.file.clone()).or_default();
            for named in &module.paths {
                if let Some(target) = resolve(&modules, path, named).filter(|target| *target != module.file) {
                    own.entry(target).or_insert_with(|| named.join("::"));
                }
            }
        }
        Self { edges }
    }

    /// The files that `file` imports, each with a path that names it.
    pub(crate) fn of_file(&self, file: &str) -> impl Iterator<Item = (&str, &str)> {
        let edges = self.edges.get(file).into_iter().flatten();
        edges.map(|(target, path)| (target.as_str(), path.as_str()))
    }

    pub(crate) fn files(&self) -> impl Iterator<Item = &str> {
        self.edges.keys().map(String::as_str)
    }

    fn reachable(&self, file: &str) -> BTreeSet<&str> {
        let mut seen = BTreeSet::new();
        let mut next = vec![file];
        while let Some(file) = next.pop() {
            for (target, _) in self.of_file(file) {
                if seen.insert(target) {
                    next.push(target);
                }
            }
        }
        seen
    }

    /// The groups of files that import each other, directly or through others of the group, in alphabetical order.
    pub(crate) fn cycles(&self) -> Vec<Vec<&str>> {
        let reachable: BTreeMap<&str, BTreeSet<&str>> =
            self.files().map(|file| (file, self.reachable(file))).collect();
        let mut groups = BTreeSet::new();
        for (file, targets) in &reachable {
            let group: Vec<&str> =
                targets.iter().copied().filter(|target| reachable[target].contains(file)).collect();
            if group.len() > 1 {
                groups.insert(group);
            }
        }
        groups.into_iter().collect()
    }
}

/// A module: a file, or a part of a file in braces.
struct Module {
    file: String,
    /// The names that `use` items bind, with their paths.
    bound: HashMap<String, Vec<String>>,
    /// Paths that bind all their names (`use path::*`).
    globs: Vec<Vec<String>>,
    /// Items that this module defines.
    items: BTreeSet<String>,
    /// Modules that this module declares.
    children: BTreeSet<String>,
    /// Paths in the code, without re-exports.
    paths: Vec<Vec<String>>,
}

/// `media/ffi/io.rs` as `["media", "ffi", "io"]`; `lib.rs` is the crate itself.
fn module_path(file: &str) -> Vec<String> {
    let path = file.strip_suffix(".rs").unwrap_or(file);
    if path == "lib" { Vec::new() } else { path.split('/').map(str::to_owned).collect() }
}

/// Cuts the text into words, `::`, and single characters. Comments, strings, characters and lifetimes are left out.
fn tokens(text: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let is_word = |c: char| c == '_' || c.is_alphanumeric();
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if let Some(length) = literal(rest) {
            length
        } else if is_word(first) {
            let length = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
            tokens.push(&rest[..length]);
            length
        } else if rest.starts_with("::") {
            tokens.push("::");
            2
        } else {
            if !first.is_whitespace() {
                tokens.push(&rest[..first.len_utf8()]);
            }
            first.len_utf8()
        };
        rest = &rest[length..];
    }
    tokens
}

/// The length of the string, character or lifetime at the start of the text.
fn literal(text: &str) -> Option<usize> {
    let prefix = ["br", "cr", "r", "b", "c", ""].into_iter().find(|prefix| {
        let rest = text.strip_prefix(prefix);
        rest.is_some_and(|rest| rest.starts_with('"') || (prefix.ends_with('r') && rest.starts_with('#')))
    });
    if let Some(prefix) = prefix {
        let rest = &text[prefix.len()..];
        if prefix.ends_with('r') {
            let hashes = rest.len() - rest.trim_start_matches('#').len();
            // `r#type` is a word.
            let body = rest[hashes..].strip_prefix('"')?;
            let end = format!("\"{}", "#".repeat(hashes));
            let length = body.find(&end)? + end.len();
            return Some(prefix.len() + hashes + 1 + length);
        }
        return Some(prefix.len() + 1 + quoted(&rest[1..], '"')?);
    }
    let rest = text.strip_prefix("b'").or_else(|| text.strip_prefix('\''))?;
    let opening = text.len() - rest.len();
    let mut characters = rest.chars();
    let is_character = match characters.next()? {
        '\\' => true,
        _ => characters.next() == Some('\''),
    };
    // The name of a lifetime stays a word, which never matches the words that this file searches for.
    if is_character { Some(opening + quoted(rest, '\'')?) } else { Some(opening) }
}

/// The number of bytes up to the closing quote, which is included.
fn quoted(text: &str, quote: char) -> Option<usize> {
    let mut is_escaped = false;
    for (at, c) in text.char_indices() {
        if !is_escaped && c == quote {
            return Some(at + 1);
        }
        is_escaped = !is_escaped && c == '\\';
    }
    None
}

/// The position after the bracket that closes the one at `open`.
fn behind_bracket(tokens: &[&str], open: usize) -> usize {
    let mut depth = 0;
    for (at, token) in tokens.iter().enumerate().skip(open) {
        match *token {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at + 1;
        }
    }
    tokens.len()
}

/// The position after the item that starts at `start`, including its attributes.
fn behind_item(tokens: &[&str], start: usize) -> usize {
    let mut at = start;
    while tokens.get(at..at + 2) == Some(&["#", "["]) {
        at = behind_bracket(tokens, at + 1);
    }
    let is_use = tokens[at..].iter().take_while(|token| **token != ";").any(|token| *token == "use");
    while let Some(token) = tokens.get(at) {
        match *token {
            ";" | "," => return at + 1,
            "}" => return at,
            "{" if !is_use => return behind_bracket(tokens, at),
            "(" | "[" | "{" => at = behind_bracket(tokens, at),
            _ => at += 1,
        }
    }
    at
}

/// Removes code for tests only: items below `#[cfg(test)]` and `#[cfg(all(test, ...))]`.
fn without_tests<'t>(tokens: &[&'t str]) -> Vec<&'t str> {
    let starts =
        [&["#", "[", "cfg", "(", "test", ")", "]"][..], &["#", "[", "cfg", "(", "all", "(", "test", ","]];
    let mut kept = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        if starts.iter().any(|start| tokens[at..].starts_with(start)) {
            at = behind_item(tokens, at);
        } else {
            kept.push(tokens[at]);
            at += 1;
        }
    }
    kept
}

/// Reads a module's tokens, and those of the modules in braces within it.
fn collect(file: &str, path: &[String], tokens: &[&str], modules: &mut HashMap<Vec<String>, Module>) {
    let mut module = Module {
        file: file.to_owned(),
        bound: HashMap::new(),
        globs: Vec::new(),
        items: BTreeSet::new(),
        children: BTreeSet::new(),
        paths: Vec::new(),
    };
    let mut at = 0;
    while let Some(&token) = tokens.get(at) {
        match (token, tokens.get(at + 1), tokens.get(at + 2)) {
            ("mod", Some(name), Some(&";")) => {
                module.children.insert((*name).to_owned());
                at += 3;
            }
            ("mod", Some(name), Some(&"{")) => {
                module.children.insert((*name).to_owned());
                let end = behind_bracket(tokens, at + 2);
                let inner = [path, &[(*name).to_owned()]].concat();
                collect(file, &inner, &tokens[at + 3..end - 1], modules);
                at = end;
            }
            // The path of a visibility is not an import.
            ("pub", Some(&"("), _) => at = behind_bracket(tokens, at + 1),
            // Not the `use<'a>` of a return type.
            ("use", Some(next), _) if *next != "<" => {
                let is_export = at > 0 && matches!(tokens[at - 1], "pub" | ")");
                let end =
                    at + tokens[at..].iter().position(|token| *token == ";").unwrap_or(tokens.len() - at);
                read_use(&mut module, &tokens[at + 1..end], &mut Vec::new(), is_export);
                at = end;
            }
            ("fn" | "struct" | "enum" | "trait" | "type" | "const" | "static" | "union", Some(name), _) => {
                module.items.insert((*name).to_owned());
                at += 1;
            }
            ("macro_rules", Some(&"!"), Some(name)) => {
                module.items.insert((*name).to_owned());
                at += 3;
            }
            (_, Some(&"::"), _) if is_name(token) && (at == 0 || tokens[at - 1] != "::") => {
                let mut named = vec![token.to_owned()];
                while tokens.get(at + 1) == Some(&"::")
                    && tokens.get(at + 2).is_some_and(|name| is_name(name))
                {
                    at += 2;
                    named.push(tokens[at].to_owned());
                }
                module.paths.push(named);
                at += 1;
            }
            _ => at += 1,
        }
    }
    modules.insert(path.to_vec(), module);
}

fn is_name(token: &str) -> bool {
    token.starts_with(|c: char| c == '_' || c.is_alphabetic())
}

/// Reads the tokens after `use` or inside its braces, after `prefix`.
fn read_use(module: &mut Module, tokens: &[&str], prefix: &mut Vec<String>, is_export: bool) {
    let mut at = 0;
    let length = prefix.len();
    while let Some(&token) = tokens.get(at) {
        match token {
            "{" => {
                let end = behind_bracket(tokens, at);
                read_use(module, &tokens[at + 1..end - 1], prefix, is_export);
                at = end;
            }
            "*" => {
                module.globs.push(prefix.clone());
                if !is_export {
                    module.paths.push(prefix.clone());
                }
                at += 1;
            }
            "," => {
                prefix.truncate(length);
                at += 1;
            }
            "::" => at += 1,
            name => {
                if name != "self" || prefix.is_empty() {
                    prefix.push(name.to_owned());
                }
                at += 1;
                if tokens.get(at) == Some(&"::") {
                    continue;
                }
                let renamed = (tokens.get(at) == Some(&"as")).then(|| tokens.get(at + 1)).flatten();
                if renamed.is_some() {
                    at += 2;
                }
                if let Some(name) =
                    renamed.map_or_else(|| prefix.last().cloned(), |name| Some((*name).to_owned()))
                {
                    module.bound.insert(name, prefix.clone());
                }
                if !is_export {
                    module.paths.push(prefix.clone());
                }
            }
        }
    }
    prefix.truncate(length);
}

/// The file that defines the item that a path names, seen from a module. `None` for items of other crates.
fn resolve(modules: &HashMap<Vec<String>, Module>, from: &[String], named: &[String]) -> Option<String> {
    follow(modules, from, named, 0).map(|(path, _)| modules[&path].file.clone())
}

/// The module that a path leads to, and the rest of the path: an item of that module, and names within the item.
fn follow(
    modules: &HashMap<Vec<String>, Module>,
    from: &[String],
    named: &[String],
    steps: usize,
) -> Option<(Vec<String>, Vec<String>)> {
    if steps > MAX_STEPS {
        return None;
    }
    let mut at = from.to_vec();
    let mut rest = named;
    let mut is_first = true;
    while let Some((name, behind)) = rest.split_first() {
        let module = modules.get(&at)?;
        let child = [&at[..], std::slice::from_ref(name)].concat();
        match name.as_str() {
            "crate" => at = Vec::new(),
            "self" => {}
            "super" => at = at.split_last()?.1.to_vec(),
            _ if module.children.contains(name) && modules.contains_key(&child) => at = child,
            _ if module.items.contains(name) => return Some((at, rest.to_vec())),
            _ => {
                let within = |path: &[String]| {
                    // A macro becomes importable by a `use` of its own name.
                    if path == named && at == from { None } else { follow(modules, &at, path, steps + 1) }
                };
                if let Some(path) = module.bound.get(name) {
                    return within(&[path, behind].concat());
                }
                for glob in &module.globs {
                    let found = within(&[&glob[..], rest].concat());
                    if let Some((path, left)) = found
                        && left.first().is_some_and(|item| modules[&path].items.contains(item))
                    {
                        return Some((path, left));
                    }
                }
                // A name that is not bound is an item of another crate, or one that a macro defines.
                return if is_first { None } else { Some((at, rest.to_vec())) };
            }
        }
        is_first = false;
        rest = behind;
    }
    Some((at, Vec::new()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn imports(files: &[(&str, &str)]) -> Imports {
        let owned: Vec<_> =
            files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        Imports::of(&owned)
    }

    fn of_file(files: &[(&str, &str)], file: &str) -> Vec<String> {
        imports(files).of_file(file).map(|(target, _)| target.to_owned()).collect()
    }

    #[test]
    fn literals_and_comments_are_no_code() {
        let text = "a /* b::c */ \"d::e\" // f::g\n r#\"h\"::i\"# b'\\'' 'x' &'j str b\"\\\"k\" ::l";
        assert_eq!(tokens(text), ["a", "&", "j", "str", "::", "l"]);
    }

    #[test]
    fn what_is_for_tests_is_left_out() {
        let text = "#[cfg(test)] use a::{b, c}; #[cfg(test)] #[x] fn d() { e } f #[cfg(all(test, g))] mod h; i \
                    struct J { #[cfg(test)] k: K, l: L }";
        assert_eq!(without_tests(&tokens(text)).join(" "), "f i struct J { l : L }");
    }

    #[test]
    fn every_way_to_name_a_file_is_seen() {
        let lib = "mod a; mod b;";
        for code in [
            "use crate::b::c::D;",
            "use crate::{b::{self, c::{D, E}}, x};",
            "use super::b::c as d;",
            "fn f() { crate::b::c::d(); }",
            "use crate::b; fn f(x: b::c::D) {}",
            "use crate::b::Renamed;",
            "fn f() { use super::b::c::*; }",
            "macro_rules! m { () => { $crate::b::c::D } }",
            "mod inner { use super::super::b::c; }",
        ] {
            let files = [
                ("lib.rs", lib),
                ("a.rs", code),
                ("b.rs", "mod c; pub use c::D as Renamed; pub use self::c::*;"),
                ("b/c.rs", "struct D; fn d() {}"),
            ];
            assert!(of_file(&files, "a.rs").contains(&"b/c.rs".to_owned()), "{code}");
        }
    }

    #[test]
    fn other_crates_and_ones_own_file_are_not_imports() {
        let code = "use std::a; use ::b::c; struct D; pub(in crate::b) fn g() {} impl D { fn e() { Self::e(); self::D::e(); serde::f() } }";
        assert!(of_file(&[("lib.rs", "mod a; mod b;"), ("a.rs", code), ("b.rs", "")], "a.rs").is_empty());
    }

    #[test]
    fn a_parent_that_only_declares_and_re_exports_is_in_no_cycle() {
        let child = ("a/b.rs", "use super::C; struct B;");
        let other = ("a/c.rs", "struct C;");
        let declares = imports(&[
            ("lib.rs", "mod a;"),
            ("a.rs", "mod b; mod c; pub(super) use {b::B, c::C};"),
            child,
            other,
        ]);
        assert!(declares.cycles().is_empty());
        assert_eq!(declares.of_file("a/b.rs").collect::<Vec<_>>(), [("a/c.rs", "super::C")]);
        let uses = imports(&[("lib.rs", "mod a;"), ("a.rs", "mod b; struct C; fn f() { b::f(); }"), child]);
        assert_eq!(uses.cycles(), [["a.rs", "a/b.rs"]]);
    }

    #[test]
    fn a_cycle_through_others_is_one() {
        let files = [
            ("lib.rs", "mod a; mod b; mod c; mod d;"),
            ("a.rs", "use crate::b::B;"),
            ("b.rs", "use crate::c::C; struct B;"),
            ("c.rs", "fn f() { crate::a::f() }"),
            ("d.rs", "use crate::a::f;"),
        ];
        assert_eq!(imports(&files).cycles(), [["a.rs", "b.rs", "c.rs"]]);
    }
}
