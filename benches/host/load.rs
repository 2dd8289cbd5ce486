//! Load for a host that is being served, and the figures of it: `cargo run --release -p keepsake --example host-load`.
//!
//! What is measured is the host: requests are signed beforehand, and its certificates are not verified here, so that this process takes as
//! little as it can of the processors that both share. Each update is a file of 1,000 bytes that is stored, verified by the vault, and on the disk when it
//! is answered.
//!
//!     host-load throughput <url> <seconds>     updates with 1 and 64 under way, queries with 1 to 16 under way
//!     host-load latency <url> <seconds>        one update after the other: the times they take
//!     host-load syncs <folder> <seconds>       what the disk does: 4 KiB appended and flushed, again and again
//!     host-load fill <url> <MiB>               files of 64 MiB, generated, until the vault holds so much

use std::{
    fs::OpenOptions,
    io::Write,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use candid::{Encode, Principal};
use futures::future::try_join_all;
use ic_agent::{Agent, identity::BasicIdentity};
use keepsake_client::{DEFAULT_CANISTER_ID, Vault};
use sha2::{Digest, Sha256};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// Bytes of the small files.
const SMALL: usize = 1_000;

/// Bytes of a file's chunk, and chunks of a file, where a vault is filled.
const CHUNK: usize = 1_800_000;
const CHUNKS: u32 = 36;

/// Updates prepared for each second with 64 under way: more than a host of two processors does.
const PER_SECOND: usize = 4_000;

#[tokio::main]
async fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args[..] {
        ["throughput", url, seconds] => throughput(url, seconds.parse()?).await,
        ["latency", url, seconds] => latency(url, seconds.parse()?).await,
        ["syncs", folder, seconds] => syncs(folder, seconds.parse()?),
        ["fill", url, mib] => fill(url, mib.parse()?).await,
        _ => bail!(
            "throughput <url> <seconds> | latency <url> <seconds> | syncs <folder> <seconds> | fill <url> <MiB>"
        ),
    }
}

/// Somebody new with a capsule in the vault.
struct Person {
    vault: Vault,
    agent: Agent,
    canister: Principal,
    capsule: String,
    host: SocketAddr,
}

impl Person {
    async fn new(url: &str) -> Result<Person> {
        let identity = Arc::new(BasicIdentity::from_raw_key(&rand::random()));
        let canister = Principal::from_text(DEFAULT_CANISTER_ID)?;
        let vault = Vault::connect(url, Some(canister), identity.clone()).await?;
        let capsule = vault.capsules_create(None).await?.id;
        let agent = Agent::builder()
            .with_url(url)
            .with_arc_identity(identity)
            .build()?;
        let host = url
            .strip_prefix("http://")
            .context("the host is reached by http")?
            .parse()?;
        Ok(Person {
            vault,
            agent,
            canister,
            capsule,
            host,
        })
    }

    /// A small file to store, other than all before.
    fn update(&self) -> Result<Vec<u8>> {
        let mut content = vec![0; SMALL];
        rand::fill(&mut content[..]);
        let sha256 = Sha256::digest(&content).to_vec();
        let key = hex::encode(&sha256[..8]);
        let arg = Encode!(
            &self.capsule,
            &serde_bytes::ByteBuf::from(content),
            &serde_bytes::ByteBuf::from(sha256),
            &key
        )?;
        self.call("uploads_put_blob", arg)
    }

    fn call(&self, method: &str, arg: Vec<u8>) -> Result<Vec<u8>> {
        let signed = self.agent.update(&self.canister, method).with_arg(arg);
        let body = signed.sign()?.signed_update;
        Ok(self.request("v4", "call", body))
    }

    fn query(&self, method: &str, arg: Vec<u8>) -> Result<Vec<u8>> {
        let signed = self.agent.query(&self.canister, method).with_arg(arg);
        let body = signed.sign()?.signed_query;
        Ok(self.request("v3", "query", body))
    }

    /// A whole HTTP request.
    fn request(&self, version: &str, endpoint: &str, body: Vec<u8>) -> Vec<u8> {
        let mut request = format!(
            "POST /api/{version}/canister/{}/{endpoint} HTTP/1.1\r\nhost: localhost\r\n\
             content-type: application/cbor\r\ncontent-length: {}\r\n\r\n",
            self.canister,
            body.len()
        )
        .into_bytes();
        request.extend(body);
        request
    }
}

/// A connection that carries one request after the other.
struct Connection {
    stream: TcpStream,
    received: Vec<u8>,
}

impl Connection {
    async fn open(host: SocketAddr) -> Result<Connection> {
        let stream = TcpStream::connect(host).await?;
        stream.set_nodelay(true)?;
        Ok(Connection {
            stream,
            received: Vec::with_capacity(16 * 1024),
        })
    }

    /// Sends a request and takes its answer, which has to be of status 200 and not a rejection.
    async fn ask(&mut self, request: &[u8]) -> Result<()> {
        self.stream.write_all(request).await?;
        self.received.clear();
        let (head, length) = loop {
            if self.stream.read_buf(&mut self.received).await? == 0 {
                bail!("the host has closed the connection");
            }
            let end = self.received.windows(4).position(|end| end == b"\r\n\r\n");
            if let Some(head) = end {
                let text = String::from_utf8_lossy(&self.received[..head]).to_lowercase();
                let length: usize = text
                    .lines()
                    .find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok())
                    .context("an answer without a length")?;
                if !text.starts_with("http/1.1 200") {
                    bail!("{}", text.lines().next().unwrap_or_default());
                }
                break (head + 4, length);
            }
        };
        let whole = head + length;
        while self.received.len() < whole {
            if self.stream.read_buf(&mut self.received).await? == 0 {
                bail!("the host has closed the connection");
            }
        }
        let rejected = b"reject_message";
        if self
            .received
            .windows(rejected.len())
            .any(|part| part == rejected)
        {
            bail!("{}", String::from_utf8_lossy(&self.received[head..]));
        }
        Ok(())
    }
}

/// Sends the requests over so many connections, each taking the next when it has its answer, for at most so long. Requests a second.
async fn rate(
    person: &Person,
    under_way: usize,
    requests: &[Vec<u8>],
    time: Duration,
) -> Result<f64> {
    let next = AtomicUsize::new(0);
    let answered = AtomicUsize::new(0);
    let begun = Instant::now();
    let workers = (0..under_way).map(|_| async {
        let mut connection = Connection::open(person.host).await?;
        while begun.elapsed() < time {
            let Some(request) = requests.get(next.fetch_add(1, Ordering::Relaxed)) else {
                break;
            };
            connection.ask(request).await?;
            answered.fetch_add(1, Ordering::Relaxed);
        }
        anyhow::Ok(())
    });
    try_join_all(workers).await?;
    Ok(answered.into_inner() as f64 / begun.elapsed().as_secs_f64())
}

async fn throughput(url: &str, seconds: usize) -> Result<()> {
    let person = Person::new(url).await?;
    let time = Duration::from_secs(seconds as u64);
    for (under_way, prepared) in [(1, 1_000), (64, PER_SECOND)] {
        let updates = (0..prepared * seconds).map(|_| person.update());
        let updates = updates.collect::<Result<Vec<_>>>()?;
        let rate = rate(&person, under_way, &updates, time).await?;
        println!("updates a second, {under_way} under way: {rate:.0}");
    }
    let queries = [
        ("whoami", Encode!()?),
        ("capsules_read_basic", Encode!(&Some(&person.capsule))?),
    ];
    for (method, arg) in queries {
        // Nothing keeps a query from being asked again: one is signed for all.
        let query = person.query(method, arg)?;
        let queries = vec![query; 20_000 * seconds];
        for under_way in [1, 4, 16] {
            let rate = rate(&person, under_way, &queries, time).await?;
            println!("queries a second, {method}, {under_way} under way: {rate:.0}");
        }
    }
    Ok(())
}

async fn latency(url: &str, seconds: u64) -> Result<()> {
    let person = Person::new(url).await?;
    let mut connection = Connection::open(person.host).await?;
    let mut times = Vec::new();
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(seconds) {
        let update = person.update()?;
        let sent = Instant::now();
        connection.ask(&update).await?;
        times.push(sent.elapsed());
        // A person at work, who asks for something now and then.
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    times.sort_unstable();
    let at = |share: f64| {
        let index = (times.len() as f64 * share) as usize;
        times
            .get(index.min(times.len().saturating_sub(1)))
            .map_or(0.0, |time| time.as_secs_f64() * 1e3)
    };
    println!(
        "{} updates: p50 {:.1} ms, p90 {:.1} ms, p99 {:.1} ms, the longest {:.1} ms",
        times.len(),
        at(0.5),
        at(0.9),
        at(0.99),
        at(1.0)
    );
    Ok(())
}

fn syncs(folder: &str, seconds: u64) -> Result<()> {
    let path = std::path::Path::new(folder).join("syncs");
    let mut file = OpenOptions::new()
        .create(true)
        .truncate(true)
        .write(true)
        .open(&path)?;
    let begun = Instant::now();
    let mut count = 0u32;
    while begun.elapsed() < Duration::from_secs(seconds) {
        file.write_all(&[7; 4096])?;
        file.sync_data()?;
        count += 1;
    }
    let rate = f64::from(count) / begun.elapsed().as_secs_f64();
    println!("flushes a second: {rate:.0}");
    std::fs::remove_file(path)?;
    Ok(())
}

/// Uploads files side by side until so many MiB are kept. Their content is other in every chunk, and cheap to make.
async fn fill(url: &str, mib: u64) -> Result<()> {
    let person = Person::new(url).await?;
    let file_bytes = u64::from(CHUNKS) * CHUNK as u64;
    let files = (mib << 20).div_ceil(file_bytes);
    let next = AtomicUsize::new(0);
    let person = &person;
    let begun = Instant::now();
    let uploads = (0..4).map(|_| async {
        while (next.fetch_add(1, Ordering::Relaxed) as u64) < files {
            upload(person).await?;
        }
        anyhow::Ok(())
    });
    try_join_all(uploads).await?;
    let bytes = files * file_bytes;
    println!(
        "{} MiB in {} files in {:.0} s",
        bytes >> 20,
        files,
        begun.elapsed().as_secs_f64()
    );
    Ok(())
}

async fn upload(person: &Person) -> Result<()> {
    let seed: [u8; 32] = rand::random();
    let chunk = |index: u32| {
        let mut content = vec![0; CHUNK];
        let mut block = Sha256::digest([&seed[..], &index.to_le_bytes()].concat());
        for part in content.chunks_mut(4096) {
            block = Sha256::digest(block);
            for (to, from) in part.iter_mut().zip(block) {
                *to = from;
            }
        }
        content
    };
    let mut hash = Sha256::new();
    for index in 0..CHUNKS {
        hash.update(chunk(index));
    }
    let hash = serde_bytes::ByteBuf::from(hash.finalize().to_vec());
    let total = u64::from(CHUNKS) * CHUNK as u64;
    let key = hex::encode(&seed[..8]);
    let session = person
        .vault
        .uploads_begin(&person.capsule, CHUNKS, &key)
        .await?;
    let mut connection = Connection::open(person.host).await?;
    for index in 0..CHUNKS {
        let arg = Encode!(&session, &index, &serde_bytes::ByteBuf::from(chunk(index)))?;
        connection
            .ask(&person.call("uploads_put_chunk", arg)?)
            .await?;
    }
    let arg = Encode!(&session, &hash, &total)?;
    connection.ask(&person.call("uploads_finish", arg)?).await
}
