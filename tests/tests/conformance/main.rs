//! The scenario of tests/conformance, through the official Rust client; tests/node runs the same file through the JavaScript ones.

mod values;

use std::collections::HashMap;
use std::sync::Arc;

use candid::IDLArgs;
use candid::types::{Type, TypeEnv};
use candid_parser::utils::CandidSource;
use ic_agent::{Agent, AgentError, Identity, identity::AnonymousIdentity};
use keepsake_tests::{agent, artefacts, home::Home, person};
use serde_json::Value;

/// What was remembered, by name.
type Kept = HashMap<String, Value>;

struct Scenario {
    env: TypeEnv,
    service: Type,
    agents: HashMap<String, Agent>,
    canister: candid::Principal,
}

#[tokio::test(flavor = "multi_thread")]
async fn the_scenario_through_ic_agent() {
    let path = artefacts::scenario();
    let text = std::fs::read_to_string(&path).unwrap();
    let file: Value = serde_json::from_str(&text).unwrap();
    let (env, service) = CandidSource::File(&artefacts::interface()).load().unwrap();
    let home = Home::new().await;
    let mut agents = HashMap::new();
    let nobody: Arc<dyn Identity> = Arc::new(AnonymousIdentity);
    agents.insert("anonymous".into(), agent(&home.url(), nobody).await);
    for (name, number) in file["people"].as_object().unwrap() {
        let number = u8::try_from(number.as_u64().unwrap()).unwrap();
        agents.insert(name.clone(), agent(&home.url(), person(number)).await);
    }
    let scenario = Scenario {
        env,
        service: service.unwrap(),
        agents,
        canister: home.engine.canister_id(),
    };
    let mut kept = Kept::new();
    for (number, step) in file["steps"].as_array().unwrap().iter().enumerate() {
        scenario
            .step(step, &mut kept)
            .await
            .unwrap_or_else(|error| panic!("step {number}, {step}: {error}"));
    }
    home.stop().await;
}

impl Scenario {
    async fn step(&self, step: &Value, kept: &mut Kept) -> Result<(), String> {
        let agent = &self.agents[text(step, "as")?];
        if let Some(section) = step["metadata"].as_str() {
            let content = agent
                .read_state_canister_metadata(self.canister, section)
                .await
                .map_err(|error| error.to_string())?;
            let contains = text(step, "contains")?.as_bytes();
            let found = content.windows(contains.len()).any(|part| part == contains);
            return found.then_some(()).ok_or("it is not in there".into());
        }
        let (outcome, types) = if let Some(method) = step["raw"].as_str() {
            let arg = unhex(text(step, "arg")?)?;
            let query = step["query"] == true;
            (self.send(agent, method, query, arg).await, Vec::new())
        } else {
            let method = text(step, "call")?;
            let function = self
                .env
                .get_method(&self.service, method)
                .map_err(|error| error.to_string())?;
            let types: Vec<Type> = function.args.to_vec();
            let args = step["args"].as_array().ok_or("it has no arguments")?;
            let args = args
                .iter()
                .zip(&types)
                .map(|(arg, ty)| values::to_candid(&filled(arg, kept), ty, &self.env))
                .collect::<Result<Vec<_>, _>>()?;
            let arg = IDLArgs::new(&args)
                .to_bytes_with_types(&self.env, &types)
                .map_err(|error| error.to_string())?;
            let results = function.rets.clone();
            (
                self.send(agent, method, function.is_query(), arg).await,
                results,
            )
        };
        match (outcome, step["rejected"].as_u64()) {
            (Err(code), Some(expected)) if code == expected => Ok(()),
            (Err(code), _) => Err(format!("it was rejected with code {code}")),
            (Ok(_), Some(_)) => Err("it was not rejected".into()),
            (Ok(_), None) if step["replied"] == true => Ok(()),
            (Ok(reply), None) => {
                let reply = IDLArgs::from_bytes_with_types(&reply, &self.env, &types)
                    .map_err(|error| error.to_string())?;
                let [value] = reply.args.as_slice() else {
                    return Err(format!("{} values", reply.args.len()));
                };
                let answer = values::to_json(value);
                let expected = filled(&step["answer"], kept);
                if !values::agrees(&answer, &expected) {
                    return Err(format!("it was answered {answer}"));
                }
                for (name, path) in step["keep"].as_object().into_iter().flatten() {
                    let path = path.as_str().ok_or("a path is no text")?.replace('.', "/");
                    let found = answer.pointer(&format!("/{path}"));
                    kept.insert(name.clone(), found.ok_or("nothing to keep")?.clone());
                }
                Ok(())
            }
        }
    }

    /// The reply, or the code that the call was rejected with.
    async fn send(
        &self,
        agent: &Agent,
        method: &str,
        query: bool,
        arg: Vec<u8>,
    ) -> Result<Vec<u8>, u64> {
        let sent = if query {
            agent
                .query(&self.canister, method)
                .with_arg(arg)
                .call()
                .await
        } else {
            agent.update(&self.canister, method).with_arg(arg).await
        };
        sent.map_err(|error| match error {
            AgentError::UncertifiedReject { reject, .. }
            | AgentError::CertifiedReject { reject, .. } => reject.reject_code as u64,
            other => panic!("{method}: {other}"),
        })
    }
}

fn text<'a>(step: &'a Value, field: &str) -> Result<&'a str, String> {
    step[field].as_str().ok_or(format!("it has no {field}"))
}

fn unhex(text: &str) -> Result<Vec<u8>, String> {
    values::unhex(text).ok_or(format!("{text} is not hex"))
}

/// A value with everything put in that was remembered.
fn filled(value: &Value, kept: &Kept) -> Value {
    match value {
        Value::String(text) => match text.strip_prefix('$') {
            Some(name) => kept[name].clone(),
            None => value.clone(),
        },
        Value::Array(items) => items.iter().map(|item| filled(item, kept)).collect(),
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| (name.clone(), filled(value, kept)))
            .collect(),
        _ => value.clone(),
    }
}
