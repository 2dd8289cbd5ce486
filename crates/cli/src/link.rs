//! `keepsake link`: several keys (this command's, a browser's, an Internet Identity) that act as one person.

use anyhow::Result;
use candid::Principal;
use clap::Subcommand;
use keepsake_client::api::LinkOffer;

use crate::{
    Outcome,
    args::Common,
    connect,
    output::{self, Output},
};

#[derive(Debug, Subcommand)]
pub enum Link {
    /// Show who you are: the principals that act as you, and open offers
    Show,
    /// Offer a principal to act as one person with you; it has 24 hours to accept
    Offer {
        #[arg(value_name = "PRINCIPAL")]
        principal: Principal,
    },
    /// Accept an offer: you become one person with whoever made it, and share everything with them
    Accept {
        /// Any principal of the person who made the offer
        #[arg(value_name = "PRINCIPAL")]
        principal: Principal,
    },
    /// Take a principal out of those that act as you, or withdraw your offer to it
    Unlink {
        #[arg(value_name = "PRINCIPAL")]
        principal: Principal,
    },
}

pub async fn run(link: Link, common: &Common, output: &mut Output) -> Result<Outcome> {
    let vault = connect::vault(common).await?;
    match link {
        Link::Show => {}
        Link::Offer { principal } => vault.person_link_offer(principal).await?,
        Link::Accept { principal } => vault.person_link_accept(principal).await?,
        Link::Unlink { principal } => vault.person_unlink(principal).await?,
    }
    // Whatever was asked for: how it is now.
    let person = vault.person_read().await?;
    if output.is_json() {
        let offers = |offers: &[LinkOffer]| -> Vec<serde_json::Value> {
            offers
                .iter()
                .map(|offer| {
                    serde_json::json!({
                        "principal": offer.principal.to_text(),
                        "expires_at": output::rfc3339(offer.expires_at),
                    })
                })
                .collect()
        };
        let principals: Vec<serde_json::Value> = person
            .principals
            .iter()
            .map(|linked| {
                serde_json::json!({
                    "principal": linked.principal.to_text(),
                    "since": linked.since.and_then(output::rfc3339),
                })
            })
            .collect();
        output.json(&serde_json::json!({
            "principals": principals,
            "offers_made": offers(&person.offers_made),
            "offers_received": offers(&person.offers_received),
        }))?;
        return Ok(Outcome::AllWell);
    }
    for (n, linked) in person.principals.iter().enumerate() {
        let what = if n == 0 { "you" } else { "also you" };
        let since = linked.since.map_or(String::new(), |since| {
            format!("  since {}", output::date(since))
        });
        output.line(&format!("{what:<13}  {}{since}", linked.principal))?;
    }
    for (what, offers) in [
        ("offered to", &person.offers_made),
        ("offer from", &person.offers_received),
    ] {
        for offer in offers {
            output.line(&format!(
                "{what:<13}  {}  until {}",
                offer.principal,
                output::date(offer.expires_at)
            ))?;
        }
    }
    Ok(Outcome::AllWell)
}
