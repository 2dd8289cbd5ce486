//! What the operator of a vault at home sees: health, figures, the log, and limits that are set.

use std::io::{Read, Write};
use std::net::TcpStream;

use keepsake_tests::{artefacts::vault_wasm, command::Served};
use serde_json::Value;

use crate::account::Account;

/// The answer to GET, with its head.
fn get(url: &str, host: &str, path: &str) -> String {
    get_for(url, host, path, "")
}

/// The answer to GET with a further line in its head.
fn get_for(url: &str, host: &str, path: &str, line: &str) -> String {
    let address = url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nhost: {host}\r\n{line}connection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

fn serve(account: &mut Account, options: &[&str]) {
    account.stop().ok();
    let served =
        Served::try_start_with(&account.state(), &vault_wasm(), "127.0.0.1:0", options).unwrap();
    account.served = Some(served);
}

#[test]
fn health_figures_and_a_log_that_keeps_quiet_about_what_is_kept() {
    let mut account = Account::new();
    serve(&mut account, &["--log", "debug", "--log-format", "json"]);
    account.photo("seaside-1987.txt", b"The sea was warm.\n");
    account.run(&["upload", "photos"]).ok();
    let url = account.served().url().to_owned();
    assert!(get(&url, "localhost", "/health").starts_with("HTTP/1.1 200"));
    let canister = account.served().announced["canister_id"].as_str().unwrap();
    let page = format!("/asset/seaside-1987?token=secret-token&canisterId={canister}");
    get(&url, "localhost", &page);

    let figures = get(&url, "localhost", "/metrics");
    let value = |name: &str| -> f64 {
        let line = figures
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("{name}: {figures}"))
            .parse()
            .unwrap()
    };
    assert_eq!(value("keepsake_host_ready"), 1.0);
    assert!(value("keepsake_host_requests_total{endpoint=\"call\",status=\"200\"}") >= 3.0);
    assert_eq!(value("keepsake_host_requests_in_flight"), 1.0);
    assert_eq!(value("keepsake_host_updates_pending"), 0.0);
    assert_eq!(value("keepsake_host_commits_failed_total"), 0.0);
    for positive in [
        "keepsake_host_commit_seconds_count",
        "keepsake_host_stable_memory_bytes",
        "keepsake_host_disk_free_bytes",
        "keepsake_host_database_bytes",
        "keepsake_host_instructions_total{kind=\"update\"}",
        "process_resident_memory_bytes",
    ] {
        assert!(value(positive) > 0.0, "{positive}");
    }
    assert!(
        get(&url, "vault.example.org", "/metrics").starts_with("HTTP/1.1 404"),
        "a proxy passes on what others ask for"
    );

    let ended = account.served.take().unwrap().terminate();
    assert_eq!(ended.code(), Some(0), "{ended:#?}");
    let mut requests = 0;
    for line in ended
        .stderr
        .lines()
        .filter(|line| !line.starts_with("keepsake: "))
    {
        let line: Value =
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"));
        assert!(line["timestamp"].is_string() && line["level"].is_string());
        requests += usize::from(line["endpoint"] == "call" && line["status"] == 200);
    }
    assert!(requests >= 3, "{}", ended.stderr);
    for private in ["seaside", "secret-token", "photos"] {
        assert!(!ended.stderr.contains(private), "{private}");
    }
}

#[test]
fn limits_that_are_set_are_kept() {
    let mut account = Account::new();
    serve(&mut account, &["--peer-rate", "1", "--metrics", "nobody"]);
    let url = account.served().url().to_owned();
    let answers: Vec<String> = (0..8).map(|_| get(&url, "localhost", "/metrics")).collect();
    assert!(answers[0].starts_with("HTTP/1.1 404"), "{}", answers[0]);
    let refused = answers
        .iter()
        .filter(|answer| answer.starts_with("HTTP/1.1 429"));
    assert!(refused.count() >= 3, "{answers:?}");

    match Served::try_start_with(
        &account.path("other"),
        &vault_wasm(),
        "127.0.0.1:0",
        &["--log", "a=b=c"],
    ) {
        Ok(served) => panic!("it was served: {}", served.announced),
        Err(ended) => assert!(ended.failed().contains("--log"), "{ended:#?}"),
    }
}

#[test]
fn who_comes_by_a_trusted_proxy_is_limited_apart_from_others() {
    let mut account = Account::new();
    let limit = ["--peer-rate", "1"];
    let refused_of_8 = |url: &str, client: &str| {
        let line = format!("x-forwarded-for: 198.51.100.7, {client}\r\n");
        let answers = (0..8).map(|_| get_for(url, "localhost", "/nothing", &line));
        answers
            .filter(|answer| answer.starts_with("HTTP/1.1 429"))
            .count()
    };
    serve(
        &mut account,
        &[&limit[..], &["--trust-proxy", "127.0.0.0/8"]].concat(),
    );
    let url = account.served().url().to_owned();
    for client in ["203.0.113.1", "203.0.113.2", "2001:db8::1"] {
        let refused = refused_of_8(&url, client);
        assert!((1..=5).contains(&refused), "{client}: {refused}");
    }
    // Without, they are all the proxy.
    serve(&mut account, &limit);
    let url = account.served().url().to_owned();
    refused_of_8(&url, "203.0.113.1");
    assert!(refused_of_8(&url, "203.0.113.2") >= 6);

    for (option, value) in [
        ("--trust-proxy", "proxy.example.org"),
        ("--trust-network", "3081"),
    ] {
        let options = [option, value];
        match Served::try_start_with(
            &account.path("other"),
            &vault_wasm(),
            "127.0.0.1:0",
            &options,
        ) {
            Ok(served) => panic!("it was served: {}", served.announced),
            Err(ended) => assert!(ended.stderr.contains(option), "{ended:#?}"),
        }
    }
    let root_key = account.served().announced["root_key"]
        .as_str()
        .unwrap()
        .to_owned();
    serve(&mut account, &["--trust-network", &root_key]);
}
