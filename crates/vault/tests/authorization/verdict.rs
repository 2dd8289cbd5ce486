//! What a call came to.

use candid::CandidType;
use keepsake_api::Error as Wire;
use keepsake_vault::Result;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    Ok,
    /// The call succeeded, and gave or did nothing: an empty list, a false, a count of 0.
    Nothing,
    Unauthorized,
    NotFound,
    Conflict,
    /// `InvalidArgument` with this text. Expected: with this beginning.
    Invalid(String),
    /// Any other error; never expected.
    Other(String),
    /// Status of an HTTP answer.
    Status(u16),
}

impl Verdict {
    /// Whether a call that came to `got` did what is expected here.
    pub fn agrees(&self, got: &Verdict) -> bool {
        match (self, got) {
            (Verdict::Invalid(beginning), Verdict::Invalid(text)) => text.starts_with(beginning),
            _ => self == got,
        }
    }

    /// Whether a call that came to this may have written something.
    pub fn may_write(&self) -> bool {
        *self == Verdict::Ok
    }

    /// Whether this may be said of what the caller may not know.
    pub fn hides(&self) -> bool {
        matches!(
            self,
            Verdict::Nothing | Verdict::NotFound | Verdict::Invalid(_)
        )
    }
}

/// An answer, with its encoding on the wire.
pub struct Answer {
    pub verdict: Verdict,
    pub bytes: Vec<u8>,
}

/// Judges a result: `gave` says whether a success gave or did anything.
pub fn judged<T: CandidType>(result: Result<T>, gave: impl FnOnce(&T) -> bool) -> Answer {
    let result: std::result::Result<T, Wire> = result.map_err(Wire::from);
    let bytes = candid::encode_one(&result).expect("every answer can be encoded");
    let verdict = match &result {
        Ok(given) if gave(given) => Verdict::Ok,
        Ok(_) => Verdict::Nothing,
        Err(error) => refusal(error),
    };
    Answer { verdict, bytes }
}

pub fn refusal(error: &Wire) -> Verdict {
    match error {
        Wire::Unauthorized => Verdict::Unauthorized,
        Wire::NotFound => Verdict::NotFound,
        Wire::Conflict(_) => Verdict::Conflict,
        Wire::InvalidArgument(text) => Verdict::Invalid(text.clone()),
        other => Verdict::Other(format!("{other:?}")),
    }
}
