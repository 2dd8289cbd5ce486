/**
 * Justified rows by month: where each memory of the timeline stands, before any picture is there. Pictures keep their shape; each row fills the
 * width. Grows at its end without looking at what is above.
 *
 * @module
 */

export interface Measures {
  /** Pixels. */
  width: number;
  /** Height that rows are to have, about. */
  rowHeight: number;
  gap: number;
  headerHeight: number;
}

/** A row of pictures, or the heading of a month. */
export interface Row {
  top: number;
  height: number;
  /** Index of the first item, and after the last one. Both the first item of the month for a heading. */
  start: number;
  end: number;
  heading: boolean;
  /** The month that it belongs to: year × 12 + month. */
  month: number;
}

export interface Laid {
  ratio: number;
  time: number;
}

/** A place in a row: pixels from the left, and the width. */
export interface Place {
  left: number;
  width: number;
}

export class Layout {
  readonly measures: Measures;
  readonly rows: Row[] = [];
  /** The headings, in order. */
  readonly months: Row[] = [];
  #items: readonly Laid[] = [];
  /** Items that have a place. */
  #count = 0;

  constructor(measures: Measures) {
    this.measures = measures;
  }

  /** Pixels from the beginning of the first row to the end of the last. */
  get height(): number {
    const last = this.rows.at(-1);
    return last ? last.top + last.height : 0;
  }

  get count(): number {
    return this.#count;
  }

  /** Gives places to all items; those before `from` are as they were. O(items from the row before `from` on). */
  lay(items: readonly Laid[], from = this.#count): void {
    this.#items = items;
    // The row before may have room for an item that comes, or lose the reason why it ended.
    const before = Math.min(from, this.#count) - 1;
    const keep = before >= 0 && this.rows.length > 0 ? this.rowOf(before) : 0;
    let at = this.rows[keep]?.start ?? 0;
    this.rows.length = keep;
    if (this.rows.at(-1)?.heading) {
      this.rows.pop();
    }
    while (this.months.length > 0 && (this.months.at(-1) as Row).start >= at) {
      this.months.pop();
    }
    while (at < items.length) {
      at = this.#row(at);
    }
    this.#count = items.length;
  }

  /** The first row that ends below `top`. O(log n). */
  rowAt(top: number): number {
    let [low, high] = [0, this.rows.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      const row = this.rows[middle] as Row;
      if (row.top + row.height + this.measures.gap <= top) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return low;
  }

  /** The row of an item. O(log n). */
  rowOf(item: number): number {
    let [low, high] = [0, this.rows.length - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.rows[middle] as Row).end <= item) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return low;
  }

  /** Where the items of a row stand in it. */
  places(row: Row): Place[] {
    const places: Place[] = [];
    let left = 0;
    for (let at = row.start; at < row.end; at += 1) {
      const width = (this.#items[at] as Laid).ratio * row.height;
      places.push({ left, width });
      left += width + this.measures.gap;
    }
    return places;
  }

  /** Adds the row that begins with an item, and a heading before it where a month begins; returns the item after it. */
  #row(start: number): number {
    const { width, rowHeight, gap, headerHeight } = this.measures;
    const items = this.#items;
    const month = monthOf((items[start] as Laid).time);
    const above = this.rows.at(-1);
    let top = above ? above.top + above.height + gap : 0;
    if (above?.month !== month) {
      const heading = { top, height: headerHeight, start, end: start, heading: true, month };
      this.rows.push(heading);
      this.months.push(heading);
      top += headerHeight;
    }
    let ratios = 0;
    let end = start;
    let height = rowHeight;
    while (end < items.length) {
      const item = items[end] as Laid;
      if (monthOf(item.time) !== month) {
        break;
      }
      const next = (width - gap * (end - start)) / (ratios + item.ratio);
      if (next <= rowHeight) {
        // Whichever is nearer to the height that is wanted: without this one the row is higher, with it lower.
        const without = end > start ? (width - gap * (end - start - 1)) / ratios : Infinity;
        if (without - rowHeight < rowHeight - next) {
          height = without;
        } else {
          height = next;
          end += 1;
        }
        break;
      }
      ratios += item.ratio;
      end += 1;
    }
    this.rows.push({ top, height, start, end, heading: false, month });
    return end;
  }
}

/** Months that were formatted before. A month's number is needed for every item, and dates are slow. */
let known = { from: 0, to: 0, month: 0 };

/** The month of a time in the browser's time zone: year × 12 + month. */
export function monthOf(time: number): number {
  if (time < known.from || time >= known.to) {
    const date = new Date(time);
    const [year, month] = [date.getFullYear(), date.getMonth()];
    known = { from: new Date(year, month, 1).getTime(), to: new Date(year, month + 1, 1).getTime(), month: year * 12 + month };
  }
  return known.month;
}

/** The first day of a month that `monthOf` numbered. */
export function monthDate(month: number): Date {
  return new Date(Math.floor(month / 12), month % 12, 1);
}
