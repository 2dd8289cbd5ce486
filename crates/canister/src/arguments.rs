//! Decodes the arguments of calls whose types cost more to read than their values (see keepsake-arguments). Endpoints name
//! [`decode`] in `decode_with`. That leaves them out of the interface, so they put themselves into it by `candid_method`.
//!
//! For updates only: what is learned of a client's types lies on the heap, and a query's heap is dropped.

use keepsake_arguments::Arguments;

/// The arguments of a method. Traps where they are not what the method takes, as the CDK does.
pub fn decode<T: Arguments>(message: Vec<u8>) -> T {
    match keepsake_arguments::decode(&message) {
        Ok(arguments) => arguments,
        Err(error) => ic_cdk::trap(format!("the arguments cannot be decoded: {error}")),
    }
}
