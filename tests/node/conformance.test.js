// The scenario of tests/conformance through the official JavaScript clients: the current one, and the one before it.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';

import * as agent5 from '@icp-sdk/core-5/agent';
import * as candid5 from '@icp-sdk/core-5/candid';
import * as identity5 from '@icp-sdk/core-5/identity';
import * as principal5 from '@icp-sdk/core-5/principal';
import * as agent6 from '@icp-sdk/core/agent';
import * as candid6 from '@icp-sdk/core/candid';
import * as identity6 from '@icp-sdk/core/identity';
import * as principal6 from '@icp-sdk/core/principal';

import { interfaceFactory, serve } from './keepsake.js';
import { agrees, toCandid, toJson } from './values.js';

const clients = {
  '@icp-sdk/core 5': { ...agent5, ...candid5, ...identity5, ...principal5 },
  '@icp-sdk/core 6': { ...agent6, ...candid6, ...identity6, ...principal6 },
};

let idlFactory;
let scenario;

before(async () => {
  idlFactory = await interfaceFactory();
  const path = new URL('../conformance/scenario.json', import.meta.url);
  scenario = JSON.parse(await readFile(path, 'utf8'));
});

const unhex = (text) => new Uint8Array(Buffer.from(text, 'hex'));

/** A value with everything put in that was remembered. */
function filled(value, kept) {
  if (typeof value === 'string' && value.startsWith('$')) {
    assert.ok(kept.has(value.slice(1)), value);
    return kept.get(value.slice(1));
  }
  if (Array.isArray(value)) {
    return value.map((item) => filled(item, kept));
  }
  if (value !== null && typeof value === 'object') {
    return Object.fromEntries(Object.entries(value).map(([name, v]) => [name, filled(v, kept)]));
  }
  return value;
}

/** The code that a call was rejected with; whatever else was thrown is thrown on. */
function rejectCode(error) {
  const { code } = error.cause ?? {};
  if (typeof code?.rejectCode !== 'number') {
    throw error;
  }
  return code.rejectCode;
}

/** Sends a call as bytes; its reply as bytes, or the code that it was rejected with. */
async function send(client, agent, canisterId, { method, arg, query }) {
  if (query) {
    const answer = await agent.query(canisterId, { methodName: method, arg });
    return answer.status === 'replied'
      ? { reply: answer.reply.arg }
      : { code: answer.reject_code };
  }
  try {
    const fields = { methodName: method, arg, effectiveCanisterId: canisterId };
    const { reply } = await agent.update(canisterId, fields);
    return { reply };
  } catch (error) {
    return { code: rejectCode(error) };
  }
}

/** Runs one step. */
async function run(client, host, agents, service, step, kept) {
  const agent = agents[step.as];
  const canisterId = client.Principal.fromText(host.canisterId);
  if (step.metadata) {
    const paths = [{ kind: 'metadata', key: step.metadata, path: step.metadata, decodeStrategy: 'utf-8' }];
    const { CanisterStatus } = client;
    const status = await CanisterStatus.request({ agent, canisterId, paths });
    assert.ok(status.get(step.metadata).includes(step.contains));
    return;
  }
  const method = step.raw ?? step.call;
  const [, func] = service._fields.find(([name]) => name === method) ?? [];
  const query = step.raw ? step.query === true : func.annotations.includes('query');
  const arg = step.raw
    ? unhex(step.arg)
    : client.IDL.encode(
        func.argTypes,
        func.argTypes.map((type, index) =>
          toCandid(client, type, filled(step.args[index], kept)),
        ),
      );
  const { reply, code } = await send(client, agent, canisterId, { method, arg, query });
  assert.equal(code, step.rejected);
  if (step.rejected !== undefined || step.replied) {
    return;
  }
  const [value] = client.IDL.decode(func.retTypes, reply);
  const answer = toJson(client, func.retTypes[0], value);
  const expected = filled(step.answer, kept);
  assert.ok(agrees(answer, expected), `answered ${JSON.stringify(answer)}`);
  for (const [name, path] of Object.entries(step.keep ?? {})) {
    kept.set(
      name,
      path.split('.').reduce((part, field) => part[field], answer),
    );
  }
}

for (const [name, client] of Object.entries(clients)) {
  test(`the scenario through ${name}`, async () => {
    const host = await serve();
    try {
      const agentAs = (identity) =>
        client.HttpAgent.create({
          host: host.url,
          identity,
          verifyQuerySignatures: true,
          shouldFetchRootKey: true,
        });
      const agents = { anonymous: await agentAs(new client.AnonymousIdentity()) };
      for (const [person, number] of Object.entries(scenario.people)) {
        const seed = new Uint8Array(32).fill(number);
        agents[person] = await agentAs(client.Ed25519KeyIdentity.generate(seed));
      }
      const service = idlFactory({ IDL: client.IDL });
      const kept = new Map();
      for (const [number, step] of scenario.steps.entries()) {
        try {
          await run(client, host, agents, service, step, kept);
        } catch (error) {
          throw new Error(`step ${number}, ${JSON.stringify(step)}: ${error.message}`, {
            cause: error,
          });
        }
      }
    } finally {
      assert.equal(await host.stop(), 0);
    }
  });
}
