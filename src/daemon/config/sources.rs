//! Where values are written: the preset, the TOML file, the environment, the flags. Each is turned into
//! [`Assignment`]s that remember their source for errors.
//!
//! Not here: which layer is stronger (`mod.rs`), whether a value fits its key (`keys.rs`).

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use super::keys::Key;
use super::value::Value;
use super::{
    CONNECT_BASIC_VARIABLE, CONNECT_TOKEN_VARIABLE, ConfigError, FILE_VARIABLE, Secret, Settings, User, VARIABLE_PREFIX,
};
use barewire::limits::{MESSAGE_BYTES_HARDENED, PASSWORD_BYTES, USER_ID_BYTES};

/// The names that `--preset` takes.
pub const PRESETS: [&str; 2] = ["default", "hardened"];

/// What the command line gives. `Default` is a command line without flags.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Flags {
    /// `--config`: the file.
    pub config: Option<PathBuf>,
    /// `--preset`: one of [`PRESETS`].
    pub preset: Option<String>,
    /// `--user`, each `name:password`. Any removes the default user.
    pub users: Vec<Secret>,
    /// The flags that set a key, in the order in which they apply: the last one wins.
    pub keys: Vec<Flag>,
}

impl Flags {
    /// One of the flags that were given, if there is any.
    pub fn first(&self) -> Option<&'static str> {
        let own = [("--config", self.config.is_some()), ("--preset", self.preset.is_some())];
        let own = own.into_iter().chain([("--user", !self.users.is_empty())]);
        let keys = self.keys.iter().map(|key| key.flag);
        own.filter_map(|(flag, is_given)| is_given.then_some(flag)).chain(keys).next()
    }
}

/// A flag that sets a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flag {
    /// As it is typed: `--listen`.
    pub flag: &'static str,
    /// The key's name, perhaps of no key at all.
    pub key: String,
    /// The value as typed.
    pub value: String,
}

/// One key set by one source.
pub struct Assignment {
    source: String,
    key: &'static Key,
    value: Value,
    /// Where paths begin that are not absolute, if not in the working directory.
    folder: Option<PathBuf>,
}

/// What the environment gives.
pub struct Environment {
    /// The value of [`FILE_VARIABLE`].
    pub file: Option<PathBuf>,
    /// The variables that name a key.
    pub assignments: Vec<Assignment>,
}

impl Assignment {
    /// Sets the key; an error names source, key, value and what is allowed.
    pub fn apply(&self, settings: &mut Settings) -> Result<(), ConfigError> {
        let Assignment { source, key, value, folder } = self;
        key.set(settings, value).map_err(|reason| {
            ConfigError::new(format!("{source}: {} = {value}: {reason}; allowed: {}", key.name, key.allowed()))
        })?;
        if let Some(folder) = folder {
            key.resolve(settings, folder);
        }
        Ok(())
    }

    /// The key's name, and who set it: a flag, a variable, or the path of the file.
    pub fn origin(&self) -> (&'static str, &str) {
        (self.key.name, &self.source)
    }

    /// Whether it sets the key of this name.
    pub fn sets(&self, name: &str) -> bool {
        self.key.name == name
    }
}

/// The keys of a preset; `None` is the default one, which has none.
pub fn preset(name: Option<&str>) -> Result<Vec<Assignment>, ConfigError> {
    match name {
        None | Some("default") => Ok(Vec::new()),
        Some("hardened") => {
            let bytes = Value::Text(MESSAGE_BYTES_HARDENED.to_string());
            Ok(vec![assignment("--preset hardened", "limits.message_bytes", bytes)?])
        }
        Some(unknown) => {
            let allowed = PRESETS.join(" or ");
            Err(ConfigError::new(format!("--preset = {unknown:?}: not a preset; allowed: {allowed}")))
        }
    }
}

/// The keys of the TOML file that the flag or variable `name` gives: one table for each section. Paths in it begin in the
/// file's own folder.
pub fn file(
    name: &str,
    path: &Path,
    read: impl FnOnce(&Path) -> io::Result<String>,
) -> Result<Vec<Assignment>, ConfigError> {
    let source = path.display().to_string();
    if source.is_empty() {
        return Err(ConfigError::new(format!("{name} is empty; allowed: the path of a file")));
    }
    let text = read(path).map_err(|error| ConfigError::new(format!("{name} = {source}: {error}")))?;
    let document = DeTable::parse(&text).map_err(|error| {
        // Only the message: what the file holds at that place may be a secret.
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        ConfigError::new(format!("{source}: line {line}: not TOML: {}", error.message()))
    })?;

    let mut assignments = Vec::new();
    for (section, content) in document.get_ref() {
        let section = section.get_ref();
        let known = super::KEYS.iter().any(|key| key.section() == section);
        let DeValue::Table(table) = content.get_ref() else {
            let sentence =
                format!("{source}: {section} = {}: not a table; allowed: its keys", Value::from(content.get_ref()));
            return Err(if known { ConfigError::new(sentence) } else { unknown_key(&source, section) });
        };
        if table.is_empty() && !known {
            return Err(unknown_key(&source, section));
        }
        for (name, value) in table {
            let name = format!("{section}.{}", name.get_ref());
            let folder = path.parent().map(Path::to_path_buf);
            assignments.push(Assignment { folder, ..assignment(&source, &name, Value::from(value.get_ref()))? });
        }
    }
    Ok(assignments)
}

/// The variables that begin with [`VARIABLE_PREFIX`]; all others are passed over.
pub fn environment(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Result<Environment, ConfigError> {
    let mut environment = Environment { file: None, assignments: Vec::new() };
    for (variable, value) in variables {
        let variable = variable.to_string_lossy().into_owned();
        if variable == FILE_VARIABLE {
            environment.file = Some(value.into());
            continue;
        }
        if [CONNECT_BASIC_VARIABLE, CONNECT_TOKEN_VARIABLE].contains(&variable.as_str()) {
            continue;
        }
        let Some(rest) = variable.strip_prefix(VARIABLE_PREFIX) else { continue };
        let Some(key) = super::KEYS.iter().find(|key| key.variable() == variable) else {
            let name = rest.to_ascii_lowercase().replacen('_', ".", 1);
            let nearest = suggestion(Key::nearest(&name).map(Key::variable));
            return Err(ConfigError::new(format!("{variable}: no such variable; {nearest}")));
        };
        let value = value.into_string().map_err(|raw| {
            ConfigError::new(format!("{variable}: {} = {raw:?}: not UTF-8; allowed: {}", key.name, key.allowed()))
        })?;
        environment.assignments.push(Assignment { source: variable, key, value: Value::Text(value), folder: None });
    }
    Ok(environment)
}

/// The flags that set a key.
pub fn flags(flags: &Flags) -> Result<Vec<Assignment>, ConfigError> {
    flags.keys.iter().map(|given| assignment(given.flag, &given.key, Value::Text(given.value.clone()))).collect()
}

/// The pairs of `--user`. An error names the user where it can, never the password.
pub fn users(pairs: &[Secret]) -> Result<Vec<User>, ConfigError> {
    let wrong = |reason: String| ConfigError::new(format!("--user: {reason}; allowed: name:password"));
    let mut users: Vec<User> = Vec::new();
    for pair in pairs {
        let Some((name, password)) = pair.expose().split_once(':') else {
            return Err(wrong("no : between name and password".into()));
        };
        if name.is_empty() {
            return Err(wrong("an empty name".into()));
        }
        if name.len() > USER_ID_BYTES {
            return Err(wrong(format!("a name of {} bytes, more than {USER_ID_BYTES}", name.len())));
        }
        if name.chars().any(char::is_control) {
            return Err(wrong(format!("a control character in the name {name:?}")));
        }
        if password.is_empty() {
            return Err(wrong(format!("an empty password for {name:?}")));
        }
        if password.len() > PASSWORD_BYTES {
            return Err(wrong(format!(
                "a password of {} bytes for {name:?}, more than {PASSWORD_BYTES}",
                password.len()
            )));
        }
        if password.chars().any(char::is_control) {
            return Err(wrong(format!("a control character in the password of {name:?}")));
        }
        if users.iter().any(|user| user.name == name) {
            return Err(ConfigError::new(format!("--user: {name:?} is given twice; allowed: once")));
        }
        users.push(User { name: name.into(), password: password.into() });
    }
    Ok(users)
}

fn assignment(source: &str, name: &str, value: Value) -> Result<Assignment, ConfigError> {
    let key = Key::named(name).ok_or_else(|| unknown_key(source, name))?;
    Ok(Assignment { source: source.into(), key, value, folder: None })
}

fn unknown_key(source: &str, name: &str) -> ConfigError {
    let nearest = suggestion(Key::nearest(name).map(|key| key.name.to_string()));
    ConfigError::new(format!("{source}: {name:?} is not a key; {nearest}"))
}

fn suggestion(nearest: Option<String>) -> String {
    nearest.map_or_else(|| "barewire --help lists them".into(), |nearest| format!("the nearest is {nearest}"))
}
