//! How the values of a message are read, worked out from the types that it describes and the types that are expected.

use std::io::Cursor;

use binrw::BinRead;
use candid::CandidType;
use candid::binary_parser::Header;
use candid::types::{Field, Type, TypeEnv, TypeInner};

/// How one value is read. The order of fields and variants is the message's.
#[derive(Debug, PartialEq, Eq)]
pub enum Plan {
    /// An optional field that the message does not have: no bytes.
    Absent,
    Null,
    Bool,
    Nat8,
    Nat16,
    Nat32,
    Nat64,
    Int8,
    Int16,
    Int32,
    Int64,
    Float32,
    Float64,
    Text,
    Principal,
    Opt(Box<Plan>),
    /// Bytes.
    Blob,
    Vec(Box<Plan>),
    Record(Vec<(String, Plan)>),
    Variant(Vec<(String, Plan)>),
}

/// The length of the message's description of its types, and the plan that follows from it for arguments of type `T`; `None` for a
/// description that is malformed.
pub fn of_message<T: CandidType>(message: &[u8]) -> Option<(usize, Option<Plan>)> {
    let mut reader = Cursor::new(message);
    let header = Header::read_le_args(&mut reader, (None,)).ok()?;
    let (env, sent) = header.to_types().ok()?;
    let plan = match T::ty().as_ref() {
        // A tuple's type is the record of its values.
        TypeInner::Record(expected) if expected.len() == sent.len() => expected
            .iter()
            .zip(&sent)
            .map(|(expected, sent)| Some((String::new(), plan(&env, sent, &expected.ty)?)))
            .collect::<Option<_>>()
            .map(Plan::Record),
        _ => None,
    };
    Some((reader.position() as usize, plan))
}

/// `None` where candid has to decide how the value is read. Recursive types are among that: following the expected type, which is then
/// finite, ends.
fn plan(env: &TypeEnv, sent: &Type, expected: &Type) -> Option<Plan> {
    let sent = match sent.as_ref() {
        // An entry of the table is never a name itself.
        TypeInner::Var(name) => env.0.get(name)?,
        _ => sent,
    };
    Some(match (sent.as_ref(), expected.as_ref()) {
        (TypeInner::Null, TypeInner::Null) => Plan::Null,
        (TypeInner::Bool, TypeInner::Bool) => Plan::Bool,
        (TypeInner::Nat8, TypeInner::Nat8) => Plan::Nat8,
        (TypeInner::Nat16, TypeInner::Nat16) => Plan::Nat16,
        (TypeInner::Nat32, TypeInner::Nat32) => Plan::Nat32,
        (TypeInner::Nat64, TypeInner::Nat64) => Plan::Nat64,
        (TypeInner::Int8, TypeInner::Int8) => Plan::Int8,
        (TypeInner::Int16, TypeInner::Int16) => Plan::Int16,
        (TypeInner::Int32, TypeInner::Int32) => Plan::Int32,
        (TypeInner::Int64, TypeInner::Int64) => Plan::Int64,
        (TypeInner::Float32, TypeInner::Float32) => Plan::Float32,
        (TypeInner::Float64, TypeInner::Float64) => Plan::Float64,
        (TypeInner::Text, TypeInner::Text) => Plan::Text,
        (TypeInner::Principal, TypeInner::Principal) => Plan::Principal,
        (TypeInner::Opt(sent), TypeInner::Opt(expected)) => {
            Plan::Opt(Box::new(plan(env, sent, expected)?))
        }
        (TypeInner::Vec(sent), TypeInner::Vec(expected)) => match plan(env, sent, expected)? {
            Plan::Nat8 => Plan::Blob,
            // Any number of values would fit a short message.
            item if item.may_be_empty() => return None,
            item => Plan::Vec(Box::new(item)),
        },
        (TypeInner::Record(sent), TypeInner::Record(expected)) => {
            Plan::Record(record(env, sent, expected)?)
        }
        (TypeInner::Variant(sent), TypeInner::Variant(expected)) => {
            Plan::Variant(variant(env, sent, expected)?)
        }
        _ => return None,
    })
}

/// The fields in order of their numbers, in which both types have them; what is expected but not sent is optional.
fn record(env: &TypeEnv, sent: &[Field], expected: &[Field]) -> Option<Vec<(String, Plan)>> {
    let mut sent = sent.iter().peekable();
    let fields = expected
        .iter()
        .map(|expected| {
            let plan = match sent.next_if(|sent| sent.id == expected.id) {
                Some(sent) => plan(env, &sent.ty, &expected.ty)?,
                None if matches!(expected.ty.as_ref(), TypeInner::Opt(_)) => Plan::Absent,
                None => return None,
            };
            Some((name(expected)?, plan))
        })
        .collect::<Option<Vec<_>>>()?;
    // What is sent but not expected is candid's to skip.
    sent.next().is_none().then_some(fields)
}

fn variant(env: &TypeEnv, sent: &[Field], expected: &[Field]) -> Option<Vec<(String, Plan)>> {
    sent.iter()
        .map(|sent| {
            let expected = expected.iter().find(|expected| expected.id == sent.id)?;
            Some((name(expected)?, plan(env, &sent.ty, &expected.ty)?))
        })
        .collect()
}

/// The name under which Rust's types know a field. Numbered fields, as tuples have, are left to candid.
fn name(field: &Field) -> Option<String> {
    match field.id.as_ref() {
        candid::types::Label::Named(name) => Some(name.clone()),
        _ => None,
    }
}

impl Plan {
    /// Whether a value may take no bytes at all.
    fn may_be_empty(&self) -> bool {
        match self {
            Plan::Absent | Plan::Null => true,
            Plan::Record(fields) => fields.iter().all(|(_, plan)| plan.may_be_empty()),
            _ => false,
        }
    }
}
