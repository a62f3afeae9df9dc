// The page of claimwatch: asks the API of the daemon that served it, hears its events, and decides what is shown when.
// How things look is view.js's affair.

import * as dom from './dom.js';
import * as view from './view.js';

/** Orders that one page of the API brings, and rows that the table holds at most: a phone has to carry them. */
const PAGE = 25;
const ROWS_MOST = 300;
const WINDOWS_MOST = 100;
/**
 * A text is looked for in pages of so many orders, in so many pages before somebody is asked whether to go on, and until
 * so many match. What the last page adds to those still fits into the table.
 */
const SEARCH_PAGE = 200;
const SEARCH_PAGES = 25;
const SEARCH_ROWS_MOST = ROWS_MOST - SEARCH_PAGE;
/** Milliseconds, as all that follow: between two fetches; between two though no event came, or two long searches. */
const FETCH_EVERY = 1000;
const POLL_EVERY = 30_000;
/** A look that changes nothing is no event: an order that is shown is asked for anew once its look was due, so often. */
const LOOK_EVERY = 5000;
/** How long an answer may take, and how old what is shown may be before its age is told. */
const PATIENCE = 10_000;
const STALE_AFTER = 45_000;
/** A stream that the browser gave up is opened again after so long, doubling to the second. */
const REOPEN_FIRST = 2000;
const REOPEN_MOST = 15_000;
/** A stream lasts an hour at most (docs/api.md). Renewed before that, it does not break. */
const RENEW_EVERY = 50 * 60_000;
/** Between two announcements to screen readers. */
const ANNOUNCE_EVERY = 5000;
const TYPING = 300;

/** The stream names its events, so each has to be listened for by name. Those of docs/events.md; a test compares. */
const EVENTS = `
  number.in_progress number.claimed number.failed number.released
  window.opened window.closing window.acknowledged window.resolved window.closed
  order.tracked order.untracked order.status_changed order.completed order.attention order.unrecognized order.not_found
  order.stalled order.blocked
  scope.throttled scope.unavailable scope.denied scope.suspect scope.overloaded scope.caught_up scope.recovered
  sink.failing sink.recovered sink.disabled delivery.dead
  config.applied config.rejected daemon.started daemon.stopped heartbeat digest
`
  .trim()
  .split(/\s+/);
/** Besides warnings and errors, what somebody waits for. */
const GOOD_NEWS = new Set(
  'number.claimed window.resolved window.acknowledged order.completed scope.recovered sink.recovered'.split(' '),
);

const $ = (id) => document.getElementById(id);

/** Where the page is: one order, or the overview with a filter. Nowhere yet. */
let route = null;
/** What the table of orders shows: from which cursor on, how many rows or searched pages, and what was found. */
let table = emptyTable();
let shown = { status: null, order: null, orderError: null };
/** The connection. `failed`: since when, and why, requests fail; `broken`: since when there is no stream. */
const link = { answeredAt: null, failed: null, broken: null, opened: false };

function emptyTable() {
  return {
    from: null,
    rows: PAGE,
    pages: SEARCH_PAGES,
    orders: [],
    next: null,
    searched: 0,
    searchedAt: 0,
    ready: false,
    error: null,
  };
}

// --- The API -------------------------------------------------------------------------------------------------------

/** An answer that says no: `status` is HTTP's. Anything else that is thrown means that there was no answer. */
class Refusal extends Error {
  constructor(status, words) {
    super(words);
    this.status = status;
  }
}

async function get(path, query, signal) {
  const parameters = Object.entries(query).filter(([, value]) => value !== null && value !== undefined && value !== '');
  const search = parameters.length ? `?${new URLSearchParams(parameters)}` : '';
  const patient = AbortSignal.any([signal, AbortSignal.timeout(PATIENCE)]);
  // Relative, as everything else here: a proxy may serve the page under a path.
  const response = await fetch(`api/v1/${path}${search}`, { signal: patient, cache: 'no-store' });
  const body = await response.json().catch(() => null);
  if (!response.ok) throw new Refusal(response.status, dom.text(body?.error ?? `HTTP ${response.status}`));
  if (body === null || typeof body !== 'object') throw new Refusal(response.status, 'the answer is not understood');
  return body;
}

/** The first orders that the filter lets through. */
async function getOrders(signal) {
  const { list, status, urgency } = route.filter;
  const query = { list, status, urgency, after: table.from, limit: table.rows };
  const answer = await get('orders', query, signal);
  return { orders: (answer.orders ?? []).slice(0, ROWS_MOST), next: answer.next ?? null, searched: 0 };
}

/** The API has no search for a text, so pages are gone through, and only what matches is kept. */
async function searchOrders(signal) {
  const { list, status, urgency, text } = route.filter;
  const found = { orders: [], next: table.from, searched: 0 };
  for (let page = 0; page < table.pages && found.orders.length < table.rows; page += 1) {
    const answer = await get('orders', { list, status, urgency, after: found.next, limit: SEARCH_PAGE }, signal);
    const orders = answer.orders ?? [];
    found.orders.push(...orders.filter((order) => matches(order, text)));
    found.searched += orders.length;
    found.next = answer.next ?? null;
    if (found.next === null) break;
  }
  return found;
}

function matches(order, text) {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  const labels = Object.entries(order)
    .filter(([key]) => key.startsWith('label'))
    .map(([, value]) => value);
  const all = [
    order.number,
    order.order_id,
    order.list,
    order.account,
    order.status,
    order.condition,
    order.reason,
    order.raw,
    order.target,
    ...labels,
  ]
    .join('\n')
    .toLowerCase();
  return words.every((word) => all.includes(word));
}

// --- Fetching ------------------------------------------------------------------------------------------------------

const fetching = { running: null, wanted: false, startedAt: 0, timer: null, due: Infinity };

/** Has all that is shown fetched: at once if `now`, else with at most one fetch a second, however many events come. */
function refresh(now = false) {
  if (fetching.running && !now) {
    fetching.wanted = true;
    return;
  }
  const due = now ? Date.now() : Math.max(Date.now(), fetching.startedAt + FETCH_EVERY);
  if (due >= fetching.due) return;
  clearTimeout(fetching.timer);
  fetching.due = due;
  fetching.timer = setTimeout(fetchAll, due - Date.now());
}

async function fetchAll() {
  fetching.running?.abort();
  const mine = new AbortController();
  Object.assign(fetching, { running: mine, wanted: false, startedAt: Date.now(), due: Infinity });
  try {
    const part = fetchPart(mine.signal);
    // It is awaited below; until then its failure is no unhandled one.
    part.catch(() => {});
    answered(await get('status', {}, mine.signal));
    show();
    await part;
    if (fetching.running !== mine) return;
    link.failed = null;
    show();
  } catch (error) {
    // Another fetch took this one's place: what became of it is of no interest.
    if (fetching.running !== mine) return;
    mine.abort();
    failed(error instanceof Refusal ? error.message : null);
  }
  fetching.running = null;
  if (fetching.wanted) refresh();
}

function failed(why) {
  link.failed = { since: link.failed?.since ?? Date.now(), why };
  showLink();
  showTitle();
}

function lookWasDue() {
  const due = Date.parse(route.order === null ? null : shown.order?.next_look?.due_at);
  const quiet = Date.now() - fetching.startedAt > LOOK_EVERY;
  return due < dom.now() && quiet && !link.failed && document.visibilityState === 'visible';
}

function answered(status) {
  const at = Date.parse(status.at);
  if (!Number.isNaN(at)) dom.clock.ahead = at - Date.now();
  link.answeredAt = Date.now();
  shown.status = status;
}

/** The part of the page that the route asks for. That it is refused is that part's affair, not the connection's. */
async function fetchPart(signal) {
  const mine = route;
  try {
    if (mine.order !== null) {
      const answer = await get(`orders/${encodeURIComponent(mine.order)}`, {}, signal);
      if (route === mine) Object.assign(shown, { order: answer, orderError: null });
      return;
    }
    const search = Boolean(mine.filter.text);
    // A search of many pages is not repeated with each event.
    if (search && table.ready && table.searched > SEARCH_PAGE && Date.now() - table.searchedAt < POLL_EVERY - 1000)
      return;
    const found = await (search ? searchOrders : getOrders)(signal);
    if (route === mine) Object.assign(table, found, { ready: true, error: null, searchedAt: Date.now() });
  } catch (error) {
    if (!(error instanceof Refusal) || error.status >= 500) throw error;
    if (route !== mine) return;
    if (mine.order !== null) Object.assign(shown, { order: null, orderError: error.message });
    else Object.assign(table, emptyTable(), { ready: true, error: error.message });
  }
}

// --- The stream ----------------------------------------------------------------------------------------------------

let stream = null;
let reopenAfter = REOPEN_FIRST;

function openStream() {
  stream = new EventSource('api/v1/events?follow');
  stream.addEventListener('open', () => {
    reopenAfter = REOPEN_FIRST;
    Object.assign(link, { broken: null, opened: true });
    // What was said while there was no stream is in the next answer.
    refresh();
    showLink();
    showTitle();
  });
  stream.addEventListener('error', () => {
    link.broken ??= Date.now();
    showLink();
    showTitle();
    // After a lost connection the browser tries again by itself; not after an answer that is no stream.
    if (stream.readyState !== EventSource.CLOSED) return;
    setTimeout(openStream, reopenAfter);
    reopenAfter = Math.min(reopenAfter * 2, REOPEN_MOST);
  });
  for (const name of EVENTS) stream.addEventListener(name, heard);
}

function heard(message) {
  let event = null;
  try {
    event = JSON.parse(message.data);
  } catch {
    // Not understood, but something happened.
  }
  if (event && (event.level !== 'info' || GOOD_NEWS.has(event.event))) announce(event);
  if (document.visibilityState === 'visible') refresh();
}

const announcing = { worst: null, more: 0, timer: null, last: 0 };
const LEVELS = ['info', 'warn', 'error'];

/** One sentence at a time, for the worst of what happened meanwhile: a bulk order must not talk for minutes. */
function announce(event) {
  const worse = (event, than) => LEVELS.indexOf(event.level) >= LEVELS.indexOf(than.level);
  if (announcing.worst) announcing.more += 1;
  if (!announcing.worst || worse(event, announcing.worst)) announcing.worst = event;
  announcing.timer ??= setTimeout(
    () => {
      const more = announcing.more ? ` And ${announcing.more} more.` : '';
      $('announcer').textContent = `${dom.text(announcing.worst.message ?? announcing.worst.event, 300)}.${more}`;
      Object.assign(announcing, { worst: null, more: 0, timer: null, last: Date.now() });
    },
    Math.max(250, announcing.last + ANNOUNCE_EVERY - Date.now()),
  );
}

// --- Showing -------------------------------------------------------------------------------------------------------

function show() {
  const { status } = shown;
  try {
    if (status) {
      showAlerts(status);
      if (route.order === null) showOverview(status);
    }
    if (route.order === null) showOrders();
    else showOrder();
  } catch {
    // An answer of another shape than was agreed on.
    failed('its answer is not understood');
  }
  showLink();
  showTitle();
}

function showLink() {
  const clockTime = (at) => dom.when(new Date(at + dom.clock.ahead).toISOString());
  const trouble = link.failed ?? (link.broken ? { since: link.broken, why: null } : null);
  const state = trouble ? 'broken' : link.answeredAt && link.opened ? 'live' : 'connecting';
  const words = trouble ? (trouble.why ? 'the daemon answers with an error' : 'reconnecting') : state;
  $('link').dataset.state = state;
  document.body.dataset.link = state;
  if ($('link-words').textContent !== words) $('link-words').textContent = words;
  const age = link.answeredAt === null ? null : Date.now() - link.answeredAt;
  const detail = [];
  if (trouble) detail.push(trouble.why ? `(${trouble.why}) since ` : 'since ', clockTime(trouble.since));
  if (age === null) detail.push(trouble ? ', nothing was seen yet' : '');
  else if (trouble || age > STALE_AFTER) {
    detail.push(
      trouble ? ', what you see is from ' : 'what you see is from ',
      clockTime(link.answeredAt),
      `, ${dom.span(age)} old`,
    );
  }
  // Said each second while something is wrong, so only what changes is touched.
  const before = $('link-detail');
  const after = dom.el('span', { id: 'link-detail' }, ...detail);
  if (before.textContent !== after.textContent) before.replaceWith(after);
}

function showAlerts(status) {
  const old = pageIsOld(status);
  dom.paint($('alerts-list'), [status.store_failing, status.config, troublesOnly(status), old], () => [
    ...view.alerts(status),
    ...(old ? [dom.el('li', {}, 'The daemon is another version than this page. ', reloadButton())] : []),
  ]);
  $('alerts').hidden = !$('alerts-list').firstChild;
}

/** What of scopes and sinks an alert tells. How much waits changes all the time, and would close what somebody opened. */
const troublesOnly = ({ scopes, sinks }) => [
  ...(scopes ?? []).map((scope) => [
    [scope.provider, scope.account, scope.region],
    [scope.denied_since, scope.unavailable_since, scope.suspect_since],
  ]),
  ...(sinks ?? []).map((sink) => [sink.name, sink.failing_since, sink.disabled_since, sink.dead > 0]),
];

let version = null;
function pageIsOld(status) {
  version ??= status.daemon?.version;
  return version !== status.daemon?.version;
}

function reloadButton() {
  const button = dom.el('button', { type: 'button' }, 'Reload the page');
  button.addEventListener('click', () => location.reload());
  return button;
}

function showOverview(status) {
  dom.paint($('counts'), status.orders, () => view.counts(status.orders));
  // Those of twenty orders, which may have several.
  const windows = (status.windows ?? []).slice(0, WINDOWS_MOST);
  const open = Number(status.orders?.windows ?? windows.length);
  const more =
    open > windows.length ? ` The ${windows.length} that end first are shown; the orders below have all.` : '';
  $('windows-note').textContent = windows.length
    ? `Claim each number again before its time is up; claimwatch sees it by itself.${more}`
    : 'No retry window is open. When a claim fails, it stands here with the time that is left to claim the number again.';
  dom.sync(
    $('windows'),
    windows,
    (w) => [w.provider, w.account, w.region, w.order_id, w.window_id],
    view.windowCard,
    view.essence,
  );
  const events = status.events ?? [];
  $('events-note').textContent = events.length ? '' : 'Nothing happened to an order yet.';
  dom.sync($('events'), events, (event) => event.id, view.eventItem);
  $('scopes-note').textContent = view.scopesNote(status.scopes);
  const scopes = view.sortedScopes(status.scopes);
  dom.sync($('scopes'), scopes, (scope) => [scope.provider, scope.account, scope.region], view.scopeItem);
  $('sinks-note').textContent = view.sinksNote(status.sinks);
  dom.sync($('sinks'), view.troubledSinks(status.sinks), (sink) => sink.name, view.sinkItem);
  dom.paint($('daemon'), [status.daemon, status.config, status.store_failing, status.orders?.tracked], () =>
    view.daemonFacts(status),
  );
}

function showOrders() {
  const { orders, next, searched, ready, error } = table;
  $('orders-table').hidden = orders.length === 0;
  dom.sync(
    $('orders'),
    orders,
    (order) => [order.provider, order.account, order.region, order.order_id],
    view.orderRow,
    view.essence,
  );
  dom.paint(
    $('orders-note'),
    [orders.length, next, searched, ready, error, route.filter, shown.status?.orders?.tracked, table.from],
    ordersNote,
  );
  $('more').hidden = !ready || next === null;
  $('more').textContent = isFull()
    ? 'The next ones instead'
    : route.filter.text && orders.length < table.rows
      ? 'Search on'
      : 'More';
  $('first').hidden = table.from === null;
  const lists = new Set([...$('lists').options].map((option) => option.value));
  const seen = [...orders, ...(shown.status?.windows ?? [])]
    .map((order) => String(order.list))
    .filter((name) => !lists.has(name));
  for (const name of new Set(seen))
    if ($('lists').options.length < 100) $('lists').append(dom.el('option', { value: name }));
}

/** Whether the table holds all that it may: then more take the place of these. */
const isFull = () => table.orders.length >= (route.filter.text ? SEARCH_ROWS_MOST : ROWS_MOST);

/** What stands above the table: how much of what it shows, or why it is empty and what to do next. */
function ordersNote() {
  const { orders, next, searched, ready, error } = table;
  const filtered = Object.values(route.filter).some(Boolean);
  const { text } = route.filter;
  if (error) return [`The daemon does not take this filter: ${error}.`];
  if (!ready) return ['Asking the daemon…'];
  if (shown.status?.orders?.tracked === 0) {
    return [
      'Nothing is watched yet. Name orders and numbers in a watch list, ',
      dom.el('code', {}, 'watch.d/NAME.toml'),
      ', see what it does with ',
      dom.el('code', {}, 'claimwatch plan'),
      ', and have the daemon read it with ',
      dom.el('code', {}, 'claimwatch reload'),
      '.',
    ];
  }
  const searchedWords = text ? ` Searched ${searched} orders${next === null ? ', all there are' : ''}.` : '';
  const soFar = next === null ? '' : ' so far';
  if (orders.length) {
    const most = filtered
      ? `${orders.length} ${orders.length === 1 ? 'matches' : 'match'}${soFar}`
      : `${orders.length} of ${shown.status?.orders?.tracked ?? 'all'}`;
    return [`${most}${table.from === null ? '' : ', after the most urgent ones'}.${searchedWords}`];
  }
  const by = text
    ? [
        ' Or ask for it by id or number: ',
        dom.el('a', { href: `#/orders/${encodeURIComponent(text)}` }, dom.text(text, 60)),
        '.',
      ]
    : [];
  return [
    `No order ${filtered ? `matches${soFar}. Clear the filter to see all.` : 'is here any more.'}${searchedWords}`,
    ...by,
  ];
}

function showOrder() {
  const { order, orderError } = shown;
  const title = order?.order ? view.nameOf(order.order) : `order ${dom.text(route.order, 60)}`;
  const label = order?.order?.label ? `, ${dom.text(order.order.label)}` : '';
  $('order-title').textContent = title + label;
  dom.paint($('order-body'), [route.order, order, orderError], () => {
    if (orderError)
      return [
        dom.el('p', { class: 'alert' }, `The daemon says: ${orderError}.`),
        dom.el('p', {}, 'Ask with the whole id, or look for it among all orders.'),
      ];
    return order ? view.orderView(order) : [dom.el('p', { class: 'hint' }, 'Asking the daemon…')];
  });
}

function showTitle() {
  const open = Number(shown.status?.orders?.windows ?? 0);
  const count = open > 0 ? `(${open}) ` : '';
  const broken = link.failed || link.broken ? '! ' : '';
  document.title = `${broken}${count}${route.order === null ? '' : `${$('order-title').textContent} · `}claimwatch`;
}

// --- Where the page is ---------------------------------------------------------------------------------------------

const FILTERS = ['text', 'list', 'status', 'urgency'];

function parse(hash) {
  const order = /^#\/orders\/(.+)$/.exec(hash);
  if (order) {
    try {
      return { order: decodeURIComponent(order[1]), filter: {} };
    } catch {
      return { order: order[1], filter: {} };
    }
  }
  const query = new URLSearchParams(hash.startsWith('#/?') ? hash.slice(3) : '');
  return {
    order: null,
    filter: Object.fromEntries(FILTERS.map((name) => [name, query.get(name)?.slice(0, 200) ?? ''])),
  };
}

/** The overview as it was left for an order: on the way back it is there again. */
let left = null;

const overviewHref = (filter) => {
  const query = new URLSearchParams(Object.entries(filter ?? {}).filter(([, value]) => value));
  return query.size ? `#/?${query}` : '#/';
};

function navigate() {
  // A bare anchor, as one typed by hand, leads nowhere else.
  if (route && location.hash && !location.hash.startsWith('#/')) return;
  const before = route;
  route = parse(location.hash);
  $('overview').hidden = route.order !== null;
  $('order').hidden = route.order === null;
  if (route.order !== null) enterOrder(before);
  else enterOverview(before);
  refresh(true);
}

function enterOrder(before) {
  if (before?.order === null)
    left = { filter: before.filter, scroll: scrollY, focus: document.activeElement?.dataset?.focus };
  $('back').href = overviewHref(left?.filter);
  if (before?.order !== route.order) Object.assign(shown, { order: null, orderError: null });
  show();
  if (before === null) return;
  scrollTo(0, 0);
  $('order-title').focus({ preventScroll: true });
}

function enterOverview(before) {
  const last = before === null || before.order === null ? before : left;
  const same = JSON.stringify(route.filter) === JSON.stringify(last?.filter);
  if (!same) table = emptyTable();
  fillFilter();
  show();
  if (before === null) return;
  const back = before.order !== null && same;
  if (back) scrollTo(0, left.scroll);
  const origin = back && left.focus && document.querySelector(`#overview [data-focus="${CSS.escape(left.focus)}"]`);
  (origin || $('orders-title')).focus({ preventScroll: back });
}

function fillFilter() {
  for (const name of FILTERS) {
    const field = $(`filter-${name}`);
    const value = route.filter[name];
    // A status that the page does not know may come by a link.
    if (field.tagName === 'SELECT' && value && ![...field.options].some((option) => option.value === value)) {
      field.append(dom.el('option', { value }, dom.text(value, 60)));
    }
    // What is being typed is left alone.
    if (field !== document.activeElement || field.tagName === 'SELECT') field.value = value;
  }
  $('filter-clear').hidden = !Object.values(route.filter).some(Boolean);
}

/** Takes what the fields say. It replaces the address, or each letter would be a step back. */
function takeFilter() {
  const filter = Object.fromEntries(FILTERS.map((name) => [name, $(`filter-${name}`).value.trim()]));
  if (JSON.stringify(filter) === JSON.stringify(route.filter)) return;
  history.replaceState(null, '', overviewHref(filter));
  route = { order: null, filter };
  table = { ...emptyTable(), orders: table.orders, next: null };
  fillFilter();
  refresh(true);
}

function showMore() {
  const { text } = route.filter;
  if (isFull()) {
    Object.assign(table, emptyTable(), { from: table.next });
    $('orders-title').focus();
  } else if (text && table.orders.length < table.rows) table.pages += SEARCH_PAGES;
  else table.rows = Math.min(text ? SEARCH_ROWS_MOST : ROWS_MOST, table.rows + PAGE * 2);
  table.searchedAt = 0;
  refresh(true);
}

// --- The beginning -------------------------------------------------------------------------------------------------

function listen() {
  addEventListener('hashchange', navigate);
  let typing = null;
  $('filter').addEventListener('input', (event) => {
    clearTimeout(typing);
    // Half a list's name would match nothing, so that field is taken once it is done; the text goes along.
    if (event.target === $('filter-text')) typing = setTimeout(takeFilter, TYPING);
  });
  $('filter').addEventListener('change', takeFilter);
  $('filter').addEventListener('submit', (event) => {
    event.preventDefault();
    clearTimeout(typing);
    takeFilter();
  });
  $('filter-clear').addEventListener('click', () => {
    for (const name of FILTERS) $(`filter-${name}`).value = '';
    takeFilter();
    $('filter-text').focus();
  });
  $('more').addEventListener('click', showMore);
  // The whole row, for fingers; but not what selects a part of it.
  $('orders').addEventListener('click', (event) => {
    const anchor = event.target.closest('tr')?.querySelector('a');
    if (!anchor || event.target.closest('a') || !getSelection().isCollapsed) return;
    anchor.focus({ preventScroll: true });
    anchor.click();
  });
  $('first').addEventListener('click', () => {
    table = emptyTable();
    refresh(true);
    $('orders-title').focus();
  });
  // Anchors within the page: its address is the route, so they only move the focus.
  document.addEventListener('click', (event) => {
    const target = event.target.closest?.('a[href^="#"]:not([href^="#/"])');
    if (!target) return;
    event.preventDefault();
    const place = document.querySelector(target.getAttribute('href'));
    place.focus();
    place.scrollIntoView();
  });
  document.addEventListener('visibilitychange', () => {
    if (document.visibilityState === 'visible') refresh();
  });
  $('utc').addEventListener('change', () => {
    dom.clock.utc = $('utc').checked;
    remember(dom.clock.utc);
    show();
  });
}

/** A browser may refuse to keep anything: then the choice holds until the page is closed. */
function remember(utc) {
  try {
    localStorage.setItem('claimwatch.utc', utc ? 'yes' : 'no');
  } catch {
    // As said.
  }
}

function remembered() {
  try {
    return localStorage.getItem('claimwatch.utc') === 'yes';
  } catch {
    return false;
  }
}

dom.clock.utc = remembered();
$('utc').checked = dom.clock.utc;
listen();
navigate();
openStream();
setInterval(() => {
  dom.tick();
  showLink();
  if (lookWasDue()) refresh();
}, 1000);
setInterval(() => refresh(), POLL_EVERY);
setInterval(() => {
  if (stream.readyState !== EventSource.OPEN) return;
  stream.close();
  openStream();
}, RENEW_EVERY);
