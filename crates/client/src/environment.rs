//! A client as the environment has it: variables, and a profile of the file that the `temporal` command and the official
//! SDKs read. With the feature `env-config`.

use crate::{
    client::{Client, ClientBuilder},
    error::ClientError,
};
use serde::Deserialize;
use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

impl Client {
    /// A builder of the client that the environment describes, in the way of the `temporal` command and of the official
    /// SDKs: a profile of a TOML file, and variables, which come before it. With the feature `env-config`.
    ///
    /// Each variable may begin with `TENURE_` or `TEMPORAL_`; the first comes before the second.
    ///
    /// | variable | in the file, under `[profile.NAME]` |
    /// |---|---|
    /// | `.._CONFIG_FILE` | (which file; default: `temporalio/temporal.toml` where users keep their configuration) |
    /// | `.._PROFILE` | (`NAME`; default: `default`) |
    /// | `.._ADDRESS` | `address`; several are separated by commas; default: `127.0.0.1:7233` |
    /// | `.._NAMESPACE` | `namespace` |
    /// | `.._API_KEY` | `api_key`, for which TLS is the default |
    /// | `.._TLS` | `[profile.NAME.tls]`, `disabled = false` |
    /// | `.._TLS_SERVER_NAME` | `tls.server_name` |
    /// | `.._TLS_SERVER_CA_CERT_PATH`, `.._DATA` | `tls.server_ca_cert_path`, `tls.server_ca_cert_data` |
    /// | `.._TLS_CLIENT_CERT_PATH`, `.._DATA` | `tls.client_cert_path`, `tls.client_cert_data` |
    /// | `.._TLS_CLIENT_KEY_PATH`, `.._DATA` | `tls.client_key_path`, `tls.client_key_data` |
    /// | `.._GRPC_META_TENANT_ID` | `[profile.NAME.grpc_meta]`, `tenant-id = ".."` |
    ///
    /// ```no_run
    /// # async fn run() -> Result<(), tenure_client::ClientError> {
    /// let client = tenure_client::Client::from_env()?.connect().await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`ClientError::Invalid`], when the file that was named cannot be read, has no such profile, or asks for what this
    /// client cannot do.
    pub fn from_env() -> Result<ClientBuilder, ClientError> {
        let all =
            std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        let environment = Environment { variables: all.collect(), read: &|path| std::fs::read(path) };
        environment.profile()?.into_builder(&environment)
    }
}

/// Where variables and files are from.
struct Environment<'a> {
    variables: BTreeMap<String, String>,
    read: &'a dyn Fn(&Path) -> io::Result<Vec<u8>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct File {
    profile: BTreeMap<String, Profile>,
}

#[derive(Clone, Default, Deserialize)]
#[serde(default)]
struct Profile {
    address: Option<String>,
    namespace: Option<String>,
    api_key: Option<String>,
    tls: Option<TlsProfile>,
    grpc_meta: BTreeMap<String, String>,
}

#[derive(Clone, Default, Deserialize)]
#[serde(default)]
struct TlsProfile {
    disabled: bool,
    disable_host_verification: bool,
    server_name: Option<String>,
    server_ca_cert_path: Option<PathBuf>,
    server_ca_cert_data: Option<String>,
    client_cert_path: Option<PathBuf>,
    client_cert_data: Option<String>,
    client_key_path: Option<PathBuf>,
    client_key_data: Option<String>,
}

const PREFIXES: [&str; 2] = ["TENURE_", "TEMPORAL_"];
const META: &str = "GRPC_META_";

fn invalid(what: impl std::fmt::Display) -> ClientError {
    ClientError::Invalid(what.to_string())
}

impl Environment<'_> {
    fn variable(&self, name: &str) -> Option<&String> {
        let found = PREFIXES.iter().find_map(|prefix| self.variables.get(&format!("{prefix}{name}")));
        found.filter(|value| !value.is_empty())
    }

    fn flag(&self, name: &str) -> Result<Option<bool>, ClientError> {
        match self.variable(name).map(String::as_str) {
            None => Ok(None),
            Some("true" | "1") => Ok(Some(true)),
            Some("false" | "0") => Ok(Some(false)),
            Some(other) => Err(invalid(format_args!("{name} is {other:?}, neither true nor false"))),
        }
    }

    /// Where the file is, if nobody says.
    fn usual_path(&self) -> Option<PathBuf> {
        let under = |name: &str, path: &str| Some(Path::new(self.variables.get(name)?).join(path));
        let directory = if cfg!(windows) {
            under("APPDATA", "")
        } else if cfg!(target_os = "macos") {
            under("HOME", "Library/Application Support")
        } else {
            under("XDG_CONFIG_HOME", "").or_else(|| under("HOME", ".config"))
        };
        Some(directory?.join("temporalio").join("temporal.toml"))
    }

    fn file(&self) -> Result<File, ClientError> {
        let named = self.variable("CONFIG_FILE").map(PathBuf::from);
        let Some(path) = named.clone().or_else(|| self.usual_path()) else { return Ok(File::default()) };
        let read = match (self.read)(&path) {
            Err(error) if named.is_none() && error.kind() == io::ErrorKind::NotFound => return Ok(File::default()),
            read => read,
        };
        let text = read.and_then(|bytes| String::from_utf8(bytes).map_err(io::Error::other));
        let text = text.map_err(|error| invalid(format_args!("{}: {error}", path.display())))?;
        toml::from_str(&text).map_err(|error| invalid(format_args!("{}: {error}", path.display())))
    }

    /// The profile of the file, with what variables say.
    fn profile(&self) -> Result<Profile, ClientError> {
        let (mut file, named) = (self.file()?, self.variable("PROFILE"));
        let mut profile = match (file.profile.remove(named.map_or("default", String::as_str)), named) {
            (Some(profile), _) => profile,
            (None, None) => Profile::default(),
            (None, Some(name)) => return Err(invalid(format_args!("there is no profile {name:?}"))),
        };
        let set = |place: &mut Option<String>, name: &str| {
            if let Some(value) = self.variable(name) {
                *place = Some(value.clone());
            }
        };
        set(&mut profile.address, "ADDRESS");
        set(&mut profile.namespace, "NAMESPACE");
        set(&mut profile.api_key, "API_KEY");
        let mut tls = profile.tls.clone().unwrap_or_default();
        let mut is_said = profile.tls.is_some();
        if let Some(on) = self.flag("TLS")? {
            (tls.disabled, is_said) = (!on, true);
        }
        if let Some(off) = self.flag("TLS_DISABLE_HOST_VERIFICATION")? {
            (tls.disable_host_verification, is_said) = (off, true);
        }
        for (place, name) in [
            (&mut tls.server_name, "TLS_SERVER_NAME"),
            (&mut tls.server_ca_cert_data, "TLS_SERVER_CA_CERT_DATA"),
            (&mut tls.client_cert_data, "TLS_CLIENT_CERT_DATA"),
            (&mut tls.client_key_data, "TLS_CLIENT_KEY_DATA"),
        ] {
            set(place, name);
            is_said |= self.variable(name).is_some();
        }
        for (place, name) in [
            (&mut tls.server_ca_cert_path, "TLS_SERVER_CA_CERT_PATH"),
            (&mut tls.client_cert_path, "TLS_CLIENT_CERT_PATH"),
            (&mut tls.client_key_path, "TLS_CLIENT_KEY_PATH"),
        ] {
            if let Some(path) = self.variable(name) {
                (*place, is_said) = (Some(path.into()), true);
            }
        }
        // A key is not sent in the clear unless somebody wants it.
        profile.tls = (is_said || profile.api_key.is_some()).then_some(tls);
        for prefix in PREFIXES.iter().rev() {
            for (name, value) in &self.variables {
                if let Some(name) = name.strip_prefix(prefix).and_then(|name| name.strip_prefix(META)) {
                    profile.grpc_meta.insert(name.to_lowercase().replace('_', "-"), value.clone());
                }
            }
        }
        Ok(profile)
    }

    /// What is given as itself, or as the path of a file.
    #[cfg(feature = "tls")]
    fn data(&self, data: Option<String>, path: Option<PathBuf>) -> Result<Option<Vec<u8>>, ClientError> {
        match (data, path) {
            (Some(data), _) => Ok(Some(data.into_bytes())),
            (None, Some(path)) => match (self.read)(&path) {
                Ok(data) => Ok(Some(data)),
                Err(error) => Err(invalid(format_args!("{}: {error}", path.display()))),
            },
            (None, None) => Ok(None),
        }
    }
}

impl Profile {
    fn into_builder(self, environment: &Environment<'_>) -> Result<ClientBuilder, ClientError> {
        let Profile { address, namespace, api_key, tls, grpc_meta } = self;
        let addresses = address.unwrap_or_else(|| "127.0.0.1:7233".to_owned());
        let mut builder = Client::builder(addresses.split(',').map(str::trim));
        builder = namespace.into_iter().fold(builder, ClientBuilder::namespace);
        builder = api_key.into_iter().fold(builder, ClientBuilder::api_key);
        builder = grpc_meta.iter().fold(builder, |builder, (name, value)| builder.header(name, value));
        match tls.filter(|tls| !tls.disabled) {
            Some(tls) => tls.apply(builder, environment),
            None => Ok(builder),
        }
    }
}

impl TlsProfile {
    #[cfg(feature = "tls")]
    fn apply(self, builder: ClientBuilder, environment: &Environment<'_>) -> Result<ClientBuilder, ClientError> {
        if self.disable_host_verification {
            return Err(invalid("TLS without a look at the server's certificate is not to be had here"));
        }
        let mut tls = crate::Tls::new();
        if let Some(ca) = environment.data(self.server_ca_cert_data, self.server_ca_cert_path)? {
            tls = tls.ca_certificate(ca);
        }
        let certificate = environment.data(self.client_cert_data, self.client_cert_path)?;
        let key = environment.data(self.client_key_data, self.client_key_path)?;
        tls = match (certificate, key) {
            (Some(certificate), Some(key)) => tls.client_certificate(certificate, key),
            (None, None) => tls,
            _ => return Err(invalid("a client's certificate and its key go together")),
        };
        Ok(builder.tls(self.server_name.into_iter().fold(tls, crate::Tls::server_name)))
    }

    #[cfg(not(feature = "tls"))]
    fn apply(self, _: ClientBuilder, _: &Environment<'_>) -> Result<ClientBuilder, ClientError> {
        Err(invalid(
            "for TLS, which an API key or the environment asks for, enable the crate's feature `tls`; TEMPORAL_TLS=false does without",
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"
        [profile.default]
        address = "10.0.0.1:7233, 10.0.0.2:7233"
        namespace = "shop"
        [profile.default.grpc_meta]
        tenant-id = "ann"

        [profile.cloud]
        address = "cloud:7233"
        api_key = "secret"
        unheard = "of"
    "#;

    fn profile(variables: &[(&str, &str)]) -> Result<Profile, String> {
        let read = |path: &Path| match path.to_str() {
            Some("/home/ann/.config/temporalio/temporal.toml" | "/other.toml") => Ok(FILE.as_bytes().to_vec()),
            Some("/wrong.toml") => Ok(b"[profile".to_vec()),
            _ => Err(io::ErrorKind::NotFound.into()),
        };
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let environment = Environment { variables, read: &read };
        environment.profile().map_err(|error| error.to_string())
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_profile_of_the_usual_file_is_taken() {
        let it = profile(&[("HOME", "/home/ann")]).unwrap();
        assert_eq!(it.address.as_deref(), Some("10.0.0.1:7233, 10.0.0.2:7233"));
        assert_eq!((it.namespace.as_deref(), it.tls.is_some()), (Some("shop"), false));
        let it = profile(&[("HOME", "/home/bo")]).unwrap();
        assert_eq!((it.address, it.namespace), (None, None));
    }

    #[test]
    fn variables_come_before_the_file_and_ours_before_theirs() {
        let it = profile(&[
            ("TEMPORAL_CONFIG_FILE", "/other.toml"),
            ("TEMPORAL_ADDRESS", "theirs:7233"),
            ("TENURE_ADDRESS", "ours:7233"),
            ("TEMPORAL_NAMESPACE", "bank"),
            ("TEMPORAL_GRPC_META_TRACE_ID", "5"),
            ("TENURE_GRPC_META_TENANT_ID", "bo"),
        ]);
        let it = it.unwrap();
        assert_eq!((it.address.as_deref(), it.namespace.as_deref()), (Some("ours:7233"), Some("bank")));
        let meta: Vec<_> = it.grpc_meta.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(meta, ["tenant-id=bo", "trace-id=5"]);
    }

    #[test]
    fn a_key_wants_tls() {
        let cloud = [("TENURE_CONFIG_FILE", "/other.toml"), ("TEMPORAL_PROFILE", "cloud")];
        let it = profile(&cloud).unwrap();
        assert!(it.api_key.is_some() && it.tls.is_some_and(|tls| !tls.disabled));
        let it = profile(&[cloud[0], cloud[1], ("TEMPORAL_TLS", "false")]).unwrap();
        assert!(it.tls.is_some_and(|tls| tls.disabled));
        let it = profile(&[("TEMPORAL_TLS_CLIENT_CERT_PATH", "/client.pem")]).unwrap();
        assert!(it.tls.is_some_and(|tls| tls.client_cert_path.is_some()));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let error = |variables: &[(&str, &str)]| profile(variables).err().unwrap();
        assert!(error(&[("TENURE_CONFIG_FILE", "/missing.toml")]).contains("/missing.toml: "));
        assert!(error(&[("TENURE_CONFIG_FILE", "/wrong.toml")]).contains("/wrong.toml: "));
        assert!(error(&[("TENURE_PROFILE", "test")]).contains("no profile \"test\""));
        assert!(error(&[("TENURE_TLS", "perhaps")]).contains("neither true nor false"));
    }

    #[test]
    fn a_builder_has_what_the_profile_says() {
        let it = profile(&[("TENURE_CONFIG_FILE", "/other.toml")]).unwrap();
        let environment = Environment { variables: BTreeMap::new(), read: &|_| Err(io::ErrorKind::NotFound.into()) };
        let client = it.into_builder(&environment).ok().unwrap();
        assert!(format!("{client:?}").contains(r#"["10.0.0.1:7233", "10.0.0.2:7233"]"#), "{client:?}");
    }
}
