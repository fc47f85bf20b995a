//! What the configuration promises of users, methods and tokens.
//!
//! Not here: the other keys (`tests.rs`), what is in the files that are named (`tests/daemon.rs` runs the program).

use super::*;

#[test]
fn a_user_flag_removes_the_default_user() {
    let settings = Given { flags: users(&["bob:p:w", "\u{e9}ve:\u{fc}"]), ..Given::default() }.load().unwrap();
    let pairs: Vec<(&str, &str)> = settings.users.iter().map(|user| (&*user.name, user.password.expose())).collect();
    assert_eq!(pairs, [("bob", "p:w"), ("\u{e9}ve", "\u{fc}")]);
    assert!(!settings.uses_default_user() && Settings::default().uses_default_user());
}

#[test]
fn a_wrong_user_is_told_without_its_password() {
    let longest = "n".repeat(USER_ID_BYTES);
    let most = "h".repeat(PASSWORD_BYTES);
    assert!(Given { flags: users(&[&format!("{longest}:{most}")]), ..Given::default() }.load().is_ok());
    for (pair, reason) in [
        ("hush", "no : between name and password"),
        ("", "no : between name and password"),
        (":hush", "an empty name"),
        ("bob:", "an empty password for \"bob\""),
        ("b\nob:hush", "a control character in the name \"b\\nob\""),
        ("bob:hush\n", "a control character in the password of \"bob\""),
        (
            &format!("bob:hush{}", "h".repeat(PASSWORD_BYTES - 3)),
            "a password of 1025 bytes for \"bob\", more than 1024",
        ),
        (&format!("{longest}n:hush"), "a name of 256 bytes, more than 255"),
        (&format!("{}\u{e9}:hush", "n".repeat(USER_ID_BYTES - 1)), "a name of 256 bytes, more than 255"),
    ] {
        let error = Given { flags: users(&["ann:hush", pair]), ..Given::default() }.load().unwrap_err();
        assert_eq!(error, format!("--user: {reason}; allowed: name:password"));
    }
    let error = Given { flags: users(&["bob:hush", "bob:hush"]), ..Given::default() }.load().unwrap_err();
    assert_eq!(error, "--user: \"bob\" is given twice; allowed: once");
}

#[test]
fn debug_output_holds_no_password() {
    let flags = users(&["bob:hush"]);
    let settings = Given { flags: flags.clone(), ..Given::default() }.load().unwrap();
    let printed = format!("{flags:?} {settings:?} {:#?}", settings);
    assert!(printed.contains("bob") && !printed.contains("hush"), "{printed}");
    for key in KEYS {
        assert!(!key.show(&settings).contains("hush"));
    }
}

#[test]
fn a_users_file_removes_the_default_user_and_users_may_stand_beside_it() {
    let with = |pairs: &[&str]| {
        let flags = Flags { keys: keys(&[("auth.users_file", "users")]).keys, ..users(pairs) };
        Given { flags, ..Given::default() }.load().unwrap()
    };
    assert!(with(&[]).users.is_empty() && !with(&[]).uses_default_user());
    assert_eq!(with(&["bob:pw"]).users.len(), 1);
    assert!(with(&["user:pass"]).uses_default_user(), "typed is typed");
}

#[test]
fn a_key_of_tokens_does_not_remove_the_default_user_but_who_takes_no_passwords_has_none() {
    let with = |methods: &str| {
        let more = [("server.listen", "0.0.0.0:1"), ("auth.methods", methods), ("auth.jwt_secret_file", "s")];
        set(&[&more[..], &OWN_PAIR].concat())
    };
    assert!(!with("bearer").unwrap().uses_default_user());
    for methods in ["bearer,message", "bearer,basic"] {
        let error = with(methods).unwrap_err();
        assert!(error.starts_with("--set: server.listen = 0.0.0.0:1: the default user"), "{error}");
    }
}

#[test]
fn tokens_have_one_key_of_the_kind_that_their_algorithm_needs() {
    let (secret, public) = (("auth.jwt_secret_file", "s"), ("auth.jwt_public_key_file", "p"));
    assert_eq!(set(&[]).unwrap().token_key_file(), None);
    let file = |pairs: &[(&str, &str)]| {
        let settings = set(pairs)?;
        Ok(settings.token_key_file().map(|(name, path)| format!("{name} {}", path.display())).unwrap_or_default())
    };
    assert_eq!(file(&[secret]), Ok("auth.jwt_secret_file s".to_string()));
    assert_eq!(file(&[secret, ("auth.methods", "bearer")]), Ok("auth.jwt_secret_file s".to_string()));
    let both = "--set: auth.jwt_secret_file = \"s\" and auth.jwt_public_key_file = \"p\"; allowed: one of them";
    let needs_secret = "--set: auth.jwt_public_key_file = \"p\" with auth.jwt_algorithm = HS256; \
                        allowed: auth.jwt_secret_file, or RS256, ES256 or EdDSA";
    assert_eq!(file(&[public]), Err(needs_secret.to_string()));
    for algorithm in ["RS256", "ES256", "EdDSA"] {
        let algorithm = ("auth.jwt_algorithm", algorithm);
        assert_eq!(file(&[algorithm, public]), Ok("auth.jwt_public_key_file p".to_string()));
        assert_eq!(file(&[algorithm, public, secret]), Err(both.to_string()));
        let error = file(&[algorithm, secret]).unwrap_err();
        let start = format!("--set: auth.jwt_secret_file = \"s\" with auth.jwt_algorithm = {}; allowed: ", algorithm.1);
        assert!(error.starts_with(&start), "{error}");
        assert!(file(&[algorithm]).is_ok(), "an algorithm alone is for gen-token");
    }
    let error = file(&[("auth.methods", "bearer")]).unwrap_err();
    assert!(error.starts_with("--set: auth.methods = bearer without a key; set auth.jwt_secret_file or "), "{error}");
}
