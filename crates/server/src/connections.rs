//! The connections of clients: so many and no more, and none whose client does not read what it is sent.

use futures::{Stream, StreamExt};
use metrics::{counter, gauge};
use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};
use tenure_limits::UNREAD;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError},
    time::{Sleep, sleep},
};
use tonic::transport::server::{Connected, TcpConnectInfo};

/// A connection that has its place among those that are open. If its client reads nothing for a while of what it is sent,
/// writing to it fails.
pub(crate) struct Counted {
    stream: TcpStream,
    patience: Duration,
    /// When it fails; `None` while what is written is taken.
    unread: Option<Pin<Box<Sleep>>>,
    reserve: bool,
    _place: Place,
}

impl Counted {
    /// Whether it came when all usual places were taken.
    pub(crate) fn is_reserve(&self) -> bool {
        self.reserve
    }

    /// What a write to the stream came to, but for one that has been waiting for too long.
    fn in_time<T>(&mut self, written: Poll<io::Result<T>>, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.unread = None;
            return written;
        }
        let unread = self.unread.get_or_insert_with(|| Box::pin(sleep(self.patience)));
        ready!(unread.as_mut().poll(cx));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client does not read what it is sent")))
    }
}

/// Comes back when the connection is closed.
struct Place(#[expect(dead_code, reason = "held")] OwnedSemaphorePermit);

impl Drop for Place {
    fn drop(&mut self) {
        gauge!("tenure_connections").decrement(1.0);
    }
}

/// Passes on `most` connections at a time; what comes beyond is closed at once, so that its client looks elsewhere.
pub(crate) fn at_most(
    most: usize,
    incoming: impl Stream<Item = io::Result<TcpStream>>,
) -> impl Stream<Item = io::Result<Counted>> {
    with_reserve(most, 0, incoming)
}

/// As [`at_most`], and beyond these passes on `reserve` that know that they are.
pub(crate) fn with_reserve(
    most: usize,
    reserve: usize,
    incoming: impl Stream<Item = io::Result<TcpStream>>,
) -> impl Stream<Item = io::Result<Counted>> {
    let (usual, reserve) = (Arc::new(Semaphore::new(most)), Arc::new(Semaphore::new(reserve)));
    incoming.filter_map(move |accepted| {
        let counted = accepted.map(|stream| {
            let usual = usual.clone().try_acquire_owned().map(|permit| (permit, false));
            let Ok((permit, reserve)) =
                usual.or_else(|_| Ok::<_, TryAcquireError>((reserve.clone().try_acquire_owned()?, true)))
            else {
                counter!("tenure_connections_refused_total").increment(1);
                return None;
            };
            gauge!("tenure_connections").increment(1.0);
            Some(Counted { stream, patience: UNREAD, unread: None, reserve, _place: Place(permit) })
        });
        std::future::ready(counted.transpose())
    })
}

impl Connected for Counted {
    type ConnectInfo = TcpConnectInfo;

    fn connect_info(&self) -> TcpConnectInfo {
        self.stream.connect_info()
    }
}

impl AsyncRead for Counted {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Counted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.in_time(written, cx)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.in_time(written, cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::pin::pin;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
        time::{Instant, timeout},
    };
    use tonic::transport::server::TcpIncoming;

    const TIMEOUT: Duration = Duration::from_secs(10);

    /// F6: connections are bounded.
    #[tokio::test]
    async fn one_more_is_closed_and_a_place_comes_back() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut counted = pin!(at_most(1, TcpIncoming::from(listener)));
        let _one = TcpStream::connect(address).await.unwrap();
        let place = timeout(TIMEOUT, counted.next()).await.unwrap().unwrap().unwrap();
        let mut two = TcpStream::connect(address).await.unwrap();
        let mut nothing = [0; 1];
        let closed = async {
            tokio::select! {
                read = two.read(&mut nothing) => read,
                _ = counted.next() => panic!("there was no place"),
            }
        };
        assert_eq!(timeout(TIMEOUT, closed).await.unwrap().unwrap(), 0);
        drop(place);
        let _three = TcpStream::connect(address).await.unwrap();
        timeout(TIMEOUT, counted.next()).await.unwrap().unwrap().unwrap();
    }

    #[tokio::test]
    async fn who_reads_nothing_is_cut_off() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut counted = pin!(at_most(2, TcpIncoming::from(listener)));
        let patience = Duration::from_millis(400);
        let silent = TcpStream::connect(address).await.unwrap();
        let mut place = counted.next().await.unwrap().unwrap();
        place.patience = patience;
        let begin = Instant::now();
        // More than the kernel holds for a connection.
        let large = vec![0; 64 << 20];
        let written = timeout(TIMEOUT, place.write_all(&large)).await.unwrap();
        assert_eq!(written.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert!(begin.elapsed() >= patience, "{:?}", begin.elapsed());
        drop(silent);

        // One that reads slowly is not.
        let mut slow = TcpStream::connect(address).await.unwrap();
        let mut place = counted.next().await.unwrap().unwrap();
        place.patience = patience;
        let mut part = vec![0; 4 << 20];
        let reading = async {
            for _ in 0..16 {
                sleep(patience / 4).await;
                slow.read_exact(&mut part).await.unwrap();
            }
        };
        let (written, ()) = tokio::join!(place.write_all(&large), reading);
        written.unwrap();
    }
}
