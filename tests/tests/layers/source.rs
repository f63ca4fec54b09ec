//! The paths that a Rust source names: its `use` declarations, and paths in its code.

/// One name that a `use` declaration binds.
pub struct Import {
    /// The path, from its first word on.
    pub path: Vec<String>,
    /// The name in this file; `*` for all names.
    pub name: String,
    /// True for `pub use` and `pub(crate) use`: a re-export.
    pub public: bool,
}

/// The code of a file, without comments and strings.
pub fn code(text: &str) -> String {
    let (mut out, mut rest) = (String::new(), text);
    while let Some(c) = rest.chars().next() {
        let skip = match c {
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            '"' => 1 + string_length(&rest[1..]),
            '\'' if rest.starts_with("'\"'") => 3,
            _ => {
                out.push(c);
                c.len_utf8()
            }
        };
        rest = &rest[skip..];
    }
    out
}

/// Bytes up to and including the quote that ends a string.
fn string_length(rest: &str) -> usize {
    let mut escaped = false;
    for (i, c) in rest.char_indices() {
        match c {
            '"' if !escaped => return i + 1,
            _ => escaped = c == '\\' && !escaped,
        }
    }
    rest.len()
}

/// The code before the test module of the file.
pub fn without_tests(code: &str) -> &str {
    code.split("\nmod tests {").next().unwrap_or(code)
}

/// The code without macros by example, the paths of which belong to the users of the macros.
pub fn without_macros(code: &str) -> String {
    let (mut out, mut rest) = (String::new(), code);
    while let Some((before, after)) = rest.split_once("macro_rules!") {
        out.push_str(before);
        let mut depth = 0;
        let end = after.char_indices().find(|(_, c)| {
            depth += i32::from(*c == '{') - i32::from(*c == '}');
            *c == '}' && depth == 0
        });
        rest = end.map_or("", |(i, _)| &after[i + 1..]);
    }
    out + rest
}

/// Whether `c` may stand in a name.
fn in_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The words of `code`, each with the place where the word begins.
pub fn words(code: &str) -> impl Iterator<Item = (usize, &str)> {
    let starts = move |i: usize| code[..i].chars().next_back().is_none_or(|c| !in_name(c));
    let begin = code.char_indices().filter(move |(i, c)| in_name(*c) && starts(*i));
    begin.map(move |(i, _)| (i, code[i..].split(|c| !in_name(c)).next().unwrap_or("")))
}

/// The `use` declarations of `code`, and the code without the declarations.
pub fn imports(code: &str) -> (Vec<Import>, String) {
    let (mut found, mut rest, mut done) = (Vec::new(), String::new(), 0);
    for (at, word) in words(code) {
        if word != "use" || at < done {
            continue;
        }
        let end = code[at..].find(';').map_or(code.len(), |i| at + i);
        let line = code[..at].rfind('\n').map_or(0, |i| i + 1);
        let public = code[line..at].trim_start().starts_with("pub");
        tree(&code[at + 3..end], &[], public, &mut found);
        rest.push_str(&code[done..at]);
        done = end;
    }
    rest.push_str(&code[done..]);
    (found, rest)
}

/// Adds the leaves of a `use` tree that stands below `prefix`.
fn tree(text: &str, prefix: &[String], public: bool, found: &mut Vec<Import>) {
    if let Some((head, group)) = text.split_once('{') {
        let prefix = [prefix, &segments(head)].concat();
        branches(group).into_iter().for_each(|item| tree(item, &prefix, public, found));
        return;
    }
    let (path, alias) = text.split_once(" as ").map_or((text, None), |(path, alias)| (path, Some(alias.trim())));
    let mut path = [prefix, &segments(path)].concat();
    if path.len() > 1 && path.last().is_some_and(|last| last == "self") {
        path.pop();
    }
    let Some(name) = alias.map(str::to_string).or(path.last().cloned()) else { return };
    found.push(Import { path, name, public });
}

/// The words of a path.
fn segments(path: &str) -> Vec<String> {
    path.split("::").map(|word| word.trim().to_string()).filter(|word| !word.is_empty()).collect()
}

/// The comma-separated items up to the closing brace.
fn branches(group: &str) -> Vec<&str> {
    let (mut items, mut depth, mut start) = (Vec::new(), 0, 0);
    for (i, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            '}' | ',' if depth == 0 => {
                items.push(group[start..i].trim());
                start = i + 1;
                if c == '}' {
                    break;
                }
            }
            _ => {}
        }
    }
    items.retain(|item| !item.is_empty());
    items
}

/// Paths of at least two words in code without `use` declarations.
pub fn paths(code: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for (at, _) in words(code) {
        if code[..at].ends_with("::") {
            continue; // inside a path
        }
        let end = code[at..].find(|c| !in_name(c) && c != ':').map_or(code.len(), |i| at + i);
        let path = segments(&code[at..end]);
        if path.len() > 1 {
            found.push(path);
        }
    }
    found
}
