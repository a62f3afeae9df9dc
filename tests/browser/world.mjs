// The world that the page is seen in: two simulated AWS, a switch before them, and the daemon in a folder of its own.
//
// Both simulators have the same numbers and orders; in the second, what is to happen has happened. The switch asks the
// second one about those that a check has moved on, and the first about all others. So things happen when a check says
// so, not after some seconds.

import { spawn } from 'node:child_process';
import { mkdtempSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';

const ANNOUNCED = 'listening on ';
/** Milliseconds that anything may take before it counts as failed. Generous: the machine may be busy. */
export const PATIENCE = 60_000;

const LIMIT = 'Target instance has reached its limit of claimed numbers';
/** What a page must show as it is: markup, a turn of the direction, one long word. */
export const HOSTILE_LABEL = '<img src=x onerror=alert(1)> {{7*7}}';
const HOSTILE_REASON = `"><script>alert(1)</script> \u202egnol ${'x'.repeat(300)}`;

const connectId = (n) => `0c1f3b6e-7d2a-4b8e-9a41-${String(n).padStart(12, '0')}`;
const chimeId = (n) => `6f1c0d4e-3f0b-4c1e-9a57-${String(n).padStart(12, '0')}`;
const e164 = (n) => `+4420794${60000 + n}`;

/** A Connect number: how it begins, how it is once it was moved on, and what the watch list says. */
function claim(n, list, label, steps, moved, more = {}) {
  return { provider: 'connect', id: connectId(n), number: e164(n), list, label, steps, moved: moved ?? steps, ...more };
}

const FAILED = [{ at: '0s', status: 'FAILED', message: LIMIT }];
const IN_PROGRESS = [{ at: '0s', status: 'IN_PROGRESS' }];
const CLAIMED = [{ at: '0s', status: 'CLAIMED' }];
const ago = (hours) => new Date(Date.now() - hours * 3_600_000);

/** Those that checks speak of, by name; then a crowd. */
export const CAST = {
  still: claim(1, 'emea', 'Returns line', FAILED, null, { requested: ago(20.15) }),
  closing: claim(2, 'emea', 'Support Berlin', FAILED, null, { requested: ago(23.3) }),
  rescued: claim(3, 'emea', 'Sales line', FAILED, CLAIMED, { requested: ago(9.5) }),
  anytime: claim(4, 'apac', 'Front desk Osaka', FAILED),
  retrying: claim(5, 'apac', 'Service Perth', FAILED, IN_PROGRESS, { requested: ago(15.4) }),
  fails: claim(6, 'emea', 'Warehouse', IN_PROGRESS, FAILED, { requested: ago(0.4) }),
  hostile: claim(7, 'emea', HOSTILE_LABEL, [{ at: '0s', status: 'FAILED', message: HOSTILE_REASON }], null, {
    operation: 'update',
  }),
  documents: {
    provider: 'chime',
    id: chimeId(1),
    list: 'ports',
    label: 'Branch offices',
    steps: [{ at: '0s', status: 'PendingDocuments', numbers: { '+12065550111': 'Processing' } }],
  },
  partial: {
    provider: 'chime',
    id: chimeId(2),
    list: 'ports',
    label: 'Fax lines',
    steps: [{ at: '0s', status: 'Partial', numbers: { '+12065550121': 'Acquired', '+12065550122': 'Failed' } }],
  },
};
const BURST = Array.from({ length: 20 }, (_, n) => claim(100 + n, 'bulk', `Extension ${n + 1}`, IN_PROGRESS, CLAIMED));
const QUIET = Array.from({ length: 40 }, (_, n) => claim(200 + n, 'done', `Desk ${n + 1}`, CLAIMED));
const ALL = [...Object.values(CAST), ...BURST, ...QUIET];
export const ORDERS = ALL.length;
export const BURST_SIZE = BURST.length;

// JSON's strings are TOML's basic strings as well.
const quoted = JSON.stringify;

function timeline(steps) {
  const inline = (value) =>
    typeof value === 'object'
      ? `{ ${Object.entries(value)
          .map(([key, inner]) => `${quoted(key)} = ${inline(inner)}`)
          .join(', ')} }`
      : quoted(value);
  return `[${steps.map(inline).join(', ')}]`;
}

function scenario(which) {
  const quotas = ['connect', 'chime'].map((service) => `[quota.${service}]\nrate = 10000.0\nburst = 10000\n`);
  const things = ALL.map((one) => {
    const steps = timeline(which === 'before' ? one.steps : (one.moved ?? one.steps));
    return one.provider === 'chime'
      ? `[[chime_order]]\nid = ${quoted(one.id)}\ntimeline = ${steps}\n`
      : `[[connect_number]]\nid = ${quoted(one.id)}\nnumber = ${quoted(one.number)}\ncountry = "GB"\ntimeline = ${steps}\n`;
  });
  return ['[world]\nsignatures = "ignored"\n', ...quotas, ...things].join('\n');
}

function watchLists() {
  const lists = new Map();
  for (const one of ALL) {
    const lines = [
      one.provider === 'chime' ? '[[order]]' : '[[number]]',
      `id = ${quoted(one.id)}`,
      `label = ${quoted(one.label)}`,
    ];
    if (one.provider === 'connect') lines.push(`operation = ${quoted(one.operation ?? 'claim')}`);
    if (one.requested) lines.push(`requested_at = ${one.requested.toISOString()}`);
    lists.set(one.list, [
      ...(lists.get(one.list) ?? ['account = "prod-eu"\nlabels = { team = "voice" }']),
      lines.join('\n'),
    ]);
  }
  return lists;
}

function mainFile(endpoint, port) {
  const service = `{ rate = 1000.0, burst = 1000, endpoint = ${quoted(endpoint)} }`;
  return `[store]
url = "sqlite://claimwatch.db"
[account.prod-eu]
region = "eu-west-2"
connect = ${service}
chime = ${service}
[poll]
floor = "300ms"
steady = "500ms"
ceiling = "1s"
[events.file]
path = "events.jsonl"
[http]
listen = "127.0.0.1:${port}"
[control]
socket = "control.sock"
[schedules]
heartbeat = "none"
`;
}

async function freePort() {
  const server = net.createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Waits until `happened` gives something true, with a bound; a check that fails says what it waited for. */
export async function until(what, happened, patience = PATIENCE) {
  const deadline = Date.now() + patience;
  let last;
  for (;;) {
    last = await happened();
    if (last) return last;
    if (Date.now() > deadline) throw new Error(`${what}: not within ${patience / 1000} s`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

export class World {
  constructor(program) {
    this.program = program;
    this.folder = mkdtempSync(path.join(os.tmpdir(), 'claimwatch-browser-'));
    this.moved = new Set();
    this.children = [];
    // Nothing of the user's own AWS settings is to be found.
    this.environment = {
      PATH: process.env.PATH,
      HOME: this.folder,
      AWS_ACCESS_KEY_ID: 'simulated',
      AWS_SECRET_ACCESS_KEY: 'simulated',
    };
  }

  async begin() {
    this.before = await this.simulate('before');
    this.after = await this.simulate('after');
    this.switch = http.createServer((request, response) => this.pass(request, response));
    await new Promise((resolve) => this.switch.listen(0, '127.0.0.1', resolve));
    this.port = await freePort();
    this.url = `http://127.0.0.1:${this.port}`;
    writeFileSync(
      path.join(this.folder, 'claimwatch.toml'),
      mainFile(`http://127.0.0.1:${this.switch.address().port}`, this.port),
    );
    mkdirSync(path.join(this.folder, 'watch.d'));
    for (const [list, parts] of watchLists())
      writeFileSync(path.join(this.folder, 'watch.d', `${list}.toml`), parts.join('\n\n'));
    await this.startDaemon();
  }

  spawn(args, options) {
    const child = spawn(this.program, args, { cwd: this.folder, env: this.environment, ...options });
    child.said = '';
    child.stderr?.on('data', (data) => {
      child.said = (child.said + data).slice(-4000);
    });
    child.ended = new Promise((resolve) => child.once('exit', (code, signal) => resolve(code ?? signal)));
    this.children.push(child);
    return child;
  }

  async simulate(which) {
    const file = path.join(this.folder, `${which}.toml`);
    writeFileSync(file, scenario(which));
    const child = this.spawn(['simulate', '--listen', '127.0.0.1:0', '--scenario', file], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let said = '';
    child.stdout.on('data', (data) => {
      said = (said + data).slice(0, 4000);
    });
    return until(`the simulator (${which}) listens`, () => {
      if (child.exitCode !== null) throw new Error(`the simulator ended: ${child.said}`);
      return said
        .split('\n')
        .find((line) => line.startsWith(ANNOUNCED) && said.includes('\n'))
        ?.slice(ANNOUNCED.length)
        .trim();
    });
  }

  /** What somebody at a terminal says; its exit code. */
  async command(...args) {
    return this.spawn([...args, '--config', 'claimwatch.toml'], { stdio: 'ignore' }).ended;
  }

  /** Whether the service is out of order. */
  outage(begins) {
    this.broken = begins;
  }

  pass(request, response) {
    if (this.broken) {
      response.writeHead(503).end();
      return;
    }
    const moved = [...this.moved].some((id) => request.url.includes(id));
    const target = new URL(request.url, moved ? this.after : this.before);
    const onward = http.request(target, { method: request.method, headers: request.headers }, (answer) => {
      response.writeHead(answer.statusCode, answer.headers);
      answer.pipe(response);
    });
    onward.on('error', () => response.destroy());
    request.pipe(onward);
  }

  /** From now on the service says what has become of them. */
  move(...ones) {
    for (const one of ones) this.moved.add(one.id);
  }

  moveBurst() {
    this.move(...BURST);
  }

  async startDaemon() {
    this.daemon = this.spawn(['run', '--config', 'claimwatch.toml'], { stdio: ['ignore', 'ignore', 'pipe'] });
    await until('the daemon answers', async () => {
      if (this.daemon.exitCode !== null)
        throw new Error(`the daemon ended with ${this.daemon.exitCode}: ${this.daemon.said}`);
      return fetch(`${this.url}/healthz`).then(
        (answer) => answer.ok,
        () => false,
      );
    });
  }

  async api(what) {
    const answer = await fetch(`${this.url}/api/v1/${what}`);
    return answer.json();
  }

  /** Until the daemon has seen everything, and one claim being retried. */
  async settled() {
    const orders = async () => (await this.api('orders?limit=500')).orders;
    await until('everything was looked at', async () => {
      const all = await orders();
      return all.length === ORDERS && all.every(({ status }) => status !== 'NEVER_SEEN');
    });
    this.move(CAST.retrying);
    await until('a retry was seen', async () => (await orders()).some(({ condition }) => condition === 'retrying'));
  }

  async stop(child) {
    if (child.exitCode !== null || child.signalCode !== null) return child.exitCode;
    child.kill('SIGTERM');
    const late = setTimeout(() => child.kill('SIGKILL'), 20_000);
    const code = await child.ended;
    clearTimeout(late);
    return code;
  }

  async stopDaemon() {
    return this.stop(this.daemon);
  }

  async end() {
    for (const child of this.children.reverse()) await this.stop(child);
    this.switch?.closeAllConnections();
    this.switch?.close();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
