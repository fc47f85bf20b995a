//! The program's configuration: files, variables, flags.
//!
//! The input is text: the file up to a line `---`, and a source on each line behind it, which begins with what it is: `$`
//! a variable, `=` a key by `--set`, `@` a user, `%` a preset. What is not UTF-8 in it is replaced.
//!
//! Not here: the command line's grammar, the files that keys name.

use std::ffi::OsString;
use std::path::Path;

use super::configuration::{Configuration, Flag, Flags, KEYS, Secret, load, written};

const FILE: &str = "/etc/barewire.toml";
const FOLDER: &str = "/working";
/// No error and no print-out may show it: part of each password.
const CANARY: &str = "canary-of-a-password";

/// See the module.
pub fn run(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let (file, lines) = text.split_once("\n---\n").unwrap_or((&text, ""));
    let sources = Sources::read(lines);
    match sources.load(file) {
        Err(sentence) => sources.check_error(&sentence),
        Ok(configuration) => check_loaded(&configuration, &sources),
    }
}

struct Sources {
    flags: Flags,
    environment: Vec<(OsString, OsString)>,
}

impl Sources {
    fn read(lines: &str) -> Sources {
        let mut flags = Flags { config: Some(FILE.into()), ..Flags::default() };
        let mut environment = Vec::new();
        for line in lines.lines() {
            if let Some(variable) = line.strip_prefix('$') {
                let (name, value) = variable.split_once('=').unwrap_or((variable, ""));
                environment.push((name.into(), value.into()));
            } else if let Some(set) = line.strip_prefix('=') {
                let (key, value) = set.split_once('=').unwrap_or((set, ""));
                flags.keys.push(Flag { flag: "--set", key: key.into(), value: value.into() });
            } else if let Some(user) = line.strip_prefix('@') {
                flags.users.push(format!("{user}{CANARY}").as_str().into());
            } else if let Some(preset) = line.strip_prefix('%') {
                flags.preset = Some(preset.into());
            }
        }
        Sources { flags, environment }
    }

    fn load(&self, file: &str) -> Result<Configuration, String> {
        load(&self.flags, self.environment.clone(), |_| Ok(file.to_owned())).map_err(|error| error.to_string())
    }

    /// One line that begins with its source or its key, and shows no password.
    fn check_error(&self, sentence: &str) {
        assert!(!sentence.is_empty() && !sentence.contains(char::is_control), "{sentence:?}");
        let variables = self.environment.iter().map(|(name, _)| name.to_string_lossy().into_owned());
        let fixed = ["--set", "--user", "--preset", "BAREWIRE_", FILE].map(str::to_owned);
        let keys = KEYS.iter().map(|key| key.name.to_owned());
        let mut known = fixed.into_iter().chain(keys).chain(variables);
        assert!(known.any(|source| sentence.starts_with(&source)), "whose fault? {sentence:?}");
        assert!(!sentence.contains(CANARY), "a password is shown: {sentence:?}");
    }
}

/// Printed as a file it makes the same settings, and the same print-out; and it is within the limits.
fn check_loaded(configuration: &Configuration, sources: &Sources) {
    let mut settings = configuration.settings.clone();
    settings.limits.check().expect("what is taken is within the limits");
    for key in KEYS {
        key.resolve(&mut settings, Path::new(FOLDER));
    }
    let text = written(configuration, Path::new(FOLDER));
    assert!(!text.contains(CANARY), "a password is shown: {text}");
    // The default user is there again by itself, or not, as a users file has it.
    let users = sources.flags.users.iter().map(|user| Secret::from(user.expose())).collect();
    let flags = Flags { config: Some(FILE.into()), users, ..Flags::default() };
    let again = load(&flags, [], |_| Ok(text.clone())).unwrap_or_else(|error| panic!("{error}\n{text}"));
    assert_eq!(again.settings, settings, "{text}");
    let values = |text: &str| text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(values(&written(&again, Path::new(FOLDER))), values(&text));
    let set = KEYS.iter().map(|key| Flag { flag: "--set", key: key.name.into(), value: key.show(&settings) });
    let flags = Flags { config: None, keys: set.collect(), ..flags };
    let by_flags = load(&flags, [], |_| unreachable!("no file is named")).map(|by_flags| by_flags.settings);
    assert_eq!(by_flags, Ok(settings), "{:?}", flags.keys);
}
