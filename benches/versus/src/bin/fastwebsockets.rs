//! fastwebsockets, as its examples have it: `echo_server` (upgraded by hyper, a `FragmentCollector`, the task without tokio's
//! budget), with `set_writev(false)` over TLS (`tls_server`), and `echo_server_split` for the broadcast. It checks UTF-8 by its
//! default feature `simd`, and knows no permessage-deflate.
//!
//! It writes each frame by itself. Those of a broadcast go through tokio's `BufWriter`, which is flushed when nothing more
//! waits; an echo has no such moment, since reading is not to be given up halfway.

use fastwebsockets::upgrade::{UpgradeFut, upgrade};
use fastwebsockets::{
    FragmentCollector, FragmentCollectorRead, Frame, OpCode, Payload, WebSocket, WebSocketError, WebSocketRead,
    WebSocketWrite,
};
use http_body_util::Empty;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::upgrade::Upgraded;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, BufWriter};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use versus::hub::{Ear, Hub, Voice};
use versus::listening::{self, Serve, Stream};
use versus::{Asked, MESSAGE_BYTES, Mode};

/// What may be written at once of a broadcast.
const BUFFER_BYTES: usize = 4096;

fn main() {
    let asked = Asked::of_process();
    asked.run(listening::serve(asked, Server { mode: asked.mode, hub: Hub::new() }));
}

/// A message: its kind, and what it says.
type Said = (OpCode, Bytes);

#[derive(Clone)]
struct Server {
    mode: Mode,
    hub: Hub<Said>,
}

impl Serve for Server {
    async fn serve(self, stream: impl Stream, is_secure: bool) {
        let service = service_fn(move |request| {
            let server = self.clone();
            async move { server.upgrade(request, is_secure) }
        });
        let served = http1::Builder::new().serve_connection(TokioIo::new(stream), service).with_upgrades();
        // A peer that is gone ends its task, and that is all there is to it.
        let _ = served.await;
    }
}

impl Server {
    fn upgrade(
        self,
        mut request: Request<Incoming>,
        is_secure: bool,
    ) -> Result<Response<Empty<Bytes>>, WebSocketError> {
        let (response, upgraded) = upgrade(&mut request)?;
        tokio::spawn(tokio::task::unconstrained(async move {
            let _ = self.talk(upgraded, is_secure).await;
        }));
        Ok(response)
    }

    async fn talk(self, upgraded: UpgradeFut, is_secure: bool) -> Result<(), WebSocketError> {
        let mut socket = upgraded.await?;
        socket.set_max_message_size(MESSAGE_BYTES);
        if is_secure {
            socket.set_writev(false);
        }
        match self.mode {
            Mode::Echo => echo(socket).await,
            Mode::Broadcast => broadcast(socket, &self.hub).await,
        }
    }
}

async fn echo(socket: WebSocket<TokioIo<Upgraded>>) -> Result<(), WebSocketError> {
    let mut socket = FragmentCollector::new(socket);
    loop {
        let frame = socket.read_frame().await?;
        match frame.opcode {
            OpCode::Close => return Ok(()),
            OpCode::Text | OpCode::Binary => socket.write_frame(frame).await?,
            OpCode::Continuation | OpCode::Ping | OpCode::Pong => {}
        }
    }
}

async fn broadcast(socket: WebSocket<TokioIo<Upgraded>>, hub: &Hub<Said>) -> Result<(), WebSocketError> {
    let (read, write) = socket.split(|stream| {
        let (read, write) = tokio::io::split(stream);
        (read, BufWriter::with_capacity(BUFFER_BYTES, write))
    });
    let (voice, ear) = hub.join();
    let (owed, dues) = unbounded_channel();
    tokio::select! {
        ended = listen(read, voice, owed) => ended,
        ended = tell(write, ear, dues) => ended,
    }
}

/// What the peer says, to all others. What it is owed for that, a pong or the reply to its close, goes to who writes.
async fn listen(
    read: WebSocketRead<impl AsyncRead + Unpin>,
    voice: Voice<Said>,
    owed: UnboundedSender<Frame<'static>>,
) -> Result<(), WebSocketError> {
    let mut read = FragmentCollectorRead::new(read);
    loop {
        let mut owe = |frame: Frame<'static>| std::future::ready(owed.send(frame));
        let frame = read.read_frame(&mut owe).await?;
        match frame.opcode {
            OpCode::Text | OpCode::Binary => voice.say((frame.opcode, Bytes::copy_from_slice(&frame.payload))),
            // Who writes ends it, behind the reply.
            OpCode::Close => std::future::pending().await,
            OpCode::Continuation | OpCode::Ping | OpCode::Pong => {}
        }
    }
}

/// What others say, and what is owed, to the peer.
async fn tell(
    mut write: WebSocketWrite<impl AsyncWrite + Unpin>,
    mut ear: Ear<Said>,
    mut dues: UnboundedReceiver<Frame<'static>>,
) -> Result<(), WebSocketError> {
    loop {
        tokio::select! {
            Some(due) = dues.recv() => {
                write.write_frame(due).await?;
                if write.is_closed() {
                    return write.flush().await;
                }
            }
            heard = ear.hear() => {
                let mut next = heard;
                while let Some((opcode, payload)) = next {
                    write.write_frame(Frame::new(true, opcode, None, Payload::Borrowed(&payload))).await?;
                    next = ear.waiting();
                }
            }
        }
        write.flush().await?;
    }
}
