//! One connection, which can be cut or reset on demand: what an HTTP library never does of its own accord.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};

/// How long to wait after `accept` failed (usually for want of file descriptors), so that it is not tried in a loop.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

const WHOLE: u64 = u64::MAX;
const RESET: u64 = u64::MAX - 1;

/// What is to become of the reply that is about to be written. Shared by the handler and the connection.
#[derive(Debug, Clone)]
pub(super) struct Line(Arc<AtomicU64>);

impl Line {
    fn new() -> Self {
        Self(Arc::new(AtomicU64::new(WHOLE)))
    }

    /// Resets the connection in place of the next write.
    pub(super) fn reset(&self) {
        self.0.store(RESET, Ordering::Release);
    }

    /// Closes the connection after that many bytes of the next reply's body.
    pub(super) fn cut_after(&self, bytes: usize) {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX).min(RESET - 1);
        self.0.store(bytes, Ordering::Release);
    }

    fn order(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }
}

/// Accepts connections whose replies can be cut.
pub(super) struct Gate(pub(super) TcpListener);

impl Listener for Gate {
    type Io = Wire;
    type Addr = std::net::SocketAddr;

    async fn accept(&mut self) -> (Wire, Self::Addr) {
        loop {
            match self.0.accept().await {
                Ok((stream, from)) => {
                    if let Err(error) = stream.set_nodelay(true) {
                        tracing::debug!(%error, "the connection waits for full packets");
                    }
                    return (Wire { stream, line: Line::new(), sent: Sent::default() }, from);
                }
                Err(error) => {
                    tracing::warn!(%error, "the simulator cannot accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.0.local_addr()
    }
}

impl Connected<IncomingStream<'_, Gate>> for Line {
    fn connect_info(stream: IncomingStream<'_, Gate>) -> Self {
        stream.io().line.clone()
    }
}

/// The connection itself.
pub(super) struct Wire {
    stream: TcpStream,
    line: Line,
    sent: Sent,
}

/// What a cut reply has sent so far. A cut is the connection's last act, so it is counted from zero once.
#[derive(Debug, Clone, Copy, Default)]
struct Sent {
    /// How much of the blank line that ends the head has gone by.
    blank: usize,
    /// Bytes of the body.
    body: u64,
}

impl Sent {
    /// How many of `bytes` may go until the body has had `limit` of its own, and what has then been sent.
    fn through(mut self, bytes: &[u8], limit: u64) -> (usize, Self) {
        const BLANK: &[u8] = b"\r\n\r\n";
        for (index, byte) in bytes.iter().enumerate() {
            if self.blank == BLANK.len() {
                if self.body == limit {
                    return (index, self);
                }
                self.body += 1;
            } else if BLANK.get(self.blank) == Some(byte) {
                self.blank += 1;
            } else {
                self.blank = usize::from(*byte == b'\r');
            }
        }
        (bytes.len(), self)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let limit = match this.line.order() {
            WHOLE => return Pin::new(&mut this.stream).poll_write(cx, bytes),
            RESET => {
                // Without lingering, closing sends a reset instead of an orderly end.
                this.stream.set_zero_linger()?;
                return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
            }
            limit => limit,
        };
        let (allowed, _) = this.sent.through(bytes, limit);
        if allowed == 0 {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let some = bytes.get(..allowed).unwrap_or(bytes);
        let written = std::task::ready!(Pin::new(&mut this.stream).poll_write(cx, some))?;
        (_, this.sent) = this.sent.through(some.get(..written).unwrap_or(some), limit);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

impl AsyncRead for Wire {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_read(cx, into)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_counts_the_bodys_bytes_however_the_writes_fall() {
        let whole = b"HTTP/1.1 200 OK\r\nx: \r\r\ny: 1\r\n\r\nabcdef";
        for split in 0..whole.len() {
            let (first, second) = whole.split_at(split);
            let mut sent = Sent::default();
            let mut out = Vec::new();
            for part in [first, second] {
                let (allowed, after) = sent.through(part, 2);
                out.extend_from_slice(&part[..allowed]);
                sent = after;
            }
            assert!(out.ends_with(b"\r\n\r\nab"), "split at {split}: {:?}", String::from_utf8_lossy(&out));
        }
    }
}
