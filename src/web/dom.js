// What builds any page: elements, lists that keep what did not change, and time that goes on. It knows nothing of
// claimwatch.
//
// Text that comes from elsewhere becomes text nodes, never markup.

/** Milliseconds that the daemon's clock is ahead of this device's; whether times are shown in UTC. */
export const clock = { ahead: 0, utc: false };

/** Characters of a foreign text: in a row, and where there is room. */
export const SHORT = 200;
export const LONG = 2000;
/** Control characters, and what turns the direction of text: "+44…" must read as it was sent. */
const UNSEEN = /[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu;

// --- Elements ------------------------------------------------------------------------------------------------------

/** Foreign text as it can be shown: without what is unseen, and cut. */
export function text(value, most = SHORT) {
  const shown = String(value ?? '').replace(UNSEEN, '\ufffd');
  return shown.length > most ? `${shown.slice(0, most - 1)}…` : shown;
}

/** An element. Attributes that are null or undefined are left out; children are nodes or text. */
export function el(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes ?? {})) {
    if (value !== null && value !== undefined) made.setAttribute(key, value);
  }
  made.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== ''));
  return made;
}

/** Foreign text, whose direction does not leak into what stands beside it. */
export const data = (value, most) => el('bdi', {}, text(value, most));
export const code = (value, most) => el('code', {}, text(value, most));

const signatures = new WeakMap();
/** What changes with each answer and is not shown: it must not make an element a new one. */
const VOLATILE = new Set(['at', 'remaining_s']);
const signature = (value) =>
  JSON.stringify([clock.utc, value], (key, inner) => (VOLATILE.has(key) ? undefined : inner));

/** Runs a change of what is in `box`; focus that was in it is then on the same thing again, or on the heading. */
function keepingFocus(box, change) {
  const focused = box.contains(document.activeElement) ? document.activeElement.dataset.focus : undefined;
  change();
  if (focused === undefined || box.contains(document.activeElement)) return;
  const again = box.querySelector(`[data-focus="${CSS.escape(focused)}"]`);
  (again ?? box.closest('section, article')?.querySelector('h2'))?.focus({ preventScroll: true });
}

/** Fills `box` anew if what it is made of is not what it was. */
export function paint(box, from, build) {
  const now = signature(from);
  if (signatures.get(box) === now) return;
  keepingFocus(box, () => box.replaceChildren(...build()));
  signatures.set(box, now);
}

/** How long a change is marked: as long as its animation. */
const MARKED = 2500;

/**
 * Makes `box` hold one element for each item, in order; those that did not change stay as they are. One whose `essence`
 * changed is marked for a moment.
 */
export function sync(box, items, keyOf, build, essence = () => '') {
  keepingFocus(box, () => {
    const before = new Map([...box.children].map((child) => [child.dataset.key, child]));
    const stay = new Set();
    for (const item of items) {
      const key = JSON.stringify(keyOf(item));
      const old = before.get(key);
      const now = signature(item);
      if (old && signatures.get(old) === now) {
        stay.add(old);
        continue;
      }
      const made = build(item);
      Object.assign(made.dataset, { key, essence: essence(item) });
      signatures.set(made, now);
      if (old && old.dataset.essence !== made.dataset.essence) {
        made.classList.add('changed');
        setTimeout(() => made.classList.remove('changed'), MARKED);
      }
      stay.add(made);
    }
    for (const child of [...box.children]) if (!stay.has(child)) child.remove();
    let place = box.firstElementChild;
    for (const node of stay) {
      if (node === place) place = place.nextElementSibling;
      else box.insertBefore(node, place);
    }
  });
}

// --- Time ----------------------------------------------------------------------------------------------------------

/** Now, by the daemon's clock: a phone's may be off, and time left must not depend on it. */
export const now = () => Date.now() + clock.ahead;

const tickers = new Map();

/** Has `update` run now and each second while `node` is on the page. */
export function ticking(node, update) {
  update();
  tickers.set(node, update);
  return node;
}

export function tick() {
  for (const [node, update] of tickers) {
    if (node.isConnected) update();
    else tickers.delete(node);
  }
}

export function say(node, words) {
  if (node.textContent !== words) node.textContent = words;
}

function units(milliseconds) {
  const total = Math.max(0, Math.floor(milliseconds / 1000));
  const all = [
    [Math.floor(total / 86400), 'd'],
    [Math.floor(total / 3600) % 24, 'h'],
    [Math.floor(total / 60) % 60, 'min'],
    [total % 60, 's'],
  ];
  const first = all.findIndex(([count]) => count > 0);
  return first < 0 ? [] : all.slice(first);
}

/** As the daemon's messages have it: "1 d 2 h", "5 min 3 s". */
export function span(milliseconds) {
  const shown = units(milliseconds)
    .slice(0, 2)
    .filter(([count]) => count > 0);
  if (!shown.length) return milliseconds > 0 ? 'under 1 s' : '0 s';
  return shown.map(([count, unit]) => `${count} ${unit}`).join(' ');
}

/** With seconds to the end: "3 h 00 min 18 s". Each unit keeps its place and width, for a glance at the same spot. */
export function countdown(milliseconds) {
  const shown = units(milliseconds).map(([count, unit], at) => `${String(count).padStart(at ? 2 : 1, '0')} ${unit}`);
  return shown.length ? shown.join(' ') : 'under 1 s';
}

const formats = new Map();
export function format(date) {
  const year = date.getUTCFullYear() === new Date(now()).getUTCFullYear() ? undefined : 'numeric';
  const key = `${clock.utc} ${year}`;
  if (!formats.has(key)) {
    formats.set(
      key,
      new Intl.DateTimeFormat('en-GB', {
        day: 'numeric',
        month: 'short',
        year,
        hour: '2-digit',
        minute: '2-digit',
        second: '2-digit',
        hourCycle: 'h23',
        timeZone: clock.utc ? 'UTC' : undefined,
      }),
    );
  }
  return formats.get(key).format(date).replace(',', '');
}

/** A time; the exact one in UTC, as logs have it, is in its title. */
export function when(iso) {
  const date = new Date(iso);
  if (Number.isNaN(date.getTime())) return data(iso, 40);
  return el('time', { datetime: date.toISOString(), title: date.toISOString() }, format(date));
}

/** How long ago that was, and it goes on. */
export function ago(iso) {
  const at = Date.parse(iso);
  const node = el('span', { class: 'relative' });
  return ticking(node, () => say(node, now() - at < 1000 ? 'just now' : `${span(now() - at)} ago`));
}

/** How soon that is. Past it, it does not count on: whether it happened since is known with the next answer. */
export function until(iso) {
  const at = Date.parse(iso);
  const node = el('span', { class: 'relative' });
  return ticking(node, () => say(node, at > now() ? `in ${span(at - now())}` : 'due'));
}

export const since = (iso) =>
  iso ? [when(iso), ' ', el('span', { class: 'aside' }, '(', ago(iso), ')')] : ['not known'];
