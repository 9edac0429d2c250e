//! Serves the definitions in the files that are named as arguments, for kubectl.
#![allow(clippy::unwrap_used, missing_docs)]

use kube_sim::KubeSim;
use tokio::net::TcpListener;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let files = std::env::args().skip(1).map(|file| std::fs::read_to_string(file).unwrap());
    let server = files.fold(KubeSim::builder(), kube_sim::Builder::crd_yaml).build().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("kubectl --server=http://{}", listener.local_addr().unwrap());
    server.serve(listener).await.unwrap();
}
