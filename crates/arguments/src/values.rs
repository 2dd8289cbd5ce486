//! Reads values as a plan says. Anything unexpected is [`Refused`]: candid then decodes the message again, and says what is wrong with it.

use std::fmt;
use std::slice;

use serde::Deserialize;
use serde::de::value::StrDeserializer;
use serde::de::{
    self, DeserializeSeed, Deserializer, EnumAccess, MapAccess, SeqAccess, VariantAccess, Visitor,
};

use crate::plan::Plan;

/// The values are not read by the plan.
#[derive(Debug)]
pub struct Refused;

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the values are not read by the plan")
    }
}

impl std::error::Error for Refused {}

impl de::Error for Refused {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Refused
    }
}

type Result<T> = std::result::Result<T, Refused>;

/// Reads `input` to its end as a tuple by the plan of its values.
pub fn read<'de, T: Deserialize<'de>>(plan: &Plan, mut input: &'de [u8]) -> Result<T> {
    let value = T::deserialize(Value {
        plan,
        input: &mut input,
    })?;
    if input.is_empty() {
        Ok(value)
    } else {
        Err(Refused)
    }
}

/// The longest principal, in bytes.
const PRINCIPAL_MAX: usize = 29;

/// By this first byte candid tells principals from the other kinds of bytes that it hands to a visitor.
const PRINCIPAL_TAG: u8 = 2;

/// A value about to be read.
struct Value<'p, 'i, 'de> {
    plan: &'p Plan,
    input: &'i mut &'de [u8],
}

impl<'p, 'i, 'de> Value<'p, 'i, 'de> {
    fn bytes(&mut self, len: usize) -> Result<&'de [u8]> {
        take(self.input, len)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let (bytes, rest) = self.input.split_first_chunk().ok_or(Refused)?;
        *self.input = rest;
        Ok(*bytes)
    }

    fn flag(&mut self) -> Result<bool> {
        match self.array()? {
            [0] => Ok(false),
            [1] => Ok(true),
            _ => Err(Refused),
        }
    }

    fn blob(&mut self) -> Result<&'de [u8]> {
        let len = length(self.input)?;
        self.bytes(len)
    }

    fn principal<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value> {
        // 0 would be an opaque reference, which candid refuses.
        if !self.flag()? {
            return Err(Refused);
        }
        let bytes = self.blob()?;
        if bytes.len() > PRINCIPAL_MAX {
            return Err(Refused);
        }
        let mut tagged = Vec::with_capacity(1 + bytes.len());
        tagged.push(PRINCIPAL_TAG);
        tagged.extend_from_slice(bytes);
        visitor.visit_byte_buf(tagged)
    }

    fn fields(self, fields: &'p [(String, Plan)]) -> Fields<'p, 'i, 'de> {
        Fields {
            fields: fields.iter(),
            current: None,
            input: self.input,
        }
    }
}

fn take<'de>(input: &mut &'de [u8], len: usize) -> Result<&'de [u8]> {
    let (bytes, rest) = input.split_at_checked(len).ok_or(Refused)?;
    *input = rest;
    Ok(bytes)
}

/// A length or index in LEB128, of at most 28 bits: longer ones, and longer spellings, are candid's.
fn length(input: &mut &[u8]) -> Result<usize> {
    let mut length = 0;
    for shift in [0, 7, 14, 21] {
        let (byte, rest) = input.split_first().ok_or(Refused)?;
        *input = rest;
        length |= usize::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(length);
        }
    }
    Err(Refused)
}

impl<'de> Deserializer<'de> for Value<'_, '_, 'de> {
    type Error = Refused;

    fn deserialize_any<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value> {
        match self.plan {
            Plan::Absent => visitor.visit_none(),
            Plan::Null => visitor.visit_unit(),
            Plan::Bool => visitor.visit_bool(self.flag()?),
            Plan::Nat8 => visitor.visit_u8(u8::from_le_bytes(self.array()?)),
            Plan::Nat16 => visitor.visit_u16(u16::from_le_bytes(self.array()?)),
            Plan::Nat32 => visitor.visit_u32(u32::from_le_bytes(self.array()?)),
            Plan::Nat64 => visitor.visit_u64(u64::from_le_bytes(self.array()?)),
            Plan::Int8 => visitor.visit_i8(i8::from_le_bytes(self.array()?)),
            Plan::Int16 => visitor.visit_i16(i16::from_le_bytes(self.array()?)),
            Plan::Int32 => visitor.visit_i32(i32::from_le_bytes(self.array()?)),
            Plan::Int64 => visitor.visit_i64(i64::from_le_bytes(self.array()?)),
            Plan::Float32 => visitor.visit_f32(f32::from_le_bytes(self.array()?)),
            Plan::Float64 => visitor.visit_f64(f64::from_le_bytes(self.array()?)),
            Plan::Text => {
                let text = std::str::from_utf8(self.blob()?).map_err(|_| Refused)?;
                visitor.visit_borrowed_str(text)
            }
            Plan::Principal => self.principal(visitor),
            Plan::Opt(some) => {
                if self.flag()? {
                    visitor.visit_some(Value { plan: some, ..self })
                } else {
                    visitor.visit_none()
                }
            }
            // Read number by number, as by a list of `u8`.
            Plan::Blob => {
                let items = length(self.input)?;
                visitor.visit_seq(Items {
                    plan: &Plan::Nat8,
                    left: items,
                    input: self.input,
                })
            }
            Plan::Vec(item) => {
                let items = length(self.input)?;
                visitor.visit_seq(Items {
                    plan: item,
                    left: items,
                    input: self.input,
                })
            }
            Plan::Record(fields) => visitor.visit_map(self.fields(fields)),
            Plan::Variant(variants) => {
                let index = length(self.input)?;
                let (name, plan) = variants.get(index).ok_or(Refused)?;
                visitor.visit_enum(Tagged {
                    name,
                    value: Value { plan, ..self },
                })
            }
        }
    }

    fn deserialize_bytes<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value> {
        match self.plan {
            Plan::Blob => visitor.visit_borrowed_bytes(self.blob()?),
            Plan::Principal => self.principal(visitor),
            _ => Err(Refused),
        }
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value> {
        match self.plan {
            Plan::Blob => visitor.visit_byte_buf(self.blob()?.to_vec()),
            _ => Err(Refused),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value> {
        match self.plan {
            Plan::Record(fields) => visitor.visit_seq(self.fields(fields)),
            _ => Err(Refused),
        }
    }

    fn is_human_readable(&self) -> bool {
        false
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string option unit unit_struct seq
        tuple_struct map struct enum identifier ignored_any
    }
}

/// The fields of a record, or the values of a tuple.
struct Fields<'p, 'i, 'de> {
    fields: slice::Iter<'p, (String, Plan)>,
    /// What to read for the key given last.
    current: Option<&'p Plan>,
    input: &'i mut &'de [u8],
}

impl<'de> MapAccess<'de> for Fields<'_, '_, 'de> {
    type Error = Refused;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>> {
        let Some((name, plan)) = self.fields.next() else {
            return Ok(None);
        };
        self.current = Some(plan);
        seed.deserialize(StrDeserializer::new(name)).map(Some)
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value> {
        seed.deserialize(Value {
            plan: self.current.take().ok_or(Refused)?,
            input: self.input,
        })
    }
}

impl<'de> SeqAccess<'de> for Fields<'_, '_, 'de> {
    type Error = Refused;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>> {
        let Some((_, plan)) = self.fields.next() else {
            return Ok(None);
        };
        let input = &mut *self.input;
        seed.deserialize(Value { plan, input }).map(Some)
    }
}

/// The values of a list.
struct Items<'p, 'i, 'de> {
    plan: &'p Plan,
    left: usize,
    input: &'i mut &'de [u8],
}

impl<'de> SeqAccess<'de> for Items<'_, '_, 'de> {
    type Error = Refused;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>> {
        let Some(left) = self.left.checked_sub(1) else {
            return Ok(None);
        };
        self.left = left;
        let (plan, input) = (self.plan, &mut *self.input);
        seed.deserialize(Value { plan, input }).map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        // Every value takes a byte at least: what a message claims beyond its length costs nothing.
        Some(self.left.min(self.input.len()))
    }
}

/// A value of a variant.
struct Tagged<'p, 'i, 'de> {
    name: &'p str,
    value: Value<'p, 'i, 'de>,
}

impl<'p, 'i, 'de> EnumAccess<'de> for Tagged<'p, 'i, 'de> {
    type Error = Refused;
    type Variant = Value<'p, 'i, 'de>;

    fn variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<(T::Value, Self::Variant)> {
        let name = seed.deserialize(StrDeserializer::new(self.name))?;
        Ok((name, self.value))
    }
}

impl<'de> VariantAccess<'de> for Value<'_, '_, 'de> {
    type Error = Refused;

    fn unit_variant(self) -> Result<()> {
        match self.plan {
            Plan::Null => Ok(()),
            _ => Err(Refused),
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value> {
        seed.deserialize(self)
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value> {
        self.deserialize_tuple(len, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        self.deserialize_any(visitor)
    }
}
