// What is shown: builds the page's elements from the answers of the API. It asks for nothing and decides nothing; page.js
// does.
//
// Everything in an answer is foreign text. It becomes text nodes and percent-encoded parts of addresses, never markup.

import {
  LONG,
  SHORT,
  ago,
  code,
  countdown,
  data,
  el,
  format,
  now,
  say,
  since,
  span,
  text,
  ticking,
  until,
  when,
} from './dom.js';

/** How many rows of anything that is not paged are shown. */
const ROWS_MOST = 200;
const SCOPES_MOST = 50;
const ALERTS_MOST = 30;
/** On a phone the windows should still be in sight below them. */
const ALERTS_AT_ONCE = 2;

const URGENCIES = {
  window: { sign: '▲', words: 'window open', counted: ['with a window open', 'with a window open'] },
  attention: { sign: '!', words: 'needs attention', counted: ['needs attention', 'need attention'] },
  failed: { sign: '✕', words: 'failed', counted: ['failed', 'failed'] },
  pending: { sign: '…', words: 'pending', counted: ['pending', 'pending'] },
  done: { sign: '✓', words: 'done', counted: ['done', 'done'] },
};
const CONDITIONS = {
  retrying: 'retrying: an operation is in progress',
  stalled: 'stalled: it has not changed for long',
  blocked: 'blocked: look after look failed through its own fault',
  access_denied: 'the service refuses access to it',
  holders_denied: 'the credentials lack connect:ListPhoneNumbersV2',
  pending_documents: 'documents are missing',
  exception: 'exception: see the support case of the port',
  number_vanished: 'a number of it has vanished',
  suspect: 'missing, but not believed: see its scope',
  doubted: 'the last look did not find it',
};
const BASES = {
  requested_at: 'counted from requested_at of the watch list',
  first_look: 'counted from the look that first showed the claim',
  last_look_before_failure: 'counted from the last look before the failure',
  failure_first_seen: 'at any time: nothing shows when the claim began',
  already_past: 'at any time: the claim began longer ago than the window lasts',
  reopened: 'at any time: it failed again after its window was over',
};
const OUTCOMES = {
  claimed: 'claimed inside it',
  claimed_elsewhere: 'claimed by another id',
  released: 'over: the number was released',
  unconfirmed: 'over: its latest end has passed, what became of the number was not seen',
};
/** The troubles of a scope, the worst first: what it means, and what to do where somebody has to. */
const TROUBLES = [
  ['denied', 'the credentials are refused', 'Mend them: nothing of this scope is looked at.'],
  ['unavailable', 'the service does not work', 'Look at AWS’s health page and at the network.'],
  ['suspect', 'much went missing at once', 'Check the credentials; if it is really gone: claimwatch accept.'],
  ['overloaded', 'more is due than the quota allows', ''],
  ['throttled', 'the service refused for quota', ''],
];
const LEVELS = { error: ['✕', 'error'], warn: ['▲', 'warning'], info: ['·', 'info'] };

// --- Small things --------------------------------------------------------------------------------------------------

/** A sign that says in a shape what the words beside it say. */
const sign = (shape) => el('span', { class: 'sign', 'aria-hidden': 'true' }, shape);
const chip = (kind, shape, words) => el('span', { class: `chip ${kind}` }, sign(shape), ' ', words);
const orderHref = (id) => `#/orders/${encodeURIComponent(String(id ?? ''))}`;
const list = (value) => (Array.isArray(value) ? value : []);
const known = (table, word) => (Object.hasOwn(table, word ?? '') ? table[word] : null);
const plural = (count, one, many) => `${count} ${count === 1 ? one : many}`;

/** What an order, a window or an event is about, for people. */
export function nameOf(about) {
  return about.number ? text(about.number, 60) : `order ${text(String(about.order_id).slice(0, 8))}`;
}

function link(about, place) {
  // data-focus finds the same link again after its row was built anew, and after the way back from an order.
  const attributes = { href: orderHref(about.order_id), 'data-focus': `${place} ${about.order_id}` };
  return el('a', attributes, el('bdi', {}, nameOf(about)));
}

function where(about) {
  return [data(about.list, 80), ' · ', data(`${about.provider}/${about.account} ${about.region}`, 120)];
}

/** What of an order or a window is worth a glance when it changes; that it was looked at again is not. */
export const essence = ({ status, urgency, condition, reason, acknowledged }) =>
  JSON.stringify([status, urgency, condition, reason, acknowledged]);

// --- Windows -------------------------------------------------------------------------------------------------------

/** How near its end is, by its own length, which a list may set: of a day, the last two hours and the last twelve. */
function nearness(left, length) {
  if (left <= 0) return 'any';
  return left <= length / 12 ? 'last' : left <= length / 2 ? 'soon' : 'calm';
}

/** Time left: words and a bar. The words are the level, so that colour only repeats them. */
function timeLeft(window, name) {
  const earliest = Date.parse(window.window_earliest);
  const latest = Date.parse(window.window_latest);
  const length = Math.max(1000, Number(window.window_length_s) * 1000 || 86_400_000);
  const words = el('p', { class: 'left' });
  const fill = el('span', { class: 'fill' });
  const bar = el(
    'div',
    {
      class: 'bar',
      role: 'meter',
      'aria-label': `Time left of the window of ${name}`,
      'aria-valuemin': '0',
      'aria-valuemax': '100',
    },
    fill,
  );
  const box = el('div', { class: 'time-left' }, words, bar);
  return ticking(box, () => {
    const left = earliest - now();
    const near = nearness(left, length);
    const rest = latest - now();
    if (near !== 'any') say(words, `${near === 'last' ? '▲ ' : ''}${countdown(left)} left`);
    else if (rest > 0) say(words, `▲ may end at any time until ${format(new Date(latest))}, in ${countdown(rest)}`);
    else say(words, '▲ over by now: its latest end has passed');
    box.dataset.near = near;
    const part = Math.min(100, Math.max(0, (left / length) * 100));
    fill.style.setProperty('inline-size', `${part.toFixed(2)}%`);
    bar.setAttribute('aria-valuenow', String(Math.round(part)));
    // Without seconds: some screen readers say each change of what they stand on.
    const coarse =
      near === 'any'
        ? 'may end at any time'
        : left < 60_000
          ? 'under 1 min left'
          : `${span(left - (left % 60_000))} left`;
    if (bar.getAttribute('aria-valuetext') !== coarse) bar.setAttribute('aria-valuetext', coarse);
  });
}

function marks(window) {
  return [
    window.condition === 'retrying' || window.status === 'IN_PROGRESS' ? chip('pending', '↻', 'retrying') : null,
    window.acknowledged ? chip('done', '✓', 'acknowledged') : null,
  ];
}

const ends = (window) =>
  el('p', { class: 'ends' }, 'Earliest end ', when(window.window_earliest), ', latest ', when(window.window_latest));

export function windowCard(window) {
  const reason = window.reason ? el('p', { class: 'reason' }, data(window.reason, SHORT)) : null;
  const label = window.label ? [' ', el('span', { class: 'label' }, data(window.label, 200))] : [];
  return el(
    'li',
    { class: 'card' },
    el('h3', {}, link(window, 'window'), ...label, ' ', ...marks(window)),
    timeLeft(window, nameOf(window)),
    ends(window),
    reason,
    el('p', { class: 'aside' }, ...where(window)),
  );
}

// --- Orders --------------------------------------------------------------------------------------------------------

function badge(order) {
  const urgency = known(URGENCIES, order.urgency) ?? { sign: '?', words: text(order.urgency, 40) };
  const kind = known(URGENCIES, order.urgency) ? order.urgency : 'pending';
  return el(
    'span',
    { class: `chip ${kind}`, title: urgency.words },
    sign(urgency.sign),
    ' ',
    data(order.status ?? 'unknown', 60),
    el('span', { class: 'unseen' }, ` (${urgency.words})`),
  );
}

/** "3 CLAIMED, 1 FAILED", where an order has several numbers. */
function tally(numbers) {
  const all = Object.entries(numbers ?? {})
    .filter(([, count]) => Number(count) > 0)
    .slice(0, 12);
  const several = all.length > 1 || all.some(([, count]) => Number(count) > 1);
  return several ? all.map(([status, count]) => `${text(count, 8)} ${text(status, 40)}`).join(', ') : '';
}

/** The service's own word, where that is not the status that stands beside it. */
const otherWord = (raw, status) => raw !== undefined && raw !== status;

const condition = (order) => known(CONDITIONS, order.condition) ?? text(order.condition, 80);

function looks(order) {
  const last = order.observed_at ? ['answered ', ago(order.observed_at)] : ['no answer yet'];
  const next = order.due_at ? ['next look ', until(order.due_at)] : ['not looked at any more'];
  return [el('div', {}, ...last), el('div', {}, ...next)];
}

export function orderRow(order) {
  const cell = (label, ...children) => el('td', { role: 'cell', 'data-label': label }, ...children);
  const counted = tally(order.numbers);
  const soonest = list(order.windows)[0];
  return el(
    'tr',
    { role: 'row' },
    el(
      'th',
      { scope: 'row', role: 'rowheader' },
      link(order, 'order'),
      order.label ? [' ', el('span', { class: 'label' }, data(order.label, 200))] : [],
      el('div', { class: 'aside' }, ...where(order)),
    ),
    cell(
      'Status',
      badge(order),
      soonest ? el('div', {}, windowWords(soonest)) : null,
      order.condition ? el('div', {}, condition(order)) : null,
      otherWord(order.raw, order.status) ? el('div', {}, 'the service says ', code(order.raw, 60)) : null,
      order.reason ? el('div', { class: 'aside' }, data(order.reason)) : null,
      counted ? el('div', { class: 'aside' }, counted) : null,
    ),
    cell('Since', when(order.since), el('div', { class: 'aside' }, ago(order.since))),
    cell('Looks', ...looks(order)),
  );
}

function windowWords(window) {
  const earliest = Date.parse(window.window_earliest);
  const node = el('span', {});
  return ticking(node, () => {
    const left = earliest - now();
    say(node, left > 0 ? `${span(left)} left` : 'may end at any time');
  });
}

// --- Transitions, scopes, sinks, the daemon ------------------------------------------------------------------------

export function eventItem(event) {
  const [shape, level] = known(LEVELS, event.level) ?? ['·', text(event.level, 20)];
  return el(
    'li',
    { class: `level-${known(LEVELS, event.level) ? event.level : 'info'}` },
    el(
      'div',
      {},
      sign(shape),
      el('span', { class: 'unseen' }, level),
      ' ',
      code(event.event, 60),
      ' ',
      event.order_id ? link(event, `event ${event.seq}`) : null,
    ),
    el('div', {}, data(event.message, SHORT * 2)),
    el('div', { class: 'aside' }, when(event.time), ', ', ago(event.time)),
  );
}

const troublesOf = (scope) => TROUBLES.filter(([word]) => scope[`${word}_since`]);
const scopeName = (scope) => text(`${scope.provider}/${scope.account} ${scope.region}`, 120);
const lanesOf = (scope) =>
  ['urgent', 'pending', 'verify']
    .map((name) => [name, scope.lanes?.[name] ?? {}])
    .filter(([, lane]) => Number(lane.due) > 0);

/** As `claimwatch status` does: those in trouble first, the worst before the others; then those where something waits. */
export function sortedScopes(scopes) {
  const worst = (scope) => {
    const at = TROUBLES.findIndex(([word]) => scope[`${word}_since`]);
    return at < 0 ? TROUBLES.length : at;
  };
  const late = (scope) =>
    Math.max(0, ...lanesOf(scope).map(([, lane]) => Math.max(lane.expected_s ?? Infinity, lane.oldest_s ?? 0)));
  const compare = (a, b) => (a < b ? -1 : a > b ? 1 : 0);
  return [...list(scopes)]
    .sort((a, b) => worst(a) - worst(b) || compare(late(b), late(a)) || compare(scopeName(a), scopeName(b)))
    .slice(0, SCOPES_MOST);
}

export function scopesNote(scopes) {
  const all = list(scopes);
  if (!all.length)
    return 'There is no scope: the configuration has no account. Add an [account.NAME] section and restart the daemon.';
  const troubled = all.filter((scope) => troublesOf(scope).length).length;
  const waiting = all.filter((scope) => lanesOf(scope).length).length;
  const shown = all.length > SCOPES_MOST ? ` The first ${SCOPES_MOST} are shown; claimwatch status shows all.` : '';
  const trouble = troubled ? `${troubled} in trouble` : 'none is in trouble';
  return `${plural(all.length, 'scope', 'scopes')}, ${trouble}, ${waiting ? `something waits in ${waiting}` : 'nothing waits'}.${shown}`;
}

function lanesTable(scope, lanes) {
  const head = ['Lane', 'Due', 'Oldest', 'All in'].map((name) => el('th', { scope: 'col' }, name));
  const rows = lanes.map(([name, lane]) =>
    el(
      'tr',
      {},
      el('th', { scope: 'row' }, name),
      el('td', {}, text(lane.due, 12)),
      el('td', {}, span(Number(lane.oldest_s) * 1000)),
      el(
        'td',
        {},
        lane.expected_s === null || lane.expected_s === undefined ? 'unknown' : span(Number(lane.expected_s) * 1000),
      ),
    ),
  );
  return el(
    'table',
    { class: 'lanes' },
    el('caption', { class: 'unseen' }, `What waits in ${scopeName(scope)}, and how late it will be`),
    el('thead', {}, el('tr', {}, head)),
    el('tbody', {}, rows),
  );
}

export function scopeItem(scope) {
  const calls = (rate) => Number(rate ?? 0).toFixed(rate < 10 ? 2 : 0);
  const lanes = lanesOf(scope);
  const others = list(scope.accounts).filter((name) => name !== scope.account);
  const troubles = troublesOf(scope).map(([word, meaning]) =>
    el('li', {}, chip('failed', '!', word), ' ', meaning, ', since ', ...since(scope[`${word}_since`])),
  );
  if (scope.hold_s > 0)
    troubles.push(
      el('li', {}, chip('attention', '!', 'hold'), ` every call waits for ${span(scope.hold_s * 1000)} more`),
    );
  const aside = [
    `${plural(Number(scope.tracked ?? 0), 'order', 'orders')}, ${calls(scope.rate)} of ${calls(scope.quota)} calls/s`,
    lanes.length ? '' : ', nothing waits',
    scope.list?.reading ? ', its list is being read' : '',
    others.length ? `; also of ${text(others.join(', '))}` : '',
  ];
  return el(
    'li',
    {},
    el('h3', {}, el('bdi', {}, scopeName(scope))),
    el('p', { class: 'aside' }, aside.join('')),
    troubles.length ? el('ul', { class: 'troubles' }, troubles) : null,
    lanes.length ? lanesTable(scope, lanes) : null,
  );
}

/** What is wrong with a sink, or null. */
function sinkTrouble(sink) {
  if (sink.disabled_since) return ['is not tried any more, since ', ...since(sink.disabled_since)];
  if (sink.failing_since) return ['takes nothing, since ', ...since(sink.failing_since)];
  return Number(sink.dead) > 0 ? ['refused events'] : null;
}

export const troubledSinks = (sinks) => list(sinks).filter(sinkTrouble).slice(0, ROWS_MOST);

export function sinksNote(sinks) {
  const all = list(sinks);
  const troubled = troubledSinks(all).length;
  if (!all.length) return 'There is no sink.';
  if (!troubled) return all.length === 1 ? 'The one sink takes events.' : `All ${all.length} sinks take events.`;
  return `${troubled} of ${all.length} do not take all events. claimwatch deliveries shows more.`;
}

export function sinkItem(sink) {
  return el(
    'li',
    {},
    el('h3', {}, data(sink.name, 80)),
    el(
      'p',
      {},
      chip('failed', '!', sink.disabled_since ? 'disabled' : sink.failing_since ? 'failing' : 'dead events'),
      ' ',
      ...(sinkTrouble(sink) ?? []),
    ),
    el('p', { class: 'aside' }, `${text(sink.pending, 12)} wait, ${text(sink.dead, 12)} dead`),
    sink.last_error ? el('p', { class: 'reason' }, data(sink.last_error)) : null,
  );
}

/** What needs somebody besides orders. Throttled and overloaded scopes do not: they mend themselves. */
export function alerts(status) {
  const found = [];
  if (status.store_failing)
    found.push(['The store does not take writes: nothing is looked at until it does. See that its disk is not full.']);
  for (const { file, line, reason } of list(status.config?.rejected)) {
    found.push([
      'The configuration is at fault, what was in force stays: ',
      code(`${file}${line ? `:${line}` : ''}`, 120),
      ' ',
      data(reason),
    ]);
  }
  if (status.config?.successful === false && !list(status.config.rejected).length) {
    found.push(['The last reload of the configuration was refused: claimwatch check says why.']);
  }
  for (const scope of list(status.scopes)) {
    const [worst] = troublesOf(scope).filter(([, , act]) => act);
    if (worst)
      found.push([
        el('bdi', {}, scopeName(scope)),
        `: ${worst[1]}, since `,
        ...since(scope[`${worst[0]}_since`]),
        `. ${worst[2]}`,
      ]);
  }
  for (const sink of troubledSinks(status.sinks)) {
    found.push(['Sink ', data(sink.name, 80), ' ', ...(sinkTrouble(sink) ?? []), ': see below.']);
  }
  const items = found.map((parts) => el('li', {}, sign('!'), ' ', ...parts));
  if (items.length <= ALERTS_AT_ONCE) return items;
  const rest = items.slice(ALERTS_AT_ONCE, ALERTS_MOST);
  return [
    ...items.slice(0, ALERTS_AT_ONCE),
    el('li', {}, el('details', {}, el('summary', {}, `and ${items.length - ALERTS_AT_ONCE} more`), el('ul', {}, rest))),
  ];
}

export function counts(orders) {
  return Object.entries(URGENCIES).map(([word, { sign: shape, counted }]) =>
    el(
      'li',
      {},
      el(
        'a',
        {
          href: `#/?urgency=${word}`,
          class: `count ${Number(orders?.[word]) > 0 ? word : 'none'}`,
          'data-focus': `count ${word}`,
        },
        sign(shape),
        ' ',
        el('strong', {}, text(orders?.[word] ?? 0, 12)),
        ` ${counted[Number(orders?.[word]) === 1 ? 0 : 1]}`,
      ),
    ),
  );
}

const fact = (name, ...value) => el('div', {}, el('dt', {}, name), el('dd', {}, ...value));

export function daemonFacts(status) {
  const { daemon = {}, config = {}, orders = {} } = status;
  const bad = config.successful === false || list(config.rejected).length > 0;
  const up =
    daemon.running === false ? ['not running, last event ', ...since(daemon.last_event_at)] : since(daemon.started_at);
  return [
    fact('Up since', ...up),
    fact('Version', data(daemon.version, 60)),
    fact(
      'Configuration',
      bad ? chip('failed', '!', 'at fault') : chip('done', '✓', 'in force'),
      config.reloaded_at ? [', read ', ...since(config.reloaded_at)] : [],
    ),
    fact(
      'Store',
      status.store_failing ? chip('failed', '!', 'does not take writes') : chip('done', '✓', 'takes writes'),
    ),
    fact('Tracked', plural(Number(orders.tracked ?? 0), 'order or number', 'orders and numbers')),
  ];
}

// --- One order -----------------------------------------------------------------------------------------------------

function table(caption, heads, rows, empty) {
  if (!rows.length) return el('p', { class: 'hint' }, empty);
  const cells = (row) =>
    row.map((cell, at) =>
      el(
        at ? 'td' : 'th',
        at ? { role: 'cell', 'data-label': heads[at] } : { role: 'rowheader', scope: 'row' },
        ...cell,
      ),
    );
  return el(
    'table',
    { class: 'cards', role: 'table' },
    el('caption', { class: 'unseen' }, caption),
    el(
      'thead',
      { role: 'rowgroup' },
      el(
        'tr',
        { role: 'row' },
        heads.map((head) => el('th', { scope: 'col', role: 'columnheader' }, head)),
      ),
    ),
    el(
      'tbody',
      { role: 'rowgroup' },
      rows.map((row) => el('tr', { role: 'row' }, cells(row))),
    ),
  );
}

/** How to have its warnings ended. A command is only shown where it is what it looks like in a shell, too. */
function acknowledging(name) {
  return /^[+\w-]+$/.test(name)
    ? fact('It is known of', 'end its warnings: ', code(`claimwatch ack ${name}`, 100))
    : null;
}

function windowEvidence(number, about) {
  const window = number.window;
  const open = window.state === 'open';
  const facts = [
    fact(
      'Rests on',
      known(BASES, window.window_basis) ?? data(window.window_basis, 60),
      window.window_counted_from ? [': ', when(window.window_counted_from)] : [],
    ),
    fact('Length', span(Number(window.window_length_s) * 1000)),
    fact('Failure seen', ...since(window.failed_at)),
    fact('Ends between', when(window.window_earliest), ' and ', when(window.window_latest)),
    window.warned_s ? fact('Last warning', `the one of ${span(window.warned_s * 1000)} before the end`) : null,
    open && window.next_mark_at
      ? fact('Next warning', when(window.next_mark_at), ' ', until(window.next_mark_at))
      : null,
    window.outcome
      ? fact(
          'Ended',
          known(OUTCOMES, window.outcome) ?? data(window.outcome, 60),
          window.closed_at ? [', ', ...since(window.closed_at)] : [],
        )
      : null,
    window.other_id ? fact('Other id', code(window.other_id, 120)) : null,
    open && !window.acknowledged ? acknowledging(number.number ?? about.order_id) : null,
    fact('Window id', code(window.window_id, 120)),
  ];
  const name = number.number ? text(number.number, 60) : nameOf(about);
  return el(
    'div',
    { class: 'card' },
    el(
      'h4',
      {},
      el('bdi', {}, name),
      open ? ': open ' : ': closed ',
      ...(open ? marks({ ...window, status: number.status }) : []),
    ),
    open ? timeLeft(window, name) : null,
    el('dl', { class: 'facts' }, facts.filter(Boolean)),
  );
}

function historyItem(entry) {
  const change =
    entry.from || entry.to
      ? [' ', data(entry.from ?? 'first seen', 60), ' → ', el('strong', {}, data(entry.to ?? 'not found', 60))]
      : [];
  return el(
    'li',
    {},
    el('div', {}, code(entry.event, 60), ...change, entry.number ? [' ', data(entry.number, 60)] : []),
    otherWord(entry.raw, entry.to) ? el('div', {}, 'the service said ', code(entry.raw, 60)) : null,
    entry.reason ? el('div', { class: 'reason' }, data(entry.reason, LONG)) : null,
    el(
      'div',
      { class: 'aside' },
      when(entry.time),
      ', ',
      ago(entry.time),
      entry.observed_after ? [', after the answer of ', when(entry.observed_after)] : [],
    ),
  );
}

function orderFacts(order, next) {
  const labels = Object.entries(order)
    .filter(([key]) => key.startsWith('label_'))
    .slice(0, 20);
  return el(
    'dl',
    { class: 'facts' },
    fact(
      'Next look',
      next.due_at ? [when(next.due_at), ' ', until(next.due_at), ', lane ', text(next.lane, 20), ': '] : [],
      data(next.why ?? 'not known', LONG),
    ),
    next.wake_at ? fact('Next by the clock', when(next.wake_at), ' ', until(next.wake_at)) : null,
    fact('Last answer', ...(order.observed_at ? since(order.observed_at) : ['none yet'])),
    fact('Order id', code(order.order_id, 120)),
    fact('List', data(order.list, 120), order.tracked === false ? ' (no watch list names it any more)' : ''),
    fact(
      'Account',
      data(`${order.provider}/${order.account} ${order.region}`, 200),
      order.account_id ? [' ', code(order.account_id, 20)] : [],
    ),
    order.target ? fact('Target', code(order.target, LONG)) : null,
    order.operation
      ? fact(
          'Operation',
          data(order.operation, 40),
          order.operation_basis ? [' (', data(order.operation_basis, 40), ')'] : [],
        )
      : null,
    labels.map(([key, value]) => fact(text(key.slice(6), 40), data(value, 200))),
  );
}

function numbersTable(numbers) {
  const rows = numbers
    .slice(0, ROWS_MOST)
    .map((number) =>
      [
        [number.number ? data(number.number, 60) : 'not known yet'],
        [
          data(number.status, 60),
          otherWord(number.raw, number.status) ? [' (', code(number.raw, 60), ')'] : [],
          number.reason ? el('div', { class: 'reason' }, data(number.reason, LONG)) : null,
        ],
        number.since ? since(number.since) : ['not known'],
        number.operation
          ? [text(`${number.operation}${number.operation_basis ? ` (${number.operation_basis})` : ''}`, 80)]
          : ['–'],
      ].map((cell) => cell.flat()),
    );
  return [
    table(
      'The numbers of the order',
      ['Number', 'Status', 'Since', 'Operation'],
      rows,
      'Its numbers are not known yet.',
    ),
    numbers.length > ROWS_MOST ? el('p', { class: 'hint' }, `${numbers.length - ROWS_MOST} more are not shown.`) : null,
  ];
}

function deliveriesTable(deliveries) {
  const stands = { delivered: ['done', '✓'], pending: ['pending', '…'], dead: ['failed', '✕'] };
  const rows = deliveries
    .slice(0, ROWS_MOST)
    .map((delivery) => [
      [data(delivery.sink, 80)],
      [code(delivery.event, 60), ` #${text(delivery.seq, 20)}`],
      [
        chip(...(known(stands, delivery.stands) ?? ['pending', '?']), data(delivery.stands, 20)),
        delivery.last_error ? el('div', { class: 'reason' }, data(delivery.last_error)) : null,
      ],
      [text(delivery.attempts ?? 0, 12)],
      delivery.updated_at ? [when(delivery.updated_at)] : ['–'],
    ]);
  return table(
    'Who was told of its last events',
    ['Sink', 'Event', 'Stands', 'Failed tries', 'Last try'],
    rows,
    'Nobody was told anything of it yet.',
  );
}

/** Everything about one order: its state, its windows, what comes next, and its history, the newest first. */
export function orderView(answer) {
  const { order = {}, next_look: next = {} } = answer;
  const numbers = list(answer.numbers);
  const windowed = numbers.filter((number) => number.window).slice(0, ROWS_MOST);
  windowed.sort((a, b) => (a.window.state === 'open' ? 0 : 1) - (b.window.state === 'open' ? 0 : 1));
  const history = [...list(answer.history)].reverse().slice(0, ROWS_MOST);
  const part = (title, ...children) => el('section', {}, el('h3', {}, title), ...children);
  return [
    el(
      'p',
      { class: 'now' },
      badge(order),
      ' since ',
      ...since(order.since),
      order.condition ? [' · ', condition(order)] : [],
    ),
    otherWord(order.raw, order.status) ? el('p', {}, 'The service says ', code(order.raw, 120), '.') : null,
    order.reason ? el('p', { class: 'reason' }, data(order.reason, LONG)) : null,
    windowed.length
      ? part(
          windowed.length === 1 ? 'Retry window' : 'Retry windows',
          windowed.map((number) => windowEvidence(number, order)),
        )
      : null,
    part('What comes next, and what it is', orderFacts(order, next)),
    part(
      'History, the newest first',
      history.length
        ? el('ol', { class: 'events timeline', reversed: '' }, history.map(historyItem))
        : el('p', { class: 'hint' }, 'Nothing happened yet.'),
    ),
    part('Numbers', ...numbersTable(numbers)),
    part('Deliveries', deliveriesTable(list(answer.deliveries))),
  ].filter(Boolean);
}
