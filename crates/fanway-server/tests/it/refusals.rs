//! What keeps a server from starting.

use std::time::Duration;

use fanway_config::Config;
use fanway_server::{ListenError, StartError};

use crate::gateway::{Gateway, config, folder, try_start};

const SECTIONS: &str = "targets: { mail: { url: 'http://127.0.0.1:9' } }\n\
                        routes: { mails: { match: POST /mails, send: [mail] } }\n";

async fn refused(config: Config) -> StartError {
    match try_start(config).await {
        Ok(_) => panic!("it started"),
        Err(error) => error,
    }
}

#[tokio::test]
async fn a_data_folder_in_use_is_refused_by_who_has_it() {
    let folder = folder();
    let config = config(folder.path(), SECTIONS);
    let gateway = Gateway::start(config.clone()).await;
    let error = refused(config.clone()).await;
    let StartError::InUse { holder, .. } = &error else {
        panic!("{error}");
    };
    assert!(holder.contains(&std::process::id().to_string()), "{holder}");
    gateway.stop(Duration::from_secs(10)).await;
    Gateway::start(config).await.stop(Duration::ZERO).await;
}

#[tokio::test]
async fn an_address_in_use_is_refused_and_leaves_the_data_folder_free() {
    let (one, other) = (folder(), folder());
    let gateway = Gateway::start(config(one.path(), SECTIONS)).await;
    let (taken, _) = gateway.addresses();
    let mut config = config(other.path(), SECTIONS);
    config.server.listen = taken;
    let error = refused(config.clone()).await;
    assert!(matches!(error, StartError::Listen(ListenError::InUse(_))));
    assert_eq!(error.to_string(), format!("address in use: {taken}"));
    gateway.stop(Duration::from_secs(10)).await;
    Gateway::start(config).await.stop(Duration::ZERO).await;
}

#[tokio::test]
async fn an_admin_api_that_others_can_reach_is_refused() {
    let folder = folder();
    let mut config = config(folder.path(), SECTIONS);
    config.server.admin = ([0, 0, 0, 0], 0).into();
    let error = refused(config).await;
    assert!(matches!(error, StartError::AdminExposed(_)), "{error}");
}
