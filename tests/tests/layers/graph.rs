//! Which file of a package imports from which: circles, and imports from above.
//!
//! A re-export is no import: a name is traced to the file that defines the name.

use crate::source::{self, Import};
use std::collections::{BTreeMap, BTreeSet};

/// A file of a package, outside its test module.
struct File {
    /// The path of the module; empty for the root.
    module: Vec<String>,
    imports: Vec<Import>,
    paths: Vec<Vec<String>>,
}

/// The files of a package.
pub struct Package {
    files: Vec<File>,
    at: BTreeMap<Vec<String>, usize>,
}

/// The most re-exports that the search follows.
const DEPTH: usize = 8;

impl Package {
    /// Takes pairs of a path below `src` and the text of that file. Programs (`main.rs`) are other packages.
    pub fn new<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let library = files.into_iter().filter(|(path, _)| *path != "main.rs" && !path.starts_with("bin/"));
        let mut files: Vec<File> = library.map(|(path, text)| File::new(path, text)).collect();
        let tests: Vec<_> = files.iter().filter(|f| f.module.last().is_some_and(|m| m == "tests")).collect();
        let tests: BTreeSet<Vec<String>> = tests.into_iter().map(|f| f.module.clone()).collect();
        files.retain(|file| !tests.contains(&file.module));
        let at = files.iter().enumerate().map(|(i, file)| (file.module.clone(), i)).collect();
        Self { files, at }
    }

    /// The top modules.
    pub fn modules(&self) -> BTreeSet<&str> {
        self.files.iter().filter_map(|file| file.module.first()).map(String::as_str).collect()
    }

    /// The path from the root that `path` names in `file`, or `None` if the path leads out of the package.
    fn absolute(&self, file: &File, path: &[String]) -> Option<Vec<String>> {
        let (first, rest) = path.split_first()?;
        let supers = path.iter().take_while(|word| *word == "super").count();
        match first.as_str() {
            "crate" => Some(rest.to_vec()),
            "self" => Some([&file.module, rest].concat()),
            "super" => {
                let depth = file.module.len().checked_sub(supers)?;
                Some([&file.module[..depth], &path[supers..]].concat())
            }
            _ => {
                let child = [&file.module[..], &path[..1]].concat();
                self.at.contains_key(&child).then(|| [&file.module, path].concat())
            }
        }
    }

    /// The file that defines the item at `path` from the root.
    fn definition(&self, path: &[String], depth: usize) -> Option<usize> {
        let (mut at, mut done) = (*self.at.get(&[][..])?, 0);
        while let Some(next) = path.get(..done + 1).and_then(|module| self.at.get(module)) {
            (at, done) = (*next, done + 1);
        }
        let Some(name) = path.get(done) else { return Some(at) };
        let reexport = self.files[at].imports.iter().find(|import| import.name == *name);
        let target = reexport.and_then(|import| self.absolute(&self.files[at], &import.path));
        match target {
            Some(target) if depth < DEPTH => {
                let further = [&target, &path[done + 1..]].concat();
                self.definition(&further, depth + 1)
            }
            _ => Some(at),
        }
    }

    /// The files that `file` imports from.
    fn targets(&self, file: usize) -> BTreeSet<usize> {
        let own = &self.files[file];
        let imports = own.imports.iter().filter(|import| !import.public).map(|import| &import.path);
        let named = imports.chain(&own.paths).filter_map(|path| self.absolute(own, path));
        let mut targets: BTreeSet<usize> = named.filter_map(|path| self.definition(&path, 0)).collect();
        targets.remove(&file);
        targets
    }

    fn name(&self, file: usize) -> String {
        let module = &self.files[file].module;
        if module.is_empty() { "lib".into() } else { module.join("::") }
    }

    /// Imports that do not go down, as "a imports b". `layers` are the top modules from the bottom up; the root is above all.
    pub fn upward(&self, layers: &[&str]) -> Vec<String> {
        let layer = |file: usize| match self.files[file].module.first() {
            None => layers.len(),
            Some(top) => layers.iter().position(|layer| layer == top).unwrap_or(layers.len()),
        };
        let pairs = (0..self.files.len()).flat_map(|from| self.targets(from).into_iter().map(move |to| (from, to)));
        let same = |(a, b): (usize, usize)| self.files[a].module.first() == self.files[b].module.first();
        let bad = pairs.filter(|(from, to)| layer(*to) >= layer(*from) && !same((*from, *to)));
        bad.map(|(from, to)| format!("{} imports {}", self.name(from), self.name(to))).collect()
    }

    /// Imports of the module `top` from top modules that are not in `allowed`.
    pub fn beyond(&self, top: &str, allowed: &[&str]) -> Vec<String> {
        let is_in = |file: usize, tops: &[&str]| {
            self.files[file].module.first().is_some_and(|module| tops.contains(&module.as_str()))
        };
        let inside = (0..self.files.len()).filter(|file| is_in(*file, &[top]));
        let pairs = inside.flat_map(|from| self.targets(from).into_iter().map(move |to| (from, to)));
        let bad = pairs.filter(|(_, to)| !is_in(*to, allowed) && !is_in(*to, &[top]));
        bad.map(|(from, to)| format!("{} imports {}", self.name(from), self.name(to))).collect()
    }

    /// A circle of files, in which each file imports the next, and the last the first. Imports of `foo/bar.rs` from
    /// `foo.rs` do not count, because the head of a module declares the shared items of its parts.
    pub fn circle(&self) -> Option<Vec<String>> {
        let is_head = |file: usize, of: usize| {
            let (head, part) = (&self.files[file].module, &self.files[of].module);
            !head.is_empty() && part.starts_with(head)
        };
        let down = |file: usize| self.targets(file).into_iter().filter(move |to| !is_head(*to, file));
        let targets: Vec<BTreeSet<usize>> = (0..self.files.len()).map(|file| down(file).collect()).collect();
        let mut left: BTreeSet<usize> = (0..self.files.len()).collect();
        // A file that imports from no file left is in no circle.
        while let Some(leaf) = left.iter().copied().find(|file| targets[*file].is_disjoint(&left)) {
            left.remove(&leaf);
        }
        let mut way = vec![*left.first()?];
        loop {
            let last = way[way.len() - 1];
            let next = *targets[last].intersection(&left).next()?;
            if let Some(start) = way.iter().position(|file| *file == next) {
                return Some(way[start..].iter().map(|file| self.name(*file)).collect());
            }
            way.push(next);
        }
    }
}

impl File {
    fn new(path: &str, text: &str) -> Self {
        let code = source::without_macros(&source::code(text));
        let (imports, rest) = source::imports(source::without_tests(&code));
        let module = path.trim_end_matches(".rs").split('/').map(str::to_string);
        let module = if path == "lib.rs" { Vec::new() } else { module.collect() };
        Self { module, imports, paths: source::paths(&rest) }
    }
}
