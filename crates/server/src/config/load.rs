//! Reads the file and the environment into a [`Config`]; every error is one line that names the key and where it stands.

use super::Config;
use config::{FileFormat, Source, ValueKind};
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

/// A variable is a key of the configuration if it has this prefix and a double underscore after it.
const PREFIX: &str = "TENURE";
const SEPARATOR: &str = "__";
/// The environment as an origin of keys; the library calls it so, too.
const ENVIRONMENT: &str = "the environment";

/// Environment variables by name; an argument, so that tests need not touch the process's own.
pub type Environment = HashMap<String, String>;

/// Why a configuration was refused. Displays as one line.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("cannot read the configuration {}: {cause}", path.display())]
    Unreadable { path: PathBuf, cause: std::io::Error },
    #[error("{}:{line}: {message}", path.display())]
    Syntax { path: PathBuf, line: usize, message: String },
    #[error("{origin}: unknown key `{key}`{}", suggestion.as_ref().map(|s| format!(", did you mean `{s}`?")).unwrap_or_default())]
    UnknownKey { origin: String, key: String, suggestion: Option<String> },
    #[error("{0}")]
    BadValue(String),
    #[error("`{key}`: {message}")]
    Invalid { key: String, message: String },
}

impl Config {
    /// The defaults, overridden by `file` if there is one, overridden by `env`; validated.
    pub fn load(file: Option<&Path>, env: &Environment) -> Result<Config, ConfigError> {
        let mut builder = config::Config::builder();
        if let Some(path) = file {
            let text = std::fs::read_to_string(path)
                .map_err(|cause| ConfigError::Unreadable { path: path.to_owned(), cause })?;
            let source = config::File::from_str(&text, FileFormat::Toml);
            let read = source.collect().map_err(|error| syntax(path, &text, &error))?;
            let origin = path.display().to_string();
            check_keys(&origin, &flatten(&read))?;
            builder = builder.add_source(config::File::from(path).format(FileFormat::Toml));
        }
        let variables = configuration_variables(env);
        let source = config::Environment::with_prefix(PREFIX)
            .prefix_separator("_")
            .separator(SEPARATOR)
            .try_parsing(true)
            .list_separator(",")
            .with_list_parse_key("cluster.namespaces")
            .with_list_parse_key("http.cors_origins")
            .source(Some(variables));
        let read = source.collect().map_err(|error| ConfigError::BadValue(error.to_string()))?;
        check_keys(ENVIRONMENT, &flatten(&read))?;
        let config: Config = builder
            .add_source(source)
            .build()
            .and_then(config::Config::try_deserialize)
            .map_err(|error| bad_value(file, error))?;
        config.validate()?;
        Ok(config)
    }

    /// The process's environment, as far as it is valid UTF-8.
    pub fn environment() -> Environment {
        std::env::vars_os().filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?))).collect()
    }

    /// All keys that exist, dotted, with their defaults as JSON.
    pub fn keys() -> BTreeMap<String, serde_json::Value> {
        fn walk(prefix: &str, value: serde_json::Value, keys: &mut BTreeMap<String, serde_json::Value>) {
            match value {
                serde_json::Value::Object(map) if !map.is_empty() => {
                    for (key, value) in map {
                        let key = if prefix.is_empty() { key } else { format!("{prefix}.{key}") };
                        walk(&key, value, keys);
                    }
                }
                value => {
                    keys.insert(prefix.to_owned(), value);
                }
            }
        }
        let mut keys = BTreeMap::new();
        let defaults = serde_json::to_value(Config::default()).expect("the configuration is plain data");
        walk("", defaults, &mut keys);
        keys
    }
}

/// `TENURE_DATA`, `TENURE_CACHE` and the like belong to scripts: what configures a node has a section and a key.
fn configuration_variables(env: &Environment) -> Environment {
    env.iter()
        .filter(|(name, _)| {
            name.strip_prefix(PREFIX).and_then(|n| n.strip_prefix('_')).is_some_and(|n| n.contains(SEPARATOR))
        })
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

fn flatten(read: &config::Map<String, config::Value>) -> Vec<String> {
    fn walk(prefix: String, value: &config::Value, keys: &mut Vec<String>) {
        match &value.kind {
            ValueKind::Table(table) => table.iter().for_each(|(k, v)| walk(format!("{prefix}.{k}"), v, keys)),
            _ => keys.push(prefix),
        }
    }
    let mut keys = Vec::new();
    read.iter().for_each(|(key, value)| walk(key.clone(), value, &mut keys));
    keys.sort();
    keys
}

fn check_keys(origin: &str, keys: &[String]) -> Result<(), ConfigError> {
    let known = Config::keys();
    // A section given as a plain value is left to the deserializer, which names what it expected.
    let is_section = |key: &str| known.keys().any(|k| k.split('.').next() == Some(key));
    for key in keys {
        let of_a_map = key.strip_prefix("cluster.members.").is_some_and(|id| !id.contains('.'));
        if !known.contains_key(key) && !of_a_map && !is_section(key) {
            let suggestion = suggest(key, known.keys());
            return Err(ConfigError::UnknownKey { origin: origin.to_owned(), key: key.clone(), suggestion });
        }
    }
    Ok(())
}

/// The known key that looks most like `key`, or that has its last part.
fn suggest<'a>(key: &str, known: impl Iterator<Item = &'a String>) -> Option<String> {
    let last = |k: &str| k.rsplit('.').next().unwrap_or_default().to_owned();
    known
        .map(|k| (strsim::jaro_winkler(key, k).max(strsim::jaro_winkler(&last(key), &last(k)) * 0.99), k))
        .filter(|(likeness, _)| *likeness > 0.85)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, k)| k.clone())
}

/// TOML's own message shows the text around the error over several lines; one is enough with the place.
fn syntax(path: &Path, text: &str, error: &config::ConfigError) -> ConfigError {
    let message = error.to_string();
    let line = message
        .split_once("at line ")
        .and_then(|(_, rest)| rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok())
        .unwrap_or_else(|| text.lines().count().max(1));
    let last = message.lines().map(str::trim).rfind(|l| !l.is_empty() && !l.starts_with("in "));
    ConfigError::Syntax { path: path.to_owned(), line, message: last.unwrap_or("not TOML").to_owned() }
}

/// The library's own words name the file by a path that nobody typed.
fn bad_value(file: Option<&Path>, error: config::ConfigError) -> ConfigError {
    use config::ConfigError as Library;
    let (origin, key, what) = match error {
        Library::Type { origin, unexpected, expected, key } => {
            (origin, key, format!("invalid type: {unexpected}, expected {expected}"))
        }
        Library::At { error, origin, key } => (origin, key, error.to_string()),
        other => (None, None, other.to_string()),
    };
    let place = match (origin.as_deref(), file) {
        (Some(ENVIRONMENT), _) => format!("{ENVIRONMENT}: "),
        (Some(_), Some(file)) => format!("{}: ", file.display()),
        _ => String::new(),
    };
    let key = key.map(|key| format!("`{key}`: ")).unwrap_or_default();
    ConfigError::BadValue(one_line(&format!("{place}{key}{what}")))
}

fn one_line(message: &str) -> String {
    message.lines().map(str::trim).filter(|l| !l.is_empty()).collect::<Vec<_>>().join(" ")
}
