//! The flags that say how a server is reached, which `barewire connect` and `barewire bench` share; the doc comments of the
//! fields are the help.
//!
//! Not here: what is done with them (`daemon/tools/reach.rs`), the flags of one subcommand alone (`connect.rs`, `bench.rs`).

use std::path::PathBuf;

use barewire::client::AuthenticateBy;
use clap::Args;

use crate::daemon::config::Secret;
use crate::daemon::tools::reach::{Reach, Who};

const WHO: &str = "Who you are";
const SERVER: &str = "The server";

#[derive(Debug, Args)]
pub struct TypedWho {
    /// A user's name and password: other users of the machine can read them here
    #[arg(long, value_name = "USER:PASSWORD", help_heading = WHO, conflicts_with_all = ["basic_file", "token", "token_file"])]
    basic: Option<Secret>,
    /// File of one line USER:PASSWORD
    #[arg(long, value_name = "FILE", help_heading = WHO, conflicts_with_all = ["token", "token_file"])]
    basic_file: Option<PathBuf>,
    /// A token (JWT): other users of the machine can read it here
    #[arg(long, value_name = "JWT", help_heading = WHO, conflicts_with = "token_file")]
    token: Option<Secret>,
    /// File of one line, the token
    #[arg(long, value_name = "FILE", help_heading = WHO)]
    token_file: Option<PathBuf>,
    /// How it is told: upgrade (a header, which any server knows), or message (an auth message, which barewire knows)
    #[arg(long, value_name = "WAY", default_value = "upgrade", value_parser = way, help_heading = WHO)]
    auth_by: AuthenticateBy,
    /// Tell it over ws:// to another machine too, for everybody on the way to read
    #[arg(long, help_heading = WHO)]
    allow_plain: bool,
}

#[derive(Debug, Args)]
pub struct TypedServer {
    /// Trust the authorities in this PEM file, and no others
    #[arg(long, value_name = "FILE", help_heading = SERVER, conflicts_with = "insecure")]
    ca: Option<PathBuf>,
    /// Trust whoever answers: anyone on the way can pose as the server, and read the credentials
    #[arg(long, help_heading = SERVER)]
    insecure: bool,
    /// Offer this subprotocol; repeatable, the preferred one first
    #[arg(long, value_name = "NAME", help_heading = SERVER)]
    protocol: Vec<Secret>,
    /// A further header of the upgrade; repeatable
    #[arg(long, value_name = "NAME: VALUE", help_heading = SERVER)]
    header: Vec<Secret>,
    /// The Origin header, as a page's browser sends it
    #[arg(long, value_name = "ORIGIN", help_heading = SERVER)]
    origin: Option<String>,
}

/// All of it as one.
pub fn reach(url: Secret, who: TypedWho, server: TypedServer) -> Reach {
    let given = [
        who.basic.map(Who::Basic),
        who.basic_file.map(Who::BasicFile),
        who.token.map(Who::Token),
        who.token_file.map(Who::TokenFile),
    ];
    Reach {
        url,
        who: given.into_iter().flatten().next().unwrap_or(Who::Environment),
        authenticate_by: who.auth_by,
        allow_plain: who.allow_plain,
        ca: server.ca,
        insecure: server.insecure,
        protocols: server.protocol,
        headers: server.header,
        origin: server.origin,
    }
}

fn way(text: &str) -> Result<AuthenticateBy, &'static str> {
    match text {
        "upgrade" => Ok(AuthenticateBy::Upgrade),
        "message" => Ok(AuthenticateBy::Message),
        _ => Err("allowed: upgrade or message"),
    }
}
