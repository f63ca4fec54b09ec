//! Tests of `plan` and `compare` as a user runs them: the keys of their JSON, their numbers, and errors of one line.

#![allow(clippy::unwrap_used)] // a test that cannot go on has failed

use polyformer_tests::command::Program;
use serde_json::Value;

const POLYFORMER: Program = Program(env!("CARGO_BIN_EXE_polyformer"));

/// The lines of a run that must succeed, as JSON.
fn json(args: &[&str]) -> Vec<Value> {
    POLYFORMER.good(args, "").lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The line of a run that must fail.
fn bad(args: &[&str]) -> String {
    POLYFORMER.bad(args, "")
}

#[test]
fn compare_prints_one_object_a_variant_and_keeps_its_bounds() {
    let folder = tempfile::tempdir().unwrap();
    let svg = folder.path().join("picture.svg");
    let lines = json(&["compare", "--json", "--length", "64", "--svg", svg.to_str().unwrap()]);
    let keys = [
        "variant",
        "depth",
        "mults",
        "key_switches",
        "bootstraps",
        "error_vs_softmax",
        "error_vs_definition",
        "certified_error",
        "seconds",
    ];
    for line in &lines {
        assert!(keys.iter().all(|k| line.get(k).is_some()) && line.as_object().unwrap().len() == keys.len());
        if let Some(sure) = line["certified_error"].as_f64() {
            assert!(line["error_vs_definition"].as_f64().unwrap() <= sure + 1e-12, "{line}");
        }
    }
    let depth = |name: &str| lines.iter().find(|l| l["variant"] == name).unwrap()["depth"].as_u64().unwrap();
    assert_eq!(depth("power_softmax_published"), 27);
    assert!(depth("power_softmax") <= 17 && depth("power_softmax_length_agnostic") <= 12);
    assert!(std::fs::read_to_string(svg).unwrap().starts_with("<svg"));
}

#[test]
fn scores_come_from_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("scores.txt");
    std::fs::write(&path, "0.5, 1 -2 0\n1 1 1 1\n").unwrap();
    assert_eq!(json(&["compare", "--json", "--scores", path.to_str().unwrap()]).len(), 14);
    std::fs::write(&path, "0.5 1 -2\n").unwrap();
    assert!(bad(&["compare", "--scores", path.to_str().unwrap()]).contains("rows of 3 scores"));
    std::fs::write(&path, "0.5 1\n0.5 x\n").unwrap();
    assert!(bad(&["compare", "--scores", path.to_str().unwrap()]).contains("line 2"));
}

#[test]
fn plan_prints_a_ledger() {
    let keys = ["depth", "key_switches", "bootstraps", "rotations", "key_bytes", "peak_bytes", "seconds", "steps"];
    for (name, bootstraps) in [("power_softmax_published", true), ("gelu", false)] {
        let lines = json(&["plan", name, "--json"]);
        let ledger = &lines[0];
        assert!(lines.len() == 1 && keys.iter().all(|k| ledger.get(k).is_some()));
        let (planned, greedy) = (&ledger["bootstraps"], &ledger["bootstraps_greedy"]);
        assert_eq!(planned.as_u64().unwrap() > 0, bootstraps);
        assert!(planned.as_u64() <= greedy.as_u64());
        let steps = ledger["steps"].as_array().unwrap();
        let marked = steps.iter().filter(|s| s["bootstrap"] == true).count();
        assert_eq!(marked as u64, planned.as_u64().unwrap());
        assert!(steps.iter().all(|s| s["least"].as_f64() <= s["most"].as_f64()));
        let last = steps.last().unwrap();
        assert!(last["level_after"].as_u64() <= last["level_before"].as_u64());
        assert!(ledger["seconds"].is_null());
    }
    assert!(bad(&["plan", "nothing"]).contains("no such circuit"));
    assert!(bad(&["plan", "power_softmax_published", "--preset", "L15"]).contains("depth 27 needs bootstrapping"));
}

#[test]
fn seconds_are_predicted_from_figures() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("speed.json");
    let path = path.to_str().unwrap();
    assert!(POLYFORMER.run(&["calibrate", "--preset", "L13", "--out", path], "").status.success());
    let seconds = json(&["plan", "gelu", "--preset", "L15", "--json"])[0]["seconds"].clone();
    assert!(seconds.is_null());
    let line = bad(&["plan", "gelu", "--preset", "L15", "--figures", path]);
    assert!(line.contains("figures of parameter set"), "{line}");
    let ledger = &json(&["plan", "quadratic", "--preset", "L13", "--json", "--figures", path]);
    assert!(ledger[0]["seconds"].as_f64().unwrap() > 0.0);
    let text = std::fs::read_to_string(path).unwrap();
    assert!(text.contains("\"gadget\"") && text.contains("\"encode_2048\""));
    std::fs::write(path, &text[1..]).unwrap();
    assert!(bad(&["plan", "gelu", "--preset", "L13", "--figures", path]).contains("speed.json: "));
}

#[test]
fn variants_too_deep_for_the_parameters_are_left_out_unless_asked_for() {
    let out = POLYFORMER.run(&["compare", "--preset", "L14", "--json"], "");
    let (lines, said) = (String::from_utf8(out.stdout).unwrap(), String::from_utf8(out.stderr).unwrap());
    assert!(out.status.success() && lines.lines().count() >= 5, "{lines} {said}");
    assert!(said.lines().all(|line| line.contains("is left out: circuit: depth")), "{said}");
    assert_eq!(lines.lines().count() + said.lines().count(), json(&["compare", "--json"]).len());
    let deep = ["compare", "--preset", "L14", "--variant", "power_softmax"];
    assert!(bad(&[&deep[..], &["--json"]].concat()).contains("depth 16 needs bootstrapping"));
}

#[test]
fn variants_run_on_ciphertexts_as_planned_and_keep_their_bounds() {
    let names = ["gaussian", "bpmax"];
    let args = ["compare", "--preset", "L14", "--variant", names[0], "--variant", names[1], "--json"];
    let (clear, run) = (json(&args), json(&[&args[..], &["--run"]].concat()));
    assert_eq!((clear.len(), run.len()), (2, 2));
    for ((name, clear), run) in names.iter().zip(&clear).zip(&run) {
        assert_eq!(run["variant"], *name);
        for key in ["variant", "depth", "mults", "key_switches", "bootstraps", "certified_error"] {
            assert_eq!(run[key], clear[key], "{name}: {key}");
        }
        assert!(clear["seconds"].is_null() && run["seconds"].as_f64().unwrap() > 0.0);
        // the run decrypts: its noise is neither nothing nor much
        let number = |line: &Value, key: &str| line[key].as_f64().unwrap();
        for key in ["error_vs_definition", "error_vs_softmax"] {
            let noise = (number(run, key) - number(clear, key)).abs();
            assert!(noise > 0.0 && noise < 1e-5, "{name}: {run} and {clear}");
        }
        assert!(number(run, "error_vs_definition") <= number(run, "certified_error") + 1e-5, "{run}");
    }
    assert!(bad(&["compare", "--variant", "nothing"]).contains("no such variant"));
}

#[test]
fn scores_of_every_size_are_compared_or_refused_in_bounded_time() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("scores.txt");
    let at = path.to_str().unwrap();
    for (text, least) in
        [("0 0\n0 0\n", 14), ("5 5 5 5", 14), ("1e-300 -1e-300", 14), ("100 -100 50 0", 12), ("1000 -1000", 8)]
    {
        std::fs::write(&path, text).unwrap();
        let out = POLYFORMER.run(&["compare", "--json", "--scores", at], "");
        let (rows, left) = (String::from_utf8(out.stdout).unwrap(), String::from_utf8(out.stderr).unwrap());
        assert!(out.status.success() && rows.lines().count() >= least, "{text}: {left}");
        assert_eq!(rows.lines().count() + left.lines().count(), 14, "{text}: {left}"); // each is compared or named
    }
    std::fs::write(&path, "1 2\n".repeat(1 << 20)).unwrap();
    assert!(bad(&["compare", "--scores", at]).contains("line 16385: row 16385"));
}
