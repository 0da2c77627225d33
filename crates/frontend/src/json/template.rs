//! Path templates of `google.api.http`: `/api/v1/namespaces/{namespace}/workflows/{execution.workflow_id}`.

use prost_reflect::{FieldDescriptor, MessageDescriptor};

/// The path of a binding.
#[derive(Debug)]
pub(super) struct Template {
    segments: Vec<Segment>,
    /// The fields that the variables set, in the order in which they stand in the path.
    variables: Vec<Variable>,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Segment {
    Literal(String),
    /// One segment, whatever it is.
    Any,
    /// All segments that are left, at least one.
    Rest,
}

/// A variable: a field by its path, and the segments that it takes.
#[derive(Debug)]
struct Variable {
    fields: Vec<FieldDescriptor>,
    begin: usize,
    end: usize,
}

impl Template {
    /// Reads a template; `None` if it is not one, or names what is no field of the message.
    pub(super) fn parse(text: &str, message: &MessageDescriptor) -> Option<Template> {
        let mut template = Template { segments: Vec::new(), variables: Vec::new() };
        let mut rest = text.strip_prefix('/')?;
        loop {
            if let Some(variable) = rest.strip_prefix('{') {
                let (inside, behind) = variable.split_once('}')?;
                let (path, pattern) = inside.split_once('=').unwrap_or((inside, "*"));
                let begin = template.segments.len();
                pattern.split('/').try_for_each(|segment| template.push(segment))?;
                let end = template.segments.len();
                template.variables.push(Variable { fields: fields(path, message)?, begin, end });
                rest = behind;
            } else {
                let end = rest.find('/').unwrap_or(rest.len());
                template.push(&rest[..end])?;
                rest = &rest[end..];
            }
            if rest.is_empty() {
                return Some(template);
            }
            rest = rest.strip_prefix('/')?;
        }
    }

    /// Nothing follows what takes all that is left. Verbs behind a colon are in no annotation.
    fn push(&mut self, segment: &str) -> Option<()> {
        if self.segments.last() == Some(&Segment::Rest) {
            return None;
        }
        self.segments.push(match segment {
            "*" => Segment::Any,
            "**" => Segment::Rest,
            "" => return None,
            literal if literal.contains([':', '{', '}', '*']) => return None,
            literal => Segment::Literal(literal.to_owned()),
        });
        Some(())
    }

    /// Orders templates: of two that fit a path, the lower one says more of it.
    pub(super) fn rank(&self) -> &[Segment] {
        &self.segments
    }

    /// The fields that variables set.
    pub(super) fn variables(&self) -> impl Iterator<Item = &[FieldDescriptor]> {
        self.variables.iter().map(|variable| variable.fields.as_slice())
    }

    /// The values of the variables in a path that fits. A segment that is empty fits no variable.
    pub(super) fn match_segments(&self, path: &[String]) -> Option<Vec<String>> {
        let fits = |(segment, given): (&Segment, &String)| match segment {
            Segment::Literal(literal) => literal == given,
            Segment::Any | Segment::Rest => !given.is_empty(),
        };
        let whole = match self.segments.last() {
            Some(Segment::Rest) => path.len() >= self.segments.len(),
            _ => path.len() == self.segments.len(),
        };
        if !whole || !self.segments.iter().zip(path).all(fits) {
            return None;
        }
        let value = |variable: &Variable| {
            let to_end = self.segments[variable.end - 1] == Segment::Rest;
            let end = if to_end { path.len() } else { variable.end };
            path[variable.begin..end].join("/")
        };
        Some(self.variables.iter().map(value).collect())
    }

    /// A path that fits.
    #[cfg(test)]
    pub(super) fn example(&self, value: &str) -> String {
        let segment = |segment: &Segment| match segment {
            Segment::Literal(literal) => format!("/{literal}"),
            Segment::Any | Segment::Rest => format!("/{value}"),
        };
        self.segments.iter().map(segment).collect()
    }
}

/// The fields from the outermost to the one that a dotted path names.
fn fields(path: &str, message: &MessageDescriptor) -> Option<Vec<FieldDescriptor>> {
    let mut fields: Vec<FieldDescriptor> = Vec::new();
    for name in path.split('.') {
        let within = match fields.last() {
            Some(outer) => outer.kind().as_message()?.clone(),
            None => message.clone(),
        };
        fields.push(within.get_field_by_name(name)?);
    }
    Some(fields)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::routes::POOL;

    fn template(text: &str) -> Option<Template> {
        let message = "temporal.api.workflowservice.v1.DescribeWorkflowExecutionRequest";
        Template::parse(text, &POOL.get_message_by_name(message).unwrap())
    }

    #[test]
    fn templates_fit_paths() {
        for (text, path, values) in [
            ("/a/b", "/a/b", Some(vec![])),
            ("/a/b", "/a", None),
            ("/a/b", "/a/b/c", None),
            ("/a/{namespace}", "/a/n", Some(vec!["n"])),
            ("/a/{namespace}", "/a/", None),
            ("/a/{namespace}/{execution.workflow_id}", "/a/n/w", Some(vec!["n", "w"])),
            ("/a/{namespace=x/*}", "/a/x/y", Some(vec!["x/y"])),
            ("/a/{namespace=x/*}", "/a/y/y", None),
            ("/a/{namespace=**}", "/a/x/y/z", Some(vec!["x/y/z"])),
            ("/a/{namespace=**}", "/a", None),
            ("/a/*/{namespace}", "/a/b/n", Some(vec!["n"])),
        ] {
            let segments: Vec<String> = path[1..].split('/').map(str::to_owned).collect();
            let found = template(text).unwrap().match_segments(&segments);
            let values = values.map(|values| values.into_iter().map(str::to_owned).collect::<Vec<_>>());
            assert_eq!(found, values, "{text} {path}");
        }
    }

    #[test]
    fn what_is_no_template_is_refused() {
        for text in
            ["a", "/a//b", "/a/{namespace", "/a/{nonsense}", "/{namespace.x}", "/{namespace=**}/x", "/a:verb", ""]
        {
            assert!(template(text).is_none(), "{text}");
        }
    }

    #[test]
    fn more_words_go_first() {
        let rank = |text| template(text).unwrap();
        let (word, any, rest) = (rank("/a/b/c"), rank("/a/{namespace}/c"), rank("/a/{namespace=**}"));
        assert!(word.segments < any.segments && any.segments < rest.segments);
    }
}
