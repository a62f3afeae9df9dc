//! The control socket: what a person may ask of the running daemon, as HTTP on a Unix socket. Whoever may open the socket
//! may ask.

use std::io;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::Router;
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinSet;

use super::{Desk, acting, answer, finished, reading};
use crate::store::outbox::Outbox;

/// Connections at once; the next one waits. More than may follow, so that those who do leave room for others.
const CONNECTIONS_MOST: usize = 64;
/// How long one may last: as long as the most patient command waits, one that reloads large lists.
const CONNECTION_TIME: Duration = Duration::from_mins(1);
/// The socket is for its owner and group: a person on call needs no root.
const MODE: u32 = 0o660;

/// A socket that is listened at. Its file goes with it.
pub(in crate::daemon) struct Socket {
    listener: UnixListener,
    path: PathBuf,
}

impl Drop for Socket {
    fn drop(&mut self) {
        // One that stays is replaced at the next start.
        let _stays = std::fs::remove_file(&self.path);
    }
}

/// Listens at `path`. A socket that a killed daemon left there is replaced, one that somebody answers at is not.
pub(in crate::daemon) async fn listen(path: &Path) -> io::Result<Socket> {
    if path.symlink_metadata().is_ok_and(|found| found.file_type().is_socket()) {
        if UnixStream::connect(path).await.is_ok() {
            return Err(io::Error::new(io::ErrorKind::AddrInUse, "another daemon listens there"));
        }
        std::fs::remove_file(path)?;
    }
    let socket = Socket { listener: UnixListener::bind(path)?, path: path.to_owned() };
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(MODE))?;
    Ok(socket)
}

/// Answers until it is dropped.
pub(in crate::daemon) async fn serve<S: Outbox>(socket: Socket, desk: Desk<S>) {
    let api: Router = finished(reading::router(desk.clone()).merge(acting::router(desk)));
    let mut open = JoinSet::new();
    loop {
        while open.len() >= CONNECTIONS_MOST {
            open.join_next().await;
        }
        while open.try_join_next().is_some() {}
        match socket.listener.accept().await {
            Ok((stream, _)) => {
                open.spawn(answer(stream, api.clone(), CONNECTION_TIME));
            }
            Err(cause) => {
                tracing::warn!(%cause, "the control socket does not take a connection");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}
