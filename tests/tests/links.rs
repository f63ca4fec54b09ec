//! References lead somewhere: links of Markdown pages, numbered sections, and files that pages and comments name.
//! The test reads every page, every comment of Rust, WGSL, shell and TOML, and all of Python.
//! A paper may be cited with a section of its own.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

/// Words that name a page by its title. No such page is in the repository.
const TITLES: [&str; 4] = ["MATH", "PARAMETERS", "DESIGN", "HOUSE"];

/// Endings by which a word is taken for the name of a file.
const ENDINGS: [&str; 9] = [".md", ".rs", ".wgsl", ".py", ".sh", ".svg", ".toml", ".json", ".csv"];

/// Folders that hold no sources.
const SKIPPED: [&str; 2] = ["target", "shared"];

/// The names of all files, the top folders, and the headings of each page.
struct Repository {
    files: BTreeSet<String>,
    tops: BTreeSet<String>,
    headings: BTreeMap<String, Vec<String>>,
}

impl Repository {
    /// Takes (path from the root, text) pairs.
    fn new(files: &[(String, String)]) -> Self {
        let tops = files.iter().filter_map(|(path, _)| path.split_once('/')).map(|(top, _)| top.to_string());
        let pages = files.iter().filter(|(path, _)| path.ends_with(".md"));
        let heading = |line: &str| line.starts_with('#').then(|| line.trim_start_matches('#').trim().to_string());
        Self {
            tops: tops.collect(),
            headings: pages.map(|(path, text)| (path.clone(), prose(text).filter_map(heading).collect())).collect(),
            files: files.iter().map(|(path, _)| path.clone()).collect(),
        }
    }

    /// Whether `path` is a file or a folder.
    fn holds(&self, path: &str) -> bool {
        let folder = format!("{}/", path.trim_end_matches('/'));
        self.files.contains(path) || path.is_empty() || self.files.iter().any(|f| f.starts_with(&folder))
    }

    /// The file that `name` names in the page `from`: in the folder of the page, from the root, or the only file of
    /// that name.
    fn find(&self, from: &str, name: &str) -> Option<String> {
        let near = [joined(from, name), Some(name.to_string())].into_iter().flatten().find(|path| self.holds(path));
        let bare = || self.files.iter().find(|f| !name.contains('/') && f.rsplit('/').next() == Some(name)).cloned();
        near.or_else(bare)
    }

    /// Whether `page` has section `number`: a heading that starts with it.
    fn has_section(&self, page: &str, number: &str) -> bool {
        let first = |heading: &String| heading.split(' ').next().map(|n| n.trim_end_matches('.').to_string());
        self.headings.get(page).is_some_and(|all| all.iter().any(|h| first(h).as_deref() == Some(number)))
    }

    /// Whether `page` has a heading with this anchor.
    fn has_anchor(&self, page: &str, anchor: &str) -> bool {
        self.headings.get(page).is_some_and(|all| all.iter().any(|h| slug(h) == anchor))
    }

    /// Every reference of `text`, a file at `path`, that leads nowhere.
    fn dangling(&self, path: &str, text: &str) -> Vec<String> {
        let is_page = path.ends_with(".md");
        let mut found = Vec::new();
        let text = if is_page { prose(text).collect::<Vec<_>>().join("\n") } else { comments(path, text) };
        if is_page {
            found.extend(links(&text).filter(|target| !self.leads(path, target)).map(|t| format!("link to {t}")));
        }
        for name in names(&text) {
            let first = name.split('/').next().unwrap_or("");
            let is_named = name.ends_with(".md") || (name.contains('/') && self.tops.contains(first));
            if is_named && self.find(path, name).is_none() {
                found.push(format!("no file {name}"));
            }
        }
        for (before, number) in sections(&text) {
            let page = match names(before).last() {
                Some(name) if name.ends_with(".md") => self.find(path, name),
                _ if before.contains(|c: char| c.is_ascii_digit()) => continue, // a paper: 2019/417, 800-90B
                _ => is_page.then(|| path.to_string()),
            };
            if !page.is_some_and(|page| self.has_section(&page, number)) {
                found.push(format!("no section: {before} §{number}"));
            }
        }
        let words = text.split(|c: char| !c.is_alphanumeric());
        found.extend(words.filter(|w| TITLES.contains(w)).map(|w| format!("no page {w}")));
        found
    }

    /// Whether the link `target` of the page `from` leads to a file and, behind `#`, to a heading.
    fn leads(&self, from: &str, target: &str) -> bool {
        if target.contains("://") || target.starts_with("mailto:") {
            return true;
        }
        let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
        let page = if file.is_empty() { Some(from.to_string()) } else { joined(from, file) };
        page.is_some_and(|page| self.holds(&page) && (anchor.is_empty() || self.has_anchor(&page, anchor)))
    }
}

/// `name` relative to the folder of `from`; `None` if it leaves the repository.
fn joined(from: &str, name: &str) -> Option<String> {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in name.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            _ => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// The anchor that Markdown makes of a heading.
fn slug(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || [' ', '-', '_'].contains(c));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

/// The lines of a page outside code blocks, fenced or indented after an empty line.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let (mut fenced, mut indented, mut empty) = (false, false, true);
    text.lines().filter(move |line| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        indented = line.starts_with("    ") && (empty || indented);
        empty = line.trim().is_empty();
        !fenced && !fence && !indented
    })
}

/// The comments of a source, a run of comment lines joined to one line. All of a Python file.
fn comments(path: &str, text: &str) -> String {
    if path.ends_with(".py") {
        return text.to_string();
    }
    let hashed = path.ends_with(".sh") || path.ends_with(".toml");
    let mut out = String::new();
    for line in text.lines() {
        match if hashed { line.trim_start().strip_prefix('#') } else { comment(line) } {
            Some(comment) => out.extend([" ", comment.trim_start_matches(['/', '!']).trim()]),
            None => out.push('\n'),
        }
    }
    out
}

/// The text after `//`, if `//` is not inside a string.
fn comment(line: &str) -> Option<&str> {
    let (mut quoted, mut escaped, mut before) = (false, false, ' ');
    for (at, c) in line.char_indices() {
        match c {
            '"' if !escaped && before != '\'' => quoted = !quoted,
            '/' if !quoted && line[at..].starts_with("//") => return Some(&line[at + 2..]),
            _ => {}
        }
        escaped = c == '\\' && !escaped;
        before = c;
    }
    None
}

/// The targets of Markdown links, code spans left out.
fn links(text: &str) -> impl Iterator<Item = &str> {
    let plain = text.split('`').step_by(2);
    let ends = |span: &str| span.starts_with("](");
    plain.flat_map(move |span| {
        let starts = (0..span.len()).filter(move |at| span.is_char_boundary(*at) && ends(&span[*at..]));
        starts.filter_map(|at| span[at + 2..].split(')').next()).chain(None)
    })
}

/// Words that look like the name of a file. Parts of an address are left out, and placeholders, which hold `NAME`.
fn names(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || "_-./:".contains(c)));
    let words = words.map(|w| w.trim_end_matches(['.', ':']).trim_start_matches("./"));
    words.filter(|w| {
        !w.contains(':') && !w.contains("NAME") && ENDINGS.iter().any(|e| w.len() > e.len() && w.ends_with(e))
    })
}

/// Each section sign as (the word before the sign in its line or bracket, the number after the sign).
fn sections(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.match_indices('§').map(|(at, sign)| {
        let before = text[..at].trim_end().trim_end_matches(',');
        let start = before.rfind(['\n', '[', '(', ';']).map_or(0, |i| i + 1);
        let before = before[start..].rsplit(' ').next().unwrap_or("");
        let after = &text[at + sign.len()..];
        let end = after.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(after.len());
        (before, after[..end].trim_end_matches('.'))
    })
}

/// Every text file of the repository with its path from the root.
fn repository() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let (mut files, mut folders) = (Vec::new(), vec![root.clone()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() && !SKIPPED.contains(&name.as_str()) && !name.starts_with('.') {
                folders.push(path);
            } else if path.is_file() {
                let from_root = path.strip_prefix(&root).unwrap().to_string_lossy().replace('\\', "/");
                files.push((from_root, fs::read_to_string(path).unwrap_or_default()));
            }
        }
    }
    assert!(files.len() > 100, "only {} files: looked in the wrong place", files.len());
    files.sort();
    files
}

#[test]
fn every_reference_leads_to_a_file_and_a_heading() {
    let files = repository();
    let repository = Repository::new(&files);
    let read = |path: &str| [".md", ".rs", ".wgsl", ".py", ".sh", ".toml"].iter().any(|e| path.ends_with(e));
    let mut found = Vec::new();
    for (path, text) in files.iter().filter(|(path, _)| read(path)) {
        found.extend(repository.dangling(path, text).into_iter().map(|what| format!("{path}: {what}")));
    }
    assert!(found.is_empty(), "{} references lead nowhere:\n{}", found.len(), found.join("\n"));
}

/// The symbolic links below `folder` that leave the repository or lead nowhere, by path from the root. Another machine
/// does not have what they name.
fn stray_links(root: &Path, folder: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let (path, kind) = entry.map(|e| (e.path(), e.file_type().unwrap())).unwrap();
        let name = path.file_name().unwrap().to_str().unwrap();
        let inside =
            || fs::read_link(&path).unwrap().is_relative() && path.canonicalize().is_ok_and(|to| to.starts_with(root));
        if kind.is_symlink() && !SKIPPED.contains(&name) && !inside() {
            found.push(path.strip_prefix(root).unwrap().display().to_string());
        } else if kind.is_dir() && !SKIPPED.contains(&name) && name != ".git" {
            stray_links(root, &path, found);
        }
    }
}

#[test]
fn every_symbolic_link_stays_in_the_repository() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap();
    let mut found = Vec::new();
    stray_links(&root, &root, &mut found);
    assert_eq!(found, [""; 0], "links that another machine does not have");
}

#[cfg(unix)]
#[test]
fn a_planted_stray_link_is_found() {
    use std::os::unix::fs::symlink;
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("stray-links");
    let _ = fs::remove_dir_all(&root); // of an earlier run
    fs::create_dir_all(root.join("below")).unwrap();
    let root = root.canonicalize().unwrap();
    fs::write(root.join("file"), "").unwrap();
    for (to, at) in [("../file", "below/good"), ("/", "below/out"), ("../..", "below/up"), ("gone", "nowhere")] {
        symlink(to, root.join(at)).unwrap();
    }
    let mut found = Vec::new();
    stray_links(&root, &root, &mut found);
    found.sort();
    assert_eq!(found, ["below/out", "below/up", "nowhere"]);
}

#[test]
fn every_page_is_in_its_index() {
    let files = repository();
    for (folder, index) in [("docs/", "docs/README.md"), ("docs/decisions/", "docs/decisions/README.md")] {
        let (_, listed) = files.iter().find(|(path, _)| path == index).unwrap();
        let pages = files.iter().filter_map(|(path, _)| path.strip_prefix(folder)).filter(|name| name.ends_with(".md"));
        let pages: Vec<&str> = pages.filter(|name| !name.contains('/') && *name != "README.md").collect();
        assert!(pages.len() > 8, "only {} pages in {folder}", pages.len());
        for page in pages {
            assert!(listed.contains(&format!("]({page})")), "{index} does not list {page}");
        }
    }
}

/// A small repository: a page with two sections, a page below it, a source.
fn planted() -> Repository {
    let page = "# Title\n## 1. First\n### 1.2 Second of first\n    ## 9. no heading, but code\n\n## Why, and how\n";
    let files = [("docs/math.md", page), ("docs/decisions/one.md", "# One\n"), ("kernel/src/lib.rs", "")];
    Repository::new(&files.map(|(path, text)| (path.to_string(), text.to_string())))
}

#[test]
fn a_planted_dangling_link_is_found() {
    let found = |text: &str| planted().dangling("docs/decisions/one.md", text);
    assert_eq!(found("[a](../math.md) [b](../math.md#why-and-how) [c](https://x.org/y) [d](#one)"), [""; 0]);
    assert_eq!(found("[a](math.md)"), ["link to math.md"], "not beside this page");
    assert_eq!(found("[a](../math.md#because)"), ["link to ../math.md#because"]);
    assert_eq!(found("[a](../../../beyond)"), ["link to ../../../beyond"]);
    assert_eq!(found("[a](gone.md)"), ["link to gone.md", "no file gone.md"]);
    assert_eq!(found("`[a](gone)`\n\n    [a](gone)\n\n```\n[a](gone)\n```\n"), [""; 0], "code is not a link");
}

#[test]
fn a_planted_dangling_section_is_found() {
    let found = |text: &str| planted().dangling("kernel/src/lib.rs", text);
    assert_eq!(found("//! x [docs/math.md §1; eprint 2019/417 §3; NIST SP 800-90B, §4.4.1]"), [""; 0]);
    assert_eq!(found("/// over two lines, docs/math.md\n/// §1.2."), [""; 0]);
    assert_eq!(found("/// docs/math.md §9."), ["no section: docs/math.md §9"]);
    assert_eq!(found("/// docs/maths.md §1"), ["no file docs/maths.md", "no section: docs/maths.md §1"]);
    assert_eq!(found("f(); // see MATH §1"), ["no section: MATH §1", "no page MATH"]);
    assert_eq!(found("/// as above (§1)"), ["no section:  §1"], "a source has no sections");
    assert_eq!(planted().dangling("docs/math.md", "§1.2 and §3"), ["no section: and §3"]);
}

#[test]
fn a_planted_name_of_a_missing_file_is_found() {
    let found = |text: &str| planted().dangling("kernel/src/lib.rs", text);
    assert_eq!(found("//! one.md, math.md, `kernel/src/lib.rs`, `kernel/src/NAME.rs`, https://x.org/z.md"), [""; 0]);
    assert_eq!(found("//! `kernel/src/gone.rs` and gone.md"), ["no file kernel/src/gone.rs", "no file gone.md"]);
    assert_eq!(found("let s = \"// gone.md\"; let t = '\"'; // gone.md"), ["no file gone.md"], "strings are not read");
    assert_eq!(planted().dangling("a.sh", "cat gone.md\n# see gone.md\n"), ["no file gone.md"]);
    assert_eq!(found("/// The DESIGN says so."), ["no page DESIGN"]);
    assert_eq!(planted().dangling("x.py", "\"\"\"MATH.md section 2.\"\"\""), ["no file MATH.md", "no page MATH"]);
}
