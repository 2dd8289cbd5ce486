//! The soak: a served vault, people at work in it, and everything that a home does to a process: it is killed, stopped, started and
//! upgraded, at moments that nobody chose. Every answered call is written down where it was answered; at the end all of it is
//! there, what was deleted is gone, and the vault's own figures agree with what they count.
//!
//! A short one is among the tests; `cargo xtask soak` runs the long one.

mod figures;
mod host;
mod person;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use rand::{Rng, SeedableRng, rngs::StdRng};
use tokio::{runtime::Handle, task::JoinSet};

use crate::{
    figures::Figures,
    host::{Event, Host},
    person::Person,
};

/// Time between two lines of progress.
const PROGRESS: Duration = Duration::from_secs(10);

/// What a soak is made of.
struct Soak {
    seed: u64,
    people: u8,
    /// How long people work; events under way are finished, and the checks come after.
    time: Duration,
    /// What happens first, in this order; then it is chance.
    script: &'static [Event],
    /// Longest time that the vault is left alone, in milliseconds.
    pause_ms: u64,
}

/// A variable's value, where it is set.
fn variable<T: std::str::FromStr>(name: &str) -> Option<T> {
    let text = std::env::var(name).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{name}={text} is no number")),
    )
}

fn seed() -> u64 {
    variable("KEEPSAKE_SOAK_SEED").unwrap_or_else(|| rand::random::<u32>().into())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_short_soak() {
    let soak = Soak {
        seed: seed(),
        people: 8,
        time: Duration::from_secs(12),
        script: &[Event::Kill, Event::Upgrade, Event::Terminate],
        pause_ms: 3_000,
    };
    soak.run().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "minutes: `cargo xtask soak` runs it"]
async fn the_soak() {
    let minutes: f64 = variable("KEEPSAKE_SOAK_MINUTES").unwrap_or(10.0);
    let soak = Soak {
        seed: seed(),
        people: 32,
        time: Duration::from_secs_f64(minutes * 60.0),
        script: &[],
        pause_ms: 10_000,
    };
    soak.run().await;
}

impl Soak {
    async fn run(self) {
        println!(
            "{} people for {:?}; KEEPSAKE_SOAK_SEED={}",
            self.people, self.time, self.seed
        );
        let mut random = StdRng::seed_from_u64(self.seed);
        let mut host = Host::start(&mut random);
        let figures = Arc::new(Figures::default());
        let stop = Arc::new(AtomicBool::new(false));
        let mut people = Vec::new();
        for n in 1..=self.people {
            let neighbour = n % self.people + 1;
            let figures = figures.clone();
            people.push(Person::new(n, neighbour, host.url(), self.seed, figures).await);
        }
        let mut working = JoinSet::new();
        for mut person in people {
            let (runtime, stop) = (Handle::current(), stop.clone());
            // A thread of its own for each.
            working.spawn_blocking(move || {
                while !stop.load(Ordering::Relaxed) {
                    runtime.block_on(person.something());
                }
                person
            });
        }
        let begun = Instant::now();
        let mut told = begun;
        let mut script = self.script.iter().copied();
        loop {
            let pause = random.random_range(0..=self.pause_ms);
            let until = Instant::now() + Duration::from_millis(pause);
            while Instant::now() < until {
                tokio::time::sleep(Duration::from_millis(20)).await;
                if let Some(ended) = working.try_join_next() {
                    // Nobody told it to stop: this is what it found.
                    ended.unwrap();
                    panic!("somebody stopped working");
                }
                if told.elapsed() >= PROGRESS {
                    told = Instant::now();
                    let seconds = begun.elapsed().as_secs();
                    println!("{seconds:>5} s: {}; {}", figures.line(), host.line());
                }
            }
            let scripted = script.next();
            if scripted.is_none() && begun.elapsed() >= self.time {
                break;
            }
            let event = scripted.unwrap_or_else(|| Event::by_chance(&mut random));
            host.happens(event, &mut random).await;
        }
        stop.store(true, Ordering::Relaxed);
        let mut people: Vec<Person> = Vec::new();
        while let Some(ended) = working.join_next().await {
            people.push(ended.unwrap());
        }
        println!("worked for {:.0} s", begun.elapsed().as_secs_f64());
        host.look_from_below();
        people.sort_by_key(|person| person.n);
        for (index, person) in people.iter().enumerate() {
            // Whose neighbour this one is.
            let before = &people[(index + people.len() - 1) % people.len()];
            person.check(before).await;
        }
        println!("{}\n{}", host.line(), figures.report());
        host.end();
    }
}
