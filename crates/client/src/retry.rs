//! When to send a call again: exponential backoff with full jitter, for a bounded time, and only for errors
//! that time can heal. Safe because every call of the vault is idempotent (DESIGN I5).

use std::{future::Future, time::Duration};

use rand::Rng;
use tokio::time::Instant;

use crate::ClientError;

/// How long and how often a call is repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Upper bound of the first pause; it doubles with every further one.
    pub first_pause: Duration,
    /// Upper bound of any pause.
    pub longest_pause: Duration,
    /// No new attempt starts later than this after the first one. Zero: never retry.
    pub give_up_after: Duration,
}

impl Default for RetryPolicy {
    /// Pauses of up to 0.2 s growing to 4 s, for at most 30 s: long enough for a host that is being restarted.
    fn default() -> Self {
        RetryPolicy {
            first_pause: Duration::from_millis(200),
            longest_pause: Duration::from_secs(4),
            give_up_after: Duration::from_secs(30),
        }
    }
}

impl RetryPolicy {
    /// Tries once and no more.
    pub const NEVER: RetryPolicy = RetryPolicy {
        first_pause: Duration::ZERO,
        longest_pause: Duration::ZERO,
        give_up_after: Duration::ZERO,
    };

    /// Runs `attempt` until it succeeds, fails for good, or the policy's time is over; the last error is
    /// returned.
    pub async fn run<T, F, R>(&self, mut attempt: F) -> Result<T, ClientError>
    where
        F: FnMut() -> R,
        R: Future<Output = Result<T, ClientError>>,
    {
        let started = Instant::now();
        let mut bound = self.first_pause;
        loop {
            let error = match attempt().await {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            if !error.is_transient() {
                return Err(error);
            }
            // Half of the bound is fixed, so that repeated attempts never become a busy loop.
            let pause = bound / 2 + bound.mul_f64(rand::rng().random_range(0.0..0.5));
            if started.elapsed() + pause >= self.give_up_after {
                return Err(error);
            }
            tokio::time::sleep(pause).await;
            bound = (bound * 2).min(self.longest_pause);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    fn busy() -> ClientError {
        ClientError::Busy {
            url: "http://vault".into(),
            method: "whoami",
            reason: "queue full".into(),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn transient_errors_are_retried_until_success() {
        let attempts = Cell::new(0);
        let result = RetryPolicy::default()
            .run(|| {
                attempts.set(attempts.get() + 1);
                let n = attempts.get();
                async move { if n < 4 { Err(busy()) } else { Ok(n) } }
            })
            .await;
        assert_eq!(result.unwrap(), 4);
    }

    #[tokio::test(start_paused = true)]
    async fn typed_errors_are_final() {
        let attempts = Cell::new(0);
        let result: Result<(), _> = RetryPolicy::default()
            .run(|| {
                attempts.set(attempts.get() + 1);
                async {
                    Err(ClientError::Vault {
                        method: "uploads_begin",
                        error: keepsake_api::Error::ResourceExhausted,
                    })
                }
            })
            .await;
        assert!(result.is_err());
        assert_eq!(attempts.get(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn it_gives_up_in_time_and_pauses_grow() {
        let policy = RetryPolicy::default();
        let started = Instant::now();
        let attempts = Cell::new(0u32);
        let result: Result<(), _> = policy
            .run(|| {
                attempts.set(attempts.get() + 1);
                async { Err(busy()) }
            })
            .await;
        assert!(matches!(result, Err(ClientError::Busy { .. })));
        assert!(started.elapsed() <= policy.give_up_after);
        assert!(started.elapsed() >= policy.give_up_after - policy.longest_pause);
        assert!(attempts.get() < 25, "{} attempts", attempts.get());
    }

    #[tokio::test(start_paused = true)]
    async fn never_means_once() {
        let attempts = Cell::new(0);
        let result: Result<(), _> = RetryPolicy::NEVER
            .run(|| {
                attempts.set(attempts.get() + 1);
                async { Err(busy()) }
            })
            .await;
        assert!(result.is_err());
        assert_eq!(attempts.get(), 1);
    }
}
