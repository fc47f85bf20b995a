//! What must hold between the keys of the listeners, and of the certificate: what one key says decides what another may.
//!
//! Not here: one key alone, and the layers (`tests.rs`); who may listen beyond loopback (`exposure.rs`).

use super::*;

#[test]
fn giving_one_kind_of_listener_drops_the_default_of_the_other() {
    let (plain, tls): (SocketAddr, SocketAddr) = ("127.0.0.1:80".parse().unwrap(), "127.0.0.1:443".parse().unwrap());
    let listeners = |pairs: &[(&str, &str)]| set(pairs).map(|settings| (settings.listen, settings.plain_listen));
    let default = Settings::default().listen;
    assert_eq!(listeners(&[("server.plain_listen", "127.0.0.1:80")]), Ok((vec![], vec![plain])));
    assert_eq!(listeners(&[("server.listen", "127.0.0.1:443")]), Ok((vec![tls], vec![])));
    let both = [("server.plain_listen", "127.0.0.1:80"), ("server.listen", "127.0.0.1:443")];
    assert_eq!(listeners(&both), Ok((vec![tls], vec![plain])));
    assert_eq!(listeners(&[("server.plain_listen", "")]), Ok((default.clone(), vec![])));
    assert_eq!(listeners(&[("server.plain_listen", "127.0.0.1:80"), ("server.listen", "")]), Ok((vec![], vec![plain])));

    // What is given stays, in whichever layer, even if it is the default's own value.
    let settings = Given {
        flags: keys(&[("server.plain_listen", "127.0.0.1:80")]),
        file: Some("server.listen = '127.0.0.1:8443'"),
        ..Given::default()
    };
    assert_eq!(settings.load().unwrap().listen, default);
}

#[test]
fn a_contradiction_names_who_has_set_the_key_that_it_begins_with() {
    let reason = "tls.cert = \"c.pem\" without tls.key; allowed: both or neither";
    assert_eq!(file("tls.cert = 'c.pem'"), Err(format!("barewire.toml: {reason}")));
    assert_eq!(environment(&[("BAREWIRE_TLS_CERT", "c.pem")]), Err(format!("BAREWIRE_TLS_CERT: {reason}")));
    assert_eq!(set(&OWN_PAIR[..1]), Err(format!("--set: {reason}")));
}

#[test]
fn no_listener_at_all_is_an_error() {
    for pairs in [&[("server.listen", "")][..], &[("server.listen", ""), ("server.plain_listen", "")]] {
        let error = set(pairs).unwrap_err();
        assert!(error.starts_with("--set: server.listen and server.plain_listen are both empty"), "{error}");
    }
}

#[test]
fn two_listeners_at_one_address_are_refused_before_the_second_cannot_be_bound() {
    let with = |secure: &str, plain: &str| set(&[("server.listen", secure), ("server.plain_listen", plain)]);
    for (secure, plain, error) in [
        ("127.0.0.1:1,127.0.0.1:1", "", "server.listen = 127.0.0.1:1"),
        ("127.0.0.1:1", "[::1]:2, 127.0.0.1:1", "server.plain_listen = 127.0.0.1:1"),
    ] {
        let end = "there is a listener at this address already; allowed: another address or port";
        assert_eq!(with(secure, plain).unwrap_err(), format!("--set: {error}: {end}"));
    }
    assert!(with("127.0.0.1:0,127.0.0.1:0", "127.0.0.1:0").is_ok(), "port 0 is another one each time");
    assert!(with("127.0.0.1:1,[::1]:1", "127.0.0.2:1,127.0.0.1:2").is_ok());
}

#[test]
fn the_endpoint_stands_where_no_file_of_the_console_is_unless_there_is_none() {
    for path in ["/", "/client.js", "/console.js", "/console.css"] {
        let reason = "a file of the console is there; allowed: another path, nothing (every path upgrades), or \
                      server.page = false";
        assert_eq!(set(&[("server.path", path)]).unwrap_err(), format!("--set: server.path = {path:?}: {reason}"));
        assert_eq!(set(&[("server.path", path), ("server.page", "false")]).unwrap().path, path);
    }
    for path in ["", "/console", "/client.js/"] {
        assert_eq!(set(&[("server.path", path)]).unwrap().path, path);
    }
}

#[test]
fn certificate_and_key_come_as_a_pair() {
    assert_eq!(set(&OWN_PAIR).unwrap().certificate_files(), Some((Path::new("c.pem"), Path::new("k.pem"))));
    assert_eq!(set(&[]).unwrap().certificate_files(), None);
    assert_eq!(
        set(&OWN_PAIR[..1]),
        Err("--set: tls.cert = \"c.pem\" without tls.key; allowed: both or neither".to_string())
    );
    assert_eq!(
        set(&OWN_PAIR[1..]),
        Err("--set: tls.key = \"k.pem\" without tls.cert; allowed: both or neither".to_string())
    );
}

#[test]
fn the_embedded_pair_fits_together() {
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    let cert = CertificateDer::from_pem_slice(DEVELOPMENT_CERT_PEM.as_bytes()).unwrap();
    let key = PrivateKeyDer::from_pem_slice(DEVELOPMENT_KEY_PEM.as_bytes()).unwrap();
    assert!(matches!(key, PrivateKeyDer::Pkcs8(_)));
    let provider = rustls::crypto::ring::default_provider();
    rustls::sign::CertifiedKey::from_der(vec![cert], key, &provider).unwrap();
}
