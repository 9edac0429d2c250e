//! Signs in at a running emulator and reads an application: `cargo run --example sign_in -- ca.pem`.

use reqwest::{Certificate, Client};
use serde_json::Value;

const HOST: &str = "https://localhost:8443";
const TENANT: &str = "8c9f3d52-0b1e-4c55-9d0e-6a2f6c1e7b10";
const FIELDS: [(&str, &str); 4] = [
    ("grant_type", "client_credentials"),
    ("client_id", "0f0a2a4e-53a5-4c0f-8f0b-0d3a7f6f2c01"),
    ("client_secret", "rotator~secret"),
    ("scope", "https://graph.microsoft.com/.default"),
];

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let ca = std::fs::read(std::env::args().nth(1).ok_or("name the file that --ca-out has written")?)?;
    let client = Client::builder().tls_certs_only([Certificate::from_pem(&ca)?]).build()?;
    let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(FIELDS).finish();
    let token = client
        .post(format!("{HOST}/{TENANT}/oauth2/v2.0/token"))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(form)
        .send()
        .await?
        .error_for_status()?;
    let token: Value = serde_json::from_str(&token.text().await?)?;
    let payroll = format!("{HOST}/v1.0/applications(appId='1d5d1c6e-7c0e-4a0e-9a55-5b9d0c3f7a02')");
    let answer = client.get(payroll).bearer_auth(token["access_token"].as_str().unwrap_or_default()).send().await?;
    let application: Value = serde_json::from_str(&answer.error_for_status()?.text().await?)?;
    println!("{}", application["displayName"]);
    Ok(())
}
