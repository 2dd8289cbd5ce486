//! `keepsake event`: records that something has happened, which opens what was shared for after it.

use anyhow::Result;
use keepsake_client::api::AccessEvent;

use crate::{Outcome, args::Common, connect, output::Output};

#[derive(Debug, clap::Args)]
pub struct Event {
    /// What has happened: after-death, graduation, wedding, birthday:<which>, anniversary:<which>, capsule-maturity:<years>,
    /// connection-count:<how many>, or custom:<a name of your own>
    #[arg(value_name = "EVENT", value_parser = parse)]
    pub event: AccessEvent,
    /// Capsule in which it counts [default: your own]
    #[arg(long, value_name = "ID")]
    pub capsule: Option<String>,
}

/// For clap: an event by its name.
pub fn parse(text: &str) -> Result<AccessEvent, String> {
    let (name, what) = text.split_once(':').unwrap_or((text, ""));
    let number = || {
        what.parse::<u32>()
            .map_err(|_| format!("say which one, as a number: {name}:18"))
    };
    let alone = |event| {
        if what.is_empty() {
            Ok(event)
        } else {
            Err(format!("nothing comes after {name}"))
        }
    };
    match name {
        "after-death" => alone(AccessEvent::AfterDeath),
        "graduation" => alone(AccessEvent::Graduation),
        "wedding" => alone(AccessEvent::Wedding),
        "anniversary" => Ok(AccessEvent::Anniversary(number()?)),
        "birthday" => Ok(AccessEvent::Birthday(number()?)),
        "capsule-maturity" => Ok(AccessEvent::CapsuleMaturity(number()?)),
        "connection-count" => Ok(AccessEvent::ConnectionCount(number()?)),
        "custom" if !what.trim().is_empty() => Ok(AccessEvent::Custom(what.to_owned())),
        _ => Err(
            "write after-death, graduation, wedding, birthday:18, anniversary:25, capsule-maturity:10, connection-count:5, \
             or custom: and a name of your own"
                .to_owned(),
        ),
    }
}

/// As [`parse`] reads it.
pub fn name(event: &AccessEvent) -> String {
    match event {
        AccessEvent::AfterDeath => "after-death".to_owned(),
        AccessEvent::Graduation => "graduation".to_owned(),
        AccessEvent::Wedding => "wedding".to_owned(),
        AccessEvent::Anniversary(number) => format!("anniversary:{number}"),
        AccessEvent::Birthday(number) => format!("birthday:{number}"),
        AccessEvent::CapsuleMaturity(number) => format!("capsule-maturity:{number}"),
        AccessEvent::ConnectionCount(number) => format!("connection-count:{number}"),
        AccessEvent::Custom(name) => format!("custom:{name}"),
    }
}

pub async fn run(event: Event, common: &Common, output: &mut Output) -> Result<Outcome> {
    let vault = connect::vault(common).await?;
    let capsule = connect::capsule_or_complain(&vault, event.capsule).await?;
    vault.capsule_event_record(&capsule, &event.event).await?;
    let name = name(&event.event);
    if output.is_json() {
        output.json(&serde_json::json!({ "capsule_id": capsule, "event": name }))?;
    } else {
        output.line(&format!(
            "recorded: {name}; what was shared for after it is open now"
        ))?;
    }
    Ok(Outcome::AllWell)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_written_as_they_are_read() {
        for text in [
            "after-death",
            "graduation",
            "wedding",
            "anniversary:25",
            "birthday:18",
            "capsule-maturity:10",
            "connection-count:5",
            "custom:the house is sold: yes",
        ] {
            assert_eq!(name(&parse(text).unwrap()), text);
        }
        for wrong in [
            "",
            "death",
            "birthday",
            "birthday:",
            "birthday:x",
            "wedding:2",
            "custom:",
            "Birthday:1",
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
