//! From a request's method and path to the route that takes it.
//!
//! Of the routes that take both, the one with the most specific path wins: segment by segment
//! from the left, a literal comes before a `{name}`, and that before a `{name...}`. Of two with the
//! same path, the one that names the method comes before the one that takes any. A tree of
//! segments keeps the search short however many routes there are; what a template matches and
//! captures is [`PathTemplate::captures`]'s to say. Paths are taken as sent: nothing is normalised.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ops::ControlFlow;

use foldhash::HashMap;
use http::{HeaderValue, Method};
use percent_encoding::percent_decode_str;

use fanway_types::{Captures, PathTemplate, RouteName, Segment};

use crate::metrics::{Metrics, RouteMetrics};
use crate::params::RouteParams;
use crate::problem::{Kind, Problem};

/// A route as requests meet it.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) params: RouteParams,
    pub(crate) metrics: RouteMetrics,
}

/// Two routes that can't be told apart.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("routes `{first}` and `{second}` take the same requests")]
pub struct Ambiguous {
    /// The one that comes first.
    pub first: RouteName,
    /// The other one.
    pub second: RouteName,
}

/// All routes.
#[derive(Debug)]
pub(crate) struct Router {
    routes: Vec<Route>,
    root: Node,
}

/// What may follow a segment. Routes are named by their places among all.
#[derive(Debug, Default)]
struct Node {
    /// By the config's own words, so that no sender can choose them to collide.
    literals: HashMap<Box<str>, Node>,
    param: Option<Box<Node>>,
    /// Routes whose path ends with a `{name...}` here.
    rest: Vec<usize>,
    /// Routes whose path ends here.
    end: Vec<usize>,
}

impl Router {
    /// Nothing is counted for any route before all are known to be distinct.
    pub(crate) fn try_new(routes: Vec<RouteParams>, metrics: &Metrics) -> Result<Self, Ambiguous> {
        let mut root = Node::default();
        for (index, route) in routes.iter().enumerate() {
            let place = root.place(&route.path);
            let method = |index: &usize| &routes[*index].method;
            if let Some(twin) = place.iter().find(|twin| *method(twin) == route.method) {
                return Err(Ambiguous {
                    first: routes[*twin].name.clone(),
                    second: route.name.clone(),
                });
            }
            place.push(index);
            place.sort_by_key(|index| method(index).is_none());
        }
        let bind = |params: RouteParams| Route {
            metrics: metrics.of_route(&params.name),
            params,
        };
        let routes = routes.into_iter().map(bind).collect();
        Ok(Self { routes, root })
    }

    /// All routes, in the order in which they were given.
    pub(crate) fn routes(&self) -> impl Iterator<Item = &RouteParams> {
        self.routes.iter().map(|route| &route.params)
    }

    /// The route that takes a request, and what its path captured.
    ///
    /// # Errors
    /// [`Kind::RouteUnknown`], or [`Kind::MethodNotAllowed`] where routes of this path take others.
    pub(crate) fn find(&self, method: &Method, path: &str) -> Result<(&Route, Captures), Problem> {
        let mut allowed = BTreeSet::new();
        let found = self.visit(path, &mut |route, captures| match &route.params.method {
            Some(taken) if taken != method => {
                allowed.insert(taken.as_str());
                ControlFlow::Continue(())
            }
            _ => ControlFlow::Break((route, captures)),
        });
        match found {
            ControlFlow::Break(found) => Ok(found),
            ControlFlow::Continue(()) if allowed.is_empty() => Err(Kind::RouteUnknown.into()),
            ControlFlow::Continue(()) => {
                Err(Problem::from(Kind::MethodNotAllowed).allow(listed(&allowed)))
            }
        }
    }

    /// Shows `visitor` the routes whose path this is, the most specific first.
    fn visit<'a, T>(
        &'a self,
        path: &str,
        visitor: &mut impl FnMut(&'a Route, Captures) -> ControlFlow<T>,
    ) -> ControlFlow<T> {
        let Some(left) = path.strip_prefix('/') else {
            return ControlFlow::Continue(());
        };
        self.root.visit(Some(left), &mut |index: usize| {
            let route = &self.routes[index];
            match route.params.path.captures(path) {
                Some(captures) => visitor(route, captures),
                None => ControlFlow::Continue(()),
            }
        })
    }
}

fn listed(methods: &BTreeSet<&str>) -> HeaderValue {
    let list: Vec<_> = methods.iter().copied().collect();
    HeaderValue::from_str(&list.join(", ")).expect("a method is a token")
}

impl Node {
    /// Where the routes of this path are kept; made where it isn't there.
    fn place(&mut self, path: &PathTemplate) -> &mut Vec<usize> {
        let mut node = self;
        for segment in path.segments() {
            node = match segment {
                Segment::Literal(text) => node.literals.entry(text.clone()).or_default(),
                Segment::Param(_) => node.param.get_or_insert_default(),
                Segment::Rest(_) => return &mut node.rest,
            };
        }
        &mut node.end
    }

    /// Shows `visitor` the routes that may match what is `left` of a path; `None` at its end.
    fn visit<T>(
        &self,
        left: Option<&str>,
        visitor: &mut impl FnMut(usize) -> ControlFlow<T>,
    ) -> ControlFlow<T> {
        let Some(left) = left else {
            return self.end.iter().copied().try_for_each(visitor);
        };
        let (first, after) = left
            .split_once('/')
            .map_or((left, None), |(first, after)| (first, Some(after)));
        if let Some(node) = self.literals.get(&*decoded(first)) {
            node.visit(after, visitor)?;
        }
        if let Some(node) = &self.param {
            node.visit(after, visitor)?;
        }
        self.rest.iter().copied().try_for_each(visitor)
    }
}

/// A segment's text. One that isn't UTF-8 may look like a literal here; its template then says no.
fn decoded(segment: &str) -> Cow<'_, str> {
    percent_decode_str(segment).decode_utf8_lossy()
}

#[cfg(test)]
mod tests {
    use http::Method;
    use prometheus_client::registry::Registry;

    use fanway_types::PlanHash;

    use super::{Ambiguous, Router};
    use crate::metrics::Metrics;
    use crate::params::{BodyKind, Idempotency, RouteParams};

    fn router(routes: &[(&str, &str)]) -> Result<Router, Ambiguous> {
        let params = |(name, matched): &(&str, &str)| {
            let (method, path) = matched.split_once(' ').expect("a method and a path");
            RouteParams {
                name: name.parse().expect("a name"),
                method: (method != "*").then(|| method.parse().expect("a method")),
                path: path.parse().expect("a template"),
                plan: PlanHash::of(""),
                order: None,
                body: BodyKind::Opaque,
                idempotency: Idempotency::default(),
                not_before: None,
                expires: None,
                callbacks: [].into(),
            }
        };
        let metrics = Metrics::register(&mut Registry::default());
        Router::try_new(routes.iter().map(params).collect(), &metrics)
    }

    const ROUTES: &[(&str, &str)] = &[
        ("files", "* /files/{path...}"),
        ("order", "PUT /orders/{id}"),
        ("item", "POST /orders/{id}/items"),
        ("new_order", "POST /orders/new"),
        ("other_orders", "* /orders"),
        ("orders", "POST /orders"),
        ("read_me", "GET /files/readme"),
        ("slash", "POST /"),
        ("special", "POST /caf%C3%A9"),
        ("any_items", "POST /{kind}/{id}/items"),
        ("fallback", "PATCH /{all...}"),
    ];

    /// `expected`: the route's name and its captures, or the refusal's code and `Allow`.
    #[track_caller]
    fn check(method: &str, path: &str, expected: &str) {
        let router = router(ROUTES).expect("all can be told apart");
        let method: Method = method.parse().expect("a method");
        let found = match router.find(&method, path) {
            Ok((route, captures)) => captures
                .iter()
                .fold(route.params.name.to_string(), |text, (name, value)| {
                    format!("{text} {name}={value}")
                }),
            Err(problem) => {
                let response = problem.clone().into_response();
                let allow = response.headers().get("allow");
                let allow = allow.map(|list| list.to_str().expect("a list of tokens"));
                format!("{} {}", problem.kind.code(), allow.unwrap_or("-"))
            }
        };
        assert_eq!(found, expected, "{method} {path}");
    }

    #[test]
    fn the_most_specific_route_that_takes_the_method_wins() {
        check("POST", "/orders", "orders");
        check("DELETE", "/orders", "other_orders");
        check("POST", "/orders/new", "new_order");
        check("PUT", "/orders/new", "order id=new");
        check("POST", "/orders/new/items", "item id=new");
        check("POST", "/carts/7/items", "any_items kind=carts id=7");
        check("GET", "/files/readme", "read_me");
        check("PUT", "/files/readme", "files path=readme");
        check("PATCH", "/a/b", "fallback all=a/b");
        check("POST", "/", "slash");
    }

    #[test]
    fn captures_are_decoded_after_the_path_is_split() {
        check("PUT", "/orders/a%2Fb%20c", "order id=a/b c");
        check("POST", "/caf%C3%A9", "special");
        check("POST", "/caf%c3%a9", "special");
        check("PUT", "/orders/%FF", "route_unknown -");
    }

    #[test]
    fn paths_are_not_normalised() {
        check("POST", "/orders/", "method_not_allowed PATCH");
        check("POST", "//orders", "method_not_allowed PATCH");
        check("POST", "/x/../orders", "method_not_allowed PATCH");
        check("POST", "/Orders", "method_not_allowed PATCH");
        check("PUT", "/files/../orders", "files path=../orders");
    }

    #[test]
    fn other_methods_of_the_path_are_listed() {
        check("GET", "/orders/new", "method_not_allowed PATCH, POST, PUT");
        check("OPTIONS", "/orders/7", "method_not_allowed PATCH, PUT");
        check("HEAD", "/files/readme", "files path=readme");
    }

    #[test]
    fn an_unknown_path_is_unknown_whatever_the_method() {
        let router = router(&[("orders", "POST /orders")]).expect("one route");
        for path in ["/", "", "*", "/order", "/orders/7"] {
            let problem = router.find(&Method::POST, path).expect_err("unknown");
            assert_eq!(problem.kind.code(), "route_unknown", "{path}");
        }
    }

    #[test]
    fn routes_that_take_the_same_requests_are_refused() {
        let error = router(&[("a", "POST /x/{one}"), ("b", "POST /x/{other}")]).expect_err("same");
        assert_eq!(
            error.to_string(),
            "routes `a` and `b` take the same requests"
        );
        assert!(router(&[("a", "POST /x/{one}"), ("b", "* /x/{one}")]).is_ok());
    }
}
