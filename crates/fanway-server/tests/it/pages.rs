//! Web pages of other origins, as the config names them.

use std::time::Duration;

use bytes::Bytes;
use fanway_config::{Cors, PageOrigins};
use hyper::Request;

use crate::gateway::{Gateway, config, folder, smallest};
use crate::sink::Sink;

/// Who a page's request is answered for, where pages of these origins may send.
async fn allowed(origins: Option<PageOrigins>) -> Option<String> {
    let folder = folder();
    let sink = Sink::start(Some(200)).await;
    let mut config = config(folder.path(), &smallest(&sink, &sink));
    config.server.cors = origins.map(|origins| Cors {
        origins,
        max_age: Duration::from_secs(60),
    });
    let gateway = Gateway::start(config).await;
    let request = Request::post("/orders").header("origin", "https://shop.example");
    let answer = gateway.ask(request, Bytes::from("{}")).await;
    assert_eq!(answer.status, 202, "{}", answer.text());
    let allowed = answer.headers.get("access-control-allow-origin");
    let allowed = allowed.map(|value| value.to_str().expect("text").to_owned());
    gateway.stop(Duration::from_secs(10)).await;
    allowed
}

#[tokio::test]
async fn pages_may_send_that_the_config_names() {
    let origin = |text: &str| PageOrigins::Listed(vec![text.parse().expect("origins")]);
    let shop = allowed(Some(origin("https://*.example"))).await;
    assert_eq!(shop.as_deref(), Some("https://shop.example"));
    assert_eq!(allowed(Some(origin("https://other.example"))).await, None);
    assert_eq!(allowed(Some(PageOrigins::Any)).await.as_deref(), Some("*"));
    assert_eq!(allowed(None).await, None);
}
