#!/usr/bin/env python3
"""Looks at the same orders over and over with boto3, as a script would: some threads, one client, its own retries.

    boto3_loop.py --endpoint URL --service connect|chime --mode standard|adaptive --orders N [--threads 8]

It ends when its standard input is closed. What it did is counted by the simulator that it asks.
"""

import argparse
import itertools
import os
import sys
import threading

import boto3
import botocore.exceptions
from botocore.config import Config

SERVICES = {
    "connect": ("connect", lambda client, n: client.describe_phone_number(
        PhoneNumberId=f"0c1f3b6e-7d2a-4b8e-9a41-{n:012}")),
    "chime": ("chime-sdk-voice", lambda client, n: client.get_phone_number_order(
        PhoneNumberOrderId=f"6f1c0d4e-3f0b-4c1e-9a57-{n:012}")),
}


def loop(client, look, orders):
    for order in orders:
        try:
            look(client, order)
        except (botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError):
            # The next round asks again; whether to wait is left to the client's own retries.
            pass


class Shared:
    """One endless round of all orders for all threads."""

    def __init__(self, orders):
        self.lock = threading.Lock()
        self.round = itertools.cycle(range(orders))

    def __iter__(self):
        return self

    def __next__(self):
        with self.lock:
            return next(self.round)


def main():
    parser = argparse.ArgumentParser(description="Looks at orders over and over with boto3.")
    parser.add_argument("--endpoint", required=True)
    parser.add_argument("--service", choices=sorted(SERVICES), required=True)
    parser.add_argument("--mode", choices=["standard", "adaptive"], required=True)
    parser.add_argument("--orders", type=int, required=True)
    parser.add_argument("--threads", type=int, default=8)
    given = parser.parse_args()
    name, look = SERVICES[given.service]
    client = boto3.session.Session().client(
        name,
        region_name="eu-west-2",
        endpoint_url=given.endpoint,
        aws_access_key_id="simulated",
        aws_secret_access_key="simulated",
        # The number of attempts is the mode's own default.
        config=Config(retries={"mode": given.mode}, proxies={}, max_pool_connections=given.threads),
    )
    orders = Shared(given.orders)
    for _ in range(given.threads):
        threading.Thread(target=loop, args=(client, look, orders), daemon=True).start()
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    main()
