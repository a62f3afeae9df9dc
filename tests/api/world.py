"""The world of check_api.py: its scenario, the lists that watch it, and what they mean."""

import json
import re

from peers import HERE, Daemon, secret

SCENARIO = HERE / "scenario.toml"
NUMBER = "0c1f3b6e-7d2a-4b8e-9a41-{:012}"
ORDER = "6f1c0d4e-3f0b-4c1e-9a57-{:012}"
ARN = "arn:aws:connect:eu-west-2:123456789012:phone-number/"
CLAIMED, FAILED, RESCUED, KNOWN, WARNED, STRANGE, MISSING, GONE = map(NUMBER.format, range(1, 9))
ABSENT, UPDATED, STUCK, DENIED, ELSEWHERE, RESTLESS = map(NUMBER.format, range(9, 15))
SUCCESSFUL, PARTIAL, ALL_FAILED, PORTED, LIMBO = map(ORDER.format, range(1, 6))
MANY = "7e2d1c3b-5a4f-4b6e-8d90-000000000006"

# What a terminal would act on, and takes twice the columns; as much of it as `check` lets through.
SIDEWAYS = "\u202eesrever\u202c \u2066isolated\u2069 \u200f\u200emarks \u061c"
BROKEN = "one\u2028two\u2029three\u200bfour\ufefffive\u2060six\u00ad"
WIDE = "電話番号" * 50
JOINED = "e\u0301" * 100
ACCEPTED = [SIDEWAYS, BROKEN, WIDE, JOINED, "x" * 200]
REFUSED = ["\u001b[2J", "a\nb", "a\rb", "\u009b31m", "a\u0000b", "\u0007", "x" * 201, ""]

MAIN = """[store]
url = "sqlite://claimwatch.db"

[account.sandbox]
region = "eu-west-2"
account_id = "123456789012"
connect = { rate = 50.0, burst = 50 }
chime = { rate = 50.0, burst = 50 }

[account.second]
region = "us-east-1"
connect = { rate = 50.0, burst = 50 }

[poll]
floor = "700ms"
steady = "1s"
ceiling = "2s"
missing_grace = "0s"
missing_confirm = "500ms"

[events.log]
format = "json"

[events.file]
path = "events.jsonl"

[http]
listen = "127.0.0.1:9185"
hosts = ["claims.example.com"]

[schedules]
heartbeat = "*/5 * * * * *"
"""


def quoted(text):
    """As TOML has it, with everything escaped that is not plain."""
    escape = lambda c: c if c.isascii() and c.isprintable() and c not in '"\\' else f"\\U{ord(c):08x}"
    return '"' + "".join(map(escape, text)) + '"'


def watch_list(account, entries, labels=None, more=""):
    """A list; entries are (id, keys)."""
    table = ", ".join(f"{key} = {quoted(value)}" for key, value in (labels or {}).items())
    text = f'account = "{account}"\nlabels = {{ {table} }}\n{more}\n'
    for order_id, keys in entries:
        kind = "order" if order_id.startswith(("6f1c", "7e2d")) else "number"
        text += f"\n[[{kind}]]\nid = {quoted(order_id)}\n"
        text += "".join(f"{key} = {value if key == 'requested_at' else quoted(value)}\n" for key, value in keys.items())
    return text


VOICE = {"team": "voice", "note": SIDEWAYS + BROKEN}
LISTS = {
    "numbers": watch_list(
        "sandbox",
        [
            (CLAIMED, {"label": "Front desk"}),
            (FAILED, {"label": SIDEWAYS + BROKEN}),
            (RESCUED, {"label": "Sales line", "operation": "claim"}),
            (STRANGE, {}),
            (MISSING, {"number": "+442079460107", "label": WIDE}),
            (GONE, {"label": JOINED}),
            (ABSENT, {}),
            (UPDATED, {"operation": "update"}),
            (STUCK, {"label": "x" * 200}),
            (DENIED, {}),
        ],
        VOICE,
        'stalled_after = "10s"\npoll = { after_terminal = "1s" }',
    ),
    "short": watch_list(
        "sandbox",
        [(KNOWN, {"operation": "claim", "label": WIDE}), (WARNED, {"operation": "claim"}), (ARN + ELSEWHERE, {})],
        {"team": "voice", "tier": "gold"},
        'retry_window = { length = "1m", warn_before = ["40s", "30s", "20s", "10s", "5s"] }',
    ),
    "orders": watch_list(
        "sandbox",
        [(SUCCESSFUL, {"label": 'Branch "offices"'}), (PARTIAL, {"label": WIDE}), (ALL_FAILED, {}), (PORTED, {}), (LIMBO, {})],
        {"team": "fax"},
    ),
    "windowed": watch_list("sandbox", [(MANY, {"label": "Two dozen"})], {}, 'retry_window = { length = "24h" }'),
    "second": watch_list("second", [(CLAIMED, {})], {"team": "far"}),
}
# Added by a reload where a change is wanted.
RESTLESS_LIST = watch_list(
    "sandbox", [(RESTLESS, {"label": "Restless"})], {"team": "voice"}, 'poll = { after_terminal = "700ms" }'
)
# Of one entry the id is a number.
BAD_LIST = watch_list("sandbox", [("+442079460199", {})])


def scenario(folder):
    """The scenario with a number that changes every three seconds for an hour."""
    changes = [f'{{ at = "{at}s", status = "{"CLAIMED" if at % 2 else "IN_PROGRESS"}" }}' for at in range(3, 3600, 3)]
    first = '{ at = "0s", status = "CLAIMED" }'
    told, count = re.subn(
        r"timeline = \[\{ at = .*# check_api.py writes the rest",
        "timeline = [" + ", ".join([first, *changes]) + "]",
        SCENARIO.read_text(),
    )
    assert count == 1, "the scenario has a place for what is written"
    path = folder / "scenario.toml"
    path.write_text(told)
    return path


def numbers():
    """Every phone number of the world, and those of lists."""
    return sorted(set(re.findall(r"\+[0-9]{7,15}", SCENARIO.read_text() + "".join(LISTS.values()) + BAD_LIST)))


def daemon(program, folder, simulated, webhooks=(), **more):
    """A daemon with these lists, not started. Webhooks are (name, address)."""
    (folder / "watch.d").mkdir(parents=True)
    for name, text in LISTS.items():
        (folder / f"watch.d/{name}.toml").write_text(text)
    text = MAIN
    for name, address in webhooks:
        secret(folder / f"{name}.secret")
        text += f'\n[[events.webhook]]\nname = "{name}"\nurl = "{address}"\nsecret_files = ["{name}.secret"]\n'
    (folder / "claimwatch.toml").write_text(text)
    for account in ("SANDBOX", "SECOND"):
        for service in ("CONNECT", "CHIME"):
            more[f"CLAIMWATCH__ACCOUNT__{account}__{service}__ENDPOINT"] = simulated
    return Daemon(program, folder, **more)


def told(daemon, event, order_id=None, **keys):
    """The records of an event, of an order, with these keys."""
    keys |= {"event": event} | ({"order_id": order_id} if order_id else {})
    return [record for record in daemon.lines() if all(record.get(key) == value for key, value in keys.items())]


def missing(daemon):
    """What of the story was not told yet."""
    wanted = {
        "number.claimed": [CLAIMED],
        "number.failed": [FAILED, UPDATED],
        "number.released": [GONE],
        "window.opened": [KNOWN, WARNED],
        "window.resolved": [RESCUED, ELSEWHERE],
        "order.completed": [SUCCESSFUL, PARTIAL, ALL_FAILED, MANY],
        "order.attention": [DENIED, PORTED],
        "order.unrecognized": [STRANGE, LIMBO],
        "order.not_found": [MISSING],
        "order.stalled": [STUCK],
        "heartbeat": [None],
    }
    had = {(record["event"], record.get("order_id")) for record in daemon.lines()}
    return [(event, who) for event, all_of_them in wanted.items() for who in all_of_them if (event, who) not in had]


def pretty(record):
    return json.dumps(record, ensure_ascii=False)[:300]
