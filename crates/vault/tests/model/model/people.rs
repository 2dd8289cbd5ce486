//! Who is who: principals that act as one person, and what part a person has in a capsule, as the contract says. What is asked is asked
//! of all principals of a person; what is written names the first of them.

use keepsake_api::PersonRef;
use keepsake_vault::limits;

use super::facts::is_somebody;
use super::{Answer, Model, Refusal, invalid, none_of, only};
use crate::pools::{ANONYMOUS, PRINCIPALS, principal};

/// Principals that act as one, each with the time since when; the primary first. One who is alone is in none.
pub type Linked = Vec<(usize, u64)>;

/// Who offers, as the person's primary, and to which principal.
pub type Offer = (usize, usize);

/// What a caller reads of itself: its principals, the open offers it makes, and those made to it, each with its end.
pub type PersonSaid = (
    Vec<(usize, Option<u64>)>,
    Vec<(usize, u64)>,
    Vec<(usize, u64)>,
);

/// A caller's number as the wire names the caller.
pub fn person(who: usize) -> PersonRef {
    PersonRef::Principal(principal(who))
}

impl Model {
    fn linked(&self, who: usize) -> Option<usize> {
        let includes = |linked: &Linked| linked.iter().any(|(key, _)| *key == who);
        self.people.iter().position(includes)
    }

    /// All principals of the caller's person, the primary first.
    pub fn keys(&self, who: usize) -> impl Iterator<Item = usize> {
        let linked = self.linked(who).map(|nth| &self.people[nth]);
        let alone = linked.is_none().then_some(who);
        let linked = linked.into_iter().flatten().map(|(key, _)| *key);
        linked.chain(alone)
    }

    /// By what the caller is named in what is written.
    pub fn acting(&self, who: usize) -> usize {
        self.keys(who).next().unwrap_or(who)
    }

    /// Whether this is the caller.
    pub fn is(&self, who: usize, named: &PersonRef) -> bool {
        who != ANONYMOUS && self.keys(who).any(|key| person(key) == *named)
    }

    /// Whether they are one person.
    pub fn same(&self, one: usize, other: usize) -> bool {
        self.keys(one).any(|key| key == other)
    }

    pub fn person_link_offer(&mut self, (who, now): (usize, u64), to: usize) -> Answer<()> {
        Self::check_other(who, to)?;
        if !self.same(who, to) {
            let until = now + limits::LINK_OFFER_LIFETIME;
            self.offers.insert((self.acting(who), to), until);
        }
        Ok(())
    }

    pub fn person_link_accept(&mut self, (who, now): (usize, u64), by: usize) -> Answer<()> {
        Self::check_other(who, by)?;
        if self.same(who, by) {
            return Ok(());
        }
        let offer = (self.acting(by), who);
        let mut wrong = vec![];
        if self.offers.get(&offer).is_none_or(|until| *until <= now) {
            wrong.push(Refusal::NotFound);
        }
        if self.linked(who).is_some() {
            wrong.push(Refusal::Conflict);
        }
        none_of(wrong)?;
        self.offers.remove(&offer);
        self.offers.retain(|(maker, _), _| *maker != who);
        match self.linked(by) {
            Some(nth) => self.people[nth].push((who, now)),
            None => self.people.push(vec![(by, now), (who, now)]),
        }
        Ok(())
    }

    pub fn person_unlink(&mut self, who: usize, principal: usize) -> Answer<()> {
        if who == ANONYMOUS {
            return only(Refusal::Unauthorized);
        }
        if principal == ANONYMOUS {
            return only(invalid("principal"));
        }
        let acting = self.acting(who);
        let Some(nth) = self.linked(who).filter(|_| self.same(who, principal)) else {
            self.offers.remove(&(acting, principal));
            return Ok(());
        };
        if principal == acting {
            if who != principal {
                return only(Refusal::Conflict);
            }
            self.offers.retain(|(maker, _), _| *maker != principal);
        }
        self.people[nth].retain(|(key, _)| *key != principal);
        self.people.retain(|linked| linked.len() > 1);
        Ok(())
    }

    pub fn person_read(&self, (who, now): (usize, u64)) -> Answer<PersonSaid> {
        if who == ANONYMOUS {
            return only(Refusal::Unauthorized);
        }
        let principals = match self.linked(who) {
            Some(nth) => self.people[nth]
                .iter()
                .map(|(key, since)| (*key, Some(*since)))
                .collect(),
            None => vec![(who, None)],
        };
        let acting = self.acting(who);
        let open = || self.offers.iter().filter(|(_, until)| **until > now);
        let made = open().filter(|((by, _), _)| *by == acting);
        let received = open().filter(|((_, to), _)| *to == who);
        Ok((
            principals,
            made.map(|((_, to), until)| (*to, *until)).collect(),
            received.map(|((by, _), until)| (*by, *until)).collect(),
        ))
    }

    fn check_other(who: usize, other: usize) -> Answer<()> {
        if who == ANONYMOUS {
            only(Refusal::Unauthorized)
        } else if other == ANONYMOUS || other == who {
            only(invalid("principal"))
        } else {
            Ok(())
        }
    }

    pub fn is_owner(&self, who: usize, capsule: usize) -> bool {
        !self.capsules[capsule].deleted && self.owned_it(who, capsule)
    }

    /// Owns it, or did so when it was deleted.
    pub fn owned_it(&self, who: usize, capsule: usize) -> bool {
        let mut owners = self.capsules[capsule].owners.iter();
        owners.any(|(owner, _)| self.is(who, owner))
    }

    pub fn is_controller(&self, who: usize, capsule: usize) -> bool {
        let known = &self.capsules[capsule];
        let mut controllers = known.controllers.iter();
        !known.deleted && controllers.any(|(controller, ..)| self.is(who, controller))
    }

    pub fn is_subject(&self, who: usize, capsule: usize) -> bool {
        let known = &self.capsules[capsule];
        !known.deleted && self.is(who, &known.subject)
    }

    /// Reads the capsule, creates, uploads.
    pub fn may_use(&self, who: usize, capsule: usize) -> bool {
        self.may_govern(who, capsule) || self.is_subject(who, capsule)
    }

    /// Deletes in the capsule, and says who else may do what with its memories.
    pub fn may_govern(&self, who: usize, capsule: usize) -> bool {
        self.is_owner(who, capsule) || self.is_controller(who, capsule)
    }

    /// Somebody who owns the capsule, or did.
    pub fn an_owner(&self, capsule: usize) -> usize {
        let mut callers = 0..PRINCIPALS;
        let owner = callers.find(|who| self.owned_it(*who, capsule));
        owner.expect("a capsule has an owner who can call")
    }

    pub fn capsule_owner_add(
        &mut self,
        (who, now): (usize, u64),
        capsule: Option<usize>,
        named: &PersonRef,
    ) -> Answer<()> {
        let capsule = self.owned(who, capsule)?;
        if !is_somebody(named) {
            return only(invalid("owner"));
        }
        let known = &mut self.capsules[capsule];
        if known.owners.iter().all(|(owner, _)| owner != named) {
            known.owners.push((named.clone(), now));
            known.left.retain(|left| left != named);
        }
        Ok(())
    }

    /// Not the last one who can call.
    pub fn capsule_owner_remove(
        &mut self,
        who: usize,
        capsule: Option<usize>,
        named: &PersonRef,
    ) -> Answer<()> {
        if self.has_left(who, capsule, named) && capsule.is_some_and(|c| !self.is_owner(who, c)) {
            return Ok(()); // by itself, before: the same answer again (I5)
        }
        let capsule = self.owned(who, capsule)?;
        if !is_somebody(named) {
            return only(invalid("owner"));
        }
        let of_caller = self.is(who, named);
        let known = &mut self.capsules[capsule];
        let kept = known.owners.iter().filter(|(owner, _)| owner != named);
        let kept: Vec<_> = kept.cloned().collect();
        if kept.len() == known.owners.len() {
            return Ok(());
        }
        if !kept
            .iter()
            .any(|(owner, _)| matches!(owner, PersonRef::Principal(_)))
        {
            return only(Refusal::Conflict);
        }
        known.owners = kept;
        if of_caller {
            known.left.push(named.clone());
        }
        if known.subject == *named {
            known.is_own = false;
        }
        Ok(())
    }

    pub fn capsule_controller_add(
        &mut self,
        (who, now): (usize, u64),
        capsule: Option<usize>,
        named: &PersonRef,
    ) -> Answer<()> {
        let capsule = self.owned(who, capsule)?;
        if !is_somebody(named) {
            return only(invalid("controller"));
        }
        let by = person(self.acting(who));
        let known = &mut self.capsules[capsule];
        if known
            .controllers
            .iter()
            .all(|(controller, ..)| controller != named)
        {
            known.controllers.push((named.clone(), now, by));
            known.left.retain(|left| left != named);
        }
        Ok(())
    }

    /// By an owner, or by the controller itself.
    pub fn capsule_controller_remove(
        &mut self,
        who: usize,
        capsule: Option<usize>,
        named: &PersonRef,
    ) -> Answer<()> {
        if self.has_left(who, capsule, named) && capsule.is_some_and(|c| !self.may_govern(who, c)) {
            return Ok(());
        }
        let of_caller = self.is(who, named);
        let capsule = if of_caller {
            self.governed(who, capsule)?
        } else {
            self.owned(who, capsule)?
        };
        if !is_somebody(named) {
            return only(invalid("controller"));
        }
        let known = &mut self.capsules[capsule];
        let before = known.controllers.len();
        known
            .controllers
            .retain(|(controller, ..)| controller != named);
        if known.controllers.len() < before && of_caller {
            known.left.push(named.clone());
        }
        Ok(())
    }

    fn has_left(&self, who: usize, capsule: Option<usize>, named: &PersonRef) -> bool {
        let Some(capsule) = capsule.filter(|_| self.is(who, named)) else {
            return false;
        };
        let mut left = self.capsules[capsule].left.iter();
        left.any(|left| self.is(who, left))
    }
}
