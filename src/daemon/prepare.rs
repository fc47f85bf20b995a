//! From settings to what a server is made of: all files are read and everything is checked, and nothing is opened
//! yet. `serve` goes on from here, `check` stops here.
//!
//! Not here: the settings themselves (`daemon/config`), opening and running (`daemon/serve.rs`).

use std::fmt::Display;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use barewire::limits::MESSAGE_BYTES_MAX;
use barewire::{EngineConfig, ServerConfig, TlsConfig};

use super::config::{DEVELOPMENT_CERT_PEM, DEVELOPMENT_KEY_PEM, Settings};
use super::credentials::{self, Credentials};
use super::failure::Failure;

/// All that a server needs, in good order.
pub struct Prepared {
    pub config: ServerConfig,
    pub credentials: Credentials,
}

/// Reads and checks. An error names the key, the file or the value.
pub fn prepare(settings: &Settings) -> Result<Prepared, Failure> {
    let config = ServerConfig {
        listen: settings.listen.clone(),
        plain_listen: settings.plain_listen.clone(),
        tls: if settings.listen.is_empty() { None } else { Some(certificate(settings)?) },
        send_buffer_bytes: settings.send_buffer_bytes,
        drain_spread: settings.drain_spread,
        seed: u64::from_ne_bytes(random()?),
        engine: EngineConfig {
            limits: settings.limits.clone(),
            path: settings.path.clone(),
            subprotocols: settings.subprotocols.clone(),
            origins: settings.origins.clone(),
            trusted_proxies: settings.trusted_proxies.clone(),
            refuse_by: settings.refuse_by,
            deflate: settings.deflate.clone(),
        },
    };
    config.check()?;
    Ok(Prepared { config, credentials: credentials::load(settings)? })
}

fn certificate(settings: &Settings) -> Result<TlsConfig, Failure> {
    let Some((cert, key)) = settings.certificate_files() else {
        let pair = TlsConfig::from_pem(DEVELOPMENT_CERT_PEM.as_bytes(), DEVELOPMENT_KEY_PEM.as_bytes());
        return pair.map_err(|error| Failure::runtime(format!("the development pair: {error}")));
    };
    TlsConfig::from_pem(&read("tls.cert", cert)?, &read("tls.key", key)?)
        .map_err(|error| Failure::usage(format!("tls.cert = {}, tls.key = {}: {error}", cert.display(), key.display())))
}

/// Random bytes of the system.
pub fn random<const N: usize>() -> Result<[u8; N], Failure> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| Failure::runtime(format!("no random numbers: {error}")))?;
    Ok(bytes)
}

/// What a file holds. An error is one line that names key and file; one that never ends, such as `/dev/zero`, is too large.
pub fn read(name: &str, path: &Path) -> Result<Vec<u8>, Failure> {
    read_up_to(MESSAGE_BYTES_MAX, name, path)
}

fn read_up_to(most: usize, name: &str, path: &Path) -> Result<Vec<u8>, Failure> {
    let wrong = |reason: &dyn Display| Failure::usage(format!("{name} = {}: {reason}", path.display()));
    let file = File::open(path).map_err(|error| wrong(&error))?;
    let mut bytes = Vec::new();
    file.take(most as u64 + 1).read_to_end(&mut bytes).map_err(|error| wrong(&error))?;
    if bytes.len() > most {
        return Err(wrong(&format_args!("too large; allowed: up to {most} bytes")));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_up_to_a_size_and_one_that_never_ends_is_too_large() {
        let file = Path::new("certs/dev-cert.pem");
        let size = DEVELOPMENT_CERT_PEM.len();
        assert_eq!(read_up_to(size, "--ca", file).unwrap(), DEVELOPMENT_CERT_PEM.as_bytes());
        for (file, most) in [(file, size - 1), (Path::new("/dev/zero"), 1000)] {
            let told = format!("--ca = {}: too large; allowed: up to {most} bytes", file.display());
            assert_eq!(read_up_to(most, "--ca", file).unwrap_err().sentence, told);
        }
    }
}
