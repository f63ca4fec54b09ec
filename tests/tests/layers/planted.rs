//! Faults that are planted in small packages: each must be found.

use crate::{LINES, dependencies, graph::Package, has_unsafe, too_long, unlisted};

/// A library of these modules, each with its text.
fn upward(layers: &[&str], files: &[(&str, &str)]) -> Vec<String> {
    Package::new(files.iter().copied()).upward(layers)
}

#[test]
fn an_import_from_above_is_found_however_it_is_written() {
    let found = |text: &str| {
        let files = [
            ("lib.rs", "pub use error::Error;"),
            ("error.rs", ""),
            ("low.rs", text),
            ("high.rs", ""),
            ("high/part.rs", ""),
        ];
        upward(&["error", "low", "high"], &files)
    };
    let crossing = ["low imports high"];
    assert_eq!(found("use crate::high::Model;"), crossing);
    assert_eq!(found("use crate::{error::Result, high::{self, Model}};"), crossing);
    assert_eq!(found("use crate::{Error, error::{A, B},\n high::Norm};"), crossing);
    assert_eq!(found("use super::high;"), crossing);
    assert_eq!(found("fn f(x: crate::high::Order) {}"), crossing);
    assert_eq!(found("pub(crate) fn f() { super::high::g::<u8>(); }"), crossing);
    assert_eq!(found("use crate::high::part::deep;"), ["low imports high::part"]);
    assert_eq!(found("use crate::Root;"), ["low imports lib"]);
    assert_eq!(found("use crate::{Error, error::Result}; fn f(x: super::error::A) {}"), [""; 0]);
    assert_eq!(
        found("/// [`crate::high`]\nlet s = \"crate::high\";\n#[cfg(test)]\nmod tests { use crate::high; }"),
        [""; 0]
    );
}

#[test]
fn a_re_export_is_traced_to_its_file() {
    let files = [
        ("lib.rs", "pub use low::Low;"),
        ("low.rs", "mod part;\npub use part::{Inner as Low};"),
        ("low/part.rs", ""),
        ("high.rs", "use crate::Low;"),
    ];
    assert_eq!(upward(&["low", "high"], &files), [""; 0]);
    assert_eq!(upward(&["high", "low"], &files), ["high imports low::part"]);
}

#[test]
fn a_circle_of_files_is_found() {
    let circle = |files: &[(&str, &str)]| Package::new(files.iter().copied()).circle();
    let two =
        [("lib.rs", ""), ("a.rs", "use crate::b::B;"), ("b.rs", "use crate::a::A;"), ("c.rs", "use crate::a::A;")];
    assert_eq!(circle(&two).map(|files| files.len()), Some(2));
    let parts = [
        ("lib.rs", ""),
        ("a.rs", "mod x;\nmod y;\nmod z;\nuse x::X;"),
        ("a/x.rs", "use super::y::Y;"),
        ("a/y.rs", "use super::{Shared, z};"),
        ("a/z.rs", "fn f() -> super::x::X {}"),
    ];
    assert_eq!(circle(&parts).map(|files| files.len()), Some(3));
    let through = [
        ("lib.rs", ""),
        ("a.rs", "mod x;\nmod y;\npub use x::X;"),
        ("a/x.rs", "use super::y::Y;"),
        ("a/y.rs", "use super::X;"),
    ];
    assert_eq!(circle(&through).map(|files| files.len()), Some(2));
    let head =
        [("lib.rs", ""), ("a.rs", "mod x;\nuse x::f;"), ("a/x.rs", "use super::Shared;"), ("b.rs", "use crate::a;")];
    assert_eq!(circle(&head), None);
}

#[test]
fn what_a_module_imports_beyond_its_list_is_found() {
    let files =
        [("lib.rs", ""), ("low.rs", ""), ("mid.rs", ""), ("top.rs", "mod x;"), ("top/x.rs", "use crate::{low, mid};")];
    let package = Package::new(files);
    assert_eq!(package.beyond("top", &["low"]), ["top::x imports mid"]);
    assert_eq!(package.beyond("top", &["low", "mid"]), [""; 0]);
}

#[test]
fn an_unlisted_dependency_is_found_however_it_is_written() {
    let manifest = "[package]\nname = \"x\"\n[dependencies]\na = \"1\"\n# b = \"1\"\nc.workspace = true\n[dev-dependencies]\nd = \"1\"\n[target.'cfg(unix)'.dependencies] # here\ne = { version = \"1\" }\n[dependencies.f]\nversion = \"1\"\n[features]\ng = []\n";
    assert_eq!(dependencies(manifest), ["a", "c", "e", "f"]);
    assert_eq!(unlisted(manifest, &["a", "c", "f"]), ["e"]);
    assert_eq!(unlisted("[dependencies]\nfoo-bar = \"1\"\nfo = \"1\"", &["foo-*"]), ["fo"]);
}

#[test]
fn a_long_file_is_found() {
    assert_eq!(too_long(&"x\n".repeat(LINES)), None);
    assert_eq!(too_long(&"x\n".repeat(LINES + 1)), Some(LINES + 1));
}

#[test]
fn unsafe_code_is_found() {
    assert!(has_unsafe("fn f() { unsafe { g() } }"));
    assert!(!has_unsafe("#![forbid(unsafe_code)]\n// unsafe\nlet s = \"unsafe\";"));
}
