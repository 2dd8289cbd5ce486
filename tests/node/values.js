// Candid values as the scenario writes them in JSON: numbers and principals as text, blobs as hex, opt as the value or null, variants
// as an object with one field.

/** What a type is, through its recursive definitions. */
const resolved = (client, type) =>
  type instanceof client.IDL.RecClass ? type.getType() : type;

const isBlob = (client, type) =>
  type instanceof client.IDL.VecClass && type._type instanceof client.IDL.FixedNatClass && type._type._bits === 8;

/** A value of `type` for the client. */
export function toCandid(client, type, value) {
  const { IDL, Principal } = client;
  const ty = resolved(client, type);
  if (ty instanceof IDL.OptClass) {
    return value === null || value === undefined ? [] : [toCandid(client, ty._type, value)];
  }
  if (isBlob(client, ty)) {
    return new Uint8Array(Buffer.from(value, 'hex'));
  }
  if (ty instanceof IDL.VecClass) {
    return value.map((item) => toCandid(client, ty._type, item));
  }
  if (ty instanceof IDL.RecordClass) {
    return Object.fromEntries(
      ty._fields.map(([name, field]) => [name, toCandid(client, field, value[name])]),
    );
  }
  if (ty instanceof IDL.VariantClass) {
    const [[name, content]] = Object.entries(value);
    const [, field] = ty._fields.find(([known]) => known === name);
    return { [name]: toCandid(client, field, content) };
  }
  if (ty instanceof IDL.PrincipalClass) {
    return Principal.fromText(value);
  }
  if (ty instanceof IDL.FixedNatClass) {
    return ty._bits > 32 ? BigInt(value) : Number(value);
  }
  return value;
}

/** What the client has read as `type`. */
export function toJson(client, type, value) {
  const { IDL } = client;
  const ty = resolved(client, type);
  if (ty instanceof IDL.OptClass) {
    return value.length === 0 ? null : toJson(client, ty._type, value[0]);
  }
  if (isBlob(client, ty)) {
    return Buffer.from(value).toString('hex');
  }
  if (ty instanceof IDL.VecClass) {
    return Array.from(value, (item) => toJson(client, ty._type, item));
  }
  if (ty instanceof IDL.TupleClass) {
    return Object.fromEntries(
      ty._fields.map(([, field], index) => [index, toJson(client, field, value[index])]),
    );
  }
  if (ty instanceof IDL.RecordClass) {
    return Object.fromEntries(
      ty._fields.map(([name, field]) => [name, toJson(client, field, value[name])]),
    );
  }
  if (ty instanceof IDL.VariantClass) {
    const [[name, content]] = Object.entries(value);
    const [, field] = ty._fields.find(([known]) => known === name);
    return { [name]: toJson(client, field, content) };
  }
  if (ty instanceof IDL.PrincipalClass) {
    return value.toText();
  }
  return typeof value === 'bigint' || typeof value === 'number' ? String(value) : value;
}

/** Whether an answer is as expected: `*` is anything, and fields that are not named are not compared. */
export function agrees(answer, expected) {
  if (expected === '*') {
    return true;
  }
  if (Array.isArray(expected)) {
    return (
      Array.isArray(answer) &&
      answer.length === expected.length &&
      expected.every((item, index) => agrees(answer[index], item))
    );
  }
  if (expected !== null && typeof expected === 'object') {
    return (
      answer !== null &&
      typeof answer === 'object' &&
      Object.entries(expected).every(([name, value]) => agrees(answer[name], value))
    );
  }
  return typeof expected === 'number' ? answer === String(expected) : answer === expected;
}
