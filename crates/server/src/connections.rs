//! The connections of clients: so many and no more.

use futures::{Stream, StreamExt};
use metrics::{counter, gauge};
use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tonic::transport::server::{Connected, TcpConnectInfo};

/// A connection that has its place among those that are open.
pub(crate) struct Counted {
    stream: TcpStream,
    _place: Place,
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
    let places = Arc::new(Semaphore::new(most));
    incoming.filter_map(move |accepted| {
        let counted = accepted.map(|stream| match places.clone().try_acquire_owned() {
            Ok(permit) => {
                gauge!("tenure_connections").increment(1.0);
                Some(Counted { stream, _place: Place(permit) })
            }
            Err(_) => {
                counter!("tenure_connections_refused_total").increment(1);
                None
            }
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
        Pin::new(&mut self.stream).poll_write(cx, bytes)
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
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{pin::pin, time::Duration};
    use tokio::{io::AsyncReadExt, net::TcpListener, time::timeout};
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
}
