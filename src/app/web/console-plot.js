// The plot of round-trip times: the last five minutes as an SVG that is drawn anew as the room for it changes. Its
// colours are the style sheet's, so light and dark need nothing here.
//
// Not here: measuring (console.js).

const SVG = 'http://www.w3.org/2000/svg';
/** What the plot spans, in milliseconds. */
export const SPAN = 5 * 60_000;
/** Samples that are kept; those of a span, if there is one a second. */
const SAMPLES = 300;
/** Around the plot, in CSS pixels: room for the numbers. */
const EDGE = { top: 10, right: 12, bottom: 24, left: 56 };
const HEIGHT = 180;
/** Lines across the plot, at most. */
const LINES = 4;

/** An element of SVG with these attributes, and text if there is any. */
function draw(name, attributes, text) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

/** A time as one reads it: 0.42 ms, 8.3 ms, 120 ms, 1.5 s. */
export function milliseconds(value) {
  if (value >= 1000) return `${(value / 1000).toFixed(1)} s`;
  return `${value.toFixed(value < 1 ? 2 : value < 10 ? 1 : 0)} ms`;
}

/** The step of an axis: 1, 2 or 5 times a power of ten, so that `most` takes at most `LINES` of them. */
export function step(most) {
  const power = 10 ** Math.floor(Math.log10(most / LINES));
  return [1, 2, 5, 10].map((digit) => digit * power).find((size) => most / size <= LINES);
}

export class Plot {
  #place;
  #summary;
  /** `{ at, rtt }`, the oldest first; an `rtt` of null is the start of a gap. */
  #samples = [];

  constructor(place, summary) {
    this.#place = place;
    this.#summary = summary;
    new ResizeObserver(() => this.draw()).observe(place);
  }

  /** A round trip of so many milliseconds. */
  add(rtt) {
    this.#keep({ at: Date.now(), rtt });
  }

  /** From now on there is no connection, until the next round trip. */
  gap() {
    if (this.#samples.length > 0 && this.#samples.at(-1).rtt !== null) this.#keep({ at: Date.now(), rtt: null });
  }

  clear() {
    this.#samples = [];
    this.draw();
  }

  #keep(sample) {
    this.#samples.push(sample);
    if (this.#samples.length > SAMPLES) this.#samples.shift();
    this.draw();
  }

  /** Draws it as it is now. */
  draw() {
    const now = Date.now();
    const width = this.#place.clientWidth;
    // One sample before the span stays: a gap that it begins may reach into the plot.
    while (this.#samples.length > 1 && this.#samples[1].at <= now - SPAN) this.#samples.shift();
    const seen = this.#samples.filter(({ at, rtt }) => rtt !== null && at > now - SPAN && at <= now);
    this.#tell(seen.map(({ rtt }) => rtt));
    if (width <= EDGE.left + EDGE.right) return;
    const most = Math.max(1, ...seen.map(({ rtt }) => rtt));
    const size = step(most);
    const top = Math.ceil(most / size) * size;
    const x = (at) => EDGE.left + (1 - (now - at) / SPAN) * (width - EDGE.left - EDGE.right);
    const y = (rtt) => HEIGHT - EDGE.bottom - (rtt / top) * (HEIGHT - EDGE.top - EDGE.bottom);
    const svg = draw('svg', { viewBox: `0 0 ${width} ${HEIGHT}`, width, height: HEIGHT, role: 'img' });
    svg.setAttribute('aria-label', `Round-trip time over the last five minutes: ${this.#summary.textContent || 'nothing yet'}`);
    svg.append(...axes({ x, y, now, size, top, width }));
    svg.append(...this.#gaps(x, y, now), ...this.#lines(x, y, now));
    this.#place.replaceChildren(svg);
    this.#place.dataset.points = seen.length;
  }

  /** A band for each time without a connection. */
  #gaps(x, y, now) {
    const bands = [];
    this.#samples.forEach(({ at, rtt }, index) => {
      if (rtt !== null) return;
      const [from, to] = [x(Math.max(at, now - SPAN)), x(this.#samples[index + 1]?.at ?? now)];
      if (to > from) bands.push(draw('rect', { class: 'gap', x: from, y: EDGE.top, width: to - from, height: y(0) - EDGE.top }));
    });
    return bands;
  }

  /** A line for each time with one, and a dot at its end. */
  #lines(x, y, now) {
    const lines = [];
    let points = [];
    const end = () => {
      if (points.length > 0) {
        lines.push(draw('polyline', { class: 'line', points: points.map((point) => point.join(',')).join(' ') }));
        const [cx, cy] = points.at(-1);
        lines.push(draw('circle', { class: 'last', cx, cy, r: 2.5 }));
      }
      points = [];
    };
    for (const { at, rtt } of this.#samples) {
      if (rtt === null) end();
      else if (at > now - SPAN && at <= now) points.push([x(at).toFixed(1), y(rtt).toFixed(1)]);
    }
    end();
    return lines;
  }

  #tell(times) {
    const sorted = times.toSorted((one, other) => one - other);
    const median = sorted[Math.floor(sorted.length / 2)];
    this.#summary.textContent =
      sorted.length === 0 ? '' : `median ${milliseconds(median)}, most ${milliseconds(sorted.at(-1))}`;
  }
}

/** Lines across for times, marks below for minutes. */
function axes({ x, y, now, size, top, width }) {
  const made = [];
  for (let count = 0; count * size <= top * 1.001; count += 1) {
    const at = y(count * size);
    made.push(draw('line', { class: count === 0 ? 'base' : 'grid', x1: EDGE.left, x2: width - EDGE.right, y1: at, y2: at }));
    made.push(draw('text', { class: 'number', x: EDGE.left - 6, y: at + 4, 'text-anchor': 'end' }, tick(count * size)));
  }
  for (let minute = SPAN / 60_000; minute >= 0; minute -= 1) {
    const at = x(now - minute * 60_000);
    made.push(draw('line', { class: 'base', x1: at, x2: at, y1: y(0), y2: y(0) + 4 }));
    const anchor = minute === 0 ? 'end' : minute === 5 ? 'start' : 'middle';
    const words = minute === 0 ? 'now' : `−${minute} min`;
    if (minute % 2 === 1 || minute === 0 || width > 420) {
      made.push(draw('text', { class: 'number', x: minute === 0 ? at + 8 : at, y: y(0) + 18, 'text-anchor': anchor }, words));
    }
  }
  return made;
}

/** A number of the axis: no digits that it does not need. */
const tick = (value) => (value >= 1000 ? `${+(value / 1000).toFixed(2)} s` : `${+value.toFixed(2)} ms`);
