//! A plan: what follows from a request to a route.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{RouteName, StepName, TargetName};

/// A route's steps and their expressions, as they stood when a message was accepted.
///
/// What stands under `targets` in the config is not part of it, so that mending a target mends
/// what waits for it. Its JSON is what the store keeps; a later release reads it too, so a field
/// may be added with a default and none may change its meaning.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The route.
    pub route: RouteName,
    /// Its steps, in the order of the config.
    pub steps: Vec<Step>,
    /// The target that is told when a message has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub callback: Option<TargetName>,
    /// The target that is told of each dead letter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_dead: Option<TargetName>,
}

/// One send to one target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Its name, unique within the plan.
    pub name: StepName,
    /// The target.
    pub target: TargetName,
    /// The method of the request that is sent.
    pub method: String,
    /// A template that is appended to the target's URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Names and value templates that are added to the query.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub query: Vec<(String, String)>,
    /// Names, in lower case, and value templates of headers that are set.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<(String, String)>,
    /// A jq program that makes the body; without it the body passes byte for byte.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// In which form what `body` gives is written.
    #[serde(default, skip_serializing_if = "BodyFormat::is_json")]
    pub format: BodyFormat,
    /// Whether no body is sent where there is no program that makes one: for methods whose requests
    /// have none (RFC 9110, 9.3.1). Plans of before send it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub bodiless: bool,
    /// How the body is compressed; without it not at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compress: Option<ContentCoding>,
    /// A jq program; where it gives `false` or `null` the step is skipped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<String>,
    /// Whether its failure fails the message, or leaves it `partial`.
    pub critical: bool,
    /// Headers of the request, in lower case, that are passed on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub forward: Vec<String>,
    /// Whether the request's query is passed on.
    #[serde(default, skip_serializing_if = "is_false")]
    pub forward_query: bool,
    /// How its deliveries are kept in order; without it in none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<StepOrder>,
    /// Only in notices to a URL that a sender named: its scheme, host and port. The request goes
    /// there, and its path and query are those of the stored request, as they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
}

/// How a step's deliveries are kept in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepOrder {
    /// A jq program that gives a message's key; `null` is none.
    pub by: String,
    /// What follows for a key when one of its deliveries is dead.
    #[serde(default, skip_serializing_if = "WhenDead::is_skip")]
    pub when_dead: WhenDead,
}

/// What follows for an order key when the delivery whose turn it is is dead.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhenDead {
    /// The next one has its turn.
    #[default]
    Skip,
    /// Nothing of the key goes on until somebody has seen to the dead letter.
    Block,
    /// Those that were accepted by then and haven't ended are dead letters too.
    DeadLetterRest,
}

impl WhenDead {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Skip, Self::Block, Self::DeadLetterRest];

    /// The word for it, as users write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Skip => "skip",
            Self::Block => "block",
            Self::DeadLetterRest => "dead_letter_rest",
        }
    }

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
    fn is_skip(&self) -> bool {
        *self == Self::Skip
    }
}

/// The form of a body that a program makes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BodyFormat {
    /// JSON (RFC 8259).
    #[default]
    Json,
    /// A form, as web pages send it (the URL standard, `application/x-www-form-urlencoded`).
    Form,
    /// A form of several parts, which may be files (RFC 7578).
    Multipart,
    /// XML 1.0.
    Xml,
    /// Text in UTF-8.
    Text,
    /// Bytes as they are.
    Binary,
}

impl BodyFormat {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Json,
        Self::Form,
        Self::Multipart,
        Self::Xml,
        Self::Text,
        Self::Binary,
    ];

    /// The word for it, as users write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Form => "form",
            Self::Multipart => "multipart",
            Self::Xml => "xml",
            Self::Text => "text",
            Self::Binary => "binary",
        }
    }

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
    fn is_json(&self) -> bool {
        *self == Self::Json
    }
}

/// How a body is compressed: what its `content-encoding` says (RFC 9110, 8.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ContentCoding {
    /// RFC 1952.
    Gzip,
}

impl ContentCoding {
    /// All of them.
    pub const ALL: [Self; 1] = [Self::Gzip];

    /// The word for it, as users and headers write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_false(value: &bool) -> bool {
    !value
}

impl Step {
    /// A step that posts to a target what came, as it came.
    #[must_use]
    pub fn new(name: StepName, target: TargetName) -> Self {
        Self {
            name,
            target,
            method: "POST".to_owned(),
            path: None,
            query: Vec::new(),
            headers: Vec::new(),
            body: None,
            format: BodyFormat::default(),
            bodiless: false,
            compress: None,
            when: None,
            critical: true,
            forward: Vec::new(),
            forward_query: false,
            order: None,
            origin: None,
        }
    }
}

impl Plan {
    /// The JSON under which the plan is kept and hashed.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("a plan has only text keys")
    }

    /// Reads what [`to_json`](Self::to_json) wrote.
    ///
    /// # Errors
    /// Where the text is no plan.
    pub fn from_json(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }

    /// The hash that stands for this plan in messages.
    #[must_use]
    pub fn hash(&self) -> PlanHash {
        PlanHash::of(&self.to_json())
    }

    /// Whether any of its steps keeps its deliveries in order.
    #[must_use]
    pub fn is_ordered(&self) -> bool {
        self.steps.iter().any(|step| step.order.is_some())
    }
}

/// The first 128 bits of the SHA-256 of a plan's JSON.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PlanHash([u8; 16]);

impl PlanHash {
    /// The hash of a plan's JSON.
    #[must_use]
    pub fn of(json: &str) -> Self {
        let digest = Sha256::digest(json.as_bytes());
        let (first, _) = digest.split_first_chunk().expect("SHA-256 has 32 bytes");
        Self(*first)
    }

    /// The hash as bytes.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 16] {
        self.0
    }

    /// The hash that [`to_bytes`](Self::to_bytes) gave.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for PlanHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for PlanHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for PlanHash {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        u128::from_str_radix(text, 16).map(|number| Self(number.to_be_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::{BodyFormat, ContentCoding, Plan, Step};

    fn plan() -> Plan {
        let names = ("stock".parse(), "inventory".parse());
        let mut step = Step::new(names.0.expect("a name"), names.1.expect("a name"));
        step.path = Some(r"/orders/\(.id)".to_owned());
        step.headers = vec![("x-priority".to_owned(), "high".to_owned())];
        step.body = Some(".items".to_owned());
        Plan {
            route: "orders".parse().expect("a name"),
            steps: vec![step],
            callback: None,
            on_dead: None,
        }
    }

    #[test]
    fn a_plan_survives_being_kept() {
        assert_eq!(
            Plan::from_json(&plan().to_json()).expect("just written"),
            plan()
        );
    }

    #[test]
    fn the_hash_stays_the_same_over_releases() {
        // Messages in data folders name this hash: a change here would orphan their plans.
        assert_eq!(
            plan().hash().to_string(),
            "1a5af6d030c9488b7b8fc325cd67a386"
        );
    }

    #[test]
    fn the_form_of_a_body_is_named_in_a_plan_by_words_that_stay() {
        let mut other = plan();
        let step = &mut other.steps[0];
        (step.format, step.bodiless) = (BodyFormat::Multipart, true);
        step.compress = Some(ContentCoding::Gzip);
        let json = other.to_json();
        assert!(
            json.contains(r#""format":"multipart","bodiless":true,"compress":"gzip""#),
            "{json}"
        );
        assert_eq!(Plan::from_json(&json).expect("just written"), other);
    }

    #[test]
    fn any_change_of_a_step_changes_the_hash() {
        let mut other = plan();
        other.steps[0].critical = false;
        assert_ne!(other.hash(), plan().hash());
    }
}
