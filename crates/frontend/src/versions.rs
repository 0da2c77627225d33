//! Versions and ranges of versions as clients write them in headers. What is a valid range, and the words about one
//! that is not, are those of the library that the reference server reads them with.

use std::cmp::Ordering;

/// A semantic version. Build metadata is checked, and has no part in the order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Version {
    numbers: [u64; 3],
    prerelease: Vec<Identifier>,
}

/// A part of what follows the `-` of a version. Numbers come before words.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Identifier {
    Number(u64),
    Word(String),
}

impl Version {
    pub(crate) fn parse(text: &str) -> Result<Version, String> {
        if text.is_empty() {
            return Err("Version string empty".into());
        }
        let parts: Vec<&str> = text.splitn(3, '.').collect();
        let [major, minor, rest] = parts[..] else { return Err("No Major.Minor.Patch elements found".into()) };
        let major = number("Major", major)?;
        let minor = number("Minor", minor)?;
        let (rest, build) = cut(rest, '+');
        let (patch, prerelease) = cut(rest, '-');
        let patch = number("Patch", patch)?;
        let prerelease = prerelease.map_or(Ok(Vec::new()), |text| text.split('.').map(Identifier::parse).collect())?;
        build.map_or(Ok(()), |text| text.split('.').try_for_each(check_build))?;
        Ok(Version { numbers: [major, minor, patch], prerelease })
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        let released = |version: &Version| version.prerelease.is_empty();
        let numbers = self.numbers.cmp(&other.numbers);
        let stage = || released(self).cmp(&released(other));
        numbers.then_with(stage).then_with(|| self.prerelease.cmp(&other.prerelease))
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Identifier {
    fn parse(text: &str) -> Result<Identifier, String> {
        if text.is_empty() {
            return Err("Prerelease is empty".into());
        }
        if is_number(text) {
            if text.len() > 1 && text.starts_with('0') {
                return Err(format!("Numeric PreRelease version must not contain leading zeroes {text:?}"));
            }
            return parse_number(text).map(Identifier::Number);
        }
        if !is_word(text) {
            return Err(format!("Invalid character(s) found in prerelease {text:?}"));
        }
        Ok(Identifier::Word(text.to_owned()))
    }
}

fn check_build(text: &str) -> Result<(), String> {
    if text.is_empty() {
        return Err("Build meta data is empty".into());
    }
    if !is_word(text) {
        return Err(format!("Invalid character(s) found in build meta data {text:?}"));
    }
    Ok(())
}

fn number(what: &str, text: &str) -> Result<u64, String> {
    if !is_number(text) {
        return Err(format!("Invalid character(s) found in {} number {text:?}", what.to_lowercase()));
    }
    if text.len() > 1 && text.starts_with('0') {
        return Err(format!("{what} number must not contain leading zeroes {text:?}"));
    }
    parse_number(text)
}

fn parse_number(text: &str) -> Result<u64, String> {
    let why = if text.is_empty() { "invalid syntax" } else { "value out of range" };
    text.parse().map_err(|_| format!("strconv.ParseUint: parsing {text:?}: {why}"))
}

fn is_number(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_word(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// What comes before a mark, and what comes after it.
fn cut(text: &str, mark: char) -> (&str, Option<&str>) {
    text.split_once(mark).map_or((text, None), |(before, after)| (before, Some(after)))
}

/// Whether a version is in a range: comparators that must all hold, `||` between alternatives.
pub(crate) fn is_supported(range: &str, version: &Version) -> Result<bool, String> {
    let parts = split(range);
    let alternatives = alternatives(&parts)?;
    let mut supported = false;
    for alternative in alternatives {
        let mut holds = true;
        for part in alternative {
            for comparator in without_wildcard(part)? {
                holds &= Comparator::parse(&comparator)?.holds(version);
            }
        }
        // The library takes nothing at all, as between two `||`, for a range that says nothing.
        supported |= holds && !alternative.is_empty();
    }
    Ok(supported)
}

/// Splits at spaces, other than those between an operator and its version. Pieces of one character are lost.
fn split(range: &str) -> Vec<String> {
    let mut parts = Vec::new();
    let (mut from, mut last) = (0, b'\0');
    for (at, byte) in range.bytes().enumerate() {
        if byte != b' ' {
            last = byte;
        } else if !matches!(last, b'>' | b'<' | b'=') {
            if from + 1 < at {
                parts.push(range[from..at].replace(' ', ""));
            }
            from = at + 1;
        }
    }
    if from + 1 < range.len() {
        parts.push(range[from..].replace(' ', ""));
    }
    parts
}

fn alternatives(parts: &[String]) -> Result<Vec<&[String]>, String> {
    if parts.first().is_some_and(|part| part == "||") {
        return Err("First element in range is '||'".into());
    }
    if parts.last().is_none_or(|part| part == "||") {
        return Err("Last element in range is '||'".into());
    }
    Ok(parts.split(|part| part == "||").collect())
}

/// The operator and the version of a comparator.
fn operator_and_version(part: &str) -> Result<(&str, &str), String> {
    let digit = part.find(|char: char| char.is_ascii_digit());
    let at = digit.ok_or_else(|| format!("Could not get version from string: {part:?}"))?;
    Ok(part.split_at(at))
}

/// The comparators that one with an `x` in it stands for.
fn without_wildcard(part: &str) -> Result<Vec<String>, String> {
    if !part.contains('x') {
        return Ok(vec![part.to_owned()]);
    }
    let (operator, version) = operator_and_version(part)?;
    let lowest = lowest(version);
    let next = || next(version, &lowest);
    Ok(match operator {
        ">" => vec![format!(">={}", next())],
        ">=" => vec![format!(">={lowest}")],
        "<" => vec![format!("<{lowest}")],
        "<=" => vec![format!("<{}", next())],
        "" | "=" | "==" => vec![format!(">={lowest}"), format!("<{}", next())],
        "!=" | "!" => vec![format!("<{lowest}"), format!(">={}", next())],
        _ => vec![lowest],
    })
}

/// The first version that a wildcard stands for.
fn lowest(wildcard: &str) -> String {
    let version = wildcard.replacen(".x.x", ".x", 1).replacen(".x", ".0", 1);
    if version.split('.').count() == 2 { format!("{version}.0") } else { version }
}

/// The first version after those that a wildcard stands for; empty if its `x` is not in the place of the minor or
/// the patch number.
fn next(wildcard: &str, lowest: &str) -> String {
    let parts: Vec<&str> = wildcard.split('.').collect();
    let grows = match parts[..] {
        [_, "x"] => 0,
        [_, _, "x"] => 1,
        _ => return String::new(),
    };
    let grown = lowest.split('.').enumerate().map(|(place, part)| match part.parse::<u64>() {
        Ok(number) if place == grows => number.saturating_add(1).to_string(),
        _ => part.to_owned(),
    });
    grown.collect::<Vec<_>>().join(".")
}

struct Comparator {
    holds: fn(Ordering) -> bool,
    version: Version,
}

impl Comparator {
    fn parse(part: &str) -> Result<Comparator, String> {
        let (operator, text) = operator_and_version(part)?;
        let malformed = |cause: String| format!("Could not parse Range {part:?}: {cause}");
        let holds: fn(Ordering) -> bool = match operator {
            "" | "=" | "==" => Ordering::is_eq,
            ">" => Ordering::is_gt,
            ">=" => Ordering::is_ge,
            "<" => Ordering::is_lt,
            "<=" => Ordering::is_le,
            "!" | "!=" => Ordering::is_ne,
            _ => return Err(malformed(format!("Could not parse comparator {operator:?} in {part:?}"))),
        };
        let unreadable = |cause| malformed(format!("Could not parse version {text:?} in {part:?}: {cause}"));
        // The comparator comes first where both are wrong.
        Ok(Comparator { holds, version: Version::parse(text).map_err(unreadable)? })
    }

    fn holds(&self, version: &Version) -> bool {
        (self.holds)(version.cmp(&self.version))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(range: &str, expected: Result<bool, &str>) {
        let version = Version::parse("1.32.0").unwrap();
        assert_eq!(is_supported(range, &version), expected.map_err(str::to_owned), "{range}");
    }

    #[test]
    fn ranges_hold_what_the_reference_server_finds_in_them() {
        for range in [
            ">=1.0.0 <2.0.0",
            "1.32.0",
            "=1.32.0",
            "==1.32.0",
            "!1.31.0",
            "1.x",
            "1.32.x",
            ">=1.x",
            "<=1.32.x",
            ">2.0.0 || <1.50.0",
            " >=1.0.0",
            ">= 1.0.0",
            "<2.0.0-alpha",
            ">=1.32.0-alpha",
            ">=1.32.0+b",
            ">1.x.x",
            "<5.0.0 || || >1.0.0",
            ">=1.0.0 x",
            ">0.x",
            "<=1.x",
            "<2.0.0 >= 1.0.0",
        ] {
            check(range, Ok(true));
        }
        for range in [
            "<1.0.0",
            ">1.32.0",
            "!1.32.0",
            "1.31.x",
            "2.x",
            ">1.x",
            "<1.x",
            "!1.x",
            "<1.0.0 || >5.0.0",
            "x.1.0",
            "1.x.x",
            "<=1.x.x",
            "0.x",
            ">=1.32.0 1.33.0",
            "!1.31.x",
        ] {
            check(range, Ok(false));
        }
    }

    #[test]
    fn malformed_ranges_are_told_in_the_reference_servers_words() {
        check("x", Err("Last element in range is '||'"));
        check("<5.0.0 ||", Err("Last element in range is '||'"));
        check("|| <5.0.0", Err("First element in range is '||'"));
        check("garbage", Err("Could not get version from string: \"garbage\""));
        check("x.x.x", Err("Could not get version from string: \"x.x.x\""));
        check("1.x.3", Err("Could not get version from string: \"<\""));
        check("~1.0.0", Err("Could not parse Range \"~1.0.0\": Could not parse comparator \"~\" in \"~1.0.0\""));
        check(
            "1.2",
            Err(
                "Could not parse Range \"1.2\": Could not parse version \"1.2\" in \"1.2\": No Major.Minor.Patch elements found",
            ),
        );
    }

    #[test]
    fn versions_are_ordered_as_the_specification_has_them() {
        let ordered =
            ["1.0.0-1", "1.0.0-2", "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-beta", "1.0.0", "1.0.1-rc", "1.2.0"];
        let parsed: Vec<Version> = ordered.iter().map(|text| Version::parse(text).unwrap()).collect();
        assert!(parsed.is_sorted_by(|a, b| a < b), "{ordered:?}");
    }
}
