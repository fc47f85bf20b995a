// The list of messages: what has come is shown in batches, the list is bounded in entries and in characters, and
// whatever a peer wrote is text, never markup, with what could deceive the eye made visible.
//
// Not here: the connection and the forms (console.js), the plot (console-plot.js).

/** Entries in the list; past it the oldest go. */
export const ENTRIES = 500;
/** Characters that all entries keep as they came; past it the oldest go, but for the last one. */
export const CHARACTERS = 8 * 1024 * 1024;
/** Characters of a payload that are shown before it is unfolded. */
const FOLDED = 400;
/** Characters of a payload, or of a raw message, that are ever shown: a browser lays out no megabyte at once. */
const UNFOLDED = 64 * 1024;
/** Characters of a name that are shown. */
const NAME = 64;
/** Between two batches, in milliseconds: a flood leaves the page time for everything else. */
const BATCH = 100;
/** Notes in a list that still counts as empty. */
const FEW = 3;
/** How far from its end a list still follows what comes, in CSS pixels. */
const NEAR = 48;

/** Control characters but line end and tab; what turns the direction of text; what has no width; lone surrogates. */
const TREACHEROUS =
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}]|\p{Surrogate}/gu;

/** The text with everything that cannot be seen, or changes how other text is seen, spelled out. */
export const visible = (text) =>
  text.replace(TREACHEROUS, (c) => `⟨U+${c.codePointAt(0).toString(16).toUpperCase().padStart(4, '0')}⟩`);

/** A value of a message as text. Who said it may be no barewire: a value may be missing, or of any shape and depth. */
export function textOf(value) {
  if (typeof value === 'string') return value;
  try {
    return JSON.stringify(value) ?? 'nothing';
  } catch {
    return 'something too deep to be shown';
  }
}

/** A name in one line: shortened, without line ends, and in quotation marks where it is all blank. */
export const visibleName = (name) => {
  const line = visible(cut(name, NAME)).replace(/[\n\t]/g, ' ');
  if (line.trim() === '') return `“${line}”`;
  return name.length > NAME ? `${line}…` : line;
};

/** The first `length` characters, less one where a pair of surrogates would be cut in two. */
function cut(text, length) {
  const first = text.charCodeAt(length - 1);
  return text.slice(0, first >= 0xd800 && first <= 0xdbff ? length - 1 : length);
}

/** An element with a class and children; strings become text. */
export function element(name, className, ...children) {
  const made = document.createElement(name);
  if (className) made.className = className;
  made.append(...children);
  return made;
}

const size = (characters) => `${characters.toLocaleString('en')} characters`;

export class Messages {
  #list;
  #empty;
  #latest;
  #count;
  /** What is in the list, the oldest first: of each its `item`, its `kind`, and how many characters it keeps. */
  #shown = [];
  /** What is not yet, the oldest first: entries as they came. */
  #waiting = [];
  #characters = 0;
  #total = 0;
  #unseen = 0;
  #due = null;
  #shownAt = 0;

  constructor({ list, empty, latest, count }) {
    this.#list = list;
    this.#empty = empty;
    this.#latest = latest;
    this.#count = count;
    list.addEventListener('scroll', () => this.#isAtEnd() && this.#sawAll(), { passive: true });
    latest.addEventListener('click', () => {
      this.#toEnd();
      list.focus({ preventScroll: true });
    });
    new ResizeObserver(() => this.#unseen === 0 && this.#toEnd()).observe(list);
  }

  /** A message of a peer: `message` is what `raw` says. */
  chat(message, raw) {
    this.#total += 1;
    this.#take({ kind: 'chat', at: message.timestamp, channel: message.channel, user: message.userId, payload: message.payload, raw });
  }

  /** Something that happened, in words; `raw` where the server said it. */
  note(words, { kind = 'note', raw = '' } = {}) {
    this.#take({ kind, payload: words, raw });
  }

  clear() {
    this.#list.replaceChildren();
    this.#shown = [];
    this.#waiting = [];
    this.#characters = 0;
    this.#total = 0;
    this.#sawAll();
    this.#tell();
  }

  #take(entry) {
    this.#waiting.push({ ...entry, came: new Date(), characters: entry.raw.length });
    this.#characters += entry.raw.length;
    this.#forget();
    if (this.#due === null) {
      const wait = Math.max(0, this.#shownAt + BATCH - performance.now());
      this.#due = setTimeout(() => this.#show(), wait);
    }
  }

  /** Lets the oldest go until what is left is within bounds. */
  #forget() {
    const held = () => this.#shown.length + this.#waiting.length;
    while (held() > ENTRIES || (this.#characters > CHARACTERS && held() > 1)) {
      const oldest = this.#shown.shift() ?? this.#waiting.shift();
      oldest.item?.remove();
      this.#characters -= oldest.characters;
    }
  }

  #show() {
    this.#due = null;
    const follow = this.#isAtEnd();
    const batch = this.#waiting.map((entry) => ({ item: item(entry), kind: entry.kind, characters: entry.characters }));
    this.#waiting = [];
    this.#list.append(...batch.map((entry) => entry.item));
    this.#shown.push(...batch);
    if (follow) {
      this.#toEnd();
    } else {
      this.#unseen = Math.min(this.#unseen + batch.length, this.#shown.length);
      this.#latest.textContent = `${this.#unseen} new ↓`;
      this.#latest.hidden = false;
    }
    this.#tell();
    this.#shownAt = performance.now();
  }

  #tell() {
    const kept = this.#shown.filter((entry) => entry.kind === 'chat').length;
    this.#empty.hidden = kept > 0 || this.#shown.length > FEW;
    const [total, left] = [this.#total, kept].map((number) => number.toLocaleString('en'));
    this.#count.textContent = this.#total === 0 ? '' : kept < this.#total ? `the last ${left} of ${total}` : total;
  }

  #isAtEnd() {
    const { scrollHeight, scrollTop, clientHeight } = this.#list;
    return scrollHeight - scrollTop - clientHeight < NEAR;
  }

  #toEnd() {
    this.#list.scrollTop = this.#list.scrollHeight;
    this.#sawAll();
  }

  #sawAll() {
    this.#unseen = 0;
    this.#latest.hidden = true;
  }
}

const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' });

/** The list item of an entry. */
function item(entry) {
  const made = element('li', entry.kind);
  made.dir = 'ltr';
  const said = new Date(typeof entry.at === 'string' ? entry.at : NaN);
  const at = Number.isNaN(said.getTime()) ? entry.came : said;
  const time = element('time', '', clock.format(at));
  time.dateTime = at.toISOString();
  time.title = at.toISOString();
  const head = element('p', 'who', time);
  if (entry.kind === 'chat') {
    head.append(element('bdi', 'user', visibleName(textOf(entry.user))));
    const where = typeof entry.channel === 'string' ? visibleName(entry.channel) : 'everybody';
    head.append(element('bdi', typeof entry.channel === 'string' ? 'channel' : 'channel all', where));
  }
  if (entry.raw) {
    head.append(unfold('Raw', 'Hide raw', (open) => {
      if (open) made.append(element('pre', 'raw', bounded(entry.raw)));
      else made.querySelector('.raw')?.remove();
    }));
  }
  made.append(head);
  const text = textOf(entry.payload);
  const body = element('div', typeof entry.payload === 'string' ? 'body' : 'body json');
  made.append(body);
  const isLong = text.length > FOLDED;
  body.textContent = visible(cut(text, FOLDED)) + (isLong ? '…' : '');
  body.dir = 'auto';
  if (isLong) {
    const all = text.length <= UNFOLDED ? `Show all ${size(text.length)}` : `Show ${size(UNFOLDED)} of ${size(text.length)}`;
    made.append(unfold(all, 'Show less', (open) => {
      body.textContent = open ? bounded(text) : `${visible(cut(text, FOLDED))}…`;
    }));
  }
  return made;
}

/** What is shown of a long text at most. */
const bounded = (text) =>
  text.length <= UNFOLDED ? visible(text) : `${visible(cut(text, UNFOLDED))}… (${size(text.length - UNFOLDED)} more)`;

/** A button that opens and closes something. */
function unfold(closed, open, change) {
  const button = element('button', 'link', closed);
  button.type = 'button';
  button.setAttribute('aria-expanded', 'false');
  button.addEventListener('click', () => {
    const isOpen = button.getAttribute('aria-expanded') !== 'true';
    button.setAttribute('aria-expanded', String(isOpen));
    button.textContent = isOpen ? open : closed;
    change(isOpen);
  });
  return button;
}
