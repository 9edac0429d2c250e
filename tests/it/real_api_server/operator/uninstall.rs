//! The chart goes; what people declared and use stays.

use rustix::process::Signal;

use super::{
    scene::{Scene, assert_promises, client_certificate, is_settled, token_signing},
    stage::{OPERATOR, Stage, TEAM},
};

const NAMES: [&str; 2] = ["uninstalled-certificate", "uninstalled-signing"];

#[tokio::test]
async fn uninstalling_leaves_what_was_published_and_installing_again_goes_on_with_it() {
    let stage = Stage::alone().await;
    let operator = stage.operator("entra-rotator-0").await;
    let scene = Scene::new(&stage, "uninstalled").await;
    let target = scene.application("Target");
    scene.admit(&[&target]).await;
    let mut certificate = scene.declare(NAMES[0], &target, client_certificate()).await;
    let mut signing = scene.declare(NAMES[1], &target, token_signing()).await;
    let issued = certificate.until("a credential", is_settled).await;
    signing.until("a credential", is_settled).await;
    operator.send(Signal::TERM);
    assert_eq!(operator.exit_code().await, Some(0));

    let declared_and_published = ["get", "secrets,spcred,entratenants,crd", "-n", TEAM, "-o", "json"];
    let before = stage.cluster.kubectl(&declared_and_published).await.unwrap();
    stage.cluster.helm(&["uninstall", OPERATOR, "-n", OPERATOR, "--wait"]).await.unwrap();
    let installed = ["get", "deployments,serviceaccounts,rolebindings", "-A", "-l", "app.kubernetes.io/name=entra-rotator", "-o", "name"];
    assert_eq!(stage.cluster.kubectl(&installed).await.unwrap(), "");
    assert_eq!(stage.cluster.kubectl(&declared_and_published).await.unwrap(), before);
    scene.published(NAMES[0]).await.sign_in(scene.entra()).await.unwrap();

    let changes = scene.entra().changes(&target).len();
    stage.install_again().await;
    let operator = stage.operator("entra-rotator-1").await;
    operator.says("leading").await;
    scene.renew(NAMES[0], &issued).await;
    certificate.until("a rotation", |state| !is_settled(state)).await;
    certificate.until("its end", is_settled).await;
    scene.published(NAMES[0]).await.sign_in(scene.entra()).await.unwrap();
    assert_eq!(scene.entra().changes(&target).len(), changes + 2, "nothing but the one rotation was done");
    assert_promises(&scene, &[&certificate, &signing]);
    scene.leave(&NAMES).await;
}
