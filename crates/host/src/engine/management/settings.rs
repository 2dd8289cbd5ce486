//! `update_settings`, and the settings as `canister_status` shows them.

use super::refused;
use crate::message::Reject;
use crate::settings::{Settings, Visibility};
use candid::{Nat, Principal};
use ic_management_canister_types::{
    CanisterSettings, DefiniteCanisterSettings, EnvironmentVariable, LogVisibility,
    SnapshotVisibility, StatusVisibility,
};

/// Principals a list in the settings may have.
const MAX_PRINCIPALS: usize = 10;

/// Environment variables there may be, and bytes their names and values may have.
const MAX_VARIABLES: usize = 20;
const MAX_VARIABLE: usize = 128;

/// Bytes a memory may be allocated or limited to.
const MAX_MEMORY: u64 = 1 << 48;

/// Bytes of logs that may be asked for: the Internet Computer's bound.
const MAX_LOG_MEMORY: u64 = 2 * 1024 * 1024;

macro_rules! visibility {
    ($wire:ident) => {
        impl From<&Visibility> for $wire {
            fn from(visibility: &Visibility) -> Self {
                match visibility {
                    Visibility::Controllers => $wire::Controllers,
                    Visibility::Public => $wire::Public,
                    Visibility::Viewers(viewers) => $wire::AllowedViewers(viewers.clone()),
                }
            }
        }

        impl From<$wire> for Visibility {
            fn from(visibility: $wire) -> Self {
                match visibility {
                    $wire::Controllers => Visibility::Controllers,
                    $wire::Public => Visibility::Public,
                    $wire::AllowedViewers(viewers) => Visibility::Viewers(viewers),
                }
            }
        }
    };
}

visibility!(LogVisibility);
visibility!(SnapshotVisibility);
visibility!(StatusVisibility);

/// The settings with `changes` made: all of them, or none.
///
/// # Errors
/// CanisterError for a value outside the specification's bounds.
pub fn updated(settings: &Settings, changes: CanisterSettings) -> Result<Settings, Reject> {
    let mut new = settings.clone();
    if let Some(mut controllers) = changes.controllers {
        check_principals("controllers", &controllers)?;
        controllers.sort_unstable();
        controllers.dedup();
        // Nobody could ever change that again.
        if controllers.is_empty() {
            return Err(invalid("a canister at home needs a controller"));
        }
        new.controllers = controllers;
    }
    set(&mut new.compute_allocation, changes.compute_allocation, 100)?;
    set(
        &mut new.memory_allocation,
        changes.memory_allocation,
        MAX_MEMORY,
    )?;
    set(
        &mut new.freezing_threshold,
        changes.freezing_threshold,
        u64::MAX,
    )?;
    set(
        &mut new.wasm_memory_limit,
        changes.wasm_memory_limit,
        MAX_MEMORY,
    )?;
    set(
        &mut new.wasm_memory_threshold,
        changes.wasm_memory_threshold,
        MAX_MEMORY,
    )?;
    set(
        &mut new.log_memory_limit,
        changes.log_memory_limit,
        MAX_LOG_MEMORY,
    )?;
    set_cycles(
        &mut new.reserved_cycles_limit,
        changes.reserved_cycles_limit,
    )?;
    set_cycles(
        &mut new.minimum_incoming_canister_call_cycles,
        changes.minimum_incoming_canister_call_cycles,
    )?;
    set_visibility(&mut new.log_visibility, changes.log_visibility)?;
    set_visibility(&mut new.snapshot_visibility, changes.snapshot_visibility)?;
    set_visibility(&mut new.status_visibility, changes.status_visibility)?;
    if let Some(variables) = changes.environment_variables {
        new.environment_variables = checked_variables(variables)?;
    }
    Ok(new)
}

fn checked_variables(variables: Vec<EnvironmentVariable>) -> Result<Vec<(String, String)>, Reject> {
    if variables.len() > MAX_VARIABLES {
        return Err(invalid(format!(
            "there may be at most {MAX_VARIABLES} environment variables"
        )));
    }
    let mut pairs: Vec<(String, String)> = variables
        .into_iter()
        .map(|variable| (variable.name, variable.value))
        .collect();
    pairs.sort_unstable();
    let too_long = |(name, value): &(String, String)| {
        name.is_empty() || name.len() > MAX_VARIABLE || value.len() > MAX_VARIABLE
    };
    if pairs.iter().any(too_long) {
        return Err(invalid(format!(
            "an environment variable's name has 1 to {MAX_VARIABLE} bytes, its value at most {MAX_VARIABLE}"
        )));
    }
    if pairs.windows(2).any(|pair| pair[0].0 == pair[1].0) {
        return Err(invalid("an environment variable is set twice"));
    }
    Ok(pairs)
}

fn set(setting: &mut u64, value: Option<Nat>, most: u64) -> Result<(), Reject> {
    if let Some(value) = value {
        *setting = u64::try_from(value.0)
            .ok()
            .filter(|value| *value <= most)
            .ok_or_else(|| invalid(format!("a setting may be at most {most}")))?;
    }
    Ok(())
}

fn set_cycles(setting: &mut u128, value: Option<Nat>) -> Result<(), Reject> {
    if let Some(value) = value {
        *setting = u128::try_from(value.0)
            .map_err(|_| invalid("an amount of cycles has at most 128 bits"))?;
    }
    Ok(())
}

fn set_visibility(
    setting: &mut Visibility,
    value: Option<impl Into<Visibility>>,
) -> Result<(), Reject> {
    if let Some(value) = value {
        let value = value.into();
        if let Visibility::Viewers(viewers) = &value {
            check_principals("allowed viewers", viewers)?;
        }
        *setting = value;
    }
    Ok(())
}

fn check_principals(what: &str, principals: &[Principal]) -> Result<(), Reject> {
    match principals.len() <= MAX_PRINCIPALS {
        true => Ok(()),
        false => Err(invalid(format!(
            "there may be at most {MAX_PRINCIPALS} {what}"
        ))),
    }
}

fn invalid(message: impl std::fmt::Display) -> Reject {
    refused("IC0504", format!("Invalid settings: {message}"))
}

/// The settings as they are shown.
pub fn shown(settings: &Settings) -> DefiniteCanisterSettings {
    DefiniteCanisterSettings {
        controllers: settings.controllers.clone(),
        compute_allocation: settings.compute_allocation.into(),
        memory_allocation: settings.memory_allocation.into(),
        freezing_threshold: settings.freezing_threshold.into(),
        reserved_cycles_limit: settings.reserved_cycles_limit.into(),
        minimum_incoming_canister_call_cycles: settings
            .minimum_incoming_canister_call_cycles
            .into(),
        log_visibility: (&settings.log_visibility).into(),
        log_memory_limit: settings.log_memory_limit.into(),
        snapshot_visibility: (&settings.snapshot_visibility).into(),
        status_visibility: (&settings.status_visibility).into(),
        wasm_memory_limit: settings.wasm_memory_limit.into(),
        wasm_memory_threshold: settings.wasm_memory_threshold.into(),
        environment_variables: settings
            .environment_variables
            .iter()
            .map(|(name, value)| EnvironmentVariable {
                name: name.clone(),
                value: value.clone(),
            })
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_made_together_or_not_at_all() {
        let owner = Principal::self_authenticating([1]);
        let before = Settings {
            controllers: vec![owner],
            ..Settings::default()
        };
        let variable = |name: &str| EnvironmentVariable {
            name: name.into(),
            value: "v".into(),
        };
        let good = CanisterSettings {
            freezing_threshold: Some(7u8.into()),
            environment_variables: Some(vec![variable("b"), variable("a")]),
            snapshot_visibility: Some(SnapshotVisibility::Public),
            ..CanisterSettings::default()
        };
        let after = updated(&before, good.clone()).unwrap();
        assert_eq!(after.freezing_threshold, 7);
        assert_eq!(after.environment_variables[0].0, "a");
        assert_eq!(after.snapshot_visibility, Visibility::Public);
        assert_eq!(after.controllers, [owner]);
        let nine = Nat::from(101u8);
        for bad in [
            CanisterSettings {
                controllers: Some(vec![owner; 11]),
                ..good.clone()
            },
            CanisterSettings {
                controllers: Some(vec![]),
                ..good.clone()
            },
            CanisterSettings {
                compute_allocation: Some(nine),
                ..good.clone()
            },
            CanisterSettings {
                freezing_threshold: Some((u128::MAX).into()),
                ..good.clone()
            },
            CanisterSettings {
                environment_variables: Some(vec![variable("a"); 2]),
                ..good.clone()
            },
            CanisterSettings {
                environment_variables: Some(vec![variable("")]),
                ..good.clone()
            },
            CanisterSettings {
                log_visibility: Some(LogVisibility::AllowedViewers(vec![owner; 11])),
                ..good.clone()
            },
        ] {
            assert!(updated(&before, bad.clone()).is_err(), "{bad:?}");
        }
    }
}
