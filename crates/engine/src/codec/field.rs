//! The written form of fields whose types are not ours, for `#[cbor(n(..), with = "field")]`.

use bytes::Bytes;
use minicbor::{
    Decode, Decoder, Encode, Encoder,
    bytes::ByteSlice,
    data::Type,
    decode::Error as DecodeError,
    encode::{Error as EncodeError, Write},
};
use std::sync::Arc;
use tenure_api::error::{ApiError, Code};
use uuid::Uuid;

/// A type of a field that minicbor does not know.
pub trait Field: Sized {
    /// Writes one CBOR item.
    fn write<W: Write>(&self, to: &mut Encoder<W>) -> Result<(), EncodeError<W::Error>>;

    /// Reads what [`Field::write`] wrote.
    fn read(from: &mut Decoder<'_>) -> Result<Self, DecodeError>;
}

/// Writes the field, for the derived `Encode`.
pub fn encode<C, T: Field, W: Write>(value: &T, to: &mut Encoder<W>, _: &mut C) -> Result<(), EncodeError<W::Error>> {
    value.write(to)
}

/// Reads the field, for the derived `Decode`.
pub fn decode<'b, C, T: Field>(from: &mut Decoder<'b>, _: &mut C) -> Result<T, DecodeError> {
    T::read(from)
}

impl Field for Arc<str> {
    fn write<W: Write>(&self, to: &mut Encoder<W>) -> Result<(), EncodeError<W::Error>> {
        to.str(self)?.ok()
    }

    fn read(from: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        from.str().map(Arc::from)
    }
}

impl Field for Bytes {
    fn write<W: Write>(&self, to: &mut Encoder<W>) -> Result<(), EncodeError<W::Error>> {
        to.bytes(self)?.ok()
    }

    fn read(from: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        from.bytes().map(Bytes::copy_from_slice)
    }
}

impl Field for Uuid {
    fn write<W: Write>(&self, to: &mut Encoder<W>) -> Result<(), EncodeError<W::Error>> {
        to.bytes(self.as_bytes())?.ok()
    }

    fn read(from: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        Uuid::from_slice(from.bytes()?).map_err(DecodeError::message)
    }
}

impl<T: Field> Field for Option<T> {
    fn write<W: Write>(&self, to: &mut Encoder<W>) -> Result<(), EncodeError<W::Error>> {
        match self {
            Some(value) => value.write(to),
            None => to.null()?.ok(),
        }
    }

    fn read(from: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        match from.datatype()? {
            Type::Null => from.skip().map(|()| None),
            _ => T::read(from).map(Some),
        }
    }
}

/// The written form of an [`ApiError`].
#[derive(Encode, Decode)]
struct Refusal<'a> {
    #[n(0)]
    code: i32,
    #[b(1)]
    message: &'a str,
    #[b(2)]
    detail_type: Option<&'a str>,
    #[b(3)]
    detail: Option<&'a ByteSlice>,
}

impl Field for ApiError {
    fn write<W: Write>(&self, to: &mut Encoder<W>) -> Result<(), EncodeError<W::Error>> {
        let detail = self.detail.as_ref();
        let refusal = Refusal {
            code: self.code as i32,
            message: &self.message,
            detail_type: detail.map(|(name, _)| name.as_str()),
            detail: detail.map(|(_, bytes)| (&**bytes).into()),
        };
        to.encode(refusal)?.ok()
    }

    fn read(from: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let Refusal { code, message, detail_type, detail } = from.decode()?;
        let code = Code::from_number(code).ok_or_else(|| DecodeError::message("no code of an error"))?;
        let detail = detail_type.zip(detail).map(|(name, bytes)| (name.to_owned(), Bytes::copy_from_slice(bytes)));
        Ok(ApiError { code, message: message.to_owned(), detail })
    }
}
