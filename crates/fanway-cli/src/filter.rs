//! Which deliveries are meant, as operators say it: for lists and for redrives.

use clap::Args;
use clap::builder::PossibleValuesParser;
use fanway_types::{DeadReason, RouteName, TargetName, Timestamp};
use serde_json::{Map, Value};

use crate::durations;
use crate::query::Query;

/// Which deliveries. Every condition that is given has to hold.
#[derive(Debug, Default, Args)]
pub(crate) struct Filter {
    /// Only those of this target
    #[arg(long, value_name = "NAME")]
    target: Option<TargetName>,

    /// Only those of messages of this route
    #[arg(long, value_name = "NAME")]
    route: Option<RouteName>,

    /// Only those that are dead for this reason
    #[arg(long, value_parser = PossibleValuesParser::new(DeadReason::ALL.map(DeadReason::as_str)))]
    reason: Option<String>,

    /// Only those that ended then or later: a time such as 2026-11-22T10:07:07Z, or how long ago,
    /// such as 15m, 2h or 7d
    #[arg(long, value_name = "TIME", value_parser = moment)]
    since: Option<String>,

    /// Only those that ended before; as --since
    #[arg(long, value_name = "TIME", value_parser = moment)]
    until: Option<String>,

    /// Only those with this text in their detail, which is the error or the beginning of the
    /// target's answer; capitals don't matter
    #[arg(long)]
    text: Option<String>,
}

impl Filter {
    /// Whether it says nothing.
    pub(crate) fn is_empty(&self) -> bool {
        self.conditions().iter().all(|(_, value)| value.is_none())
    }

    /// As parameters of a query.
    pub(crate) fn query(&self) -> Query {
        let conditions = self.conditions().into_iter();
        conditions.fold(Query::default(), |query, (name, value)| {
            query.with(name, value)
        })
    }

    /// As fields of a document.
    pub(crate) fn fields(&self) -> Map<String, Value> {
        let conditions = self.conditions().into_iter();
        conditions
            .filter_map(|(name, value)| Some((name.to_owned(), value?.into())))
            .collect()
    }

    fn conditions(&self) -> [(&'static str, Option<&str>); 6] {
        [
            ("target", self.target.as_ref().map(TargetName::as_str)),
            ("route", self.route.as_ref().map(RouteName::as_str)),
            ("reason", self.reason.as_deref()),
            ("since", self.since.as_deref()),
            ("until", self.until.as_deref()),
            ("text", self.text.as_deref()),
        ]
    }
}

/// Reads a point in time as the admin API does, and leaves it to it to count from its own clock.
fn moment(text: &str) -> Result<String, String> {
    let is_time = text.parse::<Timestamp>().is_ok();
    if is_time || durations::parse(text).is_ok() {
        return Ok(text.to_owned());
    }
    Err(
        "expected a time such as 2026-11-22T10:07:07Z, or how long ago, such as 15m, 2h or 7d"
            .to_owned(),
    )
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use serde_json::json;

    use super::Filter;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        filter: Filter,
    }

    fn filter(arguments: &[&str]) -> Result<Filter, clap::Error> {
        let arguments = [&["line"], arguments].concat();
        Line::try_parse_from(arguments).map(|line| line.filter)
    }

    #[test]
    fn a_filter_says_the_same_in_a_query_and_in_a_document() {
        let filter = filter(&["--target", "mail", "--since", "2h", "--text", "a b"]);
        let filter = filter.expect("a filter");
        assert_eq!(
            filter.query().to_string(),
            "?target=mail&since=2h&text=a%20b"
        );
        let fields = json!({"target": "mail", "since": "2h", "text": "a b"});
        assert_eq!(serde_json::Value::Object(filter.fields()), fields);
        assert!(!filter.is_empty());
    }

    #[test]
    fn a_filter_without_conditions_is_empty() {
        assert!(filter(&[]).expect("a filter").is_empty());
        assert!(!filter(&["--until", "7d"]).expect("a filter").is_empty());
    }

    #[test]
    fn what_no_server_would_take_is_refused_here() {
        for wrong in [
            ["--since", "yesterday"],
            ["--until", "2"],
            ["--reason", "tired"],
            ["--target", "A B"],
        ] {
            filter(&wrong).expect_err(wrong[1]);
        }
    }
}
