//! Listening and accepting: both listeners as barewire has them, Nagle's algorithm off, each connection a task.
//!
//! Not here: the certificate (`tls.rs`).

use std::future::Future;
use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::{Asked, tls};

/// Connections that may wait to be accepted: as many as barewire lets wait.
const BACKLOG: u32 = 4096;

/// A stream of bytes, plain or not.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin + 'static> Stream for S {}

/// What is done with a connection.
pub trait Serve: Clone + Send + 'static {
    fn serve(self, stream: impl Stream, is_secure: bool) -> impl Future<Output = ()> + Send;
}

/// Opens both listeners, says where they are, and hands what comes to `server`.
pub async fn serve(asked: Asked, server: impl Serve) {
    let (secure, plain) = open(asked).expect("two listeners");
    tokio::join!(accept_secure(secure, server.clone()), accept_plain(plain, server));
}

/// The TLS listener and the plain one; their ports have been told.
pub fn open(asked: Asked) -> io::Result<(TcpListener, TcpListener)> {
    let listen = |scheme: &str, port: u16| {
        let socket = TcpSocket::new_v4()?;
        socket.set_reuseaddr(true)?;
        socket.bind(SocketAddr::from(([127, 0, 0, 1], port)))?;
        let listener = socket.listen(BACKLOG)?;
        println!("{scheme} on port {}", listener.local_addr()?.port());
        Ok::<_, io::Error>(listener)
    };
    Ok((listen("wss", asked.tls)?, listen("ws", asked.plain)?))
}

async fn accept_plain(listener: TcpListener, server: impl Serve) {
    loop {
        if let Some(stream) = accept(&listener).await {
            tokio::spawn(server.clone().serve(stream, false));
        }
    }
}

async fn accept_secure(listener: TcpListener, server: impl Serve) {
    let acceptor = TlsAcceptor::from(tls::config());
    loop {
        if let Some(stream) = accept(&listener).await {
            let (acceptor, server) = (acceptor.clone(), server.clone());
            tokio::spawn(async move {
                // Who cannot do TLS is not served.
                if let Ok(stream) = acceptor.accept(stream).await {
                    server.serve(stream, true).await;
                }
            });
        }
    }
}

/// The next connection; none where it has gone meanwhile.
pub async fn accept(listener: &TcpListener) -> Option<TcpStream> {
    let (stream, _) = listener.accept().await.ok()?;
    stream.set_nodelay(true).ok()?;
    Some(stream)
}
