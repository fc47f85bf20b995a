//! Servers that are none of ours, or mean no good: what a pipe gets of them and what a person is shown, answers that never
//! come, refusals.
//!
//! Not here: the daemon as a server (`connect.rs` beside this folder).

use barewire::auth::NoAuth;
use barewire::{Engine, EngineConfig, Event, Limits, Message, ServerConfig};

use crate::server::TestServer;
use crate::talk::{Talk, command, converse};

/// Orders for a terminal, a forged line, and a text that is read backwards.
const HOSTILE: &str = "\u{1b}]0;owned\u{7}\u{1b}[2J\u{9b}31m\rbarewire: open\u{202e}";

fn serve(handler: impl FnMut(&mut Engine, Event) + Send + 'static) -> (TestServer, String) {
    let limits = Limits { messages_per_window: 0, ..Limits::default() };
    let config = ServerConfig { engine: EngineConfig { limits, ..EngineConfig::default() }, ..ServerConfig::default() };
    let server = TestServer::run(config, || Box::new(NoAuth), handler);
    let url = format!("ws://{}/ws", server.plain_addr());
    (server, url)
}

#[test]
fn a_pipe_gets_a_message_as_it_is_and_a_person_is_shown_nothing_that_drives_a_terminal() {
    let (_server, url) = serve(|engine, event| match event {
        Event::Open { id } => {
            engine.send(id, Message::Text(HOSTILE.into()));
            engine.send(id, Message::Text("two\nlines".into()));
            engine.send(id, Message::Binary(vec![0xff, 0, 0x1b].into()));
        }
        Event::Message { id, .. } => engine.close(id, 1008, HOSTILE.to_owned()),
        _ => {}
    });
    let told = converse(&url, &[], "go\n");
    assert_eq!(told.assert_code(1).out, format!("{HOSTILE}\ntwo\nlines\n"));
    assert!(told.err.contains("barewire: a binary message of 3 bytes (--json shows it)\n"), "{told:?}");
    assert!(
        told.err.contains(r"barewire: closed with 1008 \u{1b}]0;owned\u{7}\u{1b}[2J\u{9b}31m\rbarewire: open\u{202e}")
    );
    let is_plain = |text: &str| text.chars().all(|c| c == '\n' || !barewire::wire::message::is_treacherous(c));
    assert!(is_plain(&told.err), "{:?}", told.err);

    let told = converse(&url, &["--json"], "go\n");
    assert!(is_plain(&told.assert_code(1).out) && is_plain(&told.err), "{told:?}");
    let events: Vec<serde_json::Value> = told.lines().iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((&events[2]["text"], &events[3]["text"]), (&HOSTILE.into(), &"two\nlines".into()));
    assert_eq!((&events[4]["base64"], &events[5]["reason"]), (&"/wAb".into(), &HOSTILE.into()));
}

#[test]
fn a_refusal_is_told_with_status_and_body_and_nothing_of_it_drives_a_terminal() {
    let (_server, url) = crate::trust::refusing("503 Busy", "try\r\n\u{1b}[2Jlater");
    let told = converse(&url, &["--max-attempts", "0"], "");
    let line = r"barewire: refused with 503 Busy: try\r\n\u{1b}[2Jlater";
    assert_eq!(told.assert_code(1).err.lines().last(), Some(line));
    let told = converse(&url, &["--max-attempts", "0", "--json"], "");
    let error = r#"{"event":"error","message":"refused with 503 Busy: try\\r\\n\\u{1b}[2Jlater","status":503,"body":"try\r\n\u001b[2Jlater"}"#;
    assert_eq!(told.assert_code(1).lines()[1], error);
}

/// Nothing that comes from it wakes the client: its own socket has to.
#[test]
fn a_server_that_answers_nothing_has_every_line_in_order_before_the_end() {
    const LINES: usize = 5000;
    let mut heard = 0;
    let (server, url) = serve(move |_, event| match event {
        Event::Message { message, .. } => {
            assert!(message.payload().starts_with(format!("{heard} ").as_bytes()), "{heard}: {message:?}");
            heard += 1;
        }
        Event::Closed { .. } => assert_eq!(heard, LINES),
        _ => {}
    });
    let pad = "x".repeat(1000);
    let lines: String = (0..LINES).map(|number| format!("{number} {pad}\n")).collect();
    assert_eq!(converse(&url, &[], &lines).assert_code(0).out, "");
    assert!(server.ends(1)[0].contains("PeerClosed { code: Some(1000)"));
    server.stop().unwrap();
}

#[test]
fn a_server_that_answers_pings_before_messages_is_given_the_time_that_is_asked_for() {
    let listener = std::net::TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).unwrap();
    let url = format!("ws://{}", listener.local_addr().unwrap());
    let mut talk = Talk::start(&mut command(&url, &["--wait", "24h"]));
    talk.say("question");
    drop(talk.stdin.take());
    let (stream, _) = listener.accept().unwrap();
    let mut websocket = tungstenite::accept(stream).unwrap();
    let mut pings = 0;
    while pings < 2 {
        pings += usize::from(websocket.read().unwrap().is_ping());
    }
    // By the time that it has answered this it has had its own pong, and seen to the end.
    websocket.send(tungstenite::Message::Ping("still there?".into())).unwrap();
    while !websocket.read().unwrap().is_pong() {}
    websocket.send("the answer".into()).unwrap();
    talk.hear("the answer");
    talk.signal("TERM");
    while websocket.read().is_ok() {}
    drop(websocket);
    talk.end().assert_code(0);
}

#[test]
fn a_token_that_the_server_selects_as_the_subprotocol_is_not_shown() {
    let tokens = ["bearer.canary", "canary.x.y"];
    let names = tokens.map(str::to_owned).to_vec();
    let engine = EngineConfig { subprotocols: names, ..EngineConfig::default() };
    let config = ServerConfig { engine, ..ServerConfig::default() };
    let server = TestServer::run(config, || Box::new(NoAuth), |_, _| {});
    let url = format!("ws://{}/ws", server.plain_addr());
    for token in tokens {
        let told = converse(&url, &["--protocol", token], "");
        assert_eq!(told.assert_code(0).err.lines().last(), Some("barewire: open, with the subprotocol \"…\""));
        let told = converse(&url, &["--protocol", token, "--json"], "");
        assert_eq!(told.assert_code(0).lines()[1], r#"{"event":"open","protocol":"…"}"#);
    }
}

#[test]
fn an_answer_that_is_lost_with_the_connection_is_a_failure() {
    let (server, url) = serve(|engine, event| {
        if let Event::Message { id, message } = event {
            if message.payload() == b"answer" {
                engine.send(id, message);
            } else {
                engine.close(id, 1001, "");
            }
        }
    });
    let told = converse(&url, &[], "answer\nclose\n");
    assert_eq!(told.assert_code(1).out, "answer\n");
    let line = "barewire: closed with 1001; answers to what was sent last, or that itself, may be lost";
    assert_eq!(told.err.lines().last(), Some(line));
    assert_eq!(server.ends(1).len(), 1, "it does not come back for nothing");
}

#[test]
fn a_server_that_never_answers_a_ping_is_given_up_by_the_heartbeat() {
    let listener = std::net::TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).unwrap();
    let url = format!("ws://{}", listener.local_addr().unwrap());
    let mut talk = Talk::start(&mut command(&url, &["--heartbeat", "100ms", "--no-reconnect"]));
    drop(talk.stdin.take());
    let (stream, _) = listener.accept().unwrap();
    let websocket = tungstenite::accept(stream).unwrap();
    let told = talk.end();
    drop(websocket);
    assert!(told.assert_code(1).err.ends_with("closed with 1006: silent for a whole heartbeat interval\n"), "{told:?}");
}
