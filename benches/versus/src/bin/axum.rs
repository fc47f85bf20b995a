//! axum, as its examples have it: one route (`websockets`), served by hyper (`serve-with-hyper`, `low-level-rustls`: that is
//! how it does TLS). Echo is the socket's stream forwarded into its sink, which flushes when there is nothing more to read;
//! broadcast is one task a connection, which flushes when nothing more waits for it.
//!
//! `--buffer 4096` is what its documentation advises for many connections, in place of 128 KiB of reading and as much of
//! writing.

use axum::extract::State;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::response::Response;
use axum::routing::any;
use axum::{Error, Router};
use futures_util::{SinkExt, StreamExt, TryStreamExt, future};
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use versus::hub::Hub;
use versus::listening::{self, Serve, Stream};
use versus::{Asked, MESSAGE_BYTES, Mode};

fn main() {
    let asked = Asked::of_process();
    let app = Router::new().route("/", any(upgrade)).with_state(Shared { asked, hub: Hub::new() });
    asked.run(listening::serve(asked, Server { app }));
}

#[derive(Clone)]
struct Server {
    app: Router,
}

#[derive(Clone)]
struct Shared {
    asked: Asked,
    hub: Hub<Message>,
}

impl Serve for Server {
    async fn serve(self, stream: impl Stream, _is_secure: bool) {
        let service = TowerToHyperService::new(self.app);
        let served = http1::Builder::new().serve_connection(TokioIo::new(stream), service).with_upgrades();
        // A peer that is gone ends its task, and that is all there is to it.
        let _ = served.await;
    }
}

async fn upgrade(upgrade: WebSocketUpgrade, State(shared): State<Shared>) -> Response {
    let mut upgrade = upgrade.max_message_size(MESSAGE_BYTES).max_frame_size(MESSAGE_BYTES);
    if let Some(bytes) = shared.asked.buffer {
        upgrade = upgrade.read_buffer_size(bytes).write_buffer_size(bytes);
    }
    upgrade.on_upgrade(move |socket| async move {
        let _ = match shared.asked.mode {
            Mode::Echo => echo(socket).await,
            Mode::Broadcast => broadcast(socket, shared.hub).await,
        };
    })
}

fn is_data(message: &Message) -> bool {
    matches!(message, Message::Text(_) | Message::Binary(_))
}

async fn echo(socket: WebSocket) -> Result<(), Error> {
    let (write, read) = socket.split();
    read.try_filter(|message| future::ready(is_data(message))).forward(write).await
}

async fn broadcast(mut socket: WebSocket, hub: Hub<Message>) -> Result<(), Error> {
    let (voice, mut ear) = hub.join();
    loop {
        tokio::select! {
            said = socket.recv() => match said {
                Some(Ok(message)) if is_data(&message) => voice.say(message),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(error),
                None => return Ok(()),
            },
            heard = ear.hear() => {
                let mut next = heard;
                while let Some(message) = next {
                    socket.feed(message).await?;
                    next = ear.waiting();
                }
                socket.flush().await?;
            }
        }
    }
}
