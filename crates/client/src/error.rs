//! What can go wrong between a client and a vault, as one type whose messages say what to do about it.

use std::{io, path::PathBuf};

use candid::Principal;
use ic_agent::{AgentError, agent::RejectCode, agent_error::TransportError};
use keepsake_api::Error as VaultError;

/// Why a call, an upload or a download failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The URL is not one that an agent can talk to.
    #[error("{url:?} is not a URL of a vault; it looks like http://127.0.0.1:4943")]
    InvalidUrl { url: String },
    /// The HTTP client does not start, for want of TLS for example.
    #[error("this machine cannot make HTTP requests: {reason}")]
    Setup { reason: String },
    /// On the Internet Computer every vault has its own canister id; there is no default.
    #[error("{url} is the Internet Computer: say which canister is the vault (its canister id)")]
    CanisterIdNeeded { url: String },
    /// Nothing listens at the URL, or the connection broke.
    #[error("no vault answers at {url}")]
    Unreachable {
        url: String,
        source: Box<AgentError>,
    },
    /// An earlier failure of the same run showed that nothing answers there any more.
    #[error("not tried: the vault stopped answering")]
    NotTried,
    /// The other end answered, but could not take the call at this moment.
    #[error("the vault at {url} could not take the call {method} just now: {reason}")]
    Busy {
        url: String,
        method: &'static str,
        reason: String,
    },
    /// The other end speaks HTTP, but not the Internet Computer's interface, or refuses the request.
    #[error("the server at {url} refused {method}: {reason}")]
    Refused {
        url: String,
        method: &'static str,
        reason: String,
    },
    /// The call was delivered and rejected: the canister trapped, has no such method, or does not exist.
    #[error("canister {canister_id} rejected {method} ({code}): {message}")]
    Rejected {
        canister_id: Principal,
        method: &'static str,
        code: String,
        message: String,
    },
    /// The vault answered with one of its typed errors.
    #[error("{method}: {error}")]
    Vault {
        method: &'static str,
        error: VaultError,
    },
    /// A certificate or a query signature does not verify: the answer is not the vault's.
    #[error(
        "the answer to {method} is not authentic: {reason}; check the URL, and this machine's clock"
    )]
    NotAuthentic {
        method: &'static str,
        reason: String,
    },
    /// The answer does not decode as the type expected.
    #[error(
        "the vault's answer to {method} does not match this client's interface; \
         use a client and a vault of the same version ({reason})"
    )]
    Interface {
        method: &'static str,
        reason: String,
    },
    /// The request could not be signed.
    #[error("the identity cannot sign {method}: {reason}")]
    Signing {
        method: &'static str,
        reason: String,
    },
    /// A local file could not be read or written.
    #[error("{path}: {source}", path = path.display())]
    File { path: PathBuf, source: io::Error },
    /// A local file is not a regular file.
    #[error("{path} is not a regular file", path = path.display())]
    NotAFile { path: PathBuf },
    /// The file was written to while it was being read.
    #[error(
        "{path} changed while it was being read; upload it again when nothing writes to it",
        path = path.display()
    )]
    FileChanged { path: PathBuf },
    /// More content than one upload takes.
    #[error("{len} bytes are more than one upload takes ({max} bytes)")]
    TooLarge { len: u64, max: u64 },
    /// What came back is not what was put in.
    #[error("content of {what} differs: {detail}")]
    ContentMismatch { what: String, detail: String },
    /// The memory was too large for one answer, so that the vault left out these inline bytes.
    #[error(
        "the inline bytes of asset {asset_id} were left out of the vault's answer, which was full"
    )]
    InlineLeftOut { asset_id: String },
    /// A memory has no such asset.
    #[error("memory {memory_id} has no asset {asset:?}; it has: {present}")]
    NoSuchAsset {
        memory_id: String,
        asset: String,
        present: String,
    },
    /// The asset is kept outside the vault.
    #[error("asset {asset_id} is kept outside the vault ({location}), which cannot hand it out")]
    External { asset_id: String, location: String },
    /// The consumer of downloaded content could not take it.
    #[error("cannot write: {0}")]
    Output(io::Error),
    /// A key file is not a private key that agents can use.
    #[error("{path} holds no usable private key: {reason}", path = path.display())]
    Key { path: PathBuf, reason: String },
    /// A task of the client itself ended early; only while the program is stopping.
    #[error("the operation was stopped")]
    Stopped,
}

impl ClientError {
    /// Whether the same call may well succeed later, without anything else changing. Every call of the vault
    /// is idempotent (DESIGN I5), so that these are safe to send again.
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            ClientError::Unreachable { .. } | ClientError::Busy { .. }
        )
    }

    /// The vault's own typed error, where that is what it is.
    pub fn vault_error(&self) -> Option<&VaultError> {
        match self {
            ClientError::Vault { error, .. } => Some(error),
            _ => None,
        }
    }

    /// The text of the vault's `InvalidArgument`, where that is what it is. Its beginnings are fixed.
    pub fn invalid_argument(&self) -> Option<&str> {
        match self.vault_error() {
            Some(VaultError::InvalidArgument(text)) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn file(path: impl Into<PathBuf>, source: io::Error) -> Self {
        ClientError::File {
            path: path.into(),
            source,
        }
    }

    /// Sorts an agent's error into what it means for the caller.
    pub(crate) fn from_agent(
        url: &str,
        canister_id: Principal,
        method: &'static str,
        error: AgentError,
    ) -> Self {
        match error {
            AgentError::TransportError(TransportError::Reqwest(ref e))
                if e.is_builder() || e.is_redirect() =>
            {
                ClientError::InvalidUrl {
                    url: url.to_owned(),
                }
            }
            AgentError::TransportError(_) => ClientError::Unreachable {
                url: url.to_owned(),
                source: Box::new(error),
            },
            AgentError::TimeoutWaitingForResponse() => ClientError::Busy {
                url: url.to_owned(),
                method,
                reason: "it did not answer in time".to_owned(),
            },
            AgentError::HttpError(ref payload) => {
                let text: String = String::from_utf8_lossy(&payload.content)
                    .chars()
                    .take(200)
                    .collect();
                let reason = format!("HTTP status {}: {}", payload.status, text.trim());
                // 429 and 5xx are the statuses by which a replica or a gateway sheds load.
                if payload.status == 429 || payload.status >= 500 {
                    ClientError::Busy {
                        url: url.to_owned(),
                        method,
                        reason,
                    }
                } else {
                    ClientError::Refused {
                        url: url.to_owned(),
                        method,
                        reason,
                    }
                }
            }
            AgentError::CertifiedReject { reject, .. }
            | AgentError::UncertifiedReject { reject, .. } => match reject.reject_code {
                RejectCode::SysTransient => ClientError::Busy {
                    url: url.to_owned(),
                    method,
                    reason: reject.reject_message,
                },
                code => ClientError::Rejected {
                    canister_id,
                    method,
                    code: match reject.error_code {
                        Some(error_code) => format!("{code:?}, {error_code}"),
                        None => format!("{code:?}"),
                    },
                    message: reject.reject_message,
                },
            },
            AgentError::SigningError(reason) => ClientError::Signing { method, reason },
            AgentError::InvalidReplicaUrl(_)
            | AgentError::UrlParseError(_)
            | AgentError::RouteProviderError(_) => ClientError::InvalidUrl {
                url: url.to_owned(),
            },
            AgentError::CertificateVerificationFailed()
            | AgentError::QuerySignatureVerificationFailed
            | AgentError::CertificateNotAuthorized()
            | AgentError::CertificateOutdated(_)
            | AgentError::CertificateHasTooManyDelegations
            | AgentError::MissingSignature
            | AgentError::MalformedSignature
            | AgentError::MalformedPublicKey
            | AgentError::TooManySignatures { .. }
            | AgentError::DerKeyLengthMismatch { .. }
            | AgentError::DerPrefixMismatch { .. } => ClientError::NotAuthentic {
                method,
                reason: error.to_string(),
            },
            // SysUnknown (6), which the agent does not know: whether the call took effect was lost.
            AgentError::InvalidRejectCode(_) => ClientError::Busy {
                url: url.to_owned(),
                method,
                reason: "its outcome was lost".to_owned(),
            },
            // The reply was dropped before it was read: the effect is there, and asking again shows it.
            AgentError::RequestStatusDoneNoReply(_) => ClientError::Busy {
                url: url.to_owned(),
                method,
                reason: "its reply is no longer kept".to_owned(),
            },
            other => ClientError::Refused {
                url: url.to_owned(),
                method,
                reason: other.to_string(),
            },
        }
    }
}
