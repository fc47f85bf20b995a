//! Tokens: each way in which one can be wrong, where it may stand, how long it is good, and what it allows.
//!
//! Not here: passwords (`passwords.rs`), how a token is made (`../common/jwt.rs`).

use std::time::Duration;

use barewire::auth::TokenError::{self, *};
use barewire::auth::{Methods, TokenAlgorithm, TokenKey, Tokens};
use barewire::limits::{TOKEN_BYTES, TOKEN_LEEWAY_MAX};
use barewire::{ConnId, EngineConfig, Now};

use super::common::http::{answers, basic, head};
use super::common::jwt::{self, NOW, SECRET, by, public_key, raw, signed, token, tokens};
use super::common::{World, frames, methods, upgrade};
use super::{FAILED, FAILED_CLOSE, MILLI, SECOND, SUCCESS, TICK, auth, connected};

const HS256: &str = r#"{"alg":"HS256"}"#;
const LEEWAY: u64 = 30;

fn all_ways(tokens: Tokens) -> Methods {
    Methods { bearer: true, tokens: Some(tokens), ..methods() }
}

fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}\r\n")
}

fn at(seconds: u64) -> Now {
    Now { mono_us: 0, unix_ms: seconds * 1000 }
}

/// `101 user`, `101 unknown` or the status of a refusal.
fn outcome(world: &mut World, headers: &str) -> (ConnId, String) {
    let id = world.connect();
    world.input(id, upgrade(headers).as_bytes());
    let bytes = world.take(id);
    let status = head(&String::from_utf8_lossy(&bytes)).0.status;
    let user = world.engine.identity(id).map_or("unknown", |identity| identity.user());
    (id, if status == 101 { format!("101 {user}") } else { status.to_string() })
}

/// The token as it is judged alone, as a header and as an `auth` message: all three must agree.
fn judge(tokens: &Tokens, token: &str) -> Result<String, TokenError> {
    let verdict = tokens.verify(token, at(NOW)).map(|identity| identity.user().to_owned());
    let mut world = World::guarded(EngineConfig::default(), all_ways(tokens.clone()));
    let (_, answer) = outcome(&mut world, &bearer(token));
    let expected = verdict.as_ref().map_or("401".to_owned(), |user| format!("101 {user}"));
    assert_eq!(answer, expected, "{token}");
    let id = world.open_with("");
    world.input(id, &frames::text(&auth(token)));
    let expected =
        verdict.as_ref().map_or([FAILED.into(), FAILED_CLOSE.into()], |user| [SUCCESS.into(), connected(user)]);
    // Behind the greeting there may be channels.
    assert_eq!(world.transcript(id)[..2], expected, "{token}");
    verdict
}

/// The parts of a good token.
fn parts() -> [String; 3] {
    let token = token(r#""sub":"bob""#);
    let parts: Vec<String> = token.split('.').map(str::to_owned).collect();
    parts.try_into().unwrap()
}

#[test]
fn a_token_of_another_form_or_signature_is_refused() {
    let [header, claims, signature] = parts();
    let good = format!(r#"{{"sub":"bob","exp":{}}}"#, NOW + 60);
    let other = signed(TokenAlgorithm::Hs256, b"another-secret-of-32-bytes-or-mo", HS256, good.as_bytes());
    let with_newline = signed(TokenAlgorithm::Hs256, &[SECRET, b"\n"].concat(), HS256, good.as_bytes());
    let not_utf8 = signed(TokenAlgorithm::Hs256, SECRET, HS256, b"{\"sub\":\"b\xff\",\"exp\":9999999999}");
    let [_, changed, _] = token(r#""sub":"eve""#).split('.').map(str::to_owned).collect::<Vec<_>>().try_into().unwrap();
    for (token, error) in [
        (String::new(), Malformed),
        (".".into(), Malformed),
        ("..".into(), Malformed),
        ("a.b.c".into(), Malformed),
        ("x".into(), Malformed),
        (format!("{header}.{claims}"), Malformed),
        (format!("{header}.{claims}.{signature}.{signature}"), Malformed),
        (format!("{header}.{claims}.{signature}.{signature}.x"), Malformed),
        (format!("{header}.{claims}."), Signature),
        (format!("{header}.{claims}.{}", &signature[1..]), Malformed),
        (format!("{header}.{claims}.A{}", &signature[1..]), Signature),
        (format!("{header}.{changed}.{signature}"), Signature),
        (format!("{header}.{claims}.{signature}="), Malformed),
        (format!("{header}=.{claims}.{signature}"), Malformed),
        (format!(".{claims}.{signature}"), Malformed),
        (format!("{header}..{signature}"), Signature),
        (other, Signature),
        (with_newline, Signature),
        (not_utf8, Claims),
        (raw("not json", &good), Malformed),
        (raw("[]", &good), Malformed),
        (raw("{}", &good), Malformed),
        (raw(r#"{"alg":null}"#, &good), Malformed),
        (raw(r#"{"alg":256}"#, &good), Malformed),
        (raw(r#"{"alg":"none"}"#, &good), Malformed),
        (raw(r#"{"alg":"NoNe"}"#, &good), Malformed),
        (raw(r#"{"alg":"hs256"}"#, &good), Malformed),
        (raw(r#"{"alg":"HS256","alg":"HS256"}"#, &good), Malformed),
        (raw(r#"{"alg":"HS512"}"#, &good), Algorithm),
        (raw(r#"{"alg":"HS384"}"#, &good), Algorithm),
        (raw(r#"{"alg":"RS256"}"#, &good), Algorithm),
        (raw(r#"{"alg":"EdDSA"}"#, &good), Algorithm),
        (raw(r#"{"alg":"HS256","crit":["exp"]}"#, &good), Critical),
        (raw(r#"{"alg":"HS256","crit":["b64"],"b64":false}"#, &good), Critical),
        (raw(r#"{"alg":"HS256","crit":[]}"#, &good), Critical),
        (raw(r#"{"alg":"HS256","crit":null}"#, &good), Critical),
        (raw(r#"{"alg":"HS256","crit":"exp"}"#, &good), Malformed),
        (raw(r#"{"alg":"HS256","crit":["exp"],"crit":["exp"]}"#, &good), Malformed),
        (raw(HS256, "not json"), Claims),
        (raw(HS256, "[]"), Claims),
        (raw(HS256, "{}"), Claims),
        (raw(HS256, &format!("{good}x")), Claims),
        (raw(r#"{"alg":"none"}"#, &good).rsplit_once('.').unwrap().0.to_owned() + ".", Malformed),
    ] {
        assert_eq!(judge(&tokens(), &token), Err(error), "{token}");
    }
}

#[test]
fn a_header_may_say_what_it_likes_of_keys() {
    let good = format!(r#"{{"sub":"bob","exp":{}}}"#, NOW + 60);
    for header in [
        HS256,
        r#"{"typ":"JWT","alg":"HS256"}"#,
        r#"{"alg":"HS256","kid":"../../etc/passwd"}"#,
        r#"{"alg":"HS256","kid":"' OR 1=1 --"}"#,
        r#"{"alg":"HS256","jku":"https://evil.example/keys"}"#,
        r#"{"alg":"HS256","x5u":"https://evil.example/cert"}"#,
        r#"{"alg":"HS256","jwk":{"kty":"oct","k":"AAAA"}}"#,
        r#"{"alg":"HS256","b64":false}"#,
    ] {
        assert_eq!(judge(&tokens(), &raw(header, &good)), Ok("bob".into()), "{header}");
        let forged = signed(TokenAlgorithm::Hs256, &[0; 3], header, good.as_bytes());
        assert_eq!(judge(&tokens(), &forged), Err(Signature), "signed with the key in the header");
    }
}

#[test]
fn each_claim_is_of_its_type_and_stands_there_once() {
    let long = |bytes: usize| format!(r#""sub":"{}""#, "n".repeat(bytes));
    let channel = |bytes: usize| format!(r#""sub":"bob","channels":["{}"]"#, "c".repeat(bytes));
    let bad = [
        (r#""sub":"bob","exp":"1895000000""#.to_owned(), Claims),
        (r#""sub":"bob","exp":null"#.into(), Claims),
        (r#""sub":"bob","exp":true"#.into(), Claims),
        (r#""sub":"bob","exp":[1895000000]"#.into(), Claims),
        (r#""sub":"bob","exp":-1"#.into(), Claims),
        (r#""sub":"bob","exp":1e300"#.into(), Claims),
        (r#""sub":"bob","exp":1e400"#.into(), Claims),
        (r#""sub":"bob","exp":99999999999999999999999"#.into(), Claims),
        (r#""sub":"bob","exp":1895000000,"exp":1895000000"#.into(), Claims),
        (r#""sub":"bob","exp":0"#.into(), Expired),
        (r#""sub":"bob","nbf":"0""#.into(), Claims),
        (r#""sub":"bob","nbf":null"#.into(), Claims),
        (r#""sub":"bob","nbf":-1"#.into(), Claims),
        (r#""sub":"bob","nbf":0,"nbf":0"#.into(), Claims),
        (r#""sub":"bob","nbf":18446744073709551615"#.into(), NotYetValid),
        (String::from(r#""user":"bob""#), Claims),
        (r#""sub":7"#.into(), Claims),
        (r#""sub":null"#.into(), Claims),
        (r#""sub":["bob"]"#.into(), Claims),
        (r#""sub":"bob","sub":"bob""#.into(), Claims),
        (r#""sub":"""#.into(), Subject),
        (r#""sub":"bob\n""#.into(), Subject),
        (r#""sub":"b\u0000b""#.into(), Subject),
        (long(256), Subject),
        (r#""sub":"bob","iss":7"#.into(), Claims),
        (r#""sub":"bob","iss":["i"]"#.into(), Claims),
        (r#""sub":"bob","aud":7"#.into(), Claims),
        (r#""sub":"bob","aud":null"#.into(), Claims),
        (r#""sub":"bob","aud":[7]"#.into(), Claims),
        (r#""sub":"bob","channels":"c""#.into(), Claims),
        (r#""sub":"bob","channels":null"#.into(), Claims),
        (r#""sub":"bob","channels":[7]"#.into(), Claims),
        (r#""sub":"bob","channels":["c"],"channels":["d"]"#.into(), Claims),
        (r#""sub":"bob","channels":[""]"#.into(), Rights),
        (r#""sub":"bob","channels":["a\u0007"]"#.into(), Rights),
        (channel(256), Rights),
        (r#""sub":"bob","publish":"*""#.into(), Claims),
        (r#""sub":"bob","publish":null"#.into(), Claims),
        (r#""sub":"bob","publish":{"c":true}"#.into(), Claims),
        (r#""sub":"bob","publish":[""]"#.into(), Rights),
        (r#""sub":"bob","subscribe":true"#.into(), Claims),
        (r#""sub":"bob","subscribe":["a","\u001b"]"#.into(), Rights),
    ];
    for (claims, error) in bad {
        assert_eq!(judge(&tokens(), &token(&claims)), Err(error), "{claims}");
    }
    assert_eq!(judge(&tokens(), &raw(HS256, r#"{"sub":"bob"}"#)), Err(Claims), "no exp");
    for claims in [
        r#""sub":"bob","exp":1795000000.5"#.to_owned(),
        r#""sub":"bob","exp":1.895e9"#.into(),
        r#""sub":"bob","exp":18446744073709551615"#.into(),
        r#""sub":"bob","nbf":0"#.into(),
        r#""sub":"bob","nbf":1794999999.9"#.into(),
        r#""sub":"bob","iss":"anyone""#.into(),
        r#""sub":"bob","iat":"what nobody reads","admin":true,"x":{"nbf":9999999999}"#.into(),
        r#""sub":"bob","channels":[],"publish":[],"subscribe":[]"#.into(),
        r#""sub":"bob","channels":["a","b"],"publish":["a.*"],"subscribe":["*"]"#.into(),
        channel(255),
    ] {
        assert_eq!(judge(&tokens(), &token(&claims)), Ok("bob".into()), "{claims}");
    }
    assert_eq!(judge(&tokens(), &token(&long(255))), Ok("n".repeat(255)));
    assert_eq!(judge(&tokens(), &token(r#""sub":"Zoë \ud83e\udd80""#)), Ok("Zoë 🦀".into()));
}

#[test]
fn a_token_has_at_most_4_kib() {
    let token = |bytes: usize| {
        let filled = |fill: usize| token(&format!(r#""sub":"bob","fill":"{}""#, "x".repeat(fill)));
        (0..bytes).rev().map(filled).find(|token| token.len() == bytes)
    };
    // Base64 leaves one length in four out.
    let most = (0..3).find_map(|less| token(TOKEN_BYTES - less)).unwrap();
    let more = (1..4).find_map(|more| token(TOKEN_BYTES + more)).unwrap();
    assert_eq!(judge(&tokens(), &most), Ok("bob".into()));
    assert_eq!(judge(&tokens(), &more), Err(TooLong));
    assert_eq!(tokens().verify(&"x".repeat(TOKEN_BYTES + 1), at(NOW)).unwrap_err(), TooLong);
    assert_eq!(tokens().verify(&"x".repeat(TOKEN_BYTES), at(NOW)).unwrap_err(), Malformed);
}

#[test]
fn an_audience_or_issuer_that_is_configured_is_needed_and_an_audience_that_is_not_is_somebody_else() {
    let plain = tokens();
    let both = tokens().with_audience("us").with_issuer("issuer");
    for (claims, by_plain, by_both) in [
        ("", Ok(()), Err(Audience)),
        (r#","aud":"us""#, Err(Audience), Err(Issuer)),
        (r#","iss":"issuer""#, Ok(()), Err(Audience)),
        (r#","aud":"us","iss":"issuer""#, Err(Audience), Ok(())),
        (r#","aud":["them","us"],"iss":"issuer""#, Err(Audience), Ok(())),
        (r#","aud":["them"],"iss":"issuer""#, Err(Audience), Err(Audience)),
        (r#","aud":[],"iss":"issuer""#, Err(Audience), Err(Audience)),
        (r#","aud":"US","iss":"issuer""#, Err(Audience), Err(Audience)),
        (r#","aud":"us ","iss":"issuer""#, Err(Audience), Err(Audience)),
        (r#","aud":"us","iss":"issuer2""#, Err(Audience), Err(Issuer)),
        (r#","aud":"us","iss":"""#, Err(Audience), Err(Issuer)),
    ] {
        let token = token(&format!(r#""sub":"bob"{claims}"#));
        assert_eq!(judge(&plain, &token).map(drop), by_plain, "{claims}");
        assert_eq!(judge(&both, &token).map(drop), by_both, "{claims}");
    }
}

#[test]
fn times_hold_to_the_millisecond_the_leeway_allowed_for() {
    let claims = format!(r#""sub":"bob","nbf":{NOW},"exp":{}"#, NOW + 60);
    for leeway in [0, LEEWAY, TOKEN_LEEWAY_MAX.as_secs()] {
        let tokens = tokens().with_leeway(Duration::from_secs(leeway));
        let (first, last) = ((NOW - leeway) * 1000, (NOW + 60 + leeway) * 1000 - 1);
        for (unix_ms, verdict) in
            [(first - 1, Err(NotYetValid)), (first, Ok(last + 1)), (last, Ok(last + 1)), (last + 1, Err(Expired))]
        {
            let identity = tokens.verify(&token(&claims), Now { mono_us: 0, unix_ms });
            assert_eq!(identity.map(|it| it.expires_unix_ms().unwrap()), verdict, "{leeway} {unix_ms}");
        }
    }
    let longest = tokens().with_leeway(TOKEN_LEEWAY_MAX + SECOND);
    assert_eq!(longest.verify(&token(&claims), at(NOW - TOKEN_LEEWAY_MAX.as_secs() - 1)).unwrap_err(), NotYetValid);
}

#[test]
fn each_algorithm_takes_its_own_signature_and_no_other() {
    let public = [TokenAlgorithm::Rs256, TokenAlgorithm::Es256, TokenAlgorithm::EdDsa];
    for algorithm in public {
        let tokens = Tokens::new(TokenKey::public(algorithm, public_key(algorithm)).unwrap());
        let good = by(algorithm);
        assert_eq!(judge(&tokens, &good), Ok("bob".into()), "{algorithm}");
        for other in TokenAlgorithm::ALL.into_iter().filter(|other| *other != algorithm) {
            assert_eq!(judge(&tokens, &by(other)), Err(Algorithm), "{other} for {algorithm}");
        }
        // The public key taken for a secret.
        let claims = format!(r#"{{"sub":"eve","exp":{}}}"#, NOW + 60);
        for header in [HS256.to_owned(), format!(r#"{{"alg":"{algorithm}"}}"#)] {
            let forged = signed(TokenAlgorithm::Hs256, public_key(algorithm), &header, claims.as_bytes());
            let error = if header == HS256 { Algorithm } else { Signature };
            assert_eq!(judge(&tokens, &forged), Err(error), "{algorithm}");
        }
        let (message, signature) = good.rsplit_once('.').unwrap();
        let zeros = "A".repeat(signature.len());
        assert_eq!(judge(&tokens, &format!("{message}.{zeros}")), Err(Signature), "{algorithm}");
    }
}

#[test]
fn a_key_that_does_not_fit_is_told_by_its_kind() {
    use TokenAlgorithm::*;
    let small: &[u8] = include_bytes!("../keys/rsa-1024-public.pem");
    let p384: &[u8] = include_bytes!("../keys/p384-public.pem");
    let private: &[u8] = include_bytes!("../keys/p256-private.pem");
    let cut = String::from_utf8(jwt::ED25519_PUBLIC.to_vec()).unwrap().replace("MCowBQ", "MCkwBQ");
    let none = "no public key; allowed: a PEM file with BEGIN PUBLIC KEY";
    for (algorithm, pem, reason) in [
        (Rs256, jwt::P256_PUBLIC, "a P-256 key; RS256 needs an RSA key"),
        (Rs256, small, "an RSA key of 1024 bits; allowed: 2048 to 8192"),
        (Es256, p384, "another key; ES256 needs a P-256 key"),
        (Es256, jwt::ED25519_PUBLIC, "an Ed25519 key; ES256 needs a P-256 key"),
        (EdDsa, jwt::RSA_PUBLIC, "an RSA key; EdDSA needs an Ed25519 key"),
        (EdDsa, cut.as_bytes(), "a malformed public key"),
        (Hs256, jwt::RSA_PUBLIC, "a public key; HS256 needs a secret"),
        (Es256, private, none),
        (Es256, b"", none),
        (Es256, SECRET, none),
    ] {
        assert_eq!(TokenKey::public(algorithm, pem).unwrap_err(), reason, "{algorithm}");
    }
}

#[test]
fn a_secret_is_its_file_but_for_one_newline_and_has_32_bytes() {
    let good = token(r#""sub":"bob""#);
    let by = |file: &[u8]| TokenKey::secret(file).map(|key| Tokens::new(key).verify(&good, at(NOW)).is_ok());
    assert_eq!(by(SECRET), Ok(true));
    assert_eq!(by(&[SECRET, b"\n"].concat()), Ok(true));
    for other in [&b"\n\n"[..], b"\r\n", b" ", b"x"] {
        assert_eq!(by(&[SECRET, other].concat()), Ok(false), "{other:?}");
    }
    for (short, bytes) in [(&b""[..], 0), (b"\n", 0), (&SECRET[1..], 31)] {
        assert_eq!(by(short), Err(format!("a secret of {bytes} bytes; allowed: 32 bytes or more")));
    }
    assert_eq!(by(jwt::RSA_PUBLIC), Err("a PEM file is no secret; allowed: random bytes".into()));
}

// --- where a token may stand ---

#[test]
fn an_upgrade_is_judged_by_the_ways_that_are_on() {
    let (good, bad) = (token(r#""sub":"bob""#), token(r#""sub":"bob","exp":0"#));
    let offer = |token: &str| format!("Sec-WebSocket-Protocol: bearer.{token}, json\r\n");
    let (good_offer, bad_offer) = (offer(&good), offer(&bad));
    let (basic_good, basic_wrong) = (super::GOOD, format!("Authorization: {}\r\n", basic("user:no")));
    let twice = bearer(&good).repeat(2);
    let headers = ["", &bearer(&good), &bearer(&bad), &good_offer, &bad_offer, basic_good, &twice];
    let both = format!("{basic_good}{good_offer}");
    let wrong_and_good = format!("{basic_wrong}{good_offer}");
    for (ways, outcomes, of_both) in [
        (
            (true, true, true),
            ["101 unknown", "101 bob", "401", "101 bob", "401", "101 user", "401"],
            ["101 user", "403"],
        ),
        ((true, true, false), ["401", "101 bob", "401", "101 bob", "401", "101 user", "401"], ["101 user", "403"]),
        (
            (false, true, true),
            ["101 unknown", "101 bob", "401", "101 bob", "401", "401", "401"],
            ["101 bob", "101 bob"],
        ),
        ((false, true, false), ["401", "101 bob", "401", "101 bob", "401", "401", "401"], ["101 bob", "101 bob"]),
        (
            (true, false, true),
            ["101 unknown", "401", "401", "101 unknown", "101 unknown", "101 user", "401"],
            ["101 user", "403"],
        ),
        ((false, false, true), ["101 unknown"; 7], ["101 unknown", "101 unknown"]),
        ((false, false, false), ["401"; 7], ["401", "401"]),
    ] {
        let (basic, bearer, message) = ways;
        let mut world =
            World::guarded(EngineConfig::default(), Methods { basic, bearer, message, ..all_ways(tokens()) });
        for (headers, expected) in headers.iter().zip(outcomes) {
            assert_eq!(outcome(&mut world, headers).1, expected, "{ways:?} {headers:?}");
        }
        assert_eq!(outcome(&mut world, &both).1, of_both[0], "{ways:?}, both");
        assert_eq!(outcome(&mut world, &wrong_and_good).1, of_both[1], "{ways:?}, a wrong password and a good token");
    }
}

#[test]
fn a_header_of_another_form_is_no_bearer_token() {
    let mut world = World::guarded(EngineConfig::default(), all_ways(tokens()));
    let good = token(r#""sub":"bob""#);
    for (value, expected) in [
        (format!("bearer {good}"), "101 bob"),
        (format!("BEARER   {good} "), "101 bob"),
        (format!("Bearer{good}"), "401"),
        (format!("Bearer {good} x"), "401"),
        (format!("Bearer \"{good}\""), "401"),
        ("Bearer".into(), "401"),
        ("Bearer ".into(), "401"),
        ("Bearer \u{e9}.\u{e9}.\u{e9}".into(), "401"),
        (format!("Token {good}"), "401"),
        (good.clone(), "401"),
    ] {
        let (id, answer) = outcome(&mut world, &format!("Authorization: {value}\r\n"));
        assert_eq!(answer, expected, "{value}");
        assert_eq!(world.peer(id).ended, answer == "401");
    }
    let (id, _) = (world.open_with(""), ());
    world.input(id, &frames::text(&auth(&format!("Bearer {good}"))));
    assert_eq!(world.transcript(id), [FAILED, FAILED_CLOSE], "a message holds the token alone");
}

#[test]
fn a_subprotocol_is_selected_and_a_token_only_where_it_is_the_sole_offer() {
    let good = token(r#""sub":"bob""#);
    for (offer, selected) in [
        (good.clone(), Some(good.clone())),
        (format!("bearer.{good}"), Some(format!("bearer.{good}"))),
        (format!("json, bearer.{good}"), Some("json".into())),
        (format!("bearer.{good}, json"), Some("json".into())),
        (format!("bearer.{good}, xml"), None),
    ] {
        let mut world = World::guarded(EngineConfig::default(), Methods { message: false, ..all_ways(tokens()) });
        let id = world.connect();
        world.input(id, upgrade(&format!("Sec-WebSocket-Protocol: {offer}\r\n")).as_bytes());
        let bytes = world.take(id);
        let answer = head(&String::from_utf8_lossy(&bytes)).0;
        assert_eq!((answer.status, answer.header("Sec-WebSocket-Protocol")), (101, selected.as_deref()), "{offer}");
        assert_eq!(world.engine.identity(id).unwrap().user(), "bob");
    }
    let mut world = World::guarded(EngineConfig::default(), Methods { message: false, ..all_ways(tokens()) });
    for offer in [format!("{good}, json"), "bearer.".into(), "bearer.json".into(), "a.b.c".into(), "json".into()] {
        assert_eq!(outcome(&mut world, &format!("Sec-WebSocket-Protocol: {offer}\r\n")).1, "401", "{offer}");
    }
}

#[test]
fn only_what_is_marked_or_the_sole_offer_of_three_parts_is_a_token_unless_it_is_a_subprotocol_of_ours() {
    let subprotocols: Vec<String> = ["json", "v1.our.own", "bearer.ours"].map(String::from).into();
    let config = EngineConfig { subprotocols, ..EngineConfig::default() };
    let mut world = World::guarded(config, all_ways(tokens()));
    for (offer, expected) in [
        ("json", "101 unknown"),
        ("v1.our.own", "101 unknown"),
        ("bearer.ours", "101 unknown"),
        ("a.b", "101 unknown"),
        ("a.b.c.d", "101 unknown"),
        ("a.b.c, json", "101 unknown"),
        ("a.b.c", "401"),
        ("bearer.a.b.c", "401"),
        ("bearer.", "401"),
        ("bearer.x", "401"),
        ("bearer.json", "401"),
        ("json, bearer.json", "401"),
        ("bearer.v1.our.own", "401"),
    ] {
        assert_eq!(outcome(&mut world, &format!("Sec-WebSocket-Protocol: {offer}\r\n")).1, expected, "{offer}");
    }
}

#[test]
fn a_refusal_says_what_would_be_right() {
    let basic_challenge = r#"Basic realm="barewire", charset="UTF-8""#;
    let bearer_challenge = r#"Bearer realm="barewire""#;
    let invalid = r#"Bearer realm="barewire", error="invalid_token""#;
    let expired = bearer(&token(r#""sub":"bob","exp":0"#));
    for (basic_on, bearer_on, headers, body, challenges) in [
        (true, true, "", "Unauthorized", &[basic_challenge, bearer_challenge][..]),
        (true, false, "", "Unauthorized", &[basic_challenge]),
        (false, true, "", "Invalid token", &[bearer_challenge]),
        (true, true, &*expired, "Invalid token", &[invalid]),
        (false, true, &*expired, "Invalid token", &[invalid]),
        (true, false, &*expired, "Unauthorized", &[basic_challenge]),
    ] {
        let methods = Methods { basic: basic_on, bearer: bearer_on, message: false, ..all_ways(tokens()) };
        let mut world = World::guarded(EngineConfig::default(), methods);
        let id = world.connect();
        world.input(id, upgrade(headers).as_bytes());
        let answer = answers(&world.take(id)).remove(0);
        let told =
            answer.headers.iter().filter(|(name, _)| name == "WWW-Authenticate").map(|(_, value)| value.as_str());
        assert_eq!((answer.status, answer.body.as_str()), (401, body), "{basic_on} {bearer_on} {headers:?}");
        assert_eq!(told.collect::<Vec<_>>(), challenges, "{basic_on} {bearer_on} {headers:?}");
    }
}

#[test]
fn without_a_key_no_token_is_good() {
    let mut world = World::guarded(EngineConfig::default(), Methods { tokens: None, ..all_ways(tokens()) });
    let good = token(r#""sub":"bob""#);
    assert_eq!(outcome(&mut world, &bearer(&good)).1, "401");
    assert_eq!(outcome(&mut world, &format!("Sec-WebSocket-Protocol: {good}\r\n")).1, "101 unknown");
    let id = world.open_with("");
    world.input(id, &frames::text(&auth(&good)));
    assert_eq!(world.transcript(id), [FAILED, FAILED_CLOSE]);
}

#[test]
fn a_message_takes_a_token_where_there_is_a_key_whether_an_upgrade_does_or_not() {
    let mut world = World::guarded(EngineConfig::default(), Methods { bearer: false, ..all_ways(tokens()) });
    let id = world.open_with("");
    world.input(id, &frames::text(&auth(&token(r#""sub":"bob""#))));
    assert_eq!(world.transcript(id), [SUCCESS.to_owned(), connected("bob")]);
}

// --- how long ---

#[test]
fn a_session_ends_with_its_token_the_leeway_allowed_for_and_a_new_one_extends_it() {
    for renewed in [false, true] {
        let mut world = World::guarded(EngineConfig::default(), all_ways(tokens()));
        let (id, _) = outcome(&mut world, &bearer(&token(&format!(r#""sub":"bob","exp":{}"#, NOW + 10))));
        let end = Duration::from_secs(10 + LEEWAY);
        world.advance(end - 5 * SECOND);
        world.input(id, &frames::frame(frames::PONG, b""));
        if renewed {
            world.input(id, &frames::text(&auth(&token(&format!(r#""sub":"bob","exp":{}"#, NOW + 20)))));
            assert_eq!(world.messages(id), [SUCCESS]);
            world.advance(10 * SECOND);
            world.input(id, &frames::frame(frames::PONG, b""));
        }
        world.advance(5 * SECOND - MILLI);
        assert!(world.ends(id).is_empty(), "not before");
        world.take(id);
        world.advance(MILLI + TICK);
        assert_eq!(world.transcript(id), ["close 4401 Token expired"]);
    }
}

#[test]
fn one_who_comes_in_at_the_last_moment_is_not_sent_away_at_once() {
    let mut world = World::guarded(EngineConfig::default(), all_ways(tokens()));
    let (id, answer) = outcome(&mut world, &bearer(&token(&format!(r#""sub":"bob","exp":{}"#, NOW - LEEWAY + 1))));
    assert_eq!(answer, "101 bob");
    world.advance(SECOND - MILLI);
    assert!(world.ends(id).is_empty());
    world.advance(MILLI + TICK);
    assert_eq!(world.transcript(id), ["close 4401 Token expired"]);
}

#[test]
fn a_token_that_never_ends_is_no_trouble_to_the_clock() {
    let mut world = World::guarded(EngineConfig::default(), all_ways(tokens()));
    let (id, answer) = outcome(&mut world, &bearer(&token(r#""sub":"bob","exp":18446744073709551615"#)));
    assert_eq!(answer, "101 bob");
    world.advance(SECOND);
    assert!(world.ends(id).is_empty());
}

#[test]
fn a_renewal_by_another_or_by_a_bad_token_ends_the_session() {
    for claims in [r#""sub":"eve""#, r#""sub":"bob","exp":0"#, r#""sub":"Bob""#] {
        let mut world = World::guarded(EngineConfig::default(), all_ways(tokens()));
        let (id, _) = outcome(&mut world, &bearer(&token(r#""sub":"bob""#)));
        world.input(id, &frames::text(&auth(&token(claims))));
        assert_eq!(world.transcript(id), [FAILED, FAILED_CLOSE], "{claims}");
    }
}

// --- what it allows ---

#[test]
fn channels_and_rights_come_from_the_token() {
    let mut world = World::guarded(EngineConfig::default(), all_ways(tokens()));
    let claims = r#""sub":"bob","channels":["own"],"publish":["out.*"],"subscribe":["in"]"#;
    let id = world.open_with(&bearer(&token(claims)));
    assert_eq!(world.engine.channels_of(id).collect::<Vec<_>>(), ["own"]);
    let mut answer = |message: &str| {
        world.input(id, &frames::text(message));
        world.transcript(id).join(" ")
    };
    assert!(answer(r#"{"type":"subscribe","channel":"in"}"#).contains("subscribed"));
    assert!(answer(r#"{"type":"subscribe","channel":"out.1"}"#).contains("subscribe_not_allowed"));
    assert!(answer(r#"{"type":"chat","channel":"out.1","id":1}"#).contains("ack"));
    assert!(answer(r#"{"type":"chat","channel":"in","id":1}"#).contains("publish_not_allowed"));
    assert!(answer(r#"{"type":"chat","id":1}"#).contains("publish_not_allowed"));
}

// --- what is never said ---

#[test]
fn neither_secret_nor_token_is_shown() {
    let methods = all_ways(tokens());
    let shown = format!("{methods:?} {:#?}", methods.tokens);
    let secret = String::from_utf8(SECRET.to_vec()).unwrap();
    let bytes = format!("{SECRET:?}");
    assert!(!shown.contains(&secret) && !shown.contains(&bytes[1..40]), "{shown}");
    let mut world = World::guarded(EngineConfig::default(), methods);
    let token = token(r#""sub":"canary","exp":0"#);
    outcome(&mut world, &bearer(&token));
    outcome(&mut world, &format!("Sec-WebSocket-Protocol: {token}\r\n"));
    let id = world.open_with("");
    world.input(id, &frames::text(&auth(&token)));
    let answer = String::from_utf8_lossy(&world.take(id)).into_owned();
    let (_, claims_and_signature) = token.split_once('.').unwrap();
    let told = format!("{:?} {answer}", world.history);
    assert!(!told.contains(claims_and_signature) && !told.contains("canary"), "{told}");
}
