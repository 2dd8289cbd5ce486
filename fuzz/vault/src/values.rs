//! Candid values of any type out of the fuzzer's bytes. What the interface gives meaning to (ids, keys, contents with their hashes, moments)
//! is mostly picked from what the prepared vault knows, so that calls get past their first check.

use arbitrary::{Result, Unstructured};
use candid::types::internal::find_type;
use candid::types::value::{IDLArgs, IDLField, IDLValue, VariantValue};
use candid::types::{Type, TypeEnv, TypeInner};
use candid::{Int, Nat, Principal};

use crate::world::World;

/// The longest run of one element: just above the most that any call takes.
const LONGEST: usize = 1_001;

/// The message of arguments of these types.
///
/// # Errors
/// Where the bytes are at their end.
pub fn message(u: &mut Unstructured, world: &World, types: &[Type]) -> Result<Vec<u8>> {
    let args = types
        .iter()
        .map(|ty| value(u, world, ty))
        .collect::<Result<Vec<_>>>()?;
    let args = IDLArgs { args };
    Ok(args
        .to_bytes_with_types(&TypeEnv::new(), types)
        .expect("the values are of the types"))
}

fn value(u: &mut Unstructured, world: &World, ty: &Type) -> Result<IDLValue> {
    Ok(match ty.as_ref() {
        TypeInner::Bool => IDLValue::Bool(u.arbitrary()?),
        TypeInner::Text => IDLValue::Text(text(u, world)?),
        TypeInner::Nat => IDLValue::Nat(Nat::from(u.arbitrary::<u64>()?)),
        TypeInner::Int => IDLValue::Int(Int::from(u.arbitrary::<i64>()?)),
        TypeInner::Nat8 => IDLValue::Nat8(u.arbitrary()?),
        TypeInner::Nat16 => IDLValue::Nat16(u.arbitrary()?),
        TypeInner::Nat32 => IDLValue::Nat32(number(u, world)? as u32),
        TypeInner::Nat64 => IDLValue::Nat64(number(u, world)?),
        TypeInner::Float32 => IDLValue::Float32(f32::from_bits(u.arbitrary()?)),
        TypeInner::Float64 => IDLValue::Float64(f64::from_bits(u.arbitrary()?)),
        TypeInner::Principal => IDLValue::Principal(principal(u, world)?),
        TypeInner::Opt(inner) => match u.arbitrary()? {
            true => IDLValue::Opt(Box::new(value(u, world, inner)?)),
            false => IDLValue::None,
        },
        TypeInner::Vec(inner) if matches!(inner.as_ref(), TypeInner::Nat8) => {
            IDLValue::Blob(content(u, world)?)
        }
        TypeInner::Vec(inner) => vector(u, world, inner)?,
        TypeInner::Record(fields) => {
            let fields = fields.iter().map(|field| {
                Ok(IDLField {
                    id: (*field.id).clone(),
                    val: value(u, world, &field.ty)?,
                })
            });
            IDLValue::Record(fields.collect::<Result<_>>()?)
        }
        TypeInner::Variant(fields) => {
            let index = u.choose_index(fields.len())?;
            let field = &fields[index];
            let field = IDLField {
                id: (*field.id).clone(),
                val: value(u, world, &field.ty)?,
            };
            IDLValue::Variant(VariantValue(Box::new(field), index as u64))
        }
        TypeInner::Knot(id) => value(u, world, &find_type(id).expect("a known type"))?,
        _ => IDLValue::Null,
    })
}

fn text(u: &mut Unstructured, world: &World) -> Result<String> {
    Ok(match u.int_in_range(0..=15)? {
        0 => u.arbitrary::<&str>()?.into(),
        // Nearly one: a byte of an id changed.
        1 => {
            let mut chars: Vec<char> = u.choose(&world.texts)?.chars().collect();
            if let Some(last) = chars.len().checked_sub(1) {
                chars[u.int_in_range(0..=last)?] = u.arbitrary()?;
            }
            chars.into_iter().collect()
        }
        _ => u.choose(&world.texts)?.clone(),
    })
}

fn number(u: &mut Unstructured, world: &World) -> Result<u64> {
    match u.int_in_range(0..=3)? {
        0 => u.arbitrary(),
        1 => u.int_in_range(0..=3),
        _ => u.choose(&world.numbers).copied(),
    }
}

fn principal(u: &mut Unstructured, world: &World) -> Result<Principal> {
    match u.int_in_range(0..=7)? {
        0 => Ok(Principal::from_slice(u.bytes(29.min(u.len()))?)),
        _ => u.choose(&world.people).copied(),
    }
}

fn content(u: &mut Unstructured, world: &World) -> Result<Vec<u8>> {
    match u.int_in_range(0..=7)? {
        0 => u.arbitrary::<&[u8]>().map(<[u8]>::to_vec),
        _ => u.choose(&world.contents).cloned(),
    }
}

fn vector(u: &mut Unstructured, world: &World, of: &Type) -> Result<IDLValue> {
    let mut values = Vec::new();
    match u.int_in_range(0..=31)? {
        // One element many times, but not of those that are large themselves.
        0 => {
            let one = value(u, world, of)?;
            let most = if is_small(&one) { LONGEST } else { 4 };
            values.resize(u.int_in_range(0..=most)?, one);
        }
        _ => {
            for _ in 0..u.int_in_range(0..=3)? {
                values.push(value(u, world, of)?);
            }
        }
    }
    Ok(IDLValue::Vec(values))
}

fn is_small(value: &IDLValue) -> bool {
    match value {
        IDLValue::Text(text) => text.len() < 200,
        IDLValue::Blob(bytes) => bytes.len() < 200,
        IDLValue::Record(_) | IDLValue::Vec(_) => false,
        _ => true,
    }
}

/// Texts and numbers of a reply: ids that later calls of the same input can name.
pub fn harvest(world: &mut World, reply: &[u8]) {
    if let Ok(args) = IDLArgs::from_bytes(reply) {
        for value in &args.args {
            gather(world, value);
        }
    }
}

fn gather(world: &mut World, value: &IDLValue) {
    match value {
        IDLValue::Text(text)
            if !text.is_empty() && text.len() < 400 && !world.texts.contains(text) =>
        {
            world.texts.push(text.clone())
        }
        IDLValue::Nat64(number) if !world.numbers.contains(number) => world.numbers.push(*number),
        IDLValue::Opt(value) => gather(world, value),
        IDLValue::Vec(values) => values.iter().for_each(|value| gather(world, value)),
        IDLValue::Record(fields) => fields.iter().for_each(|field| gather(world, &field.val)),
        IDLValue::Variant(variant) => gather(world, &variant.0.val),
        _ => {}
    }
}
