// Looks at the page of a real daemon with a real Chromium. `run` starts it; world.mjs is what is looked at.

import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';

import { BURST_SIZE, CAST, HOSTILE_LABEL, ORDERS, PATIENCE, World, until } from './world.mjs';

const require = createRequire(path.join(process.env.MODULES, 'package.json'));
const { chromium } = require('playwright-core');
const AXE = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');
const ROOT = new URL('../..', import.meta.url).pathname;

const DESKTOP = { width: 1280, height: 900 };
const PHONE = { width: 360, height: 740 };
/** Reflow is asked for down to this (WCAG 1.4.10). */
const NARROWEST = { width: 320, height: 640 };
const PICTURE_MOST = 300 * 1024;
const CSP =
  "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

class Checks {
  passed = 0;
  failed = 0;

  async that(name, run) {
    try {
      const more = await run();
      this.passed += 1;
      console.log(`ok    ${name}${more ? ` (${more})` : ''}`);
    } catch (error) {
      this.failed += 1;
      console.log(`FAIL  ${name}: ${error.message}`);
    }
  }
}

/** Everything that a page must not do, and every request that it makes. */
class Watcher {
  problems = [];
  requests = [];
  /** While the daemon is down the browser itself logs that it cannot be reached. */
  down = false;

  constructor(page, origin) {
    page.on('console', (message) => {
      if (!['error', 'warning'].includes(message.type())) return;
      if (!(this.down && message.text().includes('net::ERR_'))) this.problems.push(`console: ${message.text()}`);
    });
    page.on('pageerror', (error) => this.problems.push(`uncaught: ${error.message}`));
    page.on('dialog', (dialog) => {
      this.problems.push(`dialog: ${dialog.message()}`);
      dialog.dismiss();
    });
    page.on('request', (request) => {
      this.requests.push({ url: request.url(), at: Date.now() });
      if (new URL(request.url()).origin !== origin) this.problems.push(`another origin: ${request.url()}`);
    });
    page.on('response', (response) => {
      if (response.status() >= 400) this.problems.push(`HTTP ${response.status()}: ${response.url()}`);
    });
  }
}

async function open(browser, world, options = {}) {
  // Far from UTC, so that a time in the wrong zone shows.
  const context = await browser.newContext({
    viewport: DESKTOP,
    locale: 'en-GB',
    timezoneId: 'Asia/Tokyo',
    ...options,
  });
  context.setDefaultTimeout(PATIENCE / 3);
  await context.addInitScript(() => {
    document.addEventListener('securitypolicyviolation', (event) =>
      console.error(`CSP: ${event.violatedDirective} ${event.blockedURI}`),
    );
  });
  const page = await context.newPage();
  return { page, watcher: new Watcher(page, world.url) };
}

const live = (page) => page.waitForSelector('#link[data-state="live"]');
const card = (page, one) => page.locator('#windows > li').filter({ hasText: one.label });
const row = (page, one) => page.locator('#orders tr').filter({ hasText: one.label });
const focused = (page) =>
  page.evaluate(() => {
    const { id, textContent, dataset } = document.activeElement;
    return { id, text: textContent.trim().slice(0, 200), focus: dataset.focus ?? '' };
  });
const rows = (page) => page.locator('#orders tr').count();
const scrollsSideways = (page) =>
  page.evaluate(() => document.documentElement.scrollWidth > document.documentElement.clientWidth);

function seconds(words) {
  const unit = (name) => Number(new RegExp(`(\\d+) ${name}\\b`).exec(words)?.[1] ?? 0);
  assert.match(words, /\d+ s left/);
  return unit('d') * 86400 + unit('h') * 3600 + unit('min') * 60 + unit('s');
}

async function axe(page) {
  await page.evaluate(`window.axe ?? (() => { ${AXE} })()`);
  // Without preloading, which asks for style sheets again.
  const { violations, passes } = await page.evaluate(() => window.axe.run(document, { preload: false }));
  const told = violations.map(
    ({ id, nodes }) =>
      `${id}: ${nodes
        .slice(0, 3)
        .map((node) => `${node.target} ${node.any[0]?.message ?? ''}`)
        .join('; ')}`,
  );
  assert.deepEqual(told, []);
  return `${passes.length} rules`;
}

async function tabTo(page, wanted, most = 150) {
  for (let presses = 1; presses <= most; presses += 1) {
    await page.keyboard.press('Tab');
    if (wanted(await focused(page))) return presses;
  }
  throw new Error(`not reached with ${most} presses of Tab; focus is on ${JSON.stringify(await focused(page))}`);
}

// --- The checks, in the order of the story ---------------------------------------------------------------------------

async function checkDelivery(check, world) {
  await check.that('every file comes with its type and the headers', async () => {
    const types = {
      '': 'text/html',
      'page.css': 'text/css',
      'page.js': 'text/javascript',
      'view.js': 'text/javascript',
      'dom.js': 'text/javascript',
      'icon.svg': 'image/svg+xml',
    };
    for (const [file, type] of Object.entries(types)) {
      const answer = await fetch(`${world.url}/${file}`);
      assert.equal(answer.status, 200, file);
      assert.equal(answer.headers.get('content-type').split(';')[0], type, file);
      assert.equal(answer.headers.get('content-security-policy'), CSP, file);
      assert.equal(answer.headers.get('x-content-type-options'), 'nosniff', file);
    }
  });
  await check.that('the page listens for every event of docs/events.md', async () => {
    const docs = readFileSync(path.join(ROOT, 'docs/events.md'), 'utf8').split('## The events')[1].split('\n## ')[0];
    const documented = [...docs.matchAll(/^\| `([a-z_.]+)` \|/gm)].map(([, name]) => name).sort();
    const script = readFileSync(path.join(ROOT, 'src/web/page.js'), 'utf8');
    const listed = /const EVENTS = `([^`]+)`/.exec(script)[1].trim().split(/\s+/).sort();
    assert.ok(documented.length > 20);
    assert.deepEqual(listed, documented);
    return `${listed.length} events`;
  });
}

async function checkOverview(check, page, world) {
  await check.that('it says that it is live, and what it counted', async () => {
    await live(page);
    assert.equal(await page.locator('#link-words').innerText(), 'live');
    const { orders } = await world.api('status');
    await until('the counts', async () =>
      (await page.locator('.count.window').innerText()).includes(String(orders.window)),
    );
    assert.match(await page.title(), new RegExp(`^\\(${orders.windows}\\) claimwatch$`));
    assert.match(await page.locator('#daemon').innerText(), new RegExp(`${ORDERS} orders`));
    return `${orders.tracked} orders, ${orders.windows} windows`;
  });
  await check.that('an open window shows the time left, and it ticks down', async () => {
    const left = async () => seconds(await card(page, CAST.still).locator('.left').innerText());
    const { windows } = await world.api('status');
    const told = windows.find((window) => window.order_id === CAST.still.id);
    const first = await left();
    const real = (Date.parse(told.window_earliest) - Date.now()) / 1000;
    assert.ok(Math.abs(first - real) < 5, `the page says ${first} s, it is ${real} s`);
    const second = await until('a tick', async () => ((await left()) < first ? left() : null));
    await until('another tick', async () => (await left()) < second);
    return `${first} s`;
  });
  await check.that('its bar is as long as the time left', async () => {
    const bar = card(page, CAST.still).getByRole('meter');
    const { fill, whole } = await bar.evaluate((node) => ({
      fill: node.firstElementChild.getBoundingClientRect().width,
      whole: node.getBoundingClientRect().width,
    }));
    const now = Number(await bar.getAttribute('aria-valuenow'));
    assert.ok(now > 10 && now < 20 && Math.abs(fill / whole - now / 100) < 0.02, `${now} %, ${fill} of ${whole} px`);
    assert.match(await bar.getAttribute('aria-valuetext'), /\d+ h \d+ min left/);
    assert.match(await bar.getAttribute('aria-label'), /\+44/);
    return `${now} %`;
  });
  await check.that('windows are sorted by time left, and say what is special', async () => {
    const { windows } = await world.api('status');
    const shown = await page.locator('#windows > li h3 a').allInnerTexts();
    assert.deepEqual(
      shown,
      windows.map((window) => window.number),
    );
    assert.match(await card(page, CAST.anytime).innerText(), /may end at any time until/);
    assert.match(await card(page, CAST.retrying).innerText(), /retrying/);
    return `${shown.length} windows`;
  });
  await check.that('foreign text is text', async () => {
    await page.locator('#filter-text').fill('{{7*7}}');
    await row(page, CAST.hostile).waitFor();
    const shown = await row(page, CAST.hostile).innerText();
    assert.ok(
      shown.includes(HOSTILE_LABEL) && shown.includes('<script>alert(1)</script>') && !shown.includes('\u202e'),
      shown,
    );
    assert.equal(await page.locator('main img, main script').count(), 0);
    await page.locator('#filter-clear').click();
  });
}

async function checkOrders(check, page) {
  await check.that('orders come in pages, until all are there', async () => {
    await until('the first page', async () => (await rows(page)) === 25);
    let before = 25;
    while (await page.locator('#more').isVisible()) {
      await page.locator('#more').click();
      before = await until('more rows', async () => ((await rows(page)) > before ? rows(page) : null));
      await page.waitForFunction(() => !document.querySelector('#orders-note').textContent.includes('Asking'));
    }
    assert.equal(before, ORDERS);
    return `${before} rows`;
  });
  await check.that('filters: list, status, urgency, text, each alone and together', async () => {
    const expect = async (count, what) =>
      until(
        `${what}: ${count} rows`,
        async () => (await rows(page)) === count && !(await page.locator('#more').isVisible()),
      );
    await page.locator('#filter-list').fill('ports');
    await page.keyboard.press('Enter');
    await expect(2, 'the list');
    assert.ok(page.url().endsWith('#/?list=ports'), page.url());
    await page.locator('#filter-status').selectOption('Partial');
    await expect(1, 'list and status');
    await page.reload();
    await expect(1, 'the same after a reload');
    assert.equal(await page.locator('#filter-status').inputValue(), 'Partial');
    await page.locator('#filter-clear').click();
    await page.locator('#filter-urgency').selectOption('attention');
    await expect(1, 'the urgency');
    await page.locator('#filter-clear').click();
    await page.locator('#filter-text').fill('berlin');
    await expect(1, 'the text of a label');
    await page.locator('#filter-text').fill(CAST.still.number.slice(-5));
    await expect(1, 'a part of a number');
  });
  await check.that('where nothing matches it says what to do', async () => {
    await page.locator('#filter-text').fill('no such thing');
    await until('the words', async () =>
      /No order matches.*Clear the filter.*ask for it by id/.test(await page.locator('#orders-note').innerText()),
    );
    assert.equal(await page.locator('#orders-table').isVisible(), false);
    await axe(page);
    await page.locator('#filter-clear').click();
    await until('all again', async () => (await rows(page)) === 25);
    assert.equal((await focused(page)).id, 'filter-text');
  });
  await check.that('a count leads to its orders', async () => {
    await page.locator('.count.attention').click();
    await until('one row', async () => (await rows(page)) === 1);
    assert.equal((await focused(page)).id, 'orders-title');
    await page.goBack();
    await until('all again', async () => (await rows(page)) === 25);
  });
}

async function checkKeyboard(check, page) {
  const isLink =
    (kind, one) =>
    ({ focus }) =>
      focus === `${kind} ${one.id}`;
  await check.that('the first press of Tab is the skip link, and it works', async () => {
    await page.reload();
    await live(page);
    await page.keyboard.press('Tab');
    assert.match((await focused(page)).text, /Skip/);
    await page.keyboard.press('Enter');
    assert.equal((await focused(page)).id, 'main');
  });
  await check.that('an order opens by keyboard alone, with its title in focus', async () => {
    await page.locator('#orders tr').first().waitFor();
    const presses = await tabTo(page, isLink('order', CAST.still));
    const outline = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
    assert.equal(outline, 'solid', 'focus is seen');
    await page.keyboard.press('Enter');
    await page.locator('.timeline > li').first().waitFor();
    assert.ok(page.url().endsWith(`#/orders/${CAST.still.id}`));
    assert.equal((await focused(page)).id, 'order-title');
    return `${presses} presses`;
  });
  await check.that('its view has the window’s evidence, the next look and why, history and deliveries', async () => {
    const view = await page.locator('#order').innerText();
    for (const wanted of [
      CAST.still.number,
      CAST.still.label,
      'counted from requested_at',
      'Next look',
      'window.opened',
      'number.failed',
      'delivered',
      'file',
    ]) {
      assert.ok(view.includes(wanted), `${wanted} is missing in: ${view}`);
    }
    const events = await page.locator('.timeline > li').allInnerTexts();
    assert.match(events.at(-1), /number\.failed/);
    return `${events.length} events`;
  });
  await check.that('the way back leads to the link that was left', async () => {
    await page.goBack();
    await page.locator('#overview').waitFor();
    await until('focus', async () => isLink('order', CAST.still)(await focused(page)));
    await page.keyboard.press('Enter');
    await page.locator('#order').waitFor();
    await tabTo(page, ({ id }) => id === 'back');
    await page.keyboard.press('Enter');
    await page.locator('#overview').waitFor();
    await until('focus', async () => isLink('order', CAST.still)(await focused(page)));
  });
}

async function checkTimes(check, page) {
  await check.that('times are local, or in UTC, and exact in their title', async () => {
    const time = card(page, CAST.still).locator('time').first();
    const exact = await time.getAttribute('title');
    const local = new Date(Date.parse(exact) + 9 * 3_600_000).toISOString().slice(11, 19);
    assert.ok((await time.innerText()).includes(local), await time.innerText());
    await page.locator('#utc').check();
    assert.ok((await time.innerText()).includes(exact.slice(11, 19)), await time.innerText());
    await page.reload();
    await time.waitFor();
    assert.ok(await page.locator('#utc').isChecked(), 'it is remembered');
    assert.ok((await time.innerText()).includes(exact.slice(11, 19)));
    await page.locator('#utc').uncheck();
  });
}

async function checkLooks(check, page, pictures) {
  for (const where of ['overview', 'order']) {
    await page.goto(`${new URL(page.url()).origin}/#/${where === 'order' ? `orders/${CAST.still.id}` : ''}`);
    await page
      .locator(where === 'order' ? '.timeline > li' : '#orders tr')
      .first()
      .waitFor();
    for (const [device, viewport] of Object.entries({ desktop: DESKTOP, phone: PHONE })) {
      for (const colorScheme of ['light', 'dark']) {
        await page.setViewportSize(viewport);
        await page.emulateMedia({ colorScheme });
        await check.that(`axe finds nothing: ${where}, ${device}, ${colorScheme}`, () => axe(page));
        if (pictures) await picture(page, pictures, `${where}-${device}-${colorScheme}`);
      }
    }
    await check.that(`${where}: no sideways scrolling at ${NARROWEST.width} px`, async () => {
      await page.setViewportSize(NARROWEST);
      assert.equal(await scrollsSideways(page), false);
    });
  }
  await page.setViewportSize(DESKTOP);
  await page.emulateMedia({ colorScheme: 'light', reducedMotion: 'reduce' });
  await check.that('who wants no motion gets none', async () => {
    const moving = await page.evaluate(() => {
      document.querySelector('#order').classList.add('changed');
      const { animationName } = getComputedStyle(document.querySelector('#order'));
      document.querySelector('#order').classList.remove('changed');
      return animationName;
    });
    assert.equal(moving, 'none');
  });
  await page.emulateMedia({ reducedMotion: null });
}

async function picture(page, folder, name) {
  mkdirSync(folder, { recursive: true });
  const file = path.join(folder, `page-${name}.png`);
  await page.evaluate(() => scrollTo(0, 0));
  await page.screenshot({ path: file });
  const { size } = statSync(file);
  if (size > PICTURE_MOST) throw new Error(`${file} has ${size} bytes`);
}

async function checkLive(check, page, watcher, world) {
  await page.goto(`${world.url}/#/`);
  await live(page);
  await page.evaluate(() => {
    window.loadedOnce = true;
  });
  const sameLoad = async () =>
    assert.equal(await page.evaluate(() => window.loadedOnce), true, 'the page was loaded anew');
  await check.that('a claim that is rescued goes from the windows, without a reload', async () => {
    await card(page, CAST.rescued).waitFor();
    const [{ windows }, began] = [(await world.api('status')).orders, Date.now()];
    world.move(CAST.rescued);
    await card(page, CAST.rescued).waitFor({ state: 'detached' });
    const took = Date.now() - began;
    assert.match(await page.locator('#events > li').first().innerText(), /window\.resolved/);
    assert.match(await page.title(), new RegExp(`^\\(${windows - 1}\\)`));
    await sameLoad();
    return `${took} ms after it happened`;
  });
  await check.that('and it is announced', async () => {
    await until('the announcement', async () =>
      (await page.locator('#announcer').textContent()).includes(CAST.rescued.number),
    );
  });
  await check.that(
    'a claim that fails is there with its time, without a reload, and focus stays where it was',
    async () => {
      await card(page, CAST.still).locator('a').focus();
      world.move(CAST.fails);
      await card(page, CAST.fails).waitFor();
      assert.match(await card(page, CAST.fails).locator('.left').innerText(), /23 h \d\d min \d\d s left/);
      assert.equal((await focused(page)).focus, `window ${CAST.still.id}`);
      await sameLoad();
    },
  );
  await check.that('a window that somebody acknowledges says so', async () => {
    assert.equal(await world.command('ack', CAST.closing.id), 0);
    await until('the mark', async () => /acknowledged/.test(await card(page, CAST.closing).innerText()));
  });
  await check.that('many events at once: a fetch a second at most', async () => {
    const from = watcher.requests.length;
    const began = Date.now();
    world.moveBurst();
    await until('all are claimed', async () => / 0 pending/.test(await page.locator('#counts').innerText()));
    const fetched = watcher.requests.slice(from).filter(({ url }) => url.endsWith('/api/v1/status')).length;
    const most = Math.ceil((Date.now() - began) / 1000) + 1;
    assert.ok(fetched >= 1 && fetched <= most, `${fetched} fetches`);
    return `${BURST_SIZE} claims, ${fetched} fetches in ${Date.now() - began} ms`;
  });
}

async function checkOutage(check, page, world) {
  await check.that('a service that does not work is an alert, until it works again', async () => {
    const alerts = page.locator('#alerts');
    assert.equal(await alerts.isVisible(), false);
    world.outage(true);
    await until('the alert', async () => / the service does not work/.test(await alerts.innerText()));
    assert.match(await page.locator('#scopes').innerText(), /unavailable/);
    await axe(page);
    world.outage(false);
    await alerts.waitFor({ state: 'hidden', timeout: PATIENCE * 2 });
    assert.match(await page.locator('#scopes-note').innerText(), /none is in trouble/);
  });
}

async function checkWithoutStream(check, browser, world) {
  await check.that('without a stream it asks every 30 s, and says so', async () => {
    const { page } = await open(browser, world);
    await page.clock.install();
    await page.route('**/events?follow', (route) => route.abort());
    const asked = () => statuses.length;
    const statuses = [];
    page.on('request', (request) => {
      if (request.url().endsWith('/status')) statuses.push(request.url());
    });
    await page.goto(world.url);
    await page.locator('#windows > li').first().waitFor();
    await page.waitForSelector('#link[data-state="broken"]');
    const before = asked();
    await page.clock.fastForward(31_000);
    await until('another question', () => asked() > before);
    assert.match(await page.locator('#link').innerText(), /reconnecting\s+since/);
    await page.context().close();
  });
  await check.that('an order that nobody knows is said to be unknown', async () => {
    const { page } = await open(browser, world);
    await page.goto(`${world.url}/#/orders/no-such-order`);
    await until('the words', async () => /The daemon says: /.test(await page.locator('#order-body').innerText()));
    assert.equal(await page.locator('#link').getAttribute('data-state'), 'live');
    await page.context().close();
  });
}

async function checkStop(check, page, watcher, world) {
  const link = () => page.locator('#link').innerText();
  await check.that('the daemon stops: the page says so, and how old it is', async () => {
    watcher.down = true;
    const code = await world.stopDaemon();
    await page.waitForSelector('#link[data-state="broken"]');
    const age = async () => Number(/what you see is from .*, (?:(\d+) min )?(\d+) s old/.exec(await link())?.[2] ?? -1);
    const first = await until('an age', async () => ((await age()) > 0 ? age() : null));
    await until('it grows', async () => (await age()) > first);
    assert.match(await link(), /reconnecting\s+since/);
    assert.match(await page.title(), /^! /);
    assert.equal(code, 0, 'the daemon ends well while a page is open');
    return (await link()).replaceAll(/\s+/g, ' ');
  });
  await check.that('what was seen stays, and time goes on', async () => {
    const left = async () => seconds(await card(page, CAST.still).locator('.left').innerText());
    const first = await left();
    await until('a tick', async () => (await left()) < first);
  });
  await check.that('axe finds nothing then either', () => axe(page));
  await check.that('it starts again: live again, with what is new', async () => {
    const since = await page.locator('#daemon time').first().getAttribute('title');
    await world.startDaemon();
    await live(page);
    await until(
      'the new start',
      async () => (await page.locator('#daemon time').first().getAttribute('title')) !== since,
    );
    assert.equal(await page.locator('#link-detail').innerText(), '');
    assert.equal(await page.evaluate(() => window.loadedOnce), true);
    watcher.down = false;
  });
}

async function story(check, browser, world) {
  await world.begin();
  await world.settled();
  await checkDelivery(check, world);
  const { page, watcher } = await open(browser, world);
  await page.goto(world.url);
  await checkOverview(check, page, world);
  await checkOrders(check, page);
  await checkKeyboard(check, page);
  await checkTimes(check, page);
  await checkLooks(check, page, process.env.SCREENSHOT_DIR);
  await checkLive(check, page, watcher, world);
  await checkOutage(check, page, world);
  await checkWithoutStream(check, browser, world);
  await checkStop(check, page, watcher, world);
  await check.that(
    'in all this time: no error, warning, violation of the policy, dialog or request elsewhere',
    async () => {
      assert.deepEqual(watcher.problems, []);
      return `${watcher.requests.length} requests`;
    },
  );
}

const check = new Checks();
const world = new World(process.argv[2]);
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => world.end().then(() => process.exit(1)));
let browser = null;
try {
  await check.that('the story is told to its end', async () => {
    // Without its sandbox, which root cannot have: it sees our own page only.
    browser = await chromium.launch({ executablePath: process.env.CHROMIUM, chromiumSandbox: false });
    await story(check, browser, world);
    return `Chromium ${browser.version()}`;
  });
} finally {
  await browser?.close();
  await world.end();
}
console.log(`${check.passed} passed, ${check.failed} failed`);
process.exitCode = check.failed ? 1 : 0;
