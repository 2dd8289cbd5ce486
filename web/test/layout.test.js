// Where everything stands in the timeline: laid in pieces as pages come, it is the same as laid at once; rows fill the width and hold every memory once.

import assert from 'node:assert/strict';
import { before, test } from 'node:test';

import { compiled } from './compiled.js';

let Layout;
let monthOf;
let settleTimes;

before(async () => {
  ({ Layout, monthOf } = await compiled('timeline/layout.ts'));
  ({ settleTimes } = await compiled('timeline/item.ts'));
});

/** Numbers that look random and are the same in every run. */
function chance(seed) {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9) >>> 0;
    return state / 2 ** 32;
  };
}

function someItems(random, count) {
  let time = Date.UTC(2026, 5, 15);
  return Array.from({ length: count }, () => {
    time -= Math.floor(random() ** 6 * 90 * 86_400_000);
    return { ratio: 0.5 + random() * 2.5, time };
  });
}

const measures = (random) => ({ width: 200 + Math.floor(random() * 1800), rowHeight: random() < 0.5 ? 128 : 208, gap: 4, headerHeight: 56 });

function check(layout, items) {
  const { width, gap, rowHeight } = layout.measures;
  let next = 0;
  let bottom = 0;
  for (const row of layout.rows) {
    assert.ok(row.top >= bottom, 'rows do not overlap');
    bottom = row.top + row.height;
    assert.equal(row.start, next);
    if (row.heading) {
      assert.equal(row.end, row.start);
      continue;
    }
    const places = layout.places(row);
    const right = places.at(-1).left + places.at(-1).width;
    assert.ok(right <= width + 0.01, `${right} of ${width}`);
    assert.ok(row.height <= rowHeight * 2.6, `${row.height}`);
    for (let at = row.start; at < row.end; at += 1) {
      assert.equal(monthOf(items[at].time), row.month);
      assert.equal(layout.rowOf(at), layout.rows.indexOf(row));
    }
    // A row that is not its month's last fills the width.
    if (row.end < items.length && monthOf(items[row.end].time) === row.month) {
      assert.ok(Math.abs(right - width) < 0.01, `${right} of ${width}`);
    }
    assert.equal(places.length, row.end - row.start);
    next = row.end;
    void gap;
  }
  assert.equal(next, items.length);
  assert.equal(layout.height, bottom);
  assert.deepEqual(layout.months, layout.rows.filter(({ heading }) => heading));
}

test('laid in pieces or after changes, it is as if laid at once', () => {
  for (let seed = 1; seed <= 120; seed += 1) {
    const random = chance(seed);
    let items = someItems(random, 1 + Math.floor(random() * 400));
    const size = measures(random);
    const pieces = new Layout(size);
    for (let laid = 0; laid < items.length; ) {
      laid = Math.min(items.length, laid + 1 + Math.floor(random() * 100));
      pieces.lay(items.slice(0, laid), pieces.count);
    }
    for (let change = 0; change < 6; change += 1) {
      const whole = new Layout(size);
      whole.lay(items, 0);
      check(whole, items);
      assert.deepEqual(pieces.rows, whole.rows, `seed ${seed}, change ${change}`);
      assert.deepEqual(pieces.months, whole.months);
      // Something is taken out, or put in.
      const at = Math.floor(random() * items.length);
      if (random() < 0.5 && items.length > 1) {
        items = items.toSpliced(at, 1);
      } else {
        items = items.toSpliced(at, 0, { ratio: 0.5 + random() * 2.5, time: items[at].time });
      }
      pieces.lay(items, at);
    }
  }
});

test('an empty list, and one that becomes empty', () => {
  const layout = new Layout({ width: 500, rowHeight: 128, gap: 4, headerHeight: 56 });
  layout.lay([], 0);
  assert.equal(layout.height, 0);
  layout.lay([{ ratio: 1, time: 0 }], 0);
  assert.equal(layout.rows.length, 2);
  layout.lay([], 0);
  assert.deepEqual([layout.rows, layout.months, layout.height], [[], [], 0]);
});

test('finding rows by height', () => {
  const random = chance(7);
  const items = someItems(random, 500);
  const layout = new Layout(measures(random));
  layout.lay(items, 0);
  for (let top = -100; top < layout.height + 100; top += 37) {
    const at = layout.rowAt(top);
    const expected = layout.rows.findIndex((row) => row.top + row.height + 4 > top);
    assert.equal(at, expected < 0 ? layout.rows.length : expected);
  }
});

test('memories whose date was changed stand where they belong', () => {
  const times = (all) => all.map(({ time }) => time);
  const items = (...all) => all.map((time) => ({ time }));
  const cases = [
    [[90, 80, 70], [90, 80, 70]],
    // Created late, and dated back.
    [[90, 80, 200, 70], [90, 80, 80, 70]],
    // Created long ago, and dated later.
    [[90, 10, 80, 70], [90, 80, 80, 70]],
    [[10, 90, 80], [90, 90, 80]],
    [[90, 80, 200], [90, 80, 80]],
  ];
  for (const [given, expected] of cases) {
    const list = items(...given);
    settleTimes(list, 0);
    assert.deepEqual(times(list), expected, String(given));
  }
});
