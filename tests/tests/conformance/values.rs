//! Candid values as the scenario writes them in JSON: numbers and principals as text, blobs as hex, opt as the value or null, variants as
//! an object with one field.

use candid::Principal;
use candid::types::value::{IDLField, IDLValue, VariantValue};
use candid::types::{Label, Type, TypeEnv, TypeInner};
use serde_json::{Map, Value, json};

pub fn unhex(text: &str) -> Option<Vec<u8>> {
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok())
        .collect()
}

fn hex(bytes: impl IntoIterator<Item = u8>) -> String {
    bytes
        .into_iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// A value of the type `ty`, with its numbers as texts of digits.
pub fn to_candid(value: &Value, ty: &Type, env: &TypeEnv) -> Result<IDLValue, String> {
    let ty = env.trace_type(ty).map_err(|error| error.to_string())?;
    let wrong = || format!("{value} is no {ty}");
    let digits = || match value {
        Value::Number(number) => Ok(number.to_string()),
        Value::String(text) => Ok(text.clone()),
        _ => Err(wrong()),
    };
    Ok(match ty.as_ref() {
        TypeInner::Null => IDLValue::Null,
        TypeInner::Bool => IDLValue::Bool(value.as_bool().ok_or_else(wrong)?),
        TypeInner::Text => IDLValue::Text(value.as_str().ok_or_else(wrong)?.to_owned()),
        TypeInner::Nat32 => IDLValue::Nat32(digits()?.parse().map_err(|_| wrong())?),
        TypeInner::Nat64 => IDLValue::Nat64(digits()?.parse().map_err(|_| wrong())?),
        TypeInner::Principal => {
            let id = value.as_str().and_then(|id| Principal::from_text(id).ok());
            IDLValue::Principal(id.ok_or_else(wrong)?)
        }
        TypeInner::Opt(inner) => match value {
            Value::Null => IDLValue::None,
            value => IDLValue::Opt(Box::new(to_candid(value, inner, env)?)),
        },
        TypeInner::Vec(inner) if matches!(inner.as_ref(), TypeInner::Nat8) => {
            let bytes = value.as_str().and_then(unhex);
            IDLValue::Blob(bytes.ok_or_else(wrong)?)
        }
        TypeInner::Vec(inner) => {
            let items = value.as_array().ok_or_else(wrong)?.iter();
            IDLValue::Vec(
                items
                    .map(|item| to_candid(item, inner, env))
                    .collect::<Result<_, _>>()?,
            )
        }
        TypeInner::Record(fields) => {
            let mut made = Vec::new();
            for field in fields {
                let value = value.get(field.id.to_string()).unwrap_or(&Value::Null);
                made.push(IDLField {
                    id: field.id.as_ref().clone(),
                    val: to_candid(value, &field.ty, env)?,
                });
            }
            IDLValue::Record(made)
        }
        TypeInner::Variant(fields) => {
            let (name, content) = value
                .as_object()
                .and_then(|fields| fields.iter().next())
                .ok_or_else(wrong)?;
            let index = fields
                .iter()
                .position(|field| field.id.to_string() == *name);
            let index = index.ok_or_else(wrong)?;
            let field = IDLField {
                id: fields[index].id.as_ref().clone(),
                val: to_candid(content, &fields[index].ty, env)?,
            };
            IDLValue::Variant(VariantValue(Box::new(field), index as u64))
        }
        _ => return Err(format!("the scenario has no {ty}")),
    })
}

/// What was answered. An empty vec is an empty list, as the type of its items is not known here.
pub fn to_json(value: &IDLValue) -> Value {
    match value {
        IDLValue::Null | IDLValue::None | IDLValue::Reserved => Value::Null,
        IDLValue::Bool(value) => json!(value),
        IDLValue::Text(text) => json!(text),
        IDLValue::Opt(value) => to_json(value),
        IDLValue::Blob(bytes) => json!(hex(bytes.iter().copied())),
        IDLValue::Vec(items) => {
            let bytes: Option<Vec<u8>> = items
                .iter()
                .map(|item| match item {
                    IDLValue::Nat8(byte) => Some(*byte),
                    _ => None,
                })
                .collect();
            match bytes {
                Some(bytes) if !bytes.is_empty() => json!(hex(bytes)),
                _ => items.iter().map(to_json).collect(),
            }
        }
        IDLValue::Record(fields) => fields
            .iter()
            .map(|field| (name(&field.id), to_json(&field.val)))
            .collect::<Map<_, _>>()
            .into(),
        IDLValue::Variant(variant) => json!({ name(&variant.0.id): to_json(&variant.0.val) }),
        IDLValue::Principal(id) => json!(id.to_text()),
        IDLValue::Nat(number) => json!(number.to_string().replace('_', "")),
        IDLValue::Nat8(number) => json!(number.to_string()),
        IDLValue::Nat16(number) => json!(number.to_string()),
        IDLValue::Nat32(number) => json!(number.to_string()),
        IDLValue::Nat64(number) => json!(number.to_string()),
        other => json!(other.to_string()),
    }
}

fn name(label: &Label) -> String {
    label.to_string()
}

/// Whether an answer is as expected.
pub fn agrees(answer: &Value, expected: &Value) -> bool {
    match (answer, expected) {
        (_, Value::String(text)) if text == "*" => true,
        (Value::String(answer), Value::Number(expected)) => *answer == expected.to_string(),
        (Value::Array(answer), Value::String(expected)) => answer.is_empty() && expected.is_empty(),
        (Value::Object(answer), Value::Object(expected)) => {
            expected.iter().all(|(name, expected)| {
                answer
                    .get(name)
                    .is_some_and(|answer| agrees(answer, expected))
            })
        }
        (Value::Array(answer), Value::Array(expected)) => {
            answer.len() == expected.len()
                && answer
                    .iter()
                    .zip(expected)
                    .all(|(answer, expected)| agrees(answer, expected))
        }
        _ => answer == expected,
    }
}
