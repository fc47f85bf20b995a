//! The configuration as a file is one that loads, and means the same.
//!
//! Not here: what a file may hold (`tests.rs`).

use super::*;

/// What is written of this configuration, and what that makes when it is read, with these users again.
fn again(loaded: &Configuration) -> (String, Settings) {
    let text = written(loaded, Path::new("/working"));
    let pairs: Vec<Secret> = loaded.settings.users.iter().map(|user| user.name.as_str()).map(secret_of).collect();
    let flags = Flags { config: Some("/elsewhere/printed.toml".into()), users: pairs, ..Flags::default() };
    let settings = load(&flags, [], |_| Ok(text.clone())).unwrap_or_else(|error| panic!("{error}\n{text}")).settings;
    (text, settings)
}

fn secret_of(name: &str) -> Secret {
    format!("{name}:{}", if name == "user" { "pass" } else { "hush" }).as_str().into()
}

#[test]
fn the_defaults_are_written_key_by_key_with_their_meaning() {
    let (text, settings) = again(&load(&Flags::default(), [], |_| unreachable!()).unwrap());
    assert_eq!(settings, Settings::default());
    for key in KEYS {
        assert!(text.contains(&format!("# {}\n{} = ", key.doc, key.name.split_once('.').unwrap().1)), "{}", key.name);
        assert!(text.contains(&format!("\n[{}]\n", key.section())), "{}", key.name);
    }
}

#[test]
fn every_value_of_every_key_is_read_back_as_it_was() {
    for (name, good, _) in CASES {
        for value in *good {
            // What one key needs of others, so that it may have any value of its own.
            let mut pairs =
                vec![("tls.cert", "/a.pem"), ("tls.key", "/b.pem"), ("auth.allow_plain", "true"), (*name, *value)];
            if *name == "server.plain_listen" {
                pairs.push(("server.listen", "127.0.0.1:1"));
            }
            if *name == "server.path" {
                pairs.push(("server.page", "false"));
            }
            if *name == "auth.jwt_public_key_file" {
                pairs.push(("auth.jwt_algorithm", "ES256"));
            }
            let flags = Flags { users: vec![secret_of("anna")], ..keys(&pairs) };
            let mut loaded = load(&flags, [], |_| unreachable!()).unwrap_or_else(|error| panic!("{name}: {error}"));
            let (text, settings) = again(&loaded);
            KEYS.iter().for_each(|key| key.resolve(&mut loaded.settings, Path::new("/working")));
            assert_eq!(settings, loaded.settings, "{name} = {value:?}: {text}");
        }
    }
}

#[test]
fn who_set_a_key_stands_beside_it_and_paths_are_absolute() {
    let flags = Flags { config: Some("a\nb/c.toml".into()), ..keys(&[("tls.key", "k\u{7f}\".pem")]) };
    let loaded = load(&flags, [], |_| Ok("tls.cert = 'c.pem'\nlimits.headers = 7".into())).unwrap();
    let (text, settings) = again(&loaded);
    assert!(text.contains("[a\\nb/c.toml]\nheaders = 7\n"), "{text}");
    assert!(text.contains("[--set]\nkey = \"/working/k\\u007F\\\".pem\"\n"), "{text}");
    assert_eq!(settings.tls_cert.unwrap(), Path::new("/working/a\nb/c.pem"));
}

#[test]
fn no_password_is_written() {
    let flags = users(&["anna:hush", "b\\o\u{2028}b:hush"]);
    let text = written(&load(&flags, [], |_| unreachable!()).unwrap(), Path::new("/"));
    assert!(text.contains("--user anna:PASSWORD\n") && text.contains(r"--user b\\o\u{2028}b:PASSWORD"), "{text}");
    assert!(!text.contains("hush") && !text.contains("user:"), "{text}");
}
