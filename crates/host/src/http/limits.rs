//! How much one peer and one principal may ask for: token buckets, so that nobody keeps the host from everyone else.
//!
//! A peer is limited before anything of its request is read, a principal after its signature was verified, so that nobody spends what is
//! somebody else's. What is refused is answered with 429 and may be sent again.
//!
//! Invariant: the tables are bounded, whoever comes; an attacker with many addresses makes the unknown ones share a bucket.

use candid::Principal;
use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The most peers, and the most principals, that are told apart.
const MAX_KEYS: usize = 16_384;

/// How often a table that is full is looked through for those who have not asked for a while.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);

/// What a request that is refused as forged costs its peer: each made the host verify a signature.
pub const FORGERY_COST: u32 = 100;

/// How many requests somebody may make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// In the long run, at least 1.
    pub per_second: u32,
    /// At once, after a pause.
    pub burst: u32,
}

/// Who is at the other end of a connection; requests carry it as an extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer(pub SocketAddr);

impl Peer {
    /// What of the address is one peer: an IPv4 address, or an IPv6 network of 64 bits, which is what one subscriber has.
    pub fn network(&self) -> IpAddr {
        match self.0.ip().to_canonical() {
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                if address.is_loopback() {
                    IpAddr::V6(address)
                } else {
                    IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
                }
            }
            address => address,
        }
    }

    /// Whether the connection comes from this machine.
    pub fn is_loopback(&self) -> bool {
        self.0.ip().to_canonical().is_loopback()
    }
}

/// What is left to somebody, and when that was so.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    tokens: f64,
    at: Instant,
}

impl Bucket {
    fn full(rate: Rate, now: Instant) -> Bucket {
        Bucket {
            tokens: f64::from(rate.burst),
            at: now,
        }
    }

    fn refill(&mut self, rate: Rate, now: Instant) {
        let elapsed = now.saturating_duration_since(self.at).as_secs_f64();
        let tokens = self.tokens + elapsed * f64::from(rate.per_second);
        self.tokens = tokens.min(f64::from(rate.burst));
        self.at = now;
    }
}

#[derive(Debug)]
struct Table<K> {
    buckets: HashMap<K, Bucket>,
    /// Shared by those who find the table full.
    others: Bucket,
    swept: Instant,
}

/// A bucket for each key.
#[derive(Debug)]
struct Buckets<K> {
    rate: Rate,
    table: Mutex<Table<K>>,
}

impl<K: Hash + Eq> Buckets<K> {
    fn new(rate: Rate, now: Instant) -> Buckets<K> {
        let table = Table {
            buckets: HashMap::new(),
            others: Bucket::full(rate, now),
            swept: now,
        };
        Buckets {
            rate,
            table: Mutex::new(table),
        }
    }

    /// Takes one token; false where none is left. Constant time, but for a sweep of a full table once a second.
    fn take(&self, key: K, now: Instant) -> bool {
        self.with(key, now, |bucket| {
            let enough = bucket.tokens >= 1.0;
            if enough {
                bucket.tokens -= 1.0;
            }
            enough
        })
    }

    /// Takes `cost` tokens, and what is not there from those to come, up to as many again as the burst.
    fn charge(&self, key: K, cost: u32, now: Instant) {
        let lowest = -f64::from(self.rate.burst);
        self.with(key, now, |bucket| {
            bucket.tokens = (bucket.tokens - f64::from(cost)).max(lowest);
        });
    }

    fn with<T>(&self, key: K, now: Instant, change: impl FnOnce(&mut Bucket) -> T) -> T {
        let rate = self.rate;
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        let Table {
            buckets,
            others,
            swept,
        } = &mut *table;
        let is_full = buckets.len() >= MAX_KEYS && !buckets.contains_key(&key);
        if is_full && now.saturating_duration_since(*swept) >= SWEEP_INTERVAL {
            *swept = now;
            buckets.retain(|_, bucket| {
                bucket.refill(rate, now);
                bucket.tokens < f64::from(rate.burst)
            });
        }
        let bucket = if is_full && buckets.len() >= MAX_KEYS {
            others
        } else {
            buckets
                .entry(key)
                .or_insert_with(|| Bucket::full(rate, now))
        };
        bucket.refill(rate, now);
        change(bucket)
    }
}

/// The limits of an interface.
#[derive(Debug)]
pub struct Limits {
    peers: Option<Buckets<IpAddr>>,
    principals: Option<Buckets<Principal>>,
}

impl Limits {
    /// `None` is no limit.
    pub fn new(peer: Option<Rate>, principal: Option<Rate>) -> Limits {
        let now = Instant::now();
        Limits {
            peers: peer.map(|rate| Buckets::new(rate, now)),
            principals: principal.map(|rate| Buckets::new(rate, now)),
        }
    }

    /// Whether the peer may make a request now.
    pub fn admits_peer(&self, peer: Peer) -> bool {
        self.peers
            .as_ref()
            .is_none_or(|peers| peers.take(peer.network(), Instant::now()))
    }

    /// The peer has sent something forged.
    pub fn forged(&self, peer: Peer) {
        if let Some(peers) = &self.peers {
            peers.charge(peer.network(), FORGERY_COST, Instant::now());
        }
    }

    /// Whether the principal, who has proven to be it, may make a request now. The anonymous one is everybody, who is limited as a peer only.
    pub fn admits_principal(&self, principal: Principal) -> bool {
        principal == Principal::anonymous()
            || self
                .principals
                .as_ref()
                .is_none_or(|principals| principals.take(principal, Instant::now()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate {
        per_second: 10,
        burst: 3,
    };

    #[test]
    fn a_burst_and_then_the_rate() {
        let now = Instant::now();
        let buckets = Buckets::new(RATE, now);
        let taken = |now| (0..10).filter(|_| buckets.take("a", now)).count();
        assert_eq!(taken(now), 3);
        assert!(buckets.take("b", now), "somebody else's are untouched");
        assert_eq!(taken(now + Duration::from_millis(200)), 2);
        assert_eq!(taken(now + Duration::from_secs(60)), 3);
    }

    #[test]
    fn a_charge_is_paid_off_and_bounded() {
        let now = Instant::now();
        let buckets = Buckets::new(RATE, now);
        for _ in 0..5 {
            buckets.charge("a", FORGERY_COST, now);
        }
        assert!(!buckets.take("a", now + Duration::from_millis(350)));
        assert!(buckets.take("a", now + Duration::from_millis(450)));
    }

    #[test]
    fn the_table_is_bounded() {
        let now = Instant::now();
        let buckets = Buckets::new(RATE, now);
        for key in 0..MAX_KEYS {
            assert!(buckets.take(key, now));
        }
        let strangers = (MAX_KEYS..MAX_KEYS + 100)
            .filter(|key| buckets.take(*key, now))
            .count();
        assert_eq!(strangers, 3, "they share a bucket");
        assert!(buckets.take(0, now), "who is known is not concerned");
        let later = now + SWEEP_INTERVAL;
        for key in MAX_KEYS..MAX_KEYS + 100 {
            assert!(buckets.take(key, later));
        }
        assert_eq!(buckets.table.lock().unwrap().buckets.len(), 100);
    }

    #[test]
    fn a_subscriber_is_one_peer() {
        let network = |address: &str| Peer(address.parse().unwrap()).network().to_string();
        assert_eq!(network("192.0.2.1:5"), "192.0.2.1");
        assert_eq!(network("[2001:db8:1:2:3:4:5:6]:5"), "2001:db8:1:2::");
        assert_eq!(network("[::ffff:192.0.2.1]:5"), "192.0.2.1");
        assert!(Peer("[::1]:5".parse().unwrap()).is_loopback());
        assert!(Peer("[::ffff:127.0.0.1]:5".parse().unwrap()).is_loopback());
        assert!(!Peer("192.0.2.1:5".parse().unwrap()).is_loopback());
    }
}
