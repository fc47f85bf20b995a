//! From the settings of the section `auth` to an authenticator: the users file and the key file are read here, once, before
//! anything is opened.
//!
//! Not here: what they mean (the library's `auth`), which settings go together (`daemon/config/checks.rs`).

use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use barewire::auth::{
    Authenticate, Hashing, Methods, NoAuth, Ticket, TokenAlgorithm, TokenKey, Tokens, Users, Verdict,
};
use barewire::{Handle, HandleError};

use super::config::{Method, Settings};
use super::failure::Failure;
use super::prepare::{random, read};

/// Between two tries to hand over a verdict while too many commands wait for the loop.
const FULL_RETRY: Duration = Duration::from_millis(2);

/// Who may come in, as the files say it.
#[derive(Debug)]
pub struct Credentials {
    users: Users,
    tokens: Option<Tokens>,
}

/// Brings verdicts that come late to the server, as soon as there is one.
#[derive(Debug, Clone, Default)]
pub struct Resolver(Arc<OnceLock<Handle>>);

/// Reads the files that the settings name. An error is one line that names key and file.
pub fn load(settings: &Settings) -> Result<Credentials, Failure> {
    let mut users = Users::new(random()?);
    for user in &settings.users {
        users.add(&user.name, user.password.expose());
    }
    if let Some(path) = &settings.users_file {
        let wrong = |reason: &str| Failure::usage(format!("auth.users_file = {}: {reason}", path.display()));
        let text = String::from_utf8(read("auth.users_file", path)?).map_err(|_| wrong("not text; allowed: UTF-8"))?;
        users.add_file(&text).map_err(|reason| wrong(&reason))?;
        if !users.has_hashes() {
            return Err(wrong("no users; allowed: lines name:hash, as barewire hash-password prints them"));
        }
        if let Some(user) = settings.users.iter().find(|user| users.is_in_file(&user.name)) {
            return Err(wrong(&format!("the user {:?} is also given by --user; allowed: one of them", user.name)));
        }
    }
    Ok(Credentials { users, tokens: tokens(settings)? })
}

/// What verifies tokens, where there is a key.
pub fn tokens(settings: &Settings) -> Result<Option<Tokens>, Failure> {
    let Some((name, path)) = settings.token_key_file() else { return Ok(None) };
    let bytes = read(name, path)?;
    let key = match settings.jwt_algorithm {
        TokenAlgorithm::Hs256 => TokenKey::secret(&bytes),
        public @ (TokenAlgorithm::Rs256 | TokenAlgorithm::Es256 | TokenAlgorithm::EdDsa) => {
            TokenKey::public(public, &bytes)
        }
    };
    let key = key.map_err(|reason| Failure::usage(format!("{name} = {}: {reason}", path.display())))?;
    let mut tokens = Tokens::new(key).with_leeway(settings.jwt_leeway);
    if let Some(audience) = &settings.jwt_audience {
        tokens = tokens.with_audience(audience.as_str());
    }
    if let Some(issuer) = &settings.jwt_issuer {
        tokens = tokens.with_issuer(issuer.as_str());
    }
    Ok(Some(tokens))
}

impl Credentials {
    /// The authenticator; where users have hashes, with the threads that hash.
    pub fn into_authenticator(
        self,
        settings: &Settings,
        resolver: &Resolver,
    ) -> Result<Box<dyn Authenticate>, Failure> {
        if settings.methods.is_empty() {
            return Ok(Box::new(NoAuth));
        }
        let hashing = if self.users.has_hashes() {
            let resolver = resolver.clone();
            let hashing =
                Hashing::start(settings.hash_workers, move |ticket, verdict| resolver.resolve(ticket, &verdict));
            Some(hashing.map_err(|error| Failure::runtime(format!("cannot start a thread: {error}")))?)
        } else {
            None
        };
        let takes = |method| settings.methods.contains(&method);
        Ok(Box::new(Methods {
            basic: takes(Method::Basic),
            bearer: takes(Method::Bearer),
            message: takes(Method::Message),
            users: self.users,
            hashing,
            tokens: self.tokens,
            realm: settings.realm.clone(),
            wrong_password_status: settings.wrong_password_status,
        }))
    }
}

impl Resolver {
    /// From here on verdicts go to this server. Nobody asks for one before.
    pub fn connect(&self, handle: Handle) {
        // A second server would have its own resolver.
        let _ = self.0.set(handle);
    }

    fn resolve(&self, ticket: Ticket, verdict: &Verdict) {
        if let Some(handle) = self.0.get() {
            until_taken(|| handle.resolve(ticket, verdict.clone()));
        }
    }
}

/// Waits while too many commands wait: they are those that the loop is working off. A server that has gone needs none.
fn until_taken(mut command: impl FnMut() -> Result<(), HandleError>) {
    while command() == Err(HandleError::Full) {
        thread::sleep(FULL_RETRY);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_is_offered_until_it_is_taken_or_the_server_has_gone() {
        for (answers, calls) in [
            (&[Ok(())][..], 1),
            (&[Err(HandleError::Full), Err(HandleError::Full), Ok(())], 3),
            (&[Err(HandleError::Full), Err(HandleError::Gone)], 2),
        ] {
            let mut left = answers.iter().copied();
            until_taken(|| left.next().unwrap());
            assert_eq!((left.next(), answers.len()), (None, calls));
        }
    }
}
