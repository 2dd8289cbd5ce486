//! Calls about capsules, about the people who act in them, and about the state of the vault.

use candid::Principal;
use keepsake_api::{
    AccessEvent, Capsule, CapsuleStatus, CapsuleUpdateData, ConnectionGroup, ExternalDeletion,
    Person, PersonRef, VaultStatus,
};

use super::Vault;
use crate::ClientError;

impl Vault {
    /// A capsule with its newest memories, at most 100 and as many as fit a reply; `None` is the caller's own.
    pub async fn capsules_read_full(
        &self,
        capsule_id: Option<&str>,
    ) -> Result<Capsule, ClientError> {
        self.query_result("capsules_read_full", (capsule_id,)).await
    }

    /// Changes what a client may set of a capsule; the answer comes without memories.
    pub async fn capsules_update(
        &self,
        capsule_id: &str,
        changes: &CapsuleUpdateData,
    ) -> Result<Capsule, ClientError> {
        self.update_result("capsules_update", (capsule_id, changes))
            .await
    }

    /// Deletes a capsule with everything in it, its trash included. For owners.
    pub async fn capsules_delete(&self, capsule_id: &str) -> Result<(), ClientError> {
        self.update_unit("capsules_delete", (capsule_id,)).await
    }

    /// How much of its quotas a capsule uses.
    pub async fn capsule_status(&self, capsule_id: &str) -> Result<CapsuleStatus, ClientError> {
        self.query_result("capsule_status", (capsule_id,)).await
    }

    /// State of the whole vault; `Unauthorized` for whoever has no part in it.
    pub async fn vault_status(&self) -> Result<VaultStatus, ClientError> {
        self.query_result("vault_status", ()).await
    }

    /// Makes somebody an owner; a capsule has at most 32. Again: fine. For owners.
    pub async fn capsule_owner_add(
        &self,
        capsule_id: &str,
        person: &PersonRef,
    ) -> Result<(), ClientError> {
        self.update_unit("capsule_owner_add", (capsule_id, person))
            .await
    }

    /// Takes somebody, the caller too, out of the owners; `Conflict` where no owner would be left. Again: fine.
    pub async fn capsule_owner_remove(
        &self,
        capsule_id: &str,
        person: &PersonRef,
    ) -> Result<(), ClientError> {
        self.update_unit("capsule_owner_remove", (capsule_id, person))
            .await
    }

    /// Makes somebody a controller; a capsule has at most 32. Again: fine. For owners.
    pub async fn capsule_controller_add(
        &self,
        capsule_id: &str,
        person: &PersonRef,
    ) -> Result<(), ClientError> {
        self.update_unit("capsule_controller_add", (capsule_id, person))
            .await
    }

    /// Takes somebody out of the controllers. Again: fine. For owners, and for a controller to take itself out.
    pub async fn capsule_controller_remove(
        &self,
        capsule_id: &str,
        person: &PersonRef,
    ) -> Result<(), ClientError> {
        self.update_unit("capsule_controller_remove", (capsule_id, person))
            .await
    }

    /// Records that an event has happened: entries that wait for it count from now on, for good. For owners.
    pub async fn capsule_event_record(
        &self,
        capsule_id: &str,
        event: &AccessEvent,
    ) -> Result<(), ClientError> {
        self.update_unit("capsule_event_record", (capsule_id, event))
            .await
    }

    /// Makes a group of at most 200 members, or replaces the one with this id; at most 100 groups a capsule.
    pub async fn connection_group_put(
        &self,
        capsule_id: &str,
        group_id: &str,
        name: &str,
        description: Option<&str>,
        members: &[PersonRef],
    ) -> Result<ConnectionGroup, ClientError> {
        self.update_result(
            "connection_group_put",
            (capsule_id, group_id, name, description, members),
        )
        .await
    }

    /// Removes a group: entries for it count for nobody any more. Again: fine.
    pub async fn connection_group_remove(
        &self,
        capsule_id: &str,
        group_id: &str,
    ) -> Result<(), ClientError> {
        self.update_unit("connection_group_remove", (capsule_id, group_id))
            .await
    }

    /// External content that no asset of the capsule has any more; at most 1,000 at a time.
    pub async fn external_deletions_list(
        &self,
        capsule_id: &str,
    ) -> Result<Vec<ExternalDeletion>, ClientError> {
        self.query_result("external_deletions_list", (capsule_id,))
            .await
    }

    /// Takes deletions off the list that were carried out; the answer is how many were on it.
    pub async fn external_deletions_acknowledge(
        &self,
        capsule_id: &str,
        ids: &[String],
    ) -> Result<u32, ClientError> {
        self.update_result("external_deletions_acknowledge", (capsule_id, ids))
            .await
    }

    /// Who the caller is: the principals that act as one, and open offers to link.
    pub async fn person_read(&self) -> Result<Person, ClientError> {
        self.query_result("person_read", ()).await
    }

    /// Offers that `principal` acts as one person with the caller; it has 24 hours to accept.
    pub async fn person_link_offer(&self, principal: Principal) -> Result<(), ClientError> {
        self.update_unit("person_link_offer", (principal,)).await
    }

    /// Accepts the offer of the person that `principal` belongs to. Again: fine.
    pub async fn person_link_accept(&self, principal: Principal) -> Result<(), ClientError> {
        self.update_unit("person_link_accept", (principal,)).await
    }

    /// Takes a principal out of the caller's person, and withdraws an open offer to it. Again: fine.
    pub async fn person_unlink(&self, principal: Principal) -> Result<(), ClientError> {
        self.update_unit("person_unlink", (principal,)).await
    }
}
