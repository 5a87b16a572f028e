//! No text makes the reader panic, and whatever is refused is told why and where.

use fanway_config::Problem;
use proptest::prelude::{ProptestConfig, any, prop, proptest};
use proptest::prop_assert;
use proptest::sample::Index;
use proptest::test_runner::RngSeed;

use crate::scene::parse;

/// A config with something of everything.
const RICH: &str = r#"version: 1
server: { listen: 127.0.0.1:8080, public_url: "https://h.example", memory: 256MiB }
store:
  path: '${DATA:-./data}'
  sync: interval
  keep: { messages: 24h, bodies: all }
egress: { allow: [127.0.0.0/8, "fd00::/8"], deny: 203.0.113.0/24, targets: any }
callbacks: { sign: { standard_webhooks: ['${SIGNING}'] }, timeout: 5s, origins: 2 }
targets:
  stock:
    was: [depot, "${TARGET}"]
    sign: { standard_webhooks: "${SIGNING}" }
    url: ${HOOK}
    credentials: { basic: { user: me, password: "${PASSWORD}" } }
    timeout: &patient { connect: 1s, whole: 1m30s }
    retry: { first: 1s, factor: 2.5, on: knative }
  mail: { url: 'http://127.0.0.1:9103/', proxy: { url: 'socks5h://p.example:1080', user: me, password: "${PASSWORD}" }, timeout: *patient, breaker: { probes: 1 } }
routes:
  orders:
    match: POST /orders/{id}
    send:
      - stock
      - to: mail
        as: second
        path: /orders/\(.id)
        query: { a: '\(.b)' }
        headers: { X-A: 'it''s' }
        body: |
          {order: .id}
          | .order
        when: >-
          .items
          | length > 0
        forward: [x-request-id, query]
    idempotency: { required: true, keep: 1h }
    not_before: 10m
    expires: 1h
    callback: { to: mail, allow: ['https://*.example.com', http://127.0.0.1:9000] }
    on_dead: mail
  rest: { match: { method: PUT, path: '/files/{rest...}' }, send: [mail] }
"#;

/// What is put in place of a character.
const INSERTS: [&str; 16] = [
    "", " ", "\n", "\t", "'", "\"", ":", "{", "}", "[", "*a", "&a ", "${", "\\", "é", "- ",
];

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, rng_seed: RngSeed::Fixed(7), ..ProptestConfig::with_cases(400) })]

    #[test]
    fn a_damaged_config_is_read_or_refused(
        damages in prop::collection::vec((any::<Index>(), 0..INSERTS.len()), 1..4)
    ) {
        let mut characters: Vec<String> = RICH.chars().map(String::from).collect();
        for (place, insert) in damages {
            let place = place.index(characters.len());
            characters[place] = INSERTS[insert].to_owned();
        }
        let text = characters.concat();
        if let Err(errors) = parse(&text) {
            prop_assert!(!errors.problems().is_empty());
            prop_assert!(errors.problems().iter().all(|problem: &Problem| problem.place.is_some()));
            prop_assert!(!errors.to_string().contains("hunter2"), "{}", errors);
        }
    }
}

#[test]
fn what_is_damaged_is_right_before() {
    crate::scene::config(RICH);
}
