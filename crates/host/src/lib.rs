
pub mod certificate;
pub mod crypto;
pub mod http;
pub mod message;
pub mod runtime;
pub mod store;
