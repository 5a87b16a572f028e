//! An explanation as a person reads it.

use fanway_server::explain::{
    Body, Breaker, Checked, Concurrency, Endpoints, Explained, Notices, Outgoing, Policy, Problem,
    Said, Step, Success, Terms, Tls, Tried, Who,
};
use fanway_types::TargetName;
use serde_json::Value;

use crate::table::{cell, visible};

/// All of it, without a line's end at the end.
pub(super) fn text(explained: &Explained) -> String {
    let mut sections = vec![
        one_line(&explained.request),
        section("routes", &routes(&explained.routes)),
    ];
    if explained.is_reserved {
        let answer = "Fanway answers it itself: what is under /fanway/ goes to no route";
        sections.push(answer.to_owned());
    }
    if let Some(route) = &explained.route {
        let checks = checks(&explained.checks);
        sections.push(section(&format!("checks of {route}"), &checks));
    }
    if let Some(problem) = &explained.refused {
        sections.push(refused(problem));
    }
    if let (Some(message), Some(terms)) = (&explained.message, &explained.terms) {
        let plan = explained.plan.as_deref().unwrap_or_default();
        let message = self::message(&message.to_string(), plan, terms);
        sections.push(section("accepted: 202", &message));
    }
    sections.extend(explained.steps.iter().map(step));
    let notices = explained.notices.as_ref().map(notices).unwrap_or_default();
    if !notices.is_empty() {
        sections.push(section("notices", &notices));
    }
    sections.join("\n\n")
}

/// A heading, and what is below it.
fn section(heading: &str, lines: &[String]) -> String {
    format!("{heading}\n{}", indented(&lines.join("\n")))
}

fn one_line(text: &str) -> String {
    cell(&Value::from(text))
}

/// Lines and no table, as below: one that is longer doesn't move the others, which a difference
/// would show.
fn routes(routes: &[Tried]) -> Vec<String> {
    let line = |tried: &Tried| {
        let mark = if tried.takes { "*" } else { "-" };
        let why = one_line(&tried.why);
        format!("{mark} {} ({}): {why}", tried.route, tried.matches)
    };
    routes.iter().map(line).collect()
}

fn checks(checks: &[Checked]) -> Vec<String> {
    let line = |checked: &Checked| {
        let why = checked.refused.as_ref().map(|problem| {
            let detail = problem.detail.as_deref().unwrap_or(problem.title);
            format!(", {}", one_line(detail))
        });
        let line = format!("{}: {}", checked.check, checked.verdict).replace('_', " ");
        line + &why.unwrap_or_default()
    };
    checks.iter().map(line).collect()
}

fn refused(problem: &Problem) -> String {
    let document = serde_json::to_string_pretty(problem).unwrap_or_default();
    format!("refused: {}\n{document}", problem.status)
}

fn message(id: &str, plan: &str, terms: &Terms) -> Vec<String> {
    let mut lines = vec![format!("message: {id}"), format!("plan: {plan}")];
    if let Some(key) = &terms.idempotency_key {
        let (key, keep) = (one_line(&key.key), &key.keep);
        lines.push(format!("idempotency key: {key}, kept for {keep}"));
    }
    for (name, said) in [
        ("not before", &terms.not_before),
        ("expires", &terms.expires),
    ] {
        if let Some(said) = said {
            lines.push(format!("{name}: {}", time(said)));
        }
    }
    lines
}

fn time(said: &Said) -> String {
    let who = match said.by {
        Who::Sender => "the request",
        Who::Route => "the route",
    };
    format!("{}, says {who}", one_line(&said.said))
}

fn step(step: &Step) -> String {
    let critical = if step.critical { "" } else { ", not critical" };
    let mut lines = Vec::new();
    for expression in &step.expressions {
        let source = one_line(&expression.source);
        lines.push(format!("{}: {source}", expression.field));
        if let Some(result) = &expression.result {
            lines.push(format!("  = {}", one_line(result)));
        }
    }
    lines.extend(policy(&step.policy));
    let heading = format!("step {} to {}{critical}", step.step, step.target);
    let sent = match (&step.request, &step.skipped, &step.fails) {
        (Some(request), _, _) => outgoing(request),
        (None, Some(why), _) => format!("skipped: {}", visible(why)),
        (None, None, why) => {
            let why = why.as_deref().unwrap_or_default();
            format!("no attempt can be made: {}", visible(why))
        }
    };
    format!("{}\n\n{}", section(&heading, &lines), indented(&sent))
}

/// What holds for attempts.
fn policy(policy: &Policy) -> Vec<String> {
    let (timeouts, retry, breaker) = (&policy.timeouts, &policy.retry, &policy.breaker);
    let never = match retry.never.as_slice() {
        [] => String::new(),
        never => format!(", never on {}", never.join(", ")),
    };
    let mut lines = success(&policy.success);
    lines.extend([
        format!(
            "attempts: {} within {}, on {} failures{never}; waits up to {}, then {} times as long, at most {}",
            retry.attempts,
            retry.give_up_after,
            retry.on.join(", "),
            retry.first,
            retry.factor,
            retry.max
        ),
        format!(
            "limits: {}; {} each, {} to connect, {} to the first byte",
            limits(policy),
            timeouts.whole,
            timeouts.connect,
            timeouts.first_byte
        ),
        format!(
            "breaker: opens for {} after {} failures in a row, or {:.0} % of {} or more in {}{}; {} probes close it",
            breaker.open_for,
            breaker.consecutive,
            breaker.failure_ratio * 100.0,
            breaker.minimum,
            breaker.window,
            slow(breaker),
            breaker.probes
        ),
    ]);
    lines.extend(policy.endpoints.as_ref().map(endpoints));
    lines.extend(policy.fallback.as_ref().map(|fallback| {
        format!("fallback: {fallback}, while the breaker isn't closed and for what is given up")
    }));
    lines.extend(policy.hedge_after.as_ref().map(|after| {
        format!("hedged: after {after} without an answer, one in ten attempts at most")
    }));
    lines.extend(policy.tls.as_ref().map(tls));
    lines.extend(policy.proxy.as_ref().map(|proxy| {
        let login = if proxy.logs_in {
            ", with user and password"
        } else {
            ""
        };
        format!("proxy: {}{login}", proxy.url)
    }));
    lines
}

/// What there is to TLS.
fn tls(tls: &Tls) -> String {
    let authorities = match tls.authorities {
        None => "the system's authorities".to_owned(),
        Some(1) => "an authority of its own".to_owned(),
        Some(count) => format!("{count} authorities of its own"),
    };
    let name = tls.server_name.as_ref();
    let name = name.map(|name| format!(", asked for as {name}"));
    let shown = tls.shows_certificate.then_some(", shown our certificate");
    format!(
        "TLS: {} or later, {authorities}{}{}",
        tls.min_version,
        name.unwrap_or_default(),
        shown.unwrap_or_default()
    )
}

/// Which answers are a success, where that isn't any 2xx.
fn success(success: &Success) -> Vec<String> {
    let status = success.status.join(", ");
    match &success.body {
        None if status == "2xx" => Vec::new(),
        None => vec![format!("success: {status}")],
        Some(body) => vec![format!(
            "success: {status} where `{}` holds of the body; otherwise {}",
            one_line(body),
            success.otherwise
        )],
    }
}

fn limits(policy: &Policy) -> String {
    let at_a_time = match policy.concurrency {
        Concurrency::Fixed(count) => format!("{count} at a time"),
        Concurrency::Auto { auto } => {
            format!("{} to {} at a time, by its latency", auto.least, auto.most)
        }
    };
    match &policy.rate {
        Some(rate) => format!("{at_a_time}, {} with bursts of {}", rate.limit, rate.burst),
        None => at_a_time,
    }
}

fn slow(breaker: &Breaker) -> String {
    let Some(slow) = &breaker.slow else {
        return String::new();
    };
    let share = breaker.slow_ratio * 100.0;
    format!(", or {share:.0} % of them that take {slow} or longer")
}

fn endpoints(endpoints: &Endpoints) -> String {
    let url = |(url, weight): &(String, u32)| match weight {
        1 => one_line(url),
        weight => format!("{} ({weight} times as often)", one_line(url)),
    };
    let urls: Vec<String> = endpoints.urls.iter().map(url).collect();
    let checks = endpoints
        .health
        .as_ref()
        .map_or_else(String::new, |health| {
            format!(
                ", or while {} fails, checked every {}",
                health.path, health.interval
            )
        });
    format!(
        "endpoints: {} by {}; one is left out for {} after {} failures in a row{checks}",
        urls.join(", "),
        endpoints.balance,
        endpoints.eject_for,
        endpoints.eject_after
    )
}

fn outgoing(request: &Outgoing) -> String {
    let mut text = format!("{} {}\n", request.method, request.url);
    for (name, value) in &request.headers {
        text += &format!("{name}: {}\n", one_line(value));
    }
    match &request.body {
        Body::Text(body) if body.is_empty() => text,
        Body::Text(body) => text + "\n" + &visible(body),
        Body::Base64(body) => text + "\n(base 64) " + body,
    }
}

fn indented(text: &str) -> String {
    let line = |line: &str| match line {
        "" => String::new(),
        line => format!("  {line}"),
    };
    let lines: Vec<String> = text.lines().map(line).collect();
    lines.join("\n")
}

fn notices(notices: &Notices) -> Vec<String> {
    let name = |name: &Option<TargetName>| name.as_ref().map(TargetName::to_string);
    let told = [
        ("when it has ended", name(&notices.callback)),
        (
            "when it has ended",
            notices.callback_url.as_deref().map(one_line),
        ),
        ("of each dead letter", name(&notices.on_dead)),
    ];
    let line = |(when, who): (&str, Option<String>)| Some(format!("{} is told {when}", who?));
    told.into_iter().filter_map(line).collect()
}
