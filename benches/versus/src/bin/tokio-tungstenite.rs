//! tokio-tungstenite, as its examples have it. Echo is that of its `echo-server`: the stream forwarded into the sink, which
//! flushes when there is nothing more to read, so that replies to messages that came together leave together. Broadcast is
//! one task a connection, which flushes when nothing more waits for it.
//!
//! `--buffer 4096` is what its documentation advises for many connections, in place of 128 KiB of reading and as much of
//! writing.

use futures_util::{SinkExt, StreamExt, TryStreamExt, future};
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::protocol::{Message, WebSocketConfig};
use tokio_tungstenite::{WebSocketStream, accept_async_with_config};
use versus::hub::Hub;
use versus::listening::{self, Serve, Stream};
use versus::{Asked, MESSAGE_BYTES, Mode};

fn main() {
    let asked = Asked::of_process();
    let mut config =
        WebSocketConfig::default().max_message_size(Some(MESSAGE_BYTES)).max_frame_size(Some(MESSAGE_BYTES));
    if let Some(bytes) = asked.buffer {
        config = config.read_buffer_size(bytes).write_buffer_size(bytes);
    }
    let server = Server { mode: asked.mode, config, hub: Hub::new() };
    asked.run(listening::serve(asked, server));
}

#[derive(Clone)]
struct Server {
    mode: Mode,
    config: WebSocketConfig,
    hub: Hub<Message>,
}

impl Serve for Server {
    async fn serve(self, stream: impl Stream, _is_secure: bool) {
        let Ok(socket) = accept_async_with_config(stream, Some(self.config)).await else { return };
        // A peer that is gone ends its task, and that is all there is to it.
        let _ = match self.mode {
            Mode::Echo => echo(socket).await,
            Mode::Broadcast => broadcast(socket, self.hub).await,
        };
    }
}

async fn echo(socket: WebSocketStream<impl Stream>) -> Result<(), Error> {
    let (write, read) = socket.split();
    read.try_filter(|message| future::ready(message.is_text() || message.is_binary())).forward(write).await
}

async fn broadcast(mut socket: WebSocketStream<impl Stream>, hub: Hub<Message>) -> Result<(), Error> {
    let (voice, mut ear) = hub.join();
    loop {
        tokio::select! {
            said = socket.next() => match said {
                Some(Ok(message)) if message.is_text() || message.is_binary() => voice.say(message),
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
