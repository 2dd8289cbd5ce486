//! Who a caller is, compared.

use std::collections::BTreeSet;

use candid::Principal;
use keepsake_api::LinkOffer;

use super::Driver;
use crate::pools::principal;

type Offers = BTreeSet<(Principal, u64)>;

fn expected_offers(offers: Vec<(usize, u64)>) -> Offers {
    let each = offers.into_iter();
    each.map(|(who, until)| (principal(who), until)).collect()
}

fn offers(got: &[LinkOffer]) -> Offers {
    let each = got.iter();
    each.map(|offer| (offer.principal, offer.expires_at))
        .collect()
}

impl Driver {
    pub(super) fn person_read(&mut self, who: usize) {
        let expected = self.model.person_read((who, self.now));
        let got = self.vault.person_read(self.context(who));
        let Some(((principals, made, received), got)) = self.agree("person_read", expected, got)
        else {
            return;
        };
        let principals = principals.into_iter();
        let principals: Vec<_> = principals
            .map(|(who, since)| (principal(who), since))
            .collect();
        let linked: Vec<_> = got
            .principals
            .iter()
            .map(|one| (one.principal, one.since))
            .collect();
        assert_eq!(linked, principals, "the caller's principals");
        assert_eq!(
            offers(&got.offers_made),
            expected_offers(made),
            "offers made"
        );
        assert_eq!(
            offers(&got.offers_received),
            expected_offers(received),
            "offers received"
        );
    }
}
