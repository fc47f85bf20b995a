//! The smallest host: every message comes back as it came. It uses what the features that are on have to give, and
//! so it is the subject of the table of sizes (`benches/size.rs`).
//!
//! `cargo run --example smallest --no-default-features`, then `npx wscat -c ws://127.0.0.1:9001/ws`. With `tls` it listens
//! with the development certificate instead; with `auth` it asks for the user `user` with the password `pass`, or a token.

#![allow(clippy::print_stdout, reason = "an example talks to its terminal")]

use barewire::auth::Authenticate;
use barewire::wire::http::Response;
use barewire::{Engine, Event, Server, ServerConfig};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let listen = vec![std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:9001".into()).parse()?];
    #[cfg(not(feature = "tls"))]
    let config = ServerConfig { plain_listen: listen, ..ServerConfig::default() };
    #[cfg(feature = "tls")]
    let config = ServerConfig {
        listen,
        tls: Some(barewire::TlsConfig::from_pem(
            include_bytes!("../certs/dev-cert.pem"),
            include_bytes!("../certs/dev-key.pem"),
        )?),
        ..ServerConfig::default()
    };
    let mut server = Server::bind(config, who()?)?;
    for (addr, _) in server.local_addrs() {
        println!("listening on {addr}");
    }
    server.run(|engine: &mut Engine, event| match event {
        Event::Message { id, message } => drop(engine.send(id, message)),
        Event::Request { id, .. } => drop(engine.respond(id, Response::text(404, "Not Found"))),
        _ => {}
    })?;
    Ok(())
}

#[cfg(not(feature = "auth"))]
fn who() -> Result<Box<dyn Authenticate>, String> {
    Ok(Box::new(barewire::auth::NoAuth))
}

#[cfg(feature = "auth")]
fn who() -> Result<Box<dyn Authenticate>, String> {
    use barewire::auth::{Methods, TokenKey, Tokens, Users};

    let mut users = Users::new([0; 32]);
    users.add("user", "pass");
    let key = TokenKey::secret(b"no secret: whoever reads this example can sign with it")?;
    Ok(Box::new(Methods {
        basic: true,
        bearer: true,
        message: true,
        users,
        hashing: None,
        tokens: Some(Tokens::new(key)),
        realm: "smallest".into(),
        wrong_password_status: 403,
    }))
}
