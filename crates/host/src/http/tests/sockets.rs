//! What goes wrong below HTTP: large bodies, slow clients, and the end.

use super::support::*;
use crate::http::{Options, serve_backend};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

pub struct Running {
    pub address: SocketAddr,
    stop: oneshot::Sender<()>,
    served: JoinHandle<()>,
}

impl Running {
    pub async fn start(options: Options) -> Self {
        let memory = Memory::new();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let certification = memory.certification.clone();
        let served = tokio::spawn(async move {
            let stopped = async { drop(stopped.await) };
            serve_backend(memory, certification, listener, options, stopped)
                .await
                .unwrap();
        });
        Self {
            address,
            stop,
            served,
        }
    }

    pub async fn stop(self) {
        self.stop.send(()).unwrap();
        self.served.await.unwrap();
    }
}

pub async fn exchange(address: SocketAddr, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request).await.unwrap();
    let mut reply = Vec::new();
    stream.read_to_end(&mut reply).await.unwrap();
    String::from_utf8_lossy(&reply).into_owned()
}

fn head(length: usize) -> String {
    format!(
        "POST {} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/cbor\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n",
        endpoint(3, "call")
    )
}

#[tokio::test]
async fn an_oversized_body_is_answered() {
    let server = Running::start(Options::default()).await;
    let length = 20 << 20;
    let mut request = head(length).into_bytes();
    request.resize(request.len() + length, 0);
    assert!(
        exchange(server.address, &request)
            .await
            .starts_with("HTTP/1.1 413")
    );
    server.stop().await;
}

#[tokio::test]
async fn a_slow_client_is_answered_and_let_go() {
    let limits = Duration::from_millis(200);
    let options = Options {
        header_timeout: limits,
        body_timeout: limits,
        ..Options::default()
    };
    let server = Running::start(options).await;
    let start = Instant::now();
    let reply = exchange(server.address, format!("{}abc", head(100)).as_bytes()).await;
    assert!(reply.starts_with("HTTP/1.1 408"), "{reply}");
    exchange(server.address, b"POST / HTTP/1.1\r\nhost: ").await;
    exchange(server.address, b"").await;
    let reply = exchange(
        server.address,
        b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n",
    )
    .await;
    assert!(
        reply.starts_with("HTTP/1.1 200"),
        "idle after its request, {reply}"
    );
    assert!(start.elapsed() < Duration::from_secs(5));
    server.stop().await;
}

#[tokio::test]
async fn a_reader_who_does_not_read_is_let_go() {
    let options = Options {
        write_timeout: Duration::from_millis(200),
        max_connections: 1,
        ..Options::default()
    };
    let server = Running::start(options).await;
    let query = Draft::call(
        "query",
        candid::Principal::anonymous(),
        "echo",
        &vec![7; 2 << 20],
    )
    .encode();
    let mut request = format!(
        "POST {} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/cbor\r\ncontent-length: {}\r\n\r\n",
        endpoint(2, "query"),
        query.len()
    )
    .into_bytes();
    request.extend_from_slice(&query);
    // Replies pile up: more than the buffers between the two ends hold.
    let mut silent = TcpStream::connect(server.address).await.unwrap();
    let writing = tokio::spawn(async move {
        for _ in 0..20 {
            if silent.write_all(&request).await.is_err() {
                break;
            }
        }
        silent
    });
    let silent = writing.await.unwrap();
    let get = b"GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    let reply = tokio::time::timeout(Duration::from_secs(10), exchange(server.address, get))
        .await
        .unwrap();
    assert!(reply.starts_with("HTTP/1.1 200"), "{reply}");
    drop(silent);
    server.stop().await;
}

#[tokio::test]
async fn every_refusal_reaches_whoever_sent_much() {
    let server = Running::start(Options::default()).await;
    let body = vec![0; 2 << 20];
    for (from, to, expected) in [
        (
            "/api/v3/canister/uxrrr-q7777-77774-qaaaq-cai/call",
            "/api/v3/canister/aaaaa-aa/call",
            "400",
        ),
        (
            "/api/v3/canister/uxrrr-q7777-77774-qaaaq-cai/call",
            "/api/v3/eat",
            "404",
        ),
        (
            "/api/v3/canister/uxrrr-q7777-77774-qaaaq-cai/call",
            "/nowhere",
            "404",
        ),
        (
            "POST /api/v3/canister/uxrrr-q7777-77774-qaaaq-cai/call",
            "PUT /api/v2/status",
            "405",
        ),
        ("application/cbor", "text/plain", "415"),
    ] {
        let head = head(body.len()).replace(from, to);
        let reply = exchange(server.address, &[head.as_bytes(), &body].concat()).await;
        assert!(
            reply.starts_with(&format!("HTTP/1.1 {expected}")),
            "{to}: {reply}"
        );
    }
    server.stop().await;
}

#[tokio::test]
async fn whoever_asks_before_sending_is_told_at_once() {
    let server = Running::start(Options::default()).await;
    let waiting = head(20 << 20).replace("\r\n\r\n", "\r\nexpect: 100-continue\r\n\r\n");
    assert!(
        exchange(server.address, waiting.as_bytes())
            .await
            .starts_with("HTTP/1.1 413")
    );
    server.stop().await;
}

#[tokio::test]
async fn a_body_in_chunks_is_read_and_bounded() {
    let server = Running::start(Options::default()).await;
    let length = |bytes: usize| format!("content-length: {bytes}");
    let chunked = head(0).replace(&length(0), "transfer-encoding: chunked");
    let call = Draft::call("call", candid::Principal::anonymous(), "echo", b"").encode();
    let request = [
        chunked.as_bytes(),
        format!("{:x}\r\n", call.len()).as_bytes(),
        &call,
        b"\r\n0\r\n\r\n",
    ]
    .concat();
    assert!(
        exchange(server.address, &request)
            .await
            .starts_with("HTTP/1.1 200")
    );
    let chunk = [b"100000\r\n".as_slice(), &vec![0; 1 << 20], b"\r\n"].concat();
    let request = [chunked.as_bytes(), &chunk.repeat(5), b"0\r\n\r\n"].concat();
    assert!(
        exchange(server.address, &request)
            .await
            .starts_with("HTTP/1.1 413")
    );
    server.stop().await;
}

#[tokio::test]
async fn garbage_is_answered() {
    let server = Running::start(Options::default()).await;
    assert!(
        exchange(server.address, b"\x16\x03\x01\x02\x00hello\r\n\r\n")
            .await
            .starts_with("HTTP/1.1 400")
    );
    server.stop().await;
}

#[tokio::test]
async fn shutdown_waits_for_open_requests_for_a_while() {
    for answered in [true, false] {
        let options = Options {
            drain_timeout: Duration::from_secs(if answered { 30 } else { 1 }),
            ..Options::default()
        };
        let server = Running::start(options).await;
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(head(10).as_bytes()).await.unwrap();
        stream.write_all(b"01234").await.unwrap();
        // Answered after the first request has begun.
        let health = b"GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
        exchange(server.address, health).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        let begun = Instant::now();
        let stopping = tokio::spawn(server.stop());
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert!(!stopping.is_finished(), "a request is open");
        if answered {
            stream.write_all(b"56789").await.unwrap();
            let mut reply = String::new();
            stream.read_to_string(&mut reply).await.unwrap();
            assert!(reply.starts_with("HTTP/1.1 400"), "{reply}");
        }
        stopping.await.unwrap();
        assert!(begun.elapsed() < Duration::from_secs(20));
    }
}

#[tokio::test]
async fn shutdown_does_not_wait_for_idle_connections() {
    let server = Running::start(Options::default()).await;
    let idle = TcpStream::connect(server.address).await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    let address = server.address;
    tokio::time::timeout(Duration::from_secs(5), server.stop())
        .await
        .unwrap();
    drop(idle);
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn connections_without_a_request_make_room() {
    let options = Options {
        max_connections: 2,
        ..Options::default()
    };
    let server = Running::start(options).await;
    let keep_alive = b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n";
    let mut kept = Vec::new();
    for _ in 0..8 {
        // One that was answered and stays, and one that never says anything.
        let mut used = TcpStream::connect(server.address).await.unwrap();
        used.write_all(keep_alive).await.unwrap();
        let mut first = [0; 12];
        let answered = tokio::time::timeout(Duration::from_secs(10), used.read_exact(&mut first));
        answered
            .await
            .expect("nobody waits for who is idle")
            .unwrap();
        assert_eq!(&first, b"HTTP/1.1 200");
        kept.push(used);
        kept.push(TcpStream::connect(server.address).await.unwrap());
    }
    server.stop().await;
}
