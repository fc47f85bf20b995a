//! Offers and answers, as a server and as a client reads them.
//!
//! Not here: messages (`../tests.rs`), which are deflated (`engine/compression.rs`).

use super::*;

/// The answer to these offers, one header element each.
fn answer(config: &DeflateConfig, offers: &[&str]) -> Option<String> {
    let offers: Vec<_> = offers.iter().map(|offer| Extension::parse(offer.as_bytes()).unwrap()).collect();
    Offer::first(&offers).map(|offer| offer.accept(config, true).response())
}

const ALONE: &str = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";

#[test]
fn an_offer_in_order_is_accepted_without_takeover() {
    let windowed = format!("{ALONE}; server_max_window_bits=9");
    let full = format!("{ALONE}; server_max_window_bits=15");
    for (offer, wanted) in [
        ("permessage-deflate", ALONE),
        ("permessage-deflate; client_max_window_bits", ALONE),
        ("permessage-deflate; client_max_window_bits=8", ALONE),
        ("permessage-deflate; client_max_window_bits=\"15\"", ALONE),
        ("permessage-deflate; server_no_context_takeover", ALONE),
        ("permessage-deflate; client_no_context_takeover; server_no_context_takeover", ALONE),
        ("permessage-deflate; server_max_window_bits=9", &windowed),
        ("permessage-deflate; server_max_window_bits=\"9\"; client_max_window_bits", &windowed),
        ("permessage-deflate; server_max_window_bits=15", &full),
    ] {
        assert_eq!(answer(&DeflateConfig::default(), &[offer]).as_deref(), Some(wanted), "{offer}");
    }
}

#[test]
fn an_offer_that_is_not_understood_to_the_last_word_is_declined() {
    for parameters in [
        "server_no_context_takeover=1",
        "client_no_context_takeover=true",
        "server_no_context_takeover; server_no_context_takeover",
        "client_max_window_bits; client_max_window_bits=10",
        "server_max_window_bits=9; server_max_window_bits=9",
        "server_max_window_bits",
        "server_max_window_bits=8",
        "server_max_window_bits=7",
        "server_max_window_bits=16",
        "server_max_window_bits=09",
        "server_max_window_bits=+9",
        "server_max_window_bits=9a",
        "server_max_window_bits=256",
        "server_max_window_bits=99999999999999999999",
        "client_max_window_bits=7",
        "client_max_window_bits=16",
        "client_max_window_bits=08",
        "client_max_window_bits=x",
        "server_max_window_size=10",
        "Server_No_Context_Takeover",
        "x",
    ] {
        let offer = format!("permessage-deflate; {parameters}");
        assert_eq!(answer(&DeflateConfig::default(), &[&offer]), None, "{offer}");
        assert_eq!(
            answer(&DeflateConfig::default(), &[&offer, NAME]).as_deref(),
            Some(ALONE),
            "another behind {offer}"
        );
    }
    for other in ["x-webkit-deflate-frame", "permessage-bzip2", "Permessage-Deflate", "deflate"] {
        assert_eq!(answer(&DeflateConfig::default(), &[other]), None, "{other}");
    }
    assert_eq!(answer(&DeflateConfig::default(), &[]), None);
}

#[test]
fn the_first_offer_that_can_be_accepted_is() {
    let offers =
        ["foo", "permessage-deflate; server_max_window_bits=8", "permessage-deflate; server_max_window_bits=10", NAME];
    let wanted = format!("{ALONE}; server_max_window_bits=10");
    assert_eq!(answer(&DeflateConfig::default(), &offers), Some(wanted));
}

#[test]
fn the_configuration_and_the_offer_both_bound_the_window() {
    for (most, offer, agreed) in
        [(15, None, 15), (12, None, 12), (12, Some(15), 12), (12, Some(12), 12), (12, Some(9), 9), (9, Some(15), 9)]
    {
        let config = DeflateConfig { server_max_window_bits: most, ..DeflateConfig::default() };
        let parameter = offer.map_or(String::new(), |bits| format!("; server_max_window_bits={bits}"));
        let offer = Extension::parse(format!("{NAME}{parameter}").as_bytes()).unwrap();
        let agreement = Offer::first(&[offer]).unwrap().accept(&config, true);
        assert_eq!(agreement.window_bits(), Some(agreed));
        let named = if parameter.is_empty() { String::new() } else { format!("; server_max_window_bits={agreed}") };
        assert_eq!(agreement.response(), format!("{ALONE}{named}"));
    }
}

#[test]
fn a_context_is_kept_where_both_ends_and_the_count_allow_it() {
    let config =
        DeflateConfig { server_context_takeover: true, client_context_takeover: true, ..DeflateConfig::default() };
    for (server, client) in [(false, false), (false, true), (true, false), (true, true)] {
        let mut offer = NAME.to_owned();
        offer.push_str(if server { "" } else { "; server_no_context_takeover" });
        offer.push_str(if client { "" } else { "; client_no_context_takeover" });
        assert_eq!(answer(&config, &[&offer]), Some(offer.clone()));
        let extension = Extension::parse(offer.as_bytes()).unwrap();
        let agreement = Offer::first(&[extension]).unwrap().accept(&config, false);
        assert_eq!((agreement.takes_over(), agreement.response()), (false, ALONE.to_owned()));
    }
    for (server_context_takeover, client_context_takeover) in [(false, true), (true, false)] {
        let config = DeflateConfig { server_context_takeover, client_context_takeover, ..DeflateConfig::default() };
        let response = answer(&config, &[NAME]).unwrap();
        assert_eq!(response.contains("server_no"), !server_context_takeover);
        assert_eq!(response.contains("client_no"), !client_context_takeover);
    }
}

// --- the client's side ---

/// What a client makes of an answer, one header element each.
fn used(elements: &[&str]) -> Result<Option<Agreement>, String> {
    let elements: Vec<_> = elements.iter().map(|element| Extension::parse(element.as_bytes()).unwrap()).collect();
    Agreement::of_response(&elements)
}

#[test]
fn a_client_offers_to_keep_nothing_and_to_take_a_smaller_window() {
    let config = DeflateConfig::default();
    let offer = client_offer(&config).unwrap();
    assert_eq!(offer, format!("{ALONE}; client_max_window_bits"));
    assert_eq!(client_offer(&DeflateConfig { enabled: false, ..config }), None);
}

#[test]
fn what_a_server_here_answers_to_the_offer_is_what_a_client_may_use() {
    for server_max_window_bits in WINDOW_BITS {
        let config = DeflateConfig {
            server_context_takeover: true,
            client_context_takeover: true,
            server_max_window_bits,
            ..DeflateConfig::default()
        };
        let answer = answer(&config, &[&client_offer(&config).unwrap()]).unwrap();
        let agreement = used(&[&answer]).unwrap().unwrap();
        assert_eq!((agreement.takes_over(), agreement.window_bits()), (false, Some(15)), "{answer}");
    }
}

#[test]
fn a_client_never_keeps_a_context_and_deflates_within_the_window_it_is_told() {
    assert_eq!(used(&[]), Ok(None));
    let alone = "permessage-deflate; server_no_context_takeover";
    for (parameters, window) in [
        ("", Some(15)),
        ("; client_no_context_takeover", Some(15)),
        ("; client_max_window_bits=15", Some(15)),
        ("; client_max_window_bits=\"12\"; client_no_context_takeover", Some(12)),
        ("; client_max_window_bits=9", Some(9)),
        ("; client_max_window_bits=8", None),
        // Of its own window a server may tell unasked (RFC 7692, section 7.1.2.1), as Python's `websockets` does.
        ("; server_max_window_bits=8", Some(15)),
        ("; server_max_window_bits=12; client_max_window_bits=12", Some(12)),
        ("; server_max_window_bits=\"15\"", Some(15)),
    ] {
        let agreement = used(&[&format!("{alone}{parameters}")]).unwrap().unwrap();
        assert_eq!(agreement.window_bits(), window, "{parameters}");
        assert!(!agreement.own_takes_over && !agreement.peer_takes_over && !agreement.takes_over(), "{parameters}");
    }
}

#[test]
fn an_answer_with_anything_that_was_not_offered_is_an_error_that_names_it() {
    for (parameters, expected) in [
        ("x", "\"x\" of permessage-deflate, which was not offered"),
        ("Client_No_Context_Takeover", "\"Client_No_Context_Takeover\" of permessage-deflate, which was not offered"),
        ("server_no_context_takeover", "\"server_no_context_takeover\" of permessage-deflate twice"),
        ("client_no_context_takeover; client_no_context_takeover", "\"client_no_context_takeover\""),
        (
            "client_max_window_bits=9; client_max_window_bits=9",
            "\"client_max_window_bits\" of permessage-deflate twice",
        ),
        ("client_no_context_takeover=1", "\"client_no_context_takeover\" of permessage-deflate a value"),
        ("client_max_window_bits", "\"client_max_window_bits\" of permessage-deflate a value"),
        ("client_max_window_bits=7", "\"client_max_window_bits\" of permessage-deflate a value"),
        ("client_max_window_bits=16", "\"client_max_window_bits\" of permessage-deflate a value"),
        ("client_max_window_bits=09", "\"client_max_window_bits\" of permessage-deflate a value"),
        ("client_max_window_bits=+9", "\"client_max_window_bits\" of permessage-deflate a value"),
        ("client_max_window_bits=265", "\"client_max_window_bits\" of permessage-deflate a value"),
        ("server_max_window_bits", "\"server_max_window_bits\" of permessage-deflate a value"),
        ("server_max_window_bits=7", "\"server_max_window_bits\" of permessage-deflate a value"),
        ("server_max_window_bits=16", "\"server_max_window_bits\" of permessage-deflate a value"),
        (
            "server_max_window_bits=9; server_max_window_bits=9",
            "\"server_max_window_bits\" of permessage-deflate twice",
        ),
    ] {
        let line = used(&[&format!("permessage-deflate; server_no_context_takeover; {parameters}")]).unwrap_err();
        assert!(line.contains(expected), "{parameters}: {line}");
    }
    let table: [(&[&str], &str); 7] = [
        (&[NAME], "without server_no_context_takeover"),
        (&["permessage-deflate; client_no_context_takeover"], "without server_no_context_takeover"),
        (&["permessage-deflate; server_no_context_takeover=1"], "\"server_no_context_takeover\""),
        (&[ALONE, ALONE], "permessage-deflate twice"),
        (&["x-webkit-deflate-frame"], "the extension \"x-webkit-deflate-frame\", which was not offered"),
        (&["Permessage-Deflate; server_no_context_takeover"], "the extension \"Permessage-Deflate\""),
        (&[ALONE, "x"], "the extension \"x\""),
    ];
    for (elements, expected) in table {
        let line = used(elements).unwrap_err();
        assert!(line.contains(expected), "{elements:?}: {line}");
    }
}

#[test]
fn a_configuration_is_held_to_what_compressors_can_do() {
    let of =
        |level, server_max_window_bits| DeflateConfig { level, server_max_window_bits, ..DeflateConfig::default() };
    for (level, is_allowed) in [(0, false), (1, true), (9, true), (10, false)] {
        let checked = of(level, 15).check();
        let line = format!("DeflateConfig::level = {level}; allowed: 1 to 9");
        assert_eq!(checked, if is_allowed { Ok(()) } else { Err(line) });
    }
    for (bits, is_allowed) in [(8, false), (9, true), (15, true), (16, false)] {
        let checked = of(6, bits).check();
        let line = format!("DeflateConfig::server_max_window_bits = {bits}; allowed: 9 to 15");
        assert_eq!(checked, if is_allowed { Ok(()) } else { Err(line) });
    }
}
