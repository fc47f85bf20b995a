//! What the keys of the section `auth` take: methods, realm, origins, algorithms.
//!
//! Not here: the keys themselves (`table.rs`), what must hold between them (`checks.rs`), the files that they name
//! (`daemon/credentials.rs`).

use super::Method;
use super::value::Value;
use barewire::RefuseBy;
use barewire::auth::TokenAlgorithm;
use barewire::wire::http::Origins;

/// The list without repetition; `none` alone is the empty list, and nothing else is.
pub fn methods(value: &Value) -> Result<Vec<Method>, String> {
    let named = value.list(|name| match name {
        "none" => Ok(None),
        "basic" => Ok(Some(Method::Basic)),
        "bearer" => Ok(Some(Method::Bearer)),
        "message" => Ok(Some(Method::Message)),
        unknown => Err(format!("{unknown:?} is not a method")),
    })?;
    match named.as_slice() {
        [] => Err("an empty list".into()),
        [None] => Ok(Vec::new()),
        several if several.contains(&None) => Err("none beside others".into()),
        _ => Ok(Method::ALL.into_iter().filter(|method| named.contains(&Some(*method))).collect()),
    }
}

pub fn realm(text: &str) -> Result<String, String> {
    let fits = |byte: u8| (b' '..=b'~').contains(&byte) && byte != b'"' && byte != b'\\';
    if !text.is_empty() && text.bytes().all(fits) { Ok(text.into()) } else { Err("not a realm".into()) }
}

pub fn origins(value: &Value) -> Result<Origins, String> {
    let items = value.list(|origin| Ok(origin.to_string()))?;
    if items.is_empty() { Err("an empty list".into()) } else { Origins::parse(&items.join(",")) }
}

pub fn wrong_password_status(value: &Value) -> Result<u16, String> {
    match value.count()? {
        401 => Ok(401),
        403 => Ok(403),
        _ => Err("another status".into()),
    }
}

pub fn token_algorithm(text: &str) -> Result<TokenAlgorithm, String> {
    let named = TokenAlgorithm::ALL.into_iter().find(|algorithm| algorithm.name() == text);
    named.ok_or_else(|| "not an algorithm".into())
}

pub fn refuse_by(text: &str) -> Result<RefuseBy, String> {
    let named = [RefuseBy::Http, RefuseBy::Close].into_iter().find(|way| show_refuse_by(*way) == text);
    named.ok_or_else(|| "not a way to refuse".into())
}

pub fn show_refuse_by(way: RefuseBy) -> &'static str {
    match way {
        RefuseBy::Http => "http",
        RefuseBy::Close => "close",
    }
}
