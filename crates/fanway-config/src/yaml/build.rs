//! From the parser's events to nodes.

use std::collections::HashMap;

use saphyr_parser::{Event, Marker, Parser, ScanError};

use super::{DEEPEST, Entry, File, MOST_NODES, Node, Scalar, Span, Value};
use crate::check::Finding;
use crate::problem::Code;

/// Reads a document; `None` where there is none.
///
/// What is refused without making the rest unreadable goes to `report`.
///
/// # Errors
/// With the one finding behind which nothing can be read.
pub(crate) fn read(
    file: File,
    text: &str,
    report: impl FnMut(Finding),
) -> Result<Option<Node>, Box<Finding>> {
    let mut builder = Builder {
        report,
        open: Vec::new(),
        root: None,
        anchors: HashMap::new(),
        nodes: 0,
    };
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| not_yaml(file, text, &error))?;
        builder.take(event, Span::between(file, span.start, span.end))?;
    }
    Ok(builder.root)
}

impl Span {
    fn between(file: File, start: Marker, end: Marker) -> Self {
        Self {
            file,
            line: start.line(),
            column: start.col() + 1,
            end_line: end.line(),
            end_column: end.col() + 1,
        }
    }
}

/// What ends the reading.
fn refusal(span: Span, message: impl Into<String>) -> Box<Finding> {
    Box::new(Finding::new(Code::Yaml, span, message.into()))
}

fn not_yaml(file: File, text: &str, error: &ScanError) -> Box<Finding> {
    let marker = error.marker();
    let place = Span::one(file, marker.line(), marker.col() + 1);
    let line = text.lines().nth(marker.line().saturating_sub(1));
    let mut indentation = line
        .unwrap_or_default()
        .chars()
        .take_while(|character| character.is_whitespace());
    let hint = if indentation.any(|character| character == '\t') {
        "YAML is indented with spaces, and this line has a tab"
    } else {
        "a bracket or quote isn't closed, or a value with `: `, ` #` or a first @, % or * has no quotes"
    };
    Box::new(refusal(place, format!("not YAML: {}", error.info())).hint(hint))
}

/// Nodes on their way, from the outermost that is open to the innermost.
struct Builder<R> {
    report: R,
    open: Vec<Open>,
    root: Option<Node>,
    anchors: HashMap<usize, Node>,
    nodes: usize,
}

/// A sequence or mapping that hasn't ended.
struct Open {
    span: Span,
    anchor: usize,
    content: Content,
}

enum Content {
    Sequence(Vec<Node>),
    Mapping {
        entries: Vec<Entry>,
        key: Option<(String, Span)>,
    },
}

impl<R: FnMut(Finding)> Builder<R> {
    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), Box<Finding>> {
        if let Event::Scalar(_, _, _, Some(_))
        | Event::SequenceStart(_, Some(_))
        | Event::MappingStart(_, Some(_)) = event
        {
            (self.report)(*refusal(span, "a config has no use for tags (`!…`)"));
        }
        match event {
            Event::Scalar(text, style, anchor, _) => {
                let scalar = Scalar {
                    text: text.into_owned(),
                    style,
                };
                self.place(
                    Node {
                        span,
                        value: Value::Scalar(scalar),
                    },
                    anchor,
                )
            }
            Event::SequenceStart(anchor, _) => {
                self.begin(span, anchor, Content::Sequence(Vec::new()))
            }
            Event::MappingStart(anchor, _) => self.begin(
                span,
                anchor,
                Content::Mapping {
                    entries: Vec::new(),
                    key: None,
                },
            ),
            Event::SequenceEnd | Event::MappingEnd => self.end(span),
            Event::Alias(anchor) => self.alias(anchor, span),
            Event::DocumentStart(_) if self.root.is_some() => Err(refusal(
                span,
                "a config is one document, and here begins a second",
            )),
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd => Ok(()),
        }
    }

    fn begin(&mut self, span: Span, anchor: usize, content: Content) -> Result<(), Box<Finding>> {
        if self.open.len() == DEEPEST {
            return Err(refusal(
                span,
                format!("nested deeper than {DEEPEST} levels"),
            ));
        }
        self.open.push(Open {
            span,
            anchor,
            content,
        });
        Ok(())
    }

    fn end(&mut self, end: Span) -> Result<(), Box<Finding>> {
        let Open {
            mut span,
            anchor,
            content,
        } = self.open.pop().expect("the parser balances its events");
        (span.end_line, span.end_column) = (end.end_line, end.end_column);
        let value = match content {
            Content::Sequence(items) => Value::Sequence(items),
            Content::Mapping { entries, .. } => Value::Mapping(entries),
        };
        self.place(Node { span, value }, anchor)
    }

    fn alias(&mut self, anchor: usize, span: Span) -> Result<(), Box<Finding>> {
        let Some(node) = self.anchors.get(&anchor).cloned() else {
            return Err(refusal(span, "an alias stands within what it stands for"));
        };
        let (nodes, depth) = measure(&node);
        if self.open.len() + depth > DEEPEST {
            return Err(refusal(
                span,
                format!("nested deeper than {DEEPEST} levels"),
            ));
        }
        self.count(nodes, span)?;
        self.place(node, 0)
    }

    /// Puts a node where it belongs: into what is open, or at the root.
    fn place(&mut self, node: Node, anchor: usize) -> Result<(), Box<Finding>> {
        self.count(1, node.span)?;
        // The parser numbers anchors from 1.
        if anchor != 0 {
            self.count(measure(&node).0, node.span)?;
            self.anchors.insert(anchor, node.clone());
        }
        match self.open.last_mut().map(|open| &mut open.content) {
            None => self.root = Some(node),
            Some(Content::Sequence(items)) => items.push(node),
            Some(Content::Mapping { entries, key }) => match key.take() {
                None => *key = Some(read_key(node)?),
                Some((key, key_span)) => add(
                    entries,
                    Entry {
                        key,
                        key_span,
                        node,
                    },
                    &mut self.report,
                ),
            },
        }
        Ok(())
    }

    fn count(&mut self, nodes: usize, span: Span) -> Result<(), Box<Finding>> {
        self.nodes += nodes;
        if self.nodes > MOST_NODES {
            return Err(refusal(
                span,
                format!("more than {MOST_NODES} values, aliases included"),
            ));
        }
        Ok(())
    }
}

fn read_key(node: Node) -> Result<(String, Span), Box<Finding>> {
    match node.value {
        Value::Scalar(scalar) => Ok((scalar.text, node.span)),
        Value::Sequence(_) | Value::Mapping(_) => Err(refusal(
            node.span,
            "a key is a word, not a list or a mapping",
        )),
    }
}

/// Adds an entry to its mapping, or reports why it has no place there.
fn add(entries: &mut Vec<Entry>, entry: Entry, report: &mut impl FnMut(Finding)) {
    if entry.key == "<<" {
        let message = "merge keys (`<<`) are not supported".to_owned();
        report(
            Finding::new(Code::Yaml, entry.key_span, message)
                .hint("an alias for a whole value is: retry: *patient"),
        );
    } else if let Some(first) = entries.iter().find(|other| other.key == entry.key) {
        let message = format!("key \"{}\" stands twice", entry.key);
        report(Finding::new(Code::Key, entry.key_span, message).also(first.key_span, "the first"));
    } else {
        entries.push(entry);
    }
}

/// How many nodes a tree has, and how many levels of sequences and mappings.
fn measure(node: &Node) -> (usize, usize) {
    let sum = |sizes: &mut dyn Iterator<Item = (usize, usize)>| {
        let (nodes, depth) = sizes.fold((0, 0), |(nodes, depth), (more, deep)| {
            (nodes + more, depth.max(deep))
        });
        (nodes + 1, depth + 1)
    };
    match &node.value {
        Value::Scalar(_) => (1, 0),
        Value::Sequence(items) => sum(&mut items.iter().map(measure)),
        Value::Mapping(entries) => sum(&mut entries.iter().map(|entry| measure(&entry.node))),
    }
}
