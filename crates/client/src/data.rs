//! Values to payloads and back: which types travel, who writes them down, and who encrypts what was written.

use crate::finite;
use erased_serde::{Deserializer as ErasedDeserializer, Serialize as ErasedSerialize};
use serde::{Serialize, de::DeserializeOwned};
use std::{
    collections::BTreeMap,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, PoisonError},
};
use tenure_api::common::v1::{Payload, Payloads};

/// A value could not be written as a payload, or a payload could not be read as the type that was asked for.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{what}")]
pub struct DataError {
    what: String,
    of_codec: bool,
}

impl DataError {
    /// An error with this message.
    pub fn new(what: impl fmt::Display) -> Self {
        DataError { what: what.to_string(), of_codec: false }
    }

    /// Whether the codec failed: the same payload may be read a moment later, when its keys are there again.
    pub fn is_of_codec(&self) -> bool {
        self.of_codec
    }

    fn by_codec(self) -> Self {
        DataError { what: format!("codec: {}", self.what), of_codec: true }
    }

    fn within(self, context: impl fmt::Display) -> Self {
        DataError { what: format!("{context}: {}", self.what), ..self }
    }
}

/// Writes values as payloads. The default is [`Json`].
///
/// ```
/// use erased_serde::{Deserializer, Serialize};
/// use tenure_client::{DataConverter, DataError, Json, PayloadConverter, PayloadReader};
/// # type Payload = tenure_api::common::v1::Payload;
/// /// Says who wrote it.
/// struct Signed;
///
/// impl PayloadConverter for Signed {
///     fn encode(&self, value: &dyn Serialize) -> Result<Payload, DataError> {
///         let mut payload = Json.encode(value)?;
///         payload.metadata.insert("author".to_owned(), "billing".into());
///         Ok(payload)
///     }
///
///     fn decode(&self, payload: &Payload, read: PayloadReader<'_>) -> Result<(), DataError> {
///         Json.decode(payload, read)
///     }
/// }
///
/// let payload = DataConverter::new(Signed).encode(&5)?;
/// assert_eq!(payload.metadata["author"], "billing");
/// # Ok::<(), DataError>(())
/// ```
pub trait PayloadConverter: Send + Sync + 'static {
    /// Writes one value, with the metadata that tells readers how.
    fn encode(&self, value: &dyn ErasedSerialize) -> Result<Payload, DataError>;

    /// Hands a deserializer of the payload to `read`, once.
    fn decode(&self, payload: &Payload, read: PayloadReader<'_>) -> Result<(), DataError>;
}

/// What [`PayloadConverter::decode`] calls with a deserializer.
pub type PayloadReader<'a> = &'a mut dyn FnMut(&mut dyn ErasedDeserializer<'_>) -> Result<(), erased_serde::Error>;

/// Changes payloads between converter and wire: encryption, compression. Both directions see every payload of
/// arguments, results, heartbeats, memo fields and failure details; search attributes stay as they are, because the
/// server reads them.
///
/// An error, or a panic, fails what needed the payload: the call of a client, the attempt of an activity, the workflow
/// task (never the workflow), all of which are tried again. Calls come from many threads and should not take long: keep
/// keys in memory, and fetch new ones in the background.
///
/// ```
/// use tenure_client::{DataError, PayloadCodec};
/// use tenure_api::common::v1::Payload;
/// use prost::Message;
///
/// struct Sealed(Key);
/// # struct Key;
/// # impl Key {
/// #     fn seal(&self, plain: &[u8]) -> Result<Vec<u8>, std::fmt::Error> { Ok(plain.iter().map(|it| it ^ 85).collect()) }
/// #     fn open(&self, sealed: &[u8]) -> Result<Vec<u8>, std::fmt::Error> { self.seal(sealed) }
/// # }
///
/// impl PayloadCodec for Sealed {
///     fn encode(&self, payload: Payload) -> Result<Payload, DataError> {
///         // The payload as a whole, so that its own metadata is hidden, too.
///         let data = self.0.seal(&payload.encode_to_vec()).map_err(DataError::new)?;
///         let metadata = [("encoding".to_owned(), "binary/encrypted".into())].into();
///         Ok(Payload { metadata, data: data.into(), ..Default::default() })
///     }
///
///     fn decode(&self, payload: Payload) -> Result<Payload, DataError> {
///         if payload.metadata.get("encoding").is_none_or(|it| it != "binary/encrypted") {
///             return Ok(payload); // from before there was a codec
///         }
///         let plain = self.0.open(&payload.data).map_err(DataError::new)?;
///         Payload::decode(plain.as_slice()).map_err(DataError::new)
///     }
/// }
/// ```
pub trait PayloadCodec: Send + Sync + 'static {
    /// Turns a payload into the one that travels.
    fn encode(&self, payload: Payload) -> Result<Payload, DataError>;
    /// Turns a payload from the wire back into what [`PayloadCodec::encode`] was given.
    fn decode(&self, payload: Payload) -> Result<Payload, DataError>;
}

const ENCODING: &str = "encoding";
const JSON: &[u8] = b"json/plain";
const JSON_PROTOBUF: &[u8] = b"json/protobuf";
const NULL: &[u8] = b"binary/null";
const PLAIN: &[u8] = b"binary/plain";
const NULL_TEXT: &[u8] = b"null";

/// `json/plain`, with `binary/null` for null: what all SDKs read and write by default. Numbers that JSON has not (NaN, the
/// infinite ones) cannot be written.
#[derive(Clone, Copy, Debug, Default)]
pub struct Json;

impl PayloadConverter for Json {
    fn encode(&self, value: &dyn ErasedSerialize) -> Result<Payload, DataError> {
        let data = serde_json::to_vec(value).map_err(DataError::new)?;
        if data.windows(NULL_TEXT.len()).any(|window| window == NULL_TEXT) {
            finite::check(value).map_err(DataError::new)?;
        }
        Ok(if data == NULL_TEXT { null() } else { payload(JSON, data) })
    }

    fn decode(&self, payload: &Payload, read: PayloadReader<'_>) -> Result<(), DataError> {
        let data: &[u8] = match encoding(payload) {
            NULL => NULL_TEXT,
            JSON | JSON_PROTOBUF => &payload.data,
            other => {
                return Err(DataError::new(format!("a payload of encoding {:?}", String::from_utf8_lossy(other))));
            }
        };
        let mut json = serde_json::Deserializer::from_slice(data);
        read(&mut <dyn ErasedDeserializer<'_>>::erase(&mut json)).map_err(DataError::new)
    }
}

fn encoding(payload: &Payload) -> &[u8] {
    payload.metadata.get(ENCODING).map_or(&[], |value| value)
}

fn payload(encoding: &'static [u8], data: Vec<u8>) -> Payload {
    let metadata = BTreeMap::from([(ENCODING.to_owned(), encoding.into())]);
    Payload { metadata, data: data.into(), ..Default::default() }
}

fn null() -> Payload {
    payload(NULL, Vec::new())
}

/// A converter and perhaps a codec: what a client and a worker use for all that they send and receive.
#[derive(Clone)]
pub struct DataConverter {
    converter: Arc<dyn PayloadConverter>,
    codec: Option<Arc<dyn PayloadCodec>>,
    seals_failures: bool,
    /// The first error of the codec, for whoever watches.
    trouble: Option<Arc<Mutex<Option<DataError>>>>,
}

impl Default for DataConverter {
    fn default() -> Self {
        DataConverter::new(Json)
    }
}

impl fmt::Debug for DataConverter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DataConverter").field("codec", &self.codec.is_some()).finish_non_exhaustive()
    }
}

impl DataConverter {
    /// A data converter of this payload converter, and no codec.
    pub fn new(converter: impl PayloadConverter) -> Self {
        DataConverter { converter: Arc::new(converter), codec: None, seals_failures: false, trouble: None }
    }

    /// The same, with a codec between it and the wire.
    #[must_use]
    pub fn with_codec(mut self, codec: impl PayloadCodec) -> Self {
        self.codec = Some(Arc::new(codec));
        self
    }

    /// The same; messages and stack traces of failures go through the codec, too, as other SDKs do it.
    #[must_use]
    pub fn with_sealed_failures(mut self) -> Self {
        self.seals_failures = true;
        self
    }

    pub(crate) fn seals_failures(&self) -> bool {
        self.seals_failures && self.codec.is_some()
    }

    /// The same; it remembers what the codec could not do.
    #[doc(hidden)]
    #[must_use]
    pub fn watched(&self) -> Self {
        DataConverter { trouble: self.codec.as_ref().map(|_| Arc::default()), ..self.clone() }
    }

    /// What the codec could not do since the last call.
    #[doc(hidden)]
    pub fn take_trouble(&self) -> Option<DataError> {
        self.trouble.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// A value as a payload, through the codec.
    pub fn encode<T: Encode + ?Sized>(&self, value: &T) -> Result<Payload, DataError> {
        self.seal(value.encode(&*self.converter)?)
    }

    /// A payload as a `T`, through the codec.
    pub fn decode<T: Data>(&self, payload: &Payload) -> Result<T, DataError> {
        match &self.codec {
            None => T::decode(payload, &*self.converter),
            Some(_) => T::decode(&self.open(payload.clone())?, &*self.converter),
        }
    }

    /// The first payload as a `T`; nothing is read as null.
    pub fn decode_first<T: Data>(&self, payloads: Option<&Payloads>) -> Result<T, DataError> {
        match payloads.and_then(|payloads| payloads.payloads.first()) {
            Some(payload) => self.decode(payload),
            None => T::decode(&null(), &*self.converter),
        }
    }

    /// Arguments, one payload for each; `None` if there are none.
    pub fn encode_args<A: Args>(&self, args: &A) -> Result<Option<Payloads>, DataError> {
        let payloads = args.to_payloads(self)?;
        Ok((!payloads.is_empty()).then_some(Payloads { payloads }))
    }

    /// Arguments, one from each payload.
    pub fn decode_args<A: Args>(&self, payloads: Option<&Payloads>) -> Result<A, DataError> {
        A::from_payloads(payloads.map_or(&[], |payloads| &payloads.payloads), self)
    }

    /// Through the codec, towards the wire.
    pub fn seal(&self, payload: Payload) -> Result<Payload, DataError> {
        self.code(payload, |codec, payload| codec.encode(payload))
    }

    /// Through the codec, from the wire.
    pub fn open(&self, payload: Payload) -> Result<Payload, DataError> {
        self.code(payload, |codec, payload| codec.decode(payload))
    }

    fn code(
        &self,
        payload: Payload,
        code: impl FnOnce(&dyn PayloadCodec, Payload) -> Result<Payload, DataError>,
    ) -> Result<Payload, DataError> {
        let Some(codec) = &self.codec else { return Ok(payload) };
        let coded = catch_unwind(AssertUnwindSafe(|| code(&**codec, payload)));
        coded.unwrap_or_else(|_| Err(DataError::new("it panicked"))).map_err(|error| {
            let error = error.by_codec();
            if let Some(trouble) = &self.trouble {
                trouble.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(|| error.clone());
            }
            error
        })
    }
}

/// A value that can be written as a payload, for what is only written here and read by others: memo fields, heartbeats,
/// details of failures. Anything that serde writes, `&str` included, [`Raw`] and [`Binary`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be written as a payload",
    note = "derive `serde::Serialize` for it"
)]
pub trait Encode {
    /// Encodes the value as a payload, before the codec.
    fn encode(&self, converter: &dyn PayloadConverter) -> Result<Payload, DataError>;
}

#[diagnostic::do_not_recommend]
impl<T: Serialize + ?Sized> Encode for T {
    fn encode(&self, converter: &dyn PayloadConverter) -> Result<Payload, DataError> {
        converter.encode(&self)
    }
}

/// A value that travels as one payload: anything that serde reads and writes, [`Raw`] and [`Binary`].
///
/// ```
/// use tenure_client::{Data, DataConverter};
/// #[derive(serde::Serialize, serde::Deserialize)]
/// struct Order { dish: String }
///
/// fn travels<T: Data>() {}
/// travels::<(Order, Option<u64>)>();
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot travel between workflows, activities and clients",
    note = "derive `serde::Serialize` and `serde::Deserialize` for it"
)]
pub trait Data: Encode + Sized + 'static {
    /// Decodes the value from a payload, after the codec.
    fn decode(payload: &Payload, converter: &dyn PayloadConverter) -> Result<Self, DataError>;
}

#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned + 'static> Data for T {
    fn decode(payload: &Payload, converter: &dyn PayloadConverter) -> Result<Self, DataError> {
        let mut value = None;
        converter
            .decode(payload, &mut |from| {
                value = Some(erased_serde::deserialize(from)?);
                Ok(())
            })
            .map_err(|error| error.within(format_args!("not a {}", std::any::type_name::<T>())))?;
        value.ok_or_else(|| DataError::new("the converter gave no value"))
    }
}

/// A payload as it is on the wire (after the codec): for values of types that are known to nobody here.
///
/// ```
/// use tenure_client::{DataConverter, Raw};
/// let converter = DataConverter::default();
/// let raw: Raw = converter.decode(&converter.encode(&5)?)?;
/// assert_eq!(raw.0.data, "5");
/// # Ok::<(), tenure_client::DataError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Raw(pub Payload);

impl Raw {
    /// The value, if it is JSON of a `T`.
    pub fn read<T: Data>(&self) -> Result<T, DataError> {
        T::decode(&self.0, &Json)
    }
}

impl Encode for Raw {
    fn encode(&self, _: &dyn PayloadConverter) -> Result<Payload, DataError> {
        Ok(self.0.clone())
    }
}

impl Data for Raw {
    fn decode(payload: &Payload, _: &dyn PayloadConverter) -> Result<Self, DataError> {
        Ok(Raw(payload.clone()))
    }
}

/// Bytes as they are, `binary/plain`.
///
/// ```
/// use tenure_client::{Binary, DataConverter};
/// let payload = DataConverter::default().encode(&Binary(b"\0\x01".as_slice().into()))?;
/// assert_eq!(payload.metadata["encoding"], "binary/plain");
/// # Ok::<(), tenure_client::DataError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Binary(pub bytes::Bytes);

impl Encode for Binary {
    fn encode(&self, _: &dyn PayloadConverter) -> Result<Payload, DataError> {
        Ok(Payload { data: self.0.clone(), ..payload(PLAIN, Vec::new()) })
    }
}

impl Data for Binary {
    fn decode(payload: &Payload, _: &dyn PayloadConverter) -> Result<Self, DataError> {
        match encoding(payload) {
            PLAIN | NULL => Ok(Binary(payload.data.clone())),
            other => Err(DataError::new(format!("not bytes, but {:?}", String::from_utf8_lossy(other)))),
        }
    }
}

/// The arguments of a workflow, an activity or a handler: a tuple with one payload for each element.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no list of arguments",
    note = "arguments are a tuple: `({Self},)` for one, `(String, u64)` for two, `()` for none"
)]
pub trait Args: Sized + 'static {
    /// One payload for each.
    fn to_payloads(&self, converter: &DataConverter) -> Result<Vec<Payload>, DataError>;

    /// A missing argument is read as null, so that an `Option` may be added to the end of a signature.
    fn from_payloads(payloads: &[Payload], converter: &DataConverter) -> Result<Self, DataError>;
}

/// Arguments of which neither number nor types are known.
impl Args for Vec<Raw> {
    fn to_payloads(&self, converter: &DataConverter) -> Result<Vec<Payload>, DataError> {
        self.iter().map(|raw| converter.encode(raw)).collect()
    }

    fn from_payloads(payloads: &[Payload], converter: &DataConverter) -> Result<Self, DataError> {
        payloads.iter().map(|payload| converter.decode(payload)).collect()
    }
}

/// What may be given where the arguments `A` are expected: nothing as `()`, one argument as itself, several as a
/// tuple.
///
/// ```
/// use tenure_client::IntoArgs;
/// let one: (String,) = "Ann".into_args();
/// let two: (String, u64) = ("Ann", 999).into_args();
/// ```
#[diagnostic::on_unimplemented(
    message = "the arguments are `{A}`, not `{Self}`",
    label = "not `{A}`",
    note = "nothing is given as `()`, one argument as itself, several as a tuple"
)]
pub trait IntoArgs<A> {
    /// The arguments as the tuple that travels.
    fn into_args(self) -> A;
}

impl<T> IntoArgs<(T,)> for T {
    fn into_args(self) -> (T,) {
        (self,)
    }
}

impl IntoArgs<(String,)> for &str {
    fn into_args(self) -> (String,) {
        (self.to_owned(),)
    }
}

impl IntoArgs<Vec<Raw>> for Vec<Raw> {
    fn into_args(self) -> Vec<Raw> {
        self
    }
}

impl IntoArgs<()> for () {
    fn into_args(self) {}
}

impl Args for () {
    fn to_payloads(&self, _: &DataConverter) -> Result<Vec<Payload>, DataError> {
        Ok(Vec::new())
    }

    fn from_payloads(_: &[Payload], _: &DataConverter) -> Result<Self, DataError> {
        Ok(())
    }
}

fn argument<T: Data>(payloads: &[Payload], index: usize, converter: &DataConverter) -> Result<T, DataError> {
    let value = match payloads.get(index) {
        Some(payload) => converter.decode(payload),
        None => T::decode(&null(), &*converter.converter),
    };
    value.map_err(|error| error.within(format_args!("argument {}", index + 1)))
}

macro_rules! args {
    ($($name:ident $index:tt),+) => {
        impl<$($name: Data),+> Args for ($($name,)+) {
            fn to_payloads(&self, converter: &DataConverter) -> Result<Vec<Payload>, DataError> {
                Ok(vec![$(converter.encode(&self.$index)?),+])
            }

            fn from_payloads(payloads: &[Payload], converter: &DataConverter) -> Result<Self, DataError> {
                Ok(($(argument::<$name>(payloads, $index, converter)?,)+))
            }
        }
    };
}

/// What may be given where one argument of several is expected: itself, and `&str` for a `String`.
pub trait IntoArg<A> {
    /// The argument.
    fn into_arg(self) -> A;
}

impl<T> IntoArg<T> for T {
    fn into_arg(self) -> T {
        self
    }
}

impl IntoArg<String> for &str {
    fn into_arg(self) -> String {
        self.to_owned()
    }
}

macro_rules! tuple_into_args {
    ($($name:ident $given:ident $index:tt),+) => {
        #[diagnostic::do_not_recommend]
        impl<$($name, $given: IntoArg<$name>),+> IntoArgs<($($name,)+)> for ($($given,)+) {
            fn into_args(self) -> ($($name,)+) {
                ($(self.$index.into_arg(),)+)
            }
        }
    };
}

args!(A 0);
args!(A 0, B 1);
args!(A 0, B 1, C 2);
args!(A 0, B 1, C 2, D 3);
args!(A 0, B 1, C 2, D 3, E 4);
args!(A 0, B 1, C 2, D 3, E 4, F 5);
tuple_into_args!(A GivenA 0, B GivenB 1);
tuple_into_args!(A GivenA 0, B GivenB 1, C GivenC 2);
tuple_into_args!(A GivenA 0, B GivenB 1, C GivenC 2, D GivenD 3);
tuple_into_args!(A GivenA 0, B GivenB 1, C GivenC 2, D GivenD 3, E GivenE 4);
tuple_into_args!(A GivenA 0, B GivenB 1, C GivenC 2, D GivenD 3, E GivenE 4, F GivenF 5);

#[cfg(test)]
mod tests {
    use super::*;

    fn through<T: Data + PartialEq + fmt::Debug>(value: T, encoding: &str) {
        let converter = DataConverter::default();
        let payload = converter.encode(&value).unwrap();
        assert_eq!(payload.metadata["encoding"], encoding.as_bytes());
        assert_eq!(converter.decode::<T>(&payload).unwrap(), value);
    }

    #[test]
    fn values_come_back() {
        through("x".to_owned(), "json/plain");
        through(Some(1.5), "json/plain");
        through((), "binary/null");
        through(None::<u8>, "binary/null");
        through(Binary(b"\0\xff".as_slice().into()), "binary/plain");
    }

    fn into<A>(given: impl IntoArgs<A>) -> A {
        given.into_args()
    }

    #[test]
    fn one_argument_is_given_as_itself_and_several_as_a_tuple() {
        assert_eq!(into::<(String,)>("x"), ("x".to_owned(),));
        assert_eq!(into::<(u8,)>(5), (5,));
        assert_eq!(into::<(u8, bool)>((5, true)), (5, true));
        into::<()>(());
    }

    #[test]
    fn a_missing_argument_is_null() {
        let converter = DataConverter::default();
        let payloads = (1u8,).to_payloads(&converter).unwrap();
        assert_eq!(<(u8, Option<u8>)>::from_payloads(&payloads, &converter).unwrap(), (1, None));
        let error = <(u8, u8)>::from_payloads(&payloads, &converter).unwrap_err();
        assert!(error.to_string().starts_with("argument 2: not a u8"), "{error}");
    }

    struct Xor;
    impl PayloadCodec for Xor {
        fn encode(&self, mut payload: Payload) -> Result<Payload, DataError> {
            payload.data = payload.data.iter().map(|byte| byte ^ 0x55).collect();
            Ok(payload)
        }
        fn decode(&self, payload: Payload) -> Result<Payload, DataError> {
            self.encode(payload)
        }
    }

    #[test]
    fn a_codec_sees_every_payload() {
        let secret = DataConverter::default().with_codec(Xor);
        let payload = secret.encode(&"plain".to_owned()).unwrap();
        assert!(DataConverter::default().decode::<String>(&payload).is_err());
        assert_eq!(secret.decode::<String>(&payload).unwrap(), "plain");
    }

    struct Broken;
    impl PayloadCodec for Broken {
        fn encode(&self, _: Payload) -> Result<Payload, DataError> {
            Err(DataError::new("no key"))
        }
        fn decode(&self, _: Payload) -> Result<Payload, DataError> {
            panic!("no key");
        }
    }

    #[test]
    fn a_codec_that_fails_is_told_from_data_that_cannot_be_read() {
        let broken = DataConverter::default().with_codec(Broken).watched();
        let error = broken.encode(&1u8).unwrap_err();
        assert!(error.is_of_codec());
        assert_eq!(error.to_string(), "codec: no key");
        assert_eq!(broken.take_trouble().unwrap().to_string(), "codec: no key");
        let payload = DataConverter::default().encode(&1u8).unwrap();
        assert_eq!(broken.decode::<u8>(&payload).unwrap_err().to_string(), "codec: it panicked");
        assert!(broken.take_trouble().is_some() && broken.take_trouble().is_none());
        assert!(!DataConverter::default().decode::<String>(&payload).unwrap_err().is_of_codec());
    }
}
