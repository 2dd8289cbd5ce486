//! With whom something is shared.

use candid::Principal;
use keepsake_client::api::{AccessEntry, GrantSource, PersonRef};

use super::grant::is_public;

/// How a group is told from a name.
const GROUP: &str = "group:";

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Who {
    Public,
    Person(PersonRef),
    /// The members of a connection group, by its id.
    Group(String),
}

/// For clap: `public`, a group, a principal, or a name.
pub fn who(text: &str) -> Result<Who, String> {
    if text == "public" {
        return Ok(Who::Public);
    }
    if let Some(group) = text.strip_prefix(GROUP) {
        if group.trim().is_empty() {
            return Err("say which group: `keepsake group list` shows them".to_owned());
        }
        return Ok(Who::Group(group.to_owned()));
    }
    person(text).map(Who::Person)
}

/// For clap: a principal, or a name.
pub fn person(text: &str) -> Result<PersonRef, String> {
    if let Ok(principal) = Principal::from_text(text) {
        if principal == Principal::anonymous() {
            return Err(
                "that is nobody in particular; say `public` to share with everybody".to_owned(),
            );
        }
        return Ok(PersonRef::Principal(principal));
    }
    if looks_like_a_principal(text) {
        return Err(
            "it looks like a principal, but is none: a character is wrong or missing".to_owned(),
        );
    }
    if text.trim().is_empty() {
        return Err("say who: a principal, or a name".to_owned());
    }
    Ok(PersonRef::Opaque(text.to_owned()))
}

/// Three groups of five characters or more, with dashes between them: a mistyped principal must not become a name.
fn looks_like_a_principal(text: &str) -> bool {
    let is_group = |group: &&str| {
        group.len() == 5
            && group
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
    };
    text.split('-').filter(is_group).count() >= 3
}

impl Who {
    /// What an entry's id is made of; a name comes as its hash, because ids are short.
    pub fn key(&self) -> String {
        // A self-authenticating principal of the text: a hash in a short, printable form.
        let hash = |text: &str| Principal::self_authenticating(text.as_bytes()).to_text();
        match self {
            Who::Public => "public".to_owned(),
            Who::Person(PersonRef::Principal(principal)) => principal.to_text(),
            Who::Person(PersonRef::Opaque(name)) => format!("name:{}", hash(name)),
            Who::Group(group) => format!("{GROUP}{}", hash(group)),
        }
    }

    /// Whether an entry is for them.
    pub fn is_meant_by(&self, entry: &AccessEntry) -> bool {
        let for_group = entry.grant_source == GrantSource::Group;
        match self {
            Who::Public => is_public(entry),
            Who::Person(person) => !for_group && entry.person_ref.as_ref() == Some(person),
            Who::Group(group) => for_group && entry.source_id.as_ref() == Some(group),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistyped_principal_is_no_name() {
        let principal = "un4fu-tqaaa-aaaab-qadjq-cai";
        assert_eq!(
            who(principal),
            Ok(Who::Person(PersonRef::Principal(
                Principal::from_text(principal).unwrap()
            )))
        );
        for wrong in [
            "un4fu-tqaaa-aaaab-qadjq-cal",
            "un4fu-tqaaa-aaab-qadjq-cai",
            "2vxsx-fae",
            " ",
            "group:",
        ] {
            assert!(who(wrong).is_err(), "{wrong}");
        }
        assert_eq!(who("public"), Ok(Who::Public));
        assert_eq!(who("group:family"), Ok(Who::Group("family".into())));
        for name in ["Granny", "Aunt Mary-Ann", "a-b-c", "mum@example.org"] {
            assert_eq!(
                who(name),
                Ok(Who::Person(PersonRef::Opaque(name.into()))),
                "{name}"
            );
        }
    }
}
