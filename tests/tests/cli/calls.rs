//! How many calls a photo takes, counted by the host.

use std::{
    io::{Read, Write},
    net::TcpStream,
};

use keepsake_tests::{command::Served, pictures};

use crate::account::{Account, fates};

/// Requests that the host has answered at an endpoint.
pub fn answered(served: &Served, endpoint: &str) -> u64 {
    let address = served.url().strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    write!(
        stream,
        "GET /metrics HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n"
    )
    .unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let family = format!("keepsake_host_requests_total{{endpoint=\"{endpoint}\",");
    text.lines()
        .filter(|line| line.starts_with(&family))
        .map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap())
        .sum()
}

#[test]
fn a_photo_with_its_derivatives_takes_six_calls_at_most() {
    let account = Account::new();
    let photo = |name: &str, width| {
        let jpeg = pictures::jpeg_stored_as(&pictures::upright(width, 700), 1);
        assert!(jpeg.len() < 1_800_000);
        account.photo(name, &jpeg);
    };
    photo("first.jpg", 900);
    account.run(&["upload", "photos"]).ok();

    const PHOTOS: u64 = 10;
    for n in 0..PHOTOS {
        photo(&format!("{n}.jpg"), 1_000 + n as u32);
    }
    let served = account.served();
    let count = || (answered(served, "call"), answered(served, "query"));
    let before = count();
    let (_, summary) = fates(&account.run(&["upload", "photos", "--json"]).ok());
    let after = count();
    assert_eq!(summary["created"], PHOTOS, "{summary}");
    assert_eq!(summary["already_there"], 1, "{summary}");
    let (calls, queries) = (after.0 - before.0, after.1 - before.1);
    // The original, its memory, display, thumbnail, and one call that adds the derivatives.
    assert_eq!(calls, 5 * PHOTOS);
    // Who the capsule's owner is, the limits, the status; a listing and a reading for what is there.
    assert!(queries <= PHOTOS + 6, "{queries} queries");
    println!("{calls} calls and {queries} queries for {PHOTOS} photos");
}
