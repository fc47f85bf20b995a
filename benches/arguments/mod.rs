//! What a bench that has no options makes of its arguments: help, or a word about what is not known, and never a run of
//! minutes that nobody asked for.
//!
//! Not here: the options of `versus` (`../versus/driver/options.rs`); those of `engine` are divan's.

#![allow(clippy::print_stdout, clippy::print_stderr)]

/// The arguments, without what cargo says of itself. Ends the process where help is wanted (`about` and `usage`, exit code
/// 0), and where there is an option, or more words than `words` (exit code 2).
pub fn of_process(usage: &str, about: &str, words: usize) -> Vec<String> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if arguments.iter().any(|argument| argument == "--help" || argument == "-h") {
        println!("{usage}\n\n{about}");
        std::process::exit(0);
    }
    let is_known = |(at, argument): (usize, &String)| at < words && !argument.starts_with('-');
    if let Some((_, unknown)) = arguments.iter().enumerate().find(|&argument| !is_known(argument)) {
        eprintln!("{unknown}: unknown; allowed: {usage}");
        std::process::exit(2);
    }
    arguments
}
