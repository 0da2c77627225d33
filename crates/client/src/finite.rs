//! Looks for numbers that JSON has not: serde writes null for them, which nobody can read back as a number.

use serde::{
    Serialize, Serializer,
    ser::{
        Error as _, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
        SerializeTupleStruct, SerializeTupleVariant,
    },
};

type Looked = Result<(), serde_json::Error>;

/// An error if a number in the value is not finite.
pub(crate) fn check<T: Serialize + ?Sized>(value: &T) -> Looked {
    value.serialize(Walk)
}

/// Walks through a value and writes nothing.
struct Walk;

fn finite(is_finite: bool, value: impl std::fmt::Display) -> Looked {
    if is_finite { Ok(()) } else { Err(serde_json::Error::custom(format_args!("JSON has no number {value}"))) }
}

macro_rules! nothing_to_see {
    ($($method:ident($($name:ident: $ty:ty),*);)+) => {
        $(fn $method(self, $($name: $ty),*) -> Looked {
            Ok(())
        })+
    };
}

macro_rules! walks {
    ($($method:ident($($name:ident: $ty:ty),*) -> $compound:ident;)+) => {
        $(fn $method(self, $($name: $ty),*) -> Result<Self::$compound, Self::Error> {
            Ok(self)
        })+
    };
}

#[allow(unused_variables)]
impl Serializer for Walk {
    type Ok = ();
    type Error = serde_json::Error;
    type SerializeSeq = Self;
    type SerializeTuple = Self;
    type SerializeTupleStruct = Self;
    type SerializeTupleVariant = Self;
    type SerializeMap = Self;
    type SerializeStruct = Self;
    type SerializeStructVariant = Self;

    fn serialize_f32(self, value: f32) -> Looked {
        finite(value.is_finite(), value)
    }

    fn serialize_f64(self, value: f64) -> Looked {
        finite(value.is_finite(), value)
    }

    nothing_to_see! {
        serialize_bool(value: bool);
        serialize_i8(value: i8);
        serialize_i16(value: i16);
        serialize_i32(value: i32);
        serialize_i64(value: i64);
        serialize_i128(value: i128);
        serialize_u8(value: u8);
        serialize_u16(value: u16);
        serialize_u32(value: u32);
        serialize_u64(value: u64);
        serialize_u128(value: u128);
        serialize_char(value: char);
        serialize_str(value: &str);
        serialize_bytes(value: &[u8]);
        serialize_none();
        serialize_unit();
        serialize_unit_struct(name: &'static str);
        serialize_unit_variant(name: &'static str, index: u32, variant: &'static str);
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Looked {
        check(value)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, name: &'static str, value: &T) -> Looked {
        check(value)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        value: &T,
    ) -> Looked {
        check(value)
    }

    walks! {
        serialize_seq(len: Option<usize>) -> SerializeSeq;
        serialize_tuple(len: usize) -> SerializeTuple;
        serialize_tuple_struct(name: &'static str, len: usize) -> SerializeTupleStruct;
        serialize_tuple_variant(name: &'static str, index: u32, variant: &'static str, len: usize) -> SerializeTupleVariant;
        serialize_map(len: Option<usize>) -> SerializeMap;
        serialize_struct(name: &'static str, len: usize) -> SerializeStruct;
        serialize_struct_variant(name: &'static str, index: u32, variant: &'static str, len: usize) -> SerializeStructVariant;
    }
}

macro_rules! compound {
    ($($compound:ident $method:ident($($name:ident: $ty:ty)?);)+) => {
        $(#[allow(unused_variables)]
        impl $compound for Walk {
            type Ok = ();
            type Error = serde_json::Error;

            fn $method<T: Serialize + ?Sized>(&mut self, $($name: $ty,)? value: &T) -> Looked {
                check(value)
            }

            fn end(self) -> Looked {
                Ok(())
            }
        })+
    };
}

compound! {
    SerializeSeq serialize_element();
    SerializeTuple serialize_element();
    SerializeTupleStruct serialize_field();
    SerializeTupleVariant serialize_field();
    SerializeStruct serialize_field(key: &'static str);
    SerializeStructVariant serialize_field(key: &'static str);
}

impl SerializeMap for Walk {
    type Ok = ();
    type Error = serde_json::Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, _: &T) -> Looked {
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Looked {
        check(value)
    }

    fn end(self) -> Looked {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::DataConverter;

    #[test]
    fn numbers_that_nobody_could_read_back_are_refused() {
        #[derive(serde::Serialize, serde::Deserialize)]
        enum Measured {
            Nothing,
            One(f64),
            Many { values: Vec<Option<f32>> },
        }
        let converter = DataConverter::default();
        let refused = [
            converter.encode(&f64::NAN).unwrap_err(),
            converter.encode(&std::collections::BTreeMap::from([("a".to_owned(), f64::INFINITY)])).unwrap_err(),
            converter.encode(&Measured::One(f64::NEG_INFINITY)).unwrap_err(),
            converter.encode(&(1, Measured::Many { values: vec![None, Some(f32::NAN)] })).unwrap_err(),
        ];
        let numbers = ["NaN", "inf", "-inf", "NaN"];
        assert_eq!(refused.map(|it| it.to_string()), numbers.map(|it| format!("JSON has no number {it}")));
        for fine in [Measured::Nothing, Measured::One(0.5), Measured::Many { values: vec![None, Some(1.5)] }] {
            converter.encode(&(fine, "null".to_owned(), None::<f64>)).unwrap();
        }
    }
}
