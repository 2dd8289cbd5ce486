//! `keepsake group`: groups of people that memories can be shared with.

use anyhow::Result;
use clap::Subcommand;
use keepsake_client::{
    Vault,
    api::{ConnectionGroup, PersonRef},
};

use crate::{
    Outcome,
    args::Common,
    connect,
    output::{self, Output},
    share::person,
};

#[derive(Debug, Subcommand)]
pub enum Group {
    /// Show the groups of a capsule
    List {
        /// Capsule [default: your own]
        #[arg(long, value_name = "ID")]
        capsule: Option<String>,
    },
    /// Make a group, or replace the one with this id
    ///
    /// Who is in it sees what is shared with it; who is taken out does not any more.
    Set {
        /// Its id, a short word of your own; `keepsake share --with group:<id>` names it
        #[arg(value_name = "GROUP")]
        id: String,
        /// Everybody who is in it: principals, or names that your programs understand
        #[arg(value_name = "WHO", value_parser = person)]
        members: Vec<PersonRef>,
        /// Its name for people [default: the id]
        #[arg(long, value_name = "TEXT")]
        name: Option<String>,
        /// What it is for
        #[arg(long, value_name = "TEXT")]
        description: Option<String>,
        /// Capsule [default: your own]
        #[arg(long, value_name = "ID")]
        capsule: Option<String>,
    },
    /// Remove a group: what was shared with it is shared with nobody through it any more
    Remove {
        #[arg(value_name = "GROUP")]
        id: String,
        /// Capsule [default: your own]
        #[arg(long, value_name = "ID")]
        capsule: Option<String>,
    },
}

pub async fn run(group: Group, common: &Common, output: &mut Output) -> Result<Outcome> {
    let vault = connect::vault(common).await?;
    let capsule = match group {
        Group::List { capsule } => connect::capsule(&vault, capsule).await?,
        Group::Set {
            id,
            members,
            name,
            description,
            capsule,
        } => {
            let capsule = connect::capsule_or_complain(&vault, capsule).await?;
            let name = name.unwrap_or_else(|| id.clone());
            vault
                .connection_group_put(&capsule, &id, &name, description.as_deref(), &members)
                .await?;
            Some(capsule)
        }
        Group::Remove { id, capsule } => {
            let capsule = connect::capsule_or_complain(&vault, capsule).await?;
            vault.connection_group_remove(&capsule, &id).await?;
            Some(capsule)
        }
    };
    // Whatever was asked for: how it is now.
    show(&vault, capsule.as_deref(), output).await?;
    Ok(Outcome::AllWell)
}

async fn show(vault: &Vault, capsule: Option<&str>, output: &mut Output) -> Result<()> {
    let groups: Vec<ConnectionGroup> = match capsule {
        Some(id) => {
            let capsule = vault.capsules_read_full(Some(id)).await?;
            capsule
                .connection_groups
                .into_iter()
                .map(|(_, group)| group)
                .collect()
        }
        None => Vec::new(),
    };
    if output.is_json() {
        let groups: Vec<serde_json::Value> = groups
            .iter()
            .map(|group| {
                serde_json::json!({
                    "id": group.id,
                    "name": group.name,
                    "description": group.description,
                    "members": group.members.iter().map(shown).collect::<Vec<_>>(),
                })
            })
            .collect();
        output.json(&serde_json::json!({ "capsule_id": capsule, "groups": groups }))?;
        return Ok(());
    }
    if groups.is_empty() {
        eprintln!("keepsake: no groups; `keepsake group set` makes one");
    }
    for group in &groups {
        let id = output::printable(&group.id);
        let name = output::printable(&group.name);
        let members = output::count(group.members.len(), "member", "members");
        output.line(&format!("group:{id}  {name}  {members}"))?;
        for member in &group.members {
            output.line(&format!("  {}", output::printable(&shown(member))))?;
        }
    }
    Ok(())
}

fn shown(person: &PersonRef) -> String {
    match person {
        PersonRef::Principal(principal) => principal.to_text(),
        PersonRef::Opaque(name) => name.clone(),
    }
}
