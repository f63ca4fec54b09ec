//! Ctrl-C, and the end that a system asks for. The process says what is kept, what is lost, and which command goes on.
//! A command states this before each long stage.

use std::{
    ffi::OsString,
    io::Write,
    path::Path,
    sync::{Mutex, PoisonError},
};

/// What is said now.
static LEFT: Mutex<String> = Mutex::new(String::new());

/// States what an interruption leaves from now on.
pub fn leaves(what: impl Into<String>) {
    *LEFT.lock().unwrap_or_else(PoisonError::into_inner) = what.into();
}

/// States that nothing was written yet.
pub fn leaves_nothing() {
    leaves("nothing was written; the same command starts again");
}

/// States that keys are made in a folder where the same command finds them.
pub fn leaves_keys(folder: &Path) {
    leaves(format!("finished keys stay in {}; the same command goes on with them", folder.display()));
}

/// States that the output `path` is not written yet.
pub fn leaves_output(path: &Path) {
    leaves(format!("{} is as it was before; the same command starts again", path.display()));
}

/// Installs the handler. Without it, Ctrl-C leaves a half-written temporary file behind, and says nothing.
pub fn install() {
    // a program that installed its own handler keeps it
    let _ = ctrlc::set_handler(|| {
        crate::files::cleanup_temp_files();
        let left = LEFT.lock().unwrap_or_else(PoisonError::into_inner);
        // nobody to tell if standard error is closed
        let _ = writeln!(std::io::stderr(), "interrupted: {}", super::terminal::line(&left));
        std::process::exit(130);
    });
}

/// Options of `keygen` that make a new secret key. Each has a value.
const NEW_SECRET: [&str; 3] = ["--preset", "--params", "--seed"];

/// The command of `keygen` that makes the keys that are missing, from the arguments of this one.
pub fn keygen_again(args: impl IntoIterator<Item = OsString>, secret: &Path) -> String {
    let mut words =
        vec!["polyformer".to_string(), "keygen".into(), "--secret".into(), quoted(&secret.to_string_lossy())];
    let mut args = args.into_iter().map(|arg| arg.to_string_lossy().into_owned()).skip_while(|arg| arg != "keygen");
    args.next();
    while let Some(arg) = args.next() {
        match arg.split_once('=').map_or(arg.as_str(), |(name, _)| name) {
            name if NEW_SECRET.contains(&name) || name == "--secret" => {
                if !arg.contains('=') {
                    args.next();
                }
            }
            _ => words.push(quoted(&arg)),
        }
    }
    words.join(" ")
}

/// A word as a shell reads it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./,=:@%+".contains(c);
    if !word.is_empty() && word.chars().all(plain) { word.into() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::keygen_again;
    use std::path::Path;

    #[test]
    fn the_command_that_goes_on_has_the_secret_key_in_place_of_what_made_it() {
        for (given, again) in [
            ("p keygen --preset B16 --infer 16 --out keys", "--secret keys/s --infer 16 --out keys"),
            ("p keygen --params=x --out keys --seed y --force", "--secret keys/s --out keys --force"),
            ("p keygen --secret keys/s --rotations 1,-2 --out keys", "--secret keys/s --rotations 1,-2 --out keys"),
        ] {
            let args = given.split(' ').map(Into::into);
            assert_eq!(keygen_again(args, Path::new("keys/s")), format!("polyformer keygen {again}"));
        }
        let args = ["p", "keygen", "--preset", "L13", "--out", "my keys"].map(Into::into);
        let again = keygen_again(args, Path::new("it's/s"));
        assert_eq!(again, r"polyformer keygen --secret 'it'\''s/s' --out 'my keys'");
    }
}
