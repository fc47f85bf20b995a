//! The command line: what was typed becomes an [`Invocation`], or text to show and an exit code. Nothing is
//! printed, read or opened in here.
//!
//! Not here: the flags of those that go to servers of others (`daemon/cli/tools.rs`), what the keys mean and which layer is
//! stronger (`daemon/config`); who prints and exits (`daemon/mod.rs`).

#[cfg(test)]
mod tests;
#[cfg(feature = "tools")]
mod tools;

use std::ffi::OsString;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use barewire::auth::HashAlgorithm;
use clap::{Args, CommandFactory as _, Parser, Subcommand};

use super::config::{self, EXIT_CODE, FILE_VARIABLE, Flag, Flags, KEYS, Secret, VARIABLE_PREFIX, in_one_line};
use super::gen_token::{GenToken, TOKEN_LIFE_MAX, TOKEN_LIFE_MIN};
use super::hash_password::HashPassword;

/// What to do, and the flags to do it with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invocation {
    /// The subcommand, `serve` where none is named.
    pub command: Command,
    /// The layer of the configuration that flags make, not yet judged.
    pub flags: Flags,
}

/// The subcommands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Run the server.
    Serve,
    /// Say whether it would run.
    Check,
    /// Print what it would run with.
    PrintConfig,
    /// Ask a running one whether it is well.
    Health,
    /// Make a token.
    GenToken(GenToken),
    /// Hash a password.
    HashPassword(HashPassword),
    /// Go to a server of others.
    #[cfg(feature = "tools")]
    Tool(super::tools::Tool),
}

/// There is nothing to do but to show this text, which ends with a line break, and exit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Asked for by `--help` or `--version`: for standard output.
    Answer(String),
    /// The command line cannot be understood: one line for standard error.
    Misuse(String),
}

impl Outcome {
    /// 0 for what was asked for, 2 for misuse.
    pub fn exit_code(&self) -> u8 {
        match self {
            Outcome::Answer(_) => 0,
            Outcome::Misuse(_) => EXIT_CODE,
        }
    }
}

/// Understands the arguments of the process, the program's name first.
pub fn parse<I, A>(arguments: I) -> Result<Invocation, Outcome>
where
    I: IntoIterator<Item = A>,
    A: Into<OsString> + Clone,
{
    let arguments: Vec<OsString> = arguments.into_iter().map(Into::into).collect();
    let help = help_for(&arguments);
    let typed = CommandLine::try_parse_from(arguments).map_err(|error| {
        let text = error.to_string();
        if error.use_stderr() { misuse(&first_paragraph(&text), &help) } else { Outcome::Answer(text) }
    })?;
    typed.into_invocation().map_err(|sentence| misuse(&sentence, &help))
}

/// A lean HTTPS + WebSocket messaging daemon.
#[derive(Debug, Parser)]
#[command(name = "barewire", version, disable_help_subcommand = true)]
#[command(after_help = SHORT_HELP_END, after_long_help = keys_help())]
struct CommandLine {
    #[command(subcommand)]
    command: Option<TypedCommand>,
    #[command(flatten)]
    flags: TypedFlags,
}

#[derive(Debug, Subcommand)]
enum TypedCommand {
    /// Run the server (what happens without a subcommand)
    #[command(after_help = SHORT_HELP_END, after_long_help = keys_help())]
    Serve(TypedFlags),
    /// Check the configuration and the files it names; open nothing
    #[command(after_help = SHORT_HELP_END, after_long_help = keys_help())]
    Check(TypedFlags),
    /// Print the effective configuration as a file for --config, passwords left out
    #[command(after_help = SHORT_HELP_END, after_long_help = keys_help())]
    PrintConfig(TypedFlags),
    /// Ask the daemon that runs with this configuration for /health; exit code 0 if it is well, else 1
    #[command(after_help = SHORT_HELP_END, after_long_help = keys_help())]
    Health(TypedFlags),
    /// Make a token (JWT) for the user id SUB, and print it
    #[command(after_help = SHORT_HELP_END, after_long_help = keys_help())]
    GenToken {
        #[command(flatten)]
        asked: TypedToken,
        #[command(flatten)]
        flags: Box<TypedFlags>,
    },
    /// Hash the password on standard input (one line), for a users file
    HashPassword(TypedPassword),
    #[cfg(feature = "tools")]
    #[command(flatten)]
    Tool(tools::TypedTool),
}

#[derive(Debug, Args)]
struct TypedToken {
    /// The user id
    #[arg(value_name = "SUB")]
    subject: String,
    /// How long it is good, such as 10m or 12h
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = token_life, help_heading = "Token")]
    expires: Duration,
    /// Subscribe to this channel at once; repeatable
    #[arg(long, value_name = "NAME", help_heading = "Token")]
    channel: Vec<String>,
    /// Allow to publish to this channel (* stands for any characters); repeatable; without it to all
    #[arg(long, value_name = "PATTERN", help_heading = "Token")]
    publish: Vec<String>,
    /// Allow to subscribe to this channel, likewise
    #[arg(long, value_name = "PATTERN", help_heading = "Token")]
    subscribe: Vec<String>,
    /// PEM file of the private key, for RS256, ES256 and EdDSA (HS256 signs with auth.jwt_secret_file)
    #[arg(long, value_name = "FILE", help_heading = "Token")]
    key: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct TypedPassword {
    /// Print NAME:hash, a line for the users file, instead of the hash alone
    name: Option<String>,
    /// Taken only to say that it is not taken, and not to show it.
    #[arg(hide = true)]
    password: Option<Secret>,
    /// How to hash: argon2id or bcrypt
    #[arg(long, default_value = "argon2id", value_parser = hash_algorithm)]
    algorithm: HashAlgorithm,
}

const SHORT_HELP_END: &str = "--help (not -h) lists every key of the configuration.";

// The flags, as clap sees them; the doc comments of the fields are the help. They are not clap's global
// arguments: of a list on both sides of the subcommand it would drop one half without a word.
#[derive(Debug, Args)]
struct TypedFlags {
    /// Configuration file (TOML, one table for each section)
    #[arg(long, value_name = "FILE", help_heading = "Configuration")]
    config: Option<PathBuf>,
    /// Other defaults at once: `default`, or `hardened` (messages up to 100 KiB)
    #[arg(long, value_name = "NAME", help_heading = "Configuration")]
    preset: Option<String>,
    /// Set any key; repeatable, the last one of a key counts; a flag of the key's own is stronger
    #[arg(long, value_name = "SECTION.KEY=VALUE", value_parser = key_and_value, help_heading = "Configuration")]
    set: Vec<(String, String)>,
    /// The least severe level to log: off, error, warn, info, debug, trace
    #[arg(long, value_name = "LEVEL", help_heading = "Configuration")]
    log_level: Option<String>,
    /// Listen with TLS at this address, such as 127.0.0.1:8443 or [::]:443; repeatable
    #[arg(long, value_name = "ADDRESS", help_heading = "Listeners")]
    listen: Vec<String>,
    /// Listen without TLS at this address; repeatable
    #[arg(long, value_name = "ADDRESS", help_heading = "Listeners")]
    plain_listen: Vec<String>,
    /// PEM file of the certificate chain
    #[arg(long, value_name = "FILE", help_heading = "Listeners")]
    tls_cert: Option<String>,
    /// PEM file of the private key
    #[arg(long, value_name = "FILE", help_heading = "Listeners")]
    tls_key: Option<String>,
    /// Path of the WebSocket endpoint
    #[arg(long, value_name = "PATH", help_heading = "Listeners")]
    path: Option<String>,
    /// Let this user in, for development: other users of the machine can read the password; repeatable
    #[arg(long, value_name = "NAME:PASSWORD", help_heading = "Users")]
    user: Vec<Secret>,
    /// File of the users, a line name:hash for each, as `barewire hash-password` prints it
    #[arg(long, value_name = "FILE", help_heading = "Users")]
    users_file: Option<String>,
}

impl CommandLine {
    /// An error is a sentence.
    fn into_invocation(self) -> Result<Invocation, String> {
        let (command, flags) = match self.command {
            None => (Command::Serve, self.flags),
            Some(TypedCommand::Serve(flags)) => (Command::Serve, self.flags.then(flags)),
            Some(TypedCommand::Check(flags)) => (Command::Check, self.flags.then(flags)),
            Some(TypedCommand::PrintConfig(flags)) => (Command::PrintConfig, self.flags.then(flags)),
            Some(TypedCommand::Health(flags)) => (Command::Health, self.flags.then(flags)),
            Some(TypedCommand::GenToken { asked, flags }) => {
                (Command::GenToken(asked.into_command()), self.flags.then(*flags))
            }
            Some(TypedCommand::HashPassword(typed)) => (Command::HashPassword(typed.into_command()?), self.flags),
            #[cfg(feature = "tools")]
            Some(TypedCommand::Tool(typed)) => return typed.into_invocation(self.flags.into_flags()),
        };
        let flags = flags.into_flags();
        if let (Command::HashPassword(_), Some(flag)) = (&command, flags.first()) {
            return Err(format!("{flag} is of no use to hash-password; allowed: NAME and --algorithm"));
        }
        Ok(Invocation { command, flags })
    }
}

impl TypedToken {
    fn into_command(self) -> GenToken {
        GenToken {
            subject: self.subject,
            expires: self.expires,
            channels: self.channel,
            publish: self.publish,
            subscribe: self.subscribe,
            key: self.key,
        }
    }
}

impl TypedPassword {
    fn into_command(self) -> Result<HashPassword, String> {
        match self.password {
            Some(_) => {
                Err("hash-password reads the password on standard input, since everyone can read arguments".into())
            }
            None => Ok(HashPassword { name: self.name, algorithm: self.algorithm }),
        }
    }
}

impl TypedFlags {
    /// These from before the subcommand and those from behind it: lists are joined, of single flags the later counts.
    fn then(self, later: TypedFlags) -> TypedFlags {
        fn joined<T>(mut first: Vec<T>, later: Vec<T>) -> Vec<T> {
            first.extend(later);
            first
        }
        TypedFlags {
            config: later.config.or(self.config),
            preset: later.preset.or(self.preset),
            set: joined(self.set, later.set),
            log_level: later.log_level.or(self.log_level),
            listen: joined(self.listen, later.listen),
            plain_listen: joined(self.plain_listen, later.plain_listen),
            tls_cert: later.tls_cert.or(self.tls_cert),
            tls_key: later.tls_key.or(self.tls_key),
            path: later.path.or(self.path),
            user: joined(self.user, later.user),
            users_file: later.users_file.or(self.users_file),
        }
    }

    fn into_flags(self) -> Flags {
        // A repeated flag makes one list.
        let list = |items: Vec<String>| if items.is_empty() { None } else { Some(items.join(",")) };
        let own = [
            ("--log-level", "log.level", self.log_level),
            ("--listen", "server.listen", list(self.listen)),
            ("--plain-listen", "server.plain_listen", list(self.plain_listen)),
            ("--tls-cert", "tls.cert", self.tls_cert),
            ("--tls-key", "tls.key", self.tls_key),
            ("--path", "server.path", self.path),
            ("--users-file", "auth.users_file", self.users_file),
        ];
        let set = self.set.into_iter().map(|(key, value)| Flag { flag: "--set", key, value });
        let own = own.into_iter().filter_map(|(flag, key, value)| Some(Flag { flag, key: key.into(), value: value? }));
        Flags { config: self.config, preset: self.preset, users: self.user, keys: set.chain(own).collect() }
    }
}

fn key_and_value(text: &str) -> Result<(String, String), &'static str> {
    let (key, value) = text.split_once('=').ok_or("no = between key and value")?;
    Ok((key.trim().into(), value.into()))
}

fn token_life(text: &str) -> Result<Duration, String> {
    let allowed = || format!("allowed: {TOKEN_LIFE_MIN:?} to {} h, such as 12h", TOKEN_LIFE_MAX.as_secs() / 3600);
    let life = config::duration(text).map_err(|reason| format!("{reason}; {}", allowed()))?;
    if (TOKEN_LIFE_MIN..=TOKEN_LIFE_MAX).contains(&life) { Ok(life) } else { Err(allowed()) }
}

fn hash_algorithm(text: &str) -> Result<HashAlgorithm, &'static str> {
    match text {
        "argon2id" => Ok(HashAlgorithm::Argon2id),
        "bcrypt" => Ok(HashAlgorithm::Bcrypt),
        _ => Err("allowed: argon2id or bcrypt"),
    }
}

/// The long help's last part: precedence, and every key from the one table.
fn keys_help() -> String {
    let mut text = format!(
        "Keys, by --set SECTION.KEY=VALUE, as {VARIABLE_PREFIX}SECTION_KEY in the environment, or in the file\n\
         (--config, or {FILE_VARIABLE} in the environment). Flags are stronger than the environment, that than\n\
         the file, the file than the preset, the preset than the defaults. Lists are comma-separated, arrays in\n\
         the file. A path in the file that is not absolute begins in the file's own folder.\n"
    );
    let mut section = "";
    for key in KEYS {
        if key.section() != section {
            section = key.section();
            text.push('\n');
        }
        let default = if key.default.is_empty() { "nothing" } else { key.default };
        // Writing to a String cannot fail.
        let _ = write!(text, "  {} [default: {default}]\n          {}\n", key.name, key.doc);
        let _ = writeln!(text, "          Allowed: {}", key.allowed());
    }
    text
}

/// One line of this, and where to read more.
fn misuse(sentence: &str, help: &str) -> Outcome {
    Outcome::Misuse(format!("barewire: {}; see {help}\n", in_one_line(sentence)))
}

/// The help that has the flags of what was asked: each subcommand has its own.
fn help_for(arguments: &[OsString]) -> String {
    let command = CommandLine::command();
    let asked = arguments.iter().skip(1).find_map(|argument| command.find_subcommand(argument));
    asked.map_or_else(|| "barewire --help".into(), |asked| format!("barewire {} --help", asked.get_name()))
}

/// What is wrong, without the usage that clap puts below it. Arguments that are missing stand on lines of their own.
fn first_paragraph(error: &str) -> String {
    let lines: Vec<&str> = error.lines().map(str::trim).take_while(|line| !line.is_empty()).collect();
    let line = lines.join(" ");
    line.strip_prefix("error: ").unwrap_or(&line).to_owned()
}
