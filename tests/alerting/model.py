"""What a log comes to: the same that mtail and Loki are to make of it, said once more in Python."""

import datetime


def seconds(time):
    return int(datetime.datetime.fromisoformat(time).timestamp())


class Model:
    """The state at the end of a log."""

    def __init__(self, lines, records):
        self.counts, self.last = {}, {}
        # The open windows by id: the facts, and whether the last word of it was a warning, and of which level.
        self.windows, self.warned = {}, {}
        self.scopes, self.sinks = {}, {}
        # Nothing until it was said: mtail does not show what was never set.
        self.config_rejected = self.store_failing = None
        for record, _ in records:
            self.take(record)
        for line in lines:
            if not line.startswith("{"):
                self.store_failing = (
                    1 if "store.failing" in line else 0 if "the store works again" in line else self.store_failing
                )

    def take(self, record):
        event, level = record["event"], record["level"]
        key = (event, level, record.get("list", ""))
        self.counts[key] = self.counts.get(key, 0) + 1
        self.last[key] = seconds(record["time"])
        family, _, word = event.partition(".")
        if family == "window":
            window = record["window_id"]
            self.warned.pop(window, None)
            if word in ("opened", "closing"):
                self.windows[window] = record
                if word == "closing":
                    self.warned[window] = level
            else:
                self.windows.pop(window, None)
        elif family == "scope":
            key = (record["provider"], record["account"], record["region"], record["condition"])
            self.scopes[key] = 0 if word in ("recovered", "caught_up") else 1
        elif family == "sink":
            self.sinks[record["sink"], record["condition"]] = 0 if word == "recovered" else 1
        elif family == "config":
            self.config_rejected = int(word == "rejected")

    def samples(self):
        """As the metrics of claimwatch.mtail: (name, labels) to value."""
        names = ("event", "level", "list")
        found = {}

        def put(name, value, **labels):
            found[name, frozenset((key, label) for key, label in labels.items() if label)] = value

        for key, count in self.counts.items():
            put("claimwatch_log_events_total", count, **dict(zip(names, key)))
        for key, time in self.last.items():
            put("claimwatch_log_event_last_timestamp_seconds", time, **dict(zip(names, key)))
        for window, record in self.windows.items():
            labels = {"provider": record["provider"], "list": record["list"], "window_id": window}
            for end in ("earliest", "latest"):
                put(f"claimwatch_log_window_{end}_timestamp_seconds", seconds(record[f"window_{end}"]), **labels)
        for (provider, account, region, condition), value in self.scopes.items():
            put("claimwatch_log_scope_trouble", value, provider=provider, account=account, region=region, condition=condition)
        for (sink, condition), value in self.sinks.items():
            put("claimwatch_log_sink_trouble", value, sink=sink, condition=condition)
        for name, value in (("config_rejected", self.config_rejected), ("store_failing", self.store_failing)):
            if value is not None:
                put(f"claimwatch_log_{name}", value)
        return found

    def firing(self, alert, severity):
        """The groups for which a state of the log fires, as the rules for Loki have it; None where the alert is of one event."""
        of_windows = lambda chosen: {(w["list"], w["number"], w["window_id"]) for w in chosen}
        of_scopes = lambda word: {key[:3] for key, value in self.scopes.items() if value and key[3] == word}
        of_sinks = lambda word: {key[:1] for key, value in self.sinks.items() if value and key[1] == word}
        states = {
            "ClaimwatchClaimFailed": lambda: of_windows(self.windows.values()),
            "ClaimwatchWindowClosing": lambda: of_windows(
                self.windows[w] for w, level in self.warned.items() if level == ("error" if severity == "page" else "warn")
            ),
            "ClaimwatchDenied": lambda: of_scopes("denied"),
            "ClaimwatchSuspect": lambda: of_scopes("suspect"),
            "ClaimwatchUnavailable": lambda: of_scopes("unavailable"),
            "ClaimwatchOverloaded": lambda: of_scopes("overloaded"),
            "ClaimwatchThrottled": lambda: of_scopes("throttled"),
            "ClaimwatchSinkFailing": lambda: of_sinks("failing"),
            "ClaimwatchSinkDisabled": lambda: of_sinks("disabled"),
            "ClaimwatchConfigRejected": lambda: {("claimwatch",)} if self.config_rejected else set(),
        }
        return states[alert]() if alert in states else None
