//! What a target's answers count as.

use fanway_policy::exchange::Rules;
use fanway_transform::Predicate;

/// What a config says of a target's answers. By default what the default rules say.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    /// Which answers are a success, which are worth another attempt, which are final.
    pub rules: Rules,
    /// What the body of an answer has to be that has the status of a success; where nothing is
    /// asked, no body is read for it.
    pub body: Option<Predicate>,
}
